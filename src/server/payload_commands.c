/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * payload_commands.c - DUMP and RESTORE
 *
 * Commit:  RESTORE: a transaction that has the key: one sdb_set, or one sdb_collection_store, which reads the payload while it
 *          stores, and an sdb_expire. A payload that turns out to be bad takes everything back.
 * Threads: the client's own.
 * Memory:  DUMP: the payload
 */
#include <stdlib.h>
#include <string.h>

#include "args.h"
#include "client.h"
#include "errors.h"
#include "evict.h"
#include "key_handlers.h"
#include "payload.h"
#include "payload_stream.h"
#include "stream_args.h"
#include "transaction.h"

/* ---- DUMP ------------------------------------------------------------------------------------------------------------- */

static void reply_payload(struct client *client, struct payload_writer *writer)
{
    if (payload_end(writer))
        reply_bulk(&client->reply, writer->out.data, writer->out.size);
    else
        command_reply_error(client, SDB_ENOMEM);
}

static int dump_elements(struct client *client, const struct sdb_slice *key, const struct sdb_stat *stat)
{
    struct payload_writer writer;
    int result;

    payload_begin(&writer, stat->type, stat->encoding != SDB_ENCODING_LARGE);
    result = sdb_collection_each(client->session, key->data, key->size, stat->type, payload_add, &writer);
    if (result == SDB_OK && writer.is_too_large) {
        payload_free(&writer);
        payload_begin(&writer, stat->type, 0);
        result = sdb_collection_each(client->session, key->data, key->size, stat->type, payload_add, &writer);
    }
    if (result == SDB_OK)
        reply_payload(client, &writer);
    payload_free(&writer);
    return result;
}

static int dump_stream(struct client *client, const struct sdb_slice *key)
{
    struct payload_bytes out = {0};
    int result = payload_stream_write(&out, client->session, key, stream_block());

    if (result == SDB_OK && !payload_put_footer(&out))
        result = SDB_ENOMEM;
    if (result == SDB_OK)
        reply_bulk(&client->reply, out.data, out.size);
    free(out.data);
    return result;
}

/* In a transaction, so that the collection stays what sdb_stat says of it. */
static int dump_collection(struct client *client, const struct sdb_slice *key)
{
    struct sdb_stat stat;
    int result = sdb_stat(client->session, key->data, key->size, &stat);

    if (result != SDB_OK)
        return result;
    if (stat.type == SDB_TYPE_STREAM)
        return dump_stream(client, key);
    return stat.type >= SDB_TYPE_LIST && stat.type <= SDB_TYPE_ZSET ? dump_elements(client, key, &stat) : SDB_ETYPE;
}

static void dump_string(struct client *client, const struct sdb_view *view)
{
    const struct sdb_element element = {.name = {view->data, view->size}};
    struct payload_writer writer;

    payload_begin(&writer, SDB_TYPE_STRING, 0);
    (void)payload_add(&writer, &element);
    reply_payload(client, &writer);
    payload_free(&writer);
}

void dump_command(struct client *client, const struct request_arg *argv, int argc)
{
    const struct sdb_slice key = args_slice(&argv[1]);
    struct sdb_view view;
    int result = sdb_view(client->session, key.data, key.size, &view);

    (void)argc;
    if (result == SDB_OK) {
        dump_string(client, &view);
        sdb_view_release(client->session, &view);
        return;
    }
    if (result == SDB_ETYPE)
        result = sdb_begin(client->session, &key, 1);
    if (result == SDB_OK) {
        result = dump_collection(client, &key);
        sdb_abort(client->session);
    }
    if (result == SDB_ENOTFOUND)
        reply_null(&client->reply);
    else if (result != SDB_OK)
        command_reply_error(client, result);
}

/* ---- RESTORE ---------------------------------------------------------------------------------------------------------- */

struct restore {
    struct client *client;
    struct sdb_slice key, payload;
    int replace, absolute;
    int64_t idle, frequency; /* -1: not given */
    int64_t expire_ms;       /* 0: never */
    int is_expired;          /* what would be stored is read to its end, and then not found */
    /* while the payload is read into a collection */
    struct sdb_filling *filling;
};

/* A number behind IDLETIME or FREQ. 1, or 0 after an error reply. */
static int get_use(struct client *client, const struct request_arg *arg, int64_t max, const char *error, int64_t *value)
{
    int64_t number;

    if (!args_get_int64(client, arg, &number, NULL))
        return 0;
    if (number < 0 || number > max) {
        reply_error(&client->reply, error);
        return 0;
    }
    *value = number;
    return 1;
}

static int get_options(struct restore *restore, const struct request_arg *argv, int argc)
{
    for (int i = 4; i < argc; i++) {
        if (args_is(&argv[i], "REPLACE")) {
            restore->replace = 1;
        } else if (args_is(&argv[i], "ABSTTL")) {
            restore->absolute = 1;
        } else if (args_is(&argv[i], "IDLETIME") && i + 1 < argc && restore->frequency == -1) {
            if (!get_use(restore->client, &argv[++i], INT64_MAX, "Invalid IDLETIME value, must be >= 0", &restore->idle))
                return 0;
        } else if (args_is(&argv[i], "FREQ") && i + 1 < argc && restore->idle == -1) {
            if (!get_use(restore->client, &argv[++i], 255, "Invalid FREQ value, must be >= 0 and <= 255", &restore->frequency))
                return 0;
        } else {
            args_syntax_error(restore->client);
            return 0;
        }
    }
    return 1;
}

/* 1, or 0 after an error reply. */
static int get_expiry(struct restore *restore, const struct request_arg *arg)
{
    int64_t ttl;

    if (!args_get_int64(restore->client, arg, &ttl, NULL))
        return 0;
    if (ttl < 0) {
        reply_error(&restore->client->reply, "Invalid TTL value, must be >= 0");
        return 0;
    }
    if (ttl > 0 && !restore->absolute && __builtin_add_overflow(ttl, client_now_ms(restore->client), &ttl))
        ttl = INT64_MAX;
    restore->expire_ms = ttl;
    return 1;
}

static int store_string(void *context, const struct sdb_element *element)
{
    const struct restore *restore = context;
    const struct sdb_set_options options = {.expire_ms = restore->expire_ms};

    if (restore->is_expired)
        return SDB_ENOTFOUND;
    return sdb_set(restore->client->session, restore->key.data, restore->key.size, element->name.data, element->name.size, &options);
}

static int store_element(void *context, const struct sdb_element *element)
{
    const struct restore *restore = context;
    int added, result = sdb_collection_fill(restore->filling, element, &added);

    return result == SDB_OK && !added ? SDB_EFORMAT : result;
}

static int fill(void *context, struct sdb_filling *filling)
{
    struct restore *restore = context;
    int result;

    restore->filling = filling;
    result = payload_read(restore->payload.data, restore->payload.size, store_element, restore);
    return result == SDB_OK && restore->is_expired ? SDB_ENOTFOUND : result;
}

static int fill_stream(void *context, struct sdb_stream_filling *filling)
{
    const struct restore *restore = context;
    int result = payload_stream_read(restore->payload.data, restore->payload.size, filling);

    return result == SDB_OK && restore->is_expired ? SDB_ENOTFOUND : result;
}

/* Stores what the payload holds, with its time to live; the transaction has the key. SDB_EFORMAT: it is bad. */
static int store(struct restore *restore)
{
    struct sdb_session *session = restore->client->session;
    const struct sdb_slice *key = &restore->key, *payload = &restore->payload;
    const uint32_t type = payload_type(payload->data, payload->size);
    int result;

    if (type == SDB_TYPE_STRING || type == SDB_TYPE_NONE)
        return payload_read(payload->data, payload->size, store_string, restore);
    if (type == SDB_TYPE_STREAM)
        result = sdb_stream_store(session, key->data, key->size, fill_stream, restore);
    else
        result = sdb_collection_store(session, key->data, key->size, type, fill, restore);
    if (result == SDB_OK && restore->expire_ms != 0)
        result = sdb_expire(session, key->data, key->size, restore->expire_ms);
    return result;
}

/*
 * A key that would have expired already: the old one goes. Only what stores the elements sees which of them there are twice, so it stores
 * all of them, gives up before the key would change, and all is taken back.
 */
static int store_nothing(struct restore *restore)
{
    struct sdb_session *session = restore->client->session;
    int result = sdb_begin(session, NULL, 0);

    if (result != SDB_OK)
        return result;
    result = store(restore);
    sdb_abort(session);
    if (result == SDB_ENOTFOUND)
        result = sdb_delete(session, restore->key.data, restore->key.size);
    return result == SDB_ENOTFOUND ? SDB_OK : result;
}

static int run(struct restore *restore)
{
    int result;

    restore->is_expired = restore->expire_ms != 0 && restore->expire_ms <= client_now_ms(restore->client);
    result = restore->is_expired ? store_nothing(restore) : store(restore);
    if (result == SDB_OK && !restore->is_expired && (evict_counts_frequency() ? restore->frequency : restore->idle) >= 0)
        (void)sdb_set_use(restore->client->session, restore->key.data, restore->key.size,
                          restore->idle < INT64_MAX / 1000 ? (uint64_t)restore->idle * 1000 : INT64_MAX, (unsigned)restore->frequency);
    return result;
}

/* In the transaction. 1: the payload is to be stored. 0 after an error reply. */
static int may_run(struct restore *restore, const struct request_arg *argv)
{
    struct client *client = restore->client;

    if (!restore->replace && sdb_exists(client->session, restore->key.data, restore->key.size) == SDB_OK) {
        reply_error(&client->reply, "-BUSYKEY Target key name already exists.");
        return 0;
    }
    if (!get_expiry(restore, &argv[2]))
        return 0;
    if (!payload_is_whole(restore->payload.data, restore->payload.size)) {
        reply_error(&client->reply, "DUMP payload version or checksum are wrong");
        return 0;
    }
    return 1;
}

void restore_command(struct client *client, const struct request_arg *argv, int argc)
{
    struct restore restore = {client, args_slice(&argv[1]), args_slice(&argv[3]), 0, 0, -1, -1, 0, 0, NULL};
    int result;

    if (!get_options(&restore, argv, argc))
        return;
    result = sdb_begin(client->session, &restore.key, 1);
    if (result == SDB_OK && !may_run(&restore, argv)) {
        transaction_leave(client);
        return;
    }
    if (result == SDB_OK) {
        result = run(&restore);
        if (result == SDB_OK)
            result = sdb_commit(client->session);
        else
            sdb_abort(client->session);
    }
    if (result == SDB_OK)
        reply_ok(&client->reply);
    else if (result == SDB_EFORMAT)
        reply_error(&client->reply, "Bad data format");
    else
        command_reply_error(client, result);
}
