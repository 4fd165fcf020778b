/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * config_ignored.h - directives of a Redis configuration that mean nothing here: the server starts, and names each in its log
 *
 * Ignored is only what takes nothing from the user that was promised: nothing about who may connect, what is encrypted, replicated or
 * acknowledged. Such directives are refused (config.c: constants, config_option_refusal).
 * Threads: before the workers start.
 */
#ifndef SDB_SERVER_CONFIG_IGNORED_H
#define SDB_SERVER_CONFIG_IGNORED_H

struct config_option;

/* Why the directive means nothing here. NULL: it is none of Redis', or one that is not to be ignored. */
const char *config_ignored_why(const char *name);

/* Whether another value than its own of a constant option may be ignored. */
int config_constant_may_differ(const struct config_option *option, char **words, int count);

/* Remembers a line of text for config_log_ignored. Errors: -1, out of memory. */
int config_note_ignored(const char *text);

/* Logs what was remembered, and forgets it. */
void config_log_ignored(void);

#endif
