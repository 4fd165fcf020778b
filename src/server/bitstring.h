/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bitstring.h - values as strings of bits. Bit 0 is the first byte's most significant one.
 */
#ifndef SDB_SERVER_BITSTRING_H
#define SDB_SERVER_BITSTRING_H

#include <stddef.h>
#include <stdint.h>

/* How many of the bits first to last (inclusive) are set. */
uint64_t bitstring_count(const void *data, uint64_t first, uint64_t last);

/* The first of the bits first to last (inclusive) that is `bit`, or -1. */
int64_t bitstring_find(const void *data, uint64_t first, uint64_t last, int bit);

enum bitstring_operation { BITSTRING_AND, BITSTRING_OR, BITSTRING_XOR };

/* target[i] = target[i] operation source[i] for target_size bytes; bytes behind source_size count as zero. */
void bitstring_combine(void *target, size_t target_size, const void *source, size_t source_size,
                       enum bitstring_operation operation);
void bitstring_invert(void *target, size_t size);

/* A field: 1 to 64 bits, the most significant first; an unsigned one has 63 at most. */
struct bitfield_type {
    int is_signed;
    unsigned bits;
};

/* "i1" to "i64" and "u1" to "u63". 1, or 0. */
int bitfield_type_parse(const char *text, size_t size, struct bitfield_type *type);

/*
 * Reads and writes a field in a window of 9 bytes: bit `shift` (0 to 7) of the window's first byte is the field's
 * first one. A signed field is extended to 64 bits.
 */
#define BITFIELD_WINDOW 9
int64_t bitfield_read(const unsigned char window[BITFIELD_WINDOW], unsigned shift, struct bitfield_type type);
void bitfield_write(unsigned char window[BITFIELD_WINDOW], unsigned shift, struct bitfield_type type, int64_t value);

enum bitfield_overflow { BITFIELD_WRAP, BITFIELD_SATURATE, BITFIELD_FAIL };

/*
 * value + delta in a field of this type; *sum is what `overflow` makes of it. 1 where the sum fits, 0 where it
 * overflows (BITFIELD_FAIL: *sum is untouched).
 */
int bitfield_add(int64_t value, int64_t delta, struct bitfield_type type, enum bitfield_overflow overflow,
                 int64_t *sum);

#endif
