/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * collections.c - changes of large collections: a hash, a list and a sorted set, each with GUARD_KEYS elements before anything is counted
 *
 * New elements and those that are there alike come in an order that has nothing to do with the one in which they lie.
 */
#include "guard.h"

#include <stdlib.h>
#include <string.h>

struct collections {
    struct sdb_session *session;
    char names[2 * GUARD_KEYS][GUARD_KEY_SIZE]; /* the second half is not there at the beginning */
    uint64_t next;                              /* how many of the second half are */
    uint64_t round;
};

typedef void change_fn(struct collections *on, const char *name);

static void hash_set(struct collections *on, const char *name)
{
    char value[GUARD_VALUE_SIZE] = "value..";
    struct sdb_pair field = {{name, GUARD_KEY_SIZE}, {value, sizeof(value)}};

    memcpy(value, &on->round, 4);
    guard_must(sdb_hash_set(on->session, "hash", 4, &field, 1, 0, NULL), "hash_set");
}

static void zset_add(struct collections *on, const char *name)
{
    struct sdb_member member = {{name, GUARD_KEY_SIZE}, (double)(on->round * 7919 % 100003)};

    guard_must(sdb_zset_add(on->session, "zset", 4, &member, 1, 0, NULL, NULL), "zset_add");
}

static void list_push(struct collections *on, const char *name)
{
    struct sdb_slice element = {name, GUARD_KEY_SIZE};

    guard_must(sdb_list_push(on->session, "list", 4, SDB_LIST_HEAD, &element, 1, 0, NULL), "list_push");
}

static const char *scattered(struct collections *on, uint64_t from, uint64_t number)
{
    return on->names[from + number * 1597u % GUARD_KEYS];
}

/* Counted calls are each a commit, or GUARD_GROUP of them are. */
static void run(struct collections *on, change_fn *change, uint64_t from, uint64_t *next, size_t count, size_t together)
{
    for (size_t i = 0; i < count; i++, on->round++) {
        if (together > 1 && i % together == 0)
            guard_must(sdb_group_begin(on->session), "group");
        change(on, scattered(on, from, (*next)++));
        if (together > 1 && i % together == together - 1)
            guard_must(sdb_group_end(on->session), "group");
    }
}

static void fill(struct collections *on)
{
    uint64_t hashed = 0, pushed = 0, ranked = 0;

    for (size_t i = 0; i < 2 * GUARD_KEYS; i++)
        guard_key('e', i, on->names[i]);
    run(on, hash_set, 0, &hashed, GUARD_KEYS, GUARD_GROUP);
    run(on, list_push, 0, &pushed, GUARD_KEYS, GUARD_GROUP);
    run(on, zset_add, 0, &ranked, GUARD_KEYS, GUARD_GROUP);
}

void guard_collections(struct sdb_pool *pool)
{
    static const struct {
        const char *name;
        change_fn *change;
        int is_new;
        size_t together;
    } kinds[] = {
        {"hash_set", hash_set, 0, 1},
        {"hash_set_new", hash_set, 1, 1},
        {"hash_set_new_group_64", hash_set, 1, GUARD_GROUP},
        {"list_push", list_push, 0, 1},
        {"list_push_group_64", list_push, 0, GUARD_GROUP},
        {"zset_add", zset_add, 0, 1},
        {"zset_add_new", zset_add, 1, 1},
        {"zset_add_new_group_64", zset_add, 1, GUARD_GROUP},
    };
    struct collections *on = calloc(1, sizeof(*on));

    guard_must(on == NULL ? SDB_ENOMEM : SDB_OK, "memory");
    guard_must(sdb_session_open(pool, &on->session), "session");
    fill(on);
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        const uint64_t from = kinds[i].is_new ? GUARD_KEYS : 0;
        uint64_t old = 0, *next = kinds[i].is_new ? &on->next : &old;

        if (i > 0 && kinds[i].change != kinds[i - 1].change)
            on->next = 0;
        run(on, kinds[i].change, from, next, GUARD_COLLECTION_WARM, kinds[i].together);
        guard_begin(pool);
        run(on, kinds[i].change, from, next, GUARD_COLLECTION_OPERATIONS, kinds[i].together);
        guard_end(pool, kinds[i].name, GUARD_COLLECTION_OPERATIONS);
    }
    sdb_session_close(on->session);
    free(on);
}
