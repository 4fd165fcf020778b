/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lua_sandbox.c - the globals, and the library functions that know protected tables
 *
 * Memory:  the state's. Registry: by the addresses of the keys below.
 */
#include "lua_sandbox.h"

#include <lauxlib.h>
#include <lua-bitop.h>
#include <lua-cjson.h>
#include <lualib.h>

#include "lua_functions.h"
#include "lua_json.h"
#include "lua_msgpack.h"
#include "lua_struct.h"
#include "lua_vm.h"
#include "script_api.h"

/* Patterns are matched recursively, an item of the pattern at a time: this bounds the C stack. */
#define PATTERN_SIZE_MAX 8192

static const char key_real;      /* in a metatable: the real table behind a protected one */
static const char key_globals;   /* the real globals */
static const char key_outer;     /* the metatable of the protected globals */
static const char key_loading;   /* the real globals while a library is being loaded */
static const char key_strings;   /* the protected metatable of strings */

static void registry_set(lua_State *lua, const char *key)
{
    lua_pushlightuserdata(lua, (void *)(uintptr_t)key);
    lua_insert(lua, -2);
    lua_rawset(lua, LUA_REGISTRYINDEX);
}

static void registry_get(lua_State *lua, const char *key)
{
    lua_pushlightuserdata(lua, (void *)(uintptr_t)key);
    lua_rawget(lua, LUA_REGISTRYINDEX);
}

/* ---- protected tables ------------------------------------------------------------------------------------------------- */

static int refuse_write(lua_State *lua)
{
    return luaL_error(lua, "Attempt to modify a readonly table");
}

static int refuse_missing(lua_State *lua)
{
    const char *name = lua_tostring(lua, 2);

    return luaL_error(lua, "Script attempted to access nonexistent global variable '%s'", name != NULL ? name : "?");
}

void lua_sandbox_protect(lua_State *lua)
{
    lua_newtable(lua);
    lua_createtable(lua, 0, 3);
    lua_pushvalue(lua, -3);
    lua_setfield(lua, -2, "__index");
    lua_pushcfunction(lua, refuse_write);
    lua_setfield(lua, -2, "__newindex");
    lua_pushlightuserdata(lua, (void *)(uintptr_t)&key_real);
    lua_pushvalue(lua, -4);
    lua_rawset(lua, -3);
    lua_setmetatable(lua, -2);
    lua_remove(lua, -2);
}

void lua_sandbox_be_strict(lua_State *lua)
{
    lua_createtable(lua, 0, 1);
    lua_pushcfunction(lua, refuse_missing);
    lua_setfield(lua, -2, "__index");
    lua_setmetatable(lua, -2);
}

/* Pushes the real table behind a protected one; pushes nothing, and gives 0, where the argument is none. */
static int push_real(lua_State *lua, int argument)
{
    if (lua_type(lua, argument) != LUA_TTABLE || !lua_getmetatable(lua, argument))
        return 0;
    lua_pushlightuserdata(lua, (void *)(uintptr_t)&key_real);
    lua_rawget(lua, -2);
    lua_remove(lua, -2);
    if (lua_istable(lua, -1))
        return 1;
    lua_pop(lua, 1);
    return 0;
}

/* ---- library functions, with the one they replace as their upvalue ------------------------------------------------------ */

/* Those that write to their first argument. */
static int writes_first(lua_State *lua)
{
    if (push_real(lua, 1)) {
        lua_pushliteral(lua, "Attempt to modify a readonly table");
        return lua_error(lua);
    }
    return lua_functions_call_replaced(lua);
}

/* Those that change the first argument's numbered elements, of which a protected table has none. */
static int arranges_first(lua_State *lua)
{
    if (push_real(lua, 1))
        return 0;
    return lua_functions_call_replaced(lua);
}

/* Those that read theirs, and give nothing of it but keys and values. */
static int reads_first(lua_State *lua)
{
    if (push_real(lua, 1))
        lua_replace(lua, 1);
    return lua_functions_call_replaced(lua);
}

static int matches_pattern(lua_State *lua)
{
    if (lua_type(lua, 2) == LUA_TSTRING && lua_objlen(lua, 2) > PATTERN_SIZE_MAX)
        return luaL_error(lua, "pattern too complex");
    return lua_functions_call_replaced(lua);
}

/* find with plain set takes the second argument as it is. */
static int finds_pattern(lua_State *lua)
{
    return lua_toboolean(lua, 4) ? lua_functions_call_replaced(lua) : matches_pattern(lua);
}

/* The upvalue is `next`. */
static int pairs_of(lua_State *lua)
{
    luaL_checktype(lua, 1, LUA_TTABLE);
    lua_pushvalue(lua, lua_upvalueindex(1));
    lua_pushvalue(lua, 1);
    lua_pushnil(lua);
    return 3;
}

static int metatable_of(lua_State *lua)
{
    if (push_real(lua, 1)) {
        if (lua_getmetatable(lua, -1))
            lua_sandbox_protect(lua);
        else
            lua_pushnil(lua);
        return 1;
    }
    if (lua_type(lua, 1) == LUA_TSTRING) {
        registry_get(lua, &key_strings);
        return 1;
    }
    return lua_functions_call_replaced(lua);
}

/* pcall, which gives the text of an error that redis.call raised, as scripts older than Redis 7 expect. */
static int protected_call(lua_State *lua)
{
    if (lua_gettop(lua) == 0) {
        lua_pushboolean(lua, 0);
        lua_pushliteral(lua, "attempt to call a boolean value");
        return 2;
    }
    if (lua_pcall(lua, lua_gettop(lua) - 1, LUA_MULTRET, 0) == 0) {
        lua_pushboolean(lua, 1);
    } else {
        if (lua_istable(lua, -1)) {
            lua_getfield(lua, -1, "err");
            if (lua_isstring(lua, -1))
                lua_replace(lua, -2);
            else
                lua_pop(lua, 1);
        }
        lua_pushboolean(lua, 0);
    }
    lua_insert(lua, 1);
    return lua_gettop(lua);
}

/* ---- chunks: source only, since compiled code is not verified by anybody ------------------------------------------------- */

struct source {
    const char *data; /* NULL: from the function at stack index 1 */
    size_t size;
    int is_begun;
    int is_held;  /* a piece that the first blank stands before */
    int is_ended; /* the function has said so: the compiler asks again, and runs the function where it must not */
};

/* A piece that the function gives, which stays at stack index 3. Gives 0 where there is none. */
static int call_reader(lua_State *lua, struct source *source)
{
    if (source->is_ended)
        return 0;
    luaL_checkstack(lua, 2, "too many nested functions");
    lua_pushvalue(lua, 1);
    lua_call(lua, 0, 1);
    source->is_ended = lua_isnil(lua, -1);
    if (source->is_ended) {
        lua_pop(lua, 1);
        return 0;
    }
    if (!lua_isstring(lua, -1))
        luaL_error(lua, "reader function must return a string");
    lua_replace(lua, 3);
    return 1;
}

/* A chunk that begins like compiled code gets a blank in front, with which it is source, and wrong. */
static const char *read_source(lua_State *lua, void *context, size_t *size)
{
    struct source *source = context;
    const char *piece = source->data;

    *size = 0;
    if (source->data == NULL) {
        if (!source->is_held && !call_reader(lua, source))
            return NULL;
        piece = lua_tolstring(lua, 3, &source->size);
        source->is_ended = source->size == 0;
    }
    source->is_held = 0;
    if (!source->is_begun && source->size > 0) {
        source->is_begun = 1;
        if (piece[0] == LUA_SIGNATURE[0]) {
            source->is_held = 1;
            *size = 1;
            return " ";
        }
    }
    *size = source->size;
    if (source->data != NULL)
        source->size = 0;
    return piece;
}

/*
 * The compiler makes a string of the name, which ends at its first zero byte, and keeps it nowhere while the reader runs for the first
 * time: here the same string stays on the stack.
 */
static int load_chunk(lua_State *lua, struct source *source, const char *name)
{
    lua_pushstring(lua, name);
    if (lua_load(lua, read_source, source, lua_tostring(lua, -1)) == 0)
        return 1;
    lua_pushnil(lua);
    lua_insert(lua, -2);
    return 2;
}

static int load_string(lua_State *lua)
{
    struct source source = {0};
    const char *data = luaL_checklstring(lua, 1, &source.size);

    source.data = data;
    return load_chunk(lua, &source, luaL_optstring(lua, 2, data));
}

static int load_function(lua_State *lua)
{
    struct source source = {0};
    const char *name = luaL_optstring(lua, 2, "=(load)");

    luaL_checktype(lua, 1, LUA_TFUNCTION);
    lua_settop(lua, 3);
    return load_chunk(lua, &source, name);
}

/* ---- opening ------------------------------------------------------------------------------------------------------------- */

static void replace_in(lua_State *lua, const char *library, const char *const *names, lua_CFunction function)
{
    lua_getglobal(lua, library);
    for (; *names != NULL; names++)
        lua_functions_replace(lua, *names, function);
    lua_pop(lua, 1);
}

static void open_library(lua_State *lua, const char *name, lua_CFunction open)
{
    lua_pushcfunction(lua, open);
    lua_pushstring(lua, name);
    lua_call(lua, 1, 1);
    if (name[0] != '\0' && lua_istable(lua, -1))
        lua_setglobal(lua, name);
    else
        lua_pop(lua, 1);
}

static void open_libraries(lua_State *lua)
{
    open_library(lua, "", luaopen_base);
    open_library(lua, LUA_TABLIBNAME, luaopen_table);
    open_library(lua, LUA_STRLIBNAME, luaopen_string);
    open_library(lua, LUA_MATHLIBNAME, luaopen_math);
    open_library(lua, "cjson", luaopen_cjson);
    open_library(lua, "bit", luaopen_bit);
    open_library(lua, "struct", lua_struct_open);
    open_library(lua, "cmsgpack", lua_msgpack_open);
}

static void replace_functions(lua_State *lua)
{
    static const char *const removed[] = {"dofile", "loadfile", "print", "getfenv", "setfenv", "newproxy", "module", "require"};
    static const char *const base_writers[] = {"rawset", "setmetatable", NULL};
    static const char *const base_readers[] = {"next", "rawget", NULL};
    static const char *const table_writers[] = {"insert", "setn", NULL};
    static const char *const table_arrangers[] = {"remove", "sort", NULL};
    static const char *const table_readers[] = {"foreach", "foreachi", "concat", "getn", "maxn", NULL};
    static const char *const matchers[] = {"match", "gmatch", "gfind", "gsub", NULL};
    static const char *const finder[] = {"find", NULL};

    for (size_t i = 0; i < sizeof(removed) / sizeof(removed[0]); i++) {
        lua_pushnil(lua);
        lua_setglobal(lua, removed[i]);
    }
    replace_in(lua, "_G", base_writers, writes_first);
    replace_in(lua, "_G", base_readers, reads_first);
    replace_in(lua, "table", table_writers, writes_first);
    replace_in(lua, "table", table_arrangers, arranges_first);
    replace_in(lua, "table", table_readers, reads_first);
    replace_in(lua, "string", matchers, matches_pattern);
    replace_in(lua, "string", finder, finds_pattern);
    lua_getglobal(lua, "_G");
    lua_functions_replace(lua, "getmetatable", metatable_of);
    lua_getfield(lua, -1, "next");
    lua_pushcclosure(lua, pairs_of, 1);
    lua_setfield(lua, -2, "pairs");
    lua_pushcfunction(lua, protected_call);
    lua_setfield(lua, -2, "pcall");
    lua_pushcfunction(lua, load_string);
    lua_setfield(lua, -2, "loadstring");
    lua_pushcfunction(lua, load_function);
    lua_setfield(lua, -2, "load");
    lua_pop(lua, 1);
}

/* The library tables give way to protected ones. */
static void protect_libraries(lua_State *lua)
{
    static const char *const names[] = {"table", "string", "math", "coroutine", "cjson", "bit", "struct", "cmsgpack", "redis"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        lua_getglobal(lua, names[i]);
        lua_sandbox_protect(lua);
        lua_setglobal(lua, names[i]);
    }
    /* "text":upper() goes by the metatable of strings to the real library; who asks for the metatable gets one like it. */
    lua_createtable(lua, 0, 1);
    lua_getglobal(lua, "string");
    lua_setfield(lua, -2, "__index");
    lua_sandbox_protect(lua);
    registry_set(lua, &key_strings);
}

int lua_sandbox_open(lua_State *lua)
{
    struct lua_vm *vm = lua_touserdata(lua, 1);

    open_libraries(lua);
    replace_functions(lua);
    lua_functions_open(lua);
    lua_getglobal(lua, "cjson");
    lua_json_guard(lua);
    lua_pop(lua, 1);
    script_api_open(lua, vm->kind == LUA_VM_EVAL);
    protect_libraries(lua);

    lua_pushvalue(lua, LUA_GLOBALSINDEX);
    lua_sandbox_be_strict(lua);
    lua_pushvalue(lua, -1);
    registry_set(lua, &key_globals);
    lua_sandbox_protect(lua);
    lua_pushvalue(lua, -1);
    lua_setglobal(lua, "_G"); /* among the real globals still */
    lua_getmetatable(lua, -1);
    registry_set(lua, &key_outer);
    if (vm->kind == LUA_VM_FUNCTIONS) {
        script_api_push_loading(lua);
        lua_sandbox_be_strict(lua);
        registry_set(lua, &key_loading);
    }
    lua_replace(lua, LUA_GLOBALSINDEX); /* what is compiled from now on sees the protected ones */
    return 0;
}

void lua_sandbox_push_globals(lua_State *lua)
{
    registry_get(lua, &key_globals);
}

void lua_sandbox_while_loading(lua_State *lua, int is_loading)
{
    registry_get(lua, &key_outer);
    registry_get(lua, is_loading ? &key_loading : &key_globals);
    lua_setfield(lua, -2, "__index");
    lua_pop(lua, 1);
}
