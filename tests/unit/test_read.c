/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_read.c - reading by key: copies, views and how long they stay, batches, damage that is told
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine_case.h"
#include "read.h"

static char big[200000];

static int fill_big(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(big); i++)
        big[i] = (char)('a' + i % 23);
    return 0;
}

static struct sdb_view view_of(const char *key)
{
    struct sdb_view view;

    assert_ok(sdb_view(f.session, key, strlen(key), &view));
    if (!view.pinned)
        view.data = NULL; /* it pointed into the view, which moves */
    return view;
}

static void a_copy_is_cut_to_the_buffer_and_the_size_is_whole(void **state)
{
    static const size_t sizes[] = {5, 16, 17, 5000};
    char buffer[32];
    size_t size;

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        assert_ok(sdb_set(f.session, "k", 1, big, sizes[i], NULL));
        memset(buffer, '#', sizeof(buffer));
        assert_ok(sdb_get(f.session, "k", 1, buffer, 3, &size));
        assert_int_equal(size, sizes[i]);
        assert_memory_equal(buffer, "abc#", 4);
        assert_ok(sdb_get(f.session, "k", 1, NULL, 0, &size));
        assert_int_equal(size, sizes[i]);
        assert_ok(sdb_get(f.session, "k", 1, buffer, 3, NULL));
    }
}

static void a_miss_leaves_out_parameters_alone(void **state)
{
    char buffer[4] = "###";
    size_t size = 4711;
    uint64_t handle = 4711;
    struct sdb_view view = {.size = 4711};
    struct sdb_stat stat = {.size = 4711};

    (void)state;
    assert_int_equal(sdb_get(f.session, "k", 1, buffer, 4, &size), SDB_ENOTFOUND);
    assert_int_equal(sdb_get_range(f.session, "k", 1, 0, buffer, 4, &size), SDB_ENOTFOUND);
    assert_int_equal(sdb_handle(f.session, "k", 1, &handle), SDB_ENOTFOUND);
    assert_int_equal(sdb_view(f.session, "k", 1, &view), SDB_ENOTFOUND);
    assert_int_equal(sdb_stat(f.session, "k", 1, &stat), SDB_ENOTFOUND);
    assert_true(size == 4711 && handle == 4711 && view.size == 4711 && stat.size == 4711);
    assert_string_equal(buffer, "###");
}

static void ranges_end_where_the_value_ends(void **state)
{
    static const struct {
        uint64_t offset;
        size_t asked, got;
    } rows[] = {{0, 4, 4}, {3, 100, 97}, {99, 4, 1}, {100, 4, 0}, {101, 4, 0}, {UINT64_MAX, 4, 0}, {5, 0, 0}};
    char buffer[128];

    (void)state;
    assert_ok(sdb_set(f.session, "k", 1, big, 100, NULL));
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        size_t got = 4711;

        assert_ok(sdb_get_range(f.session, "k", 1, rows[i].offset, rows[i].asked ? buffer : NULL, rows[i].asked, &got));
        assert_int_equal(got, rows[i].got);
        if (got)
            assert_memory_equal(buffer, big + rows[i].offset, got);
    }
    assert_ok(fixture_set(&f, "k", "-12345"));
    assert_ok(sdb_get_range(f.session, "k", 1, 1, buffer, 3, &(size_t){0}));
    assert_memory_equal(buffer, "123", 3);
}

/* -- views -- */

static void a_view_of_a_blob_stays_while_its_key_is_overwritten(void **state)
{
    struct sdb_view view;

    (void)state;
    assert_ok(sdb_set(f.session, "k", 1, big, 3000, NULL));
    assert_ok(sdb_view(f.session, "k", 1, &view));
    for (unsigned i = 0; i < 2000; i++) /* were its memory free, one of these would take it */
        assert_ok(sdb_set(f.session, "k", 1, big + 1 + i % 20, 3000, NULL));
    assert_memory_equal(view.data, big, 3000);
    sdb_view_release(f.session, &view);
}

static void a_view_stays_while_its_key_is_deleted_flushed_and_maintained(void **state)
{
    struct sdb_view views[2];
    int done = 0;

    (void)state;
    assert_ok(sdb_set(f.session, "k", 1, big, 150000, NULL)); /* a run of pages */
    assert_ok(sdb_set(f.session, "l", 1, big + 1, 500, NULL));
    assert_ok(sdb_view(f.session, "k", 1, &views[0]));
    assert_ok(sdb_view(f.session, "l", 1, &views[1]));
    assert_ok(sdb_delete(f.session, "k", 1));
    assert_ok(sdb_flush(f.session));
    while (!done)
        assert_ok(sdb_maintain(f.session, 100000, &done));
    for (unsigned i = 0; i < 300; i++) { /* to the last block of the pool */
        char name[16];
        int error = sdb_set(f.session, name, (size_t)sprintf(name, "n:%u", i), big + 2, i % 2 ? 150000 : 500, NULL);

        assert_true(error == SDB_OK || error == SDB_ENOSPC);
    }
    assert_memory_equal(views[0].data, big, 150000);
    assert_memory_equal(views[1].data, big + 1, 500);
    sdb_view_release(f.session, &views[1]);
    sdb_view_release(f.session, &views[0]);
}

static void memory_comes_back_when_the_view_is_released(void **state)
{
    struct sdb_view view;
    char name[16];
    unsigned before = 0, after = 0;

    (void)state;
    while (sdb_set(f.session, name, (size_t)sprintf(name, "n:%u", before), big, sizeof(big), NULL) == SDB_OK)
        before++;
    assert_ok(sdb_view(f.session, "n:0", 3, &view));
    for (unsigned i = 0; i < before; i++)
        assert_ok(sdb_delete(f.session, name, (size_t)sprintf(name, "n:%u", i)));
    sdb_view_release(f.session, &view);
    while (sdb_set(f.session, name, (size_t)sprintf(name, "m:%u", after), big, sizeof(big), NULL) == SDB_OK)
        after++;
    if (after < before / 2) /* not all: extents that are used in part stay with their shard, which may have fewer keys now */
        fail_msg("%u at first, %u then", before, after);
}

static void a_views_inline_copy_is_its_own(void **state)
{
    struct sdb_view view;

    (void)state;
    assert_ok(fixture_set(&f, "k", "small"));
    assert_ok(sdb_view(f.session, "k", 1, &view));
    assert_ok(fixture_set(&f, "k", "other"));
    assert_memory_equal(view.data, "small", 5);
    assert_int_equal(view.pinned, 0);
    sdb_view_release(f.session, &view);
}

static void a_view_tells_all_about_its_key(void **state)
{
    struct sdb_set_options options = {.expire_ms = NOW + 5};
    struct sdb_view view;
    uint64_t handle;

    (void)state;
    assert_ok(sdb_set(f.session, "k", 1, "77", 2, &options));
    assert_ok(sdb_handle(f.session, "k", 1, &handle));
    view = view_of("k");
    assert_true(view.handle == handle && view.expire_ms == NOW + 5 && view.type == SDB_TYPE_STRING);
    assert_int_equal(view.encoding, SDB_ENCODING_INT);
    assert_true((int64_t)handle > 0);
    assert_memory_equal(view.inlined, "77", 2);
    assert_int_equal(view.size, 2);
}

static void views_in_a_transaction_outlive_its_abort(void **state)
{
    struct sdb_view view;

    (void)state;
    assert_ok(sdb_begin(f.session, NULL, 0));
    assert_ok(sdb_set(f.session, "k", 1, big, 3000, NULL));
    assert_ok(sdb_view(f.session, "k", 1, &view));
    sdb_abort(f.session);
    for (unsigned i = 0; i < 500; i++)
        assert_ok(sdb_set(f.session, "k", 1, big + 3, 3000, NULL));
    assert_memory_equal(view.data, big, 3000);
    sdb_view_release(f.session, &view);
}

/* -- batches -- */

static void a_batch_reads_what_single_reads_do(void **state)
{
    enum { N = 100 };
    static char names[N][16];
    static struct sdb_slice keys[N];
    static struct sdb_view views[N];
    static struct sdb_inline values[N];
    int results[N];

    (void)state;
    for (unsigned i = 0; i < N; i++) {
        keys[i] = (struct sdb_slice){names[i], (size_t)sprintf(names[i], "key:%u", i)};
        if (i % 7 == 3)
            continue;
        assert_ok(sdb_set(f.session, names[i], keys[i].size, i % 3 ? big : "-42", i % 3 ? i : 3, NULL));
    }
    sdb_prefetch(f.session, keys, N);
    sdb_get_many(f.session, keys, N, values);
    assert_ok(sdb_view_many(f.session, keys, N, views, results));
    for (unsigned i = 0; i < N; i++) {
        assert_int_equal(results[i], i % 7 == 3 ? SDB_ENOTFOUND : SDB_OK);
        if (results[i]) {
            assert_int_equal(values[i].result, SDB_ENOTFOUND);
            continue;
        }
        assert_memory_equal(views[i].data, i % 3 ? big : "-42", i % 3 ? i : 3);
        if (i % 3 == 0)
            assert_true(values[i].encoding == SDB_ENCODING_INT && values[i].value.integer == -42 &&
                        values[i].size == 8);
        else
            assert_int_equal(values[i].result, i > 16 ? SDB_ETOOBIG : SDB_OK);
        sdb_view_release(f.session, &views[i]);
    }
    assert_int_equal(f.session->pins, 0);
    assert_ok(sdb_view_many(f.session, NULL, 0, NULL, NULL));
    sdb_get_many(f.session, NULL, 0, NULL);
    sdb_prefetch(f.session, NULL, 0);
}

static void a_batch_in_a_transaction_or_group_sees_its_own_writes(void **state)
{
    const struct sdb_slice keys[2] = {{"a", 1}, {"b", 1}};
    struct sdb_view views[2];
    int results[2];

    (void)state;
    for (unsigned round = 0; round < 2; round++) {
        assert_ok(round ? sdb_group_begin(f.session) : sdb_begin(f.session, keys, 2));
        assert_ok(fixture_set(&f, "a", round ? "group" : "transaction"));
        (void)sdb_delete(f.session, "b", 1);
        assert_ok(sdb_view_many(f.session, keys, 2, views, results));
        assert_true(results[0] == SDB_OK && results[1] == SDB_ENOTFOUND);
        assert_memory_equal(views[0].data, round ? "group" : "transaction", views[0].size);
        sdb_view_release(f.session, &views[0]);
        assert_ok(round ? sdb_group_end(f.session) : sdb_commit(f.session));
    }
}

/* Or the whole would be as of no moment: the others' changes as they were then, its own as they will be at its commit. */
static void what_a_group_reads_together_with_its_own_writes_stays_until_its_commit(void **state)
{
    struct sdb_slice keys[2] = {{"a", 1}, {NULL, 1}};
    struct sdb_view views[2];
    struct index_key own, other;
    char name = 'b';
    int results[2];

    (void)state;
    keys[1].data = &name;
    read_key_init(f.session, keys[0].data, 1, &own);
    do {
        read_key_init(f.session, &name, 1, &other);
    } while (other.shard == own.shard && name++ < 'z');
    assert_int_not_equal(other.shard, own.shard);
    assert_ok(sdb_group_begin(f.session));
    assert_ok(sdb_view_many(f.session, keys, 2, views, results));
    assert_int_equal(f.session->held_count, 0);
    for (unsigned i = 0; i < 2; i++)
        if (results[i] == SDB_OK)
            sdb_view_release(f.session, &views[i]);
    assert_ok(fixture_set(&f, "a", "1"));
    assert_false(session_holds(f.session, other.shard));
    assert_ok(sdb_view_many(f.session, keys, 2, views, results));
    assert_true(session_holds(f.session, other.shard));
    for (unsigned i = 0; i < 2; i++)
        if (results[i] == SDB_OK)
            sdb_view_release(f.session, &views[i]);
    assert_ok(sdb_group_end(f.session));
    assert_false(lock_is_held(&f.pool->shards[other.shard].lock));
}

static void keys_are_counted_together(void **state)
{
    struct sdb_slice keys[200];
    size_t found = 7;

    (void)state;
    assert_ok(fixture_set(&f, "a", "1"));
    (void)sdb_delete(f.session, "b", 1);
    for (unsigned i = 0; i < 200; i++)
        keys[i] = (struct sdb_slice){i % 2 ? "a" : "b", 1};
    assert_ok(sdb_exists_many(f.session, keys, 0, &found));
    assert_int_equal(found, 0);
    assert_ok(sdb_exists_many(f.session, keys, 3, &found));
    assert_int_equal(found, 1);
    assert_ok(sdb_exists_many(f.session, keys, 200, &found));
    assert_int_equal(found, 100);
    assert_int_equal(f.session->pins, 0);
}

/* -- damage -- */

static void a_damaged_value_is_an_error_and_never_wrong_bytes(void **state)
{
    struct sdb_view view;
    uint8_t *byte;
    char buffer[600];

    (void)state;
    assert_ok(sdb_set(f.session, "k", 1, big, 600, NULL));
    assert_ok(sdb_view(f.session, "k", 1, &view));
    byte = alias_of(view.data);
    sdb_view_release(f.session, &view);
    for (size_t i = 0; i < 600; i += 13) {
        byte[i] ^= 0x40;
        assert_int_equal(sdb_get(f.session, "k", 1, buffer, sizeof(buffer), NULL), SDB_ECORRUPT);
        assert_non_null(strstr(sdb_last_error(), "damaged"));
        assert_int_equal(sdb_append(f.session, "k", 1, "x", 1, NULL), SDB_ECORRUPT);
        byte[i] ^= 0x40;
    }
    assert_ok(sdb_get(f.session, "k", 1, buffer, sizeof(buffer), NULL));
    assert_true(fixture_stats(&f).checksum_errors > 0);
    assert_int_equal(f.session->pins, 0);
}

static void a_damaged_byte_of_an_entry_is_an_error(void **state)
{
    struct sdb_stat stat;
    uint8_t *entry;
    char buffer[16];

    (void)state;
    fixture_destroy(&f);
    fixture_create(&f, 16 * MIB, 0, 1);
    f.options.cache_size = 0;
    assert_ok(fixture_set(&f, "key", "inline"));
    fixture_reopen(&f);
    assert_ok(sdb_stat(f.session, "key", 3, &stat));
    entry = alias_of(f.pool->file.base + (stat.handle >> 16 << ENTRY_SHIFT));
    for (unsigned i = 0; i < ENTRY_SIZE; i++)
        for (unsigned bit = 0; bit < 8; bit++) {
            int error;

            entry[i] ^= (uint8_t)(1u << bit);
            error = sdb_get(f.session, "key", 3, buffer, sizeof(buffer), NULL);
            if (error == SDB_OK) { /* the busy bit: with the shard locked it means nothing, and the entry is whole */
                assert_true(i == 2 && bit == 7);
                assert_memory_equal(buffer, "inline", 6);
            } else {
                assert_int_equal(error, SDB_ECORRUPT);
            }
            error = sdb_get_by_handle(f.session, stat.handle, buffer, sizeof(buffer), NULL);
            assert_true(error == SDB_ECORRUPT || error == SDB_ESTALE);
            entry[i] ^= (uint8_t)(1u << bit);
        }
    assert_ok(sdb_get(f.session, "key", 3, buffer, sizeof(buffer), NULL));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_copy_is_cut_to_the_buffer_and_the_size_is_whole),
        TEST(a_miss_leaves_out_parameters_alone),
        TEST(ranges_end_where_the_value_ends),
        TEST(a_view_of_a_blob_stays_while_its_key_is_overwritten),
        TEST(a_view_stays_while_its_key_is_deleted_flushed_and_maintained),
        TEST(memory_comes_back_when_the_view_is_released),
        TEST(a_views_inline_copy_is_its_own),
        TEST(a_view_tells_all_about_its_key),
        TEST(views_in_a_transaction_outlive_its_abort),
        TEST(a_batch_reads_what_single_reads_do),
        TEST(a_batch_in_a_transaction_or_group_sees_its_own_writes),
        TEST(what_a_group_reads_together_with_its_own_writes_stays_until_its_commit),
        TEST(keys_are_counted_together),
        TEST(a_damaged_value_is_an_error_and_never_wrong_bytes),
        TEST(a_damaged_byte_of_an_entry_is_an_error),
    };
    return cmocka_run_group_tests(tests, fill_big, NULL);
}
