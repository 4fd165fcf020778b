/* SPDX-License-Identifier: BSD-3-Clause */
/* maintain.h - between maintain.c and database.c */
#ifndef SDB_STORE_MAINTAIN_H
#define SDB_STORE_MAINTAIN_H

#include "session.h"

/* Whether a physical number's keys are being reclaimed; as the session sees the root. */
bool database_id_is_dead(const struct sdb_session *session, unsigned id);
/* Stages it. Under heap.pool_lock. */
void database_id_set_dead(struct sdb_session *session, unsigned id, bool dead);

/* Counts the shards whose counts a crash lost. */
int database_counts_ready(struct sdb_session *session);

/*
 * sdb_maintain for an operation that cannot go on without what it yields, again and again until there is some. Commits what is staged
 * before and behind it, a group's part too: who waits for another thread's maintenance must hold no shard that it may need.
 */
int maintain_for_room(struct sdb_session *session, size_t effort, int *done);

/* Frees a part of what dropped collections had, and commits. 1: there was some, 0: there is none. Errors: negative. */
int maintain_dropped(struct sdb_session *session);

#endif
