/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * library.h - libraries of functions as a server keeps them in its pool, and their names
 *
 * They are the value of one key, LIBRARY_KEY, of the system database: 00-07 sequence, which each change raises, then for each library
 * 4 bytes of size and its code, all little-endian.
 */
#ifndef SDB_BASE_LIBRARY_H
#define SDB_BASE_LIBRARY_H

#include <stddef.h>
#include <stdint.h>

#define LIBRARY_KEY "functions"
#define LIBRARY_KEY_SIZE (sizeof(LIBRARY_KEY) - 1)
#define LIBRARY_HEADER_SIZE 8u /* in front of all, and */
#define LIBRARY_PREFIX_SIZE 4u /* in front of each */
#define LIBRARY_ERROR_SIZE 512
#define LIBRARY_NAME_SIZE 512

/* The sequence of a value; 0: of none. */
uint64_t library_sequence(const char *value, size_t size);

/* The next library's code, from *at on (0: the first one), which moves. 0: there are no more. A value that was cut off ends there. */
int library_next(const char *value, size_t size, size_t *at, const char **code, size_t *code_size);

/* Write the pieces of a value; give where the next one comes. */
char *library_put_sequence(char *to, uint64_t sequence);
char *library_put(char *to, const char *code, size_t code_size);

/* Letters, digits and underscores. */
int library_is_name(const char *name, size_t size);

/* Reads the name in "#!lua name=NAME". 1, or 0 with the words in error. */
int library_name(const char *code, size_t size, char *name, size_t name_size, char error[LIBRARY_ERROR_SIZE]);

#endif
