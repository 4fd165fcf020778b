/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * json.h - writes one JSON document to a stream, with commas and escapes where they belong
 *
 * Inside an object every value has a name; inside an array, and at the top, name is NULL.
 */
#ifndef BENCH_JSON_H
#define BENCH_JSON_H

#include "histogram.h"

#include <stdint.h>
#include <stdio.h>

struct json {
    FILE *file;
    uint32_t depth;
    uint32_t comma; /* 1 where the next value needs one before it */
};

void json_begin(struct json *json, FILE *file);
void json_end(struct json *json);

void json_object(struct json *json, const char *name);
void json_object_end(struct json *json);
void json_array(struct json *json, const char *name);
void json_array_end(struct json *json);

void json_text(struct json *json, const char *name, const char *text);
void json_number(struct json *json, const char *name, double value);
void json_integer(struct json *json, const char *name, uint64_t value);

/* Count, mean, minimum, maximum and the percentiles p50, p90, p99, p99.9, p99.99 as an object. */
void json_histogram(struct json *json, const char *name, const struct histogram *histogram);

#endif
