/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * observe.c - telling the pool's observer what changes
 * Media:   none
 * Holds:   a change is told of while its shard is locked, so that who holds the lock later knows of all that is in the pool
 * Threads: the session's; sdb_observe by anyone
 * Memory:  none
 */
#include "session.h"

void sdb_observe(struct sdb_pool *pool, sdb_observer *observer)
{
    __atomic_store_n(&pool->observer, observer, __ATOMIC_RELEASE);
}

static void tell(struct sdb_session *session, const struct sdb_change *change)
{
    sdb_observer *observer = __atomic_load_n(&session->pool->observer, __ATOMIC_ACQUIRE);

    if (observer)
        observer(change);
}

void observe_key(struct sdb_session *session, enum sdb_change_kind kind, const struct index_key *key)
{
    struct sdb_change change = {.session = session, .kind = kind, .key = {key->data, key->size}};

    /* A key of an emptied database, which is being reclaimed, is in none. */
    for (unsigned d = 0; d < SDB_DATABASES; d++) {
        if (session_physical(session, d) != key->database)
            continue;
        change.database = change.other = d;
        tell(session, &change);
        return;
    }
}

void observe_undone(struct sdb_session *session)
{
    const struct sdb_change change = {.session = session, .kind = SDB_CHANGE_UNDONE};

    tell(session, &change);
}

void observe_databases(struct sdb_session *session, enum sdb_change_kind kind, uint32_t database, uint32_t other)
{
    const struct sdb_change change = {.session = session, .kind = kind, .database = database, .other = other};
    const uint32_t selected = session->database;

    tell(session, &change);
    session->database = selected;
}
