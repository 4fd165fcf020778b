/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pool.h - an open pool, its shards and its sessions, as the engine's files see them
 *
 * Lock rank (a thread that holds a lock waits only for one of a higher rank): shards in order of number, heap.pool_lock, lanes.
 * A shard that is out of order is only tried; what happens when that fails stands at session_lock.
 */
#ifndef SDB_STORE_POOL_H
#define SDB_STORE_POOL_H

#include <stdbool.h>
#include <stdint.h>

#include "cache.h"
#include "file.h"
#include "heap.h"
#include "index.h"
#include "lane.h"
#include "lock.h"
#include "superdb/collection.h"
#include "superdb/superdb.h"
#include "tx.h"

struct shard {
    _Alignas(64) struct lock lock;
    bool counted; /* counts are exact: the pool was closed cleanly, or the entries were counted since */
    /* Atomic: odd while a commit is being applied; raised by its committer, read by readers that need one moment. */
    uint64_t sequence;
    /* Owner: the lock's holder. The record that changed the shard last. */
    uint32_t last_lane;
    uint64_t last_sequence;
    /* Atomic, relaxed; stored by the lock's holder: changes since open (counted) or totals. */
    int64_t keys[DATABASE_IDS];
    int64_t expiring[DATABASE_IDS];
    int64_t entries; /* all of keys together, emptied databases' included */
    int64_t timed;   /* all of expiring */
};

struct session_stats { /* Atomic, relaxed; stored by the session's thread */
    uint64_t gets, hits, cache_hits, cache_misses, expired, evicted, reclaimed, reclaimed_elements, splits, conflicts, retries,
        checksum_errors;
};

struct sdb_pool {
    struct pool_file file;
    struct lanes lanes;
    struct heap heap;
    struct cache *cache; /* NULL: none */
    struct access *access;        /* Atomic: NULL: the use of keys is not noted. access.h */
    struct access *access_memory; /* Owner: sessions_lock. Once there, it stays until the pool is closed */
    sdb_observer *observer; /* Atomic: NULL: none. Set under the lock of the shard whose changes are to be told, or earlier */
    struct sdb_limits limits; /* Atomic, relaxed, each */
    struct shard *shards;
    uint32_t shard_count;
    bool readonly;
    bool recovered;
    bool trees_elsewhere; /* Atomic: there has been a key in one shard with a tree in another: sdb_begin looks for such */
    bool blocks_counted; /* Atomic: every shard's block_bytes is a total: used.c */
    /* Atomic. */
    uint32_t failed;        /* sticky: no more commits */
    uint32_t hides_keys;    /* damage kept keys from being counted: a count of 0 does not mean that there are none */
    uint8_t physical[SDB_DATABASES + 1]; /* the last: the system database's */
    uint64_t databases_sequence; /* odd while a commit that gives databases other numbers is being applied */
    /* The record that changed the pool's own words last. Owner: heap.pool_lock's holder. */
    uint32_t last_lane;
    uint64_t last_sequence;
    struct lock resize_lock; /* one resize at a time; not heap.pool_lock, which the caller's own group may hold */
    /* Owner: sessions_lock. Readers of the list (oldest pin) take it too. */
    struct lock sessions_lock;
    struct sdb_session *sessions;
    struct session_stats closed; /* of sessions that are gone */
    struct persist_thread closed_thread;
    uint32_t session_number;
    /* Owner: maintain_lock. */
    struct lock maintain_lock;
    bool maintain_found;        /* this round deleted something */
    uint64_t maintain_page;
    uint64_t maintain_round;    /* rounds over the pool completed */
    uint64_t id_dead_round[DATABASE_IDS]; /* round + 1 in which a physical number lost its database; 0: alive or free */
};

/*
 * Recovers the pool whose file is open, and sets up what it is used with; pool_release gives that back, the file with it.
 */
int pool_open_structures(struct sdb_pool *pool, const struct sdb_options *options);
void pool_release_structures(struct sdb_pool *pool); /* but not the file; after an error of pool_open_structures too */
void pool_release(struct sdb_pool *pool);

uint64_t pool_counters_checksum(const struct sdb_m_counters *counters);

/* Makes everything durable in place, the counters too, and then the state CLEAN. */
int pool_close_cleanly(struct sdb_pool *pool);

/* Whether writes are refused, and as which error. */
int pool_writable(struct sdb_pool *pool);
void pool_fail(struct sdb_pool *pool);

/* A shard's count of one database changes. Under the shard's lock. */
void pool_count(struct sdb_pool *pool, uint32_t shard, unsigned database, int keys, int expiring);

#endif
