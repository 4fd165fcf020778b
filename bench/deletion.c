/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * deletion.c - how long other clients wait while a server deletes a large collection
 *
 * One connection sends the DEL (or UNLINK) and later asks for used_memory_dataset; another reads and writes small keys without a pause, one
 * request at a time, polling. Its round trips are timed before the deletion, and from its sending until the memory is back.
 */
#include "types.h"

#include "arguments.h"
#include "connection.h"
#include "filling.h"
#include "json.h"
#include "machine.h"
#include "timing.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CALM_NS 500000000ull /* of round trips before */
#define ASK_NS 100000000ull  /* between two questions for it */
#define ALL_BACK 20u         /* the memory is back when no more than one in so many bytes is left */

static const struct fill large[] = {
    {"list", "RPUSH large:$k", "v:$e", NULL, 1, 0, 100, 0},
    {"set", "SADD large:$k", "m:$e", NULL, 1, 0, 100, 0},
    {"hash", "HSET large:$k", "f:$e $v", NULL, 1, 0, 100, 0},
    {"zset", "ZADD large:$k", "$s m:$e", NULL, 1, 0, 100, 0},
};

struct deletion {
    struct network_target target;
    struct fill fill;
    const char *json_path;
    const char *command;
    uint64_t elements;
    uint64_t patience_ms;
    struct filling filling; /* the connection that deletes */
    int other;              /* and the other one */
    struct histogram *latency;
    struct json json;
};

static const char usage[] =
    "usage: superdb-bench deletion [OPTION]...\n"
    "Times other commands while a RESP server deletes a large collection.\n"
    "  --port N         the server's (6379)              --type T         list, set, hash or zset (hash)\n"
    "  --elements N     of the collection (1m)           --command C      del or unlink (del)\n"
    "  --patience-ms N  to wait for the memory (20000)   --json FILE      instead of stdout\n";

/* A round trip of a SET or a GET by turns: 0, or -1. */
static int round_trip(struct deletion *d, uint64_t turn)
{
    static const char set[] = "*3\r\n$3\r\nSET\r\n$5\r\nother\r\n$5\r\nvalue\r\n", get[] = "*2\r\n$3\r\nGET\r\n$5\r\nother\r\n";
    const char *request = turn & 1 ? get : set, *expected = turn & 1 ? "$5\r\nvalue\r\n" : "+OK\r\n";
    size_t size = strlen(expected), had = 0;
    char reply[16];
    uint64_t start = now_ns();

    if (connection_send(d->other, request, strlen(request)))
        return -1;
    while (had < size) {
        ssize_t now = recv(d->other, reply + had, size - had, MSG_DONTWAIT);

        if (now == 0 || (now < 0 && errno != EAGAIN && errno != EINTR))
            return -1;
        had += now > 0 ? (size_t)now : 0;
    }
    histogram_record(d->latency, now_ns() - start, 1);
    return memcmp(reply, expected, size) ? -1 : 0;
}

static int keep_calm(struct deletion *d)
{
    uint64_t end = now_ns() + CALM_NS;

    for (uint64_t turn = 0; now_ns() < end; turn++)
        if (round_trip(d, turn))
            return -1;
    return 0;
}

struct outcome {
    double answer_ms; /* of the deletion */
    double back_ms;   /* until the memory was back; 0: it was not */
    uint64_t before, full, left;
};

/* 1 where the reply to the deletion has come, -1 where the connection failed. */
static int answered(struct deletion *d)
{
    char reply[16];
    ssize_t size = recv(d->filling.fd, reply, sizeof reply, MSG_DONTWAIT);

    if (size < 0)
        return errno == EAGAIN || errno == EINTR ? 0 : -1;
    return size >= 4 && !memcmp(reply, ":1\r\n", 4) ? 1 : -1;
}

static int watch(struct deletion *d, struct outcome *outcome)
{
    char command[64];
    uint64_t start = now_ns(), asked = 0;
    int state = 0;

    snprintf(command, sizeof command, "*2\r\n$%zu\r\n%s\r\n$12\r\nlarge:000000\r\n", strlen(d->command), d->command);
    if (connection_send(d->filling.fd, command, strlen(command)))
        return -1;
    for (uint64_t turn = 0; now_ns() - start < d->patience_ms * 1000000; turn++) {
        if (round_trip(d, turn))
            return -1;
        if (!state && (state = answered(d)) < 0)
            return -1;
        if (!state)
            continue;
        if (!asked)
            outcome->answer_ms = (double)(now_ns() - start) / 1e6;
        if (asked && now_ns() - asked < ASK_NS)
            continue;
        asked = now_ns();
        if (filling_memory(&d->filling, "used_memory_dataset", &outcome->left))
            return -1;
        if (outcome->left < outcome->before || outcome->left - outcome->before < (outcome->full - outcome->before) / ALL_BACK) {
            outcome->back_ms = (double)(now_ns() - start) / 1e6;
            return 0;
        }
    }
    return state ? 0 : -1;
}

static int measure(struct deletion *d)
{
    struct outcome outcome = {0};

    if (filling_memory(&d->filling, "used_memory_dataset", &outcome.before) || fill_server(&d->filling, &d->fill) ||
        filling_memory(&d->filling, "used_memory_dataset", &outcome.full) || keep_calm(d))
        return -1;
    json_histogram(&d->json, "calm_ns", d->latency);
    fprintf(stderr, "%-5s %9llu: other commands p50 %.1f us, p99.99 %.1f us, longest %.1f us\n", d->fill.name,
            (unsigned long long)d->elements, (double)histogram_percentile(d->latency, 50) / 1e3,
            (double)histogram_percentile(d->latency, 99.99) / 1e3, (double)d->latency->maximum / 1e3);
    histogram_clear(d->latency);
    if (watch(d, &outcome))
        return -1;
    json_histogram(&d->json, "deleting_ns", d->latency);
    json_number(&d->json, "answer_ms", outcome.answer_ms);
    json_number(&d->json, "back_ms", outcome.back_ms);
    json_integer(&d->json, "bytes", outcome.full - outcome.before);
    json_number(&d->json, "bytes_left", (double)outcome.left - (double)outcome.before);
    fprintf(stderr, "    %s: answered in %.2f ms, memory back in %.0f ms (%.0f of %.0f MB left), others meanwhile p50 %.1f us, "
                    "p99.99 %.1f us, longest %.1f us\n",
            d->command, outcome.answer_ms, outcome.back_ms, ((double)outcome.left - (double)outcome.before) / 1e6,
            (double)(outcome.full - outcome.before) / 1e6, (double)histogram_percentile(d->latency, 50) / 1e3,
            (double)histogram_percentile(d->latency, 99.99) / 1e3, (double)d->latency->maximum / 1e3);
    return 0;
}

static int parse_one(struct deletion *d, int option)
{
    uint64_t number = 0;
    int failed = 0;

    switch (option) {
    case 'p':
        failed = argument_number("port", optarg, 1, 65535, &number);
        d->target.port = (uint32_t)number;
        return failed;
    case 't':
        d->fill.name = NULL;
        for (size_t i = 0; i < sizeof large / sizeof large[0]; i++)
            if (!strcmp(large[i].name, optarg))
                d->fill = large[i];
        return d->fill.name ? 0 : -1;
    case 'n':
        return argument_number("elements", optarg, 1, 1u << 30, &d->elements);
    case 'c':
        d->command = optarg;
        return strcmp(optarg, "del") != 0 && strcmp(optarg, "unlink") != 0 ? -1 : 0;
    case 'w':
        return argument_number("patience-ms", optarg, 1, 1u << 30, &d->patience_ms);
    case 'j':
        d->json_path = optarg;
        return 0;
    default:
        return -1;
    }
}

static int parse(struct deletion *d, int argc, char **argv)
{
    static const struct option long_options[] = {
        {"port", required_argument, NULL, 'p'},    {"type", required_argument, NULL, 't'},
        {"elements", required_argument, NULL, 'n'}, {"command", required_argument, NULL, 'c'},
        {"patience-ms", required_argument, NULL, 'w'}, {"json", required_argument, NULL, 'j'},
        {NULL, 0, NULL, 0},
    };
    int option, failed = 0;

    *d = (struct deletion){.target = {"127.0.0.1", NULL, 6379}, .fill = large[2], .command = "del", .elements = 1000000,
                           .patience_ms = 20000, .other = -1};
    while (!failed && (option = getopt_long(argc, argv, "", long_options, NULL)) != -1)
        failed = parse_one(d, option);
    if (failed || optind < argc) {
        fputs(usage, stderr);
        return -1;
    }
    d->fill.elements = d->elements;
    return 0;
}

static int run(struct deletion *d)
{
    int failed;

    d->latency = histogram_create();
    failed = filling_open(&d->filling, &d->target);
    d->other = connection_open(&d->target);
    if (!d->latency || d->other < 0)
        failed = -1;
    if (!failed && measure(d)) {
        fputs("superdb-bench: the server did not reply as it ought to\n", stderr);
        failed = -1;
    }
    filling_close(&d->filling);
    if (d->other >= 0)
        close(d->other);
    free(d->latency);
    return failed;
}

int deletion_benchmark(int argc, char **argv)
{
    struct deletion d;
    FILE *file;
    int failed;

    if (parse(&d, argc, argv))
        return 2;
    file = d.json_path ? fopen(d.json_path, "w") : stdout;
    if (!file) {
        perror(d.json_path);
        return 2;
    }
    machine_begin();
    json_begin(&d.json, file);
    machine_describe_run(&d.json, "deletion", argc, argv);
    json_text(&d.json, "type", d.fill.name);
    json_text(&d.json, "deletion", d.command);
    json_integer(&d.json, "elements", d.elements);
    failed = run(&d);
    machine_describe(&d.json);
    json_integer(&d.json, "failed", failed != 0);
    json_end(&d.json);
    if (d.json_path)
        fclose(file);
    return failed ? 1 : 0;
}
