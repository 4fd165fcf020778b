/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * config_option.h - one option as the file, the command line and CONFIG see it: a name, words that set it, a text
 * that shows it
 */
#ifndef SDB_SERVER_CONFIG_OPTION_H
#define SDB_SERVER_CONFIG_OPTION_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define CONFIG_WORDS_MAX 1024 /* of a user's line, above all */

enum config_option_flags {
    OPTION_SETTABLE = 1u << 0,  /* CONFIG SET may change it */
    OPTION_WORDS = 1u << 1,     /* takes any number of words */
    OPTION_SENSITIVE = 1u << 2, /* never logged */
    OPTION_AUTO = 1u << 3,      /* a size that may be "auto": its least value */
    OPTION_OCTAL = 1u << 4,
    OPTION_CONSTANT = 1u << 5, /* has one value; setting another is an error that says why */
    OPTION_REPEATS = 1u << 6,  /* may stand on several lines of the file, each adding to the others */
    OPTION_IGNORABLE = 1u << 7, /* of a constant: another value in the file is ignored, and named in the log */
};

struct config_choice {
    const char *name; /* NULL: the end */
    int value;
};

struct config_option {
    const char *name;
    const char *alias;    /* NULL: none */
    const char *standard; /* the default, as text */
    const char *help;     /* one line; of a constant, why it is one */
    unsigned kind;        /* enum option_kind, in config.c */
    unsigned flags;
    size_t offset; /* of the field in struct config */
    int64_t min, max;
    const struct config_choice *choices;
    /* Of what is more than a number, a choice or a string. words are NUL-terminated. Errors: -1 and *error. */
    int (*set)(char **words, int count, const char **error);
    char *(*text)(void);
    /* Carries a new value out at run time (after CONFIG SET). NULL: nothing to do. Errors: -1 and *error. */
    int (*apply)(const char **error);
};

size_t config_option_count(void);
const struct config_option *config_option_at(size_t index);

/* By name or alias, in any case. NULL: there is none. */
const struct config_option *config_option_find(const char *name, size_t size);

/* Why a Redis option is refused that SuperDB knows and does not have; NULL for any other name. */
const char *config_option_refusal(const char *name);

/*
 * Sets an option. *error, static or this thread's until its next call, says what is wrong; the option is as before
 * then.
 * Errors: -1.
 */
int config_option_set(const struct config_option *option, char **words, int count, const char **error);

/* The value as CONFIG GET gives it. Owner: the caller frees it. NULL: out of memory. */
char *config_option_text(const struct config_option *option);

/*
 * Writes the options' present values into the configuration file: lines stay where they are, and comments as they
 * are; what is not there yet and differs from its default comes at the end. The file is replaced at once (rename),
 * and synced.
 * Errors: -1 with errno.
 */
int config_rewrite(void);

/*
 * Puts a file with this content in the place of another, at once (rename), and syncs it.
 * Errors: -1 with errno; the old file is as it was.
 */
int config_replace_file(const char *path, mode_t mode, const char *data, size_t size);

/* Reads a file's options; "-" is standard input. Errors: -1 with the text in error. */
int config_read_file(const char *path, char *error, size_t error_size);

#endif
