/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * alias.h - the double-mapping build: a pool's view, which nobody may store to, and the writable alias beside it
 *
 * A build with SDB_PERSIST_ALIASED maps each pool twice. What all code holds are addresses of the view, which is mapped
 * for reading only; persist.h alone translates them to the alias and stores there. A store that goes around it, of
 * whatever kind, faults where it stands, and cannot miss its flush, its fence and its crash images unnoticed.
 *
 *     view    somewhere in the 16 TiB from ALIAS_VIEWS on, where the kernel places nothing of itself
 *     alias   ALIAS_DISTANCE above its view
 *
 * so that translating needs no table and no lock, and works in a signal handler. Any other address is its own alias:
 * ordinary memory, and in all other builds everything. Flushes and msync are given addresses of the view: they are
 * about lines and pages of the medium, and either address names the same. Tests that damage an open pool on purpose
 * say so with alias_of.
 */
#ifndef SDB_PMEM_ALIAS_H
#define SDB_PMEM_ALIAS_H

#include <stddef.h>
#include <stdint.h>

#if defined(SDB_PERSIST_ALIASED) && !defined(SDB_PERSIST_BACKEND) /* a backend has a medium of its own */
#define ALIAS_BUILD 1
#else
#define ALIAS_BUILD 0
#endif
#define ALIAS_DISTANCE (1ull << 44)
#define ALIAS_VIEWS (2 * ALIAS_DISTANCE)

/* Where the persist layer stores what belongs at this address. */
static inline void *alias_of(const void *media)
{
    uintptr_t address = (uintptr_t)media;

    if (ALIAS_BUILD && address - ALIAS_VIEWS < ALIAS_DISTANCE) {
        address += ALIAS_DISTANCE;
        /* The compiler must not conclude that a store there leaves what the view shows as it was. */
        __asm__ volatile("" : "+r"(address) : : "memory");
    }
    return (void *)address;
}

/* The address in the view, of one in the alias. */
static inline uintptr_t alias_view(uintptr_t address)
{
    if (ALIAS_BUILD && address - ALIAS_DISTANCE - ALIAS_VIEWS < ALIAS_DISTANCE)
        address -= ALIAS_DISTANCE;
    return address;
}

/*
 * Reserves size bytes (a multiple of EXTENT_SIZE) for a view and as many for its alias, at a random place. The first
 * call also has faults reported, where nobody handles SIGSEGV. Returns the view, 2 MiB aligned, or NULL.
 */
uint8_t *alias_reserve(uint64_t size);

/*
 * From here on a store to a view says on stderr, before it ends the process, what it stored to and by which instruction
 * of which program or library (addr2line -e PROGRAM OFFSET names the line). Takes the place of whatever handled
 * SIGSEGV; does nothing in other builds.
 */
void alias_report_faults(void);

/*
 * Puts zero pages in the place of lost ones, in the view and in the alias, as one memory. For signal handlers. Returns
 * 1, or 0 where the system refuses.
 */
int alias_place_zeros(uint8_t *view, size_t size);

#endif
