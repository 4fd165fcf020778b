/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * histogram.h - counts of values in log-linear buckets: three significant digits from 0 to 2^40, at a constant cost
 *
 * Values below 2048 have a bucket each; above, every doubling is divided into 1024 equal buckets, so that a bucket is
 * never wider than a thousandth of its values. Larger values than 2^40 count in the last bucket; minimum, maximum and mean
 * are exact for all of them.
 */
#ifndef BENCH_HISTOGRAM_H
#define BENCH_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_LINEAR 2048u /* values with a bucket of their own */
#define HISTOGRAM_HALF 1024u   /* buckets of each doubling above */
#define HISTOGRAM_BITS 40u     /* values up to 2^40 - 1 are told apart */
#define HISTOGRAM_BUCKETS (HISTOGRAM_LINEAR + (HISTOGRAM_BITS - 11u) * HISTOGRAM_HALF)

struct histogram {
    uint64_t count;
    uint64_t minimum; /* UINT64_MAX while empty */
    uint64_t maximum;
    double sum;
    uint64_t buckets[HISTOGRAM_BUCKETS];
};

/* An empty histogram; NULL without memory. Owner: the caller frees it with free(). */
struct histogram *histogram_create(void);

void histogram_clear(struct histogram *histogram);

/* Counts value `times` times. */
void histogram_record(struct histogram *histogram, uint64_t value, uint64_t times);

/* Adds what other has counted. */
void histogram_merge(struct histogram *histogram, const struct histogram *other);

/*
 * The value that at least `percent` (0 to 100) of the counted ones do not exceed: the upper end of its bucket, but no more
 * than the maximum. 0 of an empty histogram.
 */
uint64_t histogram_percentile(const struct histogram *histogram, double percent);

double histogram_mean(const struct histogram *histogram);

/* The bucket of a value, and the largest value of a bucket. Public for the tests. */
uint32_t histogram_bucket(uint64_t value);
uint64_t histogram_bucket_end(uint32_t bucket);

#endif
