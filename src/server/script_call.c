/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * script_call.c - redis.call: runs a command inside a script
 *
 * The command runs as the script's client, with a reply buffer of the run's own in the place of the client's. What Lua may do when it
 * is out of memory, leave by longjmp, happens outside of that: the client is whole then, and buffers belong to the run.
 */
#include "script_call.h"

#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "acl.h"
#include "client.h"
#include "command.h"
#include "command_table.h"
#include "evict.h"
#include "guards.h"
#include "script_api.h"
#include "script_reply.h"
#include "script_run.h"

/* ---- arguments ---------------------------------------------------------------------------------------------------------- */

static int grow_arguments(struct script_run *run, size_t count)
{
    struct request_arg *args;
    char(*numbers)[32];

    if (run->args_capacity >= count)
        return 1;
    count = count < 16 ? 16 : count * 2;
    args = realloc(run->args, count * sizeof(*args));
    if (args == NULL)
        return 0;
    run->args = args;
    numbers = realloc(run->numbers, count * sizeof(*numbers));
    if (numbers == NULL)
        return 0;
    run->numbers = numbers;
    run->args_capacity = count;
    return 1;
}

int script_call_arguments(lua_State *lua, struct script_run *run)
{
    int argc = lua_gettop(lua);

    if (argc == 0) {
        script_api_push_error(lua, "Please specify at least one argument for this redis lib call");
        return 0;
    }
    if (!grow_arguments(run, (size_t)argc)) {
        script_api_push_error(lua, "-OOM out of memory");
        return 0;
    }
    for (int i = 0; i < argc; i++) {
        int type = lua_type(lua, i + 1);

        if (type == LUA_TNUMBER) {
            run->args[i].size = (size_t)snprintf(run->numbers[i], sizeof(run->numbers[i]), "%.17g", lua_tonumber(lua, i + 1));
            run->args[i].data = run->numbers[i];
        } else if (type == LUA_TSTRING) {
            run->args[i].data = lua_tolstring(lua, i + 1, &run->args[i].size);
        } else {
            script_api_push_error(lua, "Lua redis lib command arguments must be strings or integers");
            return 0;
        }
    }
    return argc;
}

/* ---- the command -------------------------------------------------------------------------------------------------------- */

/* Why the client's user may not run it; NULL: it may. */
static const char *denial(struct client *client, const struct command *command, size_t number, const struct request_arg *argv, int argc)
{
    enum acl_verdict verdict;

    if ((client->flags & CLIENT_RESTRICTED) == 0 || acl_allows(client, ACL_LUA, command, number, argv, argc, &verdict))
        return NULL;
    if (verdict == ACL_DENIED_KEY)
        return "The user executing the script can't access at least one of the keys mentioned in the command arguments";
    if (verdict == ACL_DENIED_CHANNEL)
        return "The user executing the script can't publish to the channel mentioned in the command";
    return "The user executing the script can't run this command or subcommand";
}

/* Why the command may not run; NULL: it may, and *found and *number are its. */
static const char *refusal(const struct script_run *run, const struct request_arg *argv, int argc, const struct command **found,
                           size_t *number)
{
    const struct command_slot *slot = command_slot_find(argv[0].data, argv[0].size);
    const struct command *command = slot != NULL ? slot->command : NULL;
    const char *why;

    if (command != NULL && argc > 1 && command->subcommands != NULL)
        command = command_find_sub(command, argv[1].data, argv[1].size);
    if (command == NULL)
        return "Unknown Redis command called from script";
    if (!command_arity_fits(command, argc) || command->handler == NULL)
        return "Wrong number of args calling Redis command from script";
    if ((command->flags & COMMAND_NOSCRIPT) != 0)
        return "This Redis command is not allowed from script";
    *found = command;
    *number = slot->number + (command == slot->command ? 0 : 1u + (size_t)(command - slot->command->subcommands));
    why = denial(run->client, command, *number, argv, argc);
    if (why == NULL && (command->flags & (COMMAND_WRITE | COMMAND_MAY_WRITE)) != 0 && run->read_only)
        why = "Write commands are not allowed from read-only scripts.";
    /* Not in the middle of what the script does. */
    if (why == NULL && (guards_now() & GUARD_MEMORY) != 0 && !run->wrote && (command->flags & COMMAND_DENYOOM) != 0 &&
        (run->call->flags & SCRIPT_ALLOW_OOM) == 0 && !evict_has_room(run->client->session))
        why = "-OOM command not allowed when used memory > 'maxmemory'.";
    return why;
}

static __thread int is_calling;

int script_is_calling(void)
{
    return is_calling;
}

static void run_command(struct script_run *run, const struct command *command, size_t number, int argc)
{
    struct client *client = run->client;
    struct reply own = client->reply;

    run->reply.size = 0;
    run->reply.protocol = (uint8_t)run->protocol;
    client->reply = run->reply;
    run->is_calling = is_calling = 1;
    (void)sdb_select(client->session, client->database);
    command_run_queued(client, command, number, run->args, argc);
    run->is_calling = is_calling = 0;
    run->reply = client->reply;
    client->reply = own;
}

/* Another thread holds what the command needs: the script is run again, with everything locked. */
static int met_conflict(const struct script_run *run)
{
    static const char text[] = "-TRYAGAIN ";

    return run->reply.size >= sizeof(text) - 1 && memcmp(run->reply.data, text, sizeof(text) - 1) == 0;
}

int script_call_command(lua_State *lua, int raises)
{
    struct script_run *run = lua_vm_of(lua)->run;
    const struct command *command = NULL;
    const char *why;
    size_t number = 0;
    int argc;

    if (run == NULL || run->call == NULL)
        return script_api_raise(lua, "redis.call/pcall can only be called inside a script invocation");
    if (run->must_end != SCRIPT_GOES_ON)
        return script_api_raise(lua, "the script has to end");
    argc = script_call_arguments(lua, run);
    if (argc == 0)
        return raises ? lua_error(lua) : 1;
    why = refusal(run, run->args, argc, &command, &number);
    if (why == NULL) {
        if ((command->flags & COMMAND_WRITE) != 0)
            __atomic_store_n(&run->wrote, 1, __ATOMIC_RELEASE);
        run_command(run, command, number, argc);
        if (run->reply.failed)
            why = "-OOM out of memory for the command's reply";
    }
    lua_settop(lua, 0);
    if (why != NULL) {
        run->reply.failed = run->reply.too_large = 0;
        script_api_push_error(lua, why);
        lua_pushboolean(lua, 1);
        lua_setfield(lua, -2, "ignore_error_stats_update");
        return raises ? lua_error(lua) : 1;
    }
    if (met_conflict(run)) {
        run->must_end = SCRIPT_MET_CONFLICT;
        script_run_end_soon(lua);
    }
    script_reply_push(lua, run->reply.data, run->reply.size);
    return raises && run->reply.size > 0 && run->reply.data[0] == '-' ? lua_error(lua) : 1;
}
