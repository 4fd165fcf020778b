/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_hash.c - hashes and the functions for any collection, as who uses the library sees them
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>

#include "engine_case.h"

static struct sdb_pair pair_of(const char *field, const char *value)
{
    return (struct sdb_pair){{field, strlen(field)}, {value, strlen(value)}};
}

static int set_one(const char *key, const char *field, const char *value)
{
    const struct sdb_pair pair = pair_of(field, value);

    return sdb_hash_set(f.session, key, strlen(key), &pair, 1, 0, NULL);
}

static bool has(const char *key, const char *field, const char *value)
{
    char buffer[256];
    size_t size = 0;
    int error = sdb_hash_get(f.session, key, strlen(key), field, strlen(field), buffer, sizeof(buffer), &size);

    if (error == SDB_ENOTFOUND)
        return value == NULL;
    assert_ok(error);
    return value && size == strlen(value) && memcmp(buffer, value, size) == 0;
}

static uint64_t count_of(const char *key)
{
    uint64_t count = 0;
    int error = sdb_collection_count(f.session, key, strlen(key), SDB_TYPE_HASH, &count);

    assert_true(error == SDB_OK || error == SDB_ENOTFOUND);
    return count;
}

static void fields_are_stored_together_or_not_at_all(void **state)
{
    const struct sdb_pair first[] = {pair_of("a", "1"), pair_of("b", "2"), pair_of("a", "3")};
    const struct sdb_pair absent[] = {pair_of("c", "4"), pair_of("b", "5")};
    struct sdb_pair huge[] = {pair_of("d", "6"), pair_of("e", "")};
    size_t added = 9;

    (void)state;
    assert_ok(sdb_hash_set(f.session, "h", 1, first, 3, 0, &added));
    assert_int_equal(added, 2);
    assert_true(has("h", "a", "3") && has("h", "b", "2"));
    assert_int_equal(sdb_hash_set(f.session, "h", 1, absent, 2, SDB_IF_ABSENT, &added), SDB_ECONDITION);
    assert_true(has("h", "c", NULL) && has("h", "b", "2"));
    huge[1].value.size = (size_t)SDB_ELEMENT_SIZE_MAX + 1; /* nobody reads it */
    assert_int_equal(sdb_hash_set(f.session, "h", 1, huge, 2, 0, &added), SDB_ETOOBIG);
    assert_true(has("h", "d", NULL));
    assert_int_equal(count_of("h"), 2);
    assert_int_equal(added, 2); /* untouched on failure */
}

static void a_write_of_a_small_or_a_large_hash_is_one_fence(void **state)
{
    char name[32];

    (void)state;
    assert_ok(set_one("h", "field", "that takes the first extent"));
    for (int i = 0; i < 400; i++) {
        const uint64_t fences = fixture_stats(&f).fences;

        sprintf(name, "field-%d", i);
        assert_ok(set_one("h", name, "a value"));
        assert_int_equal(fixture_stats(&f).fences, fences + 1);
    }
    assert_int_equal(count_of("h"), 401);
}

static void a_full_pool_takes_nothing_of_a_change(void **state)
{
    static char value[100000];
    struct sdb_pair pairs[8];
    char names[8][32];
    uint64_t before;
    int error = SDB_OK;

    (void)state;
    for (int round = 0; !error; round++) {
        for (int i = 0; i < 8; i++) {
            sprintf(names[i], "%d-%d", round, i);
            pairs[i] = (struct sdb_pair){{names[i], strlen(names[i])}, {value, sizeof(value)}};
        }
        before = count_of("h");
        error = sdb_hash_set(f.session, "h", 1, pairs, 8, 0, NULL);
    }
    assert_int_equal(error, SDB_ENOSPC);
    assert_int_equal(count_of("h"), before);
    assert_ok(sdb_delete(f.session, "h", 1));
    assert_ok(set_one("h", "a", "1")); /* the large one is reclaimed as room is needed */
    for (int i = 0; i < 20; i++) {
        sprintf(names[0], "%d", i);
        assert_ok(sdb_hash_set(f.session, "h", 1, &(struct sdb_pair){{names[0], strlen(names[0])}, {value, sizeof(value)}}, 1, 0, NULL));
    }
}

static void a_key_goes_with_its_last_field_and_expires_as_a_whole(void **state)
{
    const struct sdb_slice both[] = {{"a", 1}, {"b", 1}};
    size_t deleted = 0;

    (void)state;
    assert_int_equal(sdb_hash_delete(f.session, "h", 1, both, 2, &deleted), SDB_ENOTFOUND);
    assert_ok(set_one("h", "a", "1"));
    assert_ok(sdb_hash_delete(f.session, "h", 1, both, 2, &deleted));
    assert_int_equal(deleted, 1);
    assert_int_equal(sdb_exists(f.session, "h", 1), SDB_ENOTFOUND);
    assert_ok(set_one("h", "a", "1"));
    assert_ok(sdb_expire(f.session, "h", 1, NOW + 5));
    sdb_session_set_time(f.session, NOW + 5);
    assert_true(has("h", "a", NULL));
    assert_ok(set_one("h", "b", "2")); /* a new one */
    assert_true(has("h", "a", NULL) && has("h", "b", "2"));
}

static void arithmetic_refuses_what_is_no_number(void **state)
{
    char text[SDB_FLOAT_TEXT_MAX];
    int64_t sum = 7;
    size_t size;

    (void)state;
    assert_ok(set_one("h", "text", "x"));
    assert_ok(set_one("h", "max", "9223372036854775807"));
    assert_int_equal(sdb_hash_add(f.session, "h", 1, "text", 4, 1, &sum), SDB_ENOTINT);
    assert_int_equal(sdb_hash_add(f.session, "h", 1, "max", 3, 1, &sum), SDB_EOVERFLOW);
    assert_int_equal(sum, 7);
    assert_int_equal(sdb_hash_add_float(f.session, "h", 1, "text", 4, 1, text, &size), SDB_ENOTFLOAT);
    assert_int_equal(sdb_hash_add_float(f.session, "h", 1, "new", 3, INFINITY, text, &size), SDB_EOVERFLOW);
    assert_ok(sdb_hash_add_float(f.session, "h", 1, "new", 3, 0.25L, text, &size));
    assert_ok(sdb_hash_add(f.session, "h", 1, "fresh", 5, -3, &sum));
    assert_int_equal(sum, -3);
    assert_true(has("h", "new", "0.25") && has("h", "fresh", "-3") && has("h", "text", "x"));
}

struct met {
    unsigned times[1000];
    unsigned total;
    int stop_at;
};

static int meet(void *context, const struct sdb_element *element)
{
    struct met *met = context;

    met->times[atoi((const char *)element->name.data)]++;
    return ++met->total == (unsigned)met->stop_at;
}

static void fill(unsigned count)
{
    char name[32];

    for (unsigned i = 0; i < count; i++) {
        const struct sdb_pair pair = {{name, (size_t)sprintf(name, "%u", i) + 1}, {"v", 1}}; /* with the NUL, for atoi */

        assert_ok(sdb_hash_set(f.session, "h", 1, &pair, 1, 0, NULL));
    }
}

static void random_elements_are_different_or_not_as_asked_for(void **state)
{
    (void)state;
    for (unsigned size = 40; size <= 900; size += 860) { /* packed, and a tree */
        struct met met = {.total = 0};

        fill(size);
        assert_ok(sdb_collection_random(f.session, "h", 1, SDB_TYPE_HASH, 30, meet, &met));
        assert_int_equal(met.total, 30);
        for (unsigned i = 0; i < size; i++)
            assert_true(met.times[i] <= 1);
        met = (struct met){.total = 0};
        assert_ok(sdb_collection_random(f.session, "h", 1, SDB_TYPE_HASH, 100000, meet, &met));
        assert_int_equal(met.total, size);
        met = (struct met){.total = 0};
        assert_ok(sdb_collection_random(f.session, "h", 1, SDB_TYPE_HASH, -(int64_t)size * 50, meet, &met));
        assert_int_equal(met.total, size * 50);
        for (unsigned i = 0; i < size; i++) /* 50 each on the average: one of 10 or 120 is as good as impossible */
            assert_true(met.times[i] > 10 && met.times[i] < 120);
    }
}

static void a_scan_meets_all_that_stays_whatever_comes_and_goes(void **state)
{
    struct met met = {.total = 0};
    uint64_t cursor = 0;
    unsigned calls = 0;
    char name[32];

    (void)state;
    fill(900);
    do {
        assert_ok(sdb_collection_scan(f.session, "h", 1, SDB_TYPE_HASH, &cursor, 10, meet, &met));
        calls++;
        for (unsigned i = 0; i < 20; i++) { /* those from 800 on go, others come */
            struct sdb_slice gone = {name, (size_t)sprintf(name, "%u", 800 + (calls * 20 + i) % 100) + 1};

            (void)sdb_hash_delete(f.session, "h", 1, &gone, 1, NULL);
            sprintf(name, "%u-new", (calls * 20 + i) % 800);
            assert_ok(set_one("h", name, "v"));
        }
        assert_true(calls < 1000);
    } while (cursor);
    assert_true(calls > 20);
    for (unsigned i = 0; i < 800; i++)
        assert_true(met.times[i] >= 1);
}

static void a_visitor_ends_a_walk_and_that_is_no_error(void **state)
{
    struct met met = {.stop_at = 3};

    (void)state;
    fill(300);
    assert_ok(sdb_collection_each(f.session, "h", 1, SDB_TYPE_HASH, meet, &met));
    assert_int_equal(met.total, 3);
    met = (struct met){.stop_at = 3};
    assert_ok(sdb_collection_random(f.session, "h", 1, SDB_TYPE_HASH, 100, meet, &met));
    assert_int_equal(met.total, 3);
}

static void what_no_type_has_is_an_invalid_argument(void **state)
{
    const struct sdb_element nan = {.name = {"m", 1}, .score = NAN};
    uint64_t n = 0;

    (void)state;
    assert_int_equal(sdb_collection_count(f.session, "h", 1, SDB_TYPE_STRING, &n), SDB_EINVAL);
    assert_int_equal(sdb_collection_each(f.session, "h", 1, 77, meet, NULL), SDB_EINVAL);
    assert_int_equal(sdb_collection_scan(f.session, "h", 1, SDB_TYPE_LIST, &n, 1, meet, NULL), SDB_EINVAL);
    assert_int_equal(sdb_collection_random(f.session, "h", 1, SDB_TYPE_NONE, 1, meet, NULL), SDB_EINVAL);
    assert_int_equal(sdb_collection_add(f.session, "z", 1, SDB_TYPE_ZSET, &nan), SDB_EINVAL);
    assert_int_equal(fixture_count(&f), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(fields_are_stored_together_or_not_at_all, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_write_of_a_small_or_a_large_hash_is_one_fence, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_full_pool_takes_nothing_of_a_change, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_key_goes_with_its_last_field_and_expires_as_a_whole, set_up, tear_down),
        cmocka_unit_test_setup_teardown(arithmetic_refuses_what_is_no_number, set_up, tear_down),
        cmocka_unit_test_setup_teardown(random_elements_are_different_or_not_as_asked_for, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_scan_meets_all_that_stays_whatever_comes_and_goes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_visitor_ends_a_walk_and_that_is_no_error, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_no_type_has_is_an_invalid_argument, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
