/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * list_block_commands.c - BLPOP, BRPOP, BLMOVE, BRPOPLPUSH, BLMPOP: as their namesakes, and where there is nothing they wait
 *
 * Commit:  block_keys.h
 * Threads: the client's own; what serves those who wait, any worker's.
 */
#include "args.h"
#include "block_keys.h"
#include "client.h"
#include "list_handlers.h"

static enum block_served serve(struct client *client, const struct request_arg *argv, int argc, const struct sdb_slice *key,
                               block_try *try)
{
    return block_keys_serve(client, argv, argc, key, SDB_TYPE_LIST, try);
}

static void reply_null_element(struct client *client)
{
    reply_null(&client->reply);
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
    struct block_keys waiting = {argv + 1, argc - 2, argc - 2, 0, try_blpop, serve_blpop, block_keys_give_up};

    if (block_get_timeout(client, &argv[argc - 1], &waiting.timeout_ms))
        block_keys_run(client, argv, argc, &waiting);
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
    struct block_keys waiting = {NULL, 0, 0, 0, try_blmpop, serve_blmpop, block_keys_give_up};
    struct list_wanted wanted;

    if (!list_get_wanted(client, argv + 2, argc - 2, &wanted) || !block_get_timeout(client, &argv[1], &waiting.timeout_ms))
        return;
    waiting.keys = wanted.keys;
    waiting.key_count = waiting.lock_count = wanted.key_count;
    block_keys_run(client, argv, argc, &waiting);
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
    struct block_keys waiting = {argv + 1, 1, 2, 0, try_blmove, serve_blmove, reply_null_element};

    if (block_get_timeout(client, &argv[argc - 1], &waiting.timeout_ms))
        block_keys_run(client, argv, argc, &waiting);
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
