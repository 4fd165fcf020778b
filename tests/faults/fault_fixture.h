/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fault_fixture.h - a pool under faults: what each key may hold, and what must be true of the pool after any failure
 *
 * A scenario is a function that works on the pool through the functions below. They arm the faults for the length of the
 * library's call, look at the error that it returns, and note in the model what each key may hold from now on. In a
 * group or transaction that is more than one thing until it ends; without one, a failed call leaves what was there.
 *
 * Include it behind cmocka.h.
 */
#ifndef SDB_TESTS_FAULT_FIXTURE_H
#define SDB_TESTS_FAULT_FIXTURE_H

#include <stdbool.h>
#include <stdint.h>

#include "engine_fixture.h"
#include "faults.h"

#define KEYS 96u          /* in the model; a scenario may make further ones, which it names itself */
#define STATES 6u         /* that a key may be in */
#define ABSENT UINT32_MAX /* as a size */

struct key_state {
    uint32_t size;
    uint32_t seed;
};

struct run {
    struct fixture f;
    uint64_t kinds, skip, fail; /* as they were armed */
    int expected;       /* the error that the faults of this run make of a call */
    bool doubtful;      /* a group or transaction is open: the model gathers states */
    bool in_transaction;
    bool is_crowded;    /* the pool may have no room for a value of extents afterwards */
    unsigned refused;   /* calls that failed */
    uint32_t seed;      /* of the last value */
    struct key_state states[KEYS][STATES];
    unsigned count[KEYS];
};

/* Makes a pool and the empty model. */
void run_begin(struct run *run, int expected, uint64_t size, uint64_t size_max, uint32_t shards);
/* From here on calls of the library fail. The test's own do not: see FAULTY. */
void run_arm(struct run *run, uint64_t kinds, uint64_t skip, uint64_t count);
/* Closes the pool and opens it anew: nothing of it is in DRAM. */
void run_reopen(struct run *run);
/*
 * What must be true once the faults are over: no lock is held, nothing is staged, no memory is lost, every key holds what it may, the
 * session goes on, the check is clean; and so again after the pool was closed and opened. Removes the pool.
 */
void run_end(struct run *run);
/* Of each test: removes the pool of a run that failed. */
int run_tear_down(void **state);
/* The part of run_end that looks and changes nothing. */
void run_verify(struct run *run);

/* SDB_OK, or the error that is expected and only where a call was made to fail. True: SDB_OK, or `also`. */
bool run_judge(struct run *run, int error, int also);

#define FAULTY(call) (faults_resume(), run_pause(call))
static inline int run_pause(int error)
{
    faults_pause();
    return error;
}

void run_set(struct run *run, unsigned key, uint32_t size);
void run_delete(struct run *run, unsigned key);
/* As run_set, for keys first, first + step, ... at once. */
void run_set_many(struct run *run, unsigned first, unsigned count, uint32_t size);
void run_delete_many(struct run *run, unsigned first, unsigned count);
void run_rename(struct run *run, unsigned key, unsigned new_key);
void run_copy(struct run *run, unsigned key, unsigned new_key);
void run_append(struct run *run, unsigned key, uint32_t more);
void run_expire(struct run *run, unsigned key);
void run_group_begin(struct run *run);
void run_group_end(struct run *run);
void run_begin_transaction(struct run *run, unsigned first, unsigned count);
void run_commit(struct run *run);
void run_abort(struct run *run);
/* All keys are gone, or none. */
void run_flush(struct run *run, bool all);

/* The key's name; 8 to 40 bytes. */
size_t run_key(unsigned key, char name[64]);
/* The value of a seed. Good until the next call. */
const uint8_t *run_value(uint32_t size, uint32_t seed);

#endif
