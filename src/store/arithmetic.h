/* SPDX-License-Identifier: BSD-3-Clause */
/* arithmetic.h - numbers with a fraction as texts: what keys' values and hashes' fields share */
#ifndef SDB_STORE_ARITHMETIC_H
#define SDB_STORE_ARITHMETIC_H

#include <stdbool.h>
#include <stddef.h>

#include "superdb/superdb.h"

/* A finite or infinite number, no NaN, no blanks around it. */
bool arithmetic_parse_float(const void *value, size_t size, long double *number);

/* The shortest of up to 17 digits behind the point, no exponent, no trailing zeros. Errors: SDB_EOVERFLOW: NaN, or infinite. */
int arithmetic_format_float(long double number, char text[SDB_FLOAT_TEXT_MAX], size_t *text_size);

#endif
