/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * collection_change.c - putting elements in and taking them out; the limits of what is small
 * Media:   trees, staged; packed collections in DRAM, until collection_publish
 * Holds:   a sorted set's two trees have the same elements
 * Threads: the session's
 * Memory:  the copy of a packed collection
 */
#include <stdlib.h>
#include <string.h>

#include "collection.h"
#include "error.h"
#include "number.h"

#define PACKED_SIZE_MAX 16384u /* bytes of a packed collection: more than the limits make it, unless they were raised */
#define PACKED_LIST_MAX 1024u  /* of a list, all of which is written anew where a tree writes ten lines */
/* Of sets of names, which Redis 7.0 has no small form for. */
#define PACKED_NAMES_MAX 128u
#define PACKED_NAME_SIZE_MAX 64u

/* -- packed: bytes -- */

static int make_room(struct collection *collection, size_t more)
{
    const size_t needed = PACKED_HEADER_MAX + collection->size + more;
    const bool mine = collection->edited && collection->data == collection->edited + PACKED_HEADER_MAX;
    uint8_t *memory = collection->edited;

    if (!memory || collection->capacity < needed) {
        memory = realloc(collection->edited, needed + needed / 2);
        if (!memory)
            return SDB_ENOMEM;
        collection->edited = memory;
        collection->capacity = needed + needed / 2;
    }
    if (!mine)
        memcpy(memory + PACKED_HEADER_MAX, collection->data, collection->size);
    collection->data = memory + PACKED_HEADER_MAX;
    return SDB_OK;
}

/* Puts an element (NULL: none) in the place of the `removed` bytes at the offset. */
static int edit(struct collection *collection, size_t offset, size_t removed, const struct collection_parts *parts)
{
    uint8_t size_bytes[TREE_SIZE_BYTES];
    const size_t size_size = parts ? tree_size_write(size_bytes, (uint32_t)parts->size) : 0;
    const size_t added = size_size + (parts ? parts->size : 0);
    int error = make_room(collection, added);

    if (error)
        return error;
    uint8_t *at = collection->edited + PACKED_HEADER_MAX + offset;
    memmove(at + added, at + removed, collection->size - offset - removed);
    collection->size += added - removed;
    if (parts) {
        memcpy(at, size_bytes, size_size);
        at += size_size;
        for (unsigned i = 0; i < parts->count; at += parts->slices[i].size, i++)
            if (parts->slices[i].size)
                memcpy(at, parts->slices[i].data, parts->slices[i].size);
    }
    collection->changed = true;
    return SDB_OK;
}

/* -- trees -- */

/* A new element of a sorted set; member: where its companion would have it. */
static int insert_scored(struct collection *collection, const struct collection_parts *parts, const struct collection_element *element,
                         const struct tree_place *member)
{
    struct tree_place place;
    struct tree_probe probe;
    int error;

    tree_probe_score(element->score, element->name.data, element->name.size, &probe);
    error = collection_result(tree_find(&collection->tree, &probe, &place));
    if (error != SDB_ENOTFOUND)
        return error ? error : collection_damaged(collection);
    error = tree_insert(&collection->tree, &place, parts->slices, parts->count);
    return error ? error : tree_insert(&collection->members, member, parts->slices, parts->count);
}

/* A new element. place: where it belongs; of a sorted set, in its companion. */
static int insert_in_tree(struct collection *collection, const struct tree_place *place, const struct collection_element *element)
{
    struct collection_parts parts;

    collection_take_apart(collection, element, &parts);
    collection->changed = true;
    if (collection->kind == TREE_SCORES)
        return insert_scored(collection, &parts, element, place);
    return tree_insert(&collection->tree, place, parts.slices, parts.count);
}

/* Where a new element belongs, as insert_in_tree takes it; of a list: behind all. */
static int place_in_tree(struct collection *collection, const struct collection_element *element, struct tree_place *place)
{
    struct tree_probe probe;
    uint64_t score;
    int error;

    if (collection->kind == TREE_SCORES) {
        error = collection_find_member(collection, element->name.data, element->name.size, place, &score);
    } else if (collection->kind == TREE_LIST) {
        error = collection_result(tree_at(&collection->tree, collection->tree.count, place));
    } else {
        tree_probe_name(collection->session->pool->heap.file, element->name.data, element->name.size, &probe);
        error = collection_result(tree_find(&collection->tree, &probe, place));
    }
    return error == SDB_ENOTFOUND ? SDB_OK : error ? error : collection_damaged(collection);
}

static int create_trees(struct collection *collection)
{
    struct sdb_session *session = collection->session;
    struct heap *heap = &session->pool->heap;
    const uint32_t shard = collection->operation.key.shard;
    uint64_t header, companion = 0;
    int error = tree_create(heap, &session->tx, shard, collection->kind, &header);

    if (!error && collection->kind == TREE_SCORES)
        error = tree_create(heap, &session->tx, shard, TREE_MEMBERS, &companion);
    if (!error)
        error = tree_open(&collection->tree, heap, &session->tx, header);
    if (!error && companion) {
        tree_set_companion(&collection->tree, companion);
        error = tree_open(&collection->members, heap, &session->tx, companion);
    }
    return error;
}

/* What was packed becomes a tree. */
static int convert(struct collection *collection)
{
    const struct packed packed = {.data = collection->data, .size = collection->size};
    struct collection_element element;
    struct tree_place place;
    struct sdb_slice bytes;
    int error = create_trees(collection);

    for (size_t at = 0; at < packed.size && !error;) {
        if (!packed_element(&packed, at, &bytes, &at))
            return collection_damaged(collection);
        error = collection_put_together(collection, bytes.data, bytes.size, &element);
        if (!error)
            error = place_in_tree(collection, &element, &place);
        if (!error)
            error = insert_in_tree(collection, &place, &element);
    }
    collection->in_tree = true;
    collection->fresh_tree = true;
    return error;
}

/* -- limits -- */

static void name_form(struct collection *collection, const struct collection_element *element, uint64_t count, const struct sdb_limits *limits)
{
    int64_t number;

    switch (collection->kind) {
    case TREE_HASH:
        if (count > limits->hash_max_listpack_entries || element->name.size > limits->hash_max_listpack_value ||
            element->value.size > limits->hash_max_listpack_value)
            collection->form |= PACKED_LARGE;
        return;
    case TREE_SCORES:
        if (count > limits->zset_max_listpack_entries || element->name.size > limits->zset_max_listpack_value)
            collection->form |= PACKED_LARGE;
        return;
    case TREE_SET:
        if (collection->form & PACKED_INTS && (count > limits->set_max_intset_entries ||
                                               !number_parse_i64(element->name.data, element->name.size, &number)))
            collection->form = (collection->form & ~(unsigned)PACKED_INTS) | PACKED_LARGE;
        return;
    default:
        return;
    }
}

/* Whether what would be packed with so many elements and bytes is to be a tree. */
static bool wants_tree(const struct collection *collection, const struct collection_element *element, uint64_t count, size_t size,
                       const struct sdb_limits *limits)
{
    switch (collection->kind) {
    case TREE_LIST:
        return size > PACKED_LIST_MAX || (limits->list_max_listpack_size > 0 && count > (uint64_t)limits->list_max_listpack_size);
    case TREE_SET:
        if (!(collection->form & PACKED_INTS))
            return count > PACKED_NAMES_MAX || element->name.size > PACKED_NAME_SIZE_MAX;
        return size > PACKED_SIZE_MAX;
    default:
        return collection->form & PACKED_LARGE || size > PACKED_SIZE_MAX;
    }
}

/* Makes it what it has to be with one element more (or another one). *converted: it is a tree now, and places are others. */
static int prepare(struct collection *collection, const struct collection_element *element, unsigned more, bool *converted)
{
    struct collection_parts parts;
    struct sdb_limits limits;

    *converted = false;
    if (element->name.size > SDB_ELEMENT_SIZE_MAX || element->value.size > SDB_ELEMENT_SIZE_MAX) {
        error_set("an element, a field or a value of a collection takes at most %u bytes", SDB_ELEMENT_SIZE_MAX);
        return SDB_ETOOBIG;
    }
    if (collection->in_tree && collection->form & PACKED_LARGE)
        return SDB_OK;
    sdb_get_limits(collection->session->pool, &limits);
    name_form(collection, element, collection->count + more, &limits);
    if (collection->in_tree)
        return SDB_OK;
    collection_take_apart(collection, element, &parts);
    *converted = wants_tree(collection, element, collection->count + more, collection->size + parts.size + TREE_SIZE_BYTES, &limits);
    return *converted ? convert(collection) : SDB_OK;
}

/* -- changing -- */

static int replace(struct collection *collection, const struct collection_place *place, const struct collection_element *element)
{
    struct collection_element old;
    struct collection_parts parts;
    int error = SDB_OK;

    if (collection->kind == TREE_SCORES) {
        error = collection_read(collection, place, &old);
        if (error || old.score == element->score)
            return error;
        error = collection_take(collection, place);
        return error ? error : collection_put(collection, element, NULL);
    }
    collection_take_apart(collection, element, &parts);
    collection->changed = true;
    if (collection->in_tree)
        return tree_replace(&collection->tree, &place->tree, parts.slices, parts.count);
    return edit(collection, place->offset, place->next - place->offset, &parts);
}

static int insert(struct collection *collection, const struct collection_place *place, const struct collection_element *element)
{
    struct collection_parts parts;
    int error;

    collection_take_apart(collection, element, &parts);
    error = collection->in_tree ? insert_in_tree(collection, &place->tree, element) : edit(collection, place->offset, 0, &parts);
    if (!error)
        collection->count++;
    return error;
}

/* Another score: the element moves in the order, and the companion gets the score where it has the member. */
static int move_scored(struct collection *collection, const struct tree_place *member, uint64_t old, const struct collection_element *element)
{
    struct collection_parts parts;
    struct tree_place place;
    struct tree_probe probe;
    int error;

    collection_take_apart(collection, element, &parts);
    collection->changed = true;
    tree_probe_score(old, element->name.data, element->name.size, &probe);
    error = collection_result(tree_find(&collection->tree, &probe, &place));
    if (!error)
        error = tree_remove(&collection->tree, &place);
    if (error)
        return error == SDB_ENOTFOUND ? collection_damaged(collection) : error;
    tree_probe_score(element->score, element->name.data, element->name.size, &probe);
    error = collection_result(tree_find(&collection->tree, &probe, &place));
    if (error != SDB_ENOTFOUND)
        return error ? error : collection_damaged(collection);
    error = tree_insert(&collection->tree, &place, parts.slices, parts.count);
    return error ? error : tree_replace(&collection->members, member, parts.slices, parts.count);
}

/* collection_put of a sorted set in trees. */
static int put_scored(struct collection *collection, const struct collection_element *element, bool *added)
{
    struct collection_place place;
    bool converted;
    uint64_t old = 0;
    int error = collection_find_member(collection, element->name.data, element->name.size, &place.tree, &old);
    const bool is_new = error == SDB_ENOTFOUND;

    if (error && !is_new)
        return error;
    error = prepare(collection, element, is_new, &converted);
    if (!error && is_new)
        error = insert(collection, &place, element);
    else if (!error && old != element->score)
        error = move_scored(collection, &place.tree, old, element);
    if (!error && added)
        *added = is_new;
    return error;
}

int collection_put(struct collection *collection, const struct collection_element *element, bool *added)
{
    struct collection_place place;
    bool converted, is_new;
    int error;

    if (collection->in_tree && collection->kind == TREE_SCORES)
        return put_scored(collection, element, added);
    error = collection_find(collection, element->name.data, element->name.size, &place);
    is_new = error == SDB_ENOTFOUND;
    if (error && !is_new)
        return error;
    if (!is_new && collection->kind == TREE_SET) {
        if (added)
            *added = false;
        return SDB_OK;
    }
    error = prepare(collection, element, is_new, &converted);
    if (!error && converted)
        error = is_new ? place_in_tree(collection, element, &place.tree)
                       : collection_find(collection, element->name.data, element->name.size, &place);
    if (!error && is_new && !collection->in_tree) {
        if (collection->kind == TREE_SCORES)
            error = collection_seek(collection, element->score, element->name.data, element->name.size, &place);
        else if (!(collection->form & PACKED_INTS))
            place.offset = collection->size;
        error = error == SDB_ENOTFOUND ? SDB_OK : error;
    }
    if (!error)
        error = is_new ? insert(collection, &place, element) : replace(collection, &place, element);
    if (!error && added)
        *added = is_new;
    return error;
}

int collection_take(struct collection *collection, const struct collection_place *place)
{
    struct collection_element element;
    struct tree_place member;
    struct tree_probe probe;
    int error = SDB_OK;

    if (!collection->in_tree) {
        error = edit(collection, place->offset, place->next - place->offset, NULL);
        if (!error)
            collection->count--;
        return error;
    }
    collection->changed = true;
    if (collection->kind == TREE_SCORES) {
        error = collection_read(collection, place, &element);
        if (error)
            return error;
        tree_probe_name(collection->session->pool->heap.file, element.name.data, element.name.size, &probe);
        error = collection_result(tree_find(&collection->members, &probe, &member));
        if (error)
            return error == SDB_ENOTFOUND ? collection_damaged(collection) : error;
        error = tree_remove(&collection->members, &member);
    }
    if (!error)
        error = tree_remove(&collection->tree, &place->tree);
    if (!error)
        collection->count--;
    return error;
}

int collection_insert(struct collection *collection, uint64_t rank, const struct sdb_slice *element)
{
    const struct collection_element whole = {.name = *element};
    struct collection_place place = {0};
    bool converted;
    int error = prepare(collection, &whole, 1, &converted);

    if (!error)
        error = collection_at(collection, rank, &place);
    return error && error != SDB_ENOTFOUND ? error : insert(collection, &place, &whole);
}

int collection_set(struct collection *collection, uint64_t rank, const struct sdb_slice *element)
{
    const struct collection_element whole = {.name = *element};
    struct collection_place place;
    bool converted;
    int error = prepare(collection, &whole, 0, &converted);

    if (!error)
        error = collection_at(collection, rank, &place);
    return error ? error : replace(collection, &place, &whole);
}

int collection_clear(struct collection *collection)
{
    struct sdb_session *session = collection->session;
    int error = SDB_OK;

    if (collection->fresh_tree)
        error = tree_drop(&session->pool->heap, &session->tx, collection->tree.header);
    collection->changed = true;
    collection_start(collection);
    return error;
}

/* -- keeping a part -- */

/* Of a list that is a tree: what stays is built anew, and the old tree dropped as a whole. */
static int rebuild(struct collection *collection, uint64_t rank, uint64_t count)
{
    struct tree old = collection->tree;
    struct tree_element element;
    struct tree_place place;
    int error = collection_clear(collection);

    if (!error)
        error = collection_result(tree_at(&old, rank, &place));
    while (!error) {
        error = tree_read(&old, &place, &element);
        if (!error)
            error = collection_insert(collection, collection->count, &(struct sdb_slice){element.data, element.size});
        if (!error)
            error = --count ? collection_result(tree_next(&old, &place)) : SDB_ENOTFOUND;
    }
    return error == SDB_ENOTFOUND ? SDB_OK : error;
}

static int take_ends(struct collection *collection, uint64_t rank, uint64_t count)
{
    struct collection_place place;
    int error = SDB_OK;

    for (; rank && !error; rank--) {
        error = collection_at(collection, 0, &place);
        if (!error)
            error = collection_take(collection, &place);
    }
    while (collection->count > count && !error) {
        error = collection_at(collection, collection->count - 1, &place);
        if (!error)
            error = collection_take(collection, &place);
    }
    return error;
}

static int keep_packed(struct collection *collection, uint64_t rank, uint64_t count)
{
    struct collection_place first = {0}, end = {0};
    int error = collection_at(collection, rank, &first);

    if (!error)
        error = collection_at(collection, rank + count, &end);
    if (error && error != SDB_ENOTFOUND)
        return error;
    error = edit(collection, end.offset, collection->size - end.offset, NULL);
    if (!error)
        error = edit(collection, 0, first.offset, NULL);
    if (!error)
        collection->count = count;
    return error;
}

int collection_keep(struct collection *collection, uint64_t rank, uint64_t count, bool in_place)
{
    if (count == collection->count)
        return SDB_OK;
    if (count == 0)
        return collection_clear(collection);
    if (!collection->in_tree)
        return keep_packed(collection, rank, count);
    return in_place || collection->fresh_tree || count > collection->count - count ? take_ends(collection, rank, count)
                                                                                   : rebuild(collection, rank, count);
}
