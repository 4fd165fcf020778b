/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pubsub.c - channels, patterns, and the way of a message
 * Threads: table_lock: written by who subscribes or no longer does, read by who publishes or delivers. A subscription is in the list of
 *          its client's worker, and only that worker writes to the client. An inbox is under its worker's mailbox_lock.
 * Memory:  a topic for each name, a subscription for each client and name; a message for as long as it is on its way
 */
#include "pubsub.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"
#include "config.h"
#include "connection.h"
#include "glob.h"
#include "names.h"
#include "worker.h"

struct subscription {
    struct topic *topic;
    struct client *client;
    struct subscription *next, **link;               /* of the topic, in one worker */
    struct subscription *client_next, **client_link; /* of the client, the latest first. Owner: its worker */
};

/* A channel or a pattern. */
struct topic {
    struct name name; /* space: its kind. First */
    size_t subscribers;
    struct subscription **heads; /* one for each worker */
    uint32_t *counts;            /* of each */
    char data[];
};

/* On its way to other workers. One allocation for each of them. */
struct message {
    struct message *next;
    uint32_t target; /* a worker's number */
    enum pubsub_kind kind;
    size_t channel_size, size;
    char data[]; /* the channel, then the message */
};

static pthread_rwlock_t table_lock = PTHREAD_RWLOCK_INITIALIZER;
static struct names tables[PUBSUB_KINDS]; /* Under table_lock. */

/* How many workers a topic has lists for; a test may have a worker that was never started. */
static unsigned places(void)
{
    return workers_count() > 0 ? workers_count() : 1;
}

static struct topic *topic_of(struct name *name)
{
    return (struct topic *)(void *)name;
}

static const char *const message_words[PUBSUB_KINDS] = {"message", "pmessage", "smessage"};

/* ---- subscribing ------------------------------------------------------------------------------------------------------ */

/* Errors: NULL, out of memory. */
static struct topic *add_topic(enum pubsub_kind kind, const struct request_arg *name)
{
    struct topic *topic = malloc(sizeof(*topic) + name->size);

    if (topic == NULL)
        return NULL;
    topic->heads = calloc(places(), sizeof(struct subscription *));
    topic->counts = calloc(places(), sizeof(*topic->counts));
    memcpy(topic->data, name->data, name->size);
    topic->name = (struct name){.data = topic->data, .size = name->size, .space = (uint32_t)kind};
    topic->subscribers = 0;
    if (topic->heads != NULL && topic->counts != NULL && names_add(&tables[kind], &topic->name))
        return topic;
    free(topic->heads);
    free(topic->counts);
    free(topic);
    return NULL;
}

static struct subscription *find_own(const struct client *client, const struct topic *topic)
{
    const enum pubsub_kind kind = (enum pubsub_kind)topic->name.space;
    struct subscription *one;

    if (client->subscription_counts[kind] < topic->counts[client->worker->number]) {
        for (one = client->subscriptions[kind]; one != NULL && one->topic != topic;)
            one = one->client_next;
    } else {
        for (one = topic->heads[client->worker->number]; one != NULL && one->client != client;)
            one = one->next;
    }
    return one;
}

static void link_subscription(struct subscription *subscription, struct topic *topic, struct client *client,
                              enum pubsub_kind kind)
{
    struct subscription **head = &topic->heads[client->worker->number];

    *subscription = (struct subscription){.topic = topic, .client = client, .next = *head, .link = head};
    if (subscription->next != NULL)
        subscription->next->link = &subscription->next;
    *head = subscription;
    subscription->client_next = client->subscriptions[kind];
    subscription->client_link = &client->subscriptions[kind];
    if (subscription->client_next != NULL)
        subscription->client_next->client_link = &subscription->client_next;
    client->subscriptions[kind] = subscription;
    client->subscription_counts[kind]++;
    topic->counts[client->worker->number]++;
    topic->subscribers++;
}

/* RESP2's subscribers may do little else. */
static void update_flag(struct client *client)
{
    if (pubsub_total(client) + pubsub_count(client, PUBSUB_SHARD) > 0)
        client->flags |= CLIENT_PUBSUB;
    else
        client->flags &= ~(uint32_t)CLIENT_PUBSUB;
}

int pubsub_subscribe(struct client *client, enum pubsub_kind kind, const struct request_arg *name)
{
    struct subscription *subscription;
    struct name *found;
    struct topic *topic;
    int result = -1;

    pthread_rwlock_wrlock(&table_lock);
    found = names_find(&tables[kind], (uint32_t)kind, name->data, name->size);
    topic = found != NULL ? topic_of(found) : add_topic(kind, name);
    if (topic != NULL && find_own(client, topic) != NULL) {
        result = 0;
    } else if (topic != NULL && (subscription = malloc(sizeof(*subscription))) != NULL) {
        link_subscription(subscription, topic, client, kind);
        result = 1;
    }
    pthread_rwlock_unlock(&table_lock);
    update_flag(client);
    return result;
}

/* Under table_lock. A topic that nobody has subscribed to any more is let go of. */
static void drop_topic(struct topic *topic, enum pubsub_kind kind)
{
    if (topic->subscribers > 0)
        return;
    names_remove(&tables[kind], &topic->name);
    free(topic->heads);
    free(topic->counts);
    free(topic);
}

/* Under table_lock. The topic is for drop_topic. */
static struct topic *end_subscription(struct subscription *subscription, enum pubsub_kind kind)
{
    struct topic *topic = subscription->topic;
    struct client *client = subscription->client;

    *subscription->link = subscription->next;
    if (subscription->next != NULL)
        subscription->next->link = subscription->link;
    *subscription->client_link = subscription->client_next;
    if (subscription->client_next != NULL)
        subscription->client_next->client_link = subscription->client_link;
    client->subscription_counts[kind]--;
    topic->counts[client->worker->number]--;
    topic->subscribers--;
    free(subscription);
    return topic;
}

int pubsub_unsubscribe(struct client *client, enum pubsub_kind kind, const struct request_arg *name)
{
    struct subscription *subscription = NULL;
    struct name *found;

    if (client->subscription_counts[kind] == 0)
        return 0;
    pthread_rwlock_wrlock(&table_lock);
    found = names_find(&tables[kind], (uint32_t)kind, name->data, name->size);
    if (found != NULL)
        subscription = find_own(client, topic_of(found));
    if (subscription != NULL)
        drop_topic(end_subscription(subscription, kind), kind);
    pthread_rwlock_unlock(&table_lock);
    update_flag(client);
    return subscription != NULL;
}

int pubsub_unsubscribe_one(struct client *client, enum pubsub_kind kind, pubsub_visit *visit, void *context)
{
    struct subscription *subscription = client->subscriptions[kind];

    if (subscription == NULL)
        return 0;
    pthread_rwlock_wrlock(&table_lock);
    struct topic *topic = end_subscription(subscription, kind);
    update_flag(client);
    visit(context, topic->data, topic->name.size);
    drop_topic(topic, kind);
    pthread_rwlock_unlock(&table_lock);
    return 1;
}

void pubsub_each_of(const struct client *client, enum pubsub_kind kind, pubsub_visit *visit, void *context)
{
    for (const struct subscription *one = client->subscriptions[kind]; one != NULL; one = one->client_next)
        visit(context, one->topic->data, one->topic->name.size);
}

void pubsub_forget(struct client *client)
{
    if ((client->flags & CLIENT_PUBSUB) == 0)
        return;
    pthread_rwlock_wrlock(&table_lock);
    for (int kind = 0; kind < PUBSUB_KINDS; kind++) {
        for (struct subscription *one = client->subscriptions[kind], *next; one != NULL; one = next) {
            next = one->client_next;
            drop_topic(end_subscription(one, (enum pubsub_kind)kind), (enum pubsub_kind)kind);
        }
    }
    pthread_rwlock_unlock(&table_lock);
    update_flag(client);
}

size_t pubsub_count(const struct client *client, enum pubsub_kind kind)
{
    return client->subscription_counts[kind];
}

size_t pubsub_total(const struct client *client)
{
    return client->subscription_counts[PUBSUB_CHANNEL] + client->subscription_counts[PUBSUB_PATTERN];
}

/* ---- writing to a worker's own subscribers; table_lock is held for reading ---------------------------------------------- */

static void write_to(struct client *client, const struct topic *topic, enum pubsub_kind kind, const struct sdb_slice *channel,
                     const struct sdb_slice *text)
{
    struct reply *reply = &client->reply;

    connection_touch(connection_of(client));
    /* One turn's messages alone may be more than the limit. */
    reply->size_max = (size_t)CONFIG_READ(output_limits[CONFIG_CLIENT_PUBSUB].hard);
    reply_push(reply, kind == PUBSUB_PATTERN ? 4 : 3);
    reply_bulk_text(reply, message_words[kind]);
    if (kind == PUBSUB_PATTERN)
        reply_bulk(reply, topic->data, topic->name.size);
    reply_bulk(reply, channel->data, channel->size);
    reply_bulk(reply, text->data, text->size);
}

static void write_to_all(const struct worker *worker, const struct topic *topic, enum pubsub_kind kind,
                         const struct sdb_slice *channel, const struct sdb_slice *text)
{
    for (struct subscription *one = topic->heads[worker->number]; one != NULL; one = one->next)
        if ((connection_of(one->client)->blocked & CONNECTION_BLOCK_CLOSING) == 0 && (one->client->flags & CLIENT_REPLY_OFF) == 0)
            write_to(one->client, topic, kind, channel, text);
}

/* A topic that a channel's message goes to. */
typedef void topic_visit(void *context, const struct topic *topic, enum pubsub_kind kind);

static void each_match(enum pubsub_kind kind, const struct sdb_slice *channel, topic_visit *visit, void *context)
{
    struct name *name = names_find(&tables[kind], (uint32_t)kind, channel->data, channel->size);

    if (name != NULL)
        visit(context, topic_of(name), kind);
    if (kind != PUBSUB_CHANNEL || tables[PUBSUB_PATTERN].count == 0)
        return;
    for (name = names_next(&tables[PUBSUB_PATTERN], NULL); name != NULL; name = names_next(&tables[PUBSUB_PATTERN], name))
        if (glob_match(name->data, name->size, channel->data, channel->size, 0))
            visit(context, topic_of(name), PUBSUB_PATTERN);
}

struct delivery {
    struct worker *worker;
    const struct sdb_slice *channel, *text;
    size_t receivers;
    uint8_t targets[WORKER_THREADS_MAX]; /* other workers that have some */
};

static void deliver_to(void *context, const struct topic *topic, enum pubsub_kind kind)
{
    struct delivery *delivery = context;

    write_to_all(delivery->worker, topic, kind, delivery->channel, delivery->text);
}

static void publish_to(void *context, const struct topic *topic, enum pubsub_kind kind)
{
    struct delivery *delivery = context;

    delivery->receivers += topic->subscribers;
    for (unsigned i = 0; i < places(); i++)
        delivery->targets[i] |= topic->counts[i] != 0;
    if (!delivery->worker->holds_messages)
        write_to_all(delivery->worker, topic, kind, delivery->channel, delivery->text);
}

/* ---- messages between workers ----------------------------------------------------------------------------------------- */

static struct message **outbox_end(struct worker *worker)
{
    return worker->outbox_end != NULL ? worker->outbox_end : &worker->outbox;
}

static void put_into_outbox(struct worker *worker, unsigned target, enum pubsub_kind kind, const struct sdb_slice *channel,
                            const struct sdb_slice *text)
{
    struct message *message = malloc(sizeof(*message) + channel->size + text->size);

    if (message == NULL)
        return; /* a message may get lost, as with a subscriber whose connection breaks */
    *message = (struct message){.target = target, .kind = kind, .channel_size = channel->size, .size = text->size};
    memcpy(message->data, channel->data, channel->size);
    memcpy(message->data + channel->size, text->data, text->size);
    *outbox_end(worker) = message;
    worker->outbox_end = &message->next;
}

size_t pubsub_publish(struct worker *worker, enum pubsub_kind kind, const struct sdb_slice *channel, const struct sdb_slice *text)
{
    struct delivery delivery = {.worker = worker, .channel = channel, .text = text};

    if (pubsub_names(kind) + pubsub_names(PUBSUB_PATTERN) == 0)
        return 0;
    pthread_rwlock_rdlock(&table_lock);
    each_match(kind, channel, publish_to, &delivery);
    pthread_rwlock_unlock(&table_lock);
    for (unsigned i = 0; i < places(); i++)
        if (delivery.targets[i] && (i != worker->number || worker->holds_messages))
            put_into_outbox(worker, i, kind, channel, text);
    return delivery.receivers;
}

/* To the worker's own subscribers. The message is gone then. */
static void deliver_one(struct worker *worker, struct message *message)
{
    const struct sdb_slice channel = {message->data, message->channel_size};
    const struct sdb_slice text = {message->data + message->channel_size, message->size};
    struct delivery delivery = {.worker = worker, .channel = &channel, .text = &text};

    pthread_rwlock_rdlock(&table_lock);
    each_match(message->kind, &channel, deliver_to, &delivery);
    pthread_rwlock_unlock(&table_lock);
    free(message);
}

void pubsub_post(struct worker *worker)
{
    struct message *next;

    for (struct message *message = worker->outbox; message != NULL; message = next) {
        struct worker *target = worker_at(message->target);
        int was_empty;

        next = message->next;
        message->next = NULL;
        lock_acquire(&target->mailbox_lock);
        was_empty = target->inbox == NULL;
        *(was_empty ? &target->inbox : target->inbox_end) = message;
        target->inbox_end = &message->next;
        lock_release(&target->mailbox_lock);
        if (was_empty)
            worker_wake(target);
    }
    worker->outbox = NULL;
    worker->outbox_end = NULL;
}

void pubsub_take_back(struct worker *worker, struct message **mark)
{
    struct message *next;

    for (struct message *message = *mark; message != NULL; message = next) {
        next = message->next;
        free(message);
    }
    *mark = NULL;
    worker->outbox_end = mark;
}

struct message **pubsub_hold(struct worker *worker)
{
    worker->holds_messages = 1;
    return outbox_end(worker);
}

int pubsub_is_holding(const struct worker *worker)
{
    return worker->holds_messages;
}

struct message **pubsub_mark(struct worker *worker)
{
    return outbox_end(worker);
}

void pubsub_release(struct worker *worker, struct message **mark)
{
    struct message **link = mark;

    worker->holds_messages = 0;
    while (*link != NULL) {
        struct message *message = *link;

        if (message->target != worker->number) {
            link = &message->next;
            continue;
        }
        *link = message->next;
        deliver_one(worker, message);
    }
    worker->outbox_end = link;
}

void pubsub_drop(struct worker *worker)
{
    pubsub_take_back(worker, &worker->outbox);
}

void pubsub_deliver(struct worker *worker)
{
    struct message *message, *next;

    lock_acquire(&worker->mailbox_lock);
    message = worker->inbox;
    worker->inbox = NULL;
    lock_release(&worker->mailbox_lock);
    for (; message != NULL; message = next) {
        next = message->next;
        deliver_one(worker, message);
    }
}

/* ---- what there is ---------------------------------------------------------------------------------------------------- */

void pubsub_each(enum pubsub_kind kind, pubsub_visit *visit, void *context)
{
    pthread_rwlock_rdlock(&table_lock);
    for (struct name *name = names_next(&tables[kind], NULL); name != NULL; name = names_next(&tables[kind], name))
        visit(context, name->data, name->size);
    pthread_rwlock_unlock(&table_lock);
}

size_t pubsub_names(enum pubsub_kind kind)
{
    return __atomic_load_n(&tables[kind].count, __ATOMIC_RELAXED);
}

size_t pubsub_subscribers(enum pubsub_kind kind, const struct request_arg *name)
{
    struct name *found;
    size_t count;

    pthread_rwlock_rdlock(&table_lock);
    found = names_find(&tables[kind], (uint32_t)kind, name->data, name->size);
    count = found != NULL ? topic_of(found)->subscribers : 0;
    pthread_rwlock_unlock(&table_lock);
    return count;
}
