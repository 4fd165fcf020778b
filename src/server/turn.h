/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * turn.h - what running a request takes, whatever protocol it came in (batch.c, frames.c): may it run, in which database, into which
 * buffer, and what it took of its client's share of the turn
 * Threads: the worker's.
 */
#ifndef SDB_SERVER_TURN_H
#define SDB_SERVER_TURN_H

#include "command.h"
#include "config.h"
#include "connection.h"
#include "worker.h"

#define TURN_INPUT_MAX (256u * 1024)  /* what one client may have run in a turn, so that others get their turn */
#define TURN_OUTPUT_MAX (256u * 1024) /* and what it may have replied */

/* No more of this client's requests may run at the moment. */
static inline int turn_is_held(const struct connection *connection)
{
    return connection->blocked != 0 || (connection->client.flags & CLIENT_CLOSE_AFTER_REPLY) != 0;
}

static inline int turn_is_postponed(const struct worker *worker, const struct command_slot *slot)
{
    return worker->pause_mode == 2 ||
           (worker->pause_mode == 1 && slot != NULL && (slot->command->flags & COMMAND_WRITE) != 0);
}

static inline void turn_select(struct worker *worker, const struct client *client)
{
    if ((uint32_t)worker->session_database == client->database)
        return;
    worker->session_database = sdb_select(worker->session, client->database) == SDB_OK ? (int)client->database : -1;
}

/* The first reply of a turn goes to one of the worker's buffers. */
static inline void turn_ready_reply(struct worker *worker, struct client *client)
{
    if (client->reply.capacity == 0) {
        client->reply.data = worker_take_buffer(worker);
        client->reply.capacity = client->reply.data == NULL ? 0 : WORKER_REPLY_CAPACITY;
        /* One reply alone may be larger than memory: the hard limit holds while it is written, too. */
        int kind = (client->flags & CLIENT_PUBSUB) != 0 ? CONFIG_CLIENT_PUBSUB : CONFIG_CLIENT_NORMAL;

        client->reply.size_max = (size_t)CONFIG_READ(output_limits[kind].hard);
    }
}

/* A request of request_size bytes has run: whether its client has had its share of the turn. mark: its replies' size before. */
static inline void turn_account(struct worker *worker, struct connection *connection, size_t request_size, size_t mark)
{
    size_t size = connection->client.reply.size;

    connection->segment_done += request_size;
    worker->turn_output += size - mark;
    connection->turn_bytes += request_size;
    if (connection->turn_bytes > TURN_INPUT_MAX || size - connection->reply_mark > TURN_OUTPUT_MAX)
        connection->blocked |= CONNECTION_BLOCK_TURN;
}

#endif
