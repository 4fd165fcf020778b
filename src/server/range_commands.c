/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * range_commands.c - APPEND, STRLEN, GETRANGE (and SUBSTR, its old name), SETRANGE
 *
 * Commit:  one sdb_append or sdb_set_range.
 * Threads: the client's own. Memory: none.
 */
#include "args.h"
#include "changes.h"
#include "client.h"
#include "config.h"
#include "errors.h"
#include "string_handlers.h"

#define STRING_TOO_BIG "string exceeds maximum allowed size (proto-max-bulk-len)"

/* How large a value may become: proto-max-bulk-len, where that is less than what a pool can hold. */
static int64_t value_size_max(void)
{
    const int64_t configured = CONFIG_READ(proto_max_bulk_len);

    return configured < (int64_t)SDB_VALUE_SIZE_MAX ? configured : (int64_t)SDB_VALUE_SIZE_MAX;
}

/* The value's new size, or the error. A key that is too big is told from a value that would be. */
static void reply_size(struct client *client, int result, const struct request_arg *key, size_t size)
{
    if (result == SDB_OK)
        reply_integer(&client->reply, (int64_t)size);
    else if (result == SDB_ETOOBIG && key->size <= SDB_KEY_SIZE_MAX)
        reply_error(&client->reply, STRING_TOO_BIG);
    else
        command_reply_error(client, result);
}

/* The size of a key's value, 0 where there is no key. 1, or 0 after an error reply. */
static int value_size(struct client *client, const struct request_arg *key, size_t *size)
{
    struct sdb_stat stat;
    int result = sdb_stat(client->session, key->data, key->size, &stat);

    if (result == SDB_OK && stat.type != SDB_TYPE_STRING)
        result = SDB_ETYPE;
    if (result != SDB_OK && result != SDB_ENOTFOUND) {
        command_reply_error(client, result);
        return 0;
    }
    *size = result == SDB_OK ? stat.size : 0;
    return 1;
}

void append_command(struct client *client, const struct request_arg *argv, int argc)
{
    const int64_t max = value_size_max();
    size_t size = 0;
    int result;

    (void)argc;
    if (max < (int64_t)SDB_VALUE_SIZE_MAX) { /* the pool's own limit needs no look at the size */
        if (!value_size(client, &argv[1], &size))
            return;
        if ((int64_t)(size + argv[2].size) > max) {
            reply_error(&client->reply, STRING_TOO_BIG);
            return;
        }
    }
    result = sdb_append(client->session, argv[1].data, argv[1].size, argv[2].data, argv[2].size, &size);
    if (argv[2].size == 0 && result == SDB_OK)
        changes_pretend(client, &argv[1]);
    reply_size(client, result, &argv[1], size);
}

void strlen_command(struct client *client, const struct request_arg *argv, int argc)
{
    size_t size;

    (void)argc;
    if (value_size(client, &argv[1], &size))
        reply_integer(&client->reply, (int64_t)size);
}

void getrange_command(struct client *client, const struct request_arg *argv, int argc)
{
    struct sdb_view view;
    int64_t start, end, size;
    int result;

    (void)argc;
    if (!args_get_int64(client, &argv[2], &start, NULL) || !args_get_int64(client, &argv[3], &end, NULL))
        return;
    result = sdb_view(client->session, argv[1].data, argv[1].size, &view);
    if (result == SDB_ENOTFOUND) {
        reply_bulk(&client->reply, "", 0);
        return;
    }
    if (result != SDB_OK) {
        command_reply_error(client, result);
        return;
    }
    /* Two places before the beginning are the same place, unless they were the wrong way round. */
    size = start < 0 && end < 0 && start > end ? 0 : (int64_t)view.size;
    start = start < 0 ? (start + size < 0 ? 0 : start + size) : start;
    end = end < 0 ? (end + size < 0 ? 0 : end + size) : end;
    if (end >= size)
        end = size - 1;
    if (start > end)
        reply_bulk(&client->reply, "", 0);
    else
        reply_bulk(&client->reply, (const char *)view.data + start, (size_t)(end - start + 1));
    sdb_view_release(client->session, &view);
}

void setrange_command(struct client *client, const struct request_arg *argv, int argc)
{
    int64_t offset;
    size_t size = 0;
    int result;

    (void)argc;
    if (!args_get_int64(client, &argv[2], &offset, NULL))
        return;
    if (offset < 0) {
        reply_error(&client->reply, "offset is out of range");
        return;
    }
    if (argv[3].size == 0) { /* changes nothing, and makes no key */
        if (value_size(client, &argv[1], &size))
            reply_integer(&client->reply, (int64_t)size);
        return;
    }
    if (offset > value_size_max() - (int64_t)argv[3].size) {
        reply_error(&client->reply, STRING_TOO_BIG);
        return;
    }
    result =
        sdb_set_range(client->session, argv[1].data, argv[1].size, (uint64_t)offset, argv[3].data, argv[3].size, &size);
    reply_size(client, result, &argv[1], size);
}
