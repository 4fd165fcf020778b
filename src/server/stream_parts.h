/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * stream_parts.h - the groups of a stream, or a group's consumers, kept while more is asked about each of them
 */
#ifndef SDB_SERVER_STREAM_PARTS_H
#define SDB_SERVER_STREAM_PARTS_H

#include "superdb/superdb.h"

/* A group, or a consumer, whose name is its own. */
struct stream_part {
    struct stream_part *next;
    struct sdb_stream_group group;
    struct sdb_stream_consumer consumer;
    char name[];
};

/* In the order of their names; *parts is NULL where there is none, and after an error. Errors: those of reading; SDB_ENOMEM. */
int stream_parts_groups(struct sdb_session *session, const struct sdb_slice *key, struct stream_part **parts);
int stream_parts_consumers(struct sdb_session *session, const struct sdb_slice *key, const struct sdb_slice *group,
                           struct stream_part **parts);

size_t stream_parts_count(const struct stream_part *parts);
void stream_parts_free(struct stream_part *parts);

#endif
