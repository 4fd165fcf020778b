/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_tx.c - the overlay of staged words: what it shows, what a rollback restores, how it grows
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine_fixture.h"

#define SIZE (16u << 20)
#define AREA (8u << 20) /* words below it are for staging */

static struct pool_file file; /* no pool: the overlay only wants a base */
static struct tx tx;
static uint64_t *model; /* what the medium will be */
static uint64_t random_state = 88172645463325252ull;

static uint64_t rnd(uint64_t n)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state % n;
}

static int set_up(void **state)
{
    (void)state;
    file.base = aligned_alloc(LINE_SIZE, SIZE);
    model = malloc(SIZE);
    if (!file.base || !model)
        return -1;
    for (size_t i = 0; i < SIZE / 8; i++)
        ((uint64_t *)(void *)file.base)[i] = i * 0x9e3779b97f4a7c15ull;
    memcpy(model, file.base, SIZE);
    return tx_init(&tx, &file);
}

static int tear_down(void **state)
{
    (void)state;
    tx_free(&tx);
    free(file.base);
    free(model);
    return 0;
}

static void assert_shows_model(void)
{
    for (uint64_t offset = 0; offset < SIZE; offset += 8)
        if (tx_load(&tx, offset) != model[offset / 8])
            fail_msg("offset %llu", (unsigned long long)offset);
}

static void stage(uint64_t offset, uint64_t value)
{
    tx_store(&tx, offset, value);
    model[offset / 8] = value;
}

static void a_staged_word_is_seen_and_the_medium_is_not_touched(void **state)
{
    uint64_t old = model[80];

    (void)state;
    stage(640, 7);
    assert_int_equal(tx_load(&tx, 640), 7);
    assert_int_equal(((uint64_t *)(void *)file.base)[80], old);
    assert_int_equal(tx_load(&tx, 648), model[81]); /* its neighbours as they are */
    assert_false(tx_is_empty(&tx));
    tx_reset(&tx);
    assert_true(tx_is_empty(&tx));
    assert_int_equal(tx_load(&tx, 640), old);
}

static void only_changed_words_are_dirty(void **state)
{
    const struct tx_line *line;

    (void)state;
    stage(640 + 8, 1);
    stage(640 + 56, 2);
    line = tx_find(&tx, 10);
    assert_non_null(line);
    assert_int_equal(line->dirty, 0x82);
    assert_null(tx_find(&tx, 11));
    assert_int_equal(tx.line_count, 1);
}

static void an_entry_is_staged_by_its_changed_words(void **state)
{
    uint64_t words[4];

    (void)state;
    memcpy(words, &model[84], sizeof(words)); /* the upper entry of line 10 */
    words[0] ^= 1;
    words[3] ^= 1;
    tx_store_entry(&tx, 672, words);
    assert_int_equal(tx_find(&tx, 10)->dirty, 0x90);
    assert_int_equal(tx_find(&tx, 10)->kind, TX_LINE_ENTRIES);
    assert_memory_equal(tx_line(&tx, 672) + 4, words, sizeof(words));
}

static void the_table_grows_to_any_number_of_lines(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < 100000; i++)
        stage(rnd(AREA / 8) * 8, rnd(UINT64_MAX));
    assert_true(tx.line_count > 60000);
    assert_shows_model();
    tx_reset(&tx);
    memcpy(model, file.base, SIZE);
    assert_shows_model();
}

static void resets_small_and_large_leave_nothing_behind(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 300; round++) {
        uint64_t lines = round % 50 == 0 ? 20000 : 1 + rnd(100);

        for (uint64_t i = 0; i < lines; i++)
            tx_store(&tx, rnd(AREA / 8) * 8, round);
        tx_reset(&tx);
        for (size_t i = 0; i <= tx.table_mask; i++)
            assert_int_equal(tx.table[i], 0);
        for (size_t i = 0; i < TX_FILTER_WORDS; i++) /* a bit that stays costs a search, not an answer */
            assert_int_equal(tx.filter[i], 0);
    }
}

static void lines_stay_where_they_are_while_others_are_staged(void **state)
{
    const uint64_t *line;

    (void)state;
    stage(640, 7);
    line = tx_line(&tx, 640);
    for (uint64_t i = 0; i < 20000; i++)
        stage(rnd(AREA / 8) * 8, i);
    assert_ptr_equal(tx_line(&tx, 640), line);
}

static void a_rollback_restores_exactly(void **state)
{
    static uint64_t saved[SIZE / 8];

    (void)state;
    for (unsigned round = 0; round < 20; round++) {
        struct tx_mark mark;

        for (unsigned i = 0; i < 200; i++)
            stage(rnd(4096) * 8, rnd(UINT64_MAX));
        memcpy(saved, model, SIZE);
        mark = tx_savepoint(&tx);
        for (unsigned i = 0; i < 500; i++)
            stage(rnd(5000) * 8, rnd(UINT64_MAX));
        tx_rollback(&tx, &mark);
        memcpy(model, saved, SIZE);
        assert_shows_model();
        assert_int_equal(tx.undo.count, mark.undo);
    }
}

static void nested_savepoints_unwind_one_by_one(void **state)
{
    enum { DEPTH = 30 };
    struct tx_mark marks[DEPTH];
    uint64_t values[DEPTH];

    (void)state;
    for (unsigned i = 0; i < DEPTH; i++) {
        marks[i] = tx_savepoint(&tx);
        values[i] = tx_load(&tx, 640);
        tx_store(&tx, 640, i);
        tx_store(&tx, 6400 + i * 64, i);
    }
    for (unsigned i = DEPTH; i-- > 0;) {
        tx_rollback(&tx, &marks[i]);
        assert_int_equal(tx_load(&tx, 640), values[i]);
        assert_int_equal(tx_load(&tx, 6400 + i * 64), model[(6400 + i * 64) / 8]);
    }
    assert_true(tx_is_empty(&tx));
    assert_null(tx_find(&tx, 10)); /* a copy that stays would hide what a fresh range writes to its place */
    assert_int_equal(tx.line_count, 0);
}

static void a_fresh_range_takes_its_words_directly_and_gives_them_back(void **state)
{
    struct tx_mark mark;
    uint64_t *medium = (uint64_t *)(void *)(file.base + AREA);

    (void)state;
    tx_add_range(&tx, AREA, 4096, true);
    stage(AREA + 8, 7);
    assert_int_equal(medium[1], 7);
    assert_int_equal(tx.line_count, 0);
    mark = tx_savepoint(&tx);
    stage(AREA + 8, 8);
    stage(AREA + 16, 9);
    tx_add_range(&tx, AREA + 4096, 4096, true);
    tx_rollback(&tx, &mark);
    assert_int_equal(medium[1], 7);
    assert_int_equal(tx.open.count, 1);
    assert_int_equal(tx.range_bytes, 4096);
    tx_store(&tx, AREA + 4096, 1); /* no range any more: staged */
    assert_int_equal(tx.line_count, 1);
}

static void a_blobs_range_takes_no_words(void **state)
{
    uint64_t *medium = (uint64_t *)(void *)(file.base + AREA);
    uint64_t old = medium[0];

    (void)state;
    tx_add_range(&tx, AREA, 4096, false);
    tx_store(&tx, AREA, 7);
    assert_int_equal(medium[0], old);
    assert_int_equal(tx.line_count, 1);
}

static void lists_grow_and_are_cut_by_a_rollback(void **state)
{
    struct tx_mark mark;

    (void)state;
    for (unsigned i = 0; i < 1000; i++) {
        if (i == 300)
            mark = tx_savepoint(&tx);
        tx_add_range(&tx, i * 64, 64, i % 2);
        tx_add_block(&tx, TX_BLOCK_ALLOCATED, i % 7, i * 64, 64);
        tx_add_count(&tx, i % 7, i % 16, 1, -1);
        tx_add_touch(&tx, i, i * 32);
    }
    assert_false(tx.failed);
    tx_rollback(&tx, &mark);
    assert_true(tx.ranges.count == 300 && tx.blocks.count == 300 && tx.counts.count == 300 && tx.touches.count == 300);
    assert_int_equal(tx.open.count, 150);
    assert_int_equal(tx.range_bytes, 300 * 64);
    assert_int_equal(tx.blocks.items[299].offset, 299 * 64);
    tx_reset(&tx);
    assert_true(tx_is_empty(&tx));
    assert_int_equal(tx.open.count, 0);
}

/* Whether the lines of nodes that are staged are told, and how many bits are set in all. */
static unsigned assert_node_lines(uint64_t nodes)
{
    unsigned bits = 0;

    for (uint64_t node = 0; node < nodes * TREE_NODE_SIZE; node += TREE_NODE_SIZE)
        for (unsigned i = 0; i < TREE_NODE_SIZE / LINE_SIZE; i++)
            if (tx_find(&tx, (node + i * LINE_SIZE) / LINE_SIZE) && !(tx_node_lines(&tx, node) >> i & 1))
                fail_msg("line %u of node %llu", i, (unsigned long long)node);
    for (unsigned i = 0; i < TX_NODE_LINES; i++)
        bits += (unsigned)__builtin_popcountll(tx.node_lines[i]);
    return bits;
}

static void staged_lines_of_nodes_are_told_until_they_go(void **state)
{
    struct tx_mark mark;

    (void)state;
    assert_int_equal(assert_node_lines(8), 0);
    for (unsigned round = 0; round < 50; round++) {
        const unsigned more = round % 10 ? 20 : 5000;
        unsigned told;

        for (unsigned i = 0; i < 50; i++)
            tx_store_node(&tx, rnd(8 * TREE_NODE_WORDS) * 8, i);
        told = assert_node_lines(8);
        assert_in_range(told, 1, 50);
        mark = tx_savepoint(&tx);
        for (unsigned i = 0; i < more; i++)
            tx_store_node(&tx, rnd(600 * TREE_NODE_WORDS) * 8, i);
        assert_true(assert_node_lines(600) > told);
        tx_rollback(&tx, &mark);
        assert_int_equal(assert_node_lines(600), told);
        tx_reset(&tx);
        assert_int_equal(assert_node_lines(600), 0);
        tx_store(&tx, rnd(AREA / 8) * 8, 1); /* of no node, and before one that is taken back */
        mark = tx_savepoint(&tx);
        tx_store(&tx, rnd(AREA / 8) * 8, 1);
        tx_rollback(&tx, &mark);
        tx_reset(&tx);
        assert_int_equal(assert_node_lines(600), 0);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_staged_word_is_seen_and_the_medium_is_not_touched),
        TEST(only_changed_words_are_dirty),
        TEST(an_entry_is_staged_by_its_changed_words),
        TEST(the_table_grows_to_any_number_of_lines),
        TEST(resets_small_and_large_leave_nothing_behind),
        TEST(lines_stay_where_they_are_while_others_are_staged),
        TEST(a_rollback_restores_exactly),
        TEST(nested_savepoints_unwind_one_by_one),
        TEST(a_fresh_range_takes_its_words_directly_and_gives_them_back),
        TEST(a_blobs_range_takes_no_words),
        TEST(lists_grow_and_are_cut_by_a_rollback),
        TEST(staged_lines_of_nodes_are_told_until_they_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
