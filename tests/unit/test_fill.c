/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_fill.c - collections that are stored whole: all of them or nothing, whatever the key held; and what is said of a key's use
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>

#include "engine_case.h"

struct source {
    uint32_t type;
    unsigned count, twice; /* elements; those that have the first one's name */
    int error, added;      /* returned behind them; how many were new */
    double score;
};

static int fill(void *context, struct sdb_filling *filling)
{
    struct source *source = context;
    char name[100];

    source->added = 0;
    for (unsigned i = 0; i < source->count + source->twice; i++) {
        const int size = snprintf(name, sizeof(name), "element %u%*s", i < source->count ? i : 0, (int)(i % 70), "");
        const struct sdb_element element = {.name = {name, i < source->count ? (size_t)size : 9},
                                            .value = {"value", 5},
                                            .score = source->score + i};
        int added, error = sdb_collection_fill(filling, &element, &added);

        if (error)
            return error;
        source->added += added;
    }
    return source->error;
}

static int store(const char *key, struct source *source)
{
    return sdb_collection_store(f.session, key, strlen(key), source->type, fill, source);
}

static uint64_t count_of(const char *key, uint32_t type)
{
    uint64_t count = 0;

    assert_ok(sdb_collection_count(f.session, key, strlen(key), type, &count));
    return count;
}

static void a_collection_takes_the_place_of_whatever_there_was(void **state)
{
    const struct sdb_set_options options = {.expire_ms = INT64_MAX / 2};
    struct sdb_stat stat;

    (void)state;
    for (uint32_t type = SDB_TYPE_LIST; type <= SDB_TYPE_ZSET; type++) {
        struct source few = {.type = type, .count = 3}, many = {.type = type, .count = 2000};
        assert_ok(sdb_set(f.session, "k", 1, "text", 4, &options));
        assert_ok(store("k", &few));
        assert_int_equal(count_of("k", type), 3);
        assert_ok(store("k", &many));
        assert_int_equal(many.added, 2000);
        assert_int_equal(count_of("k", type), 2000);
        assert_ok(sdb_stat(f.session, "k", 1, &stat));
        assert_int_equal(stat.expire_ms, 0);
        assert_ok(store("k", &few));
        assert_int_equal(count_of("k", type), 3);
    }
    assert_int_equal(fixture_count(&f), 1);
}

static void an_error_of_the_source_leaves_what_was_there(void **state)
{
    char buffer[8];
    size_t size;

    (void)state;
    assert_ok(sdb_set(f.session, "k", 1, "text", 4, NULL));
    for (uint32_t type = SDB_TYPE_LIST; type <= SDB_TYPE_ZSET; type++) {
        struct source source = {.type = type, .count = 1000, .error = SDB_EFORMAT};
        assert_int_equal(store("k", &source), SDB_EFORMAT);
        assert_int_equal(store("new", &source), SDB_EFORMAT);
        source = (struct source){.type = type, .count = 1, .error = SDB_EFORMAT};
        assert_int_equal(store("k", &source), SDB_EFORMAT);
    }
    assert_ok(sdb_get(f.session, "k", 1, buffer, sizeof(buffer), &size));
    assert_memory_equal(buffer, "text", 4);
    assert_int_equal(fixture_count(&f), 1);
}

static void names_that_come_twice_are_told_of(void **state)
{
    (void)state;
    for (uint32_t type = SDB_TYPE_SET; type <= SDB_TYPE_ZSET; type++) {
        struct source source = {.type = type, .count = 10, .twice = 3};
        assert_ok(store("k", &source));
        assert_int_equal(source.added, 10);
        assert_int_equal(count_of("k", type), 10);
    }
}

static void nothing_stored_is_no_key(void **state)
{
    struct source source = {.type = SDB_TYPE_SET};

    (void)state;
    assert_ok(sdb_set(f.session, "k", 1, "text", 4, NULL));
    (void)store("k", &source);
    assert_int_equal(sdb_exists(f.session, "k", 1), SDB_ENOTFOUND);
    source = (struct source){.type = SDB_TYPE_ZSET, .count = 1, .score = NAN};
    assert_int_equal(store("k", &source), SDB_EINVAL);
    source = (struct source){.type = SDB_TYPE_STRING, .count = 1};
    assert_int_equal(store("k", &source), SDB_EINVAL);
    assert_int_equal(fixture_count(&f), 0);
}

static void a_key_is_as_unused_as_is_said_of_it(void **state)
{
    const uint64_t hour = 3600000, year = 8760 * hour;
    struct sdb_stat stat;

    (void)state;
    assert_ok(sdb_set(f.session, "k", 1, "text", 4, NULL));
    assert_ok(sdb_set_use(f.session, "k", 1, hour, 7)); /* nobody wants to know */
    assert_int_equal(sdb_set_use(f.session, "none", 4, hour, 7), SDB_ENOTFOUND);
    assert_ok(sdb_track_access(f.pool, SDB_ACCESS_RECENCY, 10, 1));
    assert_ok(sdb_set_use(f.session, "k", 1, hour, 7));
    assert_ok(sdb_stat(f.session, "k", 1, &stat));
    assert_in_range(stat.idle_ms, hour - 1000, hour + 1000);
    assert_ok(sdb_set_use(f.session, "k", 1, year, 7)); /* more than can be said */
    assert_ok(sdb_stat(f.session, "k", 1, &stat));
    assert_in_range(stat.idle_ms, 4000 * hour, year);
    assert_ok(sdb_track_access(f.pool, SDB_ACCESS_FREQUENCY, 10, 0));
    assert_ok(sdb_set_use(f.session, "k", 1, hour, 77));
    assert_ok(sdb_stat(f.session, "k", 1, &stat));
    assert_int_equal(stat.frequency, 77);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_collection_takes_the_place_of_whatever_there_was, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_error_of_the_source_leaves_what_was_there, set_up, tear_down),
        cmocka_unit_test_setup_teardown(names_that_come_twice_are_told_of, set_up, tear_down),
        cmocka_unit_test_setup_teardown(nothing_stored_is_no_key, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_key_is_as_unused_as_is_said_of_it, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
