/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * stream_read_commands.c - XREAD and XREADGROUP, which wait with BLOCK where there is nothing new
 *
 * Whoever waits is served with what a change of one of its keys has brought: of XREAD everybody who has not seen it, of XREADGROUP one
 * after the other, as far as there is something that its group was not given.
 *
 * Commit:  one key: one call to the store. Several keys, or where the command has to wait: a transaction that names them, so that
 *          nobody adds anything between the look at them and the waiting (block.h).
 * Threads: the client's own; what serves those who wait, any worker's.
 * Memory:  many keys: where to go on with each; `$`: the arguments, with what it stands for
 */
#include <stdlib.h>
#include <string.h>

#include "args.h"
#include "block_keys.h"
#include "errors.h"
#include "notify.h"
#include "script_call.h"
#include "stream_args.h"
#include "stream_handlers.h"
#include "transaction.h"

#define KEYS_FEW 8
#define BLOCKED_COUNT 1000 /* entries that one who has waited is given at most, without COUNT */

/* Where to go on in one of the streams. */
struct place {
    enum { BEHIND_ID, BEHIND_ALL, NEW_TO_GROUP } what; /* an id, $, > */
    struct sdb_stream_id id;
};

struct reading {
    struct client *client;
    const struct request_arg *argv;
    int argc;
    int is_group; /* XREADGROUP */
    const struct request_arg *group, *consumer;
    int no_ack;
    int64_t count;      /* 0: all */
    int64_t timeout_ms; /* -1: it does not wait */
    int keys_at, key_count;
    struct place *places, few[KEYS_FEW];
    size_t where, shown; /* the reply's header, and how many streams are in it */
};

/* ---- arguments -------------------------------------------------------------------------------------------------------- */

static int refuse(struct client *client, const char *error)
{
    reply_error(&client->reply, error);
    return 0;
}

static int get_block(struct reading *reading, const struct request_arg *arg)
{
    struct client *client = reading->client;

    if (script_is_calling()) {
        reply_errorf(&client->reply, "%.*s command is not allowed with BLOCK option from scripts", (int)reading->argv[0].size,
                     reading->argv[0].data);
        return 0;
    }
    if (!args_get_int64(client, arg, &reading->timeout_ms, "timeout is not an integer or out of range"))
        return 0;
    return reading->timeout_ms >= 0 || refuse(client, "timeout is negative");
}

/* The keys behind STREAMS, each with an id. */
static int get_keys(struct reading *reading, int at)
{
    const int words = reading->argc - at;

    if (words % 2 != 0)
        return refuse(reading->client, "Unbalanced XREAD list of streams: for each stream key an ID or '$' must be specified.");
    reading->keys_at = at;
    reading->key_count = words / 2;
    return 1;
}

/* One option, at *at, which moves to its last word. *streams: where the keys are, once it is known. */
static int get_option(struct reading *reading, int *at)
{
    const struct request_arg *arg = &reading->argv[*at];
    const int more = reading->argc - 1 - *at;

    if (more > 0 && args_is(arg, "BLOCK"))
        return get_block(reading, &reading->argv[++*at]);
    if (more > 0 && args_is(arg, "COUNT")) {
        if (!args_get_int64(reading->client, &reading->argv[++*at], &reading->count, NULL))
            return 0;
        reading->count = reading->count > 0 ? reading->count : 0;
        return 1;
    }
    if (more > 0 && args_is(arg, "STREAMS"))
        return get_keys(reading, *at + 1);
    if (more > 1 && args_is(arg, "GROUP")) {
        if (!reading->is_group)
            return refuse(reading->client, "The GROUP option is only supported by XREADGROUP. You called XREAD instead.");
        reading->group = &reading->argv[*at + 1];
        reading->consumer = &reading->argv[*at + 2];
        *at += 2;
        return 1;
    }
    if (args_is(arg, "NOACK")) {
        reading->no_ack = 1;
        return reading->is_group || refuse(reading->client, "The NOACK option is only supported by XREADGROUP. You called XREAD instead.");
    }
    args_syntax_error(reading->client);
    return 0;
}

static int get_options(struct reading *reading)
{
    for (int i = 1; i < reading->argc && reading->keys_at == 0; i++)
        if (!get_option(reading, &i))
            return 0;
    if (reading->keys_at == 0) {
        args_syntax_error(reading->client);
        return 0;
    }
    return !reading->is_group || reading->group != NULL || refuse(reading->client, "Missing GROUP option for XREADGROUP");
}

static const struct request_arg *key_of(const struct reading *reading, int number)
{
    return &reading->argv[reading->keys_at + number];
}

static const struct request_arg *id_of(const struct reading *reading, int number)
{
    return &reading->argv[reading->keys_at + reading->key_count + number];
}

/* ---- where to go on --------------------------------------------------------------------------------------------------- */

static void reply_failed(struct reading *reading, int number, int result)
{
    if (reading->is_group && (result == SDB_ENOTFOUND || result == SDB_ECONDITION))
        stream_reply_no_group(reading->client, key_of(reading, number), reading->group, " in XREADGROUP with GROUP option");
    else
        command_reply_error(reading->client, result);
}

/* Whether the stream is there to be read. 1, or 0 after an error reply. */
static int look(struct reading *reading, int number)
{
    struct sdb_session *session = reading->client->session;
    const struct request_arg *key = key_of(reading, number);
    struct sdb_stream_group group;
    uint64_t length;
    int result = reading->is_group ? sdb_stream_group(session, key->data, key->size, reading->group->data, reading->group->size, &group)
                                   : sdb_stream_length(session, key->data, key->size, &length);

    if (result == SDB_OK || (result == SDB_ENOTFOUND && !reading->is_group))
        return 1;
    reply_failed(reading, number, result);
    return 0;
}

static int resolve_last(struct reading *reading, int number, struct place *place)
{
    const struct request_arg *key = key_of(reading, number);
    struct sdb_stream_info info;
    int result = sdb_stream_info(reading->client->session, key->data, key->size, &info);

    place->what = BEHIND_ALL;
    place->id = result == SDB_OK ? info.last_id : (struct sdb_stream_id)SDB_STREAM_ID_MIN;
    return result == SDB_OK || result == SDB_ENOTFOUND;
}

/* As Redis: first whether the stream is there, then its id. One stream alone that has a good id is seen to when it is read. */
static int resolve(struct reading *reading, int number)
{
    static const struct sdb_stream_id greatest = SDB_STREAM_ID_MAX;
    const struct request_arg *arg = id_of(reading, number);
    struct place *place = &reading->places[number];
    const int is_last = args_is(arg, "$"), is_new = args_is(arg, ">");
    const int is_id = stream_parse_id(arg, 0, &place->id), is_good = is_id || (is_new && reading->is_group);

    /* The greatest id is > to Redis. */
    place->what = is_new || (is_id && reading->is_group && sdb_stream_id_compare(&place->id, &greatest) == 0) ? NEW_TO_GROUP : BEHIND_ID;
    if (is_good && reading->key_count == 1)
        return 1;
    if (!look(reading, number))
        return 0;
    if (is_last && reading->is_group)
        return refuse(reading->client,
                      "The $ ID is meaningless in the context of XREADGROUP: you want to read the history of this consumer by "
                      "specifying a proper ID, or use the > ID to get new messages. The $ ID would just return an empty result set.");
    if (is_new && !reading->is_group)
        return refuse(reading->client,
                      "The > ID can be specified only when calling XREADGROUP using the GROUP <group> <consumer> option.");
    if (is_last)
        return resolve_last(reading, number, place);
    return is_good || stream_get_id(reading->client, arg, 0, &place->id);
}

static int resolve_all(struct reading *reading)
{
    int good = 1;

    for (int i = 0; i < reading->key_count && good; i++)
        good = resolve(reading, i);
    return good;
}

/* ---- reading ---------------------------------------------------------------------------------------------------------- */

/* Entries behind an id. *count: how many were shown. */
static int show_behind(const struct reading *reading, const struct request_arg *key, struct sdb_stream_id id, struct stream_list *list)
{
    const uint64_t count = reading->count > 0 ? (uint64_t)reading->count : UINT64_MAX;
    struct sdb_stream_range range = {id, SDB_STREAM_ID_MAX, 0, count};

    if (!sdb_stream_id_next(&range.first))
        return SDB_OK;
    return sdb_stream_range(reading->client->session, key->data, key->size, &range, stream_list_show, list);
}

static int show_to_group(const struct reading *reading, const struct request_arg *key, const struct place *place, int *served,
                         struct stream_list *list)
{
    const struct sdb_stream_reading asked = {
        .group = args_slice(reading->group),
        .consumer = args_slice(reading->consumer),
        .after = place->id,
        .count = (uint64_t)reading->count,
        .flags = (place->what == NEW_TO_GROUP ? 0u : (uint32_t)SDB_STREAM_HISTORY) | (reading->no_ack ? SDB_STREAM_NO_ACK : 0u),
        .now_ms = client_now_ms(reading->client)};
    struct sdb_stream_read done = {.served = 0};
    int result = sdb_stream_read_group(reading->client->session, key->data, key->size, &asked, &done, stream_list_show, list);

    if (result == SDB_OK && done.consumer_created)
        notify_also(reading->client, key, "xgroup-createconsumer", NOTIFY_STREAM);
    *served = done.served;
    return result;
}

/* SDB_OK: something was shown, or there is nothing. Otherwise nothing is replied. */
static int read_one(struct reading *reading, int number)
{
    struct reply *reply = &reading->client->reply;
    struct stream_list list = {.reply = reply};
    const struct request_arg *key = key_of(reading, number);
    const struct place *place = &reading->places[number];
    const size_t mark = reply->size;
    int served = 0, result;

    if (place->what == BEHIND_ALL)
        return SDB_OK;
    if (reply->protocol < 3)
        reply_array(reply, 2);
    reply_bulk(reply, key->data, key->size);
    stream_list_begin(&list);
    if (reading->is_group)
        result = show_to_group(reading, key, place, &served, &list);
    else
        result = show_behind(reading, key, place->id, &list);
    stream_list_end(&list);
    if (result == SDB_OK && (served || list.count > 0))
        reading->shown++;
    else
        reply_truncate(reply, mark);
    return result == SDB_ENOTFOUND && !reading->is_group ? SDB_OK : result;
}

static void begin_reply(struct reading *reading)
{
    reading->shown = 0;
    reading->where = reply_array_later(&reading->client->reply);
}

/* Or takes it back, where there is nothing in it. */
static void end_reply(struct reading *reading, size_t mark)
{
    struct reply *reply = &reading->client->reply;

    if (reading->shown > 0)
        reply_header_set(reply, reading->where, reply->protocol >= 3 ? '%' : '*', reading->shown);
    else
        reply_truncate(reply, mark);
}

/* SDB_OK: reading->shown tells whether it has replied. Other errors: *failed is the key that is to blame, and nothing is replied. */
static int read_all(struct reading *reading, int *failed)
{
    const size_t mark = reading->client->reply.size;
    int result = SDB_OK;

    begin_reply(reading);
    for (int i = 0; i < reading->key_count && result == SDB_OK; i++) {
        *failed = i;
        result = read_one(reading, i);
    }
    if (result == SDB_OK)
        end_reply(reading, mark);
    else
        reply_truncate(&reading->client->reply, mark);
    return result;
}

/* ---- waiting ---------------------------------------------------------------------------------------------------------- */

/* Of one that waits, the key that is ready. */
static int number_of(const struct reading *reading, const struct sdb_slice *key)
{
    for (int i = 0; i < reading->key_count; i++)
        if (key_of(reading, i)->size == key->size && memcmp(key_of(reading, i)->data, key->data, key->size) == 0)
            return i;
    return -1;
}

/* In a transaction that has the key. What is new to the reader is shown, though it may be gone again. */
static enum block_served serve_key(struct reading *reading, int number, const struct sdb_stream_info *info, int *result)
{
    struct client *client = reading->client;
    const struct request_arg *key = key_of(reading, number);
    struct place place = {.what = reading->is_group ? NEW_TO_GROUP : BEHIND_ID};
    struct stream_list list = {.reply = &client->reply};
    struct sdb_stream_group group;
    int served;

    if (reading->is_group) {
        *result = sdb_stream_group(client->session, key->data, key->size, reading->group->data, reading->group->size, &group);
        if (*result != SDB_OK)
            return BLOCK_SERVED;
        place.id = group.last_id;
    } else if (!stream_parse_id(id_of(reading, number), 0, &place.id)) {
        return BLOCK_NOT_MINE;
    }
    if (sdb_stream_id_compare(&info->last_id, &place.id) <= 0)
        return BLOCK_NOT_MINE;
    begin_reply(reading);
    if (client->reply.protocol < 3)
        reply_array(&client->reply, 2);
    reply_bulk(&client->reply, key->data, key->size);
    stream_list_begin(&list);
    *result = reading->is_group ? show_to_group(reading, key, &place, &served, &list) : show_behind(reading, key, place.id, &list);
    stream_list_end(&list);
    reading->shown = 1;
    end_reply(reading, 0);
    return BLOCK_SERVED;
}

/* The key is gone, or is no stream any more. */
static enum block_served serve_nothing(const struct reading *reading)
{
    if (!reading->is_group)
        return BLOCK_NOT_MINE;
    reply_error(&reading->client->reply, "-UNBLOCKED the stream key no longer exists");
    return BLOCK_SERVED;
}

static enum block_served serve(struct client *client, const struct request_arg *argv, int argc, const struct sdb_slice *key)
{
    struct reading reading = {.client = client, .argv = argv, .argc = argc, .is_group = argv[0].size == 10};
    enum block_served served = BLOCK_NOT_MINE;
    struct transaction transaction;
    struct sdb_stream_info info;
    int number, result;

    if (!get_options(&reading) || (number = number_of(&reading, key)) < 0)
        return BLOCK_NOT_MINE;
    if (reading.count == 0)
        reading.count = BLOCKED_COUNT;
    if (!transaction_begin(&transaction, client, key, 1))
        return BLOCK_SERVED;
    result = sdb_stream_info(client->session, key->data, key->size, &info);
    if (result == SDB_OK) {
        served = serve_key(&reading, number, &info, &result);
    } else if (result == SDB_ENOTFOUND || result == SDB_ETYPE) {
        served = serve_nothing(&reading);
        transaction_leave(client);
        return served;
    }
    if (result == SDB_ECONDITION) {
        reply_error(&client->reply, "-NOGROUP the consumer group this client was blocked on no longer exists");
        transaction_leave(client);
        return BLOCK_SERVED;
    }
    return transaction_end(&transaction, client, result) == SDB_OK ? served : BLOCK_SERVED;
}

/* What a client that waits remembers: what $ stands for now. NULL: out of memory. */
static struct request_arg *remembered(const struct reading *reading)
{
    struct request_arg *argv = malloc((size_t)reading->argc * sizeof(*argv) + (size_t)reading->key_count * STREAM_ID_TEXT_SIZE);
    char *text;

    if (argv == NULL)
        return NULL;
    memcpy(argv, reading->argv, (size_t)reading->argc * sizeof(*argv));
    text = (char *)(argv + reading->argc);
    for (int i = 0; i < reading->key_count; i++, text += STREAM_ID_TEXT_SIZE)
        if (reading->places[i].what == BEHIND_ALL)
            argv[reading->keys_at + reading->key_count + i] = (struct request_arg){text, stream_format_id(text, &reading->places[i].id)};
    return argv;
}

static void wait_for(struct reading *reading, const struct args_slices *keys)
{
    struct client *client = reading->client;
    const struct block_wish wish = {.keys = keys->items, .count = keys->count, .timeout_ms = reading->timeout_ms, .serve = serve,
                                    .give_up = block_keys_give_up, .until_gone = reading->is_group};
    struct request_arg *argv = NULL;

    if (reading->timeout_ms < 0 || !block_is_allowed(client)) {
        reply_null_array(&client->reply);
        return;
    }
    argv = remembered(reading);
    if (argv == NULL || !block_wait(client, &wish, argv, reading->argc))
        command_reply_error(client, SDB_ENOMEM);
    free(argv);
}

/* ---- the commands ----------------------------------------------------------------------------------------------------- */

/* With all keys locked. */
static void read_together(struct reading *reading, const struct args_slices *keys)
{
    struct client *client = reading->client;
    struct transaction transaction;
    int result, failed = 0;

    if (!transaction_begin(&transaction, client, keys->items, keys->count))
        return;
    if (!resolve_all(reading)) {
        transaction_leave(client);
        return;
    }
    result = read_all(reading, &failed);
    if (result != SDB_OK) {
        transaction_leave(client);
        reply_failed(reading, failed, result);
    } else if (reading->shown > 0) {
        (void)transaction_end(&transaction, client, SDB_OK);
    } else {
        wait_for(reading, keys);
        transaction_leave(client);
    }
}

/* One stream. 1: that was all. */
static int read_alone(struct reading *reading)
{
    int failed = 0, result;

    if (!resolve_all(reading))
        return 1;
    result = read_all(reading, &failed);
    if (result != SDB_OK)
        reply_failed(reading, 0, result);
    else if (reading->shown == 0 && reading->timeout_ms < 0)
        reply_null_array(&reading->client->reply);
    return result != SDB_OK || reading->shown > 0 || reading->timeout_ms < 0;
}

static void read_streams(struct client *client, const struct request_arg *argv, int argc, int is_group)
{
    struct reading reading = {.client = client, .argv = argv, .argc = argc, .is_group = is_group, .timeout_ms = -1};
    struct args_slices keys;

    if (!get_options(&reading))
        return;
    reading.places = reading.few;
    if (reading.key_count > KEYS_FEW)
        reading.places = malloc((size_t)reading.key_count * sizeof(*reading.places));
    if (reading.places == NULL) {
        command_reply_error(client, SDB_ENOMEM);
        return;
    }
    if (reading.key_count > 1 || !read_alone(&reading)) {
        if (args_slices_take(&keys, key_of(&reading, 0), reading.key_count) == SDB_OK) {
            read_together(&reading, &keys);
            args_slices_free(&keys);
        } else {
            command_reply_error(client, SDB_ENOMEM);
        }
    }
    if (reading.places != reading.few)
        free(reading.places);
}

void xread_command(struct client *client, const struct request_arg *argv, int argc)
{
    read_streams(client, argv, argc, 0);
}

void xreadgroup_command(struct client *client, const struct request_arg *argv, int argc)
{
    read_streams(client, argv, argc, 1);
}

/* ---- keys ------------------------------------------------------------------------------------------------------------- */

int xread_keys(const struct request_arg *argv, int argc, int *positions, int max)
{
    int at = 1, count = 0;

    while (at < argc && !args_is(&argv[at], "STREAMS")) {
        if (args_is(&argv[at], "BLOCK") || args_is(&argv[at], "COUNT"))
            at += 2;
        else if (args_is(&argv[at], "GROUP"))
            at += 3;
        else if (args_is(&argv[at], "NOACK"))
            at++;
        else
            return -1;
    }
    if (at >= argc - 2)
        return -1;
    while (count < (argc - at - 1) / 2 && count < max) {
        positions[count] = at + 1 + count;
        count++;
    }
    return count;
}

int xreadgroup_keys(const struct request_arg *argv, int argc, int *positions, int max)
{
    return xread_keys(argv, argc, positions, max);
}
