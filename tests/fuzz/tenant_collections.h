/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tenant_collections.h - collections of every type among the known keys, packed ones and trees, in a database of their own
 */
#ifndef SDB_TESTS_TENANT_COLLECTIONS_H
#define SDB_TESTS_TENANT_COLLECTIONS_H

#include "tenant.h"

#define TENANT_DATABASE 7u /* that the other keys leave alone */

/* How many there are in the end. */
unsigned tenant_collections(void);

/* Writes them element by element, takes some elements out again, and drops a large one, so that its tree waits to be reclaimed. */
void tenant_fill_collections(struct sdb_session *session);

/* Reads them all and compares as far as belief goes. Returns how many could not be read. */
unsigned tenant_read_collections(struct sdb_session *session, enum tenant_belief belief);

/* Changes them: any error may be met, nothing worse. */
void tenant_write_collections(struct sdb_session *session);

#endif
