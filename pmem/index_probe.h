/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * index_probe.h - finding many keys at once: each step of all of them before the next step of any
 *
 * A key takes two or three lines of memory, each named by the one before. One key after the other waits for every one of them;
 * step by step the CPU has all keys' lines under way together.
 * Source: group prefetching (Chen et al., Improving Hash Join Performance through Prefetching, 2004).
 */
#ifndef SDB_PMEM_INDEX_PROBE_H
#define SDB_PMEM_INDEX_PROBE_H

#include "index.h"

enum index_probe_state {
    INDEX_PROBE_OPEN,  /* under way */
    INDEX_PROBE_ENTRY, /* under way; found.entry may be its entry */
    INDEX_PROBE_FOUND, /* found.entry and found.words are as index_find gives them; found.word is 0 */
    INDEX_PROBE_ASIDE, /* index_find must be asked: a miss, damage, a change under way, or a tag that two keys share */
};

struct index_probe {
    struct index_key key;
    struct index_found found;
    uint64_t buckets[2]; /* file offsets */
    uint8_t state;       /* enum index_probe_state */
};

/* Finds those of the keys (at most INDEX_PROBES) whose probes are open. Without a lock, as index_find. */
#define INDEX_PROBES 32u
void index_find_many(struct heap *heap, struct index_probe *probes, size_t count);

#endif
