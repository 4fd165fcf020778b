/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_budget.c - what each kind of write costs in fences and flushed cache lines, and that reads cost none
 *
 * docs/TESTING.md, section Budgets, has the same figures. A commit flushes the lines that the one before it changed in place, so that
 * in a steady row of like operations each pays for one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine_fixture.h"

#define ROUNDS 64u
#define KEYS 4096u

static struct fixture f;
static char value[64 << 10];
static struct sdb_stats before;

static size_t key_of(unsigned i, char *name)
{
    return (size_t)sprintf(name, "key:%08u", i);
}

/* Keys in every shard, room in every page, index segments that do not split: what remains is the operation itself. */
static int set_up(void **state)
{
    char name[16];

    (void)state;
    fixture_create(&f, 64 * MIB, 0, 4);
    if (f.pool->file.persist.flush == PERSIST_NONE)
        persist_init(&f.pool->file.persist, PERSIST_CLFLUSH, f.pool->file.base,
                     NULL); /* where caches persist, lines count too */
    for (unsigned i = 0; i < KEYS; i++)
        assert_ok(sdb_set(f.session, name, key_of(i, name), "00000000", 8, NULL));
    memset(value, 'v', sizeof(value));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    fixture_destroy(&f);
    return 0;
}

static void start(void)
{
    before = fixture_stats(&f);
}

/* Fences exactly, lines in all exactly; the log's bytes are told where something differs. */
static void assert_cost(uint64_t fences, uint64_t lines)
{
    struct sdb_stats now = fixture_stats(&f);

    if (now.fences - before.fences != fences || now.flushed_lines - before.flushed_lines != lines)
        fail_msg("%llu fences, %llu lines, %llu bytes of log; budget: %llu fences, %llu lines",
                 (unsigned long long)(now.fences - before.fences),
                 (unsigned long long)(now.flushed_lines - before.flushed_lines),
                 (unsigned long long)(now.log_bytes - before.log_bytes), (unsigned long long)fences,
                 (unsigned long long)lines);
}

static void update(unsigned i)
{
    char name[16], text[16];

    snprintf(text, sizeof(text), "a%07u", i % 10000000);
    assert_ok(sdb_set(f.session, name, key_of(i % KEYS, name), text, 8, NULL));
}

static void an_inline_update_costs_1_fence_and_2_lines(void **state)
{
    (void)state;
    update(1);
    start();
    for (unsigned i = 0; i < ROUNDS; i++)
        update(2 + i * 7);
    assert_cost(ROUNDS, ROUNDS * 2); /* the record, the entry */
}

static void an_addition_costs_1_fence_and_2_lines(void **state)
{
    char name[16];

    (void)state;
    for (unsigned i = 0; i < ROUNDS + 1; i++)
        assert_ok(sdb_set(f.session, name, key_of(i * 7, name), "1", 1, NULL));
    assert_ok(sdb_add(f.session, name, key_of(0, name), 1, NULL));
    start();
    for (unsigned i = 1; i <= ROUNDS; i++)
        assert_ok(sdb_add(f.session, name, key_of(i * 7, name), 1, NULL));
    assert_cost(ROUNDS, ROUNDS * 2);
}

static void an_update_by_handle_costs_1_fence_and_2_lines(void **state)
{
    uint64_t handles[ROUNDS];
    char name[16];

    (void)state;
    for (unsigned i = 0; i < ROUNDS; i++)
        assert_ok(sdb_handle(f.session, name, key_of(i * 7, name), &handles[i]));
    update(1);
    start();
    for (unsigned i = 0; i < ROUNDS; i++)
        assert_ok(sdb_set_by_handle(f.session, handles[i], "anything", 8));
    assert_cost(ROUNDS, ROUNDS * 2);
}

static void a_batch_of_64_updates_costs_1_fence(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 2; round++) {
        start();
        assert_ok(sdb_group_begin(f.session));
        for (unsigned i = 0; i < 64; i++)
            update(i * 61 + round);
        assert_ok(sdb_group_end(f.session));
    }
    assert_cost(1, 64 + 25); /* the entries of the batch before, and a record of 64 times 3 words and its header */
}

static void a_transaction_over_all_shards_costs_1_fence(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 2; round++) {
        start();
        assert_ok(sdb_begin_all(f.session));
        for (unsigned i = 0; i < 16; i++)
            update(i * 61 + round);
        assert_ok(sdb_commit(f.session));
    }
    assert_cost(1, 16 + 7);
}

static void reads_cost_nothing(void **state)
{
    struct sdb_slice keys[32];
    struct sdb_view views[32];
    struct sdb_inline values[32];
    struct sdb_stat stat;
    static char names[32][16];
    uint64_t handle, cursor = 0, count;
    int results[32];
    size_t size;

    (void)state;
    for (unsigned i = 0; i < 32; i++)
        keys[i] = (struct sdb_slice){names[i], key_of(i, names[i])};
    update(1);
    start();
    for (unsigned i = 0; i < 32; i++) {
        assert_ok(sdb_get(f.session, names[i], keys[i].size, NULL, 0, &size));
        assert_ok(sdb_stat(f.session, names[i], keys[i].size, &stat));
        assert_ok(sdb_handle(f.session, names[i], keys[i].size, &handle));
        assert_ok(sdb_get_by_handle(f.session, handle, NULL, 0, &size));
        assert_int_equal(sdb_exists(f.session, "none", 4), SDB_ENOTFOUND);
        assert_int_equal(sdb_delete(f.session, "none", 4), SDB_ENOTFOUND);
    }
    sdb_get_many(f.session, keys, 32, values);
    assert_ok(sdb_view_many(f.session, keys, 32, views, results));
    for (unsigned i = 0; i < 32; i++)
        sdb_view_release(f.session, &views[i]);
    assert_ok(sdb_random_key(f.session, names[0], 16, &size));
    assert_ok(sdb_count(f.session, &count));
    (void)cursor;
    assert_ok(sdb_group_begin(f.session));
    assert_ok(sdb_exists(f.session, names[1], keys[1].size));
    assert_ok(sdb_group_end(f.session));
    assert_ok(sdb_begin(f.session, keys + 1, 5));
    assert_ok(sdb_exists(f.session, names[1], keys[1].size));
    assert_ok(sdb_commit(f.session));
    assert_cost(0, 0);
}

/* Inserts between which no page is taken and no segment grows: the keys were there before. */
static void an_insert_costs_1_fence_and_3_or_4_lines(void **state)
{
    struct sdb_stats now;
    char name[16];

    (void)state;
    for (unsigned i = 0; i <= ROUNDS; i++)
        assert_ok(sdb_delete(f.session, name, key_of(i * 7, name)));
    assert_ok(sdb_set(f.session, name, key_of(0, name), "00000000", 8, NULL));
    start();
    for (unsigned i = 1; i <= ROUNDS; i++)
        assert_ok(sdb_set(f.session, name, key_of(i * 7, name), "00000000", 8, NULL));
    now = fixture_stats(&f);
    assert_int_equal(now.fences - before.fences, ROUNDS);
    /* The record of 8 words and its header takes two lines, the entry one, the index word one. */
    assert_in_range(now.flushed_lines - before.flushed_lines, ROUNDS * 3, ROUNDS * 4);
}

static void a_delete_costs_1_fence_and_4_lines_at_most(void **state)
{
    struct sdb_stats now;
    char name[16];

    (void)state;
    assert_ok(sdb_delete(f.session, name, key_of(0, name)));
    start();
    for (unsigned i = 1; i <= ROUNDS; i++)
        assert_ok(sdb_delete(f.session, name, key_of(i * 7, name)));
    now = fixture_stats(&f);
    assert_int_equal(now.fences - before.fences, ROUNDS);
    assert_in_range(now.flushed_lines - before.flushed_lines, ROUNDS * 3, ROUNDS * 4);
}

/* Overwriting a blob: the new one's lines, the record, the entry, and the bitmap words of the old and the new block. */
static void a_blob_costs_1_fence_and_its_own_lines(void **state)
{
    static const uint32_t sizes[] = {100, 1000, 4000, 16000};
    struct sdb_stats now;

    (void)state;
    for (unsigned s = 0; s < 4; s++) {
        uint64_t own = (sizes[s] + 8 + 63) / 64;

        for (unsigned i = 0; i < 200; i++)
            assert_ok(sdb_set(f.session, "blob", 4, value, sizes[s], NULL));
        start();
        for (unsigned i = 0; i < ROUNDS; i++)
            assert_ok(sdb_set(f.session, "blob", 4, value, sizes[s], NULL));
        now = fixture_stats(&f);
        if (now.fences - before.fences != ROUNDS || now.flushed_lines - before.flushed_lines < ROUNDS * own ||
            now.flushed_lines - before.flushed_lines > ROUNDS * (own + 7))
            fail_msg("%u bytes: %llu fences, %llu lines for %u writes of %llu lines", sizes[s],
                     (unsigned long long)(now.fences - before.fences),
                     (unsigned long long)(now.flushed_lines - before.flushed_lines), ROUNDS, (unsigned long long)own);
    }
}

static void keys_set_or_deleted_at_once_cost_1_fence(void **state)
{
    struct sdb_pair pairs[64];
    struct sdb_slice keys[64];
    static char names[64][16];
    size_t deleted;

    (void)state;
    for (unsigned i = 0; i < 64; i++) {
        keys[i] = (struct sdb_slice){names[i], key_of(i * 61, names[i])};
        pairs[i] = (struct sdb_pair){keys[i], {"xxxxxxxx", 8}};
    }
    start();
    assert_ok(sdb_set_many(f.session, pairs, 64, 0));
    assert_int_equal(fixture_stats(&f).fences - before.fences, 1);
    assert_ok(sdb_delete_many(f.session, keys, 64, &deleted));
    assert_int_equal(fixture_stats(&f).fences - before.fences, 2);
    assert_int_equal(deleted, 64);
}

static void keys_set_one_after_the_other_cost_1_fence(void **state)
{
    struct sdb_pair pairs[64];
    static char names[64][16];

    (void)state;
    for (unsigned i = 0; i < 64; i++)
        pairs[i] = (struct sdb_pair){{names[i], key_of(i * 61, names[i])}, {"xxxxxxxx", 8}};
    update(1);
    start();
    for (unsigned round = 0; round < 4; round++)
        assert_ok(sdb_set_each(f.session, pairs, 64, NULL));
    assert_int_equal(fixture_stats(&f).fences - before.fences, 4);
}

static void whole_keys_and_databases_cost_1_fence(void **state)
{
    char name[16];

    (void)state;
    start();
    assert_ok(sdb_rename(f.session, name, key_of(1, name), "key:00000002", 12, 1));
    assert_int_equal(fixture_stats(&f).fences - before.fences, 1);
    assert_ok(sdb_swap_databases(f.session, 0, 1));
    assert_int_equal(fixture_stats(&f).fences - before.fences, 2);
    assert_ok(sdb_swap_databases(f.session, 0, 1));
    assert_ok(sdb_flush_all(f.session));
    assert_int_equal(fixture_stats(&f).fences - before.fences, 4);
}

static void what_a_condition_refuses_costs_nothing(void **state)
{
    struct sdb_set_options options = {.flags = SDB_IF_ABSENT};
    char name[16];

    (void)state;
    start();
    assert_int_equal(sdb_set(f.session, name, key_of(1, name), "x", 1, &options), SDB_ECONDITION);
    assert_int_equal(sdb_rename(f.session, name, key_of(1, name), "key:00000002", 12, 0), SDB_ECONDITION);
    assert_ok(sdb_set(f.session, name, key_of(1, name), "text", 4, NULL));
    start();
    assert_int_equal(sdb_add(f.session, name, key_of(1, name), 1, NULL), SDB_ENOTINT);
    assert_cost(0, 0);
}

static void growth_takes_few_fences_more(void **state)
{
    struct sdb_stats now;
    char name[16];

    (void)state;
    start();
    for (unsigned i = KEYS; i < KEYS + 20000; i++)
        assert_ok(sdb_set(f.session, name, key_of(i, name), "00000000", 8, NULL));
    now = fixture_stats(&f);
    /* A page of 1,024 entries is made with a fence of its own. */
    assert_in_range(now.fences - before.fences, 20000, 20000 + 20000 / 1024 + 4);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(an_inline_update_costs_1_fence_and_2_lines),
        TEST(an_addition_costs_1_fence_and_2_lines),
        TEST(an_update_by_handle_costs_1_fence_and_2_lines),
        TEST(a_batch_of_64_updates_costs_1_fence),
        TEST(a_transaction_over_all_shards_costs_1_fence),
        TEST(reads_cost_nothing),
        TEST(an_insert_costs_1_fence_and_3_or_4_lines),
        TEST(a_delete_costs_1_fence_and_4_lines_at_most),
        TEST(a_blob_costs_1_fence_and_its_own_lines),
        TEST(keys_set_or_deleted_at_once_cost_1_fence),
        TEST(keys_set_one_after_the_other_cost_1_fence),
        TEST(whole_keys_and_databases_cost_1_fence),
        TEST(what_a_condition_refuses_costs_nothing),
        TEST(growth_takes_few_fences_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
