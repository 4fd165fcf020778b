/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * json.c - the writer
 */
#include "json.h"

#include <math.h>
#include <string.h>

static void write_string(FILE *file, const char *text)
{
    fputc('"', file);
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;

        if (c == '"' || c == '\\')
            fprintf(file, "\\%c", c);
        else if (c < 0x20)
            fprintf(file, "\\u%04x", c);
        else
            fputc(c, file);
    }
    fputc('"', file);
}

/* The comma, line and name that stand before every value. */
static void before_value(struct json *json, const char *name)
{
    if (json->comma)
        fputc(',', json->file);
    if (json->depth) {
        fputc('\n', json->file);
        for (uint32_t i = 0; i < json->depth; i++)
            fputs("  ", json->file);
    }
    if (name) {
        write_string(json->file, name);
        fputs(": ", json->file);
    }
    json->comma = 1;
}

static void open_bracket(struct json *json, const char *name, char bracket)
{
    before_value(json, name);
    fputc(bracket, json->file);
    json->depth++;
    json->comma = 0;
}

static void close_bracket(struct json *json, char bracket)
{
    json->depth--;
    if (json->comma) {
        fputc('\n', json->file);
        for (uint32_t i = 0; i < json->depth; i++)
            fputs("  ", json->file);
    }
    fputc(bracket, json->file);
    json->comma = 1;
}

void json_begin(struct json *json, FILE *file)
{
    json->file = file;
    json->depth = 0;
    json->comma = 0;
    json_object(json, NULL);
}

void json_end(struct json *json)
{
    json_object_end(json);
    fputc('\n', json->file);
    fflush(json->file);
}

void json_object(struct json *json, const char *name)
{
    open_bracket(json, name, '{');
}

void json_object_end(struct json *json)
{
    close_bracket(json, '}');
}

void json_array(struct json *json, const char *name)
{
    open_bracket(json, name, '[');
}

void json_array_end(struct json *json)
{
    close_bracket(json, ']');
}

void json_text(struct json *json, const char *name, const char *text)
{
    before_value(json, name);
    write_string(json->file, text);
}

void json_number(struct json *json, const char *name, double value)
{
    before_value(json, name);
    if (isfinite(value))
        fprintf(json->file, "%.6g", value);
    else
        fputs("null", json->file);
}

void json_integer(struct json *json, const char *name, uint64_t value)
{
    before_value(json, name);
    fprintf(json->file, "%llu", (unsigned long long)value);
}

void json_histogram(struct json *json, const char *name, const struct histogram *histogram)
{
    json_object(json, name);
    json_integer(json, "count", histogram->count);
    json_number(json, "mean", histogram_mean(histogram));
    json_integer(json, "min", histogram->count ? histogram->minimum : 0);
    json_integer(json, "p50", histogram_percentile(histogram, 50));
    json_integer(json, "p90", histogram_percentile(histogram, 90));
    json_integer(json, "p99", histogram_percentile(histogram, 99));
    json_integer(json, "p99.9", histogram_percentile(histogram, 99.9));
    json_integer(json, "p99.99", histogram_percentile(histogram, 99.99));
    json_integer(json, "max", histogram->maximum);
    json_object_end(json);
}
