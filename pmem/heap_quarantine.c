/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * heap_quarantine.c - memory that is free on the medium but must not be reused yet
 * Media:   none
 * Holds:   heap.h 2 (DURABILITY.md, E10).
 *          A block waits until the record that freed it can no longer be applied by recovery (a record that still could
 *          would be applied over the block's new contents), and until no reader pins an epoch in which it was reachable.
 * Threads: a shard's queue under the shard's lock; the queue of extents under pool_lock.
 * Memory:  the queues; room in them is had before a block is taken or given back, so that none is lost where they cannot grow
 */
#include <assert.h>
#include <stdlib.h>

#include "grow.h"
#include "heap_internal.h"

/* Whether nobody can come across the freed memory any more. */
static bool is_over(struct heap *heap, const struct heap_freed *freed)
{
    uint64_t epoch = __atomic_load_n(&heap->epoch, __ATOMIC_SEQ_CST);

    if (freed->sequence && lane_is_live(&heap->lanes->lanes[freed->lane], freed->sequence))
        return false;
    if (freed->epoch >= epoch)
        __atomic_fetch_add(&heap->epoch, 1, __ATOMIC_SEQ_CST);
    return heap->oldest_pin(heap->oldest_pin_context) > freed->epoch;
}

/* -- room -- */

static bool reserve_in_shard(struct heap_shard *owner)
{
    size_t more = owner->quarantine_capacity ? owner->quarantine_capacity * 2 : 64;
    struct heap_freed *bigger;

    if (owner->quarantine_count + owner->quarantine_owed < owner->quarantine_capacity)
        return true;
    bigger = malloc(more * sizeof(*bigger));
    if (!bigger)
        return false;
    for (size_t i = 0; i < owner->quarantine_count; i++)
        bigger[i] = owner->quarantine[(owner->quarantine_head + i) & (owner->quarantine_capacity - 1)];
    free(owner->quarantine);
    owner->quarantine = bigger;
    owner->quarantine_capacity = more;
    owner->quarantine_head = 0;
    return true;
}

static bool reserve_run(struct heap *heap)
{
    return grow(&heap->runs, &heap->runs_capacity, heap->runs_count + heap->runs_owed + 1, sizeof(*heap->runs));
}

int heap_block_reserve(struct heap *heap, struct tx *tx, uint32_t shard, uint64_t size)
{
    if (size >= EXTENT_SIZE)
        heap_lock_pool_words(heap, tx);
    return tx_reserve_block(tx) && (size >= EXTENT_SIZE ? reserve_run(heap) : reserve_in_shard(&heap->shards[shard]))
               ? SDB_OK
               : SDB_ENOMEM;
}

void heap_block_note(struct heap *heap, struct tx *tx, enum tx_block_kind kind, uint32_t shard, uint64_t offset, uint64_t size)
{
    tx_add_block(tx, kind, shard, offset, size);
    if (size >= EXTENT_SIZE)
        heap->runs_owed++;
    else
        heap->shards[shard].quarantine_owed++;
}

void heap_block_forget(struct heap *heap, const struct tx_block *block)
{
    if (block->size >= EXTENT_SIZE)
        heap->runs_owed--;
    else
        heap->shards[block->shard].quarantine_owed--;
}

/* -- in and out -- */

void heap_quarantine_add(struct heap *heap, uint32_t shard, const struct heap_freed *freed)
{
    struct heap_shard *owner = &heap->shards[shard];

    assert(owner->quarantine_count < owner->quarantine_capacity);
    owner->quarantine[(owner->quarantine_head + owner->quarantine_count++) & (owner->quarantine_capacity - 1)] = *freed;
}

void heap_quarantine_add_run(struct heap *heap, const struct heap_freed *freed)
{
    assert(heap->runs_count < heap->runs_capacity);
    heap->runs[heap->runs_count++] = *freed;
}

/* The block, or the pages of a run, are available again. */
static void give_back(struct heap *heap, uint32_t shard, const struct heap_freed *freed)
{
    uint32_t number = heap_page_number(freed->offset);
    struct heap_page *page = heap_page(heap, number);

    if (page->type == PAGE_BLOCKS) {
        unsigned i = (unsigned)((freed->offset - heap_page_start(number)) / heap_class_sizes[page->size_class]);

        page->used[i / 64] &= ~(1ull << (i % 64));
        page->available++;
        page->hint = (uint16_t)(i / 64);
        heap_room_add(heap, shard, number);
        if (page->available == page->blocks)
            heap_page_release(heap, shard, number);
        return;
    }
    for (uint32_t i = 0; i < freed->size >> PAGE_SHIFT_POOL; i++) {
        heap_page(heap, number + i)->type = PAGE_FREE;
        heap_page_release(heap, shard, number + i);
    }
}

/* Retires the lanes that hold back what is first in the queue. Only who holds no lane may do it. */
static bool force_over(struct heap *heap, const struct heap_freed *freed)
{
    if (freed->sequence && lane_is_live(&heap->lanes->lanes[freed->lane], freed->sequence) &&
        lanes_retire(heap->lanes, freed->lane) != SDB_OK)
        return false;
    return is_over(heap, freed);
}

void heap_release(struct heap *heap, uint32_t shard, bool force)
{
    struct heap_shard *owner = &heap->shards[shard];
    unsigned budget = 8;

    while (owner->quarantine_count && (force || budget-- > 0)) {
        const struct heap_freed *freed = &owner->quarantine[owner->quarantine_head];

        if (!is_over(heap, freed) && !(force && force_over(heap, freed)))
            return;
        give_back(heap, shard, freed);
        owner->quarantine_head = (owner->quarantine_head + 1) & (owner->quarantine_capacity - 1);
        owner->quarantine_count--;
    }
}

void heap_release_runs(struct heap *heap, bool force)
{
    size_t kept = 0;

    for (size_t i = 0; i < heap->runs_count; i++) {
        const struct heap_freed *freed = &heap->runs[i];
        uint32_t first = heap_extent_of(freed->offset);
        uint32_t count = (uint32_t)(freed->size >> EXTENT_SHIFT);

        if (!is_over(heap, freed) && !(force && force_over(heap, freed))) {
            heap->runs[kept++] = *freed;
            continue;
        }
        for (uint32_t e = first; e < first + count; e++)
            heap->extent_taken[e] = 0;
        __atomic_fetch_add(&heap->extents_free, count, __ATOMIC_RELAXED);
        if (first < heap->extent_hint)
            heap->extent_hint = first;
    }
    heap->runs_count = kept;
}
