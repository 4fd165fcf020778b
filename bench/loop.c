/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * loop.c - flows, their queues, and the schedule
 */
#include "loop.h"

#include "connection.h"
#include "timing.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int loader_open(struct loader *loader, uint32_t count)
{
    loader->flows = calloc(count, sizeof *loader->flows);
    if (!loader->flows) {
        snprintf(loader->failure, sizeof loader->failure, "out of memory");
        return -1;
    }
    for (uint32_t i = 0; i < count; i++) {
        struct flow *flow = &loader->flows[i];

        reply_counter_init(&flow->counter);
        flow->unanswered = loader->traffic.depth;
        flow->flights = calloc(FLIGHTS_MAX, sizeof *flow->flights);
        flow->fd = flow->flights ? connection_open(&loader->options->target) : -1;
        if (flow->fd < 0 || (loader->options->protocol == PROTOCOL_BINARY && connection_greet(flow->fd)) ||
            connection_unblock(flow->fd)) {
            snprintf(loader->failure, sizeof loader->failure, "cannot connect: %s", strerror(errno));
            free(flow->flights);
            return -1;
        }
        loader->flow_count++;
    }
    return 0;
}

void loader_close(struct loader *loader)
{
    for (uint32_t i = 0; i < loader->flow_count; i++) {
        close(loader->flows[i].fd);
        free(loader->flows[i].flights);
    }
    free(loader->flows);
    loader->flows = NULL;
    loader->flow_count = 0;
}

static void queue_pipeline(struct loader *loader, struct flow *flow, uint64_t due)
{
    struct flight *flight;

    if (flow->end - flow->oldest == FLIGHTS_MAX) {
        loader->dropped++;
        return;
    }
    flight = &flow->flights[flow->end++ & (FLIGHTS_MAX - 1)];
    flight->due = due;
    flight->pipeline = loader->next_pipeline++;
    if (loader->next_pipeline == loader->traffic.pipelines)
        loader->next_pipeline = 0;
}

void loader_begin(struct loader *loader, uint64_t now)
{
    uint64_t share = loader->options->rate / loader->options->threads;

    if (share) {
        loader->interval = (uint64_t)(1024e9 * (double)loader->traffic.depth / (double)share);
        loader->first_due = now;
        return;
    }
    for (uint32_t i = 0; i < loader->flow_count; i++)
        queue_pipeline(loader, &loader->flows[i], now);
}

int loader_finished(struct loader *loader, uint64_t now)
{
    int pid = (int)loader->options->server_pid;

    if (!loader->measuring) {
        if (now < loader->start_at)
            return 0;
        loader->measuring = 1;
        loader->started_at = now;
        loader->cpu = thread_cpu_ns();
        loader->server_cpu = pid ? process_cpu_ns(pid) : 0;
        return 0;
    }
    if (now < loader->stop_at && !(loader->bound && loader->replies >= loader->bound))
        return 0;
    loader->stopped_at = now;
    loader->cpu = thread_cpu_ns() - loader->cpu;
    loader->server_cpu = pid ? process_cpu_ns(pid) - loader->server_cpu : 0;
    return 1;
}

uint64_t loader_due(struct loader *loader, uint64_t now, void (*wake)(void *context, struct flow *flow), void *context)
{
    if (!loader->interval)
        return UINT64_MAX;
    for (;;) {
        uint64_t due = loader->first_due +
                       (uint64_t)((uint128)loader->due_count * loader->interval / 1024);
        struct flow *flow = &loader->flows[loader->next_flow];

        if (due > now)
            return due - now;
        queue_pipeline(loader, flow, due);
        wake(context, flow);
        loader->due_count++;
        loader->next_flow = loader->next_flow + 1 < loader->flow_count ? loader->next_flow + 1 : 0;
    }
}

size_t flow_pending(const struct loader *loader, const struct flow *flow, const char **data)
{
    const struct traffic *traffic = &loader->traffic;
    uint64_t pipeline;

    if (flow->unsent == flow->end)
        return 0;
    pipeline = flow->flights[flow->unsent & (FLIGHTS_MAX - 1)].pipeline;
    *data = traffic->bytes + traffic->starts[pipeline] + flow->sent;
    return traffic->starts[pipeline + 1] - traffic->starts[pipeline] - flow->sent;
}

void flow_sent(struct loader *loader, struct flow *flow, size_t size)
{
    const char *data;

    if (size == flow_pending(loader, flow, &data)) {
        flow->unsent++;
        flow->sent = 0;
    } else {
        flow->sent += size;
    }
}

int flow_received(struct loader *loader, struct flow *flow, const char *data, size_t size, uint64_t now)
{
    uint64_t replies = replies_count(&flow->counter, &loader->traffic.format, data, size);

    if (flow->counter.broken) {
        snprintf(loader->failure, sizeof loader->failure, "the server's reply is not of the protocol");
        return -1;
    }
    if (loader->measuring)
        loader->replies += replies;
    while (replies) {
        uint64_t part = replies < flow->unanswered ? replies : flow->unanswered;

        if (flow->oldest == flow->unsent) {
            snprintf(loader->failure, sizeof loader->failure, "the server replied to what was not sent");
            return -1;
        }
        if (loader->measuring)
            histogram_record(loader->latency, now - flow->flights[flow->oldest & (FLIGHTS_MAX - 1)].due, part);
        replies -= part;
        flow->unanswered -= (uint32_t)part;
        if (!flow->unanswered) {
            flow->unanswered = loader->traffic.depth;
            flow->oldest++;
            if (!loader->interval)
                queue_pipeline(loader, flow, now);
        }
    }
    return 0;
}
