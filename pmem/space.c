/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * space.c - allocating, zeroing and syncing the pool's file
 *
 * Media:   zeros, behind what the superblock says is in use
 * Commit:  none: the superblock written afterwards is (file.c); until then a crash leaves a longer or unformatted file
 * Threads: any, one for each file
 * Memory:  one static block of zeros
 */
#include "space.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "error.h"
#include "layout.h"
#include "superdb/superdb.h"

#define CHUNK_SIZE (1u << 20)
#define BLOCK_SIZE 65536u

static const uint8_t zeros[CHUNK_SIZE];

int space_error(int number)
{
    switch (number) {
    case ENOENT:
    case ENOTDIR:
        return SDB_ENOENT;
    case EEXIST:
        return SDB_EEXIST;
    case EACCES:
    case EPERM:
    case EROFS:
        return SDB_EACCESS;
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
        return SDB_ENOSPC;
    case ENOMEM:
        return SDB_ENOMEM;
    case EISDIR:
    case ELOOP:
    case ENAMETOOLONG:
    case ENXIO:
        return SDB_EINVAL;
    default:
        return SDB_EIO;
    }
}

/*
 * A mapping of the file's bytes from..to that asks for huge pages, in a reserved room of size + EXTENT_SIZE; NULL:
 * none.
 */
static uint8_t *map_asking_huge(int fd, uint64_t from, size_t size, uint8_t **room)
{
    *room = mmap(NULL, size + EXTENT_SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (*room == MAP_FAILED)
        return NULL;
    uint8_t *at = *room + (-(uintptr_t)*room & (EXTENT_SIZE - 1));

    if (mmap(at, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, (off_t)from) == MAP_FAILED) {
        (void)munmap(*room, size + EXTENT_SIZE);
        return NULL;
    }
    (void)madvise(at, size, MADV_HUGEPAGE);
    return at;
}

static int has_room(int fd, uint64_t size)
{
    struct statvfs facts;

    return fstatvfs(fd, &facts) == 0 && (uint64_t)facts.f_bavail * facts.f_frsize >= size;
}

static uint64_t allocated_bytes(int fd)
{
    struct stat facts;

    return fstat(fd, &facts) == 0 ? (uint64_t)facts.st_blocks * 512 : 0;
}

/*
 * A file system may give huge pages only where a mapping asks for them (huge=advise); fallocate asks for none. So the
 * first page is touched through such a mapping, and where a huge one came of it, so are the others. No failure counts:
 * what is missing afterwards is allocated, or refused, by fallocate; where it will be refused, nothing is tried. from
 * and to are multiples of EXTENT_SIZE.
 */
static void populate_huge(int fd, uint64_t from, uint64_t to)
{
#ifdef MADV_POPULATE_WRITE
    const uint64_t before = allocated_bytes(fd);
    uint8_t *room;
    uint8_t *at = has_room(fd, to - from) ? map_asking_huge(fd, from, (size_t)(to - from), &room) : NULL;

    if (at == NULL)
        return;
    if (madvise(at, 4096, MADV_POPULATE_WRITE) == 0 && allocated_bytes(fd) - before >= EXTENT_SIZE)
        (void)madvise(at, (size_t)(to - from), MADV_POPULATE_WRITE);
    (void)munmap(room, (size_t)(to - from) + EXTENT_SIZE);
#else
    (void)fd;
    (void)from;
    (void)to;
#endif
}

static int allocate_in_memory(int fd, uint64_t from, uint64_t to)
{
    if (ftruncate(fd, (off_t)to) != 0)
        return errno;
    populate_huge(fd, from, to);
    if (fallocate(fd, 0, (off_t)from, (off_t)(to - from)) != 0 && errno != EOPNOTSUPP)
        return errno;
    return 0;
}

static int write_zeros(int fd, uint64_t from, uint64_t to)
{
    while (from < to) {
        size_t part = to - from < CHUNK_SIZE ? (size_t)(to - from) : CHUNK_SIZE;
        ssize_t done = pwrite(fd, zeros, part, (off_t)from);

        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return done < 0 ? errno : EIO;
        from += (uint64_t)done;
    }
    return 0;
}

/* Allocated first, so that a full disk says so before gigabytes are written. */
static int allocate_on_disk(int fd, uint64_t from, uint64_t to)
{
    if (fallocate(fd, 0, (off_t)from, (off_t)(to - from)) != 0 && errno != EOPNOTSUPP && errno != ENOSYS)
        return errno;
    int number = write_zeros(fd, from, to);

    if (number == 0 && fsync(fd) != 0)
        number = errno;
    return number;
}

int space_extend(int fd, uint64_t from, uint64_t to, int in_memory)
{
    int number = 0;

    if (ftruncate(fd, (off_t)from) != 0)
        number = errno;
    if (number == 0)
        number = in_memory ? allocate_in_memory(fd, from, to) : allocate_on_disk(fd, from, to);
    if (number == 0)
        return 0;
    error_set("allocating %llu MiB: %s", (unsigned long long)((to - from) >> 20), strerror(number));
    (void)ftruncate(fd, (off_t)from);
    return space_error(number);
}

/* What lies between a copy's magic word, which a creation writes last, and its end may be there already. */
static void forget_copy(uint8_t *block, uint64_t from, uint64_t size, uint64_t copy_offset)
{
    const uint64_t start = copy_offset + sizeof(uint64_t);
    const uint64_t end = copy_offset + sizeof(struct sdb_m_superblock);
    const uint64_t clear_from = start > from ? start : from;
    const uint64_t clear_to = end < from + size ? end : from + size;

    if (clear_from < clear_to)
        memset(block + (clear_from - from), 0, (size_t)(clear_to - clear_from));
}

/* 1 where the bytes from..to of a file of file_size are zero, apart from the inside of superblock copies. */
static int range_is_zero(int fd, uint64_t file_size, uint64_t from, uint64_t to)
{
    const int pool_sized = file_size >= POOL_SIZE_MIN && file_size % EXTENT_SIZE == 0;
    uint8_t block[BLOCK_SIZE];

    while (from < to) {
        size_t part = to - from < sizeof(block) ? (size_t)(to - from) : sizeof(block);
        ssize_t done = pread(fd, block, part, (off_t)from);

        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return 0;
        if (pool_sized) {
            forget_copy(block, from, (uint64_t)done, SB_COPY_OFFSET_A);
            forget_copy(block, from, (uint64_t)done, SB_COPY_OFFSET_B);
        }
        if (memcmp(block, zeros, (size_t)done) != 0)
            return 0;
        from += (uint64_t)done;
    }
    return 1;
}

int space_is_unformatted(int fd, uint64_t size)
{
    off_t at = 0;

    /* Holes need no reading. */
    while ((uint64_t)at < size) {
        off_t data = lseek(fd, at, SEEK_DATA);
        off_t hole;

        if (data < 0)
            return errno == ENXIO; /* no data behind this */
        hole = lseek(fd, data, SEEK_HOLE);
        if (hole <= data)
            return 0;
        if (!range_is_zero(fd, size, (uint64_t)data, (uint64_t)hole))
            return 0;
        at = hole;
    }
    return 1;
}
