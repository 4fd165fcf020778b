/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * hash.h - the hash of keys, and the 64-bit checksum of larger structures: XXH3, inlined
 */
#ifndef SDB_BASE_HASH_H
#define SDB_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

/* The seed differs from pool to pool, so that nobody can prepare keys that meet in one bucket. */
static inline uint64_t hash_key(uint64_t seed, const void *key, size_t size)
{
    return (uint64_t)XXH3_64bits_withSeed(key, size, (XXH64_hash_t)seed);
}

#endif
