/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lane.c - commit lanes: writing records and applying them
 * Media:   struct sdb_m_lane, struct sdb_m_record; in lane_apply the words of every other struct
 * Commit:  see lane.h (docs/DURABILITY.md, E2, E3, E7; entries: E16)
 * Threads: see lane.h
 * Memory:  the scratch record grows to the largest; pending likewise
 */
#include "lane.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "hash.h"
#include "lane_internal.h"
#include "persist.h"
#include "superdb/superdb.h"
#include "word.h"

uint64_t lane_seed(const struct pool_file *file, uint32_t lane)
{
    const struct sdb_m_superblock *sb = &file->superblock;
    uint64_t parts[3] = {sb->incarnation, lane, sb->hash_seed};

    return hash_key(0x5db1a4e5eedull, parts, sizeof(parts));
}

uint64_t lane_ranges_hash(uint64_t hash, const struct pool_file *file, uint64_t offset, uint64_t size)
{
    return hash_key(hash, file->base + offset, size);
}

size_t lane_record_words(const struct tx *tx)
{
    size_t words = 0;

    for (size_t i = 0; i < tx->line_count; i++) {
        const struct tx_line *line = &tx->chunks[i / TX_CHUNK][i % TX_CHUNK];

        if (line->dirty)
            words += 1 + (size_t)__builtin_popcount(line->dirty);
    }
    if (tx->ranges.count)
        words += tx->ranges.count * 2 + 2;
    return words;
}

static uint64_t record_words_max(const struct lane *lane)
{
    return lane->ring_size / 4 / WORD_SIZE - 2;
}

size_t lane_record_words_max(const struct lanes *lanes)
{
    return record_words_max(&lanes->lanes[0]);
}

struct lane *lanes_take(struct lanes *lanes, uint32_t preferred)
{
    uint32_t i = 0;

    do { /* There is at least one. */
        struct lane *lane = &lanes->lanes[(preferred + i) % lanes->count];

        if (lock_try(&lane->lock))
            return lane;
    } while (++i < lanes->count);
    lock_acquire(&lanes->lanes[preferred % lanes->count].lock);
    return &lanes->lanes[preferred % lanes->count];
}

void lane_give(struct lane *lane)
{
    lock_release(&lane->lock);
}

/* Writes the items; where there are ranges, their contents' hash comes last. Returns how many words. */
static size_t build_items(const struct lanes *lanes, const struct lane *lane, const struct tx *tx, uint64_t *out)
{
    uint64_t *next = out;
    uint64_t hash = lane->seed;

    for (size_t i = 0; i < tx->line_count; i++) {
        const struct tx_line *line = &tx->chunks[i / TX_CHUNK][i % TX_CHUNK];

        if (!line->dirty)
            continue;
        *next++ = line->line << 16 | (uint64_t)line->dirty << 8 | RECORD_LINE;
        for (unsigned mask = line->dirty; mask; mask &= mask - 1)
            *next++ = line->words[__builtin_ctz(mask)];
    }
    for (size_t i = 0; i < tx->ranges.count; i++) {
        const struct tx_range *range = &tx->ranges.items[i];

        *next++ = range->offset << 8 | (range->kind != TX_RANGE_BLOB ? RECORD_RANGE : RECORD_BLOB);
        *next++ = range->size;
        hash = lane_ranges_hash(hash, lanes->file, range->offset,
                                range->kind != TX_RANGE_BLOB ? range->size : sizeof(struct sdb_m_blob));
    }
    if (tx->ranges.count) {
        *next++ = RECORD_CONTENTS;
        *next++ = hash;
    }
    return (size_t)(next - out);
}

static int scratch_reserve(struct lane *lane, size_t words)
{
    uint64_t *bigger;

    if (words <= lane->scratch_words)
        return SDB_OK;
    bigger = realloc(lane->scratch, words * WORD_SIZE);
    if (!bigger)
        return SDB_ENOMEM;
    lane->scratch = bigger;
    lane->scratch_words = words;
    return SDB_OK;
}

/* Puts the finished record into the ring, on a line boundary, and flushes it. */
static inline void write_record(struct lanes *lanes, struct lane *lane, size_t words)
{
    const struct persist *persist = &lanes->file->persist;
    uint64_t size = (words + 2) * WORD_SIZE;
    uint64_t *out;

    if (lane->head + size > lane->ring_size)
        lane->head = 0;
    out = (uint64_t *)(void *)(lanes->file->base + lane->offset + LINE_SIZE + lane->head);
    persist_copy(out, lane->scratch, size);
    persist_flush(persist, &lane->thread, out, size);
    lane->head += (size + LINE_SIZE - 1) & ~(uint64_t)(LINE_SIZE - 1);
    lane->log_bytes += size;
}

/* The record's items stand in the scratch: the commit is durable with the fence. */
static inline int publish(struct lanes *lanes, struct lane *lane, size_t words)
{
    struct pool_file *file = lanes->file;
    const struct persist *persist = &file->persist;
    int error;

    assert(words <= record_words_max(lane));
    lane->scratch[0] = (lane->sequence + 1) << 16 | words;
    lane->scratch[1] = hash_key(lane->seed ^ lane->scratch[0], lane->scratch + 2, words * WORD_SIZE);
    write_record(lanes, lane, words);
    for (size_t i = 0; i < lane->pending_count; i++)
        persist_flush_line(persist, &lane->thread, file->base + lane->pending[i] * LINE_SIZE);
    error = persist_fence(persist, &lane->thread);
    if (error)
        return error;
    lane->pending_count = 0;
    lane->sequence++;
    lane->commits++;
    __atomic_store_n(&lane->fenced, lane->sequence, __ATOMIC_RELEASE);
    return SDB_OK;
}

int lane_persist(struct lanes *lanes, struct lane *lane, const struct tx *tx, uint64_t body)
{
    struct pool_file *file = lanes->file;
    const struct persist *persist = &file->persist;
    size_t words = tx->line_count * 9 + tx->ranges.count * 2 + 2; /* at most */
    int error = scratch_reserve(lane, words + 2);

    if (error)
        return error;
    words = build_items(lanes, lane, tx, lane->scratch + 2);
    for (size_t i = 0; i < tx->ranges.count; i++)
        if (!tx->ranges.items[i].flushed)
            persist_flush(persist, &lane->thread, file->base + tx->ranges.items[i].offset, tx->ranges.items[i].size);
    if (body) {
        uint64_t hash = hash_key(lane->seed, lane->scratch + 2, words * WORD_SIZE);

        persist_copy(file->base + body, lane->scratch + 2, words * WORD_SIZE);
        persist_flush(persist, &lane->thread, file->base + body, words * WORD_SIZE);
        lane->log_bytes += words * WORD_SIZE;
        lane->scratch[2] = body << 8 | RECORD_BODY;
        lane->scratch[3] = words;
        lane->scratch[4] = hash;
        words = 3;
    }
    return publish(lanes, lane, words);
}

int lane_persist_entry(struct lanes *lanes, struct lane *lane, uint64_t entry, const uint64_t words[4], unsigned dirty)
{
    size_t count = 1;
    int error = scratch_reserve(lane, 2 + 1 + 4);

    if (error)
        return error;
    lane->scratch[2] = entry / LINE_SIZE << 16 | (uint64_t)dirty << (8 + entry / WORD_SIZE % 8) | RECORD_LINE;
    for (unsigned mask = dirty; mask; mask &= mask - 1)
        lane->scratch[2 + count++] = words[__builtin_ctz(mask)];
    return publish(lanes, lane, count);
}

static inline struct tx_line *staged_at(const struct tx *tx, size_t i)
{
    return &tx->chunks[i / TX_CHUNK][i % TX_CHUNK];
}

static inline uint64_t *line_at(const struct lanes *lanes, const struct tx_line *line)
{
    return (uint64_t *)(void *)(lanes->file->base + line->line * LINE_SIZE);
}

/* Of the line's second entry. */
static inline unsigned dirty_upper(const struct tx_line *line)
{
    return (unsigned)line->dirty >> 4;
}

/* Who reads it now reads again, until show_entry. */
static inline void hide_entry(uint64_t *to, unsigned dirty)
{
    uint64_t old = persist_load(to);

    if ((dirty & 1) && meta_type(old))
        persist_store(to, old | META_BUSY);
}

static inline void fill_entry(uint64_t *to, const uint64_t *from, unsigned dirty)
{
    for (unsigned mask = dirty & 14u; mask; mask &= mask - 1)
        persist_store(to + __builtin_ctz(mask), from[__builtin_ctz(mask)]);
}

static inline void show_entry(uint64_t *to, const uint64_t *from, unsigned dirty)
{
    if (dirty & 1)
        persist_store_release(to, from[0]);
}

/* Stores one entry's words so that a reader either sees them all or sees that it must read again (entry.c). */
static inline void apply_entry(uint64_t *to, const uint64_t *from, unsigned dirty)
{
    if (dirty & 14u) {
        hide_entry(to, dirty);
        __atomic_thread_fence(__ATOMIC_RELEASE);
    }
    fill_entry(to, from, dirty);
    show_entry(to, from, dirty);
}

static void apply_words(uint64_t *to, const struct tx_line *line)
{
    for (unsigned mask = line->dirty; mask; mask &= mask - 1)
        persist_store_release(to + __builtin_ctz(mask), line->words[__builtin_ctz(mask)]);
}

/*
 * A group's entries are hidden before any of them changes, too: who has seen one operation of it finds what the session did before it
 * done, or still hidden, also where a key was deleted and made again in another entry.
 */
static void hide_entries(const struct lanes *lanes, const struct tx *tx)
{
    for (size_t i = 0; i < tx->line_count; i++) {
        const struct tx_line *line = staged_at(tx, i);

        if (line->kind != TX_LINE_ENTRIES)
            continue;
        hide_entry(line_at(lanes, line), line->dirty);
        hide_entry(line_at(lanes, line) + 4, dirty_upper(line));
    }
    __atomic_thread_fence(__ATOMIC_RELEASE);
}

/*
 * What an operation changes together is hidden together before any of it changes, and shown behind all changes: who has
 * seen a part finds the other parts new, too, or still hidden. The entries are hidden already.
 */
static void apply_together(const struct lanes *lanes, const struct tx *tx)
{
    for (size_t i = 0; i < tx->line_count; i++) {
        const struct tx_line *line = staged_at(tx, i);

        if (line->kind != TX_LINE_ENTRIES)
            continue;
        fill_entry(line_at(lanes, line), line->words, line->dirty);
        fill_entry(line_at(lanes, line) + 4, line->words + 4, dirty_upper(line));
    }
    for (size_t i = 0; i < tx->line_count; i++) {
        const struct tx_line *line = staged_at(tx, i);

        if (line->kind != TX_LINE_ENTRIES)
            apply_words(line_at(lanes, line), line);
    }
    for (size_t i = 0; i < tx->line_count; i++) {
        const struct tx_line *line = staged_at(tx, i);

        if (line->kind != TX_LINE_ENTRIES)
            continue;
        show_entry(line_at(lanes, line), line->words, line->dirty);
        show_entry(line_at(lanes, line) + 4, line->words + 4, dirty_upper(line));
    }
}

/* hidden: hide_entries has been at it. */
static inline void apply_line(uint64_t *to, const struct tx_line *line, bool hidden)
{
    if (line->kind != TX_LINE_ENTRIES) {
        apply_words(to, line);
    } else if (hidden) {
        fill_entry(to, line->words, line->dirty);
        show_entry(to, line->words, line->dirty);
        fill_entry(to + 4, line->words + 4, dirty_upper(line));
        show_entry(to + 4, line->words + 4, dirty_upper(line));
    } else {
        apply_entry(to, line->words, line->dirty);
        apply_entry(to + 4, line->words + 4, dirty_upper(line));
    }
}

/* Room for so many lines that are to be flushed later. */
static void pending_reserve(struct lane *lane, size_t count)
{
    uint64_t *bigger;

    if (lane->pending_capacity >= count)
        return;
    bigger = realloc(lane->pending, count * sizeof(*bigger));
    if (bigger) {
        lane->pending = bigger;
        lane->pending_capacity = count;
    }
}

static inline void flush_later(struct lanes *lanes, struct lane *lane, uint64_t line)
{
    if (lane->pending_count < lane->pending_capacity)
        lane->pending[lane->pending_count++] = line;
    else /* no memory for the list: flushed at once, the next fence covers it as well */
        persist_flush_line(&lanes->file->persist, &lane->thread, lanes->file->base + line * LINE_SIZE);
}

void lane_apply(struct lanes *lanes, struct lane *lane, const struct tx *tx)
{
    bool hidden = tx->together || tx->touches.count > 1;

    pending_reserve(lane, tx->line_count);
    if (hidden)
        hide_entries(lanes, tx);
    if (tx->together)
        apply_together(lanes, tx);
    for (size_t i = 0; i < tx->line_count; i++) {
        const struct tx_line *line = staged_at(tx, i);

        if (!line->dirty)
            continue;
        if (!tx->together)
            apply_line(line_at(lanes, line), line, hidden);
        flush_later(lanes, lane, line->line);
    }
}

void lane_apply_entry(struct lanes *lanes, struct lane *lane, uint64_t entry, const uint64_t words[4], unsigned dirty)
{
    pending_reserve(lane, 1);
    apply_entry((uint64_t *)(void *)(lanes->file->base + entry), words, dirty);
    flush_later(lanes, lane, entry / LINE_SIZE);
}

/* Flushes what the newest record changed in place and waits for it. The caller holds the lane. */
static int settle(struct lanes *lanes, struct lane *lane)
{
    const struct persist *persist = &lanes->file->persist;
    int error;

    for (size_t i = 0; i < lane->pending_count; i++)
        persist_flush_line(persist, &lane->thread, lanes->file->base + lane->pending[i] * LINE_SIZE);
    error = persist_fence(persist, &lane->thread);
    if (!error)
        lane->pending_count = 0;
    return error;
}

int lanes_retire(struct lanes *lanes, uint32_t index)
{
    struct lane *lane = &lanes->lanes[index];
    const struct persist *persist = &lanes->file->persist;
    uint64_t *retired = (uint64_t *)(void *)(lanes->file->base + lane->offset + offsetof(struct sdb_m_lane, retired));
    int error;

    lock_acquire(&lane->lock);
    error = settle(lanes, lane);
    if (!error) {
        persist_store(retired, nonzero_word(lane->sequence, lane->offset));
        persist_flush_line(persist, &lane->thread, retired);
        error = persist_fence(persist, &lane->thread);
    }
    if (!error)
        __atomic_store_n(&lane->retired, lane->sequence, __ATOMIC_RELEASE);
    lock_release(&lane->lock);
    return error;
}

int lanes_drain(struct lanes *lanes)
{
    for (uint32_t i = 0; i < lanes->count; i++) {
        struct lane *lane = &lanes->lanes[i];
        int error;

        lock_acquire(&lane->lock);
        error = settle(lanes, lane);
        lock_release(&lane->lock);
        if (error)
            return error;
    }
    return SDB_OK;
}

void lanes_start(struct lanes *lanes)
{
    for (uint32_t i = 0; i < lanes->count; i++)
        lanes->lanes[i].seed = lane_seed(lanes->file, i);
}

void lanes_close(struct lanes *lanes)
{
    for (uint32_t i = 0; lanes->lanes && i < lanes->count; i++) {
        free(lanes->lanes[i].pending);
        free(lanes->lanes[i].scratch);
    }
    free(lanes->lanes);
    lanes->lanes = NULL;
}
