/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_scan_damage.c - words that say where keys are, when they are damaged: a scan says so, and every other key is served
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine_fixture.h"
#include "heap_internal.h"
#include "word.h"

#define KEYS 20000u

static bool seen[KEYS];

static void make_pool(struct fixture *f)
{
    fixture_create(f, 32 * MIB, 0, 2);
    for (unsigned i = 0; i < KEYS; i++) {
        char key[24];
        int size = snprintf(key, sizeof(key), "key:%u", i);

        assert_ok(sdb_set(f->session, key, (size_t)size, key, (size_t)size, NULL));
    }
}

/* Closes the pool, changes a word, and opens it again. */
static void damage(struct fixture *f, uint64_t offset, uint64_t flip, uint64_t keep)
{
    uint64_t word;
    int fd;

    fixture_close(f);
    fd = open(f->path, O_RDWR);
    assert_true(fd >= 0);
    assert_int_equal(pread(fd, &word, sizeof(word), (off_t)offset), sizeof(word));
    assert_true(word != 0);
    word = (word & keep) ^ flip;
    assert_int_equal(pwrite(fd, &word, sizeof(word), (off_t)offset), sizeof(word));
    close(fd);
    fixture_open(f);
}

static int note_key(void *context, const struct sdb_scan_item *item)
{
    char text[24] = "";

    memcpy(text, item->key.data, item->key.size);
    seen[strtoul(text + strlen("key:"), NULL, 10)] = true;
    ++*(unsigned *)context;
    return 0;
}

/* Returns the errors that a whole scan met; each key is either shown and read, or both are errors. */
static unsigned scan_and_read(struct fixture *f)
{
    uint64_t cursor = 0;
    unsigned shown = 0, errors = 0, rounds = 0;

    memset(seen, 0, sizeof(seen));
    do {
        int error = sdb_scan(f->session, &cursor, 500, note_key, &shown);

        assert_true(error == SDB_OK || error == SDB_ECORRUPT);
        errors += error != SDB_OK;
        assert_true(++rounds < 2000);
    } while (cursor);
    for (unsigned i = 0; i < KEYS; i++) {
        char key[24], read[24];
        size_t size = 0;
        int key_size = snprintf(key, sizeof(key), "key:%u", i);
        int error = sdb_get(f->session, key, (size_t)key_size, read, sizeof(read), &size);

        assert_int_equal(error, seen[i] ? SDB_OK : SDB_ECORRUPT);
        assert_true(error || (size == (size_t)key_size && memcmp(read, key, size) == 0));
    }
    assert_true(shown > 0 && shown < KEYS);
    return errors;
}

static void end(struct fixture *f)
{
    fixture_close(f);
    unlink(f->path);
}

/* The first page of entries, and the extent map's word for it. */
static uint32_t entry_page(const struct fixture *f)
{
    uint32_t page = heap_page_number(f->pool->file.superblock.heap_offset);

    while (!heap_is_entry(&f->pool->heap, heap_page_start(page)))
        page++;
    return page;
}

static void a_damaged_word_of_the_extent_map_costs_its_extent_and_is_told(void **state)
{
    struct fixture f;

    (void)state;
    make_pool(&f);
    damage(&f, heap_map_offset(&f.pool->heap, entry_page(&f) / PAGES_PER_EXTENT), 1u << 20, UINT64_MAX);
    assert_int_equal(scan_and_read(&f), 1);
    for (unsigned i = 0; i < KEYS; i++) { /* nothing new lands on what the lost word described */
        char key[24];
        int size = snprintf(key, sizeof(key), "new:%u", i);
        int error = sdb_set(f.session, key, (size_t)size, key, (size_t)size, NULL);

        assert_true(error == SDB_OK || error == SDB_ECORRUPT);
    }
    end(&f);
}

static void a_damaged_page_word_costs_its_page_and_is_told(void **state)
{
    struct fixture f;

    (void)state;
    make_pool(&f);
    damage(&f, heap_page_word_offset(entry_page(&f)), 1u << 1, UINT64_MAX);
    assert_int_equal(scan_and_read(&f), 1);
    end(&f);
}

static void a_lost_directory_is_an_error_and_no_empty_shard(void **state)
{
    struct fixture f;
    unsigned errors = 0;

    (void)state;
    make_pool(&f);
    damage(&f, index_shard_offset(&f.pool->file, 1), 0, 0);
    for (unsigned i = 0; i < KEYS; i++) {
        char key[24], read[24];
        int key_size = snprintf(key, sizeof(key), "key:%u", i);
        int error = sdb_get(f.session, key, (size_t)key_size, read, sizeof(read), NULL);

        assert_true(error == SDB_OK || error == SDB_ECORRUPT);
        assert_int_equal(fixture_set(&f, key, "other"), error);
        errors += error != SDB_OK;
    }
    assert_in_range(errors, KEYS / 4, KEYS * 3 / 4);
    end(&f);
}

static void figures_of_a_pool_with_a_damaged_shard_header_end(void **state)
{
    struct fixture f;

    (void)state;
    make_pool(&f);
    damage(&f, index_shard_offset(&f.pool->file, 0), 0x3f, ~0x3full); /* a depth of 63 */
    assert_true(fixture_stats(&f).used > 0);
    end(&f);
}

static void emptying_reaches_keys_that_damage_hides(void **state)
{
    struct fixture f;
    uint64_t map;
    char value[8];

    (void)state;
    fixture_create(&f, 32 * MIB, 0, 1);
    assert_ok(fixture_set(&f, "hidden", "value"));
    map = heap_map_offset(&f.pool->heap, entry_page(&f) / PAGES_PER_EXTENT);
    damage(&f, map, 1u << 20, UINT64_MAX);
    f.pool->shards[0].counted = false;
    assert_ok(sdb_flush(f.session));
    damage(&f, map, 1u << 20, UINT64_MAX); /* as it was */
    assert_int_equal(sdb_get(f.session, "hidden", 6, value, sizeof(value), NULL), SDB_ENOTFOUND);
    end(&f);
}

static void a_map_that_was_zeroed_is_found_and_its_keys_are_not_stored_over(void **state)
{
    struct sdb_check result;
    struct fixture f;
    uint64_t map, old;

    (void)state;
    make_pool(&f);
    map = heap_map_offset(&f.pool->heap, entry_page(&f) / PAGES_PER_EXTENT);
    memcpy(&old, f.pool->file.base + map, sizeof(old));
    damage(&f, map, 0, 0);
    assert_int_equal(sdb_check(f.pool, NULL, NULL, &result), SDB_ECORRUPT);
    for (unsigned i = 0; i < 8 * KEYS; i++) { /* more than the other extents take */
        char key[24];
        int size = snprintf(key, sizeof(key), "new:%u", i);
        int error = sdb_set(f.session, key, (size_t)size, key, (size_t)size, NULL);

        assert_true(error == SDB_OK || error == SDB_ECORRUPT || error == SDB_ENOSPC);
    }
    fixture_close(&f);
    int fd = open(f.path, O_RDWR);
    assert_int_equal(pwrite(fd, &old, sizeof(old), (off_t)map), sizeof(old));
    close(fd);
    fixture_open(&f);
    for (unsigned i = 0; i < KEYS; i++) { /* the keys are all there again */
        char key[24], read[24];
        int size = snprintf(key, sizeof(key), "key:%u", i);

        assert_ok(sdb_get(f.session, key, (size_t)size, read, sizeof(read), NULL));
    }
    end(&f);
}

static void a_reader_keeps_writers_out_and_goes_with_readers(void **state)
{
    struct fixture f;
    struct sdb_pool *other;
    struct sdb_options options = SDB_OPTIONS_INIT;

    (void)state;
    make_pool(&f);
    fixture_close(&f);
    f.options.flags = SDB_READONLY;
    fixture_open(&f);
    /* What another process would meet: a second description of the same file, under the list of this process's pools. */
    int fd = open(f.path, O_RDWR);
    struct flock writer = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1};
    struct flock reader = {.l_type = F_RDLCK, .l_whence = SEEK_SET, .l_len = 1};
    assert_int_equal(fcntl(fd, F_OFD_SETLK, &writer), -1);
    assert_int_equal(fcntl(fd, F_OFD_SETLK, &reader), 0);
    fixture_close(&f);
    assert_int_equal(sdb_open(f.path, &options, &other), SDB_ELOCKED);
    close(fd);
    assert_ok(sdb_open(f.path, &options, &other));
    assert_ok(sdb_close(other));
    unlink(f.path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_damaged_word_of_the_extent_map_costs_its_extent_and_is_told),
        cmocka_unit_test(a_damaged_page_word_costs_its_page_and_is_told),
        cmocka_unit_test(a_lost_directory_is_an_error_and_no_empty_shard),
        cmocka_unit_test(figures_of_a_pool_with_a_damaged_shard_header_end),
        cmocka_unit_test(emptying_reaches_keys_that_damage_hides),
        cmocka_unit_test(a_map_that_was_zeroed_is_found_and_its_keys_are_not_stored_over),
        cmocka_unit_test(a_reader_keeps_writers_out_and_goes_with_readers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
