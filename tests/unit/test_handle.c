/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_handle.c - handles: valid for as long as the key lives, stale for ever after, harmless when forged
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine_case.h"

static char big[50000];

static int fill_big(void **state)
{
    (void)state;
    memset(big, 'b', sizeof(big));
    return 0;
}

static uint64_t handle_of_key(const char *key)
{
    uint64_t handle = 0;

    assert_ok(sdb_handle(f.session, key, strlen(key), &handle));
    assert_true((int64_t)handle > 0);
    return handle;
}

static void a_handle_leads_to_its_key_after_overwrites_and_openings(void **state)
{
    uint64_t handle;
    char buffer[16];
    size_t size;

    (void)state;
    assert_ok(fixture_set(&f, "k", "1"));
    handle = handle_of_key("k");
    assert_ok(sdb_set(f.session, "k", 1, big, 3000, NULL));
    assert_ok(sdb_expire(f.session, "k", 1, NOW + 10));
    assert_int_equal(handle_of_key("k"), handle);
    fixture_reopen(&f);
    sdb_session_set_time(f.session, NOW);
    assert_ok(sdb_get_by_handle(f.session, handle, buffer, sizeof(buffer), &size));
    assert_int_equal(size, 3000);
    fixture_crash(&f);
    sdb_session_set_time(f.session, NOW);
    assert_int_equal(handle_of_key("k"), handle);
    assert_ok(sdb_set_by_handle(f.session, handle, "by handle", 9));
    assert_true(fixture_has(&f, "k", "by handle"));
}

static void a_handle_of_a_deleted_key_stays_stale_while_its_entry_is_reused(void **state)
{
    uint64_t old[50];
    char buffer[16];
    bool reused = false;

    (void)state;
    for (unsigned i = 0; i < 50; i++) {
        assert_ok(fixture_set(&f, "k", "1"));
        old[i] = handle_of_key("k");
        assert_ok(sdb_delete(f.session, "k", 1));
        if (i == 25)
            fixture_crash(&f);
    }
    assert_ok(fixture_set(&f, "k", "1"));
    for (unsigned i = 0; i < 50; i++) {
        reused |= old[i] >> 16 == handle_of_key("k") >> 16;
        assert_int_equal(sdb_get_by_handle(f.session, old[i], buffer, sizeof(buffer), NULL), SDB_ESTALE);
        assert_int_equal(sdb_set_by_handle(f.session, old[i], "x", 1), SDB_ESTALE);
    }
    assert_true(reused);
    assert_true(fixture_has(&f, "k", "1"));
}

static void a_handle_names_the_database_too(void **state)
{
    uint64_t handle;

    (void)state;
    assert_ok(sdb_select(f.session, 3));
    assert_ok(fixture_set(&f, "k", "three"));
    handle = handle_of_key("k");
    assert_ok(sdb_select(f.session, 0));
    assert_ok(sdb_set_by_handle(f.session, handle, "changed", 7));
    assert_true(fixture_has(&f, "k", NULL));
    assert_ok(sdb_select(f.session, 3));
    assert_true(fixture_has(&f, "k", "changed"));
}

static void writing_by_handle_keeps_the_time_to_live(void **state)
{
    struct sdb_set_options options = {.expire_ms = NOW + 10};
    uint64_t handle;
    struct sdb_view view;

    (void)state;
    options.handle = &handle;
    assert_ok(sdb_set(f.session, "a key that does not fit inline", 30, "1", 1, &options));
    assert_ok(sdb_set_by_handle(f.session, handle, big, sizeof(big)));
    assert_ok(sdb_view_by_handle(f.session, handle, &view));
    assert_true(view.expire_ms == NOW + 10 && view.size == sizeof(big) && view.handle == handle);
    sdb_view_release(f.session, &view);
    assert_int_equal(sdb_set_by_handle(f.session, handle, big, (size_t)SDB_VALUE_SIZE_MAX + 1), SDB_ETOOBIG);
    sdb_session_set_time(f.session, NOW + 10);
    assert_int_equal(sdb_view_by_handle(f.session, handle, &view), SDB_ESTALE);
}

static void handles_in_a_transaction_see_and_lock(void **state)
{
    uint64_t handle;
    char buffer[8];
    size_t size;

    (void)state;
    assert_ok(fixture_set(&f, "k", "before"));
    handle = handle_of_key("k");
    assert_ok(sdb_begin(f.session, NULL, 0));
    assert_ok(sdb_set_by_handle(f.session, handle, "within", 6));
    assert_ok(sdb_get_by_handle(f.session, handle, buffer, 8, &size));
    assert_memory_equal(buffer, "within", 6);
    assert_ok(sdb_delete(f.session, "k", 1));
    assert_int_equal(sdb_get_by_handle(f.session, handle, buffer, 8, &size), SDB_ESTALE);
    sdb_abort(f.session);
    assert_ok(sdb_get_by_handle(f.session, handle, buffer, 8, &size));
    assert_memory_equal(buffer, "before", 6);
}

static void batches_by_handle_tell_each_result(void **state)
{
    uint64_t handles[40];
    struct sdb_inline values[40];
    char name[8];

    (void)state;
    for (unsigned i = 0; i < 40; i++) {
        size_t size = (size_t)sprintf(name, "k:%u", i);

        assert_ok(sdb_set(f.session, name, size, i % 4 == 1 ? big : "12345678", i % 4 == 1 ? 17 : 8, NULL));
        handles[i] = handle_of_key(name);
        if (i % 4 == 2)
            assert_ok(sdb_delete(f.session, name, size));
        if (i % 4 == 3)
            handles[i] = UINT64_MAX - i;
    }
    sdb_get_many_by_handle(f.session, handles, 40, values);
    for (unsigned i = 0; i < 40; i++) {
        static const int results[] = {SDB_OK, SDB_ETOOBIG, SDB_ESTALE, SDB_ESTALE};

        assert_int_equal(values[i].result, results[i % 4]);
        if (i % 4 == 0)
            assert_int_equal(values[i].value.integer, 12345678);
    }
    sdb_get_many_by_handle(f.session, NULL, 0, NULL);
}

static void use_forged(uint64_t handle)
{
    struct sdb_inline value;
    struct sdb_view view;
    char buffer[32];
    int error = sdb_get_by_handle(f.session, handle, buffer, sizeof(buffer), NULL);

    assert_true(error == SDB_ESTALE || error == SDB_OK);
    assert_int_equal(sdb_view_by_handle(f.session, handle, &view), error);
    if (!error)
        sdb_view_release(f.session, &view);
    sdb_prefetch_by_handle(f.session, &handle, 1);
    sdb_get_many_by_handle(f.session, &handle, 1, &value);
    assert_true(value.result == error || value.result == SDB_ETOOBIG);
    if (error)
        assert_int_equal(sdb_set_by_handle(f.session, handle, "forged", 6), error);
}

static void forged_handles_do_no_harm(void **state)
{
    uint64_t end, random;

    (void)state;
    for (unsigned i = 0; i < 3000; i++) {
        char name[16];

        assert_ok(sdb_set(f.session, name, (size_t)sprintf(name, "k:%u", i), big, i % 50 * 100, NULL));
    }
    end = f.pool->file.size;
    for (uint64_t at = 0; at < 80 * MIB; at += 4096 + 32) /* metadata, headers, blobs, entries, beyond the end */
        for (unsigned generation = 0; generation < 3; generation++)
            use_forged(at >> ENTRY_SHIFT << 16 | generation);
    for (uint64_t at = end - 4096; at < end + 4096; at += 32)
        use_forged(at >> ENTRY_SHIFT << 16);
    for (unsigned i = 0; i < 300000; i++) {
        random = fixture_random(&f, UINT64_MAX);
        use_forged(i % 2 ? random : random >> (random % 48));
    }
    for (unsigned shift = 0; shift < 64; shift++) {
        use_forged(1ull << shift);
        use_forged(UINT64_MAX << shift);
    }
    assert_int_equal(fixture_count(&f), 3000);
    assert_int_equal(fixture_check(&f), 3000);
}

static void forged_handles_in_a_transaction_do_no_harm(void **state)
{
    struct sdb_view view;

    (void)state;
    assert_ok(fixture_set(&f, "k", "1"));
    assert_ok(sdb_begin(f.session, NULL, 0));
    for (uint64_t at = 0; at < 80 * MIB; at += 32768)
        assert_int_equal(sdb_view_by_handle(f.session, (at + 96) >> ENTRY_SHIFT << 16 | 7, &view), SDB_ESTALE);
    assert_ok(sdb_commit(f.session));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_handle_leads_to_its_key_after_overwrites_and_openings),
        TEST(a_handle_of_a_deleted_key_stays_stale_while_its_entry_is_reused),
        TEST(a_handle_names_the_database_too),
        TEST(writing_by_handle_keeps_the_time_to_live),
        TEST(handles_in_a_transaction_see_and_lock),
        TEST(batches_by_handle_tell_each_result),
        TEST(forged_handles_do_no_harm),
        TEST(forged_handles_in_a_transaction_do_no_harm),
    };
    return cmocka_run_group_tests(tests, fill_big, NULL);
}
