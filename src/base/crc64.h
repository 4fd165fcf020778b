/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * crc64.h - CRC-64 with Jones' polynomial, reflected, without inversions: what stands at the end of Redis' dumps
 *
 * Threads: any.
 */
#ifndef SDB_BASE_CRC64_H
#define SDB_BASE_CRC64_H

#include <stddef.h>
#include <stdint.h>

/*
 * The checksum of data, or its continuation: crc is 0 for the first piece, and the result so far for the next ones.
 * crc64(0, "123456789", 9) is 0xe9c6d914c4b8d9ca.
 */
uint64_t crc64(uint64_t crc, const void *data, size_t size);

#endif
