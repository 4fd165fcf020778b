/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * hyperloglog.c - registers in dense and sparse encoding, and the estimate
 *
 * What a sparse value looks like after a change is Redis' way to the byte: the run that holds the register is split, and then some runs
 * from the one in front of it on are joined with their neighbours.
 *
 * Memory: a value's copy
 */
#include "hyperloglog.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define INDEX_BITS 14
#define HASH_BITS 50 /* that zeros are counted in */
#define HASH_SEED 0xadc83b19ull
#define SPARSE_NUMBER_MAX 32
#define SPARSE_NUMBERS_MAX 4 /* registers of a run that are not 0 */
#define SPARSE_ZEROS_MAX 64  /* registers of a short run that are 0 */
#define SPLIT_MAX 5          /* bytes that a run becomes at most: two bytes of zeros, a register, two bytes of zeros */
#define RUNS_JOINED 5        /* how many are looked at */
#define ENCODING_OFFSET 4
#define KEEPS_NONE 0x80 /* in the last byte */

/* MurmurHash64A, by Austin Appleby, in the public domain. */
static uint64_t hash(const void *data, size_t size)
{
    const uint64_t multiplier = 0xc6a4a7935bd1e995ull;
    const uint8_t *at = data;
    uint64_t sum = HASH_SEED ^ (size * multiplier);
    uint64_t word;

    for (; size >= 8; size -= 8, at += 8) {
        memcpy(&word, at, sizeof(word));
        word *= multiplier;
        word ^= word >> 47;
        word *= multiplier;
        sum ^= word;
        sum *= multiplier;
    }
    if (size > 0) {
        word = 0;
        memcpy(&word, at, size);
        sum ^= word;
        sum *= multiplier;
    }
    sum ^= sum >> 47;
    sum *= multiplier;
    return sum ^ sum >> 47;
}

/* ---- values ----------------------------------------------------------------------------------------------------------- */

int hyperloglog_is(const void *data, size_t size)
{
    const uint8_t *bytes = data;

    if (size < HYPERLOGLOG_HEADER_SIZE || memcmp(bytes, "HYLL", 4) != 0 || bytes[ENCODING_OFFSET] > HYPERLOGLOG_SPARSE)
        return 0;
    return bytes[ENCODING_OFFSET] == HYPERLOGLOG_SPARSE || size == HYPERLOGLOG_DENSE_SIZE;
}

enum hyperloglog_encoding hyperloglog_encoding(const void *data)
{
    return ((const uint8_t *)data)[ENCODING_OFFSET] == HYPERLOGLOG_DENSE ? HYPERLOGLOG_DENSE : HYPERLOGLOG_SPARSE;
}

enum hyperloglog_result hyperloglog_copy(struct hyperloglog *value, const void *data, size_t size, size_t sparse_max)
{
    *value = (struct hyperloglog){.size = size, .capacity = size + 64, .sparse_max = sparse_max};
    value->data = malloc(value->capacity);
    if (value->data == NULL)
        return HYPERLOGLOG_NOMEM;
    memcpy(value->data, data, size);
    return HYPERLOGLOG_SAME;
}

enum hyperloglog_result hyperloglog_create(struct hyperloglog *value, size_t sparse_max)
{
    static const uint8_t empty[] = {'H', 'Y', 'L', 'L', HYPERLOGLOG_SPARSE, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x7f, 0xff};

    return hyperloglog_copy(value, empty, sizeof(empty), sparse_max);
}

void hyperloglog_free(struct hyperloglog *value)
{
    free(value->data);
    value->data = NULL;
}

int hyperloglog_kept(const void *data, uint64_t *count)
{
    const uint8_t *kept = (const uint8_t *)data + HYPERLOGLOG_KEPT_OFFSET;
    uint64_t number = 0;

    if ((kept[HYPERLOGLOG_KEPT_SIZE - 1] & KEEPS_NONE) != 0)
        return 0;
    for (unsigned i = 0; i < HYPERLOGLOG_KEPT_SIZE; i++)
        number |= (uint64_t)kept[i] << 8 * i;
    *count = number;
    return 1;
}

void hyperloglog_keep(uint8_t kept[HYPERLOGLOG_KEPT_SIZE], uint64_t count)
{
    for (unsigned i = 0; i < HYPERLOGLOG_KEPT_SIZE; i++)
        kept[i] = (uint8_t)(count >> 8 * i);
}

void hyperloglog_forget(struct hyperloglog *value)
{
    value->data[HYPERLOGLOG_KEPT_OFFSET + HYPERLOGLOG_KEPT_SIZE - 1] |= KEEPS_NONE;
}

/* ---- dense ------------------------------------------------------------------------------------------------------------ */

/* Register i begins at bit 6 * i. The last one ends with the last byte. */
static unsigned dense_get(const uint8_t *registers, unsigned index)
{
    const size_t byte = index * 6u / 8;
    const unsigned shift = index * 6u % 8;
    unsigned bits = registers[byte];

    if (shift > 2)
        bits |= (unsigned)registers[byte + 1] << 8;
    return bits >> shift & 63;
}

static void dense_set(uint8_t *registers, unsigned index, unsigned number)
{
    const size_t byte = index * 6u / 8;
    const unsigned shift = index * 6u % 8;

    registers[byte] = (uint8_t)((registers[byte] & ~(63u << shift)) | number << shift);
    if (shift > 2)
        registers[byte + 1] = (uint8_t)((registers[byte + 1] & ~(63u >> (8 - shift))) | number >> (8 - shift));
}

static enum hyperloglog_result dense_raise(struct hyperloglog *value, unsigned index, unsigned number)
{
    uint8_t *registers = value->data + HYPERLOGLOG_HEADER_SIZE;

    if (dense_get(registers, index) >= number)
        return HYPERLOGLOG_SAME;
    dense_set(registers, index, number);
    return HYPERLOGLOG_CHANGED;
}

/* ---- sparse ----------------------------------------------------------------------------------------------------------- */

/* Of a long run whose second byte is not there, that counts as 0, as the byte behind Redis' strings is. */
struct hyperloglog_run hyperloglog_run_at(const uint8_t *at, const uint8_t *end)
{
    const unsigned first = at[0];

    if (first & 0x80)
        return (struct hyperloglog_run){(first >> 2 & 31) + 1, (first & 3) + 1, 1};
    if (first & 0x40)
        return (struct hyperloglog_run){0, ((first & 63) << 8 | (end - at > 1 ? at[1] : 0u)) + 1, 2};
    return (struct hyperloglog_run){0, (first & 63) + 1, 1};
}

/* Writes a run, and gives its size. */
static unsigned put_run(uint8_t *at, unsigned number, unsigned length)
{
    if (number > 0) {
        at[0] = (uint8_t)(0x80 | (number - 1) << 2 | (length - 1));
        return 1;
    }
    if (length <= SPARSE_ZEROS_MAX) {
        at[0] = (uint8_t)(length - 1);
        return 1;
    }
    at[0] = (uint8_t)(0x40 | (length - 1) >> 8);
    at[1] = (uint8_t)(length - 1);
    return 2;
}

/* Raises each register to what the runs say. They must cover all of them, and no more. */
static enum hyperloglog_result sparse_merge(uint8_t registers[HYPERLOGLOG_REGISTERS], const void *data, size_t size)
{
    const uint8_t *at = (const uint8_t *)data + HYPERLOGLOG_HEADER_SIZE, *end = (const uint8_t *)data + size;
    unsigned index = 0;

    while (at < end) {
        const struct hyperloglog_run run = hyperloglog_run_at(at, end);
        if (run.length > HYPERLOGLOG_REGISTERS - index)
            return HYPERLOGLOG_CORRUPT;
        for (unsigned i = 0; run.number > 0 && i < run.length; i++)
            if (registers[index + i] < run.number)
                registers[index + i] = (uint8_t)run.number;
        index += run.length;
        at += run.size;
    }
    return index == HYPERLOGLOG_REGISTERS ? HYPERLOGLOG_SAME : HYPERLOGLOG_CORRUPT;
}

enum hyperloglog_result hyperloglog_densify(struct hyperloglog *value)
{
    uint8_t registers[HYPERLOGLOG_REGISTERS] = {0}, *dense;

    if (hyperloglog_encoding(value->data) == HYPERLOGLOG_DENSE)
        return HYPERLOGLOG_SAME;
    if (sparse_merge(registers, value->data, value->size) != HYPERLOGLOG_SAME)
        return HYPERLOGLOG_CORRUPT;
    dense = calloc(1, HYPERLOGLOG_DENSE_SIZE);
    if (dense == NULL)
        return HYPERLOGLOG_NOMEM;
    memcpy(dense, value->data, HYPERLOGLOG_HEADER_SIZE);
    dense[ENCODING_OFFSET] = HYPERLOGLOG_DENSE;
    for (unsigned i = 0; i < HYPERLOGLOG_REGISTERS; i++)
        dense_set(dense + HYPERLOGLOG_HEADER_SIZE, i, registers[i]);
    free(value->data);
    value->data = dense;
    value->size = value->capacity = HYPERLOGLOG_DENSE_SIZE;
    return HYPERLOGLOG_CHANGED;
}

/* The register cannot be raised in a sparse value. */
static enum hyperloglog_result raise_densely(struct hyperloglog *value, unsigned index, unsigned number)
{
    enum hyperloglog_result result = hyperloglog_densify(value);

    return result < 0 ? result : dense_raise(value, index, number);
}

/* Puts other bytes in the place of `old` bytes at an offset. */
static enum hyperloglog_result replace(struct hyperloglog *value, size_t offset, size_t old, const uint8_t *bytes, size_t size)
{
    uint8_t *grown;

    if (value->size - old + size > value->capacity) {
        grown = realloc(value->data, value->size + size + 64);
        if (grown == NULL)
            return HYPERLOGLOG_NOMEM;
        value->data = grown;
        value->capacity = value->size + size + 64;
    }
    memmove(value->data + offset + size, value->data + offset + old, value->size - offset - old);
    memcpy(value->data + offset, bytes, size);
    value->size = value->size - old + size;
    return HYPERLOGLOG_CHANGED;
}

/* Joins runs of one number, as far as they fit into one, in a few runs from the offset on. */
static void join(struct hyperloglog *value, size_t offset)
{
    for (unsigned i = 0; i < RUNS_JOINED && offset < value->size; i++) {
        const uint8_t *end = value->data + value->size;
        const struct hyperloglog_run run = hyperloglog_run_at(value->data + offset, end);
        struct hyperloglog_run next;

        if (run.number > 0 && offset + 1 < value->size) {
            next = hyperloglog_run_at(value->data + offset + 1, end);
            if (next.number == run.number && run.length + next.length <= SPARSE_NUMBERS_MAX) {
                (void)put_run(value->data + offset + 1, run.number, run.length + next.length);
                memmove(value->data + offset, value->data + offset + 1, value->size - offset - 1);
                value->size--;
                continue; /* perhaps with the next one, too */
            }
        }
        offset += run.size;
    }
}

/* A run that is not only this register, `before` of whose registers come before it, as the runs that it becomes. Their size. */
static unsigned split(uint8_t bytes[SPLIT_MAX], const struct hyperloglog_run *run, unsigned before, unsigned number)
{
    unsigned size = 0;

    if (before > 0)
        size += put_run(bytes, run->number, before);
    size += put_run(bytes + size, number, 1);
    if (before + 1 < run->length)
        size += put_run(bytes + size, run->number, run->length - before - 1);
    return size;
}

static enum hyperloglog_result sparse_raise(struct hyperloglog *value, unsigned index, unsigned number)
{
    size_t offset = HYPERLOGLOG_HEADER_SIZE, previous = HYPERLOGLOG_HEADER_SIZE;
    struct hyperloglog_run run;
    uint8_t bytes[SPLIT_MAX];
    unsigned first = 0, size;

    if (number > SPARSE_NUMBER_MAX)
        return raise_densely(value, index, number);
    for (;;) {
        if (offset >= value->size)
            return HYPERLOGLOG_CORRUPT;
        run = hyperloglog_run_at(value->data + offset, value->data + value->size);
        if (index < first + run.length)
            break;
        first += run.length;
        previous = offset;
        offset += run.size;
    }
    if (offset + run.size > value->size)
        return HYPERLOGLOG_CORRUPT;
    if (run.number >= number)
        return HYPERLOGLOG_SAME;
    size = split(bytes, &run, index - first, number);
    if (size > run.size && value->size + size - run.size > value->sparse_max)
        return raise_densely(value, index, number);
    if (replace(value, offset, run.size, bytes, size) != HYPERLOGLOG_CHANGED)
        return HYPERLOGLOG_NOMEM;
    join(value, previous);
    hyperloglog_forget(value);
    return HYPERLOGLOG_CHANGED;
}

/* ---- both ------------------------------------------------------------------------------------------------------------- */

enum hyperloglog_result hyperloglog_raise(struct hyperloglog *value, unsigned index, unsigned number)
{
    return hyperloglog_encoding(value->data) == HYPERLOGLOG_DENSE ? dense_raise(value, index, number)
                                                                  : sparse_raise(value, index, number);
}

enum hyperloglog_result hyperloglog_add(struct hyperloglog *value, const void *element, size_t size)
{
    const uint64_t bits = hash(element, size);

    /* A bit behind the last one ends the search. */
    return hyperloglog_raise(value, bits & (HYPERLOGLOG_REGISTERS - 1),
                             (unsigned)__builtin_ctzll(bits >> INDEX_BITS | 1ull << HASH_BITS) + 1);
}

enum hyperloglog_result hyperloglog_merge(uint8_t registers[HYPERLOGLOG_REGISTERS], const void *data, size_t size)
{
    const uint8_t *dense = (const uint8_t *)data + HYPERLOGLOG_HEADER_SIZE;

    if (hyperloglog_encoding(data) == HYPERLOGLOG_SPARSE)
        return sparse_merge(registers, data, size);
    for (unsigned i = 0; i < HYPERLOGLOG_REGISTERS; i++) {
        const unsigned number = dense_get(dense, i);
        if (registers[i] < number)
            registers[i] = (uint8_t)number;
    }
    return HYPERLOGLOG_SAME;
}

/* ---- the estimate ----------------------------------------------------------------------------------------------------- */

/* Ertl's sigma and tau: series that are added up until nothing changes. */
static double sigma(double x)
{
    double sum = x, before, factor = 1;

    if (x == 1)
        return INFINITY;
    do {
        x *= x;
        before = sum;
        sum += x * factor;
        factor += factor;
    } while (before != sum);
    return sum;
}

static double tau(double x)
{
    double sum = 1 - x, before, factor = 1;

    if (x == 0 || x == 1)
        return 0;
    do {
        x = sqrt(x);
        before = sum;
        factor *= 0.5;
        sum -= (1 - x) * (1 - x) * factor;
    } while (before != sum);
    return sum / 3;
}

uint64_t hyperloglog_estimate(const uint8_t registers[HYPERLOGLOG_REGISTERS])
{
    const double m = HYPERLOGLOG_REGISTERS, alpha = 0.721347520444481703680; /* 1 / (2 ln 2) */
    unsigned counts[64] = {0};
    double sum;

    for (unsigned i = 0; i < HYPERLOGLOG_REGISTERS; i++)
        counts[registers[i]]++;
    sum = m * tau((m - counts[HASH_BITS + 1]) / m);
    for (unsigned i = HASH_BITS; i >= 1; i--)
        sum = (sum + counts[i]) * 0.5;
    sum += m * sigma(counts[0] / m);
    return (uint64_t)llroundl((long double)(alpha * m * m / sum));
}

enum hyperloglog_result hyperloglog_count(const void *data, size_t size, uint64_t *count)
{
    uint8_t registers[HYPERLOGLOG_REGISTERS] = {0};
    enum hyperloglog_result result = hyperloglog_merge(registers, data, size);

    if (result == HYPERLOGLOG_SAME)
        *count = hyperloglog_estimate(registers);
    return result;
}
