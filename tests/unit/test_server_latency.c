/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_server_latency.c - histograms count every duration, in buckets narrower than one in a hundred
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "latency.h"

static struct latency_histogram histogram, other;

static int setup(void **state)
{
    (void)state;
    memset(&histogram, 0, sizeof(histogram));
    memset(&other, 0, sizeof(other));
    return 0;
}

static void every_duration_lies_in_a_narrow_bucket(void **state)
{
    (void)state;
    for (uint64_t ns = 0; ns < 256; ns++)
        assert_int_equal(latency_bucket_top(ns), ns);
    for (uint64_t ns = 256; ns < 1u << 30; ns += ns / 77 + 1) {
        uint64_t top = latency_bucket_top(ns);
        assert_true(top >= ns);
        assert_true(top - ns <= ns / 100);
        assert_true(latency_bucket_top(top + 1) > top || top + 1 >= 1u << 30);
    }
    assert_int_equal(latency_bucket_top(UINT64_MAX), (1u << 30) - 1);
}

static void percentiles_are_tops_of_buckets(void **state)
{
    (void)state;
    assert_int_equal(latency_percentile(&histogram, 50), 0);
    for (uint64_t ns = 1; ns <= 100; ns++)
        latency_record(&histogram, ns, 1);
    assert_int_equal(latency_percentile(&histogram, 0), 1);
    assert_int_equal(latency_percentile(&histogram, 50), 50);
    assert_int_equal(latency_percentile(&histogram, 99), 99);
    assert_int_equal(latency_percentile(&histogram, 100), 100);
    assert_int_equal(latency_count(&histogram), 100);
}

static void steps_are_cumulative_and_leave_empty_octaves_out(void **state)
{
    struct latency_step steps[40];

    (void)state;
    assert_int_equal(latency_steps(&histogram, steps, 40), 0);
    latency_record(&histogram, 500, 3);        /* up to 1,031 ns: 1 us */
    latency_record(&histogram, 1500, 2);       /* 2 us */
    latency_record(&histogram, 30000, 1);      /* 33 us */
    latency_record(&histogram, 5000000000, 1); /* beyond the last bucket */
    assert_int_equal(latency_steps(&histogram, steps, 40), 4);
    assert_int_equal(steps[0].us, 1);
    assert_int_equal(steps[0].count, 3);
    assert_int_equal(steps[1].us, 2);
    assert_int_equal(steps[1].count, 5);
    assert_int_equal(steps[2].us, 33);
    assert_int_equal(steps[2].count, 6);
    assert_int_equal(steps[3].count, 7);
}

static void sums_count_the_pending_calls_and_forget_the_baseline(void **state)
{
    (void)state;
    latency_record(&histogram, 100, 1);
    latency_record(&histogram, 200, 4);
    latency_add(&other, &histogram, 7);
    assert_int_equal(latency_count(&other), 12);
    assert_int_equal(other.counts[200], 11);
    latency_subtract(&other, &histogram);
    assert_int_equal(latency_count(&other), 7);
    latency_subtract(&other, &other);
    latency_subtract(&other, &histogram);
    assert_int_equal(latency_count(&other), 0);
}

static void ticks_follow_the_clock(void **state)
{
    uint64_t start_ns, start, ns, measured;

    (void)state;
    latency_init();
    /* the ticks are read first and last: whatever interrupts the thread makes them more, never less */
    start = latency_ticks();
    start_ns = clock_ns();
    while ((ns = clock_ns() - start_ns) < 2000000)
        ;
    measured = latency_ns(latency_ticks() - start);
    assert_true(measured >= ns - ns / 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(every_duration_lies_in_a_narrow_bucket, setup),
        cmocka_unit_test_setup(percentiles_are_tops_of_buckets, setup),
        cmocka_unit_test_setup(steps_are_cumulative_and_leave_empty_octaves_out, setup),
        cmocka_unit_test_setup(sums_count_the_pending_calls_and_forget_the_baseline, setup),
        cmocka_unit_test_setup(ticks_follow_the_clock, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
