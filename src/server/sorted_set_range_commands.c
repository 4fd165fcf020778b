/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sorted_set_range_commands.c - ZRANGE and the older commands that it stands for, ZRANGESTORE
 *
 * Commit:  ZRANGESTORE: one call to the store.
 * Threads: the client's own. Memory: none.
 */
#include "args.h"
#include "client.h"
#include "collections.h"
#include "errors.h"
#include "sorted_set_args.h"
#include "sorted_set_handlers.h"

/* What a command's name says already; its options may say the rest. */
struct form {
    int first;         /* argv[first] is the key that is read, two bounds follow */
    int by_option;     /* BYSCORE, BYLEX and REV are options */
    enum sdb_zset_by by;
    uint32_t flags;
};

struct asked {
    struct sdb_zset_range range;
    int with_scores;
    int64_t offset, limit;
};

static int read_option(struct client *client, const struct form *form, const struct request_arg *argv, int argc, int *at,
                       struct asked *asked, enum sdb_zset_by *by)
{
    if (form->first == 1 && args_is(&argv[*at], "WITHSCORES")) {
        asked->with_scores = 1;
    } else if (args_is(&argv[*at], "LIMIT") && argc - *at > 2) {
        if (!args_get_int64(client, &argv[*at + 1], &asked->offset, NULL) ||
            !args_get_int64(client, &argv[*at + 2], &asked->limit, NULL))
            return 0;
        *at += 2;
    } else if (form->by_option && !(asked->range.flags & SDB_ZSET_REVERSE) && args_is(&argv[*at], "REV")) {
        asked->range.flags |= SDB_ZSET_REVERSE;
    } else if (form->by_option && *by == SDB_ZSET_RANKS && args_is(&argv[*at], "BYLEX")) {
        *by = SDB_ZSET_MEMBERS;
    } else if (form->by_option && *by == SDB_ZSET_RANKS && args_is(&argv[*at], "BYSCORE")) {
        *by = SDB_ZSET_SCORES;
    } else {
        args_syntax_error(client);
        return 0;
    }
    return 1;
}

/* 1, or 0 after an error reply. */
static int read_range(struct client *client, const struct form *form, const struct request_arg *argv, int argc, struct asked *asked)
{
    const struct request_arg *min = &argv[form->first + 1], *max = min + 1;
    enum sdb_zset_by by = form->by;

    *asked = (struct asked){.range = {.flags = form->flags, .count = UINT64_MAX}, .limit = -1};
    for (int at = form->first + 3; at < argc; at++)
        if (!read_option(client, form, argv, argc, &at, asked, &by))
            return 0;
    if (by == SDB_ZSET_RANKS && asked->limit != -1) {
        reply_error(&client->reply, "syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX");
        return 0;
    }
    if (by == SDB_ZSET_MEMBERS && asked->with_scores) {
        reply_error(&client->reply, "syntax error, WITHSCORES not supported in combination with BYLEX");
        return 0;
    }
    if (by == SDB_ZSET_RANKS)
        return sorted_set_get_ranks(client, min, max, &asked->range);
    if (asked->limit >= 0)
        asked->range.count = (uint64_t)asked->limit;
    asked->range.offset = asked->offset < 0 ? UINT64_MAX : (uint64_t)asked->offset; /* a negative one passes everything over */
    if (asked->range.flags & SDB_ZSET_REVERSE) {
        min = max;
        max = &argv[form->first + 1];
    }
    return by == SDB_ZSET_SCORES ? sorted_set_get_scores(client, min, max, &asked->range)
                                 : sorted_set_get_members(client, min, max, &asked->range);
}

static void show_range(struct client *client, const struct form *form, const struct request_arg *argv, int argc)
{
    struct collections_list list = {.client = client, .paired = 1};
    struct asked asked;

    if (!read_range(client, form, argv, argc, &asked))
        return;
    list.what = asked.with_scores ? LIST_NAMES_AND_SCORES : LIST_NAMES;
    collections_list_begin(&list);
    collections_list_end(&list, COLLECTIONS_ARRAY,
                         sdb_zset_range(client->session, argv[1].data, argv[1].size, &asked.range, collections_list_show, &list));
}

void zrange_command(struct client *client, const struct request_arg *argv, int argc)
{
    show_range(client, &(struct form){1, 1, SDB_ZSET_RANKS, 0}, argv, argc);
}

void zrevrange_command(struct client *client, const struct request_arg *argv, int argc)
{
    show_range(client, &(struct form){1, 0, SDB_ZSET_RANKS, SDB_ZSET_REVERSE}, argv, argc);
}

void zrangebyscore_command(struct client *client, const struct request_arg *argv, int argc)
{
    show_range(client, &(struct form){1, 0, SDB_ZSET_SCORES, 0}, argv, argc);
}

void zrevrangebyscore_command(struct client *client, const struct request_arg *argv, int argc)
{
    show_range(client, &(struct form){1, 0, SDB_ZSET_SCORES, SDB_ZSET_REVERSE}, argv, argc);
}

void zrangebylex_command(struct client *client, const struct request_arg *argv, int argc)
{
    show_range(client, &(struct form){1, 0, SDB_ZSET_MEMBERS, 0}, argv, argc);
}

void zrevrangebylex_command(struct client *client, const struct request_arg *argv, int argc)
{
    show_range(client, &(struct form){1, 0, SDB_ZSET_MEMBERS, SDB_ZSET_REVERSE}, argv, argc);
}

void zrangestore_command(struct client *client, const struct request_arg *argv, int argc)
{
    uint64_t count = 0;
    struct asked asked;
    int result;

    if (!read_range(client, &(struct form){2, 1, SDB_ZSET_RANKS, 0}, argv, argc, &asked))
        return;
    result = sdb_zset_store_range(client->session, argv[1].data, argv[1].size, argv[2].data, argv[2].size, &asked.range, &count);
    sorted_set_reply_integer(client, count, result);
}
