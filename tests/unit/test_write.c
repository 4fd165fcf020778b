/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_write.c - setting and deleting keys: sizes, conditions, versions, times to live, many at once, a full pool
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine_case.h"

static char big[(1 << 20) + 64]; /* read from a few bytes on, too */

static int fill_big(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(big); i++)
        big[i] = (char)('a' + i % 23);
    return 0;
}

static int set_with(const char *key, const char *value, uint32_t flags, uint64_t version, int64_t expire_ms)
{
    struct sdb_set_options options = {.flags = flags, .version = version, .expire_ms = expire_ms};

    return sdb_set(f.session, key, strlen(key), value, strlen(value), &options);
}

static struct sdb_stat stat_of(const char *key)
{
    struct sdb_stat stat;

    assert_ok(sdb_stat(f.session, key, strlen(key), &stat));
    return stat;
}

static void assert_value(const void *key, size_t key_size, const void *value, size_t value_size)
{
    struct sdb_view view;

    assert_ok(sdb_view(f.session, key, key_size, &view));
    assert_int_equal(view.size, value_size);
    assert_memory_equal(view.data, value, value_size);
    sdb_view_release(f.session, &view);
}

/* -- sizes -- */

static const size_t key_sizes[] = {0, 1, 7, 8, 9, 15, 16, 17, 24, 25, 100, 4096, 65535, 65536};
static const size_t value_sizes[] = {0,  1,  7,  8,    9,     15,    16,    17,    23,     24,
                                     25, 56, 57, 1000, 16376, 16377, 32760, 32761, 1 << 20};
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static char long_key[65536];

/* The sizes that go together: a large key leaves no room for the largest values. */
static int is_pair(size_t k, size_t v)
{
    return k <= 10 || v < COUNT(value_sizes) - 2;
}

static void set_pair(size_t k, size_t v, int64_t expiry)
{
    struct sdb_set_options options = {.expire_ms = expiry};

    assert_ok(sdb_set(f.session, long_key, key_sizes[k], big + v, value_sizes[v], &options));
}

static void every_pair_of_sizes_reads_back_and_after_opening_again(void **state)
{
    (void)state;
    memset(long_key, 'k', sizeof(long_key));
    assert_ok(sdb_resize(f.pool, 64 * MIB)); /* room for the values however the keys are hashed: a block of 1 MiB takes an extent */
    for (unsigned round = 0; round < 2; round++) { /* without and with a time to live */
        for (size_t k = 0; k < COUNT(key_sizes); k++)
            for (size_t v = 0; v < COUNT(value_sizes); v++)
                if (is_pair(k, v)) {
                    set_pair(k, v, round & 1 ? NOW * 2 : 0);
                    assert_value(long_key, key_sizes[k], big + v, value_sizes[v]);
                }
        (void)fixture_check(&f);
    }
    for (size_t v = 0; v < COUNT(value_sizes); v++) { /* all keys with a value of this size, every other one with a time to live */
        for (size_t k = 0; k < COUNT(key_sizes); k++)
            if (is_pair(k, v))
                set_pair(k, v, (k + v) & 1 ? NOW * 2 : 0);
        fixture_crash(&f);
        sdb_session_set_time(f.session, NOW);
        for (size_t k = 0; k < COUNT(key_sizes); k++)
            if (is_pair(k, v))
                assert_value(long_key, key_sizes[k], big + v, value_sizes[v]);
    }
    (void)fixture_check(&f);
    assert_int_equal(fixture_count(&f), COUNT(key_sizes));
}

static void what_is_too_big_is_refused_and_changes_nothing(void **state)
{
    static char key[65537];

    (void)state;
    assert_ok(fixture_set(&f, "k", "old"));
    assert_int_equal(sdb_set(f.session, key, sizeof(key), "v", 1, NULL), SDB_ETOOBIG);
    assert_int_equal(sdb_set(f.session, "k", 1, big, (size_t)SDB_VALUE_SIZE_MAX + 1, NULL), SDB_ETOOBIG);
    assert_non_null(strstr(sdb_last_error(), "536870913"));
    assert_int_equal(sdb_delete(f.session, key, sizeof(key)), SDB_ENOTFOUND);
    assert_int_equal(sdb_expire(f.session, key, sizeof(key), NOW * 2), SDB_ENOTFOUND);
    assert_int_equal(sdb_exists(f.session, key, sizeof(key)), SDB_ENOTFOUND);
    assert_true(fixture_has(&f, "k", "old"));
    assert_int_equal(fixture_count(&f), 1);
}

static void keys_that_begin_alike_are_different(void **state)
{
    static const char zeros[20];

    (void)state;
    for (size_t size = 0; size <= 20; size++)
        assert_ok(sdb_set(f.session, zeros, size, big, size, NULL));
    for (size_t size = 0; size <= 20; size++)
        assert_value(zeros, size, big, size);
    assert_int_equal(fixture_count(&f), 21);
}

static void small_pairs_stay_in_the_entry(void **state)
{
    (void)state;
    assert_ok(fixture_set(&f, "sixteen bytes ab", "8 bytes."));
    assert_ok(fixture_set(&f, "8 bytes.", "sixteen bytes ab"));
    assert_int_equal(stat_of("sixteen bytes ab").encoding, SDB_ENCODING_INLINE);
    assert_int_equal(stat_of("8 bytes.").encoding, SDB_ENCODING_INLINE);
    assert_int_equal(stat_of("8 bytes.").memory, 40);
    assert_ok(sdb_expire(f.session, "8 bytes.", 8, NOW * 2)); /* takes a word: one of them must go */
    assert_true(stat_of("8 bytes.").memory > 40);
    assert_true(fixture_has(&f, "8 bytes.", "sixteen bytes ab"));
    assert_ok(sdb_expire(f.session, "8 bytes.", 8, 0));
    assert_int_equal(stat_of("8 bytes.").memory, 40);
}

static void integers_are_kept_as_integers_if_they_read_back_as_the_same_text(void **state)
{
    static const struct {
        const char *text;
        uint8_t encoding;
    } rows[] = {
        {"0", SDB_ENCODING_INT},
        {"-1", SDB_ENCODING_INT},
        {"9223372036854775807", SDB_ENCODING_INT},
        {"-9223372036854775808", SDB_ENCODING_INT},
        {"9223372036854775808", SDB_ENCODING_BLOB},
        {"-0", SDB_ENCODING_INLINE},
        {"+1", SDB_ENCODING_INLINE},
        {"01", SDB_ENCODING_INLINE},
        {" 1", SDB_ENCODING_INLINE},
        {"1 ", SDB_ENCODING_INLINE},
        {"", SDB_ENCODING_INLINE},
        {"-", SDB_ENCODING_INLINE},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        assert_ok(fixture_set(&f, "key of 13 by.", rows[i].text));
        assert_int_equal(stat_of("key of 13 by.").encoding, rows[i].encoding);
        assert_int_equal(stat_of("key of 13 by.").size, strlen(rows[i].text));
        assert_true(fixture_has(&f, "key of 13 by.", rows[i].text));
    }
}

/* -- conditions and versions -- */

static void conditions_hold_or_nothing_happens(void **state)
{
    (void)state;
    assert_int_equal(set_with("k", "1", SDB_IF_PRESENT, 0, 0), SDB_ECONDITION);
    assert_int_equal(set_with("k", "1", SDB_IF_VERSION, 0, 0), SDB_ECONDITION);
    assert_true(fixture_has(&f, "k", NULL));
    assert_ok(set_with("k", "1", SDB_IF_ABSENT, 0, 0));
    assert_int_equal(set_with("k", "2", SDB_IF_ABSENT, 0, 0), SDB_ECONDITION);
    assert_ok(set_with("k", "3", SDB_IF_PRESENT, 0, 0));
    assert_int_equal(set_with("k", "4", SDB_IF_PRESENT | SDB_IF_ABSENT, 0, 0), SDB_ECONDITION);
    assert_true(fixture_has(&f, "k", "3"));
}

static void a_version_is_good_for_one_change(void **state)
{
    uint64_t version;

    (void)state;
    assert_ok(fixture_set(&f, "k", "1"));
    for (unsigned i = 0; i < 600; i++) {
        version = stat_of("k").version;
        assert_ok(set_with("k", "1", SDB_IF_VERSION, version, 0));
        assert_int_not_equal(stat_of("k").version, version);
        assert_int_equal(set_with("k", "x", SDB_IF_VERSION, version, 0), SDB_ECONDITION);
    }
    version = stat_of("k").version;
    assert_ok(sdb_expire(f.session, "k", 1, NOW * 2));
    assert_int_not_equal(stat_of("k").version, version);
    version = stat_of("k").version;
    assert_ok(sdb_delete(f.session, "k", 1));
    assert_ok(fixture_set(&f, "k", "1"));
    assert_int_equal(set_with("k", "x", SDB_IF_VERSION, version, 0), SDB_ECONDITION);
}

static void a_refused_set_leaves_out_parameters_alone(void **state)
{
    uint64_t handle = 4711;
    struct sdb_set_options options = {.flags = SDB_IF_PRESENT, .handle = &handle};

    (void)state;
    assert_int_equal(sdb_set(f.session, "k", 1, "v", 1, &options), SDB_ECONDITION);
    assert_int_equal(handle, 4711);
    options.flags = 0;
    assert_ok(sdb_set(f.session, "k", 1, "v", 1, &options));
    assert_int_equal(handle, stat_of("k").handle);
}

/* -- times to live -- */

static void a_set_clears_the_time_to_live_unless_it_is_to_be_kept(void **state)
{
    (void)state;
    assert_ok(set_with("k", "1", 0, 0, NOW + 10));
    assert_int_equal(stat_of("k").expire_ms, NOW + 10);
    assert_ok(set_with("k", "2", SDB_KEEP_EXPIRY, 0, 0));
    assert_int_equal(stat_of("k").expire_ms, NOW + 10);
    assert_ok(set_with("k", "3", 0, 0, 0));
    assert_int_equal(stat_of("k").expire_ms, 0);
    assert_ok(set_with("new", "1", SDB_KEEP_EXPIRY, 0, NOW + 5));
    assert_int_equal(stat_of("new").expire_ms, NOW + 5);
}

static void a_time_in_the_past_deletes(void **state)
{
    uint64_t count;

    (void)state;
    assert_ok(fixture_set(&f, "k", "1"));
    assert_ok(set_with("k", "2", 0, 0, NOW));
    assert_true(fixture_has(&f, "k", NULL));
    assert_ok(set_with("never", "2", 0, 0, -5));
    assert_true(fixture_has(&f, "never", NULL));
    assert_ok(fixture_set(&f, "k", "1"));
    assert_ok(sdb_expire(f.session, "k", 1, NOW - 1));
    assert_int_equal(sdb_expire(f.session, "k", 1, 0), SDB_ENOTFOUND);
    assert_int_equal(fixture_count(&f), 0);
    assert_ok(sdb_count_expiring(f.session, &count));
    assert_int_equal(count, 0);
}

static void an_expired_key_is_gone_for_every_call(void **state)
{
    struct sdb_view view;
    struct sdb_stat stat;
    uint64_t handle, kept;
    char buffer[8];
    int64_t sum;

    (void)state;
    assert_ok(set_with("k", "5", 0, 0, NOW + 10));
    kept = stat_of("k").handle;
    sdb_session_set_time(f.session, NOW + 10);
    assert_int_equal(sdb_exists(f.session, "k", 1), SDB_ENOTFOUND);
    assert_int_equal(sdb_get(f.session, "k", 1, buffer, 8, NULL), SDB_ENOTFOUND);
    assert_int_equal(sdb_view(f.session, "k", 1, &view), SDB_ENOTFOUND);
    assert_int_equal(sdb_stat(f.session, "k", 1, &stat), SDB_ENOTFOUND);
    assert_int_equal(sdb_handle(f.session, "k", 1, &handle), SDB_ENOTFOUND);
    assert_int_equal(sdb_get_by_handle(f.session, kept, buffer, 8, NULL), SDB_ESTALE);
    assert_int_equal(sdb_set_by_handle(f.session, kept, "x", 1), SDB_ESTALE);
    assert_int_equal(sdb_delete(f.session, "k", 1), SDB_ENOTFOUND);
    assert_ok(sdb_add(f.session, "k", 1, 1, &sum));
    assert_int_equal(sum, 1);
    assert_int_equal(stat_of("k").expire_ms, 0);
}

static void a_deleted_key_is_gone_after_a_crash(void **state)
{
    (void)state;
    assert_ok(sdb_set(f.session, "k", 1, big, 5000, NULL));
    assert_ok(sdb_delete(f.session, "k", 1));
    assert_int_equal(sdb_delete(f.session, "k", 1), SDB_ENOTFOUND);
    fixture_crash(&f);
    assert_true(fixture_has(&f, "k", NULL));
    assert_int_equal(fixture_check(&f), 0);
}

/* -- many at once -- */

static void many_are_set_all_or_none(void **state)
{
    static char too_big[65537];
    struct sdb_pair pairs[3] = {{{"a", 1}, {"1", 1}}, {{"b", 1}, {"2", 1}}, {{"a", 1}, {"3", 1}}};

    (void)state;
    assert_ok(sdb_set_many(f.session, pairs, 3, SDB_IF_ABSENT));
    assert_true(fixture_has(&f, "a", "3") && fixture_has(&f, "b", "2"));
    assert_ok(sdb_delete(f.session, "a", 1));
    assert_int_equal(sdb_set_many(f.session, pairs, 3, SDB_IF_ABSENT), SDB_ECONDITION);
    assert_true(fixture_has(&f, "a", NULL));
    pairs[2].key = (struct sdb_slice){too_big, sizeof(too_big)};
    assert_int_equal(sdb_set_many(f.session, pairs, 3, 0), SDB_ETOOBIG);
    assert_true(fixture_has(&f, "a", NULL) && fixture_has(&f, "b", "2"));
    assert_ok(sdb_set_many(f.session, NULL, 0, 0));
}

static void setting_many_clears_times_to_live(void **state)
{
    struct sdb_pair pair = {{"a", 1}, {"1", 1}};

    (void)state;
    assert_ok(set_with("a", "0", 0, 0, NOW + 10));
    assert_ok(sdb_set_many(f.session, &pair, 1, 0));
    assert_int_equal(stat_of("a").expire_ms, 0);
}

static void deleting_many_counts_each_key_once(void **state)
{
    const struct sdb_slice keys[] = {{"a", 1}, {"none", 4}, {"b", 1}, {"a", 1}, {NULL, 0}};
    size_t deleted = 0;

    (void)state;
    assert_ok(fixture_set(&f, "a", "1"));
    assert_ok(sdb_set(f.session, "b", 1, big, 3000, NULL));
    assert_ok(sdb_set(f.session, NULL, 0, NULL, 0, NULL));
    assert_ok(sdb_delete_many(f.session, keys, 5, &deleted));
    assert_int_equal(deleted, 3);
    assert_int_equal(fixture_count(&f), 0);
    assert_ok(sdb_delete_many(f.session, keys, 5, NULL));
    assert_ok(sdb_delete_many(f.session, NULL, 0, &deleted));
    assert_int_equal(deleted, 0);
}

static void thousands_at_once_are_one_commit(void **state)
{
    enum { N = 6000 };
    static char names[N][12];
    static struct sdb_pair pairs[N];
    static struct sdb_slice keys[N];
    size_t deleted;

    (void)state;
    for (unsigned i = 0; i < N; i++) {
        keys[i] = (struct sdb_slice){names[i], (size_t)sprintf(names[i], "key:%u", i)};
        pairs[i] = (struct sdb_pair){keys[i], {big, i % 40}};
    }
    assert_ok(sdb_set_many(f.session, pairs, N, 0)); /* a record too large for the ring */
    fixture_crash(&f);
    assert_int_equal(fixture_check(&f), N);
    for (unsigned i = 0; i < N; i += 97)
        assert_value(names[i], keys[i].size, big, i % 40);
    assert_ok(sdb_delete_many(f.session, keys, N, &deleted));
    assert_int_equal(deleted, N);
    fixture_crash(&f);
    assert_int_equal(fixture_check(&f), 0);
}

/* -- a full pool -- */

static unsigned fill(size_t value_size, unsigned from)
{
    for (unsigned i = from;; i++) {
        char name[32];
        size_t size = (size_t)sprintf(name, "fill:%u", i);
        int error = sdb_set(f.session, name, size, big, value_size, NULL);

        if (error == SDB_ENOSPC)
            return i;
        assert_ok(error);
    }
}

/* How many more: until every shard is full, not only the one that its keys' hashes fill first. */
static unsigned fill_all_shards(size_t value_size, unsigned from)
{
    unsigned taken = 0;

    for (unsigned i = from, refused = 0; refused < 40; i++) {
        char name[32];
        size_t size = (size_t)sprintf(name, "fill:%u", i);
        int error = sdb_set(f.session, name, size, big, value_size, NULL);

        if (error != SDB_ENOSPC)
            assert_ok(error);
        refused = error ? refused + 1 : 0;
        taken += !error;
    }
    return taken;
}

static void a_full_pool_loses_nothing_and_takes_writes_again_after_deletes(void **state)
{
    static const size_t sizes[] = {0, 100, 3000, 40000, 1 << 20};

    (void)state;
    for (size_t s = 0; s < COUNT(sizes); s++) {
        unsigned keys, again;
        char name[32];

        fixture_destroy(&f);
        fixture_create(&f, 16 * MIB, 0, 2);
        keys = fill(sizes[s], 0);
        assert_true(keys >= 4);
        assert_int_equal(fixture_check(&f), keys);
        for (unsigned i = 0; i < keys; i++)
            assert_value(name, (size_t)sprintf(name, "fill:%u", i), big, sizes[s]);
        for (unsigned i = 0; i < keys; i += 2)
            assert_ok(sdb_delete(f.session, name, (size_t)sprintf(name, "fill:%u", i)));
        again = fill_all_shards(sizes[s], keys);
        if (again + 4 < keys / 2 * 3 / 4) /* the first index segment that overflows ends it */
            fail_msg("values of %zu: %u of %u came back", sizes[s], again, keys / 2);
        fixture_crash(&f);
        (void)fixture_check(&f);
    }
}

static void a_full_pool_that_is_emptied_takes_as_much_again(void **state)
{
    unsigned first, second;

    (void)state;
    fixture_destroy(&f);
    fixture_create(&f, 64 * MIB, 64 * MIB, 2); /* an extent more or less in a shard does not decide */
    first = fill(20000, 0);
    assert_ok(sdb_flush(f.session));
    second = fill(20000, 0); /* reclaims by itself */
    if (second + first / 4 < first)
        fail_msg("%u keys at first, %u afterwards", first, second);
    assert_ok(sdb_flush_all(f.session));
    second = fill(10, 0);
    assert_true(second > 50000);
}

static void a_full_pool_can_overwrite_in_place(void **state)
{
    unsigned keys = fill(100, 0);
    char name[32];

    (void)state;
    for (unsigned i = 0; i < keys; i += 1000) { /* 100 bytes, a blob, give way to an inline value */
        size_t size = (size_t)sprintf(name, "fill:%u", i);

        assert_ok(sdb_set(f.session, name, size, "tiny", 4, NULL));
        assert_value(name, size, "tiny", 4);
    }
}

static void many_that_do_not_fit_leave_nothing_behind(void **state)
{
    struct sdb_pair pairs[40];
    static char names[40][8];
    uint64_t used = fixture_stats(&f).used;

    (void)state;
    for (unsigned i = 0; i < 40; i++)
        pairs[i] = (struct sdb_pair){{names[i], (size_t)sprintf(names[i], "m:%u", i)}, {big, sizeof(big)}};
    assert_int_equal(sdb_set_many(f.session, pairs, 40, 0), SDB_ENOSPC);
    assert_int_equal(fixture_count(&f), 0);
    assert_int_equal(fixture_check(&f), 0);
    assert_true(fixture_stats(&f).used <= used + 4 * MIB);
    assert_ok(sdb_set_many(f.session, pairs, 10, 0));
    assert_int_equal(fixture_check(&f), 10);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(every_pair_of_sizes_reads_back_and_after_opening_again),
        TEST(what_is_too_big_is_refused_and_changes_nothing),
        TEST(keys_that_begin_alike_are_different),
        TEST(small_pairs_stay_in_the_entry),
        TEST(integers_are_kept_as_integers_if_they_read_back_as_the_same_text),
        TEST(conditions_hold_or_nothing_happens),
        TEST(a_version_is_good_for_one_change),
        TEST(a_refused_set_leaves_out_parameters_alone),
        TEST(a_set_clears_the_time_to_live_unless_it_is_to_be_kept),
        TEST(a_time_in_the_past_deletes),
        TEST(an_expired_key_is_gone_for_every_call),
        TEST(a_deleted_key_is_gone_after_a_crash),
        TEST(many_are_set_all_or_none),
        TEST(setting_many_clears_times_to_live),
        TEST(deleting_many_counts_each_key_once),
        TEST(thousands_at_once_are_one_commit),
        TEST(a_full_pool_loses_nothing_and_takes_writes_again_after_deletes),
        TEST(a_full_pool_that_is_emptied_takes_as_much_again),
        TEST(a_full_pool_can_overwrite_in_place),
        TEST(many_that_do_not_fit_leave_nothing_behind),
    };
    return cmocka_run_group_tests(tests, fill_big, NULL);
}
