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
                  "of Redis that first had the command. What differs from Redis is said with each command.\n\n"
                  "Every write is durable when its reply leaves, and a reply to a read leaves after the fence that "
                  "covers what it saw\n"
                  "(docs/DURABILITY.md).\n\n",
                  count);
    for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++)
        put_group(out, groups[i].group, groups[i].title, sorted, count);
    free(sorted);
}
