/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * script_run.c - runs a script or function for a client
 *
 * Commit:  sdb_begin; the script; sdb_commit: a part of the worker's group like any command, no fence of its own. An error in the
 *          script ends it, and what its commands did before stays, as in Redis.
 * Memory:  the run's buffers, for as long as it lasts
 */
#include "script_run.h"

#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "args.h"
#include "client.h"
#include "errors.h"
#include "evict.h"
#include "guards.h"
#include "lua_sandbox.h"
#include "pubsub.h"
#include "script_api.h"
#include "script_busy.h"
#include "script_reply.h"

#define HOOK_INSTRUCTIONS 100000 /* between two looks at the clock: less than a millisecond */
#define ERROR_TEXT_MAX 4096

/* ---- flags -------------------------------------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    uint32_t flag;
} flag_names[] = {{"no-writes", SCRIPT_NO_WRITES},
                  {"allow-oom", SCRIPT_ALLOW_OOM},
                  {"allow-stale", SCRIPT_ALLOW_STALE},
                  {"no-cluster", SCRIPT_NO_CLUSTER},
                  {"allow-cross-slot-keys", SCRIPT_ALLOW_CROSS_SLOT_KEYS}};

uint32_t script_flag(const char *name, size_t size, int is_exact)
{
    for (size_t i = 0; i < sizeof(flag_names) / sizeof(flag_names[0]); i++)
        if (strlen(flag_names[i].name) == size &&
            (is_exact ? memcmp(flag_names[i].name, name, size) : strncasecmp(flag_names[i].name, name, size)) == 0)
            return flag_names[i].flag;
    return 0;
}

const char *script_flag_name(unsigned number, uint32_t *flag)
{
    if (number >= sizeof(flag_names) / sizeof(flag_names[0]))
        return NULL;
    *flag = flag_names[number].flag;
    return flag_names[number].name;
}

/* ---- keys --------------------------------------------------------------------------------------------------------------- */

int script_key_count(struct client *client, const struct request_arg *argv, int argc, int *count, int is_function)
{
    int64_t number;

    if (!args_get_int64(client, &argv[2], &number, is_function ? "Bad number of keys provided" : NULL))
        return 0;
    if (number > argc - 3) {
        reply_error(&client->reply, "Number of keys can't be greater than number of args");
        return 0;
    }
    if (number < 0) {
        reply_error(&client->reply, "Number of keys can't be negative");
        return 0;
    }
    *count = (int)number;
    return 1;
}

int script_keys(const struct request_arg *argv, int argc, int *positions, int max)
{
    int64_t number;
    int count = 0;

    if (!args_parse_int64(argv[2].data, argv[2].size, &number) || number < 0 || number > argc - 3)
        return -1;
    while (count < number && count < max) {
        positions[count] = 3 + count;
        count++;
    }
    return count;
}

/* ---- errors ------------------------------------------------------------------------------------------------------------- */

/* As tostring does. */
static void push_text(lua_State *lua, int index)
{
    if (lua_isstring(lua, index))
        lua_pushvalue(lua, index);
    else if (lua_isboolean(lua, index))
        lua_pushstring(lua, lua_toboolean(lua, index) ? "true" : "false");
    else if (lua_isnil(lua, index))
        lua_pushliteral(lua, "nil");
    else
        lua_pushfstring(lua, "%s: %p", luaL_typename(lua, index), lua_topointer(lua, index));
}

/* Where the error was raised: in the function itself, or, where that is C, in its caller. */
int script_error_handler(lua_State *lua)
{
    lua_Debug where;
    int is_known = lua_getstack(lua, 1, &where) && lua_getinfo(lua, "Sl", &where);

    if (is_known && where.what[0] == 'C')
        is_known = lua_getstack(lua, 2, &where) && lua_getinfo(lua, "Sl", &where);
    if (!lua_istable(lua, 1)) {
        lua_createtable(lua, 0, 3);
        lua_pushliteral(lua, "ERR ");
        push_text(lua, 1);
        lua_concat(lua, 2);
        lua_setfield(lua, -2, "err");
        lua_replace(lua, 1);
    }
    lua_settop(lua, 1);
    if (is_known && luaL_getmetafield(lua, 1, "__newindex") == 0) {
        lua_pushstring(lua, where.source);
        lua_setfield(lua, 1, "source");
        lua_pushinteger(lua, where.currentline);
        lua_setfield(lua, 1, "line");
    }
    lua_settop(lua, 1);
    return 1;
}

/* A text of the error table on top of the stack; "": there is none. Valid while the table is there. */
static const char *error_field(lua_State *lua, const char *field)
{
    const char *text;

    lua_pushstring(lua, field);
    lua_rawget(lua, -2);
    text = lua_isstring(lua, -1) ? lua_tostring(lua, -1) : "";
    lua_pop(lua, 1);
    return text;
}

/* The error is on top of the stack. */
static void reply_to_error(lua_State *lua, struct script_run *run)
{
    struct reply *reply = &run->client->reply;
    const char *message, *source, *line;

    if (!lua_istable(lua, -1)) {
        reply_errorf(reply, "Error running script %s, %.100s", run->call->name,
                     lua_isstring(lua, -1) ? lua_tostring(lua, -1) : "execution failure");
        return;
    }
    message = error_field(lua, "err");
    source = error_field(lua, "source");
    lua_pushliteral(lua, "line");
    lua_rawget(lua, -2);
    line = lua_tostring(lua, -1);
    lua_pushliteral(lua, "-");
    lua_pushstring(lua, message[0] != '\0' ? message : "ERR unknown error");
    if (source[0] != '\0' && line != NULL)
        lua_pushfstring(lua, " script: %s, on %s:%s.", run->call->name, source, line);
    else
        lua_pushliteral(lua, "");
    lua_concat(lua, 3);
    reply_error(reply, lua_tostring(lua, -1));
    lua_pop(lua, 2);
}

/* ---- the time it takes -------------------------------------------------------------------------------------------------- */

static void on_hook(lua_State *lua, lua_Debug *where)
{
    struct script_run *run = lua_vm_of(lua)->run;

    (void)where;
    if (run == NULL)
        return;
    if (run->must_end == SCRIPT_GOES_ON && !run->is_calling)
        script_busy_look(run);
    if (run->must_end == SCRIPT_GOES_ON)
        return;
    /* Where the script catches this error, the next line raises it again. */
    script_run_end_soon(lua);
    script_api_raise(lua, run->must_end == SCRIPT_WAS_KILLED ? "Script killed by user with SCRIPT KILL..." : "the script has to end");
}

void script_run_end_soon(lua_State *lua)
{
    lua_sethook(lua, on_hook, LUA_MASKLINE | LUA_MASKCOUNT, 1);
}

/* ---- running ------------------------------------------------------------------------------------------------------------ */

static void push_strings(lua_State *lua, const struct request_arg *args, int count)
{
    lua_createtable(lua, count, 0);
    for (int i = 0; i < count; i++) {
        lua_pushlstring(lua, args[i].data, args[i].size);
        lua_rawseti(lua, -2, i + 1);
    }
}

/* Scripts find KEYS and ARGV among the globals, functions get them as arguments. Gives how many there are on the stack. */
static int push_arguments(lua_State *lua, const struct script_run *run)
{
    const struct script_call *call = run->call;
    const struct request_arg *keys = call->argv + 3;

    if (run->vm->kind == LUA_VM_FUNCTIONS) {
        push_strings(lua, keys, call->key_count);
        push_strings(lua, keys + call->key_count, call->argc - 3 - call->key_count);
        return 2;
    }
    lua_sandbox_push_globals(lua);
    push_strings(lua, keys, call->key_count);
    lua_setfield(lua, -2, "KEYS");
    push_strings(lua, keys + call->key_count, call->argc - 3 - call->key_count);
    lua_setfield(lua, -2, "ARGV");
    lua_pop(lua, 1);
    return 0;
}

/* A table may hold another many times over: what its reply takes is bounded as what the table itself takes. */
static void write_reply(lua_State *lua, struct script_run *run)
{
    struct reply *reply = &run->client->reply;
    const size_t size_max = reply->size_max, bound = run->mark + run->vm->memory_max;

    if (size_max == 0 || size_max > bound)
        reply->size_max = bound;
    script_reply_write(lua, reply, run->protocol);
    if (reply->size_max != size_max && reply->too_large) {
        reply->failed = reply->too_large = 0;
        reply_truncate(reply, run->mark);
        reply_errorf(reply, "Error running script %s, the reply is larger than lua-memory-limit", run->call->name);
    }
    reply->size_max = size_max;
}

/* For lua_cpcall: everything of a run that may meet the end of memory. */
static int run_protected(lua_State *lua)
{
    struct script_run *run = lua_touserdata(lua, 1);
    int arguments;

    lua_settop(lua, 0);
    lua_pushcfunction(lua, script_error_handler);
    if (!run->call->push(lua, run->call))
        return luaL_error(lua, "the script has gone");
    arguments = push_arguments(lua, run);
    lua_sethook(lua, on_hook, LUA_MASKCOUNT, HOOK_INSTRUCTIONS);
    if (lua_pcall(lua, arguments, 1, 1) != 0) {
        lua_sethook(lua, NULL, 0, 0);
        reply_to_error(lua, run);
    } else {
        lua_sethook(lua, NULL, 0, 0);
        write_reply(lua, run);
    }
    return 0;
}

/* What the script has told the collector is not for those that follow. */
static void renew_collector(struct lua_vm *vm)
{
    (void)lua_gc(vm->lua, LUA_GCSETPAUSE, LUAI_GCPAUSE);
    (void)lua_gc(vm->lua, LUA_GCSETSTEPMUL, LUAI_GCMUL);
    (void)lua_gc(vm->lua, LUA_GCRESTART, 0);
}

static void run_lua(struct script_run *run)
{
    struct lua_vm *vm = run->vm;
    lua_State *lua = vm->lua;
    const size_t size_max = run->client->reply.size_max;

    vm->run = run;
    if (lua_cpcall(lua, run_protected, run) != 0) {
        run->client->reply.size_max = size_max;
        reply_truncate(&run->client->reply, run->mark);
        reply_errorf(&run->client->reply, "Error running script %s, %.100s", run->call->name,
                     lua_isstring(lua, -1) ? lua_tostring(lua, -1) : "execution failure");
        lua_settop(lua, 0);
        (void)lua_gc(lua, LUA_GCCOLLECT, 0);
    }
    lua_sethook(lua, NULL, 0, 0);
    vm->run = NULL;
    renew_collector(vm);
    lua_vm_tell_memory(vm);
}

/* One try: SDB_OK with the reply written, or the error that took everything back. */
static int run_once(struct script_run *run, const struct sdb_slice *keys, size_t count, int everything)
{
    struct client *client = run->client;
    int result;

    run->is_calling = 0;
    run->must_end = SCRIPT_GOES_ON;
    run->protocol = 2;
    result = everything ? sdb_begin_all(client->session) : sdb_begin(client->session, keys, count);
    if (result != SDB_OK)
        return result;
    run_lua(run);
    if (run->must_end == SCRIPT_MET_CONFLICT || run->must_end == SCRIPT_MUST_STOP) {
        sdb_abort(client->session);
        return run->must_end == SCRIPT_MET_CONFLICT ? SDB_ECONFLICT : SDB_OK;
    }
    return sdb_commit(client->session);
}

static void run_whole(struct script_run *run, const struct sdb_slice *keys, size_t count)
{
    struct client *client = run->client;
    const uint32_t database = client->database;
    int is_held = client->worker == NULL || pubsub_is_holding(client->worker), result;
    struct message **messages = client->worker == NULL ? NULL : is_held ? pubsub_mark(client->worker) : pubsub_hold(client->worker);

    result = run_once(run, keys, count, 0);
    if (result == SDB_ECONFLICT && (client->flags & CLIENT_MULTI) == 0) {
        if (messages != NULL)
            pubsub_take_back(client->worker, messages);
        reply_truncate(&client->reply, run->mark);
        client->database = database;
        result = run_once(run, keys, count, 1);
    }
    client->database = database;
    if (result != SDB_OK) {
        if (messages != NULL)
            pubsub_take_back(client->worker, messages);
        command_reply_error_instead(client, run->mark, result);
    }
    if (!is_held)
        pubsub_release(client->worker, messages);
    (void)sdb_select(client->session, database);
}

void script_run(struct client *client, struct lua_vm *vm, const struct script_call *call)
{
    const uint32_t quiet = CLIENT_REPLY_OFF | CLIENT_REPLY_SKIP;
    struct script_run run = {.client = client, .call = call, .vm = vm, .mark = client->reply.size};
    const struct command *last_command = client->last_command;
    uint64_t commands = client->commands;
    uint32_t flags = client->flags & quiet;
    struct args_slices keys;

    if ((call->flags & SCRIPT_COMPATIBLE) == 0 && (call->flags & SCRIPT_NO_WRITES) == 0 && call->read_only) {
        reply_error(&client->reply, "Can not execute a script with write flag using *_ro command.");
        return;
    }
    /* Who says what a script does is asked before it begins. */
    if ((call->flags & (SCRIPT_COMPATIBLE | SCRIPT_NO_WRITES | SCRIPT_ALLOW_OOM)) == 0 && (guards_now() & GUARD_MEMORY) != 0 &&
        !evict_has_room(client->session)) {
        reply_error(&client->reply, "-OOM command not allowed when used memory > 'maxmemory'.");
        return;
    }
    run.read_only = call->read_only || (call->flags & SCRIPT_NO_WRITES) != 0;
    if (args_slices_take(&keys, call->argv + 3, call->key_count) != SDB_OK) {
        command_reply_error(client, SDB_ENOMEM);
        return;
    }
    reply_init(&run.reply);
    client->flags &= ~quiet;
    script_busy_begin(&run);
    run_whole(&run, keys.items, keys.count);
    script_busy_end(&run);
    client->flags |= flags;
    client->last_command = last_command;
    client->commands = commands;
    args_slices_free(&keys);
    reply_free(&run.reply);
    free(run.args);
    free(run.numbers);
}
