/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * repair.c - sdb_repair: recovery, the repair of what is stored (pmem/repair.c), and the index words that were lost
 * Media:   through pmem/repair.c and transactions
 * Commit:  the pool is in a state of repair until everything is checked and counted; the clean close then ends it. Index words are put
 *          back in groups, each a commit: a run that is cut short goes on with those that are missing.
 * Threads: one; no other has the pool
 * Memory:  a pool's, without a cache
 */
#include "repair.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "bucket.h"
#include "check.h"
#include "entry.h"
#include "error.h"
#include "index_internal.h"
#include "lost_pages.h"
#include "maintain.h"
#include "scan.h"
#include "session.h"
#include "tree.h"

#define ROUNDS_MAX 3     /* of repairing and checking: what a conflict of blocks left is found by the next one */
#define GROW_STEP (16ull << 20)

struct repairing {
    struct sdb_pool *pool;
    sdb_finding_fn *report;
    void *context;
    struct sdb_repair *result;
};

static void tell(const struct repairing *repairing, uint64_t offset, const char *what)
{
    const struct sdb_finding finding = {.offset = offset, .what = what, .database = SDB_DATABASES};

    if (repairing->report != NULL)
        repairing->report(repairing->context, &finding);
}

static void tell_problem(void *context, uint64_t offset, const char *what)
{
    tell(context, offset, what);
}

/* ---- Recovery ---- */

/*
 * What is visible is believed from here on. Behind a kill it is durable where a lane's records vouch for it; a damaged record, which
 * looks like one that a crash tore, or a lane that is given up do not any more, and what a repair stored that was killed has none, in a
 * pool that had been closed, too.
 */
static int secure_everything(struct pool_file *file)
{
    persist_flush(&file->persist, &file->thread, file->base, file->size);
    return persist_fence(&file->persist, &file->thread);
}

/* Completes what was being committed, without the lanes whose records cannot be used. */
static int recover(const struct repairing *repairing)
{
    struct pool_file *file = &repairing->pool->file;
    struct lanes lanes;
    bool done = false;
    int error = repair_lanes(file, repairing->report, repairing->context, repairing->result);

    for (uint32_t tries = 0; error == SDB_OK && !done && tries <= file->superblock.lanes; tries++) {
        error = lanes_recover(&lanes, file);
        done = error == SDB_OK;
        if (done)
            lanes_close(&lanes);
        else if (error == SDB_ECORRUPT)
            error = repair_give_up_lane(file, lanes.failed, repairing->report, repairing->context, repairing->result);
    }
    if (error == SDB_OK && !done)
        error = SDB_ECORRUPT;
    if (error == SDB_OK)
        error = secure_everything(file);
    return error;
}

/* ---- The index ---- */

/* Tells of a key of one of the pool's databases. */
static void tell_key(const struct repairing *repairing, uint64_t offset, const char *what, const struct index_key *key)
{
    struct sdb_finding finding = {.offset = offset, .what = what, .key = {key->data, key->size}, .database = 0};

    while (finding.database < SDB_DATABASES && repairing->pool->physical[finding.database] != key->database)
        finding.database++;
    if (repairing->report != NULL)
        repairing->report(repairing->context, &finding);
}

/* An entry whose key another entry has, which the index leads to. */
static int drop_twin(struct sdb_session *session, uint32_t shard, uint64_t entry, const uint64_t old[4])
{
    struct heap *heap = &session->pool->heap;
    uint64_t words[4] = {(((old[0] >> META_GENERATION_SHIFT) + 1) & 0xffff) << META_GENERATION_SHIFT};
    int error = SDB_OK;

    if (meta_key_code(old[0]) == CODE_BLOB)
        error = heap_free(heap, &session->tx, shard, blob_reference_offset(old[1]));
    if (!error && meta_value_code(old[0]) == CODE_BLOB)
        error = heap_free(heap, &session->tx, shard, blob_reference_offset(old[entry_value_index(old[0])]));
    if (!error && meta_value_code(old[0]) == CODE_TREE)
        error = session_lock_tree(session, entry_tree(old));
    if (!error && meta_value_code(old[0]) == CODE_TREE)
        error = tree_drop(heap, &session->tx, entry_tree(old));
    if (error)
        return error;
    entry_seal(words, entry);
    tx_store_entry(&session->tx, entry, words);
    heap_free_entry(&session->tx, shard, entry);
    return SDB_OK;
}

static int put_back(const struct repairing *repairing, struct sdb_session *session, uint64_t entry)
{
    struct sdb_pool *pool = session->pool;
    struct index_found found;
    struct index_key key;
    struct tx_mark mark;
    enum entry_read read;
    enum index_result result;
    uint64_t words[4], splits = 0;
    uint8_t scratch[16];
    const uint8_t *data;
    size_t size;
    int error = SDB_OK;

    scan_read(session, entry, words, &read);
    if (read != ENTRY_OK || meta_type(words[0]) == 0 || !entry_key(&pool->file, words, scratch, &data, &size))
        return SDB_OK; /* the check that follows tells, where it is damage */
    index_key_init(&key, &pool->file, meta_database(words[0]), data, size);
    error = session_lock(session, key.shard);
    if (error)
        return error;
    mark = tx_savepoint(&session->tx);
    result = index_find_staged(&pool->heap, &session->tx, &key, &found);
    if (result == INDEX_DAMAGED) {
        error = SDB_ECORRUPT;
    } else if (result == INDEX_MISSING) {
        error = index_insert(&pool->heap, &session->tx, &key, entry, &splits);
    } else if (found.entry != entry) {
        tell_key(repairing, entry, "a second entry of its key, neither of which anything led to: which is newer is not known, this one goes",
                 &key);
        repairing->result->keys_kept--;
        repairing->result->entries_older++;
        error = drop_twin(session, key.shard, entry, words);
    }
    return operation_end(session, &mark, error);
}

/* As put_back; a pool that is full grows, as far as it may. */
static int put_back_or_grow(const struct repairing *repairing, struct sdb_session *session, uint64_t entry)
{
    int error = put_back(repairing, session, entry);

    while (error == SDB_ENOSPC) {
        const uint64_t size = session->pool->file.size, most = session->pool->file.size_max;

        if (size == most)
            return error;
        error = session_commit(session);
        if (!error)
            error = sdb_resize(session->pool, most - size < GROW_STEP ? most : size + GROW_STEP);
        if (!error)
            error = put_back(repairing, session, entry);
    }
    return error;
}

static int put_back_all(const struct repairing *repairing, struct sdb_session *session)
{
    size_t effort = SIZE_MAX;
    int error = SDB_OK;

    for (uint64_t page = 0; !error; page++) { /* in groups of a page's entries */
        int ended;

        error = scan_next_page(session, &page, &effort);
        if (error || page == 0)
            break;
        error = sdb_group_begin(session);
        for (unsigned i = 0; i < ENTRIES_PER_PAGE && !error; i++)
            error = put_back_or_grow(repairing, session, (page << PAGE_SHIFT_POOL) + i * ENTRY_SIZE);
        ended = sdb_group_end(session);
        error = error ? error : ended;
    }
    return error;
}

/* A shard that has extents has a directory: one that has lost all its keys gets an empty one. */
static int make_directories(struct sdb_session *session)
{
    struct sdb_pool *pool = session->pool;
    int error = SDB_OK;

    for (uint32_t shard = 0; shard < pool->shard_count && !error; shard++) {
        const uint64_t at = index_shard_offset(&pool->file, shard);
        struct tx_mark mark;

        if (pool->heap.shards[shard].extent_count == 0 || tx_load(&session->tx, at) != 0)
            continue;
        error = session_lock(session, shard);
        if (error)
            return error;
        mark = tx_savepoint(&session->tx);
        error = operation_end(session, &mark, index_create(&pool->heap, &session->tx, shard));
    }
    return error;
}

/* ---- The order ---- */

/* Opens what is repaired so far, puts back index words, counts, and checks. */
static int complete(const struct repairing *repairing, bool index)
{
    const struct sdb_options options = {0};
    struct sdb_pool *pool = repairing->pool;
    struct sdb_session *session;
    struct sdb_check check = {0};
    int error = pool_open_structures(pool, &options);

    if (!error)
        error = sdb_session_open(pool, &session);
    if (error)
        return error;
    if (index)
        error = put_back_all(repairing, session);
    if (!error)
        error = make_directories(session);
    if (!error)
        error = database_counts_ready(session);
    sdb_session_close(session);
    if (!error)
        error = check_pool(&pool->file, NULL, NULL, &check);
    repairing->result->problems_left = error == SDB_ECORRUPT ? check.problems : 0;
    return error;
}

/* The keys that the pool had when it was closed, those of databases being reclaimed included. False: it is not known. */
static bool keys_when_closed(const struct pool_file *file, uint64_t keys[DATABASE_IDS])
{
    const struct sdb_m_counters *counters =
        (const struct sdb_m_counters *)(const void *)(file->base + file->superblock.counters_offset);

    if (!file->was_clean || counters->incarnation != file->superblock.incarnation ||
        counters->checksum != pool_counters_checksum(counters))
        return false;
    memcpy(keys, counters->keys, sizeof(counters->keys));
    return true;
}

/* closed NULL: not known. */
static void note_untraced(const struct repairing *repairing, const uint64_t *closed)
{
    struct sdb_repair *result = repairing->result;
    const uint64_t traced = result->keys_kept + result->keys_lost + result->entries_lost + result->entries_older;
    uint64_t keys = 0;

    for (unsigned id = 0; closed != NULL && id < DATABASE_IDS; id++)
        keys += closed[id];
    if (keys > traced)
        result->keys_untraced = keys - traced;
    result->keys_uncounted = closed == NULL;
}

static int repair_rounds(const struct repairing *repairing)
{
    struct sdb_pool *pool = repairing->pool;
    uint64_t closed[DATABASE_IDS];
    struct sdb_check check = {0};
    int error = lost_pages_mend(&pool->file, repairing->report, repairing->context, repairing->result);

    if (error)
        return error;
    const uint64_t *counts = keys_when_closed(&pool->file, closed) ? closed : NULL; /* behind lost_pages_mend, which looks first */
    error = recover(repairing);

    if (!error)
        error = check_pool(&pool->file, tell_problem, (void *)(uintptr_t)repairing, &check);
    if (error && error != SDB_ECORRUPT)
        return error;
    if (pool->file.truncated) {
        tell(repairing, pool->file.truncated, "the file ended here: what stood behind is lost");
        check.problems++;
    }
    repairing->result->problems += check.problems;
    const bool anything = error == SDB_ECORRUPT || pool->file.superblock.state >= SB_STATE_REPAIR || repairing->result->problems;
    for (int round = 0; round < ROUNDS_MAX; round++) {
        repairing->result->keys_kept = 0;
        error = anything ? repair_pool(&pool->file, round == 0 ? counts : NULL, repairing->report, repairing->context, repairing->result) : SDB_OK;
        if (round == 0 && anything && !error)
            note_untraced(repairing, counts);
        if (!error)
            error = complete(repairing, repairing->result->index_words_missing != 0);
        if (error != SDB_ECORRUPT || round == ROUNDS_MAX - 1)
            break;
        pool_release_structures(pool);
    }
    return error;
}

int sdb_repair(const char *path, uint32_t flags, sdb_finding_fn *report, void *context, struct sdb_repair *result)
{
    struct sdb_repair unused = {0};
    struct repairing repairing = {.report = report, .context = context, .result = result != NULL ? result : &unused};
    int error;

    if (path == NULL || (flags & ~SDB_REPAIR_DRY_RUN) != 0)
        return SDB_EINVAL;
    memset(repairing.result, 0, sizeof(*repairing.result));
    repairing.pool = aligned_alloc(64, (sizeof(*repairing.pool) + 63) & ~(size_t)63);
    if (repairing.pool == NULL)
        return SDB_ENOMEM;
    memset(repairing.pool, 0, sizeof(*repairing.pool));
    bucket_init();
    error = pool_file_open_repair(path, (flags & SDB_REPAIR_DRY_RUN) != 0, &repairing.pool->file);
    if (error) {
        free(repairing.pool);
        return error;
    }
    error = repair_rounds(&repairing);
    if (!error)
        error = pool_close_cleanly(repairing.pool);
    pool_release(repairing.pool);
    return error;
}
