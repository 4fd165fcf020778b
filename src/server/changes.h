/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * changes.h - who is interested in the store's changes, whoever makes them: the server's one observer (sdb_observe)
 */
#ifndef SDB_SERVER_CHANGES_H
#define SDB_SERVER_CHANGES_H

/*
 * One more (1), or one fewer (-1), who wants to be told. While there is none the store tells nothing, and writers pay nothing.
 * Any thread. Who begins to want a key's changes while the key's shard is locked is told of all that come later.
 */
void changes_wanted(int more);

/* Whether there is anyone. It may be over at once. */
int changes_are_wanted(void);

/* The pool is open: whoever has wanted to be told before is told from now on. */
void changes_begin(void);

struct client;
struct request_arg;

/* Tells of a command that counts as a change of its key to Redis, and leaves everything as it was: APPEND of nothing. */
void changes_pretend(const struct client *client, const struct request_arg *key);

#endif
