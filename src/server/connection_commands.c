/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * connection_commands.c - PING, ECHO, QUIT, SELECT, HELLO, AUTH, RESET, and the rows of all commands about the
 * connection
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "acl.h"
#include "acl_log.h"
#include "args.h"
#include "command_help.h"
#include "command_table.h"
#include "config.h"
#include "multi.h"
#include "runtime.h"
#include "tracking.h"

#define WRONG_PASSWORD "WRONGPASS invalid username-password pair or user is disabled."

static void upper_case(char *to, const char *from, size_t size)
{
    size_t i;

    for (i = 0; i < size - 1 && from[i] != '\0'; i++)
        to[i] = (char)(from[i] >= 'a' && from[i] <= 'z' ? from[i] - 32 : from[i]);
    to[i] = '\0';
}

void command_syntax_error(struct client *client)
{
    reply_error(&client->reply, "ERR syntax error");
}

void command_subcommand_error(struct client *client, const struct request_arg *argv)
{
    const struct command *container = command_find(argv[0].data, argv[0].size);
    char name[COMMAND_FULL_NAME_SIZE];

    upper_case(name, container->name, sizeof(name));
    reply_errorf(&client->reply, "ERR unknown subcommand or wrong number of arguments for '%.*s'. Try %s HELP.",
                 (int)(argv[1].size < 128 ? argv[1].size : 128), argv[1].data, name);
}

int command_get_integer(struct client *client, const struct request_arg *arg, int64_t min, int64_t max,
                        const char *error, int64_t *value)
{
    int64_t number;

    if (!args_parse_int64(arg->data, arg->size, &number)) {
        reply_errorf(&client->reply, "ERR %s", error != NULL ? error : "value is not an integer or out of range");
        return 0;
    }
    if (number < min || number > max) {
        if (error != NULL)
            reply_errorf(&client->reply, "ERR %s", error);
        else
            reply_errorf(&client->reply, "ERR value is out of range, value must between %lld and %lld", (long long)min,
                         (long long)max);
        return 0;
    }
    *value = number;
    return 1;
}

/* The container is found by the request's first word: this handler serves all of them. */
void command_help(struct client *client, const struct request_arg *argv, int argc)
{
    const struct command *container = command_find(argv[0].data, argv[0].size);
    struct reply *reply = &client->reply;
    char name[COMMAND_FULL_NAME_SIZE], line[512];
    size_t count = 1, where = reply_array_later(reply);

    (void)argc;
    upper_case(name, container->name, sizeof(name));
    (void)snprintf(line, sizeof(line), "%s <subcommand> [<arg> [value] [opt] ...]. Subcommands are:", name);
    reply_status(reply, line);
    for (const struct command *sub = container->subcommands; sub->name != NULL; sub++) {
        if (sub->handler == command_help)
            continue;
        upper_case(name, sub->name, sizeof(name));
        (void)snprintf(line, sizeof(line), "%s%s%s", name, sub->syntax != NULL ? " " : "",
                       sub->syntax != NULL ? sub->syntax : "");
        reply_status(reply, line);
        (void)snprintf(line, sizeof(line), "    %s.", sub->summary);
        reply_status(reply, line);
        count += 2;
    }
    reply_status(reply, "HELP");
    reply_status(reply, "    Prints this help.");
    reply_array_set(reply, where, count + 2);
}

/* In the shape of a message. */
static void ping_subscribed(struct client *client, const struct request_arg *argv, int argc)
{
    reply_array(&client->reply, 2);
    reply_bulk_text(&client->reply, "pong");
    reply_bulk(&client->reply, argc == 2 ? argv[1].data : "", argc == 2 ? argv[1].size : 0);
}

static void ping(struct client *client, const struct request_arg *argv, int argc)
{
    if (argc > 2)
        reply_error(&client->reply, "ERR wrong number of arguments for 'ping' command");
    else if ((client->flags & CLIENT_PUBSUB) != 0 && client->reply.protocol == 2)
        ping_subscribed(client, argv, argc);
    else if (argc == 2)
        reply_bulk(&client->reply, argv[1].data, argv[1].size);
    else
        reply_raw(&client->reply, "+PONG\r\n", 7);
}

static void echo(struct client *client, const struct request_arg *argv, int argc)
{
    (void)argc;
    reply_bulk(&client->reply, argv[1].data, argv[1].size);
}

static void quit(struct client *client, const struct request_arg *argv, int argc)
{
    (void)argv;
    (void)argc;
    reply_ok(&client->reply);
    client->flags |= CLIENT_CLOSE_AFTER_REPLY;
}

static void select_command(struct client *client, const struct request_arg *argv, int argc)
{
    int64_t database;

    (void)argc;
    if (!command_get_integer(client, &argv[1], INT_MIN, INT_MAX, NULL, &database))
        return;
    if (database < 0 || database >= (int64_t)SDB_DATABASES) {
        reply_error(&client->reply, "ERR DB index is out of range");
        return;
    }
    client->database = (uint32_t)database;
    reply_ok(&client->reply);
}

int client_authenticate(struct client *client, struct request_arg user, struct request_arg password, const struct request_arg *command)
{
    if (user.data == NULL)
        user = (struct request_arg){ACL_DEFAULT_USER, sizeof(ACL_DEFAULT_USER) - 1};
    if (acl_authenticate(client, user.data, user.size, password.data, password.size))
        return 1;
    acl_log_add(client, ACL_TOP_LEVEL, ACL_LOG_AUTH, command, &user);
    return 0;
}

static void auth(struct client *client, const struct request_arg *argv, int argc)
{
    if (argc > 3) {
        command_syntax_error(client);
        return;
    }
    if (argc == 2 && acl_is_open()) {
        reply_error(&client->reply,
                    "ERR AUTH <password> called without any password configured for the default user. Are you "
                    "sure your configuration is correct?");
        return;
    }
    if (client_authenticate(client, argc == 3 ? argv[1] : (struct request_arg){0}, argv[argc - 1], &argv[0]))
        reply_ok(&client->reply);
    else
        reply_error(&client->reply, WRONG_PASSWORD);
}

static void reply_hello(struct client *client)
{
    struct reply *reply = &client->reply;

    reply_map(reply, 7);
    reply_bulk_text(reply, "server");
    reply_bulk_text(reply, "redis");
    reply_bulk_text(reply, "version");
    reply_bulk_text(reply, SERVER_REDIS_VERSION);
    reply_bulk_text(reply, "proto");
    reply_integer(reply, reply->protocol);
    reply_bulk_text(reply, "id");
    reply_integer(reply, (int64_t)client->id);
    reply_bulk_text(reply, "mode");
    reply_bulk_text(reply, "standalone");
    reply_bulk_text(reply, "role");
    reply_bulk_text(reply, "master");
    reply_bulk_text(reply, "modules");
    reply_array(reply, 0);
}

/* AUTH user password, SETNAME name. 1, or 0 after an error reply. */
static int take_hello_options(struct client *client, const struct request_arg *argv, int argc)
{
    for (int i = 2; i < argc; i++) {
        int left = argc - 1 - i;

        if (args_is(&argv[i], "auth") && left >= 2) {
            if (!client_authenticate(client, argv[i + 1], argv[i + 2], &argv[0])) {
                reply_error(&client->reply, WRONG_PASSWORD);
                return 0;
            }
            i += 2;
        } else if (args_is(&argv[i], "setname") && left >= 1) {
            if (!client_set_name(client, &argv[i + 1]))
                return 0;
            i++;
        } else {
            reply_errorf(&client->reply, "ERR Syntax error in HELLO option '%.*s'",
                         (int)(argv[i].size < 128 ? argv[i].size : 128), argv[i].data);
            return 0;
        }
    }
    return 1;
}

static void hello(struct client *client, const struct request_arg *argv, int argc)
{
    int64_t version = 0;

    if (argc >= 2) {
        if (!command_get_integer(client, &argv[1], INT64_MIN, INT64_MAX,
                                 "Protocol version is not an integer or out of range", &version))
            return;
        if (version < 2 || version > 3) {
            reply_error(&client->reply, "NOPROTO unsupported protocol version");
            return;
        }
    }
    if (!take_hello_options(client, argv, argc))
        return;
    if (!(client->flags & CLIENT_AUTHENTICATED) && !acl_is_open()) {
        reply_error(&client->reply,
                    "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO "
                    "AUTH <user> <pass> option can be used to authenticate the client and select the "
                    "RESP protocol version at the same time");
        return;
    }
    if (version != 0)
        client->reply.protocol = (uint8_t)version;
    reply_hello(client);
}

static void reset(struct client *client, const struct request_arg *argv, int argc)
{
    (void)argv;
    (void)argc;
    client->flags &= ~(unsigned)(CLIENT_REPLY_OFF | CLIENT_REPLY_SKIP_NEXT | CLIENT_REPLY_SKIP);
    acl_client_init(client);
    multi_discard(client);
    pubsub_forget(client);
    tracking_disable(client);
    client->database = 0;
    client->reply.protocol = 2;
    free(client->name);
    client->name = NULL;
    reply_status(&client->reply, "RESET");
}

/* No replicas: whatever number is waited for, none has confirmed. */
static void wait_command(struct client *client, const struct request_arg *argv, int argc)
{
    int64_t replicas, timeout;

    (void)argc;
    if (!command_get_integer(client, &argv[1], INT64_MIN, INT64_MAX, NULL, &replicas))
        return;
    if (!args_parse_int64(argv[2].data, argv[2].size, &timeout))
        reply_error(&client->reply, "ERR timeout is not an integer or out of range");
    else if (timeout < 0)
        reply_error(&client->reply, "ERR timeout is negative");
    else
        reply_integer(&client->reply, 0);
}

/* ---- rows ------------------------------------------------------------------------------------------------------- */

#define EARLY_FLAGS                                                                                                    \
    (COMMAND_NOSCRIPT | COMMAND_LOADING | COMMAND_STALE | COMMAND_FAST | COMMAND_NO_AUTH | COMMAND_ALLOW_BUSY)
#define FAST_CATEGORIES "@fast @connection"
#define ROW(text, first, cost, arguments, count, bits, categories, function)                                           \
    ROW_OF("connection", text, first, cost, arguments, count, bits, categories, function)
#define ROW_OF(of, text, first, cost, arguments, count, bits, categories, function)                                    \
    .name = text, .since = first, .group = of, .complexity = cost, .syntax = arguments, .arity = count, .flags = bits, \
    .acl_categories = categories, .handler = function

const struct command connection_commands[] = {
    {ROW("auth", "1.0.0", "O(1)", "[username] password", -2, EARLY_FLAGS, FAST_CATEGORIES, auth),
     .summary = "Authenticates the connection"},
    {ROW("client", "2.4.0", "Depends on subcommand.", NULL, -2, 0, "@slow", NULL), .subcommands = client_subcommands,
     .summary = "A container for commands about client connections"},
    {ROW("echo", "1.0.0", "O(1)", "message", 2, COMMAND_LOADING | COMMAND_STALE | COMMAND_FAST, FAST_CATEGORIES, echo),
     .summary = "Replies with its argument"},
    {ROW("hello", "6.0.0", "O(1)", "[protover [AUTH username password] [SETNAME clientname]]", -1, EARLY_FLAGS,
         FAST_CATEGORIES, hello),
     .summary = "Switches between RESP2 and RESP3, and tells about the server"},
    {ROW("ping", "1.0.0", "O(1)", "[message]", -1, COMMAND_FAST | COMMAND_SUBSCRIBED, FAST_CATEGORIES, ping),
     .summary = "Replies with PONG, or with its argument"},
    {ROW("quit", "1.0.0", "O(1)", NULL, -1, EARLY_FLAGS | COMMAND_UNQUEUED | COMMAND_SUBSCRIBED, FAST_CATEGORIES, quit), .summary = "Closes the connection"},
    {ROW("reset", "6.2.0", "O(1)", NULL, 1, EARLY_FLAGS | COMMAND_UNQUEUED | COMMAND_SUBSCRIBED, FAST_CATEGORIES, reset),
     .summary = "Puts the connection into the state of a new one"},
    {ROW("select", "1.0.0", "O(1)", "index", 2, COMMAND_LOADING | COMMAND_STALE | COMMAND_FAST, FAST_CATEGORIES,
         select_command),
     .summary = "Selects one of the 16 databases for this connection"},
    {ROW_OF("generic", "wait", "3.0.0", "O(1)", "numreplicas timeout", 3, COMMAND_NOSCRIPT, "@slow @connection",
            wait_command),
     .summary = "Waits until replicas have confirmed the connection's writes",
     .difference = "There are no replicas: it answers 0 at once. Writes are durable when they are acknowledged"},
    {.name = NULL},
};
