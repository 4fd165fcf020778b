/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tx.c - the overlay of staged lines
 * Media:   none is written here but words of fresh ranges (tx_store into a range that was added with words = true)
 * Commit:  lane.c
 * Holds:   see tx.h
 */
#include "tx.h"

#include <stdlib.h>
#include <string.h>

#include "grow.h"
#include "persist.h"
#include "superdb/superdb.h"

#define TABLE_START 256u
#define NODES_START 64u

#define GROW(tx, array)                                                                                                \
    (grow(&(tx)->array.items, &(tx)->array.capacity, (tx)->array.count + 1, sizeof(*(tx)->array.items))                \
         ? true                                                                                                        \
         : ((tx)->failed = true, false))

int tx_init(struct tx *tx, struct pool_file *file)
{
    memset(tx, 0, sizeof(*tx));
    tx->file = file;
    tx->table = calloc(TABLE_START, sizeof(*tx->table));
    if (!tx->table)
        return SDB_ENOMEM;
    tx->table_mask = TABLE_START - 1;
    return SDB_OK;
}

void tx_free(struct tx *tx)
{
    for (size_t i = 0; i < tx->chunk_count; i++)
        free(tx->chunks[i]);
    free(tx->chunks);
    free(tx->table);
    free(tx->nodes);
    free(tx->open.items);
    free(tx->ranges.items);
    free(tx->blocks.items);
    free(tx->undo.items);
    free(tx->counts.items);
    free(tx->touches.items);
    memset(tx, 0, sizeof(*tx));
}

static struct tx_line *line_at(const struct tx *tx, size_t index)
{
    return &tx->chunks[index / TX_CHUNK][index % TX_CHUNK];
}

struct tx_line *tx_find(const struct tx *tx, uint64_t line)
{
    for (size_t i = (size_t)tx_line_hash(line) & tx->table_mask; tx->table[i]; i = (i + 1) & tx->table_mask) {
        struct tx_line *staged = line_at(tx, tx->table[i] - 1);

        if (staged->line == line)
            return staged;
    }
    return NULL;
}

static void table_insert(struct tx *tx, uint64_t line, size_t index)
{
    size_t i = (size_t)tx_line_hash(line) & tx->table_mask;

    while (tx->table[i])
        i = (i + 1) & tx->table_mask;
    tx->table[i] = (uint32_t)index + 1;
}

static bool table_grow(struct tx *tx)
{
    size_t size = (tx->table_mask + 1) * 2;
    uint32_t *table = calloc(size, sizeof(*table));

    if (!table)
        return false;
    free(tx->table);
    tx->table = table;
    tx->table_mask = size - 1;
    for (size_t i = 0; i < tx->line_count; i++)
        table_insert(tx, line_at(tx, i)->line, i);
    return true;
}

static bool chunks_grow(struct tx *tx)
{
    struct tx_line **chunks = realloc(tx->chunks, (tx->chunk_count + 1) * sizeof(*chunks));

    if (!chunks)
        return false;
    tx->chunks = chunks;
    chunks[tx->chunk_count] = aligned_alloc(LINE_SIZE, TX_CHUNK * sizeof(struct tx_line));
    if (!chunks[tx->chunk_count])
        return false;
    tx->chunk_count++;
    return true;
}

static void filter_add(struct tx *tx, uint64_t line)
{
    uint64_t h = tx_line_hash(line) >> 52;

    tx->filter[h >> 6] |= 1ull << (h & 63);
}

static inline struct tx_line *stage(struct tx *tx, uint64_t line)
{
    uint64_t h = tx_line_hash(line) >> 52;
    struct tx_line *staged;

    if (tx->filter[h >> 6] >> (h & 63) & 1) {
        staged = tx_find(tx, line);
        if (staged)
            return staged;
    }
    if ((tx->line_count == tx->chunk_count * TX_CHUNK && !chunks_grow(tx)) ||
        (tx->line_count * 2 > tx->table_mask && !table_grow(tx))) {
        tx->failed = true;
        return NULL;
    }
    staged = line_at(tx, tx->line_count);
    memcpy(staged->words, tx->file->base + line * LINE_SIZE, LINE_SIZE);
    staged->line = line;
    staged->dirty = 0;
    staged->kind = TX_LINE_WORDS;
    table_insert(tx, line, tx->line_count);
    tx->line_count++;
    filter_add(tx, line);
    return staged;
}

static void stage_word(struct tx *tx, struct tx_line *staged, unsigned word, uint64_t value)
{
    struct tx_undo *undo;

    if (!GROW(tx, undo))
        return;
    undo = &tx->undo.items[tx->undo.count++];
    undo->line = staged;
    undo->word = (uint8_t)word;
    undo->old = staged->words[word];
    undo->old_dirty = staged->dirty;
    staged->words[word] = value;
    staged->dirty = (uint8_t)(staged->dirty | 1u << word);
}

/* Stores a word of memory that this transaction built. */
static void store_directly(struct tx *tx, uint64_t offset, uint64_t value)
{
    uint64_t *word = (uint64_t *)(void *)(tx->file->base + offset);
    struct tx_undo *undo;

    if (!GROW(tx, undo))
        return;
    undo = &tx->undo.items[tx->undo.count++];
    undo->line = NULL;
    undo->offset = offset;
    undo->old = persist_load(word);
    persist_store(word, value);
}

/* Whether the word belongs to a range that this transaction built and may still write to. */
static bool is_open(const struct tx *tx, uint64_t offset)
{
    for (size_t i = tx->open.count; i-- > 0;) {
        const struct tx_range *range = &tx->ranges.items[tx->open.items[i]];

        if (offset - range->offset < range->size)
            return true;
    }
    return false;
}

static void store_staged(struct tx *tx, uint64_t offset, uint64_t value)
{
    struct tx_line *staged = stage(tx, offset / LINE_SIZE);

    if (staged)
        stage_word(tx, staged, (unsigned)(offset / WORD_SIZE % 8), value);
}

/* ---- nodes ---- */

static void node_lines_add(struct tx *tx, uint64_t offset)
{
    tx->node_lines[tx_node_index(offset & ~(uint64_t)(TREE_NODE_SIZE - 1))] |= 1ull << offset % TREE_NODE_SIZE / LINE_SIZE;
}

static size_t node_slot(const struct tx *tx, uint64_t node)
{
    size_t i = (size_t)tx_line_hash(node / TREE_NODE_SIZE) & tx->node_mask;

    while (tx->nodes[i] && tx->nodes[i] != node)
        i = (i + 1) & tx->node_mask;
    return i;
}

static bool nodes_grow(struct tx *tx)
{
    size_t size = tx->nodes ? (tx->node_mask + 1) * 2 : NODES_START, old_size = tx->nodes ? tx->node_mask + 1 : 0;
    uint64_t *old = tx->nodes, *bigger = calloc(size, sizeof(*bigger));

    if (!bigger)
        return false;
    tx->nodes = bigger;
    tx->node_mask = size - 1;
    for (size_t i = 0; i < old_size; i++)
        if (old[i])
            bigger[node_slot(tx, old[i])] = old[i];
    free(old);
    return true;
}

void tx_add_node(struct tx *tx, uint64_t offset)
{
    if ((!tx->nodes || tx->node_count * 2 > tx->node_mask) && !nodes_grow(tx)) {
        tx->failed = true;
        return;
    }
    if (!GROW(tx, ranges))
        return;
    tx->ranges.items[tx->ranges.count++] =
        (struct tx_range){.offset = offset, .size = TREE_NODE_SIZE, .kind = TX_RANGE_NODE};
    tx->range_bytes += TREE_NODE_SIZE;
    tx->nodes[node_slot(tx, offset)] = offset;
    tx->node_count++;
}

void tx_store_node(struct tx *tx, uint64_t offset, uint64_t value)
{
    uint64_t node = offset & ~(uint64_t)(TREE_NODE_SIZE - 1);

    if (tx->node_count && tx->nodes[node_slot(tx, node)]) {
        store_directly(tx, offset, value);
        return;
    }
    node_lines_add(tx, offset);
    tx->nodes_staged = true;
    store_staged(tx, offset, value);
}

/* Forgets all of them; those of ranges that stay are noted again. */
static void forget_nodes(struct tx *tx, size_t ranges)
{
    memset(tx->nodes, 0, (tx->node_mask + 1) * sizeof(*tx->nodes));
    tx->node_count = 0;
    for (size_t i = 0; i < ranges; i++) {
        if (tx->ranges.items[i].kind != TX_RANGE_NODE)
            continue;
        tx->nodes[node_slot(tx, tx->ranges.items[i].offset)] = tx->ranges.items[i].offset;
        tx->node_count++;
    }
}

void tx_store(struct tx *tx, uint64_t offset, uint64_t value)
{
    if (tx->open.count && is_open(tx, offset))
        store_directly(tx, offset, value);
    else
        store_staged(tx, offset, value);
}

void tx_store_entry(struct tx *tx, uint64_t offset, const uint64_t words[4])
{
    struct tx_line *staged = stage(tx, offset / LINE_SIZE);
    unsigned first = (unsigned)(offset / WORD_SIZE % 8);

    if (!staged)
        return;
    staged->kind = TX_LINE_ENTRIES;
    for (unsigned i = 0; i < 4; i++)
        if (staged->words[first + i] != words[i])
            stage_word(tx, staged, first + i, words[i]);
}

struct tx_line *tx_stage_line(struct tx *tx, uint64_t offset)
{
    bool failed = tx->failed;
    struct tx_line *staged = stage(tx, offset / LINE_SIZE);

    tx->failed = failed;
    return staged;
}

bool tx_put_entry(struct tx *tx, struct tx_line *line, uint64_t offset, const uint64_t words[4], uint64_t hash)
{
    unsigned first = (unsigned)(offset / WORD_SIZE % 8), changed = 0;

    if (!grow(&tx->touches.items, &tx->touches.capacity, tx->touches.count + 1, sizeof(*tx->touches.items)))
        return false;
    for (unsigned i = 0; i < 4; i++) {
        changed |= (unsigned)(line->words[first + i] != words[i]) << i;
        line->words[first + i] = words[i];
    }
    line->dirty = (uint8_t)(line->dirty | changed << first);
    line->kind = TX_LINE_ENTRIES;
    tx->touches.items[tx->touches.count++] = (struct tx_touch){.hash = hash, .entry = offset};
    return true;
}

void tx_add_range(struct tx *tx, uint64_t offset, uint64_t size, bool words)
{
    if (!GROW(tx, ranges) || (words && !GROW(tx, open)))
        return;
    if (words)
        tx->open.items[tx->open.count++] = (uint32_t)tx->ranges.count;
    tx->ranges.items[tx->ranges.count++] =
        (struct tx_range){.offset = offset, .size = size, .kind = words ? TX_RANGE_WORDS : TX_RANGE_BLOB};
    tx->range_bytes += size;
}

bool tx_reserve_block(struct tx *tx)
{
    return GROW(tx, blocks);
}

void tx_add_block(struct tx *tx, enum tx_block_kind kind, uint32_t shard, uint64_t offset, uint64_t size)
{
    if (!GROW(tx, blocks))
        return;
    tx->blocks.items[tx->blocks.count++] =
        (struct tx_block){.offset = offset, .size = size, .shard = shard, .kind = (uint32_t)kind};
}

void tx_add_count(struct tx *tx, uint32_t shard, unsigned database, int keys, int expiring)
{
    if (!GROW(tx, counts))
        return;
    tx->counts.items[tx->counts.count++] = (struct tx_count){
        .shard = shard, .database = (uint16_t)database, .keys = (int16_t)keys, .expiring = (int16_t)expiring};
}

void tx_add_touch(struct tx *tx, uint64_t hash, uint64_t entry)
{
    if (!GROW(tx, touches))
        return;
    tx->touches.items[tx->touches.count++] = (struct tx_touch){.hash = hash, .entry = entry};
}

struct tx_mark tx_savepoint(const struct tx *tx)
{
    return (struct tx_mark){.lines = tx->line_count,
                            .ranges = tx->ranges.count,
                            .blocks = tx->blocks.count,
                            .undo = tx->undo.count,
                            .counts = tx->counts.count,
                            .touches = tx->touches.count,
                            .range_bytes = tx->range_bytes};
}

/* Takes the newest line out of the table: newest first, so that each probe sequence is still whole when its line is looked up. */
static void table_remove_newest(struct tx *tx)
{
    size_t i = (size_t)tx_line_hash(line_at(tx, tx->line_count - 1)->line) & tx->table_mask;

    while (tx->table[i] != tx->line_count)
        i = (i + 1) & tx->table_mask;
    tx->table[i] = 0;
    tx->line_count--;
}

static void remove_lines(struct tx *tx, size_t mark)
{
    if (tx->line_count == mark)
        return;
    while (tx->line_count > mark)
        table_remove_newest(tx);
    memset(tx->filter, 0, sizeof(tx->filter)); /* lines share bits */
    for (size_t i = 0; i < mark; i++)
        filter_add(tx, line_at(tx, i)->line);
    if (!tx->nodes_staged)
        return;
    memset(tx->node_lines, 0, sizeof(tx->node_lines));
    for (size_t i = 0; i < mark; i++)
        node_lines_add(tx, line_at(tx, i)->line * LINE_SIZE);
}

void tx_rollback(struct tx *tx, const struct tx_mark *mark)
{
    while (tx->undo.count > mark->undo) {
        const struct tx_undo *undo = &tx->undo.items[--tx->undo.count];

        if (undo->line) {
            undo->line->words[undo->word] = undo->old;
            undo->line->dirty = undo->old_dirty;
        } else {
            persist_store((uint64_t *)(void *)(tx->file->base + undo->offset), undo->old);
        }
    }
    remove_lines(tx, mark->lines);
    tx->ranges.count = mark->ranges;
    while (tx->open.count && tx->open.items[tx->open.count - 1] >= mark->ranges)
        tx->open.count--;
    if (tx->node_count)
        forget_nodes(tx, mark->ranges);
    tx->blocks.count = mark->blocks;
    tx->counts.count = mark->counts;
    tx->touches.count = mark->touches;
    tx->range_bytes = mark->range_bytes;
    tx->failed = false;
}

static void forget_node_lines(struct tx *tx)
{
    if (tx->line_count > TX_NODE_LINES / 4)
        memset(tx->node_lines, 0, sizeof(tx->node_lines));
    else
        for (size_t i = 0; i < tx->line_count; i++)
            tx->node_lines[tx_node_index(line_at(tx, i)->line * LINE_SIZE)] = 0;
    tx->nodes_staged = false;
}

void tx_reset(struct tx *tx)
{
    if (tx->nodes_staged)
        forget_node_lines(tx);
    if (tx->line_count * 16 > tx->table_mask) {
        memset(tx->table, 0, (tx->table_mask + 1) * sizeof(*tx->table));
        memset(tx->filter, 0, sizeof(tx->filter));
    } else {
        while (tx->line_count > 0) {
            uint64_t h = tx_line_hash(line_at(tx, tx->line_count - 1)->line) >> 52;

            table_remove_newest(tx);
            tx->filter[h >> 6] &= ~(1ull << (h & 63));
        }
    }
    tx->line_count = 0;
    tx->ranges.count = 0;
    tx->open.count = 0;
    if (tx->node_count)
        forget_nodes(tx, 0);
    tx->blocks.count = 0;
    tx->undo.count = 0;
    tx->counts.count = 0;
    tx->touches.count = 0;
    tx->range_bytes = 0;
    tx->together = false;
    tx->failed = false;
}
