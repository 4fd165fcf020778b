/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * settle.c - what takes elements out of packed collections goes on in a full pool
 *
 * A packed collection is written anew, which takes memory before any is given back. Where there is none, what stays goes to pages that each
 * shard keeps back for this (enum tx_reserve), and, when that is committed and its old place is free, to that place: the reserve is there
 * again for the next one.
 *
 * Media:   through operations
 * Commit:  two more than the change itself. A crash in between leaves the collection in the reserve until it is changed again, and
 *          the shard finds another reserve when pages become free.
 * Threads: the session's
 * Memory:  none
 */
#include <string.h>

#include "entry.h"
#include "read.h"
#include "session.h"

int settle_put(struct sdb_session *session, struct operation *operation, struct entry_content *content)
{
    struct tx *tx = &session->tx;
    const bool listed = session->unsettled_count < UNSETTLED_MAX;
    int error;

    tx->reserve = listed ? TX_RESERVE_PASSING : TX_RESERVE_LASTING;
    tx->reserve_used = false;
    error = operation_put(session, operation, content);
    tx->reserve = TX_RESERVE_KEPT;
    if (!error && listed && tx->reserve_used)
        session->unsettled[session->unsettled_count++] = handle_of(operation->found.entry, operation->found.words[0]);
    return error;
}

/* Writes what the handle has to another place. */
static int move(struct sdb_session *session, uint64_t handle)
{
    struct operation operation = {.exists = true, .found.entry = handle_entry(handle)};
    struct entry_content content;
    uint8_t key[16], value[16];
    const uint8_t *data;
    int error;

    if (!heap_owner(&session->pool->heap, &session->tx, operation.found.entry, &operation.key.shard))
        return SDB_ECORRUPT;
    error = session_lock(session, operation.key.shard);
    if (error)
        return error;
    operation.mark = tx_savepoint(&session->tx);
    error = read_handle(session, handle, &operation.found.entry, operation.found.words);
    if (!error && !entry_key(&session->pool->file, operation.found.words, key, &data, &operation.key.size))
        error = SDB_ECORRUPT;
    if (!error) {
        operation.key.data = data;
        operation.key.database = meta_database(operation.found.words[0]);
        operation.key.hash = entry_hash(&session->pool->file, operation.key.database, data, operation.key.size);
        error = operation_content(session, &operation, &content, value);
    }
    if (!error && content.value_reference != 0) {
        content.value_reference = 0; /* another blob */
        session->settling = true;    /* nothing of it changes */
        session->tx.reserve = TX_RESERVE_LARGER;
        error = operation_put(session, &operation, &content);
        session->tx.reserve = TX_RESERVE_KEPT;
        session->settling = false;
    }
    return operation_end(session, &operation.mark, error);
}

/* What cannot move now stays where it is: it was told to be durable. */
void settle_owed(struct sdb_session *session)
{
    if (session_commit(session) == SDB_OK)
        for (unsigned i = 0; i < session->unsettled_count; i++)
            (void)move(session, session->unsettled[i]);
    session->unsettled_count = 0;
}
