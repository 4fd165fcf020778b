/* SPDX-License-Identifier: BSD-3-Clause */
/* scenario_pool.c - whole pools and whole databases: creation, clean closes, expiry, flushes and exchanges */
#include "scenarios.h"

static void prepare_few(struct oracle *oracle, struct sdb_crashtest_options *options)
{
    oracle->keys = 24;
    options->shards = 2;
    options->states_max = 128;
    options->random_images = 16;
    options->lines_max = 8;
}

static void change_one(struct oracle *oracle, struct sdb_session *session)
{
    uint32_t key = oracle_roll(oracle, oracle->keys);

    oracle_begin(oracle);
    oracle_operation(oracle, 0);
    if (oracle_roll(oracle, 4))
        oracle_set(oracle, session, 0, key, oracle_cell(oracle, 700));
    else
        oracle_delete(oracle, session, 0, key);
    oracle_end(oracle, 0);
}

/* -- a pool is made -- */

void prepare_creation(struct oracle *oracle, struct sdb_crashtest_options *options)
{
    prepare_few(oracle, options);
    options->flags = SDB_CRASHTEST_CREATION;
    options->states_max = 32;
    options->lines_max = 2;
    options->kill_every = 12;
    options->nested_images = 16;
}

void prepare_creation_pages(struct oracle *oracle, struct sdb_crashtest_options *options)
{
    prepare_creation(oracle, options);
    options->domain = SDB_CRASHTEST_PAGES;
}

int work_creation(void *context, struct sdb_crashtest *test, struct sdb_pool *pool)
{
    struct oracle *oracle = context;
    struct sdb_session *session;

    (void)test;
    MUST(sdb_session_open(pool, &session));
    for (unsigned i = 0; i < 4; i++)
        change_one(oracle, session);
    sdb_session_close(session);
    return SDB_OK;
}

/* -- a pool is closed and opened again, and goes on -- */

void prepare_reopen(struct oracle *oracle, struct sdb_crashtest_options *options)
{
    prepare_few(oracle, options);
    options->nested_every = 16;
    options->nested_images = 16;
    options->kill_every = 4;
}

void prepare_reopen_eadr(struct oracle *oracle, struct sdb_crashtest_options *options)
{
    prepare_reopen(oracle, options);
    options->domain = SDB_CRASHTEST_EADR;
}

void prepare_reopen_pages(struct oracle *oracle, struct sdb_crashtest_options *options)
{
    prepare_reopen(oracle, options);
    options->domain = SDB_CRASHTEST_PAGES;
    options->every = 3;
}

int work_reopen(void *context, struct sdb_crashtest *test, struct sdb_pool *pool)
{
    struct oracle *oracle = context;
    struct sdb_session *session;

    for (unsigned round = 0; round < 5; round++) {
        MUST(sdb_session_open(pool, &session));
        for (unsigned i = 0; i < 6; i++)
            change_one(oracle, session);
        sdb_session_close(session);
        MUST(sdb_crashtest_reopen(test, &pool));
    }
    return SDB_OK;
}

/* -- keys that expire, by themselves and by maintenance -- */

void prepare_expiry(struct oracle *oracle, struct sdb_crashtest_options *options)
{
    prepare_few(oracle, options);
    options->states_max = 64;
    options->kill_every = 12;
}

static void expire_one(struct oracle *oracle, struct sdb_session *session)
{
    uint32_t key = oracle_roll(oracle, oracle->keys);
    struct cell cell = oracle_cell(oracle, 700);

    cell.expire_ms = oracle_roll(oracle, 3) ? oracle->now_ms + 1000 + oracle_roll(oracle, 3000) : 0;
    oracle_begin(oracle);
    oracle_operation(oracle, 0);
    oracle_set(oracle, session, 0, key, cell);
    oracle_end(oracle, 0);
}

/* The time to live of a key that is there changes. */
static void postpone_one(struct oracle *oracle, struct sdb_session *session)
{
    uint32_t key = oracle_roll(oracle, oracle->keys);
    struct cell cell = oracle->now[key];
    char name[80];
    int error;

    if (cell.size == 0 || (cell.expire_ms && cell.expire_ms <= oracle->now_ms))
        return;
    cell.expire_ms = oracle_roll(oracle, 3) ? oracle->now_ms + 2000 : 0;
    oracle_begin(oracle);
    oracle_operation(oracle, 0);
    oracle_change(oracle, 0, key, cell);
    error = sdb_expire(session, name, oracle_name(key, name), cell.expire_ms);
    must(error, "sdb_expire");
    oracle_end(oracle, 0);
}

int work_expiry(void *context, struct sdb_crashtest *test, struct sdb_pool *pool)
{
    struct oracle *oracle = context;
    struct sdb_session *session;

    MUST(sdb_session_open(pool, &session));
    for (unsigned round = 0; round < 12; round++) {
        for (unsigned i = 0; i < 5; i++)
            expire_one(oracle, session);
        postpone_one(oracle, session);
        oracle->now_ms += 900;
        sdb_crashtest_set_time(test, oracle->now_ms);
        if (round % 3 == 2) {
            int done = 0;

            oracle_begin(oracle);
            for (unsigned i = 0; i < 64 && !done; i++)
                MUST(sdb_maintain(session, 5000, &done));
            oracle_end(oracle, 0);
        }
    }
    sdb_session_close(session);
    return SDB_OK;
}

/* -- databases: emptied, exchanged, all of them emptied; what was emptied is reclaimed -- */

void prepare_databases(struct oracle *oracle, struct sdb_crashtest_options *options)
{
    prepare_few(oracle, options);
    oracle->databases = 3;
    options->states_max = 64;
    options->every = 2;
    options->kill_every = 12;
}

static void empty(struct oracle *oracle, struct sdb_session *session, uint32_t database)
{
    oracle_begin(oracle);
    oracle_operation(oracle, 0);
    for (uint32_t k = 0; k < oracle->keys; k++)
        if (oracle->now[k].size && (database == UINT32_MAX || k % oracle->databases == database))
            oracle_change(oracle, 0, k, (struct cell){0, 0, 0});
    if (database == UINT32_MAX) {
        MUST(sdb_flush_all(session));
    } else {
        MUST(sdb_select(session, database));
        MUST(sdb_flush(session));
    }
    oracle_end(oracle, 0);
}

/* Back and forth within one operation each, since a key's name says which database it is in: to an empty one. */
static void exchange(struct oracle *oracle, struct sdb_session *session, uint32_t a)
{
    const uint32_t aside = 9;

    for (unsigned there = 0; there < 2; there++) {
        oracle_begin(oracle);
        oracle_operation(oracle, 0);
        for (uint32_t k = a; k < oracle->keys; k += oracle->databases) {
            struct cell cell = there ? oracle->aside[k] : (struct cell){0, 0, 0};

            oracle->aside[k] = oracle->now[k];
            oracle_change(oracle, 0, k, cell);
        }
        MUST(sdb_swap_databases(session, a, aside));
        oracle_end(oracle, 0);
    }
}

int work_databases(void *context, struct sdb_crashtest *test, struct sdb_pool *pool)
{
    struct oracle *oracle = context;
    struct sdb_session *session;

    (void)test;
    MUST(sdb_session_open(pool, &session));
    for (unsigned round = 0; round < 40; round++) {
        for (unsigned i = 0; i < 4; i++)
            change_one(oracle, session);
        if (round % 4 == 1)
            exchange(oracle, session, oracle_roll(oracle, 3));
        if (round % 5 == 2)
            empty(oracle, session, oracle_roll(oracle, 3));
        if (round % 16 == 15)
            empty(oracle, session, UINT32_MAX);
        if (round % 8 == 7) {
            int done = 0;

            oracle_begin(oracle);
            for (unsigned i = 0; i < 64 && !done; i++)
                MUST(sdb_maintain(session, 5000, &done));
            oracle_end(oracle, 0);
        }
    }
    sdb_session_close(session);
    return SDB_OK;
}
