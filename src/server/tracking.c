/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tracking.c - the table of keys that were read, and the changes of a turn
 *
 * Holds:   1. a client is noted before it reads, and no note is dropped without a message to its client (tracking_push.c)
 *          2. a turn's changes are looked up for other workers' clients behind its fence
 * Threads: the table under table_lock, a leaf. A turn's changes belong to its worker.
 * Memory:  a key and a note for each client that read it, bounded by tracking-table-max-keys; a turn's changed keys
 */
#include "tracking.h"

#include <stdlib.h>
#include <string.h>

#include "changes.h"
#include "client.h"
#include "command.h"
#include "config.h"
#include "lock.h"
#include "tracking_push.h"
#include "worker.h"
#include "worker_stats.h"

#define KEYS_OF_ONE_MAX 1024 /* positions of a command's keys */

/* That a client has read a key. */
struct note {
    struct note *next;
    uint64_t id;
    unsigned worker;
};

struct noted_key {
    struct name name; /* First. */
    struct note *notes;
    char data[];
};

static struct lock table_lock = LOCK_INIT;
static struct names table;   /* Under table_lock. */
static size_t items;         /* Under table_lock: notes in it */
static size_t next_slot;     /* Under table_lock: where the next key is taken from that there is no room for */

/* A worker's turn. Owner: its thread. */
static __thread struct tracking_turn turn;
static __thread struct {
    const struct client *client; /* whose FLUSHALL names database after database */
    uint64_t command;
} last_flush;

static struct noted_key *key_of(struct name *name)
{
    return (struct noted_key *)(void *)name;
}

/* ---- the table -------------------------------------------------------------------------------------------------------- */

/* Under table_lock. Errors: NULL, out of memory. */
static struct noted_key *find_or_add(const void *data, size_t size)
{
    struct name *name = names_find(&table, 0, data, size);
    struct noted_key *key;

    if (name != NULL)
        return key_of(name);
    key = malloc(sizeof(*key) + size);
    if (key == NULL)
        return NULL;
    memcpy(key->data, data, size);
    key->name = (struct name){.data = key->data, .size = size};
    key->notes = NULL;
    if (names_add(&table, &key->name))
        return key;
    free(key);
    return NULL;
}

/* Under table_lock. Takes the notes that are of this worker (own), or of others, out of a key's; a key without notes goes. */
static struct note *take_notes(struct noted_key *key, unsigned worker, int own)
{
    struct note *taken = NULL, **link = &key->notes;

    while (*link != NULL) {
        struct note *note = *link;

        if ((note->worker == worker) != own) {
            link = &note->next;
            continue;
        }
        *link = note->next;
        note->next = taken;
        taken = note;
        items--;
    }
    if (key->notes == NULL) {
        names_remove(&table, &key->name);
        free(key);
    }
    return taken;
}

static struct note *take_notes_of(const void *data, size_t size, unsigned worker, int own)
{
    struct note *notes = NULL;
    struct name *name;

    lock_acquire(&table_lock);
    name = names_find(&table, 0, data, size);
    if (name != NULL)
        notes = take_notes(key_of(name), worker, own);
    lock_release(&table_lock);
    return notes;
}

static void tell_notes(struct worker *worker, struct note *notes, const struct sdb_slice *key)
{
    struct note *next;

    for (struct note *note = notes; note != NULL; note = next) {
        next = note->next;
        if (note->worker == worker->number)
            tracking_push_key(worker, note->id, key);
        else
            tracking_mail_key(note->worker, note->id, key);
        free(note);
    }
}

/* Under table_lock. Some key, another one each time. NULL: there is none. */
static struct noted_key *any_key(void)
{
    for (size_t i = 0; i < table.slot_count; i++) {
        next_slot = (next_slot + 1) % table.slot_count;
        if (table.slots[next_slot] != NULL)
            return key_of(table.slots[next_slot]);
    }
    return NULL;
}

/* Lets go of keys that there are too many of, and tells their readers, who cannot rely on being told later. */
void tracking_apply_limit(struct worker *worker)
{
    const size_t max = (size_t)CONFIG_READ(tracking_table_max_keys);

    while (max > 0 && __atomic_load_n(&table.count, __ATOMIC_RELAXED) > max) {
        struct noted_key *key;
        struct note *notes = NULL;
        struct sdb_slice name;
        char *copy = NULL;

        lock_acquire(&table_lock);
        key = any_key();
        if (key != NULL && (copy = malloc(key->name.size + 1)) != NULL) {
            memcpy(copy, key->data, key->name.size);
            name = (struct sdb_slice){copy, key->name.size};
            notes = key->notes;
            for (const struct note *note = notes; note != NULL; note = note->next)
                items--;
            names_remove(&table, &key->name);
            free(key);
        }
        lock_release(&table_lock);
        if (copy == NULL)
            return;
        tell_notes(worker, notes, &name);
        free(copy);
    }
}

static void remember(const struct client *client, const struct request_arg *arg)
{
    struct noted_key *key;
    struct note *note;

    lock_acquire(&table_lock);
    key = find_or_add(arg->data, arg->size);
    if (key == NULL) { /* nobody will tell it: it must not rely on that */
        lock_release(&table_lock);
        tracking_push_key(client->worker, client->id, &(struct sdb_slice){arg->data, arg->size});
        return;
    }
    for (note = key->notes; note != NULL && note->id != client->id;)
        note = note->next;
    if (note == NULL && (note = malloc(sizeof(*note))) != NULL) {
        *note = (struct note){key->notes, client->id, client->worker->number};
        key->notes = note;
        items++;
    }
    lock_release(&table_lock);
}

static void forget_all(void)
{
    struct name *name, *next;

    lock_acquire(&table_lock);
    for (name = names_next(&table, NULL); name != NULL; name = next) {
        struct noted_key *key = key_of(name);
        struct note *note, *behind;

        next = names_next(&table, name);
        for (note = key->notes; note != NULL; note = behind) {
            behind = note->next;
            free(note);
        }
        names_remove(&table, name);
        free(key);
    }
    items = 0;
    lock_release(&table_lock);
}

/* ---- commands --------------------------------------------------------------------------------------------------------- */

void tracking_before(struct client *client, const struct command *command, const struct request_arg *argv, int argc)
{
    const uint32_t flags = client->tracking->flags;
    int positions[KEYS_OF_ONE_MAX], count;

    if ((command->flags & COMMAND_READONLY) == 0 || (flags & TRACKING_BCAST) != 0 || client->worker == NULL)
        return;
    if (((flags & TRACKING_OPTIN) != 0 && (flags & TRACKING_CACHING) == 0) ||
        ((flags & TRACKING_OPTOUT) != 0 && (flags & TRACKING_CACHING) != 0))
        return;
    count = command_key_positions(command, argv, argc, positions, KEYS_OF_ONE_MAX);
    for (int i = 0; i < count; i++)
        remember(client, &argv[positions[i]]);
    if (count == KEYS_OF_ONE_MAX) /* there may be more, which are not known: one step at a time is no help, all of argv is */
        for (int i = positions[count - 1] + 1; i < argc; i++)
            remember(client, &argv[i]);
    tracking_apply_limit(client->worker);
}

void tracking_after(struct client *client, const struct command *container)
{
    if (client->tracking != NULL && (client->flags & CLIENT_MULTI) == 0 && strcmp(container->name, "client") != 0)
        client->tracking->flags &= ~(uint32_t)TRACKING_CACHING;
}

/* ---- changes ---------------------------------------------------------------------------------------------------------- */

static struct client *current_client(void)
{
    return worker_stats_self->client;
}

/* Of this worker's clients; the one whose command runs is told behind its reply. */
static void tell_own(struct worker *worker, const struct sdb_slice *key)
{
    struct client *current = current_client();
    struct note *notes = take_notes_of(key->data, key->size, worker->number, 1), *next;

    for (struct note *note = notes; note != NULL; note = next) {
        next = note->next;
        if (current == NULL || note->id != current->id) {
            tracking_push_key(worker, note->id, key);
        } else if (current->tracking != NULL && (current->tracking->flags & TRACKING_NOLOOP) == 0) {
            if (tracking_note_key(&turn.own, key, 0))
                current->flags |= CLIENT_INVALIDATED;
        }
        free(note);
    }
}

static void on_flush(struct worker *worker)
{
    struct client *current = current_client();

    /* FLUSHALL tells of database after database: one message will do. */
    if (current != NULL && last_flush.client == current && last_flush.command == current->commands)
        return;
    last_flush.client = current;
    last_flush.command = current == NULL ? 0 : current->commands;
    forget_all();
    tracking_push_flush(worker, current);
    if (current != NULL && current->tracking != NULL) {
        turn.own_flush = 1;
        current->flags |= CLIENT_INVALIDATED;
    }
    turn.flush = 1;
    worker->owed |= WORKER_OWES_INVALIDATIONS;
}

void tracking_on_change(const struct sdb_change *change)
{
    struct worker *worker = worker_stats_self == NULL ? NULL : worker_stats_self->worker;

    if (worker == NULL || !tracking_is_on())
        return;
    if (change->kind == SDB_CHANGE_EMPTIED) {
        on_flush(worker);
        return;
    }
    if (change->key.data == NULL || change->kind == SDB_CHANGE_GROUPS)
        return;
    worker->owed |= WORKER_OWES_INVALIDATIONS;
    tell_own(worker, &change->key);
    if (!tracking_note_key(&turn.changed, &change->key, current_client() == NULL ? 0 : current_client()->id))
        turn.flush = 1; /* out of memory: all that is cached is told to be old */
}

void tracking_tell_self(struct client *client)
{
    client->flags &= ~(uint32_t)CLIENT_INVALIDATED;
    if (turn.own_flush)
        tracking_push_null(client->worker, client->id);
    for (size_t i = 0; i < turn.own.count; i++)
        tracking_push_key(client->worker, client->id, &(struct sdb_slice){tracking_key_data(&turn.own, i), turn.own.items[i].size});
    turn.own_flush = 0;
    tracking_keys_clear(&turn.own);
}

void tracking_committed(struct worker *worker)
{
    if (turn.flush)
        tracking_mail_flush(worker);
    for (size_t i = 0; i < turn.changed.count; i++) {
        const struct sdb_slice key = {tracking_key_data(&turn.changed, i), turn.changed.items[i].size};

        tell_notes(worker, take_notes_of(key.data, key.size, worker->number, 0), &key);
    }
    if (turn.changed.count > 0)
        tracking_broadcast(worker, &turn.changed);
    turn.flush = 0;
    tracking_keys_clear(&turn.changed);
}

/* What this turn wrote to its clients was taken back: they are told that anything may have changed. */
void tracking_failed(struct worker *worker)
{
    if (!tracking_is_on())
        return;
    tracking_push_flush(worker, NULL);
    tracking_committed(worker);
}

void tracking_leave(struct worker *worker)
{
    (void)worker;
    tracking_keys_free(&turn.own);
    tracking_keys_free(&turn.changed);
}

void tracking_figures(struct tracking_figures *figures)
{
    lock_acquire(&table_lock);
    figures->keys = table.count;
    figures->items = items;
    lock_release(&table_lock);
    tracking_count_clients(&figures->clients, &figures->prefixes);
}
