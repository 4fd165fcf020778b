/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fuzz_number.c - the readers of numbers, compared with the C library's
 */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>

#include "args.h"
#include "fuzz.h"
#include "number.h"

/* What the C library makes of it: a canonical number is one that prints as the same text. */
static int is_canonical(const char *text, size_t size, int64_t *value)
{
    char again[32];

    errno = 0;
    *value = strtoll(text, NULL, 10);
    int length = snprintf(again, sizeof(again), "%" PRId64, *value);
    return errno == 0 && (size_t)length == size && memcmp(again, text, size) == 0;
}

static void compare_integer(const char *data, const char *text, size_t size)
{
    int64_t expected, value = 77;
    int good = is_canonical(text, size, &expected);
    char again[NUMBER_TEXT_SIZE];

    FUZZ_CHECK(number_parse_i64(data, size, &value) == (good != 0), "%s", text);
    FUZZ_CHECK(value == (good ? expected : 77), "%s: %" PRId64, text, value);
    FUZZ_CHECK(args_parse_int64(data, size, &value) == good, "%s", text);
    if (good)
        FUZZ_CHECK(number_format_i64(again, value) == size && strcmp(again, text) == 0, "%s", text);
}

static void compare_double(const char *data, const char *text, size_t size)
{
    long double value = 77, expected;
    char *end;
    int got = args_parse_long_double(data, size, &value);

    expected = strtold(text, &end);
    if (size == 0 || size >= 5120 || isspace((unsigned char)text[0]) || (size_t)(end - text) != size || isnan(expected))
        FUZZ_CHECK(!got && value == 77, "%s", text);
    else if (got)
        FUZZ_CHECK(value == expected, "%s", text);
    else
        FUZZ_CHECK(isinf(expected) || expected == 0, "%s", text); /* out of range */
}

static void compare_cursor(const char *data, const char *text, size_t size)
{
    uint64_t value = 77, expected;
    char *end;
    int got = args_parse_cursor(data, size, &value);

    errno = 0;
    expected = strtoull(text, &end, 10);
    if (size >= 64 || isspace((unsigned char)text[0]) || *end != '\0' || errno == ERANGE)
        FUZZ_CHECK(!got && value == 77, "%s", text);
    else
        FUZZ_CHECK(got && value == expected, "%s", text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);

    FUZZ_CHECK(text != NULL, "out of memory");
    memcpy(text, data, size);
    text[size] = '\0';
    compare_integer((const char *)data, text, size);
    compare_double((const char *)data, text, size);
    compare_cursor((const char *)data, text, size);
    for (uint64_t number = 0, i = 0; i < 8 && i < size; i++) { /* and back, from any number */
        char again[NUMBER_TEXT_SIZE], printed[32];

        number = number << 8 | data[i];
        int length = snprintf(printed, sizeof(printed), "%" PRIu64, number);
        FUZZ_CHECK(number_format_u64(again, number) == (size_t)length && strcmp(again, printed) == 0, "%s", printed);
    }
    free(text);
    return 0;
}
