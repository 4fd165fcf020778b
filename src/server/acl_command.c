/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * acl_command.c - ACL and its subcommands
 *
 * Threads: the client's own. Others' clients notice a change at their next turn (acl.h).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "acl.h"
#include "acl_log.h"
#include "args.h"
#include "client.h"
#include "client_list.h"
#include "command_help.h"
#include "command_table.h"
#include "config.h"
#include "worker.h"

#define BITS_MAX 4096
#define NO_FILE                                                                                                        \
    "ERR This Redis instance is not configured to use an ACL file. You may want to specify users via the ACL SETUSER " \
    "command and then issue a CONFIG REWRITE (assuming you have a Redis configuration file set) in order to store users in "  \
    "the Redis configuration."

/* ---- looking ---------------------------------------------------------------------------------------------------- */

static void acl_whoami(struct client *client, const struct request_arg *argv, int argc)
{
    (void)argv;
    (void)argc;
    if (client->user != NULL)
        reply_bulk_text(&client->reply, client->user->name);
    else
        reply_null(&client->reply);
}

typedef void describe_user(struct reply *reply, const struct acl_user *user);

static void each_user(struct client *client, describe_user *describe)
{
    size_t count;
    struct acl_user **all = acl_all(&count);

    if (all == NULL) {
        client->reply.failed = 1;
        return;
    }
    reply_array(&client->reply, count);
    for (size_t i = 0; i < count; i++) {
        describe(&client->reply, all[i]);
        acl_user_release(all[i]);
    }
    free(all);
}

static void describe_name(struct reply *reply, const struct acl_user *user)
{
    reply_bulk_text(reply, user->name);
}

static void reply_text(struct reply *reply, struct reply *text)
{
    if (text->failed)
        reply->failed = 1;
    else
        reply_bulk(reply, text->size > 0 ? text->data : "", text->size);
    reply_free(text);
}

static void describe_line(struct reply *reply, const struct acl_user *user)
{
    struct reply text;

    reply_init(&text);
    acl_user_describe(user, &text);
    reply_text(reply, &text);
}

static void acl_users(struct client *client, const struct request_arg *argv, int argc)
{
    (void)argv;
    (void)argc;
    each_user(client, describe_name);
}

static void acl_list(struct client *client, const struct request_arg *argv, int argc)
{
    (void)argv;
    (void)argc;
    each_user(client, describe_line);
}

typedef void describe_part(const struct acl_selector *selector, struct reply *text);

static void reply_part(struct reply *reply, const char *name, const struct acl_selector *selector, describe_part *describe)
{
    struct reply text;

    reply_bulk_text(reply, name);
    reply_init(&text);
    describe(selector, &text);
    reply_text(reply, &text);
}

static void reply_selector(struct reply *reply, const struct acl_selector *selector)
{
    reply_part(reply, "commands", selector, acl_selector_describe_commands);
    reply_part(reply, "keys", selector, acl_selector_describe_keys);
    reply_part(reply, "channels", selector, acl_selector_describe_channels);
}

static void acl_getuser(struct client *client, const struct request_arg *argv, int argc)
{
    struct acl_user *user = acl_find(argv[2].data, argv[2].size);
    struct reply *reply = &client->reply;
    const char *words[3];
    size_t count;

    (void)argc;
    if (user == NULL) {
        reply_null(reply);
        return;
    }
    reply_map(reply, 6);
    reply_bulk_text(reply, "flags");
    count = acl_user_flag_words(user, words);
    reply_set(reply, count);
    for (size_t i = 0; i < count; i++)
        reply_bulk_text(reply, words[i]);
    reply_bulk_text(reply, "passwords");
    reply_array(reply, user->password_count);
    for (size_t i = 0; i < user->password_count; i++)
        reply_bulk_text(reply, user->passwords[i].hash);
    reply_selector(reply, user->selectors[0]);
    reply_bulk_text(reply, "selectors");
    reply_array(reply, user->selector_count - 1);
    for (size_t i = 1; i < user->selector_count; i++) {
        reply_map(reply, 3);
        reply_selector(reply, user->selectors[i]);
    }
    acl_user_release(user);
}

static void acl_cat(struct client *client, const struct request_arg *argv, int argc)
{
    struct reply *reply = &client->reply;
    size_t count = 0, where;

    if (argc == 2) {
        while (acl_category(count) != NULL)
            count++;
        reply_array(reply, count);
        for (size_t i = 0; i < count; i++)
            reply_bulk_text(reply, acl_category(i));
        return;
    }
    if (argc > 3) {
        command_subcommand_error(client, argv);
        return;
    }
    while (acl_category(count) != NULL && !args_is(&argv[2], acl_category(count)))
        count++;
    if (acl_category(count) == NULL) {
        reply_errorf(reply, "ERR Unknown category '%.*s'", (int)(argv[2].size < 128 ? argv[2].size : 128), argv[2].data);
        return;
    }
    count = 0;
    where = reply_array_later(reply);
    for (size_t i = 0; i < command_numbers(); i++) {
        char name[COMMAND_FULL_NAME_SIZE];
        const struct command *command = command_of_number(i, NULL);

        if (!acl_is_in_category(command, argv[2].data, argv[2].size))
            continue;
        reply_bulk(reply, name, command_full_name(command, name));
        count++;
    }
    reply_array_set(reply, where, count);
}

static void acl_dryrun(struct client *client, const struct request_arg *argv, int argc)
{
    struct acl_user *user = acl_find(argv[2].data, argv[2].size);
    const struct command *command = command_find(argv[3].data, argv[3].size);
    struct reply *reply = &client->reply;
    char name[COMMAND_FULL_NAME_SIZE];

    if (command != NULL && command->subcommands != NULL && argc > 4)
        command = command_find_sub(command, argv[4].data, argv[4].size);
    if (user == NULL) {
        reply_errorf(reply, "ERR User '%.*s' not found", (int)(argv[2].size < 128 ? argv[2].size : 128), argv[2].data);
        return;
    }
    if (command == NULL) {
        reply_errorf(reply, "ERR Command '%.*s' not found", (int)(argv[3].size < 128 ? argv[3].size : 128), argv[3].data);
    } else if (!command_arity_fits(command, argc - 3)) {
        command_full_name(command, name);
        reply_errorf(reply, "ERR wrong number of arguments for '%s' command", name);
    } else {
        char text[512];
        size_t size;

        if (acl_explain(user, command, argv + 3, argc - 3, text, sizeof(text), &size))
            reply_ok(reply);
        else
            reply_bulk(reply, text, size);
    }
    acl_user_release(user);
}

/* ---- changing --------------------------------------------------------------------------------------------------- */

/* A change counts for all requests that arrive behind its reply. */
static void refresh(struct client *client)
{
    worker_refresh_users(client->worker, client);
    client_list_await_turns(client);
}

static void acl_setuser(struct client *client, const struct request_arg *argv, int argc)
{
    char error[ACL_ERROR_SIZE];

    for (size_t i = 0; i < argv[2].size; i++) {
        if (argv[2].data[i] == '\0' || strchr(" \t\n\v\f\r", argv[2].data[i]) != NULL) {
            reply_error(&client->reply, "ERR Usernames can't contain spaces or null characters");
            return;
        }
    }
    if (!acl_set(&argv[2], argv + 3, argc - 3, error)) {
        reply_errorf(&client->reply, "ERR %s", error);
        return;
    }
    reply_ok(&client->reply);
    refresh(client);
}

static void acl_deluser(struct client *client, const struct request_arg *argv, int argc)
{
    for (int i = 2; i < argc; i++) {
        if (argv[i].size == sizeof(ACL_DEFAULT_USER) - 1 && memcmp(argv[i].data, ACL_DEFAULT_USER, argv[i].size) == 0) {
            reply_error(&client->reply, "ERR The 'default' user cannot be removed");
            return;
        }
    }
    reply_integer(&client->reply, (int64_t)acl_delete(argv + 2, argc - 2));
    refresh(client);
}

static int has_file(struct client *client)
{
    if (config.aclfile != NULL && config.aclfile[0] != '\0')
        return 1;
    reply_error(&client->reply, NO_FILE);
    return 0;
}

static void acl_load_command(struct client *client, const struct request_arg *argv, int argc)
{
    char error[ACL_ERROR_SIZE];

    (void)argv;
    (void)argc;
    if (!has_file(client))
        return;
    if (acl_load(config.aclfile, error, sizeof(error)))
        reply_ok(&client->reply);
    else
        reply_errorf(&client->reply, "ERR %s", error);
    refresh(client);
}

static void acl_save_command(struct client *client, const struct request_arg *argv, int argc)
{
    char error[ACL_ERROR_SIZE];

    (void)argv;
    (void)argc;
    if (!has_file(client))
        return;
    if (acl_save(config.aclfile, error, sizeof(error)))
        reply_ok(&client->reply);
    else
        reply_errorf(&client->reply, "ERR %s", error);
}

/* ---- the rest --------------------------------------------------------------------------------------------------- */

static void acl_genpass(struct client *client, const struct request_arg *argv, int argc)
{
    static const char digits[] = "0123456789abcdef";
    unsigned char random[BITS_MAX / 8];
    char text[BITS_MAX / 4];
    int64_t bits = 256;
    size_t size;

    if (argc > 3) {
        command_subcommand_error(client, argv);
        return;
    }
    if (argc == 3 && !args_get_int64(client, &argv[2], &bits, NULL))
        return;
    if (bits <= 0 || bits > BITS_MAX) {
        reply_error(&client->reply, "ERR ACL GENPASS argument must be the number of bits for the output password, a positive "
                                    "number up to 4096");
        return;
    }
    size = ((size_t)bits + 3) / 4;
    if (getentropy(random, 256) != 0 || getentropy(random + 256, 256) != 0) {
        reply_errorf(&client->reply, "ERR no random numbers: %s", strerror(errno));
        return;
    }
    for (size_t i = 0; i < size; i++)
        text[i] = digits[(i % 2 ? random[i / 2] >> 4 : random[i / 2]) & 15];
    reply_bulk(&client->reply, text, size);
}

static void acl_log(struct client *client, const struct request_arg *argv, int argc)
{
    int64_t count = 10;

    if (argc > 3) {
        command_subcommand_error(client, argv);
        return;
    }
    if (argc == 3 && args_is(&argv[2], "reset")) {
        acl_log_clear();
        reply_ok(&client->reply);
        return;
    }
    if (argc == 3 && !args_get_int64(client, &argv[2], &count, NULL))
        return;
    acl_log_reply(&client->reply, count, client_now_ms(client));
}

/* ---- rows ------------------------------------------------------------------------------------------------------- */

#define OPEN_FLAGS (COMMAND_LOADING | COMMAND_STALE)
#define ADMIN_FLAGS (COMMAND_ADMIN | COMMAND_NOSCRIPT | OPEN_FLAGS)
#define ADMIN_CATEGORIES "@admin @slow @dangerous"
#define ROW(text, first, cost, arguments, count, bits, categories, function)                                           \
    .name = text, .since = first, .group = "server", .complexity = cost, .syntax = arguments, .arity = count,          \
    .flags = bits, .acl_categories = categories, .handler = function
#define PER_USER "O(N). Where N is the number of configured users."
#define PER_RULE "O(N). Where N is the number of rules provided."

const struct command acl_subcommands[] = {
    {ROW("cat", "6.0.0", "O(1) since the categories and commands are a fixed set.", "[categoryname]", -2,
         COMMAND_NOSCRIPT | OPEN_FLAGS, "@slow", acl_cat),
     .summary = "Lists the categories, or the commands of one"},
    {ROW("deluser", "6.0.0", "O(1) amortized time considering the typical user.", "username [username ...]", -3, ADMIN_FLAGS,
         ADMIN_CATEGORIES, acl_deluser),
     .summary = "Deletes users, and closes their connections"},
    {ROW("dryrun", "7.0.0", "O(1).", "username command [arg [arg ...]]", -4, ADMIN_FLAGS, ADMIN_CATEGORIES, acl_dryrun),
     .summary = "Tells whether a user may run a command, without running it"},
    {ROW("genpass", "6.0.0", "O(1)", "[bits]", -2, COMMAND_NOSCRIPT | OPEN_FLAGS, "@slow", acl_genpass),
     .summary = "Gives a random password"},
    {ROW("getuser", "6.0.0", "O(N). Where N is the number of password, command and pattern rules that the user has.",
         "username", 3, ADMIN_FLAGS, ADMIN_CATEGORIES, acl_getuser),
     .summary = "Tells a user's rules"},
    {ROW("help", "6.0.0", "O(1)", NULL, 2, OPEN_FLAGS, "@slow", command_help), .summary = "Lists the subcommands"},
    {ROW("list", "6.0.0", PER_USER, NULL, 2, ADMIN_FLAGS, ADMIN_CATEGORIES, acl_list),
     .summary = "Lists the users' rules, as a file has them"},
    {ROW("load", "6.0.0", PER_USER, NULL, 2, ADMIN_FLAGS, ADMIN_CATEGORIES, acl_load_command),
     .summary = "Reads the users from the file that aclfile names"},
    {ROW("log", "6.0.0", "O(N) with N being the number of entries shown.", "[count | RESET]", -2, ADMIN_FLAGS,
         ADMIN_CATEGORIES, acl_log),
     .summary = "Lists what was refused of late"},
    {ROW("save", "6.0.0", PER_USER, NULL, 2, ADMIN_FLAGS, ADMIN_CATEGORIES, acl_save_command),
     .summary = "Writes the users to the file that aclfile names"},
    {ROW("setuser", "6.0.0", PER_RULE, "username [rule [rule ...]]", -3, ADMIN_FLAGS, ADMIN_CATEGORIES, acl_setuser),
     .summary = "Makes or changes a user"},
    {ROW("users", "6.0.0", PER_USER, NULL, 2, ADMIN_FLAGS, ADMIN_CATEGORIES, acl_users), .summary = "Lists the users' names"},
    {ROW("whoami", "6.0.0", "O(1)", NULL, 2, COMMAND_NOSCRIPT | OPEN_FLAGS, "@slow", acl_whoami),
     .summary = "Gives the name of the connection's user"},
    {.name = NULL},
};
