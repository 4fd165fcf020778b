/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * crc64.c - CRC-64 by tables, eight bytes at a time
 * Memory: 16 KiB of tables, filled before main() and read-only from there on
 */
#include "crc64.h"

#include <string.h>

#define POLYNOMIAL 0x95ac9329ac4bc9b5ull /* reflected: 0xad93d23594c935a9 */

static uint64_t tables[8][256]; /* [n][b]: byte b, followed by n zero bytes */

__attribute__((constructor)) static void fill(void)
{
    for (unsigned byte = 0; byte < 256; byte++) {
        uint64_t crc = byte;
        for (unsigned bit = 0; bit < 8; bit++)
            crc = crc & 1 ? crc >> 1 ^ POLYNOMIAL : crc >> 1;
        tables[0][byte] = crc;
    }
    for (unsigned n = 1; n < 8; n++)
        for (unsigned byte = 0; byte < 256; byte++)
            tables[n][byte] = tables[0][tables[n - 1][byte] & 255] ^ tables[n - 1][byte] >> 8;
}

uint64_t crc64(uint64_t crc, const void *data, size_t size)
{
    const unsigned char *at = data;
    uint64_t word;

    for (; size >= 8; size -= 8, at += 8) {
        memcpy(&word, at, sizeof(word));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
        word = __builtin_bswap64(word);
#endif
        crc ^= word;
        crc = tables[7][crc & 255] ^ tables[6][crc >> 8 & 255] ^ tables[5][crc >> 16 & 255] ^ tables[4][crc >> 24 & 255] ^
              tables[3][crc >> 32 & 255] ^ tables[2][crc >> 40 & 255] ^ tables[1][crc >> 48 & 255] ^ tables[0][crc >> 56];
    }
    for (; size > 0; size--, at++)
        crc = tables[0][(crc ^ *at) & 255] ^ crc >> 8;
    return crc;
}
