/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_set_type.c - sets against plain arrays of which members there are: integers, packed names and trees, what is popped, moved and
 * comes of several sets
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine_case.h"

#define KEYS 6u
#define NUMBERS_MAX 6000u /* members have numbers below it */
#define BATCH_MAX 40u

enum shape { INTS, NAMES, LONG_NAMES };

/* The sets k0 to k5. */
static bool model[KEYS][NUMBERS_MAX];
static enum shape shape;
static unsigned numbers; /* in use */
static bool seen[NUMBERS_MAX];
static unsigned seen_count;

/* ---- members and keys ---- */

static size_t make_name(unsigned number, char name[100])
{
    if (shape == INTS)
        return (size_t)sprintf(name, "%d", (int)number - 30);
    return (size_t)sprintf(name, shape == NAMES ? "name-%u" : "%080u", number);
}

static unsigned number_of(const struct sdb_slice *name)
{
    char text[100];

    assert_in_range(name->size, 1, 99);
    memcpy(text, name->data, name->size);
    text[name->size] = '\0';
    return shape == INTS ? (unsigned)(atoi(text) + 30) : (unsigned)atoi(shape == NAMES ? text + 5 : text);
}

static struct sdb_slice key_of(unsigned key)
{
    static const char *const names[KEYS] = {"k0", "k1", "k2", "a key that does not lie in its entry: k3", "k4", "k5"};

    return (struct sdb_slice){names[key], strlen(names[key])};
}

static unsigned model_count(unsigned key)
{
    unsigned count = 0;

    for (unsigned i = 0; i < NUMBERS_MAX; i++)
        count += model[key][i];
    return count;
}

static unsigned any_number(void)
{
    return (unsigned)fixture_random(&f, numbers);
}

static unsigned any_key(void)
{
    return (unsigned)fixture_random(&f, KEYS);
}

/* ---- what is shown ---- */

static int see(void *context, const struct sdb_element *element)
{
    const unsigned number = number_of(&element->name);

    (void)context;
    assert_in_range(number, 0, NUMBERS_MAX - 1);
    assert_false(seen[number]);
    assert_int_equal(element->value.size, 0);
    seen[number] = true;
    seen_count++;
    return 0;
}

static void see_nothing(void)
{
    memset(seen, 0, sizeof(seen));
    seen_count = 0;
}

static void compare(unsigned key)
{
    const struct sdb_slice name = key_of(key);
    const unsigned wanted = model_count(key);
    uint64_t count = 0;
    int error;

    see_nothing();
    error = sdb_collection_each(f.session, name.data, name.size, SDB_TYPE_SET, see, NULL);
    assert_int_equal(error, wanted ? SDB_OK : SDB_ENOTFOUND);
    assert_memory_equal(seen, model[key], sizeof(seen));
    error = sdb_collection_count(f.session, name.data, name.size, SDB_TYPE_SET, &count);
    assert_int_equal(error, wanted ? SDB_OK : SDB_ENOTFOUND);
    assert_int_equal(count, wanted);
}

/* ---- steps, each done to the model, too ---- */

static void add_or_remove(bool adding)
{
    char bytes[BATCH_MAX][100];
    struct sdb_slice members[BATCH_MAX];
    const unsigned key = any_key();
    const struct sdb_slice name = key_of(key);
    const bool was_there = model_count(key) != 0;
    const size_t count = fixture_random(&f, adding ? BATCH_MAX : 10) + 1;
    size_t changed = 0, told = 999;
    int error;

    for (size_t i = 0; i < count; i++) {
        const unsigned number = any_number();

        members[i] = (struct sdb_slice){bytes[i], make_name(number, bytes[i])};
        changed += model[key][number] != adding;
        model[key][number] = adding;
    }
    error = (adding ? sdb_members_add : sdb_members_remove)(f.session, name.data, name.size, members, count, &told);
    assert_int_equal(error, adding || was_there ? SDB_OK : SDB_ENOTFOUND);
    assert_int_equal(told, error ? 999 : changed);
}

static void find(void)
{
    char bytes[BATCH_MAX][100];
    struct sdb_slice members[BATCH_MAX];
    unsigned char found[BATCH_MAX];
    unsigned asked[BATCH_MAX];
    const unsigned key = any_key();
    const struct sdb_slice name = key_of(key);

    memset(found, 7, sizeof(found));
    for (unsigned i = 0; i < BATCH_MAX; i++) {
        asked[i] = any_number();
        members[i] = (struct sdb_slice){bytes[i], make_name(asked[i], bytes[i])};
    }
    assert_ok(sdb_members_find(f.session, name.data, name.size, members, BATCH_MAX, found));
    for (unsigned i = 0; i < BATCH_MAX; i++)
        assert_int_equal(found[i], model[key][asked[i]]);
}

static void pop(void)
{
    const unsigned key = any_key(), before = model_count(key);
    const struct sdb_slice name = key_of(key);
    const unsigned count = (unsigned)fixture_random(&f, fixture_random(&f, 30) ? 12 : NUMBERS_MAX);
    const unsigned wanted = count < before ? count : before;
    int error;

    see_nothing();
    error = sdb_members_pop(f.session, name.data, name.size, count, see, NULL);
    assert_int_equal(error, before ? SDB_OK : SDB_ENOTFOUND);
    assert_int_equal(seen_count, wanted);
    for (unsigned i = 0; i < NUMBERS_MAX; i++) {
        assert_true(!seen[i] || model[key][i]);
        model[key][i] = model[key][i] && !seen[i];
    }
}

static void move(void)
{
    char bytes[100];
    const unsigned from = any_key(), to = any_key(), number = any_number();
    const struct sdb_slice source = key_of(from), destination = key_of(to);
    const size_t size = make_name(number, bytes);

    assert_int_equal(sdb_members_move(f.session, &source, &destination, bytes, size), model[from][number] ? SDB_OK : SDB_ENOTFOUND);
    if (model[from][number]) {
        model[from][number] = false;
        model[to][number] = true;
    }
}

/* What the model says comes of the sets. */
static unsigned combine_model(enum sdb_combination how, const unsigned *keys, size_t count, bool result[NUMBERS_MAX])
{
    unsigned members = 0;

    for (unsigned i = 0; i < NUMBERS_MAX; i++) {
        bool in = model[keys[0]][i];

        for (size_t k = 1; k < count; k++)
            in = how == SDB_UNION ? in || model[keys[k]][i] : how == SDB_INTERSECTION ? in && model[keys[k]][i] : in && !model[keys[k]][i];
        result[i] = in;
        members += in;
    }
    return members;
}

static void combine(void)
{
    static bool result[NUMBERS_MAX];
    const enum sdb_combination how = (enum sdb_combination)fixture_random(&f, 3);
    const size_t count = fixture_random(&f, 4) + 1;
    unsigned keys[4], expected;
    struct sdb_slice names[4];
    uint64_t limit = fixture_random(&f, 2) ? 0 : fixture_random(&f, 50), wanted, stored = 0;

    for (size_t i = 0; i < count; i++) {
        keys[i] = any_key();
        names[i] = key_of(keys[i]);
    }
    expected = combine_model(how, keys, count, result);
    wanted = limit && limit < expected ? limit : expected;
    see_nothing();
    assert_ok(sdb_members_combine(f.session, how, names, count, limit, see, NULL));
    assert_int_equal(seen_count, wanted);
    for (unsigned i = 0; i < NUMBERS_MAX; i++)
        assert_true(!seen[i] || result[i]);
    if (fixture_random(&f, 2)) {
        const unsigned to = any_key();
        const struct sdb_slice destination = key_of(to);

        assert_ok(sdb_members_store(f.session, how, &destination, names, count, &stored));
        assert_int_equal(stored, expected);
        memcpy(model[to], result, sizeof(result));
        compare(to);
    }
}

static void step(void)
{
    const unsigned kind = (unsigned)fixture_random(&f, 20);

    if (kind < 7)
        add_or_remove(true);
    else if (kind < 11)
        add_or_remove(false);
    else if (kind < 13)
        find();
    else if (kind == 13)
        pop();
    else if (kind < 17)
        move();
    else
        combine();
}

static void run(enum shape of_shape, unsigned of_numbers, unsigned steps)
{
    shape = of_shape;
    numbers = of_numbers;
    memset(model, 0, sizeof(model));
    assert_ok(sdb_flush_all(f.session));
    for (unsigned i = 0; i < steps; i++) {
        step();
        if (i % 50 == 0)
            for (unsigned key = 0; key < KEYS; key++)
                compare(key);
        if (i % 400 == 399) {
            if (i % 800 == 399)
                fixture_crash(&f);
            else
                fixture_reopen(&f);
            sdb_session_set_time(f.session, NOW);
            (void)fixture_check(&f);
        }
    }
}

static void sets_of_integers_are_what_was_done_to_them(void **state)
{
    (void)state;
    run(INTS, 60, 1600);
    run(INTS, 1000, 1600);
}

static void packed_sets_are_what_was_done_to_them(void **state)
{
    (void)state;
    run(NAMES, 100, 2400);
}

static void large_sets_are_what_was_done_to_them(void **state)
{
    (void)state;
    run(LONG_NAMES, 50, 800); /* trees for the size of their names */
    run(NAMES, 2000, 1600);
}

/* ---- one by one ---- */

static int fill(const char *key, unsigned from, unsigned to)
{
    char bytes[100];
    int error = SDB_OK;

    for (unsigned i = from; i < to && !error; i++) {
        const struct sdb_slice member = {bytes, make_name(i, bytes)};

        error = sdb_members_add(f.session, key, strlen(key), &member, 1, NULL);
    }
    return error;
}

static uint64_t count_of(const char *key)
{
    uint64_t count = 0;
    int error = sdb_collection_count(f.session, key, strlen(key), SDB_TYPE_SET, &count);

    assert_true(error == SDB_OK || error == SDB_ENOTFOUND);
    return count;
}

static uint64_t fences(void)
{
    return fixture_stats(&f).fences;
}

static void each_change_is_one_fence_however_many_keys_it_has(void **state)
{
    const struct sdb_slice a = {"a", 1}, b = {"b", 1}, c = {"c", 1}, both[] = {a, b};
    uint64_t before;

    (void)state;
    shape = NAMES;
    for (unsigned i = 0; i < 4; i++) {
        const unsigned size = i < 2 ? 20 : 500;

        (void)sdb_delete(f.session, "a", 1);
        (void)sdb_delete(f.session, "b", 1);
        assert_ok(fill("a", 0, size));
        assert_ok(fill("b", size / 2, size * 2));
        before = fences();
        assert_ok(sdb_members_move(f.session, &a, &b, "name-3", 6));
        see_nothing();
        assert_ok(sdb_members_pop(f.session, "a", 1, 7, see, NULL));
        assert_ok(sdb_members_store(f.session, SDB_INTERSECTION, &c, both, 2, NULL));
        assert_ok(sdb_members_store(f.session, SDB_DIFFERENCE, &a, both, 2, NULL));
        if (i % 2 == 1) /* before, the heap may have given a shard its first extent of some size */
            assert_int_equal(fences(), before + 4);
        before = fences() - 4;
        see_nothing();
        assert_ok(sdb_members_combine(f.session, SDB_UNION, both, 2, 0, see, NULL)); /* reading takes none */
        assert_int_equal(sdb_members_move(f.session, &a, &b, "none", 4), SDB_ENOTFOUND);
        assert_int_equal(fences(), before + 4);
    }
}

static void what_is_no_set_is_refused_and_nothing_changes(void **state)
{
    const struct sdb_slice s = {"s", 1}, text = {"text", 4}, none = {"none", 4}, two[] = {none, text};
    struct sdb_slice huge = {"x", (size_t)SDB_ELEMENT_SIZE_MAX + 1}; /* nobody reads it */
    unsigned char found = 7;
    size_t told = 9;
    uint64_t stored = 9;

    (void)state;
    shape = NAMES;
    assert_ok(fill("s", 0, 5));
    assert_ok(sdb_set(f.session, "text", 4, "value", 5, NULL));
    see_nothing();
    assert_int_equal(sdb_members_add(f.session, "text", 4, &s, 1, &told), SDB_ETYPE);
    assert_int_equal(sdb_members_remove(f.session, "text", 4, &s, 1, &told), SDB_ETYPE);
    assert_int_equal(sdb_members_pop(f.session, "text", 4, 1, see, NULL), SDB_ETYPE);
    assert_int_equal(sdb_members_find(f.session, "text", 4, &s, 1, &found), SDB_ETYPE);
    assert_int_equal(sdb_members_move(f.session, &s, &text, "name-1", 6), SDB_ETYPE);
    assert_int_equal(sdb_members_move(f.session, &text, &s, "name-1", 6), SDB_ETYPE);
    assert_int_equal(sdb_members_move(f.session, &none, &text, "name-1", 6), SDB_ENOTFOUND);
    for (unsigned how = SDB_UNION; how <= SDB_DIFFERENCE; how++) {
        assert_int_equal(sdb_members_combine(f.session, (enum sdb_combination)how, two, 2, 0, see, NULL), SDB_ETYPE);
        assert_int_equal(sdb_members_store(f.session, (enum sdb_combination)how, &s, two, 2, &stored), SDB_ETYPE);
        assert_int_equal(sdb_members_combine(f.session, (enum sdb_combination)how, NULL, 0, 0, see, NULL), SDB_EINVAL);
        assert_int_equal(sdb_members_store(f.session, (enum sdb_combination)how, &s, NULL, 0, &stored), SDB_EINVAL);
    }
    assert_int_equal(sdb_members_add(f.session, "s", 1, &huge, 1, &told), SDB_ETOOBIG);
    assert_int_equal(count_of("s"), 5);
    assert_int_equal(told, 9);
    assert_int_equal(stored, 9);
    assert_int_equal(found, 7);
    assert_int_equal(seen_count, 0);
    assert_true(fixture_has(&f, "text", "value"));
}

static int stop_at_once(void *context, const struct sdb_element *element)
{
    (void)element;
    return ++*(int *)context;
}

static void what_is_stored_takes_the_place_of_any_key_and_what_is_nothing_takes_it_away(void **state)
{
    const struct sdb_slice s = {"s", 1}, text = {"text", 4}, none = {"none", 4};
    struct sdb_stat stat;
    uint64_t stored;
    int shown = 0;

    (void)state;
    shape = NAMES;
    assert_ok(fill("s", 0, 5));
    assert_ok(sdb_set(f.session, "text", 4, "value", 5, NULL));
    assert_ok(sdb_expire(f.session, "text", 4, NOW + 1000));
    assert_ok(sdb_members_store(f.session, SDB_UNION, &text, &s, 1, &stored));
    assert_int_equal(stored, 5);
    assert_ok(sdb_stat(f.session, "text", 4, &stat));
    assert_int_equal(stat.type, SDB_TYPE_SET);
    assert_int_equal(stat.expire_ms, 0);
    assert_ok(sdb_members_combine(f.session, SDB_UNION, &text, 1, 0, stop_at_once, &shown));
    assert_int_equal(shown, 1);
    assert_ok(sdb_members_store(f.session, SDB_INTERSECTION, &text, &none, 1, &stored));
    assert_int_equal(stored, 0);
    assert_int_equal(sdb_exists(f.session, "text", 4), SDB_ENOTFOUND);
}

/* More than is looked up at a time, in trees and in packed sets, by looking up and by taking away. */
static void large_intersections_and_differences_come_in_pieces(void **state)
{
    const struct sdb_slice large = {"large", 5}, half = {"half", 4}, few = {"few", 3};
    const struct sdb_slice both[] = {large, half}, all[] = {large, half, few};
    struct sdb_slice many[40];

    (void)state;
    shape = INTS;
    assert_ok(fill("large", 0, 6000));
    assert_ok(fill("half", 500, 5900));
    assert_ok(fill("few", 550, 600));
    see_nothing();
    assert_ok(sdb_members_combine(f.session, SDB_INTERSECTION, both, 2, 0, see, NULL));
    assert_int_equal(seen_count, 5400);
    see_nothing();
    assert_ok(sdb_members_combine(f.session, SDB_INTERSECTION, both, 2, 5000, see, NULL));
    assert_int_equal(seen_count, 5000);
    see_nothing();
    assert_ok(sdb_members_combine(f.session, SDB_INTERSECTION, all, 3, 0, see, NULL));
    assert_int_equal(seen_count, 50);
    see_nothing();
    assert_ok(sdb_members_combine(f.session, SDB_DIFFERENCE, both, 2, 0, see, NULL));
    assert_int_equal(seen_count, 600);
    assert_true(seen[0] && seen[499] && seen[5900] && !seen[500]);
    many[0] = large;
    for (unsigned i = 1; i < 40; i++)
        many[i] = few;
    see_nothing();
    assert_ok(sdb_members_combine(f.session, SDB_DIFFERENCE, many, 40, 0, see, NULL));
    assert_int_equal(seen_count, 5950);
    assert_false(seen[550] || seen[599]);
    assert_true(seen[549] && seen[600]);
    see_nothing();
    assert_ok(sdb_members_pop(f.session, "large", 5, 5999, see, NULL)); /* in one commit */
    assert_int_equal(seen_count, 5999);
    assert_int_equal(count_of("large"), 1);
    fixture_crash(&f);
    assert_int_equal(count_of("large"), 1);
}

static void popping_is_as_likely_for_each_member(void **state)
{
    unsigned times[10] = {0};

    (void)state;
    shape = NAMES;
    for (unsigned i = 0; i < 2000; i++) {
        (void)sdb_delete(f.session, "s", 1); /* so that they stand in the same order each time */
        assert_ok(fill("s", 0, 10));
        see_nothing();
        assert_ok(sdb_members_pop(f.session, "s", 1, 3, see, NULL));
        for (unsigned n = 0; n < 10; n++)
            times[n] += seen[n];
    }
    for (unsigned n = 0; n < 10; n++) /* 600 expected; the deviation is 20 */
        assert_in_range(times[n], 480, 720);
}

static void sets_that_were_renamed_combine_with_others_and_within_transactions(void **state)
{
    const struct sdb_slice a = {"a", 1}, b = {"b", 1}, both[] = {a, b};
    uint64_t stored;

    (void)state;
    shape = NAMES;
    for (unsigned i = 0; i < 8; i++) { /* into every shard sooner or later */
        char name[8];
        const struct sdb_slice renamed = {name, (size_t)sprintf(name, "r%u", i)};

        assert_ok(sdb_flush_all(f.session));
        assert_ok(fill("a", 0, 300));
        assert_ok(fill("b", 200, 400));
        assert_ok(sdb_rename(f.session, "a", 1, renamed.data, renamed.size, 0));
        assert_ok(sdb_rename(f.session, renamed.data, renamed.size, "a", 1, 0));
        assert_ok(sdb_rename(f.session, "a", 1, renamed.data, renamed.size, 0));
        assert_ok(sdb_members_move(f.session, &renamed, &b, "name-3", 6));
        assert_ok(sdb_members_store(f.session, SDB_INTERSECTION, &a, (const struct sdb_slice[]){renamed, b}, 2, &stored));
        assert_int_equal(stored, 100);
        assert_ok(sdb_begin(f.session, both, 2));
        assert_ok(sdb_members_store(f.session, SDB_UNION, &a, both, 2, &stored));
        assert_int_equal(stored, 201);
        assert_ok(sdb_members_move(f.session, &b, &a, "name-399", 8));
        assert_int_equal(count_of("b"), 200);
        sdb_abort(f.session);
        assert_int_equal(count_of("a"), 100);
        assert_int_equal(count_of("b"), 201);
    }
}

/* Of every size there is, both signs; added and taken away in any order, and looked for beside where they are. */
static void integers_of_every_size_are_found_by_halving(void **state)
{
    int64_t values[2 * 64 + 1];
    unsigned count = 0;
    unsigned char found;
    char text[32];

    (void)state;
    for (unsigned bit = 0; bit < 63; bit++) {
        values[count++] = (int64_t)1 << bit;
        values[count++] = -((int64_t)1 << bit) - 1;
    }
    values[count++] = 0;
    values[count++] = INT64_MAX;
    values[count++] = INT64_MIN;
    for (unsigned i = 0; i < count; i++) {
        struct sdb_slice member = {text, (size_t)sprintf(text, "%lld", (long long)values[i * 71 % count])};
        size_t added;

        assert_ok(sdb_members_add(f.session, "s", 1, &member, 1, &added));
        assert_int_equal(added, 1);
        assert_ok(sdb_members_add(f.session, "s", 1, &member, 1, &added));
        assert_int_equal(added, 0);
    }
    assert_int_equal(count_of("s"), count);
    for (unsigned i = 0; i < count; i++) {
        struct sdb_slice member = {text, (size_t)sprintf(text, "%lld", (long long)values[i])};
        size_t removed;

        assert_ok(sdb_members_find(f.session, "s", 1, &member, 1, &found));
        assert_int_equal(found, 1);
        for (int64_t beside = -5; beside <= 5; beside += 10) {
            if (beside < 0 ? values[i] < INT64_MIN + 5 : values[i] > INT64_MAX - 5)
                continue;
            member.size = (size_t)sprintf(text, "%lld", (long long)(values[i] + beside));
            found = 2;
            assert_ok(sdb_members_find(f.session, "s", 1, &member, 1, &found));
            bool is_one = false;
            for (unsigned k = i; k < count; k++) /* those before are gone */
                is_one |= values[k] == values[i] + beside;
            assert_int_equal(found, is_one);
        }
        member.size = (size_t)sprintf(text, "%lld", (long long)values[i]);
        assert_ok(sdb_members_remove(f.session, "s", 1, &member, 1, &removed));
        assert_int_equal(removed, 1);
    }
    assert_int_equal(fixture_check(&f), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(sets_of_integers_are_what_was_done_to_them, set_up, tear_down),
        cmocka_unit_test_setup_teardown(integers_of_every_size_are_found_by_halving, set_up, tear_down),
        cmocka_unit_test_setup_teardown(packed_sets_are_what_was_done_to_them, set_up, tear_down),
        cmocka_unit_test_setup_teardown(large_sets_are_what_was_done_to_them, set_up, tear_down),
        cmocka_unit_test_setup_teardown(each_change_is_one_fence_however_many_keys_it_has, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_no_set_is_refused_and_nothing_changes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_stored_takes_the_place_of_any_key_and_what_is_nothing_takes_it_away, set_up, tear_down),
        cmocka_unit_test_setup_teardown(large_intersections_and_differences_come_in_pieces, set_up, tear_down),
        cmocka_unit_test_setup_teardown(popping_is_as_likely_for_each_member, set_up, tear_down),
        cmocka_unit_test_setup_teardown(sets_that_were_renamed_combine_with_others_and_within_transactions, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
