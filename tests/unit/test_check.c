/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_check.c - a sound pool passes the checker, and every kind of damage is found where it is
 *
 * One pool is made with every kind of entry and block in it, and closed. Each test then changes bytes of the file
 * under the checker's mapping, looks at what is reported, and puts them back.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "check.h"
#include "entry.h"
#include "hash.h"
#include "heap_internal.h"
#include "index_internal.h"
#include "superblock.h"
#include "superdb/superdb.h"

#define POOL_SIZE (32u << 20)
#define KEYS 3000u

static char path[] = "/tmp/superdb-test-check-XXXXXX";
static int raw = -1; /* the file, for changing it */
static struct pool_file pool;

/* ---- The pool ---- */

static void set(struct sdb_session *session, const void *key, size_t key_size, const void *value, size_t value_size,
                int64_t expire_ms)
{
    const struct sdb_set_options options = {.expire_ms = expire_ms};

    assert_int_equal(sdb_set(session, key, key_size, value, value_size, &options), SDB_OK);
}

static void fill(struct sdb_session *session)
{
    static char value[5u << 19];
    static char key[40000];
    static const size_t sizes[] = {17, 100, 1000, 5000, 16384, 40000, 200000, 1900000, sizeof(value)};

    for (size_t i = 0; i < sizeof(value); i++)
        value[i] = (char)('a' + i % 23);
    memset(key, 'k', sizeof(key));
    assert_int_equal(sdb_select(session, 0), SDB_OK);
    for (unsigned i = 0; i < KEYS; i++) {
        const int size = snprintf(key, sizeof(key), "key:%u", i);
        set(session, key, (size_t)size, value, i % 17, i % 5 == 0 ? INT64_C(4000000000000) : 0);
    }
    for (unsigned i = 0; i < KEYS; i += 3) {
        const int size = snprintf(key, sizeof(key), "key:%u", i);
        assert_int_equal(sdb_delete(session, key, (size_t)size), SDB_OK);
    }
    for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        const int size = snprintf(key, sizeof(key), "large:%u", i);
        set(session, key, (size_t)size, value, sizes[i], 0);
    }
    memset(key, 'k', sizeof(key));
    set(session, key, 30, "12345", 5, 0);
    set(session, key, 300, value, 300, 0);
    set(session, key, 40000, "", 0, 0);
    assert_int_equal(sdb_select(session, 3), SDB_OK);
    set(session, "elsewhere", 9, "-7", 2, 0);
}

static int set_up(void **state)
{
    struct sdb_options options = SDB_OPTIONS_INIT;
    struct sdb_pool *made;
    struct sdb_session *session;

    (void)state;
    raw = mkstemp(path);
    if (raw < 0)
        return -1;
    options.pool_size = POOL_SIZE;
    options.shards = 2;
    options.flags = SDB_CREATE;
    options.durability = SDB_DURABILITY_PROCESS;
    if (sdb_open(path, &options, &made) != SDB_OK || sdb_session_open(made, &session) != SDB_OK)
        return -1;
    fill(session);
    sdb_session_close(session);
    if (sdb_close(made) != SDB_OK)
        return -1;
    options.flags = SDB_READONLY;
    options.durability = SDB_DURABILITY_AUTO;
    return pool_file_open(path, &options, &pool);
}

static int tear_down(void **state)
{
    (void)state;
    pool_file_close(&pool);
    (void)close(raw);
    return unlink(path);
}

/* ---- Changing it, and looking ---- */

struct report {
    uint64_t problems;
    uint64_t offset; /* of the problem whose words contain `wanted` */
    const char *wanted;
    bool found;
    char what[256]; /* of the first one */
};

static void note(void *context, uint64_t offset, const char *what)
{
    struct report *report = context;

    if (report->problems++ == 0)
        (void)snprintf(report->what, sizeof(report->what), "%s", what);
    if (report->wanted != NULL && !report->found && strstr(what, report->wanted) != NULL) {
        report->found = true;
        report->offset = offset;
    }
    assert_true(strlen(what) > 0);
}

static struct report check(const char *wanted)
{
    struct report report = {.wanted = wanted};
    struct sdb_check result;

    const int error = check_pool(&pool, note, &report, &result);
    assert_int_equal(error, report.problems > 0 ? SDB_ECORRUPT : SDB_OK);
    assert_int_equal(result.problems, report.problems);
    return report;
}

static void write_raw(uint64_t offset, const void *bytes, size_t size)
{
    assert_int_equal(pwrite(raw, bytes, size, (off_t)offset), (ssize_t)size);
}

static uint64_t load(uint64_t offset)
{
    uint64_t word;

    memcpy(&word, pool.base + offset, sizeof(word));
    return word;
}

static void store(uint64_t offset, uint64_t word)
{
    write_raw(offset, &word, sizeof(word));
}

/* Changes one word, expects a problem at `where` whose words contain `what`, and changes it back. */
static void expect(uint64_t offset, uint64_t word, uint64_t where, const char *what)
{
    const uint64_t old = load(offset);

    store(offset, word);
    const struct report report = check(what);
    store(offset, old);
    if (!report.found)
        fail_msg("no \"%s\" after a change at %" PRIu64 ": %" PRIu64 " problems, the first: %s", what, offset,
                 report.problems, report.what);
    assert_int_equal(report.offset, where);
}

/* The value of a checked word. */
static uint64_t value_at(uint64_t offset)
{
    uint64_t value;

    assert_true(checked_value(load(offset), offset, &value));
    return value;
}

/* The first page of a type, from page number `from` on; fails the test where there is none. */
static uint32_t find_page(uint32_t from, unsigned type)
{
    for (uint32_t number = from; number < pool.size >> PAGE_SHIFT_POOL; number++) {
        const uint64_t map = pool.superblock.extent_map_offset + number / PAGES_PER_EXTENT * WORD_SIZE;
        if (extent_value_state(value_at(map)) == EXTENT_PAGES &&
            page_value_type(value_at(heap_page_word_offset(number))) == type)
            return number;
    }
    fail_msg("no page of type %u", type);
    return 0;
}

static uint32_t first_page(unsigned type)
{
    return find_page((uint32_t)(pool.superblock.heap_offset >> PAGE_SHIFT_POOL), type);
}

/* The first live entry with these codes (CODE_MASK + 1: any), behind the entry at `behind`. */
#define ANY_CODE (CODE_MASK + 1)
static uint64_t find_entry(uint64_t behind, unsigned key_code, unsigned value_code)
{
    uint32_t number = first_page(PAGE_ENTRIES);

    for (;;) {
        for (uint64_t offset = heap_page_start(number); offset < heap_page_start(number + 1); offset += ENTRY_SIZE) {
            const uint64_t meta = load(offset);
            if (offset > behind && meta_type(meta) != 0 && (key_code == ANY_CODE || meta_key_code(meta) == key_code) &&
                (value_code == ANY_CODE || meta_value_code(meta) == value_code))
                return offset;
        }
        number = find_page(number + 1, PAGE_ENTRIES);
    }
}

/* The index word that leads to an entry, in one of the two buckets that its key's hash names. */
static uint64_t find_index_word(uint64_t entry)
{
    uint64_t words[4];
    uint8_t scratch[16];
    struct index_key key;
    const uint8_t *data;
    size_t size;

    memcpy(words, pool.base + entry, sizeof(words));
    assert_true(entry_key(&pool, words, scratch, &data, &size));
    index_key_init(&key, &pool, meta_database(words[0]), data, size);
    const uint64_t header = value_at(index_shard_offset(&pool, key.shard));
    const uint64_t slot = index_directory_slot(&pool, key.hash, root_value_depth(header));
    const uint64_t leads = value_at(root_value_directory(header) + slot * WORD_SIZE);
    const uint32_t buckets = index_segment_buckets(directory_value_code(leads));
    uint32_t bucket = index_bucket(key.hash, buckets);
    for (int choice = 0; choice < 2; choice++) {
        const uint64_t start = index_bucket_offset(directory_value_segment(leads), bucket);
        for (uint64_t offset = start; offset < start + LINE_SIZE; offset += WORD_SIZE)
            if (load(offset) == index_word(index_tag(key.hash), entry))
                return offset;
        bucket = index_other_bucket(bucket, index_tag(key.hash), buckets);
    }
    fail_msg("no index word leads to the entry at %" PRIu64, entry);
    return 0;
}

/* An entry with an inline key whose index word has an empty place beside it, which is written to *free_word. */
static uint64_t find_entry_with_room(uint64_t *free_word)
{
    for (uint64_t entry = find_entry(0, 6, ANY_CODE);; entry = find_entry(entry, 8, ANY_CODE)) {
        const uint64_t bucket = find_index_word(entry) & ~(uint64_t)(LINE_SIZE - 1);
        for (*free_word = bucket; *free_word < bucket + LINE_SIZE; *free_word += WORD_SIZE)
            if (load(*free_word) == 0)
                return entry;
    }
}

/* Writes an entry with its check bits made right, runs the check for a problem there, and puts the entry back. */
static void expect_entry(uint64_t offset, uint64_t words[4], const char *what)
{
    uint64_t old[4];

    memcpy(old, pool.base + offset, sizeof(old));
    entry_seal(words, offset);
    write_raw(offset, words, sizeof(old));
    const struct report report = check(what);
    write_raw(offset, old, sizeof(old));
    if (!report.found)
        fail_msg("no \"%s\" at %" PRIu64 ": %" PRIu64 " problems, the first: %s", what, offset, report.problems,
                 report.what);
}

/* ---- The tests ---- */

static void a_sound_pool_passes(void **state)
{
    struct sdb_check result;

    (void)state;
    assert_int_equal(check_pool(&pool, NULL, NULL, &result), SDB_OK);
    assert_int_equal(result.problems, 0);
    assert_int_equal(result.keys, KEYS - (KEYS + 2) / 3 + 9 + 3 + 1);
    assert_true(result.blobs >= 9 + 3);
    assert_true(result.segments >= 2);
    assert_true(result.bytes_checked > 5u << 19);
}

/* Each byte of an area changed, one at a time. */
static void every_byte_counts(uint64_t offset, uint64_t size, uint64_t step)
{
    for (uint64_t at = offset; at < offset + size; at += step) {
        const uint8_t old = pool.base[at];
        const uint8_t damaged = (uint8_t)(old ^ (1u << at % 8 | 1u << at % 5));
        write_raw(at, &damaged, 1);
        const struct report report = check(NULL);
        write_raw(at, &old, 1);
        if (report.problems == 0)
            fail_msg("a changed byte at offset %" PRIu64 " (%" PRIu64 " in its area) goes unnoticed", at, at - offset);
    }
}

static void every_byte_of_the_superblocks_counts(void **state)
{
    (void)state;
    every_byte_counts(SB_COPY_OFFSET_A, sizeof(struct sdb_m_superblock), 1);
    every_byte_counts(SB_COPY_OFFSET_B, sizeof(struct sdb_m_superblock), 1);
}

static void every_byte_of_root_and_counters_counts(void **state)
{
    (void)state;
    every_byte_counts(pool.superblock.root_offset, sizeof(struct sdb_m_root), 1);
    every_byte_counts(pool.superblock.counters_offset, sizeof(struct sdb_m_counters), 11);
}

static void every_byte_of_shards_and_lanes_counts(void **state)
{
    (void)state;
    every_byte_counts(pool.superblock.shards_offset, 2 * sizeof(struct sdb_m_shard), 1);
    every_byte_counts(pool.superblock.lanes_offset, sizeof(struct sdb_m_lane), 1);
}

static void every_byte_of_map_and_extent_headers_counts(void **state)
{
    (void)state;
    every_byte_counts(pool.superblock.extent_map_offset, (POOL_SIZE >> EXTENT_SHIFT) * WORD_SIZE, 1);
    const uint64_t extent = first_page(PAGE_ENTRIES) / PAGES_PER_EXTENT * (uint64_t)EXTENT_SIZE;
    every_byte_counts(extent, offsetof(struct sdb_m_extent, bitmaps), 1);
    every_byte_counts(extent + offsetof(struct sdb_m_extent, bitmaps), PAGES_PER_EXTENT * BITMAP_WORDS * WORD_SIZE, 17);
}

static void every_byte_of_index_and_entries_counts(void **state)
{
    (void)state;
    const uint64_t entry = find_entry(0, ANY_CODE, CODE_BLOB);
    every_byte_counts(entry, ENTRY_SIZE, 1);
    every_byte_counts(heap_page_start(first_page(PAGE_ENTRIES)), PAGE_SIZE_POOL, 97);
    every_byte_counts(find_index_word(entry), WORD_SIZE, 1);
    const uint64_t directory = root_value_directory(value_at(pool.superblock.shards_offset));
    every_byte_counts(directory, WORD_SIZE, 1);
}

static void every_byte_of_a_blob_counts(void **state)
{
    (void)state;
    const uint64_t entry = find_entry(0, ANY_CODE, CODE_BLOB);
    const uint64_t blob = blob_reference_offset(load(entry + entry_value_index(load(entry)) * WORD_SIZE));
    every_byte_counts(blob, sizeof(struct sdb_m_blob) + (uint32_t)load(blob), 7);
}

static void a_leaked_block_is_named(void **state)
{
    (void)state;
    const uint32_t page = first_page(PAGE_BLOCKS);
    const unsigned size_class = page_value_class(value_at(heap_page_word_offset(page)));
    unsigned block = 0;

    while (value_at(heap_bitmap_offset(page, block)) >> block % BITMAP_BITS & 1)
        block++;
    assert_true(block < heap_class_blocks(size_class));
    const uint64_t word = heap_bitmap_offset(page, block);
    expect(word, checked_word(value_at(word) | 1ull << block % BITMAP_BITS, word),
           heap_page_start(page) + (uint64_t)block * heap_class_sizes[size_class], "leak");
}

static void a_leaked_run_of_pages_or_extents_is_named(void **state)
{
    (void)state;
    const uint32_t page = first_page(PAGE_FREE);
    const uint64_t word = heap_page_word_offset(page);
    expect(word, checked_word(page_value(PAGE_RUN, 0, 1), word), heap_page_start(page), "leak");

    const uint32_t last = (POOL_SIZE >> EXTENT_SHIFT) - 1;
    const uint64_t map = pool.superblock.extent_map_offset + last * WORD_SIZE;
    assert_int_equal(load(map), 0);
    expect(map, checked_word(extent_value(EXTENT_RUN, 0, 1), map), (uint64_t)last << EXTENT_SHIFT, "leak");
}

static void a_used_block_that_is_not_allocated_is_named(void **state)
{
    (void)state;
    uint64_t entry = 0, blob;
    do { /* a key's blob in a page of blocks, not in a run */
        entry = find_entry(entry, CODE_BLOB, ANY_CODE);
        blob = blob_reference_offset(load(entry + WORD_SIZE));
    } while (page_value_type(value_at(heap_page_word_offset(heap_page_number(blob)))) != PAGE_BLOCKS);
    const uint32_t page = heap_page_number(blob);
    const unsigned size_class = page_value_class(value_at(heap_page_word_offset(page)));
    const unsigned block = (unsigned)(blob % PAGE_SIZE_POOL / heap_class_sizes[size_class]);
    const uint64_t word = heap_bitmap_offset(page, block);
    expect(word, checked_word(value_at(word) & ~(1ull << block % BITMAP_BITS), word), entry + WORD_SIZE,
           "where no block is allocated");
}

static void a_blob_used_twice_is_named(void **state)
{
    uint64_t words[4];

    (void)state;
    const uint64_t one = find_entry(0, ANY_CODE, CODE_BLOB);
    uint64_t other = find_entry(one, ANY_CODE, CODE_BLOB);
    memcpy(words, pool.base + other, sizeof(words));
    words[entry_value_index(words[0])] = load(one + entry_value_index(load(one)) * WORD_SIZE);
    expect_entry(other, words, "twice");
}

static void an_entry_without_index_word_is_named(void **state)
{
    (void)state;
    const uint64_t entry = find_entry(0, ANY_CODE, CODE_INTEGER);
    expect(find_index_word(entry), 0, entry, "does not lead to it");
}

static void an_index_word_with_the_wrong_tag_is_named(void **state)
{
    (void)state;
    const uint64_t entry = find_entry(0, ANY_CODE, CODE_INTEGER);
    const uint64_t word = find_index_word(entry);
    const uint16_t tag = (uint16_t)(index_word_tag(load(word)) ^ 0x100);
    expect(word, index_word(tag, entry), entry, "wrong place");
}

static void an_entry_found_twice_is_named(void **state)
{
    (void)state;
    uint64_t free_word;
    const uint64_t entry = find_entry_with_room(&free_word);
    const uint64_t word = find_index_word(entry);
    expect(free_word, load(word), free_word > word ? free_word : word, "in the index twice");
}

static void an_index_word_that_leads_to_no_live_entry_is_named(void **state)
{
    (void)state;
    const uint64_t entry = find_entry(0, ANY_CODE, CODE_INTEGER);
    const uint64_t word = find_index_word(entry);
    expect(word, index_word(index_word_tag(load(word)), entry + 8 * EXTENT_SIZE), word, "where no entry is");

    uint64_t words[4];
    memcpy(words, pool.base + entry, sizeof(words));
    words[0] &= ~(uint64_t)15;
    expect_entry(entry, words, "free, and the index leads to it");
}

static void two_entries_with_one_key_are_named(void **state)
{
    uint64_t words[4], other_words[4];

    (void)state;
    uint64_t free_word;
    const uint64_t entry = find_entry_with_room(&free_word);
    const uint64_t word = find_index_word(entry);
    memcpy(words, pool.base + entry, sizeof(words));
    uint64_t other = heap_page_start(heap_page_number(entry));
    while (meta_type(load(other)) != 0)
        other += ENTRY_SIZE;
    memcpy(other_words, pool.base + other, sizeof(other_words));
    entry_seal(words, other);
    write_raw(other, words, sizeof(words));
    store(free_word, index_word(index_word_tag(load(word)), other));
    const struct report report = check("has the same key");
    store(free_word, 0);
    write_raw(other, other_words, sizeof(other_words));
    assert_true(report.found);
}

static void impossible_entries_are_named(void **state)
{
    uint64_t words[4];

    (void)state;
    const uint64_t entry = find_entry(0, 6, ANY_CODE), number = find_entry(0, ANY_CODE, CODE_INTEGER);
    memcpy(words, pool.base + number, sizeof(words));
    words[0] ^= 3;
    expect_entry(number, words, "impossible type");
    memcpy(words, pool.base + entry, sizeof(words));
    words[0] |= (uint64_t)17 << META_KEY_SHIFT;
    expect_entry(entry, words, "impossible type");
    memcpy(words, pool.base + entry, sizeof(words));
    words[0] |= (uint64_t)200 << META_DATABASE_SHIFT;
    expect_entry(entry, words, "is not in use");
    memcpy(words, pool.base + entry, sizeof(words));
    words[0] |= META_BUSY;
    expect_entry(entry, words, "being written");
    memcpy(words, pool.base + entry, sizeof(words));
    words[1] ^= 1;
    expect_entry(entry, words, "entry: its key");
}

static void wrong_counters_are_named(void **state)
{
    struct sdb_m_counters old, counters;
    const uint64_t offset = pool.superblock.counters_offset;

    (void)state;
    memcpy(&old, pool.base + offset, sizeof(old));
    counters = old;
    counters.keys[3]++;
    counters.checksum = hash_key(counters.incarnation, (const uint8_t *)&counters + 16, sizeof(counters) - 16);
    write_raw(offset, &counters, sizeof(counters));
    const struct report report = check("2 keys in physical database 3, there are 1");
    write_raw(offset, &old, sizeof(old));
    assert_true(report.found);
    assert_int_equal(report.offset, offset + offsetof(struct sdb_m_counters, keys) + 3 * WORD_SIZE);
}

/* Garbage anywhere, copies of one place at another, and words that are right for their place but lead anywhere. */
static void no_damage_crashes_the_checker(void **state)
{
    uint64_t random = 20261123;
    uint8_t old[4096], fresh[4096];

    (void)state;
    for (int round = 0; round < 1500; round++) {
        uint64_t draw[4];
        for (int i = 0; i < 4; i++) {
            random = random * 6364136223846793005ull + 1442695040888963407ull;
            draw[i] = random >> 20;
        }
        /* Half of it among the metadata and in the first extents, where there is something to hit. */
        const uint64_t span = round % 2 ? POOL_SIZE : pool.superblock.heap_offset + 2 * EXTENT_SIZE;
        const size_t size = 8 + draw[0] % 64 * 8;
        const uint64_t offset =
            (SUPERBLOCK_AREA_SIZE + draw[1] % (span - SUPERBLOCK_AREA_SIZE - sizeof(old))) & ~(uint64_t)7;
        memcpy(old, pool.base + offset, size);
        for (size_t i = 0; i < size; i += 8) {
            const uint64_t word = round % 3 == 0   ? checked_word(draw[2] * (i + 1) & CHECKED_VALUE_MASK, offset + i)
                                  : round % 3 == 1 ? draw[2] * (i + 1)
                                                   : load((draw[3] % (POOL_SIZE - 4096) & ~(uint64_t)7) + i);
            memcpy(fresh + i, &word, 8);
        }
        write_raw(offset, fresh, size);
        (void)check(NULL);
        write_raw(offset, old, size);
    }
    assert_int_equal(check(NULL).problems, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sound_pool_passes),
        cmocka_unit_test(every_byte_of_the_superblocks_counts),
        cmocka_unit_test(every_byte_of_root_and_counters_counts),
        cmocka_unit_test(every_byte_of_shards_and_lanes_counts),
        cmocka_unit_test(every_byte_of_map_and_extent_headers_counts),
        cmocka_unit_test(every_byte_of_index_and_entries_counts),
        cmocka_unit_test(every_byte_of_a_blob_counts),
        cmocka_unit_test(a_leaked_block_is_named),
        cmocka_unit_test(a_leaked_run_of_pages_or_extents_is_named),
        cmocka_unit_test(a_used_block_that_is_not_allocated_is_named),
        cmocka_unit_test(a_blob_used_twice_is_named),
        cmocka_unit_test(an_entry_without_index_word_is_named),
        cmocka_unit_test(an_index_word_with_the_wrong_tag_is_named),
        cmocka_unit_test(an_entry_found_twice_is_named),
        cmocka_unit_test(an_index_word_that_leads_to_no_live_entry_is_named),
        cmocka_unit_test(two_entries_with_one_key_are_named),
        cmocka_unit_test(impossible_entries_are_named),
        cmocka_unit_test(wrong_counters_are_named),
        cmocka_unit_test(no_damage_crashes_the_checker),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
