/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sorted_set_read_commands.c - ZCARD, ZSCORE, ZMSCORE, ZRANK, ZREVRANK, ZCOUNT, ZLEXCOUNT, ZRANDMEMBER, ZSCAN
 *
 * Threads: the client's own. Memory: ZMSCORE of many members: their slices.
 */
#include "args.h"
#include "client.h"
#include "collections.h"
#include "errors.h"
#include "sorted_set_args.h"
#include "sorted_set_handlers.h"

void zcard_command(struct client *client, const struct request_arg *argv, int argc)
{
    uint64_t count = 0;
    int result = sdb_collection_count(client->session, argv[1].data, argv[1].size, SDB_TYPE_ZSET, &count);

    (void)argc;
    sorted_set_reply_integer(client, count, result);
}

/* ---- named members ---------------------------------------------------------------------------------------------------- */

void zscore_command(struct client *client, const struct request_arg *argv, int argc)
{
    double score;
    int result = sdb_zset_score(client->session, argv[1].data, argv[1].size, argv[2].data, argv[2].size, &score);

    (void)argc;
    if (result == SDB_OK)
        reply_double(&client->reply, score);
    else if (result == SDB_ENOTFOUND)
        reply_null(&client->reply);
    else
        command_reply_error(client, result);
}

static int show_score(void *context, const struct sdb_element *element)
{
    struct reply *reply = context;

    if (element->name.data != NULL)
        reply_double(reply, element->score);
    else
        reply_null(reply);
    return reply->failed;
}

void zmscore_command(struct client *client, const struct request_arg *argv, int argc)
{
    const size_t mark = client->reply.size;
    struct args_slices members;
    int result = args_slices_take(&members, argv + 2, argc - 2);

    if (result == SDB_OK) {
        reply_array(&client->reply, members.count);
        result = sdb_zset_score_many(client->session, argv[1].data, argv[1].size, members.items, members.count, show_score,
                                     &client->reply);
        args_slices_free(&members);
    }
    if (result != SDB_OK)
        command_reply_error_instead(client, mark, result);
}

static void reply_rank(struct client *client, const struct request_arg *argv, uint32_t flags)
{
    uint64_t rank;
    int result = sdb_zset_rank(client->session, argv[1].data, argv[1].size, argv[2].data, argv[2].size, flags, &rank);

    if (result == SDB_OK)
        reply_integer(&client->reply, (int64_t)rank);
    else if (result == SDB_ENOTFOUND)
        reply_null(&client->reply);
    else
        command_reply_error(client, result);
}

void zrank_command(struct client *client, const struct request_arg *argv, int argc)
{
    (void)argc;
    reply_rank(client, argv, 0);
}

void zrevrank_command(struct client *client, const struct request_arg *argv, int argc)
{
    (void)argc;
    reply_rank(client, argv, SDB_ZSET_REVERSE);
}

/* ---- counts ----------------------------------------------------------------------------------------------------------- */

static void reply_count(struct client *client, const struct request_arg *argv, const struct sdb_zset_range *range)
{
    uint64_t count = 0;
    int result = sdb_zset_count(client->session, argv[1].data, argv[1].size, range, &count);

    sorted_set_reply_integer(client, count, result);
}

void zcount_command(struct client *client, const struct request_arg *argv, int argc)
{
    struct sdb_zset_range range = {.count = UINT64_MAX};

    (void)argc;
    if (sorted_set_get_scores(client, &argv[2], &argv[3], &range))
        reply_count(client, argv, &range);
}

void zlexcount_command(struct client *client, const struct request_arg *argv, int argc)
{
    struct sdb_zset_range range = {.count = UINT64_MAX};

    (void)argc;
    if (sorted_set_get_members(client, &argv[2], &argv[3], &range))
        reply_count(client, argv, &range);
}

/* ---- some of them ----------------------------------------------------------------------------------------------------- */

static void random_member(struct client *client, const struct request_arg *key)
{
    struct collections_list list = {.client = client, .what = LIST_NAMES};
    const size_t mark = client->reply.size;
    int result = sdb_collection_random(client->session, key->data, key->size, SDB_TYPE_ZSET, 1, collections_list_show, &list);

    if (result == SDB_ENOTFOUND)
        reply_null(&client->reply);
    else if (result != SDB_OK)
        command_reply_error_instead(client, mark, result);
}

void zrandmember_command(struct client *client, const struct request_arg *argv, int argc)
{
    struct collections_list list = {.client = client, .what = LIST_NAMES, .paired = 1};
    int64_t count;

    if (argc == 2) {
        random_member(client, &argv[1]);
        return;
    }
    if (!args_get_range(client, &argv[2], -INT64_MAX, INT64_MAX, &count))
        return;
    if (argc > 4 || (argc == 4 && !args_is(&argv[3], "WITHSCORES"))) {
        args_syntax_error(client);
        return;
    }
    if (argc == 4) {
        list.what = LIST_NAMES_AND_SCORES;
        if (count < -INT64_MAX / 2 || count > INT64_MAX / 2) {
            reply_error(&client->reply, "value is out of range");
            return;
        }
    }
    collections_list_begin(&list);
    collections_list_end(&list, COLLECTIONS_ARRAY,
                         sdb_collection_random(client->session, argv[1].data, argv[1].size, SDB_TYPE_ZSET, count,
                                               collections_list_show, &list));
}

void zscan_command(struct client *client, const struct request_arg *argv, int argc)
{
    collections_scan(client, argv, argc, SDB_TYPE_ZSET);
}
