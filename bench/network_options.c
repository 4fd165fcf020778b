/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * network_options.c - the command line of the network benchmark
 */
#include "network_options.h"

#include "arguments.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

enum {
    OPTION_HOST = 1,
    OPTION_PORT,
    OPTION_UNIX,
    OPTION_PROTOCOL,
    OPTION_LOOP,
    OPTION_OPERATION,
    OPTION_PIPELINE,
    OPTION_CONNECTIONS,
    OPTION_THREADS,
    OPTION_KEYS,
    OPTION_KEY_SIZE,
    OPTION_VALUE_SIZE,
    OPTION_MGET_KEYS,
    OPTION_READ_PERCENT,
    OPTION_DISTRIBUTION,
    OPTION_THETA,
    OPTION_DURATION,
    OPTION_WARMUP,
    OPTION_REQUESTS,
    OPTION_RATE,
    OPTION_PREBUILT,
    OPTION_PRELOAD,
    OPTION_VERIFY,
    OPTION_SPIN,
    OPTION_SERVER_PID,
    OPTION_SEED,
    OPTION_JSON,
    OPTION_HELP,
};

static const struct option long_options[] = {
    {"host", required_argument, NULL, OPTION_HOST},
    {"port", required_argument, NULL, OPTION_PORT},
    {"unix", required_argument, NULL, OPTION_UNIX},
    {"protocol", required_argument, NULL, OPTION_PROTOCOL},
    {"loop", required_argument, NULL, OPTION_LOOP},
    {"operation", required_argument, NULL, OPTION_OPERATION},
    {"pipeline", required_argument, NULL, OPTION_PIPELINE},
    {"connections", required_argument, NULL, OPTION_CONNECTIONS},
    {"threads", required_argument, NULL, OPTION_THREADS},
    {"keys", required_argument, NULL, OPTION_KEYS},
    {"key-size", required_argument, NULL, OPTION_KEY_SIZE},
    {"value-size", required_argument, NULL, OPTION_VALUE_SIZE},
    {"mget-keys", required_argument, NULL, OPTION_MGET_KEYS},
    {"read-percent", required_argument, NULL, OPTION_READ_PERCENT},
    {"distribution", required_argument, NULL, OPTION_DISTRIBUTION},
    {"theta", required_argument, NULL, OPTION_THETA},
    {"duration-ms", required_argument, NULL, OPTION_DURATION},
    {"warmup-ms", required_argument, NULL, OPTION_WARMUP},
    {"requests", required_argument, NULL, OPTION_REQUESTS},
    {"rate", required_argument, NULL, OPTION_RATE},
    {"prebuilt", required_argument, NULL, OPTION_PREBUILT},
    {"preload", no_argument, NULL, OPTION_PRELOAD},
    {"verify", required_argument, NULL, OPTION_VERIFY},
    {"spin", no_argument, NULL, OPTION_SPIN},
    {"server-pid", required_argument, NULL, OPTION_SERVER_PID},
    {"seed", required_argument, NULL, OPTION_SEED},
    {"json", required_argument, NULL, OPTION_JSON},
    {"help", no_argument, NULL, OPTION_HELP},
    {NULL, 0, NULL, 0},
};

static const char usage[] =
    "usage: superdb-bench network [OPTION]...\n"
    "Loads a server with pipelines that were built beforehand; figures to stderr, one JSON document to stdout.\n"
    "  --host A --port N    the server (127.0.0.1, 6379)     --unix PATH          a unix socket instead\n"
    "  --protocol P         resp, meta or text (memcached's), or binary (docs/BINARY-PROTOCOL.md)\n"
    "  --loop L             auto, epoll or uring\n"
    "  --operation LIST     get, set, mget, mset, incr, mixed, ping (get); one run for each, with each pipeline. In the binary\n"
    "                       protocol besides by handle: geth, seth, mgeth\n"
    "  --pipeline LIST      requests sent together (1)        --connections N      (50)\n"
    "  --threads N          (1)                               --keys N             (1m)\n"
    "  --key-size N         (16)                              --value-size N       (16)\n"
    "  --mget-keys N        of an MGET, MSET (16)             --read-percent N     GETs among mixed requests (90)\n"
    "  --distribution D     uniform, zipfian or sequential    --theta X            of zipfian picks (0.99)\n"
    "  --duration-ms N      of a run (2000)                   --warmup-ms N        before it (300)\n"
    "  --requests N         ends a run early\n"
    "  --rate N             requests a second, sent on schedule whatever the replies do (open loop); the latency of\n"
    "                       a request counts from the time it was due\n"
    "  --prebuilt N         requests built beforehand, a thread (1m)\n"
    "  --preload            sets all keys first               --verify N           compares N values after each run\n"
    "  --spin               polls without sleeping            --server-pid N       measures that process' CPU time\n"
    "  --seed N             (1)                               --json FILE          instead of stdout\n";

static const char *const request_names[REQUESTS] = {
    [REQUEST_GET] = "get",   [REQUEST_SET] = "set",     [REQUEST_MGET] = "mget",
    [REQUEST_INCR] = "incr", [REQUEST_MIXED] = "mixed", [REQUEST_PING] = "ping",
    [REQUEST_MSET] = "mset", [REQUEST_GETH] = "geth",   [REQUEST_SETH] = "seth", [REQUEST_MGETH] = "mgeth",
};
static const char *const protocol_names[] = {"resp", "meta", "text", "binary", NULL};
static const char *const loop_names[] = {"auto", "epoll", "uring", NULL};
static const char *const distribution_names[] = {"uniform", "zipfian", "sequential", NULL};

uint32_t request_keys(const struct network_options *options, enum request request)
{
    return request == REQUEST_MGET || request == REQUEST_MSET || request == REQUEST_MGETH ? options->mget_keys : 1;
}

int request_by_handle(enum request request)
{
    return request == REQUEST_GETH || request == REQUEST_SETH || request == REQUEST_MGETH;
}

const char *request_name(enum request request)
{
    return request_names[request];
}

const char *protocol_name(enum protocol protocol)
{
    return protocol_names[protocol];
}

const char *distribution_name(enum distribution distribution)
{
    return distribution_names[distribution];
}

/* The place of a word among names, or -1 after a message. */
static int parse_word(const char *option, const char *text, const char *const *names)
{
    for (int i = 0; names[i]; i++)
        if (!strcmp(names[i], text))
            return i;
    fprintf(stderr, "superdb-bench: --%s: '%s' is not known\n", option, text);
    return -1;
}

static int parse_requests(struct network_options *options, char *list)
{
    options->request_count = 0;
    for (char *word = strtok(list, ","); word; word = strtok(NULL, ",")) {
        enum request request = 0;

        while (request < REQUESTS && strcmp(request_names[request], word) != 0)
            request++;
        if (request == REQUESTS || options->request_count == NETWORK_LIST_MAX) {
            fprintf(stderr, "superdb-bench: --operation: '%s' is not known, or one too many\n", word);
            return -1;
        }
        options->requests[options->request_count++] = request;
    }
    return options->request_count ? 0 : -1;
}

static int parse_pipelines(struct network_options *options, char *list)
{
    options->pipeline_count = 0;
    for (char *word = strtok(list, ","); word; word = strtok(NULL, ",")) {
        uint64_t number;

        if (argument_number("pipeline", word, 1, 65536, &number))
            return -1;
        if (options->pipeline_count == NETWORK_LIST_MAX) {
            fprintf(stderr, "superdb-bench: --pipeline: more than %u\n", NETWORK_LIST_MAX);
            return -1;
        }
        options->pipelines[options->pipeline_count++] = (uint32_t)number;
    }
    return options->pipeline_count ? 0 : -1;
}

struct bounds {
    uint64_t minimum;
    uint64_t maximum;
};

static struct bounds bounds_of(int option)
{
    switch (option) {
    case OPTION_PORT:
        return (struct bounds){1, 65535};
    case OPTION_CONNECTIONS:
        return (struct bounds){1, NETWORK_CONNECTIONS_MAX};
    case OPTION_THREADS:
        return (struct bounds){1, NETWORK_THREADS_MAX};
    case OPTION_KEY_SIZE:
        return (struct bounds){8, NETWORK_KEY_SIZE_MAX};
    case OPTION_VALUE_SIZE:
        return (struct bounds){1, NETWORK_VALUE_SIZE_MAX};
    case OPTION_MGET_KEYS:
        return (struct bounds){1, 1024};
    case OPTION_READ_PERCENT:
        return (struct bounds){0, 100};
    case OPTION_DURATION:
    case OPTION_KEYS:
    case OPTION_PREBUILT:
        return (struct bounds){1, 1ull << 32};
    case OPTION_SERVER_PID:
        return (struct bounds){1, INT32_MAX};
    default:
        return (struct bounds){0, 1ull << 40};
    }
}

static int parse_number(struct network_options *options, int option, const char *name)
{
    struct bounds bounds = bounds_of(option);
    uint64_t number = 0;
    int failed = argument_number(name, optarg, bounds.minimum, bounds.maximum, &number);

    switch (option) {
    case OPTION_PORT:
        options->target.port = (uint32_t)number;
        break;
    case OPTION_CONNECTIONS:
        options->connections = (uint32_t)number;
        break;
    case OPTION_THREADS:
        options->threads = (uint32_t)number;
        break;
    case OPTION_KEYS:
        options->keys = number;
        break;
    case OPTION_KEY_SIZE:
        options->key_size = number;
        break;
    case OPTION_VALUE_SIZE:
        options->value_size = number;
        break;
    case OPTION_MGET_KEYS:
        options->mget_keys = (uint32_t)number;
        break;
    case OPTION_READ_PERCENT:
        options->read_percent = (uint32_t)number;
        break;
    case OPTION_DURATION:
        options->duration_ms = number;
        break;
    case OPTION_WARMUP:
        options->warmup_ms = number;
        break;
    case OPTION_REQUESTS:
        options->bound = number;
        break;
    case OPTION_RATE:
        options->rate = number;
        break;
    case OPTION_PREBUILT:
        options->prebuilt = number;
        break;
    case OPTION_VERIFY:
        options->verify = number;
        break;
    case OPTION_SERVER_PID:
        options->server_pid = number;
        break;
    default:
        options->seed = number;
        break;
    }
    return failed;
}

static int parse_one(struct network_options *options, int option, const char *name)
{
    int word;

    switch (option) {
    case OPTION_HOST:
        options->target.host = optarg;
        return 0;
    case OPTION_UNIX:
        options->target.unix_path = optarg;
        return 0;
    case OPTION_JSON:
        options->json = optarg;
        return 0;
    case OPTION_PRELOAD:
        options->preload = 1;
        return 0;
    case OPTION_SPIN:
        options->spin = 1;
        return 0;
    case OPTION_THETA:
        return argument_real(name, optarg, 0.01, 0.999, &options->theta);
    case OPTION_OPERATION:
        return parse_requests(options, optarg);
    case OPTION_PIPELINE:
        return parse_pipelines(options, optarg);
    case OPTION_PROTOCOL:
        word = parse_word(name, optarg, protocol_names);
        options->protocol = (enum protocol)word;
        return word < 0 ? -1 : 0;
    case OPTION_LOOP:
        word = parse_word(name, optarg, loop_names);
        options->loop = (enum loop_kind)word;
        return word < 0 ? -1 : 0;
    case OPTION_DISTRIBUTION:
        word = parse_word(name, optarg, distribution_names);
        options->distribution = (enum distribution)word;
        return word < 0 ? -1 : 0;
    default:
        return parse_number(options, option, name);
    }
}

/* What no single option can tell. */
static int check(const struct network_options *options)
{
    uint64_t largest = 1;

    for (size_t digits = options->key_size - 4; digits && largest < options->keys; digits--)
        largest *= 10;
    if (largest < options->keys) {
        fprintf(stderr, "superdb-bench: %llu keys need larger keys than --key-size %zu\n",
                (unsigned long long)options->keys, options->key_size);
        return -1;
    }
    if (options->threads > options->connections) {
        fprintf(stderr, "superdb-bench: more threads than connections\n");
        return -1;
    }
    for (uint32_t i = 0; i < options->request_count; i++) {
        enum request request = options->requests[i];

        int memcached = options->protocol == PROTOCOL_META || options->protocol == PROTOCOL_TEXT;

        if ((memcached && request != REQUEST_GET && request != REQUEST_SET && request != REQUEST_MIXED) ||
            (options->protocol != PROTOCOL_BINARY && request_by_handle(request))) {
            fprintf(stderr, "superdb-bench: --operation %s is not spoken in --protocol %s\n", request_name(request),
                    protocol_name(options->protocol));
            return -1;
        }
    }
    return 0;
}

int network_options_parse(struct network_options *options, int argc, char **argv)
{
    int option;
    int which = 0;

    *options = (struct network_options){
        .target = {.host = "127.0.0.1", .unix_path = NULL, .port = 6379},
        .requests = {REQUEST_GET},
        .request_count = 1,
        .pipelines = {1},
        .pipeline_count = 1,
        .connections = 50,
        .threads = 1,
        .keys = 1000000,
        .key_size = 16,
        .value_size = 16,
        .mget_keys = 16,
        .read_percent = 90,
        .theta = 0.99,
        .duration_ms = 2000,
        .warmup_ms = 300,
        .prebuilt = 1000000,
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
    return check(options);
}
