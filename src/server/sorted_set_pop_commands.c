/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sorted_set_pop_commands.c - ZPOPMIN, ZPOPMAX, ZMPOP; BZPOPMIN, BZPOPMAX, BZMPOP, which wait where there is nothing
 *
 * Commit:  one call to the store; ZMPOP: one for the first key that has something, of keys that nobody changes meanwhile; those that
 *          wait: block_keys.h
 * Threads: the client's own; what serves those who wait, any worker's. Memory: ZMPOP: the keys' slices.
 */
#include "args.h"
#include "block_keys.h"
#include "client.h"
#include "collections.h"
#include "errors.h"
#include "notify.h"
#include "sorted_set_args.h"
#include "sorted_set_handlers.h"
#include "transaction.h"

static struct sdb_zset_range range_of(int from_top, int64_t count)
{
    return (struct sdb_zset_range){.by = SDB_ZSET_RANKS,
                                   .flags = from_top ? SDB_ZSET_REVERSE : 0,
                                   .first = 0,
                                   .last = INT64_MAX,
                                   .count = (uint64_t)count};
}

/* ---- of one key ------------------------------------------------------------------------------------------------------- */

static void pop(struct client *client, const struct request_arg *argv, int argc, int from_top)
{
    struct collections_list list = {.client = client, .what = LIST_NAMES_AND_SCORES, .paired = argc == 3};
    struct sdb_zset_range range;
    int64_t count = 1;

    if (argc > 3) {
        args_syntax_error(client);
        return;
    }
    if (argc == 3 && (!args_parse_int64(argv[2].data, argv[2].size, &count) || count < 0)) {
        reply_error(&client->reply, "value is out of range, must be positive");
        return;
    }
    range = range_of(from_top, count);
    collections_list_begin(&list);
    collections_list_end(&list, COLLECTIONS_ARRAY,
                         sdb_zset_pop(client->session, argv[1].data, argv[1].size, &range, collections_list_show, &list));
}

void zpopmin_command(struct client *client, const struct request_arg *argv, int argc)
{
    pop(client, argv, argc, 0);
}

void zpopmax_command(struct client *client, const struct request_arg *argv, int argc)
{
    pop(client, argv, argc, 1);
}

/* ---- of the first of several ------------------------------------------------------------------------------------------ */

struct asked {
    int first, keys; /* argv[first] is the first of so many keys */
    int from_top;
    int64_t count;
};

/* numkeys key ... MIN | MAX [COUNT count], from argv[at] on. 1, or 0 after an error reply. */
static int read(struct client *client, const struct request_arg *argv, int argc, int at, struct asked *asked)
{
    int64_t keys;
    int i;

    if (!args_parse_int64(argv[at].data, argv[at].size, &keys) || keys < 1) {
        reply_error(&client->reply, "numkeys should be greater than 0");
        return 0;
    }
    *asked = (struct asked){at + 1, 0, 0, -1};
    if (keys >= argc - at - 1) {
        args_syntax_error(client);
        return 0;
    }
    asked->keys = (int)keys;
    i = at + 1 + asked->keys;
    asked->from_top = args_is(&argv[i], "MAX");
    if (!asked->from_top && !args_is(&argv[i], "MIN")) {
        args_syntax_error(client);
        return 0;
    }
    for (i++; i < argc; i += 2) {
        if (asked->count != -1 || i + 1 >= argc || !args_is(&argv[i], "COUNT")) {
            args_syntax_error(client);
            return 0;
        }
        if (!args_parse_int64(argv[i + 1].data, argv[i + 1].size, &asked->count) || asked->count < 1) {
            reply_error(&client->reply, "count should be greater than 0");
            return 0;
        }
    }
    if (asked->count == -1)
        asked->count = 1;
    return 1;
}

struct shown {
    struct reply *reply;
    size_t count;
};

static int show_pair(void *context, const struct sdb_element *element)
{
    struct shown *shown = context;

    reply_array(shown->reply, 2);
    reply_bulk(shown->reply, element->name.data, element->name.size);
    reply_double(shown->reply, element->score);
    shown->count++;
    return shown->reply->failed;
}

/* [key, [[member, score] ...]]. SDB_ENOTFOUND: there is nothing, and nothing is replied. */
static int pop_from(struct client *client, const struct sdb_slice *key, const struct asked *asked)
{
    const struct sdb_zset_range range = range_of(asked->from_top, asked->count);
    struct shown shown = {&client->reply, 0};
    const size_t mark = client->reply.size;
    size_t where;
    int result;

    notify_call(client, asked->from_top ? "zpopmax" : "zpopmin", NOTIFY_ZSET);
    reply_array(&client->reply, 2);
    reply_bulk(&client->reply, key->data, key->size);
    where = reply_array_later(&client->reply);
    result = sdb_zset_pop(client->session, key->data, key->size, &range, show_pair, &shown);
    if (result == SDB_OK)
        reply_array_set(&client->reply, where, shown.count);
    else
        reply_truncate(&client->reply, mark);
    return result;
}

void zmpop_command(struct client *client, const struct request_arg *argv, int argc)
{
    struct transaction transaction;
    struct args_slices keys;
    struct asked asked;
    int result;

    if (!read(client, argv, argc, 1, &asked))
        return;
    result = args_slices_take(&keys, argv + asked.first, asked.keys);
    if (result != SDB_OK) {
        command_reply_error(client, result);
        return;
    }
    if (transaction_begin(&transaction, client, keys.items, keys.count)) {
        result = SDB_ENOTFOUND;
        for (size_t i = 0; i < keys.count && result == SDB_ENOTFOUND; i++)
            result = pop_from(client, &keys.items[i], &asked);
        if (result == SDB_ENOTFOUND)
            reply_null_array(&client->reply);
        (void)transaction_end(&transaction, client, result == SDB_ENOTFOUND ? SDB_OK : result);
    }
    args_slices_free(&keys);
}

/* ---- those that wait -------------------------------------------------------------------------------------------------- */

/* Its three words stand in one array. */
static int show_one(void *context, const struct sdb_element *element)
{
    struct shown *shown = context;

    reply_bulk(shown->reply, element->name.data, element->name.size);
    reply_double(shown->reply, element->score);
    shown->count++;
    return shown->reply->failed;
}

static int try_bzpop(struct client *client, const struct request_arg *argv, int argc, const struct sdb_slice *key)
{
    const struct sdb_zset_range range = range_of(args_is(&argv[0], "BZPOPMAX"), 1);
    struct shown shown = {&client->reply, 0};
    const size_t mark = client->reply.size;
    int result;

    (void)argc;
    reply_array(&client->reply, 3);
    reply_bulk(&client->reply, key->data, key->size);
    result = sdb_zset_pop(client->session, key->data, key->size, &range, show_one, &shown);
    if (result != SDB_OK)
        reply_truncate(&client->reply, mark);
    return result;
}

static enum block_served serve_bzpop(struct client *client, const struct request_arg *argv, int argc, const struct sdb_slice *key)
{
    return block_keys_serve(client, argv, argc, key, SDB_TYPE_ZSET, try_bzpop);
}

void bzpopmin_command(struct client *client, const struct request_arg *argv, int argc)
{
    struct block_keys waiting = {argv + 1, argc - 2, argc - 2, 0, try_bzpop, serve_bzpop, block_keys_give_up};

    if (block_get_timeout(client, &argv[argc - 1], &waiting.timeout_ms))
        block_keys_run(client, argv, argc, &waiting);
}

void bzpopmax_command(struct client *client, const struct request_arg *argv, int argc)
{
    bzpopmin_command(client, argv, argc);
}

static int try_bzmpop(struct client *client, const struct request_arg *argv, int argc, const struct sdb_slice *key)
{
    struct asked asked;

    /* It was read well before; who waits has a copy of its arguments. */
    return read(client, argv, argc, 2, &asked) ? pop_from(client, key, &asked) : SDB_OK;
}

static enum block_served serve_bzmpop(struct client *client, const struct request_arg *argv, int argc, const struct sdb_slice *key)
{
    return block_keys_serve(client, argv, argc, key, SDB_TYPE_ZSET, try_bzmpop);
}

void bzmpop_command(struct client *client, const struct request_arg *argv, int argc)
{
    struct block_keys waiting = {NULL, 0, 0, 0, try_bzmpop, serve_bzmpop, block_keys_give_up};
    struct asked asked;

    if (!read(client, argv, argc, 2, &asked) || !block_get_timeout(client, &argv[1], &waiting.timeout_ms))
        return;
    waiting.keys = argv + asked.first;
    waiting.key_count = waiting.lock_count = asked.keys;
    block_keys_run(client, argv, argc, &waiting);
}
