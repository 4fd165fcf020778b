/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * worker_stats.h - counters that each worker thread keeps for itself, and that INFO sums
 *
 * Threads: a thread writes its own block only, without locked instructions; readers may be a few events behind. CONFIG
 *          RESETSTAT never writes to another thread's block: it remembers what the sums were (the baseline).
 * Memory:  a block is made when its thread attaches, and stays until the process ends; the histogram of a command
 *          when the thread first measures one.
 */
#ifndef SDB_SERVER_WORKER_STATS_H
#define SDB_SERVER_WORKER_STATS_H

#include <stddef.h>
#include <stdint.h>

struct latency_histogram;

/* Of one command. */
struct command_stats {
    uint64_t calls;
    uint64_t ticks;      /* the time that the calls took, in clock ticks; extrapolated from those that were measured */
    uint64_t rejected;   /* not run: arity, authentication */
    uint64_t failed;     /* replied with an error */
    uint64_t unmeasured; /* calls since the last one that was measured: they count with the next */
};

/* The plain counters. All uint64_t: summing takes them as an array. */
struct worker_counters {
    uint64_t connections_received;
    uint64_t connections_binary;   /* that began with the binary protocol's first byte */
    uint64_t connections_rejected; /* maxclients, protected mode */
    uint64_t clients_closed_idle;
    uint64_t clients_closed_output; /* client-output-buffer-limit */
    uint64_t clients_closed_query;  /* client-query-buffer-limit */
    uint64_t bytes_in;
    uint64_t bytes_out;
    uint64_t reads; /* receive operations that brought bytes */
    uint64_t writes;
    uint64_t turns;    /* of the loop, that ran commands */
    uint64_t commands; /* processed */
    uint64_t error_replies;
    uint64_t unexpected_errors;
};

#define WORKER_ERROR_KINDS 128 /* distinct error codes (ERR, WRONGTYPE, ...) that are told apart */

struct worker_error {
    char code[32];
    uint64_t count;
};

struct worker_stats {
    struct worker_stats *next; /* Immutable after attaching. */
    struct client *client;     /* whose command runs; NULL: none. Owner: its thread */
    struct worker *worker;     /* NULL: a test's thread. Owner: its thread */

    /* Owner: its thread; other threads read. */
    struct worker_counters counters;
    uint64_t input_buffer_max; /* the largest of late */
    uint64_t output_buffer_max;
    struct command_stats *commands;        /* by command number */
    struct latency_histogram **histograms; /* by command number; released by the owner, acquired by readers */
    struct worker_error errors[WORKER_ERROR_KINDS];
    uint32_t error_kinds; /* Atomic: released after errors[n] was filled in */
};

extern __thread struct worker_stats *worker_stats_self;

/* Makes the calling thread's block. Called by each worker before it runs a command. Errors: NULL, out of memory. */
struct worker_stats *worker_stats_attach(void);

/*
 * Adds to one of the thread's own counters. Relaxed stores: a reader sees the old or the new number, never half of
 * each.
 */
static inline void worker_stats_add(uint64_t *counter, uint64_t amount)
{
    __atomic_store_n(counter, *counter + amount, __ATOMIC_RELAXED);
}

/* Counts an error reply by its code, the text's first word. */
void worker_stats_count_error(const char *text, size_t size);

/* Sums over all threads, less the baseline. */
void worker_stats_sum(struct worker_counters *sum);
void worker_stats_sum_command(size_t number, struct command_stats *sum);
size_t worker_stats_sum_errors(struct worker_error *errors, size_t max);
void worker_stats_buffers(uint64_t *input_max, uint64_t *output_max);

/* Adds up the histograms of a command, less the baseline. 0 where nothing was measured. */
int worker_stats_sum_histogram(size_t number, struct latency_histogram *sum);

/* CONFIG RESETSTAT; LATENCY RESET has nothing to do with it. Errors: -1, out of memory. */
int worker_stats_reset(void);

#endif
