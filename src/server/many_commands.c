/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * many_commands.c - MGET, MSET, MSETNX: many keys at one moment
 *
 * Commit:  MSET, MSETNX: one sdb_set_many, all or none.
 * Threads: the client's own.
 * Memory:  none for few keys, else arrays of the arguments' number, freed before the handler returns.
 */
#include <stdlib.h>

#include "args.h"
#include "client.h"
#include "errors.h"
#include "string_handlers.h"

#define FEW 16

/*
 * Replies with all views and releases them. A damaged one makes the whole reply an error: a client takes null for "no
 * key".
 */
static void reply_views(struct client *client, struct sdb_view *views, const int *results, size_t count)
{
    size_t mark = client->reply.size;
    int failure = SDB_OK;

    reply_array(&client->reply, count);
    for (size_t i = 0; i < count; i++) {
        if (results[i] == SDB_OK) {
            reply_bulk(&client->reply, views[i].data, views[i].size);
            sdb_view_release(client->session, &views[i]);
        } else if (results[i] == SDB_ENOTFOUND || results[i] == SDB_ETYPE) {
            reply_null(&client->reply);
        } else {
            failure = results[i];
        }
    }
    if (failure != SDB_OK)
        command_reply_error_instead(client, mark, failure);
}

void mget_command(struct client *client, const struct request_arg *argv, int argc)
{
    struct sdb_view few_views[FEW], *views = few_views;
    int few_results[FEW], *results = few_results;
    struct args_slices keys;
    int result = args_slices_take(&keys, argv + 1, argc - 1);

    if (result != SDB_OK) {
        command_reply_error(client, result);
        return;
    }
    if (keys.count > FEW) {
        views = malloc(keys.count * sizeof(views[0]));
        results = malloc(keys.count * sizeof(results[0]));
    }
    result = views == NULL || results == NULL ? SDB_ENOMEM
                                              : sdb_view_many(client->session, keys.items, keys.count, views, results);
    if (result == SDB_OK)
        reply_views(client, views, results, keys.count);
    else
        command_reply_error(client, result);
    if (keys.count > FEW) {
        free(results);
        free(views);
    }
    args_slices_free(&keys);
}

/* sdb_set_many over argv[1..argc). 1 with *result filled in, or 0 after an error reply. */
static int set_many(struct client *client, const struct request_arg *argv, int argc, uint32_t flags, int *result,
                    const char *command)
{
    struct sdb_pair few[FEW], *pairs = few;
    size_t count = (size_t)(argc - 1) / 2;

    if (argc < 3 || argc % 2 == 0) {
        reply_errorf(&client->reply, "wrong number of arguments for '%s' command", command);
        return 0;
    }
    if (count > FEW)
        pairs = malloc(count * sizeof(pairs[0]));
    if (pairs == NULL) {
        command_reply_error(client, SDB_ENOMEM);
        return 0;
    }
    for (size_t i = 0; i < count; i++) {
        pairs[i].key = args_slice(&argv[1 + 2 * i]);
        pairs[i].value = args_slice(&argv[2 + 2 * i]);
    }
    *result = sdb_set_many(client->session, pairs, count, flags);
    if (pairs != few)
        free(pairs);
    return 1;
}

void mset_command(struct client *client, const struct request_arg *argv, int argc)
{
    int result;

    if (!set_many(client, argv, argc, 0, &result, "mset"))
        return;
    if (result == SDB_OK)
        reply_ok(&client->reply);
    else
        command_reply_error(client, result);
}

void msetnx_command(struct client *client, const struct request_arg *argv, int argc)
{
    int result;

    if (!set_many(client, argv, argc, SDB_IF_ABSENT, &result, "msetnx"))
        return;
    if (result == SDB_OK || result == SDB_ECONDITION)
        reply_integer(&client->reply, result == SDB_OK);
    else
        command_reply_error(client, result);
}
