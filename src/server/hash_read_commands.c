/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * hash_read_commands.c - HGET, HMGET, HGETALL, HKEYS, HVALS, HLEN, HSTRLEN, HEXISTS, HRANDFIELD, HSCAN
 *
 * Threads: the client's own. Memory: HMGET of many fields: their slices.
 */
#include "args.h"
#include "client.h"
#include "collections.h"
#include "errors.h"
#include "hash_handlers.h"

/* ---- named fields ----------------------------------------------------------------------------------------------------- */

static int show_value(void *context, const struct sdb_element *element)
{
    struct reply *reply = context;

    if (element->name.data != NULL)
        reply_bulk(reply, element->value.data, element->value.size);
    else
        reply_null(reply);
    return reply->failed;
}

void hget_command(struct client *client, const struct request_arg *argv, int argc)
{
    const struct sdb_slice field = args_slice(&argv[2]);
    const size_t mark = client->reply.size;
    int result = sdb_hash_get_many(client->session, argv[1].data, argv[1].size, &field, 1, show_value, &client->reply);

    (void)argc;
    if (result != SDB_OK)
        command_reply_error_instead(client, mark, result);
}

void hmget_command(struct client *client, const struct request_arg *argv, int argc)
{
    const size_t mark = client->reply.size;
    struct args_slices fields;
    int result = args_slices_take(&fields, argv + 2, argc - 2);

    if (result == SDB_OK) {
        reply_array(&client->reply, fields.count);
        result = sdb_hash_get_many(client->session, argv[1].data, argv[1].size, fields.items, fields.count, show_value,
                                   &client->reply);
        args_slices_free(&fields);
    }
    if (result != SDB_OK)
        command_reply_error_instead(client, mark, result);
}

struct measured {
    int found;
    size_t size;
};

static int measure(void *context, const struct sdb_element *element)
{
    struct measured *measured = context;

    measured->found = element->name.data != NULL;
    measured->size = element->value.size;
    return 0;
}

/* 1, or 0 after an error reply. */
static int measure_field(struct client *client, const struct request_arg *argv, struct measured *measured)
{
    const struct sdb_slice field = args_slice(&argv[2]);
    int result = sdb_hash_get_many(client->session, argv[1].data, argv[1].size, &field, 1, measure, measured);

    if (result != SDB_OK)
        command_reply_error(client, result);
    return result == SDB_OK;
}

void hstrlen_command(struct client *client, const struct request_arg *argv, int argc)
{
    struct measured measured = {0};

    (void)argc;
    if (measure_field(client, argv, &measured))
        reply_integer(&client->reply, (int64_t)measured.size);
}

void hexists_command(struct client *client, const struct request_arg *argv, int argc)
{
    struct measured measured = {0};

    (void)argc;
    if (measure_field(client, argv, &measured))
        reply_integer(&client->reply, measured.found);
}

void hlen_command(struct client *client, const struct request_arg *argv, int argc)
{
    uint64_t count = 0;
    int result = sdb_collection_count(client->session, argv[1].data, argv[1].size, SDB_TYPE_HASH, &count);

    (void)argc;
    if (result == SDB_OK || result == SDB_ENOTFOUND)
        reply_integer(&client->reply, (int64_t)count);
    else
        command_reply_error(client, result);
}

/* ---- all of them ------------------------------------------------------------------------------------------------------ */

static void show_all(struct client *client, const struct request_arg *key, enum collections_what what, enum collections_shape shape)
{
    struct collections_list list = {.client = client, .what = what};

    collections_list_begin(&list);
    collections_list_end(&list, shape,
                         sdb_collection_each(client->session, key->data, key->size, SDB_TYPE_HASH, collections_list_show, &list));
}

void hgetall_command(struct client *client, const struct request_arg *argv, int argc)
{
    (void)argc;
    show_all(client, &argv[1], LIST_NAMES_AND_VALUES, COLLECTIONS_MAP);
}

void hkeys_command(struct client *client, const struct request_arg *argv, int argc)
{
    (void)argc;
    show_all(client, &argv[1], LIST_NAMES, COLLECTIONS_ARRAY);
}

void hvals_command(struct client *client, const struct request_arg *argv, int argc)
{
    (void)argc;
    show_all(client, &argv[1], LIST_VALUES, COLLECTIONS_ARRAY);
}

/* ---- some of them ----------------------------------------------------------------------------------------------------- */

static void random_field(struct client *client, const struct request_arg *key)
{
    struct collections_list list = {.client = client, .what = LIST_NAMES};
    const size_t mark = client->reply.size;
    int result = sdb_collection_random(client->session, key->data, key->size, SDB_TYPE_HASH, 1, collections_list_show, &list);

    if (result == SDB_ENOTFOUND)
        reply_null(&client->reply);
    else if (result != SDB_OK)
        command_reply_error_instead(client, mark, result);
}

void hrandfield_command(struct client *client, const struct request_arg *argv, int argc)
{
    struct collections_list list = {.client = client, .what = LIST_NAMES, .paired = 1};
    int64_t count;

    if (argc == 2) {
        random_field(client, &argv[1]);
        return;
    }
    if (!args_get_range(client, &argv[2], -INT64_MAX, INT64_MAX, &count))
        return;
    if (argc > 4 || (argc == 4 && !args_is(&argv[3], "WITHVALUES"))) {
        args_syntax_error(client);
        return;
    }
    if (argc == 4) {
        list.what = LIST_NAMES_AND_VALUES;
        if (count < -INT64_MAX / 2 || count > INT64_MAX / 2) {
            reply_error(&client->reply, "value is out of range");
            return;
        }
    }
    collections_list_begin(&list);
    collections_list_end(&list, COLLECTIONS_ARRAY,
                         sdb_collection_random(client->session, argv[1].data, argv[1].size, SDB_TYPE_HASH, count,
                                               collections_list_show, &list));
}

void hscan_command(struct client *client, const struct request_arg *argv, int argc)
{
    collections_scan(client, argv, argc, SDB_TYPE_HASH);
}
