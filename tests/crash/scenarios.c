/* SPDX-License-Identifier: BSD-3-Clause */
/* scenarios.c - the table of the scenarios */
#include "scenarios.h"

const struct scenario scenarios[] = {
    {"random", prepare_random, NULL, work_random},
    {"random-eadr", prepare_random_eadr, NULL, work_random},
    {"random-pages", prepare_random_pages, NULL, work_random},
};
const unsigned scenario_count = sizeof(scenarios) / sizeof(scenarios[0]);
