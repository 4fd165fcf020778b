/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * packed.h - small collections: all elements in one blob, which every change replaces
 *
 * Media:   the bytes of a value's blob whose entry has another type than a string:
 *              form 1 | count | size, bytes | size, bytes | ...
 *          count and sizes as tree_kind.h has them; the bytes of an element are those that it has in a tree. Elements stand in the order
 *          in which they came; those of a sorted set by score and member; integers (PACKED_INTS) by their value.
 * Commit:  a fresh blob, published by the entry's words
 * Holds:   1. The elements fill the blob, and there are as many as count says, at least one.
 *          2. What is verified (packed_verify) can be walked through without a further look.
 * Threads: pure
 * Memory:  none
 */
#ifndef SDB_PMEM_PACKED_H
#define SDB_PMEM_PACKED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "superdb/superdb.h"
#include "tree_kind.h"

/* What a collection is called, whatever it is stored as: also in the lowest bits of its tree's user word (not of a stream). */
enum packed_form {
    PACKED_LARGE = 1u, /* it has been larger than the limits of small ones allow */
    PACKED_INTS = 2u,  /* a set of integers, in their order */
    PACKED_FORMS = 3u,
};

#define PACKED_HEADER_MAX (1u + TREE_SIZE_BYTES)

struct packed {
    const uint8_t *data; /* of the elements */
    size_t size;
    uint32_t count;
    unsigned form;
};

/* Reads the header. False: it is damaged. */
bool packed_open(const void *data, size_t size, struct packed *packed);

/* Writes a header: its size. */
size_t packed_header(uint8_t out[PACKED_HEADER_MAX], unsigned form, uint32_t count);

/* The element at an offset, and where the next one stands: size at the end. False: it is damaged, or the end. */
bool packed_element(const struct packed *packed, size_t offset, struct sdb_slice *element, size_t *next);

/* Everything, for elements of a kind of tree. */
bool packed_verify(const struct pool_file *file, enum tree_kind kind, const void *data, size_t size);

#endif
