/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * stream.h - streams: entries of fields and values in the order of their ids, and groups of consumers that share them
 *
 *     struct sdb_slice fields[] = {{"temperature", 11}, {"21.5", 4}};
 *     struct sdb_stream_addition reading = {.form = SDB_STREAM_ID_AUTO, .fields = fields, .count = 1};
 *     struct sdb_stream_range last = {SDB_STREAM_ID_MIN, SDB_STREAM_ID_MAX, SDB_STREAM_REVERSE, 10};
 *
 *     sdb_stream_add(session, "sensor", 6, &reading, NULL);        // one fence
 *     sdb_stream_range(session, "sensor", 6, &last, show, NULL);   // the ten newest
 *
 * Ids are made of a time in milliseconds and a number within it, and rise: an entry is added behind all that ever were. Fields are
 * kept as they come, the same one more than once if need be. A stream whose last entry was taken out stays: it is the one
 * collection that is there without an element. Its key goes by sdb_delete.
 *
 * A group has a place in the stream, behind the last entry that it gave to one of its consumers, and a list of what is pending: entries
 * that a consumer was given and that nobody has acknowledged, each with the time and the number of its deliveries. An entry may be taken
 * out of the stream while it is pending.
 *
 * Each call is one operation: atomic, one fence where it changes anything, a part of the open group or transaction where there is one.
 * Adding costs the same whatever the stream's size; finding an entry by its id, a group, a consumer, or what is pending, O(log n).
 * Times called now_ms: 0 means the session's clock (sdb_session_set_time).
 *
 * Errors of all functions: SDB_ETYPE; SDB_ENOTFOUND: no such key (of those that may make it only where they are told not to); of those
 * that name a group: SDB_ECONDITION: the stream has no such group. Besides, of those that write, those of sdb_set; of those that read,
 * those of sdb_view. After SDB_ENOTFOUND and SDB_ECONDITION nothing was changed. Slices that a visitor is shown are valid during the
 * call, and it must not use the session; where it returns another number than 0 it is called no more, and the function returns SDB_OK.
 *
 * Observers (sdb_observe) are told SDB_CHANGE_STORED where entries come or go, and SDB_CHANGE_GROUPS where only groups, consumers, what is
 * pending, or what sdb_stream_set sets does.
 *
 * Include superdb/superdb.h, which includes this by way of superdb/collection.h.
 */
#ifndef SUPERDB_STREAM_H
#define SUPERDB_STREAM_H

#include "collection.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- ids ---- */

struct sdb_stream_id {
    uint64_t ms;
    uint64_t sequence;
};

#define SDB_STREAM_ID_MIN {0, 0}
#define SDB_STREAM_ID_MAX {UINT64_MAX, UINT64_MAX}

/* -1, 0 or 1, as a is before b, the same, or behind it. */
static inline int sdb_stream_id_compare(const struct sdb_stream_id *a, const struct sdb_stream_id *b)
{
    if (a->ms != b->ms)
        return a->ms < b->ms ? -1 : 1;
    return a->sequence < b->sequence ? -1 : a->sequence > b->sequence;
}

/* To the id behind it, or before it: for bounds that do not belong to a range. 0: there is none, and it stays as it is. */
SDB_API int sdb_stream_id_next(struct sdb_stream_id *id);
SDB_API int sdb_stream_id_previous(struct sdb_stream_id *id);

/* ---- entries ---- */

/* An entry as a function is shown it. */
struct sdb_stream_entry {
    struct sdb_stream_id id;
    uint64_t count;          /* of fields, each with its value */
    struct sdb_slice packed; /* them: see sdb_stream_field; data NULL: there is no such entry any more (of what is pending) */
};

/*
 * The field at *at (0: the first) and its value; *at moves on to the next. 0: there is none. No session is needed; both are valid as
 * long as the entry.
 */
SDB_API int sdb_stream_field(const struct sdb_stream_entry *entry, size_t *at, struct sdb_slice *field, struct sdb_slice *value);

/* Return 0 to go on, anything else to stop. */
typedef int sdb_stream_fn(void *context, const struct sdb_stream_entry *entry);

/* What to take out at the stream's beginning. */
enum sdb_stream_trim_by {
    SDB_STREAM_BY_LENGTH, /* all but so many entries */
    SDB_STREAM_BY_ID,     /* entries before an id */
};

struct sdb_stream_trim {
    enum sdb_stream_trim_by by;
    uint64_t length;
    struct sdb_stream_id id;
    uint64_t block; /* 0: exactly. Otherwise only whole blocks of so many entries, in the order in which they were added: XTRIM with ~ */
    uint64_t limit; /* 0: none. Otherwise no more than so many entries go; not with block 0 */
};

enum sdb_stream_id_form {
    SDB_STREAM_ID_AUTO,  /* the time, or the id behind the last one where that is not behind it */
    SDB_STREAM_ID_MS,    /* id.ms is given: the first sequence number that is free behind the last id */
    SDB_STREAM_ID_GIVEN, /* id is */
};

struct sdb_stream_addition {
    enum sdb_stream_id_form form;
    struct sdb_stream_id id;
    int64_t now_ms;                     /* for SDB_STREAM_ID_AUTO */
    const struct sdb_slice *fields;     /* field, value, field, value, ... */
    size_t count;                       /* pairs; 0: an entry without fields */
    uint32_t flags;                     /* SDB_IF_PRESENT: only where there is such a key */
    const struct sdb_stream_trim *trim; /* behind the addition; NULL: nothing */
};

struct sdb_stream_added {
    struct sdb_stream_id id;
    uint64_t trimmed; /* entries that went */
};

/*
 * Adds an entry, and makes the stream where there is none. added may be NULL. Errors: SDB_ENOTFOUND (SDB_IF_PRESENT); SDB_EINVAL: the id
 * is 0-0; SDB_ECONDITION: it is not behind the last one; SDB_EOVERFLOW: the last one is the greatest there is; SDB_ETOOBIG: a field or
 * value has more than SDB_ELEMENT_SIZE_MAX bytes, or all together have more than SDB_STREAM_ENTRY_SIZE_MAX. One fence.
 */
SDB_API int sdb_stream_add(struct sdb_session *session, const void *key, size_t key_size, const struct sdb_stream_addition *addition,
                           struct sdb_stream_added *added);

/* Takes entries out at the beginning. *trimmed, which may be NULL: how many. One fence, and none where nothing goes. */
SDB_API int sdb_stream_trim(struct sdb_session *session, const void *key, size_t key_size, const struct sdb_stream_trim *trim,
                            uint64_t *trimmed);

/* Takes entries out. *deleted, which may be NULL: how many there were. */
SDB_API int sdb_stream_delete(struct sdb_session *session, const void *key, size_t key_size, const struct sdb_stream_id *ids,
                              size_t count, uint64_t *deleted);

SDB_API int sdb_stream_length(struct sdb_session *session, const void *key, size_t key_size, uint64_t *length);

enum sdb_stream_range_flags {
    SDB_STREAM_REVERSE = 1u << 0, /* from the last one to the first */
};

struct sdb_stream_range {
    struct sdb_stream_id first, last; /* both belong to it; first is the smaller one, reversed or not */
    uint32_t flags;
    uint64_t count; /* at most so many */
};

/* Shows entries in order, as of one moment. */
SDB_API int sdb_stream_range(struct sdb_session *session, const void *key, size_t key_size, const struct sdb_stream_range *range,
                             sdb_stream_fn *visit, void *context);

/* ---- the stream as a whole ---- */

struct sdb_stream_info {
    uint64_t length;
    uint64_t entries_added;              /* ever, or as sdb_stream_set had it */
    struct sdb_stream_id last_id;        /* that was given to an entry, or set; 0-0: none */
    struct sdb_stream_id max_deleted_id; /* of entries that sdb_stream_delete took out; 0-0: none */
    struct sdb_stream_id first_id;       /* of the first entry; 0-0: there is none */
    uint64_t groups;
};

SDB_API int sdb_stream_info(struct sdb_session *session, const void *key, size_t key_size, struct sdb_stream_info *info);

enum sdb_stream_set_flags {
    SDB_STREAM_SET_ADDED = 1u << 0,       /* entries_added is set, too */
    SDB_STREAM_SET_MAX_DELETED = 1u << 1, /* and so is max_deleted_id */
};

/*
 * Sets the last id, behind which entries are added (info->last_id), and what the flags name. Errors: SDB_ECONDITION: the last id would
 * be before the last entry, or fewer entries added than there are. One fence.
 */
SDB_API int sdb_stream_set(struct sdb_session *session, const void *key, size_t key_size, const struct sdb_stream_info *info,
                           uint32_t flags);

/* ---- groups and consumers ---- */

#define SDB_STREAM_UNKNOWN (-1) /* a number of entries that cannot be told */
#define SDB_STREAM_LAG_UNKNOWN INT64_MIN

enum sdb_stream_group_flags {
    SDB_STREAM_FROM_LAST = 1u << 0, /* behind the stream's last id, whatever id says */
    SDB_STREAM_MAKE = 1u << 1,      /* of sdb_stream_group_create: makes an empty stream where there is none */
};

/* Where a group goes on. */
struct sdb_stream_start {
    struct sdb_stream_id id; /* behind this one */
    int64_t entries_read;    /* how many entries it has read so far, or SDB_STREAM_UNKNOWN */
    uint32_t flags;
};

struct sdb_stream_group {
    struct sdb_slice name;
    struct sdb_stream_id last_id; /* the last one given to a consumer */
    int64_t entries_read;         /* or SDB_STREAM_UNKNOWN */
    int64_t lag;                  /* entries that it has not read, less than 0 if it is said to have read more, or SDB_STREAM_LAG_UNKNOWN */
    uint64_t consumers, pending;
    struct sdb_stream_id first_pending, last_pending; /* the smallest and the greatest id that is pending; 0-0: none */
};

struct sdb_stream_consumer {
    struct sdb_slice name;
    int64_t seen_ms; /* when it last asked for anything */
    uint64_t pending;
};

typedef int sdb_stream_group_fn(void *context, const struct sdb_stream_group *group);
typedef int sdb_stream_consumer_fn(void *context, const struct sdb_stream_consumer *consumer);

/* Makes a group. Errors: SDB_ECONDITION: there is one of this name; SDB_ENOTFOUND: no such key, without SDB_STREAM_MAKE. One fence. */
SDB_API int sdb_stream_group_create(struct sdb_session *session, const void *key, size_t key_size, const void *group, size_t group_size,
                                    const struct sdb_stream_start *start);

/* Has the group go on elsewhere; what is pending stays. SDB_STREAM_MAKE means nothing here. One fence. */
SDB_API int sdb_stream_group_set(struct sdb_session *session, const void *key, size_t key_size, const void *group, size_t group_size,
                                 const struct sdb_stream_start *start);

/* The group goes, with its consumers and what is pending. One fence. */
SDB_API int sdb_stream_group_destroy(struct sdb_session *session, const void *key, size_t key_size, const void *group,
                                     size_t group_size);

/* One group; group->name is what was asked for. */
SDB_API int sdb_stream_group(struct sdb_session *session, const void *key, size_t key_size, const void *name, size_t name_size,
                             struct sdb_stream_group *group);

/* All of them, in the order of their names' bytes. */
SDB_API int sdb_stream_groups(struct sdb_session *session, const void *key, size_t key_size, sdb_stream_group_fn *visit,
                              void *context);

/* Makes a consumer, seen now. *created, which may be NULL: there was none of this name (else nothing is changed). One fence. */
SDB_API int sdb_stream_consumer_create(struct sdb_session *session, const void *key, size_t key_size, const struct sdb_slice *group,
                                       const struct sdb_slice *consumer, int64_t now_ms, int *created);

/*
 * The consumer goes, with what is pending of it. *existed and *pending, which may be NULL: whether there was one (else nothing is
 * changed), and what it had. One fence.
 */
SDB_API int sdb_stream_consumer_delete(struct sdb_session *session, const void *key, size_t key_size, const struct sdb_slice *group,
                                       const struct sdb_slice *consumer, int *existed, uint64_t *pending);

/* All consumers of a group, in the order of their names' bytes. */
SDB_API int sdb_stream_consumers(struct sdb_session *session, const void *key, size_t key_size, const struct sdb_slice *group,
                                 sdb_stream_consumer_fn *visit, void *context);

/* ---- reading by groups. What is shown is what was done: the visitors are called behind the change, which they cannot stop ---- */

enum sdb_stream_read_flags {
    SDB_STREAM_HISTORY = 1u << 0, /* shows again what is pending of this consumer, behind the id `after`; packed.data is NULL where the
                                     entry is gone. What is not gone counts as delivered once more */
    SDB_STREAM_NO_ACK = 1u << 1,  /* what is given does not become pending */
};

struct sdb_stream_reading {
    struct sdb_slice group, consumer; /* a consumer that is not there is made */
    struct sdb_stream_id after;       /* with SDB_STREAM_HISTORY; otherwise what no consumer of the group was given yet is */
    uint64_t count;                   /* at most so many; 0: all */
    uint32_t flags;
    int64_t now_ms;
};

struct sdb_stream_read {
    int served;           /* 0: there is nothing new; no consumer was made, nothing was changed */
    int consumer_created;
};

/* done may be NULL. One fence, and none where nothing was served. */
SDB_API int sdb_stream_read_group(struct sdb_session *session, const void *key, size_t key_size, const struct sdb_stream_reading *reading,
                                  struct sdb_stream_read *done, sdb_stream_fn *visit, void *context);

/* What was pending is done with. *acknowledged, which may be NULL: how many of them were pending. One fence, none where nothing was. */
SDB_API int sdb_stream_acknowledge(struct sdb_session *session, const void *key, size_t key_size, const struct sdb_slice *group,
                                   const struct sdb_stream_id *ids, size_t count, uint64_t *acknowledged);

/* ---- what is pending ---- */

struct sdb_stream_pending {
    struct sdb_stream_id id;
    struct sdb_slice consumer;
    int64_t delivered_ms; /* the last time */
    uint64_t deliveries;
};

typedef int sdb_stream_pending_fn(void *context, const struct sdb_stream_pending *pending);

struct sdb_stream_pending_range {
    struct sdb_slice group;
    struct sdb_slice consumer; /* data NULL: of all of them; one that is not there has nothing */
    struct sdb_stream_id first, last;
    uint64_t count;      /* at most so many; 0: none */
    int64_t min_idle_ms; /* only what was delivered so long ago at least */
    int64_t now_ms;
};

/* Shows what is pending, in the order of ids, as of one moment. */
SDB_API int sdb_stream_pending(struct sdb_session *session, const void *key, size_t key_size, const struct sdb_stream_pending_range *range,
                               sdb_stream_pending_fn *visit, void *context);

/*
 * Has something pending as it was elsewhere: pending->consumer's, which is there, whoever had it; the entry need not be in the stream.
 * Errors: SDB_ECONDITION: no such group, or consumer. One fence.
 */
SDB_API int sdb_stream_pend(struct sdb_session *session, const void *key, size_t key_size, const struct sdb_slice *group,
                            const struct sdb_stream_pending *pending);

enum sdb_stream_claim_flags {
    SDB_STREAM_FORCE = 1u << 0,          /* what is not pending becomes so, where there is such an entry */
    SDB_STREAM_JUST_ID = 1u << 1,        /* no fields are shown (packed.data is NULL), and the number of deliveries stays */
    SDB_STREAM_SET_DELIVERED = 1u << 2,  /* delivered_ms instead of now */
    SDB_STREAM_SET_DELIVERIES = 1u << 3, /* deliveries instead of one more */
};

struct sdb_stream_claim {
    struct sdb_slice group, consumer; /* a consumer that is not there is made once it gets something */
    const struct sdb_stream_id *ids;
    size_t count;
    int64_t min_idle_ms; /* only what was delivered so long ago at least; 0 or less: all */
    uint32_t flags;
    int64_t delivered_ms;
    uint64_t deliveries;
    struct sdb_stream_id last_id; /* the group goes on behind this one, where it is behind its own */
    int64_t now_ms;
};

/*
 * Gives pending entries to another consumer, and shows them. What is pending of entries that are gone is removed, and not shown.
 * *consumer_created may be NULL. One fence.
 */
SDB_API int sdb_stream_claim(struct sdb_session *session, const void *key, size_t key_size, const struct sdb_stream_claim *claim,
                             int *consumer_created, sdb_stream_fn *visit, void *context);

struct sdb_stream_autoclaim {
    struct sdb_slice group, consumer;
    struct sdb_stream_id start; /* of what is pending */
    uint64_t count;             /* at most so many are claimed or found to be gone, and ten times as many looked at */
    int64_t min_idle_ms;
    uint32_t flags; /* SDB_STREAM_JUST_ID */
    int64_t now_ms;
};

struct sdb_stream_autoclaimed {
    struct sdb_stream_id next; /* where to go on; 0-0: that was all */
    int consumer_created;
};

/*
 * The same for what is pending from an id on. First `visit` is shown what was claimed, then `gone` the ids whose entries are gone and
 * that are pending no more. done may be NULL. One fence.
 */
SDB_API int sdb_stream_autoclaim(struct sdb_session *session, const void *key, size_t key_size, const struct sdb_stream_autoclaim *claim,
                                 struct sdb_stream_autoclaimed *done, sdb_stream_fn *visit, sdb_stream_fn *gone, void *context);

/* ---- whole streams, from elsewhere ---- */

/*
 * Stores a stream, whatever the key held, without a time to live: fill, which must not use the session, calls the functions below.
 * It may be called again from the beginning (the pool was full, and something could be reclaimed). Where it returns another number
 * than SDB_OK, the key stays as it was, and that is what is returned. Nothing filled in: the stream is empty. One fence.
 */
struct sdb_stream_filling;
typedef int sdb_stream_fill_fn(void *context, struct sdb_stream_filling *filling);
SDB_API int sdb_stream_store(struct sdb_session *session, const void *key, size_t key_size, sdb_stream_fill_fn *fill, void *context);

/*
 * Inside fill, in any order but for what is said here. Errors, which fill returns: SDB_EINVAL where it makes no sense, SDB_ETOOBIG and
 * others. An entry is behind the one before. fields: as in struct sdb_stream_addition.
 */
SDB_API int sdb_stream_fill_entry(struct sdb_stream_filling *filling, const struct sdb_stream_id *id, const struct sdb_slice *fields,
                                  size_t count);

/* Behind all entries: last_id, max_deleted_id and entries_added, which are otherwise the last entry's, none, and the entries filled in. */
SDB_API int sdb_stream_fill_info(struct sdb_stream_filling *filling, const struct sdb_stream_info *info);

/* A group, by name, last_id and entries_read; the name stays valid until the next group, or the end. SDB_EINVAL: there is one of this name. */
SDB_API int sdb_stream_fill_group(struct sdb_stream_filling *filling, const struct sdb_stream_group *group);

/* A consumer of the group filled in last, by name and seen_ms. SDB_EINVAL: there is one of this name, or no group yet. */
SDB_API int sdb_stream_fill_consumer(struct sdb_stream_filling *filling, const struct sdb_stream_consumer *consumer);

/* What is pending of the consumer filled in last; its entry need not be there. SDB_EINVAL: it is pending already, or there is no consumer. */
SDB_API int sdb_stream_fill_pending(struct sdb_stream_filling *filling, const struct sdb_stream_pending *pending);

#ifdef __cplusplus
}
#endif
#endif
