/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * gather.h - many small values by handle: the entries of a group of handles are read, verified and written out together
 *
 * Each variant does as many handles from the first on as need no more than a look, and says how many: it stops before a handle
 * that is stale, a key that has expired, an entry that a writer is at, and whatever else read_handle has to tell. For sessions
 * that have nothing staged. All that it took were so at one moment, or each later than those before it.
 */
#ifndef SDB_STORE_GATHER_H
#define SDB_STORE_GATHER_H

#include "entry.h"
#include "read.h"
#include "session.h"
#include "word.h"

#define GATHER_GROUP 8u    /* that the widest variant does together */
#define GATHER_AHEAD 32u   /* entries that are fetched ahead of the one that is read */

typedef size_t gather_fn(struct sdb_session *session, const uint64_t *handles, size_t count, struct sdb_inline *values);

/* The best for this CPU and cpu_simd(). Set by gather_init, before a pool is used. */
extern gather_fn *gather;
void gather_init(void);

gather_fn gather_plain;
#if defined(__x86_64__)
gather_fn gather_avx2;   /* groups of 4 */
gather_fn gather_avx512; /* groups of 8 */
#endif

/* Starts loading the entry that a handle names, if it names one: what a prefetch cannot reach it leaves. */
static inline void gather_prefetch(const struct sdb_pool *pool, uint64_t handle)
{
    __builtin_prefetch((const void *)((uintptr_t)pool->file.base + (handle >> 16 << ENTRY_SHIFT)));
}

/* One handle's entry, if it needs no more than a look. Otherwise false: read_handle tells. */
static inline bool gather_one(struct sdb_session *session, uint64_t handle, uint64_t words[4])
{
    struct sdb_pool *pool = session->pool;
    uint64_t entry = handle_entry(handle);

    return heap_is_entry(&pool->heap, entry) && entry_read(&pool->file, entry, words) == ENTRY_OK &&
           meta_type(words[0]) == SDB_TYPE_STRING && meta_generation(words[0]) == (uint16_t)handle && entry_is_sane(words) &&
           __atomic_load_n(&pool->id_dead_round[meta_database(words[0])], __ATOMIC_ACQUIRE) == 0 &&
           !(words[0] & META_EXPIRES && entry_is_expired(words, session_now(session)));
}

#endif
