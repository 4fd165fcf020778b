/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * repair_entry.c - which entries stay
 * Media:   reads struct sdb_m_entry, struct sdb_m_blob; stores entries that go as free ones
 * Commit:  an entry that goes is four words, the one with its type first; a run that is cut short finds it damaged and not live, or free
 * Holds:   1. An entry stays where its check bits, its key and its value are right, its shard is its key's, and the index leads to it.
 *          2. One that nothing leads to goes where the index leads to another entry of its key: that one is newer. It goes, too, where
 *             the pool was closed and the counts miss none of its database's keys, or no more than those whose index words were lost to
 *             damage that can be seen: it is of the past. Else it stays, and is told of: a sound key is rather put back than dropped.
 * Threads: see repair.h
 * Memory:  none
 */
#include <inttypes.h>

#include "entry.h"
#include "heap_internal.h"
#include "index_internal.h"
#include "packed.h"
#include "repair_internal.h"
#include "tree_kind.h"

/* Damage may have been to the generation: the next one is no neighbour of what is there, so that no handle fits by a single bit. */
#define GENERATION_STEP 257u

struct subject {
    uint64_t offset;
    uint64_t words[4];
    struct repair_extent *extent;
    uint8_t scratch[16];
    const uint8_t *key;
    size_t key_size;
    uint64_t hash;
};

static void drop(struct repair *repair, const struct subject *subject, const char *what, bool named, bool lost)
{
    struct repair_bits *bits = repair_bits_of(repair, subject->extent);

    if (bits != NULL)
        repair_bit_set(bits->dropped, repair_slot(subject->offset));
    repair_tell(repair, subject->offset, what, meta_database(subject->words[0]), named ? subject->key : NULL,
                named ? subject->key_size : 0, lost);
}

/* The key's bytes, whose checksum is right, and its hash. */
static bool read_key(const struct repair *repair, struct subject *subject)
{
    struct index_key key;

    if (!entry_is_sane(subject->words) ||
        (meta_key_code(subject->words[0]) == CODE_BLOB && !entry_blob_verify(repair->file, subject->words[1])) ||
        !entry_key(repair->file, subject->words, subject->scratch, &subject->key, &subject->key_size))
        return false;
    index_key_init(&key, repair->file, meta_database(subject->words[0]), subject->key, subject->key_size);
    subject->hash = key.hash;
    return key.shard == subject->extent->shard;
}

static bool is_pointed(const struct subject *subject)
{
    return subject->extent->bits != NULL && repair_bit(subject->extent->bits->pointed, repair_slot(subject->offset));
}

/* Of an entry whose check bits are wrong: whether its key is the one of an index word that leads here. */
static bool has_name(const struct repair *repair, struct subject *subject)
{
    return is_pointed(subject) && read_key(repair, subject) &&
           repair_index_leads(repair, subject->extent->shard, subject->hash, subject->offset);
}

/* Check bits that are wrong: the key may still be told, by its index word. Without one, the entry was free. */
static void judge_damaged(struct repair *repair, struct subject *subject)
{
    const bool named = has_name(repair, subject);
    const bool was_live = is_pointed(subject) || repair->shards[subject->extent->shard].lost;

    drop(repair, subject, was_live ? "an entry is damaged: its check bits are wrong" : "a free entry is damaged", named, was_live);
}

static bool database_is_known(const struct repair *repair, unsigned id)
{
    for (unsigned i = 0; i < SDB_DATABASES; i++)
        if (repair->physical[i] == id)
            return true;
    return id == DATABASE_ID_SYSTEM || repair_bit(repair->dead, id);
}

static bool claim_blob(struct repair *repair, const struct subject *subject, uint64_t reference)
{
    const uint8_t *data;
    uint32_t size;

    return entry_blob(repair->file, reference, &data, &size) &&
           repair_claim(repair, blob_reference_offset(reference), sizeof(struct sdb_m_blob) + (uint64_t)size,
                        subject->extent->shard, REPAIR_BLOCK);
}

static bool packed_is_sane(const struct repair *repair, const struct subject *subject)
{
    const unsigned type = meta_type(subject->words[0]);
    const uint8_t *data;
    uint32_t size;

    return type == VALUE_STRING || (entry_blob(repair->file, subject->words[entry_value_index(subject->words[0])], &data, &size) &&
                                    packed_verify(repair->file, tree_kind_of(type), data, size));
}

static const char *judge_value(struct repair *repair, const struct subject *subject)
{
    const uint64_t meta = subject->words[0], reference = subject->words[entry_value_index(meta)];

    if (meta_key_code(meta) == CODE_BLOB && subject->key_size > SDB_KEY_SIZE_MAX)
        return "its key is longer than any may be";
    if (meta_value_code(meta) == CODE_BLOB && !entry_blob_verify(repair->file, reference))
        return "its value is damaged: the checksum is wrong";
    if (meta_value_code(meta) == CODE_BLOB && !packed_is_sane(repair, subject))
        return "its value is damaged: it makes no sense as a collection";
    if (meta_key_code(meta) == CODE_BLOB && !claim_blob(repair, subject, subject->words[1]))
        return "its key lies where something else is";
    if (meta_value_code(meta) == CODE_BLOB && !claim_blob(repair, subject, reference))
        return "its value lies where something else is";
    if (meta_value_code(meta) == CODE_TREE)
        return repair_tree(repair, entry_tree(subject->words), meta_type(meta), subject->extent->shard);
    return NULL;
}

static bool has_newer(const struct repair *repair, const struct subject *subject)
{
    return repair_index_has_key(repair, subject->extent->shard, subject->hash, meta_database(subject->words[0]), subject->key,
                                subject->key_size);
}

/* Of an entry that nothing leads to: whether the counts of the last close have no room for it. */
static bool is_of_the_past(const struct repair *repair, const struct subject *subject)
{
    const unsigned database = meta_database(subject->words[0]);
    uint64_t there = repair->led[database];

    if (repair->closed == NULL)
        return false;
    if (!repair_index_explains(repair, subject->extent->shard, subject->hash))
        there += repair->explained[database];
    return repair->closed[database] <= there;
}

/* Counts the keys that the index leads to, and those whose index words were lost to damage that can be seen: they come before others. */
static void count(struct repair *repair, struct repair_extent *extent, uint64_t offset, unsigned which)
{
    struct subject subject = {.offset = offset, .extent = extent};
    const bool indexed = extent->bits != NULL && repair_bit(extent->bits->indexed, repair_slot(offset));

    (void)which;
    repair_load_entry(repair, offset, subject.words);
    const unsigned database = meta_database(subject.words[0]);
    const bool sound = entry_valid(subject.words, offset);
    if (indexed) {
        repair->led[database]++;
        return;
    }
    const bool named = !sound && has_name(repair, &subject);
    if (named)
        repair->led[database]++;
    else if (sound && meta_type(subject.words[0]) != 0 && entry_type_is_sane(subject.words[0]) && read_key(repair, &subject) &&
             !has_newer(repair, &subject) && repair_index_explains(repair, extent->shard, subject.hash))
        repair->explained[database]++;
    else
        return;
    struct repair_bits *bits = repair_bits_of(repair, extent);
    if (bits != NULL)
        repair_bit_set(named ? bits->named : bits->explained, repair_slot(offset));
}

static void judge_live(struct repair *repair, struct subject *subject, bool indexed)
{
    const uint64_t meta = subject->words[0];
    const char *wrong = NULL;

    if (!entry_type_is_sane(meta) || !entry_is_sane(subject->words)) {
        drop(repair, subject, "an entry has an impossible type or size", false, true);
        return;
    }
    if (!read_key(repair, subject)) {
        drop(repair, subject, "an entry's key is damaged, or another shard's", false, true);
        return;
    }
    if (!indexed && has_newer(repair, subject)) {
        drop(repair, subject, "the index leads to a newer entry of its key: this one goes", true, false);
        repair->result->entries_older++;
        return;
    }
    if (!database_is_known(repair, meta_database(meta)))
        wrong = "its database is not in use: it is of the past";
    else if (!indexed && is_of_the_past(repair, subject))
        wrong = "nothing leads to it, and the counts of the last close miss no key: it is of the past";
    else
        wrong = judge_value(repair, subject);
    if (wrong != NULL) {
        drop(repair, subject, wrong, true, true);
        return;
    }
    repair->result->keys_kept++;
    if (!indexed && !repair->shards[subject->extent->shard].lost)
        repair_tell(repair, subject->offset, "nothing led to it, and it is put back: it may be older than the last change of its key",
                    meta_database(meta), subject->key, subject->key_size, false);
    repair->result->index_words_missing += !indexed || repair->shards[subject->extent->shard].lost;
}

static void judge(struct repair *repair, struct repair_extent *extent, uint64_t offset, unsigned indexed)
{
    struct subject subject = {.offset = offset, .extent = extent};
    const bool is_indexed = extent->bits != NULL && repair_bit(extent->bits->indexed, repair_slot(offset));

    if (is_indexed != indexed)
        return;
    repair_load_entry(repair, offset, subject.words);
    if (!entry_valid(subject.words, offset))
        judge_damaged(repair, &subject);
    else if (meta_type(subject.words[0]) != 0)
        judge_live(repair, &subject, indexed);
}

/* Calls for every slot of every page of entries. */
typedef void slot_fn(struct repair *repair, struct repair_extent *extent, uint64_t offset, unsigned which);

static void for_slots(struct repair *repair, slot_fn *visit, unsigned which)
{
    for (uint32_t index = repair->first_extent; index < repair->extent_count; index++) {
        struct repair_extent *extent = &repair->extents[index];

        for (unsigned page = 1; extent->state == EXTENT_PAGES && page < PAGES_PER_EXTENT; page++) {
            const uint64_t start = heap_page_start(index * PAGES_PER_EXTENT + page);
            for (unsigned i = 0; extent->types[page] == PAGE_ENTRIES && i < ENTRIES_PER_PAGE; i++)
                visit(repair, extent, start + i * ENTRY_SIZE, which);
        }
    }
}

void repair_entries_judge(struct repair *repair, bool indexed)
{
    if (!indexed && repair->closed != NULL)
        for_slots(repair, count, 0);
    for_slots(repair, judge, indexed);
}

void repair_entries_count(const struct repair *repair, uint64_t counts[DATABASE_IDS])
{
    for (uint32_t index = repair->first_extent; index < repair->extent_count; index++) {
        for (unsigned page = 1; page < PAGES_PER_EXTENT; page++) {
            const uint64_t start = heap_page_start(index * PAGES_PER_EXTENT + page);
            for (unsigned i = 0; repair->extents[index].types[page] == PAGE_ENTRIES && i < ENTRIES_PER_PAGE; i++) {
                uint64_t words[4];

                repair_load_entry(repair, start + i * ENTRY_SIZE, words);
                if (meta_type(words[0]) != 0 && entry_valid(words, start + i * ENTRY_SIZE))
                    counts[meta_database(words[0])]++;
            }
        }
    }
}

static enum repair_turn turn_of(const struct repair_extent *extent, uint64_t slot)
{
    if (extent->bits != NULL && (repair_bit(extent->bits->indexed, slot) || repair_bit(extent->bits->named, slot)))
        return REPAIR_LED;
    return extent->bits != NULL && repair_bit(extent->bits->explained, slot) ? REPAIR_EXPLAINED : REPAIR_UNLED;
}

static void store(struct repair *repair, struct repair_extent *extent, uint64_t offset, unsigned turn)
{
    uint64_t words[4];

    if (turn_of(extent, repair_slot(offset)) != turn)
        return;
    repair_load_entry(repair, offset, words);
    if (extent->bits != NULL && repair_bit(extent->bits->dropped, repair_slot(offset))) {
        const uint64_t generation = (words[0] >> META_GENERATION_SHIFT) + GENERATION_STEP;

        words[0] = (generation & 0xffff) << META_GENERATION_SHIFT;
        words[1] = words[2] = words[3] = 0;
        entry_seal(words, offset);
        for (unsigned i = 0; i < 4; i++) /* no live one from the first word on: zeros behind it could be what it had before the damage */
            repair_store(repair, offset + i * WORD_SIZE, words[i]);
    } else if (words[0] & META_BUSY) {
        repair_store(repair, offset, words[0] & ~META_BUSY);
    }
}

void repair_entries_store(struct repair *repair, enum repair_turn turn)
{
    for_slots(repair, store, turn);
}
