/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lua_json.c - cjson, with bounds on what it is given
 *
 * The library writes to a buffer whose size is an int, reserves six bytes for each byte of a string, and ends the process, or writes
 * behind the buffer, where that runs over. So a value is measured before: encode walks it in the same order as the library will.
 *
 * Memory:  none; the library's buffer is outside of the state's memory
 */
#include "lua_json.h"

#include <lauxlib.h>
#include <limits.h>
#include <math.h>
#include <stddef.h>

#include "lua_vm.h"

#define TEXT_SIZE_MAX ((1u << 30) - (1u << 16)) /* the buffer doubles, and its size has to stay an int */
#define BYTE_SIZE 6u                            /* of a string's byte, escaped */
#define SCALAR_SIZE 48u                         /* of anything else, with a comma, quotes and a colon */

struct walk {
    lua_State *lua;
    size_t size, size_max;
    double sparse_ratio, sparse_safe; /* how the library tells an array from a map */
};

enum found { FITS, TOO_LARGE, TOO_DEEP };

/* Of a string, or of a number that stands for one. */
static int add(struct walk *walk, size_t size)
{
    if (size > walk->size_max / BYTE_SIZE || walk->size > walk->size_max - size * BYTE_SIZE - SCALAR_SIZE)
        return 0;
    walk->size += size * BYTE_SIZE + SCALAR_SIZE;
    return 1;
}

/* The array's elements that the library writes for the table on top of the stack; 0: it writes a map, or refuses the table. */
static size_t count_elements(const struct walk *walk)
{
    double largest = 0, items = 0;

    for (lua_pushnil(walk->lua); lua_next(walk->lua, -2) != 0; lua_pop(walk->lua, 1)) {
        const double key = lua_type(walk->lua, -2) == LUA_TNUMBER ? lua_tonumber(walk->lua, -2) : 0;

        if (!(key >= 1) || floor(key) != key) {
            lua_pop(walk->lua, 2);
            return 0;
        }
        if (key > largest && key <= INT_MAX)
            largest = key;
        items++;
    }
    if (walk->sparse_ratio > 0 && largest > items * walk->sparse_ratio && largest > walk->sparse_safe)
        return 0;
    return (size_t)largest;
}

static enum found measure(struct walk *walk);

static enum found measure_array(struct walk *walk, size_t count)
{
    enum found found = FITS;

    if (!add(walk, count))
        return TOO_LARGE;
    for (size_t i = 1; i <= count && found == FITS; i++) {
        lua_rawgeti(walk->lua, -1, (int)i);
        found = measure(walk);
        lua_pop(walk->lua, 1);
    }
    return found;
}

static enum found measure_map(struct walk *walk)
{
    enum found found;

    for (lua_pushnil(walk->lua); lua_next(walk->lua, -2) != 0; lua_pop(walk->lua, 1)) {
        const size_t key_size = lua_type(walk->lua, -2) == LUA_TSTRING ? lua_objlen(walk->lua, -2) : 0;

        found = add(walk, key_size) ? measure(walk) : TOO_LARGE;
        if (found != FITS) {
            lua_pop(walk->lua, 2);
            return found;
        }
    }
    return FITS;
}

/* The value on top of the stack, which stays there. */
static enum found measure(struct walk *walk)
{
    lua_State *lua = walk->lua;
    size_t count;

    if (!add(walk, lua_type(lua, -1) == LUA_TSTRING ? lua_objlen(lua, -1) : 0))
        return TOO_LARGE;
    if (lua_type(lua, -1) != LUA_TTABLE)
        return FITS;
    if (!lua_checkstack(lua, 3)) /* here the library gives up as well */
        return TOO_DEEP;
    count = count_elements(walk);
    return count > 0 ? measure_array(walk, count) : measure_map(walk);
}

/* The upvalues are the library's configuration, where the replaced function looks for it, and that function. */
static int call_replaced(lua_State *lua)
{
    return lua_tocfunction(lua, lua_upvalueindex(2))(lua);
}

static int refuse(lua_State *lua)
{
    lua_pushliteral(lua, "not enough memory");
    return lua_error(lua);
}

/* A third upvalue is encode_sparse_array, which gives what it was told. */
static int json_encode(lua_State *lua)
{
    const size_t memory_max = lua_vm_of(lua)->memory_max;
    struct walk walk = {.lua = lua, .size_max = memory_max > TEXT_SIZE_MAX / 8 ? TEXT_SIZE_MAX : memory_max * 8};

    if (lua_gettop(lua) == 1 && !lua_isnoneornil(lua, 1)) {
        lua_pushvalue(lua, lua_upvalueindex(3));
        lua_call(lua, 0, 3);
        walk.sparse_ratio = lua_tonumber(lua, 3);
        walk.sparse_safe = lua_tonumber(lua, 4);
        lua_settop(lua, 1);
        if (measure(&walk) == TOO_LARGE)
            return refuse(lua);
    }
    return call_replaced(lua);
}

static int json_decode(lua_State *lua)
{
    if (lua_type(lua, 1) == LUA_TSTRING && lua_objlen(lua, 1) > TEXT_SIZE_MAX)
        return refuse(lua);
    return call_replaced(lua);
}

/* Makes another table of the same functions. */
static int json_new(lua_State *lua)
{
    const int count = call_replaced(lua);

    lua_json_guard(lua);
    return count;
}

/* Replaces a function by one that has the same configuration, the function, and what is on top of the stack, as upvalues. */
static void replace(lua_State *lua, const char *name, lua_CFunction function)
{
    lua_getfield(lua, -2, name);
    if (lua_getupvalue(lua, -1, 1) == NULL)
        lua_pushnil(lua);
    lua_insert(lua, -3);
    lua_insert(lua, -2);
    lua_pushcclosure(lua, function, 3); /* of the configuration, the function and the third */
    lua_setfield(lua, -2, name);
}

void lua_json_guard(lua_State *lua)
{
    lua_getfield(lua, -1, "encode_sparse_array");
    replace(lua, "encode", json_encode);
    lua_pushnil(lua);
    replace(lua, "decode", json_decode);
    lua_pushnil(lua);
    replace(lua, "new", json_new);
}
