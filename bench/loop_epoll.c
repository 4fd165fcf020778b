/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * loop_epoll.c - the load generator's event loop on epoll
 *
 * A turn first receives from every readable connection, then sends on every one that has something to send. Nothing
 * is sent inside the first half: several connections' requests so reach the server together, as they do from several clients.
 */
#include "loop.h"

#include "timing.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define EVENTS 256

struct epoll_loop {
    struct loader *loader;
    int fd;
    char *buffer;
};

static void watch(struct epoll_loop *loop, struct flow *flow, int operation, int writable)
{
    struct epoll_event event = {.events = EPOLLIN | (writable ? EPOLLOUT : 0u), .data = {.ptr = flow}};

    if (epoll_ctl(loop->fd, operation, flow->fd, &event))
        snprintf(loop->loader->failure, sizeof loop->loader->failure, "epoll_ctl: %s", strerror(errno));
}

/* Sends until nothing is left or the socket is full. */
static void send_pending(void *context, struct flow *flow)
{
    struct epoll_loop *loop = context;
    const char *data;
    size_t size;

    while ((size = flow_pending(loop->loader, flow, &data)) > 0) {
        ssize_t sent = send(flow->fd, data, size, MSG_NOSIGNAL | MSG_DONTWAIT);

        if (sent < 0) {
            if (errno != EAGAIN)
                snprintf(loop->loader->failure, sizeof loop->loader->failure, "send: %s", strerror(errno));
            else if (!flow->sending)
                watch(loop, flow, EPOLL_CTL_MOD, 1);
            flow->sending = errno == EAGAIN;
            return;
        }
        flow_sent(loop->loader, flow, (size_t)sent);
    }
    if (flow->sending)
        watch(loop, flow, EPOLL_CTL_MOD, 0);
    flow->sending = 0;
}

static void receive(struct epoll_loop *loop, struct flow *flow)
{
    struct loader *loader = loop->loader;
    ssize_t size = recv(flow->fd, loop->buffer, RECEIVE_SIZE, MSG_DONTWAIT);

    if (size > 0)
        flow_received(loader, flow, loop->buffer, (size_t)size, now_ns());
    else if (size == 0)
        snprintf(loader->failure, sizeof loader->failure, "the server closed a connection");
    else if (errno != EAGAIN && errno != EINTR)
        snprintf(loader->failure, sizeof loader->failure, "recv: %s", strerror(errno));
}

/* Milliseconds to sleep for, at most. */
static int patience(const struct loader *loader, uint64_t until_due)
{
    if (loader->options->spin || until_due < 2000000)
        return 0;
    return until_due > 100000000 ? 100 : (int)(until_due / 1000000) - 1;
}

static void turn(struct epoll_loop *loop)
{
    struct epoll_event events[EVENTS];
    struct loader *loader = loop->loader;
    uint64_t until_due = loader_due(loader, now_ns(), send_pending, loop);
    int count = epoll_wait(loop->fd, events, EVENTS, patience(loader, until_due));

    for (int i = 0; i < count && !loader->failure[0]; i++)
        if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR))
            receive(loop, events[i].data.ptr);
    for (int i = 0; i < count && !loader->failure[0]; i++)
        send_pending(loop, events[i].data.ptr);
}

int loop_epoll(struct loader *loader)
{
    struct epoll_loop loop = {.loader = loader, .fd = epoll_create1(EPOLL_CLOEXEC), .buffer = malloc(RECEIVE_SIZE)};

    if (loop.fd < 0 || !loop.buffer)
        snprintf(loader->failure, sizeof loader->failure, "epoll: %s", strerror(errno));
    for (uint32_t i = 0; i < loader->flow_count && !loader->failure[0]; i++)
        watch(&loop, &loader->flows[i], EPOLL_CTL_ADD, 0);
    loader_begin(loader, now_ns());
    for (uint32_t i = 0; i < loader->flow_count && !loader->failure[0]; i++)
        send_pending(&loop, &loader->flows[i]);
    while (!loader->failure[0] && !loader_finished(loader, now_ns()))
        turn(&loop);
    free(loop.buffer);
    if (loop.fd >= 0)
        close(loop.fd);
    return loader->failure[0] ? -1 : 0;
}
