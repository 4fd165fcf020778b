/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * files.h - the system calls of the engine, led to simulated files
 *
 * The build of the engine for the harness includes this header in front of each of its sources. A path that begins
 * with FILES_PREFIX names the medium of a level (domain.h); calls that concern no such file go to the system. A
 * simulated file lies on a file system that allows MAP_SYNC in the domains ADR and eADR, and does not in the domain of
 * pages; it is never in memory only.
 */
#ifndef SDB_CRASHTEST_FILES_H
#define SDB_CRASHTEST_FILES_H

#include <fcntl.h>
#include <libpmem.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "site.h"

#define FILES_PREFIX "crashtest:"

int files_open(const char *path, int flags, mode_t mode);
int files_close(int fd);
int files_stat(const char *path, struct stat *facts);
int files_fstat(int fd, struct stat *facts);
int files_fstatfs(int fd, struct statfs *facts);
int files_fcntl(int fd, int command, struct flock *lock);
ssize_t files_pread(int fd, void *to, size_t size, off_t offset);
ssize_t files_pwrite(int fd, const void *from, size_t size, off_t offset);
int files_fsync(int fd);
int files_ftruncate(int fd, off_t size);
int files_fallocate(int fd, int mode, off_t offset, off_t size);
off_t files_lseek(int fd, off_t offset, int whence);
int files_unlink(const char *path);
void *files_mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset);
int files_munmap(void *at, size_t size);
int files_madvise(void *at, size_t size, int advice);
int files_msync(void *at, size_t size, int flags);
void *files_pmem_map(const char *path, size_t size, int flags, mode_t mode, size_t *mapped, int *is_pmem);
ssize_t files_getrandom(void *to, size_t size, unsigned flags);
char *files_getenv(const char *name);
int files_clock_gettime(clockid_t clock, struct timespec *now);
int files_sched_yield(void);
void *files_realloc(void *old, size_t size);

/* The virtual clock of a run, in milliseconds since 1970; it stands still unless it is set. */
void files_set_time(int64_t now_ms);
void files_seed(uint64_t seed);
/* One realloc in so many fails, while no image is tried; 0: none. */
void files_fail_memory(uint32_t often);

#ifndef FILES_THEMSELVES
#define FILES_OPEN_3(path, flags, mode, ...) files_open(path, flags, mode)
#define open(...) FILES_OPEN_3(__VA_ARGS__, 0, 0)
#define close(fd) files_close(fd)
#define stat(path, facts) files_stat(path, facts)
#define fstat(fd, facts) files_fstat(fd, facts)
#define fstatfs(fd, facts) files_fstatfs(fd, facts)
#define fcntl(fd, command, lock) files_fcntl(fd, command, lock)
#define pread(fd, to, size, offset) files_pread(fd, to, size, offset)
#define pwrite(fd, from, size, offset) (SITE_REACHED(SITE_STORE), files_pwrite(fd, from, size, offset))
#define fsync(fd) (SITE_REACHED(SITE_SYNC), files_fsync(fd))
#define fdatasync(fd) (SITE_REACHED(SITE_SYNC), files_fsync(fd))
#define ftruncate(fd, size) files_ftruncate(fd, size)
#define fallocate(fd, mode, offset, size) files_fallocate(fd, mode, offset, size)
#define lseek(fd, offset, whence) files_lseek(fd, offset, whence)
#define unlink(path) files_unlink(path)
#define mmap(at, size, protection, flags, fd, offset) files_mmap(at, size, protection, flags, fd, offset)
#define munmap(at, size) files_munmap(at, size)
#define madvise(at, size, advice) files_madvise(at, size, advice)
#define msync(at, size, flags) (SITE_REACHED(SITE_SYNC), files_msync(at, size, flags))
#define pmem_map_file(path, size, flags, mode, mapped, is_pmem) files_pmem_map(path, size, flags, mode, mapped, is_pmem)
#define getrandom(to, size, flags) files_getrandom(to, size, flags)
#define getenv(name) files_getenv(name)
#define clock_gettime(clock, now) files_clock_gettime(clock, now)
#define sched_yield() files_sched_yield()
#define realloc(old, size) files_realloc(old, size)
#endif

#endif
