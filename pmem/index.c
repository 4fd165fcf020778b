/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * index.c - finding a key's entry, and staging index words
 * Media:   index words (staged)
 * Commit:  index.h
 * Holds:   index.h 1, 3
 * Threads: index_find and index_entry_is without a transaction by anyone; the rest under the shard's lock
 * Memory:  none
 */
#include "index.h"

#include <inttypes.h>
#include <string.h>

#include "bucket.h"
#include "error.h"
#include "index_internal.h"
#include "persist.h"
#include "race.h"

/* Whether an entry's key is the one that is looked for. */
static inline enum entry_compare compare(const struct pool_file *file, const uint64_t words[4], const struct index_key *key)
{
    unsigned code = meta_key_code(words[0]);

    if (code == CODE_BLOB || key->size > INLINE_SIZE_MAX)
        return entry_compare_key(file, words, key->database, key->data, key->size);
    if (code != key->size || meta_database(words[0]) != key->database)
        return ENTRY_DIFFERENT;
    return (code == 0 || words[1] == key->words[0]) && (code <= 8 || words[2] == key->words[1]) ? ENTRY_SAME
                                                                                                : ENTRY_DIFFERENT;
}

enum entry_compare index_compare(const struct pool_file *file, const uint64_t words[4], const struct index_key *key)
{
    return compare(file, words, key);
}

void index_key_init(struct index_key *key, const struct pool_file *file, unsigned database, const void *data, size_t size)
{
    unsigned shard_bits = (unsigned)__builtin_ctz(file->superblock.shards);

    key->data = data;
    key->size = size;
    key->words[0] = key->words[1] = 0;
    if (size <= INLINE_SIZE_MAX)
        index_load_words(key->words, data, size);
    key->database = database;
    key->hash = entry_hash(file, database, data, size);
    key->shard = shard_bits ? (uint32_t)(key->hash >> (64 - shard_bits)) : 0;
}

/* The words of a line: staged ones where there is a transaction. */
static inline const uint64_t *line_of(const struct heap *heap, const struct tx *tx, uint64_t offset)
{
    return tx ? tx_line(tx, offset) : (const uint64_t *)(const void *)(heap->file->base + (offset & ~(uint64_t)63));
}

static inline uint64_t word_of(const struct heap *heap, const struct tx *tx, uint64_t offset)
{
    return persist_load_acquire(line_of(heap, tx, offset) + offset / WORD_SIZE % 8);
}

static inline bool in_heap(const struct heap *heap, uint64_t offset, uint64_t size)
{
    uint64_t end = __atomic_load_n(&heap->file->size, __ATOMIC_RELAXED);

    return offset >= heap->file->superblock.heap_offset && offset < end && size <= end - offset;
}

static enum index_result damaged(const struct heap *heap, const char *what, uint64_t offset)
{
    error_set("%s: the %s at offset %" PRIu64 " is damaged", heap->file->path, what, offset);
    return INDEX_DAMAGED;
}

static inline enum index_result find_place(const struct heap *heap, const struct tx *tx, uint32_t shard, uint64_t hash,
                                           struct index_place *place)
{
    uint64_t at = index_shard_offset(heap->file, shard), value, directory;

    if (__builtin_expect(!checked_value(word_of(heap, tx, at), at, &value), 0))
        return damaged(heap, "shard header", at);
    if (value == 0)
        return __builtin_expect(heap->shards[shard].index_lost, 0) ? damaged(heap, "shard header", at) : INDEX_MISSING;
    directory = root_value_directory(value);
    at = directory + index_directory_slot(heap->file, hash, root_value_depth(value)) * WORD_SIZE;
    if (__builtin_expect(!in_heap(heap, at, WORD_SIZE) || !checked_value(word_of(heap, tx, at), at, &value) || !value, 0))
        return damaged(heap, "index directory", at);
    place->segment = directory_value_segment(value);
    place->buckets = index_segment_buckets(directory_value_code(value));
    if (__builtin_expect(!in_heap(heap, place->segment, (uint64_t)place->buckets * LINE_SIZE), 0))
        return damaged(heap, "index directory", at);
    place->bucket[0] = index_bucket(hash, place->buckets);
    place->bucket[1] = index_other_bucket(place->bucket[0], index_tag(hash), place->buckets);
    return INDEX_FOUND;
}

enum index_result index_place(const struct heap *heap, const struct tx *tx, uint32_t shard, uint64_t hash,
                              struct index_place *place)
{
    return find_place(heap, tx, shard, hash, place);
}

/* Reads an entry, and compares. MISSING: it is another's. DAMAGED also where a commit is being applied: the caller looks again. */
static inline enum index_result try_entry(const struct heap *heap, const struct tx *tx, const struct index_key *key,
                                          uint64_t entry, struct index_found *found)
{
    if (tx) {
        memcpy(found->words, tx_line(tx, entry) + entry / WORD_SIZE % 8, sizeof(found->words));
        if (!entry_valid(found->words, entry))
            return INDEX_DAMAGED;
    } else if (__builtin_expect(entry_read(heap->file, entry, found->words) != ENTRY_OK, 0)) {
        return INDEX_DAMAGED;
    }
    if (meta_type(found->words[0]) == 0)
        return INDEX_DAMAGED;
    if (__builtin_expect(!entry_is_sane(found->words), 0))
        return INDEX_DAMAGED;
    switch (compare(heap->file, found->words, key)) {
    case ENTRY_SAME:
        /* A key in a blob may have been freed, and the blob reused, since the entry was read. */
        if (!tx && meta_key_code(found->words[0]) == CODE_BLOB && !entry_unchanged(heap->file, entry, found->words))
            return INDEX_DAMAGED;
        found->entry = entry;
        return INDEX_FOUND;
    case ENTRY_DIFFERENT:
        return INDEX_MISSING;
    default:
        return INDEX_DAMAGED;
    }
}

bool index_entry_is(const struct heap *heap, const struct tx *tx, const struct index_key *key, uint64_t entry,
                    struct index_found *found)
{
    enum index_result result;

    race_reads_begin();
    result = try_entry(heap, tx, key, entry, found);
    race_reads_end();
    found->word = 0;
    return result == INDEX_FOUND;
}

static inline enum index_result try_word(struct heap *heap, const struct tx *tx, const struct index_key *key, uint64_t word,
                                         struct index_found *found)
{
    uint64_t entry = index_word_entry(word);

    if (__builtin_expect(!index_word_valid(word), 0))
        return INDEX_DAMAGED;
    if (__builtin_expect(!heap_is_entry(heap, entry), 0))
        return INDEX_DAMAGED;
    return try_entry(heap, tx, key, entry, found);
}

/* Looks through one bucket. On a miss every word's check bits are looked at: a damaged tag hides a key. */
static inline enum index_result find_in_bucket(struct heap *heap, const struct tx *tx, const struct index_key *key,
                                               uint64_t bucket, struct index_found *found)
{
    const uint64_t *line = line_of(heap, tx, bucket);
    enum index_result worst = INDEX_MISSING;

    for (unsigned mask = bucket_match(line, index_tag(key->hash)); mask; mask &= mask - 1) {
        unsigned i = (unsigned)__builtin_ctz(mask);
        uint64_t word = persist_load(&line[i]);
        enum index_result result;

        if (word == 0)
            continue;
        result = try_word(heap, tx, key, word, found);
        if (result == INDEX_FOUND) {
            found->word = bucket + i * WORD_SIZE;
            return INDEX_FOUND;
        }
        if (result == INDEX_DAMAGED)
            worst = damaged(heap, "index word or its entry, index word", bucket + i * WORD_SIZE);
    }
    for (unsigned i = 0; i < BUCKET_WORDS; i++)
        if (__builtin_expect(!index_word_valid(persist_load(&line[i])), 0))
            worst = damaged(heap, "index word", bucket + i * WORD_SIZE);
    return worst;
}

static inline enum index_result find_at(struct heap *heap, const struct tx *tx, const struct index_key *key,
                                        struct index_found *found, struct index_place *place)
{
    enum index_result result = find_place(heap, tx, key->shard, key->hash, place), second;

    if (result != INDEX_FOUND)
        return result;
    result = find_in_bucket(heap, tx, key, index_bucket_offset(place->segment, place->bucket[0]), found);
    if (result == INDEX_FOUND || place->bucket[0] == place->bucket[1])
        return result;
    second = find_in_bucket(heap, tx, key, index_bucket_offset(place->segment, place->bucket[1]), found);
    return second == INDEX_MISSING ? result : second;
}

/* A miss that lost pages explain is none: what stood there is not known. */
static enum index_result doubt_miss(const struct heap *heap, const struct index_key *key, const struct index_place *place)
{
    uint64_t at[3] = {index_shard_offset(heap->file, key->shard)};
    unsigned count = 1;

    if (place->segment) {
        at[count++] = index_bucket_offset(place->segment, place->bucket[0]);
        at[count++] = index_bucket_offset(place->segment, place->bucket[1]);
    }
    for (unsigned i = 0; i < count; i++)
        if (pool_file_is_lost(heap->file, at[i]))
            return damaged(heap, "index", at[i]);
    return INDEX_MISSING;
}

static inline enum index_result find(struct heap *heap, const struct tx *tx, const struct index_key *key,
                                     struct index_found *found)
{
    struct index_place place;
    enum index_result result;

    place.segment = 0;
    result = find_at(heap, tx, key, found, &place);
    return __builtin_expect(result == INDEX_MISSING, 0) ? doubt_miss(heap, key, &place) : result;
}

enum index_result index_find(struct heap *heap, const struct index_key *key, struct index_found *found)
{
    enum index_result result;

    race_reads_begin(); /* index.h, 3 */
    result = find(heap, NULL, key, found);
    race_reads_end();
    return result;
}

enum index_result index_find_staged(struct heap *heap, const struct tx *tx, const struct index_key *key,
                                    struct index_found *found)
{
    return find(heap, tx, key, found);
}

/* -- inserting -- */

static unsigned empty_words(const uint64_t *line)
{
    unsigned mask = 0;

    for (unsigned i = 0; i < BUCKET_WORDS; i++)
        mask |= (unsigned)(line[i] == 0) << i;
    return mask;
}

static bool put_word(struct tx *tx, uint64_t bucket, uint64_t word)
{
    unsigned empty = empty_words(tx_line(tx, bucket));

    if (!empty)
        return false;
    tx_store(tx, bucket + (unsigned)__builtin_ctz(empty) * WORD_SIZE, word);
    return true;
}

/* Moves one word of a full bucket to its other bucket, and puts the new one in its place. */
static bool move_and_put(struct tx *tx, const struct index_place *place, uint32_t bucket, uint64_t word)
{
    uint64_t offset = index_bucket_offset(place->segment, bucket);
    uint64_t line[BUCKET_WORDS];

    memcpy(line, tx_line(tx, offset), sizeof(line));
    for (unsigned i = 0; i < BUCKET_WORDS; i++) {
        uint32_t other = index_other_bucket(bucket, index_word_tag(line[i]), place->buckets);

        if (other == bucket || other >= place->buckets ||
            !put_word(tx, index_bucket_offset(place->segment, other), line[i]))
            continue;
        tx_store(tx, offset + i * WORD_SIZE, word);
        return true;
    }
    return false;
}

int index_insert(struct heap *heap, struct tx *tx, const struct index_key *key, uint64_t entry, uint64_t *splits)
{
    uint64_t word = index_word(index_tag(key->hash), entry);
    int error = SDB_OK;

    for (int attempt = 0; attempt < 64 && !error; attempt++) {
        struct index_place place;
        enum index_result result = find_place(heap, tx, key->shard, key->hash, &place);

        if (result == INDEX_DAMAGED)
            return SDB_ECORRUPT;
        if (result == INDEX_MISSING) {
            error = index_create(heap, tx, key->shard);
            continue;
        }
        if (put_word(tx, index_bucket_offset(place.segment, place.bucket[0]), word) ||
            put_word(tx, index_bucket_offset(place.segment, place.bucket[1]), word) ||
            move_and_put(tx, &place, place.bucket[0], word) || move_and_put(tx, &place, place.bucket[1], word))
            return tx->failed ? SDB_ENOMEM : SDB_OK;
        ++*splits;
        error = index_grow(heap, tx, key->shard, key->hash);
    }
    if (!error)
        error_set("%s: an index segment cannot be split any further", heap->file->path);
    return error ? error : SDB_ENOSPC;
}

void index_remove(struct tx *tx, uint64_t word)
{
    tx_store(tx, word, 0);
}
