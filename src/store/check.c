/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * check.c - sdb_check: the pool's checker (pmem/check.c) behind the public header
 */
#include "check.h"

#include "pool.h"

int sdb_check(struct sdb_pool *pool, sdb_check_fn *report, void *context, struct sdb_check *result)
{
    struct sdb_check unused;

    if (pool == NULL)
        return SDB_EINVAL;
    return check_pool(&pool->file, report, context, result != NULL ? result : &unused);
}
