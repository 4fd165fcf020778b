/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_persist.c - what is flushed, how often, and what a fence answers
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "error.h"
#include "persist.h"

#define AREA_SIZE 16384u

static uint8_t area[AREA_SIZE] __attribute__((aligned(4096)));
static uint8_t source[AREA_SIZE];

static struct persist persist_with(enum persist_flush flush)
{
    struct persist persist;

    persist_init(&persist, flush, area, NULL);
    return persist;
}

static uint64_t lines_touched(size_t offset, size_t size)
{
    return size == 0 ? 0 : (offset + size - 1) / LINE_SIZE - offset / LINE_SIZE + 1;
}

static void flush_reaches_every_line_of_an_unaligned_range(void **state)
{
    static const struct {
        size_t offset, size;
        uint64_t lines;
    } rows[] = {
        {0, 0, 0},  {63, 0, 0}, {0, 1, 1},  {63, 1, 1}, {63, 2, 2},
        {0, 64, 1}, {0, 65, 2}, {1, 64, 2}, {60, 8, 2}, {32, 256, 5},
    };
    (void)state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct persist persist = persist_with(PERSIST_MSYNC); /* needs no CPU feature */
        struct persist_thread thread = {0};

        persist_flush(&persist, &thread, area + rows[i].offset, rows[i].size);
        assert_int_equal(thread.lines, rows[i].lines);
        if (rows[i].lines != 0) {
            assert_int_equal(thread.dirty_from, rows[i].offset / LINE_SIZE * LINE_SIZE);
            assert_int_equal(thread.dirty_to, thread.dirty_from + rows[i].lines * LINE_SIZE);
        }
    }
}

static void each_flush_this_cpu_has_can_be_executed_and_is_counted(void **state)
{
    static const enum persist_flush all[] = {PERSIST_CLWB, PERSIST_CLFLUSHOPT, PERSIST_CLFLUSH, PERSIST_DCCVAP,
                                             PERSIST_DCCVAC};
    unsigned executed = 0;
    (void)state;

    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        struct persist persist = persist_with(all[i]);
        struct persist_thread thread = {0};

        if (!persist_flush_is_supported(all[i]))
            continue;
        persist_store((uint64_t *)(void *)area, i);
        persist_flush_line(&persist, &thread, area);
        assert_int_equal(persist_fence(&persist, &thread), 0);
        assert_int_equal(thread.lines, 1);
        assert_int_equal(thread.fences, 1);
        assert_int_equal(persist_load((const uint64_t *)(const void *)area), i);
        executed++;
    }
    assert_true(executed > 0);
}

static void eadr_flushes_nothing_and_keeps_the_fence(void **state)
{
    struct persist persist = persist_with(PERSIST_NONE);
    struct persist_thread thread = {0};
    (void)state;

    persist_flush(&persist, &thread, area, sizeof(area));
    assert_int_equal(persist_fence(&persist, &thread), 0);
    assert_int_equal(thread.lines, 0);
    assert_int_equal(thread.fences, 1);
}

static void msync_is_called_once_for_all_that_was_flushed(void **state)
{
    struct persist persist;
    struct persist_thread thread = {0};
    FILE *file = tmpfile();
    (void)state;

    assert_non_null(file);
    assert_int_equal(ftruncate(fileno(file), AREA_SIZE), 0);
    uint8_t *base = mmap(NULL, AREA_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fileno(file), 0);
    assert_true(base != MAP_FAILED);
    persist_init(&persist, PERSIST_MSYNC, base, NULL);

    persist_flush(&persist, &thread, base + 8000, 8);
    persist_flush(&persist, &thread, base + 100, 8);
    persist_flush(&persist, &thread, base + 12000, 8);
    assert_int_equal(thread.dirty_from, 64);
    assert_int_equal(thread.dirty_to, 12032);
    assert_int_equal(persist_fence(&persist, &thread), 0);
    assert_int_equal(thread.msyncs, 1);
    assert_int_equal(persist_fence(&persist, &thread), 0); /* nothing was flushed since */
    assert_int_equal(thread.msyncs, 1);
    assert_int_equal(thread.fences, 2);

    assert_int_equal(munmap(base, AREA_SIZE), 0);
    (void)fclose(file);
}

/* Whole lines, as a processor may write past its caches: the kernel must hear of each page all the same. */
static void msync_hears_of_large_copies_and_zeros(void **state)
{
    static uint8_t from[8192];
    uint8_t *base = mmap(NULL, AREA_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    struct persist persist;

    (void)state;
    assert_true(base != MAP_FAILED);
    persist_init(&persist, PERSIST_MSYNC, base, NULL);
    for (size_t size = 64; size <= sizeof(from); size *= 2) {
        struct persist_thread copied = {0}, zeroed = {0};

        persist_copy_nt(&persist, &copied, base + 4096, from, size);
        assert_int_equal(copied.dirty_from, 4096);
        assert_int_equal(copied.dirty_to, 4096 + size);
        persist_zero_nt(&persist, &zeroed, base + 4096, size);
        assert_int_equal(zeroed.dirty_from, 4096);
        assert_int_equal(zeroed.dirty_to, 4096 + size);
    }
    assert_int_equal(munmap(base, AREA_SIZE), 0);
}

static void a_failed_msync_is_an_error_and_forgets_nothing(void **state)
{
    struct persist persist;
    struct persist_thread thread = {0};
    uint8_t *base = mmap(NULL, AREA_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    (void)state;

    assert_true(base != MAP_FAILED);
    assert_int_equal(munmap(base + 4096, 4096), 0); /* a hole: msync fails with ENOMEM */
    persist_init(&persist, PERSIST_MSYNC, base, NULL);
    persist_flush(&persist, &thread, base, 8);
    persist_flush(&persist, &thread, base + 8192, 8);
    assert_int_equal(persist_fence(&persist, &thread), SDB_EIO);
    assert_non_null(strstr(error_text(), "msync"));
    assert_int_equal(persist_fence(&persist, &thread), SDB_EIO);
    assert_int_equal(thread.dirty_to, 8192 + 64);
    assert_int_equal(munmap(base, AREA_SIZE), 0);
}

/* The kernel takes the pages for clean now: another msync of them would succeed and write nothing. */
static void a_fence_refuses_after_a_failed_msync(void **state)
{
    uint32_t failed = 0;
    struct persist persist;
    struct persist_thread thread = {0}, another = {0};
    uint8_t *base = mmap(NULL, AREA_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    (void)state;

    assert_true(base != MAP_FAILED);
    assert_int_equal(munmap(base + 4096, 4096), 0);
    persist_init(&persist, PERSIST_MSYNC, base, NULL);
    persist.sync_failed = &failed;
    persist_flush(&persist, &another, base, 8);
    assert_int_equal(persist_fence(&persist, &another), 0);
    persist_flush(&persist, &thread, base + 4096, 8);
    assert_int_equal(persist_fence(&persist, &thread), SDB_EIO);
    assert_int_equal(failed, 1);
    persist_flush(&persist, &another, base, 8);
    assert_int_equal(persist_fence(&persist, &another), SDB_EIO);
    assert_int_equal(munmap(base, AREA_SIZE), 0);
}

static void a_fence_refuses_once_a_page_was_lost(void **state)
{
    uint32_t failed = 0;
    struct persist persist;
    struct persist_thread thread = {0};
    (void)state;

    persist_init(&persist, PERSIST_NONE, area, &failed);
    assert_int_equal(persist_fence(&persist, &thread), 0);
    failed = 1;
    assert_int_equal(persist_fence(&persist, &thread), SDB_EIO);
    assert_non_null(strstr(error_text(), "page of the pool was lost"));
}

/* Copies (or zeroes) size bytes to offset and looks at them, at what lies around them, and at the lines counted. */
static void check_copy(enum persist_flush flush, size_t offset, size_t size, int zero)
{
    struct persist persist = persist_with(flush);
    struct persist_thread thread = {0};

    memset(area, 0xee, sizeof(area));
    if (zero)
        persist_zero_nt(&persist, &thread, area + offset, size);
    else
        persist_copy_nt(&persist, &thread, area + offset, source + 3, size);
    assert_int_equal(persist_fence(&persist, &thread), 0); /* with msync too: of ordinary memory it does nothing */
    for (size_t i = 0; i < sizeof(area); i++) {
        uint8_t expected = i < offset || i >= offset + size ? 0xee : zero ? 0 : source[3 + i - offset];

        if (area[i] != expected)
            fail_msg("%s: byte %zu of %zu at %zu is %02x", persist_flush_name(flush), i, size, offset, area[i]);
    }
    assert_int_equal(thread.lines, flush == PERSIST_NONE ? 0 : lines_touched(offset, size));
}

static void big_copies_are_exact_at_every_alignment_and_count_every_line(void **state)
{
    static const enum persist_flush kinds[] = {PERSIST_NONE,       PERSIST_MSYNC, PERSIST_CLFLUSH,
                                               PERSIST_CLFLUSHOPT, PERSIST_CLWB,  PERSIST_DCCVAC};
    static const size_t sizes[] = {0, 1, 7, 64, 100, 511, 512, 513, 1000, 4096, 8191};
    (void)state;

    for (size_t i = 0; i < sizeof(source); i++)
        source[i] = (uint8_t)(i * 7 + i / 251);
    for (size_t k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++) {
        if (!persist_flush_is_supported(kinds[k]))
            continue;
        for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
            for (size_t offset = 128; offset < 128 + 65; offset += 13) {
                check_copy(kinds[k], offset, sizes[s], 0);
                check_copy(kinds[k], offset, sizes[s], 1);
            }
        }
    }
}

static void a_copy_large_enough_to_bypass_the_cache_with_eadr_is_exact(void **state)
{
    const size_t size = (1u << 20) + 77;
    uint8_t *from = malloc(size);
    uint8_t *to = malloc(size + 2);
    struct persist persist = persist_with(PERSIST_NONE);
    struct persist_thread thread = {0};
    (void)state;

    assert_non_null(from);
    assert_non_null(to);
    for (size_t i = 0; i < size; i++)
        from[i] = (uint8_t)(i * 31 + i / 977);
    to[0] = to[size + 1] = 0xee;
    persist_copy_nt(&persist, &thread, to + 1, from, size);
    assert_int_equal(persist_fence(&persist, &thread), 0);
    assert_memory_equal(to + 1, from, size);
    assert_int_equal(to[0], 0xee);
    assert_int_equal(to[size + 1], 0xee);
    free(from);
    free(to);
}

static void names_of_flushes_are_read_back(void **state)
{
    enum persist_flush flush = PERSIST_MSYNC;
    (void)state;

    for (int i = PERSIST_CLWB; i <= PERSIST_DCCVAC; i++) {
        assert_int_equal(persist_flush_parse(persist_flush_name((enum persist_flush)i), &flush), 0);
        assert_int_equal(flush, i);
    }
    flush = PERSIST_MSYNC;
    assert_int_equal(persist_flush_parse("clwb2", &flush), SDB_EINVAL);
    assert_int_equal(persist_flush_parse("", &flush), SDB_EINVAL);
    assert_int_equal(flush, PERSIST_MSYNC);
}

static void the_best_flush_is_one_that_this_cpu_has(void **state)
{
    const enum persist_flush best = persist_flush_best();
    (void)state;

    assert_true(persist_flush_is_supported(best));
    assert_int_equal(best == PERSIST_NONE, persist_caches_are_persistent());
    assert_true(best != PERSIST_MSYNC);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(flush_reaches_every_line_of_an_unaligned_range),
        cmocka_unit_test(each_flush_this_cpu_has_can_be_executed_and_is_counted),
        cmocka_unit_test(eadr_flushes_nothing_and_keeps_the_fence),
        cmocka_unit_test(msync_is_called_once_for_all_that_was_flushed),
        cmocka_unit_test(msync_hears_of_large_copies_and_zeros),
        cmocka_unit_test(a_failed_msync_is_an_error_and_forgets_nothing),
        cmocka_unit_test(a_fence_refuses_after_a_failed_msync),
        cmocka_unit_test(a_fence_refuses_once_a_page_was_lost),
        cmocka_unit_test(big_copies_are_exact_at_every_alignment_and_count_every_line),
        cmocka_unit_test(a_copy_large_enough_to_bypass_the_cache_with_eadr_is_exact),
        cmocka_unit_test(names_of_flushes_are_read_back),
        cmocka_unit_test(the_best_flush_is_one_that_this_cpu_has),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
