/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * traffic.c - builds requests and pipelines
 */
#include "traffic.h"

#include "wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FRAME_SIZE_MAX 64u /* of what surrounds one key or value in a request or a reply */

size_t request_size_max(const struct network_options *options)
{
    size_t values = 1;

    for (uint32_t i = 0; i < options->request_count; i++) {
        if (options->requests[i] == REQUEST_MSET)
            values = options->mget_keys;
    }
    return options->mget_keys * (options->key_size + FRAME_SIZE_MAX) + values * (options->value_size + FRAME_SIZE_MAX) +
           4 * FRAME_SIZE_MAX;
}

static char *write_bulk_header(char *out, size_t size)
{
    return out + sprintf(out, "$%zu\r\n", size);
}

static char *write_key(const struct network_options *options, uint64_t number, char *out)
{
    text_key(number, out, options->key_size);
    return out + options->key_size;
}

static char *write_text(char *out, const char *text)
{
    size_t size = strlen(text);

    memcpy(out, text, size);
    return out + size;
}

static char *write_resp_key(const struct network_options *options, uint64_t number, char *out)
{
    out = write_bulk_header(out, options->key_size);
    return write_text(write_key(options, number, out), "\r\n");
}

static size_t write_resp(const struct network_options *options, enum request request, uint64_t number, uint32_t salt,
                         struct keyspace *keys, char *start)
{
    char *out = start;

    switch (request) {
    case REQUEST_PING:
        out = write_text(out, "*1\r\n$4\r\nPING\r\n");
        break;
    case REQUEST_GET:
        out = write_resp_key(options, number, write_text(out, "*2\r\n$3\r\nGET\r\n"));
        break;
    case REQUEST_SET:
        out = write_resp_key(options, number, write_text(out, "*3\r\n$3\r\nSET\r\n"));
        out = write_bulk_header(out, options->value_size);
        text_value(number, salt, out, options->value_size);
        out = write_text(out + options->value_size, "\r\n");
        break;
    case REQUEST_MGET:
        out += sprintf(out, "*%u\r\n$4\r\nMGET\r\n", options->mget_keys + 1);
        for (uint32_t i = 0; i < options->mget_keys; i++)
            out = write_resp_key(options, i ? keyspace_pick(keys) : number, out);
        break;
    case REQUEST_MSET:
        out += sprintf(out, "*%u\r\n$4\r\nMSET\r\n", 2 * options->mget_keys + 1);
        for (uint32_t i = 0; i < options->mget_keys; i++) {
            uint64_t key = i ? keyspace_pick(keys) : number;

            out = write_bulk_header(write_resp_key(options, key, out), options->value_size);
            text_value(key, salt, out, options->value_size);
            out = write_text(out + options->value_size, "\r\n");
        }
        break;
    case REQUEST_INCR: {
        char *key;

        /* Counters stand under names of their own: the other keys hold text. */
        out = write_text(out, "*2\r\n$4\r\nINCR\r\n");
        key = write_bulk_header(out, options->key_size);
        out = write_resp_key(options, number, out);
        memcpy(key, "num:", 4);
        break;
    }
    case REQUEST_MIXED:
    case REQUEST_GETH:
    case REQUEST_SETH:
    case REQUEST_MGETH:
    case REQUESTS:
        break;
    }
    return (size_t)(out - start);
}

/* ---- the binary protocol ---------------------------------------------------------------------------------------------- */

static const uint8_t frame_opcodes[REQUESTS + 1] = {
    [REQUEST_GET] = WIRE_GET,
    [REQUEST_SET] = WIRE_SET,
    [REQUEST_MGET] = WIRE_GET_MANY,
    [REQUEST_MSET] = WIRE_SET_MANY,
    [REQUEST_INCR] = WIRE_ADD,
    [REQUEST_PING] = WIRE_PING,
    [REQUEST_GETH] = WIRE_GET_BY_HANDLE,
    [REQUEST_SETH] = WIRE_SET_BY_HANDLE,
    [REQUEST_MGETH] = WIRE_GET_MANY_BY_HANDLE,
};

static char *write_value(const struct network_options *options, uint64_t number, uint32_t salt, char *out)
{
    text_value(number, salt, out, options->value_size);
    return out + options->value_size;
}

/* Many keys, as one frame: the fixed part, then the keys, each with its value in an MSET. */
static char *write_many(const struct network_options *options, int has_values, uint64_t number, uint32_t salt, struct keyspace *keys,
                        char *body)
{
    uint32_t count = options->mget_keys;
    char *sizes = wire_put64(body, count);
    char *out = sizes + wire_padded((has_values ? 8ul : 4ul) * count);

    memset(out - 8, 0, 8);
    wire_put64(body, count); /* of few keys, in the same 8 bytes */
    for (uint32_t i = 0; i < count; i++) {
        uint64_t key = i ? keyspace_pick(keys) : number;

        sizes = wire_put32(sizes, (uint32_t)options->key_size);
        out = write_key(options, key, out);
        if (has_values) {
            sizes = wire_put32(sizes, (uint32_t)options->value_size);
            out = write_value(options, key, salt, out);
        }
    }
    return out;
}

static size_t write_binary(const struct network_options *options, enum request request, uint64_t number, uint32_t salt,
                           struct keyspace *keys, char *start)
{
    char *body = start + WIRE_HEADER_SIZE, *out = body;
    size_t size;

    switch (request) {
    case REQUEST_GET:
        out = write_key(options, number, out);
        break;
    case REQUEST_SET:
        out = write_value(options, number, salt, write_key(options, number, wire_put64(out, options->key_size)));
        break;
    case REQUEST_MGET:
    case REQUEST_MSET:
        out = write_many(options, request == REQUEST_MSET, number, salt, keys, out);
        break;
    case REQUEST_INCR:
        out = wire_put64(out, 1);
        memcpy(write_key(options, number, out) - options->key_size, "num:", 4);
        out += options->key_size;
        break;
    case REQUEST_GETH:
        out = wire_put64(out, options->handles[number]);
        break;
    case REQUEST_SETH:
        out = write_value(options, number, salt, wire_put64(out, options->handles[number]));
        break;
    case REQUEST_MGETH:
        for (uint32_t i = 0; i < options->mget_keys; i++)
            out = wire_put64(out, options->handles[i ? keyspace_pick(keys) : number]);
        break;
    case REQUEST_PING:
    case REQUEST_MIXED:
    case REQUESTS:
        break;
    }
    size = (size_t)(out - start);
    memset(out, 0, 8);
    wire_put64(start, wire_header(frame_opcodes[request], 0, 0, (uint32_t)size));
    return wire_padded(size);
}

static size_t write_memcached(const struct network_options *options, enum request request, uint64_t number, uint32_t salt,
                              char *start)
{
    int meta = options->protocol == PROTOCOL_META;
    char *out = start;

    if (request == REQUEST_GET) {
        out = write_key(options, number, write_text(out, meta ? "mg " : "get "));
        out = write_text(out, meta ? " v\r\n" : "\r\n");
    } else {
        out = write_key(options, number, write_text(out, meta ? "ms " : "set "));
        out += sprintf(out, meta ? " %zu\r\n" : " 0 0 %zu\r\n", options->value_size);
        text_value(number, salt, out, options->value_size);
        out = write_text(out + options->value_size, "\r\n");
    }
    return (size_t)(out - start);
}

size_t request_write(const struct network_options *options, enum request request, uint64_t number, uint32_t salt,
                     struct keyspace *keys, char *out)
{
    if (options->protocol == PROTOCOL_BINARY)
        return write_binary(options, request, number, salt, keys, out);
    return options->protocol == PROTOCOL_RESP ? write_resp(options, request, number, salt, keys, out)
                                              : write_memcached(options, request, number, salt, out);
}

size_t reply_write(const struct network_options *options, uint64_t number, uint32_t salt, char *start)
{
    char *out = start;

    switch (options->protocol) {
    case PROTOCOL_RESP:
        out = write_bulk_header(out, options->value_size);
        break;
    case PROTOCOL_META:
        out += sprintf(out, "VA %zu\r\n", options->value_size);
        break;
    case PROTOCOL_TEXT:
        out = write_key(options, number, write_text(out, "VALUE "));
        out += sprintf(out, " 0 %zu\r\n", options->value_size);
        break;
    case PROTOCOL_BINARY:
        wire_put64(out, wire_header(WIRE_GET, 0, 0, (uint32_t)(WIRE_HEADER_SIZE + options->value_size)));
        memset(write_value(options, number, salt, out + WIRE_HEADER_SIZE), 0, 8);
        return wire_padded(WIRE_HEADER_SIZE + options->value_size);
    }
    text_value(number, salt, out, options->value_size);
    out = write_text(out + options->value_size, "\r\n");
    if (options->protocol == PROTOCOL_TEXT)
        out = write_text(out, "END\r\n");
    return (size_t)(out - start);
}

/* The header of the frame that a right server replies with: all that the pattern looks at. */
static void expect_frame(struct traffic *traffic, const struct network_options *options, enum request request)
{
    size_t value = options->value_size <= 16 ? 0 : wire_padded(options->value_size);
    size_t many = WIRE_HEADER_SIZE + 8 + options->mget_keys * (WIRE_CELL_SIZE + value), size = WIRE_HEADER_SIZE;
    char header[WIRE_HEADER_SIZE];

    if (request == REQUEST_GET || request == REQUEST_GETH)
        size += options->value_size;
    else if (request == REQUEST_MGET || request == REQUEST_MGETH)
        size = many;
    else if (request == REQUEST_INCR)
        size += 8;
    wire_put64(header, wire_header(frame_opcodes[request], 0, 0, (uint32_t)size));
    reply_format_add(&traffic->format, header, wire_padded(size));
}

/* The patterns of the replies that a right server gives. */
static int expect_replies(struct traffic *traffic, const struct network_options *options, enum request request)
{
    static const char *const stored[] = {"+OK\r\n", "HD\r\n", "STORED\r\n"}; /* of the protocols that are text */
    char *reply = malloc(request_size_max(options));

    if (!reply)
        return -1;
    memset(&traffic->format, 0, sizeof traffic->format);
    traffic->format.protocol = options->protocol;
    if (options->protocol == PROTOCOL_BINARY) {
        expect_frame(traffic, options, request == REQUEST_MIXED ? REQUEST_GET : request);
        if (request == REQUEST_MIXED)
            expect_frame(traffic, options, REQUEST_SET);
        free(reply);
        return 0;
    }
    if (request == REQUEST_GET || request == REQUEST_MGET || request == REQUEST_MIXED) {
        size_t size = reply_write(options, 0, 0, reply);

        reply_format_add(&traffic->format, reply, size);
    }
    if (request == REQUEST_SET || request == REQUEST_MSET || request == REQUEST_MIXED)
        reply_format_add(&traffic->format, stored[options->protocol], strlen(stored[options->protocol]));
    if (request == REQUEST_PING)
        reply_format_add(&traffic->format, "+PONG\r\n", 7);
    free(reply);
    return 0;
}

static int grow(char **bytes, size_t *capacity, size_t needed)
{
    char *larger;

    if (needed <= *capacity)
        return 0;
    larger = realloc(*bytes, needed * 2);
    if (!larger)
        return -1;
    *bytes = larger;
    *capacity = needed * 2;
    return 0;
}

int traffic_build(struct traffic *traffic, const struct network_options *options, enum request request, uint32_t depth,
                  struct keyspace *keys)
{
    size_t request_max = request_size_max(options);
    uint64_t pipelines = options->prebuilt / depth;
    uint64_t state = keys->state;
    size_t capacity = 0;
    size_t size = 0;

    /* Large values: no more than a gigabyte of them. */
    if (pipelines > (1ull << 30) / (request_max * depth))
        pipelines = (1ull << 30) / (request_max * depth);
    memset(traffic, 0, sizeof *traffic);
    traffic->pipelines = pipelines ? pipelines : 1;
    traffic->depth = depth;
    traffic->starts = malloc((traffic->pipelines + 1) * sizeof *traffic->starts);
    if (!traffic->starts || expect_replies(traffic, options, request))
        goto free_traffic;
    for (uint64_t i = 0; i < traffic->pipelines * depth; i++) {
        enum request one = request;
        uint64_t number = keyspace_pick(keys);
        uint64_t chance = random64(&state);

        if (i % depth == 0)
            traffic->starts[i / depth] = size;
        if (request == REQUEST_MIXED)
            one = chance % 100 < options->read_percent ? REQUEST_GET : REQUEST_SET;
        if (grow(&traffic->bytes, &capacity, size + request_max))
            goto free_traffic;
        size += request_write(options, one, number, (uint32_t)(chance >> 32) % 26, keys, traffic->bytes + size);
    }
    traffic->starts[traffic->pipelines] = size;
    return 0;

free_traffic:
    traffic_free(traffic);
    return -1;
}

void traffic_free(struct traffic *traffic)
{
    free(traffic->bytes);
    free(traffic->starts);
    memset(traffic, 0, sizeof *traffic);
}
