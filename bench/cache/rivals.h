/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * rivals.h - what other caches of the same number of copies hit on the same trace
 */
#ifndef BENCH_CACHE_RIVALS_H
#define BENCH_CACHE_RIVALS_H

#include "workload.h"

/* Hits among a trace's counted accesses. */
struct hits {
    uint64_t asked, hit;         /* of all keys */
    uint64_t hot_asked, hot_hit; /* of the hot ones */
};

static inline void hits_count(struct hits *hits, const struct trace *trace, size_t at, int hit)
{
    int hot = trace->keys[at] < trace->hot;

    if (at < trace->counted_from)
        return;
    hits->asked++;
    hits->hit += (uint64_t)hit;
    hits->hot_asked += (uint64_t)hot;
    hits->hot_hit += (uint64_t)(hot && hit);
}

static inline double hits_rate(const struct hits *hits)
{
    return hits->asked ? (double)hits->hit / (double)hits->asked : 0;
}

static inline double hits_hot_rate(const struct hits *hits)
{
    return hits->hot_asked ? (double)hits->hot_hit / (double)hits->hot_asked : 0;
}

/* Each returns 0, or -1 where memory is short. */

/* Lets everything in, and drives out what was not asked for for longest. */
int rival_lru(const struct trace *trace, uint32_t copies, struct hits *hits);

/* One place for each key, by its hash; whoever comes last has it. */
int rival_direct_mapped(const struct trace *trace, uint32_t copies, struct hits *hits);

/*
 * Knows the future: keeps the keys that are asked for soonest, and lets nothing in that is asked for later than all of them.
 * No cache hits more often. Source: Belady, "A study of replacement algorithms for a virtual-storage computer", 1966.
 */
int rival_min(const struct trace *trace, uint32_t copies, struct hits *hits);

#endif
