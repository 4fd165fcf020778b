/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * crc32c.h - CRC-32C (Castagnoli; RFC 3720, appendix B.4), by the CPU's instruction where it has one
 *
 * Threads: any. The choice is made before main() and never changes.
 */
#ifndef SDB_BASE_CRC32C_H
#define SDB_BASE_CRC32C_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The checksum of data, or its continuation: crc is 0 for the first piece, and the result so far for the next ones,
 * so that crc32c(crc32c(0, a), b) is the checksum of a followed by b. crc32c(0, "123456789", 9) is 0xe3069283.
 */
uint32_t crc32c(uint32_t crc, const void *data, size_t size);

/* The two ways, for tests and for the figures: without the CPU's instruction, and with it (only where there is one). */
uint32_t crc32c_plain(uint32_t crc, const void *data, size_t size);
uint32_t crc32c_fast(uint32_t crc, const void *data, size_t size);

/* Whether the CPU has the instruction. Read-only after start-up. */
extern bool crc32c_has_instruction;

uint32_t crc32c_word_plain(uint32_t crc, uint64_t word);

/*
 * One step of the bare register over the 8 bytes of word in little-endian order, without the inversions that crc32c
 * does before and after: ~crc32c_word(~crc, word) == crc32c(crc, &word, 8). 3 cycles where the CPU has the
 * instruction.
 */
static inline uint32_t crc32c_word(uint32_t crc, uint64_t word)
{
#if defined(__x86_64__)
    /* As assembler text, since an intrinsic could be inlined only into functions compiled for SSE4.2. */
    if (__builtin_expect(crc32c_has_instruction, 1)) {
        uint64_t wide = crc;
        __asm__("crc32q %1, %0" : "+r"(wide) : "rm"(word));
        return (uint32_t)wide;
    }
#elif defined(__aarch64__)
    if (__builtin_expect(crc32c_has_instruction, 1)) {
        __asm__(".arch_extension crc\n\tcrc32cx %w0, %w0, %x1" : "+r"(crc) : "r"(word));
        return crc;
    }
#endif
    return crc32c_word_plain(crc, word);
}

#endif
