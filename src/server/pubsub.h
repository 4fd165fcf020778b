/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pubsub.h - who has subscribed to what, and how messages get there
 *
 * A message that is published in a turn is written to the publisher's own worker's subscribers at once, into the buffers that leave
 * after the turn's fence (D3). For other workers' subscribers it goes into the worker's outbox, which is posted to their mailboxes
 * behind the fence; they are woken, and write it to theirs. So a publisher's messages come in their order, and a message that
 * says what a write has done comes after the write is durable. Where the commit fails they are dropped.
 *
 * Threads: each function by the client's, or the named, worker. The table is under a read-write lock: subscribing writes to it.
 */
#ifndef SDB_SERVER_PUBSUB_H
#define SDB_SERVER_PUBSUB_H

#include <stddef.h>
#include <stdint.h>

#include "request.h"
#include "superdb/superdb.h"

struct client;
struct message;
struct reply;
struct worker;

enum pubsub_kind { PUBSUB_CHANNEL, PUBSUB_PATTERN, PUBSUB_SHARD, PUBSUB_KINDS };

/* Subscribes; 1 where the client had not before, 0 where it had. Errors: -1, out of memory. */
int pubsub_subscribe(struct client *client, enum pubsub_kind kind, const struct request_arg *name);

/* 1 where the client had subscribed. */
int pubsub_unsubscribe(struct client *client, enum pubsub_kind kind, const struct request_arg *name);

/* Ends the subscription that is the kind's latest, and calls visit with its name behind that; 0: there is none. */
typedef void pubsub_visit(void *context, const char *name, size_t size);
int pubsub_unsubscribe_one(struct client *client, enum pubsub_kind kind, pubsub_visit *visit, void *context);

/* Ends all of the client's. */
void pubsub_forget(struct client *client);

/* Calls visit for each of the client's. */
void pubsub_each_of(const struct client *client, enum pubsub_kind kind, pubsub_visit *visit, void *context);

/* How many the client has, of one kind, and of channels and patterns together. */
size_t pubsub_count(const struct client *client, enum pubsub_kind kind);
size_t pubsub_total(const struct client *client);

/*
 * Sends a message to who has subscribed to the channel (kind PUBSUB_CHANNEL: or to a pattern that it matches; else PUBSUB_SHARD), and
 * says to how many.
 */
size_t pubsub_publish(struct worker *worker, enum pubsub_kind kind, const struct sdb_slice *channel, const struct sdb_slice *message);

/* Behind a fence, or a failed one: posts what was published in the turn to other workers, or drops it. */
void pubsub_post(struct worker *worker);
void pubsub_drop(struct worker *worker);

/* What other workers have posted: writes it to the worker's subscribers. */
void pubsub_deliver(struct worker *worker);

/*
 * A transaction: what is published is held, for the worker's own subscribers too, and the place in the outbox is given; then it is
 * forgotten, or let go. The transaction may be tried again behind pubsub_take_back.
 */
struct message **pubsub_hold(struct worker *worker);
int pubsub_is_holding(const struct worker *worker);
struct message **pubsub_mark(struct worker *worker); /* the place alone: inside of what holds already */
void pubsub_take_back(struct worker *worker, struct message **mark);
void pubsub_release(struct worker *worker, struct message **mark);

/* Calls visit for every channel or pattern that has subscribers; how many there are; how many subscribers a channel has. */
void pubsub_each(enum pubsub_kind kind, pubsub_visit *visit, void *context);
size_t pubsub_names(enum pubsub_kind kind);
size_t pubsub_subscribers(enum pubsub_kind kind, const struct request_arg *name);

#endif
