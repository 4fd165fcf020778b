/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * stats.c - figures of a pool
 * Media:   read only: page words and directories, for where the bytes are
 * Threads: any
 * Memory:  none
 */
#include <string.h>

#include "cpu.h"
#include "race.h"
#include "session.h"
#include "word.h"

static void add_session(struct sdb_stats *stats, const struct session_stats *s)
{
#define ADD(field, from) stats->field += __atomic_load_n(&s->from, __ATOMIC_RELAXED)
    ADD(gets, gets);
    ADD(hits, hits);
    ADD(cache_hits, cache_hits);
    ADD(cache_misses, cache_misses);
    ADD(expired_keys, expired);
    ADD(evicted_keys, evicted);
    ADD(reclaimed_keys, reclaimed);
    ADD(reclaimed_elements, reclaimed_elements);
    ADD(index_splits, splits);
    ADD(conflicts, conflicts);
    ADD(retries, retries);
    ADD(checksum_errors, checksum_errors);
#undef ADD
}

/*
 * Figures are of a moment that was: the word may belong to an extent or directory that is being given a new use, whose owner
 * zeroes it. Not for ThreadSanitizer, which is right that it is a race, and need not be told that its outcome does not matter.
 */
__attribute__((no_sanitize("thread"))) static uint64_t peek(const struct sdb_pool *pool, uint64_t offset)
{
    return *(const volatile uint64_t *)(const void *)(pool->file.base + offset) & CHECKED_VALUE_MASK;
}

/* Bytes of a shard's directory and segments, as the medium has them at this moment. */
static uint64_t index_bytes(const struct sdb_pool *pool, uint32_t shard)
{
    uint64_t root = peek(pool, index_shard_offset(&pool->file, shard)), bytes, last = 0;
    uint64_t count = 1ull << root_value_depth(root), directory = root_value_directory(root);
    uint64_t size = __atomic_load_n(&pool->file.size, __ATOMIC_ACQUIRE);

    if (root == 0 || directory >= size || count > (size - directory) / WORD_SIZE) /* nothing, or damage */
        return 0;
    bytes = heap_block_size(count * WORD_SIZE < LINE_SIZE ? LINE_SIZE : count * WORD_SIZE);
    race_reads_begin(); /* it may have been replaced, and be another's: a figure is wrong for a moment */
    for (uint64_t i = 0; i < count; i++) {
        uint64_t value = peek(pool, directory + i * WORD_SIZE);

        if (directory_value_segment(value) != last)
            bytes += (uint64_t)index_segment_buckets(directory_value_code(value)) * LINE_SIZE;
        last = directory_value_segment(value);
    }
    race_reads_end();
    return bytes;
}

/* How many blocks of a page are in use. */
static uint64_t used_blocks(const struct sdb_pool *pool, uint64_t extent, unsigned page)
{
    uint64_t used = 0;

    for (unsigned i = 0; i < BITMAP_WORDS; i++)
        used += (uint64_t)__builtin_popcountll(
            peek(pool, extent + offsetof(struct sdb_m_extent, bitmaps) + (page * BITMAP_WORDS + i) * WORD_SIZE));
    return used;
}

/* What the pages of one extent are used for. */
static void add_extent(const struct sdb_pool *pool, uint32_t extent, struct sdb_stats *stats, uint64_t *blocks)
{
    uint64_t base = (uint64_t)extent << EXTENT_SHIFT;

    stats->metadata_bytes += PAGE_SIZE_POOL;
    for (unsigned p = 1; p < PAGES_PER_EXTENT; p++) {
        uint64_t value = peek(pool, base + offsetof(struct sdb_m_extent, pages) + p * WORD_SIZE), used;

        switch (page_value_type(value)) {
        case PAGE_FREE:
            stats->free_bytes += PAGE_SIZE_POOL;
            break;
        case PAGE_ENTRIES:
            stats->entry_bytes += PAGE_SIZE_POOL;
            break;
        case PAGE_BLOCKS:
            used = used_blocks(pool, base, p) * heap_class_sizes[page_value_class(value) % HEAP_CLASSES];
            used = used < PAGE_SIZE_POOL ? used : PAGE_SIZE_POOL; /* it may have changed its class in between */
            *blocks += used;
            stats->free_bytes += PAGE_SIZE_POOL - used;
            break;
        default:
            *blocks += PAGE_SIZE_POOL;
            break;
        }
    }
}

static void add_space(struct sdb_pool *pool, struct sdb_stats *stats)
{
    uint64_t blocks = 0, size = __atomic_load_n(&pool->file.size, __ATOMIC_ACQUIRE);

    stats->metadata_bytes = pool->file.superblock.heap_offset;
    for (uint32_t e = (uint32_t)(pool->file.superblock.heap_offset >> EXTENT_SHIFT); e < size >> EXTENT_SHIFT; e++) {
        uint64_t value = peek(pool, pool->file.superblock.extent_map_offset + e * WORD_SIZE);

        if (extent_value_state(value) == EXTENT_FREE)
            stats->free_bytes += EXTENT_SIZE;
        else if (extent_value_state(value) == EXTENT_PAGES)
            add_extent(pool, e, stats, &blocks);
        else
            blocks += EXTENT_SIZE;
    }
    for (uint32_t i = 0; i < pool->shard_count; i++)
        stats->index_bytes += index_bytes(pool, i);
    stats->blob_bytes = blocks > stats->index_bytes ? blocks - stats->index_bytes : 0;
    stats->used = size - stats->free_bytes;
}

void sdb_stats(struct sdb_pool *pool, struct sdb_stats *stats)
{
    memset(stats, 0, sizeof(*stats));
    lock_acquire(&pool->sessions_lock);
    add_session(stats, &pool->closed);
    for (const struct sdb_session *s = pool->sessions; s; s = s->next) {
        add_session(stats, &s->stats);
        stats->fences += __atomic_load_n(&s->tx.thread.fences, __ATOMIC_RELAXED);
        stats->flushed_lines += __atomic_load_n(&s->tx.thread.lines, __ATOMIC_RELAXED);
    }
    stats->fences += pool->closed_thread.fences;
    stats->flushed_lines += pool->closed_thread.lines;
    lock_release(&pool->sessions_lock);
    for (uint32_t i = 0; i < pool->lanes.count; i++) {
        struct lane *lane = &pool->lanes.lanes[i];

        lock_acquire(&lane->lock);
        stats->commits += lane->commits;
        stats->fences += lane->thread.fences;
        stats->flushed_lines += lane->thread.lines;
        stats->msyncs += lane->thread.msyncs;
        stats->log_bytes += lane->log_bytes;
        lock_release(&lane->lock);
    }
    if (pool->cache) {
        stats->cache_copies = cache_copies(pool->cache);
        stats->cache_copies_max = cache_copies_max(pool->cache);
        stats->cache_bytes = stats->cache_copies_max * sizeof(struct cache_line);
    }
    stats->media_errors = __atomic_load_n(&pool->file.sigbus.media_errors, __ATOMIC_RELAXED);
    add_space(pool, stats);
}

static void copy_text(char *to, size_t size, const char *from)
{
    size_t length = strlen(from) < size ? strlen(from) : size - 1;

    memcpy(to, from, length);
    to[length] = '\0';
}

void sdb_pool_info(struct sdb_pool *pool, struct sdb_pool_info *info)
{
    const struct sdb_m_superblock *sb = &pool->file.superblock;
    struct sdb_stats stats;

    memset(info, 0, sizeof(*info));
    sdb_stats(pool, &stats);
    copy_text(info->path, sizeof(info->path), pool->file.path);
    memcpy(info->uuid, sb->uuid, sizeof(info->uuid));
    info->format_version = sb->format_version;
    info->shards = sb->shards;
    info->lanes = sb->lanes;
    info->size = __atomic_load_n(&pool->file.size, __ATOMIC_ACQUIRE);
    info->size_max = sb->size_max;
    info->used = stats.used;
    info->durability = pool->file.durability;
    copy_text(info->durability_reason, sizeof(info->durability_reason), pool->file.durability_reason);
    info->persistent_caches = pool->file.persistent_caches;
    copy_text(info->flush, sizeof(info->flush), persist_flush_name(pool->file.persist.flush));
    info->huge_page_bytes = pool_file_huge_page_bytes(&pool->file);
    info->huge_pages = info->huge_page_bytes != 0;
    info->recovered = pool->recovered;
    info->failed = pool_writable(pool) == SDB_EFAILED;
    copy_text(info->simd, sizeof(info->simd), cpu_simd_name(cpu_simd()));
    info->created_ms = (int64_t)sb->created_ms;
    info->created = pool->file.created != 0;
}
