/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * client_command.c - CLIENT and its subcommands
 *
 * Threads: run on the client's worker; other workers' clients are reached through client_list.h only.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "acl.h"
#include "args.h"
#include "block.h"
#include "client_list.h"
#include "clock.h"
#include "command_help.h"
#include "command_table.h"
#include "config.h"
#include "multi.h"
#include "tracking.h"
#include "tracking_commands.h"
#include "watch.h"

#define FLAGS_TEXT_SIZE 16 /* a letter for each of client_flags that CLIENT LIST shows */

/* ---- describing clients ----------------------------------------------------------------------------------------- */

static void flags_text(const struct client *client, char text[FLAGS_TEXT_SIZE])
{
    size_t at = 0;

    if (client->flags & CLIENT_PUBSUB)
        text[at++] = 'P';
    if (client->flags & CLIENT_MULTI)
        text[at++] = 'x';
    if (client->flags & CLIENT_BLOCKED)
        text[at++] = 'b';
    if (client->tracking != NULL) {
        text[at++] = 't';
        if (client->tracking->flags & TRACKING_BROKEN)
            text[at++] = 'R';
        if (client->tracking->flags & TRACKING_BCAST)
            text[at++] = 'B';
    }
    if (watch_is_touched(client))
        text[at++] = 'd';
    if (client->flags & CLIENT_CLOSE_AFTER_REPLY)
        text[at++] = 'c';
    if (client->flags & CLIENT_KILLED)
        text[at++] = 'A';
    if (client->flags & CLIENT_UNIX_SOCKET)
        text[at++] = 'U';
    if (client->flags & CLIENT_NO_EVICT)
        text[at++] = 'e';
    if (client->flags & CLIENT_NO_TOUCH)
        text[at++] = 'T';
    if (client->reply.protocol == 0) /* the binary protocol */
        text[at++] = 'B';
    if (at == 0)
        text[at++] = 'N';
    text[at] = '\0';
}

/* The line of CLIENT LIST, into a reply's buffer: names have no fixed length. */
void client_list_describe(struct reply *out, const struct client *client, int64_t now_ms)
{
    char flags[FLAGS_TEXT_SIZE], command[COMMAND_FULL_NAME_SIZE] = "NULL";
    const char *name = client->name != NULL ? client->name : "";
    const char *library = client->library_name != NULL ? client->library_name : "";
    const char *version = client->library_version != NULL ? client->library_version : "";
    size_t size = 768 + (client->user != NULL ? strlen(client->user->name) : 0) + strlen(name) + strlen(library) + strlen(version), buffers;
    char *to = reply_reserve(out, size);

    if (to == NULL)
        return;
    flags_text(client, flags);
    if (client->last_command != NULL)
        command_full_name(client->last_command, command);
    buffers = sizeof(*client) + client->query_bytes + client->reply.capacity + multi_memory(client);
    out->size += (size_t)snprintf(
        to, size,
        "id=%llu addr=%s laddr=%s fd=%d name=%s age=%lld idle=%lld flags=%s db=%u sub=%zu psub=%zu ssub=%zu multi=%d "
        "qbuf=%zu "
        "qbuf-free=0 argv-mem=0 multi-mem=%zu rbs=%zu rbp=%zu obl=%zu oll=0 omem=%zu tot-mem=%zu events=r cmd=%s user=%s "
        "redir=%lld resp=%u lib-name=%s lib-ver=%s\n",
        (unsigned long long)client->id, client->address, client->local_address, client->fd, name,
        (long long)((now_ms - client->created_ms) / 1000), (long long)((now_ms - client->last_active_ms) / 1000), flags,
        client->database, pubsub_count(client, PUBSUB_CHANNEL), pubsub_count(client, PUBSUB_PATTERN),
        pubsub_count(client, PUBSUB_SHARD), multi_count(client), client->query_bytes, multi_memory(client), client->reply.capacity, client->reply.size, client->reply.size,
        client->reply.capacity, buffers, command,
        client->user != NULL ? client->user->name : "",
        client->tracking == NULL ? -1LL : (long long)client->tracking->redirect, client->reply.protocol,
        library, version);
}

struct listing {
    struct reply text;
    int64_t now_ms;
    const struct request_arg *ids; /* NULL: all */
    int id_count;
    int class; /* -1: any */
};

static int is_wanted(const struct listing *listing, uint64_t id)
{
    int64_t wanted;

    if (listing->ids == NULL)
        return 1;
    for (int i = 0; i < listing->id_count; i++)
        if (args_parse_int64(listing->ids[i].data, listing->ids[i].size, &wanted) && (uint64_t)wanted == id)
            return 1;
    return 0;
}

static int list_one(void *context, const struct client *client)
{
    struct listing *listing = context;

    if (is_wanted(listing, client->id) && (listing->class < 0 || listing->class == client_class(client)))
        client_list_describe(&listing->text, client, listing->now_ms);
    return 0;
}

static void reply_listing(struct client *client, struct listing *listing)
{
    if (listing->text.failed)
        client->reply.failed = 1;
    else
        reply_verbatim(&client->reply, listing->text.data, listing->text.size, "txt");
    reply_free(&listing->text);
}

/* enum config_client_class; CONFIG_CLIENT_REPLICA is a type that has no clients here. -1: unknown. */
static int client_type(const struct request_arg *arg)
{
    if (args_is(arg, "normal"))
        return CONFIG_CLIENT_NORMAL;
    if (args_is(arg, "pubsub"))
        return CONFIG_CLIENT_PUBSUB;
    if (args_is(arg, "slave") || args_is(arg, "replica") || args_is(arg, "master"))
        return CONFIG_CLIENT_REPLICA;
    return -1;
}

static void refuse_type(struct client *client, const struct request_arg *arg)
{
    reply_errorf(&client->reply, "ERR Unknown client type '%.*s'", (int)(arg->size < 128 ? arg->size : 128), arg->data);
}

static void client_list(struct client *client, const struct request_arg *argv, int argc)
{
    struct listing listing = {.now_ms = clock_ms(), .ids = NULL, .id_count = 0, .class = -1};
    int64_t id;

    if (argc == 4 && args_is(&argv[2], "type")) {
        listing.class = client_type(&argv[3]);
        if (listing.class < 0) {
            refuse_type(client, &argv[3]);
            return;
        }
    } else if (argc > 3 && args_is(&argv[2], "id")) {
        for (int i = 3; i < argc; i++) {
            if (!args_parse_int64(argv[i].data, argv[i].size, &id)) {
                reply_error(&client->reply, "ERR Invalid client ID");
                return;
            }
        }
        listing.ids = argv + 3;
        listing.id_count = argc - 3;
    } else if (argc != 2) {
        command_syntax_error(client);
        return;
    }
    reply_init(&listing.text);
    client_list_each(client, list_one, &listing);
    reply_listing(client, &listing);
}

static void client_info(struct client *client, const struct request_arg *argv, int argc)
{
    struct listing listing = {.now_ms = clock_ms(), .ids = NULL, .id_count = 0, .class = -1};

    (void)argv;
    (void)argc;
    reply_init(&listing.text);
    client_list_describe(&listing.text, client, listing.now_ms);
    reply_listing(client, &listing);
}

/* ---- about oneself ---------------------------------------------------------------------------------------------- */

static void client_id(struct client *client, const struct request_arg *argv, int argc)
{
    (void)argv;
    (void)argc;
    reply_integer(&client->reply, (int64_t)client->id);
}

static void client_getname(struct client *client, const struct request_arg *argv, int argc)
{
    (void)argv;
    (void)argc;
    if (client->name != NULL)
        reply_bulk_text(&client->reply, client->name);
    else
        reply_null(&client->reply);
}

static int is_printable(const struct request_arg *arg)
{
    for (size_t i = 0; i < arg->size; i++)
        if (arg->data[i] < '!' || arg->data[i] > '~')
            return 0;
    return 1;
}

/* Replaces an owned string; an empty argument leaves none. */
static int replace_text(struct client *client, char **text, const struct request_arg *arg)
{
    char *copy = NULL;

    if (arg->size != 0) {
        copy = strndup(arg->data, arg->size);
        if (copy == NULL) {
            client->reply.failed = 1;
            return 0;
        }
    }
    free(*text);
    *text = copy;
    return 1;
}

int client_set_name(struct client *client, const struct request_arg *name)
{
    if (!is_printable(name)) {
        reply_error(&client->reply, "ERR Client names cannot contain spaces, newlines or special characters.");
        return 0;
    }
    return replace_text(client, &client->name, name);
}

static void client_setname(struct client *client, const struct request_arg *argv, int argc)
{
    (void)argc;
    if (client_set_name(client, &argv[2]))
        reply_ok(&client->reply);
}

static void client_setinfo(struct client *client, const struct request_arg *argv, int argc)
{
    int is_name = args_is(&argv[2], "lib-name");

    (void)argc;
    if (!is_name && !args_is(&argv[2], "lib-ver")) {
        reply_errorf(&client->reply, "ERR Unrecognized option '%.*s'", (int)(argv[2].size < 128 ? argv[2].size : 128),
                     argv[2].data);
        return;
    }
    if (!is_printable(&argv[3])) {
        reply_errorf(&client->reply, "ERR %s cannot contain spaces, newlines or special characters.",
                     is_name ? "lib-name" : "lib-ver");
        return;
    }
    if (replace_text(client, is_name ? &client->library_name : &client->library_version, &argv[3]))
        reply_ok(&client->reply);
}

static void client_reply(struct client *client, const struct request_arg *argv, int argc)
{
    (void)argc;
    if (args_is(&argv[2], "on")) {
        client->flags &= ~(unsigned)(CLIENT_REPLY_OFF | CLIENT_REPLY_SKIP);
        reply_ok(&client->reply);
    } else if (args_is(&argv[2], "off")) {
        client->flags |= CLIENT_REPLY_OFF;
    } else if (args_is(&argv[2], "skip")) {
        if (!(client->flags & CLIENT_REPLY_OFF))
            client->flags |= CLIENT_REPLY_SKIP_NEXT;
    } else {
        command_syntax_error(client);
    }
}

static void switch_flag(struct client *client, const struct request_arg *arg, uint32_t flag)
{
    if (args_is(arg, "on"))
        client->flags |= flag;
    else if (args_is(arg, "off"))
        client->flags &= ~flag;
    else {
        command_syntax_error(client);
        return;
    }
    reply_ok(&client->reply);
}

static void client_no_evict(struct client *client, const struct request_arg *argv, int argc)
{
    (void)argc;
    switch_flag(client, &argv[2], CLIENT_NO_EVICT);
}

static void client_no_touch(struct client *client, const struct request_arg *argv, int argc)
{
    (void)argc;
    switch_flag(client, &argv[2], CLIENT_NO_TOUCH);
}

/* ---- killing and pausing ---------------------------------------------------------------------------------------- */

/* What CLIENT KILL's options ask for; text copies, as arguments are not terminated. */
struct kill_request {
    struct client_filter filter;
    char address[128], local_address[128];
    int impossible; /* a type or a user that no client has */
};

static int take_address(char to[128], const char **field, const struct request_arg *arg)
{
    if (arg->size >= 128 || memchr(arg->data, '\0', arg->size) != NULL)
        return 0;
    memcpy(to, arg->data, arg->size);
    to[arg->size] = '\0';
    *field = to;
    return 1;
}

/* One option and its value. 1, or 0 after an error reply. */
static int take_kill_option(struct client *client, struct kill_request *request, const struct request_arg *option)
{
    const struct request_arg *value = option + 1;
    int64_t id;

    if (args_is(option, "id")) {
        if (!command_get_integer(client, value, 1, INT64_MAX, "client-id should be greater than 0", &id))
            return 0;
        request->filter.id = (uint64_t)id;
    } else if (args_is(option, "type")) {
        int type = client_type(value);
        if (type < 0) {
            refuse_type(client, value);
            return 0;
        }
        request->filter.class = type;
    } else if (args_is(option, "addr")) {
        request->impossible |= !take_address(request->address, &request->filter.address, value);
    } else if (args_is(option, "laddr")) {
        request->impossible |= !take_address(request->local_address, &request->filter.local_address, value);
    } else if (args_is(option, "user")) {
        struct acl_user *user = acl_find(value->data, value->size);

        acl_user_release(user);
        request->filter.user = value->data;
        request->filter.user_size = value->size;
        if (user == NULL) {
            reply_errorf(&client->reply, "ERR No such user '%.*s'", (int)(value->size < 128 ? value->size : 128),
                         value->data);
            return 0;
        }
    } else if (args_is(option, "skipme") && (args_is(value, "yes") || args_is(value, "no"))) {
        request->filter.skip_self = args_is(value, "yes");
    } else {
        command_syntax_error(client);
        return 0;
    }
    return 1;
}

static void client_kill(struct client *client, const struct request_arg *argv, int argc)
{
    struct kill_request request = {.filter = {.class = -1, .skip_self = argc > 3}, .impossible = 0};
    size_t killed;

    if (argc == 3) {
        request.impossible = !take_address(request.address, &request.filter.address, &argv[2]);
    } else {
        for (int i = 2; i < argc; i += 2) {
            if (i + 1 == argc) {
                command_syntax_error(client);
                return;
            }
            if (!take_kill_option(client, &request, &argv[i]))
                return;
        }
    }
    killed = request.impossible ? 0 : client_list_kill(client, &request.filter);
    if (argc > 3)
        reply_integer(&client->reply, (int64_t)killed);
    else if (killed > 0)
        reply_ok(&client->reply);
    else
        reply_error(&client->reply, "ERR No such client");
}

static void client_pause(struct client *client, const struct request_arg *argv, int argc)
{
    int writes_only = 0;
    int64_t timeout_ms, now_ms = clock_ms();

    if (argc > 4) {
        command_subcommand_error(client, argv);
        return;
    }
    if (argc == 4) {
        writes_only = args_is(&argv[3], "write");
        if (!writes_only && !args_is(&argv[3], "all")) {
            reply_error(&client->reply, "ERR CLIENT PAUSE mode must be WRITE or ALL");
            return;
        }
    }
    if (!args_parse_int64(argv[2].data, argv[2].size, &timeout_ms) || timeout_ms > INT64_MAX - now_ms) {
        reply_error(&client->reply, "ERR timeout is not an integer or out of range");
        return;
    }
    if (timeout_ms < 0) {
        reply_error(&client->reply, "ERR timeout is negative");
        return;
    }
    client_list_pause(client, now_ms + timeout_ms, writes_only);
    reply_ok(&client->reply);
}

static void client_unpause(struct client *client, const struct request_arg *argv, int argc)
{
    (void)argv;
    (void)argc;
    client_list_unpause(client);
    reply_ok(&client->reply);
}

/* No command blocks: there is nobody to wake. */
static void client_unblock(struct client *client, const struct request_arg *argv, int argc)
{
    int64_t id;

    if (argc > 4) {
        command_subcommand_error(client, argv);
        return;
    }
    if (argc == 4 && !args_is(&argv[3], "timeout") && !args_is(&argv[3], "error")) {
        reply_error(&client->reply, "ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR");
        return;
    }
    if (command_get_integer(client, &argv[2], INT64_MIN, INT64_MAX, NULL, &id))
        reply_integer(&client->reply, block_unblock((uint64_t)id, argc == 4 && args_is(&argv[3], "error")));
}

/* ---- rows ------------------------------------------------------------------------------------------------------- */

#define SELF_FLAGS (COMMAND_NOSCRIPT | COMMAND_LOADING | COMMAND_STALE)
#define ADMIN_FLAGS (COMMAND_ADMIN | SELF_FLAGS)
#define SELF_CATEGORIES "@slow @connection"
#define ADMIN_CATEGORIES "@admin @slow @dangerous @connection"
#define ROW(text, first, cost, arguments, count, bits, categories, function)                                           \
    .name = text, .since = first, .group = "connection", .complexity = cost, .syntax = arguments, .arity = count,      \
    .flags = bits, .acl_categories = categories, .handler = function

const struct command client_subcommands[] = {
    {ROW("caching", "6.0.0", "O(1)", "<YES | NO>", 3, SELF_FLAGS, SELF_CATEGORIES, client_caching),
     .summary = "Says whether the next command's keys are tracked"},
    {ROW("getname", "2.6.9", "O(1)", NULL, 2, SELF_FLAGS, SELF_CATEGORIES, client_getname),
     .summary = "Gives the connection's name"},
    {ROW("getredir", "6.0.0", "O(1)", NULL, 2, SELF_FLAGS, SELF_CATEGORIES, client_getredir),
     .summary = "Gives the id of the client that tracking messages are redirected to, -1 without tracking"},
    {ROW("help", "5.0.0", "O(1)", NULL, 2, COMMAND_LOADING | COMMAND_STALE, SELF_CATEGORIES, command_help),
     .summary = "Lists the subcommands"},
    {ROW("id", "5.0.0", "O(1)", NULL, 2, SELF_FLAGS, SELF_CATEGORIES, client_id),
     .summary = "Gives the connection's id, a number that is never used twice while the server runs"},
    {ROW("info", "6.2.0", "O(1)", NULL, 2, SELF_FLAGS, SELF_CATEGORIES, client_info),
     .summary = "Describes the connection in the form of CLIENT LIST",
     .difference = "The fields lib-name and lib-ver of later versions are there"},
    {ROW("kill", "2.4.0", "O(N) where N is the number of client connections",
         "<ip:port | <[ID client-id] | [TYPE <NORMAL | MASTER | SLAVE | REPLICA | PUBSUB>] | [USER username] | "
         "[ADDR ip:port] | [LADDR ip:port] | [SKIPME yes/no]> [...]>",
         -3, ADMIN_FLAGS, ADMIN_CATEGORIES, client_kill),
     .summary = "Closes connections by address, id, type or user"},
    {ROW("list", "2.4.0", "O(N) where N is the number of client connections",
         "[TYPE <NORMAL | MASTER | REPLICA | PUBSUB>] [ID client-id [client-id ...]]", -2, ADMIN_FLAGS,
         ADMIN_CATEGORIES, client_list),
     .summary = "Describes the connections, a line each",
     .difference = "The fields lib-name and lib-ver of later versions are there; clients are listed worker by worker"},
    {ROW("no-evict", "7.0.0", "O(1)", "<ON | OFF>", 3, ADMIN_FLAGS, ADMIN_CATEGORIES, client_no_evict),
     .summary = "Marks the connection as one not to be evicted",
     .difference = "No client is ever evicted: the mark only shows"},
    {ROW("no-touch", "7.2.0", "O(1)", "<ON | OFF>", 3, SELF_FLAGS, SELF_CATEGORIES, client_no_touch),
     .summary = "Marks the connection's reads as ones that do not count as use of a key",
     .difference = "From Redis 7.2; the mark only shows: reads count as use of a key nevertheless"},
    {ROW("pause", "2.9.50", "O(1)", "timeout [WRITE | ALL]", -3, ADMIN_FLAGS, ADMIN_CATEGORIES, client_pause),
     .summary = "Holds back all commands, or those that write, for some milliseconds"},
    {ROW("reply", "3.2.0", "O(1)", "<ON | OFF | SKIP>", 3, SELF_FLAGS, SELF_CATEGORIES, client_reply),
     .summary = "Turns replies on or off, or skips the next one"},
    {ROW("setinfo", "7.2.0", "O(1)", "<LIB-NAME libname | LIB-VER libver>", 4, SELF_FLAGS, SELF_CATEGORIES,
         client_setinfo),
     .summary = "Tells the name or the version of the client's library", .difference = "From Redis 7.2"},
    {ROW("setname", "2.6.9", "O(1)", "connection-name", 3, SELF_FLAGS, SELF_CATEGORIES, client_setname),
     .summary = "Gives the connection a name"},
    {ROW("tracking", "6.0.0", "O(1)",
         "<ON | OFF> [REDIRECT client-id] [PREFIX prefix [PREFIX prefix ...]] [BCAST] [OPTIN] [OPTOUT] [NOLOOP]", -3,
         SELF_FLAGS, SELF_CATEGORIES, client_tracking),
     .summary = "Turns client-side caching on or off",
     .difference = "Messages leave behind the fence of what changed the keys; those to other threads' clients may come later than to "
                   "the thread's own"},
    {ROW("trackinginfo", "6.2.0", "O(1)", NULL, 2, SELF_FLAGS, SELF_CATEGORIES, client_trackinginfo),
     .summary = "Tells how client-side caching stands on this connection"},
    {ROW("unblock", "5.0.0", "O(log N) where N is the number of client connections", "client-id [TIMEOUT | ERROR]", -3,
         ADMIN_FLAGS, ADMIN_CATEGORIES, client_unblock),
     .summary = "Wakes a client that waits in a blocking command"},
    {ROW("unpause", "6.2.0", "O(N) where N is the number of paused clients", NULL, 2, ADMIN_FLAGS, ADMIN_CATEGORIES,
         client_unpause),
     .summary = "Ends CLIENT PAUSE"},
    {.name = NULL},
};
