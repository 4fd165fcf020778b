/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sorted_set_write_commands.c - ZADD, ZINCRBY, ZREM, ZREMRANGEBYRANK, ZREMRANGEBYSCORE, ZREMRANGEBYLEX
 *
 * Commit:  one call to the store each.
 * Threads: the client's own. Memory: many members: their slices and scores.
 */
#include <stdlib.h>

#include "args.h"
#include "client.h"
#include "errors.h"
#include "notify.h"
#include "sorted_set_args.h"
#include "sorted_set_handlers.h"

#define MEMBERS_FEW 16

enum add_options { ADD_CHANGED = 1, ADD_INCREMENTS = 2 };

/* The words in front of the scores: flags, and what else. Gives the position behind them. */
static int read_options(const struct request_arg *argv, int argc, uint32_t *flags, unsigned *options)
{
    int at = 2;

    for (; at < argc; at++) {
        if (args_is(&argv[at], "NX"))
            *flags |= SDB_IF_ABSENT;
        else if (args_is(&argv[at], "XX"))
            *flags |= SDB_IF_PRESENT;
        else if (args_is(&argv[at], "GT"))
            *flags |= SDB_IF_GREATER;
        else if (args_is(&argv[at], "LT"))
            *flags |= SDB_IF_LESS;
        else if (args_is(&argv[at], "CH"))
            *options |= ADD_CHANGED;
        else if (args_is(&argv[at], "INCR"))
            *options |= ADD_INCREMENTS;
        else
            break;
    }
    return at;
}

static const char *what_is_wrong(uint32_t flags, unsigned options, int rest)
{
    const uint32_t orders = flags & (uint32_t)(SDB_IF_GREATER | SDB_IF_LESS);

    if (rest == 0 || rest % 2 != 0)
        return "syntax error";
    if (flags & SDB_IF_ABSENT && flags & SDB_IF_PRESENT)
        return "XX and NX options at the same time are not compatible";
    if ((flags & SDB_IF_ABSENT && orders) || orders == (uint32_t)(SDB_IF_GREATER | SDB_IF_LESS))
        return "GT, LT, and/or NX options at the same time are not compatible";
    if (options & ADD_INCREMENTS && rest > 2)
        return "INCR option supports a single increment-element pair";
    return NULL;
}

static void increment(struct client *client, const struct request_arg *argv, int at, uint32_t flags)
{
    double delta, score;
    int result;

    if (!sorted_set_get_score(client, &argv[at], &delta, NULL))
        return;
    notify_call(client, "zincr", NOTIFY_ZSET);
    result = sdb_zset_increment(client->session, argv[1].data, argv[1].size, argv[at + 1].data, argv[at + 1].size, delta, flags, &score);
    if (result == SDB_OK)
        reply_double(&client->reply, score);
    else if (result == SDB_ECONDITION)
        reply_null(&client->reply);
    else if (result == SDB_EOVERFLOW)
        reply_error(&client->reply, "resulting score is not a number (NaN)");
    else
        command_reply_error(client, result);
}

/* Pairs of a score and a member from argv[at] on. 1, or 0 after an error reply. */
static int read_members(struct client *client, const struct request_arg *argv, int at, size_t count, struct sdb_member *members)
{
    for (size_t i = 0; i < count; i++, at += 2) {
        if (!sorted_set_get_score(client, &argv[at], &members[i].score, NULL))
            return 0;
        members[i].name = args_slice(&argv[at + 1]);
    }
    return 1;
}

static void add(struct client *client, const struct request_arg *argv, int argc, int at, uint32_t flags, int tells_changed)
{
    const size_t count = (size_t)(argc - at) / 2;
    struct sdb_member few[MEMBERS_FEW], *members = count > MEMBERS_FEW ? malloc(count * sizeof(*members)) : few;
    size_t added = 0, changed = 0;
    int result = SDB_ENOMEM;

    if (members != NULL && !read_members(client, argv, at, count, members)) {
        if (members != few)
            free(members);
        return;
    }
    if (members != NULL)
        result = sdb_zset_add(client->session, argv[1].data, argv[1].size, members, count, flags, &added,
                              tells_changed ? &changed : NULL);
    if (members != few)
        free(members);
    if (result == SDB_OK)
        reply_integer(&client->reply, (int64_t)(added + changed));
    else
        command_reply_error(client, result);
}

static void add_or_increment(struct client *client, const struct request_arg *argv, int argc, unsigned options)
{
    uint32_t flags = 0;
    const int at = read_options(argv, argc, &flags, &options);
    const char *wrong = what_is_wrong(flags, options, argc - at);

    if (wrong != NULL)
        reply_error(&client->reply, wrong);
    else if (options & ADD_INCREMENTS)
        increment(client, argv, at, flags);
    else
        add(client, argv, argc, at, flags, (options & ADD_CHANGED) != 0);
}

void zadd_command(struct client *client, const struct request_arg *argv, int argc)
{
    add_or_increment(client, argv, argc, 0);
}

void zincrby_command(struct client *client, const struct request_arg *argv, int argc)
{
    add_or_increment(client, argv, argc, ADD_INCREMENTS);
}

void zrem_command(struct client *client, const struct request_arg *argv, int argc)
{
    struct args_slices members;
    size_t removed = 0;
    int result = args_slices_take(&members, argv + 2, argc - 2);

    if (result == SDB_OK) {
        result = sdb_zset_remove(client->session, argv[1].data, argv[1].size, members.items, members.count, &removed);
        args_slices_free(&members);
    }
    sorted_set_reply_integer(client, removed, result);
}

/* ---- ranges ----------------------------------------------------------------------------------------------------------- */

static void remove_range(struct client *client, const struct request_arg *argv, const struct sdb_zset_range *range)
{
    uint64_t removed = 0;
    int result = sdb_zset_remove_range(client->session, argv[1].data, argv[1].size, range, &removed);

    sorted_set_reply_integer(client, removed, result);
}

void zremrangebyrank_command(struct client *client, const struct request_arg *argv, int argc)
{
    struct sdb_zset_range range = {.count = UINT64_MAX};

    (void)argc;
    if (sorted_set_get_ranks(client, &argv[2], &argv[3], &range))
        remove_range(client, argv, &range);
}

void zremrangebyscore_command(struct client *client, const struct request_arg *argv, int argc)
{
    struct sdb_zset_range range = {.count = UINT64_MAX};

    (void)argc;
    if (sorted_set_get_scores(client, &argv[2], &argv[3], &range))
        remove_range(client, argv, &range);
}

void zremrangebylex_command(struct client *client, const struct request_arg *argv, int argc)
{
    struct sdb_zset_range range = {.count = UINT64_MAX};

    (void)argc;
    if (sorted_set_get_members(client, &argv[2], &argv[3], &range))
        remove_range(client, argv, &range);
}
