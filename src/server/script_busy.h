/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * script_busy.h - scripts that run longer than busy-reply-threshold: other workers' clients are told BUSY, and may end them
 *
 * The clients of the worker that runs such a script wait until it ends: it has no hands free. New ones go to other workers (acceptor.h).
 * Threads: script_busy_begin, look and end by the script's worker, the others by any.
 */
#ifndef SDB_SERVER_SCRIPT_BUSY_H
#define SDB_SERVER_SCRIPT_BUSY_H

#include "lua_vm.h"

struct client;
struct reply;
struct script_run;

void script_busy_begin(struct script_run *run);
void script_busy_end(struct script_run *run);

/* Now and then while it runs: sets run->must_end where somebody wants it to end. */
void script_busy_look(struct script_run *run);

/* How many there are: asked once a turn. */
extern unsigned script_busy_runs; /* Atomic; script_busy.c */
static inline unsigned script_busy_count(void)
{
    return __atomic_load_n(&script_busy_runs, __ATOMIC_ACQUIRE);
}

/* "-BUSY ...", after the script that has been running longest. */
const char *script_busy_text(void);

/* SCRIPT KILL and FUNCTION KILL: ends those that have written nothing, and replies. */
void script_busy_kill(struct client *client, enum lua_vm_kind kind);

/* Whether all that take too long are scripts of EVAL. */
int script_busy_is_eval(void);

/* Replies with a map about the function that has been running longest; null: there is none. */
void script_busy_describe(struct reply *reply);

#endif
