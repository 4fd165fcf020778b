/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * payload_packed.h - collections in one string, as payloads have them: listpacks, ziplists, zipmaps, sets of integers
 *
 *     listpack    4 bytes: its size. 2 bytes: how many elements, FFFF: it is not said. The elements, each behind itself its size
 *                 again, to be read backwards. FF
 *     ziplist     4 bytes: its size. 4 bytes: where the last element is. 2 bytes: how many. The elements, each behind the size of
 *                 the one before it. FF
 *     zipmap      1 byte: how many pairs, from FE on: it is not said. Fields and values. FF
 *     intset      4 bytes: the size of each integer. 4 bytes: how many. The integers, in order
 *
 * Little-endian but for the sizes of strings, and the sizes behind. Pure.
 */
#ifndef SDB_SERVER_PAYLOAD_PACKED_H
#define SDB_SERVER_PAYLOAD_PACKED_H

#include "number.h"
#include "payload.h"

/* An element as text: in the packed bytes, or in `number`, so that it must not move. */
struct packed_text {
    struct sdb_slice slice;
    char number[NUMBER_TEXT_SIZE];
};

struct packed_walk;
typedef int packed_step(struct packed_walk *walk, struct packed_text *text);

/* A walk through the elements, a field and its value being two. */
struct packed_walk {
    const uint8_t *begin, *at, *end; /* end: the last byte, FF; of an intset behind it */
    const uint8_t *last;             /* where the element in front is */
    packed_step *step;
    uint64_t count, expected; /* elements; UINT64_MAX: it is not said */
    unsigned width;           /* of an integer */
    int64_t before;
};

/* 1, or 0: this is no such thing. */
int packed_open_listpack(struct packed_walk *walk, const void *data, size_t size);
int packed_open_ziplist(struct packed_walk *walk, const void *data, size_t size);
int packed_open_zipmap(struct packed_walk *walk, const void *data, size_t size);
int packed_open_intset(struct packed_walk *walk, const void *data, size_t size);

enum packed_result { PACKED_END = 0, PACKED_ELEMENT = 1, PACKED_BAD = -1 };

/* The next element. PACKED_END: there is none, and everything was as it should be. */
static inline enum packed_result packed_next(struct packed_walk *walk, struct packed_text *text)
{
    return (enum packed_result)walk->step(walk, text);
}

/* ---- writing listpacks and intsets ---- */

#define PACKED_LISTPACK_OVERHEAD 7 /* header and end */

void packed_begin_listpack(struct payload_bytes *bytes);
void packed_add_to_listpack(struct payload_bytes *bytes, const struct sdb_slice *text);
void packed_end_listpack(struct payload_bytes *bytes, uint64_t count);

/* How many bytes the element would take in a listpack. */
size_t packed_listpack_size(const struct sdb_slice *text);

/* An intset of these integers, which it sorts. */
void packed_put_intset(struct payload_bytes *bytes, int64_t *numbers, size_t count);

#endif
