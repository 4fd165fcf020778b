/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tree_change.c - inserting, replacing and removing elements
 * Media:   words of leaves and of the tree's header are staged; blobs are fresh ranges
 * Commit:  tree.h
 * Holds:   what is read of a leaf is read before anything is stored to it: a leaf of this transaction is changed where it lies
 * Threads: tree.h
 * Memory:  images of nodes on the stack
 */
#include <assert.h>
#include <string.h>

#include "entry.h"
#include "error.h"
#include "persist.h"
#include "tree_internal.h"

#define INLINE_WORDS (TREE_INLINE_MAX / WORD_SIZE)

/* ---- elements ---- */

/* The element made of the parts; what stands in the leaf is in `words`. */
static int make_item(struct tree *tree, const struct sdb_slice *parts, unsigned count, uint64_t words[INLINE_WORDS], struct tree_item *item)
{
    const struct pool_file *file = tree->heap->file;
    uint8_t *to = (uint8_t *)words;
    struct tree_element element = {.data = to};
    struct tree_probe probe;
    uint32_t blob_size;

    for (unsigned i = 0; i < count; i++)
        element.size += parts[i].size;
    if (element.size > TREE_ELEMENT_SIZE_MAX) {
        error_set("an element of %zu bytes: at most %u are allowed", element.size, TREE_ELEMENT_SIZE_MAX);
        return SDB_ETOOBIG;
    }
    memset(words, 0, INLINE_WORDS * WORD_SIZE);
    if (element.size > TREE_INLINE_MAX) {
        int error = entry_write_blob_parts(tree->heap, tree->tx, tree->shard, parts, count, &words[0]);

        if (error)
            return error;
        if (!entry_blob(file, words[0], &element.data, &blob_size))
            return SDB_ECORRUPT;
        tree->bytes += heap_block_size(element.size + sizeof(struct sdb_m_blob));
        item->slot = tree_slot(0, 0, true, 0);
    } else {
        for (unsigned i = 0; i < count; to += parts[i].size, i++)
            if (parts[i].size)
                memcpy(to, parts[i].data, parts[i].size);
        item->slot = tree_slot(0, (unsigned)element.size, false, 0);
    }
    if (!tree_probe_element(file, tree->kind, element.data, element.size, &probe))
        return SDB_EINVAL;
    item->words = words;
    memcpy(item->key, probe.key, sizeof(item->key));
    if (!tree->shape->ordered)
        item->slot |= tree_slot(0, 0, false, probe.key[0]);
    return SDB_OK;
}

/* Gives back what the element has outside of its leaf. */
static int free_outside(struct tree *tree, const struct tree_node *leaf, unsigned i)
{
    struct tree_element element;

    if (!tree_element_read(tree->heap->file, leaf, i, false, &element))
        return tree_damaged(tree, "leaf of a collection", leaf->offset);
    if (!element.blob)
        return SDB_OK;
    if (tree->bytes < heap_block_size(element.size + sizeof(struct sdb_m_blob)))
        return tree_damaged(tree, "header of a collection", tree->header);
    tree->bytes -= heap_block_size(element.size + sizeof(struct sdb_m_blob));
    return heap_free(tree->heap, tree->tx, tree->shard, blob_reference_offset(element.blob));
}

/* ---- leaves in place ---- */

static void store(struct tree *tree, const struct tree_node *leaf, unsigned word, uint64_t value)
{
    tx_store_node(tree->tx, leaf->offset + word * WORD_SIZE, value);
}

static void store_head(struct tree *tree, const struct tree_node *leaf, uint64_t head, uint64_t sum)
{
    store(tree, leaf, 0, checked_word(head, leaf->offset));
    store(tree, leaf, 2, sum);
}

static bool has_room(const struct tree_node *leaf, const struct tree_item *item)
{
    return leaf->count < leaf->capacity && leaf->floor >= TREE_NODE_HEADER + leaf->capacity + tree_slot_words(item->slot);
}

/* Puts the ring's slots, in their order, where they belong with another beginning; stages those that differ. */
static void store_ring(struct tree *tree, const struct tree_node *leaf, unsigned first, const uint64_t *slots, unsigned count)
{
    uint64_t old[TREE_ROOM];
    struct tree_node moved = *leaf;

    memcpy(old, leaf->words + TREE_NODE_HEADER, leaf->capacity * WORD_SIZE);
    moved.first = first;
    for (unsigned i = 0; i < count; i++) {
        const unsigned at = tree_slot_place(&moved, i);

        if (old[at - TREE_NODE_HEADER] != slots[i])
            store(tree, leaf, at, slots[i]);
    }
}

static void put_ordered(struct tree *tree, const struct tree_node *leaf, unsigned at, uint64_t slot, unsigned *first)
{
    uint64_t slots[TREE_ROOM + 1];

    for (unsigned i = 0; i < leaf->count; i++)
        slots[i + (i >= at)] = tree_slot_of(leaf, i);
    slots[at] = slot;
    *first = leaf->first;
    if (at < leaf->count - at) /* the shorter part makes room */
        *first = leaf->first ? leaf->first - 1 : leaf->capacity - 1;
    store_ring(tree, leaf, *first, slots, leaf->count + 1);
}

static void put_in_place(struct tree *tree, const struct tree_place *place, const struct tree_item *item)
{
    const struct tree_node *leaf = &place->leaf;
    const unsigned words = tree_slot_words(item->slot), floor = leaf->floor - words;
    const uint64_t slot = tree_slot_seal(item->slot | tree_item_word(floor, words), leaf->offset, item->words);
    const uint64_t sum = leaf->words[2] + slot;
    unsigned first = 0;

    for (unsigned i = 0; i < words; i++)
        store(tree, leaf, floor + i, item->words[i]);
    if (tree->shape->ordered)
        put_ordered(tree, leaf, place->index[0], slot, &first);
    else
        store(tree, leaf, TREE_NODE_HEADER + leaf->count, slot);
    store_head(tree, leaf, tree_head_leaf(leaf->count + 1, leaf->capacity, first, floor), sum);
}

static void take_ordered(struct tree *tree, const struct tree_node *leaf, unsigned at, unsigned *first)
{
    uint64_t slots[TREE_ROOM];

    assert(at < leaf->count);
    for (unsigned i = 0, n = 0; i < leaf->count; i++)
        if (i != at)
            slots[n++] = tree_slot_of(leaf, i);
    *first = leaf->first;
    if (at < leaf->count - 1 - at)
        *first = leaf->first + 1 < leaf->capacity ? leaf->first + 1 : 0;
    store_ring(tree, leaf, *first, slots, leaf->count - 1);
}

static void take_in_place(struct tree *tree, const struct tree_place *place)
{
    const struct tree_node *leaf = &place->leaf;
    const unsigned at = place->index[0], last = leaf->count - 1;
    const uint64_t slot = tree_slot_of(leaf, at), sum = leaf->words[2] - slot;
    unsigned floor = leaf->floor, first = 0;

    if (tree_slot_word(slot) == floor)
        floor += tree_slot_words(slot);
    if (tree->shape->ordered)
        take_ordered(tree, leaf, at, &first);
    else if (at != last)
        store(tree, leaf, TREE_NODE_HEADER + at, tree_slot_of(leaf, last));
    store_head(tree, leaf, tree_head_leaf(last, leaf->capacity, first, floor), sum);
}

/* ---- inserting ---- */

/* Whether nothing lies behind (step 1) or before (-1) the place in the whole tree. */
static bool is_edge(struct tree *tree, const struct tree_place *place, int step)
{
    struct tree_node node;

    if (place->index[0] != (step > 0 ? place->leaf.count : 0))
        return false;
    for (unsigned level = 1; level <= tree->height; level++)
        if (tree_load(tree, place->node[level], level, TREE_SCRATCH_INNER, &node) ||
            place->index[level] != (step > 0 ? node.count - 1 : 0))
            return false;
    return true;
}

/* What grows at its end gets a new leaf there, and leaves the full one as it is; so does a list that grows at its beginning. */
static int add_leaf(struct tree *tree, const struct tree_place *place, const struct tree_item *item, bool behind)
{
    struct tree_child children[2] = {{.offset = place->node[0], .count = place->leaf.count}, {.offset = 0}};
    struct tree_child *mine = &children[behind], *other = &children[!behind];
    int error;

    if (!behind)
        *other = children[0];
    *mine = (struct tree_child){.key = {item->key[0], item->key[1]}, .count = 1};
    error = tree_write_leaf(tree, item, 1, &mine->offset);
    if (error)
        return error;
    if (tree->height == 0)
        return tree_replace_children(tree, place, 1, 0, 1, children, 2, 1);
    return tree_replace_children(tree, place, 1, place->index[1] + behind, 0, mine, 1, 1);
}

static int insert_anew(struct tree *tree, const struct tree_place *place, const struct tree_item *item)
{
    struct tree_item items[TREE_ROOM + 1];
    const unsigned at = tree->shape->ordered ? place->index[0] : place->leaf.count;
    unsigned count = 0;
    int error = tree_gather(tree, &place->leaf, items, &count);

    if (error)
        return error;
    memmove(items + at + 1, items + at, (count - at) * sizeof(*items));
    items[at] = *item;
    return tree_replace_leaves(tree, place, place->index[1], 1, items, count + 1, 1);
}

int tree_insert(struct tree *tree, const struct tree_place *place, const struct sdb_slice *parts, unsigned count)
{
    uint64_t words[INLINE_WORDS];
    struct tree_item item;
    int error = make_item(tree, parts, count, words, &item);

    if (error)
        return error;
    tree->count++;
    if (place->node[0] == 0) {
        error = tree_write_leaf(tree, &item, 1, &tree->root);
    } else if (has_room(&place->leaf, &item)) {
        put_in_place(tree, place, &item);
        error = tree_count_path(tree, place, 1, 1);
    } else if (tree->shape->ordered && (is_edge(tree, place, 1) || (tree->kind == TREE_RECORDS && place->index[0] == place->leaf.count))) {
        error = add_leaf(tree, place, &item, true);
    } else if (tree->kind == TREE_LIST && is_edge(tree, place, -1)) {
        error = add_leaf(tree, place, &item, false);
    } else {
        error = insert_anew(tree, place, &item);
    }
    tree_store_header(tree);
    return error ? error : tree->tx->failed ? SDB_ENOMEM : SDB_OK;
}

/* ---- replacing ---- */

int tree_replace(struct tree *tree, const struct tree_place *place, const struct sdb_slice *parts, unsigned count)
{
    const struct tree_node *leaf = &place->leaf;
    const unsigned at = place->index[0];
    uint64_t words[INLINE_WORDS];
    struct tree_item item, items[TREE_ROOM];
    int error = make_item(tree, parts, count, words, &item);

    if (!error)
        error = free_outside(tree, leaf, at);
    if (error)
        return error;
    const uint64_t old = tree_slot_of(leaf, at), sum = leaf->words[2] - old;
    const unsigned size = tree_slot_words(item.slot), slot_place = tree_slot_place(leaf, at);
    unsigned word = tree_slot_word(old), floor = leaf->floor, all = 0;

    if (size > tree_slot_words(old)) {
        if (floor < size + TREE_NODE_HEADER + leaf->capacity) {
            error = tree_gather(tree, leaf, items, &all);
            if (error)
                return error;
            items[at] = item;
            error = tree_replace_leaves(tree, place, place->index[1], 1, items, all, 0);
            tree_store_header(tree);
            return error ? error : tree->tx->failed ? SDB_ENOMEM : SDB_OK;
        }
        word = floor -= size;
    }
    const uint64_t slot = tree_slot_seal(item.slot | tree_item_word(word, size), leaf->offset, words);
    for (unsigned i = 0; i < size; i++)
        if (leaf->words[word + i] != words[i])
            store(tree, leaf, word + i, words[i]);
    store(tree, leaf, slot_place, slot);
    store_head(tree, leaf, tree_head_leaf(leaf->count, leaf->capacity, leaf->first, floor), sum + slot);
    tree_store_header(tree);
    return tree->tx->failed ? SDB_ENOMEM : SDB_OK;
}

/* ---- removing ---- */

static uint64_t leaf_words(const struct tree_node *leaf)
{
    uint64_t words = leaf->count;

    for (unsigned i = 0; i < leaf->count; i++)
        words += tree_slot_words(tree_slot_of(leaf, i));
    return words;
}

/* Joins the leaf, without the element at the place, and a neighbour, where both fit one, and a full pool has a node. *joined tells. */
static int join_leaf(struct tree *tree, const struct tree_place *place, bool *joined)
{
    const struct tree_node *leaf = &place->leaf;
    const unsigned index = place->index[1];
    struct tree_item items[TREE_ITEMS_MAX];
    struct tree_node parent, other;
    struct tree_child beside;
    unsigned side, count = 0, gone;
    int error = tree_load(tree, place->node[1], 1, TREE_SCRATCH_INNER, &parent);

    *joined = false;
    if (error || parent.count < 2)
        return error;
    side = index + 1 < parent.count ? index + 1 : index - 1;
    error = tree_child_of(tree, &parent, side, &beside);
    if (!error)
        error = tree_load(tree, beside.offset, 0, TREE_SCRATCH_OTHER, &other);
    if (error || leaf_words(leaf) + leaf_words(&other) > TREE_ROOM * 3 / 4)
        return error;
    *joined = true;
    if (side < index)
        error = tree_gather(tree, &other, items, &count);
    gone = count + place->index[0];
    if (!error)
        error = tree_gather(tree, leaf, items, &count);
    if (!error && side > index)
        error = tree_gather(tree, &other, items, &count);
    if (error)
        return error;
    memmove(items + gone, items + gone + 1, (count - gone - 1) * sizeof(*items));
    error = tree_replace_leaves(tree, place, side < index ? side : index, 2, items, count - 1, -1);
    *joined = error != SDB_ENOSPC; /* the new leaf was the first thing that it wanted; it can do without */
    return *joined ? error : SDB_OK;
}

int tree_remove(struct tree *tree, const struct tree_place *place)
{
    const struct tree_node *leaf = &place->leaf;
    bool joined = false;
    int error = free_outside(tree, leaf, place->index[0]);

    if (error)
        return error;
    tree->count--;
    if (leaf->count == 1) {
        error = tree_replace_leaves(tree, place, place->index[1], 1, NULL, 0, -1);
    } else {
        if (tree->height > 0 && leaf->count - 1 < leaf->capacity / 4)
            error = join_leaf(tree, place, &joined);
        if (!error && !joined) {
            take_in_place(tree, place);
            error = tree_count_path(tree, place, 1, -1);
        }
    }
    tree_store_header(tree);
    return error ? error : tree->tx->failed ? SDB_ENOMEM : SDB_OK;
}

int tree_remove_leaf(struct tree *tree, const struct tree_place *place)
{
    const unsigned count = place->leaf.count;
    int error = SDB_OK;

    for (unsigned i = 0; i < count && !error; i++)
        error = free_outside(tree, &place->leaf, i);
    if (error)
        return error;
    tree->count -= count;
    error = tree_replace_leaves(tree, place, place->index[1], 1, NULL, 0, -(int64_t)count);
    tree_store_header(tree);
    return error ? error : tree->tx->failed ? SDB_ENOMEM : SDB_OK;
}
