/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * import_stream.h - the pieces that a stream is dumped in, each made of words, and what the words say. Pure
 *
 *     empty                                                a stream without anything; it begins so
 *     entry      id field value field value...             behind those before it
 *     group      name id entries-read                      -1: unknown
 *     consumer   group name seen                           the time when it was seen; without it: now
 *     pending    group consumer id delivered deliveries    the time when it was delivered last, and how often
 *     ids        last greatest-deleted entries-added       behind all entries
 */
#ifndef SDB_TOOLS_IMPORT_STREAM_H
#define SDB_TOOLS_IMPORT_STREAM_H

#include <stdbool.h>
#include <stddef.h>

#include "superdb/superdb.h"

enum import_item { IMPORT_EMPTY, IMPORT_ENTRY, IMPORT_GROUP, IMPORT_CONSUMER, IMPORT_PENDING, IMPORT_IDS, IMPORT_ITEMS };

struct import_stream {
    enum import_item item;
    const struct sdb_slice *words; /* in order, as they stand */
    size_t count;
    /* What they say, where the item has it. */
    struct sdb_stream_id id, deleted;
    int64_t time;
    int64_t read;
    uint64_t number; /* deliveries, or entries added */
};

extern const char *const import_item_names[IMPORT_ITEMS];

/* Reads the words of the item. False: they make no sense. */
bool import_stream_read(struct import_stream *stream);

/*
 * The item of a command that dump writes of a stream, or -1. words: room for as many as *count says the command has; gets the item's, and
 * *count how many these are. It may be the command itself.
 */
int import_stream_command(const struct sdb_slice *command, struct sdb_slice *words, size_t *count, struct sdb_slice *key);

#endif
