/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * connection.c - a client's buffers, limits, beginning and end
 *
 * Memory: an idle connection holds no buffers. Reply buffers come from the worker's spare ones; larger ones, and input buffers,
 *         are freed as soon as they are empty.
 */
#include "connection.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "acl.h"
#include "batch.h"
#include "block.h"
#include "config.h"
#include "frame_reply.h"
#include "log.h"
#include "multi.h"
#include "tracking.h"
#include "worker.h"
#include "worker_stats.h"

#define INPUT_CAPACITY_FIRST 1024u
#define INPUT_BLOCKED_MAX (1024u * 1024)        /* what is read ahead of a client whose requests may not run */
#define OUTPUT_BLOCK_SIZE (64u * 1024 * 1024)   /* unsent bytes at which a client's requests stop running */
#define OUTPUT_BLOCK_SIZE_TIGHT (1024u * 1024)  /* the same while all clients of the worker together have many */
#define OUTPUT_TOTAL_TIGHT (256u * 1024 * 1024)

static uint64_t next_id = 1; /* Atomic. */

/* ---- beginning and end ------------------------------------------------------------------------------------------------ */

union address {
    struct sockaddr any;
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
};

/* "127.0.0.1:6379", "[::1]:6379", as Redis prints them. */
static void print_address(const union address *address, char *text, size_t size)
{
    char host[INET6_ADDRSTRLEN] = "?";

    if (address->any.sa_family == AF_INET6) {
        inet_ntop(AF_INET6, &address->in6.sin6_addr, host, sizeof(host));
        snprintf(text, size, "[%s]:%u", host, ntohs(address->in6.sin6_port));
    } else {
        inet_ntop(AF_INET, &address->in.sin_addr, host, sizeof(host));
        snprintf(text, size, "%s:%u", host, ntohs(address->in.sin_port));
    }
}

static void name_ends(struct client *client, const char *unix_path)
{
    union address address = {0};
    socklen_t size = sizeof(address);

    if ((client->flags & CLIENT_UNIX_SOCKET) != 0) {
        snprintf(client->address, sizeof(client->address), "%.70s:0", unix_path);
        snprintf(client->local_address, sizeof(client->local_address), "%.70s:0", unix_path);
        return;
    }
    if (getpeername(client->fd, &address.any, &size) == 0)
        print_address(&address, client->address, sizeof(client->address));
    size = sizeof(address);
    if (getsockname(client->fd, &address.any, &size) == 0)
        print_address(&address, client->local_address, sizeof(client->local_address));
}

static void link_connection(struct worker *worker, struct connection *connection)
{
    connection->previous = worker->connections_last;
    if (worker->connections_last != NULL)
        worker->connections_last->next = connection;
    else
        worker->connections = connection;
    worker->connections_last = connection;
}

static void unlink_connection(struct worker *worker, struct connection *connection)
{
    if (worker->idle_cursor == connection)
        worker->idle_cursor = connection->next;
    if (connection->previous != NULL)
        connection->previous->next = connection->next;
    else
        worker->connections = connection->next;
    if (connection->next != NULL)
        connection->next->previous = connection->previous;
    else
        worker->connections_last = connection->previous;
}

struct connection *connection_create(struct worker *worker, int fd, int is_unix, const char *unix_path)
{
    struct connection *connection = calloc(1, sizeof(*connection));
    struct client *client;

    if (connection == NULL)
        return NULL;
    client = &connection->client;
    client->worker = worker;
    client->session = worker->session;
    client->fd = fd;
    client->id = __atomic_fetch_add(&next_id, 1, __ATOMIC_RELAXED);
    client->flags = is_unix ? (uint32_t)CLIENT_UNIX_SOCKET : 0u;
    acl_client_init(client);
    client->created_ms = worker->now_ms;
    client->last_active_ms = worker->now_ms;
    reply_init(&client->reply);
    request_parser_init(&connection->parser);
    name_ends(client, unix_path == NULL ? "" : unix_path);
    link_connection(worker, connection);
    worker->attached++;
    return connection;
}

static void give_back_buffer(struct worker *worker, char *data, size_t capacity)
{
    if (data != NULL && capacity == WORKER_REPLY_CAPACITY)
        worker_give_buffer(worker, data);
    else
        free(data);
}

/* Keeps the worker's figure of unsent bytes right. */
static void account_output(struct connection *connection)
{
    size_t size = connection->detached ? 0 : connection_output_size(connection);

    connection->client.worker->output_total += size - connection->output_counted;
    connection->output_counted = size;
}

static void remove_from_lists(struct worker *worker, struct connection *connection)
{
    struct connection **link;

    if (connection->touched) {
        for (link = &worker->touched; *link != NULL && *link != connection; link = &(*link)->touched_next)
            continue;
        if (*link != NULL)
            *link = connection->touched_next;
    }
    if (connection->ready) {
        struct connection *before = NULL;

        for (link = &worker->ready; *link != NULL && *link != connection; link = &(*link)->ready_next)
            before = *link;
        if (*link != NULL)
            *link = connection->ready_next;
        if (worker->ready_last == connection)
            worker->ready_last = before;
    }
}

void connection_destroy(struct connection *connection)
{
    struct worker *worker = connection->client.worker;

    remove_from_lists(worker, connection);
    multi_discard(&connection->client);
    pubsub_forget(&connection->client);
    tracking_disable(&connection->client);
    block_end(&connection->client);
    if (!connection->detached)
        unlink_connection(worker, connection);
    connection->detached = 1;
    account_output(connection);
    close(connection->client.fd);
    give_back_buffer(worker, connection->out, connection->out_capacity);
    give_back_buffer(worker, connection->client.reply.data, connection->client.reply.capacity);
    free(connection->input);
    request_parser_free(&connection->parser);
    free(connection->client.name);
    acl_client_close(&connection->client);
    free(connection->client.library_name);
    free(connection->client.library_version);
    free(connection);
    worker->attached--;
    __atomic_fetch_sub(&worker->connections_count, 1, __ATOMIC_RELAXED);
}

void connection_close(struct connection *connection)
{
    struct worker *worker = connection->client.worker;

    if (connection->detached)
        return;
    connection->blocked |= CONNECTION_BLOCK_CLOSING;
    unlink_connection(worker, connection);
    connection->detached = 1;
    account_output(connection);
    worker->io_operations->detach(worker->io, connection);
}

void io_on_detached(struct connection *connection)
{
    connection_destroy(connection);
}

void io_on_ended(struct connection *connection, int error)
{
    if (connection->detached)
        return;
    connection->ended = 1;
    if (error != 0)
        connection->blocked |= CONNECTION_BLOCK_CLOSING;
    connection_touch(connection);
}

/* ---- input ------------------------------------------------------------------------------------------------------------ */

int connection_keep(struct connection *connection, const char *data, size_t size)
{
    size_t waiting = connection_input_size(connection);

    if (connection->input_capacity - connection->input_end < size && connection->input_start > 0) {
        memmove(connection->input, connection->input + connection->input_start, waiting);
        connection->input_start = 0;
        connection->input_end = waiting;
    }
    if (connection->input_capacity - connection->input_end < size) {
        size_t capacity = connection->input_capacity == 0 ? INPUT_CAPACITY_FIRST : connection->input_capacity;

        while (capacity - waiting < size)
            capacity *= 2;
        char *input = realloc(connection->input, capacity);
        if (input == NULL)
            return 0;
        connection->input = input;
        connection->input_capacity = capacity;
    }
    memcpy(connection->input + connection->input_end, data, size);
    connection->input_end += size;
    if (worker_stats_self != NULL && connection->input_capacity > worker_stats_self->input_buffer_max)
        __atomic_store_n(&worker_stats_self->input_buffer_max, connection->input_capacity, __ATOMIC_RELAXED);
    return 1;
}

void connection_trim_input(struct connection *connection)
{
    free(connection->input);
    connection->input = NULL;
    connection->input_start = 0;
    connection->input_end = 0;
    connection->input_capacity = 0;
}

static void pause_receiving(struct connection *connection)
{
    struct worker *worker = connection->client.worker;

    if (!connection->io.paused)
        worker->io_operations->receive_pause(worker->io, connection);
}

static void resume_receiving(struct connection *connection)
{
    struct worker *worker = connection->client.worker;

    if (connection->io.paused && !connection->ended && !worker->stopping)
        worker->io_operations->receive_resume(worker->io, connection);
}

void io_on_received(struct connection *connection, const char *data, size_t size)
{
    struct client *client = &connection->client;
    struct worker *worker = client->worker;

    worker_stats_add(&worker_stats_self->counters.bytes_in, size);
    worker_stats_add(&worker_stats_self->counters.reads, 1);
    client->bytes_in += size;
    client->last_active_ms = worker->now_ms;
    if ((connection->blocked & CONNECTION_BLOCK_CLOSING) != 0 || (client->flags & CLIENT_CLOSE_AFTER_REPLY) != 0)
        return;
    if (connection->in_batch)
        batch_finish(worker);
    if (connection->blocked == 0 && connection_input_size(connection) == 0) {
        batch_feed(worker, connection, data, size, 0);
        return;
    }
    if (!connection_keep(connection, data, size)) {
        connection->blocked |= CONNECTION_BLOCK_CLOSING;
        connection_touch(connection);
        return;
    }
    client->query_bytes = connection_input_size(connection);
    if (client->query_bytes > (size_t)CONFIG_READ(client_query_buffer_limit)) {
        log_message(LOG_LEVEL_WARNING, "Closing client id=%llu addr=%s that reached max query buffer length",
                    (unsigned long long)client->id, client->address);
        worker_stats_add(&worker_stats_self->counters.clients_closed_query, 1);
        connection->blocked |= CONNECTION_BLOCK_CLOSING;
        connection_touch(connection);
    } else if (connection->blocked == 0) {
        batch_feed(worker, connection, connection->input + connection->input_start, client->query_bytes, 1);
    } else if (client->query_bytes > INPUT_BLOCKED_MAX) {
        pause_receiving(connection);
    }
}

void connection_resume(struct connection *connection)
{
    struct worker *worker = connection->client.worker;

    connection->blocked &= ~(uint32_t)CONNECTION_BLOCK_TURN;
    if (connection->blocked != 0 || connection->detached)
        return;
    if (connection->in_batch)
        batch_finish(worker);
    resume_receiving(connection);
    if (connection->blocked == 0 && connection_input_size(connection) > 0)
        batch_feed(worker, connection, connection->input + connection->input_start, connection_input_size(connection), 1);
    else
        connection_touch(connection);
}

/* ---- output ----------------------------------------------------------------------------------------------------------- */

void connection_touch(struct connection *connection)
{
    struct worker *worker = connection->client.worker;

    if (connection->turn != worker->turn) {
        connection->turn = worker->turn;
        connection->reply_mark = connection->client.reply.size;
        connection->turn_bytes = 0;
    }
    if (connection->touched)
        return;
    connection->touched = 1;
    connection->touched_next = worker->touched;
    worker->touched = connection;
}

void io_on_sent(struct connection *connection)
{
    connection->client.last_active_ms = connection->client.worker->now_ms; /* who reads is not idle */
    if (connection->out_sent == connection->out_size) {
        give_back_buffer(connection->client.worker, connection->out, connection->out_capacity);
        connection->out = NULL;
        connection->out_size = 0;
        connection->out_sent = 0;
        connection->out_capacity = 0;
    }
    account_output(connection);
    /* Nothing more to do for most: they have sent a request, got its reply, and are silent. */
    if (connection->client.reply.size != 0 || connection->blocked != 0 || connection->ended ||
        connection->soft_limit_since != 0 || (connection->client.flags & CLIENT_CLOSE_AFTER_REPLY) != 0)
        connection_touch(connection);
}

static void start_sending(struct connection *connection)
{
    struct reply *reply = &connection->client.reply;
    struct worker *worker = connection->client.worker;

    connection->out = reply->data;
    connection->out_size = reply->size;
    connection->out_capacity = reply->capacity;
    connection->out_sent = 0;
    reply->data = NULL;
    reply->size = 0;
    reply->capacity = 0;
    connection->client.bytes_out += connection->out_size;
    worker_stats_add(&worker_stats_self->counters.bytes_out, connection->out_size);
    worker_stats_add(&worker_stats_self->counters.writes, 1);
    if (connection->out_capacity > worker_stats_self->output_buffer_max)
        __atomic_store_n(&worker_stats_self->output_buffer_max, connection->out_capacity, __ATOMIC_RELAXED);
    worker->io_operations->send(worker->io, connection);
}

static void note_closed_by_limit(const struct client *client)
{
    log_message(LOG_LEVEL_WARNING, "Client id=%llu addr=%s closed for overcoming of output buffer limits.",
                (unsigned long long)client->id, client->address);
    worker_stats_add(&worker_stats_self->counters.clients_closed_output, 1);
}

/* client-output-buffer-limit. Returns 1 where the client is to be closed. */
static int is_over_limit(struct connection *connection, size_t size)
{
    int kind = (connection->client.flags & CLIENT_PUBSUB) != 0 ? CONFIG_CLIENT_PUBSUB : CONFIG_CLIENT_NORMAL;
    int64_t hard = CONFIG_READ(output_limits[kind].hard);
    int64_t soft = CONFIG_READ(output_limits[kind].soft);
    int64_t now_ms = connection->client.worker->now_ms;
    int over = hard > 0 && size > (size_t)hard;

    if (soft > 0 && size > (size_t)soft) {
        if (connection->soft_limit_since == 0)
            connection->soft_limit_since = now_ms;
        over |= now_ms - connection->soft_limit_since > CONFIG_READ(output_limits[kind].soft_seconds) * 1000;
    } else {
        connection->soft_limit_since = 0;
    }
    if (over)
        note_closed_by_limit(&connection->client);
    return over;
}

/* Stops a client whose replies are not read, and lets it go on once half of them are. */
static void apply_back_pressure(struct connection *connection, size_t size)
{
    struct worker *worker = connection->client.worker;
    size_t block = worker->output_total > OUTPUT_TOTAL_TIGHT ? OUTPUT_BLOCK_SIZE_TIGHT : OUTPUT_BLOCK_SIZE;

    if ((connection->blocked & CONNECTION_BLOCK_OUTPUT) == 0) {
        if (size > block) {
            connection->blocked |= CONNECTION_BLOCK_OUTPUT;
            pause_receiving(connection);
        }
    } else if (size <= OUTPUT_BLOCK_SIZE_TIGHT / 2 || size <= block / 2) {
        connection->blocked &= ~(uint32_t)CONNECTION_BLOCK_OUTPUT;
        worker_make_ready(worker, connection);
    }
}

/* The peer sends no more: is everything that it asked for done? */
static int is_finished(const struct connection *connection)
{
    if ((connection->client.flags & CLIENT_CLOSE_AFTER_REPLY) != 0)
        return 1;
    return connection->ended && !connection->ready && (connection->blocked & CONNECTION_BLOCK_OUTPUT) == 0;
}

void connection_settle(struct connection *connection)
{
    struct client *client = &connection->client;

    if (connection->detached)
        return;
    if (client->reply.too_large) {
        note_closed_by_limit(client);
        connection->blocked |= CONNECTION_BLOCK_CLOSING;
    } else if (client->reply.failed) {
        log_message(LOG_LEVEL_WARNING, "Closing client id=%llu addr=%s: out of memory for its replies",
                    (unsigned long long)client->id, client->address);
        connection->blocked |= CONNECTION_BLOCK_CLOSING;
    }
    if ((connection->blocked & CONNECTION_BLOCK_CLOSING) == 0 && connection->out_size == 0 && client->reply.size > 0)
        start_sending(connection);
    if ((connection->blocked & CONNECTION_BLOCK_CLOSING) != 0) {
        connection_close(connection);
        return;
    }
    account_output(connection);
    size_t size = connection->output_counted;
    if (size > 0 && is_over_limit(connection, size)) {
        connection_close(connection);
        return;
    }
    if (size == 0)
        connection->soft_limit_since = 0;
    if (size > OUTPUT_BLOCK_SIZE_TIGHT || (connection->blocked & CONNECTION_BLOCK_OUTPUT) != 0)
        apply_back_pressure(connection, size);
    if (size == 0 && is_finished(connection))
        connection_close(connection);
}

void connection_disown_replies(struct connection *connection, int result, const char *error)
{
    if (connection->turn != connection->client.worker->turn)
        return;
    reply_truncate(&connection->client.reply, connection->reply_mark);
    if (connection->turn_bytes == 0) /* it asked for nothing: there were messages for it, perhaps */
        return;
    if (connection->protocol == CONNECTION_BINARY)
        frame_reply_text(&connection->client.reply, wire_header(WIRE_ERROR, 0, 0, 0), (uint32_t)-result, error);
    else
        reply_error(&connection->client.reply, error);
    connection->client.flags |= CLIENT_CLOSE_AFTER_REPLY;
}
