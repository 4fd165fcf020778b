/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * command_info.c - COMMAND and its subcommands: what the table of commands says, in Redis' reply shapes
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "acl_selector.h"
#include "args.h"
#include "command_facts.h"
#include "command_help.h"
#include "command_syntax.h"
#include "command_table.h"
#include "glob.h"

/* ---- lists of words --------------------------------------------------------------------------------------------- */

static size_t count_words(const char *text, size_t size)
{
    size_t count = 0;

    for (size_t i = 0; i < size; i++)
        count += text[i] != ' ' && (i == 0 || text[i - 1] == ' ');
    return count;
}

/* Each word of a text as a reply of its own. */
static void reply_words(struct reply *reply, const char *text, size_t size, int as_status)
{
    const char *end = text + size;

    while (text < end) {
        size_t length = 0;
        char word[64];

        while (text < end && *text == ' ')
            text++;
        while (text + length < end && text[length] != ' ')
            length++;
        if (length == 0)
            break;
        if (as_status && length < sizeof(word)) {
            memcpy(word, text, length);
            word[length] = '\0';
            reply_status(reply, word);
        } else {
            reply_bulk(reply, text, length);
        }
        text += length;
    }
}

static void reply_status_set(struct reply *reply, const char *words, size_t size)
{
    reply_set(reply, count_words(words, size));
    reply_words(reply, words, size, 1);
}

/* ---- COMMAND INFO ----------------------------------------------------------------------------------------------- */

static void reply_flags(struct reply *reply, uint32_t flags)
{
    static const struct {
        uint32_t flag;
        const char *name;
    } names[] = {
        {COMMAND_WRITE, "write"},
        {COMMAND_READONLY, "readonly"},
        {COMMAND_DENYOOM, "denyoom"},
        {COMMAND_ADMIN, "admin"},
        {COMMAND_NOSCRIPT, "noscript"},
        {COMMAND_LOADING, "loading"},
        {COMMAND_STALE, "stale"},
        {COMMAND_SKIP_MONITOR, "skip_monitor"},
        {COMMAND_SKIP_SLOWLOG, "skip_slowlog"},
        {COMMAND_FAST, "fast"},
        {COMMAND_NO_AUTH, "no_auth"},
        {COMMAND_NO_MULTI, "no_multi"},
        {COMMAND_BLOCKING, "blocking"},
        {COMMAND_PUBSUB, "pubsub"},
        {COMMAND_NO_MANDATORY_KEYS, "no_mandatory_keys"},
        {COMMAND_MOVABLEKEYS, "movablekeys"},
        {COMMAND_ALLOW_BUSY, "allow_busy"},
        {COMMAND_NO_ASYNC_LOADING, "no_async_loading"},
    };
    size_t count = 0;

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        count += (flags & names[i].flag) != 0;
    reply_set(reply, count);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (flags & names[i].flag)
            reply_status(reply, names[i].name);
}

/* How keys are found from there on: how far (relative to there, or -1: to the end), in which steps, and, from limit 2 on, in which part. */
static void reply_find_range(struct reply *reply, int last, int step, int limit)
{
    reply_bulk_text(reply, "find_keys");
    reply_map(reply, 2);
    reply_bulk_text(reply, "type");
    reply_bulk_text(reply, "range");
    reply_bulk_text(reply, "spec");
    reply_map(reply, 3);
    reply_bulk_text(reply, "lastkey");
    reply_integer(reply, last);
    reply_bulk_text(reply, "keystep");
    reply_integer(reply, step);
    reply_bulk_text(reply, "limit");
    reply_integer(reply, limit);
}

/* One group of keys: where it begins, how far it goes (relative to there, or -1: to the end), in which steps. */
static void reply_key_spec(struct reply *reply, const char *flags, size_t size, int first, int last, int step)
{
    reply_map(reply, 3);
    reply_bulk_text(reply, "flags");
    reply_status_set(reply, flags, size);
    reply_bulk_text(reply, "begin_search");
    reply_map(reply, 2);
    reply_bulk_text(reply, "type");
    reply_bulk_text(reply, "index");
    reply_bulk_text(reply, "spec");
    reply_map(reply, 1);
    reply_bulk_text(reply, "index");
    reply_integer(reply, first);
    reply_find_range(reply, last < 0 ? last : last - first, step, 0);
}

/* Where the number of keys stands that precedes them, by the syntax; 0: there is none. */
static int numkeys_position(const struct command *command)
{
    const char *found = command->keys != NULL && command->syntax != NULL ? strstr(command->syntax, "numkeys") : NULL;

    return found != NULL ? 1 + (int)count_words(command->syntax, (size_t)(found - command->syntax)) : 0;
}

static void reply_numkeys_spec(struct reply *reply, const char *flags, int position)
{
    reply_map(reply, 3);
    reply_bulk_text(reply, "flags");
    reply_status_set(reply, flags, strlen(flags));
    reply_bulk_text(reply, "begin_search");
    reply_map(reply, 2);
    reply_bulk_text(reply, "type");
    reply_bulk_text(reply, "index");
    reply_bulk_text(reply, "spec");
    reply_map(reply, 1);
    reply_bulk_text(reply, "index");
    reply_integer(reply, position);
    reply_bulk_text(reply, "find_keys");
    reply_map(reply, 2);
    reply_bulk_text(reply, "type");
    reply_bulk_text(reply, "keynum");
    reply_bulk_text(reply, "spec");
    reply_map(reply, 3);
    reply_bulk_text(reply, "keynumidx");
    reply_integer(reply, 0);
    reply_bulk_text(reply, "firstkey");
    reply_integer(reply, 1);
    reply_bulk_text(reply, "keystep");
    reply_integer(reply, 1);
}

/* Keys that stand anywhere, or follow from what other keys hold. */
static void reply_unknown_spec(struct reply *reply, const char *flags)
{
    reply_map(reply, 3);
    reply_bulk_text(reply, "flags");
    reply_status_set(reply, flags, strlen(flags));
    for (int i = 0; i < 2; i++) {
        reply_bulk_text(reply, i == 0 ? "begin_search" : "find_keys");
        reply_map(reply, 2);
        reply_bulk_text(reply, "type");
        reply_bulk_text(reply, "unknown");
        reply_bulk_text(reply, "spec");
        reply_map(reply, 0);
    }
}

/* Of SORT: the key, those that patterns stand for, and STORE's. */
static void reply_sort_specs(struct reply *reply, const char *flags, const char *second)
{
    const size_t size = strcspn(flags, ";");

    reply_set(reply, second != NULL ? 3 : 2);
    reply_key_spec(reply, flags, size, 1, 1, 1);
    reply_unknown_spec(reply, "RO access");
    if (second != NULL)
        reply_unknown_spec(reply, second + 1);
}

/* A key behind a word, which is looked for from an argument on. */
static void reply_keyword_spec(struct reply *reply, const char *flags, const char *keyword, int from, int last, int limit)
{
    reply_map(reply, 3);
    reply_bulk_text(reply, "flags");
    reply_status_set(reply, flags, strlen(flags));
    reply_bulk_text(reply, "begin_search");
    reply_map(reply, 2);
    reply_bulk_text(reply, "type");
    reply_bulk_text(reply, "keyword");
    reply_bulk_text(reply, "spec");
    reply_map(reply, 2);
    reply_bulk_text(reply, "keyword");
    reply_bulk_text(reply, keyword);
    reply_bulk_text(reply, "startfrom");
    reply_integer(reply, from);
    reply_find_range(reply, last, 1, limit);
}

static void reply_key_specs(struct reply *reply, const struct command *command)
{
    const char *flags = command_key_flags_of(command), *second = strchr(flags, ';');
    int first = command->first_key;

    if (strcmp(command->name, "sort") == 0 || strcmp(command->name, "sort_ro") == 0) {
        reply_sort_specs(reply, flags, second);
    } else if (second != NULL && strstr(command->syntax, "[STORE key | STOREDIST key]") != NULL) {
        reply_set(reply, 3);
        reply_key_spec(reply, flags, (size_t)(second - flags), first, first, 1);
        reply_keyword_spec(reply, second + 1, "STORE", -command->arity, 0, 0);
        reply_keyword_spec(reply, second + 1, "STOREDIST", -command->arity, 0, 0);
    } else if (first == 0 && numkeys_position(command) > 0) {
        reply_set(reply, 1);
        reply_numkeys_spec(reply, flags, numkeys_position(command));
    } else if (command->keys != NULL && strstr(command->syntax, "STREAMS key") != NULL) { /* half of what follows are ids */
        reply_set(reply, 1);
        reply_keyword_spec(reply, flags, "STREAMS", strcmp(command->name, "xread") == 0 ? 1 : 4, -1, 2);
    } else if (first == 0) {
        reply_set(reply, 0);
    } else if (second == NULL) {
        reply_set(reply, 1);
        reply_key_spec(reply, flags, strlen(flags), first, command->last_key, command->key_step);
    } else {
        reply_set(reply, 2);
        reply_key_spec(reply, flags, (size_t)(second - flags), first, first, 1);
        if (numkeys_position(command) > 0)
            reply_numkeys_spec(reply, second + 1, numkeys_position(command));
        else
            reply_key_spec(reply, second + 1, strlen(second + 1), first + 1, command->last_key, command->key_step);
    }
}

static size_t count_subcommands(const struct command *command)
{
    size_t count = 0;

    if (command->subcommands != NULL)
        while (command->subcommands[count].name != NULL)
            count++;
    return count;
}

static void reply_info(struct reply *reply, const struct command *command)
{
    const char *categories = command->acl_categories != NULL ? command->acl_categories : "";
    const char *tips = command_tips_of(command);
    char name[COMMAND_FULL_NAME_SIZE];
    size_t subs = count_subcommands(command);

    reply_array(reply, 10);
    reply_bulk(reply, name, command_full_name(command, name));
    reply_integer(reply, command->arity);
    reply_flags(reply, command->flags);
    reply_integer(reply, command->first_key);
    reply_integer(reply, command->last_key);
    reply_integer(reply, command->key_step);
    reply_status_set(reply, categories, strlen(categories));
    reply_set(reply, count_words(tips, strlen(tips)));
    reply_words(reply, tips, strlen(tips), 0);
    reply_key_specs(reply, command);
    reply_set(reply, subs);
    for (size_t i = 0; i < subs; i++)
        reply_info(reply, &command->subcommands[i]);
}

static size_t count_commands(void)
{
    size_t count = 0;

    while (command_at(count) != NULL)
        count++;
    return count;
}

void command_all(struct client *client, const struct request_arg *argv, int argc)
{
    size_t count = count_commands();

    (void)argv;
    (void)argc;
    reply_array(&client->reply, count);
    for (size_t i = 0; i < count; i++)
        reply_info(&client->reply, command_at(i));
}

static void command_info(struct client *client, const struct request_arg *argv, int argc)
{
    if (argc == 2) {
        command_all(client, argv, argc);
        return;
    }
    reply_array(&client->reply, (size_t)argc - 2);
    for (int i = 2; i < argc; i++) {
        const struct command *command = command_find_full(argv[i].data, argv[i].size);
        if (command != NULL)
            reply_info(&client->reply, command);
        else
            reply_null(&client->reply);
    }
}

static void command_count(struct client *client, const struct request_arg *argv, int argc)
{
    (void)argv;
    (void)argc;
    reply_integer(&client->reply, (int64_t)count_commands());
}

/* ---- COMMAND DOCS ----------------------------------------------------------------------------------------------- */

static void reply_argument(struct reply *reply, const struct syntax *syntax, int index);

static void reply_arguments(struct reply *reply, const struct syntax *syntax, int first)
{
    size_t count = 0;

    for (int i = first; i >= 0; i = syntax->nodes[i].next)
        count++;
    reply_array(reply, count);
    for (int i = first; i >= 0; i = syntax->nodes[i].next)
        reply_argument(reply, syntax, i);
}

static void reply_argument_flags(struct reply *reply, unsigned flags)
{
    size_t count = 0;

    for (unsigned bit = SYNTAX_OPTIONAL; bit <= SYNTAX_MULTIPLE_TOKEN; bit <<= 1)
        count += (flags & bit) != 0;
    reply_set(reply, count);
    if (flags & SYNTAX_OPTIONAL)
        reply_status(reply, "optional");
    if (flags & SYNTAX_MULTIPLE)
        reply_status(reply, "multiple");
    if (flags & SYNTAX_MULTIPLE_TOKEN)
        reply_status(reply, "multiple_token");
}

static void reply_argument(struct reply *reply, const struct syntax *syntax, int index)
{
    const struct syntax_node *node = &syntax->nodes[index];
    const char *type = syntax_type(node);
    int is_key = strcmp(type, "key") == 0;

    reply_map(reply, 2u + (unsigned)is_key + (node->token[0] != '\0') + (node->flags != 0) + (node->child >= 0));
    reply_bulk_text(reply, "name");
    reply_bulk_text(reply, node->name);
    reply_bulk_text(reply, "type");
    reply_bulk_text(reply, type);
    if (is_key) {
        reply_bulk_text(reply, "key_spec_index");
        reply_integer(reply, strcmp(node->name, "newkey") == 0 || strcmp(node->name, "destination") == 0);
    }
    if (node->token[0] != '\0') {
        reply_bulk_text(reply, "token");
        reply_bulk_text(reply, node->token);
    }
    if (node->flags != 0) {
        reply_bulk_text(reply, "flags");
        reply_argument_flags(reply, node->flags);
    }
    if (node->child >= 0) {
        reply_bulk_text(reply, "arguments");
        reply_arguments(reply, syntax, node->child);
    }
}

static void reply_field(struct reply *reply, const char *name, const char *text)
{
    if (text == NULL)
        return;
    reply_bulk_text(reply, name);
    reply_bulk_text(reply, text);
}

/* A command's name and its description: two elements of the outer map. */
static void reply_docs(struct reply *reply, const struct command *command)
{
    struct syntax syntax;
    char name[COMMAND_FULL_NAME_SIZE];
    size_t subs = count_subcommands(command);
    int has_arguments;

    syntax.count = 0;
    has_arguments = syntax_parse(&syntax, command->syntax) == 0 && syntax.first >= 0;
    reply_bulk(reply, name, command_full_name(command, name));
    reply_map(reply, (size_t)((command->summary != NULL) + (command->since != NULL) + (command->group != NULL) +
                              (command->complexity != NULL) + has_arguments + (subs > 0)));
    reply_field(reply, "summary", command->summary);
    reply_field(reply, "since", command->since);
    reply_field(reply, "group", command->group);
    reply_field(reply, "complexity", command->complexity);
    if (has_arguments) {
        reply_bulk_text(reply, "arguments");
        reply_arguments(reply, &syntax, syntax.first);
    }
    if (subs > 0) {
        reply_bulk_text(reply, "subcommands");
        reply_map(reply, subs);
        for (size_t i = 0; i < subs; i++)
            reply_docs(reply, &command->subcommands[i]);
    }
}

static void command_docs(struct client *client, const struct request_arg *argv, int argc)
{
    size_t count = 0;

    if (argc == 2) {
        count = count_commands();
        reply_map(&client->reply, count);
        for (size_t i = 0; i < count; i++)
            reply_docs(&client->reply, command_at(i));
        return;
    }
    for (int i = 2; i < argc; i++)
        count += command_find_full(argv[i].data, argv[i].size) != NULL;
    reply_map(&client->reply, count);
    for (int i = 2; i < argc; i++) {
        const struct command *command = command_find_full(argv[i].data, argv[i].size);
        if (command != NULL)
            reply_docs(&client->reply, command);
    }
}

/* ---- COMMAND LIST ----------------------------------------------------------------------------------------------- */

enum list_filter { LIST_ALL, LIST_MODULE, LIST_CATEGORY, LIST_PATTERN };

static int passes(const struct command *command, const char *name, size_t size, enum list_filter filter,
                  const struct request_arg *value)
{
    switch (filter) {
    case LIST_ALL:
        return 1;
    case LIST_MODULE:
        return 0;
    case LIST_CATEGORY:
        return acl_is_in_category(command, value->data, value->size);
    case LIST_PATTERN:
        return glob_match(value->data, value->size, name, size, 1);
    }
    return 0;
}

static void command_list(struct client *client, const struct request_arg *argv, int argc)
{
    enum list_filter filter = LIST_ALL;
    size_t count = 0, where;

    if (argc == 5 && args_is(&argv[2], "filterby")) {
        filter = args_is(&argv[3], "module")    ? LIST_MODULE
                 : args_is(&argv[3], "aclcat")  ? LIST_CATEGORY
                 : args_is(&argv[3], "pattern") ? LIST_PATTERN
                                                : LIST_ALL;
    }
    if (argc != 2 && filter == LIST_ALL) {
        command_syntax_error(client);
        return;
    }
    where = reply_array_later(&client->reply);
    for (size_t i = 0; i < command_numbers(); i++) {
        char name[COMMAND_FULL_NAME_SIZE];
        const struct command *command = command_of_number(i, NULL);
        size_t size = command_full_name(command, name);

        if (!passes(command, name, size, filter, argc == 5 ? &argv[4] : NULL))
            continue;
        reply_bulk(&client->reply, name, size);
        count++;
    }
    reply_array_set(&client->reply, where, count);
}

/* ---- COMMAND GETKEYS -------------------------------------------------------------------------------------------- */

/* Of the commands whose options decide ("variable_flags"); NULL for the others. */
static const char *key_flags_of_request(const struct command *command, const struct request_arg *argv, int argc)
{
    int reads = 0;

    if (strcmp(command->name, "set") == 0) {
        for (int i = 3; i < argc; i++)
            reads |= args_is(&argv[i], "get");
        return reads ? "RW access update" : "OW update";
    }
    if (strcmp(command->name, "bitfield") == 0) {
        for (int i = 2, words; i < argc; i += words + 1) {
            words = args_is(&argv[i], "get") ? 2 : args_is(&argv[i], "overflow") ? 1 : argc;
            if (i + words >= argc) /* SET, INCRBY, or nothing that it knows */
                return "RW access update";
        }
        return "RO access";
    }
    return NULL;
}

const char *command_key_flags(const struct command *command, const struct request_arg *argv, int argc, int position,
                              size_t *size)
{
    const char *special = key_flags_of_request(command, argv, argc);
    const char *flags = special != NULL ? special : command_key_flags_of(command), *second = strchr(flags, ';');

    if (second != NULL && position != command->first_key)
        flags = second + 1;
    *size = strcspn(flags, ";");
    return flags;
}

static void reply_key_flags(struct reply *reply, const struct command *command, const struct request_arg *argv,
                            int argc, int position)
{
    size_t size;
    const char *flags = command_key_flags(command, argv, argc, position, &size);

    reply_status_set(reply, flags, size);
}

static void get_keys(struct client *client, const struct request_arg *argv, int argc, int with_flags)
{
    const struct command *command = command_find(argv[2].data, argv[2].size);
    struct reply *reply = &client->reply;
    int *positions, count;

    if (command != NULL && command->subcommands != NULL && argc > 3)
        command = command_find_sub(command, argv[3].data, argv[3].size);
    if (command == NULL) {
        reply_error(reply, "ERR Invalid command specified");
        return;
    }
    if ((command->first_key == 0 && command->keys == NULL) || strcmp(command_key_flags_of(command), "not_key") == 0) {
        reply_error(reply, "ERR The command has no key arguments");
        return;
    }
    if (!command_arity_fits(command, argc - 2)) {
        reply_error(reply, "ERR Invalid number of arguments specified for command");
        return;
    }
    positions = malloc((size_t)argc * sizeof(*positions));
    if (positions == NULL) {
        reply->failed = 1;
        return;
    }
    count = command_key_positions(command, argv + 2, argc - 2, positions, argc);
    if (count < 0 && (command->flags & COMMAND_NO_MANDATORY_KEYS) != 0)
        count = 0;
    if (count < 0 || (count == 0 && (command->flags & COMMAND_NO_MANDATORY_KEYS) == 0))
        reply_error(reply,
                    count < 0 ? "ERR Invalid arguments specified for command" : "ERR The command has no key arguments");
    else
        reply_array(reply, (size_t)count);
    for (int i = 0; i < count; i++) {
        const struct request_arg *key = &argv[2 + positions[i]];
        if (with_flags)
            reply_array(reply, 2);
        reply_bulk(reply, key->data, key->size);
        if (with_flags)
            reply_key_flags(reply, command, argv + 2, argc - 2, positions[i]);
    }
    free(positions);
}

static void command_getkeys(struct client *client, const struct request_arg *argv, int argc)
{
    get_keys(client, argv, argc, 0);
}

static void command_getkeysandflags(struct client *client, const struct request_arg *argv, int argc)
{
    get_keys(client, argv, argc, 1);
}

/* ---- rows ------------------------------------------------------------------------------------------------------- */

#define ROW(text, first, cost, arguments, count, function)                                                             \
    .name = text, .since = first, .group = "server", .complexity = cost, .syntax = arguments, .arity = count,          \
    .flags = COMMAND_LOADING | COMMAND_STALE, .acl_categories = "@slow @connection", .handler = function

const struct command command_subcommands[] = {
    {ROW("count", "2.8.13", "O(1)", NULL, 2, command_count), .summary = "Gives the number of commands"},
    {ROW("docs", "7.0.0", "O(N) where N is the number of commands to look up", "[command-name [command-name ...]]", -2,
         command_docs),
     .summary = "Describes commands and their arguments",
     .difference = "Arguments are made from the syntax; there is no history"},
    {ROW("getkeys", "2.8.13", "O(N) where N is the number of arguments to the command", "command [arg [arg ...]]", -4,
         command_getkeys),
     .summary = "Gives the keys of a whole command"},
    {ROW("getkeysandflags", "7.0.0", "O(N) where N is the number of arguments to the command",
         "command [arg [arg ...]]", -4, command_getkeysandflags),
     .summary = "Gives the keys of a whole command, and what it does to them"},
    {ROW("help", "5.0.0", "O(1)", NULL, 2, command_help), .summary = "Lists the subcommands"},
    {ROW("info", "2.8.13", "O(N) where N is the number of commands to look up", "[command-name [command-name ...]]", -2,
         command_info),
     .summary = "Gives arity, flags and key positions of commands"},
    {ROW("list", "7.0.0", "O(N) where N is the total number of Redis commands",
         "[FILTERBY <MODULE module-name | ACLCAT category | PATTERN pattern>]", -2, command_list),
     .summary = "Lists the names of commands"},
    {.name = NULL},
};
