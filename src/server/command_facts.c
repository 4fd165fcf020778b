/* SPDX-License-Identifier: BSD-3-Clause */
/* command_facts.c - what COMMAND says of commands and their rows do not hold */
#include "command_facts.h"

#include <string.h>

#include "command_table.h"

/*
 * What the rows do not hold: how a command treats its keys (groups of keys apart by ';'), and hints for proxies.
 * Commands that are not named here treat keys as their flags write and readonly suggest.
 */
#define ALL_NODES_SPECIAL "nondeterministic_output request_policy:all_nodes response_policy:special"
#define SHARDS_ALL_SUCCEEDED "request_policy:all_shards response_policy:all_succeeded"
#define ALL_SHARDS_SPECIAL "nondeterministic_output request_policy:all_shards response_policy:special"

static const struct fact {
    const char *name, *keys, *tips;
} facts[] = {
    {"append", "RW insert", NULL},
    {"bitfield", "RW access update variable_flags", NULL},
    {"bitop", "OW update;RO access", NULL},
    {"blmove", "RW access delete;RW insert", NULL},
    {"blmpop", "RW access delete", NULL},
    {"blpop", "RW access delete", NULL},
    {"brpop", "RW access delete", NULL},
    {"brpoplpush", "RW access delete;RW insert", NULL},
    {"cluster|bumpepoch", NULL, "nondeterministic_output"},
    {"cluster|count-failure-reports", NULL, "nondeterministic_output"},
    {"cluster|getkeysinslot", NULL, "nondeterministic_output"},
    {"cluster|info", NULL, "nondeterministic_output"},
    {"cluster|links", NULL, "nondeterministic_output"},
    {"cluster|nodes", NULL, "nondeterministic_output"},
    {"cluster|replicas", NULL, "nondeterministic_output"},
    {"cluster|shards", NULL, "nondeterministic_output"},
    {"cluster|slaves", NULL, "nondeterministic_output"},
    {"cluster|slots", NULL, "nondeterministic_output"},
    {"client|info", NULL, "nondeterministic_output"},
    {"client|list", NULL, "nondeterministic_output"},
    {"command", NULL, "nondeterministic_output_order"},
    {"command|docs", NULL, "nondeterministic_output_order"},
    {"command|info", NULL, "nondeterministic_output_order"},
    {"command|list", NULL, "nondeterministic_output_order"},
    {"config|set", NULL, "request_policy:all_nodes response_policy:all_succeeded"},
    {"copy", "RO access;OW update", NULL},
    {"dbsize", NULL, "request_policy:all_shards response_policy:agg_sum"},
    {"decr", "RW access update", NULL},
    {"decrby", "RW access update", NULL},
    {"del", "RM delete", "request_policy:multi_shard response_policy:agg_sum"},
    {"dump", NULL, "nondeterministic_output"},
    {"eval", "RW access update", NULL},
    {"evalsha", "RW access update", NULL},
    {"exists", "RO", "request_policy:multi_shard response_policy:agg_sum"},
    {"fcall", "RW access update", NULL},
    {"flushall", NULL, "request_policy:all_shards response_policy:all_succeeded"},
    {"flushdb", NULL, "request_policy:all_shards response_policy:all_succeeded"},
    {"function|delete", NULL, SHARDS_ALL_SUCCEEDED},
    {"function|flush", NULL, SHARDS_ALL_SUCCEEDED},
    {"function|kill", NULL, "request_policy:all_shards response_policy:one_succeeded"},
    {"function|list", NULL, "nondeterministic_output_order"},
    {"function|load", NULL, SHARDS_ALL_SUCCEEDED},
    {"function|restore", NULL, SHARDS_ALL_SUCCEEDED},
    {"function|stats", NULL, ALL_SHARDS_SPECIAL},
    {"georadius", "RO access;OW update", NULL},
    {"georadiusbymember", "RO access;OW update", NULL},
    {"geosearchstore", "OW update;RO access", NULL},
    {"getdel", "RW access delete", NULL},
    {"getex", "RW access update", NULL},
    {"getset", "RW access update", NULL},
    {"hdel", "RW delete", NULL},
    {"hexists", "RO", NULL},
    {"hgetall", NULL, "nondeterministic_output_order"},
    {"hincrby", "RW access update", NULL},
    {"hincrbyfloat", "RW access update", NULL},
    {"hkeys", NULL, "nondeterministic_output_order"},
    {"hlen", "RO", NULL},
    {"hrandfield", NULL, "nondeterministic_output"},
    {"hscan", NULL, "nondeterministic_output"},
    {"hsetnx", "RW insert", NULL},
    {"hstrlen", "RO", NULL},
    {"hvals", NULL, "nondeterministic_output_order"},
    {"incr", "RW access update", NULL},
    {"incrby", "RW access update", NULL},
    {"incrbyfloat", "RW access update", NULL},
    {"info", NULL, ALL_SHARDS_SPECIAL},
    {"keys", NULL, "request_policy:all_shards nondeterministic_output_order"},
    {"lastsave", NULL, "nondeterministic_output"},
    {"latency|doctor", NULL, ALL_NODES_SPECIAL},
    {"latency|histogram", NULL, ALL_NODES_SPECIAL},
    {"latency|history", NULL, ALL_NODES_SPECIAL},
    {"latency|latest", NULL, ALL_NODES_SPECIAL},
    {"latency|reset", NULL, "request_policy:all_nodes response_policy:all_succeeded"},
    {"linsert", "RW insert", NULL},
    {"llen", "RO", NULL},
    {"lmove", "RW access delete;RW insert", NULL},
    {"lmpop", "RW access delete", NULL},
    {"lpop", "RW access delete", NULL},
    {"lpush", "RW insert", NULL},
    {"lpushx", "RW insert", NULL},
    {"lrem", "RW delete", NULL},
    {"ltrim", "RW delete", NULL},
    {"memory|doctor", NULL, ALL_SHARDS_SPECIAL},
    {"memory|malloc-stats", NULL, ALL_SHARDS_SPECIAL},
    {"memory|purge", NULL, "request_policy:all_shards response_policy:all_succeeded"},
    {"memory|stats", NULL, ALL_SHARDS_SPECIAL},
    {"memory|usage", "RO", NULL},
    {"mget", "RO access", "request_policy:multi_shard"},
    {"module|list", NULL, "nondeterministic_output_order"},
    {"move", "RW access update", NULL},
    {"mset", "OW update", "request_policy:multi_shard response_policy:all_succeeded"},
    {"msetnx", "OW insert", "request_policy:multi_shard response_policy:agg_min"},
    {"object|encoding", "RO", "nondeterministic_output"},
    {"object|freq", "RO", "nondeterministic_output"},
    {"object|idletime", "RO", "nondeterministic_output"},
    {"object|refcount", "RO", "nondeterministic_output"},
    {"pfadd", "RW insert", NULL},
    {"pfcount", "RW access", NULL},
    {"pfdebug", "RW access", NULL},
    {"pfmerge", "RW access insert;RO access", NULL},
    {"ping", NULL, "request_policy:all_shards response_policy:all_succeeded"},
    {"psetex", "OW update", NULL},
    {"pttl", "RO access", "nondeterministic_output"},
    {"randomkey", NULL, "request_policy:all_shards nondeterministic_output"},
    {"rename", "RW access delete;OW update", NULL},
    {"renamenx", "RW access delete;OW insert", NULL},
    {"rpop", "RW access delete", NULL},
    {"rpoplpush", "RW access delete;RW insert", NULL},
    {"rpush", "RW insert", NULL},
    {"rpushx", "RW insert", NULL},
    {"sadd", "RW insert", NULL},
    {"restore", "OW update", NULL},
    {"scan", NULL, "nondeterministic_output request_policy:special"},
    {"scard", "RO", NULL},
    {"script|exists", NULL, "request_policy:all_shards response_policy:agg_logical_and"},
    {"script|flush", NULL, "request_policy:all_nodes response_policy:all_succeeded"},
    {"script|kill", NULL, "request_policy:all_shards response_policy:one_succeeded"},
    {"script|load", NULL, "request_policy:all_nodes response_policy:all_succeeded"},
    {"sdiff", NULL, "nondeterministic_output_order"},
    {"sdiffstore", "OW update;RO access", NULL},
    {"set", "RW access update variable_flags", NULL},
    {"setbit", "RW access update", NULL},
    {"setex", "OW update", NULL},
    {"setnx", "OW insert", NULL},
    {"sinter", NULL, "nondeterministic_output_order"},
    {"sinterstore", "RW update;RO access", NULL},
    {"sismember", "RO", NULL},
    {"slowlog|get", NULL, "request_policy:all_nodes nondeterministic_output"},
    {"slowlog|len", NULL, "request_policy:all_nodes response_policy:agg_sum nondeterministic_output"},
    {"slowlog|reset", NULL, "request_policy:all_nodes response_policy:all_succeeded"},
    {"smembers", NULL, "nondeterministic_output_order"},
    {"smove", "RW access delete;RW insert", NULL},
    {"sort", "RO access;OW update", NULL},
    {"spop", "RW access delete", "nondeterministic_output"},
    {"spublish", "not_key", NULL},
    {"srandmember", NULL, "nondeterministic_output"},
    {"srem", "RW delete", NULL},
    {"sscan", NULL, "nondeterministic_output"},
    {"ssubscribe", "not_key", NULL},
    {"strlen", "RO", NULL},
    {"sunion", NULL, "nondeterministic_output_order"},
    {"sunionstore", "OW update;RO access", NULL},
    {"sunsubscribe", "not_key", NULL},
    {"time", NULL, "nondeterministic_output"},
    {"touch", "RO", "request_policy:multi_shard response_policy:agg_sum"},
    {"ttl", "RO access", "nondeterministic_output"},
    {"type", "RO", NULL},
    {"unlink", "RM delete", "request_policy:multi_shard response_policy:agg_sum"},
    {"wait", NULL, "request_policy:all_shards response_policy:agg_min"},
    {"watch", "RO", NULL},
    {"xadd", NULL, "nondeterministic_output"},
    {"xautoclaim", "RW delete", "nondeterministic_output"},
    {"xclaim", NULL, "nondeterministic_output"},
    {"xdel", "RW delete", NULL},
    {"xgroup|create", "RW insert", NULL},
    {"xgroup|createconsumer", "RW insert", NULL},
    {"xgroup|delconsumer", "RW delete", NULL},
    {"xgroup|destroy", "RW delete", NULL},
    {"xinfo|consumers", NULL, "nondeterministic_output"},
    {"xlen", "RO", NULL},
    {"xpending", NULL, "nondeterministic_output"},
    {"xreadgroup", "RO access", NULL},
    {"xtrim", "RW delete", "nondeterministic_output"},
    {"bzmpop", "RW access delete", NULL},
    {"bzpopmax", "RW access delete", NULL},
    {"bzpopmin", "RW access delete", NULL},
    {"zcard", "RO", NULL},
    {"zdiffstore", "OW update;RO access", NULL},
    {"zincrby", "RW access update", NULL},
    {"zinterstore", "OW update;RO access", NULL},
    {"zmpop", "RW access delete", NULL},
    {"zpopmax", "RW access delete", NULL},
    {"zpopmin", "RW access delete", NULL},
    {"zrandmember", NULL, "nondeterministic_output"},
    {"zrangestore", "OW update;RO access", NULL},
    {"zrem", "RW delete", NULL},
    {"zremrangebylex", "RW delete", NULL},
    {"zremrangebyrank", "RW delete", NULL},
    {"zremrangebyscore", "RW delete", NULL},
    {"zscan", NULL, "nondeterministic_output"},
    {"zunionstore", "OW update;RO access", NULL},
};

static const struct fact *fact_of(const struct command *command)
{
    char name[COMMAND_FULL_NAME_SIZE];

    command_full_name(command, name);
    for (size_t i = 0; i < sizeof(facts) / sizeof(facts[0]); i++)
        if (strcmp(facts[i].name, name) == 0)
            return &facts[i];
    return NULL;
}

const char *command_key_flags_of(const struct command *command)
{
    const struct fact *fact = fact_of(command);

    if (fact != NULL && fact->keys != NULL)
        return fact->keys;
    return command->flags & COMMAND_WRITE ? "RW update" : "RO access";
}

const char *command_tips_of(const struct command *command)
{
    const struct fact *fact = fact_of(command);

    return fact != NULL && fact->tips != NULL ? fact->tips : "";
}
