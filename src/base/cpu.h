/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * cpu.h - which vector instructions the code may use on this CPU
 *
 * Threads: any. The choice is made before main() and never changes.
 */
#ifndef SDB_BASE_CPU_H
#define SDB_BASE_CPU_H

enum cpu_simd {
    CPU_SIMD_PLAIN = 0,
    CPU_SIMD_AVX2 = 1,
    CPU_SIMD_AVX512 = 2, /* F, BW, VL and DQ together */
};

/* What the environment variable SUPERDB_SIMD (plain, avx2, avx512) allows and the CPU has. */
enum cpu_simd cpu_simd(void);

/* The best that the CPU has, and no more than `limit` names. NULL and unknown names do not limit. */
enum cpu_simd cpu_simd_choose(const char *limit);

/* "plain", "avx2", "avx512". Static storage. */
const char *cpu_simd_name(enum cpu_simd simd);

#endif
