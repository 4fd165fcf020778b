/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * io_epoll.c - the loop's kernel interface where io_uring is not to be had: level-triggered epoll, recv and send
 *
 * Holds:   1. nothing of a connection stays in the kernel: detaching is immediate;
 *          2. sockets are in blocking mode and every call says MSG_DONTWAIT, so that both backends take the same sockets.
 * Memory:  an arena for received bytes, filled from its beginning between two releases.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "connection.h"
#include "io.h"
#include "worker.h"

#define EVENTS 256
#define ARENA_SIZE (1024u * 1024)
#define RECEIVE_SIZE_MAX (64u * 1024)
#define RECEIVE_SIZE_MIN (16u * 1024)

/* What an event's data is: a pointer to a connection, or a tag in the low bits. */
enum tag { TAG_CONNECTION = 0, TAG_WAKE = 1, TAG_MASK = 1 };

struct epoll_io {
    struct io io;
    int epoll_fd;
    int wake_fd;
    int events_count;
    struct epoll_event events[EVENTS];
    char *arena;
    size_t arena_used;
};

static struct epoll_io *epoll_of(struct io *io)
{
    return (struct epoll_io *)(void *)io;
}

static int control(struct epoll_io *self, int operation, int fd, uint32_t interest, uint64_t data)
{
    struct epoll_event event = {.events = interest, .data.u64 = data};

    return epoll_ctl(self->epoll_fd, operation, fd, &event) == 0 ? 0 : -errno;
}

static int open_epoll(struct worker *worker, int wake_fd, struct io **io)
{
    struct epoll_io *self = calloc(1, sizeof(*self));
    int error = -ENOMEM;

    if (self == NULL)
        return -ENOMEM;
    self->io.operations = &io_epoll_operations;
    self->io.worker = worker;
    self->wake_fd = wake_fd;
    self->arena = malloc(ARENA_SIZE);
    if (self->arena == NULL)
        goto free_self;
    self->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (self->epoll_fd < 0) {
        error = -errno;
        goto free_arena;
    }
    error = control(self, EPOLL_CTL_ADD, wake_fd, EPOLLIN, TAG_WAKE);
    if (error != 0)
        goto close_epoll;
    *io = &self->io;
    return 0;

close_epoll:
    close(self->epoll_fd);
free_arena:
    free(self->arena);
free_self:
    free(self);
    return error;
}

static void close_epoll(struct io *io)
{
    struct epoll_io *self = epoll_of(io);

    close(self->epoll_fd);
    free(self->arena);
    free(self);
}

/* Registers what the connection waits for, where that has changed. */
static void update_interest(struct epoll_io *self, struct connection *connection)
{
    uint32_t interest = 0;

    if (!connection->io.paused && !connection->ended)
        interest |= EPOLLIN;
    if (connection->io.sending)
        interest |= EPOLLOUT;
    if (interest == connection->io.interest)
        return;
    connection->io.interest = interest;
    (void)control(self, EPOLL_CTL_MOD, connection->client.fd, interest, (uint64_t)(uintptr_t)connection);
}

static int attach(struct io *io, struct connection *connection)
{
    connection->io.interest = EPOLLIN;
    return control(epoll_of(io), EPOLL_CTL_ADD, connection->client.fd, EPOLLIN, (uint64_t)(uintptr_t)connection);
}

static void receive_pause(struct io *io, struct connection *connection)
{
    connection->io.paused = 1;
    update_interest(epoll_of(io), connection);
}

static void receive_resume(struct io *io, struct connection *connection)
{
    connection->io.paused = 0;
    update_interest(epoll_of(io), connection);
}

static void send_out(struct io *io, struct connection *connection)
{
    while (connection->out_sent < connection->out_size) {
        ssize_t sent = send(connection->client.fd, connection->out + connection->out_sent,
                            connection->out_size - connection->out_sent, MSG_DONTWAIT | MSG_NOSIGNAL);

        if (sent > 0) {
            connection->out_sent += (size_t)sent;
            continue;
        }
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            connection->io.sending = 1;
            update_interest(epoll_of(io), connection);
            io_on_sent(connection);
            return;
        }
        connection->io.sending = 0;
        update_interest(epoll_of(io), connection);
        io_on_ended(connection, sent < 0 ? errno : EPIPE);
        return;
    }
    connection->io.sending = 0;
    update_interest(epoll_of(io), connection);
    io_on_sent(connection);
}

static void detach(struct io *io, struct connection *connection)
{
    (void)control(epoll_of(io), EPOLL_CTL_DEL, connection->client.fd, 0, 0);
    connection->io.sending = 0;
    io_on_detached(connection);
}

static enum io_waited wait_events(struct io *io, int64_t timeout_ns, int64_t spin_ns)
{
    struct epoll_io *self = epoll_of(io);

    self->events_count = epoll_wait(self->epoll_fd, self->events, EVENTS, 0);
    if (self->events_count > 0)
        return IO_AT_ONCE;
    if (spin_ns > 0) {
        uint64_t end = clock_ns() + (uint64_t)spin_ns;

        do {
            self->events_count = epoll_wait(self->epoll_fd, self->events, EVENTS, 0);
            if (self->events_count > 0)
                return IO_BY_SPINNING;
        } while (clock_ns() < end);
    }
    if (timeout_ns <= 0)
        return IO_NOTHING;
    int64_t timeout_ms = (timeout_ns + 999999) / 1000000;
    self->events_count = epoll_wait(self->epoll_fd, self->events, EVENTS, timeout_ms > 60000 ? 60000 : (int)timeout_ms);
    return self->events_count > 0 ? IO_BY_SLEEPING : IO_NOTHING;
}

static void receive(struct epoll_io *self, struct connection *connection)
{
    if (ARENA_SIZE - self->arena_used < RECEIVE_SIZE_MIN)
        io_on_crowded(self->io.worker);
    size_t room = ARENA_SIZE - self->arena_used;
    char *at = self->arena + self->arena_used;
    ssize_t received = recv(connection->client.fd, at, room > RECEIVE_SIZE_MAX ? RECEIVE_SIZE_MAX : room, MSG_DONTWAIT);

    if (received > 0) {
        /* The next client's bytes begin on a cache line of their own. */
        self->arena_used += ((size_t)received + 63) & ~(size_t)63;
        if (self->arena_used > ARENA_SIZE)
            self->arena_used = ARENA_SIZE;
        io_on_received(connection, at, (size_t)received);
    } else if (received == 0) {
        io_on_ended(connection, 0);
        update_interest(self, connection);
    } else if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR) {
        io_on_ended(connection, errno);
        update_interest(self, connection);
    }
}

static void deliver(struct io *io)
{
    struct epoll_io *self = epoll_of(io);

    /* What a full turn leaves undelivered is reported again: the events are level-triggered. No connection is freed meanwhile. */
    for (int i = 0; i < self->events_count && !worker_turn_is_full(io->worker); i++) {
        uint64_t data = self->events[i].data.u64;
        uint32_t events = self->events[i].events;

        if ((data & TAG_MASK) == TAG_WAKE) {
            uint64_t count;

            if (read(self->wake_fd, &count, sizeof(count)) == (ssize_t)sizeof(count))
                io_on_woken(io->worker);
        } else {
            struct connection *connection = (struct connection *)(uintptr_t)data;

            if ((events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) != 0 && connection->io.sending)
                send_out(io, connection);
            if (!connection->ended && !connection->io.paused)
                receive(self, connection);
            else if ((events & (EPOLLERR | EPOLLHUP)) != 0)
                io_on_ended(connection, EPIPE);
        }
    }
    self->events_count = 0;
}

static void release(struct io *io)
{
    epoll_of(io)->arena_used = 0;
}

const struct io_operations io_epoll_operations = {
    .name = "epoll",
    .open = open_epoll,
    .close = close_epoll,
    .attach = attach,
    .receive_pause = receive_pause,
    .receive_resume = receive_resume,
    .send = send_out,
    .detach = detach,
    .wait = wait_events,
    .deliver = deliver,
    .release = release,
};
