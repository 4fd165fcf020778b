/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * loop_uring.c - the load generator's event loop on io_uring
 *
 * One multishot receive for each connection, into a ring of provided buffers, and one send at a time; a turn submits all
 * sends and reaps all completions with one system call. Cheaper than epoll with many connections and short pipelines.
 */
#include "loop.h"

#include "timing.h"

#include <errno.h>
#include <liburing.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ENTRIES 1024u
#define BUFFERS 256u /* a power of two */
#define BUFFER_SIZE 32768u
#define GROUP 1
#define TAG_SEND 1u /* in user data, beside the flow's address */

struct uring_loop {
    struct loader *loader;
    struct io_uring ring;
    struct io_uring_buf_ring *buffers;
    char *memory;
};

static int ring_open(struct io_uring *ring)
{
    struct io_uring_params params = {
        .flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_COOP_TASKRUN |
                 IORING_SETUP_CQSIZE,
        .cq_entries = 8 * ENTRIES,
    };

    return io_uring_queue_init_params(ENTRIES, ring, &params);
}

int loop_uring_usable(void)
{
    struct io_uring ring;

    if (ring_open(&ring))
        return 0;
    io_uring_queue_exit(&ring);
    return 1;
}

static struct io_uring_sqe *next_entry(struct uring_loop *loop)
{
    struct io_uring_sqe *entry = io_uring_get_sqe(&loop->ring);

    while (!entry) {
        io_uring_submit(&loop->ring);
        entry = io_uring_get_sqe(&loop->ring);
    }
    return entry;
}

static void start_receive(struct uring_loop *loop, struct flow *flow)
{
    struct io_uring_sqe *entry = next_entry(loop);

    io_uring_prep_recv_multishot(entry, flow->fd, NULL, 0, 0);
    entry->flags |= IOSQE_BUFFER_SELECT;
    entry->buf_group = GROUP;
    io_uring_sqe_set_data64(entry, (uint64_t)(uintptr_t)flow);
}

static void start_send(void *context, struct flow *flow)
{
    struct uring_loop *loop = context;
    struct io_uring_sqe *entry;
    const char *data;
    size_t size;

    if (flow->sending)
        return;
    size = flow_pending(loop->loader, flow, &data);
    if (!size)
        return;
    entry = next_entry(loop);
    io_uring_prep_send(entry, flow->fd, data, size, MSG_NOSIGNAL | MSG_WAITALL);
    io_uring_sqe_set_data64(entry, (uint64_t)(uintptr_t)flow | TAG_SEND);
    /* It counts as sent from here on: replies may overtake the send's own completion, and must find their pipeline. */
    flow->sending = (uint32_t)size;
    flow_sent(loop->loader, flow, size);
}

static void give_back(struct uring_loop *loop, uint32_t buffer)
{
    io_uring_buf_ring_add(loop->buffers, loop->memory + (size_t)buffer * BUFFER_SIZE, BUFFER_SIZE,
                          (unsigned short)buffer, io_uring_buf_ring_mask(BUFFERS), 0);
    io_uring_buf_ring_advance(loop->buffers, 1);
}

static void received(struct uring_loop *loop, struct flow *flow, const struct io_uring_cqe *completion)
{
    struct loader *loader = loop->loader;

    if (completion->res > 0) {
        uint32_t buffer = completion->flags >> IORING_CQE_BUFFER_SHIFT;

        flow_received(loader, flow, loop->memory + (size_t)buffer * BUFFER_SIZE, (size_t)completion->res, now_ns());
        give_back(loop, buffer);
    } else if (completion->res == 0) {
        snprintf(loader->failure, sizeof loader->failure, "the server closed a connection");
        return;
    } else if (completion->res != -ENOBUFS) {
        snprintf(loader->failure, sizeof loader->failure, "receive: %s", strerror(-completion->res));
        return;
    }
    if (!(completion->flags & IORING_CQE_F_MORE))
        start_receive(loop, flow);
    start_send(loop, flow);
}

static void sent(struct uring_loop *loop, struct flow *flow, const struct io_uring_cqe *completion)
{
    struct loader *loader = loop->loader;

    if (completion->res != (int)flow->sending) {
        snprintf(loader->failure, sizeof loader->failure, "send: %s",
                 completion->res < 0 ? strerror(-completion->res) : "the kernel stopped in the middle");
        return;
    }
    flow->sending = 0;
    start_send(loop, flow);
}

static void complete(struct uring_loop *loop, const struct io_uring_cqe *completion)
{
    uint64_t data = completion->user_data;
    struct flow *flow = (struct flow *)(uintptr_t)(data & ~(uint64_t)TAG_SEND);

    if (data & TAG_SEND)
        sent(loop, flow, completion);
    else
        received(loop, flow, completion);
}

static void turn(struct uring_loop *loop)
{
    struct loader *loader = loop->loader;
    uint64_t until_due = loader_due(loader, now_ns(), start_send, loop);
    uint64_t wait = until_due < 100000000 ? until_due : 100000000;
    struct __kernel_timespec limit = {.tv_nsec = (long long)wait};
    struct io_uring_cqe *completion = NULL;
    unsigned int head;
    unsigned int count = 0;
    int result;

    if (loader->options->spin || until_due < 2000000)
        result = io_uring_submit_and_get_events(&loop->ring);
    else
        result = io_uring_submit_and_wait_timeout(&loop->ring, &completion, 1, &limit, NULL);
    if (result < 0 && result != -ETIME && result != -EINTR && result != -EAGAIN && result != -EBUSY) {
        snprintf(loader->failure, sizeof loader->failure, "io_uring: %s", strerror(-result));
        return;
    }
    io_uring_for_each_cqe(&loop->ring, head, completion)
    {
        complete(loop, completion);
        count++;
        if (loader->failure[0])
            break;
    }
    io_uring_cq_advance(&loop->ring, count);
}

static int open_buffers(struct uring_loop *loop)
{
    struct io_uring_buf_reg description = {.ring_entries = BUFFERS, .bgid = GROUP};
    void *ring;
    int error;

    loop->memory = malloc((size_t)BUFFERS * BUFFER_SIZE);
    if (!loop->memory || posix_memalign(&ring, 4096, BUFFERS * sizeof(struct io_uring_buf)))
        return -ENOMEM;
    loop->buffers = ring;
    io_uring_buf_ring_init(loop->buffers);
    description.ring_addr = (uint64_t)(uintptr_t)ring;
    error = io_uring_register_buf_ring(&loop->ring, &description, 0);
    for (uint32_t i = 0; i < BUFFERS && !error; i++)
        give_back(loop, i);
    return error;
}

int loop_uring(struct loader *loader)
{
    struct uring_loop loop = {.loader = loader};
    int error = ring_open(&loop.ring);

    if (error) {
        snprintf(loader->failure, sizeof loader->failure, "io_uring: %s", strerror(-error));
        return -1;
    }
    error = open_buffers(&loop);
    if (error)
        snprintf(loader->failure, sizeof loader->failure, "io_uring buffers: %s", strerror(-error));
    for (uint32_t i = 0; i < loader->flow_count && !error; i++)
        start_receive(&loop, &loader->flows[i]);
    loader_begin(loader, now_ns());
    for (uint32_t i = 0; i < loader->flow_count && !error; i++)
        start_send(&loop, &loader->flows[i]);
    while (!loader->failure[0] && !loader_finished(loader, now_ns()))
        turn(&loop);
    /* The ring's exit cancels what is under way; the buffers may go after it. */
    io_uring_queue_exit(&loop.ring);
    free(loop.buffers);
    free(loop.memory);
    return loader->failure[0] ? -1 : 0;
}
