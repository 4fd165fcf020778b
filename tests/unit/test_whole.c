/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_whole.c - renaming, copying and moving keys
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine_case.h"

static char big[70000];

static int fill_big(void **state)
{
    (void)state;
    memset(big, 'b', sizeof(big) - 1);
    return 0;
}

static char *const values[] = {"", "17", "inline", "of sixteen bytes", "just too large to be inline", big};

static int set_expiring(const char *key, const char *value, int64_t expire_ms)
{
    struct sdb_set_options options = {.expire_ms = expire_ms};

    return sdb_set(f.session, key, strlen(key), value, strlen(value), &options);
}

static int64_t expiry_of(const char *key)
{
    struct sdb_stat stat;

    assert_ok(sdb_stat(f.session, key, strlen(key), &stat));
    return stat.expire_ms;
}

static int rename_key(const char *from, const char *to, int replace)
{
    return sdb_rename(f.session, from, strlen(from), to, strlen(to), replace);
}

static int copy_key(const char *from, uint32_t database, const char *to, int replace)
{
    return sdb_copy(f.session, from, strlen(from), database, to, strlen(to), replace);
}

static const char *const names[] = {"a", "b of sixteen byt", "a name so long that it is kept in a blob", "d"};

static void every_value_survives_every_renaming(void **state)
{
    (void)state;
    for (unsigned v = 0; v < 6; v++)
        for (unsigned n = 0; n < 3; n++)
            for (unsigned expires = 0; expires < 2; expires++) {
                assert_ok(set_expiring(names[n], values[v], expires ? NOW + 5 : 0));
                assert_ok(fixture_set(&f, names[n + 1], values[(v + 1) % 6]));
                assert_int_equal(rename_key(names[n], names[n + 1], 0), SDB_ECONDITION);
                assert_ok(rename_key(names[n], names[n + 1], 1));
                assert_true(fixture_has(&f, names[n], NULL));
                assert_true(fixture_has(&f, names[n + 1], values[v]));
                assert_int_equal(expiry_of(names[n + 1]), expires ? NOW + 5 : 0);
                assert_ok(rename_key(names[n + 1], names[n], 0));
                assert_int_equal(fixture_count(&f), 1);
                assert_ok(sdb_delete(f.session, names[n], strlen(names[n])));
            }
    fixture_crash(&f);
    assert_int_equal(fixture_check(&f), 0);
}

static void a_key_renamed_onto_itself_stays(void **state)
{
    uint64_t handle, again;

    (void)state;
    assert_ok(set_expiring("k", big, NOW + 5));
    assert_ok(sdb_handle(f.session, "k", 1, &handle));
    assert_ok(rename_key("k", "k", 1));
    assert_ok(copy_key("k", 0, "k", 1));
    assert_int_equal(rename_key("k", "k", 0), SDB_ECONDITION);
    assert_int_equal(copy_key("k", 0, "k", 0), SDB_ECONDITION);
    assert_ok(sdb_handle(f.session, "k", 1, &again));
    assert_int_equal(again, handle);
    assert_true(fixture_has(&f, "k", big));
    assert_int_equal(expiry_of("k"), NOW + 5);
}

static void what_is_not_there_cannot_be_renamed_copied_or_moved(void **state)
{
    (void)state;
    assert_ok(fixture_set(&f, "there", "1"));
    assert_int_equal(rename_key("none", "there", 1), SDB_ENOTFOUND);
    assert_int_equal(rename_key("none", "none", 1), SDB_ENOTFOUND);
    assert_int_equal(copy_key("none", 1, "there", 1), SDB_ENOTFOUND);
    assert_int_equal(sdb_move(f.session, "none", 4, 1), SDB_ENOTFOUND);
    assert_true(fixture_has(&f, "there", "1"));
    assert_ok(set_expiring("old", "1", NOW + 1));
    sdb_session_set_time(f.session, NOW + 1);
    assert_int_equal(rename_key("old", "there", 1), SDB_ENOTFOUND);
    assert_true(fixture_has(&f, "there", "1"));
}

static void an_expired_key_is_no_obstacle(void **state)
{
    (void)state;
    assert_ok(set_expiring("old", big, NOW + 1));
    assert_ok(fixture_set(&f, "k", "1"));
    sdb_session_set_time(f.session, NOW + 1);
    assert_ok(rename_key("k", "old", 0));
    assert_true(fixture_has(&f, "old", "1"));
    assert_int_equal(expiry_of("old"), 0);
    assert_int_equal(fixture_count(&f), 1);
}

static void a_copy_is_independent_in_any_database(void **state)
{
    (void)state;
    for (uint32_t d = 0; d < SDB_DATABASES; d++)
        for (unsigned v = 0; v < 6; v++) {
            assert_ok(sdb_select(f.session, 0));
            assert_ok(set_expiring("from", values[v], NOW + 5));
            assert_ok(copy_key("from", d, names[v % 3], 1));
            assert_ok(fixture_set(&f, "from", "changed"));
            assert_ok(sdb_select(f.session, d));
            assert_true(fixture_has(&f, names[v % 3], values[v]));
            assert_int_equal(expiry_of(names[v % 3]), NOW + 5);
        }
    assert_int_equal(copy_key("from", SDB_DATABASES, "to", 1), SDB_EINVAL);
}

static void a_move_changes_the_database_and_nothing_else(void **state)
{
    (void)state;
    for (unsigned v = 0; v < 6; v++) {
        assert_ok(sdb_select(f.session, 0));
        assert_ok(set_expiring(names[v % 3], values[v], NOW + 5));
        assert_ok(sdb_move(f.session, names[v % 3], strlen(names[v % 3]), 7));
        assert_true(fixture_has(&f, names[v % 3], NULL));
        assert_ok(sdb_select(f.session, 7));
        assert_true(fixture_has(&f, names[v % 3], values[v]));
        assert_int_equal(expiry_of(names[v % 3]), NOW + 5);
        assert_ok(copy_key(names[v % 3], 0, names[v % 3], 0));
        assert_int_equal(sdb_move(f.session, names[v % 3], strlen(names[v % 3]), 0), SDB_ECONDITION);
        assert_int_equal(sdb_move(f.session, names[v % 3], strlen(names[v % 3]), 7), SDB_EINVAL);
        assert_int_equal(sdb_move(f.session, names[v % 3], strlen(names[v % 3]), 16), SDB_EINVAL);
        assert_ok(sdb_flush_all(f.session));
    }
}

static void names_that_are_too_long_are_refused(void **state)
{
    static char name[65537];

    (void)state;
    assert_ok(fixture_set(&f, "k", "1"));
    assert_int_equal(sdb_rename(f.session, "k", 1, name, sizeof(name), 1), SDB_ETOOBIG);
    assert_int_equal(sdb_copy(f.session, "k", 1, 2, name, sizeof(name), 1), SDB_ETOOBIG);
    assert_int_equal(sdb_rename(f.session, name, sizeof(name), "l", 1, 1), SDB_ENOTFOUND);
    assert_ok(sdb_rename(f.session, "k", 1, name, sizeof(name) - 1, 0));
    assert_ok(sdb_rename(f.session, name, sizeof(name) - 1, "", 0, 0));
    assert_true(fixture_has(&f, "", "1"));
}

static void thousands_of_renamings_leave_the_index_whole(void **state)
{
    char from[32], to[32];

    (void)state;
    for (unsigned i = 0; i < 3000; i++)
        assert_ok(
            fixture_set(&f, (sprintf(from, "name:%u", i), from), i % 2 ? "short" : "of a size that needs a blob"));
    for (unsigned i = 0; i < 3000; i++) { /* inserts while removing: words move, segments split */
        sprintf(from, "name:%u", i);
        sprintf(to, "another name:%u", i);
        assert_ok(rename_key(from, to, 0));
    }
    assert_int_equal(fixture_count(&f), 3000);
    assert_int_equal(fixture_check(&f), 3000);
}

static void a_renaming_is_undone_by_an_abort(void **state)
{
    (void)state;
    assert_ok(fixture_set(&f, "from", big));
    assert_ok(fixture_set(&f, "to", "1"));
    assert_ok(sdb_begin(f.session, NULL, 0));
    assert_ok(rename_key("from", "to", 1));
    assert_true(fixture_has(&f, "to", big) && fixture_has(&f, "from", NULL));
    sdb_abort(f.session);
    assert_true(fixture_has(&f, "to", "1") && fixture_has(&f, "from", big));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(every_value_survives_every_renaming),
        TEST(a_key_renamed_onto_itself_stays),
        TEST(what_is_not_there_cannot_be_renamed_copied_or_moved),
        TEST(an_expired_key_is_no_obstacle),
        TEST(a_copy_is_independent_in_any_database),
        TEST(a_move_changes_the_database_and_nothing_else),
        TEST(names_that_are_too_long_are_refused),
        TEST(thousands_of_renamings_leave_the_index_whole),
        TEST(a_renaming_is_undone_by_an_abort),
    };
    return cmocka_run_group_tests(tests, fill_big, NULL);
}
