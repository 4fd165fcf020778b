/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_mapping.c - address space is kept, filled in parts, and given back
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "alias.h"
#include "error.h"
#include "layout.h"
#include "mapping.h"
#include "superdb/superdb.h"

#define EXTENT ((uint64_t)EXTENT_SIZE)

static void the_place_is_aligned_and_as_large_as_asked_for(void **state)
{
    struct mapping mapping;
    (void)state;

    assert_int_equal(mapping_reserve(2 * EXTENT, 64 * EXTENT, &mapping), 0);
    assert_int_equal((uintptr_t)mapping.base % EXTENT, 0);
    assert_int_equal(mapping.reserved, 64 * EXTENT);
    mapping_release(&mapping);
    assert_null(mapping.base);
}

static void where_the_maximum_does_not_fit_the_size_is_kept(void **state)
{
    struct mapping mapping;
    (void)state;

    assert_int_equal(mapping_reserve(2 * EXTENT, 1ull << 62, &mapping), 0); /* no CPU has that many address bits */
    assert_int_equal(mapping.reserved, 2 * EXTENT);
    mapping_release(&mapping);
    assert_int_equal(mapping_reserve(1ull << 62, 1ull << 62, &mapping), SDB_ENOMEM);
    assert_non_null(strstr(error_text(), "no address space"));
}

static void a_part_behind_what_is_kept_is_refused(void **state)
{
    struct mapping mapping;
    FILE *file = tmpfile();
    (void)state;

    assert_non_null(file);
    const struct mapping_kind kind = {.fd = fileno(file)};
    assert_int_equal(ftruncate(fileno(file), (off_t)(4 * EXTENT)), 0);
    assert_int_equal(mapping_reserve(2 * EXTENT, 2 * EXTENT, &mapping), 0);
    assert_int_equal(mapping_place(&mapping, &kind, EXTENT, 3 * EXTENT), SDB_ENOMEM);
    assert_non_null(strstr(error_text(), "close the pool, open it and grow again"));
    mapping_release(&mapping);
    (void)fclose(file);
}

static void parts_follow_the_file_and_a_refused_one_stays_kept(void **state)
{
    struct mapping mapping;
    FILE *file = tmpfile();
    char byte = 0;
    (void)state;

    assert_non_null(file);
    struct mapping_kind kind = {.fd = fileno(file)};
    assert_int_equal(ftruncate(fileno(file), (off_t)(2 * EXTENT)), 0);
    assert_int_equal(mapping_reserve(EXTENT, 2 * EXTENT, &mapping), 0);
    assert_int_equal(mapping_place(&mapping, &kind, 0, EXTENT), 0);
    *(char *)alias_of(mapping.base + EXTENT - 1) = 'a';

    kind.fd = -1;
    assert_int_equal(mapping_place(&mapping, &kind, EXTENT, 2 * EXTENT), SDB_EIO);
    /* Still ours: nobody else gets a mapping there. */
    assert_true(mmap(mapping.base + EXTENT, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1,
                     0) == MAP_FAILED);

    kind.fd = fileno(file);
    assert_int_equal(mapping_place(&mapping, &kind, EXTENT, 2 * EXTENT), 0);
    *(char *)alias_of(mapping.base + 2 * EXTENT - 1) = 'b';
    assert_int_equal(pread(fileno(file), &byte, 1, (off_t)(EXTENT - 1)), 1);
    assert_int_equal(byte, 'a');
    assert_int_equal(pread(fileno(file), &byte, 1, (off_t)(2 * EXTENT - 1)), 1);
    assert_int_equal(byte, 'b');
    assert_true(mapping_huge_page_bytes(mapping.base, 2 * EXTENT) <= 2 * EXTENT);
    mapping_release(&mapping);
    (void)fclose(file);
}

static void huge_pages_are_counted_where_the_kernel_gives_them_and_nowhere_else(void **state)
{
    struct mapping mapping;
    (void)state;

    /* Ordinary memory: with transparent huge pages "never", the kernel gives none, and none may be counted. */
    FILE *setting = fopen("/sys/kernel/mm/transparent_hugepage/enabled", "re");
    char text[64] = "";
    if (setting != NULL) {
        assert_non_null(fgets(text, sizeof(text), setting));
        (void)fclose(setting);
    }
    const int possible = text[0] != '\0' && strstr(text, "[never]") == NULL;

    assert_int_equal(mapping_reserve(4 * EXTENT, 4 * EXTENT, &mapping), 0);
    assert_int_equal(mapping_huge_page_bytes(mapping.base, 4 * EXTENT), 0);
    assert_int_equal(mprotect(mapping.base, 2 * EXTENT, PROT_READ | PROT_WRITE), 0);
    (void)madvise(mapping.base, 2 * EXTENT, MADV_HUGEPAGE);
    memset(mapping.base, 1, 2 * EXTENT);
    const uint64_t counted = mapping_huge_page_bytes(mapping.base, 4 * EXTENT);
    assert_true(counted % EXTENT == 0 && counted <= 2 * EXTENT);
    assert_true(possible || counted == 0);
    mapping_release(&mapping);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_place_is_aligned_and_as_large_as_asked_for),
        cmocka_unit_test(where_the_maximum_does_not_fit_the_size_is_kept),
        cmocka_unit_test(a_part_behind_what_is_kept_is_refused),
        cmocka_unit_test(parts_follow_the_file_and_a_refused_one_stays_kept),
        cmocka_unit_test(huge_pages_are_counted_where_the_kernel_gives_them_and_nowhere_else),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
