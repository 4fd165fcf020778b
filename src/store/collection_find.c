/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * collection_find.c - where elements are, and what they are
 * Media:   read only
 * Holds:   what is damaged is told of, and never taken for missing
 * Threads: the session's
 * Memory:  none
 */
#include <string.h>

#include "collection.h"
#include "error.h"
#include "number.h"

int collection_result(enum tree_result result)
{
    return result == TREE_FOUND ? SDB_OK : result == TREE_MISSING ? SDB_ENOTFOUND : SDB_ECORRUPT;
}

/* -- elements -- */

void collection_take_apart(const struct collection *collection, const struct collection_element *element, struct collection_parts *parts)
{
    parts->count = 0;
    if (collection->kind == TREE_HASH)
        parts->slices[parts->count++] =
            (struct sdb_slice){parts->bytes, tree_size_write(parts->bytes, (uint32_t)element->name.size)};
    if (collection->kind == TREE_SCORES) {
        memcpy(parts->bytes, &element->score, 8);
        parts->slices[parts->count++] = (struct sdb_slice){parts->bytes, 8};
    }
    parts->slices[parts->count++] = element->name;
    if (collection->kind == TREE_HASH)
        parts->slices[parts->count++] = element->value;
    parts->size = 0;
    for (unsigned i = 0; i < parts->count; i++)
        parts->size += parts->slices[i].size;
}

int collection_put_together(const struct collection *collection, const uint8_t *data, size_t size, struct collection_element *element)
{
    uint32_t name_size = (uint32_t)size;
    size_t at = 0;

    element->value = (struct sdb_slice){"", 0};
    element->score = 0;
    if (collection->kind == TREE_HASH) {
        at = tree_size_read(data, size, &name_size);
        if (at == 0 || name_size > size - at)
            return collection_damaged(collection);
        element->value = (struct sdb_slice){data + at + name_size, size - at - name_size};
    } else if (collection->kind == TREE_SCORES) {
        if (size < 8)
            return collection_damaged(collection);
        memcpy(&element->score, data, 8);
        at = 8;
        name_size -= 8;
    }
    element->name = (struct sdb_slice){data + at, name_size};
    return SDB_OK;
}

int collection_read(const struct collection *collection, const struct collection_place *place, struct collection_element *element)
{
    struct tree_element found;
    size_t next;

    if (collection->in_tree) {
        int error = tree_read(&collection->tree, &place->tree, &found);

        return error ? error : collection_put_together(collection, found.data, found.size, element);
    }
    const struct packed packed = {.data = collection->data, .size = collection->size};
    struct sdb_slice bytes;

    if (!packed_element(&packed, place->offset, &bytes, &next))
        return collection_damaged(collection);
    return collection_put_together(collection, bytes.data, bytes.size, element);
}

/* -- packed -- */

/* From the element at the place, whose number and offset are set, to where it ends. SDB_ENOTFOUND: it is the end. */
static int packed_here(const struct collection *collection, struct collection_place *place, struct collection_element *element)
{
    const struct packed packed = {.data = collection->data, .size = collection->size};
    struct sdb_slice bytes;

    if (place->rank >= collection->count)
        return SDB_ENOTFOUND;
    if (!packed_element(&packed, place->offset, &bytes, &place->next))
        return collection_damaged(collection);
    return collection_put_together(collection, bytes.data, bytes.size, element);
}

static void packed_first(struct collection_place *place)
{
    place->rank = 0;
    place->offset = 0;
}

static void packed_on(struct collection_place *place)
{
    place->rank++;
    place->offset = place->next;
}

/*
 * A set of integers stands in their order: what is missing would stand at the place. Their sizes are bytes that no text of a number
 * has, so that halving the bytes leads to elements.
 */
#define INT_SIZE_MAX 20u
static int find_int(const struct collection *collection, const void *name, size_t size, struct collection_place *place)
{
    const struct packed packed = {.data = collection->data, .size = collection->size};
    size_t low = 0, high = collection->size;
    struct sdb_slice bytes;
    int64_t wanted, number;

    if (!number_parse_i64(name, size, &wanted))
        return SDB_ENOTFOUND;
    place->rank = 0;
    while (low < high) {
        place->offset = low + (high - low) / 2;
        while (place->offset > low && packed.data[place->offset] > INT_SIZE_MAX)
            place->offset--;
        if (!packed_element(&packed, place->offset, &bytes, &place->next) || !number_parse_i64(bytes.data, bytes.size, &number))
            return collection_damaged(collection);
        if (number == wanted)
            return SDB_OK;
        if (number < wanted)
            low = place->next;
        else
            high = place->offset;
    }
    place->offset = low;
    return SDB_ENOTFOUND;
}

static int find_packed(const struct collection *collection, const void *name, size_t size, struct collection_place *place)
{
    struct collection_element element;
    int error;

    if (collection->form & PACKED_INTS)
        return find_int(collection, name, size, place);
    for (packed_first(place); !(error = packed_here(collection, place, &element)); packed_on(place))
        if (element.name.size == size && memcmp(element.name.data, name, size) == 0)
            return SDB_OK;
    return error;
}

/* -- finding -- */

int collection_find_member(struct collection *collection, const void *name, size_t size, struct tree_place *member, uint64_t *score)
{
    struct tree_element element;
    struct tree_probe probe;
    int error;

    tree_probe_name(collection->session->pool->heap.file, size ? name : "", size, &probe);
    error = collection_result(tree_find(&collection->members, &probe, member));
    if (!error)
        error = tree_read(&collection->members, member, &element);
    if (!error)
        memcpy(score, element.data, sizeof(*score));
    return error;
}

int collection_find_score(struct collection *collection, const void *name, size_t size, uint64_t *score)
{
    struct collection_element element = {0};
    struct collection_place place;
    struct tree_place member;
    int error;

    if (collection->in_tree)
        return collection_find_member(collection, name, size, &member, score);
    error = collection_find(collection, name, size, &place);
    if (!error)
        error = collection_read(collection, &place, &element);
    if (!error)
        *score = element.score;
    return error;
}

int collection_find(struct collection *collection, const void *name, size_t size, struct collection_place *place)
{
    struct tree_probe probe;
    uint64_t score;
    int error;

    if (size == 0)
        name = "";
    if (!collection->in_tree)
        return find_packed(collection, name, size, place);
    if (collection->kind != TREE_SCORES) {
        tree_probe_name(collection->session->pool->heap.file, name, size, &probe);
        return collection_result(tree_find(&collection->tree, &probe, &place->tree));
    }
    error = collection_find_member(collection, name, size, &place->tree, &score);
    if (error)
        return error;
    tree_probe_score(score, name, size, &probe);
    error = collection_result(tree_find(&collection->tree, &probe, &place->tree));
    return error == SDB_ENOTFOUND ? collection_damaged(collection) : error;
}

int collection_at(struct collection *collection, uint64_t rank, struct collection_place *place)
{
    struct collection_element element;
    int error;

    if (collection->in_tree)
        return collection_result(tree_at(&collection->tree, rank, &place->tree));
    if (rank >= collection->count) {
        place->rank = collection->count;
        place->offset = collection->size;
        return SDB_ENOTFOUND;
    }
    for (packed_first(place); !(error = packed_here(collection, place, &element)) && place->rank < rank;)
        packed_on(place);
    return error;
}

int collection_seek(struct collection *collection, uint64_t score, const void *name, size_t size, struct collection_place *place)
{
    struct collection_element element;
    struct tree_probe probe, mine;
    int error;

    tree_probe_score(score, name, size, &probe);
    if (collection->in_tree)
        return collection_result(tree_seek(&collection->tree, &probe, &place->tree));
    for (packed_first(place); !(error = packed_here(collection, place, &element)); packed_on(place)) {
        tree_probe_score(element.score, element.name.data, element.name.size, &mine);
        if (tree_probe_compare(&tree_shapes[TREE_SCORES], &mine, &probe) >= 0)
            return SDB_OK;
    }
    return error;
}

int collection_rank(struct collection *collection, const struct collection_place *place, uint64_t *rank)
{
    if (collection->in_tree)
        return tree_rank(&collection->tree, &place->tree, rank);
    *rank = place->rank;
    return SDB_OK;
}

int collection_next(struct collection *collection, struct collection_place *place)
{
    struct collection_element element;

    if (collection->in_tree)
        return collection_result(tree_next(&collection->tree, &place->tree));
    packed_on(place);
    return packed_here(collection, place, &element);
}

int collection_previous(struct collection *collection, struct collection_place *place)
{
    if (collection->in_tree)
        return collection_result(tree_previous(&collection->tree, &place->tree));
    return place->rank == 0 ? SDB_ENOTFOUND : collection_at(collection, place->rank - 1, place);
}
