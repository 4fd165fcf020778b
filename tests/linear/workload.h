/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * workload.h - what the parts of linear_workload share: the groups of keys, a thread's state, and who does what
 *
 * Threads: a worker belongs to one thread; the names of all keys are made before the threads begin.
 */
#ifndef SDB_LINEAR_WORKLOAD_H
#define SDB_LINEAR_WORKLOAD_H

#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "journal.h"
#include "superdb/superdb.h"

#define VALUE_SIZE_MAX 65536u
#define ELEMENT_SIZE_MAX 2048u
#define KEYS_MAX 12u
#define GROUPED_MAX 64u /* records in one group of the library's */

/* The groups, as embedded.py lists them. */
enum { SINGLES = 4, COUNTERS = 2, FAMILIES = 3, WIDE = SINGLES + COUNTERS + FAMILIES, DATABASES };
enum { COLLECTIONS = DATABASES + 1, COLLECTION_GROUPS = 6, GROUPS = COLLECTIONS + COLLECTION_GROUPS };
enum { FAMILY_KEYS = 3, DATABASE_KEYS = 2, COLLECTION_KEYS_MAX = 4, DATABASE_OLD = 5, DATABASE_NEW = 6 };

struct worker {
    struct sdb_session *session;
    struct track *track;
    uint64_t random;
    uint64_t tag;
    unsigned hot[2]; /* the groups that most of this run's operations go to */
    unsigned grouped; /* records since sdb_group_begin */
    int grouping;
    uint64_t handles[SINGLES];
    timer_t timer; /* one shot, of this interval: see stand_still */
    struct itimerspec interval;
    char buffer[VALUE_SIZE_MAX];
};

extern struct journal *journal;

/* ---- note.c ---- */

/* Any error ends the process, with a status that the test does not take for a kill. */
void must(int error);

/* 1 or 0 for done or not; any other error ends the process. */
int done(int error);

uint64_t now(void);
unsigned draw(struct worker *worker, unsigned below);

/* A new record, not yet published: what it does must stand in it before note_publish. */
struct record *note_draft(struct worker *worker, enum kind kind, unsigned group, unsigned key);
void note_publish(struct worker *worker);

/* Both at once, of an operation by itself, and of one that is a part. */
struct record *note_begin(struct worker *worker, enum kind kind, unsigned group, unsigned key, int64_t argument);
struct record *note_part(struct worker *worker, enum kind kind, unsigned group, unsigned key);

/* The record that stands for the parts in front of it. */
struct record *note_whole(struct worker *worker, enum kind kind, unsigned group, unsigned parts, uint64_t invoked);

/* The operation has its result; in a group nobody hears of it before note_returned. */
void note_end(struct worker *worker, struct record *record);
void note_returned(struct record *record);

/* ---- values.c ---- */

struct sdb_slice name_of(unsigned group, unsigned key);
unsigned keys_of(unsigned group);
int is_counter(unsigned group);

/* An element's bytes follow from its tag. Returns their count. */
size_t make_element(uint64_t tag, char *data);

/* The tag of the element that data begins with, and its size; bytes that nobody wrote end the process. */
uint64_t tag_of(unsigned group, const char *data, size_t size, size_t *element_size);

/* Of a value that was read; 0 is kept for a key that is not there. */
uint64_t digest_of(unsigned group, const char *data, size_t size);
uint64_t mix(uint64_t digest, uint64_t word);

/* ---- single.c ---- */

/* Stores one element, on conditions that the record's kind tells. */
int set_element(struct worker *worker, struct record *record, struct sdb_slice key, uint64_t version);
int append_element(struct worker *worker, struct record *record, struct sdb_slice key);

/* Runs what the record says; SDB_ECONFLICT in a transaction is the caller's. */
int run_single(struct worker *worker, struct record *record);
void single(struct worker *worker, enum kind kind, unsigned group, unsigned key, int64_t argument);
void on_single(struct worker *worker, unsigned group);
void on_counter(struct worker *worker, unsigned group);

/* ---- several.c ---- */

/* All keys of a group as of one moment. database: added to the keys' places. */
void view_many(struct worker *worker, unsigned group, unsigned database);

/* Some parts on the group's keys; with the keys named, or without, so that it may meet a conflict; some are aborted. */
void transaction(struct worker *worker, unsigned group);
void on_family(struct worker *worker, unsigned group);
void on_wide(struct worker *worker);
void on_databases(struct worker *worker);

/* ---- collections.c ---- */

unsigned collection_keys(unsigned group);
void on_collections(struct worker *worker, unsigned group);

/* A part of a transaction. Errors: SDB_ECONFLICT, and *part did not happen. */
int collection_part(struct worker *worker, unsigned group, struct record **part);

/* Each key of the group by itself, whole. */
void read_collections(struct worker *worker, unsigned group);

#endif
