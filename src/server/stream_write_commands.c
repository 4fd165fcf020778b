/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * stream_write_commands.c - XADD, XDEL, XTRIM, XSETID
 *
 * Commit:  one call to the store each; XSETID: a transaction, in which it looks what the stream is like.
 * Threads: the client's own. Memory: many fields, or ids: their slices.
 */
#include <stdlib.h>

#include "args.h"
#include "errors.h"
#include "notify.h"
#include "stream_args.h"
#include "stream_handlers.h"
#include "transaction.h"

#define IDS_FEW 16

/* ---- XADD ------------------------------------------------------------------------------------------------------------- */

static void reply_not_added(struct client *client, int result)
{
    switch (result) {
    case SDB_ENOTFOUND:
        reply_null(&client->reply);
        break;
    case SDB_EINVAL:
        reply_error(&client->reply, "The ID specified in XADD must be greater than 0-0");
        break;
    case SDB_ECONDITION:
        reply_error(&client->reply, "The ID specified in XADD is equal or smaller than the target stream top item");
        break;
    case SDB_EOVERFLOW:
        reply_error(&client->reply, "The stream has exhausted the last possible ID, unable to add more items");
        break;
    case SDB_ETOOBIG:
        reply_error(&client->reply, "Elements are too large to be stored");
        break;
    default:
        command_reply_error(client, result);
    }
}

/* Whether there is no number left behind the last id, of this time. */
static int is_time_used_up(struct client *client, const struct request_arg *key, uint64_t ms)
{
    struct sdb_stream_info info;

    return sdb_stream_info(client->session, key->data, key->size, &info) == SDB_OK && info.last_id.ms == ms &&
           info.last_id.sequence == UINT64_MAX;
}

void xadd_command(struct client *client, const struct request_arg *argv, int argc)
{
    struct sdb_stream_added added = {.trimmed = 0};
    struct stream_options options;
    struct args_slices fields;
    int result;

    if (!stream_get_add_options(client, argv, argc, &options))
        return;
    if (argc - options.fields_at < 2 || (argc - options.fields_at) % 2 == 1) {
        reply_error(&client->reply, "wrong number of arguments for 'xadd' command");
        return;
    }
    result = args_slices_take(&fields, argv + options.fields_at, argc - options.fields_at);
    if (result == SDB_OK) {
        options.addition.fields = fields.items;
        options.addition.count = fields.count / 2;
        options.addition.now_ms = client_now_ms(client);
        result = sdb_stream_add(client->session, argv[1].data, argv[1].size, &options.addition, &added);
        args_slices_free(&fields);
    }
    if (result == SDB_ECONDITION && options.addition.form == SDB_STREAM_ID_MS && is_time_used_up(client, &argv[1], options.addition.id.ms))
        result = SDB_ETOOBIG; /* that is what Redis says */
    if (result != SDB_OK) {
        reply_not_added(client, result);
        return;
    }
    stream_reply_id(&client->reply, &added.id);
    if (added.trimmed > 0)
        notify_also(client, &argv[1], "xtrim", NOTIFY_STREAM);
}

/* ---- XDEL, XTRIM ------------------------------------------------------------------------------------------------------ */

static void reply_count(struct client *client, int result, uint64_t count)
{
    if (result == SDB_OK || result == SDB_ENOTFOUND)
        reply_integer(&client->reply, result == SDB_OK ? (int64_t)count : 0);
    else
        command_reply_error(client, result);
}

void xdel_command(struct client *client, const struct request_arg *argv, int argc)
{
    struct sdb_stream_id few[IDS_FEW], *ids;
    uint64_t deleted = 0, length;
    int result = sdb_stream_length(client->session, argv[1].data, argv[1].size, &length);

    if (result != SDB_OK) { /* before the ids are looked at */
        reply_count(client, result, 0);
        return;
    }
    ids = stream_get_ids(client, argv + 2, argc - 2, few, IDS_FEW);
    if (ids == NULL)
        return;
    result = sdb_stream_delete(client->session, argv[1].data, argv[1].size, ids, (size_t)(argc - 2), &deleted);
    reply_count(client, result, deleted);
    if (ids != few)
        free(ids);
}

void xtrim_command(struct client *client, const struct request_arg *argv, int argc)
{
    struct stream_options options;
    uint64_t trimmed = 0;
    int result;

    if (!stream_get_trim_options(client, argv, argc, &options))
        return;
    result = sdb_stream_trim(client->session, argv[1].data, argv[1].size, &options.trim, &trimmed);
    reply_count(client, result, trimmed);
}

/* ---- XSETID ----------------------------------------------------------------------------------------------------------- */

static int get_numbers(struct client *client, const struct request_arg *argv, int argc, struct sdb_stream_info *info, uint32_t *flags)
{
    int64_t added;

    if (!stream_get_id(client, &argv[2], 0, &info->last_id))
        return 0;
    for (int i = 3; i < argc; i += 2) {
        if (i + 1 < argc && args_is(&argv[i], "ENTRIESADDED")) {
            if (!args_get_int64(client, &argv[i + 1], &added, NULL))
                return 0;
            if (added < 0) {
                reply_error(&client->reply, "entries_added must be positive");
                return 0;
            }
            info->entries_added = (uint64_t)added;
            *flags |= SDB_STREAM_SET_ADDED;
        } else if (i + 1 < argc && args_is(&argv[i], "MAXDELETEDID")) {
            if (!stream_get_id(client, &argv[i + 1], 0, &info->max_deleted_id))
                return 0;
            if (sdb_stream_id_compare(&info->last_id, &info->max_deleted_id) < 0) {
                reply_error(&client->reply, "The ID specified in XSETID is smaller than the provided max_deleted_entry_id");
                return 0;
            }
            *flags |= SDB_STREAM_SET_MAX_DELETED;
        } else {
            args_syntax_error(client);
            return 0;
        }
    }
    return 1;
}

static int keep_id(void *context, const struct sdb_stream_entry *entry)
{
    *(struct sdb_stream_id *)context = entry->id;
    return 1;
}

/* In the transaction. NULL: the stream may be set so; or the error. *result: of looking. */
static const char *why_not(struct client *client, const struct request_arg *key, const struct sdb_stream_info *wanted, uint32_t flags,
                           int *result)
{
    const struct sdb_stream_range last = {SDB_STREAM_ID_MIN, SDB_STREAM_ID_MAX, SDB_STREAM_REVERSE, 1};
    struct sdb_stream_id last_id = SDB_STREAM_ID_MIN;
    uint64_t length = 0;

    *result = sdb_stream_length(client->session, key->data, key->size, &length);
    if (*result == SDB_OK)
        *result = sdb_stream_range(client->session, key->data, key->size, &last, keep_id, &last_id);
    if (*result == SDB_ENOTFOUND)
        return "no such key";
    if (*result != SDB_OK)
        return NULL;
    if (sdb_stream_id_compare(&wanted->last_id, &last_id) < 0)
        return "The ID specified in XSETID is smaller than the target stream top item";
    if ((flags & SDB_STREAM_SET_ADDED) != 0 && wanted->entries_added < length)
        return "The entries_added specified in XSETID is smaller than the target stream length";
    return NULL;
}

void xsetid_command(struct client *client, const struct request_arg *argv, int argc)
{
    const struct sdb_slice key = args_slice(&argv[1]);
    struct sdb_stream_info info = {.length = 0};
    struct transaction transaction;
    uint32_t flags = 0;
    const char *error;
    int result;

    if (!get_numbers(client, argv, argc, &info, &flags))
        return;
    if (info.max_deleted_id.ms == 0 && info.max_deleted_id.sequence == 0) /* then it is not given, to Redis */
        flags &= ~(uint32_t)SDB_STREAM_SET_MAX_DELETED;
    if (!transaction_begin(&transaction, client, &key, 1))
        return;
    error = why_not(client, &argv[1], &info, flags, &result);
    if (error != NULL) {
        reply_error(&client->reply, error);
        transaction_leave(client);
        return;
    }
    notify_call(client, "xsetid", NOTIFY_STREAM);
    if (result == SDB_OK)
        result = sdb_stream_set(client->session, key.data, key.size, &info, flags);
    if (result == SDB_OK)
        reply_ok(&client->reply);
    (void)transaction_end(&transaction, client, result);
}
