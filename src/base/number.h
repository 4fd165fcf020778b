/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * number.h - canonical decimal integers, to text and back
 */
#ifndef SDB_BASE_NUMBER_H
#define SDB_BASE_NUMBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NUMBER_TEXT_SIZE 21u /* "-9223372036854775808" and its NUL */

/*
 * Whether the text is a canonical integer of the int64 range: what number_format_i64 would write, and nothing else.
 * So no leading zeros, no plus, no "-0", no white space. *value is untouched where it is not.
 */
bool number_parse_i64(const char *text, size_t size, int64_t *value);

/* Writes the number and a NUL to buffer, of NUMBER_TEXT_SIZE bytes at least; gives the size without the NUL. */
size_t number_format_i64(char *buffer, int64_t value);

/* The same for numbers without a sign. */
size_t number_format_u64(char *buffer, uint64_t value);

#endif
