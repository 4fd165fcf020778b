/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * stream_group_commands.c - XGROUP and XACK
 *
 * Commit:  one call to the store each; XGROUP CREATE and SETID: a transaction, since Redis looks for the key before it looks at the id.
 * Threads: the client's own. Memory: many ids.
 */
#include <stdlib.h>

#include "args.h"
#include "block.h"
#include "command_help.h"
#include "errors.h"
#include "notify.h"
#include "stream_args.h"
#include "stream_handlers.h"
#include "transaction.h"

#define IDS_FEW 16
#define CREATE_WORDS_MAX 8 /* no option twice, but for MKSTREAM */
#define SETID_WORDS_MAX 7

/* For a command whose argv[2] is the key and argv[3] the group. */
static void reply_failed(struct client *client, const struct request_arg *argv, int result)
{
    if (result == SDB_ENOTFOUND)
        reply_error(&client->reply, "The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the "
                                    "MKSTREAM option to create an empty stream automatically.");
    else if (result == SDB_ECONDITION)
        reply_errorf(&client->reply, "-NOGROUP No such consumer group '%.*s' for key name '%.*s'", (int)argv[3].size, argv[3].data,
                     (int)argv[2].size, argv[2].data);
    else
        command_reply_error(client, result);
}

/* ---- CREATE, SETID ---------------------------------------------------------------------------------------------------- */

static int get_start_options(struct client *client, const struct request_arg *argv, int argc, int creates, struct sdb_stream_start *start)
{
    for (int i = 5; i < argc; i++) {
        if (creates && args_is(&argv[i], "MKSTREAM")) {
            start->flags |= SDB_STREAM_MAKE;
        } else if (args_is(&argv[i], "ENTRIESREAD") && i + 1 < argc) {
            if (!args_get_int64(client, &argv[++i], &start->entries_read, NULL))
                return 0;
            if (start->entries_read < -1) {
                reply_error(&client->reply, "value for ENTRIESREAD must be positive or -1");
                return 0;
            }
        } else {
            command_subcommand_error(client, argv);
            return 0;
        }
    }
    return 1;
}

/* The id, or $; of SETID the words - and + as well. */
static int get_start(struct client *client, const struct request_arg *argv, int argc, int creates, struct sdb_stream_start *start)
{
    const struct request_arg *arg = &argv[4];

    if (argc > (creates ? CREATE_WORDS_MAX : SETID_WORDS_MAX)) {
        command_subcommand_error(client, argv);
        return 0;
    }
    if (args_is(arg, "$"))
        start->flags |= SDB_STREAM_FROM_LAST;
    else if (!creates && args_is(arg, "-"))
        start->id = (struct sdb_stream_id)SDB_STREAM_ID_MIN;
    else if (!creates && args_is(arg, "+"))
        start->id = (struct sdb_stream_id)SDB_STREAM_ID_MAX;
    else
        return stream_get_id(client, arg, 0, &start->id);
    return 1;
}

/* In a transaction. Whether there is what the command is about, before its id is looked at. */
static int look(struct client *client, const struct request_arg *argv, int creates, uint32_t flags)
{
    struct sdb_stream_group group;
    uint64_t length;
    int result = creates ? sdb_stream_length(client->session, argv[2].data, argv[2].size, &length)
                         : sdb_stream_group(client->session, argv[2].data, argv[2].size, argv[3].data, argv[3].size, &group);

    return result == SDB_ENOTFOUND && (flags & SDB_STREAM_MAKE) != 0 ? SDB_OK : result;
}

static int create_or_set(struct client *client, const struct request_arg *argv, int creates, const struct sdb_stream_start *start)
{
    notify_call(client, creates ? "xgroup-create" : "xgroup-setid", NOTIFY_STREAM);
    if (creates)
        return sdb_stream_group_create(client->session, argv[2].data, argv[2].size, argv[3].data, argv[3].size, start);
    return sdb_stream_group_set(client->session, argv[2].data, argv[2].size, argv[3].data, argv[3].size, start);
}

static void start_group(struct client *client, const struct request_arg *argv, int argc, int creates)
{
    struct sdb_stream_start start = {.entries_read = SDB_STREAM_UNKNOWN};
    const struct sdb_slice key = args_slice(&argv[2]);
    struct transaction transaction;
    int result;

    if (!get_start_options(client, argv, argc, creates, &start) || !transaction_begin(&transaction, client, &key, 1))
        return;
    result = look(client, argv, creates, start.flags);
    if (result != SDB_OK || !get_start(client, argv, argc, creates, &start)) {
        transaction_leave(client);
        if (result != SDB_OK)
            reply_failed(client, argv, result);
        return;
    }
    result = create_or_set(client, argv, creates, &start);
    if (result == SDB_ECONDITION && creates) {
        transaction_leave(client);
        reply_error(&client->reply, "-BUSYGROUP Consumer Group name already exists");
        return;
    }
    reply_ok(&client->reply);
    (void)transaction_end(&transaction, client, result);
}

void xgroup_create_command(struct client *client, const struct request_arg *argv, int argc)
{
    start_group(client, argv, argc, 1);
}

void xgroup_setid_command(struct client *client, const struct request_arg *argv, int argc)
{
    start_group(client, argv, argc, 0);
}

/* ---- DESTROY, CREATECONSUMER, DELCONSUMER ----------------------------------------------------------------------------- */

void xgroup_destroy_command(struct client *client, const struct request_arg *argv, int argc)
{
    const struct sdb_slice key = args_slice(&argv[2]);
    int result;

    (void)argc;
    notify_call(client, "xgroup-destroy", NOTIFY_STREAM);
    result = sdb_stream_group_destroy(client->session, key.data, key.size, argv[3].data, argv[3].size);
    if (result == SDB_OK || result == SDB_ECONDITION)
        reply_integer(&client->reply, result == SDB_OK);
    else
        reply_failed(client, argv, result);
    if (result == SDB_OK)
        block_wake(client, &key);
}

void xgroup_createconsumer_command(struct client *client, const struct request_arg *argv, int argc)
{
    const struct sdb_slice group = args_slice(&argv[3]), consumer = args_slice(&argv[4]);
    int result, created = 0;

    (void)argc;
    notify_call(client, "xgroup-createconsumer", NOTIFY_STREAM);
    result = sdb_stream_consumer_create(client->session, argv[2].data, argv[2].size, &group, &consumer, client_now_ms(client), &created);
    if (result == SDB_OK)
        reply_integer(&client->reply, created);
    else
        reply_failed(client, argv, result);
}

void xgroup_delconsumer_command(struct client *client, const struct request_arg *argv, int argc)
{
    const struct sdb_slice group = args_slice(&argv[3]), consumer = args_slice(&argv[4]);
    uint64_t pending = 0;
    int result;

    (void)argc;
    notify_call(client, "xgroup-delconsumer", NOTIFY_STREAM);
    result = sdb_stream_consumer_delete(client->session, argv[2].data, argv[2].size, &group, &consumer, NULL, &pending);
    if (result == SDB_OK)
        reply_integer(&client->reply, (int64_t)pending);
    else
        reply_failed(client, argv, result);
}

/* ---- XACK ------------------------------------------------------------------------------------------------------------- */

static void reply_acknowledged(struct client *client, int result, uint64_t count)
{
    if (result == SDB_OK || result == SDB_ENOTFOUND || result == SDB_ECONDITION)
        reply_integer(&client->reply, result == SDB_OK ? (int64_t)count : 0);
    else
        command_reply_error(client, result);
}

void xack_command(struct client *client, const struct request_arg *argv, int argc)
{
    const struct sdb_slice group = args_slice(&argv[2]);
    struct sdb_stream_id few[IDS_FEW], *ids;
    struct sdb_stream_group found;
    uint64_t count = 0;
    int result = sdb_stream_group(client->session, argv[1].data, argv[1].size, group.data, group.size, &found);

    if (result != SDB_OK) { /* before the ids are looked at */
        reply_acknowledged(client, result, 0);
        return;
    }
    ids = stream_get_ids(client, argv + 3, argc - 3, few, IDS_FEW);
    if (ids == NULL)
        return;
    result = sdb_stream_acknowledge(client->session, argv[1].data, argv[1].size, &group, ids, (size_t)(argc - 3), &count);
    reply_acknowledged(client, result, count);
    if (ids != few)
        free(ids);
}
