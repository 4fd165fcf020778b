/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_arithmetic.c - integer and float addition, appending, overwriting ranges
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>

#include "engine_case.h"

static void integers_are_added_up_to_their_limits(void **state)
{
    static const struct {
        const char *old; /* NULL: absent */
        int64_t delta;
        int error;
        const char *new;
    } rows[] = {
        {NULL, 5, SDB_OK, "5"},
        {NULL, 0, SDB_OK, "0"},
        {"41", 1, SDB_OK, "42"},
        {"-1", 1, SDB_OK, "0"},
        {"9223372036854775806", 1, SDB_OK, "9223372036854775807"},
        {"9223372036854775807", 1, SDB_EOVERFLOW, "9223372036854775807"},
        {"-9223372036854775808", -1, SDB_EOVERFLOW, "-9223372036854775808"},
        {"0", INT64_MIN, SDB_OK, "-9223372036854775808"},
        {"-1", INT64_MIN, SDB_EOVERFLOW, "-1"},
        {"9223372036854775808", 1, SDB_ENOTINT, "9223372036854775808"},
        {"", 1, SDB_ENOTINT, ""},
        {"01", 1, SDB_ENOTINT, "01"},
        {"1.0", 1, SDB_ENOTINT, "1.0"},
        {"a value that is a blob of its own", 1, SDB_ENOTINT, "a value that is a blob of its own"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int64_t result = 4711;

        (void)sdb_delete(f.session, "k", 1);
        if (rows[i].old)
            assert_ok(fixture_set(&f, "k", rows[i].old));
        assert_int_equal(sdb_add(f.session, "k", 1, rows[i].delta, &result), rows[i].error);
        assert_true(fixture_has(&f, "k", rows[i].new));
        if (rows[i].error)
            assert_int_equal(result, 4711);
        else
            assert_int_equal(result, strtoll(rows[i].new, NULL, 10));
    }
    assert_ok(sdb_add(f.session, "n", 1, 1, NULL));
}

static void floats_are_added_as_text(void **state)
{
    static const struct {
        const char *old;
        long double delta;
        int error;
        const char *new;
    } rows[] = {
        {NULL, 0.5L, SDB_OK, "0.5"},         {"10.50", 0.1L, SDB_OK, "10.6"},     {"5.0e3", 200.0L, SDB_OK, "5200"},
        {"3", -3.0L, SDB_OK, "0"},           {"-0", 0.0L, SDB_OK, "0"},           {"-1", 0.5L, SDB_OK, "-0.5"},
        {"abc", 1.0L, SDB_ENOTFLOAT, "abc"}, {"1 ", 1.0L, SDB_ENOTFLOAT, "1 "},   {" 1", 1.0L, SDB_ENOTFLOAT, " 1"},
        {"", 1.0L, SDB_ENOTFLOAT, ""},       {"nan", 1.0L, SDB_ENOTFLOAT, "nan"},
    };
    static char text[SDB_FLOAT_TEXT_MAX];

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        size_t size = 4711;

        (void)sdb_delete(f.session, "k", 1);
        if (rows[i].old)
            assert_ok(fixture_set(&f, "k", rows[i].old));
        assert_int_equal(sdb_add_float(f.session, "k", 1, rows[i].delta, text, &size), rows[i].error);
        assert_true(fixture_has(&f, "k", rows[i].new));
        if (rows[i].error)
            continue;
        assert_int_equal(size, strlen(rows[i].new));
        assert_memory_equal(text, rows[i].new, size);
    }
}

static void float_results_that_are_not_finite_change_nothing(void **state)
{
    static char text[SDB_FLOAT_TEXT_MAX];
    size_t size;

    (void)state;
    assert_ok(fixture_set(&f, "k", "1e4932"));
    assert_int_equal(sdb_add_float(f.session, "k", 1, 1.18e4932L, text, &size), SDB_EOVERFLOW);
    assert_int_equal(sdb_add_float(f.session, "k", 1, (long double)INFINITY, text, &size), SDB_EOVERFLOW);
    assert_int_equal(sdb_add_float(f.session, "k", 1, (long double)NAN, text, &size), SDB_EOVERFLOW);
    assert_true(fixture_has(&f, "k", "1e4932"));
    assert_ok(sdb_add_float(f.session, "k", 1, 0.0L, text, &size)); /* the longest text there is */
    assert_true(size > 4900 && size < SDB_FLOAT_TEXT_MAX);
    assert_ok(sdb_add_float(f.session, "k", 1, 0.0L, text, &size));
}

static void appending_keeps_what_was_there(void **state)
{
    static char expected[40000], buffer[40000];
    size_t size = 0, total = 0;

    (void)state;
    for (unsigned i = 0; total + i < sizeof(expected); i += 7) {
        memset(expected + total, (int)('a' + i % 26), i);
        assert_ok(sdb_append(f.session, "k", 1, expected + total, i, &size));
        total += i;
        assert_int_equal(size, total);
    }
    assert_ok(sdb_get(f.session, "k", 1, buffer, sizeof(buffer), &size));
    assert_int_equal(size, total);
    assert_memory_equal(buffer, expected, total);
    assert_ok(fixture_set(&f, "n", "12"));
    assert_ok(sdb_append(f.session, "n", 1, "34", 2, NULL)); /* an integer becomes another */
    assert_true(fixture_has(&f, "n", "1234"));
    assert_ok(sdb_append(f.session, "n", 1, "x", 1, &size));
    assert_true(fixture_has(&f, "n", "1234x"));
}

static void appending_nothing_makes_the_key(void **state)
{
    size_t size = 4711;

    (void)state;
    assert_ok(sdb_append(f.session, "k", 1, NULL, 0, &size));
    assert_int_equal(size, 0);
    assert_true(fixture_has(&f, "k", ""));
    assert_ok(fixture_set(&f, "k", "77"));
    assert_ok(sdb_append(f.session, "k", 1, "", 0, &size));
    assert_int_equal(size, 2);
}

static void a_range_behind_the_end_is_padded_with_zeros(void **state)
{
    size_t size = 0;
    char buffer[64];

    (void)state;
    assert_ok(sdb_set_range(f.session, "k", 1, 5, "ab", 2, &size));
    assert_int_equal(size, 7);
    assert_ok(sdb_get(f.session, "k", 1, buffer, sizeof(buffer), &size));
    assert_memory_equal(buffer, "\0\0\0\0\0ab", 7);
    assert_ok(sdb_set_range(f.session, "k", 1, 1, "XY", 2, &size));
    assert_int_equal(size, 7);
    assert_ok(sdb_set_range(f.session, "k", 1, 40, "end", 3, &size));
    assert_int_equal(size, 43);
    assert_ok(sdb_get(f.session, "k", 1, buffer, sizeof(buffer), &size));
    assert_memory_equal(buffer, "\0XY\0\0ab\0\0", 9);
    assert_memory_equal(buffer + 39, "\0end", 4);
}

static void an_empty_range_changes_and_makes_nothing(void **state)
{
    size_t size = 4711;

    (void)state;
    assert_ok(sdb_set_range(f.session, "k", 1, 100, "", 0, &size));
    assert_int_equal(size, 0);
    assert_true(fixture_has(&f, "k", NULL));
    assert_ok(fixture_set(&f, "k", "123"));
    assert_ok(sdb_set_range(f.session, "k", 1, 100, NULL, 0, &size));
    assert_int_equal(size, 3);
}

static void values_end_at_512_mib(void **state)
{
    size_t size;

    (void)state;
    assert_int_equal(sdb_set_range(f.session, "k", 1, SDB_VALUE_SIZE_MAX, "x", 1, &size), SDB_ETOOBIG);
    assert_int_equal(sdb_set_range(f.session, "k", 1, UINT64_MAX, "x", 1, &size), SDB_ETOOBIG);
    assert_int_equal(sdb_set_range(f.session, "k", 1, UINT64_MAX - 1, "xyz", 3, &size), SDB_ETOOBIG);
    assert_int_equal(sdb_set_range(f.session, "k", 1, SDB_VALUE_SIZE_MAX - 1, "x", 1, &size), SDB_ENOSPC);
    assert_true(fixture_has(&f, "k", NULL));
}

static void all_of_them_keep_the_time_to_live(void **state)
{
    struct sdb_set_options options = {.expire_ms = NOW + 99};
    static char text[SDB_FLOAT_TEXT_MAX];
    struct sdb_stat stat;
    size_t size;

    (void)state;
    assert_ok(sdb_set(f.session, "k", 1, "1", 1, &options));
    assert_ok(sdb_add(f.session, "k", 1, 1, NULL));
    assert_ok(sdb_add_float(f.session, "k", 1, 0.25L, text, &size));
    assert_ok(sdb_append(f.session, "k", 1, "text that needs a blob", 22, &size));
    assert_ok(sdb_set_range(f.session, "k", 1, 100, "x", 1, &size));
    assert_ok(sdb_stat(f.session, "k", 1, &stat));
    assert_int_equal(stat.expire_ms, NOW + 99);
    assert_int_equal(stat.size, 101);
}

static void a_failed_addition_in_a_transaction_leaves_the_transaction_whole(void **state)
{
    (void)state;
    assert_ok(fixture_set(&f, "text", "abc"));
    assert_ok(sdb_begin(f.session, NULL, 0));
    assert_ok(sdb_add(f.session, "a", 1, 1, NULL));
    assert_int_equal(sdb_add(f.session, "text", 4, 1, NULL), SDB_ENOTINT);
    assert_ok(sdb_add(f.session, "b", 1, 1, NULL));
    assert_ok(sdb_commit(f.session));
    assert_true(fixture_has(&f, "a", "1") && fixture_has(&f, "b", "1") && fixture_has(&f, "text", "abc"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(integers_are_added_up_to_their_limits),
        TEST(floats_are_added_as_text),
        TEST(float_results_that_are_not_finite_change_nothing),
        TEST(appending_keeps_what_was_there),
        TEST(appending_nothing_makes_the_key),
        TEST(a_range_behind_the_end_is_padded_with_zeros),
        TEST(an_empty_range_changes_and_makes_nothing),
        TEST(values_end_at_512_mib),
        TEST(all_of_them_keep_the_time_to_live),
        TEST(a_failed_addition_in_a_transaction_leaves_the_transaction_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
