/* SPDX-License-Identifier: BSD-3-Clause */
/* pool_library.h - dump and import of the libraries of functions that a server keeps in the pool */
#ifndef SDB_TOOLS_POOL_LIBRARY_H
#define SDB_TOOLS_POOL_LIBRARY_H

#include "pool_dump.h"

/* Writes each library. Errors: those of sdb_view. */
int dump_libraries(struct dump *dump);

/*
 * Puts a library into the pool, in the place of one of its name. Inside a transaction; written: so many bytes of it. Errors: those of sdb_view
 * and sdb_set, SDB_ENOMEM, SDB_EFORMAT (its first line has no name).
 */
int library_import(struct sdb_session *session, const struct sdb_slice *code, size_t *written);

#endif
