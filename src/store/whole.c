/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * whole.c - renaming, copying and moving keys
 * Media:   through operations
 * Commit:  both keys change in one commit
 * Threads: the session's
 * Memory:  none
 */
#include <string.h>

#include "collection.h"
#include "entry.h"
#include "session.h"

struct whole {
    const void *key, *new_key;
    size_t key_size, new_key_size;
    unsigned database, new_database;
    bool replace;
    bool keep; /* the old key: a copy */
};

static int lock_both(struct sdb_session *session, const struct whole *whole)
{
    unsigned from, to;
    int error = pool_writable(session->pool);

    if (!error && whole->key_size <= SDB_KEY_SIZE_MAX && whole->new_key_size > SDB_KEY_SIZE_MAX)
        error = SDB_ETOOBIG;
    do {
        struct index_key a, b;
        uint32_t shards[2];

        if (error)
            return error;
        from = session_physical(session, whole->database);
        to = session_physical(session, whole->new_database);
        index_key_init(&a, &session->pool->file, from, whole->key_size ? whole->key : "", whole->key_size);
        index_key_init(&b, &session->pool->file, to, whole->new_key_size ? whole->new_key : "", whole->new_key_size);
        shards[0] = a.shard;
        shards[1] = b.shard;
        error = session_lock_many(session, shards, a.shard == b.shard ? 1 : 2);
    } while (error || from != session_physical(session, whole->database) ||
             to != session_physical(session, whole->new_database));
    return SDB_OK;
}

static int stage(struct sdb_session *session, const struct whole *whole)
{
    struct operation old, new;
    struct entry_content content;
    uint8_t scratch[16];
    int error = operation_find(session, whole->database, whole->key, whole->key_size, &old);

    if (!error && !old.exists)
        error = SDB_ENOTFOUND;
    if (!error)
        error = operation_find(session, whole->new_database, whole->new_key, whole->new_key_size, &new);
    if (error)
        return error;
    if (new.exists && !whole->replace)
        return SDB_ECONDITION;
    if (new.exists && new.found.entry == old.found.entry)
        return SDB_OK; /* the same key */
    error = operation_content(session, &old, &content, scratch);
    if (!error && content.tree && whole->keep) /* two keys must not have one */
        error = collection_copy_tree(session, content.tree, new.key.shard, &content.tree);
    if (error)
        return error;
    /* The other key may live in another shard: its blobs are its own. */
    content.key_reference = 0;
    content.value_reference = 0;
    error = operation_put(session, &new, &content);
    if (error || whole->keep)
        return error;
    /* What was staged may have moved the old key's index word. */
    error = operation_find(session, whole->database, whole->key, whole->key_size, &old);
    old.tree_stays = content.tree != 0;
    return error ? error : operation_remove(session, &old);
}

static int run(struct sdb_session *session, const struct whole *whole)
{
    int error, attempt = 0;

    do {
        struct tx_mark mark;

        error = lock_both(session, whole);
        if (error)
            return error;
        mark = tx_savepoint(&session->tx);
        error = operation_end(session, &mark, stage(session, whole));
    } while (session_try_again(session, error, &attempt));
    return error;
}

int sdb_rename(struct sdb_session *session, const void *key, size_t key_size, const void *new_key, size_t new_key_size,
               int replace)
{
    struct whole whole = {.key = key,
                          .key_size = key_size,
                          .new_key = new_key,
                          .new_key_size = new_key_size,
                          .database = session->database,
                          .new_database = session->database,
                          .replace = replace != 0};

    return run(session, &whole);
}

int sdb_copy(struct sdb_session *session, const void *key, size_t key_size, uint32_t database, const void *new_key,
             size_t new_key_size, int replace)
{
    struct whole whole = {.key = key,
                          .key_size = key_size,
                          .new_key = new_key,
                          .new_key_size = new_key_size,
                          .database = session->database,
                          .new_database = database,
                          .replace = replace != 0,
                          .keep = true};

    return database < SDB_DATABASES ? run(session, &whole) : SDB_EINVAL;
}

int sdb_move(struct sdb_session *session, const void *key, size_t key_size, uint32_t database)
{
    struct whole whole = {.key = key,
                          .key_size = key_size,
                          .new_key = key,
                          .new_key_size = key_size,
                          .database = session->database,
                          .new_database = database};

    return database < SDB_DATABASES && database != session->database ? run(session, &whole) : SDB_EINVAL;
}
