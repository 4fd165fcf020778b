/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pool_lock.h - one writer process for a pool's file, known by its number
 *
 * Two locks on the file's first bytes, both released by the kernel when the process ends, however it ends:
 *     byte 0  an open-file-description lock: excludes, other opens of the same process included
 *     byte 1  a classic POSIX lock: says which process it is; lost when the process closes any descriptor of the file,
 *             which costs the name in the message and nothing else
 */
#ifndef SDB_PMEM_POOL_LOCK_H
#define SDB_PMEM_POOL_LOCK_H

/* Does not wait. The lock ends with the descriptor. Errors: SDB_ELOCKED naming the holder, SDB_EIO (no locks here). */
int pool_lock_take(int fd, const char *path);

/* SDB_ELOCKED, naming the holder, where somebody holds it; else 0. Takes nothing. */
int pool_lock_test(int fd, const char *path);

#endif
