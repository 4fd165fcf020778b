/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * collections.h - what the commands on hashes, lists, sets and sorted sets share: names of types, *SCAN, *RANDFIELD's kind of counts,
 * elements as replies
 *
 * A wrong type needs no words: command_reply_error says WRONGTYPE for SDB_ETYPE.
 */
#ifndef SDB_SERVER_COLLECTIONS_H
#define SDB_SERVER_COLLECTIONS_H

#include "client.h"
#include "command.h"
#include "superdb/superdb.h"

/* "hash", as TYPE says; "none" for what is no type. */
const char *collections_type_name(unsigned type);

/* As OBJECT ENCODING says, of keys of every type. */
const char *collections_encoding_name(const struct sdb_stat *stat);

/* The options hash-max-listpack-entries and so on, as they stand in the configuration, take effect in the pool. */
void collections_apply_limits(void);

/* For command_table rows: HSCAN, SSCAN, ZSCAN of argv[1], cursor argv[2], MATCH and COUNT. type: SDB_TYPE_HASH, _SET or _ZSET. */
void collections_scan(struct client *client, const struct request_arg *argv, int argc, unsigned type);

/*
 * Replies with many elements whose number is known only when all were shown. Use show as the sdb_element_fn and the list as its context.
 *
 *     struct collections_list list = {.client = client, .what = LIST_NAMES};
 *     collections_list_begin(&list);
 *     result = sdb_collection_each(..., collections_list_show, &list);
 *     collections_list_end(&list, COLLECTIONS_ARRAY, result);      // SDB_ENOTFOUND: an empty one; other errors: their reply
 */
enum collections_what { LIST_NAMES, LIST_VALUES, LIST_NAMES_AND_VALUES, LIST_NAMES_AND_SCORES };
enum collections_shape {
    COLLECTIONS_ARRAY,       /* an array of everything */
    COLLECTIONS_MAP,         /* a map in RESP3, of two to a pair */
    COLLECTIONS_SET,         /* a set in RESP3 */
};
struct collections_list {
    struct client *client;
    enum collections_what what;
    int paired; /* each name with its value or score is an array of two, in RESP3: *RANDFIELD, ZRANGE ... WITHSCORES */
    /* private */
    size_t mark, where, count;
};
void collections_list_begin(struct collections_list *list);
sdb_element_fn collections_list_show;
void collections_list_end(struct collections_list *list, enum collections_shape shape, int result);

#endif
