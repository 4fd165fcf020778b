/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * get_commands.c - GET, and those that change something in the same step: GETSET, GETDEL, GETEX
 *
 * Commit:  GET writes nothing. The others: a transaction of sdb_view and one write.
 * Threads: the client's own. Memory: none.
 */
#include "args.h"
#include "client.h"
#include "errors.h"
#include "set_options.h"
#include "string_handlers.h"
#include "transaction.h"

/* Replies with the value. SDB_OK, or what sdb_view said, and then there is no reply. */
static inline int reply_value(struct client *client, const struct request_arg *key)
{
    struct sdb_view view;
    int result = sdb_view(client->session, key->data, key->size, &view);

    if (__builtin_expect(result == SDB_OK, 1)) {
        reply_bulk(&client->reply, view.data, view.size);
        sdb_view_release(client->session, &view);
    }
    return result;
}

void get_command(struct client *client, const struct request_arg *argv, int argc)
{
    int result = reply_value(client, &argv[1]);

    (void)argc;
    if (result == SDB_OK)
        return;
    if (result == SDB_ENOTFOUND)
        reply_null(&client->reply);
    else
        command_reply_error(client, result);
}

/* Replies with what sdb_get_many read for a GET. 0: that is not to be had any more, there is no reply, the command is to be run. */
int get_reply(struct client *client, const struct sdb_inline *value)
{
    struct sdb_view view;
    int same;

    switch (value->result) {
    case SDB_OK:
        if (value->encoding == SDB_ENCODING_INT)
            reply_bulk_integer(&client->reply, value->value.integer);
        else
            reply_bulk_small(&client->reply, value->value.data, value->size);
        return 1;
    case SDB_ENOTFOUND:
        reply_null(&client->reply);
        return 1;
    case SDB_ETOOBIG:
        if (sdb_view_by_handle(client->session, value->value.big.handle, &view) != SDB_OK)
            return 0;
        same = view.version == value->value.big.version;
        if (__builtin_expect(same, 1))
            reply_bulk(&client->reply, view.data, view.size);
        sdb_view_release(client->session, &view);
        return same;
    default:
        return 0;
    }
}

void getset_command(struct client *client, const struct request_arg *argv, int argc)
{
    const struct sdb_slice key = args_slice(&argv[1]);
    struct transaction transaction;
    int result;

    (void)argc;
    if (!transaction_begin(&transaction, client, &key, 1))
        return;
    result = reply_value(client, &argv[1]);
    if (result == SDB_ENOTFOUND) {
        reply_null(&client->reply);
        result = SDB_OK;
    }
    if (result == SDB_OK)
        result = sdb_set(client->session, key.data, key.size, argv[2].data, argv[2].size, NULL);
    (void)transaction_end(&transaction, client, result);
}

void getdel_command(struct client *client, const struct request_arg *argv, int argc)
{
    const struct sdb_slice key = args_slice(&argv[1]);
    struct transaction transaction;
    int result;

    (void)argc;
    if (!transaction_begin(&transaction, client, &key, 1))
        return;
    result = reply_value(client, &argv[1]);
    if (result == SDB_ENOTFOUND) {
        transaction_leave(client);
        reply_null(&client->reply);
        return;
    }
    if (result == SDB_OK)
        result = sdb_delete(client->session, key.data, key.size);
    (void)transaction_end(&transaction, client, result);
}

/* 0: takes the time to live away. A time that has come already deletes the key, as in Redis. */
static int expire_at(struct client *client, const struct sdb_slice *key, int64_t expire_ms)
{
    if (expire_ms != 0 && expire_ms <= client_now_ms(client))
        return sdb_delete(client->session, key->data, key->size);
    return sdb_expire(client->session, key->data, key->size, expire_ms);
}

void getex_command(struct client *client, const struct request_arg *argv, int argc)
{
    const struct sdb_slice key = args_slice(&argv[1]);
    struct set_options words;
    struct transaction transaction;
    struct sdb_view view;
    int64_t expire_ms, was_ms;
    int result;

    if (!set_options_parse(client, argv, argc, 2, SET_OPTIONS_OF_GETEX, &words))
        return;
    if (words.flags == 0) {
        get_command(client, argv, argc);
        return;
    }
    if (!transaction_begin(&transaction, client, &key, 1))
        return;
    result = sdb_view(client->session, key.data, key.size, &view);
    if (result == SDB_ENOTFOUND) {
        transaction_leave(client);
        reply_null(&client->reply);
        return;
    }
    if (result == SDB_OK) {
        /* Redis looks at the time after the key: a bad one is no error where there is no key. */
        if (!set_options_expiry(client, &words, "getex", &expire_ms)) {
            sdb_view_release(client->session, &view);
            transaction_leave(client);
            return;
        }
        reply_bulk(&client->reply, view.data, view.size);
        was_ms = view.expire_ms;
        sdb_view_release(client->session, &view);
        if (expire_ms == 0 && was_ms == 0) { /* no change: nobody is told, and no WATCH ends */
            transaction_leave(client);
            return;
        }
        result = expire_at(client, &key, expire_ms);
    }
    (void)transaction_end(&transaction, client, result);
}
