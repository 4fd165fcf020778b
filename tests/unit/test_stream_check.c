/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_stream_check.c - what a stream keeps next to its entries, put out of joint: the check says it, the repair takes the stream, no other key
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine_case.h"
#include "stream.h"

static const struct sdb_slice group_g = {"g", 1}, consumer_a = {"a", 1}, consumer_b = {"b", 1};
static char told[256]; /* the first problem */

static int see_nothing(void *context, const struct sdb_stream_entry *entry)
{
    (void)context;
    (void)entry;
    return 0;
}

/* Entries, a group with two consumers, and something pending of each. */
static void make_stream(void)
{
    const struct sdb_slice pair[] = {{"field", 5}, {"value", 5}};
    struct sdb_stream_addition what = {.form = SDB_STREAM_ID_GIVEN, .fields = pair, .count = 1};
    const struct sdb_stream_start start = {.entries_read = 0};
    struct sdb_stream_reading reading = {.group = group_g, .consumer = consumer_a, .count = 30};

    for (unsigned i = 1; i <= 90; i++) {
        what.id.ms = i;
        assert_ok(sdb_stream_add(f.session, "s", 1, &what, NULL));
    }
    assert_ok(sdb_stream_group_create(f.session, "s", 1, "g", 1, &start));
    assert_ok(sdb_stream_read_group(f.session, "s", 1, &reading, NULL, see_nothing, NULL));
    reading.consumer = consumer_b;
    assert_ok(sdb_stream_read_group(f.session, "s", 1, &reading, NULL, see_nothing, NULL));
}

static void note_first(void *context, uint64_t offset, const char *what)
{
    (void)context;
    (void)offset;
    if (!told[0])
        (void)snprintf(told, sizeof(told), "%s", what);
}

/* What the check says of a stream that was changed so; the rest of the pool is right. */
static void expect_told(collection_fn *change, const char *problem)
{
    struct sdb_check result;

    make_stream();
    told[0] = '\0';
    assert_ok(sdb_check(f.pool, note_first, NULL, &result));
    assert_ok(collection_change(f.session, "s", 1, SDB_TYPE_STREAM, change, NULL));
    assert_int_equal(sdb_check(f.pool, note_first, NULL, &result), SDB_ECORRUPT);
    assert_string_equal(told, problem);
    assert_int_equal(result.problems, 1);
    assert_ok(sdb_delete(f.session, "s", 1));
}

/* ---- what is changed ---- */

static int without_owned(struct collection *stream, void *context)
{
    const struct stream_record key = {.tag = STREAM_TAG_OWNED, .group = 1, .consumer = 1, .id = {7, 0}};

    (void)context;
    return stream_record_take(stream, &key);
}

static int without_pending(struct collection *stream, void *context)
{
    const struct stream_record key = {.tag = STREAM_TAG_PENDING, .group = 1, .id = {7, 0}};

    (void)context;
    return stream_record_take(stream, &key);
}

static int of_another(struct collection *stream, void *context)
{
    const struct stream_record record = {.tag = STREAM_TAG_PENDING, .group = 1, .id = {7, 0}, .consumer = 2, .time = 5, .deliveries = 1};

    (void)context;
    return stream_record_put(stream, &record);
}

static int of_nobody(struct collection *stream, void *context)
{
    const struct stream_record record = {.tag = STREAM_TAG_PENDING, .group = 1, .id = {80, 0}, .consumer = 3, .time = 5, .deliveries = 1};
    struct stream_record owned = record;
    int error = stream_record_put(stream, &record);

    (void)context;
    owned.tag = STREAM_TAG_OWNED;
    return error ? error : stream_record_put(stream, &owned);
}

static int another_name(struct collection *stream, void *context)
{
    const struct stream_record record = {.tag = STREAM_TAG_NAME, .group = 1, .consumer = 2, .name = {"c", 1}};

    (void)context;
    return stream_record_put(stream, &record);
}

static int without_group(struct collection *stream, void *context)
{
    const struct stream_record key = {.tag = STREAM_TAG_GROUP, .name = group_g};

    (void)context;
    return stream_record_take(stream, &key);
}

static int same_number(struct collection *stream, void *context)
{
    const struct stream_record record = {.tag = STREAM_TAG_GROUP, .name = {"h", 1}, .group = 1, .next = 9};

    (void)context;
    return stream_record_put(stream, &record);
}

static int number_to_come(struct collection *stream, void *context)
{
    const struct stream_record record = {.tag = STREAM_TAG_GROUP, .name = {"h", 1}, .group = 2, .next = 1};

    (void)context;
    return stream_record_put(stream, &record);
}

static int last_is_low(struct collection *stream, void *context)
{
    const struct stream_record record = {.tag = STREAM_TAG_STREAM, .id = {89, 0}, .next = 2};

    (void)context;
    tree_set_user(&stream->tree, STREAM_USER_RECORDED);
    return stream_record_put(stream, &record);
}

static int without_stream(struct collection *stream, void *context)
{
    const struct stream_record key = {.tag = STREAM_TAG_STREAM};

    (void)context;
    return stream_record_take(stream, &key);
}

/* A key with a number that is not in its one form. */
static int nonsense(struct collection *stream, void *context)
{
    static const uint8_t bytes[] = {6, STREAM_TAG_PENDING, 1, 242, 0, 200, 0};
    struct tree_place place;
    struct tree_probe probe;
    const int error = stream_open_records(stream);

    (void)context;
    tree_probe_record(bytes + 1, sizeof(bytes) - 1, &probe);
    if (error || tree_find(&stream->members, &probe, &place) != TREE_MISSING)
        return error ? error : SDB_EINVAL;
    stream->changed = true;
    return tree_insert(&stream->members, &place, &(struct sdb_slice){bytes, sizeof(bytes)}, 1);
}

/* A companion that is no tree of records. */
static int other_companion(struct collection *stream, void *context)
{
    uint64_t header, old;
    int error = tree_companion(&stream->tree, &old);

    (void)context;
    if (!error)
        error = tree_create(&f.pool->heap, &f.session->tx, stream->tree.shard, TREE_SET, &header);
    if (!error)
        error = tree_drop(&f.pool->heap, &f.session->tx, old);
    if (!error)
        tree_set_companion(&stream->tree, header);
    stream->changed = true;
    return error;
}

static void the_check_compares_what_is_there_in_two_forms(void **state)
{
    (void)state;
    expect_told(without_owned, "stream: what is pending by id and by consumer differs");
    expect_told(without_pending, "stream: what is pending by id and by consumer differs");
    expect_told(of_another, "stream: what is pending by id and by consumer differs");
    expect_told(another_name, "stream: consumers by name and by number differ");
}

static void the_check_knows_groups_and_consumers_by_their_numbers(void **state)
{
    (void)state;
    expect_told(of_nobody, "stream: what is pending belongs to no consumer");
    expect_told(without_group, "stream: a consumer belongs to no group");
    expect_told(same_number, "stream: two groups or consumers have one number");
    expect_told(number_to_come, "stream: a group has a number that was not given yet");
    expect_told(without_stream, "stream: a group has a number that was not given yet");
}

static void the_check_knows_the_last_id(void **state)
{
    (void)state;
    expect_told(last_is_low, "stream: its last id is before its last entry");
}

static void the_check_reads_every_record(void **state)
{
    (void)state;
    expect_told(nonsense, "stream: a record makes no sense");
    expect_told(other_companion, "collection: an impossible kind or height");
}

/* ---- repairing ---- */

static void a_repair_takes_the_stream_and_nothing_else(void **state)
{
    struct sdb_repair result;

    (void)state;
    make_stream();
    assert_ok(fixture_set(&f, "k", "value"));
    assert_ok(collection_change(f.session, "s", 1, SDB_TYPE_STREAM, without_owned, NULL));
    fixture_close(&f);
    assert_ok(sdb_repair(f.path, 0, NULL, NULL, &result));
    assert_int_equal(result.keys_lost, 1);
    assert_int_equal(result.keys_kept, 1);
    fixture_open(&f);
    assert_int_equal(sdb_exists(f.session, "s", 1), SDB_ENOTFOUND);
    assert_true(fixture_has(&f, "k", "value"));
    assert_int_equal(fixture_check(&f), 1);
}

/* ---- numbers ---- */

static void keys_are_ordered_as_their_numbers(void **state)
{
    uint8_t before[STREAM_HEAD_MAX], after[STREAM_HEAD_MAX];
    uint64_t last = 0;
    size_t size;

    (void)state;
    size = stream_record_prefix(STREAM_TAG_PENDING, last, NULL, before);
    for (uint64_t i = 0; i < 64 * 3; i++) {
        const uint64_t number = (1ull << i / 3) + i % 3 - 1;
        struct stream_element element;
        struct stream_record record = {.tag = STREAM_TAG_PENDING, .group = number, .id = {number, ~number}, .consumer = number}, again;
        uint8_t bytes[256];
        size_t n = 0;

        record.time = (int64_t)number;
        record.deliveries = ~number;
        stream_record_write(&record, &element);
        for (unsigned part = 0; part < 3; n += element.parts[part].size, part++)
            memcpy(bytes + n, element.parts[part].data, element.parts[part].size);
        assert_true(stream_record_read(bytes, n, &again));
        assert_true(again.group == number && again.id.ms == number && again.id.sequence == ~number && again.consumer == number &&
                    again.time == (int64_t)number && again.deliveries == ~number);
        for (size_t cut = 0; cut < n; cut++)
            assert_false(stream_record_read(bytes, cut, &again));
        if (number <= last)
            continue;
        const size_t now = stream_record_prefix(STREAM_TAG_PENDING, number, NULL, after);
        assert_true(memcmp(before, after, size < now ? size : now) < 0);
        memcpy(before, after, size = now);
        last = number;
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(the_check_compares_what_is_there_in_two_forms),
        TEST(the_check_knows_groups_and_consumers_by_their_numbers),
        TEST(the_check_knows_the_last_id),
        TEST(the_check_reads_every_record),
        TEST(a_repair_takes_the_stream_and_nothing_else),
        cmocka_unit_test(keys_are_ordered_as_their_numbers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
