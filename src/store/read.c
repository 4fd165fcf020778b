/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * read.c - reading by key
 * Media:   read only
 * Holds:   1. What is found was committed, or staged by this session (D3).
 *          2. A miss counts only if the shard's sequence was even and the same before and after: words may be moving.
 *          3. A blob is read under a pin that was set before its entry was seen to refer to it.
 *          4. What was found is the session's database's only if no database got another number since the key was prepared.
 * Threads: the session's; takes no lock, except where a writer keeps getting in the way, and inside transactions
 * Memory:  none
 */
#include "read.h"

#include <inttypes.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "access.h"
#include "ahead.h"
#include "collection.h"
#include "entry.h"
#include "error.h"
#include "number.h"
#include "word.h"

#define FREE_TRIES 32

void read_key_init(const struct sdb_session *session, const void *key, size_t key_size, struct index_key *out)
{
    index_key_init(out, &session->pool->file, session_physical(session, session->database), key_size ? key : "", key_size);
}

/* What a key was prepared under. A commit that holds a shard of this session cannot be waited for: it would not be there. */
static uint64_t databases_begin(const struct sdb_session *session)
{
    uint64_t sequence;

    while (__builtin_expect((sequence = __atomic_load_n(&session->pool->databases_sequence, __ATOMIC_ACQUIRE)) & 1, 0))
        (void)sched_yield();
    return sequence;
}

/* Whether a key that was prepared under it may since have become another database's. */
static bool databases_moved(const struct sdb_session *session, uint64_t sequence)
{
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    return __builtin_expect(__atomic_load_n(&session->pool->databases_sequence, __ATOMIC_RELAXED) != sequence, 0);
}

/* With the shard locked, or after locking it for this one look. */
static int find_locked(struct sdb_session *session, const struct index_key *key, struct index_found *found)
{
    bool was_held = session_holds(session, key->shard);
    enum index_result result;
    int error = session_lock(session, key->shard);

    if (error)
        return error;
    result = index_find_staged(&session->pool->heap, &session->tx, key, found);
    if (!was_held && !session->transaction && !session->group) {
        error = session_commit(session);
        if (error)
            return error;
    }
    if (result == INDEX_DAMAGED) {
        stat_add(&session->stats.checksum_errors, 1);
        return SDB_ECORRUPT;
    }
    return result == INDEX_FOUND ? SDB_OK : SDB_ENOTFOUND;
}

/* A copy from the cache, if it is this key's. */
static bool find_cached(struct sdb_session *session, const struct index_key *key, struct index_found *found)
{
    const struct pool_file *file = &session->pool->file;
    bool hit = cache_lookup(session->pool->cache, key->hash, found->words, &found->entry) &&
               index_compare(file, found->words, key) == ENTRY_SAME &&
               (meta_key_code(found->words[0]) != CODE_BLOB || entry_unchanged(file, found->entry, found->words));

    cache_pace_note(&session->pace, key->hash, hit);
    stat_add(hit ? &session->stats.cache_hits : &session->stats.cache_misses, 1);
    return hit;
}

static int find_free(struct sdb_session *session, const struct index_key *key, struct index_found *found)
{
    struct sdb_pool *pool = session->pool;
    uint64_t *sequence = &pool->shards[key->shard].sequence;
    bool ask = pool->cache && cache_pace_ask(&session->pace, key->hash);

    if (ask && find_cached(session, key, found))
        return SDB_OK;
    for (int i = 0; i < FREE_TRIES; i++) {
        uint64_t before = __atomic_load_n(sequence, __ATOMIC_ACQUIRE), token = 0;
        enum index_result result;
        bool steady;

        if (ask)
            token = cache_read_begin(pool->cache, key->hash);
        result = index_find(&pool->heap, key, found);
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
        steady = !(before & 1) && __atomic_load_n(sequence, __ATOMIC_RELAXED) == before;
        if (result == INDEX_FOUND) {
            if (ask && steady)
                cache_fill(pool->cache, key->hash, found->entry, found->words, token);
            return SDB_OK;
        }
        if (steady && result == INDEX_MISSING)
            return SDB_ENOTFOUND;
        if (steady)
            break; /* damaged, as it seems */
        stat_add(&session->stats.retries, 1);
    }
    return find_locked(session, key, found);
}

/* What was found counts as a hit, unless it has expired. */
static inline int found_live(struct sdb_session *session, const struct index_found *found)
{
    if (__builtin_expect(found->words[0] & META_EXPIRES, 0) && entry_is_expired(found->words, session_now(session)))
        return SDB_ENOTFOUND;
    stat_add(&session->stats.hits, 1);
    return SDB_OK;
}

/* Whether the entry that sdb_prefetch found is still the key's. Where the session may have staged another state: no. */
static inline bool find_ahead(struct sdb_session *session, const struct index_key *key, uint64_t entry,
                              struct index_found *found)
{
    if (session->transaction || session_holds(session, key->shard) ||
        !index_entry_is(&session->pool->heap, NULL, key, entry, found))
        return false;
    stat_add(&session->stats.gets, 1);
    return true;
}

int read_find(struct sdb_session *session, const struct index_key *key, struct index_found *found)
{
    int error;

    stat_add(&session->stats.gets, 1);
    if (session->transaction || session_holds(session, key->shard))
        error = find_locked(session, key, found);
    else
        error = find_free(session, key, found);
    return error ? error : found_live(session, found);
}

static int find_key(struct sdb_session *session, const void *key, size_t key_size, struct index_found *found)
{
    struct index_key k;
    uint64_t sequence, entry;
    int error;

    do {
        sequence = databases_begin(session);
        entry = ahead_key_init(session, session_physical(session, session->database), key_size ? key : "", key_size, &k);
        error = entry && find_ahead(session, &k, entry, found) ? found_live(session, found) : read_find(session, &k, found);
    } while (databases_moved(session, sequence));
    return error;
}

/* The words as this session sees them now: staged or in the pool. */
static bool still_there(const struct sdb_session *session, uint64_t entry, const uint64_t words[4])
{
    if (session->tx.line_count && tx_find(&session->tx, entry / LINE_SIZE))
        return tx_load(&session->tx, entry) == words[0];
    return entry_unchanged(&session->pool->file, entry, words);
}

static int view_blob(struct sdb_session *session, uint64_t entry, const uint64_t words[4], struct sdb_view *view)
{
    const struct pool_file *file = &session->pool->file;
    uint64_t reference = words[entry_value_index(words[0])];
    const uint8_t *data;
    uint32_t size;

    session_pin(session);
    if (!still_there(session, entry, words)) {
        session_unpin(session);
        stat_add(&session->stats.retries, 1);
        return SDB_EBUSY;
    }
    if (!entry_blob(file, reference, &data, &size) || !entry_blob_verify(file, reference)) {
        error_set("%s: the value at offset %" PRIu64 " is damaged", file->path, blob_reference_offset(reference));
        stat_add(&session->stats.checksum_errors, 1);
        session_unpin(session);
        return SDB_ECORRUPT;
    }
    view->data = data;
    view->size = size;
    view->pinned = 1;
    view->encoding = SDB_ENCODING_BLOB;
    return SDB_OK;
}

int read_view(struct sdb_session *session, uint64_t entry, const uint64_t words[4], struct sdb_view *view)
{
    unsigned code = meta_value_code(words[0]), index = entry_value_index(words[0]);

    if (__builtin_expect(meta_type(words[0]) != SDB_TYPE_STRING, 0))
        return SDB_ETYPE;
    view->type = SDB_TYPE_STRING;
    view->version = words[0];
    view->expire_ms = entry_expiry(words);
    view->handle = handle_of(entry, words[0]);
    view->pinned = 0;
    if (code == CODE_BLOB)
        return view_blob(session, entry, words, view);
    view->data = view->inlined;
    if (code == CODE_INTEGER) {
        view->encoding = SDB_ENCODING_INT;
        view->size = number_format_i64(view->inlined, (int64_t)words[index]);
    } else {
        view->encoding = SDB_ENCODING_INLINE;
        view->size = code;
        if (code) /* an empty value may have no word at all */
            memcpy(view->inlined, &words[index], WORD_SIZE);
        if (code > WORD_SIZE)
            memcpy(view->inlined + WORD_SIZE, &words[index + 1], WORD_SIZE);
    }
    return SDB_OK;
}

static int view_key(struct sdb_session *session, const struct index_key *key, struct sdb_view *view)
{
    struct index_found found;
    int error;

    do {
        error = read_find(session, key, &found);
        if (!error)
            error = read_view(session, found.entry, found.words, view);
    } while (error == SDB_EBUSY);
    return error;
}

int sdb_view(struct sdb_session *session, const void *key, size_t key_size, struct sdb_view *view)
{
    struct index_found found;
    int error;

    do {
        error = find_key(session, key, key_size, &found);
        if (!error)
            error = read_view(session, found.entry, found.words, view);
    } while (error == SDB_EBUSY);
    if (!error)
        access_note(session, found.entry);
    return error;
}

int read_packed(struct sdb_session *session, const void *key, size_t key_size, unsigned type, struct index_found *found,
                struct sdb_view *view)
{
    int error;

    do {
        error = find_key(session, key, key_size, found);
        if (error)
            return error;
        if (meta_type(found->words[0]) != type)
            return SDB_ETYPE;
        if (meta_value_code(found->words[0]) != CODE_BLOB)
            return SDB_EBUSY;
        error = view_blob(session, found->entry, found->words, view);
    } while (error == SDB_EBUSY);
    return error;
}

void sdb_view_release(struct sdb_session *session, struct sdb_view *view)
{
    if (view->pinned)
        session_unpin(session);
    view->pinned = 0;
}

int sdb_get(struct sdb_session *session, const void *key, size_t key_size, void *buffer, size_t buffer_size,
            size_t *value_size)
{
    struct index_found found;
    struct sdb_view view;
    int error = find_key(session, key, key_size, &found);

    if (!error)
        access_note(session, found.entry);
    if (!error && read_copy(found.words, buffer, buffer_size, value_size))
        return SDB_OK;
    while (!error && (error = read_view(session, found.entry, found.words, &view)) == SDB_EBUSY)
        error = find_key(session, key, key_size, &found);
    if (error)
        return error;
    memcpy(buffer_size ? buffer : view.inlined, view.data, view.size < buffer_size ? view.size : buffer_size);
    if (value_size)
        *value_size = view.size;
    sdb_view_release(session, &view);
    return SDB_OK;
}

int sdb_get_range(struct sdb_session *session, const void *key, size_t key_size, uint64_t offset, void *buffer,
                  size_t buffer_size, size_t *read_size)
{
    struct sdb_view view;
    size_t size = 0;
    int error = sdb_view(session, key, key_size, &view);

    if (error)
        return error;
    if (offset < view.size) {
        size = view.size - offset < buffer_size ? view.size - (size_t)offset : buffer_size;
        memcpy(size ? buffer : view.inlined, (const uint8_t *)view.data + offset, size);
    }
    *read_size = size;
    sdb_view_release(session, &view);
    return SDB_OK;
}

int sdb_exists(struct sdb_session *session, const void *key, size_t key_size)
{
    struct index_found found;

    return find_key(session, key, key_size, &found);
}

int sdb_touch(struct sdb_session *session, const void *key, size_t key_size)
{
    struct index_found found;
    int error = find_key(session, key, key_size, &found);

    if (!error)
        access_note(session, found.entry);
    return error;
}

int sdb_set_use(struct sdb_session *session, const void *key, size_t key_size, uint64_t idle_ms, unsigned frequency)
{
    struct index_found found;
    struct access *access = access_of(session);
    int error = find_key(session, key, key_size, &found);

    if (!error && access)
        access_set(session, access, found.entry, idle_ms, frequency);
    return error;
}

static size_t blob_memory(const struct pool_file *file, uint64_t reference, size_t *size)
{
    const uint8_t *data;
    uint32_t bytes = 0;

    if (!entry_blob(file, reference, &data, &bytes))
        return 0;
    *size = bytes;
    return (size_t)heap_block_size(bytes + sizeof(struct sdb_m_blob));
}

void read_use(const struct sdb_session *session, uint64_t entry, struct sdb_stat *stat)
{
    const struct access *access = access_of(session);

    stat->idle_ms = access ? access_idle_ms(access, entry, session_now(session)) : 0;
    stat->frequency = access ? (uint8_t)access_frequency(access, entry, session_now(session)) : 0;
}

/* SDB_ETYPE: it is a collection, of the type. */
static int stat_string(struct sdb_session *session, const void *key, size_t key_size, struct sdb_stat *stat,
                       unsigned *type)
{
    const struct pool_file *file = &session->pool->file;
    struct index_found found;
    unsigned code;
    size_t ignored;
    int error;

    session_pin(session); /* the sizes of blobs stand in the blobs */
    do {
        error = find_key(session, key, key_size, &found);
    } while (!error && !still_there(session, found.entry, found.words));
    if (!error && meta_type(found.words[0]) != SDB_TYPE_STRING) {
        *type = meta_type(found.words[0]);
        error = SDB_ETYPE;
    }
    if (error) {
        session_unpin(session);
        return error;
    }
    memset(stat, 0, sizeof(*stat));
    code = meta_value_code(found.words[0]);
    stat->type = (uint8_t)meta_type(found.words[0]);
    stat->version = found.words[0];
    stat->expire_ms = entry_expiry(found.words);
    stat->handle = handle_of(found.entry, found.words[0]);
    stat->encoding = code == CODE_BLOB ? SDB_ENCODING_BLOB : code == CODE_INTEGER ? SDB_ENCODING_INT : SDB_ENCODING_INLINE;
    stat->memory = ENTRY_SIZE + WORD_SIZE;
    if (meta_key_code(found.words[0]) == CODE_BLOB)
        stat->memory += blob_memory(file, found.words[1], &ignored);
    stat->size = code;
    if (code == CODE_BLOB) {
        stat->memory += blob_memory(file, found.words[entry_value_index(found.words[0])], &stat->size);
    } else if (code == CODE_INTEGER) {
        char text[32];

        stat->size = number_format_i64(text, (int64_t)found.words[entry_value_index(found.words[0])]);
    }
    read_use(session, found.entry, stat);
    session_unpin(session);
    return SDB_OK;
}

int sdb_stat(struct sdb_session *session, const void *key, size_t key_size, struct sdb_stat *stat)
{
    unsigned type = 0;
    int error;

    do { /* until it has the type that it had a moment ago */
        error = stat_string(session, key, key_size, stat, &type);
        if (error == SDB_ETYPE)
            error = collection_stat(session, key, key_size, type, stat);
    } while (error == SDB_ETYPE);
    return error;
}

int sdb_handle(struct sdb_session *session, const void *key, size_t key_size, uint64_t *handle)
{
    struct index_found found;
    int error = find_key(session, key, key_size, &found);

    if (!error)
        *handle = handle_of(found.entry, found.words[0]);
    return error;
}

/* -- batches -- */

/* What a probe found, if this session has staged nothing else; otherwise what read_find says. */
static int take_probe(struct sdb_session *session, struct index_probe *probe)
{
    if (__builtin_expect(probe->state != INDEX_PROBE_FOUND || session->transaction || session_holds(session, probe->key.shard), 0))
        return read_find(session, &probe->key, &probe->found);
    stat_add(&session->stats.gets, 1);
    return found_live(session, &probe->found);
}

static inline void take_inline(struct sdb_session *session, struct index_probe *probe, struct sdb_inline *value)
{
    int error = take_probe(session, probe);

    if (__builtin_expect(error, 0)) {
        *value = (struct sdb_inline){.result = error};
        return;
    }
    access_note(session, probe->found.entry);
    read_inline(probe->found.words, value);
    if (value->result == SDB_ETOOBIG) {
        value->value.big.handle = handle_of(probe->found.entry, probe->found.words[0]);
        value->value.big.version = probe->found.words[0];
    }
}

/* Most are plain: they are counted together. */
static void take_window(struct sdb_session *session, struct index_probe *probes, size_t count, struct sdb_inline *values)
{
    bool alone = !session->transaction && session->held_count == 0 && access_of(session) == NULL;
    uint64_t plain = 0;

    for (size_t i = 0; i < count; i++) {
        struct index_probe *probe = &probes[i];

        if (__builtin_expect(!alone || probe->state != INDEX_PROBE_FOUND || (probe->found.words[0] & META_EXPIRES) ||
                                 meta_value_code(probe->found.words[0]) == CODE_BLOB, 0)) {
            take_inline(session, probe, &values[i]);
            continue;
        }
        read_inline(probe->found.words, &values[i]);
        plain++;
    }
    stat_add(&session->stats.gets, plain);
    stat_add(&session->stats.hits, plain);
}

/* Step by step the keys are found in any order. That shows only where a commit came between: then each is read again, in order. */
static void get_window(struct sdb_session *session, const struct sdb_slice *keys, size_t count, struct sdb_inline *values)
{
    struct index_probe *probes = session->ahead.probes;
    unsigned physical = session_physical(session, session->database);
    uint64_t sequences[READ_WINDOW];
    bool steady = true;

    session->ahead.count = 0;
    for (size_t i = 0; i < count; i++) {
        index_key_init(&probes[i].key, &session->pool->file, physical, keys[i].size ? keys[i].data : "", keys[i].size);
        probes[i].state = INDEX_PROBE_OPEN;
        sequences[i] = __atomic_load_n(&session->pool->shards[probes[i].key.shard].sequence, __ATOMIC_ACQUIRE);
    }
    ahead_find(session, probes, count);
    take_window(session, probes, count, values);
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    for (size_t i = 0; i < count; i++)
        steady &= !(sequences[i] & 1) &&
                  __atomic_load_n(&session->pool->shards[probes[i].key.shard].sequence, __ATOMIC_RELAXED) == sequences[i];
    for (size_t i = 0; i < count && __builtin_expect(!steady, 0); i++) {
        probes[i].state = INDEX_PROBE_ASIDE;
        take_inline(session, &probes[i], &values[i]);
    }
}

void sdb_get_many(struct sdb_session *session, const struct sdb_slice *keys, size_t count, struct sdb_inline *values)
{
    for (size_t from = 0; from < count; from += READ_WINDOW) {
        size_t n = count - from < READ_WINDOW ? count - from : READ_WINDOW;
        uint64_t sequence;

        do {
            sequence = databases_begin(session);
            get_window(session, keys + from, n, values + from);
        } while (databases_moved(session, sequence));
    }
}

/* The sequences of the keys' shards, each even; false: a commit is being applied. */
static bool read_sequences(const struct sdb_pool *pool, const struct index_key *keys, size_t count, uint64_t *sequences)
{
    for (size_t i = 0; i < count; i++) {
        sequences[i] = __atomic_load_n(&pool->shards[keys[i].shard].sequence, __ATOMIC_ACQUIRE);
        if (sequences[i] & 1)
            return false;
    }
    return true;
}

static bool sequences_same(const struct sdb_pool *pool, const struct index_key *keys, size_t count, const uint64_t *sequences)
{
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    for (size_t i = 0; i < count; i++)
        if (__atomic_load_n(&pool->shards[keys[i].shard].sequence, __ATOMIC_RELAXED) != sequences[i])
            return false;
    return true;
}

/* views: NULL where only the results are asked for. */
static void view_window(struct sdb_session *session, const struct index_key *keys, size_t count, struct sdb_view *views,
                        int *results)
{
    struct index_probe *probes = session->ahead.probes;

    session->ahead.count = 0;
    for (size_t i = 0; i < count; i++) {
        probes[i].key = keys[i];
        probes[i].state = INDEX_PROBE_OPEN;
    }
    ahead_find(session, probes, count);
    for (size_t i = 0; i < count; i++) {
        results[i] = take_probe(session, &probes[i]);
        if (results[i] == SDB_OK && views)
            results[i] = read_view(session, probes[i].found.entry, probes[i].found.words, &views[i]);
        if (results[i] == SDB_EBUSY)
            results[i] = view_key(session, &keys[i], &views[i]);
        if (results[i] == SDB_OK && views)
            access_note(session, handle_entry(views[i].handle));
    }
}

static void view_all(struct sdb_session *session, const struct index_key *keys, size_t count, struct sdb_view *views,
                     int *results)
{
    for (size_t from = 0; from < count; from += READ_WINDOW)
        view_window(session, keys + from, count - from < READ_WINDOW ? count - from : READ_WINDOW,
                    views ? views + from : NULL, results + from);
}

static void release_views(struct sdb_session *session, size_t count, struct sdb_view *views, const int *results)
{
    for (size_t i = 0; i < count && views; i++)
        if (results[i] == SDB_OK)
            sdb_view_release(session, &views[i]);
}

/*
 * Whether the session holds one of the keys' shards. What it staged there is seen by others at its commit only, so that this is the
 * moment that all of the keys must be read as of: nobody may change the others before.
 */
static bool any_held(const struct sdb_session *session, const struct index_key *keys, size_t count)
{
    bool held = false;

    for (size_t i = 0; i < count && session->held_count; i++)
        held |= session_holds(session, keys[i].shard);
    return held;
}

/* All of them with their shards locked: for when commits keep coming in between, or the session's own is still to come. */
static int view_locked(struct sdb_session *session, const struct index_key *keys, size_t count, struct sdb_view *views,
                       int *results)
{
    uint32_t *shards = malloc(count * sizeof(*shards));
    bool held = session->held_count != 0;
    int error;

    if (!shards)
        return SDB_ENOMEM;
    for (size_t i = 0; i < count; i++)
        shards[i] = keys[i].shard;
    error = session_lock_many(session, shards, count);
    free(shards);
    if (error)
        return error;
    view_all(session, keys, count, views, results);
    return held || session->group || session->transaction ? SDB_OK : session_commit(session);
}

/* All as of one moment. views: NULL where only the results are asked for. */
static int view_together(struct sdb_session *session, const struct sdb_slice *keys, size_t count, struct sdb_view *views,
                         int *results)
{
    struct index_key few[READ_WINDOW], *k = few;
    uint64_t few_sequences[READ_WINDOW], *sequences = few_sequences;
    int error = SDB_OK;

    if (count > READ_WINDOW) {
        k = malloc(count * sizeof(*k));
        sequences = malloc(count * sizeof(*sequences));
        if (!k || !sequences) {
            free(k);
            free(sequences);
            return SDB_ENOMEM;
        }
    }
    for (int attempt = 0;; attempt++) {
        uint64_t databases = databases_begin(session);
        bool locked;

        for (size_t i = 0; i < count; i++)
            read_key_init(session, keys[i].data, keys[i].size, &k[i]);
        locked = attempt >= FREE_TRIES || session->transaction || any_held(session, k, count);
        if (!locked && !read_sequences(session->pool, k, count, sequences))
            continue;
        if (locked)
            error = view_locked(session, k, count, views, results);
        else
            view_all(session, k, count, views, results);
        if (error || (!databases_moved(session, databases) &&
                      (locked || count <= 1 || sequences_same(session->pool, k, count, sequences))))
            break;
        release_views(session, count, views, results);
        stat_add(&session->stats.retries, 1);
    }
    if (k != few) {
        free(k);
        free(sequences);
    }
    return error;
}

int sdb_view_many(struct sdb_session *session, const struct sdb_slice *keys, size_t count, struct sdb_view *views,
                  int *results)
{
    return view_together(session, keys, count, views, results);
}

int sdb_exists_many(struct sdb_session *session, const struct sdb_slice *keys, size_t count, size_t *found)
{
    int few[READ_WINDOW], *results = count > READ_WINDOW ? malloc(count * sizeof(*results)) : few;
    int error = results ? view_together(session, keys, count, NULL, results) : SDB_ENOMEM;
    size_t n = 0;

    for (size_t i = 0; i < count && !error; i++) {
        if (results[i] == SDB_OK)
            n++;
        else if (results[i] != SDB_ENOTFOUND)
            error = results[i];
    }
    if (!error)
        *found = n;
    if (results != few)
        free(results);
    return error;
}
