/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sha1.h - SHA-1 of a byte string (FIPS 180-4): names for scripts, not secrecy
 */
#ifndef SDB_BASE_SHA1_H
#define SDB_BASE_SHA1_H

#include <stddef.h>

#define SHA1_HEX_SIZE 41 /* 40 hexadecimal digits and a NUL */

/* Writes the digest in lower-case digits. */
void sha1_hex(const void *data, size_t size, char hex[SHA1_HEX_SIZE]);

#endif
