/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pool_repair.c - superdb-pool check --repair: prints what the library's repair finds, loses and puts right
 */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>

#include "pool_tool.h"

/* A key on a line of its own: what is no printable character as \xHH. */
static void print_key(const struct sdb_slice *key)
{
    const unsigned char *bytes = key->data;

    (void)putchar('"');
    for (size_t i = 0; i < key->size; i++) {
        if (isprint(bytes[i]) && bytes[i] != '"' && bytes[i] != '\\')
            (void)putchar(bytes[i]);
        else
            (void)printf("\\x%02x", bytes[i]);
    }
    (void)putchar('"');
}

static void print_finding(void *context, const struct sdb_finding *finding)
{
    const struct tool_options *options = context;

    if (options->quiet)
        return;
    (void)printf("%s: offset %" PRIu64 ": %s%s", options->path, finding->offset, finding->lost ? "LOST: " : "", finding->what);
    if (finding->key.data != NULL) {
        (void)printf(": key ");
        print_key(&finding->key);
        if (finding->database < SDB_DATABASES)
            (void)printf(" of database %" PRIu32, finding->database);
    } else if (finding->lost) {
        (void)printf(": its key is not known");
    }
    (void)putchar('\n');
    (void)fflush(stdout); /* what is lost is told before it is dropped, also where this process ends before it is done */
}

enum tool_status tool_repair(const struct tool_options *options)
{
    struct tool_options context = *options;
    struct sdb_repair result;
    char untraced[40] = "an unknown number";
    const int error =
        sdb_repair(options->path, options->dry_run ? SDB_REPAIR_DRY_RUN : 0, print_finding, &context, &result);

    if (error != SDB_OK && result.problems_left == 0)
        return tool_error(options->path, error);
    if (!result.keys_uncounted)
        (void)snprintf(untraced, sizeof(untraced), "%" PRIu64, result.keys_untraced);
    if (!options->quiet && result.problems == 0)
        (void)printf("%s: clean: nothing to repair\n", options->path);
    else if (!options->quiet)
        (void)printf("%s: %s: %" PRIu64 " problems, %" PRIu64 " left; %" PRIu64 " keys kept, %" PRIu64 " lost by name, %" PRIu64
                     " lost without, %s without a trace; %" PRIu64 " index words put back, %" PRIu64 " dropped; %" PRIu64 " blocks freed, %" PRIu64
                     " marked as in use\n",
                     options->path, error != SDB_OK ? "STILL DAMAGED" : options->dry_run ? "would be repaired" : "repaired",
                     result.problems, result.problems_left, result.keys_kept, result.keys_lost, result.entries_lost,
                     untraced, result.index_words_missing, result.index_words_dropped, result.blocks_freed, result.blocks_marked);
    if (error != SDB_OK)
        return TOOL_DAMAGED;
    return options->dry_run && result.problems != 0 ? TOOL_DAMAGED : TOOL_OK;
}
