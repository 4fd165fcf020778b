/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lane.h - commit lanes: redo records, the one fence, and recovery (docs/DURABILITY.md, E2 to E8)
 *
 * A lane is a ring of redo records that one committing thread uses at a time. A commit over any number of shards is one
 * record in one lane.
 *
 * Commit:
 *   1. lane_persist writes the record, flushes it, the transaction's fresh ranges, and the lines that the lane's previous record
 *      changed in place; then one fence. The commit is DURABLE (D1).
 *   2. lane_apply stores the words in place. Nothing is flushed: the lane's next record does it (step 1), so that the lock
 *      operations in between do not wait for flushes.
 *   A crash before the end of 1 leaves a record that is not whole: the transaction never was. After it: recovery applies the record
 *   again, whatever of step 2 reached the medium.
 * Holds:
 *   1. Recovery applies a lane's two newest records, n-1 and n. n may be whole although its fence never finished, so that
 *      n-1's words may not be durable in place: both are applied, in order. Older ones are never needed (E4).
 *   2. A record is live while recovery might apply it: its sequence is at least fenced - 1, and above `retired` (E5).
 *   3. No two lanes have live records for the same shard: who commits to a shard retires foreign live records first
 *      (lanes_retire). So the order among lanes does not matter (E7).
 *   4. A record takes at most a quarter of the ring, so that writing one never touches the two before it.
 *   5. Memory that a record freed is reused only when the record is dead (heap.c), so that no record is applied over it.
 *   6. The incarnation, which rises with every open, seeds the checksum: what one recovery rejected, no later one finds whole (E6).
 * Threads: a lane is taken and given back; lanes_retire and lane_is_live by anyone who holds the shard's lock.
 * Lock rank: shards, then the pool's words, then lanes. A holder of a lane waits for nothing.
 */
#ifndef SDB_PMEM_LANE_H
#define SDB_PMEM_LANE_H

#include <stdbool.h>
#include <stdint.h>

#include "file.h"
#include "lock.h"
#include "tx.h"

/* NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding): by who stores to it */
struct lane {
    _Alignas(LINE_SIZE) struct lock lock; /* nothing here lies in a cache line with another lane */
    /* Immutable after open. */
    uint32_t index;
    uint64_t offset;    /* of the header line */
    uint64_t ring_size; /* bytes behind it */
    uint64_t seed;
    /* Owner: who holds the lock. */
    uint64_t sequence;  /* of the newest record */
    uint64_t head;      /* where the next one goes, from the ring's start */
    uint64_t *pending;  /* lines that the newest record changed in place, not flushed */
    size_t pending_count;
    size_t pending_capacity;
    uint64_t *scratch;  /* a record as it is built */
    size_t scratch_words;
    struct persist_thread thread;
    uint64_t commits;
    uint64_t log_bytes;
    /* Atomic: stored by the owner with release, read by anyone with acquire. */
    _Alignas(LINE_SIZE) uint64_t fenced; /* sequence of the newest durable record */
    uint64_t retired;
};

struct lanes {
    struct pool_file *file;
    struct lane *lanes;
    uint32_t count;
    uint32_t recovered; /* records applied at open */
    uint32_t failed;    /* the lane that lanes_recover could not recover, where it said SDB_ECORRUPT */
};

/* Completes what a crash left. Errors: SDB_ECORRUPT, SDB_EIO, SDB_ENOMEM. Owner: lanes_close. */
int lanes_recover(struct lanes *lanes, struct pool_file *file);

/* Sets the lanes up for commits, after pool_file_mark_open has raised the incarnation. */
void lanes_start(struct lanes *lanes);

/* Makes every applied word durable in place. Errors: SDB_EIO. */
int lanes_drain(struct lanes *lanes);
void lanes_close(struct lanes *lanes);

/* The words that the transaction's record takes; more than the maximum do not fit the ring: then it needs a body. */
size_t lane_record_words(const struct tx *tx);
size_t lane_record_words_max(const struct lanes *lanes);

/* Takes a free lane, the preferred one if it can be had. Release: lane_give. */
struct lane *lanes_take(struct lanes *lanes, uint32_t preferred);
void lane_give(struct lane *lane);

/*
 * Step 1. body: file offset of reserved memory for lane_record_words(tx) words, or 0 where the ring takes the record.
 * Errors: SDB_ENOMEM: nothing was written. SDB_EIO: the medium may hold the record or not, so that the pool must take no more
 * commits (FAILED).
 */
int lane_persist(struct lanes *lanes, struct lane *lane, const struct tx *tx, uint64_t body);

/* Step 2, after a successful step 1. */
void lane_apply(struct lanes *lanes, struct lane *lane, const struct tx *tx);

/*
 * Both steps of a commit that changes words of one entry, which stays live, and nothing else: as of a transaction in which they are all
 * that is staged. dirty: a bit for each of the words that change; the first is one of them.
 */
int lane_persist_entry(struct lanes *lanes, struct lane *lane, uint64_t entry, const uint64_t words[4], unsigned dirty);
void lane_apply_entry(struct lanes *lanes, struct lane *lane, uint64_t entry, const uint64_t words[4], unsigned dirty);

static inline bool lane_is_live(const struct lane *lane, uint64_t sequence)
{
    return sequence > __atomic_load_n(&lane->retired, __ATOMIC_ACQUIRE) &&
           sequence + 1 >= __atomic_load_n(&lane->fenced, __ATOMIC_ACQUIRE);
}

/*
 * Makes sure that no record of the lane so far will be applied again: its words are made durable in place, then it says so on
 * the medium. Two fences. The caller holds no lane. Errors: SDB_EIO.
 */
int lanes_retire(struct lanes *lanes, uint32_t lane);

#endif
