/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_sigbus.c - a lost page answers with zeros; every other SIGBUS goes where it went before
 *
 * ctest-labels: threads
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "persist.h"
#include "sigbus.h"

#define PAGE 4096u
#define PAGES 16u

struct mapped {
    FILE *file;
    uint8_t *base;
    struct sigbus_region region;
};

static void map_file(struct mapped *mapped)
{
    mapped->file = tmpfile();
    assert_non_null(mapped->file);
    assert_int_equal(ftruncate(fileno(mapped->file), PAGES * PAGE), 0);
    mapped->base = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fileno(mapped->file), 0);
    assert_true(mapped->base != MAP_FAILED);
    memset(mapped->base, 0x55, PAGES * PAGE);
    mapped->region = (struct sigbus_region){.base = mapped->base, .size = PAGES * PAGE, .fd = fileno(mapped->file)};
}

static void shrink_to(struct mapped *mapped, unsigned pages)
{
    assert_int_equal(ftruncate(fileno(mapped->file), (off_t)pages * PAGE), 0);
}

static void unmap_file(struct mapped *mapped)
{
    assert_int_equal(munmap(mapped->base, PAGES * PAGE), 0);
    assert_int_equal(fclose(mapped->file), 0);
}

static uint8_t load(const uint8_t *at)
{
    return *(const volatile uint8_t *)at;
}

static void a_page_behind_the_end_of_a_shrunk_file_reads_as_zeros(void **state)
{
    struct mapped mapped;
    (void)state;

    map_file(&mapped);
    assert_int_equal(sigbus_watch(&mapped.region), 0);
    shrink_to(&mapped, 4);
    assert_int_equal(load(mapped.base + 3 * PAGE + 17), 0x55);
    assert_int_equal(mapped.region.failed, 0);

    assert_int_equal(load(mapped.base + 9 * PAGE + 17), 0);
    assert_int_equal(mapped.region.failed, 1);
    assert_int_equal(mapped.region.media_errors, 1);
    assert_int_equal(mapped.region.last_offset, 9 * PAGE + 17);

    /* One fault fills all that is gone, and what is left stays. */
    for (unsigned page = 4; page < PAGES; page++)
        assert_int_equal(load(mapped.base + page * PAGE), 0);
    assert_int_equal(mapped.region.media_errors, 1);
    assert_int_equal(load(mapped.base + 3 * PAGE), 0x55);

    sigbus_unwatch(&mapped.region);
    unmap_file(&mapped);
}

static void a_store_to_a_lost_page_goes_on_and_its_fence_refuses(void **state)
{
    struct mapped mapped;
    struct persist persist;
    struct persist_thread thread = {0};
    (void)state;

    map_file(&mapped);
    assert_int_equal(sigbus_watch(&mapped.region), 0);
    persist_init(&persist, persist_flush_best(), mapped.base, &mapped.region.failed);
    persist_store((uint64_t *)(void *)mapped.base, 1);
    persist_flush_line(&persist, &thread, mapped.base);
    assert_int_equal(persist_fence(&persist, &thread), 0);

    shrink_to(&mapped, 1);
    persist_store((uint64_t *)(void *)(mapped.base + 5 * PAGE), 2);
    persist_flush_line(&persist, &thread, mapped.base + 5 * PAGE);
    assert_int_equal(persist_fence(&persist, &thread), SDB_EIO);

    sigbus_unwatch(&mapped.region);
    unmap_file(&mapped);
}

static void *touch_from_thread(void *argument)
{
    const uint8_t *base = argument;
    uintptr_t sum = 0;

    for (unsigned page = 1; page < PAGES; page++)
        sum += load(base + page * PAGE);
    return (void *)sum;
}

static void threads_that_fault_together_all_go_on(void **state)
{
    (void)state;

    for (int round = 0; round < 50; round++) {
        struct mapped mapped;
        pthread_t threads[3];

        map_file(&mapped);
        assert_int_equal(sigbus_watch(&mapped.region), 0);
        shrink_to(&mapped, 1);
        for (size_t i = 0; i < 3; i++)
            assert_int_equal(pthread_create(&threads[i], NULL, touch_from_thread, mapped.base), 0);
        for (size_t i = 0; i < 3; i++) {
            void *sum = &mapped;

            assert_int_equal(pthread_join(threads[i], &sum), 0);
            assert_null(sum);
        }
        assert_int_equal(mapped.region.failed, 1);
        sigbus_unwatch(&mapped.region);
        unmap_file(&mapped);
    }
}

static sigjmp_buf back;
static volatile sig_atomic_t seen_by_plain;
static volatile sig_atomic_t seen_by_siginfo;
static void *volatile seen_address;

static void plain_handler(int number)
{
    (void)number;
    seen_by_plain++;
    siglongjmp(back, 1);
}

static void siginfo_handler(int number, siginfo_t *info, void *context)
{
    (void)number;
    (void)context;
    seen_by_siginfo++;
    seen_address = info->si_addr;
    siglongjmp(back, 1);
}

static void a_fault_outside_goes_to_the_former_handler(void **state)
{
    struct sigaction plain = {.sa_handler = plain_handler};
    struct sigaction siginfo = {.sa_sigaction = siginfo_handler, .sa_flags = SA_SIGINFO};
    struct sigaction original;
    struct mapped pool;
    struct mapped other;
    (void)state;

    map_file(&pool);
    map_file(&other);
    shrink_to(&other, 0);
    assert_int_equal(sigaction(SIGBUS, &plain, &original), 0);
    assert_int_equal(sigbus_watch(&pool.region), 0);
    if (sigsetjmp(back, 1) == 0)
        fail_msg("read %u from a lost page that nobody watches", load(other.base));
    assert_int_equal(seen_by_plain, 1);
    sigbus_unwatch(&pool.region);

    assert_int_equal(sigaction(SIGBUS, &siginfo, NULL), 0);
    assert_int_equal(sigbus_watch(&pool.region), 0);
    if (sigsetjmp(back, 1) == 0)
        fail_msg("read %u from a lost page that nobody watches", load(other.base + PAGE));
    assert_int_equal(seen_by_siginfo, 1);
    assert_ptr_equal(seen_address, other.base + PAGE);
    if (sigsetjmp(back, 1) == 0) {
        assert_int_equal(raise(SIGBUS), 0);
        fail_msg("a signal that was sent did not arrive");
    }
    assert_int_equal(seen_by_siginfo, 2);
    sigbus_unwatch(&pool.region);
    assert_int_equal(pool.region.media_errors, 0);
    assert_int_equal(sigaction(SIGBUS, &original, NULL), 0);
    unmap_file(&other);
    unmap_file(&pool);
}

/* In a child: faults, or sends itself SIGBUS, with the default action in force before the pool was watched. */
static int die_by_sigbus(int sent)
{
    const struct rlimit no_core = {0, 0};
    struct sigaction standard = {.sa_handler = SIG_DFL};
    struct mapped pool;
    struct mapped other;
    int status = -1;
    pid_t child;

    map_file(&pool);
    map_file(&other);
    (void)fflush(NULL);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void)setrlimit(RLIMIT_CORE, &no_core);
        (void)sigaction(SIGBUS, &standard, NULL);
        if (sigbus_watch(&pool.region) != 0 || ftruncate(fileno(other.file), 0) != 0)
            _exit(3);
        if (sent)
            (void)raise(SIGBUS);
        else
            _exit(load(other.base));
        _exit(4);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    unmap_file(&other);
    unmap_file(&pool);
    return status;
}

static void a_fault_outside_still_ends_the_process_where_it_did_before(void **state)
{
    (void)state;

    for (int sent = 0; sent < 2; sent++) {
        int status = die_by_sigbus(sent);

        assert_true(WIFSIGNALED(status));
        assert_int_equal(WTERMSIG(status), SIGBUS);
    }
}

static int is_ours(const struct sigaction *action)
{
    return (action->sa_flags & SA_SIGINFO) != 0 && action->sa_sigaction != siginfo_handler;
}

static void the_last_unwatch_puts_the_former_handler_back(void **state)
{
    struct sigaction plain = {.sa_handler = plain_handler};
    struct sigaction original;
    struct sigaction now;
    struct mapped a;
    struct mapped b;
    (void)state;

    map_file(&a);
    map_file(&b);
    assert_int_equal(sigaction(SIGBUS, &plain, &original), 0);
    assert_int_equal(sigbus_watch(&a.region), 0);
    assert_int_equal(sigbus_watch(&b.region), 0);
    sigbus_unwatch(&a.region);
    sigbus_unwatch(&a.region); /* not watched any more: ignored */
    assert_int_equal(sigaction(SIGBUS, NULL, &now), 0);
    assert_true(is_ours(&now));
    sigbus_unwatch(&b.region);
    assert_int_equal(sigaction(SIGBUS, NULL, &now), 0);
    assert_ptr_equal(now.sa_handler, plain_handler);
    assert_int_equal(sigaction(SIGBUS, &original, NULL), 0);
    unmap_file(&b);
    unmap_file(&a);
}

static struct sigaction beneath;

static void chaining_handler(int number, siginfo_t *info, void *context)
{
    seen_by_siginfo++;
    beneath.sa_sigaction(number, info, context);
}

static void a_handler_on_top_that_passes_on_to_ours_does_not_go_round_for_ever(void **state)
{
    struct sigaction plain = {.sa_handler = plain_handler};
    struct sigaction chaining = {.sa_sigaction = chaining_handler, .sa_flags = SA_SIGINFO};
    struct sigaction original;
    struct mapped pool;
    struct mapped other;
    (void)state;

    map_file(&pool);
    map_file(&other);
    shrink_to(&other, 0);
    assert_int_equal(sigaction(SIGBUS, &plain, &original), 0);
    assert_int_equal(sigbus_watch(&pool.region), 0);
    assert_int_equal(sigaction(SIGBUS, &chaining, &beneath), 0);
    sigbus_unwatch(&pool.region);
    assert_int_equal(sigbus_watch(&pool.region), 0); /* ours, theirs, ours, plain */
    seen_by_plain = 0;
    seen_by_siginfo = 0;
    if (sigsetjmp(back, 1) == 0)
        fail_msg("read %u from a lost page that nobody watches", load(other.base));
    assert_int_equal(seen_by_siginfo, 1);
    assert_int_equal(seen_by_plain, 1);
    sigbus_unwatch(&pool.region);
    assert_int_equal(sigaction(SIGBUS, &original, NULL), 0);
    unmap_file(&other);
    unmap_file(&pool);
}

static void a_handler_that_somebody_put_on_top_is_left_alone(void **state)
{
    struct sigaction plain = {.sa_handler = plain_handler};
    struct sigaction original;
    struct sigaction now;
    struct mapped mapped;
    (void)state;

    map_file(&mapped);
    assert_int_equal(sigaction(SIGBUS, NULL, &original), 0);
    assert_int_equal(sigbus_watch(&mapped.region), 0);
    assert_int_equal(sigaction(SIGBUS, &plain, NULL), 0);
    sigbus_unwatch(&mapped.region);
    assert_int_equal(sigaction(SIGBUS, NULL, &now), 0);
    assert_ptr_equal(now.sa_handler, plain_handler);

    /* Watching again goes on top of it, and works. */
    assert_int_equal(sigbus_watch(&mapped.region), 0);
    shrink_to(&mapped, 0);
    assert_int_equal(load(mapped.base), 0);
    assert_int_equal(mapped.region.media_errors, 1);
    sigbus_unwatch(&mapped.region);
    assert_int_equal(sigaction(SIGBUS, &original, NULL), 0);
    unmap_file(&mapped);
}

static void too_many_regions_are_refused_and_cost_nothing(void **state)
{
    static struct sigbus_region regions[SIGBUS_REGIONS_MAX + 1];
    (void)state;

    for (size_t i = 0; i < SIGBUS_REGIONS_MAX; i++)
        assert_int_equal(sigbus_watch(&regions[i]), 0);
    assert_int_equal(sigbus_watch(&regions[SIGBUS_REGIONS_MAX]), SDB_ENOMEM);
    sigbus_unwatch(&regions[7]);
    assert_int_equal(sigbus_watch(&regions[SIGBUS_REGIONS_MAX]), 0);
    for (size_t i = 0; i <= SIGBUS_REGIONS_MAX; i++)
        sigbus_unwatch(&regions[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_page_behind_the_end_of_a_shrunk_file_reads_as_zeros),
        cmocka_unit_test(a_store_to_a_lost_page_goes_on_and_its_fence_refuses),
        cmocka_unit_test(threads_that_fault_together_all_go_on),
        cmocka_unit_test(a_fault_outside_goes_to_the_former_handler),
        cmocka_unit_test(a_fault_outside_still_ends_the_process_where_it_did_before),
        cmocka_unit_test(the_last_unwatch_puts_the_former_handler_back),
        /* before the next one, which leaves ours beneath a handler that does not pass on */
        cmocka_unit_test(a_handler_on_top_that_passes_on_to_ours_does_not_go_round_for_ever),
        cmocka_unit_test(a_handler_that_somebody_put_on_top_is_left_alone),
        cmocka_unit_test(too_many_regions_are_refused_and_cost_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
