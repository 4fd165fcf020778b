/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lua_json.h - cjson, with bounds on what it is given
 *
 * Threads: the state's.
 */
#ifndef SDB_SERVER_LUA_JSON_H
#define SDB_SERVER_LUA_JSON_H

#include <lua.h>

/* Replaces what needs it in the table on top of the stack, the library's. */
void lua_json_guard(lua_State *lua);

#endif
