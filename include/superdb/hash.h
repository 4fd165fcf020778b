/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * hash.h - hashes: fields and values under one key
 *
 *     struct sdb_pair fields[] = {{{"name", 4}, {"Ada", 3}}, {{"born", 4}, {"1815", 4}}};
 *     sdb_hash_set(session, "user:1", 6, fields, 2, 0, NULL);       // both or none
 *     sdb_hash_get(session, "user:1", 6, "name", 4, buffer, sizeof(buffer), &size);
 *
 * sdb_collection_count, sdb_collection_each, sdb_collection_scan and sdb_collection_random work with SDB_TYPE_HASH; elements have a
 * name, the field, and a value. Errors of all functions: SDB_ETYPE; of those that write, those of sdb_set; of those that read, those of sdb_view.
 */
#ifndef SUPERDB_HASH_H
#define SUPERDB_HASH_H

#include "collection.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Stores fields, all or none. flags: SDB_IF_ABSENT: only if none of them is there. *added, which may be NULL: how many were new.
 * Errors: SDB_ECONDITION, SDB_ETOOBIG. One fence.
 */
SDB_API int sdb_hash_set(struct sdb_session *session, const void *key, size_t key_size, const struct sdb_pair *fields, size_t count,
                         uint32_t flags, size_t *added);

/* Copies a field's value (up to buffer_size bytes) and gives its whole size. Errors: SDB_ENOTFOUND: no such key, or field. */
SDB_API int sdb_hash_get(struct sdb_session *session, const void *key, size_t key_size, const void *field, size_t field_size,
                         void *buffer, size_t buffer_size, size_t *value_size);

/*
 * Shows fields in the order in which they are named, as of one moment: name.data is NULL where there is no such field, or no such key.
 */
SDB_API int sdb_hash_get_many(struct sdb_session *session, const void *key, size_t key_size, const struct sdb_slice *fields,
                              size_t count, sdb_element_fn *visit, void *context);

/* Deletes fields. *deleted, which may be NULL: how many there were. Errors: SDB_ENOTFOUND: no such key. One fence. */
SDB_API int sdb_hash_delete(struct sdb_session *session, const void *key, size_t key_size, const struct sdb_slice *fields,
                            size_t count, size_t *deleted);

/* Adds to a field that holds an integer; one that is not there counts as 0. Errors: SDB_ENOTINT, SDB_EOVERFLOW. One fence. */
SDB_API int sdb_hash_add(struct sdb_session *session, const void *key, size_t key_size, const void *field, size_t field_size,
                         int64_t delta, int64_t *result);

/* The same with a fraction: text takes SDB_FLOAT_TEXT_MAX bytes. Errors: SDB_ENOTFLOAT, SDB_EOVERFLOW. One fence. */
SDB_API int sdb_hash_add_float(struct sdb_session *session, const void *key, size_t key_size, const void *field, size_t field_size,
                               long double delta, char *text, size_t *text_size);

#ifdef __cplusplus
}
#endif
#endif
