/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * superblock.h - the pool's geometry: choosing one for a new pool, and believing none that was not checked
 *
 * Pure functions on struct sdb_m_superblock in ordinary memory; file.c reads and writes the copies.
 */
#ifndef SDB_PMEM_SUPERBLOCK_H
#define SDB_PMEM_SUPERBLOCK_H

#include <stdint.h>

#include "layout.h"

#define POOL_SIZE_DEFAULT (1ull << 30)
#define POOL_SIZE_MAX (1ull << 45) /* 32 TiB: what an index word's 40 bits of entry offset / 32 can name */
#define POOL_GROWTH_DEFAULT 64u    /* size_max of a new pool, in sizes */
#define SUPERBLOCK_AREA_SIZE 8192u /* both copies with what lies between and behind them, to the root */

/*
 * Fills in a new pool's superblock: sizes and shards as in struct sdb_options (0: default), everything else chosen
 * here; sealed, state CLEAN, sequence 1, incarnation 0. Errors: SDB_EINVAL with words; SDB_EIO (no random bytes for the
 * UUID).
 */
int superblock_make(uint64_t size, uint64_t size_max, uint32_t shards, uint64_t created_ms,
                    struct sdb_m_superblock *sb);

/* Sets the checksum: after every change. */
void superblock_seal(struct sdb_m_superblock *sb);

/*
 * Chooses between the two copies as read from the medium and validates the choice: magic, checksum, version, features,
 * geometry. file_size is the file's own. readonly: features that must be known only for writing are let pass. Returns 0
 * with the copy in *chosen (*damaged: 1 where the other one is not to be believed), or SDB_EFORMAT (no magic in
 * either), SDB_EVERSION (format or feature bits not known), SDB_ECORRUPT (both damaged, or a geometry that cannot be,
 * or the file is shorter than the superblock says), each with words. Out-parameters untouched on failure.
 */
int superblock_choose(const struct sdb_m_superblock *a, const struct sdb_m_superblock *b, uint64_t file_size,
                      int readonly, struct sdb_m_superblock *chosen, int *damaged);

/* The geometry alone: every area aligned, inside the file, in order and disjoint. Errors: SDB_ECORRUPT with words. */
int superblock_check_geometry(const struct sdb_m_superblock *sb);

#endif
