/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * crc32c.c - CRC-32C by tables, and by the CPU's instruction with three streams at once
 *
 * The instruction takes 3 cycles and the CPU can begin one in each, so a single chain of them uses a third of what
 * there is. Large buffers are therefore cut in three neighbouring pieces with a register each. Joining them needs the
 * registers of the first pieces as if as many zero bytes had followed as the later pieces are long. That is a linear
 * map of 32 bits, kept as four tables of 256 words for the two lengths in use.
 *
 * Memory: 24 KiB of tables, filled before main(): 20 us, and read-only from there on.
 */
#include "crc32c.h"

#include <string.h>

#if defined(__aarch64__)
#include <sys/auxv.h>
#endif

#define POLYNOMIAL 0x82f63b78u /* reflected */
#define PIECE_LONG 4096u
#define PIECE_SHORT 256u

bool crc32c_has_instruction;

static uint32_t bytes_table[8][256]; /* [n][b]: byte b, followed by n zero bytes */
static uint32_t zeros_long[4][256];  /* [n][b]: the register's byte n being b, PIECE_LONG zero bytes later */
static uint32_t zeros_short[4][256];

static inline uint64_t load_le64(const unsigned char *bytes)
{
    uint64_t word;

    memcpy(&word, bytes, sizeof(word));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    return word;
}

static uint32_t step_byte(uint32_t crc, unsigned char byte)
{
    return bytes_table[0][(crc ^ byte) & 255] ^ (crc >> 8);
}

static uint32_t shift(uint32_t zeros[4][256], uint32_t crc)
{
    return zeros[0][crc & 255] ^ zeros[1][crc >> 8 & 255] ^ zeros[2][crc >> 16 & 255] ^ zeros[3][crc >> 24];
}

static void fill_zeros(uint32_t zeros[4][256], size_t length)
{
    uint32_t basis[32]; /* where each bit of the register goes */

    for (unsigned bit = 0; bit < 32; bit++) {
        uint32_t crc = 1u << bit;
        for (size_t i = 0; i < length; i += 8)
            crc = crc32c_word(crc, 0);
        basis[bit] = crc;
    }
    for (unsigned n = 0; n < 4; n++) {
        zeros[n][0] = 0;
        for (unsigned byte = 1; byte < 256; byte++)
            zeros[n][byte] = zeros[n][byte & (byte - 1)] ^ basis[8 * n + (unsigned)__builtin_ctz(byte)];
    }
}

/* Before main(), and before other initialisers that might use it. */
__attribute__((constructor(101))) static void initialise(void)
{
    for (unsigned byte = 0; byte < 256; byte++) {
        uint32_t crc = byte;
        for (int bit = 0; bit < 8; bit++)
            crc = (crc >> 1) ^ (POLYNOMIAL & (0u - (crc & 1u)));
        bytes_table[0][byte] = crc;
    }
    for (unsigned n = 1; n < 8; n++)
        for (unsigned byte = 0; byte < 256; byte++)
            bytes_table[n][byte] = step_byte(bytes_table[n - 1][byte], 0);
#if defined(__x86_64__)
    __builtin_cpu_init();
    crc32c_has_instruction = __builtin_cpu_supports("sse4.2") != 0;
#elif defined(__aarch64__)
    crc32c_has_instruction = (getauxval(AT_HWCAP) & (1ul << 7)) != 0; /* HWCAP_CRC32 */
#endif
    if (crc32c_has_instruction) {
        fill_zeros(zeros_long, PIECE_LONG);
        fill_zeros(zeros_short, PIECE_SHORT);
    }
}

uint32_t crc32c_word_plain(uint32_t crc, uint64_t word)
{
    word ^= crc;
    return bytes_table[7][word & 255] ^ bytes_table[6][word >> 8 & 255] ^ bytes_table[5][word >> 16 & 255] ^
           bytes_table[4][word >> 24 & 255] ^ bytes_table[3][word >> 32 & 255] ^ bytes_table[2][word >> 40 & 255] ^
           bytes_table[1][word >> 48 & 255] ^ bytes_table[0][word >> 56];
}

uint32_t crc32c_plain(uint32_t crc, const void *data, size_t size)
{
    const unsigned char *bytes = data;

    crc = ~crc;
    for (; size >= 8; size -= 8, bytes += 8)
        crc = crc32c_word_plain(crc, load_le64(bytes));
    for (; size > 0; size--, bytes++)
        crc = step_byte(crc, *bytes);
    return ~crc;
}

#if defined(__x86_64__)
#define INSTRUCTION_TARGET __attribute__((target("sse4.2")))
#define STEP_WORD(crc, word) ((uint32_t)__builtin_ia32_crc32di((crc), (word)))
#elif defined(__aarch64__)
#define INSTRUCTION_TARGET
#define STEP_WORD(crc, word) crc32c_word((crc), (word))
#endif

#if defined(INSTRUCTION_TARGET)
/* Three neighbouring pieces of `length` bytes, a multiple of 8, each with a register of its own. */
INSTRUCTION_TARGET static inline uint32_t three_pieces(uint32_t crc, const unsigned char *bytes, size_t length,
                                                       uint32_t zeros[4][256])
{
    uint32_t second = 0, third = 0;

    for (size_t i = 0; i < length; i += 8) {
        crc = STEP_WORD(crc, load_le64(bytes + i));
        second = STEP_WORD(second, load_le64(bytes + length + i));
        third = STEP_WORD(third, load_le64(bytes + 2 * length + i));
    }
    crc = shift(zeros, crc) ^ second;
    return shift(zeros, crc) ^ third;
}

INSTRUCTION_TARGET uint32_t crc32c_fast(uint32_t crc, const void *data, size_t size)
{
    const unsigned char *bytes = data;

    crc = ~crc;
    for (; size >= 3 * PIECE_LONG; size -= 3 * PIECE_LONG, bytes += 3 * PIECE_LONG)
        crc = three_pieces(crc, bytes, PIECE_LONG, zeros_long);
    for (; size >= 3 * PIECE_SHORT; size -= 3 * PIECE_SHORT, bytes += 3 * PIECE_SHORT)
        crc = three_pieces(crc, bytes, PIECE_SHORT, zeros_short);
    for (; size >= 8; size -= 8, bytes += 8)
        crc = STEP_WORD(crc, load_le64(bytes));
    for (; size > 0; size--, bytes++)
        crc = step_byte(crc, *bytes);
    return ~crc;
}
#else
uint32_t crc32c_fast(uint32_t crc, const void *data, size_t size)
{
    return crc32c_plain(crc, data, size);
}
#endif

uint32_t crc32c(uint32_t crc, const void *data, size_t size)
{
    return crc32c_has_instruction ? crc32c_fast(crc, data, size) : crc32c_plain(crc, data, size);
}
