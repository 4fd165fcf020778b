/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * main.c - superdb-bench-cache: what the hot-handle cache hits, beside the ideal cache of its size, LRU and direct mapping
 *
 * The cache itself is asked (src/store/cache.h), not a model of it, with the keys' own hashes and as the engine asks it: a
 * lookup, and where it fails an offer of what was found in the pool. Without and with the pace that decides whether to ask.
 */
#include "arguments.h"
#include "cache.h"
#include "hash.h"
#include "json.h"
#include "machine.h"
#include "rivals.h"
#include "workload.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct workload workloads[] = {
    {"zipfian 0.99", WORKLOAD_ZIPFIAN, 0.99, 0, 0, 0},
    {"zipfian 1.2", WORKLOAD_ZIPFIAN, 1.2, 0, 0, 0},
    {"zipfian 0.8", WORKLOAD_ZIPFIAN, 0.8, 0, 0, 0},
    {"uniform", WORKLOAD_ZIPFIAN, 0, 0, 0, 0},
    {"hot set, half of the copies", WORKLOAD_HOT, 0, 0.5, 0, 0},
    {"hot set, 3/4 of the copies", WORKLOAD_HOT, 0, 0.75, 0, 0},
    {"hot set, 9/10 of the copies", WORKLOAD_HOT, 0, 0.9, 0, 0},
    {"hot set (1/2) and 20% uniform", WORKLOAD_HOT, 0, 0.5, 20, 0},
    {"hot set (1/2) and 50% scan", WORKLOAD_SCAN, 0, 0.5, 50, 0},
    {"hot set (1/2) and 90% scan", WORKLOAD_SCAN, 0, 0.5, 90, 0},
    {"shifting hot set (1/2), 8 shifts", WORKLOAD_SHIFT, 0, 0.5, 0, 9},
};

struct options {
    uint64_t keys, accesses, cache_size, seed;
    const char *only;
    const char *json;
};

static const char usage[] =
    "usage: superdb-bench-cache [OPTION]...\n"
    "Hit rates of the hot-handle cache and of others of the same number of copies; a table to stderr, JSON to stdout.\n"
    "  --keys N        (10m)      --accesses N   (20m)\n"
    "  --cache-size N  in bytes, 64 for each copy (6400kb: 1% of 10 M keys)\n"
    "  --only TEXT     workloads whose name contains it\n"
    "  --seed N        (1)        --json FILE    instead of stdout\n";

/* What the cache did. */
struct outcome {
    struct hits hits;
    uint64_t at_home; /* of all hits: found in the first line that was looked at */
    uint64_t found;
};

static int is_at_home(const struct cache *cache, uint64_t hash)
{
    return (cache_set(cache, hash) + cache_home(hash))->hash == hash;
}

static int run_cache(const struct trace *trace, uint64_t size, int paced, struct outcome *outcome)
{
    struct cache_pace pace = {0};
    struct cache *cache;

    memset(outcome, 0, sizeof *outcome);
    if (cache_create(size, &cache))
        return -1;
    for (size_t i = 0; i < trace->count; i++) {
        uint64_t key = trace->keys[i];
        uint64_t hash = hash_key(7, &key, sizeof key);
        uint64_t entry[CACHE_ENTRY_WORDS] = {key, key, key, key};
        uint64_t offset = (key + 1) * 32;
        uint64_t token;
        int ask = !paced || cache_pace_ask(&pace, hash);
        int hit = ask && cache_lookup(cache, hash, entry, &offset);

        hits_count(&outcome->hits, trace, i, hit);
        if (ask && paced)
            cache_pace_note(&pace, hash, hit);
        if (hit) {
            outcome->found++;
            outcome->at_home += (uint64_t)is_at_home(cache, hash);
        } else if (ask) {
            token = cache_read_begin(cache, hash);
            (void)cache_fill(cache, hash, offset, entry, token);
        }
    }
    if (!cache_check(cache, NULL)) {
        fprintf(stderr, "superdb-bench-cache: the cache is not sound\n");
        cache_destroy(cache);
        return -1;
    }
    cache_destroy(cache);
    return 0;
}

static double ratio(double a, double b)
{
    return b > 0 ? a / b : 0;
}

static void report(struct json *json, const struct workload *workload, const struct trace *trace,
                   const struct outcome *ours, const struct outcome *paced, const struct hits others[3])
{
    double rate = hits_rate(&ours->hits);

    json_object(json, NULL);
    json_text(json, "workload", workload->name);
    json_number(json, "ideal", trace->ideal);
    json_number(json, "min", hits_rate(&others[2]));
    json_number(json, "superdb", rate);
    json_number(json, "superdb_of_ideal", ratio(rate, trace->ideal));
    json_number(json, "superdb_paced", hits_rate(&paced->hits));
    json_number(json, "lru", hits_rate(&others[0]));
    json_number(json, "direct_mapped", hits_rate(&others[1]));
    json_number(json, "superdb_hot", hits_hot_rate(&ours->hits));
    json_number(json, "lru_hot", hits_hot_rate(&others[0]));
    json_number(json, "direct_mapped_hot", hits_hot_rate(&others[1]));
    json_number(json, "in_first_line", ratio((double)ours->at_home, (double)ours->found));
    json_object_end(json);
    fprintf(stderr, "%-34s %7.2f%% %7.2f%% %7.2f%% %7.1f%% %7.2f%% %7.2f%% %7.2f%% %8.1f%% %7.1f%%\n", workload->name,
            100 * trace->ideal, 100 * hits_rate(&others[2]), 100 * rate, 100 * ratio(rate, trace->ideal),
            100 * hits_rate(&paced->hits), 100 * hits_rate(&others[0]), 100 * hits_rate(&others[1]),
            100 * hits_hot_rate(&ours->hits), 100 * ratio((double)ours->at_home, (double)ours->found));
}

static int run_workload(const struct options *options, const struct workload *workload, struct json *json)
{
    uint32_t copies = (uint32_t)(options->cache_size / sizeof(struct cache_line) / CACHE_WAYS * CACHE_WAYS);
    struct trace trace;
    struct outcome ours;
    struct outcome paced;
    struct hits others[3];
    int failed = trace_make(&trace, workload, (uint32_t)options->keys, copies, options->accesses, options->seed) ||
                 run_cache(&trace, options->cache_size, 0, &ours) || run_cache(&trace, options->cache_size, 1, &paced) ||
                 rival_lru(&trace, copies, &others[0]) || rival_direct_mapped(&trace, copies, &others[1]) ||
                 rival_min(&trace, copies, &others[2]);

    if (failed)
        fprintf(stderr, "superdb-bench-cache: %s failed\n", workload->name);
    else
        report(json, workload, &trace, &ours, &paced, others);
    trace_free(&trace);
    return failed;
}

static int parse(struct options *options, int argc, char **argv)
{
    static const struct option long_options[] = {
        {"keys", required_argument, NULL, 'k'},       {"accesses", required_argument, NULL, 'a'},
        {"cache-size", required_argument, NULL, 'c'}, {"only", required_argument, NULL, 'o'},
        {"seed", required_argument, NULL, 's'},       {"json", required_argument, NULL, 'j'},
        {"help", no_argument, NULL, 'h'},             {NULL, 0, NULL, 0},
    };
    int option;
    int failed = 0;

    *options = (struct options){10000000, 20000000, 100000u * 64u, 1, NULL, NULL};
    while (!failed && (option = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
        if (option == 'k')
            failed = argument_number("--keys", optarg, 1000, 1u << 30, &options->keys);
        else if (option == 'a')
            failed = argument_number("--accesses", optarg, 1000, 1u << 30, &options->accesses);
        else if (option == 'c')
            failed = argument_number("--cache-size", optarg, CACHE_SIZE_MIN, 1ull << 32, &options->cache_size);
        else if (option == 's')
            failed = argument_number("--seed", optarg, 0, UINT64_MAX, &options->seed);
        else if (option == 'o')
            options->only = optarg;
        else if (option == 'j')
            options->json = optarg;
        else
            failed = 1;
    }
    if (failed || optind < argc || options->keys * sizeof(struct cache_line) < 10 * options->cache_size) {
        fputs(usage, stderr);
        fputs("There are at least ten times as many keys as copies.\n", stderr);
        return -1;
    }
    return 0;
}

int main(int argc, char **argv)
{
    struct options options;
    struct json json;
    FILE *file;
    int failed = 0;

    if (parse(&options, argc, argv))
        return 2;
    file = options.json ? fopen(options.json, "w") : stdout;
    if (!file) {
        perror(options.json);
        return 2;
    }
    machine_begin();
    json_begin(&json, file);
    machine_describe_run(&json, "cache", argc, argv);
    json_integer(&json, "keys", options.keys);
    json_integer(&json, "accesses", options.accesses);
    json_integer(&json, "copies", options.cache_size / sizeof(struct cache_line));
    json_array(&json, "results");
    fprintf(stderr, "%-34s %8s %8s %8s %8s %8s %8s %8s %9s %8s\n", "hits of all accesses", "ideal", "MIN", "superdb",
            "of ideal", "paced", "LRU", "direct", "hot part", "1st line");
    for (size_t i = 0; i < sizeof workloads / sizeof workloads[0]; i++)
        if (!options.only || strstr(workloads[i].name, options.only))
            failed |= run_workload(&options, &workloads[i], &json);
    json_array_end(&json);
    machine_describe(&json);
    json_end(&json);
    if (options.json)
        fclose(file);
    return failed ? 1 : 0;
}
