/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * loop.h - the load generator's connections and event loops
 *
 * A flow is a connection with its queue of pipelines: those answered in part, those sent, those waiting to be sent. In a closed
 * loop it holds one pipeline, and the reply to its last request calls for the next; in an open loop the clock does, and
 * a pipeline's latency counts from the time it was due, so that a server that stalls does not silence the load.
 *
 * Threads: a loader and its flows belong to one thread. The event loops (epoll, io_uring) move bytes and call the
 * flow functions; they share all the rest.
 */
#ifndef BENCH_LOOP_H
#define BENCH_LOOP_H

#include "histogram.h"
#include "traffic.h"

#define FLIGHTS_MAX 4096u /* pipelines that an open loop lets wait on one connection; a power of two */
#define RECEIVE_SIZE 262144u

/* A pipeline on its way. */
struct flight {
    uint64_t due; /* ns: when it was sent (closed loop) or ought to have been (open loop) */
    uint64_t pipeline;
};

struct flow {
    int fd;
    uint32_t sending;    /* the loop's own mark: a send is under way */
    uint32_t unanswered; /* replies to come for the oldest flight */
    struct reply_counter counter;
    struct flight *flights; /* a ring */
    uint64_t oldest;
    uint64_t unsent;
    uint64_t end;
    uint64_t sent; /* bytes of the flight at `unsent` */
};

struct loader {
    const struct network_options *options;
    struct traffic traffic;
    struct flow *flows;
    uint32_t flow_count;
    uint32_t next_flow; /* whose turn it is in an open loop */
    uint64_t next_pipeline;
    struct histogram *latency;
    uint64_t start_at; /* ns: the end of the warm-up */
    uint64_t stop_at;
    uint64_t bound; /* measured replies after which to stop; 0: none */
    uint64_t interval; /* ns between two pipelines of an open loop, in 1/1024 ns */
    uint64_t due_count; /* pipelines that came due so far */
    uint64_t first_due;
    int measuring;
    uint64_t started_at;
    uint64_t stopped_at;
    uint64_t cpu; /* ns that this thread used while measuring */
    uint64_t server_cpu;
    uint64_t replies;
    uint64_t dropped; /* pipelines that found their connection's queue full */
    char failure[256]; /* why the loop ended early; empty: it did not */
};

/* Connects count flows. 0, or -1 with loader->failure set; loader_close is due in both cases. */
int loader_open(struct loader *loader, uint32_t count);
void loader_close(struct loader *loader);

/* Gives every flow its first pipeline (closed loop) or sets the schedule (open loop). */
void loader_begin(struct loader *loader, uint64_t now);

/* Starts and ends the measurement when its time has come: 1 where the loop is to end. */
int loader_finished(struct loader *loader, uint64_t now);

/*
 * An open loop's pipelines that have come due by now are queued; for each, wake is called with its flow. Returns the
 * nanoseconds until the next one (UINT64_MAX in a closed loop).
 */
uint64_t loader_due(struct loader *loader, uint64_t now, void (*wake)(void *context, struct flow *flow), void *context);

/* The bytes that the flow has to send: their number, and where they are. */
size_t flow_pending(const struct loader *loader, const struct flow *flow, const char **data);
void flow_sent(struct loader *loader, struct flow *flow, size_t size);

/* Takes in what was received: 0, or -1 with loader->failure set. In a closed loop it may queue the next pipeline. */
int flow_received(struct loader *loader, struct flow *flow, const char *data, size_t size, uint64_t now);

/* Runs until loader_finished. 0, or -1 with loader->failure set. */
int loop_epoll(struct loader *loader);
int loop_uring(struct loader *loader);

/* 1 where the kernel lets this process use io_uring as loop_uring does. */
int loop_uring_usable(void);

#endif
