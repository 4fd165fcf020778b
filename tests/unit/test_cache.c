/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_cache.c - admission, write-through, replacement, and that nobody ever gets a copy older than the last commit
 *
 * ctest-labels: threads
 */
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cache.h"
#include "hash.h"
#include "superdb/superdb.h"

#define SMALL_SIZE CACHE_SIZE_MIN
#define SMALL_LINES (SMALL_SIZE / 64)

static struct cache *cache;

static int set_up(void **state)
{
    (void)state;
    return cache_create(SMALL_SIZE, &cache);
}

static int tear_down(void **state)
{
    (void)state;
    const bool good = cache_check(cache, NULL);
    cache_destroy(cache);
    return good ? 0 : -1;
}

static uint64_t hash_of(uint64_t number)
{
    return hash_key(7, &number, sizeof(number));
}

static uint64_t offset_of(uint64_t number)
{
    return (number + 1) * 32;
}

static void make_entry(uint64_t number, uint64_t value, uint64_t entry[CACHE_ENTRY_WORDS])
{
    entry[0] = number;
    entry[1] = value;
    entry[2] = ~value;
    entry[3] = number ^ value;
}

static uint64_t value_of(uint64_t number, const uint64_t entry[CACHE_ENTRY_WORDS])
{
    assert_true(entry[0] == number && entry[2] == ~entry[1] && entry[3] == (number ^ entry[1]));
    return entry[1];
}

static bool offer(uint64_t number, uint64_t value)
{
    uint64_t entry[CACHE_ENTRY_WORDS];

    make_entry(number, value, entry);
    return cache_fill(cache, hash_of(number), offset_of(number), entry, cache_read_begin(cache, hash_of(number)));
}

static bool look_up(uint64_t number, uint64_t *value)
{
    uint64_t entry[CACHE_ENTRY_WORDS], offset = 0;

    if (!cache_lookup(cache, hash_of(number), entry, &offset))
        return false;
    assert_int_equal(offset, offset_of(number));
    *value = value_of(number, entry);
    return true;
}

static void show(struct cache_line *hidden, uint64_t number, uint64_t value)
{
    uint64_t entry[CACHE_ENTRY_WORDS];

    make_entry(number, value, entry);
    cache_show(hidden, entry);
}

static void commit(uint64_t number, uint64_t value)
{
    struct cache_line *hidden = cache_hide(cache, hash_of(number), offset_of(number));

    if (hidden)
        show(hidden, number, value);
}

static void a_key_is_let_in_on_its_second_miss(void **state)
{
    uint64_t value = 0;

    (void)state;
    assert_false(look_up(1, &value));
    assert_false(offer(1, 10));
    assert_false(look_up(1, &value));
    assert_true(offer(1, 10));
    assert_true(look_up(1, &value));
    assert_int_equal(value, 10);
    assert_false(offer(1, 10)); /* no second copy */
}

static void a_commit_writes_through(void **state)
{
    uint64_t value = 0;

    (void)state;
    (void)offer(1, 10);
    assert_true(offer(1, 10));
    commit(1, 11);
    assert_true(look_up(1, &value));
    assert_int_equal(value, 11);
}

static void a_commit_of_a_key_that_is_not_cached_caches_nothing(void **state)
{
    uint64_t value = 0;
    size_t copies = 1;

    (void)state;
    commit(1, 11);
    commit(1, 12);
    assert_false(look_up(1, &value));
    assert_true(cache_check(cache, &copies));
    assert_int_equal(copies, 0);
}

static void a_removed_key_is_missed(void **state)
{
    uint64_t value = 0;
    size_t copies = 1;

    (void)state;
    (void)offer(1, 10);
    assert_true(offer(1, 10));
    cache_remove(cache, hash_of(1), offset_of(1));
    assert_false(look_up(1, &value));
    assert_true(cache_check(cache, &copies));
    assert_int_equal(copies, 0);
    cache_remove(cache, hash_of(1), offset_of(1));
}

static void a_hidden_copy_is_missed_until_the_commit_shows_it(void **state)
{
    uint64_t value = 0;
    size_t copies = 0;

    (void)state;
    (void)offer(1, 10);
    assert_true(offer(1, 10));
    struct cache_line *hidden = cache_hide(cache, hash_of(1), offset_of(1));
    assert_non_null(hidden);
    assert_false(look_up(1, &value));
    assert_false(offer(1, 10)); /* no second copy beside it */
    assert_null(cache_hide(cache, hash_of(1), offset_of(1))); /* it has its owner */
    show(hidden, 1, 11);
    assert_true(look_up(1, &value));
    assert_int_equal(value, 11);
    assert_non_null(cache_hide(cache, hash_of(1), offset_of(1)));
    cache_remove(cache, hash_of(1), offset_of(1));
    assert_true(cache_check(cache, &copies));
    assert_int_equal(copies, 0);
}

/* Who hid it will write to its line. */
static void a_hidden_copy_is_not_driven_out(void **state)
{
    struct cache_line *hidden[32];
    uint64_t value = 0;

    (void)state;
    for (uint64_t number = 0; number < 32; number++) {
        (void)offer(number, 10);
        assert_true(offer(number, 10));
        hidden[number] = cache_hide(cache, hash_of(number), offset_of(number));
        assert_non_null(hidden[number]);
    }
    for (int round = 0; round < 40; round++)
        for (uint64_t number = 100; number < 100 + 2 * SMALL_LINES; number++)
            if (!look_up(number, &value))
                (void)offer(number, number);
    for (uint64_t number = 0; number < 32; number++) {
        show(hidden[number], number, 11);
        assert_true(look_up(number, &value));
        assert_int_equal(value, 11);
    }
}

static void a_copy_read_before_hiding_is_refused(void **state)
{
    uint64_t value = 0, entry[CACHE_ENTRY_WORDS];

    (void)state;
    make_entry(1, 10, entry);
    (void)offer(1, 10); /* the first miss */
    const uint64_t token = cache_read_begin(cache, hash_of(1));
    assert_null(cache_hide(cache, hash_of(1), offset_of(1)));
    assert_false(cache_fill(cache, hash_of(1), offset_of(1), entry, token));
    assert_false(look_up(1, &value));
}

/* A key that was deleted and came back lies elsewhere; a late commit to the old place does not touch it. */
static void only_the_entry_at_the_same_offset_is_changed(void **state)
{
    uint64_t value = 0;

    (void)state;
    (void)offer(1, 10);
    assert_true(offer(1, 10));
    assert_null(cache_hide(cache, hash_of(1), 4096));
    assert_true(look_up(1, &value));
    assert_int_equal(value, 10);
    cache_remove(cache, hash_of(1), 4096);
    assert_true(look_up(1, &value));
}

static void a_copy_read_before_a_commit_is_refused(void **state)
{
    uint64_t value = 0, entry[CACHE_ENTRY_WORDS];

    (void)state;
    for (int removal = 0; removal < 2; removal++) {
        make_entry(1, 10, entry);
        (void)offer(1, 10); /* the first miss */
        const uint64_t token = cache_read_begin(cache, hash_of(1));
        if (removal)
            cache_remove(cache, hash_of(1), offset_of(1));
        else
            commit(1, 11);
        assert_false(cache_fill(cache, hash_of(1), offset_of(1), entry, token));
        assert_false(look_up(1, &value));
    }
    assert_true(offer(1, 11));
}

static void one_scan_does_not_drive_out_what_is_hot(void **state)
{
    const uint64_t hot = SMALL_LINES / 4;
    uint64_t value = 0, kept = 0;

    (void)state;
    for (int round = 0; round < 8; round++)
        for (uint64_t number = 0; number < hot; number++)
            if (!look_up(number, &value))
                (void)offer(number, number);
    for (uint64_t number = hot; number < hot + 20 * SMALL_LINES; number++)
        if (!look_up(number, &value))
            (void)offer(number, number);
    for (uint64_t number = 0; number < hot; number++)
        kept += look_up(number, &value);
    assert_in_range(kept, hot * 98 / 100, hot);
}

/* What was hot once must not stay for ever. */
static void a_new_working_set_takes_over(void **state)
{
    const uint64_t hot = SMALL_LINES / 2;
    uint64_t value = 0, kept = 0;

    (void)state;
    for (int round = 0; round < 40; round++)
        for (uint64_t number = 0; number < hot; number++)
            if (!look_up(number, &value))
                (void)offer(number, number);
    for (int round = 0; round < 40; round++)
        for (uint64_t number = 10 * hot; number < 11 * hot; number++)
            if (!look_up(number, &value))
                (void)offer(number, number);
    for (uint64_t number = 10 * hot; number < 11 * hot; number++)
        kept += look_up(number, &value);
    assert_in_range(kept, hot * 9 / 10, hot);
}

/* Random reads, commits and deletes of more keys than there are lines, against an array that says what is committed. */
static void every_hit_equals_the_last_commit(void **state)
{
    enum { KEYS = 4000, STEPS = 1000000 };
    uint64_t *committed = calloc(KEYS, sizeof(*committed));
    uint64_t random = 1, hits = 0;

    (void)state;
    assert_non_null(committed);
    for (uint64_t step = 1; step <= STEPS; step++) {
        random = random * 6364136223846793005ull + 1442695040888963407ull;
        const uint64_t draw = random >> 33;
        const uint64_t number = draw % 3 == 0 ? draw / 3 % 100 : draw / 3 % KEYS;
        uint64_t value = 0;
        if (random >> 60 == 0) {
            commit(number, step);
            committed[number] = step;
        } else if (random >> 60 == 1) {
            cache_remove(cache, hash_of(number), offset_of(number));
        } else if (look_up(number, &value)) {
            assert_int_equal(value, committed[number]);
            hits++;
        } else {
            (void)offer(number, committed[number]);
        }
        if (step % 50000 == 0)
            assert_true(cache_check(cache, NULL));
    }
    assert_true(hits > STEPS / 10);
    free(committed);
}

/* ---- Policy: hit rates beside what the best cache of the size would hit ---- */

/* Asks as the engine does. */
static bool ask(uint64_t number)
{
    uint64_t value = 0;

    if (look_up(number, &value))
        return true;
    (void)offer(number, number);
    return false;
}

static double random_share(uint64_t *random)
{
    *random = *random * 6364136223846793005ull + 1442695040888963407ull;
    return (double)(*random >> 11) * 0x1p-53;
}

/* Zipfian picks from 100 times as many keys as there are lines, by bisection of the sums of their chances. */
static void zipfian_hits_are_95_in_100_of_the_ideal(void **state)
{
    enum { KEYS = 100 * SMALL_LINES, STEPS = 40 * SMALL_LINES };
    static const double thetas[] = {0.8, 0.99, 1.2};
    double *sums = malloc(KEYS * sizeof(*sums));

    (void)state;
    assert_non_null(sums);
    for (unsigned t = 0; t < 3; t++) {
        uint64_t random = 5, hits = 0;
        double sum = 0;
        for (unsigned i = 0; i < KEYS; i++)
            sums[i] = sum += pow(i + 1, -thetas[t]);
        for (unsigned step = 0; step < 10 * STEPS; step++) {
            const double at = random_share(&random) * sum;
            unsigned low = 0, high = KEYS - 1;
            while (low < high) {
                const unsigned middle = (low + high) / 2;
                if (sums[middle] < at)
                    low = middle + 1;
                else
                    high = middle;
            }
            hits += ask(low + t * KEYS) && step >= 9 * STEPS;
        }
        assert_true((double)hits / STEPS > 0.95 * sums[SMALL_LINES - 1] / sum);
    }
    free(sums);
}

static void a_hot_set_of_three_quarters_of_the_lines_is_hit_94_times_in_100(void **state)
{
    const uint64_t hot = SMALL_LINES * 3 / 4;
    uint64_t random = 3, hits = 0;

    (void)state;
    for (unsigned step = 0; step < 200 * SMALL_LINES; step++)
        hits += ask((uint64_t)(random_share(&random) * (double)hot)) && step >= 100 * SMALL_LINES;
    assert_in_range(hits, 94 * SMALL_LINES, 100 * SMALL_LINES);
}

static void a_hot_set_is_hit_while_nine_keys_in_ten_are_scanned(void **state)
{
    const uint64_t hot = SMALL_LINES / 2;
    uint64_t random = 3, hits = 0, asked = 0;

    (void)state;
    for (uint64_t step = 0; step < 2000 * SMALL_LINES; step++) {
        if (step % 10 != 0) {
            (void)ask(hot + step);
            continue;
        }
        const bool hit = ask((uint64_t)(random_share(&random) * (double)hot));
        if (step < 1000 * SMALL_LINES)
            continue;
        hits += hit;
        asked++;
    }
    assert_in_range(hits, asked * 98 / 100, asked);
}

static void copies_are_counted(void **state)
{
    (void)state;
    assert_int_equal(cache_copies_max(cache), SMALL_LINES);
    for (uint64_t number = 0; number < 100; number++) {
        (void)offer(number, 1);
        assert_true(offer(number, 1));
        assert_int_equal(cache_copies(cache), number + 1);
    }
    cache_remove(cache, hash_of(1), offset_of(1));
    assert_int_equal(cache_copies(cache), 99);
    for (uint64_t number = 0; number < 100 * SMALL_LINES; number++)
        (void)(offer(number, 1) || offer(number, 1));
    assert_in_range(cache_copies(cache), SMALL_LINES * 99 / 100, SMALL_LINES);
}

/* ---- The pace ---- */

static void the_pace_turns_sparse_without_hits_and_back_with_them(void **state)
{
    struct cache_pace pace = {0};
    unsigned asked = 0;

    (void)state;
    for (uint64_t number = 0; number < 20 * CACHE_PACE_WINDOW; number++)
        cache_pace_note(&pace, hash_of(number), false);
    for (uint64_t number = 0; number < 16000; number++)
        asked += cache_pace_ask(&pace, hash_of(number));
    assert_in_range(asked, 800, 1200);
    for (uint64_t number = 0; number < 20 * CACHE_PACE_WINDOW; number++)
        cache_pace_note(&pace, hash_of(number), number % 4 == 0);
    assert_true(cache_pace_ask(&pace, UINT64_MAX));
}

static void keys_that_are_looked_for_together_ask_where_most_of_them_hit(void **state)
{
    struct cache_pace pace = {0};

    (void)state;
    for (uint64_t number = 0; number < 20 * CACHE_PACE_WINDOW; number++)
        cache_pace_note(&pace, hash_of(number), number % 2 == 0);
    assert_true(cache_pace_ask(&pace, UINT64_MAX));
    assert_false(cache_pace_ask_many(&pace, UINT64_MAX));
    assert_true(cache_pace_ask_many(&pace, 0)); /* of the sets that are counted */
    for (uint64_t number = 0; number < 20 * CACHE_PACE_WINDOW; number++)
        cache_pace_note(&pace, hash_of(number), number % 4 != 0);
    assert_true(cache_pace_ask_many(&pace, UINT64_MAX));
}

/* Keys that are not asked for while it is sparse are cold when it ends: they must not turn it back. */
static void the_pace_does_not_swing_where_one_key_in_ten_is_hot(void **state)
{
    const uint64_t hot = 8 * SMALL_LINES;
    struct cache_pace pace = {0};
    uint64_t random = 3, hits = 0, asked = 0;

    (void)state;
    cache_destroy(cache);
    assert_int_equal(cache_create(16 * SMALL_SIZE, &cache), SDB_OK);
    for (uint64_t step = 0; step < 3000 * SMALL_LINES; step++) {
        const bool cold = step % 10 != 0;
        const uint64_t number = cold ? hot + step : (uint64_t)(random_share(&random) * (double)hot);
        const bool asks = cache_pace_ask(&pace, hash_of(number));
        const bool hit = asks && ask(number);
        if (asks)
            cache_pace_note(&pace, hash_of(number), hit);
        if (cold || step < 2000 * SMALL_LINES)
            continue;
        hits += hit;
        asked++;
    }
    assert_in_range(hits, asked * 95 / 100, asked);
}

/* ---- Threads ---- */

#define SHARED_KEYS 3000u
#define READERS 2
#define WRITERS 2
#define COMMITS 200000u
#define READS_MIN 50000u /* so that there are hits however the threads are scheduled */

/* The pool, played by an array: entries with a seqlock each, and the version that is known to be committed. */
static struct shared_key {
    uint64_t sequence;
    uint64_t entry[CACHE_ENTRY_WORDS];
    uint64_t committed;
} shared[SHARED_KEYS];
static unsigned writers_left;

static void *write_keys(void *context)
{
    uint64_t random = (uint64_t)(uintptr_t)context + 17;

    for (uint64_t step = 1; step <= COMMITS; step++) {
        uint64_t entry[CACHE_ENTRY_WORDS];
        random = random * 6364136223846793005ull + 1442695040888963407ull;
        /* One writer a key at a time: each has its own half. */
        const uint64_t number = (random >> 40) % (SHARED_KEYS / WRITERS) * WRITERS + (uint64_t)(uintptr_t)context;
        struct shared_key *key = &shared[number];
        make_entry(number, step, entry);
        /* Odd before the copy is hidden: who takes a token from now on does not offer what he read before the change. */
        __atomic_store_n(&key->sequence, key->sequence + 1, __ATOMIC_RELAXED);
        __atomic_thread_fence(__ATOMIC_RELEASE);
        struct cache_line *hidden = cache_hide(cache, hash_of(number), offset_of(number));
        for (unsigned i = 0; i < CACHE_ENTRY_WORDS; i++)
            __atomic_store_n(&key->entry[i], entry[i], __ATOMIC_RELEASE);
        if (random >> 61 == 0)
            cache_remove(cache, hash_of(number), offset_of(number));
        else if (hidden)
            cache_show(hidden, entry);
        __atomic_store_n(&key->sequence, key->sequence + 1, __ATOMIC_RELEASE);
        __atomic_store_n(&key->committed, step, __ATOMIC_RELEASE);
    }
    __atomic_fetch_sub(&writers_left, 1, __ATOMIC_RELEASE);
    return NULL;
}

static void read_pool(struct shared_key *key, uint64_t entry[CACHE_ENTRY_WORDS])
{
    for (;;) {
        const uint64_t sequence = __atomic_load_n(&key->sequence, __ATOMIC_ACQUIRE);
        for (unsigned i = 0; i < CACHE_ENTRY_WORDS; i++)
            entry[i] = __atomic_load_n(&key->entry[i], __ATOMIC_ACQUIRE);
        if ((sequence & 1) == 0 && __atomic_load_n(&key->sequence, __ATOMIC_RELAXED) == sequence)
            return;
    }
}

struct reader {
    uint64_t seed, hits, torn, stale;
};

static void *read_keys(void *context)
{
    struct reader *reader = context;
    uint64_t random = reader->seed;

    for (uint64_t step = 0; step < READS_MIN || __atomic_load_n(&writers_left, __ATOMIC_ACQUIRE) != 0; step++) {
        uint64_t entry[CACHE_ENTRY_WORDS], offset;
        random = random * 6364136223846793005ull + 1442695040888963407ull;
        const uint64_t number = random >> 63 == 0 ? (random >> 40) % 64 : (random >> 40) % SHARED_KEYS;
        struct shared_key *key = &shared[number];
        uint64_t least = __atomic_load_n(&key->committed, __ATOMIC_ACQUIRE);
        /* Nor older than what anybody read in the pool, past the cache. */
        if (random >> 62 == 0) {
            read_pool(key, entry);
            least = entry[1];
        }
        if (cache_lookup(cache, hash_of(number), entry, &offset)) {
            reader->hits++;
            reader->torn += offset != offset_of(number);
        } else {
            const uint64_t token = cache_read_begin(cache, hash_of(number));
            read_pool(key, entry);
            (void)cache_fill(cache, hash_of(number), offset_of(number), entry, token);
        }
        reader->torn += entry[0] != number || entry[2] != ~entry[1] || entry[3] != (number ^ entry[1]);
        reader->stale += entry[1] < least;
    }
    return NULL;
}

static void readers_see_whole_entries_and_no_older_ones_than_committed(void **state)
{
    pthread_t readers[READERS], writers[WRITERS];
    struct reader seen[READERS];
    uint64_t hits = 0, value = 0;

    (void)state;
    for (uint64_t number = 0; number < SHARED_KEYS; number++)
        make_entry(number, 0, shared[number].entry);
    writers_left = WRITERS;
    for (unsigned i = 0; i < READERS; i++) {
        seen[i] = (struct reader){.seed = i};
        assert_int_equal(pthread_create(&readers[i], NULL, read_keys, &seen[i]), 0);
    }
    for (uintptr_t i = 0; i < WRITERS; i++)
        assert_int_equal(pthread_create(&writers[i], NULL, write_keys, (void *)i), 0);
    for (unsigned i = 0; i < WRITERS; i++)
        assert_int_equal(pthread_join(writers[i], NULL), 0);
    for (unsigned i = 0; i < READERS; i++) {
        assert_int_equal(pthread_join(readers[i], NULL), 0);
        assert_int_equal(seen[i].torn, 0);
        assert_int_equal(seen[i].stale, 0);
        hits += seen[i].hits;
    }
    assert_true(hits > 0);
    assert_true(cache_check(cache, NULL));
    for (uint64_t number = 0; number < SHARED_KEYS; number++)
        if (look_up(number, &value))
            assert_int_equal(value, shared[number].committed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_key_is_let_in_on_its_second_miss, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_commit_writes_through, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_commit_of_a_key_that_is_not_cached_caches_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_removed_key_is_missed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_hidden_copy_is_missed_until_the_commit_shows_it, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_hidden_copy_is_not_driven_out, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_copy_read_before_hiding_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(only_the_entry_at_the_same_offset_is_changed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_copy_read_before_a_commit_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_scan_does_not_drive_out_what_is_hot, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_new_working_set_takes_over, set_up, tear_down),
        cmocka_unit_test_setup_teardown(every_hit_equals_the_last_commit, set_up, tear_down),
        cmocka_unit_test_setup_teardown(zipfian_hits_are_95_in_100_of_the_ideal, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_hot_set_of_three_quarters_of_the_lines_is_hit_94_times_in_100, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_hot_set_is_hit_while_nine_keys_in_ten_are_scanned, set_up, tear_down),
        cmocka_unit_test_setup_teardown(copies_are_counted, set_up, tear_down),
        cmocka_unit_test(the_pace_turns_sparse_without_hits_and_back_with_them),
        cmocka_unit_test_setup_teardown(keys_that_are_looked_for_together_ask_where_most_of_them_hit, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_pace_does_not_swing_where_one_key_in_ten_is_hot, set_up, tear_down),
        cmocka_unit_test_setup_teardown(readers_see_whole_entries_and_no_older_ones_than_committed, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
