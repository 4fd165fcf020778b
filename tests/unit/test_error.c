/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_error.c - each thread's last story
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "error.h"

static void the_last_text_is_kept_and_can_be_cleared(void **state)
{
    (void)state;
    error_set("first %d", 1);
    error_set("%s: locked by process %d", "pool.sdb", 4711);
    assert_string_equal(error_text(), "pool.sdb: locked by process 4711");
    error_clear();
    assert_string_equal(error_text(), "");
}

static void a_text_can_be_added_to(void **state)
{
    (void)state;
    error_set("the checksum is wrong");
    error_set("superblock A: %s", error_text());
    assert_string_equal(error_text(), "superblock A: the checksum is wrong");
}

static void a_text_too_long_is_cut_off(void **state)
{
    char text[2 * ERROR_TEXT_SIZE];

    (void)state;
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    error_set("%s", text);
    assert_int_equal(strlen(error_text()), ERROR_TEXT_SIZE - 1);
    assert_true(ERROR_TEXT_SIZE >= 512);
}

static void errno_survives(void **state)
{
    (void)state;
    errno = ENOSPC;
    error_set("%s", "no room");
    assert_int_equal(errno, ENOSPC);
}

static void *set_in_thread(void *context)
{
    *(int *)context = error_text()[0] == '\0';
    error_set("another thread's");
    return NULL;
}

static void threads_do_not_see_each_others_texts(void **state)
{
    pthread_t thread;
    int began_empty = 0;

    (void)state;
    error_set("mine");
    assert_int_equal(pthread_create(&thread, NULL, set_in_thread, &began_empty), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(began_empty);
    assert_string_equal(error_text(), "mine");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_last_text_is_kept_and_can_be_cleared),
        cmocka_unit_test(a_text_can_be_added_to),
        cmocka_unit_test(a_text_too_long_is_cut_off),
        cmocka_unit_test(errno_survives),
        cmocka_unit_test(threads_do_not_see_each_others_texts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
