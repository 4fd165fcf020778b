/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * split.h - a line's words, as configuration files and the first lines of libraries have them
 */
#ifndef SDB_BASE_SPLIT_H
#define SDB_BASE_SPLIT_H

static inline int split_is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/*
 * Splits a line into words by Redis' rules: blanks separate; "..." with \n \r \t \b \a \xHH \" \\ inside; '...' with
 * \'. words point into one allocation, words[0]'s, which the caller frees (NULL where there are none).
 * Returns how many, or -1: unbalanced quotes or more than max words.
 */
int split_words(const char *line, char **words, int max);

#endif
