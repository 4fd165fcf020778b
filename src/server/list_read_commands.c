/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * list_read_commands.c - LLEN, LRANGE, LINDEX, LPOS
 *
 * Threads: the client's own.
 */
#include "args.h"
#include "client.h"
#include "collections.h"
#include "errors.h"
#include "list_handlers.h"

int list_show_element(void *context, const struct sdb_element *element)
{
    struct reply *reply = context;

    reply_bulk(reply, element->name.data, element->name.size);
    return reply->failed;
}

void llen_command(struct client *client, const struct request_arg *argv, int argc)
{
    uint64_t count = 0;
    int result = sdb_collection_count(client->session, argv[1].data, argv[1].size, SDB_TYPE_LIST, &count);

    (void)argc;
    if (result == SDB_OK || result == SDB_ENOTFOUND)
        reply_integer(&client->reply, (int64_t)count);
    else
        command_reply_error(client, result);
}

void lrange_command(struct client *client, const struct request_arg *argv, int argc)
{
    struct collections_list list = {.client = client, .what = LIST_NAMES};
    int64_t first, last;

    (void)argc;
    if (!args_get_int64(client, &argv[2], &first, NULL) || !args_get_int64(client, &argv[3], &last, NULL))
        return;
    collections_list_begin(&list);
    collections_list_end(&list, COLLECTIONS_ARRAY,
                         sdb_list_range(client->session, argv[1].data, argv[1].size, first, last, collections_list_show, &list));
}

void lindex_command(struct client *client, const struct request_arg *argv, int argc)
{
    const size_t mark = client->reply.size;
    int64_t position = 0;
    const int is_number = args_parse_int64(argv[2].data, argv[2].size, &position);
    int result = sdb_list_range(client->session, argv[1].data, argv[1].size, position, position, list_show_element, &client->reply);

    (void)argc;
    if (result == SDB_OK && !is_number) { /* Redis looks for the key first */
        reply_truncate(&client->reply, mark);
        reply_error(&client->reply, ARGS_NOT_AN_INTEGER);
    } else if (result != SDB_OK && result != SDB_ENOTFOUND) {
        command_reply_error_instead(client, mark, result);
    } else if (client->reply.size == mark) {
        reply_null(&client->reply);
    }
}

/* ---- LPOS ------------------------------------------------------------------------------------------------------------- */

#define RANK_ZERO                                                                                                      \
    "RANK can't be zero: use 1 to start from the first match, 2 from the second ... or use negative to start from the end of the list"

/* Not negative. */
static int get_amount(struct client *client, const struct request_arg *arg, const char *error, int64_t *amount)
{
    int64_t number;

    if (!args_get_int64(client, arg, &number, error))
        return 0;
    if (number < 0) {
        reply_error(&client->reply, error);
        return 0;
    }
    *amount = number;
    return 1;
}

/* From argv[3] on. 1, or 0 after an error reply. */
static int lpos_options(struct client *client, const struct request_arg *argv, int argc, int64_t *rank, int64_t *count, int64_t *compare)
{
    for (int i = 3; i < argc; i += 2) {
        const struct request_arg *value = &argv[i + 1];

        if (i + 1 == argc || !(args_is(&argv[i], "RANK") || args_is(&argv[i], "COUNT") || args_is(&argv[i], "MAXLEN"))) {
            args_syntax_error(client);
            return 0;
        }
        if (args_is(&argv[i], "RANK")) {
            if (!args_get_range(client, value, -INT64_MAX, INT64_MAX, rank))
                return 0;
            if (*rank == 0) {
                reply_error(&client->reply, RANK_ZERO);
                return 0;
            }
        } else if (args_is(&argv[i], "COUNT")) {
            if (!get_amount(client, value, "COUNT can't be negative", count))
                return 0;
        } else if (!get_amount(client, value, "MAXLEN can't be negative", compare)) {
            return 0;
        }
    }
    return 1;
}

struct positions {
    struct reply *reply;
    size_t count;
};

static int show_position(void *context, uint64_t position)
{
    struct positions *positions = context;

    reply_integer(positions->reply, (int64_t)position);
    positions->count++;
    return positions->reply->failed;
}

void lpos_command(struct client *client, const struct request_arg *argv, int argc)
{
    struct positions positions = {&client->reply, 0};
    const size_t mark = reply_array_later(&client->reply);
    int64_t rank = 1, count = -1, compare = 0;
    int result;

    if (!lpos_options(client, argv, argc, &rank, &count, &compare))
        return;
    result = sdb_list_search(client->session, argv[1].data, argv[1].size, argv[2].data, argv[2].size,
                             &(struct sdb_list_search){rank, count < 0 ? 1 : (uint64_t)count, (uint64_t)compare}, show_position, &positions);
    if (result != SDB_OK && result != SDB_ENOTFOUND)
        command_reply_error_instead(client, mark, result);
    else if (count >= 0)
        reply_array_set(&client->reply, mark, positions.count);
    else if (positions.count == 0)
        reply_null(&client->reply);
}
