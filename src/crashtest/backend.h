/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * backend.h - the functions of persist.h, for a build whose medium is a simulated persistence domain (domain.h)
 *
 * Stores outside of the media are plain ones. Each macro notes the place of its use (site.h) and calls the function.
 */
#ifndef SDB_CRASHTEST_BACKEND_H
#define SDB_CRASHTEST_BACKEND_H

#include "site.h"

void backend_store(uint64_t *dst, uint64_t value, int release);
void backend_copy(void *dst, const void *src, size_t size);
void backend_flush_line(const void *line);
void backend_fence(void);

static inline uint64_t persist_load(const uint64_t *src)
{
    return __atomic_load_n(src, __ATOMIC_RELAXED);
}
static inline uint64_t persist_load_acquire(const uint64_t *src)
{
    return __atomic_load_n(src, __ATOMIC_ACQUIRE);
}
static inline void persist_store(uint64_t *dst, uint64_t value)
{
    backend_store(dst, value, 0);
}
static inline void persist_store_release(uint64_t *dst, uint64_t value)
{
    backend_store(dst, value, 1);
}
static inline void persist_copy(void *dst, const void *src, size_t size)
{
    backend_copy(dst, src, size);
}
static inline void persist_zero(void *dst, size_t size)
{
    backend_copy(dst, NULL, size);
}

static inline void persist_flush_line(const struct persist *persist, struct persist_thread *thread, const void *line)
{
    if (persist->flush == PERSIST_NONE)
        return;
    persist_count(&thread->lines, 1);
    if (persist->flush == PERSIST_MSYNC) {
        uint64_t from = (uint64_t)((const uint8_t *)line - persist->base) & ~(uint64_t)(LINE_SIZE - 1);
        uint64_t to = from + LINE_SIZE;

        if (thread->dirty_to == 0 || from < thread->dirty_from)
            thread->dirty_from = from;
        if (to > thread->dirty_to)
            thread->dirty_to = to;
    } else {
        backend_flush_line(line);
    }
}

static inline void persist_flush(const struct persist *persist, struct persist_thread *thread, const void *start,
                                 size_t size)
{
    uintptr_t line = (uintptr_t)start & ~(uintptr_t)(LINE_SIZE - 1);

    for (; size && line < (uintptr_t)start + size; line += LINE_SIZE)
        persist_flush_line(persist, thread, (const void *)line);
}

static inline int persist_fence(const struct persist *persist, struct persist_thread *thread)
{
    persist_count(&thread->fences, 1);
    if (persist->flush == PERSIST_MSYNC) {
        int error = persist_fence_msync(persist, thread);

        if (error != 0)
            return error;
    } else {
        backend_fence();
    }
    if (__atomic_load_n(persist->media_failed, __ATOMIC_RELAXED) != 0)
        return persist_fence_refused();
    return 0;
}

/* Behind the definitions: a use is a use with its place. */
#define persist_store(dst, value) (SITE_REACHED(SITE_STORE), persist_store(dst, value))
#define persist_store_release(dst, value) (SITE_REACHED(SITE_STORE), persist_store_release(dst, value))
#define persist_copy(dst, src, size) (SITE_REACHED(SITE_STORE), persist_copy(dst, src, size))
#define persist_zero(dst, size) (SITE_REACHED(SITE_STORE), persist_zero(dst, size))
#define persist_copy_nt(persist, thread, dst, src, size)                                                               \
    (SITE_REACHED(SITE_FLUSH), persist_copy_nt(persist, thread, dst, src, size))
#define persist_zero_nt(persist, thread, dst, size)                                                                    \
    (SITE_REACHED(SITE_FLUSH), persist_zero_nt(persist, thread, dst, size))
#define persist_flush_line(persist, thread, line) (SITE_REACHED(SITE_FLUSH), persist_flush_line(persist, thread, line))
#define persist_flush(persist, thread, start, size)                                                                    \
    (SITE_REACHED(SITE_FLUSH), persist_flush(persist, thread, start, size))
#define persist_fence(persist, thread) (SITE_REACHED(SITE_FENCE), persist_fence(persist, thread))

#endif
