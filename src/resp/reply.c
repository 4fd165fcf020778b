/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * reply.c - writes RESP2 and RESP3 replies
 *
 * Memory: the buffer grows by doubling, and never shrinks here: its owner replaces it between turns.
 */
#include "reply.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "number.h"

#define CAPACITY_FIRST 512
#define HEADER_SIZE_MAX 24 /* a type byte, 20 digits with their sign, "\r\n" */

void reply_init(struct reply *reply)
{
    memset(reply, 0, sizeof(*reply));
    reply->protocol = 2;
}

void reply_free(struct reply *reply)
{
    free(reply->data);
    reply->data = NULL;
    reply->size = 0;
    reply->capacity = 0;
}

static char *grow(struct reply *reply, size_t size) __attribute__((noinline, cold));

static char *grow(struct reply *reply, size_t size)
{
    if (reply->failed)
        return NULL;
    if (reply->size_max != 0 && (size > reply->size_max || reply->size > reply->size_max - size)) {
        reply->failed = 1;
        reply->too_large = 1;
        return NULL;
    }
    size_t capacity = reply->capacity < CAPACITY_FIRST ? CAPACITY_FIRST : reply->capacity;
    while (capacity - reply->size < size) {
        if (capacity > SIZE_MAX / 2) {
            reply->failed = 1;
            return NULL;
        }
        capacity *= 2;
    }
    char *data = realloc(reply->data, capacity);
    if (data == NULL) {
        reply->failed = 1;
        return NULL;
    }
    reply->data = data;
    reply->capacity = capacity;
    return data + reply->size;
}

static inline char *reserve(struct reply *reply, size_t size)
{
    if (__builtin_expect(reply->capacity - reply->size < size || reply->failed, 0))
        return grow(reply, size);
    return reply->data + reply->size;
}

char *reply_reserve(struct reply *reply, size_t size)
{
    return reserve(reply, size);
}

void reply_raw(struct reply *reply, const void *data, size_t size)
{
    char *at = reserve(reply, size);

    if (at == NULL || size == 0)
        return;
    memcpy(at, data, size);
    reply->size += size;
}

void reply_ok(struct reply *reply)
{
    char *at = reserve(reply, 5);

    if (at == NULL)
        return;
    memcpy(at, "+OK\r\n", 5);
    reply->size += 5;
}

/* Writes a type byte, a number and "\r\n" at `at`, which has room for HEADER_SIZE_MAX bytes. Returns the size. */
static inline size_t put_header(char *at, char type, int64_t value)
{
    size_t size;

    at[0] = type;
    if (value >= 0 && value < 10) {
        at[1] = (char)('0' + value);
        size = 2;
    } else if (value >= 10 && value < 100) {
        at[1] = (char)('0' + value / 10);
        at[2] = (char)('0' + value % 10);
        size = 3;
    } else {
        size = 1 + number_format_i64(at + 1, value);
    }
    at[size] = '\r';
    at[size + 1] = '\n';
    return size + 2;
}

static void write_header(struct reply *reply, char type, int64_t value)
{
    char *at = reserve(reply, HEADER_SIZE_MAX);

    if (at != NULL)
        reply->size += put_header(at, type, value);
}

/* A line that begins with type; line ends inside text become blanks, as they would end the reply early. */
static void write_line(struct reply *reply, const char *prefix, size_t prefix_size, const char *text, size_t size)
{
    char *at = reserve(reply, prefix_size + size + 2);

    if (at == NULL)
        return;
    memcpy(at, prefix, prefix_size);
    at += prefix_size;
    for (size_t i = 0; i < size; i++)
        at[i] = text[i] == '\r' || text[i] == '\n' ? ' ' : text[i];
    at[size] = '\r';
    at[size + 1] = '\n';
    reply->size += prefix_size + size + 2;
}

void reply_status(struct reply *reply, const char *text)
{
    write_line(reply, "+", 1, text, strlen(text));
}

static int begins_with_code(const char *text)
{
    static const char *const codes[] = {"ERR ",       "WRONGTYPE ", "NOAUTH ",   "WRONGPASS ", "NOPROTO ",  "NOPERM ",
                                        "OOM ",       "MISCONF ",   "READONLY ", "BUSYKEY ",   "BUSY ",     "LOADING ",
                                        "EXECABORT ", "NOSCRIPT ",  "DENIED ",   "STALE ",     "CORRUPT ",  "TRYAGAIN ",
                                        "CROSSSLOT ", "INVALIDOBJ ", "NOGOODSLAVE ", "NOREPLICAS ", "UNKILLABLE ", "NOTBUSY "};

    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        if (strncmp(text, codes[i], strlen(codes[i])) == 0)
            return 1;
    }
    return 0;
}

void reply_error(struct reply *reply, const char *text)
{
    size_t size = strlen(text);

    while (size > 0 && (text[size - 1] == '\r' || text[size - 1] == '\n'))
        size--;
    if (text[0] == '-')
        write_line(reply, "", 0, text, size);
    else if (begins_with_code(text))
        write_line(reply, "-", 1, text, size);
    else
        write_line(reply, "-ERR ", 5, text, size);
}

void reply_errorf(struct reply *reply, const char *format, ...)
{
    char text[1024];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    reply_error(reply, text);
}

void reply_integer(struct reply *reply, int64_t value)
{
    write_header(reply, ':', value);
}

void reply_bulk(struct reply *reply, const void *data, size_t size)
{
    char *at = reserve(reply, HEADER_SIZE_MAX + size + 2);

    if (at == NULL)
        return;
    size_t header = put_header(at, '$', (int64_t)size);
    if (size > 0)
        memcpy(at + header, data, size);
    at[header + size] = '\r';
    at[header + size + 1] = '\n';
    reply->size += header + size + 2;
}

void reply_bulk_small(struct reply *reply, const char data[16], size_t size)
{
    static const char headers[17][8] = {"$0\r\n",  "$1\r\n",  "$2\r\n",  "$3\r\n",  "$4\r\n",  "$5\r\n",
                                        "$6\r\n",  "$7\r\n",  "$8\r\n",  "$9\r\n",  "$10\r\n", "$11\r\n",
                                        "$12\r\n", "$13\r\n", "$14\r\n", "$15\r\n", "$16\r\n"};
    char *at = reserve(reply, sizeof(headers[0]) + 16 + 2);
    size_t header = size < 10 ? 4 : 5;

    if (at == NULL)
        return;
    /* Whole words, of which the next overwrites what is too much: cheaper than as many bytes as there are. */
    memcpy(at, headers[size], sizeof(headers[0]));
    memcpy(at + header, data, 16);
    memcpy(at + header + size, "\r\n", 2);
    reply->size += header + size + 2;
}

void reply_bulk_text(struct reply *reply, const char *text)
{
    reply_bulk(reply, text, strlen(text));
}

void reply_bulk_integer(struct reply *reply, int64_t value)
{
    char text[NUMBER_TEXT_SIZE];

    reply_bulk(reply, text, number_format_i64(text, value));
}

void reply_null(struct reply *reply)
{
    if (reply->protocol >= 3)
        reply_raw(reply, "_\r\n", 3);
    else
        reply_raw(reply, "$-1\r\n", 5);
}

void reply_null_array(struct reply *reply)
{
    if (reply->protocol >= 3)
        reply_raw(reply, "_\r\n", 3);
    else
        reply_raw(reply, "*-1\r\n", 5);
}

void reply_array(struct reply *reply, size_t count)
{
    write_header(reply, '*', (int64_t)count);
}

void reply_map(struct reply *reply, size_t pairs)
{
    if (reply->protocol >= 3)
        write_header(reply, '%', (int64_t)pairs);
    else
        write_header(reply, '*', (int64_t)(pairs * 2));
}

void reply_set(struct reply *reply, size_t count)
{
    write_header(reply, reply->protocol >= 3 ? '~' : '*', (int64_t)count);
}

void reply_push(struct reply *reply, size_t count)
{
    write_header(reply, reply->protocol >= 3 ? '>' : '*', (int64_t)count);
}

void reply_double(struct reply *reply, double value)
{
    char text[64];
    int size;

    /* A NaN prints its sign otherwise, which means nothing to anybody. */
    if (isnan(value))
        size = snprintf(text, sizeof(text), "nan");
    else
        size = snprintf(text, sizeof(text), "%.17g", value);
    if (reply->protocol >= 3)
        write_line(reply, ",", 1, text, (size_t)size);
    else
        reply_bulk(reply, text, (size_t)size);
}

void reply_boolean(struct reply *reply, int value)
{
    if (reply->protocol >= 3)
        reply_raw(reply, value ? "#t\r\n" : "#f\r\n", 4);
    else
        reply_raw(reply, value ? ":1\r\n" : ":0\r\n", 4);
}

void reply_verbatim(struct reply *reply, const void *data, size_t size, const char format[3])
{
    if (reply->protocol < 3) {
        reply_bulk(reply, data, size);
        return;
    }
    char *at = reserve(reply, HEADER_SIZE_MAX + 4 + size + 2);
    if (at == NULL)
        return;
    size_t header = put_header(at, '=', (int64_t)(size + 4));
    memcpy(at + header, format, 3);
    at[header + 3] = ':';
    if (size > 0)
        memcpy(at + header + 4, data, size);
    at[header + 4 + size] = '\r';
    at[header + 4 + size + 1] = '\n';
    reply->size += header + 4 + size + 2;
}

size_t reply_array_later(struct reply *reply)
{
    return reply->size;
}

/* Puts bytes at a place; what stands behind it makes room. */
static void insert(struct reply *reply, size_t where, const char *data, size_t size)
{
    if (reserve(reply, size) == NULL || where > reply->size)
        return;
    memmove(reply->data + where + size, reply->data + where, reply->size - where);
    memcpy(reply->data + where, data, size);
    reply->size += size;
}

void reply_header_set(struct reply *reply, size_t where, char kind, size_t count)
{
    char header[HEADER_SIZE_MAX] = {0};

    insert(reply, where, header, put_header(header, kind, (int64_t)count));
}

void reply_array_set(struct reply *reply, size_t where, size_t count)
{
    reply_header_set(reply, where, '*', count);
}

void reply_prepend_bulk(struct reply *reply, size_t where, const char *data, size_t size)
{
    insert(reply, where, "\r\n", 2);
    insert(reply, where, data, size);
    reply_header_set(reply, where, '$', size);
}
