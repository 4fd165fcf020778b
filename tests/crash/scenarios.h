/* SPDX-License-Identifier: BSD-3-Clause */
/* scenarios.h - the functions of all scenarios, for their table */
#ifndef SDB_TESTS_CRASH_SCENARIOS_H
#define SDB_TESTS_CRASH_SCENARIOS_H

#include "scenario.h"

typedef void prepare_function(struct oracle *oracle, struct sdb_crashtest_options *options);
typedef int setup_function(void *oracle, struct sdb_pool *pool);
typedef int judge_function(void *context, struct sdb_session *session, struct sdb_crashtest_image *image);
typedef int work_function(void *oracle, struct sdb_crashtest *test, struct sdb_pool *pool);

/* scenario_keys.c */
prepare_function prepare_random, prepare_random_eadr, prepare_random_pages, prepare_nested, prepare_kinds,
    prepare_batches, prepare_kills, prepare_kills_pages;
prepare_function prepare_transactions;
work_function work_random, work_kinds, work_batches, work_transactions;

/* scenario_space.c */
prepare_function prepare_extents, prepare_full, prepare_big_deletes, prepare_splits, prepare_growth, prepare_memory,
    prepare_pages;
work_function work_extents, work_full, work_big_deletes, work_splits, work_growth, work_memory, work_pages;

/* scenario_pool.c */
prepare_function prepare_creation, prepare_creation_pages, prepare_reopen, prepare_reopen_eadr, prepare_reopen_pages;
prepare_function prepare_expiry, prepare_databases;
work_function work_creation, work_reopen, work_expiry, work_databases;

/* scenario_refill.c */
prepare_function prepare_refill;
work_function work_refill;

/* scenario_close.c */
prepare_function prepare_close;
work_function work_close;

/* scenario_lanes.c */
prepare_function prepare_bodies, prepare_pool_words;
work_function work_bodies, work_pool_words;

/* scenario_repair.c */
prepare_function prepare_repair, prepare_repair_eadr, prepare_repair_pages, prepare_repair_kills, prepare_repair_trees;
work_function work_repair, work_repair_kills, work_repair_trees;

/* scenario_repair_order.c */
prepare_function prepare_repair_order;
work_function work_repair_order;

/* scenario_trees.c */
prepare_function prepare_trees, prepare_trees_eadr, prepare_trees_pages, prepare_trees_deep, prepare_trees_drop;
work_function work_trees, work_trees_deep, work_trees_drop;
judge_function judge_trees;

/* scenario_collections.c */
prepare_function prepare_collections, prepare_collections_pages;
work_function work_collections;
judge_function judge_collections;

/* scenario_streams.c */
prepare_function prepare_streams, prepare_streams_pages;
work_function work_streams;
judge_function judge_streams;

/* scenario_threads.c */
prepare_function prepare_threads, prepare_threads_eadr, prepare_threads_pages;
work_function work_threads;

#endif
