/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * library.c - libraries of functions as they are kept
 */
#include "library.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "split.h"

#define WORDS_MAX 1024

/* ---- the stored value --------------------------------------------------------------------------------------------------- */

static uint64_t get(const char *from, size_t size)
{
    uint64_t value = 0;

    for (size_t i = size; i-- > 0;)
        value = value << 8 | (uint8_t)from[i];
    return value;
}

static char *put(char *to, size_t size, uint64_t value)
{
    for (size_t i = 0; i < size; i++, value >>= 8)
        *to++ = (char)value;
    return to;
}

uint64_t library_sequence(const char *value, size_t size)
{
    return size < LIBRARY_HEADER_SIZE ? 0 : get(value, LIBRARY_HEADER_SIZE);
}

int library_next(const char *value, size_t size, size_t *at, const char **code, size_t *code_size)
{
    const size_t begin = (*at == 0 ? LIBRARY_HEADER_SIZE : *at) + LIBRARY_PREFIX_SIZE;
    size_t length;

    if (begin > size)
        return 0;
    length = (size_t)get(value + begin - LIBRARY_PREFIX_SIZE, LIBRARY_PREFIX_SIZE);
    if (length > size - begin)
        return 0;
    *code = value + begin;
    *code_size = length;
    *at = begin + length;
    return 1;
}

char *library_put_sequence(char *to, uint64_t sequence)
{
    return put(to, LIBRARY_HEADER_SIZE, sequence);
}

char *library_put(char *to, const char *code, size_t code_size)
{
    to = put(to, LIBRARY_PREFIX_SIZE, code_size);
    memcpy(to, code, code_size);
    return to + code_size;
}

/* ---- names -------------------------------------------------------------------------------------------------------------- */

int library_is_name(const char *name, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (!isalnum((unsigned char)name[i]) && name[i] != '_')
            return 0;
    return size > 0;
}

static int wrong(char *error, const char *text)
{
    (void)snprintf(error, LIBRARY_ERROR_SIZE, "%s", text);
    return 0;
}

/* What follows "name=" among the words behind the engine; NULL: it is not given once, nor alone. */
static const char *find_name(char *const *words, int count, char *error)
{
    const char *name = NULL;

    for (int i = 0; i < count; i++) {
        if (strncasecmp(words[i], "name=", 5) != 0) {
            (void)snprintf(error, LIBRARY_ERROR_SIZE, "Invalid metadata value given: %s", words[i]);
            return NULL;
        }
        if (name != NULL) {
            (void)wrong(error, "Invalid metadata value, name argument was given multiple times");
            return NULL;
        }
        name = words[i] + 5;
    }
    if (name == NULL)
        (void)wrong(error, "Library name was not given");
    return name;
}

/* The words of the first line; the memory of them all is words[0]'s. Errors: 0. */
static int split_first_line(const char *code, const char *end, char **words)
{
    char *line = strndup(code, (size_t)(end - code));
    int count = line == NULL ? 0 : split_words(line, words, WORDS_MAX);

    free(line);
    return count > 0 ? count : 0;
}

int library_name(const char *code, size_t size, char *name, size_t name_size, char error[LIBRARY_ERROR_SIZE])
{
    const char *end = memchr(code, '\n', strnlen(code, size));
    char *words[WORDS_MAX];
    const char *found;
    int count, is_right = 1;

    name[0] = '\0';
    if (size < 2 || memcmp(code, "#!", 2) != 0)
        return wrong(error, "Missing library metadata");
    count = end == NULL ? 0 : split_first_line(code, end, words);
    if (count == 0)
        return wrong(error, "Invalid library metadata");
    found = find_name(words + 1, count - 1, error);
    if (found == NULL) {
        is_right = 0;
    } else if (!library_is_name(found, strlen(found)) || strlen(found) >= name_size) {
        is_right = wrong(error, "Library names can only contain letters, numbers, or underscores(_) and must be at least one character long");
    } else if (strcasecmp(words[0] + 2, "lua") != 0) {
        (void)snprintf(error, LIBRARY_ERROR_SIZE, "Engine '%s' not found", words[0] + 2);
        is_right = 0;
    } else {
        memcpy(name, found, strlen(found) + 1);
    }
    free(words[0]);
    return is_right;
}
