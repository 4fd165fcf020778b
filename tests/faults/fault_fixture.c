/* SPDX-License-Identifier: BSD-3-Clause */
/* fault_fixture.c - the model, and the invariants after a failure */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "fault_fixture.h"

#include "heap_internal.h"

#define VALUE_MAX (5u << 20)

static uint8_t value_bytes[VALUE_MAX];

size_t run_key(unsigned key, char name[64])
{
    int size = snprintf(name, 64, "key:%04u", key);

    if (key % 3 == 1) /* one that stands outside of its entry */
        size = snprintf(name, 64, "key:%04u:with a name of forty bytes ....", key);
    return (size_t)size;
}

/* Bytes that are no number, and differ in length and place from those of any other seed. */
const uint8_t *run_value(uint32_t size, uint32_t seed)
{
    assert_true(size <= VALUE_MAX);
    for (uint32_t i = 0; i < size; i++)
        value_bytes[i] = (uint8_t)(0x80u | (seed * 37u + i + (i >> 7) * 3u));
    return value_bytes;
}

/* ---- the model ------------------------------------------------------------------------------------------------------- */

static struct key_state newest(const struct run *run, unsigned key)
{
    return run->states[key][run->count[key] - 1];
}

static void become(struct run *run, unsigned key, struct key_state state)
{
    if (!run->doubtful)
        run->count[key] = 0;
    assert_true(run->count[key] < STATES);
    run->states[key][run->count[key]++] = state;
}

static bool holds(struct run *run, unsigned key, struct key_state state)
{
    char name[64];
    size_t name_size = run_key(key, name);
    struct sdb_view view;
    int error = sdb_view(run->f.session, name, name_size, &view);
    bool same;

    if (error == SDB_ENOTFOUND)
        return state.size == ABSENT;
    assert_ok(error);
    same = view.size == state.size && memcmp(view.data, run_value(state.size, state.seed), state.size) == 0;
    sdb_view_release(run->f.session, &view);
    return same;
}

/* Every key holds one of the things that it may; without a doubt left, that is what it holds from now on. */
static void verify_keys(struct run *run)
{
    for (unsigned key = 0; key < KEYS; key++) {
        unsigned i = 0;

        while (i < run->count[key] && !holds(run, key, run->states[key][i]))
            i++;
        if (i == run->count[key])
            fail_msg("key %u holds none of the %u values that it may", key, run->count[key]);
        if (!run->f.pool->failed) {
            run->states[key][0] = run->states[key][i];
            run->count[key] = 1;
        }
    }
}

/* ---- what must be true ----------------------------------------------------------------------------------------------- */

static void verify_locks(struct run *run)
{
    struct sdb_pool *pool = run->f.pool;

    for (uint32_t i = 0; i < pool->shard_count; i++)
        assert_false(lock_is_held(&pool->shards[i].lock));
    for (uint32_t i = 0; i < pool->lanes.count; i++)
        assert_false(lock_is_held(&pool->lanes.lanes[i].lock));
    assert_false(lock_is_held(&pool->heap.pool_lock));
    assert_false(lock_is_held(&pool->resize_lock));
    assert_false(lock_is_held(&pool->sessions_lock));
    assert_false(lock_is_held(&pool->maintain_lock));
}

static void verify_session(const struct run *run)
{
    const struct sdb_session *session = run->f.session;

    assert_true(tx_is_empty(&session->tx));
    assert_int_equal(session->tx.line_count, 0);
    assert_false(session->tx.failed);
    assert_false(session->tx.pool_locked);
    assert_int_equal(session->held_count, 0);
    assert_int_equal(session->pins, 0);
    assert_int_equal(session->body, 0);
}

static uint64_t medium(const struct heap *heap, uint64_t offset)
{
    uint64_t value = 0, word;

    memcpy(&word, heap->file->base + offset, sizeof(word));
    assert_true(checked_value(word, offset, &value));
    return value;
}

static bool in_quarantine(const struct heap_shard *shard, uint64_t offset)
{
    for (size_t i = 0; i < shard->quarantine_count; i++) {
        const struct heap_freed *freed =
            &shard->quarantine[(shard->quarantine_head + i) & (shard->quarantine_capacity - 1)];

        if (offset - freed->offset < freed->size)
            return true;
    }
    return false;
}

static bool extent_is_known(const struct heap *heap, uint32_t index)
{
    for (uint32_t s = 0; s < heap->shard_count; s++)
        for (uint32_t i = 0; i < heap->shards[s].extent_count; i++)
            if (heap->shards[s].extents[i] == index)
                return true;
    for (size_t i = 0; i < heap->runs_count; i++)
        if (((uint64_t)index << EXTENT_SHIFT) - heap->runs[i].offset < heap->runs[i].size)
            return true;
    return false;
}

/* Of one page: what is unavailable in DRAM is in use on the medium, or waits in quarantine; what is in use there is unavailable. */
static void verify_page(const struct heap *heap, const struct heap_shard *shard, uint32_t number, const struct heap_page *page)
{
    uint64_t word = medium(heap, heap_page_word_offset(number));

    if ((page->type == PAGE_RUN || page->type == PAGE_TAIL) && !word && !in_quarantine(shard, heap_page_start(number)))
        fail_msg("page %u is lost until the pool is opened again", number);
    for (unsigned i = 0; page->used && i < page->blocks; i++) {
        bool blocks = page->type == PAGE_BLOCKS;
        uint64_t offset = heap_page_start(number) + (uint64_t)i * (blocks ? heap_class_sizes[page->size_class] : ENTRY_SIZE);
        uint64_t bits = blocks ? medium(heap, heap_bitmap_offset(number, i)) >> (i % BITMAP_BITS) : 0;
        bool in_use = blocks ? word && (bits & 1) : word && meta_type(*(const uint64_t *)(const void *)(heap->file->base + offset));

        if (in_use && !heap_bit(page, i))
            fail_msg("what lies at offset %llu is in use and counts as available", (unsigned long long)offset);
        if (!in_use && heap_bit(page, i) && !in_quarantine(shard, offset))
            fail_msg("what lies at offset %llu is lost until the pool is opened again", (unsigned long long)offset);
    }
}

static void verify_heap(struct run *run)
{
    const struct heap *heap = &run->f.pool->heap;

    for (uint32_t e = heap_extent_of(heap->file->superblock.heap_offset); e < heap->extent_count; e++) {
        uint64_t value = medium(heap, heap_map_offset(heap, e));

        if (heap->extent_taken[e] && extent_value_state(value) == EXTENT_FREE && !extent_is_known(heap, e))
            fail_msg("extent %u is lost until the pool is opened again", e);
        if (extent_value_state(value) == EXTENT_PAGES && !extent_is_known(heap, e))
            fail_msg("extent %u belongs to a shard that does not know it", e);
        if (!heap->extent_taken[e])
            assert_int_equal(extent_value_state(value), EXTENT_FREE);
    }
    for (uint32_t s = 0; s < heap->shard_count; s++) {
        const struct heap_shard *shard = &heap->shards[s];

        for (uint32_t i = 0; i < shard->extent_count; i++)
            for (unsigned p = 1; heap->extents[shard->extents[i]] && p < PAGES_PER_EXTENT; p++)
                verify_page(heap, shard, shard->extents[i] * PAGES_PER_EXTENT + p, &heap->extents[shard->extents[i]]->pages[p]);
    }
}

bool run_judge(struct run *run, int error, int also)
{
    if (error == SDB_OK || (also && error == also))
        return true;
    run->refused++;
    if (error != run->expected || faults->failed == 0)
        fail_msg("%s (%s) after %llu faults, expected: %s", sdb_strerror(error), sdb_last_error(),
                 (unsigned long long)faults->failed, sdb_strerror(run->expected));
    if (!run->doubtful) { /* the mark is on the thing at once */
        verify_session(run);
        verify_heap(run);
    }
    return false;
}

static uint64_t present_keys(const struct run *run)
{
    uint64_t present = 0;

    for (unsigned key = 0; key < KEYS; key++)
        present += newest(run, key).size != ABSENT;
    return present;
}

void run_verify(struct run *run)
{
    verify_session(run);
    verify_locks(run);
    verify_keys(run);
    verify_heap(run);
}

/* Values of every size, new, changed and deleted: the session and the pool go on. */
static void go_on(struct run *run)
{
    static const uint32_t sizes[] = {0, 8, 16, 17, 100, 5000, 40000, 2100000};

    for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]) - run->is_crowded; i++) {
        run_set(run, i, sizes[i]);
        run_set(run, KEYS - 1, sizes[i]);
    }
    run_delete(run, KEYS - 1);
}

/* A run that failed leaves nothing behind. */
static char leftover[sizeof(((struct fixture *)0)->path)];

int run_tear_down(void **state)
{
    (void)state;
    faults_disarm();
    if (leftover[0] != '\0')
        (void)unlink(leftover);
    return 0;
}

/* ---- a run ----------------------------------------------------------------------------------------------------------- */

void run_begin(struct run *run, int expected, uint64_t size, uint64_t size_max, uint32_t shards)
{
    memset(run, 0, sizeof(*run));
    faults_disarm();
    fixture_create(&run->f, size, size_max, shards);
    memcpy(leftover, run->f.path, sizeof(leftover));
    run->expected = expected;
    for (unsigned key = 0; key < KEYS; key++) {
        run->states[key][0] = (struct key_state){.size = ABSENT};
        run->count[key] = 1;
    }
}

void run_arm(struct run *run, uint64_t kinds, uint64_t skip, uint64_t count)
{
    run->kinds = kinds;
    run->skip = skip;
    run->fail = count;
    faults_arm(kinds, skip, count);
    faults_pause();
}

void run_reopen(struct run *run)
{
    fixture_reopen(&run->f);
}

void run_end(struct run *run)
{
    int done = 0;

    run_verify(run);
    go_on(run);
    run_verify(run);
    for (int i = 0; i < 64 && !done; i++)
        assert_ok(sdb_maintain(run->f.session, 1u << 20, &done));
    assert_true(done);
    /* What was flushed or has expired is gone for good by now, or will never be. */
    assert_int_equal(fixture_check(&run->f), present_keys(run));
    run_verify(run);
    fixture_reopen(&run->f);
    assert_false(run->f.pool->recovered);
    run_verify(run);
    assert_int_equal(fixture_count(&run->f), present_keys(run));
    fixture_destroy(&run->f);
    leftover[0] = '\0';
}

/* ---- calls ----------------------------------------------------------------------------------------------------------- */

void run_set(struct run *run, unsigned key, uint32_t size)
{
    struct key_state state = {.size = size, .seed = ++run->seed};
    const uint8_t *value = run_value(size, state.seed);
    char name[64];
    size_t name_size = run_key(key, name);

    if (run_judge(run, FAULTY(sdb_set(run->f.session, name, name_size, value, size, NULL)), 0))
        become(run, key, state);
}

void run_delete(struct run *run, unsigned key)
{
    char name[64];
    size_t name_size = run_key(key, name);
    int error = FAULTY(sdb_delete(run->f.session, name, name_size));

    if (run_judge(run, error, SDB_ENOTFOUND))
        become(run, key, (struct key_state){.size = ABSENT});
}

void run_set_many(struct run *run, unsigned first, unsigned count, uint32_t size)
{
    struct key_state state = {.size = size, .seed = ++run->seed};
    const uint8_t *value = run_value(size, state.seed);
    static char names[KEYS][64];
    struct sdb_pair pairs[KEYS];

    for (unsigned i = 0; i < count; i++)
        pairs[i] = (struct sdb_pair){{names[i], run_key(first + i, names[i])}, {value, size}};
    if (run_judge(run, FAULTY(sdb_set_many(run->f.session, pairs, count, 0)), 0))
        for (unsigned i = 0; i < count; i++)
            become(run, first + i, state);
}

static void name_keys(struct sdb_slice *keys, unsigned first, unsigned count)
{
    static char names[KEYS][64];

    for (unsigned i = 0; i < count; i++)
        keys[i] = (struct sdb_slice){names[i], run_key(first + i, names[i])};
}

void run_delete_many(struct run *run, unsigned first, unsigned count)
{
    struct sdb_slice keys[KEYS];
    size_t deleted = 0;

    name_keys(keys, first, count);
    if (run_judge(run, FAULTY(sdb_delete_many(run->f.session, keys, count, &deleted)), 0))
        for (unsigned i = 0; i < count; i++)
            become(run, first + i, (struct key_state){.size = ABSENT});
}

void run_rename(struct run *run, unsigned key, unsigned new_key)
{
    char name[64], new_name[64];
    size_t size = run_key(key, name), new_size = run_key(new_key, new_name);
    int error = FAULTY(sdb_rename(run->f.session, name, size, new_name, new_size, 1));

    if (error == SDB_ENOTFOUND || !run_judge(run, error, 0))
        return;
    become(run, new_key, newest(run, key));
    become(run, key, (struct key_state){.size = ABSENT});
}

void run_copy(struct run *run, unsigned key, unsigned new_key)
{
    char name[64], new_name[64];
    size_t size = run_key(key, name), new_size = run_key(new_key, new_name);
    int error = FAULTY(sdb_copy(run->f.session, name, size, 0, new_name, new_size, 1));

    if (error != SDB_ENOTFOUND && run_judge(run, error, 0))
        become(run, new_key, newest(run, key));
}

/* Appends what the key's value would hold there, were it so long. */
void run_append(struct run *run, unsigned key, uint32_t more)
{
    struct key_state state = newest(run, key);
    uint32_t size = state.size == ABSENT ? 0 : state.size;
    char name[64];
    size_t name_size = run_key(key, name), whole = 0;
    int error;

    if (state.size == ABSENT)
        state.seed = ++run->seed;
    state.size = size + more;
    error = FAULTY(sdb_append(run->f.session, name, name_size, run_value(state.size, state.seed) + size, more, &whole));
    if (run_judge(run, error, 0))
        become(run, key, state);
}

/* Far away: the entry changes, the key stays. */
void run_expire(struct run *run, unsigned key)
{
    char name[64];
    size_t name_size = run_key(key, name);

    (void)run_judge(run, FAULTY(sdb_expire(run->f.session, name, name_size, INT64_C(4000000000000) + run->seed)), SDB_ENOTFOUND);
}

/* Of the doubts that a group or transaction leaves: the last state is the only one, or, where nothing took effect, the first. */
static void settle(struct run *run, bool took_effect, bool nothing)
{
    run->doubtful = false;
    for (unsigned key = 0; key < KEYS; key++) {
        if (took_effect)
            run->states[key][0] = newest(run, key);
        if (took_effect || nothing)
            run->count[key] = 1;
    }
}

void run_group_begin(struct run *run)
{
    assert_ok(sdb_group_begin(run->f.session));
    run->doubtful = true;
}

/* A group that fails may have been made durable in part. */
void run_group_end(struct run *run)
{
    bool ended = run_judge(run, FAULTY(sdb_group_end(run->f.session)), 0);

    settle(run, ended, false);
    verify_keys(run);
}

void run_begin_transaction(struct run *run, unsigned first, unsigned count)
{
    struct sdb_slice keys[KEYS];

    name_keys(keys, first, count);
    run->in_transaction = run_judge(run, FAULTY(sdb_begin(run->f.session, keys, count)), 0);
    run->doubtful = run->in_transaction;
}

void run_commit(struct run *run)
{
    bool committed;

    if (!run->in_transaction)
        return;
    committed = run_judge(run, FAULTY(sdb_commit(run->f.session)), 0);
    settle(run, committed, true);
    run->in_transaction = false;
    verify_keys(run);
}

void run_abort(struct run *run)
{
    if (!run->in_transaction)
        return;
    faults_resume();
    sdb_abort(run->f.session);
    faults_pause();
    settle(run, false, true);
    run->in_transaction = false;
    verify_keys(run);
}

void run_flush(struct run *run, bool all)
{
    int error = FAULTY(all ? sdb_flush_all(run->f.session) : sdb_flush(run->f.session));

    if (!run_judge(run, error, 0))
        return;
    for (unsigned key = 0; key < KEYS; key++)
        become(run, key, (struct key_state){.size = ABSENT});
}
