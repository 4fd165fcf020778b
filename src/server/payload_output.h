/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * payload_output.h - what a payload (payload.h) consists of, written one behind the other
 */
#ifndef SDB_SERVER_PAYLOAD_OUTPUT_H
#define SDB_SERVER_PAYLOAD_OUTPUT_H

#include <stddef.h>
#include <stdint.h>

#include "superdb/superdb.h"

struct payload_bytes {
    uint8_t *data; /* the caller's to free */
    size_t size, capacity;
    int failed; /* there was no memory */
};

void payload_put(struct payload_bytes *bytes, const void *data, size_t size);
void payload_put_number(struct payload_bytes *bytes, uint64_t number, unsigned size); /* the lowest byte first */
void payload_put_length(struct payload_bytes *bytes, uint64_t length);

/* A string, as an integer or packed where that is shorter. */
void payload_put_text(struct payload_bytes *bytes, const struct sdb_slice *text);

/* The version, and the checksum of everything before. 1, or 0: there was no memory. */
int payload_put_footer(struct payload_bytes *bytes);

/* A length by itself, and how many bytes it takes. */
#define PAYLOAD_LENGTH_MAX 9u
unsigned payload_length_bytes(uint8_t bytes[PAYLOAD_LENGTH_MAX], uint64_t length);

#endif
