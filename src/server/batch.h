/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * batch.h - requests that were parsed and not run yet, of one client or many: their keys are prefetched together
 *
 * Steps:   feed (parse, a window of requests at a time) -> run (prefetch the window's keys, run it in order) -> finish (copy what
 *          is left over of each segment, give the kernel its buffers back).
 * Holds:   1. requests of one client run in the order in which they came;
 *          2. a request that may not run now is not consumed: its bytes stay in its connection's input.
 * Threads: the worker's.
 */
#ifndef SDB_SERVER_BATCH_H
#define SDB_SERVER_BATCH_H

#include <stddef.h>
#include <stdint.h>

#include "frames.h"
#include "request.h"

struct command_slot;
struct connection;
struct worker;

#define BATCH_REQUESTS 32 /* a window: what the CPU can have under way at once, with some to spare */

struct batch_request {
    struct connection *connection;
    const struct command_slot *slot; /* NULL: no such command */
    const struct request_arg *argv;
    int argc;
    size_t size; /* bytes of input */
};

struct batch {
    unsigned count;
    struct batch_request requests[BATCH_REQUESTS];
    struct request_arg args[BATCH_REQUESTS * REQUEST_SIMPLE_ARGS_MAX];
    unsigned args_count;
    struct request_prefix prefix; /* of the last small request that did not begin as the one before */
    const struct command_slot *prefix_slot;
    struct frames frames;        /* the window of the clients that speak the binary protocol */
    struct connection *segments; /* connections whose segment the requests point into */
};

/* Begins a segment and parses all of it that may run. data stays valid until batch_finish; is_input: it is the connection's own. */
void batch_feed(struct worker *worker, struct connection *connection, const char *data, size_t size, int is_input);

/* Runs what is in the window. */
void batch_run(struct worker *worker);

/* Runs it, and lets go of all segments. */
void batch_finish(struct worker *worker);

#endif
