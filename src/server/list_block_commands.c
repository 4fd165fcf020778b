/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * list_block_commands.c - BLPOP, BRPOP, BLMOVE, BRPOPLPUSH, BLMPOP: as their namesakes, and where there is nothing they wait
 *
 * Commit:  a transaction that names the keys, so that nobody pushes between the look at them and the waiting (block.h). One key is tried
 *          without, first.
 * Threads: the client's own; what serves those who wait, any worker's.
 */
#include <math.h>

#include "args.h"
#include "block.h"
#include "client.h"
#include "errors.h"
#include "list_handlers.h"
#include "transaction.h"

#define FOR_EVER_MS (INT64_MAX / 2)

/* A command that waits: its keys, and what it does with one of them. SDB_OK: it has replied; errors: as list_pop_one. */
typedef int try_key(struct client *client, const struct request_arg *argv, int argc, const struct sdb_slice *key);

struct waiting {
    const struct request_arg *keys;
    int key_count;  /* that it waits for */
    int lock_count; /* that it may change: those, and what follows them */
    int64_t timeout_ms;
    try_key *try;
    block_serve *serve;
    block_give_up *reply_nothing; /* where it may not wait */
};

/* Seconds, with a fraction. 1, or 0 after an error reply. */
static int get_timeout(struct client *client, const struct request_arg *arg, int64_t *timeout_ms)
{
    long double seconds;

    if (!args_parse_long_double(arg->data, arg->size, &seconds)) {
        reply_error(&client->reply, "timeout is not a float or out of range");
        return 0;
    }
    seconds = ceill(seconds * 1000);
    if (seconds < 0 || seconds > (long double)INT64_MAX) { /* what is too large for an integer is negative to Redis */
        reply_error(&client->reply, "timeout is negative");
        return 0;
    }
    *timeout_ms = seconds < (long double)FOR_EVER_MS ? (int64_t)seconds : FOR_EVER_MS;
    return 1;
}

/* Also of those whose time is over, whatever they would have replied with. */
static void give_up(struct client *client)
{
    reply_null_array(&client->reply);
}

static void reply_null_element(struct client *client)
{
    reply_null(&client->reply);
}

static int try_keys(struct client *client, const struct request_arg *argv, int argc, const struct waiting *waiting)
{
    int result = SDB_ENOTFOUND;

    for (int i = 0; i < waiting->key_count && result == SDB_ENOTFOUND; i++) {
        const struct sdb_slice key = args_slice(&waiting->keys[i]);

        result = waiting->try(client, argv, argc, &key);
    }
    return result;
}

/* With all its keys locked. */
static void try_and_wait(struct client *client, const struct request_arg *argv, int argc, const struct waiting *waiting,
                         const struct args_slices *keys)
{
    const struct block_wish wish = {keys->items, (size_t)waiting->key_count, waiting->timeout_ms, waiting->serve, give_up};
    struct transaction transaction;
    int result;

    if (!transaction_begin(&transaction, client, keys->items, keys->count))
        return;
    result = try_keys(client, argv, argc, waiting);
    if (result != SDB_ENOTFOUND) {
        (void)transaction_end(&transaction, client, result);
        return;
    }
    if (!block_is_allowed(client))
        waiting->reply_nothing(client);
    else if (!block_wait(client, &wish, argv, argc))
        command_reply_error(client, SDB_ENOMEM);
    transaction_leave(client);
}

static void run(struct client *client, const struct request_arg *argv, int argc, const struct waiting *waiting)
{
    struct args_slices keys;
    int result = waiting->key_count == 1 ? try_keys(client, argv, argc, waiting) : SDB_ENOTFOUND;

    if (result == SDB_ENOTFOUND)
        result = args_slices_take(&keys, waiting->keys, waiting->lock_count);
    else if (result == SDB_OK)
        return;
    if (result != SDB_OK) {
        command_reply_error(client, result);
        return;
    }
    try_and_wait(client, argv, argc, waiting, &keys);
    args_slices_free(&keys);
}

/* Of a key that is ready: there is a list, or it is of no use. */
static enum block_served serve(struct client *client, const struct request_arg *argv, int argc, const struct sdb_slice *key, try_key *try)
{
    uint64_t count;
    int result = sdb_collection_count(client->session, key->data, key->size, SDB_TYPE_LIST, &count);

    if (result == SDB_OK)
        result = try(client, argv, argc, key);
    else if (result == SDB_ETYPE)
        return BLOCK_NOT_MINE;
    if (result == SDB_ENOTFOUND)
        return BLOCK_NOTHING;
    if (result != SDB_OK)
        command_reply_error(client, result);
    return BLOCK_SERVED;
}

/* ---- BLPOP, BRPOP ----------------------------------------------------------------------------------------------------- */

static int try_blpop(struct client *client, const struct request_arg *argv, int argc, const struct sdb_slice *key)
{
    (void)argc;
    return list_pop_one(client, key, args_is(&argv[0], "BLPOP") ? SDB_LIST_HEAD : SDB_LIST_TAIL);
}

static enum block_served serve_blpop(struct client *client, const struct request_arg *argv, int argc, const struct sdb_slice *key)
{
    return serve(client, argv, argc, key, try_blpop);
}

void blpop_command(struct client *client, const struct request_arg *argv, int argc)
{
    struct waiting waiting = {argv + 1, argc - 2, argc - 2, 0, try_blpop, serve_blpop, give_up};

    if (get_timeout(client, &argv[argc - 1], &waiting.timeout_ms))
        run(client, argv, argc, &waiting);
}

void brpop_command(struct client *client, const struct request_arg *argv, int argc)
{
    blpop_command(client, argv, argc);
}

/* ---- BLMPOP ----------------------------------------------------------------------------------------------------------- */

static int try_blmpop(struct client *client, const struct request_arg *argv, int argc, const struct sdb_slice *key)
{
    struct list_wanted wanted;

    /* It was read well before; who waits has a copy of its arguments. */
    return list_get_wanted(client, argv + 2, argc - 2, &wanted) ? list_pop_some(client, key, wanted.end, wanted.count) : SDB_OK;
}

static enum block_served serve_blmpop(struct client *client, const struct request_arg *argv, int argc, const struct sdb_slice *key)
{
    return serve(client, argv, argc, key, try_blmpop);
}

void blmpop_command(struct client *client, const struct request_arg *argv, int argc)
{
    struct waiting waiting = {NULL, 0, 0, 0, try_blmpop, serve_blmpop, give_up};
    struct list_wanted wanted;

    if (!list_get_wanted(client, argv + 2, argc - 2, &wanted) || !get_timeout(client, &argv[1], &waiting.timeout_ms))
        return;
    waiting.keys = wanted.keys;
    waiting.key_count = waiting.lock_count = wanted.key_count;
    run(client, argv, argc, &waiting);
}

/* ---- BLMOVE, BRPOPLPUSH ----------------------------------------------------------------------------------------------- */

static int try_blmove(struct client *client, const struct request_arg *argv, int argc, const struct sdb_slice *key)
{
    const struct sdb_slice destination = args_slice(&argv[2]);
    const int is_blmove = argc == 6;
    const enum sdb_list_end from = is_blmove && args_is(&argv[3], "LEFT") ? SDB_LIST_HEAD : SDB_LIST_TAIL;
    const enum sdb_list_end to = is_blmove && args_is(&argv[4], "RIGHT") ? SDB_LIST_TAIL : SDB_LIST_HEAD;

    return list_move(client, key, from, &destination, to);
}

static enum block_served serve_blmove(struct client *client, const struct request_arg *argv, int argc, const struct sdb_slice *key)
{
    return serve(client, argv, argc, key, try_blmove);
}

static void move_or_wait(struct client *client, const struct request_arg *argv, int argc)
{
    struct waiting waiting = {argv + 1, 1, 2, 0, try_blmove, serve_blmove, reply_null_element};

    if (get_timeout(client, &argv[argc - 1], &waiting.timeout_ms))
        run(client, argv, argc, &waiting);
}

void blmove_command(struct client *client, const struct request_arg *argv, int argc)
{
    enum sdb_list_end end;

    if (list_get_end(client, &argv[3], &end) && list_get_end(client, &argv[4], &end))
        move_or_wait(client, argv, argc);
}

void brpoplpush_command(struct client *client, const struct request_arg *argv, int argc)
{
    move_or_wait(client, argv, argc);
}
