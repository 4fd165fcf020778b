/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tracking_push.h - the clients that track, and how messages get to them
 *
 * Threads: a client's tracking, and the lists of a worker, belong to that worker; what is for another's client goes by mail.
 */
#ifndef SDB_SERVER_TRACKING_PUSH_H
#define SDB_SERVER_TRACKING_PUSH_H

#include <stddef.h>
#include <stdint.h>

#include "tracking.h"

/* Keys in a row, each with the client that changed it. */
struct tracking_keys {
    struct tracking_item {
        size_t at, size;
        uint64_t by;
    } *items;
    size_t count, capacity;
    char *bytes;
    size_t size, bytes_capacity;
};

struct tracking_turn {
    struct tracking_keys own;     /* for the client whose command runs, behind its reply */
    struct tracking_keys changed; /* for others, behind the fence */
    uint8_t own_flush, flush;
};

/* Errors: 0, out of memory. */
int tracking_note_key(struct tracking_keys *keys, const struct sdb_slice *key, uint64_t by);
void tracking_keys_clear(struct tracking_keys *keys);
void tracking_keys_free(struct tracking_keys *keys);

static inline const char *tracking_key_data(const struct tracking_keys *keys, size_t i)
{
    return keys->bytes + keys->items[i].at;
}

/* Whether anybody tracks. Any thread. */
int tracking_is_on(void);
void tracking_count_clients(size_t *clients, size_t *prefixes);

/* To one of the worker's own clients, if it still tracks: a key, or that all is old. */
void tracking_push_key(struct worker *worker, uint64_t id, const struct sdb_slice *key);
void tracking_push_null(struct worker *worker, uint64_t id);

/* That all is old, to all of the worker's own clients but one. */
void tracking_push_flush(struct worker *worker, const struct client *but);

/* The same, to other workers' clients. */
void tracking_mail_key(unsigned to, uint64_t id, const struct sdb_slice *key);
void tracking_mail_flush(struct worker *from);

/* The keys that changed, to all who want to be told of their prefixes. Sorts them. */
void tracking_broadcast(struct worker *worker, struct tracking_keys *keys);

#endif
