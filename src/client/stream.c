/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * stream.c - sends and receives
 *
 * The socket blocks, with a time limit on receiving: a reply that is waited for costs one system call. Sending never blocks in the kernel: a
 * server that reads no more until its replies are taken must not stop a client that has more to send, so that both directions
 * are waited for then.
 */
#include "stream.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "error.h"

#define RECEIVE_SIZE 65536u     /* room that is kept for a receive */
#define SLACK_SIZE 65536u       /* that a buffer of requests grows by, at least */
#define KEEP_SIZE (1ul << 20)   /* of an empty buffer; a larger one is given back */
#define RING_SIZE 64u

int client_fail(struct sdb_client *client, int error, const char *words, size_t size)
{
    if (client->failed == SDB_OK) {
        client->failed = error;
        (void)snprintf(client->story, sizeof(client->story), "%s%s%.*s", sdb_client_strerror(error), size > 0 ? ": " : "",
                       (int)(size < sizeof(client->story) ? size : sizeof(client->story)), size > 0 ? words : "");
    }
    return client_failed(client);
}

int client_failed(const struct sdb_client *client)
{
    error_set("%s", client->story);
    return client->failed;
}

int client_error(int error)
{
    error_set("%s", sdb_client_strerror(error));
    return error;
}

int client_refused(const struct sdb_client_reply *reply)
{
    int size = (int)(reply->size < 512 ? reply->size : 512);

    if (size == 0)
        return client_error(reply->result);
    error_set("%s: %.*s", sdb_client_strerror(reply->result), size, (const char *)reply->data);
    return reply->result;
}

static int fail_errno(struct sdb_client *client)
{
    char words[128];

    (void)snprintf(words, sizeof(words), "%s", strerror(errno));
    return client_fail(client, SDB_CLIENT_ECLOSED, words, strlen(words));
}

int client_wait(const struct sdb_client *client, short events, short *ready)
{
    struct pollfd poll_fd = {.fd = client->fd, .events = events};
    int limit = client->timeout_ms == SDB_CLIENT_FOREVER ? -1 : (int)(client->timeout_ms < INT32_MAX ? client->timeout_ms : INT32_MAX);
    int count;

    do
        count = poll(&poll_fd, 1, limit);
    while (count < 0 && errno == EINTR);
    *ready = poll_fd.revents;
    return count > 0 ? 0 : -1;
}

/* ---- queueing --------------------------------------------------------------------------------------------------------- */

static int grow_ring(struct sdb_client *client)
{
    uint64_t capacity = client->ring_capacity == 0 ? RING_SIZE : 2 * client->ring_capacity;
    uint64_t *ring = malloc(capacity * sizeof(*ring));

    if (ring == NULL)
        return -1;
    for (uint64_t i = client->oldest; i < client->next; i++)
        ring[i & (capacity - 1)] = client->ring[i & (client->ring_capacity - 1)];
    free(client->ring);
    client->ring = ring;
    client->ring_capacity = capacity;
    return 0;
}

/* Room for size bytes behind *end in a buffer whose bytes before *start are not needed. 0, or -1. */
static int make_room(char **buffer, size_t *start, size_t *end, size_t *capacity, size_t size)
{
    size_t wanted = *end - *start + size;
    char *larger;

    if (*capacity - *end >= size)
        return 0;
    if (wanted <= *capacity && *start >= *capacity / 2) { /* what is moved is less than what was used up */
        memmove(*buffer, *buffer + *start, *end - *start);
    } else {
        wanted = wanted < 2 * *capacity ? 2 * *capacity : wanted;
        larger = malloc(wanted);
        if (larger == NULL)
            return -1;
        if (*end > *start)
            memcpy(larger, *buffer + *start, *end - *start);
        free(*buffer);
        *buffer = larger;
        *capacity = wanted;
    }
    *end -= *start;
    *start = 0;
    return 0;
}

static void empty(char **buffer, size_t *start, size_t *end, size_t *capacity)
{
    *start = *end = 0;
    if (*capacity <= KEEP_SIZE)
        return;
    free(*buffer);
    *buffer = NULL;
    *capacity = 0;
}

char *client_reserve(struct sdb_client *client, size_t size, int *error)
{
    size_t padded = wire_padded(size);

    if (__builtin_expect(client->failed != SDB_OK, 0)) {
        *error = client_failed(client);
        return NULL;
    }
    if (__builtin_expect(client->next - client->oldest == client->ring_capacity && grow_ring(client) != 0, 0)) {
        *error = client_error(SDB_ENOMEM);
        return NULL;
    }
    if (__builtin_expect(client->out_capacity - client->out_end < padded, 0) &&
        make_room(&client->out, &client->out_start, &client->out_end, &client->out_capacity, padded + SLACK_SIZE) != 0) {
        *error = client_error(SDB_ENOMEM);
        return NULL;
    }
    memset(client->out + client->out_end + padded - 8, 0, 8);
    return client->out + client->out_end;
}

void client_queued(struct sdb_client *client, uint32_t opcode, uint32_t flags, size_t size, uint32_t count)
{
    uint64_t header = wire_header(opcode, flags, (uint32_t)client->next, (uint32_t)size);

    wire_put64(client->out + client->out_end, header);
    client->out_end += wire_padded(size);
    client->ring[client->next++ & (client->ring_capacity - 1)] = answer_request(header, count);
}

/* ---- sending and receiving -------------------------------------------------------------------------------------------- */

/* Receives what is there, or what comes within the time limit. Errors: SDB_CLIENT_ETIMEOUT, the connection's, SDB_ENOMEM. */
static int receive(struct sdb_client *client, int flags)
{
    ssize_t size;

    if (client->in_start == client->in_end)
        empty(&client->in, &client->in_start, &client->in_end, &client->in_capacity);
    if (make_room(&client->in, &client->in_start, &client->in_end, &client->in_capacity, RECEIVE_SIZE) != 0)
        return client_error(SDB_ENOMEM);
    do
        size = recv(client->fd, client->in + client->in_end, client->in_capacity - client->in_end, flags);
    while (size < 0 && errno == EINTR);
    if (size > 0) {
        client->in_end += (size_t)size;
        return SDB_OK;
    }
    if (size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        return client_error(SDB_CLIENT_ETIMEOUT);
    client->ended = 1;
    return size < 0 ? fail_errno(client) : client_fail(client, SDB_CLIENT_ECLOSED, NULL, 0);
}

/* The socket takes no more: waits until it does, and takes in what comes meanwhile. */
static int wait_to_send(struct sdb_client *client)
{
    short ready;

    if (client_wait(client, POLLIN | POLLOUT, &ready) != 0)
        return client_error(SDB_CLIENT_ETIMEOUT);
    if ((ready & POLLIN) != 0) {
        int result = receive(client, MSG_DONTWAIT);

        return result == SDB_CLIENT_ETIMEOUT ? SDB_OK : result;
    }
    return SDB_OK; /* what else there is, sending will tell */
}

int sdb_client_flush(struct sdb_client *client)
{
    while (client->failed == SDB_OK && client->out_start < client->out_end) {
        ssize_t size = send(client->fd, client->out + client->out_start, client->out_end - client->out_start, MSG_NOSIGNAL | MSG_DONTWAIT);
        int result;

        if (size >= 0) {
            client->out_start += (size_t)size;
            continue;
        }
        if (errno == EINTR)
            continue;
        if (errno != EAGAIN && errno != EWOULDBLOCK)
            return fail_errno(client); /* not ended: what the server said before it closed may still be there */
        result = wait_to_send(client);
        if (result != SDB_OK)
            return result;
    }
    if (client->out_start == client->out_end)
        empty(&client->out, &client->out_start, &client->out_end, &client->out_capacity);
    return client->failed == SDB_OK ? SDB_OK : client_failed(client);
}

/* Sends what there is, and receives. */
static int exchange(struct sdb_client *client)
{
    int result;

    if (client->out_start < client->out_end && client->failed == SDB_OK) {
        result = sdb_client_flush(client);
        if (result != SDB_OK)
            return result;
    }
    return receive(client, client->timeout_ms == 0 ? MSG_DONTWAIT : 0);
}

static inline enum answer next_answer(const struct sdb_client *client, struct sdb_client_reply *reply, size_t *used, const char **wrong)
{
    uint64_t request = client->ring[client->oldest & (client->ring_capacity - 1)];

    if (client->in_start == client->in_end)
        return ANSWER_PARTIAL;
    return answer_parse(request, client->in + client->in_start, client->in_end - client->in_start, client->reply_size_max, reply, used,
                        wrong);
}

int sdb_client_reply(struct sdb_client *client, struct sdb_client_reply *reply)
{
    const char *wrong = NULL;

    if (__builtin_expect(client->oldest == client->next, 0)) {
        return client->failed != SDB_OK ? client_failed(client) : client_error(SDB_CLIENT_EPENDING);
    }
    for (;;) {
        struct sdb_client_reply fresh;
        size_t used = 0;
        int result;

        switch (next_answer(client, &fresh, &used, &wrong)) {
        case ANSWER_COMPLETE:
            client->in_start += used;
            client->oldest++;
            *reply = fresh;
            return SDB_OK;
        case ANSWER_ENDS:
            client->ended = 1;
            client->failed = SDB_OK; /* why the connection ended tells more than that it did */
            return client_fail(client, fresh.result, fresh.data, fresh.size);
        case ANSWER_WRONG:
            client->ended = 1;
            return client_fail(client, SDB_CLIENT_EPROTOCOL, wrong, strlen(wrong));
        case ANSWER_PARTIAL:
        default:
            break;
        }
        if (client->ended)
            return client_failed(client);
        result = exchange(client);
        if (result != SDB_OK && result != client->failed) /* a connection that failed may have left replies: look again */
            return result;
    }
}

size_t sdb_client_pending(const struct sdb_client *client)
{
    return client->next - client->oldest;
}

size_t sdb_client_unsent(const struct sdb_client *client)
{
    return client->failed == SDB_OK ? client->out_end - client->out_start : 0;
}

int sdb_client_fd(const struct sdb_client *client)
{
    return client->fd;
}
