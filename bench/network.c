/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * network.c - the network benchmark: a run for each kind of request and each pipeline depth
 *
 * Each thread has its own connections, its own prebuilt traffic and its own event loop. A run's rate is the sum of the threads'
 * rates, each over its own measured time.
 */
#include "network.h"

#include "handles.h"
#include "json.h"
#include "loop.h"
#include "machine.h"
#include "network_options.h"
#include "preload.h"
#include "timing.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct run {
    const struct network_options *options;
    enum request request;
    uint32_t depth;
    enum loop_kind loop;
    const struct keyspace *keys;
    struct loader *loaders;
    pthread_barrier_t ready;
    uint64_t number; /* of this run: other runs draw other keys */
};

struct thread {
    struct run *run;
    uint32_t index;
    pthread_t id;
};

/* What all threads of a run measured together. */
struct outcome {
    struct histogram *latency;
    double seconds;
    double rate;
    double cpu; /* share of the time that the busiest generator thread used its CPU */
    uint64_t replies;
    uint64_t errors;
    uint64_t misses;
    uint64_t dropped;
    uint64_t server_cpu;
    const char *first_error;
    const char *failure;
};

/* Prepares, waits for the other threads, runs. */
static void *load(void *context)
{
    struct thread *thread = context;
    struct run *run = thread->run;
    const struct network_options *options = run->options;
    struct loader *loader = &run->loaders[thread->index];
    uint32_t share = options->connections / options->threads + (thread->index < options->connections % options->threads);
    struct keyspace keys;
    uint64_t now;
    int failed = 0;

    loader->options = options;
    keyspace_fork(&keys, run->keys, options->seed + run->number * 64 + thread->index);
    loader->latency = histogram_create();
    if (!loader->latency || traffic_build(&loader->traffic, options, run->request, run->depth, &keys)) {
        snprintf(loader->failure, sizeof loader->failure, "out of memory");
        failed = 1;
    }
    failed = failed || loader_open(loader, share);
    pthread_barrier_wait(&run->ready);
    if (failed)
        return NULL;
    now = now_ns();
    loader->start_at = now + options->warmup_ms * 1000000;
    loader->stop_at = loader->start_at + options->duration_ms * 1000000;
    loader->bound = options->bound / options->threads;
    if (run->loop == LOOP_URING)
        loop_uring(loader);
    else
        loop_epoll(loader);
    return NULL;
}

static void gather(struct outcome *outcome, const struct loader *loader)
{
    double seconds = (double)(loader->stopped_at - loader->started_at) / 1e9;

    if (loader->failure[0])
        outcome->failure = loader->failure;
    if (!loader->stopped_at || seconds <= 0)
        return;
    histogram_merge(outcome->latency, loader->latency);
    if (seconds > outcome->seconds)
        outcome->seconds = seconds;
    if ((double)loader->cpu / 1e9 / seconds > outcome->cpu)
        outcome->cpu = (double)loader->cpu / 1e9 / seconds;
    if (loader->server_cpu > outcome->server_cpu)
        outcome->server_cpu = loader->server_cpu;
    outcome->rate += (double)loader->replies / seconds;
    outcome->replies += loader->replies;
    outcome->dropped += loader->dropped;
    for (uint32_t i = 0; i < loader->flow_count; i++) {
        const struct reply_counter *counter = &loader->flows[i].counter;

        outcome->errors += counter->errors;
        outcome->misses += counter->misses;
        if (counter->errors && !outcome->first_error)
            outcome->first_error = counter->first_error;
    }
}

static void report(struct json *json, const struct run *run, const struct outcome *outcome)
{
    const struct network_options *options = run->options;

    json_object(json, NULL);
    json_text(json, "operation", request_name(run->request));
    json_integer(json, "pipeline", run->depth);
    json_text(json, "loop", run->loop == LOOP_URING ? "uring" : "epoll");
    json_integer(json, "requests", outcome->replies);
    json_number(json, "seconds", outcome->seconds);
    json_number(json, "requests_per_second", outcome->rate);
    json_number(json, "keys_per_second", outcome->rate * request_keys(options, run->request));
    json_number(json, "generator_cpu", outcome->cpu);
    if (options->server_pid && outcome->replies)
        json_number(json, "server_cpu_ns_per_request", (double)outcome->server_cpu / (double)outcome->replies);
    if (options->server_pid && outcome->replies)
        json_number(json, "server_cpu_ns_per_key",
                    (double)outcome->server_cpu / (double)outcome->replies / request_keys(options, run->request));
    json_integer(json, "errors", outcome->errors);
    json_integer(json, "misses", outcome->misses);
    json_integer(json, "dropped_pipelines", outcome->dropped);
    if (outcome->first_error)
        json_text(json, "first_error", outcome->first_error);
    if (outcome->failure)
        json_text(json, "failure", outcome->failure);
    json_histogram(json, "latency_ns", outcome->latency);

    fprintf(stderr, "%-5s P%-5u %11.0f /s  p50 %8.1f us  p99 %8.1f us  p99.9 %8.1f us  generator %3.0f%%",
            request_name(run->request), run->depth, outcome->rate,
            (double)histogram_percentile(outcome->latency, 50) / 1e3,
            (double)histogram_percentile(outcome->latency, 99) / 1e3,
            (double)histogram_percentile(outcome->latency, 99.9) / 1e3, outcome->cpu * 100);
    if (options->server_pid && outcome->replies)
        fprintf(stderr, "  server %.0f ns", (double)outcome->server_cpu / (double)outcome->replies);
    if (outcome->errors || outcome->misses || outcome->dropped)
        fprintf(stderr, "  ERRORS %llu (%s) MISSES %llu DROPPED %llu", (unsigned long long)outcome->errors,
                outcome->first_error ? outcome->first_error : "none", (unsigned long long)outcome->misses,
                (unsigned long long)outcome->dropped);
    fprintf(stderr, "%s%s\n", outcome->failure ? "  FAILED: " : "", outcome->failure ? outcome->failure : "");
}

/* The verify pass of a run that can be verified; closes the run's JSON object. */
static int verify_run(struct json *json, const struct run *run)
{
    int holds_text = run->request != REQUEST_INCR && run->request != REQUEST_PING;
    uint64_t wrong = 0;
    int failed = 0;

    if (run->options->verify && holds_text) {
        failed = verify(run->options, &wrong);
        json_text(json, "verified", failed ? "failed" : wrong ? "wrong" : "right");
        json_integer(json, "wrong_values", wrong);
        if (wrong)
            fprintf(stderr, "superdb-bench: verify: %llu values are wrong\n", (unsigned long long)wrong);
    }
    json_object_end(json);
    return failed || wrong ? -1 : 0;
}

/* 0 where nothing failed and every reply was right. */
static int run_one(struct run *run, struct json *json)
{
    uint32_t threads = run->options->threads;
    struct thread *list = calloc(threads, sizeof *list);
    struct outcome outcome = {.latency = histogram_create()};
    int failed = -1;

    run->loaders = calloc(threads, sizeof *run->loaders);
    if (!list || !outcome.latency || !run->loaders)
        goto free_run;
    pthread_barrier_init(&run->ready, NULL, threads);
    for (uint32_t i = 0; i < threads; i++) {
        list[i].run = run;
        list[i].index = i;
        if (i)
            pthread_create(&list[i].id, NULL, load, &list[i]);
    }
    load(&list[0]);
    for (uint32_t i = 1; i < threads; i++)
        pthread_join(list[i].id, NULL);
    pthread_barrier_destroy(&run->ready);
    for (uint32_t i = 0; i < threads; i++)
        gather(&outcome, &run->loaders[i]);
    report(json, run, &outcome);
    for (uint32_t i = 0; i < threads; i++) {
        loader_close(&run->loaders[i]);
        traffic_free(&run->loaders[i].traffic);
        free(run->loaders[i].latency);
    }
    failed = verify_run(json, run);
    if (outcome.failure || outcome.errors)
        failed = -1;

free_run:
    free(run->loaders);
    free(outcome.latency);
    free(list);
    return failed;
}

static void describe_parameters(struct json *json, const struct network_options *options)
{
    json_object(json, "parameters");
    json_text(json, "protocol", protocol_name(options->protocol));
    if (options->target.unix_path) {
        json_text(json, "unix", options->target.unix_path);
    } else {
        json_text(json, "host", options->target.host);
        json_integer(json, "port", options->target.port);
    }
    json_integer(json, "connections", options->connections);
    json_integer(json, "threads", options->threads);
    json_integer(json, "keys", options->keys);
    json_integer(json, "key_size", options->key_size);
    json_integer(json, "value_size", options->value_size);
    json_integer(json, "mget_keys", options->mget_keys);
    json_integer(json, "read_percent", options->read_percent);
    json_text(json, "distribution", distribution_name(options->distribution));
    json_number(json, "theta", options->theta);
    json_integer(json, "duration_ms", options->duration_ms);
    json_integer(json, "warmup_ms", options->warmup_ms);
    json_integer(json, "rate", options->rate);
    json_integer(json, "spin", (uint64_t)options->spin);
    json_integer(json, "seed", options->seed);
    json_object_end(json);
}

static int run_all(struct network_options *options, struct json *json)
{
    struct keyspace keys;
    struct run run = {.options = options, .keys = &keys, .loop = options->loop};
    int failed = 0;

    if (run.loop == LOOP_AUTO)
        run.loop = loop_uring_usable() ? LOOP_URING : LOOP_EPOLL;
    keyspace_init(&keys, options->keys, options->distribution, options->theta, options->seed);
    if (options->preload) {
        uint64_t start = now_ns();

        if (preload(options))
            return -1;
        json_number(json, "preload_seconds", (double)(now_ns() - start) / 1e9);
    }
    for (uint32_t r = 0; r < options->request_count; r++) {
        if (!options->handles && request_by_handle(options->requests[r]) && !(options->handles = handles_fetch(options)))
            return -1;
    }
    json_array(json, "results");
    for (uint32_t r = 0; r < options->request_count; r++) {
        for (uint32_t p = 0; p < options->pipeline_count; p++) {
            run.request = options->requests[r];
            run.depth = options->pipelines[p];
            failed |= run_one(&run, json);
            run.number++;
        }
    }
    json_array_end(json);
    return failed;
}

int network_benchmark(int argc, char **argv)
{
    struct network_options options;
    struct json json;
    FILE *file;
    int failed;

    if (network_options_parse(&options, argc, argv))
        return 2;
    file = options.json ? fopen(options.json, "w") : stdout;
    if (!file) {
        perror(options.json);
        return 2;
    }
    machine_begin();
    json_begin(&json, file);
    machine_describe_run(&json, "network", argc, argv);
    describe_parameters(&json, &options);
    failed = run_all(&options, &json);
    machine_describe(&json);
    json_integer(&json, "failed", failed != 0);
    json_end(&json);
    free(options.handles);
    if (options.json)
        fclose(file);
    return failed ? 1 : 0;
}
