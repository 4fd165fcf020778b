/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * medium.c - a medium with bad pages, for superdb-pool-medium: the tool, with the calls that reach the pool's file wrapped by the linker
 *
 * SUPERDB_BAD_PAGES names a file with the offsets of bad pages, 8 bytes each, all ones where there is none. Bad pages are as those of persistent
 * memory: in a mapping they raise SIGBUS, reads through the file stop in front of them with EIO, and a write of the whole page through
 * the file makes the page good, which this process and later ones see. With SUPERDB_BAD_FOR_GOOD=1 no write is taken before the page was
 * given back to the file system (FALLOC_FL_PUNCH_HOLE); with 2 none ever is. SUPERDB_BAD_FROM=N: of each bad page only the bytes from N
 * on cannot be read through the file.
 *
 * Threads: one
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE_BYTES 4096u
#define BAD_MAX 4096u
#define NONE UINT64_MAX

void *__real_mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset);
ssize_t __real_pread(int fd, void *to, size_t size, off_t offset);
ssize_t __real_pwrite(int fd, const void *from, size_t size, off_t offset);
int __real_fallocate(int fd, int mode, off_t offset, off_t size);
void *__wrap_mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset);
ssize_t __wrap_pread(int fd, void *to, size_t size, off_t offset);
ssize_t __wrap_pwrite(int fd, const void *from, size_t size, off_t offset);
int __wrap_fallocate(int fd, int mode, off_t offset, off_t size);

static uint64_t bad[BAD_MAX];
static size_t bad_count;
static int given_back; /* SUPERDB_BAD_FOR_GOOD=1: a page that was */
static long for_good, bad_from;

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
    uint8_t *mapped = __real_mmap(at, size, protection, flags, fd, offset);

    if (mapped == MAP_FAILED || !is_pool(fd))
        return mapped;
    for (size_t i = 0; i < bad_count; i++)
        if (bad[i] != NONE && bad[i] >= (uint64_t)offset && bad[i] < (uint64_t)offset + size)
            lose(mapped + (bad[i] - (uint64_t)offset), protection);
    return mapped;
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

ssize_t __wrap_pwrite(int fd, const void *from, size_t size, off_t offset)
{
    for (size_t i = 0; i < bad_count && is_pool(fd); i++) {
        if (bad[i] == NONE || (uint64_t)offset >= bad[i] + PAGE_BYTES || (uint64_t)offset + size <= bad[i])
            continue;
        if ((uint64_t)offset > bad[i] || (uint64_t)offset + size < bad[i] + PAGE_BYTES || for_good == 2 || (for_good == 1 && !given_back)) {
            errno = EIO;
            return -1;
        }
        bad[i] = NONE;
        given_back = 0;
        remember();
    }
    return __real_pwrite(fd, from, size, offset);
}

int __wrap_fallocate(int fd, int mode, off_t offset, off_t size)
{
    given_back |= (mode & FALLOC_FL_PUNCH_HOLE) != 0;
    return __real_fallocate(fd, mode, offset, size);
}
