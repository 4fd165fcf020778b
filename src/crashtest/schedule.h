/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * schedule.h - one thread at a time, in an order that the seed decides
 *
 * The threads of sdb_crashtest_threads hold a token in turn. It changes hands at fences, at the begin and end of
 * operations, where a lock is not free (lock_wait of the engine is the one here), and now and then at a store. So a
 * failing run can be repeated. Threads that were started otherwise run as they like.
 */
#ifndef SDB_CRASHTEST_SCHEDULE_H
#define SDB_CRASHTEST_SCHEDULE_H

#include <stdint.h>

typedef void schedule_function(void *context, unsigned thread);

/* Runs function in count threads to its end. Aborts where a thread cannot be made. */
void schedule_run(unsigned count, uint64_t seed, schedule_function *function, void *context);

/* The calling thread may lose the token here, if it is scheduled at all and no crash point is being looked at. */
void schedule_point(void);

/* The calling thread cannot go on before another one has run. */
void schedule_wait(void);

/* Between these two nothing of this thread is a scheduling point. They nest. */
void schedule_hold(void);
void schedule_go(void);

#endif
