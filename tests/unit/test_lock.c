/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_lock.c - exclusion, visibility, sleeping and waking
 *
 * ctest-labels: threads
 */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lock.h"

#define THREADS 4
#define TURNS 50000

static struct lock lock = LOCK_INIT;
static uint64_t counter; /* plain on purpose: the lock alone keeps it right, and TSan watches */
static uint64_t mirror;

static void a_free_lock_is_taken_once(void **state)
{
    struct lock own;

    (void)state;
    lock_init(&own);
    assert_false(lock_is_held(&own));
    assert_true(lock_try(&own));
    assert_true(lock_is_held(&own));
    assert_false(lock_try(&own));
    lock_release(&own);
    assert_false(lock_is_held(&own));
    lock_acquire(&own);
    assert_false(lock_try(&own));
    lock_release(&own);
    assert_int_equal(sizeof(struct lock), 4);
}

static void *count(void *context)
{
    uint64_t *torn = context;

    for (int i = 0; i < TURNS; i++) {
        if (i % 5 == 0) {
            while (!lock_try(&lock))
                sched_yield();
        } else {
            lock_acquire(&lock);
        }
        if (counter != mirror)
            (*torn)++;
        counter++;
        /* Now and then the holder loses the processor, so that the others run out of spinning and sleep. */
        if (i % 1000 == 0)
            sched_yield();
        mirror++;
        lock_release(&lock);
    }
    return NULL;
}

static void one_thread_at_a_time_is_inside(void **state)
{
    pthread_t threads[THREADS];
    uint64_t torn[THREADS] = {0};

    (void)state;
    counter = mirror = 0;
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, count, &torn[i]), 0);
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(torn[i], 0);
    }
    assert_int_equal(counter, (uint64_t)THREADS * TURNS);
    assert_int_equal(mirror, counter);
    assert_false(lock_is_held(&lock));
}

static void *take_and_note(void *context)
{
    lock_acquire(&lock);
    *(int *)context = 1;
    lock_release(&lock);
    return NULL;
}

/* The holder keeps the lock until every other thread has announced that it sleeps or is about to. */
static void sleepers_are_all_woken(void **state)
{
    pthread_t threads[THREADS];
    int noted[THREADS] = {0};

    (void)state;
    lock_acquire(&lock);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, take_and_note, &noted[i]), 0);
    while (__atomic_load_n(&lock.state, __ATOMIC_RELAXED) != LOCK_CONTENDED)
        sched_yield();
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(noted[i], 0);
    lock_release(&lock);
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(noted[i], 1);
    }
    assert_false(lock_is_held(&lock));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_free_lock_is_taken_once),
        cmocka_unit_test(one_thread_at_a_time_is_inside),
        cmocka_unit_test(sleepers_are_all_woken),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
