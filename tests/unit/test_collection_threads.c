/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_collection_threads.c - collections under several threads: elements go from one to another while their keys are renamed, so that
 * trees come to be in shards that their keys do not name
 *
 * ctest-labels: threads
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>

#include "collection.h"
#include "engine_fixture.h"

#define THREADS 3u
#define KEYS 6u
#define NAMES 12u /* that the keys may have */
#define ELEMENTS 1200u

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define ROUNDS 400u
#else
#define ROUNDS 2500u
#endif

struct thread {
    pthread_t id;
    struct sdb_session *session;
    uint64_t random;
    int error; /* that there must not be */
    const char *call;
};

static struct fixture f;

static uint64_t rnd(struct thread *t, uint64_t n)
{
    t->random ^= t->random << 13;
    t->random ^= t->random >> 7;
    t->random ^= t->random << 17;
    return t->random % n;
}

static struct sdb_slice name_of(uint64_t number)
{
    static const char names[NAMES][8] = {"n-0", "n-1", "n-2", "n-3", "n-4", "n-5", "n-6", "n-7", "n-8", "n-9", "n-10", "n-11"};

    return (struct sdb_slice){names[number], strlen(names[number])};
}

struct transfer {
    struct sdb_slice keys[2];
    char name[32];
    size_t size;
    uint64_t random;
};

static int take_one(struct collection *c, void *context)
{
    struct transfer *transfer = context;
    struct collection_element element;
    struct collection_place place;
    int error;

    if (c->count < 2)
        return SDB_ENOTFOUND;
    error = collection_at(c, transfer->random % c->count, &place);
    if (!error)
        error = collection_read(c, &place, &element);
    if (error)
        return error;
    transfer->size = element.name.size;
    memcpy(transfer->name, element.name.data, element.name.size);
    return collection_take(c, &place);
}

static int put_one(struct collection *c, void *context)
{
    const struct transfer *transfer = context;

    return c->count == 0 ? SDB_ENOTFOUND
                         : collection_put(c, &(struct collection_element){.name = {transfer->name, transfer->size}}, NULL);
}

static int move_one(struct sdb_session *session, void *context)
{
    struct transfer *transfer = context;
    int error = collection_change(session, transfer->keys[0].data, transfer->keys[0].size, SDB_TYPE_SET, take_one, transfer);

    if (!error)
        error = collection_change(session, transfer->keys[1].data, transfer->keys[1].size, SDB_TYPE_SET, put_one, transfer);
    return error == SDB_ENOTFOUND ? SDB_EINVAL : error; /* all or nothing */
}

static int look_some(struct collection *c, void *context)
{
    struct collection_place place;

    (void)context;
    return collection_at(c, c->count / 2, &place);
}

static bool allowed(struct thread *t, int error, const char *call)
{
    if (error == SDB_OK || error == SDB_ENOTFOUND || error == SDB_ECONDITION || error == SDB_EINVAL)
        return true;
    t->error = error;
    t->call = call;
    return false;
}

static bool step(struct thread *t)
{
    struct transfer transfer = {.keys = {name_of(rnd(t, NAMES)), name_of(rnd(t, NAMES))}, .random = rnd(t, UINT64_MAX)};
    const struct sdb_slice *a = &transfer.keys[0], *b = &transfer.keys[1];
    const struct sdb_pair pairs[2] = {{{"s-1", 3}, {"v", 1}}, {{"s-2", 3}, {"w", 1}}};
    const struct sdb_slice strings[2] = {{"s-1", 3}, {"s-2", 3}};
    struct sdb_stat stat;
    uint64_t count;

    switch (rnd(t, 8)) {
    case 0:
        return allowed(t, sdb_rename(t->session, a->data, a->size, b->data, b->size, 0), "rename");
    case 1:
        return allowed(t, sdb_stat(t->session, a->data, a->size, &stat), "stat");
    case 2:
        return allowed(t, collection_look(t->session, a->data, a->size, SDB_TYPE_SET, look_some, NULL), "look");
    case 3:
        return allowed(t, sdb_set_many(t->session, pairs, 2, 0), "set_many") &&
               allowed(t, sdb_delete_many(t->session, strings, 2, NULL), "delete_many");
    case 4:
        return allowed(t, sdb_expire(t->session, a->data, a->size, 0), "expire") &&
               allowed(t, sdb_collection_count(t->session, b->data, b->size, SDB_TYPE_SET, &count), "count");
    default:
        return (a->data == b->data) || allowed(t, collection_together(t->session, transfer.keys, 2, move_one, &transfer), "together");
    }
}

static void *run(void *context)
{
    struct thread *t = context;

    for (unsigned i = 0; i < ROUNDS && !t->error; i++) {
        const bool group = rnd(t, 4) == 0;

        if (group)
            (void)sdb_group_begin(t->session);
        for (unsigned k = 0; k < 3 && !t->error; k++)
            (void)step(t);
        if (group)
            (void)allowed(t, sdb_group_end(t->session), "group_end");
    }
    return NULL;
}

static void no_element_is_lost_between_collections_whose_keys_are_renamed(void **state)
{
    struct thread threads[THREADS] = {{0}};
    uint64_t total = 0;
    char name[16];

    (void)state;
    fixture_create(&f, 64 * MIB, 0, 16);
    for (unsigned i = 0; i < ELEMENTS; i++) {
        const struct sdb_slice key = name_of(i % KEYS);
        const struct sdb_element element = {.name = {name, (size_t)sprintf(name, "e-%u", i)}};

        assert_ok(sdb_collection_add(f.session, key.data, key.size, SDB_TYPE_SET, &element));
    }
    for (unsigned i = 0; i < THREADS; i++) {
        threads[i].random = 0x9e3779b97f4a7c15ull * (i + 1);
        assert_ok(sdb_session_open(f.pool, &threads[i].session));
    }
    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i].id, NULL, run, &threads[i]), 0);
    for (unsigned i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i].id, NULL), 0);
        sdb_session_close(threads[i].session);
        if (threads[i].error)
            fail_msg("%s: %s", threads[i].call, sdb_strerror(threads[i].error));
    }
    for (unsigned i = 0; i < NAMES; i++) {
        const struct sdb_slice key = name_of(i);
        uint64_t count = 0;

        (void)sdb_collection_count(f.session, key.data, key.size, SDB_TYPE_SET, &count);
        total += count;
    }
    assert_int_equal(total, ELEMENTS);
    fixture_destroy(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_element_is_lost_between_collections_whose_keys_are_renamed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
