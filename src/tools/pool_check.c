/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pool_check.c - superdb-pool check: prints what the library's checker finds
 */
#include <inttypes.h>
#include <stdio.h>

#include "pool_tool.h"

static void print_problem(void *context, uint64_t offset, const char *what)
{
    const struct tool_options *options = context;

    if (!options->quiet)
        (void)printf("%s: offset %" PRIu64 ": %s\n", options->path, offset, what);
}

enum tool_status tool_check(const struct tool_options *options)
{
    if (options->repair)
        return tool_repair(options);
    struct tool_options context = *options;
    struct sdb_pool_info info;
    struct sdb_pool *pool;
    struct sdb_check result = {0};
    char size[32];

    int error = tool_open(options->path, options->durability, &pool);
    if (error != SDB_OK)
        return tool_error(options->path, error);
    sdb_pool_info(pool, &info);
    if (info.recovered && !options->quiet)
        (void)printf("%s: was not closed; what was in flight has been recovered\n", options->path);
    error = sdb_check(pool, print_problem, &context, &result);
    enum tool_status status = error == SDB_OK ? TOOL_OK : TOOL_DAMAGED;
    if (error != SDB_OK && error != SDB_ECORRUPT)
        status = tool_error(options->path, error);
    else if (!options->quiet)
        (void)printf("%s: %s: %" PRIu64 " problems, %" PRIu64 " keys, %" PRIu64 " free entries, %" PRIu64
                     " blobs, %" PRIu64 " index segments, %s checked\n",
                     options->path, error == SDB_OK ? "clean" : "DAMAGED", result.problems, result.keys,
                     result.entries_free, result.blobs, result.segments, tool_size_text(result.bytes_checked, size));
    error = sdb_close(pool);
    if (error != SDB_OK && status == TOOL_OK)
        status = tool_error(options->path, error);
    return status;
}
