/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * states.h - what may become of a unit of the medium in a power cut
 *
 * A state takes the first `prefix` of the unit's groups of ordered events, the words in `mask` of the next group, and
 * any of its streamed words. So a unit with groups of n1, n2, ... words has 1 + (2^n1 - 1) + (2^n2 - 1) + ... states,
 * times 2^m for m streamed words.
 *
 * Threads: under the domain's lock
 * Memory:  none
 */
#ifndef SDB_CRASHTEST_STATES_H
#define SDB_CRASHTEST_STATES_H

#include "domain.h"

struct state {
    uint32_t prefix;
    uint64_t mask;    /* of the words of the group behind the prefix, in their order */
    uint64_t streams; /* of the streamed words; bits are used again where there are more than 64 */
};

struct shape {
    uint32_t groups;  /* ordered ones */
    uint32_t streams; /* streamed groups */
    uint32_t stream_words;
    double states; /* infinite where they are very many */
    double states_log2;
};

struct shape unit_shape(const struct unit *unit);

struct state state_none(void);
struct state state_all(const struct shape *shape);

/* State number `index` of a unit with few of them, and at most one streamed group. */
struct state state_at(const struct unit *unit, const struct shape *shape, uint64_t index);

/*
 * The states worth trying where there are too many: each prefix, and of each group of words each alone and each
 * missing. Returns false behind the last.
 */
bool state_notable(const struct unit *unit, const struct shape *shape, uint32_t index, struct state *state);

struct state state_random(const struct unit *unit, const struct shape *shape, uint64_t *random);

/* Everything of the unit up to a group, and of that group the words in mask: the state at one moment, for eADR. */
struct state state_at_moment(const struct unit *unit, uint64_t group, uint64_t mask, uint64_t streams);

/* Writes the unit's words in that state: the durable ones, with the state's events on top. */
void state_contents(unsigned level, const struct unit *unit, const struct state *state, uint64_t *words);

uint64_t random_next(uint64_t *random);

#endif
