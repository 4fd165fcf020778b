/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * word.h - encodes and verifies the words of layout.h that carry their own check bits. Pure: touches no medium.
 *
 * Each check is the top 16 bits of a product modulo 2^64. The multipliers were searched for so that no damage to a single
 * byte, whatever its place and value, leaves the check as it was; tests/unit/test_word.c tries them all. Other damage
 * goes unnoticed once in 65,536 times.
 */
#ifndef SDB_PMEM_WORD_H
#define SDB_PMEM_WORD_H

#include <stdbool.h>
#include <stdint.h>

#include "layout.h"

#define WORD_MULTIPLIER_0 0xf2a74de452e6b439ull
#define WORD_MULTIPLIER_1 0x6513270e269e0d37ull
#define WORD_MULTIPLIER_2 0x0c5c7fd0a6a3a451ull
#define WORD_MULTIPLIER_3 0xd23f0824128b2f33ull
#define WORD_MULTIPLIER_4 0x1818e811892f902bull
#define INDEX_CHECK_SEED 0xa5u

static inline uint64_t checked_word_check(uint64_t value, uint64_t offset)
{
    return ((value ^ (offset << 13)) * WORD_MULTIPLIER_0) >> 48;
}

/* The checked word for value (48 bits) at a file offset. Value 0 is the word 0. */
static inline uint64_t checked_word(uint64_t value, uint64_t offset)
{
    return value ? value | checked_word_check(value, offset) << CHECKED_VALUE_BITS : 0;
}

/* Takes the value out of a checked word. False: the word is damaged, or was written for another place. */
static inline bool checked_value(uint64_t word, uint64_t offset, uint64_t *value)
{
    uint64_t v = word & CHECKED_VALUE_MASK;

    *value = v;
    return word == 0 || (v != 0 && word >> CHECKED_VALUE_BITS == (checked_word_check(v, offset) & 0xffff));
}

/*
 * -- words that are never 0, so that one that was lost, and reads as zero, is told: of the root, of lanes' and collections' headers --
 */
#define NONZERO_VALUE_MAX ((1ull << (CHECKED_VALUE_BITS - 1)) - 1)
static inline uint64_t nonzero_word(uint64_t value, uint64_t offset)
{
    return checked_word(value | (NONZERO_VALUE_MAX + 1), offset);
}
static inline bool nonzero_word_value(uint64_t word, uint64_t offset, uint64_t *value)
{
    const bool good = checked_value(word, offset, value) && *value > NONZERO_VALUE_MAX;

    *value &= NONZERO_VALUE_MAX;
    return good;
}

/* -- extent map and page words -- */
static inline uint64_t extent_value(unsigned state, unsigned shard, uint64_t run)
{
    return (uint64_t)state | (uint64_t)shard << 2 | run << 12;
}
static inline unsigned extent_value_state(uint64_t v) { return (unsigned)(v & 3); }
static inline unsigned extent_value_shard(uint64_t v) { return (unsigned)(v >> 2 & 1023); }
static inline uint64_t extent_value_run(uint64_t v) { return v >> 12 & 0xfffff; }

static inline uint64_t page_value(unsigned type, unsigned size_class, unsigned run)
{
    return (uint64_t)type | (uint64_t)size_class << 3 | (uint64_t)run << 9;
}
static inline unsigned page_value_type(uint64_t v) { return (unsigned)(v & 7); }
static inline unsigned page_value_class(uint64_t v) { return (unsigned)(v >> 3 & 63); }
static inline unsigned page_value_run(uint64_t v) { return (unsigned)(v >> 9 & 127); }

/* -- directory words: [local depth 6 | size code 2 | segment offset / 64 : 40] -- */
static inline uint64_t directory_value(unsigned depth, unsigned size_code, uint64_t segment_offset)
{
    return (uint64_t)depth | (uint64_t)size_code << 6 | (segment_offset >> 6) << 8;
}
static inline unsigned directory_value_depth(uint64_t v) { return (unsigned)(v & 63); }
static inline unsigned directory_value_code(uint64_t v) { return (unsigned)(v >> 6 & 3); }
static inline uint64_t directory_value_segment(uint64_t v) { return (v >> 8) << 6; }

/* -- shard header's directory reference: [global depth 6 | block offset / 64 : 42] -- */
static inline uint64_t root_value(unsigned depth, uint64_t directory_offset)
{
    return (uint64_t)depth | (directory_offset >> 6) << 6;
}
static inline unsigned root_value_depth(uint64_t v) { return (unsigned)(v & 63); }
static inline uint64_t root_value_directory(uint64_t v) { return (v >> 6) << 6; }

/* -- index words: [check 8 | tag 16 | entry offset / 32 : 40] -- */
static inline uint64_t index_word_check(uint64_t low56)
{
    uint64_t x = low56;

    x ^= x >> 32;
    x ^= x >> 16;
    x ^= x >> 8;
    return (x ^ INDEX_CHECK_SEED) & 0xff;
}
static inline uint64_t index_word(uint16_t tag, uint64_t entry_offset)
{
    uint64_t w = (uint64_t)tag << 40 | entry_offset >> ENTRY_SHIFT;

    return w | index_word_check(w) << 56;
}
static inline bool index_word_valid(uint64_t w)
{
    return w == 0 || w >> 56 == index_word_check(w & 0x00ffffffffffffffull);
}
static inline uint16_t index_word_tag(uint64_t w) { return (uint16_t)(w >> 40); }
static inline uint64_t index_word_entry(uint64_t w) { return (w & 0xffffffffffull) << ENTRY_SHIFT; }
#define INDEX_TAG_MASK (0xffffull << 40)

/* -- entries -- */
static inline unsigned meta_type(uint64_t m) { return (unsigned)(m & 15); }
static inline unsigned meta_database(uint64_t m) { return (unsigned)(m >> META_DATABASE_SHIFT & 255); }
static inline unsigned meta_key_code(uint64_t m) { return (unsigned)(m >> META_KEY_SHIFT & CODE_MASK); }
static inline unsigned meta_value_code(uint64_t m) { return (unsigned)(m >> META_VALUE_SHIFT & CODE_MASK); }
static inline uint16_t meta_generation(uint64_t m) { return (uint16_t)(m >> META_GENERATION_SHIFT); }
static inline uint8_t meta_version(uint64_t m) { return (uint8_t)(m >> META_VERSION_SHIFT); }

/* The check bits of an entry at an offset; meta's own check and busy bits do not count. */
static inline uint64_t entry_check(const uint64_t words[4], uint64_t offset)
{
    uint64_t meta = words[0] & ~META_BUSY & ((1ull << META_CHECK_SHIFT) - 1);

    return (meta * WORD_MULTIPLIER_0 + words[1] * WORD_MULTIPLIER_1 + words[2] * WORD_MULTIPLIER_2 +
            words[3] * WORD_MULTIPLIER_3 + offset * WORD_MULTIPLIER_4) >>
           48;
}

/* Puts the check bits into words[0]. */
static inline void entry_seal(uint64_t words[4], uint64_t offset)
{
    words[0] = (words[0] & ((1ull << META_CHECK_SHIFT) - 1)) | entry_check(words, offset) << META_CHECK_SHIFT;
}

/* An entry that is all zero is free and valid. */
static inline bool entry_valid(const uint64_t words[4], uint64_t offset)
{
    return words[0] >> META_CHECK_SHIFT == entry_check(words, offset) ||
           (words[0] | words[1] | words[2] | words[3]) == 0;
}

/* -- blob references: [block offset / 16 : 44 | 0 : 4 | low bits of the blob's checksum 16], check bits highest -- */
static inline uint64_t blob_reference(uint64_t offset, uint32_t checksum)
{
    return offset >> 4 | (uint64_t)(checksum & 0xffff) << 48;
}
static inline uint64_t blob_reference_offset(uint64_t r) { return (r & ((1ull << 44) - 1)) << 4; }
static inline uint16_t blob_reference_check(uint64_t r) { return (uint16_t)(r >> 48); }

#endif
