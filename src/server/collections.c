/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * collections.c - what the commands on hashes, lists, sets and sorted sets share
 * Threads: the client's own.
 */
#include "collections.h"

#include <math.h>
#include <stdio.h>

#include "args.h"
#include "config.h"
#include "errors.h"
#include "glob.h"
#include "runtime.h"

#define EMBEDDED_SIZE_MAX 44 /* of a string that Redis keeps beside its header */
#define COUNT_DEFAULT 10

const char *collections_type_name(unsigned type)
{
    static const char *const names[] = {"none", "string", "list", "set", "hash", "zset", "stream"};

    return type < sizeof(names) / sizeof(names[0]) ? names[type] : "none";
}

const char *collections_encoding_name(const struct sdb_stat *stat)
{
    const int large = stat->encoding == SDB_ENCODING_LARGE;

    switch (stat->type) {
    case SDB_TYPE_LIST:
        return "quicklist";
    case SDB_TYPE_SET:
        return large ? "hashtable" : "intset";
    case SDB_TYPE_HASH:
        return large ? "hashtable" : "listpack";
    case SDB_TYPE_ZSET:
        return large ? "skiplist" : "listpack";
    case SDB_TYPE_STREAM:
        return "stream";
    default:
        return stat->encoding == SDB_ENCODING_INT ? "int" : stat->size <= EMBEDDED_SIZE_MAX ? "embstr" : "raw";
    }
}

void collections_apply_limits(void)
{
    const struct sdb_limits limits = {
        .hash_max_listpack_entries = (uint64_t)CONFIG_READ(hash_max_listpack_entries),
        .hash_max_listpack_value = (uint64_t)CONFIG_READ(hash_max_listpack_value),
        .list_max_listpack_size = CONFIG_READ(list_max_listpack_size),
        .set_max_intset_entries = (uint64_t)CONFIG_READ(set_max_intset_entries),
        .zset_max_listpack_entries = (uint64_t)CONFIG_READ(zset_max_listpack_entries),
        .zset_max_listpack_value = (uint64_t)CONFIG_READ(zset_max_listpack_value),
    };

    if (runtime.pool != NULL)
        sdb_set_limits(runtime.pool, &limits);
}

/* ---- elements --------------------------------------------------------------------------------------------------------- */

void collections_list_begin(struct collections_list *list)
{
    list->mark = list->client->reply.size;
    list->where = reply_array_later(&list->client->reply);
    list->count = 0;
}

int collections_list_show(void *context, const struct sdb_element *element)
{
    struct collections_list *list = context;
    struct reply *reply = &list->client->reply;
    const int two = list->what == LIST_NAMES_AND_VALUES || list->what == LIST_NAMES_AND_SCORES;
    const int paired = two && list->paired && reply->protocol >= 3;

    if (paired)
        reply_array(reply, 2);
    if (list->what != LIST_VALUES)
        reply_bulk(reply, element->name.data, element->name.size);
    if (list->what == LIST_VALUES || list->what == LIST_NAMES_AND_VALUES)
        reply_bulk(reply, element->value.data, element->value.size);
    if (list->what == LIST_NAMES_AND_SCORES)
        reply_double(reply, element->score);
    list->count += two && !paired ? 2 : 1;
    return reply->failed;
}

void collections_list_end(struct collections_list *list, enum collections_shape shape, int result)
{
    struct reply *reply = &list->client->reply;

    if (result != SDB_OK && result != SDB_ENOTFOUND) {
        command_reply_error_instead(list->client, list->mark, result);
        return;
    }
    if (shape == COLLECTIONS_MAP && reply->protocol >= 3)
        reply_header_set(reply, list->where, '%', list->count / 2);
    else
        reply_header_set(reply, list->where, shape == COLLECTIONS_SET && reply->protocol >= 3 ? '~' : '*', list->count);
}

/* ---- by cursor -------------------------------------------------------------------------------------------------------- */

struct scan {
    struct reply *reply;
    const struct request_arg *pattern; /* NULL: everything */
    unsigned type;
    int is_small; /* as it is told: Redis keeps whole numbers of such a sorted set as integers */
    size_t count;
};

static size_t format_score(const struct scan *scan, double score, char text[64])
{
    if (scan->is_small && fabs(score) < (double)(INT64_MAX / 2) && score == (double)(int64_t)score)
        return (size_t)snprintf(text, 64, "%lld", (long long)score);
    return (size_t)snprintf(text, 64, "%.17g", score);
}

static int scan_show(void *context, const struct sdb_element *element)
{
    struct scan *scan = context;
    char text[64];

    if (scan->pattern != NULL &&
        !glob_match(scan->pattern->data, scan->pattern->size, element->name.data, element->name.size, 0))
        return 0;
    reply_bulk(scan->reply, element->name.data, element->name.size);
    if (scan->type == SDB_TYPE_HASH)
        reply_bulk(scan->reply, element->value.data, element->value.size);
    if (scan->type == SDB_TYPE_ZSET)
        reply_bulk(scan->reply, text, format_score(scan, element->score, text));
    scan->count += scan->type == SDB_TYPE_SET ? 1 : 2;
    return scan->reply->failed;
}

/* MATCH and COUNT, from argv[3] on. 1, or 0 after an error reply. */
static int scan_options(struct client *client, const struct request_arg *argv, int argc, struct scan *scan, int64_t *count)
{
    for (int i = 3; i < argc; i += 2) {
        if (i + 1 < argc && args_is(&argv[i], "COUNT")) {
            if (!args_get_int64(client, &argv[i + 1], count, NULL))
                return 0;
            if (*count < 1) {
                args_syntax_error(client);
                return 0;
            }
        } else if (i + 1 < argc && args_is(&argv[i], "MATCH")) {
            scan->pattern = glob_is_any(argv[i + 1].data, argv[i + 1].size) ? NULL : &argv[i + 1];
        } else {
            args_syntax_error(client);
            return 0;
        }
    }
    return 1;
}

/* [cursor, [element ...]], whose elements stand at the mark already. */
static void scan_header(struct reply *reply, size_t mark, uint64_t cursor, size_t count)
{
    char digits[24];
    const size_t size = (size_t)snprintf(digits, sizeof(digits), "%llu", (unsigned long long)cursor);

    reply_header_set(reply, mark, '*', count);
    if (reply->failed)
        return;
    reply_prepend_bulk(reply, mark, digits, size);
    reply_header_set(reply, mark, '*', 2);
}

void collections_scan(struct client *client, const struct request_arg *argv, int argc, unsigned type)
{
    struct scan scan = {.reply = &client->reply, .type = type};
    const size_t mark = client->reply.size;
    int64_t count = COUNT_DEFAULT;
    struct sdb_stat stat;
    uint64_t cursor;
    int result;

    if (!args_parse_cursor(argv[2].data, argv[2].size, &cursor)) {
        reply_error(&client->reply, "invalid cursor");
        return;
    }
    result = sdb_stat(client->session, argv[1].data, argv[1].size, &stat);
    if (result == SDB_OK && stat.type != type)
        result = SDB_ETYPE;
    scan.is_small = result == SDB_OK && stat.encoding != SDB_ENCODING_LARGE;
    if (result == SDB_OK && !scan_options(client, argv, argc, &scan, &count))
        return;
    if (result == SDB_OK)
        result = sdb_collection_scan(client->session, argv[1].data, argv[1].size, type, &cursor, (size_t)count, scan_show, &scan);
    if (result == SDB_ENOTFOUND) {
        reply_truncate(&client->reply, mark);
        cursor = 0;
        scan.count = 0;
        result = SDB_OK;
    }
    if (result == SDB_OK)
        scan_header(&client->reply, mark, cursor, scan.count);
    else
        command_reply_error_instead(client, mark, result);
}
