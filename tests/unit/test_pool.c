/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_pool.c - opening, closing, growing and describing pools through the public header
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "engine_fixture.h"

static struct fixture f;
static char big[100000];

static int set_up(void **state)
{
    (void)state;
    fixture_create(&f, 16 * MIB, 64 * MIB, 2);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    fixture_destroy(&f);
    return 0;
}

static void misuse_is_refused(void **state)
{
    struct sdb_pool *pool = (struct sdb_pool *)(void *)&f;

    (void)state;
    assert_int_equal(sdb_open(NULL, NULL, &pool), SDB_EINVAL);
    assert_int_equal(sdb_open(f.path, NULL, NULL), SDB_EINVAL);
    assert_ptr_equal(pool, &f);
    assert_ok(sdb_close(NULL));
    assert_int_equal(sdb_check(NULL, NULL, NULL, NULL), SDB_EINVAL);
}

static void each_way_to_fail_has_its_error(void **state)
{
    struct sdb_options options = SDB_OPTIONS_INIT;
    struct sdb_pool *pool = NULL;
    char path[128];

    (void)state;
    assert_int_equal(sdb_open(f.path, NULL, &pool), SDB_ELOCKED);
    snprintf(path, sizeof(path), "%s.none", f.path);
    assert_int_equal(sdb_open(path, NULL, &pool), SDB_ENOENT);
    assert_non_null(strstr(sdb_last_error(), path));
    options.flags = SDB_CREATE;
    options.shards = 3;
    assert_int_equal(sdb_open(path, &options, &pool), SDB_EINVAL);
    options.shards = 2;
    options.pool_size = 64 * MIB;
    options.pool_size_max = 32 * MIB;
    assert_int_equal(sdb_open(path, &options, &pool), SDB_EINVAL);
    assert_int_equal(access(path, F_OK), -1);
    options.flags = SDB_CREATE | SDB_EXCLUSIVE;
    fixture_close(&f);
    assert_int_equal(sdb_open(f.path, &options, &pool), SDB_EEXIST);
    fixture_open(&f);
    assert_null(pool);
}

static void another_process_is_named_that_holds_the_pool(void **state)
{
    pid_t child = fork();
    int status;

    (void)state;
    if (child == 0) {
        struct sdb_pool *pool;
        char holder[32];
        int error = sdb_open(f.path, NULL, &pool);

        snprintf(holder, sizeof(holder), "%d", (int)getppid());
        _exit(error == SDB_ELOCKED && strstr(sdb_last_error(), holder) ? 0 : 1);
    }
    assert_true(child > 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static void every_error_has_a_text(void **state)
{
    (void)state;
    assert_string_equal(sdb_version(), "0.1.0");
    assert_string_equal(sdb_strerror(12345), "unknown error");
    assert_string_equal(sdb_strerror(SDB_ENOSPC), "the pool is full");
    for (int error = SDB_OK; error >= SDB_EBUSY; error--)
        assert_true(strlen(sdb_strerror(error)) > 0 && strcmp(sdb_strerror(error), "unknown error") != 0);
}

/* -- reading only -- */

static void a_pool_open_for_reading_reads_all_and_writes_nothing(void **state)
{
    struct sdb_pool_info info;
    struct sdb_slice key = {"k", 1};
    struct sdb_pair pair = {{"k", 1}, {"v", 1}};
    struct sdb_stat stat;
    uint64_t handle;

    (void)state;
    assert_ok(sdb_set(f.session, "k", 1, big, 1000, NULL));
    fixture_close(&f);
    f.options.flags = SDB_READONLY;
    fixture_open(&f);
    assert_ok(sdb_stat(f.session, "k", 1, &stat));
    assert_ok(sdb_handle(f.session, "k", 1, &handle));
    assert_int_equal(fixture_count(&f), 1);
    assert_int_equal(sdb_set(f.session, "k", 1, "v", 1, NULL), SDB_EREADONLY);
    assert_int_equal(sdb_delete(f.session, "k", 1), SDB_EREADONLY);
    assert_int_equal(sdb_expire(f.session, "k", 1, 1), SDB_EREADONLY);
    assert_int_equal(sdb_add(f.session, "k", 1, 1, NULL), SDB_EREADONLY);
    assert_int_equal(sdb_append(f.session, "k", 1, "x", 1, NULL), SDB_EREADONLY);
    assert_int_equal(sdb_set_range(f.session, "k", 1, 1, "x", 1, NULL), SDB_EREADONLY);
    assert_int_equal(sdb_rename(f.session, "k", 1, "l", 1, 1), SDB_EREADONLY);
    assert_int_equal(sdb_copy(f.session, "k", 1, 1, "l", 1, 1), SDB_EREADONLY);
    assert_int_equal(sdb_move(f.session, "k", 1, 1), SDB_EREADONLY);
    assert_int_equal(sdb_set_by_handle(f.session, handle, "x", 1), SDB_EREADONLY);
    assert_int_equal(sdb_set_many(f.session, &pair, 1, 0), SDB_EREADONLY);
    assert_int_equal(sdb_delete_many(f.session, &key, 1, NULL), SDB_EREADONLY);
    assert_int_equal(sdb_flush(f.session), SDB_EREADONLY);
    assert_int_equal(sdb_flush_all(f.session), SDB_EREADONLY);
    assert_int_equal(sdb_swap_databases(f.session, 0, 1), SDB_EREADONLY);
    assert_int_equal(sdb_maintain(f.session, 1, NULL), SDB_EREADONLY);
    assert_int_equal(sdb_resize(f.pool, 32 * MIB), SDB_EREADONLY);
    assert_ok(sdb_group_begin(f.session));
    assert_ok(sdb_group_end(f.session));
    assert_ok(sdb_begin(f.session, &key, 1));
    assert_ok(sdb_exists(f.session, "k", 1));
    assert_ok(sdb_commit(f.session));
    sdb_pool_info(f.pool, &info);
    assert_int_equal(info.failed, 0);
    assert_int_equal(fixture_check(&f), 1);
}

static void a_pool_that_needs_recovery_is_not_opened_for_reading_only(void **state)
{
    struct sdb_options options = SDB_OPTIONS_INIT;
    struct sdb_pool *pool = NULL;
    char copy[96];

    (void)state;
    snprintf(copy, sizeof(copy), "%s.crash", f.path);
    assert_ok(fixture_set(&f, "k", "1"));
    fixture_snapshot(&f, copy);
    options.flags = SDB_READONLY;
    assert_true(sdb_open(copy, &options, &pool) < 0);
    assert_null(pool);
    assert_int_equal(unlink(copy), 0);
}

/* -- growing -- */

static void a_full_pool_that_grows_takes_more(void **state)
{
    struct sdb_pool_info info;
    unsigned keys = 0, before;
    char name[32];

    (void)state;
    for (uint64_t size = 18; size <= 40; size += 22) {
        while (sdb_set(f.session, name, (size_t)sprintf(name, "k:%u", keys), big, sizeof(big), NULL) == SDB_OK)
            keys++;
        before = keys;
        assert_ok(sdb_resize(f.pool, size * MIB - 5)); /* rounded up */
        sdb_pool_info(f.pool, &info);
        assert_int_equal(info.size, size * MIB);
        while (sdb_set(f.session, name, (size_t)sprintf(name, "k:%u", keys), big, sizeof(big), NULL) == SDB_OK)
            keys++;
        if (size > 18)
            assert_true(keys > before + 50);
    }
    fixture_crash(&f);
    sdb_pool_info(f.pool, &info);
    assert_int_equal(info.size, 40 * MIB);
    assert_int_equal(fixture_check(&f), keys);
}

static void a_pool_does_not_shrink_or_outgrow_its_maximum(void **state)
{
    (void)state;
    assert_int_equal(sdb_resize(f.pool, 14 * MIB), SDB_EINVAL);
    assert_int_equal(sdb_resize(f.pool, 66 * MIB), SDB_EINVAL);
    assert_int_equal(sdb_resize(f.pool, UINT64_MAX), SDB_EINVAL);
    assert_ok(sdb_resize(f.pool, 16 * MIB));
    assert_ok(sdb_resize(f.pool, 64 * MIB));
    assert_int_equal(f.pool->file.size, 64 * MIB);
}

/* -- figures -- */

/* The group holds the lock of the pool's own words since it emptied the databases. */
static void a_pool_grows_for_the_thread_whose_group_is_open(void **state)
{
    uint64_t keys;

    (void)state;
    fixture_destroy(&f);
    fixture_create(&f, 16 * MIB, 64 * MIB, 2);
    assert_ok(sdb_set(f.session, "a", 1, "1", 1, NULL));
    assert_ok(sdb_group_begin(f.session));
    assert_ok(sdb_flush_all(f.session));
    assert_ok(sdb_set(f.session, "b", 1, "2", 1, NULL));
    assert_ok(sdb_resize(f.pool, 32 * MIB));
    assert_ok(sdb_group_end(f.session));
    assert_ok(sdb_count(f.session, &keys));
    assert_int_equal(keys, 1);
    (void)fixture_check(&f);
}

static void info_tells_what_was_asked_for_and_given(void **state)
{
    struct sdb_pool_info info;

    (void)state;
    sdb_pool_info(f.pool, &info);
    assert_string_equal(info.path, f.path);
    assert_true(info.size == 16 * MIB && info.size_max == 64 * MIB && info.shards == 2 && info.lanes >= 1);
    assert_true(info.recovered == 0 && info.failed == 0 && info.format_version == 1);
    assert_int_equal(info.durability, SDB_DURABILITY_PROCESS);
    assert_true(strlen(info.durability_reason) > 0 && strlen(info.flush) > 0 && strlen(info.simd) > 0);
    assert_true(info.created_ms > 1600000000000ll && info.used > 0 && info.used < info.size);
    fixture_crash(&f);
    sdb_pool_info(f.pool, &info);
    assert_int_equal(info.recovered, 1);
    fixture_reopen(&f);
    sdb_pool_info(f.pool, &info);
    assert_int_equal(info.recovered, 0);
}

static void a_pool_of_any_number_of_shards_opens_with_any_cache(void **state)
{
    (void)state;
    for (uint32_t shards = 1; shards <= 16; shards *= 4)
        for (unsigned cache = 0; cache < 3; cache++) {
            fixture_destroy(&f);
            fixture_create(&f, 64 * MIB, 0, shards);
            f.options.cache_size = cache == 0 ? 0 : cache == 1 ? 1 : SDB_CACHE_DEFAULT;
            fixture_reopen(&f);
            for (unsigned i = 0; i < 200; i++) {
                char name[16];

                snprintf(name, sizeof(name), "k:%u", i);
                assert_ok(fixture_set(&f, name, name));
                assert_true(fixture_has(&f, name, name) && fixture_has(&f, name, name));
            }
            assert_int_equal(fixture_count(&f), 200);
        }
}

static void opening_and_closing_a_hundred_times_costs_no_memory(void **state)
{
    struct sdb_stats first, last;

    (void)state;
    assert_ok(fixture_set(&f, "k", "1"));
    first = fixture_stats(&f);
    for (unsigned i = 0; i < 100; i++) {
        if (i % 2)
            fixture_crash(&f);
        else
            fixture_reopen(&f);
        assert_ok(sdb_set(f.session, "k", 1, big, 1000 + i, NULL));
    }
    assert_ok(fixture_set(&f, "k", "1"));
    last = fixture_stats(&f);
    assert_true(last.used <= first.used + 10 * PAGE_SIZE_POOL);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(misuse_is_refused),
        TEST(each_way_to_fail_has_its_error),
        TEST(another_process_is_named_that_holds_the_pool),
        TEST(every_error_has_a_text),
        TEST(a_pool_open_for_reading_reads_all_and_writes_nothing),
        TEST(a_pool_that_needs_recovery_is_not_opened_for_reading_only),
        TEST(a_full_pool_that_grows_takes_more),
        TEST(a_pool_does_not_shrink_or_outgrow_its_maximum),
        TEST(info_tells_what_was_asked_for_and_given),
        TEST(a_pool_of_any_number_of_shards_opens_with_any_cache),
        TEST(a_pool_grows_for_the_thread_whose_group_is_open),
        TEST(opening_and_closing_a_hundred_times_costs_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
