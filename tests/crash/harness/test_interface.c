/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_interface.c - crashtest.h as an application sees it: runs that repeat, errors, threads of either kind, what is left
 * behind unflushed
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <pthread.h>

#include "superdb/crashtest.h"

#define THREADS 3u
#define ROUNDS 12

struct counters {
    struct sdb_crashtest *test;
    struct sdb_pool *pool;
    uint64_t begun[THREADS], done[THREADS]; /* atomic */
};

static const char *const names[THREADS] = {"first", "second", "third"};

static void begin_one(struct counters *c, unsigned t)
{
    sdb_crashtest_begin(c->test);
    __atomic_add_fetch(&c->begun[t], 1, __ATOMIC_SEQ_CST);
}

static void end_one(struct counters *c, unsigned t)
{
    __atomic_add_fetch(&c->done[t], 1, __ATOMIC_SEQ_CST);
    sdb_crashtest_end(c->test);
}

static int count_up(struct counters *c, unsigned t)
{
    struct sdb_session *session;
    int64_t value;
    int error = sdb_session_open(c->pool, &session);

    for (int i = 0; i < ROUNDS && !error; i++) {
        begin_one(c, t);
        error = sdb_add(session, names[t], strlen(names[t]), 1, &value);
        end_one(c, t);
    }
    sdb_session_close(session);
    return error;
}

static int holds(void *context, struct sdb_session *session, struct sdb_crashtest_image *image)
{
    const struct counters *c = context;

    (void)image;
    for (unsigned t = 0; t < THREADS; t++) {
        uint64_t least = __atomic_load_n(&c->done[t], __ATOMIC_SEQ_CST);
        int64_t value = 0;

        if (sdb_add(session, names[t], strlen(names[t]), 0, &value) != SDB_OK || (uint64_t)value < least ||
            (uint64_t)value > __atomic_load_n(&c->begun[t], __ATOMIC_SEQ_CST))
            return 1;
    }
    return 0;
}

static int alone(void *context, struct sdb_crashtest *test, struct sdb_pool *pool)
{
    struct counters *c = context;

    c->test = test;
    c->pool = pool;
    return count_up(c, 0);
}

static int scheduled(void *context, struct sdb_crashtest *test, struct sdb_pool *pool, unsigned number)
{
    (void)test;
    (void)pool;
    return count_up(context, number);
}

static int in_turn(void *context, struct sdb_crashtest *test, struct sdb_pool *pool)
{
    struct counters *c = context;

    c->test = test;
    c->pool = pool;
    return sdb_crashtest_threads(test, THREADS, scheduled, c);
}

struct own_thread {
    struct counters *counters;
    unsigned number;
    int error;
};

static void *own_thread(void *argument)
{
    struct own_thread *own = argument;

    own->error = count_up(own->counters, own->number);
    return NULL;
}

static int at_once(void *context, struct sdb_crashtest *test, struct sdb_pool *pool)
{
    struct own_thread own[THREADS];
    pthread_t threads[THREADS];
    struct counters *c = context;
    int error = SDB_OK;

    c->test = test;
    c->pool = pool;
    for (unsigned t = 0; t < THREADS; t++) {
        own[t] = (struct own_thread){.counters = c, .number = t};
        assert_int_equal(pthread_create(&threads[t], NULL, own_thread, &own[t]), 0);
    }
    for (unsigned t = 0; t < THREADS; t++) {
        assert_int_equal(pthread_join(threads[t], NULL), 0);
        error = error ? error : own[t].error;
    }
    return error;
}

typedef int work_function(void *context, struct sdb_crashtest *test, struct sdb_pool *pool);

static struct sdb_crashtest_report run(work_function *work, uint64_t seed, int expected)
{
    struct sdb_crashtest_options options = SDB_CRASHTEST_OPTIONS_INIT;
    struct counters counters = {0};
    struct sdb_crashtest_case mine = {.context = &counters, .work = work, .invariant = holds};
    struct sdb_crashtest_report report;

    options.seed = seed;
    options.states_max = 64;
    options.random_images = 24;
    options.lines_max = 8;
    options.nested_every = 50;
    assert_int_equal(sdb_crashtest_run(&options, &mine, &report), expected);
    return report;
}

static void the_same_seed_gives_the_same_run(void **state)
{
    (void)state;
    for (unsigned threads = 0; threads < 2; threads++) {
        const struct sdb_crashtest_report a = run(threads ? in_turn : alone, 5, SDB_OK);
        const struct sdb_crashtest_report b = run(threads ? in_turn : alone, 5, SDB_OK);

        assert_true(a.images > 500 && a.nested > 0);
        assert_int_equal(a.fences, b.fences);
        assert_int_equal(a.points, b.points);
        assert_int_equal(a.images, b.images);
        assert_int_equal(a.duplicates, b.duplicates);
        assert_int_equal(a.converged, b.converged);
        assert_int_equal(a.nested, b.nested);
        assert_true(a.states_log10 == b.states_log10);
    }
}

static void another_seed_gives_another_run(void **state)
{
    const struct sdb_crashtest_report a = run(in_turn, 5, SDB_OK), b = run(in_turn, 6, SDB_OK);

    (void)state;
    assert_true(a.images != b.images || a.duplicates != b.duplicates || a.fences != b.fences);
}

static void threads_of_the_application_are_crashed_too(void **state)
{
    const struct sdb_crashtest_report report = run(at_once, 5, SDB_OK);

    (void)state;
    assert_true(report.fences >= THREADS * ROUNDS);
    assert_true(report.images > 500);
}

/* Says that more is done than is: as if an acknowledgement came before its fence. */
static int too_early(void *context, struct sdb_crashtest *test, struct sdb_pool *pool)
{
    struct counters *c = context;
    struct sdb_session *session;
    int64_t value;

    assert_int_equal(sdb_session_open(pool, &session), SDB_OK);
    c->test = test;
    begin_one(c, 0);
    assert_int_equal(sdb_group_begin(session), SDB_OK);
    assert_int_equal(sdb_add(session, names[0], strlen(names[0]), 1, &value), SDB_OK);
    end_one(c, 0); /* the group's end is still to come */
    assert_int_equal(sdb_group_end(session), SDB_OK);
    sdb_session_close(session);
    return SDB_OK;
}

static void an_early_acknowledgement_is_caught(void **state)
{
    const struct sdb_crashtest_report report = run(too_early, 5, SDB_ECORRUPT);

    (void)state;
    assert_true(report.failed_point != 0);
    assert_non_null(strstr(report.failure, "seed 5"));
    assert_string_equal(sdb_last_error(), report.failure);
}

static int fails(void *context, struct sdb_crashtest *test, struct sdb_pool *pool)
{
    (void)context;
    (void)test;
    (void)pool;
    return SDB_ENOTINT;
}

static void an_error_of_the_work_is_that_of_the_run(void **state)
{
    (void)state;
    (void)run(fails, 5, SDB_ENOTINT);
}

static int runs_another(void *context, struct sdb_crashtest *test, struct sdb_pool *pool)
{
    const struct sdb_crashtest_case mine = {.context = context};

    (void)test;
    (void)pool;
    return sdb_crashtest_run(NULL, &mine, NULL);
}

static void there_is_one_run_at_a_time(void **state)
{
    (void)state;
    (void)run(runs_another, 5, SDB_EBUSY);
}

static void impossible_options_are_refused(void **state)
{
    struct sdb_crashtest_options options = SDB_CRASHTEST_OPTIONS_INIT;
    const struct sdb_crashtest_case mine = {.work = fails};

    (void)state;
    options.domain = 3;
    assert_int_equal(sdb_crashtest_run(&options, &mine, NULL), SDB_EINVAL);
    options.domain = 0;
    options.flags = 4;
    assert_int_equal(sdb_crashtest_run(&options, &mine, NULL), SDB_EINVAL);
    assert_int_equal(sdb_crashtest_run(NULL, NULL, NULL), SDB_EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_seed_gives_the_same_run),
        cmocka_unit_test(another_seed_gives_another_run),
        cmocka_unit_test(threads_of_the_application_are_crashed_too),
        cmocka_unit_test(an_early_acknowledgement_is_caught),
        cmocka_unit_test(an_error_of_the_work_is_that_of_the_run),
        cmocka_unit_test(there_is_one_run_at_a_time),
        cmocka_unit_test(impossible_options_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
