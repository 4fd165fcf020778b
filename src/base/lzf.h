/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lzf.h - the LZF format, in which Redis' dumps keep long strings
 *
 * A sequence of
 *     000lllll                        l + 1 bytes as they are, which follow
 *     lllooooo oooooooo               l + 2 bytes (l 1 to 6) from o + 1 bytes back
 *     111ooooo llllllll oooooooo      l + 9 bytes likewise
 *
 * Of our own, and no library's: what is unpacked comes from anyone, and the library is not there for every machine that the server
 * is built for. Pure.
 */
#ifndef SDB_BASE_LZF_H
#define SDB_BASE_LZF_H

#include <stddef.h>
#include <stdint.h>

#define LZF_RATIO_MAX 88 /* three bytes stand for 264 at most */

/* Packs into at most capacity bytes. Returns how many, 0: it does not fit. */
size_t lzf_pack(const void *data, size_t size, void *packed, size_t capacity);

/* Unpacks into exactly size bytes. 1, or 0: these are no such bytes. */
int lzf_unpack(const void *packed, size_t packed_size, void *data, size_t size);

#endif
