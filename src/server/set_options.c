/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * set_options.c - the options of SET and GETEX
 * Threads: the client's own. Memory: none.
 */
#include "set_options.h"

#include <stddef.h>

#include "args.h"
#include "client.h"

/* Each word with the flags that it does not stand beside. */
static const struct {
    const char *word;
    uint32_t flag;
    uint32_t conflicts;
} words[] = {
    {"NX", SET_OPTION_NX, SET_OPTION_XX},
    {"XX", SET_OPTION_XX, SET_OPTION_NX},
    {"GET", SET_OPTION_GET, 0},
    {"KEEPTTL", SET_OPTION_KEEPTTL, SET_OPTION_TIMES | SET_OPTION_PERSIST},
    {"PERSIST", SET_OPTION_PERSIST, SET_OPTION_TIMES | SET_OPTION_KEEPTTL},
    {"EX", SET_OPTION_EX, (SET_OPTION_TIMES & ~SET_OPTION_EX) | SET_OPTION_KEEPTTL | SET_OPTION_PERSIST},
    {"PX", SET_OPTION_PX, (SET_OPTION_TIMES & ~SET_OPTION_PX) | SET_OPTION_KEEPTTL | SET_OPTION_PERSIST},
    {"EXAT", SET_OPTION_EXAT, (SET_OPTION_TIMES & ~SET_OPTION_EXAT) | SET_OPTION_KEEPTTL | SET_OPTION_PERSIST},
    {"PXAT", SET_OPTION_PXAT, (SET_OPTION_TIMES & ~SET_OPTION_PXAT) | SET_OPTION_KEEPTTL | SET_OPTION_PERSIST},
};
#define WORDS (sizeof(words) / sizeof(words[0]))

int set_options_parse(struct client *client, const struct request_arg *argv, int argc, int first, uint32_t allowed,
                      struct set_options *options)
{
    options->flags = 0;
    options->time = NULL;
    for (int i = first; i < argc; i++) {
        size_t w = 0;
        while (w < WORDS && !((words[w].flag & allowed) != 0 && args_is(&argv[i], words[w].word)))
            w++;
        if (w == WORDS || (options->flags & words[w].conflicts) != 0) {
            args_syntax_error(client);
            return 0;
        }
        if ((words[w].flag & SET_OPTION_TIMES) != 0) {
            if (++i == argc) {
                args_syntax_error(client);
                return 0;
            }
            options->time = &argv[i];
        }
        options->flags |= words[w].flag;
    }
    return 1;
}

int set_options_expiry(struct client *client, const struct set_options *options, const char *command,
                       int64_t *expire_ms)
{
    unsigned kind = 0;

    if (options->time == NULL) {
        *expire_ms = 0;
        return 1;
    }
    if ((options->flags & (SET_OPTION_EX | SET_OPTION_EXAT)) != 0)
        kind |= ARGS_EXPIRY_SECONDS;
    if ((options->flags & (SET_OPTION_EX | SET_OPTION_PX)) != 0)
        kind |= ARGS_EXPIRY_RELATIVE;
    return args_get_expiry(client, options->time, kind, command, expire_ms);
}
