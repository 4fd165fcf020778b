/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ahead.c - finding keys ahead of the operations on them, many at a time
 * Media:   read only
 * Holds:   what is kept of a key is its bytes, its hash and where its entry was: no value, so that nothing of it can be out of date
 *          unnoticed
 * Threads: the session's
 * Memory:  none
 */
#include "ahead.h"

#include "read.h"

/* Asks the cache for those keys that it pays to ask for, and notes under which token a copy may be offered; 0: not asked. */
static void find_cached(struct sdb_session *session, struct index_probe *probes, size_t count, uint64_t *tokens)
{
    const struct sdb_pool *pool = session->pool;
    size_t hits = 0, asked = 0;

    for (size_t i = 0; i < count; i++)
        if (cache_pace_ask(&session->pace, probes[i].key.hash))
            cache_prefetch(pool->cache, probes[i].key.hash);
    for (size_t i = 0; i < count; i++) {
        struct index_found *found = &probes[i].found;
        const struct index_key *key = &probes[i].key;
        bool hit;

        tokens[i] = 0;
        if (!cache_pace_ask(&session->pace, key->hash))
            continue;
        hit = cache_lookup(pool->cache, key->hash, found->words, &found->entry);
        if (hit && meta_key_code(found->words[0]) == CODE_BLOB)
            probes[i].state = INDEX_PROBE_ENTRY;
        else if (hit && index_compare(&pool->file, found->words, key) == ENTRY_SAME)
            probes[i].state = INDEX_PROBE_FOUND;
        else
            tokens[i] = cache_read_begin(pool->cache, key->hash) + 1;
        if (tokens[i] == 0)
            __builtin_prefetch(pool->file.base + found->entry);
        asked++;
        hits += tokens[i] == 0;
    }
    stat_add(&session->stats.cache_hits, hits);
    stat_add(&session->stats.cache_misses, asked - hits);
    cache_pace_note(&session->pace, (uint32_t)asked, (uint32_t)hits);
}

/* Offers the cache what was found in the pool while no commit was being applied to the key's shard. */
static void fill_cache(struct sdb_pool *pool, const struct index_probe *probes, size_t count, const uint64_t *tokens,
                       const uint64_t *sequences)
{
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    for (size_t i = 0; i < count; i++) {
        const struct index_probe *probe = &probes[i];

        if (tokens[i] && probe->state == INDEX_PROBE_FOUND && !(sequences[i] & 1) &&
            __atomic_load_n(&pool->shards[probe->key.shard].sequence, __ATOMIC_RELAXED) == sequences[i])
            cache_fill(pool->cache, probe->key.hash, probe->found.entry, probe->found.words, tokens[i] - 1);
    }
}

void ahead_find(struct sdb_session *session, struct index_probe *probes, size_t count)
{
    struct sdb_pool *pool = session->pool;
    uint64_t tokens[INDEX_PROBES], sequences[INDEX_PROBES];

    if (!pool->cache) {
        index_find_many(&pool->heap, probes, count);
        return;
    }
    for (size_t i = 0; i < count; i++)
        sequences[i] = __atomic_load_n(&pool->shards[probes[i].key.shard].sequence, __ATOMIC_ACQUIRE);
    find_cached(session, probes, count, tokens);
    index_find_many(&pool->heap, probes, count);
    fill_cache(pool, probes, count, tokens, sequences);
}

void sdb_prefetch(struct sdb_session *session, const struct sdb_slice *keys, size_t count)
{
    struct ahead *ahead = &session->ahead;
    unsigned physical = session_physical(session, session->database);

    ahead->count = count < AHEAD_MAX ? (uint32_t)count : AHEAD_MAX;
    ahead->next = 0;
    for (uint32_t i = 0; i < ahead->count; i++) {
        index_key_init(&ahead->probes[i].key, &session->pool->file, physical, keys[i].size ? keys[i].data : "", keys[i].size);
        ahead->probes[i].state = INDEX_PROBE_OPEN;
    }
    for (uint32_t from = 0; from < ahead->count; from += INDEX_PROBES)
        ahead_find(session, ahead->probes + from, ahead->count - from < INDEX_PROBES ? ahead->count - from : INDEX_PROBES);
}

static uint64_t entry_of(const struct index_probe *probe)
{
    return probe->state == INDEX_PROBE_FOUND ? probe->found.entry : 0;
}

uint64_t ahead_key_init(struct sdb_session *session, unsigned database, const void *data, size_t size, struct index_key *key)
{
    struct ahead *ahead = &session->ahead;
    uint32_t end = ahead->next + 2 < ahead->count ? ahead->next + 2 : ahead->count;
    uint64_t words[2] = {0, 0};

    if (size <= INLINE_SIZE_MAX)
        index_load_words(words, data, size);
    else
        index_key_init(key, &session->pool->file, database, data, size);
    /* A batch is worked off in its order: it is the key of the operation before, or the next one. */
    for (uint32_t i = ahead->next; i < end; i++) {
        const struct index_probe *probe = &ahead->probes[i];

        if (probe->key.size != size || probe->key.database != database ||
            (size <= INLINE_SIZE_MAX ? probe->key.words[0] != words[0] || probe->key.words[1] != words[1]
                                     : probe->key.hash != key->hash))
            continue;
        ahead->next = i;
        *key = probe->key;
        key->data = data;
        return entry_of(probe);
    }
    if (size <= INLINE_SIZE_MAX)
        index_key_init(key, &session->pool->file, database, data, size);
    return 0;
}
