/* SPDX-License-Identifier: BSD-3-Clause */
/* scenario_keys.c - single keys, groups and transactions: random work, and each kind of value in turn */
#include "scenario.h"
#include "scenarios.h"

void prepare_random(struct oracle *oracle, struct sdb_crashtest_options *options)
{
    oracle->keys = 48;
    options->shards = 2;
    options->states_max = 64;
    options->random_images = 16;
    options->lines_max = 8;
    options->nested_every = 200;
}

void prepare_random_eadr(struct oracle *oracle, struct sdb_crashtest_options *options)
{
    prepare_random(oracle, options);
    options->domain = SDB_CRASHTEST_EADR;
}

void prepare_random_pages(struct oracle *oracle, struct sdb_crashtest_options *options)
{
    prepare_random(oracle, options);
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
