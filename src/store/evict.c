/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * evict.c - deleting keys to make room: which ones
 *
 * Samples entries at random places and keeps the best candidates from call to call, as Redis does; what is garbage anyway (expired,
 * of an emptied database) is the best of all. Before a candidate goes it is judged again: one that was used since is let off.
 * Media:   through operations
 * Commit:  a group for each VICTIMS keys; a crash leaves the others
 * Threads: the session's
 * Memory:  the session's list of pages of entries, 4 bytes for each 1,024 entries
 */
#include "evict.h"

#include <stdlib.h>
#include <string.h>

#include "access.h"
#include "entry.h"
#include "grow.h"
#include "maintain.h"
#include "random.h"
#include "scan.h"
#include "tree.h"
#include "word.h"

#define STEPS_AT_ONCE 4u /* of reclaiming, in one call */
#define VICTIMS 64u             /* to a commit, at most */
#define PLACES_A_SAMPLE 64u     /* random places that are looked at for one sample */
#define PAGES_EVERY 4096u       /* samples, and four for each page, until new pages are looked for */
#define WALK_ENTRIES (1u << 20) /* looked at in one search for keys that are few */
#define GARBAGE UINT64_MAX

struct eviction {
    struct sdb_session *session;
    const struct sdb_evict_options *options;
    int64_t now;
};

/* ---- judging ---- */

/* False: it is no candidate. */
static bool judge(const struct eviction *eviction, uint64_t entry, const uint64_t words[4], uint64_t *score)
{
    const struct sdb_pool *pool = eviction->session->pool;
    const struct access *access = access_of(eviction->session);

    if (meta_type(words[0]) == 0)
        return false;
    *score = GARBAGE;
    if (entry_is_expired(words, eviction->now) ||
        __atomic_load_n(&pool->id_dead_round[meta_database(words[0])], __ATOMIC_ACQUIRE))
        return true;
    if (eviction->options->expiring_only && !(words[0] & META_EXPIRES))
        return false;
    switch (eviction->options->order) {
    case SDB_EVICT_RECENCY:
        *score = access ? access_idle_ms(access, entry, eviction->now) : 0;
        break;
    case SDB_EVICT_FREQUENCY:
        *score = access ? 255 - access_frequency(access, entry, eviction->now) : 0;
        break;
    case SDB_EVICT_EXPIRY:
        *score = (uint64_t)(INT64_MAX - entry_expiry(words));
        break;
    default:
        *score = 0;
        break;
    }
    return true;
}

static bool judge_entry(const struct eviction *eviction, uint64_t entry, uint64_t words[4], uint64_t *score)
{
    enum entry_read result;

    scan_read(eviction->session, entry, words, &result);
    return result == ENTRY_OK && judge(eviction, entry, words, score);
}

/* ---- candidates ---- */

static void drop_candidate(struct evict_pool *pool, unsigned i)
{
    memmove(&pool->candidates[i], &pool->candidates[i + 1], (--pool->count - i) * sizeof(pool->candidates[0]));
}

/* Keeps it where it is better than the worst, or there is room. */
static void add_candidate(struct evict_pool *pool, uint64_t entry, const uint64_t words[4], uint64_t score)
{
    unsigned at;

    for (unsigned i = 0; i < pool->count; i++)
        if (pool->candidates[i].entry == entry) {
            drop_candidate(pool, i);
            break;
        }
    if (pool->count == EVICT_CANDIDATES) {
        if (score <= pool->candidates[0].score)
            return;
        drop_candidate(pool, 0);
    }
    for (at = pool->count; at > 0 && pool->candidates[at - 1].score > score; at--)
        pool->candidates[at] = pool->candidates[at - 1];
    pool->candidates[at] = (struct evict_candidate){entry, score, meta_generation(words[0])};
    pool->count++;
}

/* ---- looking for candidates ---- */

static bool add_page(struct evict_pool *pool, uint64_t page)
{
    if (!grow(&pool->pages, &pool->page_capacity, pool->page_count + 1, sizeof(*pool->pages)))
        return false; /* those that are known must do */
    pool->pages[pool->page_count++] = (uint32_t)page;
    return true;
}

/* Values outside of entries may take most of the pool: random places are chosen among pages of entries only. */
static void find_pages(struct sdb_session *session)
{
    struct evict_pool *pool = &session->evict;
    size_t effort = SIZE_MAX;
    uint64_t page = 0;

    pool->page_count = 0;
    do { /* of a damaged part, page is what stands behind it */
        if (scan_next_page(session, &page, &effort) == SDB_OK && page != 0 && !add_page(pool, page++))
            break;
    } while (page != 0);
    pool->samples_left = PAGES_EVERY + 4 * pool->page_count;
}

/* An entry at a random place that may be taken. */
static bool sample(const struct eviction *eviction, uint64_t *entry, uint64_t words[4], uint64_t *score)
{
    struct evict_pool *pool = &eviction->session->evict;

    if (pool->samples_left == 0)
        find_pages(eviction->session);
    else
        pool->samples_left--;
    for (unsigned i = 0; i < PLACES_A_SAMPLE && pool->page_count > 0; i++) {
        const uint64_t random = random_number();

        *entry = (uint64_t)pool->pages[(random >> 16) % pool->page_count] << PAGE_SHIFT_POOL |
                 random % ENTRIES_PER_PAGE << ENTRY_SHIFT;
        if (judge_entry(eviction, *entry, words, score))
            return true;
    }
    return false;
}

/* The next entry that may be taken from the cursor on, once around the pool; where keys are few no random place hits one. */
static bool walk(const struct eviction *eviction, uint64_t *entry, uint64_t words[4], uint64_t *score)
{
    struct sdb_session *session = eviction->session;
    struct evict_pool *candidates = &session->evict;
    size_t effort = WALK_ENTRIES;

    for (unsigned ends = 0; ends < 2 && effort > 0;) {
        uint64_t page = candidates->cursor >> PAGE_SHIFT_POOL, end;

        if (scan_next_page(session, &page, &effort) != SDB_OK && page != 0) { /* damage: behind it */
            candidates->cursor = page << PAGE_SHIFT_POOL;
            continue;
        }
        if (page == 0) {
            candidates->cursor = 0;
            ends++;
            continue;
        }
        if (candidates->cursor < page << PAGE_SHIFT_POOL)
            candidates->cursor = page << PAGE_SHIFT_POOL;
        end = (page + 1) << PAGE_SHIFT_POOL;
        for (; candidates->cursor < end && effort > 0; effort--) {
            *entry = candidates->cursor;
            candidates->cursor += ENTRY_SIZE;
            if (judge_entry(eviction, *entry, words, score))
                return true;
        }
    }
    return false;
}

static bool anything_left(const struct eviction *eviction)
{
    const struct sdb_pool *pool = eviction->session->pool;

    for (uint32_t i = 0; i < pool->shard_count; i++)
        if (__atomic_load_n(eviction->options->expiring_only ? &pool->shards[i].timed : &pool->shards[i].entries,
                            __ATOMIC_RELAXED) > 0)
            return true;
    return false;
}

static void look(const struct eviction *eviction)
{
    struct evict_pool *pool = &eviction->session->evict;
    const unsigned samples = eviction->options->order == SDB_EVICT_RANDOM ? 1 : eviction->options->samples;
    uint64_t entry, words[4], score;

    for (unsigned i = 0; i < samples && sample(eviction, &entry, words, &score); i++)
        add_candidate(pool, entry, words, score);
    if (pool->count == 0 && anything_left(eviction) && walk(eviction, &entry, words, &score))
        add_candidate(pool, entry, words, score);
}

/* The best candidate that still is one. False: none was found. */
static bool choose(const struct eviction *eviction, uint64_t *entry)
{
    struct evict_pool *pool = &eviction->session->evict;

    for (unsigned tries = 0; tries < 2 * EVICT_CANDIDATES; tries++) {
        struct evict_candidate best;
        uint64_t words[4], score;

        look(eviction);
        if (pool->count == 0)
            return false;
        best = pool->candidates[--pool->count];
        if (judge_entry(eviction, best.entry, words, &score) && meta_generation(words[0]) == best.generation &&
            score >= best.score) {
            *entry = best.entry;
            return true;
        }
    }
    return false;
}

/* ---- deleting ---- */

static uint64_t blob_bytes(const struct sdb_pool *pool, uint64_t reference)
{
    const uint8_t *data;
    uint32_t size;

    return entry_blob(&pool->file, reference, &data, &size) ? heap_block_size(size + sizeof(struct sdb_m_blob)) : 0;
}

/* In blocks of a tree, and of its companion. */
static uint64_t tree_bytes_of(struct sdb_session *session, uint64_t header)
{
    uint64_t bytes = 0, companion = 0;
    struct tree tree;

    for (unsigned i = 0; i < 2 && header != 0; i++, header = companion) {
        if (tree_open(&tree, &session->pool->heap, &session->tx, header) != SDB_OK || tree_companion(&tree, &companion) != SDB_OK)
            break;
        bytes += sizeof(struct sdb_m_tree) + tree.bytes;
    }
    return bytes;
}

/* What the entry's deletion will free, at once or in steps. */
static uint64_t bytes_of(struct sdb_session *session, const uint64_t words[4])
{
    const struct sdb_pool *pool = session->pool;
    uint64_t bytes = ENTRY_SIZE;

    if (meta_value_code(words[0]) == CODE_TREE && session_lock_tree(session, entry_tree(words)) == SDB_OK)
        bytes += tree_bytes_of(session, entry_tree(words));

    if (meta_key_code(words[0]) == CODE_BLOB)
        bytes += blob_bytes(pool, words[1]);
    if (meta_value_code(words[0]) == CODE_BLOB)
        bytes += blob_bytes(pool, words[entry_value_index(words[0])]);
    return bytes;
}

static int remove_found(struct sdb_session *session, struct operation *operation, bool garbage)
{
    const bool expired = entry_is_expired(operation->found.words, session_now(session));
    int error;

    session->evicting = !garbage;
    error = operation_remove(session, operation);
    session->evicting = false;
    if (!error)
        stat_add(!garbage ? &session->stats.evicted : expired ? &session->stats.expired : &session->stats.reclaimed, 1);
    return operation_end(session, &operation->mark, error);
}

/* Deletes the entry's key, if it may still be taken now that its shard is locked. */
static int evict_entry(const struct eviction *eviction, uint64_t entry, uint64_t *bytes)
{
    struct sdb_session *session = eviction->session;
    struct sdb_pool *pool = session->pool;
    struct operation operation = {.tree_stays = false};
    uint8_t scratch[16];
    uint64_t words[4], score;
    const uint8_t *key;
    size_t key_size;
    uint32_t shard;
    int error;

    if (!heap_owner(&pool->heap, &session->tx, entry, &shard))
        return SDB_OK;
    error = session_lock(session, shard);
    if (error || !judge_entry(eviction, entry, words, &score))
        return error;
    operation.mark = tx_savepoint(&session->tx);
    if (!entry_key(&pool->file, words, scratch, &key, &key_size))
        return SDB_OK;
    index_key_init(&operation.key, &pool->file, meta_database(words[0]), key, key_size);
    if (index_find_staged(&pool->heap, &session->tx, &operation.key, &operation.found) != INDEX_FOUND ||
        operation.found.entry != entry)
        return SDB_OK; /* damage: the checker's matter */
    *bytes += bytes_of(session, words);
    error = remove_found(session, &operation, score == GARBAGE);
    return error == SDB_ECORRUPT || error == SDB_ECONFLICT ? SDB_OK : error;
}

/* Deletes keys until so many bytes are to become free, and commits. */
static int evict_some(const struct eviction *eviction, uint64_t excess, size_t count_max, size_t *evicted)
{
    struct sdb_session *session = eviction->session;
    const bool group = session->group;
    uint64_t bytes = 0, entry;
    int error = SDB_OK, ended;

    session->group = true;
    for (unsigned i = 0; i < VICTIMS && *evicted < count_max && bytes < excess && !error; i++) {
        if (!choose(eviction, &entry)) {
            error = SDB_ENOTFOUND;
            break;
        }
        error = evict_entry(eviction, entry, &bytes);
        ++*evicted;
    }
    session->group = group;
    ended = session_commit(session);
    return ended ? ended : error == SDB_ENOTFOUND && bytes > 0 ? SDB_OK : error;
}

int sdb_evict(struct sdb_session *session, const struct sdb_evict_options *options, uint64_t target, size_t count_max,
              size_t *evicted)
{
    const struct eviction eviction = {session, options, session_now(session)};
    struct evict_pool *pool = &session->evict;
    uint64_t used = 0;
    unsigned steps = 0;
    size_t n = 0;
    int error = pool_writable(session->pool);

    if (!error && session->transaction)
        error = SDB_EINVAL;
    if (!error)
        error = session_commit(session);
    if (pool->order != options->order || pool->expiring_only != (options->expiring_only != 0))
        pool->count = 0;
    pool->order = (uint8_t)options->order;
    pool->expiring_only = options->expiring_only != 0;
    while (!error && (error = sdb_used(session, &used)) == SDB_OK && used > target && n < count_max) {
        /* What was dropped still counts until it is reclaimed: no other key is to go for that. */
        const int reclaimed = maintain_dropped(session);

        if (reclaimed == 0)
            error = evict_some(&eviction, used - target, count_max, &n);
        else if (reclaimed < 0)
            error = reclaimed;
        else if (++steps == STEPS_AT_ONCE) /* the rest comes with the next commands */
            break;
    }
    if (evicted)
        *evicted = n;
    return error;
}

int sdb_make_room(struct sdb_session *session)
{
    int attempt = 1;
    int error = session->transaction ? SDB_EINVAL : session_commit(session);

    if (error)
        return error;
    return session_make_room(session, &attempt) ? SDB_OK : SDB_ENOSPC;
}
