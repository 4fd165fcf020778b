/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * poison.c - loses pages of a running server's pool, as a bad page of persistent memory is lost: the next access is SIGBUS
 *
 * Only the process that has a mapping can make the kernel call a page of it poisoned (UFFDIO_POISON), so this stands in the test's own
 * server program, beside main.c, and no code of the server knows of it. SUPERDB_POISON names a pair of pipes in the file system: for
 * each offset of 8 bytes that is written to PATH.in the page of the pool is poisoned, and 8 bytes of errno come out of PATH.out.
 *
 * Threads: one of its own, which begins before main
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PAGE_BYTES 4096u

/* Newer than the headers of some systems. */
struct poison {
    struct uffdio_range range;
    uint64_t mode;
    int64_t updated;
};
#define POISON_IOCTL _IOWR(UFFDIO, 0x08, struct poison)
#define POISON_FEATURE (1ull << 14)

static char path_in[512], path_out[512];

/* Where the file's offset is mapped to be written, in a file whose name ends in .sdb; NULL: nowhere. */
static uint8_t *find_page(uint64_t offset)
{
    FILE *maps = fopen("/proc/self/maps", "r");
    char line[1024], access[8];
    unsigned long long from, to, at;
    uint8_t *page = NULL;

    while (maps != NULL && page == NULL && fgets(line, sizeof(line), maps) != NULL)
        if (strstr(line, ".sdb\n") != NULL && sscanf(line, "%llx-%llx %7s %llx", &from, &to, access, &at) == 4 &&
            offset >= at && offset < at + (to - from))
            page = (uint8_t *)(uintptr_t)(from + (offset - at)); // NOLINT(performance-no-int-to-ptr)
    if (maps != NULL)
        (void)fclose(maps);
    return page;
}

/* The descriptor stays open: with it the poison would go. */
static int poison(uint64_t offset)
{
    struct uffdio_api api = {.api = UFFD_API, .features = POISON_FEATURE};
    uint8_t *page = find_page(offset);
    struct uffdio_register area = {.range = {(uintptr_t)page, PAGE_BYTES}, .mode = UFFDIO_REGISTER_MODE_MISSING};
    struct poison poisoned = {.range = {(uintptr_t)page, PAGE_BYTES}};
    static int fd = -1;

    if (page == NULL)
        return ENXIO;
    if (fd < 0)
        fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return errno;
    (void)ioctl(fd, UFFDIO_API, &api);
    if (ioctl(fd, UFFDIO_REGISTER, &area) != 0 || madvise(page, PAGE_BYTES, MADV_DONTNEED) != 0 ||
        ioctl(fd, POISON_IOCTL, &poisoned) != 0)
        return errno;
    return 0;
}

static void *run(void *unused)
{
    const int in = open(path_in, O_RDONLY), out = open(path_out, O_WRONLY);
    uint64_t offset;

    (void)unused;
    while (in >= 0 && out >= 0 && read(in, &offset, sizeof(offset)) == (ssize_t)sizeof(offset)) {
        const int64_t error = poison(offset);

        if (write(out, &error, sizeof(error)) != (ssize_t)sizeof(error))
            break;
    }
    return NULL;
}

__attribute__((constructor)) static void begin(void)
{
    const char *path = getenv("SUPERDB_POISON");
    pthread_t thread;

    if (path == NULL)
        return;
    (void)snprintf(path_in, sizeof(path_in), "%s.in", path);
    (void)snprintf(path_out, sizeof(path_out), "%s.out", path);
    if (pthread_create(&thread, NULL, run, NULL) == 0)
        (void)pthread_detach(thread);
}
