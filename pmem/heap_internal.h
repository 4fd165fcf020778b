/* SPDX-License-Identifier: BSD-3-Clause */
/* heap_internal.h - between heap.c (blocks, entries), heap_extent.c (extents, pages, runs) and heap_quarantine.c */
#ifndef SDB_PMEM_HEAP_INTERNAL_H
#define SDB_PMEM_HEAP_INTERNAL_H

#include "heap.h"
#include "word.h"

static inline uint32_t heap_extent_of(uint64_t offset) { return (uint32_t)(offset >> EXTENT_SHIFT); }
static inline unsigned heap_page_of(uint64_t offset)
{
    return (unsigned)(offset >> PAGE_SHIFT_POOL & (PAGES_PER_EXTENT - 1));
}
static inline uint32_t heap_page_number(uint64_t offset) { return (uint32_t)(offset >> PAGE_SHIFT_POOL); }
static inline struct heap_page *heap_page(struct heap *heap, uint32_t number)
{
    return &heap->extents[number / PAGES_PER_EXTENT]->pages[number % PAGES_PER_EXTENT];
}
static inline uint64_t heap_map_offset(const struct heap *heap, uint32_t extent)
{
    return heap->file->superblock.extent_map_offset + (uint64_t)extent * WORD_SIZE;
}
static inline uint64_t heap_page_word_offset(uint32_t number)
{
    return ((uint64_t)(number / PAGES_PER_EXTENT) << EXTENT_SHIFT) + offsetof(struct sdb_m_extent, pages) +
           number % PAGES_PER_EXTENT * WORD_SIZE;
}
static inline uint64_t heap_bitmap_offset(uint32_t number, unsigned block)
{
    return ((uint64_t)(number / PAGES_PER_EXTENT) << EXTENT_SHIFT) + offsetof(struct sdb_m_extent, bitmaps) +
           ((uint64_t)(number % PAGES_PER_EXTENT) * BITMAP_WORDS + block / BITMAP_BITS) * WORD_SIZE;
}
static inline uint64_t heap_page_start(uint32_t number) { return (uint64_t)number << PAGE_SHIFT_POOL; }

static inline unsigned heap_class_blocks(unsigned size_class) { return PAGE_SIZE_POOL / heap_class_sizes[size_class]; }

static inline bool heap_bit(const struct heap_page *page, unsigned i) { return page->used[i / 64] >> (i % 64) & 1; }

/* A page becomes or is found to be available for anything: counted in its extent. */
static inline bool heap_page_is_free(const struct heap_page *page)
{
    return page->type == PAGE_FREE ||
           (page->type == PAGE_BLOCKS && page->used && page->available == page->blocks);
}

/* heap_extent.c */
/* Whether so many pages of those that are known can be taken, and the shard's reserve stays, or is open. */
bool heap_reserve_stays(struct heap *heap, const struct tx *tx, uint32_t shard, unsigned count);
int heap_take_pages(struct heap *heap, struct tx *tx, uint32_t shard, unsigned count, bool lasting, uint32_t *number);
int heap_take_extents(struct heap *heap, struct tx *tx, uint32_t count, bool for_body, uint32_t *first);
/* Takes back what heap_trim gave. False: the medium never heard that the extent was the shard's. */
bool heap_extent_return(struct heap *heap, uint32_t shard, uint32_t index);
int heap_page_stage(struct heap *heap, struct tx *tx, uint32_t shard, uint32_t number, uint64_t value);
int heap_page_load(struct heap *heap, uint32_t number);
void heap_page_release(struct heap *heap, uint32_t shard, uint32_t number);
void heap_room_add(struct heap *heap, uint32_t shard, uint32_t number);
void heap_page_type_set(struct heap *heap, uint32_t number, enum page_type type);

/* heap_lost.c: an extent with map word 0 that holds keys has lost its word. Reads a line where the extent never had a header. */
bool heap_extent_has_keys(const struct pool_file *file, uint32_t extent);

/* heap_quarantine.c */
/*
 * Room for one more block of size bytes: in the transaction, and in the quarantine where its end may lead. Before the block is taken or
 * given back; then heap_block_note cannot fail. Errors: SDB_ENOMEM.
 */
int heap_block_reserve(struct heap *heap, struct tx *tx, uint32_t shard, uint64_t size);
void heap_block_note(struct heap *heap, struct tx *tx, enum tx_block_kind kind, uint32_t shard, uint64_t offset, uint64_t size);
/* The end of a transaction: the block's room in the quarantine is used, or not needed. */
void heap_block_forget(struct heap *heap, const struct tx_block *block);
void heap_quarantine_add(struct heap *heap, uint32_t shard, const struct heap_freed *freed);
void heap_quarantine_add_run(struct heap *heap, const struct heap_freed *freed);
void heap_release_runs(struct heap *heap, bool force);

#endif
