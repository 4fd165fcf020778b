/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * histogram.c - log-linear counting
 *
 * A value of b significant bits, b > 11, is shifted right by b - 11: what remains lies in 1024 to 2047 and names the
 * bucket within its doubling.
 */
#include "histogram.h"

#include <stdlib.h>
#include <string.h>

struct histogram *histogram_create(void)
{
    struct histogram *histogram = malloc(sizeof *histogram);

    if (histogram)
        histogram_clear(histogram);
    return histogram;
}

void histogram_clear(struct histogram *histogram)
{
    memset(histogram, 0, sizeof *histogram);
    histogram->minimum = UINT64_MAX;
}

uint32_t histogram_bucket(uint64_t value)
{
    uint32_t bits;
    uint32_t shift;

    if (value < HISTOGRAM_LINEAR)
        return (uint32_t)value;
    bits = 64u - (uint32_t)__builtin_clzll(value);
    if (bits > HISTOGRAM_BITS)
        return HISTOGRAM_BUCKETS - 1;
    shift = bits - 11u;
    return HISTOGRAM_LINEAR + (shift - 1) * HISTOGRAM_HALF + (uint32_t)(value >> shift) - HISTOGRAM_HALF;
}

uint64_t histogram_bucket_end(uint32_t bucket)
{
    uint32_t shift;
    uint64_t within;

    if (bucket < HISTOGRAM_LINEAR)
        return bucket;
    shift = (bucket - HISTOGRAM_LINEAR) / HISTOGRAM_HALF + 1;
    within = (bucket - HISTOGRAM_LINEAR) % HISTOGRAM_HALF + HISTOGRAM_HALF;
    return ((within + 1) << shift) - 1;
}

void histogram_record(struct histogram *histogram, uint64_t value, uint64_t times)
{
    if (!times)
        return;
    histogram->buckets[histogram_bucket(value)] += times;
    histogram->count += times;
    histogram->sum += (double)value * (double)times;
    if (value < histogram->minimum)
        histogram->minimum = value;
    if (value > histogram->maximum)
        histogram->maximum = value;
}

void histogram_merge(struct histogram *histogram, const struct histogram *other)
{
    for (uint32_t i = 0; i < HISTOGRAM_BUCKETS; i++)
        histogram->buckets[i] += other->buckets[i];
    histogram->count += other->count;
    histogram->sum += other->sum;
    if (other->minimum < histogram->minimum)
        histogram->minimum = other->minimum;
    if (other->maximum > histogram->maximum)
        histogram->maximum = other->maximum;
}

uint64_t histogram_percentile(const struct histogram *histogram, double percent)
{
    /* A hair less, lest rounding makes 99.9% of 1000 a little more than 999. */
    double exact = percent / 100.0 * (double)histogram->count * (1 - 1e-12);
    uint64_t wanted = (uint64_t)exact;
    uint64_t seen = 0;

    if (!histogram->count)
        return 0;
    if ((double)wanted < exact)
        wanted++;
    if (wanted < 1)
        wanted = 1;
    if (wanted >= histogram->count)
        return histogram->maximum;
    for (uint32_t i = 0; i < HISTOGRAM_BUCKETS - 1; i++) {
        seen += histogram->buckets[i];
        if (seen >= wanted) {
            uint64_t end = histogram_bucket_end(i);

            return end < histogram->maximum ? end : histogram->maximum;
        }
    }
    return histogram->maximum;
}

double histogram_mean(const struct histogram *histogram)
{
    return histogram->count ? histogram->sum / (double)histogram->count : 0;
}
