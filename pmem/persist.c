/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * persist.c - the parts of persistence that are not worth inlining: finding the flush, msync, big copies
 *
 * Media:   whatever the caller names; no struct of its own
 * Commit:  none of its own: each function here is one step of a caller's
 * Threads: any, each with its own struct persist_thread
 * Memory:  none is allocated
 */
#include "persist.h"

#include <dirent.h>
#include <errno.h>
#include <libpmem.h>
#include <pthread.h>
#include <sys/mman.h>

#include "error.h"

#if defined(__x86_64__)
#include <cpuid.h>
#include <emmintrin.h>
#elif defined(__aarch64__)
#include <sys/auxv.h>
#ifndef HWCAP_DCPOP
#define HWCAP_DCPOP (1ul << 16)
#endif
#endif

static const uint32_t never_failed = 0;

static const char *const flush_names[] = {
    [PERSIST_CLWB] = "clwb",     [PERSIST_CLFLUSHOPT] = "clflushopt", [PERSIST_CLFLUSH] = "clflush",
    [PERSIST_NONE] = "none",     [PERSIST_MSYNC] = "msync",           [PERSIST_DCCVAP] = "dccvap",
    [PERSIST_DCCVAC] = "dccvac",
};
#define FLUSH_COUNT (sizeof(flush_names) / sizeof(flush_names[0]))

const char *persist_flush_name(enum persist_flush flush)
{
    return flush_names[flush];
}

int persist_flush_parse(const char *name, enum persist_flush *flush)
{
    for (size_t i = 0; i < FLUSH_COUNT; i++) {
        if (strcmp(name, flush_names[i]) == 0) {
            *flush = (enum persist_flush)i;
            return 0;
        }
    }
    return SDB_EINVAL;
}

#if defined(__x86_64__)
static int has_cpuid_7_ebx(unsigned bit)
{
    unsigned eax, ebx, ecx, edx;

    return __get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) && (ebx >> bit & 1u);
}

/* Intel SDM volume 2, CPUID: leaf 7 EBX bits 24 (clwb) and 23 (clflushopt), leaf 1 EDX bit 19 (clflush). */
static int has_instruction(enum persist_flush flush)
{
    unsigned eax, ebx, ecx, edx;

    switch (flush) {
    case PERSIST_CLWB:
        return has_cpuid_7_ebx(24);
    case PERSIST_CLFLUSHOPT:
        return has_cpuid_7_ebx(23);
    case PERSIST_CLFLUSH:
        return __get_cpuid(1, &eax, &ebx, &ecx, &edx) && (edx >> 19 & 1u);
    default:
        return 0;
    }
}
#elif defined(__aarch64__)
static int has_instruction(enum persist_flush flush)
{
    if (flush == PERSIST_DCCVAP)
        return (getauxval(AT_HWCAP) & HWCAP_DCPOP) != 0;
    return flush == PERSIST_DCCVAC;
}
#else
#error "no cache line flush is known for this architecture"
#endif

int persist_flush_is_supported(enum persist_flush flush)
{
    return flush == PERSIST_NONE || flush == PERSIST_MSYNC || has_instruction(flush);
}

#ifndef SDB_PERSIST_BACKEND /* which knows what its medium is */
static pthread_once_t persistent_caches_once = PTHREAD_ONCE_INIT;
static int persistent_caches; /* after persistent_caches_once */

/* 1 where the kernel knows of any NVDIMM region. */
static int has_regions(void)
{
    DIR *devices = opendir("/sys/bus/nd/devices");
    const struct dirent *entry;
    int found = 0;

    if (devices == NULL)
        return 0;
    while (!found && (entry = readdir(devices)) != NULL)
        found = strncmp(entry->d_name, "region", 6) == 0;
    (void)closedir(devices);
    return found;
}

static void find_persistent_caches(void)
{
    /* libpmem changes the working directory while it looks, which other threads may see: not where there is nothing. */
    persistent_caches = has_regions() && pmem_has_auto_flush() == 1;
}

int persist_caches_are_persistent(void)
{
    (void)pthread_once(&persistent_caches_once, find_persistent_caches);
    return persistent_caches;
}

enum persist_flush persist_flush_best(void)
{
    static const enum persist_flush best_first[] = {PERSIST_CLWB, PERSIST_CLFLUSHOPT, PERSIST_DCCVAP, PERSIST_DCCVAC};

    if (persist_caches_are_persistent())
        return PERSIST_NONE;
    for (size_t i = 0; i < sizeof(best_first) / sizeof(best_first[0]); i++) {
        if (has_instruction(best_first[i]))
            return best_first[i];
    }
    return PERSIST_CLFLUSH; /* every x86-64 CPU has it */
}
#endif

void persist_init(struct persist *persist, enum persist_flush flush, uint8_t *base, const uint32_t *media_failed)
{
    persist->flush = flush;
    persist->base = base;
    persist->media_failed = media_failed != NULL ? media_failed : &never_failed;
    persist->sync_failed = NULL;
}

int persist_fence_refused(void)
{
    error_set("a page of the pool was lost, or an msync failed: what was written may be gone with it");
    return SDB_EIO;
}

int persist_fence_msync(const struct persist *persist, struct persist_thread *thread)
{
    const uint64_t page_mask = 4095;
    uint64_t from = thread->dirty_from & ~page_mask;
    uint64_t to = (thread->dirty_to + page_mask) & ~page_mask;

    if (thread->dirty_to == 0)
        return 0;
    /*
     * One call over all that lies between: the kernel writes only dirty pages, and each call costs a flush of the
     * drive's cache, which is dear, whereas other threads' pages in between would have to be written anyway.
     */
    if (persist->sync_failed != NULL && __atomic_load_n(persist->sync_failed, __ATOMIC_SEQ_CST) != 0)
        return persist_fence_refused();
    persist_count(&thread->msyncs, 1);
    if (msync(persist->base + from, (size_t)(to - from), MS_SYNC) != 0) {
        error_set("msync of %llu bytes at %llu: %s", (unsigned long long)(to - from), (unsigned long long)from,
                  strerror(errno));
        if (persist->sync_failed != NULL)
            __atomic_store_n(persist->sync_failed, 1, __ATOMIC_SEQ_CST);
        return SDB_EIO;
    }
    thread->dirty_from = 0;
    thread->dirty_to = 0;
    return 0;
}

#ifndef SDB_PERSIST_BACKEND

/*
 * From this size on a copy bypasses the cache. Measured with its fence, on memory that is not cached: 512 bytes 417 ns
 * with clwb, 438 streamed; 4 KiB 1,435 and 690; 64 KiB 15,700 and 1,760, because streaming does not read what it
 * overwrites. With eADR there is no flush to save, the fence has nothing else to wait for, and small copies may be read
 * soon: later.
 */
#define NT_SIZE_MIN 512u
#define NT_SIZE_MIN_EADR (16u << 10)

static int bypasses_cache(const struct persist *persist, size_t size)
{
#if defined(__x86_64__)
    if (persist->flush == PERSIST_MSYNC)
        return 0;
    return size >= (persist->flush == PERSIST_NONE ? NT_SIZE_MIN_EADR : NT_SIZE_MIN);
#else
    (void)persist;
    (void)size;
    return 0;
#endif
}

#if defined(__x86_64__)
static void stream_lines(uint8_t *dst, const uint8_t *src, size_t lines)
{
    for (; lines > 0; lines--, dst += LINE_SIZE, src += LINE_SIZE) {
        __m128i a = _mm_loadu_si128((const __m128i *)(const void *)src);
        __m128i b = _mm_loadu_si128((const __m128i *)(const void *)(src + 16));
        __m128i c = _mm_loadu_si128((const __m128i *)(const void *)(src + 32));
        __m128i d = _mm_loadu_si128((const __m128i *)(const void *)(src + 48));

        _mm_stream_si128((__m128i *)(void *)dst, a);
        _mm_stream_si128((__m128i *)(void *)(dst + 16), b);
        _mm_stream_si128((__m128i *)(void *)(dst + 32), c);
        _mm_stream_si128((__m128i *)(void *)(dst + 48), d);
    }
}

static void stream_zero_lines(uint8_t *dst, size_t lines)
{
    const __m128i zero = _mm_setzero_si128();

    for (; lines > 0; lines--, dst += LINE_SIZE) {
        for (size_t i = 0; i < LINE_SIZE; i += 16)
            _mm_stream_si128((__m128i *)(void *)(dst + i), zero);
    }
}
#else
static void stream_lines(uint8_t *dst, const uint8_t *src, size_t lines)
{
    memcpy(dst, src, lines * LINE_SIZE);
}

static void stream_zero_lines(uint8_t *dst, size_t lines)
{
    memset(dst, 0, lines * LINE_SIZE);
}
#endif

/* Bytes from dst to the next line's beginning. */
static size_t head_size(const uint8_t *dst)
{
    return (size_t)(-(uintptr_t)dst & (LINE_SIZE - 1));
}

void persist_copy_nt(const struct persist *persist, struct persist_thread *thread, void *dst, const void *src,
                     size_t size)
{
    uint8_t *to = dst;
    const uint8_t *from = src;

    if (!bypasses_cache(persist, size)) {
        persist_copy(to, from, size);
        persist_flush(persist, thread, to, size);
        return;
    }
    size_t head = head_size(to);
    size_t lines = (size - head) / LINE_SIZE;
    size_t tail = (size - head) % LINE_SIZE;

    persist_copy(to, from, head);
    persist_flush(persist, thread, to, head);
    to += head;
    from += head;
    stream_lines(alias_of(to), from, lines);
    persist_count(&thread->lines, lines); /* a streamed line leaves the CPU as a flushed one does */
    to += lines * LINE_SIZE;
    from += lines * LINE_SIZE;
    persist_copy(to, from, tail);
    persist_flush(persist, thread, to, tail);
}

void persist_zero_nt(const struct persist *persist, struct persist_thread *thread, void *dst, size_t size)
{
    uint8_t *to = dst;

    if (!bypasses_cache(persist, size)) {
        persist_zero(to, size);
        persist_flush(persist, thread, to, size);
        return;
    }
    size_t head = head_size(to);
    size_t lines = (size - head) / LINE_SIZE;
    size_t tail = (size - head) % LINE_SIZE;

    persist_zero(to, head);
    persist_flush(persist, thread, to, head);
    stream_zero_lines(alias_of(to + head), lines);
    persist_count(&thread->lines, lines);
    to += head + lines * LINE_SIZE;
    persist_zero(to, tail);
    persist_flush(persist, thread, to, tail);
}

#endif /* SDB_PERSIST_BACKEND */
