/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lua_sandbox.h - what a script finds: globals and libraries that it can read and not change
 *
 * A protected table is an empty one that stands before the real one: a metatable leads reads on, and refuses writes. Library
 * functions that would go around metatables are replaced by ones that know protected tables. Chunks are compiled from source only.
 *
 * Threads: the state's.
 */
#ifndef SDB_SERVER_LUA_SANDBOX_H
#define SDB_SERVER_LUA_SANDBOX_H

#include <lua.h>

/* For lua_cpcall with the struct lua_vm: opens the libraries, and makes the globals. */
int lua_sandbox_open(lua_State *lua);

/* Replaces the table on top of the stack by a protected one that stands before it. */
void lua_sandbox_protect(lua_State *lua);

/* Makes reads of what the table on top of the stack has not an error ("nonexistent global variable"). */
void lua_sandbox_be_strict(lua_State *lua);

/* Pushes the real globals: KEYS and ARGV are set there. */
void lua_sandbox_push_globals(lua_State *lua);

/* While a library is being loaded, its functions see these globals; 0: all of them again. */
void lua_sandbox_while_loading(lua_State *lua, int is_loading);

#endif
