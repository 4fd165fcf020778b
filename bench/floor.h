/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * floor.h - what the medium itself costs: the bare stores, flushes, fences and reads that no store can go below
 *
 * Measured on a file of its own beside the pool, mapped as the pool is, so that it is the same kind of memory.
 */
#ifndef BENCH_FLOOR_H
#define BENCH_FLOOR_H

#include "json.h"

#include <stddef.h>

#define FLOOR_ROUNDS 64u

enum floor_test {
    FLOOR_ONE_LINE,    /* store + flush + fence, a random line each time */
    FLOOR_8_LINES,     /* random lines, a fence after 8: cost of a line */
    FLOOR_16_LINES,
    FLOOR_64_LINES,
    FLOOR_STREAM,      /* consecutive lines, a fence after 64: cost of a line */
    FLOOR_NO_FLUSH,    /* store + fence, a random line each time: what eADR would cost */
    FLOOR_READ_CHAIN,  /* a random line, its address taken from the one before */
    FLOOR_READ_RANDOM, /* random lines, independent of each other */
    FLOOR_HOT_CHAIN,   /* as the chain, of 32 KiB */
    FLOOR_HOT_GATHER,  /* random entries of 32 bytes out of 32 KiB, all of each, independent of each other */
    FLOOR_TESTS
};

struct floor {
    char path[1024];
    char *memory;
    size_t size;
    uint32_t rounds[FLOOR_TESTS];
    double samples[FLOOR_TESTS][FLOOR_ROUNDS];
};

/* The instruction that lines are flushed with here: "clwb", "clflushopt", "clflush", "dc cvac". */
const char *floor_flush_name(void);

/* Makes and maps the file `path`. Returns 0, or -1 with a message on stderr. */
int floor_open(struct floor *floor, const char *path, size_t size);

/* One round of one test, in nanoseconds. By one thread at a time. */
double floor_time(struct floor *floor, enum floor_test test);

/* One round of every test; call it between the phases of a run, so that both see the same noise. */
void floor_measure(struct floor *floor);

/* The median of the rounds so far, in nanoseconds. */
double floor_ns(struct floor *floor, enum floor_test test);

/* Writes the object "floor_ns". */
void floor_describe(struct floor *floor, struct json *json);

/* Unmaps and removes the file. */
void floor_close(struct floor *floor);

#endif
