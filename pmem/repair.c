/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * repair.c - the order of a repair; the parts that the pool has once
 * Media:   root and lane headers here, the rest in the parts
 * Commit:  0. before records are given up that cannot be applied: state REPAIR, durable, of the same incarnation. Without these records
 *             the pool may look whole and not be. A file that has lost its end is announced before it is as long as it was (file.c).
 *          1. state REPAIR, durable: from here on nobody but a repair opens the pool. REPAIR_CLOSED where it was closed, so that the next
 *             run takes no record for one that counts, and has the same counts to go by
 *          2. what is kept and what goes is found out and told; nothing is stored
 *          3. root; fence: a number that it has lost is taken from the keys, and the next step shows where more of them are
 *          4. extent headers; fence; map: so that every page with entries that stay is known by its words; fence
 *          5. entries that go become free ones: those first that nothing else is judged by; fence. Then those that are counted although the
 *             index does not lead to them: of the others the counts would miss one more; fence; then those that it leads to, which are
 *             counted before, and whose words say that others of their keys are older; fence
 *          6. state REPAIR, durable, with a new incarnation: what is an entry now stays one, and records count again
 *          7. index words that lead to nothing go, and with a damaged directory the shard's whole index; fence
 *          A crash before 6: the next run finds the same, since 3 to 5 take away nothing that it goes by. After it: no counts are gone
 *          by, and entries without an index word are put back. The state ends with the clean close of the pool.
 * Holds:   what is lost is told before anything is stored over it.
 * Threads: see repair.h
 * Memory:  see repair.h
 */
#include "repair.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "entry.h"
#include "error.h"
#include "repair_internal.h"
#include "root.h"

void repair_store(struct repair *repair, uint64_t offset, uint64_t word)
{
    uint64_t *to = (uint64_t *)(void *)(repair->file->base + offset);

    if (persist_load(to) == word)
        return;
    persist_store(to, word);
    persist_flush_line(&repair->file->persist, &repair->file->thread, to);
    repair->result->words_stored++;
}

int repair_fence(struct repair *repair)
{
    return persist_fence(&repair->file->persist, &repair->file->thread);
}

static uint32_t logical_of(const struct repair *repair, unsigned physical)
{
    for (uint32_t i = 0; i < SDB_DATABASES; i++)
        if (repair->physical[i] == physical)
            return i;
    return SDB_DATABASES;
}

void repair_tell(struct repair *repair, uint64_t offset, const char *what, unsigned physical, const void *key, size_t key_size,
                 bool lost)
{
    const struct sdb_finding finding = {.offset = offset,
                                        .what = what,
                                        .key = {.data = key, .size = key_size},
                                        .database = key != NULL ? logical_of(repair, physical) : SDB_DATABASES,
                                        .lost = lost};

    if (lost)
        *(key != NULL ? &repair->result->keys_lost : &repair->result->entries_lost) += 1;
    if (repair->report != NULL)
        repair->report(repair->context, &finding);
}

/* ---- Lanes ---- */

int repair_give_up_lane(struct pool_file *file, uint32_t lane, sdb_finding_fn *report, void *context, struct sdb_repair *result)
{
    const uint64_t at = file->superblock.lanes_offset + lane * file->superblock.lane_size;
    uint64_t *header = (uint64_t *)(void *)(file->base + at);
    const struct sdb_finding finding = {
        .offset = at, .what = "a lane is damaged: what it was committing cannot be completed", .database = SDB_DATABASES};
    const int error = pool_file_announce_repair(file);

    if (error != SDB_OK)
        return error;
    if (report != NULL)
        report(context, &finding);
    result->problems++;
    persist_store(header, nonzero_word(NONZERO_VALUE_MAX, at));
    persist_flush_line(&file->persist, &file->thread, header);
    return SDB_OK;
}

int repair_lanes(struct pool_file *file, sdb_finding_fn *report, void *context, struct sdb_repair *result)
{
    int error = SDB_OK;

    for (uint32_t i = 0; i < file->superblock.lanes && !file->was_clean && error == SDB_OK; i++) {
        const uint64_t at = file->superblock.lanes_offset + i * file->superblock.lane_size;
        uint64_t retired;

        /* Where it is not known which records were retired, none may be applied: another lane's may have been, over them. */
        if (!root_word_value(file, persist_load((const uint64_t *)(const void *)(file->base + at)), at, &retired))
            error = repair_give_up_lane(file, i, report, context, result);
    }
    return error;
}

/* Sequences begin anew under the new incarnation, which no old record has. */
static void restart_lanes(struct repair *repair)
{
    for (uint32_t i = 0; i < repair->file->superblock.lanes; i++) {
        const uint64_t at = repair->file->superblock.lanes_offset + i * repair->file->superblock.lane_size;

        repair_store(repair, at, nonzero_word(0, at));
        for (unsigned word = 1; word < sizeof(struct sdb_m_lane) / WORD_SIZE; word++)
            repair_store(repair, at + word * WORD_SIZE, 0);
    }
}

/* ---- The root ---- */

static uint64_t root_offset(const struct repair *repair, unsigned word)
{
    return repair->file->superblock.root_offset + word * WORD_SIZE;
}

/* What of the root can be read. */
struct root {
    bool known[SDB_DATABASES];
    uint64_t taken[DATABASE_IDS / 64]; /* physical numbers of databases that are known */
    uint64_t unknown[DATABASE_IDS / 64]; /* numbers of which it is not known whether they are being reclaimed */
    bool damaged;
    bool all_zero;
};

static void read_root(struct repair *repair, struct root *root)
{
    root->all_zero = true;
    for (unsigned i = 0; i < SDB_DATABASES + 8; i++) {
        const uint64_t at = root_offset(repair, i);
        uint64_t value;
        const bool sound = root_word_value(repair->file, repair_load(repair, at), at, &value);

        root->all_zero &= sound && value == 0;
        root->damaged |= !sound;
        if (i >= SDB_DATABASES) {
            uint64_t *to = sound ? repair->dead : root->unknown;
            to[(i - SDB_DATABASES) / 2] |= (sound ? value & UINT32_MAX : UINT32_MAX) << 32 * ((i - SDB_DATABASES) % 2);
            continue;
        }
        const uint64_t id = value == 0 ? i : value - 1;
        root->known[i] = sound && id < DATABASE_IDS && !repair_bit(root->taken, id);
        root->damaged |= !root->known[i];
        if (root->known[i]) {
            repair->physical[i] = (uint8_t)id;
            repair_bit_set(root->taken, id);
        }
    }
}

/* A number for a database that has lost its own: its first one, where that has keys, else any that has, else a free one. */
static unsigned choose_number(const struct repair *repair, const struct root *root, const uint64_t counts[DATABASE_IDS],
                              unsigned database)
{
    for (int with_keys = 1; with_keys >= 0; with_keys--)
        for (unsigned i = 0; i < DATABASE_IDS; i++) {
            const unsigned id = (database + i) % DATABASE_IDS;
            if (!repair_bit(root->taken, id) && !repair_bit(repair->dead, id) && (counts[id] != 0) == with_keys)
                return id;
        }
    return database;
}

static void give_number(struct repair *repair, struct root *root, unsigned database, unsigned id)
{
    repair->physical[database] = (uint8_t)id;
    repair_bit_set(root->taken, id);
}

static void resolve_root(struct repair *repair, struct root *root)
{
    uint64_t counts[DATABASE_IDS] = {0};

    repair_entries_count(repair, counts);
    for (unsigned i = 0; i < SDB_DATABASES; i++) {
        if (root->known[i])
            continue;
        give_number(repair, root, i, choose_number(repair, root, counts, i));
        repair_tell(repair, root_offset(repair, i), "root: a database's number was lost, and is taken from the keys", 0, NULL, 0, false);
    }
    for (unsigned id = 0; id < DATABASE_IDS; id++) {
        if (counts[id] == 0 || repair_bit(root->taken, id) || repair_bit(repair->dead, id))
            continue;
        if (repair_bit(root->unknown, id)) {
            repair_bit_set(repair->dead, id);
            continue;
        }
        for (unsigned i = 0; root->all_zero && i < SDB_DATABASES; i++) {
            if (counts[repair->physical[i]] != 0)
                continue;
            give_number(repair, root, i, id);
            repair_tell(repair, root_offset(repair, i), "root: lost; keys of a database that is not known became this database's", 0,
                        NULL, 0, false);
            break;
        }
    }
}

static void judge_root(struct repair *repair)
{
    struct root root = {0};

    repair_bit_set(root.taken, DATABASE_ID_SYSTEM);
    read_root(repair, &root);
    if (root.damaged || root.all_zero)
        resolve_root(repair, &root);
    for (unsigned i = 0; i < SDB_DATABASES; i++) {
        repair->dead[repair->physical[i] / 64] &= ~(1ull << repair->physical[i] % 64);
        repair->root_values[i] = repair->physical[i] == i ? 0 : repair->physical[i] + 1u;
    }
    repair->dead[DATABASE_ID_SYSTEM / 64] &= ~(1ull << DATABASE_ID_SYSTEM % 64);
    for (unsigned i = 0; i < 8; i++)
        repair->root_values[SDB_DATABASES + i] = repair->dead[i / 2] >> 32 * (i % 2) & UINT32_MAX;
}

static void store_root(struct repair *repair)
{
    for (unsigned i = 0; i < sizeof(struct sdb_m_root) / WORD_SIZE; i++) {
        const uint64_t at = root_offset(repair, i);
        uint64_t old;

        /* A database that has its own number may say so in two ways. */
        if (i < SDB_DATABASES && repair->root_values[i] == 0 && root_word_value(repair->file, repair_load(repair, at), at, &old) && old == i + 1)
            continue;
        repair_store(repair, at, i < ROOT_WORDS ? nonzero_word(repair->root_values[i], at) : 0);
    }
}

/* ---- The order ---- */

static void plan(struct repair *repair)
{
    repair_heap_read(repair);
    judge_root(repair);
    repair_index_read(repair);
    repair_entries_judge(repair, true);
    repair_guess_pages(repair);
    repair_entries_judge(repair, false);
    repair_index_tell(repair);
    repair_index_claim(repair);
}

static int store_all(struct repair *repair)
{
    store_root(repair);
    int error = repair_fence(repair);
    if (error == SDB_OK)
        error = repair_heap_store(repair);
    if (error != SDB_OK)
        return error;
    restart_lanes(repair);
    error = repair_fence(repair);
    if (error != SDB_OK)
        return error;
    repair_entries_store(repair, REPAIR_UNLED);
    error = repair_fence(repair);
    if (error != SDB_OK)
        return error;
    repair_entries_store(repair, REPAIR_EXPLAINED);
    error = repair_fence(repair);
    if (error != SDB_OK)
        return error;
    repair_entries_store(repair, REPAIR_LED);
    error = repair_fence(repair);
    if (error == SDB_OK)
        error = pool_file_mark_entries_final(repair->file);
    if (error != SDB_OK)
        return error;
    repair_index_store(repair);
    return repair_fence(repair);
}

int repair_pool(struct pool_file *file, const uint64_t *closed, sdb_finding_fn *report, void *context, struct sdb_repair *result)
{
    struct repair repair = {.file = file, .closed = closed, .report = report, .context = context, .result = result};
    int error = SDB_ENOMEM;

    repair.first_extent = (uint32_t)(file->superblock.heap_offset >> EXTENT_SHIFT);
    repair.extent_count = (uint32_t)(file->size >> EXTENT_SHIFT);
    repair.extents = calloc(repair.extent_count, sizeof(*repair.extents));
    repair.shards = calloc(file->superblock.shards, sizeof(*repair.shards));
    if (repair.extents == NULL || repair.shards == NULL)
        goto out;
    error = pool_file_mark_repair(file);
    if (error != SDB_OK)
        goto out;
    plan(&repair);
    error = repair.failed ? SDB_ENOMEM : store_all(&repair);
out:
    for (uint32_t i = 0; repair.extents != NULL && i < repair.extent_count; i++)
        free(repair.extents[i].bits);
    free(repair.extents);
    free(repair.shards);
    return error;
}
