/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * maintain.c - background work: deleting expired keys and the keys of emptied databases
 * Media:   through operations
 * Commit:  a group for each batch of entries; a crash leaves the rest for the next round, which starts anew after an open
 * Holds:   a dead number becomes free after a round that began after its death found none of its keys any more
 * Threads: one at a time (maintain_lock); others find it busy and do nothing
 * Memory:  none
 */
#include "maintain.h"

#include <sched.h>
#include <string.h>

#include "entry.h"
#include "scan.h"
#include "tree.h"
#include "word.h"

#define ROOM_EFFORT 65536u
#define DROPPED_EFFORT 4096u /* nodes and elements of dropped collections in one step of an eviction */
#define ROOM_PAUSE_NS 1000000000ull

/* Whether an entry is garbage; reads the root as it is committed. */
static bool is_garbage(const struct sdb_session *session, const uint64_t words[4], int64_t now)
{
    return meta_type(words[0]) && (entry_is_expired(words, now) ||
                                   __atomic_load_n(&session->pool->id_dead_round[meta_database(words[0])], __ATOMIC_ACQUIRE));
}

/* Damage keeps the entry where it is: its database's number must not be given out again, or the key would come back. */
static void leave(const struct sdb_session *session, const uint64_t words[4])
{
    struct sdb_pool *pool = session->pool;
    uint64_t *round = &pool->id_dead_round[meta_database(words[0])];

    if (__atomic_load_n(round, __ATOMIC_RELAXED))
        __atomic_store_n(round, __atomic_load_n(&pool->maintain_round, __ATOMIC_RELAXED) + 1, __ATOMIC_RELEASE);
}

/* Damage hides a page of entries, or deletions were skipped or taken back: any number may have keys left. */
static void leave_all(struct sdb_pool *pool)
{
    for (unsigned id = 0; id < DATABASE_IDS; id++)
        if (__atomic_load_n(&pool->id_dead_round[id], __ATOMIC_RELAXED))
            __atomic_store_n(&pool->id_dead_round[id], __atomic_load_n(&pool->maintain_round, __ATOMIC_RELAXED) + 1,
                             __ATOMIC_RELEASE);
}

/* Deletes the entry if it still is garbage, now that its shard is locked. */
static int collect(struct sdb_session *session, uint64_t entry, int64_t now)
{
    struct sdb_pool *pool = session->pool;
    struct operation operation = {.mark = tx_savepoint(&session->tx)};
    enum entry_read result;
    uint64_t words[4];
    uint8_t scratch[16];
    const uint8_t *key;
    size_t key_size;
    uint32_t shard;
    int error;

    if (!heap_owner(&pool->heap, &session->tx, entry, &shard))
        return SDB_ECORRUPT;
    error = session_lock(session, shard);
    if (error)
        return error;
    scan_read(session, entry, words, &result);
    if (result != ENTRY_OK || !is_garbage(session, words, now))
        return SDB_OK;
    if (!entry_key(&pool->file, words, scratch, &key, &key_size)) {
        leave(session, words);
        return SDB_OK;
    }
    index_key_init(&operation.key, &pool->file, meta_database(words[0]), key, key_size);
    if (index_find_staged(&pool->heap, &session->tx, &operation.key, &operation.found) != INDEX_FOUND ||
        operation.found.entry != entry) {
        leave(session, words);
        return SDB_OK; /* damage: the checker's matter */
    }
    operation.mark = tx_savepoint(&session->tx);
    error = operation_remove(session, &operation);
    if (!error)
        stat_add(entry_is_expired(words, now) ? &session->stats.expired : &session->stats.reclaimed, 1);
    error = operation_end(session, &operation.mark, error);
    if (error != SDB_ECORRUPT && error != SDB_ECONFLICT) /* a conflict: its tree's shard could not be had now */
        return error;
    leave(session, words);
    return SDB_OK;
}

/* Whether a whole round has passed since a number lost its database. Commits change that while this walks: atomic. */
static bool is_round_over(const struct sdb_pool *pool, unsigned id)
{
    const uint64_t dead = __atomic_load_n(&pool->id_dead_round[id], __ATOMIC_RELAXED);

    return dead && pool->maintain_round > dead;
}

/* The walk reached the end: numbers whose keys are all gone can be given out again. */
static int end_round(struct sdb_session *session)
{
    struct sdb_pool *pool = session->pool;
    struct tx_mark mark = tx_savepoint(&session->tx);
    int error, ended;
    bool any = false;

    __atomic_store_n(&pool->maintain_round, pool->maintain_round + 1, __ATOMIC_RELAXED);
    for (unsigned id = 0; id < DATABASE_IDS; id++)
        any |= is_round_over(pool, id);
    if (!any)
        return SDB_OK;
    heap_lock_pool_words(&pool->heap, &session->tx);
    for (unsigned id = 0; id < DATABASE_IDS; id++)
        if (is_round_over(pool, id))
            database_id_set_dead(session, id, false);
    error = operation_end(session, &mark, SDB_OK);
    /*
     * At once, in a group too: what is garbage is told by the committed root, and a number that is free in the staged one only might be
     * given to a database, whose new keys would then be taken for the old ones.
     */
    ended = session_commit(session);
    return error ? error : ended;
}

/* Whether a database's keys are still being reclaimed. */
static bool anything_dead(const struct sdb_pool *pool)
{
    for (unsigned id = 0; id < DATABASE_IDS; id++)
        if (__atomic_load_n(&pool->id_dead_round[id], __ATOMIC_RELAXED))
            return true;
    return false;
}

/* ---- collections that were dropped ---- */

static bool anything_dropped(const struct sdb_pool *pool)
{
    for (uint32_t i = 0; i < pool->shard_count; i++)
        if (tree_any_dropped(&pool->heap, i))
            return true;
    return false;
}

/* Frees what a shard's dropped collections had, a leaf at a time, each step an operation by itself. */
static int reclaim_shard(struct sdb_session *session, uint32_t shard, size_t *effort)
{
    struct heap *heap = &session->pool->heap;
    bool done = !tree_any_dropped(heap, shard);
    int error = SDB_OK;

    while (!done && !error && *effort > 0) {
        struct tx_mark mark;
        unsigned freed = 0;

        error = session_lock(session, shard);
        mark = tx_savepoint(&session->tx);
        if (!error)
            error = tree_reclaim(heap, &session->tx, shard, &freed, &done);
        error = operation_end(session, &mark, error);
        *effort -= freed < *effort ? freed + (freed == 0) : *effort;
        stat_add(&session->stats.reclaimed_elements, freed);
    }
    return error == SDB_ECORRUPT ? SDB_OK : error; /* damage keeps the memory where it is: a repair frees it */
}

static int reclaim_dropped(struct sdb_session *session, size_t *effort)
{
    int error = SDB_OK;

    for (uint32_t i = 0; i < session->pool->shard_count && *effort > 0 && !error; i++)
        error = reclaim_shard(session, i, effort);
    return error;
}

int maintain_dropped(struct sdb_session *session)
{
    const bool group = session->group;
    size_t effort = DROPPED_EFFORT;
    int error, ended;

    if (!anything_dropped(session->pool))
        return 0;
    session->group = true;
    error = reclaim_dropped(session, &effort);
    session->group = group;
    ended = session_commit(session);
    return error ? error : ended ? ended : 1;
}

static bool anything_to_do(const struct sdb_pool *pool)
{
    if (anything_dead(pool) || anything_dropped(pool))
        return true;
    for (uint32_t i = 0; i < pool->shard_count; i++) {
        if (!__atomic_load_n(&pool->shards[i].counted, __ATOMIC_RELAXED))
            return true;
        for (unsigned d = 0; d < SDB_DATABASES; d++)
            if (__atomic_load_n(&pool->shards[i].expiring[__atomic_load_n(&pool->physical[d], __ATOMIC_RELAXED)],
                                __ATOMIC_RELAXED))
                return true;
    }
    return false;
}

static uint64_t deletions(const struct sdb_session *session)
{
    return session->stats.expired + session->stats.reclaimed;
}

static int walk(struct sdb_session *session, size_t effort, int *done)
{
    struct sdb_pool *pool = session->pool;
    uint64_t before = deletions(session);
    uint64_t entry = pool->maintain_page;
    int64_t now = session_now(session);
    int error = reclaim_dropped(session, &effort);

    while (effort > 0 && !error) {
        uint64_t page = entry >> PAGE_SHIFT_POOL, end;

        if (scan_next_page(session, &page, &effort) != SDB_OK) {
            leave_all(pool);
            entry = page << PAGE_SHIFT_POOL;
            if (page != 0)
                continue;
        }
        if (page == 0) {
            entry = 0;
            error = end_round(session);
            *done = !pool->maintain_found && deletions(session) == before && !anything_dead(pool) &&
                    !anything_dropped(pool);
            pool->maintain_found = false;
            before = deletions(session);
            break;
        }
        if (entry < page << PAGE_SHIFT_POOL)
            entry = page << PAGE_SHIFT_POOL;
        end = (page + 1) << PAGE_SHIFT_POOL;
        for (; entry < end && effort > 0 && !error; entry += ENTRY_SIZE, effort--) {
            enum entry_read result;
            uint64_t words[4];

            scan_read(session, entry, words, &result);
            if (result == ENTRY_OK && is_garbage(session, words, now))
                error = collect(session, entry, now);
        }
    }
    pool->maintain_found = pool->maintain_found || deletions(session) != before;
    pool->maintain_page = entry;
    return error;
}

int sdb_maintain(struct sdb_session *session, size_t effort, int *done)
{
    struct sdb_pool *pool = session->pool;
    int error = pool_writable(pool), finished = 0;
    bool group = session->group;

    if (!error && session->transaction)
        error = SDB_EINVAL;
    if (error)
        return error;
    if (!anything_to_do(pool)) {
        finished = 1;
    } else if (lock_try(&pool->maintain_lock)) {
        session->group = true;
        int ended;

        error = walk(session, effort, &finished);
        session->group = group;
        /* In the caller's group, too: the walk counts what it deleted as gone. */
        ended = session_commit(session);
        error = error ? error : ended;
        if (error)
            leave_all(pool);
        lock_release(&pool->maintain_lock);
    }
    if (!error && done)
        *done = finished;
    return error;
}

uint64_t sdb_reclaimed(const struct sdb_session *session)
{
    return session->stats.reclaimed + session->stats.reclaimed_elements;
}

int maintain_for_room(struct sdb_session *session, size_t effort, int *done)
{
    uint64_t round = __atomic_load_n(&session->pool->maintain_round, __ATOMIC_RELAXED);
    int error = session_commit(session);

    if (!error)
        error = sdb_maintain(session, effort, done);
    if (!error)
        error = session_commit(session);
    if (!error && __atomic_load_n(&session->pool->maintain_round, __ATOMIC_RELAXED) == round)
        (void)sched_yield();
    return error;
}

/* Takes extents that hold nothing, and memory that waits in quarantine, from all shards: for a pool that is full. */
static bool collect_extents(struct sdb_session *session)
{
    struct sdb_pool *pool = session->pool;
    uint32_t trimmed = 0;

    for (uint32_t i = 0; i < pool->shard_count; i++) {
        uint32_t now;

        do {
            if (session_lock(session, i) != SDB_OK)
                return trimmed != 0;
            heap_release(&pool->heap, i, true);
            now = heap_trim(&pool->heap, &session->tx, i);
            trimmed += now;
            if (session_commit(session) != SDB_OK)
                return trimmed != 0;
        } while (now == HEAP_TRIM_MAX);
    }
    return trimmed != 0;
}

bool session_make_room(struct sdb_session *session, int *attempt)
{
    uint64_t before, now = clock_ns(), freed = __atomic_load_n(&session->pool->heap.freed_bytes, __ATOMIC_RELAXED);
    bool dropped = anything_dropped(session->pool);
    int done = 0;

    if (session->transaction || ++*attempt > 2)
        return false;
    if (*attempt == 1 && session->group) /* what the group freed can be used after its commit */
        return session_commit(session) == SDB_OK;
    *attempt = 2;
    if (session->fruitless_ns && now - session->fruitless_ns < ROOM_PAUSE_NS &&
        freed - session->fruitless_freed < EXTENT_SIZE && !anything_dead(session->pool) && !dropped)
        return false;
    before = session->stats.expired + session->stats.reclaimed;
    for (int round = 0; round < 3 && !done;) {
        uint64_t rounds = __atomic_load_n(&session->pool->maintain_round, __ATOMIC_RELAXED);

        if (maintain_for_room(session, ROOM_EFFORT, &done) != SDB_OK)
            break;
        if (session->stats.expired + session->stats.reclaimed > before + ENTRIES_PER_PAGE)
            break;
        round += __atomic_load_n(&session->pool->maintain_round, __ATOMIC_RELAXED) != rounds;
    }
    if (collect_extents(session) || session->stats.expired + session->stats.reclaimed > before || dropped)
        return true;
    session->fruitless_ns = now;
    session->fruitless_freed = freed;
    return false;
}
