/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lane_recovery.c - what opening a pool does about the commits that a crash interrupted
 * Media:   reads every lane's ring; stores the words of at most two records a lane
 * Commit:  1. a lane's newest record is made durable, with its body and ranges, and a fence: after a kill it may be whole for this
 *             process, and on the medium not at all
 *          2. the words are applied and flushed; one fence for each lane
 *          3. pool_file_mark_open raises the incarnation, which makes every old record invalid
 *          A crash in 1 leaves the record or not; none of its words is in place. In 2: recovery does the same again, words are
 *          absolute (D2, D4).
 * Holds:   1. The newest record counts if its fresh ranges verify; else it was never acknowledged (E4).
 *          2. Its predecessor had its fence before the newest was begun: it is applied without a look at its ranges.
 *          3. Every offset is inside the pool before it is stored to (D6, E14).
 * Threads: one, at open.
 * Memory:  the array of lanes.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "entry.h"
#include "error.h"
#include "hash.h"
#include "lane.h"
#include "lane_internal.h"
#include "persist.h"
#include "root.h"
#include "word.h"

#define CANDIDATES 3

struct candidate {
    uint64_t sequence;
    const uint64_t *items;
    size_t words;
    const uint64_t *record; /* in the ring */
    size_t record_words;
};

/* The record at a line, if there is a whole one that is not retired. */
static bool read_record(const struct lane *lane, const uint8_t *ring, uint64_t at, struct candidate *record)
{
    const uint64_t *words = (const uint64_t *)(const void *)(ring + at);
    size_t size = words[0] & 0xffff;

    record->sequence = words[0] >> 16;
    record->items = words + 2;
    record->words = size;
    record->record = words;
    record->record_words = size + 2;
    return record->sequence > lane->retired && (size + 2) * WORD_SIZE <= lane->ring_size - at &&
           hash_key(lane->seed ^ words[0], words + 2, size * WORD_SIZE) == words[1];
}

/* The newest three whole records, newest first; sequence 0: none. */
static void find_newest(const struct lane *lane, const uint8_t *ring, struct candidate newest[CANDIDATES])
{
    memset(newest, 0, CANDIDATES * sizeof(*newest));
    for (uint64_t at = 0; at + LINE_SIZE <= lane->ring_size; at += LINE_SIZE) {
        struct candidate record;
        int place = CANDIDATES;

        if (!read_record(lane, ring, at, &record))
            continue;
        while (place > 0 && newest[place - 1].sequence < record.sequence)
            place--;
        if (place == CANDIDATES)
            continue;
        memmove(&newest[place + 1], &newest[place], (size_t)(CANDIDATES - 1 - place) * sizeof(*newest));
        newest[place] = record;
    }
}

static bool inside(const struct pool_file *file, uint64_t offset, uint64_t size)
{
    return size <= file->superblock.size && offset <= file->superblock.size - size;
}

/* Where the items of a record really stand. False: its body is not whole. */
static bool resolve_body(const struct pool_file *file, const struct lane *lane, struct candidate *record)
{
    uint64_t offset, words;

    if (record->words != 3 || (record->items[0] & 0xff) != RECORD_BODY)
        return true;
    offset = record->items[0] >> 8;
    words = record->items[1];
    if (words > file->superblock.size / WORD_SIZE || !inside(file, offset, words * WORD_SIZE) || offset % WORD_SIZE ||
        hash_key(lane->seed, file->base + offset, words * WORD_SIZE) != record->items[2])
        return false;
    record->items = (const uint64_t *)(const void *)(file->base + offset);
    record->words = words;
    return true;
}

static bool verify_blob(const struct pool_file *file, uint64_t offset, uint64_t size)
{
    const struct sdb_m_blob *blob = (const struct sdb_m_blob *)(const void *)(file->base + offset);

    return size >= sizeof(*blob) && inside(file, offset, size) && blob->size == size - sizeof(*blob) &&
           entry_blob_checksum(offset, blob + 1, blob->size) == blob->checksum;
}

/* Whether the contents of the record's ranges are the ones that it was written for. */
static bool verify_ranges(const struct pool_file *file, const struct lane *lane, const struct candidate *record)
{
    uint64_t hash = lane->seed;

    for (size_t i = 0; i < record->words;) {
        uint64_t item = record->items[i];

        if ((item & 0xff) == RECORD_LINE) {
            i += 1 + (size_t)__builtin_popcount((unsigned)(item >> 8 & 0xff));
        } else if (i + 1 >= record->words) {
            return false;
        } else if ((item & 0xff) == RECORD_RANGE) {
            if (!inside(file, item >> 8, record->items[i + 1]))
                return false;
            hash = lane_ranges_hash(hash, file, item >> 8, record->items[i + 1]);
            i += 2;
        } else if ((item & 0xff) == RECORD_BLOB) {
            if (!verify_blob(file, item >> 8, record->items[i + 1]))
                return false;
            hash = lane_ranges_hash(hash, file, item >> 8, sizeof(struct sdb_m_blob));
            i += 2;
        } else {
            return (item & 0xff) == RECORD_CONTENTS && record->items[i + 1] == hash;
        }
    }
    return true;
}

/* Makes durable what is visible: the record, whole and verified, and what it refers to. */
static int secure_record(const struct pool_file *file, struct lane *lane, const struct candidate *record)
{
    const struct persist *persist = &file->persist;

    persist_flush(persist, &lane->thread, record->record, record->record_words * WORD_SIZE);
    if (record->items != record->record + 2)
        persist_flush(persist, &lane->thread, record->items, record->words * WORD_SIZE);
    for (size_t i = 0; i < record->words && (record->items[i] & 0xff) != RECORD_CONTENTS;) {
        const uint64_t item = record->items[i];

        if ((item & 0xff) == RECORD_LINE) {
            i += 1 + (size_t)__builtin_popcount((unsigned)(item >> 8 & 0xff));
        } else {
            persist_flush(persist, &lane->thread, file->base + (item >> 8), record->items[i + 1]);
            i += 2;
        }
    }
    return persist_fence(persist, &lane->thread);
}

static int apply_record(struct pool_file *file, struct lane *lane, const struct candidate *record)
{
    for (size_t i = 0; i < record->words;) {
        uint64_t item = record->items[i];
        uint64_t line = item >> 16;
        size_t count = (size_t)__builtin_popcount((unsigned)(item >> 8 & 0xff));
        uint64_t *to = (uint64_t *)(void *)(file->base + line * LINE_SIZE);

        if ((item & 0xff) != RECORD_LINE)
            break;
        if (!inside(file, line * LINE_SIZE, LINE_SIZE) || count > record->words - i - 1) {
            error_set("%s: lane %u: record %" PRIu64 " stores outside the pool", file->path, lane->index, record->sequence);
            return SDB_ECORRUPT;
        }
        i++;
        for (unsigned mask = (unsigned)(item >> 8 & 0xff); mask; mask &= mask - 1)
            persist_store(to + __builtin_ctz(mask), record->items[i++]);
        persist_flush_line(&file->persist, &lane->thread, to);
    }
    return SDB_OK;
}

static int recover_lane(struct lanes *lanes, struct lane *lane)
{
    struct pool_file *file = lanes->file;
    struct candidate newest[CANDIDATES];
    int first = 0, error = SDB_OK;

    find_newest(lane, file->base + lane->offset + LINE_SIZE, newest);
    if (newest[0].sequence == 0)
        return SDB_OK;
    if (!resolve_body(file, lane, &newest[0]) || !verify_ranges(file, lane, &newest[0]))
        first = 1; /* the one before it had its fence */
    else
        error = secure_record(file, lane, &newest[0]);
    if (error)
        return error;
    lane->sequence = newest[0].sequence;
    for (int i = first + 1; i >= first; i--) {
        if (newest[i].sequence == 0 || newest[i].sequence + (uint64_t)(i - first) != newest[first].sequence)
            continue;
        if (i != 0 && !resolve_body(file, lane, &newest[i])) {
            error_set("%s: lane %u: the body of record %" PRIu64 " is damaged", file->path, lane->index,
                      newest[i].sequence);
            return SDB_ECORRUPT;
        }
        error = apply_record(file, lane, &newest[i]);
        if (error)
            return error;
        lanes->recovered++;
    }
    return SDB_OK;
}

static int open_lane(struct lanes *lanes, uint32_t index)
{
    const struct sdb_m_superblock *sb = &lanes->file->superblock;
    struct lane *lane = &lanes->lanes[index];
    uint64_t retired;

    lock_init(&lane->lock);
    lane->index = index;
    lane->offset = sb->lanes_offset + index * sb->lane_size;
    lane->ring_size = sb->lane_size - LINE_SIZE;
    lane->seed = lane_seed(lanes->file, index);
    if (!root_word_value(lanes->file, persist_load((const uint64_t *)(const void *)(lanes->file->base + lane->offset)), lane->offset,
                         &retired)) {
        error_set("%s: lane %u: the header at offset %" PRIu64 " is damaged", lanes->file->path, index, lane->offset);
        return SDB_ECORRUPT;
    }
    lane->retired = retired;
    lane->sequence = retired;
    return SDB_OK;
}

int lanes_recover(struct lanes *lanes, struct pool_file *file)
{
    int error = SDB_OK;

    lanes->file = file;
    lanes->count = file->superblock.lanes;
    lanes->recovered = 0;
    lanes->lanes = aligned_alloc(LINE_SIZE, lanes->count * sizeof(*lanes->lanes));
    if (!lanes->lanes)
        return SDB_ENOMEM;
    memset(lanes->lanes, 0, lanes->count * sizeof(*lanes->lanes));
    for (uint32_t i = 0; i < lanes->count && !error; i++) {
        error = open_lane(lanes, i);
        if (!error && !file->was_clean)
            error = recover_lane(lanes, &lanes->lanes[i]);
        lanes->failed = i;
        lanes->lanes[i].fenced = lanes->lanes[i].sequence;
    }
    for (uint32_t i = 0; i < lanes->count && !error && lanes->recovered; i++)
        error = persist_fence(&file->persist, &lanes->lanes[i].thread);
    if (error == SDB_EIO)
        error_set("%s: recovery: %s", file->path, error_text());
    if (error)
        lanes_close(lanes);
    return error;
}
