/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bitstring.c - values as strings of bits
 * Threads: any. Memory: none.
 */
#include "bitstring.h"

#include <string.h>

#include "number.h"

/* The byte with only the bits first to last (0: the most significant) left. */
static unsigned char byte_part(unsigned char byte, unsigned first, unsigned last)
{
    return (unsigned char)(byte & (0xffu >> first) & (0xffu << (7 - last)));
}

static uint64_t count_words(const unsigned char *data, size_t size)
{
    uint64_t count = 0;
    uint64_t word;
    size_t i = 0;

    for (; i + 8 <= size; i += 8) {
        memcpy(&word, data + i, 8);
        count += (uint64_t)__builtin_popcountll(word);
    }
    for (; i < size; i++)
        count += (uint64_t)__builtin_popcount(data[i]);
    return count;
}

#if defined(__x86_64__)
/* The same with the CPU's own instruction. */
__attribute__((target("popcnt"))) static uint64_t count_words_popcnt(const unsigned char *data, size_t size)
{
    uint64_t count = 0;
    uint64_t words[4];
    size_t i = 0;

    for (; i + 32 <= size; i += 32) {
        memcpy(words, data + i, 32);
        count += (uint64_t)__builtin_popcountll(words[0]) + (uint64_t)__builtin_popcountll(words[1]) +
                 (uint64_t)__builtin_popcountll(words[2]) + (uint64_t)__builtin_popcountll(words[3]);
    }
    for (; i < size; i++)
        count += (uint64_t)__builtin_popcount(data[i]);
    return count;
}
#endif

static uint64_t count_bytes(const unsigned char *data, size_t size)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("popcnt"))
        return count_words_popcnt(data, size);
#endif
    return count_words(data, size);
}

uint64_t bitstring_count(const void *data, uint64_t first, uint64_t last)
{
    const unsigned char *bytes = data;
    const uint64_t first_byte = first / 8;
    const uint64_t last_byte = last / 8;

    if (first_byte == last_byte)
        return (uint64_t)__builtin_popcount(byte_part(bytes[first_byte], first % 8, last % 8));
    return (uint64_t)__builtin_popcount(byte_part(bytes[first_byte], first % 8, 7)) +
           count_bytes(bytes + first_byte + 1, (size_t)(last_byte - first_byte - 1)) +
           (uint64_t)__builtin_popcount(byte_part(bytes[last_byte], 0, last % 8));
}

/* The first byte in [at, end) that is not `other`, or end. */
static uint64_t skip_bytes(const unsigned char *bytes, uint64_t at, uint64_t end, unsigned char other)
{
    uint64_t word;
    const uint64_t others = 0x0101010101010101u * other;

    for (; at + 8 <= end; at += 8) {
        memcpy(&word, bytes + at, 8);
        if (word != others)
            break;
    }
    while (at < end && bytes[at] == other)
        at++;
    return at;
}

/* The first of the byte's bits first to last that is `bit`, or -1. */
static int find_in_byte(unsigned char byte, unsigned first, unsigned last, int bit)
{
    const unsigned char wanted = byte_part((unsigned char)(bit ? byte : ~byte), first, last);

    return wanted == 0 ? -1 : __builtin_clz(wanted) - 24;
}

int64_t bitstring_find(const void *data, uint64_t first, uint64_t last, int bit)
{
    const unsigned char *bytes = data;
    const uint64_t last_byte = last / 8;
    uint64_t at = first / 8;
    int found;

    found = find_in_byte(bytes[at], first % 8, at == last_byte ? last % 8 : 7, bit);
    if (found < 0 && at < last_byte) {
        at = skip_bytes(bytes, at + 1, last_byte, bit ? 0x00 : 0xff);
        found = find_in_byte(bytes[at], 0, at == last_byte ? last % 8 : 7, bit);
    }
    return found < 0 ? -1 : (int64_t)(at * 8) + found;
}

/* Plain loops over words, which compilers turn into vector code. */
void bitstring_combine(void *target, size_t target_size, const void *source, size_t source_size,
                       enum bitstring_operation operation)
{
    unsigned char *to = target;
    const unsigned char *from = source;
    const size_t size = source_size < target_size ? source_size : target_size;
    size_t i;

    switch (operation) {
    case BITSTRING_AND:
        for (i = 0; i < size; i++)
            to[i] = (unsigned char)(to[i] & from[i]);
        memset(to + size, 0, target_size - size);
        break;
    case BITSTRING_OR:
        for (i = 0; i < size; i++)
            to[i] = (unsigned char)(to[i] | from[i]);
        break;
    case BITSTRING_XOR:
        for (i = 0; i < size; i++)
            to[i] = (unsigned char)(to[i] ^ from[i]);
        break;
    }
}

void bitstring_invert(void *target, size_t size)
{
    unsigned char *bytes = target;

    for (size_t i = 0; i < size; i++)
        bytes[i] = (unsigned char)~bytes[i];
}

int bitfield_type_parse(const char *text, size_t size, struct bitfield_type *type)
{
    int64_t bits;

    if (size < 2 || (text[0] != 'i' && text[0] != 'u') || !number_parse_i64(text + 1, size - 1, &bits))
        return 0;
    if (bits < 1 || bits > (text[0] == 'i' ? 64 : 63))
        return 0;
    type->is_signed = text[0] == 'i';
    type->bits = (unsigned)bits;
    return 1;
}

static uint64_t field_mask(unsigned bits)
{
    return bits == 64 ? UINT64_MAX : (1ull << bits) - 1;
}

/* The low bits of a field as a number. */
static int64_t extend(uint64_t field, struct bitfield_type type)
{
    const uint64_t sign = 1ull << (type.bits - 1);

    return type.is_signed ? (int64_t)((field ^ sign) - sign) : (int64_t)field;
}

int64_t bitfield_read(const unsigned char window[BITFIELD_WINDOW], unsigned shift, struct bitfield_type type)
{
    const unsigned end = shift + type.bits; /* at most 71 */
    uint64_t head = 0;

    for (unsigned i = 0; i < 8; i++)
        head = head << 8 | window[i];
    if (end <= 64)
        head >>= 64 - end;
    else
        head = head << (end - 64) | window[8] >> (72 - end);
    return extend(head & field_mask(type.bits), type);
}

void bitfield_write(unsigned char window[BITFIELD_WINDOW], unsigned shift, struct bitfield_type type, int64_t value)
{
    for (unsigned i = 0; i < type.bits; i++) {
        const unsigned at = shift + type.bits - 1 - i; /* from the least significant bit on */
        const unsigned char bit = (unsigned char)(0x80u >> at % 8);
        if (((uint64_t)value >> i & 1) != 0)
            window[at / 8] |= bit;
        else
            window[at / 8] &= (unsigned char)~bit;
    }
}

/*
 * The room above and below value is reckoned in 64 bits that wrap around, as Redis does: it matters for BITFIELD SET
 * with a number that is far out of the field's range, where it decides to which end it saturates.
 */
static int overflow_of_signed(int64_t value, int64_t delta, unsigned bits)
{
    const int64_t max = (int64_t)(field_mask(bits) >> 1);
    const int64_t min = -max - 1;
    const int64_t above = (int64_t)((uint64_t)max - (uint64_t)value);
    const int64_t below = (int64_t)((uint64_t)min - (uint64_t)value);

    if (value > max || (bits != 64 && delta > above) || (value >= 0 && delta > 0 && delta > above))
        return 1;
    if (value < min || (bits != 64 && delta < below) || (value < 0 && delta < 0 && delta < below))
        return -1;
    return 0;
}

static int overflow_of_unsigned(uint64_t value, int64_t delta, unsigned bits)
{
    const uint64_t max = field_mask(bits);
    const int64_t above = (int64_t)(max - value);
    const int64_t below = (int64_t)(0 - value);

    if (value > max || (delta > 0 && delta > above))
        return 1;
    if (delta < 0 && delta < below)
        return -1;
    return 0;
}

int bitfield_add(int64_t value, int64_t delta, struct bitfield_type type, enum bitfield_overflow overflow, int64_t *sum)
{
    const int over = type.is_signed ? overflow_of_signed(value, delta, type.bits)
                                    : overflow_of_unsigned((uint64_t)value, delta, type.bits);
    const uint64_t mask = field_mask(type.bits);

    if (over == 0 || overflow == BITFIELD_WRAP)
        *sum = extend(((uint64_t)value + (uint64_t)delta) & mask, type);
    else if (overflow == BITFIELD_SATURATE && type.is_signed)
        *sum = over > 0 ? (int64_t)(mask >> 1) : -(int64_t)(mask >> 1) - 1;
    else if (overflow == BITFIELD_SATURATE)
        *sum = over > 0 ? (int64_t)mask : 0;
    return over == 0;
}
