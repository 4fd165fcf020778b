/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * payload_output.c - numbers, lengths and strings of a payload
 * Memory: the payload
 */
#include "payload_output.h"

#include <stdlib.h>
#include <string.h>

#include "crc64.h"
#include "grow.h"
#include "lzf.h"
#include "number.h"
#include "payload.h"

#define INTEGER_TEXT_MAX 11 /* of an integer that is kept as such */
#define UNPACKED_MAX 20     /* bytes that are not worth packing */

void payload_put(struct payload_bytes *bytes, const void *data, size_t size)
{
    if (!bytes->failed && !grow(&bytes->data, &bytes->capacity, bytes->size + size, 1))
        bytes->failed = 1;
    if (bytes->failed || size == 0)
        return;
    memcpy(bytes->data + bytes->size, data, size);
    bytes->size += size;
}

void payload_put_number(struct payload_bytes *bytes, uint64_t number, unsigned size)
{
    uint8_t text[8];

    for (unsigned i = 0; i < size; i++)
        text[i] = (uint8_t)(number >> 8 * i);
    payload_put(bytes, text, size);
}

unsigned payload_length_bytes(uint8_t bytes[9], uint64_t length)
{
    unsigned size = length <= UINT32_MAX ? 4 : 8;

    if (length < 64) {
        bytes[0] = (uint8_t)length;
        return 1;
    }
    if (length < 16384) {
        bytes[0] = (uint8_t)(0x40 | length >> 8);
        bytes[1] = (uint8_t)length;
        return 2;
    }
    bytes[0] = size == 4 ? 0x80 : 0x81;
    for (unsigned i = 0; i < size; i++)
        bytes[1 + i] = (uint8_t)(length >> 8 * (size - 1 - i));
    return size + 1;
}

void payload_put_length(struct payload_bytes *bytes, uint64_t length)
{
    uint8_t text[9] = {0};
    const unsigned size = payload_length_bytes(text, length);

    payload_put(bytes, text, size);
}

/* Packed by LZF, if that makes it shorter. */
static int put_shorter(struct payload_bytes *bytes, const struct sdb_slice *text)
{
    const size_t most = text->size - 4;
    uint8_t *packed = malloc(most);
    size_t size = packed != NULL ? lzf_pack(text->data, text->size, packed, most) : 0;

    if (size > 0) {
        payload_put_number(bytes, 0xc0 | PAYLOAD_LZF, 1);
        payload_put_length(bytes, size);
        payload_put_length(bytes, text->size);
        payload_put(bytes, packed, size);
    }
    free(packed);
    return size > 0;
}

void payload_put_text(struct payload_bytes *bytes, const struct sdb_slice *text)
{
    int64_t number;

    if (text->size <= INTEGER_TEXT_MAX && number_parse_i64(text->data, text->size, &number) && number >= INT32_MIN &&
        number <= INT32_MAX) {
        const unsigned encoding = number == (int8_t)number ? PAYLOAD_INT8 : number == (int16_t)number ? PAYLOAD_INT16 : PAYLOAD_INT32;
        payload_put_number(bytes, 0xc0 | encoding, 1);
        payload_put_number(bytes, (uint64_t)number, 1u << encoding);
        return;
    }
    if (text->size > UNPACKED_MAX && put_shorter(bytes, text))
        return;
    payload_put_length(bytes, text->size);
    payload_put(bytes, text->data, text->size);
}

int payload_put_footer(struct payload_bytes *bytes)
{
    payload_put_number(bytes, PAYLOAD_VERSION, 2);
    if (!bytes->failed)
        payload_put_number(bytes, crc64(0, bytes->data, bytes->size), 8);
    return !bytes->failed;
}
