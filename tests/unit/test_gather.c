/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_gather.c - batches by handle: every variant gives what a read of its own would have given, also beside writers
 *
 * ctest-labels: threads
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cpu.h"
#include "engine_case.h"
#include "gather.h"
#include "read.h"
#include "word.h"

#define KEYS 1000u

static const struct variant {
    const char *name;
    enum cpu_simd needs;
    gather_fn *run;
} variants[] = {
    {"plain", CPU_SIMD_PLAIN, gather_plain},
#if defined(__x86_64__) && !defined(__SANITIZE_THREAD__)
    {"avx2", CPU_SIMD_AVX2, gather_avx2},
    {"avx512", CPU_SIMD_AVX512, gather_avx512},
#endif
};
#define VARIANTS (sizeof(variants) / sizeof(variants[0]))

static bool can_run(const struct variant *variant)
{
    return cpu_simd_choose(NULL) >= variant->needs;
}

/* What a batch owes for a handle, by way of a view. */
static struct sdb_inline expected(uint64_t handle)
{
    struct sdb_inline value = {0};
    struct sdb_view view;

    value.result = sdb_view_by_handle(f.session, handle, &view);
    if (value.result != SDB_OK)
        return value;
    value.encoding = view.encoding;
    value.size = (uint8_t)view.size;
    if (view.encoding == SDB_ENCODING_BLOB) {
        value.result = SDB_ETOOBIG;
        value.size = 0;
        value.value.big.handle = handle;
        value.value.big.version = view.version;
    } else if (view.encoding == SDB_ENCODING_INT) {
        value.size = 8;
        value.value.integer = strtoll(view.data, NULL, 10);
    } else {
        memcpy(value.value.data, view.data, view.size);
    }
    sdb_view_release(f.session, &view);
    return value;
}

static void assert_all_variants_agree(const uint64_t *handles, size_t count)
{
    struct sdb_inline values[64];

    for (size_t v = 0; v < VARIANTS; v++) {
        if (!can_run(&variants[v]))
            continue;
        gather = variants[v].run;
        memset(values, 0xee, sizeof(values));
        sdb_get_many_by_handle(f.session, handles, count, values);
        for (size_t i = 0; i < count; i++) {
            struct sdb_inline wanted = expected(handles[i]);

            assert_memory_equal(&values[i], &wanted, sizeof(wanted));
        }
        for (size_t i = count; i < 64; i++)
            assert_int_equal(values[i].size, 0xee);
    }
    gather_init();
}

/* Keys of all sizes in several databases, with values of all sizes, integers, with and without a time to live. */
static void fill(uint64_t handles[KEYS])
{
    char key[64], value[64];

    memset(value, 'v', sizeof(value));
    for (unsigned i = 0; i < KEYS; i++) {
        struct sdb_set_options options = {.expire_ms = i % 7 == 3 ? NOW + 5 : i % 7 == 5 ? NOW + 50 : 0, .handle = &handles[i]};
        unsigned key_size = 4 + i % 20, value_size = i / 20 % 20;

        assert_ok(sdb_select(f.session, i % 400 < 390 ? 0 : i % 3));
        memset(key, 'k', sizeof(key));
        (void)snprintf(key, sizeof(key), "%04u", i);
        key[4] = 'k';
        if (i % 5 == 0)
            value_size = (unsigned)snprintf(value, sizeof(value), "%lld", (long long)fixture_random(&f, UINT64_MAX) >> (i % 60));
        assert_ok(sdb_set(f.session, key, key_size, value, value_size, &options));
        memset(value, 'a' + (int)(i % 26), sizeof(value));
    }
    assert_ok(sdb_select(f.session, 0));
}

static void all_variants_agree_on_entries_of_every_shape(void **state)
{
    uint64_t handles[KEYS], picked[64];

    (void)state;
    fill(handles);
    for (size_t i = 0; i + 64 <= KEYS; i++)
        assert_all_variants_agree(handles + i, i % 65);
    for (unsigned round = 0; round < 2000; round++) {
        for (unsigned i = 0; i < 64; i++)
            picked[i] = handles[fixture_random(&f, KEYS)];
        assert_all_variants_agree(picked, 1 + round % 64);
    }
    sdb_session_set_time(f.session, NOW + 5); /* some have expired, some have not */
    for (size_t i = 0; i + 64 <= KEYS; i += 8)
        assert_all_variants_agree(handles + i, 64);
}

static void all_variants_agree_on_plain_entries_by_the_group(void **state)
{
    uint64_t handles[64];
    char key[8];

    (void)state;
    for (unsigned i = 0; i < 64; i++) {
        struct sdb_set_options options = {.handle = &handles[i]};

        (void)snprintf(key, sizeof(key), "%06u", i);
        assert_ok(sdb_set(f.session, key, 6, "0123456789abcdef", i % 17, &options));
    }
    for (size_t v = 0; v < VARIANTS; v++) {
        struct sdb_inline values[64];

        if (can_run(&variants[v])) /* nothing is left to the slow way */
            assert_int_equal(variants[v].run(f.session, handles, 64, values), 64);
    }
    assert_all_variants_agree(handles, 64);
}

static void all_variants_agree_on_stale_and_forged_handles(void **state)
{
    uint64_t handles[KEYS], picked[64];

    (void)state;
    fill(handles);
    assert_ok(sdb_select(f.session, 1));
    assert_ok(sdb_flush(f.session));
    assert_ok(sdb_select(f.session, 0));
    for (unsigned i = 0; i < KEYS; i += 6) {
        char key[64];

        memset(key, 'k', sizeof(key));
        (void)snprintf(key, sizeof(key), "%04u", i);
        key[4] = 'k';
        (void)sdb_delete(f.session, key, 4 + i % 20);
    }
    for (unsigned round = 0; round < 4000; round++) {
        for (unsigned i = 0; i < 64; i++) {
            uint64_t handle = handles[fixture_random(&f, KEYS)];

            if (fixture_random(&f, 20) == 0)
                handle ^= 1ull << fixture_random(&f, 64);
            if (fixture_random(&f, 100) == 0)
                handle = fixture_random(&f, UINT64_MAX);
            picked[i] = handle;
        }
        assert_all_variants_agree(picked, 64);
    }
}

/* Every single bit of an entry, changed behind the engine's back: an error or nothing, as for a read of its own. */
static void all_variants_agree_on_damaged_entries(void **state)
{
    uint64_t handles[16];
    char key[8];

    (void)state;
    for (unsigned i = 0; i < 16; i++) {
        struct sdb_set_options options = {.handle = &handles[i]};

        (void)snprintf(key, sizeof(key), "%06u", i);
        assert_ok(sdb_set(f.session, key, 6, "0123456789abcdef", i, &options));
    }
    for (unsigned bit = 0; bit < 256; bit++) {
        uint64_t *words = (uint64_t *)(void *)(f.pool->file.base + handle_entry(handles[bit % 16]));

        if (bit == 23) /* META_BUSY: that is a writer */
            continue;
        persist_store(&words[bit / 64], words[bit / 64] ^ 1ull << bit % 64);
        assert_all_variants_agree(handles, 16);
        persist_store(&words[bit / 64], words[bit / 64] ^ 1ull << bit % 64);
    }
    assert_all_variants_agree(handles, 16);
}

static void staged_words_are_seen(void **state)
{
    uint64_t handles[16];
    struct sdb_inline values[16];
    char key[8];

    (void)state;
    for (unsigned i = 0; i < 16; i++) {
        struct sdb_set_options options = {.handle = &handles[i]};

        (void)snprintf(key, sizeof(key), "%06u", i);
        assert_ok(sdb_set(f.session, key, 6, "before", 6, &options));
    }
    assert_ok(sdb_group_begin(f.session));
    assert_ok(sdb_set_by_handle(f.session, handles[9], "within", 6));
    sdb_get_many_by_handle(f.session, handles, 16, values);
    for (unsigned i = 0; i < 16; i++)
        assert_memory_equal(values[i].value.data, i == 9 ? "within" : "before", 6);
    assert_ok(sdb_group_end(f.session));
}

/* -- beside a writer -- */

#define PAIRS 8u

static uint64_t pair_handles[2 * PAIRS];
static uint32_t stopped;

/* Both halves of a value are the round; the first key of a pair is written before the second. */
static void *write_rounds(void *context)
{
    struct sdb_session *session;

    (void)context;
    if (sdb_session_open(f.pool, &session) != SDB_OK)
        return NULL;
    for (uint64_t round = 1; !__atomic_load_n(&stopped, __ATOMIC_ACQUIRE); round++)
        for (unsigned i = 0; i < PAIRS; i++) {
            uint64_t value[2] = {round, round};

            (void)sdb_set_by_handle(session, pair_handles[2 * i + 1], value, sizeof(value));
            (void)sdb_set_by_handle(session, pair_handles[2 * i], value, sizeof(value));
        }
    sdb_session_close(session);
    return session;
}

static void read_rounds(const struct variant *variant)
{
    struct sdb_inline values[2 * PAIRS];
    uint64_t changes = 0, last = 0;

    gather = variant->run;
    for (unsigned i = 0; i < 200000 || changes < 100; i++) {
        sdb_get_many_by_handle(f.session, pair_handles, 2 * PAIRS, values);
        for (unsigned k = 0; k < 2 * PAIRS; k++) {
            uint64_t halves[2], before;

            memcpy(halves, values[k].value.data, sizeof(halves));
            memcpy(&before, values[k & ~1u].value.data, sizeof(before));
            if (values[k].result != SDB_OK || halves[0] != halves[1] || halves[0] < before)
                fail_msg("%s: key %u: %d, %llu and %llu after %llu", variant->name, k, values[k].result,
                         (unsigned long long)halves[0], (unsigned long long)halves[1], (unsigned long long)before);
        }
        changes += memcmp(&last, values[0].value.data, sizeof(last)) != 0;
        memcpy(&last, values[0].value.data, sizeof(last));
    }
    gather_init();
}

static void values_are_of_one_moment_and_none_is_older_than_those_before_it(void **state)
{
    uint64_t zero[2] = {0, 0};
    pthread_t writer;
    void *result;

    (void)state;
    for (unsigned i = 0; i < 2 * PAIRS; i++) {
        struct sdb_set_options options = {.handle = &pair_handles[i]};
        char key[8];

        (void)snprintf(key, sizeof(key), "%06u", i);
        assert_ok(sdb_set(f.session, key, 6, zero, sizeof(zero), &options));
    }
    __atomic_store_n(&stopped, 0, __ATOMIC_RELEASE);
    assert_int_equal(pthread_create(&writer, NULL, write_rounds, NULL), 0);
    for (size_t v = 0; v < VARIANTS; v++)
        if (can_run(&variants[v]))
            read_rounds(&variants[v]);
    __atomic_store_n(&stopped, 1, __ATOMIC_RELEASE);
    assert_int_equal(pthread_join(writer, &result), 0);
    assert_non_null(result);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(all_variants_agree_on_entries_of_every_shape),
        TEST(all_variants_agree_on_plain_entries_by_the_group),
        TEST(all_variants_agree_on_stale_and_forged_handles),
        TEST(all_variants_agree_on_damaged_entries),
        TEST(staged_words_are_seen),
        TEST(values_are_of_one_moment_and_none_is_older_than_those_before_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
