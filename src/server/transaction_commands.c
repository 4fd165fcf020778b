/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * transaction_commands.c - MULTI, EXEC, DISCARD, WATCH and UNWATCH
 */
#include "client.h"
#include "command.h"
#include "errors.h"
#include "multi.h"
#include "watch.h"

static void multi_command(struct client *client, const struct request_arg *argv, int argc)
{
    (void)argv;
    (void)argc;
    if ((client->flags & CLIENT_MULTI) != 0)
        reply_error(&client->reply, "MULTI calls can not be nested");
    else if (multi_begin(client))
        reply_ok(&client->reply);
    else
        command_reply_error(client, SDB_ENOMEM);
}

static void exec_command(struct client *client, const struct request_arg *argv, int argc)
{
    (void)argv;
    (void)argc;
    if ((client->flags & CLIENT_MULTI) != 0)
        multi_exec(client);
    else
        reply_error(&client->reply, "EXEC without MULTI");
}

static void discard_command(struct client *client, const struct request_arg *argv, int argc)
{
    (void)argv;
    (void)argc;
    if ((client->flags & CLIENT_MULTI) == 0) {
        reply_error(&client->reply, "DISCARD without MULTI");
        return;
    }
    multi_discard(client);
    reply_ok(&client->reply);
}

/* Notes whether the key exists, and watches it, with its shard locked. Gives the store's error. */
static int watch_key(struct client *client, const struct request_arg *key)
{
    const struct sdb_slice slice = {key->data, key->size};
    int result;

    do {
        result = sdb_begin(client->session, &slice, 1);
        if (result != SDB_OK)
            return result;
        result = sdb_exists(client->session, key->data, key->size);
        if (result != SDB_ECONFLICT && !watch_add(client, key, result != SDB_ENOTFOUND))
            result = SDB_ENOMEM;
        sdb_abort(client->session);
    } while (result == SDB_ECONFLICT);
    return result == SDB_ENOTFOUND ? SDB_OK : result;
}

static void watch_command(struct client *client, const struct request_arg *argv, int argc)
{
    int result = SDB_OK;

    if ((client->flags & CLIENT_MULTI) != 0) {
        reply_error(&client->reply, "WATCH inside MULTI is not allowed");
        return;
    }
    for (int i = 1; i < argc && result == SDB_OK; i++)
        if (!watch_is_touched(client) && !watch_has(client, &argv[i]))
            result = watch_key(client, &argv[i]);
    if (result == SDB_OK)
        reply_ok(&client->reply);
    else
        command_reply_error(client, result);
}

static void unwatch_command(struct client *client, const struct request_arg *argv, int argc)
{
    (void)argv;
    (void)argc;
    watch_clear(client);
    reply_ok(&client->reply);
}

#define FLAGS (COMMAND_NOSCRIPT | COMMAND_LOADING | COMMAND_STALE)
#define FAST_FLAGS (FLAGS | COMMAND_FAST | COMMAND_ALLOW_BUSY)

/* clang-format off */
const struct command transaction_commands[] = {
    {.name = "discard",
     .summary = "Forgets the commands that were queued since MULTI, and watches no key any more",
     .since = "2.0.0", .group = "transactions",
     .complexity = "O(N) where N is the number of queued commands",
     .syntax = "",
     .acl_categories = "@fast @transaction",
     .arity = 1, .flags = FAST_FLAGS | COMMAND_UNQUEUED,
     .handler = discard_command},
    {.name = "exec",
     .summary = "Runs the commands that were queued since MULTI, as one",
     .since = "1.2.0", .group = "transactions",
     .complexity = "That of the commands",
     .syntax = "",
     .acl_categories = "@slow @transaction",
     .difference = "What the commands do is there after a crash as a whole or not at all. Where it cannot be committed (the pool "
                   "is too full even for its record) an error comes in place of the array, and nothing took effect",
     .arity = 1, .flags = FLAGS | COMMAND_SKIP_SLOWLOG | COMMAND_UNQUEUED,
     .handler = exec_command},
    {.name = "multi",
     .summary = "Queues the commands that follow, up to EXEC",
     .since = "1.2.0", .group = "transactions",
     .complexity = "O(1)",
     .syntax = "",
     .acl_categories = "@fast @transaction",
     .arity = 1, .flags = FAST_FLAGS | COMMAND_UNQUEUED,
     .handler = multi_command},
    {.name = "unwatch",
     .summary = "Watches no key any more",
     .since = "2.2.0", .group = "transactions",
     .complexity = "O(N) where N is the number of watched keys",
     .syntax = "",
     .acl_categories = "@fast @transaction",
     .arity = 1, .flags = FAST_FLAGS,
     .handler = unwatch_command},
    {.name = "watch",
     .summary = "Makes EXEC do nothing where one of the keys has changed until then",
     .since = "2.2.0", .group = "transactions",
     .complexity = "O(N) where N is the number of keys",
     .syntax = "key [key ...]",
     .acl_categories = "@fast @transaction",
     .arity = -2, .flags = FAST_FLAGS | COMMAND_UNQUEUED,
     .first_key = 1, .last_key = -1, .key_step = 1,
     .handler = watch_command},
    {.name = NULL},
};
/* clang-format on */
