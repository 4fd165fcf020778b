/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * backend.c - stores, flushes and fences of the engine, led to the domain whose medium they are for
 *
 * Threads: any
 * Memory:  none of its own
 */
#include <string.h>

#include "domain.h"
#include "persist.h"
#include "schedule.h"

/* As in persist.c: smaller copies go through the cache, and so do the head and the tail of larger ones. */
#define STREAM_SIZE_MIN 512u

void backend_store(uint64_t *dst, uint64_t value, int release)
{
    int level = domain_of(dst);

    if (level >= 0)
        domain_store((unsigned)level, dst, value, release, site_here);
    else
        __atomic_store_n(dst, value, __ATOMIC_RELEASE);
}

static void copy(void *dst, const void *src, size_t size, enum event_kind kind)
{
    int level = domain_of(dst);

    if (level >= 0)
        domain_copy((unsigned)level, dst, src, size, kind, site_here);
    else if (src)
        memcpy(dst, src, size);
    else
        memset(dst, 0, size);
}

void backend_copy(void *dst, const void *src, size_t size)
{
    copy(dst, src, size, EVENT_COPY);
}

void backend_flush_line(const void *line)
{
    int level = domain_of(line);

    if (level >= 0)
        domain_flush_line((unsigned)level, (uint64_t)((const uint8_t *)line - domains.levels[level].medium.base));
}

void backend_fence(void)
{
    if (domains_active())
        domain_fence();
    schedule_point();
}

static void copy_past_cache(const struct persist *persist, struct persist_thread *thread, uint8_t *to,
                            const uint8_t *from, size_t size)
{
    size_t head = (size_t)(-(uintptr_t)to & (LINE_SIZE - 1));
    size_t middle;

    if (size < STREAM_SIZE_MIN || persist->flush == PERSIST_MSYNC) {
        backend_copy(to, from, size);
        (persist_flush)(persist, thread, to, size);
        return;
    }
    middle = (size - head) / LINE_SIZE * LINE_SIZE;
    backend_copy(to, from, head);
    (persist_flush)(persist, thread, to, head);
    copy(to + head, from ? from + head : NULL, middle, EVENT_STREAM);
    persist_count(&thread->lines, middle / LINE_SIZE);
    backend_copy(to + head + middle, from ? from + head + middle : NULL, size - head - middle);
    (persist_flush)(persist, thread, to + head + middle, size - head - middle);
}

void(persist_copy_nt)(const struct persist *persist, struct persist_thread *thread, void *dst, const void *src,
                      size_t size)
{
    copy_past_cache(persist, thread, dst, src, size);
}

void(persist_zero_nt)(const struct persist *persist, struct persist_thread *thread, void *dst, size_t size)
{
    copy_past_cache(persist, thread, dst, NULL, size);
}

/* What the machine is, the domain says. */
int persist_caches_are_persistent(void)
{
    return domains_active() && domains.kind == DOMAIN_EADR;
}

enum persist_flush persist_flush_best(void)
{
    return persist_caches_are_persistent() ? PERSIST_NONE : PERSIST_CLWB;
}
