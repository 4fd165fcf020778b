/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lua_msgpack.h - the library cmsgpack: values to MessagePack and back
 */
#ifndef SDB_SERVER_LUA_MSGPACK_H
#define SDB_SERVER_LUA_MSGPACK_H

#include <lua.h>

/* Gives the library's table. */
int lua_msgpack_open(lua_State *lua);

#endif
