/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * set_options.h - the options of SET and GETEX
 */
#ifndef SDB_SERVER_SET_OPTIONS_H
#define SDB_SERVER_SET_OPTIONS_H

#include <stdint.h>

#include "request.h"

struct client;

enum set_option_flags {
    SET_OPTION_NX = 1u << 0,
    SET_OPTION_XX = 1u << 1,
    SET_OPTION_GET = 1u << 2,
    SET_OPTION_KEEPTTL = 1u << 3,
    SET_OPTION_PERSIST = 1u << 4,
    SET_OPTION_EX = 1u << 5,
    SET_OPTION_PX = 1u << 6,
    SET_OPTION_EXAT = 1u << 7,
    SET_OPTION_PXAT = 1u << 8,
};
#define SET_OPTION_TIMES (SET_OPTION_EX | SET_OPTION_PX | SET_OPTION_EXAT | SET_OPTION_PXAT)
#define SET_OPTIONS_OF_SET (SET_OPTION_NX | SET_OPTION_XX | SET_OPTION_GET | SET_OPTION_KEEPTTL | SET_OPTION_TIMES)
#define SET_OPTIONS_OF_GETEX (SET_OPTION_PERSIST | SET_OPTION_TIMES)

struct set_options {
    uint32_t flags;                 /* enum set_option_flags */
    const struct request_arg *time; /* the argument of EX, PX, EXAT or PXAT; NULL without */
};

/*
 * Reads argv[first..argc). allowed: the flags that the command takes. 1, or 0 after the reply "syntax error": unknown
 * words, NX with XX, two different ways to say when the key expires. The same word may stand twice.
 */
int set_options_parse(struct client *client, const struct request_arg *argv, int argc, int first, uint32_t allowed,
                      struct set_options *options);

/* The time that options->time stands for, 0 where there is none. 1, or 0 after an error reply. */
int set_options_expiry(struct client *client, const struct set_options *options, const char *command,
                       int64_t *expire_ms);

#endif
