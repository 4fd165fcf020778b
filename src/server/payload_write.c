/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * payload_write.c - from elements to a payload
 *
 * How many elements there are is known at the end, and then put in front, where room was left.
 * Memory: the payload, and a piece that is being packed
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "payload.h"
#include "payload_packed.h"

#define FRONT 10              /* the form, and the longest length */
#define PIECE_MAX 8192        /* bytes of a listpack of a list; an element larger than this stands by itself */
#define PACKED_MAX (1u << 20) /* of one that is all of a collection */

/* ---- elements --------------------------------------------------------------------------------------------------------- */

static int is_packed(const struct payload_writer *writer)
{
    return writer->small && (writer->type == SDB_TYPE_HASH || writer->type == SDB_TYPE_ZSET);
}

/* The listpack of a list that is full, or the last one. */
static void end_piece(struct payload_writer *writer)
{
    if (writer->piece_count == 0)
        return;
    packed_end_listpack(&writer->piece, writer->piece_count);
    payload_put_number(&writer->out, PAYLOAD_PIECE_PACKED, 1);
    if (!writer->piece.failed)
        payload_put_text(&writer->out, &(struct sdb_slice){writer->piece.data, writer->piece.size});
    packed_begin_listpack(&writer->piece);
    writer->piece_count = 0;
    writer->count++;
}

static void add_to_list(struct payload_writer *writer, const struct sdb_slice *text)
{
    if (text->size > PIECE_MAX) {
        end_piece(writer);
        payload_put_number(&writer->out, PAYLOAD_PIECE_PLAIN, 1);
        payload_put_text(&writer->out, text);
        writer->count++;
        return;
    }
    if (writer->piece.size + packed_listpack_size(text) + 1 > PIECE_MAX)
        end_piece(writer);
    packed_add_to_listpack(&writer->piece, text);
    writer->piece_count++;
}

/* As Redis has it: an integer where it is one. */
static size_t score_text(char text[40], double score)
{
    if (isinf(score))
        return (size_t)snprintf(text, 40, score > 0 ? "inf" : "-inf");
    if (fabs(score) < 0x1p53 && score == (double)(int64_t)score)
        return number_format_i64(text, (int64_t)score);
    return (size_t)snprintf(text, 40, "%.17g", score);
}

static void add_packed(struct payload_writer *writer, const struct sdb_element *element)
{
    char text[40];
    const size_t size = writer->type == SDB_TYPE_ZSET ? score_text(text, element->score) : 0;

    packed_add_to_listpack(&writer->piece, &element->name);
    packed_add_to_listpack(&writer->piece, writer->type == SDB_TYPE_ZSET ? &(struct sdb_slice){text, size} : &element->value);
    writer->piece_count += 2;
    writer->is_too_large |= writer->piece.size > PACKED_MAX;
}

static void add_apart(struct payload_writer *writer, const struct sdb_element *element)
{
    uint64_t bits;

    payload_put_text(&writer->out, &element->name);
    if (writer->type == SDB_TYPE_HASH)
        payload_put_text(&writer->out, &element->value);
    if (writer->type == SDB_TYPE_ZSET) {
        memcpy(&bits, &element->score, sizeof(bits));
        payload_put_number(&writer->out, bits, 8);
    }
    writer->count++;
}

/* A small set is one of integers; what is none, in a pool that says otherwise, is written as a large one. */
static void add_integer(struct payload_writer *writer, const struct sdb_slice *text)
{
    int64_t number;

    if (number_parse_i64(text->data, text->size, &number))
        payload_put(&writer->piece, &number, sizeof(number));
    else
        writer->is_too_large = 1;
    writer->is_too_large |= writer->piece.size > PACKED_MAX;
}

int payload_add(void *context, const struct sdb_element *element)
{
    struct payload_writer *writer = context;

    if (writer->type == SDB_TYPE_LIST)
        add_to_list(writer, &element->name);
    else if (is_packed(writer))
        add_packed(writer, element);
    else if (writer->type == SDB_TYPE_SET && writer->small)
        add_integer(writer, &element->name);
    else
        add_apart(writer, element);
    return writer->is_too_large || writer->out.failed || writer->piece.failed;
}

/* ---- the whole -------------------------------------------------------------------------------------------------------- */

void payload_begin(struct payload_writer *writer, uint32_t type, int small)
{
    static const uint8_t front[FRONT];

    memset(writer, 0, sizeof(*writer));
    writer->type = type;
    writer->small = small;
    payload_put(&writer->out, front, sizeof(front));
    if (type == SDB_TYPE_LIST || is_packed(writer))
        packed_begin_listpack(&writer->piece);
}

static enum payload_form form_of(const struct payload_writer *writer)
{
    switch (writer->type) {
    case SDB_TYPE_LIST:
        return PAYLOAD_LIST_LISTPACKS;
    case SDB_TYPE_SET:
        return writer->small ? PAYLOAD_SET_INTSET : PAYLOAD_SET;
    case SDB_TYPE_HASH:
        return writer->small ? PAYLOAD_HASH_LISTPACK : PAYLOAD_HASH;
    case SDB_TYPE_ZSET:
        return writer->small ? PAYLOAD_ZSET_LISTPACK : PAYLOAD_ZSET;
    default:
        return PAYLOAD_STRING;
    }
}

/* A collection in one piece, as a string. */
static void put_whole(struct payload_writer *writer)
{
    struct payload_bytes set = {0};

    if (writer->type == SDB_TYPE_SET) {
        packed_put_intset(&set, (int64_t *)(void *)writer->piece.data, writer->piece.size / sizeof(int64_t));
        payload_put_text(&writer->out, &(struct sdb_slice){set.data, set.size});
        writer->out.failed |= set.failed;
        free(set.data);
    } else {
        packed_end_listpack(&writer->piece, writer->piece_count);
        payload_put_text(&writer->out, &(struct sdb_slice){writer->piece.data, writer->piece.size});
    }
}

int payload_end(struct payload_writer *writer)
{
    const enum payload_form form = form_of(writer);
    const int counted = form == PAYLOAD_LIST_LISTPACKS || form == PAYLOAD_SET || form == PAYLOAD_HASH || form == PAYLOAD_ZSET;
    struct payload_bytes *out = &writer->out;
    uint8_t length[PAYLOAD_LENGTH_MAX] = {0};
    unsigned length_size = 0;

    if (writer->is_too_large)
        return 0;
    if (writer->type == SDB_TYPE_LIST)
        end_piece(writer);
    if (!writer->piece.failed && !counted && form != PAYLOAD_STRING)
        put_whole(writer);
    if (out->failed || writer->piece.failed)
        return 0;
    if (counted)
        length_size = payload_length_bytes(length, writer->count);
    memmove(out->data + 1 + length_size, out->data + FRONT, out->size - FRONT);
    memcpy(out->data + 1, length, length_size);
    out->data[0] = (uint8_t)form;
    out->size -= FRONT - 1 - length_size;
    return payload_put_footer(out);
}

void payload_free(struct payload_writer *writer)
{
    free(writer->out.data);
    free(writer->piece.data);
}
