/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_overwrite.c - a SET that finds its key by the cache's copy, and writes over the value in place
 *
 * That it leaves what an entry made anew would be is test_set_each.c's; what random calls leave is compared by test_model.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine_case.h"

#define KEYS 200u

static const char *name_of(unsigned i)
{
    static char name[16];

    snprintf(name, sizeof(name), "key-%u", i);
    return name;
}

static void set_round(const char *value)
{
    for (unsigned i = 0; i < KEYS; i++)
        assert_ok(fixture_set(&f, name_of(i), value));
}

static uint64_t hits(void)
{
    struct sdb_stats stats;

    sdb_stats(f.pool, &stats);
    return stats.cache_hits;
}

/* The first SET makes the key, the second and third are the two misses behind which it is let in. */
static void keys_that_are_only_set_come_into_the_cache(void **state)
{
    uint64_t before;

    (void)state;
    for (unsigned round = 0; round < 8; round++)
        set_round("small");
    before = hits();
    set_round("other");
    assert_int_equal(hits() - before, KEYS);
    for (unsigned i = 0; i < KEYS; i++)
        assert_true(fixture_has(&f, name_of(i), "other"));
}

static void a_value_that_grows_out_of_the_entry_and_back_is_found_by_the_copy_each_time(void **state)
{
    static const char *const sizes[] = {"small", "a value that takes a blob of its own, since no entry has room for it", "42",
                                        "sixteen bytes ok", ""};

    (void)state;
    for (unsigned round = 0; round < 40; round++) {
        set_round(sizes[round % 5]);
        for (unsigned i = 0; i < KEYS; i++)
            assert_true(fixture_has(&f, name_of(i), sizes[round % 5]));
    }
    assert_int_equal(fixture_check(&f), KEYS);
}

/* The copy is of what was committed; the group's own words count. */
static void in_a_group_the_staged_entry_counts_and_not_the_copy(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 8; round++)
        set_round("small");
    assert_ok(sdb_group_begin(f.session));
    for (unsigned i = 0; i < KEYS; i++) {
        const char *key = name_of(i);

        assert_ok(fixture_set(&f, key, "first"));
        if (i % 3 == 0)
            assert_ok(sdb_delete(f.session, key, strlen(key)));
        if (i % 2 == 0)
            assert_ok(fixture_set(&f, key, "second"));
    }
    assert_ok(sdb_group_end(f.session));
    for (unsigned i = 0; i < KEYS; i++)
        assert_true(fixture_has(&f, name_of(i), i % 2 == 0 ? "second" : i % 3 == 0 ? NULL : "first"));
}

/* Inside a group, whose own value comes back. */
static void an_abort_takes_back_what_was_set_in_a_transaction(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 8; round++)
        set_round("small");
    assert_ok(sdb_group_begin(f.session));
    set_round("group");
    assert_ok(sdb_begin_all(f.session));
    set_round("staged");
    assert_true(fixture_has(&f, name_of(7), "staged"));
    sdb_abort(f.session);
    assert_true(fixture_has(&f, name_of(7), "group"));
    assert_ok(sdb_group_end(f.session));
    for (unsigned i = 0; i < KEYS; i++)
        assert_true(fixture_has(&f, name_of(i), "group"));
}

/* Behind a hit nothing was looked for: the new words must reach the cache and the pool alike. */
static void a_kill_behind_it_leaves_the_new_value(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 8; round++)
        set_round("small");
    set_round("last");
    fixture_crash(&f);
    for (unsigned i = 0; i < KEYS; i++)
        assert_true(fixture_has(&f, name_of(i), "last"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(keys_that_are_only_set_come_into_the_cache, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_value_that_grows_out_of_the_entry_and_back_is_found_by_the_copy_each_time, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(in_a_group_the_staged_entry_counts_and_not_the_copy, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_abort_takes_back_what_was_set_in_a_transaction, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_kill_behind_it_leaves_the_new_value, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
