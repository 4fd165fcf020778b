/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * space.h - space in the pool's file: zeros that are really there, so that running out is an error at once and no
 * SIGBUS later
 */
#ifndef SDB_PMEM_SPACE_H
#define SDB_PMEM_SPACE_H

#include <stdint.h>

/*
 * Makes the file `to` bytes long with zeros from `from` on, allocated and synced; what it held behind `from` is dropped
 * first. in_memory: a file system in memory, whose pages are allocated instead of written. Errors: SDB_ENOSPC, SDB_EIO,
 * with words; the file is then `from` bytes long again.
 */
int space_extend(int fd, uint64_t from, uint64_t to, int in_memory);

/*
 * 1 where the file holds zeros only, the inside of the two superblock copies without their magic words aside: what an
 * interrupted creation leaves, and nothing of value. 0 otherwise, or where it cannot be read.
 */
int space_is_unformatted(int fd, uint64_t size);

/* The error number that fits an errno of a call on the file. */
int space_error(int number);

#endif
