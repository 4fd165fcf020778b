/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tree.c - opening trees, finding elements, going from one to the next
 * Media:   read only; tree_create and the header's words are staged
 * Holds:   tree.h 3
 * Threads: tree.h
 * Memory:  none
 */
#include "tree.h"

#include <inttypes.h>
#include <string.h>

#include "entry.h"
#include "error.h"
#include "tree_internal.h"

void tree_note_damage(const struct tree *tree, const char *what, uint64_t offset)
{
    error_set("%s: the %s at offset %" PRIu64 " is damaged", tree->heap->file->path, what, offset);
}

/* ---- the header ---- */

bool tree_field(const struct tx *tx, uint64_t header, size_t field, uint64_t *value)
{
    return nonzero_word_value(tx_load(tx, header + field), header + field, value);
}

void tree_field_store(struct tx *tx, uint64_t header, size_t field, uint64_t value)
{
    const uint64_t word = nonzero_word(value, header + field);

    if (tx_load(tx, header + field) != word)
        tx_store(tx, header + field, word);
}

bool tree_shard(const struct heap *heap, const struct tx *tx, uint64_t header, uint32_t *shard)
{
    const uint64_t size = __atomic_load_n(&heap->file->size, __ATOMIC_ACQUIRE);

    return header >= heap->file->superblock.heap_offset && header % sizeof(struct sdb_m_tree) == 0 &&
           header + sizeof(struct sdb_m_tree) <= size && heap_owner(heap, tx, header, shard);
}

int tree_create(struct heap *heap, struct tx *tx, uint32_t shard, enum tree_kind kind, uint64_t *header)
{
    int error = heap_alloc(heap, tx, shard, sizeof(struct sdb_m_tree), header);

    if (error)
        return error;
    /* All of its words, whatever stood there before. */
    tx_store(tx, *header + TREE_FIELD(shape), nonzero_word(tree_shape_value(kind, 0), *header));
    for (uint64_t at = *header + WORD_SIZE; at < *header + sizeof(struct sdb_m_tree); at += WORD_SIZE)
        tx_store(tx, at, nonzero_word(0, at));
    return tx->failed ? SDB_ENOMEM : SDB_OK;
}

int tree_open(struct tree *tree, struct heap *heap, struct tx *tx, uint64_t header)
{
    uint64_t shape, root;

    tree->heap = heap;
    tree->tx = tx;
    tree->header = header;
    if (!tree_shard(heap, tx, header, &tree->shard))
        return tree_damaged(tree, "collection that an entry leads to,", header);
    if (!tree_field(tx, header, TREE_FIELD(shape), &shape) || !tree_shapes[shape & 15].valid || shape >> 4 > TREE_HEIGHT_MAX ||
        !tree_field(tx, header, TREE_FIELD(root), &root) || !tree_field(tx, header, TREE_FIELD(count), &tree->count) ||
        !tree_field(tx, header, TREE_FIELD(version), &tree->version) || !tree_field(tx, header, TREE_FIELD(bytes), &tree->bytes))
        return tree_damaged(tree, "header of a collection", header);
    tree->kind = (enum tree_kind)(shape & 15);
    tree->shape = &tree_shapes[shape & 15];
    tree->height = (unsigned)(shape >> 4);
    tree->root = root << 6;
    if ((root == 0) != (tree->count == 0))
        return tree_damaged(tree, "header of a collection", header);
    return SDB_OK;
}

void tree_store_header(struct tree *tree)
{
    tree->version++;
    tree_field_store(tree->tx, tree->header, TREE_FIELD(shape), tree_shape_value(tree->kind, tree->height));
    tree_field_store(tree->tx, tree->header, TREE_FIELD(root), tree->root >> 6);
    tree_field_store(tree->tx, tree->header, TREE_FIELD(count), tree->count);
    tree_field_store(tree->tx, tree->header, TREE_FIELD(version), tree->version & NONZERO_VALUE_MAX);
    tree_field_store(tree->tx, tree->header, TREE_FIELD(bytes), tree->bytes);
}

void tree_set_user(struct tree *tree, uint64_t value) { tree_field_store(tree->tx, tree->header, TREE_FIELD(user), value); }

int tree_user(const struct tree *tree, uint64_t *value)
{
    return tree_field(tree->tx, tree->header, TREE_FIELD(user), value) ? SDB_OK
                                                                       : tree_damaged(tree, "header of a collection", tree->header);
}

void tree_set_companion(struct tree *tree, uint64_t header)
{
    tree_field_store(tree->tx, tree->header, TREE_FIELD(companion), header >> 6);
}

int tree_companion(const struct tree *tree, uint64_t *header)
{
    if (!tree_field(tree->tx, tree->header, TREE_FIELD(companion), header))
        return tree_damaged(tree, "header of a collection", tree->header);
    *header <<= 6;
    return SDB_OK;
}

/* ---- nodes ---- */

/* The node's words: where they lie, or a copy where some of them are staged. */
static const uint64_t *words_of(struct tree *tree, uint64_t offset, uint64_t *copy)
{
    const uint64_t *direct = (const uint64_t *)(const void *)(tree->heap->file->base + offset);
    bool copied = false;

    for (uint64_t lines = tx_node_lines(tree->tx, offset); lines; lines &= lines - 1) {
        const unsigned i = (unsigned)__builtin_ctzll(lines) * 8;
        const uint64_t *line = tx_line(tree->tx, offset + i * WORD_SIZE);

        if (line == direct + i)
            continue;
        if (!copied)
            memcpy(copy, direct, TREE_NODE_SIZE);
        copied = true;
        memcpy(copy + i, line, LINE_SIZE);
    }
    return copied ? copy : direct;
}

int tree_load(struct tree *tree, uint64_t offset, unsigned level, unsigned scratch, struct tree_node *node)
{
    if (!tree_node_in_pool(tree->heap->file, offset) ||
        !tree_node_verify(offset, words_of(tree, offset, tree->scratch[scratch]), tree->header, level, tree->shape, node))
        return tree_damaged(tree, "node of a collection", offset);
    return SDB_OK;
}

/* How many elements the root says there are below it, where it does. */
static bool root_count(struct tree *tree, uint64_t *count)
{
    struct tree_node root;

    *count = tree->count;
    if (tree->root == 0)
        return true;
    if (tree_load(tree, tree->root, tree->height, TREE_SCRATCH_LEAF, &root) != SDB_OK)
        return false;
    if (root.level == 0)
        *count = root.count;
    if (root.level == 0 || !tree->shape->counted)
        return true;
    *count = 0;
    for (unsigned i = 0; i < root.count; i++) {
        struct tree_child child;

        if (!tree_child_read(tree->shape, &root, i, &child))
            return false;
        *count += child.count;
    }
    return true;
}

static bool companion_is_right(const struct tree *tree, uint64_t companion)
{
    return tree->kind == TREE_STREAM || (companion != 0) == (tree->kind == TREE_SCORES);
}

bool tree_header_sound(struct heap *heap, struct tx *tx, uint64_t header)
{
    uint64_t next, companion, user, count;
    struct tree tree;

    return tree_open(&tree, heap, tx, header) == SDB_OK && tree_field(tx, header, TREE_FIELD(next), &next) && next == 0 &&
           tree_companion(&tree, &companion) == SDB_OK && companion_is_right(&tree, companion) &&
           (companion == 0 || tree_header_sound(heap, tx, companion)) && tree_user(&tree, &user) == SDB_OK &&
           root_count(&tree, &count) && count == tree.count;
}

int tree_child_of(const struct tree *tree, const struct tree_node *node, unsigned i, struct tree_child *child)
{
    if (i >= node->count || !tree_child_read(tree->shape, node, i, child) || !tree_node_in_pool(tree->heap->file, child->offset))
        return tree_damaged(tree, "node of a collection", node->offset);
    return SDB_OK;
}

/* ---- finding ---- */

/* The probe of the first element below a node: for keys that several elements share. */
static int first_below(struct tree *tree, uint64_t offset, unsigned level, struct tree_probe *probe)
{
    const struct pool_file *file = tree->heap->file;
    struct tree_node node;
    struct tree_child child;
    struct tree_element element;
    int error;

    for (; level > 0; level--) {
        error = tree_load(tree, offset, level, TREE_SCRATCH_OTHER, &node);
        if (!error)
            error = tree_child_of(tree, &node, 0, &child);
        if (error)
            return error;
        offset = child.offset;
    }
    error = tree_load(tree, offset, 0, TREE_SCRATCH_OTHER, &node);
    if (error)
        return error;
    if (node.count == 0 || !tree_element_read(file, &node, 0, true, &element) ||
        !tree_probe_element(file, tree->kind, element.data, element.size, probe))
        return tree_damaged(tree, "leaf of a collection", offset);
    return SDB_OK;
}

/* How a record's beginning stands to the probe: memcmp(record, probe). */
static int compare_record(struct tree *tree, const struct tree_node *node, unsigned i, const struct tree_probe *probe, int *order)
{
    const struct tree_shape *shape = tree->shape;
    const uint64_t *key = node->words + tree_record_word(shape, i);
    struct tree_child child;
    struct tree_probe first;
    int error;

    for (unsigned k = 0; k < shape->keys; k++) {
        if (key[k] != probe->key[k]) {
            *order = key[k] < probe->key[k] ? -1 : 1;
            return SDB_OK;
        }
    }
    *order = 0;
    if (!shape->tied)
        return SDB_OK;
    error = tree_child_of(tree, node, i, &child);
    if (!error)
        error = first_below(tree, child.offset, node->level - 1, &first);
    if (!error)
        *order = tree_probe_compare(shape, &first, probe);
    return error;
}

/* The child in which the probe is, or would be: the last one that begins at it or before it. */
static int search_inner(struct tree *tree, const struct tree_node *node, const struct tree_probe *probe, unsigned *index,
                        struct tree_child *child)
{
    unsigned low = 0, high = node->count;
    struct tree_child next;
    int error, order;

    while (high - low > 1) {
        unsigned middle = (low + high) / 2;

        error = compare_record(tree, node, middle, probe, &order);
        if (error)
            return error;
        if (order <= 0)
            low = middle;
        else
            high = middle;
    }
    *index = low;
    /* Both keys that the search ended between are verified: a damaged one elsewhere has not led it astray. */
    error = tree_child_of(tree, node, low, child);
    return error || high == node->count ? error : tree_child_of(tree, node, high, &next);
}

/* A leaf's element against the probe; for hashed kinds only whether it is the one. */
static int compare_element(struct tree *tree, const struct tree_node *leaf, unsigned i, const struct tree_probe *probe, int *order)
{
    const struct pool_file *file = tree->heap->file;
    const bool ordered = tree->shape->ordered;
    struct tree_element element;
    struct tree_probe mine;

    if (!tree_element_read(file, leaf, i, ordered, &element))
        return tree_damaged(tree, "leaf of a collection", leaf->offset);
    if (!tree_probe_element(file, tree->kind, element.data, element.size, &mine)) {
        return tree_damaged(tree, "element of a collection", leaf->offset);
    } else if (ordered) {
        *order = tree_probe_compare(tree->shape, &mine, probe);
    } else {
        *order = mine.name_size != probe->name_size || memcmp(mine.name, probe->name, mine.name_size) != 0;
        /* Fingerprints agreed: another one, or this one, damaged? */
        if (*order && element.blob && !entry_blob_verify(file, element.blob))
            return tree_damaged(tree, "element of a collection", blob_reference_offset(element.blob));
    }
    return SDB_OK;
}

static enum tree_result search_hashed(struct tree *tree, const struct tree_probe *probe, struct tree_place *place)
{
    const struct tree_node *leaf = &place->leaf;
    const unsigned fingerprint = (unsigned)(probe->key[0] & 0x7fff);

    for (unsigned i = 0; i < leaf->count; i++) {
        int order;

        if (tree_slot_fingerprint(leaf->words[TREE_NODE_HEADER + i]) != fingerprint)
            continue;
        if (compare_element(tree, leaf, i, probe, &order))
            return TREE_DAMAGED;
        if (order == 0) {
            place->index[0] = i;
            return TREE_FOUND;
        }
    }
    place->index[0] = leaf->count;
    return TREE_MISSING;
}

/* The first element that is not before the probe. */
static enum tree_result search_ordered(struct tree *tree, const struct tree_probe *probe, struct tree_place *place)
{
    const struct tree_node *leaf = &place->leaf;
    unsigned low = 0, high = leaf->count;
    bool same = false;

    while (low < high) {
        unsigned middle = (low + high) / 2;
        int order;

        if (compare_element(tree, leaf, middle, probe, &order))
            return TREE_DAMAGED;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
        same |= order == 0;
    }
    place->index[0] = low;
    return same ? TREE_FOUND : TREE_MISSING;
}

/* From the root to the leaf. False: the tree is empty, or damaged (*error). */
static bool descend(struct tree *tree, const struct tree_probe *probe, struct tree_place *place, int *error)
{
    uint64_t offset = tree->root;
    struct tree_node node;
    struct tree_child child;

    *error = SDB_OK;
    memset(place->node, 0, sizeof(place->node));
    place->index[0] = 0;
    if (offset == 0)
        return false;
    for (unsigned level = tree->height; level > 0 && !*error; level--) {
        place->node[level] = offset;
        *error = tree_load(tree, offset, level, TREE_SCRATCH_INNER, &node);
        if (!*error)
            *error = search_inner(tree, &node, probe, &place->index[level], &child);
        offset = *error ? 0 : child.offset;
    }
    place->node[0] = offset;
    if (!*error)
        *error = tree_load(tree, offset, 0, TREE_SCRATCH_LEAF, &place->leaf);
    if (!*error && !tree->shape->ordered && place->leaf.first != 0)
        *error = tree_damaged(tree, "leaf of a collection", offset);
    return !*error;
}

enum tree_result tree_find(struct tree *tree, const struct tree_probe *probe, struct tree_place *place)
{
    int error;

    if (!descend(tree, probe, place, &error))
        return error ? TREE_DAMAGED : TREE_MISSING;
    return tree->shape->ordered ? search_ordered(tree, probe, place) : search_hashed(tree, probe, place);
}

enum tree_result tree_seek(struct tree *tree, const struct tree_probe *probe, struct tree_place *place)
{
    int error;

    if (!descend(tree, probe, place, &error))
        return error ? TREE_DAMAGED : TREE_MISSING;
    if (tree->shape->ordered && search_ordered(tree, probe, place) == TREE_DAMAGED)
        return TREE_DAMAGED;
    return place->index[0] < place->leaf.count ? TREE_FOUND : tree_next_leaf(tree, place);
}

/* ---- ranks ---- */

/* From the first child on. */
static int rank_forward(const struct tree *tree, const struct tree_node *node, uint64_t *rank, unsigned *index, struct tree_child *child)
{
    for (unsigned i = 0; i < node->count; i++) {
        int error = tree_child_of(tree, node, i, child);

        if (error)
            return error;
        *index = i;
        if (*rank < child->count || i + 1 == node->count)
            return SDB_OK;
        *rank -= child->count;
    }
    return tree_damaged(tree, "node of a collection", node->offset); /* an inner node has children */
}

/* From the last one on; behind: how many elements there are from the rank on. */
static int rank_backward(const struct tree *tree, const struct tree_node *node, uint64_t behind, uint64_t *rank, unsigned *index,
                         struct tree_child *child)
{
    for (unsigned i = node->count; i-- > 0;) {
        int error = tree_child_of(tree, node, i, child);

        if (error)
            return error;
        *index = i;
        if (behind <= child->count) {
            *rank = child->count - behind;
            return SDB_OK;
        }
        behind -= child->count;
    }
    return tree_damaged(tree, "node of a collection", node->offset); /* there are fewer than its parent says */
}

/* The child with the rank in it, which becomes the rank within; behind everything: the last one. total: the elements below the node. */
static int rank_inner(const struct tree *tree, const struct tree_node *node, uint64_t total, uint64_t *rank, unsigned *index,
                      struct tree_child *child)
{
    return *rank < total / 2 ? rank_forward(tree, node, rank, index, child)
                             : rank_backward(tree, node, total - *rank, rank, index, child);
}

enum tree_result tree_at(struct tree *tree, uint64_t rank, struct tree_place *place)
{
    uint64_t offset = tree->root, total = tree->count;
    struct tree_node node;
    struct tree_child child;

    memset(place->node, 0, sizeof(place->node));
    place->index[0] = 0;
    if (offset == 0)
        return TREE_MISSING;
    if (rank > tree->count)
        rank = tree->count;
    for (unsigned level = tree->height; level > 0; level--) {
        place->node[level] = offset;
        if (tree_load(tree, offset, level, TREE_SCRATCH_INNER, &node) ||
            rank_inner(tree, &node, total, &rank, &place->index[level], &child))
            return TREE_DAMAGED;
        offset = child.offset;
        total = child.count;
    }
    place->node[0] = offset;
    if (tree_load(tree, offset, 0, TREE_SCRATCH_LEAF, &place->leaf))
        return TREE_DAMAGED;
    if (rank > place->leaf.count) {
        (void)tree_damaged(tree, "node of a collection", offset);
        return TREE_DAMAGED;
    }
    place->index[0] = (unsigned)rank;
    return rank < place->leaf.count ? TREE_FOUND : TREE_MISSING;
}

int tree_rank(struct tree *tree, const struct tree_place *place, uint64_t *rank)
{
    uint64_t sum = place->index[0];
    struct tree_node node;
    struct tree_child child;

    for (unsigned level = 1; place->node[0] && level <= tree->height; level++) {
        int error = tree_load(tree, place->node[level], level, TREE_SCRATCH_INNER, &node);

        for (unsigned i = 0; !error && i < place->index[level]; i++) {
            error = tree_child_of(tree, &node, i, &child);
            sum += error ? 0 : child.count;
        }
        if (error)
            return error;
    }
    *rank = sum;
    return SDB_OK;
}

/* ---- neighbours ---- */

/* To the next leaf (step 1) or the one before (-1), at its first or last element. */
static enum tree_result step_leaf(struct tree *tree, struct tree_place *place, int step)
{
    struct tree_node node;
    struct tree_child child;
    unsigned level = 1;

    for (;; level++) {
        if (level > tree->height || place->node[0] == 0)
            return TREE_MISSING;
        if (tree_load(tree, place->node[level], level, TREE_SCRATCH_INNER, &node))
            return TREE_DAMAGED;
        if (step > 0 ? place->index[level] + 1 < node.count : place->index[level] > 0)
            break;
    }
    place->index[level] = step > 0 ? place->index[level] + 1 : place->index[level] - 1;
    for (;; level--) {
        if (tree_child_of(tree, &node, place->index[level], &child))
            return TREE_DAMAGED;
        place->node[level - 1] = child.offset;
        if (level == 1)
            break;
        if (tree_load(tree, child.offset, level - 1, TREE_SCRATCH_INNER, &node))
            return TREE_DAMAGED;
        place->index[level - 1] = step > 0 ? 0 : node.count - 1;
    }
    if (tree_load(tree, child.offset, 0, TREE_SCRATCH_LEAF, &place->leaf))
        return TREE_DAMAGED;
    if (place->leaf.count == 0) {
        (void)tree_damaged(tree, "leaf of a collection", child.offset);
        return TREE_DAMAGED;
    }
    place->index[0] = step > 0 ? 0 : place->leaf.count - 1;
    return TREE_FOUND;
}

enum tree_result tree_next_leaf(struct tree *tree, struct tree_place *place)
{
    return step_leaf(tree, place, 1);
}

enum tree_result tree_next(struct tree *tree, struct tree_place *place)
{
    if (place->node[0] == 0 || place->index[0] + 1 >= place->leaf.count)
        return step_leaf(tree, place, 1);
    place->index[0]++;
    return TREE_FOUND;
}

enum tree_result tree_previous(struct tree *tree, struct tree_place *place)
{
    if (place->node[0] == 0 || place->index[0] == 0)
        return step_leaf(tree, place, -1);
    place->index[0]--;
    return TREE_FOUND;
}

int tree_read(const struct tree *tree, const struct tree_place *place, struct tree_element *element)
{
    if (place->index[0] >= place->leaf.count || !tree_element_read(tree->heap->file, &place->leaf, place->index[0], true, element))
        return tree_damaged(tree, "element of a collection", place->node[0]);
    return SDB_OK;
}
