/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * collections.c - what an element costs in a collection of a given size, in this process: one type and one size a run
 *
 * The collection is filled, the last of its elements one by one, and then read, changed, closed and opened again, and deleted. Elements
 * are numbered from 0 on, and named by their numbers scattered; pops are the last of what changes it. Cost is the thread's
 * CPU time, the median over slices; what happens once (open, delete) is wall time.
 */
#include "types.h"

#include "arguments.h"
#include "elements.h"
#include "json.h"
#include "keyspace.h"
#include "machine.h"
#include "timing.h"

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <superdb/superdb.h>
#include <sys/wait.h>
#include <unistd.h>

#define SLICE_MAX 512u
#define SLICES 40u /* of each operation but the filling */
#define FILL_CALLS 64u /* in a slice of the filling */
#define STEP_EFFORT 256u /* of sdb_maintain, as the server calls it */
#define REOPENS 5

struct collections {
    const char *path;
    const char *json_path;
    const struct element_kind *kind;
    uint64_t elements;
    uint64_t pool_size;
    uint64_t seed;
    size_t slice;   /* calls in a slice */
    uint64_t shortest; /* the collection has at least so many elements while it is read and changed */
    uint64_t count; /* elements that were added, numbered from 0 */
    uint64_t state;
    uint64_t cursor;
    uint64_t failures;
    struct sdb_pool *pool;
    struct sdb_session *session;
    struct json json;
    char *names;
    double *numbers;
    uint64_t places[SLICE_MAX];
};

static const char usage[] =
    "usage: superdb-bench collections [OPTION]...\n"
    "Times what an element of one collection costs in this process.\n"
    "  --type T       list, set, hash or zset (hash)     --elements N   at least 10k (1m)\n"
    "  --path FILE    a new pool                         --pool-size N  (4gb)\n"
    "  --seed N       (1)                                --json FILE    instead of stdout\n";

static const char *const operation_names[ELEMENT_OPERATIONS] = {
    [ELEMENT_ADD_MANY] = "add_many", [ELEMENT_INSERT] = "insert", [ELEMENT_GROUPED] = "insert_grouped", [ELEMENT_FIND] = "find",
    [ELEMENT_RANK] = "rank",         [ELEMENT_UPDATE] = "update", [ELEMENT_RANGE] = "range",            [ELEMENT_POP] = "pop",
};

/* ---- a slice ----------------------------------------------------------------------------------------------------------- */

/* Different for each number: 4 digits of it scattered, which the order of the names so follows, and 8 of itself. */
static void name_element(uint64_t number, char out[ELEMENT_SIZE])
{
    static const char digits[] = "0123456789abcdef";
    uint64_t scattered = mix64(number);

    for (unsigned i = 0; i < 4; i++)
        out[i] = digits[scattered >> 4 * i & 15];
    for (unsigned i = 0; i < 8; i++)
        out[4 + i] = digits[number >> (28 - 4 * i) & 15];
}

static void prepare(struct collections *c, enum element_operation operation, size_t elements)
{
    int fresh = operation == ELEMENT_ADD_MANY || operation == ELEMENT_INSERT || operation == ELEMENT_GROUPED;

    for (size_t i = 0; i < elements; i++) {
        uint64_t number = fresh ? c->count++ : random64(&c->state) % c->count;

        name_element(number, c->names + i * ELEMENT_SIZE);
        c->numbers[i] = (double)(random64(&c->state) % 1000000000u);
    }
    for (size_t i = 0; i < SLICE_MAX; i++)
        c->places[i] = random64(&c->state) % (c->shortest - ELEMENTS_TOGETHER);
}

static size_t run_slice(struct collections *c, enum element_operation operation, size_t calls, uint64_t *ns)
{
    struct element_slice slice = {calls, c->names, c->numbers, c->places, &c->cursor};
    uint64_t start = thread_cpu_ns();
    size_t failures = c->kind->run(c->session, operation, &slice);

    *ns = thread_cpu_ns() - start;
    return failures;
}

/* ---- phases ------------------------------------------------------------------------------------------------------------ */

static void report(struct collections *c, enum element_operation operation, double *samples, size_t count, const struct sdb_stats before,
                   uint64_t calls)
{
    size_t each = operation == ELEMENT_ADD_MANY || operation == ELEMENT_RANGE ? ELEMENTS_TOGETHER : 1;
    struct sdb_stats after;
    double ns = median(samples, count) / (double)each;

    sdb_stats(c->pool, &after);
    json_object(&c->json, NULL);
    json_text(&c->json, "operation", operation_names[operation]);
    json_number(&c->json, "ns", ns); /* an element */
    json_number(&c->json, "fences", (double)(after.fences - before.fences) / (double)calls);
    json_number(&c->json, "lines", (double)(after.flushed_lines - before.flushed_lines) / (double)(calls * each));
    json_object_end(&c->json);
    fprintf(stderr, "%-5s %9llu %-15s %9.1f ns an element, %.3f fences, %.2f lines\n", c->kind->name, (unsigned long long)c->elements,
            operation_names[operation], ns, (double)(after.fences - before.fences) / (double)calls,
            (double)(after.flushed_lines - before.flushed_lines) / (double)(calls * each));
}

/* Slices of one operation; where a call is of many elements, of fewer calls. */
static int phase(struct collections *c, enum element_operation operation)
{
    size_t calls = operation == ELEMENT_RANGE ? c->slice / 4 : c->slice;
    double samples[SLICES];
    struct sdb_stats before;

    if (!(c->kind->operations >> operation & 1))
        return 0;
    sdb_stats(c->pool, &before);
    for (size_t i = 0; i < SLICES; i++) {
        uint64_t ns;

        prepare(c, operation, calls);
        c->failures += run_slice(c, operation, calls, &ns);
        samples[i] = (double)ns / (double)calls;
    }
    report(c, operation, samples, SLICES, before, calls * SLICES);
    return c->failures ? -1 : 0;
}

/* A hash gives up fields by name: numbers far from each other, each once. */
static int phase_pop(struct collections *c)
{
    double samples[SLICES];
    struct sdb_stats before;
    uint64_t next = 0;

    sdb_stats(c->pool, &before);
    for (size_t i = 0; i < SLICES; i++) {
        uint64_t ns;

        for (size_t j = 0; j < c->slice; j++)
            name_element(next++ * (c->count / (c->slice * SLICES)), c->names + j * ELEMENT_SIZE);
        c->failures += run_slice(c, ELEMENT_POP, c->slice, &ns);
        samples[i] = (double)ns / (double)c->slice;
    }
    report(c, ELEMENT_POP, samples, SLICES, before, c->slice * SLICES);
    return c->failures ? -1 : 0;
}

/* All but the last elements, ELEMENTS_TOGETHER in a call; the cost that is told is that of the last tenth. */
static int fill(struct collections *c)
{
    uint64_t calls = c->shortest / ELEMENTS_TOGETHER, slices = 0;
    double *samples = calloc(calls, sizeof *samples);
    struct sdb_stats before;

    if (!samples)
        return -1;
    sdb_stats(c->pool, &before);
    for (uint64_t done = 0; done < calls; slices++) {
        size_t some = calls - done < FILL_CALLS ? (size_t)(calls - done) : FILL_CALLS;
        uint64_t ns;

        prepare(c, ELEMENT_ADD_MANY, some * ELEMENTS_TOGETHER);
        c->failures += run_slice(c, ELEMENT_ADD_MANY, some, &ns);
        samples[slices] = (double)ns / (double)some;
        done += some;
    }
    report(c, ELEMENT_ADD_MANY, samples + slices - slices / 10 - 1, slices / 10 + 1, before, calls);
    free(samples);
    return c->failures ? -1 : 0;
}

/* ---- opening ----------------------------------------------------------------------------------------------------------- */

static int open_pool(struct collections *c, int create)
{
    struct sdb_options options = SDB_OPTIONS_INIT;

    options.pool_size = c->pool_size;
    options.flags = create ? SDB_CREATE | SDB_EXCLUSIVE : 0;
    if (sdb_open(c->path, &options, &c->pool) != SDB_OK || sdb_session_open(c->pool, &c->session) != SDB_OK) {
        fprintf(stderr, "superdb-bench: %s\n", sdb_last_error());
        return -1;
    }
    return 0;
}

static void close_pool(struct collections *c)
{
    if (!c->pool)
        return;
    sdb_session_close(c->session);
    if (sdb_close(c->pool) != SDB_OK)
        fprintf(stderr, "superdb-bench: closing: %s\n", sdb_last_error());
    c->pool = NULL;
}

/* Milliseconds from before the open to an element found; negative: it failed. */
static double time_open(struct collections *c)
{
    uint64_t start = now_ns(), ns;

    prepare(c, ELEMENT_FIND, 1);
    if (open_pool(c, 0))
        return -1;
    c->failures += run_slice(c, ELEMENT_FIND, 1, &ns);
    return (double)(now_ns() - start) / 1e6;
}

/* A process that adds elements until it is killed; it says when it has begun by closing `ready`. */
static void add_until_killed(struct collections *c, int ready)
{
    uint64_t ns;

    if (open_pool(c, 0))
        _exit(1);
    for (;;) {
        prepare(c, ELEMENT_GROUPED, SLICE_MAX);
        if (run_slice(c, ELEMENT_GROUPED, SLICE_MAX, &ns))
            _exit(1);
        if (ready >= 0)
            close(ready);
        ready = -1;
    }
}

static int kill_a_writer(struct collections *c, uint64_t ahead)
{
    int ready[2], status;
    char byte;
    pid_t child;

    fflush(NULL);
    if (pipe(ready))
        return -1;
    child = fork();
    if (child == 0) {
        close(ready[0]);
        c->count += ahead; /* what it adds is nobody else's */
        add_until_killed(c, ready[1]);
    }
    close(ready[1]);
    status = child < 0 || read(ready[0], &byte, 1) < 0;
    close(ready[0]);
    if (child < 0)
        return -1;
    kill(child, SIGKILL);
    if (waitpid(child, &status, 0) != child || !WIFSIGNALED(status)) {
        fprintf(stderr, "superdb-bench: the writer to be killed ended by itself\n");
        return -1;
    }
    return 0;
}

/* Medians, after clean closes and after kills. */
static int time_opens(struct collections *c, double *clean, double *killed)
{
    double after_close[REOPENS], after_kill[REOPENS];

    for (int i = 0; i < REOPENS; i++) {
        close_pool(c);
        if ((after_close[i] = time_open(c)) < 0)
            return -1;
        close_pool(c);
        if (kill_a_writer(c, (uint64_t)(i + 1) << 24) || (after_kill[i] = time_open(c)) < 0)
            return -1;
    }
    *clean = median(after_close, REOPENS);
    *killed = median(after_kill, REOPENS);
    fprintf(stderr, "%-5s %9llu open %.3f ms, after a kill %.3f ms\n", c->kind->name, (unsigned long long)c->elements, *clean, *killed);
    return c->failures ? -1 : 0;
}

/* ---- deleting ---------------------------------------------------------------------------------------------------------- */

static int time_deletion(struct collections *c)
{
    struct histogram *steps = histogram_create();
    struct sdb_stats before, after;
    uint64_t length = 1, start, answered, cpu;
    int done = 0;

    if (!steps)
        return -1;
    if (sdb_collection_count(c->session, ELEMENT_KEY, ELEMENT_KEY_SIZE, c->kind->type, &length) != SDB_OK)
        c->failures++;
    sdb_stats(c->pool, &before);
    start = now_ns();
    c->failures += sdb_delete(c->session, ELEMENT_KEY, ELEMENT_KEY_SIZE) != SDB_OK;
    answered = now_ns() - start;
    c->failures += sdb_exists(c->session, ELEMENT_KEY, ELEMENT_KEY_SIZE) != SDB_ENOTFOUND;
    cpu = thread_cpu_ns();
    while (!done && !c->failures) {
        start = thread_cpu_ns();
        c->failures += sdb_maintain(c->session, STEP_EFFORT, &done) != SDB_OK;
        histogram_record(steps, thread_cpu_ns() - start, 1);
    }
    cpu = thread_cpu_ns() - cpu;
    sdb_stats(c->pool, &after);
    if (c->failures) {
        free(steps);
        return -1;
    }
    json_object(&c->json, "deletion");
    json_integer(&c->json, "elements", length);
    json_number(&c->json, "answer_us", (double)answered / 1e3);
    json_number(&c->json, "reclaim_ns", (double)cpu / (double)length);
    json_number(&c->json, "bytes_back", (double)(before.used - after.used));
    json_histogram(&c->json, "step_ns", steps);
    json_object_end(&c->json);
    fprintf(stderr, "%-5s %9llu deleted in %.1f us, reclaimed at %.1f ns an element; a step p99 %.1f us, longest %.1f us\n", c->kind->name,
            (unsigned long long)c->elements, (double)answered / 1e3, (double)cpu / (double)length,
            (double)histogram_percentile(steps, 99) / 1e3, (double)steps->maximum / 1e3);
    free(steps);
    return 0;
}

/* ---- the whole ---------------------------------------------------------------------------------------------------------- */

static int measure(struct collections *c)
{
    struct sdb_stat stat;
    double clean = 0, killed = 0;
    int failed;

    json_array(&c->json, "results");
    failed = fill(c) || phase(c, ELEMENT_INSERT) || phase(c, ELEMENT_GROUPED) || phase(c, ELEMENT_FIND) || phase(c, ELEMENT_RANK) ||
             phase(c, ELEMENT_RANGE) || phase(c, ELEMENT_UPDATE) ||
             sdb_stat(c->session, ELEMENT_KEY, ELEMENT_KEY_SIZE, &stat) != SDB_OK;
    failed = failed || time_opens(c, &clean, &killed);
    if (!failed)
        failed = c->kind->type == SDB_TYPE_HASH ? phase_pop(c) : phase(c, ELEMENT_POP);
    json_array_end(&c->json);
    json_number(&c->json, "open_ms", clean);
    json_number(&c->json, "open_killed_ms", killed);
    if (failed)
        return -1;
    json_number(&c->json, "bytes_per_element", (double)stat.memory / (double)stat.size);
    return time_deletion(c);
}

static int parse_one(struct collections *c, int option)
{
    switch (option) {
    case 't':
        c->kind = NULL;
        for (size_t i = 0; i < element_kind_count; i++)
            if (!strcmp(element_kinds[i].name, optarg))
                c->kind = &element_kinds[i];
        return c->kind ? 0 : -1;
    case 'n':
        return argument_number("elements", optarg, 10000, 1u << 27, &c->elements);
    case 'f':
        c->path = optarg;
        return 0;
    case 'p':
        return argument_number("pool-size", optarg, 1u << 20, 1ull << 40, &c->pool_size);
    case 's':
        return argument_number("seed", optarg, 0, 1u << 30, &c->seed);
    case 'j':
        c->json_path = optarg;
        return 0;
    default:
        return -1;
    }
}

static int parse(struct collections *c, int argc, char **argv)
{
    static const struct option long_options[] = {
        {"type", required_argument, NULL, 't'},      {"elements", required_argument, NULL, 'n'},
        {"path", required_argument, NULL, 'f'},      {"pool-size", required_argument, NULL, 'p'},
        {"seed", required_argument, NULL, 's'},      {"json", required_argument, NULL, 'j'},
        {NULL, 0, NULL, 0},
    };
    int option;

    *c = (struct collections){.path = "collections.pool", .kind = &element_kinds[2], .elements = 1000000, .pool_size = 4ull << 30, .seed = 1};
    while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
        if (parse_one(c, option)) {
            fputs(usage, stderr);
            return -1;
        }
    }
    c->state = c->seed;
    c->slice = c->elements < 400000 ? SLICE_MAX / 8 : SLICE_MAX;
    c->shortest = c->elements - 2ull * SLICES * c->slice;
    if (optind < argc)
        fputs(usage, stderr);
    return optind < argc ? -1 : 0;
}

static int run(struct collections *c)
{
    int failed;

    c->names = malloc((size_t)FILL_CALLS * ELEMENTS_TOGETHER * ELEMENT_SIZE);
    c->numbers = malloc((size_t)FILL_CALLS * ELEMENTS_TOGETHER * sizeof *c->numbers);
    failed = !c->names || !c->numbers || open_pool(c, 1);
    if (!failed) {
        failed = measure(c);
        close_pool(c);
        (void)unlink(c->path);
    }
    if (c->failures)
        fprintf(stderr, "superdb-bench: %llu calls failed: %s\n", (unsigned long long)c->failures, sdb_last_error());
    free(c->names);
    free(c->numbers);
    return failed;
}

int collections_benchmark(int argc, char **argv)
{
    struct collections c;
    FILE *file;
    int failed;

    if (parse(&c, argc, argv))
        return 2;
    file = c.json_path ? fopen(c.json_path, "w") : stdout;
    if (!file) {
        perror(c.json_path);
        return 2;
    }
    machine_begin();
    json_begin(&c.json, file);
    machine_describe_run(&c.json, "collections", argc, argv);
    json_text(&c.json, "type", c.kind->name);
    json_integer(&c.json, "elements", c.elements);
    failed = run(&c);
    machine_describe(&c.json);
    json_integer(&c.json, "failed", failed != 0);
    json_end(&c.json);
    if (c.json_path)
        fclose(file);
    return failed ? 1 : 0;
}
