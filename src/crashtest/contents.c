/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * contents.c - what a pool holds, read as a user would: a scan of each database, and a view of each key; of a large collection its elements
 *
 * Threads: as sdb_session_open's
 * Memory:  a session's
 */
#include "contents.h"

#include "entry.h"
#include "hash.h"
#include "session.h"
#include "tree.h"

#define EFFORT 65536u

struct reading {
    struct sdb_session *session;
    uint32_t database;
    uint64_t seed; /* by database */
    uint64_t sum;  /* over the keys in any order */
    int error;
    bool any; /* errors are part of what is read */
};

/* The elements of a tree in their order, or in any, and those of its companion. */
static int add_tree(struct reading *reading, uint64_t key, uint64_t header)
{
    static const struct tree_probe start = {.name = ""};
    struct tree tree;
    struct tree_place place;
    struct tree_element element;
    enum tree_result result;
    uint64_t rank = 0, companion = 0;
    int error = tree_open(&tree, &reading->session->pool->heap, &reading->session->tx, header);

    if (error)
        return error;
    result = tree.kind == TREE_LIST ? tree_at(&tree, 0, &place) : tree_seek(&tree, &start, &place);
    for (; result == TREE_FOUND && !error; result = tree_next_leaf(&tree, &place)) {
        for (place.index[0] = 0; place.index[0] < place.leaf.count && !error; place.index[0]++, rank++) {
            error = tree_read(&tree, &place, &element);
            if (!error)
                reading->sum += hash_key(key + tree.kind + (tree.shape->ordered ? rank << 8 : 0), element.data, element.size);
        }
    }
    if (result == TREE_DAMAGED || rank != tree.count)
        return SDB_ECORRUPT;
    reading->sum += hash_key(key, &tree.count, sizeof(tree.count));
    error = error ? error : tree_companion(&tree, &companion);
    return error || !companion ? error : add_tree(reading, key + 1, companion);
}

/* A key that holds no string: a tree, or all of a collection in one value. */
static int add_collection(struct reading *reading, const struct sdb_scan_item *item)
{
    const uint64_t key = hash_key(reading->seed, item->key.data, item->key.size);
    struct operation operation;
    struct entry_content content = {0};
    uint8_t scratch[16];
    int error = operation_begin(reading->session, reading->database, item->key.data, item->key.size, &operation);

    if (error)
        return error;
    if (!operation.exists)
        error = SDB_ENOTFOUND;
    else
        error = operation_content(reading->session, &operation, &content, scratch);
    if (!error && content.tree)
        error = add_tree(reading, key, content.tree);
    else if (!error)
        reading->sum += hash_key(key, content.value, content.value_size);
    if (!error)
        reading->sum += hash_key(key, (uint64_t[]){content.type, (uint64_t)content.expire_ms, operation.found.entry}, 24);
    return operation_end(reading->session, &operation.mark, error);
}

/* A key that cannot be read, or a database that cannot be scanned on. */
static void add_error(struct reading *reading, const void *key, size_t size, int error)
{
    reading->sum += hash_key(hash_key(reading->seed, key, size), &error, sizeof(error));
}

static void add_string(struct reading *reading, const struct sdb_scan_item *item, const struct sdb_view *view)
{
    const uint64_t parts[] = {hash_key(reading->seed, item->key.data, item->key.size),
                              hash_key(reading->seed, view->data, view->size), (uint64_t)view->expire_ms, view->handle};

    reading->sum += hash_key(view->size, parts, sizeof(parts));
}

static int add(void *context, const struct sdb_scan_item *item)
{
    struct reading *reading = context;
    struct sdb_view view;

    reading->error = sdb_view(reading->session, item->key.data, item->key.size, &view);
    if (!reading->error) {
        add_string(reading, item, &view);
        sdb_view_release(reading->session, &view);
    } else if (reading->error == SDB_ETYPE) {
        reading->error = add_collection(reading, item);
    }
    if (reading->error == SDB_ECORRUPT && reading->any) {
        add_error(reading, item->key.data, item->key.size, reading->error);
        reading->error = SDB_OK;
    }
    return reading->error != SDB_OK;
}

static int read_database(struct reading *reading)
{
    uint64_t cursor = 0;
    int error = sdb_select(reading->session, reading->database);

    do {
        error = error ? error : sdb_scan(reading->session, &cursor, EFFORT, add, reading);
        error = error ? error : reading->error;
    } while (cursor && !error);
    if (error == SDB_ECORRUPT && reading->any) {
        add_error(reading, "", 0, error);
        error = SDB_OK;
    }
    return error;
}

static int read_all(struct sdb_pool *pool, bool any, uint64_t *hash)
{
    struct reading reading = {.error = SDB_OK, .any = any};
    int error = sdb_session_open(pool, &reading.session);

    if (error)
        return error;
    for (uint32_t database = 0; database < SDB_DATABASES && !error; database++) {
        reading.database = database;
        reading.seed = database + 1;
        error = read_database(&reading);
    }
    sdb_session_close(reading.session);
    if (!error)
        *hash = reading.sum;
    return error;
}

int contents_hash(struct sdb_pool *pool, uint64_t *hash)
{
    return read_all(pool, false, hash);
}

int contents_hash_damaged(struct sdb_pool *pool, uint64_t *hash)
{
    return read_all(pool, true, hash);
}
