/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_index.c - the index against a model: growing through small and large segments, splits and doubled directories
 *
 * ctest-timeout: 600
 * Keys are eight bytes; what is wanted is in the entry's integer. One shard, so that a million keys make a deep directory.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine_fixture.h"
#include "entry.h"
#include "index_internal.h"
#include "index_probe.h"
#include "word.h"

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define MANY 200000u
#else
#define MANY 1000000u
#endif

static struct fixture f;
static struct tx tx;
static uint64_t splits;

static int set_up(void **state)
{
    (void)state;
    fixture_create(&f, 256 * MIB, 0, 1);
    splits = 0;
    return tx_init(&tx, &f.pool->file);
}

static void commit(void)
{
    struct lane *lane = &f.pool->lanes.lanes[0];

    assert_false(tx.failed);
    if (!tx_is_empty(&tx)) {
        assert_true(lane_record_words(&tx) <= lane_record_words_max(&f.pool->lanes));
        assert_ok(lane_persist(&f.pool->lanes, lane, &tx, 0));
        lane_apply(&f.pool->lanes, lane, &tx);
        heap_committed(&f.pool->heap, &tx, 0, lane->sequence);
    }
    tx_reset(&tx);
    if (tx.pool_locked) {
        tx.pool_locked = false;
        lock_release(&f.pool->heap.pool_lock);
    }
}

static void roll_back(void)
{
    struct tx_mark mark = {0};

    heap_rollback(&f.pool->heap, &tx, 0);
    tx_rollback(&tx, &mark);
    commit();
}

static int tear_down(void **state)
{
    (void)state;
    commit();
    tx_free(&tx);
    for (unsigned d = 0; d < DATABASE_IDS; d++) /* these keys went past the counts */
        f.pool->shards[0].keys[d] = 0;
    fixture_destroy(&f);
    return 0;
}

static void reopen(void)
{
    tx_free(&tx);
    fixture_crash(&f);
    assert_ok(tx_init(&tx, &f.pool->file));
}

static void key_init(uint64_t number, struct index_key *key)
{
    static uint64_t data;

    data = number;
    index_key_init(key, &f.pool->file, 0, &data, sizeof(data));
}

static int insert(uint64_t number, uint64_t value)
{
    struct entry_content content = {.integer = (int64_t)value, .type = SDB_TYPE_STRING, .key = &number, .key_size = 8};
    struct index_key key;
    uint64_t entry, words[4];

    key_init(number, &key);
    assert_ok(heap_alloc_entry(&f.pool->heap, &tx, 0, &entry));
    assert_ok(
        entry_build(&f.pool->heap, &tx, 0, &content, tx_load(&tx, entry) & 0xffffull << META_GENERATION_SHIFT, words));
    entry_seal(words, entry);
    tx_store_entry(&tx, entry, words);
    return index_insert(&f.pool->heap, &tx, &key, entry, &splits);
}

/* Whether the key is there with this value: as staged, or as a reader without a lock sees it. */
static bool finds(uint64_t number, uint64_t value, bool staged)
{
    struct index_found found;
    struct index_key key;
    enum index_result result;

    key_init(number, &key);
    result = staged ? index_find_staged(&f.pool->heap, &tx, &key, &found) : index_find(&f.pool->heap, &key, &found);
    assert_true(result != INDEX_DAMAGED);
    return result == INDEX_FOUND && found.words[2] == value && found.word % 8 == 0;
}

/* Keys from..from+count are found at once as they are one by one; what is missing is left aside. Returns how many were found. */
static unsigned finds_many(uint64_t from, unsigned count)
{
    static struct index_probe probes[INDEX_PROBES];
    static uint64_t numbers[INDEX_PROBES];
    unsigned n = 0;

    for (unsigned i = 0; i < count; i++) {
        numbers[i] = from + i;
        index_key_init(&probes[i].key, &f.pool->file, 0, &numbers[i], sizeof(numbers[i]));
        probes[i].state = INDEX_PROBE_OPEN;
    }
    index_find_many(&f.pool->heap, probes, count);
    for (unsigned i = 0; i < count; i++) {
        struct index_found found;
        enum index_result result = index_find(&f.pool->heap, &probes[i].key, &found);

        assert_true(probes[i].state == INDEX_PROBE_FOUND || probes[i].state == INDEX_PROBE_ASIDE);
        if (probes[i].state == INDEX_PROBE_ASIDE)
            continue;
        assert_int_equal(result, INDEX_FOUND);
        assert_int_equal(probes[i].found.entry, found.entry);
        assert_memory_equal(probes[i].found.words, found.words, sizeof(found.words));
        n++;
    }
    return n;
}

static void remove_key(uint64_t number)
{
    struct index_found found;
    struct index_key key;
    uint64_t free_words[4] = {0};

    key_init(number, &key);
    assert_int_equal(index_find_staged(&f.pool->heap, &tx, &key, &found), INDEX_FOUND);
    index_remove(&tx, found.word);
    free_words[0] = (uint64_t)(uint16_t)(meta_generation(found.words[0]) + 1) << META_GENERATION_SHIFT;
    entry_seal(free_words, found.entry);
    tx_store_entry(&tx, found.entry, free_words);
    heap_free_entry(&tx, 0, found.entry);
}

static void an_empty_index_finds_nothing(void **state)
{
    (void)state;
    assert_false(finds(1, 1, true));
    assert_false(finds(1, 1, false));
}

static void staged_keys_are_found_before_the_commit_by_their_session_only(void **state)
{
    (void)state;
    assert_ok(insert(1, 10));
    assert_true(finds(1, 10, true));
    assert_false(finds(1, 10, false));
    commit();
    assert_true(finds(1, 10, false));
    remove_key(1);
    assert_false(finds(1, 10, true));
    assert_true(finds(1, 10, false));
    commit();
    assert_false(finds(1, 10, false));
}

static void a_rolled_back_split_leaves_the_index_as_it_was(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 900; i++) {
        assert_ok(insert(i, i));
        if (i % 50 == 49)
            commit();
    }
    commit();
    for (unsigned round = 0; round < 5; round++) {
        uint64_t before = splits;

        for (unsigned i = 1000; splits < before + 3; i++) /* to large, to two, with the directory doubled */
            assert_ok(insert(i, i));
        roll_back();
        for (unsigned i = 0; i < 900; i++)
            assert_true(finds(i, i, true) && finds(i, i, false));
        assert_false(finds(1000, 1000, true));
    }
    (void)fixture_check(&f);
}

static void a_million_keys_are_found_at_each_stage_of_growth(void **state)
{
    uint64_t next_look = 100;

    (void)state;
    for (uint64_t i = 0; i < MANY; i++) {
        assert_ok(insert(i, ~i));
        if (i % 32 == 31 || tx.ranges.count > 2)
            commit();
        if (i == next_look) {
            next_look = next_look * 3 / 2;
            commit();
            for (unsigned n = 0; n < 2000; n++) {
                uint64_t k = fixture_random(&f, i);

                assert_true(finds(k, ~k, false));
                assert_false(finds(k + MANY, 0, false));
            }
        }
    }
    commit();
    assert_true(splits > MANY / 1000);
    reopen();
    for (uint64_t i = 0; i < MANY; i++)
        if (!finds(i, ~i, false))
            fail_msg("%llu", (unsigned long long)i);
    assert_int_equal(fixture_check(&f), MANY);
}

static void segments_are_well_filled(void **state)
{
    struct sdb_stats stats;

    (void)state;
    for (uint64_t i = 0; i < 100000; i++) {
        assert_ok(insert(i, i));
        if (i % 32 == 31 || tx.ranges.count > 2)
            commit();
    }
    commit();
    stats = fixture_stats(&f);
    if (stats.index_bytes > 100000 * 8 * 100 / 60)
        fail_msg("%llu bytes of index for 100,000 keys", (unsigned long long)stats.index_bytes);
}

static void random_insertions_and_removals_agree_with_a_model(void **state)
{
    enum { N = 20000 };
    static uint64_t model[N]; /* value + 1; 0: absent */

    (void)state;
    memset(model, 0, sizeof(model));
    for (unsigned round = 0; round < 150000; round++) {
        uint64_t k = fixture_random(&f, round < 75000 ? N : N / 4);

        if (model[k]) {
            assert_true(finds(k, model[k] - 1, true));
            remove_key(k);
            model[k] = 0;
        } else {
            assert_false(finds(k, 0, true));
            assert_ok(insert(k, round));
            model[k] = round + 1;
        }
        if (fixture_random(&f, 20) == 0 || tx.ranges.count > 2)
            commit();
        if (round % 50000 == 49999) {
            commit();
            reopen();
        }
    }
    commit();
    for (uint64_t k = 0; k < N; k++)
        assert_true(model[k] ? finds(k, model[k] - 1, false) : !finds(k, 0, false));
}

/* Sixteen keys whose hash is said to be the same fill two buckets; each is told from the others by its bytes. */
static void keys_of_one_hash_are_told_apart(void **state)
{
    struct index_key key;
    struct index_found found;
    uint64_t numbers[16], entries[16], hash = 0x123456789abcdef0ull;

    (void)state;
    while (index_other_bucket(index_bucket(hash, SEGMENT_BUCKETS_SMALL), index_tag(hash), SEGMENT_BUCKETS_SMALL) ==
           index_bucket(hash, SEGMENT_BUCKETS_SMALL))
        hash++; /* of the few whose two buckets are one */
    for (uint64_t i = 0; i < 16; i++) {
        struct entry_content content = {.integer = (int64_t)i, .type = SDB_TYPE_STRING, .key = &i, .key_size = 8};
        uint64_t words[4];

        numbers[i] = i;
        assert_ok(heap_alloc_entry(&f.pool->heap, &tx, 0, &entries[i]));
        assert_ok(entry_build(&f.pool->heap, &tx, 0, &content, 0, words));
        entry_seal(words, entries[i]);
        tx_store_entry(&tx, entries[i], words);
        index_key_init(&key, &f.pool->file, 0, &numbers[i], 8);
        key.hash = hash;
        assert_ok(index_insert(&f.pool->heap, &tx, &key, entries[i], &splits));
    }
    assert_int_equal(splits, 0);
    for (unsigned i = 0; i < 16; i++) {
        index_key_init(&key, &f.pool->file, 0, &numbers[i], 8);
        key.hash = hash;
        assert_int_equal(index_find_staged(&f.pool->heap, &tx, &key, &found), INDEX_FOUND);
        assert_int_equal(found.entry, entries[i]);
        index_remove(&tx, found.word);
        assert_int_equal(index_find_staged(&f.pool->heap, &tx, &key, &found), INDEX_MISSING);
    }
    roll_back();
}

static void the_other_bucket_of_the_other_bucket_is_the_first(void **state)
{
    static const uint32_t counts[] = {SEGMENT_BUCKETS_SMALL, SEGMENT_BUCKETS_LARGE};

    (void)state;
    for (unsigned c = 0; c < 2; c++)
        for (uint32_t tag = 0; tag < 65536; tag += c ? 1 : 3)
            for (uint32_t bucket = tag % 7; bucket < counts[c]; bucket += 7) {
                uint32_t other = index_other_bucket(bucket, (uint16_t)tag, counts[c]);

                assert_true(other < counts[c]);
                assert_int_equal(index_other_bucket(other, (uint16_t)tag, counts[c]), bucket);
            }
}

static void a_damaged_index_word_is_told_and_no_key_is_missed_silently(void **state)
{
    struct index_found found;
    struct index_key key;
    uint64_t *word;

    (void)state;
    for (unsigned i = 0; i < 500; i++) {
        assert_ok(insert(i, i));
        if (i % 50 == 49)
            commit();
    }
    for (uint64_t i = 0; i < 500; i += 7) {
        key_init(i, &key);
        assert_int_equal(index_find(&f.pool->heap, &key, &found), INDEX_FOUND);
        word = alias_of(f.pool->file.base + found.word);
        for (unsigned byte = 0; byte < 8; byte++) {
            *word ^= 0x21ull << (8 * byte);
            assert_int_equal(index_find(&f.pool->heap, &key, &found), INDEX_DAMAGED);
            assert_int_equal(index_find_staged(&f.pool->heap, &tx, &key, &found), INDEX_DAMAGED);
            *word ^= 0x21ull << (8 * byte);
        }
    }
}

static void damage_to_header_or_directory_is_told(void **state)
{
    uint64_t at = index_shard_offset(&f.pool->file, 0), value;
    struct index_found found;
    struct index_key key;
    uint64_t *words[2];

    (void)state;
    assert_ok(insert(1, 1));
    commit();
    words[0] = alias_of(f.pool->file.base + at);
    assert_true(checked_value(*words[0], at, &value));
    words[1] = alias_of(f.pool->file.base + root_value_directory(value));
    for (unsigned w = 0; w < 2; w++)
        for (unsigned byte = 0; byte < 8; byte++) {
            *words[w] ^= 0x11ull << (8 * byte);
            key_init(1, &key);
            assert_int_equal(index_find(&f.pool->heap, &key, &found), INDEX_DAMAGED);
            assert_int_equal(insert(2, 2), SDB_ECORRUPT);
            roll_back();
            *words[w] ^= 0x11ull << (8 * byte);
        }
    assert_true(finds(1, 1, false));
}

static void many_keys_are_found_at_once_as_one_by_one(void **state)
{
    unsigned found = 0;

    (void)state;
    for (uint64_t i = 0; i < 20000; i++) {
        assert_ok(insert(i, i * 3));
        if (i % 16 == 15)
            commit();
    }
    commit();
    for (uint64_t from = 0; from < 20000; from += INDEX_PROBES)
        found += finds_many(from, INDEX_PROBES);
    assert_true(found > 20000 - 20); /* two keys of one bucket may share their tag: then it asks index_find */
    assert_int_equal(finds_many(1000000, INDEX_PROBES), 0);
    assert_int_equal(finds_many(0, 0), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(an_empty_index_finds_nothing),
        TEST(staged_keys_are_found_before_the_commit_by_their_session_only),
        TEST(a_rolled_back_split_leaves_the_index_as_it_was),
        TEST(a_million_keys_are_found_at_each_stage_of_growth),
        TEST(segments_are_well_filled),
        TEST(many_keys_are_found_at_once_as_one_by_one),
        TEST(random_insertions_and_removals_agree_with_a_model),
        TEST(keys_of_one_hash_are_told_apart),
        TEST(the_other_bucket_of_the_other_bucket_is_the_first),
        TEST(a_damaged_index_word_is_told_and_no_key_is_missed_silently),
        TEST(damage_to_header_or_directory_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
