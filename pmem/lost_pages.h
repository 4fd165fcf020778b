/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lost_pages.h - for a repair: pages that the medium has lost are written anew, with what of them can still be read
 *
 * Threads: one, with the pool's file to itself.
 * Memory:  a bit for each page of the pool.
 */
#ifndef SDB_PMEM_LOST_PAGES_H
#define SDB_PMEM_LOST_PAGES_H

#include "file.h"

/*
 * Reads every line of the pool, which was opened by pool_file_open_repair, and mends what raises SIGBUS (steps in lost_pages.c). Each run
 * of lost pages is told of and counts as a problem for each page. Afterwards every page can be read and stored to, and the pool has not
 * failed; in a dry run that holds for the private mapping. Errors: SDB_ENOMEM; SDB_EIO, with words: the medium does not take the pages.
 */
int lost_pages_mend(struct pool_file *file, sdb_finding_fn *report, void *context, struct sdb_repair *result);

#endif
