/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * check_entry.c - every handle entry, its key and value, and its way through the index
 * Media:   reads struct sdb_m_entry, struct sdb_m_blob
 * Holds:   a blob's bytes are read only after its block was claimed and found large enough.
 * Threads: see check.h
 * Memory:  none
 */
#include <inttypes.h>
#include <string.h>

#include "check_internal.h"
#include "entry.h"
#include "heap_internal.h"
#include "index_internal.h"
#include "packed.h"
#include "tree_kind.h"

/* An entry as it is being checked. */
struct subject {
    uint64_t offset;
    uint64_t words[4];
    uint32_t shard;
    const uint8_t *key;
    size_t key_size;
};

static void load_entry(const struct check *check, uint64_t offset, uint64_t words[4])
{
    for (unsigned i = 0; i < 4; i++)
        words[i] = check_load(check, offset + i * WORD_SIZE);
}

bool check_blob(struct check *check, uint64_t from, uint64_t reference, uint32_t shard, uint32_t size_max, const char *what)
{
    const uint64_t offset = blob_reference_offset(reference);

    if (check_block_size(check, offset) == 0) {
        check_problem(check, from, "%s: leads to offset %" PRIu64 ", where no block is allocated", what, offset);
        return false;
    }
    const uint64_t header = check_load(check, offset);
    const uint32_t size = (uint32_t)header;
    if (!check_claim_block(check, from, offset, sizeof(struct sdb_m_blob) + (uint64_t)size, shard, what))
        return false;
    check->result->blobs++;
    check->result->bytes_checked += sizeof(struct sdb_m_blob) + size;
    if ((uint16_t)(header >> 32) != blob_reference_check(reference)) {
        check_problem(check, from, "%s: the blob at offset %" PRIu64 " is not the one that was meant", what, offset);
        return false;
    }
    if (entry_blob_checksum(offset, check->file->base + offset + sizeof(struct sdb_m_blob), size) != header >> 32) {
        check_problem(check, offset, "%s: the checksum of the blob's %" PRIu32 " bytes is wrong", what, size);
        return false;
    }
    if (size > size_max) {
        check_problem(check, offset, "%s: a blob of %" PRIu32 " bytes, more than any may have", what, size);
        return false;
    }
    return true;
}

/* The blob that payload word `index` leads to. False: reported, and its bytes must not be used. */
static bool check_payload_blob(struct check *check, const struct subject *subject, unsigned index, uint32_t size_max, const char *what)
{
    return check_blob(check, subject->offset + index * WORD_SIZE, subject->words[index], subject->shard, size_max, what);
}

static void check_key_is_unique(struct check *check, void *context, uint64_t other)
{
    const struct subject *subject = context;
    uint64_t words[4];

    /* Each pair once; an entry that is damaged itself is reported where it stands. */
    if (other > subject->offset)
        return;
    load_entry(check, other, words);
    if (entry_valid(words, other) && meta_type(words[0]) != SDB_TYPE_NONE && entry_is_sane(words) &&
        entry_compare_key(check->file, words, meta_database(subject->words[0]), subject->key, subject->key_size) ==
            ENTRY_SAME)
        check_problem(check, subject->offset, "entry: the entry at offset %" PRIu64 " has the same key", other);
}

/* Where the key leads: to this entry's shard and, through the index, to this entry alone. */
static void check_reachable(struct check *check, struct subject *subject)
{
    struct index_key key;

    index_key_init(&key, check->file, meta_database(subject->words[0]), subject->key, subject->key_size);
    if (key.shard != subject->shard)
        check_problem(check, subject->offset,
                      "entry: its key belongs to shard %" PRIu32 ", the entry to shard %" PRIu32, key.shard,
                      subject->shard);
    else if (check_index_find(check, key.shard, key.hash, subject->offset) == 0)
        check_problem(check, subject->offset, "entry: its key does not lead to it%s",
                      check_is_claimed(check, subject->offset) ? ": the index word stands in the wrong place" : "");
    else
        check_index_neighbours(check, key.shard, key.hash, subject->offset, check_key_is_unique, subject);
}

static void check_database(struct check *check, const struct subject *subject)
{
    const unsigned id = meta_database(subject->words[0]);

    if (check->database_ids_known && (check->database_ids[id / 64] >> id % 64 & 1) == 0)
        check_problem(check, subject->offset, "entry: physical database %u is not in use", id);
    check->keys[id]++;
    check->expiring[id] += (subject->words[0] & META_EXPIRES) != 0;
}

/* The bytes of a small collection, which are as they were written, make sense. */
static void check_packed(struct check *check, const struct subject *subject)
{
    const unsigned type = meta_type(subject->words[0]);
    const uint8_t *data;
    uint32_t size;

    if (type != VALUE_STRING && entry_blob(check->file, subject->words[entry_value_index(subject->words[0])], &data, &size) &&
        !packed_verify(check->file, tree_kind_of(type), data, size))
        check_problem(check, subject->offset, "entry: its collection makes no sense");
}

static void check_live_entry(struct check *check, struct subject *subject)
{
    const uint64_t meta = subject->words[0];
    uint8_t scratch[16];
    bool key_is_good = true;

    check->result->keys++;
    check_database(check, subject);
    if (!entry_type_is_sane(meta) || !entry_is_sane(subject->words)) {
        check_problem(check, subject->offset, "entry: an impossible type or size");
        return;
    }
    if (meta_value_code(meta) == CODE_BLOB && check_payload_blob(check, subject, entry_value_index(meta), SDB_VALUE_SIZE_MAX, "value"))
        check_packed(check, subject);
    if (meta_value_code(meta) == CODE_TREE)
        check_tree(check, subject->offset + entry_value_index(meta) * WORD_SIZE, entry_tree(subject->words),
                   meta_type(meta));
    if (meta_key_code(meta) == CODE_BLOB)
        key_is_good = check_payload_blob(check, subject, 1, SDB_KEY_SIZE_MAX, "key");
    if (key_is_good && entry_key(check->file, subject->words, scratch, &subject->key, &subject->key_size))
        check_reachable(check, subject);
}

static void check_entry(struct check *check, uint64_t offset, uint32_t shard)
{
    struct subject subject = {.offset = offset, .shard = shard};

    load_entry(check, offset, subject.words);
    check->result->bytes_checked += ENTRY_SIZE;
    if (!entry_valid(subject.words, offset)) {
        check_problem(check, offset, "entry: the check bits are wrong");
        return;
    }
    if (subject.words[0] & META_BUSY)
        check_problem(check, offset, "entry: marked as being written");
    if (meta_type(subject.words[0]) != SDB_TYPE_NONE) {
        check_live_entry(check, &subject);
        return;
    }
    check->result->entries_free++;
    if (check_is_claimed(check, offset))
        check_problem(check, offset, "entry: free, and the index leads to it");
}

void check_entries(struct check *check)
{
    for (uint32_t index = check->first_extent; index < check->extent_count; index++) {
        const struct check_extent *extent = &check->extents[index];
        if (extent->state != EXTENT_PAGES)
            continue;
        for (unsigned page = 1; page < PAGES_PER_EXTENT; page++) {
            if (extent->pages[page].type != PAGE_ENTRIES)
                continue;
            const uint64_t start = heap_page_start(index * PAGES_PER_EXTENT + page);
            for (unsigned i = 0; i < ENTRIES_PER_PAGE; i++)
                check_entry(check, start + i * ENTRY_SIZE, extent->shard);
        }
    }
}
