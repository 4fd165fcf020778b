/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * collection.h - what hashes, lists, sets and sorted sets have in common
 *
 * A key holds a string or a collection. A function for one type that meets another fails with SDB_ETYPE; sdb_set and sdb_delete
 * take any, and so do expiry, renaming, copying and moving. A collection comes to be with its first element and its key is gone with the
 * last. A change keeps the key's time to live.
 *
 * Each call is one operation: atomic, one fence, a part of the open group or transaction where there is one. Small collections
 * are kept in one piece, which every change writes anew; a larger one is a tree in the pool, in which a change costs some ten cache
 * lines, however large it is. Deleting is immediate; the memory of large ones comes back by sdb_maintain.
 *
 * Include superdb/superdb.h, which includes this and the types' own headers.
 */
#ifndef SUPERDB_COLLECTION_H
#define SUPERDB_COLLECTION_H

#include "superdb.h"

#ifdef __cplusplus
extern "C" {
#endif

/* An element as a function is shown it: valid during the call. */
struct sdb_element {
    struct sdb_slice name;  /* a field, a member, an element of a list; data NULL: there is no such element */
    struct sdb_slice value; /* of a field; of anything else empty */
    double score;           /* of a member of a sorted set; of anything else 0 */
};

/* Return 0 to go on, anything else to stop. It must not use the session. */
typedef int sdb_element_fn(void *context, const struct sdb_element *element);

/*
 * How large a collection may be and count as small: what sdb_stat calls SDB_ENCODING_PACKED or SDB_ENCODING_INTS, as Redis' options of
 * these names have it. How it is stored follows that, but for very large values of these limits.
 */
struct sdb_limits {
    uint64_t hash_max_listpack_entries; /* 512 */
    uint64_t hash_max_listpack_value;   /* 64: bytes of a field or a value */
    int64_t list_max_listpack_size;     /* -2; more than 0: elements */
    uint64_t set_max_intset_entries;    /* 512 */
    uint64_t zset_max_listpack_entries; /* 128 */
    uint64_t zset_max_listpack_value;   /* 64: bytes of a member */
};

#define SDB_LIMITS_INIT {512, 64, -2, 512, 128, 64}

/* Any thread, at any time. They are not kept in the pool: a new process has the defaults. */
SDB_API void sdb_set_limits(struct sdb_pool *pool, const struct sdb_limits *limits);
SDB_API void sdb_get_limits(struct sdb_pool *pool, struct sdb_limits *limits);

/* ------------------------------------------------------------------------------------------------------------------
 * What works with a collection of any type. type: SDB_TYPE_LIST, SDB_TYPE_SET, SDB_TYPE_HASH or SDB_TYPE_ZSET. Errors of all of them:
 * SDB_ENOTFOUND (no such key), SDB_ETYPE, SDB_EINVAL (another type), SDB_ECORRUPT, SDB_ECONFLICT, SDB_ENOMEM. No fence but the last one's.
 * ---------------------------------------------------------------------------------------------------------------- */

/* How many elements it has. */
SDB_API int sdb_collection_count(struct sdb_session *session, const void *key, size_t key_size, uint32_t type, uint64_t *count);

/* Shows every element, as of one moment: of a list and a sorted set in their order, otherwise in any. */
SDB_API int sdb_collection_each(struct sdb_session *session, const void *key, size_t key_size, uint32_t type,
                                sdb_element_fn *visit, void *context);

/*
 * Shows about `effort` elements, from *cursor (0: the beginning) on, and writes where to go on to *cursor, 0 at the end. What is an
 * element during the whole scan is shown at least once, whatever changes meanwhile. A small collection is shown whole. A cursor is
 * never invalid. Not of a list.
 */
SDB_API int sdb_collection_scan(struct sdb_session *session, const void *key, size_t key_size, uint32_t type, uint64_t *cursor,
                                size_t effort, sdb_element_fn *visit, void *context);

/*
 * Shows elements at random, each as likely as any other: up to count different ones, or, where count is negative, -count that may be
 * the same.
 */
SDB_API int sdb_collection_random(struct sdb_session *session, const void *key, size_t key_size, uint32_t type, int64_t count,
                                  sdb_element_fn *visit, void *context);

/*
 * Adds an element: behind the others of a list; otherwise under its name, instead of the one that has it. Makes the key where there
 * is none. Errors: SDB_EINVAL (a score that is not a number), those of sdb_set. One fence.
 */
SDB_API int sdb_collection_add(struct sdb_session *session, const void *key, size_t key_size, uint32_t type,
                               const struct sdb_element *element);

/*
 * Stores a collection, whatever the key held, without a time to live: fill, which must not use the session, calls sdb_collection_fill for
 * each element in turn. It may be called again from the beginning (the pool was full, and something could be reclaimed). Where it returns
 * another number than SDB_OK, the key stays as it was, and that is what is returned. No elements: the key is deleted. One fence.
 * Errors: SDB_EINVAL, those of fill, those of sdb_set.
 */
struct sdb_filling;
typedef int sdb_fill_fn(void *context, struct sdb_filling *filling);
SDB_API int sdb_collection_store(struct sdb_session *session, const void *key, size_t key_size, uint32_t type, sdb_fill_fn *fill,
                                 void *context);

/*
 * Inside fill: adds an element, behind the others of a list, otherwise under its name. *added: there was none of this name (else the
 * element takes its place). Errors, which fill returns: SDB_EINVAL (a score that is not a number), SDB_ETOOBIG and others.
 */
SDB_API int sdb_collection_fill(struct sdb_filling *filling, const struct sdb_element *element, int *added);

#ifdef __cplusplus
}
#endif

#include "hash.h"
#include "list.h"
#include "set.h"
#include "sorted_set.h"
#include "stream.h"

#endif
