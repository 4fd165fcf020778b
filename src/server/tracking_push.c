/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tracking_push.c - messages to clients that track
 *
 * A message is an invalidation push (RESP3), or, for a client that others redirect theirs to, a message of the channel __redis__:invalidate
 * (RESP2), where it has subscribed to anything. Who is on another worker gets it by mail; a redirection whose client is gone is told back.
 * Threads: see tracking_push.h; the counts are atomic
 * Memory:  a struct tracking for each client that tracks; letters on their way
 */
#include "tracking_push.h"

#include <stdlib.h>
#include <string.h>

#include "changes.h"
#include "client.h"
#include "connection.h"
#include "mail.h"
#include "grow.h"
#include "worker.h"
#include "worker_stats.h"

#define CHANNEL "__redis__:invalidate"

/* Of each worker. Owner: it. */
static struct {
    struct names ids;
    struct tracking *first;
} places[WORKER_THREADS_MAX];

static size_t clients_count;                       /* Atomic. */
static size_t prefixes_count;                      /* Atomic. */
static uint32_t bcast_counts[WORKER_THREADS_MAX];  /* Atomic: broadcast clients of each worker */

int tracking_is_on(void)
{
    return __atomic_load_n(&clients_count, __ATOMIC_RELAXED) != 0;
}

void tracking_count_clients(size_t *clients, size_t *prefixes)
{
    *clients = __atomic_load_n(&clients_count, __ATOMIC_RELAXED);
    *prefixes = __atomic_load_n(&prefixes_count, __ATOMIC_RELAXED);
}

static struct tracking *find(const struct worker *worker, uint64_t id)
{
    return (struct tracking *)(void *)names_find(&places[worker->number].ids, 0, &id, sizeof(id));
}

/* ---- lists of keys ---------------------------------------------------------------------------------------------------- */

int tracking_note_key(struct tracking_keys *keys, const struct sdb_slice *key, uint64_t by)
{
    if (!grow(&keys->items, &keys->capacity, keys->count + 1, sizeof(*keys->items)) ||
        !grow(&keys->bytes, &keys->bytes_capacity, keys->size + key->size, 1))
        return 0;
    memcpy(keys->bytes + keys->size, key->data, key->size);
    keys->items[keys->count++] = (struct tracking_item){keys->size, key->size, by};
    keys->size += key->size;
    return 1;
}

void tracking_keys_clear(struct tracking_keys *keys)
{
    keys->count = 0;
    keys->size = 0;
}

void tracking_keys_free(struct tracking_keys *keys)
{
    free(keys->items);
    free(keys->bytes);
    memset(keys, 0, sizeof(*keys));
}

/* ---- beginning and end ------------------------------------------------------------------------------------------------ */

static void free_prefixes(struct tracking *tracking)
{
    for (size_t i = 0; i < tracking->prefix_count; i++)
        free((void *)(uintptr_t)tracking->prefixes[i].data);
    free(tracking->prefixes);
    __atomic_fetch_sub(&prefixes_count, tracking->prefix_count, __ATOMIC_RELAXED);
}

static int compare(const void *a, size_t a_size, const void *b, size_t b_size)
{
    const size_t least = a_size < b_size ? a_size : b_size;
    const int result = least == 0 ? 0 : memcmp(a, b, least);

    return result != 0 ? result : a_size < b_size ? -1 : a_size > b_size;
}

/* Keeps them sorted; one that is there stays. Errors: 0. */
static int add_prefix(struct tracking *tracking, const void *data, size_t size)
{
    struct sdb_slice *grown;
    size_t at = 0;
    char *copy;

    while (at < tracking->prefix_count && compare(tracking->prefixes[at].data, tracking->prefixes[at].size, data, size) < 0)
        at++;
    if (at < tracking->prefix_count && compare(tracking->prefixes[at].data, tracking->prefixes[at].size, data, size) == 0)
        return 1;
    copy = malloc(size + 1);
    grown = realloc(tracking->prefixes, (tracking->prefix_count + 1) * sizeof(*grown));
    if (grown != NULL)
        tracking->prefixes = grown;
    if (copy == NULL || grown == NULL) {
        free(copy);
        return 0;
    }
    memcpy(copy, data, size);
    memmove(grown + at + 1, grown + at, (tracking->prefix_count - at) * sizeof(*grown));
    grown[at] = (struct sdb_slice){copy, size};
    tracking->prefix_count++;
    __atomic_fetch_add(&prefixes_count, 1, __ATOMIC_RELAXED);
    return 1;
}

static struct tracking *begin(struct client *client)
{
    struct tracking *tracking = calloc(1, sizeof(*tracking)), **head = &places[client->worker->number].first;

    if (tracking == NULL)
        return NULL;
    tracking->client = client;
    tracking->id = client->id;
    tracking->name = (struct name){.data = (const char *)&tracking->id, .size = sizeof(tracking->id)};
    if (!names_add(&places[client->worker->number].ids, &tracking->name)) {
        free(tracking);
        return NULL;
    }
    tracking->next = *head;
    tracking->link = head;
    if (tracking->next != NULL)
        tracking->next->link = &tracking->next;
    *head = tracking;
    client->tracking = tracking;
    client->flags |= CLIENT_TRACKING;
    __atomic_fetch_add(&clients_count, 1, __ATOMIC_SEQ_CST);
    changes_wanted(1);
    return tracking;
}

int tracking_enable(struct client *client, uint32_t flags, uint64_t redirect, unsigned redirect_worker,
                    const struct request_arg *prefixes, size_t count)
{
    struct tracking *tracking = client->tracking != NULL ? client->tracking : begin(client);
    const int was_bcast = tracking != NULL && (tracking->flags & TRACKING_BCAST) != 0;

    if (tracking == NULL)
        return 0;
    tracking->flags = flags;
    tracking->redirect = redirect;
    tracking->redirect_worker = redirect_worker;
    if ((flags & TRACKING_BCAST) == 0)
        return 1;
    if (!was_bcast)
        __atomic_fetch_add(&bcast_counts[client->worker->number], 1, __ATOMIC_SEQ_CST);
    if (count == 0)
        return add_prefix(tracking, "", 0);
    for (size_t i = 0; i < count; i++)
        if (!add_prefix(tracking, prefixes[i].data, prefixes[i].size))
            return 0;
    return 1;
}

void tracking_disable(struct client *client)
{
    struct tracking *tracking = client->tracking;

    if (tracking == NULL)
        return;
    if ((tracking->flags & TRACKING_BCAST) != 0)
        __atomic_fetch_sub(&bcast_counts[client->worker->number], 1, __ATOMIC_RELAXED);
    names_remove(&places[client->worker->number].ids, &tracking->name);
    *tracking->link = tracking->next;
    if (tracking->next != NULL)
        tracking->next->link = tracking->link;
    free_prefixes(tracking);
    free(tracking);
    client->tracking = NULL;
    client->flags &= ~(uint32_t)CLIENT_TRACKING;
    __atomic_fetch_sub(&clients_count, 1, __ATOMIC_RELAXED);
    changes_wanted(-1);
}

/* ---- writing ---------------------------------------------------------------------------------------------------------- */

/* What a message says: an array of keys in RESP, or a null. */
struct payload {
    const char *data;
    size_t size;
};

/* Where it is a client that can be told. */
static void write_to(struct client *client, int is_redirected, const struct payload *payload)
{
    struct reply *reply = &client->reply;

    if ((connection_of(client)->blocked & CONNECTION_BLOCK_CLOSING) != 0)
        return;
    if (reply->protocol != 3 && !(reply->protocol == 2 && is_redirected && (client->flags & CLIENT_PUBSUB) != 0))
        return;
    connection_touch(connection_of(client));
    if (reply->protocol == 3) {
        reply_push(reply, 2);
        reply_bulk_text(reply, "invalidate");
    } else {
        reply_array(reply, 3);
        reply_bulk_text(reply, "message");
        reply_bulk_text(reply, CHANNEL);
    }
    reply_raw(reply, payload->data, payload->size);
}

/* ---- redirections ----------------------------------------------------------------------------------------------------- */

struct redirected {
    struct letter letter; /* First. */
    uint64_t to, from;
    unsigned from_worker;
    size_t size;
    char data[];
};

static struct client *find_client(const struct worker *worker, uint64_t id)
{
    for (struct connection *connection = worker->connections; connection != NULL; connection = connection->next)
        if (connection->client.id == id)
            return &connection->client;
    return NULL;
}

static void tell_broken(struct tracking *tracking)
{
    struct reply *reply = &tracking->client->reply;

    tracking->flags |= TRACKING_BROKEN;
    if (reply->protocol != 3 || (connection_of(tracking->client)->blocked & CONNECTION_BLOCK_CLOSING) != 0)
        return;
    connection_touch(connection_of(tracking->client));
    reply_push(reply, 2);
    reply_bulk_text(reply, "tracking-redir-broken");
    reply_integer(reply, (int64_t)tracking->redirect);
}

static void open_broken(struct worker *worker, struct letter *letter)
{
    const struct redirected *redirected = (struct redirected *)(void *)letter;
    struct tracking *tracking = find(worker, redirected->to);

    if (tracking != NULL && tracking->redirect == redirected->from)
        tell_broken(tracking);
    free(letter);
}

static void mail_redirected(letter_open *open, unsigned worker, uint64_t to, uint64_t from, unsigned from_worker,
                            const struct payload *payload)
{
    struct redirected *redirected = malloc(sizeof(*redirected) + payload->size);

    if (redirected == NULL)
        return; /* as where its connection breaks */
    *redirected = (struct redirected){.letter = {.open = open}, .to = to, .from = from, .from_worker = from_worker, .size = payload->size};
    memcpy(redirected->data, payload->data, payload->size);
    mail_send(worker_at(worker), &redirected->letter);
}

static void open_redirected(struct worker *worker, struct letter *letter)
{
    const struct redirected *redirected = (struct redirected *)(void *)letter;
    struct client *client = find_client(worker, redirected->to);

    if (client != NULL)
        write_to(client, 1, &(struct payload){redirected->data, redirected->size});
    else
        mail_redirected(open_broken, redirected->from_worker, redirected->from, redirected->to, worker->number,
                        &(struct payload){"", 0});
    free(letter);
}

static void send_to(struct worker *worker, struct tracking *tracking, const struct payload *payload)
{
    struct client *client = tracking->client;

    if (tracking->redirect == 0) {
        write_to(client, 0, payload);
    } else if (tracking->redirect_worker != worker->number ||
               (worker_stats_self->client != NULL && worker_stats_self->client->id == tracking->redirect)) {
        /* Another worker's, or the one whose command runs: not in the middle of its reply. */
        mail_redirected(open_redirected, tracking->redirect_worker, tracking->redirect, tracking->id, worker->number, payload);
    } else if ((client = find_client(worker, tracking->redirect)) != NULL) {
        write_to(client, 1, payload);
    } else {
        tell_broken(tracking);
    }
}

/* ---- default mode ----------------------------------------------------------------------------------------------------- */

void tracking_push_key(struct worker *worker, uint64_t id, const struct sdb_slice *key)
{
    struct tracking *tracking = find(worker, id);
    struct reply text;

    if (tracking == NULL || (tracking->flags & TRACKING_BCAST) != 0)
        return;
    reply_init(&text);
    reply_array(&text, 1);
    reply_bulk(&text, key->data, key->size);
    if (!text.failed)
        send_to(worker, tracking, &(struct payload){text.data, text.size});
    reply_free(&text);
}

static void push_null(struct worker *worker, struct tracking *tracking)
{
    const int resp3 = tracking->client->reply.protocol == 3;

    send_to(worker, tracking, &(struct payload){resp3 ? "_\r\n" : "$-1\r\n", resp3 ? 3 : 5});
}

void tracking_push_null(struct worker *worker, uint64_t id)
{
    struct tracking *tracking = find(worker, id);

    if (tracking != NULL)
        push_null(worker, tracking);
}

void tracking_push_flush(struct worker *worker, const struct client *but)
{
    for (struct tracking *tracking = places[worker->number].first; tracking != NULL; tracking = tracking->next)
        if (tracking->client != but)
            push_null(worker, tracking);
}

struct key_letter {
    struct letter letter; /* First. */
    uint64_t id;
    size_t size;
    char data[];
};

static void open_key(struct worker *worker, struct letter *letter)
{
    const struct key_letter *key = (struct key_letter *)(void *)letter;

    tracking_push_key(worker, key->id, &(struct sdb_slice){key->data, key->size});
    free(letter);
}

static void open_flush(struct worker *worker, struct letter *letter)
{
    tracking_push_flush(worker, NULL);
    free(letter);
}

static void mail_flush_to(unsigned to)
{
    struct letter *letter = malloc(sizeof(*letter));

    if (letter == NULL)
        return;
    letter->open = open_flush;
    mail_send(worker_at(to), letter);
}

void tracking_mail_key(unsigned to, uint64_t id, const struct sdb_slice *key)
{
    struct key_letter *letter = malloc(sizeof(*letter) + key->size);

    if (letter == NULL) {
        mail_flush_to(to);
        return;
    }
    *letter = (struct key_letter){.letter = {.open = open_key}, .id = id, .size = key->size};
    memcpy(letter->data, key->data, key->size);
    mail_send(worker_at(to), &letter->letter);
}

void tracking_mail_flush(struct worker *from)
{
    for (unsigned i = 0; i < workers_count(); i++)
        if (i != from->number)
            mail_flush_to(i);
}

/* ---- broadcasting mode ------------------------------------------------------------------------------------------------ */

struct broadcast {
    struct letter letter; /* First. */
    struct tracking_keys keys;
};

static __thread const struct tracking_keys *sorting; /* for compare_items */

/* By the bytes; of equals the one that changed it first stays first. */
static int compare_items(const void *a, const void *b)
{
    const struct tracking_item *x = a, *y = b;
    const int result = compare(sorting->bytes + x->at, x->size, sorting->bytes + y->at, y->size);

    return result != 0 ? result : x->at < y->at ? -1 : x->at > y->at;
}

/* Each key once, in order. */
static void sort_keys(struct tracking_keys *keys)
{
    size_t n = 0;

    sorting = keys;
    qsort(keys->items, keys->count, sizeof(*keys->items), compare_items);
    for (size_t i = 0; i < keys->count; i++)
        if (n == 0 || compare(tracking_key_data(keys, n - 1), keys->items[n - 1].size, tracking_key_data(keys, i), keys->items[i].size) != 0)
            keys->items[n++] = keys->items[i];
    keys->count = n;
}

static int is_told(const struct tracking *tracking, const struct sdb_slice *prefix, const struct tracking_keys *keys, size_t i)
{
    const struct tracking_item *item = &keys->items[i];

    if ((tracking->flags & TRACKING_NOLOOP) != 0 && item->by == tracking->id)
        return 0;
    return item->size >= prefix->size && (prefix->size == 0 || memcmp(tracking_key_data(keys, i), prefix->data, prefix->size) == 0);
}

static void broadcast_prefix(struct worker *worker, struct tracking *tracking, const struct sdb_slice *prefix,
                             const struct tracking_keys *keys)
{
    struct reply text;
    size_t count = 0;

    for (size_t i = 0; i < keys->count; i++)
        count += (size_t)is_told(tracking, prefix, keys, i);
    if (count == 0)
        return;
    reply_init(&text);
    reply_array(&text, count);
    for (size_t i = 0; i < keys->count; i++)
        if (is_told(tracking, prefix, keys, i))
            reply_bulk(&text, tracking_key_data(keys, i), keys->items[i].size);
    if (!text.failed)
        send_to(worker, tracking, &(struct payload){text.data, text.size});
    reply_free(&text);
}

static void broadcast_own(struct worker *worker, const struct tracking_keys *keys)
{
    for (struct tracking *tracking = places[worker->number].first; tracking != NULL; tracking = tracking->next)
        for (size_t i = 0; i < tracking->prefix_count; i++)
            broadcast_prefix(worker, tracking, &tracking->prefixes[i], keys);
}

static void open_broadcast(struct worker *worker, struct letter *letter)
{
    struct broadcast *broadcast = (struct broadcast *)(void *)letter;

    broadcast_own(worker, &broadcast->keys);
    tracking_keys_free(&broadcast->keys);
    free(letter);
}

static void mail_broadcast(unsigned to, const struct tracking_keys *keys)
{
    struct broadcast *broadcast = calloc(1, sizeof(*broadcast));
    int copied = broadcast != NULL;

    for (size_t i = 0; i < keys->count && copied; i++)
        copied = tracking_note_key(&broadcast->keys, &(struct sdb_slice){tracking_key_data(keys, i), keys->items[i].size}, keys->items[i].by);
    if (!copied) {
        if (broadcast != NULL)
            tracking_keys_free(&broadcast->keys);
        free(broadcast);
        mail_flush_to(to);
        return;
    }
    broadcast->letter.open = open_broadcast;
    mail_send(worker_at(to), &broadcast->letter);
}

void tracking_broadcast(struct worker *worker, struct tracking_keys *keys)
{
    sort_keys(keys);
    for (unsigned i = 0; i < workers_count(); i++) {
        if (__atomic_load_n(&bcast_counts[i], __ATOMIC_RELAXED) == 0)
            continue;
        if (i == worker->number)
            broadcast_own(worker, keys);
        else
            mail_broadcast(i, keys);
    }
}
