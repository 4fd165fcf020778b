/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_histogram.c - the bench's log-linear histogram: every value lies in its bucket, buckets are narrow, percentiles are
 * those of the sorted values
 */
#include "histogram.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#define LARGEST ((1ull << HISTOGRAM_BITS) - 1)

static void buckets_follow_each_other_without_a_gap(void **state)
{
    uint64_t next = 0;

    (void)state;
    for (uint32_t bucket = 0; bucket < HISTOGRAM_BUCKETS; bucket++) {
        uint64_t end = histogram_bucket_end(bucket);

        assert_true(end >= next);
        assert_int_equal(histogram_bucket(next), bucket);
        assert_int_equal(histogram_bucket(end), bucket);
        next = end + 1;
    }
    assert_int_equal(next, LARGEST + 1);
}

static void a_bucket_is_no_wider_than_a_thousandth_of_its_values(void **state)
{
    (void)state;
    for (uint32_t bucket = 1; bucket < HISTOGRAM_BUCKETS; bucket++) {
        uint64_t start = histogram_bucket_end(bucket - 1) + 1;
        uint64_t width = histogram_bucket_end(bucket) - start + 1;

        assert_true(width == 1 || width * 1000 <= start);
    }
}

static void values_beyond_the_range_count_in_the_last_bucket(void **state)
{
    struct histogram *histogram = histogram_create();

    (void)state;
    assert_non_null(histogram);
    histogram_record(histogram, UINT64_MAX, 1);
    histogram_record(histogram, LARGEST + 1, 1);
    assert_int_equal(histogram->buckets[HISTOGRAM_BUCKETS - 1], 2);
    assert_int_equal(histogram_percentile(histogram, 100), UINT64_MAX);
    free(histogram);
}

static void an_empty_histogram_answers_zero(void **state)
{
    struct histogram *histogram = histogram_create();

    (void)state;
    assert_non_null(histogram);
    histogram_record(histogram, 42, 0);
    assert_int_equal(histogram->count, 0);
    assert_int_equal(histogram_percentile(histogram, 50), 0);
    assert_true(histogram_mean(histogram) == 0);
    free(histogram);
}

static void percentiles_of_small_values_are_exact(void **state)
{
    static const struct {
        double percent;
        uint64_t value;
    } cases[] = {{0, 1}, {1, 10}, {50, 500}, {50.05, 501}, {90, 900}, {99, 990}, {99.9, 999}, {99.99, 1000}, {100, 1000}};
    struct histogram *histogram = histogram_create();

    (void)state;
    assert_non_null(histogram);
    for (uint64_t value = 1000; value > 0; value--)
        histogram_record(histogram, value, 1);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_int_equal(histogram_percentile(histogram, cases[i].percent), cases[i].value);
    assert_true(histogram_mean(histogram) == 500.5);
    assert_int_equal(histogram->minimum, 1);
    free(histogram);
}

static void percentiles_of_large_values_have_three_digits(void **state)
{
    struct histogram *histogram = histogram_create();

    (void)state;
    assert_non_null(histogram);
    for (uint64_t value = 1; value <= 100000; value++)
        histogram_record(histogram, value * 1000, 1);
    for (uint64_t percent = 1; percent <= 100; percent++) {
        uint64_t exact = percent * 1000000;
        uint64_t found = histogram_percentile(histogram, (double)percent);

        assert_true(found >= exact && found - exact <= exact / 1000);
    }
    free(histogram);
}

static void a_percentile_never_exceeds_the_maximum(void **state)
{
    struct histogram *histogram = histogram_create();

    (void)state;
    assert_non_null(histogram);
    histogram_record(histogram, 1000000, 10);
    assert_int_equal(histogram_percentile(histogram, 50), 1000000);
    assert_int_equal(histogram_percentile(histogram, 99.99), 1000000);
    free(histogram);
}

static void merging_equals_recording_in_one(void **state)
{
    struct histogram *all = histogram_create();
    struct histogram *odd = histogram_create();
    struct histogram *even = histogram_create();

    (void)state;
    assert_true(all && odd && even);
    for (uint64_t value = 1; value < 3000000; value += value / 7 + 1) {
        histogram_record(all, value, value % 5);
        histogram_record(value & 1 ? odd : even, value, value % 5);
    }
    histogram_merge(odd, even);
    assert_int_equal(odd->count, all->count);
    assert_int_equal(odd->minimum, all->minimum);
    assert_int_equal(odd->maximum, all->maximum);
    assert_memory_equal(odd->buckets, all->buckets, sizeof all->buckets);
    free(all);
    free(odd);
    free(even);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(buckets_follow_each_other_without_a_gap),
        cmocka_unit_test(a_bucket_is_no_wider_than_a_thousandth_of_its_values),
        cmocka_unit_test(values_beyond_the_range_count_in_the_last_bucket),
        cmocka_unit_test(an_empty_histogram_answers_zero),
        cmocka_unit_test(percentiles_of_small_values_are_exact),
        cmocka_unit_test(percentiles_of_large_values_have_three_digits),
        cmocka_unit_test(a_percentile_never_exceeds_the_maximum),
        cmocka_unit_test(merging_equals_recording_in_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
