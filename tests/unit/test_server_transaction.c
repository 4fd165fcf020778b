/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_server_transaction.c - a command of several steps replies with what became of it, and errors are told in one way
 *
 * The store's functions below stand in for the library: they do nothing but count, and fail where a test says so.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "client.h"
#include "errors.h"
#include "script_busy.h"
#include "transaction.h"

static struct client client;
static int begin_result, commit_result, begins, commits, aborts;
static const char *story = "";

int sdb_begin(struct sdb_session *session, const struct sdb_slice *keys, size_t count)
{
    (void)session, (void)keys, (void)count;
    begins++;
    return begin_result;
}

int sdb_commit(struct sdb_session *session)
{
    (void)session;
    commits++;
    return commit_result;
}

void sdb_abort(struct sdb_session *session)
{
    (void)session;
    aborts++;
}

const char *sdb_last_error(void)
{
    return story;
}

const char *sdb_strerror(int error)
{
    (void)error;
    return "some error";
}

const char *script_busy_text(void)
{
    return "BUSY a script";
}

static int setup(void **state)
{
    (void)state;
    memset(&client, 0, sizeof(client));
    reply_init(&client.reply);
    begin_result = commit_result = SDB_OK;
    begins = commits = aborts = 0;
    story = "";
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    reply_free(&client.reply);
    return 0;
}

static void assert_replied(const char *text)
{
    assert_int_equal(client.reply.size, strlen(text));
    assert_memory_equal(client.reply.data, text, strlen(text));
}

static void a_commit_lets_the_reply_stand(void **state)
{
    struct transaction transaction;

    (void)state;
    assert_true(transaction_begin(&transaction, &client, NULL, 0));
    reply_integer(&client.reply, 1);
    assert_int_equal(transaction_end(&transaction, &client, SDB_OK), SDB_OK);
    assert_replied(":1\r\n");
    assert_int_equal(commits, 1);
    assert_int_equal(aborts, 0);
}

static void a_failed_step_aborts_and_replaces_this_commands_reply_only(void **state)
{
    struct transaction transaction;

    (void)state;
    reply_ok(&client.reply); /* an earlier command's of the pipeline */
    assert_true(transaction_begin(&transaction, &client, NULL, 0));
    reply_bulk(&client.reply, "old value", 9);
    assert_int_equal(transaction_end(&transaction, &client, SDB_ENOSPC), SDB_ENOSPC);
    assert_int_equal(strncmp(client.reply.data, "+OK\r\n-OOM the pool is full", 26), 0);
    assert_int_equal(commits, 0);
    assert_int_equal(aborts, 1);
}

static void a_failed_commit_replaces_the_reply(void **state)
{
    struct transaction transaction;

    (void)state;
    commit_result = SDB_EFAILED;
    story = "x.sdb: bad page";
    assert_true(transaction_begin(&transaction, &client, NULL, 0));
    reply_integer(&client.reply, 1);
    assert_int_equal(transaction_end(&transaction, &client, SDB_OK), SDB_EFAILED);
    assert_replied("-MISCONF the pool has failed and refuses writes: x.sdb: bad page\r\n");
    assert_int_equal(aborts, 0);
}

static void a_begin_that_fails_replies_and_leaves_nothing_open(void **state)
{
    struct transaction transaction;

    (void)state;
    begin_result = SDB_ENOMEM;
    assert_false(transaction_begin(&transaction, &client, NULL, 0));
    assert_replied("-OOM out of memory\r\n");
    assert_int_equal(commits + aborts, 0);
}

static void every_error_has_one_reply(void **state)
{
    static const struct {
        int code;
        const char *begins_with;
    } rows[] = {
        {SDB_ENOSPC, "-OOM the pool is full"},
        {SDB_ENOMEM, "-OOM "},
        {SDB_EFAILED, "-MISCONF the pool has failed and refuses writes: the story"},
        {SDB_EIO, "-MISCONF the pool has failed and refuses writes: the story"},
        {SDB_ECORRUPT, "-CORRUPT the story"},
        {SDB_EREADONLY, "-READONLY "},
        {SDB_ETYPE, "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"},
        {SDB_ESTALE, "-STALE "},
        {SDB_ENOTINT, "-ERR value is not an integer or out of range\r\n"},
        {SDB_ENOTFLOAT, "-ERR value is not a valid float\r\n"},
        {SDB_EOVERFLOW, "-ERR increment or decrement would overflow\r\n"},
        {SDB_ETOOBIG, "-ERR key or value is too big"},
        {SDB_ECONFLICT, "-TRYAGAIN "},
        {SDB_EINVAL, "-ERR some error\r\n"},
        {-9999, "-ERR some error\r\n"},
    };

    (void)state;
    story = "the story";
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        client.reply.size = 0;
        command_reply_error(&client, rows[i].code);
        assert_true(client.reply.size >= strlen(rows[i].begins_with));
        assert_memory_equal(client.reply.data, rows[i].begins_with, strlen(rows[i].begins_with));
        assert_memory_equal(client.reply.data + client.reply.size - 2, "\r\n", 2);
    }
}

static void a_story_of_several_lines_is_one_reply(void **state)
{
    (void)state;
    story = "first\r\nsecond";
    command_reply_error(&client, SDB_ECORRUPT);
    assert_replied("-CORRUPT first  second\r\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_commit_lets_the_reply_stand, setup, teardown),
        cmocka_unit_test_setup_teardown(a_failed_step_aborts_and_replaces_this_commands_reply_only, setup, teardown),
        cmocka_unit_test_setup_teardown(a_failed_commit_replaces_the_reply, setup, teardown),
        cmocka_unit_test_setup_teardown(a_begin_that_fails_replies_and_leaves_nothing_open, setup, teardown),
        cmocka_unit_test_setup_teardown(every_error_has_one_reply, setup, teardown),
        cmocka_unit_test_setup_teardown(a_story_of_several_lines_is_one_reply, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
