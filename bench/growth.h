/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * growth.h - the mode of superdb-bench that grows a store from nothing
 */
#ifndef BENCH_GROWTH_H
#define BENCH_GROWTH_H

/* Sets new keys, embedded or through a server, as the command line says. Returns the exit status. */
int growth_benchmark(int argc, char **argv);

#endif
