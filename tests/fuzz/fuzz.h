/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fuzz.h - what every fuzz target shares: its entry point, its check, and a reader of its input
 *
 * A target is one function of bytes. With the fuzz preset it is linked with libFuzzer, which invents the bytes; in every
 * other build with feed.c, which reads them from the kept corpus, so that each is an ordinary test.
 */
#ifndef SDB_TESTS_FUZZ_H
#define SDB_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Fails the run with words. In sanitizer builds too an abort is what both mains expect. */
#define FUZZ_CHECK(condition, ...)                                                                                     \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            (void)fprintf(stderr, "%s:%d: does not hold: %s: ", __FILE__, __LINE__, #condition);                       \
            (void)fprintf(stderr, __VA_ARGS__);                                                                        \
            (void)fputc('\n', stderr);                                                                                 \
            abort();                                                                                                   \
        }                                                                                                              \
    } while (0)

/* The input, taken from the front; behind its end are zeros. */
struct fuzz_input {
    const uint8_t *data;
    size_t size;
};

static inline uint64_t fuzz_take(struct fuzz_input *input, unsigned bytes)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < bytes && input->size > 0; i++) {
        value |= (uint64_t)*input->data++ << 8 * i;
        input->size--;
    }
    return value;
}

/* A small generator for what the input decides with one byte: the sizes of chunks. */
static inline uint64_t fuzz_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* How many bytes come next when `left` are left: for seed 0 one, for 255 all, else 1 to 64. */
static inline size_t fuzz_chunk(uint64_t *state, unsigned seed, size_t left)
{
    size_t size = seed == 0 ? 1 : seed == 255 ? left : 1 + fuzz_random(state) % 64;

    return size < left ? size : left;
}

#endif
