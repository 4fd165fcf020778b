/* SPDX-License-Identifier: BSD-3-Clause */
/* simulated.c - the simulated persistence domain of one mapping, and crash images of it. One thread. */
#include "simulated_domain.h"

#include <stdlib.h>
#include <string.h>

#include "persist.h"

#define EVENTS_MAX 64u

/* What happened to a line since it was last durable: its words in order, as they were stored. */
struct line_log {
    uint8_t durable[LINE_SIZE]; /* contents that survive for certain */
    uint8_t flushed[LINE_SIZE]; /* as they were at the last flush */
    struct {
        uint8_t word;
        uint64_t value;
    } events[EVENTS_MAX];
    uint32_t count;
    uint32_t flushed_count; /* events that the flush covers */
    uint8_t pending;        /* flushed, no fence yet */
    uint8_t live;           /* in the list of lines that are not durable */
};

struct simulated_domain simulated;
static struct line_log **logs;
static uint64_t *dirty;
static size_t dirty_count, dirty_capacity;

void simulated_begin(uint8_t *base, uint64_t size)
{
    simulated.base = base;
    simulated.size = size;
    simulated.fences = 0;
    logs = calloc(size / LINE_SIZE, sizeof(*logs));
    dirty_count = 0;
}

void simulated_end(void)
{
    for (uint64_t i = 0; i < simulated.size / LINE_SIZE; i++)
        free(logs[i]);
    free(logs);
    free(dirty);
    dirty = NULL;
    dirty_capacity = 0;
    simulated.base = NULL;
}

static int inside(const void *p)
{
    return simulated.base && (const uint8_t *)p >= simulated.base && (const uint8_t *)p < simulated.base + simulated.size;
}

static struct line_log *log_of(const void *p)
{
    uint64_t line = (uint64_t)((const uint8_t *)p - simulated.base) / LINE_SIZE;
    struct line_log *log = logs[line];

    if (!log)
        log = logs[line] = calloc(1, sizeof(*log));
    if (!log->live) {
        memcpy(log->durable, simulated.base + line * LINE_SIZE, LINE_SIZE);
        log->count = log->flushed_count = 0;
        log->pending = 0;
        log->live = 1;
        if (dirty_count == dirty_capacity) {
            dirty_capacity = dirty_capacity ? dirty_capacity * 2 : 1024;
            dirty = realloc(dirty, dirty_capacity * sizeof(*dirty));
        }
        dirty[dirty_count++] = line;
    }
    return log;
}

static void note(uint64_t *word, uint64_t value)
{
    struct line_log *log = log_of(word);

    if (log->count == EVENTS_MAX) { /* forget the oldest by taking it for durable: fewer images, none illegal */
        ((uint64_t *)(void *)log->durable)[log->events[0].word] = log->events[0].value;
        memmove(&log->events[0], &log->events[1], (EVENTS_MAX - 1) * sizeof(log->events[0]));
        log->count--;
        if (log->flushed_count)
            log->flushed_count--;
    }
    log->events[log->count].word = (uint8_t)((uintptr_t)word % LINE_SIZE / 8);
    log->events[log->count++].value = value;
}

void simulated_store(uint64_t *dst, uint64_t value)
{
    if (inside(dst))
        note(dst, value);
    __atomic_store_n(dst, value, __ATOMIC_RELEASE);
}

void simulated_copy(void *dst, const void *src, size_t size)
{
    uint8_t *to = dst;

    if (!inside(dst)) {
        src ? memcpy(dst, src, size) : memset(dst, 0, size);
        return;
    }
    for (size_t done = 0; done < size;) {
        uint64_t *word = (uint64_t *)(void *)((uintptr_t)(to + done) & ~(uintptr_t)7);
        size_t at = (uintptr_t)(to + done) % 8, n = size - done < 8 - at ? size - done : 8 - at;
        uint64_t value = *word;

        if (src)
            memcpy((uint8_t *)&value + at, (const uint8_t *)src + done, n);
        else
            memset((uint8_t *)&value + at, 0, n);
        note(word, value);
        *word = value;
        done += n;
    }
}

void persist_copy_nt(const struct persist *persist, struct persist_thread *thread, void *dst, const void *src, size_t size)
{
    simulated_copy(dst, src, size);
    persist_flush(persist, thread, dst, size);
}

void simulated_flush(const void *line)
{
    struct line_log *log;
    uint64_t number;

    if (!inside(line))
        return;
    number = (uint64_t)((const uint8_t *)line - simulated.base) / LINE_SIZE;
    if (!logs[number] || !logs[number]->live)
        return;
    log = logs[number];
    memcpy(log->flushed, simulated.base + number * LINE_SIZE, LINE_SIZE);
    log->flushed_count = log->count;
    log->pending = 1;
}

void simulated_fence(void)
{
    size_t kept = 0;

    if (!simulated.base)
        return;
    simulated.fences++;
    if (simulated.at_fence)
        simulated.at_fence(simulated.context);
    for (size_t i = 0; i < dirty_count; i++) {
        struct line_log *log = logs[dirty[i]];

        if (log->pending) {
            memcpy(log->durable, log->flushed, LINE_SIZE);
            memmove(&log->events[0], &log->events[log->flushed_count],
                    (log->count - log->flushed_count) * sizeof(log->events[0]));
            log->count -= log->flushed_count;
            log->flushed_count = 0;
            log->pending = 0;
            if (log->count == 0) {
                log->live = 0;
                continue;
            }
        }
        dirty[kept++] = dirty[i];
    }
    dirty_count = kept;
}

void simulated_image(uint8_t *image, uint64_t *random, unsigned mode)
{
    memcpy(image, simulated.base, simulated.size);
    for (size_t i = 0; i < dirty_count; i++) {
        const struct line_log *log = logs[dirty[i]];
        uint64_t *words = (uint64_t *)(void *)(image + dirty[i] * LINE_SIZE);
        uint32_t take;

        *random = *random * 6364136223846793005ull + 1442695040888963407ull;
        take = mode == 0 ? 0 : mode == 1 ? log->count : (uint32_t)((*random >> 33) % (log->count + 1));
        if (mode == 3 && (*random >> 20 & 7)) /* mostly all or nothing */
            take = *random >> 40 & 1 ? log->count : 0;
        memcpy(words, log->durable, LINE_SIZE);
        for (uint32_t e = 0; e < take; e++)
            words[log->events[e].word] = log->events[e].value;
    }
}
