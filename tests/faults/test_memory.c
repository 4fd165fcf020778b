/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_memory.c - DRAM runs out in the N-th allocation of each scenario, once or from there on: for N to 9 and every sixth behind, or,
 * where SUPERDB_FAULTS_ALL is set (faults_memory_long), for every N
 *
 * ctest-timeout: 600
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "fault_fixture.h"

#define SIZE (24 * MIB)

/* ---- scenarios ------------------------------------------------------------------------------------------------------- */

static const uint32_t sizes[] = {0, 3, 8, 16, 17, 24, 100, 700, 4000, 5000, 16384, 20000, 100000, 1000000, 2100000};
#define SIZES (sizeof(sizes) / sizeof(sizes[0]))

static void every_size(struct run *run)
{
    for (unsigned i = 0; i < SIZES; i++)
        run_set(run, i, sizes[i]);
    for (unsigned i = 0; i < SIZES; i++)
        run_set(run, i, sizes[SIZES - 1 - i]);
    for (unsigned i = 0; i < SIZES; i++)
        run_delete(run, i);
}

static void every_size_in_a_pool_just_opened(struct run *run)
{
    run_reopen(run);
    every_size(run);
    run_reopen(run);
    for (unsigned i = 0; i < KEYS; i += 7)
        run_delete(run, i);
}

static void groups(struct run *run)
{
    for (unsigned round = 0; round < 3; round++) {
        run_group_begin(run);
        for (unsigned i = 0; i < 40; i++)
            run_set(run, (i + round * 9) % KEYS, i % 5 == 0 ? 3000 : i % 3 == 0 ? 40 : 8);
        for (unsigned i = 0; i < 12; i++)
            run_delete(run, (i * 5 + round) % KEYS);
        run_group_end(run);
    }
}

static void transactions(struct run *run)
{
    for (unsigned round = 0; round < 4; round++) {
        run_begin_transaction(run, round * 10, 30);
        if (!run->in_transaction)
            continue;
        for (unsigned i = 0; i < 30; i++)
            run_set(run, round * 10 + i, i % 4 == 0 ? 900 : 8);
        run_delete(run, round * 10 + 1);
        if (round % 2)
            run_abort(run);
        else
            run_commit(run);
    }
}

static void many_at_once(struct run *run)
{
    run_set_many(run, 0, 64, 12);
    run_set_many(run, 10, 60, 300);
    run_delete_many(run, 5, 50);
    run_set_many(run, 0, 8, 50000);
    run_delete_many(run, 0, 40);
}

static void whole_keys(struct run *run)
{
    for (unsigned i = 0; i < 8; i++)
        run_set(run, i, sizes[i]);
    for (unsigned i = 0; i < 8; i++) {
        run_copy(run, i, 40 + i);
        run_rename(run, i, 20 + i);
        run_append(run, 20 + i, i % 2 ? 5 : 3000);
        run_expire(run, 40 + i);
    }
}

/* Enough new keys in one shard for segments to grow and split and for the directory to double. */
static void an_index_that_grows(struct run *run)
{
    static const char name[] = "many:%05u";
    char key[32];

    for (unsigned i = 0; i < 3000; i++) {
        int size = snprintf(key, sizeof(key), name, i);
        int error = FAULTY(sdb_set(run->f.session, key, (size_t)size, "12", 2, NULL));

        if (!run_judge(run, error, 0))
            assert_int_equal(sdb_exists(run->f.session, key, (size_t)size), SDB_ENOTFOUND);
    }
    for (unsigned i = 0; i < 3000; i++) {
        int size = snprintf(key, sizeof(key), name, i);

        (void)run_judge(run, FAULTY(sdb_delete(run->f.session, key, (size_t)size)), SDB_ENOTFOUND);
        while (sdb_exists(run->f.session, key, (size_t)size) == SDB_OK)
            assert_ok(sdb_delete(run->f.session, key, (size_t)size));
    }
}

static void maintain_until_done(struct run *run)
{
    int done = 0;

    for (int i = 0; i < 40 && !done; i++)
        (void)run_judge(run, FAULTY(sdb_maintain(run->f.session, 700, &done)), 0);
}

static void databases(struct run *run)
{
    uint64_t count;

    run_set_many(run, 0, KEYS, 100);
    (void)run_judge(run, FAULTY(sdb_count(run->f.session, &count)), 0);
    run_flush(run, false);
    run_set_many(run, 0, 20, 8);
    maintain_until_done(run);
    run_flush(run, true);
    maintain_until_done(run);
    run_set(run, 3, 8);
    if (run_judge(run, FAULTY(sdb_swap_databases(run->f.session, 0, 1)), 0))
        assert_ok(sdb_swap_databases(run->f.session, 0, 1));
}

/* What was flushed must not come back with the number that its database had, wherever a round over it was cut short. */
static void reclaiming_in_a_pool_just_opened(struct run *run)
{
    faults_disarm();
    run_set_many(run, 0, KEYS, 100);
    run_flush(run, false);
    run_reopen(run);
    run_arm(run, run->kinds, run->skip, run->fail);
    maintain_until_done(run);
}

static void maintenance_in_a_group(struct run *run)
{
    run_set_many(run, 0, KEYS, 20);
    run_flush(run, false);
    run_reopen(run);
    run_group_begin(run);
    run_set(run, 1, 8);
    maintain_until_done(run);
    run_set(run, 2, 8);
    run_group_end(run);
    maintain_until_done(run);
}

static int stop_at_ten(void *context, const struct sdb_scan_item *item)
{
    (void)item;
    return ++*(unsigned *)context >= 10;
}

static void reads(struct run *run)
{
    static struct sdb_view views[KEYS];
    static char names[KEYS][64];
    struct sdb_slice keys[KEYS];
    struct sdb_inline values[KEYS];
    int results[KEYS];
    char name[64];
    size_t size;

    run_set_many(run, 0, 60, 100);
    run_set(run, 1, 20000);
    for (unsigned i = 0; i < KEYS; i++)
        keys[i] = (struct sdb_slice){names[i], run_key(i, names[i])};
    if (run_judge(run, FAULTY(sdb_view_many(run->f.session, keys, KEYS, views, results)), 0))
        for (unsigned i = 0; i < KEYS; i++)
            if (results[i] == SDB_OK)
                sdb_view_release(run->f.session, &views[i]);
    faults_resume();
    sdb_prefetch(run->f.session, keys, KEYS);
    sdb_get_many(run->f.session, keys, KEYS, values);
    faults_pause();
    for (unsigned i = 0; i < 4; i++) {
        uint64_t cursor = 0;
        unsigned seen = 0;

        (void)run_judge(run, FAULTY(sdb_scan(run->f.session, &cursor, 64, stop_at_ten, &seen)), 0);
        (void)run_judge(run, FAULTY(sdb_random_key(run->f.session, name, sizeof(name), &size)), SDB_ENOTFOUND);
    }
}

/* A record that fits no lane, with a body of its own. */
static void a_record_without_room_in_its_lane(struct run *run)
{
    char key[32];

    if (!run_judge(run, FAULTY(sdb_begin_all(run->f.session)), 0))
        return;
    run->in_transaction = run->doubtful = true;
    for (unsigned i = 0; i < 6000 && run->refused == 0; i++) {
        int size = snprintf(key, sizeof(key), "body:%05u", i);

        (void)run_judge(run, FAULTY(sdb_set(run->f.session, key, (size_t)size, "1", 1, NULL)), 0);
    }
    run_set(run, 9, 100);
    run_commit(run);
    for (unsigned i = 0; i < 6000; i++) {
        int size = snprintf(key, sizeof(key), "body:%05u", i);
        int error = sdb_delete(run->f.session, key, (size_t)size);

        if (error != SDB_ENOTFOUND)
            assert_ok(error);
    }
}

/* A full pool looks for room: it collects, gives extents back, tries again. */
static void a_full_pool(struct run *run)
{
    char key[32];
    unsigned count = 0;
    int error;

    run->is_crowded = true;
    do {
        int size = snprintf(key, sizeof(key), "full:%05u", count++);

        error = FAULTY(sdb_set(run->f.session, key, (size_t)size, run_value(100000, 1), 100000, NULL));
        if (error != SDB_ENOSPC)
            (void)run_judge(run, error, 0);
    } while (error != SDB_ENOSPC && count < 400);
    assert_true(error == SDB_ENOSPC || run->refused > 0);
    for (unsigned i = 0; i < count; i += 2) {
        int size = snprintf(key, sizeof(key), "full:%05u", i);

        (void)run_judge(run, FAULTY(sdb_delete(run->f.session, key, (size_t)size)), SDB_ENOTFOUND);
    }
    for (unsigned i = 0; i < 40; i++) {
        int size = snprintf(key, sizeof(key), "more:%05u", i);

        error = FAULTY(sdb_set(run->f.session, key, (size_t)size, run_value(100, 1), 100, NULL));
        if (error != SDB_ENOSPC)
            (void)run_judge(run, error, 0);
    }
    run_flush(run, false);
    faults_disarm();
    assert_ok(sdb_flush(run->f.session)); /* where that did not */
    for (int done = 0; !done;)
        assert_ok(sdb_maintain(run->f.session, 1u << 20, &done));
}

/* ---- the loop -------------------------------------------------------------------------------------------------------- */

struct scenario {
    void (*act)(struct run *run);
    uint32_t shards;
    unsigned step; /* of N, in the quick loop, behind the first ten */
};

static bool every_n(void)
{
    return getenv("SUPERDB_FAULTS_ALL") != NULL;
}

static uint64_t injected;

/* Returns how many allocations of the scenario there were: N at which nothing failed any more. */
static uint64_t loop(const struct scenario *scenario, uint64_t count)
{
    for (uint64_t n = 0;; n += n < 10 || every_n() ? 1 : scenario->step) {
        struct run run;
        uint64_t failed;

        run_begin(&run, SDB_ENOMEM, SIZE, 0, scenario->shards);
        run_arm(&run, FAULT_BIT(FAULT_MEMORY), n, count);
        scenario->act(&run);
        failed = faults->failed;
        injected += failed;
        faults_disarm();
        run_end(&run);
        if (failed == 0) {
            assert_int_equal(run.refused, 0);
            return n;
        }
    }
}

static void survives(void **state)
{
    const struct scenario *scenario = *state;
    uint64_t once, for_good;

    injected = 0;
    once = loop(scenario, 1);
    for_good = loop(scenario, UINT64_MAX);
    assert_true(once > 0 && for_good > 0);
    print_message("N to %llu, and for good to %llu: %llu faults\n", (unsigned long long)once, (unsigned long long)for_good,
                  (unsigned long long)injected);
}

#define SCENARIO(name, shards, step)                                                                                   \
    {                                                                                                                  \
        #name "_survives_any_allocation_that_fails", survives, NULL, run_tear_down, &(struct scenario){name, shards, step}      \
    }

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        SCENARIO(every_size, 4, 6),
        SCENARIO(every_size_in_a_pool_just_opened, 4, 6),
        SCENARIO(groups, 4, 6),
        SCENARIO(transactions, 4, 6),
        SCENARIO(many_at_once, 4, 6),
        SCENARIO(whole_keys, 4, 6),
        SCENARIO(an_index_that_grows, 1, 6),
        SCENARIO(databases, 4, 6),
        SCENARIO(reclaiming_in_a_pool_just_opened, 4, 6),
        SCENARIO(maintenance_in_a_group, 4, 6),
        SCENARIO(reads, 4, 6),
        SCENARIO(a_record_without_room_in_its_lane, 4, 6),
        SCENARIO(a_full_pool, 2, 6),
    };

    if (argc > 1) /* one of them */
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
