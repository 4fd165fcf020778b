/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pubsub_commands.c - SUBSCRIBE, PUBLISH, PUBSUB and their kin
 */
#include <string.h>

#include "args.h"
#include "client.h"
#include "command.h"
#include "command_help.h"
#include "errors.h"
#include "glob.h"
#include "pubsub.h"

/* ---- subscribing ------------------------------------------------------------------------------------------------------ */

static const char *const subscribed_words[PUBSUB_KINDS] = {"subscribe", "psubscribe", "ssubscribe"};
static const char *const unsubscribed_words[PUBSUB_KINDS] = {"unsubscribe", "punsubscribe", "sunsubscribe"};

static size_t count_of(const struct client *client, enum pubsub_kind kind)
{
    return kind == PUBSUB_SHARD ? pubsub_count(client, kind) : pubsub_total(client);
}

/* name NULL: there was nothing to end. */
static void reply_changed(struct client *client, enum pubsub_kind kind, const char *word, const char *name, size_t size)
{
    reply_push(&client->reply, 3);
    reply_bulk_text(&client->reply, word);
    if (name != NULL)
        reply_bulk(&client->reply, name, size);
    else
        reply_null(&client->reply);
    reply_integer(&client->reply, (int64_t)count_of(client, kind));
}

static void subscribe(struct client *client, const struct request_arg *argv, int argc, enum pubsub_kind kind)
{
    for (int i = 1; i < argc; i++) {
        if (pubsub_subscribe(client, kind, &argv[i]) < 0) {
            command_reply_error(client, SDB_ENOMEM);
            return;
        }
        reply_changed(client, kind, subscribed_words[kind], argv[i].data, argv[i].size);
    }
}

struct ending {
    struct client *client;
    enum pubsub_kind kind;
};

static void reply_ended(void *context, const char *name, size_t size)
{
    const struct ending *ending = context;

    reply_changed(ending->client, ending->kind, unsubscribed_words[ending->kind], name, size);
}

static void unsubscribe(struct client *client, const struct request_arg *argv, int argc, enum pubsub_kind kind)
{
    struct ending ending = {client, kind};
    int any = 0;

    for (int i = 1; i < argc; i++) {
        (void)pubsub_unsubscribe(client, kind, &argv[i]);
        reply_ended(&ending, argv[i].data, argv[i].size);
    }
    if (argc > 1)
        return;
    while (pubsub_unsubscribe_one(client, kind, reply_ended, &ending))
        any = 1;
    if (!any)
        reply_ended(&ending, NULL, 0);
}

static void subscribe_command(struct client *client, const struct request_arg *argv, int argc)
{
    subscribe(client, argv, argc, PUBSUB_CHANNEL);
}

static void psubscribe_command(struct client *client, const struct request_arg *argv, int argc)
{
    subscribe(client, argv, argc, PUBSUB_PATTERN);
}

static void ssubscribe_command(struct client *client, const struct request_arg *argv, int argc)
{
    subscribe(client, argv, argc, PUBSUB_SHARD);
}

static void unsubscribe_command(struct client *client, const struct request_arg *argv, int argc)
{
    unsubscribe(client, argv, argc, PUBSUB_CHANNEL);
}

static void punsubscribe_command(struct client *client, const struct request_arg *argv, int argc)
{
    unsubscribe(client, argv, argc, PUBSUB_PATTERN);
}

static void sunsubscribe_command(struct client *client, const struct request_arg *argv, int argc)
{
    unsubscribe(client, argv, argc, PUBSUB_SHARD);
}

/* ---- publishing ------------------------------------------------------------------------------------------------------- */

static void publish(struct client *client, const struct request_arg *argv, enum pubsub_kind kind)
{
    const struct sdb_slice channel = args_slice(&argv[1]), message = args_slice(&argv[2]);

    reply_integer(&client->reply, (int64_t)pubsub_publish(client->worker, kind, &channel, &message));
}

static void publish_command(struct client *client, const struct request_arg *argv, int argc)
{
    (void)argc;
    publish(client, argv, PUBSUB_CHANNEL);
}

static void spublish_command(struct client *client, const struct request_arg *argv, int argc)
{
    (void)argc;
    publish(client, argv, PUBSUB_SHARD);
}

/* ---- PUBSUB ----------------------------------------------------------------------------------------------------------- */

struct listing {
    struct reply *reply;
    const struct request_arg *pattern; /* NULL: all */
    size_t count;
};

static void list_one(void *context, const char *name, size_t size)
{
    struct listing *listing = context;

    if (listing->pattern != NULL && !glob_match(listing->pattern->data, listing->pattern->size, name, size, 0))
        return;
    reply_bulk(listing->reply, name, size);
    listing->count++;
}

static void list(struct client *client, const struct request_arg *argv, int argc, enum pubsub_kind kind)
{
    struct listing listing = {&client->reply, argc == 3 ? &argv[2] : NULL, 0};
    size_t where;

    if (argc > 3) {
        command_subcommand_error(client, argv);
        return;
    }
    where = reply_array_later(&client->reply);
    pubsub_each(kind, list_one, &listing);
    reply_array_set(&client->reply, where, listing.count);
}

static void count(struct client *client, const struct request_arg *argv, int argc, enum pubsub_kind kind)
{
    reply_array(&client->reply, (size_t)(argc - 2) * 2);
    for (int i = 2; i < argc; i++) {
        reply_bulk(&client->reply, argv[i].data, argv[i].size);
        reply_integer(&client->reply, (int64_t)pubsub_subscribers(kind, &argv[i]));
    }
}

static void pubsub_channels(struct client *client, const struct request_arg *argv, int argc)
{
    list(client, argv, argc, PUBSUB_CHANNEL);
}

static void pubsub_shardchannels(struct client *client, const struct request_arg *argv, int argc)
{
    list(client, argv, argc, PUBSUB_SHARD);
}

static void pubsub_numsub(struct client *client, const struct request_arg *argv, int argc)
{
    count(client, argv, argc, PUBSUB_CHANNEL);
}

static void pubsub_shardnumsub(struct client *client, const struct request_arg *argv, int argc)
{
    count(client, argv, argc, PUBSUB_SHARD);
}

static void pubsub_numpat(struct client *client, const struct request_arg *argv, int argc)
{
    (void)argv;
    (void)argc;
    reply_integer(&client->reply, (int64_t)pubsub_names(PUBSUB_PATTERN));
}

/* ---- rows ------------------------------------------------------------------------------------------------------------- */

#define LOOK_FLAGS (COMMAND_PUBSUB | COMMAND_LOADING | COMMAND_STALE)
#define SUBSCRIBE_FLAGS (LOOK_FLAGS | COMMAND_NOSCRIPT | COMMAND_SUBSCRIBED)
#define ROW(text, first, cost, arguments, count_, bits, categories, function)                                          \
    .name = text, .since = first, .group = "pubsub", .complexity = cost, .syntax = arguments, .arity = count_,         \
    .flags = bits, .acl_categories = categories, .handler = function

static const struct command pubsub_subcommands[] = {
    {ROW("channels", "2.8.0", "O(N) where N is the number of channels", "[pattern]", -2, LOOK_FLAGS, "@pubsub @slow",
         pubsub_channels),
     .summary = "Gives the channels that have subscribers"},
    {ROW("help", "6.2.0", "O(1)", "", 2, COMMAND_LOADING | COMMAND_STALE, "@slow", command_help),
     .summary = "Gives a text about the subcommands"},
    {ROW("numpat", "2.8.0", "O(1)", "", 2, LOOK_FLAGS, "@pubsub @slow", pubsub_numpat),
     .summary = "Counts the patterns that have subscribers"},
    {ROW("numsub", "2.8.0", "O(N) where N is the number of channels", "[channel [channel ...]]", -2, LOOK_FLAGS,
         "@pubsub @slow", pubsub_numsub),
     .summary = "Counts the subscribers of channels"},
    {ROW("shardchannels", "7.0.0", "O(N) where N is the number of channels", "[pattern]", -2, LOOK_FLAGS, "@pubsub @slow",
         pubsub_shardchannels),
     .summary = "Gives the shard channels that have subscribers"},
    {ROW("shardnumsub", "7.0.0", "O(N) where N is the number of channels", "[shardchannel [shardchannel ...]]", -2, LOOK_FLAGS,
         "@pubsub @slow", pubsub_shardnumsub),
     .summary = "Counts the subscribers of shard channels"},
    {.name = NULL},
};

#define PUBLISHED                                                                                                      \
    "A message leaves after the fence that covers what its publisher wrote before it. Inside EXEC, and inside a script, it comes behind their "     \
    "reply"

const struct command pubsub_commands[] = {
    {ROW("psubscribe", "2.0.0", "O(N) where N is the number of patterns", "pattern [pattern ...]", -2, SUBSCRIBE_FLAGS,
         "@pubsub @slow", psubscribe_command),
     .summary = "Subscribes to all channels whose names match a pattern"},
    {ROW("publish", "2.0.0", "O(N+M) where N is the number of subscribers and M that of patterns", "channel message", 3,
         LOOK_FLAGS | COMMAND_FAST | COMMAND_MAY_WRITE, "@pubsub @fast", publish_command),
     .summary = "Sends a message to a channel's subscribers", .difference = PUBLISHED},
    {ROW("pubsub", "2.8.0", "Depends on the subcommand", NULL, -2, 0, "@slow", NULL), .subcommands = pubsub_subcommands,
     .summary = "A container for commands about channels and their subscribers"},
    {ROW("punsubscribe", "2.0.0", "O(N) where N is the number of patterns", "[pattern [pattern ...]]", -1, SUBSCRIBE_FLAGS,
         "@pubsub @slow", punsubscribe_command),
     .summary = "Ends subscriptions to patterns"},
    {ROW("spublish", "7.0.0", "O(N) where N is the number of subscribers", "shardchannel message", 3,
         LOOK_FLAGS | COMMAND_FAST | COMMAND_MAY_WRITE, "@pubsub @fast", spublish_command),
     .summary = "Sends a message to a shard channel's subscribers", .difference = PUBLISHED,
     .first_key = 1, .last_key = 1, .key_step = 1},
    {ROW("ssubscribe", "7.0.0", "O(N) where N is the number of channels", "shardchannel [shardchannel ...]", -2, SUBSCRIBE_FLAGS,
         "@pubsub @slow", ssubscribe_command),
     .summary = "Subscribes to shard channels", .first_key = 1, .last_key = -1, .key_step = 1},
    {ROW("subscribe", "2.0.0", "O(N) where N is the number of channels", "channel [channel ...]", -2, SUBSCRIBE_FLAGS,
         "@pubsub @slow", subscribe_command),
     .summary = "Subscribes to channels"},
    {ROW("sunsubscribe", "7.0.0", "O(N) where N is the number of channels", "[shardchannel [shardchannel ...]]", -1,
         SUBSCRIBE_FLAGS, "@pubsub @slow", sunsubscribe_command),
     .summary = "Ends subscriptions to shard channels", .first_key = 1, .last_key = -1, .key_step = 1},
    {ROW("unsubscribe", "2.0.0", "O(N) where N is the number of channels", "[channel [channel ...]]", -1, SUBSCRIBE_FLAGS,
         "@pubsub @slow", unsubscribe_command),
     .summary = "Ends subscriptions to channels"},
    {.name = NULL},
};
