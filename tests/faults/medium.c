/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * medium.c - a medium with bad pages, for superdb-pool-medium: the tool, with the calls that reach the pool's file wrapped by the linker
 *
 * SUPERDB_BAD_PAGES names a file with the offsets of bad pages, 8 bytes each, all ones where there is none. Bad pages are as those of persistent
 * memory: in a mapping they raise SIGBUS, reads through the file stop in front of them with EIO, and a write of the whole page through
 * the file makes the page good, which this process and later ones see. With SUPERDB_BAD_FOR_GOOD=1 no write is taken before the page was
 * given back to the file system (FALLOC_FL_PUNCH_HOLE); with 2 none ever is; with 3 all are, and the page stays bad. SUPERDB_BAD_FROM=N: of each bad page only the bytes from N
 * on cannot be read through the file.
 *
 * Only what was synced lasts: a page that was written and not synced is bad again for the next process. SUPERDB_MEDIUM_TRACE names a
 * file that is told, a line each: "write OFFSET SIZE A B WORD", with what the state is in the superblock's copies at that moment, and the
 * word at offset SUPERDB_MEDIUM_WATCH; "sync" for an fsync of the pool, "msync OFFSET SIZE" for what is written back of its mapping.
 *
 * Threads: one
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "superblock.h"

#define PAGE_BYTES 4096u
#define BAD_MAX 4096u
#define NONE UINT64_MAX

void *__real_mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset);
ssize_t __real_pread(int fd, void *to, size_t size, off_t offset);
ssize_t __real_pwrite(int fd, const void *from, size_t size, off_t offset);
int __real_fallocate(int fd, int mode, off_t offset, off_t size);
int __real_fsync(int fd);
int __real_msync(void *at, size_t size, int flags);
void *__wrap_mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset);
ssize_t __wrap_pread(int fd, void *to, size_t size, off_t offset);
ssize_t __wrap_pwrite(int fd, const void *from, size_t size, off_t offset);
int __wrap_fallocate(int fd, int mode, off_t offset, off_t size);
int __wrap_fsync(int fd);
int __wrap_msync(void *at, size_t size, int flags);

static uint64_t bad[BAD_MAX];
static size_t bad_count;
static int given_back; /* SUPERDB_BAD_FOR_GOOD=1: a page that was */
static long for_good, bad_from;
static FILE *trace;
static struct {
    uintptr_t at;
    size_t size;
} mapped[4]; /* from the pool's beginning on: twice where stores have a mapping of their own */
static size_t mapped_count;

static long number_of(const char *name)
{
    const char *text = getenv(name);

    return text != NULL ? strtol(text, NULL, 10) : 0;
}

__attribute__((constructor)) static void begin(void)
{
    const char *path = getenv("SUPERDB_BAD_PAGES");
    FILE *file = path != NULL ? fopen(path, "rb") : NULL;

    if (file == NULL)
        return;
    bad_count = fread(bad, sizeof(bad[0]), BAD_MAX, file);
    (void)fclose(file);
    for_good = number_of("SUPERDB_BAD_FOR_GOOD");
    bad_from = number_of("SUPERDB_BAD_FROM");
    path = getenv("SUPERDB_MEDIUM_TRACE");
    trace = path != NULL ? fopen(path, "w") : NULL;
}

static void remember(void)
{
    FILE *file = fopen(getenv("SUPERDB_BAD_PAGES"), "wb");

    if (file == NULL || fwrite(bad, sizeof(bad[0]), bad_count, file) != bad_count || fclose(file) != 0)
        abort();
}

static int is_pool(int fd)
{
    char link[64], path[512];
    ssize_t size;

    (void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    size = bad_count != 0 && fd >= 0 ? readlink(link, path, sizeof(path) - 1) : -1;
    if (size <= 0)
        return 0;
    path[size] = '\0';
    return strcmp(path + (size > 4 ? size - 4 : 0), ".sdb") == 0 || strncmp(path, "/memfd:superdb", 14) == 0; /* the copy of a dry run */
}

/* Behind the end of an empty file every access raises SIGBUS. */
static void lose(uint8_t *page, int protection)
{
    int empty = memfd_create("bad", MFD_CLOEXEC);

    if (empty < 0 || __real_mmap(page, PAGE_BYTES, protection, MAP_SHARED | MAP_FIXED, empty, 0) != page)
        abort();
    (void)close(empty);
}

void *__wrap_mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset)
{
    uint8_t *bytes = __real_mmap(at, size, protection, flags, fd, offset);

    if (bytes == MAP_FAILED || !is_pool(fd))
        return bytes;
    if (offset == 0 && size > PAGE_BYTES && mapped_count < sizeof(mapped) / sizeof(mapped[0])) {
        mapped[mapped_count].at = (uintptr_t)bytes;
        mapped[mapped_count++].size = size;
    }
    for (size_t i = 0; i < bad_count; i++)
        if (bad[i] != NONE && bad[i] >= (uint64_t)offset && bad[i] < (uint64_t)offset + size)
            lose(bytes + (bad[i] - (uint64_t)offset), protection);
    return bytes;
}

ssize_t __wrap_pread(int fd, void *to, size_t size, off_t offset)
{
    for (size_t i = 0; i < bad_count && is_pool(fd); i++) {
        const uint64_t from = bad[i] + (uint64_t)bad_from, end = bad[i] + PAGE_BYTES;

        if (bad[i] == NONE || (uint64_t)offset >= end || (uint64_t)offset + size <= from)
            continue;
        if ((uint64_t)offset >= from) {
            errno = EIO;
            return -1;
        }
        size = from - (uint64_t)offset;
    }
    return __real_pread(fd, to, size, offset);
}

static void trace_write(int fd, size_t size, off_t offset)
{
    struct sdb_m_superblock copies[2];
    uint64_t watched = 0;

    if (trace == NULL || !is_pool(fd))
        return;
    for (unsigned i = 0; i < 2; i++)
        if (__real_pread(fd, &copies[i], sizeof(copies[i]), i ? SB_COPY_OFFSET_B : SB_COPY_OFFSET_A) != (ssize_t)sizeof(copies[i]))
            abort();
    if (__real_pread(fd, &watched, sizeof(watched), number_of("SUPERDB_MEDIUM_WATCH")) != (ssize_t)sizeof(watched))
        abort();
    (void)fprintf(trace, "write %lld %zu %u %u %" PRIu64 "\n", (long long)offset, size, (unsigned)copies[0].state,
                  (unsigned)copies[1].state, watched);
    (void)fflush(trace);
}

ssize_t __wrap_pwrite(int fd, const void *from, size_t size, off_t offset)
{
    for (size_t i = 0; i < bad_count && is_pool(fd); i++) {
        if (bad[i] == NONE || (uint64_t)offset >= bad[i] + PAGE_BYTES || (uint64_t)offset + size <= bad[i])
            continue;
        if ((uint64_t)offset > bad[i] || (uint64_t)offset + size < bad[i] + PAGE_BYTES || for_good == 2 || (for_good == 1 && !given_back)) {
            errno = EIO;
            return -1;
        }
        if (for_good != 3)
            bad[i] = NONE;
        given_back = 0;
    }
    trace_write(fd, size, offset);
    return __real_pwrite(fd, from, size, offset);
}

int __wrap_fsync(int fd)
{
    if (is_pool(fd)) {
        remember();
        if (trace != NULL && fprintf(trace, "sync\n") > 0)
            (void)fflush(trace);
    }
    return __real_fsync(fd);
}

int __wrap_msync(void *at, size_t size, int flags)
{
    for (size_t i = 0; i < mapped_count && trace != NULL; i++)
        if ((uintptr_t)at - mapped[i].at < mapped[i].size && fprintf(trace, "msync %zu %zu\n", (size_t)((uintptr_t)at - mapped[i].at), size) > 0)
            (void)fflush(trace);
    return __real_msync(at, size, flags);
}

int __wrap_fallocate(int fd, int mode, off_t offset, off_t size)
{
    given_back |= (mode & FALLOC_FL_PUNCH_HOLE) != 0;
    return __real_fallocate(fd, mode, offset, size);
}
