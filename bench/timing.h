/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * timing.h - the bench's clock, pause and affinity
 */
#ifndef BENCH_TIMING_H
#define BENCH_TIMING_H

#include <stdint.h>
#include <time.h>

/* Nanoseconds of the monotonic clock. */
static inline uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* Nanoseconds of CPU that the calling thread has used. */
static inline uint64_t thread_cpu_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/*
 * The calling thread's tick counter, for intervals of tens of nanoseconds, where the clock itself would be what is
 * measured. ticks_to_ns needs a ticks_calibrate() before it.
 */
static inline uint64_t ticks(void)
{
#if defined(__x86_64__)
    return __builtin_ia32_rdtsc();
#else
    return now_ns();
#endif
}

void ticks_calibrate(void);
uint64_t ticks_to_ns(uint64_t interval);

/* The middle one of count values; sorts the array. 0 of none. */
double median(double *values, uint64_t count);

/* The CPU time (user and system) that a process has used, in nanoseconds; 0 where there is no such process. */
uint64_t process_cpu_ns(int pid);

#endif
