/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * growth.c - what a SET costs while a store grows from nothing: each key is new, each call is timed
 *
 * Keys are set in order, in equal intervals; each interval has its percentiles and its longest call, so that a step in the
 * growth of an index stands where it happened. In this process a call is one sdb_set; through a server it is the round trip of
 * a pipeline on one connection.
 *
 * Disturbed: a call during which the kernel gave the CPU of this thread, or of one of the server's, to somebody else. Long calls
 * are asked about that; the disturbed ones are counted, and are in no percentile.
 */
#include "growth.h"

#include "arguments.h"
#include "connection.h"
#include "histogram.h"
#include "json.h"
#include "machine.h"
#include "timing.h"
#include "traffic.h"

#include <dirent.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <superdb/superdb.h>
#include <sys/resource.h>
#include <unistd.h>

#define LONG_CALL_NS 5000u       /* in this process: asked about */
#define LONG_ROUND_TRIP_NS 300000u
#define PIPELINE_MAX 1024u
#define REPLY_SIZE 5u /* "+OK\r\n" */

struct growth {
    struct network_options traffic; /* target, sizes of keys and values */
    const char *path;               /* of the pool; NULL: a server */
    const char *json;
    uint64_t pool_size;
    uint64_t keys;
    uint64_t intervals;
    uint64_t pipeline;
    uint64_t server_pid;
    struct sdb_pool *pool;
    struct sdb_session *session;
    int fd;
    char *bytes; /* of a pipeline */
    uint64_t switches;
    uint64_t disturbed;
    struct histogram *whole, *interval;
};

static const char usage[] =
    "usage: superdb-bench growth [OPTION]...\n"
    "Sets new keys only, and times each call, interval by interval.\n"
    "  --path FILE     a new pool, in this process     --pool-size N    of it (4gb)\n"
    "  --port N        a RESP server instead           --pipeline N     SETs in a round trip (16)\n"
    "  --server-pid N  whose threads are asked for involuntary switches\n"
    "  --keys N        (1m)                            --intervals N    (100)\n"
    "  --key-size N    (16)                            --value-size N   (16)\n"
    "  --json FILE     instead of stdout\n";

/* ---- who was disturbed -------------------------------------------------------------------------------------------------- */

static uint64_t switches_of_task(int pid, const char *task)
{
    char path[320], line[128];
    unsigned long long count = 0;
    FILE *file;

    snprintf(path, sizeof(path), "/proc/%d/task/%s/status", pid, task);
    file = fopen(path, "r");
    if (!file)
        return 0;
    while (fgets(line, sizeof(line), file) && sscanf(line, "nonvoluntary_ctxt_switches: %llu", &count) != 1)
        continue;
    fclose(file);
    return count;
}

static uint64_t count_switches(const struct growth *growth)
{
    struct rusage used;
    uint64_t count;
    char path[64];
    DIR *tasks;

    getrusage(RUSAGE_THREAD, &used);
    count = (uint64_t)used.ru_nivcsw;
    if (!growth->server_pid)
        return count;
    snprintf(path, sizeof(path), "/proc/%d/task", (int)growth->server_pid);
    tasks = opendir(path);
    if (!tasks)
        return count;
    for (struct dirent *task = readdir(tasks); task; task = readdir(tasks))
        if (task->d_name[0] != '.')
            count += switches_of_task((int)growth->server_pid, task->d_name);
    closedir(tasks);
    return count;
}

static void record(struct growth *growth, uint64_t ns)
{
    if (ns > (growth->path ? LONG_CALL_NS : LONG_ROUND_TRIP_NS)) {
        uint64_t switches = count_switches(growth);
        uint64_t before = growth->switches;

        growth->switches = switches;
        if (switches != before) {
            growth->disturbed++;
            return;
        }
    }
    histogram_record(growth->interval, ns, 1);
}

/* ---- setting ------------------------------------------------------------------------------------------------------------ */

/* 0, or -1 after a message. */
static int set_here(struct growth *growth, uint64_t number)
{
    char key[NETWORK_KEY_SIZE_MAX], value[4096];
    size_t key_size = growth->traffic.key_size;
    size_t value_size = growth->traffic.value_size;
    uint64_t start;
    int result;

    text_key(number, key, key_size);
    text_value(number, 0, value, value_size);
    start = ticks();
    result = sdb_set(growth->session, key, key_size, value, value_size, NULL);
    record(growth, ticks_to_ns(ticks() - start));
    if (result != SDB_OK)
        fprintf(stderr, "superdb-bench: set: %s\n", sdb_last_error());
    return result == SDB_OK ? 0 : -1;
}

static int set_there(struct growth *growth, uint64_t number, uint64_t count)
{
    char replies[PIPELINE_MAX * REPLY_SIZE];
    size_t size = 0;
    uint64_t start;

    for (uint64_t i = 0; i < count; i++)
        size += request_write(&growth->traffic, REQUEST_SET, number + i, 0, NULL, growth->bytes + size);
    start = ticks();
    if (connection_send(growth->fd, growth->bytes, size) || connection_receive(growth->fd, replies, count * REPLY_SIZE)) {
        fprintf(stderr, "superdb-bench: the server is gone\n");
        return -1;
    }
    record(growth, ticks_to_ns(ticks() - start));
    for (uint64_t i = 0; i < count; i++) {
        if (memcmp(replies + i * REPLY_SIZE, "+OK\r\n", REPLY_SIZE) != 0) {
            fprintf(stderr, "superdb-bench: a SET was refused: %.20s\n", replies + i * REPLY_SIZE);
            return -1;
        }
    }
    return 0;
}

static int set_interval(struct growth *growth, uint64_t first, uint64_t end)
{
    int failed = 0;

    growth->switches = count_switches(growth);
    histogram_clear(growth->interval);
    if (growth->path) {
        for (uint64_t number = first; number < end && !failed; number++)
            failed = set_here(growth, number);
    } else {
        for (uint64_t number = first; number < end && !failed; number += growth->pipeline)
            failed = set_there(growth, number, end - number < growth->pipeline ? end - number : growth->pipeline);
    }
    return failed;
}

/* ---- the whole ---------------------------------------------------------------------------------------------------------- */

static int grow(struct growth *growth, struct json *json)
{
    uint64_t begin = now_ns();
    int failed = 0;

    json_array(json, "intervals");
    for (uint64_t i = 0; i < growth->intervals && !failed; i++) {
        uint64_t start = now_ns();
        uint64_t first = growth->keys / growth->intervals * i;
        uint64_t end = i + 1 < growth->intervals ? growth->keys / growth->intervals * (i + 1) : growth->keys;

        failed = set_interval(growth, first, end);
        histogram_merge(growth->whole, growth->interval);
        json_object(json, NULL);
        json_integer(json, "keys", end);
        json_number(json, "seconds", (double)(now_ns() - start) / 1e9);
        json_histogram(json, "latency_ns", growth->interval);
        json_object_end(json);
    }
    json_array_end(json);
    json_number(json, "seconds", (double)(now_ns() - begin) / 1e9);
    json_integer(json, "disturbed", growth->disturbed);
    json_histogram(json, "latency_ns", growth->whole);
    fprintf(stderr, "growth to %llu keys: p50 %.2f us, p99.99 %.1f us, max %.1f us, %llu disturbed, %.1f s\n",
            (unsigned long long)growth->keys, (double)histogram_percentile(growth->whole, 50) / 1e3,
            (double)histogram_percentile(growth->whole, 99.99) / 1e3, (double)growth->whole->maximum / 1e3,
            (unsigned long long)growth->disturbed, (double)(now_ns() - begin) / 1e9);
    return failed;
}

static int open_store(struct growth *growth)
{
    struct sdb_options options = SDB_OPTIONS_INIT;

    if (!growth->path) {
        growth->fd = connection_open(&growth->traffic.target);
        if (growth->fd < 0)
            perror("superdb-bench: connect");
        return growth->fd < 0 ? -1 : 0;
    }
    options.pool_size = growth->pool_size;
    options.flags = SDB_CREATE | SDB_EXCLUSIVE;
    if (sdb_open(growth->path, &options, &growth->pool) != SDB_OK) {
        fprintf(stderr, "superdb-bench: %s\n", sdb_last_error());
        return -1;
    }
    (void)unlink(growth->path);
    if (sdb_session_open(growth->pool, &growth->session) != SDB_OK) {
        fprintf(stderr, "superdb-bench: %s\n", sdb_last_error());
        sdb_close(growth->pool);
        return -1;
    }
    return 0;
}

static void close_store(struct growth *growth)
{
    if (!growth->path) {
        close(growth->fd);
        return;
    }
    sdb_session_close(growth->session);
    if (sdb_close(growth->pool) != SDB_OK)
        fprintf(stderr, "superdb-bench: closing: %s\n", sdb_last_error());
}

static int parse_one(struct growth *growth, int option)
{
    uint64_t number = 0;
    int failed = 0;

    switch (option) {
    case 'f':
        growth->path = optarg;
        break;
    case 'j':
        growth->json = optarg;
        break;
    case 's':
        failed = argument_number("pool-size", optarg, 1, 1ull << 40, &growth->pool_size);
        break;
    case 'p':
        failed = argument_number("port", optarg, 1, 65535, &number);
        growth->traffic.target.port = (uint32_t)number;
        break;
    case 'd':
        failed = argument_number("pipeline", optarg, 1, PIPELINE_MAX, &growth->pipeline);
        break;
    case 'i':
        failed = argument_number("server-pid", optarg, 1, INT32_MAX, &growth->server_pid);
        break;
    case 'n':
        failed = argument_number("keys", optarg, 1, 1ull << 32, &growth->keys);
        break;
    case 'c':
        failed = argument_number("intervals", optarg, 1, 10000, &growth->intervals);
        break;
    case 'k':
        failed = argument_number("key-size", optarg, 16, NETWORK_KEY_SIZE_MAX, &number);
        growth->traffic.key_size = number;
        break;
    case 'v':
        failed = argument_number("value-size", optarg, 1, 4096, &number);
        growth->traffic.value_size = number;
        break;
    default:
        failed = -1;
        break;
    }
    return failed;
}

static int parse(struct growth *growth, int argc, char **argv)
{
    static const struct option long_options[] = {
        {"path", required_argument, NULL, 'f'},       {"pool-size", required_argument, NULL, 's'},
        {"port", required_argument, NULL, 'p'},       {"pipeline", required_argument, NULL, 'd'},
        {"server-pid", required_argument, NULL, 'i'}, {"keys", required_argument, NULL, 'n'},
        {"intervals", required_argument, NULL, 'c'},  {"key-size", required_argument, NULL, 'k'},
        {"value-size", required_argument, NULL, 'v'}, {"json", required_argument, NULL, 'j'},
        {NULL, 0, NULL, 0},
    };
    int option;

    *growth = (struct growth){
        .traffic = {.target = {"127.0.0.1", NULL, 6379}, .key_size = 16, .value_size = 16, .mget_keys = 1},
        .pool_size = 4ull << 30,
        .keys = 1000000,
        .intervals = 100,
        .pipeline = 16,
    };
    while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
        if (parse_one(growth, option)) {
            fputs(usage, stderr);
            return -1;
        }
    }
    if (optind < argc || growth->keys < growth->intervals) {
        fputs(usage, stderr);
        return -1;
    }
    return 0;
}

static int run(struct growth *growth, int argc, char **argv, FILE *file)
{
    struct json json;
    int failed;

    growth->whole = histogram_create();
    growth->interval = histogram_create();
    growth->bytes = malloc(PIPELINE_MAX * request_size_max(&growth->traffic));
    failed = !growth->whole || !growth->interval || !growth->bytes || open_store(growth);
    if (!failed) {
        json_begin(&json, file);
        machine_describe_run(&json, "growth", argc, argv);
        failed = grow(growth, &json);
        machine_describe(&json);
        json_integer(&json, "failed", failed != 0);
        json_end(&json);
        close_store(growth);
    }
    free(growth->bytes);
    free(growth->interval);
    free(growth->whole);
    return failed ? 1 : 0;
}

int growth_benchmark(int argc, char **argv)
{
    struct growth growth;
    FILE *file;
    int failed;

    if (parse(&growth, argc, argv))
        return 2;
    file = growth.json ? fopen(growth.json, "w") : stdout;
    if (!file) {
        perror(growth.json);
        return 2;
    }
    ticks_calibrate();
    machine_begin();
    failed = run(&growth, argc, argv, file);
    if (growth.json)
        fclose(file);
    return failed;
}
