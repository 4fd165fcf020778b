/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * replies.c - counts replies
 */
#include "replies.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "superdb/superdb.h"
#include "wire.h"

#define MISS ((uint8_t)-SDB_ENOTFOUND)
#define STALE ((uint8_t)-SDB_ESTALE)

void reply_counter_init(struct reply_counter *counter)
{
    memset(counter, 0, sizeof *counter);
    counter->outstanding = 1;
}

void reply_format_add(struct reply_format *format, const char *reply, size_t size)
{
    struct reply_pattern *pattern = &format->patterns[format->pattern_count++];

    if (format->protocol == PROTOCOL_BINARY)
        pattern->last_offset = 4; /* of the header */
    else
        pattern->last_offset = (uint32_t)((const char *)memchr(reply, '\n', size) - reply) - 3;
    memcpy(&pattern->first, reply, 4);
    memcpy(&pattern->last, reply + pattern->last_offset, 4);
    pattern->size = (uint32_t)size;
}

/* An element ends: 1 where it was the reply's last. */
static uint64_t element_done(struct reply_counter *counter)
{
    if (--counter->outstanding)
        return 0;
    counter->outstanding = 1;
    return 1;
}

static void note_error(struct reply_counter *counter, const char *line, size_t size)
{
    if (!counter->errors++)
        snprintf(counter->first_error, sizeof counter->first_error, "%.*s", (int)size, line);
}

/* After a header that announces a payload of size bytes and its line end. */
static void skip_payload(struct reply_counter *counter, long long size, uint32_t completes)
{
    counter->skip = (uint64_t)size + 2;
    counter->completes = completes;
}

static uint64_t resp_line(struct reply_counter *counter, const char *line, size_t size)
{
    long long number;

    switch (line[0]) {
    case '-':
        note_error(counter, line, size);
        return element_done(counter);
    case '+':
    case ':':
    case ',':
    case '#':
    case '(':
        return element_done(counter);
    case '_':
        counter->misses++;
        return element_done(counter);
    case '$':
    case '=':
    case '!':
        number = strtoll(line + 1, NULL, 10);
        if (number < 0) {
            counter->misses++;
            return element_done(counter);
        }
        skip_payload(counter, number, 1);
        return 0;
    case '*':
    case '~':
    case '>':
    case '%':
        number = strtoll(line + 1, NULL, 10);
        if (number > 0)
            counter->outstanding += (uint64_t)number * (line[0] == '%' ? 2 : 1);
        return element_done(counter);
    default:
        counter->broken = 1;
        return 0;
    }
}

/* A frame's header. What its cells say is not looked at: verifying does. */
static uint64_t frame_header(struct reply_counter *counter, const char *header)
{
    uint8_t status = wire_flags(wire_get64(header));
    uint32_t size = wire_size(wire_get64(header));
    char text[32];

    if (size < WIRE_HEADER_SIZE || wire_opcode(wire_get64(header)) == WIRE_ERROR) {
        counter->broken = 1;
        return 0;
    }
    if (status == MISS || status == STALE)
        counter->misses++;
    else if (status != 0)
        note_error(counter, text, (size_t)snprintf(text, sizeof text, "status %u", status));
    counter->skip = wire_padded(size) - WIRE_HEADER_SIZE;
    counter->completes = 1;
    return counter->skip ? 0 : element_done(counter);
}

/* Takes in a header, or a part of it; gives how many bytes. */
static size_t take_frame(struct reply_counter *counter, const char *data, size_t size, uint64_t *replies)
{
    size_t length = WIRE_HEADER_SIZE - counter->line_size < size ? WIRE_HEADER_SIZE - counter->line_size : size;

    memcpy(counter->line + counter->line_size, data, length);
    counter->line_size += (uint32_t)length;
    if (counter->line_size == WIRE_HEADER_SIZE) {
        counter->line_size = 0;
        *replies += frame_header(counter, counter->line);
    }
    return length;
}

static int begins(const char *line, size_t size, const char *word)
{
    size_t length = strlen(word);

    return size >= length && !memcmp(line, word, length);
}

static uint64_t memcached_line(struct reply_counter *counter, const char *line, size_t size)
{
    long long number = 0;

    if (begins(line, size, "HD") || begins(line, size, "STORED"))
        return element_done(counter);
    if (begins(line, size, "VA ")) {
        skip_payload(counter, strtoll(line + 3, NULL, 10), 1);
        return 0;
    }
    if (begins(line, size, "VALUE ")) {
        if (sscanf(line, "VALUE %*s %*s %lld", &number) != 1 || number < 0) {
            counter->broken = 1;
            return 0;
        }
        counter->value_seen = 1;
        skip_payload(counter, number, 0);
        return 0;
    }
    if (begins(line, size, "END") || begins(line, size, "EN")) {
        counter->misses += !counter->value_seen;
        counter->value_seen = 0;
        return element_done(counter);
    }
    if (begins(line, size, "NS") || begins(line, size, "NOT_STORED") || begins(line, size, "ERROR") ||
        begins(line, size, "CLIENT_ERROR") || begins(line, size, "SERVER_ERROR")) {
        note_error(counter, line, size);
        return element_done(counter);
    }
    counter->broken = 1;
    return 0;
}

/* A line without its end, followed by a zero byte. */
static uint64_t interpret_line(struct reply_counter *counter, const struct reply_format *format)
{
    size_t size = counter->line_size;

    counter->line_size = 0;
    while (size && counter->line[size - 1] == '\r')
        size--;
    counter->line[size] = 0;
    return format->protocol == PROTOCOL_RESP ? resp_line(counter, counter->line, size)
                                             : memcached_line(counter, counter->line, size);
}

/* Keeps what fits: of a longer line only the beginning matters. */
static void keep_line(struct reply_counter *counter, const char *data, size_t size)
{
    size_t room = REPLY_LINE_MAX - 1 - counter->line_size;

    if (size > room)
        size = room;
    memcpy(counter->line + counter->line_size, data, size);
    counter->line_size += (uint32_t)size;
}

/* Counts replies that match the patterns, for as long as one does; moves *data and *size behind them. */
static uint64_t count_patterns(struct reply_counter *counter, const struct reply_format *format, const char **data,
                               size_t *size)
{
    const char *at = *data;
    const char *end = at + *size;
    uint64_t replies = 0;
    int matched;

    do {
        matched = 0;
        for (uint32_t i = 0; i < format->pattern_count; i++) {
            struct reply_pattern pattern = format->patterns[i];

            while ((size_t)(end - at) >= pattern.size) {
                uint32_t first;
                uint32_t last;

                memcpy(&first, at, sizeof first);
                memcpy(&last, at + pattern.last_offset, sizeof last);
                if (first != pattern.first || last != pattern.last)
                    break;
                at += pattern.size;
                replies += counter->outstanding == 1 ? 1 : element_done(counter);
                matched = 1;
            }
        }
    } while (matched && format->pattern_count > 1);
    *data = at;
    *size = (size_t)(end - at);
    return replies;
}

uint64_t replies_count(struct reply_counter *counter, const struct reply_format *format, const char *data, size_t size)
{
    uint64_t replies = 0;

    while (size && !counter->broken) {
        const char *newline;
        size_t length;

        if (counter->skip) {
            length = counter->skip < size ? (size_t)counter->skip : size;
            counter->skip -= length;
            data += length;
            size -= length;
            if (!counter->skip && counter->completes)
                replies += element_done(counter);
            continue;
        }
        if (!counter->line_size && !counter->value_seen) {
            replies += count_patterns(counter, format, &data, &size);
            if (!size)
                break;
        }
        if (format->protocol == PROTOCOL_BINARY) {
            length = take_frame(counter, data, size, &replies);
            data += length;
            size -= length;
            continue;
        }
        newline = memchr(data, '\n', size);
        length = newline ? (size_t)(newline - data) + 1 : size;
        keep_line(counter, data, newline ? length - 1 : length);
        data += length;
        size -= length;
        if (newline)
            replies += interpret_line(counter, format);
    }
    return replies;
}
