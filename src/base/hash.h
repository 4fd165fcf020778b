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

/* The same of a key that is short as a rule: no call for what the library's own first branch is for. */
static inline uint64_t hash_short_key(uint64_t seed, const void *key, size_t size)
{
    if (__builtin_expect(size <= 16, 1))
        return (uint64_t)XXH3_len_0to16_64b(key, size, XXH3_kSecret, (XXH64_hash_t)seed);
    return hash_key(seed, key, size);
}

#endif
