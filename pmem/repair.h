/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * repair.h - makes a damaged pool sound again: keeps what can be proved whole, says what is lost, stores the rest anew
 *
 * What is kept is decided from the entries: each answers for itself with its check bits, for its blobs with their checksums, and its
 * hash says where in the index it belongs. Everything else, extent map, page words, bitmaps, index words, follows from the entries
 * that are kept (docs/decisions/013-repair.md). Here all of that is done that takes no memory of the pool; index words that are
 * missing afterwards are put back by the engine (src/store/repair.c).
 *
 * Threads: one, with the pool's file to itself.
 * Memory:  40 KiB for each 2 MiB of pool that has entries or blocks.
 */
#ifndef SDB_PMEM_REPAIR_H
#define SDB_PMEM_REPAIR_H

#include "file.h"

/*
 * Finds out what has to be done, reports it, then does it (steps in repair.c). The file was opened by pool_file_open_repair and its lanes
 * were recovered. closed: the keys of each physical database when the pool was closed; NULL: not known. Errors: SDB_ENOMEM, SDB_EIO; the
 * pool then stays marked as being repaired, and the next run goes on.
 */
int repair_pool(struct pool_file *file, const uint64_t *closed, sdb_finding_fn *report, void *context, struct sdb_repair *result);

/* A lane whose records cannot be applied: none of them ever is, and only a repair opens the pool from here on. Errors: SDB_EIO. */
int repair_give_up_lane(struct pool_file *file, uint32_t lane, sdb_finding_fn *report, void *context, struct sdb_repair *result);

/* Lane headers that are damaged, before recovery reads them: their lanes' records are given up. The fence is the caller's. Errors: SDB_EIO. */
int repair_lanes(struct pool_file *file, sdb_finding_fn *report, void *context, struct sdb_repair *result);

#endif
