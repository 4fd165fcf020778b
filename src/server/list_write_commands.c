/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * list_write_commands.c - LPUSH, RPUSH, LPUSHX, RPUSHX, LSET, LINSERT, LREM, LTRIM
 *
 * Commit:  one call to the store each.
 * Threads: the client's own. Memory: many elements: their slices.
 */
#include "args.h"
#include "client.h"
#include "errors.h"
#include "list_handlers.h"

/* ---- pushing ---------------------------------------------------------------------------------------------------------- */

static void push(struct client *client, const struct request_arg *argv, int argc, enum sdb_list_end end, uint32_t flags)
{
    struct args_slices elements;
    uint64_t length = 0;
    int result = args_slices_take(&elements, argv + 2, argc - 2);

    if (result == SDB_OK) {
        result = sdb_list_push(client->session, argv[1].data, argv[1].size, end, elements.items, elements.count, flags, &length);
        args_slices_free(&elements);
    }
    if (result == SDB_OK || result == SDB_ECONDITION)
        reply_integer(&client->reply, (int64_t)length);
    else
        command_reply_error(client, result);
}

void lpush_command(struct client *client, const struct request_arg *argv, int argc)
{
    push(client, argv, argc, SDB_LIST_HEAD, 0);
}

void rpush_command(struct client *client, const struct request_arg *argv, int argc)
{
    push(client, argv, argc, SDB_LIST_TAIL, 0);
}

void lpushx_command(struct client *client, const struct request_arg *argv, int argc)
{
    push(client, argv, argc, SDB_LIST_HEAD, SDB_IF_PRESENT);
}

void rpushx_command(struct client *client, const struct request_arg *argv, int argc)
{
    push(client, argv, argc, SDB_LIST_TAIL, SDB_IF_PRESENT);
}

/* ---- in the middle ---------------------------------------------------------------------------------------------------- */

/* A position that is no number counts only where there is a list: Redis looks for the key first. */
static void refuse_position(struct client *client, const struct request_arg *key)
{
    uint64_t count;
    int result = sdb_collection_count(client->session, key->data, key->size, SDB_TYPE_LIST, &count);

    if (result == SDB_OK)
        reply_error(&client->reply, ARGS_NOT_AN_INTEGER);
    else if (result == SDB_ENOTFOUND)
        reply_error(&client->reply, "no such key");
    else
        command_reply_error(client, result);
}

void lset_command(struct client *client, const struct request_arg *argv, int argc)
{
    int64_t position;
    int result;

    (void)argc;
    if (!args_parse_int64(argv[2].data, argv[2].size, &position)) {
        refuse_position(client, &argv[1]);
        return;
    }
    result = sdb_list_set(client->session, argv[1].data, argv[1].size, position, argv[3].data, argv[3].size);
    if (result == SDB_OK)
        reply_ok(&client->reply);
    else if (result == SDB_ENOTFOUND)
        reply_error(&client->reply, "no such key");
    else if (result == SDB_ECONDITION)
        reply_error(&client->reply, "index out of range");
    else
        command_reply_error(client, result);
}

void linsert_command(struct client *client, const struct request_arg *argv, int argc)
{
    const struct sdb_slice pivot = args_slice(&argv[3]), element = args_slice(&argv[4]);
    const int before = args_is(&argv[2], "BEFORE");
    uint64_t length = 0;
    int result;

    (void)argc;
    if (!before && !args_is(&argv[2], "AFTER")) {
        args_syntax_error(client);
        return;
    }
    result = before ? sdb_list_insert_before(client->session, argv[1].data, argv[1].size, &pivot, &element, &length)
                    : sdb_list_insert_behind(client->session, argv[1].data, argv[1].size, &pivot, &element, &length);
    if (result == SDB_OK || result == SDB_ENOTFOUND)
        reply_integer(&client->reply, (int64_t)length);
    else if (result == SDB_ECONDITION)
        reply_integer(&client->reply, -1);
    else
        command_reply_error(client, result);
}

void lrem_command(struct client *client, const struct request_arg *argv, int argc)
{
    uint64_t removed = 0;
    int64_t count;
    int result;

    (void)argc;
    if (!args_get_int64(client, &argv[2], &count, NULL))
        return;
    result = sdb_list_remove(client->session, argv[1].data, argv[1].size, count, argv[3].data, argv[3].size, &removed);
    if (result == SDB_OK || result == SDB_ENOTFOUND)
        reply_integer(&client->reply, (int64_t)removed);
    else
        command_reply_error(client, result);
}

void ltrim_command(struct client *client, const struct request_arg *argv, int argc)
{
    int64_t first, last;
    int result;

    (void)argc;
    if (!args_get_int64(client, &argv[2], &first, NULL) || !args_get_int64(client, &argv[3], &last, NULL))
        return;
    result = sdb_list_trim(client->session, argv[1].data, argv[1].size, first, last);
    if (result == SDB_OK || result == SDB_ENOTFOUND)
        reply_ok(&client->reply);
    else
        command_reply_error(client, result);
}
