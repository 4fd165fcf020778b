/* SPDX-License-Identifier: BSD-3-Clause */
/* scan.h - walking over pages of entries: what scan.c, database.c and maintain.c share */
#ifndef SDB_STORE_SCAN_H
#define SDB_STORE_SCAN_H

#include "entry.h"
#include "session.h"

/*
 * Moves *page on to the next page of entries, itself included; 0: there is none. Long stretches of other pages are charged to effort.
 * Errors: SDB_ECORRUPT: what says which pages have entries is damaged here; *page stands behind what cannot be told.
 */
int scan_next_page(struct sdb_session *session, uint64_t *page, size_t *effort);

/* Reads an entry as the session sees it. */
void scan_read(const struct sdb_session *session, uint64_t entry, uint64_t words[4], enum entry_read *result);

#endif
