/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pool_info.c - superdb-pool info: a line a fact, name and value, for people and for scripts
 */
#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "pool_tool.h"

static void print_size(const char *name, uint64_t size)
{
    char text[32];

    (void)printf("%-18s %" PRIu64 " (%s)\n", name, size, tool_size_text(size, text));
}

static void print_uuid(const uint8_t uuid[16])
{
    (void)printf("%-18s ", "uuid");
    for (int i = 0; i < 16; i++)
        (void)printf("%s%02x", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", uuid[i]);
    (void)printf("\n");
}

static void print_pool(struct sdb_pool *pool)
{
    struct sdb_pool_info info;
    struct sdb_stats stats;
    char created[64] = "";
    struct tm parts;

    sdb_pool_info(pool, &info);
    sdb_stats(pool, &stats);
    const time_t seconds = (time_t)(info.created_ms / 1000);
    if (gmtime_r(&seconds, &parts) != NULL)
        (void)strftime(created, sizeof(created), "%Y-%m-%dT%H:%M:%SZ", &parts);
    (void)printf("%-18s %s\n", "path", info.path);
    print_uuid(info.uuid);
    (void)printf("%-18s %" PRIu32 "\n", "format_version", info.format_version);
    (void)printf("%-18s %s\n", "created", created);
    print_size("size", info.size);
    print_size("size_max", info.size_max);
    print_size("used", info.used);
    print_size("used_entries", stats.entry_bytes);
    print_size("used_index", stats.index_bytes);
    print_size("used_blobs", stats.blob_bytes);
    print_size("used_metadata", stats.metadata_bytes);
    print_size("free", stats.free_bytes);
    (void)printf("%-18s %" PRIu32 "\n", "shards", info.shards);
    (void)printf("%-18s %" PRIu32 "\n", "lanes", info.lanes);
    (void)printf("%-18s %s (%s)\n", "durability", tool_durability_name(info.durability), info.durability_reason);
    (void)printf("%-18s %s\n", "flush", info.flush);
    (void)printf("%-18s %s\n", "persistent_caches", info.persistent_caches ? "yes" : "no");
    print_size("huge_page_bytes", info.huge_page_bytes);
    (void)printf("%-18s %s\n", "simd", info.simd);
    (void)printf("%-18s %s\n", "clean", info.recovered ? "no, recovered now" : "yes");
}

/* "db0 keys=12,expires=3", as in INFO's keyspace section; databases without keys are left out. */
static int print_databases(struct sdb_session *session)
{
    for (uint32_t database = 0; database < SDB_DATABASES; database++) {
        uint64_t keys = 0, expiring = 0;
        int error = sdb_select(session, database);
        if (error == SDB_OK)
            error = sdb_count(session, &keys);
        if (error == SDB_OK)
            error = sdb_count_expiring(session, &expiring);
        if (error != SDB_OK)
            return error;
        char name[16];
        (void)snprintf(name, sizeof(name), "db%" PRIu32, database);
        if (keys > 0)
            (void)printf("%-18s keys=%" PRIu64 ",expires=%" PRIu64 "\n", name, keys, expiring);
    }
    return SDB_OK;
}

enum tool_status tool_info(const struct tool_options *options)
{
    struct sdb_pool *pool;
    struct sdb_session *session;
    enum tool_status status = TOOL_OK;

    int error = tool_open(options->path, options->durability, &pool);
    if (error != SDB_OK)
        return tool_error(options->path, error);
    print_pool(pool);
    error = sdb_session_open(pool, &session);
    if (error == SDB_OK) {
        error = print_databases(session);
        if (error != SDB_OK)
            status = tool_error(options->path, error);
        sdb_session_close(session);
    } else {
        status = tool_error(options->path, error);
    }
    error = sdb_close(pool);
    return error == SDB_OK ? status : tool_error(options->path, error);
}
