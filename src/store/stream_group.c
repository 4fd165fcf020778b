/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * stream_group.c - groups and their consumers: making, showing and removing them
 * Media:   records of the stream's companion, staged
 * Holds:   1. A consumer has a record by name, which has its number, and one by number, which has its name.
 *          2. A number is given once: to a group by its stream, to a consumer by its group.
 * Threads: the session's
 * Memory:  none
 */
#include <string.h>

#include "stream.h"

/* ---- how far a group has come ---- */

static bool is_zero(const struct sdb_stream_id *id)
{
    return id->ms == 0 && id->sequence == 0;
}

bool stream_has_holes(const struct stream_state *state, const struct sdb_stream_id *from)
{
    if (state->length == 0 || is_zero(&state->deleted) || sdb_stream_id_compare(&state->first, &state->deleted) > 0)
        return false;
    return sdb_stream_id_compare(from, &state->deleted) <= 0;
}

int64_t stream_entries_up_to(const struct stream_state *state, const struct sdb_stream_id *id)
{
    const int to_last = sdb_stream_id_compare(id, &state->last), to_first = sdb_stream_id_compare(id, &state->first);

    if (state->added == 0)
        return 0;
    if (state->length == 0 && to_last <= 0)
        return (int64_t)state->added;
    if (to_last == 0)
        return (int64_t)state->added;
    if (to_last > 0)
        return SDB_STREAM_UNKNOWN;
    if (!is_zero(&state->deleted) && sdb_stream_id_compare(&state->deleted, &state->first) >= 0)
        return SDB_STREAM_UNKNOWN;
    if (to_first > 0)
        return SDB_STREAM_UNKNOWN;
    return (int64_t)(state->added - state->length) + (to_first == 0);
}

static int64_t lag_of(const struct stream_state *state, const struct stream_record *group)
{
    int64_t read;

    if (state->added == 0)
        return 0;
    if (group->read != SDB_STREAM_UNKNOWN && !stream_has_holes(state, &group->id))
        return (int64_t)(state->added - (uint64_t)group->read); /* any number may have been given for it */
    read = stream_entries_up_to(state, &group->id);
    return read == SDB_STREAM_UNKNOWN ? SDB_STREAM_LAG_UNKNOWN : (int64_t)state->added - read;
}

/* ---- finding ---- */

int stream_group_find(struct collection *stream, const struct sdb_slice *name, struct stream_record *group)
{
    const struct stream_record key = {.tag = STREAM_TAG_GROUP, .name = *name};
    const int error = stream_record_find(stream, NULL, &key, group);

    group->name = *name;
    return error == SDB_ENOTFOUND ? SDB_ECONDITION : error;
}

int stream_consumer_find(struct collection *stream, const struct stream_record *group, const struct sdb_slice *name,
                         struct stream_record *consumer)
{
    const struct stream_record key = {.tag = STREAM_TAG_CONSUMER, .group = group->group, .name = *name};
    const int error = stream_record_find(stream, NULL, &key, consumer);

    consumer->name = *name;
    return error;
}

int stream_consumer_make(struct collection *stream, struct stream_record *group, const struct sdb_slice *name, int64_t now,
                         struct stream_record *consumer)
{
    const struct stream_record by_number = {.tag = STREAM_TAG_NAME, .group = group->group, .consumer = group->next, .name = *name};
    int error;

    *consumer = (struct stream_record){
        .tag = STREAM_TAG_CONSUMER, .group = group->group, .consumer = group->next, .time = now, .name = *name};
    group->next++;
    error = stream_record_put(stream, consumer);
    return error ? error : stream_record_put(stream, &by_number);
}

/* ---- groups ---- */

struct group_change {
    struct sdb_slice name;
    const struct sdb_stream_start *start;
};

static void set_start(struct stream_record *group, const struct sdb_stream_start *start, const struct stream_state *state)
{
    group->id = start->flags & SDB_STREAM_FROM_LAST ? state->last : start->id;
    group->read = start->entries_read < 0 ? SDB_STREAM_UNKNOWN : start->entries_read;
}

static int change_create(struct collection *stream, void *context)
{
    const struct group_change *change = context;
    struct stream_record group;
    struct stream_state state;
    int error = stream->in_tree ? stream_group_find(stream, &change->name, &group) : SDB_ECONDITION;

    if (error != SDB_ECONDITION)
        return error ? error : SDB_ECONDITION;
    if (!stream->in_tree && !(change->start->flags & SDB_STREAM_MAKE))
        return SDB_ENOTFOUND;
    stream->groups_only = true;
    error = stream_create(stream);
    if (!error)
        error = stream_load(stream, &state);
    if (error)
        return error;
    group = (struct stream_record){.tag = STREAM_TAG_GROUP, .group = state.next_group++, .next = 1, .name = change->name};
    set_start(&group, change->start, &state);
    error = stream_store(stream, &state);
    return error ? error : stream_record_put(stream, &group);
}

int sdb_stream_group_create(struct sdb_session *session, const void *key, size_t key_size, const void *group, size_t group_size,
                            const struct sdb_stream_start *start)
{
    struct group_change change = {{group, group_size}, start};

    return group_size > SDB_ELEMENT_SIZE_MAX
               ? SDB_ETOOBIG
               : collection_change(session, key, key_size, SDB_TYPE_STREAM, change_create, &change);
}

static int change_start(struct collection *stream, void *context)
{
    const struct group_change *change = context;
    struct stream_record group;
    struct stream_state state;
    int error = stream->in_tree ? stream_group_find(stream, &change->name, &group) : SDB_ENOTFOUND;

    if (!error)
        error = stream_load(stream, &state);
    if (error)
        return error;
    stream->groups_only = true;
    set_start(&group, change->start, &state);
    return stream_record_put(stream, &group);
}

int sdb_stream_group_set(struct sdb_session *session, const void *key, size_t key_size, const void *group, size_t group_size,
                         const struct sdb_stream_start *start)
{
    struct group_change change = {{group, group_size}, start};

    return collection_change(session, key, key_size, SDB_TYPE_STREAM, change_start, &change);
}

static int change_destroy(struct collection *stream, void *context)
{
    const struct group_change *change = context;
    struct stream_prefix prefix;
    struct stream_record group;
    int error = stream->in_tree ? stream_group_find(stream, &change->name, &group) : SDB_ENOTFOUND;

    if (error)
        return error;
    stream->groups_only = true;
    error = stream_record_take(stream, &group);
    for (enum stream_tag tag = STREAM_TAG_CONSUMER; tag <= STREAM_TAG_OWNED && !error; tag++) {
        stream_prefix_of(&prefix, tag, group.group, NULL);
        error = stream_records_clear(stream, &prefix);
    }
    return error == SDB_ENOTFOUND ? collection_damaged(stream) : error;
}

int sdb_stream_group_destroy(struct sdb_session *session, const void *key, size_t key_size, const void *group, size_t group_size)
{
    struct group_change change = {{group, group_size}, NULL};

    return collection_change(session, key, key_size, SDB_TYPE_STREAM, change_destroy, &change);
}

/* Whatever there is to say of a group. records: stream_record_find. */
static int describe(struct collection *stream, struct tree *records, const struct stream_state *state, const struct stream_record *record,
                    struct sdb_stream_group *group)
{
    struct stream_prefix consumers, pending;
    struct stream_record edge;
    uint64_t first;
    int error;

    *group = (struct sdb_stream_group){
        .name = record->name, .last_id = record->id, .entries_read = record->read, .lag = lag_of(state, record)};
    stream_prefix_of(&consumers, STREAM_TAG_CONSUMER, record->group, NULL);
    stream_prefix_of(&pending, STREAM_TAG_PENDING, record->group, NULL);
    error = stream_records_count(stream, records, &consumers, &group->consumers);
    if (!error)
        error = stream_records_count(stream, records, &pending, &group->pending);
    if (error || group->pending == 0)
        return error;
    error = stream_records_rank(stream, records, &pending, &first);
    if (!error)
        error = stream_records_at(stream, records, first, &edge);
    group->first_pending = edge.id;
    if (!error)
        error = stream_records_at(stream, records, first + group->pending - 1, &edge);
    group->last_pending = edge.id;
    return error;
}

struct one_group {
    struct sdb_slice name;
    struct sdb_stream_group group;
};

static int look_group(struct collection *stream, void *context)
{
    struct one_group *one = context;
    struct stream_record record;
    struct stream_state state;
    int error = stream_group_find(stream, &one->name, &record);

    if (!error)
        error = stream_load(stream, &state);
    return error ? error : describe(stream, NULL, &state, &record, &one->group);
}

int sdb_stream_group(struct sdb_session *session, const void *key, size_t key_size, const void *name, size_t name_size,
                     struct sdb_stream_group *group)
{
    struct one_group one = {.name = {name, name_size}};
    int error = collection_look(session, key, key_size, SDB_TYPE_STREAM, look_group, &one);

    if (!error)
        *group = one.group;
    return error;
}

struct show_groups {
    sdb_stream_group_fn *visit;
    void *context;
};

static int look_groups(struct collection *stream, void *context)
{
    const struct show_groups *show = context;
    struct sdb_stream_group group;
    struct stream_record record;
    struct stream_prefix prefix;
    struct stream_state state;
    struct stream_name name;
    uint64_t first = 0, count = 0;
    int error = stream_load(stream, &state);

    stream_prefix_of(&prefix, STREAM_TAG_GROUP, 0, NULL);
    if (!error)
        error = stream_records_rank(stream, NULL, &prefix, &first);
    if (!error)
        error = stream_records_count(stream, NULL, &prefix, &count);
    for (uint64_t i = 0; i < count && !error; i++) {
        error = stream_records_at(stream, NULL, first + i, &record);
        stream_name_keep(&name, &record.name);
        record.name = name.slice;
        if (!error)
            error = describe(stream, NULL, &state, &record, &group);
        if (!error && show->visit(show->context, &group))
            break;
    }
    return error == SDB_ENOTFOUND ? SDB_OK : error;
}

int sdb_stream_groups(struct sdb_session *session, const void *key, size_t key_size, sdb_stream_group_fn *visit, void *context)
{
    struct show_groups show = {visit, context};

    return collection_look(session, key, key_size, SDB_TYPE_STREAM, look_groups, &show);
}

/* ---- consumers ---- */

struct consumer_change {
    const struct sdb_slice *group, *consumer;
    int64_t now_ms;
    int done;
    uint64_t pending;
};

static int change_consumer_create(struct collection *stream, void *context)
{
    struct consumer_change *change = context;
    struct stream_record group, consumer;
    int error = stream->in_tree ? stream_group_find(stream, change->group, &group) : SDB_ENOTFOUND;

    change->done = 0;
    if (error)
        return error;
    error = stream_consumer_find(stream, &group, change->consumer, &consumer);
    if (error != SDB_ENOTFOUND)
        return error;
    stream->groups_only = true;
    change->done = 1;
    error = stream_consumer_make(stream, &group, change->consumer, stream_now(stream, change->now_ms), &consumer);
    return error ? error : stream_record_put(stream, &group);
}

int sdb_stream_consumer_create(struct sdb_session *session, const void *key, size_t key_size, const struct sdb_slice *group,
                               const struct sdb_slice *consumer, int64_t now_ms, int *created)
{
    struct consumer_change change = {group, consumer, now_ms, 0, 0};
    int error = consumer->size > SDB_ELEMENT_SIZE_MAX
                    ? SDB_ETOOBIG
                    : collection_change(session, key, key_size, SDB_TYPE_STREAM, change_consumer_create, &change);

    if (!error && created)
        *created = change.done;
    return error;
}

/* What is pending of a consumer, by id, goes; what is its own, too. */
static int drop_pending(struct collection *stream, const struct stream_record *consumer, uint64_t *count)
{
    struct stream_record owned, pending = {.tag = STREAM_TAG_PENDING, .group = consumer->group};
    struct stream_prefix prefix;
    uint64_t first = 0;
    int error;

    stream_prefix_of(&prefix, STREAM_TAG_OWNED, consumer->group, &consumer->consumer);
    error = stream_records_count(stream, NULL, &prefix, count);
    for (uint64_t i = *count; i > 0 && !error; i--) { /* what goes stands before these, so that their ranks fall with each */
        if (i == *count)
            error = stream_records_rank(stream, NULL, &prefix, &first);
        if (!error)
            error = stream_records_at(stream, NULL, first + i - 1 - (*count - i), &owned);
        pending.id = owned.id;
        if (!error)
            error = stream_record_take(stream, &pending);
    }
    return error ? error : stream_records_clear(stream, &prefix);
}

static int change_consumer_delete(struct collection *stream, void *context)
{
    struct consumer_change *change = context;
    struct stream_record group, consumer;
    int error = stream->in_tree ? stream_group_find(stream, change->group, &group) : SDB_ENOTFOUND;

    change->done = 0;
    change->pending = 0;
    if (error)
        return error;
    error = stream_consumer_find(stream, &group, change->consumer, &consumer);
    if (error)
        return error == SDB_ENOTFOUND ? SDB_OK : error;
    stream->groups_only = true;
    change->done = 1;
    error = drop_pending(stream, &consumer, &change->pending);
    if (!error)
        error = stream_record_take(stream, &consumer);
    consumer.tag = STREAM_TAG_NAME;
    if (!error)
        error = stream_record_take(stream, &consumer);
    return error == SDB_ENOTFOUND ? collection_damaged(stream) : error;
}

int sdb_stream_consumer_delete(struct sdb_session *session, const void *key, size_t key_size, const struct sdb_slice *group,
                               const struct sdb_slice *consumer, int *existed, uint64_t *pending)
{
    struct consumer_change change = {group, consumer, 0, 0, 0};
    int error = collection_change(session, key, key_size, SDB_TYPE_STREAM, change_consumer_delete, &change);

    if (!error && existed)
        *existed = change.done;
    if (!error && pending)
        *pending = change.pending;
    return error;
}

struct show_consumers {
    const struct sdb_slice *group;
    sdb_stream_consumer_fn *visit;
    void *context;
};

static int look_consumers(struct collection *stream, void *context)
{
    const struct show_consumers *show = context;
    struct stream_record group, record;
    struct stream_prefix prefix, owned;
    struct stream_name name;
    uint64_t first = 0, count = 0;
    int error = stream_group_find(stream, show->group, &group);

    if (error)
        return error;
    stream_prefix_of(&prefix, STREAM_TAG_CONSUMER, group.group, NULL);
    error = stream_records_rank(stream, NULL, &prefix, &first);
    if (!error)
        error = stream_records_count(stream, NULL, &prefix, &count);
    for (uint64_t i = 0; i < count && !error; i++) {
        struct sdb_stream_consumer consumer;

        error = stream_records_at(stream, NULL, first + i, &record);
        if (error)
            break;
        stream_name_keep(&name, &record.name);
        consumer = (struct sdb_stream_consumer){.name = name.slice, .seen_ms = record.time};
        stream_prefix_of(&owned, STREAM_TAG_OWNED, group.group, &record.consumer);
        error = stream_records_count(stream, NULL, &owned, &consumer.pending);
        if (!error && show->visit(show->context, &consumer))
            break;
    }
    return error;
}

int sdb_stream_consumers(struct sdb_session *session, const void *key, size_t key_size, const struct sdb_slice *group,
                         sdb_stream_consumer_fn *visit, void *context)
{
    struct show_consumers show = {group, visit, context};

    return collection_look(session, key, key_size, SDB_TYPE_STREAM, look_consumers, &show);
}
