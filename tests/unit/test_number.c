/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_number.c - what is a canonical integer and what is not, and the way to text and back
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "number.h"

static const struct {
    const char *text;
    int64_t value;
} taken[] = {
    {"0", 0},
    {"1", 1},
    {"-1", -1},
    {"9", 9},
    {"10", 10},
    {"-10", -10},
    {"99", 99},
    {"100", 100},
    {"1234567", 1234567},
    {"12345678", 12345678},
    {"-12345678", -12345678},
    {"123456789", 123456789},
    {"1234567812345678", 1234567812345678},
    {"99999999", 99999999},
    {"10000000000000000", 10000000000000000},
    {"9223372036854775806", INT64_MAX - 1},
    {"9223372036854775807", INT64_MAX},
    {"-9223372036854775807", -INT64_MAX},
    {"-9223372036854775808", INT64_MIN},
};

static const char *const refused[] = {
    "",
    "-",
    "--1",
    "+1",
    "-0",
    "00",
    "01",
    "-01",
    " 1",
    "1 ",
    "1.0",
    "1e3",
    "0x10",
    "abc",
    "1234567a",
    "a2345678",
    "1234567:",
    "1234567/",
    "12345678/",
    "123\2604567",
    "9223372036854775808",
    "-9223372036854775809",
    "9999999999999999999",
    "10000000000000000000",
    "18446744073709551616",
    "-18446744073709551615",
    "99999999999999999999",
    "100000000000000000000",
};

static void canonical_text_is_taken(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++) {
        int64_t value = 77;
        assert_true(number_parse_i64(taken[i].text, strlen(taken[i].text), &value));
        assert_true(value == taken[i].value);
    }
}

static void anything_else_is_refused_and_leaves_the_value_alone(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        int64_t value = 77;
        if (number_parse_i64(refused[i], strlen(refused[i]), &value))
            fail_msg("\"%s\" was taken", refused[i]);
        assert_int_equal(value, 77);
    }
}

/* Each byte value at each place: only digits pass, and a minus at the front. */
static void only_digits_pass_at_any_place(void **state)
{
    char text[20];

    (void)state;
    for (size_t size = 2; size <= 18; size++) {
        for (size_t place = 0; place < size; place++) {
            for (int byte = 0; byte < 256; byte++) {
                int64_t value;
                memset(text, '5', size);
                text[place] = (char)byte;
                const int digit = byte >= (place == 0 ? '1' : '0') && byte <= '9';
                const int minus = place == 0 && byte == '-';
                assert_int_equal(number_parse_i64(text, size, &value), digit || minus);
            }
        }
    }
}

static void text_and_number_lead_back_to_each_other(void **state)
{
    uint64_t random = 42;

    (void)state;
    for (int i = 0; i < 200000; i++) {
        char text[NUMBER_TEXT_SIZE], expected[32];
        int64_t value;

        random = random * 6364136223846793005ull + 1442695040888963407ull;
        const int64_t number = (int64_t)(random ^ random >> 29) >> i % 64;
        const size_t size = number_format_i64(text, number);
        const int expected_size = snprintf(expected, sizeof(expected), "%lld", (long long)number);
        assert_int_equal(size, expected_size);
        assert_string_equal(text, expected);
        assert_true(number_parse_i64(text, size, &value));
        assert_true(value == number);
    }
}

static void every_power_of_ten_has_the_right_length(void **state)
{
    uint64_t power = 1;

    (void)state;
    for (size_t digits = 1; digits <= 20; digits++, power *= 10) {
        char text[NUMBER_TEXT_SIZE + 1], expected[32];
        assert_int_equal(number_format_u64(text, power), digits);
        (void)snprintf(expected, sizeof(expected), "%llu", (unsigned long long)power);
        assert_string_equal(text, expected);
        assert_int_equal(number_format_u64(text, power - 1), digits == 1 ? 1 : digits - 1);
        (void)snprintf(expected, sizeof(expected), "%llu", (unsigned long long)(power - 1));
        assert_string_equal(text, expected);
    }
    char text[NUMBER_TEXT_SIZE];
    assert_int_equal(number_format_u64(text, UINT64_MAX), 20);
    assert_string_equal(text, "18446744073709551615");
}

/* The text ends at the last byte that may be read. */
static void nothing_behind_the_text_is_read(void **state)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *pages = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    (void)state;
    assert_true(pages != MAP_FAILED);
    assert_int_equal(mprotect(pages + page, page, PROT_NONE), 0);
    for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++) {
        const size_t size = strlen(taken[i].text);
        int64_t value;
        memcpy(pages + page - size, taken[i].text, size);
        assert_true(number_parse_i64(pages + page - size, size, &value));
        assert_true(value == taken[i].value);
    }
    assert_int_equal(munmap(pages, 2 * page), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(canonical_text_is_taken),
        cmocka_unit_test(anything_else_is_refused_and_leaves_the_value_alone),
        cmocka_unit_test(only_digits_pass_at_any_place),
        cmocka_unit_test(text_and_number_lead_back_to_each_other),
        cmocka_unit_test(every_power_of_ten_has_the_right_length),
        cmocka_unit_test(nothing_behind_the_text_is_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
