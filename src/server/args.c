/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * args.c - reads numbers and option words out of a request's arguments
 * Threads: any; the client's own where a client is given.
 * Memory: args_slices_take allocates for more than ARGS_SLICES_FEW arguments.
 */
#include "args.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "client.h"
#include "number.h"

/* Longer texts are no numbers to Redis either: it copies them to a buffer of this size first. */
#define LONG_DOUBLE_TEXT_MAX 5120
#define CURSOR_TEXT_MAX 64

struct sdb_slice args_slice(const struct request_arg *arg)
{
    return (struct sdb_slice){arg->data, arg->size};
}

int args_slices_take(struct args_slices *slices, const struct request_arg *args, int count)
{
    slices->items = slices->few;
    slices->count = (size_t)count;
    if (count > ARGS_SLICES_FEW) {
        slices->items = malloc(slices->count * sizeof(slices->items[0]));
        if (slices->items == NULL)
            return SDB_ENOMEM;
    }
    for (int i = 0; i < count; i++)
        slices->items[i] = args_slice(&args[i]);
    return SDB_OK;
}

void args_slices_free(struct args_slices *slices)
{
    if (slices->items != slices->few)
        free(slices->items);
}

int args_is(const struct request_arg *arg, const char *word)
{
    size_t size = strlen(word);

    return arg->size == size && strncasecmp(arg->data, word, size) == 0;
}

int args_parse_int64(const char *data, size_t size, int64_t *value)
{
    return number_parse_i64(data, size, value);
}

int args_parse_long_double(const char *data, size_t size, long double *value)
{
    char text[LONG_DOUBLE_TEXT_MAX];
    char *end;
    long double number;

    if (size == 0 || size >= sizeof(text))
        return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    if (isspace((unsigned char)text[0]))
        return 0;
    errno = 0;
    number = strtold(text, &end);
    if ((size_t)(end - text) != size || isnan(number) || errno == EINVAL)
        return 0;
    /* Too large and too small to be told from infinity and zero. */
    if (errno == ERANGE && (isinf(number) || fpclassify(number) == FP_ZERO))
        return 0;
    *value = number;
    return 1;
}

int args_parse_cursor(const char *data, size_t size, uint64_t *value)
{
    char text[CURSOR_TEXT_MAX];
    char *end;
    unsigned long long number;

    if (size >= sizeof(text))
        return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    if (isspace((unsigned char)text[0]))
        return 0;
    errno = 0;
    number = strtoull(text, &end, 10);
    if (*end != '\0' || errno == ERANGE)
        return 0;
    *value = number;
    return 1;
}

int args_get_int64(struct client *client, const struct request_arg *arg, int64_t *value, const char *error)
{
    if (args_parse_int64(arg->data, arg->size, value))
        return 1;
    reply_error(&client->reply, error != NULL ? error : ARGS_NOT_AN_INTEGER);
    return 0;
}

int args_get_range(struct client *client, const struct request_arg *arg, int64_t min, int64_t max, int64_t *value)
{
    int64_t number;

    if (!args_get_int64(client, arg, &number, NULL))
        return 0;
    if (number < min || number > max) {
        reply_errorf(&client->reply, "value is out of range, value must between %lld and %lld", (long long)min,
                     (long long)max);
        return 0;
    }
    *value = number;
    return 1;
}

int args_get_long_double(struct client *client, const struct request_arg *arg, long double *value)
{
    if (args_parse_long_double(arg->data, arg->size, value))
        return 1;
    reply_error(&client->reply, "value is not a valid float");
    return 0;
}

int args_get_expiry(struct client *client, const struct request_arg *arg, unsigned kind, const char *command,
                    int64_t *expire_ms)
{
    int64_t time;

    if (!args_get_int64(client, arg, &time, NULL))
        return 0;
    if (time <= 0 || ((kind & ARGS_EXPIRY_SECONDS) != 0 && __builtin_mul_overflow(time, (int64_t)1000, &time)) ||
        ((kind & ARGS_EXPIRY_RELATIVE) != 0 && __builtin_add_overflow(time, client_now_ms(client), &time))) {
        reply_errorf(&client->reply, "invalid expire time in '%s' command", command);
        return 0;
    }
    *expire_ms = time;
    return 1;
}

void args_syntax_error(struct client *client)
{
    reply_error(&client->reply, "syntax error");
}
