/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * scenario_repair_order.c - damage whose repair depends on what else is there: where a repair that is cut short has stored its steps in
 * another order than it should (pmem/repair.c), the next one decides otherwise
 *
 * Damage for once is not by chance: each kind looks for a place in the pool where one step takes away what another one goes by.
 */
#include <string.h>

#include "index_internal.h"
#include "heap_internal.h"
#include "pool.h"
#include "repairs.h"
#include "scenarios.h"
#include "word.h"

#define KEYS 140u /* more than one for each bucket of the index */
#define PLACES_MAX (SEGMENT_BUCKETS_LARGE * BUCKET_WORDS)
#define TIMES 4u /* that a kind is done to a pool */

void prepare_repair_order(struct oracle *oracle, struct sdb_crashtest_options *options)
{
    oracle->keys = KEYS;
    oracle->databases = 2;
    options->states_max = 16;
    options->random_images = 4;
    options->lines_max = 100;
    options->nested_every = 128;
    options->nested_images = 3;
    options->every = 1;
}

/* -- the pool's parts -- */

static uint64_t get(const uint8_t *medium, uint64_t at)
{
    uint64_t word;

    memcpy(&word, medium + at, sizeof(word));
    return word;
}

static void put(uint8_t *medium, uint64_t at, uint64_t word)
{
    memcpy(medium + at, &word, sizeof(word));
}

static const struct sdb_m_superblock *superblock(const uint8_t *medium)
{
    return (const struct sdb_m_superblock *)(const void *)medium;
}

/* An index word, and the entry that it leads to. */
struct place {
    uint64_t at, entry;
    uint32_t bucket, other;
};

struct segment {
    struct place places[PLACES_MAX];
    uint32_t count;
    uint32_t words[SEGMENT_BUCKETS_LARGE]; /* in a bucket */
    bool used[SEGMENT_BUCKETS_LARGE];      /* a bucket was damaged */
};

/* The index of a small pool: one segment. */
static void read_index(const uint8_t *medium, struct segment *segment)
{
    const uint64_t directory = root_value_directory(get(medium, superblock(medium)->shards_offset) & CHECKED_VALUE_MASK);
    const uint64_t value = get(medium, directory) & CHECKED_VALUE_MASK, start = directory_value_segment(value);
    const uint32_t buckets = directory_value_code(value) ? SEGMENT_BUCKETS_LARGE : SEGMENT_BUCKETS_SMALL;

    memset(segment, 0, sizeof(*segment));
    for (uint32_t i = 0; i < buckets * BUCKET_WORDS; i++) {
        const uint64_t at = start + i * WORD_SIZE, word = get(medium, at);
        const uint32_t bucket = i / BUCKET_WORDS;

        if (word == 0)
            continue;
        segment->words[bucket]++;
        segment->places[segment->count++] = (struct place){.at = at,
                                                           .entry = index_word_entry(word),
                                                           .bucket = bucket,
                                                           .other = index_other_bucket(bucket, index_word_tag(word), buckets)};
    }
}

static bool has_blob(const uint8_t *medium, uint64_t entry)
{
    const uint64_t meta = get(medium, entry);

    return meta_type(meta) == VALUE_STRING && meta_value_code(meta) == CODE_BLOB;
}

static void break_value(uint8_t *medium, uint64_t entry)
{
    const uint64_t meta = get(medium, entry);
    const uint64_t blob = blob_reference_offset(get(medium, entry + entry_value_index(meta) * WORD_SIZE));

    medium[blob + offsetof(struct sdb_m_blob, checksum)] ^= 1;
}

/* A second entry of the same key, in a place that was never used on its page: without a value. 0: none was made. */
static uint64_t make_older(uint8_t *medium, uint64_t entry)
{
    const uint64_t start = entry & ~(uint64_t)(PAGE_SIZE_POOL - 1);
    uint64_t words[4];

    memcpy(words, medium + entry, sizeof(words));
    if (meta_key_code(words[0]) == CODE_BLOB)
        return 0;
    words[entry_value_index(words[0])] = 0;
    words[0] &= ~((uint64_t)CODE_MASK << META_VALUE_SHIFT);
    for (uint32_t i = 0; i < ENTRIES_PER_PAGE; i++) {
        const uint64_t at = start + i * ENTRY_SIZE;

        if ((get(medium, at) | get(medium, at + 8) | get(medium, at + 16) | get(medium, at + 24)) != 0)
            continue;
        entry_seal(words, at);
        memcpy(medium + at, words, sizeof(words));
        return at;
    }
    return 0;
}

/* Whether both buckets of the place have words besides its own, and were left alone so far. They were not, from here on. */
static bool take_buckets(struct segment *segment, const struct place *place)
{
    if (place->bucket == place->other || segment->used[place->bucket] || segment->used[place->other] ||
        segment->words[place->bucket] < 2 || segment->words[place->other] == 0)
        return false;
    return segment->used[place->bucket] = segment->used[place->other] = true;
}

/* -- kinds of damage -- */

/* A key has an older entry that nothing leads to, and the newer one is about to go: the older one must not outlive it. */
static void of_the_past(struct oracle *oracle, uint8_t *medium, uint64_t *size)
{
    struct segment segment;
    unsigned done = 0;

    (void)oracle;
    (void)size;
    read_index(medium, &segment);
    for (uint32_t i = 0; i < segment.count && done < TIMES; i++) {
        const uint64_t entry = segment.places[i].entry;

        if (!has_blob(medium, entry) || make_older(medium, entry) == 0)
            continue;
        break_value(medium, entry);
        done++;
    }
}

/* An index word that is damaged explains why an entry has none, and is about to go. */
static void explained(struct oracle *oracle, uint8_t *medium, uint64_t *size)
{
    struct segment segment;
    unsigned done = 0;

    (void)oracle;
    (void)size;
    read_index(medium, &segment);
    for (uint32_t i = 0; i < segment.count && done < TIMES; i++) {
        const struct place *place = &segment.places[i];

        if (!take_buckets(&segment, place))
            continue;
        put(medium, place->at, get(medium, place->at) ^ 1ull << 56);
        done++;
    }
}

/* An entry's last word, which was zero, and is about to become it again. */
static void last_words(struct oracle *oracle, uint8_t *medium, uint64_t *size)
{
    struct segment segment;
    unsigned done = 0;

    (void)size;
    read_index(medium, &segment);
    for (uint32_t i = 0; i < segment.count && done < TIMES; i++) {
        const uint64_t at = segment.places[i].entry + 3 * WORD_SIZE;

        if (get(medium, at) != 0)
            continue;
        put(medium, at, 1 + oracle_roll(oracle, 1u << 30));
        done++;
    }
}

/* Every other entry of a page is damaged, and of the others every other one's value; the free ones behind them are as they are. */
static void break_page(uint8_t *medium, uint64_t start)
{
    uint64_t entries[ENTRIES_PER_PAGE];
    uint32_t count = 0;

    for (uint32_t i = 0; i < ENTRIES_PER_PAGE; i++)
        if (get(medium, start + i * ENTRY_SIZE) != 0)
            entries[count++] = start + i * ENTRY_SIZE;
    if (count % 2 == 0)
        memset(medium + entries[--count], 0, ENTRY_SIZE);
    for (uint32_t i = 0; i < count; i++) {
        if (i % 2)
            put(medium, entries[i] + 2 * WORD_SIZE, ~get(medium, entries[i] + 2 * WORD_SIZE));
        else if (i % 4 && has_blob(medium, entries[i]))
            break_value(medium, entries[i]);
    }
}

typedef void page_function(uint8_t *medium, uint32_t page);

/* The pool's pages of entries, of one shard; then its index goes. */
static void for_pages(struct oracle *oracle, uint8_t *medium, uint64_t size, page_function *visit)
{
    const struct sdb_m_superblock *sb = superblock(medium);

    for (uint32_t page = (uint32_t)(sb->heap_offset >> PAGE_SHIFT_POOL); page < size >> PAGE_SHIFT_POOL; page++) {
        const uint64_t map = get(medium, sb->extent_map_offset + page / PAGES_PER_EXTENT * WORD_SIZE) & CHECKED_VALUE_MASK;

        if (extent_value_state(map) == EXTENT_PAGES &&
            page_value_type(get(medium, heap_page_word_offset(page)) & CHECKED_VALUE_MASK) == PAGE_ENTRIES)
            visit(medium, page);
    }
    put(medium, sb->shards_offset, 1 + oracle_roll(oracle, 1u << 30));
}

static void lose_page_word(uint8_t *medium, uint32_t page)
{
    break_page(medium, heap_page_start(page));
    put(medium, heap_page_word_offset(page), get(medium, heap_page_word_offset(page)) ^ 1ull << CHECKED_VALUE_BITS);
}

/* Pages of entries that are known by what stands on them alone, and by one entry: one that is half gone would tip the scale. */
static void by_a_hair(struct oracle *oracle, uint8_t *medium, uint64_t *size)
{
    for_pages(oracle, medium, *size, lose_page_word);
}

static void lose_map_word(uint8_t *medium, uint32_t page)
{
    const uint64_t at = superblock(medium)->extent_map_offset + page / PAGES_PER_EXTENT * WORD_SIZE;

    put(medium, heap_page_word_offset(page), 0);
    put(medium, at, get(medium, at) ^ 1ull << CHECKED_VALUE_BITS);
}

/* Pages of entries whose words say that they are free: the map's damage is all that makes anybody look at what stands on them. */
static void as_if_free(struct oracle *oracle, uint8_t *medium, uint64_t *size)
{
    for_pages(oracle, medium, *size, lose_map_word);
}

static void lose_first_database(uint8_t *medium, uint32_t page)
{
    for (uint32_t i = 0; i < ENTRIES_PER_PAGE; i++) {
        const uint64_t at = heap_page_start(page) + i * ENTRY_SIZE;

        if (meta_type(get(medium, at)) != 0 && meta_database(get(medium, at)) == 0)
            memset(medium + at, 0, ENTRY_SIZE);
    }
    put(medium, heap_page_word_offset(page), get(medium, heap_page_word_offset(page)) ^ 1ull << CHECKED_VALUE_BITS);
}

/* Databases' numbers are lost, and the first one's keys; on what pages the others' are is not known before the root is done. */
static void numbers(struct oracle *oracle, uint8_t *medium, uint64_t *size)
{
    for_pages(oracle, medium, *size, lose_first_database);
    for (unsigned i = 0; i < 2; i++)
        put(medium, superblock(medium)->root_offset + i * WORD_SIZE, 1 + oracle_roll(oracle, 1u << 30));
}

/* One key less was there when the pool was closed. */
static void count_less(uint8_t *medium, unsigned database)
{
    struct sdb_m_counters *counters = (struct sdb_m_counters *)(void *)(medium + superblock(medium)->counters_offset);

    counters->keys[database]--;
    counters->checksum = pool_counters_checksum(counters);
}

/* A key that was deleted, an older entry of which is there again. Where its index word stays, that explains why nothing leads there. */
static bool bring_back(uint8_t *medium, const struct place *place, bool with_word)
{
    const unsigned database = meta_database(get(medium, place->entry));

    if (make_older(medium, place->entry) == 0)
        return false;
    memset(medium + place->entry, 0, ENTRY_SIZE);
    if (!with_word)
        put(medium, place->at, 0);
    count_less(medium, database);
    return true;
}

/* Its index word still says whose it was. */
static void break_entry(uint8_t *medium, uint64_t entry)
{
    const uint64_t at = entry + entry_value_index(get(medium, entry)) * WORD_SIZE;

    put(medium, at, get(medium, at) ^ 1ull << 32);
}

/*
 * What goes and is counted, beside entries of the past that go because of what is counted. In the first database these have nothing
 * to explain them, and some of what is counted has lost its index word; in the second one damage explains them, and all has its word.
 */
static void counted(struct oracle *oracle, uint8_t *medium, uint64_t *size)
{
    unsigned turn[2] = {0};
    struct segment segment;

    (void)oracle;
    (void)size;
    read_index(medium, &segment);
    for (uint32_t i = 0; i < segment.count; i++) {
        const struct place *place = &segment.places[i];
        const unsigned database = meta_database(get(medium, place->entry));
        const bool blob = has_blob(medium, place->entry);

        if (database > 1 || turn[database] == 3 * TIMES || (turn[database] % 3 != 0 && !blob) || !take_buckets(&segment, place))
            continue;
        if (turn[database] % 3 == 0 && !bring_back(medium, place, database == 1))
            continue;
        if (turn[database] % 3 == 1)
            break_entry(medium, place->entry);
        if (turn[database] % 3 == 2)
            break_value(medium, place->entry);
        if (turn[database] % 3 == 2 && database == 0)
            put(medium, place->at, get(medium, place->at) ^ 1ull << 56);
        turn[database]++;
    }
}

static damage_function *const kinds[] = {of_the_past, explained, last_words, by_a_hair, as_if_free, numbers, counted};
#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

int work_repair_order(void *context, struct sdb_crashtest *test, struct sdb_pool *pool)
{
    const struct damages ordered = {.kinds = kinds, .count = KINDS, .rounds = KINDS, .killed = KINDS};

    return repair_in_rounds(context, test, pool, &ordered);
}
