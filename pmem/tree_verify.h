/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tree_verify.h - walks over all of a tree on the medium and verifies it, for the check and the repair
 *
 * Every word is verified before it is followed, the depth is bounded by the levels, and no node is entered that the caller refuses, who
 * knows which were entered before: no damage makes the walk crash or go on for ever.
 * Threads: one, while nobody writes to the tree
 * Memory:  none
 */
#ifndef SDB_PMEM_TREE_VERIFY_H
#define SDB_PMEM_TREE_VERIFY_H

#include "tree_kind.h"

struct tree_walk {
    const struct pool_file *file;
    void *context;
    /* What the word at `from` leads to is used by the tree: a header, a node, a blob. False: it cannot be, and it was told why. */
    bool (*header)(void *context, uint64_t from, uint64_t offset);
    bool (*node)(void *context, uint64_t from, uint64_t offset);
    bool (*blob)(void *context, uint64_t from, uint64_t reference);
    void (*problem)(void *context, uint64_t offset, const char *what);
    bool dropped; /* trees being reclaimed: their counts are not kept up */
    /* Sums. */
    uint64_t nodes, elements;
};

/* One tree and its companions. kind 0: any. from: the place of the word that leads to it. Whether nothing was wrong. */
bool tree_verify(struct tree_walk *walk, uint64_t from, uint64_t header, enum tree_kind kind);

#endif
