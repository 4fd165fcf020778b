/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * noted.h - a persistence backend (persist.h's seam) that notes which pages of the pool are stored to
 *
 * So that an image can be as it was before, without a copy of it (image.c). Nothing is flushed and nothing is fenced: fuzzing
 * looks for what the code does with bytes, not for what survives.
 */
#ifndef SDB_TESTS_NOTED_H
#define SDB_TESTS_NOTED_H

/* Called before the bytes change. Addresses outside the image are ignored. */
void image_note(const void *start, size_t size);

static inline void persist_store(uint64_t *dst, uint64_t value)
{
    image_note(dst, sizeof(*dst));
    __atomic_store_n(dst, value, __ATOMIC_RELAXED);
}

static inline void persist_store_release(uint64_t *dst, uint64_t value)
{
    image_note(dst, sizeof(*dst));
    __atomic_store_n(dst, value, __ATOMIC_RELEASE);
}

static inline uint64_t persist_load(const uint64_t *src)
{
    return __atomic_load_n(src, __ATOMIC_RELAXED);
}

static inline uint64_t persist_load_acquire(const uint64_t *src)
{
    return __atomic_load_n(src, __ATOMIC_ACQUIRE);
}

static inline void persist_copy(void *dst, const void *src, size_t size)
{
    image_note(dst, size);
    memcpy(dst, src, size);
}

static inline void persist_zero(void *dst, size_t size)
{
    image_note(dst, size);
    memset(dst, 0, size);
}

static inline void persist_flush_line(const struct persist *persist, struct persist_thread *thread, const void *line)
{
    (void)persist;
    (void)line;
    persist_count(&thread->lines, 1);
}

static inline void persist_flush(const struct persist *persist, struct persist_thread *thread, const void *start,
                                 size_t size)
{
    (void)persist;
    (void)start;
    persist_count(&thread->lines, (size + LINE_SIZE - 1) / LINE_SIZE);
}

static inline int persist_fence(const struct persist *persist, struct persist_thread *thread)
{
    persist_count(&thread->fences, 1);
    if (__atomic_load_n(persist->media_failed, __ATOMIC_RELAXED) != 0)
        return persist_fence_refused();
    return 0;
}

#endif
