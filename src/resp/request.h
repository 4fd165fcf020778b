/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * request.h - parses RESP requests (multibulk and inline) out of a byte buffer. Pure: no I/O, no knowledge of commands.
 */
#ifndef SDB_RESP_REQUEST_H
#define SDB_RESP_REQUEST_H

#include <stddef.h>
#include <stdint.h>

struct request_arg {
    const char *data; /* into the buffer that was parsed, or into the parser's own memory (inline requests with quotes) */
    size_t size;
};

enum request_result {
    REQUEST_COMPLETE,   /* argv and argc hold a request; argc may be 0 (an empty line): skip it */
    REQUEST_INCOMPLETE, /* more bytes are needed */
    REQUEST_INVALID,    /* error holds Redis' text ("Protocol error: ..."); reply with it and close */
    REQUEST_NO_MEMORY,
};

struct request_limits {
    size_t inline_size_max;  /* 64 KiB, as Redis */
    int64_t bulk_size_max;   /* proto-max-bulk-len, 512 MiB */
    int64_t args_max;        /* 1024 * 1024 where authenticated (10 else) */
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
    char error_text[96];
};

void request_parser_init(struct request_parser *parser);
void request_parser_free(struct request_parser *parser);

/*
 * Parses one request from data[0..size). On REQUEST_COMPLETE *consumed says how many bytes it took; on REQUEST_INCOMPLETE
 * it is 0: call again with the same first byte (the buffer may have moved) and more bytes behind it.
 */
enum request_result request_parse(struct request_parser *parser, const struct request_limits *limits, const char *data,
                                  size_t size, size_t *consumed);

#endif
