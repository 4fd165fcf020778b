/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * collection_fixture.h - a pool with large collections of every kind in it, and the question what they answer now
 *
 * Include it behind engine_fixture.h. An element follows from its collection and its number, so that nothing has to be remembered.
 */
#ifndef SDB_TESTS_COLLECTION_FIXTURE_H
#define SDB_TESTS_COLLECTION_FIXTURE_H

#include <inttypes.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "entry.h"
#include "tree_internal.h"

#define COLLECTION_ELEMENT_MAX 1600u
#define COLLECTION_NUMBERS 1000u /* elements have numbers below it */

struct collection {
    const char *key;
    unsigned type;
    unsigned count; /* of elements, when it is made */
};

/* Which elements are there. */
struct collection_state {
    bool there[COLLECTION_NUMBERS];
    unsigned count;
};

/* What collections answered; an element counts once for each way in which it was asked for. */
struct collection_answers {
    unsigned right;
    unsigned errors;
    unsigned missing; /* said not to be there: silently wrong */
    unsigned wrong;   /* another content, place or number of elements: silently wrong */
};

/* One leaf, two levels, three levels, none, and one whose elements are mostly blobs. */
static const struct collection collections[] = {
    {"hash", VALUE_HASH, 701}, {"few fields", VALUE_HASH, 12}, {"set", VALUE_SET, 500},       {"list", VALUE_LIST, 600},
    {"empty", VALUE_LIST, 0},  {"scores", VALUE_ZSET, 400},    {"stream", VALUE_STREAM, 300}, {"blobs", VALUE_HASH, 60},
};
#define COLLECTIONS (sizeof(collections) / sizeof(collections[0]))

static inline bool collection_is_blobs(const struct collection *c)
{
    return c->key[0] == 'b';
}

/* The bytes of element i. In ordered kinds i is its rank. */
static inline size_t collection_element(const struct collection *c, unsigned i, uint8_t data[COLLECTION_ELEMENT_MAX])
{
    const size_t more = i % 37 == 5 || collection_is_blobs(c) ? 257 + i * 31 % 1200 : i * 7 % 60;
    const uint64_t order = c->type == VALUE_ZSET ? i / 3 : i;
    size_t head = 0, name;

    if (c->type == VALUE_HASH)
        head = tree_size_write(data, 12);
    if (c->type == VALUE_ZSET || c->type == VALUE_STREAM)
        memcpy(data, &order, head = 8);
    if (c->type == VALUE_STREAM)
        memcpy(data + head, &(uint64_t){0}, 8);
    head += c->type == VALUE_STREAM ? 8 : 0;
    name = (size_t)snprintf((char *)data + head, 32, "%c:%010u", c->key[0], i);
    for (size_t at = 0; at < more; at++)
        data[head + name + at] = (uint8_t)('a' + (at + i) % 26);
    return head + name + more;
}

/* ---- changing ---- */

/* An operation on a collection. */
struct collection_work {
    struct tx_mark mark;
    struct tree tree, companion;
};

static inline int collection_end(struct fixture *f, const struct collection_work *work, int error)
{
    return operation_end(f->session, &work->mark, error);
}

/* Begins one and opens the tree or trees. Where it fails, or there is no such key, it has ended. */
static inline int collection_begin(struct fixture *f, const struct collection *c, struct collection_work *work,
                                   bool *exists)
{
    struct operation operation;
    uint64_t header = 0;
    int error = operation_begin(f->session, 0, c->key, strlen(c->key), &operation);

    *exists = false;
    if (error)
        return error;
    *exists = operation.exists;
    work->mark = operation.mark;
    if (!operation.exists)
        return collection_end(f, work, SDB_OK);
    if (meta_value_code(operation.found.words[0]) != CODE_TREE)
        return collection_end(f, work, SDB_EINVAL); /* it is something else */
    error = tree_open(&work->tree, &f->pool->heap, &f->session->tx, entry_tree(operation.found.words));
    if (!error && c->type == VALUE_ZSET)
        error = tree_companion(&work->tree, &header);
    if (!error && c->type == VALUE_ZSET)
        error = tree_open(&work->companion, &f->pool->heap, &f->session->tx, header);
    return error ? collection_end(f, work, error) : SDB_OK;
}

/* Inserts element i, or removes it; staged. In a list: the last one. */
static inline int collection_stage(struct fixture *f, struct tree *tree, const struct collection *c, unsigned i,
                                   bool insert)
{
    static __thread uint8_t data[COLLECTION_ELEMENT_MAX];
    const size_t size = collection_element(c, i, data);
    struct tree_place place;
    struct tree_probe probe;
    enum tree_result result;

    assert_true(tree_probe_element(&f->pool->file, tree->kind, data, size, &probe));
    result = tree->kind == TREE_LIST ? tree_at(tree, tree->count - !insert, &place) : tree_find(tree, &probe, &place);
    if (result == TREE_DAMAGED)
        return SDB_ECORRUPT;
    if (insert != (result == TREE_MISSING))
        return SDB_EINVAL; /* it should not be there, or be there */
    return insert ? tree_insert(tree, &place, &(struct sdb_slice){data, size}, 1) : tree_remove(tree, &place);
}

/* The same as a commit. A collection that is gone: SDB_ENOTFOUND. */
static inline int collection_change(struct fixture *f, const struct collection *c, struct collection_state *state,
                                    unsigned i, bool insert)
{
    struct collection_work work;
    bool exists;
    int error = collection_begin(f, c, &work, &exists);

    if (error || !exists)
        return error ? error : SDB_ENOTFOUND;
    error = collection_stage(f, &work.tree, c, i, insert);
    if (!error && c->type == VALUE_ZSET)
        error = collection_stage(f, &work.companion, c, i, insert);
    error = collection_end(f, &work, error);
    if (error == SDB_OK) {
        state->there[i] = insert;
        state->count += insert ? 1u : -1u;
    }
    return error;
}

/* The key with an empty tree, or two. */
static inline int collection_create(struct fixture *f, const struct collection *c)
{
    struct operation operation;
    struct entry_content content = {.type = c->type};
    struct tree tree;
    uint64_t companion;
    int error = operation_begin(f->session, 0, c->key, strlen(c->key), &operation);

    if (error)
        return error;
    error = tree_create(&f->pool->heap, &f->session->tx, operation.key.shard, tree_kind_of(c->type), &content.tree);
    if (!error && c->type == VALUE_ZSET) {
        error = tree_create(&f->pool->heap, &f->session->tx, operation.key.shard, TREE_MEMBERS, &companion);
        if (!error)
            error = tree_open(&tree, &f->pool->heap, &f->session->tx, content.tree);
        if (!error)
            tree_set_companion(&tree, companion);
    }
    if (!error)
        error = operation_put(f->session, &operation, &content);
    return operation_end(f->session, &operation.mark, error);
}

/* Ordered kinds get their elements in a mixed order, lists at their end. */
static inline void collection_make(struct fixture *f, const struct collection *c, struct collection_state *state)
{
    assert_true(c->count % 7 != 0 || c->type == VALUE_LIST);
    memset(state, 0, sizeof(*state));
    assert_ok(collection_create(f, c));
    for (unsigned n = 0; n < c->count; n++)
        assert_ok(collection_change(f, c, state, c->type == VALUE_LIST ? n : (n * 7u) % c->count, true));
}

/* ---- asking ---- */

static inline bool collection_same(const struct collection *c, unsigned i, const struct tree_element *element)
{
    static __thread uint8_t data[COLLECTION_ELEMENT_MAX];
    const size_t size = collection_element(c, i, data);

    return element->size == size && memcmp(element->data, data, size) == 0;
}

/* One element, by its name, or in a list by its rank, which in ordered kinds is compared. */
static inline void collection_ask_element(struct fixture *f, struct tree *tree, const struct collection *c, unsigned i,
                                          unsigned rank, bool there, struct collection_answers *answers)
{
    static __thread uint8_t data[COLLECTION_ELEMENT_MAX];
    const size_t size = collection_element(c, i, data);
    struct tree_element element;
    struct tree_place place;
    struct tree_probe probe;
    enum tree_result result;
    uint64_t told;

    assert_true(tree_probe_element(&f->pool->file, tree->kind, data, size, &probe));
    if (tree->kind == TREE_LIST && !there)
        return;
    result = tree->kind == TREE_LIST ? tree_at(tree, rank, &place) : tree_find(tree, &probe, &place);
    if (result == TREE_MISSING)
        answers->missing += there;
    else if (result == TREE_DAMAGED || tree_read(tree, &place, &element) != SDB_OK)
        answers->errors++;
    else if (!there || !collection_same(c, i, &element) ||
             (tree->shape->ordered && tree_rank(tree, &place, &told) == SDB_OK && told != rank))
        answers->wrong++;
    else
        answers->right++;
}

/* Reads what stands at the place: in an ordered kind one element, else those of the leaf. *i: the next one that is expected. */
static inline unsigned collection_ask_place(struct tree *tree, struct tree_place *place, const struct collection *c,
                                            const struct collection_state *state, unsigned *i,
                                            struct collection_answers *answers)
{
    struct tree_element element;

    if (!tree->shape->ordered) {
        for (place->index[0] = 0; place->index[0] < place->leaf.count; place->index[0]++)
            answers->errors += tree_read(tree, place, &element) != SDB_OK;
        return place->leaf.count;
    }
    while (*i < COLLECTION_NUMBERS && !state->there[*i])
        ++*i;
    if (tree_read(tree, place, &element) != SDB_OK)
        answers->errors++;
    else if (*i == COLLECTION_NUMBERS || !collection_same(c, *i, &element))
        answers->wrong++;
    ++*i;
    return 1;
}

/* From one end to the other. */
static inline void collection_ask_all(struct tree *tree, const struct collection *c,
                                      const struct collection_state *state, struct collection_answers *answers)
{
    const struct tree_probe start = {.name = ""};
    const unsigned errors = answers->errors;
    struct tree_place place;
    unsigned seen = 0, i = 0;
    enum tree_result result = tree->shape->ordered ? tree_at(tree, 0, &place) : tree_seek(tree, &start, &place);

    while (result == TREE_FOUND && seen <= state->count) {
        seen += collection_ask_place(tree, &place, c, state, &i, answers);
        result = tree->shape->ordered ? tree_next(tree, &place) : tree_next_leaf(tree, &place);
    }
    answers->errors += result == TREE_DAMAGED;
    answers->missing += answers->errors == errors && seen < state->count;
    answers->wrong += seen > state->count;
}

static inline void collection_ask_tree(struct fixture *f, struct tree *tree, const struct collection *c,
                                       const struct collection_state *state, struct collection_answers *answers)
{
    unsigned rank = 0;

    answers->wrong += tree->count != state->count;
    for (unsigned i = 0; i < COLLECTION_NUMBERS; i++) {
        if (state->there[i] || i % 4 == 0)
            collection_ask_element(f, tree, c, i, rank, state->there[i], answers);
        rank += state->there[i];
    }
    collection_ask_all(tree, c, state, answers);
}

/* Whether the key is there, or says that it is and cannot be read. */
static inline bool collection_ask(struct fixture *f, const struct collection *c, const struct collection_state *state,
                                  struct collection_answers *answers)
{
    struct collection_work work;
    bool exists;
    const int error = collection_begin(f, c, &work, &exists);

    if (error) {
        answers->errors += error == SDB_ECORRUPT;
        answers->wrong += error != SDB_ECORRUPT;
        return true;
    }
    if (!exists)
        return false;
    collection_ask_tree(f, &work.tree, c, state, answers);
    if (c->type == VALUE_ZSET)
        collection_ask_tree(f, &work.companion, c, state, answers);
    assert_ok(collection_end(f, &work, SDB_OK));
    return true;
}

#endif
