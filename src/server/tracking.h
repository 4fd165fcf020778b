/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tracking.h - client-side caching: who has read which keys, and is told when they change
 *
 * Default mode. Before a tracking client reads keys it is noted with each of them. A change made by the same worker finds the
 * note when it is staged, and the message goes out with the turn's replies; a command's own client gets it behind its reply. Clients of other
 * workers are looked for behind the turn's fence, when the change can be seen: whoever read the old value was noted before it read,
 * and so before that; whoever reads later reads the new one. Their messages travel by mail.
 * Broadcasting mode. The keys that a turn has changed are told, behind its fence, to the clients whose prefixes they begin with, all of a turn
 * in one message for each prefix.
 * Where nobody tracks, the store's observer is not told anything, and a command pays nothing.
 *
 * Threads: each function by the client's, or the named, worker.
 */
#ifndef SDB_SERVER_TRACKING_H
#define SDB_SERVER_TRACKING_H

#include <stddef.h>
#include <stdint.h>

#include "names.h"
#include "request.h"
#include "superdb/superdb.h"

struct client;
struct command;
struct worker;

enum tracking_flags {
    TRACKING_BCAST = 1u << 0,
    TRACKING_OPTIN = 1u << 1,
    TRACKING_OPTOUT = 1u << 2,
    TRACKING_NOLOOP = 1u << 3,
    TRACKING_CACHING = 1u << 4, /* CLIENT CACHING was just given */
    TRACKING_BROKEN = 1u << 5,  /* the client that messages were redirected to is gone */
};

/* A client that tracks. */
struct tracking {
    struct name name; /* among its worker's, by its number. First */
    struct client *client;
    uint64_t id;
    uint32_t flags; /* enum tracking_flags */
    unsigned redirect_worker;
    uint64_t redirect; /* the other client's number; 0: none */
    struct sdb_slice *prefixes; /* sorted; owned, as their bytes are */
    size_t prefix_count;
    struct tracking *next, **link; /* of the worker's broadcast clients, or the others */
};

/* Begins to track, or changes how. prefixes are added, of none "" is. Errors: 0, out of memory. */
int tracking_enable(struct client *client, uint32_t flags, uint64_t redirect, unsigned redirect_worker,
                    const struct request_arg *prefixes, size_t count);
void tracking_disable(struct client *client);

/* Before a tracking client's command runs, and behind it. */
void tracking_before(struct client *client, const struct command *command, const struct request_arg *argv, int argc);
void tracking_after(struct client *client, const struct command *container);

/* Behind the reply of a command that was marked CLIENT_INVALIDATED: its own client is told. */
void tracking_tell_self(struct client *client);

/* What the store's observer does. */
void tracking_on_change(const struct sdb_change *change);

/* Behind a fence, or a failed one. */
void tracking_committed(struct worker *worker);
void tracking_failed(struct worker *worker);

/* tracking-table-max-keys was lowered. */
void tracking_apply_limit(struct worker *worker);

/* The thread ends. */
void tracking_leave(struct worker *worker);

struct tracking_figures {
    size_t clients, keys, items, prefixes;
};
void tracking_figures(struct tracking_figures *figures);

#endif
