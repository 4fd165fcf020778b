/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_heap_damage.c - an extent whose header is damaged costs what lies in it, and never the process (heap_extent.c)
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine_fixture.h"
#include "layout.h"

#define KEYS 4000u

static void make_pool(struct fixture *f)
{
    fixture_create(f, 64 * MIB, 0, 1);
    for (unsigned i = 0; i < KEYS; i++) {
        char key[24], value[3000];
        int key_size = snprintf(key, sizeof(key), "key:%u", i);

        memset(value, 'a' + (int)(i % 26), sizeof(value));
        assert_ok(sdb_set(f->session, key, (size_t)key_size, value, 200 + i % 2800, NULL));
    }
}

/* Closes the pool, flips a bit of the byte, and opens it again. */
static void damage(struct fixture *f, uint64_t offset)
{
    uint8_t byte;
    int fd;

    fixture_close(f);
    fd = open(f->path, O_RDWR);
    assert_true(fd >= 0);
    assert_int_equal(pread(fd, &byte, 1, (off_t)offset), 1);
    byte ^= 1;
    assert_int_equal(pwrite(fd, &byte, 1, (off_t)offset), 1);
    close(fd);
    fixture_open(f);
}

/* Every other key is deleted, every third rewritten, and new ones are made: with errors, or not, but with no wrong answer. */
static void use(struct fixture *f)
{
    for (unsigned i = 0; i < 2 * KEYS; i++) {
        char key[24], value[3000], read[3000];
        size_t size = 0, expected = 200 + i % 2800;
        int key_size = snprintf(key, sizeof(key), "key:%u", i), error;

        memset(value, 'a' + (int)(i % 26), sizeof(value));
        error = sdb_get(f->session, key, (size_t)key_size, read, sizeof(read), &size);
        assert_true(error == SDB_OK || error == SDB_ENOTFOUND || error == SDB_ECORRUPT);
        if (error == SDB_OK) {
            assert_int_equal(size, expected);
            assert_memory_equal(read, value, size);
        }
        error = i % 2 == 0 ? sdb_delete(f->session, key, (size_t)key_size)
                           : sdb_set(f->session, key, (size_t)key_size, value, expected, NULL);
        assert_true(error == SDB_OK || error == SDB_ENOTFOUND || error == SDB_ECORRUPT);
    }
}

static uint64_t first_extent(const struct fixture *f)
{
    return f->pool->file.superblock.heap_offset;
}

static void damaged_bitmaps_crash_nobody(void **state)
{
    (void)state;
    for (unsigned page = 1; page < PAGES_PER_EXTENT; page += 6) {
        struct fixture f;

        make_pool(&f);
        damage(&f, first_extent(&f) + EXTENT_SIZE + offsetof(struct sdb_m_extent, bitmaps) + page * BITMAP_WORDS * WORD_SIZE);
        use(&f);
        use(&f);
        fixture_close(&f);
        unlink(f.path);
    }
}

static void damaged_page_words_crash_nobody(void **state)
{
    (void)state;
    for (unsigned page = 1; page < PAGES_PER_EXTENT; page += 6) {
        struct fixture f;

        make_pool(&f);
        damage(&f, first_extent(&f) + (page % 4) * EXTENT_SIZE + offsetof(struct sdb_m_extent, pages) + page * WORD_SIZE);
        use(&f);
        use(&f);
        fixture_close(&f);
        unlink(f.path);
    }
}

static void damaged_extent_headers_crash_nobody(void **state)
{
    (void)state;
    for (unsigned extent = 0; extent < 4; extent++) {
        struct fixture f;

        make_pool(&f);
        damage(&f, first_extent(&f) + extent * EXTENT_SIZE);
        use(&f);
        use(&f);
        fixture_close(&f);
        unlink(f.path);
    }
}

static void an_entry_that_damage_makes_look_free_is_not_given_to_another_key(void **state)
{
    struct fixture f;
    uint64_t offsets[200];

    (void)state;
    fixture_create(&f, 32 * MIB, 0, 1);
    for (unsigned i = 0; i < 200; i++) {
        char key[24];
        uint64_t handle;
        int size = snprintf(key, sizeof(key), "key:%u", i);

        assert_ok(sdb_set(f.session, key, (size_t)size, key, (size_t)size, NULL));
        assert_ok(sdb_handle(f.session, key, (size_t)size, &handle));
        offsets[i] = handle >> 16 << ENTRY_SHIFT;
    }
    for (unsigned i = 0; i < 200; i += 10)
        damage(&f, offsets[i]); /* the lowest bit of the type: 0 is free */
    for (unsigned i = 0; i < 5000; i++) {
        char key[24];

        snprintf(key, sizeof(key), "new:%u", i);
        int error = fixture_set(&f, key, "value");
        assert_true(error == SDB_OK || error == SDB_ECORRUPT);
    }
    for (unsigned i = 0; i < 200; i++) {
        char key[24], read[24];
        size_t read_size;
        int size = snprintf(key, sizeof(key), "key:%u", i);
        int error = sdb_get(f.session, key, (size_t)size, read, sizeof(read), &read_size);

        assert_int_equal(error, i % 10 == 0 ? SDB_ECORRUPT : SDB_OK);
    }
    fixture_close(&f);
    unlink(f.path);
}

static void keys_that_damage_kept_from_being_reclaimed_stay_deleted(void **state)
{
    struct fixture f;

    (void)state;
    make_pool(&f);
    damage(&f, first_extent(&f) + EXTENT_SIZE);
    for (int flush = 0; flush < 4; flush++) {
        assert_ok(sdb_flush(f.session));
        for (int i = 0; i < 40; i++)
            (void)sdb_maintain(f.session, 100000, NULL);
        for (unsigned i = 0; i < KEYS; i++) {
            char key[24], read[8];
            int key_size = snprintf(key, sizeof(key), "key:%u", i);

            assert_int_not_equal(sdb_get(f.session, key, (size_t)key_size, read, sizeof(read), NULL), SDB_OK);
        }
        assert_ok(sdb_set(f.session, "one", 3, "1", 1, NULL));
    }
    fixture_close(&f);
    unlink(f.path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(damaged_bitmaps_crash_nobody),
        cmocka_unit_test(damaged_page_words_crash_nobody),
        cmocka_unit_test(damaged_extent_headers_crash_nobody),
        cmocka_unit_test(an_entry_that_damage_makes_look_free_is_not_given_to_another_key),
        cmocka_unit_test(keys_that_damage_kept_from_being_reclaimed_stay_deleted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
