/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * set.c - sets
 * Media:   through collections: the member's tree, or packed: integers in their order, anything else in the order in which it came
 * Commit:  one for each call, or the group's or transaction's
 * Threads: the session's
 * Memory:  what is popped, until it was shown
 */
#include "superdb/set.h"

#include <string.h>

#include "collection.h"
#include "members.h"
#include "random.h"

/* -- adding, taking away -- */

struct change {
    const struct sdb_slice *members;
    size_t count, changed;
};

static int change_add(struct collection *collection, void *context)
{
    struct change *change = context;
    int error = SDB_OK;

    change->changed = 0;
    for (size_t i = 0; i < change->count && !error; i++) {
        bool added = false;

        error = collection_put(collection, &(struct collection_element){.name = change->members[i]}, &added);
        change->changed += added;
    }
    return error;
}

int sdb_members_add(struct sdb_session *session, const void *key, size_t key_size, const struct sdb_slice *members, size_t count,
                    size_t *added)
{
    struct change change = {members, count, 0};
    int error = collection_change(session, key, key_size, SDB_TYPE_SET, change_add, &change);

    if (!error && added)
        *added = change.changed;
    return error;
}

static int change_remove(struct collection *collection, void *context)
{
    struct change *change = context;
    struct collection_place place;
    int error = collection->count ? SDB_OK : SDB_ENOTFOUND;

    change->changed = 0;
    for (size_t i = 0; i < change->count && !error && collection->count; i++) {
        error = collection_find(collection, change->members[i].data, change->members[i].size, &place);
        if (!error) {
            error = collection_take(collection, &place);
            change->changed++;
        } else if (error == SDB_ENOTFOUND) {
            error = SDB_OK;
        }
    }
    return error;
}

int sdb_members_remove(struct sdb_session *session, const void *key, size_t key_size, const struct sdb_slice *members, size_t count,
                       size_t *removed)
{
    struct change change = {members, count, 0};
    int error = collection_change(session, key, key_size, SDB_TYPE_SET, change_remove, &change);

    if (!error && removed)
        *removed = change.changed;
    return error;
}

/* -- finding -- */

struct find {
    const struct sdb_slice *members;
    size_t count;
    unsigned char *found;
};

static int look_find(struct collection *collection, void *context)
{
    const struct find *find = context;
    struct collection_place place;
    int error = SDB_OK;

    for (size_t i = 0; i < find->count && !error; i++) {
        error = collection_find(collection, find->members[i].data, find->members[i].size, &place);
        find->found[i] = error == SDB_OK;
        error = error == SDB_ENOTFOUND ? SDB_OK : error;
    }
    return error;
}

int sdb_members_find(struct sdb_session *session, const void *key, size_t key_size, const struct sdb_slice *members, size_t count,
                     unsigned char *found)
{
    struct find find = {members, count, found};
    int error = collection_look(session, key, key_size, SDB_TYPE_SET, look_find, &find);

    if (error != SDB_ENOTFOUND)
        return error;
    if (count)
        memset(found, 0, count);
    return SDB_OK;
}

/* -- popping -- */

struct pop {
    uint64_t count;
    struct members out;
};

static int copy_member(void *context, const struct collection_element *element)
{
    return members_append(context, &element->name);
}

static int take_any(struct collection *collection, struct members *out)
{
    struct collection_place place;
    struct collection_element element;
    int error = collection_at(collection, random_below(collection->count), &place);

    if (!error)
        error = collection_read(collection, &place, &element);
    if (!error)
        error = members_append(out, &element.name);
    return error ? error : collection_take(collection, &place);
}

static int change_pop(struct collection *collection, void *context)
{
    struct pop *pop = context;
    int error = collection->count ? SDB_OK : SDB_ENOTFOUND;

    members_clear(&pop->out);
    if (!error && pop->count >= collection->count) {
        error = collection_each(collection, 0, UINT64_MAX, false, copy_member, &pop->out);
        return error ? error : collection_clear(collection);
    }
    for (uint64_t i = 0; i < pop->count && !error; i++)
        error = take_any(collection, &pop->out);
    return error;
}

int sdb_members_pop(struct sdb_session *session, const void *key, size_t key_size, uint64_t count, sdb_element_fn *visit, void *context)
{
    struct pop pop = {.count = count};
    int error = collection_change(session, key, key_size, SDB_TYPE_SET, change_pop, &pop);

    if (!error)
        members_show(&pop.out, 0, visit, context);
    members_free(&pop.out);
    return error;
}

/* -- moving -- */

struct move {
    const struct sdb_slice *source, *destination;
    struct sdb_slice member;
};

static int look_nothing(struct collection *collection, void *context)
{
    (void)collection;
    (void)context;
    return SDB_OK;
}

/* Both are looked at before one of them changes, so that what is in the way is met while nothing has happened. */
static int run_move(struct sdb_session *session, void *context)
{
    const struct move *move = context;
    const struct sdb_slice *from = move->source, *to = move->destination;
    unsigned char found = 0;
    struct find find = {&move->member, 1, &found};
    struct change change = {&move->member, 1, 0};
    int error = collection_look(session, from->data, from->size, SDB_TYPE_SET, look_find, &find);

    if (error)
        return error;
    error = collection_look(session, to->data, to->size, SDB_TYPE_SET, look_nothing, NULL);
    if (error && error != SDB_ENOTFOUND)
        return error;
    if (!found)
        return SDB_ENOTFOUND;
    if (from->size == to->size && (!from->size || memcmp(from->data, to->data, from->size) == 0))
        return SDB_OK;
    error = collection_change(session, from->data, from->size, SDB_TYPE_SET, change_remove, &change);
    return error ? error : collection_change(session, to->data, to->size, SDB_TYPE_SET, change_add, &change);
}

int sdb_members_move(struct sdb_session *session, const struct sdb_slice *source, const struct sdb_slice *destination,
                     const void *member, size_t member_size)
{
    const struct sdb_slice keys[] = {*source, *destination};
    struct move move = {source, destination, {member, member_size}};

    return collection_together(session, keys, 2, run_move, &move);
}
