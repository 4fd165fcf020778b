/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * main.c - superdb-server: reads the options, opens the pool, starts the workers, and waits for the signal to stop
 *
 * The way up:   options, log, commands, pool, listeners, workers. Whatever fails says so on standard error, and the exit
 *               status is 1; nothing that was started before stays behind.
 * The way down: SIGTERM or SIGINT (SHUTDOWN raises it): the workers stop accepting, finish what was read, send their replies; then the
 *               pool is closed, the unix socket and the pid file are removed, and the exit status is 0; 1 where the pool has failed, or
 *               could not be closed cleanly.
 */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "acceptor.h"
#include "acl.h"
#include "command.h"
#include "command_dump.h"
#include "changes.h"
#include "collections.h"
#include "config.h"
#include "function_store.h"
#include "config_ignored.h"
#include "evict.h"
#include "io.h"
#include "latency.h"
#include "listener.h"
#include "log.h"
#include "runtime.h"
#include "scrub.h"
#include "superdb/superdb.h"
#include "topology.h"
#include "worker.h"

#define STOP_TIMEOUT_MS 5000 /* that replies may take to reach slow readers when the server stops */
#define SPARE_DESCRIPTORS 64 /* besides the clients': pool, log, rings, eventfds, listeners */

/* ---- signals ----------------------------------------------------------------------------------------------------------- */

/*
 * SIGTERM and SIGINT are blocked in every thread, and taken by the main thread when it has nothing else to do: no handler runs in
 * the middle of anything.
 */
static sigset_t stop_signals;

static void prepare_signals(void)
{
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGHUP, SIG_IGN);
    sigemptyset(&stop_signals);
    sigaddset(&stop_signals, SIGTERM);
    sigaddset(&stop_signals, SIGINT);
    pthread_sigmask(SIG_BLOCK, &stop_signals, NULL);
}

/* Returns the signal that says to stop. */
static int wait_for_stop(void)
{
    int number = 0;

    while (sigwait(&stop_signals, &number) != 0)
        continue;
    /* Who asks a second time at the terminal does not want to wait: acknowledged writes are safe either way. */
    sigdelset(&stop_signals, SIGTERM);
    pthread_sigmask(SIG_UNBLOCK, &stop_signals, NULL);
    return number;
}

/* ---- preparations ------------------------------------------------------------------------------------------------------ */

static int fail(const char *what, const char *why)
{
    fprintf(stderr, "superdb-server: %s%s%s\n", what, why[0] != '\0' ? ": " : "", why);
    return 1;
}

static int cores(void)
{
    cpu_set_t set;
    int count = sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 1;

    return count < 1 ? 1 : count;
}

/* Room for maxclients: raises the soft limit, the hard one where the process may, and lowers maxclients where it may not. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;
    rlim_t wanted = (rlim_t)CONFIG_READ(maxclients) + SPARE_DESCRIPTORS;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted)
        return;
    struct rlimit higher = {.rlim_cur = wanted, .rlim_max = limit.rlim_max > wanted ? limit.rlim_max : wanted};
    if (setrlimit(RLIMIT_NOFILE, &higher) == 0)
        return;
    higher.rlim_cur = limit.rlim_max;
    higher.rlim_max = limit.rlim_max;
    rlim_t got = setrlimit(RLIMIT_NOFILE, &higher) == 0 ? higher.rlim_cur : limit.rlim_cur;
    int clients = got > SPARE_DESCRIPTORS ? (int)(got - SPARE_DESCRIPTORS) : 1;
    log_message(LOG_LEVEL_WARNING, "The limit of open files is %llu: maxclients is lowered from %d to %d",
                (unsigned long long)got, CONFIG_READ(maxclients), clients);
    __atomic_store_n(&config.maxclients, clients, __ATOMIC_RELAXED);
}

static int write_pidfile(void)
{
    FILE *file;

    if (config.pidfile == NULL || config.pidfile[0] == '\0')
        return 0;
    file = fopen(config.pidfile, "w");
    if (file == NULL)
        return -1;
    fprintf(file, "%ld\n", (long)getpid());
    return fclose(file);
}

/* ---- the pool ---------------------------------------------------------------------------------------------------------- */

static int open_pool(struct sdb_pool **pool)
{
    struct sdb_options options = SDB_OPTIONS_INIT;

    options.flags = config.pool_create == CONFIG_CREATE_NO ? 0 : SDB_CREATE;
    if (config.pool_create == CONFIG_CREATE_ABSENT)
        options.flags |= SDB_ABSENT;
    options.pool_size = (uint64_t)CONFIG_READ(pool_size);
    options.pool_size_max = (uint64_t)config.pool_size_max;
    options.shards = (uint32_t)config.pool_shards;
    options.durability = (uint32_t)config.durability;
    if (config.cache_size >= 0)
        options.cache_size = (uint64_t)config.cache_size;
    return sdb_open(config.pool, &options, pool);
}

/* The libraries that the pool has. Errors: 0. */
static int read_functions(struct sdb_pool *pool)
{
    struct sdb_session *session;
    int result = sdb_session_open(pool, &session);

    if (result != SDB_OK)
        return 0;
    result = function_store_start(session);
    sdb_session_close(session);
    function_store_leave();
    return result == SDB_OK;
}

/* "1.50 GiB" */
static const char *print_size(char text[32], uint64_t size)
{
    static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB", "PiB"};
    double value = (double)size;
    size_t unit = 0;

    while (value >= 1024 && unit + 1 < sizeof(units) / sizeof(units[0])) {
        value /= 1024;
        unit++;
    }
    snprintf(text, 32, unit == 0 ? "%.0f %s" : "%.2f %s", value, units[unit]);
    return text;
}

static const char *durability_name(uint32_t durability)
{
    switch (durability) {
    case SDB_DURABILITY_PMEM:
        return "pmem";
    case SDB_DURABILITY_MSYNC:
        return "msync";
    case SDB_DURABILITY_PROCESS:
        return "process";
    default:
        return "unknown";
    }
}

static void log_pool(struct sdb_pool *pool)
{
    struct sdb_pool_info info;
    char size[32], size_max[32], used[32], huge[32];

    sdb_pool_info(pool, &info);
    if (info.created)
        log_message(LOG_LEVEL_NOTICE, "Created a new pool: %s", info.path);
    log_message(LOG_LEVEL_NOTICE, "Pool %s: %s mapped, %s in use, may grow to %s; %u shards; format %u%s", info.path,
                print_size(size, info.size), print_size(used, info.used), print_size(size_max, info.size_max), info.shards,
                info.format_version, info.recovered ? "; recovered from an unclean stop" : "");
    log_message(LOG_LEVEL_NOTICE, "Durability: %s (%s); cache lines are flushed with: %s%s", durability_name(info.durability),
                info.durability_reason, info.flush, info.persistent_caches ? " (caches are persistent)" : "");
    if (info.huge_pages)
        log_message(LOG_LEVEL_NOTICE, "Huge pages: yes, %s of the mapping so far", print_size(huge, info.huge_page_bytes));
    else
        log_message(LOG_LEVEL_NOTICE, "Huge pages: no, the mapping did not get any; random access is about 2.5 times slower "
                                      "(a tmpfs mounted huge=always or a DAX file aligned to 2 MiB has them)");
    if (info.durability == SDB_DURABILITY_PROCESS)
        log_message(LOG_LEVEL_WARNING, "Acknowledged writes survive a kill of the process, but not a power cut. For that, put the pool on "
                                       "persistent memory (a DAX file system), or use --durability msync on a disk");
    if (info.failed)
        log_message(LOG_LEVEL_WARNING, "The pool has failed: it can be read, and refuses writes");
}

/* Returns the exit status: who asked to stop must learn that the pool had ended writing before. */
static int close_pool(struct sdb_pool *pool, int status)
{
    struct sdb_pool_info info;

    sdb_pool_info(pool, &info);
    if (sdb_close(pool) != SDB_OK) {
        log_message(LOG_LEVEL_WARNING, "The pool was not closed cleanly: %s", sdb_last_error());
        return fail("cannot close the pool", sdb_last_error());
    }
    if (info.failed) {
        log_message(LOG_LEVEL_WARNING, "The pool had failed and was not closed cleanly: the next start recovers it");
        return fail(info.path, "the pool had failed");
    }
    return status;
}

/* ---- the I/O backend --------------------------------------------------------------------------------------------------- */

/* NULL: the one that was asked for cannot be had, for runtime.io_reason. */
static const struct io_operations *choose_backend(void)
{
    static char reason[200];

    runtime.io_reason = reason;
    if (config.io_backend == CONFIG_IO_EPOLL) {
        snprintf(reason, sizeof(reason), "as configured");
        return &io_epoll_operations;
    }
    if (io_uring_is_usable(reason, sizeof(reason)))
        return &io_uring_operations;
    return config.io_backend == CONFIG_IO_AUTO ? &io_epoll_operations : NULL;
}

/* ---- which CPUs -------------------------------------------------------------------------------------------------------- */

static void place_workers(struct sdb_pool *opened)
{
    static struct topology topology; /* too large for a stack */
    struct sdb_pool_info info;
    char text[200];

    runtime.placement.pool_node = TOPOLOGY_UNKNOWN;
    if (config.numa_placement == CONFIG_NUMA_NO)
        return;
    topology_read(&topology);
    sdb_pool_info(opened, &info);
    placement_prepare(&runtime.placement, &topology, topology_find_node(&topology, topology_node_of_file(info.path, "/sys")),
                      config.numa_placement == CONFIG_NUMA_ALWAYS);
    placement_describe(&runtime.placement, text, sizeof(text));
    log_message(LOG_LEVEL_NOTICE, "NUMA nodes: %d; workers: %s", runtime.placement.node_count, text);
}

/* ---- serving ----------------------------------------------------------------------------------------------------------- */

static void log_ready(void)
{
    int port = listeners_port();

    runtime.port = port;
    log_message(LOG_LEVEL_NOTICE, "Threads: %d; I/O: %s (%s)", runtime.threads, runtime.io_backend, runtime.io_reason);
    if (port > 0)
        log_message(LOG_LEVEL_NOTICE, "Listening on TCP port %d%s", port,
                    CONFIG_READ(protected_mode) && acl_is_open() ? " (protected mode: loopback only)" : "");
    if (config.unixsocket != NULL && config.unixsocket[0] != '\0')
        log_message(LOG_LEVEL_NOTICE, "Listening on unix socket %s", config.unixsocket);
    log_message(LOG_LEVEL_NOTICE, "Ready to accept connections");
}

/* Serves until a signal comes. Returns the exit status. */
static int serve(struct sdb_pool *pool)
{
    const struct io_operations *operations = choose_backend();
    const char *evict_error;
    char error[512];

    if (operations == NULL)
        return fail("--io-backend uring", runtime.io_reason);
    runtime.pool = pool;
    runtime.io_backend = operations->name;
    place_workers(pool);
    runtime.threads = config.threads > 0 ? config.threads : cores();
    if (runtime.threads > WORKER_THREADS_MAX - 1) /* and the reserve */
        runtime.threads = WORKER_THREADS_MAX - 1;
    if (listeners_open(error, sizeof(error)) != 0)
        return fail(error, "");
    /* Before the first client can come: it may ask. */
    log_ready();
    changes_begin();
    if (!read_functions(pool))
        return fail("The functions cannot be read", sdb_last_error());
    collections_apply_limits();
    if (evict_apply(&evict_error) != 0)
        return fail("maxmemory-policy", evict_error);
    if (workers_start(pool, (unsigned)runtime.threads, operations, error, sizeof(error)) != 0) {
        listeners_close();
        return fail(error, "");
    }
    if (acceptor_start(error, sizeof(error)) != 0) {
        workers_stop(0);
        listeners_close();
        return fail(error, "");
    }
    if (scrub_open(pool) != 0)
        log_message(LOG_LEVEL_WARNING, "No thread for the scrub: damage is found where it is read");
    log_message(LOG_LEVEL_WARNING, "Received %s, shutting down", wait_for_stop() == SIGINT ? "SIGINT" : "SIGTERM");
    acceptor_stop();
    scrub_close();
    workers_stop(STOP_TIMEOUT_MS);
    listeners_close();
    return 0;
}

static int run(void)
{
    struct sdb_pool *pool = NULL;
    int status;

    prepare_signals();
    if (commands_init() != 0)
        return fail("out of memory", "");
    latency_init();
    raise_descriptor_limit();
    log_message(LOG_LEVEL_NOTICE, "SuperDB %s, process %ld%s%s", sdb_version(), (long)getpid(),
                config.file != NULL ? ", configuration " : "", config.file != NULL ? config.file : "");
    config_log_ignored();
    if (open_pool(&pool) != SDB_OK)
        return fail("cannot open the pool", sdb_last_error()[0] != '\0' ? sdb_last_error() : config.pool);
    log_pool(pool);
    if (write_pidfile() != 0) {
        status = fail(config.pidfile, strerror(errno));
        (void)sdb_close(pool);
        return status;
    }
    status = serve(pool);
    runtime.pool = NULL;
    function_store_stop();
    status = close_pool(pool, status);
    if (config.pidfile != NULL && config.pidfile[0] != '\0')
        (void)unlink(config.pidfile);
    if (status == 0)
        log_message(LOG_LEVEL_WARNING, "SuperDB is now ready to exit, bye bye...");
    return status;
}

int main(int argc, char **argv)
{
    enum config_action action = CONFIG_SERVE;
    char error[512];
    int status;

    if (config_init() != 0 || runtime_init() != 0)
        return fail("out of memory", "");
    if (config_load(argc, argv, &action, error, sizeof(error)) != 0)
        return fail(error, "");
    switch (action) {
    case CONFIG_SHOW_HELP:
        config_usage(stdout);
        return 0;
    case CONFIG_SHOW_VERSION:
        printf("superdb-server %s (protocol of Redis %s)\n", sdb_version(), SERVER_REDIS_VERSION);
        return 0;
    case CONFIG_DUMP_COMMANDS:
        if (commands_init() != 0)
            return fail("out of memory", "");
        command_dump(stdout);
        return 0;
    case CONFIG_SERVE:
    default:
        break;
    }
    if (acl_start(error, sizeof(error)) != 0)
        return fail(error, "");
    log_set_level((enum log_level)config.loglevel);
    status = log_open(config.logfile);
    if (status != 0)
        return fail(config.logfile, strerror(status));
    status = run();
    acl_free();
    config_free();
    return status;
}
