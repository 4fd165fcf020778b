/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * keyspace.c - picks, keys and values
 */
#include "keyspace.h"

#include <math.h>
#include <string.h>

static uint64_t common_divisor(uint64_t a, uint64_t b)
{
    while (b) {
        uint64_t rest = a % b;

        a = b;
        b = rest;
    }
    return a;
}

void keyspace_init(struct keyspace *keys, uint64_t count, enum distribution distribution, double theta, uint64_t seed)
{
    memset(keys, 0, sizeof *keys);
    keys->count = count ? count : 1;
    keys->distribution = distribution;
    keys->theta = theta;
    keys->state = mix64(seed);
    keys->stride = 0x9e3779b1u % keys->count;
    while (!keys->stride || common_divisor(keys->stride, keys->count) != 1)
        keys->stride++;
    if (distribution != DISTRIBUTION_ZIPFIAN)
        return;
    for (uint64_t i = 1; i <= keys->count; i++)
        keys->zeta_count += pow((double)i, -theta);
    keys->second = 1.0 + pow(0.5, theta);
    keys->alpha = 1.0 / (1.0 - theta);
    keys->eta = (1.0 - pow(2.0 / (double)keys->count, 1.0 - theta)) / (1.0 - keys->second / keys->zeta_count);
}

void keyspace_fork(struct keyspace *keys, const struct keyspace *from, uint64_t seed)
{
    *keys = *from;
    keys->state = mix64(seed);
    keys->next = 0;
}

static uint64_t zipfian_rank(struct keyspace *keys)
{
    double u = (double)(random64(&keys->state) >> 11) * 0x1.0p-53;
    double uz = u * keys->zeta_count;
    uint64_t rank;

    if (uz < 1.0)
        return 0;
    if (uz < keys->second)
        return keys->count > 1;
    rank = (uint64_t)((double)keys->count * pow(keys->eta * u - keys->eta + 1.0, keys->alpha));
    return rank < keys->count ? rank : keys->count - 1;
}

uint64_t keyspace_pick(struct keyspace *keys)
{
    uint64_t number;

    switch (keys->distribution) {
    case DISTRIBUTION_SEQUENTIAL:
        number = keys->next;
        keys->next = number + 1 < keys->count ? number + 1 : 0;
        return number;
    case DISTRIBUTION_ZIPFIAN:
        return (uint64_t)((uint128)zipfian_rank(keys) * keys->stride % keys->count);
    case DISTRIBUTION_UNIFORM:
        break;
    }
    return (uint64_t)((uint128)random64(&keys->state) * keys->count >> 64);
}

void binary_key(uint64_t number, char *out, size_t size)
{
    uint64_t word = mix64(number);

    while (size >= 8) {
        memcpy(out, &word, 8);
        out += 8;
        size -= 8;
        word = mix64(word);
    }
    memcpy(out, &word, size);
}

void binary_value(uint64_t number, uint64_t salt, char *out, size_t size)
{
    binary_key(number ^ (salt << 40), out, size);
}

void text_key(uint64_t number, char *out, size_t size)
{
    memcpy(out, "key:", 4);
    for (size_t i = size; i > 4; i--) {
        out[i - 1] = (char)('0' + number % 10);
        number /= 10;
    }
}

void text_value(uint64_t number, uint32_t salt, char *out, size_t size)
{
    uint64_t word = mix64(number * 32 + salt);

    for (size_t i = 0; i < size; i++) {
        out[i] = (char)('a' + (word & 15));
        word >>= 4;
        if ((i & 15) == 15)
            word = mix64(number + i);
    }
    if (size)
        out[0] = (char)('a' + salt % 26);
}
