/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * payload.h - the bytes that DUMP gives and RESTORE takes: a value in the form of Redis' snapshots, version 10
 *
 * 1 byte: the form (enum payload_form). The value. 2 bytes: the version. 8 bytes: the CRC-64 (crc64.h) of everything before. What
 * a value looks like depends on its form:
 *     lengths     00xxxxxx | 01xxxxxx + 1 byte | 80 + 4 bytes | 81 + 8 bytes, the highest byte first
 *     strings     length, bytes | C0 + 1, C1 + 2, C2 + 4 bytes: an integer | C3, length, length when unpacked, LZF bytes (lzf.h)
 *     elements    how many, and each as strings; a score is 8 bytes, in old forms a text
 *     packed      a string that holds a whole collection, or a piece of a list: payload_packed.h
 *     streams     payload_stream.h
 *
 * Written are the forms of Redis 7.0; read are all that it reads, but those of modules, and streams of Redis 7.2. A payload is not believed
 * anything: all of a packed one is checked, as Redis does with sanitize-dump-payload.
 */
#ifndef SDB_SERVER_PAYLOAD_H
#define SDB_SERVER_PAYLOAD_H

#include <stddef.h>
#include <stdint.h>

#include "payload_output.h"
#include "superdb/superdb.h"

enum payload_form {
    PAYLOAD_STRING = 0,
    PAYLOAD_LIST = 1,
    PAYLOAD_SET = 2,
    PAYLOAD_ZSET_TEXT = 3,
    PAYLOAD_HASH = 4,
    PAYLOAD_ZSET = 5,
    PAYLOAD_HASH_ZIPMAP = 9,
    PAYLOAD_LIST_ZIPLIST = 10,
    PAYLOAD_SET_INTSET = 11,
    PAYLOAD_ZSET_ZIPLIST = 12,
    PAYLOAD_HASH_ZIPLIST = 13,
    PAYLOAD_LIST_ZIPLISTS = 14,
    PAYLOAD_STREAM = 15,
    PAYLOAD_HASH_LISTPACK = 16,
    PAYLOAD_ZSET_LISTPACK = 17,
    PAYLOAD_LIST_LISTPACKS = 18,
    PAYLOAD_STREAM_2 = 19,
    PAYLOAD_STREAM_3 = 21, /* of version 11 */
};

/* Strings: what stands in front instead of a length. */
enum payload_encoding { PAYLOAD_INT8 = 0, PAYLOAD_INT16 = 1, PAYLOAD_INT32 = 2, PAYLOAD_LZF = 3 };

/* Pieces of a PAYLOAD_LIST_LISTPACKS: an element by itself, or a listpack of them. */
enum payload_piece { PAYLOAD_PIECE_PLAIN = 1, PAYLOAD_PIECE_PACKED = 2 };

#define PAYLOAD_VERSION 10
#define PAYLOAD_VERSION_STREAM_3 11
#define PAYLOAD_FOOTER_SIZE 10

/* ---- reading: payload_read.c ---- */

/* Whether the version is one that can be read, and the checksum right. */
int payload_is_whole(const void *data, size_t size);

/* What it holds (enum sdb_type); SDB_TYPE_NONE: nothing that can be read. */
uint32_t payload_type(const void *data, size_t size);

/*
 * Of all but streams, which payload_stream.h is for. Shows the elements, of a string itself as the only one's name, in their order. A name may come twice. Not looked at: the footer.
 * Errors: SDB_EFORMAT, also where there is no element; SDB_ENOMEM; what visit returns that is not 0. Some elements may have been
 * shown then.
 */
int payload_read(const void *data, size_t size, sdb_element_fn *visit, void *context);

/* ---- writing: payload_write.c ---- */

/*
 *     payload_begin(&writer, SDB_TYPE_HASH, 1);
 *     sdb_collection_each(..., payload_add, &writer);      // of a string: one call, the string as the element's name
 *     if (payload_end(&writer)) ... writer.out ...         // else no memory, or, where writer.is_too_large, begin again with small 0
 *     payload_free(&writer);
 */
struct payload_writer {
    struct payload_bytes out; /* behind payload_end: the payload */
    int is_too_large;         /* to be packed in one piece */
    /* private */
    uint32_t type;
    int small;
    uint64_t count;             /* elements, or pieces of a list */
    struct payload_bytes piece; /* a listpack, or the integers of a set */
    uint32_t piece_count;
};

/* small: packed in one piece, as OBJECT ENCODING says. Of a string and a list it does not matter. */
void payload_begin(struct payload_writer *writer, uint32_t type, int small);
sdb_element_fn payload_add;
int payload_end(struct payload_writer *writer);
void payload_free(struct payload_writer *writer);

#endif
