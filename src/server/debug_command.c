/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * debug_command.c - those parts of DEBUG that cannot harm the data
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "args.h"
#include "collections.h"
#include "command_help.h"
#include "config.h"
#include "errors.h"
#include "glob.h"
#include "log.h"

static void debug_sleep(struct client *client, const struct request_arg *argv)
{
    long double seconds;
    struct timespec time;

    if (!args_parse_long_double(argv[2].data, argv[2].size, &seconds) || !(seconds > 0))
        seconds = 0;
    if (seconds > 3600)
        seconds = 3600;
    time.tv_sec = (time_t)seconds;
    time.tv_nsec = (long)((seconds - (long double)time.tv_sec) * 1e9L);
    (void)nanosleep(&time, NULL);
    reply_ok(&client->reply);
}

static void debug_object(struct client *client, const struct request_arg *argv)
{
    struct sdb_stat stat;
    char text[256];
    const char *encoding;
    int result = sdb_stat(client->session, argv[2].data, argv[2].size, &stat);

    if (result == SDB_ENOTFOUND) {
        reply_error(&client->reply, "ERR no such key");
        return;
    }
    if (result != SDB_OK) {
        command_reply_error(client, result);
        return;
    }
    encoding = collections_encoding_name(&stat);
    (void)snprintf(
        text, sizeof(text),
        "Value at:%#llx refcount:1 encoding:%s serializedlength:%zu lru:0 lru_seconds_idle:0 version:%llu memory:%zu",
        (unsigned long long)stat.handle, encoding, stat.size, (unsigned long long)stat.version, stat.memory);
    reply_status(&client->reply, text);
}

/* Replies of each RESP3 type, which clients' tests ask for. */
/* What no command replies with: a number of any size, an attribute, a push in front of a reply. */
static void reply_of_resp3(struct reply *reply, const struct request_arg *type)
{
    static const char number[] = "(1234567999999999999999999999999999999\r\n";
    static const char attribute[] = "|1\r\n$14\r\nkey-popularity\r\n*2\r\n$7\r\nkey:123\r\n:90\r\n";
    static const char push[] = ">2\r\n$16\r\nserver-cpu-usage\r\n:42\r\n";
    const int is_3 = reply->protocol == 3;

    if (args_is(type, "bignum")) {
        if (is_3)
            reply_raw(reply, number, sizeof(number) - 1);
        else
            reply_bulk(reply, number + 1, sizeof(number) - 4);
    } else if (args_is(type, "attrib")) {
        if (is_3)
            reply_raw(reply, attribute, sizeof(attribute) - 1);
        reply_bulk_text(reply, "Some real reply following the attribute");
    } else if (is_3) {
        reply_raw(reply, push, sizeof(push) - 1);
        reply_bulk_text(reply, "Some real reply following the push reply");
    } else {
        reply_error(reply, "ERR RESP2 is not supported by this command");
    }
}

static void debug_protocol(struct client *client, const struct request_arg *argv)
{
    struct reply *reply = &client->reply;
    const struct request_arg *type = &argv[2];

    if (args_is(type, "string")) {
        reply_bulk_text(reply, "Hello World");
    } else if (args_is(type, "integer")) {
        reply_integer(reply, 12345);
    } else if (args_is(type, "double")) {
        reply_double(reply, 3.141);
    } else if (args_is(type, "null")) {
        reply_null(reply);
    } else if (args_is(type, "array") || args_is(type, "set")) {
        if (args_is(type, "set"))
            reply_set(reply, 3);
        else
            reply_array(reply, 3);
        for (int i = 0; i < 3; i++)
            reply_integer(reply, i);
    } else if (args_is(type, "map")) {
        reply_map(reply, 3);
        for (int i = 0; i < 3; i++) {
            reply_integer(reply, i);
            reply_boolean(reply, i == 1);
        }
    } else if (args_is(type, "bignum") || args_is(type, "attrib") || args_is(type, "push")) {
        reply_of_resp3(reply, type);
    } else if (args_is(type, "verbatim")) {
        static const char text[] = "This is a verbatim\nstring";
        reply_verbatim(reply, text, sizeof(text) - 1, "txt");
    } else if (args_is(type, "true")) {
        reply_boolean(reply, 1);
    } else if (args_is(type, "false")) {
        reply_boolean(reply, 0);
    } else {
        reply_error(
            reply,
            "ERR Wrong protocol type name. Please use one of the following: string|integer|double|bignum|null|array|set|"
            "map|attrib|push|verbatim|true|false");
    }
}

static void debug_help(struct client *client)
{
    static const char *const lines[] = {
        "DEBUG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        "ERROR <string>",
        "    Replies with an error of this text.",
        "LOG <message>",
        "    Writes a message to the server's log.",
        "OBJECT <key>",
        "    Describes how a key is kept.",
        "PROTOCOL <type>",
        "    Replies with a value of a type: string, integer, double, bignum, null, array, set, map, attrib, push, verbatim, true or false.",
        "SET-ACTIVE-EXPIRE <0|1>",
        "    Turns the background deletion of expired keys off or on.",
        "SLEEP <seconds>",
        "    Blocks the connection's worker thread for some seconds. Decimals are allowed.",
        "STRINGMATCH-LEN <length> <pattern>",
        "    Matches a pattern with so many letters.",
        "HELP",
        "    Prints this help.",
    };

    reply_array(&client->reply, sizeof(lines) / sizeof(lines[0]));
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
        reply_status(&client->reply, lines[i]);
}

static void debug_stringmatch(struct client *client, const struct request_arg *argv)
{
    int64_t length;
    char *letters;

    if (!command_get_integer(client, &argv[2], 0, 1 << 24, NULL, &length))
        return;
    letters = malloc((size_t)length + 1);
    if (letters == NULL) {
        client->reply.failed = 1;
        return;
    }
    memset(letters, 'a', (size_t)length);
    reply_integer(&client->reply, glob_match(argv[3].data, argv[3].size, letters, (size_t)length, 0));
    free(letters);
}

static void reply_text_as_error(struct client *client, const struct request_arg *arg)
{
    char *text = strndup(arg->data, arg->size);

    if (text == NULL) {
        client->reply.failed = 1;
        return;
    }
    for (char *c = text; *c != '\0'; c++)
        if (*c == '\r' || *c == '\n')
            *c = ' ';
    reply_raw(&client->reply, "-", 1);
    reply_raw(&client->reply, text, strlen(text));
    reply_raw(&client->reply, "\r\n", 2);
    free(text);
}

static int is_local(const struct client *client)
{
    return client->flags & CLIENT_UNIX_SOCKET || strncmp(client->address, "127.", 4) == 0 ||
           strncmp(client->address, "[::1]", 5) == 0 || strncmp(client->address, "::1", 3) == 0;
}

static int is_allowed(struct client *client)
{
    int who = CONFIG_READ(debug_command);

    if (who == CONFIG_DEBUG_YES || (who == CONFIG_DEBUG_LOCAL && is_local(client)))
        return 1;
    reply_error(&client->reply,
                "ERR DEBUG command not allowed. If the enable-debug-command option is set to \"local\", you can run "
                "it from a local connection, otherwise you need to set this option in the configuration file, "
                "and then restart the server.");
    return 0;
}

void debug_command(struct client *client, const struct request_arg *argv, int argc)
{
    if (!is_allowed(client))
        return;
    if (args_is(&argv[1], "help") && argc == 2) {
        debug_help(client);
    } else if (args_is(&argv[1], "sleep") && argc == 3) {
        debug_sleep(client, argv);
    } else if (args_is(&argv[1], "object") && argc == 3) {
        debug_object(client, argv);
    } else if (args_is(&argv[1], "protocol") && argc == 3) {
        debug_protocol(client, argv);
    } else if (args_is(&argv[1], "error") && argc == 3) {
        reply_text_as_error(client, &argv[2]);
    } else if (args_is(&argv[1], "log") && argc == 3) {
        log_message(LOG_LEVEL_WARNING, "DEBUG LOG: %.*s", (int)(argv[2].size < 1000 ? argv[2].size : 1000),
                    argv[2].data);
        reply_ok(&client->reply);
    } else if (args_is(&argv[1], "set-active-expire") && argc == 3) {
        __atomic_store_n(&config.active_expire, !(argv[2].size == 1 && argv[2].data[0] == '0'), __ATOMIC_RELAXED);
        reply_ok(&client->reply);
    } else if (args_is(&argv[1], "stringmatch-len") && argc == 4) {
        debug_stringmatch(client, argv);
    } else {
        reply_errorf(&client->reply, "ERR unknown subcommand or wrong number of arguments for '%.*s'. Try DEBUG HELP.",
                     (int)(argv[1].size < 128 ? argv[1].size : 128), argv[1].data);
    }
}
