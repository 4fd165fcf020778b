/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lock.h - a mutex of four bytes: one compare-and-swap to take, one exchange to release, a futex where it must sleep
 *
 * Not recursive, not fair, unknown to priority inheritance. It spins before it sleeps: a sleeping thread's wake-up
 * takes 15 us where a commit takes a quarter of one. Lives in DRAM only.
 */
#ifndef SDB_BASE_LOCK_H
#define SDB_BASE_LOCK_H

#include <stdbool.h>
#include <stdint.h>

enum lock_state {
    LOCK_FREE = 0,
    LOCK_HELD = 1,
    LOCK_CONTENDED = 2, /* held, and somebody sleeps or is about to */
};

struct lock {
    uint32_t state; /* Atomic: released by lock_release, acquired by lock_acquire. */
};
#define LOCK_INIT                                                                                                      \
    {                                                                                                                  \
        LOCK_FREE                                                                                                      \
    }

/* The slow ways, for this header only. */
void lock_wait(struct lock *lock);
void lock_wake(struct lock *lock);

static inline void lock_init(struct lock *lock)
{
    __atomic_store_n(&lock->state, LOCK_FREE, __ATOMIC_RELAXED);
}

/* Takes the lock if it is free, and says whether it did. Release: lock_release. */
static inline bool lock_try(struct lock *lock)
{
    uint32_t expected = LOCK_FREE;

    return __atomic_compare_exchange_n(&lock->state, &expected, LOCK_HELD, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
}

/* Takes the lock, waiting for it where another thread has it. Release: lock_release. */
static inline void lock_acquire(struct lock *lock)
{
    if (__builtin_expect(!lock_try(lock), 0))
        lock_wait(lock);
}

/* The same for so long at most, and says whether it did. */
bool lock_acquire_within(struct lock *lock, uint64_t ns);

static inline void lock_release(struct lock *lock)
{
    if (__builtin_expect(__atomic_exchange_n(&lock->state, LOCK_FREE, __ATOMIC_RELEASE) == LOCK_CONTENDED, 0))
        lock_wake(lock);
}

/* Whether some thread holds it: for asserts. */
static inline bool lock_is_held(const struct lock *lock)
{
    return __atomic_load_n(&lock->state, __ATOMIC_RELAXED) != LOCK_FREE;
}

#endif
