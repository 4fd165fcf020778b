/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * preload.c - fills and verifies, on one blocking connection
 */
#include "preload.h"

#include "connection.h"
#include "traffic.h"
#include "wire.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define RECEIVE_SIZE 65536u
#define REQUESTS_AHEAD 512u /* requests in a send, while the one before is answered */
#define BYTES_AHEAD 65536u  /* and about how many bytes: less than what sockets hold */

struct exchange {
    const struct network_options *options;
    int fd;
    char *request;  /* room for a batch */
    char *received; /* RECEIVE_SIZE bytes */
    char *reply;    /* one, as it ought to be */
    uint64_t batch; /* requests in a send */
};

static int exchange_open(struct exchange *exchange, const struct network_options *options)
{
    size_t size = request_size_max(options);

    memset(exchange, 0, sizeof *exchange);
    exchange->options = options;
    exchange->batch = BYTES_AHEAD / size < REQUESTS_AHEAD ? BYTES_AHEAD / size : REQUESTS_AHEAD;
    if (!exchange->batch)
        exchange->batch = 1;
    exchange->request = malloc(exchange->batch * size);
    exchange->received = malloc(RECEIVE_SIZE);
    exchange->reply = malloc(2 * size);
    exchange->fd = connection_open(&options->target);
    if (exchange->fd >= 0 && exchange->request && exchange->received && exchange->reply &&
        (options->protocol != PROTOCOL_BINARY || connection_greet(exchange->fd) == 0))
        return 0;
    fprintf(stderr, "superdb-bench: cannot connect: %s\n", strerror(errno));
    return -1;
}

static void exchange_close(struct exchange *exchange)
{
    if (exchange->fd >= 0)
        close(exchange->fd);
    free(exchange->request);
    free(exchange->received);
    free(exchange->reply);
}

/* The number of keys that lie before position i of `total` picks out of all keys. */
static uint64_t spread(const struct network_options *options, uint64_t i, uint64_t total)
{
    return (uint64_t)((uint128)i * options->keys / total);
}

/* Sends requests for the picks first to first + count - 1 of total. */
static int send_batch(struct exchange *exchange, enum request request, uint64_t first, uint64_t count, uint64_t total)
{
    size_t size = 0;

    for (uint64_t i = 0; i < count; i++)
        size += request_write(exchange->options, request, spread(exchange->options, first + i, total), 0, NULL,
                              exchange->request + size);
    return connection_send(exchange->fd, exchange->request, size);
}

/* Waits until `wanted` replies were counted. */
static int await_replies(struct exchange *exchange, struct reply_counter *counter, uint64_t *replies, uint64_t wanted)
{
    struct reply_format format = {.protocol = exchange->options->protocol};

    while (*replies < wanted) {
        ssize_t size = recv(exchange->fd, exchange->received, RECEIVE_SIZE, 0);

        if (size < 0 && errno == EINTR)
            continue;
        if (size <= 0)
            return -1;
        *replies += replies_count(counter, &format, exchange->received, (size_t)size);
        if (counter->broken || counter->errors)
            return -1;
    }
    return 0;
}

int preload(const struct network_options *options)
{
    struct exchange exchange;
    struct reply_counter counter;
    uint64_t replies = 0;
    int failed = exchange_open(&exchange, options);

    reply_counter_init(&counter);
    for (uint64_t done = 0; !failed && done < options->keys;) {
        uint64_t left = options->keys - done;
        uint64_t count = left < exchange.batch ? left : exchange.batch;

        failed = send_batch(&exchange, REQUEST_SET, done, count, options->keys) ||
                 await_replies(&exchange, &counter, &replies, done);
        done += count;
        if (!failed && done == options->keys)
            failed = await_replies(&exchange, &counter, &replies, done);
        if (failed)
            fprintf(stderr, "superdb-bench: preload: %s\n", counter.errors ? counter.first_error : strerror(errno));
    }
    exchange_close(&exchange);
    return failed;
}

/* What stands before the value in the reply to a GET. */
static size_t reply_header_size(const struct network_options *options, const char *reply, size_t size)
{
    return options->protocol == PROTOCOL_BINARY ? WIRE_HEADER_SIZE : (size_t)((const char *)memchr(reply, '\n', size) - reply) + 1;
}

/* Receives one reply and compares: 0 right, 1 wrong, -1 when the connection fails. */
static int compare_reply(struct exchange *exchange, uint64_t number)
{
    const struct network_options *options = exchange->options;
    char *expected = exchange->reply + request_size_max(options);
    size_t size = reply_write(options, number, 0, expected);
    size_t header = reply_header_size(options, expected, size);

    if (connection_receive(exchange->fd, exchange->reply, size))
        return -1;
    if (exchange->reply[header] < 'a' || exchange->reply[header] > 'z')
        return 1;
    reply_write(options, number, (uint32_t)(exchange->reply[header] - 'a'), expected);
    return memcmp(exchange->reply, expected, size) != 0;
}

int verify(const struct network_options *options, uint64_t *wrong)
{
    struct exchange exchange;
    uint64_t total = options->verify < options->keys ? options->verify : options->keys;
    uint64_t mismatches = 0;
    int failed = exchange_open(&exchange, options);

    for (uint64_t done = 0; !failed && done < total;) {
        uint64_t count = total - done < exchange.batch ? total - done : exchange.batch;

        failed = send_batch(&exchange, REQUEST_GET, done, count, total);
        for (uint64_t i = 0; i < count && !failed; i++) {
            int result = compare_reply(&exchange, spread(options, done + i, total));

            mismatches += result > 0;
            failed = result < 0;
        }
        done += count;
    }
    exchange_close(&exchange);
    if (failed)
        fprintf(stderr, "superdb-bench: verify: replies are missing or too short (%s)\n", strerror(errno));
    else
        *wrong = mismatches;
    return failed;
}
