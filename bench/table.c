/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * table.c - the embedded benchmark's phases
 *
 * A phase is one kind of operation over one kind of picks. Its operations come in slices: keys and values of a slice are
 * made first, then the slice is timed as a whole, by the clock and by the thread's CPU time (on an idle machine they agree;
 * where others compete for the CPU the latter says what the operation costs); the figures are medians over all slices. Every
 * eighth slice is timed one operation (one batch) at a time instead and fills the latency histogram, which so includes
 * the tick counter's own cost. The medium's floor is measured between the phases.
 *
 * Threads: each worker has its own session, keyspace and slice; the phases are separated by joining all workers.
 */
#include "table.h"

#include "floor.h"
#include "histogram.h"
#include "json.h"
#include "keyspace.h"
#include "machine.h"
#include "table_options.h"
#include "timing.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define LATENCY_EVERY 8u /* slices */
#define SALT_INSERTED 0u
#define SALT_UPDATED 1u
#define SALT_LAST 2u

enum picks { PICK_EACH, PICK_UNIFORM, PICK_ZIPFIAN, PICK_HOT };

struct phase {
    const char *name;
    enum table_operation operation;
    enum picks picks;
    int all; /* works on every key, not on --operations of them */
};

static const struct phase phases[] = {
    {"insert", TABLE_INSERT, PICK_EACH, 1},
    {"verify", TABLE_VERIFY, PICK_EACH, 1},
    {"get", TABLE_GET, PICK_UNIFORM, 0},
    {"get_zipfian", TABLE_GET, PICK_ZIPFIAN, 0},
    {"get_hot", TABLE_GET, PICK_HOT, 0},
    {"get_batch", TABLE_GET_BATCH, PICK_UNIFORM, 0},
    {"get_batch_hot", TABLE_GET_BATCH, PICK_HOT, 0},
    {"get_handle", TABLE_GET_HANDLE, PICK_UNIFORM, 0},
    {"get_handle_hot", TABLE_GET_HANDLE, PICK_HOT, 0},
    {"get_handle_batch", TABLE_GET_HANDLE_BATCH, PICK_UNIFORM, 0},
    {"get_handle_batch_hot", TABLE_GET_HANDLE_BATCH, PICK_HOT, 0},
    {"update", TABLE_UPDATE, PICK_UNIFORM, 0},
    {"update_zipfian", TABLE_UPDATE, PICK_ZIPFIAN, 0},
    {"update_hot", TABLE_UPDATE, PICK_HOT, 0},
    {"update_handle", TABLE_UPDATE_HANDLE, PICK_UNIFORM, 0},
    {"update_group", TABLE_UPDATE_GROUP, PICK_UNIFORM, 0},
    {"delete", TABLE_DELETE, PICK_EACH, 0},
    {"reinsert", TABLE_INSERT, PICK_EACH, 0},
};

struct bench {
    const struct table *table;
    struct table_options options;
    struct floor floor;
    struct json json;
    struct keyspace uniform;
    struct keyspace zipfian;
    struct keyspace hot;
    uint64_t *handles; /* of every key, by its number; NULL without operations by handle */
    void *pool;
    uint64_t failures;
};

struct worker {
    struct bench *bench;
    const struct phase *phase;
    void *thread;
    struct keyspace uniform;
    struct keyspace zipfian;
    struct keyspace hot;
    uint64_t first; /* this worker's share of the keys, for phases that take each once */
    uint64_t count;
    struct table_slice slice;
    char *keys;
    char *values;
    double *samples; /* nanoseconds an operation, one for each timed slice */
    double *cpu_samples; /* the same, of this thread's CPU time */
    uint64_t sample_count;
    double timed_ns;
    uint64_t timed_operations;
    uint64_t failures;
    struct histogram *latency;
    pthread_t id;
};

static uint64_t pick(struct worker *worker, uint64_t position)
{
    switch (worker->phase->picks) {
    case PICK_EACH:
        return worker->first + position;
    case PICK_UNIFORM:
        return keyspace_pick(&worker->uniform);
    case PICK_ZIPFIAN:
        return keyspace_pick(&worker->zipfian);
    case PICK_HOT:
        return keyspace_pick(&worker->hot);
    }
    return 0;
}

static uint32_t salt_of(enum table_operation operation)
{
    return operation == TABLE_INSERT || operation == TABLE_VERIFY ? SALT_INSERTED : SALT_UPDATED;
}

static void prepare_slice(struct worker *worker, uint64_t position, size_t count)
{
    const struct bench *bench = worker->bench;
    struct table_slice *slice = &worker->slice;
    uint32_t salt = salt_of(worker->phase->operation);

    slice->count = count;
    for (size_t i = 0; i < count; i++) {
        uint64_t number = pick(worker, position + i);

        binary_key(number, worker->keys + i * slice->key_size, slice->key_size);
        binary_value(number, salt, worker->values + i * slice->value_size, slice->value_size);
        if (bench->handles)
            slice->handles[i] = bench->handles[number];
    }
}

/* Operations that one call works off together, where they cannot be timed one by one. */
static size_t step_of(const struct worker *worker)
{
    enum table_operation operation = worker->phase->operation;

    return operation == TABLE_GET_BATCH || operation == TABLE_GET_HANDLE_BATCH || operation == TABLE_UPDATE_GROUP
               ? worker->slice.batch
               : 1;
}

static void time_one_by_one(struct worker *worker)
{
    const struct table *table = worker->bench->table;
    struct table_slice part = worker->slice;
    size_t step = step_of(worker);

    for (size_t i = 0; i < worker->slice.count; i += step) {
        uint64_t start;

        part.count = worker->slice.count - i < step ? worker->slice.count - i : step;
        part.keys = worker->slice.keys + i * part.key_size;
        part.values = worker->slice.values + i * part.value_size;
        part.handles = worker->slice.handles + i;
        start = ticks();
        worker->failures += table->run(worker->thread, worker->phase->operation, &part);
        histogram_record(worker->latency, ticks_to_ns(ticks() - start), 1);
    }
}

static void time_whole(struct worker *worker)
{
    uint64_t cpu = thread_cpu_ns();
    uint64_t start = now_ns();
    uint64_t taken;

    worker->failures += worker->bench->table->run(worker->thread, worker->phase->operation, &worker->slice);
    taken = now_ns() - start;
    cpu = thread_cpu_ns() - cpu;
    worker->cpu_samples[worker->sample_count] = (double)cpu / (double)worker->slice.count;
    worker->samples[worker->sample_count++] = (double)taken / (double)worker->slice.count;
    worker->timed_ns += (double)taken;
    worker->timed_operations += worker->slice.count;
}

static void *work(void *context)
{
    struct worker *worker = context;
    size_t size = worker->bench->options.slice;
    uint64_t number = 0;

    for (uint64_t done = 0; done < worker->count; number++) {
        size_t count = worker->count - done < size ? (size_t)(worker->count - done) : size;

        prepare_slice(worker, done, count);
        if (worker->phase->operation == TABLE_VERIFY)
            worker->failures += worker->bench->table->run(worker->thread, TABLE_VERIFY, &worker->slice);
        else if (number % LATENCY_EVERY == LATENCY_EVERY - 1)
            time_one_by_one(worker);
        else
            time_whole(worker);
        done += count;
    }
    return NULL;
}

static void worker_free(struct worker *worker)
{
    if (worker->thread)
        worker->bench->table->thread_close(worker->thread);
    free(worker->slice.handles);
    free(worker->keys);
    free(worker->values);
    free(worker->samples);
    free(worker->cpu_samples);
    free(worker->latency);
}

/* Returns 0, or -1 after a message; worker_free is due in both cases. */
static int worker_prepare(struct worker *worker, struct bench *bench, const struct phase *phase, uint32_t index)
{
    const struct table_options *options = &bench->options;
    uint64_t total = phase->all || options->operations > options->keys ? options->keys : options->operations;
    uint64_t seed = options->seed * 1000 + (uint64_t)(phase - phases) * 64 + index;

    if (phase->picks != PICK_EACH)
        total = options->operations;
    memset(worker, 0, sizeof *worker);
    worker->bench = bench;
    worker->phase = phase;
    worker->first = total / options->threads * index;
    worker->count = index + 1 < options->threads ? total / options->threads : total - worker->first;
    keyspace_fork(&worker->uniform, &bench->uniform, seed);
    keyspace_fork(&worker->zipfian, &bench->zipfian, seed);
    keyspace_fork(&worker->hot, &bench->hot, seed);
    worker->keys = malloc(options->slice * options->key_size);
    worker->values = malloc(options->slice * options->value_size + 8);
    worker->slice.handles = calloc(options->slice, sizeof *worker->slice.handles);
    worker->samples = malloc((worker->count / options->slice + 1) * sizeof *worker->samples);
    worker->cpu_samples = malloc((worker->count / options->slice + 1) * sizeof *worker->cpu_samples);
    worker->latency = histogram_create();
    if (!worker->keys || !worker->values || !worker->slice.handles || !worker->samples || !worker->cpu_samples ||
        !worker->latency) {
        fprintf(stderr, "superdb-bench: out of memory\n");
        return -1;
    }
    worker->slice.keys = worker->keys;
    worker->slice.key_size = options->key_size;
    worker->slice.values = worker->values;
    worker->slice.value_size = options->value_size;
    worker->slice.batch = phase->operation == TABLE_UPDATE_GROUP ? options->group : options->batch;
    return bench->table->thread_open(bench->pool, &worker->thread);
}

/* Runs the workers and gathers what they measured in the first one. */
static void run_workers(struct worker *workers, uint32_t threads, double *operations_per_second)
{
    *operations_per_second = 0;
    for (uint32_t i = 1; i < threads; i++)
        pthread_create(&workers[i].id, NULL, work, &workers[i]);
    work(&workers[0]);
    for (uint32_t i = 1; i < threads; i++)
        pthread_join(workers[i].id, NULL);
    for (uint32_t i = 0; i < threads; i++) {
        if (workers[i].timed_ns > 0)
            *operations_per_second += (double)workers[i].timed_operations * 1e9 / workers[i].timed_ns;
        if (i) {
            histogram_merge(workers[0].latency, workers[i].latency);
            workers[0].failures += workers[i].failures;
        }
    }
}

static void report_phase(struct bench *bench, const struct phase *phase, struct worker *worker,
                         const struct table_figures *before, const struct table_figures *after, double rate)
{
    uint64_t operations = worker->count * bench->options.threads;
    double ns = median(worker->samples, worker->sample_count);
    double cpu_ns = median(worker->cpu_samples, worker->sample_count);
    double one_line = floor_ns(&bench->floor, FLOOR_ONE_LINE);

    json_object(&bench->json, NULL);
    json_text(&bench->json, "operation", phase->name);
    json_integer(&bench->json, "count", operations);
    json_number(&bench->json, "ns", ns);
    json_number(&bench->json, "cpu_ns", cpu_ns);
    json_number(&bench->json, "operations_per_second", rate);
    if (one_line > 0)
        json_number(&bench->json, "of_store_flush_fence", ns / one_line);
    if (bench->table->counts_fences) {
        json_number(&bench->json, "fences", (double)(after->fences - before->fences) / (double)operations);
        json_number(&bench->json, "flushed_lines",
                    (double)(after->flushed_lines - before->flushed_lines) / (double)operations);
    }
    json_integer(&bench->json, "failures", worker->failures);
    json_histogram(&bench->json, "latency_ns", worker->latency);
    json_object_end(&bench->json);

    fprintf(stderr, "%-22s %9.1f ns (%7.1f of CPU) %12.0f /s   p50 %6llu  p99 %6llu  p99.9 %7llu%s\n", phase->name, ns, cpu_ns, rate,
            (unsigned long long)histogram_percentile(worker->latency, 50),
            (unsigned long long)histogram_percentile(worker->latency, 99),
            (unsigned long long)histogram_percentile(worker->latency, 99.9), worker->failures ? "  FAILURES" : "");
}

static int run_phase(struct bench *bench, const struct phase *phase)
{
    uint32_t threads = bench->options.threads;
    struct worker *workers = calloc(threads, sizeof *workers);
    struct table_figures before = {0};
    struct table_figures after = {0};
    double rate;
    int failed = 0;

    if (!workers)
        return -1;
    for (uint32_t i = 0; i < threads; i++)
        failed |= worker_prepare(&workers[i], bench, phase, i);
    if (!failed) {
        if (bench->table->counts_fences)
            bench->table->figures(bench->pool, &before);
        run_workers(workers, threads, &rate);
        if (bench->table->counts_fences)
            bench->table->figures(bench->pool, &after);
        bench->failures += workers[0].failures;
        if (phase->operation == TABLE_VERIFY)
            fprintf(stderr, "%-22s %s\n", phase->name, workers[0].failures ? "FAILED" : "every value is right");
        else
            report_phase(bench, phase, &workers[0], &before, &after, rate);
    }
    for (uint32_t i = 0; i < threads; i++)
        worker_free(&workers[i]);
    free(workers);
    return failed;
}

/* The handles of all keys, by number. */
static int resolve_all(struct bench *bench)
{
    static const struct phase each = {"resolve", TABLE_VERIFY, PICK_EACH, 1};
    struct worker worker;
    size_t failures = 0;
    uint64_t *handles = malloc(bench->options.keys * sizeof *handles);
    int failed;

    if (!handles)
        return -1;
    failed = worker_prepare(&worker, bench, &each, 0);
    for (uint64_t done = 0; !failed && done < bench->options.keys;) {
        uint64_t left = bench->options.keys - done;
        size_t count = left < bench->options.slice ? (size_t)left : bench->options.slice;

        worker.first = 0;
        prepare_slice(&worker, done, count);
        failures += bench->table->resolve(worker.thread, &worker.slice);
        memcpy(handles + done, worker.slice.handles, count * sizeof *handles);
        done += count;
    }
    worker_free(&worker);
    bench->handles = handles;
    bench->failures += failures;
    return failed;
}

/* One operation on the first key: 0, or -1 where it failed. */
static int touch_first_key(struct bench *bench, enum table_operation operation, void *thread)
{
    char key[TABLE_KEY_SIZE_MAX];
    char value[TABLE_VALUE_SIZE_MAX];
    struct table_slice slice = {1, key, bench->options.key_size, value, bench->options.value_size, NULL, 1};

    binary_key(0, key, slice.key_size);
    binary_value(0, SALT_INSERTED, value, slice.value_size);
    return bench->table->run(thread, operation, &slice) ? -1 : 0;
}

/* Nanoseconds from before the open to after the first reply; the pool stays open. Negative on failure. */
static double time_open(struct bench *bench)
{
    const struct table_options *options = &bench->options;
    uint64_t start = now_ns();
    uint64_t taken;
    void *thread;
    int failed;

    if (bench->table->open(options->path, options->pool_size, options->keys, 0, &bench->pool))
        return -1;
    if (bench->table->thread_open(bench->pool, &thread))
        return -1;
    failed = touch_first_key(bench, TABLE_VERIFY, thread);
    taken = now_ns() - start;
    bench->table->thread_close(thread);
    bench->failures += failed != 0;
    return (double)taken;
}

/* A process that opens the pool, writes without end and says so by closing `ready`. */
static void write_until_killed(struct bench *bench, int ready)
{
    void *pool;
    void *thread;

    if (bench->table->open(bench->options.path, bench->options.pool_size, bench->options.keys, 0, &pool) ||
        bench->table->thread_open(pool, &thread) || touch_first_key(bench, TABLE_UPDATE, thread))
        _exit(1);
    close(ready);
    for (;;)
        touch_first_key(bench, TABLE_UPDATE, thread);
}

/* Leaves the closed pool as a killed writer leaves it. */
static int kill_a_writer(struct bench *bench)
{
    struct timespec a_moment = {0, 20000000};
    int ready[2];
    char byte;
    pid_t child;
    int status;

    fflush(NULL);
    if (pipe(ready))
        return -1;
    child = fork();
    if (child == 0) {
        close(ready[0]);
        write_until_killed(bench, ready[1]);
    }
    close(ready[1]);
    if (child < 0 || read(ready[0], &byte, 1) < 0) {
        close(ready[0]);
        return -1;
    }
    close(ready[0]);
    /* Long enough that the kill meets a commit in flight; nothing waits for this. */
    nanosleep(&a_moment, NULL);
    kill(child, SIGKILL);
    if (waitpid(child, &status, 0) != child || !WIFSIGNALED(status)) {
        fprintf(stderr, "superdb-bench: the writer to be killed ended by itself\n");
        return -1;
    }
    return 0;
}

/* Open to first reply, after a clean close and after a kill: the medians of five each. */
static int time_reopen(struct bench *bench)
{
    double clean[5];
    double killed[5];
    void *thread;

    /* The key that is asked for after each open must be there, whatever the phases did to it. */
    if (bench->table->thread_open(bench->pool, &thread))
        return -1;
    touch_first_key(bench, TABLE_UPDATE, thread);
    bench->table->thread_close(thread);
    for (size_t i = 0; i < 5; i++) {
        bench->table->close(bench->pool);
        clean[i] = time_open(bench);
        if (clean[i] < 0)
            return -1;
        bench->table->close(bench->pool);
        if (kill_a_writer(bench))
            return -1;
        killed[i] = time_open(bench);
        if (killed[i] < 0)
            return -1;
    }
    json_object(&bench->json, "reopen_ms");
    json_number(&bench->json, "clean", median(clean, 5) / 1e6);
    json_number(&bench->json, "killed", median(killed, 5) / 1e6);
    json_object_end(&bench->json);
    fprintf(stderr, "%-22s %9.3f ms after a clean close, %.3f ms after a kill\n", "open to first reply",
            median(clean, 5) / 1e6, median(killed, 5) / 1e6);
    return 0;
}

static int wanted(const struct bench *bench, const struct phase *phase)
{
    if (phase->operation == TABLE_INSERT && phase->all)
        return 1;
    if (!(bench->table->operations & (1u << phase->operation)))
        return 0;
    if ((phase->operation == TABLE_GET_BATCH || phase->operation == TABLE_GET_HANDLE_BATCH) &&
        bench->options.value_size > 16)
        return 0;
    return table_options_wants(&bench->options, phase->name);
}

/* Where each byte of the pool goes, a key: what a key's own parts take, and what is allocated and holds none. */
static void report_memory(struct bench *bench, const struct table_figures *empty, const struct table_figures *full)
{
    double keys = (double)bench->options.keys;
    double entries = (double)bench->table->entry_size;
    double words = (double)bench->table->word_size;
    double entry_slack = (double)full->entry_bytes / keys - entries;
    double index_slack = (double)full->index_bytes / keys - words;
    double headers = (double)(full->metadata_bytes - empty->metadata_bytes) / keys;
    double fixed = (double)empty->metadata_bytes / keys;

    json_object(&bench->json, "bytes_per_key");
    json_number(&bench->json, "entries", entries);
    json_number(&bench->json, "entry_slack", entry_slack);
    json_number(&bench->json, "index", words);
    json_number(&bench->json, "index_slack", index_slack);
    json_number(&bench->json, "blobs", (double)full->blob_bytes / keys);
    json_number(&bench->json, "extent_headers", headers);
    json_number(&bench->json, "superblock_lanes_maps", fixed);
    json_object_end(&bench->json);
    fprintf(stderr, "%-22s entries %.1f and %.1f unused, index %.1f and %.1f unused, blobs %.1f, extents' headers %.2f; superblock, "
                    "lanes and maps %.2f\n",
            "bytes a key", entries, entry_slack, words, index_slack, (double)full->blob_bytes / keys, headers, fixed);
}

static int run_phases(struct bench *bench)
{
    struct table_figures before = {0};
    struct table_figures after = {0};
    double used;
    int failed;

    json_array(&bench->json, "results");
    floor_measure(&bench->floor);
    bench->table->figures(bench->pool, &before);
    failed = run_phase(bench, &phases[0]);
    bench->table->figures(bench->pool, &after);
    if (!failed && bench->table->resolve)
        failed = resolve_all(bench);
    for (size_t i = 1; !failed && i < sizeof phases / sizeof phases[0]; i++) {
        floor_measure(&bench->floor);
        if (wanted(bench, &phases[i]))
            failed = run_phase(bench, &phases[i]);
    }
    json_array_end(&bench->json);

    used = (double)after.used / (double)bench->options.keys;
    json_number(&bench->json, "pool_bytes_per_key", used);
    json_number(&bench->json, "pool_bytes_per_key_added",
                (double)(after.used - before.used) / (double)bench->options.keys);
    json_integer(&bench->json, "pool_bytes_used", after.used);
    if (bench->table->entry_size)
        report_memory(bench, &before, &after);
    if (after.medium)
        json_text(&bench->json, "medium", after.medium);
    fprintf(stderr, "%-22s %9.1f bytes a key, %.1f without what an empty pool takes\n", "pool", used,
            (double)(after.used - before.used) / (double)bench->options.keys);
    return failed;
}

static void describe_parameters(struct bench *bench)
{
    const struct table_options *options = &bench->options;

    json_object(&bench->json, "parameters");
    json_text(&bench->json, "table", bench->table->name);
    json_text(&bench->json, "path", options->path);
    json_integer(&bench->json, "pool_size", options->pool_size);
    json_integer(&bench->json, "keys", options->keys);
    json_integer(&bench->json, "operations", options->operations);
    json_integer(&bench->json, "key_size", options->key_size);
    json_integer(&bench->json, "value_size", options->value_size);
    json_integer(&bench->json, "threads", options->threads);
    json_integer(&bench->json, "batch", options->batch);
    json_integer(&bench->json, "group", options->group);
    json_integer(&bench->json, "hot_keys", bench->hot.count);
    json_number(&bench->json, "theta", options->theta);
    json_integer(&bench->json, "seed", options->seed);
    json_object_end(&bench->json);
}

static int run_all(struct bench *bench)
{
    const struct table_options *options = &bench->options;
    int failed;

    keyspace_init(&bench->uniform, options->keys, DISTRIBUTION_UNIFORM, 0, options->seed);
    keyspace_init(&bench->zipfian, options->keys, DISTRIBUTION_ZIPFIAN, options->theta, options->seed);
    keyspace_init(&bench->hot, options->keys < options->hot ? options->keys : options->hot, DISTRIBUTION_UNIFORM, 0,
                  options->seed);
    unlink(options->path);
    if (bench->table->open(options->path, options->pool_size, options->keys, 1, &bench->pool))
        return -1;
    describe_parameters(bench);
    failed = run_phases(bench);
    if (!failed && table_options_wants(options, "reopen"))
        failed = time_reopen(bench);
    if (bench->pool)
        bench->table->close(bench->pool);
    if (!options->keep)
        unlink(options->path);
    return failed;
}

int table_benchmark(const struct table *table, int argc, char **argv)
{
    static struct bench bench;
    char floor_path[sizeof bench.floor.path];
    FILE *file;
    int failed;

    bench.table = table;
    if (table_options_parse(&bench.options, argc, argv))
        return 2;
    if (bench.options.threads > 1 && !table->threads) {
        fprintf(stderr, "superdb-bench: %s runs with one thread only\n", table->name);
        return 2;
    }
    file = bench.options.json ? fopen(bench.options.json, "w") : stdout;
    if (!file) {
        perror(bench.options.json);
        return 2;
    }
    ticks_calibrate();
    machine_begin();
    snprintf(floor_path, sizeof floor_path, "%s.floor", bench.options.path);
    json_begin(&bench.json, file);
    machine_describe_run(&bench.json, "embedded", argc, argv);
    failed = floor_open(&bench.floor, floor_path, bench.options.floor_size);
    if (!failed) {
        failed = run_all(&bench);
        floor_describe(&bench.floor, &bench.json);
        fprintf(stderr, "%-22s %9.1f ns store + %s + fence, %.1f ns a line of 64 to a fence\n", "floor",
                floor_ns(&bench.floor, FLOOR_ONE_LINE), floor_flush_name(), floor_ns(&bench.floor, FLOOR_64_LINES));
        floor_close(&bench.floor);
    }
    machine_describe(&bench.json);
    json_integer(&bench.json, "failures", bench.failures);
    json_end(&bench.json);
    if (bench.options.json)
        fclose(file);
    free(bench.handles);
    return failed || bench.failures ? 1 : 0;
}
