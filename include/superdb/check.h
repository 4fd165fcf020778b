/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * check.h - is a pool sound, what is damaged, and how it becomes sound again
 *
 * sdb_check verifies everything of a pool at rest; sdb_scrub does, a little at a time, beside readers and writers; sdb_repair drops what is
 * damaged, and says which keys. Include superdb/superdb.h, which includes this.
 */
#ifndef SUPERDB_CHECK_H
#define SUPERDB_CHECK_H

#include "superdb.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ------------------------------------------------------------------------------------------------------------------
 * Checking
 * ---------------------------------------------------------------------------------------------------------------- */

/* Called for each problem found: where (a byte offset in the pool) and what, in words. */
typedef void sdb_check_fn(void *context, uint64_t offset, const char *what);

struct sdb_check {
    uint64_t problems;
    uint64_t keys;
    uint64_t entries_free;
    uint64_t blobs;
    uint64_t segments;
    uint64_t bytes_checked;
    uint64_t nodes;    /* of large collections */
    uint64_t elements; /* in them */
};

/*
 * Verifies everything reachable and everything allocated: checksums, that each entry is found through the index and each
 * index word leads to an entry, that each allocated block is used once and each used block is allocated. No writer may be
 * active. report may be NULL. Returns SDB_OK (no problem), SDB_ECORRUPT (some), SDB_ENOMEM.
 */
SDB_API int sdb_check(struct sdb_pool *pool, sdb_check_fn *report, void *context, struct sdb_check *result);

/* ------------------------------------------------------------------------------------------------------------------
 * Repairing, and looking for damage
 * ---------------------------------------------------------------------------------------------------------------- */

/* Something that was found in a pool. Valid during the call. */
struct sdb_finding {
    uint64_t offset;      /* a byte offset in the pool */
    const char *what;     /* in words */
    struct sdb_slice key; /* that it concerns; data NULL: none, or it is not known which */
    uint32_t database;    /* of the key; SDB_DATABASES: none, or not known */
    uint32_t lost;        /* 1: a key is lost by it */
};
typedef void sdb_finding_fn(void *context, const struct sdb_finding *finding);

struct sdb_repair {
    uint64_t problems;            /* that the check named beforehand; 0: nothing was to be done */
    uint64_t problems_left;       /* that it names now */
    uint64_t keys_kept;
    uint64_t keys_lost;           /* each told of, with its name */
    uint64_t entries_lost;        /* keys whose names are lost too: told of with their offsets */
    uint64_t keys_untraced;       /* gone without a trace, as the counts of the last clean close say */
    uint64_t keys_uncounted;      /* 1: how many are gone without a trace is not known: the pool was not closed, or its counts are lost */
    uint64_t entries_older;       /* of keys that stay, with a newer value; dropped, each told of */
    uint64_t index_words_missing; /* keys that the index did not lead to, and leads to again */
    uint64_t index_words_dropped; /* that led nowhere */
    uint64_t blocks_freed;        /* that were allocated, and used by nothing */
    uint64_t blocks_marked;       /* that were in use, and not allocated */
    uint64_t words_stored;
};

#define SDB_REPAIR_DRY_RUN 1u /* find out what would be done, and do it to a copy in memory */

/*
 * Makes a damaged pool sound, which nobody may have open: drops the keys that are damaged, or whose values are, and no others; builds
 * anew what can be (index, allocation, counts). report, which may be NULL, is told of every problem first, then of every key that
 * is lost, before anything is stored. A repair that is cut short leaves a pool that only sdb_repair opens, which then goes on.
 * Memory: 40 KiB for each 2 MiB of pool in use. A dry run besides takes memory for what would change.
 * Errors: those of sdb_open; SDB_ECORRUPT: both superblock copies are damaged, or problems are left; SDB_ENOSPC: the pool is full, and
 * at its maximum. *result is filled in as far as it came.
 */
SDB_API int sdb_repair(const char *path, uint32_t flags, sdb_finding_fn *report, void *context, struct sdb_repair *result);

struct sdb_scrub { /* sums: the caller zeroes it to begin */
    uint64_t problems;
    uint64_t entries;
    uint64_t keys;
    uint64_t blobs; /* values outside of entries */
    uint64_t bytes; /* that were read */
};

/*
 * Looks for damage while the pool is in use: about `effort` bytes of it, from *cursor (0: the beginning) on, and writes where to go on
 * to *cursor, 0 at the end. Verifies check bits and checksums of entries, keys, values, index words and of what says where they
 * are, and looks every key up as a reader would, so that one that nobody can find any more is found. Takes a lock for a second look at
 * what seems wrong, and no other. report, which may be NULL, is told what is wrong; it must not use the session. What is
 * damaged stays an error to readers, until sdb_repair drops it. A damaged copy of the superblock alone, of which DRAM knows what it said,
 * is written anew at once, and told of.
 * Errors: SDB_EINVAL (a group or transaction is open), SDB_EFAILED, SDB_EIO.
 */
SDB_API int sdb_scrub(struct sdb_session *session, uint64_t *cursor, size_t effort, sdb_finding_fn *report, void *context,
                      struct sdb_scrub *result);

#ifdef __cplusplus
}
#endif

#endif
