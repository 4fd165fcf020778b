/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tree_kind.h - what the kinds of trees differ in: the order of their elements, and what an element consists of
 *
 *     kind      elements                               in the order of                          found by
 *     HASH      [size of the field][field][value]      the field's hash                         field
 *     SET       member                                 the member's hash                        member
 *     LIST      element                                their places; ranks                      rank
 *     SCORES    [score 8][member]                      score, then member by its bytes; ranks   score and member
 *     MEMBERS   [score 8][member]                      the member's hash                        member
 *     STREAM    [id 16][whatever follows]              id (two words, the first counts more)    id
 *     RECORDS   [size of the key][key][value]          key by its bytes; ranks                  key
 *
 * A size is 7 bits a byte, lowest first, the highest bit set in all but the last. A score is a word that is ordered as the
 * scores are (unsigned): the type maps its numbers to such words. Words are little-endian.
 */
#ifndef SDB_PMEM_TREE_KIND_H
#define SDB_PMEM_TREE_KIND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "file.h"

enum tree_kind {
    TREE_HASH = 1,
    TREE_SET = 2,
    TREE_LIST = 3,
    TREE_SCORES = 4,
    TREE_MEMBERS = 5,
    TREE_STREAM = 6,
    TREE_RECORDS = 7,
    TREE_KINDS = 8,
};

/* The tree of a type's collections. */
static inline enum tree_kind tree_kind_of(unsigned type)
{
    static const uint8_t kinds[16] = {0, 0, TREE_LIST, TREE_SET, TREE_HASH, TREE_SCORES, TREE_STREAM};

    return (enum tree_kind)kinds[type & 15];
}

struct tree_shape {
    uint8_t keys;   /* words of a key in an inner node's record */
    uint8_t width;  /* words of a record */
    bool counted;   /* records have counts, and elements ranks */
    bool ordered;   /* slots of a leaf stand in order; otherwise in any, and the key is a hash */
    bool tied;      /* elements with the same key have an order, by their names */
    bool valid;
};

extern const struct tree_shape tree_shapes[16];

/* What an element is looked for by. */
struct tree_probe {
    uint64_t key[2];
    const void *name; /* a field or member */
    size_t name_size;
};

/* By a field or member, for kinds that go by its hash. */
void tree_probe_name(const struct pool_file *file, const void *name, size_t size, struct tree_probe *probe);
/* By score and member (SCORES). name NULL with size 0: before every member with the score. */
void tree_probe_score(uint64_t score, const void *name, size_t size, struct tree_probe *probe);
/* By id (STREAM). */
void tree_probe_id(uint64_t high, uint64_t low, struct tree_probe *probe);
/* By key (RECORDS). */
void tree_probe_record(const void *key, size_t size, struct tree_probe *probe);

/* The probe that finds this element. False: its bytes make no sense. A LIST has none, and gets zeros. */
bool tree_probe_element(const struct pool_file *file, enum tree_kind kind, const uint8_t *data, size_t size,
                        struct tree_probe *probe);

/* The order of two probes of a kind, as memcmp. */
int tree_probe_compare(const struct tree_shape *shape, const struct tree_probe *a, const struct tree_probe *b);

/*
 * The bytes of an element as a whole. Its parts have limits of their own (SDB_ELEMENT_SIZE_MAX, SDB_STREAM_ENTRY_SIZE_MAX), which the
 * types hold: this one has room for all of them at their limits, and sizes and scores before them.
 */
#define TREE_ELEMENT_SIZE_MAX 0x7fffffffu

/* A field's element begins with its size: the bytes that this takes, and back. 0: it makes no sense. */
#define TREE_SIZE_BYTES 5u
size_t tree_size_write(uint8_t out[TREE_SIZE_BYTES], uint32_t value);
size_t tree_size_read(const uint8_t *data, size_t size, uint32_t *value);

#endif
