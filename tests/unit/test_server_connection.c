/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_server_connection.c - a client's bytes on their way in and out, turn by turn; this file stands in for the kernel
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "batch.h"
#include "command.h"
#include "config.h"
#include "connection.h"
#include "superdb/superdb.h"
#include "worker.h"
#include "worker_stats.h"

static struct sdb_pool *pool;
static char pool_path[64];
static struct worker worker;
static struct connection *connection;
static struct io io;
static int peer;
static int paused, resumed, sends, detached, released;

static void pause_receiving(struct io *of, struct connection *which)
{
    assert_ptr_equal(of, &io);
    which->io.paused = 1;
    paused++;
}

static void resume_receiving(struct io *of, struct connection *which)
{
    assert_ptr_equal(of, &io);
    which->io.paused = 0;
    resumed++;
}

static void count_send(struct io *of, struct connection *which)
{
    assert_ptr_equal(of, &io);
    assert_true(which->out_size > 0);
    sends++;
}

static void detach(struct io *of, struct connection *which)
{
    assert_ptr_equal(of, &io);
    detached++;
    connection = NULL;
    io_on_detached(which);
}

static void count_release(struct io *of)
{
    assert_ptr_equal(of, &io);
    released++;
}

static const struct io_operations kernel = {
    .name = "test",
    .receive_pause = pause_receiving,
    .receive_resume = resume_receiving,
    .send = count_send,
    .detach = detach,
    .release = count_release,
};

static int open_pool(void **state)
{
    struct sdb_options options = SDB_OPTIONS_INIT;

    (void)state;
    snprintf(pool_path, sizeof(pool_path), "/dev/shm/superdb-connection-%ld.sdb", (long)getpid());
    options.flags = SDB_CREATE;
    options.pool_size = 32u * 1024 * 1024;
    if (config_init() != 0 || commands_init() != 0 || worker_stats_attach() == NULL)
        return -1;
    return sdb_open(pool_path, &options, &pool);
}

static int close_pool(void **state)
{
    (void)state;
    (void)unlink(pool_path);
    config_free();
    return sdb_close(pool);
}

static int begin(void **state)
{
    int sockets[2];

    (void)state;
    memset(&worker, 0, sizeof(worker));
    paused = resumed = sends = detached = released = 0;
    io.operations = &kernel;
    io.worker = &worker;
    worker.io = &io;
    worker.io_operations = &kernel;
    worker.session_database = -1;
    worker.turn = 1;
    worker.now_ms = 1000;
    worker.connections_count = 1;
    config.output_limits[CONFIG_CLIENT_NORMAL] = (struct config_output_limit){0, 0, 0};
    if (sdb_session_open(pool, &worker.session) != SDB_OK || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) != 0)
        return -1;
    peer = sockets[1];
    connection = connection_create(&worker, sockets[0], 1, "/test.sock");
    return connection == NULL ? -1 : 0;
}

static int end(void **state)
{
    (void)state;
    if (connection != NULL)
        connection_close(connection);
    if (worker.group_is_open)
        (void)sdb_group_end(worker.session);
    sdb_session_close(worker.session);
    while (worker.spare_count > 0)
        free(worker.spare[--worker.spare_count]);
    close(peer);
    return worker.attached == 0 ? 0 : -1;
}

static void receive(const char *data, size_t size)
{
    io_on_received(connection, data, size);
}

static void receive_text(const char *text)
{
    receive(text, strlen(text));
}

/* Ends the turn as the loop does, and begins the next. */
static void end_turn(void)
{
    batch_finish(&worker);
    if (worker.group_is_open) {
        worker.group_is_open = 0;
        assert_int_equal(sdb_group_end(worker.session), SDB_OK);
    }
    while (worker.touched != NULL) {
        struct connection *next = worker.touched;

        worker.touched = next->touched_next;
        next->touched = 0;
        connection_settle(next);
    }
    worker.turn++;
}

static void run_ready(void)
{
    while (worker.ready != NULL) {
        struct connection *next = worker.ready;

        worker.ready = next->ready_next;
        next->ready = 0;
        connection_resume(next);
        end_turn();
    }
}

/* The kernel has sent all that it was given. */
static void finish_send(void)
{
    connection->out_sent = connection->out_size;
    io_on_sent(connection);
}

static void expect_out(const char *text)
{
    assert_int_equal(connection->out_size, strlen(text));
    assert_memory_equal(connection->out, text, strlen(text));
}

static void replies_wait_for_the_end_of_the_turn(void **state)
{
    (void)state;
    receive_text("*1\r\n$4\r\nPING\r\n*1\r\n$4\r\nPING\r\n");
    batch_run(&worker);
    assert_true(worker.group_is_open);
    assert_int_equal(connection->client.reply.size, 14);
    assert_int_equal(sends, 0);
    end_turn();
    assert_int_equal(sends, 1);
    expect_out("+PONG\r\n+PONG\r\n");
}

static void replies_gather_while_others_are_being_sent(void **state)
{
    (void)state;
    receive_text("PING a\r\n");
    end_turn();
    receive_text("PING b\r\n");
    end_turn();
    assert_int_equal(sends, 1);
    expect_out("$1\r\na\r\n");
    finish_send();
    end_turn();
    assert_int_equal(sends, 2);
    expect_out("$1\r\nb\r\n");
}

static void a_failed_fence_takes_back_what_it_did_not_cover(void **state)
{
    (void)state;
    receive_text("PING covered\r\n");
    end_turn();
    receive_text("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n");
    batch_finish(&worker);
    assert_int_equal(connection->client.reply.size, 5);
    connection_disown_replies(connection, SDB_EIO, "MISCONF not durable");
    end_turn();
    expect_out("$7\r\ncovered\r\n");
    finish_send();
    end_turn();
    expect_out("-MISCONF not durable\r\n");
    assert_int_equal(detached, 0);
    finish_send();
    end_turn();
    assert_int_equal(detached, 1);
}

static void a_failed_fence_does_not_concern_those_who_ran_nothing(void **state)
{
    (void)state;
    receive_text("PING covered\r\n");
    end_turn();
    finish_send();
    connection_touch(connection);
    connection_disown_replies(connection, SDB_EIO, "MISCONF not durable");
    end_turn();
    assert_int_equal(sends, 1);
    assert_int_equal(detached, 0);
}

static void pieces_give_the_same_replies(void **state)
{
    static const char data[] = "*2\r\n$4\r\nECHO\r\n$3\r\nabc\r\nPING x\r\n*1\r\n$4\r\nPING\r\n";

    (void)state;
    for (size_t cut = 1; cut < sizeof(data) - 1; cut++) {
        char first[sizeof(data)];

        memcpy(first, data, cut);
        receive(first, cut);
        end_turn();
        memset(first, 'X', sizeof(first)); /* the kernel has its buffer back */
        receive(data + cut, sizeof(data) - 1 - cut);
        end_turn();
        while (connection->out_size > 0 && connection->client.reply.size > 0) {
            /* Replies came in two turns: put together what the client reads. */
            size_t sent = connection->out_size;
            char text[64];

            memcpy(text, connection->out, sent);
            memcpy(text + sent, connection->client.reply.data, connection->client.reply.size);
            text[sent + connection->client.reply.size] = '\0';
            assert_string_equal(text, "$3\r\nabc\r\n$1\r\nx\r\n+PONG\r\n");
            finish_send();
            end_turn();
            finish_send();
            end_turn();
        }
        if (connection->out_size > 0) {
            expect_out("$3\r\nabc\r\n$1\r\nx\r\n+PONG\r\n");
            finish_send();
            end_turn();
        }
        assert_int_equal(connection_input_size(connection), 0);
        assert_null(connection->input);
    }
}

static void a_huge_pipeline_has_its_share_of_each_turn(void **state)
{
    size_t requests = 40000, turns = 0, replied;
    char *data = malloc(requests * 14 + 1);

    (void)state;
    assert_non_null(data);
    for (size_t i = 0; i < requests; i++)
        memcpy(data + i * 14, "*1\r\n$4\r\nPING\r\n", 14);
    receive(data, requests * 14);
    end_turn();
    free(data);
    replied = connection->out_size;
    assert_true(replied < requests * 7);
    assert_true(connection->ready);
    while (worker.ready != NULL) {
        worker.ready = NULL;
        connection->ready = 0;
        finish_send();
        connection_resume(connection);
        end_turn();
        replied += connection->out_size;
        turns++;
    }
    assert_int_equal(replied, requests * 7);
    assert_true(turns >= 2);
}

static void a_client_that_does_not_read_is_stopped_and_goes_on_when_it_does(void **state)
{
    size_t size = 1000000, replied = 0, requests = 150;
    char *request = malloc(size + 64);
    size_t at;

    (void)state;
    assert_non_null(request);
    at = (size_t)snprintf(request, 64, "*2\r\n$4\r\nECHO\r\n$%zu\r\n", size);
    memset(request + at, 'e', size);
    memcpy(request + at + size, "\r\n", 2);
    for (size_t i = 0; i < requests; i++) {
        if (connection->io.paused)
            break;
        receive(request, at + size + 2);
        end_turn();
        run_ready();
    }
    assert_true(paused > 0);
    assert_true(connection->blocked != 0);
    assert_true(connection_output_size(connection) < requests * size);
    for (int i = 0; i < 10 && connection->out_size > 0; i++) {
        replied += connection->out_size;
        finish_send();
        end_turn();
        run_ready();
    }
    assert_int_equal(connection->blocked, 0);
    assert_true(resumed > 0);
    assert_true(replied > 64u * 1024 * 1024);
    assert_int_equal(worker.output_total, 0);
    free(request);
}

static void a_client_above_the_hard_limit_is_closed(void **state)
{
    (void)state;
    config.output_limits[CONFIG_CLIENT_NORMAL].hard = 10;
    receive_text("PING 123456789\r\n");
    end_turn();
    assert_int_equal(detached, 1);
}

static void a_client_above_the_soft_limit_is_closed_when_its_time_is_up(void **state)
{
    (void)state;
    config.output_limits[CONFIG_CLIENT_NORMAL] = (struct config_output_limit){0, 10, 2};
    receive_text("PING 123456789\r\n");
    end_turn();
    worker.now_ms += 1500;
    connection_touch(connection);
    end_turn();
    assert_int_equal(detached, 0);
    worker.now_ms += 1000;
    connection_touch(connection);
    end_turn();
    assert_int_equal(detached, 1);
}

static void damage_is_answered_behind_the_replies_before_it_and_ends_the_connection(void **state)
{
    (void)state;
    receive_text("*1\r\n$4\r\nPING\r\n*1\r\nPING\r\n*1\r\n$4\r\nPING\r\n");
    end_turn();
    expect_out("+PONG\r\n-ERR Protocol error: expected '$', got 'P'\r\n");
    receive_text("*1\r\n$4\r\nPING\r\n");
    finish_send();
    end_turn();
    assert_int_equal(detached, 1);
    assert_int_equal(sends, 1);
}

static void the_end_of_the_stream_waits_for_the_replies(void **state)
{
    (void)state;
    receive_text("PING\r\n");
    io_on_ended(connection, 0);
    end_turn();
    assert_int_equal(detached, 0);
    expect_out("+PONG\r\n");
    finish_send();
    end_turn();
    assert_int_equal(detached, 1);
}

static void a_broken_connection_is_closed_at_once(void **state)
{
    (void)state;
    receive_text("PING\r\n");
    end_turn();
    io_on_ended(connection, 104);
    end_turn();
    assert_int_equal(detached, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(replies_wait_for_the_end_of_the_turn, begin, end),
        cmocka_unit_test_setup_teardown(replies_gather_while_others_are_being_sent, begin, end),
        cmocka_unit_test_setup_teardown(a_failed_fence_takes_back_what_it_did_not_cover, begin, end),
        cmocka_unit_test_setup_teardown(a_failed_fence_does_not_concern_those_who_ran_nothing, begin, end),
        cmocka_unit_test_setup_teardown(pieces_give_the_same_replies, begin, end),
        cmocka_unit_test_setup_teardown(a_huge_pipeline_has_its_share_of_each_turn, begin, end),
        cmocka_unit_test_setup_teardown(a_client_that_does_not_read_is_stopped_and_goes_on_when_it_does, begin, end),
        cmocka_unit_test_setup_teardown(a_client_above_the_hard_limit_is_closed, begin, end),
        cmocka_unit_test_setup_teardown(a_client_above_the_soft_limit_is_closed_when_its_time_is_up, begin, end),
        cmocka_unit_test_setup_teardown(damage_is_answered_behind_the_replies_before_it_and_ends_the_connection, begin, end),
        cmocka_unit_test_setup_teardown(the_end_of_the_stream_waits_for_the_replies, begin, end),
        cmocka_unit_test_setup_teardown(a_broken_connection_is_closed_at_once, begin, end),
    };

    return cmocka_run_group_tests(tests, open_pool, close_pool);
}
