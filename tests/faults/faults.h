/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * faults.h - calls for resources that fail when a test says so
 *
 * Programs that are linked with faults.c and the --wrap options of tests/faults/CMakeLists.txt ask here before every
 * allocation and every system call that can be refused. The N-th call of the chosen kinds fails with an errno of its
 * kind and does nothing; all others go through to the C library. Calls that the C library, liburing or libpmem make by
 * themselves are not seen: what SuperDB asks for is.
 *
 *     faults_arm(FAULT_BIT(FAULT_MEMORY), 3, 1);      // three allocations succeed, the next one fails
 *     error = sdb_set(...);
 *     faults_disarm();
 *     if (faults.failed == 0) ...                     // there were no more than three: the loop is at its end
 *
 * A process of its own (the server) has its control block in a file: SUPERDB_FAULTS names one of sizeof(struct faults)
 * bytes, which is mapped before main, so that a test can arm it at any time and read its figures.
 *
 * Threads: any; counts are exact, and with several threads which call is the N-th is up to them.
 */
#ifndef SDB_TESTS_FAULTS_H
#define SDB_TESTS_FAULTS_H

#include <stdint.h>

enum fault_kind {
    FAULT_MEMORY = 0,   /* malloc, calloc, realloc, aligned_alloc, strdup, strndup: ENOMEM */
    FAULT_MAP = 1,      /* mmap: ENOMEM */
    FAULT_ALLOCATE = 2, /* fallocate: ENOSPC */
    FAULT_WRITE = 3,    /* write, pwrite: ENOSPC */
    FAULT_SYNC = 4,     /* fsync, fdatasync, msync: EIO */
    FAULT_TRUNCATE = 5, /* ftruncate: EIO */
    FAULT_OPEN = 6,     /* open, fopen, opendir, mkostemp: EMFILE */
    FAULT_LOCK = 7,     /* fcntl that locks: ENOLCK */
    FAULT_THREAD = 8,   /* pthread_create: EAGAIN */
    FAULT_EVENT = 9,    /* eventfd, epoll_create1: EMFILE */
    FAULT_WATCH = 10,   /* epoll_ctl that adds: ENOSPC; that changes: ENOMEM */
    FAULT_RING = 11,    /* io_uring_queue_init_params: EPERM; io_uring_register_buf_ring: ENOMEM */
    FAULT_SUBMIT = 12,  /* io_uring_submit and the like: EBUSY, nothing is submitted */
    FAULT_ACCEPT = 13,  /* accept4: EMFILE (by ring: only a limit of descriptors does it) */
    FAULT_SEND = 14,    /* send: ECONNRESET; by ring: EBADF */
    FAULT_RECEIVE = 15, /* recv: ECONNRESET; by ring: EBADF */
    FAULT_SOCKET = 16,  /* socket, socketpair: EMFILE; bind: EADDRINUSE; listen: ENOMEM */
    FAULT_READ = 17,    /* pread, fstat, fstatfs: EIO */
    FAULT_RENAME = 18,  /* rename: EIO */
    FAULT_UNMAP = 19,   /* munmap: ENOMEM */
    FAULT_KINDS = 20,
};
#define FAULT_BIT(kind) (1ull << (kind))

/* Atomic, every field. The layout is known to tests/integration/test_server_faults.py. */
struct faults {
    uint64_t armed;   /* kinds, by bit */
    uint64_t skip;    /* calls of these kinds that succeed before the first that fails */
    uint64_t count;   /* calls that fail then, before all succeed again */
    uint64_t met;     /* calls of these kinds since they were armed */
    uint64_t failed;  /* how many of them failed */
    uint64_t seen[FAULT_KINDS]; /* calls by kind since the beginning, armed or not */
    uint64_t number;            /* the errno of every fault; 0: that of its kind */
};

extern struct faults *faults;

/* Counts anew from here. */
void faults_arm(uint64_t kinds, uint64_t skip, uint64_t count);
void faults_disarm(void);
/* The errno of every fault from here on; 0: that of its kind. */
void faults_choose(int number);

/* From here on a sync that does not fail does nothing: for a test in which no power goes. */
void faults_sync_nothing(void);

/* A pause of the loop, for the test's own calls: what is armed stays armed, and is not counted meanwhile. */
void faults_pause(void);
void faults_resume(void);

#endif
