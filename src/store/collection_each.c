/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * collection_each.c - going over a collection's elements: in their order, at random, by cursor
 * Media:   read only
 * Holds:   a cursor is a place in the order of hashes, which no change moves: who is there from the first call to the last is met
 * Threads: the session's
 * Memory:  places of a packed collection that is walked backwards
 */
#include <stdlib.h>
#include <string.h>

#include "collection.h"

#define CURSOR_SHIFT 11 /* of a hash: 53 bits are a number to any client */
#define CURSOR_MAX ((1ull << (64 - CURSOR_SHIFT)) - 1)

/* -- in order -- */

static int each_forward(struct collection *collection, uint64_t rank, uint64_t count, collection_visit *visit, void *context)
{
    struct collection_element element;
    struct collection_place place;
    int error = count ? collection_at(collection, rank, &place) : SDB_ENOTFOUND;

    while (!error) {
        error = collection_read(collection, &place, &element);
        if (!error)
            error = visit(context, &element);
        if (!error)
            error = --count ? collection_next(collection, &place) : SDB_ENOTFOUND;
    }
    return error == SDB_ENOTFOUND ? SDB_OK : error;
}

static int each_backward(struct collection *collection, uint64_t rank, uint64_t count, collection_visit *visit, void *context)
{
    struct collection_element element;
    struct collection_place place;
    int error = count ? collection_at(collection, rank, &place) : SDB_ENOTFOUND;

    while (!error) {
        error = collection_read(collection, &place, &element);
        if (!error)
            error = visit(context, &element);
        if (!error)
            error = --count ? collection_previous(collection, &place) : SDB_ENOTFOUND;
    }
    return error == SDB_ENOTFOUND ? SDB_OK : error;
}

/* Packed elements have no way back: their places are noted on the way there. */
static int each_packed_backward(struct collection *collection, uint64_t rank, uint64_t count, collection_visit *visit, void *context)
{
    size_t *offsets = malloc((rank + 1) * sizeof(*offsets));
    struct collection_element element;
    struct collection_place place;
    int error = offsets ? collection_at(collection, 0, &place) : SDB_ENOMEM;

    for (uint64_t i = 0; !error; i++) {
        offsets[i] = place.offset;
        if (i == rank)
            break;
        error = collection_next(collection, &place);
    }
    for (uint64_t i = 0; i < count && i <= rank && !error; i++) {
        place.offset = offsets[rank - i];
        error = collection_read(collection, &place, &element);
        if (!error)
            error = visit(context, &element);
    }
    free(offsets);
    return error == SDB_ENOTFOUND ? SDB_OK : error;
}

int collection_each(struct collection *collection, uint64_t rank, uint64_t count, bool backwards, collection_visit *visit,
                    void *context)
{
    if (rank >= collection->count)
        return SDB_OK;
    if (!backwards)
        return each_forward(collection, rank, count, visit, context);
    return collection->in_tree ? each_backward(collection, rank, count, visit, context)
                               : each_packed_backward(collection, rank, count, visit, context);
}

/* -- by cursor -- */

struct met {
    uint64_t key;
    unsigned index;
};

static int compare_met(const void *a, const void *b)
{
    const struct met *x = a, *y = b;

    return x->key < y->key ? -1 : x->key > y->key;
}

/* The leaf's elements at or behind the cursor, in the order of their hashes. */
static int gather_leaf(struct tree *tree, struct tree_place *place, uint64_t cursor, struct met *met, unsigned *count)
{
    struct tree_element element;
    struct tree_probe probe;

    *count = 0;
    for (place->index[0] = 0; place->index[0] < place->leaf.count; place->index[0]++) {
        int error = tree_read(tree, place, &element);

        if (error)
            return error;
        if (!tree_probe_element(tree->heap->file, tree->kind, element.data, element.size, &probe))
            return SDB_ECORRUPT;
        if (probe.key[0] >> CURSOR_SHIFT >= cursor)
            met[(*count)++] = (struct met){probe.key[0], place->index[0]};
    }
    place->index[0] = 0;
    qsort(met, *count, sizeof(*met), compare_met);
    return SDB_OK;
}

/* What was noted of a leaf. Those that a cursor cannot tell apart are shown together. *next: where to go on; 0: with the next leaf. */
static int show_leaf(struct collection *collection, struct tree *tree, struct tree_place *place, const struct met *met, unsigned count,
                     uint64_t *left, uint64_t *last, uint64_t *next, collection_visit *visit, void *context)
{
    struct collection_element element;
    struct tree_element bytes;
    int error = SDB_OK;

    *next = 0;
    for (unsigned i = 0; i < count && !error; i++) {
        if (*left == 0 && met[i].key >> CURSOR_SHIFT != *last) {
            *next = met[i].key >> CURSOR_SHIFT;
            break;
        }
        place->index[0] = met[i].index;
        error = tree_read(tree, place, &bytes);
        if (!error)
            error = collection_put_together(collection, bytes.data, bytes.size, &element);
        if (!error)
            error = visit(context, &element);
        *last = met[i].key >> CURSOR_SHIFT;
        *left -= *left != 0;
    }
    place->index[0] = place->leaf.count - 1;
    return error;
}

int collection_scan(struct collection *collection, uint64_t *cursor, uint64_t effort, collection_visit *visit, void *context)
{
    struct tree *tree = collection->kind == TREE_SCORES ? &collection->members : &collection->tree;
    const uint64_t from = *cursor;
    struct tree_probe probe = {.key = {from << CURSOR_SHIFT}, .name = ""};
    struct met met[TREE_ROOM];
    struct tree_place place;
    uint64_t last = UINT64_MAX;
    unsigned count;
    int error;

    *cursor = 0;
    if (!collection->in_tree)
        return collection_each(collection, 0, UINT64_MAX, false, visit, context);
    if (from > CURSOR_MAX)
        return SDB_OK;
    effort += effort == 0;
    error = collection_result(tree_seek(tree, &probe, &place));
    while (!error && *cursor == 0) {
        error = gather_leaf(tree, &place, from, met, &count);
        if (!error)
            error = show_leaf(collection, tree, &place, met, count, &effort, &last, cursor, visit, context);
        if (!error && *cursor == 0)
            error = collection_result(tree_next_leaf(tree, &place));
    }
    return error == SDB_ENOTFOUND ? SDB_OK : error;
}
