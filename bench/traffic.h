/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * traffic.h - requests built beforehand: many pipelines, back to back in one block of memory
 */
#ifndef BENCH_TRAFFIC_H
#define BENCH_TRAFFIC_H

#include "network_options.h"
#include "replies.h"

struct traffic {
    char *bytes;
    uint64_t *starts; /* pipelines + 1 offsets */
    uint64_t pipelines;
    uint32_t depth; /* requests in a pipeline */
    struct reply_format format;
};

/* The longest request that options can lead to. */
size_t request_size_max(const struct network_options *options);

/* Writes one request for key `number`, with a value made with salt where it has one; returns its size. */
size_t request_write(const struct network_options *options, enum request request, uint64_t number, uint32_t salt,
                     struct keyspace *keys, char *out);

/*
 * What the reply to a GET of key `number` is, with a value made with salt; returns its size. out has room for
 * request_size_max() bytes.
 */
size_t reply_write(const struct network_options *options, uint64_t number, uint32_t salt, char *out);

/* Picks from keys. 0, or -1 without memory. Owner: the caller frees it with traffic_free. */
int traffic_build(struct traffic *traffic, const struct network_options *options, enum request request, uint32_t depth,
                  struct keyspace *keys);
void traffic_free(struct traffic *traffic);

#endif
