/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * io.h - what a worker's loop asks of the kernel, and what it is told: one interface, two ways (io_uring.c, io_epoll.c)
 *
 * A turn of the loop:
 *     io->operations->wait(io, timeout, spin)  submits what was asked for, sleeps until something happened
 *     io->operations->deliver(io)              calls the io_on_ functions below for what happened
 *     ... the worker runs the requests, makes them durable, asks for sends ...
 * Bytes that io_on_received was given stay where they are until the worker calls release.
 *
 * Threads: the worker's own thread, but for wake.
 */
#ifndef SDB_SERVER_IO_H
#define SDB_SERVER_IO_H

#include <stddef.h>
#include <stdint.h>

struct connection;
struct worker;
struct io;

/* How a wait ended. */
enum io_waited { IO_NOTHING, IO_AT_ONCE, IO_BY_SPINNING, IO_BY_SLEEPING };

struct io_operations {
    const char *name; /* "io_uring", "epoll" */

    /* Makes a worker's backend. wake_fd is an eventfd that ends a wait. Errors: a negative errno. */
    int (*open)(struct worker *worker, int wake_fd, struct io **io);

    /* Every connection was detached before. */
    void (*close)(struct io *io);

    /* Receives from now on: io_on_received. Errors: a negative errno; the connection is not attached then. */
    int (*attach)(struct io *io, struct connection *connection);

    /* Back-pressure: no more bytes are wanted for now (some that are under way may still come), or they are again. */
    void (*receive_pause)(struct io *io, struct connection *connection);
    void (*receive_resume)(struct io *io, struct connection *connection);

    /* Sends connection->out[out_sent..out_size), which stays untouched until io_on_sent says that all of it is gone. */
    void (*send)(struct io *io, struct connection *connection);

    /*
     * Ends receiving and sending. io_on_detached follows, perhaps at once, when the kernel has nothing of the connection
     * any more: only then may the descriptor be closed and the memory be freed.
     */
    void (*detach)(struct io *io, struct connection *connection);

    /*
     * Waits until something happened: awake for spin_ns, then asleep for at most timeout_ns (0: not at all). deliver has work to
     * do unless it returns IO_NOTHING.
     */
    enum io_waited (*wait)(struct io *io, int64_t timeout_ns, int64_t spin_ns);

    /* Delivers what happened, until nothing is left or worker_turn_is_full. */
    void (*deliver)(struct io *io);

    /* The bytes that were delivered so far are not needed any more. */
    void (*release)(struct io *io);
};

/* What every backend's struct begins with. */
struct io {
    const struct io_operations *operations;
    struct worker *worker;
};

extern const struct io_operations io_uring_operations;
extern const struct io_operations io_epoll_operations;

/*
 * Whether io_uring can be used here with all that io_uring.c needs; a socket pair is tried. 1, or 0 with the reason in words.
 */
int io_uring_is_usable(char *reason, size_t reason_size);

/* The state that a backend keeps in each connection. */
struct io_state {
    uint16_t in_flight;   /* operations that the kernel still has */
    uint8_t receiving;    /* a receive is armed */
    uint8_t paused;       /* by receive_pause */
    uint8_t sending;
    uint8_t detaching;
    uint8_t rearm;        /* io_uring: what is to be asked for again (it counts as in flight) */
    uint32_t interest;    /* epoll: the events that are registered */
    struct connection *rearm_next;
};

/* ---- implemented by connection.c and worker.c ------------------------------------------------------------------------ */
void io_on_received(struct connection *connection, const char *data, size_t size);

/* The peer sends no more (error 0, said once), or the connection is broken (an errno; perhaps after an end). */
void io_on_ended(struct connection *connection, int error);

/* out_sent has moved. */
void io_on_sent(struct connection *connection);
void io_on_detached(struct connection *connection);

/* Delivered bytes take much of the room: run what needs them and call release, before more is delivered. */
void io_on_crowded(struct worker *worker);

/* wake_fd was written to. */
void io_on_woken(struct worker *worker);

#endif
