/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * arguments.c - numbers and lists on command lines
 */
#include "arguments.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* What a unit multiplies by; 0 where it is none. */
static uint64_t unit_factor(const char *unit)
{
    static const struct {
        const char *name;
        uint64_t factor;
    } units[] = {
        {"", 1}, {"k", 1000}, {"m", 1000000}, {"g", 1000000000}, {"kb", 1ull << 10}, {"mb", 1ull << 20}, {"gb", 1ull << 30},
    };

    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
        if (!strcasecmp(unit, units[i].name))
            return units[i].factor;
    return 0;
}

int argument_number(const char *option, const char *text, uint64_t minimum, uint64_t maximum, uint64_t *value)
{
    char *unit;
    unsigned long long number;
    uint64_t factor;

    errno = 0;
    number = strtoull(text, &unit, 10);
    factor = unit_factor(unit);
    if (errno || unit == text || *text == '-' || !factor || number > UINT64_MAX / factor || number * factor < minimum ||
        number * factor > maximum) {
        fprintf(stderr, "superdb-bench: --%s: '%s' is not a number from %llu to %llu\n", option, text,
                (unsigned long long)minimum, (unsigned long long)maximum);
        return -1;
    }
    *value = number * factor;
    return 0;
}

int argument_real(const char *option, const char *text, double minimum, double maximum, double *value)
{
    char *end;
    double number = strtod(text, &end);

    if (end == text || *end || !(number >= minimum && number <= maximum)) {
        fprintf(stderr, "superdb-bench: --%s: '%s' is not a number from %g to %g\n", option, text, minimum, maximum);
        return -1;
    }
    *value = number;
    return 0;
}

int argument_listed(const char *list, const char *word)
{
    size_t size = strlen(word);

    for (const char *at = list; *at;) {
        size_t length = strcspn(at, ",");

        if (length == size && !strncmp(at, word, size))
            return 1;
        at += length + (at[length] == ',');
    }
    return 0;
}
