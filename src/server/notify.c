/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * notify.c - from changed keys to events
 * Memory:  a thread's notes of the command under way; they grow to the largest so far, and stay
 */
#include "notify.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "args.h"
#include "changes.h"
#include "client.h"
#include "guards.h"
#include "lock.h"
#include "grow.h"
#include "pubsub.h"
#include "worker_stats.h"

/* In the order in which CONFIG GET shows them: those that A stands for, n, K and E, m. */
static const char letters[] = "g$lshzxetdnKEm";
static const uint32_t flags_of[] = {NOTIFY_GENERIC, NOTIFY_STRING, NOTIFY_LIST, NOTIFY_SET, NOTIFY_HASH, NOTIFY_ZSET, NOTIFY_EXPIRED,
                                    NOTIFY_EVICTED, NOTIFY_STREAM, NOTIFY_MODULE, NOTIFY_NEW, NOTIFY_KEYSPACE, NOTIFY_KEYEVENT,
                                    NOTIFY_MISS};
#define STREAMS_MAX 1024 /* whose misses one command tells */
#define ALL_LETTERS 10 /* that A stands for, from the first on */

static uint32_t wanted; /* Atomic. */

/* How a command's changes are called, and in which class they are. */
struct naming {
    const char *command, *stored, *deleted; /* stored NULL: nobody is told */
    uint32_t kind;
    int flags;
};
enum naming_flags {
    ONE_EVENT = 1,     /* however many steps it has */
    DELETED_FIRST = 2, /* two keys: what went is told of before what came */
    ALWAYS_NEW = 4,    /* what is stored takes the place of what was there */
    ELEMENTS = 8,      /* of a collection: when the last one goes, that is told of, and then that the key is gone */
    ADDED_ELSEWHERE = 16, /* SMOVE: a key that is not the first one got a member */
};

static const struct naming namings[] = {
    {"set", "set", "del", NOTIFY_STRING, 0},
    {"setnx", "set", "del", NOTIFY_STRING, 0},
    {"setex", "set", "del", NOTIFY_STRING, 0},
    {"psetex", "set", "del", NOTIFY_STRING, 0},
    {"getset", "set", "del", NOTIFY_STRING, 0},
    {"mset", "set", "del", NOTIFY_STRING, 0},
    {"msetnx", "set", "del", NOTIFY_STRING, 0},
    {"append", "append", "del", NOTIFY_STRING, 0},
    {"setrange", "setrange", "del", NOTIFY_STRING, 0},
    {"incr", "incrby", "del", NOTIFY_STRING, 0},
    {"incrby", "incrby", "del", NOTIFY_STRING, 0},
    {"decr", "incrby", "del", NOTIFY_STRING, 0},
    {"decrby", "incrby", "del", NOTIFY_STRING, 0},
    {"incrbyfloat", "incrbyfloat", "del", NOTIFY_STRING, 0},
    {"setbit", "setbit", "del", NOTIFY_STRING, ONE_EVENT},
    {"bitfield", "setbit", "del", NOTIFY_STRING, ONE_EVENT},
    {"bitop", "set", "del", NOTIFY_STRING, 0},
    {"sdb.seth", "set", "del", NOTIFY_STRING, 0},
    {"hset", "hset", "del", NOTIFY_HASH, ELEMENTS},
    {"hsetnx", "hset", "del", NOTIFY_HASH, ELEMENTS},
    {"hmset", "hset", "del", NOTIFY_HASH, ELEMENTS},
    {"hincrby", "hincrby", "del", NOTIFY_HASH, ELEMENTS},
    {"hincrbyfloat", "hincrbyfloat", "del", NOTIFY_HASH, ELEMENTS},
    {"hdel", "hdel", "del", NOTIFY_HASH, ELEMENTS},
    {"pfadd", "pfadd", "del", NOTIFY_STRING, 0},
    {"pfmerge", "pfadd", "del", NOTIFY_STRING, 0},
    {"pfcount", NULL, "del", NOTIFY_STRING, 0}, /* what it keeps is no news */
    {"pfdebug", NULL, "del", NOTIFY_STRING, 0},
    {"lpush", "lpush", "del", NOTIFY_LIST, ELEMENTS},
    {"rpush", "rpush", "del", NOTIFY_LIST, ELEMENTS},
    {"lpushx", "lpush", "del", NOTIFY_LIST, ELEMENTS},
    {"rpushx", "rpush", "del", NOTIFY_LIST, ELEMENTS},
    {"lpop", "lpop", "del", NOTIFY_LIST, ELEMENTS},
    {"rpop", "rpop", "del", NOTIFY_LIST, ELEMENTS},
    {"lset", "lset", "del", NOTIFY_LIST, ELEMENTS},
    {"linsert", "linsert", "del", NOTIFY_LIST, ELEMENTS},
    {"lrem", "lrem", "del", NOTIFY_LIST, ELEMENTS},
    {"ltrim", "ltrim", "del", NOTIFY_LIST, ELEMENTS},
    {"blpop", "lpop", "del", NOTIFY_LIST, ELEMENTS},
    {"brpop", "rpop", "del", NOTIFY_LIST, ELEMENTS},
    {"sadd", "sadd", "del", NOTIFY_SET, ELEMENTS},
    {"srem", "srem", "del", NOTIFY_SET, ELEMENTS},
    {"spop", "spop", "del", NOTIFY_SET, ELEMENTS},
    {"smove", "srem", "del", NOTIFY_SET, ELEMENTS | ADDED_ELSEWHERE},
    {"sinterstore", "sinterstore", "del", NOTIFY_SET, 0},
    {"sunionstore", "sunionstore", "del", NOTIFY_SET, 0},
    {"sdiffstore", "sdiffstore", "del", NOTIFY_SET, 0},
    {"sort", "sortstore", "del", NOTIFY_LIST, 0},
    {"getex", "expire", "del", NOTIFY_GENERIC, 0},
    {"expire", "expire", "del", NOTIFY_GENERIC, 0},
    {"pexpire", "expire", "del", NOTIFY_GENERIC, 0},
    {"expireat", "expire", "del", NOTIFY_GENERIC, 0},
    {"pexpireat", "expire", "del", NOTIFY_GENERIC, 0},
    {"persist", "persist", "del", NOTIFY_GENERIC, 0},
    {"bzpopmax", "zpopmax", "del", NOTIFY_ZSET, ELEMENTS},
    {"bzpopmin", "zpopmin", "del", NOTIFY_ZSET, ELEMENTS},
    {"geoadd", "zadd", "del", NOTIFY_ZSET, ELEMENTS},
    {"zadd", "zadd", "del", NOTIFY_ZSET, ELEMENTS},
    {"zdiffstore", "zdiffstore", "del", NOTIFY_ZSET, 0},
    {"zincrby", "zincr", "del", NOTIFY_ZSET, ELEMENTS},
    {"zinterstore", "zinterstore", "del", NOTIFY_ZSET, 0},
    {"zpopmax", "zpopmax", "del", NOTIFY_ZSET, ELEMENTS},
    {"zpopmin", "zpopmin", "del", NOTIFY_ZSET, ELEMENTS},
    {"zrangestore", "zrangestore", "del", NOTIFY_ZSET, 0},
    {"zrem", "zrem", "del", NOTIFY_ZSET, ELEMENTS},
    {"zremrangebylex", "zremrangebylex", "del", NOTIFY_ZSET, ELEMENTS},
    {"zremrangebyrank", "zremrangebyrank", "del", NOTIFY_ZSET, ELEMENTS},
    {"zremrangebyscore", "zremrangebyscore", "del", NOTIFY_ZSET, ELEMENTS},
    {"zunionstore", "zunionstore", "del", NOTIFY_ZSET, 0},
    {"xadd", "xadd", "del", NOTIFY_STREAM, 0},
    {"xdel", "xdel", "del", NOTIFY_STREAM, 0},
    {"xtrim", "xtrim", "del", NOTIFY_STREAM, 0},
    {"copy", "copy_to", "del", NOTIFY_GENERIC, ALWAYS_NEW},
    {"restore", "restore", "del", NOTIFY_GENERIC, ONE_EVENT | ALWAYS_NEW},
    {"rename", "rename_to", "rename_from", NOTIFY_GENERIC, DELETED_FIRST | ALWAYS_NEW},
    {"renamenx", "rename_to", "rename_from", NOTIFY_GENERIC, DELETED_FIRST | ALWAYS_NEW},
    {"move", "move_to", "move_from", NOTIFY_GENERIC, DELETED_FIRST | ALWAYS_NEW},
    {NULL, "set", "del", NOTIFY_GENERIC, 0}, /* DEL and its like */
};

/* What the command under way has changed. */
struct note {
    enum sdb_change_kind kind;
    uint32_t database;
    size_t at, size; /* of the key, in bytes */
    const char *event; /* notify_call; NULL: as the row says */
    uint32_t class;
};

static __thread struct {
    struct note *items;
    size_t count, capacity;
    char *bytes;
    size_t size, bytes_capacity;
    const char *event, *next_event;
    const char *first_event; /* event, when nothing was changed yet */
    uint32_t class;
} notes;

void notify_call(struct client *client, const char *event, uint32_t class)
{
    client->flags |= CLIENT_EVENTS; /* so that it is forgotten at the command's end */
    notes.event = event;
    notes.next_event = event;
    notes.first_event = event;
    notes.class = class;
}

void notify_calls(struct client *client, const char *first, const char *then, uint32_t class)
{
    notify_call(client, first, class);
    notes.next_event = then;
}

/* ---- the option ------------------------------------------------------------------------------------------------------- */

int notify_set(const char *text)
{
    static struct lock set_lock = LOCK_INIT;
    uint32_t flags = 0, before;

    for (; *text != '\0'; text++) {
        const char *at = strchr(letters, *text);

        if (*text == 'A') {
            for (int i = 0; i < ALL_LETTERS; i++)
                flags |= flags_of[i];
        } else if (at == NULL) {
            return 0;
        } else {
            flags |= flags_of[at - letters];
        }
    }
    lock_acquire(&set_lock);
    before = __atomic_exchange_n(&wanted, flags, __ATOMIC_RELAXED);
    if ((before != 0) != (flags != 0))
        changes_wanted(flags != 0 ? 1 : -1);
    guards_set(GUARD_MISSES, (flags & NOTIFY_MISS) != 0 && (flags & (NOTIFY_KEYSPACE | NOTIFY_KEYEVENT)) != 0);
    lock_release(&set_lock);
    return 1;
}

char *notify_letters(void)
{
    const uint32_t flags = __atomic_load_n(&wanted, __ATOMIC_RELAXED);
    char text[sizeof(letters) + 1];
    size_t size = 0;
    int all = 1;

    for (int i = 0; i < ALL_LETTERS; i++)
        all &= (flags & flags_of[i]) != 0;
    if (all)
        text[size++] = 'A';
    for (size_t i = all ? ALL_LETTERS + 1 : 0; i < sizeof(letters) - 1; i++) /* as Redis: A hides n */
        if ((flags & flags_of[i]) != 0)
            text[size++] = letters[i];
    text[size] = '\0';
    return strdup(text);
}

/* ---- sending ---------------------------------------------------------------------------------------------------------- */

static void send_event(struct worker *worker, uint32_t kind, const char *event, uint32_t database, const struct sdb_slice *key)
{
    const uint32_t flags = __atomic_load_n(&wanted, __ATOMIC_RELAXED);
    const struct sdb_slice name = {event, strlen(event)};
    char few[256], *text = few;
    struct sdb_slice channel;

    if ((flags & kind) == 0)
        return;
    if ((flags & NOTIFY_KEYSPACE) != 0 && (key->size < 200 || (text = malloc(key->size + 56)) != NULL)) {
        int size = sprintf(text, "__keyspace@%u__:", database);

        memcpy(text + size, key->data, key->size);
        channel = (struct sdb_slice){text, (size_t)size + key->size};
        (void)pubsub_publish(worker, PUBSUB_CHANNEL, &channel, &name);
        if (text != few)
            free(text);
    }
    if ((flags & NOTIFY_KEYEVENT) != 0) {
        channel = (struct sdb_slice){few, (size_t)snprintf(few, sizeof(few), "__keyevent@%u__:%s", database, event)};
        (void)pubsub_publish(worker, PUBSUB_CHANNEL, &channel, key);
    }
}

/* ---- noting ----------------------------------------------------------------------------------------------------------- */

static int make_room(size_t size)
{
    return grow(&notes.items, &notes.capacity, notes.count + 1, sizeof(*notes.items)) &&
           grow(&notes.bytes, &notes.bytes_capacity, notes.size + size, 1);
}

static void note(struct client *client, enum sdb_change_kind kind, uint32_t database, const struct sdb_slice *key, const char *event,
                 uint32_t class)
{
    if (!make_room(key->size))
        return;
    memcpy(notes.bytes + notes.size, key->data, key->size);
    notes.items[notes.count++] = (struct note){kind, database, notes.size, key->size, event, class};
    notes.size += key->size;
    client->flags |= CLIENT_EVENTS;
}

/* The call that the command is made of begins anew. */
static void forget(void)
{
    notes.count = 0;
    notes.size = 0;
    notes.event = notes.first_event;
}

void notify_on_change(const struct sdb_change *change)
{
    struct client *client = worker_stats_self == NULL ? NULL : worker_stats_self->client;

    if (__atomic_load_n(&wanted, __ATOMIC_RELAXED) == 0 || worker_stats_self == NULL)
        return;
    if (change->kind == SDB_CHANGE_UNDONE && client != NULL)
        forget();
    if (change->key.data == NULL)
        return;
    if (client == NULL) { /* no command: expired keys are being swept, or others evicted */
        if (change->kind == SDB_CHANGE_EXPIRED && worker_stats_self->worker != NULL)
            send_event(worker_stats_self->worker, NOTIFY_EXPIRED, "expired", change->database, &change->key);
        if (change->kind == SDB_CHANGE_EVICTED && worker_stats_self->worker != NULL)
            send_event(worker_stats_self->worker, NOTIFY_EVICTED, "evicted", change->database, &change->key);
        return;
    }
    if (change->kind == SDB_CHANGE_GROUPS && notes.event == NULL) /* XACK and its like */
        return;
    note(client, change->kind, change->database, &change->key, notes.event, notes.class);
    if (change->kind != SDB_CHANGE_EXPIRED && change->kind != SDB_CHANGE_EVICTED)
        notes.event = notes.next_event;
}

void notify_also(struct client *client, const struct request_arg *key, const char *event, uint32_t class)
{
    if (__atomic_load_n(&wanted, __ATOMIC_RELAXED) != 0)
        note(client, SDB_CHANGE_GROUPS, client->database, &(struct sdb_slice){key->data, key->size}, event, class);
}

/* ---- naming ----------------------------------------------------------------------------------------------------------- */

static const struct naming *naming_of(const struct command *command)
{
    const struct naming *naming = namings;

    while (naming->command != NULL && strcmp(naming->command, command->name) != 0)
        naming++;
    return naming;
}

/* Whether a SET or its like has given the key a time to live. */
static int sets_expiry(const struct command *command, const struct request_arg *argv, int argc)
{
    if (strcmp(command->name, "setex") == 0 || strcmp(command->name, "psetex") == 0)
        return 1;
    for (int i = 3; i < argc && strcmp(command->name, "set") == 0; i++)
        if (args_is(&argv[i], "EX") || args_is(&argv[i], "PX") || args_is(&argv[i], "EXAT") || args_is(&argv[i], "PXAT"))
            return 1;
    return 0;
}

static int is_persisting(const struct command *command, const struct request_arg *argv, int argc)
{
    return strcmp(command->name, "getex") == 0 && argc == 3 && args_is(&argv[2], "PERSIST");
}

struct ended {
    struct worker *worker;
    const struct naming *naming;
    int expiry, persisting;
    const struct request_arg *first_key; /* NULL: there is none */
};

static const char *stored_event(const struct ended *ended, const struct note *note)
{
    const struct request_arg *first = ended->first_key;

    if (note->event != NULL)
        return note->event;
    if ((ended->naming->flags & ADDED_ELSEWHERE) != 0 &&
        (first == NULL || first->size != note->size || memcmp(first->data, notes.bytes + note->at, note->size) != 0))
        return "sadd";
    return ended->naming->stored;
}

static void tell(const struct ended *ended, const struct note *note)
{
    const struct naming *naming = ended->naming;
    const struct sdb_slice key = {notes.bytes + note->at, note->size};
    const char *stored = stored_event(ended, note);
    const uint32_t class = note->event != NULL ? note->class : naming->kind;

    switch (note->kind) {
    case SDB_CHANGE_EXPIRED:
        send_event(ended->worker, NOTIFY_EXPIRED, "expired", note->database, &key);
        return;
    case SDB_CHANGE_DELETED:
        if (note->event != NULL || (naming->flags & ELEMENTS) != 0)
            send_event(ended->worker, class, stored, note->database, &key);
        send_event(ended->worker, NOTIFY_GENERIC, naming->deleted, note->database, &key);
        return;
    default:
        if (note->kind == SDB_CHANGE_CREATED && (naming->flags & ALWAYS_NEW) == 0)
            send_event(ended->worker, NOTIFY_NEW, "new", note->database, &key);
        if (stored != NULL)
            send_event(ended->worker, class, ended->persisting ? "persist" : stored, note->database, &key);
        if (ended->expiry)
            send_event(ended->worker, NOTIFY_GENERIC, "expire", note->database, &key);
    }
}

static int is_stored(const struct note *note)
{
    return note->kind == SDB_CHANGE_STORED || note->kind == SDB_CHANGE_CREATED;
}

/* The first of a run of steps on one key stands for all of them. */
static int is_repeated(const struct naming *naming, size_t i)
{
    return (naming->flags & ONE_EVENT) != 0 && i > 0 && is_stored(&notes.items[i]) && is_stored(&notes.items[i - 1]);
}

static void tell_all(const struct ended *ended)
{
    const int apart = (ended->naming->flags & DELETED_FIRST) != 0;

    for (size_t i = 0; i < notes.count && (ended->naming->flags & ALWAYS_NEW) != 0; i++)
        if (is_stored(&notes.items[i]) && !is_repeated(ended->naming, i))
            send_event(ended->worker, NOTIFY_NEW, "new", notes.items[i].database,
                       &(struct sdb_slice){notes.bytes + notes.items[i].at, notes.items[i].size});
    for (size_t i = 0; i < notes.count; i++)
        if (!(apart && is_stored(&notes.items[i])) && !is_repeated(ended->naming, i))
            tell(ended, &notes.items[i]);
    for (size_t i = 0; i < notes.count && apart; i++)
        if (is_stored(&notes.items[i]))
            tell(ended, &notes.items[i]);
}

void notify_command_ended(struct client *client, const struct command *command, const struct request_arg *argv, int argc, int failed)
{
    const struct ended ended = {client->worker, naming_of(command), sets_expiry(command, argv, argc),
                                is_persisting(command, argv, argc), argc > 1 ? &argv[1] : NULL};

    client->flags &= ~(uint32_t)CLIENT_EVENTS;
    if (!failed && client->worker != NULL)
        tell_all(&ended);
    notes.count = 0;
    notes.size = 0;
    notes.event = notes.next_event = notes.first_event = NULL;
}

/* ---- reads that find nothing ------------------------------------------------------------------------------------------- */

void notify_miss(struct client *client, const struct sdb_slice *key)
{
    if (client->worker != NULL && sdb_exists(client->session, key->data, key->size) == SDB_ENOTFOUND)
        send_event(client->worker, NOTIFY_MISS, "keymiss", client->database, key);
}

static int has_word(const struct request_arg *argv, int argc, int from, const char *word)
{
    for (int i = from; i < argc; i++)
        if (args_is(&argv[i], word))
            return 1;
    return 0;
}

/* The first key behind a number of keys, which is the argument `at`; 0: there is none. */
static int counted_keys(const struct request_arg *argv, int argc, int at, int *last)
{
    int64_t number;

    if (argc < at + 2 || !args_parse_int64(argv[at].data, argv[at].size, &number) || number < 1 || number > argc - at - 1)
        return 0;
    *last = at + (int)number;
    return at + 1;
}

static int is_one_of(const char *name, const char *const *names)
{
    while (*names != NULL && strcmp(*names, name) != 0)
        names++;
    return *names != NULL;
}

/* The first argument that is a key which the command reads, and the last; 0: there is none. OBJECT and MEMORY do not read. */
static int read_keys(const struct command *command, const struct request_arg *argv, int argc, int *last)
{
    static const char *const first_ones[] = {"sort", "getset", "getdel", "getex", "copy", "georadius", "georadiusbymember",
                                             "xack", "xautoclaim", "xclaim", NULL};
    static const char *const from_sets[] = {"sinterstore", "sunionstore", "sdiffstore", NULL};
    static const char *const from_counted[] = {"zinterstore", "zunionstore", "zdiffstore", NULL};
    const char *name = command->name;

    *last = command->last_key < 0 ? argc + command->last_key : command->last_key;
    if ((command->flags & COMMAND_READONLY) != 0)
        return command->first_key == 1 ? 1
               : command->syntax != NULL && strncmp(command->syntax, "numkeys ", 8) == 0 ? counted_keys(argv, argc, 1, last)
                                                                                          : 0;
    if (strcmp(name, "bitop") == 0)
        return *last = argc - 1, 3;
    if (strcmp(name, "pfmerge") == 0)
        return *last = argc - 1, 1;
    if (is_one_of(name, from_sets))
        return *last = argc - 1, 2;
    if (is_one_of(name, from_counted))
        return counted_keys(argv, argc, 2, last);
    if (strcmp(name, "zrangestore") == 0 || strcmp(name, "geosearchstore") == 0)
        return *last = 2, 2;
    *last = 1;
    if (is_one_of(name, first_ones))
        return 1;
    if (strcmp(name, "bitfield") == 0)
        return !has_word(argv, argc, 2, "SET") && !has_word(argv, argc, 2, "INCRBY");
    return strcmp(name, "set") == 0 && has_word(argv, argc, 3, "GET");
}

/* XREAD looks at all of them, and then at each again; XREADGROUP ends at the first that is not there. */
static void stream_misses(struct client *client, const struct command *command, const struct request_arg *argv, int argc)
{
    const int is_plain = strcmp(command->name, "xread") == 0;
    int positions[STREAMS_MAX], count = command_key_positions(command, argv, argc, positions, STREAMS_MAX);

    if (count <= 0 || positions[0] + 2 * count != argc) /* as many ids as keys, or an error */
        return;
    for (int i = 0; i < (is_plain ? 2 * count : count); i++) {
        const struct request_arg *key = &argv[positions[i % count]];
        const struct sdb_slice slice = {key->data, key->size};

        notify_miss(client, &slice);
        if (!is_plain && sdb_exists(client->session, slice.data, slice.size) == SDB_ENOTFOUND)
            return;
    }
}

void notify_misses(struct client *client, const struct command *command, const struct request_arg *argv, int argc)
{
    int last, step = command->key_step > 0 ? command->key_step : 1;

    if (strcmp(command->name, "xread") == 0 || strcmp(command->name, "xreadgroup") == 0) {
        stream_misses(client, command, argv, argc);
        return;
    }
    for (int i = read_keys(command, argv, argc, &last); i > 0 && i <= last && i < argc; i += step)
        notify_miss(client, &(struct sdb_slice){argv[i].data, argv[i].size});
}

void notify_leave(void)
{
    free(notes.items);
    free(notes.bytes);
    memset(&notes, 0, sizeof(notes));
}
