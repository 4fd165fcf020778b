/* SPDX-License-Identifier: BSD-3-Clause */
/* ahead.h - finding keys ahead of the operations on them, many at a time */
#ifndef SDB_STORE_AHEAD_H
#define SDB_STORE_AHEAD_H

#include "session.h"

/*
 * Finds keys that are prepared (at most INDEX_PROBES), in the cache or without a lock in the pool, and starts loading what their
 * entries name. What is under way or damaged, and what is missing, is INDEX_PROBE_ASIDE.
 */
void ahead_find(struct sdb_session *session, struct index_probe *probes, size_t count);

/*
 * Prepares a key of a database (physical number), from what sdb_prefetch prepared where that can be. Returns the entry that it had
 * then, for index_entry_is; 0: not known.
 */
uint64_t ahead_key_init(struct sdb_session *session, unsigned database, const void *data, size_t size, struct index_key *key);

#endif
