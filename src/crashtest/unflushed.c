/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * unflushed.c - at the end of an operation, what the calling thread stored is durable
 *
 * Two kinds of words are not, by design, and each is verified against the medium as a power cut would leave it at
 * worst:
 *   1. words that the newest durable record of a lane would store again, with the very value that they have: the
 *      lane's next record makes them durable (docs/DURABILITY.md, E3, E4). Only the newest: with the record behind it
 *      on the way, recovery applies those two, and none before.
 *   2. words in memory that is free once those records are applied: what was written for a transaction that did not
 *      come off. They stay declared when the memory is taken again: images try them like all others.
 * Anything else is a missing flush, even where no image of the moment happens to show it.
 *
 * Threads: under the domain's lock
 * Memory:  the words of the lanes' newest records
 */
#include "unflushed.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "hash.h"
#include "heap_internal.h"
#include "lane_internal.h"
#include "pool.h"

/* The words that recovery would store, by offset; open addressing. */
struct overlay {
    struct covered {
        uint64_t offset; /* + 1; 0: none */
        uint64_t value;
    } *words;
    size_t count, capacity;
};

struct view {
    const struct pool_file *file;
    const uint8_t *durable;
    struct overlay overlay;
};

static struct covered *overlay_place(const struct overlay *overlay, uint64_t offset)
{
    size_t i = (size_t)(offset / 8 * 0x9e3779b97f4a7c15ull >> 32) & (overlay->capacity - 1);

    while (overlay->words[i].offset && overlay->words[i].offset != offset + 1)
        i = (i + 1) & (overlay->capacity - 1);
    return &overlay->words[i];
}

static void overlay_add(struct overlay *overlay, uint64_t offset, uint64_t value)
{
    struct covered *place;

    if (overlay->count * 2 >= overlay->capacity) {
        struct overlay bigger = {.capacity = overlay->capacity ? overlay->capacity * 2 : 256};

        bigger.words = crash_alloc(NULL, bigger.capacity * sizeof(*bigger.words));
        memset(bigger.words, 0, bigger.capacity * sizeof(*bigger.words));
        for (size_t i = 0; i < overlay->capacity; i++)
            if (overlay->words[i].offset)
                *overlay_place(&bigger, overlay->words[i].offset - 1) = overlay->words[i];
        bigger.count = overlay->count;
        free(overlay->words);
        *overlay = bigger;
    }
    place = overlay_place(overlay, offset);
    overlay->count += place->offset == 0;
    *place = (struct covered){.offset = offset + 1, .value = value};
}

/* -- the lanes' newest durable records -- */

static const uint64_t *words_at(const struct view *view, uint64_t offset)
{
    return (const uint64_t *)(const void *)(view->durable + offset);
}

static void add_record(struct view *view, const uint64_t *record)
{
    const uint64_t *items = record + 2;
    uint64_t words = record[0] & 0xffff;

    if (words == 3 && (items[0] & 0xff) == RECORD_BODY) {
        words = items[1];
        items = words_at(view, items[0] >> 8);
    }
    for (uint64_t i = 0; i < words && (items[i] & 0xff) == RECORD_LINE;) {
        uint64_t line = items[i] >> 16;
        unsigned mask = (unsigned)(items[i] >> 8 & 0xff);

        for (i++; mask; mask &= mask - 1)
            overlay_add(&view->overlay, line * LINE_SIZE + (uint64_t)__builtin_ctz(mask) * WORD_SIZE, items[i++]);
    }
}

static void add_lane(struct view *view, uint32_t lane)
{
    const struct sdb_m_superblock *sb = &view->file->superblock;
    const uint64_t ring = sb->lanes_offset + lane * sb->lane_size + LINE_SIZE, size = sb->lane_size - LINE_SIZE;
    const uint64_t seed = lane_seed(view->file, lane);
    const uint64_t *newest = NULL;
    uint64_t newest_sequence = *words_at(view, ring - LINE_SIZE) & NONZERO_VALUE_MAX; /* retired */

    for (uint64_t at = 0; at + LINE_SIZE <= size; at += LINE_SIZE) {
        const uint64_t *record = words_at(view, ring + at);
        uint64_t bytes = (record[0] & 0xffff) * WORD_SIZE;

        if (record[0] >> 16 > newest_sequence && bytes + 16 <= size - at &&
            hash_key(seed ^ record[0], record + 2, bytes) == record[1]) {
            newest = record;
            newest_sequence = record[0] >> 16;
        }
    }
    if (newest)
        add_record(view, newest);
}

/* A word of the medium as the recovery from the worst crash would leave it. */
static uint64_t recovered_word(const struct view *view, uint64_t offset)
{
    const struct covered *covered = view->overlay.capacity ? overlay_place(&view->overlay, offset) : NULL;

    return covered && covered->offset ? covered->value : *words_at(view, offset);
}

static bool is_free(const struct view *view, uint64_t offset)
{
    const struct sdb_m_superblock *sb = &view->file->superblock;
    const uint32_t page = heap_page_number(offset);
    uint64_t map = sb->extent_map_offset + (offset >> EXTENT_SHIFT) * WORD_SIZE, value;

    if (offset < sb->heap_offset || !checked_value(recovered_word(view, map), map, &value))
        return false;
    if (extent_value_state(value) == EXTENT_FREE)
        return true;
    map = heap_page_word_offset(page);
    if (extent_value_state(value) != EXTENT_PAGES || heap_page_of(offset) == 0 ||
        !checked_value(recovered_word(view, map), map, &value))
        return false;
    if (page_value_type(value) == PAGE_BLOCKS && page_value_class(value) < HEAP_CLASSES) {
        unsigned block = (unsigned)(offset - heap_page_start(page)) / heap_class_sizes[page_value_class(value)];
        uint64_t at = heap_bitmap_offset(page, block), bits;

        return block >= heap_class_blocks(page_value_class(value)) ||
               (checked_value(recovered_word(view, at), at, &bits) && !(bits >> block % BITMAP_BITS & 1));
    }
    return page_value_type(value) == PAGE_FREE;
}

/* Memory that was free once may be taken for something shorter: what stands behind that is nobody's still. */
static bool is_declared(const struct view *view, struct event *event, uint64_t offset)
{
    const struct covered *covered = view->overlay.capacity ? overlay_place(&view->overlay, offset) : NULL;

    if (event->abandoned ||
        (covered && covered->offset &&
         covered->value == *(const uint64_t *)(const void *)(domains.levels[0].medium.base + offset)))
        return true;
    event->abandoned = is_free(view, offset);
    return event->abandoned;
}

void unflushed_check(struct sdb_crashtest *test)
{
    const struct domain *domain = &domains.levels[0];
    struct view view = {.file = &test->pool->file, .durable = domains.levels[1].medium.base};
    const uint32_t thread = domains_thread();

    if (domain->dirty_count == 0)
        return;
    for (uint32_t i = 0; i < view.file->superblock.lanes; i++)
        add_lane(&view, i);
    for (size_t i = 0; i < domain->dirty_count && !test->error; i++) {
        struct unit *unit = domain->dirty[i];

        for (uint32_t e = 0; e < unit->count && !test->error; e++) {
            uint64_t offset = unit->number * domains.unit_size + unit->events[e].word * 8u;
            char name[64];

            if (unit->events[e].thread == thread && !is_declared(&view, &unit->events[e], offset))
                run_fail(test, 0,
                         "an operation has ended, and the word at offset 0x%" PRIx64 ", stored at %s, is not durable",
                         offset, site_name(unit->events[e].site, name, sizeof(name)));
        }
    }
    free(view.overlay.words);
}
