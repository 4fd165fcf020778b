/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * repair_index.c - what the index proves of entries, and which of its words go
 * Media:   reads shard headers, directories, segments; stores index words and shard headers, zero all of them
 * Commit:  single words, after the entries are final; a run that is cut short finds the rest again
 * Holds:   an index whose directory is damaged, or whose blocks are another's, goes as a whole: the entries hold all that is in it.
 * Threads: see repair.h
 * Memory:  none
 */
#include <inttypes.h>
#include <string.h>

#include "entry.h"
#include "heap_internal.h"
#include "index_internal.h"
#include "repair_internal.h"

#define DEPTH_MAX 32u

/* A segment as it is walked. */
struct walk {
    uint32_t shard;
    uint64_t segment;
    uint32_t buckets;
    unsigned depth; /* local */
    uint64_t prefix;
};

typedef void segment_fn(struct repair *repair, const struct walk *walk);

static bool in_heap(const struct repair *repair, uint64_t offset, uint64_t size)
{
    const uint64_t end = (uint64_t)repair->extent_count << EXTENT_SHIFT;

    return offset >= (uint64_t)repair->first_extent << EXTENT_SHIFT && offset < end && size <= end - offset;
}

/* Whether the word stands where the key of its entry says, and the entry is live and whole. */
static bool leads_properly(const struct repair *repair, const struct walk *walk, uint64_t word, uint32_t bucket)
{
    const uint64_t entry = index_word_entry(word);
    uint64_t words[4];
    uint8_t scratch[16];
    struct index_key key;
    const uint8_t *data;
    size_t size;

    repair_load_entry(repair, entry, words);
    if (!entry_valid(words, entry) || meta_type(words[0]) == 0 || !entry_type_is_sane(words[0]) || !entry_is_sane(words) ||
        (meta_key_code(words[0]) == CODE_BLOB && !entry_blob_verify(repair->file, words[1])) ||
        !entry_key(repair->file, words, scratch, &data, &size))
        return false;
    index_key_init(&key, repair->file, meta_database(words[0]), data, size);
    const uint32_t first = index_bucket(key.hash, walk->buckets);
    return key.shard == walk->shard && index_word_tag(word) == index_tag(key.hash) &&
           index_directory_slot(repair->file, key.hash, walk->depth) == walk->prefix &&
           (bucket == first || bucket == index_other_bucket(first, index_tag(key.hash), walk->buckets));
}

static struct repair_bits *bits_of_entry(struct repair *repair, uint64_t entry)
{
    struct repair_extent *extent = repair_extent_at(repair, entry);

    return extent != NULL && entry % EXTENT_SIZE >= PAGE_SIZE_POOL ? repair_bits_of(repair, extent) : NULL;
}

/* ---- Reading ---- */

static void read_segment(struct repair *repair, const struct walk *walk)
{
    for (uint32_t i = 0; i < walk->buckets * BUCKET_WORDS; i++) {
        const uint64_t word = repair_load(repair, walk->segment + i * WORD_SIZE), entry = index_word_entry(word);

        if (word == 0 || !index_word_valid(word))
            continue;
        struct repair_bits *bits = bits_of_entry(repair, entry);
        if (bits == NULL)
            continue;
        repair_bit_set(bits->pointed, repair_slot(entry));
        if (!repair_bit(bits->indexed, repair_slot(entry)) && leads_properly(repair, walk, word, i / BUCKET_WORDS) &&
            repair_entry_page(repair, entry, walk->shard))
            repair_bit_set(bits->indexed, repair_slot(entry));
    }
}

/* What a directory word leads to. False: damage. */
static bool read_slot(const struct repair *repair, uint32_t shard, uint64_t slot, struct walk *walk)
{
    const struct repair_shard *header = &repair->shards[shard];
    const uint64_t at = header->directory + slot * WORD_SIZE;
    uint64_t value;

    if (!checked_value(repair_load(repair, at), at, &value) || value == 0 || directory_value_code(value) > 1 ||
        directory_value_depth(value) > header->depth)
        return false;
    *walk = (struct walk){.shard = shard,
                          .segment = directory_value_segment(value),
                          .buckets = index_segment_buckets(directory_value_code(value)),
                          .depth = directory_value_depth(value)};
    walk->prefix = slot >> (header->depth - walk->depth);
    return in_heap(repair, walk->segment, (uint64_t)walk->buckets * LINE_SIZE);
}

/* Whether all slots of a segment say the same of it. */
static bool slots_agree(const struct repair *repair, const struct walk *walk, uint64_t slot, uint64_t span)
{
    for (uint64_t i = 1; i < span; i++) {
        struct walk other;

        if (!read_slot(repair, walk->shard, slot + i, &other) || other.segment != walk->segment ||
            other.depth != walk->depth || other.buckets != walk->buckets)
            return false;
    }
    return true;
}

/* Visits each segment; what is damaged makes the shard's index lost, and is passed over. */
static void walk_segments(struct repair *repair, uint32_t shard, segment_fn *visit)
{
    struct repair_shard *header = &repair->shards[shard];

    for (uint64_t slot = 0; header->present && slot < 1ull << header->depth; slot++) {
        struct walk walk;

        if (!read_slot(repair, shard, slot, &walk)) {
            header->lost = true;
            continue;
        }
        const uint64_t span = 1ull << (header->depth - walk.depth);
        visit(repair, &walk);
        if (slot % span == 0 && slots_agree(repair, &walk, slot, span))
            slot += span - 1;
        else
            header->lost = true;
    }
}

static void read_shard(struct repair *repair, uint32_t shard)
{
    const uint64_t at = index_shard_offset(repair->file, shard);
    struct repair_shard *header = &repair->shards[shard];
    uint64_t value;

    if (!checked_value(repair_load(repair, at), at, &value)) {
        header->lost = true;
        return;
    }
    header->depth = root_value_depth(value);
    header->directory = root_value_directory(value);
    header->present = value != 0 && header->depth <= DEPTH_MAX &&
                      in_heap(repair, header->directory, WORD_SIZE << header->depth);
    header->lost = !header->present; /* an empty shard that has no entries loses nothing by it */
    walk_segments(repair, shard, read_segment);
}

void repair_index_read(struct repair *repair)
{
    for (uint32_t shard = 0; shard < repair->file->superblock.shards; shard++)
        read_shard(repair, shard);
}

/* ---- Asking ---- */

static bool find_buckets(const struct repair *repair, uint32_t shard, uint64_t hash, uint64_t at[2])
{
    const struct repair_shard *header = &repair->shards[shard];
    struct walk walk;

    if (!header->present || !read_slot(repair, shard, index_directory_slot(repair->file, hash, header->depth), &walk))
        return false;
    const uint32_t bucket = index_bucket(hash, walk.buckets);
    at[0] = index_bucket_offset(walk.segment, bucket);
    at[1] = index_bucket_offset(walk.segment, index_other_bucket(bucket, index_tag(hash), walk.buckets));
    return true;
}

bool repair_index_leads(const struct repair *repair, uint32_t shard, uint64_t hash, uint64_t entry)
{
    uint64_t at[2];

    if (!find_buckets(repair, shard, hash, at))
        return false;
    for (unsigned i = 0; i < 2 * BUCKET_WORDS; i++)
        if (repair_load(repair, at[i / BUCKET_WORDS] + i % BUCKET_WORDS * WORD_SIZE) == index_word(index_tag(hash), entry))
            return true;
    return false;
}

/* Whether a word is of use: it leads to an entry that the index was found to lead to. */
static bool is_of_use(const struct repair *repair, uint64_t word)
{
    const struct repair_extent *extent = repair_extent_at(repair, index_word_entry(word));

    return index_word_valid(word) && extent != NULL && extent->bits != NULL &&
           repair_bit(extent->bits->indexed, repair_slot(index_word_entry(word)));
}

bool repair_index_has_key(const struct repair *repair, uint32_t shard, uint64_t hash, unsigned database, const void *key, size_t key_size)
{
    uint64_t at[2], words[4];

    if (!find_buckets(repair, shard, hash, at))
        return false;
    for (unsigned i = 0; i < 2 * BUCKET_WORDS; i++) {
        const uint64_t word = repair_load(repair, at[i / BUCKET_WORDS] + i % BUCKET_WORDS * WORD_SIZE);

        if (word == 0 || index_word_tag(word) != index_tag(hash) || !is_of_use(repair, word))
            continue;
        repair_load_entry(repair, index_word_entry(word), words);
        if (entry_compare_key(repair->file, words, database, key, key_size) == ENTRY_SAME)
            return true;
    }
    return false;
}

bool repair_index_explains(const struct repair *repair, uint32_t shard, uint64_t hash)
{
    uint64_t at[2];

    if (repair->shards[shard].lost || !find_buckets(repair, shard, hash, at))
        return true;
    for (unsigned i = 0; i < 2; i++) {
        uint64_t any = 0;

        for (unsigned w = 0; w < BUCKET_WORDS; w++) {
            const uint64_t word = repair_load(repair, at[i] + w * WORD_SIZE);
            any |= word;
            if (word != 0 && !is_of_use(repair, word))
                return true;
        }
        if (any == 0)
            return true;
    }
    return false;
}

/* ---- Telling ---- */

/* Of an entry that was judged, and is not dropped: whether a live one stands there. */
static bool is_kept(const struct repair *repair, uint64_t entry)
{
    const struct repair_extent *extent = repair_extent_at(repair, entry);
    uint64_t words[4];

    repair_load_entry(repair, entry, words);
    return extent->state == EXTENT_PAGES && extent->types[heap_page_of(entry)] == PAGE_ENTRIES && meta_type(words[0]) != 0;
}

static void tell_segment(struct repair *repair, const struct walk *walk)
{
    for (uint32_t i = 0; i < walk->buckets * BUCKET_WORDS; i++) {
        const uint64_t word = repair_load(repair, walk->segment + i * WORD_SIZE), entry = index_word_entry(word);
        struct repair_bits *bits;

        if (word == 0 || !index_word_valid(word) || is_of_use(repair, word))
            continue;
        bits = bits_of_entry(repair, entry);
        if (bits == NULL || repair_bit(bits->dropped, repair_slot(entry)) || is_kept(repair, entry))
            continue;
        repair_bit_set(bits->dropped, repair_slot(entry)); /* told once; no entry stays here */
        repair_tell(repair, entry, "an index word leads here, and its key is not here any more", 0, NULL, 0, true);
    }
}

void repair_index_tell(struct repair *repair)
{
    for (uint32_t shard = 0; shard < repair->file->superblock.shards; shard++)
        walk_segments(repair, shard, tell_segment);
}

/* ---- Claiming ---- */

static void claim_segment(struct repair *repair, const struct walk *walk)
{
    if (!repair_claim(repair, walk->segment, (uint64_t)walk->buckets * LINE_SIZE, walk->shard, REPAIR_SEGMENT))
        repair->shards[walk->shard].lost = true;
}

void repair_index_claim(struct repair *repair)
{
    for (uint32_t shard = 0; shard < repair->file->superblock.shards; shard++) {
        struct repair_shard *header = &repair->shards[shard];
        const uint64_t size = WORD_SIZE << header->depth;

        if (!header->present || header->lost)
            continue;
        if (repair_claim(repair, header->directory, size < LINE_SIZE ? LINE_SIZE : size, shard, REPAIR_BLOCK))
            walk_segments(repair, shard, claim_segment);
        else
            header->lost = true;
    }
}

/* ---- Storing ---- */

/* Words that lead to what stays, each entry once, stay. `pointed` is used anew: set where a word was kept. */
static void store_segment(struct repair *repair, const struct walk *walk)
{
    for (uint32_t i = 0; i < walk->buckets * BUCKET_WORDS; i++) {
        const uint64_t at = walk->segment + i * WORD_SIZE, word = repair_load(repair, at), entry = index_word_entry(word);
        bool keep = word != 0 && is_of_use(repair, word) && leads_properly(repair, walk, word, i / BUCKET_WORDS);

        if (word == 0)
            continue;
        if (keep) {
            struct repair_bits *bits = repair_extent_at(repair, entry)->bits;
            keep = !repair_bit(bits->pointed, repair_slot(entry)) && !repair_bit(bits->dropped, repair_slot(entry));
            if (keep)
                repair_bit_set(bits->pointed, repair_slot(entry));
        }
        if (!keep) {
            repair_store(repair, at, 0);
            repair->result->index_words_dropped++;
        }
    }
}

void repair_index_store(struct repair *repair)
{
    for (uint32_t i = repair->first_extent; i < repair->extent_count; i++)
        if (repair->extents[i].bits != NULL)
            memset(repair->extents[i].bits->pointed, 0, sizeof(repair->extents[i].bits->pointed));
    for (uint32_t shard = 0; shard < repair->file->superblock.shards; shard++) {
        const uint64_t at = index_shard_offset(repair->file, shard);

        if (repair->shards[shard].lost)
            repair_store(repair, at, 0);
        else
            walk_segments(repair, shard, store_segment);
        for (unsigned i = 1; i < sizeof(struct sdb_m_shard) / WORD_SIZE; i++)
            repair_store(repair, at + i * WORD_SIZE, 0);
    }
}
