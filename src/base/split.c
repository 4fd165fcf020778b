/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * split.c - a line's words, by Redis' rules
 * Memory: one allocation a call, for all words
 */
#include "split.h"

#include <stdlib.h>
#include <string.h>

/* Form feeds and vertical tabs stand between words, but end none, as in Redis. */
static int ends_word(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\0';
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static char unescape(char c)
{
    switch (c) {
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 't':
        return '\t';
    case 'b':
        return '\b';
    case 'a':
        return '\a';
    default:
        return c;
    }
}

/*
 * Copies one quoted word's bytes from behind its opening quote. NULL: no closing quote, or something right behind it.
 */
static const char *copy_quoted(const char *from, char quote, char **to)
{
    while (*from != quote) {
        if (*from == '\0')
            return NULL;
        if (*from == '\\' && quote == '"' && from[1] == 'x' && hex_digit(from[2]) >= 0 && hex_digit(from[3]) >= 0) {
            *(*to)++ = (char)(hex_digit(from[2]) * 16 + hex_digit(from[3]));
            from += 4;
        } else if (*from == '\\' && from[1] != '\0' && (quote == '"' || from[1] == '\'')) {
            *(*to)++ = quote == '"' ? unescape(from[1]) : '\'';
            from += 2;
        } else {
            *(*to)++ = *from++;
        }
    }
    from++;
    return *from == '\0' || split_is_blank(*from) ? from : NULL;
}

static const char *copy_word(const char *from, char **to)
{
    while (!ends_word(*from)) {
        if (*from == '"' || *from == '\'') {
            from = copy_quoted(from + 1, *from, to);
            if (from == NULL)
                return NULL;
            break;
        }
        *(*to)++ = *from++;
    }
    *(*to)++ = '\0';
    return from;
}

int split_words(const char *line, char **words, int max)
{
    char *memory = malloc(strlen(line) + 2), *to = memory;
    int count = 0;

    if (memory == NULL)
        return -1;
    for (;;) {
        while (split_is_blank(*line))
            line++;
        if (*line == '\0')
            break;
        if (count == max) {
            free(memory);
            return -1;
        }
        words[count++] = to;
        line = copy_word(line, &to);
        if (line == NULL) {
            free(memory);
            return -1;
        }
    }
    if (count == 0) {
        free(memory);
        words[0] = NULL;
    }
    return count;
}
