/* SPDX-License-Identifier: BSD-3-Clause */
/* scenarios.h - the functions of all scenarios, for their table */
#ifndef SDB_TESTS_CRASH_SCENARIOS_H
#define SDB_TESTS_CRASH_SCENARIOS_H

#include "scenario.h"

typedef void prepare_function(struct oracle *oracle, struct sdb_crashtest_options *options);
typedef int setup_function(void *oracle, struct sdb_pool *pool);
typedef int work_function(void *oracle, struct sdb_crashtest *test, struct sdb_pool *pool);

/* scenario_keys.c */
prepare_function prepare_random, prepare_random_eadr, prepare_random_pages;
work_function work_random;

#endif
