/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lock.c - the slow ways of the mutex: spinning, sleeping, waking
 *
 * How long to spin is learnt: each thread keeps a running mean of the turns that led to success, and spins for at
 * most twice that and a little, so that locks which are held for long stop costing CPU time, and short ones never
 * sleep.
 */
#include "lock.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define SPIN_TURNS_MAX 400u /* 5 to 15 us, a sleeper's wake-up */
#define SPIN_TURNS_MIN 20u

static _Thread_local uint32_t spin_mean = SPIN_TURNS_MAX / 4;

static inline void pause_briefly(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("isb" ::: "memory");
#endif
}

static void futex(uint32_t *word, int operation, uint32_t value)
{
    /* Interruptions and changed values both lead back to the state word: there is no failure to report. */
    (void)syscall(SYS_futex, word, operation, value, NULL, NULL, 0);
}

/* Spins while that is promising; says whether the lock was taken. */
static bool spin(struct lock *lock)
{
    uint32_t limit = 2 * spin_mean + SPIN_TURNS_MIN;
    uint32_t turn;

    if (limit > SPIN_TURNS_MAX)
        limit = SPIN_TURNS_MAX;
    for (turn = 0; turn < limit; turn++) {
        uint32_t state = __atomic_load_n(&lock->state, __ATOMIC_RELAXED);
        if (state == LOCK_FREE && lock_try(lock)) {
            spin_mean = (7 * spin_mean + turn) / 8;
            return true;
        }
        pause_briefly();
    }
    /* A miss pulls the mean down to the least, so that spinning stops where it never pays. */
    spin_mean = 7 * spin_mean / 8;
    return false;
}

void lock_wait(struct lock *lock)
{
    if (spin(lock))
        return;
    /* Taken as "contended" from here on: this thread cannot know whether it was the last one asleep. */
    while (__atomic_exchange_n(&lock->state, LOCK_CONTENDED, __ATOMIC_ACQUIRE) != LOCK_FREE)
        futex(&lock->state, FUTEX_WAIT_PRIVATE, LOCK_CONTENDED);
}

bool lock_acquire_within(struct lock *lock, uint64_t ns)
{
    const struct timespec limit = {.tv_sec = (time_t)(ns / 1000000000u), .tv_nsec = (long)(ns % 1000000000u)};

    if (lock_try(lock) || spin(lock))
        return true;
    if (__atomic_exchange_n(&lock->state, LOCK_CONTENDED, __ATOMIC_ACQUIRE) == LOCK_FREE)
        return true;
    (void)syscall(SYS_futex, &lock->state, FUTEX_WAIT_PRIVATE, LOCK_CONTENDED, &limit, NULL, 0);
    return __atomic_exchange_n(&lock->state, LOCK_CONTENDED, __ATOMIC_ACQUIRE) == LOCK_FREE;
}

void lock_wake(struct lock *lock)
{
    futex(&lock->state, FUTEX_WAKE_PRIVATE, 1);
}
