/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * server_commands.c - TIME, SAVE, SHUTDOWN, ROLE, ACL's least, and the rows of all commands about the server
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "args.h"
#include "clock.h"
#include "command_help.h"
#include "config.h"
#include "log.h"
#include "script_busy.h"

static void time_command(struct client *client, const struct request_arg *argv, int argc)
{
    int64_t now_us = clock_us();

    (void)argv;
    (void)argc;
    reply_array(&client->reply, 2);
    reply_bulk_integer(&client->reply, now_us / 1000000);
    reply_bulk_integer(&client->reply, now_us % 1000000);
}

/* ---- saving: every write was saved when it was acknowledged ----------------------------------------------------- */

static void lastsave(struct client *client, const struct request_arg *argv, int argc)
{
    (void)argv;
    (void)argc;
    reply_integer(&client->reply, clock_ms() / 1000);
}

static void save(struct client *client, const struct request_arg *argv, int argc)
{
    (void)argv;
    (void)argc;
    reply_ok(&client->reply);
}

static void bgsave(struct client *client, const struct request_arg *argv, int argc)
{
    if (argc > 2 || (argc == 2 && !args_is(&argv[1], "schedule")))
        command_syntax_error(client);
    else
        reply_status(&client->reply, "Background saving started");
}

static void bgrewriteaof(struct client *client, const struct request_arg *argv, int argc)
{
    (void)argv;
    (void)argc;
    reply_status(&client->reply, "Background append only file rewriting started");
}

/* ---- going down ------------------------------------------------------------------------------------------------- */

enum shutdown_options {
    SHUTDOWN_NOSAVE = 1,
    SHUTDOWN_SAVE = 2,
    SHUTDOWN_NOW = 4,
    SHUTDOWN_FORCE = 8,
    SHUTDOWN_ABORT = 16
};

/* The options' bits, or -1 where they contradict each other. */
static int shutdown_options(const struct request_arg *argv, int argc)
{
    static const char *const names[] = {"nosave", "save", "now", "force", "abort"};
    int bits = 0;

    for (int i = 1; i < argc; i++) {
        int bit = 0;
        for (int j = 0; j < 5; j++)
            if (args_is(&argv[i], names[j]))
                bit = 1 << j;
        if (bit == 0)
            return -1;
        bits |= bit;
    }
    if ((bits & SHUTDOWN_ABORT && bits != SHUTDOWN_ABORT) || (bits & SHUTDOWN_SAVE && bits & SHUTDOWN_NOSAVE))
        return -1;
    return bits;
}

/*
 * The one way down is SIGTERM's: what was acknowledged stays, replies under way are sent, the pool is closed cleanly.
 */
static void shutdown_command(struct client *client, const struct request_arg *argv, int argc)
{
    int options = shutdown_options(argv, argc);

    if (options < 0) {
        command_syntax_error(client);
    } else if (options & SHUTDOWN_ABORT) {
        reply_error(&client->reply, "ERR No shutdown in progress.");
    } else if ((options & SHUTDOWN_NOSAVE) == 0 && script_busy_count() != 0) {
        reply_error(&client->reply, script_busy_text());
    } else {
        log_message(LOG_LEVEL_WARNING, "User requested shutdown...");
        client->flags |= CLIENT_CLOSE_AFTER_REPLY;
        if (kill(getpid(), SIGTERM) != 0)
            reply_error(&client->reply, "ERR Errors trying to SHUTDOWN. Check logs.");
    }
}

/* ---- what is asked of any Redis --------------------------------------------------------------------------------- */

static void role(struct client *client, const struct request_arg *argv, int argc)
{
    (void)argv;
    (void)argc;
    reply_array(&client->reply, 3);
    reply_bulk_text(&client->reply, "master");
    reply_integer(&client->reply, 0);
    reply_array(&client->reply, 0);
}

static void lolwut(struct client *client, const struct request_arg *argv, int argc)
{
    char text[96];
    int size = snprintf(text, sizeof(text), "SuperDB ver. %s\n", sdb_version());

    (void)argv;
    (void)argc;
    reply_verbatim(&client->reply, text, (size_t)size, "txt");
}

/* ---- rows ------------------------------------------------------------------------------------------------------- */

#define OPEN_FLAGS (COMMAND_LOADING | COMMAND_STALE)
#define ADMIN_FLAGS (COMMAND_ADMIN | COMMAND_NOSCRIPT | OPEN_FLAGS)
#define SAVE_FLAGS (COMMAND_ADMIN | COMMAND_NOSCRIPT | COMMAND_NO_ASYNC_LOADING)
#define ADMIN_CATEGORIES "@admin @slow @dangerous"
#define ROW(text, first, cost, arguments, count, bits, categories, function)                                           \
    .name = text, .since = first, .group = "server", .complexity = cost, .syntax = arguments, .arity = count,          \
    .flags = bits, .acl_categories = categories, .handler = function

const struct command server_commands[] = {
    {ROW("acl", "6.0.0", "Depends on subcommand.", NULL, -2, 0, "@slow", NULL), .subcommands = acl_subcommands,
     .summary = "A container for commands about users"},
    {ROW("bgrewriteaof", "1.0.0", "O(1)", NULL, 1, SAVE_FLAGS, ADMIN_CATEGORIES, bgrewriteaof),
     .summary = "Rewrites the append-only file",
     .difference = "There is none: every write is durable. It answers and does nothing"},
    {ROW("bgsave", "1.0.0", "O(1)", "[SCHEDULE]", -1, SAVE_FLAGS, ADMIN_CATEGORIES, bgsave),
     .summary = "Saves the databases in the background",
     .difference = "Everything is durable already: it answers and does nothing"},
    {ROW("command", "2.8.13", "O(N) where N is the total number of Redis commands", NULL, -1, OPEN_FLAGS,
         "@slow @connection", command_all),
     .subcommands = command_subcommands, .summary = "Describes all commands",
     .difference = "The commands of SuperDB; key specifications follow from the key positions, and have no notes"},
    {ROW("config", "2.0.0", "Depends on subcommand.", NULL, -2, 0, "@slow", NULL), .subcommands = config_subcommands,
     .summary = "A container for commands about the server's options"},
    {ROW("debug", "1.0.0", "Depends on subcommand.", NULL, -2, ADMIN_FLAGS, ADMIN_CATEGORIES, debug_command),
     .summary = "A container for debugging commands",
     .difference = "SLEEP, OBJECT, SET-ACTIVE-EXPIRE, PROTOCOL, ERROR, LOG, STRINGMATCH-LEN and HELP; allowed from "
                   "this machine unless "
                   "enable-debug-command says otherwise. Redis' others are for tests of its own parts, which are not here: its "
                   "dumps and log (RELOAD, LOADAOF, DIGEST, DIGEST-VALUE, CHANGE-REPL-ID), its tables and packed lists "
                   "(HTSTATS, HTSTATS-KEY, LISTPACK, QUICKLIST, QUICKLIST-PACKED-THRESHOLD, ZIPLIST), its allocator and its crashes"},
    {ROW("info", "1.0.0", "O(1)", "[section [section ...]]", -1, OPEN_FLAGS, "@slow @dangerous", info_command),
     .summary = "Gives figures about the server", .difference = "With a section superdb on pool, durability and cache"},
    {ROW("lastsave", "1.0.0", "O(1)", NULL, 1, OPEN_FLAGS | COMMAND_FAST, "@admin @fast @dangerous", lastsave),
     .summary = "Gives the time of the last save",
     .difference = "Every write is durable when it is acknowledged: that is now"},
    {ROW("latency", "2.8.13", "Depends on subcommand.", NULL, -2, 0, "@slow", NULL), .subcommands = latency_subcommands,
     .summary = "A container for commands about latency"},
    {ROW("lolwut", "5.0.0", NULL, "[VERSION version]", -1, COMMAND_READONLY | COMMAND_FAST, "@read @fast", lolwut),
     .summary = "Gives the version", .difference = "No computer art"},
    {ROW("memory", "4.0.0", "Depends on subcommand.", NULL, -2, 0, "@slow", NULL), .subcommands = memory_subcommands,
     .summary = "A container for commands about memory"},
    {ROW("role", "2.8.12", "O(1)", NULL, 1, COMMAND_NOSCRIPT | OPEN_FLAGS | COMMAND_FAST, "@admin @fast @dangerous",
         role),
     .summary = "Gives the replication role", .difference = "There is no replication: always master, with no replicas"},
    {ROW("save", "1.0.0", "O(N) where N is the total number of keys in all databases", NULL, 1,
         SAVE_FLAGS | COMMAND_NO_MULTI, ADMIN_CATEGORIES, save),
     .summary = "Saves the databases", .difference = "Everything is durable already: it answers and does nothing"},
    {ROW("shutdown", "1.0.0",
         "O(N) when saving, where N is the total number of keys in all databases when saving data, "
         "otherwise O(1)",
         "[NOSAVE | SAVE] [NOW] [FORCE] [ABORT]", -1, ADMIN_FLAGS | COMMAND_NO_MULTI | COMMAND_ALLOW_BUSY,
         ADMIN_CATEGORIES, shutdown_command),
     .summary = "Stops the server",
     .difference = "It always stops as on SIGTERM: nothing acknowledged is lost, with NOSAVE neither"},
    {ROW("slowlog", "2.2.12", "Depends on subcommand.", NULL, -2, 0, "@slow", NULL), .subcommands = slowlog_subcommands,
     .summary = "A container for commands about the slow log"},
    {ROW("time", "2.6.0", "O(1)", NULL, 1, OPEN_FLAGS | COMMAND_FAST, "@fast", time_command),
     .summary = "Gives the server's time, seconds and microseconds"},
    {.name = NULL},
};
