/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * run.h - a run of the harness, as its parts see it: crashtest.c (the interface), point.c (which images), image.c (one
 * image)
 *
 * Threads: under the domain's lock, or by the thread that runs alone
 */
#ifndef SDB_CRASHTEST_RUN_H
#define SDB_CRASHTEST_RUN_H

#include "domain.h"
#include "states.h"
#include "superdb/crashtest.h"

/* 64-bit keys of images that were seen, open addressing; 0 is none. */
struct seen {
    uint64_t *keys;
    size_t count, capacity;
};

enum phase { PHASE_NONE = 0, PHASE_CREATION, PHASE_SETUP, PHASE_WORK, PHASE_REPAIR };

/*
 * An image about to be made: a state for each dirty unit of the level, in the order of its list, and the file's size.
 */
struct plan {
    struct state *states;
    size_t capacity;
    bool small; /* the file has the size that is durable, not the one it has now */
};

/* What sdb_open says of a pool that was damaged, and where that is SDB_OK what the pool then holds (contents.h). */
struct unrepaired {
    bool known;
    int error;
    uint64_t contents;
};

struct sdb_crashtest {
    struct sdb_crashtest_options options;
    struct sdb_crashtest_case test;
    struct sdb_crashtest_report *report;
    struct sdb_pool *pool;
    enum phase phase;
    bool blind; /* sdb_crashtest_look */
    uint64_t begun, acknowledged;
    uint64_t point;  /* number of the present one */
    uint64_t random; /* of the present one */
    uint64_t thread_seed;
    struct seen tried, recovered;
    bool expecting;    /* an image must hold what `expected` says (contents.h), because somebody may have read it */
    uint64_t expected;
    struct unrepaired unrepaired; /* during a repair: what any other user found before it */
    bool repaired;                /* a repair is done, and the pool that it left is being opened */
    struct plan plan[LEVELS];
    /*
     * Verifies the image that stands on the next level's medium; NULL: opens it with the engine. For the harness' own
     * tests.
     */
    void (*verify)(struct sdb_crashtest *test, unsigned level);
    int error; /* the first; SDB_ECORRUPT: an image failed */
};

/* Whether the key was there; it is then. */
bool seen_add(struct seen *seen, uint64_t key);
void seen_clear(struct seen *seen);

/* A fence of the level, or the end of an operation, is about to be passed. */
void point_reached(struct sdb_crashtest *test, unsigned level);

/* Makes the image of the level's plan on the next level's medium, tries it, and takes it back. */
void image_try(struct sdb_crashtest *test, unsigned level);

/* As image_try, of the image that a kill at this moment leaves: its recovery is crashed, with what was not durable still not durable. */
void image_kill(struct sdb_crashtest *test, unsigned level, uint64_t moment);

/*
 * The contents (contents.h) of what a repair makes of level 0, as it is seen (visible) or as a power cut would leave it now. Taken
 * back. Errors: those of the repair.
 */
int image_repaired(struct sdb_crashtest *test, bool visible, uint64_t *contents);

/* The same without a repair. */
struct unrepaired image_unrepaired(struct sdb_crashtest *test, bool visible);

void run_options(const struct sdb_crashtest *test, struct sdb_options *options);

/* "crashtest:/1" */
const char *run_path(unsigned level);

/* Notes the first failure: what was found. The present point and plan are added. */
void run_fail(struct sdb_crashtest *test, unsigned level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
