/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * info_sections.c - the lines of INFO, with the names that monitoring tools read
 *
 * Figures of things that SuperDB does not have (replicas, forks, scripts) are there with the values of a Redis that
 * has none.
 */
#include "function_store.h"
#include "lua_vm.h"
#include "script_cache.h"
#include "info.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "block.h"
#include "client_list.h"
#include "clock.h"
#include "command_table.h"
#include "config.h"
#include "evict.h"
#include "latency.h"
#include "lock.h"
#include "process.h"
#include "pubsub.h"
#include "runtime.h"
#include "scrub.h"
#include "tracking.h"
#include "worker_stats.h"

#define NO_REPLICATION_ID "0000000000000000000000000000000000000000"

static void line(struct reply *text, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* One line, with its line break. */
static void line(struct reply *text, const char *format, ...)
{
    char *to = reply_reserve(text, 2048);
    va_list arguments;
    int size;

    if (to == NULL)
        return;
    va_start(arguments, format);
    size = vsnprintf(to, 2046, format, arguments);
    va_end(arguments);
    if (size > 2045)
        size = 2045;
    memcpy(to + size, "\r\n", 2);
    text->size += (size_t)size + 2;
}

/* "941.52K" */
static const char *human(uint64_t bytes, char text[32])
{
    static const char units[] = "BKMGTPE";
    double value = (double)bytes;
    size_t unit = 0;

    while (value >= 1024 && unit < sizeof(units) - 2) {
        value /= 1024;
        unit++;
    }
    (void)snprintf(text, 32, unit == 0 ? "%.0f%c" : "%.2f%c", value, units[unit]);
    return text;
}

static double ratio(uint64_t a, uint64_t b)
{
    return b != 0 ? (double)a / (double)b : 0.0;
}

/* ---- server, clients -------------------------------------------------------------------------------------------- */

void info_server(struct reply *text, struct client *client)
{
    struct utsname system;
    int64_t now_us = clock_us(), uptime_s = (now_us / 1000 - runtime.started_ms) / 1000;

    (void)client;
    if (uname(&system) != 0)
        memset(&system, 0, sizeof(system));
    line(text, "# Server");
    line(text, "redis_version:%s", SERVER_REDIS_VERSION);
    line(text, "redis_git_sha1:00000000");
    line(text, "redis_git_dirty:0");
    line(text, "redis_build_id:0");
    line(text, "redis_mode:standalone");
    line(text, "superdb_version:%s", sdb_version());
    line(text, "os:%s %s %s", system.sysname, system.release, system.machine);
    line(text, "arch_bits:%zu", 8 * sizeof(void *));
    line(text, "monotonic_clock:%s", latency_counter_usable ? "CPU time stamp counter" : "POSIX clock_gettime");
    line(text, "multiplexing_api:%s", runtime.io_backend != NULL ? runtime.io_backend : "none");
    line(text, "atomicvar_api:c11-builtin");
#ifdef __VERSION__
    line(text, "gcc_version:%d.%d.%d", __GNUC__, __GNUC_MINOR__, __GNUC_PATCHLEVEL__);
#endif
    line(text, "process_id:%d", (int)getpid());
    line(text, "process_supervised:no");
    line(text, "run_id:%s", runtime.run_id);
    line(text, "tcp_port:%d", runtime.port);
    line(text, "server_time_usec:%lld", (long long)now_us);
    line(text, "uptime_in_seconds:%lld", (long long)uptime_s);
    line(text, "uptime_in_days:%lld", (long long)uptime_s / 86400);
    line(text, "hz:%d", CONFIG_READ(hz));
    line(text, "configured_hz:%d", CONFIG_READ(hz));
    line(text, "lru_clock:%lld", (long long)(now_us / 1000000) & 0xffffff);
    line(text, "executable:%s", runtime.executable);
    line(text, "config_file:%s", config.file != NULL ? config.file : "");
    line(text, "io_threads_active:%d", runtime.threads > 1);
}

void info_clients(struct reply *text, struct client *client)
{
    struct tracking_figures tracking;
    uint64_t input, output;

    (void)client;
    worker_stats_buffers(&input, &output);
    line(text, "# Clients");
    line(text, "connected_clients:%zu", client_list_count());
    line(text, "cluster_connections:0");
    line(text, "maxclients:%d", CONFIG_READ(maxclients));
    line(text, "client_recent_max_input_buffer:%llu", (unsigned long long)input);
    line(text, "client_recent_max_output_buffer:%llu", (unsigned long long)output);
    line(text, "blocked_clients:%zu", block_count());
    tracking_figures(&tracking);
    line(text, "tracking_clients:%zu", tracking.clients);
    line(text, "clients_in_timeout_table:%zu", block_timed_count());
}

/* ---- memory ----------------------------------------------------------------------------------------------------- */

static void with_human(struct reply *text, const char *name, uint64_t bytes)
{
    char buffer[32];

    line(text, "%s:%llu", name, (unsigned long long)bytes);
    line(text, "%s_human:%s", name, human(bytes, buffer));
}

static void script_lines(struct reply *text)
{
    size_t eval = lua_vm_memory(LUA_VM_EVAL), functions = lua_vm_memory(LUA_VM_FUNCTIONS), cached = script_cache_memory();
    size_t libraries = 0;
    struct library_set *set = function_store_current();

    line(text, "used_memory_vm_eval:%zu", eval);
    with_human(text, "used_memory_lua", eval);
    line(text, "used_memory_scripts_eval:%zu", cached);
    line(text, "number_of_cached_scripts:%zu", script_cache_count());
    line(text, "number_of_functions:%zu", set != NULL ? set->functions : 0);
    line(text, "number_of_libraries:%zu", set != NULL ? set->count : 0);
    line(text, "used_memory_vm_functions:%zu", functions);
    with_human(text, "used_memory_vm_total", eval + functions);
    for (size_t i = 0; set != NULL && i < set->count; i++)
        libraries += library_memory(set->libraries[i]);
    line(text, "used_memory_functions:%zu", libraries);
    with_human(text, "used_memory_scripts", cached + libraries);
    library_set_release(set);
}

/* used_memory is what the data takes, in the pool, and what the process takes besides it, in DRAM. */
void info_memory(struct reply *text, struct client *client)
{
    struct process_memory memory;
    struct sdb_pool_info info;
    struct sdb_stats stats;
    uint64_t used, dataset, overhead, compared;

    process_memory(&memory);
    sdb_pool_info(runtime.pool, &info);
    sdb_stats(runtime.pool, &stats);
    used = memory.allocated + info.used;
    dataset = stats.entry_bytes + stats.blob_bytes;
    overhead = used > dataset ? used - dataset : 0;
    line(text, "# Memory");
    with_human(text, "used_memory", used);
    with_human(text, "used_memory_rss", memory.resident);
    with_human(text, "used_memory_peak", used > memory.peak ? used : memory.peak);
    line(text, "used_memory_peak_perc:%.2f%%", 100.0 * ratio(used, used > memory.peak ? used : memory.peak));
    line(text, "used_memory_overhead:%llu", (unsigned long long)overhead);
    line(text, "used_memory_startup:%llu", (unsigned long long)memory.at_start);
    line(text, "used_memory_dataset:%llu", (unsigned long long)dataset);
    line(text, "used_memory_dataset_perc:%.2f%%", 100.0 * ratio(dataset, used));
    line(text, "allocator_allocated:%llu", (unsigned long long)memory.allocated);
    line(text, "allocator_active:%llu", (unsigned long long)memory.active);
    line(text, "allocator_resident:%llu", (unsigned long long)memory.resident_private);
    with_human(text, "total_system_memory", memory.machine);
    script_lines(text);
    with_human(text, "maxmemory", (uint64_t)CONFIG_READ(maxmemory));
    line(text, "maxmemory_policy:%s", evict_policy_name());
    if (sdb_used(client->session, &compared) == SDB_OK)
        line(text, "maxmemory_compared:%llu", (unsigned long long)compared);
    line(text, "allocator_frag_ratio:%.2f", ratio(memory.active, memory.allocated));
    line(text, "allocator_frag_bytes:%llu",
         (unsigned long long)(memory.active > memory.allocated ? memory.active - memory.allocated : 0));
    line(text, "mem_fragmentation_ratio:%.2f", ratio(memory.resident, used));
    line(text, "mem_fragmentation_bytes:%lld", (long long)memory.resident - (long long)used);
    line(text, "mem_not_counted_for_evict:0");
    line(text, "mem_replication_backlog:0");
    line(text, "mem_clients_slaves:0");
    line(text, "mem_clients_normal:%zu", client_list_count() * sizeof(struct client));
    line(text, "mem_cluster_links:0");
    line(text, "mem_aof_buffer:0");
    line(text, "mem_allocator:libc");
    line(text, "active_defrag_running:0");
    line(text, "lazyfree_pending_objects:0");
    line(text, "lazyfreed_objects:%llu", (unsigned long long)stats.reclaimed_keys);
}

/* ---- persistence, replication, and what else there is none of --------------------------------------------------- */

void info_persistence(struct reply *text, struct client *client)
{
    struct sdb_pool_info info = {.failed = 0};
    struct scrub_status scrub;

    (void)client;
    if (runtime.pool != NULL)
        sdb_pool_info(runtime.pool, &info);
    scrub_status(&scrub);
    line(text, "# Persistence");
    line(text, "loading:0");
    line(text, "async_loading:0");
    line(text, "current_cow_peak:0");
    line(text, "current_cow_size:0");
    line(text, "current_cow_size_age:0");
    line(text, "current_fork_perc:0.00");
    line(text, "current_save_keys_processed:0");
    line(text, "current_save_keys_total:0");
    line(text, "rdb_changes_since_last_save:0");
    line(text, "rdb_bgsave_in_progress:0");
    line(text, "rdb_last_save_time:%lld", (long long)(clock_ms() / 1000));
    line(text, "rdb_last_bgsave_status:ok");
    line(text, "rdb_last_bgsave_time_sec:0");
    line(text, "rdb_current_bgsave_time_sec:-1");
    line(text, "rdb_saves:0");
    line(text, "rdb_last_cow_size:0");
    line(text, "rdb_last_load_keys_expired:0");
    line(text, "rdb_last_load_keys_loaded:0");
    line(text, "aof_enabled:0");
    line(text, "aof_rewrite_in_progress:0");
    line(text, "aof_rewrite_scheduled:0");
    line(text, "aof_last_rewrite_time_sec:-1");
    line(text, "aof_current_rewrite_time_sec:-1");
    line(text, "aof_last_bgrewrite_status:ok");
    line(text, "aof_last_write_status:%s", info.failed ? "err" : "ok"); /* what monitors look at: err while writes are refused */
    line(text, "aof_last_cow_size:0");
    line(text, "scrub_in_progress:%d", scrub.running);
    line(text, "scrub_percent:%.2f", scrub.progress * 100);
    line(text, "scrub_rounds:%llu", (unsigned long long)scrub.rounds);
    line(text, "scrub_last_completed_time:%lld", (long long)(scrub.ended_ms / 1000));
    line(text, "scrub_last_problems:%llu", (unsigned long long)scrub.problems);
    line(text, "scrub_problems:%llu", (unsigned long long)scrub.problems_all);
    line(text, "module_fork_in_progress:0");
    line(text, "module_fork_last_cow_size:0");
}

void info_replication(struct reply *text, struct client *client)
{
    (void)client;
    line(text, "# Replication");
    line(text, "role:master");
    line(text, "connected_slaves:0");
    line(text, "master_failover_state:no-failover");
    line(text, "master_replid:%s", runtime.run_id);
    line(text, "master_replid2:" NO_REPLICATION_ID);
    line(text, "master_repl_offset:0");
    line(text, "second_repl_offset:-1");
    line(text, "repl_backlog_active:0");
    line(text, "repl_backlog_size:0");
    line(text, "repl_backlog_first_byte_offset:0");
    line(text, "repl_backlog_histlen:0");
}

void info_modules(struct reply *text, struct client *client)
{
    (void)client;
    line(text, "# Modules");
}

void info_cluster(struct reply *text, struct client *client)
{
    (void)client;
    line(text, "# Cluster");
    line(text, "cluster_enabled:0");
}

/* ---- stats ------------------------------------------------------------------------------------------------------ */

/* What the engine counted when the statistics were last reset. */
static struct lock baseline_lock = LOCK_INIT;
static struct sdb_stats baseline; /* Under baseline_lock: gets, hits, expired_keys, evicted_keys. */

void info_reset(void)
{
    struct sdb_stats stats;

    if (runtime.pool == NULL)
        return;
    sdb_stats(runtime.pool, &stats);
    lock_acquire(&baseline_lock);
    baseline = stats;
    lock_release(&baseline_lock);
}

static uint64_t since(uint64_t now, uint64_t before)
{
    return now > before ? now - before : 0;
}

static void keyspace_stats(struct reply *text)
{
    struct sdb_stats stats;
    uint64_t gets, hits, expired, evicted;

    sdb_stats(runtime.pool, &stats);
    lock_acquire(&baseline_lock);
    gets = since(stats.gets, baseline.gets);
    hits = since(stats.hits, baseline.hits);
    expired = since(stats.expired_keys, baseline.expired_keys);
    evicted = since(stats.evicted_keys, baseline.evicted_keys);
    lock_release(&baseline_lock);
    line(text, "expired_keys:%llu", (unsigned long long)expired);
    line(text, "expired_stale_perc:0.00");
    line(text, "expired_time_cap_reached_count:0");
    line(text, "expire_cycle_cpu_milliseconds:0");
    line(text, "evicted_keys:%llu", (unsigned long long)evicted);
    line(text, "evicted_clients:0");
    line(text, "total_eviction_exceeded_time:0");
    line(text, "current_eviction_exceeded_time:0");
    line(text, "keyspace_hits:%llu", (unsigned long long)hits);
    line(text, "keyspace_misses:%llu", (unsigned long long)since(gets, hits));
}

struct rates {
    double commands, input_kib, output_kib; /* a second */
};

/* Means since the last time somebody asked, at least a tenth of a second ago. */
static struct rates measure_rates(const struct worker_counters *now)
{
    static struct lock rates_lock = LOCK_INIT;
    static struct worker_counters before; /* Under rates_lock, as all below. */
    static uint64_t before_ns;
    static struct rates rates;
    struct rates result;
    uint64_t now_ns = clock_ns();
    double seconds;

    lock_acquire(&rates_lock);
    seconds = (double)(now_ns - before_ns) / 1e9;
    if (before_ns == 0)
        seconds = (double)(clock_ms() - runtime.started_ms + 1) / 1e3;
    if (seconds >= 0.1) {
        rates.commands = (double)since(now->commands, before.commands) / seconds;
        rates.input_kib = (double)since(now->bytes_in, before.bytes_in) / seconds / 1024;
        rates.output_kib = (double)since(now->bytes_out, before.bytes_out) / seconds / 1024;
        before = *now;
        before_ns = now_ns;
    }
    result = rates;
    lock_release(&rates_lock);
    return result;
}

void info_stats(struct reply *text, struct client *client)
{
    struct worker_counters counters;
    struct tracking_figures tracking;
    struct rates rates;

    (void)client;
    worker_stats_sum(&counters);
    rates = measure_rates(&counters);
    line(text, "# Stats");
    line(text, "total_connections_received:%llu", (unsigned long long)counters.connections_received);
    line(text, "total_binary_connections:%llu", (unsigned long long)counters.connections_binary);
    line(text, "total_commands_processed:%llu", (unsigned long long)counters.commands);
    line(text, "instantaneous_ops_per_sec:%.0f", rates.commands);
    line(text, "total_net_input_bytes:%llu", (unsigned long long)counters.bytes_in);
    line(text, "total_net_output_bytes:%llu", (unsigned long long)counters.bytes_out);
    line(text, "total_net_repl_input_bytes:0");
    line(text, "total_net_repl_output_bytes:0");
    line(text, "instantaneous_input_kbps:%.2f", rates.input_kib);
    line(text, "instantaneous_output_kbps:%.2f", rates.output_kib);
    line(text, "instantaneous_input_repl_kbps:0.00");
    line(text, "instantaneous_output_repl_kbps:0.00");
    line(text, "rejected_connections:%llu", (unsigned long long)counters.connections_rejected);
    line(text, "sync_full:0");
    line(text, "sync_partial_ok:0");
    line(text, "sync_partial_err:0");
    keyspace_stats(text);
    line(text, "pubsub_channels:%zu", pubsub_names(PUBSUB_CHANNEL));
    line(text, "pubsub_patterns:%zu", pubsub_names(PUBSUB_PATTERN));
    line(text, "pubsubshard_channels:%zu", pubsub_names(PUBSUB_SHARD));
    line(text, "latest_fork_usec:0");
    line(text, "total_forks:0");
    line(text, "migrate_cached_sockets:0");
    line(text, "slave_expires_tracked_keys:0");
    line(text, "active_defrag_hits:0");
    line(text, "active_defrag_misses:0");
    line(text, "active_defrag_key_hits:0");
    line(text, "active_defrag_key_misses:0");
    line(text, "total_active_defrag_time:0");
    line(text, "current_active_defrag_time:0");
    tracking_figures(&tracking);
    line(text, "tracking_total_keys:%zu", tracking.keys);
    line(text, "tracking_total_items:%zu", tracking.items);
    line(text, "tracking_total_prefixes:%zu", tracking.prefixes);
    line(text, "unexpected_error_replies:%llu", (unsigned long long)counters.unexpected_errors);
    line(text, "total_error_replies:%llu", (unsigned long long)counters.error_replies);
    line(text, "dump_payload_sanitizations:0");
    line(text, "total_reads_processed:%llu", (unsigned long long)counters.reads);
    line(text, "total_writes_processed:%llu", (unsigned long long)counters.writes);
    line(text, "io_threaded_reads_processed:0");
    line(text, "io_threaded_writes_processed:0");
    line(text, "client_idle_disconnections:%llu", (unsigned long long)counters.clients_closed_idle);
    line(text, "client_output_buffer_limit_disconnections:%llu", (unsigned long long)counters.clients_closed_output);
    line(text, "client_query_buffer_limit_disconnections:%llu", (unsigned long long)counters.clients_closed_query);
}

static double seconds_of(struct timeval time)
{
    return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

void info_cpu(struct reply *text, struct client *client)
{
    struct rusage self, children, thread;

    (void)client;
    memset(&self, 0, sizeof(self));
    memset(&children, 0, sizeof(children));
    memset(&thread, 0, sizeof(thread));
    (void)getrusage(RUSAGE_SELF, &self);
    (void)getrusage(RUSAGE_CHILDREN, &children);
    (void)getrusage(RUSAGE_THREAD, &thread);
    line(text, "# CPU");
    line(text, "used_cpu_sys:%.6f", seconds_of(self.ru_stime));
    line(text, "used_cpu_user:%.6f", seconds_of(self.ru_utime));
    line(text, "used_cpu_sys_children:%.6f", seconds_of(children.ru_stime));
    line(text, "used_cpu_user_children:%.6f", seconds_of(children.ru_utime));
    line(text, "used_cpu_sys_main_thread:%.6f", seconds_of(thread.ru_stime));
    line(text, "used_cpu_user_main_thread:%.6f", seconds_of(thread.ru_utime));
}

/* ---- statistics of commands and errors -------------------------------------------------------------------------- */

void info_commandstats(struct reply *text, struct client *client)
{
    (void)client;
    line(text, "# Commandstats");
    for (size_t i = 0; i < command_numbers(); i++) {
        struct command_stats stats;
        char name[COMMAND_FULL_NAME_SIZE];
        uint64_t us;

        worker_stats_sum_command(i, &stats);
        if (stats.calls == 0 && stats.rejected == 0 && stats.failed == 0)
            continue;
        us = latency_ns(stats.ticks) / 1000;
        command_full_name(command_of_number(i, NULL), name);
        line(text, "cmdstat_%s:calls=%llu,usec=%llu,usec_per_call=%.2f,rejected_calls=%llu,failed_calls=%llu", name,
             (unsigned long long)stats.calls, (unsigned long long)us,
             stats.calls != 0 ? (double)latency_ns(stats.ticks) / 1000.0 / (double)stats.calls : 0.0,
             (unsigned long long)stats.rejected, (unsigned long long)stats.failed);
    }
}

void info_errorstats(struct reply *text, struct client *client)
{
    struct worker_error errors[WORKER_ERROR_KINDS];
    size_t count = worker_stats_sum_errors(errors, WORKER_ERROR_KINDS);

    (void)client;
    line(text, "# Errorstats");
    for (size_t i = 0; i < count; i++)
        line(text, "errorstat_%s:count=%llu", errors[i].code, (unsigned long long)errors[i].count);
}

void info_latencystats(struct reply *text, struct client *client)
{
    double percentiles[CONFIG_PERCENTILES_MAX];
    int count = config_percentiles(percentiles);

    (void)client;
    line(text, "# Latencystats");
    for (size_t i = 0; i < command_numbers(); i++) {
        struct latency_histogram sum;
        char name[COMMAND_FULL_NAME_SIZE], values[CONFIG_PERCENTILES_MAX * 48] = "";
        size_t at = 0;

        if (!worker_stats_sum_histogram(i, &sum))
            continue;
        for (int j = 0; j < count; j++)
            at += (size_t)snprintf(values + at, sizeof(values) - at, "%sp%.10g=%.3f", j > 0 ? "," : "", percentiles[j],
                                   (double)latency_percentile(&sum, percentiles[j]) / 1000.0);
        command_full_name(command_of_number(i, NULL), name);
        line(text, "latency_percentiles_usec_%s:%s", name, values);
    }
}

/* ---- the store -------------------------------------------------------------------------------------------------- */

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

static void pool_lines(struct reply *text, const struct sdb_pool_info *info)
{
    char uuid[33];

    for (size_t i = 0; i < sizeof(info->uuid); i++)
        (void)snprintf(uuid + 2 * i, 3, "%02x", info->uuid[i]);
    line(text, "pool_path:%s", info->path);
    line(text, "pool_uuid:%s", uuid);
    line(text, "pool_format_version:%u", info->format_version);
    line(text, "pool_created:%lld", (long long)(info->created_ms / 1000));
    line(text, "pool_size:%llu", (unsigned long long)info->size);
    line(text, "pool_size_max:%llu", (unsigned long long)info->size_max);
    line(text, "pool_used:%llu", (unsigned long long)info->used);
    line(text, "pool_used_perc:%.2f%%", 100.0 * ratio(info->used, info->size));
    line(text, "pool_shards:%u", info->shards);
    line(text, "pool_lanes:%u", info->lanes);
    line(text, "pool_recovered:%u", info->recovered);
    line(text, "pool_failed:%u", info->failed);
    line(text, "durability:%s", durability_name(info->durability));
    line(text, "durability_reason:%s", info->durability_reason);
    line(text, "persistent_caches:%u", info->persistent_caches);
    line(text, "flush_instruction:%s", info->flush);
    line(text, "huge_pages:%u", info->huge_pages);
    line(text, "huge_page_bytes:%llu", (unsigned long long)info->huge_page_bytes);
    line(text, "simd:%s", info->simd);
}

void info_superdb(struct reply *text, struct client *client)
{
    struct worker_counters counters;
    char placement[200];
    struct sdb_pool_info info;
    struct sdb_stats stats;

    (void)client;
    sdb_pool_info(runtime.pool, &info);
    sdb_stats(runtime.pool, &stats);
    worker_stats_sum(&counters);
    line(text, "# Superdb");
    pool_lines(text, &info);
    line(text, "threads:%d", runtime.threads);
    placement_describe(&runtime.placement, placement, sizeof(placement));
    line(text, "numa_nodes:%d", runtime.placement.node_count);
    line(text, "numa_pool_node:%d", runtime.placement.pool_node);
    line(text, "numa_workers:%s", placement);
    line(text, "io_backend:%s", runtime.io_backend != NULL ? runtime.io_backend : "none");
    line(text, "io_backend_reason:%s", runtime.io_reason != NULL ? runtime.io_reason : "");
    line(text, "loop_turns:%llu", (unsigned long long)counters.turns);
    line(text, "commands_per_turn:%.2f", ratio(counters.commands, counters.turns));
    line(text, "commits:%llu", (unsigned long long)stats.commits);
    line(text, "fences:%llu", (unsigned long long)stats.fences);
    line(text, "fences_per_command:%.4f", ratio(stats.fences, counters.commands));
    line(text, "flushed_lines:%llu", (unsigned long long)stats.flushed_lines);
    line(text, "log_bytes:%llu", (unsigned long long)stats.log_bytes);
    line(text, "msyncs:%llu", (unsigned long long)stats.msyncs);
    line(text, "gets:%llu", (unsigned long long)stats.gets);
    line(text, "hits:%llu", (unsigned long long)stats.hits);
    line(text, "cache_hits:%llu", (unsigned long long)stats.cache_hits);
    line(text, "cache_misses:%llu", (unsigned long long)stats.cache_misses);
    line(text, "cache_hit_perc:%.2f%%", 100.0 * ratio(stats.cache_hits, stats.cache_hits + stats.cache_misses));
    line(text, "cache_asked_perc:%.2f%%", 100.0 * ratio(stats.cache_hits + stats.cache_misses, stats.gets));
    line(text, "cache_bytes:%llu", (unsigned long long)stats.cache_bytes);
    line(text, "cache_copies:%llu", (unsigned long long)stats.cache_copies);
    line(text, "cache_copies_max:%llu", (unsigned long long)stats.cache_copies_max);
    line(text, "expired_keys_total:%llu", (unsigned long long)stats.expired_keys);
    line(text, "reclaimed_keys:%llu", (unsigned long long)stats.reclaimed_keys);
    line(text, "index_splits:%llu", (unsigned long long)stats.index_splits);
    line(text, "conflicts:%llu", (unsigned long long)stats.conflicts);
    line(text, "read_retries:%llu", (unsigned long long)stats.retries);
    line(text, "checksum_errors:%llu", (unsigned long long)stats.checksum_errors);
    line(text, "media_errors:%llu", (unsigned long long)stats.media_errors);
    line(text, "entry_bytes:%llu", (unsigned long long)stats.entry_bytes);
    line(text, "index_bytes:%llu", (unsigned long long)stats.index_bytes);
    line(text, "blob_bytes:%llu", (unsigned long long)stats.blob_bytes);
    line(text, "metadata_bytes:%llu", (unsigned long long)stats.metadata_bytes);
    line(text, "free_bytes:%llu", (unsigned long long)stats.free_bytes);
}

void info_keyspace(struct reply *text, struct client *client)
{
    line(text, "# Keyspace");
    for (uint32_t database = 0; database < SDB_DATABASES; database++) {
        uint64_t keys = 0, expiring = 0;

        if (sdb_select(client->session, database) != SDB_OK || sdb_count(client->session, &keys) != SDB_OK ||
            sdb_count_expiring(client->session, &expiring) != SDB_OK || (keys == 0 && expiring == 0))
            continue;
        line(text, "db%u:keys=%llu,expires=%llu,avg_ttl=0", database, (unsigned long long)keys,
             (unsigned long long)expiring);
    }
    (void)sdb_select(client->session, client->database);
}
