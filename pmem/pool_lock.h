/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pool_lock.h - one process that writes to a pool's file, or any number that read it, known by number
 *
 * Two locks on the file's first bytes, both released by the kernel when the process ends, however it ends. A writer has
 * them alone; readers, in whose process no sequence tells that words are moving, share them, so that nobody writes
 * meanwhile:
 *     byte 0  an open-file-description lock: excludes, other opens of the same process included
 *     byte 1  a classic POSIX lock: says which process it is; lost when the process closes any descriptor of the file,
 *             which costs the name in the message and nothing else
 */
#ifndef SDB_PMEM_POOL_LOCK_H
#define SDB_PMEM_POOL_LOCK_H

/* Does not wait. The lock ends with the descriptor. Errors: SDB_ELOCKED naming the holder, SDB_EIO (no locks here). */
int pool_lock_take(int fd, const char *path);

/*
 * As pool_lock_take, for reading: goes with other readers. A file system without locks is no error: nobody can have it open for
 * writing there. Errors: SDB_ELOCKED, naming the writer.
 */
int pool_lock_share(int fd, const char *path);

/*
 * Closing the descriptor would do, if nothing else held what it stands for: a child process that forked meanwhile, or a mapping that
 * could not be removed.
 */
void pool_lock_drop(int fd);

#endif
