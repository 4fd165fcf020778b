/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tx.h - what a session has staged but not committed: an overlay of cache lines, and fresh ranges
 *
 * Holds:
 *  1. The medium is not changed in place before the commit's fence: a staged word lives in the copy of its line, in DRAM
 *     (DURABILITY.md, E1).
 *  2. Fresh ranges were handed out by the heap for this transaction; nobody can reach them before the commit.
 *  3. tx_line shows the medium as it will be after the commit.
 *  4. tx_rollback(tx_savepoint) takes the overlay back to exactly what it was: a line that stayed behind would hide what a fresh range
 *     writes to its place later. But what tx_put_entry has put stays until all is taken back, the beginning's mark being an empty one.
 * Threads: one at a time, as the session that it belongs to. Every line that is staged belongs to a shard (or to the pool's own
 * words) whose lock the session holds.
 * Memory: grows to the largest transaction so far, and stays.
 */
#ifndef SDB_PMEM_TX_H
#define SDB_PMEM_TX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "file.h"
#include "layout.h"

enum tx_line_kind {
    TX_LINE_WORDS = 0,
    TX_LINE_ENTRIES = 1, /* two handle entries: applied so that lock-free readers never take a torn one for whole */
};

struct tx_line {
    _Alignas(LINE_SIZE) uint64_t words[8];
    uint64_t line; /* file offset / 64 */
    uint8_t dirty; /* a bit for each word */
    uint8_t kind;
};

#define TX_CHUNK 64u /* lines to an allocation; lines never move */
#define TX_FILTER_WORDS 64u
#define TX_NODE_LINES 256u /* a power of two */

enum tx_range_kind {
    TX_RANGE_BLOB = 0,  /* a blob, which answers for its bytes with its own checksum */
    TX_RANGE_WORDS = 1, /* tx_store may write into it: a segment or directory built in this transaction */
    TX_RANGE_NODE = 2,  /* tx_store_node may: a node of a collection */
};

struct tx_range {
    uint64_t offset;
    uint64_t size;
    uint8_t kind;    /* enum tx_range_kind */
    uint8_t flushed; /* its bytes were flushed as they were written, and need only the fence */
};

/* A block that this transaction takes or gives back; what becomes of it is decided at the end. */
struct tx_block {
    uint64_t offset;
    uint64_t size; /* of the block, class size or run */
    uint32_t shard;
    uint32_t kind; /* enum tx_block_kind */
};
enum tx_block_kind {
    TX_BLOCK_ALLOCATED, /* taken */
    TX_BLOCK_FREED,     /* given back */
    TX_EXTENT_TRIMMED,  /* a shard's extent that holds nothing, given back */
    TX_BLOCK_BODY,      /* reserved in DRAM only, for a record's body: given back once the record is dead */
    TX_ENTRY_ALLOCATED,
    TX_ENTRY_FREED,
};

struct tx_undo {
    struct tx_line *line; /* NULL: word of a fresh range, at `offset` */
    uint64_t offset;
    uint64_t old;
    uint8_t word;
    uint8_t old_dirty;
};

struct tx_count {
    uint32_t shard;
    uint16_t database;
    int16_t keys;
    int16_t expiring;
};

/* An entry that changes: for the cache, which is written through after the commit. */
struct tx_touch {
    uint64_t hash;
    uint64_t entry; /* file offset */
    void *copy;     /* what the cache has of it, while the commit is being applied: the engine's */
};

/*
 * Each shard of a full pool keeps a few pages back for what takes elements out of collections, which must always go on though it writes some
 * of what stays anew.
 */
enum tx_reserve {
    TX_RESERVE_KEPT = 0,
    TX_RESERVE_LARGER = 1,  /* nothing of it, but a larger block than is needed, where there is one */
    TX_RESERVE_PASSING = 2, /* a block may have pages of its own there: its owner moves it into what it gave back, once that is free */
    TX_RESERVE_LASTING = 3, /* a page may be taken for ever: another one takes its place when it is free */
};

#define TX_ARRAY(type)                                                                                                 \
    struct {                                                                                                           \
        type *items;                                                                                                   \
        size_t count;                                                                                                  \
        size_t capacity;                                                                                               \
    }

struct tx {
    struct pool_file *file;
    struct persist_thread thread; /* for what is made durable before the commit: new pages of entries */
    uint64_t filter[TX_FILTER_WORDS];
    struct tx_line **chunks;
    size_t chunk_count;
    size_t line_count;
    uint32_t *table; /* line number's hash -> index + 1 */
    size_t table_mask;
    TX_ARRAY(struct tx_range) ranges;
    TX_ARRAY(struct tx_block) blocks;
    TX_ARRAY(struct tx_undo) undo;
    TX_ARRAY(struct tx_count) counts;
    TX_ARRAY(struct tx_touch) touches;
    TX_ARRAY(uint32_t) open; /* indices of the ranges of kind TX_RANGE_WORDS: few */
    uint64_t *nodes;         /* offsets of the ranges of kind TX_RANGE_NODE, by their hash; 0: free. They may be many */
    size_t node_count, node_mask;
    uint64_t node_lines[TX_NODE_LINES]; /* by a node's hash: a bit for each of its lines that tx_store_node staged, and maybe others */
    uint64_t range_bytes;
    bool pool_locked; /* the session holds heap->pool_lock until the commit: extent map or root words are staged */
    bool together; /* an operation in it changes several entries: nobody may see some of them changed and others not */
    bool nodes_staged; /* some of node_lines are set */
    uint8_t reserve; /* enum tx_reserve: what an allocation may take where the pool is full */
    bool reserve_open, reserve_used; /* the heap's: an allocation takes of it; took of it */
    bool failed; /* DRAM ran out while staging: the operation must be rolled back */
};

struct tx_mark {
    size_t lines, ranges, blocks, undo, counts, touches;
    uint64_t range_bytes;
};

int tx_init(struct tx *tx, struct pool_file *file);
void tx_free(struct tx *tx);

/* Whether nothing is staged. */
static inline bool tx_is_empty(const struct tx *tx)
{
    return tx->undo.count == 0 && tx->touches.count == 0 && tx->ranges.count == 0 && tx->blocks.count == 0;
}

static inline uint64_t tx_line_hash(uint64_t line)
{
    return line * 0x9e3779b97f4a7c15ull;
}

struct tx_line *tx_find(const struct tx *tx, uint64_t line);

/* The eight words of the line that holds offset, staged or as on the medium. Valid until the commit or rollback. */
static inline const uint64_t *tx_line(const struct tx *tx, uint64_t offset)
{
    uint64_t line = offset / LINE_SIZE;

    if (tx->line_count) {
        uint64_t h = tx_line_hash(line) >> 52;

        if (tx->filter[h >> 6] >> (h & 63) & 1) {
            const struct tx_line *staged = tx_find(tx, line);

            if (staged)
                return staged->words;
        }
    }
    return (const uint64_t *)(const void *)(tx->file->base + line * LINE_SIZE);
}

static inline uint64_t tx_load(const struct tx *tx, uint64_t offset)
{
    return __atomic_load_n(&tx_line(tx, offset)[offset / WORD_SIZE % 8], __ATOMIC_RELAXED);
}

/*
 * Which lines of a collection's node may be staged, a bit for each: those that are not are as on the medium. Nothing but tx_store_node
 * stages words of nodes.
 */
_Static_assert(TREE_NODE_SIZE / LINE_SIZE <= 64, "a node's lines fit a word's bits");
static inline size_t tx_node_index(uint64_t node)
{
    return tx_line_hash(node / TREE_NODE_SIZE) >> 32 & (TX_NODE_LINES - 1);
}
static inline uint64_t tx_node_lines(const struct tx *tx, uint64_t node) { return tx->node_lines[tx_node_index(node)]; }

/* Stages one word. A failure to allocate sets tx->failed. */
void tx_store(struct tx *tx, uint64_t offset, uint64_t value);

/* Stages the four words of a handle entry. */
void tx_store_entry(struct tx *tx, uint64_t offset, const uint64_t words[4]);

/*
 * A node of a collection that was built in this transaction: TREE_NODE_SIZE bytes, aligned to as many. And a word of a node, that one or
 * one that was there before.
 */
void tx_add_node(struct tx *tx, uint64_t offset);
void tx_store_node(struct tx *tx, uint64_t offset, uint64_t value);

/* The copy of the line that holds offset, staged by this if it was not. NULL: no memory, and nothing has failed yet. */
struct tx_line *tx_stage_line(struct tx *tx, uint64_t offset);

/*
 * Stages the four words of an entry in the copy of its line, and its touch: tx_store_entry and tx_add_touch of an operation that is
 * complete with it, and never taken back by itself. False: no memory, and nothing has changed or failed.
 */
bool tx_put_entry(struct tx *tx, struct tx_line *line, uint64_t offset, const uint64_t words[4], uint64_t hash);

/* Notes a range whose bytes were or will be written directly, before the commit. words: tx_store may write into it. */
void tx_add_range(struct tx *tx, uint64_t offset, uint64_t size, bool words);
/* Room for one more block: the next tx_add_block does not fail. False: no memory. */
bool tx_reserve_block(struct tx *tx);
void tx_add_block(struct tx *tx, enum tx_block_kind kind, uint32_t shard, uint64_t offset, uint64_t size);
void tx_add_count(struct tx *tx, uint32_t shard, unsigned database, int keys, int expiring);
void tx_add_touch(struct tx *tx, uint64_t hash, uint64_t entry);

struct tx_mark tx_savepoint(const struct tx *tx);
/* Takes staged words, ranges, counts and touches back; blocks behind mark.blocks are the heap's to return first. */
void tx_rollback(struct tx *tx, const struct tx_mark *mark);

/* Forgets everything: after a commit, or an abort. */
void tx_reset(struct tx *tx);

#endif
