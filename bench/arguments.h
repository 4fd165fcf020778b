/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * arguments.h - numbers and lists on command lines
 */
#ifndef BENCH_ARGUMENTS_H
#define BENCH_ARGUMENTS_H

#include <stddef.h>
#include <stdint.h>

/*
 * A number with an optional unit: k, m, g (thousands, or with b, as in "4gb", 1024s). 0, or -1 after a message that names
 * the option.
 */
int argument_number(const char *option, const char *text, uint64_t minimum, uint64_t maximum, uint64_t *value);
int argument_real(const char *option, const char *text, double minimum, double maximum, double *value);

/* 1 where word is one of the comma-separated words of list. */
int argument_listed(const char *list, const char *word);

#endif
