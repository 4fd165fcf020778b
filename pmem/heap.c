/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * heap.c - blocks and handle entries
 * Media:   block bitmaps, page words of runs, map words of extent runs: all staged
 * Commit:  heap.h
 * Holds:   heap.h 1, 2, 3
 * Threads: under the shard's lock
 * Memory:  none of its own
 */
#include "heap.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "bits.h"
#include "error.h"
#include "heap_internal.h"
#include "persist.h"

#define LOADS_AT_ONCE 16u       /* extents, before a page is taken instead */
#define CLASS_RUN HEAP_CLASSES  /* too large for a page of blocks */
#define ENTRY_PAGES_AT_ONCE 16u /* pages of entries that are read in the search for a free entry */

/* Steps of an eighth to a quarter; the last three are index segments and the nodes of collections. */
const uint16_t heap_class_sizes[HEAP_CLASSES] = {
    32,  48,  64,   80,   96,   112,  128,  160,  192,  224,  256,  320,  384,  448,   512,   640,
    768, 896, 1024, 1280, 1536, 1792, 2048, 2560, 3072, 3584, 4096, 5120, 6528, 8192,  10880, 16384,
    SEGMENT_BUCKETS_SMALL *LINE_SIZE, SEGMENT_BUCKETS_LARGE *LINE_SIZE, TREE_NODE_SIZE,
};

/* The class of blocks for size bytes, CLASS_RUN above the largest. */
static unsigned class_of(uint64_t size)
{
    unsigned low = 0, high = HEAP_SIZE_CLASSES;

    while (low < high) {
        unsigned middle = (low + high) / 2;

        if (heap_class_sizes[middle] < size)
            low = middle + 1;
        else
            high = middle;
    }
    return low < HEAP_SIZE_CLASSES ? low : CLASS_RUN;
}

uint64_t heap_block_size(uint64_t size)
{
    unsigned size_class = class_of(size);

    if (size_class != CLASS_RUN)
        return heap_class_sizes[size_class];
    if (size <= (uint64_t)(PAGES_PER_EXTENT - 1) * PAGE_SIZE_POOL)
        return (size + PAGE_SIZE_POOL - 1) & ~(uint64_t)(PAGE_SIZE_POOL - 1);
    return (size + EXTENT_SIZE - 1) & ~(uint64_t)(EXTENT_SIZE - 1);
}

static void stage_bit(struct tx *tx, uint32_t number, unsigned block, bool used)
{
    uint64_t offset = heap_bitmap_offset(number, block);
    uint64_t bits = tx_load(tx, offset) & CHECKED_VALUE_MASK;
    uint64_t bit = 1ull << (block % BITMAP_BITS);

    tx_store(tx, offset, checked_word(used ? bits | bit : bits & ~bit, offset));
}

/* The first available block of a page that has one; takes it. */
static unsigned take_bit(struct heap_page *page)
{
    unsigned words = (page->blocks + 63u) / 64;

    for (unsigned n = 0, w = page->hint % words;; n++, w = (w + 1) % words) {
        uint64_t available = ~page->used[w];

        if (w == words - 1 && page->blocks % 64)
            available &= (1ull << (page->blocks % 64)) - 1;
        if (available) {
            unsigned bit = (unsigned)__builtin_ctzll(available);

            page->used[w] |= 1ull << bit;
            page->hint = (uint16_t)w;
            return w * 64 + bit;
        }
        if (n > words)
            abort(); /* available > 0 and no zero bit: DRAM is not what it was */
    }
}

/* The next page with room, dropping full ones from the list. */
static uint32_t first_with_room(struct heap *heap, uint32_t *head)
{
    while (*head != HEAP_NO_PAGE && heap_page(heap, *head)->available == 0) {
        struct heap_page *page = heap_page(heap, *head);

        page->listed = 0;
        *head = page->next;
        if (*head != HEAP_NO_PAGE)
            heap_page(heap, *head)->previous = HEAP_NO_PAGE;
    }
    return *head;
}

/* A page of the class with room; a free one only where the reserve stays without it. */
static uint32_t page_with_room(struct heap *heap, const struct tx *tx, uint32_t shard, unsigned size_class)
{
    uint32_t number = first_with_room(heap, &heap->shards[shard].room[size_class]);

    if (number == HEAP_NO_PAGE || heap_page(heap, number)->available != heap_page(heap, number)->blocks ||
        heap_reserve_stays(heap, tx, shard, 1))
        return number;
    for (; number != HEAP_NO_PAGE; number = heap_page(heap, number)->next) {
        const struct heap_page *page = heap_page(heap, number);

        if (page->available != 0 && page->available != page->blocks)
            break;
    }
    return number;
}

static int new_page(struct heap *heap, struct tx *tx, uint32_t shard, enum page_type type, unsigned size_class)
{
    bool lasting = type == PAGE_ENTRIES || heap_class_is_segment(size_class);
    struct heap_page *page;
    uint32_t number;
    int error = heap_take_pages(heap, tx, shard, 1, lasting, &number);

    if (error)
        return error;
    page = heap_page(heap, number);
    page->type = (uint8_t)type;
    page->size_class = (uint8_t)size_class;
    page->run = 1;
    if (lasting)
        heap->extents[number / PAGES_PER_EXTENT]->is_lasting = true;
    page->blocks = (uint16_t)(type == PAGE_ENTRIES ? ENTRIES_PER_PAGE : heap_class_blocks(size_class));
    page->available = page->blocks;
    page->used = calloc((page->blocks + 63u) / 64, sizeof(uint64_t));
    if (!page->used) {
        page->type = PAGE_FREE;
        heap_page_release(heap, shard, number);
        return SDB_ENOMEM;
    }
    heap_room_add(heap, shard, number);
    if (type == PAGE_BLOCKS) /* with every block available it still counts as free */
        heap_page_release(heap, shard, number);
    return SDB_OK;
}

static int alloc_block(struct heap *heap, struct tx *tx, uint32_t shard, unsigned size_class, uint64_t *offset)
{
    struct heap_shard *owner = &heap->shards[shard];
    struct heap_page *page;
    uint32_t number;
    unsigned block;
    int error;

    for (unsigned loads = 0; (number = page_with_room(heap, tx, shard, size_class)) == HEAP_NO_PAGE; loads++) {
        bool look = owner->scanned < owner->extent_count && loads < LOADS_AT_ONCE;

        error = look ? heap_extent_load(heap, owner->extents[owner->scanned])
                     : new_page(heap, tx, shard, PAGE_BLOCKS, size_class);
        if (error)
            return error;
        owner->scanned += look;
    }
    page = heap_page(heap, number);
    error = heap_page_stage(heap, tx, shard, number, page_value(PAGE_BLOCKS, size_class, 1));
    if (error)
        return error;
    if (page->available == page->blocks)
        heap->extents[number / PAGES_PER_EXTENT]->free_pages--;
    block = take_bit(page);
    page->available--;
    *offset = heap_page_start(number) + (uint64_t)block * heap_class_sizes[size_class];
    stage_bit(tx, number, block, true);
    return SDB_OK;
}

/* A run of pages in one extent; staged: with its page words. */
static int alloc_pages(struct heap *heap, struct tx *tx, uint32_t shard, unsigned count, bool staged, uint64_t *offset)
{
    uint32_t number;
    const bool was_open = tx->reserve_open;
    int error;

    tx->reserve_open |= !staged; /* a record's body, which is what a delete may need */
    error = heap_take_pages(heap, tx, shard, count, false, &number);
    tx->reserve_open = was_open;
    if (error)
        return error;
    for (unsigned i = 0; i < count; i++) {
        struct heap_page *page = heap_page(heap, number + i);

        page->type = i == 0 ? PAGE_RUN : PAGE_TAIL;
        page->run = (uint8_t)(i == 0 ? count : 0);
        if (staged && !error)
            error = heap_page_stage(heap, tx, shard, number + i, page_value(page->type, 0, page->run));
    }
    *offset = heap_page_start(number);
    return error;
}

/* Whole extents; not staged: for a record's body. */
static int alloc_extents(struct heap *heap, struct tx *tx, uint32_t shard, uint64_t size, bool staged, uint64_t *offset)
{
    uint32_t count = (uint32_t)(size >> EXTENT_SHIFT), first;
    int error = heap_take_extents(heap, tx, count, !staged, &first);

    if (error)
        return error;
    for (uint32_t i = 0; i < count && staged; i++) {
        uint64_t map = heap_map_offset(heap, first + i);

        tx_store(tx, map, checked_word(extent_value(i ? EXTENT_TAIL : EXTENT_RUN, shard, i ? 0 : count), map));
    }
    *offset = (uint64_t)first << EXTENT_SHIFT;
    return SDB_OK;
}

/* A block of the next class that has one. */
static int alloc_larger(struct heap *heap, struct tx *tx, uint32_t shard, unsigned size_class, uint64_t *block, uint64_t *offset)
{
    while (++size_class < HEAP_SIZE_CLASSES)
        if (page_with_room(heap, tx, shard, size_class) != HEAP_NO_PAGE) {
            *block = heap_class_sizes[size_class];
            return alloc_block(heap, tx, shard, size_class, offset);
        }
    return SDB_ENOSPC;
}

/* For what has to go on in a full pool. */
static int alloc_of_reserve(struct heap *heap, struct tx *tx, uint32_t shard, unsigned size_class, uint64_t *block, uint64_t *offset)
{
    int error = alloc_larger(heap, tx, shard, size_class, block, offset);

    if (error != SDB_ENOSPC || tx->reserve == TX_RESERVE_LARGER)
        return error;
    tx->reserve_open = true;
    if (size_class == CLASS_RUN || (tx->reserve == TX_RESERVE_PASSING && size_class < HEAP_SIZE_CLASSES)) {
        *block = bits_align_up(*block, PAGE_SIZE_POOL);
        error = alloc_pages(heap, tx, shard, (unsigned)(*block >> PAGE_SHIFT_POOL), true, offset);
    } else {
        error = alloc_block(heap, tx, shard, size_class, offset);
    }
    tx->reserve_open = false;
    tx->reserve_used |= !error;
    return error;
}

static int alloc_class(struct heap *heap, struct tx *tx, uint32_t shard, unsigned size_class, uint64_t block,
                       uint64_t *offset)
{
    int error;

    if (heap->shards[shard].quarantine_count)
        heap_release(heap, shard, false);
    error = heap_block_reserve(heap, tx, shard, block);
    if (error)
        return error;
    for (int attempt = 0; attempt < 2; attempt++) {
        if (size_class != CLASS_RUN)
            error = alloc_block(heap, tx, shard, size_class, offset);
        else if (block < EXTENT_SIZE)
            error = alloc_pages(heap, tx, shard, (unsigned)(block >> PAGE_SHIFT_POOL), true, offset);
        else
            error = alloc_extents(heap, tx, shard, block, true, offset);
        if (error != SDB_ENOSPC)
            break;
        heap_release(heap, shard, true);
    }
    if (error == SDB_ENOSPC && tx->reserve != TX_RESERVE_KEPT && block < EXTENT_SIZE)
        error = alloc_of_reserve(heap, tx, shard, size_class, &block, offset);
    if (!error)
        heap_block_note(heap, tx, TX_BLOCK_ALLOCATED, shard, *offset, block);
    return error ? error : tx->failed ? SDB_ENOMEM : SDB_OK;
}

int heap_alloc(struct heap *heap, struct tx *tx, uint32_t shard, uint64_t size, uint64_t *offset)
{
    return alloc_class(heap, tx, shard, class_of(size), heap_block_size(size), offset);
}

int heap_alloc_segment(struct heap *heap, struct tx *tx, uint32_t shard, unsigned code, uint64_t *offset)
{
    unsigned size_class = HEAP_SIZE_CLASSES + (code ? 1u : 0u);

    return alloc_class(heap, tx, shard, size_class, heap_class_sizes[size_class], offset);
}

int heap_alloc_node(struct heap *heap, struct tx *tx, uint32_t shard, uint64_t *offset)
{
    return alloc_class(heap, tx, shard, HEAP_CLASS_NODE, TREE_NODE_SIZE, offset);
}

int heap_reserve_body(struct heap *heap, struct tx *tx, uint32_t shard, uint64_t size, uint64_t *offset)
{
    uint64_t pages = (size + PAGE_SIZE_POOL - 1) & ~(uint64_t)(PAGE_SIZE_POOL - 1);
    uint64_t block = pages;
    int error = heap_block_reserve(heap, tx, shard, block);

    if (error)
        return error;
    error = SDB_ENOSPC;
    if (pages <= (uint64_t)(PAGES_PER_EXTENT - 1) * PAGE_SIZE_POOL)
        error = alloc_pages(heap, tx, shard, (unsigned)(pages >> PAGE_SHIFT_POOL), false, offset);
    if (error == SDB_ENOSPC) {
        block = (size + EXTENT_SIZE - 1) & ~(uint64_t)(EXTENT_SIZE - 1);
        error = heap_block_reserve(heap, tx, shard, block);
        if (!error)
            error = alloc_extents(heap, tx, shard, block, false, offset);
    }
    if (!error)
        heap_block_note(heap, tx, TX_BLOCK_BODY, shard, *offset, block);
    return error;
}

static int no_such_block(const struct heap *heap, uint64_t offset)
{
    error_set("%s: no block is allocated at offset %" PRIu64, heap->file->path, offset);
    return SDB_ECORRUPT;
}

static int free_extents(struct heap *heap, struct tx *tx, uint32_t shard, uint32_t first, uint64_t count)
{
    int error = heap_block_reserve(heap, tx, shard, count << EXTENT_SHIFT);

    if (error)
        return error;
    for (uint32_t i = 0; i < count; i++)
        tx_store(tx, heap_map_offset(heap, first + i), 0);
    heap_block_note(heap, tx, TX_BLOCK_FREED, shard, (uint64_t)first << EXTENT_SHIFT, count << EXTENT_SHIFT);
    return SDB_OK;
}

int heap_free(struct heap *heap, struct tx *tx, uint32_t shard, uint64_t offset)
{
    uint32_t index = heap_extent_of(offset), number = heap_page_number(offset);
    uint64_t map = heap_map_offset(heap, index), value;
    uint32_t extents = __atomic_load_n(&heap->extent_count, __ATOMIC_ACQUIRE);
    struct heap_page *page;
    int error;

    if (index < heap_extent_of(heap->file->superblock.heap_offset) || index >= extents ||
        !checked_value(tx_load(tx, map), map, &value))
        return no_such_block(heap, offset);
    if (extent_value_state(value) == EXTENT_RUN && offset % EXTENT_SIZE == 0 &&
        extent_value_run(value) <= extents - index)
        return free_extents(heap, tx, shard, index, extent_value_run(value));
    if (extent_value_state(value) != EXTENT_PAGES || extent_value_shard(value) != shard)
        return no_such_block(heap, offset);
    error = heap_extent_load(heap, index);
    if (!error)
        error = heap_block_reserve(heap, tx, shard, 0);
    if (error)
        return error;
    page = heap_page(heap, number);
    if (page->type == PAGE_RUN && offset % PAGE_SIZE_POOL == 0) {
        if (!tx_load(tx, heap_page_word_offset(number))) /* freed already, or reserved for a record's body */
            return no_such_block(heap, offset);
        for (unsigned i = 0; i < page->run; i++)
            tx_store(tx, heap_page_word_offset(number + i), 0);
        heap_block_note(heap, tx, TX_BLOCK_FREED, shard, offset, (uint64_t)page->run << PAGE_SHIFT_POOL);
        return SDB_OK;
    }
    if (page->type == PAGE_BLOCKS) {
        uint64_t size = heap_class_sizes[page->size_class], within = offset - heap_page_start(number);
        unsigned block = (unsigned)(within / size);

        if (within % size || block >= page->blocks ||
            !(tx_load(tx, heap_bitmap_offset(number, block)) >> (block % BITMAP_BITS) & 1))
            return no_such_block(heap, offset);
        stage_bit(tx, number, block, false);
        heap_block_note(heap, tx, TX_BLOCK_FREED, shard, offset, size);
        return SDB_OK;
    }
    return no_such_block(heap, offset);
}

/* -- handle entries -- */

/*
 * Lists the next page of entries, from earlier runs of the program, that has a free entry; loads extents as it goes and looks at no
 * more than `budget` pages. False: none was found.
 */
static bool find_entry_room(struct heap *heap, uint32_t shard, unsigned budget)
{
    struct heap_shard *owner = &heap->shards[shard];
    int error;

    for (; owner->entry_scan_extent < owner->extent_count; owner->entry_scan_extent++, owner->entry_scan_page = 0) {
        uint32_t index = owner->extents[owner->entry_scan_extent];

        if (owner->entry_scan_extent == owner->scanned) {
            error = heap_extent_load(heap, index);
            if (error == SDB_ENOMEM) /* a damaged one has no room, and counts as looked at */
                return false;
            owner->scanned++;
            owner->no_free_pages[0] = owner->no_free_pages[1] = false;
        }
        while (owner->entry_scan_page < PAGES_PER_EXTENT) {
            uint32_t number = index * PAGES_PER_EXTENT + owner->entry_scan_page++;
            struct heap_page *page = heap_page(heap, number);

            if (page->type != PAGE_ENTRIES || page->used)
                continue;
            if (budget-- == 0) {
                owner->entry_scan_page--;
                return false;
            }
            error = heap_page_load(heap, number);
            if (error == SDB_ENOMEM) { /* another time */
                owner->entry_scan_page--;
                return false;
            }
            if (error)
                continue;
            heap_room_add(heap, shard, number);
            if (page->available)
                return true;
        }
    }
    return false;
}

static int more_entries(struct heap *heap, struct tx *tx, uint32_t shard)
{
    int error;

    if (find_entry_room(heap, shard, ENTRY_PAGES_AT_ONCE))
        return SDB_OK;
    error = new_page(heap, tx, shard, PAGE_ENTRIES, 0);
    if (error == SDB_ENOSPC) {
        if (find_entry_room(heap, shard, UINT32_MAX))
            return SDB_OK;
        heap_release(heap, shard, true);
        error = new_page(heap, tx, shard, PAGE_ENTRIES, 0);
    }
    return error;
}

int heap_alloc_entry(struct heap *heap, struct tx *tx, uint32_t shard, uint64_t *offset)
{
    struct heap_shard *owner = &heap->shards[shard];
    struct heap_page *page;
    uint32_t number;
    unsigned entry;
    int error;

    if (!tx_reserve_block(tx))
        return SDB_ENOMEM;
    if (first_with_room(heap, &owner->entry_room) == HEAP_NO_PAGE) {
        error = more_entries(heap, tx, shard);
        if (error)
            return error;
    }
    number = first_with_room(heap, &owner->entry_room);
    page = heap_page(heap, number);
    error = heap_page_stage(heap, tx, shard, number, page_value(PAGE_ENTRIES, 0, 1));
    if (error)
        return error;
    entry = take_bit(page);
    page->available--;
    *offset = heap_page_start(number) + (uint64_t)entry * ENTRY_SIZE;
    tx_add_block(tx, TX_ENTRY_ALLOCATED, shard, *offset, ENTRY_SIZE);
    return tx->failed ? SDB_ENOMEM : SDB_OK;
}

void heap_free_entry(struct tx *tx, uint32_t shard, uint64_t offset)
{
    tx_add_block(tx, TX_ENTRY_FREED, shard, offset, ENTRY_SIZE);
}

bool heap_owner(const struct heap *heap, const struct tx *tx, uint64_t offset, uint32_t *shard)
{
    uint64_t map = heap_map_offset(heap, (uint32_t)(offset >> EXTENT_SHIFT)), value;

    if (!checked_value(tx_load(tx, map), map, &value) || extent_value_shard(value) >= heap->shard_count)
        return false;
    *shard = extent_value_shard(value);
    return true;
}

static void entry_available(struct heap *heap, uint32_t shard, uint64_t offset)
{
    uint32_t number = heap_page_number(offset);
    struct heap_page *page;
    unsigned i;

    if (!heap->extents[number / PAGES_PER_EXTENT])
        return; /* not loaded: it will be found free when it is */
    page = heap_page(heap, number);
    if (!page->used)
        return;
    i = (unsigned)(offset - heap_page_start(number)) / ENTRY_SIZE;
    page->used[i / 64] &= ~(1ull << (i % 64));
    page->available++;
    heap_room_add(heap, shard, number);
}

/* -- the end of a transaction -- */

static void quarantine(struct heap *heap, const struct tx_block *block, uint32_t lane, uint64_t sequence)
{
    struct heap_freed freed = {.offset = block->offset,
                               .size = block->size,
                               .sequence = sequence,
                               .lane = lane,
                               .epoch = __atomic_load_n(&heap->epoch, __ATOMIC_SEQ_CST)};

    if (block->size >= EXTENT_SIZE)
        heap_quarantine_add_run(heap, &freed);
    else
        heap_quarantine_add(heap, block->shard, &freed);
}

static void count_bytes(struct heap *heap, const struct tx_block *block)
{
    int64_t *bytes = &heap->shards[block->shard].block_bytes, before = __atomic_load_n(bytes, __ATOMIC_RELAXED);

    if (block->kind == TX_BLOCK_ALLOCATED)
        __atomic_store_n(bytes, before + (int64_t)block->size, __ATOMIC_RELAXED);
    else if (block->kind == TX_BLOCK_FREED)
        __atomic_store_n(bytes, before - (int64_t)block->size, __ATOMIC_RELAXED);
}

void heap_committed(struct heap *heap, const struct tx *tx, uint32_t lane, uint64_t sequence)
{
    uint64_t freed = 0;

    for (size_t i = 0; i < tx->blocks.count; i++) {
        const struct tx_block *block = &tx->blocks.items[i];

        if (block->kind == TX_ENTRY_FREED)
            entry_available(heap, block->shard, block->offset);
        if (block->kind == TX_ENTRY_FREED || block->kind == TX_ENTRY_ALLOCATED)
            continue;
        heap_block_forget(heap, block);
        count_bytes(heap, block);
        if (block->kind == TX_BLOCK_ALLOCATED)
            continue;
        quarantine(heap, block, lane, sequence);
        if (block->kind != TX_BLOCK_BODY)
            freed += block->size;
    }
    if (freed)
        __atomic_fetch_add(&heap->freed_bytes, freed, __ATOMIC_RELAXED);
}

void heap_rollback(struct heap *heap, const struct tx *tx, size_t blocks_mark)
{
    for (size_t i = tx->blocks.count; i-- > blocks_mark;) {
        const struct tx_block *block = &tx->blocks.items[i];

        if (block->kind == TX_ENTRY_ALLOCATED)
            entry_available(heap, block->shard, block->offset);
        if (block->kind == TX_ENTRY_FREED || block->kind == TX_ENTRY_ALLOCATED)
            continue;
        heap_block_forget(heap, block);
        /* An extent that was given back is the shard's again; where it was never published, it is nobody's. */
        if (block->kind == TX_BLOCK_ALLOCATED || block->kind == TX_BLOCK_BODY ||
            (block->kind == TX_EXTENT_TRIMMED && !heap_extent_return(heap, block->shard, heap_extent_of(block->offset))))
            quarantine(heap, block, 0, 0);
    }
}
