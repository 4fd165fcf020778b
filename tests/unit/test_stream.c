/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_stream.c - streams as who uses the library sees them: what test_stream_model.c does not meet by chance
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine_case.h"

static struct sdb_stream_id id_of(uint64_t ms, uint64_t sequence)
{
    return (struct sdb_stream_id){ms, sequence};
}

static bool is_id(struct sdb_stream_id id, uint64_t ms, uint64_t sequence)
{
    return id.ms == ms && id.sequence == sequence;
}

static int add_id(const char *to, enum sdb_stream_id_form form, uint64_t ms, uint64_t sequence, struct sdb_stream_added *added)
{
    const struct sdb_slice pair[] = {{"field", 5}, {"value", 5}};
    const struct sdb_stream_addition what = {.form = form, .id = {ms, sequence}, .fields = pair, .count = 1};

    return sdb_stream_add(f.session, to, strlen(to), &what, added);
}

static void fill_up(const char *to, unsigned count)
{
    assert_ok(sdb_begin_all(f.session));
    for (unsigned i = 1; i <= count; i++)
        assert_ok(add_id(to, SDB_STREAM_ID_GIVEN, i, 0, NULL));
    assert_ok(sdb_commit(f.session));
}

static const struct sdb_slice group_g = {"g", 1}, consumer_a = {"a", 1}, consumer_b = {"b", 1};

static int make_group(const char *to, uint32_t flags)
{
    const struct sdb_stream_start start = {.entries_read = SDB_STREAM_UNKNOWN, .flags = flags};

    return sdb_stream_group_create(f.session, to, strlen(to), "g", 1, &start);
}

static int count_shown(void *context, const struct sdb_stream_entry *entry)
{
    (void)entry;
    return --*(int *)context == 0;
}

static int read_as(const char *from, const struct sdb_slice *consumer, uint64_t count)
{
    const struct sdb_stream_reading reading = {.group = group_g, .consumer = *consumer, .count = count};
    int left = 1 << 30;

    assert_ok(sdb_stream_read_group(f.session, from, strlen(from), &reading, NULL, count_shown, &left));
    return (1 << 30) - left;
}

static void ids_end(void **state)
{
    struct sdb_stream_id id = {5, UINT64_MAX};
    struct sdb_stream_added added;
    struct sdb_stream_info info = {.last_id = SDB_STREAM_ID_MAX};

    (void)state;
    assert_true(sdb_stream_id_next(&id) && is_id(id, 6, 0));
    assert_true(sdb_stream_id_previous(&id) && is_id(id, 5, UINT64_MAX));
    id = id_of(0, 0);
    assert_false(sdb_stream_id_previous(&id));
    id = id_of(UINT64_MAX, UINT64_MAX);
    assert_false(sdb_stream_id_next(&id));
    assert_ok(add_id("s", SDB_STREAM_ID_MS, 0, 7, &added));
    assert_true(is_id(added.id, 0, 1));
    assert_ok(add_id("s", SDB_STREAM_ID_GIVEN, 5, UINT64_MAX, NULL));
    assert_int_equal(add_id("s", SDB_STREAM_ID_MS, 5, 0, &added), SDB_ECONDITION);
    sdb_session_set_time(f.session, 5);
    assert_ok(add_id("s", SDB_STREAM_ID_AUTO, 0, 0, &added));
    assert_true(is_id(added.id, 6, 0));
    assert_ok(sdb_stream_set(f.session, "s", 1, &info, 0));
    for (int form = SDB_STREAM_ID_AUTO; form <= SDB_STREAM_ID_GIVEN; form++)
        assert_int_equal(add_id("s", (enum sdb_stream_id_form)form, 7, 7, &added), SDB_EOVERFLOW);
}

static void every_call_is_one_fence_or_none(void **state)
{
    const struct sdb_stream_id ids[] = {{3, 0}, {4, 0}, {900, 0}};
    const struct sdb_stream_trim trim = {.by = SDB_STREAM_BY_LENGTH, .length = 90};
    struct sdb_stream_claim claim = {.group = group_g, .consumer = consumer_b, .ids = ids, .count = 3};
    struct sdb_stream_autoclaim all = {.group = group_g, .consumer = consumer_a, .count = 20};
    uint64_t fences;
    int left = 1 << 30;

    (void)state;
    fill_up("s", 800);
    assert_ok(make_group("s", 0));
#define FENCES(call, expected)                                                                                         \
    fences = fixture_stats(&f).fences;                                                                                 \
    assert_ok(call);                                                                                                   \
    assert_int_equal(fixture_stats(&f).fences - fences, expected)
    FENCES(add_id("s", SDB_STREAM_ID_GIVEN, 900, 0, NULL), 1);
    FENCES(read_as("s", &consumer_a, 50) - 50, 1);
    FENCES(sdb_stream_acknowledge(f.session, "s", 1, &group_g, ids, 2, NULL), 1);
    FENCES(sdb_stream_acknowledge(f.session, "s", 1, &group_g, ids, 2, NULL), 0);
    claim.flags = SDB_STREAM_FORCE;
    FENCES(sdb_stream_claim(f.session, "s", 1, &claim, NULL, count_shown, &left), 1);
    FENCES(sdb_stream_delete(f.session, "s", 1, ids, 2, NULL), 1);
    FENCES(sdb_stream_delete(f.session, "s", 1, ids, 2, NULL), 0);
    FENCES(sdb_stream_autoclaim(f.session, "s", 1, &all, NULL, count_shown, count_shown, &left), 1);
    FENCES(sdb_stream_trim(f.session, "s", 1, &trim, NULL), 1);
    FENCES(sdb_stream_trim(f.session, "s", 1, &trim, NULL), 0);
    FENCES(sdb_stream_group_destroy(f.session, "s", 1, "g", 1), 1);
#undef FENCES
}

static void an_addition_writes_as_little_however_large_the_stream_is(void **state)
{
    uint64_t before, small, large;

    (void)state;
    fill_up("s", 100);
    before = fixture_stats(&f).log_bytes;
    for (unsigned i = 0; i < 200; i++)
        assert_ok(add_id("s", SDB_STREAM_ID_MS, 100, 0, NULL));
    small = fixture_stats(&f).log_bytes - before;
    assert_ok(make_group("s", 0));
    assert_int_equal(read_as("s", &consumer_a, 200), 200);
    fill_up("t", 30000);
    assert_ok(make_group("t", 0));
    assert_int_equal(read_as("t", &consumer_a, 10000), 10000);
    before = fixture_stats(&f).log_bytes;
    for (unsigned i = 0; i < 200; i++)
        assert_ok(add_id("t", SDB_STREAM_ID_MS, 30000, 0, NULL));
    large = fixture_stats(&f).log_bytes - before;
    assert_in_range(large, small / 2, small + small / 2);
}

static void an_empty_stream_stays_and_keeps_its_time(void **state)
{
    const struct sdb_stream_id one = {1, 0};
    struct sdb_stream_info info;
    struct sdb_stat stat;

    (void)state;
    assert_ok(add_id("s", SDB_STREAM_ID_GIVEN, 1, 0, NULL));
    assert_ok(sdb_expire(f.session, "s", 1, NOW + 50));
    assert_ok(sdb_stream_delete(f.session, "s", 1, &one, 1, NULL));
    assert_ok(sdb_stat(f.session, "s", 1, &stat));
    assert_int_equal(stat.type, SDB_TYPE_STREAM);
    assert_int_equal(stat.size, 0);
    assert_int_equal(stat.expire_ms, NOW + 50);
    assert_int_equal(add_id("s", SDB_STREAM_ID_GIVEN, 1, 0, NULL), SDB_ECONDITION);
    assert_ok(add_id("s", SDB_STREAM_ID_GIVEN, 1, 1, NULL));
    sdb_session_set_time(f.session, NOW + 60);
    assert_int_equal(sdb_stream_info(f.session, "s", 1, &info), SDB_ENOTFOUND);
    assert_ok(make_group("e", SDB_STREAM_MAKE));
    fixture_reopen(&f);
    assert_ok(sdb_stream_info(f.session, "e", 1, &info));
    assert_true(info.length == 0 && info.groups == 1 && info.entries_added == 0);
}

static void other_types_and_keys_that_are_not_there_are_told(void **state)
{
    const struct sdb_stream_range range = {SDB_STREAM_ID_MIN, SDB_STREAM_ID_MAX, 0, 1};
    const struct sdb_stream_trim trim = {.by = SDB_STREAM_BY_LENGTH};
    uint64_t count;
    int left = 5;

    (void)state;
    assert_ok(fixture_set(&f, "v", "value"));
    assert_int_equal(add_id("v", SDB_STREAM_ID_AUTO, 0, 0, NULL), SDB_ETYPE);
    assert_int_equal(sdb_stream_range(f.session, "v", 1, &range, count_shown, &left), SDB_ETYPE);
    assert_int_equal(sdb_stream_length(f.session, "v", 1, &count), SDB_ETYPE);
    assert_int_equal(make_group("v", SDB_STREAM_MAKE), SDB_ETYPE);
    assert_int_equal(sdb_stream_trim(f.session, "w", 1, &trim, NULL), SDB_ENOTFOUND);
    assert_int_equal(sdb_stream_length(f.session, "w", 1, &count), SDB_ENOTFOUND);
    assert_int_equal(make_group("w", 0), SDB_ENOTFOUND);
    assert_ok(add_id("s", SDB_STREAM_ID_AUTO, 0, 0, NULL));
    assert_int_equal(sdb_collection_count(f.session, "s", 1, SDB_TYPE_STREAM, &count), SDB_EINVAL);
    assert_int_equal(left, 5);
}

static void a_visitor_that_stops_misses_the_rest(void **state)
{
    const struct sdb_stream_range range = {SDB_STREAM_ID_MIN, SDB_STREAM_ID_MAX, 0, UINT64_MAX};
    struct sdb_stream_reading reading = {.group = group_g, .consumer = consumer_a};
    struct sdb_stream_group group;
    int left = 3;

    (void)state;
    fill_up("s", 200);
    assert_ok(sdb_stream_range(f.session, "s", 1, &range, count_shown, &left));
    assert_int_equal(left, 0);
    assert_ok(make_group("s", 0));
    left = 3;
    assert_ok(sdb_stream_read_group(f.session, "s", 1, &reading, NULL, count_shown, &left));
    assert_int_equal(left, 0);
    assert_ok(sdb_stream_group(f.session, "s", 1, "g", 1, &group));
    assert_int_equal(group.pending, 200); /* what it was shown is what was done */
}

static int see_long_name(void *context, const struct sdb_stream_pending *pending)
{
    const struct sdb_slice *name = context;

    assert_true(pending->consumer.size == name->size && memcmp(pending->consumer.data, name->data, name->size) == 0);
    return 0;
}

static void names_are_of_any_bytes_and_length(void **state)
{
    static char bytes[70000];
    const struct sdb_stream_start start = {.entries_read = 3};
    struct sdb_stream_group group;

    (void)state;
    fill_up("s", 10);
    memset(bytes, 'n', sizeof(bytes));
    for (size_t size = 0; size < sizeof(bytes); size = size * 3 + 1) {
        const struct sdb_slice name = {bytes, size};
        const struct sdb_stream_reading reading = {.group = name, .consumer = name, .count = 4};
        const struct sdb_stream_pending_range range = {.group = name, .last = SDB_STREAM_ID_MAX, .count = 9};
        int left = 9;

        assert_ok(sdb_stream_group_create(f.session, "s", 1, bytes, size, &start));
        assert_ok(sdb_stream_read_group(f.session, "s", 1, &reading, NULL, count_shown, &left));
        assert_int_equal(left, 5);
        assert_ok(sdb_stream_pending(f.session, "s", 1, &range, see_long_name, (void *)(uintptr_t)&name));
        assert_ok(sdb_stream_group(f.session, "s", 1, bytes, size, &group));
        assert_true(group.pending == 4 && group.consumers == 1 && group.entries_read == 7);
    }
    (void)fixture_check(&f);
}

static void what_is_too_big_is_refused(void **state)
{
    struct sdb_slice pair[] = {{"field", 5}, {"", (size_t)SDB_ELEMENT_SIZE_MAX + 1}};
    const struct sdb_stream_addition what = {.fields = pair, .count = 1};

    (void)state;
    assert_int_equal(sdb_stream_add(f.session, "s", 1, &what, NULL), SDB_ETOOBIG); /* nobody reads it */
    assert_int_equal(sdb_exists(f.session, "s", 1), SDB_ENOTFOUND);
}

/* ---- whole streams ---- */

static int fill_it(void *context, struct sdb_stream_filling *filling)
{
    const int *wrong = context;
    const struct sdb_slice pair[] = {{"field", 5}, {"value", 5}};
    const struct sdb_stream_info info = {.last_id = {90, 1}, .max_deleted_id = {40, 0}, .entries_added = 77};
    const struct sdb_stream_group group = {.name = group_g, .last_id = {9, 0}, .entries_read = 5};
    const struct sdb_stream_consumer a = {.name = consumer_a, .seen_ms = 11}, b = {.name = consumer_b, .seen_ms = 12};
    const struct sdb_stream_pending pending = {.id = {3, 0}, .delivered_ms = 8, .deliveries = 2};
    const struct sdb_stream_id low = {*wrong == 1 ? 9 : 10, 0};
    int error = SDB_OK;

    if (*wrong == 2)
        return sdb_stream_fill_consumer(filling, &a);
    for (unsigned i = 1; i < 10 && !error; i++)
        error = sdb_stream_fill_entry(filling, &(struct sdb_stream_id){i, 0}, pair, 1);
    if (!error)
        error = sdb_stream_fill_group(filling, &group);
    if (!error && *wrong == 3)
        error = sdb_stream_fill_pending(filling, &pending);
    if (!error)
        error = sdb_stream_fill_consumer(filling, &a);
    if (!error)
        error = sdb_stream_fill_pending(filling, &pending);
    if (!error)
        error = sdb_stream_fill_consumer(filling, *wrong == 4 ? &a : &b);
    if (!error && *wrong == 5)
        error = sdb_stream_fill_pending(filling, &pending);
    if (!error)
        error = sdb_stream_fill_entry(filling, &low, pair, 1);
    if (!error && *wrong == 6)
        error = sdb_stream_fill_group(filling, &group);
    if (!error && *wrong != 7)
        error = sdb_stream_fill_info(filling, &info);
    return error ? error : *wrong == 8 ? -77 : SDB_OK;
}

static void a_stream_is_filled_in_whole_or_not_at_all(void **state)
{
    struct sdb_stream_info info;
    struct sdb_stream_group group;
    int wrong = 0;

    (void)state;
    assert_ok(fixture_set(&f, "s", "value"));
    assert_ok(sdb_expire(f.session, "s", 1, NOW + 50));
    for (wrong = 1; wrong <= 6; wrong++) {
        assert_int_equal(sdb_stream_store(f.session, "s", 1, fill_it, &wrong), SDB_EINVAL);
        assert_true(fixture_has(&f, "s", "value"));
    }
    wrong = 8;
    assert_int_equal(sdb_stream_store(f.session, "s", 1, fill_it, &wrong), -77);
    wrong = 7;
    assert_ok(sdb_stream_store(f.session, "s", 1, fill_it, &wrong));
    assert_ok(sdb_stream_info(f.session, "s", 1, &info));
    assert_true(info.entries_added == 10 && info.last_id.ms == 10 && info.max_deleted_id.ms == 0);
    wrong = 0;
    assert_ok(sdb_stream_store(f.session, "s", 1, fill_it, &wrong));
    assert_ok(sdb_stream_info(f.session, "s", 1, &info));
    assert_true(info.length == 10 && info.entries_added == 77 && info.last_id.ms == 90 && info.max_deleted_id.ms == 40 && info.groups == 1);
    assert_ok(sdb_stream_group(f.session, "s", 1, "g", 1, &group));
    assert_true(group.consumers == 2 && group.pending == 1 && group.entries_read == 5 && group.first_pending.ms == 3);
    sdb_session_set_time(f.session, NOW + 60);
    assert_ok(sdb_exists(f.session, "s", 1)); /* no time to live */
}

/* ---- room ---- */

static void a_deleted_stream_gives_all_its_memory_back(void **state)
{
    const struct sdb_stream_trim none = {.by = SDB_STREAM_BY_LENGTH, .length = 0}, few = {.by = SDB_STREAM_BY_LENGTH, .length = 10};
    uint64_t before, after;
    int done;

    (void)state;
    fill_up("s", 1); /* the index has what it needs */
    assert_ok(sdb_delete(f.session, "s", 1));
    do
        assert_ok(sdb_maintain(f.session, 1 << 20, &done));
    while (!done);
    assert_ok(sdb_used(f.session, &before));
    for (int round = 0; round < 3; round++) {
        fill_up("s", 20000);
        assert_ok(make_group("s", 0));
        assert_int_equal(read_as("s", &consumer_a, 15000), 15000);
        if (round)
            assert_ok(sdb_stream_trim(f.session, "s", 1, round == 1 ? &none : &few, NULL));
        (void)fixture_check(&f);
        assert_ok(sdb_delete(f.session, "s", 1));
        do
            assert_ok(sdb_maintain(f.session, 1 << 20, &done));
        while (!done);
        assert_ok(sdb_used(f.session, &after));
        assert_int_equal(after, before);
    }
}

static void a_full_pool_takes_a_reading_back_and_is_trimmed(void **state)
{
    const struct sdb_stream_trim trim = {.by = SDB_STREAM_BY_LENGTH, .length = 1000};
    struct sdb_stream_reading reading = {.group = group_g, .consumer = consumer_a};
    struct sdb_stream_group group;
    uint64_t added = 0;
    int error, left = 1 << 30;

    (void)state;
    assert_ok(make_group("s", SDB_STREAM_MAKE));
    while (!(error = add_id("s", SDB_STREAM_ID_MS, 1 + added / 8, 0, NULL)))
        added++;
    assert_int_equal(error, SDB_ENOSPC);
    assert_int_equal(sdb_stream_read_group(f.session, "s", 1, &reading, NULL, count_shown, &left), SDB_ENOSPC);
    assert_ok(sdb_stream_group(f.session, "s", 1, "g", 1, &group));
    assert_true(group.pending == 0 && group.consumers == 0 && group.last_id.ms == 0);
    assert_ok(sdb_stream_trim(f.session, "s", 1, &trim, NULL));
    assert_ok(sdb_stream_read_group(f.session, "s", 1, &reading, NULL, count_shown, &left));
    assert_ok(sdb_stream_group(f.session, "s", 1, "g", 1, &group));
    assert_int_equal(group.pending, 1000);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(ids_end),
        TEST(every_call_is_one_fence_or_none),
        TEST(an_addition_writes_as_little_however_large_the_stream_is),
        TEST(an_empty_stream_stays_and_keeps_its_time),
        TEST(other_types_and_keys_that_are_not_there_are_told),
        TEST(a_visitor_that_stops_misses_the_rest),
        TEST(names_are_of_any_bytes_and_length),
        TEST(what_is_too_big_is_refused),
        TEST(a_stream_is_filled_in_whole_or_not_at_all),
        TEST(a_deleted_stream_gives_all_its_memory_back),
        TEST(a_full_pool_takes_a_reading_back_and_is_trimmed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
