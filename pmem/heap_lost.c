/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * heap_lost.c - whether an extent that the map calls free has keys on it: then it is not free, and the map has lost a word
 * Media:   reads struct sdb_m_extent, struct sdb_m_entry
 * Holds:   a page of entries stays one (heap.h, 3), and its entries become live by commits that give the extent its map word: no extent
 *          that really is free has a live entry. What a commit that never was left behind is pages of zeros.
 * Threads: any, while nobody takes the extent
 * Memory:  none
 */
#include "heap_internal.h"
#include "persist.h"

static uint64_t load(const struct pool_file *file, uint64_t offset)
{
    return persist_load((const uint64_t *)(const void *)(file->base + offset));
}

static bool page_has_keys(const struct pool_file *file, uint64_t start)
{
    for (unsigned i = 0; i < ENTRIES_PER_PAGE; i++) {
        const uint64_t offset = start + i * ENTRY_SIZE;
        const uint64_t words[4] = {load(file, offset), load(file, offset + 8), load(file, offset + 16), load(file, offset + 24)};

        if (meta_type(words[0]) != 0 && entry_valid(words, offset))
            return true;
    }
    return false;
}

bool heap_extent_has_keys(const struct pool_file *file, uint32_t extent)
{
    const uint64_t base = (uint64_t)extent << EXTENT_SHIFT, shard = base + offsetof(struct sdb_m_extent, shard);
    uint64_t value;

    if (load(file, base) != EXTENT_MAGIC || !checked_value(load(file, shard), shard, &value) || value == 0 ||
        value > file->superblock.shards)
        return false;
    for (unsigned page = 1; page < PAGES_PER_EXTENT; page++) {
        const uint32_t number = extent * PAGES_PER_EXTENT + page;
        const uint64_t at = heap_page_word_offset(number);

        if (checked_value(load(file, at), at, &value) && page_value_type(value) == PAGE_ENTRIES &&
            page_has_keys(file, heap_page_start(number)))
            return true;
    }
    return false;
}
