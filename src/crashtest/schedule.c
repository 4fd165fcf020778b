/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * schedule.c - one thread at a time, in an order that the seed decides
 *
 * Threads: the token's holder changes the state; everybody waits for it on one condition
 * Memory:  the table of threads
 */
#include "schedule.h"

#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "domain.h"
#include "lock.h"

#define NOBODY UINT32_MAX

static struct {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    uint64_t random;
    unsigned count, alive;
    uint32_t holder;
    bool *done;
    schedule_function *function;
    void *context;
} schedule = {.mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER, .holder = NOBODY};

static _Thread_local uint32_t self = NOBODY;
static _Thread_local unsigned held;

static uint32_t roll(uint32_t n)
{
    schedule.random = schedule.random * 6364136223846793005ull + 1442695040888963407ull;
    return (uint32_t)((schedule.random >> 33) % n);
}

/* Gives the token to a thread that is not done; to another one where there is one and other is asked for. */
static void pass(bool other)
{
    uint32_t next = NOBODY;

    if (schedule.alive > 0) {
        do
            next = roll(schedule.count);
        while (schedule.done[next] || (other && schedule.alive > 1 && next == self));
    }
    schedule.holder = next;
    (void)pthread_cond_broadcast(&schedule.changed);
}

static void take(void)
{
    while (schedule.holder != self)
        (void)pthread_cond_wait(&schedule.changed, &schedule.mutex);
}

static void change(bool other)
{
    (void)pthread_mutex_lock(&schedule.mutex);
    pass(other);
    take();
    (void)pthread_mutex_unlock(&schedule.mutex);
}

void schedule_point(void)
{
    if (self != NOBODY && !held)
        change(false);
}

void schedule_wait(void)
{
    if (self != NOBODY)
        change(true);
    else
        (void)sched_yield();
}

void schedule_hold(void)
{
    held++;
}

void schedule_go(void)
{
    held--;
}

static void *thread_main(void *argument)
{
    self = (uint32_t)(uintptr_t)argument;
    (void)pthread_mutex_lock(&schedule.mutex);
    take();
    (void)pthread_mutex_unlock(&schedule.mutex);
    schedule.function(schedule.context, self);
    (void)pthread_mutex_lock(&schedule.mutex);
    schedule.done[self] = true;
    schedule.alive--;
    pass(false);
    (void)pthread_mutex_unlock(&schedule.mutex);
    return NULL;
}

void schedule_run(unsigned count, uint64_t seed, schedule_function *function, void *context)
{
    pthread_t *threads = crash_alloc(NULL, count * sizeof(*threads));

    schedule.random = seed * 2654435761u + 12345u;
    schedule.count = schedule.alive = count;
    schedule.done = crash_alloc(NULL, count * sizeof(*schedule.done));
    schedule.function = function;
    schedule.context = context;
    for (unsigned i = 0; i < count; i++) {
        schedule.done[i] = false;
        if (pthread_create(&threads[i], NULL, thread_main, (void *)(uintptr_t)i) != 0) {
            (void)fprintf(stderr, "crashtest: no thread could be made\n");
            abort();
        }
    }
    (void)pthread_mutex_lock(&schedule.mutex);
    pass(false);
    (void)pthread_mutex_unlock(&schedule.mutex);
    for (unsigned i = 0; i < count; i++)
        (void)pthread_join(threads[i], NULL);
    free(threads);
    free(schedule.done);
    schedule.holder = NOBODY;
}

/* -- the slow ways of the engine's lock (lock.h), in place of those in lock.c: who waits lets somebody else run -- */

void lock_wait(struct lock *lock)
{
    while (!lock_try(lock))
        schedule_wait();
}

/* Nobody looks at a clock here: a turn for the others is as long as any time. */
bool lock_acquire_within(struct lock *lock, uint64_t ns)
{
    (void)ns;
    if (lock_try(lock))
        return true;
    schedule_wait();
    return lock_try(lock);
}

void lock_wake(struct lock *lock)
{
    (void)lock;
}
