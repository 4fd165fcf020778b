/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * function_payload.c - libraries in the form of FUNCTION DUMP
 *
 * For each library the byte 245 and its code as a string of Redis' RDB format: the size in 6 bits, in 14 after the bits 01, in
 * 32 after the byte 0x80, in 64 after 0x81 (the highest byte first); or 0xc3, the packed size, the size, and the code packed by LZF. Then
 * the format's version in 2 bytes, and CRC-64 (Jones) of all before it, the lowest byte first.
 *
 * Memory:  what a packed code takes unpacked, at most CODE_SIZE_MAX
 */
#include "function_payload.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OPCODE 245u
#define OPCODE_BEFORE 246u /* of Redis 7's release candidates */
#define FORMAT_VERSION 10u
#define FOOTER_SIZE 10u
#define PACKED 0xc3u
#define CODE_SIZE_MAX (512u << 20)

static uint64_t crc64(const unsigned char *data, size_t size)
{
    uint64_t crc = 0;

    for (size_t i = 0; i < size; i++) {
        crc ^= data[i];
        for (unsigned bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (0x95ac9329ac4bc9b5u & (0 - (crc & 1)));
    }
    return crc;
}

/* ---- writing ------------------------------------------------------------------------------------------------------------ */

struct buffer {
    unsigned char *data;
    size_t size;
};

static void put(struct buffer *buffer, const void *data, size_t size)
{
    memcpy(buffer->data + buffer->size, data, size);
    buffer->size += size;
}

static void put_code(struct buffer *buffer, const struct library *library)
{
    unsigned char head[6] = {OPCODE, 0x80};
    size_t size = library->code_size;

    for (unsigned i = 0; i < 4; i++)
        head[2 + i] = (unsigned char)(size >> (24 - 8 * i));
    put(buffer, head, sizeof(head));
    put(buffer, library->code, size);
}

void function_payload_reply(struct reply *reply, const struct library_set *set)
{
    struct buffer buffer = {0};
    size_t size = FOOTER_SIZE;
    uint64_t crc;
    unsigned char footer[FOOTER_SIZE] = {FORMAT_VERSION, 0};

    for (size_t i = 0; i < set->count; i++)
        size += 6 + set->libraries[i]->code_size;
    buffer.data = malloc(size);
    if (buffer.data == NULL) {
        reply_error(reply, "-OOM out of memory");
        return;
    }
    for (size_t i = 0; i < set->count; i++)
        put_code(&buffer, set->libraries[i]);
    put(&buffer, footer, 2);
    crc = crc64(buffer.data, buffer.size);
    for (unsigned i = 0; i < 8; i++)
        footer[2 + i] = (unsigned char)(crc >> (8 * i));
    put(&buffer, footer + 2, 8);
    reply_bulk(reply, buffer.data, buffer.size);
    free(buffer.data);
}

/* ---- reading ------------------------------------------------------------------------------------------------------------ */

struct input {
    const unsigned char *at, *end;
};

static int take_size(struct input *input, uint64_t *size)
{
    unsigned first, bytes;

    if (input->at == input->end)
        return 0;
    first = *input->at++;
    if (first < 0x40) {
        *size = first;
        return 1;
    }
    if (first > 0x81)
        return 0;
    bytes = first < 0x80 ? 1 : first == 0x80 ? 4 : 8;
    if ((size_t)(input->end - input->at) < bytes)
        return 0;
    *size = first < 0x80 ? first & 0x3f : 0;
    for (unsigned i = 0; i < bytes; i++)
        *size = *size << 8 | *input->at++;
    return 1;
}

/*
 * LZF: a byte below 32 is followed by so many bytes and one more; any other says how many bytes to repeat (its upper 3 bits and 2 more;
 * 7: the next byte is added), and how far behind they are (its lower 5 bits and the next byte, and 1 more).
 */
static int unpack(const unsigned char *at, const unsigned char *end, unsigned char *to, size_t size)
{
    size_t done = 0;

    while (at < end) {
        size_t first = *at++, count = first + 1;

        if (first < 32) {
            if ((size_t)(end - at) < count || size - done < count)
                return 0;
            memcpy(to + done, at, count);
            at += count;
        } else {
            size_t back = (first & 31) << 8;

            count = first >> 5;
            if (count == 7 && at < end)
                count += *at++;
            count += 2;
            if (at == end)
                return 0;
            back += *at++;
            if (back + 1 > done || size - done < count)
                return 0;
            for (size_t i = 0; i < count; i++)
                to[done + i] = to[done + i - back - 1];
        }
        done += count;
    }
    return done == size;
}

static int take_packed(struct input *input, function_payload_take *take, void *context, char *error)
{
    uint64_t packed, size;
    unsigned char *code;
    int taken = 0;

    input->at++;
    if (!take_size(input, &packed) || !take_size(input, &size) || packed > (uint64_t)(input->end - input->at) || size > CODE_SIZE_MAX)
        return 0;
    code = calloc(1, size + 1);
    if (code == NULL) {
        (void)snprintf(error, FUNCTION_ERROR_SIZE, "-OOM out of memory");
        return 0;
    }
    if (unpack(input->at, input->at + packed, code, size))
        taken = take(context, (const char *)code, size, error);
    input->at += packed;
    free(code);
    return taken;
}

static int take_library(struct input *input, function_payload_take *take, void *context, char *error)
{
    uint64_t size;
    int taken;

    if (input->at < input->end && *input->at == PACKED)
        return take_packed(input, take, context, error);
    if (!take_size(input, &size) || size > (uint64_t)(input->end - input->at))
        return 0;
    taken = take(context, (const char *)input->at, size, error);
    input->at += size;
    return taken;
}

int function_payload_read(const char *data, size_t size, function_payload_take *take, void *context, char error[FUNCTION_ERROR_SIZE])
{
    const unsigned char *bytes = (const unsigned char *)data;
    struct input input = {bytes, bytes + size};
    uint64_t crc = 0;

    error[0] = '\0';
    if (size >= FOOTER_SIZE)
        for (unsigned i = 0; i < 8; i++)
            crc |= (uint64_t)bytes[size - 8 + i] << (8 * i);
    if (size < FOOTER_SIZE || (unsigned)bytes[size - 10] + 256u * bytes[size - 9] > FORMAT_VERSION || crc != crc64(bytes, size - 8)) {
        (void)snprintf(error, FUNCTION_ERROR_SIZE, "DUMP payload version or checksum are wrong");
        return 0;
    }
    input.end -= FOOTER_SIZE;
    while (input.at < input.end) {
        unsigned opcode = *input.at++;

        if (opcode != OPCODE) {
            (void)snprintf(error, FUNCTION_ERROR_SIZE,
                           opcode == OPCODE_BEFORE ? "Pre-GA function format not supported" : "given type is not a function");
            return 0;
        }
        if (!take_library(&input, take, context, error)) {
            if (error[0] == '\0')
                (void)snprintf(error, FUNCTION_ERROR_SIZE, "Failed loading library data");
            return 0;
        }
    }
    return 1;
}
