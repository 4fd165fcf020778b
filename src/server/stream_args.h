/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * stream_args.h - reads ids, bounds and the options of XADD and XTRIM, with Redis' rules and error texts, and writes entries as replies
 *
 * The stream_get_ functions reply with the error themselves and return 0.
 */
#ifndef SDB_SERVER_STREAM_ARGS_H
#define SDB_SERVER_STREAM_ARGS_H

#include "client.h"
#include "request.h"
#include "superdb/superdb.h"

#define STREAM_ID_TEXT_SIZE 44

/* An id without the words - and +. missing: the sequence number of one that has none. 1, or 0: it is none. */
int stream_parse_id(const struct request_arg *arg, uint64_t missing, struct sdb_stream_id *id);
int stream_get_id(struct client *client, const struct request_arg *arg, uint64_t missing, struct sdb_stream_id *id);

/* Many of them, in memory that the caller frees where it is not `few`. NULL after an error reply. */
struct sdb_stream_id *stream_get_ids(struct client *client, const struct request_arg *args, int count, struct sdb_stream_id *few,
                                     int few_count);

/* The first or the last id of a range: one of the words - and + as well, and one that does not belong to it, with '(' in front. */
enum stream_bound { STREAM_FIRST, STREAM_LAST };
int stream_get_bound(struct client *client, const struct request_arg *arg, enum stream_bound which, struct sdb_stream_id *id);

/* XADD's options and id, or XTRIM's options, from argv[2] on. */
struct stream_options {
    struct sdb_stream_addition addition; /* form, id, flags; and trim, if there is one */
    struct sdb_stream_trim trim;
    int fields_at; /* behind the id */
};
int stream_get_add_options(struct client *client, const struct request_arg *argv, int argc, struct stream_options *options);
int stream_get_trim_options(struct client *client, const struct request_arg *argv, int argc, struct stream_options *options);

/* Entries that Redis keeps in one node: what goes together where ~ is given. */
uint64_t stream_block(void);

void stream_reply_id(struct reply *reply, const struct sdb_stream_id *id);

/* The id as text, without a NUL. Its size. */
size_t stream_format_id(char text[STREAM_ID_TEXT_SIZE], const struct sdb_stream_id *id);

/*
 * A reply of many entries, whose number is known when all were shown: use stream_list_show as the sdb_stream_fn and the list as its context.
 *
 *     struct stream_list list = {.reply = &client->reply};
 *     stream_list_begin(&list);
 *     result = sdb_stream_range(..., stream_list_show, &list);
 *     stream_list_end(&list);
 */
struct stream_list {
    struct reply *reply;
    int just_ids; /* no fields */
    /* private */
    size_t where, count;
};
void stream_list_begin(struct stream_list *list);
sdb_stream_fn stream_list_show;
void stream_list_end(struct stream_list *list);

/* "-NOGROUP No such key 'k' or consumer group 'g'", and what else. */
void stream_reply_no_group(struct client *client, const struct request_arg *key, const struct request_arg *group, const char *more);

#endif
