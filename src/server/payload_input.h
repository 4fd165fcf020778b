/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * payload_input.h - what a payload (payload.h) consists of, read from its beginning on
 *
 * All but payload_drop: nothing that is said to follow is believed to. 1 or SDB_OK, or 0 or an error: there is no such thing.
 */
#ifndef SDB_SERVER_PAYLOAD_INPUT_H
#define SDB_SERVER_PAYLOAD_INPUT_H

#include <stddef.h>
#include <stdint.h>

#include "number.h"
#include "superdb/superdb.h"

struct payload_input {
    const uint8_t *at, *end;
};

/* So many bytes; NULL: there are fewer. */
const uint8_t *payload_take(struct payload_input *input, uint64_t size);

int payload_take_number(struct payload_input *input, unsigned size, int lowest_first, uint64_t *number);

/* A length, or a number of elements. An encoding in its place counts as the length that its lower bits are. */
int payload_take_length(struct payload_input *input, uint64_t *length);

/* A string: in the payload, in `number`, or in memory of its own. It must not move. */
struct payload_text {
    struct sdb_slice slice;
    uint8_t *own;
    char number[NUMBER_TEXT_SIZE];
};

/* The caller owes a payload_drop, whatever is returned. Errors: SDB_EFORMAT, SDB_ENOMEM. */
int payload_take_text(struct payload_input *input, struct payload_text *text);
void payload_drop(struct payload_text *text);

#endif
