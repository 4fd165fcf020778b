/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_list.c - lists against a plain array: every function, small and large, in the open, in groups and in transactions
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "collection.h"
#include "engine_case.h"

#define LENGTH_MAX 1500u
#define ELEMENT_MAX 700u

/* ---- the model: a key's elements ---- */

struct element {
    size_t size;
    uint8_t data[ELEMENT_MAX];
};

struct model {
    struct element items[LENGTH_MAX];
    size_t count;
};

static struct model models[2]; /* of the keys "l" and "m" */
static const char *const key_names[] = {"l", "m"};
static unsigned key;     /* the one that is worked on */
static bool expected_ok; /* the call did what it was asked to */

static struct model *mine(void)
{
    return &models[key];
}

static void model_insert(struct model *model, size_t at, const struct sdb_slice *slice)
{
    memmove(&model->items[at + 1], &model->items[at], (model->count - at) * sizeof(model->items[0]));
    model->items[at].size = slice->size;
    memcpy(model->items[at].data, slice->data, slice->size);
    model->count++;
}

static void model_remove(struct model *model, size_t at, size_t number)
{
    memmove(&model->items[at], &model->items[at + number], (model->count - at - number) * sizeof(model->items[0]));
    model->count -= number;
}

static bool model_is(size_t at, const struct sdb_slice *slice)
{
    const struct element *item = &mine()->items[at];

    return item->size == slice->size && memcmp(item->data, slice->data, slice->size) == 0;
}

/* ---- what is asked ---- */

static uint8_t bytes[ELEMENT_MAX];

/* Few short ones, so that there are equal ones; some long. */
static struct sdb_slice random_element(void)
{
    const uint64_t kind = fixture_random(&f, 60);
    size_t size;

    if (kind > 1) {
        size = (size_t)sprintf((char *)bytes, "e%u", (unsigned)fixture_random(&f, 6));
    } else {
        size = kind ? fixture_random(&f, sizeof(bytes)) : 0;
        memset(bytes, 'x', size);
    }
    return (struct sdb_slice){bytes, size};
}

static int64_t random_position(void)
{
    const int64_t reach = fixture_random(&f, 4) ? (int64_t)mine()->count + 3 : 20;

    return (int64_t)fixture_random(&f, (uint64_t)(2 * reach + 1)) - reach;
}

/* The rank of a position; the count where there is none. */
static size_t rank_of(int64_t position)
{
    const int64_t count = (int64_t)mine()->count;

    if (position < 0)
        position += count;
    return position < 0 || position >= count ? mine()->count : (size_t)position;
}

/* A range's first rank, and how many. */
static size_t range_of(int64_t first, int64_t last, size_t *rank)
{
    const int64_t count = (int64_t)mine()->count;

    first = first < 0 ? first + count : first;
    last = last < 0 ? last + count : last;
    first = first < 0 ? 0 : first;
    last = last >= count ? count - 1 : last;
    *rank = (size_t)first;
    return first > last ? 0 : (size_t)(last - first + 1);
}

struct met {
    size_t rank, count;
    bool backwards;
};

/* The elements come as the model has them, from a rank on. */
static int meet(void *context, const struct sdb_element *element)
{
    struct met *met = context;

    assert_true(met->rank < mine()->count);
    assert_true(model_is(met->rank, &element->name));
    met->rank = met->backwards ? met->rank - 1 : met->rank + 1;
    met->count++;
    return 0;
}

/* ---- steps: each does the same to the list and to its model ---- */

#define KEY key_names[key], 1

static void assert_result(int result, int wanted)
{
    assert_int_equal(result, wanted);
    expected_ok = wanted == SDB_OK;
}

static void step_push(void)
{
    const enum sdb_list_end end = fixture_random(&f, 2) ? SDB_LIST_TAIL : SDB_LIST_HEAD;
    const uint32_t flags = fixture_random(&f, 4) ? 0 : SDB_IF_PRESENT;
    const size_t count = fixture_random(&f, 20) ? 1 + fixture_random(&f, 3) : 60;
    static uint8_t copies[60][ELEMENT_MAX];
    struct sdb_slice elements[60];
    uint64_t length = 0;

    if (mine()->count + count > LENGTH_MAX)
        return;
    for (size_t i = 0; i < count; i++) {
        elements[i] = random_element();
        elements[i].data = memcpy(copies[i], elements[i].data, elements[i].size);
    }
    if (flags && mine()->count == 0) {
        assert_result(sdb_list_push(f.session, KEY, end, elements, count, flags, &length), SDB_ECONDITION);
        return;
    }
    assert_result(sdb_list_push(f.session, KEY, end, elements, count, flags, &length), SDB_OK);
    for (size_t i = 0; i < count; i++)
        model_insert(mine(), end == SDB_LIST_TAIL ? mine()->count : 0, &elements[i]);
    assert_int_equal(length, mine()->count);
}

static void step_pop(void)
{
    const bool tail = fixture_random(&f, 2);
    const size_t length = mine()->count, kind = fixture_random(&f, 30);
    const size_t wanted = kind == 0 ? fixture_random(&f, length + 10) : kind < 8 ? fixture_random(&f, 12) : 1;
    const size_t count = wanted < length ? wanted : length;
    struct met met = {tail ? length - 1 : 0, 0, tail};

    assert_result(sdb_list_pop(f.session, KEY, tail ? SDB_LIST_TAIL : SDB_LIST_HEAD, wanted, meet, &met),
                  length ? SDB_OK : SDB_ENOTFOUND);
    assert_int_equal(met.count, count);
    model_remove(mine(), tail ? length - count : 0, count);
}

static void step_range(void)
{
    const int64_t first = random_position(), last = random_position();
    struct met met = {0};
    const size_t count = range_of(first, last, &met.rank);

    assert_result(sdb_list_range(f.session, KEY, first, last, meet, &met), mine()->count ? SDB_OK : SDB_ENOTFOUND);
    assert_int_equal(met.count, count);
}

static void step_get(void)
{
    const int64_t position = random_position();
    const size_t rank = rank_of(position);
    uint8_t buffer[ELEMENT_MAX];
    size_t size = 0;

    if (rank == mine()->count) {
        assert_result(sdb_list_get(f.session, KEY, position, buffer, sizeof(buffer), &size), SDB_ENOTFOUND);
        return;
    }
    assert_result(sdb_list_get(f.session, KEY, position, buffer, sizeof(buffer), &size), SDB_OK);
    assert_true(model_is(rank, &(struct sdb_slice){buffer, size}));
}

static void step_set(void)
{
    const struct sdb_slice element = random_element();
    const int64_t position = random_position();
    const size_t rank = rank_of(position);

    assert_result(sdb_list_set(f.session, KEY, position, element.data, element.size),
                  mine()->count == 0 ? SDB_ENOTFOUND : rank == mine()->count ? SDB_ECONDITION : SDB_OK);
    if (expected_ok) {
        model_remove(mine(), rank, 1);
        model_insert(mine(), rank, &element);
    }
}

static void step_insert(void)
{
    uint8_t copy[ELEMENT_MAX];
    struct sdb_slice pivot = random_element(), element;
    const bool behind = fixture_random(&f, 2);
    uint64_t length = 0;
    size_t rank = 0;
    int wanted;

    pivot.data = memcpy(copy, pivot.data, pivot.size);
    element = random_element();
    while (rank < mine()->count && !model_is(rank, &pivot))
        rank++;
    wanted = mine()->count == 0 ? SDB_ENOTFOUND : rank == mine()->count ? SDB_ECONDITION : SDB_OK;
    if (mine()->count == LENGTH_MAX)
        return;
    assert_result(behind ? sdb_list_insert_behind(f.session, KEY, &pivot, &element, &length)
                         : sdb_list_insert_before(f.session, KEY, &pivot, &element, &length),
                  wanted);
    if (!expected_ok)
        return;
    model_insert(mine(), rank + behind, &element);
    assert_int_equal(length, mine()->count);
}

static void step_remove(void)
{
    const struct sdb_slice element = random_element();
    const int64_t count = fixture_random(&f, 20) ? (int64_t)fixture_random(&f, 7) - 3 : 0;
    const uint64_t most = count < 0 ? (uint64_t)-count : count ? (uint64_t)count : UINT64_MAX;
    uint64_t removed = 0, expected = 0;

    if (count == 0 && fixture_random(&f, 4))
        return; /* it takes much away */
    assert_result(sdb_list_remove(f.session, KEY, count, element.data, element.size, &removed),
                  mine()->count ? SDB_OK : SDB_ENOTFOUND);
    for (size_t i = 0, seen = mine()->count; i < seen && expected < most; i++) {
        const size_t at = count < 0 ? seen - 1 - i : i - expected;

        if (model_is(at, &element)) {
            model_remove(mine(), at, 1);
            expected++;
        }
    }
    assert_int_equal(removed, expected);
}

static void step_trim(void)
{
    const int64_t few = (int64_t)fixture_random(&f, 6);
    const bool much = fixture_random(&f, 25) == 0;
    const int64_t first = much ? random_position() : few, last = much ? random_position() : -1 - (int64_t)fixture_random(&f, 6);
    size_t rank;
    const size_t count = range_of(first, last, &rank);

    assert_result(sdb_list_trim(f.session, KEY, first, last), mine()->count ? SDB_OK : SDB_ENOTFOUND);
    if (!expected_ok)
        return;
    model_remove(mine(), count ? rank + count : 0, mine()->count - (count ? rank + count : 0));
    model_remove(mine(), 0, count ? rank : 0);
}

struct sought {
    struct sdb_slice element;
    int64_t rank;
    size_t shown, compared, at, passed;
};

/* The next position that the model has. */
static int meet_position(void *context, uint64_t position)
{
    struct sought *sought = context;

    for (;; sought->at++) {
        const size_t rank = sought->rank < 0 ? mine()->count - 1 - sought->at : sought->at;

        assert_true(sought->at < mine()->count);
        if (!model_is(rank, &sought->element))
            continue;
        if (sought->passed > 0) {
            sought->passed--;
            continue;
        }
        assert_int_equal(position, rank);
        break;
    }
    sought->at++;
    sought->shown++;
    return 0;
}

static void step_search(void)
{
    const struct sdb_list_search search = {(int64_t)fixture_random(&f, 9) - 4, fixture_random(&f, 4), fixture_random(&f, 3) * fixture_random(&f, 40)};
    struct sought sought = {.element = random_element(), .rank = search.rank};
    size_t matches = 0;

    sought.passed = search.rank < 0 ? (size_t)-search.rank - 1 : search.rank ? (size_t)search.rank - 1 : 0;
    for (size_t i = 0; i < mine()->count && (search.compare == 0 || i < search.compare); i++)
        matches += model_is(search.rank < 0 ? mine()->count - 1 - i : i, &sought.element);
    matches = matches < sought.passed ? 0 : matches - sought.passed;
    if (search.count && matches > search.count)
        matches = search.count;
    assert_result(sdb_list_search(f.session, KEY, sought.element.data, sought.element.size, &search, meet_position, &sought),
                  mine()->count ? SDB_OK : SDB_ENOTFOUND);
    assert_int_equal(sought.shown, matches);
}

static void step_move(void)
{
    const unsigned to = (unsigned)fixture_random(&f, 2);
    const bool from_tail = fixture_random(&f, 2), to_tail = fixture_random(&f, 2);
    const struct sdb_slice source = {KEY}, destination = {key_names[to], 1};
    struct met met = {from_tail ? mine()->count - 1 : 0, 0, false};
    struct element moved;

    if (models[to].count == LENGTH_MAX)
        return;
    assert_result(sdb_list_move(f.session, &source, from_tail ? SDB_LIST_TAIL : SDB_LIST_HEAD, &destination,
                                to_tail ? SDB_LIST_TAIL : SDB_LIST_HEAD, meet, &met),
                  mine()->count ? SDB_OK : SDB_ENOTFOUND);
    if (!expected_ok)
        return;
    assert_int_equal(met.count, 1);
    moved = mine()->items[from_tail ? mine()->count - 1 : 0];
    model_remove(mine(), from_tail ? mine()->count - 1 : 0, 1);
    model_insert(&models[to], to_tail ? models[to].count : 0, &(struct sdb_slice){moved.data, moved.size});
}

static void step_turn_key(void)
{
    key = (unsigned)fixture_random(&f, 2);
}

static void (*const steps[])(void) = {step_push,   step_push, step_push,   step_push, step_pop,    step_pop,  step_range, step_get,
                                      step_set,    step_set,  step_insert, step_insert, step_remove, step_trim, step_search, step_move,
                                      step_turn_key};

/* ---- whole lists ---- */

static void assert_all_equal(void)
{
    for (key = 0; key < 2; key++) {
        struct met met = {0};
        int error = sdb_collection_each(f.session, KEY, SDB_TYPE_LIST, meet, &met);

        assert_int_equal(error, mine()->count ? SDB_OK : SDB_ENOTFOUND);
        assert_int_equal(met.count, mine()->count);
    }
    key = 0;
}

static int begin(void **state)
{
    models[0].count = models[1].count = 0;
    key = 0;
    return set_up(state);
}

/* As one or more commits: 0: each step one, 1: groups, 2: transactions. */
static void run_steps(unsigned number, unsigned way)
{
    static struct model before[2];
    const struct sdb_slice keys[] = {{"l", 1}, {"m", 1}};

    while (number > 0) {
        const unsigned together = way ? 1 + (unsigned)fixture_random(&f, 8) : 1;
        const bool aborts = way == 2 && fixture_random(&f, 4) == 0;

        memcpy(before, models, sizeof(before));
        if (way)
            assert_ok(way == 1 ? sdb_group_begin(f.session) : sdb_begin(f.session, keys, 2));
        for (unsigned i = 0; i < together && number > 0; i++, number--)
            steps[fixture_random(&f, sizeof(steps) / sizeof(steps[0]))]();
        if (way == 1)
            assert_ok(sdb_group_end(f.session));
        if (way == 2 && !aborts)
            assert_ok(sdb_commit(f.session));
        if (aborts) {
            sdb_abort(f.session);
            memcpy(models, before, sizeof(before));
        }
    }
}

/* ---- tests ---- */

static void every_function_does_to_a_list_what_it_does_to_an_array(void **state)
{
    unsigned large = 0, small = 0;

    (void)state;
    for (unsigned round = 0; round < 60; round++) {
        run_steps(150, round % 3);
        assert_all_equal();
        large += models[0].count > 200;
        small += models[0].count > 0 && models[0].count < 60;
        if (round % 10 == 9) { /* what is in the pool is what was there */
            fixture_reopen(&f);
            sdb_session_set_time(f.session, NOW);
            assert_all_equal();
        }
    }
    assert_true(large > 5 && small > 5); /* both shapes have had their turn */
}

static void fill(const char *name, unsigned count)
{
    char text[16];

    assert_ok(sdb_group_begin(f.session));
    for (unsigned i = 0; i < count; i++) {
        const struct sdb_slice element = {text, (size_t)sprintf(text, "%u", i)};

        assert_ok(sdb_list_push(f.session, name, strlen(name), SDB_LIST_TAIL, &element, 1, 0, NULL));
    }
    assert_ok(sdb_group_end(f.session));
}

static bool has(const char *name, int64_t position, const char *text)
{
    char buffer[32];
    size_t size = 0;
    int error = sdb_list_get(f.session, name, strlen(name), position, buffer, sizeof(buffer), &size);

    if (error == SDB_ENOTFOUND)
        return text == NULL;
    assert_ok(error);
    return text && size == strlen(text) && memcmp(buffer, text, size) == 0;
}

static int ignore(void *context, const struct sdb_element *element)
{
    (void)element;
    ++*(unsigned *)context;
    return 0;
}

static int stop(void *context, const struct sdb_element *element)
{
    return ignore(context, element) + 1;
}

static void a_write_of_a_small_or_a_large_list_is_one_fence(void **state)
{
    const struct sdb_slice element = {"an element", 10}, l = {"l", 1}, m = {"m", 1};
    unsigned shown = 0;

    (void)state;
    fill("l", 1); /* takes the first extent */
    fill("m", 3);
    for (int i = 0; i < 400; i++) {
        uint64_t fences = fixture_stats(&f).fences;

        assert_ok(sdb_list_push(f.session, "l", 1, SDB_LIST_TAIL, &element, 1, 0, NULL));
        assert_int_equal(fixture_stats(&f).fences, ++fences);
        assert_ok(sdb_list_move(f.session, &l, SDB_LIST_TAIL, &m, SDB_LIST_HEAD, ignore, &shown));
        assert_int_equal(fixture_stats(&f).fences, ++fences);
        assert_ok(sdb_list_move(f.session, &m, SDB_LIST_HEAD, &l, SDB_LIST_TAIL, ignore, &shown));
        assert_int_equal(fixture_stats(&f).fences, ++fences);
    }
    for (int i = 0; i < 100; i++) {
        const uint64_t fences = fixture_stats(&f).fences;

        assert_ok(sdb_list_pop(f.session, "l", 1, SDB_LIST_HEAD, 2, ignore, &shown));
        assert_int_equal(fixture_stats(&f).fences, fences + 1);
    }
    assert_int_equal(shown, 1000);
}

static void keeping_little_of_much_takes_few_steps(void **state)
{
    struct sdb_stats stats;
    uint64_t lines;

    (void)state;
    fill("l", 60000);
    lines = fixture_stats(&f).flushed_lines;
    assert_ok(sdb_list_trim(f.session, "l", 1, 30000, 30099));
    stats = fixture_stats(&f);
    assert_true(stats.flushed_lines - lines < 400); /* of some thousand that the others had */
    assert_true(has("l", 0, "30000") && has("l", 99, "30099") && has("l", 100, NULL));
}

static void a_full_pool_is_trimmed_and_popped(void **state)
{
    static char value[100000];
    const struct sdb_slice large = {value, sizeof(value)}, small = {"s", 1};
    unsigned shown = 0;
    int error = SDB_OK;

    (void)state;
    fill("l", 3000);
    while (!error)
        error = sdb_list_push(f.session, "m", 1, SDB_LIST_HEAD, &large, 1, 0, NULL);
    assert_int_equal(error, SDB_ENOSPC);
    for (error = SDB_OK; !error;)
        error = sdb_list_push(f.session, "n", 1, SDB_LIST_HEAD, &small, 1, 0, NULL);
    assert_int_equal(error, SDB_ENOSPC);
    assert_ok(sdb_list_trim(f.session, "l", 1, 0, 1000)); /* no room for these anew */
    assert_true(has("l", 1000, "1000") && has("l", 1001, NULL));
    assert_ok(sdb_list_pop(f.session, "l", 1, SDB_LIST_TAIL, 700, ignore, &shown));
    assert_int_equal(shown, 700);
    assert_true(has("l", 300, "300") && has("l", 301, NULL));
    assert_ok(sdb_list_push(f.session, "l", 1, SDB_LIST_TAIL, &small, 1, 0, NULL));
}

static void a_visitor_that_stops_misses_the_rest(void **state)
{
    unsigned shown = 0;

    (void)state;
    fill("l", 500);
    assert_ok(sdb_list_range(f.session, "l", 1, 0, -1, stop, &shown));
    assert_ok(sdb_list_pop(f.session, "l", 1, SDB_LIST_HEAD, 100, stop, &shown));
    assert_int_equal(shown, 2);
    assert_true(has("l", 0, "100"));
}

static void moving_within_one_list_turns_it(void **state)
{
    const struct sdb_slice l = {"l", 1};
    unsigned shown = 0;

    (void)state;
    for (unsigned size = 1; size <= 801; size += 400) {
        char last[16];

        fill("l", size);
        sprintf(last, "%u", size - 1);
        assert_ok(sdb_list_move(f.session, &l, SDB_LIST_TAIL, &l, SDB_LIST_HEAD, ignore, &shown));
        assert_true(has("l", 0, last) && (size == 1 || has("l", 1, "0")));
        assert_ok(sdb_list_move(f.session, &l, SDB_LIST_HEAD, &l, SDB_LIST_HEAD, ignore, &shown));
        assert_true(has("l", 0, last));
        assert_ok(sdb_delete(f.session, "l", 1));
    }
}

static void a_move_that_fails_takes_nothing(void **state)
{
    const struct sdb_slice l = {"l", 1}, s = {"s", 1}, none = {"none", 4};
    unsigned shown = 0;

    (void)state;
    fill("l", 3);
    assert_ok(sdb_set(f.session, "s", 1, "v", 1, NULL));
    assert_int_equal(sdb_list_move(f.session, &l, SDB_LIST_HEAD, &s, SDB_LIST_HEAD, ignore, &shown), SDB_ETYPE);
    assert_int_equal(sdb_list_move(f.session, &s, SDB_LIST_HEAD, &l, SDB_LIST_HEAD, ignore, &shown), SDB_ETYPE);
    assert_int_equal(sdb_list_move(f.session, &none, SDB_LIST_HEAD, &l, SDB_LIST_HEAD, ignore, &shown), SDB_ENOTFOUND);
    assert_int_equal(shown, 0);
    assert_true(has("l", 0, "0") && has("l", 3, NULL));
}

static void a_key_goes_with_its_last_element_and_keeps_its_time(void **state)
{
    const struct sdb_slice one = {"1", 1};
    struct sdb_stat stat;
    unsigned shown = 0;

    (void)state;
    fill("l", 3);
    assert_ok(sdb_expire(f.session, "l", 1, NOW + 50));
    assert_ok(sdb_list_trim(f.session, "l", 1, 1, 1));
    assert_ok(sdb_list_set(f.session, "l", 1, -1, "x", 1));
    assert_ok(sdb_stat(f.session, "l", 1, &stat));
    assert_int_equal(stat.expire_ms, NOW + 50);
    assert_ok(sdb_list_pop(f.session, "l", 1, SDB_LIST_TAIL, 5, ignore, &shown));
    assert_int_equal(sdb_exists(f.session, "l", 1), SDB_ENOTFOUND);
    assert_int_equal(sdb_list_push(f.session, "l", 1, SDB_LIST_TAIL, &one, 1, SDB_IF_PRESENT, NULL), SDB_ECONDITION);
    fill("l", 700);
    assert_ok(sdb_stat(f.session, "l", 1, &stat));
    assert_int_equal(stat.expire_ms, 0);
    assert_ok(sdb_list_trim(f.session, "l", 1, 5, 4));
    assert_int_equal(sdb_exists(f.session, "l", 1), SDB_ENOTFOUND);
}

static void the_limit_is_a_number_of_elements_where_it_is_positive(void **state)
{
    struct sdb_limits limits = SDB_LIMITS_INIT;
    struct sdb_stat small, large;

    (void)state;
    fill("l", 8);
    limits.list_max_listpack_size = 4;
    sdb_set_limits(f.pool, &limits);
    fill("m", 8);
    assert_ok(sdb_stat(f.session, "l", 1, &small));
    assert_ok(sdb_stat(f.session, "m", 1, &large));
    assert_true(large.memory > small.memory); /* a tree */
    assert_true(has("l", 7, "7") && has("m", 7, "7"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(every_function_does_to_a_list_what_it_does_to_an_array),
        TEST(a_write_of_a_small_or_a_large_list_is_one_fence),
        TEST(keeping_little_of_much_takes_few_steps),
        TEST(a_full_pool_is_trimmed_and_popped),
        TEST(a_visitor_that_stops_misses_the_rest),
        TEST(moving_within_one_list_turns_it),
        TEST(a_move_that_fails_takes_nothing),
        TEST(a_key_goes_with_its_last_element_and_keeps_its_time),
        TEST(the_limit_is_a_number_of_elements_where_it_is_positive),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
