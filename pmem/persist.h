/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * persist.h - the only functions that store to the medium, and the two instructions that make stores durable
 *
 * A store is durable when its cache line was flushed after it and a fence followed (DURABILITY.md, P1 to P6). What a
 * flush is depends on the machine and on the pool, is found once at open, and is the same for the life of the mapping:
 *     clwb, clflushopt, clflush   x86-64 with ADR, by what the CPU has
 *     dccvap, dccvac              ARM64 to the point of persistence, or coherency where the CPU knows no other
 *     none                        eADR: caches are in the persistence domain; the fence stays
 *     msync                       plain files: a flush notes the range, the fence writes it
 *
 * Threads: any, each with its own struct persist_thread. Stores to one word need an order of their own (a lock).
 * Memory:  allocates nothing.
 *
 * The seam: a build that defines SDB_PERSIST_BACKEND (a quoted header name) takes the functions of that header in place
 * of the ones here; the structs and the names stay the same. Every store here goes to alias_of(dst), which is dst itself but
 * in the double-mapping build (alias.h).
 */
#ifndef SDB_PMEM_PERSIST_H
#define SDB_PMEM_PERSIST_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "alias.h"
#include "layout.h"
#include "superdb/superdb.h"

enum persist_flush {
    PERSIST_CLWB = 0,
    PERSIST_CLFLUSHOPT = 1,
    PERSIST_CLFLUSH = 2,
    PERSIST_NONE = 3,
    PERSIST_MSYNC = 4,
    PERSIST_DCCVAP = 5,
    PERSIST_DCCVAC = 6,
};

/* One for each mapping. Immutable after persist_init. */
struct persist {
    enum persist_flush flush;
    uint8_t *base;                /* of the mapping, page-aligned */
    const uint32_t *media_failed; /* Atomic: raised by sigbus.c; a fence that sees it refuses. Never NULL */
    uint32_t *sync_failed;        /* Atomic: raised by an msync that failed; later ones refuse. NULL: nobody remembers */
};

/* One for each thread that commits. Zero it to begin. */
struct persist_thread {
    uint64_t fences; /* counted since the start: figures, and budgets in tests */
    uint64_t lines;  /* cache lines flushed (with msync: noted) */
    uint64_t msyncs;
    uint64_t dirty_from; /* msync: offsets of what was noted since the last fence; empty when dirty_to is 0 */
    uint64_t dirty_to;
};

/* The flush that this CPU and platform want: by CPU feature, PERSIST_NONE where libpmem finds eADR. */
enum persist_flush persist_flush_best(void);

/* 1 where libpmem says that the platform's caches are in the persistence domain. */
int persist_caches_are_persistent(void);

/* 1 where this CPU can execute it. */
int persist_flush_is_supported(enum persist_flush flush);

/* "clwb", "clflushopt", "clflush", "none", "msync", "dccvap", "dccvac". Static storage. */
const char *persist_flush_name(enum persist_flush flush);

/* Looks a name up; returns 0 and the flush, or SDB_EINVAL for an unknown name. */
int persist_flush_parse(const char *name, enum persist_flush *flush);

/* media_failed may be NULL: then nothing ever raises it. sync_failed is NULL until the caller sets it. */
void persist_init(struct persist *persist, enum persist_flush flush, uint8_t *base, const uint32_t *media_failed);

/*
 * The part of persist_fence that makes a system call: PERSIST_MSYNC only. Errors: SDB_EIO; what was noted stays noted, and every later
 * fence of the mapping refuses: the kernel calls pages clean that it could not write, and says so once only.
 */
int persist_fence_msync(const struct persist *persist, struct persist_thread *thread);

/* The words behind a refused fence, for sdb_last_error. Returns SDB_EIO. */
int persist_fence_refused(void);

/*
 * Copies to memory that no reader can reach yet, and flushes it: the caller owes only the fence, and must not publish
 * before it (large copies bypass the cache, and only the fence orders them against later stores). Any alignment.
 */
void persist_copy_nt(const struct persist *persist, struct persist_thread *thread, void *dst, const void *src,
                     size_t size);

/* As persist_copy_nt, with zeros. */
void persist_zero_nt(const struct persist *persist, struct persist_thread *thread, void *dst, size_t size);

/* Its thread counts, others may be reading. */
static inline void persist_count(uint64_t *counter, uint64_t n)
{
    __atomic_store_n(counter, *counter + n, __ATOMIC_RELAXED);
}

#ifdef SDB_PERSIST_BACKEND
#include SDB_PERSIST_BACKEND
#else

/* 8 bytes, aligned, at once: a reader or a crash sees the old word or the new one (P1). */
static inline void persist_store(uint64_t *dst, uint64_t value)
{
    __atomic_store_n((uint64_t *)alias_of(dst), value, __ATOMIC_RELAXED);
}

/*
 * Also publishes what this thread stored before to readers that use persist_load_acquire. Says nothing about
 * durability.
 */
static inline void persist_store_release(uint64_t *dst, uint64_t value)
{
    __atomic_store_n((uint64_t *)alias_of(dst), value, __ATOMIC_RELEASE);
}

static inline uint64_t persist_load(const uint64_t *src)
{
    return __atomic_load_n(src, __ATOMIC_RELAXED);
}

static inline uint64_t persist_load_acquire(const uint64_t *src)
{
    return __atomic_load_n(src, __ATOMIC_ACQUIRE);
}

/* To memory that no reader can reach yet; the ranges do not overlap. */
static inline void persist_copy(void *dst, const void *src, size_t size)
{
    memcpy(alias_of(dst), src, size);
}

/* As persist_copy, with zeros. */
static inline void persist_zero(void *dst, size_t size)
{
    memset(alias_of(dst), 0, size);
}

/*
 * Starts writing back the line that holds this address. The "memory" clobber keeps the compiler from moving a store to
 * any byte of the line behind it; the CPU orders the flush behind older stores to the same line by itself.
 */
static inline void persist_flush_line(const struct persist *persist, struct persist_thread *thread, const void *line)
{
    switch (persist->flush) {
#if defined(__x86_64__)
    case PERSIST_CLWB:
        persist_count(&thread->lines, 1);
        __asm__ volatile("clwb %0" : "+m"(*(volatile char *)(uintptr_t)line) : : "memory");
        break;
    case PERSIST_CLFLUSHOPT:
        persist_count(&thread->lines, 1);
        __asm__ volatile("clflushopt %0" : "+m"(*(volatile char *)(uintptr_t)line) : : "memory");
        break;
    case PERSIST_CLFLUSH:
        persist_count(&thread->lines, 1);
        __asm__ volatile("clflush %0" : "+m"(*(volatile char *)(uintptr_t)line) : : "memory");
        break;
#elif defined(__aarch64__)
    case PERSIST_DCCVAP: /* by its encoding: the mnemonic needs an assembler told of ARMv8.2 */
        persist_count(&thread->lines, 1);
        __asm__ volatile("sys #3, c7, c12, #1, %0" : : "r"(line) : "memory");
        break;
    case PERSIST_DCCVAC:
        persist_count(&thread->lines, 1);
        __asm__ volatile("dc cvac, %0" : : "r"(line) : "memory");
        break;
#endif
    case PERSIST_MSYNC: {
        uint64_t from = (uint64_t)((const uint8_t *)line - persist->base) & ~(uint64_t)(LINE_SIZE - 1);
        uint64_t to = from + LINE_SIZE;

        persist_count(&thread->lines, 1);
        if (thread->dirty_to == 0 || from < thread->dirty_from)
            thread->dirty_from = from;
        if (to > thread->dirty_to)
            thread->dirty_to = to;
        break;
    }
    default: /* PERSIST_NONE: the cache is durable, but the compiler must still have stored */
        __asm__ volatile("" : : : "memory");
        break;
    }
}

/* Every line that the size bytes from start touch: an unaligned head and tail included. size 0 flushes nothing. */
static inline void persist_flush(const struct persist *persist, struct persist_thread *thread, const void *start,
                                 size_t size)
{
    uintptr_t line = (uintptr_t)start & ~(uintptr_t)(LINE_SIZE - 1);
    uintptr_t end = (uintptr_t)start + size;

    if (size == 0)
        return;
    for (; line < end; line += LINE_SIZE)
        persist_flush_line(persist, thread, (const void *)line);
}

/*
 * Waits until everything that this thread flushed is durable. Returns 0, or SDB_EIO: msync failed, or a page of the
 * pool was lost (sigbus.h), so that what was stored may have gone nowhere. After an error nothing since the last good
 * fence counts as durable.
 */
static inline int persist_fence(const struct persist *persist, struct persist_thread *thread)
{
    persist_count(&thread->fences, 1);
    if (__builtin_expect(persist->flush == PERSIST_MSYNC, 0)) {
        int error = persist_fence_msync(persist, thread);

        if (error != 0)
            return error;
    }
#if defined(__x86_64__)
    __asm__ volatile("sfence" : : : "memory");
#elif defined(__aarch64__)
    __asm__ volatile("dsb sy" : : : "memory");
#else
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
#endif
    if (__builtin_expect(__atomic_load_n(persist->media_failed, __ATOMIC_RELAXED) != 0, 0))
        return persist_fence_refused();
    return 0;
}

#endif /* SDB_PERSIST_BACKEND */

#endif
