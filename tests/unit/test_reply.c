/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_reply.c - replies, byte for byte, in both protocols
 */
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "reply.h"

static struct reply reply;

static int begin(void **state)
{
    (void)state;
    reply_init(&reply);
    return 0;
}

static int end(void **state)
{
    (void)state;
    reply_free(&reply);
    return 0;
}

/* What was written since the last call. */
static void expect(const char *bytes)
{
    assert_false(reply.failed);
    assert_int_equal(reply.size, strlen(bytes));
    assert_memory_equal(reply.data, bytes, reply.size);
    reply_truncate(&reply, 0);
}

static void simple_replies(void **state)
{
    (void)state;
    reply_ok(&reply);
    expect("+OK\r\n");
    reply_status(&reply, "PONG");
    expect("+PONG\r\n");
    reply_raw(&reply, "x", 1);
    reply_raw(&reply, NULL, 0);
    expect("x");
}

static void integers_of_every_size(void **state)
{
    static const struct {
        int64_t value;
        const char *bytes;
    } rows[] = {{0, ":0\r\n"}, {9, ":9\r\n"}, {10, ":10\r\n"}, {99, ":99\r\n"}, {100, ":100\r\n"}, {-1, ":-1\r\n"}, {-10, ":-10\r\n"},
                {INT64_MAX, ":9223372036854775807\r\n"}, {INT64_MIN, ":-9223372036854775808\r\n"}};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        reply_integer(&reply, rows[i].value);
        expect(rows[i].bytes);
    }
    reply_bulk_integer(&reply, INT64_MIN);
    expect("$20\r\n-9223372036854775808\r\n");
}

static void bulk_strings_hold_any_bytes(void **state)
{
    (void)state;
    reply_bulk(&reply, "", 0);
    expect("$0\r\n\r\n");
    reply_bulk(&reply, NULL, 0);
    expect("$0\r\n\r\n");
    reply_bulk_text(&reply, "hello");
    expect("$5\r\nhello\r\n");
    reply_bulk(&reply, "a\0\r\n", 4);
    assert_int_equal(reply.size, 10);
    assert_memory_equal(reply.data, "$4\r\na\0\r\n\r\n", 10);
}

static void errors_get_a_code(void **state)
{
    static const struct {
        const char *text;
        const char *bytes;
    } rows[] = {
        {"syntax error", "-ERR syntax error\r\n"},
        {"ERR syntax error", "-ERR syntax error\r\n"},
        {"WRONGTYPE Operation", "-WRONGTYPE Operation\r\n"},
        {"NOAUTH Authentication required.", "-NOAUTH Authentication required.\r\n"},
        {"-STALEHANDLE no such handle", "-STALEHANDLE no such handle\r\n"},
        {"DB index is out of range", "-ERR DB index is out of range\r\n"},
        {"BITOP NOT must be called with a single source key.", "-ERR BITOP NOT must be called with a single source key.\r\n"},
        {"", "-ERR \r\n"},
        {"two\r\nlines\r\n", "-ERR two  lines\r\n"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        reply_error(&reply, rows[i].text);
        expect(rows[i].bytes);
    }
    reply_errorf(&reply, "unknown command '%s'", "a\nb");
    expect("-ERR unknown command 'a b'\r\n");
}

static void each_type_in_both_protocols(void **state)
{
    (void)state;
    reply_null(&reply);
    reply_null_array(&reply);
    reply_boolean(&reply, 1);
    reply_boolean(&reply, 0);
    expect("$-1\r\n*-1\r\n:1\r\n:0\r\n");
    reply_map(&reply, 2);
    reply_set(&reply, 3);
    reply_push(&reply, 4);
    reply_array(&reply, 5);
    expect("*4\r\n*3\r\n*4\r\n*5\r\n");
    reply_verbatim(&reply, "abc", 3, "txt");
    expect("$3\r\nabc\r\n");
    reply.protocol = 3;
    reply_null(&reply);
    reply_null_array(&reply);
    reply_boolean(&reply, 1);
    reply_boolean(&reply, 0);
    expect("_\r\n_\r\n#t\r\n#f\r\n");
    reply_map(&reply, 2);
    reply_set(&reply, 3);
    reply_push(&reply, 4);
    reply_array(&reply, 5);
    expect("%2\r\n~3\r\n>4\r\n*5\r\n");
    reply_verbatim(&reply, "abc", 3, "txt");
    expect("=7\r\ntxt:abc\r\n");
    reply_verbatim(&reply, NULL, 0, "mkd");
    expect("=4\r\nmkd:\r\n");
}

static void doubles_as_redis_prints_them(void **state)
{
    static const struct {
        double value;
        const char *resp2;
        const char *resp3;
    } rows[] = {
        {0, "$1\r\n0\r\n", ",0\r\n"},
        {1, "$1\r\n1\r\n", ",1\r\n"},
        {-1.5, "$4\r\n-1.5\r\n", ",-1.5\r\n"},
        {0.1, "$19\r\n0.10000000000000001\r\n", ",0.10000000000000001\r\n"},
        {1e300, "$23\r\n1.0000000000000001e+300\r\n", ",1.0000000000000001e+300\r\n"},
        {DBL_MAX, "$23\r\n1.7976931348623157e+308\r\n", ",1.7976931348623157e+308\r\n"},
        {HUGE_VAL, "$3\r\ninf\r\n", ",inf\r\n"},
        {-HUGE_VAL, "$4\r\n-inf\r\n", ",-inf\r\n"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        reply.protocol = 2;
        reply_double(&reply, rows[i].value);
        expect(rows[i].resp2);
        reply.protocol = 3;
        reply_double(&reply, rows[i].value);
        expect(rows[i].resp3);
    }
    reply_double(&reply, (double)NAN);
    expect(",nan\r\n");
    reply_double(&reply, -(double)NAN);
    expect(",nan\r\n");
}

static void a_count_that_comes_late_goes_in_front(void **state)
{
    size_t outer, inner;

    (void)state;
    reply_ok(&reply);
    outer = reply_array_later(&reply);
    reply_bulk_text(&reply, "0");
    inner = reply_array_later(&reply);
    for (int i = 0; i < 12; i++)
        reply_integer(&reply, i % 10);
    reply_array_set(&reply, inner, 12);
    reply_array_set(&reply, outer, 2);
    expect("+OK\r\n*2\r\n$1\r\n0\r\n*12\r\n:0\r\n:1\r\n:2\r\n:3\r\n:4\r\n:5\r\n:6\r\n:7\r\n:8\r\n:9\r\n:0\r\n:1\r\n");
}

static void the_buffer_grows_to_what_is_written(void **state)
{
    size_t size = 3 * 1024 * 1024;
    char *data = malloc(size);

    (void)state;
    assert_non_null(data);
    memset(data, 'z', size);
    reply_bulk(&reply, data, size);
    assert_int_equal(reply.size, size + strlen("$3145728\r\n\r\n"));
    assert_memory_equal(reply.data, "$3145728\r\nzz", 12);
    assert_memory_equal(reply.data + reply.size - 4, "zz\r\n", 4);
    free(data);
}

static void a_reply_that_memory_does_not_hold_fails_and_stays_failed(void **state)
{
    (void)state;
    reply_ok(&reply);
    assert_null(reply_reserve(&reply, SIZE_MAX / 2));
    assert_true(reply.failed);
    assert_null(reply_reserve(&reply, 1));
    reply_bulk_text(&reply, "dropped");
    assert_int_equal(reply.size, 5);
}

static void a_reply_stops_at_its_largest_size(void **state)
{
    char data[1000] = {0};

    (void)state;
    reply.size_max = 4096;
    for (int i = 0; i < 100; i++)
        reply_bulk(&reply, data, sizeof(data));
    assert_true(reply.failed && reply.too_large);
    assert_in_range(reply.size, 3 * sizeof(data), 4096);
    assert_true(reply.capacity <= 8192);
}

static void truncation_takes_back_and_never_adds(void **state)
{
    (void)state;
    reply_ok(&reply);
    reply_integer(&reply, 1);
    reply_truncate(&reply, 100);
    assert_int_equal(reply.size, 9);
    reply_truncate(&reply, 5);
    expect("+OK\r\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(simple_replies, begin, end),
        cmocka_unit_test_setup_teardown(integers_of_every_size, begin, end),
        cmocka_unit_test_setup_teardown(bulk_strings_hold_any_bytes, begin, end),
        cmocka_unit_test_setup_teardown(errors_get_a_code, begin, end),
        cmocka_unit_test_setup_teardown(each_type_in_both_protocols, begin, end),
        cmocka_unit_test_setup_teardown(doubles_as_redis_prints_them, begin, end),
        cmocka_unit_test_setup_teardown(a_count_that_comes_late_goes_in_front, begin, end),
        cmocka_unit_test_setup_teardown(the_buffer_grows_to_what_is_written, begin, end),
        cmocka_unit_test_setup_teardown(a_reply_that_memory_does_not_hold_fails_and_stays_failed, begin, end),
        cmocka_unit_test_setup_teardown(a_reply_stops_at_its_largest_size, begin, end),
        cmocka_unit_test_setup_teardown(truncation_takes_back_and_never_adds, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
