/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * args.h - reads numbers and option words out of a request's arguments, with Redis' rules and Redis' error texts
 *
 * The args_parse_ functions are pure. The args_get_ functions reply with the error themselves and return 0, so that a
 * handler reads: `if (!args_get_int64(client, &argv[2], &delta)) return;`
 */
#ifndef SDB_SERVER_ARGS_H
#define SDB_SERVER_ARGS_H

#include <stddef.h>
#include <stdint.h>

#include "request.h"
#include "superdb/superdb.h"

struct client;

#define ARGS_NOT_AN_INTEGER "value is not an integer or out of range"

#define ARGS_SLICES_FEW 16

/* Arguments as the store's functions take them. */
struct args_slices {
    struct sdb_slice *items; /* `few`, or memory of its own: args_slices_free */
    size_t count;
    struct sdb_slice few[ARGS_SLICES_FEW];
};

struct sdb_slice args_slice(const struct request_arg *arg);

/*
 * Takes count arguments. The caller owes args_slices_free after SDB_OK; the structure must not move (items may point
 * into it).
 * Errors: SDB_ENOMEM.
 */
int args_slices_take(struct args_slices *slices, const struct request_arg *args, int count);
void args_slices_free(struct args_slices *slices);

/* 1 where the argument is this word, in any case. */
int args_is(const struct request_arg *arg, const char *word);

/*
 * A canonical decimal integer: an optional minus, no plus, no leading zeros or spaces, within int64.
 * Returns 1 and sets *value, else 0 and leaves it.
 */
int args_parse_int64(const char *data, size_t size, int64_t *value);

/*
 * A decimal or hexadecimal number as strtold reads it, infinities included, NaN and surrounding spaces not.
 * Returns 1 and sets *value, else 0 and leaves it.
 */
int args_parse_long_double(const char *data, size_t size, long double *value);

/* An unsigned number as strtoul reads it, a minus sign included; of a SCAN cursor. 1 or 0. */
int args_parse_cursor(const char *data, size_t size, uint64_t *value);

/* error: the text to reply with, NULL for the usual one. */
int args_get_int64(struct client *client, const struct request_arg *arg, int64_t *value, const char *error);

/* Within min and max (inclusive); replies that it is out of range where it is not. */
int args_get_range(struct client *client, const struct request_arg *arg, int64_t min, int64_t max, int64_t *value);
int args_get_long_double(struct client *client, const struct request_arg *arg, long double *value);

/* A time to live as the EX, PX, EXAT and PXAT options and SETEX and PSETEX take it. */
enum args_expiry { ARGS_EXPIRY_SECONDS = 1, ARGS_EXPIRY_RELATIVE = 2 };

/*
 * Sets *expire_ms to the time in milliseconds since 1970 that the argument stands for.
 * kind: ARGS_EXPIRY_SECONDS (milliseconds without) | ARGS_EXPIRY_RELATIVE (to the turn's time; absolute without).
 * command: the name for the error text.
 */
int args_get_expiry(struct client *client, const struct request_arg *arg, unsigned kind, const char *command,
                    int64_t *expire_ms);

/* Replies "syntax error". */
void args_syntax_error(struct client *client);

#endif
