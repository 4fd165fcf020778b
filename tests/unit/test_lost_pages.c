/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_lost_pages.c - pages that the medium loses under an open pool hide no key: what cannot be told is an error (sigbus.h)
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine_fixture.h"

#define KEYS 8000u

static int count_key(void *context, const struct sdb_scan_item *item)
{
    (void)item;
    ++*(unsigned *)context;
    return 0;
}

/* Every key is found with its value, or an error says that it cannot be; never a miss. Returns how many were found. */
static unsigned read_all(const struct fixture *f, const uint64_t *handles)
{
    unsigned found = 0;

    for (unsigned i = 0; i < KEYS; i++) {
        char key[24], read[64], by_handle[64];
        size_t size = 0, handle_size = 0;
        int key_size = snprintf(key, sizeof(key), "key:%u", i), error, handle_error;

        error = sdb_get(f->session, key, (size_t)key_size, read, sizeof(read), &size);
        handle_error = sdb_get_by_handle(f->session, handles[i], by_handle, sizeof(by_handle), &handle_size);
        assert_true(error == SDB_OK || error == SDB_ECORRUPT);
        assert_true(handle_error == SDB_OK || handle_error == SDB_ECORRUPT);
        found += error == SDB_OK;
        if (error == SDB_OK) {
            assert_int_equal(size, key_size);
            assert_memory_equal(read, key, size);
        }
        if (handle_error == SDB_OK) {
            assert_int_equal(handle_size, key_size);
            assert_memory_equal(by_handle, key, handle_size);
        }
    }
    return found;
}

/* Loses everything behind this many pages of the heap. */
static void lose(unsigned pages)
{
    static uint64_t handles[KEYS];
    struct fixture f;
    uint64_t cursor = 0;
    unsigned visited = 0;
    int error = SDB_OK, step;

    fixture_create(&f, 32 * MIB, 0, 1);
    for (unsigned i = 0; i < KEYS; i++) {
        char key[24];
        int key_size = snprintf(key, sizeof(key), "key:%u", i);
        struct sdb_set_options options = {.handle = &handles[i]};

        assert_ok(sdb_set(f.session, key, (size_t)key_size, key, (size_t)key_size, &options));
    }
    assert_int_equal(read_all(&f, handles), KEYS);
    fixture_close(&f);
    f.options.cache_size = 0;
    fixture_open(&f);
    assert_int_equal(truncate(f.path, (off_t)(f.pool->file.superblock.heap_offset + pages * 4096)), 0);
    assert_true(read_all(&f, handles) < KEYS);
    do {
        step = sdb_scan(f.session, &cursor, 1000, count_key, &visited);
        error = step ? step : error;
    } while (cursor);
    assert_true(visited == KEYS || error == SDB_ECORRUPT);
    assert_true(visited <= KEYS);
    assert_int_equal(sdb_set(f.session, "new", 3, "value", 5, NULL), SDB_EFAILED);
    fixture_close(&f);
    unlink(f.path);
}

static void lost_pages_are_errors_and_never_misses(void **state)
{
    (void)state;
    for (unsigned pages = 8; pages <= 64; pages += 8)
        lose(pages);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lost_pages_are_errors_and_never_misses),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
