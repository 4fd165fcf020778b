/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * stream_pending_commands.c - XPENDING, XCLAIM, XAUTOCLAIM: what was given to consumers and not acknowledged
 *
 * Commit:  one call to the store each.
 * Threads: the client's own. Memory: many ids; XPENDING of a whole group: its consumers with something pending.
 */
#include <limits.h>
#include <stdlib.h>

#include "args.h"
#include "errors.h"
#include "notify.h"
#include "stream_args.h"
#include "stream_handlers.h"
#include "transaction.h"

#define IDS_FEW 16
#define AUTOCLAIM_COUNT 100
#define AUTOCLAIM_COUNT_MAX (LONG_MAX / 16) /* ids of 16 bytes, to Redis */

/* For a command whose argv[1] is the key and argv[2] the group. mark: of the reply so far. */
static void reply_failed(struct client *client, const struct request_arg *argv, size_t mark, int result)
{
    reply_truncate(&client->reply, mark);
    if (result == SDB_ENOTFOUND || result == SDB_ECONDITION)
        stream_reply_no_group(client, &argv[1], &argv[2], "");
    else
        command_reply_error(client, result);
}

/* ---- XPENDING --------------------------------------------------------------------------------------------------------- */

struct counts {
    struct reply *reply;
    size_t where, count;
};

static int show_count(void *context, const struct sdb_stream_consumer *consumer)
{
    struct counts *counts = context;

    if (consumer->pending == 0)
        return 0;
    counts->count++;
    reply_array(counts->reply, 2);
    reply_bulk(counts->reply, consumer->name.data, consumer->name.size);
    reply_bulk_integer(counts->reply, (int64_t)consumer->pending);
    return counts->reply->failed;
}

/* In a transaction. */
static int show_summary(struct client *client, const struct request_arg *argv)
{
    struct counts counts = {.reply = &client->reply};
    const struct sdb_slice name = args_slice(&argv[2]);
    struct sdb_stream_group group;
    int result = sdb_stream_group(client->session, argv[1].data, argv[1].size, name.data, name.size, &group);

    if (result != SDB_OK)
        return result;
    reply_array(&client->reply, 4);
    reply_integer(&client->reply, (int64_t)group.pending);
    if (group.pending == 0) {
        reply_null(&client->reply);
        reply_null(&client->reply);
        reply_null_array(&client->reply);
        return SDB_OK;
    }
    stream_reply_id(&client->reply, &group.first_pending);
    stream_reply_id(&client->reply, &group.last_pending);
    counts.where = reply_array_later(&client->reply);
    result = sdb_stream_consumers(client->session, argv[1].data, argv[1].size, &name, show_count, &counts);
    reply_array_set(&client->reply, counts.where, counts.count);
    return result;
}

static void summarize(struct client *client, const struct request_arg *argv)
{
    const struct sdb_slice key = args_slice(&argv[1]);
    struct transaction transaction;
    int result;

    if (!transaction_begin(&transaction, client, &key, 1))
        return;
    result = show_summary(client, argv);
    transaction_leave(client);
    if (result != SDB_OK)
        reply_failed(client, argv, transaction.mark, result);
}

struct pending_list {
    struct client *client;
    size_t count;
};

static int show_pending(void *context, const struct sdb_stream_pending *pending)
{
    struct pending_list *list = context;
    struct reply *reply = &list->client->reply;
    const int64_t idle = client_now_ms(list->client) - pending->delivered_ms;

    list->count++;
    reply_array(reply, 4);
    stream_reply_id(reply, &pending->id);
    reply_bulk(reply, pending->consumer.data, pending->consumer.size);
    reply_integer(reply, idle > 0 ? idle : 0);
    reply_integer(reply, (int64_t)pending->deliveries);
    return reply->failed;
}

/* [IDLE min-idle-time] start end count [consumer], from argv[3] on. 1, or 0 after an error reply. */
static int get_pending_range(struct client *client, const struct request_arg *argv, int argc, struct sdb_stream_pending_range *range)
{
    int64_t count;
    int at = 3;

    if (args_is(&argv[3], "IDLE")) {
        if (!args_get_int64(client, &argv[4], &range->min_idle_ms, NULL))
            return 0;
        if (argc < 8) {
            args_syntax_error(client);
            return 0;
        }
        at = 5;
    }
    if (!args_get_int64(client, &argv[at + 2], &count, NULL) || !stream_get_bound(client, &argv[at], STREAM_FIRST, &range->first) ||
        !stream_get_bound(client, &argv[at + 1], STREAM_LAST, &range->last))
        return 0;
    range->count = count > 0 ? (uint64_t)count : 0;
    if (at + 3 < argc)
        range->consumer = args_slice(&argv[at + 3]);
    return 1;
}

void xpending_command(struct client *client, const struct request_arg *argv, int argc)
{
    struct sdb_stream_pending_range range = {.group = args_slice(&argv[2]), .now_ms = client_now_ms(client)};
    struct pending_list list = {.client = client};
    const size_t mark = client->reply.size;
    size_t where;
    int result;

    if (argc == 3) {
        summarize(client, argv);
        return;
    }
    if (argc < 6 || argc > 9) {
        args_syntax_error(client);
        return;
    }
    if (!get_pending_range(client, argv, argc, &range))
        return;
    where = reply_array_later(&client->reply);
    result = sdb_stream_pending(client->session, argv[1].data, argv[1].size, &range, show_pending, &list);
    if (result == SDB_OK)
        reply_array_set(&client->reply, where, list.count);
    else
        reply_failed(client, argv, mark, result);
}

/* ---- XCLAIM ----------------------------------------------------------------------------------------------------------- */

static int get_number(struct client *client, const struct request_arg *arg, const char *option, int64_t *number)
{
    if (args_parse_int64(arg->data, arg->size, number))
        return 1;
    reply_errorf(&client->reply, "Invalid %s option argument for XCLAIM", option);
    return 0;
}

/* One option, at *at, which moves to its last word. */
static int get_claim_option(struct client *client, const struct request_arg *argv, int argc, int *at, struct sdb_stream_claim *claim)
{
    const struct request_arg *arg = &argv[*at];
    const int more = *at + 1 < argc;
    int64_t number;

    if (args_is(arg, "FORCE")) {
        claim->flags |= SDB_STREAM_FORCE;
    } else if (args_is(arg, "JUSTID")) {
        claim->flags |= SDB_STREAM_JUST_ID;
    } else if (more && (args_is(arg, "IDLE") || args_is(arg, "TIME"))) {
        const int idle = args_is(arg, "IDLE");

        if (!get_number(client, &argv[++*at], idle ? "IDLE" : "TIME", &number))
            return 0;
        claim->delivered_ms = idle ? (int64_t)((uint64_t)claim->now_ms - (uint64_t)number) : number;
        claim->flags |= SDB_STREAM_SET_DELIVERED;
    } else if (more && args_is(arg, "RETRYCOUNT")) {
        if (!get_number(client, &argv[++*at], "RETRYCOUNT", &number))
            return 0;
        claim->flags &= ~(uint32_t)SDB_STREAM_SET_DELIVERIES;
        claim->flags |= number >= 0 ? SDB_STREAM_SET_DELIVERIES : 0u; /* else it is not given */
        claim->deliveries = (uint64_t)number;
    } else if (more && args_is(arg, "LASTID")) {
        return stream_get_id(client, &argv[++*at], 0, &claim->last_id);
    } else {
        reply_errorf(&client->reply, "Unrecognized XCLAIM option '%.*s'", (int)arg->size, arg->data);
        return 0;
    }
    return 1;
}

/* Ids, up to what is none, and options. 1, or 0 after an error reply. */
static int get_claim(struct client *client, const struct request_arg *argv, int argc, struct sdb_stream_id *ids,
                     struct sdb_stream_claim *claim)
{
    int at = 5;

    if (!args_get_int64(client, &argv[4], &claim->min_idle_ms, "Invalid min-idle-time argument for XCLAIM"))
        return 0;
    while (at < argc && stream_parse_id(&argv[at], 0, &ids[at - 5]))
        at++;
    claim->ids = ids;
    claim->count = (size_t)(at - 5);
    for (; at < argc; at++)
        if (!get_claim_option(client, argv, argc, &at, claim))
            return 0;
    if (claim->delivered_ms < 0 || claim->delivered_ms > claim->now_ms) /* a bogus time is now */
        claim->flags &= ~(uint32_t)SDB_STREAM_SET_DELIVERED;
    return 1;
}

static void run_claim(struct client *client, const struct request_arg *argv, const struct sdb_stream_claim *claim)
{
    struct stream_list list = {.reply = &client->reply, .just_ids = (claim->flags & SDB_STREAM_JUST_ID) != 0};
    const size_t mark = client->reply.size;
    int created = 0, result;

    stream_list_begin(&list);
    result = sdb_stream_claim(client->session, argv[1].data, argv[1].size, claim, &created, stream_list_show, &list);
    if (result != SDB_OK) {
        reply_failed(client, argv, mark, result);
        return;
    }
    stream_list_end(&list);
    if (created)
        notify_also(client, &argv[1], "xgroup-createconsumer", NOTIFY_STREAM);
}

void xclaim_command(struct client *client, const struct request_arg *argv, int argc)
{
    struct sdb_stream_claim claim = {
        .group = args_slice(&argv[2]), .consumer = args_slice(&argv[3]), .now_ms = client_now_ms(client)};
    struct sdb_stream_id few[IDS_FEW], *ids = few;
    struct sdb_stream_group group;
    int result = sdb_stream_group(client->session, argv[1].data, argv[1].size, argv[2].data, argv[2].size, &group);

    if (result != SDB_OK) { /* before anything else is looked at */
        reply_failed(client, argv, client->reply.size, result);
        return;
    }
    if (argc - 5 > IDS_FEW)
        ids = malloc((size_t)(argc - 5) * sizeof(*ids));
    if (ids == NULL)
        command_reply_error(client, SDB_ENOMEM);
    else if (get_claim(client, argv, argc, ids, &claim))
        run_claim(client, argv, &claim);
    if (ids != few)
        free(ids);
}

/* ---- XAUTOCLAIM ------------------------------------------------------------------------------------------------------- */

static int get_autoclaim(struct client *client, const struct request_arg *argv, int argc, struct sdb_stream_autoclaim *claim)
{
    int64_t count = AUTOCLAIM_COUNT;

    if (!args_get_int64(client, &argv[4], &claim->min_idle_ms, "Invalid min-idle-time argument for XAUTOCLAIM") ||
        !stream_get_bound(client, &argv[5], STREAM_FIRST, &claim->start))
        return 0;
    for (int i = 6; i < argc; i++) {
        if (args_is(&argv[i], "COUNT") && i + 1 < argc) {
            if (!args_parse_int64(argv[i + 1].data, argv[i + 1].size, &count) || count < 1 || count > AUTOCLAIM_COUNT_MAX) {
                reply_error(&client->reply, "COUNT must be > 0");
                return 0;
            }
            i++;
        } else if (args_is(&argv[i], "JUSTID")) {
            claim->flags |= SDB_STREAM_JUST_ID;
        } else {
            args_syntax_error(client);
            return 0;
        }
    }
    claim->count = (uint64_t)count;
    return 1;
}

/* Two lists, one behind the other. */
struct autoclaimed {
    struct stream_list claimed, gone;
    int has_gone;
};

static int show_claimed(void *context, const struct sdb_stream_entry *entry)
{
    struct autoclaimed *shown = context;

    return stream_list_show(&shown->claimed, entry);
}

static void begin_gone(struct autoclaimed *shown)
{
    if (!shown->has_gone)
        stream_list_begin(&shown->gone);
    shown->has_gone = 1;
}

static int show_gone(void *context, const struct sdb_stream_entry *entry)
{
    struct autoclaimed *shown = context;

    begin_gone(shown);
    return stream_list_show(&shown->gone, entry);
}

/* [next, claimed, gone], of which the last two stand at the mark. */
static void end_autoclaim(struct client *client, struct autoclaimed *shown, size_t mark, const struct sdb_stream_id *next)
{
    char text[STREAM_ID_TEXT_SIZE];

    begin_gone(shown);
    stream_list_end(&shown->gone);
    stream_list_end(&shown->claimed);
    if (client->reply.failed)
        return;
    reply_prepend_bulk(&client->reply, mark, text, stream_format_id(text, next));
    reply_header_set(&client->reply, mark, '*', 3);
}

void xautoclaim_command(struct client *client, const struct request_arg *argv, int argc)
{
    struct sdb_stream_autoclaim claim = {
        .group = args_slice(&argv[2]), .consumer = args_slice(&argv[3]), .now_ms = client_now_ms(client)};
    struct sdb_stream_autoclaimed done = {.consumer_created = 0};
    const size_t mark = client->reply.size;
    struct autoclaimed shown = {.claimed = {.reply = &client->reply}, .gone = {.reply = &client->reply, .just_ids = 1}};
    int result;

    if (!get_autoclaim(client, argv, argc, &claim))
        return;
    shown.claimed.just_ids = (claim.flags & SDB_STREAM_JUST_ID) != 0;
    stream_list_begin(&shown.claimed);
    result = sdb_stream_autoclaim(client->session, argv[1].data, argv[1].size, &claim, &done, show_claimed, show_gone, &shown);
    if (result != SDB_OK) {
        reply_failed(client, argv, mark, result);
        return;
    }
    end_autoclaim(client, &shown, mark, &done.next);
    if (done.consumer_created)
        notify_also(client, &argv[1], "xgroup-createconsumer", NOTIFY_STREAM);
}
