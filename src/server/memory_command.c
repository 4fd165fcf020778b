/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * memory_command.c - MEMORY and its subcommands: pool memory of keys, DRAM of the process
 */
#include <malloc.h>
#include <stdio.h>
#include <string.h>

#include "args.h"
#include "client_list.h"
#include "command_help.h"
#include "errors.h"
#include "process.h"
#include "runtime.h"

static void memory_usage(struct client *client, const struct request_arg *argv, int argc)
{
    struct sdb_stat stat;
    int64_t samples;
    int result;

    for (int i = 3; i < argc; i++) {
        if (!args_is(&argv[i], "samples") || i + 1 == argc) {
            command_syntax_error(client);
            return;
        }
        if (!command_get_integer(client, &argv[++i], INT64_MIN, INT64_MAX, NULL, &samples))
            return;
        if (samples < 0) {
            command_syntax_error(client);
            return;
        }
    }
    result = sdb_stat(client->session, argv[2].data, argv[2].size, &stat);
    if (result == SDB_OK)
        reply_integer(&client->reply, (int64_t)stat.memory);
    else if (result == SDB_ENOTFOUND)
        reply_null(&client->reply);
    else
        command_reply_error(client, result);
}

static void memory_doctor(struct client *client, const struct request_arg *argv, int argc)
{
    struct sdb_pool_info info;
    char text[512];
    int size;

    (void)argv;
    (void)argc;
    sdb_pool_info(runtime.pool, &info);
    if (info.used > info.size / 10 * 9 && info.size_max > info.size)
        size = snprintf(text, sizeof(text),
                        "The pool is %.0f%% full. Let it grow with CONFIG SET pool-size, up to %llu bytes.\n",
                        100.0 * (double)info.used / (double)info.size, (unsigned long long)info.size_max);
    else if (info.used > info.size / 10 * 9)
        size = snprintf(text, sizeof(text), "The pool is %.0f%% full and cannot grow.\n",
                        100.0 * (double)info.used / (double)info.size);
    else if (!info.huge_pages)
        size = snprintf(text, sizeof(text),
                        "The pool is mapped with small pages: random reads take longer than they need to.\n");
    else
        size = snprintf(text, sizeof(text), "No memory problem was found.\n");
    reply_verbatim(&client->reply, text, (size_t)size, "txt");
}

static void pair(struct reply *reply, const char *name, uint64_t value)
{
    reply_bulk_text(reply, name);
    reply_integer(reply, (int64_t)value);
}

static void memory_stats(struct client *client, const struct request_arg *argv, int argc)
{
    struct reply *reply = &client->reply;
    struct process_memory memory;
    struct sdb_stats stats;
    uint64_t keys;

    (void)argv;
    (void)argc;
    process_memory(&memory);
    sdb_stats(runtime.pool, &stats);
    keys = process_count_keys(client);
    reply_map(reply, 15);
    pair(reply, "peak.allocated", memory.peak);
    pair(reply, "total.allocated", memory.allocated);
    pair(reply, "startup.allocated", memory.at_start);
    pair(reply, "replication.backlog", 0);
    pair(reply, "clients.slaves", 0);
    pair(reply, "clients.normal", client_list_count() * sizeof(struct client));
    pair(reply, "keys.count", keys);
    pair(reply, "keys.bytes-per-key", keys != 0 ? stats.used / keys : 0);
    pair(reply, "dataset.bytes", stats.entry_bytes + stats.blob_bytes);
    pair(reply, "pool.used", stats.used);
    pair(reply, "pool.entries", stats.entry_bytes);
    pair(reply, "pool.index", stats.index_bytes);
    pair(reply, "pool.blobs", stats.blob_bytes);
    pair(reply, "pool.metadata", stats.metadata_bytes);
    pair(reply, "pool.free", stats.free_bytes);
}

static void memory_malloc_stats(struct client *client, const struct request_arg *argv, int argc)
{
    struct mallinfo2 info = mallinfo2();
    char text[384];
    int size = snprintf(text, sizeof(text),
                        "arena: %zu\nmapped blocks: %zu\nmapped bytes: %zu\nin use: %zu\nfree: %zu\nreleasable: %zu\n",
                        info.arena, info.hblks, info.hblkhd, info.uordblks, info.fordblks, info.keepcost);

    (void)argv;
    (void)argc;
    reply_verbatim(&client->reply, text, (size_t)size, "txt");
}

static void memory_purge(struct client *client, const struct request_arg *argv, int argc)
{
    (void)argv;
    (void)argc;
    (void)malloc_trim(0);
    reply_ok(&client->reply);
}

/* ---- rows ------------------------------------------------------------------------------------------------------- */

#define ROW(text, cost, arguments, count, bits, categories, function)                                                  \
    .name = text, .since = "4.0.0", .group = "server", .complexity = cost, .syntax = arguments, .arity = count,        \
    .flags = bits, .acl_categories = categories, .handler = function

const struct command memory_subcommands[] = {
    {ROW("doctor", "O(1)", NULL, 2, 0, "@slow", memory_doctor),
     .summary = "Tells what is wrong with memory, if anything",
     .difference = "The text is SuperDB's own, and about the pool"},
    {ROW("help", "O(1)", NULL, 2, COMMAND_LOADING | COMMAND_STALE, "@slow", command_help),
     .summary = "Lists the subcommands"},
    {ROW("malloc-stats", "Depends on how much memory is allocated, could be slow", NULL, 2, 0, "@slow",
         memory_malloc_stats),
     .summary = "Gives the allocator's figures"},
    {ROW("purge", "Depends on how much memory is allocated, could be slow", NULL, 2, 0, "@slow", memory_purge),
     .summary = "Gives free DRAM back to the system"},
    {ROW("stats", "O(1)", NULL, 2, 0, "@slow", memory_stats), .summary = "Gives figures about memory",
     .difference = "DRAM of the process, and the parts of the pool; figures of Redis' allocator are left out"},
    {ROW("usage", "O(1)", "key [SAMPLES count]", -3, COMMAND_READONLY, "@read @slow", memory_usage), .first_key = 2,
     .last_key = 2, .key_step = 1, .summary = "Gives the bytes that a key and its value take in the pool",
     .difference = "Exact, and smaller than Redis' figures"},
    {.name = NULL},
};
