/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * mapping.h - the pool's place in the address space: kept for its largest size at open, filled as the file grows
 */
#ifndef SDB_PMEM_MAPPING_H
#define SDB_PMEM_MAPPING_H

#include <stdint.h>

struct mapping {
    uint8_t *base;     /* 2 MiB aligned */
    uint64_t reserved; /* bytes from base on */
};

/*
 * Keeps size_max bytes of address space, or `size` where the system refuses that many (growing then needs a reopen).
 * Owner: the caller gives it back with mapping_release. Errors: SDB_ENOMEM.
 */
int mapping_reserve(uint64_t size, uint64_t size_max, struct mapping *mapping);

struct mapping_kind {
    int fd;
    int readonly;
    int sync;     /* MAP_SYNC */
    int isolated; /* MAP_PRIVATE, for storing to */
};

/*
 * Maps the file's bytes from..to (multiples of 2 MiB) at their place and asks for huge pages. Errors: SDB_ENOMEM
 * (behind what is reserved, or the system refuses), SDB_EIO; the place is then reserved as before.
 */
int mapping_place(const struct mapping *mapping, const struct mapping_kind *kind, uint64_t from, uint64_t to);

/* Zero pages of ordinary memory in place of the file's: for what a private mapping of a file that is too short lacks. */
int mapping_blank(const struct mapping *mapping, uint64_t from, uint64_t to);

/* A file in memory with the same bytes, and zeros behind them: a private mapping for the double-mapping build. -1: errno. */
int mapping_copy(int fd, uint64_t file_size, uint64_t size);

/* 1 where the kernel maps this file with MAP_SYNC, 0 where not; -1 with errno: it had no room for a mapping, and nothing is known. */
int mapping_can_sync(int fd, int readonly);

void mapping_release(struct mapping *mapping);

/* Bytes of huge pages in the range, as /proc/self/smaps has them. */
uint64_t mapping_huge_page_bytes(const uint8_t *base, uint64_t size);

#endif
