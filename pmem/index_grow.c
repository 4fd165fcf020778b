/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * index_grow.c - segments and directories: making them, and replacing full ones
 * Media:   a new segment or directory is built as a fresh range; directory words and the shard header are staged
 * Commit:  a segment grows in two steps: SEGMENT_BUCKETS_SMALL -> SEGMENT_BUCKETS_LARGE -> two small ones, so that segments are 60% to
 *          95% full at any size of the store. The old block is freed by the same commit.
 * Holds:   index.h 1, 2
 * Threads: under the shard's lock
 * Memory:  two images of a segment on the stack
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "index_internal.h"
#include "persist.h"

#define SEGMENT_WORDS_MAX (SEGMENT_BUCKETS_LARGE * BUCKET_WORDS)
#define DIRECTORY_DEPTH_MAX 32u

/* A segment as it is built, in DRAM. */
struct image {
    uint64_t words[SEGMENT_WORDS_MAX];
    uint32_t buckets;
};

struct moving {
    uint64_t word;
    uint64_t hash;
};

static int damaged(const struct heap *heap, const char *what, uint64_t offset)
{
    error_set("%s: the %s at offset %" PRIu64 " is damaged", heap->file->path, what, offset);
    return SDB_ECORRUPT;
}

/* Writes a segment as a fresh range that takes further words in this transaction. */
static int write_segment(struct heap *heap, struct tx *tx, uint32_t shard, const struct image *image, uint64_t *offset)
{
    uint64_t size = (uint64_t)image->buckets * LINE_SIZE;
    int error = heap_alloc_segment(heap, tx, shard, image->buckets == SEGMENT_BUCKETS_LARGE, offset);

    if (error)
        return error;
    persist_copy(heap->file->base + *offset, image->words, size);
    tx_add_range(tx, *offset, size, true);
    return tx->failed ? SDB_ENOMEM : SDB_OK;
}

static bool image_put_in(struct image *image, uint32_t bucket, uint64_t word)
{
    uint64_t *line = &image->words[bucket * BUCKET_WORDS];

    for (unsigned i = 0; i < BUCKET_WORDS; i++) {
        if (line[i] == 0) {
            line[i] = word;
            return true;
        }
    }
    return false;
}

static bool image_put(struct image *image, uint64_t hash, uint64_t word)
{
    uint32_t first = index_bucket(hash, image->buckets);
    uint32_t second = index_other_bucket(first, index_tag(hash), image->buckets);

    if (image_put_in(image, first, word) || image_put_in(image, second, word))
        return true;
    for (unsigned b = 0; b < 2; b++) {
        uint32_t bucket = b ? second : first;
        uint64_t *line = &image->words[bucket * BUCKET_WORDS];

        for (unsigned i = 0; i < BUCKET_WORDS; i++) {
            uint32_t other = index_other_bucket(bucket, index_word_tag(line[i]), image->buckets);

            if (other != bucket && image_put_in(image, other, line[i])) {
                line[i] = word;
                return true;
            }
        }
    }
    return false;
}

/* The hash of the key that an index word leads to, staged words included. */
static int word_hash(struct heap *heap, const struct tx *tx, uint64_t word, uint64_t *hash)
{
    uint64_t entry = index_word_entry(word), words[4];
    uint8_t scratch[16];
    const uint8_t *key;
    size_t size;

    if (!index_word_valid(word) || !heap_is_entry(heap, entry))
        return damaged(heap, "index word of the entry", entry);
    memcpy(words, tx_line(tx, entry) + entry / WORD_SIZE % 8, sizeof(words));
    if (!entry_valid(words, entry) || !entry_is_sane(words) || !entry_key(heap->file, words, scratch, &key, &size))
        return damaged(heap, "entry", entry);
    *hash = entry_hash(heap->file, meta_database(words[0]), key, size);
    return SDB_OK;
}

/* Collects a segment's words with their hashes. */
static int collect(struct heap *heap, const struct tx *tx, const struct index_place *place, struct moving *moving,
                   unsigned *count)
{
    int error = SDB_OK;

    *count = 0;
    for (uint32_t b = 0; b < place->buckets; b++) {
        const uint64_t *line = tx_line(tx, index_bucket_offset(place->segment, b));

        for (unsigned i = 0; i < BUCKET_WORDS; i++) {
            if (!line[i])
                continue;
            __builtin_prefetch(heap->file->base + index_word_entry(line[i]));
            moving[(*count)++].word = line[i];
        }
    }
    for (unsigned i = 0; i < *count && !error; i++)
        error = word_hash(heap, tx, moving[i].word, &moving[i].hash);
    return error;
}

struct directory {
    uint64_t offset;
    unsigned depth;
};

static int read_directory(struct heap *heap, const struct tx *tx, uint32_t shard, struct directory *directory)
{
    uint64_t at = index_shard_offset(heap->file, shard), value;

    if (!checked_value(tx_load(tx, at), at, &value))
        return damaged(heap, "shard header", at);
    directory->offset = root_value_directory(value);
    directory->depth = root_value_depth(value);
    return SDB_OK;
}

/* A directory twice the size, every word doubled. */
static int double_directory(struct heap *heap, struct tx *tx, uint32_t shard, struct directory *directory)
{
    uint64_t count = 1ull << directory->depth, offset, at = index_shard_offset(heap->file, shard);
    uint64_t size = count * 2 * WORD_SIZE < LINE_SIZE ? LINE_SIZE : count * 2 * WORD_SIZE;
    uint64_t *values;
    int error;

    if (directory->depth >= DIRECTORY_DEPTH_MAX) {
        error_set("%s: shard %" PRIu32 ": the index directory cannot grow any further", heap->file->path, shard);
        return SDB_ENOSPC;
    }
    values = calloc(1, size);
    if (!values)
        return SDB_ENOMEM;
    error = heap_alloc(heap, tx, shard, size, &offset);
    for (uint64_t i = 0; i < count && !error; i++) {
        uint64_t from = directory->offset + i * WORD_SIZE, value;

        if (!checked_value(tx_load(tx, from), from, &value))
            error = damaged(heap, "index directory", from);
        values[i * 2] = checked_word(value, offset + i * 2 * WORD_SIZE);
        values[i * 2 + 1] = checked_word(value, offset + (i * 2 + 1) * WORD_SIZE);
    }
    if (!error) {
        persist_copy(heap->file->base + offset, values, size);
        tx_add_range(tx, offset, size, true);
        error = heap_free(heap, tx, shard, directory->offset);
    }
    free(values);
    if (error)
        return error;
    directory->offset = offset;
    directory->depth++;
    tx_store(tx, at, checked_word(root_value(directory->depth, offset), at));
    return SDB_OK;
}

/* Stages the directory words of one segment: all slots that share the hash's first `depth` bits. */
static void publish(struct tx *tx, const struct directory *directory, uint64_t prefix, unsigned depth, unsigned code,
                    uint64_t segment)
{
    uint64_t span = 1ull << (directory->depth - depth), first = prefix * span;

    for (uint64_t i = first; i < first + span; i++) {
        uint64_t at = directory->offset + i * WORD_SIZE;

        tx_store(tx, at, checked_word(directory_value(depth, code, segment), at));
    }
}

static int enlarge(struct heap *heap, struct tx *tx, uint32_t shard, const struct directory *directory, uint64_t prefix,
                   unsigned depth, const struct moving *moving, unsigned count)
{
    struct image image = {.buckets = SEGMENT_BUCKETS_LARGE};
    uint64_t offset;
    int error;

    for (unsigned i = 0; i < count; i++)
        if (!image_put(&image, moving[i].hash, moving[i].word))
            return SDB_ECONDITION; /* it does not fit: the caller splits instead */
    error = write_segment(heap, tx, shard, &image, &offset);
    if (!error)
        publish(tx, directory, prefix, depth, 1, offset);
    return error;
}

static int split(struct heap *heap, struct tx *tx, uint32_t shard, struct directory *directory, uint64_t hash,
                 unsigned depth, const struct moving *moving, unsigned count)
{
    int error = SDB_OK;

    if (depth == directory->depth)
        error = double_directory(heap, tx, shard, directory);
    for (unsigned half = 0; half < 2 && !error; half++) {
        uint64_t prefix = index_directory_slot(heap->file, hash, depth) * 2 + half, offset;
        struct image image = {.buckets = SEGMENT_BUCKETS_SMALL};
        unsigned code = 0;

        for (unsigned i = 0; i < count; i++) {
            if (index_directory_slot(heap->file, moving[i].hash, depth + 1) != prefix)
                continue;
            if (!image_put(&image, moving[i].hash, moving[i].word)) {
                if (code) {
                    error_set("%s: shard %" PRIu32 ": too many keys of one hash", heap->file->path, shard);
                    return SDB_ENOSPC;
                }
                /* An uneven split: this half starts large, all of its words anew. */
                memset(&image, 0, sizeof(image));
                image.buckets = SEGMENT_BUCKETS_LARGE;
                code = 1;
                i = UINT32_MAX;
            }
        }
        error = write_segment(heap, tx, shard, &image, &offset);
        if (!error)
            publish(tx, directory, prefix, depth + 1, code, offset);
    }
    return error;
}

int index_grow(struct heap *heap, struct tx *tx, uint32_t shard, uint64_t hash)
{
    struct moving moving[SEGMENT_WORDS_MAX];
    struct directory directory;
    struct index_place place;
    uint64_t at, value;
    unsigned count, depth;
    int error = read_directory(heap, tx, shard, &directory);

    if (error)
        return error;
    at = directory.offset + index_directory_slot(heap->file, hash, directory.depth) * WORD_SIZE;
    if (index_place(heap, tx, shard, hash, &place) != INDEX_FOUND || !checked_value(tx_load(tx, at), at, &value))
        return SDB_ECORRUPT;
    depth = directory_value_depth(value);
    if (depth > directory.depth)
        return damaged(heap, "index directory", at);
    error = collect(heap, tx, &place, moving, &count);
    if (error)
        return error;
    error = SDB_ECONDITION;
    if (directory_value_code(value) == 0)
        error = enlarge(heap, tx, shard, &directory, index_directory_slot(heap->file, hash, depth), depth, moving, count);
    if (error == SDB_ECONDITION)
        error = split(heap, tx, shard, &directory, hash, depth, moving, count);
    return error ? error : heap_free(heap, tx, shard, place.segment);
}

int index_create(struct heap *heap, struct tx *tx, uint32_t shard)
{
    static const struct image empty = {.buckets = SEGMENT_BUCKETS_SMALL};
    uint64_t words[LINE_SIZE / WORD_SIZE] = {0}, segment, offset, at = index_shard_offset(heap->file, shard);
    int error = write_segment(heap, tx, shard, &empty, &segment);

    if (!error)
        error = heap_alloc(heap, tx, shard, sizeof(words), &offset);
    if (error)
        return error;
    words[0] = checked_word(directory_value(0, 0, segment), offset);
    persist_copy(heap->file->base + offset, words, sizeof(words));
    tx_add_range(tx, offset, sizeof(words), true);
    tx_store(tx, at, checked_word(root_value(0, offset), at));
    return tx->failed ? SDB_ENOMEM : SDB_OK;
}
