/* SPDX-License-Identifier: BSD-3-Clause */
/* file_internal.h - what opening and growing a pool's file (file.c) and changing its state (file_state.c) share */
#ifndef SDB_PMEM_FILE_INTERNAL_H
#define SDB_PMEM_FILE_INTERNAL_H

#include <string.h>

#include "error.h"
#include "file.h"
#include "space.h"
#include "superblock.h"

/* Puts the path in front of what the failed step said. */
static inline int file_with_path(const struct pool_file *file, int error)
{
    error_set("%s: %s", file->path, error_text());
    return error;
}

static inline int file_fail(const struct pool_file *file, const char *doing, int number)
{
    error_set("%s: %s: %s", file->path, doing, strerror(number));
    return space_error(number);
}

/* What is known of a pool that was closed is known to the next run, too. */
static inline uint32_t file_state_of_repair(const struct pool_file *file)
{
    return file->was_clean ? SB_STATE_REPAIR_CLOSED : SB_STATE_REPAIR;
}

static inline int file_refuse_readonly(const struct pool_file *file)
{
    error_set("%s: open for reading only", file->path);
    return SDB_EREADONLY;
}

/* One copy is where it counts before the other changes: whatever is cut short leaves one whole. file->superblock is then what is wanted. */
int file_change_superblock(struct pool_file *file, const struct sdb_m_superblock *wanted);

/* Beyond what class process promises: file->unsynced says that it is owed. */
int file_write_back_superblock(struct pool_file *file);

#endif
