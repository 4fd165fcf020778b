/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * frames.h - requests of the binary protocol that were parsed and not run yet: a window of frames, of one client or many, beside
 * batch.h's window of RESP requests. Segments, turns, limits and groups are the same.
 *
 * Holds:   those of batch.h.
 * Threads: the worker's.
 */
#ifndef SDB_SERVER_FRAMES_H
#define SDB_SERVER_FRAMES_H

#include "frame.h"

struct connection;
struct worker;

#define FRAMES_WINDOW 64u

struct frames {
    unsigned count;
    struct wire_frame frames[FRAMES_WINDOW];
    struct connection *connections[FRAMES_WINDOW];
};

/* Looks up how the requests are counted. Called once, before workers run. */
void frames_init(void);

/* Which protocol a connection speaks that begins with this byte. */
void frames_decide(struct connection *connection, char first);

/* Parses the connection's segment as far as it may run. */
void frames_feed(struct worker *worker, struct connection *connection);

/* Runs what is in the window. */
void frames_run(struct worker *worker);

#endif
