/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * multi.c - queueing commands, and running them as one transaction
 *
 * EXEC locks before it runs: the shards of all keys that the queued commands and WATCH name, or, where a command's row does not tell
 * its keys, every shard. So no command meets a conflict half-way; should one do so nevertheless (it uses keys that its row does not
 * tell), all is taken back and run again with every shard locked.
 *
 * A command that looks at other workers' clients waits for their turns to end, and those may be waiting for a shard that EXEC has
 * locked: EXEC stops the other workers first, where such a command is queued (client_list_stop_others).
 *
 * Memory:  the queue: a copy of each command's arguments
 */
#include "multi.h"

#include <stdlib.h>
#include <string.h>

#include "acl.h"
#include "client.h"
#include "client_list.h"
#include "command_table.h"
#include "errors.h"
#include "evict.h"
#include "function_store.h"
#include "key_handlers.h"
#include "watch.h"

#define FEW_KEYS 64
#define KEYS_OF_ONE_MAX 4096 /* positions of a command's keys; one with more locks everything */

struct queued {
    const struct command *command;
    size_t number;
    int argc;
    struct request_arg *argv; /* one allocation, the bytes behind it */
};

struct multi {
    struct queued *items;
    int count, capacity;
    size_t bytes;
    uint32_t flags; /* of all commands */
};

/* ---- the queue -------------------------------------------------------------------------------------------------------- */

int multi_begin(struct client *client)
{
    client->multi = calloc(1, sizeof(*client->multi));
    if (client->multi == NULL)
        return 0;
    client->flags |= CLIENT_MULTI;
    return 1;
}

static struct request_arg *copy_arguments(const struct request_arg *argv, int argc, size_t *bytes)
{
    size_t size = (size_t)argc * sizeof(*argv);
    struct request_arg *copy;
    char *to;

    *bytes = 0;
    for (int i = 0; i < argc; i++)
        *bytes += argv[i].size;
    copy = malloc(size + *bytes);
    if (copy == NULL)
        return NULL;
    to = (char *)copy + size;
    for (int i = 0; i < argc; i++) {
        memcpy(to, argv[i].data, argv[i].size);
        copy[i] = (struct request_arg){to, argv[i].size};
        to += argv[i].size;
    }
    return copy;
}

int multi_queue(struct client *client, const struct command *command, size_t number, const struct request_arg *argv, int argc)
{
    struct multi *multi = client->multi;
    size_t bytes;
    struct request_arg *copy;

    if (multi->count == multi->capacity) {
        int capacity = multi->capacity == 0 ? 8 : multi->capacity * 2;
        struct queued *items = realloc(multi->items, (size_t)capacity * sizeof(*items));

        if (items == NULL)
            return 0;
        multi->items = items;
        multi->capacity = capacity;
    }
    copy = copy_arguments(argv, argc, &bytes);
    if (copy == NULL)
        return 0;
    multi->items[multi->count++] = (struct queued){command, number, argc, copy};
    multi->bytes += bytes;
    multi->flags |= command->flags;
    return 1;
}

void multi_fail(struct client *client)
{
    if ((client->flags & CLIENT_MULTI) != 0)
        client->flags |= CLIENT_MULTI_FAILED;
}

void multi_discard(struct client *client)
{
    struct multi *multi = client->multi;

    watch_clear(client);
    client->flags &= ~(uint32_t)(CLIENT_MULTI | CLIENT_MULTI_FAILED);
    client->multi = NULL;
    if (multi == NULL)
        return;
    for (int i = 0; i < multi->count; i++)
        free(multi->items[i].argv);
    free(multi->items);
    free(multi);
}

int multi_count(const struct client *client)
{
    return client->multi == NULL ? -1 : client->multi->count;
}

size_t multi_memory(const struct client *client)
{
    return client->multi == NULL ? 0 : client->multi->bytes;
}

uint32_t multi_flags(const struct client *client)
{
    return client->multi != NULL ? client->multi->flags : 0;
}

/* ---- what to lock ----------------------------------------------------------------------------------------------------- */

/* The keys that EXEC locks; everything: it locks every shard instead. */
struct locks {
    struct sdb_slice *items; /* `few`, or memory of its own */
    struct sdb_slice few[FEW_KEYS];
    size_t count, capacity;
    int everything;
    int others; /* looks at other workers' clients */
};

static void add_key(struct locks *locks, const void *data, size_t size)
{
    if (locks->count == locks->capacity) {
        size_t capacity = locks->capacity * 2;
        struct sdb_slice *items = malloc(capacity * sizeof(*items));

        if (items == NULL) {
            locks->everything = 1;
            return;
        }
        memcpy(items, locks->items, locks->count * sizeof(*items));
        if (locks->items != locks->few)
            free(locks->items);
        locks->items = items;
        locks->capacity = capacity;
    }
    locks->items[locks->count++] = (struct sdb_slice){data, size};
}

static int is_group(const struct command *command, const char *group)
{
    return strcmp(command->group, group) == 0;
}

static void add_keys_of(struct locks *locks, const struct queued *queued)
{
    int positions[KEYS_OF_ONE_MAX];
    int count = command_key_positions(queued->command, queued->argv, queued->argc, positions, KEYS_OF_ONE_MAX);

    if (count <= 0 || count == KEYS_OF_ONE_MAX) {
        locks->everything = 1;
        return;
    }
    for (int i = 0; i < count; i++)
        add_key(locks, queued->argv[positions[i]].data, queued->argv[positions[i]].size);
}

static void add_command(struct locks *locks, const struct queued *queued)
{
    const struct command *command = queued->command, *container = NULL;

    (void)command_of_number(queued->number, &container);
    if (container != NULL && (strcmp(container->name, "client") == 0 || strcmp(container->name, "acl") == 0))
        locks->others = 1;
    if (strcmp(command->name, "select") == 0 || command->handler == move_command || command->handler == copy_command)
        locks->everything = 1; /* keys of other databases */
    else if ((command->flags & (COMMAND_READONLY | COMMAND_WRITE)) != 0 && command->first_key + (command->keys != NULL) > 0)
        add_keys_of(locks, queued);
    else if (!is_group(command, "connection") && !is_group(command, "transactions") && !is_group(command, "pubsub"))
        locks->everything = 1;
}

static void find_locks(struct locks *locks, const struct client *client)
{
    const struct multi *multi = client->multi;

    *locks = (struct locks){.capacity = FEW_KEYS};
    locks->items = locks->few;
    for (int i = 0; i < multi->count; i++)
        add_command(locks, &multi->items[i]);
    for (const struct watch *watch = client->watches; watch != NULL; watch = watch->client_next) {
        const struct name *key = watch_name(watch);

        if (key->space == client->database)
            add_key(locks, key->data, key->size);
        else
            locks->everything = 1;
    }
}

/* ---- running ---------------------------------------------------------------------------------------------------------- */

/* With their shards locked: a key that was there and is not, although nobody touched it, has expired. */
static int watches_hold(const struct client *client)
{
    int hold = !watch_is_touched(client);

    for (const struct watch *watch = client->watches; watch != NULL && hold; watch = watch->client_next) {
        const struct name *key = watch_name(watch);

        if (!watch->existed)
            continue;
        (void)sdb_select(client->session, key->space);
        hold = sdb_exists(client->session, key->data, key->size) != SDB_ENOTFOUND;
    }
    return hold;
}

/* The user's permissions may have become less since it was queued. */
static int is_still_allowed(struct client *client, const struct queued *queued)
{
    enum acl_verdict verdict;

    if (acl_allows(client, ACL_MULTI, queued->command, queued->number, queued->argv, queued->argc, &verdict))
        return 1;
    reply_errorf(&client->reply,
                 "NOPERM ACLs rules changed between the moment the transaction was accumulated and the EXEC call. This command is no "
                 "longer allowed for the following reason: %s",
                 verdict == ACL_DENIED_COMMAND ? "no permission to execute the command or subcommand"
                 : verdict == ACL_DENIED_KEY   ? "no permission to touch the specified keys"
                                               : "no permission to access one of the channels used as arguments");
    return 0;
}

static void run_queued(struct client *client)
{
    const struct multi *multi = client->multi;

    reply_array(&client->reply, (size_t)multi->count);
    for (int i = 0; i < multi->count; i++) {
        const struct queued *queued = &multi->items[i];

        (void)sdb_select(client->session, client->database);
        if ((client->flags & CLIENT_RESTRICTED) != 0 && !is_still_allowed(client, queued))
            continue;
        command_run_queued(client, queued->command, queued->number, queued->argv, queued->argc);
    }
}

/*
 * One try: SDB_OK with the replies written, or the error that took everything back: SDB_ENOSPC, where a command found the pool full and
 * may_repeat says that there is something to be done about it.
 */
static int run_transaction(struct client *client, const struct locks *locks, int may_repeat)
{
    int result;

    (void)sdb_select(client->session, client->database);
    result = locks->everything ? sdb_begin_all(client->session) : sdb_begin(client->session, locks->items, locks->count);
    if (result != SDB_OK)
        return result;
    if (!watches_hold(client)) {
        sdb_abort(client->session);
        reply_null_array(&client->reply);
        return SDB_OK;
    }
    (void)command_met_full_pool();
    watch_exempt(client);
    run_queued(client);
    watch_exempt(NULL);
    if (command_met_full_pool() && may_repeat) {
        sdb_abort(client->session);
        return SDB_ENOSPC;
    }
    return sdb_commit(client->session);
}

/* A client without a worker is a test's. */
static struct message **hold_messages(const struct client *client)
{
    return client->worker == NULL ? NULL : pubsub_hold(client->worker);
}

static void take_messages_back(const struct client *client, struct message **mark)
{
    if (client->worker != NULL)
        pubsub_take_back(client->worker, mark);
}

static void let_messages_go(const struct client *client, struct message **mark)
{
    if (client->worker != NULL)
        pubsub_release(client->worker, mark);
}

static void run_locked(struct client *client, struct locks *locks)
{
    const struct command *last_command = client->last_command;
    const uint32_t database = client->database, was_off = client->flags & CLIENT_REPLY_OFF;
    const size_t mark = client->reply.size;
    struct message **messages = hold_messages(client);
    int result = run_transaction(client, locks, 1), repeat = result == SDB_ECONFLICT;

    if (result == SDB_ENOSPC) { /* no room can be made inside of a transaction: before it is run again, then */
        (void)evict_for_full_pool(client->session);
        repeat = 1;
    }
    if (repeat) {
        function_store_forget();
        take_messages_back(client, messages);
        reply_truncate(&client->reply, mark);
        client->database = database;
        locks->everything |= result == SDB_ECONFLICT;
        result = run_transaction(client, locks, 0);
    }
    if (result != SDB_OK) {
        function_store_forget();
        client->database = database;
        take_messages_back(client, messages);
        command_reply_error_instead(client, mark, result);
    }
    (void)sdb_select(client->session, client->database);
    client->last_command = last_command;
    let_messages_go(client, messages);
    if (!was_off && (client->flags & CLIENT_REPLY_OFF) != 0)
        client->flags |= CLIENT_REPLY_KEEP; /* what was replied before it stands */
}

void multi_exec(struct client *client)
{
    struct locks locks;

    if ((client->flags & CLIENT_MULTI_FAILED) != 0) {
        reply_error(&client->reply, "EXECABORT Transaction discarded because of previous errors.");
    } else if (watch_is_touched(client)) {
        reply_null_array(&client->reply);
    } else {
        find_locks(&locks, client);
        if (locks.others)
            client_list_stop_others(client);
        run_locked(client, &locks);
        if (locks.others)
            client_list_let_others_go(client);
        if (locks.items != locks.few)
            free(locks.items);
    }
    multi_discard(client);
}
