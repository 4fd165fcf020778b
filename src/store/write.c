/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * write.c - setting and deleting keys
 * Media:   through operations
 * Commit:  one for each call, or the group's or transaction's
 * Threads: the session's
 * Memory:  a list of shards where many keys are named at once
 */
#include <inttypes.h>
#include <stdlib.h>

#include "entry.h"
#include "error.h"
#include "overwrite.h"
#include "read.h"
#include "session.h"

static const struct sdb_set_options no_options = {0};

static int check_value(size_t size)
{
    if (size <= SDB_VALUE_SIZE_MAX)
        return SDB_OK;
    error_set("a value of %zu bytes: at most %u are allowed", size, SDB_VALUE_SIZE_MAX);
    return SDB_ETOOBIG;
}

static bool condition_holds(const struct operation *operation, const struct sdb_set_options *options)
{
    if (options->flags & SDB_IF_ABSENT && operation->exists)
        return false;
    if (options->flags & SDB_IF_PRESENT && !operation->exists)
        return false;
    return !(options->flags & SDB_IF_VERSION) || (operation->exists && operation->found.words[0] == options->version);
}

static int stage_set(struct sdb_session *session, struct operation *operation, const void *value, size_t value_size,
                     const struct sdb_set_options *options)
{
    struct entry_content content = {.expire_ms = options->expire_ms};
    int error;

    if (options->flags && !condition_holds(operation, options))
        return SDB_ECONDITION;
    if (options->flags & SDB_KEEP_EXPIRY && operation->exists)
        content.expire_ms = entry_expiry(operation->found.words);
    if (content.expire_ms && content.expire_ms <= session_now(session))
        return operation->exists ? operation_remove(session, operation) : SDB_OK;
    error = SDB_OK;
    if (operation->missed)
        operation_offer(session, operation);
    if (!operation->exists || content.expire_ms || session->transaction ||
        !overwrite(session, &operation->key, &operation->found, &(struct sdb_slice){value_size ? value : "", value_size})) {
        content_set_value(&content, value_size ? value : "", value_size);
        error = operation_put(session, operation, &content);
    }
    if (!error && options->handle)
        *options->handle = handle_of(operation->found.entry, operation->found.words[0]);
    return error;
}

/* Most of what there is to set, by itself: a small value in the place of another. False: it is for stage_set. */
static bool set_alone(struct sdb_session *session, struct operation *operation, const void *value, size_t value_size,
                      const struct sdb_set_options *options, int *error)
{
    if (session->group || session->transaction || !operation->exists || options->flags || options->expire_ms ||
        value_size > INLINE_SIZE_MAX)
        return false;
    if (operation->missed)
        operation_offer(session, operation);
    if (!overwrite_alone(session, &operation->key, &operation->found, &(struct sdb_slice){value_size ? value : "", value_size}, error))
        return false;
    if (!*error && options->handle)
        *options->handle = handle_of(operation->found.entry, operation->found.words[0]);
    return true;
}

int sdb_set(struct sdb_session *session, const void *key, size_t key_size, const void *value, size_t value_size,
            const struct sdb_set_options *options)
{
    struct operation operation;
    int error = check_value(value_size), attempt = 0;

    if (!options)
        options = &no_options;
    if (error)
        return error;
    do {
        error = operation_begin(session, session->database, key, key_size, &operation);
        if (!error && !set_alone(session, &operation, value, value_size, options, &error))
            error = operation_end(session, &operation.mark,
                                  stage_set(session, &operation, value, value_size, options));
    } while (error == SDB_ENOSPC && session_make_room(session, &attempt));
    return error;
}

int sdb_delete(struct sdb_session *session, const void *key, size_t key_size)
{
    struct operation operation;
    int error = key_size <= SDB_KEY_SIZE_MAX
                    ? operation_begin(session, session->database, key, key_size, &operation)
                    : SDB_ENOTFOUND;

    if (error)
        return error;
    error = operation.exists ? operation_remove(session, &operation) : SDB_ENOTFOUND;
    return operation_end(session, &operation.mark, error);
}

int sdb_expire(struct sdb_session *session, const void *key, size_t key_size, int64_t expire_ms)
{
    struct operation operation;
    struct entry_content content;
    uint8_t scratch[16];
    int error, attempt = 0;

    if (key_size > SDB_KEY_SIZE_MAX)
        return SDB_ENOTFOUND;
    do {
        error = operation_begin(session, session->database, key, key_size, &operation);
        if (error)
            return error;
        if (!operation.exists) {
            error = SDB_ENOTFOUND;
        } else if (expire_ms && expire_ms <= session_now(session)) {
            error = operation_remove(session, &operation);
        } else {
            error = operation_content(session, &operation, &content, scratch);
            content.expire_ms = expire_ms;
            if (!error)
                error = operation_put(session, &operation, &content);
        }
        error = operation_end(session, &operation.mark, error);
    } while (error == SDB_ENOSPC && session_make_room(session, &attempt));
    return error;
}

static int set_by_handle(struct sdb_session *session, uint64_t handle, const void *value, size_t value_size)
{
    struct operation operation = {.mark = tx_savepoint(&session->tx)};
    struct entry_content content = {0};
    uint8_t scratch[16];
    int error = check_value(value_size);

    if (!error)
        error = pool_writable(session->pool);
    if (error)
        return error;
    operation.found.entry = handle_entry(handle);
    if (!heap_is_entry(&session->pool->heap, operation.found.entry))
        return SDB_ESTALE;
    if (!heap_owner(&session->pool->heap, &session->tx, operation.found.entry, &operation.key.shard))
        return SDB_ECORRUPT;
    error = session_lock(session, operation.key.shard);
    if (error)
        return error;
    operation.mark = tx_savepoint(&session->tx);
    error = read_handle(session, handle, &operation.found.entry, operation.found.words);
    if (!error) {
        const uint8_t *key;

        operation.exists = true;
        operation.key.database = meta_database(operation.found.words[0]);
        if (!entry_key(&session->pool->file, operation.found.words, scratch, &key, &operation.key.size))
            error = SDB_ECORRUPT;
        operation.key.data = key;
        operation.key.hash = error ? 0
                                   : entry_hash(&session->pool->file, operation.key.database, operation.key.data,
                                                operation.key.size);
        content.expire_ms = entry_expiry(operation.found.words);
    }
    if (!error && !content.expire_ms && !session->group && !session->transaction &&
        overwrite_alone(session, &operation.key, &operation.found, &(struct sdb_slice){value_size ? value : "", value_size}, &error))
        return error;
    if (!error && (content.expire_ms || session->transaction ||
                   !overwrite(session, &operation.key, &operation.found, &(struct sdb_slice){value_size ? value : "", value_size}))) {
        content_set_value(&content, value_size ? value : "", value_size);
        error = operation_put(session, &operation, &content);
    }
    return operation_end(session, &operation.mark, error);
}

int sdb_set_by_handle(struct sdb_session *session, uint64_t handle, const void *value, size_t value_size)
{
    int error, attempt = 0;

    do {
        error = set_by_handle(session, handle, value, value_size);
    } while (error == SDB_ENOSPC && session_make_room(session, &attempt));
    return error;
}

/* -- many at once -- */

static int lock_keys(struct sdb_session *session, const struct sdb_slice *keys, size_t stride, size_t count)
{
    uint32_t few[32], *shards = few;
    int error = SDB_OK;

    if (count > 32 && !(shards = malloc(count * sizeof(*shards))))
        return SDB_ENOMEM;
    for (size_t i = 0; i < count && !error; i++) {
        const struct sdb_slice *key = (const struct sdb_slice *)(const void *)((const char *)keys + i * stride);
        struct index_key k;

        read_key_init(session, key->data, key->size, &k);
        shards[i] = k.shard;
    }
    if (!error)
        error = session_lock_many(session, shards, count);
    if (shards != few)
        free(shards);
    return error;
}

/* Locks the keys' shards for good: databases may have changed places before the locks were there. */
static int lock_keys_now(struct sdb_session *session, const struct sdb_slice *keys, size_t stride, size_t count)
{
    int error = pool_writable(session->pool);
    unsigned physical;

    do {
        physical = session_physical(session, session->database);
        if (!error)
            error = lock_keys(session, keys, stride, count);
    } while (!error && physical != session_physical(session, session->database));
    return error;
}

static int stage_pairs(struct sdb_session *session, const struct sdb_pair *pairs, size_t count, uint32_t flags)
{
    struct operation operation;
    int error = SDB_OK;

    for (size_t i = 0; i < count && !error && flags & SDB_IF_ABSENT; i++) {
        error = operation_find(session, session->database, pairs[i].key.data, pairs[i].key.size, &operation);
        if (!error && operation.exists)
            error = SDB_ECONDITION;
    }
    for (size_t i = 0; i < count && !error; i++) {
        error = pairs[i].key.size > SDB_KEY_SIZE_MAX ? SDB_ETOOBIG : check_value(pairs[i].value.size);
        if (!error)
            error = operation_find(session, session->database, pairs[i].key.data, pairs[i].key.size, &operation);
        if (!error)
            error = stage_set(session, &operation, pairs[i].value.data, pairs[i].value.size, &no_options);
    }
    return error;
}

int sdb_set_many(struct sdb_session *session, const struct sdb_pair *pairs, size_t count, uint32_t flags)
{
    int error, attempt = 0;

    if (count == 0)
        return SDB_OK;
    do {
        struct tx_mark mark;

        error = lock_keys_now(session, &pairs->key, sizeof(*pairs), count);
        mark = tx_savepoint(&session->tx);
        error = operation_end(session, &mark, error ? error : stage_pairs(session, pairs, count, flags));
    } while (session_try_again(session, error, &attempt));
    return error;
}

static int stage_deletes(struct sdb_session *session, const struct sdb_slice *keys, size_t count, size_t *deleted)
{
    int error = SDB_OK;

    *deleted = 0;
    for (size_t i = 0; i < count && !error; i++) {
        struct operation operation;

        error = operation_find(session, session->database, keys[i].data, keys[i].size, &operation);
        if (error || !operation.exists)
            continue;
        error = operation_remove(session, &operation);
        ++*deleted;
    }
    return error;
}

int sdb_delete_many(struct sdb_session *session, const struct sdb_slice *keys, size_t count, size_t *deleted)
{
    int error, attempt = 0;
    size_t n = 0;

    do {
        struct tx_mark mark;

        error = lock_keys_now(session, keys, sizeof(*keys), count);
        mark = tx_savepoint(&session->tx);
        error = operation_end(session, &mark, error ? error : stage_deletes(session, keys, count, &n));
    } while (error == SDB_ECONFLICT && session_try_again(session, error, &attempt));
    if (!error && deleted)
        *deleted = n;
    return error;
}
