/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_file_size.c - a pool's file that grows, whole or not at all, and one that shrinks under the process
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "file_fixture.h"

/* ---- growing ---- */

static void growing_keeps_the_place_and_the_contents_and_adds_zeros(void **state)
{
    (void)state;

    assert_int_equal(open_with(SDB_CREATE), 0);
    assert_int_equal(pool_file_mark_open(&pool), 0);
    uint8_t *const base = pool.base;
    memset(alias_of(base + SIZE - 4096), 0x77, 4096);
    assert_int_equal(pool_file_grow(&pool, SIZE + 1), 0);
    assert_int_equal(pool.size, SIZE + EXTENT_SIZE);
    assert_int_equal(pool_file_grow(&pool, 4 * SIZE), 0);
    assert_ptr_equal(pool.base, base);
    assert_int_equal(base[SIZE - 1], 0x77);
    expect_zeros(base, SIZE, 4 * SIZE);
    memset(alias_of(base + 3 * SIZE), 0x78, 4096);
    pool_file_close(&pool); /* as after a kill */

    assert_int_equal(open_with(0), 0);
    assert_int_equal(pool.size, 4 * SIZE);
    assert_int_equal(pool.base[SIZE - 4096], 0x77);
    assert_int_equal(pool.base[3 * SIZE + 4095], 0x78);
    pool_file_close(&pool);
}

static void sizes_that_cannot_be_are_refused(void **state)
{
    (void)state;

    assert_int_equal(open_with(SDB_CREATE), 0);
    assert_int_equal(pool_file_mark_open(&pool), 0);
    assert_int_equal(pool_file_grow(&pool, SIZE), 0);
    assert_int_equal(pool_file_grow(&pool, SIZE - EXTENT_SIZE), SDB_EINVAL);
    assert_int_equal(pool_file_grow(&pool, 0), SDB_EINVAL);
    assert_int_equal(pool_file_grow(&pool, 4 * SIZE + 1), SDB_EINVAL);
    assert_int_equal(pool_file_grow(&pool, UINT64_MAX), SDB_EINVAL);
    assert_non_null(strstr(error_text(), "its maximum is 67108864"));
    assert_int_equal(pool.size, SIZE);
    pool_file_close(&pool);
}

static int try_to_grow(void)
{
    return pool_file_grow(&pool, 3 * SIZE);
}

static void a_full_file_system_leaves_the_pool_as_it_was(void **state)
{
    (void)state;

    assert_int_equal(open_with(SDB_CREATE), 0);
    assert_int_equal(pool_file_mark_open(&pool), 0);
    assert_int_equal(with_file_size_limit(2 * SIZE, try_to_grow), SDB_ENOSPC);
    assert_int_equal(pool.size, SIZE);
    assert_int_equal(file_size(), SIZE);
    assert_int_equal(pool_file_grow(&pool, 3 * SIZE), 0);
    expect_zeros(pool.base, SIZE, 3 * SIZE);
    pool_file_close(&pool);
}

static void a_growth_that_was_cut_short_is_forgotten(void **state)
{
    (void)state;

    make_clean_pool();
    write_file(2 * SIZE - 1, "x", 1); /* longer than the superblock says, and not even zero there */
    assert_int_equal(open_with(0), 0);
    assert_int_equal(pool.size, SIZE);
    assert_int_equal(pool_file_mark_open(&pool), 0);
    assert_int_equal(pool_file_grow(&pool, 2 * SIZE), 0);
    expect_zeros(pool.base, SIZE, 2 * SIZE);
    pool_file_close(&pool);
}


/* ---- accidents while open ---- */

static void a_file_that_shrinks_under_the_process_costs_its_contents_only(void **state)
{
    (void)state;

    assert_int_equal(open_with(SDB_CREATE), 0);
    assert_int_equal(pool_file_mark_open(&pool), 0);
    memset(alias_of(pool.base + SIZE - 4096), 0x77, 4096);
    assert_int_equal(truncate(path, SIZE / 2), 0);
    assert_int_equal(*(volatile uint8_t *)(pool.base + SIZE - 1), 0);
    assert_int_equal(pool.sigbus.failed, 1);
    assert_int_equal(pool.sigbus.last_offset, SIZE - 1);
    assert_int_equal(pool_file_grow(&pool, 2 * SIZE), SDB_EFAILED);
    assert_int_equal(pool_file_mark_clean(&pool), SDB_EIO);
    pool_file_close(&pool);
    expect_refusal(0, SDB_ECORRUPT, "truncated");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_MEMORY(growing_keeps_the_place_and_the_contents_and_adds_zeros),
        ON_DISK(growing_keeps_the_place_and_the_contents_and_adds_zeros),
        IN_MEMORY(sizes_that_cannot_be_are_refused),
        IN_MEMORY(a_full_file_system_leaves_the_pool_as_it_was),
        ON_DISK(a_full_file_system_leaves_the_pool_as_it_was),
        IN_MEMORY(a_growth_that_was_cut_short_is_forgotten),
        IN_MEMORY(a_file_that_shrinks_under_the_process_costs_its_contents_only),
        ON_DISK(a_file_that_shrinks_under_the_process_costs_its_contents_only),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
