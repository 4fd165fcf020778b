/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tree_build.c - nodes made anew: leaves that are split, joined or compacted, and what their parents say of it
 * Media:   struct sdb_m_node as fresh ranges; words of parents are staged
 * Commit:  the nodes made and the words that publish them are of one transaction, which frees the nodes that they replace
 * Holds:   1. A record's key is at or before all elements of its child and behind all of those before it, but for the first record of
 *             the nodes on the left edge: nothing is before these, so that their keys are not looked at.
 *          2. Where the children of two nodes meet in one, the right one's first key is what its parent said of it.
 * Threads: tree.h
 * Memory:  images of nodes on the stack
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "persist.h"
#include "tree_internal.h"

#define RECORDS_MAX (TREE_ROOM / 2)

/* ---- leaves ---- */

int tree_gather(struct tree *tree, const struct tree_node *leaf, struct tree_item *items, unsigned *count)
{
    const struct pool_file *file = tree->heap->file;

    for (unsigned i = 0; i < leaf->count; i++) {
        struct tree_item *item = &items[(*count)++];
        struct tree_element element;
        struct tree_probe probe;

        if (!tree_element_read(file, leaf, i, tree->shape->keys != 0, &element) ||
            !tree_probe_element(file, tree->kind, element.data, element.size, &probe))
            return tree_damaged(tree, "leaf of a collection", leaf->offset);
        item->slot = tree_slot_of(leaf, i);
        item->words = leaf->words + tree_slot_word(item->slot);
        item->key[0] = probe.key[0];
        item->key[1] = probe.key[1];
    }
    return SDB_OK;
}

/* How many slots a leaf gets: as many as elements like these would fill it, and no fewer than it needs. */
static unsigned capacity_for(unsigned count, unsigned words)
{
    const unsigned room = TREE_ROOM - words - count;
    const unsigned more = count + words ? room * count / (count + words) : 0;

    return count + (more ? more : room != 0);
}

int tree_write_leaf(struct tree *tree, const struct tree_item *items, unsigned count, uint64_t *offset)
{
    uint64_t words[TREE_NODE_WORDS] = {0};
    unsigned used = 0, floor = TREE_NODE_WORDS;
    int error = heap_alloc_node(tree->heap, tree->tx, tree->shard, offset);

    if (error)
        return error;
    for (unsigned i = 0; i < count; i++)
        used += tree_slot_words(items[i].slot);
    assert(count + used <= TREE_ROOM);
    for (unsigned i = 0; i < count; i++) {
        const unsigned n = tree_slot_words(items[i].slot);
        uint64_t *slot = &words[TREE_NODE_HEADER + i];

        floor -= n;
        memcpy(words + floor, items[i].words, n * WORD_SIZE);
        *slot = (items[i].slot & TREE_SLOT_MASK & ~1023ull) | tree_item_word(floor, n);
        *slot = tree_slot_seal(*slot, *offset, items[i].words);
        words[2] += *slot;
    }
    words[0] = checked_word(tree_head_leaf(count, capacity_for(count, used), 0, floor), *offset);
    words[1] = checked_word(tree->header >> 6, *offset + WORD_SIZE);
    persist_copy(tree->heap->file->base + *offset, words, sizeof(words));
    tx_add_node(tree->tx, *offset);
    tree->bytes += TREE_NODE_SIZE;
    return tree->tx->failed ? SDB_ENOMEM : SDB_OK;
}

int tree_free_node(struct tree *tree, uint64_t offset)
{
    if (tree->bytes < TREE_NODE_SIZE)
        return tree_damaged(tree, "header of a collection", tree->header);
    tree->bytes -= TREE_NODE_SIZE;
    return heap_free(tree->heap, tree->tx, tree->shard, offset);
}

static int compare_items(const void *a, const void *b)
{
    const struct tree_item *x = a, *y = b;

    return x->key[0] < y->key[0] ? -1 : x->key[0] > y->key[0];
}

#define RUN_SHIFT 40 /* of a key: the tag, and mostly the group and what comes next */

/*
 * Records come in runs that grow at their ends: parted there, what is before stays full, and what is behind out of the way. Of such places the
 * one that is nearest to `at`, and leaves room on both sides; otherwise `at`.
 */
static unsigned split_runs(const struct tree_item *items, unsigned count, uint64_t words, unsigned at)
{
    uint64_t left = 0;
    unsigned best = 0;

    for (unsigned i = 1; i < count; i++) {
        left += tree_item_words(&items[i - 1]);
        if (items[i].key[0] >> RUN_SHIFT != items[i - 1].key[0] >> RUN_SHIFT && left <= TREE_ROOM && words - left <= TREE_ROOM &&
            (best == 0 || abs((int)i - (int)at) < abs((int)best - (int)at)))
            best = i;
    }
    return best ? best : at;
}

/* Where to part the items: about half of the words on each side, and hashes that are the same on the same. 0: nowhere. */
static unsigned split_at(const struct tree *tree, const struct tree_item *items, unsigned count, uint64_t words)
{
    uint64_t left = 0;
    unsigned at = 0;

    while (at < count - 1 && left < words / 2)
        left += tree_item_words(&items[at++]);
    if (tree->kind == TREE_RECORDS)
        return split_runs(items, count, words, at);
    if (tree->shape->ordered)
        return at;
    for (unsigned off = 0; off < count; off++) {
        if (at + off < count && items[at + off].key[0] != items[at + off - 1].key[0])
            return at + off;
        if (at > off && items[at - off].key[0] != items[at - off - 1].key[0])
            return at - off;
    }
    return 0;
}

/* Makes a leaf or two of the items. */
static int write_leaves(struct tree *tree, struct tree_item *items, unsigned count, struct tree_child children[2], unsigned *made)
{
    uint64_t words = 0, left = 0;
    unsigned at = count;
    int error;

    for (unsigned i = 0; i < count; i++)
        words += tree_item_words(&items[i]);
    if (!tree->shape->ordered)
        qsort(items, count, sizeof(*items), compare_items);
    if (words > TREE_ROOM * 7 / 8)
        at = split_at(tree, items, count, words);
    for (unsigned i = 0; i < at; i++)
        left += tree_item_words(&items[i]);
    if (at == 0 || left > TREE_ROOM || words - left > TREE_ROOM) {
        error_set("%s: too many elements of one hash", tree->heap->file->path);
        return SDB_ETOOBIG;
    }
    *made = at < count ? 2 : 1;
    children[0] = (struct tree_child){.key = {items[0].key[0], items[0].key[1]}, .count = at};
    error = tree_write_leaf(tree, items, at, &children[0].offset);
    if (error || *made == 1)
        return error;
    children[1] = (struct tree_child){.key = {items[at].key[0], items[at].key[1]}, .count = count - at};
    return tree_write_leaf(tree, items + at, count - at, &children[1].offset);
}

int tree_replace_leaves(struct tree *tree, const struct tree_place *place, unsigned index, unsigned removed, struct tree_item *items,
                        unsigned count, int64_t delta)
{
    struct tree_child children[2], old;
    struct tree_node parent;
    unsigned made = 0;
    int error = count ? write_leaves(tree, items, count, children, &made) : SDB_OK;

    if (!error && tree->height == 0)
        error = tree_free_node(tree, place->node[0]);
    if (!error && tree->height > 0)
        error = tree_load(tree, place->node[1], 1, TREE_SCRATCH_INNER, &parent);
    for (unsigned i = 0; !error && tree->height > 0 && i < removed; i++) {
        error = tree_child_of(tree, &parent, index + i, &old);
        if (!error)
            error = tree_free_node(tree, old.offset);
    }
    return error ? error : tree_replace_children(tree, place, 1, index, removed, children, made, delta);
}

/* ---- inner nodes ---- */

static uint64_t sum_counts(const struct tree_child *children, unsigned count)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < count; i++)
        sum += children[i].count;
    return sum;
}

/* Makes an inner node as a fresh one; *child is its record. */
static int write_inner(struct tree *tree, unsigned level, const struct tree_child *children, unsigned count, struct tree_child *child)
{
    uint64_t words[TREE_NODE_WORDS] = {0}, offset;
    int error = heap_alloc_node(tree->heap, tree->tx, tree->shard, &offset);

    if (error)
        return error;
    words[0] = checked_word(tree_head_inner(level, count), offset);
    words[1] = checked_word(tree->header >> 6, offset + WORD_SIZE);
    for (unsigned i = 0; i < count; i++)
        tree_child_write(tree->shape, words, offset, i, &children[i]);
    persist_copy(tree->heap->file->base + offset, words, sizeof(words));
    tx_add_node(tree->tx, offset);
    tree->bytes += TREE_NODE_SIZE;
    *child = (struct tree_child){
        .key = {children[0].key[0], children[0].key[1]}, .offset = offset, .count = sum_counts(children, count)};
    return tree->tx->failed ? SDB_ENOMEM : SDB_OK;
}

static int set_root(struct tree *tree, unsigned level, const struct tree_child *children, unsigned count)
{
    struct tree_child root = {.offset = 0};
    int error = SDB_OK;

    if (count > 1) {
        if (level > TREE_HEIGHT_MAX) {
            error_set("%s: a collection of too many elements", tree->heap->file->path);
            return SDB_ETOOBIG;
        }
        error = write_inner(tree, level, children, count, &root);
    } else if (count == 1) {
        root = children[0];
    }
    tree->root = root.offset;
    tree->height = count > 1 ? level : count ? level - 1 : 0;
    return error;
}

int tree_count_path(struct tree *tree, const struct tree_place *place, unsigned level, int64_t delta)
{
    const struct tree_shape *shape = tree->shape;

    for (; shape->counted && delta && level <= tree->height; level++) {
        const uint64_t at =
            place->node[level] + (tree_record_word(shape, place->index[level]) + shape->keys + 1u) * WORD_SIZE;
        uint64_t value;

        if (!checked_value(tx_load(tree->tx, at), at, &value))
            return tree_damaged(tree, "node of a collection", place->node[level]);
        tx_store_node(tree->tx, at, checked_word(value + (uint64_t)delta, at));
    }
    return SDB_OK;
}

/* Reads all records of a node. */
static int read_children(struct tree *tree, uint64_t offset, unsigned level, struct tree_child *children, unsigned *count)
{
    struct tree_node node;
    int error = tree_load(tree, offset, level, TREE_SCRATCH_INNER, &node);

    for (unsigned i = 0; !error && i < node.count; i++)
        error = tree_child_of(tree, &node, i, &children[i]);
    if (!error)
        *count = node.count;
    return error;
}

/* Stages the node's words that differ from those of its new children, which differ from `from` on. */
static int store_children(struct tree *tree, uint64_t offset, unsigned level, const struct tree_child *children, unsigned from,
                          unsigned count)
{
    const unsigned end = tree_record_word(tree->shape, count);
    uint64_t words[TREE_NODE_WORDS];
    struct tree_node node;
    int error = tree_load(tree, offset, level, TREE_SCRATCH_INNER, &node);

    if (error)
        return error;
    memcpy(words, node.words, sizeof(words));
    words[0] = checked_word(tree_head_inner(level, count), offset);
    for (unsigned i = from; i < count; i++)
        tree_child_write(tree->shape, words, offset, i, &children[i]);
    for (unsigned i = 0; i < end; i++)
        if (words[i] != node.words[i])
            tx_store_node(tree->tx, offset + i * WORD_SIZE, words[i]);
    return tree->tx->failed ? SDB_ENOMEM : SDB_OK;
}

/* Joins a node that has become small, with these children, and a neighbour, where both fit one. *joined tells. */
static int join_inner(struct tree *tree, const struct tree_place *place, unsigned level, const struct tree_child *children, unsigned count,
                      int64_t delta, bool *joined)
{
    const unsigned index = place->index[level + 1], most = tree_records_max(tree->shape) * 3 / 4;
    struct tree_child both[RECORDS_MAX], other[RECORDS_MAX], beside, mine, one;
    struct tree_node parent;
    unsigned others = 0, side;
    int error = tree_load(tree, place->node[level + 1], level + 1, TREE_SCRATCH_INNER, &parent);

    *joined = false;
    if (error || parent.count < 2)
        return error;
    side = index + 1 < parent.count ? index + 1 : index - 1;
    error = tree_child_of(tree, &parent, side, &beside);
    if (!error)
        error = tree_child_of(tree, &parent, index, &mine);
    if (!error)
        error = read_children(tree, beside.offset, level, other, &others);
    if (error || count + others > most)
        return error;
    *joined = true;
    memcpy(both + (side < index ? others : 0), children, count * sizeof(*both));
    memcpy(both + (side < index ? 0 : count), other, others * sizeof(*both));
    const struct tree_child *right = side < index ? &mine : &beside;
    memcpy(both[side < index ? others : count].key, right->key, sizeof(right->key));
    error = write_inner(tree, level, both, count + others, &one);
    if (error == SDB_ENOSPC) { /* what takes elements out is not to fail for want of memory */
        *joined = false;
        return SDB_OK;
    }
    if (!error)
        error = tree_free_node(tree, beside.offset);
    if (!error)
        error = tree_free_node(tree, place->node[level]);
    return error ? error : tree_replace_children(tree, place, level + 1, side < index ? side : index, 2, &one, 1, delta);
}

static int split_inner(struct tree *tree, const struct tree_place *place, unsigned level, const struct tree_child *children, unsigned count,
                       bool at_end, int64_t delta)
{
    const unsigned left = at_end ? count - 1 - tree_records_max(tree->shape) / 8 : count / 2;
    struct tree_child two[2];
    int error = write_inner(tree, level, children, left, &two[0]);

    if (!error)
        error = write_inner(tree, level, children + left, count - left, &two[1]);
    if (!error)
        error = tree_free_node(tree, place->node[level]);
    return error ? error : tree_replace_children(tree, place, level + 1, place->index[level + 1], 1, two, 2, delta);
}

int tree_replace_children(struct tree *tree, const struct tree_place *place, unsigned level, unsigned index, unsigned removed,
                          const struct tree_child *children, unsigned added, int64_t delta)
{
    struct tree_child all[RECORDS_MAX + 2];
    unsigned count = 0;
    bool joined = false;
    int error;

    if (level > tree->height)
        return set_root(tree, level, children, added);
    error = read_children(tree, place->node[level], level, all, &count);
    if (error)
        return error;
    const uint64_t first[2] = {all[index].key[0], all[index].key[1]};
    const bool at_end = index + removed == count && tree->shape->ordered;
    memmove(all + index + added, all + index + removed, (count - index - removed) * sizeof(*all));
    if (added)
        memcpy(all + index, children, added * sizeof(*all));
    if (added && removed)
        memcpy(all[index].key, first, sizeof(first));
    count += added - removed;
    if (count == 0 || (count == 1 && level == tree->height)) {
        error = tree_free_node(tree, place->node[level]);
        if (!error && count == 1)
            return set_root(tree, level, all, 1);
        return error ? error : tree_replace_children(tree, place, level + 1, place->index[level + 1], 1, NULL, 0, delta);
    }
    if (count > tree_records_max(tree->shape))
        return split_inner(tree, place, level, all, count, at_end, delta);
    if (level < tree->height && count < tree_records_max(tree->shape) / 4)
        error = join_inner(tree, place, level, all, count, delta, &joined);
    if (error || joined)
        return error;
    error = store_children(tree, place->node[level], level, all, index, count);
    return error ? error : tree_count_path(tree, place, level + 1, delta);
}
