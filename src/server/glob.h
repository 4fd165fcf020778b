/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * glob.h - glob-style patterns as KEYS, SCAN MATCH and CONFIG GET take them
 */
#ifndef SDB_SERVER_GLOB_H
#define SDB_SERVER_GLOB_H

#include <stddef.h>

/*
 * 1 where the whole text matches the pattern: `*` any run of bytes, `?` one byte, `[a-c]` and `[^a-c]` classes, `\`
 * takes the next byte as it is. Bytes, not characters; zero bytes are bytes as any other. nocase: ASCII letters match
 * in either case. Linear in practice, at worst pattern times text: there is no pattern that takes exponential time.
 */
int glob_match(const char *pattern, size_t pattern_size, const char *text, size_t text_size, int nocase);

/* 1 where the pattern is `*`, which matches the empty text too (glob_match does not let it). */
int glob_is_any(const char *pattern, size_t pattern_size);

#endif
