/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * engine.c - what persist.c leaves to a backend: every store goes through the caches, and is flushed line by line
 */
#include "persist.h"

int persist_caches_are_persistent(void)
{
    return 0;
}

enum persist_flush persist_flush_best(void)
{
#if defined(__x86_64__)
    return persist_flush_is_supported(PERSIST_CLWB) ? PERSIST_CLWB : PERSIST_CLFLUSH;
#else
    return PERSIST_DCCVAC;
#endif
}

void persist_copy_nt(const struct persist *persist, struct persist_thread *thread, void *dst, const void *src, size_t size)
{
    persist_copy(dst, src, size);
    persist_flush(persist, thread, dst, size);
}

void persist_zero_nt(const struct persist *persist, struct persist_thread *thread, void *dst, size_t size)
{
    persist_zero(dst, size);
    persist_flush(persist, thread, dst, size);
}
