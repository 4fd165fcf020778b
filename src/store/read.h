/* SPDX-License-Identifier: BSD-3-Clause */
/* read.h - finding and viewing keys without locks: what read.c, handle.c and scan.c share */
#ifndef SDB_STORE_READ_H
#define SDB_STORE_READ_H

#include <string.h>

#include "entry.h"
#include "session.h"
#include "word.h"

/* Prepares a key of the session's database. */
void read_key_init(const struct sdb_session *session, const void *key, size_t key_size, struct index_key *out);

/* Finds a live key. Errors: SDB_ENOTFOUND, SDB_ECORRUPT, SDB_ECONFLICT (in a transaction). */
int read_find(struct sdb_session *session, const struct index_key *key, struct index_found *found);

/*
 * Makes a view of an entry whose words were read. Errors: SDB_ECORRUPT; SDB_EBUSY: the entry changed meanwhile, find it again.
 */
int read_view(struct sdb_session *session, uint64_t entry, const uint64_t words[4], struct sdb_view *view);

/*
 * Makes a view of a packed collection's blob, and of nothing else of it. Errors: SDB_ENOTFOUND, SDB_ETYPE, SDB_ECORRUPT; SDB_EBUSY: it is a tree.
 */
int read_packed(struct sdb_session *session, const void *key, size_t key_size, unsigned type, struct index_found *found,
                struct sdb_view *view);

/* Fills in what is known of the use of the key that has the entry. */
void read_use(const struct sdb_session *session, uint64_t entry, struct sdb_stat *stat);

/* A small value, as a batch returns it. */
static inline void read_inline(const uint64_t words[4], struct sdb_inline *value)
{
    unsigned code = meta_value_code(words[0]), index = entry_value_index(words[0]);
    bool outside = (code | 2) == CODE_BLOB; /* or CODE_TREE */
    uint64_t data[2] = {words[index & 3], words[(index + 1) & 3]}; /* of an empty value the index may be 4 */

    value->result = outside ? SDB_ETOOBIG : SDB_OK;
    value->size = (uint8_t)(code == CODE_INTEGER ? WORD_SIZE : outside ? 0 : code);
    value->encoding = (uint8_t)(code == CODE_INTEGER ? SDB_ENCODING_INT
                                : outside            ? SDB_ENCODING_BLOB
                                                     : SDB_ENCODING_INLINE);
    memset(value->reserved, 0, sizeof(value->reserved));
    data[0] = code == 0 ? 0 : data[0];
    data[1] = code > WORD_SIZE && code <= INLINE_SIZE_MAX ? data[1] : 0;
    memcpy(value->value.data, data, sizeof(data));
}

/* The value's bytes, where they stand in the words as they are: copies what fits. False: an integer, or a blob. */
static inline bool read_copy(const uint64_t words[4], void *buffer, size_t buffer_size, size_t *value_size)
{
    unsigned size = meta_value_code(words[0]), index = entry_value_index(words[0]);

    if (size > INLINE_SIZE_MAX)
        return false;
    if (__builtin_expect(size == WORD_SIZE && buffer_size >= WORD_SIZE, 1))
        memcpy(buffer, &words[index], WORD_SIZE);
    else if (size && buffer_size)
        memcpy(buffer, &words[index], size < buffer_size ? size : buffer_size);
    if (value_size)
        *value_size = size;
    return true;
}

/* Reads an entry as it is on the medium, waiting for a writer that is at it. Errors: SDB_ECORRUPT, SDB_ECONFLICT, SDB_ESTALE. */
int read_entry(struct sdb_session *session, uint64_t entry, uint64_t words[4]);

/* Reads the entry behind a handle: staged words where the session has some. Errors: SDB_ESTALE, SDB_ECORRUPT, SDB_ECONFLICT. */
int read_handle(struct sdb_session *session, uint64_t handle, uint64_t *entry, uint64_t words[4]);

static inline uint64_t handle_of(uint64_t entry, uint64_t meta)
{
    return entry >> ENTRY_SHIFT << 16 | (meta >> META_GENERATION_SHIFT & 0xffff);
}
static inline uint64_t handle_entry(uint64_t handle) { return handle >> 16 << ENTRY_SHIFT; }

#define READ_WINDOW INDEX_PROBES /* keys that are found together */

#endif
