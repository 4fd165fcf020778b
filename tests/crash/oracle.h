/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * oracle.h - what a crash image of a scenario may hold: a model of the keys, with what is acknowledged and what is
 * under way
 *
 * Keys are numbers; an actor (a session or a thread) owns those with key % actors == actor. Each actor has a journal
 * of the operations that it began since it last acknowledged. An image is legal where, for each actor, its keys are as
 * after some whole number of the journal's operations.
 *
 * Threads: those of sdb_crashtest_threads, one at a time
 */
#ifndef SDB_TESTS_CRASH_ORACLE_H
#define SDB_TESTS_CRASH_ORACLE_H

#include <stdint.h>

#include "superdb/crashtest.h"

#define ORACLE_KEYS 1024u
#define ORACLE_ACTORS 4u
#define ORACLE_JOURNAL 4096u

/* A value by its description: `size` bytes that follow from the seed. */
struct cell {
    uint32_t size; /* + 1; 0: the key is absent */
    uint32_t seed;
    int64_t expire_ms; /* 0: never */
};

struct change {
    uint32_t operation;
    uint32_t key;
    struct cell cell;
};

struct actor {
    struct change journal[ORACLE_JOURNAL];
    uint32_t changes;
    uint32_t operations;
};

struct scenario;

struct oracle {
    struct sdb_crashtest *test;
    uint32_t keys, actors, databases; /* key k is in database k % databases */
    int64_t now_ms;
    uint64_t random;
    struct cell done[ORACLE_KEYS];
    struct cell now[ORACLE_KEYS];   /* as the pool is, for the sessions at work */
    struct cell aside[ORACLE_KEYS]; /* of a database that was exchanged for an empty one */
    struct actor actor[ORACLE_ACTORS];
    uint64_t judged;
    uint64_t shared_done, shared_begun; /* a counter that every actor adds to */
    const struct scenario *scenario;
};

void oracle_init(struct oracle *oracle, uint32_t keys, uint32_t actors, uint64_t seed);
uint32_t oracle_roll(struct oracle *oracle, uint32_t n);

/* The key's name and value; buffers of 80 and ORACLE_VALUE_MAX bytes. Return the size. */
#define ORACLE_VALUE_MAX (4u << 20)
size_t oracle_name(uint32_t key, char *name);
size_t oracle_value(struct cell cell, char *value);

/* A value of some usual size, up to max. */
struct cell oracle_cell(struct oracle *oracle, uint32_t max);

/* The next changes of the actor belong to another operation, which is all or nothing by itself. */
void oracle_operation(struct oracle *oracle, uint32_t actor);
void oracle_change(struct oracle *oracle, uint32_t actor, uint32_t key, struct cell cell);
/* The operation that was begun last has changed nothing after all. */
void oracle_cancel(struct oracle *oracle, uint32_t actor);

/* Around what is acknowledged at once: operations between the two may be there or not. */
void oracle_begin(struct oracle *oracle);
void oracle_end(struct oracle *oracle, uint32_t actor);

/* The invariant: 0 where the image is legal. */
int oracle_judge(struct oracle *oracle, struct sdb_session *session, struct sdb_crashtest_image *image);

/* Operations on pool and model alike. They end the program where the engine refuses what it should not. */
void oracle_set(struct oracle *oracle, struct sdb_session *session, uint32_t actor, uint32_t key, struct cell cell);
void oracle_delete(struct oracle *oracle, struct sdb_session *session, uint32_t actor, uint32_t key);
void oracle_rename(struct oracle *oracle, struct sdb_session *session, uint32_t actor, uint32_t from, uint32_t to);

/* Ends the program with a message where error is not SDB_OK. */
void must(int error, const char *what);
#define MUST(call) must((call), #call)

#endif
