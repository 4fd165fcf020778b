/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * files.c - simulated files: the system calls that the engine makes on the media of the domains
 *
 * Holds:   what a file's mapping shows is its medium; what a call wrote is there at once, and durable with the next
 *          fsync; a new size likewise. A file's mapping stays where it is when it is closed, so that opening it again
 *          maps nothing.
 * Threads: as the engine's calls: one opens a file at a time
 * Memory:  none of its own
 */
#define FILES_THEMSELVES
#include "files.h"

#include <errno.h>
#include <string.h>

#include "domain.h"
#include "schedule.h"

#define FD_FIRST 0x5db0000
#define FD_DIRECTORY (FD_FIRST + (int)LEVELS)
#define EXTENT (2ull << 20)

static bool opening[LEVELS]; /* from the open of the file to its mapping */
static int64_t virtual_ms;
static uint64_t random_state;
static uint64_t fail_random;
static uint32_t fail_often;

static struct medium *medium_of(int fd)
{
    return fd >= FD_FIRST && fd < FD_DIRECTORY ? &domains.levels[fd - FD_FIRST].medium : NULL;
}

static unsigned level_of(int fd)
{
    return (unsigned)(fd - FD_FIRST);
}

static int is_simulated(const char *path)
{
    return domains_active() && strncmp(path, FILES_PREFIX, sizeof(FILES_PREFIX) - 1) == 0;
}

static int fd_of(const char *path)
{
    const char *name = path + sizeof(FILES_PREFIX) - 1;

    return name[0] == '/' && name[1] >= '0' && name[1] < '0' + (int)LEVELS ? FD_FIRST + name[1] - '0' : FD_DIRECTORY;
}

void files_set_time(int64_t now_ms)
{
    virtual_ms = now_ms;
}

void files_seed(uint64_t seed)
{
    random_state = seed;
    fail_random = seed;
}

void files_fail_memory(uint32_t often)
{
    fail_often = often;
}

/* -- names and descriptors -- */

int files_open(const char *path, int flags, mode_t mode)
{
    struct medium *medium;
    int fd;

    if (!is_simulated(path))
        return open(path, flags, mode);
    fd = fd_of(path);
    if (fd == FD_DIRECTORY)
        return fd;
    medium = medium_of(fd);
    if (medium->exists && (flags & O_EXCL)) {
        errno = EEXIST;
        return -1;
    }
    if (!medium->exists && !(flags & O_CREAT)) {
        errno = ENOENT;
        return -1;
    }
    medium->exists = true;
    opening[level_of(fd)] = true;
    return fd;
}

int files_close(int fd)
{
    return fd >= FD_FIRST && fd <= FD_DIRECTORY ? 0 : close(fd);
}

int files_unlink(const char *path)
{
    struct medium *medium;

    if (!is_simulated(path))
        return unlink(path);
    medium = medium_of(fd_of(path));
    medium->exists = false;
    medium->size = medium->size_durable = 0;
    return 0;
}

int files_fstat(int fd, struct stat *facts)
{
    const struct medium *medium = medium_of(fd);

    if (!medium)
        return fstat(fd, facts);
    memset(facts, 0, sizeof(*facts));
    facts->st_mode = S_IFREG | 0600;
    facts->st_nlink = 1;
    facts->st_dev = 0x5db;
    facts->st_ino = (ino_t)fd;
    facts->st_size = (off_t)medium->size;
    facts->st_blocks = (blkcnt_t)(medium->size / 512);
    return 0;
}

int files_stat(const char *path, struct stat *facts)
{
    const struct medium *medium;

    if (!is_simulated(path))
        return stat(path, facts);
    medium = medium_of(fd_of(path));
    if (!medium || !medium->exists) {
        errno = ENOENT;
        return -1;
    }
    return files_fstat(fd_of(path), facts);
}

int files_fstatfs(int fd, struct statfs *facts)
{
    if (!medium_of(fd))
        return fstatfs(fd, facts);
    memset(facts, 0, sizeof(*facts));
    facts->f_type = 0xef53;
    return 0;
}

int files_fcntl(int fd, int command, struct flock *lock)
{
    if (!medium_of(fd))
        return fcntl(fd, command, lock);
    if (command == F_GETLK || command == F_OFD_GETLK)
        lock->l_type = F_UNLCK;
    return 0;
}

/* -- contents -- */

ssize_t files_pread(int fd, void *to, size_t size, off_t offset)
{
    const struct medium *medium = medium_of(fd);

    if (!medium)
        return pread(fd, to, size, offset);
    if ((uint64_t)offset >= medium->size)
        return 0;
    if (size > medium->size - (uint64_t)offset)
        size = (size_t)(medium->size - (uint64_t)offset);
    memcpy(to, medium->base + offset, size);
    return (ssize_t)size;
}

ssize_t files_pwrite(int fd, const void *from, size_t size, off_t offset)
{
    struct medium *medium = medium_of(fd);

    if (!medium)
        return pwrite(fd, from, size, offset);
    if ((uint64_t)offset + size > medium->capacity) {
        errno = ENOSPC;
        return -1;
    }
    if (memcmp(medium->base + offset, from, size) != 0)
        domain_copy(level_of(fd), medium->base + offset, from, size, EVENT_COPY, site_here);
    if ((uint64_t)offset + size > medium->size)
        medium->size = (uint64_t)offset + size;
    return (ssize_t)size;
}

int files_fsync(int fd)
{
    struct medium *medium = medium_of(fd);

    if (fd == FD_DIRECTORY)
        return 0;
    if (!medium)
        return fsync(fd);
    domain_sync(level_of(fd), 0, medium->capacity);
    medium->size_durable = medium->size;
    return 0;
}

int files_ftruncate(int fd, off_t size)
{
    struct medium *medium = medium_of(fd);

    if (!medium)
        return ftruncate(fd, size);
    if ((uint64_t)size > medium->capacity) {
        errno = EFBIG;
        return -1;
    }
    if ((uint64_t)size < medium->size)
        domain_copy(level_of(fd), medium->base + size, NULL, (size_t)(medium->size - (uint64_t)size), EVENT_COPY,
                    site_here);
    medium->size = (uint64_t)size;
    return 0;
}

int files_fallocate(int fd, int mode, off_t offset, off_t size)
{
    struct medium *medium = medium_of(fd);

    if (!medium)
        return fallocate(fd, mode, offset, size);
    if ((uint64_t)(offset + size) > medium->capacity) {
        errno = ENOSPC;
        return -1;
    }
    if ((uint64_t)(offset + size) > medium->size)
        medium->size = (uint64_t)(offset + size);
    return 0;
}

/* There are no holes. */
off_t files_lseek(int fd, off_t offset, int whence)
{
    const struct medium *medium = medium_of(fd);

    if (!medium)
        return lseek(fd, offset, whence);
    if (whence == SEEK_HOLE)
        return (off_t)medium->size;
    if (whence == SEEK_DATA && (uint64_t)offset < medium->size)
        return offset;
    errno = ENXIO;
    return -1;
}

/* -- mappings -- */

void *files_mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset)
{
    const struct medium *medium = medium_of(fd);

    if (medium && (flags & MAP_FIXED) == 0 && domains.kind == DOMAIN_PAGES && (flags & MAP_SYNC)) {
        errno = EOPNOTSUPP;
        return MAP_FAILED;
    }
    if (medium)
        return medium->base + offset; /* where the room for it is: see below */
    /* While an image of a level is tried, the one above is being opened, and none of those below. */
    if (domains_active() && opening[domains.floor] && fd == -1 && protection == PROT_NONE &&
        size <= domains.levels[domains.floor].medium.capacity + EXTENT) {
        opening[domains.floor] = false;
        return domains.levels[domains.floor]
            .medium.base; /* 2 MiB aligned: the caller gives nothing in front of it back */
    }
    return mmap(at, size, protection, flags, fd, offset);
}

static int is_in_medium(const uint8_t *at)
{
    for (unsigned i = 0; domains_active() && i < LEVELS; i++) {
        const struct medium *medium = &domains.levels[i].medium;

        if (at >= medium->base && at <= medium->base + medium->capacity)
            return 1;
    }
    return 0;
}

int files_munmap(void *at, size_t size)
{
    return is_in_medium(at) ? 0 : munmap(at, size);
}

int files_madvise(void *at, size_t size, int advice)
{
    return is_in_medium(at) ? 0 : madvise(at, size, advice);
}

int files_msync(void *at, size_t size, int flags)
{
    int level = domain_of(at);

    if (level < 0)
        return msync(at, size, flags);
    uint64_t from = (uint64_t)((uint8_t *)at - domains.levels[level].medium.base);

    domain_sync((unsigned)level, from, from + size);
    schedule_point();
    return 0;
}

/* -- the rest of the machine -- */

void *files_pmem_map(const char *path, size_t size, int flags, mode_t mode, size_t *mapped, int *is_pmem)
{
    return is_simulated(path) ? NULL : pmem_map_file(path, size, flags, mode, mapped, is_pmem);
}

/* UUID and hash seed: the same for the same seed of the run. */
ssize_t files_getrandom(void *to, size_t size, unsigned flags)
{
    if (!domains_active())
        return getrandom(to, size, flags);
    for (size_t i = 0; i < size; i++) {
        random_state = random_state * 6364136223846793005ull + 1442695040888963407ull;
        ((uint8_t *)to)[i] = (uint8_t)(random_state >> 56);
    }
    return (ssize_t)size;
}

/* What the machine's user sets for real pools does not count here. */
char *files_getenv(const char *name)
{
    return domains_active() && strcmp(name, "SUPERDB_FLUSH") == 0 ? NULL : getenv(name);
}

int files_clock_gettime(clockid_t clock, struct timespec *now)
{
    if (!domains_active())
        return clock_gettime(clock, now);
    now->tv_sec = (time_t)(virtual_ms / 1000);
    now->tv_nsec = (long)(virtual_ms % 1000 * 1000000);
    return 0;
}

void *files_realloc(void *old, size_t size)
{
    if (domains_active() && domains.floor == 0 && fail_often) {
        fail_random = fail_random * 6364136223846793005ull + 1442695040888963407ull;
        if ((fail_random >> 33) % fail_often == 0) {
            errno = ENOMEM;
            return NULL;
        }
    }
    return realloc(old, size);
}

int files_sched_yield(void)
{
    schedule_wait();
    return 0;
}
