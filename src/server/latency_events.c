/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * latency_events.c - rings of samples, one to an event
 */
#include "latency_events.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "clock.h"
#include "lock.h"

#define SAMPLES 160

struct event_samples {
    struct {
        int64_t time_s, ms;
    } samples[SAMPLES];
    unsigned next; /* where the next one goes */
    unsigned count;
    int64_t ms_max; /* since the last reset */
    int64_t ms_sum;
    uint64_t added;
};

static const char *const names[LATENCY_EVENTS] = {"command", "fast-command"};
static struct lock events_lock = LOCK_INIT;
static struct event_samples events[LATENCY_EVENTS]; /* Under events_lock. */

enum latency_event latency_event_find(const char *name, size_t size)
{
    for (int i = 0; i < LATENCY_EVENTS; i++)
        if (strlen(names[i]) == size && strncasecmp(names[i], name, size) == 0)
            return (enum latency_event)i;
    return LATENCY_EVENTS;
}

void latency_event_add(enum latency_event event, int64_t ms)
{
    struct event_samples *e = &events[event];
    int64_t now_s = clock_ms() / 1000;
    unsigned last;

    lock_acquire(&events_lock);
    e->ms_max = ms > e->ms_max ? ms : e->ms_max;
    e->ms_sum += ms;
    e->added++;
    last = (e->next + SAMPLES - 1) % SAMPLES;
    if (e->count > 0 && e->samples[last].time_s == now_s) {
        if (ms > e->samples[last].ms)
            e->samples[last].ms = ms;
    } else {
        e->samples[e->next].time_s = now_s;
        e->samples[e->next].ms = ms;
        e->next = (e->next + 1) % SAMPLES;
        e->count += e->count < SAMPLES;
    }
    lock_release(&events_lock);
}

int latency_event_reset(enum latency_event event)
{
    int had;

    lock_acquire(&events_lock);
    had = events[event].count > 0;
    memset(&events[event], 0, sizeof(events[event]));
    lock_release(&events_lock);
    return had;
}

int latency_events_used(void)
{
    int used = 0;

    lock_acquire(&events_lock);
    for (int i = 0; i < LATENCY_EVENTS; i++)
        used += events[i].count > 0;
    lock_release(&events_lock);
    return used;
}

void latency_events_reply_latest(struct reply *reply)
{
    size_t count = 0, where = reply_array_later(reply);

    lock_acquire(&events_lock);
    for (int i = 0; i < LATENCY_EVENTS; i++) {
        const struct event_samples *e = &events[i];
        unsigned last = (e->next + SAMPLES - 1) % SAMPLES;

        if (e->count == 0)
            continue;
        reply_array(reply, 4);
        reply_bulk_text(reply, names[i]);
        reply_integer(reply, e->samples[last].time_s);
        reply_integer(reply, e->samples[last].ms);
        reply_integer(reply, e->ms_max);
        count++;
    }
    lock_release(&events_lock);
    reply_array_set(reply, where, count);
}

void latency_event_reply_history(struct reply *reply, enum latency_event event)
{
    const struct event_samples *e = &events[event];

    lock_acquire(&events_lock);
    reply_array(reply, e->count);
    for (unsigned i = 0; i < e->count; i++) {
        unsigned at = (e->next + SAMPLES - e->count + i) % SAMPLES;
        reply_array(reply, 2);
        reply_integer(reply, e->samples[at].time_s);
        reply_integer(reply, e->samples[at].ms);
    }
    lock_release(&events_lock);
}

size_t latency_events_describe(char *text, size_t size)
{
    size_t at = 0;

    lock_acquire(&events_lock);
    for (int i = 0; i < LATENCY_EVENTS && at < size; i++) {
        const struct event_samples *e = &events[i];
        if (e->count > 0)
            at += (size_t)snprintf(text + at, size - at,
                                   "%s: %llu times over the threshold, %lld ms on average, %lld ms at most.\n",
                                   names[i], (unsigned long long)e->added, (long long)(e->ms_sum / (int64_t)e->added),
                                   (long long)e->ms_max);
    }
    lock_release(&events_lock);
    return at < size ? at : size - 1;
}
