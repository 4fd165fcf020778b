/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sorted_set_args.h - scores, bounds of ranges, and lists of keys out of the arguments of the commands on sorted sets
 *
 * As args.h: they reply with the error themselves and return 0.
 */
#ifndef SDB_SERVER_SORTED_SET_ARGS_H
#define SDB_SERVER_SORTED_SET_ARGS_H

#include "client.h"
#include "command.h"
#include "superdb/superdb.h"

/* A number as strtod reads it, NaN and surrounding spaces not. error: the text to reply with, NULL for the usual one. */
int sorted_set_get_score(struct client *client, const struct request_arg *arg, double *score, const char *error);

/* The bounds of a range, which go into it, with their flags: "(1.5", "+inf". */
int sorted_set_get_scores(struct client *client, const struct request_arg *min, const struct request_arg *max, struct sdb_zset_range *range);

/* "[a", "(a", "-", "+". */
int sorted_set_get_members(struct client *client, const struct request_arg *min, const struct request_arg *max,
                           struct sdb_zset_range *range);

/* "0", "-1". */
int sorted_set_get_ranks(struct client *client, const struct request_arg *first, const struct request_arg *last,
                         struct sdb_zset_range *range);

/* Where a command has [numkeys key ...] from argv[1], argv[2], or argv[2] behind the key that is written. */
command_keys sorted_set_keys_first, sorted_set_keys_second, sorted_set_keys_behind_target;

/* A number, 0 where there is no such key (SDB_ENOTFOUND), or the error's reply. */
void sorted_set_reply_integer(struct client *client, uint64_t number, int result);

#endif
