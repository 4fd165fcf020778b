/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * payload_packed.c - walks through packed collections, which believe no byte of them, and writes listpacks and intsets
 */
#include "payload_packed.h"

#include <stdlib.h>
#include <string.h>

#define END 0xff
#define COUNT_UNKNOWN 0xffff
#define LISTPACK_HEADER 6
#define ZIPLIST_HEADER 10
#define INTSET_HEADER 8
#define LENGTH_LONG 254 /* in ziplists and zipmaps: the length is in the next 4 bytes */

static uint64_t get(const uint8_t *at, unsigned size)
{
    uint64_t number = 0;

    for (unsigned i = 0; i < size; i++)
        number |= (uint64_t)at[i] << 8 * i;
    return number;
}

static int64_t get_signed(const uint8_t *at, unsigned size)
{
    return (int64_t)(get(at, size) << (64 - 8 * size)) >> (64 - 8 * size);
}

static size_t left(const struct packed_walk *walk)
{
    return (size_t)(walk->end - walk->at);
}

static void set_number(struct packed_text *text, int64_t number)
{
    text->slice = (struct sdb_slice){text->number, number_format_i64(text->number, number)};
}

/* An element's head: how it is kept. */
struct head {
    unsigned size;    /* of the head; 0: there is no such one */
    int is_number;
    uint64_t length;  /* of the text, or of the number in bytes; 0: the number is in the head */
    int64_t number;
};

/* Nothing behind the last element, and as many as was said. */
static int ended(const struct packed_walk *walk)
{
    return walk->expected == UINT64_MAX || walk->count == walk->expected ? PACKED_END : PACKED_BAD;
}

/* Steps over head and content; those that follow are at walk->at. */
static int take(struct packed_walk *walk, const struct head *head, struct packed_text *text)
{
    const uint8_t *content = walk->at + head->size;

    if (head->size == 0 || head->size > left(walk) || head->length > left(walk) - head->size)
        return PACKED_BAD;
    if (!head->is_number)
        text->slice = (struct sdb_slice){content, (size_t)head->length};
    else
        set_number(text, head->length > 0 ? get_signed(content, (unsigned)head->length) : head->number);
    walk->at = content + head->length;
    walk->count++;
    return PACKED_ELEMENT;
}

/* ---- listpacks -------------------------------------------------------------------------------------------------------- */

/* size: bytes up to the end, 1 at least. Where the head does not fit in, it is larger than that. */
static struct head listpack_head(const uint8_t *at, size_t size)
{
    const uint8_t second = size > 1 ? at[1] : 0;

    if (at[0] < 0x80)
        return (struct head){1, 1, 0, at[0]};
    if (at[0] < 0xc0)
        return (struct head){1, 0, at[0] & 63, 0};
    if (at[0] < 0xe0) /* 13 bits, signed */
        return (struct head){2, 1, 0, (int64_t)((uint64_t)(at[0] & 31u) << 59 | (uint64_t)second << 51) >> 51};
    if (at[0] < 0xf0)
        return (struct head){2, 0, (uint64_t)(at[0] & 15u) << 8 | second, 0};
    if (at[0] == 0xf0)
        return (struct head){5, 0, size >= 5 ? get(at + 1, 4) : 0, 0};
    if (at[0] <= 0xf4)
        return (struct head){1, 1, at[0] == 0xf4 ? 8 : at[0] - 0xefu, 0};
    return (struct head){0, 0, 0, 0};
}

/*
 * The bytes behind an element of this size, and how many: its size, the highest 7 bits first, all but the first marked. From two on,
 * the largest number that fits takes one more.
 */
static unsigned back_size(uint8_t bytes[5], uint64_t size)
{
    unsigned count = 1;

    while (count < 5 && size + (count > 1) > (1ull << 7 * count) - 1)
        count++;
    for (unsigned i = 0; i < count; i++)
        bytes[i] = (uint8_t)((size >> 7 * (count - 1 - i) & 127) | (i > 0 ? 128 : 0));
    return count;
}

static int listpack_step(struct packed_walk *walk, struct packed_text *text)
{
    const uint8_t *begin = walk->at;
    struct head head;
    uint8_t back[5];
    unsigned back_count;

    if (walk->at == walk->end)
        return ended(walk);
    head = listpack_head(walk->at, left(walk));
    if (take(walk, &head, text) != PACKED_ELEMENT)
        return PACKED_BAD;
    back_count = back_size(back, (uint64_t)(walk->at - begin));
    if (left(walk) < back_count || memcmp(walk->at, back, back_count) != 0)
        return PACKED_BAD;
    walk->at += back_count;
    return PACKED_ELEMENT;
}

int packed_open_listpack(struct packed_walk *walk, const void *data, size_t size)
{
    const uint8_t *bytes = data;

    if (size < LISTPACK_HEADER + 1 || get(bytes, 4) != size || bytes[size - 1] != END)
        return 0;
    *walk = (struct packed_walk){.begin = bytes, .at = bytes + LISTPACK_HEADER, .end = bytes + size - 1, .step = listpack_step};
    walk->expected = get(bytes + 4, 2);
    if (walk->expected == COUNT_UNKNOWN)
        walk->expected = UINT64_MAX;
    return 1;
}

/* ---- ziplists --------------------------------------------------------------------------------------------------------- */

static struct head ziplist_head(const uint8_t *at, size_t size)
{
    switch (at[0] >> 6) {
    case 0:
        return (struct head){1, 0, at[0], 0};
    case 1:
        return (struct head){2, 0, (uint64_t)(at[0] & 63u) << 8 | (size > 1 ? at[1] : 0u), 0};
    case 2:
        if (size <= 4)
            return (struct head){0, 0, 0, 0};
        return (struct head){5, 0, (uint64_t)at[1] << 24 | (uint64_t)at[2] << 16 | (uint64_t)at[3] << 8 | at[4], 0};
    default:
        break;
    }
    switch (at[0]) {
    case 0xc0:
        return (struct head){1, 1, 2, 0};
    case 0xd0:
        return (struct head){1, 1, 4, 0};
    case 0xe0:
        return (struct head){1, 1, 8, 0};
    case 0xf0:
        return (struct head){1, 1, 3, 0};
    case 0xfe:
        return (struct head){1, 1, 1, 0};
    default:
        if (at[0] > 0xf0 && at[0] < 0xfe)
            return (struct head){1, 1, 0, (at[0] & 15) - 1};
        return (struct head){0, 0, 0, 0};
    }
}

static int ziplist_step(struct packed_walk *walk, struct packed_text *text)
{
    const uint8_t *begin = walk->at;
    const size_t before = walk->last != NULL ? (size_t)(begin - walk->last) : 0;
    size_t said, size;
    struct head head;

    if (walk->at == walk->end) {
        if (walk->last != NULL && get(walk->begin + 4, 4) != (size_t)(walk->last - walk->begin))
            return PACKED_BAD;
        return ended(walk);
    }
    size = walk->at[0] == LENGTH_LONG ? 5 : 1;
    if (walk->at[0] == END || left(walk) <= size)
        return PACKED_BAD;
    said = size == 5 ? (size_t)get(walk->at + 1, 4) : walk->at[0];
    if (said != before)
        return PACKED_BAD;
    walk->at += size;
    head = ziplist_head(walk->at, left(walk));
    walk->last = begin;
    return take(walk, &head, text);
}

int packed_open_ziplist(struct packed_walk *walk, const void *data, size_t size)
{
    const uint8_t *bytes = data;

    if (size < ZIPLIST_HEADER + 1 || get(bytes, 4) != size || bytes[size - 1] != END || get(bytes + 4, 4) > size - 1)
        return 0;
    *walk = (struct packed_walk){.begin = bytes, .at = bytes + ZIPLIST_HEADER, .end = bytes + size - 1, .step = ziplist_step};
    walk->expected = get(bytes + 8, 2);
    if (walk->expected == COUNT_UNKNOWN)
        walk->expected = UINT64_MAX;
    return 1;
}

/* ---- zipmaps ---------------------------------------------------------------------------------------------------------- */

/*
 * Fields and values by turns. Behind a value's length there is the number of bytes that nobody uses behind it. As Redis has it, the
 * first FF in place of a field is the end, whatever follows.
 */
static int zipmap_step(struct packed_walk *walk, struct packed_text *text)
{
    const int is_value = walk->count % 2 == 1;
    struct head head = {.size = 1};
    uint8_t unused = 0;

    if (!is_value && walk->at[0] == END)
        return ended(walk);
    head.length = walk->at[0];
    if (walk->at == walk->end || (head.length >= LENGTH_LONG && left(walk) < 5))
        return PACKED_BAD;
    if (head.length >= LENGTH_LONG) {
        head.length = get(walk->at + 1, 4);
        head.size = 5;
    }
    if (is_value) {
        if (left(walk) <= head.size)
            return PACKED_BAD;
        unused = walk->at[head.size++];
    }
    if (take(walk, &head, text) != PACKED_ELEMENT || left(walk) < unused)
        return PACKED_BAD;
    walk->at += unused;
    return PACKED_ELEMENT;
}

int packed_open_zipmap(struct packed_walk *walk, const void *data, size_t size)
{
    const uint8_t *bytes = data;

    if (size < 2 || bytes[size - 1] != END)
        return 0;
    *walk = (struct packed_walk){.begin = bytes, .at = bytes + 1, .end = bytes + size - 1, .step = zipmap_step};
    walk->expected = bytes[0] < LENGTH_LONG ? bytes[0] * 2u : UINT64_MAX;
    return 1;
}

/* ---- intsets ---------------------------------------------------------------------------------------------------------- */

static int intset_step(struct packed_walk *walk, struct packed_text *text)
{
    int64_t number;

    if (walk->at == walk->end)
        return PACKED_END;
    number = get_signed(walk->at, walk->width);
    if (walk->count > 0 && number <= walk->before)
        return PACKED_BAD;
    walk->before = number;
    walk->at += walk->width;
    walk->count++;
    set_number(text, number);
    return PACKED_ELEMENT;
}

int packed_open_intset(struct packed_walk *walk, const void *data, size_t size)
{
    const uint8_t *bytes = data;

    if (size < INTSET_HEADER)
        return 0;
    *walk = (struct packed_walk){.begin = bytes, .at = bytes + INTSET_HEADER, .end = bytes + size, .step = intset_step};
    walk->width = (unsigned)get(bytes, 4);
    return (walk->width == 2 || walk->width == 4 || walk->width == 8) && get(bytes + 4, 4) * walk->width == size - INTSET_HEADER;
}

/* ---- writing ---------------------------------------------------------------------------------------------------------- */

/* The head of a number, and its content. Their size. */
static unsigned number_head(uint8_t bytes[9], int64_t number)
{
    unsigned size = 2;

    if (number >= 0 && number < 128) {
        bytes[0] = (uint8_t)number;
        return 1;
    }
    if (number >= -4096 && number < 4096) {
        bytes[0] = (uint8_t)(0xc0 | ((uint64_t)number >> 8 & 31));
        bytes[1] = (uint8_t)number;
        return 2;
    }
    while (size < 8 && (number < -(1ll << (8 * size - 1)) || number >= 1ll << (8 * size - 1)))
        size = size == 4 ? 8 : size + 1;
    bytes[0] = (uint8_t)(size == 8 ? 0xf4 : 0xefu + size);
    for (unsigned i = 0; i < size; i++)
        bytes[1 + i] = (uint8_t)((uint64_t)number >> 8 * i);
    return size + 1;
}

static unsigned text_head(uint8_t bytes[9], size_t size)
{
    if (size < 64) {
        bytes[0] = (uint8_t)(0x80 | size);
        return 1;
    }
    if (size < 4096) {
        bytes[0] = (uint8_t)(0xe0 | size >> 8);
        bytes[1] = (uint8_t)size;
        return 2;
    }
    bytes[0] = 0xf0;
    for (unsigned i = 0; i < 4; i++)
        bytes[1 + i] = (uint8_t)(size >> 8 * i);
    return 5;
}

/* The head of an element; *size: of what follows it. */
static unsigned head_of(uint8_t bytes[9], const struct sdb_slice *text, size_t *size)
{
    int64_t number;

    *size = 0;
    if (number_parse_i64(text->data, text->size, &number))
        return number_head(bytes, number);
    *size = text->size;
    return text_head(bytes, text->size);
}

size_t packed_listpack_size(const struct sdb_slice *text)
{
    uint8_t head[9], back[5];
    size_t size;
    const unsigned head_size = head_of(head, text, &size);

    return head_size + size + back_size(back, head_size + size);
}

void packed_begin_listpack(struct payload_bytes *bytes)
{
    static const uint8_t header[LISTPACK_HEADER];

    bytes->size = 0;
    payload_put(bytes, header, sizeof(header));
}

void packed_add_to_listpack(struct payload_bytes *bytes, const struct sdb_slice *text)
{
    uint8_t head[9], back[5];
    size_t size;
    const unsigned head_size = head_of(head, text, &size);

    payload_put(bytes, head, head_size);
    payload_put(bytes, text->data, size);
    payload_put(bytes, back, back_size(back, head_size + size));
}

void packed_end_listpack(struct payload_bytes *bytes, uint64_t count)
{
    payload_put_number(bytes, END, 1);
    if (bytes->failed)
        return;
    for (unsigned i = 0; i < 4; i++)
        bytes->data[i] = (uint8_t)(bytes->size >> 8 * i);
    count = count < COUNT_UNKNOWN ? count : COUNT_UNKNOWN;
    bytes->data[4] = (uint8_t)count;
    bytes->data[5] = (uint8_t)(count >> 8);
}

static int compare(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

void packed_put_intset(struct payload_bytes *bytes, int64_t *numbers, size_t count)
{
    unsigned width = 2;

    qsort(numbers, count, sizeof(*numbers), compare);
    while (count > 0 && width < 8 && (numbers[0] < -(1ll << (8 * width - 1)) || numbers[count - 1] >= 1ll << (8 * width - 1)))
        width *= 2;
    payload_put_number(bytes, width, 4);
    payload_put_number(bytes, count, 4);
    for (size_t i = 0; i < count; i++)
        payload_put_number(bytes, (uint64_t)numbers[i], width);
}
