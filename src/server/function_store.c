/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * function_store.c - the libraries that there are
 *
 * The stored value: see library.h. A change reads its sequence with the key's shard locked: where it is another than that of the set in
 *          memory, the value is read.
 * Threads: current is under current_lock; what a thread has changed and not published yet is its own
 * Memory:  sets by malloc, a Lua state a thread
 */
#include "function_store.h"

#include <stdlib.h>
#include <string.h>

#include "bits.h"
#include "client.h"
#include "errors.h"
#include "lock.h"
#include "log.h"
#include "worker.h"

static struct lock current_lock = LOCK_INIT;
static struct library_set *current; /* Under current_lock. */
static int current_result;          /* Under current_lock: SDB_OK, or why the pool's libraries could not be read */

/* Owner: the thread. */
static _Thread_local struct library_set *pending; /* changed in this turn; NULL: nothing */
static _Thread_local int is_unsure;               /* a change was taken back: what the session reads counts */
static _Thread_local struct lua_vm *thread_vm;

/* ---- the state ---------------------------------------------------------------------------------------------------------- */

struct lua_vm *function_store_vm(void)
{
    if (thread_vm == NULL)
        thread_vm = lua_vm_open(LUA_VM_FUNCTIONS);
    return thread_vm;
}

void function_store_leave(void)
{
    lua_vm_close(thread_vm);
    thread_vm = NULL;
    library_set_release(pending);
    pending = NULL;
}

/* ---- bytes -------------------------------------------------------------------------------------------------------------- */

/* The stored value, which the caller frees. NULL: out of memory. */
static char *serialise(const struct library_set *set, size_t *size)
{
    char *data, *at;

    *size = LIBRARY_HEADER_SIZE;
    for (size_t i = 0; i < set->count; i++)
        *size += LIBRARY_PREFIX_SIZE + set->libraries[i]->code_size;
    data = at = malloc(*size);
    if (data == NULL)
        return NULL;
    at = library_put_sequence(at, set->sequence);
    for (size_t i = 0; i < set->count; i++)
        at = library_put(at, set->libraries[i]->code, set->libraries[i]->code_size);
    return data;
}

/* A library that cannot be loaded is told of in the log, and left out. */
static struct library_set *parse(const char *data, size_t size)
{
    struct library_set *set = library_set_new();
    struct lua_vm *vm = function_store_vm();
    char error[FUNCTION_ERROR_SIZE];
    const char *code;
    size_t at = 0, code_size;

    if (set == NULL || vm == NULL || size < LIBRARY_HEADER_SIZE) {
        if (vm == NULL)
            library_set_release(set);
        return vm == NULL ? NULL : set;
    }
    set->sequence = library_sequence(data, size);
    while (library_next(data, size, &at, &code, &code_size)) {
        struct library *library = library_load(vm, code, code_size, error);

        if (library == NULL || !library_set_add(set, library, 0, error))
            log_message(LOG_LEVEL_WARNING, "A library of functions cannot be loaded: %s", error);
        if (library != NULL)
            library_release(library);
    }
    return set;
}

/* ---- the pool ----------------------------------------------------------------------------------------------------------- */

/* The set that the session reads, with its key's shard locked or not. Errors: an enum sdb_error. */
static int read_set(struct sdb_session *session, struct library_set **set)
{
    struct sdb_view view;
    int result = sdb_view(session, LIBRARY_KEY, LIBRARY_KEY_SIZE, &view);

    if (result == SDB_ENOTFOUND) {
        *set = library_set_new();
        return *set != NULL ? SDB_OK : SDB_ENOMEM;
    }
    if (result != SDB_OK)
        return result;
    *set = parse(view.data, view.size);
    sdb_view_release(session, &view);
    return *set != NULL ? SDB_OK : SDB_ENOMEM;
}

/* Whether the set is what the pool has now. Errors: an enum sdb_error. */
static int is_same(struct sdb_session *session, const struct library_set *set, int *same)
{
    char sequence[LIBRARY_HEADER_SIZE] = {0};
    int result = sdb_get(session, LIBRARY_KEY, LIBRARY_KEY_SIZE, sequence, sizeof(sequence), NULL);

    if (result != SDB_OK && result != SDB_ENOTFOUND)
        return result;
    *same = library_sequence(sequence, sizeof(sequence)) == set->sequence;
    return SDB_OK;
}

struct library_set *function_store_current(void)
{
    struct library_set *set;

    lock_acquire(&current_lock);
    if (current == NULL)
        current = library_set_new();
    set = current != NULL ? library_set_keep(current) : NULL;
    lock_release(&current_lock);
    return set;
}

static void set_current(struct library_set *set, int result)
{
    struct library_set *old;

    lock_acquire(&current_lock);
    old = current;
    current = set;
    current_result = result;
    lock_release(&current_lock);
    library_set_release(old);
}

int function_store_start(struct sdb_session *session)
{
    struct library_set *set = NULL;
    int result = sdb_select(session, SDB_DATABASE_SYSTEM);

    if (result == SDB_OK)
        result = read_set(session, &set);
    if (result == SDB_ECORRUPT)
        log_message(LOG_LEVEL_WARNING, "The functions cannot be read: %s", sdb_last_error());
    if (result == SDB_OK || result == SDB_ECORRUPT)
        set_current(set, result);
    (void)sdb_select(session, 0);
    return result == SDB_ECORRUPT ? SDB_OK : result;
}

void function_store_stop(void)
{
    function_store_leave();
    set_current(NULL, SDB_OK);
}

int function_store_get(struct client *client, struct library_set **set)
{
    int result = SDB_OK;

    if (pending == NULL && is_unsure) {
        (void)sdb_select(client->session, SDB_DATABASE_SYSTEM);
        result = read_set(client->session, &pending);
        (void)sdb_select(client->session, client->database);
    } else if (pending == NULL) {
        lock_acquire(&current_lock);
        result = current_result;
        lock_release(&current_lock);
    }
    *set = NULL;
    if (result == SDB_OK)
        *set = pending != NULL ? library_set_keep(pending) : function_store_current();
    return result == SDB_OK && *set == NULL ? SDB_ENOMEM : result;
}

/* ---- changes ------------------------------------------------------------------------------------------------------------ */

/* The set to change, a copy, of what the pool has. */
static int base_set(struct client *client, struct library_set **copy)
{
    struct library_set *set = pending != NULL ? library_set_keep(pending) : function_store_current();
    int same = 0, result = set != NULL ? is_same(client->session, set, &same) : SDB_ENOMEM;

    if (result == SDB_OK && !same) {
        library_set_release(set);
        set = NULL;
        result = read_set(client->session, &set);
    }
    if (result == SDB_OK) {
        *copy = library_set_copy(set);
        result = *copy != NULL ? SDB_OK : SDB_ENOMEM;
    }
    library_set_release(set);
    return result;
}

static int store_set(struct client *client, const struct library_set *set)
{
    size_t size;
    char *data = serialise(set, &size);
    int result;

    if (data == NULL)
        return SDB_ENOMEM;
    result = sdb_set(client->session, LIBRARY_KEY, LIBRARY_KEY_SIZE, data, size, NULL);
    free(data);
    return result;
}

/* Inside the transaction. A change that is refused has replied. */
static int change_locked(struct client *client, function_change *change, void *context, struct library_set **changed)
{
    char error[FUNCTION_ERROR_SIZE] = "";
    struct library_set *set = NULL;
    int result = base_set(client, &set);

    if (result != SDB_OK)
        return result;
    set->sequence++;
    if (!change(set, context, error)) {
        library_set_release(set);
        reply_error(&client->reply, error);
        return SDB_OK;
    }
    result = store_set(client, set);
    if (result == SDB_OK)
        *changed = set;
    else
        library_set_release(set);
    return result;
}

int function_store_change(struct client *client, function_change *change, void *context)
{
    const struct sdb_slice key = {LIBRARY_KEY, LIBRARY_KEY_SIZE};
    struct library_set *changed = NULL;
    int result = sdb_select(client->session, SDB_DATABASE_SYSTEM);

    if (result == SDB_OK)
        result = sdb_begin(client->session, &key, 1);
    if (result == SDB_OK) {
        result = change_locked(client, change, context, &changed);
        if (changed == NULL)
            sdb_abort(client->session);
        else
            result = sdb_commit(client->session);
    }
    (void)sdb_select(client->session, client->database);
    if (result != SDB_OK) {
        library_set_release(changed);
        command_reply_error(client, result);
        return 0;
    }
    if (changed == NULL)
        return 0;
    if (client->worker == NULL) { /* a test's client, which has no turns */
        set_current(changed, SDB_OK);
        return 1;
    }
    library_set_release(pending);
    pending = changed;
    is_unsure = 0;
    client->worker->owed |= WORKER_OWES_FUNCTIONS;
    return 1;
}

void function_store_publish(void)
{
    struct library_set *set = pending;

    pending = NULL;
    is_unsure = 0;
    if (set == NULL)
        return;
    lock_acquire(&current_lock);
    if (current == NULL || set->sequence > current->sequence) {
        struct library_set *old = current;

        current = set;
        current_result = SDB_OK;
        set = old;
    }
    lock_release(&current_lock);
    library_set_release(set);
}

void function_store_forget(void)
{
    if (pending == NULL)
        return;
    library_set_release(pending);
    pending = NULL;
    is_unsure = 1;
}
