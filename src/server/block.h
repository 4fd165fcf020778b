/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * block.h - clients that wait for keys: a command that found nothing is done once a key of its is ready, whoever makes it so
 *
 * A command that would wait looks at its keys inside a transaction that names them (sdb_begin), and calls block_wait there: so nobody
 * changes a key between the look and the waiting. From then on the store's observer notes changes of keys that somebody waits for, and
 * when the command that made them has ended (EXEC or a script as a whole), its worker serves those who wait, key by key in the order in
 * which they became ready, for each key those who came first first, of whatever worker: it runs the waiting command's `serve` in its own
 * session, so that nobody gets in between. The reply goes out behind the turn's fence, to another worker's client by mail.
 *
 * Threads: block_wait, block_end and block_timers by the client's worker; block_serve_ready by any; block_unblock by any.
 */
#ifndef SDB_SERVER_BLOCK_H
#define SDB_SERVER_BLOCK_H

#include <stddef.h>
#include <stdint.h>

#include "request.h"
#include "superdb/superdb.h"

struct client;
struct worker;

enum block_served {
    BLOCK_NOT_MINE,  /* the key is of no use to this command: the next one may want it */
    BLOCK_SERVED,    /* replied */
    BLOCK_NOTHING,   /* the key has nothing (more) */
};

/*
 * Does the waiting command with the key that is ready, and replies to client->reply. client is not the one who waits, but stands for it:
 * its session, database, protocol, number and worker are right for what is to be done here.
 */
typedef enum block_served block_serve(struct client *client, const struct request_arg *argv, int argc, const struct sdb_slice *key);

/* The reply of who has waited for long enough. */
typedef void block_give_up(struct client *client);

struct block_wish {
    const struct sdb_slice *keys; /* of the client's database */
    size_t count;
    int64_t timeout_ms; /* 0: for ever */
    block_serve *serve;
    block_give_up *give_up;
    int until_gone; /* it is served, too, when a key of its has gone, or holds something else */
};

/* Whether a command of this client may wait: not inside MULTI, nor in a script. */
int block_is_allowed(const struct client *client);

/* Waits: nothing is replied now. The arguments are copied. Errors: 0, out of memory. */
int block_wait(struct client *client, const struct block_wish *wish, const struct request_arg *argv, int argc);

/* The client is going: it waits no more. */
void block_end(struct client *client);

/* What the store's observer does. */
void block_on_change(const struct sdb_change *change);

/* The client's command has made the key ready for those who wait until_gone, in a way that the store does not tell of. */
void block_wake(struct client *client, const struct sdb_slice *key);

/* Serves who waits for what this thread has made ready. Outside of transactions, with the worker's group open. */
void block_serve_ready(struct worker *worker);

/* Behind a fence, or a failed one: what was served for other workers' clients is sent. */
void block_committed(struct worker *worker);
void block_failed(struct worker *worker, const char *error);

/* CLIENT UNBLOCK. 1: it waited, and is told. */
int block_unblock(uint64_t id, int with_error);

/* Gives up for clients of the worker whose time is over: worker->waiters_due_ms is when the next one's is. */
void block_timers(struct worker *worker);

/* The thread ends: the memory of its notes is given back. */
void block_leave(void);

/* How many clients wait, and how many of them not for ever. Any thread. */
size_t block_count(void);
size_t block_timed_count(void);

#endif
