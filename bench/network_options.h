/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * network_options.h - the command line of the network benchmark
 */
#ifndef BENCH_NETWORK_OPTIONS_H
#define BENCH_NETWORK_OPTIONS_H

#include "keyspace.h"

#include <stddef.h>
#include <stdint.h>

#define NETWORK_LIST_MAX 16u
#define NETWORK_CONNECTIONS_MAX 16384u
#define NETWORK_THREADS_MAX 64u
#define NETWORK_KEY_SIZE_MAX 250u /* memcached's limit */
#define NETWORK_VALUE_SIZE_MAX 1048576u

enum protocol { PROTOCOL_RESP, PROTOCOL_META, PROTOCOL_TEXT, PROTOCOL_BINARY };
/* Those that end in H name keys by handle. */
enum request {
    REQUEST_GET,
    REQUEST_SET,
    REQUEST_MGET,
    REQUEST_MSET,
    REQUEST_INCR,
    REQUEST_MIXED,
    REQUEST_PING,
    REQUEST_GETH,
    REQUEST_SETH,
    REQUEST_MGETH,
    REQUESTS
};
enum loop_kind { LOOP_AUTO, LOOP_EPOLL, LOOP_URING };

struct network_target {
    const char *host;
    const char *unix_path; /* instead of host and port, where not NULL */
    uint32_t port;
};

struct network_options {
    struct network_target target;
    enum protocol protocol;
    enum loop_kind loop;
    const char *json;
    enum request requests[NETWORK_LIST_MAX];
    uint32_t request_count;
    uint32_t pipelines[NETWORK_LIST_MAX];
    uint32_t pipeline_count;
    uint32_t connections;
    uint32_t threads;
    uint64_t keys;
    size_t key_size;
    size_t value_size;
    uint32_t mget_keys; /* of an MGET or MSET */
    uint32_t read_percent; /* of mixed requests */
    enum distribution distribution;
    double theta;
    uint64_t duration_ms;
    uint64_t warmup_ms;
    uint64_t bound;      /* measured requests after which a run ends early; 0: none */
    uint64_t rate;       /* requests a second of an open loop; 0: closed loop */
    uint64_t prebuilt;   /* requests made beforehand, for each thread */
    uint64_t verify;     /* keys whose values are compared after each run; 0: none */
    uint64_t server_pid; /* whose CPU time is measured; 0: none */
    uint64_t seed;
    uint64_t *handles; /* of all keys, once they are known; NULL: no request names keys by them */
    int preload;
    int spin; /* never sleeps in the kernel */
};

/* 0, or -1 after a message. */
int network_options_parse(struct network_options *options, int argc, char **argv);

/* How many keys a request names. */
uint32_t request_keys(const struct network_options *options, enum request request);

/* Whether it names them by handle. */
int request_by_handle(enum request request);

/* The name of a request kind, a protocol, a distribution. */
const char *request_name(enum request request);
const char *protocol_name(enum protocol protocol);
const char *distribution_name(enum distribution distribution);

#endif
