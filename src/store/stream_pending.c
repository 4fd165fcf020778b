/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * stream_pending.c - entries that are given to consumers, and acknowledged; showing what is pending
 * Media:   records of the stream's companion, staged
 * Holds:   what is pending has two records, one by id and one of its consumer
 * Threads: the session's
 * Memory:  copies of the entries that are given away (the visitor sees them behind the change); ids of a consumer's history
 */
#include <stdlib.h>
#include <string.h>

#include "stream.h"

/* ---- records ---- */

int stream_pending_find(struct collection *stream, uint64_t group, const struct sdb_stream_id *id, struct stream_record *pending)
{
    const struct stream_record key = {.tag = STREAM_TAG_PENDING, .group = group, .id = *id};

    return stream_record_find(stream, NULL, &key, pending);
}

static int take_owned(struct collection *stream, const struct stream_record *pending)
{
    struct stream_record owned = *pending;
    int error;

    owned.tag = STREAM_TAG_OWNED;
    error = stream_record_take(stream, &owned);
    return error == SDB_ENOTFOUND ? collection_damaged(stream) : error;
}

int stream_pending_take(struct collection *stream, const struct stream_record *pending)
{
    const int error = take_owned(stream, pending);

    return error ? error : stream_record_take(stream, pending);
}

int stream_pend(struct collection *stream, const struct stream_record *pending, const struct stream_record *was)
{
    struct stream_record owned = *pending;
    int error = SDB_OK;

    owned.tag = STREAM_TAG_OWNED;
    if (was->tag && was->consumer != pending->consumer)
        error = take_owned(stream, was);
    if (!error && (!was->tag || was->consumer != pending->consumer))
        error = stream_record_put(stream, &owned);
    return error ? error : stream_record_put(stream, pending);
}

/* ---- reading by a group ---- */

struct read {
    const struct sdb_stream_reading *what;
    struct sdb_stream_read done;
    struct stream_copies copies;
    struct sdb_stream_id *ids; /* of a history */
    size_t count, capacity;
    int64_t now;
};

/* The consumer, seen now. */
static int see_consumer(struct collection *stream, struct read *read, struct stream_record *group, struct stream_record *consumer)
{
    int error = stream_consumer_find(stream, group, &read->what->consumer, consumer);

    read->done.consumer_created = error == SDB_ENOTFOUND;
    if (error == SDB_ENOTFOUND) {
        error = stream_consumer_make(stream, group, &read->what->consumer, read->now, consumer);
        return error ? error : stream_record_put(stream, group);
    }
    consumer->time = read->now;
    return error ? error : stream_record_put(stream, consumer);
}

static void move_on(struct stream_record *group, const struct stream_state *state, const struct sdb_stream_id *id)
{
    if (group->read != SDB_STREAM_UNKNOWN && !stream_has_holes(state, id))
        group->read = (int64_t)((uint64_t)group->read + 1); /* whoever made the group may have said any number */
    else if (state->added)
        group->read = stream_entries_up_to(state, id);
    group->id = *id;
}

static int give(struct collection *stream, const struct read *read, const struct stream_record *group, uint64_t consumer,
                const struct sdb_stream_id *id)
{
    const struct stream_record pending = {.tag = STREAM_TAG_PENDING,
                                          .group = group->group,
                                          .id = *id,
                                          .consumer = consumer,
                                          .time = read->now,
                                          .deliveries = 1};
    struct stream_record was;
    int error = stream_pending_find(stream, group->group, id, &was);

    if (error && error != SDB_ENOTFOUND)
        return error;
    if (error)
        was.tag = (enum stream_tag)0;
    return stream_pend(stream, &pending, &was);
}

static int read_new(struct collection *stream, struct read *read, struct stream_record *group)
{
    const struct sdb_stream_reading *what = read->what;
    struct stream_record consumer;
    struct stream_state state;
    struct sdb_stream_entry entry;
    struct sdb_stream_id from = group->id;
    struct tree_place place;
    uint64_t left = what->count ? what->count : UINT64_MAX;
    int error = stream_load(stream, &state);

    if (error || state.length == 0 || sdb_stream_id_compare(&state.last, &group->id) <= 0)
        return error;
    (void)sdb_stream_id_next(&from); /* there is one: the last id is behind it */
    error = stream_seek(stream, &from, &place);
    if (error)
        return error == SDB_ENOTFOUND ? SDB_OK : error; /* what was new has been taken out */
    read->done.served = 1;
    stream->groups_only = true;
    for (error = see_consumer(stream, read, group, &consumer); !error && left; left--) {
        error = stream_read(stream, &place, &entry);
        if (!error)
            error = stream_copies_add(&read->copies, &entry);
        if (error)
            return error;
        move_on(group, &state, &entry.id);
        if (!(what->flags & SDB_STREAM_NO_ACK))
            error = give(stream, read, group, consumer.consumer, &entry.id);
        if (!error)
            error = collection_result(tree_next(&stream->tree, &place));
    }
    return error && error != SDB_ENOTFOUND ? error : stream_record_put(stream, group);
}

static int note_id(struct read *read, const struct sdb_stream_id *id)
{
    if (read->count == read->capacity) {
        const size_t capacity = read->capacity ? read->capacity * 2 : 64;
        struct sdb_stream_id *ids = realloc(read->ids, capacity * sizeof(*ids));

        if (!ids)
            return SDB_ENOMEM;
        read->ids = ids;
        read->capacity = capacity;
    }
    read->ids[read->count++] = *id;
    return SDB_OK;
}

/* The ids that the consumer has pending: noted before their records change, which moves them. */
static int note_history(struct collection *stream, struct read *read, const struct stream_record *consumer)
{
    struct stream_record from = {.tag = STREAM_TAG_OWNED, .group = consumer->group, .consumer = consumer->consumer}, owned;
    struct stream_prefix prefix;
    struct tree_place place;
    int error;

    from.id = read->what->after;
    read->count = 0;
    if (!sdb_stream_id_next(&from.id))
        return SDB_OK;
    stream_prefix_of(&prefix, STREAM_TAG_OWNED, consumer->group, &consumer->consumer);
    error = stream_records_first(stream, &from, &prefix, &place, &owned);
    while (!error) {
        error = note_id(read, &owned.id);
        if (!error && read->count == read->what->count)
            break;
        if (!error)
            error = stream_records_next(stream, &prefix, &place, &owned);
    }
    return error == SDB_ENOTFOUND ? SDB_OK : error;
}

static int show_again(struct collection *stream, struct read *read, uint64_t group, const struct sdb_stream_id *id)
{
    struct stream_record pending;
    struct sdb_stream_entry entry;
    struct tree_place place;
    int error = stream_find(stream, id, &place);

    if (error == SDB_ENOTFOUND)
        return stream_copies_add_id(&read->copies, id);
    if (!error)
        error = stream_read(stream, &place, &entry);
    if (!error)
        error = stream_copies_add(&read->copies, &entry);
    if (!error)
        error = stream_pending_find(stream, group, id, &pending);
    if (error)
        return error == SDB_ENOTFOUND ? collection_damaged(stream) : error;
    pending.time = read->now;
    pending.deliveries++;
    return stream_record_put(stream, &pending);
}

static int read_history(struct collection *stream, struct read *read, struct stream_record *group)
{
    struct stream_record consumer;
    int error;

    read->done.served = 1;
    stream->groups_only = true;
    error = see_consumer(stream, read, group, &consumer);
    if (!error)
        error = note_history(stream, read, &consumer);
    for (size_t i = 0; i < read->count && !error; i++)
        error = show_again(stream, read, group->group, &read->ids[i]);
    return error;
}

static int change_read(struct collection *stream, void *context)
{
    struct read *read = context;
    struct stream_record group;
    int error = stream->in_tree ? stream_group_find(stream, &read->what->group, &group) : SDB_ENOTFOUND;

    read->done = (struct sdb_stream_read){0, 0};
    read->copies.size = 0;
    read->count = 0;
    read->now = stream_now(stream, read->what->now_ms);
    if (error)
        return error;
    return read->what->flags & SDB_STREAM_HISTORY ? read_history(stream, read, &group) : read_new(stream, read, &group);
}

int sdb_stream_read_group(struct sdb_session *session, const void *key, size_t key_size, const struct sdb_stream_reading *reading,
                          struct sdb_stream_read *done, sdb_stream_fn *visit, void *context)
{
    struct read read = {.what = reading, .copies = STREAM_COPIES_INIT};
    int error = reading->consumer.size > SDB_ELEMENT_SIZE_MAX
                    ? SDB_ETOOBIG
                    : collection_change(session, key, key_size, SDB_TYPE_STREAM, change_read, &read);

    if (!error && done)
        *done = read.done;
    if (!error)
        stream_copies_show(&read.copies, visit, context);
    stream_copies_free(&read.copies);
    free(read.ids);
    return error;
}

/* ---- from elsewhere ---- */

struct pend {
    const struct sdb_slice *group;
    const struct sdb_stream_pending *pending;
};

static int change_pend(struct collection *stream, void *context)
{
    const struct pend *pend = context;
    struct stream_record group, consumer, was, pending = {.tag = STREAM_TAG_PENDING,
                                                          .id = pend->pending->id,
                                                          .time = pend->pending->delivered_ms,
                                                          .deliveries = pend->pending->deliveries};
    int error = stream->in_tree ? stream_group_find(stream, pend->group, &group) : SDB_ENOTFOUND;

    if (error)
        return error;
    error = stream_consumer_find(stream, &group, &pend->pending->consumer, &consumer);
    if (error)
        return error == SDB_ENOTFOUND ? SDB_ECONDITION : error;
    stream->groups_only = true;
    pending.group = group.group;
    pending.consumer = consumer.consumer;
    error = stream_pending_find(stream, group.group, &pending.id, &was);
    if (error && error != SDB_ENOTFOUND)
        return error;
    if (error)
        was.tag = (enum stream_tag)0;
    return stream_pend(stream, &pending, &was);
}

int sdb_stream_pend(struct sdb_session *session, const void *key, size_t key_size, const struct sdb_slice *group,
                    const struct sdb_stream_pending *pending)
{
    struct pend pend = {group, pending};

    return collection_change(session, key, key_size, SDB_TYPE_STREAM, change_pend, &pend);
}

/* ---- acknowledging ---- */

struct acknowledgement {
    const struct sdb_slice *group;
    const struct sdb_stream_id *ids;
    size_t count;
    uint64_t done;
};

static int change_acknowledge(struct collection *stream, void *context)
{
    struct acknowledgement *ack = context;
    struct stream_record group, pending;
    int error = stream->in_tree ? stream_group_find(stream, ack->group, &group) : SDB_ENOTFOUND;

    ack->done = 0;
    stream->groups_only = true;
    for (size_t i = 0; i < ack->count && !error; i++) {
        error = stream_pending_find(stream, group.group, &ack->ids[i], &pending);
        if (error == SDB_ENOTFOUND) {
            error = SDB_OK;
            continue;
        }
        if (!error)
            error = stream_pending_take(stream, &pending);
        ack->done++;
    }
    return error;
}

int sdb_stream_acknowledge(struct sdb_session *session, const void *key, size_t key_size, const struct sdb_slice *group,
                           const struct sdb_stream_id *ids, size_t count, uint64_t *acknowledged)
{
    struct acknowledgement ack = {group, ids, count, 0};
    int error = collection_change(session, key, key_size, SDB_TYPE_STREAM, change_acknowledge, &ack);

    if (!error && acknowledged)
        *acknowledged = ack.done;
    return error;
}

/* ---- showing ---- */

struct show {
    const struct sdb_stream_pending_range *range;
    sdb_stream_pending_fn *visit;
    void *context;
    int64_t now;
    struct tree records; /* to look names and times up in, while the companion is gone over */
    uint64_t named;      /* the consumer whose name it is; 0: none */
    struct stream_name name;
};

static int name_of(struct collection *stream, struct show *show, const struct stream_record *pending)
{
    const struct stream_record key = {.tag = STREAM_TAG_NAME, .group = pending->group, .consumer = pending->consumer};
    struct stream_record found;
    int error;

    if (show->named == pending->consumer)
        return SDB_OK;
    error = stream_record_find(stream, &show->records, &key, &found);
    if (error)
        return error == SDB_ENOTFOUND ? collection_damaged(stream) : error;
    stream_name_keep(&show->name, &found.name);
    show->named = pending->consumer;
    return SDB_OK;
}

/* One record, by id or of a consumer. *left: how many may be shown. */
static int show_pending(struct collection *stream, struct show *show, const struct stream_record *record, uint64_t *left)
{
    struct stream_record pending = *record;
    struct sdb_stream_pending out;
    int error = SDB_OK;

    if (record->tag == STREAM_TAG_OWNED) {
        pending.tag = STREAM_TAG_PENDING;
        error = stream_record_find(stream, &show->records, &pending, &pending);
        error = error == SDB_ENOTFOUND ? collection_damaged(stream) : error;
    }
    if (error || (show->range->min_idle_ms > 0 && show->now - pending.time < show->range->min_idle_ms))
        return error;
    error = name_of(stream, show, &pending);
    if (error)
        return error;
    out = (struct sdb_stream_pending){
        .id = pending.id, .consumer = show->name.slice, .delivered_ms = pending.time, .deliveries = pending.deliveries};
    --*left;
    if (show->visit(show->context, &out))
        *left = 0;
    return SDB_OK;
}

static int look_pending(struct collection *stream, void *context)
{
    struct show *show = context;
    const struct sdb_stream_pending_range *range = show->range;
    struct stream_record group, consumer, from, record;
    struct stream_prefix prefix;
    struct tree_place place;
    uint64_t left = range->count;
    int error = stream_group_find(stream, &range->group, &group);

    if (error)
        return error;
    show->now = stream_now(stream, range->now_ms);
    show->records = stream->members;
    from = (struct stream_record){.tag = STREAM_TAG_PENDING, .group = group.group, .id = range->first};
    stream_prefix_of(&prefix, STREAM_TAG_PENDING, group.group, NULL);
    if (range->consumer.data) {
        error = stream_consumer_find(stream, &group, &range->consumer, &consumer);
        if (error)
            return error == SDB_ENOTFOUND ? SDB_OK : error;
        from.tag = STREAM_TAG_OWNED;
        from.consumer = consumer.consumer;
        stream_prefix_of(&prefix, STREAM_TAG_OWNED, group.group, &consumer.consumer);
    }
    if (left)
        error = stream_records_first(stream, &from, &prefix, &place, &record);
    while (!error && left && sdb_stream_id_compare(&record.id, &range->last) <= 0) {
        error = show_pending(stream, show, &record, &left);
        if (!error)
            error = stream_records_next(stream, &prefix, &place, &record);
    }
    return error == SDB_ENOTFOUND ? SDB_OK : error;
}

int sdb_stream_pending(struct sdb_session *session, const void *key, size_t key_size, const struct sdb_stream_pending_range *range,
                       sdb_stream_pending_fn *visit, void *context)
{
    struct show show = {.range = range, .visit = visit, .context = context};

    return collection_look(session, key, key_size, SDB_TYPE_STREAM, look_pending, &show);
}
