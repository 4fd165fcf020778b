/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * wire.h - the layout of the binary protocol's frames (docs/BINARY-PROTOCOL.md), for whoever writes or reads them. Pure: no I/O.
 *
 * A frame begins with one word of 8 bytes and takes a multiple of 8 bytes of the stream, so that each begins aligned where the
 * stream does:
 *     00     opcode; a reply has its request's
 *     01     request: flags; reply: status, a negated enum sdb_error or enum wire_status
 *     02-03  tag: the request's own, which the reply repeats
 *     04-07  size of the frame with this header, without the zero bytes that pad it
 * All numbers are little endian. Functions named wire_put_ write what wire_get_ read.
 */
#ifndef SDB_WIRE_WIRE_H
#define SDB_WIRE_WIRE_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define WIRE_VERSION 1u
#define WIRE_MAGIC 0x42444c5245505553ull /* "SUPERLDB" */
#define WIRE_HEADER_SIZE 8u
#define WIRE_KEY_SIZE_MAX 65536u
#define WIRE_VALUE_SIZE_MAX 536870912u
#define WIRE_MANY_MAX 65536u                 /* entries of one frame */
#define WIRE_KEYS_SIZE_MAX (16u << 20)       /* of a frame of many keys without values */
#define WIRE_SMALL_SIZE_MAX 65600u           /* of frames with a key and numbers, and of those with an unknown opcode */
#define WIRE_UNAUTHENTICATED_SIZE_MAX 16384u /* of every frame before the password */
#define WIRE_REPLY_SIZE_MAX (1u << 30)       /* of a reply with many values */

enum wire_opcode {
    WIRE_HELLO = 0xdb, /* first on a connection, and no RESP request begins so */
    WIRE_PING = 0x01,
    WIRE_AUTH = 0x02,
    WIRE_SELECT = 0x03,
    WIRE_COMMAND = 0x04,
    WIRE_GET = 0x10,
    WIRE_GET_BY_HANDLE = 0x11,
    WIRE_SET = 0x12,
    WIRE_SET_BY_HANDLE = 0x13,
    WIRE_DELETE = 0x14,
    WIRE_EXISTS = 0x15,
    WIRE_ADD = 0x16,
    WIRE_HANDLE = 0x17,
    WIRE_EXPIRE = 0x18,
    WIRE_GET_MANY = 0x20,
    WIRE_GET_MANY_BY_HANDLE = 0x21,
    WIRE_SET_MANY = 0x22,
    WIRE_SET_MANY_BY_HANDLE = 0x23,
    WIRE_DELETE_MANY = 0x24,
    WIRE_HANDLE_MANY = 0x25,
    WIRE_ERROR = 0xff, /* a reply to nothing in particular: the connection ends behind it */
};

/* Statuses that are not a negated enum sdb_error. */
enum wire_status {
    WIRE_STATUS_MALFORMED = 200,  /* the stream is not understood: closed */
    WIRE_STATUS_VERSION = 201,    /* no common version: closed */
    WIRE_STATUS_AUTH = 202,       /* authenticate first, or the password is wrong */
    WIRE_STATUS_OPCODE = 203,     /* no such request in this version, or a flag or a reserved field that it does not know */
    WIRE_STATUS_REFUSED = 204,    /* WIRE_COMMAND: not here */
    WIRE_STATUS_PERMISSION = 205, /* the user may not do this, or not with this key */
};

enum wire_flags {
    /* WIRE_SET: as enum sdb_set_flags, then its own. WIRE_SET_MANY: the first. */
    WIRE_IF_ABSENT = 1u << 0,
    WIRE_IF_PRESENT = 1u << 1,
    WIRE_IF_VERSION = 1u << 2,
    WIRE_KEEP_EXPIRY = 1u << 3,
    WIRE_EXPIRE_AT = 1u << 4, /* milliseconds since 1970 */
    WIRE_EXPIRE_IN = 1u << 5, /* milliseconds from now */
    WIRE_WANT_HANDLE = 1u << 6,
    /* WIRE_GET, WIRE_GET_BY_HANDLE */
    WIRE_WANT_META = 1u << 0,
    /* WIRE_GET_MANY */
    WIRE_ONE_MOMENT = 1u << 0,
};

#define WIRE_HELLO_SIZE 32u       /* request: header, magic, version, 0, features */
#define WIRE_HELLO_REPLY_SIZE 64u
#define WIRE_META_SIZE 24u        /* version, handle, expiry */
#define WIRE_CELL_SIZE 24u        /* of a reply with many values */

#define WIRE_HELLO_AUTH 1u        /* of the hello reply's flags: a password is wanted */

/*
 * A cell: a value of a reply to WIRE_GET_MANY or WIRE_GET_MANY_BY_HANDLE, as struct sdb_inline lies in memory, but for values that do
 * not fit into it. Offsets:
 */
enum wire_cell {
    WIRE_CELL_RESULT = 0,   /* i32: 0 or an enum sdb_error */
    WIRE_CELL_SIZE_AT = 4,  /* u8, of a value in the cell */
    WIRE_CELL_ENCODING = 5, /* u8: enum wire_encoding */
    WIRE_CELL_VALUE = 8,    /* up to 16 bytes, padded with zero bytes; or an i64 */
    WIRE_CELL_FAR_SIZE = 8, /* u64: of a value behind the cells */
    WIRE_CELL_OFFSET = 16,  /* u64: from the frame's first byte to it, a multiple of 8 */
};
enum wire_encoding { /* as enum sdb_encoding */
    WIRE_ENCODING_INT = 1,    /* an integer: its decimal text is the value */
    WIRE_ENCODING_INLINE = 2, /* in the cell */
    WIRE_ENCODING_FAR = 3,    /* behind the cells */
};

static inline uint64_t wire_get64(const char *from)
{
    uint64_t value;

    memcpy(&value, from, sizeof(value));
#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
    value = __builtin_bswap64(value);
#endif
    return value;
}

static inline uint32_t wire_get32(const char *from)
{
    uint32_t value;

    memcpy(&value, from, sizeof(value));
#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
    value = __builtin_bswap32(value);
#endif
    return value;
}

static inline char *wire_put64(char *to, uint64_t value)
{
#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
    value = __builtin_bswap64(value);
#endif
    memcpy(to, &value, sizeof(value));
    return to + sizeof(value);
}

static inline char *wire_put32(char *to, uint32_t value)
{
#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
    value = __builtin_bswap32(value);
#endif
    memcpy(to, &value, sizeof(value));
    return to + sizeof(value);
}

static inline uint64_t wire_header(uint32_t opcode, uint32_t flags, uint32_t tag, uint32_t size)
{
    return (uint64_t)(opcode & 0xff) | (uint64_t)(flags & 0xff) << 8 | (uint64_t)(tag & 0xffff) << 16 | (uint64_t)size << 32;
}

static inline uint8_t wire_opcode(uint64_t header)
{
    return (uint8_t)header;
}

static inline uint8_t wire_flags(uint64_t header)
{
    return (uint8_t)(header >> 8);
}

static inline uint16_t wire_tag(uint64_t header)
{
    return (uint16_t)(header >> 16);
}

static inline uint32_t wire_size(uint64_t header)
{
    return (uint32_t)(header >> 32);
}

/* What a frame of so many bytes takes of the stream. */
static inline size_t wire_padded(size_t size)
{
    return (size + 7) & ~(size_t)7;
}

#endif
