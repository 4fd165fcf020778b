/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * replies.h - counts replies in a byte stream, and tells errors and misses among them
 *
 * Most replies of a run look alike: the first line has the same size, and begins and ends with the same four bytes; a frame of the
 * binary protocol has the same header. Such a pattern is counted with two comparisons. Whatever does not match is read line by line as its protocol says, and
 * payloads are skipped, so that every reply is accounted for.
 */
#ifndef BENCH_REPLIES_H
#define BENCH_REPLIES_H

#include "network_options.h"

#define REPLY_PATTERNS 2u
#define REPLY_LINE_MAX 256u

struct reply_pattern {
    uint32_t first; /* the first line's first four bytes, as they lie in memory */
    uint32_t last;  /* and its last four */
    uint32_t last_offset;
    uint32_t size; /* of the whole reply */
};

struct reply_format {
    enum protocol protocol;
    uint32_t pattern_count;
    struct reply_pattern patterns[REPLY_PATTERNS];
};

struct reply_counter {
    uint64_t skip;        /* bytes of payload that are still to come */
    uint64_t outstanding; /* elements until the reply is complete, itself included */
    uint32_t completes;   /* the payload being skipped ends an element */
    uint32_t value_seen;  /* memcached's text protocol: END does not mean a miss */
    uint32_t broken;      /* the stream is not of this protocol */
    uint32_t line_size;
    char line[REPLY_LINE_MAX]; /* the beginning of a line that is not complete yet */
    uint64_t errors;
    uint64_t misses;
    char first_error[REPLY_LINE_MAX];
};

void reply_counter_init(struct reply_counter *counter);

/* Adds a pattern: a reply of size bytes whose first line is at least four bytes long, its end included. */
void reply_format_add(struct reply_format *format, const char *reply, size_t size);

/* How many replies the next size bytes of the stream complete. Sets counter->broken where they are none. */
uint64_t replies_count(struct reply_counter *counter, const struct reply_format *format, const char *data, size_t size);

#endif
