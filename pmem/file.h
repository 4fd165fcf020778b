/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * file.h - the pool's file: making, locking, mapping, growing and closing it
 *
 * pool_file_open leaves a mapping whose superblock is valid and whose geometry lies inside the file. Nothing is written
 * to an existing pool before pool_file_mark_open, so that recovery runs between the two. The states of a pool:
 *     (no file) -> created, CLEAN -> mark_open -> OPEN -> mark_clean -> CLEAN
 *
 * Threads: open and close by one thread; mark_open, mark_clean and grow under the pool's own lock; base, size_max,
 * persist and the geometry in `superblock` may be read by anybody after open; grow stores `size` with release order.
 */
#ifndef SDB_PMEM_FILE_H
#define SDB_PMEM_FILE_H

#include <stdint.h>

#include "layout.h"
#include "persist.h"
#include "sigbus.h"
#include "superdb/superdb.h"

struct pool_file {
    /* Immutable after open. */
    uint8_t *base;     /* 2 MiB aligned; file offset 0 */
    uint64_t size_max; /* that the pool may grow to */
    uint64_t reserved; /* bytes of address space kept from base on: size_max, or less where the system refused */
    int fd;
    int readonly;
    int made;      /* this open made the file */
    int created;   /* this open made the pool, in a new file or an unformatted one */
    int was_clean; /* the last close was a clean one (true for a new pool) */
    int healed;    /* 1: one superblock copy was damaged; mark_open writes it anew */
    int repairing; /* opened by pool_file_open_repair: mark_open keeps the state */
    int isolated;  /* what is stored reaches this mapping only */
    uint64_t truncated; /* repairing: bytes that the file had, where it had lost its end; else 0 */
    struct persist persist;
    uint32_t durability; /* enum sdb_durability: what is given, never AUTO */
    char durability_reason[160];
    uint32_t persistent_caches; /* 1: eADR (or emulated by SUPERDB_FLUSH=none) */
    uint32_t map_sync;          /* 1: MAP_SYNC worked */
    uint32_t libpmem_is_pmem;   /* libpmem's own view of the file, for the record */
    char file_system[24];       /* "tmpfs", "ext4", ... */
    int in_memory;              /* that file system keeps nothing over a power cut */
    char path[1024];
    uint64_t device, inode; /* who the file is: one open pool for each in a process */
    struct pool_file *next; /* the process's open pools: under file.c's own lock */

    /* Under the pool's own lock. */
    struct sdb_m_superblock superblock; /* DRAM copy of the newer copy on the medium */
    int newest_copy;                    /* 0: copy A is the newer one, 1: B */
    int secured;                        /* 1: that copy is durable, not only visible */
    uint64_t size;                      /* bytes mapped and in use; Atomic: released by grow */
    int unsynced;                       /* 1: the superblock was not written back, what the drive has is not known */
    struct persist_thread thread;       /* for the superblock's own flushes */

    uint32_t sync_failed; /* Atomic: an msync failed, the next ones refuse (persist.h) */
    /* Atomic: see sigbus.h. `sigbus.failed` != 0: a page is lost, fences refuse. */
    struct sigbus_region sigbus;
};

/*
 * Opens the pool at path, creates and formats it first where options say so (SDB_CREATE), locks it, validates the
 * superblock and the file's size, and maps it. options may be NULL. *file is filled in on success, and must not move
 * until pool_file_close. On success without SDB_READONLY the caller goes on with recovery where !was_clean, then
 * pool_file_mark_open. Errors: those of sdb_open, with the story in error_set's message; nothing stays open, and a file
 * that this call made is removed, unless somebody else has it locked, who is about to use it.
 */
int pool_file_open(const char *path, const struct sdb_options *options, struct pool_file *file);

/*
 * As pool_file_open for an existing pool, for a repair: takes one whose repair was cut short, or whose file has lost its end, which
 * gets zeros instead. isolated: for a dry run, in a private mapping; the file stays as it is, and the lock is a reader's.
 */
int pool_file_open_repair(const char *path, int isolated, struct pool_file *file);

/* Maps the file's page again, in the place of what the SIGBUS handler put there. Errors: as mapping_place. */
int pool_file_map_page(const struct pool_file *file, uint64_t offset);

/*
 * State REPAIR, durable, unless it is one of repair already. The incarnation stays: records that were not applied yet still count.
 * Errors: SDB_EIO.
 */
int pool_file_announce_repair(struct pool_file *file);

/*
 * A state of repair, durable; pool_file_mark_clean ends it. Of a pool that was not closed under a new incarnation: no record that
 * recovery has applied is applied again over what is stored from here on. Errors: SDB_EIO.
 */
int pool_file_mark_repair(struct pool_file *file);

/* State REPAIR, durable, under a new incarnation: records count from here on, and the counts of the last close do not. Errors: SDB_EIO. */
int pool_file_mark_entries_final(struct pool_file *file);

/*
 * State OPEN under a new incarnation, durable in both superblock copies. To be called after recovery and before the
 * first commit. Errors: SDB_EIO, SDB_EREADONLY.
 */
int pool_file_mark_open(struct pool_file *file);

/*
 * State CLEAN, durable; everything else must be durable already. Errors: SDB_EIO (the pool counts as not closed),
 * SDB_EREADONLY.
 */
int pool_file_mark_clean(struct pool_file *file);

/*
 * Grows the file and its mapping to new_size (rounded up to EXTENT_SIZE); the new part reads as zeros, and base does
 * not change. A size that the pool has already is a success. Errors: SDB_EINVAL (smaller, or above size_max),
 * SDB_ENOSPC, SDB_ENOMEM (no address space), SDB_EIO, SDB_EREADONLY, SDB_EFAILED (a page was lost): the pool is as before;
 * SDB_EIO in class msync: it has failed, too.
 */
int pool_file_grow(struct pool_file *file, uint64_t new_size);

/* Removes the file where this open made it, for an open that fails further on. To be called before pool_file_close, under the lock. */
void pool_file_unmake(const struct pool_file *file);

/* Unmaps, unlocks and closes. Marks nothing: without pool_file_mark_clean before it, the next open recovers. */
void pool_file_close(struct pool_file *file);

/*
 * Looks at a superblock copy (0 or 1) of an open pool: 0: it says what the pool is, else 1. mend: and writes it anew then; the other copy
 * is not touched, so that one is whole whatever is cut short. *mended: it says it again, durably. Under the pool's own lock.
 */
int pool_file_look_at_copy(struct pool_file *file, int copy, int mend, int *mended);
uint64_t pool_file_copy_offset(int copy);

/*
 * Whether the page at this offset was lost (sigbus.h), so that its zeros say nothing: zeros everywhere, where pages were lost. A
 * structure that reads as "nothing there" asks, or a lost page would hide what stood on it. Costs a load while none was.
 */
int pool_file_page_is_zero(const uint8_t *page);
static inline int pool_file_is_lost(const struct pool_file *file, uint64_t offset)
{
    return __builtin_expect(__atomic_load_n(&file->sigbus.failed, __ATOMIC_RELAXED) != 0, 0) &&
           pool_file_page_is_zero(file->base + (offset & ~4095ull));
}

/*
 * How many bytes of the mapping are huge pages right now, as the kernel reports; on DAX, where it reports none (dax.h), how many
 * can be. Reads /proc/self/smaps: slow.
 */
uint64_t pool_file_huge_page_bytes(const struct pool_file *file);

#endif
