/* SPDX-License-Identifier: BSD-3-Clause */
/* scenario_refill.c - extents that a shard gives back, and that it takes again */
#include "scenarios.h"

#define KEYS 30u /* of which some do not fit any more */
#define PAGES 600000u
#define EXTENTS 3900000u

void prepare_refill(struct oracle *oracle, struct sdb_crashtest_options *options)
{
    oracle->keys = KEYS;
    options->states_max = 32;
    options->random_images = 4;
    options->lines_max = 2;
    options->kill_every = 15;
    options->nested_images = 16;
}

static void change(struct oracle *oracle, struct sdb_session *session, uint32_t key, uint32_t size)
{
    oracle_begin(oracle);
    oracle_operation(oracle, 0);
    if (size)
        oracle_set(oracle, session, 0, key, (struct cell){.size = size, .seed = key * 4 + 1});
    else
        oracle_delete(oracle, session, 0, key);
    oracle_end(oracle, 0);
}

/* All extents become the shard's; a value of whole extents makes it give some back; values of pages take them again. */
int work_refill(void *context, struct sdb_crashtest *test, struct sdb_pool *pool)
{
    struct oracle *oracle = context;
    struct sdb_session *session;

    MUST(sdb_session_open(pool, &session));
    for (unsigned round = 0; round < 3; round++) {
        sdb_crashtest_look(test, 0);
        for (uint32_t k = 0; k < KEYS; k++)
            change(oracle, session, k, PAGES);
        for (uint32_t k = 0; k < KEYS; k++)
            change(oracle, session, k, 0);
        sdb_crashtest_look(test, 1);
        change(oracle, session, 0, EXTENTS);
        if (oracle->done[0].size != EXTENTS) /* nothing was given back */
            return SDB_EINVAL;
        change(oracle, session, 0, 0);
        sdb_crashtest_look(test, 0);
        for (uint32_t k = 0; k < KEYS; k++)
            change(oracle, session, k, PAGES);
        sdb_crashtest_look(test, 1);
        change(oracle, session, 1, 100);
        change(oracle, session, 2, 50000);
    }
    sdb_session_close(session);
    return SDB_OK;
}
