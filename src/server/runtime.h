/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * runtime.h - facts about the running process that commands report: filled in by main before it starts the workers
 */
#ifndef SDB_SERVER_RUNTIME_H
#define SDB_SERVER_RUNTIME_H

#include <stdint.h>

#include "placement.h"
#include "superdb/superdb.h"

#define SERVER_REDIS_VERSION "7.0.15" /* whose replies SuperDB gives: HELLO, INFO redis_version */

struct runtime {
    /* Immutable after start-up. */
    struct sdb_pool *pool;
    int64_t started_ms;     /* since 1970 */
    char run_id[41];        /* 40 hexadecimal digits, new at each start */
    char executable[1024];  /* the absolute path of the program */
    const char *io_backend; /* "io_uring" or "epoll" */
    const char *io_reason;  /* why that one, in words for people */
    int threads;            /* workers */
    struct placement placement; /* of the workers on CPUs */
    int port;               /* as bound (another than the configured one where that is 0 in tests) */
};

/* Set by main; SHUTDOWN raises SIGTERM, so that there is one way down. */
extern struct runtime runtime;

/* Fills in run_id, executable and started_ms. Errors: -1 where the kernel gives no random bytes. */
int runtime_init(void);

#endif
