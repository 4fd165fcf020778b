/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * acceptor.h - the thread that lets clients in, and hands each to a worker
 *
 * It is none of the workers, so that no client's command, however long it runs, keeps others from being let in.
 * Threads: start and stop by main.
 */
#ifndef SDB_SERVER_ACCEPTOR_H
#define SDB_SERVER_ACCEPTOR_H

#include <stddef.h>
#include <stdint.h>

#define ACCEPTOR_PAUSE_MS 100 /* where nothing can be accepted: no descriptors, no memory */

/* Accepts on all listeners from now on; the workers run. Errors: -1, with the reason in error. */
int acceptor_start(char *error, size_t error_size);

/* Returns once it accepts no more. Before the workers stop. Nothing where it does not run. */
void acceptor_stop(void);

/*
 * The worker that a new connection goes to: of those that no script keeps busy the one with the fewest clients, of equals the one behind the
 * last chosen; the reserve (the last) where a script keeps each of the others. For tests.
 */
struct worker;
struct worker *acceptor_choose(void);

#endif
