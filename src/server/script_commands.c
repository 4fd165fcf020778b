/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * script_commands.c - EVAL and its kin, and SCRIPT
 *
 * A script is compiled once by each thread that runs it, and kept by its digest until SCRIPT FLUSH.
 */
#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "args.h"
#include "client.h"
#include "command.h"
#include "command_help.h"
#include "errors.h"
#include "lua_vm.h"
#include "script_busy.h"
#include "script_cache.h"
#include "script_commands.h"
#include "script_run.h"

#define COMPILE_ERROR_MAX 512

static _Thread_local struct lua_vm *thread_vm;
static const char key_compiled; /* registry: a table of functions by digest */

/* ---- the thread's Lua state --------------------------------------------------------------------------------------------- */

void script_leave(void)
{
    lua_vm_close(thread_vm);
    thread_vm = NULL;
}

/* The state; a new one where what it has compiled was flushed. NULL: out of memory. */
static struct lua_vm *get_vm(void)
{
    uint64_t epoch = script_cache_epoch();

    if (thread_vm != NULL && thread_vm->epoch != epoch)
        script_leave();
    if (thread_vm == NULL) {
        thread_vm = lua_vm_open(LUA_VM_EVAL);
        if (thread_vm != NULL)
            thread_vm->epoch = epoch;
    }
    return thread_vm;
}

/* Compiled scripts must not fill the memory that running ones need. */
static void limit_memory(void)
{
    if (thread_vm->memory > thread_vm->memory_max / 2)
        (void)lua_gc(thread_vm->lua, LUA_GCCOLLECT, 0);
    if (thread_vm->memory > thread_vm->memory_max / 2)
        script_leave();
}

/* ---- compiling ---------------------------------------------------------------------------------------------------------- */

struct body {
    const char *digest;
    const char *source;
    size_t size;
    int held; /* a blank stands before what begins like compiled code: source is taken only */
    char *error; /* COMPILE_ERROR_MAX */
};

static const char *read_body(lua_State *lua, void *context, size_t *size)
{
    struct body *body = context;

    (void)lua;
    if (body->held) {
        body->held = 0;
        *size = 1;
        return " ";
    }
    *size = body->size;
    body->size = 0;
    return *size != 0 ? body->source : NULL;
}

static void push_compiled(lua_State *lua)
{
    lua_pushlightuserdata(lua, (void *)(uintptr_t)&key_compiled);
    lua_rawget(lua, LUA_REGISTRYINDEX);
    if (!lua_isnil(lua, -1))
        return;
    lua_pop(lua, 1);
    lua_newtable(lua);
    lua_pushlightuserdata(lua, (void *)(uintptr_t)&key_compiled);
    lua_pushvalue(lua, -2);
    lua_rawset(lua, LUA_REGISTRYINDEX);
}

/* For lua_cpcall: leaves the function in the table. An error in the source is written to body->error. */
static int compile(lua_State *lua)
{
    struct body *body = lua_touserdata(lua, 1);

    body->held = body->size > 0 && body->source[0] == LUA_SIGNATURE[0];
    if (lua_load(lua, read_body, body, "@user_script") != 0) {
        (void)snprintf(body->error, COMPILE_ERROR_MAX, "%s", lua_tostring(lua, -1));
        return 0;
    }
    push_compiled(lua);
    lua_insert(lua, -2);
    lua_setfield(lua, -2, body->digest);
    return 0;
}

/* 1, or 0 with the reason in error. */
static int compile_script(struct lua_vm *vm, const char *digest, const char *source, size_t size, char error[COMPILE_ERROR_MAX])
{
    struct body body = {.digest = digest, .source = source, .size = size, .error = error};

    error[0] = '\0';
    if (lua_cpcall(vm->lua, compile, &body) != 0) {
        (void)snprintf(error, COMPILE_ERROR_MAX, "%s", lua_isstring(vm->lua, -1) ? lua_tostring(vm->lua, -1) : "out of memory");
        lua_settop(vm->lua, 0);
    }
    return error[0] == '\0';
}

/* For struct script_call: the context is the digest. Compiles what another thread has taken in. */
static int push_script(lua_State *lua, const struct script_call *call)
{
    const char *digest = call->context;
    char error[COMPILE_ERROR_MAX];
    size_t size = 0;
    char *source;
    int compiled;

    push_compiled(lua);
    lua_getfield(lua, -1, digest);
    lua_remove(lua, -2);
    if (lua_isfunction(lua, -1))
        return 1;
    lua_pop(lua, 1);
    source = script_cache_source(digest, &size);
    if (source == NULL)
        return 0;
    compiled = compile_script(lua_vm_of(lua), digest, source, size, error);
    free(source);
    if (!compiled)
        return 0;
    push_compiled(lua);
    lua_getfield(lua, -1, digest);
    lua_remove(lua, -2);
    return 1;
}

/* ---- the first line ----------------------------------------------------------------------------------------------------- */

static int take_flags(struct client *client, const char *at, const char *end, uint32_t *flags)
{
    const char *comma = at;

    if (at == end)
        return 1;
    while (comma != NULL) {
        comma = memchr(at, ',', (size_t)(end - at));
        const char *stop = comma != NULL ? comma : end;
        uint32_t flag = script_flag(at, (size_t)(stop - at), 1);

        if (flag == 0) {
            reply_errorf(&client->reply, "Unexpected flag in script shebang: %.*s", (int)(stop - at), at);
            return 0;
        }
        *flags |= flag;
        at = stop + 1;
    }
    return 1;
}

/* Reads "#!lua flags=no-writes,allow-oom": *flags, and how much of the source it is. 0 after an error reply. */
static int read_shebang(struct client *client, const struct request_arg *source, uint32_t *flags, size_t *skip)
{
    const char *at = source->data, *end;
    int is_engine = 1;

    *flags = SCRIPT_COMPATIBLE;
    *skip = 0;
    if (source->size < 2 || memcmp(at, "#!", 2) != 0)
        return 1;
    end = memchr(at, '\n', source->size);
    if (end == NULL) {
        reply_error(&client->reply, "Invalid script shebang");
        return 0;
    }
    *skip = (size_t)(end - at);
    *flags = 0;
    while (at < end) {
        const char *blank = memchr(at, ' ', (size_t)(end - at));
        const char *stop = blank != NULL ? blank : end;
        int size = (int)(stop - at);

        if (is_engine && (size != 5 || memcmp(at, "#!lua", 5) != 0)) {
            reply_errorf(&client->reply, "Unexpected engine in script shebang: %.*s", size, at);
            return 0;
        }
        if (!is_engine && size >= 6 && memcmp(at, "flags=", 6) == 0) {
            if (!take_flags(client, at + 6, stop, flags))
                return 0;
        } else if (!is_engine && size > 0) {
            reply_errorf(&client->reply, "Unknown lua shebang option: %.*s", size, at);
            return 0;
        }
        is_engine = 0;
        at = blank != NULL ? blank + 1 : end;
    }
    return 1;
}

/* Compiles a script that is not there yet and takes it in; 0 after an error reply. */
static int take_script(struct client *client, struct lua_vm *vm, const char *digest, const struct request_arg *source,
                       struct script_facts *facts)
{
    char error[COMPILE_ERROR_MAX];
    size_t skip;

    if (!read_shebang(client, source, &facts->flags, &skip))
        return 0;
    if (!compile_script(vm, digest, source->data + skip, source->size - skip, error)) {
        reply_errorf(&client->reply, "Error compiling script (new function): %s", error);
        return 0;
    }
    if (script_cache_add(digest, source->data + skip, source->size - skip, facts->flags))
        return 1;
    command_reply_error(client, SDB_ENOMEM);
    return 0;
}

/* ---- EVAL --------------------------------------------------------------------------------------------------------------- */

static void run_digest(struct client *client, struct lua_vm *vm, const char *digest, const struct script_facts *facts, int read_only,
                       const struct request_arg *argv, int argc, int key_count)
{
    struct script_call call = {.name = digest,
                               .flags = facts->flags,
                               .read_only = read_only,
                               .argv = argv,
                               .argc = argc,
                               .key_count = key_count,
                               .push = push_script,
                               .context = digest};

    script_run(client, vm, &call);
    limit_memory();
}

static void eval_source(struct client *client, const struct request_arg *argv, int argc, int read_only)
{
    char digest[SHA1_HEX_SIZE];
    struct script_facts facts;
    struct lua_vm *vm;
    int key_count;

    if (!script_key_count(client, argv, argc, &key_count, 0))
        return;
    vm = get_vm();
    if (vm == NULL) {
        command_reply_error(client, SDB_ENOMEM);
        return;
    }
    sha1_hex(argv[1].data, argv[1].size, digest);
    if (script_cache_find(digest, &facts) || take_script(client, vm, digest, &argv[1], &facts))
        run_digest(client, vm, digest, &facts, read_only, argv, argc, key_count);
}

static void lower_digest(const struct request_arg *arg, char digest[SHA1_HEX_SIZE])
{
    for (size_t i = 0; i < SHA1_HEX_SIZE - 1; i++)
        digest[i] = (char)(arg->data[i] >= 'A' && arg->data[i] <= 'Z' ? arg->data[i] + ('a' - 'A') : arg->data[i]);
    digest[SHA1_HEX_SIZE - 1] = '\0';
}

static void eval_digest(struct client *client, const struct request_arg *argv, int argc, int read_only)
{
    static const char missing[] = "-NOSCRIPT No matching script. Please use EVAL.";
    char digest[SHA1_HEX_SIZE];
    struct script_facts facts;
    struct lua_vm *vm;
    int key_count;

    if (argv[1].size != SHA1_HEX_SIZE - 1) {
        reply_error(&client->reply, missing);
        return;
    }
    if (!script_key_count(client, argv, argc, &key_count, 0))
        return;
    lower_digest(&argv[1], digest);
    vm = get_vm();
    if (!script_cache_find(digest, &facts))
        reply_error(&client->reply, missing);
    else if (vm == NULL)
        command_reply_error(client, SDB_ENOMEM);
    else
        run_digest(client, vm, digest, &facts, read_only, argv, argc, key_count);
}

static void eval_command(struct client *client, const struct request_arg *argv, int argc)
{
    eval_source(client, argv, argc, 0);
}

static void eval_ro_command(struct client *client, const struct request_arg *argv, int argc)
{
    eval_source(client, argv, argc, 1);
}

static void evalsha_command(struct client *client, const struct request_arg *argv, int argc)
{
    eval_digest(client, argv, argc, 0);
}

static void evalsha_ro_command(struct client *client, const struct request_arg *argv, int argc)
{
    eval_digest(client, argv, argc, 1);
}

/* ---- SCRIPT ------------------------------------------------------------------------------------------------------------- */

static void script_load(struct client *client, const struct request_arg *argv, int argc)
{
    char digest[SHA1_HEX_SIZE];
    struct script_facts facts;
    struct lua_vm *vm = get_vm();

    (void)argc;
    if (vm == NULL) {
        command_reply_error(client, SDB_ENOMEM);
        return;
    }
    sha1_hex(argv[2].data, argv[2].size, digest);
    if (script_cache_find(digest, &facts) || take_script(client, vm, digest, &argv[2], &facts))
        reply_bulk_text(&client->reply, digest);
    limit_memory();
}

static void script_exists(struct client *client, const struct request_arg *argv, int argc)
{
    reply_array(&client->reply, (size_t)argc - 2);
    for (int i = 2; i < argc; i++) {
        char digest[SHA1_HEX_SIZE];
        struct script_facts facts;
        int exists = 0;

        if (argv[i].size == SHA1_HEX_SIZE - 1) {
            lower_digest(&argv[i], digest);
            exists = script_cache_find(digest, &facts);
        }
        reply_integer(&client->reply, exists);
    }
}

static void script_flush(struct client *client, const struct request_arg *argv, int argc)
{
    if (argc > 3 || (argc == 3 && !args_is(&argv[2], "sync") && !args_is(&argv[2], "async"))) {
        reply_error(&client->reply, "SCRIPT FLUSH only support SYNC|ASYNC option");
        return;
    }
    script_cache_flush();
    reply_ok(&client->reply);
}

static void script_debug(struct client *client, const struct request_arg *argv, int argc)
{
    (void)argc;
    if (args_is(&argv[2], "no"))
        reply_ok(&client->reply);
    else if (args_is(&argv[2], "yes") || args_is(&argv[2], "sync"))
        reply_error(&client->reply, "there is no script debugger");
    else
        reply_error(&client->reply, "Use SCRIPT DEBUG YES/SYNC/NO");
}

static void script_kill(struct client *client, const struct request_arg *argv, int argc)
{
    (void)argv;
    (void)argc;
    script_busy_kill(client, LUA_VM_EVAL);
}

/* ---- rows --------------------------------------------------------------------------------------------------------------- */

#define RUN_FLAGS                                                                                                      \
    (COMMAND_NOSCRIPT | COMMAND_STALE | COMMAND_SKIP_MONITOR | COMMAND_NO_MANDATORY_KEYS | COMMAND_MOVABLEKEYS)
#define CATEGORIES "@slow @scripting"
#define DEPENDS "Depends on the script that is executed."
#define ROW(text, first, cost, arguments, count, bits, function)                                                       \
    .name = text, .since = first, .group = "scripting", .complexity = cost, .syntax = arguments, .arity = count,       \
    .flags = bits, .acl_categories = CATEGORIES, .handler = function
#define ATOMIC                                                                                                         \
    "What it does is there after a crash as a whole or not at all. Each thread of the server runs scripts in a Lua state of its own, "  \
    "with at most lua-memory-limit bytes"

static const struct command script_subcommands[] = {
    {ROW("debug", "3.2.0", "O(1)", "<YES | SYNC | NO>", 3, COMMAND_NOSCRIPT, script_debug),
     .summary = "Says whether scripts are debugged",
     .difference = "There is no debugger: YES and SYNC are refused"},
    {ROW("exists", "2.6.0", "O(N) with N being the number of scripts to check (so checking a single script is an O(1) operation).",
         "sha1 [sha1 ...]", -3, COMMAND_NOSCRIPT, script_exists),
     .summary = "Says which of the scripts are there"},
    {ROW("flush", "2.6.0", "O(N) with N being the number of scripts in cache", "[ASYNC | SYNC]", -2, COMMAND_NOSCRIPT, script_flush),
     .summary = "Forgets all scripts"},
    {ROW("help", "5.0.0", "O(1)", NULL, 2, COMMAND_LOADING | COMMAND_STALE, command_help), .summary = "Lists the subcommands"},
    {ROW("kill", "2.6.0", "O(1)", NULL, 2, COMMAND_NOSCRIPT | COMMAND_ALLOW_BUSY, script_kill),
     .summary = "Ends the script that is running too long and has written nothing",
     .difference = "Threads run scripts side by side: every such script is ended. The clients of the thread that runs it wait and cannot send this; "
                   "who connects once it is over its time can, with one thread, too. SIGTERM ends it as well, and takes back what it did"},
    {ROW("load", "2.6.0", "O(N) with N being the length in bytes of the script body.", "script", 3, COMMAND_NOSCRIPT | COMMAND_STALE,
         script_load),
     .summary = "Takes a script in without running it, and gives its digest"},
    {.name = NULL},
};

const struct command script_commands[] = {
    {ROW("eval", "2.6.0", DEPENDS, "script numkeys [key [key ...]] [arg [arg ...]]", -3, RUN_FLAGS | COMMAND_MAY_WRITE, eval_command),
     .keys = script_keys, .summary = "Runs a Lua script", .difference = ATOMIC},
    {ROW("eval_ro", "7.0.0", DEPENDS, "script numkeys [key [key ...]] [arg [arg ...]]", -3, RUN_FLAGS | COMMAND_READONLY,
         eval_ro_command),
     .keys = script_keys, .summary = "Runs a Lua script that writes nothing"},
    {ROW("evalsha", "2.6.0", DEPENDS, "sha1 numkeys [key [key ...]] [arg [arg ...]]", -3, RUN_FLAGS | COMMAND_MAY_WRITE,
         evalsha_command),
     .keys = script_keys, .summary = "Runs a script by its digest", .difference = "As EVAL"},
    {ROW("evalsha_ro", "7.0.0", DEPENDS, "sha1 numkeys [key [key ...]] [arg [arg ...]]", -3, RUN_FLAGS | COMMAND_READONLY,
         evalsha_ro_command),
     .keys = script_keys, .summary = "Runs a script that writes nothing by its digest"},
    {.name = "script", .since = "2.6.0", .group = "scripting", .complexity = "Depends on subcommand.", .arity = -2,
     .acl_categories = "@slow", .subcommands = script_subcommands, .summary = "A container for commands about scripts"},
    {.name = NULL},
};
