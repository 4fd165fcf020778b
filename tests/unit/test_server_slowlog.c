/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_server_slowlog.c - the slow log keeps the newest commands, cut to size, and no secrets
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "config.h"
#include "slowlog.h"

static struct reply reply;

static int setup(void **state)
{
    (void)state;
    if (config_init() != 0)
        return -1;
    slowlog_clear();
    reply_init(&reply);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    slowlog_clear();
    reply_free(&reply);
    config_free();
    return 0;
}

static void add(int argc, const char *const *words, int secret)
{
    struct request_arg argv[64];

    for (int i = 0; i < argc; i++)
        argv[i] = (struct request_arg){words[i], strlen(words[i])};
    slowlog_add(argv, argc, secret, 12345, "127.0.0.1:5000", "till");
}

/* Whether the reply to SLOWLOG GET count holds the text. */
static int shows(int64_t count, const char *text)
{
    reply.size = 0;
    slowlog_reply(&reply, count);
    reply_raw(&reply, "", 1);
    assert_false(reply.failed);
    return memmem(reply.data, reply.size, text, strlen(text)) != NULL;
}

static void entries_come_newest_first_with_all_fields(void **state)
{
    (void)state;
    add(2, (const char *const[]){"GET", "a"}, 0);
    add(2, (const char *const[]){"GET", "b"}, 0);
    assert_int_equal(slowlog_length(), 2);
    assert_true(shows(1, "*1\r\n*6\r\n:"));
    assert_true(shows(1, ":12345\r\n*2\r\n$3\r\nGET\r\n$1\r\nb\r\n$14\r\n127.0.0.1:5000\r\n$4\r\ntill\r\n"));
    assert_false(shows(1, "$1\r\na\r\n"));
    assert_true(shows(-1, "$1\r\na\r\n"));
}

static void the_oldest_go_when_the_log_is_full(void **state)
{
    (void)state;
    for (int i = 0; i < 200; i++)
        add(1, (const char *const[]){"PING"}, 0);
    assert_int_equal(slowlog_length(), 128);
    __atomic_store_n(&config.slowlog_max_len, 3, __ATOMIC_RELAXED);
    slowlog_trim();
    assert_int_equal(slowlog_length(), 3);
    __atomic_store_n(&config.slowlog_max_len, 0, __ATOMIC_RELAXED);
    add(1, (const char *const[]){"PING"}, 0);
    assert_int_equal(slowlog_length(), 0);
}

static void long_arguments_and_many_are_cut(void **state)
{
    char longer[200];
    const char *words[40];

    (void)state;
    memset(longer, 'x', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = '\0';
    add(2, (const char *const[]){"GET", longer}, 0);
    assert_true(shows(1, "xxx... (71 more bytes)\r\n"));
    for (int i = 0; i < 40; i++)
        words[i] = "k";
    add(40, words, 0);
    assert_true(shows(1, "*32\r\n"));
    assert_true(shows(1, "... (9 more arguments)\r\n"));
}

static void secrets_are_not_shown(void **state)
{
    (void)state;
    add(3, (const char *const[]){"AUTH", "default", "sesame"}, 1);
    assert_false(shows(-1, "sesame"));
    assert_true(shows(-1, "$4\r\nAUTH\r\n$10\r\n(redacted)\r\n$10\r\n(redacted)\r\n"));
}

static void ids_are_not_used_twice(void **state)
{
    char before[32], after[32];

    (void)state;
    add(1, (const char *const[]){"PING"}, 0);
    assert_true(shows(1, "*1\r\n"));
    (void)snprintf(before, sizeof(before), "%.12s", reply.data + 8);
    slowlog_clear();
    add(1, (const char *const[]){"PING"}, 0);
    assert_true(shows(1, "*1\r\n"));
    (void)snprintf(after, sizeof(after), "%.12s", reply.data + 8);
    assert_int_equal(atoi(after + 1), atoi(before + 1) + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(entries_come_newest_first_with_all_fields, setup, teardown),
        cmocka_unit_test_setup_teardown(the_oldest_go_when_the_log_is_full, setup, teardown),
        cmocka_unit_test_setup_teardown(long_arguments_and_many_are_cut, setup, teardown),
        cmocka_unit_test_setup_teardown(secrets_are_not_shown, setup, teardown),
        cmocka_unit_test_setup_teardown(ids_are_not_used_twice, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
