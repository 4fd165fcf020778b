/* SPDX-License-Identifier: BSD-3-Clause */
/* scenario_keys.c - single keys, groups, batches and transactions: random work, and each kind of value in turn */
#include <string.h>

#include "scenarios.h"

static void prepare_amounts(struct oracle *oracle, struct sdb_crashtest_options *options)
{
    oracle->keys = 48;
    options->states_max = 128;
    options->random_images = 24;
    options->lines_max = 8;
}

/* -- random work of all kinds -- */

void prepare_random(struct oracle *oracle, struct sdb_crashtest_options *options)
{
    prepare_amounts(oracle, options);
    options->shards = 2;
    options->every = 6;
}

void prepare_random_eadr(struct oracle *oracle, struct sdb_crashtest_options *options)
{
    prepare_random(oracle, options);
    options->domain = SDB_CRASHTEST_EADR;
    options->every = 1;
}

void prepare_random_pages(struct oracle *oracle, struct sdb_crashtest_options *options)
{
    prepare_random(oracle, options);
    options->domain = SDB_CRASHTEST_PAGES;
    options->every = 20;
}

/* Every third image's recovery is crashed as well. */
void prepare_nested(struct oracle *oracle, struct sdb_crashtest_options *options)
{
    prepare_random(oracle, options);
    options->every = 40;
    options->states_max = 24;
    options->lines_max = 4;
    options->nested_every = 3;
    options->nested_images = 24;
}

/* Kills, each followed by a power cut while the next process recovers, or when it has. */
void prepare_kills(struct oracle *oracle, struct sdb_crashtest_options *options)
{
    prepare_random(oracle, options);
    options->every = 20;
    options->states_max = 2;
    options->random_images = 1;
    options->lines_max = 1;
    options->kill_every = 1;
    options->nested_images = 16;
}

void prepare_kills_pages(struct oracle *oracle, struct sdb_crashtest_options *options)
{
    prepare_kills(oracle, options);
    options->every = 60;
    options->domain = SDB_CRASHTEST_PAGES;
}

static void one_operation(struct oracle *oracle, struct sdb_session *session)
{
    uint32_t key = oracle_roll(oracle, oracle->keys), what = oracle_roll(oracle, 20);

    oracle_operation(oracle, 0);
    if (what < 12) {
        oracle_set(oracle, session, 0, key, oracle_cell(oracle, oracle_roll(oracle, 10) ? 3100 : 62000));
    } else if (what < 16) {
        oracle_delete(oracle, session, 0, key);
    } else if (what < 18) { /* a transaction over a few keys */
        MUST(sdb_begin_all(session));
        for (uint32_t i = 0; i < 4; i++)
            oracle_set(oracle, session, 0, (key + i * 7) % oracle->keys, oracle_cell(oracle, 3100));
        MUST(sdb_commit(session));
    } else {
        oracle_rename(oracle, session, 0, key, (key + 5) % oracle->keys);
    }
}

static void flush(struct oracle *oracle, struct sdb_session *session)
{
    oracle_begin(oracle);
    oracle_operation(oracle, 0);
    for (uint32_t k = 0; k < oracle->keys; k++)
        if (oracle->now[k].size)
            oracle_change(oracle, 0, k, (struct cell){0, 0, 0});
    MUST(sdb_flush(session));
    oracle_end(oracle, 0);
}

/* Two sessions take turns, so that lanes meet. */
int work_random(void *context, struct sdb_crashtest *test, struct sdb_pool *pool)
{
    struct oracle *oracle = context;
    struct sdb_session *sessions[2];

    (void)test;
    MUST(sdb_session_open(pool, &sessions[0]));
    MUST(sdb_session_open(pool, &sessions[1]));
    for (unsigned done = 0; done < 250; done++) {
        struct sdb_session *session = sessions[oracle_roll(oracle, 2)];
        uint32_t group = oracle_roll(oracle, 3) ? 0 : 1 + oracle_roll(oracle, 12);

        oracle_begin(oracle);
        if (group) {
            MUST(sdb_group_begin(session));
            for (uint32_t i = 0; i < group; i++)
                one_operation(oracle, session);
            MUST(sdb_group_end(session));
        } else {
            one_operation(oracle, session);
        }
        oracle_end(oracle, 0);
        if (oracle_roll(oracle, 100) == 0)
            flush(oracle, session);
        if (oracle_roll(oracle, 30) == 0)
            MUST(sdb_maintain(session, 2000, NULL));
    }
    sdb_session_close(sessions[0]);
    sdb_session_close(sessions[1]);
    return SDB_OK;
}

/* -- every kind of value in place of every other, for every kind of key -- */

#define KINDS 8u

void prepare_kinds(struct oracle *oracle, struct sdb_crashtest_options *options)
{
    prepare_amounts(oracle, options);
    oracle->keys = 12;
    options->every = 2;
    options->random_images = 12;
}

/*
 * Absent; an integer; inline in a word, in two; expiring inline; blobs: of a line, copied past the cache, of a run of
 * pages.
 */
static struct cell cell_of_kind(unsigned kind, uint32_t seed)
{
    static const uint32_t sizes[KINDS] = {0, 1 + 6, 1 + 8, 1 + 15, 1 + 7, 1 + 40, 1 + 700, 1 + 40000};

    return (struct cell){.size = sizes[kind],
                         .seed = kind == 1 ? seed * 4 : seed * 4 + 1,
                         .expire_ms = kind == 4 || kind == 6 ? 1800000000000 : 0};
}

static void change_kind(struct oracle *oracle, struct sdb_session *session, uint32_t key, unsigned kind, uint32_t seed)
{
    oracle_begin(oracle);
    oracle_operation(oracle, 0);
    if (kind)
        oracle_set(oracle, session, 0, key, cell_of_kind(kind, seed));
    else
        oracle_delete(oracle, session, 0, key);
    oracle_end(oracle, 0);
}

int work_kinds(void *context, struct sdb_crashtest *test, struct sdb_pool *pool)
{
    struct oracle *oracle = context;
    struct sdb_session *session;
    uint32_t seed = 1;

    (void)test;
    MUST(sdb_session_open(pool, &session));
    for (unsigned from = 0; from < KINDS; from++) {
        for (unsigned to = 0; to < KINDS; to++) {
            uint32_t key = oracle_roll(oracle, oracle->keys);

            change_kind(oracle, session, key, from, seed++);
            change_kind(oracle, session, key, to, seed++);
        }
    }
    sdb_session_close(session);
    return SDB_OK;
}

/* -- batches: many keys in one call; groups as large as a lane takes -- */

void prepare_batches(struct oracle *oracle, struct sdb_crashtest_options *options)
{
    prepare_amounts(oracle, options);
    oracle->keys = 96;
    options->shards = 4;
    options->kill_every = 8;
}

static void set_many(struct oracle *oracle, struct sdb_session *session, uint32_t first, uint32_t count)
{
    static char names[64][80], values[64][128];
    struct sdb_pair pairs[64];

    oracle_begin(oracle);
    oracle_operation(oracle, 0);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t key = (first + i) % oracle->keys;
        struct cell cell = oracle_cell(oracle, 100);

        pairs[i].key = (struct sdb_slice){names[i], oracle_name(key, names[i])};
        pairs[i].value = (struct sdb_slice){values[i], oracle_value(cell, values[i])};
        oracle_change(oracle, 0, key, cell);
    }
    MUST(sdb_set_many(session, pairs, count, 0));
    oracle_end(oracle, 0);
}

static void delete_many(struct oracle *oracle, struct sdb_session *session, uint32_t first, uint32_t count)
{
    static char names[64][80];
    struct sdb_slice keys[64];
    size_t deleted;

    oracle_begin(oracle);
    oracle_operation(oracle, 0);
    for (uint32_t i = 0; i < count; i++) {
        keys[i] = (struct sdb_slice){names[i], oracle_name((first + i) % oracle->keys, names[i])};
        oracle_change(oracle, 0, (first + i) % oracle->keys, (struct cell){0, 0, 0});
    }
    MUST(sdb_delete_many(session, keys, count, &deleted));
    oracle_end(oracle, 0);
}

static void set_each(struct oracle *oracle, struct sdb_session *session, uint32_t count)
{
    static char names[64][80], values[64][128];
    struct sdb_pair pairs[64];

    oracle_begin(oracle);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t key = oracle_roll(oracle, oracle->keys);
        struct cell cell = oracle_cell(oracle, oracle_roll(oracle, 8) ? 12 : 100);

        oracle_operation(oracle, 0);
        pairs[i].key = (struct sdb_slice){names[i], oracle_name(key, names[i])};
        pairs[i].value = (struct sdb_slice){values[i], oracle_value(cell, values[i])};
        oracle_change(oracle, 0, key, cell);
    }
    MUST(sdb_set_each(session, pairs, count, NULL));
    oracle_end(oracle, 0);
}

/* By handle, where there is such a key: a small value in the place of a small one, and all others. */
static void set_by_handle(struct oracle *oracle, struct sdb_session *session, uint32_t key, struct cell cell)
{
    char name[80], value[512];
    uint64_t handle;
    int error = sdb_handle(session, name, oracle_name(key, name), &handle);

    if (error == SDB_ENOTFOUND) {
        oracle_set(oracle, session, 0, key, cell);
        return;
    }
    MUST(error);
    oracle_change(oracle, 0, key, cell);
    MUST(sdb_set_by_handle(session, handle, value, oracle_value(cell, value)));
}

int work_batches(void *context, struct sdb_crashtest *test, struct sdb_pool *pool)
{
    struct oracle *oracle = context;
    struct sdb_session *session;

    (void)test;
    MUST(sdb_session_open(pool, &session));
    for (unsigned round = 0; round < 12; round++) {
        set_many(oracle, session, oracle_roll(oracle, oracle->keys), 1 + oracle_roll(oracle, 40));
        delete_many(oracle, session, oracle_roll(oracle, oracle->keys), 1 + oracle_roll(oracle, 20));
        set_each(oracle, session, 10 + oracle_roll(oracle, 50));
        oracle_begin(oracle);
        MUST(sdb_group_begin(session));
        for (unsigned i = 0; i < 40; i++) {
            uint32_t key = oracle_roll(oracle, oracle->keys);

            oracle_operation(oracle, 0);
            if (i % 2)
                set_by_handle(oracle, session, key, oracle_cell(oracle, i % 4 == 1 ? 12 : 310));
            else
                oracle_set(oracle, session, 0, key, oracle_cell(oracle, 310));
        }
        MUST(sdb_group_end(session));
        oracle_end(oracle, 0);
    }
    sdb_session_close(session);
    return SDB_OK;
}

/* -- transactions over several shards, committed and aborted, alone and in groups -- */

void prepare_transactions(struct oracle *oracle, struct sdb_crashtest_options *options)
{
    prepare_amounts(oracle, options);
    options->shards = 4;
    options->every = 4;
    options->kill_every = 10;
    options->nested_images = 16;
}

static void one_transaction(struct oracle *oracle, struct sdb_session *session, int commit)
{
    uint32_t count = 2 + oracle_roll(oracle, 6);

    oracle_operation(oracle, 0);
    MUST(sdb_begin(session, NULL, 0));
    for (uint32_t i = 0; i < count; i++) {
        uint32_t key = oracle_roll(oracle, oracle->keys);

        if (oracle_roll(oracle, 4))
            oracle_set(oracle, session, 0, key, oracle_cell(oracle, 700));
        else
            oracle_delete(oracle, session, 0, key);
    }
    if (commit) {
        MUST(sdb_commit(session));
    } else {
        sdb_abort(session);
        oracle_cancel(oracle, 0);
    }
}

int work_transactions(void *context, struct sdb_crashtest *test, struct sdb_pool *pool)
{
    struct oracle *oracle = context;
    struct sdb_session *session;

    (void)test;
    MUST(sdb_session_open(pool, &session));
    for (unsigned round = 0; round < 80; round++) {
        oracle_begin(oracle);
        if (round % 4 == 3) {
            MUST(sdb_group_begin(session));
            for (unsigned i = 0; i < 4; i++)
                one_transaction(oracle, session, oracle_roll(oracle, 3) != 0);
            MUST(sdb_group_end(session));
        } else {
            one_transaction(oracle, session, oracle_roll(oracle, 4) != 0);
        }
        oracle_end(oracle, 0);
    }
    sdb_session_close(session);
    return SDB_OK;
}
