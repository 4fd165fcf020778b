/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * workload.h - sequences of keys that a cache is asked for, and what the best cache could make of them
 */
#ifndef BENCH_CACHE_WORKLOAD_H
#define BENCH_CACHE_WORKLOAD_H

#include <stddef.h>
#include <stdint.h>

enum workload_kind {
    WORKLOAD_ZIPFIAN, /* key r has a chance proportional to 1 / (r + 1)^theta; 0: uniform */
    WORKLOAD_HOT,     /* uniform over the first `hot` keys, now and then another one: cold_percent */
    WORKLOAD_SCAN,    /* the same, but the others are a scan over all keys, again and again */
    WORKLOAD_SHIFT,   /* uniform over `hot` keys, which are others in each of `phases` parts */
};

struct workload {
    const char *name;
    enum workload_kind kind;
    double theta;
    double hot;          /* of the cache's copies */
    uint32_t cold_percent;
    uint32_t phases;
};

/* A sequence that was drawn. The first half of it warms the cache up and does not count, but where the hot set shifts. */
struct trace {
    uint32_t *keys;
    size_t count;
    size_t counted_from;
    uint32_t key_count;
    uint32_t hot;  /* keys below this one are hot; key_count where there is no such line */
    double ideal;  /* share of counted accesses that a cache hits which holds the `copies` keys of the greatest chance */
};

/* Draws a trace for a cache of `copies` copies. Returns 0, or -1 where memory is short. Owner: the caller; trace_free. */
int trace_make(struct trace *trace, const struct workload *workload, uint32_t key_count, uint32_t copies, size_t count,
               uint64_t seed);
void trace_free(struct trace *trace);

#endif
