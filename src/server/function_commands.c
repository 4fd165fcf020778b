/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * function_commands.c - FUNCTION, FCALL and FCALL_RO
 */
#include <stdlib.h>
#include <string.h>

#include "args.h"
#include "client.h"
#include "command.h"
#include "command_help.h"
#include "errors.h"
#include "function_payload.h"
#include "function_store.h"
#include "glob.h"
#include "script_busy.h"
#include "script_run.h"

/* ---- FCALL -------------------------------------------------------------------------------------------------------------- */

struct called {
    const struct library_set *set;
    const struct library *library;
    const struct function *function;
};

/* For struct script_call: the context is what is called. */
static int push_function(lua_State *lua, const struct script_call *call)
{
    const struct called *called = call->context;
    struct lua_vm *vm = lua_vm_of(lua);

    if (vm->epoch != called->set->sequence) {
        library_forget_others(lua, called->set);
        vm->epoch = called->set->sequence;
    }
    return library_push(lua, called->library, called->function->name);
}

static void call_function(struct client *client, const struct request_arg *argv, int argc, int read_only)
{
    struct called called = {0};
    struct library_set *set;
    const int result = function_store_get(client, &set);
    struct lua_vm *vm = function_store_vm();
    struct script_call call = {.read_only = read_only, .argv = argv, .argc = argc, .push = push_function, .context = &called};

    if (result != SDB_OK || vm == NULL) {
        command_reply_error(client, result != SDB_OK ? result : SDB_ENOMEM);
    } else {
        called.set = set;
        called.library = library_set_function(called.set, argv[1].data, argv[1].size, &called.function);
        if (called.library == NULL) {
            reply_error(&client->reply, "Function not found");
        } else if (script_key_count(client, argv, argc, &call.key_count, 1)) {
            call.name = called.function->name;
            call.flags = called.function->flags;
            script_run(client, vm, &call);
        }
    }
    library_set_release(set);
}

static void fcall_command(struct client *client, const struct request_arg *argv, int argc)
{
    call_function(client, argv, argc, 0);
}

static void fcall_ro_command(struct client *client, const struct request_arg *argv, int argc)
{
    call_function(client, argv, argc, 1);
}

/* ---- changes ------------------------------------------------------------------------------------------------------------ */

struct load {
    struct library *library;
    int replace;
};

static int add_library(struct library_set *set, void *context, char error[FUNCTION_ERROR_SIZE])
{
    const struct load *load = context;

    return library_set_add(set, load->library, load->replace, error);
}

/* Redis looks at the first line, then for a library of that name, and only then at the code. Replies where one of them is wrong: 0. */
static int may_load(struct client *client, const struct request_arg *code, int replace)
{
    char error[FUNCTION_ERROR_SIZE], name[FUNCTION_ERROR_SIZE];
    struct library_set *set;
    int result, is_there;

    if (!library_name(code->data, code->size, name, sizeof(name), error)) {
        reply_error(&client->reply, error);
        return 0;
    }
    result = function_store_get(client, &set);
    if (result != SDB_OK) {
        command_reply_error(client, result);
        return 0;
    }
    is_there = !replace && library_set_find(set, name, strlen(name)) != NULL;
    library_set_release(set);
    if (is_there)
        reply_errorf(&client->reply, "Library '%s' already exists", name);
    return !is_there;
}

static void function_load(struct client *client, const struct request_arg *argv, int argc)
{
    struct load load = {0};
    struct lua_vm *vm = function_store_vm();
    char error[FUNCTION_ERROR_SIZE];

    for (int i = 2; i < argc - 1; i++) {
        if (!args_is(&argv[i], "replace")) {
            reply_errorf(&client->reply, "Unknown option given: %.*s", (int)(argv[i].size < 128 ? argv[i].size : 128), argv[i].data);
            return;
        }
        load.replace = 1;
    }
    if (vm == NULL) {
        command_reply_error(client, SDB_ENOMEM);
        return;
    }
    if (!may_load(client, &argv[argc - 1], load.replace))
        return;
    load.library = library_load(vm, argv[argc - 1].data, argv[argc - 1].size, error);
    if (load.library == NULL) {
        reply_error(&client->reply, error);
        return;
    }
    if (function_store_change(client, add_library, &load))
        reply_bulk_text(&client->reply, load.library->name);
    library_release(load.library);
}

static int delete_library(struct library_set *set, void *context, char error[FUNCTION_ERROR_SIZE])
{
    const struct request_arg *name = context;
    const struct library *library = library_set_find(set, name->data, name->size);

    if (library == NULL) {
        memcpy(error, "Library not found", sizeof("Library not found"));
        return 0;
    }
    library_set_remove(set, library);
    return 1;
}

static void function_delete(struct client *client, const struct request_arg *argv, int argc)
{
    struct request_arg name = argv[2];

    (void)argc;
    if (function_store_change(client, delete_library, &name))
        reply_ok(&client->reply);
}

static void empty(struct library_set *set)
{
    while (set->count > 0)
        library_set_remove(set, set->libraries[set->count - 1]);
}

static int empty_set(struct library_set *set, void *context, char error[FUNCTION_ERROR_SIZE])
{
    (void)context;
    (void)error;
    empty(set);
    return 1;
}

/* Nothing is to be stored then, which a full pool might refuse. */
static int has_none(struct client *client)
{
    struct library_set *set;
    int none = function_store_get(client, &set) == SDB_OK && set->count == 0;

    library_set_release(set);
    return none;
}

static void function_flush(struct client *client, const struct request_arg *argv, int argc)
{
    if (argc > 3) {
        command_subcommand_error(client, argv);
        return;
    }
    if (argc == 3 && !args_is(&argv[2], "sync") && !args_is(&argv[2], "async")) {
        reply_error(&client->reply, "FUNCTION FLUSH only supports SYNC|ASYNC option");
        return;
    }
    if (has_none(client) || function_store_change(client, empty_set, NULL))
        reply_ok(&client->reply);
}

/* ---- DUMP and RESTORE ---------------------------------------------------------------------------------------------------- */

enum policy { POLICY_APPEND, POLICY_REPLACE, POLICY_FLUSH };

struct restore {
    enum policy policy;
    struct library_set *set; /* the payload's */
};

static int take_library(void *context, const char *code, size_t size, char error[FUNCTION_ERROR_SIZE])
{
    struct restore *restore = context;
    struct lua_vm *vm = function_store_vm();
    struct library *library = vm != NULL ? library_load(vm, code, size, error) : NULL;
    int added;

    if (library == NULL)
        return 0;
    added = library_set_add(restore->set, library, 0, error);
    library_release(library);
    return added;
}

static int join(struct library_set *set, void *context, char error[FUNCTION_ERROR_SIZE])
{
    const struct restore *restore = context;

    if (restore->policy == POLICY_FLUSH)
        empty(set);
    /* Those that are replaced go first: a function may move from one library to another. */
    for (size_t i = 0; i < restore->set->count && restore->policy == POLICY_REPLACE; i++) {
        const char *name = restore->set->libraries[i]->name;
        const struct library *old = library_set_find(set, name, strlen(name));

        if (old != NULL)
            library_set_remove(set, old);
    }
    for (size_t i = 0; i < restore->set->count; i++)
        if (!library_set_add(set, restore->set->libraries[i], 0, error))
            return 0;
    return 1;
}

static void function_restore(struct client *client, const struct request_arg *argv, int argc)
{
    struct restore restore = {.policy = POLICY_APPEND};
    char error[FUNCTION_ERROR_SIZE];

    if (argc > 4) {
        command_subcommand_error(client, argv);
        return;
    }
    if (argc == 4 && args_is(&argv[3], "replace")) {
        restore.policy = POLICY_REPLACE;
    } else if (argc == 4 && args_is(&argv[3], "flush")) {
        restore.policy = POLICY_FLUSH;
    } else if (argc == 4 && !args_is(&argv[3], "append")) {
        reply_error(&client->reply, "Wrong restore policy given, value should be either FLUSH, APPEND or REPLACE.");
        return;
    }
    restore.set = library_set_new();
    if (restore.set == NULL)
        command_reply_error(client, SDB_ENOMEM);
    else if (!function_payload_read(argv[2].data, argv[2].size, take_library, &restore, error))
        reply_error(&client->reply, error);
    else if (function_store_change(client, join, &restore))
        reply_ok(&client->reply);
    library_set_release(restore.set);
}

static void function_dump(struct client *client, const struct request_arg *argv, int argc)
{
    struct library_set *set;
    const int result = function_store_get(client, &set);

    (void)argv;
    (void)argc;
    if (result != SDB_OK)
        command_reply_error(client, result);
    else
        function_payload_reply(&client->reply, set);
    library_set_release(set);
}

/* ---- LIST and STATS ------------------------------------------------------------------------------------------------------ */

static void list_function(struct reply *reply, const struct function *function)
{
    const char *name;
    uint32_t flag;
    size_t flags = 0;

    reply_map(reply, 3);
    reply_bulk_text(reply, "name");
    reply_bulk_text(reply, function->name);
    reply_bulk_text(reply, "description");
    if (function->description != NULL)
        reply_bulk_text(reply, function->description);
    else
        reply_null(reply);
    reply_bulk_text(reply, "flags");
    for (unsigned i = 0; script_flag_name(i, &flag) != NULL; i++)
        flags += (function->flags & flag) != 0;
    reply_set(reply, flags);
    for (unsigned i = 0; (name = script_flag_name(i, &flag)) != NULL; i++)
        if ((function->flags & flag) != 0)
            reply_status(reply, name);
}

static void list_library(struct reply *reply, const struct library *library, int with_code)
{
    reply_map(reply, with_code ? 4 : 3);
    reply_bulk_text(reply, "library_name");
    reply_bulk_text(reply, library->name);
    reply_bulk_text(reply, "engine");
    reply_bulk_text(reply, "LUA");
    reply_bulk_text(reply, "functions");
    reply_array(reply, library->count);
    for (size_t i = 0; i < library->count; i++)
        list_function(reply, &library->functions[i]);
    if (!with_code)
        return;
    reply_bulk_text(reply, "library_code");
    reply_bulk(reply, library->code, library->code_size);
}

static int is_listed(const struct library *library, const struct request_arg *pattern)
{
    return pattern == NULL ||
           (glob_is_any(pattern->data, pattern->size) ||
           glob_match(pattern->data, pattern->size, library->name, strlen(library->name), 1));
}

static void refuse_argument(struct client *client, struct request_arg word)
{
    reply_errorf(&client->reply, "Unknown argument %.*s", (int)(word.size < 128 ? word.size : 128), word.data);
}

static void function_list(struct client *client, const struct request_arg *argv, int argc)
{
    const struct request_arg *pattern;
    struct library_set *set;
    int with_code = 0, named = 0, result;
    size_t count = 0;

    for (int i = 2; i < argc; i++) {
        if (!with_code && args_is(&argv[i], "withcode")) {
            with_code = 1;
        } else if (named == 0 && args_is(&argv[i], "libraryname")) {
            if (i + 1 == argc) {
                reply_error(&client->reply, "library name argument was not given");
                return;
            }
            named = ++i;
        } else {
            refuse_argument(client, argv[i]);
            return;
        }
    }
    pattern = named > 0 ? &argv[named] : NULL;
    result = function_store_get(client, &set);
    if (result != SDB_OK) {
        command_reply_error(client, result);
        return;
    }
    for (size_t i = 0; i < set->count; i++)
        count += (size_t)is_listed(set->libraries[i], pattern);
    reply_array(&client->reply, count);
    for (size_t i = 0; i < set->count; i++)
        if (is_listed(set->libraries[i], pattern))
            list_library(&client->reply, set->libraries[i], with_code);
    library_set_release(set);
}

static void function_stats(struct client *client, const struct request_arg *argv, int argc)
{
    struct library_set *set;
    struct reply *reply = &client->reply;

    (void)argv;
    (void)argc;
    if (script_busy_is_eval()) {
        reply_error(reply, script_busy_text());
        return;
    }
    set = function_store_current();
    reply_map(reply, 2);
    reply_bulk_text(reply, "running_script");
    script_busy_describe(reply);
    reply_bulk_text(reply, "engines");
    reply_map(reply, 1);
    reply_bulk_text(reply, "LUA");
    reply_map(reply, 2);
    reply_bulk_text(reply, "libraries_count");
    reply_integer(reply, set != NULL ? (int64_t)set->count : 0);
    reply_bulk_text(reply, "functions_count");
    reply_integer(reply, set != NULL ? (int64_t)set->functions : 0);
    library_set_release(set);
}

static void function_kill(struct client *client, const struct request_arg *argv, int argc)
{
    (void)argv;
    (void)argc;
    script_busy_kill(client, LUA_VM_FUNCTIONS);
}

/* ---- rows --------------------------------------------------------------------------------------------------------------- */

#define RUN_FLAGS                                                                                                      \
    (COMMAND_NOSCRIPT | COMMAND_STALE | COMMAND_SKIP_MONITOR | COMMAND_NO_MANDATORY_KEYS | COMMAND_MOVABLEKEYS)
#define CATEGORIES "@slow @scripting"
#define ROW(text, cost, arguments, count, bits, categories, function)                                                  \
    .name = text, .since = "7.0.0", .group = "scripting", .complexity = cost, .syntax = arguments, .arity = count,     \
    .flags = bits, .acl_categories = categories, .handler = function

static const struct command function_subcommands[] = {
    {ROW("delete", "O(1)", "library-name", 3, COMMAND_WRITE | COMMAND_NOSCRIPT, "@write " CATEGORIES, function_delete),
     .summary = "Deletes a library"},
    {ROW("dump", "O(N) where N is the number of functions", NULL, 2, COMMAND_NOSCRIPT, CATEGORIES, function_dump),
     .summary = "Gives all libraries in a form that FUNCTION RESTORE takes, here and in Redis"},
    {ROW("flush", "O(N) where N is the number of functions deleted", "[ASYNC | SYNC]", -2, COMMAND_WRITE | COMMAND_NOSCRIPT,
         "@write " CATEGORIES, function_flush),
     .summary = "Deletes all libraries"},
    {ROW("help", "O(1)", NULL, 2, COMMAND_LOADING | COMMAND_STALE, CATEGORIES, command_help), .summary = "Lists the subcommands"},
    {ROW("kill", "O(1)", NULL, 2, COMMAND_NOSCRIPT | COMMAND_ALLOW_BUSY, CATEGORIES, function_kill),
     .summary = "Ends the function that is running too long and has written nothing",
     .difference = "Threads run functions side by side: every such function is ended"},
    {ROW("list", "O(N) where N is the number of functions", "[LIBRARYNAME library-name-pattern] [WITHCODE]", -2, COMMAND_NOSCRIPT,
         CATEGORIES, function_list),
     .summary = "Describes the libraries and their functions"},
    {ROW("load", "O(1) (considering compilation time is redundant)", "[REPLACE] function-code", -3,
         COMMAND_WRITE | COMMAND_DENYOOM | COMMAND_NOSCRIPT, "@write " CATEGORIES, function_load),
     .summary = "Makes a library of Lua code",
     .difference = "Libraries are durable like keys. What a library keeps in variables, each thread of the server has for itself"},
    {ROW("restore", "O(N) where N is the number of functions on the payload", "serialized-value [FLUSH | APPEND | REPLACE]", -3,
         COMMAND_WRITE | COMMAND_DENYOOM | COMMAND_NOSCRIPT, "@write " CATEGORIES, function_restore),
     .summary = "Takes the libraries that FUNCTION DUMP gave, here or in Redis"},
    {ROW("stats", "O(1)", NULL, 2, COMMAND_NOSCRIPT | COMMAND_ALLOW_BUSY, CATEGORIES, function_stats),
     .summary = "Says which function has been running too long, and how many libraries and functions there are"},
    {.name = NULL},
};

const struct command function_commands[] = {
    {ROW("fcall", "Depends on the function that is executed.", "function numkeys [key [key ...]] [arg [arg ...]]", -3,
         RUN_FLAGS | COMMAND_MAY_WRITE, CATEGORIES, fcall_command),
     .keys = script_keys, .summary = "Runs a function", .difference = "As EVAL"},
    {ROW("fcall_ro", "Depends on the function that is executed.", "function numkeys [key [key ...]] [arg [arg ...]]", -3,
         RUN_FLAGS | COMMAND_READONLY, CATEGORIES, fcall_ro_command),
     .keys = script_keys, .summary = "Runs a function that writes nothing"},
    {.name = "function", .since = "7.0.0", .group = "scripting", .complexity = "Depends on subcommand.", .arity = -2,
     .acl_categories = "@slow", .subcommands = function_subcommands, .summary = "A container for commands about functions"},
    {.name = NULL},
};
