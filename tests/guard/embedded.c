/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * embedded.c - the operations of the library, one kind after the other
 *
 * Each kind is run over the numbers [first, first + count): first those that warm up, then those that are counted.
 */
#include "guard.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEAT_ROUNDS 40

struct embedded {
    struct sdb_session *session;
    char keys[GUARD_KEYS][GUARD_KEY_SIZE];     /* with inline values */
    char blobs[GUARD_KEYS][GUARD_KEY_SIZE];    /* with values in blobs */
    char fresh[GUARD_KEYS][GUARD_KEY_SIZE];    /* that are not there yet */
    uint64_t handles[GUARD_KEYS];
    uint64_t round; /* makes each update's value another one */
};

typedef void operation_fn(struct embedded *on, size_t first, size_t count);

static void fail(const char *what)
{
    fprintf(stderr, "guard: %s: a wrong result\n", what);
    exit(1);
}

/* The keys in an order that has nothing to do with the one in which they came. */
static size_t scattered(size_t number)
{
    return number * 1597u % GUARD_KEYS;
}

void guard_fill(struct sdb_pool *pool)
{
    struct sdb_session *session;
    char key[GUARD_KEY_SIZE], value[GUARD_BLOB_SIZE];

    memset(value, 'v', sizeof(value));
    guard_must(sdb_session_open(pool, &session), "session");
    for (size_t i = 0; i < GUARD_KEYS; i++) {
        guard_key('k', i, key);
        guard_must(sdb_set(session, key, sizeof(key), value, GUARD_VALUE_SIZE, NULL), "set");
        guard_key('b', i, key);
        guard_must(sdb_set(session, key, sizeof(key), value, GUARD_BLOB_SIZE, NULL), "set");
    }
    sdb_session_close(session);
}

/* ---- reads ------------------------------------------------------------------------------------------------------------ */

static void get_key(struct embedded *on, size_t first, size_t count)
{
    char value[GUARD_VALUE_SIZE];
    size_t size;

    for (size_t i = first; i < first + count; i++)
        guard_must(sdb_get(on->session, on->keys[scattered(i)], GUARD_KEY_SIZE, value, sizeof(value), &size), "get");
}

static void get_key_blob(struct embedded *on, size_t first, size_t count)
{
    char value[GUARD_BLOB_SIZE];
    size_t size;

    for (size_t i = first; i < first + count; i++)
        guard_must(sdb_get(on->session, on->blobs[scattered(i)], GUARD_KEY_SIZE, value, sizeof(value), &size), "get");
}

static void get_handle(struct embedded *on, size_t first, size_t count)
{
    char value[GUARD_VALUE_SIZE];
    size_t size;

    for (size_t i = first; i < first + count; i++)
        guard_must(sdb_get_by_handle(on->session, on->handles[scattered(i)], value, sizeof(value), &size), "handle");
}

static void get_many(struct embedded *on, size_t first, size_t count)
{
    struct sdb_slice keys[GUARD_BATCH];
    struct sdb_inline values[GUARD_BATCH];

    for (size_t i = first; i < first + count; i += GUARD_BATCH) {
        for (size_t k = 0; k < GUARD_BATCH; k++)
            keys[k] = (struct sdb_slice){on->keys[scattered(i + k)], GUARD_KEY_SIZE};
        sdb_get_many(on->session, keys, GUARD_BATCH, values);
        if (values[0].result != SDB_OK || values[GUARD_BATCH - 1].result != SDB_OK)
            fail("get_many");
    }
}

static void get_handle_many(struct embedded *on, size_t first, size_t count)
{
    uint64_t handles[GUARD_BATCH];
    struct sdb_inline values[GUARD_BATCH];

    for (size_t i = first; i < first + count; i += GUARD_BATCH) {
        for (size_t k = 0; k < GUARD_BATCH; k++)
            handles[k] = on->handles[scattered(i + k)];
        sdb_get_many_by_handle(on->session, handles, GUARD_BATCH, values);
        if (values[0].result != SDB_OK || values[GUARD_BATCH - 1].result != SDB_OK)
            fail("get_many_by_handle");
    }
}

/* ---- writes ----------------------------------------------------------------------------------------------------------- */

static void set_one(struct embedded *on, const char *key)
{
    char value[GUARD_VALUE_SIZE + 1];

    memcpy(value, "value...", sizeof(value));
    memcpy(value, &on->round, 4);
    on->round++;
    guard_must(sdb_set(on->session, key, GUARD_KEY_SIZE, value, GUARD_VALUE_SIZE, NULL), "set");
}

static void set_update(struct embedded *on, size_t first, size_t count)
{
    for (size_t i = first; i < first + count; i++)
        set_one(on, on->keys[scattered(i)]);
}

static void set_update_blob(struct embedded *on, size_t first, size_t count)
{
    char value[GUARD_BLOB_SIZE];

    memset(value, 'u', sizeof(value));
    for (size_t i = first; i < first + count; i++) {
        memcpy(value, &i, sizeof(i));
        guard_must(sdb_set(on->session, on->blobs[scattered(i)], GUARD_KEY_SIZE, value, sizeof(value), NULL), "set");
    }
}

static void set_update_handle(struct embedded *on, size_t first, size_t count)
{
    char value[GUARD_VALUE_SIZE];

    memset(value, 'h', sizeof(value));
    for (size_t i = first; i < first + count; i++) {
        memcpy(value, &i, 4);
        guard_must(sdb_set_by_handle(on->session, on->handles[scattered(i)], value, sizeof(value)), "set by handle");
    }
}

static void set_insert(struct embedded *on, size_t first, size_t count)
{
    for (size_t i = first; i < first + count; i++)
        set_one(on, on->fresh[i]);
}

static void delete_key(struct embedded *on, size_t first, size_t count)
{
    for (size_t i = first; i < first + count; i++)
        guard_must(sdb_delete(on->session, on->fresh[i], GUARD_KEY_SIZE), "delete");
}

static void transaction(struct embedded *on, size_t first, size_t count)
{
    struct sdb_slice keys[GUARD_TRANSACTION];

    for (size_t i = first; i < first + count; i += GUARD_TRANSACTION) {
        for (size_t k = 0; k < GUARD_TRANSACTION; k++)
            keys[k] = (struct sdb_slice){on->keys[scattered(i + k)], GUARD_KEY_SIZE};
        guard_must(sdb_begin(on->session, keys, GUARD_TRANSACTION), "begin");
        for (size_t k = 0; k < GUARD_TRANSACTION; k++)
            set_one(on, keys[k].data);
        guard_must(sdb_commit(on->session), "commit");
    }
}

static void group(struct embedded *on, size_t first, size_t count)
{
    for (size_t i = first; i < first + count; i += GUARD_GROUP) {
        guard_must(sdb_group_begin(on->session), "group");
        for (size_t k = 0; k < GUARD_GROUP; k++)
            set_one(on, on->keys[scattered(i + k)]);
        guard_must(sdb_group_end(on->session), "group");
    }
}

/* ---- all of them ------------------------------------------------------------------------------------------------------ */

static struct embedded *embedded_open(struct sdb_pool *pool)
{
    struct embedded *on = calloc(1, sizeof(*on));

    if (on == NULL)
        fail("memory");
    guard_must(sdb_session_open(pool, &on->session), "session");
    for (size_t i = 0; i < GUARD_KEYS; i++) {
        guard_key('k', i, on->keys[i]);
        guard_key('b', i, on->blobs[i]);
        guard_key('f', i, on->fresh[i]);
        guard_must(sdb_handle(on->session, on->keys[i], GUARD_KEY_SIZE, &on->handles[i]), "handle");
    }
    return on;
}

static void embedded_close(struct embedded *on)
{
    sdb_session_close(on->session);
    free(on);
}

static void measure(struct sdb_pool *pool, struct embedded *on, const char *name, operation_fn *operation)
{
    operation(on, 0, GUARD_WARM);
    guard_begin(pool);
    operation(on, GUARD_WARM, GUARD_OPERATIONS);
    guard_end(pool, name, GUARD_OPERATIONS);
}

/*
 * The L1 cache holds all keys before anything is counted. A cold cache is asked less and less, until enough of what is asked
 * for is found in it.
 */
static void heat(struct embedded *on)
{
    for (int round = 0; round < HEAT_ROUNDS; round++) {
        get_key(on, 0, GUARD_KEYS);
        get_key_blob(on, 0, GUARD_KEYS);
    }
}

void guard_embedded(struct sdb_pool *pool, struct sdb_pool *uncached)
{
    static const struct {
        const char *name;
        operation_fn *operation;
    } kinds[] = {
        {"get_key", get_key},
        {"get_key_blob", get_key_blob},
        {"get_handle", get_handle},
        {"get_many_32", get_many},
        {"get_handle_many_32", get_handle_many},
        {"set_update", set_update},
        {"set_update_blob", set_update_blob},
        {"set_update_handle", set_update_handle},
        {"set_insert", set_insert},
        {"delete", delete_key},
        {"transaction_4", transaction},
        {"group_64", group},
    };
    struct embedded *without = embedded_open(uncached);
    struct embedded *on = embedded_open(pool);

    heat(on);
    measure(uncached, without, "get_key_uncached", get_key);
    measure(uncached, without, "get_key_blob_uncached", get_key_blob);
    measure(uncached, without, "get_many_32_uncached", get_many);
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        measure(pool, on, kinds[i].name, kinds[i].operation);
    embedded_close(on);
    embedded_close(without);
}
