/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * guards.h - what makes every command look about before it runs: one word, which is 0 where nothing does
 */
#ifndef SDB_SERVER_GUARDS_H
#define SDB_SERVER_GUARDS_H

#include <stdint.h>

enum guard {
    GUARD_MEMORY = 1u << 0, /* maxmemory is set: evict.h */
    GUARD_MISSES = 1u << 1, /* reads that find no key are told of: notify.h */
};

extern uint32_t guards_word; /* Atomic. */

static inline uint32_t guards_now(void)
{
    return __atomic_load_n(&guards_word, __ATOMIC_RELAXED);
}

static inline void guards_set(enum guard guard, int on)
{
    if (on)
        __atomic_fetch_or(&guards_word, (uint32_t)guard, __ATOMIC_RELAXED);
    else
        __atomic_fetch_and(&guards_word, ~(uint32_t)guard, __ATOMIC_RELAXED);
}

#endif
