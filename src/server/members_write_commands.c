/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * members_write_commands.c - SADD, SREM, SPOP, SMOVE, SINTERSTORE, SUNIONSTORE, SDIFFSTORE
 *
 * Commit:  one call to the store each.
 * Threads: the client's own. Memory: many names or keys: their slices.
 */
#include "args.h"
#include "client.h"
#include "collections.h"
#include "errors.h"
#include "members_handlers.h"

/* ---- by name ---------------------------------------------------------------------------------------------------------- */

typedef int change_fn(struct sdb_session *session, const void *key, size_t key_size, const struct sdb_slice *members, size_t count,
                      size_t *changed);

static void change(struct client *client, const struct request_arg *argv, int argc, change_fn *fn)
{
    struct args_slices members;
    size_t changed = 0;
    int result = args_slices_take(&members, argv + 2, argc - 2);

    if (result == SDB_OK) {
        result = fn(client->session, argv[1].data, argv[1].size, members.items, members.count, &changed);
        args_slices_free(&members);
    }
    if (result == SDB_OK || result == SDB_ENOTFOUND)
        reply_integer(&client->reply, (int64_t)changed);
    else
        command_reply_error(client, result);
}

void sadd_command(struct client *client, const struct request_arg *argv, int argc)
{
    change(client, argv, argc, sdb_members_add);
}

void srem_command(struct client *client, const struct request_arg *argv, int argc)
{
    change(client, argv, argc, sdb_members_remove);
}

void smove_command(struct client *client, const struct request_arg *argv, int argc)
{
    const struct sdb_slice source = args_slice(&argv[1]), destination = args_slice(&argv[2]);
    int result = sdb_members_move(client->session, &source, &destination, argv[3].data, argv[3].size);

    (void)argc;
    if (result == SDB_OK || result == SDB_ENOTFOUND)
        reply_integer(&client->reply, result == SDB_OK);
    else
        command_reply_error(client, result);
}

/* ---- at random -------------------------------------------------------------------------------------------------------- */

static void pop_one(struct client *client, const struct request_arg *key)
{
    struct collections_list list = {.client = client, .what = LIST_NAMES};
    int result = sdb_members_pop(client->session, key->data, key->size, 1, collections_list_show, &list);

    if (result == SDB_ENOTFOUND)
        reply_null(&client->reply);
    else if (result != SDB_OK)
        command_reply_error(client, result);
}

void spop_command(struct client *client, const struct request_arg *argv, int argc)
{
    static const char error[] = "value is out of range, must be positive";
    struct collections_list list = {.client = client, .what = LIST_NAMES};
    int64_t count;

    if (argc == 2) {
        pop_one(client, &argv[1]);
        return;
    }
    if (argc > 3) {
        args_syntax_error(client);
        return;
    }
    if (!args_get_int64(client, &argv[2], &count, error))
        return;
    if (count < 0) {
        reply_error(&client->reply, error);
        return;
    }
    collections_list_begin(&list);
    collections_list_end(&list, COLLECTIONS_SET,
                         sdb_members_pop(client->session, argv[1].data, argv[1].size, (uint64_t)count, collections_list_show, &list));
}

/* ---- from several sets ------------------------------------------------------------------------------------------------ */

static void store(struct client *client, const struct request_arg *argv, int argc, enum sdb_combination how)
{
    const struct sdb_slice destination = args_slice(&argv[1]);
    struct args_slices keys;
    uint64_t stored = 0;
    int result = args_slices_take(&keys, argv + 2, argc - 2);

    if (result == SDB_OK) {
        result = sdb_members_store(client->session, how, &destination, keys.items, keys.count, &stored);
        args_slices_free(&keys);
    }
    if (result == SDB_OK)
        reply_integer(&client->reply, (int64_t)stored);
    else
        command_reply_error(client, result);
}

void sinterstore_command(struct client *client, const struct request_arg *argv, int argc)
{
    store(client, argv, argc, SDB_INTERSECTION);
}

void sunionstore_command(struct client *client, const struct request_arg *argv, int argc)
{
    store(client, argv, argc, SDB_UNION);
}

void sdiffstore_command(struct client *client, const struct request_arg *argv, int argc)
{
    store(client, argv, argc, SDB_DIFFERENCE);
}
