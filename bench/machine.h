/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * machine.h - the part of a result that says where it was measured: CPU, kernel, memory, and what other guests took
 */
#ifndef BENCH_MACHINE_H
#define BENCH_MACHINE_H

#include "json.h"

/* Remembers the CPU's time counters, for the share that the hypervisor took away meanwhile. */
void machine_begin(void);

/* Writes the object "machine". */
void machine_describe(struct json *json);

/* Writes program, version, time, and the array "command" (the words of the command line). */
void machine_describe_run(struct json *json, const char *mode, int argc, char **argv);

#endif
