/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * glob.c - glob-style patterns
 *
 * Everything but `*` takes exactly one byte of the text. So when a match fails behind a `*`, only the last `*` need
 * take one byte more: an earlier one could lead to nothing that the last cannot. That keeps the work within pattern
 * times text.
 *
 * What Redis does with malformed classes is kept: `[` at the end is a class of nothing, a class that is not closed ends
 * with the pattern, a range may be written backwards, `]` can stand in a class behind a backslash only.
 * Threads: any. Memory: none.
 */
#include "glob.h"

static unsigned char lower(unsigned char byte)
{
    return byte >= 'A' && byte <= 'Z' ? (unsigned char)(byte + ('a' - 'A')) : byte;
}

static int same(char a, char b, int nocase)
{
    return nocase ? lower((unsigned char)a) == lower((unsigned char)b) : a == b;
}

static int in_range(char first, char last, char byte, int nocase)
{
    unsigned char low = (unsigned char)first;
    unsigned char high = (unsigned char)last;
    unsigned char at = (unsigned char)byte;

    if (low > high) {
        low = (unsigned char)last;
        high = (unsigned char)first;
    }
    if (nocase) {
        low = lower(low);
        high = lower(high);
        at = lower(at);
    }
    return at >= low && at <= high;
}

/* Matches one byte against the class whose first byte behind the `[` is at *at; leaves *at behind the class. */
static int match_class(const char *pattern, size_t size, size_t *at, char byte, int nocase)
{
    size_t i = *at;
    int negated = i < size && pattern[i] == '^';
    int found = 0;

    if (negated)
        i++;
    while (i < size && pattern[i] != ']') {
        if (pattern[i] == '\\' && size - i >= 2) {
            found |= pattern[i + 1] == byte;
            i += 2;
        } else if (size - i >= 3 && pattern[i + 1] == '-') {
            found |= in_range(pattern[i], pattern[i + 2], byte, nocase);
            i += 3;
        } else {
            found |= same(pattern[i], byte, nocase);
            i++;
        }
    }
    *at = i < size ? i + 1 : i;
    return found != negated;
}

/* Matches one byte against the pattern's element at *at, which is no `*`; leaves *at behind the element. */
static int match_one(const char *pattern, size_t size, size_t *at, char byte, int nocase)
{
    char element = pattern[(*at)++];

    switch (element) {
    case '?':
        return 1;
    case '[':
        return match_class(pattern, size, at, byte, nocase);
    case '\\':
        if (*at < size)
            element = pattern[(*at)++];
        break;
    default:
        break;
    }
    return same(element, byte, nocase);
}

int glob_match(const char *pattern, size_t pattern_size, const char *text, size_t text_size, int nocase)
{
    size_t at = 0;        /* in the pattern */
    size_t next = 0;      /* in the text */
    size_t star = 0;      /* the pattern behind the last `*`; 0: there was none */
    size_t star_text = 0; /* where the text goes on behind what that `*` took */

    if (text_size == 0)
        return pattern_size == 0; /* and not a `*`: so does Redis; its callers know a lone one beforehand */
    while (next < text_size) {
        if (at < pattern_size && pattern[at] == '*') {
            star = ++at;
            star_text = next;
            if (at == pattern_size)
                return 1;
        } else if (at < pattern_size && match_one(pattern, pattern_size, &at, text[next], nocase)) {
            next++;
        } else if (star != 0) {
            next = ++star_text;
            at = star;
        } else {
            return 0;
        }
    }
    while (at < pattern_size && pattern[at] == '*')
        at++;
    return at == pattern_size;
}

int glob_is_any(const char *pattern, size_t pattern_size)
{
    return pattern_size == 1 && pattern[0] == '*';
}
