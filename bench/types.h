/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * types.h - the modes of superdb-bench that measure collections
 */
#ifndef BENCH_TYPES_H
#define BENCH_TYPES_H

/* Loads a server with the commands of types. Returns the exit status. */
int types_benchmark(int argc, char **argv);

/* What elements cost in this process, by how many there are. Returns the exit status. */
int collections_benchmark(int argc, char **argv);

/* How long other clients wait while a server deletes a large collection. Returns the exit status. */
int deletion_benchmark(int argc, char **argv);

#endif
