/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_server_command.c - every row is found and complete; dispatch refuses what it should with Redis' words, and
 * counts
 */
#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "acl.h"
#include "client.h"
#include "command.h"
#include "command_syntax.h"
#include "command_table.h"
#include "config.h"
#include "config_option.h"
#include "latency.h"
#include "slowlog.h"
#include "worker_stats.h"

static struct client client;

static int setup(void **state)
{
    (void)state;
    memset(&client, 0, sizeof(client));
    client.flags = CLIENT_AUTHENTICATED;
    client.id = 7;
    reply_init(&client.reply);
    client.reply.protocol = 2;
    if (config_init() != 0 || commands_init() != 0 || worker_stats_attach() == NULL)
        return -1;
    return worker_stats_reset();
}

static int teardown(void **state)
{
    (void)state;
    free(client.name);
    acl_client_close(&client);
    acl_free();
    reply_free(&client.reply);
    slowlog_clear();
    config_free();
    return 0;
}

/* Dispatches a request of words, divided by single blanks, and compares the reply. */
static void assert_answers(const char *request, const char *expected)
{
    struct request_arg argv[16];
    int argc = 0;

    for (const char *at = request; argc < 16; at++) {
        size_t size = strcspn(at, " ");
        argv[argc++] = (struct request_arg){at, size};
        at += size;
        if (*at == '\0')
            break;
    }
    client.reply.size = 0;
    command_dispatch(&client, argv, argc);
    reply_raw(&client.reply, "", 1);
    client.reply.size--;
    assert_string_equal(client.reply.data, expected);
}

static void every_row_is_found_by_its_name_in_any_case(void **state)
{
    size_t count = 0;

    (void)state;
    for (const struct command *command; (command = command_at(count)) != NULL; count++) {
        char name[32];
        size_t size = strlen(command->name);

        assert_in_range(size, 1, sizeof(name) - 2);
        for (size_t i = 0; i <= size; i++)
            name[i] = (char)toupper((unsigned char)command->name[i]);
        assert_ptr_equal(command_find(command->name, size), command);
        assert_ptr_equal(command_find(name, size), command);
        assert_null(command_find(name, size - 1) == command ? command : NULL);
        name[size] = 'X';
        assert_ptr_not_equal(command_find(name, size + 1), command);
        for (const struct command *sub = command->subcommands; sub != NULL && sub->name != NULL; sub++)
            assert_ptr_equal(command_find_sub(command, sub->name, strlen(sub->name)), sub);
    }
    assert_true(count >= 80);
}

static void names_of_other_bytes_are_not_found(void **state)
{
    (void)state;
    assert_null(command_find("", 0));
    assert_null(command_find("g\0t", 3));
    assert_null(command_find("get\0", 4));
    assert_null(command_find("\x07\x65\x74", 3)); /* 'g' less bit 5 and 6 */
    assert_null(command_find("`et", 3));
    assert_null(command_find("[el", 3));
    assert_null(command_find("averylongnameofacommand", 23));
}

static void every_row_says_what_documents_need(void **state)
{
    (void)state;
    for (size_t i = 0; i < command_numbers(); i++) {
        const struct command *container, *command = command_of_number(i, &container);
        struct syntax syntax;

        assert_int_equal(command_number(command), (long)i);
        assert_non_null(command->summary);
        assert_non_null(command->since);
        assert_non_null(command->group);
        assert_non_null(command->acl_categories);
        assert_true(command->arity != 0);
        assert_true(command->handler != NULL || command->subcommands != NULL);
        assert_true((command->first_key == 0) == (command->key_step == 0));
        assert_int_equal(syntax_parse(&syntax, command->syntax), 0);
        assert_true(command->summary[strlen(command->summary) - 1] != '.');
        if (command->flags & COMMAND_FAST)
            assert_non_null(strstr(command->acl_categories, "@fast"));
    }
}

static void refusals_use_the_words_of_redis(void **state)
{
    (void)state;
    assert_answers("foo a b", "-ERR unknown command 'foo', with args beginning with: 'a' 'b' \r\n");
    assert_answers("f\no a", "-ERR unknown command 'f o', with args beginning with: 'a' \r\n");
    assert_answers("get", "-ERR wrong number of arguments for 'get' command\r\n");
    assert_answers("GET a b", "-ERR wrong number of arguments for 'get' command\r\n");
    assert_answers("client", "-ERR wrong number of arguments for 'client' command\r\n");
    assert_answers("client bar", "-ERR unknown subcommand 'bar'. Try CLIENT HELP.\r\n");
    assert_answers("config SET x", "-ERR wrong number of arguments for 'config|set' command\r\n");
    assert_answers("ping a b", "-ERR wrong number of arguments for 'ping' command\r\n");
    assert_answers("select 16", "-ERR DB index is out of range\r\n");
    assert_answers("hello 4", "-NOPROTO unsupported protocol version\r\n");
}

static void nothing_runs_before_the_password(void **state)
{
    char word[] = "sesame", *words = word;
    const char *error;

    (void)state;
    assert_int_equal(config_option_set(config_option_find("requirepass", 11), &words, 1, &error), 0);
    client.flags = 0;
    assert_answers("ping", "-NOAUTH Authentication required.\r\n");
    assert_answers("client id", "-NOAUTH Authentication required.\r\n");
    assert_answers("get", "-ERR wrong number of arguments for 'get' command\r\n");
    assert_answers("auth wrong", "-WRONGPASS invalid username-password pair or user is disabled.\r\n");
    assert_answers("auth somebody sesame", "-WRONGPASS invalid username-password pair or user is disabled.\r\n");
    assert_answers("auth sesame", "+OK\r\n");
    assert_answers("ping", "+PONG\r\n");
    assert_answers("reset", "+RESET\r\n");
    assert_answers("ping", "-NOAUTH Authentication required.\r\n");
}

static void replies_can_be_switched_off_and_skipped(void **state)
{
    (void)state;
    assert_answers("client reply skip", "");
    assert_answers("ping", "");
    assert_answers("ping", "+PONG\r\n");
    assert_answers("client reply off", "");
    assert_answers("ping", "");
    assert_answers("foo", "");
    assert_answers("client reply on", "+OK\r\n");
    assert_answers("ping", "+PONG\r\n");
}

static uint64_t calls_of(const char *name, struct command_stats *stats)
{
    worker_stats_sum_command((size_t)command_number(command_find_full(name, strlen(name))), stats);
    return stats->calls;
}

static void calls_refusals_and_failures_are_counted_apart(void **state)
{
    struct command_stats stats;
    struct worker_counters counters;
    struct worker_error errors[WORKER_ERROR_KINDS];

    (void)state;
    for (int i = 0; i < 100; i++)
        assert_answers("ping", "+PONG\r\n");
    assert_answers("ping a b", "-ERR wrong number of arguments for 'ping' command\r\n");
    assert_answers("echo", "-ERR wrong number of arguments for 'echo' command\r\n");
    assert_answers("hello 4", "-NOPROTO unsupported protocol version\r\n");
    assert_int_equal(calls_of("ping", &stats), 101);
    assert_int_equal(stats.failed, 1);
    assert_int_equal(stats.rejected, 0);
    assert_true(stats.ticks > 0);
    assert_int_equal(calls_of("echo", &stats), 0);
    assert_int_equal(stats.rejected, 1);
    worker_stats_sum(&counters);
    assert_int_equal(counters.commands, 102);
    assert_int_equal(counters.error_replies, 3);
    assert_int_equal(worker_stats_sum_errors(errors, WORKER_ERROR_KINDS), 2);
    assert_int_equal(worker_stats_reset(), 0);
    assert_int_equal(calls_of("ping", &stats), 0);
    assert_int_equal(worker_stats_sum_errors(errors, WORKER_ERROR_KINDS), 0);
}

static void sampled_calls_are_all_in_the_histogram(void **state)
{
    struct latency_histogram histogram;
    size_t number = (size_t)command_number(command_find("time", 4));

    (void)state;
    for (int i = 0; i < 37; i++) {
        struct request_arg word = {"time", 4};
        command_dispatch(&client, &word, 1);
    }
    assert_int_equal(worker_stats_sum_histogram(number, &histogram), 1);
    assert_int_equal(latency_count(&histogram), 37);
    assert_int_equal(worker_stats_reset(), 0);
    assert_int_equal(worker_stats_sum_histogram(number, &histogram), 0);
}

static void a_threshold_of_zero_logs_every_call(void **state)
{
    (void)state;
    __atomic_store_n(&config.slowlog_log_slower_than, 0, __ATOMIC_RELAXED);
    for (int i = 0; i < 20; i++)
        assert_answers("ping", "+PONG\r\n");
    assert_int_equal(slowlog_length(), 20);
    __atomic_store_n(&config.slowlog_log_slower_than, -1, __ATOMIC_RELAXED);
    assert_answers("client id", ":7\r\n");
    assert_int_equal(slowlog_length(), 20);
}

static void key_positions_follow_from_the_row(void **state)
{
    const struct request_arg mset[] = {{"mset", 4}, {"a", 1}, {"1", 1}, {"b", 1}, {"2", 1}};
    int positions[8];

    (void)state;
    assert_int_equal(command_key_positions(command_find("mset", 4), mset, 5, positions, 8), 2);
    assert_int_equal(positions[0], 1);
    assert_int_equal(positions[1], 3);
    assert_int_equal(command_key_positions(command_find("mset", 4), mset, 5, positions, 1), 1);
    assert_int_equal(command_key_positions(command_find("mset", 4), mset, 1, positions, 8), -1);
    assert_int_equal(command_key_positions(command_find("ping", 4), mset, 1, positions, 8), 0);
}

static void syntax_becomes_a_tree(void **state)
{
    struct syntax syntax;
    const struct syntax_node *nodes = syntax.nodes;
    int at;

    (void)state;
    assert_int_equal(syntax_parse(&syntax, "key value [NX | XX] [EX seconds] [key value ...]"), 0);
    assert_int_equal(syntax_parse(&syntax, "key value [key value ...]"), 0);
    assert_int_equal(nodes[syntax.first].kind, SYNTAX_BLOCK);
    assert_int_equal(nodes[syntax.first].flags, SYNTAX_MULTIPLE);
    assert_int_equal(nodes[syntax.first].next, -1);
    assert_int_equal(syntax_parse(&syntax, "key [NX | XX] [EX seconds]"), 0);
    at = nodes[syntax.first].next;
    assert_int_equal(nodes[at].kind, SYNTAX_ONE_OF);
    assert_string_equal(nodes[at].name, "condition");
    assert_int_equal(nodes[at].flags, SYNTAX_OPTIONAL);
    at = nodes[at].next;
    assert_string_equal(nodes[at].name, "seconds");
    assert_string_equal(nodes[at].token, "EX");
    assert_string_equal(syntax_type(&nodes[at]), "integer");
    assert_int_equal(syntax_parse(&syntax, "[a"), -1);
    assert_int_equal(syntax_parse(&syntax, "a]"), -1);
    assert_int_equal(syntax_parse(&syntax, NULL), 0);
    assert_int_equal(syntax.first, -1);
}

/* A server's start waits for it. By the thread's clock, which others' work does not move. */
static void the_table_is_made_at_once(void **state)
{
    struct timespec begin, end;

    (void)state;
    assert_int_equal(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &begin), 0);
    assert_int_equal(commands_init(), 0);
    assert_int_equal(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &end), 0);
    assert_true((end.tv_sec - begin.tv_sec) * 1000000000 + end.tv_nsec - begin.tv_nsec < 30000000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_table_is_made_at_once), /* First: it is made once. */
        cmocka_unit_test_setup_teardown(every_row_is_found_by_its_name_in_any_case, setup, teardown),
        cmocka_unit_test_setup_teardown(names_of_other_bytes_are_not_found, setup, teardown),
        cmocka_unit_test_setup_teardown(every_row_says_what_documents_need, setup, teardown),
        cmocka_unit_test_setup_teardown(refusals_use_the_words_of_redis, setup, teardown),
        cmocka_unit_test_setup_teardown(nothing_runs_before_the_password, setup, teardown),
        cmocka_unit_test_setup_teardown(replies_can_be_switched_off_and_skipped, setup, teardown),
        cmocka_unit_test_setup_teardown(calls_refusals_and_failures_are_counted_apart, setup, teardown),
        cmocka_unit_test_setup_teardown(sampled_calls_are_all_in_the_histogram, setup, teardown),
        cmocka_unit_test_setup_teardown(a_threshold_of_zero_logs_every_call, setup, teardown),
        cmocka_unit_test_setup_teardown(key_positions_follow_from_the_row, setup, teardown),
        cmocka_unit_test_setup_teardown(syntax_becomes_a_tree, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
