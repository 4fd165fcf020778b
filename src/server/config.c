/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * config.c - the table of options
 *
 * Threads: numbers are stored atomically (relaxed). text_lock guards what is not a number and may change at run time.
 */
#include "config.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>

#include "acl.h"
#include "bits.h"
#include "collections.h"
#include "config_option.h"
#include "config_words.h"
#include "evict.h"
#include "lock.h"
#include "log.h"
#include "notify.h"
#include "runtime.h"
#include "slowlog.h"
#include "split.h"
#include "superdb/superdb.h"

enum option_kind { KIND_INT, KIND_LONG, KIND_SIZE, KIND_BOOL, KIND_CHOICE, KIND_STRING, KIND_SPECIAL, KIND_CONSTANT };

struct config config;

static struct lock text_lock = LOCK_INIT;
static __thread char error_buffer[512];

static const char *say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* ---- options with a shape of their own -------------------------------------------------------------------------- */

static void free_words(char **words, int count)
{
    for (int i = 0; i < count; i++) {
        free(words[i]);
        words[i] = NULL;
    }
}

/* "" means all interfaces, as an empty list does. */
static int set_bind(char **words, int count, const char **error)
{
    char *addresses[CONFIG_BIND_MAX] = {NULL};
    int used = 0;

    if (count > CONFIG_BIND_MAX) {
        *error = "Too many bind addresses specified.";
        return -1;
    }
    if (count == 1 && words[0][0] == '\0')
        count = 0;
    /* The addresses are shown as words between blanks (CONFIG GET, REWRITE): each must be one. */
    for (int i = 0; i < count; i++) {
        if (words[i][0] == '\0' || strpbrk(words[i], " \t\n\v\f\r\"'") != NULL) {
            *error = "an address is empty, or has blanks or quotes in it";
            return -1;
        }
    }
    for (int i = 0; i < count; i++, used++) {
        addresses[used] = strdup(words[i]);
        if (addresses[used] == NULL) {
            free_words(addresses, used);
            *error = "out of memory";
            return -1;
        }
    }
    free_words(config.bind, config.bind_count);
    memcpy(config.bind, addresses, sizeof(addresses));
    config.bind_count = used;
    return 0;
}

static char *text_bind(void)
{
    size_t size = 1, at = 0;
    char *text;

    for (int i = 0; i < config.bind_count; i++)
        size += strlen(config.bind[i]) + 1;
    text = calloc(1, size);
    for (int i = 0; text != NULL && i < config.bind_count; i++)
        at += (size_t)snprintf(text + at, size - at, "%s%s", i > 0 ? " " : "", config.bind[i]);
    return text;
}

static int set_password(char **words, int count, const char **error)
{
    char *password = strdup(words[0]), *old;

    (void)count;
    if (password == NULL) {
        *error = "out of memory";
        return -1;
    }
    lock_acquire(&text_lock);
    old = config.requirepass;
    config.requirepass = password;
    lock_release(&text_lock);
    free(old);
    if (acl_set_default_password(password) == 0)
        return 0;
    *error = "the password was not taken: it is too long, or there is no memory";
    return -1;
}

char *config_password(void)
{
    char *copy;

    lock_acquire(&text_lock);
    copy = strdup(config.requirepass != NULL ? config.requirepass : "");
    lock_release(&text_lock);
    return copy;
}

static int set_percentiles(char **words, int count, const char **error)
{
    double values[CONFIG_PERCENTILES_MAX];
    int used = 0;
    char *end;

    if (count == 1 && words[0][0] == '\0')
        count = 0;
    if (count > CONFIG_PERCENTILES_MAX) {
        *error = say("at most %d percentiles", CONFIG_PERCENTILES_MAX);
        return -1;
    }
    for (int i = 0; i < count; i++, used++) {
        values[i] = strtod(words[i], &end);
        if (end == words[i] || *end != '\0' || !(values[i] >= 0.0 && values[i] <= 100.0)) {
            *error = "latency-tracking-info-percentiles parameters should sit between [0.0,100.0]";
            if (end == words[i] || *end != '\0')
                *error = "Invalid latency-tracking-info-percentiles parameters";
            return -1;
        }
    }
    lock_acquire(&text_lock);
    memcpy(config.percentiles, values, (size_t)used * sizeof(values[0]));
    config.percentiles_count = used;
    lock_release(&text_lock);
    return 0;
}

static int set_notifications(char **words, int count, const char **error)
{
    if (count == 1 && notify_set(words[0]))
        return 0;
    *error = "Invalid event class character. Use 'Ag$lshzxeKEtmdn'.";
    return -1;
}

int config_percentiles(double percentiles[CONFIG_PERCENTILES_MAX])
{
    int count;

    lock_acquire(&text_lock);
    count = config.percentiles_count;
    memcpy(percentiles, config.percentiles, sizeof(config.percentiles));
    lock_release(&text_lock);
    return count;
}

static char *text_percentiles(void)
{
    double values[CONFIG_PERCENTILES_MAX];
    int count = config_percentiles(values);
    char text[CONFIG_PERCENTILES_MAX * 32] = "";
    size_t at = 0;

    for (int i = 0; i < count; i++)
        at += (size_t)snprintf(text + at, sizeof(text) - at, i > 0 ? " %.10g" : "%.10g", values[i]);
    return strdup(text);
}

static const char *const client_classes[CONFIG_CLIENT_CLASSES] = {"normal", "slave", "pubsub"};

static int client_class(const char *name)
{
    if (strcasecmp(name, "replica") == 0)
        return CONFIG_CLIENT_REPLICA;
    for (int i = 0; i < CONFIG_CLIENT_CLASSES; i++)
        if (strcasecmp(name, client_classes[i]) == 0)
            return i;
    return -1;
}

static int set_output_limits(char **words, int count, const char **error)
{
    struct config_output_limit limits[CONFIG_CLIENT_CLASSES];

    if (count == 0 || count % 4 != 0) {
        *error = "Wrong number of arguments in buffer limit configuration.";
        return -1;
    }
    memcpy(limits, config.output_limits, sizeof(limits));
    for (int i = 0; i < count; i += 4) {
        int class = client_class(words[i]);
        struct config_output_limit limit;

        if (class < 0) {
            *error = "Invalid client class specified in buffer limit configuration.";
            return -1;
        }
        if (config_parse_size(words[i + 1], &limit.hard) != 0 || config_parse_size(words[i + 2], &limit.soft) != 0 ||
            config_parse_number(words[i + 3], 10, &limit.soft_seconds) != 0 || limit.soft_seconds < 0) {
            *error = "Error in hard, soft or soft_seconds setting in buffer limit configuration.";
            return -1;
        }
        limits[class] = limit;
    }
    for (int i = 0; i < CONFIG_CLIENT_CLASSES; i++) {
        __atomic_store_n(&config.output_limits[i].hard, limits[i].hard, __ATOMIC_RELAXED);
        __atomic_store_n(&config.output_limits[i].soft, limits[i].soft, __ATOMIC_RELAXED);
        __atomic_store_n(&config.output_limits[i].soft_seconds, limits[i].soft_seconds, __ATOMIC_RELAXED);
    }
    return 0;
}

static char *text_output_limits(void)
{
    char text[320];
    size_t at = 0;

    for (int i = 0; i < CONFIG_CLIENT_CLASSES; i++)
        at += (size_t)snprintf(text + at, sizeof(text) - at, "%s%s %lld %lld %lld", i > 0 ? " " : "", client_classes[i],
                               (long long)CONFIG_READ(output_limits[i].hard),
                               (long long)CONFIG_READ(output_limits[i].soft),
                               (long long)CONFIG_READ(output_limits[i].soft_seconds));
    return strdup(text);
}

/* ---- carrying changes out --------------------------------------------------------------------------------------- */

static int apply_loglevel(const char **error)
{
    (void)error;
    log_set_level((enum log_level)CONFIG_READ(loglevel));
    return 0;
}

static int apply_slowlog(const char **error)
{
    (void)error;
    slowlog_trim();
    return 0;
}

static int apply_limits(const char **error)
{
    (void)error;
    collections_apply_limits();
    return 0;
}

/* Each client takes a descriptor; 32 are left for everything else. */
static int apply_maxclients(const char **error)
{
    rlim_t wanted = (rlim_t)CONFIG_READ(maxclients) + 32;
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted)
        return 0;
    if (limit.rlim_max < wanted) {
        *error = say("The operating system is not able to handle the specified number of clients, try with %lld",
                     (long long)limit.rlim_max - 32);
        return -1;
    }
    limit.rlim_cur = wanted;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0) {
        *error = "The operating system is not able to handle the specified number of clients";
        return -1;
    }
    return 0;
}

static int apply_pool_size(const char **error)
{
    int64_t size = CONFIG_READ(pool_size);

    if (runtime.pool == NULL || size == 0 || sdb_resize(runtime.pool, (uint64_t)size) == SDB_OK)
        return 0;
    *error = say("%s", sdb_last_error());
    return -1;
}

/* ---- the table -------------------------------------------------------------------------------------------------- */

static const struct config_choice io_backends[] = {
    {"auto", CONFIG_IO_AUTO}, {"uring", CONFIG_IO_URING}, {"epoll", CONFIG_IO_EPOLL}, {NULL, 0}};
static const struct config_choice creations[] = {
    {"no", CONFIG_CREATE_NO}, {"absent", CONFIG_CREATE_ABSENT}, {"empty", CONFIG_CREATE_EMPTY}, {NULL, 0}};
static const struct config_choice placements[] = {
    {"no", CONFIG_NUMA_NO}, {"auto", CONFIG_NUMA_AUTO}, {"always", CONFIG_NUMA_ALWAYS}, {NULL, 0}};
static const struct config_choice durabilities[] = {{"auto", SDB_DURABILITY_AUTO},
                                                    {"pmem", SDB_DURABILITY_PMEM},
                                                    {"msync", SDB_DURABILITY_MSYNC},
                                                    {"process", SDB_DURABILITY_PROCESS},
                                                    {NULL, 0}};
static const struct config_choice policies[] = {{"volatile-lru", EVICT_VOLATILE_LRU},
                                                {"volatile-lfu", EVICT_VOLATILE_LFU},
                                                {"volatile-random", EVICT_VOLATILE_RANDOM},
                                                {"volatile-ttl", EVICT_VOLATILE_TTL},
                                                {"allkeys-lru", EVICT_ALL_LRU},
                                                {"allkeys-lfu", EVICT_ALL_LFU},
                                                {"allkeys-random", EVICT_ALL_RANDOM},
                                                {"noeviction", EVICT_NONE},
                                                {NULL, 0}};
static const struct config_choice loglevels[] = {{"debug", CONFIG_LOG_DEBUG},
                                                 {"verbose", CONFIG_LOG_VERBOSE},
                                                 {"notice", CONFIG_LOG_NOTICE},
                                                 {"warning", CONFIG_LOG_WARNING},
                                                 {NULL, 0}};
static const struct config_choice channel_choices[] = {{"allchannels", 1}, {"resetchannels", 0}, {NULL, 0}};
static const struct config_choice debug_choices[] = {
    {"no", CONFIG_DEBUG_NO}, {"yes", CONFIG_DEBUG_YES}, {"local", CONFIG_DEBUG_LOCAL}, {NULL, 0}};

#define FIELD(name) offsetof(struct config, name)
#define INT(name, field, standard, low, high, flags, apply, help)                                                      \
    {                                                                                                                  \
        name, NULL, standard, help, KIND_INT, flags, FIELD(field), low, high, NULL, NULL, NULL, apply                  \
    }
#define LONG(name, field, standard, low, high, flags, apply, help)                                                     \
    {                                                                                                                  \
        name, NULL, standard, help, KIND_LONG, flags, FIELD(field), low, high, NULL, NULL, NULL, apply                 \
    }
#define SIZE(name, field, standard, low, high, flags, apply, help)                                                     \
    {                                                                                                                  \
        name, NULL, standard, help, KIND_SIZE, flags, FIELD(field), low, high, NULL, NULL, NULL, apply                 \
    }
#define LIMIT(name, alias, field, standard, low, kind, help)                                                           \
    {                                                                                                                  \
        name, alias, standard, help, kind, OPTION_SETTABLE, FIELD(field), low, INT64_MAX, NULL, NULL, NULL, apply_limits \
    }
#define NUMBER(name, field, standard, low, high, help)                                                                    \
    {                                                                                                                  \
        name, NULL, standard, help, KIND_LONG, OPTION_SETTABLE, FIELD(field), low, high, NULL, NULL, NULL, NULL         \
    }
#define BOOL(name, field, standard, flags, help)                                                                       \
    {                                                                                                                  \
        name, NULL, standard, help, KIND_BOOL, flags, FIELD(field), 0, 1, NULL, NULL, NULL, NULL                       \
    }
#define CHOICE(name, field, standard, choices, flags, apply, help)                                                     \
    {                                                                                                                  \
        name, NULL, standard, help, KIND_CHOICE, flags, FIELD(field), 0, 0, choices, NULL, NULL, apply                 \
    }
#define STRING(name, field, standard, help)                                                                            \
    {                                                                                                                  \
        name, NULL, standard, help, KIND_STRING, 0, FIELD(field), 0, 0, NULL, NULL, NULL, NULL                         \
    }
#define SPECIAL(name, standard, flags, set, text, help)                                                                \
    {                                                                                                                  \
        name, NULL, standard, help, KIND_SPECIAL, flags, 0, 0, 0, NULL, set, text, NULL                                \
    }
#define FIXED(name, alias, value, why, flags)                                                                          \
    {                                                                                                                  \
        name, alias, value, why, KIND_CONSTANT, OPTION_SETTABLE | OPTION_WORDS | OPTION_CONSTANT | (flags), 0, 0, 0,   \
            NULL, NULL, NULL, NULL                                                                                     \
    }
/* Whoever asks for something else misses something that matters: refused. CONSTANT: it does not, see config_ignored.h. */
#define REFUSING(name, alias, value, why) FIXED(name, alias, value, why, 0)
#define CONSTANT(name, alias, value, why) FIXED(name, alias, value, why, OPTION_IGNORABLE)

#define WHY_DURABLE "every write is durable when it is acknowledged: there is nothing to save"
#define WHY_SINGLE "there is no replication and no cluster"
#define WHY_THREADS "see threads"
#define WHY_TREES "large collections are trees of nodes of one size"
#define WHY_FREE "memory is given back in the background in any case"

static const struct config_option options[] = {
    SPECIAL("bind", "127.0.0.1 -::1", OPTION_WORDS, set_bind, text_bind,
            "addresses to listen on; with a '-' in front it is no error where one is not available; \"\" for all"),
    INT("port", port, "6379", 0, 65535, 0, NULL, "TCP port; 0: no TCP"),
    STRING("unixsocket", unixsocket, "", "path of a unix socket to listen on"),
    INT("unixsocketperm", unixsocketperm, "0", 0, 0777, OPTION_OCTAL, NULL, "its permissions, octal; 0: by the umask"),
    INT("threads", threads, "0", 0, 1024, 0, NULL, "worker threads; 0: one for each core"),
    CHOICE("numa-placement", numa_placement, "auto", placements, 0, NULL,
           "binds each worker to a CPU, those of the pool's node first; auto: where there are several nodes"),
    CHOICE("io-backend", io_backend, "auto", io_backends, 0, NULL, "auto takes io_uring where the kernel allows it"),
    INT("tcp-backlog", tcp_backlog, "511", 0, INT32_MAX, 0, NULL, "connections that may wait to be accepted"),
    INT("tcp-keepalive", tcp_keepalive, "300", 0, INT32_MAX, OPTION_SETTABLE, NULL, "seconds between probes; 0: none"),
    INT("maxclients", maxclients, "10000", 1, INT32_MAX - 64, OPTION_SETTABLE, apply_maxclients,
        "connections at a time"),
    INT("timeout", timeout, "0", 0, INT32_MAX, OPTION_SETTABLE, NULL,
        "closes a client idle for so many seconds; 0: never"),
    SPECIAL("requirepass", "", OPTION_SETTABLE | OPTION_SENSITIVE, set_password, config_password,
            "the password of AUTH; \"\": none"),
    BOOL("protected-mode", protected_mode, "yes", OPTION_SETTABLE,
         "refuses clients from other machines while there is no password"),
    SPECIAL("client-output-buffer-limit", "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60",
            OPTION_SETTABLE | OPTION_WORDS | OPTION_REPEATS, set_output_limits, text_output_limits,
            "class, hard limit, soft limit, seconds above the soft one: closes clients that do not read"),
    SIZE("client-query-buffer-limit", client_query_buffer_limit, "1gb", 1 << 20, INT64_MAX, OPTION_SETTABLE, NULL,
         "closes a client whose unfinished request is larger"),
    SIZE("proto-max-bulk-len", proto_max_bulk_len, "512mb", 1 << 20, INT64_MAX, OPTION_SETTABLE, NULL,
         "the largest argument that is taken"),
    LIMIT("hash-max-listpack-entries", "hash-max-ziplist-entries", hash_max_listpack_entries, "512", 0, KIND_LONG,
          "fields of a small hash"),
    LIMIT("hash-max-listpack-value", "hash-max-ziplist-value", hash_max_listpack_value, "64", 0, KIND_SIZE,
          "bytes of a field or value of a small hash"),
    LIMIT("list-max-listpack-size", "list-max-ziplist-size", list_max_listpack_size, "-2", INT32_MIN, KIND_LONG,
          "elements of a small list; a negative number: small is what a list of a kilobyte is"),
    LIMIT("set-max-intset-entries", NULL, set_max_intset_entries, "512", 0, KIND_LONG, "members of a small set of integers"),
    LIMIT("zset-max-listpack-entries", "zset-max-ziplist-entries", zset_max_listpack_entries, "128", 0, KIND_LONG,
          "members of a small sorted set"),
    LIMIT("zset-max-listpack-value", "zset-max-ziplist-value", zset_max_listpack_value, "64", 0, KIND_SIZE,
          "bytes of a member of a small sorted set"),
    NUMBER("stream-node-max-entries", stream_node_max_entries, "100", 0, INT64_MAX,
           "entries of a stream that go together where ~ is given; 0: 100"),
    SIZE("hll-sparse-max-bytes", hll_sparse_max_bytes, "3000", 0, INT64_MAX / 2, OPTION_SETTABLE, NULL,
         "a HyperLogLog that would grow beyond becomes dense"),
    STRING("pool", pool, "superdb.pool", "the pool's file"),
    CHOICE("pool-create", pool_create, "absent", creations, 0, NULL,
           "when a new pool is made: absent, where there is no file; empty, also over one that is empty or all zeros; no, never"),
    SIZE("pool-size", pool_size, "auto", 0, INT64_MAX, OPTION_SETTABLE | OPTION_AUTO, apply_pool_size,
         "of a new pool, auto: 1gb; CONFIG SET grows the open one"),
    SIZE("pool-size-max", pool_size_max, "auto", 0, INT64_MAX, OPTION_AUTO, NULL,
         "how far a new pool can grow; auto: 64 times pool-size"),
    SIZE("maxmemory", maxmemory, "0", 0, INT64_MAX, OPTION_SETTABLE, evict_apply,
         "how much of the pool keys, values and index may take; 0: all of it"),
    CHOICE("maxmemory-policy", maxmemory_policy, "noeviction", policies, OPTION_SETTABLE, evict_apply,
           "which keys go when there is no room: noeviction, volatile-ttl, allkeys- or volatile- with lru, lfu, random"),
    INT("maxmemory-samples", maxmemory_samples, "5", 1, INT32_MAX, OPTION_SETTABLE, NULL, "keys that are looked at for each that goes"),
    INT("maxmemory-eviction-tenacity", maxmemory_eviction_tenacity, "10", 0, 100, OPTION_SETTABLE, NULL,
        "how long a command may take to evict: 0 not at all, 10 half a millisecond, 100 as long as it takes"),
    INT("lfu-log-factor", lfu_log_factor, "10", 0, INT32_MAX, OPTION_SETTABLE, evict_apply,
        "the larger the more uses a frequency stands for"),
    INT("lfu-decay-time", lfu_decay_time, "1", 0, INT32_MAX, OPTION_SETTABLE, evict_apply,
        "minutes without use that lower a frequency by one; 0: it stays"),
    INT("pool-shards", pool_shards, "0", 0, 1024, 0, NULL, "of a new pool, a power of two; 0: by size"),
    CHOICE("durability", durability, "auto", durabilities, 0, NULL,
           "what an acknowledged write must survive: auto, pmem, msync (a power cut), process (a kill)"),
    SIZE("cache-size", cache_size, "auto", -1, INT64_MAX, OPTION_AUTO, NULL,
         "of the hot-handle cache in DRAM; 0: none"),
    INT("hz", hz, "10", 0, INT32_MAX, OPTION_SETTABLE, NULL, "rounds of background work a second, 1 to 500"),
    LONG("scrub-interval", scrub_interval, "604800", 0, INT32_MAX, OPTION_SETTABLE, NULL,
         "seconds from one search for damage to the next; 0: only SDB.SCRUB"),
    SIZE("scrub-rate", scrub_rate, "4194304", 0, INT64_MAX, OPTION_SETTABLE, NULL, "bytes a second that a round which begins looks at; 0: no limit"),
    INT("busy-poll", busy_poll, "50", 0, 1000000, OPTION_SETTABLE, NULL,
        "microseconds that an idle worker waits in a loop before it sleeps"),
    CHOICE("loglevel", loglevel, "notice", loglevels, OPTION_SETTABLE, apply_loglevel,
           "debug, verbose, notice, warning"),
    STRING("logfile", logfile, "", "\"\": standard output"),
    STRING("pidfile", pidfile, "", "receives the process id; \"\": none"),
    STRING("aclfile", aclfile, "", "the file that keeps the users; \"\": none, they stand in the configuration"),
    STRING("dir", dir, ".", "the working directory; relative paths start there"),
    LONG("slowlog-log-slower-than", slowlog_log_slower_than, "10000", -1, INT64_MAX, OPTION_SETTABLE, NULL,
         "microseconds; 0: every command, -1: none"),
    LONG("acllog-max-len", acllog_max_len, "128", 0, INT64_MAX, OPTION_SETTABLE, NULL, "refusals kept for ACL LOG"),
    CHOICE("acl-pubsub-default", acl_all_channels, "resetchannels", channel_choices, OPTION_SETTABLE, NULL,
           "which channels a new user may use"),
    LONG("slowlog-max-len", slowlog_max_len, "128", 0, INT64_MAX, OPTION_SETTABLE, apply_slowlog, "entries kept"),
    BOOL("latency-tracking", latency_tracking, "yes", OPTION_SETTABLE, "keeps a histogram for each command"),
    SPECIAL("latency-tracking-info-percentiles", "50 99 99.9", OPTION_SETTABLE | OPTION_WORDS, set_percentiles,
            text_percentiles, "those that INFO latencystats shows"),
    LONG("latency-monitor-threshold", latency_monitor_threshold, "0", 0, INT64_MAX, OPTION_SETTABLE, NULL,
         "milliseconds from which LATENCY remembers events; 0: none"),
    LONG("tracking-table-max-keys", tracking_table_max_keys, "1000000", 0, INT64_MAX, OPTION_SETTABLE, NULL,
         "keys that are remembered for clients that cache; 0: no limit"),
    SPECIAL("notify-keyspace-events", "", OPTION_SETTABLE, set_notifications, notify_letters,
            "which changes of keys are published: letters as Redis has them"),
    {"busy-reply-threshold", "lua-time-limit", "5000",
     "milliseconds that a script runs before the other clients are told that the server is busy", KIND_LONG, OPTION_SETTABLE,
     FIELD(busy_reply_threshold), 0, INT64_MAX / 1000000, NULL, NULL, NULL, NULL},
    SIZE("lua-memory-limit", lua_memory_limit, "1gb", 1 << 20, INT64_MAX / 2, 0, NULL,
         "what the scripts of one thread may take, and its functions: beyond it they meet an error"),
    CHOICE("enable-debug-command", debug_command, "local", debug_choices, 0, NULL,
           "who may run DEBUG: no, yes, or local (loopback and unix sockets)"),
    /* What monitoring tools, clients and load generators read. */
    CONSTANT("databases", NULL, "16", "a pool has 16 databases"),
    CONSTANT("daemonize", NULL, "no", "start the server under a service manager"),
    CONSTANT("supervised", NULL, "no", "the server stays in the foreground"),
    CONSTANT("save", NULL, "", WHY_DURABLE),
    CONSTANT("appendonly", NULL, "no", WHY_DURABLE),
    CONSTANT("appendfsync", NULL, "always", WHY_DURABLE),
    CONSTANT("stop-writes-on-bgsave-error", NULL, "no", WHY_DURABLE),
    CONSTANT("maxmemory-clients", NULL, "0", "see client-output-buffer-limit and client-query-buffer-limit"),
    REFUSING("replicaof", "slaveof", "", WHY_SINGLE),
    REFUSING("min-replicas-to-write", "min-slaves-to-write", "0", WHY_SINGLE),
    REFUSING("cluster-enabled", NULL, "no", WHY_SINGLE),
    CONSTANT("io-threads", NULL, "1", WHY_THREADS),
    CONSTANT("io-threads-do-reads", NULL, "no", WHY_THREADS),
    CONSTANT("dynamic-hz", NULL, "no", "see hz"),
    CONSTANT("activerehashing", NULL, "no", "the index grows a segment at a time"),
    CONSTANT("list-compress-depth", NULL, "0", WHY_TREES),
    CONSTANT("stream-node-max-bytes", NULL, "4096", WHY_TREES),
    CONSTANT("activedefrag", NULL, "no", "entries never move"),
    CONSTANT("lazyfree-lazy-eviction", NULL, "yes", WHY_FREE),
    CONSTANT("lazyfree-lazy-expire", NULL, "yes", WHY_FREE),
    CONSTANT("lazyfree-lazy-server-del", NULL, "yes", WHY_FREE),
    CONSTANT("lazyfree-lazy-user-del", NULL, "yes", WHY_FREE),
    CONSTANT("lazyfree-lazy-user-flush", NULL, "yes", WHY_FREE),
    CONSTANT("enable-protected-configs", NULL, "no", "protected options are set when the server starts"),
    CONSTANT("enable-module-command", NULL, "no", "there are no modules"),
    CONSTANT("always-show-logo", NULL, "no", "there is none"),
    CONSTANT("syslog-enabled", NULL, "no", "see logfile"),
    REFUSING("tls-port", NULL, "0", "there is no TLS: put a proxy in front"),
};

size_t config_option_count(void)
{
    return sizeof(options) / sizeof(options[0]);
}

const struct config_option *config_option_at(size_t index)
{
    return &options[index];
}

const struct config_option *config_option_find(const char *name, size_t size)
{
    for (size_t i = 0; i < config_option_count(); i++) {
        const struct config_option *option = &options[i];
        if (strlen(option->name) == size && strncasecmp(option->name, name, size) == 0)
            return option;
        if (option->alias != NULL && strlen(option->alias) == size && strncasecmp(option->alias, name, size) == 0)
            return option;
    }
    return NULL;
}

const char *config_option_refusal(const char *name)
{
    static const struct {
        const char *name, *why;
    } refused[] = {
        {"rename-command", "commands cannot be renamed; guard the server with requirepass and bind"},
        {"loadmodule", "there are no modules"},
    };

    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
        if (strcasecmp(refused[i].name, name) == 0)
            return refused[i].why;
    return NULL;
}

/* ---- setting and showing ---------------------------------------------------------------------------------------- */

static const char *say(const char *format, ...)
{
    char text[sizeof(error_buffer)];
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    memcpy(error_buffer, text, sizeof(text));
    return error_buffer;
}

static void *field_of(const struct config_option *option)
{
    return (char *)&config + option->offset;
}

static void store(const struct config_option *option, int64_t value)
{
    if (option->kind == KIND_LONG || option->kind == KIND_SIZE)
        __atomic_store_n((int64_t *)field_of(option), value, __ATOMIC_RELAXED);
    else
        __atomic_store_n((int *)field_of(option), (int)value, __ATOMIC_RELAXED);
}

static int64_t load(const struct config_option *option)
{
    if (option->kind == KIND_LONG || option->kind == KIND_SIZE)
        return __atomic_load_n((int64_t *)field_of(option), __ATOMIC_RELAXED);
    return __atomic_load_n((int *)field_of(option), __ATOMIC_RELAXED);
}

static int parse_value(const struct config_option *option, const char *word, int64_t *value, const char **error)
{
    int octal = (option->flags & OPTION_OCTAL) != 0;

    if (option->kind == KIND_SIZE) {
        if (option->flags & OPTION_AUTO && strcasecmp(word, "auto") == 0)
            *value = option->min;
        else if (config_parse_size(word, value) != 0 && config_parse_number(word, 10, value) != 0) {
            *error = "argument must be a memory value";
            return -1;
        }
    } else if (config_parse_number(word, octal ? 8 : 10, value) != 0) {
        *error =
            octal ? "argument couldn't be parsed as an octal number" : "argument couldn't be parsed into an integer";
        return -1;
    }
    if (*value < option->min || *value > option->max) {
        *error = octal ? say("argument must be between %llo and %llo inclusive", (unsigned long long)option->min,
                             (unsigned long long)option->max)
                       : say("argument must be between %lld and %lld inclusive", (long long)option->min,
                             (long long)option->max);
        return -1;
    }
    return 0;
}

static int set_number(const struct config_option *option, const char *word, const char **error)
{
    int64_t value;

    if (parse_value(option, word, &value, error) != 0)
        return -1;
    if (option->offset == FIELD(hz))
        value = value < 1 ? 1 : value > 500 ? 500 : value;
    if (option->offset == FIELD(pool_shards) && value != 0 && !bits_is_power((uint64_t)value)) {
        *error = "argument must be a power of two, or 0";
        return -1;
    }
    store(option, value);
    return 0;
}

static int set_bool(const struct config_option *option, const char *word, const char **error)
{
    int yes = strcasecmp(word, "yes") == 0;

    if (!yes && strcasecmp(word, "no") != 0) {
        *error = "argument must be 'yes' or 'no'";
        return -1;
    }
    store(option, yes);
    return 0;
}

static int set_choice(const struct config_option *option, const char *word, const char **error)
{
    char names[256] = "";
    size_t at = 0;

    for (const struct config_choice *choice = option->choices; choice->name != NULL; choice++) {
        if (strcasecmp(choice->name, word) == 0) {
            store(option, choice->value);
            return 0;
        }
        at += (size_t)snprintf(names + at, sizeof(names) - at, at > 0 ? ", %s" : "%s", choice->name);
    }
    *error = say("argument(s) must be one of the following: %s", names);
    return -1;
}

static int set_string(const struct config_option *option, const char *word, const char **error)
{
    char **field = field_of(option), *copy = NULL;

    /* of a path that may be left out, NULL says so; the others are never NULL */
    if (word[0] != '\0' || option->offset != FIELD(unixsocket))
        copy = strdup(word);
    if (copy == NULL && !(word[0] == '\0' && option->offset == FIELD(unixsocket))) {
        *error = "out of memory";
        return -1;
    }
    free(*field);
    *field = copy;
    return 0;
}

static int set_constant(const struct config_option *option, char **words, int count, const char **error)
{
    if (count == 1 && strcasecmp(words[0], option->standard) == 0)
        return 0;
    if (option->standard[0] == '\0')
        *error = say("can only be empty: %s", option->help);
    else
        *error = say("can only be '%s': %s", option->standard, option->help);
    return -1;
}

int config_option_set(const struct config_option *option, char **words, int count, const char **error)
{
    if (count == 0 || (count > 1 && !(option->flags & OPTION_WORDS))) {
        *error = "wrong number of arguments";
        return -1;
    }
    switch ((enum option_kind)option->kind) {
    case KIND_INT:
    case KIND_LONG:
    case KIND_SIZE:
        return set_number(option, words[0], error);
    case KIND_BOOL:
        return set_bool(option, words[0], error);
    case KIND_CHOICE:
        return set_choice(option, words[0], error);
    case KIND_STRING:
        return set_string(option, words[0], error);
    case KIND_SPECIAL:
        return option->set(words, count, error);
    case KIND_CONSTANT:
        return set_constant(option, words, count, error);
    }
    return -1;
}

static char *text_number(const struct config_option *option)
{
    char text[32];
    int64_t value = load(option);

    if (option->flags & OPTION_AUTO && value == option->min)
        return strdup("auto");
    (void)snprintf(text, sizeof(text), option->flags & OPTION_OCTAL ? "%llo" : "%lld", (long long)value);
    return strdup(text);
}

char *config_option_text(const struct config_option *option)
{
    char *const *field = field_of(option);

    switch ((enum option_kind)option->kind) {
    case KIND_INT:
    case KIND_LONG:
    case KIND_SIZE:
        return text_number(option);
    case KIND_BOOL:
        return strdup(load(option) ? "yes" : "no");
    case KIND_CHOICE:
        for (const struct config_choice *choice = option->choices; choice->name != NULL; choice++)
            if (choice->value == load(option))
                return strdup(choice->name);
        return strdup("");
    case KIND_STRING:
        return strdup(*field != NULL ? *field : "");
    case KIND_SPECIAL:
        return option->text();
    case KIND_CONSTANT:
        return strdup(option->standard);
    }
    return NULL;
}

int config_init(void)
{
    for (size_t i = 0; i < config_option_count(); i++) {
        const struct config_option *option = &options[i];
        char *words[CONFIG_WORDS_MAX], empty[] = "", *first = empty;
        const char *error;
        int count, result;

        if (option->kind == KIND_CONSTANT)
            continue;
        count = option->flags & OPTION_WORDS ? split_words(option->standard, words, CONFIG_WORDS_MAX) : 0;
        if (count < 0)
            return -1;
        if (count > 0) {
            result = config_option_set(option, words, count, &error);
            free(words[0]);
        } else {
            char *copy = strdup(option->standard);
            first = copy;
            result = copy != NULL ? config_option_set(option, &first, 1, &error) : -1;
            free(copy);
        }
        if (result != 0)
            return -1;
    }
    config.databases = SDB_DATABASES;
    config.active_expire = 1;
    return 0;
}

void config_free(void)
{
    char **strings[] = {&config.file,    &config.unixsocket, &config.pool,       &config.logfile,
                        &config.pidfile, &config.dir,        &config.requirepass, &config.aclfile};

    free_words(config.bind, config.bind_count);
    for (size_t i = 0; i < sizeof(strings) / sizeof(strings[0]); i++)
        free(*strings[i]);
    memset(&config, 0, sizeof(config));
}
