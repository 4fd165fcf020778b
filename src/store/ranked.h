/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ranked.h - members of sorted sets with their scores, copied into DRAM: what is taken out, combined, or stored elsewhere
 *
 * A list may have an index by name, which ranked_find makes.
 */
#ifndef SDB_STORE_RANKED_H
#define SDB_STORE_RANKED_H

#include "collection.h"

struct ranked_item {
    size_t at; /* of the name, in bytes */
    size_t size;
    uint64_t hash;
    double score;
    bool gone; /* crossed out; not counted */
};

struct ranked {
    struct ranked_item *items;
    size_t used, capacity; /* of items, those that are gone among them */
    size_t count;
    uint8_t *bytes;
    size_t size, bytes_capacity;
    uint64_t *index; /* number of the item + 1, by hash; 0: none */
    size_t index_capacity;
};

#define RANKED_INIT {NULL, 0, 0, 0, NULL, 0, 0, NULL, 0}

void ranked_clear(struct ranked *members); /* keeps the memory */
void ranked_free(struct ranked *members);

/* Adds behind the others. Errors: SDB_ENOMEM. */
int ranked_add(struct ranked *members, const struct sdb_slice *name, double score);

/* The item with this name; *item is NULL where there is none. Valid until one is added. Errors: SDB_ENOMEM. */
int ranked_find(struct ranked *members, const struct sdb_slice *name, struct ranked_item **item);

struct sdb_slice ranked_name(const struct ranked *members, const struct ranked_item *item);

/* Crosses one out. */
void ranked_cross_out(struct ranked *members, struct ranked_item *item);

/* Puts them into the order of a sorted set, without those that are gone; the index is lost. */
void ranked_sort(struct ranked *members);

/* Shows them in the order in which they stand, until the visitor stops. */
void ranked_show(const struct ranked *members, sdb_element_fn *visit, void *context);

/* Puts all of them into the collection. Errors: those of collection_put. */
int ranked_put(const struct ranked *members, struct collection *collection);

#endif
