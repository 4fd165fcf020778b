/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * frame.h - parses the binary protocol's requests out of a byte buffer, many at a time. Pure: no I/O, no state, no memory.
 *
 * A frame is taken when all of it is there. Every length in it was then checked against every other, so that who runs it need not.
 */
#ifndef SDB_WIRE_FRAME_H
#define SDB_WIRE_FRAME_H

#include "wire.h"

/* A request. Pointers lead into the buffer that was parsed. */
struct wire_frame {
    uint64_t header;
    const char *body;    /* behind the header */
    const char *key;     /* of one key; WIRE_AUTH: the user's name */
    const char *value;   /* WIRE_SET, WIRE_SET_BY_HANDLE; WIRE_AUTH: the password; many: what follows the fixed part */
    uint32_t key_size, value_size;
    uint64_t number;     /* the handle, delta, time, or database; WIRE_SET: the time */
    uint64_t version;    /* WIRE_SET with WIRE_IF_VERSION */
    uint32_t count;      /* of entries, in frames of many */
    uint32_t status;     /* not 0: the request cannot be run, and this is its reply's status */
};

struct wire_limits {
    uint64_t value_size_max; /* up to WIRE_VALUE_SIZE_MAX */
    uint8_t unauthenticated; /* WIRE_UNAUTHENTICATED_SIZE_MAX holds, too */
};

/*
 * Parses up to max frames from data[0..size). Returns how many; *used says how many bytes they take of the buffer. *error is NULL, or
 * says in words why what stands there is no frame: those that were returned still count, nothing behind them does. With *error
 * NULL and fewer than max frames, more bytes are needed.
 */
unsigned wire_parse(const struct wire_limits *limits, const char *data, size_t size, struct wire_frame *frames, unsigned max,
                    size_t *used, const char **error);

/* The entries of frames of many, one after the other. Begin with {0}; call it frame->count times at most. */
struct wire_cursor {
    uint32_t index;
    size_t offset; /* into what follows the fixed part */
};

struct wire_entry {
    const char *key, *value;
    uint32_t key_size, value_size;
    uint64_t handle;
};

/* The next entry of WIRE_GET_MANY, WIRE_DELETE_MANY and WIRE_HANDLE_MANY; of WIRE_SET_MANY; of WIRE_SET_MANY_BY_HANDLE. */
static inline struct wire_entry wire_next_key(const struct wire_frame *frame, struct wire_cursor *cursor)
{
    struct wire_entry entry = {.key = frame->value + cursor->offset, .key_size = wire_get32(frame->body + 8 + 4ul * cursor->index)};

    cursor->index++;
    cursor->offset += entry.key_size;
    return entry;
}

static inline struct wire_entry wire_next_pair(const struct wire_frame *frame, struct wire_cursor *cursor)
{
    const char *sizes = frame->body + 8 + 8ul * cursor->index;
    struct wire_entry entry = {.key_size = wire_get32(sizes), .value_size = wire_get32(sizes + 4)};

    entry.key = frame->value + cursor->offset;
    entry.value = entry.key + entry.key_size;
    cursor->index++;
    cursor->offset += (size_t)entry.key_size + entry.value_size;
    return entry;
}

static inline struct wire_entry wire_next_handle(const struct wire_frame *frame, struct wire_cursor *cursor)
{
    const char *fixed = frame->body + 8 + 16ul * cursor->index;
    struct wire_entry entry = {
        .handle = wire_get64(fixed), .value = frame->value + cursor->offset, .value_size = wire_get32(fixed + 8)};

    cursor->index++;
    cursor->offset += entry.value_size;
    return entry;
}

#endif
