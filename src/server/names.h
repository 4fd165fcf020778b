/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * names.h - a hash table of byte strings, each in a numbered space: watched keys, channels, patterns
 *
 * The user's structure begins with a struct name and owns the bytes; the table owns its slots only.
 * Threads: the user's lock.
 */
#ifndef SDB_SERVER_NAMES_H
#define SDB_SERVER_NAMES_H

#include <stddef.h>
#include <stdint.h>

struct name {
    struct name *next;
    uint64_t hash;
    const char *data;
    size_t size;
    uint32_t space;
};

struct names {
    struct name **slots;
    size_t slot_count; /* a power of two; 0: nothing was ever added */
    size_t count;      /* Atomic: may be read without the lock */
};

/* The seed is new at each start, so that nobody can prepare names that meet in one slot. */
uint64_t name_hash(uint32_t space, const void *data, size_t size);

struct name *names_find(const struct names *names, uint32_t space, const void *data, size_t size);

/* Takes a name whose space, data and size are set, and which is not there yet. Errors: 0, out of memory. */
int names_add(struct names *names, struct name *name);

void names_remove(struct names *names, struct name *name);

/* Every name once, in no order: the first for NULL, NULL behind the last. The table must not change meanwhile. */
struct name *names_next(const struct names *names, const struct name *name);

#endif
