/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * client_list.h - all connected clients, whichever thread serves them: enumerating, killing, pausing
 *
 * Threads: call these from a command handler only. A worker holds its own turn lock while it runs commands. A function here
 *          that looks at other workers' clients lets go of the caller's lock first and takes one lock at a time, so that no
 *          two workers can wait for each other; meanwhile others may look at (and mark) the caller's clients, nothing more. The
 *          caller's own client cannot go away: only its worker frees it.
 */
#ifndef SDB_SERVER_CLIENT_LIST_H
#define SDB_SERVER_CLIENT_LIST_H

#include <stddef.h>
#include <stdint.h>

#include "client.h"

/* Return 0 to go on, anything else to stop. client is valid during the call; it must not be changed. */
typedef int client_visit(void *context, const struct client *client);

/* Visits every client, self included, the oldest of each worker first. visit runs under a worker's lock: be brief, call nothing here. */
void client_list_each(struct client *self, client_visit *visit, void *context);

/*
 * The other workers stop before their next turns, and hold no shard, until client_list_let_others_go: for EXEC, which could otherwise
 * not call the functions here.
 */
void client_list_stop_others(struct client *self);
void client_list_let_others_go(struct client *self);

/* Behind a change that workers see at the start of a turn: waits until no other worker is in one that began before, and wakes all. */
void client_list_await_turns(struct client *self);

/* How many clients are connected. Atomic, any thread. */
size_t client_list_count(void);

/* The line of CLIENT LIST (client_command.c). */
void client_list_describe(struct reply *out, const struct client *client, int64_t now_ms);

/* What a client is to client-output-buffer-limit and CLIENT LIST: enum config_client_class, NORMAL or PUBSUB. */
int client_class(const struct client *client);

/* What clients to kill: all that is given must match. */
struct client_filter {
    uint64_t id;               /* 0: any */
    const char *address;       /* NULL: any; as client->address */
    const char *local_address; /* NULL: any */
    const char *user;          /* NULL: any */
    size_t user_size;
    int class;                 /* of client_class; -1: any */
    int skip_self;             /* 1: not the caller */
};

/*
 * Closes every client that matches, and says how many. The caller itself is closed once its reply was sent, others at once:
 * what they sent and was not run yet is dropped.
 */
size_t client_list_kill(struct client *self, const struct client_filter *filter);

/*
 * CLIENT PAUSE: until deadline_ms (since 1970) no worker runs commands that write (writes_only), or any. A pause that
 * is on is never shortened, and never weakened from all commands to writes.
 */
void client_list_pause(struct client *self, int64_t deadline_ms, int writes_only);
void client_list_unpause(struct client *self);

/* 0: not paused, 1: writes, 2: all commands. *deadline_ms, may be NULL, is when it ends. Atomic, any thread. */
int client_list_paused(int64_t now_ms, int64_t *deadline_ms);

#endif
