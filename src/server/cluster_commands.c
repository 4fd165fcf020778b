/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * cluster_commands.c - CLUSTER, ASKING, REPLICAOF, MODULE: what clients and monitors ask of a server that has no cluster, no
 * replicas and no modules, answered as Redis answers without them
 * Threads: the client's own. Memory: none.
 */
#include "args.h"
#include "client.h"
#include "command.h"
#include "command_help.h"

static void refuse_cluster(struct client *client, const struct request_arg *argv, int argc)
{
    (void)argv;
    (void)argc;
    reply_error(&client->reply, "ERR This instance has cluster support disabled");
}

static void replicaof(struct client *client, const struct request_arg *argv, int argc)
{
    (void)argc;
    if (args_is(&argv[1], "no") && args_is(&argv[2], "one"))
        reply_ok(&client->reply);
    else
        reply_error(&client->reply, "ERR There is no replication: this server is a master, and stays one");
}

static void module_list(struct client *client, const struct request_arg *argv, int argc)
{
    (void)argv;
    (void)argc;
    reply_array(&client->reply, 0);
}

static void refuse_module(struct client *client, const struct request_arg *argv, int argc)
{
    (void)argv;
    (void)argc;
    reply_error(&client->reply,
                "ERR MODULE command not allowed. If the enable-module-command option is set to \"local\", you can run it from a "
                "local connection, otherwise you need to set this option in the configuration file, and then restart the server.");
}

/* ---- rows ------------------------------------------------------------------------------------------------------- */

#define ALONE "There is no cluster: it answers as Redis does without one"
#define LOOK_FLAGS COMMAND_STALE
#define LOOK_CATEGORIES "@slow"
#define CHANGE_FLAGS (COMMAND_ADMIN | COMMAND_STALE | COMMAND_NO_ASYNC_LOADING)
#define ADMIN_CATEGORIES "@admin @slow @dangerous"
#define ROW(of, text, first, arguments, count, bits, categories, function)                                             \
    .name = text, .since = first, .group = of, .complexity = "O(1)", .syntax = arguments, .arity = count,              \
    .flags = bits, .acl_categories = categories, .handler = function
#define LOOK(text, first, arguments, count)                                                                            \
    ROW("cluster", text, first, arguments, count, LOOK_FLAGS, LOOK_CATEGORIES, refuse_cluster)
#define CHANGE(text, first, arguments, count)                                                                          \
    ROW("cluster", text, first, arguments, count, CHANGE_FLAGS, ADMIN_CATEGORIES, refuse_cluster)

static const struct command cluster_subcommands[] = {
    {CHANGE("addslots", "3.0.0", "slot [slot ...]", -3), .summary = "Would give slots to the node"},
    {CHANGE("addslotsrange", "7.0.0", "start-slot end-slot [start-slot end-slot ...]", -4),
     .summary = "Would give ranges of slots to the node"},
    {CHANGE("bumpepoch", "3.0.0", NULL, 2), .summary = "Would advance the cluster's epoch"},
    {ROW("cluster", "count-failure-reports", "3.0.0", "node-id", 3, COMMAND_ADMIN | COMMAND_STALE, ADMIN_CATEGORIES, refuse_cluster),
     .summary = "Would count the failure reports about a node"},
    {LOOK("countkeysinslot", "3.0.0", "slot", 3), .summary = "Would count the keys of a slot"},
    {CHANGE("delslots", "3.0.0", "slot [slot ...]", -3), .summary = "Would take slots from the node"},
    {CHANGE("delslotsrange", "7.0.0", "start-slot end-slot [start-slot end-slot ...]", -4),
     .summary = "Would take ranges of slots from the node"},
    {CHANGE("failover", "3.0.0", "[FORCE | TAKEOVER]", -2), .summary = "Would make a replica the master"},
    {CHANGE("flushslots", "3.0.0", NULL, 2), .summary = "Would take all slots from the node"},
    {CHANGE("forget", "3.0.0", "node-id", 3), .summary = "Would remove a node"},
    {LOOK("getkeysinslot", "3.0.0", "slot count", 4), .summary = "Would give keys of a slot"},
    {ROW("cluster", "help", "5.0.0", NULL, 2, COMMAND_LOADING | COMMAND_STALE, LOOK_CATEGORIES, refuse_cluster),
     .summary = "Would give a text about the subcommands"},
    {LOOK("info", "3.0.0", NULL, 2), .summary = "Would describe the cluster"},
    {LOOK("keyslot", "3.0.0", "key", 3), .summary = "Would give a key's slot"},
    {LOOK("links", "7.0.0", NULL, 2), .summary = "Would give the links to other nodes"},
    {CHANGE("meet", "3.0.0", "ip port [cluster-bus-port]", -4), .summary = "Would make the node meet another"},
    {LOOK("myid", "3.0.0", NULL, 2), .summary = "Would give the node's id"},
    {LOOK("nodes", "3.0.0", NULL, 2), .summary = "Would give the nodes"},
    {ROW("cluster", "replicas", "5.0.0", "node-id", 3, COMMAND_ADMIN | COMMAND_STALE, ADMIN_CATEGORIES, refuse_cluster),
     .summary = "Would give a master's replicas"},
    {CHANGE("replicate", "3.0.0", "node-id", 3), .summary = "Would make the node a replica"},
    {ROW("cluster", "reset", "3.0.0", "[HARD | SOFT]", -2, COMMAND_ADMIN | COMMAND_STALE | COMMAND_NOSCRIPT, ADMIN_CATEGORIES,
         refuse_cluster),
     .summary = "Would make the node forget the cluster"},
    {CHANGE("saveconfig", "3.0.0", NULL, 2), .summary = "Would write the cluster's state to disk"},
    {CHANGE("set-config-epoch", "3.0.0", "config-epoch", 3), .summary = "Would set a new node's epoch"},
    {CHANGE("setslot", "3.0.0", "slot <IMPORTING node-id | MIGRATING node-id | NODE node-id | STABLE>", -4),
     .summary = "Would bind a slot to a node"},
    {LOOK("shards", "7.0.0", NULL, 2), .summary = "Would give the shards"},
    {ROW("cluster", "slaves", "3.0.0", "node-id", 3, COMMAND_ADMIN | COMMAND_STALE, ADMIN_CATEGORIES, refuse_cluster),
     .summary = "Would give a master's replicas"},
    {LOOK("slots", "3.0.0", NULL, 2), .summary = "Would give the slots and who has them"},
    {.name = NULL},
};

#define MODULE_FLAGS (COMMAND_ADMIN | COMMAND_NOSCRIPT | COMMAND_NO_ASYNC_LOADING)
#define NO_MODULES "There are no modules: it answers as Redis does with enable-module-command no"

static const struct command module_subcommands[] = {
    {ROW("server", "help", "5.0.0", NULL, 2, COMMAND_LOADING | COMMAND_STALE, LOOK_CATEGORIES, command_help),
     .summary = "Lists the subcommands"},
    {ROW("server", "list", "4.0.0", NULL, 2, COMMAND_ADMIN | COMMAND_NOSCRIPT, ADMIN_CATEGORIES, module_list),
     .summary = "Lists the modules", .difference = "There are none"},
    {ROW("server", "load", "4.0.0", "path [arg [arg ...]]", -3, MODULE_FLAGS, ADMIN_CATEGORIES, refuse_module),
     .summary = "Would load a module", .difference = NO_MODULES},
    {ROW("server", "loadex", "7.0.0", "path [CONFIG name value [name value ...]] [ARGS arg [arg ...]]", -3, MODULE_FLAGS, ADMIN_CATEGORIES,
         refuse_module),
     .summary = "Would load a module with options", .difference = NO_MODULES},
    {ROW("server", "unload", "4.0.0", "name", 3, MODULE_FLAGS, ADMIN_CATEGORIES, refuse_module),
     .summary = "Would unload a module", .difference = NO_MODULES},
    {.name = NULL},
};

#define REPLICA_FLAGS (COMMAND_ADMIN | COMMAND_NOSCRIPT | COMMAND_STALE | COMMAND_NO_ASYNC_LOADING)
#define NO_REPLICATION "There is no replication: NO ONE is answered with OK, anything else is an error"

const struct command cluster_commands[] = {
    {ROW("cluster", "asking", "3.0.0", NULL, 1, COMMAND_FAST, "@fast @connection", refuse_cluster),
     .summary = "Would let the next command use a slot that is being moved", .difference = ALONE},
    {ROW("cluster", "cluster", "3.0.0", NULL, -2, 0, "@slow", NULL), .subcommands = cluster_subcommands,
     .summary = "A container for commands about a cluster", .difference = ALONE},
    {ROW("cluster", "readonly", "3.0.0", NULL, 1, COMMAND_LOADING | COMMAND_STALE | COMMAND_FAST, "@fast @connection", refuse_cluster),
     .summary = "Allows reads from a cluster's replicas", .difference = ALONE},
    {ROW("cluster", "readwrite", "3.0.0", NULL, 1, COMMAND_LOADING | COMMAND_STALE | COMMAND_FAST, "@fast @connection",
         refuse_cluster),
     .summary = "Takes READONLY back", .difference = ALONE},
    {ROW("server", "module", "4.0.0", NULL, -2, 0, "@slow", NULL), .subcommands = module_subcommands,
     .summary = "A container for commands about modules"},
    {ROW("server", "replicaof", "5.0.0", "host port", 3, REPLICA_FLAGS, ADMIN_CATEGORIES, replicaof),
     .summary = "Makes the server a replica of another, or a master", .difference = NO_REPLICATION},
    {ROW("server", "slaveof", "1.0.0", "host port", 3, REPLICA_FLAGS, ADMIN_CATEGORIES, replicaof),
     .summary = "Makes the server a replica of another, or a master", .difference = NO_REPLICATION},
    {.name = NULL},
};
