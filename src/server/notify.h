/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * notify.h - notify-keyspace-events: messages about what commands do to keys
 *
 * The store tells which keys a command changes (sdb_observe); they are noted, and when the command has ended well its row in
 * notify.c says what that is called. The messages go the way of any other (pubsub.h): they leave after the fence.
 * Threads: the worker's, for its own commands.
 */
#ifndef SDB_SERVER_NOTIFY_H
#define SDB_SERVER_NOTIFY_H

#include "command.h"
#include "superdb/superdb.h"

enum notify_flags {
    NOTIFY_KEYSPACE = 1u << 0,
    NOTIFY_KEYEVENT = 1u << 1,
    NOTIFY_GENERIC = 1u << 2,
    NOTIFY_STRING = 1u << 3,
    NOTIFY_EXPIRED = 1u << 4,
    NOTIFY_NEW = 1u << 5,
    NOTIFY_MISS = 1u << 6,
    NOTIFY_LIST = 1u << 7,
    NOTIFY_SET = 1u << 8,
    NOTIFY_HASH = 1u << 9,
    NOTIFY_ZSET = 1u << 10,
    NOTIFY_EVICTED = 1u << 11,
    NOTIFY_STREAM = 1u << 12,
    NOTIFY_MODULE = 1u << 13,
};

/*
 * For commands that change several collections, each in its way: what the changes from here on are called, until the command ends. Static
 * text. NULL: what the command's row says.
 */
void notify_call(struct client *client, const char *event, uint32_t class);

/* The first change from here on, and all behind it. */
void notify_calls(struct client *client, const char *first, const char *then, uint32_t class);

/* One event more of the command under way, which the store does not tell of. Static text. */
void notify_also(struct client *client, const struct request_arg *key, const char *event, uint32_t class);

/* The letters of notify-keyspace-events. Errors: 0, an unknown one; nothing changes. */
int notify_set(const char *letters);

/* And back. The caller frees it; NULL: out of memory. */
char *notify_letters(void);

/* What the store's observer does about events. */
void notify_on_change(const struct sdb_change *change);

/* The client's command has ended: says what it did, or, where it failed, forgets it. */
void notify_command_ended(struct client *client, const struct command *command, const struct request_arg *argv, int argc, int failed);

/*
 * Before a command runs, where GUARD_MISSES is set: tells of the keys that it will read and not find. The client's database is selected.
 */
void notify_misses(struct client *client, const struct command *command, const struct request_arg *argv, int argc);
void notify_miss(struct client *client, const struct sdb_slice *key);

/* The thread ends: the memory of its notes is given back. */
void notify_leave(void);

#endif
