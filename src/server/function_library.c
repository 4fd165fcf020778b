/* SPDX-License-Identifier: BSD-3-Clause */
#include "function_library.h"
#include "script_api.h"
int function_library_register(lua_State *lua)
{
    return script_api_raise(lua, "redis.register_function can only be called on FUNCTION LOAD command");
}
