/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * config.h - the server's options: one table drives the file, the command line, CONFIG GET, SET and REWRITE
 *
 * Threads: the options are read before threads start. Later CONFIG SET may run on any worker: it changes numbers with
 *          single atomic stores (read them with CONFIG_READ) and strings under a lock. Strings and lists marked "fixed"
 *          never change after start-up and may be read freely; requirepass is asked for by config_password
 *          only.
 */
#ifndef SDB_SERVER_CONFIG_H
#define SDB_SERVER_CONFIG_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define CONFIG_BIND_MAX 16
#define CONFIG_PERCENTILES_MAX 16

enum config_io_backend { CONFIG_IO_AUTO = 0, CONFIG_IO_URING = 1, CONFIG_IO_EPOLL = 2 };
enum config_create { CONFIG_CREATE_NO = 0, CONFIG_CREATE_ABSENT = 1, CONFIG_CREATE_EMPTY = 2 };
enum config_numa { CONFIG_NUMA_NO = 0, CONFIG_NUMA_AUTO = 1, CONFIG_NUMA_ALWAYS = 2 };
enum config_loglevel { CONFIG_LOG_DEBUG = 0, CONFIG_LOG_VERBOSE = 1, CONFIG_LOG_NOTICE = 2, CONFIG_LOG_WARNING = 3 };
enum config_client_class {
    CONFIG_CLIENT_NORMAL = 0,
    CONFIG_CLIENT_REPLICA = 1,
    CONFIG_CLIENT_PUBSUB = 2,
    CONFIG_CLIENT_CLASSES
};

enum config_debug { CONFIG_DEBUG_NO = 0, CONFIG_DEBUG_YES = 1, CONFIG_DEBUG_LOCAL = 2 };

/* Bytes that may wait for a slow reader; 0: no limit. Above hard at once, above soft for soft_seconds: it is closed. */
struct config_output_limit {
    int64_t hard;
    int64_t soft;
    int64_t soft_seconds;
};

/* What the command line asks for besides serving. */
enum config_action { CONFIG_SERVE = 0, CONFIG_SHOW_HELP, CONFIG_SHOW_VERSION, CONFIG_DUMP_COMMANDS };

struct config {
    /* Fixed after start-up. */
    char *file;                  /* the absolute path of the configuration file; NULL: none */
    char *bind[CONFIG_BIND_MAX]; /* addresses; a leading '-' means: no error where the address is not available */
    int bind_count;              /* 0: all interfaces */
    int port;                    /* 0: no TCP */
    char *unixsocket;            /* NULL: none */
    int unixsocketperm;          /* permission bits, 0: the umask's */
    int threads;                 /* 0: as many as cores */
    int tcp_backlog;
    int io_backend;        /* enum config_io_backend */
    int numa_placement;    /* enum config_numa */
    char *pool;            /* the pool's path */
    int pool_create;       /* enum config_create */
    int64_t pool_size_max; /* of a new pool; 0: the library's default */
    int pool_shards;       /* of a new pool; 0: by size */
    int durability;        /* enum sdb_durability */
    int64_t cache_size;    /* of the L1 cache; -1: the library's default */
    int databases;         /* 16 */
    char *logfile;         /* "": standard output */
    char *pidfile;         /* "": none */
    char *aclfile;         /* "": none */
    char *dir;             /* working directory; config_load changes to it */
    int daemonize;         /* always no: start it under a service manager */

    /* Atomic: CONFIG SET changes them while workers read (CONFIG_READ, relaxed: no other memory depends on them). */
    int64_t pool_size; /* of a new pool; 0: the library's default. Setting it grows the open pool */
    int maxclients;
    int timeout;       /* seconds of idleness after which a client is closed; 0: never */
    int tcp_keepalive; /* seconds; 0: off */
    int protected_mode;
    int64_t proto_max_bulk_len;
    int64_t client_query_buffer_limit;
    struct config_output_limit output_limits[CONFIG_CLIENT_CLASSES];
    int64_t hash_max_listpack_entries, hash_max_listpack_value, list_max_listpack_size; /* collections.h */
    int64_t hll_sparse_max_bytes;
    int64_t stream_node_max_entries;
    int64_t set_max_intset_entries, zset_max_listpack_entries, zset_max_listpack_value;
    int64_t scrub_interval;          /* seconds from one search for damage to the next; 0: only on request */
    int64_t scrub_rate;              /* bytes a second; 0: no limit */
    int64_t maxmemory;               /* bytes that the data may take of the pool; 0: all of it */
    int maxmemory_policy;            /* enum evict_policy */
    int maxmemory_samples;
    int maxmemory_eviction_tenacity;
    int lfu_log_factor;
    int lfu_decay_time;
    int64_t tracking_table_max_keys; /* 0: no limit */
    int hz;                          /* rounds of background work a second */
    int busy_poll;                   /* microseconds that an idle worker spins before it sleeps */
    int loglevel;                    /* enum config_loglevel */
    int active_expire;               /* DEBUG SET-ACTIVE-EXPIRE: background expiry is on */
    int64_t slowlog_log_slower_than; /* microseconds; negative: off, 0: everything */
    int64_t slowlog_max_len;
    int64_t acllog_max_len;
    int acl_all_channels;            /* a new user may use all channels */
    int latency_tracking;
    int64_t latency_monitor_threshold; /* milliseconds; 0: off */
    int64_t busy_reply_threshold;      /* milliseconds that a script runs before others are told; 0: for ever */
    int64_t lua_memory_limit;          /* bytes that a thread's scripts may take */
    int debug_command;                 /* enum config_debug: who may run DEBUG */

    /* Under the configuration lock (inside config.c). */
    char *requirepass;
    double percentiles[CONFIG_PERCENTILES_MAX]; /* latency-tracking-info-percentiles */
    int percentiles_count;
};

/* The process has one configuration. */
extern struct config config;
#define CONFIG_READ(field) __atomic_load_n(&config.field, __ATOMIC_RELAXED)

/* Fills in the defaults; all of it is zero before. Errors: -1, out of memory. */
int config_init(void);
void config_free(void);

/*
 * Reads the command line: [FILE] [--option value ...], the file first, then the flags in their order. "-" reads the
 * file from standard input. On an error nothing may be served: 0, or -1 with what is wrong ("shop.conf:12: unknown
 * option 'prot'") in error. *action says what is asked for.
 */
int config_load(int argc, char **argv, enum config_action *action, char *error, size_t error_size);

/* The text of --help. */
void config_usage(FILE *out);

/* requirepass, as a copy that the caller frees. NULL: no memory. */
char *config_password(void);

/* The percentiles of INFO latencystats, copied under the lock. Returns how many. */
int config_percentiles(double percentiles[CONFIG_PERCENTILES_MAX]);

#endif
