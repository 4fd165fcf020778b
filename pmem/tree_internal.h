/* SPDX-License-Identifier: BSD-3-Clause */
/* tree_internal.h - between tree.c (looking), tree_change.c, tree_build.c (nodes made anew) and tree_reclaim.c */
#ifndef SDB_PMEM_TREE_INTERNAL_H
#define SDB_PMEM_TREE_INTERNAL_H

#include <stddef.h>

#include "tree.h"

enum { TREE_SCRATCH_LEAF, TREE_SCRATCH_OTHER, TREE_SCRATCH_INNER };

/* Loads and verifies a node as the transaction sees it. Errors: SDB_ECORRUPT. */
int tree_load(struct tree *tree, uint64_t offset, unsigned level, unsigned scratch, struct tree_node *node);

void tree_note_damage(const struct tree *tree, const char *what, uint64_t offset);
static inline int tree_damaged(const struct tree *tree, const char *what, uint64_t offset)
{
    tree_note_damage(tree, what, offset);
    return SDB_ECORRUPT;
}

/* A child of an inner node, bounded. Errors: SDB_ECORRUPT. */
int tree_child_of(const struct tree *tree, const struct tree_node *node, unsigned i, struct tree_child *child);

/* ---- header words ---- */

#define TREE_FIELD(name) offsetof(struct sdb_m_tree, name)
bool tree_field(const struct tx *tx, uint64_t header, size_t field, uint64_t *value);
void tree_field_store(struct tx *tx, uint64_t header, size_t field, uint64_t value);
static inline uint64_t tree_shape_value(enum tree_kind kind, unsigned height)
{
    return (uint64_t)kind | (uint64_t)height << 4;
}

/* Stages root, height, count, version and bytes, where they differ. */
void tree_store_header(struct tree *tree);

/* ---- tree_build.c ---- */

/* An element on its way to another node; its words are at hand until the node that they stand in is freed and committed. */
struct tree_item {
    uint64_t slot; /* size, blob, fingerprint; its place means nothing */
    const uint64_t *words;
    uint64_t key[2];
};
#define TREE_ITEMS_MAX (2 * TREE_ROOM + 1)

static inline uint64_t tree_item_words(const struct tree_item *item) { return 1 + tree_slot_words(item->slot); }

/* Appends the leaf's elements, in their order. Errors: SDB_ECORRUPT. */
int tree_gather(struct tree *tree, const struct tree_node *leaf, struct tree_item *items, unsigned *count);

/* Makes a leaf of the items as a fresh node. */
int tree_write_leaf(struct tree *tree, const struct tree_item *items, unsigned count, uint64_t *offset);

/*
 * Puts leaves made of the items in the place of the parent's `removed` children from index on (their nodes are freed); one leaf or two,
 * none where there are no items. delta: how many elements the tree has more.
 */
int tree_replace_leaves(struct tree *tree, const struct tree_place *place, unsigned index, unsigned removed, struct tree_item *items,
                        unsigned count, int64_t delta);

/*
 * Puts `added` children in the place of `removed` ones from index on, in the place's node of a level, and goes on above. The first one
 * added keeps the key of the first one removed.
 */
int tree_replace_children(struct tree *tree, const struct tree_place *place, unsigned level, unsigned index, unsigned removed,
                          const struct tree_child *children, unsigned added, int64_t delta);

/* Counts on the levels from `level` up change by delta. */
int tree_count_path(struct tree *tree, const struct tree_place *place, unsigned level, int64_t delta);

int tree_free_node(struct tree *tree, uint64_t offset);

#endif
