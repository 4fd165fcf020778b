/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * hyperloglog_commands.c - PFADD, PFCOUNT, PFMERGE, and the table's rows
 *
 * Commit:  PFADD: a transaction of sdb_view and one sdb_set. PFMERGE: one of sdb_view for each key and one sdb_set. PFCOUNT of one
 *          key keeps the estimate in the value: a transaction of sdb_view and one sdb_set_range of 8 bytes. Where that cannot be
 *          written it replies all the same.
 * Threads: the client's own.
 * Memory:  a copy of the value; 16 KiB of the stack
 */
#include <stdlib.h>

#include "args.h"
#include "client.h"
#include "config.h"
#include "errors.h"
#include "hyperloglog_handlers.h"
#include "transaction.h"

/* A row reads as a paragraph. */
/* clang-format off */
const struct command hyperloglog_commands[] = {
    {.name = "pfadd",
     .summary = "Counts elements in a HyperLogLog, making the key where there is none",
     .since = "2.8.9", .group = "hyperloglog",
     .complexity = "O(N) where N is the number of elements; the value, of 12 KB at most, is stored anew",
     .syntax = "key [element [element ...]]",
     .acl_categories = "@write @hyperloglog @fast",
     .arity = -2, .flags = COMMAND_WRITE | COMMAND_DENYOOM | COMMAND_FAST,
     .first_key = 1, .last_key = 1, .key_step = 1,
     .handler = pfadd_command},
    {.name = "pfcount",
     .summary = "Estimates how many different elements HyperLogLogs have counted, together",
     .since = "2.8.9", .group = "hyperloglog",
     .complexity = "O(1) for one key whose estimate is still known, O(N) where N is the number of keys, with a large constant",
     .syntax = "key [key ...]",
     .acl_categories = "@read @hyperloglog @slow",
     .arity = -2, .flags = COMMAND_READONLY | COMMAND_MAY_WRITE,
     .first_key = 1, .last_key = -1, .key_step = 1,
     .handler = pfcount_command},
    {.name = "pfdebug",
     .summary = "Shows how a HyperLogLog is kept: GETREG, DECODE, ENCODING, TODENSE",
     .since = "2.8.9", .group = "hyperloglog",
     .complexity = "O(1)",
     .syntax = "subcommand key",
     .acl_categories = "@write @hyperloglog @admin @slow @dangerous",
     .arity = 3, .flags = COMMAND_WRITE | COMMAND_DENYOOM | COMMAND_ADMIN,
     .first_key = 2, .last_key = 2, .key_step = 1,
     .handler = pfdebug_command},
    {.name = "pfmerge",
     .summary = "Stores the union of HyperLogLogs",
     .since = "2.8.9", .group = "hyperloglog",
     .complexity = "O(N) where N is the number of keys, with a large constant",
     .syntax = "destkey [sourcekey [sourcekey ...]]",
     .acl_categories = "@write @hyperloglog @slow",
     .arity = -2, .flags = COMMAND_WRITE | COMMAND_DENYOOM,
     .first_key = 1, .last_key = -1, .key_step = 1,
     .handler = pfmerge_command},
    {.name = "pfselftest",
     .summary = "Checks the registers and the estimates of HyperLogLogs",
     .since = "2.8.9", .group = "hyperloglog",
     .complexity = "O(1): some milliseconds",
     .syntax = "",
     .acl_categories = "@hyperloglog @admin @slow @dangerous",
     .arity = 1, .flags = COMMAND_ADMIN,
     .handler = pfselftest_command},
    {.name = NULL},
};
/* clang-format on */

int hyperloglog_view(struct client *client, const struct sdb_slice *key, struct sdb_view *view)
{
    int result = sdb_view(client->session, key->data, key->size, view);

    if (result == SDB_OK && !hyperloglog_is(view->data, view->size)) {
        sdb_view_release(client->session, view);
        result = SDB_ECONDITION;
    }
    return result;
}

void hyperloglog_reply_error(struct client *client, int code)
{
    if (code == SDB_ECONDITION)
        reply_error(&client->reply, "-WRONGTYPE Key is not a valid HyperLogLog string value.");
    else if (code == SDB_EFORMAT)
        reply_error(&client->reply, "-INVALIDOBJ Corrupted HLL object detected");
    else
        command_reply_error(client, code);
}

int hyperloglog_error(enum hyperloglog_result result)
{
    return result == HYPERLOGLOG_CORRUPT ? SDB_EFORMAT : result == HYPERLOGLOG_NOMEM ? SDB_ENOMEM : SDB_OK;
}

/* Replies that are no number. */
enum { ENDS_OK = -1, ENDS_CORRUPT = -2 };

/* Ends a transaction: replies with the number, or as above; or with the error, and then nothing has changed. */
static void end(struct client *client, int result, int number)
{
    if (result == SDB_OK)
        result = sdb_commit(client->session);
    else
        sdb_abort(client->session);
    if (result != SDB_OK)
        hyperloglog_reply_error(client, result);
    else if (number == ENDS_OK)
        reply_ok(&client->reply);
    else if (number == ENDS_CORRUPT)
        hyperloglog_reply_error(client, SDB_EFORMAT);
    else
        reply_integer(&client->reply, number);
}

/* Stores a value whose estimate is not known, with the key's time to live. */
static int store(struct client *client, const struct sdb_slice *key, struct hyperloglog *value)
{
    const struct sdb_set_options options = {.flags = SDB_KEEP_EXPIRY};

    hyperloglog_forget(value);
    return sdb_set(client->session, key->data, key->size, value->data, value->size, &options);
}

/* A copy of the key's value, or an empty one; the caller owes hyperloglog_free in any case. *found: there was such a key. */
static int take(struct client *client, const struct sdb_slice *key, struct hyperloglog *value, int *found)
{
    const size_t sparse_max = (size_t)CONFIG_READ(hll_sparse_max_bytes);
    struct sdb_view view;
    int result = hyperloglog_view(client, key, &view);

    *found = result == SDB_OK;
    value->data = NULL;
    if (result == SDB_ENOTFOUND)
        return hyperloglog_error(hyperloglog_create(value, sparse_max));
    if (result != SDB_OK)
        return result;
    result = hyperloglog_error(hyperloglog_copy(value, view.data, view.size, sparse_max));
    sdb_view_release(client->session, &view);
    return result;
}

void pfadd_command(struct client *client, const struct request_arg *argv, int argc)
{
    const struct sdb_slice key = args_slice(&argv[1]);
    struct hyperloglog value;
    int found, changed, corrupt = 0, result = sdb_begin(client->session, &key, 1);

    if (result != SDB_OK) {
        command_reply_error(client, result);
        return;
    }
    result = take(client, &key, &value, &found);
    changed = !found;
    for (int i = 2; i < argc && result == SDB_OK && !corrupt; i++) {
        enum hyperloglog_result added = hyperloglog_add(&value, argv[i].data, argv[i].size);
        changed |= added == HYPERLOGLOG_CHANGED;
        corrupt = added == HYPERLOGLOG_CORRUPT;
        if (!corrupt)
            result = hyperloglog_error(added);
    }
    /* As Redis does, what was counted before the damage was met is kept. */
    if (result == SDB_OK && changed)
        result = store(client, &key, &value);
    hyperloglog_free(&value);
    end(client, result, corrupt ? ENDS_CORRUPT : changed);
}

/* ---- PFCOUNT ---------------------------------------------------------------------------------------------------------- */

/* Of many keys, as of one moment. */
static void count_many(struct client *client, const struct args_slices *keys)
{
    uint8_t registers[HYPERLOGLOG_REGISTERS] = {0};
    struct sdb_view *views = calloc(keys->count, sizeof(*views));
    int *results = calloc(keys->count, sizeof(*results));
    int result = views != NULL && results != NULL
                     ? sdb_view_many(client->session, keys->items, keys->count, views, results)
                     : SDB_ENOMEM;
    int viewed = result == SDB_OK;

    for (size_t i = 0; i < keys->count && result == SDB_OK; i++) {
        if (results[i] == SDB_OK && !hyperloglog_is(views[i].data, views[i].size))
            result = SDB_ECONDITION;
        else if (results[i] == SDB_OK)
            result = hyperloglog_error(hyperloglog_merge(registers, views[i].data, views[i].size));
        else if (results[i] != SDB_ENOTFOUND)
            result = results[i];
    }
    for (size_t i = 0; i < keys->count && viewed; i++)
        if (results[i] == SDB_OK)
            sdb_view_release(client->session, &views[i]);
    free(views);
    free(results);
    if (result == SDB_OK)
        reply_integer(&client->reply, (int64_t)hyperloglog_estimate(registers));
    else
        hyperloglog_reply_error(client, result);
}

/* Estimates, in a transaction that has the key, and keeps the estimate in the value. */
static int count_and_keep(struct client *client, const struct sdb_slice *key, uint64_t *count)
{
    uint8_t kept[HYPERLOGLOG_KEPT_SIZE];
    struct sdb_view view;
    size_t size;
    int result = hyperloglog_view(client, key, &view), known;

    if (result != SDB_OK)
        return result;
    known = hyperloglog_kept(view.data, count);
    if (!known)
        result = hyperloglog_error(hyperloglog_count(view.data, view.size, count));
    sdb_view_release(client->session, &view);
    if (result != SDB_OK || known)
        return result;
    hyperloglog_keep(kept, *count);
    result = sdb_set_range(client->session, key->data, key->size, HYPERLOGLOG_KEPT_OFFSET, kept, sizeof(kept), &size);
    /* It is known to this client all the same. But behind a conflict nothing more can be done in this transaction. */
    return result == SDB_ECONFLICT ? result : SDB_OK;
}

static void count_one(struct client *client, const struct sdb_slice *key)
{
    uint64_t count = 0;
    int result = sdb_begin(client->session, key, 1);

    if (result != SDB_OK) {
        hyperloglog_reply_error(client, result);
        return;
    }
    result = count_and_keep(client, key, &count);
    if (result == SDB_OK) {
        (void)sdb_commit(client->session); /* or the estimate is made again next time */
        reply_integer(&client->reply, (int64_t)count);
    } else if (result == SDB_ENOTFOUND) {
        sdb_abort(client->session);
        reply_integer(&client->reply, 0);
    } else {
        sdb_abort(client->session);
        hyperloglog_reply_error(client, result);
    }
}

void pfcount_command(struct client *client, const struct request_arg *argv, int argc)
{
    const struct sdb_slice key = args_slice(&argv[1]);
    struct args_slices keys;
    struct sdb_view view;
    uint64_t count;
    int result, known;

    if (argc > 2) {
        result = args_slices_take(&keys, argv + 1, argc - 1);
        if (result != SDB_OK) {
            command_reply_error(client, result);
            return;
        }
        count_many(client, &keys);
        args_slices_free(&keys);
        return;
    }
    result = hyperloglog_view(client, &key, &view);
    if (result == SDB_OK) {
        known = hyperloglog_kept(view.data, &count);
        sdb_view_release(client->session, &view);
        if (known)
            reply_integer(&client->reply, (int64_t)count);
        else
            count_one(client, &key);
    } else if (result == SDB_ENOTFOUND) {
        reply_integer(&client->reply, 0);
    } else {
        hyperloglog_reply_error(client, result);
    }
}

/* ---- PFMERGE ---------------------------------------------------------------------------------------------------------- */

/* Merges all of the keys into the registers. *dense: one of them was. */
static int merge_all(struct client *client, const struct args_slices *keys, uint8_t registers[HYPERLOGLOG_REGISTERS], int *dense)
{
    struct sdb_view view;

    for (size_t i = 0; i < keys->count; i++) {
        int result = hyperloglog_view(client, &keys->items[i], &view);
        if (result == SDB_ENOTFOUND)
            continue;
        if (result != SDB_OK)
            return result;
        *dense |= hyperloglog_encoding(view.data) == HYPERLOGLOG_DENSE;
        result = hyperloglog_error(hyperloglog_merge(registers, view.data, view.size));
        sdb_view_release(client->session, &view);
        if (result != SDB_OK)
            return result;
    }
    return SDB_OK;
}

/* The first key's value, raised to the registers. */
static int merge_into(struct client *client, const struct args_slices *keys)
{
    uint8_t registers[HYPERLOGLOG_REGISTERS] = {0};
    struct hyperloglog value = {0};
    int dense = 0, found, result = merge_all(client, keys, registers, &dense);

    if (result == SDB_OK)
        result = take(client, &keys->items[0], &value, &found);
    if (result == SDB_OK && dense)
        result = hyperloglog_error(hyperloglog_densify(&value));
    for (unsigned i = 0; i < HYPERLOGLOG_REGISTERS && result == SDB_OK; i++)
        if (registers[i] > 0)
            result = hyperloglog_error(hyperloglog_raise(&value, i, registers[i]));
    if (result == SDB_OK)
        result = store(client, &keys->items[0], &value);
    hyperloglog_free(&value);
    return result;
}

void pfmerge_command(struct client *client, const struct request_arg *argv, int argc)
{
    struct args_slices keys;
    int result = args_slices_take(&keys, argv + 1, argc - 1);

    if (result != SDB_OK) {
        command_reply_error(client, result);
        return;
    }
    result = sdb_begin(client->session, keys.items, keys.count);
    if (result == SDB_OK)
        end(client, merge_into(client, &keys), ENDS_OK);
    else
        command_reply_error(client, result);
    args_slices_free(&keys);
}
