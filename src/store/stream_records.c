/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * stream_records.c - what a stream keeps next to its entries: finding, changing and going over the records of its companion
 * Media:   the companion, staged
 * Holds:   a companion has a record STREAM; it lives in the shard of its tree
 * Threads: the session's
 * Memory:  keys with names that are longer than a few hundred bytes
 */
#include <stdlib.h>
#include <string.h>

#include "stream.h"

/* ---- keys ---- */

/* A key's bytes in one piece. */
struct key {
    uint8_t few[STREAM_HEAD_MAX + TREE_INLINE_MAX];
    uint8_t *bytes;
    size_t size;
};

static int key_make(struct key *key, const struct stream_record *record)
{
    uint8_t head[STREAM_HEAD_MAX];
    const size_t head_size = stream_record_head(record, head);
    const size_t name_size = stream_record_is_named(record->tag) ? record->name.size : 0;

    key->size = head_size + name_size;
    key->bytes = key->size > sizeof(key->few) ? malloc(key->size) : key->few;
    if (!key->bytes)
        return SDB_ENOMEM;
    memcpy(key->bytes, head, head_size);
    if (name_size)
        memcpy(key->bytes + head_size, record->name.data, name_size);
    return SDB_OK;
}

static void key_free(struct key *key)
{
    if (key->bytes != key->few)
        free(key->bytes);
}

/* ---- the companion ---- */

int stream_open_records(struct collection *stream)
{
    struct sdb_session *session = stream->session;
    uint64_t header;
    int error;

    if (stream->has_records)
        return SDB_OK;
    error = tree_companion(&stream->tree, &header);
    if (!error && !header)
        return SDB_ENOTFOUND;
    if (!error)
        error = tree_open(&stream->members, &session->pool->heap, &session->tx, header);
    if (!error && stream->members.kind != TREE_RECORDS)
        error = collection_damaged(stream);
    stream->has_records = !error;
    return error;
}

int stream_make_records(struct collection *stream)
{
    struct sdb_session *session = stream->session;
    struct stream_state state;
    uint64_t header;
    int error = stream_open_records(stream);

    if (error != SDB_ENOTFOUND)
        return error;
    error = stream_load(stream, &state);
    if (!error)
        error = tree_create(&session->pool->heap, &session->tx, stream->tree.shard, TREE_RECORDS, &header);
    if (error)
        return error;
    tree_set_companion(&stream->tree, header);
    error = stream_open_records(stream);
    return error ? error : stream_store(stream, &state);
}

static int read_there(struct collection *stream, struct tree *records, const struct tree_place *place, struct stream_record *found)
{
    struct tree_element element;
    const int error = tree_read(records, place, &element);

    if (error)
        return error;
    return stream_record_read(element.data, element.size, found) ? SDB_OK : collection_damaged(stream);
}

static int find_place(struct collection *stream, struct tree *records, const struct stream_record *wanted, struct tree_place *place)
{
    struct tree_probe probe;
    struct key key;
    int error = key_make(&key, wanted);

    if (error)
        return error;
    tree_probe_record(key.bytes, key.size, &probe);
    error = collection_result(tree_find(records ? records : &stream->members, &probe, place));
    key_free(&key);
    return error;
}

int stream_record_find(struct collection *stream, struct tree *records, const struct stream_record *key, struct stream_record *found)
{
    struct tree_place place;
    int error = stream_open_records(stream);

    if (!error)
        error = find_place(stream, records, key, &place);
    return error || !found ? error : read_there(stream, records ? records : &stream->members, &place, found);
}

int stream_record_put(struct collection *stream, const struct stream_record *record)
{
    struct stream_element element;
    struct tree_place place;
    int error = stream_make_records(stream);

    if (!error)
        error = find_place(stream, NULL, record, &place);
    if (error && error != SDB_ENOTFOUND)
        return error;
    stream_record_write(record, &element);
    stream->changed = true;
    return error ? tree_insert(&stream->members, &place, element.parts, 3) : tree_replace(&stream->members, &place, element.parts, 3);
}

int stream_record_take(struct collection *stream, const struct stream_record *key)
{
    struct tree_place place;
    int error = stream_open_records(stream);

    if (!error)
        error = find_place(stream, NULL, key, &place);
    if (error)
        return error;
    stream->changed = true;
    return tree_remove(&stream->members, &place);
}

/* ---- all with a prefix ---- */

void stream_prefix_of(struct stream_prefix *prefix, enum stream_tag tag, uint64_t group, const uint64_t *consumer)
{
    prefix->size = stream_record_prefix(tag, group, consumer, prefix->bytes);
}

static bool begins(const struct stream_record *record, const struct stream_prefix *prefix)
{
    uint8_t head[STREAM_HEAD_MAX];

    return stream_record_head(record, head) >= prefix->size && memcmp(head, prefix->bytes, prefix->size) == 0;
}

/* The bytes behind all that begin with the prefix. A tag is never the highest byte. */
static void behind(const struct stream_prefix *prefix, struct stream_prefix *end)
{
    *end = *prefix;
    for (size_t i = end->size; i > 0 && ++end->bytes[i - 1] == 0;)
        i--;
}

int stream_records_rank(struct collection *stream, struct tree *records, const struct stream_prefix *prefix, uint64_t *rank)
{
    struct tree_probe probe;
    struct tree_place place;
    int error = stream_open_records(stream);

    if (error)
        return error;
    if (!records)
        records = &stream->members;
    tree_probe_record(prefix->bytes, prefix->size, &probe);
    error = collection_result(tree_seek(records, &probe, &place));
    if (error == SDB_ENOTFOUND) {
        *rank = records->count;
        return SDB_OK;
    }
    return error ? error : tree_rank(records, &place, rank);
}

int stream_records_count(struct collection *stream, struct tree *records, const struct stream_prefix *prefix, uint64_t *count)
{
    struct stream_prefix end;
    uint64_t first, last;
    int error = stream_records_rank(stream, records, prefix, &first);

    behind(prefix, &end);
    if (!error)
        error = stream_records_rank(stream, records, &end, &last);
    if (!error)
        *count = last - first;
    return error;
}

int stream_records_at(struct collection *stream, struct tree *records, uint64_t rank, struct stream_record *found)
{
    struct tree_place place;
    int error = stream_open_records(stream);

    if (!records)
        records = &stream->members;
    if (!error)
        error = collection_result(tree_at(records, rank, &place));
    return error ? error : read_there(stream, records, &place, found);
}

static int check_prefix(struct collection *stream, const struct stream_prefix *prefix, struct tree_place *place, struct stream_record *found)
{
    const int error = read_there(stream, &stream->members, place, found);

    return error ? error : begins(found, prefix) ? SDB_OK : SDB_ENOTFOUND;
}

int stream_records_first(struct collection *stream, const struct stream_record *key, const struct stream_prefix *prefix,
                         struct tree_place *place, struct stream_record *found)
{
    struct stream_prefix from = {.size = prefix->size};
    struct tree_probe probe;
    int error = stream_open_records(stream);

    if (error)
        return error;
    if (key)
        from.size = stream_record_head(key, from.bytes);
    else
        memcpy(from.bytes, prefix->bytes, prefix->size);
    tree_probe_record(from.bytes, from.size, &probe);
    error = collection_result(tree_seek(&stream->members, &probe, place));
    return error ? error : check_prefix(stream, prefix, place, found);
}

int stream_records_next(struct collection *stream, const struct stream_prefix *prefix, struct tree_place *place,
                        struct stream_record *found)
{
    const int error = collection_result(tree_next(&stream->members, place));

    return error ? error : check_prefix(stream, prefix, place, found);
}

/* Whether the whole leaf, from its first element on, begins with the prefix. */
static int is_whole_leaf(struct collection *stream, const struct stream_prefix *prefix, struct tree_place *place, bool *whole)
{
    struct stream_record last;
    int error;

    *whole = false;
    if (place->index[0] != 0)
        return SDB_OK;
    place->index[0] = place->leaf.count - 1;
    error = read_there(stream, &stream->members, place, &last);
    place->index[0] = 0;
    *whole = !error && begins(&last, prefix);
    return error;
}

int stream_records_clear(struct collection *stream, const struct stream_prefix *prefix)
{
    struct stream_record found;
    struct tree_place place;
    bool whole;
    int error;

    while (!(error = stream_records_first(stream, NULL, prefix, &place, &found))) {
        error = is_whole_leaf(stream, prefix, &place, &whole);
        stream->changed = true;
        if (!error)
            error = whole ? tree_remove_leaf(&stream->members, &place) : tree_remove(&stream->members, &place);
        if (error)
            return error;
    }
    return error == SDB_ENOTFOUND ? SDB_OK : error;
}

/* ---- names ---- */

void stream_name_keep(struct stream_name *name, const struct sdb_slice *slice)
{
    name->slice = *slice;
    if (slice->size > sizeof(name->few))
        return; /* a blob's, which stays where it is */
    if (slice->size)
        memcpy(name->few, slice->data, slice->size);
    name->slice.data = name->few;
}
