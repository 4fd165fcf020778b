/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * scenario_threads.c - several threads, one at a time in an order that the seed decides: whatever one of them is in
 * the middle of, a fence of another one makes nothing of it durable
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scenarios.h"

#define THREADS 4u

void prepare_threads(struct oracle *oracle, struct sdb_crashtest_options *options)
{
    oracle->keys = 48;
    oracle->actors = THREADS;
    options->shards = 2; /* few, so that they meet */
    options->states_max = 64;
    options->random_images = 24;
    options->lines_max = 8;
    options->every = 5;
    options->kill_every = 16;
    options->nested_images = 16;
}

void prepare_threads_eadr(struct oracle *oracle, struct sdb_crashtest_options *options)
{
    prepare_threads(oracle, options);
    options->domain = SDB_CRASHTEST_EADR;
}

void prepare_threads_pages(struct oracle *oracle, struct sdb_crashtest_options *options)
{
    prepare_threads(oracle, options);
    options->domain = SDB_CRASHTEST_PAGES;
    options->every = 16;
}

static uint32_t own_key(struct oracle *oracle, unsigned number)
{
    return oracle_roll(oracle, oracle->keys / THREADS) * THREADS + number;
}

/* A transaction may meet another thread's shard out of order: then it is begun again. */
static void transaction(struct oracle *oracle, struct sdb_session *session, unsigned number)
{
    uint32_t keys[3];
    struct cell cells[3];
    int error = SDB_ECONFLICT;

    for (unsigned i = 0; i < 3; i++) {
        keys[i] = own_key(oracle, number);
        cells[i] = oracle_cell(oracle, 700);
    }
    while (error == SDB_ECONFLICT) {
        error = SDB_OK;
        oracle_operation(oracle, number);
        MUST(sdb_begin(session, NULL, 0));
        for (unsigned i = 0; i < 3 && !error; i++) {
            char name[80], value[704];
            size_t size = oracle_value(cells[i], value);

            oracle_change(oracle, number, keys[i], cells[i]);
            error = sdb_set(session, name, oracle_name(keys[i], name), value, size, NULL);
        }
        if (error) {
            sdb_abort(session);
            oracle_cancel(oracle, number);
            sdb_crashtest_yield(oracle->test);
        }
    }
    must(error, "a set in a transaction");
    MUST(sdb_commit(session));
}

static int thread(void *context, struct sdb_crashtest *test, struct sdb_pool *pool, unsigned number)
{
    struct oracle *oracle = context;
    struct sdb_session *session;

    (void)test;
    MUST(sdb_session_open(pool, &session));
    for (unsigned round = 0; round < 40; round++) {
        uint32_t what = oracle_roll(oracle, 10), group = oracle_roll(oracle, 4) ? 1 : 6;
        uint64_t added = 0;
        int64_t value;

        oracle_begin(oracle);
        if (group > 1)
            MUST(sdb_group_begin(session));
        for (uint32_t i = 0; i < group; i++) {
            if (what == 0) {
                transaction(oracle, session, number);
            } else {
                oracle_operation(oracle, number);
                if (what == 9) {
                    oracle->shared_begun++;
                    MUST(sdb_add(session, "shared", 6, 1, &value));
                    added++;
                } else if (what < 6)
                    oracle_set(oracle, session, number, own_key(oracle, number), oracle_cell(oracle, 3100));
                else
                    oracle_delete(oracle, session, number, own_key(oracle, number));
            }
        }
        if (group > 1)
            MUST(sdb_group_end(session));
        oracle->shared_done += added;
        oracle_end(oracle, number);
        if (oracle_roll(oracle, 20) == 0)
            MUST(sdb_maintain(session, 2000, NULL));
    }
    sdb_session_close(session);
    return SDB_OK;
}

int work_threads(void *context, struct sdb_crashtest *test, struct sdb_pool *pool)
{
    (void)pool;
    return sdb_crashtest_threads(test, THREADS, thread, context);
}
