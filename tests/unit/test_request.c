/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_request.c - the request parser: what it takes, what it refuses and in which words, in one piece and in many
 *
 * Every input lies flush against a page that must not be touched, so that reading a byte too many ends the test.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "request.h"

#define GUARDED_SIZE (1024u * 1024)

static char *guarded_end; /* the byte behind is on the forbidden page */

static const struct request_limits usual = {REQUEST_INLINE_SIZE_MAX, 512 * 1024 * 1024, INT32_MAX, 0};
static const struct request_limits strict = {REQUEST_INLINE_SIZE_MAX, 512 * 1024 * 1024, INT32_MAX, 1};

static int open_guarded(void **state)
{
    char *memory = mmap(NULL, GUARDED_SIZE + 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    (void)state;
    if (memory == MAP_FAILED || mprotect(memory + GUARDED_SIZE, 4096, PROT_NONE) != 0)
        return -1;
    guarded_end = memory + GUARDED_SIZE;
    return 0;
}

static const char *guard(const char *data, size_t size)
{
    memcpy(guarded_end - size, data, size);
    return guarded_end - size;
}

/* Appends the arguments as "<a><b>", so that a request is one string to compare. */
static void describe(char *text, const struct request_arg *argv, int64_t argc)
{
    size_t size = 0;

    for (int64_t i = 0; i < argc; i++) {
        text[size++] = '<';
        memcpy(text + size, argv[i].data, argv[i].size);
        size += argv[i].size;
        text[size++] = '>';
    }
    text[size] = '\0';
}

static const struct {
    const char *data;
    const char *args;
} taken[] = {
    {"*1\r\n$4\r\nPING\r\n", "<PING>"},
    {"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n", "<GET><k>"},
    {"*3\r\n$3\r\nSET\r\n$16\r\n0123456789abcdef\r\n$0\r\n\r\n", "<SET><0123456789abcdef><>"},
    {"*2\r\n$4\r\nECHO\r\n$11\r\na\r\nb\r\n$3\r\nc\r\n", "<ECHO><a\r\nb\r\n$3\r\nc>"},
    {"*1\r\n$4\r\nPINGxx", "<PING>"}, /* what stands behind an argument is skipped unseen */
    {"*0\r\n", ""},
    {"*-1\r\n", ""},
    {"*-2147483648\r\n", ""},
    {"\r\n", ""},
    {"\n", ""},
    {" \t \r\n", ""},
    {"PING\r\n", "<PING>"},
    {"PING\n", "<PING>"},
    {"  SET \t k  v \r\n", "<SET><k><v>"},
    {"SET k \"a b\"\r\n", "<SET><k><a b>"},
    {"SET k 'a b'\r\n", "<SET><k><a b>"},
    {"SET k \"\"\r\n", "<SET><k><>"},
    {"SET k ''\r\n", "<SET><k><>"},
    {"SET k a\"b c\"\r\n", "<SET><k><ab c>"},
    {"SET k \"\\x41\\n\\r\\t\\b\\a\\\\\\\"\\q\"\r\n", "<SET><k><A\n\r\t\b\a\\\"q>"},
    {"SET k \"\\x4\\xzz\"\r\n", "<SET><k><x4xzz>"},
    {"SET k 'it\\'s \\n'\r\n", "<SET><k><it's \\n>"},
    {"$4\r\n", "<$4>"},
};

static const struct {
    const char *data;
    const char *error;
} refused[] = {
    {"*abc\r\n", "Protocol error: invalid multibulk length"},
    {"*\r\n", "Protocol error: invalid multibulk length"},
    {"*+1\r\n", "Protocol error: invalid multibulk length"},
    {"*01\r\n", "Protocol error: invalid multibulk length"},
    {"* 1\r\n", "Protocol error: invalid multibulk length"},
    {"*1 \r\n", "Protocol error: invalid multibulk length"},
    {"*--1\r\n", "Protocol error: invalid multibulk length"},
    {"*-0\r\n", "Protocol error: invalid multibulk length"},
    {"*1.0\r\n", "Protocol error: invalid multibulk length"},
    {"*2147483648\r\n", "Protocol error: invalid multibulk length"},
    {"*9223372036854775808\r\n", "Protocol error: invalid multibulk length"},
    {"*99999999999999999999999\r\n", "Protocol error: invalid multibulk length"},
    {"*1\r\nfoo\r\n", "Protocol error: expected '$', got 'f'"},
    {"*1\r\n:4\r\n", "Protocol error: expected '$', got ':'"},
    {"*2\r\n$3\r\nGET\r\n*1\r\n", "Protocol error: expected '$', got '*'"},
    {"*2\r\n$3\r\nGETxx\r\n\r\n", "Protocol error: expected '$', got '\r'"},
    {"*1\r\n$-1\r\n", "Protocol error: invalid bulk length"},
    {"*1\r\n$abc\r\n", "Protocol error: invalid bulk length"},
    {"*1\r\n$\r\n", "Protocol error: invalid bulk length"},
    {"*1\r\n$04\r\n", "Protocol error: invalid bulk length"},
    {"*1\r\n$+4\r\n", "Protocol error: invalid bulk length"},
    {"*1\r\n$4 \r\n", "Protocol error: invalid bulk length"},
    {"*1\r\n$536870913\r\n", "Protocol error: invalid bulk length"},
    {"*1\r\n$9223372036854775807\r\n", "Protocol error: invalid bulk length"},
    {"*1\r\n$18446744073709551617\r\n", "Protocol error: invalid bulk length"},
    {"SET k \"a\r\n", "Protocol error: unbalanced quotes in request"},
    {"SET k 'a\r\n", "Protocol error: unbalanced quotes in request"},
    {"SET k \"a\"b\r\n", "Protocol error: unbalanced quotes in request"},
    {"SET k 'a'b\r\n", "Protocol error: unbalanced quotes in request"},
    {"SET k \"a\\\"\r\n", "Protocol error: unbalanced quotes in request"},
    {"SET k 'a\\'\r\n", "Protocol error: unbalanced quotes in request"},
    {"\"\r\n", "Protocol error: unbalanced quotes in request"},
};

static void requests_are_taken_apart(void **state)
{
    char text[256];

    (void)state;
    for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++) {
        struct request_parser parser;
        size_t size = strlen(taken[i].data), consumed = 0;

        request_parser_init(&parser);
        assert_int_equal(request_parse(&parser, &usual, guard(taken[i].data, size), size, &consumed), REQUEST_COMPLETE);
        assert_int_equal(consumed, size);
        describe(text, parser.argv, parser.argc);
        assert_string_equal(text, taken[i].args);
        request_parser_free(&parser);
    }
}

static void damaged_requests_are_refused_in_redis_words(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        struct request_parser parser;
        size_t size = strlen(refused[i].data), consumed = 1;

        request_parser_init(&parser);
        assert_int_equal(request_parse(&parser, &usual, guard(refused[i].data, size), size, &consumed), REQUEST_INVALID);
        assert_string_equal(parser.error, refused[i].error);
        assert_int_equal(consumed, 0);
        request_parser_free(&parser);
    }
}

/* Gives the parser more and more of the data, each time at another address. */
static enum request_result parse_in_steps(struct request_parser *parser, const char *data, size_t size, size_t step, size_t *consumed)
{
    enum request_result result = REQUEST_INCOMPLETE;

    for (size_t seen = 0; result == REQUEST_INCOMPLETE && seen < size;) {
        seen = seen + step > size ? size : seen + step;
        result = request_parse(parser, &usual, guard(data, seen), seen, consumed);
    }
    return result;
}

static void the_pieces_in_which_a_request_comes_do_not_matter(void **state)
{
    char text[256];

    (void)state;
    for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++) {
        for (size_t step = 1; step <= strlen(taken[i].data); step++) {
            struct request_parser parser;
            size_t consumed = 0;

            request_parser_init(&parser);
            assert_int_equal(parse_in_steps(&parser, taken[i].data, strlen(taken[i].data), step, &consumed), REQUEST_COMPLETE);
            assert_int_equal(consumed, strlen(taken[i].data));
            describe(text, parser.argv, parser.argc);
            assert_string_equal(text, taken[i].args);
            request_parser_free(&parser);
        }
    }
}

static void the_pieces_in_which_damage_comes_do_not_matter(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        for (size_t step = 1; step <= strlen(refused[i].data); step++) {
            struct request_parser parser;
            size_t consumed = 0;

            request_parser_init(&parser);
            assert_int_equal(parse_in_steps(&parser, refused[i].data, strlen(refused[i].data), step, &consumed), REQUEST_INVALID);
            assert_string_equal(parser.error, refused[i].error);
            request_parser_free(&parser);
        }
    }
}

static void no_prefix_of_a_request_is_complete(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++) {
        for (size_t size = 0; size < strlen(taken[i].data); size++) {
            struct request_parser parser;
            size_t consumed = 1;

            request_parser_init(&parser);
            assert_int_equal(request_parse(&parser, &usual, guard(taken[i].data, size), size, &consumed), REQUEST_INCOMPLETE);
            assert_int_equal(consumed, 0);
            request_parser_free(&parser);
        }
    }
}

static void a_parser_goes_from_one_request_to_the_next(void **state)
{
    static const char data[] = "*1\r\n$4\r\nPING\r\nPING a\r\n*2\r\n$4\r\nECHO\r\n$1\r\nx\r\n";
    static const char *const expected[] = {"<PING>", "<PING><a>", "<ECHO><x>"};
    struct request_parser parser;
    size_t at = 0, consumed;
    char text[64];

    (void)state;
    request_parser_init(&parser);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(request_parse(&parser, &usual, data + at, sizeof(data) - 1 - at, &consumed), REQUEST_COMPLETE);
        describe(text, parser.argv, parser.argc);
        assert_string_equal(text, expected[i]);
        at += consumed;
    }
    assert_int_equal(at, sizeof(data) - 1);
    request_parser_free(&parser);
}

static void a_pending_argument_says_how_many_bytes_it_wants(void **state)
{
    static const char data[] = "*2\r\n$3\r\nGET\r\n$1000\r\nabc";
    struct request_parser parser;
    size_t consumed;

    (void)state;
    request_parser_init(&parser);
    assert_int_equal(request_parse(&parser, &usual, data, sizeof(data) - 1, &consumed), REQUEST_INCOMPLETE);
    assert_int_equal(parser.bytes_wanted, 1000 + 2 - 3);
    assert_true(request_parser_is_midway(&parser));
    request_parser_free(&parser);
}

static void announced_arguments_take_no_memory_before_they_come(void **state)
{
    static const char data[] = "*2147483647\r\n$1\r\nx\r\n";
    struct request_parser parser;
    size_t consumed;

    (void)state;
    request_parser_init(&parser);
    assert_int_equal(request_parse(&parser, &usual, data, sizeof(data) - 1, &consumed), REQUEST_INCOMPLETE);
    assert_true(parser.argv_capacity < 100);
    request_parser_free(&parser);
}

static void unauthenticated_clients_have_smaller_limits(void **state)
{
    static const struct {
        const char *data;
        enum request_result result;
        const char *error;
    } rows[] = {
        {"*10\r\n", REQUEST_INCOMPLETE, NULL},
        {"*11\r\n", REQUEST_INVALID, "Protocol error: unauthenticated multibulk length"},
        {"*2147483648\r\n", REQUEST_INVALID, "Protocol error: invalid multibulk length"},
        {"*1\r\n$16384\r\n", REQUEST_INCOMPLETE, NULL},
        {"*1\r\n$16385\r\n", REQUEST_INVALID, "Protocol error: unauthenticated bulk length"},
        {"*1\r\n$536870913\r\n", REQUEST_INVALID, "Protocol error: invalid bulk length"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct request_parser parser;
        size_t consumed;

        request_parser_init(&parser);
        assert_int_equal(request_parse(&parser, &strict, rows[i].data, strlen(rows[i].data), &consumed), rows[i].result);
        if (rows[i].error != NULL)
            assert_string_equal(parser.error, rows[i].error);
        request_parser_free(&parser);
    }
}

static void lines_without_an_end_are_cut_off(void **state)
{
    static const struct {
        const char *begin;
        char fill;
        const char *error;
    } rows[] = {
        {"*", '1', "Protocol error: too big mbulk count string"},
        {"*1\r\n$", '1', "Protocol error: too big bulk count string"},
        {"PING ", 'x', "Protocol error: too big inline request"},
        {"PING ", '\0', "Protocol error: too big inline request"},
    };
    char *data = malloc(REQUEST_INLINE_SIZE_MAX + 16);

    (void)state;
    assert_non_null(data);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct request_parser parser;
        size_t begin = strlen(rows[i].begin), consumed;
        size_t line = i == 1 ? 4 : 0; /* where the line that has no end begins */

        memcpy(data, rows[i].begin, begin);
        memset(data + begin, rows[i].fill, REQUEST_INLINE_SIZE_MAX + 16 - begin);
        request_parser_init(&parser);
        assert_int_equal(request_parse(&parser, &usual, data, line + REQUEST_INLINE_SIZE_MAX, &consumed), REQUEST_INCOMPLETE);
        assert_int_equal(request_parse(&parser, &usual, data, line + REQUEST_INLINE_SIZE_MAX + 1, &consumed), REQUEST_INVALID);
        assert_string_equal(parser.error, rows[i].error);
        request_parser_free(&parser);
    }
    free(data);
}

static void a_nul_keeps_a_line_from_ending(void **state)
{
    static const char data[] = "PING \0x\r\nPING\r\n";
    struct request_parser parser;
    size_t consumed;

    (void)state;
    request_parser_init(&parser);
    for (size_t size = 1; size < sizeof(data); size++)
        assert_int_equal(request_parse(&parser, &usual, guard(data, size), size, &consumed), REQUEST_INCOMPLETE);
    request_parser_free(&parser);
}

static void large_arguments_come_whole(void **state)
{
    size_t size = 300000, consumed, at;
    char *data = malloc(size + 64);
    struct request_parser parser;

    (void)state;
    assert_non_null(data);
    at = (size_t)snprintf(data, 64, "*2\r\n$4\r\nECHO\r\n$%zu\r\n", size);
    memset(data + at, 'v', size);
    memcpy(data + at + size, "\r\n", 2);
    request_parser_init(&parser);
    assert_int_equal(request_parse(&parser, &usual, data, at + size, &consumed), REQUEST_INCOMPLETE);
    assert_int_equal(request_parse(&parser, &usual, guard(data, at + size + 2), at + size + 2, &consumed), REQUEST_COMPLETE);
    assert_int_equal(parser.argv[1].size, size);
    assert_memory_equal(parser.argv[1].data, data + at, size);
    request_parser_free(&parser);
    free(data);
}

/* Puts "*2 $4 ECHO $length" and the argument in data, at most 20,032 bytes. Returns the size. */
static size_t echo_of(char *data, size_t length)
{
    size_t at = (size_t)sprintf(data, "*2\r\n$4\r\nECHO\r\n$%zu\r\n", length);

    memset(data + at, 'a', length);
    memcpy(data + at + length, "\r\n", 2);
    return at + length + 2;
}

static void the_simple_way_takes_lengths_of_up_to_four_digits(void **state)
{
    static const size_t lengths[] = {0, 1, 9, 10, 99, 100, 999, 1000, 9999};
    static char data[20064];
    struct request_arg argv[REQUEST_SIMPLE_ARGS_MAX];
    int argc = 0;

    (void)state;
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        size_t size = echo_of(data, lengths[i]);

        assert_int_equal(request_parse_simple(guard(data, size), size, argv, &argc), size);
        assert_int_equal(argc, 2);
        assert_int_equal(argv[1].size, lengths[i]);
        for (size_t less = size > 64 ? size - 64 : 0; less < size; less++)
            assert_int_equal(request_parse_simple(guard(data, less), less, argv, &argc), 0);
    }
    assert_int_equal(request_parse_simple(data, echo_of(data, 10000), argv, &argc), 0);
}

static void the_simple_way_leaves_the_rest_to_the_full_one(void **state)
{
    static const char *const left[] = {"PING\r\n", "*0\r\n", "*-1\r\n", "*10\r\n", "*01\r\n", "*1\r\n$04\r\nPING\r\n",
                                       "*1\r\n$-1\r\n", "*1\r\n:4\r\nPING\r\n", "*1\rx$4\r\nPING\r\n", "*1\r\n$4\rxPING\r\n", ""};
    struct request_arg argv[REQUEST_SIMPLE_ARGS_MAX];
    int argc;

    (void)state;
    for (size_t i = 0; i < sizeof(left) / sizeof(left[0]); i++)
        assert_int_equal(request_parse_simple(guard(left[i], strlen(left[i])), strlen(left[i]), argv, &argc), 0);
}

/* Damages one to three bytes of valid requests: whatever the simple way still takes, the full one takes alike. */
static void both_ways_agree_on_damaged_input(void **state)
{
    static const char alphabet[] = "*$\r\n0123459: abc\0";
    struct request_arg argv[REQUEST_SIMPLE_ARGS_MAX];
    uint32_t random = 4711;
    unsigned agreed = 0;
    int argc = 0;

    (void)state;
    for (int round = 0; round < 200000; round++) {
        char data[64];
        size_t row = (size_t)round % 5, size = strlen(taken[row].data), consumed = 0, simple;
        struct request_parser parser;

        memcpy(data, taken[row].data, size);
        for (int damage = 0; damage < 1 + round % 3; damage++) {
            random = random * 1664525 + 1013904223;
            data[(random >> 8) % size] = alphabet[(random >> 24) % (sizeof(alphabet) - 1)];
        }
        simple = request_parse_simple(guard(data, size), size, argv, &argc);
        if (simple == 0)
            continue;
        request_parser_init(&parser);
        assert_int_equal(request_parse(&parser, &usual, guarded_end - size, size, &consumed), REQUEST_COMPLETE);
        assert_int_equal(consumed, simple);
        assert_int_equal(parser.argc, argc);
        assert_memory_equal(parser.argv, argv, (size_t)argc * sizeof(argv[0]));
        request_parser_free(&parser);
        agreed++;
    }
    assert_true(agreed > 1000);
}

/* Whatever the prefix of one request says of another, complete, cut off or damaged, the simple way says as well, or the prefix nothing. */
static void requests_that_begin_alike_are_taken_alike(void **state)
{
    static const char *const names[] = {"*1\r\n$4\r\nPING\r\n", "*2\r\n$3\r\nGET\r\n$2\r\nab\r\n",
                                        "*2\r\n$3\r\nGET\r\n$11\r\nabcdefghijk\r\n", "*3\r\n$3\r\nSET\r\n$0\r\n\r\n$3\r\n123\r\n",
                                        "*2\r\n$8\r\nSMEMBERS\r\n$1\r\nx\r\n", "*2\r\n$9\r\nSISMEMBER\r\n$1\r\nx\r\n",
                                        "*2\r\n$3\r\nGET\r\n$1000\r\n"};
    enum { NAMES = sizeof(names) / sizeof(names[0]) };
    unsigned agreed = 0, left_aside = 0;

    (void)state;
    for (unsigned first = 0; first < NAMES; first++) {
        struct request_arg argv[REQUEST_SIMPLE_ARGS_MAX], alike[REQUEST_SIMPLE_ARGS_MAX];
        struct request_prefix prefix = {.size = 0};
        size_t whole = request_parse_simple(names[first], strlen(names[first]), argv, &(int){0});
        int argc = 0;

        if (whole == 0)
            continue;
        (void)request_parse_simple(names[first], whole, argv, &argc);
        request_prefix_set(&prefix, names[first], whole, argv, argc);
        assert_true(first == 0 || first == 5 ? prefix.size == 0 : prefix.size != 0); /* too short, too long */
        for (unsigned second = 0; second < NAMES; second++) {
            for (size_t size = 0; size <= strlen(names[second]); size++) {
                const char *data = guard(names[second], size);
                size_t simple = request_parse_simple(data, size, argv, &argc);
                size_t got = request_parse_alike(&prefix, data, size, alike);

                assert_true(got == 0 || got == simple);
                left_aside += got == 0;
                if (got == 0)
                    continue;
                agreed++;
                assert_int_equal(prefix.argc, argc);
                assert_memory_equal(argv, alike, (size_t)argc * sizeof(argv[0]));
            }
        }
    }
    assert_true(agreed >= 5 && left_aside > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_are_taken_apart),
        cmocka_unit_test(damaged_requests_are_refused_in_redis_words),
        cmocka_unit_test(the_pieces_in_which_a_request_comes_do_not_matter),
        cmocka_unit_test(the_pieces_in_which_damage_comes_do_not_matter),
        cmocka_unit_test(no_prefix_of_a_request_is_complete),
        cmocka_unit_test(a_parser_goes_from_one_request_to_the_next),
        cmocka_unit_test(a_pending_argument_says_how_many_bytes_it_wants),
        cmocka_unit_test(announced_arguments_take_no_memory_before_they_come),
        cmocka_unit_test(unauthenticated_clients_have_smaller_limits),
        cmocka_unit_test(lines_without_an_end_are_cut_off),
        cmocka_unit_test(a_nul_keeps_a_line_from_ending),
        cmocka_unit_test(large_arguments_come_whole),
        cmocka_unit_test(the_simple_way_takes_lengths_of_up_to_four_digits),
        cmocka_unit_test(the_simple_way_leaves_the_rest_to_the_full_one),
        cmocka_unit_test(both_ways_agree_on_damaged_input),
        cmocka_unit_test(requests_that_begin_alike_are_taken_alike),
    };

    return cmocka_run_group_tests(tests, open_guarded, NULL);
}
