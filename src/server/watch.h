/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * watch.h - WATCH: the keys that clients watch, and who is touched when one changes
 *
 * No version is compared. The store tells of each change while the key's shard is locked (sdb_observe), and then every client that
 * watches the key is marked. A client begins to watch with the shard locked, and asks with the shard locked whether it was
 * marked: a change is either told of before that, or made after EXEC. So nothing is missed, however often the key changed.
 *
 * Threads: each function by the client's worker; watch_on_change by whoever changes a key.
 */
#ifndef SDB_SERVER_WATCH_H
#define SDB_SERVER_WATCH_H

#include <stddef.h>
#include <stdint.h>

#include "names.h"
#include "request.h"
#include "superdb/superdb.h"

struct client;

struct watched_key; /* watch.c */

struct watch {
    struct watched_key *key;
    struct client *client;
    struct watch *next, **link; /* among those who watch the key */
    struct watch *client_next;  /* Owner: the client's worker. */
    int existed;                /* when the watching began */
};

/* The key's shard is locked. Errors: 0, out of memory. */
int watch_add(struct client *client, const struct request_arg *key, int existed);

/* Whether the client watches this key of its database. */
int watch_has(const struct client *client, const struct request_arg *key);

/* The client watches nothing any more, and is not touched. */
void watch_clear(struct client *client);

/* What a client watches: the key, and its database. */
const struct name *watch_name(const struct watch *watch);

/* Whether something that the client watches was changed. */
int watch_is_touched(const struct client *client);

/* Changes that this thread makes from now on do not touch this client (NULL: they touch everyone). */
void watch_exempt(const struct client *client);

/* What the store's observer does about watched keys. */
void watch_on_change(const struct sdb_change *change);

#endif
