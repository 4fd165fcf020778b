/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * used.c - how much of the pool keys, values and index take: what a bound on memory is compared with
 *
 * Not what INFO's figures of pages and extents say: those hardly shrink when keys go, while entries and blocks inside of them
 * become free for others. Counted are blocks and entries in use, to the byte, as commits take and free them.
 * Media:   read only: page words and bitmaps, once
 * Holds:   the sum over all shards of block_bytes and entries is what a walk over the pool would find
 * Threads: the session's
 * Memory:  none
 */
#include <string.h>

#include "heap_internal.h"
#include "maintain.h"
#include "session.h"
#include "word.h"

/* A checked word's value; a damaged one counts for nothing. */
static uint64_t value_at(const struct sdb_pool *pool, uint64_t offset)
{
    uint64_t value;

    return checked_value(persist_load((const uint64_t *)(const void *)(pool->file.base + offset)), offset, &value) ? value : 0;
}

static int64_t page_bytes(const struct sdb_pool *pool, uint32_t number)
{
    const uint64_t value = value_at(pool, heap_page_word_offset(number));
    int64_t used = 0;

    if (page_value_type(value) == PAGE_RUN)
        return (int64_t)page_value_run(value) << PAGE_SHIFT_POOL;
    if (page_value_type(value) != PAGE_BLOCKS || page_value_class(value) >= HEAP_CLASSES)
        return 0;
    for (unsigned block = 0; block < heap_class_blocks(page_value_class(value)); block += BITMAP_BITS)
        used += __builtin_popcountll(value_at(pool, heap_bitmap_offset(number, block)));
    return used * heap_class_sizes[page_value_class(value)];
}

/* With every shard locked and nothing staged: from here on commits keep the counts right. */
static void count_blocks(struct sdb_pool *pool)
{
    struct heap *heap = &pool->heap;
    const uint32_t extents = __atomic_load_n(&heap->extent_count, __ATOMIC_ACQUIRE);

    for (uint32_t i = 0; i < pool->shard_count; i++)
        __atomic_store_n(&heap->shards[i].block_bytes, 0, __ATOMIC_RELAXED);
    for (uint32_t e = heap_extent_of(pool->file.superblock.heap_offset); e < extents; e++) {
        const uint64_t map = value_at(pool, heap_map_offset(heap, e));
        const uint32_t shard = extent_value_shard(map);
        int64_t bytes = 0, *total;

        if (shard >= pool->shard_count) /* damage: what is there is nobody's */
            continue;
        total = &heap->shards[shard].block_bytes;
        if (extent_value_state(map) == EXTENT_RUN)
            bytes = (int64_t)extent_value_run(map) << EXTENT_SHIFT;
        for (unsigned p = 1; p < PAGES_PER_EXTENT && extent_value_state(map) == EXTENT_PAGES; p++)
            bytes += page_bytes(pool, e * PAGES_PER_EXTENT + p);
        __atomic_store_n(total, __atomic_load_n(total, __ATOMIC_RELAXED) + bytes, __ATOMIC_RELAXED);
    }
    __atomic_store_n(&pool->blocks_counted, true, __ATOMIC_RELEASE); /* pairs with sdb_used */
}

static int count(struct sdb_session *session)
{
    int error = session->transaction ? SDB_EINVAL : session_commit(session);

    if (!error)
        error = database_counts_ready(session);
    if (!error)
        error = session_lock_all(session);
    if (!error && !session->pool->blocks_counted)
        count_blocks(session->pool);
    return error ? error : session_commit(session);
}

int sdb_used(struct sdb_session *session, uint64_t *bytes)
{
    struct sdb_pool *pool = session->pool;
    int64_t total = (int64_t)pool->file.superblock.heap_offset;
    int error = __atomic_load_n(&pool->blocks_counted, __ATOMIC_ACQUIRE) ? SDB_OK : count(session);

    if (error)
        return error;
    for (uint32_t i = 0; i < pool->shard_count; i++)
        total += __atomic_load_n(&pool->heap.shards[i].block_bytes, __ATOMIC_RELAXED) +
                 __atomic_load_n(&pool->shards[i].entries, __ATOMIC_RELAXED) * (int64_t)ENTRY_SIZE;
    *bytes = total > 0 ? (uint64_t)total : 0;
    return SDB_OK;
}
