/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sorted_set_range.c - ranges of sorted sets, by rank, score or member: every one becomes a range of ranks first
 * Media:   through collections
 * Commit:  one for each call, or the group's or transaction's
 * Threads: the session's
 * Memory:  a copy of what is taken out or stored elsewhere (ranked.h)
 */
#include <math.h>
#include <string.h>

#include "collection.h"
#include "ranked.h"
#include "superdb/sorted_set.h"

#define RANGE_FLAGS ((uint32_t)SDB_ZSET_REVERSE | SDB_ZSET_MIN_EXCLUDED | SDB_ZSET_MAX_EXCLUDED)

/* -- bounds -- */

/* Elements from rank low to before high, the lowest score first. */
struct span {
    uint64_t low, high;
};

/* How many elements stand before this score and member. *exactly, which may be NULL: the next one is this one. */
static int rank_before(struct collection *collection, uint64_t word, const struct sdb_slice *member, uint64_t *rank, bool *exactly)
{
    struct collection_place place;
    struct collection_element element = {0};
    int error = collection_seek(collection, word, member ? member->data : NULL, member ? member->size : 0, &place);

    if (exactly)
        *exactly = false;
    if (error == SDB_ENOTFOUND) {
        *rank = collection->count;
        return SDB_OK;
    }
    if (!error && exactly) {
        error = collection_read(collection, &place, &element);
        *exactly = !error && element.score == word && element.name.size == member->size &&
                   (member->size == 0 || memcmp(element.name.data, member->data, member->size) == 0);
    }
    return error ? error : collection_rank(collection, &place, rank);
}

static void span_of_ranks(const struct collection *collection, const struct sdb_zset_range *range, struct span *span)
{
    const int64_t count = (int64_t)collection->count;
    int64_t first = range->first < 0 ? range->first + count : range->first;
    int64_t last = range->last < 0 ? range->last + count : range->last;

    if (first < 0)
        first = 0;
    if (last >= count)
        last = count - 1;
    if (first > last)
        return;
    span->low = (uint64_t)(range->flags & SDB_ZSET_REVERSE ? count - 1 - last : first);
    span->high = span->low + (uint64_t)(last - first) + 1;
}

/* The word behind a score's is the next higher score's, and behind infinity nobody's. */
static int span_of_scores(struct collection *collection, const struct sdb_zset_range *range, struct span *span)
{
    const uint64_t min = collection_score_word(range->min) + !!(range->flags & SDB_ZSET_MIN_EXCLUDED);
    const uint64_t max = collection_score_word(range->max) + !(range->flags & SDB_ZSET_MAX_EXCLUDED);
    int error = min < max ? rank_before(collection, min, NULL, &span->low, NULL) : SDB_OK;

    if (!error && min < max)
        error = rank_before(collection, max, NULL, &span->high, NULL);
    return error;
}

/* All members' score is the first one's. */
static int span_of_members(struct collection *collection, const struct sdb_zset_range *range, struct span *span)
{
    struct collection_element element = {0};
    struct collection_place place;
    bool exactly;
    int error = collection_at(collection, 0, &place);

    if (!error)
        error = collection_read(collection, &place, &element);
    if (!error && range->min_member.data) {
        error = rank_before(collection, element.score, &range->min_member, &span->low, &exactly);
        span->low += exactly && range->flags & SDB_ZSET_MIN_EXCLUDED;
    }
    span->high = collection->count;
    if (!error && range->max_member.data) {
        error = rank_before(collection, element.score, &range->max_member, &span->high, &exactly);
        span->high += exactly && !(range->flags & SDB_ZSET_MAX_EXCLUDED);
    }
    return error;
}

static int find_span(struct collection *collection, const struct sdb_zset_range *range, struct span *span)
{
    uint64_t size;
    int error = SDB_OK;

    *span = (struct span){0, 0};
    if (collection->count == 0)
        return SDB_OK;
    if (range->by == SDB_ZSET_RANKS)
        span_of_ranks(collection, range, span);
    else if (range->by == SDB_ZSET_SCORES)
        error = span_of_scores(collection, range, span);
    else
        error = span_of_members(collection, range, span);
    if (error)
        return error;
    size = span->high > span->low ? span->high - span->low : 0;
    size -= range->offset < size ? range->offset : size;
    if (size > range->count)
        size = range->count;
    if (size == 0)
        *span = (struct span){0, 0};
    else if (range->flags & SDB_ZSET_REVERSE)
        *span = (struct span){span->high - range->offset - size, span->high - range->offset};
    else
        *span = (struct span){span->low + range->offset, span->low + range->offset + size};
    return SDB_OK;
}

static bool is_valid(const struct sdb_zset_range *range)
{
    return (unsigned)range->by <= SDB_ZSET_MEMBERS && !(range->flags & ~RANGE_FLAGS) &&
           !(range->by == SDB_ZSET_SCORES && (isnan(range->min) || isnan(range->max)));
}

static int each(struct collection *collection, const struct sdb_zset_range *range, const struct span *span, collection_visit *visit,
                void *context)
{
    const bool backwards = range->flags & SDB_ZSET_REVERSE;

    if (span->low == span->high)
        return SDB_OK;
    return collection_each(collection, backwards ? span->high - 1 : span->low, span->high - span->low, backwards, visit, context);
}

/* -- looking -- */

struct look {
    const struct sdb_zset_range *range;
    struct collection_shown shown;
    struct span span;
};

static int look_range(struct collection *collection, void *context)
{
    struct look *look = context;
    int error = find_span(collection, look->range, &look->span);

    if (!error)
        error = each(collection, look->range, &look->span, collection_show, &look->shown);
    return error == SDB_ECONDITION ? SDB_OK : error;
}

int sdb_zset_range(struct sdb_session *session, const void *key, size_t key_size, const struct sdb_zset_range *range,
                   sdb_element_fn *visit, void *context)
{
    struct look look = {range, {visit, context, true, 0}, {0, 0}};

    return is_valid(range) ? collection_look(session, key, key_size, SDB_TYPE_ZSET, look_range, &look) : SDB_EINVAL;
}

static int look_span(struct collection *collection, void *context)
{
    struct look *look = context;

    return find_span(collection, look->range, &look->span);
}

int sdb_zset_count(struct sdb_session *session, const void *key, size_t key_size, const struct sdb_zset_range *range, uint64_t *count)
{
    struct look look = {range, {NULL, NULL, true, 0}, {0, 0}};
    int error = is_valid(range) ? collection_look(session, key, key_size, SDB_TYPE_ZSET, look_span, &look) : SDB_EINVAL;

    if (!error)
        *count = look.span.high - look.span.low;
    return error;
}

/* -- taking out -- */

struct taking {
    const struct sdb_zset_range *range;
    struct ranked *members; /* NULL: nobody asks what it was */
    uint64_t count;
};

static int keep(void *context, const struct collection_element *element)
{
    return ranked_add(context, &element->name, collection_score(element->score));
}

static int change_take(struct collection *collection, void *context)
{
    struct taking *taking = context;
    struct collection_place place;
    struct span span;
    int error = collection->count ? find_span(collection, taking->range, &span) : SDB_ENOTFOUND;

    if (error)
        return error;
    taking->count = span.high - span.low;
    if (taking->members) {
        ranked_clear(taking->members);
        error = each(collection, taking->range, &span, keep, taking->members);
    }
    if (!error && taking->count == collection->count)
        return collection_clear(collection);
    for (uint64_t i = 0; i < taking->count && !error; i++) {
        error = collection_at(collection, span.low, &place);
        if (!error)
            error = collection_take(collection, &place);
    }
    return error;
}

int sdb_zset_remove_range(struct sdb_session *session, const void *key, size_t key_size, const struct sdb_zset_range *range,
                          uint64_t *removed)
{
    struct taking taking = {range, NULL, 0};
    int error = is_valid(range) ? collection_change(session, key, key_size, SDB_TYPE_ZSET, change_take, &taking) : SDB_EINVAL;

    if (!error && removed)
        *removed = taking.count;
    return error;
}

int sdb_zset_pop(struct sdb_session *session, const void *key, size_t key_size, const struct sdb_zset_range *range,
                 sdb_element_fn *visit, void *context)
{
    struct ranked members = RANKED_INIT;
    struct taking taking = {range, &members, 0};
    int error = is_valid(range) ? collection_change(session, key, key_size, SDB_TYPE_ZSET, change_take, &taking) : SDB_EINVAL;

    if (!error)
        ranked_show(&members, visit, context);
    ranked_free(&members);
    return error;
}

/* -- storing elsewhere -- */

struct storing {
    const struct sdb_slice *keys; /* to, from */
    const struct sdb_zset_range *range;
    struct ranked members;
};

static int look_keep(struct collection *collection, void *context)
{
    struct storing *storing = context;
    struct span span;
    int error = find_span(collection, storing->range, &span);

    return error ? error : each(collection, storing->range, &span, keep, &storing->members);
}

static int change_put(struct collection *collection, void *context)
{
    return ranked_put(context, collection);
}

static int store_range(struct sdb_session *session, void *context)
{
    struct storing *storing = context;
    const struct sdb_slice *to = &storing->keys[0], *from = &storing->keys[1];
    int error;

    ranked_clear(&storing->members);
    error = collection_look(session, from->data, from->size, SDB_TYPE_ZSET, look_keep, storing);
    if (error && error != SDB_ENOTFOUND)
        return error;
    return collection_store(session, to->data, to->size, SDB_TYPE_ZSET, change_put, &storing->members);
}

int sdb_zset_store_range(struct sdb_session *session, const void *to, size_t to_size, const void *key, size_t key_size,
                         const struct sdb_zset_range *range, uint64_t *count)
{
    const struct sdb_slice keys[2] = {{to, to_size}, {key, key_size}};
    struct storing storing = {keys, range, RANKED_INIT};
    int error = is_valid(range) ? collection_together(session, keys, 2, store_range, &storing) : SDB_EINVAL;

    if (!error && count)
        *count = storing.members.count;
    ranked_free(&storing.members);
    return error;
}

struct given {
    const struct sdb_member *members;
    size_t count;
};

static int change_given(struct collection *collection, void *context)
{
    const struct given *given = context;
    int error = SDB_OK;

    for (size_t i = 0; i < given->count && !error; i++) {
        const struct sdb_member *member = &given->members[i];

        error = collection_put(
            collection, &(struct collection_element){.name = member->name, .score = collection_score_word(member->score)}, NULL);
    }
    return error;
}

int sdb_zset_store(struct sdb_session *session, const void *key, size_t key_size, const struct sdb_member *members, size_t count)
{
    struct given given = {members, count};

    for (size_t i = 0; i < count; i++)
        if (isnan(members[i].score))
            return SDB_EINVAL;
    return collection_store(session, key, key_size, SDB_TYPE_ZSET, change_given, &given);
}
