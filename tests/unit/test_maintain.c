/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_maintain.c - background work: what it deletes, what it leaves, and that it says when it is done
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine_case.h"
#include "word.h"

static void fill(unsigned keys, unsigned each_expires)
{
    char name[64];

    for (unsigned i = 0; i < keys; i++) {
        struct sdb_set_options options = {.expire_ms = i % each_expires == 0 ? NOW + 100 : 0};

        assert_ok(sdb_set(f.session, name, (size_t)sprintf(name, "key:%u", i), name, i % 30, &options));
    }
}

/* Until it says that it is done, which must not take long. Returns how many calls it took. */
static unsigned maintain(size_t effort)
{
    unsigned calls = 0;
    int done = 0;

    while (!done) {
        assert_ok(sdb_maintain(f.session, effort, &done));
        assert_true(++calls < 100000);
    }
    return calls;
}

static void expired_keys_are_deleted_and_others_stay(void **state)
{
    (void)state;
    fill(3000, 3);
    maintain(10000);
    assert_int_equal(fixture_count(&f), 3000);
    sdb_session_set_time(f.session, NOW + 100);
    maintain(77);
    assert_int_equal(fixture_count(&f), 2000);
    assert_int_equal(fixture_check(&f), 2000);
    assert_int_equal(fixture_stats(&f).expired_keys, 1000);
}

static void it_is_done_though_keys_will_expire_some_day(void **state)
{
    (void)state;
    assert_true(maintain(1000) <= 2);
    fill(100, 1);
    assert_true(maintain(SIZE_MAX) <= 3);
}

static void it_is_done_after_a_crash_though_nobody_counted(void **state)
{
    (void)state;
    fill(100, 200);
    fixture_crash(&f);
    assert_true(maintain(SIZE_MAX) <= 3);
}

static void a_little_effort_does_a_little_work(void **state)
{
    struct sdb_stats before;

    (void)state;
    fill(2000, 1);
    sdb_session_set_time(f.session, NOW + 100);
    before = fixture_stats(&f);
    assert_ok(sdb_maintain(f.session, 100, NULL));
    assert_in_range(fixture_stats(&f).expired_keys - before.expired_keys, 0, 100);
    assert_in_range(fixture_stats(&f).fences - before.fences, 0, 3);
    assert_ok(sdb_maintain(f.session, 0, NULL));
}

static void deletions_share_fences(void **state)
{
    struct sdb_stats before;

    (void)state;
    fill(1000, 1);
    sdb_session_set_time(f.session, NOW + 100);
    before = fixture_stats(&f);
    maintain(100000);
    assert_int_equal(fixture_stats(&f).expired_keys, 1000);
    assert_in_range(fixture_stats(&f).fences - before.fences, 1, 1000 / 20);
}

static void emptied_databases_are_reclaimed_over_crashes(void **state)
{
    (void)state;
    fill(3000, 10);
    assert_ok(sdb_flush(f.session));
    assert_ok(sdb_maintain(f.session, 1000, NULL));
    fixture_crash(&f);
    assert_ok(sdb_maintain(f.session, 1000, NULL));
    fixture_crash(&f);
    maintain(500);
    assert_int_equal(fixture_check(&f), 0);
    assert_int_equal(f.pool->file.superblock.shards, 4);
}

static void it_tells_how_much_was_given_back(void **state)
{
    struct sdb_slice element = {"an element", 10};
    uint64_t before;

    (void)state;
    fill(100, 200);
    maintain(1000);
    assert_int_equal(sdb_reclaimed(f.session), 0);
    for (unsigned i = 0; i < 3000; i++)
        assert_ok(sdb_list_push(f.session, "list", 4, SDB_LIST_TAIL, &element, 1, 0, NULL));
    assert_ok(sdb_delete(f.session, "list", 4));
    assert_int_equal(sdb_reclaimed(f.session), 0);
    assert_ok(sdb_maintain(f.session, 500, NULL));
    before = sdb_reclaimed(f.session);
    assert_in_range(before, 1, 2999);
    maintain(1000);
    assert_int_equal(sdb_reclaimed(f.session), 3000);
    assert_int_equal(fixture_stats(&f).reclaimed_elements, 3000);
    assert_ok(sdb_flush(f.session));
    maintain(1000);
    assert_int_equal(sdb_reclaimed(f.session), 3100);
}

static void in_a_transaction_it_is_refused(void **state)
{
    int done = 4711;

    (void)state;
    assert_ok(sdb_begin(f.session, NULL, 0));
    assert_int_equal(sdb_maintain(f.session, 100, &done), SDB_EINVAL);
    assert_int_equal(done, 4711);
    sdb_abort(f.session);
}

static void in_a_group_it_leaves_the_groups_writes(void **state)
{
    char name[32];

    (void)state;
    fill(1000, 2);
    sdb_session_set_time(f.session, NOW + 100);
    assert_ok(sdb_group_begin(f.session));
    for (unsigned i = 0; i < 1000; i += 2) /* anew, before the sweep meets them */
        assert_ok(sdb_set(f.session, name, (size_t)sprintf(name, "key:%u", i), "anew", 4, NULL));
    maintain(1000);
    assert_ok(sdb_group_end(f.session));
    assert_int_equal(fixture_count(&f), 1000);
    assert_true(fixture_has(&f, "key:10", "anew"));
}

static void a_full_pool_is_swept_by_the_write_that_needs_room(void **state)
{
    static char value[3000];
    struct sdb_set_options options = {.expire_ms = NOW + 100};
    unsigned keys = 0;
    char name[32];

    (void)state;
    while (sdb_set(f.session, name, (size_t)sprintf(name, "key:%u", keys), value, sizeof(value), &options) == SDB_OK)
        keys++;
    fixture_crash(&f); /* the pause after a search that found nothing belongs to the session */
    sdb_session_set_time(f.session, NOW + 100);
    for (unsigned i = 0; i < keys / 2; i++)
        assert_ok(sdb_set(f.session, name, (size_t)sprintf(name, "new:%u", i), value, sizeof(value), NULL));
}

/* Where the inline key of one entry stands. */
static uint64_t entry_of(const char *key)
{
    const uint8_t *base = f.pool->file.base + f.pool->file.superblock.heap_offset;
    const uint8_t *at = memmem(base, f.pool->file.size - f.pool->file.superblock.heap_offset, key, strlen(key));

    assert_non_null(at);
    return (uint64_t)(at - f.pool->file.base) & ~(uint64_t)(ENTRY_SIZE - 1);
}

static int no_visit(void *context, const struct sdb_scan_item *item)
{
    (void)context;
    (void)item;
    return 0;
}

/* The check bits of an entry are 16: they can be right by chance. Its codes then say that it holds more than it has room for. */
static void an_entry_that_says_it_is_larger_than_it_is_counts_as_damaged(void **state)
{
    struct sdb_set_options options = {.expire_ms = NOW + 100};
    uint64_t cursor = 0, words[4], old[4];
    int done;

    (void)state;
    fill(10, 2);
    assert_ok(sdb_set(f.session, "the victim", 10, NULL, 0, &options));
    uint64_t entry = entry_of("the victim");
    memcpy(old, f.pool->file.base + entry, sizeof(old));
    memcpy(words, old, sizeof(words));
    words[0] = (words[0] & ~((uint64_t)CODE_MASK << META_KEY_SHIFT)) | 29u << META_KEY_SHIFT;
    entry_seal(words, entry);
    memcpy(alias_of(f.pool->file.base + entry), words, sizeof(words));
    sdb_session_set_time(f.session, NOW + 200);
    assert_ok(sdb_maintain(f.session, 1 << 20, &done));
    assert_memory_equal(f.pool->file.base + entry, words, sizeof(words));
    assert_int_equal(sdb_scan(f.session, &cursor, 1 << 20, no_visit, NULL), SDB_ECORRUPT);
    memcpy(alias_of(f.pool->file.base + entry), old, sizeof(old));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(expired_keys_are_deleted_and_others_stay),
        TEST(it_is_done_though_keys_will_expire_some_day),
        TEST(it_is_done_after_a_crash_though_nobody_counted),
        TEST(a_little_effort_does_a_little_work),
        TEST(deletions_share_fences),
        TEST(emptied_databases_are_reclaimed_over_crashes),
        TEST(it_tells_how_much_was_given_back),
        TEST(in_a_transaction_it_is_refused),
        TEST(in_a_group_it_leaves_the_groups_writes),
        TEST(an_entry_that_says_it_is_larger_than_it_is_counts_as_damaged),
        TEST(a_full_pool_is_swept_by_the_write_that_needs_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
