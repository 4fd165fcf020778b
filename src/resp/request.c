/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * request.c - parses RESP requests, as Redis 7 does, to the error text
 *
 * Input:   whatever a socket delivers. Every length is checked before it is believed; nothing is allocated for what was
 *          announced but has not come (the argument array grows as arguments arrive).
 * Holds:   1. position is at most the size that was seen, and is 0 between requests;
 *          2. argv[0..argc) are complete arguments; until the request is complete their data pointers hold offsets from its
 *             first byte, because the caller's buffer may move.
 * Leniency as in Redis: the two bytes behind an argument and the one behind a '\r' are skipped without a look. A NUL byte ends
 * the search for the end of a line, so that such a line never ends, and is refused when it has become too long.
 */
#include "request.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "number.h"

#define ARGV_CAPACITY_FIRST 8
#define ARGV_CAPACITY_KEPT 1024        /* a parser that served a giant request does not keep its array */
#define UNQUOTED_CAPACITY_KEPT 4096

void request_parser_init(struct request_parser *parser)
{
    memset(parser, 0, sizeof(*parser));
    parser->args_left = -1;
    parser->bulk_size = -1;
}

void request_parser_free(struct request_parser *parser)
{
    free(parser->argv);
    free(parser->unquoted);
    request_parser_init(parser);
}

static enum request_result invalid(struct request_parser *parser, const char *text)
{
    parser->error = text;
    return REQUEST_INVALID;
}

/* Between requests: nothing of the last one is left, and memory that only a giant needed goes back. */
static void begin(struct request_parser *parser)
{
    parser->argc = 0;
    parser->args_left = -1;
    parser->bulk_size = -1;
    parser->bytes_wanted = 0;
    if (parser->argv_capacity > ARGV_CAPACITY_KEPT) {
        free(parser->argv);
        parser->argv = NULL;
        parser->argv_capacity = 0;
    }
    if (parser->unquoted_capacity > UNQUOTED_CAPACITY_KEPT) {
        free(parser->unquoted);
        parser->unquoted = NULL;
        parser->unquoted_capacity = 0;
    }
}

static int grow_argv(struct request_parser *parser)
{
    size_t capacity = parser->argv_capacity == 0 ? ARGV_CAPACITY_FIRST : parser->argv_capacity * 2;
    struct request_arg *argv = realloc(parser->argv, capacity * sizeof(*argv));

    if (argv == NULL)
        return 0;
    parser->argv = argv;
    parser->argv_capacity = capacity;
    return 1;
}

/* The first `what` that no NUL stands before, or NULL; then *stop is where the search may go on when there are more bytes. */
static const char *find_before_nul(const char *text, size_t size, char what, size_t *stop)
{
    const char *found = memchr(text, what, size);
    const char *nul = memchr(text, '\0', found == NULL ? size : (size_t)(found - text));

    *stop = nul != NULL ? (size_t)(nul - text) : size;
    return nul != NULL ? NULL : found;
}

/*
 * Reads the number in a header line "?digits\r\n" that begins at position. Returns the number of bytes of the line, 0 where
 * its end has not come. *valid says whether it is a canonical number; *value is set only then.
 */
static size_t header(const char *line, size_t size, int64_t *value, bool *valid)
{
    size_t stop;
    const char *end = find_before_nul(line, size, '\r', &stop);

    if (end == NULL || (size_t)(end - line) + 2 > size)
        return 0;
    *valid = number_parse_i64(line + 1, (size_t)(end - line) - 1, value);
    return (size_t)(end - line) + 2;
}

/* Reads "*count\r\n". REQUEST_COMPLETE: args_left and position are set. */
static enum request_result parse_count(struct request_parser *parser, const struct request_limits *limits, const char *data,
                                       size_t size)
{
    int64_t count = 0;
    bool valid = false;
    size_t line = header(data, size, &count, &valid);

    if (line == 0) {
        if (size > limits->inline_size_max)
            return invalid(parser, "Protocol error: too big mbulk count string");
        return REQUEST_INCOMPLETE;
    }
    if (!valid || count > limits->args_max)
        return invalid(parser, "Protocol error: invalid multibulk length");
    if (limits->unauthenticated && count > REQUEST_UNAUTHENTICATED_ARGS_MAX)
        return invalid(parser, "Protocol error: unauthenticated multibulk length");
    parser->args_left = count < 0 ? 0 : count;
    parser->position = line;
    return REQUEST_COMPLETE;
}

/* Reads "$size\r\n" at position. REQUEST_COMPLETE: bulk_size and position are set. */
static enum request_result parse_bulk_size(struct request_parser *parser, const struct request_limits *limits,
                                           const char *data, size_t size)
{
    const char *at = data + parser->position;
    size_t left = size - parser->position;
    int64_t length = 0;
    bool valid = false;
    size_t line = left == 0 ? 0 : header(at, left, &length, &valid);

    if (line == 0) {
        if (left > limits->inline_size_max)
            return invalid(parser, "Protocol error: too big bulk count string");
        return REQUEST_INCOMPLETE;
    }
    if (at[0] != '$') {
        snprintf(parser->error_text, sizeof(parser->error_text), "Protocol error: expected '$', got '%c'", at[0]);
        return invalid(parser, parser->error_text);
    }
    if (!valid || length < 0 || length > limits->bulk_size_max)
        return invalid(parser, "Protocol error: invalid bulk length");
    if (limits->unauthenticated && length > REQUEST_UNAUTHENTICATED_BULK_MAX)
        return invalid(parser, "Protocol error: unauthenticated bulk length");
    parser->bulk_size = length;
    parser->position += line;
    return REQUEST_COMPLETE;
}

static enum request_result parse_multibulk(struct request_parser *parser, const struct request_limits *limits,
                                           const char *data, size_t size, size_t *consumed)
{
    if (parser->args_left < 0) {
        enum request_result result = parse_count(parser, limits, data, size);

        if (result != REQUEST_COMPLETE)
            return result;
    }
    while (parser->args_left > 0) {
        if (parser->bulk_size < 0) {
            enum request_result result = parse_bulk_size(parser, limits, data, size);

            if (result != REQUEST_COMPLETE)
                return result;
        }
        size_t whole = (size_t)parser->bulk_size + 2;
        if (size - parser->position < whole) {
            parser->bytes_wanted = whole - (size - parser->position);
            return REQUEST_INCOMPLETE;
        }
        if ((size_t)parser->argc == parser->argv_capacity && !grow_argv(parser))
            return REQUEST_NO_MEMORY;
        struct request_arg *arg = &parser->argv[parser->argc++];
        arg->data = (const char *)(uintptr_t)parser->position; /* an offset for now: invariant 2 */
        arg->size = (size_t)parser->bulk_size;
        parser->position += whole;
        parser->bulk_size = -1;
        parser->bytes_wanted = 0;
        parser->args_left--;
    }
    for (int64_t i = 0; i < parser->argc; i++)
        parser->argv[i].data = data + (uintptr_t)parser->argv[i].data;
    *consumed = parser->position;
    parser->position = 0;
    return REQUEST_COMPLETE;
}

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* What stands behind a backslash between double quotes. Returns how many bytes of text it took. */
static size_t unescape(const char *text, size_t size, char *out)
{
    if (size >= 3 && text[0] == 'x' && hex_digit(text[1]) >= 0 && hex_digit(text[2]) >= 0) {
        *out = (char)(hex_digit(text[1]) * 16 + hex_digit(text[2]));
        return 3;
    }
    switch (text[0]) {
    case 'n': *out = '\n'; break;
    case 'r': *out = '\r'; break;
    case 't': *out = '\t'; break;
    case 'b': *out = '\b'; break;
    case 'a': *out = '\a'; break;
    default: *out = text[0]; break;
    }
    return 1;
}

/*
 * Copies the quoted part that begins behind the quote at text[0] to *out. Returns how many bytes of text it took, both quotes
 * included, or 0 where the closing one is missing or is followed by something else than a space.
 */
static size_t unquote(const char *text, size_t size, char **out)
{
    char quote = text[0];
    size_t i = 1;

    while (i < size && text[i] != quote) {
        if (quote == '"' && text[i] == '\\' && i + 1 < size) {
            i += 1 + unescape(text + i + 1, size - i - 1, (*out)++);
        } else if (quote == '\'' && text[i] == '\\' && i + 1 < size && text[i + 1] == '\'') {
            *(*out)++ = '\'';
            i += 2;
        } else {
            *(*out)++ = text[i++];
        }
    }
    if (i == size || (i + 1 < size && !is_space(text[i + 1])))
        return 0;
    return i + 1;
}

/* Splits a line into arguments by the rules of Redis' command line: words, "quoted\x20words\n" and 'quoted words'. */
static enum request_result split_line(struct request_parser *parser, const char *line, size_t size)
{
    if (parser->unquoted_capacity < size) {
        char *memory = realloc(parser->unquoted, size);

        if (memory == NULL)
            return REQUEST_NO_MEMORY;
        parser->unquoted = memory;
        parser->unquoted_capacity = size;
    }
    char *out = parser->unquoted; /* unquoting never makes text longer */
    size_t i = 0;
    for (;;) {
        while (i < size && is_space(line[i]))
            i++;
        if (i == size)
            return REQUEST_COMPLETE;
        if ((size_t)parser->argc == parser->argv_capacity && !grow_argv(parser))
            return REQUEST_NO_MEMORY;
        struct request_arg *arg = &parser->argv[parser->argc++];
        arg->data = out;
        while (i < size && !is_space(line[i])) {
            if (line[i] == '"' || line[i] == '\'') {
                size_t taken = unquote(line + i, size - i, &out);

                if (taken == 0)
                    return invalid(parser, "Protocol error: unbalanced quotes in request");
                i += taken;
                break;
            }
            *out++ = line[i++];
        }
        arg->size = (size_t)(out - arg->data);
    }
}

static enum request_result parse_inline(struct request_parser *parser, const struct request_limits *limits, const char *data,
                                        size_t size, size_t *consumed)
{
    /* Bytes that were searched for the end of the line before need not be searched again. */
    size_t stop;
    const char *end = find_before_nul(data + parser->position, size - parser->position, '\n', &stop);

    if (end == NULL) {
        if (size > limits->inline_size_max)
            return invalid(parser, "Protocol error: too big inline request");
        parser->position += stop;
        return REQUEST_INCOMPLETE;
    }
    size_t line = (size_t)(end - data);
    size_t taken = line + 1;
    if (line > 0 && data[line - 1] == '\r')
        line--;
    parser->position = 0;
    enum request_result result = split_line(parser, data, line);
    if (result == REQUEST_COMPLETE)
        *consumed = taken;
    return result;
}

enum request_result request_parse(struct request_parser *parser, const struct request_limits *limits, const char *data,
                                  size_t size, size_t *consumed)
{
    *consumed = 0;
    if (parser->position == 0)
        begin(parser);
    if (size == 0)
        return REQUEST_INCOMPLETE;
    if (data[0] == '*')
        return parse_multibulk(parser, limits, data, size, consumed);
    return parse_inline(parser, limits, data, size, consumed);
}
