/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * acl_rules.h - lists of rules: of ACL SETUSER, of the configuration, of lines of a file
 *
 * A selector may stand in several words: "(+get", "~a)". They are one rule.
 */
#ifndef SDB_SERVER_ACL_RULES_H
#define SDB_SERVER_ACL_RULES_H

#include <stddef.h>

#include "acl_user.h"

/* What is wrong with a file's lines, one behind the other. */
struct acl_errors {
    char *text;
    size_t size;
    int count;
};

void acl_errors_add(struct acl_errors *errors, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Applies all rules up to the first that is refused. 1, or 0 with the words of ACL SETUSER's error. */
int acl_rules_apply(struct acl_user *user, const struct request_arg *rules, int count, char *error, size_t error_size);

/* The same of words of the configuration, which begin with what a user has from nothing. */
int acl_rules_apply_words(struct acl_user *user, char **words, int count, char *error, size_t error_size);

/* The same of the rest of a file's line, which is changed; every rule that is refused is told. */
void acl_rules_apply_line(struct acl_user *user, char *line, const char *path, int number, struct acl_errors *errors);

/* The name in "user NAME RULES", ended by a NUL, and the rules behind that; NULL: it is no such line. */
char *acl_rules_user_of_line(char *line, char **rules);

/* Without the white space at both ends. */
char *acl_rules_trim(char *line);

/* requirepass. */
enum acl_rule_error acl_rules_password(struct acl_user *user, const char *password);

#endif
