/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * scenario.h - work that is crashed: each scenario sets the options that suit it and has its own work
 */
#ifndef SDB_TESTS_CRASH_SCENARIO_H
#define SDB_TESTS_CRASH_SCENARIO_H

#include "oracle.h"

struct scenario {
    const char *name;
    /*
     * Sets what the scenario wants of the options and of the oracle; seed, every and amounts given by the caller come
     * on top.
     */
    void (*prepare)(struct oracle *oracle, struct sdb_crashtest_options *options);
    int (*setup)(void *oracle, struct sdb_pool *pool);
    int (*work)(void *oracle, struct sdb_crashtest *test, struct sdb_pool *pool);
    /* The invariant; NULL: oracle_judge. */
    int (*judge)(void *oracle, struct sdb_session *session, struct sdb_crashtest_image *image);
};

extern const struct scenario scenarios[];
extern const unsigned scenario_count;

#endif
