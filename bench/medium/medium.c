/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * medium.c - the model of the CPU's caches, and the waiting
 *
 * Threads: the model is the calling thread's.
 */
#include "medium.h"

#include "timing.h"

#include <stdlib.h>
#include <string.h>

#define WAYS 8u
#define IN_FLIGHT 256u
#define AT_ONCE 16u /* lines that a core can have on their way */

struct medium medium;

static _Thread_local struct {
    uint32_t *tags;  /* line + 1 */
    uint64_t sets;
    uint32_t turn;   /* which way gives way next */
    struct {
        uint64_t line, ready; /* when a prefetched line arrives */
    } flight[IN_FLIGHT];
    uint64_t arrivals[AT_ONCE]; /* of the newest prefetches */
    uint32_t next;
} model;

int medium_model(size_t cpu_cache_size)
{
    medium_model_free();
    memset(model.flight, 0xff, sizeof model.flight);
    model.sets = cpu_cache_size / 64 / WAYS;
    model.tags = calloc(model.sets * WAYS, sizeof *model.tags);
    return model.tags ? 0 : -1;
}

void medium_model_free(void)
{
    free(model.tags);
    model.tags = NULL;
}

static void wait_until(uint64_t end)
{
    while ((int64_t)(ticks() - end) < 0)
        ;
}

/* Whether the line is there, or on its way. If not, it is from now on. */
static int present(uint64_t line)
{
    uint64_t scattered = line * 0x9e3779b97f4a7c15u;
    uint32_t *set = model.tags + (size_t)((scattered >> 32) * model.sets >> 32) * WAYS;
    uint32_t tag = (uint32_t)line + 1;

    for (unsigned way = 0; way < WAYS; way++)
        if (set[way] == tag)
            return 1;
    set[model.turn++ % WAYS] = tag;
    return 0;
}

void medium_read_line(uint64_t line)
{
    if (!model.tags)
        return;
    if (!present(line)) {
        if (medium.read_ticks)
            wait_until(ticks() + medium.read_ticks);
    } else if (model.flight[line % IN_FLIGHT].line == line) {
        wait_until(model.flight[line % IN_FLIGHT].ready);
        model.flight[line % IN_FLIGHT].line = UINT64_MAX;
    }
}

void medium_prefetch_line(uint64_t line)
{
    uint64_t *arrival = &model.arrivals[model.next % AT_ONCE];
    uint64_t start = ticks();

    if (!model.tags || present(line))
        return;
    model.next++;
    if ((int64_t)(*arrival - start) > 0) /* it waits until the one before the last AT_ONCE is there */
        start = *arrival;
    *arrival = start + medium.read_ticks;
    model.flight[line % IN_FLIGHT].line = line;
    model.flight[line % IN_FLIGHT].ready = *arrival;
}

void medium_wait_flush(void)
{
    if (model.tags && medium.flush_ticks)
        wait_until(ticks() + medium.flush_ticks);
}
