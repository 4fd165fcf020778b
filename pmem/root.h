/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * root.h - words of the root and of the lanes' headers
 *
 * A new pool is all zeros behind its superblocks. The first one who opens it for writing stores these words as ones that are never zero
 * (word.h), then sets SB_INCOMPAT_ROOT: from then on one that reads as zero is lost, and never taken for a database that has its first
 * number, for numbers that are free, or for records that still count.
 * Threads: any
 */
#ifndef SDB_PMEM_ROOT_H
#define SDB_PMEM_ROOT_H

#include <stdbool.h>
#include <stdint.h>

#include "file.h"
#include "word.h"

#define ROOT_WORDS (SDB_DATABASES + 8u) /* of struct sdb_m_root, in front of the reserved ones */

static inline bool root_word_value(const struct pool_file *file, uint64_t word, uint64_t offset, uint64_t *value)
{
    return nonzero_word_value(word, offset, value) ||
           (!(file->superblock.incompat & SB_INCOMPAT_ROOT) && checked_value(word, offset, value) && *value <= NONZERO_VALUE_MAX);
}

/* Stores those that are whole as words that are never zero, durably. The file is open for writing. Errors: SDB_EIO. */
int root_words_complete(struct pool_file *file);

#endif
