/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * main.c - superdb-bench-medium: what the hot-handle cache buys on a medium that is slower than DRAM
 *
 * One pool, opened again and again with another size of the cache, and read on a medium whose every line costs extra
 * nanoseconds (medium.h). Keys are picked before the clock starts; a figure is the median over slices, of the thread's CPU time.
 * The engine is compiled for this program; its figures for no extra nanoseconds contain the model's own cost.
 */
#include "arguments.h"
#include "bucket.h"
#include "json.h"
#include "keyspace.h"
#include "machine.h"
#include "medium.h"
#include "pool.h"
#include "session.h"
#include "timing.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SLICE 4096u
#define BATCH 32u
#define EXTRAS_MAX 16u

struct options {
    const char *path, *json;
    uint64_t keys, operations, cpu_cache;
    double theta;
    uint64_t extras[EXTRAS_MAX];
    uint32_t extra_count;
};

struct bench {
    struct options options;
    struct json json;
    struct keyspace zipfian, uniform;
    struct sdb_pool *pool;
    struct sdb_session *session;
    double *samples;
    uint64_t failures;
};

static const char usage[] =
    "usage: superdb-bench-medium [OPTION]...\n"
    "GET and SET on an emulated slow medium, with and without the hot-handle cache; a table to stderr, JSON to stdout.\n"
    "  --path FILE       the pool to make anew (/dev/shm/superdb-bench-medium.pool)\n"
    "  --keys N          (1m)      --operations N   timed, of each kind (400k)\n"
    "  --extra LIST      nanoseconds, up to 16 numbers (0,100,300,600)\n"
    "  --cpu-cache N     lines that the CPU keeps, in bytes (2mb)\n"
    "  --theta X         of zipfian picks (0.99)\n"
    "  --json FILE       instead of stdout\n";

/* ---- the engine on the medium ---- */

static bucket_match_fn *real_match;

static unsigned match(const uint64_t *bucket, uint16_t tag)
{
    medium_read(bucket);
    return real_match(bucket, tag);
}

static void reach_medium(struct bench *bench)
{
    medium.base = bench->pool->file.base;
    medium.size = (size_t)bench->pool->heap.extent_max << EXTENT_SHIFT;
    real_match = bucket_match;
    bucket_match = match;
}

static int open_pool(struct bench *bench, uint64_t cache_size, int create)
{
    struct sdb_options options = SDB_OPTIONS_INIT;

    options.pool_size = bench->options.keys * 80 + (64u << 20);
    options.cache_size = cache_size;
    options.flags = create ? SDB_CREATE | SDB_EXCLUSIVE : 0;
    medium.size = 0;
    if (sdb_open(bench->options.path, &options, &bench->pool) != SDB_OK ||
        sdb_session_open(bench->pool, &bench->session) != SDB_OK) {
        fprintf(stderr, "superdb-bench-medium: %s\n", sdb_last_error());
        return -1;
    }
    return 0;
}

static void close_pool(struct bench *bench)
{
    medium.size = 0;
    if (bench->session)
        sdb_session_close(bench->session);
    if (bench->pool)
        (void)sdb_close(bench->pool);
    bench->session = NULL;
    bench->pool = NULL;
}

static int fill(struct bench *bench)
{
    for (uint64_t i = 0; i < bench->options.keys; i++) {
        char key[8];

        binary_key(i, key, sizeof key);
        if (i % 64 == 0 && sdb_group_begin(bench->session) != SDB_OK)
            return -1;
        if (sdb_set(bench->session, key, sizeof key, &i, sizeof i, NULL) != SDB_OK)
            return -1;
        if ((i % 64 == 63 || i + 1 == bench->options.keys) && sdb_group_end(bench->session) != SDB_OK)
            return -1;
    }
    return 0;
}

/* ---- what is timed ---- */

enum kind { GET, GET_BATCH, SET, KINDS };
static const char *const kind_names[KINDS] = {"get", "get_batch", "set"};

static size_t run_gets(struct bench *bench, const char (*keys)[8], const uint64_t *numbers)
{
    size_t failures = 0;

    for (size_t i = 0; i < SLICE; i++) {
        uint64_t value = 0;
        size_t size;

        failures += sdb_get(bench->session, keys[i], 8, &value, sizeof value, &size) != SDB_OK || value != numbers[i];
    }
    return failures;
}

static size_t run_batches(struct bench *bench, const char (*keys)[8])
{
    struct sdb_inline values[BATCH];
    struct sdb_slice slices[BATCH];
    size_t failures = 0;

    for (size_t i = 0; i < SLICE; i += BATCH) {
        for (size_t k = 0; k < BATCH; k++)
            slices[k] = (struct sdb_slice){keys[i + k], 8};
        sdb_get_many(bench->session, slices, BATCH, values);
        for (size_t k = 0; k < BATCH; k++)
            failures += values[k].result != SDB_OK;
    }
    return failures;
}

static size_t run_sets(struct bench *bench, const char (*keys)[8], const uint64_t *numbers)
{
    size_t failures = 0;

    for (size_t i = 0; i < SLICE; i++)
        failures += sdb_set(bench->session, keys[i], 8, &numbers[i], sizeof numbers[i], NULL) != SDB_OK;
    return failures;
}

static size_t run_slice(struct bench *bench, enum kind kind, const char (*keys)[8], const uint64_t *numbers)
{
    switch (kind) {
    case GET:
        return run_gets(bench, keys, numbers);
    case GET_BATCH:
        return run_batches(bench, keys);
    case SET:
        return run_sets(bench, keys, numbers);
    case KINDS:
        break;
    }
    return SLICE;
}

/* Nanoseconds an operation, the median over the slices. */
static double time_kind(struct bench *bench, enum kind kind, struct keyspace *picks, uint64_t operations)
{
    static char keys[SLICE][8];
    static uint64_t numbers[SLICE];
    uint64_t slices = 0;

    for (uint64_t done = 0; done < operations; done += SLICE) {
        uint64_t start;

        for (size_t i = 0; i < SLICE; i++) {
            numbers[i] = keyspace_pick(picks);
            binary_key(numbers[i], keys[i], sizeof keys[i]);
        }
        start = thread_cpu_ns();
        bench->failures += run_slice(bench, kind, (const char (*)[8])keys, numbers);
        bench->samples[slices++] = (double)(thread_cpu_ns() - start) / SLICE;
    }
    return median(bench->samples, slices);
}

/* Reads without waiting until the cache holds what it will hold. */
static void warm_up(struct bench *bench, struct keyspace *picks, uint64_t operations)
{
    uint64_t read = medium.read_ticks;

    medium.read_ticks = 0;
    (void)time_kind(bench, GET, picks, operations);
    medium.read_ticks = read;
}

static void report(struct bench *bench, const char *picks, const char *kind, uint64_t cache_size, uint64_t extra, double ns,
                   double hit_rate)
{
    json_object(&bench->json, NULL);
    json_text(&bench->json, "picks", picks);
    json_text(&bench->json, "operation", kind);
    json_integer(&bench->json, "cache_size", cache_size);
    json_integer(&bench->json, "extra_ns", extra);
    json_number(&bench->json, "ns", ns);
    json_number(&bench->json, "hit_rate", hit_rate);
    json_object_end(&bench->json);
    fprintf(stderr, "%-8s %-10s cache %9llu, %4llu ns extra: %8.1f ns  %6.2f%% hits\n", picks, kind,
            (unsigned long long)cache_size, (unsigned long long)extra, ns, 100 * hit_rate);
}

static uint64_t to_ticks(uint64_t ns)
{
    return ns ? (uint64_t)((double)ns * 1e6 / (double)ticks_to_ns(1000000)) : 0;
}

static void run_picks(struct bench *bench, const char *name, struct keyspace *picks, uint64_t cache_size)
{
    warm_up(bench, picks, 4 * bench->options.keys);
    for (uint32_t e = 0; e < bench->options.extra_count; e++) {
        medium.read_ticks = medium.flush_ticks = to_ticks(bench->options.extras[e]);
        for (enum kind kind = GET; kind < KINDS; kind++) {
            struct sdb_stats before, after;
            double ns;

            sdb_stats(bench->pool, &before);
            ns = time_kind(bench, kind, picks, bench->options.operations);
            sdb_stats(bench->pool, &after);
            report(bench, name, kind_names[kind], cache_size, bench->options.extras[e], ns,
                   after.gets > before.gets ? (double)(after.cache_hits - before.cache_hits) / (double)(after.gets - before.gets)
                                            : 0);
        }
    }
}

static int run_all(struct bench *bench)
{
    const uint64_t per_key = 64;
    const uint64_t sizes[] = {0, bench->options.keys / 100 * per_key, bench->options.keys / 20 * per_key};

    for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
        if (open_pool(bench, sizes[s], 0) || medium_model(bench->options.cpu_cache))
            return -1;
        reach_medium(bench);
        run_picks(bench, "zipfian", &bench->zipfian, sizes[s]);
        run_picks(bench, "uniform", &bench->uniform, sizes[s]);
        close_pool(bench);
    }
    return 0;
}

static int parse_extras(struct options *options, const char *list)
{
    char *end = NULL;

    options->extra_count = 0;
    do {
        if (options->extra_count == EXTRAS_MAX)
            return -1;
        options->extras[options->extra_count++] = strtoull(list, &end, 10);
        if (end == list || (*end != ',' && *end != '\0'))
            return -1;
        list = end + 1;
    } while (*end == ',');
    return 0;
}

static int parse(struct options *options, int argc, char **argv)
{
    static const struct option long_options[] = {
        {"path", required_argument, NULL, 'p'},  {"keys", required_argument, NULL, 'k'},
        {"operations", required_argument, NULL, 'o'}, {"extra", required_argument, NULL, 'e'},
        {"cpu-cache", required_argument, NULL, 'c'},  {"theta", required_argument, NULL, 't'},
        {"json", required_argument, NULL, 'j'},  {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    int option;
    int failed = 0;

    *options = (struct options){"/dev/shm/superdb-bench-medium.pool", NULL, 1000000, 400000, 2u << 20, 0.99, {0, 100, 300, 600}, 4};
    while (!failed && (option = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
        if (option == 'p')
            options->path = optarg;
        else if (option == 'k')
            failed = argument_number("--keys", optarg, 1000, 1u << 30, &options->keys);
        else if (option == 'o')
            failed = argument_number("--operations", optarg, SLICE, 1u << 30, &options->operations);
        else if (option == 'c')
            failed = argument_number("--cpu-cache", optarg, 4096, 1u << 30, &options->cpu_cache);
        else if (option == 't')
            failed = argument_real("--theta", optarg, 0.01, 5, &options->theta);
        else if (option == 'e')
            failed = parse_extras(options, optarg);
        else if (option == 'j')
            options->json = optarg;
        else
            failed = 1;
    }
    if (failed || optind < argc)
        fputs(usage, stderr);
    return failed || optind < argc ? -1 : 0;
}

static int prepare(struct bench *bench)
{
    uint64_t slices = (4 * bench->options.keys > bench->options.operations ? 4 * bench->options.keys : bench->options.operations);

    bench->samples = malloc((slices / SLICE + 1) * sizeof *bench->samples);
    keyspace_init(&bench->zipfian, bench->options.keys, DISTRIBUTION_ZIPFIAN, bench->options.theta, 1);
    keyspace_init(&bench->uniform, bench->options.keys, DISTRIBUTION_UNIFORM, 0, 1);
    unlink(bench->options.path);
    if (!bench->samples || open_pool(bench, 0, 1) || fill(bench))
        return -1;
    close_pool(bench);
    return 0;
}

int main(int argc, char **argv)
{
    static struct bench bench;
    FILE *file;
    int failed;

    if (parse(&bench.options, argc, argv))
        return 2;
    file = bench.options.json ? fopen(bench.options.json, "w") : stdout;
    if (!file) {
        perror(bench.options.json);
        return 2;
    }
    ticks_calibrate();
    machine_begin();
    json_begin(&bench.json, file);
    machine_describe_run(&bench.json, "medium", argc, argv);
    json_integer(&bench.json, "keys", bench.options.keys);
    json_integer(&bench.json, "cpu_cache", bench.options.cpu_cache);
    json_array(&bench.json, "results");
    failed = prepare(&bench);
    if (!failed)
        failed = run_all(&bench);
    close_pool(&bench);
    json_array_end(&bench.json);
    machine_describe(&bench.json);
    json_integer(&bench.json, "failures", bench.failures);
    json_end(&bench.json);
    if (bench.options.json)
        fclose(file);
    unlink(bench.options.path);
    medium_model_free();
    free(bench.samples);
    return failed || bench.failures ? 1 : 0;
}
