/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * members_read_commands.c - SCARD, SMEMBERS, SISMEMBER, SMISMEMBER, SRANDMEMBER, SSCAN, SINTER, SUNION, SDIFF, SINTERCARD
 *
 * Threads: the client's own. Memory: many names or keys: their slices.
 */
#include <stdlib.h>

#include "args.h"
#include "client.h"
#include "collections.h"
#include "errors.h"
#include "members_handlers.h"

#define FOUND_FEW 64

/* ---- named members ---------------------------------------------------------------------------------------------------- */

void scard_command(struct client *client, const struct request_arg *argv, int argc)
{
    uint64_t count = 0;
    int result = sdb_collection_count(client->session, argv[1].data, argv[1].size, SDB_TYPE_SET, &count);

    (void)argc;
    if (result == SDB_OK || result == SDB_ENOTFOUND)
        reply_integer(&client->reply, (int64_t)count);
    else
        command_reply_error(client, result);
}

void sismember_command(struct client *client, const struct request_arg *argv, int argc)
{
    const struct sdb_slice member = args_slice(&argv[2]);
    unsigned char found = 0;
    int result = sdb_members_find(client->session, argv[1].data, argv[1].size, &member, 1, &found);

    (void)argc;
    if (result == SDB_OK)
        reply_integer(&client->reply, found);
    else
        command_reply_error(client, result);
}

/* found: room for as many answers. */
static void tell_of_members(struct client *client, const struct request_arg *key, const struct args_slices *members, unsigned char *found)
{
    int result = found == NULL ? SDB_ENOMEM
                               : sdb_members_find(client->session, key->data, key->size, members->items, members->count, found);

    if (result != SDB_OK) {
        command_reply_error(client, result);
        return;
    }
    reply_array(&client->reply, members->count);
    for (size_t i = 0; i < members->count; i++)
        reply_integer(&client->reply, found[i]);
}

void smismember_command(struct client *client, const struct request_arg *argv, int argc)
{
    unsigned char few[FOUND_FEW], *found = few;
    struct args_slices members;
    int result = args_slices_take(&members, argv + 2, argc - 2);

    if (result != SDB_OK) {
        command_reply_error(client, result);
        return;
    }
    if (members.count > FOUND_FEW)
        found = malloc(members.count);
    tell_of_members(client, &argv[1], &members, found);
    if (found != few)
        free(found);
    args_slices_free(&members);
}

/* ---- all of them, some of them ---------------------------------------------------------------------------------------- */

void smembers_command(struct client *client, const struct request_arg *argv, int argc)
{
    struct collections_list list = {.client = client, .what = LIST_NAMES};

    (void)argc;
    collections_list_begin(&list);
    collections_list_end(&list, COLLECTIONS_SET,
                         sdb_collection_each(client->session, argv[1].data, argv[1].size, SDB_TYPE_SET, collections_list_show, &list));
}

static void random_member(struct client *client, const struct request_arg *key)
{
    struct collections_list list = {.client = client, .what = LIST_NAMES};
    const size_t mark = client->reply.size;
    int result = sdb_collection_random(client->session, key->data, key->size, SDB_TYPE_SET, 1, collections_list_show, &list);

    if (result == SDB_ENOTFOUND)
        reply_null(&client->reply);
    else if (result != SDB_OK)
        command_reply_error_instead(client, mark, result);
}

void srandmember_command(struct client *client, const struct request_arg *argv, int argc)
{
    struct collections_list list = {.client = client, .what = LIST_NAMES};
    int64_t count;

    if (argc == 2) {
        random_member(client, &argv[1]);
        return;
    }
    if (argc > 3) {
        args_syntax_error(client);
        return;
    }
    if (!args_get_range(client, &argv[2], -INT64_MAX, INT64_MAX, &count))
        return;
    collections_list_begin(&list);
    collections_list_end(&list, COLLECTIONS_ARRAY,
                         sdb_collection_random(client->session, argv[1].data, argv[1].size, SDB_TYPE_SET, count,
                                               collections_list_show, &list));
}

void sscan_command(struct client *client, const struct request_arg *argv, int argc)
{
    collections_scan(client, argv, argc, SDB_TYPE_SET);
}

/* ---- several sets ----------------------------------------------------------------------------------------------------- */

static void combine(struct client *client, const struct request_arg *argv, int argc, enum sdb_combination how)
{
    struct collections_list list = {.client = client, .what = LIST_NAMES};
    struct args_slices keys;
    int result = args_slices_take(&keys, argv + 1, argc - 1);

    collections_list_begin(&list);
    if (result == SDB_OK) {
        result = sdb_members_combine(client->session, how, keys.items, keys.count, 0, collections_list_show, &list);
        args_slices_free(&keys);
    }
    collections_list_end(&list, COLLECTIONS_SET, result);
}

void sinter_command(struct client *client, const struct request_arg *argv, int argc)
{
    combine(client, argv, argc, SDB_INTERSECTION);
}

void sunion_command(struct client *client, const struct request_arg *argv, int argc)
{
    combine(client, argv, argc, SDB_UNION);
}

void sdiff_command(struct client *client, const struct request_arg *argv, int argc)
{
    combine(client, argv, argc, SDB_DIFFERENCE);
}

static int count_member(void *context, const struct sdb_element *element)
{
    (void)element;
    ++*(int64_t *)context;
    return 0;
}

/* LIMIT behind the keys, as often as one likes. 1, or 0 after an error reply. */
static int read_limit(struct client *client, const struct request_arg *argv, int argc, int64_t *limit)
{
    for (int i = 0; i < argc; i += 2) {
        if (i + 1 == argc || !args_is(&argv[i], "LIMIT")) {
            args_syntax_error(client);
            return 0;
        }
        if (!args_get_int64(client, &argv[i + 1], limit, "LIMIT can't be negative"))
            return 0;
        if (*limit < 0) {
            reply_error(&client->reply, "LIMIT can't be negative");
            return 0;
        }
    }
    return 1;
}

/* Of SINTERCARD. 1, or 0 after an error reply. */
static int read_numkeys(struct client *client, const struct request_arg *arg, int most, int64_t *count)
{
    if (!args_get_int64(client, arg, count, "numkeys should be greater than 0"))
        return 0;
    if (*count >= 1 && *count <= most)
        return 1;
    reply_error(&client->reply, *count < 1 ? "numkeys should be greater than 0" : "Number of keys can't be greater than number of args");
    return 0;
}

void sintercard_command(struct client *client, const struct request_arg *argv, int argc)
{
    int64_t count, limit = 0, counted = 0;
    struct args_slices keys;
    int result;

    if (!read_numkeys(client, &argv[1], argc - 2, &count) || !read_limit(client, argv + 2 + count, argc - 2 - (int)count, &limit))
        return;
    result = args_slices_take(&keys, argv + 2, (int)count);
    if (result == SDB_OK) {
        result = sdb_members_combine(client->session, SDB_INTERSECTION, keys.items, keys.count, (uint64_t)limit, count_member, &counted);
        args_slices_free(&keys);
    }
    if (result == SDB_OK)
        reply_integer(&client->reply, counted);
    else
        command_reply_error(client, result);
}

int sintercard_keys(const struct request_arg *argv, int argc, int *positions, int max)
{
    int64_t number;
    int count = 0;

    if (!args_parse_int64(argv[1].data, argv[1].size, &number) || number < 1 || number > argc - 2)
        return -1;
    while (count < number && count < max) {
        positions[count] = 2 + count;
        count++;
    }
    return count;
}
