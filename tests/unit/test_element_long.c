/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_element_long.c - the largest element there is of each type, and one byte more
 *
 * What is stored is one megabyte, mapped again and again: it takes no memory of its own. One pool at a time, of 1.3 GiB.
 *
 * ctest-labels: long serial
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sys/mman.h>

#include "engine_fixture.h"

#define MOST ((size_t)SDB_ELEMENT_SIZE_MAX)
#define POOL_SIZE (1300 * MIB)

static struct fixture f;
static const char *bytes; /* MOST + 1 of them */

static int map_bytes(void **state)
{
    const int fd = memfd_create("superdb-test", 0);
    char *piece, *all = mmap(NULL, MOST + MIB, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    (void)state;
    if (fd < 0 || all == MAP_FAILED || ftruncate(fd, MIB) != 0)
        return -1;
    for (size_t at = 0; at < MOST + MIB; at += MIB)
        if (mmap(all + at, MIB, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) == MAP_FAILED)
            return -1;
    piece = all;
    for (size_t i = 0; i < MIB; i++)
        piece[i] = (char)(i * 0x9e3779b1u >> 24);
    close(fd);
    bytes = all;
    return 0;
}

static int make_pool(void **state)
{
    (void)state;
    fixture_create(&f, POOL_SIZE, 0, 2);
    return 0;
}

static int drop_pool(void **state)
{
    (void)state;
    fixture_destroy(&f);
    return 0;
}

/* ---- what is asked of each type --------------------------------------------------------------------------------------- */

static struct sdb_slice first(size_t size)
{
    return (struct sdb_slice){bytes, size};
}

static bool is_most(const struct sdb_slice *slice)
{
    return slice->size == MOST && memcmp(slice->data, bytes, MOST) == 0;
}

struct seen {
    unsigned elements, names, values; /* the latter two: that are as large as can be, and right */
    double score;
};

static int see(void *context, const struct sdb_element *element)
{
    struct seen *seen = context;

    seen->elements++;
    seen->names += is_most(&element->name);
    seen->values += is_most(&element->value);
    seen->score = element->score;
    return 0;
}

static struct seen all_of(const char *key, unsigned type)
{
    struct seen seen = {0};

    assert_ok(sdb_collection_each(f.session, key, 1, type, see, &seen));
    return seen;
}

static void note_finding(void *context, const struct sdb_finding *finding)
{
    fixture_note_problem(context, finding->offset, finding->what);
}

static void scrub_finds_nothing(void)
{
    struct sdb_scrub result = {0};
    uint64_t cursor = 0;

    do
        assert_ok(sdb_scrub(f.session, &cursor, 1000000, note_finding, NULL, &result));
    while (cursor);
    assert_int_equal(result.problems, 0);
}

/* The pool is right, and is the same behind a repair and another open. blobs: bytes of elements that the key has. */
static void pool_is_sound(const char *key, uint64_t blobs)
{
    struct sdb_repair repair;
    struct sdb_check check;
    struct sdb_stat stat;

    assert_ok(sdb_stat(f.session, key, 1, &stat));
    assert_true(stat.memory > blobs && stat.memory < blobs + 16 * MIB);
    scrub_finds_nothing();
    assert_ok(sdb_check(f.pool, fixture_note_problem, NULL, &check));
    assert_true(check.problems == 0 && check.bytes_checked > blobs);
    fixture_close(&f);
    assert_ok(sdb_repair(f.path, 0, note_finding, NULL, &repair));
    assert_int_equal(repair.problems, 0);
    fixture_open(&f);
}

/* ---- the types -------------------------------------------------------------------------------------------------------- */

static void a_field_and_its_value_take_512_mib_each(void **state)
{
    const struct sdb_pair most = {first(MOST), first(MOST)};
    const struct sdb_pair field = {first(MOST + 1), first(1)}, value = {first(1), first(MOST + 1)};
    struct seen seen;
    int64_t number;
    size_t added;

    (void)state;
    assert_int_equal(sdb_hash_set(f.session, "h", 1, &field, 1, 0, NULL), SDB_ETOOBIG);
    assert_int_equal(sdb_hash_set(f.session, "h", 1, &value, 1, 0, NULL), SDB_ETOOBIG);
    assert_int_equal(sdb_exists(f.session, "h", 1), SDB_ENOTFOUND);
    assert_ok(sdb_hash_set(f.session, "h", 1, &most, 1, 0, &added));
    assert_int_equal(added, 1);
    assert_int_equal(sdb_hash_add(f.session, "h", 1, bytes, MOST, 1, &number), SDB_ENOTINT);
    pool_is_sound("h", 2 * MOST);
    seen = all_of("h", SDB_TYPE_HASH);
    assert_true(seen.elements == 1 && seen.names == 1 && seen.values == 1);
}

static void a_value_of_512_mib_is_copied_and_replaced(void **state)
{
    const struct sdb_pair most = {{"f", 1}, first(MOST)}, small = {{"f", 1}, {"5", 1}};
    struct seen seen;
    int64_t number;

    (void)state;
    assert_ok(sdb_hash_set(f.session, "h", 1, &most, 1, 0, NULL));
    assert_ok(sdb_copy(f.session, "h", 1, 0, "i", 1, 0));
    assert_ok(sdb_hash_set(f.session, "h", 1, &small, 1, 0, NULL));
    assert_ok(sdb_hash_add(f.session, "h", 1, "f", 1, 2, &number));
    assert_int_equal(number, 7);
    pool_is_sound("i", MOST);
    seen = all_of("i", SDB_TYPE_HASH);
    assert_true(seen.elements == 1 && seen.names == 0 && seen.values == 1);
}

static void an_element_of_a_list_takes_512_mib(void **state)
{
    const struct sdb_slice most = first(MOST), more = first(MOST + 1), small = {"x", 1};
    struct seen seen;

    (void)state;
    assert_int_equal(sdb_list_push(f.session, "l", 1, SDB_LIST_TAIL, &more, 1, 0, NULL), SDB_ETOOBIG);
    assert_ok(sdb_list_push(f.session, "l", 1, SDB_LIST_TAIL, &small, 1, 0, NULL));
    assert_int_equal(sdb_list_set(f.session, "l", 1, 0, more.data, more.size), SDB_ETOOBIG);
    assert_int_equal(sdb_list_insert_before(f.session, "l", 1, &small, &more, NULL), SDB_ETOOBIG);
    assert_ok(sdb_list_set(f.session, "l", 1, 0, most.data, most.size));
    assert_ok(sdb_list_insert_before(f.session, "l", 1, &most, &most, NULL)); /* found among the others by all of its bytes */
    pool_is_sound("l", 2 * MOST);
    seen = all_of("l", SDB_TYPE_LIST);
    assert_true(seen.elements == 2 && seen.names == 2);
}

static void a_member_of_a_set_takes_512_mib(void **state)
{
    const struct sdb_slice most[2] = {first(MOST), first(MOST - 1)}, more = first(MOST + 1);
    unsigned char found[2] = {0};

    (void)state;
    assert_int_equal(sdb_members_add(f.session, "s", 1, &more, 1, NULL), SDB_ETOOBIG);
    assert_ok(sdb_members_add(f.session, "s", 1, &most[0], 1, NULL));
    pool_is_sound("s", MOST);
    assert_ok(sdb_members_find(f.session, "s", 1, most, 2, found));
    assert_true(found[0] && !found[1]);
    assert_int_equal(all_of("s", SDB_TYPE_SET).names, 1);
}

static void a_member_of_a_sorted_set_takes_512_mib(void **state)
{
    const struct sdb_member most = {first(MOST), 2.5}, more = {first(MOST + 1), 1};
    struct seen seen;
    double score;

    (void)state;
    assert_int_equal(sdb_zset_add(f.session, "z", 1, &more, 1, 0, NULL, NULL), SDB_ETOOBIG);
    assert_ok(sdb_zset_add(f.session, "z", 1, &most, 1, 0, NULL, NULL));
    pool_is_sound("z", 2 * MOST); /* it stands in both trees */
    assert_ok(sdb_zset_score(f.session, "z", 1, bytes, MOST, &score));
    assert_true(score == 2.5);
    seen = all_of("z", SDB_TYPE_ZSET);
    assert_true(seen.elements == 1 && seen.names == 1 && seen.score == 2.5);
}

static int see_entry(void *context, const struct sdb_stream_entry *entry)
{
    struct sdb_slice field, value;
    size_t at = 0;

    while (sdb_stream_field(entry, &at, &field, &value))
        *(unsigned *)context += is_most(&field) + is_most(&value);
    return 0;
}

static void an_entry_of_a_stream_takes_fields_and_values_of_512_mib_and_1_gib_in_all(void **state)
{
    struct sdb_slice parts[4] = {first(MOST + 1), first(1), first(1), first(0)};
    const struct sdb_stream_id id = {1, 1};
    struct sdb_stream_addition addition = {.form = SDB_STREAM_ID_GIVEN, .id = id, .fields = parts, .count = 1};
    const struct sdb_stream_range all = {.last = {UINT64_MAX, UINT64_MAX}, .count = 2};
    unsigned seen = 0;

    (void)state;
    assert_int_equal(sdb_stream_add(f.session, "x", 1, &addition, NULL), SDB_ETOOBIG);
    parts[0] = parts[1] = first(MOST);
    addition.count = 2; /* one byte too many in all */
    assert_int_equal(sdb_stream_add(f.session, "x", 1, &addition, NULL), SDB_ETOOBIG);
    parts[2] = first(0);
    assert_int_equal(sdb_exists(f.session, "x", 1), SDB_ENOTFOUND);
    assert_ok(sdb_stream_add(f.session, "x", 1, &addition, NULL));
    pool_is_sound("x", SDB_STREAM_ENTRY_SIZE_MAX);
    assert_ok(sdb_stream_range(f.session, "x", 1, &all, see_entry, &seen));
    assert_int_equal(seen, 2);
}

static void a_consumer_of_a_stream_has_a_name_of_512_mib(void **state)
{
    const struct sdb_stream_start start = {.flags = SDB_STREAM_MAKE};
    const struct sdb_slice group = {"g", 1}, most = first(MOST), more = first(MOST + 1);
    int created = 0;

    (void)state;
    assert_int_equal(sdb_stream_group_create(f.session, "x", 1, bytes, MOST + 1, &start), SDB_ETOOBIG);
    assert_ok(sdb_stream_group_create(f.session, "x", 1, "g", 1, &start));
    assert_int_equal(sdb_stream_consumer_create(f.session, "x", 1, &group, &more, 1, NULL), SDB_ETOOBIG);
    assert_ok(sdb_stream_consumer_create(f.session, "x", 1, &group, &most, 1, &created));
    assert_true(created);
    pool_is_sound("x", 2 * MOST); /* the name leads to the number, and back */
    assert_ok(sdb_stream_consumer_create(f.session, "x", 1, &group, &most, 1, &created));
    assert_false(created);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_field_and_its_value_take_512_mib_each, make_pool, drop_pool),
        cmocka_unit_test_setup_teardown(a_value_of_512_mib_is_copied_and_replaced, make_pool, drop_pool),
        cmocka_unit_test_setup_teardown(an_element_of_a_list_takes_512_mib, make_pool, drop_pool),
        cmocka_unit_test_setup_teardown(a_member_of_a_set_takes_512_mib, make_pool, drop_pool),
        cmocka_unit_test_setup_teardown(a_member_of_a_sorted_set_takes_512_mib, make_pool, drop_pool),
        cmocka_unit_test_setup_teardown(an_entry_of_a_stream_takes_fields_and_values_of_512_mib_and_1_gib_in_all, make_pool, drop_pool),
        cmocka_unit_test_setup_teardown(a_consumer_of_a_stream_has_a_name_of_512_mib, make_pool, drop_pool),
    };

    return cmocka_run_group_tests(tests, map_bytes, NULL);
}
