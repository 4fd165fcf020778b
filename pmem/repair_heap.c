/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * repair_heap.c - what each extent and page is, who claims their blocks, and the words that say so
 * Media:   reads and stores extent map words, struct sdb_m_extent
 * Commit:  headers; fence; the map: damage to a map word is a reason to look at what stands on the pages of its extent, and stays until
 *          the header says it. A run that is cut short finds pages of entries by the same evidence again
 * Holds:   1. A page of entries stays one: by its page word, by the index, or by what stands on it.
 *          2. Blocks are claimed by what was proved to use them; page words and bitmaps of blocks are believed in nothing.
 * Threads: see repair.h
 * Memory:  struct repair_bits for each extent with entries or blocks
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "heap_internal.h"
#include "repair_internal.h"

struct repair_extent *repair_extent_at(const struct repair *repair, uint64_t offset)
{
    const uint64_t index = offset >> EXTENT_SHIFT;

    return index >= repair->first_extent && index < repair->extent_count ? &repair->extents[index] : NULL;
}

struct repair_bits *repair_bits_of(struct repair *repair, struct repair_extent *extent)
{
    if (extent->bits == NULL)
        extent->bits = calloc(1, sizeof(*extent->bits));
    if (extent->bits == NULL)
        repair->failed = true;
    return extent->bits;
}

static uint64_t map_offset(const struct repair *repair, uint64_t extent)
{
    return repair->file->superblock.extent_map_offset + extent * WORD_SIZE;
}

/* ---- What the words say ---- */

struct header {
    bool sound;       /* every word of it */
    bool has_magic;
    bool shard_known;
    uint16_t shard;
};

static void read_pages(struct repair *repair, uint32_t index, struct header *header)
{
    struct repair_extent *extent = &repair->extents[index];

    for (unsigned page = 0; page < PAGES_PER_EXTENT; page++) {
        const uint64_t at = heap_page_word_offset(index * PAGES_PER_EXTENT + page);
        uint64_t value;

        if (!checked_value(repair_load(repair, at), at, &value) || page_value_type(value) > PAGE_HEADER ||
            (page == 0) != (page_value_type(value) == PAGE_HEADER)) {
            header->sound = false;
        } else if (page_value_type(value) == PAGE_ENTRIES) {
            extent->types[page] = PAGE_ENTRIES;
        }
    }
}

static struct header read_header(struct repair *repair, uint32_t index)
{
    const uint64_t base = (uint64_t)index << EXTENT_SHIFT, at = base + offsetof(struct sdb_m_extent, shard);
    struct header header = {.has_magic = repair_load(repair, base) == EXTENT_MAGIC};
    uint64_t value;

    header.shard_known = checked_value(repair_load(repair, at), at, &value) && value != 0 &&
                         value <= repair->file->superblock.shards;
    header.shard = header.shard_known ? (uint16_t)(value - 1) : 0;
    header.sound = header.has_magic && header.shard_known;
    read_pages(repair, index, &header);
    return header;
}

static void read_extent(struct repair *repair, uint32_t index)
{
    const uint64_t at = map_offset(repair, index), word = repair_load(repair, at);
    struct repair_extent *extent = &repair->extents[index];
    const struct header header = read_header(repair, index);
    uint64_t value;
    const bool sound = checked_value(word, at, &value);
    const bool pages = sound && extent_value_state(value) == EXTENT_PAGES &&
                       extent_value_shard(value) < repair->file->superblock.shards;

    if (pages) {
        extent->state = EXTENT_PAGES;
        extent->established = true;
        extent->shard = (uint16_t)extent_value_shard(value);
        extent->suspicious = !header.sound || header.shard != extent->shard;
        return;
    }
    /* A free extent has no live entries: one that has lost its map word. A damaged word may have been anything. */
    if (sound ? value == 0 && heap_extent_has_keys(repair->file, index) : header.shard_known) {
        extent->state = EXTENT_PAGES;
        extent->shard = header.shard;
        extent->suspicious = true;
        return;
    }
    memset(extent->types, 0, sizeof(extent->types));
    extent->suspicious = !sound;
}

void repair_heap_read(struct repair *repair)
{
    for (uint32_t index = repair->first_extent; index < repair->extent_count; index++)
        read_extent(repair, index);
}

/* ---- What the contents say ---- */

bool repair_entry_page(struct repair *repair, uint64_t offset, uint32_t shard)
{
    struct repair_extent *extent = repair_extent_at(repair, offset);
    const unsigned page = heap_page_of(offset);

    if (extent == NULL || page == 0 || (extent->state == EXTENT_PAGES && extent->shard != shard))
        return false;
    if (extent->state != EXTENT_PAGES) {
        extent->state = EXTENT_PAGES;
        extent->shard = (uint16_t)shard;
        extent->suspicious = true;
    }
    extent->types[page] = PAGE_ENTRIES;
    return true;
}

/* Whether most of what stands on the page are entries, and a live one is among them. */
static bool looks_like_entries(const struct repair *repair, uint64_t start)
{
    unsigned good = 0, bad = 0, live = 0;

    for (unsigned i = 0; i < ENTRIES_PER_PAGE && bad <= good + 4; i++) {
        const uint64_t offset = start + i * ENTRY_SIZE;
        uint64_t words[4];

        repair_load_entry(repair, offset, words);
        if ((words[0] | words[1] | words[2] | words[3]) == 0)
            continue;
        const bool valid = entry_valid(words, offset);
        good += valid;
        bad += !valid;
        live += valid && meta_type(words[0]) != 0;
    }
    return live > 0 && good > bad;
}

void repair_guess_pages(struct repair *repair)
{
    for (uint32_t index = repair->first_extent; index < repair->extent_count; index++) {
        struct repair_extent *extent = &repair->extents[index];

        for (unsigned page = 1; page < PAGES_PER_EXTENT; page++)
            if (extent->state == EXTENT_PAGES && extent->suspicious && extent->types[page] == PAGE_FREE &&
                looks_like_entries(repair, heap_page_start(index * PAGES_PER_EXTENT + page)))
                extent->types[page] = PAGE_ENTRIES;
    }
}

/* ---- Claims ---- */

/* A block of whole extents. */
static bool claim_extents(struct repair *repair, uint64_t offset, uint32_t count, uint32_t shard)
{
    const uint64_t first = offset >> EXTENT_SHIFT;

    if (offset % EXTENT_SIZE != 0 || first < repair->first_extent || count > repair->extent_count ||
        first > repair->extent_count - count)
        return false;
    for (uint32_t i = 0; i < count; i++)
        if (repair->extents[first + i].state != EXTENT_FREE)
            return false;
    for (uint32_t i = 0; i < count; i++) {
        struct repair_extent *extent = &repair->extents[first + i];

        extent->state = i == 0 ? EXTENT_RUN : EXTENT_TAIL;
        extent->run = i == 0 ? count : 0;
        extent->shard = (uint16_t)shard;
    }
    return true;
}

static bool claim_pages(struct repair_extent *extent, uint64_t offset, unsigned count)
{
    const unsigned first = heap_page_of(offset);

    if (offset % PAGE_SIZE_POOL != 0 || first + count > PAGES_PER_EXTENT)
        return false;
    for (unsigned i = 0; i < count; i++)
        if (extent->types[first + i] != PAGE_FREE)
            return false;
    for (unsigned i = 0; i < count; i++)
        extent->types[first + i] = i == 0 ? PAGE_RUN : PAGE_TAIL;
    extent->runs[first] = (uint8_t)count;
    return true;
}

static unsigned class_for(uint64_t block, enum repair_use use)
{
    unsigned size_class = use == REPAIR_NODE ? HEAP_CLASS_NODE : use == REPAIR_SEGMENT ? HEAP_SIZE_CLASSES : 0;

    while (size_class < HEAP_CLASSES && heap_class_sizes[size_class] != block)
        size_class++;
    return size_class;
}

static bool claim_block(struct repair *repair, struct repair_extent *extent, uint64_t offset, unsigned size_class)
{
    struct repair_bits *bits = repair_bits_of(repair, extent);
    const unsigned page = heap_page_of(offset);
    const uint64_t size = size_class < HEAP_CLASSES ? heap_class_sizes[size_class] : PAGE_SIZE_POOL;
    const uint64_t within = offset % PAGE_SIZE_POOL, unit = offset % EXTENT_SIZE / 16;

    if (bits == NULL || size_class >= HEAP_CLASSES || within % size != 0 || within / size >= heap_class_blocks(size_class) ||
        repair_bit(bits->claimed, unit))
        return false;
    if (extent->types[page] == PAGE_FREE) {
        extent->types[page] = PAGE_BLOCKS;
        extent->classes[page] = (uint8_t)size_class;
    }
    if (extent->types[page] != PAGE_BLOCKS || extent->classes[page] != size_class)
        return false;
    repair_bit_set(bits->claimed, unit);
    return true;
}

bool repair_claim(struct repair *repair, uint64_t offset, uint64_t size, uint32_t shard, enum repair_use use)
{
    const uint64_t block = use != REPAIR_BLOCK ? size : heap_block_size(size);
    struct repair_extent *extent = repair_extent_at(repair, offset);

    if (extent == NULL || offset % 16 != 0)
        return false;
    if (block >= EXTENT_SIZE)
        return claim_extents(repair, offset, (uint32_t)(block >> EXTENT_SHIFT), shard);
    if (heap_page_of(offset) == 0 || (extent->state != EXTENT_PAGES && extent->state != EXTENT_FREE) ||
        (extent->state == EXTENT_PAGES && extent->shard != shard))
        return false;
    const uint8_t state = extent->state;
    extent->state = EXTENT_PAGES; /* a free one has lost its map word: what was proved to be there says so */
    extent->shard = (uint16_t)shard;
    if (block > heap_class_sizes[HEAP_SIZE_CLASSES - 1] ? claim_pages(extent, offset, (unsigned)(block >> PAGE_SHIFT_POOL))
                                                        : claim_block(repair, extent, offset, class_for(block, use)))
        return true;
    extent->state = state;
    return false;
}

/* ---- Storing ---- */

static uint64_t bitmap_bits(const struct repair_extent *extent, uint32_t number, unsigned word)
{
    const unsigned page = number % PAGES_PER_EXTENT;
    uint64_t bits = 0;

    if (extent->types[page] != PAGE_BLOCKS)
        return 0;
    const unsigned blocks = heap_class_blocks(extent->classes[page]);
    for (unsigned i = 0; i < BITMAP_BITS && word * BITMAP_BITS + i < blocks; i++) {
        const uint64_t at = heap_page_start(number) + (uint64_t)(word * BITMAP_BITS + i) * heap_class_sizes[extent->classes[page]];
        if (extent->bits != NULL && repair_bit(extent->bits->claimed, at % EXTENT_SIZE / 16))
            bits |= 1ull << i;
    }
    return bits;
}

static void store_bitmap(struct repair *repair, const struct repair_extent *extent, uint32_t number)
{
    for (unsigned word = 0; word < BITMAP_WORDS; word++) {
        const uint64_t at = heap_bitmap_offset(number, word * BITMAP_BITS), bits = bitmap_bits(extent, number, word);
        uint64_t old;

        if (checked_value(repair_load(repair, at), at, &old)) {
            repair->result->blocks_freed += (uint64_t)__builtin_popcountll(old & ~bits);
            repair->result->blocks_marked += (uint64_t)__builtin_popcountll(bits & ~old);
        }
        repair_store(repair, at, checked_word(bits, at));
    }
}

static void store_header(struct repair *repair, uint32_t index)
{
    const struct repair_extent *extent = &repair->extents[index];
    const uint64_t base = (uint64_t)index << EXTENT_SHIFT, shard = base + offsetof(struct sdb_m_extent, shard);

    repair_store(repair, base, EXTENT_MAGIC);
    repair_store(repair, shard, checked_word(extent->shard + 1u, shard));
    for (uint64_t at = shard + WORD_SIZE; at < base + offsetof(struct sdb_m_extent, pages); at += WORD_SIZE)
        repair_store(repair, at, 0);
    for (unsigned page = 0; page < PAGES_PER_EXTENT; page++) {
        const uint32_t number = index * PAGES_PER_EXTENT + page;
        const unsigned type = page == 0 ? PAGE_HEADER : extent->types[page];
        const unsigned run = type == PAGE_RUN ? extent->runs[page] : type == PAGE_FREE || type == PAGE_TAIL ? 0 : 1;

        repair_store(repair, heap_page_word_offset(number),
                     checked_word(page_value(type, type == PAGE_BLOCKS ? extent->classes[page] : 0, run),
                                  heap_page_word_offset(number)));
        store_bitmap(repair, extent, number);
    }
}

int repair_heap_store(struct repair *repair)
{
    const uint32_t map_words = (uint32_t)(repair->file->superblock.size_max >> EXTENT_SHIFT);

    for (uint32_t index = repair->first_extent; index < repair->extent_count; index++)
        if (repair->extents[index].state == EXTENT_PAGES)
            store_header(repair, index);
    const int error = repair_fence(repair);
    for (uint32_t index = 0; index < map_words && error == SDB_OK; index++) {
        const struct repair_extent *extent = repair_extent_at(repair, (uint64_t)index << EXTENT_SHIFT);
        uint64_t value = 0;

        if (extent != NULL && extent->state != EXTENT_FREE)
            value = extent_value(extent->state, extent->shard, extent->state == EXTENT_PAGES ? 1 : extent->run);
        repair_store(repair, map_offset(repair, index), checked_word(value, map_offset(repair, index)));
    }
    return error;
}
