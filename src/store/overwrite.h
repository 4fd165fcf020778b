/* SPDX-License-Identifier: BSD-3-Clause */
/* overwrite.h - a small value in the place of another */
#ifndef SDB_STORE_OVERWRITE_H
#define SDB_STORE_OVERWRITE_H

#include "session.h"

/*
 * Stages a new value of a key without an expiry, and its touch, where both the old and the new value stand in the key's entry and the
 * key stays where it is. found: the entry as it is, staged words included, or as it was found without a lock; the key's shard is
 * locked. An operation that this does is complete with it and cannot be taken back by itself: not inside a transaction (tx_put_entry).
 * False: it is for operation_put; nothing has changed.
 */
bool overwrite(struct sdb_session *session, const struct index_key *key, const struct index_found *found,
               const struct sdb_slice *value);

/*
 * The same outside of groups and transactions, where nothing else is staged: commits it, and lets go of the key's shard. *error: of the commit. False: it is
 * for overwrite, or for operation_put; nothing has changed.
 */
bool overwrite_alone(struct sdb_session *session, const struct index_key *key, struct index_found *found, const struct sdb_slice *value,
                     int *error);

#endif
