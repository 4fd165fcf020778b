/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lua_struct.c - struct.pack, unpack and size
 *
 * A format is a row of options:
 *     < > =        little, big, native byte order          !n           alignment of up to n bytes (without n: the machine's)
 *     b B h H l L T   integers of 1, 2, 8 and 8 bytes       i In         an integer of 4, or n, bytes (upper case: unsigned)
 *     f d          floating point                           x            a byte of padding
 *     cn           n bytes of a string (c0: all of it; read: as many as the number before it says)
 *     s            a string that ends with a zero byte      blank        nothing
 */
#include "lua_struct.h"

#include <ctype.h>
#include <lauxlib.h>
#include <limits.h>
#include <stdint.h>
#include <string.h>

#define INTEGER_SIZE_MAX 32
#define ALIGNMENT_MAX 8 /* a double's on the machines that there are */

struct format {
    lua_State *lua;
    const char *at;
    int is_big;
    size_t alignment;
};

/* One option, read. */
struct item {
    char option;
    size_t size;    /* of what it stands for; 'c': of the string, 0: as the value says */
    size_t padding; /* before it */
};

static size_t read_number(struct format *format, size_t otherwise)
{
    size_t number = 0;

    if (!isdigit((unsigned char)*format->at))
        return otherwise;
    while (isdigit((unsigned char)*format->at)) {
        size_t digit = (size_t)(*format->at - '0');

        if (number > (INT_MAX - digit) / 10)
            luaL_error(format->lua, "integral size overflow");
        number = number * 10 + digit;
        format->at++;
    }
    return number;
}

static size_t size_of(struct format *format, char option)
{
    size_t size;

    switch (option) {
    case 'B':
    case 'b':
    case 'x':
        return 1;
    case 'H':
    case 'h':
        return sizeof(short);
    case 'L':
    case 'l':
        return sizeof(long);
    case 'T':
        return sizeof(size_t);
    case 'f':
        return sizeof(float);
    case 'd':
        return sizeof(double);
    case 'c':
        return read_number(format, 1);
    case 'i':
    case 'I':
        size = read_number(format, sizeof(int));
        if (size > INTEGER_SIZE_MAX)
            luaL_error(format->lua, "integral size %d is larger than limit of %d", (int)size, INTEGER_SIZE_MAX);
        return size;
    default:
        return 0;
    }
}

/* The options that say how others are meant. */
static void take_control(struct format *format, char option)
{
    switch (option) {
    case ' ':
        break;
    case '>':
        format->is_big = 1;
        break;
    case '<':
        format->is_big = 0;
        break;
    case '!': {
        size_t alignment = read_number(format, ALIGNMENT_MAX);

        if (alignment == 0 || (alignment & (alignment - 1)) != 0)
            luaL_error(format->lua, "alignment %d is not a power of 2", (int)alignment);
        format->alignment = alignment;
        break;
    }
    default: {
        const char text[2] = {option, '\0'};

        lua_pushfstring(format->lua, "invalid format option '%s'", text);
        luaL_argerror(format->lua, 1, lua_tostring(format->lua, -1));
    }
    }
}

/* The next option that stands for bytes at `position`; 0: there is none. */
static int next_item(struct format *format, size_t position, struct item *item)
{
    while (*format->at != '\0') {
        char option = *format->at++;

        item->option = option;
        item->size = size_of(format, option);
        item->padding = 0;
        if (strchr("bBhHlLTiIfdxcs", option) == NULL) {
            take_control(format, option);
            continue;
        }
        if (item->size > 1 && option != 'c') {
            size_t alignment = item->size > format->alignment ? format->alignment : item->size;

            item->padding = (alignment - (position & (alignment - 1))) & (alignment - 1);
        }
        return 1;
    }
    return 0;
}

static int is_little_machine(void)
{
    const uint16_t one = 1;

    return *(const unsigned char *)&one == 1;
}

static void reverse(char *bytes, size_t size)
{
    for (size_t i = 0; i < size / 2; i++) {
        char byte = bytes[i];

        bytes[i] = bytes[size - 1 - i];
        bytes[size - 1 - i] = byte;
    }
}

/* ---- packing ------------------------------------------------------------------------------------------------------------ */

/* Any number has a word, as a machine gives it that converts out of range to the least integer. */
static uint64_t word_of(lua_Number number)
{
    if (number < 0)
        return number >= -9223372036854775808.0 ? (uint64_t)(int64_t)number : (uint64_t)INT64_MIN;
    if (number < 18446744073709551616.0)
        return (uint64_t)number;
    return number != number ? (uint64_t)INT64_MIN : 0;
}

static void put_integer(lua_State *lua, luaL_Buffer *buffer, const struct format *format, int argument, size_t size)
{
    const uint64_t value = word_of(luaL_checknumber(lua, argument));
    char bytes[INTEGER_SIZE_MAX];

    for (size_t i = 0; i < size; i++)
        bytes[format->is_big ? size - 1 - i : i] = (char)(i < 8 ? value >> (8 * i) & 0xff : 0);
    luaL_addlstring(buffer, bytes, size);
}

static void put_float(lua_State *lua, luaL_Buffer *buffer, const struct format *format, int argument, size_t size)
{
    double wide = luaL_checknumber(lua, argument);
    float narrow = (float)wide;
    char bytes[sizeof(double)];

    memcpy(bytes, size == sizeof(float) ? (const void *)&narrow : (const void *)&wide, size);
    if (format->is_big == is_little_machine())
        reverse(bytes, size);
    luaL_addlstring(buffer, bytes, size);
}

/* Gives the bytes that were written. */
static size_t put_string(lua_State *lua, luaL_Buffer *buffer, const struct item *item, int argument)
{
    size_t length, size;
    const char *text = luaL_checklstring(lua, argument, &length);

    size = item->option == 's' || item->size == 0 ? length : item->size;
    luaL_argcheck(lua, length >= size, argument + 1, "string too short");
    luaL_addlstring(buffer, text, size);
    if (item->option == 's') {
        luaL_addchar(buffer, '\0');
        size++;
    }
    return size;
}

static int struct_pack(lua_State *lua)
{
    struct format format = {lua, luaL_checkstring(lua, 1), !is_little_machine(), 1};
    luaL_Buffer buffer;
    struct item item;
    size_t total = 0;
    int argument = 2;

    lua_pushnil(lua); /* separates the arguments from the buffer's pieces */
    luaL_buffinit(lua, &buffer);
    while (next_item(&format, total, &item)) {
        total += item.padding;
        while (item.padding-- > 0)
            luaL_addchar(&buffer, '\0');
        switch (item.option) {
        case 'x':
            luaL_addchar(&buffer, '\0');
            break;
        case 'c':
        case 's':
            item.size = put_string(lua, &buffer, &item, argument++);
            break;
        case 'f':
        case 'd':
            put_float(lua, &buffer, &format, argument++, item.size);
            break;
        default:
            put_integer(lua, &buffer, &format, argument++, item.size);
        }
        total += item.size;
    }
    luaL_pushresult(&buffer);
    return 1;
}

/* ---- unpacking ---------------------------------------------------------------------------------------------------------- */

static lua_Number get_integer(const struct format *format, const char *data, size_t size, int is_signed)
{
    uint64_t value = 0;

    for (size_t i = 0; i < size && i < 8; i++)
        value |= (uint64_t)(unsigned char)data[format->is_big ? size - 1 - i : i] << (8 * i);
    if (!is_signed)
        return (lua_Number)value;
    if (size > 0 && size < 8 && (value >> (8 * size - 1) & 1) != 0)
        value |= ~(uint64_t)0 << (8 * size);
    return (lua_Number)(int64_t)value;
}

static lua_Number get_float(const struct format *format, const char *data, size_t size)
{
    char bytes[sizeof(double)];
    double wide;
    float narrow;

    memcpy(bytes, data, size);
    if (format->is_big == is_little_machine())
        reverse(bytes, size);
    if (size == sizeof(float)) {
        memcpy(&narrow, bytes, size);
        return (lua_Number)narrow;
    }
    memcpy(&wide, bytes, size);
    return wide;
}

static int struct_unpack(lua_State *lua)
{
    struct format format = {lua, luaL_checkstring(lua, 1), !is_little_machine(), 1};
    size_t length, position;
    const char *data = luaL_checklstring(lua, 2, &length);
    lua_Integer first = luaL_optinteger(lua, 3, 1);
    struct item item;
    int count = 0;

    luaL_argcheck(lua, first != 0, 3, "offset must be 1 or greater");
    position = (size_t)first - 1; /* where it is negative, behind every string */
    while (next_item(&format, position, &item)) {
        luaL_argcheck(lua, position <= length && item.padding + item.size <= length - position, 2, "data string too short");
        position += item.padding;
        luaL_checkstack(lua, 2, "too many results");
        switch (item.option) {
        case 'x':
            break;
        case 'c':
            if (item.size == 0) {
                lua_Number wanted;

                if (count == 0 || !lua_isnumber(lua, -1))
                    luaL_error(lua, "format 'c0' needs a previous size");
                wanted = lua_tonumber(lua, -1);
                lua_pop(lua, 1);
                count--;
                luaL_argcheck(lua, wanted >= 0 && wanted <= (lua_Number)(length - position), 2, "data string too short");
                item.size = (size_t)wanted;
            }
            lua_pushlstring(lua, data + position, item.size);
            count++;
            break;
        case 's': {
            const char *end = memchr(data + position, '\0', length - position);

            if (end == NULL)
                luaL_error(lua, "unfinished string in data");
            item.size = (size_t)(end - (data + position)) + 1;
            lua_pushlstring(lua, data + position, item.size - 1);
            count++;
            break;
        }
        case 'f':
        case 'd':
            lua_pushnumber(lua, get_float(&format, data + position, item.size));
            count++;
            break;
        default:
            lua_pushnumber(lua, get_integer(&format, data + position, item.size, islower((unsigned char)item.option) != 0));
            count++;
        }
        position += item.size;
    }
    lua_pushinteger(lua, (lua_Integer)position + 1);
    return count + 1;
}

static int struct_size(lua_State *lua)
{
    struct format format = {lua, luaL_checkstring(lua, 1), !is_little_machine(), 1};
    struct item item;
    size_t total = 0;

    while (next_item(&format, total, &item)) {
        if (item.option == 's')
            luaL_argerror(lua, 1, "option 's' has no fixed size");
        if (item.option == 'c' && item.size == 0)
            luaL_argerror(lua, 1, "option 'c0' has no fixed size");
        luaL_argcheck(lua, item.padding + item.size <= INT_MAX - total, 1, "format result too large");
        total += item.padding + item.size;
    }
    lua_pushinteger(lua, (lua_Integer)total);
    return 1;
}

int lua_struct_open(lua_State *lua)
{
    lua_createtable(lua, 0, 3);
    lua_pushcfunction(lua, struct_pack);
    lua_setfield(lua, -2, "pack");
    lua_pushcfunction(lua, struct_unpack);
    lua_setfield(lua, -2, "unpack");
    lua_pushcfunction(lua, struct_size);
    lua_setfield(lua, -2, "size");
    return 1;
}
