/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * collection_whole.c - what is said of a whole collection, whatever its type; copying one
 * Media:   a copy's trees, staged
 * Threads: the session's
 * Memory:  none
 */
#include "collection.h"

#include <string.h>

#include "entry.h"
#include "read.h"
#include "stream.h"

/* What a stream keeps next to its entries. */
static int add_records(struct collection *collection, struct sdb_stat *stat)
{
    const int error = stream_open_records(collection);

    if (error)
        return error == SDB_ENOTFOUND ? SDB_OK : error;
    stat->memory += sizeof(struct sdb_m_tree) + collection->members.bytes;
    return SDB_OK;
}

static int fill_stat(struct collection *collection, void *context)
{
    const struct pool_file *file = &collection->session->pool->file;
    const struct index_found *found = &collection->operation.found;
    const uint64_t *words = found->words;
    struct sdb_stat *stat = context;
    const uint8_t *data;
    uint32_t size;

    memset(stat, 0, sizeof(*stat));
    stat->type = (uint8_t)collection->type;
    stat->version = words[0];
    stat->expire_ms = entry_expiry(words);
    stat->handle = handle_of(found->entry, words[0]);
    stat->size = collection->count;
    stat->encoding = collection->form & PACKED_LARGE  ? SDB_ENCODING_LARGE
                     : collection->form & PACKED_INTS ? SDB_ENCODING_INTS
                                                      : SDB_ENCODING_PACKED;
    read_use(collection->session, found->entry, stat);
    stat->memory = ENTRY_SIZE + WORD_SIZE;
    if (meta_key_code(words[0]) == CODE_BLOB && entry_blob(file, words[1], &data, &size))
        stat->memory += heap_block_size(size + sizeof(struct sdb_m_blob));
    if (!collection->in_tree && entry_blob(file, words[entry_value_index(words[0])], &data, &size))
        stat->memory += heap_block_size(size + sizeof(struct sdb_m_blob));
    if (collection->in_tree)
        stat->memory += sizeof(struct sdb_m_tree) + collection->tree.bytes;
    if (collection->in_tree && collection->kind == TREE_SCORES)
        stat->memory += sizeof(struct sdb_m_tree) + collection->members.bytes;
    return collection->kind == TREE_STREAM ? add_records(collection, stat) : SDB_OK;
}

int collection_stat(struct sdb_session *session, const void *key, size_t key_size, unsigned type, struct sdb_stat *stat)
{
    return collection_peek(session, key, key_size, type, fill_stat, stat);
}

/* -- copying -- */

static int copy_element(struct tree *to, const struct tree_element *element)
{
    const struct sdb_slice part = {element->data, element->size};
    struct tree_place place;
    struct tree_probe probe;
    enum tree_result result;

    if (to->shape->ordered) { /* they come in their order */
        result = tree_at(to, to->count, &place);
    } else {
        if (!tree_probe_element(to->heap->file, to->kind, element->data, element->size, &probe))
            return SDB_ECORRUPT;
        result = tree_find(to, &probe, &place);
    }
    return result == TREE_MISSING ? tree_insert(to, &place, &part, 1) : SDB_ECORRUPT;
}

static enum tree_result first_of(struct tree *tree, struct tree_place *place)
{
    const struct tree_probe least = {.name = ""};

    return tree->shape->counted ? tree_at(tree, 0, place) : tree_seek(tree, &least, place);
}

static int copy_one(struct sdb_session *session, uint64_t header, uint32_t shard, uint64_t *copy, uint64_t *companion)
{
    struct heap *heap = &session->pool->heap;
    struct tree from, to;
    struct tree_element element;
    struct tree_place place;
    uint64_t user;
    int error = tree_open(&from, heap, &session->tx, header);

    if (!error)
        error = tree_companion(&from, companion);
    if (!error)
        error = tree_user(&from, &user);
    if (!error)
        error = tree_create(heap, &session->tx, shard, from.kind, copy);
    if (!error)
        error = tree_open(&to, heap, &session->tx, *copy);
    if (error)
        return error;
    tree_set_user(&to, user);
    for (error = collection_result(first_of(&from, &place)); !error; error = collection_result(tree_next(&from, &place))) {
        error = tree_read(&from, &place, &element);
        if (!error)
            error = copy_element(&to, &element);
        if (error)
            return error;
    }
    return error == SDB_ENOTFOUND ? SDB_OK : error;
}

int collection_copy_tree(struct sdb_session *session, uint64_t header, uint32_t shard, uint64_t *copy)
{
    uint64_t companion, copied, none;
    struct tree tree;
    int error = copy_one(session, header, shard, copy, &companion);

    if (error || !companion)
        return error;
    error = copy_one(session, companion, shard, &copied, &none);
    if (!error)
        error = tree_open(&tree, &session->pool->heap, &session->tx, *copy);
    if (!error)
        tree_set_companion(&tree, copied);
    return error;
}
