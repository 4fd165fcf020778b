/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SDB_SERVER_FUNCTION_LIBRARY_H
#define SDB_SERVER_FUNCTION_LIBRARY_H
#include <lua.h>
int function_library_register(lua_State *lua);
#endif
