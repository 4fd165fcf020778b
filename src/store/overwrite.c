/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * overwrite.c - a small value in the place of another: most of what there is to set
 * Media:   handle entries, through the transaction
 * Commit:  the caller's
 * Holds:   the entry's key, generation and type stay; nothing is allocated or freed
 * Threads: the session's
 * Memory:  none
 */
#include "overwrite.h"

#include <string.h>

#include "entry.h"
#include "number.h"
#include "word.h"

/* What says whose entry it is, as long as the generation stays. */
#define META_OWNER                                                                                                     \
    ((0xfull << META_TYPE_SHIFT) | (0xffull << META_DATABASE_SHIFT) | ((uint64_t)CODE_MASK << META_KEY_SHIFT) |        \
     (0xffffull << META_GENERATION_SHIFT))

/* The new value's words in an entry whose key stays where it is. False: the value does not go there, or the key would not stay. */
static inline bool build_over(const uint64_t old[4], size_t key_size, const struct sdb_slice *value, uint64_t words[4])
{
    uint64_t new[2] = {0, 0};
    int64_t integer;
    unsigned code, value_words = 1, key_words = (unsigned)((key_size + 7) / 8), at;

    if (meta_type(old[0]) != SDB_TYPE_STRING || old[0] & META_EXPIRES || meta_value_code(old[0]) == CODE_BLOB ||
        value->size > INLINE_SIZE_MAX)
        return false;
    if (number_parse_i64(value->data, value->size, &integer)) {
        code = CODE_INTEGER;
        new[0] = (uint64_t)integer;
    } else {
        code = (unsigned)value->size;
        value_words = (code + 7) / 8;
        index_load_words(new, value->data, value->size);
    }
    /* As entry_codes decides. */
    if (meta_key_code(old[0]) != (key_size <= INLINE_SIZE_MAX && key_words + value_words <= 3 ? key_size : CODE_BLOB))
        return false;
    at = 1 + entry_key_words(old[0]);
    words[1] = old[1];
    words[2] = old[2];
    words[3] = new[1];
    words[at] = new[0];
    if (at < 3)
        words[at + 1] = new[1];
    if (at < 2)
        words[3] = 0;
    words[0] = (old[0] & META_OWNER) | (uint64_t)code << META_VALUE_SHIFT |
               ((old[0] + (1ull << META_VERSION_SHIFT)) & 0xffull << META_VERSION_SHIFT);
    return true;
}

bool overwrite(struct sdb_session *session, const struct index_key *key, const struct index_found *found,
               const struct sdb_slice *value)
{
    uint64_t entry = found->entry, words[4];
    unsigned first = (unsigned)(entry / WORD_SIZE % 8);
    struct tx_line *line = tx_stage_line(&session->tx, entry);
    const uint64_t *old;

    if (!line)
        return false;
    old = line->words + first;
    /* What an earlier operation staged here is the key's for as long as its generation is; else it is as it was found, or damaged. */
    if ((unsigned)line->dirty >> first & 15u ? ((old[0] ^ found->words[0]) & META_OWNER) != 0
                                             : memcmp(old, found->words, sizeof(words)) != 0)
        return false;
    if (!build_over(old, key->size, value, words))
        return false;
    entry_seal(words, entry);
    if (!tx_put_entry(&session->tx, line, entry, words, key->hash))
        return false;
    session_changed(session, SDB_CHANGE_STORED, key);
    return true;
}

bool overwrite_alone(struct sdb_session *session, const struct index_key *key, struct index_found *found, const struct sdb_slice *value,
                     int *error)
{
    const uint64_t *old = (const uint64_t *)(const void *)(session->pool->file.base + found->entry);
    uint64_t words[4];
    unsigned dirty = 0;

    if (session->held_count != 1 || session->tx.pool_locked || session->tx.failed ||
        !tx_is_empty(&session->tx) || memcmp(old, found->words, sizeof(words)) != 0)
        return false;
    if (!build_over(found->words, key->size, value, words))
        return false;
    entry_seal(words, found->entry);
    for (unsigned i = 0; i < 4; i++)
        dirty |= (unsigned)(words[i] != found->words[i]) << i;
    session_changed(session, SDB_CHANGE_STORED, key);
    *error = session_commit_entry(session, key, found->entry, words, dirty);
    return true;
}
