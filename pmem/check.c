/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * check.c - the order in which a pool is verified, and the parts that the pool has once
 * Media:   reads superblock copies, root, counters, lane headers
 * Holds:   memory is described by the heap's own words first; what the index and the entries lead to is then claimed
 *          there, and what nobody claimed is a leak. What stands behind damage is not followed, so that one damaged
 *          word may show as many leaks.
 * Threads: see check.h
 * Memory:  see check.h
 */
#include "check.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check_internal.h"
#include "error.h"
#include "hash.h"
#include "root.h"
#include "superblock.h"

void check_problem(struct check *check, uint64_t offset, const char *format, ...)
{
    char what[256];
    va_list arguments;

    check->result->problems++;
    if (check->report == NULL)
        return;
    va_start(arguments, format);
    (void)vsnprintf(what, sizeof(what), format, arguments);
    va_end(arguments);
    check->report(check->context, offset, what);
}

bool check_word(struct check *check, uint64_t offset, const char *what, uint64_t *value)
{
    check->result->bytes_checked += WORD_SIZE;
    if (checked_value(check_load(check, offset), offset, value))
        return true;
    check_problem(check, offset, "%s: the check bits are wrong", what);
    return false;
}

/* A word of the root or of a lane's header. */
static bool check_root_word(struct check *check, uint64_t offset, const char *what, uint64_t *value)
{
    check->result->bytes_checked += WORD_SIZE;
    if (root_word_value(check->file, check_load(check, offset), offset, value))
        return true;
    check_problem(check, offset, "%s: the check bits are wrong", what);
    return false;
}

void check_zeros(struct check *check, uint64_t offset, uint64_t size, const char *what)
{
    check->result->bytes_checked += size;
    for (uint64_t at = offset; at < offset + size; at += WORD_SIZE) {
        if (check_load(check, at) != 0) {
            check_problem(check, at, "%s: reserved bytes are not zero", what);
            return;
        }
    }
}

static void check_superblock_copy(struct check *check, uint64_t offset, const char *name)
{
    struct sdb_m_superblock copy, chosen;
    int damaged;

    memcpy(&copy, check->file->base + offset, sizeof(copy));
    check->result->bytes_checked += sizeof(copy);
    if (superblock_choose(&copy, &copy, check->file->superblock.size, 1, &chosen, &damaged) != SDB_OK)
        check_problem(check, offset, "superblock copy %s is damaged: %s", name, error_text());
    else if (memcmp(copy.uuid, check->file->superblock.uuid, sizeof(copy.uuid)) != 0)
        check_problem(check, offset, "superblock copy %s belongs to another pool", name);
}

/*
 * The databases: each logical one has a physical number of its own, and these and those still being reclaimed are
 * what keys may have. Without an entry in the root, a logical number is its own physical one.
 */
static void check_root(struct check *check)
{
    const uint64_t root = check->file->superblock.root_offset;
    uint64_t mapped[DATABASE_IDS / 64] = {0};
    uint64_t value;

    check->database_ids_known = true;
    for (unsigned i = 0; i < SDB_DATABASES; i++) {
        const uint64_t offset = root + offsetof(struct sdb_m_root, database) + i * WORD_SIZE;
        if (!check_root_word(check, offset, "root: database", &value)) {
            check->database_ids_known = false;
            continue;
        }
        const uint64_t id = value == 0 ? i : value - 1;
        if (id >= DATABASE_ID_SYSTEM) {
            check_problem(check, offset, "root: database %u has the impossible physical number %" PRIu64, i, id);
            continue;
        }
        if (mapped[id / 64] >> id % 64 & 1)
            check_problem(check, offset, "root: database %u shares its physical number %" PRIu64, i, id);
        mapped[id / 64] |= 1ull << id % 64;
    }
    for (unsigned i = 0; i < 8; i++) {
        const uint64_t offset = root + offsetof(struct sdb_m_root, ids_dead) + i * WORD_SIZE;
        if (!check_root_word(check, offset, "root: physical numbers", &value)) {
            check->database_ids_known = false;
            continue;
        }
        if (value >> 32 != 0)
            check_problem(check, offset, "root: physical numbers: reserved bits are set");
        if (i == DATABASE_ID_SYSTEM / 32 && value >> DATABASE_ID_SYSTEM % 32 & 1)
            check_problem(check, offset, "root: physical numbers: the system database is said to be reclaimed");
        check->database_ids[i / 2] |= (value & UINT32_MAX) << 32 * (i % 2);
    }
    for (unsigned i = 0; i < DATABASE_IDS / 64; i++)
        check->database_ids[i] |= mapped[i];
    check->database_ids[DATABASE_ID_SYSTEM / 64] |= 1ull << DATABASE_ID_SYSTEM % 64;
    check_zeros(check, root + offsetof(struct sdb_m_root, reserved), sizeof(((struct sdb_m_root *)0)->reserved),
                "root");
}

static void compare_counts(struct check *check, const struct sdb_m_counters *counters, unsigned id)
{
    const uint64_t offset = check->file->superblock.counters_offset + id * WORD_SIZE;

    if (counters->keys[id] != check->keys[id])
        check_problem(check, offset + offsetof(struct sdb_m_counters, keys),
                      "counters: %" PRIu64 " keys in physical database %u, there are %" PRIu64, counters->keys[id], id,
                      check->keys[id]);
    if (counters->expiring[id] != check->expiring[id])
        check_problem(check, offset + offsetof(struct sdb_m_counters, expiring),
                      "counters: %" PRIu64 " expiring keys in physical database %u, there are %" PRIu64,
                      counters->expiring[id], id, check->expiring[id]);
}

/* The counters of a clean pool, against what was counted. Incarnation 0: the pool was closed before anybody counted. */
static void check_counters(struct check *check)
{
    const struct sdb_m_superblock *superblock = &check->file->superblock;
    const uint64_t offset = superblock->counters_offset;
    const size_t start = offsetof(struct sdb_m_counters, reserved);
    struct sdb_m_counters counters;

    if (!check->file->readonly || superblock->state != SB_STATE_CLEAN || superblock->incarnation == 0)
        return;
    memcpy(&counters, check->file->base + offset, sizeof(counters));
    check->result->bytes_checked += sizeof(counters);
    const uint64_t checksum =
        hash_key(counters.incarnation, (const uint8_t *)&counters + start, sizeof(counters) - start);
    if (checksum != counters.checksum ||
        (counters.incarnation != superblock->incarnation && counters.incarnation != 0)) {
        check_problem(check, offset, "counters: the checksum is wrong");
        return;
    }
    for (unsigned id = 0; id < DATABASE_IDS && counters.incarnation != 0; id++)
        compare_counts(check, &counters, id);
}

static void check_lanes(struct check *check)
{
    const struct sdb_m_superblock *superblock = &check->file->superblock;
    uint64_t retired;

    for (uint32_t i = 0; i < superblock->lanes; i++) {
        const uint64_t offset = superblock->lanes_offset + i * superblock->lane_size;
        (void)check_root_word(check, offset, "lane header", &retired);
        check_zeros(check, offset + offsetof(struct sdb_m_lane, reserved), sizeof(struct sdb_m_lane) - WORD_SIZE,
                    "lane");
    }
}

static int run(struct check *check)
{
    check_superblock_copy(check, SB_COPY_OFFSET_A, "A");
    check_superblock_copy(check, SB_COPY_OFFSET_B, "B");
    check_root(check);
    check_lanes(check);
    int error = check_heap_read(check);
    if (error != SDB_OK)
        return error;
    check_indexes(check);
    check_entries(check);
    check_dropped(check);
    check_heap_leaks(check);
    check_counters(check);
    if (__atomic_load_n(&check->file->sigbus.failed, __ATOMIC_ACQUIRE) != 0)
        check_problem(check, __atomic_load_n(&check->file->sigbus.last_offset, __ATOMIC_RELAXED),
                      "the medium could not give %" PRIu64 " pages",
                      __atomic_load_n(&check->file->sigbus.media_errors, __ATOMIC_RELAXED));
    return SDB_OK;
}

int check_pool(const struct pool_file *file, sdb_check_fn *report, void *context, struct sdb_check *result)
{
    struct check *check = calloc(1, sizeof(*check));

    memset(result, 0, sizeof(*result));
    if (check == NULL)
        return SDB_ENOMEM;
    *check = (struct check){.file = file, .report = report, .context = context, .result = result};
    check->first_extent = (uint32_t)(file->superblock.heap_offset >> EXTENT_SHIFT);
    check->extent_count = (uint32_t)(__atomic_load_n(&file->size, __ATOMIC_ACQUIRE) >> EXTENT_SHIFT);
    check->extents = calloc(check->extent_count, sizeof(*check->extents));
    check->shards = calloc(file->superblock.shards, sizeof(*check->shards));
    int error = SDB_ENOMEM;
    if (check->extents != NULL && check->shards != NULL)
        error = run(check);
    check_heap_free(check);
    free(check->shards);
    free(check->extents);
    free(check);
    if (error == SDB_OK && result->problems > 0) {
        error_set("%s: the check found %" PRIu64 " problems", file->path, result->problems);
        return SDB_ECORRUPT;
    }
    return error;
}
