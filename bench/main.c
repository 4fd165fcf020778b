/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * main.c - superdb-bench: picks the mode
 */
#include "growth.h"
#include "lines.h"
#include "network.h"
#include "table.h"
#include "types.h"

#include <stdio.h>
#include <string.h>

static const char usage[] =
    "usage: superdb-bench MODE [OPTION]...\n"
    "  embedded     times the operations of libsuperdb in this process\n"
    "  network      loads a RESP or memcached server\n"
    "  growth       times every SET of new keys, in this process or through a server\n"
    "  lines        runs an operation for scripts/shared-lines.py, which counts the cache lines that threads share\n"
    "  types        loads a RESP server with the commands of lists, sets, hashes, sorted sets and others\n"
    "  collections  times what elements cost in this process, by how many there are\n"
    "  deletion     times other commands while a RESP server deletes a large collection\n"
    "  first-reply  starts a server and times its way to the first right reply\n"
    "Each mode tells its options with --help.\n";

int main(int argc, char **argv)
{
    if (argc > 1 && !strcmp(argv[1], "embedded"))
        return table_benchmark(&superdb_table, argc - 1, argv + 1);
    if (argc > 1 && !strcmp(argv[1], "network"))
        return network_benchmark(argc - 1, argv + 1);
    if (argc > 1 && !strcmp(argv[1], "growth"))
        return growth_benchmark(argc - 1, argv + 1);
    if (argc > 1 && !strcmp(argv[1], "lines"))
        return lines_benchmark(argc - 1, argv + 1);
    if (argc > 1 && !strcmp(argv[1], "first-reply"))
        return first_reply_benchmark(argc - 1, argv + 1);
    if (argc > 1 && !strcmp(argv[1], "types"))
        return types_benchmark(argc - 1, argv + 1);
    if (argc > 1 && !strcmp(argv[1], "collections"))
        return collections_benchmark(argc - 1, argv + 1);
    if (argc > 1 && !strcmp(argv[1], "deletion"))
        return deletion_benchmark(argc - 1, argv + 1);
    fputs(usage, stderr);
    return argc > 1 && !strcmp(argv[1], "--help") ? 0 : 2;
}
