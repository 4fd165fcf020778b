/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lua_functions.c - library functions of our own, where the library's own are led astray by their arguments
 *
 *     unpack              counts its results in an int that runs over, and then writes behind the stack
 *     bit.tohex           negates the least integer, and then writes before its buffer
 *     string.rep          repeats an empty string as often as it is told, and sees late that memory does not suffice
 *     coroutine.resume,   give each coroutine a hook of its own with a count of its own: what makes short ones for ever hides the
 *     coroutine.wrap      time, and what was told to end goes on with the next one
 *     xpcall              runs the handler of an error that a hook raised where no hook can end it
 *     math.random,        draw from the process' generator: here from the state's, which gives Redis' sequence
 *     math.randomseed
 */
#include "lua_functions.h"

#include <lauxlib.h>
#include <limits.h>
#include <lualib.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lua_vm.h"
#include "script_run.h"

void lua_functions_replace(lua_State *lua, const char *name, lua_CFunction function)
{
    lua_getfield(lua, -1, name);
    lua_pushcclosure(lua, function, 1);
    lua_setfield(lua, -2, name);
}

int lua_functions_call_replaced(lua_State *lua)
{
    return lua_tocfunction(lua, lua_upvalueindex(1))(lua);
}

/* ---- results and lengths without end ------------------------------------------------------------------------------------- */

static int unpack(lua_State *lua)
{
    int first, last;
    int64_t count;

    luaL_checktype(lua, 1, LUA_TTABLE);
    first = luaL_optint(lua, 2, 1);
    last = lua_isnoneornil(lua, 3) ? (int)lua_objlen(lua, 1) : luaL_checkint(lua, 3);
    if (first > last)
        return 0;
    count = (int64_t)last - first + 1;
    if (count >= INT_MAX || !lua_checkstack(lua, (int)count))
        return luaL_error(lua, "too many results to unpack");
    for (int64_t i = first; i <= last; i++)
        lua_rawgeti(lua, 1, (int)i);
    return (int)count;
}

static int string_rep(lua_State *lua)
{
    const struct lua_vm *vm = lua_vm_of(lua);
    size_t size;
    int count;

    (void)luaL_checklstring(lua, 1, &size);
    count = luaL_checkint(lua, 2);
    if (size == 0 || count <= 0) {
        lua_pushliteral(lua, "");
        return 1;
    }
    if (size > vm->memory_max / (size_t)count) {
        lua_pushliteral(lua, "not enough memory");
        return lua_error(lua);
    }
    return lua_functions_call_replaced(lua);
}

/* ---- bits ----------------------------------------------------------------------------------------------------------------- */

/* A number's bits, as the library takes them: the low word of the nearest integer. */
static uint32_t bits_of(double number)
{
    const double biased = number + 6755399441055744.0; /* 2^52 + 2^51: what is left of the fraction is the integer */
    uint64_t word;

    memcpy(&word, &biased, sizeof(word));
    return (uint32_t)word;
}

/* Minus the digits' number asks for upper case; more than eight are eight. */
static int bit_tohex(lua_State *lua)
{
    if (lua_isnumber(lua, 2) && bits_of(lua_tonumber(lua, 2)) == 0x80000000) {
        lua_pushinteger(lua, -8);
        lua_replace(lua, 2);
    }
    return lua_functions_call_replaced(lua);
}

/* ---- coroutines ----------------------------------------------------------------------------------------------------------- */

/* The hook that ends what runs too long is that of who resumes. The count goes on where it is the same already. */
static void lend_hook(lua_State *lua, lua_State *thread)
{
    const lua_Hook hook = lua_gethook(lua);
    const int mask = lua_gethookmask(lua), count = lua_gethookcount(lua);

    if (lua_gethook(thread) != hook || lua_gethookmask(thread) != mask || lua_gethookcount(thread) != count)
        lua_sethook(thread, hook, mask, count);
}

/*
 * Coroutines that end before their count does must not hide the time: looked at before one runs and behind it. Raises an error where
 * the run has to end, in the coroutine that resumes too, which would go on with the next one otherwise.
 */
static void look_at_time(lua_State *lua)
{
    const lua_Hook hook = lua_gethook(lua);

    if (hook != NULL)
        hook(lua, NULL);
}

static int coroutine_resume(lua_State *lua)
{
    lua_State *thread = lua_tothread(lua, 1);
    int count;

    look_at_time(lua);
    if (thread != NULL)
        lend_hook(lua, thread);
    count = lua_functions_call_replaced(lua);
    look_at_time(lua);
    return count;
}

/* The upvalues are the coroutine, where the replaced function looks for it, and that function. */
static int resume_wrapped(lua_State *lua)
{
    int count;

    look_at_time(lua);
    lend_hook(lua, lua_tothread(lua, lua_upvalueindex(1)));
    count = lua_tocfunction(lua, lua_upvalueindex(2))(lua);
    look_at_time(lua);
    return count;
}

static int coroutine_wrap(lua_State *lua)
{
    (void)lua_functions_call_replaced(lua);
    (void)lua_getupvalue(lua, -1, 1);
    lua_insert(lua, -2);
    lua_pushcclosure(lua, resume_wrapped, 2);
    return 1;
}

/* An error that a hook raises calls the handler where no hook is called: nothing could end it. Its upvalue is the script's handler. */
static int handle_error(lua_State *lua)
{
    const struct script_run *run = lua_vm_of(lua)->run;

    if (run != NULL && run->must_end != SCRIPT_GOES_ON)
        return 1;
    lua_pushvalue(lua, lua_upvalueindex(1));
    lua_insert(lua, 1);
    lua_call(lua, 1, 1);
    return 1;
}

static int call_with_handler(lua_State *lua)
{
    if (lua_gettop(lua) >= 2) {
        lua_pushvalue(lua, 2);
        lua_pushcclosure(lua, handle_error, 1);
        lua_replace(lua, 2);
    }
    return lua_functions_call_replaced(lua);
}

/* ---- random numbers: Redis' sequence ------------------------------------------------------------------------------------- */

static int math_random(lua_State *lua)
{
    struct lua_vm *vm = lua_vm_of(lua);
    lua_Number fraction = (lua_Number)(nrand48(vm->random) % INT32_MAX) / (lua_Number)INT32_MAX;
    int low = 1, high;

    switch (lua_gettop(lua)) {
    case 0:
        lua_pushnumber(lua, fraction);
        return 1;
    case 1:
        high = luaL_checkint(lua, 1);
        luaL_argcheck(lua, low <= high, 1, "interval is empty");
        break;
    case 2:
        low = luaL_checkint(lua, 1);
        high = luaL_checkint(lua, 2);
        luaL_argcheck(lua, low <= high, 2, "interval is empty");
        break;
    default:
        return luaL_error(lua, "wrong number of arguments");
    }
    lua_pushnumber(lua, floor(fraction * ((lua_Number)high - low + 1)) + low);
    return 1;
}

static int math_randomseed(lua_State *lua)
{
    struct lua_vm *vm = lua_vm_of(lua);
    uint32_t seed = (uint32_t)luaL_checkint(lua, 1);

    vm->random[0] = 0x330e;
    vm->random[1] = (unsigned short)(seed & 0xffff);
    vm->random[2] = (unsigned short)(seed >> 16);
    return 0;
}

/* ---- opening ------------------------------------------------------------------------------------------------------------- */

static void set_function(lua_State *lua, const char *name, lua_CFunction function)
{
    lua_pushcfunction(lua, function);
    lua_setfield(lua, -2, name);
}

void lua_functions_open(lua_State *lua)
{
    lua_pushcfunction(lua, unpack);
    lua_setglobal(lua, "unpack");
    lua_getglobal(lua, "_G");
    lua_functions_replace(lua, "xpcall", call_with_handler);
    lua_getglobal(lua, LUA_STRLIBNAME);
    lua_functions_replace(lua, "rep", string_rep);
    lua_getglobal(lua, "bit");
    lua_functions_replace(lua, "tohex", bit_tohex);
    lua_getglobal(lua, LUA_COLIBNAME);
    lua_functions_replace(lua, "resume", coroutine_resume);
    lua_functions_replace(lua, "wrap", coroutine_wrap);
    lua_getglobal(lua, LUA_MATHLIBNAME);
    set_function(lua, "random", math_random);
    set_function(lua, "randomseed", math_randomseed);
    lua_pop(lua, 5);
}
