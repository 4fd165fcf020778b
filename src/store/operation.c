/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * operation.c - one operation on one key: lock, find, stage
 * Media:   handle entries, index words and blobs, all through the transaction
 * Commit:  session.c
 * Holds:   the counts and the cache hear of every entry that is made, changed or removed
 * Threads: the session's
 * Memory:  none
 */
#include <inttypes.h>
#include <string.h>

#include "access.h"
#include "ahead.h"
#include "entry.h"
#include "error.h"
#include "number.h"
#include "session.h"
#include "tree.h"
#include "word.h"

#define TREE_TRIES 1000 /* to lock a key's shard and its tree's together, while the key keeps getting another one */

bool entry_is_expired(const uint64_t words[4], int64_t now)
{
    return (words[0] & META_EXPIRES) && entry_expiry(words) <= now;
}

/* The four words of an entry as they are now, staged ones where they are. */
static inline const uint64_t *entry_words(const struct tx *tx, uint64_t entry)
{
    return tx_line(tx, entry) + entry / WORD_SIZE % 8;
}

/*
 * The entry of the key that operation->key names, as the cache has it. True: the pool, with what is staged, has the same words, and
 * the key is in them. Else *ahead may name the entry that it had a while ago.
 */
static inline bool find_copy(struct sdb_session *session, struct operation *operation, uint64_t *ahead)
{
    struct index_found *found = &operation->found;
    const uint64_t *now;

    if (!cache_lookup(session->pool->cache, operation->key.hash, found->words, &found->entry))
        return false;
    *ahead = found->entry;
    found->word = 0;
    now = entry_words(&session->tx, found->entry);
    return meta_key_code(found->words[0]) != CODE_BLOB && now[0] == found->words[0] && now[1] == found->words[1] &&
           now[2] == found->words[2] && now[3] == found->words[3] &&
           index_compare(&session->pool->file, found->words, &operation->key) == ENTRY_SAME;
}

/* As index_find_staged, by way of the cache. */
static enum index_result find_cached(struct sdb_session *session, struct operation *operation)
{
    struct heap *heap = &session->pool->heap;
    struct index_found *found = &operation->found;
    uint64_t ahead = 0;

    if (find_copy(session, operation, &ahead)) {
        cache_pace_note(&session->pace, operation->key.hash, true);
        stat_add(&session->stats.cache_hits, 1);
        return INDEX_FOUND;
    }
    cache_pace_note(&session->pace, operation->key.hash, ahead != 0);
    stat_add(ahead ? &session->stats.cache_hits : &session->stats.cache_misses, 1);
    if (ahead && index_entry_is(heap, &session->tx, &operation->key, ahead, found))
        return INDEX_FOUND;
    operation->missed = ahead == 0;
    operation->token = cache_read_begin(session->pool->cache, operation->key.hash);
    return index_find_staged(heap, &session->tx, &operation->key, found);
}

void operation_offer(struct sdb_session *session, const struct operation *operation)
{
    const struct index_found *found = &operation->found;

    if (operation->missed && operation->exists &&
        (const uint8_t *)entry_words(&session->tx, found->entry) == session->pool->file.base + found->entry)
        (void)cache_fill(session->pool->cache, operation->key.hash, found->entry, found->words, operation->token);
}

/* Finds the key that operation->key names; its shard is locked. ahead: the entry that it had a while ago; 0: not known. */
static int find(struct sdb_session *session, struct operation *operation, uint64_t ahead)
{
    struct heap *heap = &session->pool->heap;
    enum index_result result;
    int error;

    operation->mark = tx_savepoint(&session->tx);
    operation->exists = operation->missed = false;
    operation->tree_stays = false;
    if (ahead && index_entry_is(heap, &session->tx, &operation->key, ahead, &operation->found))
        result = INDEX_FOUND;
    else if (session->pool->cache && cache_pace_ask(&session->pace, operation->key.hash))
        result = find_cached(session, operation);
    else
        result = index_find_staged(heap, &session->tx, &operation->key, &operation->found);
    switch (result) {
    case INDEX_MISSING:
        operation->found.entry = 0;
        return SDB_OK;
    case INDEX_DAMAGED:
        stat_add(&session->stats.checksum_errors, 1);
        return SDB_ECORRUPT;
    default:
        break;
    }
    operation->exists = true;
    if (__builtin_expect(meta_value_code(operation->found.words[0]) == CODE_TREE, 0)) {
        error = session_lock_tree(session, entry_tree(operation->found.words));
        if (error)
            return error;
    }
    if (__builtin_expect(!(operation->found.words[0] & META_EXPIRES), 1) ||
        !entry_is_expired(operation->found.words, session_now(session))) {
        access_note(session, operation->found.entry);
        return SDB_OK;
    }
    error = operation_remove(session, operation);
    if (!error)
        stat_add(&session->stats.expired, 1);
    return error;
}

int operation_find(struct sdb_session *session, unsigned database, const void *key, size_t key_size,
                   struct operation *operation)
{
    uint64_t ahead = ahead_key_init(session, session_physical(session, database), key_size ? key : "", key_size, &operation->key);

    return find(session, operation, ahead);
}

int operation_begin(struct sdb_session *session, unsigned database, const void *key, size_t key_size,
                    struct operation *operation)
{
    unsigned physical;
    uint64_t ahead;
    int error = pool_writable(session->pool), tries = 0;

    if (__builtin_expect(error, 0))
        return error;
    if (key_size > SDB_KEY_SIZE_MAX) {
        error_set("a key of %zu bytes: at most %u are allowed", key_size, SDB_KEY_SIZE_MAX);
        return SDB_ETOOBIG;
    }
again:
    do {
        physical = session_physical(session, database);
        ahead = ahead_key_init(session, physical, key_size ? key : "", key_size, &operation->key);
        if (session->pool->cache) /* the commit will want its line */
            cache_prefetch(session->pool->cache, operation->key.hash);
        error = session_lock(session, operation->key.shard);
        if (error)
            return error;
        /* Databases change places under all shards' locks: what was read before this lock may be out of date. */
    } while (physical != session_physical(session, database));
    error = find(session, operation, ahead);
    if (__builtin_expect(error == SDB_ECONFLICT, 0) && !session->transaction && tries++ < TREE_TRIES) {
        error = session_lock_wanted(session, operation->key.shard);
        if (!error)
            goto again;
    }
    return __builtin_expect(error, 0) ? operation_end(session, &operation->mark, error) : SDB_OK;
}

void content_set_value(struct entry_content *content, const void *value, size_t size)
{
    content->value_reference = 0;
    if (number_parse_i64(value, size, &content->integer)) {
        content->value = NULL;
        content->value_size = 0;
    } else {
        content->value = size ? value : "";
        content->value_size = size;
    }
}

int operation_content(struct sdb_session *session, const struct operation *operation, struct entry_content *content,
                      uint8_t scratch[16])
{
    const uint64_t *words = operation->found.words;
    unsigned code = meta_value_code(words[0]), index = entry_value_index(words[0]);
    const uint8_t *data;
    uint32_t size;

    memset(content, 0, sizeof(*content));
    content->key = operation->key.data;
    content->key_size = operation->key.size;
    content->database = operation->key.database;
    content->type = meta_type(words[0]);
    content->expire_ms = entry_expiry(words);
    if (meta_key_code(words[0]) == CODE_BLOB)
        content->key_reference = words[1];
    if (code == CODE_INTEGER) {
        content->integer = (int64_t)words[index];
    } else if (code == CODE_TREE) {
        content->tree = words[index];
    } else if (code == CODE_BLOB) {
        if (!entry_blob(&session->pool->file, words[index], &data, &size) ||
            !entry_blob_verify(&session->pool->file, words[index])) {
            error_set("%s: the value at offset %" PRIu64 " is damaged", session->pool->file.path,
                      blob_reference_offset(words[index]));
            stat_add(&session->stats.checksum_errors, 1);
            return SDB_ECORRUPT;
        }
        content->value = data;
        content->value_size = size;
        content->value_reference = words[index];
    } else {
        memcpy(scratch, &words[index], code);
        content->value = scratch;
        content->value_size = code;
    }
    return SDB_OK;
}

static bool keeps_tree(const uint64_t old[4], const uint64_t new[4])
{
    return meta_type(new[0]) && meta_value_code(new[0]) == CODE_TREE && entry_tree(new) == entry_tree(old);
}

/* Frees the blobs of the old words that the new ones do not use; a tree is dropped. */
static int free_unused(struct sdb_session *session, uint32_t shard, const uint64_t old[4], const uint64_t new[4], bool tree_stays)
{
    struct heap *heap = &session->pool->heap;
    uint64_t kept[2] = {0, 0};
    int error = SDB_OK;

    if (meta_type(new[0]) && meta_key_code(new[0]) == CODE_BLOB)
        kept[0] = new[1];
    if (meta_type(new[0]) && meta_value_code(new[0]) == CODE_BLOB)
        kept[1] = new[entry_value_index(new[0])];
    if (meta_key_code(old[0]) == CODE_BLOB && old[1] != kept[0])
        error = heap_free(heap, &session->tx, shard, blob_reference_offset(old[1]));
    if (!error && meta_value_code(old[0]) == CODE_TREE && !tree_stays && !keeps_tree(old, new)) {
        error = session_lock_tree(session, entry_tree(old));
        if (!error)
            error = tree_drop(heap, &session->tx, entry_tree(old));
    }
    if (!error && meta_value_code(old[0]) == CODE_BLOB && old[entry_value_index(old[0])] != kept[1])
        error = heap_free(heap, &session->tx, shard, blob_reference_offset(old[entry_value_index(old[0])]));
    return error;
}

static int put_new(struct sdb_session *session, struct operation *operation, struct entry_content *content)
{
    struct heap *heap = &session->pool->heap;
    struct tx *tx = &session->tx;
    uint32_t shard = operation->key.shard;
    uint64_t entry, words[4], splits = 0;
    int error = heap_alloc_entry(heap, tx, shard, &entry);

    if (error)
        return error;
    /* The generation was raised when the entry was last freed; its first version is 0. */
    error = entry_build(heap, tx, shard, content, tx_load(tx, entry) & 0xffffull << META_GENERATION_SHIFT, words);
    if (error)
        return error;
    entry_seal(words, entry);
    tx_store_entry(tx, entry, words);
    error = index_insert(heap, tx, &operation->key, entry, &splits);
    stat_add(&session->stats.splits, splits);
    tx_add_count(tx, shard, content->database, 1, content->expire_ms != 0);
    operation->found.entry = entry;
    memcpy(operation->found.words, words, sizeof(words));
    access_note_new(session, entry);
    if (!error)
        session_changed(session, SDB_CHANGE_CREATED, &operation->key);
    return error;
}

static int put_over(struct sdb_session *session, struct operation *operation, struct entry_content *content)
{
    uint64_t *old = operation->found.words, words[4];
    uint64_t version = (old[0] >> META_VERSION_SHIFT & 0xff) + 1;
    uint64_t meta = (old[0] & ~(0xffull << META_VERSION_SHIFT)) | (version & 0xff) << META_VERSION_SHIFT;
    int error;

    if (meta_key_code(old[0]) == CODE_BLOB)
        content->key_reference = old[1];
    error = entry_build(&session->pool->heap, &session->tx, operation->key.shard, content, meta, words);
    if (!error)
        error = free_unused(session, operation->key.shard, old, words, false);
    if (error)
        return error;
    entry_seal(words, operation->found.entry);
    tx_store_entry(&session->tx, operation->found.entry, words);
    if ((content->expire_ms != 0) != ((old[0] & META_EXPIRES) != 0))
        tx_add_count(&session->tx, operation->key.shard, content->database, 0, content->expire_ms ? 1 : -1);
    memcpy(old, words, sizeof(words));
    session_changed(session, SDB_CHANGE_STORED, &operation->key);
    return SDB_OK;
}

int operation_put(struct sdb_session *session, struct operation *operation, struct entry_content *content)
{
    int error;

    content->key = operation->key.data;
    content->key_size = operation->key.size;
    content->database = operation->key.database;
    if (!content->type)
        content->type = SDB_TYPE_STRING;
    error = operation->exists ? put_over(session, operation, content) : put_new(session, operation, content);
    tx_add_touch(&session->tx, operation->key.hash, operation->found.entry);
    operation->exists = operation->exists || !error;
    return error;
}

int operation_remove(struct sdb_session *session, struct operation *operation)
{
    uint64_t *old = operation->found.words, words[4];
    uint64_t generation = (old[0] >> META_GENERATION_SHIFT) + 1;
    int error;

    if (!operation->found.word &&
        index_find_staged(&session->pool->heap, &session->tx, &operation->key, &operation->found) != INDEX_FOUND)
        return SDB_ECORRUPT;
    memcpy(words, old, sizeof(words));
    words[0] = (generation & 0xffff) << META_GENERATION_SHIFT;
    entry_seal(words, operation->found.entry);
    error = free_unused(session, operation->key.shard, old, words, operation->tree_stays);
    if (error)
        return error;
    tx_store_entry(&session->tx, operation->found.entry, words);
    index_remove(&session->tx, operation->found.word);
    heap_free_entry(&session->tx, operation->key.shard, operation->found.entry);
    tx_add_count(&session->tx, operation->key.shard, operation->key.database, -1, old[0] & META_EXPIRES ? -1 : 0);
    tx_add_touch(&session->tx, operation->key.hash, operation->found.entry);
    session_changed(session,
                    session->evicting                                 ? SDB_CHANGE_EVICTED
                    : entry_is_expired(old, session_now(session)) ? SDB_CHANGE_EXPIRED
                                                                      : SDB_CHANGE_DELETED,
                    &operation->key);
    operation->exists = false;
    operation->found.entry = 0;
    return SDB_OK;
}
