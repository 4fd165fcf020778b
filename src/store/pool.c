/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pool.c - opening and closing a pool
 * Media:   struct sdb_m_counters, at a clean close
 * Commit:  open: recovery (lane_recovery.c), then the superblock's state OPEN under a new incarnation. Close: lanes drained, counters,
 *          one fence, then state CLEAN. Counters count only under a clean state of the same incarnation, so that a crash anywhere
 *          in between costs a recount and nothing else.
 * Threads: open and close by one thread while no session is open
 * Memory:  the pool's DRAM structures
 */
#include "pool.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "access.h"
#include "bucket.h"
#include "cpu.h"
#include "error.h"
#include "gather.h"
#include "hash.h"
#include "persist.h"
#include "root.h"
#include "session.h"
#include "word.h"

#define CACHE_SIZE_USUAL (32ull << 20)

static const struct sdb_options default_options = SDB_OPTIONS_INIT;

const char *sdb_version(void)
{
#define VERSION_TEXT_OF(a, b, c) #a "." #b "." #c
#define VERSION_TEXT(a, b, c) VERSION_TEXT_OF(a, b, c)
    return VERSION_TEXT(SDB_VERSION_MAJOR, SDB_VERSION_MINOR, SDB_VERSION_PATCH);
}

const char *sdb_strerror(int error)
{
    switch (error) {
    case SDB_OK:
        return "success";
#define ERROR_TEXT(name, number, text)                                                                                 \
    case name:                                                                                                         \
        return text;
        SDB_ERRORS(ERROR_TEXT)
#undef ERROR_TEXT
    default:
        return "unknown error";
    }
}

const char *sdb_last_error(void)
{
    return error_text();
}

int pool_writable(struct sdb_pool *pool)
{
    if (pool->readonly) {
        error_set("%s: open for reading only", pool->file.path);
        return SDB_EREADONLY;
    }
    if (__atomic_load_n(&pool->failed, __ATOMIC_RELAXED) || __atomic_load_n(&pool->file.sigbus.failed, __ATOMIC_RELAXED) ||
        __atomic_load_n(&pool->file.sync_failed, __ATOMIC_RELAXED)) {
        error_set("%s: a commit or the medium failed earlier; the pool takes no more writes", pool->file.path);
        return SDB_EFAILED;
    }
    return SDB_OK;
}

void pool_fail(struct sdb_pool *pool)
{
    __atomic_store_n(&pool->failed, 1, __ATOMIC_RELAXED);
}

void pool_count(struct sdb_pool *pool, uint32_t shard, unsigned database, int keys, int expiring)
{
    struct shard *s = &pool->shards[shard];

    __atomic_store_n(&s->keys[database], __atomic_load_n(&s->keys[database], __ATOMIC_RELAXED) + keys, __ATOMIC_RELAXED);
    __atomic_store_n(&s->entries, __atomic_load_n(&s->entries, __ATOMIC_RELAXED) + keys, __ATOMIC_RELAXED);
    if (!expiring)
        return;
    __atomic_store_n(&s->expiring[database], __atomic_load_n(&s->expiring[database], __ATOMIC_RELAXED) + expiring,
                     __ATOMIC_RELAXED);
    __atomic_store_n(&s->timed, __atomic_load_n(&s->timed, __ATOMIC_RELAXED) + expiring, __ATOMIC_RELAXED);
}

/* -- opening -- */

static struct sdb_m_counters *counters_of(const struct sdb_pool *pool)
{
    return (struct sdb_m_counters *)(void *)(pool->file.base + pool->file.superblock.counters_offset);
}

uint64_t pool_counters_checksum(const struct sdb_m_counters *counters)
{
    return hash_key(counters->incarnation, (const uint8_t *)counters + 16, sizeof(*counters) - 16);
}

/* Takes the counts of a clean close over, as shard 0's. Where they do not count, shards are counted at first need. */
static void load_counters(struct sdb_pool *pool)
{
    const struct sdb_m_counters *counters = counters_of(pool);

    if (!pool->file.created &&
        (!pool->file.was_clean || counters->incarnation != pool->file.superblock.incarnation ||
         counters->checksum != pool_counters_checksum(counters)))
        return;
    for (uint32_t i = 0; i < pool->shard_count; i++)
        pool->shards[i].counted = true;
    for (unsigned d = 0; d < DATABASE_IDS && !pool->file.created; d++) {
        pool->shards[0].keys[d] = (int64_t)counters->keys[d];
        pool->shards[0].expiring[d] = (int64_t)counters->expiring[d];
        pool->shards[0].entries += pool->shards[0].keys[d];
        pool->shards[0].timed += pool->shards[0].expiring[d];
    }
}

static int load_root(struct sdb_pool *pool)
{
    for (unsigned i = 0; i < sizeof(struct sdb_m_root) / WORD_SIZE; i++) {
        uint64_t offset = pool->file.superblock.root_offset + i * WORD_SIZE, value;
        const uint64_t word = persist_load((const uint64_t *)(const void *)(pool->file.base + offset));
        const bool sound = i < ROOT_WORDS ? root_word_value(&pool->file, word, offset, &value) : checked_value(word, offset, &value);

        if (!sound || (i < SDB_DATABASES && value > DATABASE_ID_SYSTEM) ||
            (i == SDB_DATABASES + DATABASE_ID_SYSTEM / 32 && value >> DATABASE_ID_SYSTEM % 32 & 1)) {
            error_set("%s: the root at offset %" PRIu64 " is damaged", pool->file.path, offset);
            return SDB_ECORRUPT;
        }
        if (i < SDB_DATABASES)
            pool->physical[i] = (uint8_t)(value ? value - 1 : i);
        else if (i < SDB_DATABASES + 8) /* numbers that were being reclaimed: from the beginning again */
            for (unsigned b = 0; b < 32; b++)
                if (value >> b & 1)
                    pool->id_dead_round[(i - SDB_DATABASES) * 32 + b] = 1;
    }
    for (unsigned i = 0; i < SDB_DATABASES; i++)
        pool->id_dead_round[pool->physical[i]] = 0;
    pool->physical[SDB_DATABASE_SYSTEM] = DATABASE_ID_SYSTEM;
    return SDB_OK;
}

int pool_open_structures(struct sdb_pool *pool, const struct sdb_options *options)
{
    uint64_t cache_size = options->cache_size;
    int error = lanes_recover(&pool->lanes, &pool->file);

    if (error)
        return error;
    pool->recovered = !pool->file.was_clean;
    sdb_set_limits(pool, &(struct sdb_limits)SDB_LIMITS_INIT);
    pool->shard_count = pool->file.superblock.shards;
    pool->shards = aligned_alloc(64, pool->shard_count * sizeof(*pool->shards));
    if (!pool->shards)
        return SDB_ENOMEM;
    memset(pool->shards, 0, pool->shard_count * sizeof(*pool->shards));
    error = load_root(pool);
    if (!error)
        error = heap_open(&pool->heap, &pool->file, &pool->lanes, sessions_oldest_pin, pool);
    if (error)
        return error;
    if (cache_size == SDB_CACHE_DEFAULT)
        cache_size = pool->file.size / 32 < CACHE_SIZE_USUAL ? pool->file.size / 32 : CACHE_SIZE_USUAL;
    if (cache_size)
        error = cache_create(cache_size, &pool->cache);
    if (error)
        return error;
    load_counters(pool);
    if (!pool->readonly)
        error = pool_file_mark_open(&pool->file);
    if (!error)
        lanes_start(&pool->lanes);
    return error;
}

void pool_release_structures(struct sdb_pool *pool)
{
    cache_destroy(pool->cache);
    access_end(pool->access_memory);
    heap_close(&pool->heap);
    lanes_close(&pool->lanes);
    free(pool->shards);
    pool->cache = NULL;
    pool->access = NULL;
    pool->access_memory = NULL;
    pool->shards = NULL;
}

void pool_release(struct sdb_pool *pool)
{
    pool_release_structures(pool);
    pool_file_close(&pool->file);
    free(pool);
}

int sdb_open(const char *path, const struct sdb_options *options, struct sdb_pool **out)
{
    struct sdb_pool *pool;
    int error;

    if (!path || !out)
        return SDB_EINVAL;
    if (!options)
        options = &default_options;
    pool = aligned_alloc(64, (sizeof(*pool) + 63) & ~(size_t)63);
    if (!pool)
        return SDB_ENOMEM;
    memset(pool, 0, sizeof(*pool));
    bucket_init();
    gather_init();
    error = pool_file_open(path, options, &pool->file);
    if (error) {
        free(pool);
        return error;
    }
    pool->readonly = (options->flags & SDB_READONLY) != 0;
    error = pool_open_structures(pool, options);
    if (error) {
        pool_file_unmake(&pool->file);
        pool_release(pool);
        return error;
    }
    *out = pool;
    return SDB_OK;
}

/* -- closing -- */

static void store_counters(struct sdb_pool *pool)
{
    struct sdb_m_counters image = {.incarnation = pool->file.superblock.incarnation};

    for (uint32_t i = 0; i < pool->shard_count; i++) {
        if (!pool->shards[i].counted)
            image.incarnation = 0; /* not known: the next open counts */
        for (unsigned d = 0; d < DATABASE_IDS; d++) {
            image.keys[d] += (uint64_t)pool->shards[i].keys[d];
            image.expiring[d] += (uint64_t)pool->shards[i].expiring[d];
        }
    }
    image.checksum = pool_counters_checksum(&image);
    persist_copy(counters_of(pool), &image, sizeof(image));
    persist_flush(&pool->file.persist, &pool->file.thread, counters_of(pool), sizeof(image));
}

int pool_close_cleanly(struct sdb_pool *pool)
{
    int error = lanes_drain(&pool->lanes);

    if (error)
        return error;
    store_counters(pool);
    error = persist_fence(&pool->file.persist, &pool->file.thread);
    return error ? error : pool_file_mark_clean(&pool->file);
}

static int refuse_close(const struct sdb_pool *pool, int error)
{
    if (error && !strstr(error_text(), pool->file.path))
        error_set("%s: %s", pool->file.path, error_text());
    return error;
}

int sdb_close(struct sdb_pool *pool)
{
    int error = SDB_OK;

    if (!pool)
        return SDB_OK;
    if (pool->sessions)
        return SDB_EBUSY;
    if (pool_writable(pool) == SDB_OK)
        error = refuse_close(pool, pool_close_cleanly(pool));
    pool_release(pool);
    return error;
}

int sdb_resize(struct sdb_pool *pool, uint64_t size)
{
    int error = pool_writable(pool);

    if (error)
        return error;
    lock_acquire(&pool->resize_lock);
    error = pool_file_grow(&pool->file, size);
    if (!error)
        heap_grown(&pool->heap);
    lock_release(&pool->resize_lock);
    return error;
}
