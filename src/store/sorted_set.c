/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sorted_set.c - sorted sets by member: scores, ranks
 * Media:   through collections: a tree by score and one by member, or packed by score
 * Commit:  one for each call, or the group's or transaction's
 * Threads: the session's
 * Memory:  none
 */
#include "superdb/sorted_set.h"

#include <math.h>

#include "collection.h"

#define ADD_FLAGS ((uint32_t)SDB_IF_ABSENT | SDB_IF_PRESENT | SDB_IF_GREATER | SDB_IF_LESS)

/* -- storing -- */

static bool flags_are_valid(uint32_t flags)
{
    const uint32_t others = flags & ~(uint32_t)SDB_IF_ABSENT;

    return (flags & ~ADD_FLAGS) == 0 && !(flags & SDB_IF_ABSENT && others) && !(flags & SDB_IF_GREATER && flags & SDB_IF_LESS);
}

/* The member's score. Errors: SDB_ENOTFOUND. */
static int find_score(struct collection *collection, const struct sdb_slice *member, double *score)
{
    uint64_t word;
    int error = collection_find_score(collection, member->data, member->size, &word);

    if (!error)
        *score = collection_score(word);
    return error;
}

/* Whether a member with this score, or none, may get the other. */
static bool is_allowed(uint32_t flags, bool exists, double old, double score)
{
    if (!exists)
        return !(flags & SDB_IF_PRESENT);
    return !(flags & SDB_IF_ABSENT) && !(flags & SDB_IF_GREATER && score <= old) && !(flags & SDB_IF_LESS && score >= old);
}

struct add {
    const struct sdb_member *members;
    size_t count, added, changed;
    uint32_t flags;
    bool telling; /* how many have changed */
};

static int add_one(struct collection *collection, struct add *add, const struct sdb_member *member)
{
    const struct collection_element element = {.name = member->name, .score = collection_score_word(member->score)};
    bool added = false;
    double old = 0;
    int error;

    if (add->flags || add->telling) {
        error = find_score(collection, &member->name, &old);
        if (error && error != SDB_ENOTFOUND)
            return error;
        if (!is_allowed(add->flags, !error, old, member->score))
            return SDB_OK;
        add->changed += !error && old != member->score;
    }
    error = collection_put(collection, &element, &added);
    add->added += added;
    return error;
}

static int change_add(struct collection *collection, void *context)
{
    struct add *add = context;
    int error = SDB_OK;

    add->added = 0;
    add->changed = 0;
    for (size_t i = 0; i < add->count && !error; i++)
        error = add_one(collection, add, &add->members[i]);
    return error;
}

int sdb_zset_add(struct sdb_session *session, const void *key, size_t key_size, const struct sdb_member *members, size_t count,
                 uint32_t flags, size_t *added, size_t *changed)
{
    struct add add = {members, count, 0, 0, flags, changed != NULL};
    int error = flags_are_valid(flags) ? SDB_OK : SDB_EINVAL;

    for (size_t i = 0; i < count && !error; i++)
        error = isnan(members[i].score) ? SDB_EINVAL : SDB_OK;
    if (!error)
        error = collection_change(session, key, key_size, SDB_TYPE_ZSET, change_add, &add);
    if (!error && added)
        *added = add.added;
    if (!error && changed)
        *changed = add.changed;
    return error;
}

struct increment {
    struct sdb_slice member;
    double delta, score;
    uint32_t flags;
};

static int change_increment(struct collection *collection, void *context)
{
    struct increment *increment = context;
    double old = 0;
    int error = find_score(collection, &increment->member, &old);
    const bool exists = error == SDB_OK;

    if (error && error != SDB_ENOTFOUND)
        return error;
    increment->score = old + increment->delta;
    if (!exists && increment->flags & SDB_IF_PRESENT)
        return SDB_ECONDITION;
    if (exists && increment->flags & SDB_IF_ABSENT)
        return SDB_ECONDITION;
    if (isnan(increment->score))
        return SDB_EOVERFLOW;
    if (!is_allowed(increment->flags, exists, old, increment->score))
        return SDB_ECONDITION;
    return collection_put(
        collection,
        &(struct collection_element){.name = increment->member, .score = collection_score_word(increment->score)}, NULL);
}

int sdb_zset_increment(struct sdb_session *session, const void *key, size_t key_size, const void *member, size_t member_size,
                       double delta, uint32_t flags, double *score)
{
    struct increment increment = {{member, member_size}, delta, 0, flags};
    int error = SDB_EINVAL;

    if (flags_are_valid(flags) && !isnan(delta))
        error = collection_change(session, key, key_size, SDB_TYPE_ZSET, change_increment, &increment);
    if (!error && score)
        *score = increment.score;
    return error;
}

/* -- removing -- */

struct removal {
    const struct sdb_slice *members;
    size_t count, removed;
};

static int change_remove(struct collection *collection, void *context)
{
    struct removal *removal = context;
    struct collection_place place;
    int error = collection->count ? SDB_OK : SDB_ENOTFOUND;

    removal->removed = 0;
    for (size_t i = 0; i < removal->count && !error && collection->count; i++) {
        error = collection_find(collection, removal->members[i].data, removal->members[i].size, &place);
        if (!error) {
            error = collection_take(collection, &place);
            removal->removed++;
        } else if (error == SDB_ENOTFOUND) {
            error = SDB_OK;
        }
    }
    return error;
}

int sdb_zset_remove(struct sdb_session *session, const void *key, size_t key_size, const struct sdb_slice *members, size_t count,
                    size_t *removed)
{
    struct removal removal = {members, count, 0};
    int error = collection_change(session, key, key_size, SDB_TYPE_ZSET, change_remove, &removal);

    if (!error && removed)
        *removed = removal.removed;
    return error;
}

/* -- reading -- */

struct score {
    struct sdb_slice member;
    double score;
};

static int look_score(struct collection *collection, void *context)
{
    struct score *score = context;

    return find_score(collection, &score->member, &score->score);
}

int sdb_zset_score(struct sdb_session *session, const void *key, size_t key_size, const void *member, size_t member_size, double *score)
{
    struct score wanted = {{member, member_size}, 0};
    int error = collection_look(session, key, key_size, SDB_TYPE_ZSET, look_score, &wanted);

    if (!error)
        *score = wanted.score;
    return error;
}

struct scores {
    const struct sdb_slice *members;
    size_t count;
    sdb_element_fn *visit;
    void *context;
};

static int look_scores(struct collection *collection, void *context)
{
    const struct scores *scores = context;
    int error = SDB_OK, stop = 0;

    for (size_t i = 0; i < scores->count && !error && !stop; i++) {
        struct sdb_element shown = {.name = scores->members[i], .value = {"", 0}};

        error = find_score(collection, &scores->members[i], &shown.score);
        if (error == SDB_ENOTFOUND)
            shown.name.data = NULL;
        else if (!error && shown.name.size == 0)
            shown.name.data = "";
        if (!error || error == SDB_ENOTFOUND) {
            stop = scores->visit(scores->context, &shown);
            error = SDB_OK;
        }
    }
    return error;
}

int sdb_zset_score_many(struct sdb_session *session, const void *key, size_t key_size, const struct sdb_slice *members, size_t count,
                        sdb_element_fn *visit, void *context)
{
    struct scores scores = {members, count, visit, context};
    int error = collection_look(session, key, key_size, SDB_TYPE_ZSET, look_scores, &scores), stop = 0;

    if (error != SDB_ENOTFOUND)
        return error;
    for (size_t i = 0; i < count && !stop; i++)
        stop = visit(context, &(struct sdb_element){.value = {"", 0}});
    return SDB_OK;
}

struct rank {
    struct sdb_slice member;
    uint64_t rank, count;
};

static int look_rank(struct collection *collection, void *context)
{
    struct rank *rank = context;
    struct collection_place place;
    int error = collection_find(collection, rank->member.data, rank->member.size, &place);

    rank->count = collection->count;
    return error ? error : collection_rank(collection, &place, &rank->rank);
}

int sdb_zset_rank(struct sdb_session *session, const void *key, size_t key_size, const void *member, size_t member_size,
                  uint32_t flags, uint64_t *rank)
{
    struct rank found = {{member, member_size}, 0, 0};
    int error = flags & ~(uint32_t)SDB_ZSET_REVERSE
                    ? SDB_EINVAL
                    : collection_look(session, key, key_size, SDB_TYPE_ZSET, look_rank, &found);

    if (!error)
        *rank = flags & SDB_ZSET_REVERSE ? found.count - 1 - found.rank : found.rank;
    return error;
}
