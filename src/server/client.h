/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * client.h - a connected client as command handlers see it. How bytes come and go is the loop's matter (connection.h).
 *
 * The loop does what concerns every command alike, so that handlers and command_dispatch need not:
 * - it selects the client's database in the session before each command (SELECT only sets `database`);
 * - it postpones commands while clients are paused, keeps last_active_ms, bytes_in, bytes_out and query_bytes, and closes
 *   after the reply where CLIENT_CLOSE_AFTER_REPLY is set: requests behind that command are not run.
 * A new client has CLIENT_AUTHENTICATED set where no password is required.
 */
#ifndef SDB_SERVER_CLIENT_H
#define SDB_SERVER_CLIENT_H

#include <stddef.h>
#include <stdint.h>

#include "pubsub.h"
#include "reply.h"
#include "superdb/superdb.h"

struct acl_user;
struct multi;
struct request_arg;
struct subscription;
struct tracking;
struct waiter;
struct watch;
struct worker;

enum client_flags {
    CLIENT_AUTHENTICATED = 1u << 0,
    CLIENT_CLOSE_AFTER_REPLY = 1u << 1, /* send what is in the reply buffer, then close */
    CLIENT_UNIX_SOCKET = 1u << 2,
    CLIENT_REPLY_OFF = 1u << 3,         /* CLIENT REPLY OFF */
    CLIENT_REPLY_SKIP_NEXT = 1u << 4,   /* CLIENT REPLY SKIP was just given: the next command's reply is dropped */
    CLIENT_REPLY_SKIP = 1u << 5,        /* this command's reply is dropped */
    CLIENT_NO_EVICT = 1u << 6,
    CLIENT_NO_TOUCH = 1u << 7,
    CLIENT_KILLED = 1u << 8,
    CLIENT_MULTI = 1u << 9,         /* commands are queued */
    CLIENT_MULTI_FAILED = 1u << 10, /* one of them was refused */
    CLIENT_PUBSUB = 1u << 12,       /* has subscriptions */
    CLIENT_EVENTS = 1u << 13,       /* the command has changed keys that somebody may want to hear of: notify.h */
    CLIENT_TRACKING = 1u << 14,     /* client->tracking is there */
    CLIENT_INVALIDATED = 1u << 15,  /* the command has changed keys that this very client caches: tracking.h */
    CLIENT_REPLY_KEEP = 1u << 11,   /* this command's reply is not dropped, although CLIENT_REPLY_OFF is set */
    CLIENT_BLOCKED = 1u << 17,      /* client->waiter is there: block.h */
    CLIENT_WAKES = 1u << 18,        /* the command has changed keys that somebody waits for */
    CLIENT_RESTRICTED = 1u << 16,   /* its user may not do everything: each command is asked for (acl.h) */
};

/* Their requests are run one by one. */
#define CLIENT_FLAGS_APART                                                                                             \
    (CLIENT_CLOSE_AFTER_REPLY | CLIENT_REPLY_OFF | CLIENT_REPLY_SKIP_NEXT | CLIENT_REPLY_SKIP | CLIENT_MULTI |              \
     CLIENT_PUBSUB | CLIENT_RESTRICTED | CLIENT_TRACKING)

/* Something is to be done about a command's reply. */
#define CLIENT_FLAGS_REPLY (CLIENT_REPLY_OFF | CLIENT_REPLY_SKIP | CLIENT_REPLY_SKIP_NEXT)

/* Of these only CLIENT_AUTHENTICATED is set: any command may run. */
#define CLIENT_FLAGS_PLAIN (CLIENT_AUTHENTICATED | CLIENT_MULTI | CLIENT_PUBSUB | CLIENT_RESTRICTED | CLIENT_TRACKING)

struct client {
    /* Owner: the client's worker thread; other threads read under the worker's client-list lock. */
    struct worker *worker;
    struct sdb_session *session; /* the worker's own, shared by its clients; on every dispatch it has this client's database */
    struct reply reply;          /* protocol is reply.protocol: 2 or 3; 0: binary */
    uint32_t database;
    uint32_t flags;              /* enum client_flags */
    uint64_t id;
    struct acl_user *user;       /* as of its worker's acl_version; a reference */
    char *name;                  /* CLIENT SETNAME, owned; NULL: none */
    char *library_name, *library_version; /* CLIENT SETINFO, owned */
    char address[80];            /* "127.0.0.1:50112", or "/path/to/socket:0" */
    char local_address[80];
    int64_t created_ms;
    int64_t last_active_ms;
    const struct command *last_command;
    uint64_t commands;           /* run so far */
    uint64_t bytes_in, bytes_out;
    size_t query_bytes;          /* waiting in the input buffer */
    int fd;
    struct multi *multi;         /* what is queued since MULTI; NULL: there is none. multi.h */
    struct watch *watches;       /* watch.h */
    struct waiter *waiter;       /* what it waits for; NULL: nothing. block.h */
    struct tracking *tracking;   /* NULL: it does not track. tracking.h */
    uint32_t watch_touched;      /* Atomic: a watched key was changed. Set by any thread */
    uint32_t subscription_counts[PUBSUB_KINDS];
    struct subscription *subscriptions[PUBSUB_KINDS]; /* pubsub.h */
};

/*
 * The time of the thread's turn of its loop, in milliseconds since 1970: every command of a turn sees the same. The system's
 * clock where the thread has not set one.
 */
int64_t client_now_ms(const struct client *client);

/* Whether this user (data NULL: "default") has this password: any, where none is required. Then the client is authenticated. */
int client_authenticate(struct client *client, struct request_arg user, struct request_arg password, const struct request_arg *command);

/* Called by the worker at the beginning of a turn, next to sdb_session_set_time. 0: the system's clock at each call. */
void client_set_now_ms(int64_t now_ms);

#endif
