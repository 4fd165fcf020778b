/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tree_node.h - the words of a tree's nodes: encoding, verifying, reading. What layout.h says of struct sdb_m_node
 *
 * Holds:
 *  1. Nothing of a node is followed before it was verified: head and owner when the node is loaded, and with them the sum of a leaf's
 *     slots, so that a slot that damage hides is told; a child with its check and that of its neighbour behind, between whose keys the
 *     search must stand; an element with its slot's check.
 *  2. A place inside a node is bounded by the node, an offset by the pool.
 * Threads: whoever may read the node's words: its shard's lock, or nobody writes
 * Memory:  none
 */
#ifndef SDB_PMEM_TREE_NODE_H
#define SDB_PMEM_TREE_NODE_H

#include <stdbool.h>
#include <stdint.h>

#include "crc32c.h"
#include "file.h"
#include "layout.h"
#include "tree_kind.h"
#include "word.h"

#define TREE_HEIGHT_MAX 12u
#define TREE_ROOM (TREE_NODE_WORDS - TREE_NODE_HEADER) /* words behind the header */
#define TREE_INLINE_MAX 256u                           /* bytes of an element that stands in its leaf */

/* A node as it was verified; words may be those on the medium, or a copy with what is staged on top. */
struct tree_node {
    uint64_t offset;
    const uint64_t *words;
    unsigned level, count;
    unsigned capacity, first, floor; /* of a leaf */
};

/* ---- heads ---- */

static inline uint64_t tree_head_inner(unsigned level, unsigned count)
{
    return (uint64_t)level | (uint64_t)count << 4;
}
static inline uint64_t tree_head_leaf(uint64_t count, uint64_t capacity, uint64_t first, uint64_t floor)
{
    return count << 4 | capacity << 14 | first << 24 | floor * (1ull << 34);
}

/* ---- slots ---- */

#define TREE_SLOT_BITS 36u
#define TREE_SLOT_MASK ((1ull << TREE_SLOT_BITS) - 1)
static inline uint64_t tree_slot(unsigned word, unsigned size, bool blob, uint64_t key)
{
    return (uint64_t)word | (uint64_t)size << 10 | (uint64_t)blob << 20 | (key & 0x7fff) << 21;
}
static inline unsigned tree_slot_word(uint64_t slot) { return (unsigned)(slot & 1023); }
static inline unsigned tree_slot_size(uint64_t slot) { return (unsigned)(slot >> 10 & 1023); }
static inline bool tree_slot_blob(uint64_t slot) { return slot >> 20 & 1; }
static inline unsigned tree_slot_fingerprint(uint64_t slot) { return (unsigned)(slot >> 21 & 0x7fff); }
static inline unsigned tree_slot_words(uint64_t slot)
{
    return tree_slot_blob(slot) ? 1 : (tree_slot_size(slot) + 7) / 8;
}

/* Where an element stands. One without bytes takes no part in the floor's coming and going. */
static inline unsigned tree_item_word(unsigned word, unsigned words)
{
    return words ? word : TREE_NODE_WORDS;
}

/* The slot with its check over the element's words, which are padded with zeros. */
static inline uint64_t tree_slot_seal(uint64_t slot, uint64_t node, const uint64_t *words)
{
    uint32_t crc = crc32c_word(0xffffffffu, (slot & TREE_SLOT_MASK) ^ node << TREE_SLOT_BITS);

    crc = crc32c_word(crc, node);
    for (unsigned i = 0; i < tree_slot_words(slot); i++)
        crc = crc32c_word(crc, words[i]);
    return (slot & TREE_SLOT_MASK) | (uint64_t)(crc ^ crc >> 28) << TREE_SLOT_BITS;
}

/* The word of the i-th slot, counted from the ring's beginning. */
static inline unsigned tree_slot_place(const struct tree_node *leaf, unsigned i)
{
    unsigned at = leaf->first + i;

    return TREE_NODE_HEADER + (at < leaf->capacity ? at : at - leaf->capacity);
}
static inline uint64_t tree_slot_of(const struct tree_node *leaf, unsigned i)
{
    return leaf->words[tree_slot_place(leaf, i)];
}

/* ---- records ---- */

static inline unsigned tree_records_max(const struct tree_shape *shape) { return TREE_ROOM / shape->width; }
static inline unsigned tree_record_word(const struct tree_shape *shape, unsigned i) { return TREE_NODE_HEADER + i * shape->width; }

static inline uint64_t tree_child_word(uint64_t child, const uint64_t key[2], uint64_t place)
{
    uint64_t to = child >> 6;
    uint64_t mix = to * WORD_MULTIPLIER_0 + key[0] * WORD_MULTIPLIER_1 + key[1] * WORD_MULTIPLIER_2 + place * WORD_MULTIPLIER_4;

    return to | mix >> 40 << 40;
}
static inline uint64_t tree_child_offset(uint64_t word) { return (word & 0xffffffffffull) << 6; }

/* A record of an inner node, as it is worked with. */
struct tree_child {
    uint64_t key[2];
    uint64_t offset;
    uint64_t count;
};

/* Reads the i-th record. False: its check is wrong. */
bool tree_child_read(const struct tree_shape *shape, const struct tree_node *node, unsigned i, struct tree_child *child);
/* Writes it into the image of a node. */
void tree_child_write(const struct tree_shape *shape, uint64_t *words, uint64_t node, unsigned i, const struct tree_child *child);

/* ---- nodes ---- */

/* Whether a node may stand at this offset: safe for any number. */
bool tree_node_in_pool(const struct pool_file *file, uint64_t offset);

/*
 * Verifies a node whose words are at hand. level: that it must have; owner: its tree's header; TREE_ANY for both where that is not
 * known. False: damaged.
 */
#define TREE_ANY UINT32_MAX
bool tree_node_verify(uint64_t offset, const uint64_t *words, uint64_t owner, unsigned level, const struct tree_shape *shape,
                      struct tree_node *node);

/* An element of a leaf: its bytes, or those of its blob. */
struct tree_element {
    const uint8_t *data;
    size_t size;
    uint64_t blob; /* reference, or 0; data of a blob is zero-copy: it lies in the pool, and does not change */
};

/*
 * The i-th element. verify: a blob's bytes, too (what stands in the leaf always is). False: damaged.
 */
bool tree_element_read(const struct pool_file *file, const struct tree_node *leaf, unsigned i, bool verify, struct tree_element *element);

#endif
