/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_crc64.c - the checksum of dumps is Jones' CRC-64, however its bytes are cut into pieces
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "crc64.h"

/* Bit by bit, as the definition says. */
static uint64_t by_definition(const uint8_t *data, size_t size)
{
    uint64_t crc = 0;

    for (size_t i = 0; i < size; i++) {
        crc ^= data[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc & 1 ? crc >> 1 ^ 0x95ac9329ac4bc9b5ull : crc >> 1;
    }
    return crc;
}

static void the_check_value_is_the_published_one(void **state)
{
    (void)state;
    assert_true(crc64(0, "123456789", 9) == 0xe9c6d914c4b8d9caull);
    assert_true(crc64(0, "", 0) == 0);
}

static void all_sizes_agree_with_the_definition_in_any_pieces(void **state)
{
    uint8_t data[200];

    (void)state;
    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (uint8_t)(i * 167 + 13);
    for (size_t size = 0; size <= sizeof(data); size++) {
        const uint64_t whole = by_definition(data, size);
        assert_true(crc64(0, data, size) == whole);
        for (size_t cut = 0; cut <= size; cut += 7)
            assert_true(crc64(crc64(0, data, cut), data + cut, size - cut) == whole);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_check_value_is_the_published_one),
        cmocka_unit_test(all_sizes_agree_with_the_definition_in_any_pieces),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
