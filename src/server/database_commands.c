/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * database_commands.c - DBSIZE, FLUSHDB, FLUSHALL, SWAPDB
 *
 * Commit:  one call to the store each, whatever the database's size: ASYNC and SYNC are the same.
 * Threads: the client's own. Memory: none.
 */
#include "args.h"
#include "client.h"
#include "errors.h"
#include "key_handlers.h"

static void reply_done(struct client *client, int result)
{
    if (result == SDB_OK)
        reply_ok(&client->reply);
    else
        command_reply_error(client, result);
}

void dbsize_command(struct client *client, const struct request_arg *argv, int argc)
{
    uint64_t count;
    int result = sdb_count(client->session, &count);

    (void)argv;
    (void)argc;
    if (result == SDB_OK)
        reply_integer(&client->reply, (int64_t)count);
    else
        command_reply_error(client, result);
}

/* SYNC, ASYNC or nothing. 1, or 0 after the reply "syntax error". */
static int check_flush_options(struct client *client, const struct request_arg *argv, int argc)
{
    if (argc == 1 || (argc == 2 && (args_is(&argv[1], "SYNC") || args_is(&argv[1], "ASYNC"))))
        return 1;
    args_syntax_error(client);
    return 0;
}

void flushdb_command(struct client *client, const struct request_arg *argv, int argc)
{
    if (check_flush_options(client, argv, argc))
        reply_done(client, sdb_flush(client->session));
}

void flushall_command(struct client *client, const struct request_arg *argv, int argc)
{
    if (check_flush_options(client, argv, argc))
        reply_done(client, sdb_flush_all(client->session));
}

void swapdb_command(struct client *client, const struct request_arg *argv, int argc)
{
    static const char *const errors[2] = {"invalid first DB index", "invalid second DB index"};
    int64_t databases[2];

    (void)argc;
    for (int i = 0; i < 2; i++) {
        if (!args_get_int64(client, &argv[1 + i], &databases[i], errors[i]))
            return;
        if (databases[i] < INT32_MIN || databases[i] > INT32_MAX) {
            reply_error(&client->reply, errors[i]);
            return;
        }
    }
    for (int i = 0; i < 2; i++) {
        if (databases[i] < 0 || databases[i] >= SDB_DATABASES) {
            reply_error(&client->reply, "DB index is out of range");
            return;
        }
    }
    reply_done(client, sdb_swap_databases(client->session, (uint32_t)databases[0], (uint32_t)databases[1]));
}
