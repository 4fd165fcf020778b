/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * script_run.h - runs a script or function for a client
 *
 * Commit:  a script is one transaction of the store, inside the worker's group: what its commands did is in one record, whatever
 *          became of the script itself (D2). It begins with the shards of its keys locked. One that meets another thread at a key which
 *          it did not name is taken back, and run again with every shard locked.
 * Threads: the client's worker.
 */
#ifndef SDB_SERVER_SCRIPT_RUN_H
#define SDB_SERVER_SCRIPT_RUN_H

#include <stddef.h>
#include <stdint.h>

#include "lua_vm.h"
#include "reply.h"
#include "request.h"

struct client;

enum script_flags {
    SCRIPT_NO_WRITES = 1u << 0,
    SCRIPT_ALLOW_OOM = 1u << 1,
    SCRIPT_ALLOW_STALE = 1u << 2,
    SCRIPT_NO_CLUSTER = 1u << 3,
    SCRIPT_ALLOW_CROSS_SLOT_KEYS = 1u << 4,
    SCRIPT_COMPATIBLE = 1u << 5, /* a script that states no flags */
};

/* The flag of a name ("no-writes"), exact or in any case; 0: there is none. And back, by number from 0; NULL behind the last. */
uint32_t script_flag(const char *name, size_t size, int is_exact);
const char *script_flag_name(unsigned number, uint32_t *flag);

/* What is to be run. */
struct script_call {
    const char *name;                /* the digest, or the function's name */
    uint32_t flags;                  /* enum script_flags */
    int read_only;                   /* called by a command that ends in _RO */
    const struct request_arg *argv;  /* the whole request */
    int argc;
    int key_count;                   /* keys begin at argv[3] */
    int (*push)(lua_State *lua, const struct script_call *call); /* pushes the function; 0: pushed nothing, has gone */
    const void *context;
};

/* One that is running. Owner: its thread. */
struct script_run {
    struct client *client;
    const struct script_call *call;
    struct lua_vm *vm;
    int read_only;
    uint32_t wrote;     /* Atomic: a command that writes was called */
    uint32_t is_killed; /* Atomic: SCRIPT KILL */
    int is_busy;        /* on the list of script_busy.c */
    uint64_t begin_ns;
    struct script_run *next_busy;
    int must_end;       /* enum script_end: every line of it fails */
    int protocol;       /* of redis.setresp */
    int is_calling;     /* inside redis.call */
    size_t mark;        /* of the client's reply */
    struct reply reply; /* the last command's */
    struct request_arg *args;
    char (*numbers)[32]; /* arguments that were numbers, as text */
    size_t args_capacity;
};

enum script_end { SCRIPT_GOES_ON, SCRIPT_MET_CONFLICT, SCRIPT_WAS_KILLED, SCRIPT_MUST_STOP };

/*
 * Runs it, with a state that has its function, and replies. The keys' number is checked already.
 */
void script_run(struct client *client, struct lua_vm *vm, const struct script_call *call);

/* Reads the number of keys at argv[2]; 0 after an error reply. */
int script_key_count(struct client *client, const struct request_arg *argv, int argc, int *count, int is_function);

/* For the rows: EVAL's keys, and FCALL's. */
int script_keys(const struct request_arg *argv, int argc, int *positions, int max);

/* run->must_end has been set: the hook raises errors from the next line on, whatever catches them. */
void script_run_end_soon(lua_State *lua);

/* Pushes {err = .., source = .., line = ..} for what stands on top of the stack: the handler of errors. */
int script_error_handler(lua_State *lua);

#endif
