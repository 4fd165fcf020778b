/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * hyperloglog.h - estimates how many different elements there were, in the bytes that Redis keeps for it as a string
 *
 * After Flajolet et al., "HyperLogLog: the analysis of a near-optimal cardinality estimation algorithm" (2007), with 2^14 registers of
 * 6 bits, and Ertl's estimator (arXiv:1702.01284, algorithm 6). An element's hash is MurmurHash64A's; its lowest 14 bits choose
 * a register, which keeps the largest number of zero bits, and one, that the next bits began with.
 *
 * The value: 00-03: "HYLL". 04: the encoding, 0 dense, 1 sparse. 05-07: unused. 08-15: the estimate, little-endian, or, where the
 * topmost bit is set, nothing. Behind it, dense: the registers, from the lowest bits of the first byte on. Sparse: runs of equal registers,
 *     00xxxxxx            x + 1 registers that are 0
 *     01xxxxxx yyyyyyyy   xy + 1 such
 *     1vvvvvxx            x + 1 registers that are v + 1
 *
 * Pure. A value comes from whoever may write strings: everything is checked, HYPERLOGLOG_CORRUPT says so.
 */
#ifndef SDB_SERVER_HYPERLOGLOG_H
#define SDB_SERVER_HYPERLOGLOG_H

#include <stddef.h>
#include <stdint.h>

#define HYPERLOGLOG_REGISTERS 16384
#define HYPERLOGLOG_HEADER_SIZE 16
#define HYPERLOGLOG_DENSE_SIZE (HYPERLOGLOG_HEADER_SIZE + HYPERLOGLOG_REGISTERS * 6 / 8)

enum hyperloglog_encoding { HYPERLOGLOG_DENSE = 0, HYPERLOGLOG_SPARSE = 1 };

enum hyperloglog_result {
    HYPERLOGLOG_SAME = 0,     /* there was nothing to change */
    HYPERLOGLOG_CHANGED = 1,
    HYPERLOGLOG_CORRUPT = -1, /* the runs do not cover the registers */
    HYPERLOGLOG_NOMEM = -2,
};

/* A value that is changed, in memory of its own. */
struct hyperloglog {
    uint8_t *data;
    size_t size, capacity;
    size_t sparse_max; /* bytes; a sparse value that would have to grow beyond becomes dense */
};

/* Whether a string says that it is one of these, and has the size of one. Its runs are looked at where they are used. */
int hyperloglog_is(const void *data, size_t size);
enum hyperloglog_encoding hyperloglog_encoding(const void *data);

/* Makes an empty one, or a copy of one that hyperloglog_is. The caller owes hyperloglog_free. HYPERLOGLOG_SAME, or HYPERLOGLOG_NOMEM. */
enum hyperloglog_result hyperloglog_create(struct hyperloglog *value, size_t sparse_max);
enum hyperloglog_result hyperloglog_copy(struct hyperloglog *value, const void *data, size_t size, size_t sparse_max);
void hyperloglog_free(struct hyperloglog *value);

/* Counts an element. Of what is corrupt some registers may have been written. The estimate is not kept up to date: hyperloglog_forget. */
enum hyperloglog_result hyperloglog_add(struct hyperloglog *value, const void *element, size_t size);

/* Raises a register (below 16384) to a number (1 to 63). */
enum hyperloglog_result hyperloglog_raise(struct hyperloglog *value, unsigned index, unsigned number);

/* Makes it dense; HYPERLOGLOG_SAME where it was. */
enum hyperloglog_result hyperloglog_densify(struct hyperloglog *value);

/* Raises each of the registers to the value's. HYPERLOGLOG_SAME, or HYPERLOGLOG_CORRUPT. */
enum hyperloglog_result hyperloglog_merge(uint8_t registers[HYPERLOGLOG_REGISTERS], const void *data, size_t size);

/* The estimate for registers, and for a value. HYPERLOGLOG_SAME, or HYPERLOGLOG_CORRUPT. */
uint64_t hyperloglog_estimate(const uint8_t registers[HYPERLOGLOG_REGISTERS]);
enum hyperloglog_result hyperloglog_count(const void *data, size_t size, uint64_t *count);

/* The estimate that the value keeps. 1, or 0: it keeps none. */
int hyperloglog_kept(const void *data, uint64_t *count);

/* The eight bytes, from offset 8 on, that keep an estimate. */
#define HYPERLOGLOG_KEPT_OFFSET 8
#define HYPERLOGLOG_KEPT_SIZE 8
void hyperloglog_keep(uint8_t kept[HYPERLOGLOG_KEPT_SIZE], uint64_t count);

/* The value has changed: the estimate that it keeps is none any more. */
void hyperloglog_forget(struct hyperloglog *value);

/* A sparse value's runs, one after the other. */
struct hyperloglog_run {
    unsigned number; /* what the registers are */
    unsigned length; /* how many */
    unsigned size;   /* of the run in bytes */
};
struct hyperloglog_run hyperloglog_run_at(const uint8_t *at, const uint8_t *end);

#endif
