/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * set_combine.c - what comes of several sets: union, intersection, difference
 *
 * Under the locks of all keys: counts them, and collects what comes of them in DRAM, so that a destination may be one of the sources.
 * Members are looked up in other sets some thousands at a time, each set being opened once for all of them.
 *
 * Media:   through collections
 * Commit:  one for storing; none for showing
 * Threads: the session's
 * Memory:  the result; some thousands of members on the way
 */
#include <stdlib.h>
#include <string.h>

#include "collection.h"
#include "members.h"

#define CHUNK_MEMBERS 4096u
#define CHUNK_BYTES 1048576u
#define TABLE_FROM 8u /* so many members, looked up in a packed set, are worth a table of it */

/* A source, and how many members it has. */
struct source {
    const struct sdb_slice *key;
    uint64_t count;
};

struct combination {
    enum sdb_combination how;
    const struct sdb_slice *keys;
    size_t count;
    uint64_t limit; /* members of the result that are wanted; UINT64_MAX: all */
    const struct sdb_slice *destination; /* NULL: it is not stored */
    struct source *sources;
    struct members result;
};

/* -- opening sources -- */

static int look_count(struct collection *collection, void *context)
{
    *(uint64_t *)context = collection->count;
    return SDB_OK;
}

static int look_at(struct sdb_session *session, const struct source *source, collection_fn *look, void *context)
{
    return collection_look(session, source->key->data, source->key->size, SDB_TYPE_SET, look, context);
}

static int count_sources(struct sdb_session *session, struct combination *c)
{
    for (size_t i = 0; i < c->count; i++) {
        int error;

        c->sources[i] = (struct source){&c->keys[i], 0};
        error = look_at(session, &c->sources[i], look_count, &c->sources[i].count);
        if (error && error != SDB_ENOTFOUND)
            return error;
    }
    return SDB_OK;
}

static int by_count(const void *a, const void *b)
{
    const struct source *left = a, *right = b;

    return (left->count > right->count) - (left->count < right->count);
}

static int by_count_down(const void *a, const void *b)
{
    return by_count(b, a);
}

/* -- some thousands of the first set's members, and which of them are in another one -- */

struct chunk {
    uint64_t from; /* rank in the first set */
    struct members members;
    bool kept; /* members that are in the other set stay, or go */
};

static int copy_member(void *context, const struct collection_element *element)
{
    struct members *members = context;
    int error = members_append(members, &element->name);

    return error || members->size < CHUNK_BYTES ? error : SDB_ECONDITION; /* which is nobody's error here: it ends the walk */
}

static int look_chunk(struct collection *collection, void *context)
{
    struct chunk *chunk = context;
    int error;

    members_clear(&chunk->members);
    error = collection_each(collection, chunk->from, CHUNK_MEMBERS, false, copy_member, &chunk->members);
    chunk->from += chunk->members.count;
    return error == SDB_ECONDITION ? SDB_OK : error;
}

static int insert_member(void *context, const struct collection_element *element)
{
    return members_insert(context, &element->name);
}

/* Looking up in a packed set goes from member to member: with many to look up, a table of it is shorter. */
static int filter_by_table(struct collection *collection, struct chunk *chunk)
{
    struct members *members = &chunk->members, table = {0};
    int error = collection_each(collection, 0, UINT64_MAX, false, insert_member, &table);

    for (size_t i = 0; i < members->count && !error; i++) {
        if (!members_has(members, i))
            continue;
        const struct sdb_slice name = members_at(members, i);
        if (members_contain(&table, &name) != chunk->kept)
            members_drop(members, i);
    }
    members_free(&table);
    return error;
}

static int look_filter(struct collection *collection, void *context)
{
    struct chunk *chunk = context;
    struct members *members = &chunk->members;
    struct collection_place place;
    int error = SDB_OK;

    if (!collection->in_tree && members->left >= TABLE_FROM)
        return filter_by_table(collection, chunk);
    for (size_t i = 0; i < members->count && !error; i++) {
        if (!members_has(members, i))
            continue;
        error = collection_find(collection, members_at(members, i).data, members->items[i].size, &place);
        if (error != (chunk->kept ? SDB_OK : SDB_ENOTFOUND))
            members_drop(members, i);
        error = error == SDB_ENOTFOUND ? SDB_OK : error;
    }
    return error;
}

static int take_over(const struct members *members, struct combination *c)
{
    int error = SDB_OK;

    for (size_t i = 0; i < members->count && !error && c->result.count < c->limit; i++) {
        if (!members_has(members, i))
            continue;
        const struct sdb_slice name = members_at(members, i);
        error = members_append(&c->result, &name);
    }
    return error;
}

/* The first source's members that are in all others, or in none of them. */
static int filter(struct sdb_session *session, struct combination *c, bool kept)
{
    struct chunk chunk = {.kept = kept};
    int error = SDB_OK;

    while (!error && chunk.from < c->sources[0].count && c->result.count < c->limit) {
        error = look_at(session, &c->sources[0], look_chunk, &chunk);
        for (size_t i = 1; i < c->count && !error && chunk.members.left; i++)
            if (c->sources[i].count)
                error = look_at(session, &c->sources[i], look_filter, &chunk);
        if (!error)
            error = take_over(&chunk.members, c);
    }
    members_free(&chunk.members);
    return error;
}

/* -- the three of them -- */

static int look_insert(struct collection *collection, void *context)
{
    return collection_each(collection, 0, UINT64_MAX, false, insert_member, context);
}

static int remove_member(void *context, const struct collection_element *element)
{
    members_remove(context, &element->name);
    return SDB_OK;
}

static int look_remove(struct collection *collection, void *context)
{
    return collection_each(collection, 0, UINT64_MAX, false, remove_member, context);
}

static int unite(struct sdb_session *session, struct combination *c)
{
    int error = SDB_OK;

    for (size_t i = 0; i < c->count && !error; i++)
        if (c->sources[i].count)
            error = look_at(session, &c->sources[i], look_insert, &c->result);
    return error;
}

static int intersect(struct sdb_session *session, struct combination *c)
{
    qsort(c->sources, c->count, sizeof(*c->sources), by_count);
    return filter(session, c, true);
}

/* Looks the first one's members up in the others, or takes the others' members from it, whichever are fewer. */
static int subtract(struct sdb_session *session, struct combination *c)
{
    uint64_t looked_up = 0, all = 0;
    int error = SDB_OK;

    for (size_t i = 0; i < c->count; i++) {
        looked_up += i && c->sources[i].count ? c->sources[0].count : 0;
        all += c->sources[i].count;
    }
    if (looked_up / 2 <= all) {
        qsort(c->sources + 1, c->count - 1, sizeof(*c->sources), by_count_down);
        return filter(session, c, false);
    }
    error = look_at(session, &c->sources[0], look_insert, &c->result);
    for (size_t i = 1; i < c->count && !error && c->result.left; i++)
        if (c->sources[i].count)
            error = look_at(session, &c->sources[i], look_remove, &c->result);
    return error;
}

static int change_store(struct collection *collection, void *context)
{
    const struct members *result = context;
    int error = SDB_OK;

    for (size_t i = 0; i < result->count && !error; i++)
        if (members_has(result, i))
            error = collection_put(collection, &(struct collection_element){.name = members_at(result, i)}, NULL);
    return error;
}

static int run(struct sdb_session *session, void *context)
{
    struct combination *c = context;
    int error = count_sources(session, c);

    members_free(&c->result);
    if (!error && c->how == SDB_UNION)
        error = unite(session, c);
    else if (!error && c->how == SDB_INTERSECTION)
        error = intersect(session, c);
    else if (!error)
        error = subtract(session, c);
    if (error || !c->destination)
        return error;
    return collection_store(session, c->destination->data, c->destination->size, SDB_TYPE_SET, change_store, &c->result);
}

/* Locks the keys and the destination. keys: with the destination behind them. */
static int combine(struct sdb_session *session, struct combination *c, const struct sdb_slice *keys, size_t count)
{
    int error;

    c->sources = calloc(c->count, sizeof(*c->sources));
    if (!c->sources)
        return SDB_ENOMEM;
    members_init(&c->result, session->pool->file.superblock.hash_seed);
    error = collection_together(session, keys, count, run, c);
    free(c->sources);
    return error;
}

int sdb_members_combine(struct sdb_session *session, enum sdb_combination how, const struct sdb_slice *keys, size_t count,
                        uint64_t limit, sdb_element_fn *visit, void *context)
{
    struct combination c = {.how = how, .keys = keys, .count = count, .limit = limit ? limit : UINT64_MAX};
    int error = count && how <= SDB_DIFFERENCE ? combine(session, &c, keys, count) : SDB_EINVAL;

    if (!error)
        members_show(&c.result, limit, visit, context);
    members_free(&c.result);
    return error;
}

int sdb_members_store(struct sdb_session *session, enum sdb_combination how, const struct sdb_slice *destination,
                      const struct sdb_slice *keys, size_t count, uint64_t *stored)
{
    struct combination c = {.how = how, .keys = keys, .count = count, .limit = UINT64_MAX, .destination = destination};
    struct sdb_slice *all;
    int error;

    if (!count || how > SDB_DIFFERENCE)
        return SDB_EINVAL;
    all = malloc((count + 1) * sizeof(*all));
    if (!all)
        return SDB_ENOMEM;
    memcpy(all, keys, count * sizeof(*all));
    all[count] = *destination;
    error = combine(session, &c, all, count + 1);
    if (!error && stored)
        *stored = c.result.left;
    members_free(&c.result);
    free(all);
    return error;
}
