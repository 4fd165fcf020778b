/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * command_dump.c - the commands by group, each with syntax, summary, cost, and how it differs from Redis
 */
#include "command_dump.h"

#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "command_table.h"

static const struct {
    const char *group, *title;
} groups[] = {
    {"string", "Strings"}, {"bitmap", "Bits"},     {"hyperloglog", "HyperLogLogs"}, {"hash", "Hashes"}, {"list", "Lists"},
    {"set", "Sets"},       {"sorted-set", "Sorted sets"}, {"geo", "Places"}, {"stream", "Streams"},
    {"generic", "Keys"},   {"connection", "Connections"},
    {"transactions", "Transactions"}, {"pubsub", "Publish and subscribe"},
    {"scripting", "Scripts"},
    {"server", "Server"},  {"cluster", "Cluster"}, {"superdb", "Handles"},
};

/* Of Redis 7.0; a test holds the names against its COMMAND LIST. */
static const struct {
    const char *name, *why;
} absent[] = {
    {"FAILOVER", "there are no replicas to hand over to"},
    {"LATENCY GRAPH", "a drawing for people of what LATENCY HISTORY gives as numbers"},
    {"MIGRATE", "it would make the server a client of another, and wait for it; DUMP and RESTORE move a key, superdb-pool export "
                "a pool"},
    {"MONITOR", "each request of every thread would have to go to the monitors in one order, which the threads do not have between "
                "them; the slow log with slowlog-log-slower-than 0, CLIENT LIST and INFO commandstats show what is asked"},
    {"PSYNC", "there is no replication: a replica would have to be a Redis"},
    {"REPLCONF", "as PSYNC"},
    {"RESTORE-ASKING", "RESTORE for slots that are being moved: there is no cluster"},
    {"SYNC", "as PSYNC"},
};

static void put_upper(FILE *out, const char *text)
{
    for (; *text != '\0'; text++)
        (void)fputc(*text >= 'a' && *text <= 'z' ? *text - 32 : *text, out);
}

static void put_name(FILE *out, const struct command *command, const struct command *container)
{
    if (container != NULL) {
        put_upper(out, container->name);
        (void)fputc(' ', out);
    }
    put_upper(out, command->name);
}

static void put_flags(FILE *out, const struct command *command)
{
    static const struct {
        uint32_t flag;
        const char *text;
    } texts[] = {{COMMAND_WRITE, "writes"}, {COMMAND_READONLY, "reads"}, {COMMAND_ADMIN, "administration"}};

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        if (command->flags & texts[i].flag)
            (void)fprintf(out, "; %s", texts[i].text);
}

static void put_command(FILE *out, const struct command *command, const struct command *container)
{
    (void)fputs(container != NULL ? "- **`" : "### `", out);
    put_name(out, command, container);
    if (command->syntax != NULL && command->syntax[0] != '\0')
        (void)fprintf(out, " %s", command->syntax);
    if (container != NULL)
        (void)fprintf(out, "`** %s.", command->summary);
    else
        (void)fprintf(out, "`\n\n%s.", command->summary);
    if (command->handler != NULL) {
        (void)fprintf(out, " %s", command->complexity != NULL ? command->complexity : "O(1)");
        put_flags(out, command);
        (void)fprintf(out, "; since %s.\n", command->since);
    } else {
        (void)fprintf(out, " Since %s.\n", command->since);
    }
    if (command->difference != NULL) {
        const size_t size = strlen(command->difference);

        (void)fprintf(out, "%sDiffers: %s%s\n", container != NULL ? "  " : "\n", command->difference,
                      size > 0 && command->difference[size - 1] == '.' ? "" : ".");
    }
    if (command->subcommands != NULL) {
        (void)fputc('\n', out);
        for (const struct command *sub = command->subcommands; sub->name != NULL; sub++)
            put_command(out, sub, command);
    }
    if (container == NULL)
        (void)fputc('\n', out);
}

static int compare(const void *a, const void *b)
{
    return strcmp((*(const struct command *const *)a)->name, (*(const struct command *const *)b)->name);
}

static void put_group(FILE *out, const char *group, const char *title, const struct command **sorted, size_t count)
{
    (void)fprintf(out, "## %s\n\n", title);
    for (size_t i = 0; i < count; i++)
        if (strcmp(sorted[i]->group, group) == 0)
            put_command(out, sorted[i], NULL);
}

static void put_absent(FILE *out)
{
    (void)fputs("## Commands of Redis 7.0 that are not here\n\n", out);
    for (size_t i = 0; i < sizeof(absent) / sizeof(absent[0]); i++)
        (void)fprintf(out, "- **`%s`** %s.\n", absent[i].name, absent[i].why);
}

void command_dump(FILE *out)
{
    size_t count = 0;
    const struct command **sorted;

    while (command_at(count) != NULL)
        count++;
    sorted = malloc((count + 1) * sizeof(*sorted));
    if (sorted == NULL)
        return;
    for (size_t i = 0; i < count; i++)
        sorted[i] = command_at(i);
    qsort(sorted, count, sizeof(*sorted), compare);
    (void)fprintf(out,
                  "# Commands\n\n"
                  "SuperDB speaks RESP2 and RESP3 and answers as Redis 7.0 does. These are its %zu commands, made from "
                  "the table that\n"
                  "dispatches them (`scripts/make-commands-doc.sh` writes this file; a test compares the two). "
                  "\"Since\" is the version\n"
                  "of Redis that first had the command. What differs from Redis is said with each command, and what is missing at "
                  "the end.\n\n"
                  "Every write is durable when its reply leaves, and a reply to a read leaves after the fence that "
                  "covers what it saw\n"
                  "(docs/DURABILITY.md).\n\n"
                  "A string takes up to 512 MiB, and so does each element, member, field, value of a field, and name of a group "
                  "or consumer; the fields\n"
                  "and values of an entry of a stream take 1 GiB together. `client-query-buffer-limit` is to be raised for a "
                  "request of more than 1 GiB.\n"
                  "Differs: A key takes up to 64 KiB, and a greater `proto-max-bulk-len` raises none of these limits.\n\n",
                  count);
    for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++)
        put_group(out, groups[i].group, groups[i].title, sorted, count);
    put_absent(out);
    free(sorted);
}
