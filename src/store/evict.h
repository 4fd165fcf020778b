/* SPDX-License-Identifier: BSD-3-Clause */
/* evict.h - the best victims that a session has seen so far */
#ifndef SDB_STORE_EVICT_H
#define SDB_STORE_EVICT_H

#include <stddef.h>
#include <stdint.h>

#define EVICT_CANDIDATES 16u

struct evict_candidate {
    uint64_t entry;
    uint64_t score; /* the higher the sooner it goes, as it was when it was looked at */
    uint16_t generation;
};

/* Kept from one eviction to the next, so that a few samples each time come to know many keys. Owner: the session. */
struct evict_pool {
    struct evict_candidate candidates[EVICT_CANDIDATES]; /* the best last */
    unsigned count;
    uint8_t order; /* enum sdb_evict_order that they were judged by */
    uint8_t expiring_only;
    uint64_t cursor; /* an entry: where a search for keys that are few goes on */
    uint32_t *pages; /* of entries, which stay so for ever; new ones are looked for now and then */
    size_t page_count, page_capacity;
    uint64_t samples_left; /* until they are looked for again */
};

#endif
