/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * evict.h - maxmemory: what is done when the data takes more of the pool than it may
 *
 * Compared is what sdb_used says: bytes of keys, values and index. Before a command runs, keys are evicted until it is below again; where
 * none may be, commands that could take more are refused, as Redis refuses them. Without maxmemory the pool's size is the
 * bound: where a policy allows it, a write that finds the pool full evicts and tries again.
 * Threads: any worker, for its own commands.
 */
#ifndef SDB_SERVER_EVICT_H
#define SDB_SERVER_EVICT_H

#include <stddef.h>
#include <stdint.h>

struct client;
struct sdb_session;

/* Values of maxmemory-policy. */
enum evict_policy {
    EVICT_NONE,
    EVICT_ALL_LRU,
    EVICT_ALL_LFU,
    EVICT_ALL_RANDOM,
    EVICT_VOLATILE_LRU,
    EVICT_VOLATILE_LFU,
    EVICT_VOLATILE_RANDOM,
    EVICT_VOLATILE_TTL,
};

/* Carries out what the options say: at the start, when the pool is open, and after CONFIG SET. Errors: -1 with *error. */
int evict_apply(const char **error);

/* Whether there is room now, without doing anything for it. */
int evict_has_room(struct sdb_session *session);

/* Makes room, where maxmemory is set and there is none. 0: there was nothing to evict. Outside of transactions. */
int evict_make_room(struct sdb_session *session);

/*
 * A command found the pool full and changed nothing: collects garbage, and evicts a part of it where the policy allows that.
 * 0: nothing came of it, so that there is no sense in trying again. Outside of transactions.
 */
int evict_for_full_pool(struct sdb_session *session);

/* Now and then, by one worker: goes on where a command's share of time did not suffice. */
void evict_go_on(struct sdb_session *session);

/* The policy's name. */
const char *evict_policy_name(void);

/* Whether the use of keys is noted as frequency; 0: recency, or nothing. */
int evict_counts_frequency(void);

#endif
