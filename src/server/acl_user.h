/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * acl_user.h - a user: passwords, and the sets of permissions
 *
 * Threads: a user that is published (acl.h) never changes; who wants to change one changes a copy. References are counted
 *          atomically.
 * Memory:  acl_user_release frees with the last reference.
 */
#ifndef SDB_SERVER_ACL_USER_H
#define SDB_SERVER_ACL_USER_H

#include <stddef.h>
#include <stdint.h>

#include "acl_selector.h"

#define ACL_HASH_SIZE 64 /* SHA-256, as hexadecimal digits */

enum acl_user_flags {
    ACL_USER_ON = 1u << 0,
    ACL_USER_NO_PASSWORD = 1u << 1, /* any password is right */
    ACL_USER_SANITIZE = 1u << 2,    /* "sanitize-payload", and the other word, as they were given: nothing depends on them */
    ACL_USER_SKIP_SANITIZE = 1u << 3,
};

struct acl_password {
    char hash[ACL_HASH_SIZE + 1];
};

struct acl_user {
    unsigned references;
    unsigned flags;
    char *name;
    struct acl_password *passwords;
    size_t password_count;
    struct acl_selector **selectors; /* the first is the root, there always */
    size_t selector_count;
};

/* Is off, may do nothing, has one reference. NULL: no memory. */
struct acl_user *acl_user_new(const char *name, size_t size);
/* Like from, under its name, with one reference. */
struct acl_user *acl_user_copy(const struct acl_user *from);
struct acl_user *acl_user_hold(struct acl_user *user);
void acl_user_release(struct acl_user *user);

/* Applies one rule: on, >password, ~pattern, (+get ~pattern), reset, ... A rule that is refused changes nothing. */
enum acl_rule_error acl_user_apply(struct acl_user *user, const char *rule, size_t size);

/* Whether the user may come in with this password; takes the same time for each wrong one. */
int acl_user_accepts(const struct acl_user *user, const char *password, size_t size);

/* Whether everything is allowed. */
int acl_user_is_open(const struct acl_user *user);

/* What the selector says that allows most. */
enum acl_verdict acl_user_check(const struct acl_user *user, const struct command *command, size_t number,
                                const struct request_arg *argv, int argc, int *position);

/* Whether one of its sets allows the channel; literally: as acl_selector_allows_channel says. */
int acl_user_allows_channel(const struct acl_user *user, const char *channel, size_t size, int literally);

/* "user name on >... +@all", as a line of a file; without the line's end. */
void acl_user_describe(const struct acl_user *user, struct reply *text);

/* The words of its flags, "on" or "off" first: up to 3. Returns how many. */
size_t acl_user_flag_words(const struct acl_user *user, const char *words[3]);

#endif
