/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_lane.c - redo records: which of them recovery applies, and which it never does
 *
 * The words that commits change lie in the pool's last extent. A crash is a copy of the mapping in which the words in place are as
 * they were before, for nothing in place is durable by itself.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine_fixture.h"
#include "entry.h"
#include "hash.h"
#include "lane_internal.h"
#include "word.h"

#define SIZE (16u << 20)
#define AREA (SIZE - EXTENT_SIZE)
#define BODY (SIZE - 2 * EXTENT_SIZE)

struct opened {
    struct pool_file file;
    struct lanes lanes;
};

static char path[80], copy_path[96];
static struct opened pool, copy;
static struct tx tx;

static int set_up(void **state)
{
    struct sdb_options options = SDB_OPTIONS_INIT;

    (void)state;
    snprintf(path, sizeof(path), "%s/superdb-lane-%d.sdb", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp",
             (int)getpid());
    snprintf(copy_path, sizeof(copy_path), "%s.copy", path);
    unlink(path);
    options.flags = SDB_CREATE;
    options.pool_size = options.pool_size_max = SIZE;
    options.durability = SDB_DURABILITY_PROCESS;
    memset(&pool, 0, sizeof(pool));
    assert_ok(pool_file_open(path, &options, &pool.file));
    assert_ok(lanes_recover(&pool.lanes, &pool.file));
    assert_ok(pool_file_mark_open(&pool.file));
    lanes_start(&pool.lanes);
    return tx_init(&tx, &pool.file);
}

static int tear_down(void **state)
{
    (void)state;
    tx_free(&tx);
    lanes_close(&pool.lanes);
    pool_file_close(&pool.file);
    return unlink(path);
}

static uint64_t *word_of(const struct opened *o, unsigned i)
{
    return alias_of(o->file.base + AREA + (uint64_t)i * 8);
}

static struct lane *lane(void)
{
    return &pool.lanes.lanes[0];
}

/* Commits what is staged; without `apply` the words in place stay as they are, as a crash at once would leave them. */
static void commit(uint64_t body, bool apply)
{
    assert_ok(lane_persist(&pool.lanes, lane(), &tx, body));
    if (apply)
        lane_apply(&pool.lanes, lane(), &tx);
    tx_reset(&tx);
}

static void commit_word(unsigned i, uint64_t value)
{
    tx_store(&tx, AREA + (uint64_t)i * 8, value);
    commit(0, false);
}

/* Opens what a crash at this moment leaves. */
static int crash(void)
{
    int fd = open(copy_path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    int error;

    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, SIZE), 0);
    for (uint64_t at = 0; at < SIZE; at += 4096) {
        static const uint8_t zeros[4096];

        if (memcmp(pool.file.base + at, zeros, 4096) != 0)
            assert_int_equal(pwrite(fd, pool.file.base + at, 4096, (off_t)at), 4096);
    }
    close(fd);
    memset(&copy, 0, sizeof(copy));
    assert_ok(pool_file_open(copy_path, NULL, &copy.file));
    assert_int_equal(copy.file.was_clean, 0);
    error = lanes_recover(&copy.lanes, &copy.file);
    return error;
}

static void crash_end(void)
{
    lanes_close(&copy.lanes);
    pool_file_close(&copy.file);
    assert_int_equal(unlink(copy_path), 0);
}

/* What recovery makes of the words 1 to n: a string of 0 (not applied) and 1. */
static void assert_recovers(const char *expected)
{
    char found[32] = "";

    assert_ok(crash());
    for (unsigned i = 0; expected[i]; i++)
        found[i] = *word_of(&copy, i + 1) ? '1' : '0';
    assert_string_equal(found, expected);
    crash_end();
}

static uint64_t *newest_record(uint64_t size_in_words)
{
    uint64_t size = ((size_in_words + 2) * 8 + 63) & ~63ull;

    return alias_of(pool.file.base + lane()->offset + LINE_SIZE + lane()->head - size);
}

static void recovery_applies_the_two_newest_records(void **state)
{
    (void)state;
    assert_recovers("0000");
    commit_word(1, 1);
    assert_recovers("1000");
    commit_word(2, 1);
    assert_recovers("1100");
    commit_word(3, 1);
    commit_word(4, 1);
    assert_recovers("0011"); /* older ones are durable in place, and never needed */
}

static void the_newer_record_wins(void **state)
{
    (void)state;
    commit_word(1, 7);
    commit_word(1, 8);
    assert_ok(crash());
    assert_int_equal(*word_of(&copy, 1), 8);
    assert_int_equal(copy.lanes.recovered, 2);
    crash_end();
}

static void a_record_that_is_torn_anywhere_was_never_acknowledged(void **state)
{
    uint64_t *record;

    (void)state;
    for (unsigned i = 1; i <= 3; i++)
        commit_word(i, 1);
    record = newest_record(2);
    for (unsigned word = 0; word < 4; word++)
        for (unsigned byte = 0; byte < 8; byte += 3) {
            uint64_t damage = 0x81ull << (8 * byte);

            if (word == 0 && byte == 6)
                continue; /* the same, as the highest bits of the sequence */
            record[word] ^= damage;
            assert_recovers("110");
            record[word] ^= damage;
        }
    assert_recovers("011");
}

static void a_record_counts_only_if_its_fresh_range_is_whole(void **state)
{
    static const uint64_t places[] = {0, 8, 56, 64, 1000, 1999};

    (void)state;
    commit_word(1, 1);
    for (unsigned blob = 0; blob < 2; blob++) {
        uint8_t *range = alias_of(pool.file.base + BODY + blob * 4096ull);

        memset(range, 'r', 2000);
        if (blob) {
            struct sdb_m_blob header = {.size = 1992};

            header.checksum = entry_blob_checksum(BODY + 4096, range + 8, 1992);
            memcpy(range, &header, sizeof(header));
        }
        tx_store(&tx, AREA + (2 + blob) * 8ull, 1);
        tx_add_range(&tx, BODY + blob * 4096ull, 2000, !blob);
        commit(0, false);
        assert_recovers(blob ? "011" : "110");
        for (size_t i = 0; i < 6; i++) {
            range[places[i]] ^= 4;
            assert_recovers(blob ? "110" : "100");
            range[places[i]] ^= 4;
        }
    }
}

static void a_predecessors_ranges_are_not_looked_at(void **state)
{
    (void)state;
    memset(alias_of(pool.file.base + BODY), 'r', 2000);
    tx_store(&tx, AREA + 8, 1);
    tx_add_range(&tx, BODY, 2000, true);
    commit(0, false);
    commit_word(2, 1);
    memset(alias_of(pool.file.base + BODY), 's', 2000); /* later commits may have changed it */
    assert_recovers("11");
}

static void a_record_with_a_body_is_applied_if_the_body_is_whole(void **state)
{
    uint8_t *body = alias_of(pool.file.base + BODY);
    uint64_t words;

    (void)state;
    commit_word(1, 1);
    for (unsigned i = 0; i < 20000; i++)
        tx_store(&tx, AREA + 64 + i * 24ull, i + 1);
    tx_store(&tx, AREA + 16, 1);
    words = lane_record_words(&tx);
    assert_true(words > lane_record_words_max(&pool.lanes));
    commit(BODY, false);
    assert_ok(crash());
    for (unsigned i = 0; i < 20000; i++)
        assert_int_equal(*word_of(&copy, 8 + i * 3), i + 1);
    crash_end();
    for (uint64_t at = 0; at < words * 8; at += words * 8 / 13 + 1) {
        body[at] ^= 1;
        assert_recovers("10");
        body[at] ^= 1;
    }
    commit_word(3, 1);
    assert_recovers("011");
    body[0] ^= 1; /* the predecessor's body is kept until it is dead: its damage is damage */
    assert_int_equal(crash(), SDB_ECORRUPT);
    assert_non_null(strstr(sdb_last_error(), "body"));
    crash_end();
}

static void retired_records_are_never_applied(void **state)
{
    (void)state;
    commit_word(1, 1);
    commit_word(2, 1);
    assert_true(lane_is_live(lane(), 1) && lane_is_live(lane(), 2));
    assert_ok(lanes_retire(&pool.lanes, 0));
    assert_false(lane_is_live(lane(), 2));
    assert_recovers("00");
    commit_word(3, 1);
    assert_recovers("001");
}

static void a_record_lives_until_the_fence_after_the_next(void **state)
{
    (void)state;
    commit_word(1, 1);
    assert_true(lane_is_live(lane(), 1));
    commit_word(2, 1);
    assert_true(lane_is_live(lane(), 1));
    commit_word(3, 1);
    assert_false(lane_is_live(lane(), 1));
    assert_true(lane_is_live(lane(), 2));
}

static void a_fence_that_failed_ends_no_records_life(void **state)
{
    const uint32_t failed = 1;

    (void)state;
    commit_word(1, 1);
    commit_word(2, 1);
    tx_store(&tx, AREA + 3 * 8, 1);
    pool.file.persist.media_failed = &failed;
    assert_int_equal(lane_persist(&pool.lanes, lane(), &tx, 0), SDB_EIO);
    assert_true(lane_is_live(lane(), 1) && lane_is_live(lane(), 2));
    tx_reset(&tx);
}

static void records_of_an_earlier_opening_are_void(void **state)
{
    (void)state;
    commit_word(1, 1);
    commit_word(2, 1);
    lanes_close(&pool.lanes);
    assert_ok(lanes_recover(&pool.lanes, &pool.file)); /* as a second opening does */
    assert_ok(pool_file_mark_open(&pool.file));
    lanes_start(&pool.lanes);
    *word_of(&pool, 1) = 0;
    *word_of(&pool, 2) = 0;
    assert_recovers("00");
    commit_word(3, 1);
    assert_recovers("001");
}

static void what_one_recovery_rejected_no_later_one_applies(void **state)
{
    uint64_t *record;

    (void)state;
    commit_word(1, 1);
    commit_word(2, 1);
    record = newest_record(2);
    record[3] ^= 1;
    lanes_close(&pool.lanes);
    pool.file.was_clean = 0;
    assert_ok(lanes_recover(&pool.lanes, &pool.file));
    assert_int_equal(*word_of(&pool, 2), 0);
    assert_ok(pool_file_mark_open(&pool.file));
    lanes_start(&pool.lanes);
    record[3] ^= 1; /* the line that was missing reaches the medium after all */
    assert_recovers("10");
    commit_word(3, 1);
    assert_recovers("101");
}

static void the_ring_wraps_and_keeps_the_two_newest(void **state)
{
    uint64_t random = 88172645463325252ull, wraps = 0, head = 0;

    (void)state;
    for (unsigned i = 1; i <= 4000; i++) {
        unsigned words;

        random = random * 6364136223846793005ull + 1442695040888963407ull;
        words = 1 + (unsigned)(random >> 33) % (i % 50 ? 30 : 700);
        for (unsigned w = 0; w < words; w++)
            tx_store(&tx, AREA + 4096 + w * 8ull, i);
        tx_store(&tx, AREA + (i % 2) * 8ull, i);
        commit(0, false);
        wraps += lane()->head < head;
        head = lane()->head;
        assert_true(head <= lane()->ring_size);
        if (i % 160 == 0) {
            assert_ok(crash());
            assert_int_equal(copy.lanes.recovered, 2);
            assert_int_equal(*word_of(&copy, i % 2), i);
            assert_int_equal(*word_of(&copy, (i - 1) % 2), i - 1);
            crash_end();
        }
    }
    assert_true(wraps > 10);
}

static void lanes_recover_independently(void **state)
{
    (void)state;
    for (uint32_t l = 0; l < pool.lanes.count; l++)
        for (unsigned i = 0; i < 3; i++) {
            tx_store(&tx, AREA + (1 + l * 3 + i) * 8ull, 1);
            assert_ok(lane_persist(&pool.lanes, &pool.lanes.lanes[l], &tx, 0));
            tx_reset(&tx);
        }
    assert_recovers("011011011011");
}

static void nothing_is_recovered_after_a_clean_close(void **state)
{
    (void)state;
    commit_word(1, 1);
    assert_ok(lanes_drain(&pool.lanes));
    assert_ok(pool_file_mark_clean(&pool.file));
    lanes_close(&pool.lanes);
    pool_file_close(&pool.file);
    assert_ok(pool_file_open(path, NULL, &pool.file));
    assert_int_equal(pool.file.was_clean, 1);
    assert_ok(lanes_recover(&pool.lanes, &pool.file));
    assert_int_equal(pool.lanes.recovered, 0);
    assert_int_equal(*word_of(&pool, 1), 0);
    assert_ok(pool_file_mark_open(&pool.file));
}

/* A record whose checksum is right and whose items are not. */
static void forge(const uint64_t *items, size_t words)
{
    uint64_t *record = alias_of(pool.file.base + lane()->offset + LINE_SIZE);

    memset(record, 0, 4096);
    memcpy(record + 2, items, words * 8);
    record[0] = 77ull << 16 | words;
    record[1] = hash_key(lane()->seed ^ record[0], items, words * 8);
}

static void records_that_lead_outside_the_pool_are_refused(void **state)
{
    const uint64_t lines[][3] = {
        {(uint64_t)SIZE / 64 << 16 | 1 << 8 | RECORD_LINE, 7, 0},
        {0xffffffffffffull << 16 | 1 << 8 | RECORD_LINE, 7, 0},
        {AREA / 64ull << 16 | 0xff << 8 | RECORD_LINE, 7, 0},
    };

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        forge(lines[i], 2);
        assert_int_equal(crash(), SDB_ECORRUPT);
        assert_non_null(strstr(sdb_last_error(), "outside"));
        crash_end();
    }
}

static void forged_items_of_any_kind_do_no_harm(void **state)
{
    uint64_t random = 1;

    (void)state;
    for (unsigned round = 0; round < 400; round++) {
        uint64_t items[40];
        unsigned words = round % 40;
        int error;

        for (unsigned i = 0; i < words; i++) {
            random = random * 6364136223846793005ull + 1442695040888963407ull;
            items[i] = random >> random % 50;
            if (i % 2 == 0) /* lines may lie in the area only: the rest of the pool is not to be tested */
                items[i] =
                    round % 3 ? random >> 20 << 16 | (random & 0xff00) | round % 7 : (AREA / 64ull << 16 | 0x100);
            if ((items[i] & 0xff) == RECORD_LINE)
                items[i] = items[i] | (uint64_t)AREA / 64 << 16;
        }
        forge(items, words);
        error = crash();
        assert_true(error == SDB_OK || error == SDB_ECORRUPT);
        crash_end();
    }
}

static void a_damaged_header_is_named(void **state)
{
    (void)state;
    *(uint64_t *)alias_of(pool.file.base + lane()->offset) ^= 1;
    assert_int_equal(crash(), SDB_ECORRUPT);
    assert_non_null(strstr(sdb_last_error(), "lane 0"));
    crash_end();
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(recovery_applies_the_two_newest_records),
        TEST(the_newer_record_wins),
        TEST(a_record_that_is_torn_anywhere_was_never_acknowledged),
        TEST(a_record_counts_only_if_its_fresh_range_is_whole),
        TEST(a_predecessors_ranges_are_not_looked_at),
        TEST(a_record_with_a_body_is_applied_if_the_body_is_whole),
        TEST(retired_records_are_never_applied),
        TEST(a_record_lives_until_the_fence_after_the_next),
        TEST(a_fence_that_failed_ends_no_records_life),
        TEST(records_of_an_earlier_opening_are_void),
        TEST(what_one_recovery_rejected_no_later_one_applies),
        TEST(the_ring_wraps_and_keeps_the_two_newest),
        TEST(lanes_recover_independently),
        TEST(nothing_is_recovered_after_a_clean_close),
        TEST(records_that_lead_outside_the_pool_are_refused),
        TEST(forged_items_of_any_kind_do_no_harm),
        TEST(a_damaged_header_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
