/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * acl_selector.c - rules become permissions, permissions are asked, and become rules again
 *
 * Commands are bits by number. Which categories made them is not kept: the description looks for the categories that come
 * closest, and names single commands for the rest, so that it gives the same bits when it is read again.
 */
#include "acl_selector.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "command_table.h"
#include "config.h"
#include "glob.h"
#include "reply.h"

#define WORD_BITS 64u

/* In this order the description tries them where two fit equally well. */
static const char *const categories[] = {"keyspace", "read",   "write",       "set",      "sortedset",  "list",
                                         "hash",     "string", "bitmap",      "geo",      "hyperloglog", "stream",
                                         "pubsub",   "admin",  "fast",        "slow",     "blocking",   "dangerous",
                                         "connection", "transaction", "scripting"};
#define CATEGORY_COUNT (sizeof(categories) / sizeof(categories[0]))

const char *acl_rule_error_text(enum acl_rule_error error)
{
    switch (error) {
    case ACL_RULE_UNKNOWN_COMMAND:
        return "Unknown command or category name in ACL";
    case ACL_RULE_BEHIND_ALL_KEYS:
        return "Adding a pattern after the * pattern (or the 'allkeys' flag) is not valid and does not have any effect. "
               "Try 'resetkeys' to start with an empty list of patterns";
    case ACL_RULE_BEHIND_ALL_CHANNELS:
        return "Adding a pattern after the * pattern (or the 'allchannels' flag) is not valid and does not have any "
               "effect. Try 'resetchannels' to start with an empty list of channels";
    case ACL_RULE_NO_SUCH_PASSWORD:
        return "The password you are trying to remove from the user does not exist";
    case ACL_RULE_BAD_HASH:
        return "The password hash must be exactly 64 characters and contain only lowercase hexadecimal characters";
    case ACL_RULE_FIRST_ARG_OF_SUBCOMMAND:
        return "Allowing first-arg of a subcommand is not supported";
    case ACL_RULE_NO_MEMORY:
        return "out of memory";
    default:
        return "Syntax error";
    }
}

/* ---- categories ------------------------------------------------------------------------------------------------- */

const char *acl_category(size_t index)
{
    return index < CATEGORY_COUNT ? categories[index] : NULL;
}

int acl_is_in_category(const struct command *command, const char *category, size_t size)
{
    const char *at = command->acl_categories;

    while (at != NULL && *at != '\0') {
        size_t word = strcspn(at, " ");
        if (word == size + 1 && strncasecmp(at + 1, category, size) == 0)
            return 1;
        at += word;
        at += *at == ' ';
    }
    return 0;
}

static bool is_category(const char *name, size_t size)
{
    for (size_t i = 0; i < CATEGORY_COUNT; i++)
        if (strlen(categories[i]) == size && strncasecmp(categories[i], name, size) == 0)
            return true;
    return false;
}

/* ---- bits ------------------------------------------------------------------------------------------------------- */

/* One more than there are commands: the last one stands for those of the future. */
static size_t bit_count(void)
{
    return command_numbers() + 1;
}

static size_t word_count(void)
{
    return (bit_count() + WORD_BITS - 1) / WORD_BITS;
}

static bool bit_of(const uint64_t *bits, size_t number)
{
    return bits[number / WORD_BITS] >> (number % WORD_BITS) & 1;
}

static void bit_set(uint64_t *bits, size_t number, bool value)
{
    const uint64_t mask = 1ull << (number % WORD_BITS);

    bits[number / WORD_BITS] = value ? bits[number / WORD_BITS] | mask : bits[number / WORD_BITS] & ~mask;
}

static void bits_set_all(uint64_t *bits, bool value)
{
    for (size_t i = 0; i < bit_count(); i++)
        bit_set(bits, i, value);
}

/* The command's, and its subcommands'. */
static void bits_set_command(uint64_t *bits, size_t number, bool value)
{
    const struct command *command = command_of_number(number, NULL), *container;

    bit_set(bits, number, value);
    for (size_t i = number + 1; i < command_numbers(); i++) {
        (void)command_of_number(i, &container);
        if (container != command)
            break;
        bit_set(bits, i, value);
    }
}

static void bits_set_category(uint64_t *bits, const char *category, size_t size, bool value)
{
    for (size_t i = 0; i < command_numbers(); i++)
        if (acl_is_in_category(command_of_number(i, NULL), category, size))
            bit_set(bits, i, value);
}

/* ---- first arguments -------------------------------------------------------------------------------------------- */

static void first_args_drop(struct acl_selector *selector, size_t number, bool all)
{
    size_t kept = 0;

    for (size_t i = 0; i < selector->first_arg_count; i++) {
        if (all || selector->first_args[i].number == number)
            free(selector->first_args[i].text);
        else
            selector->first_args[kept++] = selector->first_args[i];
    }
    selector->first_arg_count = kept;
}

static enum acl_rule_error first_arg_add(struct acl_selector *selector, size_t number, const char *text, size_t size)
{
    struct acl_first_arg *grown;
    char *copy;

    for (size_t i = 0; i < selector->first_arg_count; i++)
        if (selector->first_args[i].number == number && strlen(selector->first_args[i].text) == size &&
            strncasecmp(selector->first_args[i].text, text, size) == 0)
            return ACL_RULE_OK;
    grown = realloc(selector->first_args, (selector->first_arg_count + 1) * sizeof(*grown));
    if (grown == NULL)
        return ACL_RULE_NO_MEMORY;
    selector->first_args = grown;
    copy = strndup(text, size);
    if (copy == NULL)
        return ACL_RULE_NO_MEMORY;
    grown[selector->first_arg_count++] = (struct acl_first_arg){number, copy};
    return ACL_RULE_OK;
}

/* ---- patterns --------------------------------------------------------------------------------------------------- */

static void patterns_clear(struct acl_patterns *patterns, int all)
{
    for (size_t i = 0; i < patterns->count; i++)
        free(patterns->items[i].text);
    free(patterns->items);
    *patterns = (struct acl_patterns){.all = all};
}

/* A user is told as words with blanks between them. */
static bool is_one_word(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (isspace((unsigned char)text[i]) || text[i] == '\0')
            return false;
    return true;
}

static enum acl_rule_error patterns_add(struct acl_patterns *patterns, const char *text, size_t size, unsigned access)
{
    struct acl_pattern *grown;
    char *copy;

    if (!is_one_word(text, size))
        return ACL_RULE_SYNTAX;
    for (size_t i = 0; i < patterns->count; i++) {
        if (patterns->items[i].size == size && memcmp(patterns->items[i].text, text, size) == 0) {
            patterns->items[i].access |= access;
            return ACL_RULE_OK;
        }
    }
    grown = realloc(patterns->items, (patterns->count + 1) * sizeof(*grown));
    if (grown == NULL)
        return ACL_RULE_NO_MEMORY;
    patterns->items = grown;
    copy = strndup(text, size);
    if (copy == NULL)
        return ACL_RULE_NO_MEMORY;
    grown[patterns->count++] = (struct acl_pattern){copy, size, access};
    return ACL_RULE_OK;
}

static bool patterns_copy(struct acl_patterns *to, const struct acl_patterns *from)
{
    to->all = from->all;
    for (size_t i = 0; i < from->count; i++)
        if (patterns_add(to, from->items[i].text, from->items[i].size, from->items[i].access) != ACL_RULE_OK)
            return false;
    return true;
}

/* ---- life ------------------------------------------------------------------------------------------------------- */

struct acl_selector *acl_selector_new(void)
{
    struct acl_selector *selector = calloc(1, sizeof(*selector));

    if (selector == NULL)
        return NULL;
    selector->commands = calloc(word_count(), sizeof(*selector->commands));
    if (selector->commands == NULL) {
        free(selector);
        return NULL;
    }
    selector->channels.all = CONFIG_READ(acl_all_channels);
    return selector;
}

struct acl_selector *acl_selector_copy(const struct acl_selector *selector)
{
    struct acl_selector *copy = acl_selector_new();
    bool good = copy != NULL;

    if (good) {
        memcpy(copy->commands, selector->commands, word_count() * sizeof(*copy->commands));
        copy->all_commands = selector->all_commands;
        good = patterns_copy(&copy->keys, &selector->keys) && patterns_copy(&copy->channels, &selector->channels);
    }
    for (size_t i = 0; good && i < selector->first_arg_count; i++) {
        const struct acl_first_arg *arg = &selector->first_args[i];
        good = first_arg_add(copy, arg->number, arg->text, strlen(arg->text)) == ACL_RULE_OK;
    }
    if (good)
        return copy;
    acl_selector_free(copy);
    return NULL;
}

void acl_selector_free(struct acl_selector *selector)
{
    if (selector == NULL)
        return;
    first_args_drop(selector, 0, true);
    free(selector->first_args);
    patterns_clear(&selector->keys, 0);
    patterns_clear(&selector->channels, 0);
    free(selector->commands);
    free(selector);
}

/* ---- rules ------------------------------------------------------------------------------------------------------ */

static bool is(const char *rule, size_t size, const char *word)
{
    return strlen(word) == size && strncasecmp(rule, word, size) == 0;
}

static enum acl_rule_error apply_command(struct acl_selector *selector, const struct command *command, bool allow)
{
    const size_t number = (size_t)command_number(command);

    bits_set_command(selector->commands, number, allow);
    first_args_drop(selector, number, false);
    if (!allow)
        selector->all_commands = 0;
    return ACL_RULE_OK;
}

/* +get|x of a command without subcommands: it is allowed with this first argument. */
static enum acl_rule_error apply_first_arg(struct acl_selector *selector, const char *name, size_t size)
{
    const char *bar = memrchr(name, '|', size);
    const size_t rest = size - (size_t)(bar + 1 - name);
    const struct command *command = command_find_full(name, (size_t)(bar - name)), *container = NULL;

    if (command == NULL)
        return ACL_RULE_UNKNOWN_COMMAND;
    (void)command_of_number((size_t)command_number(command), &container);
    if (container != NULL)
        return ACL_RULE_FIRST_ARG_OF_SUBCOMMAND;
    if (rest == 0 || !is_one_word(bar + 1, rest))
        return ACL_RULE_SYNTAX;
    if (command->subcommands != NULL) {
        command = command_find_sub(command, bar + 1, rest);
        return command != NULL ? apply_command(selector, command, true) : ACL_RULE_UNKNOWN_COMMAND;
    }
    return first_arg_add(selector, (size_t)command_number(command), bar + 1, rest);
}

static void apply_all_commands(struct acl_selector *selector, bool allow)
{
    bits_set_all(selector->commands, allow);
    first_args_drop(selector, 0, true);
    selector->all_commands = allow;
}

static void apply_category(struct acl_selector *selector, const char *category, size_t size, bool allow)
{
    bits_set_category(selector->commands, category, size, allow);
    for (size_t i = 0; i < command_numbers() && selector->first_arg_count > 0; i++)
        if (acl_is_in_category(command_of_number(i, NULL), category, size))
            first_args_drop(selector, i, false);
    if (!allow)
        selector->all_commands = 0;
}

/* +get, -get, +client|list, +@read: the sign has been looked at. */
static enum acl_rule_error apply_commands(struct acl_selector *selector, const char *rule, size_t size)
{
    const bool allow = rule[0] == '+';
    const char *name = rule + 1;
    const struct command *command;

    size--;
    if (size > 0 && name[0] == '@') {
        if (!is_category(name + 1, size - 1))
            return ACL_RULE_UNKNOWN_COMMAND;
        apply_category(selector, name + 1, size - 1, allow);
        return ACL_RULE_OK;
    }
    if (allow && memchr(name, '|', size) != NULL)
        return apply_first_arg(selector, name, size);
    command = command_find_full(name, size);
    return command != NULL ? apply_command(selector, command, allow) : ACL_RULE_UNKNOWN_COMMAND;
}

/* ~pattern, %R~pattern. */
static enum acl_rule_error apply_keys(struct acl_selector *selector, const char *rule, size_t size)
{
    unsigned access = 0;
    size_t at = 1;

    if (selector->keys.all)
        return ACL_RULE_BEHIND_ALL_KEYS;
    if (rule[0] == '~')
        return patterns_add(&selector->keys, rule + 1, size - 1, ACL_READ_WRITE);
    for (; at < size && rule[at] != '~'; at++) {
        const unsigned one = toupper((unsigned char)rule[at]) == 'R'   ? ACL_READ
                             : toupper((unsigned char)rule[at]) == 'W' ? ACL_WRITE
                                                                       : 0;
        if (one == 0 || access & one)
            return ACL_RULE_SYNTAX;
        access |= one;
    }
    if (access == 0)
        return ACL_RULE_SYNTAX;
    at += at < size; /* "%R" alone is the empty pattern, as "%R~" is */
    return patterns_add(&selector->keys, rule + at, size - at, access);
}

enum acl_rule_error acl_selector_apply(struct acl_selector *selector, const char *rule, size_t size)
{
    if (is(rule, size, "allkeys") || is(rule, size, "~*")) {
        patterns_clear(&selector->keys, 1);
    } else if (is(rule, size, "resetkeys")) {
        patterns_clear(&selector->keys, 0);
    } else if (is(rule, size, "allchannels") || is(rule, size, "&*")) {
        patterns_clear(&selector->channels, 1);
    } else if (is(rule, size, "resetchannels")) {
        patterns_clear(&selector->channels, 0);
    } else if (is(rule, size, "allcommands") || is(rule, size, "+@all")) {
        apply_all_commands(selector, true);
    } else if (is(rule, size, "nocommands") || is(rule, size, "-@all")) {
        apply_all_commands(selector, false);
    } else if (size > 0 && (rule[0] == '~' || rule[0] == '%')) {
        return apply_keys(selector, rule, size);
    } else if (size > 0 && rule[0] == '&') {
        return selector->channels.all ? ACL_RULE_BEHIND_ALL_CHANNELS
                                      : patterns_add(&selector->channels, rule + 1, size - 1, ACL_READ_WRITE);
    } else if (size > 0 && (rule[0] == '+' || rule[0] == '-')) {
        return apply_commands(selector, rule, size);
    } else {
        return ACL_RULE_SYNTAX;
    }
    return ACL_RULE_OK;
}

/* ---- asking ----------------------------------------------------------------------------------------------------- */

int acl_selector_is_open(const struct acl_selector *selector)
{
    return selector->all_commands && selector->keys.all && selector->channels.all;
}

static bool allows_command(const struct acl_selector *selector, const struct command *command, size_t number,
                           const struct request_arg *argv, int argc)
{
    if (selector->all_commands || command->flags & COMMAND_NO_AUTH || bit_of(selector->commands, number))
        return true;
    for (size_t i = 0; i < selector->first_arg_count && argc > 1; i++)
        if (selector->first_args[i].number == number && is(argv[1].data, argv[1].size, selector->first_args[i].text))
            return true;
    return false;
}

/* Which permissions the words of a key's flags ask for. None: any pattern will do. */
static unsigned access_of(const char *flags, size_t size)
{
    unsigned access = 0;

    for (size_t i = 0; i < size;) {
        size_t word = 0;

        while (i + word < size && flags[i + word] != ' ')
            word++;
        if (is(flags + i, word, "access"))
            access |= ACL_READ;
        else if (is(flags + i, word, "insert") || is(flags + i, word, "update") || is(flags + i, word, "delete"))
            access |= ACL_WRITE;
        i += word + 1;
    }
    return access;
}

static bool allows_key(const struct acl_selector *selector, const struct request_arg *key, unsigned access)
{
    for (size_t i = 0; i < selector->keys.count; i++) {
        const struct acl_pattern *pattern = &selector->keys.items[i];
        if ((pattern->access & access) == access &&
            (glob_is_any(pattern->text, pattern->size) ||
             glob_match(pattern->text, pattern->size, key->data, key->size, 0)))
            return true;
    }
    return false;
}

static enum acl_verdict check_keys(const struct acl_selector *selector, const struct command *command,
                                   const struct request_arg *argv, int argc, int *position)
{
    enum acl_verdict verdict = ACL_ALLOWED;
    int few[16], *positions = argc > 16 ? malloc((size_t)argc * sizeof(*positions)) : few, count;

    *position = 0;
    if (positions == NULL)
        return ACL_DENIED_KEY;
    count = command_key_positions(command, argv, argc, positions, argc > 16 ? argc : 16);
    for (int i = 0; i < count && verdict == ACL_ALLOWED; i++) {
        size_t size;
        const char *flags = command_key_flags(command, argv, argc, positions[i], &size);

        if (allows_key(selector, &argv[positions[i]], access_of(flags, size)))
            continue;
        verdict = ACL_DENIED_KEY;
        *position = positions[i];
    }
    if (positions != few)
        free(positions);
    return verdict;
}

int acl_selector_allows_channel(const struct acl_selector *selector, const char *channel, size_t size, int literally)
{
    if (selector->channels.all)
        return 1;
    for (size_t i = 0; i < selector->channels.count; i++) {
        const struct acl_pattern *pattern = &selector->channels.items[i];
        if (literally ? pattern->size == size && memcmp(pattern->text, channel, size) == 0
                      : glob_is_any(pattern->text, pattern->size) ||
                            glob_match(pattern->text, pattern->size, channel, size, 0))
            return 1;
    }
    return 0;
}

/* The channels of the publish and subscribe commands stand at fixed places. 0: it has none. */
static int first_channel(const struct command *command, int *last, int *literally)
{
    static const struct {
        const char *name;
        int last, literally;
    } known[] = {{"publish", 1, 0}, {"spublish", 1, 0}, {"subscribe", -1, 0}, {"ssubscribe", -1, 0}, {"psubscribe", -1, 1}};

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (strcmp(known[i].name, command->name) == 0) {
            *last = known[i].last;
            *literally = known[i].literally;
            return 1;
        }
    }
    return 0;
}

static enum acl_verdict check_channels(const struct acl_selector *selector, const struct command *command,
                                       const struct request_arg *argv, int argc, int *position)
{
    int last, literally, first = first_channel(command, &last, &literally);

    if (first == 0)
        return ACL_ALLOWED;
    for (int i = first; i <= (last < 0 ? argc + last : last) && i < argc; i++) {
        if (!acl_selector_allows_channel(selector, argv[i].data, argv[i].size, literally)) {
            *position = i;
            return ACL_DENIED_CHANNEL;
        }
    }
    return ACL_ALLOWED;
}

/* What is allowed with every key. */
static unsigned access_to_all_keys(const struct acl_selector *selector)
{
    unsigned found = selector->keys.all ? ACL_READ_WRITE : 0;

    for (size_t i = 0; i < selector->keys.count; i++)
        if (selector->keys.items[i].size == 1 && selector->keys.items[i].text[0] == '*')
            found |= selector->keys.items[i].access;
    return found;
}

int acl_selector_reads_all_keys(const struct acl_selector *selector)
{
    return (access_to_all_keys(selector) & ACL_READ) != 0;
}

/* A handle does not tell its key: who may use handles may use every key. */
static bool check_handles(const struct acl_selector *selector, const struct command *command)
{
    const unsigned access = strcmp(command->name, "sdb.geth") == 0 ? ACL_READ : strcmp(command->name, "sdb.seth") == 0 ? ACL_WRITE : 0;

    return (access_to_all_keys(selector) & access) == access;
}

enum acl_verdict acl_selector_check(const struct acl_selector *selector, const struct command *command, size_t number,
                                    const struct request_arg *argv, int argc, int *position)
{
    enum acl_verdict verdict = ACL_ALLOWED;

    *position = 0;
    if (!allows_command(selector, command, number, argv, argc))
        return ACL_DENIED_COMMAND;
    if (!selector->keys.all && !check_handles(selector, command)) {
        *position = argc > 1 ? 1 : 0;
        return ACL_DENIED_KEY;
    }
    if (!selector->keys.all && (command->first_key != 0 || command->keys != NULL) && strcmp(command->group, "pubsub") != 0)
        verdict = check_keys(selector, command, argv, argc, position);
    if (verdict == ACL_ALLOWED && !selector->channels.all)
        verdict = check_channels(selector, command, argv, argc, position);
    return verdict;
}

/* ---- describing ------------------------------------------------------------------------------------------------- */

static void text_add(struct reply *text, const char *word)
{
    reply_raw(text, word, strlen(word));
}

/* The category that takes most of the commands with it which are still to be named, and fewest others. NULL: none does good. */
static const char *best_category(const uint64_t *bits, bool wanted, const bool *applied, size_t *index)
{
    size_t fewest = SIZE_MAX, most = 0;
    const char *best = NULL;

    for (size_t c = 0; c < CATEGORY_COUNT; c++) {
        size_t same = 0, others = 0;

        for (size_t i = 0; i < command_numbers() && !applied[c]; i++) {
            if (!acl_is_in_category(command_of_number(i, NULL), categories[c], strlen(categories[c])))
                continue;
            if (bit_of(bits, i) == wanted)
                same++;
            else
                others++;
        }
        if (same > others && (others < fewest || (others == fewest && same > most))) {
            best = categories[c];
            *index = c;
            fewest = others;
            most = same;
        }
    }
    return best;
}

/* Single commands where the categories give another bit than there is; first arguments. */
static void describe_single(const struct acl_selector *selector, uint64_t *described, struct reply *text)
{
    for (size_t i = 0; i < command_numbers(); i++) {
        const bool allowed = bit_of(selector->commands, i);
        char name[COMMAND_FULL_NAME_SIZE];

        (void)command_full_name(command_of_number(i, NULL), name);
        if (allowed != bit_of(described, i)) {
            text_add(text, allowed ? " +" : " -");
            text_add(text, name);
            bits_set_command(described, i, allowed);
        }
        for (size_t j = 0; j < selector->first_arg_count && !allowed; j++) {
            if (selector->first_args[j].number != i)
                continue;
            text_add(text, " +");
            text_add(text, name);
            text_add(text, "|");
            text_add(text, selector->first_args[j].text);
        }
    }
}

void acl_selector_describe_commands(const struct acl_selector *selector, struct reply *text)
{
    const bool wanted = !bit_of(selector->commands, command_numbers());
    uint64_t *described = calloc(2 * word_count(), sizeof(*described)), *left;
    bool applied[CATEGORY_COUNT] = {false};
    const char *category;
    size_t index = 0;

    if (described == NULL) {
        text->failed = 1;
        return;
    }
    left = described + word_count();
    text_add(text, wanted ? "-@all" : "+@all");
    bits_set_all(described, !wanted);
    memcpy(left, selector->commands, word_count() * sizeof(*left));
    while ((category = best_category(left, wanted, applied, &index)) != NULL) {
        text_add(text, wanted ? " +@" : " -@");
        text_add(text, category);
        bits_set_category(described, category, strlen(category), wanted);
        bits_set_category(left, category, strlen(category), !wanted);
        applied[index] = true;
    }
    describe_single(selector, described, text);
    free(described);
}

void acl_selector_describe_keys(const struct acl_selector *selector, struct reply *text)
{
    if (selector->keys.all)
        text_add(text, "~*");
    for (size_t i = 0; i < selector->keys.count; i++) {
        const struct acl_pattern *pattern = &selector->keys.items[i];

        text_add(text, i > 0 ? " " : "");
        text_add(text, pattern->access == ACL_READ    ? "%R~"
                       : pattern->access == ACL_WRITE ? "%W~"
                                                      : "~");
        reply_raw(text, pattern->text, pattern->size);
    }
}

void acl_selector_describe_channels(const struct acl_selector *selector, struct reply *text)
{
    if (selector->channels.all)
        text_add(text, "&*");
    for (size_t i = 0; i < selector->channels.count; i++) {
        text_add(text, i > 0 ? " &" : "&");
        reply_raw(text, selector->channels.items[i].text, selector->channels.items[i].size);
    }
}

void acl_selector_describe(const struct acl_selector *selector, struct reply *text)
{
    const size_t before = text->size;

    acl_selector_describe_keys(selector, text);
    text_add(text, text->size > before ? " " : "");
    text_add(text, selector->channels.all ? "" : "resetchannels ");
    acl_selector_describe_channels(selector, text);
    text_add(text, selector->channels.all || selector->channels.count > 0 ? " " : "");
    acl_selector_describe_commands(selector, text);
}
