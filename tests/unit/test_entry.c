/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_entry.c - what goes into an entry and what into a blob, and that damage to either is told
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine_fixture.h"
#include "entry.h"
#include "word.h"

static struct fixture f;
static struct tx tx;
static char big[4096];

static int set_up(void **state)
{
    (void)state;
    fixture_create(&f, 16 * MIB, 0, 1);
    for (size_t i = 0; i < sizeof(big); i++)
        big[i] = (char)('a' + i % 23);
    return tx_init(&tx, &f.pool->file);
}

static int tear_down(void **state)
{
    struct tx_mark mark = {0};

    (void)state;
    heap_rollback(&f.pool->heap, &tx, 0);
    tx_rollback(&tx, &mark);
    if (tx.pool_locked)
        lock_release(&f.pool->heap.pool_lock);
    tx_free(&tx);
    fixture_destroy(&f);
    return 0;
}

static void build(const struct entry_content *content, uint64_t words[4])
{
    assert_ok(entry_build(&f.pool->heap, &tx, 0, content, 0, words));
}

static void every_content_reads_back_as_it_was_built(void **state)
{
    (void)state;
    for (size_t key = 0; key <= 24; key++)
        for (size_t value = 0; value <= 26; value++)
            for (unsigned expires = 0; expires < 2; expires++) {
                struct entry_content content = {.key = big,
                                                .key_size = key,
                                                .value = big + 5,
                                                .value_size = value,
                                                .expire_ms = expires ? 77 : 0,
                                                .database = 200,
                                                .type = SDB_TYPE_STRING};
                const uint8_t *data;
                uint8_t scratch[16];
                uint64_t words[4];
                uint32_t blob_size;
                size_t size;

                if (value == 26) { /* stands for an integer */
                    content.value = NULL;
                    content.integer = -5;
                }
                build(&content, words);
                assert_true(entry_is_sane(words));
                assert_true(meta_type(words[0]) == SDB_TYPE_STRING && meta_database(words[0]) == 200);
                assert_int_equal(entry_expiry(words), expires ? 77 : 0);
                assert_true(entry_key(&f.pool->file, words, scratch, &data, &size));
                assert_int_equal(size, key);
                assert_memory_equal(data, big, key);
                if (meta_value_code(words[0]) == CODE_INTEGER) {
                    assert_int_equal((int64_t)words[entry_value_index(words[0])], -5);
                } else if (meta_value_code(words[0]) == CODE_BLOB) {
                    assert_true(entry_blob(&f.pool->file, words[entry_value_index(words[0])], &data, &blob_size));
                    assert_int_equal(blob_size, value);
                    assert_memory_equal(data, big + 5, value);
                } else {
                    assert_int_equal(meta_value_code(words[0]), value);
                    assert_memory_equal(&words[entry_value_index(words[0])], big + 5, value);
                }
            }
}

static void what_fits_stays_inline_as_the_header_promises(void **state)
{
    static const struct {
        size_t key, value;
        bool expires, key_blob, value_blob;
    } rows[] = {
        {16, 8, false, false, false}, {8, 16, false, false, false}, {0, 16, true, false, false},
        {8, 8, true, false, false},   {16, 0, true, false, false},  {16, 9, false, true, false},
        {17, 16, false, true, false}, {16, 17, false, false, true}, {9, 16, false, true, false},
        {16, 8, true, true, false},   {17, 17, false, true, true},  {8, 17, true, false, true},
        {16, 17, true, true, true},   {24, 16, true, true, true},   {24, 8, true, true, false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct entry_content content = {.key = big,
                                        .key_size = rows[i].key,
                                        .value = big,
                                        .value_size = rows[i].value,
                                        .expire_ms = rows[i].expires};
        unsigned key, value;

        entry_codes(&content, &key, &value);
        if ((key == CODE_BLOB) != rows[i].key_blob || (value == CODE_BLOB) != rows[i].value_blob)
            fail_msg("row %zu: codes %u and %u", i, key, value);
    }
}

static void keys_are_compared_by_database_size_and_bytes(void **state)
{
    static const size_t sizes[] = {0, 5, 16, 17, 300};

    (void)state;
    for (size_t i = 0; i < 5; i++) {
        struct entry_content content = {.key = big, .key_size = sizes[i], .integer = 1, .database = 3, .type = 1};
        uint64_t words[4];
        char other[300];

        build(&content, words);
        assert_int_equal(entry_compare_key(&f.pool->file, words, 3, big, sizes[i]), ENTRY_SAME);
        assert_int_equal(entry_compare_key(&f.pool->file, words, 4, big, sizes[i]), ENTRY_DIFFERENT);
        assert_int_equal(entry_compare_key(&f.pool->file, words, 3, big, sizes[i] + 1), ENTRY_DIFFERENT);
        for (size_t byte = 0; byte < sizes[i]; byte += 7) {
            memcpy(other, big, sizes[i]);
            other[byte] ^= 1;
            assert_int_equal(entry_compare_key(&f.pool->file, words, 3, other, sizes[i]), ENTRY_DIFFERENT);
        }
    }
}

static void every_damaged_byte_of_a_blob_is_told(void **state)
{
    const uint8_t *data;
    uint64_t reference;
    uint32_t size;
    uint8_t *bytes;

    (void)state;
    assert_ok(entry_write_blob(&f.pool->heap, &tx, 0, big, 500, &reference));
    bytes = alias_of(f.pool->file.base + blob_reference_offset(reference));
    assert_true(entry_blob_verify(&f.pool->file, reference));
    for (unsigned i = 0; i < 508; i++)
        for (unsigned d = 1; d < 256; d += 11) {
            bytes[i] ^= (uint8_t)d;
            assert_false(entry_blob_verify(&f.pool->file, reference));
            bytes[i] ^= (uint8_t)d;
        }
    assert_true(entry_blob(&f.pool->file, reference, &data, &size));
    assert_int_equal(size, 500);
}

static void references_to_anywhere_are_harmless(void **state)
{
    const uint8_t *data;
    uint32_t size;

    (void)state;
    for (unsigned i = 0; i < 300000; i++) {
        uint64_t reference = fixture_random(&f, UINT64_MAX);

        if (i % 2)
            reference = blob_reference((reference >> 8) % (17 * MIB) & ~15ull, (uint32_t)i);
        if (entry_blob(&f.pool->file, reference, &data, &size))
            assert_true(data >= f.pool->file.base && data + size <= f.pool->file.base + f.pool->file.size);
        assert_false(entry_blob_verify(&f.pool->file, reference) && i % 2 == 0);
    }
}

static void an_entry_that_is_being_written_is_busy_and_then_whole(void **state)
{
    uint64_t offset = f.pool->file.superblock.heap_offset + PAGE_SIZE_POOL, words[4] = {1, 2, 3, 4}, read[4];
    uint64_t *entry = alias_of(f.pool->file.base + offset);
    uint64_t saved[4];

    (void)state;
    memcpy(saved, entry, sizeof(saved));
    entry_seal(words, offset);
    memcpy(entry, words, sizeof(words));
    assert_int_equal(entry_read(&f.pool->file, offset, read), ENTRY_OK);
    assert_memory_equal(read, words, sizeof(words));
    entry[0] |= META_BUSY;
    assert_int_equal(entry_read(&f.pool->file, offset, read), ENTRY_BUSY);
    entry[0] = words[0];
    entry[2] ^= 1;
    assert_int_equal(entry_read(&f.pool->file, offset, read), ENTRY_DAMAGED);
    memcpy(entry, saved, sizeof(saved));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(every_content_reads_back_as_it_was_built),     TEST(what_fits_stays_inline_as_the_header_promises),
        TEST(keys_are_compared_by_database_size_and_bytes), TEST(every_damaged_byte_of_a_blob_is_told),
        TEST(references_to_anywhere_are_harmless),          TEST(an_entry_that_is_being_written_is_busy_and_then_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
