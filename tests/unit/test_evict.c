/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_evict.c - which keys go when room is made, and what noting their use costs the pool: nothing
 *
 * Choices are by samples: the bounds are wide, and the seeds of the loads fixed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <superdb/hash.h>

#include "engine_case.h"

#define KEYS 2000u

static int64_t start_ms;

static void at(int64_t ms)
{
    sdb_session_set_time(f.session, start_ms + ms);
}

static size_t name_of(char name[32], unsigned key)
{
    return (size_t)sprintf(name, "key:%u", key);
}

static void set(unsigned key, int64_t expire_ms)
{
    struct sdb_set_options options = {.expire_ms = expire_ms ? start_ms + expire_ms : 0};
    char name[32];

    assert_ok(sdb_set(f.session, name, name_of(name, key), name, 5, &options));
}

static void get(unsigned key)
{
    char name[32], value[8];

    assert_ok(sdb_get(f.session, name, name_of(name, key), value, sizeof(value), NULL));
}

static bool exists(unsigned key)
{
    char name[32];

    return sdb_exists(f.session, name, name_of(name, key)) == SDB_OK;
}

static unsigned count(unsigned from, unsigned to)
{
    unsigned n = 0;

    for (unsigned i = from; i < to; i++)
        n += exists(i);
    return n;
}

static struct sdb_stat stat_of(unsigned key)
{
    struct sdb_stat stat;
    char name[32];

    assert_ok(sdb_stat(f.session, name, name_of(name, key), &stat));
    return stat;
}

static void track(enum sdb_access what, unsigned log_factor, unsigned decay)
{
    assert_ok(sdb_track_access(f.pool, what, log_factor, decay));
    start_ms = clock_ms() + 60000;
    at(0);
}

/* Evicts so many keys, of 32 bytes each. */
static size_t evict(enum sdb_evict_order order, int expiring_only, unsigned keys)
{
    const struct sdb_evict_options options = {order, expiring_only, 5};
    uint64_t used;
    size_t evicted = 0;

    assert_ok(sdb_used(f.session, &used));
    assert_ok(sdb_evict(f.session, &options, used - keys * 32, SIZE_MAX, &evicted));
    return evicted;
}

static void no_more_goes_than_must(void **state)
{
    (void)state;
    for (unsigned i = 0; i < KEYS; i++)
        set(i, 0);
    assert_int_equal(evict(SDB_EVICT_RANDOM, 0, 700), 700);
    assert_int_equal(fixture_count(&f), KEYS - 700);
    assert_int_equal(fixture_stats(&f).evicted_keys, 700);
    assert_int_equal(evict(SDB_EVICT_RANDOM, 0, 0), 0);
}

static void those_unused_for_longest_go_first(void **state)
{
    (void)state;
    track(SDB_ACCESS_RECENCY, 0, 0);
    for (unsigned i = 0; i < KEYS; i++)
        set(i, 0);
    for (unsigned i = 0; i < KEYS / 2; i++) {
        at(1000 + i);
        get(i);
    }
    at(10000);
    assert_int_equal(evict(SDB_EVICT_RECENCY, 0, KEYS / 4), KEYS / 4);
    assert_true(count(0, KEYS / 2) > KEYS / 2 * 95 / 100);
}

static void at_random_a_half_stays_of_each_half(void **state)
{
    (void)state;
    track(SDB_ACCESS_RECENCY, 0, 0);
    for (unsigned i = 0; i < KEYS; i++)
        set(i, 0);
    at(1000);
    for (unsigned i = 0; i < KEYS / 2; i++)
        get(i);
    (void)evict(SDB_EVICT_RANDOM, 0, KEYS / 2);
    assert_in_range(count(0, KEYS / 2), KEYS / 2 * 40 / 100, KEYS / 2 * 60 / 100);
}

static void those_used_least_go_first(void **state)
{
    (void)state;
    track(SDB_ACCESS_FREQUENCY, 10, 1);
    for (unsigned i = 0; i < KEYS; i++)
        set(i, 0);
    for (unsigned round = 0; round < 30; round++)
        for (unsigned i = 0; i < KEYS / 2; i++)
            get(i);
    for (unsigned i = KEYS / 2; i < KEYS; i++) /* the last ones used */
        get(i);
    (void)evict(SDB_EVICT_FREQUENCY, 0, KEYS / 4);
    assert_true(count(0, KEYS / 2) > KEYS / 2 * 95 / 100);
}

static void those_that_expire_soonest_go_first_and_others_never(void **state)
{
    const struct sdb_evict_options options = {SDB_EVICT_EXPIRY, 1, 5};

    (void)state;
    track(SDB_ACCESS_NONE, 0, 0);
    for (unsigned i = 0; i < KEYS; i++)
        set(i, i < KEYS / 2 ? 100000 + i * 10 : 0);
    (void)evict(SDB_EVICT_EXPIRY, 1, KEYS / 8);
    assert_true(count(KEYS / 4, KEYS / 2) > KEYS / 4 * 95 / 100);
    assert_int_equal(sdb_evict(f.session, &options, 0, SIZE_MAX, NULL), SDB_ENOTFOUND);
    assert_int_equal(count(0, KEYS / 2), 0);
    assert_int_equal(count(KEYS / 2, KEYS), KEYS / 2);
}

static void the_few_that_may_go_are_found_among_many(void **state)
{
    const struct sdb_evict_options options = {SDB_EVICT_RECENCY, 1, 5};
    size_t evicted;

    (void)state;
    track(SDB_ACCESS_RECENCY, 0, 0);
    for (unsigned i = 0; i < 30000; i++)
        set(i, i % 10000 == 77 ? 100000 : 0);
    assert_int_equal(sdb_evict(f.session, &options, 0, SIZE_MAX, &evicted), SDB_ENOTFOUND);
    assert_int_equal(evicted, 3);
    assert_int_equal(fixture_count(&f), 30000 - 3);
}

static void what_is_garbage_goes_before_anything_else(void **state)
{
    const struct sdb_evict_options options = {SDB_EVICT_RANDOM, 0, 5};
    uint64_t used;

    (void)state;
    track(SDB_ACCESS_NONE, 0, 0);
    for (unsigned i = 0; i < KEYS; i++)
        set(i, 0);
    assert_ok(sdb_flush(f.session));
    set(KEYS, 0);
    set(KEYS + 1, 10);
    at(20);
    assert_ok(sdb_used(f.session, &used));
    for (int i = 0; i < 20; i++)
        assert_ok(sdb_evict(f.session, &options, used - 32 * 20, SIZE_MAX, NULL));
    assert_true(exists(KEYS));
    assert_int_equal(fixture_stats(&f).evicted_keys, 0);
    assert_true(fixture_stats(&f).reclaimed_keys >= 19);
}

static void values_outside_of_entries_are_reckoned_with(void **state)
{
    static char value[10000];
    const struct sdb_evict_options options = {SDB_EVICT_RANDOM, 0, 5};
    uint64_t used;
    char name[32];
    size_t evicted;

    (void)state;
    for (unsigned i = 0; i < 100; i++)
        assert_ok(sdb_set(f.session, name, name_of(name, i), value, sizeof(value), NULL));
    assert_ok(sdb_used(f.session, &used));
    assert_ok(sdb_evict(f.session, &options, used - 10 * sizeof(value), SIZE_MAX, &evicted));
    assert_in_range(evicted, 9, 10);
}

static void a_count_bounds_it(void **state)
{
    const struct sdb_evict_options options = {SDB_EVICT_RANDOM, 0, 5};
    size_t evicted;

    (void)state;
    for (unsigned i = 0; i < KEYS; i++)
        set(i, 0);
    assert_ok(sdb_evict(f.session, &options, 0, 100, &evicted));
    assert_int_equal(evicted, 100);
    assert_int_equal(fixture_count(&f), KEYS - 100);
}

/* ---- noting the use of keys ---- */

static void a_new_key_has_a_frequency_of_five_and_each_use_adds_one(void **state)
{
    (void)state;
    track(SDB_ACCESS_FREQUENCY, 0, 1);
    set(1, 0);
    assert_int_equal(stat_of(1).frequency, 5);
    assert_int_equal(stat_of(1).frequency, 5);
    assert_true(exists(1));
    get(1);
    get(1);
    assert_int_equal(stat_of(1).frequency, 7);
    set(1, 0);
    assert_int_equal(stat_of(1).frequency, 8);
    for (int i = 0; i < 300; i++)
        get(1);
    assert_int_equal(stat_of(1).frequency, 255);
    at(10 * 60000);
    assert_in_range(stat_of(1).frequency, 245, 246);
    at(1000 * 60000);
    assert_int_equal(stat_of(1).frequency, 0);
}

static void a_factor_makes_the_frequency_logarithmic(void **state)
{
    (void)state;
    track(SDB_ACCESS_FREQUENCY, 10, 0);
    set(1, 0);
    for (int i = 0; i < 1000; i++)
        get(1);
    assert_in_range(stat_of(1).frequency, 8, 30); /* 18 on average, as Redis' table says */
}

static void idle_time_is_since_the_last_use_of_any_kind(void **state)
{
    const struct sdb_slice key = {"key:1", 5};
    struct sdb_inline value;
    uint64_t handle;

    (void)state;
    track(SDB_ACCESS_RECENCY, 0, 0);
    set(1, 0);
    at(100000);
    assert_in_range(stat_of(1).idle_ms, 99900, 100100);
    get(1);
    assert_int_equal(stat_of(1).idle_ms, 0);
    at(200000);
    sdb_get_many(f.session, &key, 1, &value);
    assert_int_equal(stat_of(1).idle_ms, 0);
    at(300000);
    assert_ok(sdb_handle(f.session, "key:1", 5, &handle));
    assert_in_range(stat_of(1).idle_ms, 99900, 100100);
    sdb_get_many_by_handle(f.session, &handle, 1, &value);
    assert_int_equal(stat_of(1).idle_ms, 0);
    at(400000);
    assert_ok(sdb_add(f.session, "key:2", 5, 1, &(int64_t){0}));
    assert_ok(sdb_set_each(f.session, &(struct sdb_pair){key, key}, 1, NULL));
    assert_int_equal(stat_of(1).idle_ms, 0);
    assert_ok(sdb_track_access(f.pool, SDB_ACCESS_NONE, 0, 0));
    assert_int_equal(stat_of(1).idle_ms, 0);
}

static void collections_have_idle_times_too(void **state)
{
    struct sdb_stat stat;
    uint64_t count;

    (void)state;
    for (unsigned fields = 1; fields <= 1001; fields += 1000) { /* packed, a tree */
        track(SDB_ACCESS_RECENCY, 0, 0);
        for (unsigned i = 0; i < fields; i++) {
            char name[32];
            const struct sdb_pair field = {{name, name_of(name, i)}, {"v", 1}};

            assert_ok(sdb_hash_set(f.session, "hash", 4, &field, 1, 0, NULL));
        }
        at(100000);
        for (int i = 0; i < 2; i++) { /* to be told of is no use */
            assert_ok(sdb_stat(f.session, "hash", 4, &stat));
            assert_in_range(stat.idle_ms, 99900, 100100);
        }
        assert_ok(sdb_collection_count(f.session, "hash", 4, SDB_TYPE_HASH, &count));
        assert_int_equal(count, fields);
        assert_ok(sdb_stat(f.session, "hash", 4, &stat));
        assert_int_equal(stat.idle_ms, 0);
        assert_ok(sdb_track_access(f.pool, SDB_ACCESS_NONE, 0, 0));
        memset(&stat, 0xff, sizeof(stat));
        assert_ok(sdb_stat(f.session, "hash", 4, &stat));
        assert_int_equal(stat.idle_ms, 0);
        assert_int_equal(stat.frequency, 0);
    }
}

static void an_entry_that_is_used_again_forgets_its_former_key(void **state)
{
    (void)state;
    track(SDB_ACCESS_FREQUENCY, 0, 0);
    set(1, 0);
    for (int i = 0; i < 50; i++)
        get(1);
    assert_ok(sdb_delete(f.session, "key:1", 5));
    for (unsigned i = 2; i < 3000; i++) {
        set(i, 0);
        assert_int_equal(stat_of(i).frequency, 5);
    }
}

static void reads_do_not_write_to_the_pool(void **state)
{
    uint8_t *before;

    (void)state;
    track(SDB_ACCESS_FREQUENCY, 0, 1);
    for (unsigned i = 0; i < KEYS; i++)
        set(i, 0);
    before = malloc(f.pool->file.size);
    assert_non_null(before);
    memcpy(before, f.pool->file.base, f.pool->file.size);
    for (unsigned i = 0; i < KEYS; i++)
        get(i);
    assert_memory_equal(before, f.pool->file.base, f.pool->file.size);
    free(before);
}

/* ---- what is told ---- */

static unsigned told_evicted, told_others;

static void note(const struct sdb_change *change)
{
    if (change->kind == SDB_CHANGE_EVICTED)
        told_evicted++;
    else
        told_others++;
}

static void the_observer_hears_which_keys_were_evicted(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 100; i++)
        set(i, 0);
    told_evicted = told_others = 0;
    sdb_observe(f.pool, note);
    (void)evict(SDB_EVICT_RANDOM, 0, 30);
    sdb_observe(f.pool, NULL);
    assert_int_equal(told_evicted, 30);
    assert_int_equal(told_others, 0);
}

static void what_a_group_staged_before_is_committed(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 100; i++)
        set(i, 0);
    assert_ok(sdb_group_begin(f.session));
    set(1000, 0);
    (void)evict(SDB_EVICT_RANDOM, 0, 10);
    set(1001, 0);
    assert_ok(sdb_group_end(f.session));
    assert_in_range(fixture_count(&f), 91, 92);
    fixture_crash(&f);
    assert_in_range(fixture_count(&f), 91, 92);
}

static void in_a_transaction_it_is_refused(void **state)
{
    const struct sdb_evict_options options = {SDB_EVICT_RANDOM, 0, 5};

    (void)state;
    assert_ok(sdb_begin(f.session, NULL, 0));
    assert_int_equal(sdb_evict(f.session, &options, 0, 1, NULL), SDB_EINVAL);
    assert_int_equal(sdb_make_room(f.session), SDB_EINVAL);
    sdb_abort(f.session);
}

static void room_is_made_of_what_has_expired(void **state)
{
    static char value[20000];
    struct sdb_set_options options = {.expire_ms = NOW + 1000};
    char name[32];
    unsigned n = 0;

    (void)state;
    while (sdb_set(f.session, name, name_of(name, n), value, sizeof(value), &options) == SDB_OK)
        n++;
    assert_int_equal(sdb_make_room(f.session), SDB_ENOSPC);
    sdb_session_set_time(f.session, NOW + 1001);
    f.session->fruitless_ns = 0; /* a second has passed */
    assert_ok(sdb_make_room(f.session));
    assert_ok(sdb_begin(f.session, NULL, 0));
    assert_ok(sdb_set(f.session, "new", 3, value, sizeof(value), NULL));
    assert_ok(sdb_commit(f.session));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(no_more_goes_than_must),
        TEST(those_unused_for_longest_go_first),
        TEST(at_random_a_half_stays_of_each_half),
        TEST(those_used_least_go_first),
        TEST(those_that_expire_soonest_go_first_and_others_never),
        TEST(the_few_that_may_go_are_found_among_many),
        TEST(what_is_garbage_goes_before_anything_else),
        TEST(values_outside_of_entries_are_reckoned_with),
        TEST(a_count_bounds_it),
        TEST(a_new_key_has_a_frequency_of_five_and_each_use_adds_one),
        TEST(a_factor_makes_the_frequency_logarithmic),
        TEST(idle_time_is_since_the_last_use_of_any_kind),
        TEST(collections_have_idle_times_too),
        TEST(an_entry_that_is_used_again_forgets_its_former_key),
        TEST(reads_do_not_write_to_the_pool),
        TEST(the_observer_hears_which_keys_were_evicted),
        TEST(what_a_group_staged_before_is_committed),
        TEST(in_a_transaction_it_is_refused),
        TEST(room_is_made_of_what_has_expired),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
