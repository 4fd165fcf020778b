/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * network.h - the modes of superdb-bench that talk to a server
 */
#ifndef BENCH_NETWORK_H
#define BENCH_NETWORK_H

/* Loads a server as the command line says; argv[0] is the mode's name. Returns the exit status. */
int network_benchmark(int argc, char **argv);

/* Starts a server and times its way to the first right reply. Returns the exit status. */
int first_reply_benchmark(int argc, char **argv);

#endif
