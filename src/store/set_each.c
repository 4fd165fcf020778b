/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * set_each.c - setting many keys, each by itself
 * Media:   handle entries, through the transaction; what is more than a word or two in place goes through sdb_set
 * Commit:  the group's, one is opened where there is none
 * Holds:   1. The keys' shards are locked before their entries are looked for, so that what is found stays.
 *          2. A key's operation is done at once and whole, or left to sdb_set; they take effect in their order.
 * Threads: the session's
 * Memory:  none
 */
#include "access.h"
#include "ahead.h"
#include "overwrite.h"
#include "session.h"

/* Locks all shards of the keys, without waiting, and prepares their probes. False: there was a lock to wait for. */
static bool lock_keys(struct sdb_session *session, const struct sdb_pair *pairs, size_t count)
{
    const struct sdb_pool *pool = session->pool;
    struct ahead *ahead = &session->ahead;
    unsigned physical = session_physical(session, session->database);
    bool locked = true;

    ahead->count = 0;
    ahead->next = 0;
    for (size_t i = 0; i < count; i++) {
        struct index_probe *probe = &ahead->probes[i];

        index_key_init(&probe->key, &pool->file, physical, pairs[i].key.size ? pairs[i].key.data : "", pairs[i].key.size);
        probe->state = INDEX_PROBE_OPEN;
        locked &= session_lock_at_once(session, probe->key.shard);
    }
    ahead->count = (uint32_t)count;
    /* Databases change places under all shards' locks: what was read before these locks may be out of date. */
    return locked && physical == session_physical(session, session->database);
}

/* Each pair through sdb_set. Returns how many. */
static size_t set_singly(struct sdb_session *session, const struct sdb_pair *pairs, size_t count, int *error)
{
    size_t done = 0;

    while (done < count) {
        *error = sdb_set(session, pairs[done].key.data, pairs[done].key.size, pairs[done].value.data, pairs[done].value.size, NULL);
        if (*error)
            break;
        done++;
    }
    return done;
}

/* Up to INDEX_PROBES pairs, or fewer where a commit came between: the locks are gone then. Returns how many. */
static size_t set_window(struct sdb_session *session, const struct sdb_pair *pairs, size_t count, int *error)
{
    struct ahead *ahead = &session->ahead;
    size_t lines_max = session_group_lines(session);

    if (session->transaction || pool_writable(session->pool) || !lock_keys(session, pairs, count))
        return set_singly(session, pairs, count, error);
    ahead_find(session, ahead->probes, count);
    for (size_t i = 0; i < count; i++) {
        if (session->tx.line_count >= lines_max) {
            *error = session_commit(session);
            return i;
        }
        if (ahead->probes[i].state == INDEX_PROBE_FOUND &&
            overwrite(session, &ahead->probes[i].key, &ahead->probes[i].found, &pairs[i].value)) {
            access_note(session, ahead->probes[i].found.entry);
            continue;
        }
        ahead->next = (uint32_t)i;
        if (set_singly(session, &pairs[i], 1, error) == 0)
            return i;
        if (!session_holds(session, ahead->probes[i].key.shard))
            return i + 1;
        lines_max = session_group_lines(session);
    }
    return count;
}

int sdb_set_each(struct sdb_session *session, const struct sdb_pair *pairs, size_t count, size_t *done)
{
    bool opened = sdb_group_begin(session) == SDB_OK;
    int error = SDB_OK;
    size_t n = 0;

    while (n < count && !error)
        n += set_window(session, pairs + n, count - n < INDEX_PROBES ? count - n : INDEX_PROBES, &error);
    if (opened) {
        int ended = sdb_group_end(session);

        error = ended ? ended : error;
    }
    if (done)
        *done = n;
    return error;
}
