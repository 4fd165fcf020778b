/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_server_info.c - INFO has the sections that are asked for, in lines that monitoring tools can read, with true
 * figures
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "client.h"
#include "command.h"
#include "config.h"
#include "runtime.h"
#include "superdb/superdb.h"
#include "worker_stats.h"

static char directory[64], path[96];
static struct client client;

static int setup(void **state)
{
    struct sdb_options options = SDB_OPTIONS_INIT;

    (void)state;
    (void)snprintf(directory, sizeof(directory), "/dev/shm/superdb-test-info-XXXXXX");
    if (mkdtemp(directory) == NULL)
        return -1;
    (void)snprintf(path, sizeof(path), "%s/pool", directory);
    options.flags = SDB_CREATE;
    options.pool_size = 32u << 20;
    memset(&client, 0, sizeof(client));
    client.flags = CLIENT_AUTHENTICATED;
    reply_init(&client.reply);
    client.reply.protocol = 2;
    if (config_init() != 0 || runtime_init() != 0 || commands_init() != 0 || worker_stats_attach() == NULL)
        return -1;
    if (sdb_open(path, &options, &runtime.pool) != SDB_OK || sdb_session_open(runtime.pool, &client.session) != SDB_OK)
        return -1;
    return worker_stats_reset();
}

static int teardown(void **state)
{
    (void)state;
    sdb_session_close(client.session);
    if (sdb_close(runtime.pool) != SDB_OK)
        return -1;
    runtime.pool = NULL;
    reply_free(&client.reply);
    config_free();
    (void)unlink(path);
    return rmdir(directory);
}

/* INFO's text, without the bulk header in front. */
static const char *info(int count, ...)
{
    struct request_arg argv[8] = {{"info", 4}};
    const char *start;
    va_list words;

    va_start(words, count);
    for (int i = 1; i <= count; i++) {
        const char *word = va_arg(words, const char *);
        argv[i] = (struct request_arg){word, strlen(word)};
    }
    va_end(words);
    client.reply.size = 0;
    command_dispatch(&client, argv, count + 1);
    reply_raw(&client.reply, "", 1);
    assert_int_equal(client.reply.data[0], '$');
    start = strstr(client.reply.data, "\r\n");
    assert_non_null(start);
    return start + 2;
}

static int has_line(const char *text, const char *line)
{
    const char *at = strstr(text, line);

    return at != NULL && (at == text || at[-1] == '\n');
}

static long long number(const char *text, const char *name)
{
    const char *at = strstr(text, name);

    assert_non_null(at);
    return atoll(at + strlen(name) + 1);
}

static void the_usual_sections_come_by_default(void **state)
{
    static const char *const usual[] = {"# Server",     "# Clients",     "# Memory",  "# Persistence",
                                        "# Stats",      "# Replication", "# CPU",     "# Modules",
                                        "# Errorstats", "# Cluster",     "# Superdb", "# Keyspace"};
    const char *text = info(0);

    (void)state;
    for (size_t i = 0; i < sizeof(usual) / sizeof(usual[0]); i++)
        assert_true(has_line(text, usual[i]));
    assert_false(has_line(text, "# Commandstats"));
    text = info(1, "everything");
    assert_true(has_line(text, "# Commandstats"));
    assert_true(has_line(text, "# Modules"));
    text = info(1, "ALL");
    assert_true(has_line(text, "# Latencystats"));
    assert_false(has_line(text, "# Modules"));
    text = info(2, "cpu", "Keyspace");
    assert_true(has_line(text, "# CPU"));
    assert_true(has_line(text, "# Keyspace"));
    assert_false(has_line(text, "# Server"));
    assert_string_equal(info(1, "nosuchsection"), "\r\n");
}

static void every_line_is_a_name_and_a_value(void **state)
{
    const char *at = info(1, "everything");

    (void)state;
    while (*at != '\0') {
        size_t size = strcspn(at, "\r");

        assert_memory_equal(at + size, "\r\n", 2);
        if (size > 0 && at[0] != '#')
            assert_non_null(memchr(at, ':', size));
        assert_null(memchr(at, '\n', size));
        at += size + 2;
    }
}

static void keys_are_counted_by_database(void **state)
{
    int64_t later = 4102444800000; /* 2100 */
    struct sdb_set_options expiring = {.expire_ms = later};

    (void)state;
    assert_string_equal(info(1, "keyspace"), "# Keyspace\r\n\r\n");
    assert_int_equal(sdb_set(client.session, "a", 1, "1", 1, NULL), SDB_OK);
    assert_int_equal(sdb_set(client.session, "b", 1, "1", 1, &expiring), SDB_OK);
    assert_int_equal(sdb_select(client.session, 3), SDB_OK);
    assert_int_equal(sdb_set(client.session, "c", 1, "1", 1, NULL), SDB_OK);
    assert_int_equal(sdb_select(client.session, 0), SDB_OK);
    assert_string_equal(info(1, "keyspace"),
                        "# Keyspace\r\ndb0:keys=2,expires=1,avg_ttl=0\r\ndb3:keys=1,expires=0,avg_ttl=0\r\n\r\n");
    /* the client's own database is selected again */
    assert_int_equal(sdb_exists(client.session, "a", 1), SDB_OK);
}

static void figures_of_the_pool_are_there(void **state)
{
    const char *text;

    (void)state;
    assert_int_equal(sdb_set(client.session, "a", 1, "1", 1, NULL), SDB_OK);
    text = info(1, "superdb");
    assert_true(has_line(text, "pool_path:"));
    assert_true(has_line(text, "durability:process\r") || has_line(text, "durability:pmem\r"));
    assert_true(number(text, "pool_size") >= 32 << 20);
    assert_true(number(text, "commits") >= 1);
    assert_true(has_line(text, "fences:"));
    assert_true(has_line(text, "flushed_lines:"));
    assert_true(has_line(text, "cache_hits:"));
    assert_true(has_line(text, "cache_asked_perc:"));
    assert_true(has_line(text, "cache_bytes:"));
    assert_true(has_line(text, "cache_copies:"));
    assert_true(has_line(text, "cache_copies_max:"));
    assert_true(has_line(text, "conflicts:"));
}

static void commands_and_errors_have_their_lines(void **state)
{
    const struct request_arg wrong[] = {{"client", 6}, {"kill", 4}, {"nobody", 6}};
    const struct request_arg time[] = {{"time", 4}};
    const char *text;

    (void)state;
    command_dispatch(&client, time, 1);
    command_dispatch(&client, wrong, 2);
    text = info(2, "commandstats", "errorstats");
    assert_true(has_line(text, "cmdstat_time:calls=1,usec="));
    assert_true(
        has_line(text, "cmdstat_client|kill:calls=0,usec=0,usec_per_call=0.00,rejected_calls=1,failed_calls=0"));
    assert_true(has_line(text, "errorstat_ERR:count=1\r"));
    assert_int_equal(number(info(1, "stats"), "total_error_replies"), 1);
    text = info(1, "latencystats");
    assert_true(has_line(text, "latency_percentiles_usec_time:p50="));
    assert_non_null(strstr(text, ",p99.9="));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_usual_sections_come_by_default, setup, teardown),
        cmocka_unit_test_setup_teardown(every_line_is_a_name_and_a_value, setup, teardown),
        cmocka_unit_test_setup_teardown(keys_are_counted_by_database, setup, teardown),
        cmocka_unit_test_setup_teardown(figures_of_the_pool_are_there, setup, teardown),
        cmocka_unit_test_setup_teardown(commands_and_errors_have_their_lines, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
