/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_scan.c - iteration: everything that stays is seen, any cursor is taken, damage is told and stepped over
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine_fixture.h"

#define NOW 1000000ll
#define KEYS 3000u

static struct fixture f;
static uint8_t seen[KEYS];
static unsigned others;

static size_t name_of(unsigned i, char *name)
{
    return (size_t)sprintf(name, i % 3 ? "k:%u" : "a name that is kept in a blob of its own:%u", i);
}

static int set_up(void **state)
{
    char name[64];

    (void)state;
    fixture_create(&f, 32 * MIB, 0, 4);
    sdb_session_set_time(f.session, NOW);
    for (unsigned i = 0; i < KEYS; i++)
        assert_ok(sdb_set(f.session, name, name_of(i, name), name, i % 40, NULL));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    fixture_destroy(&f);
    return 0;
}

static int note(void *context, const struct sdb_scan_item *item)
{
    char name[80];
    const char *colon;
    unsigned i;

    (void)context;
    assert_true(item->key.size < sizeof(name));
    memcpy(name, item->key.data, item->key.size);
    name[item->key.size] = '\0';
    colon = strrchr(name, ':');
    i = colon ? (unsigned)strtoul(colon + 1, NULL, 10) : KEYS;
    if (i < KEYS && seen[i] < 255)
        seen[i]++;
    else
        others++;
    return 0;
}

/* A whole round with this effort; how many calls it took. */
static unsigned scan_all(size_t effort)
{
    uint64_t cursor = 0;
    unsigned calls = 0;

    memset(seen, 0, sizeof(seen));
    others = 0;
    do {
        assert_ok(sdb_scan(f.session, &cursor, effort, note, NULL));
        assert_true(++calls < 1000000);
    } while (cursor);
    return calls;
}

static void every_key_is_seen_exactly_once_at_rest(void **state)
{
    static const size_t efforts[] = {1, 7, 100, 1024, SIZE_MAX};

    (void)state;
    for (size_t e = 0; e < 5; e++) {
        scan_all(efforts[e]);
        for (unsigned i = 0; i < KEYS; i++)
            assert_int_equal(seen[i], 1);
        assert_int_equal(others, 0);
    }
}

static void keys_that_stay_are_seen_while_others_come_and_go(void **state)
{
    uint64_t cursor = 0;
    unsigned turn = 0;
    char name[64];

    (void)state;
    memset(seen, 0, sizeof(seen));
    do {
        assert_ok(sdb_scan(f.session, &cursor, 50, note, NULL));
        for (unsigned i = 0; i < 40; i++, turn++) { /* deletes the odd ones, makes new ones, overwrites the even ones */
            (void)sdb_delete(f.session, name, name_of((turn * 2 + 1) % KEYS, name));
            assert_ok(fixture_set(&f, (sprintf(name, "new%u:%u", turn % 7, turn + KEYS), name), "x"));
            assert_ok(sdb_set(f.session, name, name_of(turn * 2 % KEYS, name), "overwritten by another value",
                              turn % 28, NULL));
        }
        if (turn % 400 == 0)
            assert_ok(sdb_maintain(f.session, 500, NULL));
    } while (cursor);
    for (unsigned i = 0; i < KEYS; i += 2)
        assert_true(seen[i] >= 1);
}

static void any_cursor_is_taken(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 20000; i++) {
        uint64_t cursor = fixture_random(&f, UINT64_MAX) >> fixture_random(&f, 64);

        assert_ok(sdb_scan(f.session, &cursor, 10, note, NULL));
    }
    for (unsigned shift = 0; shift < 64; shift++) {
        uint64_t cursor = UINT64_MAX << shift;

        assert_ok(sdb_scan(f.session, &cursor, 10, note, NULL));
    }
}

static int stop_at_third(void *context, const struct sdb_scan_item *item)
{
    note(NULL, item);
    return ++*(unsigned *)context == 3;
}

static void a_visitor_can_stop_and_the_cursor_stands_behind_its_item(void **state)
{
    uint64_t cursor = 0;
    unsigned total = 0;

    (void)state;
    memset(seen, 0, sizeof(seen));
    do {
        unsigned n = 0;

        assert_ok(sdb_scan(f.session, &cursor, SIZE_MAX, stop_at_third, &n));
        assert_true(n <= 3);
        total += n;
    } while (cursor);
    assert_int_equal(total, KEYS);
    for (unsigned i = 0; i < KEYS; i++)
        assert_int_equal(seen[i], 1);
}

static int read_it(void *context, const struct sdb_scan_item *item)
{
    struct sdb_stat stat;

    (void)context;
    assert_ok(sdb_stat(f.session, item->key.data, item->key.size, &stat));
    assert_true(stat.handle == item->handle && stat.encoding == item->encoding && stat.type == item->type);
    assert_int_equal(stat.expire_ms, item->expire_ms);
    return 0;
}

static void a_visitor_may_read_and_items_tell_the_truth(void **state)
{
    uint64_t cursor = 0;

    (void)state;
    assert_ok(sdb_expire(f.session, "k:1", 3, NOW + 1000));
    do {
        assert_ok(sdb_scan(f.session, &cursor, 500, read_it, NULL));
    } while (cursor);
}

static void only_living_keys_of_the_selected_database_are_seen(void **state)
{
    (void)state;
    assert_ok(sdb_select(f.session, 5));
    assert_ok(fixture_set(&f, "k:1", "five"));
    scan_all(100);
    assert_int_equal(seen[1], 1);
    seen[1] = 0;
    for (unsigned i = 0; i < KEYS; i++)
        assert_int_equal(seen[i], 0);
    assert_ok(sdb_expire(f.session, "k:1", 3, NOW + 5));
    sdb_session_set_time(f.session, NOW + 5);
    scan_all(100);
    assert_int_equal(seen[1], 0);
    assert_ok(sdb_select(f.session, 0));
    assert_ok(sdb_flush(f.session));
    scan_all(100);
    for (unsigned i = 0; i < KEYS; i++)
        assert_int_equal(seen[i], 0);
}

static void a_transaction_scans_its_own_writes(void **state)
{
    char name[64];

    (void)state;
    assert_ok(sdb_begin(f.session, NULL, 0));
    assert_ok(sdb_delete(f.session, name, name_of(10, name)));
    assert_ok(sdb_flush(f.session));
    assert_ok(sdb_set(f.session, name, name_of(20, name), "1", 1, NULL));
    scan_all(100);
    assert_int_equal(seen[10], 0);
    assert_int_equal(seen[20], 1);
    assert_int_equal(seen[30], 0);
    sdb_abort(f.session);
    scan_all(100);
    assert_true(seen[10] == 1 && seen[20] == 1 && seen[30] == 1);
}

static void a_damaged_entry_is_told_and_the_rest_is_seen(void **state)
{
    uint64_t handle, cursor = 0;
    unsigned errors = 0;
    char name[64];
    uint8_t *byte;

    (void)state;
    assert_ok(sdb_handle(f.session, name, name_of(100, name), &handle));
    byte = alias_of(f.pool->file.base + (handle >> 16 << ENTRY_SHIFT) + 9);
    *byte ^= 1;
    memset(seen, 0, sizeof(seen));
    do {
        int error = sdb_scan(f.session, &cursor, 500, note, NULL);

        assert_true(error == SDB_OK || error == SDB_ECORRUPT);
        errors += error == SDB_ECORRUPT;
    } while (cursor && errors < 10);
    assert_int_equal(errors, 1);
    assert_non_null(strstr(sdb_last_error(), "damaged"));
    for (unsigned i = 0; i < KEYS; i++)
        assert_int_equal(seen[i], i != 100);
    *byte ^= 1;
}

static void random_keys_reach_every_key(void **state)
{
    unsigned missing = 20;
    char name[64];
    size_t size;

    (void)state;
    for (unsigned i = 20; i < KEYS; i++)
        assert_ok(sdb_delete(f.session, name, name_of(i, name)));
    memset(seen, 0, sizeof(seen));
    for (unsigned i = 0; i < 20000 && missing; i++) {
        unsigned k;

        assert_ok(sdb_random_key(f.session, name, sizeof(name), &size));
        assert_true(size < sizeof(name));
        name[size] = '\0';
        k = (unsigned)strtoul(strrchr(name, ':') + 1, NULL, 10);
        assert_true(k < 20);
        missing -= seen[k] == 0;
        seen[k] = 1;
    }
    assert_int_equal(missing, 0);
    assert_ok(sdb_random_key(f.session, name, 1, &size)); /* cut, its size whole */
    assert_true(size > 1);
    assert_ok(sdb_select(f.session, 9));
    assert_int_equal(sdb_random_key(f.session, name, sizeof(name), &size), SDB_ENOTFOUND);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(every_key_is_seen_exactly_once_at_rest),
        TEST(keys_that_stay_are_seen_while_others_come_and_go),
        TEST(any_cursor_is_taken),
        TEST(a_visitor_can_stop_and_the_cursor_stands_behind_its_item),
        TEST(a_visitor_may_read_and_items_tell_the_truth),
        TEST(only_living_keys_of_the_selected_database_are_seen),
        TEST(a_transaction_scans_its_own_writes),
        TEST(a_damaged_entry_is_told_and_the_rest_is_seen),
        TEST(random_keys_reach_every_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
