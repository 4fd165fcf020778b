/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lines.h - the mode of superdb-bench whose memory accesses scripts/shared-lines.py counts
 */
#ifndef BENCH_LINES_H
#define BENCH_LINES_H

/* Prepares a pool, or runs one operation in two threads, as the command line says. Returns the exit status. */
int lines_benchmark(int argc, char **argv);

#endif
