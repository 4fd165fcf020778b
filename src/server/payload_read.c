/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * payload_read.c - from a payload to its elements
 *
 * What is said to follow is read up to the end of the whole payload, its footer included, as Redis does.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "payload.h"
#include "payload_input.h"
#include "payload_packed.h"

#define SCORE_NEGATIVE_INFINITY 255
#define SCORE_INFINITY 254
#define SCORE_NAN 253
#define PACKED_SCORE_MAX 127 /* bytes of a score in a packed form that count */

struct reader {
    struct payload_input input;
    sdb_element_fn *visit;
    void *context;
    uint64_t count; /* elements shown */
};

/* ---- elements by themselves ------------------------------------------------------------------------------------------- */

static int show(struct reader *reader, const struct sdb_slice *name, const struct sdb_slice *value, double score)
{
    const struct sdb_element element = {*name, value != NULL ? *value : (struct sdb_slice){"", 0}, score};

    reader->count++;
    return reader->visit(reader->context, &element);
}

static int read_text(struct reader *reader)
{
    struct payload_text text;
    int result = payload_take_text(&reader->input, &text);

    if (result == SDB_OK)
        result = show(reader, &text.slice, NULL, 0);
    payload_drop(&text);
    return result;
}

static int read_pair(struct reader *reader)
{
    struct payload_text name, value = {.own = NULL};
    int result = payload_take_text(&reader->input, &name);

    if (result == SDB_OK)
        result = payload_take_text(&reader->input, &value);
    if (result == SDB_OK)
        result = show(reader, &name.slice, &value.slice, 0);
    payload_drop(&name);
    payload_drop(&value);
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
    const uint8_t *size = payload_take(&reader->input, 1), *text;

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
        text = payload_take(&reader->input, size[0]);
        return text != NULL && parse_score(text, size[0], score);
    }
}

static int take_score(struct reader *reader, double *score)
{
    uint64_t bits;

    if (!payload_take_number(&reader->input, 8, 1, &bits))
        return 0;
    memcpy(score, &bits, sizeof(*score));
    return 1;
}

static int read_member(struct reader *reader, int as_text)
{
    struct payload_text name;
    double score = 0;
    int result = payload_take_text(&reader->input, &name);

    if (result == SDB_OK && (!(as_text ? take_text_score(reader, &score) : take_score(reader, &score)) || isnan(score)))
        result = SDB_EFORMAT;
    if (result == SDB_OK)
        result = show(reader, &name.slice, NULL, score);
    payload_drop(&name);
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
    struct payload_text text;
    int result = payload_take_text(&reader->input, &text);

    if (result == SDB_OK && !open(&walk, text.slice.data, text.slice.size))
        result = SDB_EFORMAT;
    if (result == SDB_OK)
        result = content == CONTENT_NAMES ? walk_names(reader, &walk) : walk_pairs(reader, &walk, content == CONTENT_SCORES);
    payload_drop(&text);
    return result;
}

/* A piece of a list. An element by itself is not empty; a listpack may be. */
static int read_piece(struct reader *reader)
{
    uint64_t kind;
    struct payload_text text;
    int result;

    if (!payload_take_length(&reader->input, &kind))
        return SDB_EFORMAT;
    if (kind == PAYLOAD_PIECE_PACKED)
        return read_packed(reader, packed_open_listpack, CONTENT_NAMES);
    if (kind != PAYLOAD_PIECE_PLAIN)
        return SDB_EFORMAT;
    result = payload_take_text(&reader->input, &text);
    if (result == SDB_OK && text.slice.size == 0)
        result = SDB_EFORMAT;
    if (result == SDB_OK)
        result = show(reader, &text.slice, NULL, 0);
    payload_drop(&text);
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
    int result = payload_take_length(&reader->input, &count) ? SDB_OK : SDB_EFORMAT;

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
        [PAYLOAD_STREAM] = SDB_TYPE_STREAM,      [PAYLOAD_STREAM_2] = SDB_TYPE_STREAM,
        [PAYLOAD_STREAM_3] = SDB_TYPE_STREAM,
    };
    const unsigned form = size > 0 ? *(const uint8_t *)data : UINT8_MAX;

    return form < sizeof(types) ? types[form] : SDB_TYPE_NONE;
}

int payload_read(const void *data, size_t size, sdb_element_fn *visit, void *context)
{
    struct reader reader = {{data, (const uint8_t *)data + size}, visit, context, 0};
    int result;

    if (payload_type(data, size) == SDB_TYPE_NONE)
        return SDB_EFORMAT;
    reader.input.at++;
    result = read_form(&reader, (enum payload_form)reader.input.at[-1]);
    return result == SDB_OK && reader.count == 0 ? SDB_EFORMAT : result;
}
