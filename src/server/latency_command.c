/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * latency_command.c - LATENCY and SLOWLOG, and their subcommands
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "args.h"
#include "command_help.h"
#include "command_table.h"
#include "config.h"
#include "latency.h"
#include "latency_events.h"
#include "slowlog.h"
#include "worker_stats.h"

/* ---- SLOWLOG ---------------------------------------------------------------------------------------------------- */

static void slowlog_get(struct client *client, const struct request_arg *argv, int argc)
{
    int64_t count = 10;

    if (argc > 3) {
        command_subcommand_error(client, argv);
        return;
    }
    if (argc == 3 &&
        !command_get_integer(client, &argv[2], -1, INT64_MAX, "count should be greater than or equal to -1", &count))
        return;
    slowlog_reply(&client->reply, count);
}

static void slowlog_len(struct client *client, const struct request_arg *argv, int argc)
{
    (void)argv;
    (void)argc;
    reply_integer(&client->reply, (int64_t)slowlog_length());
}

static void slowlog_reset(struct client *client, const struct request_arg *argv, int argc)
{
    (void)argv;
    (void)argc;
    slowlog_clear();
    reply_ok(&client->reply);
}

/* ---- LATENCY HISTOGRAM ------------------------------------------------------------------------------------------ */

static void reply_histogram(struct reply *reply, size_t number)
{
    struct latency_histogram sum;
    struct latency_step steps[40];
    char name[COMMAND_FULL_NAME_SIZE];
    size_t count;

    if (!worker_stats_sum_histogram(number, &sum))
        memset(&sum, 0, sizeof(sum)); /* reset by another thread a moment ago */
    count = latency_steps(&sum, steps, sizeof(steps) / sizeof(steps[0]));
    reply_bulk(reply, name, command_full_name(command_of_number(number, NULL), name));
    reply_map(reply, 2);
    reply_bulk_text(reply, "calls");
    reply_integer(reply, (int64_t)latency_count(&sum));
    reply_bulk_text(reply, "histogram_usec");
    reply_map(reply, count);
    for (size_t i = 0; i < count; i++) {
        reply_integer(reply, (int64_t)steps[i].us);
        reply_integer(reply, (int64_t)steps[i].count);
    }
}

/* Marks those of the numbers from `from` on that were called. */
static void choose(unsigned char *chosen, size_t from, size_t count)
{
    struct latency_histogram sum;

    for (size_t i = from; i < from + count; i++)
        chosen[i] = worker_stats_sum_histogram(i, &sum) != 0;
}

/* A command's own, and those of its subcommands, which have the numbers behind it. */
static void choose_command(unsigned char *chosen, const struct command *command)
{
    size_t count = 1;

    if (command->subcommands != NULL)
        for (const struct command *sub = command->subcommands; sub->name != NULL; sub++)
            count++;
    choose(chosen, (size_t)command_number(command), count);
}

static void latency_histogram_command(struct client *client, const struct request_arg *argv, int argc)
{
    unsigned char *chosen = calloc(command_numbers(), 1);
    size_t count = 0;

    if (chosen == NULL) {
        client->reply.failed = 1;
        return;
    }
    if (argc == 2)
        choose(chosen, 0, command_numbers());
    for (int i = 2; i < argc; i++) {
        const struct command *command = command_find_full(argv[i].data, argv[i].size);
        if (command != NULL)
            choose_command(chosen, command);
    }
    for (size_t i = 0; i < command_numbers(); i++)
        count += chosen[i];
    reply_map(&client->reply, count);
    for (size_t i = 0; i < command_numbers(); i++)
        if (chosen[i])
            reply_histogram(&client->reply, i);
    free(chosen);
}

/* ---- LATENCY's events ------------------------------------------------------------------------------------------- */

static void latency_latest(struct client *client, const struct request_arg *argv, int argc)
{
    (void)argv;
    (void)argc;
    latency_events_reply_latest(&client->reply);
}

static void latency_history(struct client *client, const struct request_arg *argv, int argc)
{
    enum latency_event event = latency_event_find(argv[2].data, argv[2].size);

    (void)argc;
    if (event == LATENCY_EVENTS)
        reply_array(&client->reply, 0);
    else
        latency_event_reply_history(&client->reply, event);
}

static void latency_reset(struct client *client, const struct request_arg *argv, int argc)
{
    int64_t count = 0;

    for (int i = 0; argc == 2 && i < LATENCY_EVENTS; i++)
        count += latency_event_reset((enum latency_event)i);
    for (int i = 2; i < argc; i++) {
        enum latency_event event = latency_event_find(argv[i].data, argv[i].size);
        if (event != LATENCY_EVENTS)
            count += latency_event_reset(event);
    }
    reply_integer(&client->reply, count);
}

static void latency_doctor(struct client *client, const struct request_arg *argv, int argc)
{
    char text[1024];
    size_t size;

    (void)argv;
    (void)argc;
    if (CONFIG_READ(latency_monitor_threshold) == 0)
        size = (size_t)snprintf(text, sizeof(text),
                                "Latency monitoring is off. Turn it on with \"CONFIG SET "
                                "latency-monitor-threshold <milliseconds>\".\n");
    else if (latency_events_used() == 0)
        size =
            (size_t)snprintf(text, sizeof(text), "Nothing took longer than %lld ms since the monitor was last reset.\n",
                             (long long)CONFIG_READ(latency_monitor_threshold));
    else
        size = latency_events_describe(text, sizeof(text));
    reply_verbatim(&client->reply, text, size, "txt");
}

/* ---- rows ------------------------------------------------------------------------------------------------------- */

#define LATENCY_FLAGS (COMMAND_ADMIN | COMMAND_NOSCRIPT | COMMAND_LOADING | COMMAND_STALE)
#define SLOWLOG_FLAGS (COMMAND_ADMIN | COMMAND_LOADING | COMMAND_STALE)
#define HELP_FLAGS (COMMAND_LOADING | COMMAND_STALE)
#define ADMIN_CATEGORIES "@admin @slow @dangerous"
#define ROW(text, first, cost, arguments, count, bits, categories, function)                                           \
    .name = text, .since = first, .group = "server", .complexity = cost, .syntax = arguments, .arity = count,          \
    .flags = bits, .acl_categories = categories, .handler = function

const struct command slowlog_subcommands[] = {
    {ROW("get", "2.2.12", "O(N) where N is the number of entries returned", "[count]", -2, SLOWLOG_FLAGS,
         ADMIN_CATEGORIES, slowlog_get),
     .summary = "Gives the newest entries of the slow log",
     .difference =
         "While slowlog-log-slower-than is a millisecond or more, commands of constant cost are timed one in 16"},
    {ROW("help", "6.2.0", "O(1)", NULL, 2, HELP_FLAGS, "@slow", command_help), .summary = "Lists the subcommands"},
    {ROW("len", "2.2.12", "O(1)", NULL, 2, SLOWLOG_FLAGS, ADMIN_CATEGORIES, slowlog_len),
     .summary = "Gives the number of entries in the slow log"},
    {ROW("reset", "2.2.12", "O(N) where N is the number of entries in the slowlog", NULL, 2, SLOWLOG_FLAGS,
         ADMIN_CATEGORIES, slowlog_reset),
     .summary = "Empties the slow log"},
    {.name = NULL},
};

const struct command latency_subcommands[] = {
    {ROW("doctor", "2.8.13", "O(1)", NULL, 2, LATENCY_FLAGS, ADMIN_CATEGORIES, latency_doctor),
     .summary = "Describes the latency events in words", .difference = "The text is SuperDB's own"},
    {ROW("help", "2.8.13", "O(1)", NULL, 2, HELP_FLAGS, "@slow", command_help), .summary = "Lists the subcommands"},
    {ROW("histogram", "7.0.0", "O(N) where N is the number of commands with latency information being retrieved.",
         "[command [command ...]]", -2, LATENCY_FLAGS, ADMIN_CATEGORIES, latency_histogram_command),
     .summary = "Gives the distribution of commands' run times",
     .difference = "Commands of constant cost are timed one in 16, and counted in full. The fence, which a turn's "
                   "commands share, is "
                   "not part of a command's time"},
    {ROW("history", "2.8.13", "O(1)", "event", 3, LATENCY_FLAGS, ADMIN_CATEGORIES, latency_history),
     .summary = "Gives an event's samples, time and milliseconds",
     .difference = "The events are command and fast-command"},
    {ROW("latest", "2.8.13", "O(1)", NULL, 2, LATENCY_FLAGS, ADMIN_CATEGORIES, latency_latest),
     .summary = "Gives the latest sample of each event"},
    {ROW("reset", "2.8.13", "O(1)", "[event [event ...]]", -2, LATENCY_FLAGS, ADMIN_CATEGORIES, latency_reset),
     .summary = "Forgets the samples of events"},
    {.name = NULL},
};
