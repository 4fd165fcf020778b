/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_server_bitstring.c - bits and fields of bits agree with a reckoning bit by bit
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bitstring.h"

static uint64_t seed = 88172645463325252u;

static uint64_t next_random(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

static int bit_at(const unsigned char *data, uint64_t at)
{
    return data[at / 8] >> (7 - at % 8) & 1;
}

static void fill(unsigned char *data, size_t size)
{
    const uint64_t kind = next_random() % 4;

    for (size_t i = 0; i < size; i++)
        data[i] = kind == 0 ? 0 : kind == 1 ? 0xff : (unsigned char)next_random();
    if (kind < 2 && size > 0) /* one odd bit in a desert */
        data[next_random() % size] ^= (unsigned char)(1u << next_random() % 8);
}

static void counting_agrees_with_counting_bit_by_bit(void **state)
{
    unsigned char data[150];

    (void)state;
    for (int round = 0; round < 20000; round++) {
        const size_t bits = 8 * (1 + next_random() % sizeof(data));
        uint64_t first = next_random() % bits, last = first + next_random() % (bits - first), count = 0;
        fill(data, bits / 8);
        for (uint64_t i = first; i <= last; i++)
            count += (uint64_t)bit_at(data, i);
        assert_int_equal(bitstring_count(data, first, last), count);
    }
}

static void finding_agrees_with_looking_at_each_bit(void **state)
{
    unsigned char data[150];

    (void)state;
    for (int round = 0; round < 20000; round++) {
        const size_t bits = 8 * (1 + next_random() % sizeof(data));
        const uint64_t first = next_random() % bits, last = first + next_random() % (bits - first);
        const int bit = (int)(next_random() & 1);
        int64_t found = -1;
        fill(data, bits / 8);
        for (uint64_t i = first; i <= last && found < 0; i++)
            found = bit_at(data, i) == bit ? (int64_t)i : -1;
        assert_int_equal(bitstring_find(data, first, last, bit), found);
    }
}

static void combining_takes_what_is_missing_for_zero(void **state)
{
    static const unsigned char source[2] = {0x0f, 0xf0};
    unsigned char target[4] = {0xff, 0x3c, 0xaa, 0x55};

    (void)state;
    bitstring_combine(target, 4, source, 2, BITSTRING_OR);
    assert_memory_equal(target, "\xff\xfc\xaa\x55", 4);
    bitstring_combine(target, 4, source, 2, BITSTRING_XOR);
    assert_memory_equal(target, "\xf0\x0c\xaa\x55", 4);
    bitstring_combine(target, 4, source, 2, BITSTRING_AND);
    assert_memory_equal(target, "\x00\x00\x00\x00", 4);
    bitstring_invert(target, 4);
    assert_memory_equal(target, "\xff\xff\xff\xff", 4);
}

static void field_types_are_i1_to_i64_and_u1_to_u63(void **state)
{
    static const char *const bad[] = {"", "i", "u", "i0", "u0", "i65", "u64", "I8", "x8", "i08", "u-1", "i8 ", "8"};
    struct bitfield_type type;
    char text[8];

    (void)state;
    for (unsigned bits = 1; bits <= 64; bits++) {
        const size_t size = bits < 10 ? 2 : 3;
        text[0] = 'i';
        text[1] = (char)('0' + (bits < 10 ? bits : bits / 10));
        text[2] = (char)('0' + bits % 10);
        assert_true(bitfield_type_parse(text, size, &type));
        assert_true(type.is_signed && type.bits == bits);
        text[0] = 'u';
        assert_int_equal(bitfield_type_parse(text, size, &type), bits < 64);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(bitfield_type_parse(bad[i], strlen(bad[i]), &type));
}

/* The number in the bits shift to shift + bits - 1. */
static int64_t read_slowly(const unsigned char *window, unsigned shift, struct bitfield_type type)
{
    uint64_t value = 0;

    if (type.is_signed && bit_at(window, shift))
        value = UINT64_MAX;
    for (unsigned i = 0; i < type.bits; i++)
        value = value << 1 | (uint64_t)bit_at(window, shift + i);
    return (int64_t)value;
}

static void fields_read_back_at_every_shift_and_width(void **state)
{
    unsigned char window[BITFIELD_WINDOW], before[BITFIELD_WINDOW];

    (void)state;
    for (unsigned shift = 0; shift < 8; shift++) {
        for (unsigned bits = 1; bits <= 64; bits++) {
            for (int round = 0; round < 20; round++) {
                const struct bitfield_type type = {bits == 64 || (next_random() & 1) != 0, bits};
                const int64_t value = (int64_t)next_random();
                for (size_t i = 0; i < sizeof(window); i++)
                    window[i] = (unsigned char)next_random();
                assert_int_equal(bitfield_read(window, shift, type), read_slowly(window, shift, type));
                memcpy(before, window, sizeof(window));
                bitfield_write(window, shift, type, value);
                assert_int_equal(bitfield_read(window, shift, type), read_slowly(window, shift, type));
                assert_int_equal((uint64_t)bitfield_read(window, shift, type) << (64 - bits),
                                 (uint64_t)value << (64 - bits));
                for (unsigned i = 0; i < 72; i++) {
                    if (i < shift || i >= shift + bits)
                        assert_int_equal(bit_at(window, i), bit_at(before, i));
                }
            }
        }
    }
}

static void sums_wrap_saturate_or_fail(void **state)
{
    static const struct {
        struct bitfield_type type;
        int64_t value, delta;
        int fits;
        int64_t wrapped, saturated;
    } rows[] = {
        {{1, 8}, 100, 27, 1, 127, 127},
        {{1, 8}, 100, 28, 0, -128, 127},
        {{1, 8}, -100, -28, 1, -128, -128},
        {{1, 8}, -100, -29, 0, 127, -128},
        {{0, 8}, 250, 5, 1, 255, 255},
        {{0, 8}, 250, 6, 0, 0, 255},
        {{0, 8}, 5, -6, 0, 255, 0},
        {{0, 8}, 300, 0, 0, 44, 255},
        {{0, 8}, -1, 0, 0, 255, 255}, /* a negative number is a very large one without a sign */
        {{1, 1}, 0, 1, 0, -1, 0},
        {{0, 1}, 1, 1, 0, 0, 1},
        {{1, 64}, INT64_MAX, 1, 0, INT64_MIN, INT64_MAX},
        {{1, 64}, INT64_MIN, -1, 0, INT64_MAX, INT64_MIN},
        {{1, 64}, INT64_MIN, INT64_MAX, 1, -1, -1},
        {{0, 63}, INT64_MAX, 1, 0, 0, INT64_MAX},
        {{0, 63}, 0, -1, 0, INT64_MAX, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int64_t sum = 4711;
        assert_int_equal(bitfield_add(rows[i].value, rows[i].delta, rows[i].type, BITFIELD_WRAP, &sum), rows[i].fits);
        assert_int_equal(sum, rows[i].wrapped);
        assert_int_equal(bitfield_add(rows[i].value, rows[i].delta, rows[i].type, BITFIELD_SATURATE, &sum),
                         rows[i].fits);
        assert_int_equal(sum, rows[i].saturated);
        sum = 4711;
        assert_int_equal(bitfield_add(rows[i].value, rows[i].delta, rows[i].type, BITFIELD_FAIL, &sum), rows[i].fits);
        assert_int_equal(sum, rows[i].fits ? rows[i].wrapped : 4711);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counting_agrees_with_counting_bit_by_bit),
        cmocka_unit_test(finding_agrees_with_looking_at_each_bit),
        cmocka_unit_test(combining_takes_what_is_missing_for_zero),
        cmocka_unit_test(field_types_are_i1_to_i64_and_u1_to_u63),
        cmocka_unit_test(fields_read_back_at_every_shift_and_width),
        cmocka_unit_test(sums_wrap_saturate_or_fail),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
