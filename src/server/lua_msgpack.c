/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lua_msgpack.c - cmsgpack.pack, unpack, unpack_one and unpack_limit, byte for byte what Redis' scripts get
 *
 * A number that is an integer is written as the shortest integer, any other as a float where that loses nothing. A table whose
 * keys are 1 to n is an array, any other a map. What is nested deeper than PACK_DEPTH_MAX, and what MessagePack has no type for, is nil.
 *
 * Memory:  the output is a userdata of the state's, which grows twofold: an error leaves nothing behind
 */
#include "lua_msgpack.h"

#include <lauxlib.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

#define PACK_DEPTH_MAX 16
#define UNPACK_DEPTH_MAX 1000 /* of input that nests itself: bounds the C stack */

/* ---- packing ------------------------------------------------------------------------------------------------------------ */

struct output {
    lua_State *lua;
    int slot; /* of the stack, where the buffer is */
    char *data;
    size_t size, capacity;
};

static void put(struct output *output, const void *data, size_t size)
{
    if (output->capacity - output->size < size) {
        size_t capacity = output->capacity * 2 + size;
        char *larger = lua_newuserdata(output->lua, capacity);

        memcpy(larger, output->data, output->size);
        lua_replace(output->lua, output->slot);
        output->data = larger;
        output->capacity = capacity;
    }
    memcpy(output->data + output->size, data, size);
    output->size += size;
}

/* A type byte, and the low bytes of a word, the highest first. */
static void put_word(struct output *output, unsigned type, uint64_t word, unsigned bytes)
{
    unsigned char text[9];

    text[0] = (unsigned char)type;
    for (unsigned i = 0; i < bytes; i++)
        text[1 + i] = (unsigned char)(word >> (8 * (bytes - 1 - i)));
    put(output, text, 1 + bytes);
}

static void pack_integer(struct output *output, int64_t value)
{
    if (value >= 0) {
        if (value <= 0x7f)
            put_word(output, (unsigned)value, 0, 0);
        else if (value <= 0xff)
            put_word(output, 0xcc, (uint64_t)value, 1);
        else if (value <= 0xffff)
            put_word(output, 0xcd, (uint64_t)value, 2);
        else if (value <= 0xffffffff)
            put_word(output, 0xce, (uint64_t)value, 4);
        else
            put_word(output, 0xcf, (uint64_t)value, 8);
    } else if (value >= -32) {
        put_word(output, (unsigned)(value & 0xff), 0, 0);
    } else if (value >= -128) {
        put_word(output, 0xd0, (uint64_t)value, 1);
    } else if (value >= -32768) {
        put_word(output, 0xd1, (uint64_t)value, 2);
    } else if (value >= INT32_MIN) {
        put_word(output, 0xd2, (uint64_t)value, 4);
    } else {
        put_word(output, 0xd3, (uint64_t)value, 8);
    }
}

static void pack_number(struct output *output, lua_Number number)
{
    float narrow = (float)number;
    uint32_t word32;
    uint64_t word64;

    if (number >= -9223372036854775808.0 && number < 9223372036854775808.0 && floor(number) == number) {
        pack_integer(output, (int64_t)number);
    } else if ((double)narrow == number) {
        memcpy(&word32, &narrow, sizeof(word32));
        put_word(output, 0xca, word32, 4);
    } else {
        memcpy(&word64, &number, sizeof(word64));
        put_word(output, 0xcb, word64, 8);
    }
}

static void pack_string(struct output *output, const char *data, size_t size)
{
    if (size < 32)
        put_word(output, 0xa0 | (unsigned)size, 0, 0);
    else if (size <= 0xff)
        put_word(output, 0xd9, size, 1);
    else if (size <= 0xffff)
        put_word(output, 0xda, size, 2);
    else
        put_word(output, 0xdb, size, 4);
    put(output, data, size);
}

/* How many pairs the table on top of the stack has; *is_array: their keys are 1 to that number. */
static size_t count_pairs(lua_State *lua, int *is_array)
{
    size_t count = 0, largest = 0;

    *is_array = 1;
    for (lua_pushnil(lua); lua_next(lua, -2) != 0; lua_pop(lua, 1)) {
        lua_Number key = lua_type(lua, -2) == LUA_TNUMBER ? lua_tonumber(lua, -2) : 0;

        count++;
        if (!(key > 0 && key < 9e15) || floor(key) != key)
            *is_array = 0;
        else if ((size_t)key > largest)
            largest = (size_t)key;
    }
    *is_array = *is_array && largest == count;
    return count;
}

static void pack_header(struct output *output, size_t count, unsigned small, unsigned type16)
{
    if (count <= 15)
        put_word(output, small | (unsigned)count, 0, 0);
    else if (count <= 0xffff)
        put_word(output, type16, count, 2);
    else
        put_word(output, type16 + 1, count, 4);
}

static void pack_top(struct output *output, int depth);

static void pack_table(struct output *output, int depth)
{
    lua_State *lua = output->lua;
    int is_array;
    size_t count = count_pairs(lua, &is_array);

    if (is_array) {
        pack_header(output, count, 0x90, 0xdc);
        for (size_t i = 1; i <= count; i++) {
            lua_rawgeti(lua, -1, (int)i);
            pack_top(output, depth + 1);
        }
        return;
    }
    pack_header(output, count, 0x80, 0xde);
    for (lua_pushnil(lua); lua_next(lua, -2) != 0;) {
        lua_pushvalue(lua, -2);
        pack_top(output, depth + 1);
        pack_top(output, depth + 1);
    }
}

/* Takes the value from the top of the stack. */
static void pack_top(struct output *output, int depth)
{
    lua_State *lua = output->lua;
    int type = lua_type(lua, -1);
    size_t size;

    luaL_checkstack(lua, 6, "in function pack");
    if (type == LUA_TTABLE && depth == PACK_DEPTH_MAX)
        type = LUA_TNIL;
    switch (type) {
    case LUA_TSTRING: {
        const char *data = lua_tolstring(lua, -1, &size);

        pack_string(output, data, size);
        break;
    }
    case LUA_TBOOLEAN:
        put_word(output, lua_toboolean(lua, -1) ? 0xc3 : 0xc2, 0, 0);
        break;
    case LUA_TNUMBER:
        pack_number(output, lua_tonumber(lua, -1));
        break;
    case LUA_TTABLE:
        pack_table(output, depth);
        break;
    default:
        put_word(output, 0xc0, 0, 0);
        break;
    }
    lua_pop(lua, 1);
}

static int pack(lua_State *lua)
{
    int count = lua_gettop(lua);
    struct output output = {.lua = lua, .slot = count + 1, .capacity = 64};

    if (count == 0)
        return luaL_argerror(lua, 0, "MessagePack pack needs input.");
    luaL_checkstack(lua, count + 6, "Too many arguments for MessagePack pack.");
    output.data = lua_newuserdata(lua, output.capacity);
    for (int i = 1; i <= count; i++) {
        lua_pushvalue(lua, i);
        pack_top(&output, 0);
    }
    lua_pushlstring(lua, output.data, output.size);
    return 1;
}

/* ---- unpacking ---------------------------------------------------------------------------------------------------------- */

struct input {
    lua_State *lua;
    const unsigned char *at;
    size_t left;
};

static void need(struct input *input, size_t size)
{
    if (input->left < size)
        luaL_error(input->lua, "Missing bytes in input.");
}

static uint64_t take_word(struct input *input, unsigned bytes)
{
    uint64_t word = 0;

    need(input, bytes);
    for (unsigned i = 0; i < bytes; i++)
        word = word << 8 | input->at[i];
    input->at += bytes;
    input->left -= bytes;
    return word;
}

static void take_string(struct input *input, size_t size)
{
    need(input, size);
    lua_pushlstring(input->lua, (const char *)input->at, size);
    input->at += size;
    input->left -= size;
}

static void unpack_value(struct input *input, int depth);

static void unpack_array(struct input *input, size_t count, int depth)
{
    lua_newtable(input->lua);
    for (size_t i = 1; i <= count; i++) {
        lua_pushnumber(input->lua, (lua_Number)i);
        unpack_value(input, depth + 1);
        lua_settable(input->lua, -3);
    }
}

static void unpack_map(struct input *input, size_t count, int depth)
{
    lua_newtable(input->lua);
    for (size_t i = 0; i < count; i++) {
        unpack_value(input, depth + 1);
        unpack_value(input, depth + 1);
        lua_settable(input->lua, -3);
    }
}

static void unpack_float(struct input *input, unsigned bytes)
{
    uint64_t word = take_word(input, bytes);
    uint32_t word32 = (uint32_t)word;
    double wide;
    float narrow;

    memcpy(&narrow, &word32, sizeof(narrow));
    memcpy(&wide, &word, sizeof(wide));
    lua_pushnumber(input->lua, bytes == 4 ? (double)narrow : wide);
}

/* Those whose type byte says all about the type. Gives 0 for the others. */
static int unpack_fixed(struct input *input, unsigned type, int depth)
{
    if (type < 0x80)
        lua_pushnumber(input->lua, type);
    else if (type >= 0xe0)
        lua_pushnumber(input->lua, (lua_Number)type - 256);
    else if (type < 0x90)
        unpack_map(input, type & 0xf, depth);
    else if (type < 0xa0)
        unpack_array(input, type & 0xf, depth);
    else if (type < 0xc0)
        take_string(input, type & 0x1f);
    else
        return 0;
    return 1;
}

static void unpack_value(struct input *input, int depth)
{
    lua_State *lua = input->lua;
    unsigned type;

    if (depth > UNPACK_DEPTH_MAX)
        luaL_error(lua, "Bad data format in input.");
    luaL_checkstack(lua, 4, "too many return values at once; use unpack_one or unpack_limit instead.");
    type = (unsigned)take_word(input, 1);
    if (unpack_fixed(input, type, depth))
        return;
    switch (type) {
    case 0xc0:
        lua_pushnil(lua);
        break;
    case 0xc2:
    case 0xc3:
        lua_pushboolean(lua, type == 0xc3);
        break;
    case 0xca:
    case 0xcb:
        unpack_float(input, type == 0xca ? 4 : 8);
        break;
    case 0xcc:
    case 0xcd:
    case 0xce:
    case 0xcf:
        lua_pushnumber(lua, (lua_Number)(int64_t)take_word(input, 1u << (type - 0xcc)));
        break;
    case 0xd0:
        lua_pushnumber(lua, (int8_t)take_word(input, 1));
        break;
    case 0xd1:
        lua_pushnumber(lua, (int16_t)take_word(input, 2));
        break;
    case 0xd2:
        lua_pushnumber(lua, (int32_t)take_word(input, 4));
        break;
    case 0xd3:
        lua_pushnumber(lua, (lua_Number)(int64_t)take_word(input, 8));
        break;
    case 0xd9:
    case 0xda:
    case 0xdb:
        take_string(input, (size_t)take_word(input, 1u << (type - 0xd9)));
        break;
    case 0xdc:
    case 0xdd:
        unpack_array(input, (size_t)take_word(input, type == 0xdc ? 2 : 4), depth);
        break;
    case 0xde:
    case 0xdf:
        unpack_map(input, (size_t)take_word(input, type == 0xde ? 2 : 4), depth);
        break;
    default:
        luaL_error(lua, "Bad data format in input.");
    }
}

/* limit 0: all values. With a limit, what comes first is where the rest begins, or -1 where there is none. */
static int unpack_some(lua_State *lua, lua_Integer limit, lua_Integer offset)
{
    size_t size;
    const char *data = luaL_checklstring(lua, 1, &size);
    struct input input = {lua, (const unsigned char *)data, size};
    int everything = limit == 0 && offset == 0, count = 0;

    if (offset < 0 || limit < 0)
        return luaL_error(lua, "Invalid request to unpack with offset of %d and limit of %d.", (int)offset, (int)size);
    if ((size_t)offset > size)
        return luaL_error(lua, "Start offset %d greater than input length %d.", (int)offset, (int)size);
    input.at += offset;
    input.left -= (size_t)offset;
    if (everything)
        limit = INT32_MAX;
    while (input.left > 0 && count < limit) {
        unpack_value(&input, 0);
        count++;
    }
    if (everything)
        return count;
    luaL_checkstack(lua, 1, "too many return values at once; use unpack_one or unpack_limit instead.");
    lua_pushinteger(lua, input.left == 0 ? -1 : (lua_Integer)(size - input.left));
    lua_insert(lua, -(count + 1));
    return count + 1;
}

static int unpack(lua_State *lua)
{
    return unpack_some(lua, 0, 0);
}

static int unpack_one(lua_State *lua)
{
    lua_Integer offset = luaL_optinteger(lua, 2, 0);

    lua_settop(lua, 1);
    return unpack_some(lua, 1, offset);
}

static int unpack_limit(lua_State *lua)
{
    lua_Integer limit = luaL_checkinteger(lua, 2), offset = luaL_optinteger(lua, 3, 0);

    lua_settop(lua, 1);
    return unpack_some(lua, limit, offset);
}

int lua_msgpack_open(lua_State *lua)
{
    static const luaL_Reg functions[] = {
        {"pack", pack}, {"unpack", unpack}, {"unpack_one", unpack_one}, {"unpack_limit", unpack_limit}, {NULL, NULL}};

    lua_newtable(lua);
    for (const luaL_Reg *function = functions; function->name != NULL; function++) {
        lua_pushcfunction(lua, function->func);
        lua_setfield(lua, -2, function->name);
    }
    lua_pushliteral(lua, "cmsgpack");
    lua_setfield(lua, -2, "_NAME");
    lua_pushliteral(lua, "lua-cmsgpack 0.4.0"); /* whose functions these are */
    lua_setfield(lua, -2, "_VERSION");
    lua_pushliteral(lua, "Copyright (C) 2012, Salvatore Sanfilippo");
    lua_setfield(lua, -2, "_COPYRIGHT");
    lua_pushliteral(lua, "MessagePack C implementation for Lua");
    lua_setfield(lua, -2, "_DESCRIPTION");
    return 1;
}
