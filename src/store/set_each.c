/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * set_each.c - setting many keys, each by itself
 * Media:   handle entries, through the transaction; what is more than a word or two in place goes through sdb_set
 * Commit:  the group's, one is opened where there is none
 * Holds:   1. The keys' shards are locked before their entries are looked for, so that what is found stays.
 *          2. A key's operation is done at once and whole, or left to sdb_set; they take effect in their order.
 * Threads: the session's
 * Memory:  none
 */
#include <string.h>

#include "ahead.h"
#include "entry.h"
#include "number.h"
#include "session.h"
#include "word.h"

/* What says whose entry it is, as long as the generation stays. */
#define META_OWNER                                                                                                     \
    ((0xfull << META_TYPE_SHIFT) | (0xffull << META_DATABASE_SHIFT) | ((uint64_t)CODE_MASK << META_KEY_SHIFT) |        \
     (0xffffull << META_GENERATION_SHIFT))

/* Locks all shards of the keys, without waiting, and prepares their probes. False: there was a lock to wait for. */
static bool lock_keys(struct sdb_session *session, const struct sdb_pair *pairs, size_t count)
{
    const struct sdb_pool *pool = session->pool;
    struct ahead *ahead = &session->ahead;
    unsigned physical = session_physical(session, session->database);
    bool locked = true;

    ahead->count = 0;
    ahead->next = 0;
    for (size_t i = 0; i < count; i++) {
        struct index_probe *probe = &ahead->probes[i];

        index_key_init(&probe->key, &pool->file, physical, pairs[i].key.size ? pairs[i].key.data : "", pairs[i].key.size);
        probe->state = INDEX_PROBE_OPEN;
        locked &= session_lock_at_once(session, probe->key.shard);
    }
    ahead->count = (uint32_t)count;
    /* Databases change places under all shards' locks: what was read before these locks may be out of date. */
    return locked && physical == session_physical(session, session->database);
}

/* The new value's words in an entry whose key stays where it is. False: the value does not go there, or the key would not stay. */
static bool build_over(const uint64_t old[4], size_t key_size, const struct sdb_slice *value, uint64_t words[4])
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

/* Sets a key that has a small value, which is most of what there is to do. False: nothing was done, it is for sdb_set. */
static bool set_over(struct sdb_session *session, const struct index_probe *probe, const struct sdb_slice *value)
{
    uint64_t entry = probe->found.entry, words[4];
    unsigned first = (unsigned)(entry / WORD_SIZE % 8);
    struct tx_line *line;
    const uint64_t *old;

    if (probe->state != INDEX_PROBE_FOUND)
        return false;
    line = tx_stage_line(&session->tx, entry);
    if (!line)
        return false;
    old = line->words + first;
    /* What an earlier operation staged here is the key's for as long as its generation is; else it is as it was found, or damaged. */
    if ((unsigned)line->dirty >> first & 15u ? ((old[0] ^ probe->found.words[0]) & META_OWNER) != 0
                                   : memcmp(old, probe->found.words, sizeof(words)) != 0)
        return false;
    if (!build_over(old, probe->key.size, value, words))
        return false;
    entry_seal(words, entry);
    if (!tx_put_entry(&session->tx, line, entry, words, probe->key.hash))
        return false;
    session_changed(session, SDB_CHANGE_STORED, &probe->key);
    return true;
}

/* Each pair through sdb_set. Returns how many. */
static size_t set_singly(struct sdb_session *session, const struct sdb_pair *pairs, size_t count, int *error)
{
    size_t done = 0;

    while (done < count) {
        *error = sdb_set(session, pairs[done].key.data, pairs[done].key.size, pairs[done].value.data, pairs[done].value.size, NULL);
        if (*error)
            break;
        done++;
    }
    return done;
}

/* Up to INDEX_PROBES pairs, or fewer where a commit came between: the locks are gone then. Returns how many. */
static size_t set_window(struct sdb_session *session, const struct sdb_pair *pairs, size_t count, int *error)
{
    struct ahead *ahead = &session->ahead;
    size_t lines_max = session_group_lines(session);

    if (session->transaction || pool_writable(session->pool) || !lock_keys(session, pairs, count))
        return set_singly(session, pairs, count, error);
    ahead_find(session, ahead->probes, count);
    for (size_t i = 0; i < count; i++) {
        if (session->tx.line_count >= lines_max) {
            *error = session_commit(session);
            return i;
        }
        if (set_over(session, &ahead->probes[i], &pairs[i].value))
            continue;
        ahead->next = (uint32_t)i;
        if (set_singly(session, &pairs[i], 1, error) == 0)
            return i;
        if (!session_holds(session, ahead->probes[i].key.shard))
            return i + 1;
        lines_max = session_group_lines(session);
    }
    return count;
}

int sdb_set_each(struct sdb_session *session, const struct sdb_pair *pairs, size_t count, size_t *done)
{
    bool opened = sdb_group_begin(session) == SDB_OK;
    int error = SDB_OK;
    size_t n = 0;

    while (n < count && !error)
        n += set_window(session, pairs + n, count - n < INDEX_PROBES ? count - n : INDEX_PROBES, &error);
    if (opened) {
        int ended = sdb_group_end(session);

        error = ended ? ended : error;
    }
    if (done)
        *done = n;
    return error;
}
