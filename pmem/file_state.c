/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * file_state.c - the superblock of a mapped pool: its state, its incarnation, its size
 * Media:   the two superblock copies
 * Commit:  see file.c (DURABILITY.md, P8)
 * Threads: see file.h
 * Memory:  none is allocated
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "durability.h"
#include "file_internal.h"
#include "root.h"

uint64_t pool_file_copy_offset(int copy)
{
    return copy == 0 ? SB_COPY_OFFSET_A : SB_COPY_OFFSET_B;
}

static uint8_t *copy_at(const struct pool_file *file, int copy)
{
    return file->base + pool_file_copy_offset(copy);
}

static int write_copy(struct pool_file *file, struct sdb_m_superblock *sb, int copy)
{
    sb->sequence++;
    superblock_seal(sb);
    persist_copy(copy_at(file, copy), sb, sizeof(*sb));
    persist_flush(&file->persist, &file->thread, copy_at(file, copy), sizeof(*sb));
    return persist_fence(&file->persist, &file->thread);
}

static int is_plain_in_class_process(const struct pool_file *file)
{
    return file->durability == SDB_DURABILITY_PROCESS && !file->in_memory;
}

/*
 * A plain file that promises no power cut still should not call itself clean after one: its superblock pages alone are
 * written at each change of state, which costs a few milliseconds and no matter how large the pool is.
 */
int file_write_back_superblock(struct pool_file *file)
{
    if (!is_plain_in_class_process(file))
        return 0;
    file->unsynced = msync(file->base, SUPERBLOCK_AREA_SIZE, MS_SYNC) != 0;
    return file->unsynced ? file_fail(file, "msync of the superblock", errno) : 0;
}

/* Both copies say again what they said; sequence: the one that they have now, which must not come back with another content. */
static void take_back(struct pool_file *file, uint64_t sequence)
{
    struct sdb_m_superblock sb = file->superblock;
    const int older = !file->newest_copy;

    sb.sequence = sequence;
    if (write_copy(file, &sb, older) != 0 || write_copy(file, &sb, !older) != 0)
        return; /* a page is lost: no more is written */
    file->superblock.sequence = sb.sequence;
    file->superblock.checksum = sb.checksum;
}

/* Makes durable what was found at the open; once. */
static int secure_newest(struct pool_file *file)
{
    if (file->secured)
        return 0;
    persist_flush(&file->persist, &file->thread, copy_at(file, file->newest_copy), sizeof(struct sdb_m_superblock));
    int error = persist_fence(&file->persist, &file->thread);
    file->secured = error == 0;
    return error;
}

/* One copy is where it counts before the other changes: whatever is cut short leaves one whole. */
int file_change_superblock(struct pool_file *file, const struct sdb_m_superblock *wanted)
{
    struct sdb_m_superblock sb = *wanted;
    const int older = !file->newest_copy;
    int error = secure_newest(file);

    if (error != 0)
        return file_with_path(file, error);
    for (int step = 0; step < 2; step++) {
        error = write_copy(file, &sb, step == 0 ? older : !older);
        if (error != 0)
            return file_with_path(file, error);
        error = file_write_back_superblock(file);
        if (error != 0) {
            take_back(file, sb.sequence);
            return error;
        }
    }
    /* newest_copy is what it was: two copies, two steps. The geometry, which anybody may be reading, is not touched. */
    file->superblock.state = sb.state;
    file->superblock.incompat = sb.incompat;
    file->superblock.sequence = sb.sequence;
    file->superblock.incarnation = sb.incarnation;
    file->superblock.size = sb.size;
    file->superblock.checksum = sb.checksum;
    return 0;
}

int pool_file_look_at_copy(struct pool_file *file, int copy, int mend, int *mended)
{
    struct sdb_m_superblock sb = file->superblock, found;

    *mended = 0;
    memcpy(&found, copy_at(file, copy), sizeof(found));
    if (file->readonly || copy != file->newest_copy) /* a step apart; open for reading only, in either direction */
        sb.sequence = file->readonly ? found.sequence : sb.sequence - 1;
    superblock_seal(&sb);
    if (memcmp(&found, &sb, sizeof(sb)) == 0)
        return 0;
    if (!mend || file->readonly)
        return 1;
    sb.sequence--; /* which write_copy raises */
    *mended = write_copy(file, &sb, copy) == 0 && file_write_back_superblock(file) == 0;
    return 1;
}

/*
 * The pool may have been in class msync until the power went. What recovery applied from its records must be on the drive
 * before the incarnation, which file_write_back_superblock puts there, makes these records count no more; and the words of the
 * root that are never zero before SB_INCOMPAT_ROOT.
 */
static int sync_recovered(const struct pool_file *file)
{
    const int complete = (file->superblock.incompat & SB_INCOMPAT_ROOT) != 0;

    if ((file->was_clean && complete) || !is_plain_in_class_process(file))
        return 0;
    return fdatasync(file->fd) == 0 ? 0 : file_fail(file, "fdatasync", errno);
}

int pool_file_mark_open(struct pool_file *file)
{
    struct sdb_m_superblock sb = file->superblock;

    if (file->readonly)
        return file_refuse_readonly(file);
    int error = sb.incompat & SB_INCOMPAT_ROOT ? 0 : root_words_complete(file);
    if (error != 0)
        return file_with_path(file, error);
    error = sync_recovered(file);
    if (error != 0)
        return error;
    sb.incompat |= SB_INCOMPAT_COLLECTIONS | SB_INCOMPAT_STREAMS; /* whoever can write may write one */
    sb.incompat |= SB_INCOMPAT_ROOT;
    sb.incarnation++;
    if (!file->repairing)
        sb.state = SB_STATE_OPEN;
    return file_change_superblock(file, &sb);
}

int pool_file_announce_repair(struct pool_file *file)
{
    struct sdb_m_superblock sb = file->superblock;

    if (sb.state >= SB_STATE_REPAIR) {
        const int error = secure_newest(file);

        return error != 0 ? file_with_path(file, error) : 0;
    }
    sb.state = file_state_of_repair(file);
    return file_change_superblock(file, &sb);
}

int pool_file_mark_repair(struct pool_file *file)
{
    struct sdb_m_superblock sb = file->superblock;

    if (sb.state < SB_STATE_REPAIR)
        sb.state = file_state_of_repair(file);
    if (sb.state != SB_STATE_REPAIR_CLOSED) /* there no record counts anyway, and the counts are those of this incarnation */
        sb.incarnation++;
    return file_change_superblock(file, &sb);
}

int pool_file_mark_entries_final(struct pool_file *file)
{
    struct sdb_m_superblock sb = file->superblock;

    sb.incarnation++;
    sb.state = SB_STATE_REPAIR;
    return file_change_superblock(file, &sb);
}

int pool_file_mark_clean(struct pool_file *file)
{
    struct sdb_m_superblock sb = file->superblock;

    if (file->readonly)
        return file_refuse_readonly(file);
    /* What an orderly stop leaves on a plain file is worth keeping over a power cut, though nobody promised it. */
    if (is_plain_in_class_process(file) && fdatasync(file->fd) != 0)
        return file_fail(file, "fdatasync", errno);
    sb.state = SB_STATE_CLEAN;
    return file_change_superblock(file, &sb);
}
