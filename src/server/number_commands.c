/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * number_commands.c - INCR, INCRBY, DECR, DECRBY, INCRBYFLOAT
 *
 * Commit:  one sdb_add; INCRBYFLOAT: a transaction of sdb_view and sdb_set, because Redis writes out every digit of a
 *          sum, up to 4,952 bytes of them, and tells a value that is no number from a sum that is none.
 * Threads: the client's own. Memory: none.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "args.h"
#include "client.h"
#include "errors.h"
#include "string_handlers.h"
#include "transaction.h"

/* The longest: a sign, 4,933 digits, a point and 17 more. */
#define FLOAT_TEXT_SIZE 5120

static void add(struct client *client, const struct request_arg *key, int64_t delta)
{
    int64_t sum;
    int result = sdb_add(client->session, key->data, key->size, delta, &sum);

    if (result == SDB_OK)
        reply_integer(&client->reply, sum);
    else
        command_reply_error(client, result);
}

void incr_command(struct client *client, const struct request_arg *argv, int argc)
{
    (void)argc;
    add(client, &argv[1], 1);
}

void decr_command(struct client *client, const struct request_arg *argv, int argc)
{
    (void)argc;
    add(client, &argv[1], -1);
}

void incrby_command(struct client *client, const struct request_arg *argv, int argc)
{
    int64_t delta;

    (void)argc;
    if (args_get_int64(client, &argv[2], &delta, NULL))
        add(client, &argv[1], delta);
}

void decrby_command(struct client *client, const struct request_arg *argv, int argc)
{
    int64_t delta;

    (void)argc;
    if (!args_get_int64(client, &argv[2], &delta, NULL))
        return;
    if (delta == INT64_MIN) {
        reply_error(&client->reply, "decrement would overflow");
        return;
    }
    add(client, &argv[1], -delta);
}

/* 17 digits behind the point, less the zeros at the end, and the point itself where nothing is left behind it. */
static size_t format_float(char text[FLOAT_TEXT_SIZE], long double number)
{
    size_t size = (size_t)snprintf(text, FLOAT_TEXT_SIZE, "%.17Lf", number);

    while (text[size - 1] == '0')
        size--;
    if (text[size - 1] == '.')
        size--;
    if (size == 2 && memcmp(text, "-0", 2) == 0) {
        text[0] = '0';
        size = 1;
    }
    return size;
}

/* The number that the key holds, 0 where there is no key. Errors: SDB_ENOTFLOAT, and those of sdb_view. */
static int read_float(struct client *client, const struct request_arg *key, long double *number)
{
    struct sdb_view view;
    int result = sdb_view(client->session, key->data, key->size, &view);

    *number = 0;
    if (result == SDB_OK) {
        if (!args_parse_long_double(view.data, view.size, number))
            result = SDB_ENOTFLOAT;
        sdb_view_release(client->session, &view);
    }
    return result == SDB_ENOTFOUND ? SDB_OK : result;
}

void incrbyfloat_command(struct client *client, const struct request_arg *argv, int argc)
{
    const struct sdb_slice key = args_slice(&argv[1]);
    const struct sdb_set_options keep = {.flags = SDB_KEEP_EXPIRY};
    struct transaction transaction;
    char text[FLOAT_TEXT_SIZE];
    long double number, delta;
    size_t size;
    int result;

    (void)argc;
    if (!transaction_begin(&transaction, client, &key, 1))
        return;
    /* The value's error comes before the increment's, as in Redis. */
    result = read_float(client, &argv[1], &number);
    if (result != SDB_OK) {
        (void)transaction_end(&transaction, client, result);
        return;
    }
    if (!args_get_long_double(client, &argv[2], &delta)) {
        transaction_leave(client);
        return;
    }
    number += delta;
    if (!isfinite(number)) {
        transaction_leave(client);
        reply_error(&client->reply, "increment would produce NaN or Infinity");
        return;
    }
    size = format_float(text, number);
    reply_bulk(&client->reply, text, size);
    result = sdb_set(client->session, key.data, key.size, text, size, &keep);
    (void)transaction_end(&transaction, client, result);
}
