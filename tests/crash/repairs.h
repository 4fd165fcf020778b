/* SPDX-License-Identifier: BSD-3-Clause */
/* repairs.h - rounds of damage and repair, for scenarios that have kinds of damage of their own */
#ifndef SDB_TESTS_CRASH_REPAIRS_H
#define SDB_TESTS_CRASH_REPAIRS_H

#include <stdint.h>

#include "oracle.h"

/* Changes a pool that nobody has open; *size: of its file. */
typedef void damage_function(struct oracle *oracle, uint8_t *medium, uint64_t *size);

struct damages {
    damage_function *const *kinds;
    unsigned count;
    unsigned rounds; /* a kind each, in turn; from `killed` on the pool is not closed before */
    unsigned killed;
};

/* Sets all keys; in each round changes some, damages, and repairs: each key has its value then, or is gone and was told of. */
int repair_in_rounds(struct oracle *oracle, struct sdb_crashtest *test, struct sdb_pool *pool, const struct damages *damages);

#endif
