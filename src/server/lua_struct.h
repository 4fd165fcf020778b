/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lua_struct.h - the library struct: values to C structures and back
 */
#ifndef SDB_SERVER_LUA_STRUCT_H
#define SDB_SERVER_LUA_STRUCT_H

#include <lua.h>

/* Gives the library's table. */
int lua_struct_open(lua_State *lua);

#endif
