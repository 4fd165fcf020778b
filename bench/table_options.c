/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * table_options.c - the command line of the embedded benchmark
 */
#include "table_options.h"

#include "arguments.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

enum {
    OPTION_PATH = 1,
    OPTION_POOL_SIZE,
    OPTION_KEYS,
    OPTION_OPERATIONS,
    OPTION_HOT,
    OPTION_KEY_SIZE,
    OPTION_VALUE_SIZE,
    OPTION_THREADS,
    OPTION_SLICE,
    OPTION_BATCH,
    OPTION_GROUP,
    OPTION_FLOOR_SIZE,
    OPTION_THETA,
    OPTION_SEED,
    OPTION_ONLY,
    OPTION_JSON,
    OPTION_KEEP,
    OPTION_HELP,
};

static const struct option long_options[] = {
    {"path", required_argument, NULL, OPTION_PATH},
    {"pool-size", required_argument, NULL, OPTION_POOL_SIZE},
    {"keys", required_argument, NULL, OPTION_KEYS},
    {"operations", required_argument, NULL, OPTION_OPERATIONS},
    {"hot", required_argument, NULL, OPTION_HOT},
    {"key-size", required_argument, NULL, OPTION_KEY_SIZE},
    {"value-size", required_argument, NULL, OPTION_VALUE_SIZE},
    {"threads", required_argument, NULL, OPTION_THREADS},
    {"slice", required_argument, NULL, OPTION_SLICE},
    {"batch", required_argument, NULL, OPTION_BATCH},
    {"group", required_argument, NULL, OPTION_GROUP},
    {"floor-size", required_argument, NULL, OPTION_FLOOR_SIZE},
    {"theta", required_argument, NULL, OPTION_THETA},
    {"seed", required_argument, NULL, OPTION_SEED},
    {"only", required_argument, NULL, OPTION_ONLY},
    {"json", required_argument, NULL, OPTION_JSON},
    {"keep", no_argument, NULL, OPTION_KEEP},
    {"help", no_argument, NULL, OPTION_HELP},
    {NULL, 0, NULL, 0},
};

static const char usage[] =
    "usage: superdb-bench embedded [OPTION]...\n"
    "Times the operations of a table in this process; figures to stderr, one JSON document to stdout.\n"
    "  --path FILE          the pool to make anew (/dev/shm/superdb-bench.pool)\n"
    "  --pool-size N        (1gb)        --keys N             (1m)\n"
    "  --key-size N         (8)          --value-size N       (8)\n"
    "  --operations N       of each phase that picks keys (1m)\n"
    "  --hot N              keys in the hot set (32768)\n"
    "  --threads N          (1)          --theta X            of zipfian picks (0.99)\n"
    "  --batch N            keys or handles in a batch (32)\n"
    "  --group N            updates in a group (64)\n"
    "  --slice N            operations between two clock reads (4096)\n"
    "  --floor-size N       memory that the medium's floor is measured on (256mb)\n"
    "  --only LIST          phases: insert (always), verify, get, get_zipfian, get_hot, get_batch, get_batch_hot,\n"
    "                       get_handle, get_handle_hot, get_handle_batch, get_handle_batch_hot, update,\n"
    "                       update_zipfian, update_hot, update_handle, update_group, delete, reinsert, reopen\n"
    "  --seed N             (1)          --json FILE          instead of stdout\n"
    "  --keep               leaves the pool behind\n";

static int parse_number(struct table_options *options, int option, const char *name)
{
    uint64_t number = 0;
    uint64_t minimum = 1;
    uint64_t maximum = 1ull << 40;
    int failed;

    if (option == OPTION_KEY_SIZE) {
        minimum = 8;
        maximum = TABLE_KEY_SIZE_MAX;
    } else if (option == OPTION_VALUE_SIZE) {
        maximum = TABLE_VALUE_SIZE_MAX;
    } else if (option == OPTION_BATCH || option == OPTION_GROUP) {
        maximum = TABLE_BATCH_MAX;
    } else if (option == OPTION_THREADS) {
        maximum = TABLE_THREADS_MAX;
    } else if (option == OPTION_FLOOR_SIZE) {
        minimum = 4u << 20;
    }
    failed = argument_number(name, optarg, minimum, maximum, &number);
    switch (option) {
    case OPTION_POOL_SIZE:
        options->pool_size = number;
        break;
    case OPTION_KEYS:
        options->keys = number;
        break;
    case OPTION_OPERATIONS:
        options->operations = number;
        break;
    case OPTION_HOT:
        options->hot = number;
        break;
    case OPTION_KEY_SIZE:
        options->key_size = number;
        break;
    case OPTION_VALUE_SIZE:
        options->value_size = number;
        break;
    case OPTION_THREADS:
        options->threads = (uint32_t)number;
        break;
    case OPTION_SLICE:
        options->slice = number;
        break;
    case OPTION_BATCH:
        options->batch = number;
        break;
    case OPTION_GROUP:
        options->group = number;
        break;
    case OPTION_FLOOR_SIZE:
        options->floor_size = number;
        break;
    default:
        options->seed = number;
        break;
    }
    return failed;
}

static int parse_one(struct table_options *options, int option, const char *name)
{
    switch (option) {
    case OPTION_PATH:
        options->path = optarg;
        return 0;
    case OPTION_JSON:
        options->json = optarg;
        return 0;
    case OPTION_ONLY:
        options->only = optarg;
        return 0;
    case OPTION_KEEP:
        options->keep = 1;
        return 0;
    case OPTION_THETA:
        return argument_real(name, optarg, 0.01, 0.999, &options->theta);
    default:
        return parse_number(options, option, name);
    }
}

int table_options_parse(struct table_options *options, int argc, char **argv)
{
    int option;
    int which = 0;

    *options = (struct table_options){
        .path = "/dev/shm/superdb-bench.pool",
        .pool_size = 1ull << 30,
        .keys = 1000000,
        .operations = 1000000,
        .hot = 32768,
        .key_size = 8,
        .value_size = 8,
        .slice = 4096,
        .batch = 32,
        .group = 64,
        .floor_size = 256u << 20,
        .threads = 1,
        .theta = 0.99,
        .seed = 1,
    };
    while ((option = getopt_long(argc, argv, "", long_options, &which)) != -1) {
        if (option == OPTION_HELP || option == '?') {
            fputs(usage, stderr);
            return -1;
        }
        if (parse_one(options, option, long_options[which].name))
            return -1;
    }
    if (optind < argc) {
        fprintf(stderr, "superdb-bench: unexpected argument '%s'\n", argv[optind]);
        return -1;
    }
    return 0;
}

int table_options_wants(const struct table_options *options, const char *name)
{
    return !options->only || argument_listed(options->only, name);
}
