/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * scrub_commands.c - SDB.SCRUB: begins, ends and describes the search for damage in the background
 *
 * Threads: the client's own.
 * Memory:  none.
 */
#include "args.h"
#include "client.h"
#include "command.h"
#include "config.h"
#include "scrub.h"

static command_handler scrub_command;

/* clang-format off */
const struct command scrub_commands[] = {
    {.name = "sdb.scrub",
     .summary = "Looks for damage in the whole pool, in the background",
     .since = "0.1.0", .group = "superdb",
     .complexity = "O(1)",
     .syntax = "[START [RATE bytes-per-second] | STOP | STATUS]",
     .acl_categories = "@admin @slow @dangerous",
     .arity = -1, .flags = COMMAND_ADMIN,
     .handler = scrub_command},
    {.name = NULL},
};
/* clang-format on */

static void start(struct client *client, const struct request_arg *argv, int argc)
{
    int64_t rate = CONFIG_READ(scrub_rate);

    if (argc != 2 && (argc != 4 || !args_is(&argv[2], "rate"))) {
        args_syntax_error(client);
        return;
    }
    if (argc == 4 && !args_get_range(client, &argv[3], 0, INT64_MAX, &rate))
        return;
    if (scrub_start(rate) == 0)
        reply_ok(&client->reply);
    else
        reply_error(&client->reply, "a scrub is going on: SDB.SCRUB STOP ends it");
}

static void pair(struct client *client, const char *name, int64_t value)
{
    reply_bulk_text(&client->reply, name);
    reply_integer(&client->reply, value);
}

static void status(struct client *client)
{
    struct scrub_status now;

    scrub_status(&now);
    reply_map(&client->reply, 11);
    pair(client, "running", now.running);
    pair(client, "rate", now.rate);
    pair(client, "percent", (int64_t)(now.progress * 100));
    pair(client, "bytes", (int64_t)now.now.bytes);
    pair(client, "keys", (int64_t)now.now.keys);
    pair(client, "problems", (int64_t)now.now.problems);
    pair(client, "rounds", (int64_t)now.rounds);
    pair(client, "last_started_ms", now.started_ms);
    pair(client, "last_completed_ms", now.ended_ms);
    pair(client, "last_problems", (int64_t)now.problems);
    pair(client, "problems_since_start", (int64_t)now.problems_all);
}

static void scrub_command(struct client *client, const struct request_arg *argv, int argc)
{
    if (argc == 1 || (argc == 2 && args_is(&argv[1], "status"))) {
        status(client);
    } else if (args_is(&argv[1], "start")) {
        start(client, argv, argc);
    } else if (argc == 2 && args_is(&argv[1], "stop")) {
        scrub_stop();
        reply_ok(&client->reply);
    } else {
        args_syntax_error(client);
    }
}
