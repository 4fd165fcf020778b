/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * scenario_repair.c - pools that are damaged in many ways, and repairs that a power cut ends anywhere: the next one keeps just what
 * the first would have kept
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "layout.h"
#include "repairs.h"
#include "scenarios.h"
#include "trees.h"

#define LINE 64u
#define BLOCK 4096u

struct damage {
    struct oracle *oracle;
    damage_function *kind;
    unsigned round;
    int killed;
};

static void prepare(struct oracle *oracle, struct sdb_crashtest_options *options)
{
    oracle->keys = 96;
    oracle->databases = 2;
    options->shards = 2;
    options->states_max = 16;
    options->random_images = 5;
    options->lines_max = 4;
    options->nested_every = 64;
    options->nested_images = 3;
    options->kill_every = 40;
}

void prepare_repair(struct oracle *oracle, struct sdb_crashtest_options *options)
{
    prepare(oracle, options);
    options->every = 3;
}

void prepare_repair_eadr(struct oracle *oracle, struct sdb_crashtest_options *options)
{
    prepare(oracle, options);
    options->domain = SDB_CRASHTEST_EADR;
    options->every = 2;
}

void prepare_repair_pages(struct oracle *oracle, struct sdb_crashtest_options *options)
{
    prepare(oracle, options);
    options->domain = SDB_CRASHTEST_PAGES;
    options->every = 2;
}

/* At each point the process is killed, and what it made visible is all that the next one finds. */
void prepare_repair_kills(struct oracle *oracle, struct sdb_crashtest_options *options)
{
    prepare(oracle, options);
    oracle->keys = 32;
    options->states_max = 2;
    options->random_images = 1;
    options->lines_max = 1;
    options->kill_every = 1;
}

void prepare_repair_trees(struct oracle *oracle, struct sdb_crashtest_options *options)
{
    prepare(oracle, options);
    trees_init(oracle);
    options->every = 10;
}

/* -- kinds of damage -- */

static const struct sdb_m_superblock *superblock(const uint8_t *medium)
{
    return (const struct sdb_m_superblock *)(const void *)medium;
}

/* A line that is not all zeros, behind the superblock. */
static uint64_t used_line(struct oracle *oracle, const uint8_t *medium, uint64_t size)
{
    static const uint8_t zeros[LINE];
    uint64_t at;

    do
        at = ((uint64_t)oracle_roll(oracle, 1u << 30) << 6) % size;
    while (at < 2ull * BLOCK || memcmp(medium + at, zeros, LINE) == 0);
    return at;
}

static void garble(struct oracle *oracle, uint8_t *medium, uint64_t at, uint64_t size)
{
    for (uint64_t i = 0; i < size; i++)
        medium[at + i] = (uint8_t)oracle_roll(oracle, 256);
}

static void flip_bits(struct oracle *oracle, uint8_t *medium, uint64_t *size)
{
    for (unsigned i = 0; i < 12; i++)
        medium[used_line(oracle, medium, *size) + oracle_roll(oracle, LINE)] ^= (uint8_t)(1u << oracle_roll(oracle, 8));
}

static void garble_lines(struct oracle *oracle, uint8_t *medium, uint64_t *size)
{
    for (unsigned i = 0; i < 6; i++)
        garble(oracle, medium, used_line(oracle, medium, *size), LINE);
}

static void garble_block(struct oracle *oracle, uint8_t *medium, uint64_t *size)
{
    garble(oracle, medium, used_line(oracle, medium, *size) & ~(uint64_t)(BLOCK - 1), BLOCK);
}

static void zero_blocks(struct oracle *oracle, uint8_t *medium, uint64_t *size)
{
    uint64_t at = used_line(oracle, medium, *size) & ~(uint64_t)(BLOCK - 1);

    memset(medium + at, 0, *size - at < 4ull * BLOCK ? *size - at : 4ull * BLOCK);
}

static void swap_blocks(struct oracle *oracle, uint8_t *medium, uint64_t *size)
{
    uint64_t a = used_line(oracle, medium, *size) & ~(uint64_t)(BLOCK - 1);
    uint64_t b = used_line(oracle, medium, *size) & ~(uint64_t)(BLOCK - 1);
    uint8_t block[BLOCK];

    memcpy(block, medium + a, BLOCK);
    memcpy(medium + a, medium + b, BLOCK);
    memcpy(medium + b, block, BLOCK);
}

static void lose_index(struct oracle *oracle, uint8_t *medium, uint64_t *size)
{
    (void)size;
    garble(oracle, medium, superblock(medium)->shards_offset + oracle_roll(oracle, 2) * LINE, 8);
}

static void lose_map(struct oracle *oracle, uint8_t *medium, uint64_t *size)
{
    (void)size;
    garble(oracle, medium, superblock(medium)->extent_map_offset, LINE);
}

static void lose_root(struct oracle *oracle, uint8_t *medium, uint64_t *size)
{
    (void)size;
    garble(oracle, medium, superblock(medium)->root_offset, 16);
}

static void lose_lane(struct oracle *oracle, uint8_t *medium, uint64_t *size)
{
    (void)size;
    garble(oracle, medium, superblock(medium)->lanes_offset, LINE);
}

/* What stands in the last extent that is in use, and all behind it. */
static void truncate_file(struct oracle *oracle, uint8_t *medium, uint64_t *size)
{
    uint64_t end = *size;

    while (medium[end - 1] == 0)
        end--;
    *size = end - oracle_roll(oracle, 100000);
}

static damage_function *const kinds[] = {flip_bits,  garble_lines, garble_block, zero_blocks, swap_blocks,
                                         lose_index, lose_map,     lose_root,    lose_lane,   truncate_file};
#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

static void damage(void *context, uint8_t *medium, uint64_t *size)
{
    struct damage *d = context;

    d->kind(d->oracle, medium, size);
}

/* -- work -- */

static void set_one(struct oracle *oracle, struct sdb_session *session, uint32_t key)
{
    MUST(sdb_select(session, key % oracle->databases));
    oracle_begin(oracle);
    oracle_operation(oracle, 0);
    oracle_set(oracle, session, 0, key, oracle_cell(oracle, key % 8 ? 320 : 62000));
    oracle_end(oracle, 0);
}

/* Each key has its value, or is gone and was told of; what is gone is set anew. */
static int take_stock(struct oracle *oracle, struct sdb_session *session, const struct damage *d,
                      const struct sdb_repair *result)
{
    static char value[ORACLE_VALUE_MAX];
    uint64_t gone = 0;

    for (uint32_t key = 0; key < oracle->keys; key++) {
        struct sdb_view view;
        char name[80];
        int error;

        MUST(sdb_select(session, key % oracle->databases));
        error = sdb_view(session, name, oracle_name(key, name), &view);
        gone += error == SDB_ENOTFOUND;
        if (error == SDB_ENOTFOUND) {
            oracle_begin(oracle);
            oracle_operation(oracle, 0);
            oracle_change(oracle, 0, key, (struct cell){0, 0, 0});
            oracle_end(oracle, 0);
            set_one(oracle, session, key);
            continue;
        }
        MUST(error);
        if (view.size != oracle_value(oracle->done[key], value) || memcmp(view.data, value, view.size) != 0) {
            fprintf(stderr, "repair, round %u: key %u has another value\n", d->round, key);
            return SDB_ECORRUPT;
        }
        sdb_view_release(session, &view);
    }
    if (!d->killed && gone > result->keys_lost + result->entries_lost + result->keys_untraced) {
        fprintf(stderr, "repair, round %u: more keys are gone than were told of\n", d->round);
        return SDB_ECORRUPT;
    }
    return SDB_OK;
}

int repair_in_rounds(struct oracle *oracle, struct sdb_crashtest *test, struct sdb_pool *pool, const struct damages *damages)
{
    struct damage d = {.oracle = oracle};
    struct sdb_session *session;
    int error = SDB_OK;

    MUST(sdb_session_open(pool, &session));
    sdb_crashtest_look(test, 0);
    for (uint32_t i = 0; i < 2 * oracle->keys; i++)
        set_one(oracle, session, i % oracle->keys);
    for (d.round = 0; d.round < damages->rounds && !error; d.round++) {
        struct sdb_repair result;

        d.kind = damages->kinds[d.round % damages->count];
        d.killed = d.round >= damages->killed;
        for (uint32_t i = 0; i < 4; i++)
            set_one(oracle, session, oracle_roll(oracle, oracle->keys));
        sdb_session_close(session);
        sdb_crashtest_look(test, 1);
        MUST(sdb_crashtest_repair(test, &pool, d.killed, damage, NULL, &d, &result));
        sdb_crashtest_look(test, 0);
        MUST(sdb_session_open(pool, &session));
        error = take_stock(oracle, session, &d, &result);
    }
    sdb_session_close(session);
    return error;
}

int work_repair(void *context, struct sdb_crashtest *test, struct sdb_pool *pool)
{
    const struct damages all = {.kinds = kinds, .count = KINDS, .rounds = 2 * KINDS, .killed = KINDS};

    return repair_in_rounds(context, test, pool, &all);
}

/*
 * What a repair says before the file is mapped, it says to the file. What it says before it gives up a lane, the next one makes durable
 * first: else a pool without the lane's records is taken for a whole one.
 */
int work_repair_kills(void *context, struct sdb_crashtest *test, struct sdb_pool *pool)
{
    static damage_function *const damaged[] = {truncate_file, truncate_file, truncate_file, lose_lane, lose_lane, lose_lane};
    const struct damages all = {.kinds = damaged, .count = 6, .rounds = 6, .killed = 3};

    return repair_in_rounds(context, test, pool, &all);
}

/* -- large collections -- */

static const struct {
    enum tree_kind kind;
    uint32_t elements;
} grown[TREES_KEYS] = {{TREE_HASH, 60}, {TREE_SCORES, 40}, {TREE_LIST, 300}, {TREE_STREAM, 50}, {TREE_SET, 3}, {TREE_HASH, 150}};

/* Each is as it was, or gone as a whole and told of; what is gone is made anew. */
static int take_stock_of_trees(struct sdb_session *session, const struct damage *d, const struct sdb_repair *result)
{
    uint64_t gone = 0;

    for (uint32_t key = 0; key < TREES_KEYS; key++) {
        const int error = trees_compare(session, key);

        if (error == SDB_ENOTFOUND) {
            gone++;
            trees_forget(key);
            trees_grow(session, key, grown[key].kind, grown[key].elements);
        } else if (error) {
            fprintf(stderr, "repair, round %u: collection %u: %s: %s\n", d->round, key, sdb_strerror(error), sdb_last_error());
            return error;
        }
    }
    if (!d->killed && gone > result->keys_lost + result->entries_lost + result->keys_untraced) {
        fprintf(stderr, "repair, round %u: more collections are gone than were told of\n", d->round);
        return SDB_ECORRUPT;
    }
    return SDB_OK;
}

static void change_some(struct oracle *oracle, struct sdb_session *session)
{
    for (uint32_t i = 0; i < 6; i++) {
        const uint32_t key = oracle_roll(oracle, TREES_KEYS), count = trees.now[key].count;

        trees_begin();
        if (count > grown[key].elements / 2)
            trees_remove(session, key, oracle_roll(oracle, count));
        else
            trees_insert(session, key, 0, trees_some_size());
        trees_end();
    }
    trees_begin(); /* one is dropped, and waits to be reclaimed */
    trees_delete(session, 4);
    trees_end();
    trees_grow(session, 4, grown[4].kind, grown[4].elements);
}

int work_repair_trees(void *context, struct sdb_crashtest *test, struct sdb_pool *pool)
{
    struct damage d = {.oracle = context};
    struct oracle *oracle = context;
    struct sdb_session *session;
    int error = SDB_OK;

    MUST(sdb_session_open(pool, &session));
    sdb_crashtest_look(test, 0);
    for (uint32_t key = 0; key < TREES_KEYS; key++)
        trees_grow(session, key, grown[key].kind, grown[key].elements);
    for (d.round = 0; d.round < 2 * KINDS && !error; d.round++) {
        struct sdb_repair result;

        d.kind = kinds[d.round % KINDS];
        d.killed = d.round / KINDS == 1;
        change_some(oracle, session);
        sdb_session_close(session);
        sdb_crashtest_look(test, 1);
        MUST(sdb_crashtest_repair(test, &pool, d.killed, damage, NULL, &d, &result));
        sdb_crashtest_look(test, 0);
        MUST(sdb_session_open(pool, &session));
        error = take_stock_of_trees(session, &d, &result);
    }
    sdb_session_close(session);
    return error;
}
