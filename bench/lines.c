/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lines.c - one operation, many times, by two threads one after the other, for a tool that sees every access to memory
 *
 * Which cache lines would travel between cores? Those that a thread writes and another one touches. Both threads have their
 * sessions open at the same time and use different keys, so that their stacks, their sessions and the keys' own lines are not the
 * same. They do not run at the same time: no count depends on timing.
 *
 * A store to marks[] divides the trace: a thread's operations begin and end with one. Where marks and the pool are is told on
 * standard output before.
 */
#include "lines.h"

#include "arguments.h"
#include "keyspace.h"

#include <getopt.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <superdb/superdb.h>
#include <unistd.h>

#define KEY_SIZE 16u
#define VALUE_SIZE 8u
#define BATCH 32u
#define WARM 64u /* operations before the first mark: a thread's first uses of everything */
#define PASSES 4u
#define THREADS 2u
#define STRIDE 7919u /* a prime: keys in a row are no neighbours, and none comes twice */

enum lines_operation { LINES_GET, LINES_GET_COLD, LINES_GET_MANY, LINES_UPDATE, LINES_GROUP, LINES_INSERT, LINES_OPERATIONS };
enum lines_mark { MARK_BEGIN, MARK_END, MARKS };

struct lines {
    const char *path;
    const char *operation_name;
    enum lines_operation operation;
    uint64_t keys;
    uint64_t count;
    int prepare;
    struct sdb_pool *pool;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    unsigned turn; /* the thread that runs, from 1 on; under lock */
};

struct lines_thread {
    struct lines *lines;
    struct sdb_session *session;
    unsigned number;
    uint64_t failures;
} __attribute__((aligned(64))); /* the bench shall share nothing itself */

static const char *const operation_names[LINES_OPERATIONS] = {"get", "get_cold", "get_many", "update", "group", "insert"};

/* The trace's reader knows the lines of this array. */
static volatile uint64_t marks[THREADS][MARKS][8] __attribute__((aligned(64)));

static const char usage[] =
    "usage: superdb-bench lines --path POOL [OPTION]...\n"
    "Runs an operation in two threads one after the other, for scripts/shared-lines.py, which counts cache lines.\n"
    "  --prepare        makes the pool, and leaves it   --keys N         in it (200000)\n"
    "  --operation OP   get and get_many (32) of keys that were read before, get_cold of others; update, group (of 32\n"
    "                   updates), insert\n"
    "  --count N        keys of each thread (256)\n";

/* A thread's keys are picked so that the other one has no use for them: even numbers and odd ones, each once. New ones lie behind. */
static uint64_t pick(const struct lines_thread *thread, uint64_t turn)
{
    const struct lines *lines = thread->lines;

    if (lines->operation == LINES_INSERT)
        return lines->keys + turn * THREADS + thread->number;
    return turn * STRIDE % (lines->keys / THREADS) * THREADS + thread->number;
}

static int run_one(struct lines_thread *thread, uint64_t turn)
{
    char key[KEY_SIZE], value[VALUE_SIZE];
    size_t size;

    binary_key(pick(thread, turn), key, sizeof(key));
    binary_value(turn, 1, value, sizeof(value));
    switch (thread->lines->operation) {
    case LINES_GET:
    case LINES_GET_COLD:
        return sdb_get(thread->session, key, sizeof(key), value, sizeof(value), &size);
    default:
        return sdb_set(thread->session, key, sizeof(key), value, sizeof(value), NULL);
    }
}

static int run_batch(struct lines_thread *thread, uint64_t first)
{
    char bytes[BATCH][KEY_SIZE];
    struct sdb_slice keys[BATCH];
    struct sdb_inline values[BATCH];
    int result = SDB_OK;

    if (thread->lines->operation == LINES_GROUP) {
        result = sdb_group_begin(thread->session);
        for (uint64_t i = 0; i < BATCH && result == SDB_OK; i++)
            result = run_one(thread, first + i);
        return result == SDB_OK ? sdb_group_end(thread->session) : result;
    }
    for (uint64_t i = 0; i < BATCH; i++) {
        binary_key(pick(thread, first + i), bytes[i], KEY_SIZE);
        keys[i] = (struct sdb_slice){bytes[i], KEY_SIZE};
    }
    sdb_get_many(thread->session, keys, BATCH, values);
    for (size_t i = 0; i < BATCH; i++)
        result = values[i].result == SDB_OK ? result : values[i].result;
    return result;
}

/* Both threads live from the first to the last, so that they do not get the same stack. */
static void await_turn(struct lines *lines, unsigned turn)
{
    pthread_mutex_lock(&lines->lock);
    while (lines->turn < turn)
        pthread_cond_wait(&lines->changed, &lines->lock);
    pthread_mutex_unlock(&lines->lock);
}

static void end_turn(struct lines *lines)
{
    pthread_mutex_lock(&lines->lock);
    lines->turn++;
    pthread_cond_broadcast(&lines->changed);
    pthread_mutex_unlock(&lines->lock);
}

/* Read often before it is looked at, so that the cache has a copy: it does not take what it saw once. */
static int is_cached(enum lines_operation operation)
{
    return operation == LINES_GET || operation == LINES_GET_MANY;
}

static void *run_thread(void *argument)
{
    struct lines_thread *thread = argument;
    int batched = thread->lines->operation == LINES_GET_MANY || thread->lines->operation == LINES_GROUP;
    uint64_t step = batched ? BATCH : 1;
    uint64_t end = WARM + thread->lines->count;

    await_turn(thread->lines, thread->number + 1);
    for (unsigned pass = 0; pass < PASSES && is_cached(thread->lines->operation); pass++) {
        for (uint64_t turn = WARM; turn < end; turn += step)
            thread->failures += (batched ? run_batch(thread, turn) : run_one(thread, turn)) != SDB_OK;
    }
    for (uint64_t turn = 0; turn < end; turn += step) {
        if (turn >= WARM)
            marks[thread->number][MARK_BEGIN][0] = turn;
        thread->failures += (batched ? run_batch(thread, turn) : run_one(thread, turn)) != SDB_OK;
        if (turn >= WARM)
            marks[thread->number][MARK_END][0] = turn;
    }
    end_turn(thread->lines);
    await_turn(thread->lines, THREADS + 1);
    return NULL;
}

/* Where the pool's file is mapped: all of it is one range. */
static int tell_places(const struct lines *lines)
{
    unsigned long long from = 0, to = 0, start, end;
    FILE *maps = fopen("/proc/self/maps", "r");
    char line[4352];

    while (maps && fgets(line, sizeof(line), maps)) {
        line[strcspn(line, "\n")] = '\0';
        if (!strstr(line, lines->path) || sscanf(line, "%llx-%llx", &start, &end) != 2)
            continue;
        from = from ? from : start;
        to = end;
    }
    if (maps)
        fclose(maps);
    printf("marks %llx\npool %llx %llx\nkeys %llu\n", (unsigned long long)(uintptr_t)marks, from, to,
           (unsigned long long)lines->count);
    fflush(stdout);
    return from ? 0 : -1;
}

static int run_threads(struct lines *lines)
{
    struct lines_thread threads[THREADS] = {{.lines = lines, .number = 0}, {.lines = lines, .number = 1}};
    uint64_t failures = 0;
    pthread_t ids[THREADS];

    if (tell_places(lines))
        return -1;
    for (unsigned i = 0; i < THREADS; i++) {
        if (sdb_session_open(lines->pool, &threads[i].session) != SDB_OK ||
            pthread_create(&ids[i], NULL, run_thread, &threads[i])) {
            fprintf(stderr, "superdb-bench: no thread, or no session: %s\n", sdb_last_error());
            exit(1);
        }
    }
    end_turn(lines); /* nobody starts before both are there: making a thread is no part of an operation */
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(ids[i], NULL);
        failures += threads[i].failures;
        sdb_session_close(threads[i].session);
    }
    if (failures)
        fprintf(stderr, "superdb-bench: %llu operations failed\n", (unsigned long long)failures);
    return failures ? -1 : 0;
}

static int prepare(struct lines *lines)
{
    struct sdb_session *session;
    int failed = sdb_session_open(lines->pool, &session);

    for (uint64_t i = 0; i < lines->keys && !failed; i++) {
        char key[KEY_SIZE], value[VALUE_SIZE];

        binary_key(i, key, sizeof(key));
        binary_value(i, 0, value, sizeof(value));
        failed = sdb_set(session, key, sizeof(key), value, sizeof(value), NULL);
    }
    sdb_session_close(session);
    return failed;
}

static int parse(struct lines *lines, int argc, char **argv)
{
    static const struct option options[] = {
        {"path", required_argument, NULL, 'f'},  {"prepare", no_argument, NULL, 'p'},
        {"keys", required_argument, NULL, 'k'},  {"operation", required_argument, NULL, 'o'},
        {"count", required_argument, NULL, 'n'}, {NULL, 0, NULL, 0},
    };
    int option, failed = 0;

    while (!failed && (option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 'f')
            lines->path = optarg;
        else if (option == 'p')
            lines->prepare = 1;
        else if (option == 'o')
            lines->operation_name = optarg;
        else if (option == 'k')
            failed = argument_number("keys", optarg, THREADS, 1u << 30, &lines->keys);
        else
            failed = option != 'n' || argument_number("count", optarg, 1, 1u << 20, &lines->count);
    }
    while (!failed && lines->operation < LINES_OPERATIONS && strcmp(lines->operation_name, operation_names[lines->operation]) != 0)
        lines->operation++;
    return failed || optind < argc || !lines->path || lines->operation == LINES_OPERATIONS;
}

int lines_benchmark(int argc, char **argv)
{
    struct lines lines = {.operation_name = "get",
                          .keys = 200000,
                          .count = 256,
                          .lock = PTHREAD_MUTEX_INITIALIZER,
                          .changed = PTHREAD_COND_INITIALIZER};
    struct sdb_options options = SDB_OPTIONS_INIT;
    int failed;

    if (parse(&lines, argc, argv)) {
        fputs(usage, stderr);
        return 2;
    }
    if (lines.prepare) {
        options.flags = SDB_CREATE | SDB_EXCLUSIVE;
        options.pool_size = (lines.keys * 64 / (64u << 20) + 1) * (64u << 20);
    }
    if (sdb_open(lines.path, &options, &lines.pool) != SDB_OK) {
        fprintf(stderr, "superdb-bench: %s\n", sdb_last_error());
        return 1;
    }
    failed = lines.prepare ? prepare(&lines) : run_threads(&lines);
    if (sdb_close(lines.pool) != SDB_OK) {
        fprintf(stderr, "superdb-bench: closing: %s\n", sdb_last_error());
        failed = 1;
    }
    return failed ? 1 : 0;
}
