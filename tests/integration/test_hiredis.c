/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_hiredis.c - the C client that most programs use: synchronous calls, pipelines, RESP3
 *
 * Starts superdb-server (SUPERDB_SERVER) on a unix socket in a directory of its own; the server ends with the test.
 */
#include <dirent.h>
#include <hiredis/hiredis.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

struct server {
    char directory[64];
    char socket_path[96];
    pid_t pid;
};

static double seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Connects, for as long as the server needs to come up. */
static redisContext *connected(const struct server *server)
{
    double deadline = seconds() + 20;
    const struct timespec pause = {0, 2000000};

    for (;;) {
        redisContext *context = redisConnectUnix(server->socket_path);

        if (context != NULL && context->err == 0)
            return context;
        redisFree(context);
        if (seconds() > deadline || waitpid(server->pid, NULL, WNOHANG) == server->pid)
            fail_msg("superdb-server does not answer at %s", server->socket_path);
        nanosleep(&pause, NULL); /* between attempts; the deadline bounds them */
    }
}

static int start_server(void **state)
{
    static struct server server;
    const char *program = getenv("SUPERDB_SERVER");
    char pool[96];

    if (program == NULL)
        fail_msg("SUPERDB_SERVER is not set");
    snprintf(server.directory, sizeof server.directory, "/dev/shm/superdb-hiredis-XXXXXX");
    if (mkdtemp(server.directory) == NULL)
        return -1;
    snprintf(server.socket_path, sizeof server.socket_path, "%s/socket", server.directory);
    snprintf(pool, sizeof pool, "%s/pool.sdb", server.directory);
    server.pid = fork();
    if (server.pid == 0) {
        signal(SIGPIPE, SIG_DFL);
        execl(program, program, "--pool", pool, "--pool-size", "64mb", "--port", "0", "--unixsocket", server.socket_path,
              "--threads", "2", "--logfile", "/dev/null", (char *)NULL);
        _exit(127);
    }
    *state = &server;
    return server.pid < 0 ? -1 : 0;
}

static int stop_server(void **state)
{
    const struct server *server = *state;
    DIR *directory = opendir(server->directory);
    int status = -1;

    kill(server->pid, SIGTERM);
    waitpid(server->pid, &status, 0);
    for (struct dirent *entry; directory != NULL && (entry = readdir(directory)) != NULL;)
        unlinkat(dirfd(directory), entry->d_name, 0);
    closedir(directory);
    rmdir(server->directory);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -1;
}

static redisReply *reply_of(redisContext *context, const char *format, ...)
{
    va_list arguments;
    redisReply *reply;

    va_start(arguments, format);
    reply = redisvCommand(context, format, arguments);
    va_end(arguments);
    if (reply == NULL)
        fail_msg("%s: %s", format, context->errstr);
    return reply;
}

static void expect_text(redisReply *reply, int type, const char *text)
{
    assert_int_equal(reply->type, type);
    assert_int_equal(reply->len, strlen(text));
    assert_memory_equal(reply->str, text, reply->len);
    freeReplyObject(reply);
}

static void expect_integer(redisReply *reply, long long value)
{
    assert_int_equal(reply->type, REDIS_REPLY_INTEGER);
    assert_int_equal(reply->integer, value);
    freeReplyObject(reply);
}

static void synchronous_calls_give_the_types_that_redis_gives(void **state)
{
    redisContext *context = connected(*state);
    redisReply *reply;

    expect_text(reply_of(context, "SET %s %b", "binary", "a\0b", (size_t)3), REDIS_REPLY_STATUS, "OK");
    reply = reply_of(context, "GET binary");
    assert_int_equal(reply->type, REDIS_REPLY_STRING);
    assert_int_equal(reply->len, 3);
    assert_memory_equal(reply->str, "a\0b", 3);
    freeReplyObject(reply);
    expect_integer(reply_of(context, "INCRBY counter 41"), 41);
    expect_integer(reply_of(context, "INCR counter"), 42);
    expect_text(reply_of(context, "INCR binary"), REDIS_REPLY_ERROR, "ERR value is not an integer or out of range");
    reply = reply_of(context, "MGET counter nothing");
    assert_int_equal(reply->type, REDIS_REPLY_ARRAY);
    assert_int_equal(reply->elements, 2);
    assert_string_equal(reply->element[0]->str, "42");
    assert_int_equal(reply->element[1]->type, REDIS_REPLY_NIL);
    freeReplyObject(reply);
    redisFree(context);
}

static void pipelined_replies_come_in_order(void **state)
{
    enum { COUNT = 20000 };
    redisContext *context = connected(*state);
    redisReply *reply;

    for (int i = 0; i < COUNT; i++) {
        redisAppendCommand(context, "SET pipe:%d %d", i % 100, i);
        redisAppendCommand(context, "GET pipe:%d", i % 100);
    }
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(redisGetReply(context, (void **)&reply), REDIS_OK);
        expect_text(reply, REDIS_REPLY_STATUS, "OK");
        assert_int_equal(redisGetReply(context, (void **)&reply), REDIS_OK);
        assert_int_equal(reply->type, REDIS_REPLY_STRING);
        assert_int_equal(atoi(reply->str), i);
        freeReplyObject(reply);
    }
    redisFree(context);
}

/* Reads from the socket until text has come, and gives how much came; data is a string afterwards. */
static size_t read_until(const redisContext *context, char *data, size_t size, const char *text)
{
    size_t have = 0;

    for (;;) {
        ssize_t got = read(context->fd, data + have, size - 1 - have);

        assert_true(got > 0);
        have += (size_t)got;
        data[have] = 0;
        if (strstr(data, text) != NULL)
            return have;
    }
}

static void hello_2_is_a_flat_array(void **state)
{
    redisContext *context = connected(*state);
    redisReply *reply = reply_of(context, "HELLO 2 SETNAME hiredis");

    assert_int_equal(reply->type, REDIS_REPLY_ARRAY);
    assert_int_equal(reply->elements, 14);
    assert_string_equal(reply->element[0]->str, "server");
    assert_string_equal(reply->element[4]->str, "proto");
    assert_int_equal(reply->element[5]->integer, 2);
    freeReplyObject(reply);
    expect_text(reply_of(context, "CLIENT GETNAME"), REDIS_REPLY_STRING, "hiredis");
    redisFree(context);
}

/* This hiredis reads no maps: HELLO 3 goes around it, and what RESP3 shares with RESP2 goes through it afterwards. */
static void hello_3_switches_the_connection(void **state)
{
    redisContext *context = connected(*state);
    const char hello[] = "HELLO 3\r\n", maxclients[] = "CONFIG GET maxclients\r\n", get[] = "GET nothing\r\n";
    char data[1024];

    assert_int_equal(write(context->fd, hello, sizeof hello - 1), sizeof hello - 1);
    read_until(context, data, sizeof data, "modules\r\n*0\r\n");
    assert_memory_equal(data, "%7\r\n$6\r\nserver\r\n", 16);
    assert_non_null(strstr(data, "$5\r\nproto\r\n:3\r\n"));
    assert_int_equal(write(context->fd, maxclients, sizeof maxclients - 1), sizeof maxclients - 1);
    read_until(context, data, sizeof data, "00\r\n");
    assert_memory_equal(data, "%1\r\n$10\r\nmaxclients\r\n", 21);
    assert_int_equal(write(context->fd, get, sizeof get - 1), sizeof get - 1);
    read_until(context, data, sizeof data, "\r\n");
    assert_string_equal(data, "_\r\n");
    expect_text(reply_of(context, "SET three v"), REDIS_REPLY_STATUS, "OK");
    expect_text(reply_of(context, "GET three"), REDIS_REPLY_STRING, "v");
    expect_integer(reply_of(context, "DEL three"), 1);
    redisFree(context);
}

static void a_megabyte_goes_both_ways(void **state)
{
    size_t size = 1024 * 1024 + 3;
    char *value = malloc(size);
    redisContext *context = connected(*state);
    redisReply *reply;

    assert_non_null(value);
    for (size_t i = 0; i < size; i++)
        value[i] = (char)(i * 31 >> 3);
    expect_text(reply_of(context, "SET mega %b", value, size), REDIS_REPLY_STATUS, "OK");
    reply = reply_of(context, "GET mega");
    assert_int_equal(reply->len, size);
    assert_memory_equal(reply->str, value, size);
    freeReplyObject(reply);
    expect_integer(reply_of(context, "UNLINK mega"), 1);
    free(value);
    redisFree(context);
}

static void quit_says_ok_and_closes(void **state)
{
    redisContext *context = connected(*state);

    expect_text(reply_of(context, "QUIT"), REDIS_REPLY_STATUS, "OK");
    assert_null(redisCommand(context, "PING"));
    assert_true(context->err == REDIS_ERR_EOF || context->err == REDIS_ERR_IO); /* read the end, or wrote after it */
    redisFree(context);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(synchronous_calls_give_the_types_that_redis_gives),
        cmocka_unit_test(pipelined_replies_come_in_order),
        cmocka_unit_test(hello_2_is_a_flat_array),
        cmocka_unit_test(hello_3_switches_the_connection),
        cmocka_unit_test(a_megabyte_goes_both_ways),
        cmocka_unit_test(quit_says_ok_and_closes),
    };

    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, start_server, stop_server);
}
