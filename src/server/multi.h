/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * multi.h - MULTI: commands that are queued, and run as one transaction of the store
 *
 * Commit:  EXEC's commands run inside one transaction (sdb_begin .. sdb_commit), which is a part of the worker's group like any other
 *          command: all of it is in one record, and its replies leave after that record's fence (D2, D3).
 * Threads: the client's worker. Others may read multi_count under the worker's turn lock.
 */
#ifndef SDB_SERVER_MULTI_H
#define SDB_SERVER_MULTI_H

#include <stddef.h>
#include <stdint.h>

#include "command.h"

/* MULTI, where none is open. Errors: 0, out of memory. */
int multi_begin(struct client *client);

/* Takes a command that would be run outside of MULTI. Errors: 0, out of memory. */
int multi_queue(struct client *client, const struct command *command, size_t number, const struct request_arg *argv, int argc);

/* A command was refused: EXEC will refuse all. */
void multi_fail(struct client *client);

/* EXEC of what is queued: replies, and leaves nothing queued and nothing watched. */
void multi_exec(struct client *client);

/* Forgets what is queued and what is watched. */
void multi_discard(struct client *client);

/* How many commands are queued; -1: there is no MULTI. */
int multi_count(const struct client *client);

/* Bytes of arguments that are queued. */
size_t multi_memory(const struct client *client);

/* The flags of all of them together: whether one may write, or take memory. */
uint32_t multi_flags(const struct client *client);

#endif
