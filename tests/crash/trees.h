/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * trees.h - what a crash image of a scenario with collections may hold: a model of a few keys, each absent, a string or a tree
 *
 * The model is exact: keys with their elements in order. An image is legal where all keys together are as they were before, behind, or
 * between operations that are under way, compared by a hash of each key's contents.
 *
 * Threads: one
 */
#ifndef SDB_TESTS_CRASH_TREES_H
#define SDB_TESTS_CRASH_TREES_H

#include <stdbool.h>

#include "oracle.h"
#include "tree.h"

#define TREES_KEYS 6u
#define TREES_ELEMENTS 1000u
#define TREES_JOURNAL 64u

/* An element by its description: its name follows from the id, the rest of its bytes from the salt. */
struct trees_element {
    uint32_t id, size, salt;
    uint64_t hash; /* of its bytes */
};

struct trees_key {
    bool exists;
    uint32_t string;     /* seed of a value, where it is no tree */
    enum tree_kind kind; /* 0: a string */
    uint32_t count;
    struct trees_element elements[TREES_ELEMENTS];
};

struct trees_hashes {
    uint64_t of[TREES_KEYS];
};

struct trees {
    struct oracle *oracle; /* its random numbers, and the run */
    struct trees_key now[TREES_KEYS];
    struct trees_hashes done, journal[TREES_JOURNAL];
    uint32_t operations;
    bool transaction; /* what changes now is part of one operation */
    uint32_t next_id;
    uint64_t judged;
};

extern struct trees trees;

void trees_init(struct oracle *oracle);

void trees_begin(void);
/* From here on images may hold the model as it is. Each change says so itself, but in a transaction, where the commit does. */
void trees_operation(void);
void trees_end(void);

/* Whether the pool has the key as the model has it, or not at all. Errors: SDB_ENOTFOUND, SDB_ECORRUPT. */
int trees_compare(struct sdb_session *session, uint32_t key);

/* A tree with so many elements, in one transaction. */
void trees_grow(struct sdb_session *session, uint32_t key, enum tree_kind kind, uint32_t elements);

/* The model forgets a key that is gone. */
void trees_forget(uint32_t key);

/* Mostly inline elements; blobs; those that fill a quarter of a leaf. */
uint32_t trees_some_size(void);

/* The invariant. */
int trees_judge(struct sdb_session *session, struct sdb_crashtest_image *image);

/* ---- on pool and model alike; the program ends where the engine refuses ---- */

/* A kind that is new to the key takes the place of what it had. */
void trees_create(struct sdb_session *session, uint32_t key, enum tree_kind kind);
/* LIST: at the rank; others: where it belongs. */
void trees_insert(struct sdb_session *session, uint32_t key, uint32_t rank, uint32_t size);
void trees_remove(struct sdb_session *session, uint32_t key, uint32_t rank);
void trees_replace(struct sdb_session *session, uint32_t key, uint32_t rank, uint32_t size);
void trees_string(struct sdb_session *session, uint32_t key);
void trees_delete(struct sdb_session *session, uint32_t key);
/* Of a string, onto whatever is there. */
void trees_rename(struct sdb_session *session, uint32_t from, uint32_t to);

/* How many inner nodes the key's tree has, whose elements are all inline. */
uint64_t trees_inner_nodes(struct sdb_session *session, uint32_t key);

#endif
