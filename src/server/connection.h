/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * connection.h - a client's bytes: what came in and waits, what was answered and waits
 *
 * Input.  Bytes are parsed where the kernel put them. Only what is left over (part of a request, or what may not run yet) is
 *         copied to the connection's own buffer, and then further bytes are appended there. What is being parsed is the
 *         segment: foreign (the kernel's buffer) or the connection's own.
 * Output. Handlers write to client.reply. At the end of a turn, behind the fence, that becomes `out`, which the kernel
 *         sends; meanwhile further replies gather in a new client.reply.
 *
 * Threads: the worker's. Other workers read `client`, and mark it killed, under the worker's turn lock.
 */
#ifndef SDB_SERVER_CONNECTION_H
#define SDB_SERVER_CONNECTION_H

#include <stddef.h>
#include <stdint.h>

#include "client.h"
#include "io.h"
#include "request.h"

/* Why a connection's requests may not run at the moment. */
enum connection_block {
    CONNECTION_BLOCK_OUTPUT = 1u << 0,  /* too much waits to be sent: until half of it is gone */
    CONNECTION_BLOCK_PAUSE = 1u << 1,   /* CLIENT PAUSE */
    CONNECTION_BLOCK_TURN = 1u << 2,    /* it had its share of this turn */
    CONNECTION_BLOCK_WAIT = 1u << 4,    /* it waits for keys: block.h */
    CONNECTION_BLOCK_CLOSING = 1u << 3, /* for good: what it sent is dropped */
};

enum connection_protocol {
    CONNECTION_UNDECIDED, /* the first byte tells */
    CONNECTION_RESP,
    CONNECTION_BINARY,
};

struct connection {
    struct client client; /* first: a handler's client is its connection */

    /* The worker's list of all its connections, oldest first. */
    struct connection *next, *previous;

    /* Input: bytes input[input_start..input_end) wait. */
    char *input;
    size_t input_start, input_end, input_capacity;
    struct request_parser parser;

    /* The segment that is being parsed: requests up to segment_parsed are in the batch, up to segment_done they ran. */
    const char *segment;
    size_t segment_size, segment_parsed, segment_done;
    struct connection *batch_next; /* connections that have a segment in the batch */
    uint8_t in_batch;
    uint8_t segment_is_input;

    /* Output. */
    char *out; /* in the kernel's hands */
    size_t out_size, out_sent, out_capacity;
    size_t reply_mark;        /* client.reply.size at the turn's begin: what is behind it is not covered by a fence yet */
    uint64_t turn;            /* in which the connection was last touched: reply_mark and turn_bytes belong to it */
    size_t turn_bytes;        /* of input that ran in this turn */
    size_t output_counted;    /* of connection_output_size, in the worker's output_total */
    int64_t soft_limit_since; /* ms; 0: output is below the soft limit */

    uint32_t blocked;         /* enum connection_block */
    uint8_t touched;          /* on the worker's list of connections to look after at the end of the turn */
    uint8_t ready;            /* on the worker's list of connections with input that needs no further bytes */
    uint8_t ended;            /* the peer sends no more */
    uint8_t detached;         /* asked for */
    uint8_t protocol;         /* enum connection_protocol */
    uint8_t greeted;          /* binary: the hello was answered */
    uint8_t resp;             /* binary: the version of RESP within WIRE_COMMAND */
    struct connection *touched_next, *ready_next;
    struct io_state io;
};

static inline struct connection *connection_of(struct client *client)
{
    return (struct connection *)(void *)client;
}

/* Takes over a connected socket. Errors: NULL, out of memory; the socket stays open. */
struct connection *connection_create(struct worker *worker, int fd, int is_unix, const char *unix_path);

/* Closes the socket and frees everything. The connection was detached, or never attached. */
void connection_destroy(struct connection *connection);

/* Puts it on the list of connections that the end of the turn looks after. */
void connection_touch(struct connection *connection);

/*
 * Behind the fence: starts to send what was replied, enforces the output limits, blocks or unblocks the input, closes where
 * that is due.
 */
void connection_settle(struct connection *connection);

/* Closes at once; replies that are not in the kernel's hands are lost. */
void connection_close(struct connection *connection);

/* The fence failed with `result`: what this turn replied is taken back; the client is told and closed. */
void connection_disown_replies(struct connection *connection, int result, const char *error);

/* Runs what waits in the connection's own buffer, as far as it may run. */
void connection_resume(struct connection *connection);

/* Bytes that wait to be sent. */
static inline size_t connection_output_size(const struct connection *connection)
{
    return connection->client.reply.size + (connection->out_size - connection->out_sent);
}

static inline size_t connection_input_size(const struct connection *connection)
{
    return connection->input_end - connection->input_start;
}

/* Appends bytes to the connection's own buffer. Errors: 0, out of memory. */
int connection_keep(struct connection *connection, const char *data, size_t size);

/* Gives back the buffer of a connection that has nothing waiting. */
void connection_trim_input(struct connection *connection);

#endif
