/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * script_reply.c - replies as Lua values, and Lua values as replies
 *
 *     reply               Lua                                    Lua                     reply
 *     integer             number                                 number                  integer, cut off
 *     bulk string         string                                 string                  bulk string
 *     array               table                                  table                   array, up to the first nil
 *     status, error       {ok = text}, {err = text}              {ok = t}, {err = t}     status, error
 *     RESP2's nulls       false                                  false                   null
 *     RESP3: null         nil                                    true                    1
 *     boolean             true, false                            (after setresp(3):      booleans)
 *     double              {double = n}                           {double = n}            double
 *     map, set            {map = {k = v}}, {set = {k = true}}    {map = ..}, {set = ..}  map, set
 *     big number          {big_number = text}                    {big_number = t}        big number
 *     verbatim            {verbatim_string = {format, string}}   the same                verbatim string
 */
#include "script_reply.h"

#include <lauxlib.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "script_api.h"

/* ---- replies as Lua values ---------------------------------------------------------------------------------------------- */

struct wire {
    const char *at, *end;
};

/* A line without its end. The reply is the server's own and whole: what is not there reads as an empty line. */
static struct wire take_line(struct wire *wire)
{
    const char *end = memchr(wire->at, '\r', (size_t)(wire->end - wire->at));
    struct wire line = {wire->at, end != NULL ? end : wire->end};

    wire->at = end != NULL && wire->end - end >= 2 ? end + 2 : wire->end;
    return line;
}

static int64_t line_number(const struct wire *line)
{
    char text[32];
    size_t size = (size_t)(line->end - line->at);

    if (size >= sizeof(text))
        return 0;
    memcpy(text, line->at, size);
    text[size] = '\0';
    return strtoll(text, NULL, 10);
}

static double line_double(const struct wire *line)
{
    char text[64];
    size_t size = (size_t)(line->end - line->at);

    if (size >= sizeof(text))
        size = sizeof(text) - 1;
    memcpy(text, line->at, size);
    text[size] = '\0';
    return strtod(text, NULL);
}

/* The bytes of a bulk string, whose size has been read. */
static struct wire take_bytes(struct wire *wire, int64_t size)
{
    size_t left = (size_t)(wire->end - wire->at);
    struct wire bytes = {wire->at, wire->at + ((size_t)size < left ? (size_t)size : left)};

    left -= (size_t)(bytes.end - bytes.at);
    wire->at = bytes.end + (left < 2 ? left : 2);
    return bytes;
}

static void push_field(lua_State *lua, const char *field, const char *data, size_t size)
{
    lua_createtable(lua, 0, 1);
    lua_pushlstring(lua, data, size);
    lua_setfield(lua, -2, field);
}

static void push_value(lua_State *lua, struct wire *wire);

static void push_array(lua_State *lua, struct wire *wire, int64_t count)
{
    lua_createtable(lua, count < 1024 ? (int)count : 1024, 0);
    for (int64_t i = 1; i <= count && wire->at < wire->end; i++) {
        push_value(lua, wire);
        lua_rawseti(lua, -2, (int)i);
    }
}

/* {field = {key = value}}, or {set = {key = true}}. */
static void push_pairs(lua_State *lua, struct wire *wire, int64_t count, int is_map)
{
    lua_createtable(lua, 0, 1);
    lua_newtable(lua);
    for (int64_t i = 0; i < count && wire->at < wire->end; i++) {
        push_value(lua, wire);
        if (is_map)
            push_value(lua, wire);
        else
            lua_pushboolean(lua, 1);
        if (lua_isnil(lua, -2))
            lua_pop(lua, 2);
        else
            lua_settable(lua, -3);
    }
    lua_setfield(lua, -2, is_map ? "map" : "set");
}

static void push_verbatim(lua_State *lua, struct wire *wire, int64_t size)
{
    struct wire bytes = take_bytes(wire, size);
    size_t length = (size_t)(bytes.end - bytes.at);

    lua_createtable(lua, 0, 1);
    lua_createtable(lua, 0, 2);
    lua_pushlstring(lua, length >= 4 ? bytes.at + 4 : bytes.at, length >= 4 ? length - 4 : 0);
    lua_setfield(lua, -2, "string");
    lua_pushlstring(lua, bytes.at, length >= 3 ? 3 : length);
    lua_setfield(lua, -2, "format");
    lua_setfield(lua, -2, "verbatim_string");
}

static void push_value(lua_State *lua, struct wire *wire)
{
    struct wire line = take_line(wire), bytes;
    char type = line.at < line.end ? *line.at++ : '_';
    int64_t number;

    luaL_checkstack(lua, 4, "reply nested too deeply");
    switch (type) {
    case '+':
        push_field(lua, "ok", line.at, (size_t)(line.end - line.at));
        break;
    case '-':
        push_field(lua, "err", line.at, (size_t)(line.end - line.at));
        lua_pushboolean(lua, 1);
        lua_setfield(lua, -2, "ignore_error_stats_update");
        break;
    case ':':
        lua_pushnumber(lua, (lua_Number)line_number(&line));
        break;
    case '#':
        lua_pushboolean(lua, line.at < line.end && *line.at == 't');
        break;
    case ',':
        lua_createtable(lua, 0, 1);
        lua_pushnumber(lua, line_double(&line));
        lua_setfield(lua, -2, "double");
        break;
    case '(':
        push_field(lua, "big_number", line.at, (size_t)(line.end - line.at));
        break;
    case '_':
        lua_pushnil(lua);
        break;
    default:
        number = line_number(&line);
        if (number < 0) {
            lua_pushboolean(lua, 0);
        } else if (type == '$') {
            bytes = take_bytes(wire, number);
            lua_pushlstring(lua, bytes.at, (size_t)(bytes.end - bytes.at));
        } else if (type == '=') {
            push_verbatim(lua, wire, number);
        } else if (type == '%' || type == '~') {
            push_pairs(lua, wire, number, type == '%');
        } else {
            push_array(lua, wire, number);
        }
    }
}

void script_reply_push(lua_State *lua, const char *data, size_t size)
{
    struct wire wire = {data, data + size};

    push_value(lua, &wire);
}

/* ---- Lua values as replies ---------------------------------------------------------------------------------------------- */

/* Pushes a field of the table on top of the stack; where its type is another, pushes nothing and gives 0. */
static int get_field(lua_State *lua, const char *field, int type)
{
    lua_pushstring(lua, field);
    lua_rawget(lua, -2);
    if (lua_type(lua, -1) == type)
        return 1;
    lua_pop(lua, 1);
    return 0;
}

static void write_big_number(lua_State *lua, struct reply *reply)
{
    size_t size;
    const char *text = lua_tolstring(lua, -1, &size);

    if (reply->protocol < 3) {
        char *copy = lua_newuserdata(lua, size);

        for (size_t i = 0; i < size; i++)
            copy[i] = (char)(text[i] == '\r' || text[i] == '\n' ? ' ' : text[i]);
        reply_bulk(reply, copy, size);
        lua_pop(lua, 1);
        return;
    }
    reply_raw(reply, "(", 1);
    for (size_t i = 0; i < size; i++)
        reply_raw(reply, text[i] == '\r' || text[i] == '\n' ? " " : text + i, 1);
    reply_raw(reply, "\r\n", 2);
}

/* {format = .., string = ..} is on top of the stack. Gives 0, and has written nothing, where it is something else. */
static int write_verbatim(lua_State *lua, struct reply *reply)
{
    char format[4] = "   ";
    const char *text;
    size_t size;

    if (!get_field(lua, "format", LUA_TSTRING))
        return 0;
    text = lua_tolstring(lua, -1, &size);
    memcpy(format, text, size < 3 ? size : 3);
    lua_pop(lua, 1);
    if (!get_field(lua, "string", LUA_TSTRING))
        return 0;
    text = lua_tolstring(lua, -1, &size);
    reply_verbatim(reply, text, size, format);
    lua_pop(lua, 1);
    return 1;
}

static size_t count_pairs(lua_State *lua)
{
    size_t count = 0;

    for (lua_pushnil(lua); lua_next(lua, -2) != 0; lua_pop(lua, 1))
        count++;
    return count;
}

/* The map's or set's table is on top of the stack. */
static void write_pairs(lua_State *lua, struct reply *reply, int protocol, int is_map)
{
    size_t count = count_pairs(lua);

    if (is_map)
        reply_map(reply, count);
    else
        reply_set(reply, count);
    for (lua_pushnil(lua); lua_next(lua, -2) != 0;) {
        if (reply->failed) {
            lua_pop(lua, 2);
            return;
        }
        lua_pushvalue(lua, -2);
        script_reply_write(lua, reply, protocol);
        if (is_map)
            script_reply_write(lua, reply, protocol);
        else
            lua_pop(lua, 1);
    }
}

static void write_array(lua_State *lua, struct reply *reply, int protocol)
{
    size_t count = 0;

    for (int is_there = 1; is_there;) {
        lua_rawgeti(lua, -1, (int)count + 1);
        is_there = !lua_isnil(lua, -1);
        count += (size_t)is_there;
        lua_pop(lua, 1);
    }
    reply_array(reply, count);
    for (size_t i = 1; i <= count && !reply->failed; i++) {
        lua_rawgeti(lua, -1, (int)i);
        script_reply_write(lua, reply, protocol);
    }
}

/* {err = text}: the text is on top of the stack, its code is part of it. */
static void write_error(lua_State *lua, struct reply *reply)
{
    lua_pushliteral(lua, "-");
    lua_insert(lua, -2);
    lua_concat(lua, 2);
    reply_error(reply, lua_tostring(lua, -1));
}

static void write_status(lua_State *lua, struct reply *reply)
{
    reply_status(reply, lua_tostring(lua, -1));
}

static void write_table(lua_State *lua, struct reply *reply, int protocol)
{
    if (get_field(lua, "err", LUA_TSTRING)) {
        write_error(lua, reply);
    } else if (get_field(lua, "ok", LUA_TSTRING)) {
        write_status(lua, reply);
    } else if (get_field(lua, "double", LUA_TNUMBER)) {
        reply_double(reply, lua_tonumber(lua, -1));
    } else if (get_field(lua, "big_number", LUA_TSTRING)) {
        write_big_number(lua, reply);
    } else {
        if (get_field(lua, "verbatim_string", LUA_TTABLE)) {
            int is_written = write_verbatim(lua, reply);

            lua_pop(lua, 1);
            if (is_written)
                return;
        }
        if (get_field(lua, "map", LUA_TTABLE)) {
            write_pairs(lua, reply, protocol, 1);
        } else if (get_field(lua, "set", LUA_TTABLE)) {
            write_pairs(lua, reply, protocol, 0);
        } else {
            write_array(lua, reply, protocol);
            return;
        }
    }
    lua_pop(lua, 1);
}

/* What a double is cut off to, as the machine's conversion has it: out of range, the least integer. */
static int64_t to_integer(lua_Number number)
{
    return number >= -9223372036854775808.0 && number < 9223372036854775808.0 ? (int64_t)number : INT64_MIN;
}

void script_reply_write(lua_State *lua, struct reply *reply, int protocol)
{
    size_t size;
    const char *text;

    if (reply->failed) { /* a table that holds itself twice, many times over, has no end that anybody sees */
        lua_pop(lua, 1);
        return;
    }
    if (!lua_checkstack(lua, 6)) {
        reply_error(reply, "reached lua stack limit");
        lua_pop(lua, 1);
        return;
    }
    switch (lua_type(lua, -1)) {
    case LUA_TSTRING:
        text = lua_tolstring(lua, -1, &size);
        reply_bulk(reply, text, size);
        break;
    case LUA_TNUMBER:
        reply_integer(reply, to_integer(lua_tonumber(lua, -1)));
        break;
    case LUA_TBOOLEAN:
        if (protocol >= 3)
            reply_boolean(reply, lua_toboolean(lua, -1));
        else if (lua_toboolean(lua, -1))
            reply_integer(reply, 1);
        else
            reply_null(reply);
        break;
    case LUA_TTABLE:
        write_table(lua, reply, protocol);
        break;
    default:
        reply_null(reply);
    }
    lua_pop(lua, 1);
}
