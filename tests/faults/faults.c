/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * faults.c - the wrapped calls
 * Holds: a call that fails has no effect, as the kernel or the C library would have it
 */
#include "faults.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <pthread.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

static struct faults own;
struct faults *faults = &own;
static uint32_t paused; /* Atomic. */
static int syncs_nothing;

void faults_arm(uint64_t kinds, uint64_t skip, uint64_t count)
{
    faults_disarm();
    __atomic_store_n(&faults->skip, skip, __ATOMIC_RELAXED);
    __atomic_store_n(&faults->count, count, __ATOMIC_RELAXED);
    __atomic_store_n(&faults->met, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&faults->failed, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&faults->armed, kinds, __ATOMIC_RELEASE);
}

void faults_disarm(void)
{
    __atomic_store_n(&faults->armed, 0, __ATOMIC_RELEASE);
    __atomic_store_n(&paused, 0, __ATOMIC_RELEASE);
}

void faults_choose(int number)
{
    __atomic_store_n(&faults->number, (uint64_t)number, __ATOMIC_RELAXED);
}

void faults_sync_nothing(void)
{
    syncs_nothing = 1;
}

void faults_pause(void)
{
    __atomic_store_n(&paused, 1, __ATOMIC_RELEASE);
}

void faults_resume(void)
{
    __atomic_store_n(&paused, 0, __ATOMIC_RELEASE);
}

/* Whether this call is to fail; then errno is number, or the one that was chosen. */
static int fails(enum fault_kind kind, int number)
{
    uint64_t place, skip, chosen;

    __atomic_fetch_add(&faults->seen[kind], 1, __ATOMIC_RELAXED);
    if ((__atomic_load_n(&faults->armed, __ATOMIC_ACQUIRE) >> kind & 1) == 0 ||
        __atomic_load_n(&paused, __ATOMIC_ACQUIRE))
        return 0;
    place = __atomic_fetch_add(&faults->met, 1, __ATOMIC_RELAXED);
    skip = __atomic_load_n(&faults->skip, __ATOMIC_RELAXED);
    if (place < skip || place - skip >= __atomic_load_n(&faults->count, __ATOMIC_RELAXED))
        return 0;
    __atomic_fetch_add(&faults->failed, 1, __ATOMIC_RELAXED);
    chosen = __atomic_load_n(&faults->number, __ATOMIC_RELAXED);
    errno = chosen != 0 ? (int)chosen : number;
    return 1;
}

/* __real_NAME is the C library's own, __wrap_NAME what the program's objects call instead. */
#define WRAP(type, name, parameters, arguments, kind, number, failure)                                                 \
    type __real_##name parameters;                                                                                     \
    type __wrap_##name parameters;                                                                                     \
    type __wrap_##name parameters                                                                                      \
    {                                                                                                                  \
        return fails(kind, number) ? (failure) : __real_##name arguments;                                              \
    }

#define WRAP_SYNC(name, parameters, arguments)                                                                         \
    int __real_##name parameters;                                                                                      \
    int __wrap_##name parameters;                                                                                      \
    int __wrap_##name parameters                                                                                       \
    {                                                                                                                  \
        return fails(FAULT_SYNC, EIO) ? -1 : syncs_nothing ? 0 : __real_##name arguments;                              \
    }

WRAP(void *, malloc, (size_t size), (size), FAULT_MEMORY, ENOMEM, NULL)
WRAP(void *, calloc, (size_t n, size_t size), (n, size), FAULT_MEMORY, ENOMEM, NULL)
WRAP(void *, realloc, (void *old, size_t size), (old, size), FAULT_MEMORY, ENOMEM, NULL)
WRAP(void *, aligned_alloc, (size_t align, size_t size), (align, size), FAULT_MEMORY, ENOMEM, NULL)
WRAP(char *, strdup, (const char *text), (text), FAULT_MEMORY, ENOMEM, NULL)
WRAP(char *, strndup, (const char *text, size_t size), (text, size), FAULT_MEMORY, ENOMEM, NULL)
WRAP(void *, mmap, (void *at, size_t size, int protection, int flags, int fd, off_t offset),
     (at, size, protection, flags, fd, offset), FAULT_MAP, ENOMEM, MAP_FAILED)
WRAP(int, munmap, (void *at, size_t size), (at, size), FAULT_UNMAP, ENOMEM, -1)
WRAP(int, fallocate, (int fd, int mode, off_t offset, off_t size), (fd, mode, offset, size), FAULT_ALLOCATE, ENOSPC, -1)
WRAP(ssize_t, pwrite, (int fd, const void *data, size_t size, off_t at), (fd, data, size, at), FAULT_WRITE, ENOSPC, -1)
WRAP_SYNC(fsync, (int fd), (fd))
WRAP_SYNC(fdatasync, (int fd), (fd))
WRAP_SYNC(msync, (void *at, size_t size, int flags), (at, size, flags))
WRAP(int, ftruncate, (int fd, off_t size), (fd, size), FAULT_TRUNCATE, EIO, -1)
WRAP(FILE *, fopen, (const char *path, const char *mode), (path, mode), FAULT_OPEN, EMFILE, NULL)
WRAP(DIR *, opendir, (const char *path), (path), FAULT_OPEN, EMFILE, NULL)
WRAP(int, mkostemp, (char *template, int flags), (template, flags), FAULT_OPEN, EMFILE, -1)
WRAP(int, epoll_create1, (int flags), (flags), FAULT_EVENT, EMFILE, -1)
WRAP(int, epoll_ctl, (int epoll, int operation, int fd, struct epoll_event *event), (epoll, operation, fd, event),
     FAULT_WATCH, operation == EPOLL_CTL_ADD ? ENOSPC : ENOMEM, -1)
WRAP(int, accept4, (int fd, struct sockaddr *address, socklen_t *size, int flags), (fd, address, size, flags),
     FAULT_ACCEPT, EMFILE, -1)
WRAP(ssize_t, send, (int fd, const void *data, size_t size, int flags), (fd, data, size, flags), FAULT_SEND, ECONNRESET, -1)
WRAP(ssize_t, recv, (int fd, void *data, size_t size, int flags), (fd, data, size, flags), FAULT_RECEIVE, ECONNRESET, -1)
WRAP(int, socket, (int domain, int type, int protocol), (domain, type, protocol), FAULT_SOCKET, EMFILE, -1)
WRAP(int, socketpair, (int domain, int type, int protocol, int *pair), (domain, type, protocol, pair), FAULT_SOCKET,
     EMFILE, -1)
WRAP(int, bind, (int fd, const struct sockaddr *address, socklen_t size), (fd, address, size), FAULT_SOCKET, EADDRINUSE, -1)
WRAP(int, listen, (int fd, int backlog), (fd, backlog), FAULT_SOCKET, ENOMEM, -1)
WRAP(ssize_t, pread, (int fd, void *data, size_t size, off_t at), (fd, data, size, at), FAULT_READ, EIO, -1)
WRAP(int, fstat, (int fd, struct stat *facts), (fd, facts), FAULT_READ, EIO, -1)
WRAP(int, fstatfs, (int fd, struct statfs *facts), (fd, facts), FAULT_READ, EIO, -1)
WRAP(int, rename, (const char *from, const char *to), (from, to), FAULT_RENAME, EIO, -1)
WRAP(int, pthread_create, (pthread_t *thread, const pthread_attr_t *attributes, void *(*main)(void *), void *argument),
     (thread, attributes, main, argument), FAULT_THREAD, EAGAIN, EAGAIN)
WRAP(int, io_uring_queue_init_params, (unsigned entries, struct io_uring *ring, struct io_uring_params *parameters),
     (entries, ring, parameters), FAULT_RING, EPERM, -EPERM)
WRAP(int, io_uring_register_buf_ring, (struct io_uring *ring, struct io_uring_buf_reg *buffers, unsigned flags),
     (ring, buffers, flags), FAULT_RING, ENOMEM, -ENOMEM)

static uint8_t is_eventfd[1024]; /* Atomic; by descriptor. Writing to one is refused where its counter is full, and for no other reason */

int __real_eventfd(unsigned start, int flags);
int __wrap_eventfd(unsigned start, int flags);
int __wrap_eventfd(unsigned start, int flags)
{
    int fd = fails(FAULT_EVENT, EMFILE) ? -1 : __real_eventfd(start, flags);

    if (fd >= 0 && fd < (int)sizeof(is_eventfd))
        __atomic_store_n(&is_eventfd[fd], 1, __ATOMIC_RELAXED);
    return fd;
}

ssize_t __real_write(int fd, const void *data, size_t size);
ssize_t __wrap_write(int fd, const void *data, size_t size);
ssize_t __wrap_write(int fd, const void *data, size_t size)
{
    if ((fd < 0 || fd >= (int)sizeof(is_eventfd) || !__atomic_load_n(&is_eventfd[fd], __ATOMIC_RELAXED)) &&
        fails(FAULT_WRITE, ENOSPC))
        return -1;
    return __real_write(fd, data, size);
}

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...)
{
    va_list arguments;
    mode_t mode;

    va_start(arguments, flags);
    mode = (flags & O_CREAT) != 0 ? va_arg(arguments, mode_t) : 0;
    va_end(arguments);
    return fails(FAULT_OPEN, EMFILE) ? -1 : __real_open(path, flags, mode);
}

int __real_fcntl(int fd, int command, ...);
int __wrap_fcntl(int fd, int command, ...);
int __wrap_fcntl(int fd, int command, ...)
{
    va_list arguments;
    void *argument;

    va_start(arguments, command);
    argument = va_arg(arguments, void *);
    va_end(arguments);
    if ((command == F_SETLK || command == F_OFD_SETLK) && fails(FAULT_LOCK, ENOLCK))
        return -1;
    return __real_fcntl(fd, command, argument);
}

/* ---- submissions ----------------------------------------------------------------------------------------------------- */

static int kind_of(unsigned opcode)
{
    switch (opcode) {
    case IORING_OP_SEND:
        return FAULT_SEND;
    case IORING_OP_RECV:
        return FAULT_RECEIVE;
    default:
        return -1;
    }
}

/*
 * What was prepared and not submitted yet: an operation that is to fail gets a descriptor that there is not, so that it is the kernel
 * that refuses it (EBADF). Multishot accepts stay: descriptors that run out are had by a limit.
 */
static void spoil(struct io_uring *ring)
{
    for (unsigned i = ring->sq.sqe_head; i != ring->sq.sqe_tail; i++) {
        struct io_uring_sqe *sqe = &ring->sq.sqes[i & *ring->sq.kring_mask];
        int kind = kind_of(sqe->opcode);

        if (kind >= 0 && fails((enum fault_kind)kind, EBADF))
            sqe->fd = -1;
    }
}

#define WRAP_SUBMIT(name, parameters, arguments)                                                                       \
    int __real_##name parameters;                                                                                      \
    int __wrap_##name parameters;                                                                                      \
    int __wrap_##name parameters                                                                                       \
    {                                                                                                                  \
        if (fails(FAULT_SUBMIT, EBUSY))                                                                                \
            return -EBUSY;                                                                                             \
        spoil(ring);                                                                                                   \
        return __real_##name arguments;                                                                                \
    }

WRAP_SUBMIT(io_uring_submit, (struct io_uring *ring), (ring))
WRAP_SUBMIT(io_uring_submit_and_get_events, (struct io_uring *ring), (ring))
WRAP_SUBMIT(io_uring_get_events, (struct io_uring *ring), (ring))
WRAP_SUBMIT(io_uring_submit_and_wait_timeout,
            (struct io_uring *ring, struct io_uring_cqe **cqe, unsigned wait, struct __kernel_timespec *timeout,
             sigset_t *mask),
            (ring, cqe, wait, timeout, mask))

/* ---- a process of its own -------------------------------------------------------------------------------------------- */

__attribute__((constructor)) static void map_control_block(void)
{
    const char *path = getenv("SUPERDB_FAULTS");
    void *block;
    int fd;

    if (path == NULL)
        return;
    fd = __real_open(path, O_RDWR | O_CLOEXEC);
    block = fd < 0 ? MAP_FAILED : __real_mmap(NULL, sizeof(own), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (block == MAP_FAILED) {
        perror(path);
        abort();
    }
    (void)close(fd);
    faults = block;
}
