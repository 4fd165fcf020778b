/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * command.h - the command table: one row a command, from which dispatch, COMMAND, COMMAND DOCS and docs/COMMANDS.md are made
 */
#ifndef SDB_SERVER_COMMAND_H
#define SDB_SERVER_COMMAND_H

#include <stddef.h>
#include <stdint.h>

#include "request.h"

struct client;

/*
 * Runs a command. argv[0] is its name; arity has been checked. Writes exactly one reply to client->reply (unless the
 * command says otherwise, as CLIENT REPLY OFF does). It runs inside the thread's group (sdb_group_begin): what it replies is
 * sent after the fence. The arguments' bytes are valid during the call only.
 */
typedef void command_handler(struct client *client, const struct request_arg *argv, int argc);

/* Finds the keys of commands whose positions first/last/step do not tell. Returns how many, at most max; positions in argv. */
typedef int command_keys(const struct request_arg *argv, int argc, int *positions, int max);

enum command_flags { /* the names that COMMAND INFO prints, in lower case */
    COMMAND_WRITE = 1u << 0,
    COMMAND_READONLY = 1u << 1,
    COMMAND_DENYOOM = 1u << 2,
    COMMAND_ADMIN = 1u << 3,
    COMMAND_NOSCRIPT = 1u << 4,
    COMMAND_LOADING = 1u << 5,
    COMMAND_STALE = 1u << 6,
    COMMAND_FAST = 1u << 7,
    COMMAND_NO_AUTH = 1u << 8,
    COMMAND_SKIP_SLOWLOG = 1u << 9,
    COMMAND_SKIP_MONITOR = 1u << 10,
    COMMAND_ALLOW_BUSY = 1u << 11,
    COMMAND_NO_MULTI = 1u << 12,
    COMMAND_MOVABLEKEYS = 1u << 13,
    COMMAND_ONLY_SENTINEL = 1u << 14,
    COMMAND_PROTECTED = 1u << 15,
    COMMAND_UNQUEUED = 1u << 16, /* runs inside MULTI, too; not printed */
    COMMAND_SUBSCRIBED = 1u << 17, /* RESP2's subscribers may run it; not printed */
    COMMAND_PUBSUB = 1u << 18,
    COMMAND_NO_MANDATORY_KEYS = 1u << 19,
    COMMAND_BLOCKING = 1u << 21,
    COMMAND_NO_ASYNC_LOADING = 1u << 22,
    COMMAND_MAY_WRITE = 1u << 20, /* waits for the end of CLIENT PAUSE WRITE like those that write; not printed */
};

/* One row. Text fields are UTF-8, one line, NULL where they do not apply. */
struct command {
    const char *name;      /* lower case; of a subcommand its own word only */
    const char *summary;
    const char *since;     /* the Redis version, "1.0.0" */
    const char *group;     /* "string", "bitmap", "generic", "connection", "transactions", "pubsub", "server", "superdb" */
    const char *complexity;
    const char *syntax;    /* arguments as Redis' documentation writes them: "key value [NX | XX] [GET] [EX seconds]" */
    const char *acl_categories; /* "@write @string @slow", as COMMAND INFO lists them */
    const char *difference;/* how it differs from Redis and why; NULL: it does not */
    int arity;             /* with the name; negative: at least */
    uint32_t flags;
    int first_key, last_key, key_step; /* as COMMAND INFO */
    command_keys *keys;    /* NULL where the positions tell */
    command_handler *handler; /* NULL for containers without an action of their own */
    const struct command *subcommands; /* ends with a row whose name is NULL; NULL: none */
};

/* The rows that each file of handlers contributes; each ends with a row whose name is NULL. */
extern const struct command sorted_set_commands[]; /* sorted_set_commands.c */
extern const struct command stream_commands[];     /* stream_commands.c */
extern const struct command string_commands[];     /* string_commands.c: GET, SET, APPEND, ... */
extern const struct command bit_commands[];        /* bit_commands.c */
extern const struct command geo_commands[];        /* geo_commands.c */
extern const struct command hash_commands[];       /* hash_commands.c */
extern const struct command hyperloglog_commands[]; /* hyperloglog_commands.c */
extern const struct command members_commands[];    /* members_commands.c: those on sets */
extern const struct command key_commands[];        /* key_commands.c: DEL, EXPIRE, SCAN, ... */
extern const struct command list_commands[];       /* list_commands.c */
extern const struct command scrub_commands[];      /* scrub_commands.c: SDB.SCRUB */
extern const struct command handle_commands[];     /* handle_commands.c: SDB.HANDLE, SDB.GETH, SDB.SETH */
extern const struct command cluster_commands[];    /* cluster_commands.c: CLUSTER, REPLICAOF, MODULE */
extern const struct command connection_commands[]; /* connection_commands.c: PING, HELLO, CLIENT, ... */
extern const struct command transaction_commands[]; /* transaction_commands.c: MULTI, WATCH, ... */
extern const struct command pubsub_commands[]; /* pubsub_commands.c: SUBSCRIBE, PUBLISH, ... */
extern const struct command function_commands[];   /* function_commands.c: FUNCTION, FCALL */
extern const struct command script_commands[];     /* script_commands.c: EVAL, SCRIPT, ... */
extern const struct command server_commands[];     /* server_commands.c: INFO, CONFIG, COMMAND, ... */

/* Builds the hash table over all rows. Called once, before threads start. */
int commands_init(void);

/* What a command's name stands for: its row, and how its calls are counted. For who looks a name up once for many requests. */
struct command_slot {
    const struct command *command;
    uint32_t number;
    uint32_t sampled; /* not every call is timed */
};
const struct command_slot *command_slot_find(const char *name, size_t size);

/* The row of a name in any case, or NULL. With argc > 1 and a container, `subcommand` looks the second word up. */
const struct command *command_find(const char *name, size_t size);
const struct command *command_find_sub(const struct command *command, const char *name, size_t size);

/* Every command in the table's order; index from 0, NULL behind the last. */
const struct command *command_at(size_t index);

/* Positions of a request's keys. Returns how many (at most max), or -1 where the request is malformed. */
int command_key_positions(const struct command *command, const struct request_arg *argv, int argc, int *positions, int max);

/* Runs a parsed request for a client: looks the command up, checks arity, authentication and state, calls the handler, keeps the
 * command statistics and the slow log. */
void command_dispatch(struct client *client, const struct request_arg *argv, int argc);

/* The same for a name that was looked up; slot NULL: there is no such command. */
void command_dispatch_to(const struct command_slot *slot, struct client *client, const struct request_arg *argv, int argc);

/* Whether the thread runs a command inside another one's: EXEC's, or a script's. */
int command_is_nested(void);

/* The same while a script takes too long: what may not run then is refused. */
void command_dispatch_while_busy(const struct command_slot *slot, struct client *client, const struct request_arg *argv, int argc);

/* Runs a queued command inside EXEC, with its share of the statistics. number: command_number's. */
void command_run_queued(struct client *client, const struct command *command, size_t number, const struct request_arg *argv,
                        int argc);

/*
 * For requests of one command that are run together, past command_dispatch: whether nobody wants each call's own time; and keeping the
 * statistics of `calls` calls (not 0) that took so many ticks in all (0: not measured), of which one stands for all in the slow log. Only for
 * clients whose CLIENT_FLAGS_APART are clear, and for replies that are no errors.
 */
int command_may_run_together(void);
int command_is_timed(const struct command_slot *slot); /* the next call's time is wanted */
void command_ran_together(const struct command_slot *slot, struct client *client, const struct request_arg *argv, int argc,
                          uint64_t calls, uint64_t ticks);

/* One of the slot's calls, which are counted elsewhere, was answered with an error that begins so. */
void command_count_failure(const struct command_slot *slot, const char *text);

#endif
