/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lua_functions.h - library functions of our own, where the library's own are led astray by their arguments
 *
 * Threads: the state's.
 */
#ifndef SDB_SERVER_LUA_FUNCTIONS_H
#define SDB_SERVER_LUA_FUNCTIONS_H

#include <lua.h>

/* Puts the functions into the globals and the libraries, which are open and not protected yet. */
void lua_functions_open(lua_State *lua);

/* Replaces a function of the table on top of the stack by one that has the replaced one as its first upvalue. */
void lua_functions_replace(lua_State *lua, const char *name, lua_CFunction function);

/* Calls the function that a function so made has replaced, with the same arguments. */
int lua_functions_call_replaced(lua_State *lua);

#endif
