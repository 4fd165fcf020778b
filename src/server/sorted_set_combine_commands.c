/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sorted_set_combine_commands.c - ZUNION, ZINTER, ZDIFF, their STORE forms, ZINTERCARD
 *
 * Commit:  the STORE forms: one call to the store.
 * Threads: the client's own. Memory: the keys' slices; weights.
 */
#include <stdlib.h>

#include "args.h"
#include "client.h"
#include "collections.h"
#include "errors.h"
#include "sorted_set_args.h"
#include "sorted_set_handlers.h"

struct asked {
    const char *name;
    struct sdb_zset_combination combination;
    struct args_slices keys;
    double *weights;
    int first;       /* argv[first] is the number of keys */
    int with_scores;
    int counts;      /* ZINTERCARD */
    int64_t limit;
};

static int read_aggregate(const struct request_arg *arg, enum sdb_zset_aggregate *aggregate)
{
    if (args_is(arg, "SUM"))
        *aggregate = SDB_ZSET_SUM;
    else if (args_is(arg, "MIN"))
        *aggregate = SDB_ZSET_MIN;
    else if (args_is(arg, "MAX"))
        *aggregate = SDB_ZSET_MAX;
    else
        return 0;
    return 1;
}

static int read_weights(struct client *client, const struct request_arg *argv, struct asked *asked)
{
    if (asked->weights == NULL)
        asked->weights = malloc(asked->keys.count * sizeof(*asked->weights));
    if (asked->weights == NULL) {
        command_reply_error(client, SDB_ENOMEM);
        return 0;
    }
    asked->combination.weights = asked->weights;
    for (size_t i = 0; i < asked->keys.count; i++)
        if (!sorted_set_get_score(client, &argv[i], &asked->weights[i], "weight value is not a float"))
            return 0;
    return 1;
}

/* 1, or 0 after an error reply. */
static int read_options(struct client *client, const struct request_arg *argv, int argc, struct asked *asked)
{
    const int weighted = asked->combination.operation != SDB_ZSET_DIFFERENCE && !asked->counts;
    const int count = (int)asked->keys.count;

    for (int at = asked->first + 1 + count; at < argc; at++) {
        const int left = argc - at - 1;

        if (weighted && left >= count && args_is(&argv[at], "WEIGHTS")) {
            if (!read_weights(client, &argv[at + 1], asked))
                return 0;
            at += count;
        } else if (weighted && left >= 1 && args_is(&argv[at], "AGGREGATE") &&
                   read_aggregate(&argv[at + 1], &asked->combination.aggregate)) {
            at++;
        } else if (asked->first == 1 && !asked->counts && args_is(&argv[at], "WITHSCORES")) {
            asked->with_scores = 1;
        } else if (asked->counts && left >= 1 && args_is(&argv[at], "LIMIT")) {
            if (!args_parse_int64(argv[at + 1].data, argv[at + 1].size, &asked->limit) || asked->limit < 0) {
                reply_error(&client->reply, "LIMIT can't be negative");
                return 0;
            }
            at++;
        } else {
            args_syntax_error(client);
            return 0;
        }
    }
    return 1;
}

/* An input of a wrong type is told of before a wrong option. */
static void check_types(struct client *client, const struct asked *asked, size_t mark)
{
    struct sdb_stat stat;

    for (size_t i = 0; i < asked->keys.count; i++) {
        const struct sdb_slice *key = &asked->keys.items[i];

        if (sdb_stat(client->session, key->data, key->size, &stat) == SDB_OK && stat.type != SDB_TYPE_ZSET &&
            stat.type != SDB_TYPE_SET) {
            command_reply_error_instead(client, mark, SDB_ETYPE);
            return;
        }
    }
}

static void forget(struct asked *asked)
{
    args_slices_free(&asked->keys);
    free(asked->weights);
}

/* 1, and the caller owes forget; or 0 after an error reply. */
static int read(struct client *client, const struct request_arg *argv, int argc, struct asked *asked)
{
    const size_t mark = client->reply.size;
    int64_t count;
    int result;

    if (!args_get_int64(client, &argv[asked->first], &count, NULL))
        return 0;
    if (count < 1) {
        reply_errorf(&client->reply, "at least 1 input key is needed for '%s' command", asked->name);
        return 0;
    }
    if (count > argc - asked->first - 1) {
        args_syntax_error(client);
        return 0;
    }
    result = args_slices_take(&asked->keys, argv + asked->first + 1, (int)count);
    if (result != SDB_OK) {
        command_reply_error(client, result);
        return 0;
    }
    asked->combination.keys = asked->keys.items;
    asked->combination.count = asked->keys.count;
    if (read_options(client, argv, argc, asked))
        return 1;
    check_types(client, asked, mark);
    forget(asked);
    return 0;
}

static void show(struct client *client, const struct request_arg *argv, int argc, const char *name, enum sdb_zset_operation operation)
{
    struct asked asked = {.name = name, .combination = {.operation = operation}, .first = 1};
    struct collections_list list = {.client = client, .paired = 1};

    if (!read(client, argv, argc, &asked))
        return;
    list.what = asked.with_scores ? LIST_NAMES_AND_SCORES : LIST_NAMES;
    collections_list_begin(&list);
    collections_list_end(&list, COLLECTIONS_ARRAY,
                         sdb_zset_combine(client->session, &asked.combination, collections_list_show, &list));
    forget(&asked);
}

static void store(struct client *client, const struct request_arg *argv, int argc, const char *name, enum sdb_zset_operation operation)
{
    struct asked asked = {.name = name, .combination = {.operation = operation}, .first = 2};
    uint64_t count = 0;
    int result;

    if (!read(client, argv, argc, &asked))
        return;
    result = sdb_zset_combine_store(client->session, argv[1].data, argv[1].size, &asked.combination, &count);
    sorted_set_reply_integer(client, count, result);
    forget(&asked);
}

void zunion_command(struct client *client, const struct request_arg *argv, int argc)
{
    show(client, argv, argc, "zunion", SDB_ZSET_UNION);
}

void zinter_command(struct client *client, const struct request_arg *argv, int argc)
{
    show(client, argv, argc, "zinter", SDB_ZSET_INTERSECTION);
}

void zdiff_command(struct client *client, const struct request_arg *argv, int argc)
{
    show(client, argv, argc, "zdiff", SDB_ZSET_DIFFERENCE);
}

void zunionstore_command(struct client *client, const struct request_arg *argv, int argc)
{
    store(client, argv, argc, "zunionstore", SDB_ZSET_UNION);
}

void zinterstore_command(struct client *client, const struct request_arg *argv, int argc)
{
    store(client, argv, argc, "zinterstore", SDB_ZSET_INTERSECTION);
}

void zdiffstore_command(struct client *client, const struct request_arg *argv, int argc)
{
    store(client, argv, argc, "zdiffstore", SDB_ZSET_DIFFERENCE);
}

void zintercard_command(struct client *client, const struct request_arg *argv, int argc)
{
    struct asked asked = {.name = "zintercard", .combination = {.operation = SDB_ZSET_INTERSECTION}, .first = 1, .counts = 1};
    uint64_t count = 0;
    int result;

    if (!read(client, argv, argc, &asked))
        return;
    result = sdb_zset_combine_count(client->session, &asked.combination, (uint64_t)asked.limit, &count);
    sorted_set_reply_integer(client, count, result);
    forget(&asked);
}
