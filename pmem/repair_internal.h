/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * repair_internal.h - what the parts of the repair know together
 *
 *     repair.c        the order of things; root, lanes
 *     repair_heap.c   extents and pages: what they are, who claims their blocks; their words, stored anew
 *     repair_index.c  what the index proves of entries; index words that have to go
 *     repair_entry.c  which entries stay
 *     repair_tree.c   whether a collection is whole, and its blocks
 */
#ifndef SDB_PMEM_REPAIR_INTERNAL_H
#define SDB_PMEM_REPAIR_INTERNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "layout.h"
#include "persist.h"
#include "repair.h"
#include "word.h"

#define REPAIR_SLOTS (EXTENT_SIZE / ENTRY_SIZE)
#define REPAIR_UNITS (EXTENT_SIZE / 16u) /* blocks begin at multiples of 16 */

/* Bits by place in an extent. */
struct repair_bits {
    uint64_t indexed[REPAIR_SLOTS / 64]; /* a live entry that its key leads to through the index */
    uint64_t pointed[REPAIR_SLOTS / 64]; /* an index word that is not damaged leads here */
    uint64_t named[REPAIR_SLOTS / 64]; /* an entry that is damaged, and that the index leads to by name: it is counted */
    uint64_t explained[REPAIR_SLOTS / 64]; /* one that is counted although nothing leads to it */
    uint64_t dropped[REPAIR_SLOTS / 64]; /* an entry that goes */
    uint64_t claimed[REPAIR_UNITS / 64]; /* a block that is in use */
};

struct repair_extent {
    uint8_t state;    /* enum extent_state that the pool gets */
    bool established; /* its map word is not damaged, and not zero */
    bool suspicious;  /* map word or header are damaged: its pages are looked at for entries */
    uint16_t shard;
    uint32_t run;
    uint8_t types[PAGES_PER_EXTENT]; /* enum page_type: entries that are known, blocks that are claimed */
    uint8_t classes[PAGES_PER_EXTENT];
    uint8_t runs[PAGES_PER_EXTENT];
    struct repair_bits *bits; /* NULL: nothing was noted yet */
};

struct repair_shard {
    bool lost; /* its index cannot be kept: it is built anew from the entries */
    bool present;
    unsigned depth;
    uint64_t directory;
};

struct repair {
    struct pool_file *file;
    sdb_finding_fn *report;
    void *context;
    struct sdb_repair *result;
    uint32_t first_extent, extent_count;
    struct repair_extent *extents;
    struct repair_shard *shards;
    const uint64_t *closed; /* keys of each database when the pool was closed; NULL: not known */
    uint64_t led[DATABASE_IDS];       /* keys that the index leads to, by name at least */
    uint64_t explained[DATABASE_IDS]; /* those that it does not lead to, for a reason that can be seen */
    bool failed;        /* no memory */
    uint8_t physical[SDB_DATABASES];
    uint64_t dead[DATABASE_IDS / 64];
    uint64_t root_values[24]; /* that the root gets */
};

static inline bool repair_bit(const uint64_t *bits, uint64_t i) { return bits[i / 64] >> i % 64 & 1; }
static inline void repair_bit_set(uint64_t *bits, uint64_t i) { bits[i / 64] |= 1ull << i % 64; }
static inline uint64_t repair_slot(uint64_t offset) { return offset % EXTENT_SIZE / ENTRY_SIZE; }

static inline uint64_t repair_load(const struct repair *repair, uint64_t offset)
{
    return persist_load((const uint64_t *)(const void *)(repair->file->base + offset));
}

/* Stores a word where it differs, and flushes it; the fence is the caller's. */
void repair_store(struct repair *repair, uint64_t offset, uint64_t word);
int repair_fence(struct repair *repair);

/* Tells of something. key NULL: not known. lost: a key is lost by it. */
void repair_tell(struct repair *repair, uint64_t offset, const char *what, unsigned physical, const void *key, size_t key_size,
                 bool lost);

/* ---- repair_heap.c ---- */
void repair_heap_read(struct repair *repair);
struct repair_extent *repair_extent_at(const struct repair *repair, uint64_t offset);
/* The extent's bits, made at first use. NULL: no memory, and repair->failed. */
struct repair_bits *repair_bits_of(struct repair *repair, struct repair_extent *extent);
/* The page of an entry that was proved to be one becomes a page of entries. False: it is another shard's. */
bool repair_entry_page(struct repair *repair, uint64_t offset, uint32_t shard);
/* Looks at the contents of pages whose words are damaged, for entries. */
void repair_guess_pages(struct repair *repair);
/* Notes a block as in use. False: what is there already forbids it. */
enum repair_use { REPAIR_BLOCK, REPAIR_SEGMENT /* of the index */, REPAIR_NODE /* of a collection */ };
bool repair_claim(struct repair *repair, uint64_t offset, uint64_t size, uint32_t shard, enum repair_use use);
/* Stores headers, page words and bitmaps as they have to be, and behind a fence the extent map. Errors: SDB_EIO. */
int repair_heap_store(struct repair *repair);

/* ---- repair_index.c ---- */
void repair_index_read(struct repair *repair);
/* Whether an index word that is not damaged, in its place, leads to the entry. */
bool repair_index_leads(const struct repair *repair, uint32_t shard, uint64_t hash, uint64_t entry);
/* Whether the index leads to an entry of this key, which hash and shard are of. */
bool repair_index_has_key(const struct repair *repair, uint32_t shard, uint64_t hash, unsigned database, const void *key, size_t key_size);
/* Whether damage explains that a key has no index word. */
bool repair_index_explains(const struct repair *repair, uint32_t shard, uint64_t hash);
/* Tells of index words that lead to entries which are no more: their keys are lost, and not known. */
void repair_index_tell(struct repair *repair);
/* Claims the blocks of the indexes that can be kept. */
void repair_index_claim(struct repair *repair);
void repair_index_store(struct repair *repair);

/* ---- repair_tree.c ---- */
/* What is wrong with an entry's collection; NULL: nothing, and its blocks are claimed. */
const char *repair_tree(struct repair *repair, uint64_t header, unsigned type, uint32_t entry_shard);

/* ---- repair_entry.c ---- */
void repair_entries_judge(struct repair *repair, bool indexed);
void repair_entries_count(const struct repair *repair, uint64_t counts[DATABASE_IDS]);
/* Entries that go, in the order in which they may: a fence belongs behind each turn. */
enum repair_turn { REPAIR_UNLED, REPAIR_EXPLAINED, REPAIR_LED /* to, by the index */ };
void repair_entries_store(struct repair *repair, enum repair_turn turn);
static inline void repair_load_entry(const struct repair *repair, uint64_t offset, uint64_t words[4])
{
    for (unsigned i = 0; i < 4; i++)
        words[i] = repair_load(repair, offset + i * WORD_SIZE);
}

#endif
