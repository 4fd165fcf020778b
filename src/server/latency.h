/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * latency.h - a cheap stop-watch and log-linear histograms of durations
 *
 * Holds:   1. a histogram's buckets are exact up to 255 ns, and 128 to an octave above (under 0.8% wide), up to 2^30
 *             ns; longer durations count in the last bucket
 *          2. the sum over the buckets is the number of durations recorded
 * Threads: one thread records into a histogram; others may read meanwhile, and be a few durations behind.
 */
#ifndef SDB_SERVER_LATENCY_H
#define SDB_SERVER_LATENCY_H

#include <stddef.h>
#include <stdint.h>

#include "clock.h"

#define LATENCY_EXACT 256u /* buckets of one nanosecond */
#define LATENCY_PER_OCTAVE 128u
#define LATENCY_OCTAVES 22u /* from 2^8 to 2^30 ns: a second and a little */
#define LATENCY_BUCKETS (LATENCY_EXACT + LATENCY_OCTAVES * LATENCY_PER_OCTAVE)

struct latency_histogram {
    uint64_t counts[LATENCY_BUCKETS];
    uint32_t last; /* the bucket that was recorded into last */
};

/* Measures the CPU's time stamp counter against the clock, 0.2 ms. Call it before the first latency_ticks. */
void latency_init(void);

extern int latency_counter_usable; /* Immutable after latency_init: 1 where the CPU's counter ticks evenly. */

/* A time stamp in ticks. 10 ns or less. */
static inline uint64_t latency_ticks(void)
{
#if defined(__x86_64__)
    if (__builtin_expect(latency_counter_usable, 1))
        return __builtin_ia32_rdtsc();
#elif defined(__aarch64__)
    uint64_t ticks;

    __asm__ volatile("mrs %0, cntvct_el0" : "=r"(ticks));
    return ticks;
#endif
    return clock_ns();
}

/* A difference of time stamps in nanoseconds. */
uint64_t latency_ns(uint64_t ticks);

/* Records `count` durations of about ns. */
void latency_record(struct latency_histogram *histogram, uint64_t ns, uint64_t count);

/* The greatest duration that counts in the same bucket as ns. */
uint64_t latency_bucket_top(uint64_t ns);

uint64_t latency_count(const struct latency_histogram *histogram);

/* The top of the bucket within which `percentile` (0 to 100) of the durations end; 0 of an empty histogram. */
uint64_t latency_percentile(const struct latency_histogram *histogram, double percentile);

/* Adds what source holds, and `pending` to its last bucket: calls that were made but not measured. */
void latency_add(struct latency_histogram *sum, const struct latency_histogram *source, uint64_t pending);

/* Takes away what baseline holds; never below 0. */
void latency_subtract(struct latency_histogram *sum, const struct latency_histogram *baseline);

/*
 * The cumulative distribution in steps of powers of two from 1,024 ns on: upper bounds in microseconds and how many
 * durations were not longer, one step for each octave that holds some. Returns how many steps; 32 are enough.
 */
struct latency_step {
    uint64_t us;
    uint64_t count;
};
size_t latency_steps(const struct latency_histogram *histogram, struct latency_step *steps, size_t max);

#endif
