/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pool_open.c - opening pools, and saying why it failed; creating and growing them
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "pool_tool.h"

const char *tool_durability_name(uint32_t durability)
{
    static const char *const names[] = {"auto", "pmem", "msync", "process"};

    return durability < sizeof(names) / sizeof(names[0]) ? names[durability] : "unknown";
}

const char *tool_size_text(uint64_t size, char *buffer)
{
    static const char *const units[] = {"KiB", "MiB", "GiB", "TiB"};
    double value = (double)size / 1024;
    size_t unit = 0;

    while (value >= 1024 && unit < sizeof(units) / sizeof(units[0]) - 1) {
        value /= 1024;
        unit++;
    }
    (void)snprintf(buffer, 32, "%.2f %s", value, units[unit]);
    return buffer;
}

enum tool_status tool_error(const char *path, int error)
{
    const char *story = sdb_last_error();

    /* The story names the path where the library knew it. */
    if (story[0] == '\0')
        (void)fprintf(stderr, "superdb-pool: %s: %s\n", path, sdb_strerror(error));
    else if (strstr(story, path) != NULL)
        (void)fprintf(stderr, "superdb-pool: %s (%s)\n", story, sdb_strerror(error));
    else
        (void)fprintf(stderr, "superdb-pool: %s: %s (%s)\n", path, story, sdb_strerror(error));
    return error == SDB_ECORRUPT ? TOOL_DAMAGED : TOOL_FAILED;
}

int tool_open(const char *path, uint32_t durability, struct sdb_pool **pool)
{
    struct sdb_options options = SDB_OPTIONS_INIT;

    options.cache_size = 0; /* everything is read once */
    options.flags = SDB_READONLY;
    int error = sdb_open(path, &options, pool);
    if (error != SDB_EREADONLY)
        return error;
    options.flags = 0;
    options.durability = durability;
    return sdb_open(path, &options, pool);
}

enum tool_status tool_create(const struct tool_options *options)
{
    struct sdb_options create = SDB_OPTIONS_INIT;
    struct sdb_pool_info info;
    struct sdb_pool *pool;
    char size[32], size_max[32];

    create.pool_size = options->size;
    create.pool_size_max = options->size_max;
    create.shards = options->shards;
    create.durability = options->durability;
    create.flags = SDB_CREATE | SDB_EXCLUSIVE;
    create.cache_size = 0;
    int error = sdb_open(options->path, &create, &pool);
    if (error != SDB_OK)
        return tool_error(options->path, error);
    sdb_pool_info(pool, &info);
    error = sdb_close(pool);
    if (error != SDB_OK)
        return tool_error(options->path, error);
    (void)printf("%s: %s, growing to %s, %" PRIu32 " shards, durability %s (%s)\n", options->path,
                 tool_size_text(info.size, size), tool_size_text(info.size_max, size_max), info.shards,
                 tool_durability_name(info.durability), info.durability_reason);
    return TOOL_OK;
}

enum tool_status tool_resize(const struct tool_options *options)
{
    struct sdb_options open = SDB_OPTIONS_INIT;
    struct sdb_pool_info info;
    struct sdb_pool *pool;
    char size[32], size_max[32];

    open.cache_size = 0;
    int error = sdb_open(options->path, &open, &pool);
    if (error != SDB_OK)
        return tool_error(options->path, error);
    error = sdb_resize(pool, options->size);
    enum tool_status status = error == SDB_OK ? TOOL_OK : tool_error(options->path, error);
    sdb_pool_info(pool, &info);
    error = sdb_close(pool);
    if (error != SDB_OK)
        status = tool_error(options->path, error);
    if (status == TOOL_OK)
        (void)printf("%s: %s, growing to %s\n", options->path, tool_size_text(info.size, size),
                     tool_size_text(info.size_max, size_max));
    return status;
}
