/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * collection.c - opening a collection to change it or to look at it, and storing what was changed
 * Media:   through operations and trees
 * Commit:  one for each change, or the group's or transaction's
 * Holds:   1. An entry of a collection leads to a blob or a tree, never to a value in place, and an empty collection has no entry.
 *          2. Whoever reads a tree holds its shard; a packed collection is read under a pin, after its entry was seen to lead to it.
 * Threads: the session's
 * Memory:  collection.h: a copy of a packed collection while it is changed
 */
#include "collection.h"

#include <stdlib.h>
#include <string.h>

#include "access.h"
#include "entry.h"
#include "error.h"
#include "read.h"

#define TREE_TRIES 1000 /* to lock a key's shard and its tree's together, while the key keeps getting another one */

/* -- limits -- */

void sdb_set_limits(struct sdb_pool *pool, const struct sdb_limits *limits)
{
    const uint64_t *from = (const uint64_t *)(const void *)limits;
    uint64_t *to = (uint64_t *)(void *)&pool->limits;

    for (size_t i = 0; i < sizeof(*limits) / sizeof(uint64_t); i++)
        __atomic_store_n(&to[i], from[i], __ATOMIC_RELAXED);
}

void sdb_get_limits(struct sdb_pool *pool, struct sdb_limits *limits)
{
    const uint64_t *from = (const uint64_t *)(const void *)&pool->limits;
    uint64_t *to = (uint64_t *)(void *)limits;

    for (size_t i = 0; i < sizeof(*limits) / sizeof(uint64_t); i++)
        to[i] = __atomic_load_n(&from[i], __ATOMIC_RELAXED);
}

/* -- opening -- */

void collection_note_damage(const struct collection *collection)
{
    stat_add(&collection->session->stats.checksum_errors, 1);
    error_set("%s: a collection is damaged", collection->session->pool->file.path);
}

void collection_start(struct collection *collection)
{
    collection->count = 0;
    collection->form = collection->type == SDB_TYPE_LIST ? PACKED_LARGE : collection->type == SDB_TYPE_SET ? PACKED_INTS : 0;
    collection->in_tree = false;
    collection->fresh_tree = false;
    collection->data = (const uint8_t *)"";
    collection->size = 0;
}

static void init(struct collection *collection, struct sdb_session *session, unsigned type)
{
    collection->session = session;
    collection->type = type;
    collection->kind = tree_kind_of(type);
    collection->writing = false;
    collection->changed = false;
    collection->pinned = false;
    collection->anew = false;
    collection->groups_only = false;
    collection->has_records = false;
    collection->edited = NULL;
    collection->capacity = 0;
    collection->locked_count = 0;
    collection_start(collection);
    collection->stored_form = collection->form;
    collection->stored_count = 0;
}

int collection_open_tree(struct collection *collection, uint64_t header)
{
    struct sdb_session *session = collection->session;
    uint64_t companion, form;
    int error = tree_open(&collection->tree, &session->pool->heap, &session->tx, header);

    if (!error && collection->tree.kind != collection->kind)
        error = collection_damaged(collection);
    if (!error)
        error = tree_user(&collection->tree, &form);
    if (error)
        return error;
    collection->in_tree = true;
    collection->count = collection->tree.count;
    collection->form = collection->kind == TREE_STREAM ? PACKED_LARGE : (unsigned)form & PACKED_FORMS;
    collection->stored_form = collection->form;
    if (collection->kind != TREE_SCORES)
        return SDB_OK;
    error = tree_companion(&collection->tree, &companion);
    if (!error)
        error = tree_open(&collection->members, &session->pool->heap, &session->tx, companion);
    if (!error && (collection->members.kind != TREE_MEMBERS || collection->members.count != collection->count))
        error = collection_damaged(collection);
    return error;
}

static int open_packed(struct collection *collection, const uint8_t *data, size_t size)
{
    struct packed packed;

    if (!packed_open(data, size, &packed))
        return collection_damaged(collection);
    collection->count = packed.count;
    collection->stored_count = packed.count;
    collection->form = packed.form;
    collection->stored_form = packed.form;
    collection->data = packed.data;
    collection->size = packed.size;
    return SDB_OK;
}

int collection_open(struct collection *collection, const uint64_t words[4])
{
    const struct pool_file *file = &collection->session->pool->file;
    const uint64_t reference = words[entry_value_index(words[0])];
    const uint8_t *data;
    uint32_t size;

    if (meta_type(words[0]) != collection->type)
        return SDB_ETYPE;
    if (meta_value_code(words[0]) == CODE_TREE)
        return collection_open_tree(collection, reference);
    if (meta_value_code(words[0]) != CODE_BLOB || !entry_blob(file, reference, &data, &size) || !entry_blob_verify(file, reference))
        return collection_damaged(collection);
    return open_packed(collection, data, size);
}

/* -- changing -- */

static int begin(struct collection *collection, const void *key, size_t key_size, bool anew)
{
    struct sdb_session *session = collection->session;
    struct operation *operation = &collection->operation;
    int error = operation_begin(session, session->database, key, key_size, operation);

    if (error)
        return error;
    collection->writing = true;
    collection->anew = anew;
    if (anew)
        collection->changed = operation->exists;
    else if (operation->exists)
        error = collection_open(collection, operation->found.words);
    return error ? operation_end(session, &operation->mark, error) : SDB_OK;
}

static int end(struct collection *collection, int error)
{
    struct sdb_session *session = collection->session;
    const struct tx_mark *mark = &collection->operation.mark;

    if (!error && collection->changed)
        error = collection_publish(collection);
    free(collection->edited);
    return operation_end(session, mark, error);
}

static int change(struct sdb_session *session, const void *key, size_t key_size, unsigned type, bool anew, collection_fn *fn,
                  void *context)
{
    int error, attempt = 0;

    do {
        struct collection collection;

        init(&collection, session, type);
        error = begin(&collection, key, key_size, anew);
        if (error)
            return error;
        error = end(&collection, fn(&collection, context));
    } while (error == SDB_ENOSPC && session_make_room(session, &attempt));
    session_settle(session);
    return error;
}

int collection_change(struct sdb_session *session, const void *key, size_t key_size, unsigned type, collection_fn *fn,
                      void *context)
{
    return change(session, key, key_size, type, false, fn, context);
}

int collection_store(struct sdb_session *session, const void *key, size_t key_size, unsigned type, collection_fn *fn,
                     void *context)
{
    return change(session, key, key_size, type, true, fn, context);
}

/* The last element is gone: so is the key, and the trees. */
static int publish_nothing(struct collection *collection)
{
    struct sdb_session *session = collection->session;
    struct operation *operation = &collection->operation;
    int error = SDB_OK;

    if (collection->fresh_tree)
        error = tree_drop(&session->pool->heap, &session->tx, collection->tree.header);
    return !error && operation->exists ? operation_remove(session, operation) : error;
}

int collection_publish(struct collection *collection)
{
    struct sdb_session *session = collection->session;
    struct operation *operation = &collection->operation;
    struct entry_content content = {.type = collection->type};
    uint8_t header[PACKED_HEADER_MAX];

    if (collection->kind == TREE_STREAM ? !collection->in_tree : collection->count == 0)
        return publish_nothing(collection);
    if (operation->exists && !collection->anew)
        content.expire_ms = entry_expiry(operation->found.words);
    if (collection->in_tree) {
        if (collection->kind != TREE_STREAM && (collection->form != collection->stored_form || collection->fresh_tree))
            tree_set_user(&collection->tree, collection->form);
        if (!collection->fresh_tree) {
            session_changed(session, collection->groups_only ? SDB_CHANGE_GROUPS : SDB_CHANGE_STORED, &operation->key);
            return session->tx.failed ? SDB_ENOMEM : SDB_OK;
        }
        content.tree = collection->tree.header;
    } else {
        const size_t size = packed_header(header, collection->form, (uint32_t)collection->count);

        content.value = memcpy(collection->edited + PACKED_HEADER_MAX - size, header, size);
        content.value_size = size + collection->size;
    }
    return collection->count < collection->stored_count ? settle_put(session, operation, &content)
                                                        : operation_put(session, operation, &content);
}

/* -- looking -- */

/* Lets go of the shards that were locked for the look. */
static void unlock(struct collection *collection, bool held)
{
    struct sdb_session *session = collection->session;

    if (session->transaction)
        return;
    if (!held && !session->group)
        (void)session_commit(session); /* nothing is staged: it can only let go */
    else
        while (collection->locked_count)
            session_unlock(session, collection->locked[--collection->locked_count]);
    collection->locked_count = 0;
}

static int lock_shard(struct collection *collection, uint32_t shard)
{
    const bool held = session_holds(collection->session, shard);
    int error = session_lock(collection->session, shard);

    if (!error && !held)
        collection->locked[collection->locked_count++] = shard;
    return error;
}

/* Under the locks of the key's shard and the tree's. */
static int open_locked(struct collection *collection, const void *key, size_t key_size)
{
    struct sdb_session *session = collection->session;
    struct index_found *found = &collection->operation.found;
    struct index_key k;
    uint32_t shard;
    int error;

    do {
        read_key_init(session, key, key_size, &k);
        error = lock_shard(collection, k.shard);
        if (error)
            return error;
        /* Databases change places under all shards' locks: what was read before this lock may be out of date. */
    } while (k.database != session_physical(session, session->database));
    error = read_find(session, &k, found);
    if (error)
        return error;
    if (meta_value_code(found->words[0]) == CODE_TREE && tree_shard(&session->pool->heap, &session->tx, entry_tree(found->words), &shard) &&
        !session_holds(session, shard)) {
        error = session_lock_tree(session, entry_tree(found->words));
        if (error == SDB_ECONFLICT && !session->transaction) {
            error = session_lock_wanted(session, k.shard);
            return error ? error : SDB_EBUSY;
        }
        if (error)
            return error;
        collection->locked[collection->locked_count++] = shard;
    }
    return collection_open(collection, found->words);
}

/* How the key is looked at. */
struct look {
    collection_fn *fn;
    void *context;
    bool used; /* it counts as a use of the key */
};

static int run_look(struct collection *collection, const struct look *look)
{
    if (look->used)
        access_note(collection->session, collection->operation.found.entry);
    return look->fn(collection, look->context);
}

static int look_locked(struct collection *collection, const void *key, size_t key_size, const struct look *look)
{
    const bool held = collection->session->held_count != 0;
    int error, tries = 0;

    do {
        collection->locked_count = 0;
        error = open_locked(collection, key, key_size);
    } while (error == SDB_EBUSY && tries++ < TREE_TRIES);
    if (!error)
        error = run_look(collection, look);
    unlock(collection, held);
    return error == SDB_EBUSY ? SDB_ECONFLICT : error;
}

static int look_at(struct sdb_session *session, const void *key, size_t key_size, unsigned type, const struct look *look)
{
    struct collection collection;
    struct sdb_view view;
    int error;

    init(&collection, session, type);
    error = read_packed(session, key, key_size, type, &collection.operation.found, &view);
    if (error == SDB_EBUSY)
        return look_locked(&collection, key, key_size, look);
    if (error)
        return error;
    error = open_packed(&collection, view.data, view.size);
    if (!error)
        error = run_look(&collection, look);
    sdb_view_release(session, &view);
    return error;
}

int collection_look(struct sdb_session *session, const void *key, size_t key_size, unsigned type, collection_fn *fn,
                    void *context)
{
    return look_at(session, key, key_size, type, &(struct look){fn, context, true});
}

int collection_peek(struct sdb_session *session, const void *key, size_t key_size, unsigned type, collection_fn *fn,
                    void *context)
{
    return look_at(session, key, key_size, type, &(struct look){fn, context, false});
}

/* -- several keys -- */

int collection_together(struct sdb_session *session, const struct sdb_slice *keys, size_t count, collection_together_fn *run,
                        void *context)
{
    const bool inner = session->transaction;
    bool all = false;
    int error, attempt = 0;

    for (;;) {
        error = all ? sdb_begin_all(session) : sdb_begin(session, keys, count);
        if (error)
            return error;
        error = run(session, context);
        if (!error || error == SDB_ENOTFOUND || error == SDB_ECONDITION) {
            const int committed = sdb_commit(session);

            error = committed ? committed : error;
        } else {
            sdb_abort(session);
        }
        if (inner)
            return error;
        if (error == SDB_ECONFLICT || error == SDB_ENOSPC)
            observe_undone(session);
        if (error == SDB_ECONFLICT && !all)
            all = true; /* a collection that was renamed is in a shard that no key names */
        else if (error != SDB_ENOSPC || !session_make_room(session, &attempt))
            return error;
    }
}
