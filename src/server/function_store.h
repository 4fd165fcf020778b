/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * function_store.h - the libraries that there are: durable in the pool, the same for all threads
 *
 * Media:   one key of the system database: a sequence number, then each library's code.
 * Commit:  a change is one transaction of the store, inside the worker's group. Other threads see it behind the group's fence, when
 *          function_store_publish makes it the set of all; the thread that made it sees it at once (D3).
 * Threads: each function by the client's worker, but for function_store_current.
 */
#ifndef SDB_SERVER_FUNCTION_STORE_H
#define SDB_SERVER_FUNCTION_STORE_H

#include "function_library.h"

struct client;
struct sdb_session;

/*
 * Reads the libraries that the pool has. At start-up. Damaged ones are told of in the log, and to who asks for them. Errors: an enum
 * sdb_error.
 */
int function_store_start(struct sdb_session *session);
void function_store_stop(void);

/* The libraries as the thread sees them. A reference, which the caller releases. Errors: SDB_ENOMEM, SDB_ECORRUPT; then NULL. */
int function_store_get(struct client *client, struct library_set **set);

/* As all threads see them. */
struct library_set *function_store_current(void);

/* Changes set, a copy that is nobody else's. 1, or 0 with the words in error. */
typedef int function_change(struct library_set *set, void *context, char error[FUNCTION_ERROR_SIZE]);

/*
 * Makes a change durable with the client's group. Gives 1, or 0 after an error reply: then there was no change.
 */
int function_store_change(struct client *client, function_change *change, void *context);

/* Behind a fence: what the thread has changed is everybody's. Behind a failure, or what was taken back: it is forgotten. */
void function_store_publish(void);
void function_store_forget(void);

/* The thread's Lua state for functions; NULL: out of memory. It is given back by function_store_leave. */
struct lua_vm *function_store_vm(void);
void function_store_leave(void);

#endif
