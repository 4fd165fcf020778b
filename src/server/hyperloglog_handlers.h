/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * hyperloglog_handlers.h - the handlers behind the rows of hyperloglog_commands.c
 */
#ifndef SDB_SERVER_HYPERLOGLOG_HANDLERS_H
#define SDB_SERVER_HYPERLOGLOG_HANDLERS_H

#include "command.h"
#include "hyperloglog.h"
#include "superdb/superdb.h"

/* hyperloglog_commands.c */
command_handler pfadd_command, pfcount_command, pfmerge_command;

/* hyperloglog_debug.c */
command_handler pfdebug_command, pfselftest_command;

/*
 * Looks at a key's value, which must be a HyperLogLog. SDB_OK: the caller releases the view. SDB_ENOTFOUND; SDB_ECONDITION: it is
 * another string. Else what sdb_view says.
 */
int hyperloglog_view(struct client *client, const struct sdb_slice *key, struct sdb_view *view);

/* Replies that a value is no HyperLogLog, a corrupted one, or whatever sdb_view or the store has said. */
void hyperloglog_reply_error(struct client *client, int code);

/* The store's error for a result: SDB_EFORMAT for what is corrupt. SDB_OK where it is none. */
int hyperloglog_error(enum hyperloglog_result result);

#endif
