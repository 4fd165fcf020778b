/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * workload.c - drawing keys, exactly as their chances are
 *
 * Zipfian keys are drawn with an alias table, so that the bound, a sum over the chances, is of the very same distribution.
 * Source: Vose, "A linear algorithm for generating random numbers with a given distribution", 1991.
 */
#include "workload.h"

#include "keyspace.h"

#include <math.h>
#include <stdlib.h>

struct alias {
    uint32_t *other;
    double *keep;
    uint32_t count;
};

static void alias_free(struct alias *alias)
{
    free(alias->other);
    free(alias->keep);
}

/* chances: count numbers whose sum is count; they are used up. */
static int alias_make(struct alias *alias, double *chances, uint32_t count)
{
    uint32_t *small = malloc(count * sizeof *small);
    uint32_t *large = malloc(count * sizeof *large);
    uint32_t smalls = 0;
    uint32_t larges = 0;

    alias->count = count;
    alias->other = malloc(count * sizeof *alias->other);
    alias->keep = malloc(count * sizeof *alias->keep);
    if (!small || !large || !alias->other || !alias->keep) {
        free(small);
        free(large);
        alias_free(alias);
        return -1;
    }
    for (uint32_t i = 0; i < count; i++) {
        alias->keep[i] = 1;
        alias->other[i] = i;
        if (chances[i] < 1)
            small[smalls++] = i;
        else
            large[larges++] = i;
    }
    while (smalls && larges) {
        uint32_t less = small[--smalls];
        uint32_t more = large[larges - 1];

        alias->keep[less] = chances[less];
        alias->other[less] = more;
        chances[more] -= 1 - chances[less];
        if (chances[more] < 1) {
            larges--;
            small[smalls++] = more;
        }
    }
    free(small);
    free(large);
    return 0;
}

static double random_share(uint64_t *state)
{
    return (double)(random64(state) >> 11) * 0x1.0p-53;
}

static uint32_t random_below(uint64_t *state, uint32_t count)
{
    return (uint32_t)((random64(state) >> 32) * count >> 32);
}

static uint32_t alias_draw(const struct alias *alias, uint64_t *state)
{
    uint32_t i = random_below(state, alias->count);

    return random_share(state) < alias->keep[i] ? i : alias->other[i];
}

static int draw_zipfian(struct trace *trace, double theta, uint32_t copies, uint64_t *state)
{
    double *chances = malloc(trace->key_count * sizeof *chances);
    struct alias alias;
    double sum = 0;
    double best = 0;
    int failed;

    if (!chances)
        return -1;
    for (uint32_t i = 0; i < trace->key_count; i++) {
        chances[i] = pow((double)i + 1, -theta);
        sum += chances[i];
        if (i < copies)
            best = sum;
    }
    trace->ideal = best / sum;
    for (uint32_t i = 0; i < trace->key_count; i++)
        chances[i] *= trace->key_count / sum;
    failed = alias_make(&alias, chances, trace->key_count);
    free(chances);
    if (failed)
        return -1;
    for (size_t i = 0; i < trace->count; i++)
        trace->keys[i] = alias_draw(&alias, state);
    alias_free(&alias);
    return 0;
}

static void draw_hot(struct trace *trace, const struct workload *workload, uint64_t *state)
{
    uint32_t scanned = trace->hot;

    for (size_t i = 0; i < trace->count; i++) {
        uint32_t phase = workload->phases ? (uint32_t)(i * workload->phases / trace->count) : 0;

        if (random_below(state, 100) >= workload->cold_percent) {
            trace->keys[i] = phase * trace->hot + random_below(state, trace->hot);
        } else if (workload->kind == WORKLOAD_SCAN) {
            trace->keys[i] = scanned++;
            if (scanned == trace->key_count)
                scanned = trace->hot;
        } else {
            trace->keys[i] = trace->hot + random_below(state, trace->key_count - trace->hot);
        }
    }
}

/* The share that the best cache hits whose content does not change: the hot keys as far as they fit, then any others. */
static double hot_ideal(const struct trace *trace, const struct workload *workload, uint32_t copies)
{
    double cold = workload->cold_percent / 100.0;
    double hot_hits = trace->hot <= copies ? 1 : (double)copies / trace->hot;
    double room = trace->hot < copies ? copies - trace->hot : 0;

    return (1 - cold) * hot_hits + (workload->kind == WORKLOAD_SCAN ? 0 : cold * room / (trace->key_count - trace->hot));
}

int trace_make(struct trace *trace, const struct workload *workload, uint32_t key_count, uint32_t copies, size_t count,
               uint64_t seed)
{
    uint64_t state = mix64(seed);

    trace->keys = malloc(count * sizeof *trace->keys);
    trace->count = count;
    trace->counted_from = workload->kind == WORKLOAD_SHIFT ? 0 : count / 2;
    trace->key_count = key_count;
    trace->hot = key_count;
    if (!trace->keys)
        return -1;
    if (workload->kind == WORKLOAD_ZIPFIAN)
        return draw_zipfian(trace, workload->theta, copies, &state);
    trace->hot = (uint32_t)(workload->hot * copies);
    draw_hot(trace, workload, &state);
    trace->ideal = hot_ideal(trace, workload, copies);
    return 0;
}

void trace_free(struct trace *trace)
{
    free(trace->keys);
    trace->keys = NULL;
}
