/* SPDX-License-Identifier: BSD-3-Clause */
/* trees.c - what a crash image of a scenario with collections may hold */
#include "trees.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "entry.h"
#include "hash.h"
#include "session.h"

#define NAME_SIZE 9u /* of an element: eight of them are alike in ten */
#define ELEMENT_MAX 4096u
#define SCORES 5u

struct trees trees;

static size_t name_of(uint32_t key, char name[16]) { return (size_t)snprintf(name, 16, "tree:%u", key); }

/* ---- elements ---- */

/* The bytes behind a name: they differ where id, size or salt do. */
static void fill(const struct trees_element *e, uint8_t *to, size_t size)
{
    uint32_t x = e->id * 2654435761u ^ e->salt * 40503u ^ e->size;

    for (size_t i = 0; i < size; i++) {
        x = x * 1103515245u + 12345u;
        to[i] = (uint8_t)(x >> 16);
    }
}

/* A set's members, and those of sorted sets, are all name: their bytes must not depend on a salt. */
static size_t element_bytes(enum tree_kind kind, const struct trees_element *e, uint8_t bytes[ELEMENT_MAX])
{
    const uint64_t score = e->id % SCORES, id[2] = {e->id, 7};
    char name[16];
    size_t n = 0;

    (void)snprintf(name, sizeof(name), "m%08u", e->id);
    if (kind == TREE_HASH)
        n = tree_size_write(bytes, NAME_SIZE);
    if (kind == TREE_SCORES || kind == TREE_MEMBERS)
        memcpy(bytes, &score, n = 8);
    if (kind == TREE_STREAM)
        memcpy(bytes, id, n = 16);
    if (kind != TREE_STREAM && kind != TREE_LIST) {
        memcpy(bytes + n, name, NAME_SIZE);
        n += NAME_SIZE;
    }
    if (e->size > n)
        fill(e, bytes + n, e->size - n);
    return e->size > n ? e->size : n;
}

static bool has_salt(enum tree_kind kind) { return kind == TREE_HASH || kind == TREE_LIST || kind == TREE_STREAM; }

/* ---- hashes ---- */

#define NEXT 0x9e3779b97f4a7c15ull

static uint64_t hash_of(const void *bytes, size_t size) { return hash_key(5, bytes, size); }

static uint64_t join(uint64_t hash, uint64_t element, bool ordered) { return ordered ? (hash ^ element) * NEXT + 1 : hash + element; }

static uint64_t finish(uint64_t hash, enum tree_kind kind, uint64_t count) { return (hash + count) * NEXT + kind + 1; }

static uint64_t string_hash(const void *data, size_t size) { return hash_key(3, data, size) | 1; }

static uint64_t model_hash_as(const struct trees_key *key, enum tree_kind kind)
{
    uint64_t hash = 0;

    for (uint32_t i = 0; i < key->count; i++)
        hash = join(hash, key->elements[i].hash, tree_shapes[kind].ordered);
    return finish(hash, kind, key->count);
}

static uint64_t model_hash(const struct trees_key *key)
{
    char value[16];

    if (!key->exists)
        return 0;
    if (!key->kind)
        return string_hash(value, (size_t)snprintf(value, sizeof(value), "string %u", key->string));
    return model_hash_as(key, key->kind) + (key->kind == TREE_SCORES ? model_hash_as(key, TREE_MEMBERS) * 3 : 0);
}

static struct trees_hashes model_hashes(void)
{
    struct trees_hashes hashes;

    for (uint32_t k = 0; k < TREES_KEYS; k++)
        hashes.of[k] = model_hash(&trees.now[k]);
    return hashes;
}

/* One element of a pool's tree. */
static int add(const struct tree *tree, const struct tree_place *place, uint64_t *hash, uint64_t *count)
{
    struct tree_element element;
    int error = tree_read(tree, place, &element);

    if (!error)
        *hash = join(*hash, hash_of(element.data, element.size), tree->shape->ordered);
    ++*count;
    return error;
}

static int pool_hash_of(struct sdb_session *session, uint64_t header, uint64_t *hash)
{
    static const struct tree_probe start = {.name = ""};
    struct tree tree;
    struct tree_place place;
    enum tree_result result;
    uint64_t sum = 0, count = 0;
    int error = tree_open(&tree, &session->pool->heap, &session->tx, header);

    if (error)
        return error;
    result = tree.kind == TREE_LIST ? tree_at(&tree, 0, &place) : tree_seek(&tree, &start, &place);
    while (result == TREE_FOUND && !error) {
        for (place.index[0] = 0; place.index[0] < place.leaf.count && !error; place.index[0]++)
            error = add(&tree, &place, &sum, &count);
        result = tree_next_leaf(&tree, &place);
    }
    if (!error && (result == TREE_DAMAGED || count != tree.count))
        error = SDB_ECORRUPT;
    *hash = finish(sum, tree.kind, count);
    return error;
}

static int pool_hash(struct sdb_session *session, uint32_t key, uint64_t *hash)
{
    struct operation operation;
    struct sdb_view view;
    struct tree tree;
    uint64_t header, companion = 0, second = 0;
    char name[16];
    size_t size = name_of(key, name);
    int error = operation_begin(session, 0, name, size, &operation);

    *hash = 0;
    if (error || !operation.exists)
        return error ? error : operation_end(session, &operation.mark, SDB_OK);
    if (meta_value_code(operation.found.words[0]) == CODE_TREE) {
        header = entry_tree(operation.found.words);
        error = pool_hash_of(session, header, hash);
        if (!error)
            error = tree_open(&tree, &session->pool->heap, &session->tx, header);
        if (!error)
            error = tree_companion(&tree, &companion);
        if (!error && companion)
            error = pool_hash_of(session, companion, &second);
        *hash += second * 3;
        return operation_end(session, &operation.mark, error);
    }
    error = operation_end(session, &operation.mark, SDB_OK);
    if (!error)
        error = sdb_view(session, name, size, &view);
    if (error)
        return error;
    *hash = string_hash(view.data, view.size);
    sdb_view_release(session, &view);
    return SDB_OK;
}

/* ---- the journal ---- */

void trees_init(struct oracle *oracle)
{
    memset(&trees, 0, sizeof(trees));
    trees.oracle = oracle;
}

void trees_begin(void)
{
    oracle_begin(trees.oracle);
}

void trees_operation(void)
{
    if (trees.operations == TREES_JOURNAL) {
        fprintf(stderr, "trees: the journal is too short\n");
        exit(2);
    }
    trees.journal[trees.operations++] = model_hashes();
}

/* The model has changed, the pool will. */
static void changed(void)
{
    if (!trees.transaction)
        trees_operation();
}

void trees_end(void)
{
    if (trees.operations)
        trees.done = trees.journal[trees.operations - 1];
    trees.operations = 0;
    sdb_crashtest_end(trees.oracle->test);
}

static bool is_legal(const struct trees_hashes *found)
{
    if (memcmp(found, &trees.done, sizeof(*found)) == 0)
        return true;
    for (uint32_t i = 0; i < trees.operations; i++)
        if (memcmp(found, &trees.journal[i], sizeof(*found)) == 0)
            return true;
    return false;
}

static int read_all(struct sdb_session *session, struct trees_hashes *found, char why[256])
{
    for (uint32_t k = 0; k < TREES_KEYS; k++) {
        const int error = pool_hash(session, k, &found->of[k]);

        if (error) {
            (void)snprintf(why, 200, "key %u: %s: %.120s", k, sdb_strerror(error), sdb_last_error());
            return error;
        }
    }
    return SDB_OK;
}

static void say_what_differs(const struct trees_hashes *found, char why[256])
{
    size_t n = (size_t)snprintf(why, 200, "of %u operations under way none explains key", trees.operations);

    for (uint32_t k = 0; k < TREES_KEYS; k++)
        if (found->of[k] != trees.done.of[k] && n < 200)
            n += (size_t)snprintf(why + n, 20, " %u", k);
}

/* What was dropped can be reclaimed to the end, and nothing else goes with it. */
static int reclaim_and_check(struct sdb_session *session, struct sdb_crashtest_image *image, const struct trees_hashes *before)
{
    struct trees_hashes after;
    struct sdb_check result;
    int error = SDB_OK, done = 0;

    for (unsigned i = 0; i < 1000 && !done && !error; i++)
        error = sdb_maintain(session, 4000, &done);
    if (!error && !done)
        error = SDB_EBUSY;
    if (!error)
        error = sdb_check(image->pool, NULL, NULL, &result);
    if (!error)
        error = read_all(session, &after, image->why);
    if (!error && memcmp(before, &after, sizeof(after)) != 0)
        error = SDB_ECORRUPT;
    if (error)
        (void)snprintf(image->why, 200, "reclaiming: %s: %.120s", sdb_strerror(error), sdb_last_error());
    return error;
}

int trees_judge(struct sdb_session *session, struct sdb_crashtest_image *image)
{
    struct trees_hashes found;

    if (read_all(session, &found, image->why))
        return 1;
    if (!is_legal(&found)) {
        say_what_differs(&found, image->why);
        return 2;
    }
    return trees.judged++ % 8 == 0 && reclaim_and_check(session, image, &found) ? 3 : 0;
}

int trees_compare(struct sdb_session *session, uint32_t key)
{
    uint64_t hash;
    const int error = pool_hash(session, key, &hash);

    if (error)
        return error;
    if (hash == trees.done.of[key])
        return SDB_OK;
    return hash == 0 ? SDB_ENOTFOUND : SDB_ECORRUPT;
}

void trees_forget(uint32_t key)
{
    trees_begin();
    trees.now[key].exists = false;
    trees_operation();
    trees_end();
}

/* ---- operations ---- */

uint32_t trees_some_size(void)
{
    const uint32_t what = oracle_roll(trees.oracle, 16);

    if (what < 12)
        return oracle_roll(trees.oracle, 60);
    return what < 15 ? 200 + oracle_roll(trees.oracle, 57) : 300 + oracle_roll(trees.oracle, 2000);
}

/* Opens a key's tree, and finds it locked until `end`. */
static struct operation open_tree(struct sdb_session *session, uint32_t key, struct tree *tree)
{
    struct operation operation;
    char name[16];

    MUST(operation_begin(session, 0, name, name_of(key, name), &operation));
    MUST(tree_open(tree, &session->pool->heap, &session->tx, entry_tree(operation.found.words)));
    return operation;
}

static void end(struct sdb_session *session, const struct operation *operation)
{
    MUST(operation_end(session, &operation->mark, SDB_OK));
}

void trees_create(struct sdb_session *session, uint32_t key, enum tree_kind kind)
{
    static const unsigned types[] = {[TREE_HASH] = VALUE_HASH,     [TREE_SET] = VALUE_SET,       [TREE_LIST] = VALUE_LIST,
                                     [TREE_SCORES] = VALUE_ZSET, [TREE_STREAM] = VALUE_STREAM};
    struct heap *heap = &session->pool->heap;
    struct entry_content content = {.type = types[kind]};
    struct operation operation;
    struct tree tree;
    uint64_t members;
    char name[16];

    trees.now[key].exists = true;
    trees.now[key].kind = kind;
    trees.now[key].count = 0;
    changed();
    MUST(operation_begin(session, 0, name, name_of(key, name), &operation));
    MUST(tree_create(heap, &session->tx, operation.key.shard, kind, &content.tree));
    if (kind == TREE_SCORES) {
        MUST(tree_create(heap, &session->tx, operation.key.shard, TREE_MEMBERS, &members));
        MUST(tree_open(&tree, heap, &session->tx, content.tree));
        tree_set_companion(&tree, members);
    }
    MUST(operation_put(session, &operation, &content));
    end(session, &operation);
}

static void must_be(enum tree_result result, enum tree_result wanted)
{
    must(result == wanted ? SDB_OK : SDB_ECORRUPT, "a place in a tree");
}

/* Where an element stands, or belongs; of a LIST the rank. */
static void find(struct tree *tree, uint32_t rank, const uint8_t *bytes, size_t size, enum tree_result wanted, struct tree_place *place)
{
    struct tree_probe probe;

    if (tree->kind == TREE_LIST) {
        (void)tree_at(tree, rank, place);
        return;
    }
    must(tree_probe_element(tree->heap->file, tree->kind, bytes, size, &probe) ? SDB_OK : SDB_EINVAL, "an element's probe");
    must_be(tree_find(tree, &probe, place), wanted);
}

static void find_member(struct sdb_session *session, struct tree *tree, struct tree *members, const uint8_t *bytes, size_t size,
                        enum tree_result wanted, struct tree_place *place)
{
    uint64_t header;

    MUST(tree_companion(tree, &header));
    MUST(tree_open(members, tree->heap, &session->tx, header));
    find(members, 0, bytes, size, wanted, place);
}

/* Where it belongs among those of the model. */
static uint32_t rank_of(const struct trees_key *key, const struct trees_element *e, uint32_t rank)
{
    if (key->kind == TREE_LIST)
        return rank < key->count ? rank : key->count;
    for (rank = 0; rank < key->count; rank++) {
        const struct trees_element *other = &key->elements[rank];

        if (key->kind == TREE_SCORES && e->id % SCORES != other->id % SCORES) {
            if (e->id % SCORES < other->id % SCORES)
                break;
        } else if (e->id < other->id) {
            break;
        }
    }
    return rank;
}

void trees_insert(struct sdb_session *session, uint32_t key, uint32_t rank, uint32_t size)
{
    struct trees_key *now = &trees.now[key];
    /* In no order, and each one once. */
    struct trees_element e = {.id = trees.next_id++ * 7919u % 99991u, .size = size, .salt = has_salt(now->kind) ? size : 0};
    uint8_t bytes[ELEMENT_MAX];
    struct tree tree, members;
    struct tree_place place;

    if (now->count == TREES_ELEMENTS)
        return;
    const struct sdb_slice part = {bytes, element_bytes(now->kind, &e, bytes)};
    const struct sdb_slice parts[2] = {{bytes, part.size / 3}, {bytes + part.size / 3, part.size - part.size / 3}};
    e.hash = hash_of(bytes, part.size);
    rank = rank_of(now, &e, rank);
    memmove(now->elements + rank + 1, now->elements + rank, (now->count++ - rank) * sizeof(e));
    now->elements[rank] = e;
    changed();

    struct operation operation = open_tree(session, key, &tree);
    find(&tree, rank, bytes, part.size, TREE_MISSING, &place);
    MUST(tree_insert(&tree, &place, parts, 2));
    if (tree.kind == TREE_SCORES) {
        find_member(session, &tree, &members, bytes, part.size, TREE_MISSING, &place);
        MUST(tree_insert(&members, &place, &part, 1));
    }
    end(session, &operation);
}

void trees_remove(struct sdb_session *session, uint32_t key, uint32_t rank)
{
    struct trees_key *now = &trees.now[key];
    uint8_t bytes[ELEMENT_MAX];
    const size_t size = element_bytes(now->kind, &now->elements[rank], bytes);
    struct tree tree, members;
    struct tree_place place;

    memmove(now->elements + rank, now->elements + rank + 1, (--now->count - rank) * sizeof(now->elements[0]));
    changed();

    struct operation operation = open_tree(session, key, &tree);
    find(&tree, rank, bytes, size, TREE_FOUND, &place);
    MUST(tree_remove(&tree, &place));
    if (tree.kind == TREE_SCORES) {
        find_member(session, &tree, &members, bytes, size, TREE_FOUND, &place);
        MUST(tree_remove(&members, &place));
    }
    end(session, &operation);
}

void trees_replace(struct sdb_session *session, uint32_t key, uint32_t rank, uint32_t size)
{
    struct trees_key *now = &trees.now[key];
    uint8_t bytes[ELEMENT_MAX];
    struct tree tree;
    struct tree_place place;

    if (!has_salt(now->kind))
        return;
    now->elements[rank].size = size;
    now->elements[rank].salt++;
    const struct sdb_slice part = {bytes, element_bytes(now->kind, &now->elements[rank], bytes)};
    now->elements[rank].hash = hash_of(bytes, part.size);
    changed();

    struct operation operation = open_tree(session, key, &tree);
    find(&tree, rank, bytes, part.size, TREE_FOUND, &place);
    MUST(tree_replace(&tree, &place, &part, 1));
    end(session, &operation);
}

void trees_string(struct sdb_session *session, uint32_t key)
{
    struct trees_key *now = &trees.now[key];
    char name[16], value[16];

    now->exists = true;
    now->kind = 0;
    now->string = trees.next_id++;
    changed();
    MUST(sdb_set(session, name, name_of(key, name), value, (size_t)snprintf(value, sizeof(value), "string %u", now->string), NULL));
}

void trees_delete(struct sdb_session *session, uint32_t key)
{
    char name[16];

    if (!trees.now[key].exists)
        return;
    trees.now[key].exists = false;
    changed();
    MUST(sdb_delete(session, name, name_of(key, name)));
}

void trees_rename(struct sdb_session *session, uint32_t from, uint32_t to)
{
    char old[16], new[16];

    if (!trees.now[from].exists || trees.now[from].kind || from == to)
        return;
    trees.now[to] = trees.now[from];
    trees.now[from].exists = false;
    changed();
    MUST(sdb_rename(session, old, name_of(from, old), new, name_of(to, new), 1));
}

uint64_t trees_inner_nodes(struct sdb_session *session, uint32_t key)
{
    static const struct tree_probe start = {.name = ""};
    struct tree tree;
    struct tree_place place;
    uint64_t leaves = 0;
    struct operation operation = open_tree(session, key, &tree);
    enum tree_result result = tree.kind == TREE_LIST ? tree_at(&tree, 0, &place) : tree_seek(&tree, &start, &place);

    for (; result == TREE_FOUND; result = tree_next_leaf(&tree, &place))
        leaves++;
    end(session, &operation);
    return tree.bytes / TREE_NODE_SIZE - leaves;
}

void trees_grow(struct sdb_session *session, uint32_t key, enum tree_kind kind, uint32_t elements)
{
    trees_begin();
    trees.transaction = true;
    MUST(sdb_begin_all(session));
    trees_create(session, key, kind);
    for (uint32_t i = 0; i < elements; i++)
        trees_insert(session, key, oracle_roll(trees.oracle, i + 1), i % 3 ? oracle_roll(trees.oracle, 60) : trees_some_size());
    trees.transaction = false;
    trees_operation();
    MUST(sdb_commit(session));
    trees_end();
}
