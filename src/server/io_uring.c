/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * io_uring.c - the loop's kernel interface over io_uring
 *
 * Each worker has a ring that only its thread submits to and reaps from (SINGLE_ISSUER, DEFER_TASKRUN): completions are made
 * when the thread asks for them, never by interrupting it. Accepting and receiving are multishot: armed once, they deliver
 * until they end. Received bytes land in buffers that the kernel picks from a ring of provided ones. A turn's sends go out
 * with one system call.
 *
 * Holds:   1. completions come in any order; io_state.in_flight counts those of a connection that are owed, and io_on_detached
 *             is called when it reaches 0: nothing in the kernel names the descriptor or the memory then;
 *          2. a connection on the rearm list counts as in flight;
 *          3. a provided buffer is with the kernel or on the held list, until release.
 */
#include <errno.h>
#include <liburing.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "connection.h"
#include "io.h"
#include "worker.h"

#define SUBMISSIONS 1024u
#define COMPLETIONS 4096u
#define BUFFERS 256u /* a power of two */
#define BUFFER_SIZE 16384u
#define BUFFER_GROUP 0
#define REAP 64u
#define SEND_ALL_MAX (64u * 1024)
#define SEND_MAX (1u << 30) /* a submission's length is of 32 bits, and the kernel takes less than 2 GiB at once */

/* The low bits of user_data; the others are a connection's address, or a descriptor shifted. */
enum operation {
    OPERATION_RECEIVE = 0,
    OPERATION_SEND = 1,
    OPERATION_CANCEL = 2,
    OPERATION_WAKE = 3,
    OPERATION_MASK = 7,
};

enum rearm { REARM_RECEIVE = 1, REARM_SEND = 2 };

struct uring_io {
    struct io io;
    struct io_uring ring;
    int wake_fd;
    uint64_t wake_value;
    struct io_uring_buf_ring *buffer_ring;
    char *buffers;
    uint16_t held[BUFFERS]; /* buffers whose bytes were delivered and not released */
    unsigned held_count;
    struct connection *rearm; /* connections that want an operation again */
    uint8_t wake_armed;
};

static struct uring_io *uring_of(struct io *io)
{
    return (struct uring_io *)(void *)io;
}

/* ---- opening --------------------------------------------------------------------------------------------------------- */

/* The newest way that the kernel knows. Errors: a negative errno. */
static int open_ring(struct io_uring *ring, unsigned submissions)
{
    static const unsigned ways[] = {
        IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG, /* 6.1 */
        IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG,  /* 6.0 */
    };
    int error = -EINVAL;

    for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]) && error == -EINVAL; i++) {
        struct io_uring_params params;

        memset(&params, 0, sizeof(params));
        params.flags = ways[i] | IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP | IORING_SETUP_SUBMIT_ALL;
        params.cq_entries = COMPLETIONS;
        error = io_uring_queue_init_params(submissions, ring, &params);
    }
    return error;
}

static void put_buffer(struct uring_io *self, uint16_t id, unsigned offset)
{
    io_uring_buf_ring_add(self->buffer_ring, self->buffers + (size_t)id * BUFFER_SIZE, BUFFER_SIZE, id,
                          io_uring_buf_ring_mask(BUFFERS), (int)offset);
}

/* Maps the buffers and their ring, and gives all of them to the kernel. Errors: a negative errno. */
static int open_buffers(struct uring_io *self)
{
    struct io_uring_buf_reg registration;
    size_t ring_size = BUFFERS * sizeof(struct io_uring_buf);
    int error;

    self->buffer_ring = mmap(NULL, ring_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (self->buffer_ring == MAP_FAILED)
        return -ENOMEM;
    self->buffers = mmap(NULL, (size_t)BUFFERS * BUFFER_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (self->buffers == MAP_FAILED) {
        error = -ENOMEM;
        goto unmap_ring;
    }
    memset(&registration, 0, sizeof(registration));
    registration.ring_addr = (uint64_t)(uintptr_t)self->buffer_ring;
    registration.ring_entries = BUFFERS;
    registration.bgid = BUFFER_GROUP;
    error = io_uring_register_buf_ring(&self->ring, &registration, 0);
    if (error != 0)
        goto unmap_buffers;
    io_uring_buf_ring_init(self->buffer_ring);
    for (unsigned i = 0; i < BUFFERS; i++)
        put_buffer(self, (uint16_t)i, i);
    io_uring_buf_ring_advance(self->buffer_ring, (int)BUFFERS);
    return 0;

unmap_buffers:
    munmap(self->buffers, (size_t)BUFFERS * BUFFER_SIZE);
unmap_ring:
    munmap(self->buffer_ring, ring_size);
    return error;
}

static void close_buffers(struct uring_io *self)
{
    munmap(self->buffers, (size_t)BUFFERS * BUFFER_SIZE);
    munmap(self->buffer_ring, BUFFERS * sizeof(struct io_uring_buf));
}

static int open_uring(struct worker *worker, int wake_fd, struct io **io)
{
    struct uring_io *self = calloc(1, sizeof(*self));
    int error;

    if (self == NULL)
        return -ENOMEM;
    self->io.operations = &io_uring_operations;
    self->io.worker = worker;
    self->wake_fd = wake_fd;
    error = open_ring(&self->ring, SUBMISSIONS);
    if (error != 0)
        goto free_self;
    error = open_buffers(self);
    if (error != 0)
        goto exit_ring;
    /* Saves looking the descriptor up in every io_uring_enter; nothing is lost where it is refused. */
    (void)io_uring_register_ring_fd(&self->ring);
    *io = &self->io;
    return 0;

exit_ring:
    io_uring_queue_exit(&self->ring);
free_self:
    free(self);
    return error;
}

static void close_uring(struct io *io)
{
    struct uring_io *self = uring_of(io);

    io_uring_queue_exit(&self->ring);
    close_buffers(self);
    free(self);
}

/* ---- submitting ------------------------------------------------------------------------------------------------------ */

/* NULL where the kernel takes no more at the moment. */
static struct io_uring_sqe *take_sqe(struct uring_io *self)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&self->ring);

    if (sqe == NULL) {
        (void)io_uring_submit(&self->ring);
        sqe = io_uring_get_sqe(&self->ring);
    }
    return sqe;
}

static uint64_t name_of(const struct connection *connection, enum operation operation)
{
    return (uint64_t)(uintptr_t)connection | (uint64_t)operation;
}

/* Later: behind the next release, or when the kernel takes submissions again. */
static void want_again(struct uring_io *self, struct connection *connection, enum rearm what)
{
    if (connection->io.rearm == 0) {
        connection->io.in_flight++;
        connection->io.rearm_next = self->rearm;
        self->rearm = connection;
    }
    connection->io.rearm |= (uint8_t)what;
}

static void submit_receive(struct uring_io *self, struct connection *connection)
{
    struct io_uring_sqe *sqe;

    if (connection->io.receiving || connection->io.paused || connection->io.detaching || connection->ended)
        return;
    sqe = take_sqe(self);
    if (sqe == NULL) {
        want_again(self, connection, REARM_RECEIVE);
        return;
    }
    io_uring_prep_recv(sqe, connection->client.fd, NULL, 0, 0);
    sqe->ioprio |= IORING_RECV_MULTISHOT;
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->buf_group = BUFFER_GROUP;
    sqe->user_data = name_of(connection, OPERATION_RECEIVE);
    connection->io.receiving = 1;
    connection->io.in_flight++;
}

static void submit_send(struct uring_io *self, struct connection *connection)
{
    struct io_uring_sqe *sqe = connection->io.detaching ? NULL : take_sqe(self);
    size_t size = connection->out_size - connection->out_sent;
    int flags = MSG_NOSIGNAL;

    if (sqe == NULL) {
        want_again(self, connection, REARM_SEND);
        return;
    }
    /* The kernel goes on by itself after a short send; with a large one it is to tell how it gets on, or a slow reader looks idle. */
    if (size <= SEND_ALL_MAX)
        flags |= MSG_WAITALL;
    io_uring_prep_send(sqe, connection->client.fd, connection->out + connection->out_sent, size < SEND_MAX ? size : SEND_MAX, flags);
    sqe->user_data = name_of(connection, OPERATION_SEND);
    connection->io.sending = 1;
    connection->io.in_flight++;
}

static void submit_cancel(struct uring_io *self, uint64_t name)
{
    struct io_uring_sqe *sqe = take_sqe(self);

    /* Without one the operation ends by itself: the socket is shut down where this matters. */
    if (sqe == NULL)
        return;
    io_uring_prep_cancel64(sqe, name, 0);
    sqe->user_data = OPERATION_CANCEL;
}

static void submit_wake(struct uring_io *self)
{
    struct io_uring_sqe *sqe = self->wake_armed ? NULL : take_sqe(self);

    if (sqe == NULL)
        return;
    io_uring_prep_read(sqe, self->wake_fd, &self->wake_value, sizeof(self->wake_value), 0);
    sqe->user_data = OPERATION_WAKE;
    self->wake_armed = 1;
}

static void finish_operation(struct connection *connection)
{
    connection->io.in_flight--;
    if (connection->io.detaching && connection->io.in_flight == 0)
        io_on_detached(connection);
}

static void submit_rearmed(struct uring_io *self)
{
    struct connection *connection = self->rearm;

    self->rearm = NULL;
    while (connection != NULL) {
        struct connection *next = connection->io.rearm_next;
        uint8_t what = connection->io.rearm;

        connection->io.rearm = 0;
        connection->io.rearm_next = NULL;
        if (!connection->io.detaching) {
            if ((what & REARM_RECEIVE) != 0)
                submit_receive(self, connection);
            if ((what & REARM_SEND) != 0)
                submit_send(self, connection);
        }
        finish_operation(connection);
        connection = next;
    }
}

static int attach(struct io *io, struct connection *connection)
{
    submit_receive(uring_of(io), connection);
    return 0;
}

static void receive_pause(struct io *io, struct connection *connection)
{
    connection->io.paused = 1;
    if (connection->io.receiving)
        submit_cancel(uring_of(io), name_of(connection, OPERATION_RECEIVE));
}

static void receive_resume(struct io *io, struct connection *connection)
{
    connection->io.paused = 0;
    /* Where the cancellation is still under way, its completion arms the receive again. */
    submit_receive(uring_of(io), connection);
}

static void send_out(struct io *io, struct connection *connection)
{
    submit_send(uring_of(io), connection);
}

static void detach(struct io *io, struct connection *connection)
{
    connection->io.detaching = 1;
    if (connection->io.in_flight == 0) {
        io_on_detached(connection);
        return;
    }
    /* Both ends every operation: the cancellation at once, the shutdown where a cancellation cannot be submitted. */
    (void)shutdown(connection->client.fd, SHUT_RDWR);
    if (connection->io.receiving)
        submit_cancel(uring_of(io), name_of(connection, OPERATION_RECEIVE));
    if (connection->io.sending)
        submit_cancel(uring_of(io), name_of(connection, OPERATION_SEND));
}

/* ---- completions ----------------------------------------------------------------------------------------------------- */

static inline void relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static int has_work(struct uring_io *self)
{
    return io_uring_cq_ready(&self->ring) != 0 ||
           (__atomic_load_n(self->ring.sq.kflags, __ATOMIC_RELAXED) & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW)) != 0;
}

static enum io_waited wait_completions(struct io *io, int64_t timeout_ns, int64_t spin_ns)
{
    struct uring_io *self = uring_of(io);

    submit_wake(self);
    if (self->rearm != NULL)
        submit_rearmed(self);
    if (io_uring_sq_ready(&self->ring) != 0)
        (void)io_uring_submit_and_get_events(&self->ring);
    else if (io_uring_cq_ready(&self->ring) == 0 && has_work(self))
        (void)io_uring_get_events(&self->ring);
    if (io_uring_cq_ready(&self->ring) != 0)
        return IO_AT_ONCE;
    if (spin_ns > 0) {
        uint64_t end = clock_ns() + (uint64_t)spin_ns;

        do {
            for (int i = 0; i < 16 && !has_work(self); i++)
                relax();
        } while (!has_work(self) && clock_ns() < end);
        if (has_work(self)) {
            (void)io_uring_get_events(&self->ring);
            return io_uring_cq_ready(&self->ring) != 0 ? IO_BY_SPINNING : IO_NOTHING;
        }
    }
    if (timeout_ns <= 0)
        return IO_NOTHING;
    struct __kernel_timespec timeout = {.tv_sec = timeout_ns / 1000000000, .tv_nsec = timeout_ns % 1000000000};
    struct io_uring_cqe *cqe = NULL;
    (void)io_uring_submit_and_wait_timeout(&self->ring, &cqe, 1, &timeout, NULL);
    return io_uring_cq_ready(&self->ring) != 0 ? IO_BY_SLEEPING : IO_NOTHING;
}

static void on_receive(struct uring_io *self, struct connection *connection, int result, uint32_t flags)
{
    int more = (flags & IORING_CQE_F_MORE) != 0;

    if (!more)
        connection->io.receiving = 0;
    if ((flags & IORING_CQE_F_BUFFER) != 0) {
        uint16_t id = (uint16_t)(flags >> IORING_CQE_BUFFER_SHIFT);

        self->held[self->held_count++] = id;
        if (result > 0 && !connection->io.detaching)
            io_on_received(connection, self->buffers + (size_t)id * BUFFER_SIZE, (size_t)result);
    }
    if (!more) {
        if (result == 0)
            io_on_ended(connection, 0);
        else if (result < 0 && result != -ENOBUFS && result != -ECANCELED && result != -EINTR && result != -EAGAIN)
            io_on_ended(connection, -result);
        else if (result == -ENOBUFS)
            want_again(self, connection, REARM_RECEIVE);
        else
            submit_receive(self, connection);
        finish_operation(connection);
    }
    if (self->held_count >= BUFFERS / 2)
        io_on_crowded(self->io.worker);
}

static void on_sent(struct uring_io *self, struct connection *connection, int result)
{
    connection->io.sending = 0;
    if (!connection->io.detaching) {
        if (result > 0) {
            connection->out_sent += (size_t)result;
            if (connection->out_sent < connection->out_size)
                submit_send(self, connection);
            io_on_sent(connection);
        } else if (result == -EINTR || result == -EAGAIN) {
            submit_send(self, connection);
        } else {
            io_on_ended(connection, result < 0 ? -result : EPIPE);
        }
    }
    finish_operation(connection);
}

static void deliver_one(struct uring_io *self, const struct io_uring_cqe *cqe)
{
    struct connection *connection = (struct connection *)(uintptr_t)(cqe->user_data & ~(uint64_t)OPERATION_MASK);

    switch ((enum operation)(cqe->user_data & OPERATION_MASK)) {
    case OPERATION_RECEIVE:
        on_receive(self, connection, cqe->res, cqe->flags);
        break;
    case OPERATION_SEND:
        on_sent(self, connection, cqe->res);
        break;
    case OPERATION_WAKE:
        self->wake_armed = 0;
        io_on_woken(self->io.worker);
        break;
    case OPERATION_CANCEL:
    case OPERATION_MASK:
    default:
        break;
    }
}

static void deliver(struct io *io)
{
    struct uring_io *self = uring_of(io);
    struct io_uring_cqe *cqes[REAP];
    unsigned count;

    while (!worker_turn_is_full(io->worker) && (count = io_uring_peek_batch_cqe(&self->ring, cqes, REAP)) != 0) {
        for (unsigned i = 0; i < count; i++)
            deliver_one(self, cqes[i]);
        io_uring_cq_advance(&self->ring, count);
    }
}

static void release(struct io *io)
{
    struct uring_io *self = uring_of(io);

    if (self->held_count == 0)
        return;
    /* The one that was used last goes first: it is still in the cache. */
    for (unsigned i = 0; i < self->held_count; i++)
        put_buffer(self, self->held[self->held_count - 1 - i], i);
    io_uring_buf_ring_advance(self->buffer_ring, (int)self->held_count);
    self->held_count = 0;
}

const struct io_operations io_uring_operations = {
    .name = "io_uring",
    .open = open_uring,
    .close = close_uring,
    .attach = attach,
    .receive_pause = receive_pause,
    .receive_resume = receive_resume,
    .send = send_out,
    .detach = detach,
    .wait = wait_completions,
    .deliver = deliver,
    .release = release,
};

/* ---- is it usable here? ---------------------------------------------------------------------------------------------- */

/* A multishot receive into a provided buffer must deliver, and stay armed. Errors: a negative errno. */
static int try_receive(struct uring_io *self, const int sockets[2])
{
    struct __kernel_timespec timeout = {.tv_sec = 1, .tv_nsec = 0};
    struct io_uring_cqe *cqe = NULL;
    struct io_uring_sqe *sqe = io_uring_get_sqe(&self->ring);
    int result;

    if (sqe == NULL || write(sockets[0], "x", 1) != 1)
        return -EIO;
    io_uring_prep_recv(sqe, sockets[1], NULL, 0, 0);
    sqe->ioprio |= IORING_RECV_MULTISHOT;
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->buf_group = BUFFER_GROUP;
    result = io_uring_submit_and_wait_timeout(&self->ring, &cqe, 1, &timeout, NULL);
    if (result < 0)
        return result;
    if (cqe == NULL && io_uring_peek_cqe(&self->ring, &cqe) != 0)
        return -ETIME;
    if (cqe->res < 0)
        return cqe->res;
    return (cqe->flags & IORING_CQE_F_BUFFER) != 0 && (cqe->flags & IORING_CQE_F_MORE) != 0 ? 0 : -EINVAL;
}

int io_uring_is_usable(char *reason, size_t reason_size)
{
    struct io *io = NULL;
    int sockets[2];
    int error = open_uring(NULL, -1, &io);

    if (error == 0) {
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) == 0) {
            error = try_receive(uring_of(io), sockets);
            close(sockets[0]);
            close(sockets[1]);
        } else {
            error = -errno;
        }
        close_uring(io);
    }
    if (error == 0) {
        snprintf(reason, reason_size, "the kernel allows io_uring");
        return 1;
    }
    if (error == -ENOSYS || error == -EPERM || error == -EACCES)
        snprintf(reason, reason_size, "io_uring is refused here: %s", strerror(-error));
    else if (error == -EINVAL)
        snprintf(reason, reason_size, "the kernel's io_uring is too old (6.0 is needed)");
    else
        snprintf(reason, reason_size, "io_uring does not work here: %s", strerror(-error));
    return 0;
}
