/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_observe.c - the pool's observer is told of every change, once, with the key's shard locked
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine_case.h"

static char told[4096];

static const char *const names[] = {"", "stored", "deleted", "expired", "emptied", "swapped", "created", "evicted", "groups", "undone"};

static void note(const struct sdb_change *change)
{
    size_t at = strlen(told);

    assert_non_null(change->session);
    if (change->kind == SDB_CHANGE_UNDONE)
        snprintf(told + at, sizeof(told) - at, "undone;");
    else if (change->kind == SDB_CHANGE_EMPTIED || change->kind == SDB_CHANGE_SWAPPED)
        snprintf(told + at, sizeof(told) - at, "%s %u %u;", names[change->kind], change->database, change->other);
    else
        snprintf(told + at, sizeof(told) - at, "%s %u %.*s;", names[change->kind], change->database, (int)change->key.size,
                 (const char *)change->key.data);
}

/* What the observer was told of since the last call. */
static const char *heard(void)
{
    static char copy[sizeof(told)];

    strcpy(copy, told);
    told[0] = '\0';
    return copy;
}

static int set_up_observed(void **state)
{
    told[0] = '\0';
    set_up(state);
    sdb_observe(f.pool, note);
    return 0;
}

static void every_way_of_changing_a_key_is_told(void **state)
{
    const struct sdb_slice keys[2] = {{"a", 1}, {"b", 1}};
    const struct sdb_pair pairs[2] = {{{"a", 1}, {"1", 1}}, {{"b", 1}, {"2", 1}}};
    uint64_t handle;
    size_t size;

    (void)state;
    assert_ok(fixture_set(&f, "k", "v"));
    assert_string_equal(heard(), "created 0 k;");
    assert_ok(sdb_append(f.session, "k", 1, "w", 1, &size));
    assert_string_equal(heard(), "stored 0 k;");
    assert_ok(sdb_handle(f.session, "k", 1, &handle));
    assert_string_equal(heard(), "");
    assert_ok(sdb_set_by_handle(f.session, handle, "x", 1));
    assert_string_equal(heard(), "stored 0 k;");
    assert_ok(sdb_expire(f.session, "k", 1, INT64_MAX));
    assert_string_equal(heard(), "stored 0 k;");
    assert_ok(sdb_expire(f.session, "k", 1, 1));
    assert_string_equal(heard(), "deleted 0 k;");
    assert_int_equal(sdb_delete(f.session, "k", 1), SDB_ENOTFOUND);
    assert_string_equal(heard(), "");
    assert_ok(sdb_set_many(f.session, pairs, 2, 0));
    assert_string_equal(heard(), "created 0 a;created 0 b;");
    assert_ok(sdb_rename(f.session, "a", 1, "c", 1, 1));
    assert_string_equal(heard(), "created 0 c;deleted 0 a;");
    assert_ok(sdb_move(f.session, "c", 1, 5));
    assert_string_equal(heard(), "created 5 c;deleted 0 c;");
    assert_ok(sdb_delete_many(f.session, keys, 2, NULL));
    assert_string_equal(heard(), "deleted 0 b;");
    sdb_observe(f.pool, NULL);
    assert_ok(fixture_set(&f, "k", "v"));
    assert_string_equal(heard(), "");
}

static void an_expired_key_is_told_of_when_it_is_deleted(void **state)
{
    const struct sdb_set_options options = {.expire_ms = 1000};
    int done;

    (void)state;
    sdb_session_set_time(f.session, 500);
    assert_ok(sdb_set(f.session, "k", 1, "v", 1, &options));
    assert_ok(sdb_set(f.session, "l", 1, "v", 1, &options));
    assert_string_equal(heard(), "created 0 k;created 0 l;");
    sdb_session_set_time(f.session, 1000);
    assert_true(fixture_has(&f, "k", NULL));
    assert_string_equal(heard(), "");
    assert_ok(fixture_set(&f, "k", "w"));
    assert_string_equal(heard(), "expired 0 k;created 0 k;");
    assert_ok(sdb_maintain(f.session, 1 << 20, &done));
    assert_string_equal(heard(), "expired 0 l;");
}

/* Until there is no room for another value of this size. */
static void fill(const char *value, size_t size)
{
    static unsigned next;
    char key[16];
    int error = SDB_OK;

    for (; !error; next++)
        error = sdb_set(f.session, key, (size_t)sprintf(key, "k%u", next), value, size, NULL);
    assert_int_equal(error, SDB_ENOSPC);
}

static int set_up_small(void **state)
{
    (void)state;
    fixture_create(&f, 16 * MIB, 16 * MIB, 1);
    sdb_session_set_time(f.session, NOW);
    return 0;
}

static int ignore(void *context, const struct sdb_element *element)
{
    (void)context;
    (void)element;
    return 0;
}

/* Whether what was heard is `undone` rather than `at_once`: where blocks lie follows from the pool's random seed, and with it who finds room. */
static bool heard_undone(const char *at_once, const char *undone)
{
    const char *words = heard();

    if (strcmp(words, at_once) != 0)
        assert_string_equal(words, undone);
    return strcmp(words, undone) == 0;
}

#define LISTS 10u /* which make room, one after the other */

static void what_begins_anew_in_a_full_pool_is_told_to_be_undone(void **state)
{
    static char value[690];
    const struct sdb_slice s = {"s", 1}, d = {"d", 1}, small = {"x", 1}, large[2] = {{value, sizeof(value) - 8}, {"y", 1}};
    unsigned undone = 0;
    char lists[LISTS][8];

    (void)state;
    memset(value, 'v', sizeof(value));
    assert_ok(sdb_list_push(f.session, "d", 1, SDB_LIST_TAIL, &small, 1, 0, NULL));
    assert_ok(sdb_list_push(f.session, "s", 1, SDB_LIST_TAIL, large, 2, 0, NULL));
    for (unsigned i = 0; i < LISTS; i++)
        sprintf(lists[i], "list%u", i);
    for (unsigned i = 0; i < 200 * LISTS; i++)
        assert_ok(sdb_list_push(f.session, lists[i / 200], 5, SDB_LIST_TAIL, large, 1, 0, NULL)); /* whole pages of each */
    fill(value, sizeof(value));
    assert_ok(sdb_delete(f.session, lists[0], 5)); /* a step at a time, once somebody needs the room */
    sdb_observe(f.pool, note);
    told[0] = '\0';
    assert_ok(sdb_list_move(f.session, &s, SDB_LIST_TAIL, &d, SDB_LIST_TAIL, ignore, NULL)); /* into room that is kept back for it */
    (void)heard_undone("stored 0 d;stored 0 s;", "stored 0 d;undone;stored 0 d;stored 0 s;");
    for (unsigned i = 1; i < LISTS; i++) {
        const char a[] = {'a', (char)('0' + i)}, b[] = {'b', (char)('0' + i)};
        const struct sdb_pair pairs[2] = {{{a, 2}, {"1", 1}}, {{b, 2}, {value, sizeof(value)}}};
        char at_once[40], anew[80];

        sdb_observe(f.pool, NULL);
        fill(value, sizeof(value));
        assert_ok(sdb_delete(f.session, lists[i], 5));
        sdb_observe(f.pool, note);
        assert_ok(sdb_set_many(f.session, pairs, 2, 0));
        sprintf(at_once, "created 0 a%u;created 0 b%u;", i, i);
        sprintf(anew, "created 0 a%u;undone;%s", i, at_once);
        undone += heard_undone(at_once, anew);
    }
    assert_true(undone > 0);
}

static void databases_are_told_of_before_they_change(void **state)
{
    int done = 0;

    (void)state;
    assert_ok(fixture_set(&f, "k", "v"));
    heard();
    assert_ok(sdb_swap_databases(f.session, 0, 3));
    assert_string_equal(heard(), "swapped 0 3;");
    assert_ok(sdb_select(f.session, 3));
    assert_ok(fixture_set(&f, "k", "w"));
    assert_string_equal(heard(), "stored 3 k;");
    assert_ok(sdb_flush(f.session));
    assert_string_equal(heard(), "emptied 3 3;");
    while (!done)
        assert_ok(sdb_maintain(f.session, 1 << 20, &done));
    assert_string_equal(heard(), ""); /* what is reclaimed belongs to no database */
    assert_ok(sdb_flush_all(f.session));
    assert_memory_equal(heard(), "emptied 0 0;emptied 1 1;", 24);
}

static void look_around(const struct sdb_change *change)
{
    assert_ok(sdb_select(change->session, change->other));
    note(change);
    assert_int_equal(sdb_exists(change->session, "k", 1), SDB_ENOTFOUND);
}

static void what_the_observer_selects_does_not_last(void **state)
{
    (void)state;
    sdb_observe(f.pool, look_around);
    assert_ok(sdb_swap_databases(f.session, 0, 3));
    assert_string_equal(heard(), "swapped 0 3;");
    sdb_observe(f.pool, note);
    assert_ok(fixture_set(&f, "k", "v"));
    assert_string_equal(heard(), "created 0 k;");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up_observed, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(every_way_of_changing_a_key_is_told),
        TEST(an_expired_key_is_told_of_when_it_is_deleted),
        cmocka_unit_test_setup_teardown(what_begins_anew_in_a_full_pool_is_told_to_be_undone, set_up_small, tear_down),
        TEST(databases_are_told_of_before_they_change),
        TEST(what_the_observer_selects_does_not_last),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
