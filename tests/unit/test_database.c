/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_database.c - sixteen databases: exact counts, emptying, exchanging
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sys/wait.h>

#include "engine_case.h"
#include "superblock.h"
#include "word.h"

static void fill(uint32_t database, unsigned keys, unsigned expiring)
{
    char name[64];

    assert_ok(sdb_select(f.session, database));
    for (unsigned i = 0; i < keys; i++) {
        struct sdb_set_options options = {.expire_ms = i < expiring ? NOW + 1000 : 0};

        assert_ok(sdb_set(f.session, name, (size_t)sprintf(name, "key:%u", i), name, i % 30, &options));
    }
}

static void assert_counts(uint32_t database, uint64_t keys, uint64_t expiring)
{
    uint64_t count;

    assert_ok(sdb_select(f.session, database));
    assert_int_equal(fixture_count(&f), keys);
    assert_ok(sdb_count_expiring(f.session, &count));
    assert_int_equal(count, expiring);
}

static void databases_do_not_see_each_others_keys(void **state)
{
    char text[8];

    (void)state;
    for (uint32_t d = 0; d < SDB_DATABASES; d++) {
        assert_ok(sdb_select(f.session, d));
        sprintf(text, "%u", d);
        assert_ok(fixture_set(&f, "k", text));
    }
    assert_ok(sdb_select(f.session, SDB_DATABASE_SYSTEM));
    assert_int_equal(sdb_exists(f.session, "k", 1), SDB_ENOTFOUND);
    assert_int_equal(sdb_select(f.session, SDB_DATABASE_SYSTEM + 1), SDB_EINVAL);
    assert_int_equal(sdb_select(f.session, UINT32_MAX), SDB_EINVAL);
    for (uint32_t d = 0; d < SDB_DATABASES; d++) {
        assert_ok(sdb_select(f.session, d));
        sprintf(text, "%u", d);
        assert_true(fixture_has(&f, "k", text));
        assert_int_equal(fixture_count(&f), 1);
    }
}

/* In the closed pool. */
static void write_word(uint64_t at, uint64_t word)
{
    const int fd = open(f.path, O_RDWR);

    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, &word, sizeof(word), (off_t)at), sizeof(word));
    assert_int_equal(close(fd), 0);
}

static uint64_t root_word(unsigned word)
{
    return f.pool->file.superblock.root_offset + word * sizeof(uint64_t);
}

static void expect_kept(void)
{
    assert_ok(sdb_select(f.session, SDB_DATABASE_SYSTEM));
    assert_true(fixture_has(&f, "kept", "for the server"));
    assert_ok(sdb_select(f.session, 3));
    assert_true(fixture_has(&f, "k", "v"));
}

/* Neither as a database's own number, nor as one whose keys are to be reclaimed. */
static void no_database_gets_the_system_databases_number(void **state)
{
    static const struct {
        unsigned word;
        uint64_t value;
    } wrong[] = {{3, 255 + 1}, {SDB_DATABASES + 7, 1u << 31}};
    struct sdb_repair result;

    (void)state;
    assert_ok(sdb_select(f.session, SDB_DATABASE_SYSTEM));
    assert_ok(fixture_set(&f, "kept", "for the server"));
    assert_ok(sdb_select(f.session, 3));
    assert_ok(fixture_set(&f, "k", "v"));
    for (unsigned i = 0; i < 2; i++) {
        const uint64_t at = root_word(wrong[i].word);
        struct sdb_pool *pool;

        fixture_close(&f);
        write_word(at, nonzero_word(wrong[i].value, at)); /* as only a mistake would have written it */
        assert_int_equal(sdb_open(f.path, &f.options, &pool), SDB_ECORRUPT);
        assert_ok(sdb_repair(f.path, 0, NULL, NULL, &result));
        assert_true(result.problems > 0);
        fixture_open(&f);
        expect_kept();
        (void)fixture_check(&f);
    }
}

static void put_in(uint32_t database, const char *value)
{
    assert_ok(sdb_select(f.session, database));
    assert_ok(fixture_set(&f, "k", value));
}

static void expect_in(uint32_t database, const char *value)
{
    assert_ok(sdb_select(f.session, database));
    assert_true(fixture_has(&f, "k", value));
}

/* Databases that were exchanged are not taken for themselves, and an emptied one's keys stay away. */
static void a_root_that_reads_as_zero_is_told(void **state)
{
    struct sdb_pool *pool;
    struct sdb_repair result;

    (void)state;
    put_in(2, "two");
    put_in(5, "five");
    put_in(7, "gone");
    assert_ok(sdb_swap_databases(f.session, 2, 5));
    assert_ok(sdb_select(f.session, 7));
    assert_ok(sdb_flush(f.session));
    put_in(7, "seven");
    for (unsigned word = 0; word < SDB_DATABASES + 8; word++) {
        const uint64_t at = root_word(word), was = *(const uint64_t *)(const void *)(f.pool->file.base + at);

        assert_true(was != 0);
        fixture_close(&f);
        write_word(at, 0);
        assert_int_equal(sdb_open(f.path, &f.options, &pool), SDB_ECORRUPT);
        write_word(at, was);
        fixture_open(&f);
    }
    const uint64_t lost = root_word(2);
    fixture_close(&f);
    write_word(lost, 0);
    assert_ok(sdb_repair(f.path, 0, NULL, NULL, &result));
    assert_true(result.problems > 0);
    fixture_open(&f);
    expect_in(2, "five");
    expect_in(5, "two");
    expect_in(7, "seven");
}

/* As a library made it that knew no such words: the first open for writing turns it over. */
static void a_root_of_zeros_is_good_until_it_was_turned_over(void **state)
{
    struct sdb_m_superblock sb;
    const uint64_t root = root_word(0);
    const int fd = open(f.path, O_RDWR);

    (void)state;
    put_in(3, "three");
    assert_true(f.pool->file.superblock.incompat & SB_INCOMPAT_ROOT);
    fixture_close(&f);
    assert_true(fd >= 0);
    for (unsigned copy = 0; copy < 2; copy++) {
        assert_int_equal(pread(fd, &sb, sizeof(sb), copy ? SB_COPY_OFFSET_B : SB_COPY_OFFSET_A), sizeof(sb));
        sb.incompat &= ~(uint64_t)SB_INCOMPAT_ROOT;
        superblock_seal(&sb);
        assert_int_equal(pwrite(fd, &sb, sizeof(sb), copy ? SB_COPY_OFFSET_B : SB_COPY_OFFSET_A), sizeof(sb));
    }
    assert_int_equal(close(fd), 0);
    for (unsigned word = 0; word < SDB_DATABASES + 8; word++)
        write_word(root + word * sizeof(uint64_t), 0);
    fixture_open(&f);
    expect_in(3, "three");
    assert_true(f.pool->file.superblock.incompat & SB_INCOMPAT_ROOT);
    assert_true(*(const uint64_t *)(const void *)(f.pool->file.base + root) != 0);
    (void)fixture_check(&f);
}

/* Records that were retired would count again. */
static void a_lane_whose_header_reads_as_zero_is_told(void **state)
{
    const uint64_t lane = f.pool->file.superblock.lanes_offset;
    struct sdb_pool *pool;
    struct sdb_repair result;

    (void)state;
    put_in(0, "zero");
    assert_true(*(const uint64_t *)(const void *)(f.pool->file.base + lane) != 0);
    fixture_close(&f);
    write_word(lane, 0);
    assert_int_equal(sdb_open(f.path, &f.options, &pool), SDB_ECORRUPT);
    assert_ok(sdb_repair(f.path, 0, NULL, NULL, &result));
    fixture_open(&f);
    expect_in(0, "zero");
}

static void counts_are_exact_after_a_clean_close_and_after_a_crash(void **state)
{
    (void)state;
    fill(0, 500, 100);
    fill(3, 70, 70);
    fixture_reopen(&f);
    assert_counts(0, 500, 100);
    fixture_crash(&f);
    assert_counts(3, 70, 70);
    assert_counts(0, 500, 100);
    assert_ok(sdb_select(f.session, 0));
    assert_ok(fixture_set(&f, "more", "1"));
    fixture_crash(&f);
    assert_ok(fixture_set(&f, "and more, before anybody counts", "1"));
    sdb_session_set_time(f.session, NOW);
    assert_ok(sdb_expire(f.session, "key:499", 7, NOW + 5));
    assert_counts(0, 502, 101);
    fixture_reopen(&f);
    assert_counts(0, 502, 101);
    assert_counts(3, 70, 70);
}

static void nobody_counts_again_behind_a_clean_close(void **state)
{
    (void)state;
    fill(0, 500, 100);
    fixture_reopen(&f);
    assert_true(f.pool->shards[0].counted && !f.pool->recovered);
    assert_counts(0, 500, 100);
    fixture_crash(&f);
    assert_false(f.pool->shards[0].counted);
    assert_counts(0, 500, 100);
}

static void counts_are_exact_after_a_close_that_nobody_counted_before(void **state)
{
    (void)state;
    fill(0, 500, 100);
    fixture_crash(&f);
    assert_ok(sdb_delete(f.session, "key:499", 7));
    fixture_reopen(&f);
    assert_counts(0, 499, 100);
}

static void a_process_that_ends_without_closing_loses_nothing(void **state)
{
    pid_t child;
    int status;

    (void)state;
    fixture_close(&f);
    child = fork();
    if (child == 0) {
        struct sdb_pool *pool;
        struct sdb_session *session;
        char name[64];

        if (sdb_open(f.path, NULL, &pool) != SDB_OK || sdb_session_open(pool, &session) != SDB_OK)
            _exit(1);
        for (unsigned i = 0; i < 5000; i++)
            if (sdb_set(session, name, (size_t)sprintf(name, "key:%u", i), name, i % 40, NULL) != SDB_OK)
                _exit(2);
        if (sdb_group_begin(session) != SDB_OK || sdb_set(session, "not acknowledged", 16, "1", 1, NULL) != SDB_OK)
            _exit(3);
        _exit(0);
    }
    assert_true(child > 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    fixture_open(&f);
    assert_true(f.pool->recovered);
    assert_true(fixture_has(&f, "not acknowledged", NULL));
    assert_counts(0, 5000, 0);
    assert_int_equal(fixture_check(&f), 5000);
}

static void counts_include_what_the_session_has_staged(void **state)
{
    struct sdb_session *other;
    uint64_t count;

    (void)state;
    fill(0, 10, 5);
    assert_ok(sdb_session_open(f.pool, &other));
    assert_ok(sdb_begin(f.session, NULL, 0));
    assert_ok(fixture_set(&f, "new", "1"));
    assert_ok(sdb_delete(f.session, "key:0", 5));
    assert_ok(sdb_delete(f.session, "key:1", 5));
    assert_counts(0, 9, 3);
    assert_ok(sdb_count(other, &count));
    assert_int_equal(count, 10);
    sdb_abort(f.session);
    assert_counts(0, 10, 5);
    sdb_session_close(other);
}

static void keys_that_expired_count_until_they_are_swept(void **state)
{
    int done = 0;

    (void)state;
    fill(0, 10, 5);
    sdb_session_set_time(f.session, NOW + 1000);
    assert_counts(0, 10, 5);
    while (!done)
        assert_ok(sdb_maintain(f.session, 10000, &done));
    assert_counts(0, 5, 0);
}

/* -- emptying -- */

static void emptying_is_at_once_and_leaves_the_others(void **state)
{
    (void)state;
    fill(0, 3000, 10);
    fill(1, 50, 0);
    assert_ok(sdb_select(f.session, 0));
    assert_ok(sdb_flush(f.session));
    assert_counts(0, 0, 0);
    assert_counts(1, 50, 0);
    assert_ok(sdb_select(f.session, 0));
    assert_true(fixture_has(&f, "key:5", NULL));
    assert_ok(fixture_set(&f, "key:5", "anew"));
    fixture_crash(&f);
    assert_true(fixture_has(&f, "key:5", "anew"));
    assert_counts(0, 1, 0);
    assert_counts(1, 50, 0);
}

static void emptying_all_empties_all(void **state)
{
    (void)state;
    for (uint32_t d = 0; d < SDB_DATABASES; d++)
        fill(d, 20 + d, d);
    assert_ok(sdb_flush_all(f.session));
    for (uint32_t d = 0; d < SDB_DATABASES; d++)
        assert_counts(d, 0, 0);
    fixture_crash(&f);
    for (uint32_t d = 0; d < SDB_DATABASES; d++)
        assert_counts(d, 0, 0);
}

static void an_emptied_databases_memory_comes_back(void **state)
{
    uint64_t used;
    int done = 0;

    (void)state;
    fill(0, 5000, 0);
    used = fixture_stats(&f).used;
    for (unsigned round = 0; round < 20; round++) {
        assert_ok(sdb_flush(f.session));
        if (round % 3 == 0)
            fixture_crash(&f);
        for (done = 0; !done;)
            assert_ok(sdb_maintain(f.session, 100000, &done));
        assert_int_equal(fixture_check(&f), 0);
        fill(0, 5000, 0);
        assert_true(fixture_stats(&f).used <= used + 2 * MIB);
    }
}

static void a_database_can_be_emptied_more_often_than_there_are_numbers(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 700; i++) { /* reclaims by itself when numbers run out */
        assert_ok(fixture_set(&f, "k", "1"));
        assert_ok(sdb_flush(f.session));
    }
    assert_counts(0, 0, 0);
}

static void emptying_in_a_transaction_is_undone_by_an_abort(void **state)
{
    (void)state;
    fill(0, 100, 10);
    assert_ok(sdb_begin_all(f.session));
    assert_ok(sdb_flush(f.session));
    assert_counts(0, 0, 0);
    assert_ok(fixture_set(&f, "k", "1"));
    sdb_abort(f.session);
    assert_counts(0, 100, 10);
    assert_ok(sdb_begin_all(f.session));
    assert_ok(sdb_flush_all(f.session));
    assert_ok(fixture_set(&f, "k", "1"));
    assert_ok(sdb_commit(f.session));
    assert_counts(0, 1, 0);
}

/* A number that is free again in a group's staged root must not be taken for that of an emptied database. */
static void emptying_and_maintaining_in_one_group_loses_no_new_key(void **state)
{
    char name[32];

    (void)state;
    for (unsigned round = 0; round < 300; round++) {
        assert_ok(sdb_group_begin(f.session));
        assert_ok(fixture_set(&f, "old", "1"));
        assert_ok(sdb_flush(f.session));
        for (unsigned i = 0; i < 3; i++)
            assert_ok(sdb_maintain(f.session, 100000, NULL));
        sprintf(name, "new:%u", round);
        assert_ok(fixture_set(&f, name, "1"));
        for (unsigned i = 0; i < 3; i++)
            assert_ok(sdb_maintain(f.session, 100000, NULL));
        assert_true(fixture_has(&f, name, "1"));
        assert_ok(sdb_group_end(f.session));
        assert_true(fixture_has(&f, name, "1"));
    }
}

/* -- exchanging -- */

static void exchanged_databases_have_each_others_keys_and_counts(void **state)
{
    uint64_t handle;
    char buffer[8];

    (void)state;
    fill(2, 30, 3);
    fill(5, 7, 1);
    assert_ok(sdb_handle(f.session, "key:1", 5, &handle));
    assert_ok(sdb_swap_databases(f.session, 2, 5));
    assert_counts(2, 7, 1);
    assert_counts(5, 30, 3);
    assert_ok(sdb_get_by_handle(f.session, handle, buffer, sizeof(buffer), NULL));
    fixture_crash(&f);
    assert_counts(2, 7, 1);
    assert_counts(5, 30, 3);
    assert_ok(sdb_swap_databases(f.session, 5, 5));
    assert_counts(5, 30, 3);
    assert_int_equal(sdb_swap_databases(f.session, 0, 16), SDB_EINVAL);
    assert_int_equal(sdb_swap_databases(f.session, 16, 0), SDB_EINVAL);
}

static void emptying_an_exchanged_database_empties_the_right_one(void **state)
{
    (void)state;
    fill(0, 30, 0);
    fill(1, 7, 0);
    assert_ok(sdb_swap_databases(f.session, 0, 1));
    assert_ok(sdb_select(f.session, 0));
    assert_ok(sdb_flush(f.session));
    assert_counts(0, 0, 0);
    assert_counts(1, 30, 0);
    fill(0, 9, 0);
    fixture_crash(&f);
    assert_counts(0, 9, 0);
    assert_counts(1, 30, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(databases_do_not_see_each_others_keys),
        TEST(no_database_gets_the_system_databases_number),
        TEST(a_root_that_reads_as_zero_is_told),
        TEST(a_root_of_zeros_is_good_until_it_was_turned_over),
        TEST(a_lane_whose_header_reads_as_zero_is_told),
        TEST(counts_are_exact_after_a_clean_close_and_after_a_crash),
        TEST(nobody_counts_again_behind_a_clean_close),
        TEST(counts_are_exact_after_a_close_that_nobody_counted_before),
        TEST(a_process_that_ends_without_closing_loses_nothing),
        TEST(counts_include_what_the_session_has_staged),
        TEST(keys_that_expired_count_until_they_are_swept),
        TEST(emptying_is_at_once_and_leaves_the_others),
        TEST(emptying_all_empties_all),
        TEST(an_emptied_databases_memory_comes_back),
        TEST(a_database_can_be_emptied_more_often_than_there_are_numbers),
        TEST(emptying_in_a_transaction_is_undone_by_an_abort),
        TEST(emptying_and_maintaining_in_one_group_loses_no_new_key),
        TEST(exchanged_databases_have_each_others_keys_and_counts),
        TEST(emptying_an_exchanged_database_empties_the_right_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
