/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_crc32c.c - known answers, and the two ways against each other at every size and alignment that matters
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "crc32c.h"

#define BUFFER_SIZE 40000u

static unsigned char *buffer;

static int set_up(void **state)
{
    uint64_t random = 88172645463325252ull;

    (void)state;
    buffer = malloc(BUFFER_SIZE);
    if (buffer == NULL)
        return -1;
    for (size_t i = 0; i < BUFFER_SIZE; i++) {
        random = random * 6364136223846793005ull + 1442695040888963407ull;
        buffer[i] = (unsigned char)(random >> 56);
    }
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    free(buffer);
    return 0;
}

/* One bit at a time, after the definition. */
static uint32_t by_definition(const unsigned char *bytes, size_t size)
{
    uint32_t crc = ~0u;

    for (size_t i = 0; i < size; i++) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; bit++)
            crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0x82f63b78u : 0u);
    }
    return ~crc;
}

/* RFC 3720, appendix B.4, and the usual check value. */
static void gives_the_published_values(void **state)
{
    unsigned char bytes[32];

    (void)state;
    assert_int_equal(crc32c(0, "", 0), 0);
    assert_int_equal(crc32c(0, "123456789", 9), 0xe3069283u);
    memset(bytes, 0, sizeof(bytes));
    assert_int_equal(crc32c(0, bytes, sizeof(bytes)), 0x8a9136aau);
    memset(bytes, 0xff, sizeof(bytes));
    assert_int_equal(crc32c(0, bytes, sizeof(bytes)), 0x62a8ab43u);
    for (unsigned i = 0; i < 32; i++)
        bytes[i] = (unsigned char)i;
    assert_int_equal(crc32c(0, bytes, sizeof(bytes)), 0x46dd794eu);
    for (unsigned i = 0; i < 32; i++)
        bytes[i] = (unsigned char)(31 - i);
    assert_int_equal(crc32c(0, bytes, sizeof(bytes)), 0x113fdb5cu);
}

static void every_small_size_and_alignment_agrees_with_the_definition(void **state)
{
    (void)state;
    for (size_t offset = 0; offset < 9; offset++) {
        for (size_t size = 0; size < 900; size++) {
            const uint32_t expected = by_definition(buffer + offset, size);
            assert_int_equal(crc32c(0, buffer + offset, size), expected);
            assert_int_equal(crc32c_plain(0, buffer + offset, size), expected);
            if (crc32c_has_instruction)
                assert_int_equal(crc32c_fast(0, buffer + offset, size), expected);
        }
    }
}

/* Around the sizes at which three pieces are taken at once: 768 and 12,288 bytes, and twice that. */
static void sizes_around_the_piece_lengths_agree_with_the_definition(void **state)
{
    static const size_t edges[] = {768, 1536, 12288, 13056, 24576, 36864};

    (void)state;
    for (size_t i = 0; i < sizeof(edges) / sizeof(edges[0]); i++) {
        for (size_t size = edges[i] - 9; size <= edges[i] + 9; size++) {
            const uint32_t expected = by_definition(buffer + 3, size);
            assert_int_equal(crc32c(0, buffer + 3, size), expected);
            assert_int_equal(crc32c_plain(0, buffer + 3, size), expected);
            assert_int_equal(crc32c_fast(0, buffer + 3, size), expected);
        }
    }
}

static void a_sum_may_be_continued_at_any_byte(void **state)
{
    (void)state;
    for (size_t size = 1000; size <= 30000; size += 29000) {
        const uint32_t expected = crc32c(0, buffer, size);
        for (size_t cut = 0; cut <= size; cut += 37)
            assert_int_equal(crc32c(crc32c(0, buffer, cut), buffer + cut, size - cut), expected);
    }
}

static void a_word_is_its_eight_bytes(void **state)
{
    (void)state;
    for (size_t i = 0; i + 8 <= 4096; i += 8) {
        const uint32_t before = (uint32_t)i * 2654435761u;
        uint64_t word = 0;
        for (unsigned byte = 0; byte < 8; byte++)
            word |= (uint64_t)buffer[i + byte] << 8 * byte;
        assert_int_equal(~crc32c_word(~before, word), crc32c(before, buffer + i, 8));
        assert_int_equal(crc32c_word_plain(before, word), crc32c_word(before, word));
    }
}

static void every_single_bit_matters(void **state)
{
    (void)state;
    const uint32_t expected = crc32c(0, buffer, 1000);
    for (size_t bit = 0; bit < 8000; bit++) {
        buffer[bit / 8] ^= (unsigned char)(1u << bit % 8);
        assert_int_not_equal(crc32c(0, buffer, 1000), expected);
        buffer[bit / 8] ^= (unsigned char)(1u << bit % 8);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_the_published_values),
        cmocka_unit_test(every_small_size_and_alignment_agrees_with_the_definition),
        cmocka_unit_test(sizes_around_the_piece_lengths_agree_with_the_definition),
        cmocka_unit_test(a_sum_may_be_continued_at_any_byte),
        cmocka_unit_test(a_word_is_its_eight_bytes),
        cmocka_unit_test(every_single_bit_matters),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
