/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * backend.h - the functions of persist.h on a slower medium (medium.h): the same instructions, and the waiting
 */
#ifndef BENCH_MEDIUM_BACKEND_H
#define BENCH_MEDIUM_BACKEND_H

#include "medium.h"

static inline void persist_store(uint64_t *dst, uint64_t value)
{
    __atomic_store_n(dst, value, __ATOMIC_RELAXED);
}

static inline void persist_store_release(uint64_t *dst, uint64_t value)
{
    __atomic_store_n(dst, value, __ATOMIC_RELEASE);
}

static inline uint64_t persist_load(const uint64_t *src)
{
    medium_read(src);
    return __atomic_load_n(src, __ATOMIC_RELAXED);
}

static inline uint64_t persist_load_acquire(const uint64_t *src)
{
    medium_read(src);
    return __atomic_load_n(src, __ATOMIC_ACQUIRE);
}

static inline void persist_copy(void *dst, const void *src, size_t size)
{
    memcpy(dst, src, size);
}

static inline void persist_zero(void *dst, size_t size)
{
    memset(dst, 0, size);
}

static inline void persist_flush_line(const struct persist *persist, struct persist_thread *thread, const void *line)
{
    persist_count(&thread->lines, 1);
#if defined(__x86_64__)
    if (persist->flush == PERSIST_CLWB)
        __asm__ volatile("clwb %0" : "+m"(*(volatile char *)(uintptr_t)line) : : "memory");
    else
        __asm__ volatile("clflush %0" : "+m"(*(volatile char *)(uintptr_t)line) : : "memory");
#elif defined(__aarch64__)
    (void)persist;
    __asm__ volatile("dc cvac, %0" : : "r"(line) : "memory");
#endif
    medium_wait_flush();
}

static inline void persist_flush(const struct persist *persist, struct persist_thread *thread, const void *start,
                                 size_t size)
{
    uintptr_t line = (uintptr_t)start & ~(uintptr_t)(LINE_SIZE - 1);

    for (; size != 0 && line < (uintptr_t)start + size; line += LINE_SIZE)
        persist_flush_line(persist, thread, (const void *)line);
}

static inline int persist_fence(const struct persist *persist, struct persist_thread *thread)
{
    persist_count(&thread->fences, 1);
#if defined(__x86_64__)
    __asm__ volatile("sfence" : : : "memory");
#elif defined(__aarch64__)
    __asm__ volatile("dsb sy" : : : "memory");
#endif
    return __atomic_load_n(persist->media_failed, __ATOMIC_RELAXED) != 0 ? persist_fence_refused() : 0;
}

#endif
