/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * block.c - who waits for what
 *
 * A waiter is WAITING until somebody takes it (under block_lock): a worker that may serve it, its own worker's timer, CLIENT UNBLOCK. Who
 * has taken it decides what becomes of it: it is served and gone, or WAITING again.
 * Holds:   1. a waiter is in the lists of all its keys, in the order in which waiting began, until it is served or gives up
 *          2. one that is taken is freed by who has taken it; its client, where that goes meanwhile, only lets go of it
 * Threads: the tables under block_lock, a leaf; a worker's own waiters, sorted by their deadlines, belong to the worker
 * Memory:  a waiter with a copy of its command's arguments, an entry for each key
 */
#include "block.h"

#include <stdlib.h>
#include <string.h>

#include "changes.h"
#include "client.h"
#include "command.h"
#include "connection.h"
#include "lock.h"
#include "grow.h"
#include "mail.h"
#include "names.h"
#include "notify.h"
#include "worker.h"
#include "worker_stats.h"

#define FILTER_SIZE 1024u

enum waiter_state { WAITING, TAKEN };

struct waited_key {
    struct name name; /* space: the database. First. */
    struct place *first, *last;
    size_t until_gone; /* of those who stand there */
    char data[];
};

/* A waiter's place in the row for one key. */
struct place {
    struct waited_key *key;
    struct waiter *waiter;
    struct place *next, *previous;
};

struct waiter {
    struct client *client; /* NULL: it has gone. Under block_lock */
    struct worker *worker; /* its own */
    enum waiter_state state; /* Under block_lock. */
    uint64_t id;
    uint32_t database;
    uint8_t protocol;
    uint8_t until_gone;
    int64_t deadline_ms; /* INT64_MAX: none */
    block_serve *serve;
    block_give_up *give_up;
    const struct command *command;
    struct request_arg *argv;
    int argc;
    struct place *places;
    size_t place_count;
    struct waiter *all_next, *all_previous; /* Under block_lock: everybody */
    struct waiter *next, *previous;         /* Owner: the client's worker: its own, the earliest deadline first */
};

static struct lock block_lock = LOCK_INIT;
static struct names keys;             /* Under block_lock. */
static struct waiter *everybody;      /* Under block_lock. */
static uint32_t filter[FILTER_SIZE];  /* Atomic: waited keys with this hash. Stored under block_lock */
static size_t waiting, timed;         /* Atomic. */

/* What the thread has made ready, in that order. */
static __thread struct {
    struct ready {
        uint32_t database;
        size_t at, size;
    } *items;
    size_t count, capacity;
    char *bytes;
    size_t size, bytes_capacity;
} ready;

size_t block_count(void)
{
    return __atomic_load_n(&waiting, __ATOMIC_RELAXED);
}

size_t block_timed_count(void)
{
    return __atomic_load_n(&timed, __ATOMIC_RELAXED);
}

static uint32_t *filter_of(uint64_t hash)
{
    return &filter[hash % FILTER_SIZE];
}

static struct waited_key *key_of(struct name *name)
{
    return (struct waited_key *)(void *)name;
}

/* ---- rows; under block_lock ------------------------------------------------------------------------------------------- */

static struct waited_key *find_or_add(uint32_t database, const struct sdb_slice *slice)
{
    struct name *name = names_find(&keys, database, slice->data, slice->size);
    struct waited_key *key;

    if (name != NULL)
        return key_of(name);
    key = malloc(sizeof(*key) + slice->size);
    if (key == NULL)
        return NULL;
    memcpy(key->data, slice->data, slice->size);
    key->name = (struct name){.data = key->data, .size = slice->size, .space = database};
    key->first = key->last = NULL;
    key->until_gone = 0;
    if (!names_add(&keys, &key->name)) {
        free(key);
        return NULL;
    }
    __atomic_fetch_add(filter_of(key->name.hash), 1, __ATOMIC_SEQ_CST);
    return key;
}

static void leave_row(struct place *place)
{
    struct waited_key *key = place->key;

    *(place->previous != NULL ? &place->previous->next : &key->first) = place->next;
    *(place->next != NULL ? &place->next->previous : &key->last) = place->previous;
    key->until_gone -= place->waiter->until_gone;
    if (key->first != NULL)
        return;
    __atomic_fetch_sub(filter_of(key->name.hash), 1, __ATOMIC_RELAXED);
    names_remove(&keys, &key->name);
    free(key);
}

static void leave_rows(struct waiter *waiter)
{
    for (size_t i = 0; i < waiter->place_count; i++)
        leave_row(&waiter->places[i]);
    waiter->place_count = 0;
    *(waiter->all_previous != NULL ? &waiter->all_previous->all_next : &everybody) = waiter->all_next;
    if (waiter->all_next != NULL)
        waiter->all_next->all_previous = waiter->all_previous;
}

static int stands_already(const struct waiter *waiter, const struct waited_key *key)
{
    for (size_t i = 0; i < waiter->place_count; i++)
        if (waiter->places[i].key == key)
            return 1;
    return 0;
}

/* Errors: 0. */
static int join_rows(struct waiter *waiter, const struct block_wish *wish)
{
    for (size_t i = 0; i < wish->count; i++) {
        struct waited_key *key = find_or_add(waiter->database, &wish->keys[i]);
        struct place *place = &waiter->places[waiter->place_count];

        if (key == NULL)
            return 0;
        if (stands_already(waiter, key)) /* a key that was named twice */
            continue;
        *place = (struct place){key, waiter, NULL, key->last};
        *(key->last != NULL ? &key->last->next : &key->first) = place;
        key->last = place;
        key->until_gone += waiter->until_gone;
        waiter->place_count++;
    }
    return 1;
}

/* ---- waiting ---------------------------------------------------------------------------------------------------------- */

int block_is_allowed(const struct client *client)
{
    return client->worker != NULL && (client->flags & CLIENT_MULTI) == 0 && !command_is_nested() &&
           connection_of((struct client *)(uintptr_t)client)->protocol != CONNECTION_BINARY;
}

static void free_waiter(struct waiter *waiter)
{
    free(waiter->places);
    free(waiter->argv);
    free(waiter);
}

static struct request_arg *copy_arguments(const struct request_arg *argv, int argc)
{
    size_t size = (size_t)argc * sizeof(*argv);
    struct request_arg *copy;
    char *to;

    for (int i = 0; i < argc; i++)
        size += argv[i].size;
    copy = malloc(size + 1);
    if (copy == NULL)
        return NULL;
    to = (char *)(copy + argc);
    for (int i = 0; i < argc; i++) {
        memcpy(to, argv[i].data, argv[i].size);
        copy[i] = (struct request_arg){to, argv[i].size};
        to += argv[i].size;
    }
    return copy;
}

static struct waiter *new_waiter(struct client *client, const struct block_wish *wish, const struct request_arg *argv, int argc)
{
    struct waiter *waiter = calloc(1, sizeof(*waiter));

    if (waiter == NULL)
        return NULL;
    waiter->client = client;
    waiter->worker = client->worker;
    waiter->id = client->id;
    waiter->database = client->database;
    waiter->protocol = client->reply.protocol;
    waiter->deadline_ms = wish->timeout_ms > 0 ? client_now_ms(client) + wish->timeout_ms : INT64_MAX;
    waiter->serve = wish->serve;
    waiter->give_up = wish->give_up;
    waiter->until_gone = wish->until_gone != 0;
    waiter->command = client->last_command;
    waiter->places = calloc(wish->count + 1, sizeof(*waiter->places));
    waiter->argv = copy_arguments(argv, argc);
    waiter->argc = argc;
    if (waiter->places != NULL && waiter->argv != NULL)
        return waiter;
    free_waiter(waiter);
    return NULL;
}

static void note_deadline(struct worker *worker)
{
    worker->waiters_due_ms = worker->waiters == NULL ? INT64_MAX : worker->waiters->deadline_ms;
}

/* Behind all whose time is over no later. */
static void join_own(struct waiter *waiter)
{
    struct waiter **link = &waiter->worker->waiters, *previous = NULL;

    while (*link != NULL && (*link)->deadline_ms <= waiter->deadline_ms) {
        previous = *link;
        link = &(*link)->next;
    }
    waiter->previous = previous;
    waiter->next = *link;
    if (waiter->next != NULL)
        waiter->next->previous = waiter;
    *link = waiter;
    note_deadline(waiter->worker);
}

int block_wait(struct client *client, const struct block_wish *wish, const struct request_arg *argv, int argc)
{
    struct waiter *waiter = new_waiter(client, wish, argv, argc);
    int joined;

    if (waiter == NULL)
        return 0;
    changes_wanted(1);
    lock_acquire(&block_lock);
    waiter->all_next = everybody;
    if (everybody != NULL)
        everybody->all_previous = waiter;
    everybody = waiter;
    joined = join_rows(waiter, wish);
    if (!joined)
        leave_rows(waiter);
    lock_release(&block_lock);
    if (!joined) {
        changes_wanted(-1);
        free_waiter(waiter);
        return 0;
    }
    join_own(waiter);
    client->waiter = waiter;
    client->flags |= CLIENT_BLOCKED;
    connection_of(client)->blocked |= CONNECTION_BLOCK_WAIT;
    __atomic_fetch_add(&waiting, 1, __ATOMIC_RELAXED);
    if (waiter->deadline_ms != INT64_MAX)
        __atomic_fetch_add(&timed, 1, __ATOMIC_RELAXED);
    return 1;
}

/* The client's own worker: it waits no more. What becomes of the waiter is its taker's matter. */
static void let_client_go(struct client *client)
{
    struct waiter *waiter = client->waiter;

    *(waiter->previous != NULL ? &waiter->previous->next : &waiter->worker->waiters) = waiter->next;
    if (waiter->next != NULL)
        waiter->next->previous = waiter->previous;
    note_deadline(waiter->worker);
    client->waiter = NULL;
    client->flags &= ~(uint32_t)CLIENT_BLOCKED;
    connection_of(client)->blocked &= ~(uint32_t)CONNECTION_BLOCK_WAIT;
    __atomic_fetch_sub(&waiting, 1, __ATOMIC_RELAXED);
    if (waiter->deadline_ms != INT64_MAX)
        __atomic_fetch_sub(&timed, 1, __ATOMIC_RELAXED);
    changes_wanted(-1);
}

/* 1: it was waiting, is in no row any more, and the caller's. */
static int take_for_good(struct waiter *waiter)
{
    int taken;

    lock_acquire(&block_lock);
    taken = waiter->state == WAITING;
    if (taken) {
        waiter->state = TAKEN;
        leave_rows(waiter);
    }
    lock_release(&block_lock);
    return taken;
}

void block_end(struct client *client)
{
    struct waiter *waiter = client->waiter;
    int taken;

    if (waiter == NULL)
        return;
    let_client_go(client);
    lock_acquire(&block_lock);
    taken = waiter->state == WAITING;
    if (taken)
        leave_rows(waiter);
    else
        waiter->client = NULL; /* who has taken it frees it */
    lock_release(&block_lock);
    if (taken)
        free_waiter(waiter);
}

/* ---- replies ---------------------------------------------------------------------------------------------------------- */

/* To a client of this worker, which goes on with what else it has sent. */
static void answer(struct client *client, const char *data, size_t size)
{
    struct connection *connection = connection_of(client);

    let_client_go(client);
    connection_touch(connection);
    connection->turn_bytes += connection->turn_bytes == 0; /* a failed commit is its business, too */
    if ((client->flags & CLIENT_REPLY_OFF) == 0)
        reply_raw(&client->reply, data, size);
    worker_make_ready(client->worker, connection);
}

struct answer_letter {
    struct letter letter; /* First. */
    struct waiter *waiter;
    size_t size;
    char data[];
};

static __thread struct letter *outgoing, **outgoing_end; /* answers, until the fence */

static void open_answer(struct worker *worker, struct letter *letter)
{
    struct answer_letter *sent = (struct answer_letter *)(void *)letter;
    struct client *client;

    (void)worker;
    lock_acquire(&block_lock);
    client = sent->waiter->client;
    lock_release(&block_lock);
    if (client != NULL)
        answer(client, sent->data, sent->size);
    free_waiter(sent->waiter);
    free(letter);
}

static struct answer_letter *new_answer(struct waiter *waiter, const char *data, size_t size)
{
    struct answer_letter *letter = malloc(sizeof(*letter) + size);

    if (letter == NULL)
        return NULL;
    *letter = (struct answer_letter){.letter = {.open = open_answer}, .waiter = waiter, .size = size};
    memcpy(letter->data, data, size);
    return letter;
}

static void deliver(struct worker *worker, struct waiter *waiter, const struct reply *reply)
{
    struct answer_letter *letter;

    if (waiter->worker == worker) {
        if (waiter->client != NULL)
            answer(waiter->client, reply->data, reply->size);
        free_waiter(waiter);
        return;
    }
    letter = new_answer(waiter, reply->data, reply->size);
    if (letter == NULL)
        return; /* as where its connection breaks: it hangs until it gives up */
    if (outgoing == NULL)
        outgoing_end = &outgoing;
    letter->letter.next = NULL;
    *outgoing_end = &letter->letter;
    outgoing_end = &letter->letter.next;
    worker->owed |= WORKER_OWES_ANSWERS;
}

static struct answer_letter *answer_of(struct letter *letter)
{
    return (struct answer_letter *)(void *)letter;
}

void block_committed(struct worker *worker)
{
    struct letter *letter = outgoing, *next;

    (void)worker;
    outgoing = NULL;
    for (; letter != NULL; letter = next) {
        next = letter->next;
        mail_send(answer_of(letter)->waiter->worker, letter);
    }
}

void block_failed(struct worker *worker, const char *error)
{
    struct letter *letter = outgoing, *next;
    struct reply reply;

    (void)worker;
    outgoing = NULL;
    reply_init(&reply);
    reply_error(&reply, error);
    for (; letter != NULL; letter = next) {
        struct answer_letter *instead = new_answer(answer_of(letter)->waiter, reply.data, reply.size);

        next = letter->next;
        if (instead != NULL)
            mail_send(instead->waiter->worker, &instead->letter);
        free(letter);
    }
    reply_free(&reply);
}

/* ---- what has become ready -------------------------------------------------------------------------------------------- */

static int make_room(size_t size)
{
    return grow(&ready.items, &ready.capacity, ready.count + 1, sizeof(*ready.items)) &&
           grow(&ready.bytes, &ready.bytes_capacity, ready.size + size, 1);
}

static void note_ready(uint32_t database, const void *data, size_t size)
{
    for (size_t i = 0; i < ready.count; i++)
        if (ready.items[i].database == database && ready.items[i].size == size && memcmp(ready.bytes + ready.items[i].at, data, size) == 0)
            return;
    if (!make_room(size))
        return;
    memcpy(ready.bytes + ready.size, data, size);
    ready.items[ready.count++] = (struct ready){database, ready.size, size};
    ready.size += size;
    worker_stats_self->worker->owed |= WORKER_OWES_READY;
    if (worker_stats_self->client != NULL)
        worker_stats_self->client->flags |= CLIENT_WAKES;
}

/* Each may have come to be, in either of the two, or have gone. */
static void note_databases(const struct sdb_change *change)
{
    lock_acquire(&block_lock);
    for (struct name *name = names_next(&keys, NULL); name != NULL; name = names_next(&keys, name))
        if (name->space == change->database || name->space == change->other)
            note_ready(name->space, name->data, name->size);
    lock_release(&block_lock);
}

/* One that comes is of use to anybody who waits for it. */
static void note_key(uint32_t database, const struct sdb_slice *key, int comes)
{
    struct name *name;
    int waited;

    if (__atomic_load_n(filter_of(name_hash(database, key->data, key->size)), __ATOMIC_SEQ_CST) == 0)
        return;
    lock_acquire(&block_lock);
    name = names_find(&keys, database, key->data, key->size);
    waited = name != NULL && (comes || key_of(name)->until_gone > 0);
    lock_release(&block_lock);
    if (waited)
        note_ready(database, key->data, key->size);
}

void block_on_change(const struct sdb_change *change)
{
    if (block_count() == 0 || worker_stats_self == NULL || worker_stats_self->worker == NULL)
        return;
    switch (change->kind) {
    case SDB_CHANGE_SWAPPED:
    case SDB_CHANGE_EMPTIED:
        note_databases(change);
        break;
    case SDB_CHANGE_STORED:
    case SDB_CHANGE_CREATED:
        note_key(change->database, &change->key, 1);
        break;
    case SDB_CHANGE_DELETED:
    case SDB_CHANGE_EXPIRED:
    case SDB_CHANGE_EVICTED:
        note_key(change->database, &change->key, 0);
        break;
    case SDB_CHANGE_GROUPS:
    case SDB_CHANGE_UNDONE: /* who is looked at for nothing is not served */
        break;
    }
}

void block_wake(struct client *client, const struct sdb_slice *key)
{
    if (block_count() > 0)
        note_key(client->database, key, 0);
}

/* ---- serving ---------------------------------------------------------------------------------------------------------- */

/* The first in the key's row, behind those that have no use for it, who is not taken. NULL: nobody. */
static struct waiter *take_next(uint32_t database, const struct sdb_slice *slice, size_t passed)
{
    struct waiter *waiter = NULL;
    struct name *name;

    lock_acquire(&block_lock);
    name = names_find(&keys, database, slice->data, slice->size);
    for (struct place *place = name == NULL ? NULL : key_of(name)->first; place != NULL && waiter == NULL; place = place->next) {
        if (place->waiter->state != WAITING)
            continue;
        if (passed > 0)
            passed--;
        else
            waiter = place->waiter;
    }
    if (waiter != NULL)
        waiter->state = TAKEN;
    lock_release(&block_lock);
    return waiter;
}

/* It was not served. Where its client has gone meanwhile, so does it. */
static void put_back(struct waiter *waiter)
{
    int gone;

    lock_acquire(&block_lock);
    waiter->state = WAITING;
    gone = waiter->client == NULL;
    if (gone)
        leave_rows(waiter);
    lock_release(&block_lock);
    if (gone)
        free_waiter(waiter);
}

static void took(struct waiter *waiter)
{
    lock_acquire(&block_lock);
    leave_rows(waiter);
    lock_release(&block_lock);
}

static enum block_served serve(struct worker *worker, struct waiter *waiter, const struct sdb_slice *key)
{
    struct client stand_in = {.worker = worker, .session = worker->session, .database = waiter->database, .id = waiter->id,
                              .flags = CLIENT_AUTHENTICATED, .last_command = waiter->command};
    struct client *before = worker_stats_self->client;
    enum block_served served;

    reply_init(&stand_in.reply);
    stand_in.reply.protocol = waiter->protocol;
    (void)sdb_select(worker->session, waiter->database);
    worker->session_database = -1;
    worker_stats_self->client = &stand_in;
    served = waiter->serve(&stand_in, waiter->argv, waiter->argc, key);
    if ((stand_in.flags & CLIENT_EVENTS) != 0 && waiter->command != NULL)
        notify_command_ended(&stand_in, waiter->command, waiter->argv, waiter->argc, served != BLOCK_SERVED);
    worker_stats_self->client = before;
    if (served == BLOCK_SERVED) {
        took(waiter);
        deliver(worker, waiter, &stand_in.reply);
    } else {
        put_back(waiter);
    }
    reply_free(&stand_in.reply);
    return served;
}

/* Whether there is anyone who is served when the key has gone. */
static int is_row_until_gone(uint32_t database, const struct sdb_slice *slice)
{
    struct name *name;
    int is_until_gone;

    lock_acquire(&block_lock);
    name = names_find(&keys, database, slice->data, slice->size);
    is_until_gone = name != NULL && key_of(name)->until_gone > 0;
    lock_release(&block_lock);
    return is_until_gone;
}

static void serve_key(struct worker *worker, uint32_t database, const struct sdb_slice *key)
{
    enum block_served served = BLOCK_SERVED;
    struct waiter *waiter;
    size_t passed = 0;

    while (served != BLOCK_NOTHING && (waiter = take_next(database, key, passed)) != NULL) {
        served = serve(worker, waiter, key);
        if (served == BLOCK_NOTHING && is_row_until_gone(database, key))
            served = BLOCK_NOT_MINE;
        passed += served == BLOCK_NOT_MINE;
    }
}

void block_serve_ready(struct worker *worker)
{
    /* What serving makes ready comes behind it (BLMOVE): the list grows while it is gone through. */
    for (size_t i = 0; i < ready.count; i++) {
        const struct ready item = ready.items[i];
        char *copy = malloc(item.size + 1);

        if (copy == NULL)
            break;
        memcpy(copy, ready.bytes + item.at, item.size);
        ready.items[i].database = SDB_DATABASES; /* done: it may become ready again */
        serve_key(worker, item.database, &(struct sdb_slice){copy, item.size});
        free(copy);
    }
    ready.count = 0;
    ready.size = 0;
    worker->owed &= ~WORKER_OWES_READY;
}

void block_leave(void)
{
    free(ready.items);
    free(ready.bytes);
    memset(&ready, 0, sizeof(ready));
}

/* ---- giving up -------------------------------------------------------------------------------------------------------- */

/* Of the client's own worker. */
static void tell_end(struct waiter *waiter, int with_error)
{
    struct client *client = waiter->client;
    struct reply reply;

    reply_init(&reply);
    reply.protocol = waiter->protocol;
    if (with_error) {
        reply_error(&reply, "-UNBLOCKED client unblocked via CLIENT UNBLOCK");
    } else {
        struct reply own = client->reply;

        client->reply = reply;
        waiter->give_up(client);
        reply = client->reply;
        client->reply = own;
    }
    answer(client, reply.data, reply.size);
    reply_free(&reply);
    free_waiter(waiter);
}

void block_timers(struct worker *worker)
{
    struct waiter *next;

    for (struct waiter *waiter = worker->waiters; waiter != NULL && waiter->deadline_ms <= worker->now_ms; waiter = next) {
        next = waiter->next;
        if (take_for_good(waiter))
            tell_end(waiter, 0);
    }
}

struct end_letter {
    struct letter letter; /* First. */
    struct waiter *waiter;
    int with_error;
};

static void open_end(struct worker *worker, struct letter *letter)
{
    const struct end_letter *end = (struct end_letter *)(void *)letter;
    struct client *client;

    (void)worker;
    lock_acquire(&block_lock);
    client = end->waiter->client;
    lock_release(&block_lock);
    if (client != NULL)
        tell_end(end->waiter, end->with_error);
    else
        free_waiter(end->waiter);
    free(letter);
}

int block_unblock(uint64_t id, int with_error)
{
    struct end_letter *letter = malloc(sizeof(*letter));
    struct waiter *waiter;

    if (letter == NULL)
        return 0;
    lock_acquire(&block_lock);
    for (waiter = everybody; waiter != NULL && (waiter->id != id || waiter->state != WAITING);)
        waiter = waiter->all_next;
    if (waiter != NULL) {
        waiter->state = TAKEN;
        leave_rows(waiter);
    }
    lock_release(&block_lock);
    if (waiter == NULL) {
        free(letter);
        return 0;
    }
    *letter = (struct end_letter){.letter = {.open = open_end}, .waiter = waiter, .with_error = with_error};
    mail_send(waiter->worker, &letter->letter);
    return 1;
}
