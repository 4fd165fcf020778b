/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * stream_claim.c - what is pending of one consumer becomes another's
 * Media:   records of the stream's companion, staged
 * Holds:   stream_pending.c
 * Threads: the session's
 * Memory:  copies of the entries that are claimed, which the visitor sees behind the change
 */
#include "stream.h"

#define LOOKED_AT_FOR_ONE 10u /* pending entries that are looked at, for each that may be claimed */

/* What both forms of claiming work on. */
struct claim {
    struct sdb_slice group_name, consumer_name;
    int64_t min_idle_ms, now, delivered_ms;
    uint32_t flags;
    uint64_t deliveries;
    int consumer_created;
    struct stream_record group, consumer; /* the consumer's tag is 0 until it was needed */
    struct stream_copies copies, gone;
};

static int begin(struct collection *stream, struct claim *claim, int64_t now_ms)
{
    claim->now = stream_now(stream, now_ms);
    claim->consumer_created = 0;
    claim->consumer.tag = (enum stream_tag)0;
    claim->copies.size = 0;
    claim->gone.size = 0;
    stream->groups_only = true;
    return stream->in_tree ? stream_group_find(stream, &claim->group_name, &claim->group) : SDB_ENOTFOUND;
}

/* The consumer, seen now; it is made where it is missing. */
static int need_consumer(struct collection *stream, struct claim *claim)
{
    int error;

    if (claim->consumer.tag)
        return SDB_OK;
    error = stream_consumer_find(stream, &claim->group, &claim->consumer_name, &claim->consumer);
    if (error == SDB_ENOTFOUND) {
        claim->consumer_created = 1;
        error = stream_consumer_make(stream, &claim->group, &claim->consumer_name, claim->now, &claim->consumer);
        return error ? error : stream_record_put(stream, &claim->group);
    }
    claim->consumer.time = claim->now;
    return error ? error : stream_record_put(stream, &claim->consumer);
}

/* What is pending (was->tag 0: it is not yet) becomes the consumer's. */
static int take_over(struct collection *stream, struct claim *claim, const struct tree_place *place, const struct sdb_stream_id *id,
                     const struct stream_record *was)
{
    struct stream_record pending = {
        .tag = STREAM_TAG_PENDING, .group = claim->group.group, .id = *id, .deliveries = was->tag ? was->deliveries : 1};
    struct sdb_stream_entry entry;
    int error = need_consumer(stream, claim);

    if (error)
        return error;
    pending.consumer = claim->consumer.consumer;
    pending.time = claim->delivered_ms;
    if (claim->flags & SDB_STREAM_SET_DELIVERIES)
        pending.deliveries = claim->deliveries;
    else if (!(claim->flags & SDB_STREAM_JUST_ID))
        pending.deliveries++;
    error = stream_pend(stream, &pending, was);
    if (error || claim->flags & SDB_STREAM_JUST_ID)
        return error ? error : stream_copies_add_id(&claim->copies, id);
    error = stream_read(stream, place, &entry);
    return error ? error : stream_copies_add(&claim->copies, &entry);
}

static bool is_idle(const struct claim *claim, const struct stream_record *pending)
{
    return claim->min_idle_ms <= 0 || claim->now - pending->time >= claim->min_idle_ms;
}

/* ---- by id ---- */

struct claim_ids {
    const struct sdb_stream_claim *what;
    struct claim claim;
};

static int claim_one(struct collection *stream, struct claim *claim, const struct sdb_stream_id *id)
{
    struct stream_record was;
    struct tree_place place;
    int error = stream_pending_find(stream, claim->group.group, id, &was);

    if (error && error != SDB_ENOTFOUND)
        return error;
    if (error)
        was.tag = (enum stream_tag)0;
    error = stream_find(stream, id, &place);
    if (error == SDB_ENOTFOUND)
        return was.tag ? stream_pending_take(stream, &was) : SDB_OK;
    if (error || (!was.tag && !(claim->flags & SDB_STREAM_FORCE)) || (was.tag && !is_idle(claim, &was)))
        return error;
    return take_over(stream, claim, &place, id, &was);
}

static int change_claim(struct collection *stream, void *context)
{
    struct claim_ids *ids = context;
    const struct sdb_stream_claim *what = ids->what;
    struct claim *claim = &ids->claim;
    int error = begin(stream, claim, what->now_ms);

    claim->delivered_ms = claim->flags & SDB_STREAM_SET_DELIVERED ? what->delivered_ms : claim->now;
    if (!error && sdb_stream_id_compare(&what->last_id, &claim->group.id) > 0) {
        claim->group.id = what->last_id;
        error = stream_record_put(stream, &claim->group);
    }
    for (size_t i = 0; i < what->count && !error; i++)
        error = claim_one(stream, claim, &what->ids[i]);
    return error;
}

int sdb_stream_claim(struct sdb_session *session, const void *key, size_t key_size, const struct sdb_stream_claim *what,
                     int *consumer_created, sdb_stream_fn *visit, void *context)
{
    struct claim_ids ids = {.what = what,
                            .claim = {.group_name = what->group,
                                      .consumer_name = what->consumer,
                                      .min_idle_ms = what->min_idle_ms,
                                      .flags = what->flags,
                                      .deliveries = what->deliveries}};
    int error = what->consumer.size > SDB_ELEMENT_SIZE_MAX
                    ? SDB_ETOOBIG
                    : collection_change(session, key, key_size, SDB_TYPE_STREAM, change_claim, &ids);

    if (!error && consumer_created)
        *consumer_created = ids.claim.consumer_created;
    if (!error)
        stream_copies_show(&ids.claim.copies, visit, context);
    stream_copies_free(&ids.claim.copies);
    return error;
}

/* ---- from an id on ---- */

struct claim_all {
    const struct sdb_stream_autoclaim *what;
    struct claim claim;
    struct sdb_stream_id next;
};

/* One that is pending. *left: how many more are claimed or found to be gone. */
static int claim_next(struct collection *stream, struct claim *claim, const struct stream_record *was, uint64_t *left)
{
    struct tree_place place;
    int error = stream_find(stream, &was->id, &place);

    if (error == SDB_ENOTFOUND) {
        --*left;
        error = stream_pending_take(stream, was);
        return error ? error : stream_copies_add_id(&claim->gone, &was->id);
    }
    if (error || !is_idle(claim, was))
        return error;
    --*left;
    return take_over(stream, claim, &place, &was->id, was);
}

static int change_autoclaim(struct collection *stream, void *context)
{
    struct claim_all *all = context;
    struct claim *claim = &all->claim;
    struct stream_record from = {.tag = STREAM_TAG_PENDING, .id = all->what->start}, was;
    struct stream_prefix prefix;
    struct tree_place place;
    uint64_t left = all->what->count, tries = left > UINT64_MAX / LOOKED_AT_FOR_ONE ? UINT64_MAX : left * LOOKED_AT_FOR_ONE;
    int error = begin(stream, claim, all->what->now_ms);

    if (error)
        return error;
    claim->delivered_ms = claim->now;
    from.group = claim->group.group;
    stream_prefix_of(&prefix, STREAM_TAG_PENDING, from.group, NULL);
    /* Records move when they change: each is looked for. */
    while (!(error = stream_records_first(stream, &from, &prefix, &place, &was))) {
        from.id = was.id;
        if (left == 0 || tries-- == 0)
            break;
        error = claim_next(stream, claim, &was, &left);
        if (error)
            return error;
        if (!sdb_stream_id_next(&from.id)) {
            error = SDB_ENOTFOUND;
            break;
        }
    }
    all->next = error ? (struct sdb_stream_id){0, 0} : from.id;
    return error == SDB_ENOTFOUND ? SDB_OK : error;
}

int sdb_stream_autoclaim(struct sdb_session *session, const void *key, size_t key_size, const struct sdb_stream_autoclaim *what,
                         struct sdb_stream_autoclaimed *done, sdb_stream_fn *visit, sdb_stream_fn *gone, void *context)
{
    struct claim_all all = {.what = what,
                            .claim = {.group_name = what->group,
                                      .consumer_name = what->consumer,
                                      .min_idle_ms = what->min_idle_ms,
                                      .flags = what->flags & SDB_STREAM_JUST_ID}};
    int error = what->consumer.size > SDB_ELEMENT_SIZE_MAX
                    ? SDB_ETOOBIG
                    : collection_change(session, key, key_size, SDB_TYPE_STREAM, change_autoclaim, &all);

    if (!error && done)
        *done = (struct sdb_stream_autoclaimed){all.next, all.claim.consumer_created};
    if (!error) {
        stream_copies_show(&all.claim.copies, visit, context);
        stream_copies_show(&all.claim.gone, gone, context);
    }
    stream_copies_free(&all.claim.copies);
    stream_copies_free(&all.claim.gone);
    return error;
}
