/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * crashtest.c - the public interface of the harness: a run from its beginning to its end
 *
 * Threads: one run at a time; `running` says so
 * Memory:  the media, three times the pool's largest size, of which only what is touched takes memory
 */
#define FILES_THEMSELVES
#include "files.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "pool.h"
#include "run.h"
#include "schedule.h"
#include "unflushed.h"

#define POOL_SIZE_USUAL (16ull << 20)
#define TIME_USUAL 1700000000000ll

static uint32_t running;

static double seconds_now(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

void run_options(const struct sdb_crashtest *test, struct sdb_options *options)
{
    const struct sdb_options usual = SDB_OPTIONS_INIT;

    *options = usual;
    options->pool_size = test->options.pool_size ? test->options.pool_size : POOL_SIZE_USUAL;
    options->pool_size_max = test->options.pool_size_max ? test->options.pool_size_max : options->pool_size;
    options->shards = test->options.shards ? test->options.shards : 1;
    options->durability = domains.kind == DOMAIN_PAGES ? SDB_DURABILITY_MSYNC : SDB_DURABILITY_PMEM;
    options->cache_size = test->options.cache_size;
}

static void at_fence(void *context, unsigned level)
{
    struct sdb_crashtest *test = context;

    if (level == 0)
        test->report->fences++;
    point_reached(test, level);
}

static int open_pool(struct sdb_crashtest *test, uint32_t flags)
{
    struct sdb_options options;

    run_options(test, &options);
    options.flags = flags;
    return sdb_open(run_path(0), &options, &test->pool);
}

static int close_pool(struct sdb_crashtest *test)
{
    struct sdb_pool *pool = test->pool;
    int error = sdb_close(pool);

    if (!error)
        test->pool = NULL;
    return error;
}

static int run_phases(struct sdb_crashtest *test)
{
    int error, closed;

    test->phase = PHASE_CREATION;
    error = open_pool(test, SDB_CREATE | SDB_EXCLUSIVE);
    if (error)
        return error;
    test->phase = PHASE_SETUP;
    if (test->test.setup)
        error = test->test.setup(test->test.context, test->pool);
    test->phase = PHASE_WORK;
    if (!error && test->test.work)
        error = test->test.work(test->test.context, test, test->pool);
    closed = test->pool ? close_pool(test) : SDB_OK;
    test->phase = PHASE_NONE;
    return error ? error : closed;
}

/* Every store to the pool was an event, or the images were not those of the pool. */
static void check_announced(struct sdb_crashtest *test)
{
    uint64_t offset = domain_unannounced();

    if (offset != UINT64_MAX)
        run_fail(test, 0, "something was stored at offset 0x%" PRIx64 " without the persist layer", offset);
}

static int check_arguments(const struct sdb_crashtest_options *options)
{
    if (options->domain > SDB_CRASHTEST_PAGES ||
        (options->flags & ~(uint32_t)(SDB_CRASHTEST_CREATION | SDB_CRASHTEST_SETUP)) ||
        options->pool_size > 1ull << 36 || options->pool_size_max > 1ull << 36)
        return SDB_EINVAL;
    return SDB_OK;
}

static void release(struct sdb_crashtest *test)
{
    domains_end();
    for (unsigned i = 0; i < LEVELS; i++)
        free(test->plan[i].states);
    free(test->tried.keys);
    free(test->recovered.keys);
    free(test);
}

int sdb_crashtest_run(const struct sdb_crashtest_options *options, const struct sdb_crashtest_case *mine,
                      struct sdb_crashtest_report *out)
{
    const struct sdb_crashtest_options usual = SDB_CRASHTEST_OPTIONS_INIT;
    struct sdb_crashtest_report report = {0};
    struct sdb_crashtest *test;
    struct sdb_options pool;
    double begin = seconds_now();
    int error = options ? check_arguments(options) : SDB_OK;

    if (error || !mine)
        return SDB_EINVAL;
    if (__atomic_exchange_n(&running, 1, __ATOMIC_ACQUIRE))
        return SDB_EBUSY;
    test = crash_alloc(NULL, sizeof(*test));
    memset(test, 0, sizeof(*test));
    test->options = options ? *options : usual;
    test->test = *mine;
    test->report = &report;
    report.seed = test->options.seed;
    while (report.seed == 0 && getrandom(&report.seed, sizeof(report.seed), 0) == sizeof(report.seed))
        report.seed >>= 24; /* short enough to be typed */
    test->thread_seed = report.seed;
    run_options(test, &pool);
    domains_begin((enum domain_kind)test->options.domain,
                  pool.pool_size_max > pool.pool_size ? pool.pool_size_max : pool.pool_size);
    files_seed(report.seed);
    files_set_time(TIME_USUAL);
    files_fail_memory(0);
    domains.at_fence = at_fence;
    domains.context = test;
    domain_track(0);
    error = run_phases(test);
    check_announced(test);
    if (test->error)
        error = test->error;
    release(test);
    report.seconds = seconds_now() - begin;
    if (out)
        *out = report;
    if (report.failed_point)
        error_set("%s", report.failure);
    __atomic_store_n(&running, 0, __ATOMIC_RELEASE);
    return error;
}

/* -- during the work -- */

static void model_changed(struct sdb_crashtest *test)
{
    seen_clear(&test->tried);
    seen_clear(&test->recovered);
}

void sdb_crashtest_begin(struct sdb_crashtest *test)
{
    domains_lock();
    test->begun++;
    model_changed(test);
    domains_unlock();
    schedule_point();
}

void sdb_crashtest_end(struct sdb_crashtest *test)
{
    domains_lock();
    test->acknowledged++;
    model_changed(test);
    if (!test->error && !test->options.only_point)
        unflushed_check(test);
    point_reached(test, 0);
    domains_unlock();
    schedule_point();
}

void sdb_crashtest_yield(struct sdb_crashtest *test)
{
    (void)test;
    schedule_wait();
}

int sdb_crashtest_reopen(struct sdb_crashtest *test, struct sdb_pool **pool)
{
    int error = close_pool(test);

    if (!error)
        error = open_pool(test, 0);
    if (!error)
        *pool = test->pool;
    return error;
}

/* The pool is gone from this process; what it held is there, durable or not. */
static int end_pool(struct sdb_crashtest *test, int killed)
{
    if (!killed)
        return close_pool(test);
    if (test->pool->sessions)
        return SDB_EBUSY;
    pool_release(test->pool);
    test->pool = NULL;
    return SDB_OK;
}

/* Returns whether the lanes were hit: of the words that a kill left undecided, their records then vouch for some or for none. */
static bool damage_medium(sdb_crashtest_damage_fn *damage, void *context)
{
    struct medium *medium = &domains.levels[0].medium;
    const uint64_t size = medium->size;
    struct sdb_m_superblock superblock;
    uint8_t *old = crash_alloc(NULL, size);

    memcpy(old, medium->base, size);
    damage(context, medium->base, &medium->size);
    if (medium->size > size)
        medium->size = size;
    memset(medium->base + medium->size, 0, size - medium->size);
    medium->size_durable = medium->size;
    domain_damaged(old, size);
    memcpy(&superblock, old, sizeof(superblock));
    const bool hit = memcmp(old + superblock.lanes_offset, medium->base + superblock.lanes_offset,
                            superblock.lanes * superblock.lane_size) != 0;
    free(old);
    return hit;
}

int sdb_crashtest_repair(struct sdb_crashtest *test, struct sdb_pool **pool, int killed, sdb_crashtest_damage_fn *damage,
                         sdb_finding_fn *report, void *context, struct sdb_repair *result)
{
    const enum phase phase = test->phase;
    bool undecided = false;
    struct unrepaired cut;
    uint64_t durable;
    int error = end_pool(test, killed);

    if (error)
        return error;
    domains_lock();
    if (damage)
        undecided = damage_medium(damage, context) && killed;
    model_changed(test);
    test->unrepaired = image_unrepaired(test, true);
    cut = image_unrepaired(test, false);
    test->unrepaired.known = cut.error == test->unrepaired.error && cut.contents == test->unrepaired.contents;
    error = image_repaired(test, true, &test->expected);
    if (!error)
        test->expecting = !undecided && image_repaired(test, false, &durable) == SDB_OK && durable == test->expected;
    domains_unlock();
    test->phase = PHASE_REPAIR;
    error = error ? error : sdb_repair(run_path(0), 0, report, context, result);
    test->repaired = true;
    if (!error)
        error = open_pool(test, 0);
    test->repaired = false;
    test->phase = phase;
    test->expecting = false;
    model_changed(test);
    if (!error)
        *pool = test->pool;
    return error;
}

void sdb_crashtest_set_time(struct sdb_crashtest *test, int64_t now_ms)
{
    domains_lock();
    files_set_time(now_ms);
    model_changed(test);
    domains_unlock();
}

void sdb_crashtest_fail_memory(struct sdb_crashtest *test, uint32_t often)
{
    (void)test;
    files_fail_memory(often);
}

void sdb_crashtest_look(struct sdb_crashtest *test, int look)
{
    test->blind = !look;
}

const struct sdb_crashtest_report *sdb_crashtest_progress(const struct sdb_crashtest *test)
{
    return test->report;
}

struct threads {
    struct sdb_crashtest *test;
    sdb_crashtest_thread *thread;
    void *context;
    int error;
};

static void run_thread(void *context, unsigned number)
{
    struct threads *threads = context;
    int error = threads->thread(threads->context, threads->test, threads->test->pool, number);

    if (error && !threads->error)
        threads->error = error;
}

int sdb_crashtest_threads(struct sdb_crashtest *test, unsigned count, sdb_crashtest_thread *thread, void *context)
{
    struct threads threads = {.test = test, .thread = thread, .context = context};

    if (count == 0)
        return SDB_EINVAL;
    schedule_run(count, test->thread_seed++, run_thread, &threads);
    return threads.error;
}

/* -- sites -- */

extern struct site __start_superdb_sites[] __attribute__((visibility("hidden")));
extern struct site __stop_superdb_sites[] __attribute__((visibility("hidden")));

void sdb_crashtest_sites(sdb_crashtest_site_fn *visit, void *context)
{
    /* cppcheck-suppress comparePointers */ /* the ends of one section */
    for (const struct site *site = __start_superdb_sites; site < __stop_superdb_sites; site++) {
        struct sdb_crashtest_site told = {.file = site->file,
                                          .function = site->function,
                                          .line = site->line,
                                          .fences = site->kind >= SITE_FENCE,
                                          .reached = __atomic_load_n(&site->reached, __ATOMIC_RELAXED)};

        if (site->kind != SITE_STORE)
            visit(context, &told);
    }
}
