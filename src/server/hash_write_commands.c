/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * hash_write_commands.c - HSET, HMSET, HSETNX, HDEL, HINCRBY, HINCRBYFLOAT
 *
 * Commit:  one call to the store each.
 * Threads: the client's own. Memory: many fields: their slices.
 */
#include <math.h>
#include <stdlib.h>

#include "args.h"
#include "client.h"
#include "errors.h"
#include "hash_handlers.h"

#define PAIRS_FEW 16

static int is_paired(struct client *client, int argc, const char *command)
{
    if (argc % 2 != 0)
        reply_errorf(&client->reply, "wrong number of arguments for '%s' command", command);
    return argc % 2 == 0;
}

/* Stores the pairs from argv[2] on. 1 with *added filled in, or 0 after an error reply. */
static int store(struct client *client, const struct request_arg *argv, int argc, size_t *added)
{
    const size_t count = (size_t)(argc - 2) / 2;
    struct sdb_pair few[PAIRS_FEW], *pairs = count > PAIRS_FEW ? malloc(count * sizeof(*pairs)) : few;
    int result = SDB_ENOMEM;

    for (size_t i = 0; i < count && pairs != NULL; i++)
        pairs[i] = (struct sdb_pair){args_slice(&argv[2 + 2 * i]), args_slice(&argv[3 + 2 * i])};
    if (pairs != NULL && count > 0)
        result = sdb_hash_set(client->session, argv[1].data, argv[1].size, pairs, count, 0, added);
    if (pairs != few)
        free(pairs);
    if (result != SDB_OK)
        command_reply_error(client, result);
    return result == SDB_OK;
}

void hset_command(struct client *client, const struct request_arg *argv, int argc)
{
    size_t added;

    if (is_paired(client, argc, "hset") && store(client, argv, argc, &added))
        reply_integer(&client->reply, (int64_t)added);
}

void hmset_command(struct client *client, const struct request_arg *argv, int argc)
{
    size_t added;

    if (is_paired(client, argc, "hmset") && store(client, argv, argc, &added))
        reply_ok(&client->reply);
}

void hsetnx_command(struct client *client, const struct request_arg *argv, int argc)
{
    const struct sdb_pair pair = {args_slice(&argv[2]), args_slice(&argv[3])};
    int result = sdb_hash_set(client->session, argv[1].data, argv[1].size, &pair, 1, SDB_IF_ABSENT, NULL);

    (void)argc;
    if (result == SDB_OK || result == SDB_ECONDITION)
        reply_integer(&client->reply, result == SDB_OK);
    else
        command_reply_error(client, result);
}

void hdel_command(struct client *client, const struct request_arg *argv, int argc)
{
    struct args_slices fields;
    size_t deleted = 0;
    int result = args_slices_take(&fields, argv + 2, argc - 2);

    if (result == SDB_OK) {
        result = sdb_hash_delete(client->session, argv[1].data, argv[1].size, fields.items, fields.count, &deleted);
        args_slices_free(&fields);
    }
    if (result == SDB_OK || result == SDB_ENOTFOUND)
        reply_integer(&client->reply, (int64_t)deleted);
    else
        command_reply_error(client, result);
}

void hincrby_command(struct client *client, const struct request_arg *argv, int argc)
{
    int64_t delta, sum;
    int result;

    (void)argc;
    if (!args_get_int64(client, &argv[3], &delta, NULL))
        return;
    result = sdb_hash_add(client->session, argv[1].data, argv[1].size, argv[2].data, argv[2].size, delta, &sum);
    if (result == SDB_OK)
        reply_integer(&client->reply, sum);
    else if (result == SDB_ENOTINT)
        reply_error(&client->reply, "hash value is not an integer");
    else
        command_reply_error(client, result);
}

void hincrbyfloat_command(struct client *client, const struct request_arg *argv, int argc)
{
    char text[SDB_FLOAT_TEXT_MAX];
    long double delta;
    size_t size;
    int result;

    (void)argc;
    if (!args_get_long_double(client, &argv[3], &delta))
        return;
    if (isinf(delta)) {
        reply_error(&client->reply, "value is NaN or Infinity");
        return;
    }
    result = sdb_hash_add_float(client->session, argv[1].data, argv[1].size, argv[2].data, argv[2].size, delta, text, &size);
    if (result == SDB_OK)
        reply_bulk(&client->reply, text, size);
    else if (result == SDB_ENOTFLOAT)
        reply_error(&client->reply, "hash value is not a float");
    else if (result == SDB_EOVERFLOW)
        reply_error(&client->reply, "increment would produce NaN or Infinity");
    else
        command_reply_error(client, result);
}
