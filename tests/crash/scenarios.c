/* SPDX-License-Identifier: BSD-3-Clause */
/* scenarios.c - the table of the scenarios */
#include "scenarios.h"

const struct scenario scenarios[] = {
    {"random", prepare_random, NULL, work_random},
    {"random-eadr", prepare_random_eadr, NULL, work_random},
    {"random-pages", prepare_random_pages, NULL, work_random},
    {"nested", prepare_nested, NULL, work_random},
    {"kills", prepare_kills, NULL, work_random},
    {"kills-pages", prepare_kills_pages, NULL, work_random},
    {"kinds", prepare_kinds, NULL, work_kinds},
    {"batches", prepare_batches, NULL, work_batches},
    {"transactions", prepare_transactions, NULL, work_transactions},
    {"extents", prepare_extents, NULL, work_extents},
    {"refill", prepare_refill, NULL, work_refill},
    {"full", prepare_full, NULL, work_full},
    {"big-deletes", prepare_big_deletes, NULL, work_big_deletes},
    {"splits", prepare_splits, NULL, work_splits},
    {"growth", prepare_growth, NULL, work_growth},
    {"memory", prepare_memory, NULL, work_memory},
    {"pages", prepare_pages, NULL, work_pages},
    {"creation", prepare_creation, NULL, work_creation},
    {"creation-pages", prepare_creation_pages, NULL, work_creation},
    {"reopen", prepare_reopen, NULL, work_reopen},
    {"reopen-eadr", prepare_reopen_eadr, NULL, work_reopen},
    {"reopen-pages", prepare_reopen_pages, NULL, work_reopen},
    {"close", prepare_close, NULL, work_close},
    {"repair", prepare_repair, NULL, work_repair},
    {"repair-eadr", prepare_repair_eadr, NULL, work_repair},
    {"repair-pages", prepare_repair_pages, NULL, work_repair},
    {"expiry", prepare_expiry, NULL, work_expiry},
    {"databases", prepare_databases, NULL, work_databases},
    {"threads", prepare_threads, NULL, work_threads},
    {"threads-eadr", prepare_threads_eadr, NULL, work_threads},
    {"threads-pages", prepare_threads_pages, NULL, work_threads},
};
const unsigned scenario_count = sizeof(scenarios) / sizeof(scenarios[0]);
