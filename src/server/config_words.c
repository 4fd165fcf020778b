/* SPDX-License-Identifier: BSD-3-Clause */
/* config_words.c - words of the configuration as numbers */
#include "config_words.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <strings.h>

int config_parse_size(const char *text, int64_t *size)
{
    static const struct {
        const char *unit;
        int64_t bytes;
    } units[] = {{"", 1},         {"b", 1},          {"k", 1000},       {"kb", 1024},           {"m", 1000000},
                 {"mb", 1 << 20}, {"g", 1000000000}, {"gb", 1ll << 30}, {"t", 1000000000000ll}, {"tb", 1ll << 40}};
    char *end;
    long long number;

    errno = 0;
    number = strtoll(text, &end, 10);
    if (end == text || errno != 0 || number < 0 || text[0] < '0' || text[0] > '9')
        return -1;
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
        if (strcasecmp(end, units[i].unit) == 0)
            return __builtin_mul_overflow(number, units[i].bytes, size) ? -1 : 0;
    return -1;
}

int config_parse_number(const char *text, int base, int64_t *number)
{
    char *end;

    errno = 0;
    *number = strtoll(text, &end, base);
    return end == text || *end != '\0' || errno != 0 || text[0] == '+' || text[0] == ' ' ? -1 : 0;
}
