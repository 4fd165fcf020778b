/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * stream.h - streams as their files work with them: a collection whose tree has the entries, and whose companion has the rest
 *
 * The tree (STREAM) has entries, [id 16][number of fields][size][field][size][value]...; its companion (RECORDS) what stream_record.h
 * says, in the collection's `members`. There is no companion until something has to be kept in it: a stream to which entries are added
 * and whose beginning is trimmed has none. docs/decisions/020-streams.md.
 *
 * Functions return SDB_OK, SDB_ENOTFOUND, errors of the trees. Names that they give back are valid until the tree is looked at again.
 */
#ifndef SDB_STORE_STREAM_H
#define SDB_STORE_STREAM_H

#include "collection.h"
#include "stream_record.h"

/* ---- entries (stream.c) ---- */

/* What there is to know of a stream besides its entries. */
struct stream_state {
    struct sdb_stream_id last, deleted;
    struct sdb_stream_id first; /* entry; 0-0: none */
    uint64_t length;
    uint64_t added;      /* ever */
    uint64_t next_group; /* number */
};

/* An empty stream, where there is none yet. */
int stream_create(struct collection *stream);

int stream_load(struct collection *stream, struct stream_state *state);
/* Keeps last, deleted, added and next_group, in the record. */
int stream_store(struct collection *stream, const struct stream_state *state);

/* The user word, of which this was the value, counts one entry more, whose id is the last one. */
static inline void stream_count_entry(struct collection *stream, uint64_t user)
{
    user = (user & ~(uint64_t)STREAM_USER_RECORDED) + (1ull << STREAM_USER_ADDED_SHIFT);
    tree_set_user(&stream->tree, user & STREAM_USER_MAX);
}

/* Adds an entry behind the others, and does not count it. */
int stream_append(struct collection *stream, const struct sdb_stream_id *id, const struct sdb_slice *fields, size_t count);

/* The entry with this id. */
int stream_find(struct collection *stream, const struct sdb_stream_id *id, struct tree_place *place);
/* The one at or behind it. */
int stream_seek(struct collection *stream, const struct sdb_stream_id *id, struct tree_place *place);
/* The entry there. Its bytes are valid as tree_read says. */
int stream_read(struct collection *stream, const struct tree_place *place, struct sdb_stream_entry *entry);
/* Only its id, whatever the entry's size. */
int stream_read_id(struct collection *stream, const struct tree_place *place, struct sdb_stream_id *id);

/* ---- records (stream_records.c) ---- */

/* Opens the companion. SDB_ENOTFOUND: there is none. */
int stream_open_records(struct collection *stream);
/* The same, and makes it where there is none, with a record of this state. */
int stream_make_records(struct collection *stream);

/*
 * Finds a record by its key: tag, and what this has. *found, which may be NULL: all of it. records: NULL, or a copy of the companion's
 * struct tree, which keeps places in that one valid.
 */
int stream_record_find(struct collection *stream, struct tree *records, const struct stream_record *key, struct stream_record *found);
/* Inserts a record, or replaces the one with its key. */
int stream_record_put(struct collection *stream, const struct stream_record *record);
/* Takes one out. SDB_ENOTFOUND: there is none. */
int stream_record_take(struct collection *stream, const struct stream_record *key);

/* Keys that begin with these bytes. */
struct stream_prefix {
    uint8_t bytes[STREAM_HEAD_MAX];
    size_t size;
};
void stream_prefix_of(struct stream_prefix *prefix, enum stream_tag tag, uint64_t group, const uint64_t *consumer);
/* How many there are. */
int stream_records_count(struct collection *stream, struct tree *records, const struct stream_prefix *prefix, uint64_t *count);
/* The rank of the first one, or where it would be. */
int stream_records_rank(struct collection *stream, struct tree *records, const struct stream_prefix *prefix, uint64_t *rank);
int stream_records_at(struct collection *stream, struct tree *records, uint64_t rank, struct stream_record *found);
/* Takes them all out. */
int stream_records_clear(struct collection *stream, const struct stream_prefix *prefix);

/* The first record at or behind the key, and on from there. SDB_ENOTFOUND: no more that begin with the prefix. */
int stream_records_first(struct collection *stream, const struct stream_record *key, const struct stream_prefix *prefix,
                         struct tree_place *place, struct stream_record *found);
int stream_records_next(struct collection *stream, const struct stream_prefix *prefix, struct tree_place *place,
                        struct stream_record *found);

/* A name that stays when the tree is looked at again. */
struct stream_name {
    struct sdb_slice slice;
    uint8_t few[TREE_INLINE_MAX];
};
void stream_name_keep(struct stream_name *name, const struct sdb_slice *slice);

/* ---- groups (stream_group.c) ---- */

/* SDB_ECONDITION: there is no such group. */
int stream_group_find(struct collection *stream, const struct sdb_slice *name, struct stream_record *group);
int stream_consumer_find(struct collection *stream, const struct stream_record *group, const struct sdb_slice *name,
                         struct stream_record *consumer);
/* A new consumer; the group's record, which changes, is the caller's to put. */
int stream_consumer_make(struct collection *stream, struct stream_record *group, const struct sdb_slice *name, int64_t now,
                         struct stream_record *consumer);

/* How many entries were added up to this one, or SDB_STREAM_UNKNOWN; whether deletions hide that from an id on. */
int64_t stream_entries_up_to(const struct stream_state *state, const struct sdb_stream_id *id);
bool stream_has_holes(const struct stream_state *state, const struct sdb_stream_id *from);

/* ---- what is pending (stream_pending.c) ---- */

/* Makes it the consumer's. *was: the record as it was, tag 0 where it was not pending. */
int stream_pend(struct collection *stream, const struct stream_record *pending, const struct stream_record *was);
int stream_pending_find(struct collection *stream, uint64_t group, const struct sdb_stream_id *id, struct stream_record *pending);
int stream_pending_take(struct collection *stream, const struct stream_record *pending);

/* ---- copies of entries, which are shown behind a change (stream_copies.c) ---- */

struct stream_copies {
    uint8_t *bytes;
    size_t size, capacity;
};
#define STREAM_COPIES_INIT {NULL, 0, 0}
int stream_copies_add(struct stream_copies *copies, const struct sdb_stream_entry *entry);
/* packed.data NULL. */
int stream_copies_add_id(struct stream_copies *copies, const struct sdb_stream_id *id);
void stream_copies_show(const struct stream_copies *copies, sdb_stream_fn *visit, void *context);
void stream_copies_free(struct stream_copies *copies);

static inline int64_t stream_now(const struct collection *stream, int64_t now_ms)
{
    return now_ms ? now_ms : session_now(stream->session);
}

#endif
