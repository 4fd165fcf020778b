/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * database.c - the sixteen logical databases: counting, emptying, exchanging
 * Media:   struct sdb_m_root
 * Commit:  a logical database is a number on the medium; emptying one gives it another number, in one word, and marks the old one as
 *          being reclaimed; exchanging two exchanges their numbers. Under all shards' locks, so that no write goes astray.
 * Holds:   a number is given out again only when a whole round over the pool found no entry of it (maintain.c)
 * Threads: the session's
 * Memory:  none
 */
#include <inttypes.h>

#include "error.h"
#include "maintain.h"
#include "root.h"
#include "scan.h"
#include "session.h"
#include "word.h"

#define RECLAIM_EFFORT 65536u

static uint64_t root_offset(const struct sdb_pool *pool, unsigned word)
{
    return pool->file.superblock.root_offset + word * WORD_SIZE;
}

static void store_root(struct sdb_session *session, unsigned word, uint64_t value)
{
    uint64_t offset = root_offset(session->pool, word);

    tx_store(&session->tx, offset, nonzero_word(value, offset));
}

static uint64_t load_root(const struct sdb_session *session, unsigned word)
{
    return tx_load(&session->tx, root_offset(session->pool, word)) & NONZERO_VALUE_MAX;
}

bool database_id_is_dead(const struct sdb_session *session, unsigned id)
{
    return load_root(session, SDB_DATABASES + id / 32) >> (id % 32) & 1;
}

void database_id_set_dead(struct sdb_session *session, unsigned id, bool dead)
{
    uint64_t bits = load_root(session, SDB_DATABASES + id / 32), bit = 1ull << (id % 32);

    store_root(session, SDB_DATABASES + id / 32, dead ? bits | bit : bits & ~bit);
}

static bool id_is_free(const struct sdb_session *session, unsigned id)
{
    if (id == DATABASE_ID_SYSTEM || database_id_is_dead(session, id))
        return false;
    for (unsigned d = 0; d < SDB_DATABASES; d++)
        if (session_physical(session, d) == id)
            return false;
    return true;
}

/* -- counting -- */

/* The next page of entries that can be told for one: keys that damage hides are not counted. False: there is none. */
static bool next_page(struct sdb_session *session, uint64_t *page, size_t *effort)
{
    while (scan_next_page(session, page, effort) != SDB_OK) {
        __atomic_store_n(&session->pool->hides_keys, 1, __ATOMIC_RELAXED);
        if (*page == 0)
            return false;
    }
    return *page != 0;
}

/* Counts a shard's entries. Under its lock; what this session staged is not counted here. */
static int count_shard(struct sdb_session *session, uint32_t shard)
{
    struct sdb_pool *pool = session->pool;
    struct shard *s = &pool->shards[shard];
    size_t effort = SIZE_MAX;

    for (unsigned d = 0; d < DATABASE_IDS; d++) {
        __atomic_store_n(&s->keys[d], 0, __ATOMIC_RELAXED);
        __atomic_store_n(&s->expiring[d], 0, __ATOMIC_RELAXED);
    }
    __atomic_store_n(&s->entries, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&s->timed, 0, __ATOMIC_RELAXED);
    for (uint64_t page = 0; next_page(session, &page, &effort); page++) {
        uint32_t owner;

        if (!heap_owner(&pool->heap, &session->tx, page << PAGE_SHIFT_POOL, &owner) || owner != shard)
            continue;
        for (unsigned i = 0; i < ENTRIES_PER_PAGE; i++) {
            uint64_t entry = (page << PAGE_SHIFT_POOL) + i * ENTRY_SIZE, words[4];

            if (entry_read(&pool->file, entry, words) != ENTRY_OK)
                __atomic_store_n(&pool->hides_keys, 1, __ATOMIC_RELAXED);
            else if (meta_type(words[0]))
                pool_count(pool, shard, meta_database(words[0]), 1, (words[0] & META_EXPIRES) != 0);
        }
    }
    __atomic_store_n(&s->counted, true, __ATOMIC_RELEASE); /* pairs with database_counts_ready, which takes no lock */
    return SDB_OK;
}

int database_counts_ready(struct sdb_session *session)
{
    for (uint32_t i = 0; i < session->pool->shard_count; i++) {
        bool held = session_holds(session, i);
        int error;

        if (__atomic_load_n(&session->pool->shards[i].counted, __ATOMIC_ACQUIRE))
            continue;
        error = session_lock(session, i);
        if (!error && !session->pool->shards[i].counted)
            error = count_shard(session, i);
        if (!error && !held && !session->transaction && !session->group)
            error = session_commit(session);
        if (error)
            return error;
    }
    return SDB_OK;
}

/* Committed keys and those that this session has staged. */
static int sum(struct sdb_session *session, unsigned id, bool expiring, uint64_t *count)
{
    const struct sdb_pool *pool = session->pool;
    int64_t total = 0;
    int error = database_counts_ready(session);

    if (error)
        return error;
    for (uint32_t i = 0; i < pool->shard_count; i++)
        total += __atomic_load_n(expiring ? &pool->shards[i].expiring[id] : &pool->shards[i].keys[id], __ATOMIC_RELAXED);
    for (size_t i = 0; i < session->tx.counts.count; i++)
        if (session->tx.counts.items[i].database == id)
            total += expiring ? session->tx.counts.items[i].expiring : session->tx.counts.items[i].keys;
    *count = total > 0 ? (uint64_t)total : 0;
    return SDB_OK;
}

int sdb_count(struct sdb_session *session, uint64_t *count)
{
    return sum(session, session_physical(session, session->database), false, count);
}

int sdb_count_expiring(struct sdb_session *session, uint64_t *count)
{
    return sum(session, session_physical(session, session->database), true, count);
}

/* -- emptying -- */

static int give_new_id(struct sdb_session *session, unsigned database)
{
    unsigned old = session_physical(session, database);
    uint64_t count;
    int error = sum(session, old, false, &count);

    if (error || (count == 0 && !__atomic_load_n(&session->pool->hides_keys, __ATOMIC_RELAXED)))
        return error;
    for (unsigned id = 0; id < DATABASE_IDS; id++) {
        if (!id_is_free(session, id))
            continue;
        store_root(session, database, id + 1);
        database_id_set_dead(session, old, true);
        return SDB_OK;
    }
    error_set("%s: too many emptied databases are waiting to be reclaimed", session->pool->file.path);
    return SDB_ENOSPC;
}

/* Everything locked: all shards, then the pool's own words. */
static int lock_everything(struct sdb_session *session)
{
    int error = pool_writable(session->pool);

    if (!error)
        error = database_counts_ready(session);
    if (!error)
        error = session_lock_all(session);
    if (!error)
        heap_lock_pool_words(&session->pool->heap, &session->tx);
    return error;
}

/* Reclaims until a number is free again. False: not now, a transaction is open. */
static bool reclaim_ids(struct sdb_session *session)
{
    uint64_t round = __atomic_load_n(&session->pool->maintain_round, __ATOMIC_RELAXED);
    int done = 0;

    if (session->transaction)
        return false;
    /* A number that died in the middle of a round is free after the next whole one. Another thread may be at it, too. */
    while (!done && __atomic_load_n(&session->pool->maintain_round, __ATOMIC_RELAXED) < round + 2)
        if (maintain_for_room(session, RECLAIM_EFFORT, &done) != SDB_OK)
            return false;
    return true;
}

static int flush(struct sdb_session *session, unsigned first, unsigned last)
{
    int error, attempt = 0;

    do {
        struct tx_mark mark;

        error = lock_everything(session);
        mark = tx_savepoint(&session->tx);
        for (unsigned d = first; d <= last && !error; d++) {
            observe_databases(session, SDB_CHANGE_EMPTIED, d, d);
            error = give_new_id(session, d);
        }
        error = operation_end(session, &mark, error);
    } while (error == SDB_ENOSPC && attempt++ < 2 && reclaim_ids(session));
    return error;
}

int sdb_flush(struct sdb_session *session)
{
    if (session->database >= SDB_DATABASES)
        return SDB_EINVAL;
    return flush(session, session->database, session->database);
}

int sdb_flush_all(struct sdb_session *session)
{
    return flush(session, 0, SDB_DATABASES - 1);
}

int sdb_swap_databases(struct sdb_session *session, uint32_t a, uint32_t b)
{
    struct tx_mark mark;
    int error;

    if (a >= SDB_DATABASES || b >= SDB_DATABASES)
        return SDB_EINVAL;
    error = lock_everything(session);
    mark = tx_savepoint(&session->tx);
    if (!error && a != b) {
        unsigned id_a = session_physical(session, a), id_b = session_physical(session, b);

        observe_databases(session, SDB_CHANGE_SWAPPED, a, b);
        store_root(session, a, id_b + 1);
        store_root(session, b, id_a + 1);
    }
    return operation_end(session, &mark, error);
}
