/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * worker_stats.c - blocks of counters, one to a thread, and their sums
 */
#include "worker_stats.h"

#include <stdlib.h>
#include <string.h>

#include "command_table.h"
#include "latency.h"
#include "lock.h"

/* Wider than any code that is sent: what does not fit is cut off. */
#define CODE_SIZE sizeof(((struct worker_error *)0)->code)

__thread struct worker_stats *worker_stats_self;

/* Atomic: released when a block is linked in, acquired by whoever sums. Blocks are never unlinked. */
static struct worker_stats *all_blocks;

/* What the sums were at CONFIG RESETSTAT. */
static struct lock baseline_lock = LOCK_INIT;
static struct worker_counters baseline;         /* Under baseline_lock, as all below. */
static struct command_stats *baseline_commands; /* by number; NULL: never reset */
static struct latency_histogram **baseline_histograms;
static struct worker_error *baseline_errors;
static size_t baseline_error_kinds;

struct worker_stats *worker_stats_attach(void)
{
    struct worker_stats *block;
    size_t numbers = command_numbers();

    if (worker_stats_self != NULL)
        return worker_stats_self;
    /* Aligned and padded to pairs of cache lines, so that no two threads write to one line. */
    block = aligned_alloc(128, (sizeof(*block) + 127) / 128 * 128);
    if (block == NULL)
        return NULL;
    memset(block, 0, sizeof(*block));
    block->commands = calloc(numbers + 4, sizeof(*block->commands));
    block->histograms = calloc(numbers + 16, sizeof(struct latency_histogram *));
    if (block->commands == NULL || block->histograms == NULL) {
        free(block->commands);
        free(block->histograms);
        free(block);
        return NULL;
    }
    block->next = __atomic_load_n(&all_blocks, __ATOMIC_RELAXED);
    while (!__atomic_compare_exchange_n(&all_blocks, &block->next, block, 0, __ATOMIC_RELEASE, __ATOMIC_RELAXED))
        ;
    worker_stats_self = block;
    return block;
}

static struct worker_stats *first_block(void)
{
    return __atomic_load_n(&all_blocks, __ATOMIC_ACQUIRE);
}

void worker_stats_count_error(const char *text, size_t size)
{
    struct worker_stats *self = worker_stats_self;
    struct worker_error *error;
    size_t length = 0;

    worker_stats_add(&self->counters.error_replies, 1);
    while (length < size && length < CODE_SIZE - 1 && text[length] > ' ' && text[length] < 127)
        length++;
    for (uint32_t i = 0; i < self->error_kinds; i++) {
        error = &self->errors[i];
        if (memcmp(error->code, text, length) == 0 && error->code[length] == '\0') {
            worker_stats_add(&error->count, 1);
            return;
        }
    }
    if (self->error_kinds == WORKER_ERROR_KINDS)
        return;
    error = &self->errors[self->error_kinds];
    memcpy(error->code, text, length);
    error->code[length] = '\0';
    error->count = 1;
    __atomic_store_n(&self->error_kinds, self->error_kinds + 1, __ATOMIC_RELEASE);
}

static void sum_words(uint64_t *sum, const uint64_t *words, size_t count)
{
    for (size_t i = 0; i < count; i++)
        sum[i] += __atomic_load_n(&words[i], __ATOMIC_RELAXED);
}

static void subtract_words(uint64_t *sum, const uint64_t *words, size_t count)
{
    for (size_t i = 0; i < count; i++)
        sum[i] -= words[i] < sum[i] ? words[i] : sum[i];
}

static void sum_counters(struct worker_counters *sum)
{
    memset(sum, 0, sizeof(*sum));
    for (const struct worker_stats *block = first_block(); block != NULL; block = block->next)
        sum_words((uint64_t *)sum, (const uint64_t *)&block->counters, sizeof(*sum) / sizeof(uint64_t));
}

static void sum_command(size_t number, struct command_stats *sum)
{
    memset(sum, 0, sizeof(*sum));
    for (const struct worker_stats *block = first_block(); block != NULL; block = block->next)
        sum_words((uint64_t *)sum, (const uint64_t *)&block->commands[number], sizeof(*sum) / sizeof(uint64_t));
}

void worker_stats_sum(struct worker_counters *sum)
{
    sum_counters(sum);
    lock_acquire(&baseline_lock);
    subtract_words((uint64_t *)sum, (const uint64_t *)&baseline, sizeof(*sum) / sizeof(uint64_t));
    lock_release(&baseline_lock);
}

void worker_stats_sum_command(size_t number, struct command_stats *sum)
{
    sum_command(number, sum);
    lock_acquire(&baseline_lock);
    if (baseline_commands != NULL)
        subtract_words((uint64_t *)sum, (const uint64_t *)&baseline_commands[number], sizeof(*sum) / sizeof(uint64_t));
    lock_release(&baseline_lock);
}

static struct worker_error *find_error(struct worker_error *errors, size_t count, const char *code)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(errors[i].code, code) == 0)
            return &errors[i];
    return NULL;
}

static size_t sum_errors(struct worker_error *errors, size_t max)
{
    size_t count = 0;

    for (const struct worker_stats *block = first_block(); block != NULL; block = block->next) {
        uint32_t kinds = __atomic_load_n(&block->error_kinds, __ATOMIC_ACQUIRE);
        for (uint32_t i = 0; i < kinds; i++) {
            struct worker_error *error = find_error(errors, count, block->errors[i].code);
            if (error == NULL) {
                if (count == max)
                    continue;
                error = &errors[count++];
                memcpy(error->code, block->errors[i].code, sizeof(error->code));
                error->count = 0;
            }
            error->count += __atomic_load_n(&block->errors[i].count, __ATOMIC_RELAXED);
        }
    }
    return count;
}

size_t worker_stats_sum_errors(struct worker_error *errors, size_t max)
{
    size_t count = sum_errors(errors, max), kept = 0;

    lock_acquire(&baseline_lock);
    for (size_t i = 0; i < count; i++) {
        const struct worker_error *old = find_error(baseline_errors, baseline_error_kinds, errors[i].code);
        if (old != NULL)
            errors[i].count -= old->count < errors[i].count ? old->count : errors[i].count;
        if (errors[i].count != 0)
            errors[kept++] = errors[i];
    }
    lock_release(&baseline_lock);
    return kept;
}

void worker_stats_buffers(uint64_t *input_max, uint64_t *output_max)
{
    *input_max = *output_max = 0;
    for (const struct worker_stats *block = first_block(); block != NULL; block = block->next) {
        uint64_t input = __atomic_load_n(&block->input_buffer_max, __ATOMIC_RELAXED);
        uint64_t output = __atomic_load_n(&block->output_buffer_max, __ATOMIC_RELAXED);
        *input_max = input > *input_max ? input : *input_max;
        *output_max = output > *output_max ? output : *output_max;
    }
}

static int sum_histogram(size_t number, struct latency_histogram *sum)
{
    int found = 0;

    memset(sum, 0, sizeof(*sum));
    for (const struct worker_stats *block = first_block(); block != NULL; block = block->next) {
        const struct latency_histogram *histogram = __atomic_load_n(&block->histograms[number], __ATOMIC_ACQUIRE);
        if (histogram == NULL)
            continue;
        latency_add(sum, histogram, __atomic_load_n(&block->commands[number].unmeasured, __ATOMIC_RELAXED));
        found = 1;
    }
    return found;
}

int worker_stats_sum_histogram(size_t number, struct latency_histogram *sum)
{
    if (!sum_histogram(number, sum))
        return 0;
    lock_acquire(&baseline_lock);
    if (baseline_histograms != NULL && baseline_histograms[number] != NULL)
        latency_subtract(sum, baseline_histograms[number]);
    lock_release(&baseline_lock);
    return latency_count(sum) != 0;
}

/* Allocates what a baseline needs, once. */
static int prepare_baseline(void)
{
    size_t numbers = command_numbers();

    if (baseline_commands == NULL)
        baseline_commands = calloc(numbers, sizeof(*baseline_commands));
    if (baseline_histograms == NULL)
        baseline_histograms = calloc(numbers, sizeof(struct latency_histogram *));
    if (baseline_errors == NULL)
        baseline_errors = calloc(WORKER_ERROR_KINDS, sizeof(*baseline_errors));
    return baseline_commands != NULL && baseline_histograms != NULL && baseline_errors != NULL ? 0 : -1;
}

static int reset_histogram(size_t number)
{
    struct latency_histogram *sum = baseline_histograms[number];

    if (sum == NULL) {
        sum = malloc(sizeof(*sum));
        if (sum == NULL)
            return -1;
    }
    if (sum_histogram(number, sum)) {
        baseline_histograms[number] = sum;
    } else {
        free(sum);
        baseline_histograms[number] = NULL;
    }
    return 0;
}

int worker_stats_reset(void)
{
    int result;

    lock_acquire(&baseline_lock);
    result = prepare_baseline();
    for (size_t i = 0; result == 0 && i < command_numbers(); i++) {
        result = reset_histogram(i);
        if (result == 0)
            sum_command(i, &baseline_commands[i]);
    }
    if (result == 0) {
        baseline_error_kinds = sum_errors(baseline_errors, WORKER_ERROR_KINDS);
        sum_counters(&baseline);
    }
    lock_release(&baseline_lock);
    return result;
}
