/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * cpu.c - detection of vector instructions
 */
#include "cpu.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

static const char *const names[] = {"plain", "avx2", "avx512"};
static enum cpu_simd chosen; /* immutable after initialise */

static enum cpu_simd detect(void)
{
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512dq"))
        return CPU_SIMD_AVX512;
    if (__builtin_cpu_supports("avx2"))
        return CPU_SIMD_AVX2;
#endif
    return CPU_SIMD_PLAIN;
}

enum cpu_simd cpu_simd_choose(const char *limit)
{
    enum cpu_simd best = detect();

    if (limit == NULL)
        return best;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strcmp(limit, names[i]) == 0)
            return (enum cpu_simd)i < best ? (enum cpu_simd)i : best;
    return best;
}

__attribute__((constructor(101))) static void initialise(void)
{
    chosen = cpu_simd_choose(getenv("SUPERDB_SIMD"));
}

enum cpu_simd cpu_simd(void)
{
    return chosen;
}

const char *cpu_simd_name(enum cpu_simd simd)
{
    return (size_t)simd < sizeof(names) / sizeof(names[0]) ? names[simd] : "unknown";
}
