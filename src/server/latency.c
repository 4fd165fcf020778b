/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * latency.c - the time stamp counter's rate, and histograms
 */
#include "latency.h"

#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#define CALIBRATION_NS 200000u /* the clock's own 20 ns or so make an error of 1 in 10,000 */
#define EXACT_LOG2 8u          /* 256 */
#define OCTAVE_LOG2 7u         /* 128 */

int latency_counter_usable = 0;

static double ns_per_tick = 1.0; /* Immutable after latency_init. */

/* Whether the counter runs at one rate in all states of the CPU. */
static int counter_is_invariant(void)
{
#if defined(__x86_64__)
    unsigned a, b, c, d;

    return __get_cpuid(0x80000007u, &a, &b, &c, &d) && (d & (1u << 8)) != 0;
#else
    return 1;
#endif
}

void latency_init(void)
{
    uint64_t start_ns, start_ticks, ns;

#if defined(__x86_64__)
    latency_counter_usable = counter_is_invariant();
    if (!latency_counter_usable)
        return;
#elif defined(__aarch64__)
    latency_counter_usable = counter_is_invariant();
#else
    return;
#endif
    start_ns = clock_ns();
    start_ticks = latency_ticks();
    do {
        ns = clock_ns();
    } while (ns - start_ns < CALIBRATION_NS);
    ns_per_tick = (double)(ns - start_ns) / (double)(latency_ticks() - start_ticks);
}

uint64_t latency_ns(uint64_t ticks)
{
    return (uint64_t)((double)ticks * ns_per_tick);
}

static uint32_t bucket_of(uint64_t ns)
{
    uint32_t octave, shift;

    if (ns < LATENCY_EXACT)
        return (uint32_t)ns;
    octave = 63u - (uint32_t)__builtin_clzll(ns);
    if (octave >= EXACT_LOG2 + LATENCY_OCTAVES)
        return LATENCY_BUCKETS - 1;
    shift = octave - OCTAVE_LOG2;
    return LATENCY_EXACT + (octave - EXACT_LOG2) * LATENCY_PER_OCTAVE + (uint32_t)(ns >> shift) - LATENCY_PER_OCTAVE;
}

static uint64_t top_of(uint32_t bucket)
{
    uint32_t octave, step;

    if (bucket < LATENCY_EXACT)
        return bucket;
    octave = EXACT_LOG2 + (bucket - LATENCY_EXACT) / LATENCY_PER_OCTAVE;
    step = (bucket - LATENCY_EXACT) % LATENCY_PER_OCTAVE + LATENCY_PER_OCTAVE;
    return (((uint64_t)step + 1) << (octave - OCTAVE_LOG2)) - 1;
}

uint64_t latency_bucket_top(uint64_t ns)
{
    return top_of(bucket_of(ns));
}

void latency_record(struct latency_histogram *histogram, uint64_t ns, uint64_t count)
{
    uint32_t bucket = bucket_of(ns);

    __atomic_store_n(&histogram->counts[bucket], histogram->counts[bucket] + count, __ATOMIC_RELAXED);
    __atomic_store_n(&histogram->last, bucket, __ATOMIC_RELAXED);
}

uint64_t latency_count(const struct latency_histogram *histogram)
{
    uint64_t count = 0;

    for (uint32_t i = 0; i < LATENCY_BUCKETS; i++)
        count += histogram->counts[i];
    return count;
}

uint64_t latency_percentile(const struct latency_histogram *histogram, double percentile)
{
    uint64_t total = latency_count(histogram), wanted, seen = 0;

    if (total == 0)
        return 0;
    wanted = (uint64_t)(percentile / 100.0 * (double)total + 0.5);
    if (wanted == 0)
        wanted = 1;
    for (uint32_t i = 0; i < LATENCY_BUCKETS; i++) {
        seen += histogram->counts[i];
        if (seen >= wanted)
            return top_of(i);
    }
    return top_of(LATENCY_BUCKETS - 1);
}

void latency_add(struct latency_histogram *sum, const struct latency_histogram *source, uint64_t pending)
{
    uint32_t last = __atomic_load_n(&source->last, __ATOMIC_RELAXED);

    for (uint32_t i = 0; i < LATENCY_BUCKETS; i++)
        sum->counts[i] += __atomic_load_n(&source->counts[i], __ATOMIC_RELAXED);
    sum->counts[last] += pending;
    sum->last = last;
}

void latency_subtract(struct latency_histogram *sum, const struct latency_histogram *baseline)
{
    for (uint32_t i = 0; i < LATENCY_BUCKETS; i++)
        sum->counts[i] -= baseline->counts[i] < sum->counts[i] ? baseline->counts[i] : sum->counts[i];
}

size_t latency_steps(const struct latency_histogram *histogram, struct latency_step *steps, size_t max)
{
    uint64_t seen = 0, before = 0, bound = 1024;
    uint32_t bucket = 0;
    size_t count = 0;

    while (count < max && bucket < LATENCY_BUCKETS) {
        uint64_t top = latency_bucket_top(bound);
        while (bucket < LATENCY_BUCKETS && top_of(bucket) <= top)
            seen += histogram->counts[bucket++];
        if (seen > before)
            steps[count++] = (struct latency_step){top / 1000, seen};
        before = seen;
        bound *= 2;
        if (bound > 1ull << (EXACT_LOG2 + LATENCY_OCTAVES))
            bound = 1ull << (EXACT_LOG2 + LATENCY_OCTAVES);
    }
    return count;
}
