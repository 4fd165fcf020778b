/* SPDX-License-Identifier: BSD-3-Clause */
/* test_library.c - libraries of functions as they are kept */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "library.h"

static const char stored[] = "\x02\x01\0\0\0\0\0\0" /* sequence */
                             "\x02\0\0\0"
                             "ab"
                             "\0\0\0\0"
                             "\x01\0\0\0"
                             "c";
#define STORED_SIZE (sizeof(stored) - 1)

static void the_bytes_of_a_value_are_what_pools_have(void **state)
{
    char value[64], *at = library_put_sequence(value, 258);

    (void)state;
    at = library_put(at, "ab", 2);
    at = library_put(at, "", 0);
    at = library_put(at, "c", 1);
    assert_int_equal(at - value, STORED_SIZE);
    assert_memory_equal(value, stored, STORED_SIZE);
    assert_int_equal(library_sequence(stored, STORED_SIZE), 258);
    assert_int_equal(library_sequence(stored, 7), 0);
}

/* Cut off anywhere, it gives the libraries that are whole. */
static void a_value_that_was_cut_off_ends_with_its_last_whole_library(void **state)
{
    (void)state;
    for (size_t size = 0; size <= STORED_SIZE; size++) {
        const size_t wanted = size >= 23 ? 3 : size >= 18 ? 2 : size >= 14 ? 1 : 0;
        const char *code;
        size_t at = 0, code_size, count = 0;

        while (library_next(stored, size, &at, &code, &code_size)) {
            assert_true(code >= stored && code + code_size <= stored + size);
            count++;
        }
        assert_int_equal(count, wanted);
    }
}

static void a_size_of_4_gib_leads_nowhere(void **state)
{
    static const char value[] = "\x01\0\0\0\0\0\0\0\xff\xff\xff\xff...";
    const char *code;
    size_t at = 0, code_size;

    (void)state;
    assert_false(library_next(value, sizeof(value) - 1, &at, &code, &code_size));
}

static void the_first_line_gives_the_name(void **state)
{
    static const struct {
        const char *code, *name, *error;
    } cases[] = {{"#!lua name=one\n", "one", NULL},
                 {"#!LUA NAME=a_1\nbody", "a_1", NULL},
                 {"#!lua \"name=q\"\n", "q", NULL},
                 {"#!lua name=one", "", "Invalid library metadata"},
                 {"#!js name=one\n", "", "Engine 'js' not found"},
                 {"#!lua\n", "", "Library name was not given"},
                 {"#!lua name=a name=b\n", "", "Invalid metadata value, name argument was given multiple times"},
                 {"#!lua code=a\n", "", "Invalid metadata value given: code=a"},
                 {"return 1", "", "Missing library metadata"}};
    char name[LIBRARY_NAME_SIZE], error[LIBRARY_ERROR_SIZE];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        error[0] = '\0';
        assert_int_equal(library_name(cases[i].code, strlen(cases[i].code), name, sizeof(name), error), cases[i].error == NULL);
        assert_string_equal(name, cases[i].name);
        assert_string_equal(error, cases[i].error ? cases[i].error : "");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_bytes_of_a_value_are_what_pools_have),
        cmocka_unit_test(a_value_that_was_cut_off_ends_with_its_last_whole_library),
        cmocka_unit_test(a_size_of_4_gib_leads_nowhere),
        cmocka_unit_test(the_first_line_gives_the_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
