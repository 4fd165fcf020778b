/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lzf.c - packing with a table of where three bytes were last seen; unpacking that believes nothing
 * Memory: 32 KiB of the stack, to pack
 */
#include "lzf.h"

#include <string.h>

#define TABLE_BITS 13
#define LITERALS_MAX 32
#define BACK_MAX 8192
#define COPY_MAX 264
#define COPY_MIN 3

struct packer {
    const uint8_t *data;
    uint8_t *out, *end;
    size_t size;
};

static unsigned slot_of(const uint8_t *at)
{
    const uint32_t bytes = (uint32_t)at[0] << 16 | (uint32_t)at[1] << 8 | at[2];

    return bytes * 2654435761u >> (32 - TABLE_BITS);
}

/* Bytes from..to as they are. 1, or 0: no room. */
static int put_literals(struct packer *packer, size_t from, size_t to)
{
    while (from < to) {
        const size_t count = to - from < LITERALS_MAX ? to - from : LITERALS_MAX;
        if ((size_t)(packer->end - packer->out) < count + 1)
            return 0;
        *packer->out++ = (uint8_t)(count - 1);
        memcpy(packer->out, packer->data + from, count);
        packer->out += count;
        from += count;
    }
    return 1;
}

static int put_copy(struct packer *packer, size_t back, size_t count)
{
    const size_t offset = back - 1, length = count - 2;

    if (packer->end - packer->out < 3)
        return 0;
    if (length < 7) {
        *packer->out++ = (uint8_t)(length << 5 | offset >> 8);
    } else {
        *packer->out++ = (uint8_t)(7u << 5 | offset >> 8);
        *packer->out++ = (uint8_t)(length - 7);
    }
    *packer->out++ = (uint8_t)offset;
    return 1;
}

/* How many bytes at `at` are the same as those further in front. */
static size_t match(const struct packer *packer, size_t before, size_t at)
{
    const size_t most = packer->size - at < COPY_MAX ? packer->size - at : COPY_MAX;
    size_t count = 0;

    while (count < most && packer->data[before + count] == packer->data[at + count])
        count++;
    return count;
}

size_t lzf_pack(const void *data, size_t size, void *packed, size_t capacity)
{
    struct packer packer = {data, packed, (uint8_t *)packed + capacity, size};
    uint32_t seen[1u << TABLE_BITS] = {0}; /* positions, and 1 */
    size_t from = 0, at = 0;

    if (size > UINT32_MAX - 1)
        return 0;
    while (at + COPY_MIN <= size) {
        const unsigned slot = slot_of(packer.data + at);
        const size_t before = seen[slot];
        size_t count = 0;

        seen[slot] = (uint32_t)at + 1;
        if (before > 0 && at - (before - 1) <= BACK_MAX)
            count = match(&packer, before - 1, at);
        if (count < COPY_MIN) {
            at++;
            continue;
        }
        if (!put_literals(&packer, from, at) || !put_copy(&packer, at - (before - 1), count))
            return 0;
        at += count;
        from = at;
    }
    return put_literals(&packer, from, size) ? (size_t)(packer.out - (uint8_t *)packed) : 0;
}

int lzf_unpack(const void *packed, size_t packed_size, void *data, size_t size)
{
    const uint8_t *in = packed, *in_end = in + packed_size;
    uint8_t *begin = data, *out = begin, *end = begin + size;

    while (in < in_end) {
        const unsigned control = *in++;
        size_t count = control >> 5, back;

        if (count == 0) {
            count = control + 1;
            if ((size_t)(in_end - in) < count || (size_t)(end - out) < count)
                return 0;
            memcpy(out, in, count);
            in += count;
            out += count;
            continue;
        }
        if (count == 7 && in < in_end)
            count += *in++;
        if (in == in_end)
            return 0;
        count += 2;
        back = ((control & 31) << 8 | *in++) + 1u;
        if ((size_t)(out - begin) < back || (size_t)(end - out) < count)
            return 0;
        for (; count > 0; count--, out++) /* which may be bytes that it has just written */
            *out = *(out - back);
    }
    return out == end;
}
