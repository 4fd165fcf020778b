/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * stream_range_commands.c - XLEN, XRANGE, XREVRANGE
 * Threads: the client's own.
 */
#include "args.h"
#include "errors.h"
#include "stream_args.h"
#include "stream_handlers.h"

void xlen_command(struct client *client, const struct request_arg *argv, int argc)
{
    uint64_t length = 0;
    int result = sdb_stream_length(client->session, argv[1].data, argv[1].size, &length);

    (void)argc;
    if (result == SDB_OK || result == SDB_ENOTFOUND)
        reply_integer(&client->reply, (int64_t)length);
    else
        command_reply_error(client, result);
}

/* COUNT, from argv[4] on: the last one counts. 1, or 0 after an error reply. */
static int get_count(struct client *client, const struct request_arg *argv, int argc, int64_t *count)
{
    for (int i = 4; i < argc; i += 2) {
        if (i + 1 >= argc || !args_is(&argv[i], "COUNT")) {
            args_syntax_error(client);
            return 0;
        }
        if (!args_get_int64(client, &argv[i + 1], count, NULL))
            return 0;
        if (*count < 0)
            *count = 0;
    }
    return 1;
}

static void show_range(struct client *client, const struct request_arg *argv, int argc, uint32_t flags)
{
    const int backwards = (flags & SDB_STREAM_REVERSE) != 0;
    struct stream_list list = {.reply = &client->reply};
    struct sdb_stream_range range = {.flags = flags};
    const size_t mark = client->reply.size;
    int64_t count = INT64_MAX;
    int result;

    if (!stream_get_bound(client, &argv[backwards ? 3 : 2], STREAM_FIRST, &range.first) ||
        !stream_get_bound(client, &argv[backwards ? 2 : 3], STREAM_LAST, &range.last) || !get_count(client, argv, argc, &count))
        return;
    range.count = (uint64_t)count;
    stream_list_begin(&list);
    result = sdb_stream_range(client->session, argv[1].data, argv[1].size, &range, stream_list_show, &list);
    if (result == SDB_OK && count == 0) {
        reply_truncate(&client->reply, mark);
        reply_null_array(&client->reply);
    } else if (result == SDB_OK || result == SDB_ENOTFOUND) {
        stream_list_end(&list);
    } else {
        command_reply_error_instead(client, mark, result);
    }
}

void xrange_command(struct client *client, const struct request_arg *argv, int argc)
{
    show_range(client, argv, argc, 0);
}

void xrevrange_command(struct client *client, const struct request_arg *argv, int argc)
{
    show_range(client, argv, argc, SDB_STREAM_REVERSE);
}
