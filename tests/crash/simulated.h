/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * simulated.h - a persistence backend (persist.h's seam) that knows what would survive a power cut
 *
 * A line is durable as it was when it was flushed, once the fence after the flush has finished. What was stored and not made durable
 * may have been evicted or not, one prefix of the line's stores or another: simulated.c makes crash images of that.
 */
#ifndef SDB_TESTS_SIMULATED_H
#define SDB_TESTS_SIMULATED_H


void simulated_store(uint64_t *dst, uint64_t value);
void simulated_copy(void *dst, const void *src, size_t size);
void simulated_flush(const void *line);
void simulated_fence(void);

static inline void persist_store(uint64_t *dst, uint64_t value) { simulated_store(dst, value); }
static inline void persist_store_release(uint64_t *dst, uint64_t value) { simulated_store(dst, value); }
static inline uint64_t persist_load(const uint64_t *src) { return __atomic_load_n(src, __ATOMIC_RELAXED); }
static inline uint64_t persist_load_acquire(const uint64_t *src) { return __atomic_load_n(src, __ATOMIC_ACQUIRE); }
static inline void persist_copy(void *dst, const void *src, size_t size) { simulated_copy(dst, src, size); }
static inline void persist_zero(void *dst, size_t size) { simulated_copy(dst, NULL, size); }

static inline void persist_flush_line(const struct persist *persist, struct persist_thread *thread, const void *line)
{
    (void)persist;
    thread->lines++;
    simulated_flush(line);
}

static inline void persist_flush(const struct persist *persist, struct persist_thread *thread, const void *start, size_t size)
{
    uintptr_t line = (uintptr_t)start & ~(uintptr_t)(LINE_SIZE - 1);

    for (; size && line < (uintptr_t)start + size; line += LINE_SIZE)
        persist_flush_line(persist, thread, (const void *)line);
}

static inline int persist_fence(const struct persist *persist, struct persist_thread *thread)
{
    thread->fences++;
    simulated_fence();
    if (__atomic_load_n(persist->media_failed, __ATOMIC_RELAXED) != 0)
        return persist_fence_refused();
    return 0;
}

#endif
