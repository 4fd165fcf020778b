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

#define LATER_ELSEWHERE 0x80u

_Static_assert((INDEX_PROBES & (INDEX_PROBES - 1)) == 0 && INDEX_PROBES <= LATER_ELSEWHERE, "a probe's number and a flag");

/* Keys that were asked for in vain: what is found of them in the pool may be offered to the cache. */
struct missed {
    uint32_t count;
    uint8_t probe[INDEX_PROBES];
    uint64_t token[INDEX_PROBES];
    uint64_t sequence[INDEX_PROBES]; /* of the key's shard */
};

/* The cache has a copy of an entry with the key's hash. False: it is another key's. */
static inline bool take_copy(const struct sdb_pool *pool, struct index_probe *probe)
{
    struct index_found *found = &probe->found;

    if (__builtin_expect(meta_key_code(found->words[0]) == CODE_BLOB, 0)) /* it is compared with the entry as it is in the pool */
        probe->state = INDEX_PROBE_ENTRY;
    else if (index_compare(&pool->file, found->words, &probe->key) == ENTRY_SAME)
        probe->state = INDEX_PROBE_FOUND;
    else
        return false;
    found->word = 0;
    __builtin_prefetch(pool->file.base + found->entry);
    return true;
}

static inline void note_missed(const struct sdb_pool *pool, const struct index_probe *probe, uint8_t number, struct missed *missed)
{
    missed->probe[missed->count] = number;
    missed->token[missed->count] = cache_read_begin(pool->cache, probe->key.hash);
    missed->sequence[missed->count++] = __atomic_load_n(&pool->shards[probe->key.shard].sequence, __ATOMIC_ACQUIRE);
}

/* Asks the cache for those keys that it pays to ask for. False: all of them were found. */
static bool find_cached(struct sdb_session *session, struct index_probe *probes, size_t count, struct missed *missed)
{
    const struct sdb_pool *pool = session->pool;
    uint8_t asked[INDEX_PROBES], later[INDEX_PROBES];
    uint32_t n = 0, late = 0, found_count = 0;

    missed->count = 0;
    for (size_t i = 0; i < count; i++) {
        if (!cache_pace_ask_many(&session->pace, probes[i].key.hash))
            continue;
        cache_prefetch(pool->cache, probes[i].key.hash);
        asked[n++] = (uint8_t)i;
    }
    for (uint32_t a = 0; a < n; a++) {
        struct index_probe *probe = &probes[asked[a]];
        bool elsewhere = false;

        if (cache_lookup_home(pool->cache, probe->key.hash, probe->found.words, &probe->found.entry, &elsewhere) &&
            take_copy(pool, probe))
            cache_pace_note(&session->pace, probe->key.hash, true);
        else
            later[late++] = (uint8_t)(asked[a] | (elsewhere ? LATER_ELSEWHERE : 0));
    }
    for (uint32_t l = 0; l < late; l++) {
        const uint8_t number = later[l] & (INDEX_PROBES - 1);
        struct index_probe *probe = &probes[number];
        const bool hit = later[l] & LATER_ELSEWHERE &&
                         cache_lookup_elsewhere(pool->cache, probe->key.hash, probe->found.words, &probe->found.entry) &&
                         take_copy(pool, probe);

        cache_pace_note(&session->pace, probe->key.hash, hit);
        if (!hit)
            note_missed(pool, probe, number, missed);
    }
    for (uint32_t a = 0; a < n; a++)
        found_count += probes[asked[a]].state == INDEX_PROBE_FOUND;
    stat_add(&session->stats.cache_hits, n - missed->count);
    stat_add(&session->stats.cache_misses, missed->count);
    return found_count < count;
}

/* Offers the cache what was found in the pool while no commit was being applied to the key's shard. */
static void fill_cache(struct sdb_pool *pool, const struct index_probe *probes, const struct missed *missed)
{
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    for (uint32_t m = 0; m < missed->count; m++) {
        const struct index_probe *probe = &probes[missed->probe[m]];

        if (probe->state == INDEX_PROBE_FOUND && !(missed->sequence[m] & 1) &&
            __atomic_load_n(&pool->shards[probe->key.shard].sequence, __ATOMIC_RELAXED) == missed->sequence[m])
            cache_fill(pool->cache, probe->key.hash, probe->found.entry, probe->found.words, missed->token[m]);
    }
}

void ahead_find(struct sdb_session *session, struct index_probe *probes, size_t count)
{
    struct sdb_pool *pool = session->pool;
    struct missed missed;

    if (!pool->cache) {
        index_find_many(&pool->heap, probes, count);
        return;
    }
    if (!find_cached(session, probes, count, &missed))
        return;
    index_find_many(&pool->heap, probes, count);
    fill_cache(pool, probes, &missed);
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

    if (ahead->next >= ahead->count) {
        index_key_init(key, &session->pool->file, database, data, size);
        return 0;
    }
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
