/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * note.c - what a thread notes of its operations: a record before each begins, the time behind its return
 */
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "workload.h"

void must(int error)
{
    if (error != SDB_OK) {
        (void)fprintf(stderr, "%s: %s\n", sdb_strerror(error), sdb_last_error());
        _exit(3);
    }
}

int done(int error)
{
    if (error == SDB_ENOTFOUND || error == SDB_ECONDITION)
        return 0;
    must(error);
    return 1;
}

uint64_t now(void)
{
    struct timespec time;

    (void)clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

unsigned draw(struct worker *worker, unsigned below)
{
    worker->random = worker->random * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)((worker->random >> 33) % below);
}

struct record *note_draft(struct worker *worker, enum kind kind, unsigned group, unsigned key)
{
    struct record *record = &worker->track->records[worker->track->count];

    memset(record, 0, sizeof(*record));
    record->kind = kind;
    record->group = (uint16_t)group;
    record->key = (uint8_t)key;
    record->in_group = (uint16_t)worker->grouping;
    record->invoked = now();
    return record;
}

void note_publish(struct worker *worker)
{
    worker->grouped++;
    __atomic_store_n(&worker->track->count, worker->track->count + 1, __ATOMIC_RELEASE);
}

struct record *note_begin(struct worker *worker, enum kind kind, unsigned group, unsigned key, int64_t argument)
{
    struct record *record = note_draft(worker, kind, group, key);

    record->argument = argument;
    note_publish(worker);
    return record;
}

void note_returned(struct record *record)
{
    __atomic_store_n(&record->returned, now(), __ATOMIC_RELEASE);
    __atomic_fetch_add(&journal->returned, 1, __ATOMIC_RELAXED);
}

void note_end(struct worker *worker, struct record *record)
{
    if (!worker->grouping && !record->is_part)
        note_returned(record);
}

struct record *note_part(struct worker *worker, enum kind kind, unsigned group, unsigned key)
{
    struct record *record = note_draft(worker, kind, group, key);

    record->argument = kind == ADD ? 1 : (int64_t)++worker->tag;
    record->is_part = 1;
    note_publish(worker);
    return record;
}

struct record *note_whole(struct worker *worker, enum kind kind, unsigned group, unsigned parts, uint64_t invoked)
{
    struct record *record = note_draft(worker, kind, group, 0);

    record->parts = parts;
    record->invoked = invoked;
    note_publish(worker);
    return record;
}
