/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * stream_record.h - what a stream keeps next to its entries: records in its companion, a tree of RECORDS (docs/decisions/020-streams.md)
 *
 *     tag       key, in this order                    value                                          there is one for
 *     STREAM                                          id, deleted, added, next                       a stream whose words need it
 *     GROUP     name                                  group, id, read, next                          each group
 *     CONSUMER  group, name                           consumer, time                                 each consumer
 *     NAME      group, consumer                       name                                           each consumer
 *     PENDING   group, id                             consumer, time, deliveries                     each entry that is pending
 *     OWNED     group, consumer, id                                                                  each of these, too
 *
 * A key begins with its tag, a byte. A number is written so that bytes compare as numbers do: up to 240 in one byte, others as 240 and
 * how many bytes follow, highest first, none of them a leading zero. group and consumer are numbers that a stream gives each group,
 * and a group each consumer, once.
 */
#ifndef SDB_PMEM_STREAM_RECORD_H
#define SDB_PMEM_STREAM_RECORD_H

#include <stdbool.h>

#include "superdb/superdb.h"
#include "tree_kind.h"

enum stream_tag {
    STREAM_TAG_STREAM = 1,
    STREAM_TAG_GROUP = 2,
    STREAM_TAG_CONSUMER = 3,
    STREAM_TAG_NAME = 4,
    STREAM_TAG_PENDING = 5,
    STREAM_TAG_OWNED = 6,
};

struct stream_record {
    enum stream_tag tag;
    uint64_t group, consumer;
    struct sdb_stream_id id;      /* STREAM: the last one; GROUP: the last one that was given to a consumer */
    struct sdb_stream_id deleted; /* the greatest one */
    uint64_t added;               /* entries that the tree's user word does not count */
    uint64_t next;                /* the number of the next group or consumer */
    int64_t read;                 /* entries that the group has read, or -1 */
    int64_t time;
    uint64_t deliveries;
    struct sdb_slice name;
};

/* The user word of a stream's tree: entries added, and whether the last id is the record's rather than the last entry's. */
#define STREAM_USER_RECORDED 1ull
#define STREAM_USER_ADDED_SHIFT 1
#define STREAM_USER_MAX ((1ull << 47) - 1) /* NONZERO_VALUE_MAX */

#define STREAM_HEAD_MAX (1 + 4 * 9) /* bytes of a key without a name */

/* The bytes of a key, or its beginning: all up to the name. */
size_t stream_record_head(const struct stream_record *record, uint8_t head[STREAM_HEAD_MAX]);

/* A key up to its group's number (tag CONSUMER, NAME, PENDING, OWNED), or its consumer's (OWNED): what begins so. */
size_t stream_record_prefix(enum stream_tag tag, uint64_t group, const uint64_t *consumer, uint8_t head[STREAM_HEAD_MAX]);

static inline bool stream_record_is_named(enum stream_tag tag)
{
    return tag == STREAM_TAG_GROUP || tag == STREAM_TAG_CONSUMER;
}

/* An element made of a record: parts, some of which lie in here. */
struct stream_element {
    struct sdb_slice parts[3];
    uint8_t head[TREE_SIZE_BYTES + STREAM_HEAD_MAX], value[6 * 9];
};
void stream_record_write(const struct stream_record *record, struct stream_element *element);

/* False: the bytes make no sense. */
bool stream_record_read(const uint8_t *data, size_t size, struct stream_record *record);

/* ---- checking a stream as a whole ---- */

/* What its trees' elements have to agree on, collected one by one in their order. Memory: the numbers of groups and consumers. */
struct stream_check {
    struct sdb_stream_id last; /* entry */
    bool any;
    bool recorded; /* there is a STREAM record */
    bool sorted;   /* so are the groups */
    struct sdb_stream_id recorded_last;
    uint64_t next_group;
    struct stream_numbers {
        uint64_t (*items)[3]; /* group, consumer, next or mark */
        size_t count, capacity;
    } groups, consumers;
    uint64_t names[2], pending[2]; /* sums over what is there in two forms */
    const char *problem;           /* the first one */
};

void stream_check_entry(struct stream_check *check, const uint8_t *data, size_t size);
void stream_check_record(struct stream_check *check, const uint8_t *data, size_t size);
/* What is wrong, or NULL. Frees the memory. */
const char *stream_check_end(struct stream_check *check, uint64_t user);

#endif
