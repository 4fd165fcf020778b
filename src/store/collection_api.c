/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * collection_api.c - the public functions for collections of any type
 * Media:   through collections
 * Threads: the session's
 * Memory:  a bit for each element, while several different ones are chosen at random
 */
#include <math.h>
#include <stdlib.h>

#include "collection.h"
#include "random.h"

int collection_show(void *context, const struct collection_element *element)
{
    struct collection_shown *shown = context;
    const struct sdb_element out = {element->name, element->value, shown->scores ? collection_score(element->score) : 0};

    shown->result = shown->visit(shown->context, &out);
    return shown->result ? SDB_ECONDITION : 0; /* which is nobody's error here: it ends the walk */
}

static bool has_elements(uint32_t type)
{
    return type >= SDB_TYPE_LIST && type <= SDB_TYPE_ZSET;
}

static struct collection_shown shown_to(uint32_t type, sdb_element_fn *visit, void *context)
{
    return (struct collection_shown){visit, context, type == SDB_TYPE_ZSET, 0};
}

static int stopped(int error)
{
    return error == SDB_ECONDITION ? SDB_OK : error;
}

/* -- counting -- */

static int look_count(struct collection *collection, void *context)
{
    *(uint64_t *)context = collection->count;
    return SDB_OK;
}

int sdb_collection_count(struct sdb_session *session, const void *key, size_t key_size, uint32_t type, uint64_t *count)
{
    return has_elements(type) ? collection_look(session, key, key_size, type, look_count, count) : SDB_EINVAL;
}

/* -- all -- */

static int look_each(struct collection *collection, void *context)
{
    return stopped(collection_each(collection, 0, UINT64_MAX, false, collection_show, context));
}

int sdb_collection_each(struct sdb_session *session, const void *key, size_t key_size, uint32_t type, sdb_element_fn *visit,
                        void *context)
{
    struct collection_shown shown = shown_to(type, visit, context);

    return has_elements(type) ? collection_look(session, key, key_size, type, look_each, &shown) : SDB_EINVAL;
}

/* -- by cursor -- */

struct scan {
    struct collection_shown shown;
    uint64_t cursor, effort;
};

static int look_scan(struct collection *collection, void *context)
{
    struct scan *scan = context;

    return stopped(collection_scan(collection, &scan->cursor, scan->effort, collection_show, &scan->shown));
}

int sdb_collection_scan(struct sdb_session *session, const void *key, size_t key_size, uint32_t type, uint64_t *cursor,
                        size_t effort, sdb_element_fn *visit, void *context)
{
    struct scan scan = {shown_to(type, visit, context), *cursor, effort};
    int error = has_elements(type) && type != SDB_TYPE_LIST ? collection_look(session, key, key_size, type, look_scan, &scan)
                                                            : SDB_EINVAL;

    if (!error)
        *cursor = scan.cursor;
    return error;
}

/* -- at random -- */

struct random {
    struct collection_shown shown;
    int64_t count;
};

static int show_rank(struct collection *collection, struct collection_shown *shown, uint64_t rank)
{
    struct collection_element element;
    struct collection_place place;
    int error = collection_at(collection, rank, &place);

    if (!error)
        error = collection_read(collection, &place, &element);
    return error ? error : collection_show(shown, &element);
}

static int show_any(struct collection *collection, struct random *random)
{
    int error = SDB_OK;

    for (int64_t i = random->count; i < 0 && !error; i++)
        error = show_rank(collection, &random->shown, random_below(collection->count));
    return error;
}

/* Floyd's way: each set of so many ranks is as likely as any other, and each rank takes one random number. */
static int show_different(struct collection *collection, struct random *random)
{
    const uint64_t count = collection->count, wanted = (uint64_t)random->count;
    uint8_t *taken = calloc(1, (size_t)(count / 8 + 1));
    int error = taken ? SDB_OK : SDB_ENOMEM;

    for (uint64_t i = count - wanted; i < count && !error; i++) {
        uint64_t rank = random_below(i + 1);

        if (taken[rank / 8] >> rank % 8 & 1)
            rank = i;
        taken[rank / 8] |= (uint8_t)(1u << rank % 8);
        error = show_rank(collection, &random->shown, rank);
    }
    free(taken);
    return error;
}

static int look_random(struct collection *collection, void *context)
{
    struct random *random = context;

    if (random->count < 0)
        return stopped(show_any(collection, random));
    if ((uint64_t)random->count >= collection->count)
        return look_each(collection, &random->shown);
    return stopped(show_different(collection, random));
}

int sdb_collection_random(struct sdb_session *session, const void *key, size_t key_size, uint32_t type, int64_t count,
                          sdb_element_fn *visit, void *context)
{
    struct random random = {shown_to(type, visit, context), count};

    return has_elements(type) ? collection_look(session, key, key_size, type, look_random, &random) : SDB_EINVAL;
}

/* -- adding -- */

static int add(struct collection *collection, const struct sdb_element *element, bool *added)
{
    const struct collection_element mine = {.name = element->name,
                                            .value = element->value,
                                            .score = collection_score_word(element->score)};

    *added = true;
    return collection->type == SDB_TYPE_LIST ? collection_insert(collection, collection->count, &element->name)
                                             : collection_put(collection, &mine, added);
}

static int change_add(struct collection *collection, void *context)
{
    bool added;

    return add(collection, context, &added);
}

int sdb_collection_add(struct sdb_session *session, const void *key, size_t key_size, uint32_t type, const struct sdb_element *element)
{
    struct sdb_element copy = *element;

    if (!has_elements(type) || isnan(element->score))
        return SDB_EINVAL;
    return collection_change(session, key, key_size, type, change_add, &copy);
}

struct sdb_filling {
    struct collection *collection;
};

struct fill {
    sdb_fill_fn *fill;
    void *context;
};

int sdb_collection_fill(struct sdb_filling *filling, const struct sdb_element *element, int *added)
{
    bool is_new;
    int error = isnan(element->score) ? SDB_EINVAL : add(filling->collection, element, &is_new);

    if (!error)
        *added = is_new;
    return error;
}

static int change_fill(struct collection *collection, void *context)
{
    const struct fill *fill = context;
    struct sdb_filling filling = {collection};

    return fill->fill(fill->context, &filling);
}

int sdb_collection_store(struct sdb_session *session, const void *key, size_t key_size, uint32_t type, sdb_fill_fn *fill, void *context)
{
    struct fill filled = {fill, context};

    return has_elements(type) ? collection_store(session, key, key_size, type, change_fill, &filled) : SDB_EINVAL;
}
