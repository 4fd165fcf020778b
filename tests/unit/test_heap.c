/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_heap.c - blocks, runs, extents and entries: handed out once, kept over openings, reused when nobody needs them
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine_fixture.h"
#include "heap_internal.h"

#define LIVE_MAX 4096u

struct block {
    uint64_t offset, size; /* as heap_block_size says */
    uint32_t shard;
};

static struct fixture f;
static struct tx tx;
static struct block live[LIVE_MAX];
static unsigned live_count;
static uint64_t oldest_pin;

static uint64_t pinned(void *context)
{
    (void)context;
    return oldest_pin;
}

static struct heap *heap(void)
{
    return &f.pool->heap;
}

static void begin(void)
{
    assert_ok(tx_init(&tx, &f.pool->file));
    heap()->oldest_pin = pinned;
    oldest_pin = UINT64_MAX;
}

static int set_up(void **state)
{
    (void)state;
    fixture_create(&f, 32 * MIB, 0, 2);
    live_count = 0;
    begin();
    return 0;
}

static void reopen(bool crash)
{
    tx_free(&tx);
    if (crash)
        fixture_crash(&f);
    else
        fixture_reopen(&f);
    begin();
}

static void let_go_of_locks(void)
{
    tx_reset(&tx);
    if (tx.pool_locked) {
        tx.pool_locked = false;
        lock_release(&heap()->pool_lock);
    }
}

static void commit(void)
{
    struct lane *lane = &f.pool->lanes.lanes[0];

    if (!tx_is_empty(&tx)) {
        assert_true(lane_record_words(&tx) <= lane_record_words_max(&f.pool->lanes));
        assert_ok(lane_persist(&f.pool->lanes, lane, &tx, 0));
        lane_apply(&f.pool->lanes, lane, &tx);
        heap_committed(heap(), &tx, 0, lane->sequence);
    }
    let_go_of_locks();
}

static void roll_back(void)
{
    struct tx_mark mark = {0};

    heap_rollback(heap(), &tx, 0);
    tx_rollback(&tx, &mark);
    let_go_of_locks();
}

/* Takes a block, which must lie inside the heap, be aligned, and overlap no other. */
static int take(uint32_t shard, uint64_t size)
{
    uint64_t block = heap_block_size(size), offset = 0;
    int error = heap_alloc(heap(), &tx, shard, size, &offset);

    if (error)
        return error;
    assert_true(offset >= f.pool->file.superblock.heap_offset && offset + block <= f.pool->file.size);
    assert_int_equal(offset % (size % 64 == 0 && size ? 64 : 16), 0);
    for (unsigned i = 0; i < live_count; i++)
        if (offset < live[i].offset + live[i].size && live[i].offset < offset + block)
            fail_msg("%llu at %llu overlaps %llu at %llu", (unsigned long long)size, (unsigned long long)offset,
                     (unsigned long long)live[i].size, (unsigned long long)live[i].offset);
    assert_true(live_count < LIVE_MAX);
    live[live_count++] = (struct block){offset, block, shard};
    return SDB_OK;
}

static void give(unsigned i)
{
    assert_ok(heap_free(heap(), &tx, live[i].shard, live[i].offset));
    live[i] = live[--live_count];
}

static int tear_down(void **state)
{
    (void)state;
    while (live_count) {
        give(live_count - 1);
        commit();
    }
    tx_free(&tx);
    heap()->oldest_pin = sessions_oldest_pin;
    fixture_destroy(&f); /* its check finds each block that is allocated and belongs to nobody */
    return 0;
}

static const uint64_t sizes[] = {
    0,     1,     31,     32,      33,      48,      49,      64,      65,      100,     128,     129,
    160,   192,   193,    256,     257,     320,     384,     448,     512,     513,     640,     768,
    896,   1024,  1025,   1280,    1536,    1792,    2048,    2049,    2560,    3072,    3584,    4096,
    4097,  5120,  6528,   6529,    8192,    8193,    10880,   16384,   16385,   32768,   32769,   65536,
    65537, 98304, 500000, 1000000, 2064383, 2064384, 2064385, 2097152, 2097153, 4194304, 4194305,
};
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void a_block_is_never_smaller_than_what_was_asked_for(void **state)
{
    uint64_t last = 0;

    (void)state;
    for (uint64_t size = 0; size < 5u << 20; size += size < 40000 ? 1 : 997) {
        uint64_t block = heap_block_size(size);

        assert_true(block >= size && block >= last && block % 16 == 0);
        if (size >= 64 && size <= 16384)
            assert_true(block < size * 8 / 5);
        last = block;
    }
}

static void every_size_is_handed_out_and_taken_back(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(sizes); i++) {
        assert_ok(take((uint32_t)i % 2, sizes[i]));
        if (i % 3 == 0)
            commit();
        if (live_count > 20)
            give((unsigned)fixture_random(&f, live_count));
    }
    commit();
}

static void every_block_of_a_page_is_handed_out_once(void **state)
{
    static const uint16_t small[] = {32, 48, 80, 1024};

    (void)state;
    for (size_t s = 0; s < 4; s++) {
        unsigned blocks = PAGE_SIZE_POOL / small[s];

        for (unsigned i = 0; i < blocks + 1; i++) {
            assert_ok(take(0, small[s]));
            if (i % 100 == 99)
                commit();
        }
        commit();
        reopen(s % 2); /* the bitmaps are read back */
        for (unsigned i = 0; i < 5; i++)
            assert_ok(take(0, small[s]));
        commit();
        while (live_count) {
            give((unsigned)fixture_random(&f, live_count));
            if (live_count % 100 == 0)
                commit();
        }
        commit();
    }
}

static void nothing_is_handed_out_twice_under_random_work(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 6000; round++) {
        unsigned saved_count = live_count;
        static struct block saved[LIVE_MAX];

        memcpy(saved, live, sizeof(live));
        for (uint64_t n = fixture_random(&f, 5); n-- > 0;) {
            if (live_count && fixture_random(&f, 2)) {
                give((unsigned)fixture_random(&f, live_count));
            } else {
                uint64_t size = sizes[fixture_random(&f, COUNT(sizes) - (round % 10 ? 14 : 0))];
                int error = take((uint32_t)fixture_random(&f, 2), size);

                assert_true(error == SDB_OK || error == SDB_ENOSPC);
                if (error)
                    break;
            }
        }
        if (fixture_random(&f, 4)) {
            commit();
        } else {
            roll_back();
            memcpy(live, saved, sizeof(live));
            live_count = saved_count;
        }
        if (round % 500 == 499)
            reopen(round % 1000 == 999);
    }
}

static void what_is_not_allocated_cannot_be_freed(void **state)
{
    uint64_t block, run, extents;

    (void)state;
    assert_ok(take(0, 100));
    assert_ok(take(0, 100000));
    assert_ok(take(0, 3u << 20));
    commit();
    block = live[0].offset;
    run = live[1].offset;
    extents = live[2].offset;
    assert_int_equal(heap_free(heap(), &tx, 0, 0), SDB_ECORRUPT);
    assert_int_equal(heap_free(heap(), &tx, 0, 4096), SDB_ECORRUPT);
    assert_int_equal(heap_free(heap(), &tx, 0, block + 16), SDB_ECORRUPT);
    assert_int_equal(heap_free(heap(), &tx, 0, block + 112), SDB_ECORRUPT);
    assert_int_equal(heap_free(heap(), &tx, 1, block), SDB_ECORRUPT); /* another shard's */
    assert_int_equal(heap_free(heap(), &tx, 0, run + 16), SDB_ECORRUPT);
    assert_int_equal(heap_free(heap(), &tx, 0, run + PAGE_SIZE_POOL), SDB_ECORRUPT);
    assert_int_equal(heap_free(heap(), &tx, 0, extents + 16), SDB_ECORRUPT);
    assert_int_equal(heap_free(heap(), &tx, 0, extents + EXTENT_SIZE), SDB_ECORRUPT);
    assert_int_equal(heap_free(heap(), &tx, 0, f.pool->file.size), SDB_ECORRUPT);
    assert_int_equal(heap_free(heap(), &tx, 0, f.pool->file.size + 10 * EXTENT_SIZE), SDB_ECORRUPT);
    assert_int_equal(heap_free(heap(), &tx, 0, UINT64_MAX - 15), SDB_ECORRUPT);
    assert_true(tx_is_empty(&tx));
}

static void nothing_can_be_freed_twice(void **state)
{
    (void)state;
    for (unsigned kind = 0; kind < 3; kind++) {
        struct block block;

        assert_ok(take(0, kind == 0 ? 100 : kind == 1 ? 100000 : 3u << 20));
        commit();
        block = live[0];
        give(0);
        assert_int_equal(heap_free(heap(), &tx, 0, block.offset), SDB_ECORRUPT); /* in the same transaction */
        commit();
        assert_int_equal(heap_free(heap(), &tx, 0, block.offset), SDB_ECORRUPT);
        let_go_of_locks();
    }
}

/* -- quarantine -- */

/* Whether the memory at an offset, or a part of it, is among the next blocks. */
static bool is_handed_out(uint64_t offset, uint64_t size, unsigned tries)
{
    uint64_t block = heap_block_size(size);
    bool found = false;

    for (unsigned i = 0; i < tries && !found; i++) {
        if (take(0, size) != SDB_OK)
            break;
        found = live[live_count - 1].offset < offset + block && offset < live[live_count - 1].offset + block;
        commit();
    }
    return found;
}

static void freed_memory_waits_for_its_record_to_be_dead(void **state)
{
    static const uint64_t some[] = {100, 100000, 3u << 20};

    (void)state;
    for (size_t s = 0; s < 3; s++) {
        uint64_t offset;

        assert_ok(take(0, some[s]));
        commit();
        offset = live[live_count - 1].offset;
        give(live_count - 1);
        assert_ok(take(0, some[s])); /* in the same transaction */
        assert_true(live[live_count - 1].offset != offset);
        commit();
        assert_ok(take(0, some[s])); /* the record that freed it may be applied again */
        assert_true(live[live_count - 1].offset != offset);
        commit();
        assert_ok(lanes_retire(&f.pool->lanes, 0));
        if (!is_handed_out(offset, some[s], 400))
            fail_msg("%llu bytes did not come back", (unsigned long long)some[s]);
        while (live_count) {
            give(live_count - 1);
            commit();
        }
    }
}

static void freed_memory_waits_for_the_views_of_it(void **state)
{
    uint64_t offset;

    (void)state;
    assert_ok(take(0, 5000));
    commit();
    offset = live[0].offset;
    oldest_pin = heap()->epoch; /* a view begins */
    give(0);
    commit();
    for (unsigned i = 0; i < 20; i++) {
        assert_ok(take(0, 5000));
        assert_true(live[live_count - 1].offset != offset);
        commit();
        assert_ok(lanes_retire(&f.pool->lanes, 0));
        heap_release(heap(), 0, true);
    }
    oldest_pin = heap()->epoch + 1; /* it ends; a younger one is there */
    assert_true(is_handed_out(offset, 5000, 100));
}

static void what_was_rolled_back_can_be_handed_out_again(void **state)
{
    uint64_t offset;

    (void)state;
    assert_ok(take(0, 5000));
    offset = live[--live_count].offset;
    roll_back();
    assert_true(is_handed_out(offset, 5000, 50));
}

/* -- a full heap -- */

static void a_full_heap_gives_all_of_it_again(void **state)
{
    static const uint64_t some[] = {16384, 100000, 2u << 20};

    (void)state;
    for (size_t s = 0; s < 3; s++) {
        unsigned first, second;

        for (unsigned round = 0; round < 2; round++) {
            while (take(0, some[s]) == SDB_OK)
                commit();
            roll_back();
            second = live_count;
            if (round == 0)
                first = live_count;
            if (round == 0 && s == 0)
                reopen(true);
            while (live_count) {
                give((unsigned)fixture_random(&f, live_count));
                commit();
            }
        }
        if (second + 3 < first)
            fail_msg("%llu: %u at first, %u then", (unsigned long long)some[s], first, second);
        reopen(false);
    }
}

static void a_full_heap_retires_the_lane_that_holds_back_what_was_freed(void **state)
{
    static const uint64_t some[] = {2u << 20, 100000, 16384}; /* extents first: shards keep what they have */

    (void)state;
    for (size_t s = 0; s < 3; s++) {
        while (take(0, some[s]) == SDB_OK)
            commit();
        roll_back();
        assert_true(live_count > 2);
        give(live_count / 2);
        commit();
        assert_ok(take(0, some[s])); /* the newest record has freed it */
        commit();
        while (live_count) {
            give(live_count - 1);
            commit();
        }
        reopen(false);
    }
}

/* -- entries -- */

static void entries_are_handed_out_once_and_free_ones_again(void **state)
{
    enum { N = 3000 };
    static uint64_t entries[N];
    uint64_t again, words[4] = {SDB_TYPE_STRING, 1, 2, 3}, none[4] = {0};

    (void)state;
    for (unsigned i = 0; i < N; i++) {
        assert_ok(heap_alloc_entry(heap(), &tx, 0, &entries[i]));
        assert_true(entries[i] % ENTRY_SIZE == 0 && heap_is_entry(heap(), entries[i]));
        words[0] = SDB_TYPE_STRING;
        entry_seal(words, entries[i]);
        tx_store_entry(&tx, entries[i], words);
        if (i % 50 == 49)
            commit();
    }
    commit();
    for (unsigned i = 1; i < N; i++)
        assert_true(entries[i] != entries[i - 1]);
    reopen(true); /* live ones are found live */
    assert_ok(heap_alloc_entry(heap(), &tx, 0, &again));
    for (unsigned i = 0; i < N; i++)
        assert_true(entries[i] != again);
    roll_back();
    for (unsigned i = 0; i < N; i++) {
        tx_store_entry(&tx, entries[i], none);
        heap_free_entry(&tx, 0, entries[i]);
        if (i % 50 == 49)
            commit();
    }
    commit();
    for (unsigned i = 0; i < N; i++) { /* they fit where the others were */
        assert_ok(heap_alloc_entry(heap(), &tx, 0, &again));
        assert_true(again <= entries[N - 1] + PAGE_SIZE_POOL);
    }
    roll_back();
}

static void only_entries_are_entries(void **state)
{
    uint64_t entry;

    (void)state;
    assert_ok(take(0, 100));
    assert_ok(take(0, 3u << 20));
    assert_ok(heap_alloc_entry(heap(), &tx, 0, &entry));
    commit();
    assert_true(heap_is_entry(heap(), entry));
    assert_false(heap_is_entry(heap(), entry + 8));
    assert_false(heap_is_entry(heap(), live[0].offset & ~31ull));
    assert_false(heap_is_entry(heap(), live[1].offset));
    assert_false(heap_is_entry(heap(), 0));
    assert_false(heap_is_entry(heap(), f.pool->file.size));
    assert_false(heap_is_entry(heap(), UINT64_MAX & ~31ull));
}

/* -- damage -- */

static void damage_to_an_extents_header_is_told_and_hands_out_nothing_twice(void **state)
{
    static const uint64_t places[] = {0, 8, 64 + 8 * 5, 64 + 8 * 60, 576 + 24 * 8 * 3};
    uint64_t header;

    (void)state;
    for (unsigned i = 0; i < 300; i++) {
        assert_ok(take(0, i % 2 ? 16000 : 100));
        commit();
    }
    for (size_t p = 0; p < 5; p++) {
        uint64_t *word;
        int error = SDB_OK;
        unsigned saved = live_count;

        header = live[0].offset & ~(uint64_t)(EXTENT_SIZE - 1);
        reopen(false);
        word = alias_of(f.pool->file.base + header + places[p]);
        *word ^= 1ull << 13;
        for (unsigned i = 0; i < 600 && live_count < LIVE_MAX - 1; i++) {
            error = take(0, i % 2 ? 16000 : 100);
            if (error)
                break;
            commit();
        }
        roll_back();
        for (unsigned i = 0; i < 2000; i++) {
            uint64_t entry;

            if (heap_alloc_entry(heap(), &tx, 0, &entry) != SDB_OK)
                break;
        }
        roll_back();
        *word ^= 1ull << 13;
        reopen(false);
        while (live_count > saved) {
            give(live_count - 1);
            commit();
        }
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_block_is_never_smaller_than_what_was_asked_for),
        TEST(every_size_is_handed_out_and_taken_back),
        TEST(every_block_of_a_page_is_handed_out_once),
        TEST(nothing_is_handed_out_twice_under_random_work),
        TEST(what_is_not_allocated_cannot_be_freed),
        TEST(nothing_can_be_freed_twice),
        TEST(freed_memory_waits_for_its_record_to_be_dead),
        TEST(freed_memory_waits_for_the_views_of_it),
        TEST(what_was_rolled_back_can_be_handed_out_again),
        TEST(a_full_heap_gives_all_of_it_again),
        TEST(a_full_heap_retires_the_lane_that_holds_back_what_was_freed),
        TEST(entries_are_handed_out_once_and_free_ones_again),
        TEST(only_entries_are_entries),
        TEST(damage_to_an_extents_header_is_told_and_hands_out_nothing_twice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
