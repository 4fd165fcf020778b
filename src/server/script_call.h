/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * script_call.h - redis.call: runs a command inside a script
 * Threads: the state's.
 */
#ifndef SDB_SERVER_SCRIPT_CALL_H
#define SDB_SERVER_SCRIPT_CALL_H

#include <lua.h>

/* redis.call (raises 1) and redis.pcall: runs the command that the stack's values are the words of, and gives its reply. */
int script_call_command(lua_State *lua, int raises);

/*
 * The stack's values as a request in run->args. Gives how many; 0: pushed an error. They are valid for as long as the values stay on
 * the stack, and the run lasts.
 */
struct script_run;
int script_call_arguments(lua_State *lua, struct script_run *run);

/* Whether the command that the thread runs is one that a script called. */
int script_is_calling(void);

#endif
