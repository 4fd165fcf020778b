/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * session.h - a thread's way into the pool: the shards it holds, what it has staged, and when that is committed
 *
 * Life of a write: operation_begin locks the key's shard and finds it; the operation stages words; operation_end commits (one
 * fence), or leaves that to the group or transaction that is open.
 */
#ifndef SDB_STORE_SESSION_H
#define SDB_STORE_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "clock.h"
#include "evict.h"
#include "index_probe.h"
#include "pool.h"

/* What the last sdb_prefetch found. A hint: who uses it looks at the entry again. */
#define AHEAD_MAX 64u
struct ahead {
    uint32_t count, next;
    struct index_probe probes[AHEAD_MAX];
};

#define UNSETTLED_MAX 8u

struct sdb_session {
    struct sdb_pool *pool;
    struct tx tx;
    uint32_t database;    /* logical */
    uint32_t lane;        /* preferred */
    int64_t time_ms;      /* 0: the system's clock */
    bool group;
    bool transaction;
    uint64_t body;        /* file offset of memory for the next record's body; 0: none */
    int group_error;      /* a commit inside the group failed */
    uint32_t wanted;      /* the shard that session_lock_tree could not have */
    bool conflict;        /* the transaction met one: its abort lets go of everything */
    uint32_t depth;       /* of transactions: how many are open, one inside the other */
    struct tx_mark marks[SDB_TRANSACTION_DEPTH]; /* their beginnings */
    uint32_t *held;       /* shards, in the order they were locked */
    uint32_t held_count;
    uint32_t held_max;    /* highest of them */
    uint64_t held_bits[SHARDS_MAX / 64];
    uint64_t fruitless_ns, fruitless_freed; /* when the last search for room in a full pool found none, and what was freed then */
    uint32_t pins;        /* views of blobs */
    /* Atomic: the epoch that the session's oldest view pins; 0: none. Read by who releases quarantined memory. */
    uint64_t pin;
    struct session_stats stats;
    struct cache_pace pace;
    struct ahead ahead;
    struct evict_pool evict;
    uint64_t unsettled[UNSETTLED_MAX]; /* handles of what the reserve has for now (settle.c) */
    unsigned unsettled_count;
    bool settling; /* what is being put is no change */
    bool evicting; /* what is being removed makes room */
    struct sdb_session *next; /* Owner: the pool's sessions_lock */
    sdb_give_up *give_up; /* NULL: waits for as long as it takes */
    void *give_up_context;
};

static inline int64_t session_now(const struct sdb_session *session)
{
    return session->time_ms ? session->time_ms : clock_ms();
}

static inline bool session_holds(const struct sdb_session *session, uint32_t shard)
{
    return session->held_bits[shard / 64] >> (shard % 64) & 1;
}

static inline void stat_add(uint64_t *counter, uint64_t n)
{
    __atomic_store_n(counter, __atomic_load_n(counter, __ATOMIC_RELAXED) + n, __ATOMIC_RELAXED);
}

/* The physical number of a logical database, as this session sees it. */
unsigned session_physical(const struct sdb_session *session, unsigned database);

/*
 * Locks a shard for the session. Where another thread has it: inside a transaction SDB_ECONFLICT, unless waiting is safe (the shard's
 * number is above all held); else everything staged so far is committed, and then it waits.
 */
int session_lock(struct sdb_session *session, uint32_t shard);

/* Locks a shard, or has it already. False: another thread has it, and nothing changed. */
bool session_lock_at_once(struct sdb_session *session, uint32_t shard);

/* Lets go of a shard that was locked only to look at it: nothing is staged there. Not inside a transaction. */
void session_unlock(struct sdb_session *session, uint32_t shard);

/* Locks several at once, before an operation stages anything. `shards` is sorted in place. */
int session_lock_many(struct sdb_session *session, uint32_t *shards, size_t count);
int session_lock_all(struct sdb_session *session);

/*
 * Locks the shard that a collection's tree is in, for an operation that holds its key's shard. SDB_ECONFLICT: another thread has it,
 * and waiting is not safe: outside of a transaction the operation is rolled back, and session_lock_wanted waits for it.
 */
int session_lock_tree(struct sdb_session *session, uint64_t header);

/* Commits, lets go of everything, and locks `shard` and the one that session_lock_tree could not have. */
int session_lock_wanted(struct sdb_session *session, uint32_t shard);

/* How many lines may be staged in a group before it is committed, as things stand. */
size_t session_group_lines(const struct sdb_session *session);

/* Commits what is staged, and lets go of all locks. On an error nothing of it took effect. */
int session_commit(struct sdb_session *session);

/*
 * Commits a change of one key's entry, which stays live, and lets go of the key's shard: as session_commit where these words are all that is
 * staged. The session holds that shard and nothing else, and has staged nothing. dirty: as lane_persist_entry.
 */
int session_commit_entry(struct sdb_session *session, const struct index_key *key, uint64_t entry, const uint64_t words[4], unsigned dirty);

/* Takes back what is staged since mark; without a group or transaction lets go of the locks too. */
void session_rollback(struct sdb_session *session, const struct tx_mark *mark);

/* A view of a blob begins and ends. */
void session_pin(struct sdb_session *session);
void session_unpin(struct sdb_session *session);

/* The lowest pinned epoch of all sessions. */
uint64_t sessions_oldest_pin(void *pool);

/*
 * Whether an operation that found the pool full should try again: something was committed or reclaimed meanwhile. *attempt is 0 for
 * the operation's first failure.
 */
bool session_make_room(struct sdb_session *session, int *attempt);

/* The same, and after SDB_ECONFLICT outside of a transaction: every shard is locked then, wherever the trees are that are in question. */
bool session_try_again(struct sdb_session *session, int error, int *attempt);

/* -- one operation on one key, for writing -- */
struct operation {
    struct index_key key;
    struct index_found found;
    struct tx_mark mark;
    bool exists; /* and is not expired */
    bool missed; /* by the cache, which was asked; found is what the pool has */
    uint64_t token; /* of the miss, for cache_fill */
    bool tree_stays; /* operation_remove: another key has its tree */
};

/*
 * Locks the key's shard, and that of its tree, and finds the key in a database (logical). An expired one is deleted on the way. On an error the operation
 * is over; on SDB_OK the caller owes operation_end.
 */
int operation_begin(struct sdb_session *session, unsigned database, const void *key, size_t key_size,
                    struct operation *operation);

/* Commits, or rolls back where error is not SDB_OK or a mere miss. Returns the error that counts. */
int operation_end(struct sdb_session *session, const struct tx_mark *mark, int error);

/*
 * Offers the cache what it missed, before anything is staged of the operation: for keys that stay. With their shard locked nobody
 * changes what was committed.
 */
void operation_offer(struct sdb_session *session, const struct operation *operation);

/* As operation_begin for a further key whose shard is locked already. SDB_ECONFLICT: session_lock_tree. */
int operation_find(struct sdb_session *session, unsigned database, const void *key, size_t key_size,
                   struct operation *operation);

/* Stages the key's new content; operation->found names its entry afterwards. */
struct entry_content;
int operation_put(struct sdb_session *session, struct operation *operation, struct entry_content *content);

/* The same for what becomes smaller, which is not to fail in a full pool. Owed: session_settle, when the change is complete. */
int settle_put(struct sdb_session *session, struct operation *operation, struct entry_content *content);

/* Makes room in the reserve again. Commits, the group, too. */
void settle_owed(struct sdb_session *session);

/* Outside of operations. */
static inline void session_settle(struct sdb_session *session)
{
    if (__builtin_expect(session->unsettled_count != 0, 0) && !session->transaction)
        settle_owed(session);
}

/* Stages the key's removal. The key exists. */
int operation_remove(struct sdb_session *session, struct operation *operation);

/* Describes the value that the operation found, so that operation_put can keep it. scratch holds an inline one. */
int operation_content(struct sdb_session *session, const struct operation *operation, struct entry_content *content,
                      uint8_t scratch[16]);

/* Fills in value or integer of a content: canonical integers as integers. */
void content_set_value(struct entry_content *content, const void *value, size_t size);

bool entry_is_expired(const uint64_t words[4], int64_t now);

/* -- telling of changes (observe.c) -- */

/* Tells the pool's observer of a change that was staged. The key's shard is locked. */
void observe_key(struct sdb_session *session, enum sdb_change_kind kind, const struct index_key *key);
/* A call that may have changed something begins anew, all of it taken back. Before anything else changes. */
void observe_undone(struct sdb_session *session);

/* Tells it of whole databases, before anything of that is staged and with every shard locked. */
void observe_databases(struct sdb_session *session, enum sdb_change_kind kind, uint32_t database, uint32_t other);

/* Whoever changes what a key holds says so, also where the key's entry stays as it is. */
static inline void session_changed(struct sdb_session *session, enum sdb_change_kind kind, const struct index_key *key)
{
    if (__builtin_expect(__atomic_load_n(&session->pool->observer, __ATOMIC_RELAXED) != NULL, 0) && !session->settling)
        observe_key(session, kind, key);
}

#endif
