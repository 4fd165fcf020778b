/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * contents.c - what a pool holds, read as a user would: a scan of each database, and a view of each key
 *
 * Threads: as sdb_session_open's
 * Memory:  a session's
 */
#include "contents.h"

#include "hash.h"

#define EFFORT 65536u

struct reading {
    struct sdb_session *session;
    uint64_t seed; /* by database */
    uint64_t sum;  /* over the keys in any order */
    int error;
};

static int add(void *context, const struct sdb_scan_item *item)
{
    struct reading *reading = context;
    struct sdb_view view;

    reading->error = sdb_view(reading->session, item->key.data, item->key.size, &view);
    if (reading->error)
        return 1;
    const uint64_t parts[] = {hash_key(reading->seed, item->key.data, item->key.size),
                              hash_key(reading->seed, view.data, view.size), (uint64_t)view.expire_ms, view.handle};
    reading->sum += hash_key(view.size, parts, sizeof(parts));
    sdb_view_release(reading->session, &view);
    return 0;
}

int contents_hash(struct sdb_pool *pool, uint64_t *hash)
{
    struct reading reading = {.error = SDB_OK};
    int error = sdb_session_open(pool, &reading.session);

    if (error)
        return error;
    for (uint32_t database = 0; database < SDB_DATABASES && !error; database++) {
        uint64_t cursor = 0;

        reading.seed = database + 1;
        error = sdb_select(reading.session, database);
        do {
            error = error ? error : sdb_scan(reading.session, &cursor, EFFORT, add, &reading);
            error = error ? error : reading.error;
        } while (cursor && !error);
    }
    sdb_session_close(reading.session);
    if (!error)
        *hash = reading.sum;
    return error;
}
