/* SPDX-License-Identifier: BSD-3-Clause */
/* contents.h - what a pool holds, as one number: every key with its database, value, time to live and handle */
#ifndef SDB_CRASHTEST_CONTENTS_H
#define SDB_CRASHTEST_CONTENTS_H

#include "superdb/superdb.h"

/* Errors: what reading returned; *hash is then untouched. */
int contents_hash(struct sdb_pool *pool, uint64_t *hash);

/* The same of a pool that may be damaged: what cannot be read is part of it. Where everything can be, the number is the same. */
int contents_hash_damaged(struct sdb_pool *pool, uint64_t *hash);

#endif
