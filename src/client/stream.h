/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * stream.h - a client: its socket, what is to be sent, what was received, and which requests have no reply yet
 *
 * Holds:   1  in_start is a multiple of 8, and in[in_start] the first byte of a reply frame
 *          2  the ring holds the requests from `oldest` to `next`, one for each reply to come, in their order
 *          3  once `failed` is set nothing is sent any more, and once `ended` is set nothing is received
 * Threads: one at a time.
 * Memory:  the three buffers grow as needed; those of bytes are given back when they are empty and were large.
 */
#ifndef SDB_CLIENT_STREAM_H
#define SDB_CLIENT_STREAM_H

#include <string.h>

#include "answer.h"
#include "superdb/client.h"

struct sdb_client {
    int fd;
    int failed;          /* an error that the connection will not recover from; SDB_OK: none */
    int ended;           /* no byte will be received any more */
    char story[256];     /* of what failed */
    uint32_t timeout_ms;
    uint64_t reply_size_max;
    struct sdb_client_info info;

    char *out;
    size_t out_start, out_end, out_capacity;

    char *in;
    size_t in_start, in_end, in_capacity;

    uint64_t *ring; /* answer_request of each */
    uint64_t oldest, next, ring_capacity;
};

/* The connection has failed, unless it had already; words may add to the error's own. Returns the error that it failed with. */
int client_fail(struct sdb_client *client, int error, const char *words, size_t size) __attribute__((cold));

/* What a failed connection answers to every call: its error, and its story. */
int client_failed(const struct sdb_client *client) __attribute__((cold));

/* An error of one call, with its text; and a reply's error, with the server's words for it. Both return the error. */
int client_error(int error) __attribute__((cold));
int client_refused(const struct sdb_client_reply *reply) __attribute__((cold));

/*
 * Room for a frame of size bytes, and for its request in the ring. Returns where it goes, with the padding written, or NULL with *error
 * set. client_queued then counts it in.
 */
char *client_reserve(struct sdb_client *client, size_t size, int *error);

/* A frame was written to where client_reserve said: opcode and flags, and for how many entries (0: no frame of many). */
void client_queued(struct sdb_client *client, uint32_t opcode, uint32_t flags, size_t size, uint32_t count);

/* Appends bytes to a frame that is being written. Returns where the next ones go. */
static inline char *client_put(char *to, const void *data, size_t size)
{
    if (size > 0)
        memcpy(to, data, size);
    return to + size;
}

/* Waits for the socket: 0, or -1 after the timeout. events and *ready as in poll. */
int client_wait(const struct sdb_client *client, short events, short *ready);

#endif
