/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * watch.c - the keys that clients watch
 * Threads: the table under watch_lock, which is a leaf. A counting filter lets writers pass whose keys nobody watches.
 * Memory:  a key and a watch for each key that a client watches
 */
#include "watch.h"

#include <stdlib.h>
#include <string.h>

#include "changes.h"
#include "client.h"
#include "lock.h"

#define FILTER_SIZE 4096u

struct watched_key {
    struct name name; /* space: the database. First. */
    struct watch *watches;
    char data[];
};

static struct lock watch_lock = LOCK_INIT;
static struct names keys;           /* Under watch_lock. */
static uint32_t filter[FILTER_SIZE]; /* Atomic: how many watched keys have this hash. Stored under watch_lock. */
static __thread const struct client *exempt;

static uint32_t *filter_of(uint64_t hash)
{
    return &filter[hash % FILTER_SIZE];
}

static struct watched_key *key_of(struct name *name)
{
    return (struct watched_key *)(void *)name;
}

const struct name *watch_name(const struct watch *watch)
{
    return &watch->key->name;
}

int watch_is_touched(const struct client *client)
{
    return __atomic_load_n(&client->watch_touched, __ATOMIC_ACQUIRE) != 0;
}

void watch_exempt(const struct client *client)
{
    exempt = client;
}

/* ---- watching and not watching any more ------------------------------------------------------------------------------- */

/* Errors: NULL, out of memory. */
static struct watched_key *find_or_add(uint32_t database, const struct request_arg *arg)
{
    struct name *name = names_find(&keys, database, arg->data, arg->size);
    struct watched_key *key;

    if (name != NULL)
        return key_of(name);
    key = malloc(sizeof(*key) + arg->size);
    if (key == NULL)
        return NULL;
    memcpy(key->data, arg->data, arg->size);
    key->name = (struct name){.data = key->data, .size = arg->size, .space = database};
    key->watches = NULL;
    if (!names_add(&keys, &key->name)) {
        free(key);
        return NULL;
    }
    __atomic_fetch_add(filter_of(key->name.hash), 1, __ATOMIC_SEQ_CST);
    return key;
}

int watch_add(struct client *client, const struct request_arg *arg, int existed)
{
    struct watch *watch = malloc(sizeof(*watch));
    struct watched_key *key;

    if (watch == NULL)
        return 0;
    if (client->watches == NULL)
        changes_wanted(1);
    lock_acquire(&watch_lock);
    key = find_or_add(client->database, arg);
    if (key != NULL) {
        *watch = (struct watch){key, client, key->watches, &key->watches, client->watches, existed};
        if (watch->next != NULL)
            watch->next->link = &watch->next;
        key->watches = watch;
    }
    lock_release(&watch_lock);
    if (key == NULL) {
        if (client->watches == NULL)
            changes_wanted(-1);
        free(watch);
        return 0;
    }
    client->watches = watch;
    return 1;
}

int watch_has(const struct client *client, const struct request_arg *key)
{
    for (const struct watch *watch = client->watches; watch != NULL; watch = watch->client_next) {
        const struct name *name = watch_name(watch);

        if (name->space == client->database && name->size == key->size && memcmp(name->data, key->data, key->size) == 0)
            return 1;
    }
    return 0;
}

void watch_clear(struct client *client)
{
    struct watch *next;

    if (client->watches != NULL) {
        lock_acquire(&watch_lock);
        for (struct watch *watch = client->watches; watch != NULL; watch = next) {
            struct watched_key *key = watch->key;

            next = watch->client_next;
            *watch->link = watch->next;
            if (watch->next != NULL)
                watch->next->link = watch->link;
            free(watch);
            if (key->watches == NULL) {
                __atomic_fetch_sub(filter_of(key->name.hash), 1, __ATOMIC_RELAXED);
                names_remove(&keys, &key->name);
                free(key);
            }
        }
        lock_release(&watch_lock);
        client->watches = NULL;
        changes_wanted(-1);
    }
    __atomic_store_n(&client->watch_touched, 0, __ATOMIC_RELAXED);
}

/* ---- touching --------------------------------------------------------------------------------------------------------- */

static void touch(const struct watched_key *key, enum sdb_change_kind kind)
{
    for (const struct watch *watch = key->watches; watch != NULL; watch = watch->next) {
        /* It had expired when the watching began: that it is deleted now changes nothing. */
        if (kind == SDB_CHANGE_EXPIRED && !watch->existed)
            continue;
        if (watch->client != exempt)
            __atomic_store_n(&watch->client->watch_touched, 1, __ATOMIC_RELEASE);
    }
}

static void touch_key(const struct sdb_change *change)
{
    const struct sdb_slice *key = &change->key;
    struct name *name;

    if (__atomic_load_n(filter_of(name_hash(change->database, key->data, key->size)), __ATOMIC_SEQ_CST) == 0)
        return;
    lock_acquire(&watch_lock);
    name = names_find(&keys, change->database, key->data, key->size);
    if (name != NULL)
        touch(key_of(name), change->kind);
    lock_release(&watch_lock);
}

static int exists_in(struct sdb_session *session, uint32_t database, const struct name *key)
{
    return sdb_select(session, database) == SDB_OK && sdb_exists(session, key->data, key->size) != SDB_ENOTFOUND;
}

/* A database is emptied, or changes places with another: what neither had before or has after is not touched. */
static void touch_databases(const struct sdb_change *change)
{
    lock_acquire(&watch_lock);
    for (struct name *name = names_next(&keys, NULL); name != NULL; name = names_next(&keys, name)) {
        if (name->space != change->database && name->space != change->other)
            continue;
        if (exists_in(change->session, change->database, name) || exists_in(change->session, change->other, name))
            touch(key_of(name), change->kind);
    }
    lock_release(&watch_lock);
}

void watch_on_change(const struct sdb_change *change)
{
    if (change->kind == SDB_CHANGE_EMPTIED || change->kind == SDB_CHANGE_SWAPPED)
        touch_databases(change);
    else if (change->kind != SDB_CHANGE_GROUPS && change->kind != SDB_CHANGE_UNDONE) /* to Redis no change of the key */
        touch_key(change);
}
