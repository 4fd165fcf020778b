/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * heap_extent.c - extents and their pages: who has which, and what is known of them in DRAM
 * Media:   extent map words; struct sdb_m_extent: magic, shard, page words
 * Commit:  page and map words are staged; a new extent's header is a fresh range. Only the zeros of a new page of entries are
 *          made durable by a fence of their own, because entries are applied in place, where no record's range may lie
 *          (DURABILITY.md, E2, E11).
 * Holds:   heap.h 1, 4, 5; a page that is FREE here is FREE on the medium or holds nothing but available blocks.
 * Threads: a shard's extents under its lock; taking extents under pool_lock.
 * Memory:  a descriptor for each loaded extent, a bitmap for each page looked at
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "error.h"
#include "heap_internal.h"
#include "persist.h"

#define PAGES_IN_RESERVE 2u      /* of a shard: enum tx_reserve */
#define EXTENTS_FOR_BODIES 1u    /* kept, so that a full pool can still commit large deletes */
#define EXTENT_LOADS_AT_ONCE 16u /* of a shard, before a new extent is taken instead */

static const uint64_t *media_word(const struct heap *heap, uint64_t offset)
{
    return (const uint64_t *)(const void *)(heap->file->base + offset);
}

static int damaged(const struct heap *heap, const char *what, uint64_t offset)
{
    error_set("%s: the %s at offset %" PRIu64 " is damaged", heap->file->path, what, offset);
    return SDB_ECORRUPT;
}

void heap_lock_pool_words(struct heap *heap, struct tx *tx)
{
    if (tx->pool_locked)
        return;
    lock_acquire(&heap->pool_lock); /* released by who ends the transaction */
    tx->pool_locked = true;
}

void heap_page_type_set(struct heap *heap, uint32_t number, enum page_type type)
{
    __atomic_store_n(&heap->page_types[number], (uint8_t)(type + 1), __ATOMIC_RELEASE);
}

/* -- opening -- */

static int shard_reserve_extent(struct heap_shard *shard)
{
    if (shard->extent_count == shard->extent_capacity) {
        uint32_t more = shard->extent_capacity ? shard->extent_capacity * 2 : 4;
        uint32_t *bigger = realloc(shard->extents, more * sizeof(*bigger));

        if (!bigger)
            return SDB_ENOMEM;
        shard->extents = bigger;
        shard->extent_capacity = more;
    }
    return SDB_OK;
}

static int shard_add_extent(struct heap_shard *shard, uint32_t extent)
{
    int error = shard_reserve_extent(shard);

    if (!error)
        shard->extents[shard->extent_count++] = extent;
    return error;
}

/*
 * An extent whose word is damaged belongs to nobody: nothing is taken from it, and its keys are errors until the pool is repaired.
 * So it is with every extent that is not plainly free.
 */
static int read_map_word(struct heap *heap, uint32_t extent)
{
    uint64_t offset = heap_map_offset(heap, extent), value;

    if (!checked_value(persist_load(media_word(heap, offset)), offset, &value)) {
        heap->extent_taken[extent] = 1;
        return SDB_OK;
    }
    if (value == 0) {
        heap->extents_free++;
        return SDB_OK;
    }
    heap->extent_taken[extent] = 1;
    if (extent_value_state(value) == EXTENT_PAGES && extent_value_shard(value) < heap->shard_count)
        return shard_add_extent(&heap->shards[extent_value_shard(value)], extent);
    return SDB_OK;
}

static int allocate(struct heap *heap)
{
    heap->shards = calloc(heap->shard_count, sizeof(*heap->shards));
    heap->extents = calloc(heap->extent_max, sizeof(struct heap_extent *));
    heap->page_types = calloc(heap->extent_max, PAGES_PER_EXTENT);
    heap->extent_taken = calloc(heap->extent_max, 1);
    return heap->shards && heap->extents && heap->page_types && heap->extent_taken ? SDB_OK : SDB_ENOMEM;
}

/*
 * A shard's first key and its directory are one commit: a shard with keys and without a directory has lost it. Looks further only where
 * there is none.
 */
static bool is_without_index(const struct heap *heap, uint32_t shard)
{
    const uint64_t offset = heap->file->superblock.shards_offset + (uint64_t)shard * sizeof(struct sdb_m_shard);
    const struct heap_shard *owner = &heap->shards[shard];

    if (owner->extent_count == 0 || persist_load(media_word(heap, offset)) != 0)
        return false;
    for (uint32_t i = 0; i < owner->extent_count; i++)
        if (persist_load(media_word(heap, (uint64_t)owner->extents[i] << EXTENT_SHIFT)) != EXTENT_MAGIC ||
            heap_extent_has_keys(heap->file, owner->extents[i]))
            return true;
    return false;
}

int heap_open(struct heap *heap, struct pool_file *file, struct lanes *lanes, heap_oldest_pin *oldest_pin, void *context)
{
    uint32_t first = heap_extent_of(file->superblock.heap_offset);
    int error;

    memset(heap, 0, sizeof(*heap));
    heap->file = file;
    heap->lanes = lanes;
    heap->oldest_pin = oldest_pin;
    heap->oldest_pin_context = context;
    heap->shard_count = file->superblock.shards;
    heap->extent_count = heap_extent_of(file->superblock.size);
    heap->extent_max = heap_extent_of(file->superblock.size_max);
    heap->epoch = 1;
    heap->extent_hint = first;
    lock_init(&heap->pool_lock);
    error = allocate(heap);
    if (!error)
        memset(heap->extent_taken, 1, first);
    for (uint32_t extent = first; extent < heap->extent_count && !error; extent++)
        error = read_map_word(heap, extent);
    for (uint32_t i = 0; i < heap->shard_count && !error; i++)
        heap->shards[i].index_lost = !file->repairing && is_without_index(heap, i);
    if (error)
        heap_close(heap);
    return error;
}

void heap_close(struct heap *heap)
{
    for (uint32_t i = 0; heap->extents && i < heap->extent_max; i++) {
        for (unsigned p = 0; heap->extents[i] && p < PAGES_PER_EXTENT; p++)
            free(heap->extents[i]->pages[p].used);
        free(heap->extents[i]);
    }
    for (uint32_t i = 0; heap->shards && i < heap->shard_count; i++) {
        free(heap->shards[i].extents);
        free(heap->shards[i].quarantine);
    }
    free(heap->shards);
    free(heap->extents);
    free(heap->page_types);
    free(heap->extent_taken);
    free(heap->runs);
    memset(heap, 0, sizeof(*heap));
}

void heap_grown(struct heap *heap)
{
    uint32_t count = heap_extent_of(heap->file->size);

    __atomic_fetch_add(&heap->extents_free, count - heap->extent_count, __ATOMIC_RELAXED);
    __atomic_store_n(&heap->extent_count, count, __ATOMIC_RELEASE);
}

/* -- what is known of pages -- */

void heap_room_add(struct heap *heap, uint32_t shard, uint32_t number)
{
    struct heap_page *page = heap_page(heap, number);
    uint32_t *head = page->type == PAGE_ENTRIES ? &heap->shards[shard].entry_room
                                                : &heap->shards[shard].room[page->size_class];

    if (page->listed || page->available == 0)
        return;
    page->listed = 1;
    page->previous = HEAP_NO_PAGE;
    page->next = *head;
    if (*head != HEAP_NO_PAGE)
        heap_page(heap, *head)->previous = number;
    *head = number;
}

static void room_remove(struct heap *heap, uint32_t shard, uint32_t number)
{
    struct heap_page *page = heap_page(heap, number);
    uint32_t *head = page->type == PAGE_ENTRIES ? &heap->shards[shard].entry_room
                                                : &heap->shards[shard].room[page->size_class];

    if (!page->listed)
        return;
    if (page->previous != HEAP_NO_PAGE)
        heap_page(heap, page->previous)->next = page->next;
    else
        *head = page->next;
    if (page->next != HEAP_NO_PAGE)
        heap_page(heap, page->next)->previous = page->previous;
    page->listed = 0;
}

static int load_blocks(struct heap *heap, uint32_t number, struct heap_page *page)
{
    page->available = page->blocks;
    for (unsigned i = 0; i < page->blocks; i++) {
        uint64_t offset = heap_bitmap_offset(number, i), bits;

        if (!checked_value(persist_load(media_word(heap, offset)), offset, &bits))
            return damaged(heap, "block bitmap", offset);
        if (bits >> (i % BITMAP_BITS) & 1) {
            page->used[i / 64] |= 1ull << (i % 64);
            page->available--;
        }
    }
    return SDB_OK;
}

/* A damaged entry may be somebody's, whatever its type says now. */
static bool is_free_entry(const struct heap *heap, uint64_t offset)
{
    uint64_t words[4];

    for (unsigned i = 0; i < 4; i++)
        words[i] = persist_load(media_word(heap, offset + i * WORD_SIZE));
    return meta_type(words[0]) == 0 && entry_valid(words, offset);
}

static void load_entries(struct heap *heap, uint32_t number, struct heap_page *page)
{
    page->available = page->blocks;
    for (unsigned i = 0; i < page->blocks; i++) {
        uint64_t offset = heap_page_start(number) + i * ENTRY_SIZE;

        if (!is_free_entry(heap, offset)) {
            page->used[i / 64] |= 1ull << (i % 64);
            page->available--;
        }
    }
}

int heap_page_load(struct heap *heap, uint32_t number)
{
    struct heap_page *page = heap_page(heap, number);
    int error = SDB_OK;

    if (page->used)
        return SDB_OK;
    page->used = calloc((page->blocks + 63u) / 64, sizeof(uint64_t));
    if (!page->used)
        return SDB_ENOMEM;
    if (page->type == PAGE_BLOCKS)
        error = load_blocks(heap, number, page);
    else
        load_entries(heap, number, page);
    if (error) {
        free(page->used);
        page->used = NULL;
    }
    return error;
}

/* Reads one page word into its descriptor. */
static int load_page_word(struct heap *heap, uint32_t number, struct heap_extent *extent)
{
    uint64_t offset = heap_page_word_offset(number), value;
    struct heap_page *page = &extent->pages[number % PAGES_PER_EXTENT];

    if (!checked_value(persist_load(media_word(heap, offset)), offset, &value) ||
        page_value_type(value) > PAGE_HEADER || page_value_class(value) >= HEAP_CLASSES)
        return damaged(heap, "page word", offset);
    page->type = (uint8_t)page_value_type(value);
    page->size_class = (uint8_t)page_value_class(value);
    page->run = (uint8_t)page_value_run(value);
    if (page->type == PAGE_BLOCKS)
        page->blocks = (uint16_t)heap_class_blocks(page->size_class);
    else if (page->type == PAGE_ENTRIES)
        page->blocks = ENTRIES_PER_PAGE;
    heap_page_type_set(heap, number, page->type);
    return SDB_OK;
}

/*
 * An extent whose header is damaged: its pages are neither free nor in use, so that nothing is taken from it or given back to it. What
 * can still be read there stays readable; writes to the blocks there are refused.
 */
static void condemn(struct heap *heap, uint32_t shard, uint32_t index)
{
    struct heap_extent *extent = heap->extents[index];

    for (unsigned p = 0; p < PAGES_PER_EXTENT; p++) {
        struct heap_page *page = &extent->pages[p];

        if (page->listed)
            room_remove(heap, shard, index * PAGES_PER_EXTENT + p);
        free(page->used);
        memset(page, 0, sizeof(*page));
        page->type = PAGE_HEADER;
    }
    extent->free_pages = 0;
}

static int load_extent_header(struct heap *heap, uint32_t index, uint32_t *shard)
{
    uint64_t base = (uint64_t)index << EXTENT_SHIFT, value;
    const struct sdb_m_extent *header = (const struct sdb_m_extent *)(const void *)(heap->file->base + base);

    if (persist_load(&header->magic) != EXTENT_MAGIC ||
        !checked_value(persist_load(&header->shard), base + offsetof(struct sdb_m_extent, shard), &value) || value == 0 ||
        value > heap->shard_count)
        return damaged(heap, "extent header", base);
    *shard = (uint32_t)value - 1;
    return SDB_OK;
}

static int load_pages(struct heap *heap, uint32_t index, uint32_t shard, struct heap_extent *extent)
{
    int error = SDB_OK;

    for (unsigned p = 0; p < PAGES_PER_EXTENT && !error; p++)
        error = load_page_word(heap, index * PAGES_PER_EXTENT + p, extent);
    for (unsigned p = 1; p < PAGES_PER_EXTENT && !error; p++) {
        uint32_t number = index * PAGES_PER_EXTENT + p;

        if (extent->pages[p].type == PAGE_BLOCKS)
            error = heap_page_load(heap, number);
        extent->is_lasting |= extent->pages[p].type == PAGE_ENTRIES || (extent->pages[p].type == PAGE_BLOCKS &&
                                                                        heap_class_is_segment(extent->pages[p].size_class));
        if (!error && extent->pages[p].type == PAGE_BLOCKS)
            heap_room_add(heap, shard, number);
        extent->free_pages += heap_page_is_free(&extent->pages[p]);
    }
    return error;
}

int heap_extent_load(struct heap *heap, uint32_t index)
{
    uint32_t shard = 0;
    int error;

    if (heap->extents[index])
        return SDB_OK;
    heap->extents[index] = calloc(1, sizeof(struct heap_extent));
    if (!heap->extents[index])
        return SDB_ENOMEM;
    error = load_extent_header(heap, index, &shard);
    if (!error)
        error = load_pages(heap, index, shard, heap->extents[index]);
    if (!error)
        return SDB_OK;
    condemn(heap, shard, index);
    if (error == SDB_ENOMEM) { /* not its fault: another time */
        free(heap->extents[index]);
        heap->extents[index] = NULL;
    }
    return error;
}

bool heap_page_is_entries_slow(struct heap *heap, uint64_t page)
{
    uint32_t index = (uint32_t)(page / PAGES_PER_EXTENT);
    uint64_t map = heap_map_offset(heap, index), word = heap_page_word_offset((uint32_t)page), value;

    if (index >= __atomic_load_n(&heap->extent_count, __ATOMIC_ACQUIRE) ||
        index < heap_extent_of(heap->file->superblock.heap_offset) ||
        !checked_value(persist_load_acquire(media_word(heap, map)), map, &value) ||
        extent_value_state(value) != EXTENT_PAGES ||
        !checked_value(persist_load(media_word(heap, word)), word, &value) || page_value_type(value) != PAGE_ENTRIES)
        return false;
    heap_page_type_set(heap, (uint32_t)page, PAGE_ENTRIES); /* it stays one for ever */
    return true;
}

/* -- taking -- */

/* Free again for anything: all its blocks became available, or its run was released. */
void heap_page_release(struct heap *heap, uint32_t shard, uint32_t number)
{
    heap->extents[number / PAGES_PER_EXTENT]->free_pages++;
    heap->shards[shard].no_free_pages[0] = heap->shards[shard].no_free_pages[1] = false;
}

/* Makes a free page ready for its new use; blocks of an emptied page are forgotten. */
static void page_take(struct heap *heap, uint32_t shard, uint32_t number)
{
    struct heap_page *page = heap_page(heap, number);

    room_remove(heap, shard, number);
    free(page->used);
    memset(page, 0, sizeof(*page));
    heap->extents[number / PAGES_PER_EXTENT]->free_pages--;
}

/* count free pages side by side in an extent; HEAP_NO_PAGE: none. */
static uint32_t find_pages(const struct heap *heap, uint32_t index, unsigned count)
{
    const struct heap_extent *extent = heap->extents[index];
    unsigned run = 0;

    if (extent->free_pages < count)
        return HEAP_NO_PAGE;
    for (unsigned p = 1; p < PAGES_PER_EXTENT; p++) {
        run = heap_page_is_free(&extent->pages[p]) ? run + 1 : 0;
        if (run == count)
            return index * PAGES_PER_EXTENT + p - count + 1;
    }
    return HEAP_NO_PAGE;
}

int heap_take_extents(struct heap *heap, struct tx *tx, uint32_t count, bool for_body, uint32_t *first)
{
    uint32_t start = heap_extent_of(heap->file->superblock.heap_offset);

    heap_lock_pool_words(heap, tx);
    for (int attempt = 0; attempt < 3; attempt++) {
        uint32_t run = 0, from = count == 1 ? heap->extent_hint : start;
        uint32_t end = __atomic_load_n(&heap->extent_count, __ATOMIC_ACQUIRE);

        if (!for_body && __atomic_load_n(&heap->extents_free, __ATOMIC_RELAXED) < count + EXTENTS_FOR_BODIES)
            from = end;
        for (uint32_t i = from; i < end; i++) {
            if (!heap->extent_taken[i] && heap_extent_has_keys(heap->file, i)) { /* damage: nothing is stored over them */
                heap->extent_taken[i] = 1;
                __atomic_fetch_sub(&heap->extents_free, 1, __ATOMIC_RELAXED);
            }
            run = heap->extent_taken[i] ? 0 : run + 1;
            if (run < count)
                continue;
            *first = i - count + 1;
            memset(heap->extent_taken + *first, 1, count);
            __atomic_fetch_sub(&heap->extents_free, count, __ATOMIC_RELAXED);
            if (count == 1)
                heap->extent_hint = i + 1;
            return SDB_OK;
        }
        heap->extent_hint = start;
        if (attempt < 2)
            heap_release_runs(heap, attempt > 0);
    }
    error_set("%s: no %" PRIu32 " free extents of 2 MiB", heap->file->path, count);
    return SDB_ENOSPC;
}

static int add_extent(struct heap *heap, struct tx *tx, uint32_t shard)
{
    struct heap_shard *owner = &heap->shards[shard];
    struct heap_extent *extent = calloc(1, sizeof(*extent));
    uint32_t index;
    int error;

    if (!extent)
        return SDB_ENOMEM;
    error = shard_reserve_extent(owner); /* first: a taken extent must have a place */
    if (!error)
        error = heap_take_extents(heap, tx, 1, false, &index);
    if (!error)
        error = shard_add_extent(owner, index);
    if (error) {
        free(extent);
        return error;
    }
    /* Words that an earlier owner, or a commit that never was, left in the header must not pass for staged ones. */
    persist_zero(heap->file->base + ((uint64_t)index << EXTENT_SHIFT), sizeof(struct sdb_m_extent));
    extent->pages[0].type = PAGE_HEADER;
    extent->free_pages = PAGES_PER_EXTENT - 1;
    heap->extents[index] = extent;
    /* It counts as scanned: its place is taken by the first one that is not. */
    owner->extents[owner->extent_count - 1] = owner->extents[owner->scanned];
    owner->extents[owner->scanned++] = index;
    owner->no_free_pages[0] = owner->no_free_pages[1] = false;
    return SDB_OK;
}

/* Looks through the extents that are known. */
static uint32_t find_known(struct heap *heap, uint32_t shard, unsigned count, bool is_lasting)
{
    struct heap_shard *owner = &heap->shards[shard];

    if (owner->no_free_pages[is_lasting])
        return HEAP_NO_PAGE;
    for (uint32_t i = owner->scanned; i-- > 0;) {
        uint32_t number = HEAP_NO_PAGE;

        if (heap->extents[owner->extents[i]]->is_lasting == is_lasting)
            number = find_pages(heap, owner->extents[i], count);
        if (number != HEAP_NO_PAGE)
            return number;
    }
    owner->no_free_pages[is_lasting] = count == 1;
    return HEAP_NO_PAGE;
}

bool heap_reserve_stays(struct heap *heap, const struct tx *tx, uint32_t shard, unsigned count)
{
    const struct heap_shard *owner = &heap->shards[shard];
    unsigned free_pages = 0;

    if (tx->reserve_open || __atomic_load_n(&heap->extents_free, __ATOMIC_RELAXED) > EXTENTS_FOR_BODIES)
        return true;
    for (uint32_t i = owner->scanned; i-- > 0 && free_pages < count + PAGES_IN_RESERVE;)
        free_pages += heap->extents[owner->extents[i]]->free_pages;
    return free_pages >= count + PAGES_IN_RESERVE;
}

/*
 * Pages of entries stay for ever, those of index segments nearly so, and so do their extents. They are kept together, away from blobs, so
 * that extents of blobs can be given back; only a shard of one extent, or a pool without a free one, mixes them.
 */
int heap_take_pages(struct heap *heap, struct tx *tx, uint32_t shard, unsigned count, bool lasting, uint32_t *number)
{
    struct heap_shard *owner = &heap->shards[shard];
    int error = SDB_OK;

    for (unsigned loads = 0;; loads++) {
        *number = find_known(heap, shard, count, lasting);
        if (*number == HEAP_NO_PAGE && (error == SDB_ENOSPC || owner->extent_count == 1))
            *number = find_known(heap, shard, count, !lasting);
        if (*number != HEAP_NO_PAGE && heap_reserve_stays(heap, tx, shard, count))
            break;
        if (owner->scanned < owner->extent_count &&
            (loads < EXTENT_LOADS_AT_ONCE || __atomic_load_n(&heap->extents_free, __ATOMIC_RELAXED) == 0)) {
            error = heap_extent_load(heap, owner->extents[owner->scanned]);
            if (error)
                return error;
            owner->scanned++;
            owner->no_free_pages[0] = owner->no_free_pages[1] = false;
        } else if (error == SDB_ENOSPC) {
            return error;
        } else {
            error = add_extent(heap, tx, shard);
            if (error && error != SDB_ENOSPC)
                return error;
            if (!error && lasting)
                heap->extents[owner->extents[owner->scanned - 1]]->is_lasting = true;
        }
    }
    for (unsigned i = 0; i < count; i++)
        page_take(heap, shard, *number + i);
    return SDB_OK;
}

/* -- giving back -- */

/* Takes an extent whose pages are all free out of the shard's hands. */
static void detach_extent(struct heap *heap, struct tx *tx, uint32_t shard, uint32_t position)
{
    struct heap_shard *owner = &heap->shards[shard];
    uint32_t index = owner->extents[position];

    for (unsigned p = 1; p < PAGES_PER_EXTENT; p++)
        page_take(heap, shard, index * PAGES_PER_EXTENT + p);
    for (unsigned p = 0; p < PAGES_PER_EXTENT; p++)
        __atomic_store_n(&heap->page_types[index * PAGES_PER_EXTENT + p], 0, __ATOMIC_RELAXED);
    free(heap->extents[index]);
    heap->extents[index] = NULL;
    if (position < owner->scanned) {
        owner->extents[position] = owner->extents[--owner->scanned];
        position = owner->scanned;
    }
    owner->extents[position] = owner->extents[--owner->extent_count];
    owner->entry_scan_extent = owner->entry_scan_page = 0; /* places have changed: look through them again */
    heap_lock_pool_words(heap, tx);
    if (tx_load(tx, heap_map_offset(heap, index)))
        tx_store(tx, heap_map_offset(heap, index), 0);
    heap_block_note(heap, tx, TX_EXTENT_TRIMMED, shard, (uint64_t)index << EXTENT_SHIFT, EXTENT_SIZE);
}

bool heap_extent_return(struct heap *heap, uint32_t shard, uint32_t index)
{
    uint64_t map = heap_map_offset(heap, index), value;

    if (checked_value(persist_load(media_word(heap, map)), map, &value) && extent_value_state(value) == EXTENT_FREE)
        return false;
    /* Its place in the list is still there; its pages are read again when they are needed. */
    return shard_add_extent(&heap->shards[shard], index) == SDB_OK;
}

uint32_t heap_trim(struct heap *heap, struct tx *tx, uint32_t shard)
{
    struct heap_shard *owner = &heap->shards[shard];
    uint32_t trimmed = 0;

    for (uint32_t i = owner->extent_count; i-- > 0 && trimmed < HEAP_TRIM_MAX;) {
        if (heap_extent_load(heap, owner->extents[i]) != SDB_OK ||
            heap->extents[owner->extents[i]]->free_pages != PAGES_PER_EXTENT - 1)
            continue;
        if (heap_block_reserve(heap, tx, shard, EXTENT_SIZE) != SDB_OK)
            break; /* the commit says so */
        detach_extent(heap, tx, shard, i);
        trimmed++;
    }
    return trimmed;
}

/* -- staging -- */

static void stage_extent(struct heap *heap, struct tx *tx, uint32_t shard, uint32_t index)
{
    uint64_t base = (uint64_t)index << EXTENT_SHIFT, map = heap_map_offset(heap, index);
    uint64_t word = checked_word(extent_value(EXTENT_PAGES, shard, 1), map);

    if (tx_load(tx, map) == word)
        return;
    heap_lock_pool_words(heap, tx);
    persist_zero(heap->file->base + base, sizeof(struct sdb_m_extent));
    tx_add_range(tx, base, sizeof(struct sdb_m_extent), true);
    tx_store(tx, base + offsetof(struct sdb_m_extent, magic), EXTENT_MAGIC);
    tx_store(tx, base + offsetof(struct sdb_m_extent, shard),
             checked_word(shard + 1u, base + offsetof(struct sdb_m_extent, shard)));
    tx_store(tx, heap_page_word_offset(index * PAGES_PER_EXTENT),
             checked_word(page_value(PAGE_HEADER, 0, 1), heap_page_word_offset(index * PAGES_PER_EXTENT)));
    tx_store(tx, map, word);
}

/* Entries start as zeros that are durable, whatever was on the page before. */
static int clear_entries(struct heap *heap, struct tx *tx, uint32_t number)
{
    uint8_t *page = heap->file->base + heap_page_start(number);
    const uint64_t *words = (const uint64_t *)(const void *)page;
    uint64_t any = 0;

    for (unsigned i = 0; i < PAGE_SIZE_POOL / WORD_SIZE; i++)
        any |= words[i];
    if (any)
        persist_zero(page, PAGE_SIZE_POOL);
    persist_flush(&heap->file->persist, &tx->thread, page, PAGE_SIZE_POOL);
    return persist_fence(&heap->file->persist, &tx->thread);
}

int heap_page_stage(struct heap *heap, struct tx *tx, uint32_t shard, uint32_t number, uint64_t value)
{
    uint64_t offset = heap_page_word_offset(number);
    uint64_t word = checked_word(value, offset);

    if (tx_load(tx, offset) == word)
        return SDB_OK;
    stage_extent(heap, tx, shard, number / PAGES_PER_EXTENT);
    if (page_value_type(value) == PAGE_ENTRIES) {
        int error = clear_entries(heap, tx, number);

        if (error)
            return error;
    } else if (page_value_type(value) == PAGE_BLOCKS) {
        for (unsigned i = 0; i < BITMAP_WORDS; i++)
            if (tx_load(tx, heap_bitmap_offset(number, i * BITMAP_BITS)))
                tx_store(tx, heap_bitmap_offset(number, i * BITMAP_BITS), 0);
    }
    tx_store(tx, offset, word);
    heap_page_type_set(heap, number, (enum page_type)page_value_type(value));
    return SDB_OK;
}
