/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * scenario_trees.c - large collections: every operation on trees of every kind, changes of their inner nodes, dropped trees and their
 * reclaiming
 */
#include <stdlib.h>
#include <string.h>

#include "scenarios.h"
#include "trees.h"

static void prepare(struct oracle *oracle, struct sdb_crashtest_options *options)
{
    trees_init(oracle);
    options->shards = 2;
    options->states_max = 48;
    options->random_images = 12;
    options->lines_max = 6;
}

int judge_trees(void *context, struct sdb_session *session, struct sdb_crashtest_image *image)
{
    (void)context;
    return trees_judge(session, image);
}

static uint32_t roll(uint32_t n) { return oracle_roll(trees.oracle, n); }

static enum tree_kind some_kind(void)
{
    static const enum tree_kind kinds[] = {TREE_HASH, TREE_SET, TREE_LIST, TREE_SCORES, TREE_STREAM};

    return kinds[roll(5)];
}

/* ---- all operations ---- */

void prepare_trees(struct oracle *oracle, struct sdb_crashtest_options *options)
{
    prepare(oracle, options);
    options->every = 30;
    options->kill_every = 10;
    options->nested_images = 8;
}

void prepare_trees_eadr(struct oracle *oracle, struct sdb_crashtest_options *options)
{
    prepare_trees(oracle, options);
    options->domain = SDB_CRASHTEST_EADR;
    options->every = 4;
}

void prepare_trees_pages(struct oracle *oracle, struct sdb_crashtest_options *options)
{
    prepare_trees(oracle, options);
    options->domain = SDB_CRASHTEST_PAGES;
    options->every = 40;
}

static void change_element(struct sdb_session *session, uint32_t key, unsigned inserts)
{
    const struct trees_key *now = &trees.now[key];
    const uint32_t what = roll(100);

    if (now->count == 0 || what < inserts)
        trees_insert(session, key, roll(now->count + 1), trees_some_size());
    else if (what < 90)
        trees_remove(session, key, roll(now->count));
    else
        trees_replace(session, key, roll(now->count), trees_some_size());
}

static void one_operation(struct sdb_session *session, unsigned inserts)
{
    const uint32_t key = roll(TREES_KEYS), what = roll(64);

    if (what == 0)
        trees_delete(session, key);
    else if (what == 1)
        trees_string(session, key);
    else if (what == 2)
        trees_rename(session, key, roll(TREES_KEYS));
    else if (!trees.now[key].exists || !trees.now[key].kind || what == 3)
        trees_create(session, key, some_kind());
    else
        change_element(session, key, inserts);
}

/* Several trees and strings; an inner transaction is a part of it, or is taken back. */
static void transaction(struct sdb_session *session, unsigned inserts)
{
    static struct trees_key before[TREES_KEYS], outer[TREES_KEYS];

    memcpy(outer, trees.now, sizeof(outer));
    trees.transaction = true;
    MUST(sdb_begin_all(session));
    for (uint32_t i = 0, n = 1 + roll(12); i < n; i++)
        one_operation(session, inserts);
    MUST(sdb_begin_all(session));
    memcpy(before, trees.now, sizeof(before));
    for (uint32_t i = 0, n = 1 + roll(12); i < n; i++)
        one_operation(session, inserts);
    if (roll(2)) {
        MUST(sdb_commit(session));
    } else {
        sdb_abort(session);
        memcpy(trees.now, before, sizeof(before));
    }
    for (uint32_t i = 0, n = roll(4); i < n; i++)
        one_operation(session, inserts);
    trees.transaction = false;
    if (roll(6)) {
        trees_operation();
        MUST(sdb_commit(session));
    } else {
        sdb_abort(session);
        memcpy(trees.now, outer, sizeof(outer));
    }
}

static void commit_some(struct sdb_session *session, unsigned inserts)
{
    const uint32_t what = roll(6);

    trees_begin();
    if (what == 0) {
        transaction(session, inserts);
    } else if (what == 1) {
        MUST(sdb_group_begin(session));
        for (uint32_t i = 0, n = 1 + roll(16); i < n; i++)
            one_operation(session, inserts);
        MUST(sdb_group_end(session));
    } else {
        one_operation(session, inserts);
    }
    trees_end();
}

/* Reclaims a little. */
static void maintain(struct sdb_session *session, size_t effort)
{
    trees_begin();
    MUST(sdb_maintain(session, effort, NULL));
    trees_end();
}

int work_trees(void *context, struct sdb_crashtest *test, struct sdb_pool *pool)
{
    static const unsigned inserts[] = {85, 60, 30, 75};
    struct sdb_session *sessions[2];

    (void)context, (void)test;
    MUST(sdb_session_open(pool, &sessions[0]));
    MUST(sdb_session_open(pool, &sessions[1]));
    for (unsigned i = 0; i < 400; i++) {
        struct sdb_session *session = sessions[roll(2)];

        commit_some(session, inserts[i / 100]);
        if (roll(5) == 0)
            maintain(session, 1 + roll(60));
    }
    sdb_session_close(sessions[0]);
    sdb_session_close(sessions[1]);
    return SDB_OK;
}

/* ---- inner nodes that split, join, come and go ---- */

#define LARGE 200u /* of a few elements a leaf, many leaves */

void prepare_trees_deep(struct oracle *oracle, struct sdb_crashtest_options *options)
{
    prepare(oracle, options);
    options->states_max = 4;
    options->random_images = 8;
    options->lines_max = 1;
    options->every = 2;
}

static void change(struct sdb_session *session, uint32_t key, bool grows, uint32_t rank)
{
    if (grows)
        trees_insert(session, key, rank, LARGE + rank % 57);
    else
        trees_remove(session, key, rank);
}

/* Whether the number of inner nodes would be another one behind the change: which is tried, and taken back. */
static bool changes_inner_nodes(struct sdb_session *session, uint32_t key, bool grows, uint32_t rank)
{
    static struct trees_key before;
    const uint64_t nodes = trees_inner_nodes(session, key);
    const uint32_t id = trees.next_id;
    bool changes;

    before = trees.now[key];
    trees.transaction = true;
    MUST(sdb_begin_all(session));
    change(session, key, grows, rank);
    changes = trees_inner_nodes(session, key) != nodes;
    sdb_abort(session);
    trees.transaction = false;
    trees.now[key] = before;
    trees.next_id = id;
    return changes;
}

static void change_deep(struct sdb_session *session, uint32_t key, bool grows)
{
    const uint32_t rank = roll(trees.now[key].count + grows);
    const bool look = changes_inner_nodes(session, key, grows, rank) || roll(150) == 0;

    sdb_crashtest_look(trees.oracle->test, look);
    trees_begin();
    change(session, key, grows, rank);
    trees_end();
    sdb_crashtest_look(trees.oracle->test, 0);
    if (roll(100) == 0)
        maintain(session, 50);
}

int work_trees_deep(void *context, struct sdb_crashtest *test, struct sdb_pool *pool)
{
    static const enum tree_kind kinds[] = {TREE_HASH, TREE_STREAM, TREE_LIST, TREE_SCORES};
    struct sdb_session *session;

    (void)context;
    MUST(sdb_session_open(pool, &session));
    sdb_crashtest_look(test, 0);
    for (uint32_t k = 0; k < 4; k++) {
        trees_begin();
        trees_create(session, k, kinds[k]);
        trees_end();
        while (trees.now[k].count < TREES_ELEMENTS - 1)
            change_deep(session, k, true);
        while (trees.now[k].count)
            change_deep(session, k, false);
    }
    sdb_session_close(session);
    return SDB_OK;
}

/* ---- dropped trees, and their reclaiming ---- */

void prepare_trees_drop(struct oracle *oracle, struct sdb_crashtest_options *options)
{
    prepare(oracle, options);
    options->states_max = 24;
    options->random_images = 6;
    options->lines_max = 4;
    options->every = 2;
    options->kill_every = 12;
    options->nested_images = 8;
}

/* All ways to drop a tree: several of a shard wait in its list, one with a companion among them, while others live. */
static void drop(struct sdb_session *session, unsigned way)
{
    trees_begin();
    if (way == 0) {
        trees_delete(session, 0);
    } else if (way == 1) {
        trees_string(session, 1);
    } else if (way == 2) {
        trees_string(session, 5);
        trees_rename(session, 5, 2);
    } else {
        trees.transaction = true;
        MUST(sdb_begin_all(session));
        trees_create(session, 3, TREE_SET);
        trees_insert(session, 3, 0, 30);
        trees_delete(session, 4);
        trees.transaction = false;
        trees_operation();
        MUST(sdb_commit(session));
    }
    trees_end();
}

int work_trees_drop(void *context, struct sdb_crashtest *test, struct sdb_pool *pool)
{
    static const struct {
        enum tree_kind kind;
        uint32_t elements;
    } trees_of[TREES_KEYS] = {{TREE_HASH, 300}, {TREE_SCORES, 160}, {TREE_LIST, 900}, {TREE_STREAM, 200}, {TREE_SET, 3}, {TREE_HASH, 20}};
    struct sdb_session *session;

    (void)context;
    MUST(sdb_session_open(pool, &session));
    for (unsigned round = 0; round < 2; round++) {
        sdb_crashtest_look(test, 0);
        for (uint32_t k = 0; k < TREES_KEYS; k++)
            trees_grow(session, k, trees_of[k].kind, trees_of[k].elements);
        sdb_crashtest_look(test, 1);
        for (unsigned way = 0; way < 4; way++) {
            drop(session, way);
            maintain(session, 1);
        }
        for (unsigned i = 0; i < 60; i++) {
            maintain(session, 1 + roll(20));
            if (i % 5 == 0) /* what was freed is taken again */
                commit_some(session, 80);
        }
    }
    sdb_session_close(session);
    return SDB_OK;
}
