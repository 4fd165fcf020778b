/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * acl_rules.c - takes lists of rules apart, joins what belongs together, and says what is wrong
 */
#include "acl_rules.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define WORDS_MAX 4096

void acl_errors_add(struct acl_errors *errors, const char *format, ...)
{
    const size_t at = strlen(errors->text);
    va_list arguments;

    errors->count++;
    va_start(arguments, format);
    (void)vsnprintf(errors->text + at, errors->size - at, format, arguments);
    va_end(arguments);
}

/*
 * The rule that begins at position i: words up to the one that closes the parenthesis are joined by blanks, in memory of their own
 * (*joined, freed by the caller). False: it is not closed. *next: where the next rule begins.
 */
static bool take_rule(const struct request_arg *words, int count, int i, struct request_arg *rule, char **joined, int *next)
{
    size_t size = 0, at = 0;
    int last = i;

    *joined = NULL;
    *rule = words[i];
    *next = i + 1;
    if (words[i].size == 0 || words[i].data[0] != '(' || words[i].data[words[i].size - 1] == ')')
        return true;
    while (last < count && (words[last].size == 0 || words[last].data[words[last].size - 1] != ')'))
        size += words[last++].size + 1;
    if (last == count)
        return false;
    size += words[last].size;
    *joined = malloc(size);
    if (*joined == NULL)
        return false;
    for (int w = i; w <= last; w++) {
        memcpy(*joined + at, words[w].data, words[w].size);
        at += words[w].size;
        if (w < last)
            (*joined)[at++] = ' ';
    }
    *rule = (struct request_arg){*joined, size};
    *next = last + 1;
    return true;
}

int acl_rules_apply(struct acl_user *user, const struct request_arg *rules, int count, char *error, size_t error_size)
{
    /* That all are closed is looked at first. */
    for (int pass = 0; pass < 2; pass++) {
        for (int i = 0, next; i < count; i = next) {
            struct request_arg rule;
            char *joined;
            enum acl_rule_error result = ACL_RULE_OK;

            if (!take_rule(rules, count, i, &rule, &joined, &next)) {
                (void)snprintf(error, error_size, "Unmatched parenthesis in acl selector starting at '%.*s'.",
                               (int)(rules[i].size < 512 ? rules[i].size : 512), rules[i].data);
                return 0;
            }
            if (pass == 1)
                result = acl_user_apply(user, rule.data, rule.size);
            if (result != ACL_RULE_OK)
                (void)snprintf(error, error_size, "Error in ACL SETUSER modifier '%.*s': %s",
                               (int)(rule.size < 512 ? rule.size : 512), rule.data, acl_rule_error_text(result));
            free(joined);
            if (result != ACL_RULE_OK)
                return 0;
        }
    }
    return 1;
}

int acl_rules_apply_words(struct acl_user *user, char **words, int count, char *error, size_t error_size)
{
    struct request_arg *rules = calloc((size_t)count + 1, sizeof(*rules));
    int good;

    if (rules == NULL) {
        (void)snprintf(error, error_size, "out of memory");
        return 0;
    }
    (void)acl_user_apply(user, "reset", 5);
    for (int i = 0; i < count; i++)
        rules[i] = (struct request_arg){words[i], strlen(words[i])};
    good = acl_rules_apply(user, rules, count, error, error_size);
    free(rules);
    return good;
}

static size_t split(char *line, struct request_arg *words)
{
    size_t count = 0;

    for (char *at = line; *at != '\0' && count < WORDS_MAX;) {
        size_t size = strcspn(at, " \t");

        if (size > 0)
            words[count++] = (struct request_arg){at, size};
        at += size;
        at += *at != '\0';
    }
    return count;
}

void acl_rules_apply_line(struct acl_user *user, char *line, const char *path, int number, struct acl_errors *errors)
{
    struct request_arg *words = calloc(WORDS_MAX, sizeof(*words));
    size_t count = words != NULL ? split(line, words) : 0;
    bool syntax = false;

    if (words == NULL)
        acl_errors_add(errors, "%s:%d: out of memory. ", path, number);
    for (int i = 0, next; i < (int)count; i = next) {
        struct request_arg rule;
        char *joined;
        enum acl_rule_error result;

        if (!take_rule(words, (int)count, i, &rule, &joined, &next)) {
            acl_errors_add(errors, "%s:%d: Unmatched parenthesis in selector definition.", path, number);
            break;
        }
        result = acl_user_apply(user, rule.data, rule.size);
        if (result == ACL_RULE_SYNTAX && !syntax) /* one such line is enough */
            acl_errors_add(errors, "%s:%d: Syntax error. ", path, number);
        else if (result != ACL_RULE_OK && result != ACL_RULE_SYNTAX)
            acl_errors_add(errors, "%s:%d: Error in applying operation '%.*s': %s. ", path, number,
                           (int)(rule.size < 512 ? rule.size : 512), rule.data, acl_rule_error_text(result));
        syntax |= result == ACL_RULE_SYNTAX;
        free(joined);
    }
    free(words);
}

char *acl_rules_user_of_line(char *line, char **rules)
{
    char *name = line + 4;
    size_t size;

    if (strncmp(line, "user", 4) != 0 || (line[4] != ' ' && line[4] != '\t'))
        return NULL;
    name += strspn(name, " \t");
    size = strcspn(name, " \t");
    if (size == 0)
        return NULL;
    *rules = name + size;
    if (**rules != '\0')
        *(*rules)++ = '\0';
    return name;
}

char *acl_rules_trim(char *line)
{
    size_t size;

    while (isspace((unsigned char)*line))
        line++;
    size = strlen(line);
    while (size > 0 && isspace((unsigned char)line[size - 1]))
        line[--size] = '\0';
    return line;
}

enum acl_rule_error acl_rules_password(struct acl_user *user, const char *password)
{
    char rule[1024 + 1];
    size_t size = strlen(password);

    (void)acl_user_apply(user, "resetpass", 9);
    if (size == 0)
        return acl_user_apply(user, "nopass", 6);
    if (size > sizeof(rule) - 1)
        return ACL_RULE_SYNTAX;
    rule[0] = '>';
    memcpy(rule + 1, password, size);
    return acl_user_apply(user, rule, size + 1);
}
