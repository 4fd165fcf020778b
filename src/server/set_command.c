/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * set_command.c - SET and its older relatives SETNX, SETEX, PSETEX
 *
 * Commit:  one sdb_set; SET with GET: a transaction of sdb_view and sdb_set.
 * Threads: the client's own. Memory: none.
 */
#include "args.h"
#include "changes.h"
#include "client.h"
#include "errors.h"
#include "set_options.h"
#include "string_handlers.h"
#include "transaction.h"

/* Replies with the value of argv[1], or null; *exists tells which. What SET .. GET does before it writes. */
static int reply_old_value(struct client *client, const struct request_arg *key, int *exists)
{
    struct sdb_view view;
    int result = sdb_view(client->session, key->data, key->size, &view);

    *exists = result == SDB_OK;
    if (result == SDB_OK) {
        reply_bulk(&client->reply, view.data, view.size);
        sdb_view_release(client->session, &view);
    } else if (result == SDB_ENOTFOUND) {
        reply_null(&client->reply);
        result = SDB_OK;
    }
    return result;
}

/* SET .. GET: the reply is the old value whether or not the condition held. */
static void set_and_get(struct client *client, const struct request_arg *argv, const struct sdb_set_options *options)
{
    const struct sdb_slice key = args_slice(&argv[1]);
    struct sdb_set_options unconditional = *options;
    struct transaction transaction;
    int exists;
    int result;

    if (!transaction_begin(&transaction, client, &key, 1))
        return;
    result = reply_old_value(client, &argv[1], &exists);
    if (result == SDB_OK && (options->flags & (exists ? SDB_IF_ABSENT : SDB_IF_PRESENT)) != 0) {
        transaction_leave(client);
        return;
    }
    unconditional.flags &= ~(uint32_t)(SDB_IF_ABSENT | SDB_IF_PRESENT);
    if (result == SDB_OK)
        result = sdb_set(client->session, key.data, key.size, argv[2].data, argv[2].size, &unconditional);
    (void)transaction_end(&transaction, client, result);
}

static void set_with_options(struct client *client, const struct request_arg *argv, int argc)
{
    struct set_options words;
    struct sdb_set_options options = {0};
    int result;

    if (!set_options_parse(client, argv, argc, 3, SET_OPTIONS_OF_SET, &words) ||
        !set_options_expiry(client, &words, "set", &options.expire_ms))
        return;
    if ((words.flags & SET_OPTION_NX) != 0)
        options.flags |= SDB_IF_ABSENT;
    if ((words.flags & SET_OPTION_XX) != 0)
        options.flags |= SDB_IF_PRESENT;
    if ((words.flags & SET_OPTION_KEEPTTL) != 0)
        options.flags |= SDB_KEEP_EXPIRY;
    if ((words.flags & SET_OPTION_GET) != 0) {
        set_and_get(client, argv, &options);
        return;
    }
    result = sdb_set(client->session, argv[1].data, argv[1].size, argv[2].data, argv[2].size, &options);
    if (result == SDB_OK && options.expire_ms != 0 && options.expire_ms <= client_now_ms(client))
        changes_pretend(client, &argv[1]); /* to Redis a key that has expired already */
    if (result == SDB_OK)
        reply_ok(&client->reply);
    else if (result == SDB_ECONDITION)
        reply_null(&client->reply);
    else
        command_reply_error(client, result);
}

void set_command(struct client *client, const struct request_arg *argv, int argc)
{
    int result;

    if (__builtin_expect(argc != 3, 0)) {
        set_with_options(client, argv, argc);
        return;
    }
    result = sdb_set(client->session, argv[1].data, argv[1].size, argv[2].data, argv[2].size, NULL);
    if (__builtin_expect(result == SDB_OK, 1))
        reply_ok(&client->reply);
    else
        command_reply_error(client, result);
}

void setnx_command(struct client *client, const struct request_arg *argv, int argc)
{
    const struct sdb_set_options options = {.flags = SDB_IF_ABSENT};
    int result = sdb_set(client->session, argv[1].data, argv[1].size, argv[2].data, argv[2].size, &options);

    (void)argc;
    if (result == SDB_OK || result == SDB_ECONDITION)
        reply_integer(&client->reply, result == SDB_OK);
    else
        command_reply_error(client, result);
}

static void set_expiring(struct client *client, const struct request_arg *argv, unsigned kind, const char *command)
{
    struct sdb_set_options options = {0};
    int result;

    if (!args_get_expiry(client, &argv[2], kind | ARGS_EXPIRY_RELATIVE, command, &options.expire_ms))
        return;
    result = sdb_set(client->session, argv[1].data, argv[1].size, argv[3].data, argv[3].size, &options);
    if (result == SDB_OK)
        reply_ok(&client->reply);
    else
        command_reply_error(client, result);
}

void setex_command(struct client *client, const struct request_arg *argv, int argc)
{
    (void)argc;
    set_expiring(client, argv, ARGS_EXPIRY_SECONDS, "setex");
}

void psetex_command(struct client *client, const struct request_arg *argv, int argc)
{
    (void)argc;
    set_expiring(client, argv, 0, "psetex");
}
