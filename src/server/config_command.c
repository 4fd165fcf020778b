/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * config_command.c - CONFIG GET, SET, REWRITE, RESETSTAT
 *
 * Holds:   CONFIG SET with several pairs sets all of them or none: what was set before a failure is set back.
 * Threads: change_lock lets one CONFIG SET or REWRITE run at a time.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "command_help.h"
#include "config.h"
#include "config_ignored.h"
#include "config_option.h"
#include "glob.h"
#include "info.h"
#include "lock.h"
#include "log.h"
#include "split.h"
#include "worker_stats.h"

#define PAIRS_MAX 128

static struct lock change_lock = LOCK_INIT;

/* ---- GET -------------------------------------------------------------------------------------------------------- */

/* A name that was asked for as such comes back as it was written. */
static void reply_option(struct client *client, const char *name, const struct request_arg *written,
                         const struct config_option *option)
{
    char *value = config_option_text(option);

    if (value == NULL) {
        client->reply.failed = 1;
        return;
    }
    if (written != NULL)
        reply_bulk(&client->reply, written->data, written->size);
    else
        reply_bulk_text(&client->reply, name);
    reply_bulk_text(&client->reply, value);
    free(value);
}

/* The first argument that matches, NULL: none does. */
static const struct request_arg *match(const char *name, const struct request_arg *argv, int argc)
{
    if (name == NULL)
        return NULL;
    for (int i = 2; i < argc; i++)
        if (glob_match(argv[i].data, argv[i].size, name, strlen(name), 1))
            return &argv[i];
    return NULL;
}

static int is_pattern(const struct request_arg *arg)
{
    for (size_t i = 0; i < arg->size; i++)
        if (strchr("[*?", arg->data[i]) != NULL)
            return 1;
    return 0;
}

/* Calls for each name that a pattern matches, an alias by itself as Redis does. Without a client it only counts. */
static size_t each_match(struct client *client, const struct request_arg *argv, int argc)
{
    size_t count = 0;

    for (size_t i = 0; i < config_option_count(); i++) {
        const struct config_option *option = config_option_at(i);
        const char *names[2] = {option->name, option->alias};

        for (int j = 0; j < 2; j++) {
            const struct request_arg *arg = match(names[j], argv, argc);
            if (arg == NULL)
                continue;
            if (client != NULL)
                reply_option(client, names[j], is_pattern(arg) ? NULL : arg, option);
            count++;
        }
    }
    return count;
}

static void config_get(struct client *client, const struct request_arg *argv, int argc)
{
    reply_map(&client->reply, each_match(NULL, argv, argc));
    (void)each_match(client, argv, argc);
}

/* ---- SET -------------------------------------------------------------------------------------------------------- */

struct change {
    const struct config_option *option;
    const struct request_arg *name;
    char *value; /* as given */
    char *old;   /* as it was */
};

/* Splits the value where the option takes several words. */
static int set_value(const struct config_option *option, const char *value, const char **error)
{
    char *words[CONFIG_WORDS_MAX], *copy;
    int count, result;

    if (option->flags & OPTION_WORDS && !(option->flags & OPTION_CONSTANT)) {
        count = split_words(value, words, CONFIG_WORDS_MAX);
        if (count < 0) {
            *error = "unbalanced quotes, or too many words";
            return -1;
        }
        if (count > 0) {
            result = config_option_set(option, words, count, error);
            free(words[0]);
            return result;
        }
    }
    copy = strdup(value);
    if (copy == NULL) {
        *error = "out of memory";
        return -1;
    }
    result = config_option_set(option, &copy, 1, error);
    free(copy);
    return result;
}

static void refuse(struct client *client, const struct request_arg *name, const char *error)
{
    reply_errorf(&client->reply, "ERR CONFIG SET failed (possibly related to argument '%.*s') - %s",
                 (int)(name->size < 128 ? name->size : 128), name->data, error);
}

/* A directive that a file may name, and that means nothing here. */
static int refuse_ignored(struct client *client, const struct request_arg *name)
{
    char text[64], error[256];
    const char *why;

    if (name->size >= sizeof(text))
        return 0;
    memcpy(text, name->data, name->size);
    text[name->size] = '\0';
    why = config_ignored_why(text);
    if (why == NULL)
        return 0;
    (void)snprintf(error, sizeof(error), "in a file it is ignored, it has no value here: %s", why);
    refuse(client, name, error);
    return 1;
}

static int is_duplicate(const struct change *changes, int count, const struct config_option *option)
{
    for (int i = 0; i < count; i++)
        if (changes[i].option == option)
            return 1;
    return 0;
}

/* Looks all options up and remembers what they are. Returns how many, or -1 after an error reply. */
static int prepare(struct client *client, const struct request_arg *argv, int argc, struct change *changes)
{
    int count = 0;

    for (int i = 2; i < argc; i += 2) {
        const struct config_option *option = config_option_find(argv[i].data, argv[i].size);
        struct change *change = &changes[count];

        if (option == NULL && refuse_ignored(client, &argv[i]))
            return -1;
        if (option == NULL || count == PAIRS_MAX) {
            reply_errorf(&client->reply, "ERR Unknown option or number of arguments for CONFIG SET - '%.*s'",
                         (int)(argv[i].size < 128 ? argv[i].size : 128), argv[i].data);
            return -1;
        }
        if (!(option->flags & OPTION_SETTABLE)) {
            refuse(client, &argv[i], "can't set immutable config");
            return -1;
        }
        if (is_duplicate(changes, count, option)) {
            refuse(client, &argv[i], "duplicate parameter");
            return -1;
        }
        change->option = option;
        change->name = &argv[i];
        change->value = strndup(argv[i + 1].data, argv[i + 1].size);
        change->old = config_option_text(option);
        count++;
        if (change->value == NULL || change->old == NULL) {
            client->reply.failed = 1;
            return -1;
        }
    }
    return count;
}

/* Takes back the first `count` changes. */
static void set_back(const struct change *changes, int count)
{
    const char *ignored;

    while (count-- > 0) {
        (void)set_value(changes[count].option, changes[count].old, &ignored);
        if (changes[count].option->apply != NULL)
            (void)changes[count].option->apply(&ignored);
    }
}

static void carry_out(struct client *client, const struct change *changes, int count)
{
    const char *error = "";

    for (int i = 0; i < count; i++) {
        if (set_value(changes[i].option, changes[i].value, &error) != 0) {
            refuse(client, changes[i].name, error);
            set_back(changes, i);
            return;
        }
    }
    for (int i = 0; i < count; i++) {
        if (changes[i].option->apply != NULL && changes[i].option->apply(&error) != 0) {
            refuse(client, changes[i].name, error);
            set_back(changes, count);
            return;
        }
    }
    reply_ok(&client->reply);
}

static void config_set(struct client *client, const struct request_arg *argv, int argc)
{
    struct change changes[PAIRS_MAX + 1];
    int count;

    if (argc % 2 != 0) {
        command_syntax_error(client);
        return;
    }
    memset(changes, 0, sizeof(changes));
    lock_acquire(&change_lock);
    count = prepare(client, argv, argc, changes);
    if (count > 0)
        carry_out(client, changes, count);
    lock_release(&change_lock);
    for (int i = 0; i < PAIRS_MAX; i++) {
        free(changes[i].value);
        free(changes[i].old);
    }
}

/* ---- REWRITE and RESETSTAT -------------------------------------------------------------------------------------- */

static void config_rewrite_command(struct client *client, const struct request_arg *argv, int argc)
{
    int result;

    (void)argv;
    (void)argc;
    if (config.file == NULL) {
        reply_error(&client->reply, "ERR The server is running without a config file");
        return;
    }
    lock_acquire(&change_lock);
    result = config_rewrite();
    lock_release(&change_lock);
    if (result != 0) {
        log_message(LOG_LEVEL_WARNING, "CONFIG REWRITE failed: %s", strerror(errno));
        reply_errorf(&client->reply, "ERR Rewriting config file: %s", strerror(errno));
        return;
    }
    log_message(LOG_LEVEL_NOTICE, "CONFIG REWRITE executed with success.");
    reply_ok(&client->reply);
}

static void config_resetstat(struct client *client, const struct request_arg *argv, int argc)
{
    (void)argv;
    (void)argc;
    info_reset();
    if (worker_stats_reset() != 0) {
        reply_error(&client->reply, "ERR out of memory");
        return;
    }
    reply_ok(&client->reply);
}

/* ---- rows ------------------------------------------------------------------------------------------------------- */

#define CONFIG_FLAGS (COMMAND_ADMIN | COMMAND_NOSCRIPT | COMMAND_LOADING | COMMAND_STALE)
#define ADMIN_CATEGORIES "@admin @slow @dangerous"
#define ROW(text, first, cost, arguments, count, bits, categories, function)                                           \
    .name = text, .since = first, .group = "server", .complexity = cost, .syntax = arguments, .arity = count,          \
    .flags = bits, .acl_categories = categories, .handler = function

const struct command config_subcommands[] = {
    {ROW("get", "2.0.0", "O(N) when N is the number of configuration parameters provided", "parameter [parameter ...]",
         -3, CONFIG_FLAGS, ADMIN_CATEGORIES, config_get),
     .summary = "Gives the options whose names match a pattern, and their values",
     .difference = "Of the options of Redis that mean nothing here some have constant values, those that clients and monitors read; the others "
                   "are not there (docs/CONFIGURATION.md)"},
    {ROW("help", "5.0.0", "O(1)", NULL, 2, COMMAND_LOADING | COMMAND_STALE, "@slow", command_help),
     .summary = "Lists the subcommands"},
    {ROW("resetstat", "2.0.0", "O(1)", NULL, 2, CONFIG_FLAGS, ADMIN_CATEGORIES, config_resetstat),
     .summary = "Sets the statistics that INFO shows to zero",
     .difference = "The figures of the section superdb are the engine's and stay"},
    {ROW("rewrite", "2.8.0", "O(1)", NULL, 2, CONFIG_FLAGS, ADMIN_CATEGORIES, config_rewrite_command),
     .summary = "Writes the options' present values into the configuration file"},
    {ROW("set", "2.0.0", "O(N) when N is the number of configuration parameters provided",
         "parameter value [parameter value ...]", -4, CONFIG_FLAGS, ADMIN_CATEGORIES, config_set),
     .summary = "Sets options, all of them or none",
     .difference = "Options that are fixed while the server runs (port, bind, threads, ...) cannot be set. Redis' directives that are ignored "
                   "in a file (docs/CONFIGURATION.md) are errors here, which say why they mean nothing"},
    {.name = NULL},
};
