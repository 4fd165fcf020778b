/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * random.h - random numbers for choices that are no secret, such as RANDOMKEY's
 */
#ifndef SDB_BASE_RANDOM_H
#define SDB_BASE_RANDOM_H

#include <stdint.h>

/* A number of the thread's own sequence, which begins with the clock. 2 ns. */
uint64_t random_number(void);

/* One below n, which is not 0. */
static inline uint64_t random_below(uint64_t n)
{
    return random_number() % n;
}

#endif
