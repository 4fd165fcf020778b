/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * latency_events.h - what LATENCY LATEST and HISTORY tell: events that took longer than latency-monitor-threshold
 *
 * Holds:   of each event the last 160 samples, at most one a second: the longest of that second
 * Threads: any; one lock, taken for events over the threshold only.
 */
#ifndef SDB_SERVER_LATENCY_EVENTS_H
#define SDB_SERVER_LATENCY_EVENTS_H

#include <stddef.h>
#include <stdint.h>

#include "reply.h"

enum latency_event { LATENCY_COMMAND = 0, LATENCY_FAST_COMMAND, LATENCY_EVENTS };

/* LATENCY_EVENTS for an unknown name. */
enum latency_event latency_event_find(const char *name, size_t size);

void latency_event_add(enum latency_event event, int64_t ms);

/* Forgets an event's samples. 1 where there were any. */
int latency_event_reset(enum latency_event event);

/* How many events have samples. */
int latency_events_used(void);

/* The arrays of LATENCY LATEST and LATENCY HISTORY. */
void latency_events_reply_latest(struct reply *reply);
void latency_event_reply_history(struct reply *reply, enum latency_event event);

/* One line about each event with samples, for LATENCY DOCTOR. Gives the text's size. */
size_t latency_events_describe(char *text, size_t size);

#endif
