/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tenant.h - what lives in the images that the pool targets open: known keys, and everything that can be done with a pool
 */
#ifndef SDB_TESTS_TENANT_H
#define SDB_TESTS_TENANT_H

#include "superdb/superdb.h"

/* Writes the known keys, each in several versions; shapes of every kind, in three databases. */
void tenant_fill(struct sdb_pool *pool);

enum tenant_belief {
    TENANT_ANY,      /* forged with good checksums: nothing can be told */
    TENANT_VERSIONS, /* damaged in the open: what is read was written at some time */
    TENANT_NEWEST,   /* damaged, closed cleanly: what is read is what was written last, and what is missing the check names */
};

/* Checks the pool, reads everything in every way, and compares as far as belief goes. */
void tenant_read(struct sdb_pool *pool, enum tenant_belief belief);

/* Writes, deletes, scans, renames, empties: any error may be met, nothing worse. */
void tenant_write(struct sdb_pool *pool);

#endif
