/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * stream.c - streams' entries: adding, finding, showing them; what else there is to know of a stream
 * Media:   the stream's tree, staged; its user word
 * Holds:   1. The last id is the last entry's, unless the user word says that it is the record's: what adds an entry writes neither record
 *             nor companion.
 *          2. Entries added are those that the user word counts, and the record's.
 * Threads: the session's
 * Memory:  parts of an entry with many fields, while it is added
 */
#include "stream.h"

#include <stdlib.h>
#include <string.h>

#include "error.h"

#define FEW_PAIRS 16u
#define PARTS_OF(pairs) (1 + 4 * (pairs))

/* ---- ids ---- */

int sdb_stream_id_next(struct sdb_stream_id *id)
{
    if (id->ms == UINT64_MAX && id->sequence == UINT64_MAX)
        return 0;
    id->ms += ++id->sequence == 0;
    return 1;
}

int sdb_stream_id_previous(struct sdb_stream_id *id)
{
    if (id->ms == 0 && id->sequence == 0)
        return 0;
    id->ms -= id->sequence-- == 0;
    return 1;
}

/* ---- fields ---- */

static bool next_slice(const struct sdb_slice *packed, size_t *at, struct sdb_slice *slice)
{
    const uint8_t *bytes = packed->data;
    uint32_t size;
    size_t n;

    if (*at >= packed->size)
        return false;
    n = tree_size_read(bytes + *at, packed->size - *at, &size);
    if (n == 0 || size > packed->size - *at - n)
        return false;
    *slice = (struct sdb_slice){bytes + *at + n, size};
    *at += n + size;
    return true;
}

int sdb_stream_field(const struct sdb_stream_entry *entry, size_t *at, struct sdb_slice *field, struct sdb_slice *value)
{
    size_t next = *at;

    if (!entry->packed.data || !next_slice(&entry->packed, &next, field) || !next_slice(&entry->packed, &next, value))
        return 0;
    *at = next;
    return 1;
}

/* The bytes of an entry, as parts. heads: the id and the sizes. */
static int put_parts(const struct sdb_stream_id *id, const struct sdb_slice *fields, size_t count, struct sdb_slice *parts, uint8_t *heads)
{
    size_t total = 0, n = 16;

    memcpy(heads, id, 16);
    n += tree_size_write(heads + 16, (uint32_t)count);
    parts[0] = (struct sdb_slice){heads, n};
    for (size_t i = 0; i < 2 * count; i++) {
        if (fields[i].size > SDB_ELEMENT_SIZE_MAX || (total += fields[i].size) > SDB_STREAM_ENTRY_SIZE_MAX) {
            error_set("a field or value of a stream takes at most %u bytes, all of an entry %u", SDB_ELEMENT_SIZE_MAX,
                      SDB_STREAM_ENTRY_SIZE_MAX);
            return SDB_ETOOBIG;
        }
        parts[1 + 2 * i] = (struct sdb_slice){heads + n, tree_size_write(heads + n, (uint32_t)fields[i].size)};
        n += parts[1 + 2 * i].size;
        parts[2 + 2 * i] = fields[i];
    }
    return SDB_OK;
}

static int append_parts(struct collection *stream, const struct sdb_stream_id *id, const struct sdb_slice *fields, size_t count,
                        struct sdb_slice *parts, uint8_t *heads)
{
    struct tree_place place;
    int error = put_parts(id, fields, count, parts, heads);

    if (!error && tree_at(&stream->tree, stream->tree.count, &place) == TREE_DAMAGED)
        error = SDB_ECORRUPT;
    stream->changed = true;
    return error ? error : tree_insert(&stream->tree, &place, parts, (unsigned)PARTS_OF(count));
}

int stream_append(struct collection *stream, const struct sdb_stream_id *id, const struct sdb_slice *fields, size_t count)
{
    struct sdb_slice few[PARTS_OF(FEW_PAIRS)], *parts = few;
    uint8_t few_heads[16 + TREE_SIZE_BYTES * PARTS_OF(FEW_PAIRS) / 2], *heads = few_heads;
    int error;

    if (count <= FEW_PAIRS)
        return append_parts(stream, id, fields, count, parts, heads);
    if (count > SDB_ELEMENT_SIZE_MAX / 2)
        return SDB_ETOOBIG;
    parts = malloc(PARTS_OF(count) * sizeof(*parts));
    heads = malloc(16 + TREE_SIZE_BYTES * (1 + 2 * count));
    error = parts && heads ? append_parts(stream, id, fields, count, parts, heads) : SDB_ENOMEM;
    free(parts);
    free(heads);
    return error;
}

/* ---- finding ---- */

int stream_find(struct collection *stream, const struct sdb_stream_id *id, struct tree_place *place)
{
    struct tree_probe probe;

    tree_probe_id(id->ms, id->sequence, &probe);
    return collection_result(tree_find(&stream->tree, &probe, place));
}

int stream_seek(struct collection *stream, const struct sdb_stream_id *id, struct tree_place *place)
{
    struct tree_probe probe;

    tree_probe_id(id->ms, id->sequence, &probe);
    return collection_result(tree_seek(&stream->tree, &probe, place));
}

int stream_read(struct collection *stream, const struct tree_place *place, struct sdb_stream_entry *entry)
{
    struct tree_element element;
    uint32_t count;
    size_t n;
    int error = tree_read(&stream->tree, place, &element);

    if (error)
        return error;
    n = element.size > 16 ? tree_size_read(element.data + 16, element.size - 16, &count) : 0;
    if (n == 0)
        return collection_damaged(stream);
    memcpy(&entry->id, element.data, 16);
    entry->count = count;
    entry->packed = (struct sdb_slice){element.data + 16 + n, element.size - 16 - n};
    return SDB_OK;
}

int stream_read_id(struct collection *stream, const struct tree_place *place, struct sdb_stream_id *id)
{
    struct tree_element element;

    if (place->index[0] >= place->leaf.count ||
        !tree_element_read(stream->tree.heap->file, &place->leaf, place->index[0], false, &element) || element.size < sizeof(*id))
        return collection_damaged(stream);
    memcpy(id, element.data, sizeof(*id));
    return SDB_OK;
}

/* The id of the entry with this rank; 0-0 where there is none. */
static int id_at(struct collection *stream, uint64_t rank, struct sdb_stream_id *id)
{
    struct tree_place place;
    int error = stream->tree.count ? collection_result(tree_at(&stream->tree, rank, &place)) : SDB_ENOTFOUND;

    *id = (struct sdb_stream_id){0, 0};
    if (error)
        return error == SDB_ENOTFOUND ? SDB_OK : error;
    return stream_read_id(stream, &place, id);
}

/* ---- the state ---- */

int stream_create(struct collection *stream)
{
    struct sdb_session *session = stream->session;
    struct heap *heap = &session->pool->heap;
    uint64_t header;
    int error;

    if (stream->in_tree)
        return SDB_OK;
    error = tree_create(heap, &session->tx, stream->operation.key.shard, TREE_STREAM, &header);
    if (!error)
        error = tree_open(&stream->tree, heap, &session->tx, header);
    if (error)
        return error;
    stream->in_tree = true;
    stream->fresh_tree = true;
    stream->changed = true;
    return SDB_OK;
}

int stream_load(struct collection *stream, struct stream_state *state)
{
    const struct stream_record key = {.tag = STREAM_TAG_STREAM};
    struct stream_record record = {.next = 1};
    uint64_t user;
    int error = tree_user(&stream->tree, &user);

    if (!error)
        error = id_at(stream, stream->tree.count - 1, &state->last);
    if (!error)
        error = id_at(stream, 0, &state->first);
    if (!error)
        error = stream_record_find(stream, NULL, &key, &record);
    if (error && error != SDB_ENOTFOUND)
        return error;
    state->length = stream->tree.count;
    state->deleted = record.deleted;
    state->next_group = record.next;
    state->added = (user >> STREAM_USER_ADDED_SHIFT) + record.added;
    if (user & STREAM_USER_RECORDED)
        state->last = record.id;
    return SDB_OK;
}

int stream_store(struct collection *stream, const struct stream_state *state)
{
    const struct stream_record record = {.tag = STREAM_TAG_STREAM,
                                         .id = state->last,
                                         .deleted = state->deleted,
                                         .added = state->added,
                                         .next = state->next_group};
    struct sdb_stream_id last;
    int error = stream_make_records(stream);

    if (!error)
        error = stream_record_put(stream, &record);
    if (!error)
        error = id_at(stream, stream->tree.count - 1, &last);
    if (!error)
        tree_set_user(&stream->tree, sdb_stream_id_compare(&last, &state->last) ? (uint64_t)STREAM_USER_RECORDED : 0);
    stream->changed = true;
    return error;
}

struct set {
    const struct sdb_stream_info *info;
    uint32_t flags;
};

static int change_set(struct collection *stream, void *context)
{
    const struct set *set = context;
    const struct sdb_stream_info *info = set->info;
    struct stream_state state;
    struct sdb_stream_id top;
    int error = stream->in_tree ? stream_load(stream, &state) : SDB_ENOTFOUND;

    if (!error)
        error = id_at(stream, state.length - 1, &top);
    if (error)
        return error;
    if (set->flags & SDB_STREAM_SET_ADDED)
        state.added = info->entries_added;
    if (set->flags & SDB_STREAM_SET_MAX_DELETED)
        state.deleted = info->max_deleted_id;
    state.last = info->last_id;
    if (sdb_stream_id_compare(&state.last, &top) < 0 || (set->flags & SDB_STREAM_SET_ADDED && state.added < state.length))
        return SDB_ECONDITION;
    stream->groups_only = true;
    return stream_store(stream, &state);
}

int sdb_stream_set(struct sdb_session *session, const void *key, size_t key_size, const struct sdb_stream_info *info, uint32_t flags)
{
    struct set set = {info, flags};

    return collection_change(session, key, key_size, SDB_TYPE_STREAM, change_set, &set);
}

static int look_info(struct collection *stream, void *context)
{
    struct sdb_stream_info *info = context;
    struct stream_prefix groups;
    struct stream_state state;
    int error = stream_load(stream, &state);

    stream_prefix_of(&groups, STREAM_TAG_GROUP, 0, NULL);
    if (error)
        return error;
    *info = (struct sdb_stream_info){.length = state.length,
                                     .entries_added = state.added,
                                     .last_id = state.last,
                                     .max_deleted_id = state.deleted,
                                     .first_id = state.first};
    error = stream_records_count(stream, NULL, &groups, &info->groups);
    return error == SDB_ENOTFOUND ? SDB_OK : error;
}

int sdb_stream_info(struct sdb_session *session, const void *key, size_t key_size, struct sdb_stream_info *info)
{
    return collection_look(session, key, key_size, SDB_TYPE_STREAM, look_info, info);
}

static int look_length(struct collection *stream, void *context)
{
    *(uint64_t *)context = stream->tree.count;
    return SDB_OK;
}

int sdb_stream_length(struct sdb_session *session, const void *key, size_t key_size, uint64_t *length)
{
    return collection_look(session, key, key_size, SDB_TYPE_STREAM, look_length, length);
}

/* ---- ranges ---- */

struct show {
    const struct sdb_stream_range *range;
    sdb_stream_fn *visit;
    void *context;
};

/* The last entry of the range. */
static int seek_last(struct collection *stream, const struct sdb_stream_range *range, struct tree_place *place)
{
    struct sdb_stream_id id;
    int error = stream_seek(stream, &range->last, place);

    if (error == SDB_ENOTFOUND)
        return stream->tree.count ? collection_result(tree_at(&stream->tree, stream->tree.count - 1, place)) : SDB_ENOTFOUND;
    if (!error)
        error = stream_read_id(stream, place, &id);
    return error || sdb_stream_id_compare(&id, &range->last) == 0 ? error : collection_result(tree_previous(&stream->tree, place));
}

static int look_range(struct collection *stream, void *context)
{
    const struct show *show = context;
    const struct sdb_stream_range *range = show->range;
    const bool reverse = range->flags & SDB_STREAM_REVERSE;
    uint64_t left = range->count;
    struct sdb_stream_entry entry;
    struct tree_place place;
    int error = left == 0 ? SDB_ENOTFOUND : reverse ? seek_last(stream, range, &place) : stream_seek(stream, &range->first, &place);

    while (!error) {
        error = stream_read(stream, &place, &entry);
        if (error)
            return error;
        if (sdb_stream_id_compare(&entry.id, &range->first) < 0 || sdb_stream_id_compare(&entry.id, &range->last) > 0)
            break;
        if (show->visit(show->context, &entry) || --left == 0)
            break;
        error = collection_result(reverse ? tree_previous(&stream->tree, &place) : tree_next(&stream->tree, &place));
    }
    return error == SDB_ENOTFOUND ? SDB_OK : error;
}

int sdb_stream_range(struct sdb_session *session, const void *key, size_t key_size, const struct sdb_stream_range *range,
                     sdb_stream_fn *visit, void *context)
{
    struct show show = {range, visit, context};

    return collection_look(session, key, key_size, SDB_TYPE_STREAM, look_range, &show);
}
