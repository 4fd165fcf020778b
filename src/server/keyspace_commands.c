/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * keyspace_commands.c - DEL (and UNLINK), EXISTS (and TOUCH), TYPE, RANDOMKEY, RENAME, RENAMENX, COPY, MOVE
 *
 * Commit:  one call to the store each.
 * Threads: the client's own. Memory: DEL of many keys: their slices.
 */
#include <string.h>

#include "args.h"
#include "client.h"
#include "collections.h"
#include "config.h"
#include "errors.h"
#include "evict.h"
#include "key_handlers.h"

#define NO_SUCH_KEY "no such key"
#define SAME_OBJECTS "source and destination objects are the same"

void del_command(struct client *client, const struct request_arg *argv, int argc)
{
    struct args_slices keys;
    size_t deleted = 1;
    int result;

    if (argc == 2) {
        result = sdb_delete(client->session, argv[1].data, argv[1].size);
        if (result == SDB_ENOTFOUND) {
            deleted = 0;
            result = SDB_OK;
        }
    } else {
        result = args_slices_take(&keys, argv + 1, argc - 1);
        if (result == SDB_OK) {
            result = sdb_delete_many(client->session, keys.items, keys.count, &deleted);
            args_slices_free(&keys);
        }
    }
    if (result == SDB_OK)
        reply_integer(&client->reply, (int64_t)deleted);
    else
        command_reply_error(client, result);
}

void exists_command(struct client *client, const struct request_arg *argv, int argc)
{
    struct args_slices keys;
    size_t count = 0;
    int result = args_slices_take(&keys, argv + 1, argc - 1);

    if (result == SDB_OK) {
        result = sdb_exists_many(client->session, keys.items, keys.count, &count);
        args_slices_free(&keys);
    }
    if (result == SDB_OK)
        reply_integer(&client->reply, (int64_t)count);
    else
        command_reply_error(client, result);
}

void touch_command(struct client *client, const struct request_arg *argv, int argc)
{
    if (CONFIG_READ(maxmemory_policy) != EVICT_NONE)
        for (int i = 1; i < argc; i++)
            (void)sdb_touch(client->session, argv[i].data, argv[i].size);
    exists_command(client, argv, argc);
}

void type_command(struct client *client, const struct request_arg *argv, int argc)
{
    struct sdb_stat stat;
    int result = sdb_stat(client->session, argv[1].data, argv[1].size, &stat);

    (void)argc;
    if (result == SDB_OK)
        reply_status(&client->reply, collections_type_name(stat.type));
    else if (result == SDB_ENOTFOUND)
        reply_status(&client->reply, "none");
    else
        command_reply_error(client, result);
}

void randomkey_command(struct client *client, const struct request_arg *argv, int argc)
{
    char key[SDB_KEY_SIZE_MAX];
    size_t size;
    int result = sdb_random_key(client->session, key, sizeof(key), &size);

    (void)argv;
    (void)argc;
    if (result == SDB_OK)
        reply_bulk(&client->reply, key, size);
    else if (result == SDB_ENOTFOUND)
        reply_null(&client->reply);
    else
        command_reply_error(client, result);
}

static int same_key(const struct request_arg *a, const struct request_arg *b)
{
    return a->size == b->size && memcmp(a->data, b->data, a->size) == 0;
}

/* SDB_OK, SDB_ENOTFOUND, or SDB_ECONDITION where the new name is taken and replace is 0. A key's own name always is. */
static int give_name(struct client *client, const struct request_arg *argv, int replace)
{
    if (!same_key(&argv[1], &argv[2]))
        return sdb_rename(client->session, argv[1].data, argv[1].size, argv[2].data, argv[2].size, replace);
    const int result = sdb_exists(client->session, argv[1].data, argv[1].size);
    return result == SDB_OK && !replace ? SDB_ECONDITION : result;
}

void rename_command(struct client *client, const struct request_arg *argv, int argc)
{
    int result = give_name(client, argv, 1);

    (void)argc;
    if (result == SDB_OK)
        reply_ok(&client->reply);
    else if (result == SDB_ENOTFOUND)
        reply_error(&client->reply, NO_SUCH_KEY);
    else
        command_reply_error(client, result);
}

void renamenx_command(struct client *client, const struct request_arg *argv, int argc)
{
    int result = give_name(client, argv, 0);

    (void)argc;
    if (result == SDB_OK || result == SDB_ECONDITION)
        reply_integer(&client->reply, result == SDB_OK);
    else if (result == SDB_ENOTFOUND)
        reply_error(&client->reply, NO_SUCH_KEY);
    else
        command_reply_error(client, result);
}

/* 1 with *database filled in, or 0 after an error reply. */
static int get_database(struct client *client, const struct request_arg *arg, uint32_t *database)
{
    int64_t number;

    if (!args_get_range(client, arg, INT32_MIN, INT32_MAX, &number))
        return 0;
    if (number < 0 || number >= SDB_DATABASES) {
        reply_error(&client->reply, "DB index is out of range");
        return 0;
    }
    *database = (uint32_t)number;
    return 1;
}

void copy_command(struct client *client, const struct request_arg *argv, int argc)
{
    uint32_t database = client->database;
    int replace = 0;
    int result;

    for (int i = 3; i < argc; i++) {
        if (args_is(&argv[i], "REPLACE")) {
            replace = 1;
        } else if (args_is(&argv[i], "DB") && i + 1 < argc) {
            if (!get_database(client, &argv[++i], &database))
                return;
        } else {
            args_syntax_error(client);
            return;
        }
    }
    if (database == client->database && same_key(&argv[1], &argv[2])) {
        reply_error(&client->reply, SAME_OBJECTS);
        return;
    }
    result = sdb_copy(client->session, argv[1].data, argv[1].size, database, argv[2].data, argv[2].size, replace);
    if (result == SDB_OK)
        reply_integer(&client->reply, 1);
    else if (result == SDB_ENOTFOUND || result == SDB_ECONDITION)
        reply_integer(&client->reply, 0);
    else
        command_reply_error(client, result);
}

void move_command(struct client *client, const struct request_arg *argv, int argc)
{
    uint32_t database;
    int result;

    (void)argc;
    if (!get_database(client, &argv[2], &database))
        return;
    if (database == client->database) {
        reply_error(&client->reply, SAME_OBJECTS);
        return;
    }
    result = sdb_move(client->session, argv[1].data, argv[1].size, database);
    if (result == SDB_OK)
        reply_integer(&client->reply, 1);
    else if (result == SDB_ENOTFOUND || result == SDB_ECONDITION)
        reply_integer(&client->reply, 0);
    else
        command_reply_error(client, result);
}
