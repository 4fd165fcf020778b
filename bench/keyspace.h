/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * keyspace.h - which keys a run touches, and what they and their values look like
 *
 * A key is a number from 0 to count - 1. Uniform picks give each the same chance; zipfian picks give the key of rank r a
 * chance proportional to 1 / r^theta, ranks being scattered over the key numbers so that hot keys are no neighbours.
 */
#ifndef BENCH_KEYSPACE_H
#define BENCH_KEYSPACE_H

#include <stddef.h>
#include <stdint.h>

/* For products of two 64-bit numbers. */
__extension__ typedef unsigned __int128 uint128;

enum distribution { DISTRIBUTION_UNIFORM, DISTRIBUTION_ZIPFIAN, DISTRIBUTION_SEQUENTIAL };

struct keyspace {
    uint64_t count;
    enum distribution distribution;
    uint64_t state;  /* of the random numbers */
    uint64_t next;   /* of sequential picks */
    uint64_t stride; /* coprime to count: rank times stride, modulo count, is the key of a rank */
    double theta;
    double zeta_count; /* the constants of Gray et al., "Quickly generating billion-record synthetic databases", 1994 */
    double alpha;
    double eta;
    double second; /* 1 + 0.5^theta */
};

/* Takes time proportional to count for zipfian picks (a sum over all ranks). */
void keyspace_init(struct keyspace *keys, uint64_t count, enum distribution distribution, double theta, uint64_t seed);

/* A copy that draws other numbers: for another thread, without the sum over all ranks. */
void keyspace_fork(struct keyspace *keys, const struct keyspace *from, uint64_t seed);

uint64_t keyspace_pick(struct keyspace *keys);

/* A one-to-one scattering of 64-bit numbers. */
static inline uint64_t mix64(uint64_t x)
{
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

static inline uint64_t random64(uint64_t *state)
{
    *state += 0x9e3779b97f4a7c15u;
    return mix64(*state);
}

/* A key as size >= 8 bytes: the scattered number, then more scattered words. No two numbers give the same key. */
void binary_key(uint64_t number, char *out, size_t size);

/* A value as size bytes made from the key's number and a salt. */
void binary_value(uint64_t number, uint64_t salt, char *out, size_t size);

/*
 * A key as text, "key:" and the number in zero-padded decimal digits; size >= 8. Numbers need size - 4 digits at most.
 */
void text_key(uint64_t number, char *out, size_t size);

/*
 * A value as size printable bytes; the first one is the salt (a letter, 0 to 25), the others follow from it and from the
 * key's number: so any reader can tell a right value from a wrong one.
 */
void text_value(uint64_t number, uint32_t salt, char *out, size_t size);

#endif
