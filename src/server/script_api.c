/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * script_api.c - the table redis: what scripts call
 */
#include "script_api.h"

#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "acl.h"
#include "client.h"
#include "command.h"
#include "command_table.h"
#include "function_library.h"
#include "log.h"
#include "lua_sandbox.h"
#include "runtime.h"
#include "script_call.h"
#include "script_run.h"
#include "sha1.h"

#define VERSION_NUMBER 0x0007000f /* of SERVER_REDIS_VERSION */

/* ---- errors ------------------------------------------------------------------------------------------------------------- */

/* Without line ends at its ends. */
static void push_trimmed(lua_State *lua, const char *text)
{
    size_t size;

    text += strspn(text, "\r\n");
    size = strlen(text);
    while (size > 0 && (text[size - 1] == '\r' || text[size - 1] == '\n'))
        size--;
    lua_pushlstring(lua, text, size);
}

void script_api_push_error(lua_State *lua, const char *text)
{
    const char *blank = text[0] == '-' ? strchr(text, ' ') : NULL;

    lua_createtable(lua, 0, 1);
    if (text[0] == '-' && blank != NULL)
        lua_pushlstring(lua, text + 1, (size_t)(blank - text - 1));
    else
        lua_pushliteral(lua, "ERR");
    lua_pushliteral(lua, " ");
    push_trimmed(lua, blank != NULL ? blank + 1 : text + (text[0] == '-'));
    lua_concat(lua, 3);
    lua_setfield(lua, -2, "err");
}

int script_api_raise(lua_State *lua, const char *text)
{
    script_api_push_error(lua, text);
    return lua_error(lua);
}

/* ---- commands ----------------------------------------------------------------------------------------------------------- */

static int redis_call(lua_State *lua)
{
    return script_call_command(lua, 1);
}

static int redis_pcall(lua_State *lua)
{
    return script_call_command(lua, 0);
}

static struct script_run *running(lua_State *lua, const char *otherwise)
{
    struct script_run *run = lua_vm_of(lua)->run;

    if (run == NULL || run->call == NULL)
        script_api_raise(lua, otherwise);
    return run;
}

static int redis_acl_check_cmd(lua_State *lua)
{
    struct script_run *run = running(lua, "redis.acl_check_cmd can only be called inside a script invocation");
    const struct command *command;
    int argc = script_call_arguments(lua, run), position;

    if (argc == 0)
        return lua_error(lua);
    command = command_find(run->args[0].data, run->args[0].size);
    if (command != NULL && command->subcommands != NULL && argc > 1)
        command = command_find_sub(command, run->args[1].data, run->args[1].size);
    if (command == NULL)
        return script_api_raise(lua, "Invalid command passed to redis.acl_check_cmd()");
    lua_pushboolean(lua, (run->client->flags & CLIENT_RESTRICTED) == 0 ||
                             (run->client->user != NULL && acl_user_check(run->client->user, command, (size_t)command_number(command),
                                                                          run->args, argc, &position) == ACL_ALLOWED));
    return 1;
}

/* ---- replies ------------------------------------------------------------------------------------------------------------ */

static int redis_error_reply(lua_State *lua)
{
    const char *text;

    if (lua_gettop(lua) != 1 || lua_type(lua, 1) != LUA_TSTRING) {
        script_api_push_error(lua, "wrong number or type of arguments");
        return 1;
    }
    text = lua_tostring(lua, 1);
    if (text[0] != '-') {
        lua_pushliteral(lua, "-");
        lua_insert(lua, 1);
        lua_concat(lua, 2);
        text = lua_tostring(lua, 1);
    }
    script_api_push_error(lua, text);
    return 1;
}

static int redis_status_reply(lua_State *lua)
{
    if (lua_gettop(lua) != 1 || lua_type(lua, 1) != LUA_TSTRING) {
        script_api_push_error(lua, "wrong number or type of arguments");
        return 1;
    }
    lua_createtable(lua, 0, 1);
    lua_insert(lua, 1);
    lua_setfield(lua, 1, "ok");
    return 1;
}

static int redis_setresp(lua_State *lua)
{
    struct script_run *run = running(lua, "redis.setresp can only be called inside a script invocation");
    int protocol;

    if (lua_gettop(lua) != 1)
        return script_api_raise(lua, "redis.setresp() requires one argument.");
    protocol = (int)lua_tonumber(lua, 1);
    if (protocol != 2 && protocol != 3)
        return script_api_raise(lua, "RESP version must be 2 or 3.");
    run->protocol = protocol;
    return 0;
}

/* ---- the rest ----------------------------------------------------------------------------------------------------------- */

static int redis_sha1hex(lua_State *lua)
{
    char hex[SHA1_HEX_SIZE];
    const char *data;
    size_t size = 0;

    if (lua_gettop(lua) != 1)
        return script_api_raise(lua, "wrong number of arguments");
    data = lua_tolstring(lua, 1, &size);
    sha1_hex(data != NULL ? data : "", data != NULL ? size : 0, hex);
    lua_pushstring(lua, hex);
    return 1;
}

static int redis_log(lua_State *lua)
{
    int argc = lua_gettop(lua), level;
    luaL_Buffer line;

    if (argc < 2)
        return script_api_raise(lua, "redis.log() requires two arguments or more.");
    if (!lua_isnumber(lua, 1))
        return script_api_raise(lua, "First argument must be a number (log level).");
    level = (int)lua_tonumber(lua, 1);
    if (level < LOG_LEVEL_DEBUG || level > LOG_LEVEL_WARNING)
        return script_api_raise(lua, "Invalid debug level.");
    if (level < (int)log_get_level())
        return 0;
    luaL_buffinit(lua, &line);
    for (int i = 2; i <= argc; i++) {
        if (!lua_isstring(lua, i))
            continue;
        if (i > 2)
            luaL_addchar(&line, ' ');
        lua_pushvalue(lua, i);
        luaL_addvalue(&line);
    }
    luaL_pushresult(&line);
    log_message((enum log_level)level, "%s", lua_tostring(lua, -1));
    return 0;
}

/* There is no replication to choose for. */
static int redis_set_repl(lua_State *lua)
{
    int flags;

    (void)running(lua, "redis.set_repl can only be called inside a script invocation");
    if (lua_gettop(lua) != 1)
        return script_api_raise(lua, "redis.set_repl() requires two arguments.");
    flags = (int)lua_tonumber(lua, 1);
    if ((flags & ~3) != 0)
        return script_api_raise(lua, "Invalid replication flags. Use REPL_AOF, REPL_REPLICA, REPL_ALL or REPL_NONE.");
    return 0;
}

static int redis_replicate_commands(lua_State *lua)
{
    lua_pushboolean(lua, 1);
    return 1;
}

/* Outside of a debugger there is nothing to stop in. */
static int redis_breakpoint(lua_State *lua)
{
    lua_pushboolean(lua, 0);
    return 1;
}

static int redis_debug(lua_State *lua)
{
    (void)lua;
    return 0;
}

/* ---- opening ------------------------------------------------------------------------------------------------------------ */

static void set_functions(lua_State *lua, const luaL_Reg *functions)
{
    for (; functions->name != NULL; functions++) {
        lua_pushcfunction(lua, functions->func);
        lua_setfield(lua, -2, functions->name);
    }
}

static void set_number(lua_State *lua, const char *name, int number)
{
    lua_pushinteger(lua, number);
    lua_setfield(lua, -2, name);
}

static void set_log_and_version(lua_State *lua)
{
    lua_pushcfunction(lua, redis_log);
    lua_setfield(lua, -2, "log");
    set_number(lua, "LOG_DEBUG", LOG_LEVEL_DEBUG);
    set_number(lua, "LOG_VERBOSE", LOG_LEVEL_VERBOSE);
    set_number(lua, "LOG_NOTICE", LOG_LEVEL_NOTICE);
    set_number(lua, "LOG_WARNING", LOG_LEVEL_WARNING);
    set_number(lua, "REDIS_VERSION_NUM", VERSION_NUMBER);
    lua_pushliteral(lua, SERVER_REDIS_VERSION);
    lua_setfield(lua, -2, "REDIS_VERSION");
}

void script_api_open(lua_State *lua, int is_eval)
{
    static const luaL_Reg functions[] = {{"call", redis_call},
                                         {"pcall", redis_pcall},
                                         {"setresp", redis_setresp},
                                         {"sha1hex", redis_sha1hex},
                                         {"error_reply", redis_error_reply},
                                         {"status_reply", redis_status_reply},
                                         {"set_repl", redis_set_repl},
                                         {"acl_check_cmd", redis_acl_check_cmd},
                                         {NULL, NULL}};
    static const luaL_Reg of_scripts[] = {{"replicate_commands", redis_replicate_commands},
                                          {"breakpoint", redis_breakpoint},
                                          {"debug", redis_debug},
                                          {NULL, NULL}};

    lua_newtable(lua);
    set_functions(lua, functions);
    if (is_eval)
        set_functions(lua, of_scripts);
    set_log_and_version(lua);
    set_number(lua, "REPL_NONE", 0);
    set_number(lua, "REPL_AOF", 1);
    set_number(lua, "REPL_SLAVE", 2);
    set_number(lua, "REPL_REPLICA", 2);
    set_number(lua, "REPL_ALL", 3);
    lua_setglobal(lua, "redis");
}

void script_api_push_loading(lua_State *lua)
{
    lua_newtable(lua);
    lua_newtable(lua);
    lua_pushcfunction(lua, function_library_register);
    lua_setfield(lua, -2, "register_function");
    set_log_and_version(lua);
    lua_sandbox_be_strict(lua);
    lua_sandbox_protect(lua);
    lua_setfield(lua, -2, "redis");
}
