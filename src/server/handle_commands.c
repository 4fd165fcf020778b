/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * handle_commands.c - SDB.HANDLE, SDB.GETH, SDB.SETH: keys by handle, without hashing and without the index
 *
 * Commit:  SDB.SETH: one sdb_set_by_handle, or a transaction of them.
 * Threads: the client's own. Which shards a list of handles needs is the store's knowledge: where another thread
 *          holds one, the transaction begins again, and in the end takes every shard.
 * Memory:  none.
 */
#include "args.h"
#include "client.h"
#include "command.h"
#include "errors.h"

#define BATCH 64    /* handles that are read together */
#define TRIES_MAX 8 /* of a transaction that meets other threads' shards, before it locks all */

#define NOT_A_HANDLE "handle is not an integer or out of range"

static command_handler handle_command, geth_command, seth_command;

/* A row reads as a paragraph. */
/* clang-format off */
const struct command handle_commands[] = {
    {.name = "sdb.geth",
     .summary = "Gives values by handle; a STALE error in place of one whose key is gone",
     .since = "0.1.0", .group = "superdb",
     .complexity = "O(N) where N is the number of handles",
     .syntax = "handle [handle ...]",
     .acl_categories = "@read @string @fast",
     .arity = -2, .flags = COMMAND_READONLY | COMMAND_FAST,
     .handler = geth_command},
    {.name = "sdb.handle",
     .summary = "Gives the handles of keys, null where there is no such key",
     .since = "0.1.0", .group = "superdb",
     .complexity = "O(N) where N is the number of keys",
     .syntax = "key [key ...]",
     .acl_categories = "@keyspace @read @fast",
     .arity = -2, .flags = COMMAND_READONLY | COMMAND_FAST,
     .first_key = 1, .last_key = -1, .key_step = 1,
     .handler = handle_command},
    {.name = "sdb.seth",
     .summary = "Stores values by handle, all or none, and keeps their times to live",
     .since = "0.1.0", .group = "superdb",
     .complexity = "O(N) where N is the number of handles",
     .syntax = "handle value [handle value ...]",
     .acl_categories = "@write @string @slow",
     .arity = -3, .flags = COMMAND_WRITE | COMMAND_DENYOOM,
     .handler = seth_command},
    {.name = NULL},
};
/* clang-format on */

static void handle_command(struct client *client, const struct request_arg *argv, int argc)
{
    const size_t mark = client->reply.size;
    uint64_t handle;

    reply_array(&client->reply, (size_t)(argc - 1));
    for (int i = 1; i < argc; i++) {
        int result = sdb_handle(client->session, argv[i].data, argv[i].size, &handle);
        if (result == SDB_OK) {
            reply_integer(&client->reply, (int64_t)handle);
        } else if (result == SDB_ENOTFOUND) {
            reply_null(&client->reply);
        } else {
            command_reply_error_instead(client, mark, result);
            return;
        }
    }
}

/* A number that is none of a handle's (0, or negative) is a forged one: the store will call it stale. 0: no number. */
static int parse_handle(const struct request_arg *arg, uint64_t *handle)
{
    int64_t number;

    if (!args_parse_int64(arg->data, arg->size, &number))
        return 0;
    *handle = number > 0 ? (uint64_t)number : 0;
    return 1;
}

/* A value that does not fit the batch's 16 bytes. */
static int reply_by_view(struct client *client, uint64_t handle)
{
    struct sdb_view view;
    int result = sdb_view_by_handle(client->session, handle, &view);

    if (result == SDB_OK) {
        reply_bulk(&client->reply, view.data, view.size);
        sdb_view_release(client->session, &view);
    }
    return result;
}

static void reply_by_handle(struct client *client, uint64_t handle, const struct sdb_inline *value)
{
    int result = value->result;

    if (result == SDB_OK && value->encoding == SDB_ENCODING_INT)
        reply_bulk_integer(&client->reply, value->value.integer);
    else if (result == SDB_OK)
        reply_bulk(&client->reply, value->value.data, value->size);
    else if (result == SDB_ETOOBIG)
        result = reply_by_view(client, handle);
    if (result != SDB_OK)
        command_reply_error(client, result);
}

static void geth_command(struct client *client, const struct request_arg *argv, int argc)
{
    const size_t mark = client->reply.size;
    struct sdb_inline values[BATCH];
    uint64_t handles[BATCH];

    reply_array(&client->reply, (size_t)(argc - 1));
    for (int i = 1; i < argc; i += BATCH) {
        const int count = argc - i < BATCH ? argc - i : BATCH;
        for (int j = 0; j < count; j++) {
            if (!parse_handle(&argv[i + j], &handles[j])) {
                client->reply.size = mark;
                reply_error(&client->reply, NOT_A_HANDLE);
                return;
            }
        }
        sdb_get_many_by_handle(client->session, handles, (size_t)count, values);
        for (int j = 0; j < count; j++)
            reply_by_handle(client, handles[j], &values[j]);
    }
    /* One handle that is stale: a plain error, which every client library turns into its own kind of failure. */
    if (argc == 2 && values[0].result == SDB_ESTALE)
        command_reply_error_instead(client, mark, SDB_ESTALE);
}

/* Writes all pairs of argv[1..argc) in the open transaction. */
static int set_pairs(struct client *client, const struct request_arg *argv, int argc)
{
    int result = SDB_OK;

    for (int i = 1; i < argc && result == SDB_OK; i += 2) {
        uint64_t handle = 0;
        (void)parse_handle(&argv[i], &handle); /* seth_command has looked */
        result = sdb_set_by_handle(client->session, handle, argv[i + 1].data, argv[i + 1].size);
    }
    return result;
}

/* All pairs or none. */
static int set_all(struct client *client, const struct request_arg *argv, int argc)
{
    int result = SDB_ECONFLICT;

    for (int try = 0; try <= TRIES_MAX && result == SDB_ECONFLICT; try++) {
        result = try < TRIES_MAX ? sdb_begin(client->session, NULL, 0) : sdb_begin_all(client->session);
        if (result != SDB_OK)
            return result;
        result = set_pairs(client, argv, argc);
        if (result == SDB_OK)
            return sdb_commit(client->session);
        sdb_abort(client->session);
    }
    return result;
}

static void seth_command(struct client *client, const struct request_arg *argv, int argc)
{
    uint64_t handle = 0;
    int result;

    if (argc % 2 == 0) {
        reply_error(&client->reply, "wrong number of arguments for 'sdb.seth' command");
        return;
    }
    for (int i = 1; i < argc; i += 2) {
        if (!parse_handle(&argv[i], &handle)) {
            reply_error(&client->reply, NOT_A_HANDLE);
            return;
        }
    }
    if (argc == 3)
        result = sdb_set_by_handle(client->session, handle, argv[2].data, argv[2].size);
    else
        result = set_all(client, argv, argc);
    if (result == SDB_OK)
        reply_ok(&client->reply);
    else
        command_reply_error(client, result);
}
