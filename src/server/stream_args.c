/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * stream_args.c - ids and options of the commands on streams, and entries as replies
 * Threads: the client's own. Memory: many ids.
 */
#include "stream_args.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "args.h"
#include "config.h"
#include "number.h"

#define ID_SIZE_MAX 127 /* longer ones are none to Redis */
#define BLOCKS_MAX 100u /* that ~ takes away at once, without LIMIT */
#define STREAM_BLOCK 100 /* entries of one, where stream-node-max-entries says 0 */
#define NO_ID "Invalid stream ID specified as stream command argument"

/* ---- ids -------------------------------------------------------------------------------------------------------------- */

/* As Redis reads it: an integer that is not negative, or whatever else strtoull takes. */
static int parse_part(const char *text, uint64_t *number)
{
    int64_t integer;
    char *end;

    if (number_parse_i64(text, strlen(text), &integer)) {
        *number = (uint64_t)integer;
        return integer >= 0;
    }
    errno = 0;
    *number = strtoull(text, &end, 10);
    return errno == 0 && text[0] != '\0' && *end == '\0';
}

/* any_sequence, where it is not NULL: ms-* is one, too, and whether it is. */
static int parse_id(const struct request_arg *arg, uint64_t missing, struct sdb_stream_id *id, int *any_sequence)
{
    char text[ID_SIZE_MAX + 1];
    struct sdb_stream_id parsed = {0, missing};
    char *dash;

    if (arg->size > ID_SIZE_MAX)
        return 0;
    memcpy(text, arg->data, arg->size);
    text[arg->size] = '\0';
    dash = strchr(text, '-');
    if (dash != NULL)
        *dash = '\0';
    if (!parse_part(text, &parsed.ms))
        return 0;
    if (dash != NULL && any_sequence != NULL && strcmp(dash + 1, "*") == 0) {
        *any_sequence = 1;
        parsed.sequence = 0;
    } else if (dash != NULL && !parse_part(dash + 1, &parsed.sequence)) {
        return 0;
    }
    *id = parsed;
    return 1;
}

int stream_parse_id(const struct request_arg *arg, uint64_t missing, struct sdb_stream_id *id)
{
    return parse_id(arg, missing, id, NULL);
}

int stream_get_id(struct client *client, const struct request_arg *arg, uint64_t missing, struct sdb_stream_id *id)
{
    if (parse_id(arg, missing, id, NULL))
        return 1;
    reply_error(&client->reply, NO_ID);
    return 0;
}

struct sdb_stream_id *stream_get_ids(struct client *client, const struct request_arg *args, int count, struct sdb_stream_id *few,
                                     int few_count)
{
    struct sdb_stream_id *ids = count <= few_count ? few : malloc((size_t)count * sizeof(*ids));

    if (ids == NULL) {
        reply_error(&client->reply, "-OOM out of memory");
        return NULL;
    }
    for (int i = 0; i < count; i++) {
        if (!stream_get_id(client, &args[i], 0, &ids[i])) {
            if (ids != few)
                free(ids);
            return NULL;
        }
    }
    return ids;
}

int stream_get_bound(struct client *client, const struct request_arg *arg, enum stream_bound which, struct sdb_stream_id *id)
{
    const int excluded = arg->size > 1 && arg->data[0] == '(';
    const struct request_arg rest = excluded ? (struct request_arg){arg->data + 1, arg->size - 1} : *arg;

    if (!excluded && args_is(arg, "-"))
        *id = (struct sdb_stream_id)SDB_STREAM_ID_MIN;
    else if (!excluded && args_is(arg, "+"))
        *id = (struct sdb_stream_id)SDB_STREAM_ID_MAX;
    else if (!stream_get_id(client, &rest, which == STREAM_FIRST ? 0 : UINT64_MAX, id))
        return 0;
    if (excluded && !(which == STREAM_FIRST ? sdb_stream_id_next(id) : sdb_stream_id_previous(id))) {
        reply_errorf(&client->reply, "invalid %s ID for the interval", which == STREAM_FIRST ? "start" : "end");
        return 0;
    }
    return 1;
}

size_t stream_format_id(char text[STREAM_ID_TEXT_SIZE], const struct sdb_stream_id *id)
{
    size_t size = number_format_u64(text, id->ms);

    text[size++] = '-';
    return size + number_format_u64(text + size, id->sequence);
}

void stream_reply_id(struct reply *reply, const struct sdb_stream_id *id)
{
    char text[STREAM_ID_TEXT_SIZE];

    reply_bulk(reply, text, stream_format_id(text, id));
}

/* ---- options ---------------------------------------------------------------------------------------------------------- */

struct reading {
    struct client *client;
    const struct request_arg *argv;
    int argc, at;
    struct stream_options *options;
    int trims, approximate, limit_given;
    int64_t limit;
};

static int refuse(struct reading *reading, const char *error)
{
    reply_error(&reading->client->reply, error);
    return 0;
}

/* MAXLEN or MINID at reading->at, which moves to its last word. */
static int get_threshold(struct reading *reading, enum sdb_stream_trim_by by)
{
    const struct request_arg *next = &reading->argv[reading->at + 1];
    struct sdb_stream_trim *trim = &reading->options->trim;
    int64_t length;

    if (reading->trims)
        return refuse(reading, "syntax error, MAXLEN and MINID options at the same time are not compatible");
    reading->approximate = reading->argc - reading->at > 2 && args_is(next, "~");
    reading->at += reading->argc - reading->at > 2 && (args_is(next, "~") || args_is(next, "=")) ? 2 : 1;
    next = &reading->argv[reading->at];
    reading->trims = 1;
    trim->by = by;
    if (by == SDB_STREAM_BY_ID)
        return stream_get_id(reading->client, next, 0, &trim->id);
    if (!args_get_int64(reading->client, next, &length, NULL))
        return 0;
    trim->length = (uint64_t)length;
    return length >= 0 || refuse(reading, "The MAXLEN argument must be >= 0.");
}

static int get_limit(struct reading *reading)
{
    reading->limit_given = 1;
    if (!args_get_int64(reading->client, &reading->argv[++reading->at], &reading->limit, NULL))
        return 0;
    return reading->limit >= 0 || refuse(reading, "The LIMIT argument must be >= 0.");
}

static int get_new_id(struct reading *reading)
{
    struct sdb_stream_addition *addition = &reading->options->addition;
    const struct request_arg *arg = &reading->argv[reading->at];
    int any_sequence = 0;

    addition->form = SDB_STREAM_ID_AUTO;
    if (args_is(arg, "*"))
        return 1;
    if (!parse_id(arg, 0, &addition->id, &any_sequence))
        return refuse(reading, NO_ID);
    addition->form = any_sequence ? SDB_STREAM_ID_MS : SDB_STREAM_ID_GIVEN;
    return 1;
}

uint64_t stream_block(void)
{
    const int64_t entries = CONFIG_READ(stream_node_max_entries);

    return entries > 0 ? (uint64_t)entries : STREAM_BLOCK;
}

/* What goes together, behind all options. */
static int check(struct reading *reading, int adds)
{
    struct sdb_stream_trim *trim = &reading->options->trim;

    if (reading->limit != 0 && !reading->trims)
        return refuse(reading, "syntax error, LIMIT cannot be used without specifying a trimming strategy");
    if (!adds && !reading->trims)
        return refuse(reading, "syntax error, XTRIM must be called with a trimming strategy");
    if (reading->limit_given && !reading->approximate)
        return refuse(reading, "syntax error, LIMIT cannot be used without the special ~ option");
    trim->block = reading->approximate ? stream_block() : 0;
    trim->limit = (uint64_t)reading->limit;
    if (reading->approximate && !reading->limit_given && __builtin_mul_overflow(BLOCKS_MAX, trim->block, &trim->limit))
        trim->limit = 0;
    reading->options->addition.trim = reading->trims ? trim : NULL;
    return 1;
}

static int get_options(struct client *client, const struct request_arg *argv, int argc, int adds, struct stream_options *options)
{
    struct reading reading = {.client = client, .argv = argv, .argc = argc, .at = 2, .options = options};
    int good = 1;

    memset(options, 0, sizeof(*options));
    for (; good && reading.at < argc; reading.at++) {
        const struct request_arg *arg = &argv[reading.at];
        const int more = argc - 1 - reading.at;

        if (more > 0 && args_is(arg, "MAXLEN")) {
            good = get_threshold(&reading, SDB_STREAM_BY_LENGTH);
        } else if (more > 0 && args_is(arg, "MINID")) {
            good = get_threshold(&reading, SDB_STREAM_BY_ID);
        } else if (more > 0 && args_is(arg, "LIMIT")) {
            good = get_limit(&reading);
        } else if (adds && args_is(arg, "NOMKSTREAM")) {
            options->addition.flags |= SDB_IF_PRESENT;
        } else if (adds) {
            good = get_new_id(&reading);
            break;
        } else {
            args_syntax_error(client);
            good = 0;
        }
    }
    options->fields_at = reading.at + 1;
    return good && check(&reading, adds);
}

int stream_get_add_options(struct client *client, const struct request_arg *argv, int argc, struct stream_options *options)
{
    return get_options(client, argv, argc, 1, options);
}

int stream_get_trim_options(struct client *client, const struct request_arg *argv, int argc, struct stream_options *options)
{
    return get_options(client, argv, argc, 0, options);
}

/* ---- replies ---------------------------------------------------------------------------------------------------------- */

void stream_list_begin(struct stream_list *list)
{
    list->where = reply_array_later(list->reply);
    list->count = 0;
}

int stream_list_show(void *context, const struct sdb_stream_entry *entry)
{
    struct stream_list *list = context;
    struct reply *reply = list->reply;
    struct sdb_slice field, value;
    size_t at = 0;

    list->count++;
    if (!list->just_ids)
        reply_array(reply, 2);
    stream_reply_id(reply, &entry->id);
    if (list->just_ids)
        return reply->failed;
    if (entry->packed.data == NULL) {
        reply_null_array(reply);
        return reply->failed;
    }
    reply_array(reply, entry->count * 2);
    while (sdb_stream_field(entry, &at, &field, &value)) {
        reply_bulk(reply, field.data, field.size);
        reply_bulk(reply, value.data, value.size);
    }
    return reply->failed;
}

void stream_list_end(struct stream_list *list)
{
    reply_array_set(list->reply, list->where, list->count);
}

void stream_reply_no_group(struct client *client, const struct request_arg *key, const struct request_arg *group, const char *more)
{
    reply_errorf(&client->reply, "-NOGROUP No such key '%.*s' or consumer group '%.*s'%s", (int)key->size, key->data, (int)group->size,
                 group->data, more);
}
