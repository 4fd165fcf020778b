/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * info.c - INFO: which sections are asked for, and putting them together. Their lines come from info_sections.c.
 */
#include "info.h"

#include <string.h>

#include "args.h"
#include "command_help.h"

enum section_sets { IN_DEFAULT = 1, IN_ALL = 2, IN_EVERYTHING = 4 };
#define ALWAYS (IN_DEFAULT | IN_ALL | IN_EVERYTHING)

static const struct section {
    const char *name;
    unsigned sets;
    info_section *write;
} sections[] = {
    {"server", ALWAYS, info_server},
    {"clients", ALWAYS, info_clients},
    {"memory", ALWAYS, info_memory},
    {"persistence", ALWAYS, info_persistence},
    {"stats", ALWAYS, info_stats},
    {"replication", ALWAYS, info_replication},
    {"cpu", ALWAYS, info_cpu},
    {"modules", IN_DEFAULT | IN_EVERYTHING, info_modules},
    {"commandstats", IN_ALL | IN_EVERYTHING, info_commandstats},
    {"errorstats", ALWAYS, info_errorstats},
    {"latencystats", IN_ALL | IN_EVERYTHING, info_latencystats},
    {"cluster", ALWAYS, info_cluster},
    {"superdb", ALWAYS, info_superdb},
    {"keyspace", ALWAYS, info_keyspace},
};
#define SECTIONS (sizeof(sections) / sizeof(sections[0]))

/* Marks the sections of one word: a section's name or a set's. Unknown words ask for nothing. */
static void choose(const struct request_arg *word, unsigned char *chosen)
{
    unsigned set = args_is(word, "default")      ? IN_DEFAULT
                   : args_is(word, "all")        ? IN_ALL
                   : args_is(word, "everything") ? IN_EVERYTHING
                                                 : 0;

    for (size_t i = 0; i < SECTIONS; i++)
        if (sections[i].sets & set || args_is(word, sections[i].name))
            chosen[i] = 1;
}

void info_command(struct client *client, const struct request_arg *argv, int argc)
{
    static const struct request_arg standard = {"default", 7};
    unsigned char chosen[SECTIONS] = {0};
    struct reply text;

    for (int i = 1; i < argc; i++)
        choose(&argv[i], chosen);
    if (argc == 1)
        choose(&standard, chosen);
    reply_init(&text);
    for (size_t i = 0; i < SECTIONS; i++) {
        if (!chosen[i])
            continue;
        if (text.size > 0)
            reply_raw(&text, "\r\n", 2);
        sections[i].write(&text, client);
    }
    if (text.failed)
        client->reply.failed = 1;
    else
        reply_verbatim(&client->reply, text.data, text.size, "txt");
    reply_free(&text);
}
