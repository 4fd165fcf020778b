/* SPDX-License-Identifier: BSD-3-Clause */
/* scenario_lanes.c - what a lane's newest records still need: memory that no other commit may take, words that no other lane may store */
#include "scenarios.h"

/* -- a record outside of its lane that frees nothing, and commits behind it that look for memory -- */

#define BODIES_KEYS 900u /* of 32 bytes an entry: more than a lane takes */

void prepare_bodies(struct oracle *oracle, struct sdb_crashtest_options *options)
{
    oracle->keys = BODIES_KEYS + 1;
    options->shards = 1;
    options->states_max = 16;
    options->random_images = 12;
    options->lines_max = 6;
    options->kill_every = 2;
    options->nested_images = 24;
}

/* Keys and values that fit their entries: what the transaction changes is all that its record holds. */
static uint32_t inline_key(uint32_t i)
{
    return i + i / 2; /* not those of the third kind, whose names are blobs */
}

static void set_all(struct oracle *oracle, struct sdb_session *session, uint32_t seed)
{
    oracle_operation(oracle, 0);
    for (uint32_t i = 0; inline_key(i) < BODIES_KEYS; i++)
        oracle_set(oracle, session, 0, inline_key(i), (struct cell){.size = 1 + 8, .seed = 4 * (seed + i) + 1});
}

int work_bodies(void *context, struct sdb_crashtest *test, struct sdb_pool *pool)
{
    struct oracle *oracle = context;
    struct sdb_session *session;

    MUST(sdb_session_open(pool, &session));
    sdb_crashtest_look(test, 0);
    oracle_begin(oracle);
    set_all(oracle, session, 0);
    oracle_end(oracle, 0);
    for (uint32_t round = 1; round < 4; round++) {
        oracle_begin(oracle);
        MUST(sdb_begin_all(session));
        set_all(oracle, session, round * 1000);
        sdb_crashtest_look(test, 1); /* at the record itself, too: behind a kill its body is only visible */
        MUST(sdb_commit(session));
        oracle_end(oracle, 0);
        for (uint32_t i = 0; i < 2; i++) {
            oracle_begin(oracle);
            oracle_operation(oracle, 0);
            oracle_set(oracle, session, 0, BODIES_KEYS, (struct cell){.size = 1 + 9000 * round, .seed = 4 * i + 1});
            oracle_end(oracle, 0);
        }
        sdb_crashtest_look(test, 0);
    }
    sdb_session_close(session);
    return SDB_OK;
}

/* -- the pool's own words, from lanes that have no shard in common -- */

void prepare_pool_words(struct oracle *oracle, struct sdb_crashtest_options *options)
{
    oracle->keys = 8;
    options->shards = 1;
    options->states_max = 64;
    options->random_images = 24;
    options->lines_max = 8;
}

static void set_one(struct oracle *oracle, struct sdb_session *session, uint32_t round)
{
    oracle_begin(oracle);
    oracle_operation(oracle, 0);
    oracle_set(oracle, session, 0, oracle_roll(oracle, oracle->keys), (struct cell){.size = 1 + 5, .seed = 4 * round + 1});
    oracle_end(oracle, 0);
}

static void empty(struct oracle *oracle, struct sdb_session *session)
{
    oracle_begin(oracle);
    oracle_operation(oracle, 0);
    for (uint32_t k = 0; k < oracle->keys; k++)
        if (oracle->now[k].size)
            oracle_change(oracle, 0, k, (struct cell){0, 0, 0});
    MUST(sdb_flush(session));
    oracle_end(oracle, 0);
}

/* One session deletes what is left of emptied databases; another one, which has nothing to do with any shard, frees their numbers. */
static void reclaim(struct oracle *oracle, struct sdb_session *sessions[2])
{
    int done = 0;

    oracle_begin(oracle);
    for (unsigned i = 0; i < 64 && !done; i++) {
        MUST(sdb_maintain(sessions[0], 100, &done));
        for (unsigned k = 0; k < 4 && !done; k++)
            MUST(sdb_maintain(sessions[1], 400, &done));
    }
    oracle_end(oracle, 0);
}

/* The newest record of the last lane is of the root alone; then the first one, which is recovered before, takes another number. */
int work_pool_words(void *context, struct sdb_crashtest *test, struct sdb_pool *pool)
{
    struct oracle *oracle = context;
    struct sdb_session *sessions[3];

    (void)test;
    for (unsigned i = 0; i < 3; i++)
        MUST(sdb_session_open(pool, &sessions[i]));
    for (uint32_t round = 0; round < 8; round++) {
        set_one(oracle, sessions[0], round);
        empty(oracle, sessions[0]);
        reclaim(oracle, &sessions[1]);
    }
    for (unsigned i = 0; i < 3; i++)
        sdb_session_close(sessions[i]);
    return SDB_OK;
}
