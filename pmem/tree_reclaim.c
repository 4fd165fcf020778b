/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tree_reclaim.c - dropping a whole tree in one commit, and freeing what it had, a leaf at a time
 * Media:   the list of a shard's dropped trees: struct sdb_m_shard.reclaim, struct sdb_m_tree.next; heads of inner nodes, the root
 * Commit:  each step frees the last leaf, and says so in the lowest node above it that keeps children; nodes that keep none go with it.
 *          Behind the last leaf the header goes, and a companion takes its place in the list. What a crash leaves is a tree like any
 *          other, with fewer leaves; its counts are not kept up, since nobody reads them any more.
 * Threads: tree.h
 * Memory:  none
 */
#include <string.h>

#include "entry.h"
#include "index.h"
#include "persist.h"
#include "tree_internal.h"

static uint64_t list_word(const struct heap *heap, uint32_t shard)
{
    return index_shard_offset(heap->file, shard) + offsetof(struct sdb_m_shard, reclaim);
}

static int read_list(struct tree *tree, uint32_t shard, uint64_t *first)
{
    const uint64_t at = list_word(tree->heap, shard);

    if (!checked_value(tx_load(tree->tx, at), at, first))
        return tree_damaged(tree, "list of dropped collections", at);
    *first <<= 6;
    return SDB_OK;
}

static void store_list(struct tree *tree, uint32_t shard, uint64_t first)
{
    const uint64_t at = list_word(tree->heap, shard);

    tx_store(tree->tx, at, checked_word(first >> 6, at));
}

int tree_drop(struct heap *heap, struct tx *tx, uint64_t header)
{
    struct tree tree;
    uint64_t first;
    int error = tree_open(&tree, heap, tx, header);

    if (!error)
        error = read_list(&tree, tree.shard, &first);
    if (error)
        return error;
    tree_field_store(tx, header, TREE_FIELD(next), first >> 6);
    store_list(&tree, tree.shard, header);
    return tx->failed ? SDB_ENOMEM : SDB_OK;
}

bool tree_any_dropped(const struct heap *heap, uint32_t shard)
{
    return persist_load((const uint64_t *)(const void *)(heap->file->base + list_word(heap, shard))) != 0;
}

/* The header of a tree that has no leaves any more goes. */
static int finish(struct tree *tree, bool *done)
{
    uint64_t next, companion;
    int error = tree_companion(tree, &companion);

    if (!error && !tree_field(tree->tx, tree->header, TREE_FIELD(next), &next))
        error = tree_damaged(tree, "header of a collection", tree->header);
    if (error)
        return error;
    if (companion) {
        struct tree other;

        error = tree_open(&other, tree->heap, tree->tx, companion);
        if (!error && other.shard != tree->shard)
            error = tree_damaged(&other, "header of a collection", companion);
        if (error)
            return error;
        tree_field_store(tree->tx, companion, TREE_FIELD(next), next);
    }
    store_list(tree, tree->shard, companion ? companion : next << 6);
    *done = !companion && next == 0;
    return heap_free(tree->heap, tree->tx, tree->shard, tree->header);
}

static int free_blobs(struct tree *tree, const struct tree_node *leaf)
{
    int error = SDB_OK;

    for (unsigned i = 0; i < leaf->count && !error; i++) {
        struct tree_element element;

        if (!tree_element_read(tree->heap->file, leaf, i, false, &element))
            return tree_damaged(tree, "leaf of a collection", leaf->offset);
        if (element.blob)
            error = heap_free(tree->heap, tree->tx, tree->shard, blob_reference_offset(element.blob));
    }
    return error;
}

/* The path to the last leaf. */
static int find_last(struct tree *tree, uint64_t nodes[TREE_HEIGHT_MAX + 1], unsigned counts[TREE_HEIGHT_MAX + 1])
{
    uint64_t offset = tree->root;
    struct tree_node node;
    struct tree_child child;

    for (unsigned level = tree->height; level > 0; level--) {
        int error = tree_load(tree, offset, level, TREE_SCRATCH_INNER, &node);

        if (!error)
            error = tree_child_of(tree, &node, node.count - 1, &child);
        if (error)
            return error;
        nodes[level] = offset;
        counts[level] = node.count;
        offset = child.offset;
    }
    nodes[0] = offset;
    return SDB_OK;
}

int tree_reclaim(struct heap *heap, struct tx *tx, uint32_t shard, unsigned *freed, bool *done)
{
    struct tree tree = {.heap = heap, .tx = tx};
    uint64_t nodes[TREE_HEIGHT_MAX + 1] = {0}, first;
    unsigned counts[TREE_HEIGHT_MAX + 1] = {0}, level = 0;
    struct tree_node leaf;
    int error = read_list(&tree, shard, &first);

    *freed = 0;
    *done = !error && first == 0;
    if (error || first == 0)
        return error;
    error = tree_open(&tree, heap, tx, first);
    if (!error && tree.shard != shard)
        error = tree_damaged(&tree, "list of dropped collections", first);
    if (!error && tree.root == 0)
        return finish(&tree, done);
    if (!error)
        error = find_last(&tree, nodes, counts);
    if (!error)
        error = tree_load(&tree, nodes[0], 0, TREE_SCRATCH_LEAF, &leaf);
    if (!error)
        error = free_blobs(&tree, &leaf);
    if (error)
        return error;
    *freed = leaf.count;
    do {
        error = heap_free(heap, tx, shard, nodes[level]);
    } while (!error && ++level <= tree.height && counts[level] == 1);
    if (error)
        return error;
    if (level <= tree.height) {
        tx_store_node(tx, nodes[level], checked_word(tree_head_inner(level, counts[level] - 1), nodes[level]));
    } else {
        tree_field_store(tx, tree.header, TREE_FIELD(root), 0);
        tree_field_store(tx, tree.header, TREE_FIELD(count), 0);
    }
    return tx->failed ? SDB_ENOMEM : SDB_OK;
}
