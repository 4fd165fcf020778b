/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * check_index.c - every directory, segment and index word, from the shard headers down
 * Media:   reads struct sdb_m_shard, directories, segments
 * Holds:   a directory is remembered only after its block was found and claimed, so that check_index_find stays
 *          inside it; a segment is asked for again each time (check_block_size).
 * Threads: see check.h
 * Memory:  none
 */
#include <inttypes.h>

#include "check_internal.h"
#include "index_internal.h"

#define DEPTH_MAX 40u

static void check_segment(struct check *check, uint32_t shard, uint64_t segment, uint32_t buckets)
{
    const uint64_t size = (uint64_t)buckets * LINE_SIZE;

    check->result->segments++;
    check->result->bytes_checked += size;
    for (uint64_t offset = segment; offset < segment + size; offset += WORD_SIZE) {
        const uint64_t word = check_load(check, offset);
        if (word == 0)
            continue;
        if (!index_word_valid(word))
            check_problem(check, offset, "index word: the check bits are wrong");
        else
            (void)check_claim_entry(check, offset, index_word_entry(word), shard);
    }
}

/* What a directory word leads to. False: reported. */
static bool read_directory_word(struct check *check, uint64_t offset, unsigned depth, uint64_t *value)
{
    if (!check_word(check, offset, "directory", value))
        return false;
    if (*value != 0 && directory_value_depth(*value) <= depth && directory_value_code(*value) <= 1)
        return true;
    check_problem(check, offset, "directory: an impossible value");
    return false;
}

/* One segment's words, which stand side by side from `slot` on. Returns how many there should be. */
static uint64_t check_directory_slot(struct check *check, uint32_t shard, uint64_t slot)
{
    const struct check_shard *header = &check->shards[shard];
    const uint64_t offset = header->directory + slot * WORD_SIZE;
    uint64_t value, other;

    if (!read_directory_word(check, offset, header->depth, &value))
        return 1;
    const uint64_t span = 1ull << (header->depth - directory_value_depth(value));
    if (slot % span != 0) {
        check_problem(check, offset, "directory: slot %" PRIu64 " cannot begin a segment with %" PRIu64 " slots", slot,
                      span);
        return 1;
    }
    for (uint64_t i = 1; i < span; i++)
        if (read_directory_word(check, offset + i * WORD_SIZE, header->depth, &other) && other != value)
            check_problem(check, offset + i * WORD_SIZE,
                          "directory: slots %" PRIu64 " and %" PRIu64 " should lead to the same segment", slot,
                          slot + i);
    const uint32_t buckets = index_segment_buckets(directory_value_code(value));
    const uint64_t segment = directory_value_segment(value);
    if (check_claim_block(check, offset, segment, (uint64_t)buckets * LINE_SIZE, shard, "directory"))
        check_segment(check, shard, segment, buckets);
    return span;
}

static void check_shard_index(struct check *check, uint32_t shard)
{
    const uint64_t offset = index_shard_offset(check->file, shard);
    struct check_shard *header = &check->shards[shard];
    uint64_t value;

    check_zeros(check, offset + offsetof(struct sdb_m_shard, reserved), sizeof(((struct sdb_m_shard *)0)->reserved),
                "shard");
    if (!check_word(check, offset, "shard header", &value) || value == 0)
        return;
    header->depth = root_value_depth(value);
    header->directory = root_value_directory(value);
    if (header->depth > DEPTH_MAX) {
        check_problem(check, offset, "shard header: the impossible depth %u", header->depth);
        return;
    }
    const uint64_t slots = 1ull << header->depth;
    if (!check_claim_block(check, offset, header->directory, slots * WORD_SIZE, shard, "shard header"))
        return;
    header->present = true;
    for (uint64_t slot = 0; slot < slots;)
        slot += check_directory_slot(check, shard, slot);
}

void check_indexes(struct check *check)
{
    for (uint32_t shard = 0; shard < check->file->superblock.shards; shard++)
        check_shard_index(check, shard);
}

/* The two buckets of a hash. False: there is no segment for it, or damage on the way, which was reported. */
static bool find_place(const struct check *check, uint32_t shard, uint64_t hash, uint64_t buckets_at[2])
{
    const struct check_shard *header = &check->shards[shard];
    uint64_t value;

    if (!header->present)
        return false;
    const uint64_t offset = header->directory + index_directory_slot(check->file, hash, header->depth) * WORD_SIZE;
    if (!checked_value(check_load(check, offset), offset, &value) || value == 0 || directory_value_code(value) > 1)
        return false;
    const uint32_t buckets = index_segment_buckets(directory_value_code(value));
    const uint64_t segment = directory_value_segment(value);
    if (check_block_size(check, segment) < (uint64_t)buckets * LINE_SIZE)
        return false;
    const uint32_t bucket = index_bucket(hash, buckets);
    buckets_at[0] = index_bucket_offset(segment, bucket);
    buckets_at[1] = index_bucket_offset(segment, index_other_bucket(bucket, index_tag(hash), buckets));
    return true;
}

uint64_t check_index_find(const struct check *check, uint32_t shard, uint64_t hash, uint64_t entry)
{
    const uint64_t wanted = index_word(index_tag(hash), entry);
    uint64_t buckets_at[2];

    if (!find_place(check, shard, hash, buckets_at))
        return 0;
    for (unsigned i = 0; i < 2 * BUCKET_WORDS; i++) {
        const uint64_t offset = buckets_at[i / BUCKET_WORDS] + i % BUCKET_WORDS * WORD_SIZE;
        if (check_load(check, offset) == wanted)
            return offset;
    }
    return 0;
}

void check_index_neighbours(struct check *check, uint32_t shard, uint64_t hash, uint64_t entry, check_visit_fn *visit,
                            void *context)
{
    uint64_t buckets_at[2];

    if (!find_place(check, shard, hash, buckets_at))
        return;
    for (unsigned i = 0; i < (buckets_at[0] == buckets_at[1] ? 1 : 2) * BUCKET_WORDS; i++) {
        const uint64_t word = check_load(check, buckets_at[i / BUCKET_WORDS] + i % BUCKET_WORDS * WORD_SIZE);
        if (word != 0 && index_word_valid(word) && index_word_tag(word) == index_tag(hash) &&
            index_word_entry(word) != entry && check_is_entry(check, index_word_entry(word)))
            visit(check, context, index_word_entry(word));
    }
}
