/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * check.h - verifies a whole pool: everything that is reachable, and everything that is allocated
 *
 * The medium is read and believed in nothing: every offset is bounded and every word verified before it is followed,
 * so that no damage makes the checker crash or run for ever. It stores nothing.
 *
 * Threads: one, while no other thread writes to the pool.
 * Memory:  16 KiB for each 2 MiB of pool in use, and 500 bytes for each 2 MiB of the file.
 */
#ifndef SDB_PMEM_CHECK_H
#define SDB_PMEM_CHECK_H

#include "file.h"

/*
 * Checks the pool that is mapped by file, and calls report (may be NULL) with place and words for each problem.
 * *result is filled in whatever is found. Returns SDB_OK (no problem), SDB_ECORRUPT (some; error_text counts them),
 * SDB_ENOMEM.
 */
int check_pool(const struct pool_file *file, sdb_check_fn *report, void *context, struct sdb_check *result);

#endif
