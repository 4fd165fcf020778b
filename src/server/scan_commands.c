/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * scan_commands.c - KEYS and SCAN
 *
 * Both write keys to the reply as the store's scan meets them. A cursor is the store's own: where in the pool the
 * walk stands.
 * Threads: the client's own. Memory: the reply.
 */
#include <string.h>

#include "args.h"
#include "client.h"
#include "collections.h"
#include "errors.h"
#include "glob.h"
#include "key_handlers.h"

#define COUNT_DEFAULT 10
/* Entries that one call looks at where few of them match: COUNTs of them as in Redis, and at least some pages' worth of free ones. */
#define SCAN_COUNTS_MAX 10
#define SCAN_ENTRIES_MIN 4096

struct walk {
    struct reply *reply;
    const struct request_arg *pattern; /* NULL: every key */
    const char *type;                  /* NULL: every type */
    size_t type_size;
    size_t found;
};

static int visit(void *context, const struct sdb_scan_item *item)
{
    struct walk *walk = context;
    const char *key = item->key.data;

    if (walk->pattern != NULL && !glob_match(walk->pattern->data, walk->pattern->size, key, item->key.size, 0))
        return 0;
    if (walk->type != NULL) {
        const struct request_arg type = {walk->type, walk->type_size};
        if (!args_is(&type, collections_type_name(item->type)))
            return 0;
    }
    reply_bulk(walk->reply, key, item->key.size);
    walk->found++;
    return walk->reply->failed;
}

static void walk_match(struct walk *walk, const struct request_arg *pattern)
{
    walk->pattern = glob_is_any(pattern->data, pattern->size) ? NULL : pattern;
}

void keys_command(struct client *client, const struct request_arg *argv, int argc)
{
    struct walk walk = {.reply = &client->reply};
    const size_t mark = client->reply.size;
    const size_t where = reply_array_later(&client->reply);
    uint64_t cursor = 0;
    int result;

    (void)argc;
    walk_match(&walk, &argv[1]);
    do {
        result = sdb_scan(client->session, &cursor, SIZE_MAX, visit, &walk);
    } while (result == SDB_OK && cursor != 0 && !client->reply.failed);
    if (result == SDB_OK)
        reply_array_set(&client->reply, where, walk.found);
    else
        command_reply_error_instead(client, mark, result);
}

/* Reads MATCH, COUNT and TYPE. 1, or 0 after an error reply. */
static int parse_options(struct client *client, const struct request_arg *argv, int argc, struct walk *walk,
                         size_t *count)
{
    int64_t number;

    for (int i = 2; i < argc; i += 2) {
        const struct request_arg *value = &argv[i + 1];
        if (i + 1 == argc) {
            args_syntax_error(client);
            return 0;
        }
        if (args_is(&argv[i], "COUNT")) {
            if (!args_get_int64(client, value, &number, NULL))
                return 0;
            if (number < 1) {
                args_syntax_error(client);
                return 0;
            }
            *count = (size_t)number;
        } else if (args_is(&argv[i], "MATCH")) {
            walk_match(walk, value);
        } else if (args_is(&argv[i], "TYPE")) {
            walk->type = value->data;
            walk->type_size = value->size;
        } else {
            args_syntax_error(client);
            return 0;
        }
    }
    return 1;
}

/*
 * Puts the reply's header, with the cursor that is known only now, in front of the keys that stand at
 * reply->data[mark..].
 */
static void reply_header(struct reply *reply, size_t mark, uint64_t cursor, size_t found)
{
    char header[64];
    char digits[24];
    size_t end = reply->size, header_size, at = sizeof(digits);

    do {
        digits[--at] = (char)('0' + cursor % 10);
        cursor /= 10;
    } while (cursor != 0);
    reply_array(reply, 2);
    reply_bulk(reply, digits + at, sizeof(digits) - at);
    reply_array(reply, found);
    if (reply->failed)
        return;
    header_size = reply->size - end;
    memcpy(header, reply->data + end, header_size);
    memmove(reply->data + mark + header_size, reply->data + mark, end - mark);
    memcpy(reply->data + mark, header, header_size);
}

void scan_command(struct client *client, const struct request_arg *argv, int argc)
{
    struct walk walk = {.reply = &client->reply};
    const size_t mark = client->reply.size;
    size_t count = COUNT_DEFAULT;
    uint64_t cursor;
    int result = SDB_OK;

    if (!args_parse_cursor(argv[1].data, argv[1].size, &cursor)) {
        reply_error(&client->reply, "invalid cursor");
        return;
    }
    if (!parse_options(client, argv, argc, &walk, &count))
        return;
    /* A damaged entry hides its own key only: the walk goes on behind it, and the pool's figures count it. */
    for (size_t step = 0; step < SCAN_COUNTS_MAX || step < SCAN_ENTRIES_MIN / count; step++) {
        result = sdb_scan(client->session, &cursor, count, visit, &walk);
        if (cursor == 0 || walk.found >= count || client->reply.failed || (result != SDB_OK && result != SDB_ECORRUPT))
            break;
    }
    if (result == SDB_OK || result == SDB_ECORRUPT)
        reply_header(&client->reply, mark, cursor, walk.found);
    else
        command_reply_error_instead(client, mark, result);
}
