/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * check_internal.h - what the parts of the checker know together
 *
 *     check.c        the order of things; superblock, root, counters, lanes
 *     check_heap.c   extent map, extent headers, page words, bitmaps; who uses which block, and which nobody does
 *     check_index.c  directories, segments, index words
 *     check_entry.c  entries and blobs
 *     check_tree.c   large collections
 */
#ifndef SDB_PMEM_CHECK_INTERNAL_H
#define SDB_PMEM_CHECK_INTERNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "check.h"
#include "layout.h"
#include "persist.h"
#include "word.h"

#define CLAIM_UNIT 16u /* blocks begin at multiples of it: a bit of the claims for each */
#define CLAIM_WORDS (EXTENT_SIZE / CLAIM_UNIT / 64)

struct check_page {
    uint8_t type; /* enum page_type; what is damaged counts as PAGE_FREE */
    uint8_t size_class;
    uint8_t run;
};

/* What the map and the header of an extent say, as far as they are to be believed. */
struct check_extent {
    uint8_t state; /* enum extent_state; what is damaged counts as EXTENT_FREE */
    bool claimed;  /* EXTENT_RUN: somebody uses it */
    uint16_t shard;
    uint32_t run;
    uint64_t *claims; /* EXTENT_PAGES: a bit for each place that a reference was found to */
    struct check_page pages[PAGES_PER_EXTENT];
};

/* A shard's directory, as far as it is to be believed. */
struct check_shard {
    bool present;
    unsigned depth;
    uint64_t directory;
};

struct check {
    const struct pool_file *file;
    sdb_check_fn *report;
    void *context;
    struct sdb_check *result;
    uint32_t first_extent, extent_count;
    struct check_extent *extents; /* by extent index */
    struct check_shard *shards;
    uint64_t database_ids[DATABASE_IDS / 64]; /* physical numbers that keys may have */
    bool database_ids_known;                  /* the words that say so are not damaged */
    uint64_t keys[DATABASE_IDS], expiring[DATABASE_IDS];
};

/* Counts and reports a problem at a file offset. */
void check_problem(struct check *check, uint64_t offset, const char *format, ...) __attribute__((format(printf, 3, 4)));

static inline uint64_t check_load(const struct check *check, uint64_t offset)
{
    return persist_load((const uint64_t *)(const void *)(check->file->base + offset));
}

/* The value of the checked word at offset, which lies in the pool. False: reported as damage to `what`. */
bool check_word(struct check *check, uint64_t offset, const char *what, uint64_t *value);

/* Reports bytes from offset on that are not zero. size is a multiple of 8. */
void check_zeros(struct check *check, uint64_t offset, uint64_t size, const char *what);

/* ---- check_heap.c ---- */

/* Reads the extent map and the extents' headers. Errors: SDB_ENOMEM. */
int check_heap_read(struct check *check);

/* Reports what is allocated and used by nobody. */
void check_heap_leaks(struct check *check);

void check_heap_free(struct check *check);

/* How many bytes the allocated block that begins at offset has; 0: none does. Safe for any offset. */
uint64_t check_block_size(const struct check *check, uint64_t offset);

/*
 * Notes that the word at `from` leads to the block at `offset`, of a shard, where `size` bytes are needed. False:
 * reported, and nothing there may be used: no such block, another shard's, too small, or in use already.
 */
bool check_claim_block(struct check *check, uint64_t from, uint64_t offset, uint64_t size, uint32_t shard,
                       const char *what);

/* The same for the entry that an index word leads to. */
bool check_claim_entry(struct check *check, uint64_t from, uint64_t offset, uint32_t shard);

/* Whether offset is that of an entry of any shard, and whether an index word was found that leads to it. */
bool check_is_entry(const struct check *check, uint64_t offset);
bool check_is_claimed(const struct check *check, uint64_t offset);

/* The shard whose block or extent is at the offset; safe for any. */
bool check_shard_of(const struct check *check, uint64_t offset, uint32_t *shard);

/* Whether the block at the offset is one for nodes of collections. */
bool check_is_node(const struct check *check, uint64_t offset);

/* ---- check_tree.c ---- */

/* The tree to which the word at `from` leads, all of it. */
void check_tree(struct check *check, uint64_t from, uint64_t header, unsigned type);

/* The trees that wait to be reclaimed. After check_entries: what is in use is no longer to be claimed. */
void check_dropped(struct check *check);

/* ---- check_index.c ---- */

void check_indexes(struct check *check);

/* The offset of the index word for an entry with this hash, 0: none where the hash leads to. */
uint64_t check_index_find(const struct check *check, uint32_t shard, uint64_t hash, uint64_t entry);

/* Calls visit with every other entry in the hash's buckets that has the hash's tag. */
typedef void check_visit_fn(struct check *check, void *context, uint64_t entry);
void check_index_neighbours(struct check *check, uint32_t shard, uint64_t hash, uint64_t entry, check_visit_fn *visit,
                            void *context);

/* ---- check_entry.c ---- */

/* The blob that the word at `from` refers to. False: reported, and its bytes must not be used. */
bool check_blob(struct check *check, uint64_t from, uint64_t reference, uint32_t shard, uint32_t size_max, const char *what);

/* Every entry of every page of entries, with its blobs and its way through the index. After check_indexes. */
void check_entries(struct check *check);

#endif
