/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * script_api.h - the table redis: what scripts call
 * Threads: the state's.
 */
#ifndef SDB_SERVER_SCRIPT_API_H
#define SDB_SERVER_SCRIPT_API_H

#include <lua.h>

/* Sets the global redis; is_eval: with what scripts have and functions have not. */
void script_api_open(lua_State *lua, int is_eval);

/* Pushes the globals of a library that is being loaded: redis, with register_function and the log. */
void script_api_push_loading(lua_State *lua);

/* Pushes {err = "CODE text"}, of "-CODE text" or of a text that ERR is to stand before. */
void script_api_push_error(lua_State *lua, const char *text);

/* The same, raised as an error. Never returns. */
int script_api_raise(lua_State *lua, const char *text);

#endif
