/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * payload_read.c - from a payload to its elements
 *
 * What is said to follow is read up to the end of the whole payload, its footer included, as Redis does.
 * Memory: what is unpacked
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "crc64.h"
#include "lzf.h"
#include "payload.h"
#include "payload_packed.h"

#define SCORE_NEGATIVE_INFINITY 255
#define SCORE_INFINITY 254
#define SCORE_NAN 253
#define PACKED_SCORE_MAX 127 /* bytes of a score in a packed form that count */

struct reader {
    const uint8_t *at, *end;
    sdb_element_fn *visit;
    void *context;
    uint64_t count; /* elements shown */
};

/* A string: in the payload, in `number`, or in memory of its own, which drop gives back. It must not move. */
struct text {
    struct sdb_slice slice;
    uint8_t *own;
    char number[NUMBER_TEXT_SIZE];
};

/* ---- pieces ----------------------------------------------------------------------------------------------------------- */

static const uint8_t *take(struct reader *reader, uint64_t size)
{
    const uint8_t *at = reader->at;

    if ((uint64_t)(reader->end - at) < size)
        return NULL;
    reader->at += size;
    return at;
}

static int take_number(struct reader *reader, unsigned size, int lowest_first, uint64_t *number)
{
    const uint8_t *bytes = take(reader, size);

    *number = 0;
    for (unsigned i = 0; i < size && bytes != NULL; i++)
        *number |= (uint64_t)bytes[i] << 8 * (lowest_first ? i : size - 1 - i);
    return bytes != NULL;
}

/* *encoded: it is no length but an enum payload_encoding. 1, or 0: this is none. */
static int take_length(struct reader *reader, uint64_t *length, int *encoded)
{
    const uint8_t *first = take(reader, 1);

    if (first == NULL)
        return 0;
    *encoded = first[0] >> 6 == 3;
    *length = first[0] & 63;
    switch (first[0] >> 6) {
    case 1:
        reader->at--;
        if (!take_number(reader, 2, 0, length))
            return 0;
        *length &= 0x3fff;
        return 1;
    case 2:
        return (first[0] == 0x80 && take_number(reader, 4, 0, length)) || (first[0] == 0x81 && take_number(reader, 8, 0, length));
    default:
        return 1;
    }
}

/* How many elements there are. */
static int take_count(struct reader *reader, uint64_t *count)
{
    int encoded;

    return take_length(reader, count, &encoded);
}

static int unpack(struct reader *reader, struct text *text)
{
    uint64_t packed_size, size;
    const uint8_t *packed;
    int encoded;

    if (!take_length(reader, &packed_size, &encoded) || !take_length(reader, &size, &encoded))
        return SDB_EFORMAT;
    packed = take(reader, packed_size);
    if (packed == NULL || size / LZF_RATIO_MAX > packed_size)
        return SDB_EFORMAT;
    text->own = malloc(size + 1);
    if (text->own == NULL)
        return SDB_ENOMEM;
    text->slice = (struct sdb_slice){text->own, size};
    return size == 0 || lzf_unpack(packed, packed_size, text->own, size) ? SDB_OK : SDB_EFORMAT;
}

static void drop(struct text *text)
{
    free(text->own);
}

/* The caller owes a drop, whatever is returned. */
static int take_text(struct reader *reader, struct text *text)
{
    uint64_t length, number = 0;
    const uint8_t *bytes;
    unsigned size;
    int encoded;

    text->own = NULL;
    if (!take_length(reader, &length, &encoded))
        return SDB_EFORMAT;
    if (!encoded) {
        bytes = take(reader, length);
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
        return unpack(reader, text);
    default:
        return SDB_EFORMAT;
    }
    if (!take_number(reader, size, 1, &number))
        return SDB_EFORMAT;
    text->slice = (struct sdb_slice){
        text->number, number_format_i64(text->number, (int64_t)(number << (64 - 8 * size)) >> (64 - 8 * size))};
    return SDB_OK;
}

/* ---- elements by themselves ------------------------------------------------------------------------------------------- */

static int show(struct reader *reader, const struct sdb_slice *name, const struct sdb_slice *value, double score)
{
    const struct sdb_element element = {*name, value != NULL ? *value : (struct sdb_slice){"", 0}, score};

    reader->count++;
    return reader->visit(reader->context, &element);
}

static int read_text(struct reader *reader)
{
    struct text text;
    int result = take_text(reader, &text);

    if (result == SDB_OK)
        result = show(reader, &text.slice, NULL, 0);
    drop(&text);
    return result;
}

static int read_pair(struct reader *reader)
{
    struct text name, value = {.own = NULL};
    int result = take_text(reader, &name);

    if (result == SDB_OK)
        result = take_text(reader, &value);
    if (result == SDB_OK)
        result = show(reader, &name.slice, &value.slice, 0);
    drop(&name);
    drop(&value);
    return result;
}

/* The number that a text begins with. 1, or 0: with none. */
static int parse_score(const void *data, size_t size, double *score)
{
    char text[256], *end;

    if (size >= sizeof(text))
        return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    *score = strtod(text, &end);
    return end != text;
}

static int take_text_score(struct reader *reader, double *score)
{
    const uint8_t *size = take(reader, 1), *text;

    if (size == NULL)
        return 0;
    switch (size[0]) {
    case SCORE_NEGATIVE_INFINITY:
        *score = -INFINITY;
        return 1;
    case SCORE_INFINITY:
        *score = INFINITY;
        return 1;
    case SCORE_NAN:
        return 0;
    default:
        text = take(reader, size[0]);
        return text != NULL && parse_score(text, size[0], score);
    }
}

static int take_score(struct reader *reader, double *score)
{
    uint64_t bits;

    if (!take_number(reader, 8, 1, &bits))
        return 0;
    memcpy(score, &bits, sizeof(*score));
    return 1;
}

static int read_member(struct reader *reader, int as_text)
{
    struct text name;
    double score = 0;
    int result = take_text(reader, &name);

    if (result == SDB_OK && (!(as_text ? take_text_score(reader, &score) : take_score(reader, &score)) || isnan(score)))
        result = SDB_EFORMAT;
    if (result == SDB_OK)
        result = show(reader, &name.slice, NULL, score);
    drop(&name);
    return result;
}

/* ---- packed ones ------------------------------------------------------------------------------------------------------ */

static int walk_names(struct reader *reader, struct packed_walk *walk)
{
    enum packed_result found;
    struct packed_text name;
    int result = SDB_OK;

    while (result == SDB_OK && (found = packed_next(walk, &name)) != PACKED_END)
        result = found == PACKED_ELEMENT ? show(reader, &name.slice, NULL, 0) : SDB_EFORMAT;
    return result;
}

/* The text of a member's score, as Redis reads it: what is no number at all is 0. */
static int show_member(struct reader *reader, const struct sdb_slice *name, const struct sdb_slice *text)
{
    double score;

    if (!parse_score(text->data, text->size < PACKED_SCORE_MAX ? text->size : PACKED_SCORE_MAX, &score))
        score = 0;
    return isnan(score) ? SDB_EFORMAT : show(reader, name, NULL, score);
}

static int walk_pairs(struct reader *reader, struct packed_walk *walk, int scores)
{
    enum packed_result found;
    struct packed_text name, value;
    int result = SDB_OK;

    while (result == SDB_OK && (found = packed_next(walk, &name)) != PACKED_END) {
        if (found != PACKED_ELEMENT || packed_next(walk, &value) != PACKED_ELEMENT)
            result = SDB_EFORMAT;
        else if (scores)
            result = show_member(reader, &name.slice, &value.slice);
        else
            result = show(reader, &name.slice, &value.slice, 0);
    }
    return result;
}

typedef int packed_open(struct packed_walk *walk, const void *data, size_t size);
enum packed_content { CONTENT_NAMES, CONTENT_PAIRS, CONTENT_SCORES };

static int read_packed(struct reader *reader, packed_open *open, enum packed_content content)
{
    struct packed_walk walk;
    struct text text;
    int result = take_text(reader, &text);

    if (result == SDB_OK && !open(&walk, text.slice.data, text.slice.size))
        result = SDB_EFORMAT;
    if (result == SDB_OK)
        result = content == CONTENT_NAMES ? walk_names(reader, &walk) : walk_pairs(reader, &walk, content == CONTENT_SCORES);
    drop(&text);
    return result;
}

/* A piece of a list. An element by itself is not empty; a listpack may be. */
static int read_piece(struct reader *reader)
{
    uint64_t kind;
    struct text text;
    int result;

    if (!take_count(reader, &kind))
        return SDB_EFORMAT;
    if (kind == PAYLOAD_PIECE_PACKED)
        return read_packed(reader, packed_open_listpack, CONTENT_NAMES);
    if (kind != PAYLOAD_PIECE_PLAIN)
        return SDB_EFORMAT;
    result = take_text(reader, &text);
    if (result == SDB_OK && text.slice.size == 0)
        result = SDB_EFORMAT;
    if (result == SDB_OK)
        result = show(reader, &text.slice, NULL, 0);
    drop(&text);
    return result;
}

/* ---- forms ------------------------------------------------------------------------------------------------------------ */

static int read_one(struct reader *reader, enum payload_form form)
{
    switch (form) {
    case PAYLOAD_HASH:
        return read_pair(reader);
    case PAYLOAD_ZSET_TEXT:
    case PAYLOAD_ZSET:
        return read_member(reader, form == PAYLOAD_ZSET_TEXT);
    case PAYLOAD_LIST_ZIPLISTS:
        return read_packed(reader, packed_open_ziplist, CONTENT_NAMES);
    case PAYLOAD_LIST_LISTPACKS:
        return read_piece(reader);
    default:
        return read_text(reader);
    }
}

static int read_many(struct reader *reader, enum payload_form form)
{
    uint64_t count = 0;
    int result = take_count(reader, &count) ? SDB_OK : SDB_EFORMAT;

    for (uint64_t i = 0; i < count && result == SDB_OK; i++)
        result = read_one(reader, form);
    return result;
}

static int read_form(struct reader *reader, enum payload_form form)
{
    switch (form) {
    case PAYLOAD_STRING:
        return read_text(reader);
    case PAYLOAD_HASH_ZIPMAP:
        return read_packed(reader, packed_open_zipmap, CONTENT_PAIRS);
    case PAYLOAD_LIST_ZIPLIST:
        return read_packed(reader, packed_open_ziplist, CONTENT_NAMES);
    case PAYLOAD_SET_INTSET:
        return read_packed(reader, packed_open_intset, CONTENT_NAMES);
    case PAYLOAD_ZSET_ZIPLIST:
        return read_packed(reader, packed_open_ziplist, CONTENT_SCORES);
    case PAYLOAD_HASH_ZIPLIST:
        return read_packed(reader, packed_open_ziplist, CONTENT_PAIRS);
    case PAYLOAD_HASH_LISTPACK:
        return read_packed(reader, packed_open_listpack, CONTENT_PAIRS);
    case PAYLOAD_ZSET_LISTPACK:
        return read_packed(reader, packed_open_listpack, CONTENT_SCORES);
    default:
        return read_many(reader, form);
    }
}

uint32_t payload_type(const void *data, size_t size)
{
    static const uint8_t types[] = {
        [PAYLOAD_STRING] = SDB_TYPE_STRING,     [PAYLOAD_LIST] = SDB_TYPE_LIST,
        [PAYLOAD_SET] = SDB_TYPE_SET,           [PAYLOAD_ZSET_TEXT] = SDB_TYPE_ZSET,
        [PAYLOAD_HASH] = SDB_TYPE_HASH,         [PAYLOAD_ZSET] = SDB_TYPE_ZSET,
        [PAYLOAD_HASH_ZIPMAP] = SDB_TYPE_HASH,  [PAYLOAD_LIST_ZIPLIST] = SDB_TYPE_LIST,
        [PAYLOAD_SET_INTSET] = SDB_TYPE_SET,    [PAYLOAD_ZSET_ZIPLIST] = SDB_TYPE_ZSET,
        [PAYLOAD_HASH_ZIPLIST] = SDB_TYPE_HASH, [PAYLOAD_LIST_ZIPLISTS] = SDB_TYPE_LIST,
        [PAYLOAD_HASH_LISTPACK] = SDB_TYPE_HASH, [PAYLOAD_ZSET_LISTPACK] = SDB_TYPE_ZSET,
        [PAYLOAD_LIST_LISTPACKS] = SDB_TYPE_LIST,
    };
    const unsigned form = size > 0 ? *(const uint8_t *)data : UINT8_MAX;

    return form < sizeof(types) ? types[form] : SDB_TYPE_NONE;
}

int payload_read(const void *data, size_t size, sdb_element_fn *visit, void *context)
{
    struct reader reader = {data, (const uint8_t *)data + size, visit, context, 0};
    int result;

    if (payload_type(data, size) == SDB_TYPE_NONE)
        return SDB_EFORMAT;
    reader.at++;
    result = read_form(&reader, (enum payload_form)reader.at[-1]);
    return result == SDB_OK && reader.count == 0 ? SDB_EFORMAT : result;
}

int payload_is_whole(const void *data, size_t size)
{
    const uint8_t *bytes = data, *footer = bytes + size - PAYLOAD_FOOTER_SIZE;
    uint64_t sum = 0;

    if (size < PAYLOAD_FOOTER_SIZE || (footer[0] | footer[1] << 8) > PAYLOAD_VERSION)
        return 0;
    for (unsigned i = 0; i < 8; i++)
        sum |= (uint64_t)footer[2 + i] << 8 * i;
    return crc64(0, bytes, size - 8) == sum;
}
