/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * table_options.h - the command line of the embedded benchmark
 */
#ifndef BENCH_TABLE_OPTIONS_H
#define BENCH_TABLE_OPTIONS_H

#include <stddef.h>
#include <stdint.h>

#define TABLE_KEY_SIZE_MAX 1024u
#define TABLE_VALUE_SIZE_MAX 65536u
#define TABLE_BATCH_MAX 1024u
#define TABLE_THREADS_MAX 256u

struct table_options {
    const char *path;
    const char *json;  /* NULL: to stdout */
    const char *only;  /* comma-separated names of phases, or NULL for all */
    uint64_t pool_size;
    uint64_t keys;
    uint64_t operations; /* of each phase that picks keys */
    uint64_t hot;        /* keys in the hot set */
    size_t key_size;
    size_t value_size;
    size_t slice;
    size_t batch;
    size_t group;
    size_t floor_size;
    uint32_t threads;
    int keep; /* leaves the pool behind */
    double theta;
    uint64_t seed;
};

/* 0, or -1 after a message (and the usage, where it was asked for). */
int table_options_parse(struct table_options *options, int argc, char **argv);

/* 1 where the phase `name` is to run. */
int table_options_wants(const struct table_options *options, const char *name);

#endif
