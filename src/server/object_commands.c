/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * object_commands.c - OBJECT ENCODING, FREQ, IDLETIME, REFCOUNT, HELP: answered as Redis would for such a value
 * Threads: the client's own. Memory: none.
 */
#include "args.h"
#include "client.h"
#include "collections.h"
#include "errors.h"
#include "evict.h"
#include "key_handlers.h"

#define SHARED_INTEGERS 10000 /* Redis keeps one object for each of the integers below */
#define SHARED_REFERENCES 2147483647

/* Looks argv[2] up. 1, or 0 after the reply: null where there is no such key. */
static int find(struct client *client, const struct request_arg *argv, struct sdb_stat *stat)
{
    int result = sdb_stat(client->session, argv[2].data, argv[2].size, stat);

    if (result == SDB_OK)
        return 1;
    if (result == SDB_ENOTFOUND)
        reply_null(&client->reply);
    else
        command_reply_error(client, result);
    return 0;
}

void object_encoding_command(struct client *client, const struct request_arg *argv, int argc)
{
    struct sdb_stat stat;

    (void)argc;
    if (find(client, argv, &stat))
        reply_bulk_text(&client->reply, collections_encoding_name(&stat));
}

void object_freq_command(struct client *client, const struct request_arg *argv, int argc)
{
    struct sdb_stat stat;

    (void)argc;
    if (!find(client, argv, &stat))
        return;
    if (evict_counts_frequency())
        reply_integer(&client->reply, stat.frequency);
    else
        reply_error(&client->reply,
                    "An LFU maxmemory policy is not selected, access frequency not tracked. Please note that "
                    "when switching between policies at runtime LRU and LFU data will take some time to "
                    "adjust.");
}

void object_idletime_command(struct client *client, const struct request_arg *argv, int argc)
{
    struct sdb_stat stat;

    (void)argc;
    if (!find(client, argv, &stat))
        return;
    if (evict_counts_frequency())
        reply_error(&client->reply,
                    "An LFU maxmemory policy is selected, idle time not tracked. Please note that when switching between "
                    "policies at runtime LRU and LFU data will take some time to adjust.");
    else
        reply_integer(&client->reply, (int64_t)(stat.idle_ms / 1000));
}

void object_refcount_command(struct client *client, const struct request_arg *argv, int argc)
{
    struct sdb_view view;
    int64_t number;
    int shared;
    int result = sdb_view(client->session, argv[2].data, argv[2].size, &view);

    (void)argc;
    if (result == SDB_ENOTFOUND) {
        reply_null(&client->reply);
        return;
    }
    if (result == SDB_ETYPE) {
        reply_integer(&client->reply, 1);
        return;
    }
    if (result != SDB_OK) {
        command_reply_error(client, result);
        return;
    }
    shared = view.encoding == SDB_ENCODING_INT && args_parse_int64(view.data, view.size, &number) && number >= 0 &&
             number < SHARED_INTEGERS;
    sdb_view_release(client->session, &view);
    reply_integer(&client->reply, shared ? SHARED_REFERENCES : 1);
}

void object_help_command(struct client *client, const struct request_arg *argv, int argc)
{
    static const char *const lines[] = {
        "OBJECT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        "ENCODING <key>",
        "    Return the kind of internal representation used in order to store the value",
        "    associated with a <key>.",
        "FREQ <key>",
        "    Return the access frequency index of the <key>. The returned integer is",
        "    proportional to the logarithm of the recent access frequency of the key.",
        "IDLETIME <key>",
        "    Return the idle time of the <key>, that is the approximated number of",
        "    seconds elapsed since the last access to the key.",
        "REFCOUNT <key>",
        "    Return the number of references of the value associated with the specified",
        "    <key>.",
        "HELP",
        "    Prints this help.",
    };
    const size_t count = sizeof(lines) / sizeof(lines[0]);

    (void)argv;
    (void)argc;
    reply_array(&client->reply, count);
    for (size_t i = 0; i < count; i++)
        reply_status(&client->reply, lines[i]);
}
