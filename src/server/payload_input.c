/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * payload_input.c - numbers, lengths and strings of a payload
 * Memory: strings that are unpacked
 */
#include "payload_input.h"

#include <stdlib.h>

#include "crc64.h"
#include "lzf.h"
#include "payload.h"

const uint8_t *payload_take(struct payload_input *input, uint64_t size)
{
    const uint8_t *at = input->at;

    if ((uint64_t)(input->end - at) < size)
        return NULL;
    input->at += size;
    return at;
}

int payload_take_number(struct payload_input *input, unsigned size, int lowest_first, uint64_t *number)
{
    const uint8_t *bytes = payload_take(input, size);

    *number = 0;
    for (unsigned i = 0; i < size && bytes != NULL; i++)
        *number |= (uint64_t)bytes[i] << 8 * (lowest_first ? i : size - 1 - i);
    return bytes != NULL;
}

/* *encoded: it is no length but an enum payload_encoding. 1, or 0: this is none. */
static int take_length(struct payload_input *input, uint64_t *length, int *encoded)
{
    const uint8_t *first = payload_take(input, 1);

    if (first == NULL)
        return 0;
    *encoded = first[0] >> 6 == 3;
    *length = first[0] & 63;
    switch (first[0] >> 6) {
    case 1:
        input->at--;
        if (!payload_take_number(input, 2, 0, length))
            return 0;
        *length &= 0x3fff;
        return 1;
    case 2:
        return (first[0] == 0x80 && payload_take_number(input, 4, 0, length)) || (first[0] == 0x81 && payload_take_number(input, 8, 0, length));
    default:
        return 1;
    }
}

int payload_take_length(struct payload_input *input, uint64_t *length)
{
    int encoded;

    return take_length(input, length, &encoded);
}

static int unpack(struct payload_input *input, struct payload_text *text)
{
    uint64_t packed_size, size;
    const uint8_t *packed;
    int encoded;

    if (!take_length(input, &packed_size, &encoded) || !take_length(input, &size, &encoded))
        return SDB_EFORMAT;
    packed = payload_take(input, packed_size);
    if (packed == NULL || size / LZF_RATIO_MAX > packed_size)
        return SDB_EFORMAT;
    text->own = malloc(size + 1);
    if (text->own == NULL)
        return SDB_ENOMEM;
    text->slice = (struct sdb_slice){text->own, size};
    return size == 0 || lzf_unpack(packed, packed_size, text->own, size) ? SDB_OK : SDB_EFORMAT;
}

void payload_drop(struct payload_text *text)
{
    free(text->own);
}

int payload_take_text(struct payload_input *input, struct payload_text *text)
{
    uint64_t length, number = 0;
    const uint8_t *bytes;
    unsigned size;
    int encoded;

    text->own = NULL;
    if (!take_length(input, &length, &encoded))
        return SDB_EFORMAT;
    if (!encoded) {
        bytes = payload_take(input, length);
        text->slice = (struct sdb_slice){bytes, length};
        return bytes != NULL ? SDB_OK : SDB_EFORMAT;
    }
    switch (length) {
    case PAYLOAD_INT8:
        size = 1;
        break;
    case PAYLOAD_INT16:
        size = 2;
        break;
    case PAYLOAD_INT32:
        size = 4;
        break;
    case PAYLOAD_LZF:
        return unpack(input, text);
    default:
        return SDB_EFORMAT;
    }
    if (!payload_take_number(input, size, 1, &number))
        return SDB_EFORMAT;
    text->slice = (struct sdb_slice){
        text->number, number_format_i64(text->number, (int64_t)(number << (64 - 8 * size)) >> (64 - 8 * size))};
    return SDB_OK;
}

int payload_is_whole(const void *data, size_t size)
{
    const uint8_t *bytes = data, *footer = bytes + size - PAYLOAD_FOOTER_SIZE;
    uint64_t sum = 0;

    if (size < PAYLOAD_FOOTER_SIZE || (footer[0] | footer[1] << 8) > (bytes[0] == PAYLOAD_STREAM_3 ? PAYLOAD_VERSION_STREAM_3 : PAYLOAD_VERSION))
        return 0;
    for (unsigned i = 0; i < 8; i++)
        sum |= (uint64_t)footer[2 + i] << 8 * i;
    return crc64(0, bytes, size - 8) == sum;
}
