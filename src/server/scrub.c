/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * scrub.c - the background scrub: when, how fast, and what came of it
 * Threads: one of its own, which works; the others ask and tell it under `lock`
 */
#include "scrub.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

#include "clock.h"
#include "config.h"
#include "log.h"

#define STEP_BYTES 65536u       /* between two looks at the clock and at `lock` */
#define LOGGED_FINDINGS_MAX 100 /* of a round; the rest are counted */
#define IDLE_WAIT_MS 1000
#define CURSOR_BYTES 32 /* of the pool, for each step of a cursor */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static pthread_t thread;
static struct sdb_pool *pool;
static int is_open;
/* Under `lock`. */
static int ending;
static int64_t due_ms; /* when the next round begins by itself */
static struct scrub_status state;

static void log_finding(void *context, const struct sdb_finding *finding)
{
    uint64_t *logged = context;
    char key[65] = "";

    if (++*logged > LOGGED_FINDINGS_MAX)
        return;
    if (finding->key.data != NULL)
        memcpy(key, finding->key.data, finding->key.size < sizeof(key) - 1 ? finding->key.size : sizeof(key) - 1);
    log_message(LOG_LEVEL_WARNING, "Scrub: offset %llu: %s%s%s", (unsigned long long)finding->offset, finding->what,
                finding->key.data != NULL ? ": key " : "", key);
    if (*logged == LOGGED_FINDINGS_MAX)
        log_message(LOG_LEVEL_WARNING, "Scrub: more is counted, and not logged: superdb-pool check names everything");
}

/* Waits for the time, or for a change. With `lock`. */
static void wait_until(int64_t when_ms)
{
    const struct timespec until = {.tv_sec = when_ms / 1000, .tv_nsec = when_ms % 1000 * 1000000};

    (void)pthread_cond_timedwait(&changed, &lock, &until);
}

static void end_round(int completed)
{
    state.running = 0;
    due_ms = clock_ms() + CONFIG_READ(scrub_interval) * 1000;
    if (!completed)
        return;
    state.rounds++;
    state.progress = 1;
    state.ended_ms = clock_ms();
    state.problems = state.now.problems;
    log_message(state.problems != 0 ? LOG_LEVEL_WARNING : LOG_LEVEL_NOTICE, "Scrub: completed, %llu keys in %lld ms, %llu problems",
                (unsigned long long)state.now.keys, (long long)(state.ended_ms - state.started_ms),
                (unsigned long long)state.problems);
}

/* One round. With `lock`, which is given back for each step. */
static void run_round(struct sdb_session *session)
{
    struct sdb_scrub sums = {0};
    struct sdb_pool_info info;
    uint64_t cursor = 0, logged = 0;
    int64_t begun_ms = clock_ms();
    int error;

    state.started_ms = begun_ms;
    state.progress = 0;
    sdb_pool_info(pool, &info);
    do {
        const uint64_t before = sums.problems;

        (void)pthread_mutex_unlock(&lock);
        error = sdb_scrub(session, &cursor, STEP_BYTES, log_finding, &logged, &sums);
        (void)pthread_mutex_lock(&lock);
        state.now = sums;
        state.problems_all += sums.problems - before;
        state.progress = (double)cursor * CURSOR_BYTES / (double)info.size;
        /* The time at which so many bytes are due at this rate. */
        for (int64_t due = 0; state.running && !ending && state.rate != 0 && cursor != 0;) {
            due = begun_ms + (int64_t)((double)sums.bytes * 1000 / (double)state.rate);
            if (clock_ms() >= due)
                break;
            wait_until(due);
        }
    } while (error == SDB_OK && cursor != 0 && state.running && !ending);
    if (error != SDB_OK)
        log_message(LOG_LEVEL_WARNING, "Scrub: stopped: %s", sdb_last_error());
    end_round(error == SDB_OK && cursor == 0);
}

static void *run(void *unused)
{
    struct sdb_session *session;

    (void)unused;
    (void)pthread_mutex_lock(&lock);
    while (!ending) {
        const int64_t interval = CONFIG_READ(scrub_interval);

        if (!state.running && interval != 0 && clock_ms() >= due_ms) {
            state.running = 1;
            state.rate = CONFIG_READ(scrub_rate);
        }
        if (!state.running) {
            wait_until(clock_ms() + IDLE_WAIT_MS);
            continue;
        }
        if (sdb_session_open(pool, &session) != SDB_OK) {
            log_message(LOG_LEVEL_WARNING, "Scrub: not begun: %s", sdb_last_error());
            end_round(0);
            continue;
        }
        run_round(session);
        sdb_session_close(session);
    }
    (void)pthread_mutex_unlock(&lock);
    return NULL;
}

int scrub_open(struct sdb_pool *of)
{
    pool = of;
    ending = 0;
    due_ms = clock_ms() + CONFIG_READ(scrub_interval) * 1000;
    is_open = pthread_create(&thread, NULL, run, NULL) == 0;
    return is_open ? 0 : -1;
}

void scrub_close(void)
{
    if (!is_open)
        return;
    (void)pthread_mutex_lock(&lock);
    ending = 1;
    (void)pthread_cond_broadcast(&changed);
    (void)pthread_mutex_unlock(&lock);
    (void)pthread_join(thread, NULL);
    is_open = 0;
}

int scrub_start(int64_t rate)
{
    int result = -1;

    (void)pthread_mutex_lock(&lock);
    if (!state.running) {
        state.running = 1;
        state.rate = rate;
        result = 0;
        (void)pthread_cond_broadcast(&changed);
    }
    (void)pthread_mutex_unlock(&lock);
    return result;
}

void scrub_stop(void)
{
    (void)pthread_mutex_lock(&lock);
    state.running = 0;
    (void)pthread_cond_broadcast(&changed);
    (void)pthread_mutex_unlock(&lock);
}

void scrub_status(struct scrub_status *status)
{
    (void)pthread_mutex_lock(&lock);
    *status = state;
    (void)pthread_mutex_unlock(&lock);
}
