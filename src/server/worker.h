/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * worker.h - a thread that serves its clients: one loop, one session, one fence a turn
 *
 * A turn: receive from all that have sent, run every request, sdb_group_end (the fence), then send all replies. So a reply, a
 *         read's too, leaves after the fence that covers what it saw (D3).
 * Threads: a worker's fields belong to its thread, but for the mailbox, and for the list of clients under the turn lock.
 */
#ifndef SDB_SERVER_WORKER_H
#define SDB_SERVER_WORKER_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

#include "batch.h"
#include "connection.h"
#include "io.h"
#include "lock.h"
#include "superdb/superdb.h"

#define WORKER_SCRIPT_IS_BUSY 3 /* pause_mode: commands are refused */
#define WORKER_THREADS_MAX 256
#define WORKER_SPARE_BUFFERS 64
#define WORKER_REPLY_CAPACITY 16384 /* of the reply buffers that are kept and shared */

/* What has to be done for others that a turn has changed something for. Usually nothing: then nobody is asked. */
#define WORKER_OWES_READY 1u         /* before the fence: block_serve_ready */
#define WORKER_OWES_ANSWERS 2u       /* behind it: block_committed */
#define WORKER_OWES_INVALIDATIONS 4u /* tracking_committed */
#define WORKER_OWES_FUNCTIONS 8u     /* function_store_publish */

struct worker_handover { /* a socket that was accepted */
    int fd;
    int listener; /* its index */
};

struct worker {
    /* Immutable after start-up. */
    unsigned number;
    pthread_t thread;
    struct sdb_session *session;
    struct io *io;
    const struct io_operations *io_operations;
    int wake_fd;
    int is_started;

    /* Atomic. */
    uint32_t connections_count;
    uint32_t stop; /* finish and leave */
    uint32_t script_is_busy; /* it runs a script that is over its time: acceptor.h */

    /* Owner: the worker; others read and mark clients under turn_lock, which the worker holds for as long as it runs commands. */
    struct lock turn_lock;
    struct connection *connections, *connections_last;
    uint64_t users_version; /* acl_version of the users that its clients have */
    uint32_t kills; /* clients that others marked CLIENT_KILLED; under turn_lock */

    /* The mailbox, under mailbox_lock. */
    struct lock mailbox_lock;
    struct worker_handover *mailbox;
    size_t mailbox_count, mailbox_capacity;
    struct letter *letters, **letters_end; /* mail.h; the end is known where there are some */
    struct message *inbox, **inbox_end; /* messages for subscribers, from other workers; the end is known where there are some */

    /* Owner: the worker. */
    struct batch batch;
    uint64_t turn;
    int64_t now_ms;
    int group_is_open;
    int owns_all_turns;         /* holds every worker's turn lock: client_list_stop_others */
    struct message *outbox, **outbox_end; /* messages for other workers, until the fence; pubsub.h */
    int holds_messages;         /* for this worker's subscribers, too: inside EXEC */
    int group_error;            /* of a part of this turn that was committed early: enum sdb_error */
    int session_database;       /* selected in the session; -1: unknown */
    int pause_mode;             /* of this turn: client_list_paused */
    size_t turn_output;         /* bytes that were replied in this turn */
    size_t attached;            /* connections that exist, those that are being closed included */
    size_t output_total;        /* bytes that wait to be sent, all clients together */
    struct connection *touched; /* to settle at the end of the turn */
    struct connection *ready, *ready_last; /* have input that can run; first come, first served */
    char *spare[WORKER_SPARE_BUFFERS];
    unsigned spare_count;
    uint32_t owed;              /* WORKER_OWES_ */
    struct waiter *waiters;     /* of its clients, the earliest deadline first; block.c */
    int64_t waiters_due_ms;     /* the first deadline; INT64_MAX: none */
    int64_t second_ms;          /* when the once-a-second work is due */
    int64_t maintain_ms;        /* when sdb_maintain is due */
    int64_t pause_end_ms;
    unsigned spins;
    int stopping;
    int64_t stop_deadline_ms;
    struct connection *idle_cursor; /* where the search for idle clients goes on; NULL: at the beginning */
    unsigned spin_credit;       /* how much spinning has paid off of late */
    unsigned spin_rest;         /* turns for which it is not tried */
    int64_t involuntary_switches; /* of the thread, when they were last looked at */
};

/*
 * Starts the workers: `count` threads with the backend `operations`, and one in reserve, which is like the others but gets clients only
 * while a script keeps each of them.
 * Errors: -1, with the reason in error; nothing runs then.
 */
int workers_start(struct sdb_pool *pool, unsigned count, const struct io_operations *operations, char *error,
                  size_t error_size);

/* Lets every worker finish what was read, send the replies (for at most timeout_ms), and waits for them. */
void workers_stop(int64_t timeout_ms);

unsigned workers_count(void);   /* with the reserve, which is the last */
unsigned workers_serving(void); /* without it */
struct worker *worker_at(unsigned number);

/*
 * Gives the worker's clients the users of the newest version (acl.h). Those whose user is gone are closed, self after its reply; NULL:
 * nobody is running a command. The worker's thread, in its turn.
 */
void worker_refresh_users(struct worker *worker, struct client *self);

/* Ends the worker's wait. Any thread. */
void worker_wake(struct worker *worker);

/* Hands a connected socket over to a worker. Any thread. Errors: -1, out of memory; the socket stays the caller's. */
int worker_hand_over(struct worker *worker, int fd, int listener);

/* 1 where this turn has done enough: deliver the rest in the next. */
int worker_turn_is_full(const struct worker *worker);

/* Opens the turn's group, where it is not open. */
void worker_open_group(struct worker *worker);

/*
 * Commits what the turn wrote so far: the worker holds no shard then. Before it waits for another worker's turn, which may in turn be
 * waiting for a shard.
 */
void worker_let_go(struct worker *worker);

/* A buffer of WORKER_REPLY_CAPACITY bytes from the worker's spare ones, or new; NULL: out of memory. And back. */
char *worker_take_buffer(struct worker *worker);
void worker_give_buffer(struct worker *worker, char *buffer);

/* Puts a connection on the list of those that go on in the next turn without further bytes. */
void worker_make_ready(struct worker *worker, struct connection *connection);

#endif
