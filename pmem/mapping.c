/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * mapping.c - reserving address space and mapping the pool's file into it
 *
 * Media:   none is written
 * Holds:   base never moves, so that a pointer into the pool is good until close, whatever grows
 * Threads: the caller's lock
 * Memory:  none is allocated; address space only
 */
#include "mapping.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <unistd.h>

#include "alias.h"
#include "error.h"
#include "layout.h"
#include "superdb/superdb.h"

#define RESERVE_FLAGS (MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE)

static int try_reserve(uint64_t size, struct mapping *mapping)
{
    if (ALIAS_BUILD) {
        mapping->base = alias_reserve(size);
        mapping->reserved = size;
        return mapping->base != NULL;
    }
    uint8_t *room = mmap(NULL, (size_t)(size + EXTENT_SIZE), PROT_NONE, RESERVE_FLAGS, -1, 0);

    if (room == MAP_FAILED)
        return 0;
    size_t head = (size_t)(-(uintptr_t)room & (EXTENT_SIZE - 1));
    size_t tail = EXTENT_SIZE - head;

    if (head != 0)
        (void)munmap(room, head);
    if (tail != 0)
        (void)munmap(room + head + size, tail);
    mapping->base = room + head;
    mapping->reserved = size;
    return 1;
}

int mapping_reserve(uint64_t size, uint64_t size_max, struct mapping *mapping)
{
    if (try_reserve(size_max, mapping) || try_reserve(size, mapping))
        return 0;
    error_set("no address space for %llu MiB: %s", (unsigned long long)(size >> 20), strerror(errno));
    return SDB_ENOMEM;
}

int mapping_can_sync(int fd, int readonly)
{
    const int protection = readonly ? PROT_READ : PROT_READ | PROT_WRITE;
    void *probe = mmap(NULL, 4096, protection, MAP_SHARED_VALIDATE | MAP_SYNC, fd, 0);

    if (probe == MAP_FAILED)
        return errno == ENOMEM || errno == EAGAIN || errno == ENFILE ? -1 : 0;
    (void)munmap(probe, 4096);
    return 1;
}

static int place(uint8_t *at, size_t size, int protection, const struct mapping_kind *kind, uint64_t offset)
{
    const int sharing = kind->isolated ? MAP_PRIVATE | MAP_NORESERVE : kind->sync ? MAP_SHARED_VALIDATE | MAP_SYNC : MAP_SHARED;

    if (mmap(at, size, protection, sharing | MAP_FIXED, kind->fd, (off_t)offset) == MAP_FAILED)
        return 0;
    (void)madvise(at, size, MADV_HUGEPAGE); /* refused where there are none: mapping_huge_page_bytes tells */
    return 1;
}

static void place_nothing(uint8_t *at, size_t size)
{
    (void)mmap(at, size, PROT_NONE, RESERVE_FLAGS | MAP_FIXED, -1, 0);
}

int mapping_place(const struct mapping *mapping, const struct mapping_kind *kind, uint64_t from, uint64_t to)
{
    const int protection = kind->readonly ? PROT_READ : PROT_READ | PROT_WRITE;
    const size_t size = (size_t)(to - from);
    uint8_t *view = mapping->base + from;
    uint8_t *alias = alias_of(view); /* the view itself, but in the double-mapping build */

    if (to > mapping->reserved) {
        error_set("only %llu MiB of address space were given at open: close the pool, open it and grow again",
                  (unsigned long long)(mapping->reserved >> 20));
        return SDB_ENOMEM;
    }
    if ((alias != view && !place(view, size, PROT_READ, kind, from)) || !place(alias, size, protection, kind, from)) {
        const int number = errno;

        place_nothing(view, size);
        if (alias != view)
            place_nothing(alias, size);
        error_set("mapping %llu MiB: %s", (unsigned long long)(size >> 20), strerror(number));
        return number == ENOMEM ? SDB_ENOMEM : SDB_EIO;
    }
    return 0;
}

int mapping_copy(int fd, uint64_t file_size, uint64_t size)
{
    int copy = memfd_create("superdb", MFD_CLOEXEC);
    off_t at = 0;

    if (copy < 0)
        return -1;
    while (at < (off_t)file_size && sendfile(copy, fd, &at, (size_t)file_size - (size_t)at) > 0)
        ;
    if (at == (off_t)file_size && ftruncate(copy, (off_t)size) == 0)
        return copy;
    (void)close(copy);
    return -1;
}

int mapping_blank(const struct mapping *mapping, uint64_t from, uint64_t to)
{
    const uint64_t page = (from + 4095) & ~4095ull;

    if (page >= to || mmap(mapping->base + page, (size_t)(to - page), PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) != MAP_FAILED)
        return 0;
    error_set("mapping %llu MiB: %s", (unsigned long long)((to - page) >> 20), strerror(errno));
    return SDB_ENOMEM;
}

void mapping_release(struct mapping *mapping)
{
    uint8_t *alias = alias_of(mapping->base);

    (void)munmap(mapping->base, (size_t)mapping->reserved);
    if (alias != mapping->base)
        (void)munmap(alias, (size_t)mapping->reserved);
    mapping->base = NULL;
    mapping->reserved = 0;
}

/* The number behind "Key:" where the line is about huge pages, in bytes; else 0. */
static uint64_t huge_bytes_of(const char *line)
{
    static const char *const keys[] = {"AnonHugePages:", "ShmemPmdMapped:", "FilePmdMapped:", "Shared_Hugetlb:"};
    unsigned long long kib;

    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        const size_t size = strlen(keys[i]);

        if (strncmp(line, keys[i], size) == 0 && sscanf(line + size, "%llu", &kib) == 1)
            return kib << 10;
    }
    return 0;
}

uint64_t mapping_huge_page_bytes(const uint8_t *base, uint64_t size)
{
    FILE *smaps = fopen("/proc/self/smaps", "re");
    char line[512];
    uint64_t sum = 0;
    int inside = 0;

    if (smaps == NULL)
        return 0;
    while (fgets(line, sizeof(line), smaps) != NULL) {
        unsigned long long start;
        unsigned long long end;

        /* A mapping's first line begins with its range, the lines about it with a name. */
        if (sscanf(line, "%llx-%llx ", &start, &end) == 2)
            inside = start >= (uintptr_t)base && end <= (uintptr_t)base + size;
        else if (inside)
            sum += huge_bytes_of(line);
    }
    (void)fclose(smaps);
    return sum;
}
