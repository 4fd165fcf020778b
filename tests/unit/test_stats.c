/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_stats.c - figures: they count what happened, once, and the bytes add up
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine_case.h"

static char big[100000];

static void assert_bytes_add_up(void)
{
    struct sdb_stats s = fixture_stats(&f);

    assert_int_equal(s.used + s.free_bytes, f.pool->file.size);
    assert_int_equal(s.used, s.entry_bytes + s.index_bytes + s.blob_bytes + s.metadata_bytes);
}

static void bytes_add_up_whatever_happens(void **state)
{
    char name[32];

    (void)state;
    assert_bytes_add_up();
    for (unsigned i = 0; i < 20000; i++) {
        size_t size = i % 97 == 0 ? i % sizeof(big) : i % 60;
        int error = sdb_set(f.session, name, (size_t)sprintf(name, "k:%u", i), big, size, NULL);

        assert_true(error == SDB_OK || error == SDB_ENOSPC);
        if (i % 3 == 0)
            (void)sdb_delete(f.session, name, (size_t)sprintf(name, "k:%u", i / 2));
        if (i % 1000 == 0)
            assert_bytes_add_up();
    }
    assert_ok(sdb_resize(f.pool, 40 * MIB));
    assert_bytes_add_up();
    assert_ok(sdb_flush_all(f.session));
    for (int done = 0; !done;)
        assert_ok(sdb_maintain(f.session, 100000, &done));
    assert_bytes_add_up();
}

static void lookups_and_hits_are_counted_once(void **state)
{
    struct sdb_stats before, after;

    (void)state;
    assert_ok(fixture_set(&f, "k", "1"));
    before = fixture_stats(&f);
    for (unsigned i = 0; i < 10; i++) {
        assert_ok(sdb_exists(f.session, "k", 1));
        assert_int_equal(sdb_exists(f.session, "none", 4), SDB_ENOTFOUND);
    }
    after = fixture_stats(&f);
    assert_int_equal(after.gets - before.gets, 20);
    assert_int_equal(after.hits - before.hits, 10);
    assert_int_equal(after.cache_hits + after.cache_misses - before.cache_hits - before.cache_misses, 20);
    assert_true(after.cache_hits > before.cache_hits);
}

static void figures_of_closed_sessions_stay(void **state)
{
    struct sdb_session *session;
    struct sdb_stats before = fixture_stats(&f), after;

    (void)state;
    assert_ok(sdb_session_open(f.pool, &session));
    for (unsigned i = 0; i < 10; i++)
        assert_ok(sdb_set(session, "k", 1, big, 3000, NULL));
    assert_ok(sdb_exists(session, "k", 1));
    after = fixture_stats(&f);
    sdb_session_close(session);
    assert_int_equal(fixture_stats(&f).fences, after.fences);
    assert_int_equal(fixture_stats(&f).flushed_lines, after.flushed_lines);
    assert_int_equal(fixture_stats(&f).gets, after.gets);
    assert_int_equal(after.commits - before.commits, 10);
    assert_true(after.log_bytes > before.log_bytes);
}

static void expired_and_reclaimed_keys_are_counted_apart(void **state)
{
    struct sdb_set_options options = {.expire_ms = NOW + 1};
    char name[32];
    int done = 0;

    (void)state;
    for (unsigned i = 0; i < 30; i++)
        assert_ok(sdb_set(f.session, name, (size_t)sprintf(name, "k:%u", i), "v", 1, i < 10 ? &options : NULL));
    sdb_session_set_time(f.session, NOW + 1);
    assert_int_equal(sdb_delete(f.session, "k:0", 3), SDB_ENOTFOUND); /* deleted on the way */
    while (!done)
        assert_ok(sdb_maintain(f.session, 1000, &done));
    assert_int_equal(fixture_stats(&f).expired_keys, 10);
    assert_ok(sdb_flush(f.session));
    for (done = 0; !done;)
        assert_ok(sdb_maintain(f.session, 1000, &done));
    assert_int_equal(fixture_stats(&f).expired_keys, 10);
    assert_int_equal(fixture_stats(&f).reclaimed_keys, 20);
}

static void sixteen_and_eight_bytes_take_forty_eight_of_the_pool(void **state)
{
    struct sdb_stats before, after;
    char name[32];
    uint64_t per_key;

    (void)state;
    fixture_destroy(&f);
    fixture_create(&f, 64 * MIB, 0, 4);
    before = fixture_stats(&f);
    for (unsigned i = 0; i < 300000; i++)
        assert_ok(sdb_set(f.session, name, (size_t)sprintf(name, "key:%012u", i), "8 bytes.", 8, NULL));
    after = fixture_stats(&f);
    per_key = (after.used - before.used) * 100 / 300000;
    if (per_key > 4800)
        fail_msg("%llu.%02llu bytes a key", (unsigned long long)per_key / 100, (unsigned long long)per_key % 100);
    assert_int_equal(after.blob_bytes - before.blob_bytes < 4 * MIB, 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(bytes_add_up_whatever_happens),
        TEST(lookups_and_hits_are_counted_once),
        TEST(figures_of_closed_sessions_stay),
        TEST(expired_and_reclaimed_keys_are_counted_apart),
        TEST(sixteen_and_eight_bytes_take_forty_eight_of_the_pool),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
