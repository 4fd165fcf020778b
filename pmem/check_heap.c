/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * check_heap.c - what the heap's words say of each extent, page and block, and who uses it
 * Media:   reads extent map words, struct sdb_m_extent
 * Holds:   1. check_block_size answers for verified words only: an extent, page or bitmap word that is damaged
 *          allocates nothing.
 *          2. A block is claimed at most once.
 * Threads: see check.h
 * Memory:  the claims: 16 KiB for each extent of pages
 */
#include <inttypes.h>
#include <stdlib.h>

#include "check_internal.h"
#include "heap_internal.h"

static uint64_t map_offset(const struct check *check, uint64_t extent)
{
    return check->file->superblock.extent_map_offset + extent * WORD_SIZE;
}

/* ---- Reading ---- */

/* One word of the map, alone: whether it makes sense in its place. */
static void read_map_word(struct check *check, uint32_t index)
{
    const uint64_t offset = map_offset(check, index);
    struct check_extent *extent = &check->extents[index];
    uint64_t value;

    if (!check_word(check, offset, "extent map", &value))
        return;
    if (value == 0) {
        if (index >= check->first_extent && heap_extent_has_keys(check->file, index))
            check_problem(check, offset, "extent map: extent %" PRIu32 " is free, and there are keys in it", index);
        return;
    }
    const unsigned state = extent_value_state(value), shard = extent_value_shard(value);
    const uint64_t run = extent_value_run(value);
    if (index < check->first_extent)
        check_problem(check, offset, "extent map: extent %" PRIu32 " is metadata and cannot be allocated", index);
    else if (state == EXTENT_FREE || value >> 32 != 0 || shard >= check->file->superblock.shards)
        check_problem(check, offset, "extent map: extent %" PRIu32 " has an impossible value", index);
    else if (state == EXTENT_RUN && (run == 0 || run > check->extent_count - index))
        check_problem(check, offset, "extent map: the run of %" PRIu64 " extents leads outside the pool", run);
    else
        *extent = (struct check_extent){.state = (uint8_t)state, .shard = (uint16_t)shard, .run = (uint32_t)run};
}

/* Runs: each is followed by its tails, and a tail belongs to one. */
static void check_extent_runs(struct check *check)
{
    for (uint32_t index = check->first_extent; index < check->extent_count; index++) {
        const struct check_extent *extent = &check->extents[index];
        if (extent->state == EXTENT_TAIL)
            check_problem(check, map_offset(check, index), "extent map: extent %" PRIu32 " continues no run", index);
        if (extent->state != EXTENT_RUN)
            continue;
        const uint32_t first = index, run = extent->run;
        for (uint32_t i = 1; i < run; i++) {
            if (check->extents[first + i].state != EXTENT_TAIL || check->extents[first + i].shard != extent->shard) {
                check_problem(check, map_offset(check, first + i),
                              "extent map: the run of %" PRIu32 " extents from %" PRIu32 " on is broken here", run,
                              first);
                break;
            }
            index++;
        }
    }
}

static void read_page_word(struct check *check, struct check_extent *extent, uint32_t number)
{
    const uint64_t offset = heap_page_word_offset(number);
    const unsigned page = number % PAGES_PER_EXTENT;
    uint64_t value;

    if (!check_word(check, offset, "page word", &value))
        return;
    const unsigned type = page_value_type(value), size_class = page_value_class(value), run = page_value_run(value);
    const bool is_header = type == PAGE_HEADER;
    const unsigned run_least = type == PAGE_FREE || type == PAGE_TAIL ? 0 : 1;
    const unsigned run_most = type == PAGE_RUN ? PAGES_PER_EXTENT - page : run_least;
    if (type > PAGE_HEADER || is_header != (page == 0) || value >> 16 != 0 || size_class >= HEAP_CLASSES ||
        (type != PAGE_BLOCKS && size_class != 0) || run < run_least || run > run_most)
        check_problem(check, offset, "page word: page %u of extent %" PRIu32 " has an impossible value", page,
                      number / PAGES_PER_EXTENT);
    else
        extent->pages[page] = (struct check_page){(uint8_t)type, (uint8_t)size_class, (uint8_t)run};
}

static void check_page_runs(struct check *check, const struct check_extent *extent, uint32_t index)
{
    for (unsigned page = 1; page < PAGES_PER_EXTENT; page++) {
        if (extent->pages[page].type == PAGE_TAIL)
            check_problem(check, heap_page_word_offset(index * PAGES_PER_EXTENT + page),
                          "page word: page %u of extent %" PRIu32 " continues no run", page, index);
        if (extent->pages[page].type != PAGE_RUN)
            continue;
        const unsigned first = page, run = extent->pages[page].run;
        for (unsigned i = 1; i < run; i++) {
            if (extent->pages[first + i].type != PAGE_TAIL) {
                check_problem(check, heap_page_word_offset(index * PAGES_PER_EXTENT + first + i),
                              "page word: the run of %u pages from page %u on is broken here", run, first);
                break;
            }
            page++;
        }
    }
}

/* The bitmap of one page: every word's check, and no bit without a block. */
static void check_bitmap(struct check *check, const struct check_page *page, uint32_t number)
{
    const unsigned blocks = page->type == PAGE_BLOCKS ? heap_class_blocks(page->size_class) : 0;

    for (unsigned i = 0; i < BITMAP_WORDS; i++) {
        const uint64_t offset = heap_bitmap_offset(number, i * BITMAP_BITS);
        const unsigned behind = i * BITMAP_BITS;
        const unsigned valid = blocks <= behind ? 0 : blocks - behind > BITMAP_BITS ? BITMAP_BITS : blocks - behind;
        uint64_t bits;
        if (check_word(check, offset, "block bitmap", &bits) && (bits >> valid) != 0)
            check_problem(check, offset, "block bitmap: page %u has a bit set for a block that it has not",
                          number % PAGES_PER_EXTENT);
    }
}

static int read_extent(struct check *check, uint32_t index)
{
    struct check_extent *extent = &check->extents[index];
    const uint64_t base = (uint64_t)index << EXTENT_SHIFT;
    const uint64_t shard_word = base + offsetof(struct sdb_m_extent, shard);
    uint64_t shard;

    if (check_load(check, base) != EXTENT_MAGIC)
        check_problem(check, base, "extent header: the magic number is wrong");
    if (check_word(check, shard_word, "extent header: shard", &shard) && shard != extent->shard + 1u)
        check_problem(check, shard_word, "extent header: shard %" PRIu64 ", the extent map says %u", shard - 1,
                      extent->shard);
    check_zeros(check, base + offsetof(struct sdb_m_extent, reserved), sizeof(((struct sdb_m_extent *)0)->reserved),
                "extent header");
    for (unsigned page = 0; page < PAGES_PER_EXTENT; page++)
        read_page_word(check, extent, index * PAGES_PER_EXTENT + page);
    check_page_runs(check, extent, index);
    for (unsigned page = 0; page < PAGES_PER_EXTENT; page++)
        check_bitmap(check, &extent->pages[page], index * PAGES_PER_EXTENT + page);
    extent->claims = calloc(CLAIM_WORDS, sizeof(uint64_t));
    return extent->claims != NULL ? SDB_OK : SDB_ENOMEM;
}

int check_heap_read(struct check *check)
{
    const uint64_t map_words = check->file->superblock.size_max >> EXTENT_SHIFT;
    int error = SDB_OK;

    for (uint32_t index = 0; index < check->extent_count; index++)
        read_map_word(check, index);
    check_zeros(check, map_offset(check, check->extent_count), (map_words - check->extent_count) * WORD_SIZE,
                "extent map");
    check_extent_runs(check);
    for (uint32_t index = check->first_extent; index < check->extent_count && error == SDB_OK; index++)
        if (check->extents[index].state == EXTENT_PAGES)
            error = read_extent(check, index);
    return error;
}

void check_heap_free(struct check *check)
{
    for (uint32_t index = 0; check->extents != NULL && index < check->extent_count; index++)
        free(check->extents[index].claims);
}

/* ---- Claims ---- */

static const struct check_extent *extent_at(const struct check *check, uint64_t offset)
{
    const uint64_t index = offset >> EXTENT_SHIFT;

    return index >= check->first_extent && index < check->extent_count ? &check->extents[index] : NULL;
}

/* Whether the bit of a block is set, in a bitmap word that is not damaged. */
static bool is_allocated(const struct check *check, uint32_t number, unsigned block)
{
    const uint64_t offset = heap_bitmap_offset(number, block);
    uint64_t bits;

    return checked_value(check_load(check, offset), offset, &bits) && (bits >> block % BITMAP_BITS & 1) != 0;
}

uint64_t check_block_size(const struct check *check, uint64_t offset)
{
    const struct check_extent *extent = extent_at(check, offset);

    if (extent == NULL)
        return 0;
    if (extent->state == EXTENT_RUN)
        return offset % EXTENT_SIZE == 0 ? (uint64_t)extent->run << EXTENT_SHIFT : 0;
    if (extent->state != EXTENT_PAGES)
        return 0;
    const uint32_t number = heap_page_number(offset);
    const struct check_page *page = &extent->pages[number % PAGES_PER_EXTENT];
    if (page->type == PAGE_RUN)
        return offset % PAGE_SIZE_POOL == 0 ? (uint64_t)page->run << PAGE_SHIFT_POOL : 0;
    if (page->type != PAGE_BLOCKS)
        return 0;
    const uint64_t size = heap_class_sizes[page->size_class], within = offset % PAGE_SIZE_POOL;
    const unsigned block = (unsigned)(within / size);
    return within % size == 0 && block < heap_class_blocks(page->size_class) && is_allocated(check, number, block)
               ? size
               : 0;
}

/* Sets the bit of a place in an extent of pages. False: it was set. */
static bool claim_place(const struct check_extent *extent, uint64_t offset)
{
    const uint64_t unit = offset % EXTENT_SIZE / CLAIM_UNIT, bit = 1ull << unit % 64;

    if (extent->claims[unit / 64] & bit)
        return false;
    extent->claims[unit / 64] |= bit;
    return true;
}

bool check_is_claimed(const struct check *check, uint64_t offset)
{
    const struct check_extent *extent = extent_at(check, offset);
    const uint64_t unit = offset % EXTENT_SIZE / CLAIM_UNIT;

    return extent != NULL && extent->claims != NULL && (extent->claims[unit / 64] >> unit % 64 & 1) != 0;
}

bool check_claim_block(struct check *check, uint64_t from, uint64_t offset, uint64_t size, uint32_t shard,
                       const char *what)
{
    const uint64_t block = check_block_size(check, offset);

    if (block == 0) {
        check_problem(check, from, "%s: leads to offset %" PRIu64 ", where no block is allocated", what, offset);
        return false;
    }
    struct check_extent *extent = &check->extents[offset >> EXTENT_SHIFT];
    bool fresh = !extent->claimed;
    if (extent->state == EXTENT_PAGES)
        fresh = claim_place(extent, offset);
    else
        extent->claimed = true;
    if (!fresh)
        check_problem(check, from, "%s: the block at offset %" PRIu64 " is used twice", what, offset);
    else if (extent->shard != shard)
        check_problem(check, from, "%s: shard %" PRIu32 " uses the block at offset %" PRIu64 " of shard %u", what,
                      shard, offset, extent->shard);
    else if (block < size)
        check_problem(check, from, "%s: %" PRIu64 " bytes in a block of %" PRIu64 " at offset %" PRIu64, what, size,
                      block, offset);
    return fresh && extent->shard == shard && block >= size;
}

bool check_shard_of(const struct check *check, uint64_t offset, uint32_t *shard)
{
    const struct check_extent *extent = extent_at(check, offset);

    if (extent == NULL || extent->state == EXTENT_FREE)
        return false;
    *shard = extent->shard;
    return true;
}

bool check_is_node(const struct check *check, uint64_t offset)
{
    const struct check_extent *extent = extent_at(check, offset);

    return extent != NULL && extent->state == EXTENT_PAGES && extent->pages[heap_page_of(offset)].type == PAGE_BLOCKS &&
           extent->pages[heap_page_of(offset)].size_class == HEAP_CLASS_NODE;
}

bool check_is_entry(const struct check *check, uint64_t offset)
{
    const struct check_extent *extent = extent_at(check, offset);

    return extent != NULL && extent->state == EXTENT_PAGES && offset % ENTRY_SIZE == 0 &&
           extent->pages[heap_page_of(offset)].type == PAGE_ENTRIES;
}

bool check_claim_entry(struct check *check, uint64_t from, uint64_t offset, uint32_t shard)
{
    if (!check_is_entry(check, offset)) {
        check_problem(check, from, "index word: leads to offset %" PRIu64 ", where no entry is", offset);
        return false;
    }
    const struct check_extent *extent = extent_at(check, offset);
    if (extent->shard != shard) {
        check_problem(check, from,
                      "index word: leads from shard %" PRIu32 " to the entry at offset %" PRIu64 " of shard %u", shard,
                      offset, extent->shard);
        return false;
    }
    if (!claim_place(extent, offset)) {
        check_problem(check, from, "index word: the entry at offset %" PRIu64 " is in the index twice", offset);
        return false;
    }
    return true;
}

/* ---- Leaks ---- */

static void leaked(struct check *check, uint64_t offset, uint64_t size)
{
    check_problem(check, offset, "leak: a block of %" PRIu64 " bytes is allocated, and nothing leads to it", size);
}

static void check_page_leaks(struct check *check, const struct check_page *page, uint32_t number)
{
    const uint64_t start = heap_page_start(number);

    if (page->type == PAGE_RUN && !check_is_claimed(check, start))
        leaked(check, start, (uint64_t)page->run << PAGE_SHIFT_POOL);
    if (page->type != PAGE_BLOCKS)
        return;
    const uint64_t size = heap_class_sizes[page->size_class];
    for (unsigned block = 0; block < heap_class_blocks(page->size_class); block++)
        if (is_allocated(check, number, block) && !check_is_claimed(check, start + block * size))
            leaked(check, start + block * size, size);
}

void check_heap_leaks(struct check *check)
{
    for (uint32_t index = check->first_extent; index < check->extent_count; index++) {
        const struct check_extent *extent = &check->extents[index];
        if (extent->state == EXTENT_RUN && !extent->claimed)
            leaked(check, (uint64_t)index << EXTENT_SHIFT, (uint64_t)extent->run << EXTENT_SHIFT);
        for (unsigned page = 1; extent->state == EXTENT_PAGES && page < PAGES_PER_EXTENT; page++)
            check_page_leaks(check, &extent->pages[page], index * PAGES_PER_EXTENT + page);
    }
}
