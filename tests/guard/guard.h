/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * guard.h - the hot operations, each run a fixed number of times, for scripts/bench-guard.sh to count what they cost
 *
 * Under callgrind the instructions of each operation go to a dump of their own, which bears its name. Fences and flushed
 * lines come from the library's own counters. None of the three depends on the machine's speed or load, so a small loss
 * shows. What a fence costs is only known to a clock: ratios.c measures that as ratios within one run.
 */
#ifndef GUARD_H
#define GUARD_H

#include <stddef.h>
#include <stdint.h>

#include "superdb/superdb.h"

#define GUARD_KEYS 4096u      /* in the pool from the beginning, all of them hot */
#define GUARD_OPERATIONS 2048u /* of each kind that are counted */
#define GUARD_WARM 256u        /* before them, not counted */
#define GUARD_COLLECTION_OPERATIONS 1024u /* of each change of a collection that are counted */
#define GUARD_COLLECTION_WARM 64u
#define GUARD_KEY_SIZE 16u
#define GUARD_VALUE_SIZE 8u
#define GUARD_BLOB_SIZE 256u
#define GUARD_BATCH 32u
#define GUARD_GROUP 64u
#define GUARD_TRANSACTION 4u

/* The key of a number: kind is a letter that keeps families of keys apart. */
void guard_key(char kind, uint64_t number, char key[GUARD_KEY_SIZE]);

/* Ends the process with a message unless result is SDB_OK: what failed was not counted. */
void guard_must(int result, const char *what);

/* A new pool that is gone with the process, and is the same in every run. */
struct sdb_pool *guard_open(const char *directory, const char *name, uint64_t cache_size);

/* Between the two everything is counted, of all threads. end prints a line: name, operations, fences, flushed lines, hits of the L1 cache. */
void guard_begin(struct sdb_pool *pool);
void guard_end(struct sdb_pool *pool, const char *name, uint64_t operations);

/* The embedded operations. uncached is a pool without the L1 cache. Both hold the keys that guard_fill makes. */
void guard_fill(struct sdb_pool *pool);
void guard_embedded(struct sdb_pool *pool, struct sdb_pool *uncached);

/* Changes of collections, in a pool of their own. */
void guard_collections(struct sdb_pool *pool);

/* Pipelined commands through the server's own loop, with memory in place of the kernel. */
void guard_requests(struct sdb_pool *pool);

/* Prints ratios of times: "name ratio". directory is where a pool of its own and the floor's file go. */
void guard_ratios(const char *directory);

#endif
