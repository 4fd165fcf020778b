/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_set_each.c - pairs set one after the other leave what as many calls of sdb_set would leave
 *
 * What random calls leave is compared by test_model.c, what crashes leave by the crash images.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine_case.h"

#define MANY 1500u /* many windows, and more than a record takes */

static char names[MANY][40];
static char values[MANY][80];
static struct sdb_pair pairs[MANY];

static void name_pair(unsigned i, const char *key, const char *value)
{
    snprintf(names[i], sizeof(names[i]), "%s", key);
    snprintf(values[i], sizeof(values[i]), "%s", value);
    pairs[i] = (struct sdb_pair){{names[i], strlen(names[i])}, {values[i], strlen(values[i])}};
}

static void set_all(unsigned count)
{
    size_t done = 0;

    assert_ok(sdb_set_each(f.session, pairs, count, &done));
    assert_int_equal(done, count);
}

/* Sizes of keys by where they stand, of values by how they are kept. */
static void name_pairs(unsigned count, const char *what)
{
    static const char *const kinds[] = {"%s%.0u", "%.0s%u", "%s%08u", "%s%u:and much more than an entry takes in", "%.0s%.0u",
                                        "%.0s-%u", "%s-%06u-------"};

    for (unsigned i = 0; i < count; i++) {
        char key[40], value[80];

        snprintf(key, sizeof(key), "%.*s%u", (int)(i % 5 * 6), "------------------------", i);
        snprintf(value, sizeof(value), kinds[(i / 5 + (unsigned)strlen(what)) % 7], what, i);
        name_pair(i, key, value);
    }
}

static void assert_same_as_singly(unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        struct sdb_stat each, single;

        assert_true(fixture_has(&f, names[i], values[i]));
        assert_ok(sdb_stat(f.session, names[i], strlen(names[i]), &each));
        assert_ok(sdb_select(f.session, 1));
        assert_ok(sdb_stat(f.session, names[i], strlen(names[i]), &single));
        assert_ok(sdb_select(f.session, 0));
        assert_int_equal(each.size, single.size);
        assert_int_equal(each.encoding, single.encoding);
        assert_int_equal(each.memory, single.memory);
        assert_int_equal(each.expire_ms, single.expire_ms);
    }
}

/* Each key made anew, since sdb_set writes over a value just as sdb_set_each does. */
static void set_singly(unsigned count)
{
    assert_ok(sdb_select(f.session, 1));
    for (unsigned i = 0; i < count; i++) {
        int error = sdb_delete(f.session, names[i], strlen(names[i]));

        assert_true(error == SDB_OK || error == SDB_ENOTFOUND);
        assert_ok(fixture_set(&f, names[i], values[i]));
    }
    assert_ok(sdb_select(f.session, 0));
}

static void every_shape_turns_into_every_other(void **state)
{
    static const char *const whats[] = {"a", "ab", "abc", "abcd", "abcde", "abcdef", "abcdefg"};

    (void)state;
    for (unsigned round = 0; round < 21; round++) {
        name_pairs(MANY, whats[round * 5 % 7]);
        if (round % 3 == 1)
            assert_ok(sdb_group_begin(f.session));
        set_all(MANY);
        set_singly(MANY);
        if (round % 3 == 1)
            assert_ok(sdb_group_end(f.session));
        assert_same_as_singly(MANY);
        if (round % 4 == 0)
            (void)fixture_check(&f);
    }
    fixture_crash(&f);
    assert_same_as_singly(MANY);
}

static void more_than_a_record_takes_is_committed_on_the_way(void **state)
{
    uint64_t fences;

    (void)state;
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < MANY; i++) {
            char key[16], value[16];

            snprintf(key, sizeof(key), "key:%08u", i);
            snprintf(value, sizeof(value), "%u:%u", round, i);
            name_pair(i, key, value);
        }
        fences = fixture_stats(&f).fences;
        set_all(MANY);
    }
    assert_in_range(fixture_stats(&f).fences - fences, 2, MANY / 32);
    fixture_crash(&f);
    for (unsigned i = 0; i < MANY; i++)
        assert_true(fixture_has(&f, names[i], values[i]));
}

static void of_a_key_named_twice_the_last_value_counts(void **state)
{
    (void)state;
    for (int round = 0; round < 3; round++) {
        name_pair(0, "key", "first");
        name_pair(1, "other", "12");
        name_pair(2, "key", "13");
        name_pair(3, "key", "a value that takes a blob, and is replaced at once");
        name_pair(4, "key", "last");
        set_all(5);
        assert_true(fixture_has(&f, "key", "last"));
        assert_true(fixture_has(&f, "other", "12"));
    }
}

static void every_pair_gives_its_key_another_version(void **state)
{
    struct sdb_stat before, now;

    (void)state;
    name_pair(0, "key", "the same");
    set_all(1);
    assert_ok(sdb_stat(f.session, "key", 3, &before));
    for (int i = 0; i < 300; i++, before = now) {
        set_all(1);
        assert_ok(sdb_stat(f.session, "key", 3, &now));
        assert_int_not_equal(now.version, before.version);
        assert_int_equal(now.handle, before.handle);
    }
}

static void a_time_to_live_is_cleared_and_an_expired_key_made_anew(void **state)
{
    const struct sdb_set_options soon = {.expire_ms = NOW + 10}, late = {.expire_ms = NOW + 100000};
    struct sdb_stat stat;
    uint64_t expiring = 9;

    (void)state;
    assert_ok(sdb_set(f.session, "soon", 4, "x", 1, &soon));
    assert_ok(sdb_set(f.session, "late", 4, "x", 1, &late));
    sdb_session_set_time(f.session, NOW + 20);
    name_pair(0, "soon", "y");
    name_pair(1, "late", "y");
    set_all(2);
    for (unsigned i = 0; i < 2; i++) {
        assert_ok(sdb_stat(f.session, names[i], 4, &stat));
        assert_int_equal(stat.expire_ms, 0);
    }
    assert_int_equal(fixture_count(&f), 2);
    assert_ok(sdb_count_expiring(f.session, &expiring));
    assert_int_equal(expiring, 0);
}

static void a_key_that_the_group_deleted_is_made_anew(void **state)
{
    (void)state;
    name_pairs(40, "old");
    set_all(40);
    assert_ok(sdb_group_begin(f.session));
    for (unsigned i = 0; i < 40; i += 2)
        assert_ok(sdb_delete(f.session, names[i], strlen(names[i])));
    assert_ok(sdb_rename(f.session, names[1], strlen(names[1]), names[3], strlen(names[3]), 1));
    name_pairs(40, "newer");
    set_all(40);
    assert_ok(sdb_group_end(f.session));
    for (unsigned i = 0; i < 40; i++)
        assert_true(fixture_has(&f, names[i], values[i]));
    assert_int_equal(fixture_check(&f), 40);
}

static void the_empty_key_and_the_empty_value_are_like_any_other(void **state)
{
    static const char *const of_all_sizes[] = {"12345678 and on", "", "12", "1234567", "12345678901234567 and a blob", "x"};

    (void)state;
    for (unsigned i = 0; i < 12; i++) {
        name_pair(0, "", of_all_sizes[i % 6]);
        set_all(1);
        assert_true(fixture_has(&f, "", of_all_sizes[i % 6]));
        assert_int_equal(fixture_check(&f), 1);
    }
}

static void the_first_pair_that_fails_ends_it(void **state)
{
    static char big[SDB_KEY_SIZE_MAX + 1];
    size_t done = 0;

    (void)state;
    for (int round = 0; round < 2; round++) {
        name_pairs(40, round ? "old" : "new");
        pairs[35].key = (struct sdb_slice){big, sizeof(big)};
        assert_int_equal(sdb_set_each(f.session, pairs, 40, &done), SDB_ETOOBIG);
        assert_int_equal(done, 35);
        for (unsigned i = 0; i < 40; i++)
            assert_true(fixture_has(&f, names[i], i < 35 ? values[i] : NULL));
    }
    assert_ok(sdb_set_each(f.session, pairs, 0, NULL));
}

static void an_abort_takes_all_of_it_back(void **state)
{
    (void)state;
    name_pairs(MANY, "old");
    set_all(MANY);
    name_pairs(MANY, "newer");
    assert_ok(sdb_begin_all(f.session));
    set_all(MANY);
    assert_true(fixture_has(&f, names[7], values[7]));
    sdb_abort(f.session);
    name_pairs(MANY, "old");
    for (unsigned i = 0; i < MANY; i++)
        assert_true(fixture_has(&f, names[i], values[i]));
}

/* What is taken back of a group is the operation that failed, in the same line of entries too. */
static void an_operation_that_fails_behind_it_in_a_group_leaves_it(void **state)
{
    int64_t sum;

    (void)state;
    name_pairs(40, "old");
    set_all(40);
    name_pairs(40, "newer");
    assert_ok(sdb_group_begin(f.session));
    set_all(40);
    for (unsigned i = 0; i < 40; i++) {
        assert_int_equal(sdb_rename(f.session, "none", 4, names[i], strlen(names[i]), 1), SDB_ENOTFOUND);
        if (sdb_add(f.session, names[i], strlen(names[i]), INT64_MAX, &sum) == SDB_OK)
            assert_ok(fixture_set(&f, names[i], values[i]));
    }
    assert_ok(sdb_begin_all(f.session));
    for (unsigned i = 0; i < 40; i++)
        assert_ok(fixture_set(&f, names[i], "to be taken"));
    sdb_abort(f.session);
    set_all(20);
    assert_ok(sdb_group_end(f.session));
    for (unsigned i = 0; i < 40; i++)
        assert_true(fixture_has(&f, names[i], values[i]));
}

static unsigned told;

static void count_change(const struct sdb_change *change)
{
    told += change->kind == SDB_CHANGE_STORED || change->kind == SDB_CHANGE_CREATED;
}

static void an_observer_is_told_of_each(void **state)
{
    (void)state;
    name_pairs(100, "old");
    sdb_observe(f.pool, count_change);
    told = 0;
    set_all(100);
    assert_int_equal(told, 100);
    name_pairs(100, "newer");
    set_all(100);
    assert_int_equal(told, 200);
    sdb_observe(f.pool, NULL);
}

static void a_pool_for_reading_only_refuses_it(void **state)
{
    size_t done = 9;

    (void)state;
    name_pairs(4, "old");
    set_all(4);
    fixture_close(&f);
    f.options.flags = SDB_READONLY;
    fixture_open(&f);
    assert_int_equal(sdb_set_each(f.session, pairs, 4, &done), SDB_EREADONLY);
    assert_int_equal(done, 0);
    f.options.flags = 0;
    fixture_reopen(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_shape_turns_into_every_other, set_up, tear_down),
        cmocka_unit_test_setup_teardown(more_than_a_record_takes_is_committed_on_the_way, set_up, tear_down),
        cmocka_unit_test_setup_teardown(of_a_key_named_twice_the_last_value_counts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(every_pair_gives_its_key_another_version, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_time_to_live_is_cleared_and_an_expired_key_made_anew, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_key_that_the_group_deleted_is_made_anew, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_empty_key_and_the_empty_value_are_like_any_other, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_first_pair_that_fails_ends_it, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_abort_takes_all_of_it_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_operation_that_fails_behind_it_in_a_group_leaves_it, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_observer_is_told_of_each, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_pool_for_reading_only_refuses_it, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
