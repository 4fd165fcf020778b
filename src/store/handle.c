/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * handle.c - reading by handle
 * Media:   read only
 * Holds:   a handle is believed only where it names an entry of a page of entries, whose generation is the handle's
 * Threads: the session's
 * Memory:  none
 */
#include <inttypes.h>
#include <string.h>

#include "access.h"
#include "entry.h"
#include "error.h"
#include "gather.h"
#include "maintain.h"
#include "read.h"
#include "word.h"

/* Whether the entry's database was emptied since, so that only its reclaiming is awaited. */
static bool is_flushed(const struct sdb_session *session, const uint64_t words[4])
{
    unsigned id = meta_database(words[0]);

    return session->tx.pool_locked ? database_id_is_dead(session, id)
                                   : __atomic_load_n(&session->pool->id_dead_round[id], __ATOMIC_ACQUIRE) != 0;
}

/* Locks the shard of an entry. Errors: SDB_ESTALE (no such place), SDB_ECONFLICT. */
static int lock_entry(struct sdb_session *session, uint64_t entry)
{
    uint32_t shard;

    if (!heap_owner(&session->pool->heap, &session->tx, entry, &shard))
        return SDB_ESTALE;
    return session_lock(session, shard);
}

int read_entry(struct sdb_session *session, uint64_t entry, uint64_t words[4])
{
    const struct pool_file *file = &session->pool->file;
    bool held = session->held_count != 0;
    enum entry_read result;
    int error;

    if (__builtin_expect(entry_read(file, entry, words) == ENTRY_OK, 1))
        return SDB_OK;
    /* A writer that sleeps in the midst of its stores looks like damage: with the shard locked no writer is there. */
    error = lock_entry(session, entry);
    if (error)
        return error;
    result = entry_read(file, entry, words);
    if (!held && !session->transaction && !session->group)
        error = session_commit(session);
    if (result == ENTRY_OK || error)
        return error;
    error_set("%s: the entry at offset %" PRIu64 " is damaged", file->path, entry);
    stat_add(&session->stats.checksum_errors, 1);
    return SDB_ECORRUPT;
}

int read_handle(struct sdb_session *session, uint64_t handle, uint64_t *entry, uint64_t words[4])
{
    struct sdb_pool *pool = session->pool;
    int error;

    *entry = handle_entry(handle);
    if (!heap_is_entry(&pool->heap, *entry))
        return SDB_ESTALE;
    if (session->transaction) { /* what is read stays locked until its end */
        error = lock_entry(session, *entry);
        if (error)
            return error;
    }
    if (session->tx.line_count && tx_find(&session->tx, *entry / LINE_SIZE)) {
        memcpy(words, tx_line(&session->tx, *entry) + *entry / WORD_SIZE % 8, 4 * WORD_SIZE);
    } else {
        error = read_entry(session, *entry, words);
        if (error)
            return error;
    }
    if (meta_type(words[0]) == 0 && pool_file_is_lost(&pool->file, *entry)) {
        error_set("%s: the page of the entry at offset %" PRIu64 " was lost", pool->file.path, *entry);
        return SDB_ECORRUPT;
    }
    if (meta_type(words[0]) == 0 || meta_generation(words[0]) != (uint16_t)handle)
        return SDB_ESTALE;
    if (!entry_is_sane(words))
        return SDB_ECORRUPT;
    if (is_flushed(session, words))
        return SDB_ESTALE;
    if (__builtin_expect(words[0] & META_EXPIRES, 0) && entry_is_expired(words, session_now(session)))
        return SDB_ESTALE;
    return SDB_OK;
}

int sdb_view_by_handle(struct sdb_session *session, uint64_t handle, struct sdb_view *view)
{
    uint64_t entry, words[4];
    int error;

    do {
        error = read_handle(session, handle, &entry, words);
        if (!error)
            error = read_view(session, entry, words, view);
    } while (error == SDB_EBUSY);
    if (!error)
        access_note(session, entry);
    return error;
}

int sdb_get_by_handle(struct sdb_session *session, uint64_t handle, void *buffer, size_t buffer_size, size_t *value_size)
{
    struct sdb_view view;
    uint64_t words[4];
    int error;

    if (!session->transaction && !session->tx.line_count && gather_one(session, handle, words) &&
        read_copy(words, buffer, buffer_size, value_size))
        return SDB_OK;
    error = sdb_view_by_handle(session, handle, &view);
    if (error)
        return error;
    memcpy(buffer_size ? buffer : view.inlined, view.data, view.size < buffer_size ? view.size : buffer_size);
    if (value_size)
        *value_size = view.size;
    sdb_view_release(session, &view);
    return SDB_OK;
}

static void get_inline(struct sdb_session *session, uint64_t handle, struct sdb_inline *value)
{
    uint64_t entry, words[4];
    int error = read_handle(session, handle, &entry, words);

    if (error) {
        *value = (struct sdb_inline){.result = error};
        return;
    }
    read_inline(words, value);
    if (value->result == SDB_ETOOBIG) {
        value->value.big.handle = handle;
        value->value.big.version = words[0];
    }
}

void sdb_get_many_by_handle(struct sdb_session *session, const uint64_t *handles, size_t count, struct sdb_inline *values)
{
    bool together = !session->transaction && !session->tx.line_count;

    for (size_t done = 0; done < count;) {
        if (together)
            done += gather(session, handles + done, count - done, values + done);
        /* What it stopped at, and what is likely to be beside it. */
        for (size_t end = done + GATHER_GROUP; done < count && done < end; done++)
            get_inline(session, handles[done], &values[done]);
    }
    if (__builtin_expect(access_of(session) != NULL, 0))
        for (size_t i = 0; i < count; i++)
            if (values[i].result == SDB_OK || values[i].result == SDB_ETOOBIG)
                access_note(session, handle_entry(handles[i]));
}

void sdb_prefetch_by_handle(struct sdb_session *session, const uint64_t *handles, size_t count)
{
    struct sdb_pool *pool = session->pool;

    for (size_t i = 0; i < count; i++) {
        if (heap_is_entry(&pool->heap, handle_entry(handles[i])))
            __builtin_prefetch(pool->file.base + handle_entry(handles[i]));
    }
    for (size_t i = 0; i < count; i++) {
        uint64_t entry = handle_entry(handles[i]);
        const uint64_t *words = (const uint64_t *)(const void *)(pool->file.base + entry);

        /* A write needs the key, for the cache. Whatever these words are just now: what is loaded in vain does no harm. */
        if (heap_is_entry(&pool->heap, entry) && meta_key_code(__atomic_load_n(&words[0], __ATOMIC_RELAXED)) == CODE_BLOB)
            __builtin_prefetch(pool->file.base + blob_reference_offset(__atomic_load_n(&words[1], __ATOMIC_RELAXED)));
    }
}
