/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * root.c - the root's words and those of the lanes' headers become words that are never zero
 * Media:   struct sdb_m_root, struct sdb_m_lane
 * Commit:  single words, whose meaning stays; one fence. A crash in between leaves some of either kind, in a pool without
 *          SB_INCOMPAT_ROOT, which takes both
 * Threads: see file.h
 * Memory:  none
 */
#include "root.h"

#include "persist.h"

static void complete(struct pool_file *file, uint64_t offset)
{
    uint64_t *word = (uint64_t *)(void *)(file->base + offset);
    uint64_t value;

    if (root_word_value(file, persist_load(word), offset, &value))
        persist_store(word, nonzero_word(value, offset));
}

int root_words_complete(struct pool_file *file)
{
    const struct sdb_m_superblock *sb = &file->superblock;

    for (uint64_t i = 0; i < ROOT_WORDS; i++)
        complete(file, sb->root_offset + i * WORD_SIZE);
    persist_flush(&file->persist, &file->thread, file->base + sb->root_offset, ROOT_WORDS * WORD_SIZE);
    for (uint64_t i = 0; i < sb->lanes; i++) {
        complete(file, sb->lanes_offset + i * sb->lane_size);
        persist_flush_line(&file->persist, &file->thread, file->base + sb->lanes_offset + i * sb->lane_size);
    }
    return persist_fence(&file->persist, &file->thread);
}
