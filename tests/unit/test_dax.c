/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_dax.c - what of a file's layout the kernel can map 2 MiB at once
 *
 * On real DAX: scripts/pmem-vm.sh check, which compares with what the kernel did.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <unistd.h>

#include "dax.h"
#include "layout.h"

#define HUGE ((uint64_t)EXTENT_SIZE)
#define SMALL 4096u

static void an_extent_counts_where_file_and_medium_are_aligned_alike(void **state)
{
    static const struct {
        uint64_t logical, physical, length, device_offset, huge;
    } cases[] = {
        {0, 8 * HUGE, 4 * HUGE, 0, 4 * HUGE},                     /* all of it */
        {0, 8 * HUGE, 4 * HUGE - SMALL, 0, 3 * HUGE},             /* its tail is too short */
        {0, 8 * HUGE, HUGE - SMALL, 0, 0},                        /* so is the whole */
        {0, 8 * HUGE + SMALL, 4 * HUGE, 0, 0},                    /* not aligned on the medium */
        {SMALL, 8 * HUGE + SMALL, 4 * HUGE, 0, 3 * HUGE},         /* aligned behind its first part */
        {SMALL, 8 * HUGE + SMALL, HUGE - SMALL, 0, 0},            /* which is all that there is */
        {SMALL, 8 * HUGE + SMALL, 2 * HUGE - SMALL, 0, HUGE},     /* exactly one */
        {SMALL, 8 * HUGE, 4 * HUGE, 0, 0},                        /* aligned, but differently */
        {0, 8 * HUGE, 4 * HUGE, SMALL, 0},                        /* the partition is not */
        {0, 8 * HUGE - SMALL, 4 * HUGE, SMALL, 4 * HUGE},         /* both make good */
        {6 * HUGE, 0, 2 * HUGE, 3 * HUGE, 2 * HUGE},              /* anywhere in the file */
        {0, 0, 0, 0, 0},
    };
    (void)state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_int_equal(dax_extent_huge_bytes(cases[i].logical, cases[i].physical, cases[i].length, cases[i].device_offset),
                         cases[i].huge);
}

static void a_file_that_is_not_on_dax_has_none(void **state)
{
    FILE *file = tmpfile();
    (void)state;

    assert_non_null(file);
    assert_int_equal(ftruncate(fileno(file), (off_t)(4 * HUGE)), 0);
    assert_int_equal(dax_huge_page_bytes(fileno(file), 4 * HUGE), 0);
    assert_int_equal(dax_huge_page_bytes(-1, 4 * HUGE), 0);
    (void)fclose(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_extent_counts_where_file_and_medium_are_aligned_alike),
        cmocka_unit_test(a_file_that_is_not_on_dax_has_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
