/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * request.h - parses RESP requests (multibulk and inline) out of a byte buffer. Pure: no I/O, no knowledge of commands.
 *
 * There are two ways in. request_parse_simple takes a complete small request without any state, which is what nearly
 * all requests of a pipeline are. request_parse takes everything, remembers how far an incomplete request was parsed, and is
 * the only one that reports errors. Their answers agree: whatever the first does not take, the second is asked for.
 */
#ifndef SDB_RESP_REQUEST_H
#define SDB_RESP_REQUEST_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct request_arg {
    const char *data; /* into the buffer that was parsed, or into the parser's own memory (inline requests) */
    size_t size;
};

enum request_result {
    REQUEST_COMPLETE,   /* argv and argc hold a request; argc may be 0 (an empty line): skip it */
    REQUEST_INCOMPLETE, /* more bytes are needed */
    REQUEST_INVALID,    /* error holds Redis' text ("Protocol error: ..."); reply with it and close */
    REQUEST_NO_MEMORY,
};

#define REQUEST_INLINE_SIZE_MAX 65536          /* of inline requests, and of the header lines of others */
#define REQUEST_UNAUTHENTICATED_ARGS_MAX 10    /* what a client may send before it has said who it is */
#define REQUEST_UNAUTHENTICATED_BULK_MAX 16384

struct request_limits {
    size_t inline_size_max;  /* REQUEST_INLINE_SIZE_MAX, as Redis */
    int64_t bulk_size_max;   /* proto-max-bulk-len, 512 MiB */
    int64_t args_max;        /* INT32_MAX, as Redis */
    uint8_t unauthenticated; /* the REQUEST_UNAUTHENTICATED_ limits hold too, with error texts of their own */
};

/*
 * Parser state over one connection. A request that is incomplete is not parsed again from its beginning: the parser
 * remembers how far it came, as an offset from the request's first byte. args[] holds offsets until the request is complete.
 */
struct request_parser {
    struct request_arg *argv; /* owned; valid until the next call */
    int64_t argc;
    const char *error;
    /* private */
    size_t argv_capacity;
    size_t position;       /* how far into the request's bytes parsing came */
    int64_t args_left;     /* -1: the header was not read yet */
    int64_t bulk_size;     /* -1: the next '$' header was not read yet */
    size_t bytes_wanted;   /* a hint for the caller's buffer: at least so many more bytes complete the current argument */
    char *unquoted;        /* memory for the arguments of inline requests */
    size_t unquoted_capacity;
    char error_text[64];
};

void request_parser_init(struct request_parser *parser);

/* Frees what the parser owns; it may be used again. */
void request_parser_free(struct request_parser *parser);

/* 1 where the parser stands in the middle of a request. */
static inline int request_parser_is_midway(const struct request_parser *parser)
{
    return parser->position != 0;
}

/*
 * Parses one request from data[0..size). On REQUEST_COMPLETE *consumed says how many bytes it took; on REQUEST_INCOMPLETE
 * it is 0: call again with the same first byte (the buffer may have moved) and more bytes behind it.
 */
enum request_result request_parse(struct request_parser *parser, const struct request_limits *limits, const char *data,
                                  size_t size, size_t *consumed);

/* Lengths of up to four digits are "simple": below every proto-max-bulk-len that can be configured (1 MiB). */
#define REQUEST_SIMPLE_ARGS_MAX 9
#define REQUEST_WORDS (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__) /* headers may be compared as words */

/* The length at "$digits\r\n", of up to four digits. Returns where the argument begins, or NULL. 4 bytes at least are there. */
static inline const unsigned char *request_simple_length(const unsigned char *p, const unsigned char *end, size_t *length)
{
    size_t value = 0;

    if (*p++ != '$' || (*p == '0' && p[1] != '\r'))
        return NULL;
    for (int digits = 0; *p != '\r'; digits++) {
        size_t digit = (size_t)*p - '0';

        if (digit > 9 || digits == 4 || end - ++p < 4)
            return NULL;
        value = value * 10 + digit;
    }
    if (p[-1] == '$' || p[1] != '\n')
        return NULL;
    *length = value;
    return p + 2;
}

/* The arguments from argv[from] on, of which the first begins at p. Returns where the request ends, or NULL as below. */
static inline const unsigned char *request_simple_args(const unsigned char *p, const unsigned char *end,
                                                       struct request_arg *argv, unsigned from, unsigned count)
{
    for (unsigned i = from; i < count; i++) {
        size_t length;

        /* The shortest argument is "$0\r\n\r\n". */
        if (end - p < 6)
            return NULL;
        /* Lengths of one and two digits, nearly all there are, by comparing whole words. */
        uint64_t word = 0;
        memcpy(&word, p, 4);
        word |= (uint64_t)p[4] << 32;
        uint64_t first = (word >> 8 & 0xff) - '0', second = (word >> 16 & 0xff) - '0';
        if (REQUEST_WORDS && (word & 0xffff0000ff) == 0x0a0d000024 && first - 1 < 9 && second <= 9) {
            length = first * 10 + second;
            p += 5;
        } else if (REQUEST_WORDS && (word & 0xffff00ff) == 0x0a0d0024 && first <= 9) {
            length = first;
            p += 4;
        } else {
            p = request_simple_length(p, end, &length);
            if (p == NULL)
                return NULL;
        }
        if ((size_t)(end - p) < length + 2)
            return NULL;
        argv[i].data = (const char *)p;
        argv[i].size = length;
        p += length + 2;
    }
    return p;
}

/*
 * Parses one complete multibulk request of 1 to 9 arguments with lengths of 1 to 4 digits, of a client whose limits are not the
 * unauthenticated ones and who is not midway. Returns the number of bytes and fills in argv (of REQUEST_SIMPLE_ARGS_MAX) and
 * *argc, or returns 0 where request_parse must be asked: incomplete, invalid, inline, or larger.
 */
static inline size_t request_parse_simple(const char *data, size_t size, struct request_arg *argv, int *argc)
{
    const unsigned char *p = (const unsigned char *)data;
    const unsigned char *end = p + size;

    if (size < 4 || p[0] != '*' || p[2] != '\r' || p[3] != '\n')
        return 0;
    unsigned count = (unsigned)p[1] - '1';
    if (count >= REQUEST_SIMPLE_ARGS_MAX)
        return 0;
    p = request_simple_args(p + 4, end, argv, 0, ++count);
    if (p == NULL)
        return 0;
    *argc = (int)count;
    return (size_t)(p - (const unsigned char *)data);
}

/*
 * What the requests of a pipeline mostly begin with: the bytes up to the end of the name, as long as they fit two words. Requests that
 * begin with the same bytes have the same number of arguments, and the same name.
 */
struct request_prefix {
    uint64_t words[2], masks[2];
    uint32_t size; /* 0: none */
    uint32_t argc;
    uint32_t name_size;
};

/* Remembers how a request begins that request_parse_simple took from data. */
static inline void request_prefix_set(struct request_prefix *prefix, const char *data, size_t size,
                                      const struct request_arg *argv, int argc)
{
    size_t end = (size_t)(argv[0].data + argv[0].size - data);

    prefix->size = 0;
    if (!REQUEST_WORDS || end > sizeof(prefix->words) || size < sizeof(prefix->words))
        return;
    memcpy(prefix->words, data, sizeof(prefix->words));
    prefix->masks[0] = end >= 8 ? UINT64_MAX : (1ull << end * 8) - 1;
    prefix->masks[1] = end <= 8 ? 0 : end == 16 ? UINT64_MAX : (1ull << (end - 8) * 8) - 1;
    prefix->size = (uint32_t)end;
    prefix->argc = (uint32_t)argc;
    prefix->name_size = (uint32_t)argv[0].size;
}

/* As request_parse_simple, for a request that begins with the prefix; 0 also where it does not. */
static inline size_t request_parse_alike(const struct request_prefix *prefix, const char *data, size_t size,
                                         struct request_arg *argv)
{
    const unsigned char *p = (const unsigned char *)data;
    uint64_t words[2];

    if (prefix->size == 0 || size < sizeof(words))
        return 0;
    memcpy(words, data, sizeof(words));
    if ((((words[0] ^ prefix->words[0]) & prefix->masks[0]) | ((words[1] ^ prefix->words[1]) & prefix->masks[1])) != 0)
        return 0;
    argv[0].data = data + prefix->size - prefix->name_size;
    argv[0].size = prefix->name_size;
    if (prefix->size + 2 > size)
        return 0;
    p = request_simple_args(p + prefix->size + 2, p + size, argv, 1, prefix->argc);
    return p == NULL ? 0 : (size_t)(p - (const unsigned char *)data);
}

#endif
