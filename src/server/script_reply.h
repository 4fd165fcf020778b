/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * script_reply.h - replies as Lua values, and Lua values as replies
 * Threads: the state's. Inside lua_cpcall.
 */
#ifndef SDB_SERVER_SCRIPT_REPLY_H
#define SDB_SERVER_SCRIPT_REPLY_H

#include <stddef.h>

#include <lua.h>

#include "reply.h"

/* Pushes a whole reply, RESP2 or RESP3, that the server itself has written. */
void script_reply_push(lua_State *lua, const char *data, size_t size);

/* Takes the value from the top of the stack and replies with it. protocol: the script's own, of redis.setresp. */
void script_reply_write(lua_State *lua, struct reply *reply, int protocol);

#endif
