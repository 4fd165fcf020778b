/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_file_lock.c - one process writes a pool, others are told who; who opens it for reading only changes nothing
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sys/wait.h>

#include "file_fixture.h"

/* ---- one writer ---- */

/* A child that opens the pool for writing and holds it until it is killed. */
static pid_t hold_in_child(void)
{
    int ready[2];
    char answer = 0;

    assert_int_equal(pipe(ready), 0);
    (void)fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        answer = open_with(0) == 0 && pool_file_mark_open(&pool) == 0 ? 'y' : 'n';
        (void)!write(ready[1], &answer, 1);
        for (;;)
            (void)pause();
    }
    assert_int_equal(read(ready[0], &answer, 1), 1);
    assert_int_equal(answer, 'y');
    (void)close(ready[0]);
    (void)close(ready[1]);
    return child;
}

static void end(pid_t child)
{
    int status;

    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, &status, 0), child);
}

static void a_second_process_is_told_who_holds_the_pool(void **state)
{
    char words[64];
    (void)state;

    make_clean_pool();
    pid_t child = hold_in_child();
    (void)snprintf(words, sizeof(words), "locked by process %d", (int)child);
    expect_refusal(0, SDB_ELOCKED, words);
    expect_refusal(SDB_CREATE, SDB_ELOCKED, words);
    expect_refusal(SDB_READONLY, SDB_ELOCKED, words);
    end(child);

    /* The lock died with the process, and nothing else of it is in the way. */
    assert_int_equal(open_with(0), 0);
    assert_int_equal(pool.was_clean, 0);
    pool_file_close(&pool);
}

static void the_same_process_cannot_open_a_pool_twice(void **state)
{
    static struct pool_file second;
    struct sdb_options options = with_flags(0);
    (void)state;

    make_clean_pool();
    assert_int_equal(open_with(0), 0);
    assert_int_equal(pool_file_open(path, &options, &second), SDB_ELOCKED);
    assert_non_null(strstr(error_text(), "already in this process"));
    options.flags = SDB_READONLY;
    assert_int_equal(pool_file_open(path, &options, &second), SDB_ELOCKED);
    pool_file_close(&pool);
    assert_int_equal(pool_file_open(path, &options, &second), 0);
    pool_file_close(&second);
}

/* ---- reading only ---- */

static void a_read_only_pool_refuses_every_change(void **state)
{
    (void)state;
    make_clean_pool();
    assert_int_equal(open_with(SDB_READONLY), 0);
    assert_int_equal(pool_file_mark_open(&pool), SDB_EREADONLY);
    assert_int_equal(pool_file_mark_clean(&pool), SDB_EREADONLY);
    assert_int_equal(pool_file_grow(&pool, 2 * SIZE), SDB_EREADONLY);
    pool_file_close(&pool);
}

static void a_pool_that_needs_recovery_is_not_opened_for_reading_only(void **state)
{
    (void)state;
    assert_int_equal(open_with(SDB_CREATE), 0);
    assert_int_equal(pool_file_mark_open(&pool), 0);
    pool_file_close(&pool);
    expect_refusal(SDB_READONLY, SDB_EREADONLY, "needs recovery");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_MEMORY(a_second_process_is_told_who_holds_the_pool),
        IN_MEMORY(the_same_process_cannot_open_a_pool_twice),
        IN_MEMORY(a_read_only_pool_refuses_every_change),
        IN_MEMORY(a_pool_that_needs_recovery_is_not_opened_for_reading_only),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
