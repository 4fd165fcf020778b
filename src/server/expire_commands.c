/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * expire_commands.c - the EXPIRE, TTL and EXPIRETIME families, and PERSIST
 *
 * Commit:  one sdb_expire or sdb_delete; with NX, XX, GT or LT and in PERSIST a transaction with the sdb_stat before
 *          it.
 * Threads: the client's own. Memory: none.
 */
#include "args.h"
#include "client.h"
#include "errors.h"
#include "key_handlers.h"
#include "transaction.h"

enum condition { IF_NONE = 1u << 0, IF_SOME = 1u << 1, IF_LATER = 1u << 2, IF_EARLIER = 1u << 3 };

static int parse_conditions(struct client *client, const struct request_arg *argv, int argc, unsigned *conditions)
{
    *conditions = 0;
    for (int i = 3; i < argc; i++) {
        if (args_is(&argv[i], "NX")) {
            *conditions |= IF_NONE;
        } else if (args_is(&argv[i], "XX")) {
            *conditions |= IF_SOME;
        } else if (args_is(&argv[i], "GT")) {
            *conditions |= IF_LATER;
        } else if (args_is(&argv[i], "LT")) {
            *conditions |= IF_EARLIER;
        } else {
            reply_errorf(&client->reply, "Unsupported option %.*s", (int)argv[i].size, argv[i].data);
            return 0;
        }
    }
    if ((*conditions & IF_NONE) != 0 && (*conditions & ~(unsigned)IF_NONE) != 0) {
        reply_error(&client->reply, "NX and XX, GT or LT options at the same time are not compatible");
        return 0;
    }
    if ((*conditions & IF_LATER) != 0 && (*conditions & IF_EARLIER) != 0) {
        reply_error(&client->reply, "GT and LT options at the same time are not compatible");
        return 0;
    }
    return 1;
}

/* current 0: the key does not expire, which counts as later than any time. */
static int conditions_hold(unsigned conditions, int64_t current, int64_t expire_ms)
{
    if ((conditions & IF_NONE) != 0 && current != 0)
        return 0;
    if ((conditions & IF_SOME) != 0 && current == 0)
        return 0;
    if ((conditions & IF_LATER) != 0 && (current == 0 || expire_ms <= current))
        return 0;
    if ((conditions & IF_EARLIER) != 0 && current != 0 && expire_ms >= current)
        return 0;
    return 1;
}

/* A time that has come already deletes the key; times before 1970 and the store's 0 for "never" are among them. */
static int expire_at(struct client *client, const struct sdb_slice *key, int64_t expire_ms)
{
    if (expire_ms <= client_now_ms(client))
        return sdb_delete(client->session, key->data, key->size);
    return sdb_expire(client->session, key->data, key->size, expire_ms);
}

static void expire_if(struct client *client, const struct sdb_slice *key, int64_t expire_ms, unsigned conditions)
{
    struct transaction transaction;
    struct sdb_stat stat;
    int result;

    if (!transaction_begin(&transaction, client, key, 1))
        return;
    result = sdb_stat(client->session, key->data, key->size, &stat);
    if (result == SDB_ENOTFOUND || (result == SDB_OK && !conditions_hold(conditions, stat.expire_ms, expire_ms))) {
        transaction_leave(client);
        reply_integer(&client->reply, 0);
        return;
    }
    if (result == SDB_OK)
        result = expire_at(client, key, expire_ms);
    reply_integer(&client->reply, 1);
    (void)transaction_end(&transaction, client, result);
}

/* kind: enum args_expiry. Unlike SET's times these may be negative. */
static void expire(struct client *client, const struct request_arg *argv, int argc, unsigned kind, const char *command)
{
    const struct sdb_slice key = args_slice(&argv[1]);
    unsigned conditions;
    int64_t time;
    int result;

    if (!parse_conditions(client, argv, argc, &conditions) || !args_get_int64(client, &argv[2], &time, NULL))
        return;
    if (((kind & ARGS_EXPIRY_SECONDS) != 0 && __builtin_mul_overflow(time, (int64_t)1000, &time)) ||
        ((kind & ARGS_EXPIRY_RELATIVE) != 0 && __builtin_add_overflow(time, client_now_ms(client), &time))) {
        reply_errorf(&client->reply, "invalid expire time in '%s' command", command);
        return;
    }
    if (conditions != 0) {
        expire_if(client, &key, time, conditions);
        return;
    }
    result = expire_at(client, &key, time);
    if (result == SDB_OK || result == SDB_ENOTFOUND)
        reply_integer(&client->reply, result == SDB_OK);
    else
        command_reply_error(client, result);
}

void expire_command(struct client *client, const struct request_arg *argv, int argc)
{
    expire(client, argv, argc, ARGS_EXPIRY_SECONDS | ARGS_EXPIRY_RELATIVE, "expire");
}

void pexpire_command(struct client *client, const struct request_arg *argv, int argc)
{
    expire(client, argv, argc, ARGS_EXPIRY_RELATIVE, "pexpire");
}

void expireat_command(struct client *client, const struct request_arg *argv, int argc)
{
    expire(client, argv, argc, ARGS_EXPIRY_SECONDS, "expireat");
}

void pexpireat_command(struct client *client, const struct request_arg *argv, int argc)
{
    expire(client, argv, argc, 0, "pexpireat");
}

void persist_command(struct client *client, const struct request_arg *argv, int argc)
{
    const struct sdb_slice key = args_slice(&argv[1]);
    struct transaction transaction;
    struct sdb_stat stat;
    int result;

    (void)argc;
    if (!transaction_begin(&transaction, client, &key, 1))
        return;
    result = sdb_stat(client->session, key.data, key.size, &stat);
    if (result == SDB_ENOTFOUND || (result == SDB_OK && stat.expire_ms == 0)) {
        transaction_leave(client);
        reply_integer(&client->reply, 0);
        return;
    }
    if (result == SDB_OK)
        result = sdb_expire(client->session, key.data, key.size, 0);
    reply_integer(&client->reply, 1);
    (void)transaction_end(&transaction, client, result);
}

/* -2: no key, -1: it does not expire, else the time, or how long until then; in seconds rounded to the nearest. */
static void reply_expiry(struct client *client, const struct request_arg *key, unsigned kind)
{
    struct sdb_stat stat;
    int64_t time;
    int result = sdb_stat(client->session, key->data, key->size, &stat);

    if (result != SDB_OK && result != SDB_ENOTFOUND) {
        command_reply_error(client, result);
        return;
    }
    if (result == SDB_ENOTFOUND || stat.expire_ms == 0) {
        reply_integer(&client->reply, result == SDB_ENOTFOUND ? -2 : -1);
        return;
    }
    time = stat.expire_ms;
    if ((kind & ARGS_EXPIRY_RELATIVE) != 0) {
        time -= client_now_ms(client);
        if (time < 0)
            time = 0;
    }
    if ((kind & ARGS_EXPIRY_SECONDS) != 0)
        time = time / 1000 + (time % 1000 >= 500);
    reply_integer(&client->reply, time);
}

void ttl_command(struct client *client, const struct request_arg *argv, int argc)
{
    (void)argc;
    reply_expiry(client, &argv[1], ARGS_EXPIRY_SECONDS | ARGS_EXPIRY_RELATIVE);
}

void pttl_command(struct client *client, const struct request_arg *argv, int argc)
{
    (void)argc;
    reply_expiry(client, &argv[1], ARGS_EXPIRY_RELATIVE);
}

void expiretime_command(struct client *client, const struct request_arg *argv, int argc)
{
    (void)argc;
    reply_expiry(client, &argv[1], ARGS_EXPIRY_SECONDS);
}

void pexpiretime_command(struct client *client, const struct request_arg *argv, int argc)
{
    (void)argc;
    reply_expiry(client, &argv[1], 0);
}
