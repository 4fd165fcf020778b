/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * list_pop_commands.c - LPOP, RPOP, LMPOP, LMOVE, RPOPLPUSH
 *
 * Commit:  one call to the store each; LMPOP of several keys: a transaction that names them.
 * Threads: the client's own. Memory: many keys: their slices.
 */
#include "args.h"
#include "client.h"
#include "collections.h"
#include "errors.h"
#include "list_handlers.h"
#include "notify.h"
#include "transaction.h"

int list_get_end(struct client *client, const struct request_arg *arg, enum sdb_list_end *end)
{
    if (args_is(arg, "LEFT")) {
        *end = SDB_LIST_HEAD;
    } else if (args_is(arg, "RIGHT")) {
        *end = SDB_LIST_TAIL;
    } else {
        args_syntax_error(client);
        return 0;
    }
    return 1;
}

static const char *pop_event(enum sdb_list_end end)
{
    return end == SDB_LIST_HEAD ? "lpop" : "rpop";
}

/* ---- LPOP, RPOP ------------------------------------------------------------------------------------------------------- */

static void pop_one(struct client *client, const struct request_arg *key, enum sdb_list_end end)
{
    const size_t mark = client->reply.size;
    int result = sdb_list_pop(client->session, key->data, key->size, end, 1, list_show_element, &client->reply);

    if (result == SDB_ENOTFOUND)
        reply_null(&client->reply);
    else if (result != SDB_OK)
        command_reply_error_instead(client, mark, result);
}

static void pop(struct client *client, const struct request_arg *argv, int argc, enum sdb_list_end end)
{
    static const char out_of_range[] = "value is out of range, must be positive";
    struct collections_list list = {.client = client, .what = LIST_NAMES};
    int64_t count;
    int result;

    if (argc == 2) {
        pop_one(client, &argv[1], end);
        return;
    }
    if (argc > 3) {
        reply_errorf(&client->reply, "wrong number of arguments for '%s' command", pop_event(end));
        return;
    }
    if (!args_get_int64(client, &argv[2], &count, out_of_range))
        return;
    if (count < 0) {
        reply_error(&client->reply, out_of_range);
        return;
    }
    collections_list_begin(&list);
    result = sdb_list_pop(client->session, argv[1].data, argv[1].size, end, (uint64_t)count, collections_list_show, &list);
    if (result == SDB_ENOTFOUND)
        reply_null_array(&client->reply);
    else
        collections_list_end(&list, COLLECTIONS_ARRAY, result);
}

void lpop_command(struct client *client, const struct request_arg *argv, int argc)
{
    pop(client, argv, argc, SDB_LIST_HEAD);
}

void rpop_command(struct client *client, const struct request_arg *argv, int argc)
{
    pop(client, argv, argc, SDB_LIST_TAIL);
}

/* ---- LMPOP ------------------------------------------------------------------------------------------------------------ */

static int keys_from(const struct request_arg *argv, int argc, int at, int *positions, int max)
{
    int64_t number;
    int count = 0;

    if (!args_parse_int64(argv[at].data, argv[at].size, &number) || number < 1 || number > argc - at - 2)
        return -1;
    while (count < number && count < max) {
        positions[count] = at + 1 + count;
        count++;
    }
    return count;
}

int lmpop_keys(const struct request_arg *argv, int argc, int *positions, int max)
{
    return keys_from(argv, argc, 1, positions, max);
}

int blmpop_keys(const struct request_arg *argv, int argc, int *positions, int max)
{
    return keys_from(argv, argc, 2, positions, max);
}

/* A number from 1 on. */
static int get_number(struct client *client, const struct request_arg *arg, const char *error, int64_t *number)
{
    if (args_parse_int64(arg->data, arg->size, number) && *number >= 1)
        return 1;
    reply_error(&client->reply, error);
    return 0;
}

int list_get_wanted(struct client *client, const struct request_arg *argv, int argc, struct list_wanted *wanted)
{
    int64_t keys;
    int where, given = 0;

    if (!get_number(client, &argv[0], "numkeys should be greater than 0", &keys))
        return 0;
    if (keys > argc - 2) {
        args_syntax_error(client);
        return 0;
    }
    where = 1 + (int)keys;
    if (!list_get_end(client, &argv[where], &wanted->end))
        return 0;
    wanted->keys = argv + 1;
    wanted->key_count = (int)keys;
    wanted->count = 1;
    for (int i = where + 1; i < argc; i += 2) {
        if (given || i + 1 == argc || !args_is(&argv[i], "COUNT")) {
            args_syntax_error(client);
            return 0;
        }
        if (!get_number(client, &argv[i + 1], "count should be greater than 0", &wanted->count))
            return 0;
        given = 1;
    }
    return 1;
}

int list_pop_one(struct client *client, const struct sdb_slice *key, enum sdb_list_end end)
{
    const size_t mark = client->reply.size;
    int result;

    reply_array(&client->reply, 2);
    reply_bulk(&client->reply, key->data, key->size);
    result = sdb_list_pop(client->session, key->data, key->size, end, 1, list_show_element, &client->reply);
    if (result != SDB_OK)
        reply_truncate(&client->reply, mark);
    return result;
}

int list_pop_some(struct client *client, const struct sdb_slice *key, enum sdb_list_end end, int64_t count)
{
    struct collections_list list = {.client = client, .what = LIST_NAMES};
    const size_t mark = client->reply.size;
    int result;

    reply_array(&client->reply, 2);
    reply_bulk(&client->reply, key->data, key->size);
    notify_call(client, pop_event(end), NOTIFY_LIST);
    collections_list_begin(&list);
    result = sdb_list_pop(client->session, key->data, key->size, end, (uint64_t)count, collections_list_show, &list);
    if (result == SDB_OK)
        collections_list_end(&list, COLLECTIONS_ARRAY, result);
    else
        reply_truncate(&client->reply, mark);
    return result;
}

static int pop_from_first(struct client *client, const struct list_wanted *wanted)
{
    int result = SDB_ENOTFOUND;

    for (int i = 0; i < wanted->key_count && result == SDB_ENOTFOUND; i++) {
        const struct sdb_slice key = args_slice(&wanted->keys[i]);

        result = list_pop_some(client, &key, wanted->end, wanted->count);
    }
    if (result == SDB_ENOTFOUND)
        reply_null_array(&client->reply);
    return result == SDB_ENOTFOUND ? SDB_OK : result;
}

void lmpop_command(struct client *client, const struct request_arg *argv, int argc)
{
    struct transaction transaction;
    struct list_wanted wanted;
    struct args_slices keys;
    int result;

    if (!list_get_wanted(client, argv + 1, argc - 1, &wanted))
        return;
    if (wanted.key_count == 1) {
        result = pop_from_first(client, &wanted);
        if (result != SDB_OK)
            command_reply_error(client, result);
        return;
    }
    result = args_slices_take(&keys, wanted.keys, wanted.key_count);
    if (result != SDB_OK) {
        command_reply_error(client, result);
        return;
    }
    if (transaction_begin(&transaction, client, keys.items, keys.count))
        (void)transaction_end(&transaction, client, pop_from_first(client, &wanted));
    args_slices_free(&keys);
}

/* ---- LMOVE ------------------------------------------------------------------------------------------------------------ */

int list_move(struct client *client, const struct sdb_slice *source, enum sdb_list_end source_end, const struct sdb_slice *destination,
              enum sdb_list_end destination_end)
{
    notify_calls(client, destination_end == SDB_LIST_HEAD ? "lpush" : "rpush", pop_event(source_end), NOTIFY_LIST);
    return sdb_list_move(client->session, source, source_end, destination, destination_end, list_show_element, &client->reply);
}

static void move(struct client *client, const struct request_arg *argv, enum sdb_list_end source_end, enum sdb_list_end destination_end)
{
    const struct sdb_slice source = args_slice(&argv[1]), destination = args_slice(&argv[2]);
    int result = list_move(client, &source, source_end, &destination, destination_end);

    if (result == SDB_ENOTFOUND)
        reply_null(&client->reply);
    else if (result != SDB_OK)
        command_reply_error(client, result);
}

void lmove_command(struct client *client, const struct request_arg *argv, int argc)
{
    enum sdb_list_end source_end, destination_end;

    (void)argc;
    if (list_get_end(client, &argv[3], &source_end) && list_get_end(client, &argv[4], &destination_end))
        move(client, argv, source_end, destination_end);
}

void rpoplpush_command(struct client *client, const struct request_arg *argv, int argc)
{
    (void)argc;
    move(client, argv, SDB_LIST_TAIL, SDB_LIST_HEAD);
}
