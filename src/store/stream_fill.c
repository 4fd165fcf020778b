/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * stream_fill.c - storing whole streams that come from elsewhere
 * Media:   a new stream, staged
 * Holds:   what is filled in agrees with itself, or nothing is stored
 * Threads: the session's
 * Memory:  none
 */
#include "stream.h"

struct sdb_stream_filling {
    struct collection *stream;
    struct sdb_stream_id last; /* entry */
    bool has_info;
    struct stream_record group, consumer; /* tag 0: none yet */
};

struct fill {
    sdb_stream_fill_fn *fill;
    void *context;
};

static int change_fill(struct collection *stream, void *context)
{
    const struct fill *fill = context;
    struct sdb_stream_filling filling = {.stream = stream};
    int error = stream_create(stream);

    return error ? error : fill->fill(fill->context, &filling);
}

int sdb_stream_store(struct sdb_session *session, const void *key, size_t key_size, sdb_stream_fill_fn *fill, void *context)
{
    struct fill filled = {fill, context};

    return collection_store(session, key, key_size, SDB_TYPE_STREAM, change_fill, &filled);
}

int sdb_stream_fill_entry(struct sdb_stream_filling *filling, const struct sdb_stream_id *id, const struct sdb_slice *fields, size_t count)
{
    struct collection *stream = filling->stream;
    uint64_t user;
    int error;

    if (filling->has_info || sdb_stream_id_compare(id, &filling->last) <= 0)
        return SDB_EINVAL;
    error = stream_append(stream, id, fields, count);
    if (!error)
        error = tree_user(&stream->tree, &user);
    if (error)
        return error;
    filling->last = *id;
    stream_count_entry(stream, user);
    return SDB_OK;
}

int sdb_stream_fill_info(struct sdb_stream_filling *filling, const struct sdb_stream_info *info)
{
    struct stream_state state;
    int error = stream_load(filling->stream, &state);

    if (error)
        return error;
    if (sdb_stream_id_compare(&info->last_id, &filling->last) < 0)
        return SDB_EINVAL;
    state.last = info->last_id;
    state.deleted = info->max_deleted_id;
    state.added = info->entries_added;
    filling->has_info = true;
    return stream_store(filling->stream, &state);
}

int sdb_stream_fill_group(struct sdb_stream_filling *filling, const struct sdb_stream_group *group)
{
    struct stream_state state;
    int error = stream_group_find(filling->stream, &group->name, &filling->group);

    filling->consumer.tag = (enum stream_tag)0;
    if (error != SDB_ECONDITION)
        return error ? error : SDB_EINVAL;
    error = stream_load(filling->stream, &state);
    if (error)
        return error;
    filling->group = (struct stream_record){.tag = STREAM_TAG_GROUP,
                                            .group = state.next_group++,
                                            .id = group->last_id,
                                            .read = group->entries_read < 0 ? SDB_STREAM_UNKNOWN : group->entries_read,
                                            .next = 1,
                                            .name = group->name};
    error = stream_store(filling->stream, &state);
    return error ? error : stream_record_put(filling->stream, &filling->group);
}

int sdb_stream_fill_consumer(struct sdb_stream_filling *filling, const struct sdb_stream_consumer *consumer)
{
    int error;

    if (!filling->group.tag)
        return SDB_EINVAL;
    error = stream_consumer_find(filling->stream, &filling->group, &consumer->name, &filling->consumer);
    if (error != SDB_ENOTFOUND) {
        filling->consumer.tag = (enum stream_tag)0;
        return error ? error : SDB_EINVAL;
    }
    error = stream_consumer_make(filling->stream, &filling->group, &consumer->name, consumer->seen_ms, &filling->consumer);
    return error ? error : stream_record_put(filling->stream, &filling->group);
}

int sdb_stream_fill_pending(struct sdb_stream_filling *filling, const struct sdb_stream_pending *pending)
{
    const struct stream_record none = {.name = {"", 0}},
                               record = {.tag = STREAM_TAG_PENDING,
                                         .group = filling->group.group,
                                         .id = pending->id,
                                         .consumer = filling->consumer.consumer,
                                         .time = pending->delivered_ms,
                                         .deliveries = pending->deliveries};
    struct stream_record was;
    int error;

    if (!filling->consumer.tag)
        return SDB_EINVAL;
    error = stream_pending_find(filling->stream, record.group, &record.id, &was);
    return error == SDB_ENOTFOUND ? stream_pend(filling->stream, &record, &none) : error ? error : SDB_EINVAL;
}
