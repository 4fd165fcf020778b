/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * answer.c - replies of the binary protocol
 *
 * Everything that sdb_client_value relies on later is checked here, once, when the frame is taken.
 */
#include "answer.h"

#include "number.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "cells and handles are read as they lie in memory");
_Static_assert(sizeof(struct sdb_inline) == WIRE_CELL_SIZE && offsetof(struct sdb_inline, size) == WIRE_CELL_SIZE_AT &&
                   offsetof(struct sdb_inline, encoding) == WIRE_CELL_ENCODING && offsetof(struct sdb_inline, value) == WIRE_CELL_VALUE,
               "a cell is a struct sdb_inline");
_Static_assert(SDB_CLIENT_TEXT_SIZE >= NUMBER_TEXT_SIZE, "an integer's text fits");

/* ---- cells ------------------------------------------------------------------------------------------------------------ */

/* Whether a cell of a frame of so many bytes is one. */
static int is_cell(const struct sdb_inline *cell, uint64_t behind, uint64_t frame_size)
{
    uint64_t size, offset;

    if (cell->result != SDB_OK)
        return cell->result < 0;
    switch (cell->encoding) {
    case WIRE_ENCODING_INT:
        return 1;
    case WIRE_ENCODING_INLINE:
        return cell->size <= sizeof(cell->value.data);
    case WIRE_ENCODING_FAR:
        size = wire_get64((const char *)cell + WIRE_CELL_FAR_SIZE);
        offset = wire_get64((const char *)cell + WIRE_CELL_OFFSET);
        return offset >= behind && offset <= frame_size && size <= frame_size - offset;
    default:
        return 0;
    }
}

static int take_cells(struct sdb_client_reply *reply, uint32_t asked, const char *data, uint64_t size)
{
    uint64_t behind = WIRE_HEADER_SIZE + 8 + (uint64_t)asked * WIRE_CELL_SIZE;
    const struct sdb_inline *cells = (const struct sdb_inline *)(const void *)(data + WIRE_HEADER_SIZE + 8);

    if (size < behind || wire_get64(data + WIRE_HEADER_SIZE) != asked)
        return 0;
    for (uint32_t i = 0; i < asked; i++) {
        if (!is_cell(&cells[i], behind, size))
            return 0;
    }
    reply->count = asked;
    reply->values = cells;
    reply->data = data; /* offsets count from here */
    reply->size = size;
    return 1;
}

int sdb_client_value(const struct sdb_client_reply *reply, size_t index, char text[SDB_CLIENT_TEXT_SIZE], struct sdb_slice *value)
{
    const struct sdb_inline *cell;

    if (reply->values == NULL || index >= reply->count)
        return SDB_EINVAL;
    cell = &reply->values[index];
    if (cell->result != SDB_OK)
        return cell->result;
    if (cell->encoding == WIRE_ENCODING_INT)
        *value = (struct sdb_slice){text, number_format_i64(text, cell->value.integer)};
    else if (cell->encoding == WIRE_ENCODING_INLINE)
        *value = (struct sdb_slice){cell->value.data, cell->size};
    else
        *value = (struct sdb_slice){(const char *)reply->data + wire_get64((const char *)cell + WIRE_CELL_OFFSET),
                                    wire_get64((const char *)cell + WIRE_CELL_FAR_SIZE)};
    return SDB_OK;
}

/* ---- bodies ----------------------------------------------------------------------------------------------------------- */

/* The body of a reply with status 0. A longer one than this version knows is allowed. */
static int take_body(struct sdb_client_reply *reply, uint64_t request, const char *data, uint64_t size)
{
    const char *body = data + WIRE_HEADER_SIZE;
    uint64_t body_size = size - WIRE_HEADER_SIZE;
    uint32_t asked = wire_size(request);

    reply->data = body;
    reply->size = body_size;
    switch (wire_opcode(request)) {
    case WIRE_GET:
    case WIRE_GET_BY_HANDLE:
        if ((wire_flags(request) & WIRE_WANT_META) == 0)
            return 1;
        if (body_size < WIRE_META_SIZE)
            return 0;
        reply->version = wire_get64(body);
        reply->handle = wire_get64(body + 8);
        reply->expire_ms = (int64_t)wire_get64(body + 16);
        reply->data = body + WIRE_META_SIZE;
        reply->size = body_size - WIRE_META_SIZE;
        return 1;
    case WIRE_PING:
    case WIRE_COMMAND:
    case WIRE_HELLO:
        return 1;
    case WIRE_GET_MANY:
    case WIRE_GET_MANY_BY_HANDLE:
        return take_cells(reply, asked, data, size);
    case WIRE_HANDLE_MANY:
        reply->count = asked;
        reply->handles = (const uint64_t *)(const void *)body;
        reply->size = 8ul * asked;
        return body_size >= 8ul * asked;
    case WIRE_SET:
        if ((wire_flags(request) & WIRE_WANT_HANDLE) == 0)
            break;
        __attribute__((fallthrough));
    case WIRE_HANDLE:
        if (body_size < 8)
            return 0;
        reply->handle = wire_get64(body);
        break;
    case WIRE_ADD:
    case WIRE_DELETE_MANY:
        if (body_size < 8)
            return 0;
        reply->number = (int64_t)wire_get64(body);
        break;
    default:
        break;
    }
    reply->data = NULL;
    reply->size = 0;
    return 1;
}

enum answer answer_parse(uint64_t request, const char *data, size_t size, uint64_t size_max, struct sdb_client_reply *reply, size_t *used,
                         const char **wrong)
{
    uint64_t header, frame_size;
    int ends;

    if (size < WIRE_HEADER_SIZE)
        return ANSWER_PARTIAL;
    header = wire_get64(data);
    frame_size = wire_size(header);
    ends = wire_opcode(header) == WIRE_ERROR && wire_flags(header) != 0;
    if (!ends && (wire_opcode(header) != wire_opcode(request) || wire_tag(header) != wire_tag(request))) {
        *wrong = "a reply to another request";
        return ANSWER_WRONG;
    }
    if (frame_size < WIRE_HEADER_SIZE || frame_size > size_max) {
        *wrong = "a reply's size is beyond its bounds";
        return ANSWER_WRONG;
    }
    if (size < wire_padded(frame_size))
        return ANSWER_PARTIAL;
    *reply = (struct sdb_client_reply){.result = -(int)wire_flags(header)};
    if (reply->result != SDB_OK) {
        reply->data = data + WIRE_HEADER_SIZE;
        reply->size = frame_size - WIRE_HEADER_SIZE;
    } else if (!take_body(reply, request, data, frame_size)) {
        *wrong = "a reply's body is not what was asked for";
        return ANSWER_WRONG;
    }
    *used = wire_padded(frame_size);
    return ends ? ANSWER_ENDS : ANSWER_COMPLETE;
}
