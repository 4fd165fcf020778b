/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * medium.h - a slower medium, emulated: every line of the pool that the CPU's caches would not have costs extra nanoseconds to
 * read, every line that is flushed costs extra nanoseconds, both by turning in place
 *
 * What the CPU's caches would have is a model of the thread's own (DRAM lines do not compete): sets of lines that were read or
 * prefetched lately. A prefetched line is on its way for as long as a read takes, beside at most 15 others.
 *
 * This header goes in front of every source of the engine that the bench compiles for itself; the library knows nothing of it.
 */
#ifndef BENCH_MEDIUM_H
#define BENCH_MEDIUM_H

#include <stddef.h>
#include <stdint.h>

#if defined(__x86_64__)
#include <immintrin.h> /* which has prefetches of its own: before they are redefined */
#endif

struct medium {
    /* Immutable while the engine runs. */
    const uint8_t *base; /* of the pool's mapping */
    size_t size;
    uint64_t read_ticks, flush_ticks;
};
extern struct medium medium;

/* Makes this thread's model of the CPU's caches anew. Returns 0, or -1 without memory. */
int medium_model(size_t cpu_cache_size);
void medium_model_free(void);

/* A line that is about to be read, to be prefetched, or was flushed; of the pool or not. */
void medium_read_line(uint64_t line);
void medium_prefetch_line(uint64_t line);
void medium_wait_flush(void);

static inline int medium_holds(const void *address)
{
    return (size_t)((const uint8_t *)address - medium.base) < medium.size;
}

static inline void medium_read(const void *address)
{
    if (medium_holds(address))
        medium_read_line((size_t)((const uint8_t *)address - medium.base) / 64);
}

static inline void medium_prefetch(const void *address)
{
    __builtin_prefetch(address, 0, 3);
    if (medium_holds(address))
        medium_prefetch_line((size_t)((const uint8_t *)address - medium.base) / 64);
}

/* Behind the last use of the real one. */
#define MEDIUM_FIRST(first, ...) first
#define __builtin_prefetch(...) medium_prefetch(MEDIUM_FIRST(__VA_ARGS__, 0))

#endif
