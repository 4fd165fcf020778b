/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_used.c - what is in use is what a walk over the pool finds, whatever was done before
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine_case.h"

static uint64_t used(void)
{
    uint64_t bytes = 0;

    assert_ok(sdb_used(f.session, &bytes));
    return bytes;
}

/* The same, counted anew by a walk. */
static uint64_t counted(void)
{
    f.pool->blocks_counted = false;
    return used();
}

static void set_sized(unsigned key, size_t size)
{
    static char value[3 << 20];
    char name[64];

    memset(value, 'v', size);
    assert_ok(sdb_set(f.session, name, (size_t)sprintf(name, "a key of some length, number %u", key), value, size, NULL));
}

static void delete(unsigned key)
{
    char name[64];
    int error = sdb_delete(f.session, name, (size_t)sprintf(name, "a key of some length, number %u", key));

    assert_true(error == SDB_OK || error == SDB_ENOTFOUND);
}

static void commits_keep_it_as_a_walk_would_find_it(void **state)
{
    static const size_t sizes[] = {3, 9, 40, 700, 5000, 40000, 200000};

    (void)state;
    (void)used();
    for (unsigned i = 0; i < 4000; i++) {
        const unsigned key = (unsigned)fixture_random(&f, 300);

        if (fixture_random(&f, 3) == 0)
            delete(key);
        else
            set_sized(key, sizes[fixture_random(&f, fixture_random(&f, 20) == 0 ? 7 : 5)]);
        if (i % 500 == 0) {
            const uint64_t before = used();

            assert_int_equal(before, counted());
        }
    }
    const uint64_t before = used();
    assert_int_equal(before, counted());
}

static void whole_extents_count(void **state)
{
    uint64_t before;

    (void)state;
    set_sized(1, 10);
    before = used();
    set_sized(1, 3 << 20);
    assert_true(used() - before >= 3 << 20);
    assert_int_equal(used(), counted());
    set_sized(1, 10);
    assert_int_equal(used(), before);
}

static void deletions_lower_it_at_once(void **state)
{
    uint64_t empty, full;

    (void)state;
    set_sized(0, 10);
    empty = used();
    for (unsigned i = 1; i <= 1000; i++)
        set_sized(i, 100);
    full = used();
    assert_true(full - empty >= 1000 * (32 + 100));
    for (unsigned i = 1; i <= 1000; i++)
        delete(i);
    assert_true(used() - empty < 64 * 1024); /* the index stays */
}

static void it_is_the_same_after_a_reopen_and_after_a_crash(void **state)
{
    uint64_t before;

    (void)state;
    for (unsigned i = 0; i < 2000; i++)
        set_sized(i, i % 3000);
    before = used();
    fixture_reopen(&f);
    assert_int_equal(used(), before);
    fixture_crash(&f);
    assert_int_equal(used(), before);
}

static void what_was_taken_back_does_not_count(void **state)
{
    uint64_t before;

    (void)state;
    set_sized(0, 10);
    before = used();
    assert_ok(sdb_begin(f.session, NULL, 0));
    set_sized(1, 5000);
    sdb_abort(f.session);
    assert_int_equal(used(), before);
    assert_int_equal(counted(), before);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(commits_keep_it_as_a_walk_would_find_it),
        TEST(whole_extents_count),
        TEST(deletions_lower_it_at_once),
        TEST(it_is_the_same_after_a_reopen_and_after_a_crash),
        TEST(what_was_taken_back_does_not_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
