/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * dax.c - the layout of a file on persistent memory, as FIEMAP tells it
 *
 * Media:   none is read or written
 * Threads: any: no state
 * Memory:  none is allocated
 */
#include "dax.h"

#include <fcntl.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/types.h>

#include "layout.h"

#define EXTENTS_AT_ONCE 64u
#define NO_PLACE (FIEMAP_EXTENT_UNKNOWN | FIEMAP_EXTENT_ENCODED | FIEMAP_EXTENT_NOT_ALIGNED)

static int is_on_dax(int fd)
{
    struct statx facts;

    return statx(fd, "", AT_EMPTY_PATH, STATX_TYPE, &facts) == 0 && (facts.stx_attributes & STATX_ATTR_DAX) != 0;
}

/* A partition begins somewhere on its disk; a whole disk has no such file. */
static uint64_t device_offset_of(int fd)
{
    struct stat facts;
    unsigned long long sectors = 0;
    char path[64];

    if (fstat(fd, &facts) != 0)
        return 0;
    (void)snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/start", major(facts.st_dev), minor(facts.st_dev));
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return 0;
    if (fscanf(file, "%llu", &sectors) != 1)
        sectors = 0;
    (void)fclose(file);
    return sectors * 512;
}

uint64_t dax_extent_huge_bytes(uint64_t logical, uint64_t physical, uint64_t length, uint64_t device_offset)
{
    const uint64_t mask = EXTENT_SIZE - 1;
    const uint64_t head = -logical & mask; /* up to the first that is aligned in the file */

    if (((logical ^ (physical + device_offset)) & mask) != 0 || length <= head)
        return 0;
    return (length - head) & ~mask;
}

uint64_t dax_huge_page_bytes(int fd, uint64_t size)
{
    union {
        struct fiemap map;
        uint8_t room[sizeof(struct fiemap) + EXTENTS_AT_ONCE * sizeof(struct fiemap_extent)];
    } ask;
    const uint64_t device_offset = is_on_dax(fd) ? device_offset_of(fd) : 0;
    uint64_t sum = 0;
    uint64_t at = 0;

    if (!is_on_dax(fd))
        return 0;
    while (at < size) {
        memset(&ask.map, 0, sizeof(ask.map));
        ask.map.fm_start = at;
        ask.map.fm_length = size - at;
        ask.map.fm_extent_count = EXTENTS_AT_ONCE;
        if (ioctl(fd, FS_IOC_FIEMAP, &ask.map) != 0 || ask.map.fm_mapped_extents == 0)
            break;
        for (unsigned i = 0; i < ask.map.fm_mapped_extents; i++) {
            const struct fiemap_extent *extent = &ask.map.fm_extents[i];

            if ((extent->fe_flags & NO_PLACE) == 0)
                sum += dax_extent_huge_bytes(extent->fe_logical, extent->fe_physical, extent->fe_length, device_offset);
            at = extent->fe_logical + extent->fe_length;
            if ((extent->fe_flags & FIEMAP_EXTENT_LAST) != 0)
                return sum;
        }
    }
    return sum;
}
