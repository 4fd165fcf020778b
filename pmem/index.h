/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * index.h - from a key to its entry: an extendible hash index in the pool, one for each shard
 *
 * Media:   struct sdb_m_shard, directories, segments of buckets of eight index words
 * Commit:  inserting and removing stage one index word (two where a word moves to its other bucket). A segment that is full is
 *          built anew, larger or as two halves, as a fresh range, and published by directory words in the same commit.
 * Holds:
 *  1. Every live entry has exactly one index word, in one of the two buckets that its hash names, in the segment that its hash
 *     leads to; the word's tag is the hash's (DURABILITY.md, E13).
 *  2. All directory words of a segment are side by side, 2^(depth - local depth) of them, and equal but for their check bits.
 *  3. A reader without a lock may meet memory that was freed and reused: every word is verified and every offset bounded
 *     before it is followed, what it finds is compared with the key, and a miss counts only if the shard's
 *     sequence did not change meanwhile (E14, E17).
 * Source:  extendible hashing (Fagin et al. 1979), two choices with moves by partial key (Fan et al., Cuckoo Filter, 2014).
 */
#ifndef SDB_PMEM_INDEX_H
#define SDB_PMEM_INDEX_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "entry.h"
#include "heap.h"

struct index_key {
    const void *data;
    size_t size;
    uint64_t words[2]; /* of a key that may stand inline: its bytes, padded with zeros, as an entry holds them */
    uint64_t hash;
    uint32_t shard;
    uint32_t database; /* physical number */
};

struct index_found {
    uint64_t entry; /* file offset of the entry */
    uint64_t word;  /* file offset of its index word; 0: not looked for */
    uint64_t words[4];
};

enum index_result {
    INDEX_FOUND,
    INDEX_MISSING,
    INDEX_DAMAGED, /* a word or entry on the way is damaged, or is being changed; error_set says which under the lock */
};

/* Copies up to 16 bytes, without a call of memcpy for sizes that are known only now. */
static inline void index_load_words(uint64_t words[2], const uint8_t *data, size_t size)
{
    if (size >= 8) {
        uint64_t last;

        memcpy(&words[0], data, 8);
        if (size > 8) {
            memcpy(&last, data + size - 8, 8);
            words[1] = last >> (16 - size) * 8;
        }
    } else if (size >= 4) {
        uint32_t first, last;

        memcpy(&first, data, 4);
        memcpy(&last, data + size - 4, 4);
        words[0] = first | (uint64_t)last << (size - 4) * 8;
    } else if (size) {
        words[0] = data[0] | (uint64_t)data[size / 2] << (size / 2) * 8 | (uint64_t)data[size - 1] << (size - 1) * 8;
    }
}

/* Hash and shard of a key. */
void index_key_init(struct index_key *key, const struct pool_file *file, unsigned database, const void *data, size_t size);

/* Without a lock: MISSING and DAMAGED are to be taken for true only if the shard's sequence stayed. */
enum index_result index_find(struct heap *heap, const struct index_key *key, struct index_found *found);

/* Under the shard's lock, with the transaction's staged words. */
enum index_result index_find_staged(struct heap *heap, const struct tx *tx, const struct index_key *key,
                                    struct index_found *found);

/*
 * Whether an entry that was the key's a while ago still is; then found is as index_find fills it in, but for word, which is 0.
 * Without a lock and a transaction, or under the shard's lock with one.
 */
bool index_entry_is(const struct heap *heap, const struct tx *tx, const struct index_key *key, uint64_t entry,
                    struct index_found *found);

/* As entry_compare_key. */
enum entry_compare index_compare(const struct pool_file *file, const uint64_t words[4], const struct index_key *key);

/* Stages the word of an entry that is not there yet. Errors: those of heap_alloc, SDB_ECORRUPT. */
int index_insert(struct heap *heap, struct tx *tx, const struct index_key *key, uint64_t entry, uint64_t *splits);

/* Stages the removal of a word that index_find_staged found. */
void index_remove(struct tx *tx, uint64_t word);

/* Where the key's word may stand; for checks. False: no segment, or damage on the way. */
struct index_place {
    uint64_t segment; /* file offset */
    uint32_t buckets;
    uint32_t bucket[2];
};
enum index_result index_place(const struct heap *heap, const struct tx *tx, uint32_t shard, uint64_t hash,
                              struct index_place *place);

static inline uint64_t index_shard_offset(const struct pool_file *file, uint32_t shard)
{
    return file->superblock.shards_offset + (uint64_t)shard * sizeof(struct sdb_m_shard);
}
static inline uint32_t index_segment_buckets(unsigned code)
{
    return code ? SEGMENT_BUCKETS_LARGE : SEGMENT_BUCKETS_SMALL;
}
static inline uint16_t index_tag(uint64_t hash) { return (uint16_t)hash; }

#endif
