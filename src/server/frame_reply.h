/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * frame_reply.h - writes reply frames into a client's reply buffer. `header` is the request's, whose opcode and tag the reply has.
 */
#ifndef SDB_SERVER_FRAME_REPLY_H
#define SDB_SERVER_FRAME_REPLY_H

#include "reply.h"
#include "superdb/superdb.h"
#include "wire.h"

static inline uint64_t frame_reply_header(uint64_t header, uint32_t status, size_t body_size)
{
    return wire_header(wire_opcode(header), status, wire_tag(header), (uint32_t)(WIRE_HEADER_SIZE + body_size));
}

/* A frame with room for a body, whose padding is written. Returns where the body goes, or NULL. */
static inline char *frame_reply(struct reply *reply, uint64_t header, uint32_t status, size_t body_size)
{
    size_t size = wire_padded(WIRE_HEADER_SIZE + body_size);
    char *to = reply_reserve(reply, size);

    if (to == NULL)
        return NULL;
    memset(to + size - 8, 0, 8);
    wire_put64(to, frame_reply_header(header, status, body_size));
    reply->size += size;
    return to + WIRE_HEADER_SIZE;
}

static inline void frame_reply_status(struct reply *reply, uint64_t header, uint32_t status)
{
    (void)frame_reply(reply, header, status, 0);
}

static inline void frame_reply_bytes(struct reply *reply, uint64_t header, const void *data, size_t size)
{
    char *to = frame_reply(reply, header, 0, size);

    if (to != NULL && size > 0)
        memcpy(to, data, size);
}

static inline void frame_reply_number(struct reply *reply, uint64_t header, uint64_t number)
{
    char *to = frame_reply(reply, header, 0, sizeof(number));

    if (to != NULL)
        wire_put64(to, number);
}

/* An error with its story. */
static inline void frame_reply_text(struct reply *reply, uint64_t header, uint32_t status, const char *text)
{
    size_t size = strlen(text);
    char *to = frame_reply(reply, header, status, size);

    if (to != NULL)
        memcpy(to, text, size);
}

#endif
