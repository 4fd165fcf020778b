/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * random.c - xorshift64*
 */
#include "random.h"

#include "clock.h"

uint64_t random_number(void)
{
    static __thread uint64_t state;

    if (!state)
        state = clock_ns() | 1;
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return state * 0x2545f4914f6cdd1dull;
}
