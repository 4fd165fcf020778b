/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * errors.h - what a client is told when the store refuses
 */
#ifndef SDB_SERVER_ERRORS_H
#define SDB_SERVER_ERRORS_H

#include <stddef.h>

struct client;

/*
 * Writes the error reply for a code that a store function returned. SDB_ENOTFOUND and SDB_ECONDITION have replies
 * that differ from command to command: handlers deal with them before they come here.
 */
void command_reply_error(struct client *client, int code);

/* Whether the thread has told anybody since the last call that the pool is full. */
int command_met_full_pool(void);

/* Takes back what the command replied since `mark` (a reply.size) and writes the error instead. */
void command_reply_error_instead(struct client *client, size_t mark, int code);

#endif
