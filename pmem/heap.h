/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * heap.h - hands out and takes back the pool's memory: extents, pages, blocks of size classes, runs, handle entries
 *
 * Media:   extent map words, struct sdb_m_extent (page words, block bitmaps)
 * Commit:  an allocation or a free is staged words of the transaction that publishes or unlinks (D5). What a crash leaves
 *          allocated is exactly what is reachable.
 * Holds:
 *  1. A block's bit on the medium is set from the commit that publishes it to the commit that unlinks it (DURABILITY.md, E9).
 *  2. In DRAM a block is unavailable from its allocation until, after its free was committed, the record that freed it is dead
 *     (lane.h) and no reader can hold a view of it: the quarantine (E10).
 *  3. Handle entries have no bitmap: an entry is free where its type is 0. A page of entries stays one for ever, so that
 *     generations go on and stale handles are told (E11).
 *  4. What is known of an extent in DRAM is read from its header at first use: opening a pool reads only the extent map.
 *  5. DRAM that runs out makes an operation fail before it takes a block, so that no block is ever lost to a list that cannot
 *     grow: room in the transaction and in the quarantine is had first (heap_block_reserve).
 *  6. What was rolled back stays as it is in DRAM, with nothing on the medium; the words are staged again at next use
 *     (page_stage).
 * Threads: a shard's part under the shard's lock; extents of the pool, and their map words, under pool_lock, which the
 *          transaction keeps until its end; heap_is_entry by any reader.
 * Memory:  a descriptor for each extent in use, bitmaps for the pages that are looked at, the quarantine.
 */
#ifndef SDB_PMEM_HEAP_H
#define SDB_PMEM_HEAP_H

#include <stdbool.h>
#include <stdint.h>

#include "file.h"
#include "lane.h"
#include "layout.h"
#include "lock.h"
#include "tx.h"

#define HEAP_SIZE_CLASSES 32u /* of blocks of any use */
#define HEAP_CLASSES 35u      /* with those of index segments, small and large, and of the nodes of collections */
#define HEAP_CLASS_NODE 34u
#define HEAP_NO_PAGE 0u /* page 0 is the pool's metadata */

struct heap_page {
    uint64_t *used; /* bit set: not available; NULL: not read from the medium yet */
    uint32_t next, previous; /* in the list of its class's pages with room; HEAP_NO_PAGE: none */
    uint16_t blocks;
    uint16_t available;
    uint16_t hint;  /* word of `used` to look at first */
    uint8_t type;   /* enum page_type */
    uint8_t size_class;
    uint8_t run;
    uint8_t listed;
};

struct heap_extent {
    struct heap_page pages[PAGES_PER_EXTENT];
    uint32_t free_pages; /* PAGE_FREE, or PAGE_BLOCKS with every block available */
    bool is_lasting;     /* has pages of entries or segments, which stay: others go here too, blobs rather not */
};

struct heap_freed {
    uint64_t offset;
    uint64_t size;
    uint64_t sequence; /* of the record that freed it; 0: a rollback did */
    uint64_t epoch;
    uint32_t lane;
    uint32_t entry_of_shard;
};

struct heap_shard {
    bool index_lost; /* Immutable after open: the medium has extents of the shard and no directory */
    /* Owner: the holder of the shard's lock. */
    uint32_t room[HEAP_CLASSES]; /* lists of pages with available blocks, by class */
    uint32_t entry_room;         /* list of entry pages with free entries */
    uint32_t *extents;           /* indices of the extents that belong to the shard */
    uint32_t extent_count;
    uint32_t extent_capacity;
    uint32_t scanned;            /* extents[0..scanned) were loaded and listed */
    uint32_t entry_scan_extent;  /* where the search for entry pages not yet listed goes on */
    uint32_t entry_scan_page;
    bool no_free_pages[2];       /* a search found none, and none was emptied since; by is_lasting */
    struct heap_freed *quarantine; /* ring */
    size_t quarantine_head, quarantine_count, quarantine_capacity;
    size_t quarantine_owed; /* blocks of the open transaction, which may come: there is room for them */
    /* Atomic, relaxed; stored by the lock's holder: bytes of blocks that commits took less those that they gave back. */
    int64_t block_bytes;
};

/* The lowest epoch that a reader pins, or UINT64_MAX. */
typedef uint64_t heap_oldest_pin(void *context);

struct heap {
    struct pool_file *file;
    struct lanes *lanes;
    struct heap_shard *shards;
    uint32_t shard_count;
    uint32_t extent_max;          /* extents of the pool at its largest */
    struct heap_extent **extents; /* by extent index; NULL: not loaded. Owner: the shard's lock */
    uint8_t *page_types;          /* enum page_type + 1 by page, 0: look. Atomic: released when the page is ready */
    heap_oldest_pin *oldest_pin;
    void *oldest_pin_context;
    struct lock pool_lock;
    /* Owner: the holder of pool_lock. */
    uint8_t *extent_taken;        /* 1: not available */
    uint32_t extent_hint;
    struct heap_freed *runs;      /* quarantine of extents */
    size_t runs_count, runs_capacity, runs_owed; /* as quarantine_owed */
    /* Atomic. */
    uint32_t extent_count; /* extents of the file as it is now; released by heap_grown */
    uint64_t epoch;
    uint32_t extents_free;
    uint64_t freed_bytes; /* by commits, since the pool was opened; approximate where they meet */
};

/* Reads the extent map; damaged words of it cost their extents, not the pool. Errors: SDB_ENOMEM. Owner: heap_close. */
int heap_open(struct heap *heap, struct pool_file *file, struct lanes *lanes, heap_oldest_pin *oldest_pin, void *context);
void heap_close(struct heap *heap);

/* After pool_file_grow; one thread at a time. Extents that are taken meanwhile are old ones. */
void heap_grown(struct heap *heap);

/* Bytes of a block by class; those of index segments come last. */
extern const uint16_t heap_class_sizes[HEAP_CLASSES];

/* The bytes that a block for size bytes takes. */
uint64_t heap_block_size(uint64_t size);

/*
 * Takes a block for size bytes, aligned to 16 bytes, to 64 where size is a multiple of 64. The caller fills it and adds the range
 * to the transaction. Errors: SDB_ENOSPC, SDB_ENOMEM, SDB_ECORRUPT; the caller rolls the operation back.
 */
int heap_alloc(struct heap *heap, struct tx *tx, uint32_t shard, uint64_t size, uint64_t *offset);

/* As heap_alloc, for an index segment (code as index_segment_buckets): on pages of their own. */
int heap_alloc_segment(struct heap *heap, struct tx *tx, uint32_t shard, unsigned code, uint64_t *offset);

/* As heap_alloc, for a node of a collection: TREE_NODE_SIZE bytes, aligned to as many, on pages of their own, by which they are found. */
int heap_alloc_node(struct heap *heap, struct tx *tx, uint32_t shard, uint64_t *offset);

/* Whether a class is one of index segments, which stay. */
static inline bool heap_class_is_segment(unsigned size_class)
{
    return size_class >= HEAP_SIZE_CLASSES && size_class < HEAP_CLASS_NODE;
}

/* Gives a block back, with the commit. Errors: SDB_ECORRUPT: no such block is allocated. */
int heap_free(struct heap *heap, struct tx *tx, uint32_t shard, uint64_t offset);

/* Memory for a record's body: reserved in DRAM, free on the medium. */
int heap_reserve_body(struct heap *heap, struct tx *tx, uint32_t shard, uint64_t size, uint64_t *offset);

/* A free handle entry; the caller stages its words. heap_free_entry: the caller stages the free entry's words. */
int heap_alloc_entry(struct heap *heap, struct tx *tx, uint32_t shard, uint64_t *offset);
void heap_free_entry(struct tx *tx, uint32_t shard, uint64_t offset);

/* After the commit as record `sequence` of a lane, before the locks are released. */
void heap_committed(struct heap *heap, const struct tx *tx, uint32_t lane, uint64_t sequence);

/* Before tx_rollback to the mark: gives back what was taken since. */
void heap_rollback(struct heap *heap, const struct tx *tx, size_t blocks_mark);

/* Lets go of what the quarantine need not keep any more. force: retires lanes where that helps. Under the shard's lock. */
void heap_release(struct heap *heap, uint32_t shard, bool force);

/*
 * Gives up to HEAP_TRIM_MAX of the shard's extents that hold nothing back to the pool; says how many. Staged: they can be taken after
 * the commit. The caller commits at once, and rolls nothing back.
 */
#define HEAP_TRIM_MAX 32u /* a map word each: so many fit a record in the smallest ring */
uint32_t heap_trim(struct heap *heap, struct tx *tx, uint32_t shard);

/* The shard that owns the extent of a file offset, as the transaction sees the map; false: the map's word is damaged. */
bool heap_owner(const struct heap *heap, const struct tx *tx, uint64_t offset, uint32_t *shard);

bool heap_page_is_entries_slow(struct heap *heap, uint64_t page);

/* Whether a file offset is that of a handle entry: safe for any number, from anywhere. */
static inline bool heap_is_entry(struct heap *heap, uint64_t offset)
{
    uint64_t page = offset >> PAGE_SHIFT_POOL;
    uint8_t type;

    if (offset >= (uint64_t)heap->extent_max << EXTENT_SHIFT || offset % ENTRY_SIZE)
        return false;
    type = __atomic_load_n(&heap->page_types[page], __ATOMIC_ACQUIRE); /* pairs with heap_page_type_set */
    if (__builtin_expect(type == PAGE_ENTRIES + 1, 1))
        return true;
    return type == 0 && heap_page_is_entries_slow(heap, page);
}

/* Takes pool_lock for the transaction, once: for map and root words. The session releases it at the transaction's end. */
void heap_lock_pool_words(struct heap *heap, struct tx *tx);

/* Loads an extent's descriptor. Errors: SDB_ECORRUPT, SDB_ENOMEM. Under its shard's lock. */
int heap_extent_load(struct heap *heap, uint32_t extent);

#endif
