/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * access.h - when, or how often, each key was used: a word of DRAM beside each handle entry
 *
 * Reading a key writes nothing to the pool. What eviction wants to know of reads stands in DRAM, in a word for each 32 bytes of
 * the pool at its largest, reserved and not filled: 4 KiB of words belong to one page of entries, so that memory is
 * taken for pages of entries alone, 4 bytes an entry. While nobody asks for it there is nothing, and a read pays for one test of a
 * pointer (docs/decisions/018). What a restart forgets counts as not used since the noting began.
 *
 * Recency: ticks of 64 ms, from half a year before the noting began. Frequency: a bit that is always set, 16 bits of minutes, 8 of a
 * logarithmic counter, as Redis has it. 0: not known.
 * Threads: any; a word is a hint, and races about it are allowed.
 */
#ifndef SDB_STORE_ACCESS_H
#define SDB_STORE_ACCESS_H

#include <stdint.h>

#include "session.h"

struct access {
    /* Immutable after access_start. */
    uint32_t *words; /* by entry offset / 32 */
    uint64_t size;   /* bytes of the mapping */
    int64_t begin_ms;
    /* Atomic. */
    uint32_t kind; /* enum sdb_access; SDB_ACCESS_NONE: pool->access is NULL */
    uint32_t log_factor, decay_minutes;
};

/* The key of the entry is used now; the entry has become a key's. For access_note and access_note_new. */
void access_touch(const struct sdb_session *session, struct access *access, uint64_t entry);
void access_begin(const struct sdb_session *session, struct access *access, uint64_t entry);

/* The key counts as unused for so long, or, where frequencies are kept, as used so often. */
void access_set(const struct sdb_session *session, struct access *access, uint64_t entry, uint64_t idle_ms, unsigned frequency);

/* Milliseconds since the last use; the counter as it is by now. */
uint64_t access_idle_ms(const struct access *access, uint64_t entry, int64_t now_ms);
unsigned access_frequency(const struct access *access, uint64_t entry, int64_t now_ms);

/* The pool is closed. */
void access_end(struct access *access);

/* NULL: nobody wants to know. */
static inline struct access *access_of(const struct sdb_session *session)
{
    return __atomic_load_n(&session->pool->access, __ATOMIC_ACQUIRE);
}

static inline void access_note(const struct sdb_session *session, uint64_t entry)
{
    struct access *access = access_of(session);

    if (__builtin_expect(access != NULL, 0))
        access_touch(session, access, entry);
}

static inline void access_note_new(const struct sdb_session *session, uint64_t entry)
{
    struct access *access = access_of(session);

    if (__builtin_expect(access != NULL, 0))
        access_begin(session, access, entry);
}

#endif
