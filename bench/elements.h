/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * elements.h - what is done to the elements of each type of collection, in this process
 *
 * A slice is a number of calls whose elements' names and places were made beforehand, so that the calls alone lie between two readings of
 * the clock. An element is 12 bytes of text, a field's value 16.
 */
#ifndef BENCH_ELEMENTS_H
#define BENCH_ELEMENTS_H

#include <stddef.h>
#include <stdint.h>

#define ELEMENT_SIZE 12u
#define ELEMENT_VALUE_SIZE 16u
#define ELEMENTS_TOGETHER 100u /* of a call that adds or shows many */

struct sdb_session;

enum element_operation {
    ELEMENT_ADD_MANY, /* ELEMENTS_TOGETHER new ones in a call */
    ELEMENT_INSERT,   /* a new one */
    ELEMENT_GROUPED,  /* new ones, each in a call, 64 of them to a fence */
    ELEMENT_FIND,     /* by name; in a list by position */
    ELEMENT_RANK,
    ELEMENT_UPDATE, /* one that is there */
    ELEMENT_RANGE,  /* ELEMENTS_TOGETHER from a place on; of a hash or a set, which have no order, a part of a scan */
    ELEMENT_POP,    /* from the head; the one with the lowest score; any; of a hash, which has none, a delete by name */
    ELEMENT_OPERATIONS
};

struct element_slice {
    size_t count; /* of calls */
    const char *names; /* ELEMENT_SIZE bytes each, as many as calls and elements in each of them need */
    const double *numbers; /* as many scores */
    const uint64_t *places; /* of each call: a position below what the collection has */
    uint64_t *cursor; /* of a scan */
};

struct element_kind {
    const char *name;
    uint32_t type;
    uint32_t operations; /* bit 1 << enum element_operation for each that there is */
    /* How many of the calls failed, or did not do or find what they had to. */
    size_t (*run)(struct sdb_session *session, enum element_operation operation, const struct element_slice *slice);
};

extern const struct element_kind element_kinds[];
extern const size_t element_kind_count;

/* The key that all is under. */
#define ELEMENT_KEY "collection"
#define ELEMENT_KEY_SIZE (sizeof ELEMENT_KEY - 1)

#endif
