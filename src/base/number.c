/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * number.c - canonical decimal integers, eight digits at a time to binary and two at a time back
 */
#include "number.h"

#include <string.h>

static const char two_digits[200] = "00010203040506070809101112131415161718192021222324252627282930313233343536373839"
                                    "40414243444546474849505152535455565758596061626364656667686970717273747576777879"
                                    "8081828384858687888990919293949596979899";

static const uint64_t powers_of_ten[20] = {1u,
                                           10u,
                                           100u,
                                           1000u,
                                           10000u,
                                           100000u,
                                           1000000u,
                                           10000000u,
                                           100000000u,
                                           1000000000u,
                                           10000000000u,
                                           100000000000u,
                                           1000000000000u,
                                           10000000000000u,
                                           100000000000000u,
                                           1000000000000000u,
                                           10000000000000000u,
                                           100000000000000000u,
                                           1000000000000000000u,
                                           10000000000000000000u};

/* Eight digits in one word, the first in the lowest byte. False where a byte is none. */
static inline bool eight_digits(const char *text, uint64_t *value)
{
    uint64_t word;

    memcpy(&word, text, sizeof(word));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    /* '0' to '9' are 0x30 to 0x39: the high half is 3, and stays so when 6 is added. */
    if (((word & 0xf0f0f0f0f0f0f0f0u) | ((word + 0x0606060606060606u) & 0xf0f0f0f0f0f0f0f0u) >> 4) !=
        0x3333333333333333u)
        return false;
    word &= 0x0f0f0f0f0f0f0f0fu;
    word = word * 10 + (word >> 8);                                                 /* pairs, in bytes 0, 2, 4, 6 */
    word = (word & 0x00ff00ff00ff00ffu) * 100 + (word >> 16 & 0x00ff00ff00ff00ffu); /* fours, in 0 and 4 */
    *value = (word & 0xffffu) * 10000 + (word >> 32 & 0xffffu);
    return true;
}

bool number_parse_i64(const char *text, size_t size, int64_t *value)
{
    /* One unsigned comparison turns away most of what is no number: nothing, and what is longer than any. */
    if (size - 1 >= NUMBER_TEXT_SIZE - 1)
        return false;
    const bool negative = text[0] == '-';
    const char *digits = text + negative;
    size_t count = size - negative;

    /* A leading zero stands for itself only. */
    if (count == 0 || count > 19 || (unsigned char)(digits[0] - '1') > 8) {
        if (size != 1 || text[0] != '0')
            return false;
        *value = 0;
        return true;
    }

    uint64_t magnitude = 0;
    for (; count >= 8; count -= 8, digits += 8) {
        uint64_t part;
        if (!eight_digits(digits, &part))
            return false;
        magnitude = magnitude * 100000000u + part;
    }
    for (; count > 0; count--, digits++) {
        const unsigned char digit = (unsigned char)(*digits - '0');
        if (digit > 9)
            return false;
        magnitude = magnitude * 10 + digit;
    }
    /* 19 digits are less than 2^64, so that the sum above is exact. */
    if (magnitude > (uint64_t)INT64_MAX + negative)
        return false;
    *value = (int64_t)(negative ? 0 - magnitude : magnitude);
    return true;
}

static size_t count_digits(uint64_t value)
{
    /* bits * log10(2), by a fraction that is exact enough for 64 bits, then a correction by one. */
    const unsigned bits = 64u - (unsigned)__builtin_clzll(value | 1);
    const unsigned guess = bits * 1233 >> 12;

    return guess + ((value | 1) < powers_of_ten[guess] ? 0u : 1u);
}

size_t number_format_u64(char *buffer, uint64_t value)
{
    const size_t size = count_digits(value);
    char *end = buffer + size;

    *end = '\0';
    while (value >= 100) {
        const uint64_t quotient = value / 100;
        end -= 2;
        memcpy(end, two_digits + 2 * (value - quotient * 100), 2);
        value = quotient;
    }
    if (value >= 10)
        memcpy(end - 2, two_digits + 2 * value, 2);
    else
        end[-1] = (char)('0' + value);
    return size;
}

size_t number_format_i64(char *buffer, int64_t value)
{
    if (value >= 0)
        return number_format_u64(buffer, (uint64_t)value);
    buffer[0] = '-';
    return 1 + number_format_u64(buffer + 1, 0 - (uint64_t)value);
}
