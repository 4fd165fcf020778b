/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * block_keys.c - commands that take something from the first of several keys that has it, and otherwise wait
 * Threads: the client's own; what serves those who wait, any worker's.
 * Memory: the keys' slices.
 */
#include "block_keys.h"

#include <math.h>

#include "args.h"
#include "client.h"
#include "errors.h"
#include "transaction.h"

#define FOR_EVER_MS (INT64_MAX / 2)

int block_get_timeout(struct client *client, const struct request_arg *arg, int64_t *timeout_ms)
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

void block_keys_give_up(struct client *client)
{
    reply_null_array(&client->reply);
}

static int try_keys(struct client *client, const struct request_arg *argv, int argc, const struct block_keys *waiting)
{
    int result = SDB_ENOTFOUND;

    for (int i = 0; i < waiting->key_count && result == SDB_ENOTFOUND; i++) {
        const struct sdb_slice key = args_slice(&waiting->keys[i]);

        result = waiting->try(client, argv, argc, &key);
    }
    return result;
}

/* With all its keys locked. */
static void try_and_wait(struct client *client, const struct request_arg *argv, int argc, const struct block_keys *waiting,
                         const struct args_slices *keys)
{
    const struct block_wish wish = {.keys = keys->items, .count = (size_t)waiting->key_count, .timeout_ms = waiting->timeout_ms,
                                    .serve = waiting->serve, .give_up = block_keys_give_up};
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

void block_keys_run(struct client *client, const struct request_arg *argv, int argc, const struct block_keys *waiting)
{
    struct args_slices keys = {0};
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

enum block_served block_keys_serve(struct client *client, const struct request_arg *argv, int argc, const struct sdb_slice *key,
                                   unsigned type, block_try *try)
{
    uint64_t count;
    int result = sdb_collection_count(client->session, key->data, key->size, type, &count);

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
