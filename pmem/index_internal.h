/* SPDX-License-Identifier: BSD-3-Clause */
/* index_internal.h - between index.c (finding, inserting) and index_grow.c (segments and directories) */
#ifndef SDB_PMEM_INDEX_INTERNAL_H
#define SDB_PMEM_INDEX_INTERNAL_H

#include "index.h"

/* The bits of the hash behind the shard's, `depth` of them. */
static inline uint64_t index_directory_slot(const struct pool_file *file, uint64_t hash, unsigned depth)
{
    unsigned shard_bits = (unsigned)__builtin_ctz(file->superblock.shards);

    return depth ? (hash << shard_bits) >> (64 - depth) : 0;
}

static inline uint32_t index_bucket(uint64_t hash, uint32_t buckets)
{
    return (uint32_t)(((hash * 0x9e3779b97f4a7c15ull >> 32) * buckets) >> 32);
}

/* The other bucket of a word, from its tag alone: an involution. */
static inline uint32_t index_other_bucket(uint32_t bucket, uint16_t tag, uint32_t buckets)
{
    uint32_t sum = (uint32_t)(((uint64_t)(tag * 0x85ebca6bu) * buckets) >> 32);

    return sum >= bucket ? sum - bucket : sum + buckets - bucket;
}

static inline uint64_t index_bucket_offset(uint64_t segment, uint32_t bucket)
{
    return segment + (uint64_t)bucket * LINE_SIZE;
}

/* Makes room where both buckets of the hash are full: a larger segment or two. Errors: those of heap_alloc, SDB_ECORRUPT. */
int index_grow(struct heap *heap, struct tx *tx, uint32_t shard, uint64_t hash);

/* A shard's first directory and segment. */
int index_create(struct heap *heap, struct tx *tx, uint32_t shard);

#endif
