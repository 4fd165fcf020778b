/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * session.c - locks, groups, transactions, and the commit
 * Media:   none directly: the commit is lane.c's
 * Commit:  session_commit: (1) foreign live records of the shards concerned are retired; (2) the record, one fence: durable; (3) the
 *          shards' sequences go odd, the words are stored in place, the cache is brought up to date, the sequences go even; (4) locks
 *          are released. Readers see only what (2) made durable (D3).
 * Holds:   pool.h: lock rank
 * Threads: a session's functions by its thread; sessions_oldest_pin by anyone
 * Memory:  the session and its transaction
 */
#include "session.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "entry.h"
#include "error.h"
#include "root.h"
#include "tree.h"
#include "word.h"

#define PATIENCE_NS 5000000u /* between two questions to who may give up */
#define HIDE_AHEAD 8u /* lines of the cache that are fetched ahead of the one that is locked */
#define GROUP_BYTES_MAX (4ull << 20) /* of fresh blobs, after which a group commits by itself */

/* -- opening and closing -- */

int sdb_session_open(struct sdb_pool *pool, struct sdb_session **out)
{
    struct sdb_session *session;
    int error;

    if (!pool || !out)
        return SDB_EINVAL;
    session = calloc(1, sizeof(*session));
    if (!session)
        return SDB_ENOMEM;
    session->pool = pool;
    session->held = malloc(pool->shard_count * sizeof(*session->held));
    error = session->held ? tx_init(&session->tx, &pool->file) : SDB_ENOMEM;
    if (error) {
        free(session->held);
        free(session);
        return error;
    }
    lock_acquire(&pool->sessions_lock);
    session->lane = pool->session_number++ % pool->lanes.count;
    session->next = pool->sessions;
    pool->sessions = session;
    lock_release(&pool->sessions_lock);
    *out = session;
    return SDB_OK;
}

void sdb_session_close(struct sdb_session *session)
{
    struct sdb_pool *pool;

    if (!session)
        return;
    pool = session->pool;
    while (session->transaction)
        sdb_abort(session);
    session->group = false;
    (void)session_commit(session);
    lock_acquire(&pool->sessions_lock);
    for (struct sdb_session **link = &pool->sessions; *link; link = &(*link)->next) {
        if (*link == session) {
            *link = session->next;
            break;
        }
    }
    for (size_t i = 0; i < sizeof(session->stats) / sizeof(uint64_t); i++)
        ((uint64_t *)&pool->closed)[i] += ((const uint64_t *)&session->stats)[i];
    pool->closed_thread.fences += session->tx.thread.fences;
    pool->closed_thread.lines += session->tx.thread.lines;
    pool->closed_thread.msyncs += session->tx.thread.msyncs;
    lock_release(&pool->sessions_lock);
    tx_free(&session->tx);
    free(session->evict.pages);
    free(session->held);
    free(session);
}

int sdb_select(struct sdb_session *session, uint32_t database)
{
    if (database >= SDB_DATABASES && database != SDB_DATABASE_SYSTEM)
        return SDB_EINVAL;
    session->database = database;
    return SDB_OK;
}

void sdb_session_set_time(struct sdb_session *session, int64_t now_ms)
{
    session->time_ms = now_ms;
}

unsigned session_physical(const struct sdb_session *session, unsigned database)
{
    if (session->tx.pool_locked && database < SDB_DATABASES) { /* the transaction may have changed it */
        uint64_t offset = session->pool->file.superblock.root_offset + database * WORD_SIZE, value;

        if (root_word_value(&session->pool->file, tx_load(&session->tx, offset), offset, &value) && value <= DATABASE_IDS)
            return value ? (unsigned)value - 1 : database;
    }
    return __atomic_load_n(&session->pool->physical[database], __ATOMIC_ACQUIRE);
}

/* -- pins -- */

void session_pin(struct sdb_session *session)
{
    if (session->pins++ == 0) {
        uint64_t epoch = __atomic_load_n(&session->pool->heap.epoch, __ATOMIC_SEQ_CST);

        __atomic_store_n(&session->pin, epoch, __ATOMIC_SEQ_CST);
        /* The pin is visible before what follows reads an entry; pairs with the sequence in heap_quarantine.c. */
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
    }
}

void session_unpin(struct sdb_session *session)
{
    if (--session->pins == 0)
        __atomic_store_n(&session->pin, 0, __ATOMIC_RELEASE);
}

uint64_t sessions_oldest_pin(void *context)
{
    struct sdb_pool *pool = context;
    uint64_t oldest = UINT64_MAX;

    lock_acquire(&pool->sessions_lock);
    for (const struct sdb_session *s = pool->sessions; s; s = s->next) {
        uint64_t pin = __atomic_load_n(&s->pin, __ATOMIC_SEQ_CST);

        if (pin && pin < oldest)
            oldest = pin;
    }
    lock_release(&pool->sessions_lock);
    return oldest;
}

/* -- locks -- */

static void note_held(struct sdb_session *session, uint32_t shard)
{
    if (session->held_count == 0 || shard > session->held_max)
        session->held_max = shard;
    session->held[session->held_count++] = shard;
    session->held_bits[shard / 64] |= 1ull << (shard % 64);
}

static inline void release_all(struct sdb_session *session)
{
    for (uint32_t i = 0; i < session->held_count; i++) {
        uint32_t shard = session->held[i];

        session->held_bits[shard / 64] &= ~(1ull << (shard % 64));
        lock_release(&session->pool->shards[shard].lock);
    }
    session->held_count = 0;
    if (session->tx.pool_locked) {
        session->tx.pool_locked = false;
        lock_release(&session->pool->heap.pool_lock);
    }
}

void sdb_session_set_patience(struct sdb_session *session, sdb_give_up *give_up, void *context)
{
    session->give_up = give_up;
    session->give_up_context = context;
}

/* Errors: SDB_EBUSY, the session's patience has ended. */
static int wait_for(struct sdb_session *session, struct lock *lock)
{
    if (!session->give_up) {
        lock_acquire(lock);
        return SDB_OK;
    }
    while (!lock_acquire_within(lock, PATIENCE_NS))
        if (session->give_up(session->give_up_context))
            return SDB_EBUSY;
    return SDB_OK;
}

int session_lock(struct sdb_session *session, uint32_t shard)
{
    struct lock *lock = &session->pool->shards[shard].lock;

    if (session_holds(session, shard))
        return SDB_OK;
    if (__builtin_expect(!lock_try(lock), 0)) {
        stat_add(&session->stats.conflicts, 1);
        if (session->tx.pool_locked || (session->held_count && shard < session->held_max)) {
            int error;

            if (session->transaction) {
                session->conflict = true;
                return SDB_ECONFLICT;
            }
            error = session_commit(session);
            if (error)
                return error;
        }
        if (wait_for(session, lock))
            return SDB_EBUSY;
    }
    note_held(session, shard);
    return SDB_OK;
}

bool session_lock_at_once(struct sdb_session *session, uint32_t shard)
{
    if (session_holds(session, shard))
        return true;
    if (!lock_try(&session->pool->shards[shard].lock))
        return false;
    note_held(session, shard);
    return true;
}

void session_unlock(struct sdb_session *session, uint32_t shard)
{
    uint32_t max = 0;

    if (!session_holds(session, shard))
        return;
    for (uint32_t i = 0; i < session->held_count; i++) {
        if (session->held[i] == shard)
            session->held[i--] = session->held[--session->held_count];
        else if (session->held[i] > max)
            max = session->held[i];
    }
    session->held_max = max;
    session->held_bits[shard / 64] &= ~(1ull << (shard % 64));
    lock_release(&session->pool->shards[shard].lock);
}

static int compare_shards(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return x < y ? -1 : x > y;
}

int session_lock_many(struct sdb_session *session, uint32_t *shards, size_t count)
{
    bool all = true;

    qsort(shards, count, sizeof(*shards), compare_shards);
    for (size_t i = 0; i < count && all; i++) {
        if (session_holds(session, shards[i]))
            continue;
        all = lock_try(&session->pool->shards[shards[i]].lock);
        if (all)
            note_held(session, shards[i]);
    }
    if (all)
        return SDB_OK;
    stat_add(&session->stats.conflicts, 1);
    if (session->transaction) {
        for (size_t i = 0; i < count; i++) {
            int error = session_lock(session, shards[i]);

            if (error)
                return error;
        }
        return SDB_OK;
    }
    if (session->held_count || session->tx.pool_locked) {
        int error = session_commit(session);

        if (error)
            return error;
    }
    for (size_t i = 0; i < count; i++) {
        if (session_holds(session, shards[i]))
            continue;
        if (wait_for(session, &session->pool->shards[shards[i]].lock))
            return SDB_EBUSY;
        note_held(session, shards[i]);
    }
    return SDB_OK;
}

int session_lock_tree(struct sdb_session *session, uint64_t header)
{
    struct heap *heap = &session->pool->heap;
    struct lock *lock;
    uint32_t shard;

    if (!tree_shard(heap, &session->tx, header, &shard)) {
        error_set("%s: a key leads to offset %" PRIu64 ", where no collection can be", session->pool->file.path, header);
        return SDB_ECORRUPT;
    }
    if (session_holds(session, shard))
        return SDB_OK;
    __atomic_store_n(&session->pool->trees_elsewhere, true, __ATOMIC_RELAXED);
    lock = &session->pool->shards[shard].lock;
    if (!lock_try(lock)) {
        stat_add(&session->stats.conflicts, 1);
        if (session->tx.pool_locked || (session->held_count && shard < session->held_max)) {
            session->conflict |= session->transaction;
            session->wanted = shard;
            return SDB_ECONFLICT;
        }
        if (wait_for(session, lock))
            return SDB_EBUSY;
    }
    note_held(session, shard);
    return SDB_OK;
}

int session_lock_wanted(struct sdb_session *session, uint32_t shard)
{
    uint32_t shards[2] = {shard, session->wanted};
    int error = session_commit(session);

    return error ? error : session_lock_many(session, shards, 2);
}

int session_lock_all(struct sdb_session *session)
{
    uint32_t count = session->pool->shard_count;
    uint32_t *shards = malloc(count * sizeof(*shards));
    int error;

    if (!shards)
        return SDB_ENOMEM;
    for (uint32_t i = 0; i < count; i++)
        shards[i] = i;
    error = session_lock_many(session, shards, count);
    free(shards);
    return error;
}

bool session_try_again(struct sdb_session *session, int error, int *attempt)
{
    if ((error == SDB_ECONFLICT || error == SDB_ENOSPC) && !session->transaction)
        observe_undone(session);
    if (error == SDB_ECONFLICT && !session->transaction)
        return session_lock_all(session) == SDB_OK;
    return error == SDB_ENOSPC && session_make_room(session, attempt);
}

/* -- the commit -- */

/* Whether recovery might apply another lane's record to what this session is about to change (lane.h, 3); that lane. */
static inline bool foreign_live(const struct sdb_session *session, uint32_t *lane)
{
    const struct sdb_pool *pool = session->pool;

    for (uint32_t i = 0; i < session->held_count + session->tx.pool_locked; i++) {
        const struct shard *shard = i < session->held_count ? &pool->shards[session->held[i]] : NULL;
        uint64_t sequence = shard ? shard->last_sequence : pool->last_sequence;

        *lane = shard ? shard->last_lane : pool->last_lane;
        if (*lane != session->lane && sequence && lane_is_live(&pool->lanes.lanes[*lane], sequence))
            return true;
    }
    return false;
}

/* Takes a lane to commit in; others' live records are retired first, with no lane in hand. */
static inline int take_lane(struct sdb_session *session, struct lane **out)
{
    struct lanes *lanes = &session->pool->lanes;
    struct lane *lane = lanes_take(lanes, session->lane);
    uint32_t other;

    session->lane = lane->index;
    while (__builtin_expect(foreign_live(session, &other), 0)) {
        int error;

        lane_give(lane);
        error = lanes_retire(lanes, other);
        if (error)
            return error;
        lock_acquire(&lane->lock);
    }
    *out = lane;
    return SDB_OK;
}

/* Whether the transaction gives a database another number. */
static bool moves_databases(const struct sdb_session *session)
{
    for (unsigned i = 0; session->tx.pool_locked && i < SDB_DATABASES; i++)
        if (session_physical(session, i) != session->pool->physical[i])
            return true;
    return false;
}

/* The sequences become odd before anything changes in place. */
static inline void sequences_begin(struct sdb_session *session, bool databases)
{
    for (uint32_t i = 0; i < session->held_count; i++) {
        uint64_t *sequence = &session->pool->shards[session->held[i]].sequence;

        __atomic_store_n(sequence, *sequence + 1, __ATOMIC_RELAXED);
    }
    if (databases)
        __atomic_store_n(&session->pool->databases_sequence, session->pool->databases_sequence + 1, __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_RELEASE);
}

/* And even again after everything has. */
static inline void sequences_end(struct sdb_session *session, bool databases)
{
    for (uint32_t i = 0; i < session->held_count; i++) {
        uint64_t *sequence = &session->pool->shards[session->held[i]].sequence;

        __atomic_store_n(sequence, *sequence + 1, __ATOMIC_RELEASE);
    }
    if (databases)
        __atomic_store_n(&session->pool->databases_sequence, session->pool->databases_sequence + 1, __ATOMIC_RELEASE);
}

static void publish_databases(struct sdb_pool *pool)
{
    for (unsigned i = 0; i < SDB_DATABASES; i++) {
        uint64_t offset = pool->file.superblock.root_offset + i * WORD_SIZE, value;

        if (root_word_value(&pool->file, persist_load((const uint64_t *)(const void *)(pool->file.base + offset)), offset, &value))
            __atomic_store_n(&pool->physical[i], (uint8_t)(value ? value - 1 : i), __ATOMIC_RELEASE);
    }
    for (unsigned id = 0; id < DATABASE_IDS; id++) {
        uint64_t offset = pool->file.superblock.root_offset + (SDB_DATABASES + id / 32) * WORD_SIZE;
        uint64_t bits = persist_load((const uint64_t *)(const void *)(pool->file.base + offset));
        uint64_t *round = &pool->id_dead_round[id];

        if (!(bits >> (id % 32) & 1))
            __atomic_store_n(round, 0, __ATOMIC_RELEASE);
        else if (*round == 0)
            __atomic_store_n(round, __atomic_load_n(&pool->maintain_round, __ATOMIC_RELAXED) + 1, __ATOMIC_RELEASE);
    }
}

/* Copies are hidden before the entries change, so that nobody reads an old one after somebody read the new entry. */
static void hide_copies(struct sdb_pool *pool, struct tx *tx)
{
    const size_t count = tx->touches.count;

    for (size_t i = 1; i < count && i < HIDE_AHEAD; i++)
        cache_prefetch(pool->cache, tx->touches.items[i].hash);
    for (size_t i = 0; i < count; i++) {
        if (i + HIDE_AHEAD < count)
            cache_prefetch(pool->cache, tx->touches.items[i + HIDE_AHEAD].hash);
        tx->touches.items[i].copy = cache_hide(pool->cache, tx->touches.items[i].hash, tx->touches.items[i].entry);
    }
}

/* And shown again as the entries are now. */
static void show_copies(struct sdb_pool *pool, const struct tx *tx)
{
    for (size_t i = 0; i < tx->touches.count; i++) {
        const struct tx_touch *touch = &tx->touches.items[i];
        const uint64_t *words = (const uint64_t *)(const void *)(pool->file.base + touch->entry);

        if (touch->copy && meta_type(words[0]))
            cache_show(touch->copy, words);
        else if (touch->copy)
            cache_remove(pool->cache, touch->hash, touch->entry);
    }
}

/* Step 3: in place, for everybody to see. */
static void apply(struct sdb_session *session, struct lane *lane)
{
    struct sdb_pool *pool = session->pool;
    struct tx *tx = &session->tx;
    bool databases = moves_databases(session);

    sequences_begin(session, databases);
    if (pool->cache)
        hide_copies(pool, tx);
    lane_apply(&pool->lanes, lane, tx);
    if (pool->cache)
        show_copies(pool, tx);
    for (size_t i = 0; i < tx->counts.count; i++)
        pool_count(pool, tx->counts.items[i].shard, tx->counts.items[i].database, tx->counts.items[i].keys,
                   tx->counts.items[i].expiring);
    if (tx->pool_locked)
        publish_databases(pool);
    sequences_end(session, databases);
}

/* Memory for the record's body, where the record does not fit the ring. */
static int reserve_body(struct sdb_session *session)
{
    struct tx *tx = &session->tx;

    return heap_reserve_body(&session->pool->heap, tx, session->held[0], lane_record_words(tx) * WORD_SIZE, &session->body);
}

int session_commit_entry(struct sdb_session *session, const struct index_key *key, uint64_t entry, const uint64_t words[4], unsigned dirty)
{
    struct sdb_pool *pool = session->pool;
    struct shard *shard = &pool->shards[key->shard];
    struct cache_line *copy = NULL;
    struct lane *lane;
    int error = take_lane(session, &lane);

    if (!error) {
        error = lane_persist_entry(&pool->lanes, lane, entry, words, dirty);
        if (error)
            lane_give(lane);
    }
    if (error) {
        if (error != SDB_ENOMEM) /* then nothing has reached the medium */
            pool_fail(pool);
        release_all(session);
        return error;
    }
    sequences_begin(session, false);
    if (pool->cache)
        copy = cache_hide(pool->cache, key->hash, entry);
    lane_apply_entry(&pool->lanes, lane, entry, words, dirty);
    if (copy)
        cache_show(copy, words);
    sequences_end(session, false);
    shard->last_lane = lane->index;
    shard->last_sequence = lane->sequence;
    lane_give(lane);
    release_all(session);
    return SDB_OK;
}

static int commit(struct sdb_session *session)
{
    struct sdb_pool *pool = session->pool;
    struct tx *tx = &session->tx;
    uint64_t body = session->body;
    struct lane *lane;
    int error = pool_writable(pool);

    session->body = 0;
    if (!error && tx->failed)
        error = SDB_ENOMEM;
    if (error)
        return error;
    error = take_lane(session, &lane);
    if (error) {
        pool_fail(pool);
        return error;
    }
    error = lane_persist(&pool->lanes, lane, tx, body);
    if (error) {
        lane_give(lane);
        if (error != SDB_ENOMEM) /* then nothing has reached the medium */
            pool_fail(pool);
        return error;
    }
    apply(session, lane);
    for (uint32_t i = 0; i < session->held_count; i++) {
        pool->shards[session->held[i]].last_lane = lane->index;
        pool->shards[session->held[i]].last_sequence = lane->sequence;
    }
    if (tx->pool_locked) {
        pool->last_lane = lane->index;
        pool->last_sequence = lane->sequence;
    }
    heap_committed(&pool->heap, tx, lane->index, lane->sequence);
    lane_give(lane);
    return SDB_OK;
}

int session_commit(struct sdb_session *session)
{
    struct tx *tx = &session->tx;
    int error = SDB_OK;

    if (!tx_is_empty(tx)) {
        error = commit(session);
        if (error) {
            const struct tx_mark beginning = {0};

            /* Words that went to fresh memory directly, too: a later transaction must not take them for its own. */
            heap_rollback(&session->pool->heap, tx, 0);
            tx_rollback(tx, &beginning);
            if (session->group && !session->group_error) /* sdb_group_end must not say that all is well */
                session->group_error = error;
        }
    }
    tx_reset(tx);
    release_all(session);
    return error;
}

void session_rollback(struct sdb_session *session, const struct tx_mark *mark)
{
    heap_rollback(&session->pool->heap, &session->tx, mark->blocks);
    tx_rollback(&session->tx, mark);
}

/* -- groups and transactions -- */

int sdb_group_begin(struct sdb_session *session)
{
    if (session->group || session->transaction)
        return SDB_EINVAL;
    session->group = true;
    session->group_error = SDB_OK;
    return SDB_OK;
}

int sdb_group_end(struct sdb_session *session)
{
    if (!session->group || session->transaction)
        return SDB_EINVAL;
    (void)session_commit(session);
    session->group = false;
    return session->group_error;
}

/* Opens a transaction, perhaps inside another one. */
static int begin(struct sdb_session *session)
{
    if (session->depth == 0)
        session->conflict = false;
    session->transaction = true;
    session->marks[session->depth++] = tx_savepoint(&session->tx);
    return SDB_OK;
}

/*
 * The shards of the keys' trees that are in other shards, behind what stands in the list: keys that were renamed. Under the keys' locks.
 * Returns how many stand there now.
 */
static size_t add_tree_shards(struct sdb_session *session, unsigned physical, const struct sdb_slice *keys, size_t count, uint32_t *shards)
{
    struct heap *heap = &session->pool->heap;
    size_t n = count;

    for (size_t i = 0; i < count; i++) {
        struct index_found found;
        struct index_key key;

        index_key_init(&key, &session->pool->file, physical, keys[i].size ? keys[i].data : "", keys[i].size);
        if (index_find_staged(heap, &session->tx, &key, &found) == INDEX_FOUND && meta_value_code(found.words[0]) == CODE_TREE &&
            tree_shard(heap, &session->tx, entry_tree(found.words), &shards[n]) && !session_holds(session, shards[n]))
            n++;
    }
    return n;
}

/* shards: room for two to a key. */
static int lock_named(struct sdb_session *session, const struct sdb_slice *keys, size_t count, uint32_t *shards)
{
    unsigned physical;
    size_t trees = 0;
    int error;

    do {
        const size_t n = count + trees;

        physical = session_physical(session, session->database);
        for (size_t i = 0; i < count; i++) {
            struct index_key key;

            index_key_init(&key, &session->pool->file, physical, keys[i].size ? keys[i].data : "", keys[i].size);
            shards[i] = key.shard;
        }
        error = session_lock_many(session, shards, n);
        trees = 0;
        if (!error && __atomic_load_n(&session->pool->trees_elsewhere, __ATOMIC_RELAXED))
            trees = add_tree_shards(session, physical, keys, count, shards) - count;
        /* Databases change places under all shards' locks: what was read before these locks may be out of date. */
    } while (!error && (trees || physical != session_physical(session, session->database)));
    return error;
}

int sdb_begin(struct sdb_session *session, const struct sdb_slice *keys, size_t count)
{
    uint32_t few[32], *shards = few;
    int error;

    if (session->depth == SDB_TRANSACTION_DEPTH)
        return SDB_EINVAL;
    if (count > 16 && !(shards = malloc(2 * count * sizeof(*shards))))
        return SDB_ENOMEM;
    error = count ? lock_named(session, keys, count, shards) : SDB_OK;
    if (shards != few)
        free(shards);
    return error ? error : begin(session);
}

int sdb_begin_all(struct sdb_session *session)
{
    int error;

    if (session->depth == SDB_TRANSACTION_DEPTH)
        return SDB_EINVAL;
    error = session_lock_all(session);
    return error ? error : begin(session);
}

#define RECORD_LINE_WORDS 9u /* that a staged line takes of the record, at most */

/* Words that the record takes, at most. */
static size_t record_bound(const struct tx *tx)
{
    return tx->line_count * RECORD_LINE_WORDS + tx->ranges.count * 2 + 2;
}

size_t session_group_lines(const struct sdb_session *session)
{
    const struct tx *tx = &session->tx;
    size_t room = lane_record_words_max(&session->pool->lanes) / 2, others = tx->ranges.count * 2 + 2;

    return room > others ? (room - others) / RECORD_LINE_WORDS : 0;
}

/*
 * Ends an operation that staged what stands behind mark: commits, or leaves that to the group. A group is committed while its record
 * still fits a lane's ring, so that only the operation that makes a record too large for it can fail for want of memory for
 * the record's body, and never the operations before it.
 */
static int end_staged(struct sdb_session *session, const struct tx_mark *mark)
{
    const struct tx *tx = &session->tx;
    size_t words_max = lane_record_words_max(&session->pool->lanes);
    size_t bound = record_bound(tx);
    int error = SDB_OK, ended;

    if (tx->touches.count > mark->touches + 1)
        session->tx.together = true;
    if (session->group && bound <= words_max / 2 && tx->range_bytes < GROUP_BYTES_MAX)
        return SDB_OK;
    if (bound > words_max && lane_record_words(tx) > words_max) {
        error = reserve_body(session);
        if (error)
            session_rollback(session, mark);
    }
    ended = session_commit(session);
    return error ? error : ended;
}

/* The innermost transaction is over. */
static const struct tx_mark *leave(struct sdb_session *session)
{
    const struct tx_mark *mark = &session->marks[--session->depth];

    session->transaction = session->depth != 0;
    return mark;
}

int sdb_commit(struct sdb_session *session)
{
    if (!session->transaction)
        return SDB_EINVAL;
    if (session->tx.failed || session->conflict) {
        const int error = session->conflict ? SDB_ECONFLICT : SDB_ENOMEM;

        sdb_abort(session);
        return error;
    }
    const struct tx_mark *mark = leave(session);
    const int error = session->transaction ? SDB_OK : end_staged(session, mark);
    session_settle(session);
    return error;
}

void sdb_abort(struct sdb_session *session)
{
    if (!session->transaction)
        return;
    session_rollback(session, leave(session));
    if (!session->transaction && (session->conflict || !session->group)) {
        session->conflict = false;
        (void)session_commit(session);
    }
}

int operation_end(struct sdb_session *session, const struct tx_mark *mark, int error)
{
    int ended;

    if (session->tx.failed) /* a mere miss, too, may have staged the end of an expired key */
        error = SDB_ENOMEM;
    if (error && error != SDB_ENOTFOUND && error != SDB_ECONDITION)
        session_rollback(session, mark);
    if (session->transaction)
        return error;
    ended = end_staged(session, mark);
    return ended ? ended : error;
}
