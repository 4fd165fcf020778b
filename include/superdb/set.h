/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * set.h - sets: members under one key, each of them once
 *
 *     struct sdb_slice tags[] = {{"red", 3}, {"round", 5}};
 *     sdb_members_add(session, "tags:1", 6, tags, 2, NULL);        // both or none
 *     sdb_members_combine(session, SDB_INTERSECTION, keys, 2, 0, show, context);
 *
 * Functions begin with sdb_members, as sdb_set stores a string. A member is found in steps that grow with the logarithm of how many there
 * are.
 *
 * sdb_collection_count, sdb_collection_each, sdb_collection_scan and sdb_collection_random work with SDB_TYPE_SET; elements have a name
 * only, the member. Errors of all functions: SDB_ETYPE; of those that write, those of sdb_set; of those that read, those of sdb_view.
 */
#ifndef SUPERDB_SET_H
#define SUPERDB_SET_H

#include "collection.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Adds members, all or none. *added, which may be NULL: how many were new. Errors: SDB_ETOOBIG. One fence. */
SDB_API int sdb_members_add(struct sdb_session *session, const void *key, size_t key_size, const struct sdb_slice *members,
                            size_t count, size_t *added);

/* Takes members away. *removed, which may be NULL: how many there were. Errors: SDB_ENOTFOUND: no such key. One fence. */
SDB_API int sdb_members_remove(struct sdb_session *session, const void *key, size_t key_size, const struct sdb_slice *members,
                               size_t count, size_t *removed);

/* Says of each name, as of one moment, whether it is a member: found[i] is 1 or 0. No such key: none is. */
SDB_API int sdb_members_find(struct sdb_session *session, const void *key, size_t key_size, const struct sdb_slice *members,
                             size_t count, unsigned char *found);

/*
 * Takes up to count members away, chosen at random, each as likely as any other, and shows them when all of them are gone: a visitor
 * that stops misses the others. Copies them meanwhile. Errors: SDB_ENOTFOUND: no such key. One fence; none for a count of 0.
 */
SDB_API int sdb_members_pop(struct sdb_session *session, const void *key, size_t key_size, uint64_t count, sdb_element_fn *visit,
                            void *context);

/*
 * Moves a member from one set to another, or leaves it where both are the same. First the source changes. Errors: SDB_ENOTFOUND: it
 * is not a member of the source. One fence.
 */
SDB_API int sdb_members_move(struct sdb_session *session, const struct sdb_slice *source, const struct sdb_slice *destination,
                             const void *member, size_t member_size);

/* What of several sets: members of any of them, of each of them, of the first and none of the others. */
enum sdb_combination { SDB_UNION = 0, SDB_INTERSECTION = 1, SDB_DIFFERENCE = 2 };

/*
 * Shows what comes of several sets, as of one moment, but no more than limit members (0: all), which are copied meanwhile. A key that is not there is
 * an empty set. An intersection looks the members of the smallest set up in the others. Errors: SDB_EINVAL: no key.
 */
SDB_API int sdb_members_combine(struct sdb_session *session, enum sdb_combination how, const struct sdb_slice *keys, size_t count,
                                uint64_t limit, sdb_element_fn *visit, void *context);

/*
 * Stores it under a key, in place of whatever is there, which may be one of the sets; nothing comes of them: that key is gone. *stored, which
 * may be NULL: how many members. Errors: SDB_EINVAL: no key. One fence.
 */
SDB_API int sdb_members_store(struct sdb_session *session, enum sdb_combination how, const struct sdb_slice *destination,
                              const struct sdb_slice *keys, size_t count, uint64_t *stored);

#ifdef __cplusplus
}
#endif
#endif
