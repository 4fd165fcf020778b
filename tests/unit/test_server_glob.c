/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_server_glob.c - patterns match what Redis lets them match, in bounded time, and read nothing beyond their ends
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "clock.h"
#include "glob.h"

struct row {
    const char *pattern;
    const char *text;
    int nocase;
    int matches;
};

static void check(const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        int got =
            glob_match(rows[i].pattern, strlen(rows[i].pattern), rows[i].text, strlen(rows[i].text), rows[i].nocase);
        if (got != rows[i].matches)
            fail_msg("pattern \"%s\", text \"%s\": %d", rows[i].pattern, rows[i].text, got);
    }
}
#define CHECK(rows) check(rows, sizeof(rows) / sizeof((rows)[0]))

static void plain_bytes_and_wildcards_match_as_in_redis(void **state)
{
    static const struct row rows[] = {
        {"", "", 0, 1},
        {"", "a", 0, 0},
        {"a", "a", 0, 1},
        {"a", "", 0, 0},
        {"a", "A", 0, 0},
        {"a", "A", 1, 1},
        {"?", "a", 0, 1},
        {"?", "", 0, 0},
        {"?", "ab", 0, 0},
        {"*", "abc", 0, 1},
        {"a*", "a", 0, 1},
        {"a**", "a", 0, 1},
        {"*a", "a", 0, 1},
        {"*a", "ba", 0, 1},
        {"*a", "ab", 0, 0},
        {"**a**", "xay", 0, 1},
        {"a*c", "abbbc", 0, 1},
        {"a*c", "abbb", 0, 0},
        {"*ab*ab", "abab", 0, 1},
        {"*ab*ab", "ababa", 0, 0},
        {"a*b*c", "aXbXbXc", 0, 1},
        {"h?llo", "hello", 0, 1},
        {"h*llo", "heeeello", 0, 1},
        {"*?", "", 0, 0},
        {"user:*:n?me", "user:17:name", 0, 1},
    };

    (void)state;
    CHECK(rows);
}

static void the_empty_text_matches_the_empty_pattern_only(void **state)
{
    static const struct row rows[] = {{"*", "", 0, 0}, {"**", "", 0, 0}, {"", "", 0, 1}};

    (void)state;
    CHECK(rows);
    assert_true(glob_is_any("*", 1));
    assert_false(glob_is_any("**", 2));
    assert_false(glob_is_any("", 0));
}

static void a_backslash_takes_the_next_byte_as_it_is(void **state)
{
    static const struct row rows[] = {
        {"\\*", "*", 0, 1}, {"\\*", "a", 0, 0},   {"\\a", "a", 0, 1}, {"\\a", "A", 1, 1}, {"\\\\", "\\", 0, 1},
        {"\\", "\\", 0, 1}, {"a\\", "a\\", 0, 1}, {"a\\", "a", 0, 0}, {"\\[", "[", 0, 1}, {"\\?", "x", 0, 0},
    };

    (void)state;
    CHECK(rows);
}

static void classes_match_as_in_redis(void **state)
{
    static const struct row rows[] = {
        {"[abc]", "b", 0, 1},  {"[abc]", "d", 0, 0},     {"[^abc]", "d", 0, 1},  {"[^abc]", "a", 0, 0},
        {"[a-c]", "b", 0, 1},  {"[c-a]", "b", 0, 1},     {"[a-c]", "B", 0, 0},   {"[a-c]", "B", 1, 1},
        {"[A-C]", "b", 1, 1},  {"[ab]c", "bc", 0, 1},    {"[ab]c", "b", 0, 0},   {"[\\]]", "]", 0, 1},
        {"[\\a]", "a", 0, 1},  {"[\\a]", "A", 1, 0},     {"[\\-a]", "-", 0, 1},  {"[a]]", "a]", 0, 1},
        {"[^b]]", "a]", 0, 1}, {"x[0-9]*", "x5y", 0, 1}, {"*[ab]", "xxb", 0, 1}, {"*[ab]", "xxc", 0, 0},
    };

    (void)state;
    CHECK(rows);
}

/* What redis-server 7.0.15 answers to KEYS with these, however odd. */
static void malformed_classes_match_as_in_redis(void **state)
{
    static const struct row rows[] = {
        {"[", "[", 0, 0},    {"[", "a", 0, 0},     {"[[", "[", 0, 1},   {"[]", "a", 0, 0},    {"[^]", "a", 0, 1},
        {"[]a]", "a", 0, 0}, {"[^", "a", 0, 1},    {"[a", "a", 0, 1},   {"[^a", "a", 0, 0},   {"[^a", "k", 0, 1},
        {"[a-", "a", 0, 1},  {"[a-", "-", 0, 1},   {"[a-]", "a", 0, 1}, {"[a-]", "_", 0, 1},  {"[a-]", "-", 0, 0},
        {"[\\", "\\", 0, 1}, {"[a\\", "\\", 0, 1}, {"[a\\", "a", 0, 1}, {"[^\\", "\\", 0, 0}, {"[^\\", "a", 0, 1},
    };

    (void)state;
    CHECK(rows);
}

static void zero_and_high_bytes_are_bytes_as_any_other(void **state)
{
    (void)state;
    assert_true(glob_match("a\0b", 3, "a\0b", 3, 0));
    assert_false(glob_match("a\0b", 3, "a\0c", 3, 0));
    assert_true(glob_match("*\0", 2, "xy\0", 3, 0));
    assert_true(glob_match("[\x80-\xff]", 5, "\xfe", 1, 0));
    assert_false(glob_match("[\x80-\xff]", 5, "\x7f", 1, 0));
}

/* Matching by trying each run for each `*` would take longer than the machine exists. */
static void many_stars_take_no_exponential_time(void **state)
{
    char pattern[201], text[4000];
    const uint64_t start = clock_ns();

    (void)state;
    for (size_t i = 0; i < 200; i += 2)
        memcpy(pattern + i, "*a", 2);
    pattern[200] = 'b';
    memset(text, 'a', sizeof(text));
    assert_false(glob_match(pattern, sizeof(pattern), text, sizeof(text), 0));
    text[sizeof(text) - 1] = 'b';
    assert_true(glob_match(pattern, sizeof(pattern), text, sizeof(text), 0));
    assert_true(clock_ns() - start < 5000000000u);
}

static void nothing_is_read_beyond_the_ends(void **state)
{
    static const char *const patterns[] = {"*",  "a*",  "[",   "[^",   "[a", "[a-", "[a-b",
                                           "\\", "a\\", "[\\", "[a\\", "*[", "?",   "a*["};
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *memory = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    (void)state;
    assert_ptr_not_equal(memory, MAP_FAILED);
    assert_int_equal(mprotect(memory + page, page, PROT_NONE), 0);
    for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++) {
        const size_t size = strlen(patterns[i]);
        char *at = memory + page - size;
        memcpy(at, patterns[i], size);
        (void)glob_match(at, size, "aab", 3, 0);
        (void)glob_match("a*[ab]*", 7, at, size, 1);
        assert_true(glob_match(at, 0, "", 0, 0));
    }
    munmap(memory, 2 * page);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_bytes_and_wildcards_match_as_in_redis),
        cmocka_unit_test(the_empty_text_matches_the_empty_pattern_only),
        cmocka_unit_test(a_backslash_takes_the_next_byte_as_it_is),
        cmocka_unit_test(classes_match_as_in_redis),
        cmocka_unit_test(malformed_classes_match_as_in_redis),
        cmocka_unit_test(zero_and_high_bytes_are_bytes_as_any_other),
        cmocka_unit_test(many_stars_take_no_exponential_time),
        cmocka_unit_test(nothing_is_read_beyond_the_ends),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
