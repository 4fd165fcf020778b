/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * scrub.h - the thread that looks for damage in the background
 *
 * It has a session of its own and works in small steps, as many a second as the rate allows. It begins when SDB.SCRUB START says so, and by
 * itself every scrub-interval seconds. What it finds goes to the log, with key and offset, and is counted.
 */
#ifndef SDB_SERVER_SCRUB_H
#define SDB_SERVER_SCRUB_H

#include <stdint.h>

#include "superdb/superdb.h"

struct scrub_status {
    int running;
    int64_t rate;         /* bytes a second; 0: no limit */
    double progress;      /* of this round, or of the last: 0 to 1 */
    uint64_t rounds;      /* completed */
    int64_t started_ms;   /* the last one to begin, since 1970; 0: none did */
    int64_t ended_ms;     /* the last one to be completed */
    uint64_t problems;    /* found by the last round that was completed */
    uint64_t problems_all; /* found by all rounds since the server was started */
    struct sdb_scrub now; /* of this round, or of the last */
};

/* Starts and ends the thread. Errors: -1. */
int scrub_open(struct sdb_pool *pool);
void scrub_close(void);

/* Begins a round at this rate. Errors: -1: one is going on. Any thread. */
int scrub_start(int64_t rate);

/* Ends the round, as far as it is. Any thread. */
void scrub_stop(void);

void scrub_status(struct scrub_status *status);

#endif
