/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * acl_selector.h - one set of permissions: which commands, which keys, which channels
 *
 * A user has one, its root, and any number of others; a request is allowed where one of them allows all of it.
 * Threads: immutable once it is published with its user (acl.h). Memory: owned; acl_selector_free.
 */
#ifndef SDB_SERVER_ACL_SELECTOR_H
#define SDB_SERVER_ACL_SELECTOR_H

#include <stddef.h>
#include <stdint.h>

#include "request.h"

struct command;
struct reply;

enum acl_access { ACL_READ = 1, ACL_WRITE = 2, ACL_READ_WRITE = 3 };

/* Why a rule is refused; acl_rule_error_text has the words. */
enum acl_rule_error {
    ACL_RULE_OK,
    ACL_RULE_SYNTAX,
    ACL_RULE_UNKNOWN_COMMAND,
    ACL_RULE_BEHIND_ALL_KEYS,
    ACL_RULE_BEHIND_ALL_CHANNELS,
    ACL_RULE_NO_SUCH_PASSWORD,
    ACL_RULE_BAD_HASH,
    ACL_RULE_FIRST_ARG_OF_SUBCOMMAND,
    ACL_RULE_NO_MEMORY,
};

const char *acl_rule_error_text(enum acl_rule_error error);

/* Ordered by how much of the request was allowed before it was refused. */
enum acl_verdict { ACL_ALLOWED, ACL_DENIED_COMMAND, ACL_DENIED_KEY, ACL_DENIED_CHANNEL };

struct acl_pattern {
    char *text;
    size_t size;
    unsigned access; /* enum acl_access; of channels ACL_READ_WRITE */
};

struct acl_patterns {
    struct acl_pattern *items;
    size_t count;
    int all; /* everything is allowed, items is empty */
};

/* +get|x: the command is allowed where its first argument is this. */
struct acl_first_arg {
    size_t number;
    char *text;
};

struct acl_selector {
    uint64_t *commands; /* a bit for each command's number, and one behind them for commands of the future */
    int all_commands;   /* nothing has been taken away since +@all */
    struct acl_first_arg *first_args;
    size_t first_arg_count;
    struct acl_patterns keys, channels;
};

/* Allows nothing but what acl-pubsub-default says. NULL: no memory. */
struct acl_selector *acl_selector_new(void);
struct acl_selector *acl_selector_copy(const struct acl_selector *selector);
void acl_selector_free(struct acl_selector *selector);

/* Applies one rule: allkeys, ~pattern, +get, -@dangerous, ... A rule that is refused changes nothing. */
enum acl_rule_error acl_selector_apply(struct acl_selector *selector, const char *rule, size_t size);

/* Whether everything is allowed, so that nothing needs to be asked. */
int acl_selector_is_open(const struct acl_selector *selector);

/* Whether the request of this command (of this number) is allowed; *position: the argument that is not. The arity has been checked. */
enum acl_verdict acl_selector_check(const struct acl_selector *selector, const struct command *command, size_t number,
                                    const struct request_arg *argv, int argc, int *position);

/* Whether the channel is; literally: it is a pattern itself, which must be allowed as it is written. */
int acl_selector_allows_channel(const struct acl_selector *selector, const char *channel, size_t size, int literally);

int acl_selector_reads_all_keys(const struct acl_selector *selector);

/* The rules that make it, into a text (a reply's buffer): of its commands, keys and channels. */
void acl_selector_describe_commands(const struct acl_selector *selector, struct reply *text);
void acl_selector_describe_keys(const struct acl_selector *selector, struct reply *text);
void acl_selector_describe_channels(const struct acl_selector *selector, struct reply *text);
void acl_selector_describe(const struct acl_selector *selector, struct reply *text);

/* Names of categories, "keyspace" first; NULL behind the last. */
const char *acl_category(size_t index);

/* Whether the category is among the command's own. */
int acl_is_in_category(const struct command *command, const char *category, size_t size);

#endif
