/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_log.c - lines, levels and files of the server's log
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "log.h"

static char path[] = "/tmp/superdb-test-log-XXXXXX";

static int set_up(void **state)
{
    int file = mkstemp(path);

    (void)state;
    if (file < 0)
        return -1;
    (void)close(file);
    log_set_level(LOG_LEVEL_NOTICE);
    return log_open(path);
}

static int tear_down(void **state)
{
    (void)state;
    memcpy(path + sizeof(path) - 7, "XXXXXX", 6);
    return log_open(NULL);
}

static void read_log(char *text, size_t size)
{
    FILE *file = fopen(path, "r");

    assert_non_null(file);
    text[fread(text, 1, size - 1, file)] = '\0';
    assert_int_equal(fclose(file), 0);
    (void)unlink(path);
}

static void a_line_has_process_role_time_and_level(void **state)
{
    char text[512], month[4], message[64], mark;
    int process, day, year, hour, minute, second, ms;

    (void)state;
    log_message(LOG_LEVEL_WARNING, "port %d is taken", 6379);
    read_log(text, sizeof(text));
    assert_int_equal(sscanf(text, "%d:M %d %3s %d %d:%d:%d.%d %c %63[^\n]", &process, &day, month, &year, &hour,
                            &minute, &second, &ms, &mark, message),
                     10);
    assert_int_equal(process, getpid());
    assert_int_equal(mark, '#');
    assert_string_equal(message, "port 6379 is taken");
    assert_int_equal(text[strlen(text) - 1], '\n');
}

static void messages_below_the_level_are_dropped(void **state)
{
    char text[512];

    (void)state;
    log_message(LOG_LEVEL_VERBOSE, "dropped");
    log_set_level(LOG_LEVEL_DEBUG);
    log_message(LOG_LEVEL_DEBUG, "kept");
    log_set_level(LOG_LEVEL_NOTHING);
    log_message(LOG_LEVEL_WARNING, "dropped too");
    read_log(text, sizeof(text));
    assert_null(strstr(text, "dropped"));
    assert_non_null(strstr(text, ". kept\n"));
}

static void a_message_stays_one_line_of_bounded_size(void **state)
{
    char text[4096], large[3000];

    (void)state;
    memset(large, 'x', sizeof(large) - 1);
    large[sizeof(large) - 1] = '\0';
    log_message(LOG_LEVEL_NOTICE, "forged\r\n1:M line %s", large);
    read_log(text, sizeof(text));
    assert_int_equal(strlen(text), 1024);
    assert_ptr_equal(strchr(text, '\n'), text + 1023);
    assert_non_null(strstr(text, "forged  1:M line xxx"));
}

static void a_file_that_was_moved_away_is_made_anew(void **state)
{
    char text[512];

    (void)state;
    log_message(LOG_LEVEL_NOTICE, "old");
    assert_int_equal(unlink(path), 0);
    log_message(LOG_LEVEL_NOTICE, "new");
    read_log(text, sizeof(text));
    assert_null(strstr(text, "old"));
    assert_non_null(strstr(text, "* new\n"));
}

static void a_file_that_cannot_be_opened_is_refused(void **state)
{
    char text[512];

    (void)state;
    assert_int_equal(log_open("/nonexistent/superdb/log"), ENOENT);
    log_message(LOG_LEVEL_NOTICE, "still here");
    read_log(text, sizeof(text));
    assert_non_null(strstr(text, "still here"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_line_has_process_role_time_and_level, set_up, tear_down),
        cmocka_unit_test_setup_teardown(messages_below_the_level_are_dropped, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_message_stays_one_line_of_bounded_size, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_file_that_was_moved_away_is_made_anew, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_file_that_cannot_be_opened_is_refused, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
