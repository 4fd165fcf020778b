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

/* The letters of notify-keyspace-events. Errors: 0, an unknown one; nothing changes. */
int notify_set(const char *letters);

/* And back. The caller frees it; NULL: out of memory. */
char *notify_letters(void);

/* What the store's observer does about events. */
void notify_on_change(const struct sdb_change *change);

/* The client's command has ended: says what it did, or, where it failed, forgets it. */
void notify_command_ended(struct client *client, const struct command *command, const struct request_arg *argv, int argc, int failed);

/* The thread ends: the memory of its notes is given back. */
void notify_leave(void);

#endif
