/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * members.h - members of sets outside of the pool: taken out, or coming of several sets
 *
 * Copies, in the order in which they came. With a table (members_insert) each of them once.
 * Threads: one. Memory: grows as it has to; members_free.
 */
#ifndef SDB_STORE_MEMBERS_H
#define SDB_STORE_MEMBERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "superdb/superdb.h"

struct member {
    size_t at, size; /* of its bytes; at MEMBER_GONE: taken away again */
    uint64_t hash;   /* of what is in the table */
};
#define MEMBER_GONE SIZE_MAX

struct members {
    struct member *items;
    size_t count, left; /* all that came, and those that were not taken away */
    /* private */
    size_t capacity;
    uint8_t *bytes;
    size_t size, bytes_capacity;
    uint32_t *slots; /* 1 + the item's number; 0: free. NULL: there is no table */
    size_t slots_mask;
    uint64_t seed;
};

/* Zeros are empty members, too, with a seed of 0. */
static inline void members_init(struct members *members, uint64_t seed)
{
    *members = (struct members){.seed = seed};
}
void members_free(struct members *members);

/* Forgets all of them, and keeps the memory. Not with a table. */
void members_clear(struct members *members);

static inline struct sdb_slice members_at(const struct members *members, size_t i)
{
    return (struct sdb_slice){members->bytes + members->items[i].at, members->items[i].size};
}

static inline bool members_has(const struct members *members, size_t i)
{
    return members->items[i].at != MEMBER_GONE;
}

/* Behind the others, without a look whether it is there. Errors: SDB_ENOMEM. */
int members_append(struct members *members, const struct sdb_slice *name);

/* The same for what is not there yet; all of them have to come this way. Errors: SDB_ENOMEM, SDB_ETOOBIG (more than 2^32 - 2). */
int members_insert(struct members *members, const struct sdb_slice *name);

/* Whether it is there: of members with a table, or none. Takes it away, where it is there. */
bool members_contain(const struct members *members, const struct sdb_slice *name);
void members_remove(struct members *members, const struct sdb_slice *name);

/* Takes the one with this number away. */
static inline void members_drop(struct members *members, size_t i)
{
    members->items[i].at = MEMBER_GONE;
    members->left--;
}

/* Shows what is left, but no more than limit members (0: all). */
void members_show(const struct members *members, uint64_t limit, sdb_element_fn *visit, void *context);

#endif
