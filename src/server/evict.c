/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * evict.c - from options to sdb_evict
 * Commit:  sdb_evict commits what the worker's group has staged before it; replies still wait for the turn's fence
 * Threads: any worker
 * Memory:  none of its own
 */
#include "evict.h"

#include "clock.h"
#include "config.h"
#include "guards.h"
#include "runtime.h"
#include "superdb/superdb.h"
#include "worker_stats.h"

#define KEYS_AT_ONCE 256u
#define FULL_SHARE 64u /* of the pool, that is evicted where it is full */

static const struct {
    const char *name;
    int expiring_only;
    enum sdb_evict_order order;
    enum sdb_access access;
} policies[] = {
    [EVICT_NONE] = {"noeviction", 0, SDB_EVICT_RANDOM, SDB_ACCESS_NONE},
    [EVICT_ALL_LRU] = {"allkeys-lru", 0, SDB_EVICT_RECENCY, SDB_ACCESS_RECENCY},
    [EVICT_ALL_LFU] = {"allkeys-lfu", 0, SDB_EVICT_FREQUENCY, SDB_ACCESS_FREQUENCY},
    [EVICT_ALL_RANDOM] = {"allkeys-random", 0, SDB_EVICT_RANDOM, SDB_ACCESS_NONE},
    [EVICT_VOLATILE_LRU] = {"volatile-lru", 1, SDB_EVICT_RECENCY, SDB_ACCESS_RECENCY},
    [EVICT_VOLATILE_LFU] = {"volatile-lfu", 1, SDB_EVICT_FREQUENCY, SDB_ACCESS_FREQUENCY},
    [EVICT_VOLATILE_RANDOM] = {"volatile-random", 1, SDB_EVICT_RANDOM, SDB_ACCESS_NONE},
    [EVICT_VOLATILE_TTL] = {"volatile-ttl", 1, SDB_EVICT_EXPIRY, SDB_ACCESS_NONE},
};

const char *evict_policy_name(void)
{
    return policies[CONFIG_READ(maxmemory_policy)].name;
}

int evict_counts_frequency(void)
{
    return policies[CONFIG_READ(maxmemory_policy)].access == SDB_ACCESS_FREQUENCY;
}

int evict_apply(const char **error)
{
    if (runtime.pool == NULL) /* the options are being read: it is called again */
        return 0;
    if (sdb_track_access(runtime.pool, policies[CONFIG_READ(maxmemory_policy)].access, (unsigned)CONFIG_READ(lfu_log_factor),
                         (unsigned)CONFIG_READ(lfu_decay_time)) != SDB_OK) {
        *error = "out of memory for the times of access";
        return -1;
    }
    guards_set(GUARD_MEMORY, CONFIG_READ(maxmemory) > 0);
    return 0;
}

int evict_has_room(struct sdb_session *session)
{
    const int64_t limit = CONFIG_READ(maxmemory);
    uint64_t used;

    /* What is in use is not known where a transaction keeps it from being counted: then there is no reason to refuse. */
    return limit <= 0 || sdb_used(session, &used) != SDB_OK || used <= (uint64_t)limit;
}

/* How long one command may take to evict, as Redis has it. */
static uint64_t time_limit_ns(void)
{
    const int tenacity = CONFIG_READ(maxmemory_eviction_tenacity);
    double us = 500;

    if (tenacity <= 10)
        return (uint64_t)tenacity * 50000;
    if (tenacity >= 100)
        return UINT64_MAX;
    for (int i = 10; i < tenacity; i++)
        us *= 1.15;
    return (uint64_t)(us * 1000);
}

/* Evicts down to target, for as long as it may take. 0: there is nothing left to evict. */
static int evict_down_to(struct sdb_session *session, uint64_t target, uint64_t limit_ns)
{
    const int policy = CONFIG_READ(maxmemory_policy);
    const struct sdb_evict_options options = {policies[policy].order, policies[policy].expiring_only,
                                              (unsigned)CONFIG_READ(maxmemory_samples)};
    const uint64_t begin = clock_ns();
    struct client *client = worker_stats_self->client;
    size_t evicted;
    int result;

    worker_stats_self->client = NULL; /* it is not the command's doing */
    do
        result = sdb_evict(session, &options, target, KEYS_AT_ONCE, &evicted);
    while (result == SDB_OK && evicted >= KEYS_AT_ONCE && clock_ns() - begin < limit_ns);
    worker_stats_self->client = client;
    return result != SDB_ENOTFOUND;
}

int evict_make_room(struct sdb_session *session)
{
    if (evict_has_room(session))
        return 1;
    return CONFIG_READ(maxmemory_policy) != EVICT_NONE && evict_down_to(session, (uint64_t)CONFIG_READ(maxmemory), time_limit_ns());
}

int evict_for_full_pool(struct sdb_session *session)
{
    uint64_t used;

    if (CONFIG_READ(maxmemory_policy) == EVICT_NONE || sdb_used(session, &used) != SDB_OK)
        return sdb_make_room(session) == SDB_OK;
    return evict_down_to(session, used - used / FULL_SHARE, UINT64_MAX);
}

void evict_go_on(struct sdb_session *session)
{
    if ((guards_now() & GUARD_MEMORY) != 0)
        (void)evict_make_room(session);
}
