/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * states.c - what may become of a unit of the medium in a power cut
 *
 * Threads, memory: see states.h
 */
#include "states.h"

#include <math.h>
#include <string.h>

uint64_t random_next(uint64_t *random)
{
    uint64_t x = *random += 0x9e3779b97f4a7c15ull;

    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull;
    x = (x ^ x >> 27) * 0x94d049bb133111ebull;
    return x ^ x >> 31;
}

/* The events of the group that begins at i: how many. */
static uint32_t group_size(const struct unit *unit, uint32_t i)
{
    uint32_t n = 1;

    while (i + n < unit->count && unit->events[i + n].group == unit->events[i].group)
        n++;
    return n;
}

static bool is_stream(const struct unit *unit, uint32_t i)
{
    return unit->events[i].kind == EVENT_STREAM;
}

static uint64_t all_of(uint32_t words)
{
    return words >= 64 ? UINT64_MAX : (1ull << words) - 1;
}

struct shape unit_shape(const struct unit *unit)
{
    struct shape shape = {.states = 1};

    for (uint32_t i = 0, n; i < unit->count; i += n) {
        n = group_size(unit, i);
        if (is_stream(unit, i)) {
            shape.streams++;
            shape.stream_words += n;
        } else {
            shape.groups++;
            shape.states += ldexp(1, (int)n) - 1;
        }
    }
    shape.states_log2 = log2(shape.states) + shape.stream_words;
    shape.states *= ldexp(1, (int)shape.stream_words);
    return shape;
}

struct state state_none(void)
{
    return (struct state){0, 0, 0};
}

struct state state_all(const struct shape *shape)
{
    return (struct state){.prefix = shape->groups, .mask = 0, .streams = UINT64_MAX};
}

struct state state_at(const struct unit *unit, const struct shape *shape, uint64_t index)
{
    struct state state = {.streams = index & all_of(shape->stream_words)};

    index >>= shape->stream_words;
    if (index == 0)
        return state;
    index--;
    for (uint32_t i = 0, n; i < unit->count; i += n) {
        n = group_size(unit, i);
        if (is_stream(unit, i))
            continue;
        if (index < all_of(n)) {
            if (index + 1 == all_of(n))
                state.prefix++;
            else
                state.mask = index + 1;
            return state;
        }
        index -= all_of(n);
        state.prefix++;
    }
    return state;
}

bool state_notable(const struct unit *unit, const struct shape *shape, uint32_t index, struct state *state)
{
    uint32_t group = 0;

    for (uint32_t i = 0, n; i < unit->count; i += n) {
        const bool stream = is_stream(unit, i);
        uint32_t many;

        n = group_size(unit, i);
        many = 1 + (n > 1 ? 2 * n : 0);
        *state = state_all(shape);
        if (!stream)
            state->prefix = group++;
        if (index < many) {
            uint64_t mask = index == 0  ? 0
                            : index % 2 ? 1ull << (index - 1) / 2 % 64
                                        : all_of(n) & ~(1ull << (index - 1) / 2 % 64);

            *(stream ? &state->streams : &state->mask) = mask;
            return true;
        }
        index -= many;
    }
    return false;
}

struct state state_random(const struct unit *unit, const struct shape *shape, uint64_t *random)
{
    uint64_t r = random_next(random);
    struct state state = {.prefix = (uint32_t)((r >> 32) % (shape->groups + 1)), .streams = random_next(random)};

    (void)unit;
    state.mask = random_next(random);
    if (r & 1)
        state.mask = 0;
    else if (r & 2)
        state.mask &= random_next(random);
    if ((r & 12) == 0)
        state.streams = 0;
    else if ((r & 12) == 4)
        state.streams = UINT64_MAX;
    return state;
}

struct state state_at_moment(const struct unit *unit, uint64_t group, uint64_t mask, uint64_t streams)
{
    struct state state = {.streams = streams};

    for (uint32_t i = 0, n; i < unit->count; i += n) {
        n = group_size(unit, i);
        if (is_stream(unit, i))
            continue;
        if (unit->events[i].group == group)
            state.mask = mask;
        if (unit->events[i].group >= group)
            break;
        state.prefix++;
    }
    return state;
}

void state_contents(unsigned level, const struct unit *unit, const struct state *state, uint64_t *words)
{
    uint32_t group = 0, streamed = 0;

    memcpy(words, domains.levels[level + 1].medium.base + unit->number * domains.unit_size, domains.unit_size);
    for (uint32_t i = 0, n; i < unit->count; i += n) {
        n = group_size(unit, i);
        for (uint32_t k = 0; k < n; k++) {
            const struct event *event = &unit->events[i + k];
            bool taken = is_stream(unit, i)      ? state->streams >> ((streamed + k) % 64) & 1
                         : group < state->prefix ? true
                                                 : group == state->prefix && (state->mask >> k % 64 & 1);

            if (taken)
                words[event->word] = event->value;
        }
        *(is_stream(unit, i) ? &streamed : &group) += is_stream(unit, i) ? n : 1;
    }
}
