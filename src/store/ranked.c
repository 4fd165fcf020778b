/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ranked.c - members of sorted sets in DRAM
 * Media:   none
 * Holds:   the index, where there is one, has every item, and is at most half full
 * Threads: the owner's
 * Memory:  items and bytes, doubled as they grow; the index
 */
#include "ranked.h"

#include <stdlib.h>
#include <string.h>

#include "grow.h"
#include "hash.h"

#define ITEMS_MIN 8u
#define HASH_SEED 0x7a736574u

void ranked_clear(struct ranked *members)
{
    members->used = 0;
    members->count = 0;
    members->size = 0;
    free(members->index);
    members->index = NULL;
    members->index_capacity = 0;
}

void ranked_free(struct ranked *members)
{
    free(members->items);
    free(members->bytes);
    free(members->index);
    *members = (struct ranked)RANKED_INIT;
}

static int make_room(struct ranked *members, size_t size)
{
    return grow(&members->items, &members->capacity, members->used + 1, sizeof(*members->items)) &&
                   grow(&members->bytes, &members->bytes_capacity, members->size + size, 1)
               ? SDB_OK
               : SDB_ENOMEM;
}

static void index_put(struct ranked *members, size_t number)
{
    size_t at = members->items[number].hash & (members->index_capacity - 1);

    while (members->index[at])
        at = (at + 1) & (members->index_capacity - 1);
    members->index[at] = number + 1;
}

static int make_index(struct ranked *members)
{
    size_t capacity = 2 * (size_t)ITEMS_MIN;
    void *index;

    while (capacity < 4 * members->used)
        capacity *= 2;
    index = calloc(capacity, sizeof(*members->index));
    if (!index)
        return SDB_ENOMEM;
    free(members->index);
    members->index = index;
    members->index_capacity = capacity;
    for (size_t i = 0; i < members->used; i++)
        index_put(members, i);
    return SDB_OK;
}

int ranked_add(struct ranked *members, const struct sdb_slice *name, double score)
{
    int error = make_room(members, name->size);

    if (error)
        return error;
    members->items[members->used] =
        (struct ranked_item){members->size, name->size, hash_key(HASH_SEED, name->data, name->size), score, false};
    if (name->size)
        memcpy(members->bytes + members->size, name->data, name->size);
    members->size += name->size;
    members->used++;
    members->count++;
    if (!members->index)
        return SDB_OK;
    if (members->index_capacity < 2 * members->used)
        return make_index(members);
    index_put(members, members->used - 1);
    return SDB_OK;
}

struct sdb_slice ranked_name(const struct ranked *members, const struct ranked_item *item)
{
    return (struct sdb_slice){members->bytes + item->at, item->size};
}

int ranked_find(struct ranked *members, const struct sdb_slice *name, struct ranked_item **item)
{
    const uint64_t hash = hash_key(HASH_SEED, name->data, name->size);
    int error = members->index ? SDB_OK : make_index(members);

    *item = NULL;
    if (error)
        return error;
    for (size_t at = hash & (members->index_capacity - 1); members->index[at]; at = (at + 1) & (members->index_capacity - 1)) {
        struct ranked_item *found = &members->items[members->index[at] - 1];

        if (!found->gone && found->hash == hash && found->size == name->size &&
            (name->size == 0 || memcmp(members->bytes + found->at, name->data, name->size) == 0)) {
            *item = found;
            return SDB_OK;
        }
    }
    return SDB_OK;
}

void ranked_cross_out(struct ranked *members, struct ranked_item *item)
{
    item->gone = true;
    members->count--;
}

/* -- order -- */

static int compare(const void *a, const void *b, void *context)
{
    const struct ranked_item *x = a, *y = b;
    const uint8_t *bytes = context;
    const size_t size = x->size < y->size ? x->size : y->size;
    int order;

    if (x->score != y->score)
        return x->score < y->score ? -1 : 1;
    order = size ? memcmp(bytes + x->at, bytes + y->at, size) : 0;
    return order ? order : x->size < y->size ? -1 : x->size > y->size;
}

void ranked_sort(struct ranked *members)
{
    size_t kept = 0;

    for (size_t i = 0; i < members->used; i++)
        if (!members->items[i].gone)
            members->items[kept++] = members->items[i];
    members->used = kept;
    free(members->index);
    members->index = NULL;
    if (kept > 1)
        qsort_r(members->items, kept, sizeof(*members->items), compare, members->bytes);
}

/* -- what becomes of them -- */

void ranked_show(const struct ranked *members, sdb_element_fn *visit, void *context)
{
    int stop = 0;

    for (size_t i = 0; i < members->used && !stop; i++) {
        const struct ranked_item *item = &members->items[i];
        const struct sdb_element shown = {ranked_name(members, item), {"", 0}, item->score};

        if (!item->gone)
            stop = visit(context, &shown);
    }
}

int ranked_put(const struct ranked *members, struct collection *collection)
{
    int error = SDB_OK;

    for (size_t i = 0; i < members->used && !error; i++) {
        const struct ranked_item *item = &members->items[i];
        const struct collection_element element = {.name = ranked_name(members, item), .score = collection_score_word(item->score)};

        if (!item->gone)
            error = collection_put(collection, &element, NULL);
    }
    return error;
}
