/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * reply.h - writes RESP2 and RESP3 replies into a growing buffer. Pure: no I/O.
 *
 * The buffer is one flat allocation; its owner sends reply->data[sent..size). An allocation that fails sets reply->failed
 * and the writer goes on doing nothing: the owner checks once, and closes the connection. So does a buffer that would have to
 * grow beyond size_max.
 */
#ifndef SDB_RESP_REPLY_H
#define SDB_RESP_REPLY_H

#include <stddef.h>
#include <stdint.h>

struct reply {
    char *data;
    size_t size;
    size_t capacity;
    size_t size_max;  /* 0: none */
    uint8_t protocol; /* 2 or 3 */
    uint8_t failed;
    uint8_t too_large; /* it failed because it would have grown past size_max */
};

void reply_init(struct reply *reply);
void reply_free(struct reply *reply);

/* Takes back everything behind the first size bytes: an answer that is replaced or suppressed. */
static inline void reply_truncate(struct reply *reply, size_t size)
{
    if (reply->size > size)
        reply->size = size;
}

/* Room for size more bytes: where to write them, or NULL. The caller adds what it wrote to reply->size. */
char *reply_reserve(struct reply *reply, size_t size);

void reply_raw(struct reply *reply, const void *data, size_t size);
void reply_ok(struct reply *reply);
void reply_status(struct reply *reply, const char *text);                    /* +text */

/*
 * -text. "ERR " goes in front where the first word is not one of the codes that reply.c lists (WRONGTYPE, NOAUTH, ...) and
 * text does not begin with '-', which stands for "the code follows". Line ends inside become blanks.
 */
void reply_error(struct reply *reply, const char *text);
void reply_errorf(struct reply *reply, const char *format, ...) __attribute__((format(printf, 2, 3)));
void reply_integer(struct reply *reply, int64_t value);                      /* :value */
void reply_bulk(struct reply *reply, const void *data, size_t size);         /* $size data */
void reply_bulk_small(struct reply *reply, const char data[16], size_t size);  /* the same; all 16 bytes can be read */
void reply_bulk_text(struct reply *reply, const char *text);
void reply_bulk_integer(struct reply *reply, int64_t value);                 /* an integer as a bulk string */
void reply_null(struct reply *reply);                                        /* $-1, or _ in RESP3 */
void reply_null_array(struct reply *reply);                                  /* *-1, or _ in RESP3 */
void reply_array(struct reply *reply, size_t count);                         /* *count */
void reply_map(struct reply *reply, size_t pairs);                           /* %pairs, or *2*pairs in RESP2 */
void reply_set(struct reply *reply, size_t count);                           /* ~count, or * in RESP2 */
void reply_push(struct reply *reply, size_t count);                          /* >count, or * in RESP2 */
void reply_double(struct reply *reply, double value);                        /* , or a bulk string in RESP2 */
void reply_boolean(struct reply *reply, int value);                          /* #t, or :1 in RESP2 */
void reply_verbatim(struct reply *reply, const void *data, size_t size, const char format[3]); /* =, or $ in RESP2 */

/* Where the number of elements is known only later: reply_array_later remembers the place, reply_array_set puts the header there. */
size_t reply_array_later(struct reply *reply);
void reply_array_set(struct reply *reply, size_t where, size_t count);

/* The same for other headers: '%' and '~' in RESP3. And a short bulk string in front of what stands at the place. */
void reply_header_set(struct reply *reply, size_t where, char kind, size_t count);
void reply_prepend_bulk(struct reply *reply, size_t where, const char *data, size_t size);

#endif
