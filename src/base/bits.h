/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bits.h - powers of two and alignment
 */
#ifndef SDB_BASE_BITS_H
#define SDB_BASE_BITS_H

#include <stdbool.h>
#include <stdint.h>

static inline bool bits_is_power(uint64_t value)
{
    return value != 0 && (value & (value - 1)) == 0;
}

/* The power's exponent, rounded down. value is not 0. */
static inline unsigned bits_log2(uint64_t value)
{
    return 63u - (unsigned)__builtin_clzll(value);
}

/* The least power of two that is not below value: 1 for 0, 0 where there is none in 64 bits. */
static inline uint64_t bits_power_up(uint64_t value)
{
    if (value <= 1)
        return 1;
    return value > 1ull << 63 ? 0 : 1ull << (bits_log2(value - 1) + 1);
}

/* alignment is a power of two. */
static inline uint64_t bits_align_up(uint64_t value, uint64_t alignment)
{
    return (value + alignment - 1) & ~(alignment - 1);
}

static inline uint64_t bits_align_down(uint64_t value, uint64_t alignment)
{
    return value & ~(alignment - 1);
}

static inline bool bits_is_aligned(uint64_t value, uint64_t alignment)
{
    return (value & (alignment - 1)) == 0;
}

static inline uint64_t bits_divide_up(uint64_t value, uint64_t divisor)
{
    return value / divisor + (value % divisor != 0);
}

#endif
