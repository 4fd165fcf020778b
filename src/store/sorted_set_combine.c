/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sorted_set_combine.c - unions, intersections and differences of sorted sets, and of sets
 * Media:   through collections
 * Commit:  one for each call, or the group's or transaction's
 * Holds:   inputs of unions and intersections are gone through from the smallest to the largest: scores are added in that order
 * Threads: the session's
 * Memory:  the combination, while it is made (ranked.h); nothing of inputs that are only asked for members
 */
#include <math.h>
#include <stdlib.h>

#include "collection.h"
#include "ranked.h"
#include "superdb/sorted_set.h"

struct input {
    const struct sdb_slice *key;
    double weight;
    uint64_t count;
    size_t order; /* as named */
};

struct combining {
    const struct sdb_zset_combination *what;
    const struct sdb_slice *to; /* where it is stored; NULL: nowhere */
    struct input *inputs;
    const struct input *input; /* the one under way */
    struct ranked members;
};

/* -- inputs -- */

/* A sorted set or a set. Where there is neither: nothing to look at. */
static int look_input(struct sdb_session *session, const struct input *input, collection_fn *look, void *context)
{
    int error = collection_look(session, input->key->data, input->key->size, SDB_TYPE_ZSET, look, context);

    if (error == SDB_ETYPE)
        error = collection_look(session, input->key->data, input->key->size, SDB_TYPE_SET, look, context);
    return error == SDB_ENOTFOUND ? SDB_OK : error;
}

static double score_of(const struct collection *collection, const struct collection_element *element)
{
    return collection->kind == TREE_SCORES ? collection_score(element->score) : 1;
}

static int look_count(struct collection *collection, void *context)
{
    *(uint64_t *)context = collection->count;
    return SDB_OK;
}

static int compare_inputs(const void *a, const void *b)
{
    const struct input *x = a, *y = b;

    if (x->count != y->count)
        return x->count < y->count ? -1 : 1;
    return x->order < y->order ? -1 : x->order > y->order;
}

static int prepare_inputs(struct sdb_session *session, struct combining *combining)
{
    const struct sdb_zset_combination *what = combining->what;
    int error = SDB_OK;

    for (size_t i = 0; i < what->count && !error; i++) {
        combining->inputs[i] = (struct input){&what->keys[i], what->weights ? what->weights[i] : 1, 0, i};
        error = look_input(session, &combining->inputs[i], look_count, &combining->inputs[i].count);
    }
    if (!error && what->operation != SDB_ZSET_DIFFERENCE)
        qsort(combining->inputs, what->count, sizeof(*combining->inputs), compare_inputs);
    return error;
}

/* -- scores -- */

static double first_score(const struct combining *combining, double score)
{
    if (combining->what->operation == SDB_ZSET_DIFFERENCE)
        return score;
    score *= combining->input->weight;
    return isnan(score) ? 0 : score;
}

/* Another input's score of a member that is there. What is infinitely more and infinitely less is 0. */
static void aggregate(const struct combining *combining, double *score, double other)
{
    switch (combining->what->aggregate) {
    case SDB_ZSET_SUM:
        *score += other;
        if (isnan(*score))
            *score = 0;
        return;
    case SDB_ZSET_MIN:
        if (other < *score)
            *score = other;
        return;
    case SDB_ZSET_MAX:
        if (other > *score)
            *score = other;
        return;
    }
}

/* -- the three operations -- */

struct visiting {
    struct combining *combining;
    const struct collection *collection;
};

static int visit_first(void *context, const struct collection_element *element)
{
    const struct visiting *visiting = context;

    return ranked_add(&visiting->combining->members, &element->name,
                       first_score(visiting->combining, score_of(visiting->collection, element)));
}

static int visit_union(void *context, const struct collection_element *element)
{
    const struct visiting *visiting = context;
    struct ranked *members = &visiting->combining->members;
    const double score = first_score(visiting->combining, score_of(visiting->collection, element));
    struct ranked_item *item;
    int error = ranked_find(members, &element->name, &item);

    if (error)
        return error;
    if (!item)
        return ranked_add(members, &element->name, score);
    aggregate(visiting->combining, &item->score, score);
    return SDB_OK;
}

static int visit_difference(void *context, const struct collection_element *element)
{
    struct ranked *members = &((const struct visiting *)context)->combining->members;
    struct ranked_item *item;
    int error = ranked_find(members, &element->name, &item);

    if (!error && item)
        ranked_cross_out(members, item);
    return error;
}

static int look_all(struct collection *collection, struct combining *combining, collection_visit *visit)
{
    struct visiting visiting = {combining, collection};

    return collection_each(collection, 0, UINT64_MAX, false, visit, &visiting);
}

static int look_first(struct collection *collection, void *context)
{
    return look_all(collection, context, visit_first);
}

static int look_union(struct collection *collection, void *context)
{
    return look_all(collection, context, visit_union);
}

/* Asks the collection for each member: of an intersection those stay that are in it, of a difference the others. */
static int look_members(struct collection *collection, void *context)
{
    struct combining *combining = context;
    const bool difference = combining->what->operation == SDB_ZSET_DIFFERENCE;
    struct ranked *members = &combining->members;
    struct collection_element element = {0};
    struct collection_place place;
    int error = SDB_OK;

    for (size_t i = 0; i < members->used && !error; i++) {
        struct ranked_item *item = &members->items[i];
        const struct sdb_slice name = ranked_name(members, item);

        if (item->gone)
            continue;
        error = collection_find(collection, name.data, name.size, &place);
        if (!error && !difference) {
            error = collection_read(collection, &place, &element);
            if (!error)
                aggregate(combining, &item->score, score_of(collection, &element) * combining->input->weight);
        } else if (difference ? !error : error == SDB_ENOTFOUND) {
            ranked_cross_out(members, item);
        }
        error = error == SDB_ENOTFOUND ? SDB_OK : error;
    }
    return error;
}

static int look_difference(struct collection *collection, void *context)
{
    struct combining *combining = context;

    return collection->count < combining->members.count ? look_all(collection, combining, visit_difference)
                                                        : look_members(collection, context);
}

static int combine_inputs(struct sdb_session *session, struct combining *combining)
{
    const enum sdb_zset_operation operation = combining->what->operation;
    collection_fn *const next = operation == SDB_ZSET_UNION          ? look_union
                                : operation == SDB_ZSET_INTERSECTION ? look_members
                                                                     : look_difference;
    int error = SDB_OK;

    for (size_t i = 0; i < combining->what->count && !error; i++) {
        combining->input = &combining->inputs[i];
        if (i > 0 && operation != SDB_ZSET_UNION && combining->members.count == 0)
            break;
        if (combining->input->count == 0 && operation == SDB_ZSET_INTERSECTION)
            break; /* the smallest is nothing, and first */
        error = look_input(session, combining->input, i == 0 ? look_first : next, combining);
    }
    return error;
}

/* -- doing it -- */

static int change_put(struct collection *collection, void *context)
{
    return ranked_put(context, collection);
}

static int combine(struct sdb_session *session, void *context)
{
    struct combining *combining = context;
    int error;

    ranked_clear(&combining->members);
    error = prepare_inputs(session, combining);
    if (!error)
        error = combine_inputs(session, combining);
    if (!error && combining->to) {
        ranked_sort(&combining->members);
        error = collection_store(session, combining->to->data, combining->to->size, SDB_TYPE_ZSET, change_put, &combining->members);
    }
    return error;
}

/* Combines, and stores it where `to` says. The caller owes ranked_free. */
static int run(struct sdb_session *session, struct combining *combining)
{
    const struct sdb_zset_combination *what = combining->what;
    struct sdb_slice *keys;
    int error = SDB_ENOMEM;

    if (what->count == 0 || (unsigned)what->operation > SDB_ZSET_DIFFERENCE || (unsigned)what->aggregate > SDB_ZSET_MAX)
        return SDB_EINVAL;
    for (size_t i = 0; i < what->count && what->weights; i++)
        if (isnan(what->weights[i]))
            return SDB_EINVAL;
    keys = calloc(what->count + 1, sizeof(*keys));
    combining->inputs = calloc(what->count, sizeof(*combining->inputs));
    if (keys && combining->inputs) {
        for (size_t i = 0; i < what->count; i++)
            keys[i] = what->keys[i];
        if (combining->to)
            keys[what->count] = *combining->to;
        error = collection_together(session, keys, what->count + (combining->to != NULL), combine, combining);
    }
    free(combining->inputs);
    free(keys);
    return error;
}

int sdb_zset_combine(struct sdb_session *session, const struct sdb_zset_combination *combination, sdb_element_fn *visit, void *context)
{
    struct combining combining = {.what = combination, .members = RANKED_INIT};
    int error = run(session, &combining);

    if (!error) {
        ranked_sort(&combining.members);
        ranked_show(&combining.members, visit, context);
    }
    ranked_free(&combining.members);
    return error;
}

int sdb_zset_combine_count(struct sdb_session *session, const struct sdb_zset_combination *combination, uint64_t limit,
                           uint64_t *count)
{
    struct combining combining = {.what = combination, .members = RANKED_INIT};
    int error = run(session, &combining);

    if (!error)
        *count = limit && combining.members.count > limit ? limit : combining.members.count;
    ranked_free(&combining.members);
    return error;
}

int sdb_zset_combine_store(struct sdb_session *session, const void *to, size_t to_size,
                           const struct sdb_zset_combination *combination, uint64_t *count)
{
    const struct sdb_slice key = {to, to_size};
    struct combining combining = {.what = combination, .to = &key, .members = RANKED_INIT};
    int error = run(session, &combining);

    if (!error && count)
        *count = combining.members.count;
    ranked_free(&combining.members);
    return error;
}
