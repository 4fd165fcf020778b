/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_file_crash.c - a process that is killed between any two system calls leaves a pool, or a file that says it is
 * unfinished
 *
 * A child makes, opens, grows and closes a pool under ptrace and is killed at its k-th system call (on disk, every
 * fifth), for every k until it comes through. (Crashes between stores to a superblock copy are in test_file.c: they
 * need no process.)
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "error.h"
#include "file.h"
#include "superblock.h"

#define MIB (1ull << 20)
#define SIZE (16 * MIB)
#define GROWN (20 * MIB)
#define SYSTEM_CALLS_MAX 5000u /* far more than the child makes: the loops here end */

static char directory[64];
static char path[128];
static struct pool_file pool;
static unsigned
    stride; /* between two kills, in stops: a call stops at its entry and its exit, and the exit is as the next entry */

static int set_up_in(const char *parent)
{
    (void)snprintf(directory, sizeof(directory), "%s/superdb-crash-XXXXXX", parent);
    assert_non_null(mkdtemp(directory));
    (void)snprintf(path, sizeof(path), "%s/pool", directory);
    return unsetenv("SUPERDB_FLUSH");
}

static int set_up_in_memory(void **state)
{
    (void)state;
    stride = 2;
    return set_up_in(access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
}

static int set_up_on_disk(void **state)
{
    (void)state;
    stride = 10; /* every fifth call: syncing takes time */
    return set_up_in("/var/tmp");
}

static int tear_down(void **state)
{
    (void)state;
    (void)unlink(path);
    return rmdir(directory);
}

static struct sdb_options with_flags(uint32_t flags)
{
    struct sdb_options options = SDB_OPTIONS_INIT;

    options.flags = flags;
    options.pool_size = SIZE;
    options.pool_size_max = 2 * SIZE;
    return options;
}

static int make(void)
{
    const struct sdb_options options = with_flags(SDB_CREATE);

    return pool_file_open(path, &options, &pool);
}

static int grow_and_close(void)
{
    const struct sdb_options options = with_flags(0);
    int error = pool_file_open(path, &options, &pool);

    if (error == 0)
        error = pool_file_mark_open(&pool);
    if (error == 0)
        error = pool_file_grow(&pool, GROWN);
    if (error == 0)
        error = pool_file_mark_clean(&pool);
    if (error == 0)
        pool_file_close(&pool);
    return error;
}

static pid_t start_traced(int (*work)(void))
{
    int status;

    (void)fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
            _exit(2);
        (void)raise(SIGSTOP);
        _exit(work() == 0 ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSTOPPED(status));
    return child;
}

/*
 * Runs work in a child that is killed at its k-th stop at a system call. Returns 1 where it ended before, with success.
 */
static int run_until(unsigned k, int (*work)(void))
{
    pid_t child = start_traced(work);
    int status;

    for (unsigned stop = 0; stop < k; stop++) {
        assert_int_equal(ptrace(PTRACE_SYSCALL, child, NULL, NULL), 0);
        assert_int_equal(waitpid(child, &status, 0), child);
        if (WIFEXITED(status)) {
            assert_int_equal(WEXITSTATUS(status), 0);
            return 1;
        }
        assert_true(WIFSTOPPED(status));
    }
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    return 0;
}

static void expect_zeros_from(uint64_t offset)
{
    for (uint64_t i = offset; i < pool.size; i += sizeof(uint64_t)) {
        if (*(const uint64_t *)(const void *)(pool.base + i) != 0)
            fail_msg("bytes at %llu are not zero", (unsigned long long)i);
    }
}

/* What a user does next: opens it, and where that says it is unfinished or not there, makes it. */
static void expect_usable_after_creation(unsigned k)
{
    const struct sdb_options as_it_is = with_flags(0);
    int error = pool_file_open(path, &as_it_is, &pool);

    if (error == 0) {
        pool_file_close(&pool);
    } else if (error != SDB_ENOENT && error != SDB_EFORMAT) {
        fail_msg("killed at stop %u: %s", k, error_text());
    }
    error = make();
    if (error != 0)
        fail_msg("killed at stop %u: %s", k, error_text());
    assert_int_equal(pool.size, SIZE);
    expect_zeros_from(SUPERBLOCK_AREA_SIZE);
    pool_file_close(&pool);
    assert_int_equal(unlink(path), 0);
}

static void a_creation_killed_at_any_system_call_can_be_done_again(void **state)
{
    unsigned k = 1;
    (void)state;

    while (k < SYSTEM_CALLS_MAX && !run_until(k, make)) {
        expect_usable_after_creation(k);
        k += stride;
    }
    assert_in_range(k, 20, SYSTEM_CALLS_MAX - 1); /* it was killed in many places, and came through in the end */
    expect_usable_after_creation(k);
}

static void a_growth_killed_at_any_system_call_happened_or_did_not(void **state)
{
    unsigned sizes_old = 0;
    unsigned sizes_new = 0;
    unsigned unclean = 0;
    unsigned k = 1;
    (void)state;

    for (int through = 0; !through && k < SYSTEM_CALLS_MAX; k += stride) {
        const struct sdb_options options = with_flags(0);

        assert_int_equal(make(), 0);
        pool_file_close(&pool);
        through = run_until(k, grow_and_close);
        if (pool_file_open(path, &options, &pool) != 0)
            fail_msg("killed at stop %u: %s", k, error_text());
        assert_true(pool.size == SIZE || pool.size == GROWN);
        sizes_old += pool.size == SIZE;
        sizes_new += pool.size == GROWN;
        unclean += !pool.was_clean;
        assert_int_equal(pool_file_mark_open(&pool), 0);
        assert_int_equal(pool_file_grow(&pool, 2 * SIZE), 0);
        expect_zeros_from(pool.superblock.heap_offset);
        pool_file_close(&pool);
        assert_int_equal(unlink(path), 0);
    }
    assert_true(k < SYSTEM_CALLS_MAX);
    assert_true(sizes_old > 0);
    assert_true(sizes_new > 0);
    assert_true(unclean > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_creation_killed_at_any_system_call_can_be_done_again, set_up_in_memory,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_creation_killed_at_any_system_call_can_be_done_again, set_up_on_disk,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_growth_killed_at_any_system_call_happened_or_did_not, set_up_in_memory,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_growth_killed_at_any_system_call_happened_or_did_not, set_up_on_disk,
                                        tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
