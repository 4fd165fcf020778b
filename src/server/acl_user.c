/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * acl_user.c - a user's rules, its passwords as hashes, and what it may do
 */
#include "acl_user.h"

#include <nettle/sha2.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "command.h"
#include "config.h"
#include "reply.h"

static bool is(const char *rule, size_t size, const char *word)
{
    return strlen(word) == size && strncasecmp(rule, word, size) == 0;
}

/* ---- life ------------------------------------------------------------------------------------------------------- */

static bool selectors_add(struct acl_user *user, struct acl_selector *selector)
{
    struct acl_selector **grown = NULL;

    if (selector != NULL)
        grown = realloc(user->selectors, (user->selector_count + 1) * sizeof(struct acl_selector *));
    if (grown == NULL) {
        acl_selector_free(selector);
        return false;
    }
    user->selectors = grown;
    grown[user->selector_count++] = selector;
    return true;
}

struct acl_user *acl_user_new(const char *name, size_t size)
{
    struct acl_user *user = calloc(1, sizeof(*user));

    if (user == NULL)
        return NULL;
    user->references = 1;
    user->name = strndup(name, size);
    if (user->name != NULL && selectors_add(user, acl_selector_new()))
        return user;
    acl_user_release(user);
    return NULL;
}

struct acl_user *acl_user_copy(const struct acl_user *from)
{
    struct acl_user *user = calloc(1, sizeof(*user));
    bool good = user != NULL;

    if (good) {
        user->references = 1;
        user->flags = from->flags;
        user->name = strdup(from->name);
        user->passwords = calloc(from->password_count + 1, sizeof(*user->passwords));
        good = user->name != NULL && user->passwords != NULL;
    }
    if (good && from->password_count > 0) {
        memcpy(user->passwords, from->passwords, from->password_count * sizeof(*user->passwords));
        user->password_count = from->password_count;
    }
    for (size_t i = 0; good && i < from->selector_count; i++)
        good = selectors_add(user, acl_selector_copy(from->selectors[i]));
    if (good)
        return user;
    acl_user_release(user);
    return NULL;
}

struct acl_user *acl_user_hold(struct acl_user *user)
{
    (void)__atomic_fetch_add(&user->references, 1, __ATOMIC_RELAXED);
    return user;
}

static void selectors_cut(struct acl_user *user, size_t count)
{
    while (user->selector_count > count)
        acl_selector_free(user->selectors[--user->selector_count]);
}

void acl_user_release(struct acl_user *user)
{
    if (user == NULL || __atomic_sub_fetch(&user->references, 1, __ATOMIC_ACQ_REL) != 0)
        return;
    selectors_cut(user, 0);
    free(user->selectors);
    free(user->passwords);
    free(user->name);
    free(user);
}

/* ---- passwords -------------------------------------------------------------------------------------------------- */

static struct acl_password hash_of(const char *password, size_t size)
{
    static const char digits[] = "0123456789abcdef";
    struct acl_password result;
    uint8_t digest[SHA256_DIGEST_SIZE];
    struct sha256_ctx context;

    sha256_init(&context);
    sha256_update(&context, size, (const uint8_t *)password);
    sha256_digest(&context, sizeof(digest), digest);
    for (size_t i = 0; i < sizeof(digest); i++) {
        result.hash[2 * i] = digits[digest[i] >> 4];
        result.hash[2 * i + 1] = digits[digest[i] & 15];
    }
    result.hash[ACL_HASH_SIZE] = '\0';
    return result;
}

static bool hash_parse(const char *text, size_t size, struct acl_password *password)
{
    if (size != ACL_HASH_SIZE)
        return false;
    for (size_t i = 0; i < size; i++)
        if (!((text[i] >= '0' && text[i] <= '9') || (text[i] >= 'a' && text[i] <= 'f')))
            return false;
    memcpy(password->hash, text, size);
    password->hash[size] = '\0';
    return true;
}

/* Looks at all bytes, wherever the first difference is. */
static bool hashes_equal(const struct acl_password *one, const struct acl_password *other)
{
    unsigned difference = 0;

    for (size_t i = 0; i < ACL_HASH_SIZE; i++)
        difference |= (unsigned char)one->hash[i] ^ (unsigned char)other->hash[i];
    return difference == 0;
}

static enum acl_rule_error password_add(struct acl_user *user, const struct acl_password *password)
{
    struct acl_password *grown;

    for (size_t i = 0; i < user->password_count; i++)
        if (hashes_equal(&user->passwords[i], password)) {
            user->flags &= ~(unsigned)ACL_USER_NO_PASSWORD;
            return ACL_RULE_OK;
        }
    grown = realloc(user->passwords, (user->password_count + 1) * sizeof(*grown));
    if (grown == NULL)
        return ACL_RULE_NO_MEMORY;
    user->passwords = grown;
    grown[user->password_count++] = *password;
    user->flags &= ~(unsigned)ACL_USER_NO_PASSWORD;
    return ACL_RULE_OK;
}

static enum acl_rule_error password_remove(struct acl_user *user, const struct acl_password *password)
{
    for (size_t i = 0; i < user->password_count; i++) {
        if (!hashes_equal(&user->passwords[i], password))
            continue;
        user->password_count--;
        memmove(&user->passwords[i], &user->passwords[i + 1], (user->password_count - i) * sizeof(*user->passwords));
        return ACL_RULE_OK;
    }
    return ACL_RULE_NO_SUCH_PASSWORD;
}

/* >password, <password, #hash, !hash. */
static enum acl_rule_error apply_password(struct acl_user *user, const char *rule, size_t size)
{
    const bool hashed = rule[0] == '#' || rule[0] == '!';
    struct acl_password password;

    if (!hashed)
        password = hash_of(rule + 1, size - 1);
    else if (!hash_parse(rule + 1, size - 1, &password))
        return ACL_RULE_BAD_HASH;
    return rule[0] == '>' || rule[0] == '#' ? password_add(user, &password) : password_remove(user, &password);
}

int acl_user_accepts(const struct acl_user *user, const char *password, size_t size)
{
    const struct acl_password given = hash_of(password, size);
    bool found = (user->flags & ACL_USER_NO_PASSWORD) != 0;

    for (size_t i = 0; i < user->password_count; i++)
        found |= hashes_equal(&user->passwords[i], &given);
    return found && user->flags & ACL_USER_ON;
}

/* ---- rules ------------------------------------------------------------------------------------------------------ */

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\v' || c == '\f';
}

/* (+get ~pattern): a selector more. */
static enum acl_rule_error apply_selector(struct acl_user *user, const char *rule, size_t size)
{
    struct acl_selector *selector;
    enum acl_rule_error error = ACL_RULE_OK;
    size_t at = 1;

    if (size < 2 || rule[size - 1] != ')')
        return ACL_RULE_SYNTAX;
    selector = acl_selector_new();
    if (selector == NULL)
        return ACL_RULE_NO_MEMORY;
    while (error == ACL_RULE_OK && at < size - 1) {
        size_t word = 0;

        while (at + word < size - 1 && !is_space(rule[at + word]))
            word++;
        if (word > 0)
            error = acl_selector_apply(selector, rule + at, word);
        at += word + 1;
    }
    if (error != ACL_RULE_OK) {
        acl_selector_free(selector);
        return error;
    }
    return selectors_add(user, selector) ? ACL_RULE_OK : ACL_RULE_NO_MEMORY;
}

static void set_flags(struct acl_user *user, unsigned clear, unsigned set)
{
    user->flags = (user->flags & ~clear) | set;
}

static enum acl_rule_error reset(struct acl_user *user)
{
    static const char *const rules[] = {"resetpass", "resetkeys", "resetchannels", "off", "sanitize-payload",
                                        "clearselectors", "-@all"};

    for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
        (void)acl_user_apply(user, rules[i], strlen(rules[i]));
    user->selectors[0]->channels.all = CONFIG_READ(acl_all_channels);
    return ACL_RULE_OK;
}

enum acl_rule_error acl_user_apply(struct acl_user *user, const char *rule, size_t size)
{
    const unsigned sanitizing = ACL_USER_SANITIZE | ACL_USER_SKIP_SANITIZE;

    if (size == 0)
        return ACL_RULE_OK;
    if (is(rule, size, "on")) {
        set_flags(user, 0, ACL_USER_ON);
    } else if (is(rule, size, "off")) {
        set_flags(user, ACL_USER_ON, 0);
    } else if (is(rule, size, "nopass")) {
        set_flags(user, 0, ACL_USER_NO_PASSWORD);
        user->password_count = 0;
    } else if (is(rule, size, "resetpass")) {
        set_flags(user, ACL_USER_NO_PASSWORD, 0);
        user->password_count = 0;
    } else if (is(rule, size, "sanitize-payload")) {
        set_flags(user, sanitizing, ACL_USER_SANITIZE);
    } else if (is(rule, size, "skip-sanitize-payload")) {
        set_flags(user, sanitizing, ACL_USER_SKIP_SANITIZE);
    } else if (is(rule, size, "clearselectors")) {
        selectors_cut(user, 1);
    } else if (is(rule, size, "reset")) {
        return reset(user);
    } else if (strchr("><#!", rule[0]) != NULL) {
        return apply_password(user, rule, size);
    } else if (rule[0] == '(') {
        return apply_selector(user, rule, size);
    } else {
        return acl_selector_apply(user->selectors[0], rule, size);
    }
    return ACL_RULE_OK;
}

/* ---- asking ----------------------------------------------------------------------------------------------------- */

int acl_user_is_open(const struct acl_user *user)
{
    for (size_t i = 0; i < user->selector_count; i++)
        if (acl_selector_is_open(user->selectors[i]))
            return 1;
    return 0;
}

enum acl_verdict acl_user_check(const struct acl_user *user, const struct command *command, size_t number,
                                const struct request_arg *argv, int argc, int *position)
{
    enum acl_verdict worst = ACL_DENIED_COMMAND;

    *position = 0;
    for (size_t i = 0; i < user->selector_count; i++) {
        int at;
        const enum acl_verdict verdict = acl_selector_check(user->selectors[i], command, number, argv, argc, &at);

        if (verdict == ACL_ALLOWED)
            return ACL_ALLOWED;
        if (verdict > worst || (verdict == worst && at > *position)) {
            worst = verdict;
            *position = at;
        }
    }
    return worst;
}

int acl_user_allows_channel(const struct acl_user *user, const char *channel, size_t size, int literally)
{
    for (size_t i = 0; i < user->selector_count; i++)
        if (acl_selector_allows_channel(user->selectors[i], channel, size, literally))
            return 1;
    return 0;
}

/* ---- describing ------------------------------------------------------------------------------------------------- */

static void text_add(struct reply *text, const char *word)
{
    reply_raw(text, word, strlen(word));
}

size_t acl_user_flag_words(const struct acl_user *user, const char *words[3])
{
    size_t count = 0;

    words[count++] = user->flags & ACL_USER_ON ? "on" : "off";
    if (user->flags & ACL_USER_NO_PASSWORD)
        words[count++] = "nopass";
    if (user->flags & ACL_USER_SKIP_SANITIZE)
        words[count++] = "skip-sanitize-payload";
    else if (user->flags & ACL_USER_SANITIZE)
        words[count++] = "sanitize-payload";
    return count;
}

void acl_user_describe(const struct acl_user *user, struct reply *text)
{
    const char *words[3];
    const size_t count = acl_user_flag_words(user, words);

    text_add(text, "user ");
    text_add(text, user->name);
    for (size_t i = 0; i < count; i++) {
        text_add(text, " ");
        text_add(text, words[i]);
    }
    for (size_t i = 0; i < user->password_count; i++) {
        text_add(text, " #");
        text_add(text, user->passwords[i].hash);
    }
    for (size_t i = 0; i < user->selector_count; i++) {
        text_add(text, i > 0 ? " (" : " ");
        acl_selector_describe(user->selectors[i], text);
        text_add(text, i > 0 ? ")" : "");
    }
}
