/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * stream_info_commands.c - XINFO
 *
 * Commit:  none; what is told of a stream in several steps is read in a transaction that names it.
 * Threads: the client's own. Memory: with FULL, the groups, and the consumers of one at a time.
 */
#include "args.h"
#include "command_help.h"
#include "errors.h"
#include "stream_args.h"
#include "stream_handlers.h"
#include "stream_parts.h"
#include "transaction.h"

#define FULL_COUNT 10

struct telling {
    struct client *client;
    struct reply *reply;
    struct sdb_slice key;
    int64_t count; /* 0: all */
    size_t shown;
};

static uint64_t limit_of(const struct telling *telling)
{
    return telling->count > 0 ? (uint64_t)telling->count : UINT64_MAX;
}

static void tell_number(struct reply *reply, const char *name, uint64_t number)
{
    reply_bulk_text(reply, name);
    reply_integer(reply, (int64_t)number);
}

static void tell_known(struct reply *reply, const char *name, int64_t number, int64_t unknown)
{
    reply_bulk_text(reply, name);
    if (number == unknown)
        reply_null(reply);
    else
        reply_integer(reply, number);
}

static void tell_id(struct reply *reply, const char *name, const struct sdb_stream_id *id)
{
    reply_bulk_text(reply, name);
    stream_reply_id(reply, id);
}

static void tell_name(struct reply *reply, const struct sdb_slice *name)
{
    reply_bulk_text(reply, "name");
    reply_bulk(reply, name->data, name->size);
}

/* ---- STREAM ----------------------------------------------------------------------------------------------------------- */

static void tell_stream(struct reply *reply, const struct sdb_stream_info *info)
{
    const uint64_t nodes = info->length / stream_block() + (info->length % stream_block() != 0);

    tell_number(reply, "length", info->length);
    tell_number(reply, "radix-tree-keys", nodes);
    tell_number(reply, "radix-tree-nodes", nodes + 1);
    tell_id(reply, "last-generated-id", &info->last_id);
    tell_id(reply, "max-deleted-entry-id", &info->max_deleted_id);
    tell_number(reply, "entries-added", info->entries_added);
    tell_id(reply, "recorded-first-entry-id", &info->first_id);
}

/* The first entry, or the last one; null where there is none. */
static int tell_end(const struct telling *telling, const char *name, uint32_t flags)
{
    const struct sdb_stream_range range = {SDB_STREAM_ID_MIN, SDB_STREAM_ID_MAX, flags, 1};
    struct stream_list list = {.reply = telling->reply};
    int result;

    reply_bulk_text(telling->reply, name);
    result = sdb_stream_range(telling->client->session, telling->key.data, telling->key.size, &range, stream_list_show, &list);
    if (list.count == 0)
        reply_null(telling->reply);
    return result;
}

static int tell_short(struct telling *telling, const struct sdb_stream_info *info)
{
    int result;

    reply_map(telling->reply, 10);
    tell_stream(telling->reply, info);
    tell_number(telling->reply, "groups", info->groups);
    result = tell_end(telling, "first-entry", 0);
    return result == SDB_OK ? tell_end(telling, "last-entry", SDB_STREAM_REVERSE) : result;
}

/* ---- STREAM FULL ------------------------------------------------------------------------------------------------------ */

/* Of a group: id, consumer, time and number of deliveries. */
static int show_pending_of_group(void *context, const struct sdb_stream_pending *pending)
{
    struct telling *telling = context;

    telling->shown++;
    reply_array(telling->reply, 4);
    stream_reply_id(telling->reply, &pending->id);
    reply_bulk(telling->reply, pending->consumer.data, pending->consumer.size);
    reply_integer(telling->reply, pending->delivered_ms);
    reply_integer(telling->reply, (int64_t)pending->deliveries);
    return telling->reply->failed;
}

static int show_pending_of_consumer(void *context, const struct sdb_stream_pending *pending)
{
    struct telling *telling = context;

    telling->shown++;
    reply_array(telling->reply, 3);
    stream_reply_id(telling->reply, &pending->id);
    reply_integer(telling->reply, pending->delivered_ms);
    reply_integer(telling->reply, (int64_t)pending->deliveries);
    return telling->reply->failed;
}

static int tell_pending(struct telling *telling, const struct sdb_slice *group, const struct sdb_stream_consumer *consumer, uint64_t pending)
{
    const struct sdb_stream_pending_range range = {.group = *group,
                                                   .consumer = consumer != NULL ? consumer->name : (struct sdb_slice){NULL, 0},
                                                   .first = SDB_STREAM_ID_MIN,
                                                   .last = SDB_STREAM_ID_MAX,
                                                   .count = limit_of(telling),
                                                   .now_ms = client_now_ms(telling->client)};
    size_t where;
    int result;

    tell_number(telling->reply, "pel-count", pending);
    reply_bulk_text(telling->reply, "pending");
    telling->shown = 0;
    where = reply_array_later(telling->reply);
    result = sdb_stream_pending(telling->client->session, telling->key.data, telling->key.size, &range,
                                consumer != NULL ? show_pending_of_consumer : show_pending_of_group, telling);
    reply_array_set(telling->reply, where, telling->shown);
    return result;
}

static int tell_consumers(struct telling *telling, const struct sdb_slice *group)
{
    struct stream_part *parts;
    int result = stream_parts_consumers(telling->client->session, &telling->key, group, &parts);

    reply_bulk_text(telling->reply, "consumers");
    reply_array(telling->reply, stream_parts_count(parts));
    for (const struct stream_part *part = parts; part != NULL && result == SDB_OK; part = part->next) {
        reply_map(telling->reply, 4);
        tell_name(telling->reply, &part->consumer.name);
        tell_number(telling->reply, "seen-time", (uint64_t)part->consumer.seen_ms);
        result = tell_pending(telling, group, &part->consumer, part->consumer.pending);
    }
    stream_parts_free(parts);
    return result;
}

static int tell_group(struct telling *telling, const struct sdb_stream_group *group)
{
    struct reply *reply = telling->reply;
    int result;

    reply_map(reply, 7);
    tell_name(reply, &group->name);
    tell_id(reply, "last-delivered-id", &group->last_id);
    tell_known(reply, "entries-read", group->entries_read, SDB_STREAM_UNKNOWN);
    tell_known(reply, "lag", group->lag, SDB_STREAM_LAG_UNKNOWN);
    result = tell_pending(telling, &group->name, NULL, group->pending);
    return result == SDB_OK ? tell_consumers(telling, &group->name) : result;
}

static int tell_full(struct telling *telling, const struct sdb_stream_info *info)
{
    const struct sdb_stream_range range = {SDB_STREAM_ID_MIN, SDB_STREAM_ID_MAX, 0, limit_of(telling)};
    struct stream_list list = {.reply = telling->reply};
    struct stream_part *parts;
    int result;

    reply_map(telling->reply, 9);
    tell_stream(telling->reply, info);
    reply_bulk_text(telling->reply, "entries");
    stream_list_begin(&list);
    result = sdb_stream_range(telling->client->session, telling->key.data, telling->key.size, &range, stream_list_show, &list);
    stream_list_end(&list);
    if (result == SDB_OK)
        result = stream_parts_groups(telling->client->session, &telling->key, &parts);
    if (result != SDB_OK)
        return result;
    reply_bulk_text(telling->reply, "groups");
    reply_array(telling->reply, stream_parts_count(parts));
    for (const struct stream_part *part = parts; part != NULL && result == SDB_OK; part = part->next)
        result = tell_group(telling, &part->group);
    stream_parts_free(parts);
    return result;
}

/* [FULL [COUNT count]], from argv[3] on. 1, or 0 after an error reply. */
static int get_full(struct client *client, const struct request_arg *argv, int argc, int64_t *count)
{
    if (argc == 3)
        return 1;
    if (!args_is(&argv[3], "FULL") || (argc != 4 && (argc != 6 || !args_is(&argv[4], "COUNT")))) {
        command_subcommand_error(client, argv);
        return 0;
    }
    if (argc == 6 && !args_get_int64(client, &argv[5], count, NULL))
        return 0;
    if (*count < 0)
        *count = FULL_COUNT;
    return 1;
}

static void reply_failed(struct client *client, int result)
{
    if (result == SDB_ENOTFOUND)
        reply_error(&client->reply, "no such key");
    else
        command_reply_error(client, result);
}

void xinfo_stream_command(struct client *client, const struct request_arg *argv, int argc)
{
    struct telling telling = {.client = client, .reply = &client->reply, .key = args_slice(&argv[2]), .count = FULL_COUNT};
    struct transaction transaction;
    struct sdb_stream_info info;
    int result;

    if (!transaction_begin(&transaction, client, &telling.key, 1))
        return;
    result = sdb_stream_info(client->session, argv[2].data, argv[2].size, &info);
    if (result == SDB_OK && get_full(client, argv, argc, &telling.count))
        result = argc > 3 ? tell_full(&telling, &info) : tell_short(&telling, &info);
    transaction_leave(client);
    if (result != SDB_OK) {
        reply_truncate(&client->reply, transaction.mark);
        reply_failed(client, result);
    }
}

/* ---- GROUPS, CONSUMERS ------------------------------------------------------------------------------------------------ */

static int show_group(void *context, const struct sdb_stream_group *group)
{
    struct telling *telling = context;
    struct reply *reply = telling->reply;

    telling->shown++;
    reply_map(reply, 6);
    tell_name(reply, &group->name);
    tell_number(reply, "consumers", group->consumers);
    tell_number(reply, "pending", group->pending);
    tell_id(reply, "last-delivered-id", &group->last_id);
    tell_known(reply, "entries-read", group->entries_read, SDB_STREAM_UNKNOWN);
    tell_known(reply, "lag", group->lag, SDB_STREAM_LAG_UNKNOWN);
    return reply->failed;
}

static int show_consumer(void *context, const struct sdb_stream_consumer *consumer)
{
    struct telling *telling = context;
    const int64_t idle = client_now_ms(telling->client) - consumer->seen_ms;

    telling->shown++;
    reply_map(telling->reply, 3);
    tell_name(telling->reply, &consumer->name);
    tell_number(telling->reply, "pending", consumer->pending);
    tell_number(telling->reply, "idle", idle > 0 ? (uint64_t)idle : 0);
    return telling->reply->failed;
}

/* A list whose number of elements is known now. */
static void end_list(struct telling *telling, size_t mark, size_t where, int result)
{
    if (result == SDB_OK) {
        reply_array_set(telling->reply, where, telling->shown);
        return;
    }
    reply_truncate(telling->reply, mark);
    reply_failed(telling->client, result);
}

void xinfo_groups_command(struct client *client, const struct request_arg *argv, int argc)
{
    struct telling telling = {.client = client, .reply = &client->reply};
    const size_t mark = client->reply.size, where = reply_array_later(&client->reply);

    (void)argc;
    end_list(&telling, mark, where, sdb_stream_groups(client->session, argv[2].data, argv[2].size, show_group, &telling));
}

void xinfo_consumers_command(struct client *client, const struct request_arg *argv, int argc)
{
    struct telling telling = {.client = client, .reply = &client->reply};
    const struct sdb_slice group = args_slice(&argv[3]);
    const size_t mark = client->reply.size, where = reply_array_later(&client->reply);
    int result = sdb_stream_consumers(client->session, argv[2].data, argv[2].size, &group, show_consumer, &telling);

    (void)argc;
    if (result == SDB_ECONDITION) {
        reply_truncate(&client->reply, mark);
        reply_errorf(&client->reply, "-NOGROUP No such consumer group '%.*s' for key name '%.*s'", (int)group.size, argv[3].data,
                     (int)argv[2].size, argv[2].data);
        return;
    }
    end_list(&telling, mark, where, result);
}
