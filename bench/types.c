/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * types.c - the commands of types over RESP: a run for each of them and each pipeline depth, and what elements take of memory
 *
 * Runs are as those of network.c: connections in a closed loop, pipelines that were built beforehand. The server is filled once with
 * what the commands work on; what takes elements away finds its collection filled anew, and ends before it is empty, so that
 * no reply is a miss. Elements that are to be new are so in every run: their numbers go on from run to run, and from seed to seed.
 */
#include "types.h"

#include "arguments.h"
#include "cases.h"
#include "filling.h"
#include "json.h"
#include "loop.h"
#include "machine.h"
#include "timing.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PREBUILT 400000u /* commands, of those that may come only once */
#define PREBUILT_ANY 100000u
#define HEAVY_CONNECTIONS 4u
#define FRESH_OF_A_SEED 100000000u

struct types {
    struct network_options options; /* target, connections, times, pipelines */
    const char *json_path;
    const char *only;    /* commands, comma-separated; NULL: all */
    uint64_t writes_only;
    uint64_t divide;     /* what the server is filled with, by this */
    const char *weighed; /* a type */
    uint64_t memory;     /* elements of a large collection of it whose memory is measured; 0: none is */
    uint64_t fresh;
    struct filling filling;
    struct json json;
};

static const char usage[] =
    "usage: superdb-bench types [OPTION]...\n"
    "Fills a RESP server with collections and measures the commands of types.\n"
    "  --port N            the server's (6379)               --unix PATH         a unix socket instead\n"
    "  --case LIST         commands, by name (all of them)   --writes            only those that write\n"
    "  --pipeline LIST     (1,16,64)                         --connections N     (50)\n"
    "  --duration-ms N     of a run (300)                    --warmup-ms N       before it (50)\n"
    "  --divide N          fills the server with so many times less (1)\n"
    "  --memory N          measures no command, but the bytes that an element takes in collections of 10 and in one of N; in\n"
    "                      a server that is empty and new\n"
    "  --type T            of these: list, set, hash or zset (hash)\n"
    "  --server-pid N      whose CPU time is measured        --seed N            (1)\n"
    "  --json FILE         instead of stdout                 --list              names the commands\n";

/* ---- commands ---------------------------------------------------------------------------------------------------------- */

static int comes_once(const struct type_case *type_case)
{
    return (type_case->flags & CASE_TAKES) || strstr(type_case->request, "$n");
}

/* Commands on collections in turn, on elements at random. 0, or -1 without memory. */
static int build(struct types *types, const struct type_case *type_case, const struct fill *fill, uint32_t depth,
                 struct traffic *traffic)
{
    uint64_t count = comes_once(type_case) ? PREBUILT : PREBUILT_ANY;
    struct case_numbers numbers = {.fresh = types->fresh, .state = types->options.seed};
    struct case_words words;
    size_t size = 0, capacity = 0;

    memset(traffic, 0, sizeof *traffic);
    traffic->format.protocol = PROTOCOL_RESP;
    traffic->depth = depth;
    traffic->pipelines = count / depth;
    traffic->starts = malloc((traffic->pipelines + 1) * sizeof *traffic->starts);
    case_words_split(&words, type_case->request);
    for (uint64_t i = 0; traffic->starts && i < traffic->pipelines * depth; i++) {
        if (size + CASE_REQUEST_MAX > capacity) {
            char *larger = realloc(traffic->bytes, capacity = capacity * 2 + (1u << 20));

            if (!larger)
                return -1;
            traffic->bytes = larger;
        }
        if (i % depth == 0)
            traffic->starts[i / depth] = size;
        numbers.key = random64(&numbers.state) % fill->keys;
        numbers.element = fill->first + random64(&numbers.state) % fill->elements;
        size += case_command_write(&words, fill, &numbers, traffic->bytes + size);
    }
    types->fresh = numbers.fresh;
    if (!traffic->starts)
        return -1;
    traffic->starts[traffic->pipelines] = size;
    return 0;
}

static int report(struct types *types, const struct type_case *type_case, const struct loader *loader)
{
    double seconds = (double)(loader->stopped_at - loader->started_at) / 1e9;
    double rate = seconds > 0 ? (double)loader->replies / seconds : 0;
    double server = loader->replies ? (double)loader->server_cpu / (double)loader->replies : 0;
    uint64_t errors = 0, misses = 0;
    const char *first_error = loader->failure;
    struct json *json = &types->json;

    for (uint32_t i = 0; i < loader->flow_count; i++) {
        const struct reply_counter *counter = &loader->flows[i].counter;

        errors += counter->errors;
        misses += counter->misses;
        if (counter->errors && !*first_error)
            first_error = counter->first_error;
    }
    json_object(json, NULL);
    json_text(json, "operation", type_case->name);
    json_text(json, "type", type_case->type);
    json_integer(json, "writes", type_case->flags & CASE_WRITES);
    json_integer(json, "pipeline", loader->traffic.depth);
    json_integer(json, "connections", loader->flow_count);
    json_integer(json, "requests", loader->replies);
    json_number(json, "seconds", seconds);
    json_number(json, "requests_per_second", rate);
    if (types->options.server_pid)
        json_number(json, "server_cpu_ns_per_request", server);
    json_number(json, "generator_cpu", seconds > 0 ? (double)loader->cpu / 1e9 / seconds : 0);
    json_integer(json, "errors", errors);
    json_integer(json, "misses", misses);
    json_text(json, "failure", first_error);
    json_histogram(json, "latency_ns", loader->latency);
    json_object_end(json);
    fprintf(stderr, "%-15s P%-3u %10.0f /s  p50 %8.1f us  p99 %8.1f us  server %6.0f ns  generator %3.0f%%", type_case->name,
            loader->traffic.depth, rate, (double)histogram_percentile(loader->latency, 50) / 1e3,
            (double)histogram_percentile(loader->latency, 99) / 1e3, server,
            seconds > 0 ? (double)loader->cpu / 1e7 / seconds : 0);
    if (errors || misses || *first_error)
        fprintf(stderr, "  ERRORS %llu MISSES %llu %s", (unsigned long long)errors, (unsigned long long)misses, first_error);
    fputc('\n', stderr);
    return errors || misses || *first_error || !loader->replies ? -1 : 0;
}

/* As many collections, or elements of a single one, as are wanted. */
static struct fill divided(const struct types *types, const char *name)
{
    struct fill fill = *fill_find(name);
    uint64_t *what = fill.keys > 1 ? &fill.keys : &fill.elements;

    *what = *what > types->divide ? *what / types->divide : 1;
    return fill;
}

static int run_case(struct types *types, const struct type_case *type_case, uint32_t depth)
{
    struct fill fill = divided(types, type_case->fill), other;
    const char *second = strchr(type_case->fill, ',');
    uint32_t connections = types->options.connections;
    struct loader loader = {.options = &types->options};
    int failed = fill_server_once(&types->filling, &fill, (type_case->flags & CASE_TAKES) != 0);

    if (!failed && second) {
        other = divided(types, second + 1);
        failed = fill_server_once(&types->filling, &other, 0);
    }
    if (failed)
        return -1;
    loader.latency = histogram_create();
    if (!loader.latency || build(types, type_case, &fill, depth, &loader.traffic)) {
        fputs("superdb-bench: out of memory\n", stderr);
        failed = -1;
    }
    if ((type_case->flags & CASE_HEAVY) && connections > HEAVY_CONNECTIONS)
        connections = HEAVY_CONNECTIONS;
    if (!failed && !(failed = loader_open(&loader, connections))) {
        loader.start_at = now_ns() + types->options.warmup_ms * 1000000;
        loader.stop_at = loader.start_at + types->options.duration_ms * 1000000;
        /* What comes only once: the warm-up and what is on its way when the run ends take from the rest. */
        if (comes_once(type_case))
            loader.bound = PREBUILT / 2;
        if ((type_case->flags & CASE_TAKES) && loader.bound > fill.elements * 2 / 5)
            loader.bound = fill.elements * 2 / 5;
        if (types->options.loop == LOOP_URING)
            loop_uring(&loader);
        else
            loop_epoll(&loader);
    }
    failed = failed || report(types, type_case, &loader) ? -1 : 0;
    loader_close(&loader);
    traffic_free(&loader.traffic);
    free(loader.latency);
    return failed;
}

static int wants(const struct types *types, const struct type_case *type_case)
{
    if (types->writes_only && !(type_case->flags & CASE_WRITES))
        return 0;
    return !types->only || argument_listed(types->only, type_case->name);
}

static int run_cases(struct types *types)
{
    int failed = 0;

    json_array(&types->json, "results");
    for (size_t i = 0; i < type_case_count && !types->filling.counter.broken; i++) {
        for (uint32_t p = 0; wants(types, &type_cases[i]) && p < types->options.pipeline_count; p++)
            failed |= run_case(types, &type_cases[i], types->options.pipelines[p]);
    }
    json_array_end(&types->json);
    return failed;
}

/* ---- memory ------------------------------------------------------------------------------------------------------------ */

/* Elements of 12 bytes, values of 16; small collections have 10 of them. */
static const struct fill weighed[] = {
    {"list", "RPUSH weighed:$k", "v:$e", NULL, 0, 0, 0, 0},
    {"set", "SADD weighed:$k", "m:$e", NULL, 0, 0, 0, 0},
    {"hash", "HSET weighed:$k", "f:$e $v", NULL, 0, 0, 0, 0},
    {"zset", "ZADD weighed:$k", "$s m:$e", NULL, 0, 0, 0, 0},
};

static int weigh(struct types *types, const struct fill *which, uint64_t keys, uint64_t elements)
{
    struct fill fill = *which;
    uint64_t before, after;
    char command[64];
    double bytes;

    snprintf(command, sizeof command, "%.*s_%s", (int)strcspn(fill.command, ":"), fill.command, keys > 1 ? "small:$k" : "large:$k");
    fill.command = command;
    fill.keys = keys;
    fill.elements = elements;
    fill.together = elements < 100 ? elements : 100;
    if (filling_memory(&types->filling, "used_memory", &before) || fill_server(&types->filling, &fill) ||
        filling_memory(&types->filling, "used_memory", &after))
        return -1;
    bytes = ((double)after - (double)before) / (double)(keys * elements);
    json_object(&types->json, NULL);
    json_text(&types->json, "type", fill.name);
    json_integer(&types->json, "collections", keys);
    json_integer(&types->json, "elements", elements);
    json_number(&types->json, "bytes_per_element", bytes);
    json_object_end(&types->json);
    fprintf(stderr, "%-15s %8llu of %8llu elements: %.1f bytes an element\n", fill.name, (unsigned long long)keys,
            (unsigned long long)elements, bytes);
    return 0;
}

/* The small ones come first, which leave nothing free behind. */
static int weigh_both(struct types *types)
{
    const struct fill *which = NULL;
    int failed;

    for (size_t i = 0; i < sizeof weighed / sizeof weighed[0]; i++)
        if (!strcmp(weighed[i].name, types->weighed))
            which = &weighed[i];
    if (!which) {
        fprintf(stderr, "superdb-bench: --type: '%s' is not known\n", types->weighed);
        return -1;
    }
    json_array(&types->json, "memory");
    failed = weigh(types, which, types->memory / 10, 10) || weigh(types, which, 1, types->memory);
    json_array_end(&types->json);
    return failed;
}

/* ---- the whole ---------------------------------------------------------------------------------------------------------- */

static int parse_pipelines(struct types *types, char *list)
{
    struct network_options *options = &types->options;

    options->pipeline_count = 0;
    for (char *word = strtok(list, ","); word; word = strtok(NULL, ",")) {
        uint64_t number;

        if (options->pipeline_count == NETWORK_LIST_MAX || argument_number("pipeline", word, 1, 4096, &number))
            return -1;
        options->pipelines[options->pipeline_count++] = (uint32_t)number;
    }
    return options->pipeline_count ? 0 : -1;
}

static int check_names(const char *list)
{
    char names[1024];

    snprintf(names, sizeof names, "%s", list);
    for (char *name = strtok(names, ","); name; name = strtok(NULL, ",")) {
        size_t i = 0;

        while (i < type_case_count && strcmp(type_cases[i].name, name) != 0)
            i++;
        if (i == type_case_count) {
            fprintf(stderr, "superdb-bench: --case: '%s' is not known\n", name);
            return -1;
        }
    }
    return 0;
}

static int parse_one(struct types *types, int option)
{
    struct network_options *options = &types->options;
    uint64_t number = 0;
    int failed = 0;

    switch (option) {
    case 'p':
        failed = argument_number("port", optarg, 1, 65535, &number);
        options->target.port = (uint32_t)number;
        return failed;
    case 'u':
        options->target.unix_path = optarg;
        return 0;
    case 'c':
        types->only = optarg;
        return check_names(optarg);
    case 'w':
        types->writes_only = 1;
        return 0;
    case 'd':
        return parse_pipelines(types, optarg);
    case 'n':
        failed = argument_number("connections", optarg, 1, NETWORK_CONNECTIONS_MAX, &number);
        options->connections = (uint32_t)number;
        return failed;
    case 't':
        return argument_number("duration-ms", optarg, 1, 1u << 30, &options->duration_ms);
    case 'b':
        return argument_number("warmup-ms", optarg, 0, 1u << 30, &options->warmup_ms);
    case 'm':
        return argument_number("memory", optarg, 10, 1u << 30, &types->memory);
    case 'v':
        return argument_number("divide", optarg, 1, 1u << 20, &types->divide);
    case 'y':
        types->weighed = optarg;
        return 0;
    case 'i':
        return argument_number("server-pid", optarg, 1, INT32_MAX, &options->server_pid);
    case 's':
        return argument_number("seed", optarg, 0, 1u << 20, &options->seed);
    case 'j':
        types->json_path = optarg;
        return 0;
    default:
        return -1;
    }
}

static int parse(struct types *types, int argc, char **argv)
{
    static const struct option long_options[] = {
        {"port", required_argument, NULL, 'p'},        {"unix", required_argument, NULL, 'u'},
        {"case", required_argument, NULL, 'c'},        {"writes", no_argument, NULL, 'w'},
        {"pipeline", required_argument, NULL, 'd'},    {"connections", required_argument, NULL, 'n'},
        {"duration-ms", required_argument, NULL, 't'}, {"warmup-ms", required_argument, NULL, 'b'},
        {"memory", required_argument, NULL, 'm'},      {"server-pid", required_argument, NULL, 'i'},
        {"seed", required_argument, NULL, 's'},        {"json", required_argument, NULL, 'j'},
        {"type", required_argument, NULL, 'y'},        {"divide", required_argument, NULL, 'v'},
        {"list", no_argument, NULL, 'l'},
        {NULL, 0, NULL, 0},
    };
    int option;

    *types = (struct types){
        .options = {.target = {"127.0.0.1", NULL, 6379}, .protocol = PROTOCOL_RESP, .pipelines = {1, 16, 64}, .pipeline_count = 3,
                    .connections = 50, .threads = 1, .duration_ms = 300, .warmup_ms = 50, .seed = 1},
        .divide = 1,
        .weighed = "hash",
    };
    while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
        if (option == 'l') {
            for (size_t i = 0; i < type_case_count; i++)
                puts(type_cases[i].name);
            exit(0);
        }
        if (parse_one(types, option)) {
            fputs(usage, stderr);
            return -1;
        }
    }
    if (optind < argc) {
        fputs(usage, stderr);
        return -1;
    }
    types->fresh = (types->options.seed + 1) * FRESH_OF_A_SEED;
    return 0;
}

int types_benchmark(int argc, char **argv)
{
    struct types types;
    FILE *file;
    int failed;

    if (parse(&types, argc, argv))
        return 2;
    file = types.json_path ? fopen(types.json_path, "w") : stdout;
    if (!file) {
        perror(types.json_path);
        return 2;
    }
    types.options.loop = loop_uring_usable() ? LOOP_URING : LOOP_EPOLL;
    machine_begin();
    json_begin(&types.json, file);
    machine_describe_run(&types.json, "types", argc, argv);
    failed = filling_open(&types.filling, &types.options.target);
    if (!failed)
        failed = types.memory ? weigh_both(&types) : run_cases(&types);
    filling_close(&types.filling);
    machine_describe(&types.json);
    json_integer(&types.json, "failed", failed != 0);
    json_end(&types.json);
    if (types.json_path)
        fclose(file);
    return failed ? 1 : 0;
}
