/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * scenario_space.c - memory: big values, extents taken and given back, full pools, big deletes, index growth, pool
 * growth
 */
#include "scenarios.h"

static void prepare_few(struct oracle *oracle, struct sdb_crashtest_options *options)
{
    oracle->keys = 24;
    options->states_max = 64;
    options->random_images = 12;
    options->lines_max = 6;
}

static void set_one(struct oracle *oracle, struct sdb_session *session, uint32_t key, struct cell cell)
{
    oracle_begin(oracle);
    oracle_operation(oracle, 0);
    oracle_set(oracle, session, 0, key, cell);
    oracle_end(oracle, 0);
}

static void delete_one(struct oracle *oracle, struct sdb_session *session, uint32_t key)
{
    oracle_begin(oracle);
    oracle_operation(oracle, 0);
    oracle_delete(oracle, session, 0, key);
    oracle_end(oracle, 0);
}

/* A whole round of maintenance, which changes nothing that anybody sees. */
static void maintain(struct oracle *oracle, struct sdb_session *session)
{
    int done = 0;

    oracle_begin(oracle);
    for (unsigned i = 0; i < 64 && !done; i++)
        MUST(sdb_maintain(session, 20000, &done));
    oracle_end(oracle, 0);
}

/*
 * -- values of runs of pages and of whole extents, which come, grow, shrink and go; maintenance gives the extents back
 * --
 */

void prepare_extents(struct oracle *oracle, struct sdb_crashtest_options *options)
{
    prepare_few(oracle, options);
    oracle->keys = 8;
    options->pool_size = 24u << 20;
    options->random_images = 4;
    options->lines_max = 2;
    options->every = 2;
    options->kill_every = 12;
    options->nested_images = 16;
}

int work_extents(void *context, struct sdb_crashtest *test, struct sdb_pool *pool)
{
    static const uint32_t sizes[] = {20, 40000, 300000, 1900000, 2500000, 100};
    struct oracle *oracle = context;
    struct sdb_session *session;

    (void)test;
    MUST(sdb_session_open(pool, &session));
    for (unsigned round = 0; round < 18; round++) {
        uint32_t key = oracle_roll(oracle, 4);

        set_one(oracle, session, key,
                (struct cell){.size = sizes[round % 6] + oracle_roll(oracle, 9), .seed = 4 * round + 1});
        if (round % 4 == 3)
            delete_one(oracle, session, oracle_roll(oracle, 4));
        if (round % 6 == 5) {
            for (uint32_t k = 0; k < 4; k++)
                delete_one(oracle, session, k);
            maintain(oracle, session);
        }
    }
    sdb_session_close(session);
    return SDB_OK;
}

/* -- a pool filled to the last, in which writes fail, and some of it deleted again -- */

void prepare_full(struct oracle *oracle, struct sdb_crashtest_options *options)
{
    prepare_few(oracle, options);
    oracle->keys = 400;
    options->every = 60;
    options->random_images = 6;
    options->lines_max = 2;
    options->states_max = 16;
}

int work_full(void *context, struct sdb_crashtest *test, struct sdb_pool *pool)
{
    struct oracle *oracle = context;
    struct sdb_session *session;

    MUST(sdb_session_open(pool, &session));
    sdb_crashtest_look(test, 0);
    for (uint32_t k = 0; k < 220; k++)
        set_one(oracle, session, k, (struct cell){.size = 50001, .seed = k});
    sdb_crashtest_look(test, 1);
    for (unsigned round = 0; round < 160; round++) {
        if (oracle_roll(oracle, 4) == 0)
            delete_one(oracle, session, oracle_roll(oracle, oracle->keys));
        else
            set_one(oracle, session, oracle_roll(oracle, oracle->keys),
                    (struct cell){.size = 1 + oracle_roll(oracle, 70000), .seed = round});
    }
    sdb_session_close(session);
    return SDB_OK;
}

/* -- deletes whose record does not fit a lane: many keys in one call, and a transaction -- */

void prepare_big_deletes(struct oracle *oracle, struct sdb_crashtest_options *options)
{
    prepare_few(oracle, options);
    oracle->keys = 700;
    options->shards = 4;
    options->states_max = 16;
    options->kill_every = 4;
}

int work_big_deletes(void *context, struct sdb_crashtest *test, struct sdb_pool *pool)
{
    static char names[1024][80];
    static struct sdb_slice keys[1024];
    struct oracle *oracle = context;
    struct sdb_session *session;
    size_t deleted;

    MUST(sdb_session_open(pool, &session));
    for (unsigned round = 0; round < 3; round++) {
        sdb_crashtest_look(test, 0);
        for (uint32_t k = 0; k < oracle->keys; k++)
            set_one(oracle, session, k, oracle_cell(oracle, 110));
        sdb_crashtest_look(test, 1);
        oracle_begin(oracle);
        oracle_operation(oracle, 0);
        for (uint32_t k = 0; k < oracle->keys; k++) {
            keys[k] = (struct sdb_slice){names[k], oracle_name(k, names[k])};
            oracle_change(oracle, 0, k, (struct cell){0, 0, 0});
        }
        if (round == 1) {
            MUST(sdb_begin_all(session));
            for (uint32_t k = 0; k < oracle->keys; k++)
                MUST(sdb_delete(session, names[k], keys[k].size));
            MUST(sdb_commit(session));
        } else {
            MUST(sdb_delete_many(session, keys, oracle->keys, &deleted));
        }
        oracle_end(oracle, 0);
    }
    sdb_session_close(session);
    return SDB_OK;
}

/* -- index segments that grow, split, and double the directory -- */

void prepare_splits(struct oracle *oracle, struct sdb_crashtest_options *options)
{
    prepare_few(oracle, options);
    oracle->keys = 1024; /* the first ones; the others are fillers, which nobody looks at */
    options->states_max = 16;
    options->random_images = 10;
    options->lines_max = 6;
    options->kill_every = 6;
}

static uint64_t splits_of(struct sdb_pool *pool)
{
    struct sdb_stats stats;

    sdb_stats(pool, &stats);
    return stats.index_splits;
}

/* Small integers; how a key's name spreads over segments is the hash's business. */
int work_splits(void *context, struct sdb_crashtest *test, struct sdb_pool *pool)
{
    struct oracle *oracle = context;
    struct sdb_session *session;
    unsigned looked = 0;

    MUST(sdb_session_open(pool, &session));
    sdb_crashtest_look(test, 0);
    for (uint32_t filler = 0; filler < 3400; filler++) {
        uint64_t before = splits_of(pool);
        char name[16];
        int size;

        /* The same insert twice, the first time for its answer alone: whether it splits a segment. */
        size = __builtin_snprintf(name, sizeof(name), "f%u", filler);
        MUST(sdb_begin(session, NULL, 0));
        MUST(sdb_set(session, name, (size_t)size, "1", 1, NULL));
        sdb_abort(session);
        if (splits_of(pool) == before) {
            MUST(sdb_set(session, name, (size_t)size, "1", 1, NULL));
            continue;
        }
        looked++;
        sdb_crashtest_look(test, 1);
        oracle_begin(oracle);
        MUST(sdb_set(session, name, (size_t)size, "1", 1, NULL));
        oracle_end(oracle, 0);
        set_one(oracle, session, oracle_roll(oracle, 24), oracle_cell(oracle, 60));
        sdb_crashtest_look(test, 0);
    }
    sdb_crashtest_look(test, 1);
    sdb_session_close(session);
    return looked >= 4 ? SDB_OK : SDB_EINVAL;
}

/* -- a pool that grows while it is used -- */

void prepare_growth(struct oracle *oracle, struct sdb_crashtest_options *options)
{
    prepare_few(oracle, options);
    options->pool_size_max = 24u << 20;
    options->every = 3;
    options->random_images = 8;
    options->lines_max = 4;
    options->kill_every = 4;
}

int work_growth(void *context, struct sdb_crashtest *test, struct sdb_pool *pool)
{
    struct oracle *oracle = context;
    struct sdb_session *session;

    (void)test;
    MUST(sdb_session_open(pool, &session));
    for (uint64_t size = 18u << 20; size <= 24u << 20; size += 2u << 20) {
        for (uint32_t i = 0; i < 6; i++)
            set_one(oracle, session, oracle_roll(oracle, oracle->keys), oracle_cell(oracle, 62000));
        oracle_begin(oracle);
        MUST(sdb_resize(pool, size));
        oracle_end(oracle, 0);
        set_one(oracle, session, oracle_roll(oracle, oracle->keys),
                (struct cell){.size = 1600001, .seed = (uint32_t)size});
    }
    sdb_session_close(session);
    return SDB_OK;
}

/* -- memory (DRAM) that cannot grow when it should -- */

void prepare_memory(struct oracle *oracle, struct sdb_crashtest_options *options)
{
    prepare_few(oracle, options);
    options->every = 4;
    options->kill_every = 10;
    options->nested_images = 8;
}

int work_memory(void *context, struct sdb_crashtest *test, struct sdb_pool *pool)
{
    struct oracle *oracle = context;
    struct sdb_session *session;

    for (unsigned round = 0; round < 6; round++) {
        MUST(sdb_session_open(pool, &session));
        sdb_crashtest_fail_memory(test, 2);
        for (unsigned i = 0; i < 24; i++) {
            if (oracle_roll(oracle, 4))
                set_one(oracle, session, oracle_roll(oracle, oracle->keys), oracle_cell(oracle, 3100));
            else
                delete_one(oracle, session, oracle_roll(oracle, oracle->keys));
        }
        sdb_crashtest_fail_memory(test, 0);
        sdb_session_close(session);
        MUST(sdb_crashtest_reopen(test, &pool));
    }
    return SDB_OK;
}

/* -- pages of values that become pages of entries: what stood there must be gone before -- */

void prepare_pages(struct oracle *oracle, struct sdb_crashtest_options *options)
{
    prepare_few(oracle, options);
    oracle->keys = 600;
    options->every = 1; /* the commit that makes a page is one of many, and none must be left out */
    options->kill_every = 12;
    options->nested_images = 16;
}

int work_pages(void *context, struct sdb_crashtest *test, struct sdb_pool *pool)
{
    struct oracle *oracle = context;
    struct sdb_session *session;
    struct sdb_stats before, now;
    unsigned pages = 0;

    MUST(sdb_session_open(pool, &session));
    sdb_crashtest_look(test, 0);
    for (uint32_t k = 0; k < 500; k++)
        set_one(oracle, session, k, (struct cell){.size = 24001, .seed = k * 4 + 1});
    for (uint32_t k = 0; k < 500; k++)
        delete_one(oracle, session, k);
    for (uint32_t filler = 0; filler < 2200; filler++) {
        char name[16];
        int size = __builtin_snprintf(name, sizeof(name), "f%u", filler);

        sdb_stats(pool, &before);
        /* Each page has 1,024 entries; the first of a new one is near. */
        sdb_crashtest_look(test, filler % 1024 > 1016 || filler % 1024 < 4 || filler % 1024 / 8 == 500 / 8);
        oracle_begin(oracle);
        MUST(sdb_set(session, name, (size_t)size, "1", 1, NULL));
        oracle_end(oracle, 0);
        sdb_stats(pool, &now);
        pages += now.entry_bytes > before.entry_bytes;
    }
    sdb_crashtest_look(test, 1);
    sdb_session_close(session);
    return pages >= 1 ? SDB_OK : SDB_EINVAL;
}
