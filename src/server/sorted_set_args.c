/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sorted_set_args.c - scores, bounds of ranges, and lists of keys out of arguments
 * Threads: the client's own.
 */
#include "sorted_set_args.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "args.h"
#include "errors.h"

#define NUMBER_TEXT_MAX 512
#define EXACT_MAX (1ll << 53) /* integers up to here are doubles */

/* A C string of what may have a NUL inside, which ends it. 1, or 0: it is too long to be a number. */
static int copy_text(const struct request_arg *arg, size_t from, char text[NUMBER_TEXT_MAX])
{
    if (arg->size - from >= NUMBER_TEXT_MAX)
        return 0;
    memcpy(text, arg->data + from, arg->size - from);
    text[arg->size - from] = '\0';
    return 1;
}

static int parse_score(const struct request_arg *arg, double *score)
{
    char text[NUMBER_TEXT_MAX], *end;
    int64_t integer;
    double number;

    if (args_parse_int64(arg->data, arg->size, &integer) && integer > -EXACT_MAX && integer < EXACT_MAX) {
        *score = (double)integer;
        return 1;
    }
    if (arg->size == 0 || isspace((unsigned char)arg->data[0]) || !copy_text(arg, 0, text))
        return 0;
    errno = 0;
    number = strtod(text, &end);
    if ((size_t)(end - text) != arg->size || isnan(number))
        return 0;
    if (errno == ERANGE && (isinf(number) || fpclassify(number) == FP_ZERO))
        return 0;
    *score = number;
    return 1;
}

int sorted_set_get_score(struct client *client, const struct request_arg *arg, double *score, const char *error)
{
    if (parse_score(arg, score))
        return 1;
    reply_error(&client->reply, error != NULL ? error : "value is not a valid float");
    return 0;
}

/* ---- bounds ----------------------------------------------------------------------------------------------------------- */

/* Unlike a score it may be too large, or begin with spaces. */
static int parse_bound(const struct request_arg *arg, double *bound, uint32_t *flags, uint32_t excluded)
{
    const int is_excluded = arg->size > 0 && arg->data[0] == '(';
    char text[NUMBER_TEXT_MAX], *end;

    if (!copy_text(arg, (size_t)is_excluded, text))
        return 0;
    *bound = strtod(text, &end);
    if (*end != '\0' || isnan(*bound))
        return 0;
    *flags |= is_excluded ? excluded : 0;
    return 1;
}

int sorted_set_get_scores(struct client *client, const struct request_arg *min, const struct request_arg *max, struct sdb_zset_range *range)
{
    range->by = SDB_ZSET_SCORES;
    if (parse_bound(min, &range->min, &range->flags, SDB_ZSET_MIN_EXCLUDED) &&
        parse_bound(max, &range->max, &range->flags, SDB_ZSET_MAX_EXCLUDED))
        return 1;
    reply_error(&client->reply, "min or max is not a float");
    return 0;
}

/* none: the sign of no bound at this end; the other end's means that nothing is in the range. */
static int parse_member(const struct request_arg *arg, char none, struct sdb_slice *member, struct sdb_zset_range *range,
                        uint32_t excluded)
{
    const char first = arg->size > 0 ? arg->data[0] : '\0';

    *member = (struct sdb_slice){NULL, 0};
    if (first == '+' || first == '-') {
        if (first != none)
            range->count = 0;
        return arg->size == 1;
    }
    *member = (struct sdb_slice){arg->data + 1, arg->size - 1};
    range->flags |= first == '(' ? excluded : 0;
    return first == '(' || first == '[';
}

int sorted_set_get_members(struct client *client, const struct request_arg *min, const struct request_arg *max,
                           struct sdb_zset_range *range)
{
    range->by = SDB_ZSET_MEMBERS;
    if (parse_member(min, '-', &range->min_member, range, SDB_ZSET_MIN_EXCLUDED) &&
        parse_member(max, '+', &range->max_member, range, SDB_ZSET_MAX_EXCLUDED))
        return 1;
    reply_error(&client->reply, "min or max not valid string range item");
    return 0;
}

int sorted_set_get_ranks(struct client *client, const struct request_arg *first, const struct request_arg *last,
                         struct sdb_zset_range *range)
{
    range->by = SDB_ZSET_RANKS;
    return args_get_int64(client, first, &range->first, NULL) && args_get_int64(client, last, &range->last, NULL);
}

/* ---- keys ------------------------------------------------------------------------------------------------------------- */

/* Keys behind their number, which is argv[at]. */
static int keys_behind(const struct request_arg *argv, int argc, int at, int *positions, int max, int found)
{
    int64_t count;

    if (at >= argc || !args_parse_int64(argv[at].data, argv[at].size, &count) || count < 1 || count > argc - at - 1)
        return -1;
    for (int i = 0; i < (int)count; i++, found++)
        if (found < max)
            positions[found] = at + 1 + i;
    return found < max ? found : max;
}

int sorted_set_keys_first(const struct request_arg *argv, int argc, int *positions, int max)
{
    return keys_behind(argv, argc, 1, positions, max, 0);
}

int sorted_set_keys_second(const struct request_arg *argv, int argc, int *positions, int max)
{
    return keys_behind(argv, argc, 2, positions, max, 0);
}

int sorted_set_keys_behind_target(const struct request_arg *argv, int argc, int *positions, int max)
{
    if (max > 0)
        positions[0] = 1;
    return keys_behind(argv, argc, 2, positions, max, 1);
}

void sorted_set_reply_integer(struct client *client, uint64_t number, int result)
{
    if (result == SDB_OK || result == SDB_ENOTFOUND)
        reply_integer(&client->reply, result == SDB_OK ? (int64_t)number : 0);
    else
        command_reply_error(client, result);
}
