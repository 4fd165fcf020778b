/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_block.c - waiting for keys: who is served, in which order, by whom, and who gives up
 *
 * Two workers, both in this thread: mail is opened by hand. The command that waits takes a string key and deletes it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/eventfd.h>

#include <cmocka.h>

#include "block.h"
#include "changes.h"
#include "client.h"
#include "clock.h"
#include "command.h"
#include "connection.h"
#include "engine_case.h"
#include "mail.h"
#include "runtime.h"
#include "worker.h"
#include "worker_stats.h"

#define CLIENTS 4

static struct worker workers[2];
static struct connection *connections[CLIENTS]; /* by turns of both workers */

static int begin(void **state)
{
    (void)set_up(state);
    runtime.pool = f.pool;
    assert_int_equal(commands_init(), 0);
    assert_non_null(worker_stats_attach());
    for (unsigned i = 0; i < 2; i++) {
        memset(&workers[i], 0, sizeof(workers[i]));
        workers[i].number = i;
        workers[i].now_ms = NOW;
        workers[i].waiters_due_ms = INT64_MAX;
        workers[i].wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        assert_ok(sdb_session_open(f.pool, &workers[i].session));
    }
    client_set_now_ms(NOW);
    for (unsigned i = 0; i < CLIENTS; i++) {
        connections[i] = connection_create(&workers[i % 2], -1, 0, NULL);
        connections[i]->client.reply.protocol = 2;
    }
    return 0;
}

static int end(void **state)
{
    for (unsigned i = 0; i < CLIENTS; i++)
        if (connections[i] != NULL)
            connection_destroy(connections[i]);
    assert_int_equal(block_count(), 0);
    assert_false(changes_are_wanted());
    for (unsigned i = 0; i < 2; i++) {
        sdb_session_close(workers[i].session);
        close(workers[i].wake_fd);
    }
    worker_stats_self->worker = NULL;
    runtime.pool = NULL;
    client_set_now_ms(0);
    return tear_down(state);
}

/* ---- a command that waits ---- */

static enum block_served take(struct client *client, const struct request_arg *argv, int argc, const struct sdb_slice *key)
{
    char value[32];
    size_t size;

    (void)argv;
    (void)argc;
    if (sdb_get(client->session, key->data, key->size, value, sizeof(value), &size) != SDB_OK)
        return BLOCK_NOTHING;
    if (size == 6 && memcmp(value, "others", 6) == 0 && client->id % 2 == 0)
        return BLOCK_NOT_MINE;
    assert_ok(sdb_delete(client->session, key->data, key->size));
    reply_bulk(&client->reply, value, size);
    return BLOCK_SERVED;
}

static void give_up(struct client *client)
{
    reply_null_array(&client->reply);
}

static void wait_for_keys(unsigned number, int64_t timeout_ms, const char *first, const char *second)
{
    const struct sdb_slice keys[2] = {{first, strlen(first)}, {second, second == NULL ? 0 : strlen(second)}};
    const struct block_wish wish = {keys, second == NULL ? 1 : 2, timeout_ms, take, give_up, 0};
    const struct request_arg argv[2] = {{"take", 4}, {first, strlen(first)}};
    struct client *client = &connections[number]->client;

    assert_true(block_is_allowed(client));
    assert_ok(sdb_begin(client->session, keys, wish.count));
    assert_true(block_wait(client, &wish, argv, 2));
    assert_ok(sdb_commit(client->session));
}

static void open_mail(void)
{
    for (unsigned i = 0; i < 2; i++)
        mail_open(&workers[i]);
}

static void store(unsigned worker, const char *key, const char *value)
{
    worker_stats_self->worker = &workers[worker];
    assert_ok(sdb_set(workers[worker].session, key, strlen(key), value, strlen(value), NULL));
}

/* A command of this worker has stored the key, and its turn ends. */
static void put(unsigned worker, const char *key, const char *value)
{
    store(worker, key, value);
    block_serve_ready(&workers[worker]);
    block_committed(&workers[worker]);
    open_mail();
}

/* What the client has been sent since the last look. */
static void assert_got(unsigned number, const char *text)
{
    struct reply *reply = &connections[number]->client.reply;

    assert_int_equal(reply->size, strlen(text));
    assert_memory_equal(reply->data == NULL ? "" : reply->data, text, reply->size);
    reply->size = 0;
    assert_int_equal((connections[number]->client.flags & CLIENT_BLOCKED) != 0, text[0] == '\0');
    assert_int_equal((connections[number]->blocked & CONNECTION_BLOCK_WAIT) != 0, text[0] == '\0');
}

/* ---- tests ---- */

static void who_came_first_is_served_first_whichever_worker_serves_it(void **state)
{
    (void)state;
    for (unsigned i = 0; i < CLIENTS; i++)
        wait_for_keys(i, 0, "k", NULL);
    assert_int_equal(block_count(), CLIENTS);
    put(1, "k", "a");
    assert_got(0, "$1\r\na\r\n");
    assert_got(1, "");
    put(0, "k", "b");
    assert_got(1, "$1\r\nb\r\n");
    put(0, "k", "c");
    assert_got(2, "$1\r\nc\r\n");
    assert_got(3, "");
    put(1, "k", "d");
    assert_got(3, "$1\r\nd\r\n");
    put(1, "k", "e");
    assert_true(fixture_has(&f, "k", "e"));
}

static void a_reply_to_another_workers_client_waits_for_the_fence(void **state)
{
    (void)state;
    wait_for_keys(1, 0, "k", NULL);
    store(0, "k", "a");
    block_serve_ready(&workers[0]);
    open_mail();
    assert_got(1, "");
    block_committed(&workers[0]);
    open_mail();
    assert_got(1, "$1\r\na\r\n");
}

static void where_the_commit_fails_they_are_told(void **state)
{
    (void)state;
    wait_for_keys(1, 0, "k", NULL);
    store(0, "k", "a");
    block_serve_ready(&workers[0]);
    block_failed(&workers[0], "MISCONF the commit failed");
    open_mail();
    assert_got(1, "-MISCONF the commit failed\r\n");
}

static void other_keys_and_other_databases_wake_nobody(void **state)
{
    (void)state;
    wait_for_keys(0, 0, "k", NULL);
    put(0, "l", "a");
    assert_ok(sdb_select(workers[0].session, 3));
    put(0, "k", "a");
    assert_ok(sdb_select(workers[0].session, 0));
    assert_got(0, "");
}

static void one_of_several_keys_is_enough_and_all_rows_are_left(void **state)
{
    (void)state;
    wait_for_keys(0, 0, "k", "l");
    wait_for_keys(1, 0, "l", "l");
    put(1, "l", "a");
    assert_got(0, "$1\r\na\r\n");
    put(1, "k", "b");
    assert_true(fixture_has(&f, "k", "b"));
    put(1, "l", "c");
    assert_got(1, "$1\r\nc\r\n");
}

static void what_is_of_no_use_to_one_goes_to_the_next(void **state)
{
    unsigned even = connections[0]->client.id % 2 == 0 ? 0 : 1, odd = 1 - even;

    (void)state;
    wait_for_keys(even, 0, "k", NULL);
    wait_for_keys(odd, 0, "k", NULL);
    put(0, "k", "others");
    assert_got(even, "");
    assert_got(odd, "$6\r\nothers\r\n");
    put(0, "k", "mine");
    assert_got(even, "$4\r\nmine\r\n");
}

static void keys_are_served_in_the_order_in_which_they_became_ready(void **state)
{
    (void)state;
    wait_for_keys(0, 0, "k", "l");
    store(0, "l", "later named");
    store(0, "k", "later ready");
    block_serve_ready(&workers[0]);
    block_committed(&workers[0]);
    assert_got(0, "$11\r\nlater named\r\n");
    assert_true(fixture_has(&f, "k", "later ready"));
}

static void a_key_that_is_gone_again_serves_nobody(void **state)
{
    (void)state;
    wait_for_keys(0, 0, "k", NULL);
    store(1, "k", "a");
    assert_ok(sdb_delete(workers[1].session, "k", 1));
    block_serve_ready(&workers[1]);
    assert_got(0, "");
}

static void databases_that_change_places_bring_keys(void **state)
{
    (void)state;
    wait_for_keys(0, 0, "k", NULL);
    assert_ok(sdb_select(workers[1].session, 5));
    store(1, "k", "a");
    assert_ok(sdb_swap_databases(workers[1].session, 0, 5));
    block_serve_ready(&workers[1]);
    block_committed(&workers[1]);
    open_mail();
    assert_got(0, "$1\r\na\r\n");
}

static void time_is_up_in_the_order_of_the_deadlines(void **state)
{
    (void)state;
    wait_for_keys(0, 200, "k", NULL);
    wait_for_keys(2, 100, "k", NULL);
    assert_int_equal(block_timed_count(), 2);
    assert_int_equal(workers[0].waiters_due_ms, NOW + 100);
    assert_int_equal(workers[1].waiters_due_ms, INT64_MAX);
    workers[0].now_ms = NOW + 99;
    block_timers(&workers[0]);
    assert_got(2, "");
    workers[0].now_ms = NOW + 100;
    block_timers(&workers[0]);
    assert_got(2, "*-1\r\n");
    assert_got(0, "");
    put(0, "k", "a");
    assert_got(0, "$1\r\na\r\n");
    assert_int_equal(workers[0].waiters_due_ms, INT64_MAX);
}

static void a_client_that_goes_is_passed_over(void **state)
{
    (void)state;
    wait_for_keys(0, 0, "k", NULL);
    wait_for_keys(1, 0, "k", NULL);
    connection_destroy(connections[0]);
    connections[0] = NULL;
    put(0, "k", "a");
    assert_got(1, "$1\r\na\r\n");
}

static void a_client_that_goes_while_its_reply_is_on_the_way_does_no_harm(void **state)
{
    (void)state;
    wait_for_keys(1, 0, "k", NULL);
    store(0, "k", "a");
    block_serve_ready(&workers[0]);
    connection_destroy(connections[1]);
    connections[1] = NULL;
    block_committed(&workers[0]);
    open_mail();
    assert_true(fixture_has(&f, "k", NULL));
}

static void who_is_unblocked_is_told_how(void **state)
{
    const uint64_t id = connections[1]->client.id;

    (void)state;
    assert_int_equal(block_unblock(id, 0), 0);
    wait_for_keys(1, 0, "k", NULL);
    assert_int_equal(block_unblock(id, 0), 1);
    assert_int_equal(block_unblock(id, 0), 0);
    open_mail();
    assert_got(1, "*-1\r\n");
    wait_for_keys(1, 0, "k", NULL);
    assert_int_equal(block_unblock(id, 1), 1);
    open_mail();
    assert_got(1, "-UNBLOCKED client unblocked via CLIENT UNBLOCK\r\n");
    put(0, "k", "a");
    assert_true(fixture_has(&f, "k", "a"));
}

static void inside_a_transaction_nobody_waits(void **state)
{
    (void)state;
    connections[0]->client.flags |= CLIENT_MULTI;
    assert_false(block_is_allowed(&connections[0]->client));
    connections[0]->client.flags &= ~(uint32_t)CLIENT_MULTI;
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(who_came_first_is_served_first_whichever_worker_serves_it),
        TEST(a_reply_to_another_workers_client_waits_for_the_fence),
        TEST(where_the_commit_fails_they_are_told),
        TEST(other_keys_and_other_databases_wake_nobody),
        TEST(one_of_several_keys_is_enough_and_all_rows_are_left),
        TEST(what_is_of_no_use_to_one_goes_to_the_next),
        TEST(keys_are_served_in_the_order_in_which_they_became_ready),
        TEST(a_key_that_is_gone_again_serves_nobody),
        TEST(databases_that_change_places_bring_keys),
        TEST(time_is_up_in_the_order_of_the_deadlines),
        TEST(a_client_that_goes_is_passed_over),
        TEST(a_client_that_goes_while_its_reply_is_on_the_way_does_no_harm),
        TEST(who_is_unblocked_is_told_how),
        TEST(inside_a_transaction_nobody_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
