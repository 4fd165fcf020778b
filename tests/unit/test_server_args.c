/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_server_args.c - numbers and options are read as Redis reads them, and refused with its words
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "args.h"
#include "client.h"
#include "set_options.h"

#define NOW 1700000000000

static struct client client;

static int setup(void **state)
{
    (void)state;
    memset(&client, 0, sizeof(client));
    reply_init(&client.reply);
    client_set_now_ms(NOW);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    reply_free(&client.reply);
    client_set_now_ms(0);
    return 0;
}

static struct request_arg arg(const char *text)
{
    return (struct request_arg){text, strlen(text)};
}

/* What was replied since the last call. */
static void assert_replied(const char *text)
{
    assert_int_equal(client.reply.size, strlen(text));
    if (text[0] != '\0')
        assert_memory_equal(client.reply.data, text, strlen(text));
    client.reply.size = 0;
}

static void words_are_told_in_any_case(void **state)
{
    const struct request_arg word = arg("KeepTTL"), longer = arg("KEEPTTLX"), empty = arg("");

    (void)state;
    assert_true(args_is(&word, "KEEPTTL"));
    assert_false(args_is(&longer, "KEEPTTL"));
    assert_false(args_is(&empty, "KEEPTTL"));
}

static void integers_are_canonical(void **state)
{
    static const char *const good[] = {"0", "1", "-1", "9223372036854775807", "-9223372036854775808"};
    static const char *const bad[] = {"",
                                      "-",
                                      "+1",
                                      "01",
                                      "-0",
                                      " 1",
                                      "1 ",
                                      "1.0",
                                      "0x1",
                                      "9223372036854775808",
                                      "-9223372036854775809",
                                      "99999999999999999999",
                                      "1e3",
                                      "abc"};
    int64_t value;

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_true(args_parse_int64(good[i], strlen(good[i]), &value));
        assert_int_equal(value, strtoll(good[i], NULL, 10));
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(args_parse_int64(bad[i], strlen(bad[i]), &value));
    assert_false(args_parse_int64("1\0", 2, &value));
}

static void floats_are_what_strtold_takes_whole(void **state)
{
    static const char *const bad[] = {"", " 1", "1 ", "abc", "nan", "-nan", "1.2.3", "1e5000", "1e-5000", "0x", "--1"};
    long double value = 0;

    (void)state;
    assert_true(args_parse_long_double("1.5", 3, &value) && value == 1.5L);
    assert_true(args_parse_long_double("-1e3", 4, &value) && value == -1000.0L);
    assert_true(args_parse_long_double("0x10", 4, &value) && value == 16.0L);
    assert_true(args_parse_long_double("inf", 3, &value) && isinf(value));
    assert_true(args_parse_long_double("5.", 2, &value) && value == 5.0L);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(args_parse_long_double(bad[i], strlen(bad[i]), &value));
    assert_false(args_parse_long_double("1\0", 2, &value));
}

static void floats_of_endless_digits_are_refused(void **state)
{
    char text[6000];
    long double value = 7;

    (void)state;
    memset(text, '1', sizeof(text));
    assert_false(args_parse_long_double(text, sizeof(text), &value));
    assert_true(value == 7);
}

static void cursors_are_what_strtoul_takes(void **state)
{
    uint64_t value;

    (void)state;
    assert_true(args_parse_cursor("18446744073709551615", 20, &value) && value == UINT64_MAX);
    assert_true(args_parse_cursor("-1", 2, &value) && value == UINT64_MAX);
    assert_true(args_parse_cursor("", 0, &value) && value == 0);
    assert_true(args_parse_cursor("007", 3, &value) && value == 7);
    assert_false(args_parse_cursor("18446744073709551616", 20, &value));
    assert_false(args_parse_cursor(" 1", 2, &value));
    assert_false(args_parse_cursor("1x", 2, &value));
    assert_false(
        args_parse_cursor("0000000000000000000000000000000000000000000000000000000000000000000001", 70, &value));
}

static void refusals_have_redis_words(void **state)
{
    const struct request_arg word = arg("x"), big = arg("4294967296"), custom = arg("1.5");
    int64_t value = 7;
    long double number;

    (void)state;
    assert_false(args_get_int64(&client, &word, &value, NULL));
    assert_replied("-ERR value is not an integer or out of range\r\n");
    assert_false(args_get_int64(&client, &custom, &value, "bit is not an integer or out of range"));
    assert_replied("-ERR bit is not an integer or out of range\r\n");
    assert_false(args_get_range(&client, &big, INT32_MIN, INT32_MAX, &value));
    assert_replied("-ERR value is out of range, value must between -2147483648 and 2147483647\r\n");
    assert_false(args_get_long_double(&client, &word, &number));
    assert_replied("-ERR value is not a valid float\r\n");
    assert_int_equal(value, 7);
}

static void times_become_milliseconds_since_1970(void **state)
{
    static const struct {
        const char *text;
        unsigned kind;
        int64_t expire_ms; /* 0: refused */
    } rows[] = {
        {"10", ARGS_EXPIRY_SECONDS | ARGS_EXPIRY_RELATIVE, NOW + 10000},
        {"10", ARGS_EXPIRY_RELATIVE, NOW + 10},
        {"10", ARGS_EXPIRY_SECONDS, 10000},
        {"10", 0, 10},
        {"9223372036854775807", 0, INT64_MAX},
        {"9223372036854775807", ARGS_EXPIRY_RELATIVE, 0},
        {"9223372036854775807", ARGS_EXPIRY_SECONDS, 0},
        {"9223372036854775", ARGS_EXPIRY_SECONDS, 9223372036854775000},
        {"9223372036854775", ARGS_EXPIRY_SECONDS | ARGS_EXPIRY_RELATIVE, 0},
        {"0", 0, 0},
        {"-1", ARGS_EXPIRY_RELATIVE, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct request_arg text = arg(rows[i].text);
        int64_t expire_ms = 0;
        assert_int_equal(args_get_expiry(&client, &text, rows[i].kind, "set", &expire_ms), rows[i].expire_ms != 0);
        assert_int_equal(expire_ms, rows[i].expire_ms);
        assert_replied(rows[i].expire_ms != 0 ? "" : "-ERR invalid expire time in 'set' command\r\n");
    }
}

static int parse(const char *words, uint32_t allowed, struct set_options *options)
{
    static char text[256];
    static struct request_arg argv[16]; /* The options keep pointing at it. */
    int argc = 0;

    assert_true(strlen(words) < sizeof(text));
    memcpy(text, words, strlen(words) + 1);
    for (char *word = strtok(text, " "); word != NULL; word = strtok(NULL, " "))
        argv[argc++] = arg(word);
    return set_options_parse(&client, argv, argc, 0, allowed, options);
}

static void set_takes_the_options_that_go_together(void **state)
{
    static const char *const good[] = {"",     "NX",        "xx get",      "NX GET",
                                       "EX 1", "ex 1 EX 2", "GET KEEPTTL", "XX PXAT 5 GET"};
    static const char *const bad[] = {"NX XX", "EX 1 PX 1", "EX 1 KEEPTTL", "KEEPTTL EXAT 1",
                                      "EX",    "foo",       "PERSIST",      "GET EX"};
    struct set_options options;

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_true(parse(good[i], SET_OPTIONS_OF_SET, &options));
        assert_replied("");
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(parse(bad[i], SET_OPTIONS_OF_SET, &options));
        assert_replied("-ERR syntax error\r\n");
    }
}

static void getex_takes_persist_and_times_only(void **state)
{
    static const char *const good[] = {"", "PERSIST", "persist PERSIST", "PX 1", "EXAT 5"};
    static const char *const bad[] = {"PERSIST EX 1", "EX 1 PERSIST", "NX", "GET", "KEEPTTL"};
    struct set_options options;

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        assert_true(parse(good[i], SET_OPTIONS_OF_GETEX, &options));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(parse(bad[i], SET_OPTIONS_OF_GETEX, &options));
        assert_replied("-ERR syntax error\r\n");
    }
}

static void the_last_time_counts_in_its_own_unit(void **state)
{
    struct set_options options;
    int64_t expire_ms;

    (void)state;
    assert_true(parse("EX 1 EX 3", SET_OPTIONS_OF_SET, &options));
    assert_true(set_options_expiry(&client, &options, "set", &expire_ms));
    assert_int_equal(expire_ms, NOW + 3000);
    assert_true(parse("PXAT 77", SET_OPTIONS_OF_SET, &options));
    assert_true(set_options_expiry(&client, &options, "set", &expire_ms));
    assert_int_equal(expire_ms, 77);
    assert_true(parse("NX", SET_OPTIONS_OF_SET, &options));
    assert_true(set_options_expiry(&client, &options, "set", &expire_ms));
    assert_int_equal(expire_ms, 0);
}

static void slices_of_many_arguments_are_complete(void **state)
{
    static const char text[ARGS_SLICES_FEW + 1] = {0};
    struct request_arg argv[ARGS_SLICES_FEW + 1];
    struct args_slices slices;

    (void)state;
    for (int count = 1; count <= ARGS_SLICES_FEW + 1; count++) {
        for (int i = 0; i < count; i++)
            argv[i] = (struct request_arg){&text[i], 1};
        assert_int_equal(args_slices_take(&slices, argv, count), SDB_OK);
        assert_int_equal(slices.count, count);
        for (int i = 0; i < count; i++)
            assert_ptr_equal(slices.items[i].data, argv[i].data);
        args_slices_free(&slices);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(words_are_told_in_any_case, setup, teardown),
        cmocka_unit_test_setup_teardown(integers_are_canonical, setup, teardown),
        cmocka_unit_test_setup_teardown(floats_are_what_strtold_takes_whole, setup, teardown),
        cmocka_unit_test_setup_teardown(floats_of_endless_digits_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(cursors_are_what_strtoul_takes, setup, teardown),
        cmocka_unit_test_setup_teardown(refusals_have_redis_words, setup, teardown),
        cmocka_unit_test_setup_teardown(times_become_milliseconds_since_1970, setup, teardown),
        cmocka_unit_test_setup_teardown(set_takes_the_options_that_go_together, setup, teardown),
        cmocka_unit_test_setup_teardown(getex_takes_persist_and_times_only, setup, teardown),
        cmocka_unit_test_setup_teardown(the_last_time_counts_in_its_own_unit, setup, teardown),
        cmocka_unit_test_setup_teardown(slices_of_many_arguments_are_complete, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
