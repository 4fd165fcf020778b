/* SPDX-License-Identifier: BSD-3-Clause */
/* scenario_close.c - clean closes behind the work of several sessions, each with a lane of its own whose last lines are not flushed yet */
#include "scenarios.h"

#define SESSIONS 3u

void prepare_close(struct oracle *oracle, struct sdb_crashtest_options *options)
{
    oracle->keys = 24;
    options->shards = 4; /* sessions that meet in a shard retire each other's lanes, and leave nothing to the close */
    options->states_max = 64;
    options->random_images = 16;
    options->lines_max = 8;
    options->kill_every = 8;
    options->nested_images = 16;
}

int work_close(void *context, struct sdb_crashtest *test, struct sdb_pool *pool)
{
    struct oracle *oracle = context;
    struct sdb_session *sessions[SESSIONS];

    for (unsigned round = 0; round < 6; round++) {
        for (unsigned i = 0; i < SESSIONS; i++)
            MUST(sdb_session_open(pool, &sessions[i]));
        for (unsigned i = 0; i < 2 * SESSIONS; i++) {
            oracle_begin(oracle);
            oracle_operation(oracle, 0);
            oracle_set(oracle, sessions[i % SESSIONS], 0, oracle_roll(oracle, oracle->keys), oracle_cell(oracle, 310));
            oracle_end(oracle, 0);
        }
        for (unsigned i = 0; i < SESSIONS; i++)
            sdb_session_close(sessions[i]);
        MUST(sdb_crashtest_reopen(test, &pool));
    }
    return SDB_OK;
}
