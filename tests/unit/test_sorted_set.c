/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_sorted_set.c - sorted sets against a plain array: members, ranks, ranges of every kind, combinations; packed and as trees
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "engine_case.h"

#define MEMBERS_MAX 700u
#define KEYS 3u

struct model {
    struct model_member {
        char name[96];
        double score;
    } items[MEMBERS_MAX + 1];
    size_t count;
};

static struct model models[KEYS], result;
static const char *const names[KEYS] = {"zero", "one", "two"};

#define KEY(k) names[k], strlen(names[k])

/* ---- the model ---- */

static int compare(const void *a, const void *b)
{
    const struct model_member *x = a, *y = b;

    return x->score < y->score ? -1 : x->score > y->score ? 1 : strcmp(x->name, y->name);
}

static struct model_member *model_find(struct model *m, const char *name)
{
    for (size_t i = 0; i < m->count; i++)
        if (strcmp(m->items[i].name, name) == 0)
            return &m->items[i];
    return NULL;
}

static void model_set(struct model *m, const char *name, double score)
{
    struct model_member *item = model_find(m, name);

    if (item == NULL) {
        assert_true(m->count < MEMBERS_MAX);
        item = &m->items[m->count++];
        strcpy(item->name, name);
    }
    item->score = score;
    qsort(m->items, m->count, sizeof(m->items[0]), compare);
}

static void model_remove(struct model *m, size_t at, size_t n)
{
    memmove(&m->items[at], &m->items[at + n], (m->count - at - n) * sizeof(m->items[0]));
    m->count -= n;
}

static void make_name(char name[96], unsigned choice)
{
    const unsigned n = (unsigned)fixture_random(&f, choice);

    if (n % 97 == 13)
        sprintf(name, "%090u", n);
    else
        sprintf(name, "m%u", n);
}

static double make_score(void)
{
    switch (fixture_random(&f, 20)) {
    case 0:
        return INFINITY;
    case 1:
        return -INFINITY;
    case 2:
        return 0.1 * (double)fixture_random(&f, 10);
    default:
        return (double)fixture_random(&f, 40) - 20;
    }
}

/* ---- what the store shows ---- */

struct shown {
    const struct model_member *at[MEMBERS_MAX + 1]; /* expected, in this order */
    size_t count, met;
};

static int meet(void *context, const struct sdb_element *element)
{
    struct shown *shown = context;
    const struct model_member *expected;

    assert_true(shown->met < shown->count);
    expected = shown->at[shown->met++];
    assert_int_equal(element->name.size, strlen(expected->name));
    assert_memory_equal(element->name.data, expected->name, element->name.size);
    assert_true(element->score == expected->score);
    return 0;
}

static void expect_all(struct shown *shown, const struct model *m)
{
    shown->count = m->count;
    shown->met = 0;
    for (size_t i = 0; i < m->count; i++)
        shown->at[i] = &m->items[i];
}

static void check(unsigned k)
{
    const struct sdb_zset_range all = SDB_ZSET_BY_RANK(0, -1);
    static struct shown shown;
    int error;

    expect_all(&shown, &models[k]);
    error = sdb_zset_range(f.session, KEY(k), &all, meet, &shown);
    assert_int_equal(error, models[k].count ? SDB_OK : SDB_ENOTFOUND);
    assert_int_equal(shown.met, models[k].count);
}

/* ---- steps ---- */

static void step_add(unsigned k)
{
    static const uint32_t flags[] = {0, 0, 0, SDB_IF_ABSENT, SDB_IF_PRESENT, SDB_IF_GREATER, SDB_IF_LESS, SDB_IF_PRESENT | SDB_IF_GREATER};
    const uint32_t chosen = flags[fixture_random(&f, 8)];
    struct sdb_member members[8];
    char texts[8][96];
    size_t added = 0, changed = 0, added_told, changed_told;
    const size_t n = 1 + fixture_random(&f, 8);
    const bool telling = fixture_random(&f, 2);

    for (size_t i = 0; i < n; i++) {
        struct model_member *old;

        make_name(texts[i], 600);
        members[i] = (struct sdb_member){{texts[i], strlen(texts[i])}, make_score()};
        old = model_find(&models[k], texts[i]);
        if (old == NULL ? chosen & SDB_IF_PRESENT
                        : chosen & SDB_IF_ABSENT || (chosen & SDB_IF_GREATER && !(members[i].score > old->score)) ||
                              (chosen & SDB_IF_LESS && !(members[i].score < old->score)))
            continue;
        added += old == NULL;
        changed += old != NULL && old->score != members[i].score;
        model_set(&models[k], texts[i], members[i].score);
    }
    assert_ok(sdb_zset_add(f.session, KEY(k), members, n, chosen, &added_told, telling ? &changed_told : NULL));
    assert_int_equal(added_told, added);
    if (telling)
        assert_int_equal(changed_told, changed);
}

static void step_increment(unsigned k)
{
    const double delta = (double)fixture_random(&f, 100) / 8 - 6;
    const struct model_member *old;
    double sum, expected;
    char name[96];

    make_name(name, 600);
    old = model_find(&models[k], name);
    expected = (old != NULL ? old->score : 0) + delta;
    assert_ok(sdb_zset_increment(f.session, KEY(k), name, strlen(name), delta, 0, &sum));
    assert_true(sum == expected);
    model_set(&models[k], name, expected);
}

static void step_remove(unsigned k)
{
    struct sdb_slice members[6];
    char texts[6][96];
    size_t removed = 0, told = 0;
    const bool any = models[k].count != 0;
    int error;

    for (size_t i = 0; i < 6; i++) {
        struct model_member *item;

        make_name(texts[i], 600);
        members[i] = (struct sdb_slice){texts[i], strlen(texts[i])};
        item = model_find(&models[k], texts[i]);
        if (item != NULL) {
            model_remove(&models[k], (size_t)(item - models[k].items), 1);
            removed++;
        }
    }
    error = sdb_zset_remove(f.session, KEY(k), members, 6, &told);
    assert_int_equal(error, any ? SDB_OK : SDB_ENOTFOUND);
    assert_int_equal(told, removed);
}

/* A range, and by going through all elements which of them are in it: from *low on, *n of them, lowest first. */
static struct sdb_zset_range make_range(const struct model *m, size_t *low, size_t *n)
{
    struct sdb_zset_range range = {.by = fixture_random(&f, 2) ? SDB_ZSET_RANKS : SDB_ZSET_SCORES, .count = UINT64_MAX};
    size_t from = 0, to = 0, size;

    range.flags = (uint32_t)fixture_random(&f, 8);
    if (range.by == SDB_ZSET_RANKS) {
        const int64_t count = (int64_t)m->count;
        int64_t first, last;

        range.first = (int64_t)fixture_random(&f, 60) - 30;
        range.last = (int64_t)fixture_random(&f, 60) - 30;
        first = range.first < 0 ? range.first + count : range.first;
        last = range.last < 0 ? range.last + count : range.last;
        for (int64_t i = 0; i < count; i++) {
            const int64_t rank = range.flags & SDB_ZSET_REVERSE ? count - 1 - i : i;

            if (rank >= first && rank <= last && to++ == 0)
                from = (size_t)i;
        }
        to += from;
    } else {
        range.min = make_score();
        range.max = make_score();
        for (size_t i = 0; i < m->count; i++) {
            const double score = m->items[i].score;

            if ((range.flags & SDB_ZSET_MIN_EXCLUDED ? score > range.min : score >= range.min) &&
                (range.flags & SDB_ZSET_MAX_EXCLUDED ? score < range.max : score <= range.max) && to++ == 0)
                from = i;
        }
        to += from;
    }
    if (fixture_random(&f, 2)) {
        range.offset = fixture_random(&f, 5);
        range.count = fixture_random(&f, 10);
    }
    size = to - from;
    *n = size > range.offset ? size - range.offset : 0;
    *n = *n > range.count ? range.count : *n;
    *low = range.flags & SDB_ZSET_REVERSE ? to - (size > range.offset ? range.offset : size) - *n : from + range.offset;
    return range;
}

static void expect_part(struct shown *shown, const struct model *m, size_t low, size_t n, bool backwards)
{
    shown->count = n;
    shown->met = 0;
    for (size_t i = 0; i < n; i++)
        shown->at[i] = &m->items[backwards ? low + n - 1 - i : low + i];
}

static void step_range(unsigned k)
{
    static struct shown shown;
    struct model *m = &models[k];
    uint64_t count = 0;
    size_t low, n;
    const struct sdb_zset_range range = make_range(m, &low, &n);
    const int missing = m->count ? SDB_OK : SDB_ENOTFOUND;

    expect_part(&shown, m, low, n, range.flags & SDB_ZSET_REVERSE);
    switch (fixture_random(&f, 40)) {
    case 0:
        assert_int_equal(sdb_zset_remove_range(f.session, KEY(k), &range, &count), missing);
        assert_int_equal(count, n);
        model_remove(m, n ? low : 0, n);
        return;
    case 1:
        assert_int_equal(sdb_zset_pop(f.session, KEY(k), &range, meet, &shown), missing);
        assert_int_equal(shown.met, n);
        model_remove(m, n ? low : 0, n);
        return;
    case 2: {
        const unsigned to = (k + (unsigned)fixture_random(&f, KEYS)) % KEYS;
        static struct model copy;

        copy.count = n;
        memcpy(copy.items, &m->items[n ? low : 0], n * sizeof(copy.items[0]));
        assert_ok(sdb_zset_store_range(f.session, KEY(to), KEY(k), &range, &count));
        assert_int_equal(count, n);
        models[to].count = n;
        memcpy(models[to].items, copy.items, n * sizeof(copy.items[0]));
        check(to);
        return;
    }
    default:
        assert_int_equal(sdb_zset_range(f.session, KEY(k), &range, meet, &shown), missing);
        assert_int_equal(shown.met, n);
        assert_int_equal(sdb_zset_count(f.session, KEY(k), &range, &count), missing);
        assert_int_equal(count, n);
    }
}

static void step_look(unsigned k)
{
    struct model *m = &models[k];
    const struct model_member *item;
    uint64_t rank = 0, reverse = 0;
    char name[96];
    double score = 0;
    int expected;

    make_name(name, 600);
    item = model_find(m, name);
    expected = item != NULL ? SDB_OK : SDB_ENOTFOUND;
    assert_int_equal(sdb_zset_score(f.session, KEY(k), name, strlen(name), &score), expected);
    assert_int_equal(sdb_zset_rank(f.session, KEY(k), name, strlen(name), 0, &rank), expected);
    assert_int_equal(sdb_zset_rank(f.session, KEY(k), name, strlen(name), SDB_ZSET_REVERSE, &reverse), expected);
    if (item != NULL) {
        assert_true(score == item->score);
        assert_int_equal(rank, item - m->items);
        assert_int_equal(reverse, m->count - 1 - rank);
    }
}

static void model_combine(const struct sdb_zset_combination *what, const unsigned *which)
{
    result.count = 0;
    for (size_t i = 0; i < what->count; i++) {
        const struct model *m = &models[which[i]];

        for (size_t j = 0; j < m->count && !(i > 0 && what->operation != SDB_ZSET_UNION); j++) {
            const double score = m->items[j].score * (what->weights ? what->weights[i] : 1);
            const struct model_member *old = model_find(&result, m->items[j].name);
            double sum = old == NULL ? score
                         : what->aggregate == SDB_ZSET_MIN ? fmin(old->score, score)
                         : what->aggregate == SDB_ZSET_MAX ? fmax(old->score, score)
                                                           : old->score + score;

            model_set(&result, m->items[j].name, isnan(sum) ? 0 : sum);
        }
    }
    for (size_t i = 0; i < result.count && what->operation != SDB_ZSET_UNION;) {
        bool in_all = true, in_any = false;

        for (size_t j = 1; j < what->count; j++) {
            const bool there = model_find(&models[which[j]], result.items[i].name) != NULL;

            in_all = in_all && there;
            in_any = in_any || there;
        }
        if (what->operation == SDB_ZSET_INTERSECTION ? in_all : !in_any)
            i++;
        else
            model_remove(&result, i, 1);
    }
}

/* The highest score of an intersection's members: sums are the unions' matter. */
static void model_highest(const struct sdb_zset_combination *what, const unsigned *which)
{
    for (size_t i = 0; i < result.count; i++)
        for (size_t j = 1; j < what->count; j++)
            result.items[i].score = fmax(result.items[i].score, model_find(&models[which[j]], result.items[i].name)->score);
    qsort(result.items, result.count, sizeof(result.items[0]), compare);
}

static void step_combine(void)
{
    static const double weights[KEYS] = {1, 2, 4};
    static struct shown shown;
    struct sdb_zset_combination what = {.operation = (enum sdb_zset_operation)fixture_random(&f, 3)};
    struct sdb_slice keys[KEYS];
    unsigned which[KEYS];
    uint64_t count = 0;

    what.count = 1 + fixture_random(&f, KEYS);
    for (size_t i = 0; i < what.count; i++) {
        which[i] = (unsigned)fixture_random(&f, KEYS);
        keys[i] = (struct sdb_slice){KEY(which[i])};
    }
    what.keys = keys;
    if (what.operation == SDB_ZSET_UNION) {
        what.aggregate = (enum sdb_zset_aggregate)fixture_random(&f, 3);
        what.weights = fixture_random(&f, 2) ? weights : NULL;
    }
    if (what.operation == SDB_ZSET_UNION && what.aggregate == SDB_ZSET_SUM)
        what.aggregate = SDB_ZSET_MAX; /* sums depend on the order; the fixed test has them */
    model_combine(&what, which);
    if (what.operation == SDB_ZSET_INTERSECTION) {
        what.aggregate = SDB_ZSET_MAX;
        model_highest(&what, which);
    }
    expect_all(&shown, &result);
    assert_ok(sdb_zset_combine(f.session, &what, meet, &shown));
    assert_int_equal(shown.met, result.count);
    assert_ok(sdb_zset_combine_count(f.session, &what, 3, &count));
    assert_int_equal(count, result.count < 3 ? result.count : 3);
    if (fixture_random(&f, 4) == 0) {
        assert_ok(sdb_zset_combine_store(f.session, KEY(0), &what, &count));
        assert_int_equal(count, result.count);
        memcpy(&models[0], &result, sizeof(result));
    }
}

static void run(unsigned steps, const struct sdb_limits *limits)
{
    memset(models, 0, sizeof(models));
    sdb_set_limits(f.pool, limits);
    for (unsigned i = 0; i < steps; i++) {
        const unsigned k = (unsigned)fixture_random(&f, KEYS);

        switch (fixture_random(&f, 12)) {
        case 0:
        case 1:
        case 2:
        case 3:
            step_add(k);
            break;
        case 4:
            step_increment(k);
            break;
        case 5:
            step_remove(k);
            break;
        case 6:
            step_look(k);
            break;
        case 7:
            step_combine();
            break;
        default:
            step_range(k);
        }
        check(k);
        if (i % 500 == 499) {
            fixture_reopen(&f);
            sdb_set_limits(f.pool, limits);
        }
    }
}

static void small_ones_do_what_an_array_does(void **state)
{
    struct sdb_limits limits = SDB_LIMITS_INIT;

    (void)state;
    limits.zset_max_listpack_entries = 1000;
    limits.zset_max_listpack_value = 1000;
    run(400, &limits);
}

static void trees_do_what_an_array_does(void **state)
{
    struct sdb_limits limits = SDB_LIMITS_INIT;

    (void)state;
    limits.zset_max_listpack_entries = 4;
    run(2500, &limits);
}

/* ---- by name ---- */

static struct sdb_member member(const char *name, double score)
{
    return (struct sdb_member){{name, strlen(name)}, score};
}

static struct sdb_slice slice(const char *text)
{
    return (struct sdb_slice){text, strlen(text)};
}

static int join(void *context, const struct sdb_element *element)
{
    char *text = context;

    strncat(text, element->name.data, element->name.size);
    strcat(text, ".");
    return 0;
}

static void expect_members(struct sdb_slice min, struct sdb_slice max, uint32_t flags, const char *expected)
{
    struct sdb_zset_range range = SDB_ZSET_BY_MEMBER(min, max);
    char text[256] = "";
    uint64_t count, dots = 0;

    range.flags = flags;
    assert_ok(sdb_zset_range(f.session, KEY(0), &range, join, text));
    assert_string_equal(text, expected);
    for (const char *at = text; *at; at++)
        dots += *at == '.';
    assert_ok(sdb_zset_count(f.session, KEY(0), &range, &count));
    assert_int_equal(count, dots);
}

static void look_at_members(void)
{
    const struct sdb_member members[] = {member("a", 1), member("b", 1), member("ba", 1), member("c", 1), member("", 1)};
    const struct sdb_slice none = {NULL, 0};

    assert_ok(sdb_zset_add(f.session, KEY(0), members, 5, 0, NULL, NULL));
    expect_members(none, none, 0, ".a.b.ba.c.");
    expect_members(none, none, SDB_ZSET_REVERSE, "c.ba.b.a..");
    expect_members(slice("a"), slice("ba"), 0, "a.b.ba.");
    expect_members(slice("a"), slice("ba"), SDB_ZSET_MIN_EXCLUDED, "b.ba.");
    expect_members(slice("a"), slice("ba"), SDB_ZSET_MAX_EXCLUDED | SDB_ZSET_REVERSE, "b.a.");
    expect_members(slice("aa"), slice("bz"), SDB_ZSET_MIN_EXCLUDED | SDB_ZSET_MAX_EXCLUDED, "b.ba.");
    expect_members(slice(""), slice(""), 0, ".");
    expect_members(slice(""), none, SDB_ZSET_MIN_EXCLUDED, "a.b.ba.c.");
    expect_members(slice("c"), slice("a"), 0, "");
    expect_members(slice("x"), none, 0, "");
}

static void ranges_of_members_have_bounds(void **state)
{
    struct sdb_limits limits = SDB_LIMITS_INIT;

    (void)state;
    look_at_members();
    limits.zset_max_listpack_entries = 1;
    sdb_set_limits(f.pool, &limits);
    assert_ok(sdb_delete(f.session, KEY(0)));
    look_at_members();
}

/* ---- scores ---- */

static void what_is_no_number_is_refused(void **state)
{
    const struct sdb_member members[] = {member("a", 1), member("b", NAN)};
    struct sdb_zset_range range = SDB_ZSET_BY_SCORE(NAN, 1);
    const struct sdb_slice key = slice("zero");
    const double weight = NAN;
    const struct sdb_zset_combination what = {.keys = &key, .weights = &weight, .count = 1};
    double score;
    uint64_t count;

    (void)state;
    assert_int_equal(sdb_zset_add(f.session, KEY(0), members, 2, 0, NULL, NULL), SDB_EINVAL);
    assert_int_equal(sdb_zset_store(f.session, KEY(0), members, 2), SDB_EINVAL);
    assert_int_equal(sdb_exists(f.session, KEY(0)), SDB_ENOTFOUND);
    assert_int_equal(sdb_zset_increment(f.session, KEY(0), "a", 1, NAN, 0, &score), SDB_EINVAL);
    assert_ok(sdb_zset_increment(f.session, KEY(0), "a", 1, INFINITY, 0, &score));
    assert_int_equal(sdb_zset_increment(f.session, KEY(0), "a", 1, -INFINITY, 0, &score), SDB_EOVERFLOW);
    assert_int_equal(sdb_zset_count(f.session, KEY(0), &range, &count), SDB_EINVAL);
    assert_int_equal(sdb_zset_combine_count(f.session, &what, 0, &count), SDB_EINVAL);
}

static void flags_that_rule_each_other_out_are_refused(void **state)
{
    static const uint32_t wrong[] = {SDB_IF_ABSENT | SDB_IF_PRESENT, SDB_IF_ABSENT | SDB_IF_LESS, SDB_IF_GREATER | SDB_IF_LESS, SDB_KEEP_EXPIRY};
    const struct sdb_member one = member("a", 1);

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(sdb_zset_add(f.session, KEY(0), &one, 1, wrong[i], NULL, NULL), SDB_EINVAL);
        assert_int_equal(sdb_zset_increment(f.session, KEY(0), "a", 1, 1, wrong[i], NULL), SDB_EINVAL);
    }
}

static void sums_are_weighted_and_infinities_cancel(void **state)
{
    const struct sdb_member first[] = {member("a", 1), member("b", INFINITY), member("c", 3)};
    const struct sdb_member second[] = {member("a", 10), member("b", INFINITY)};
    const struct sdb_slice keys[] = {slice("zero"), slice("one")};
    const double weights[] = {2, -0.5};
    struct sdb_zset_combination what = {.keys = keys, .weights = weights, .count = 2};
    double score;

    (void)state;
    assert_ok(sdb_zset_store(f.session, KEY(0), first, 3));
    assert_ok(sdb_zset_store(f.session, KEY(1), second, 2));
    assert_ok(sdb_zset_combine_store(f.session, KEY(2), &what, NULL));
    assert_ok(sdb_zset_score(f.session, KEY(2), "a", 1, &score));
    assert_true(score == -3);
    assert_ok(sdb_zset_score(f.session, KEY(2), "b", 1, &score));
    assert_true(score == 0);
    assert_ok(sdb_zset_score(f.session, KEY(2), "c", 1, &score));
    assert_true(score == 6);
}

static void sets_count_as_members_with_the_score_1(void **state)
{
    const struct sdb_element elements[] = {{{"a", 1}, {"", 0}, 0}, {{"q", 1}, {"", 0}, 0}};
    const struct sdb_member first[] = {member("a", 5), member("b", 6)};
    const struct sdb_slice keys[] = {slice("zero"), slice("one")};
    struct sdb_zset_combination what = {.keys = keys, .count = 2};
    double score;
    uint64_t count;

    (void)state;
    assert_ok(sdb_zset_store(f.session, KEY(0), first, 2));
    for (size_t i = 0; i < 2; i++)
        assert_ok(sdb_collection_add(f.session, KEY(1), SDB_TYPE_SET, &elements[i]));
    assert_ok(sdb_zset_combine_store(f.session, KEY(2), &what, &count));
    assert_int_equal(count, 3);
    assert_ok(sdb_zset_score(f.session, KEY(2), "a", 1, &score));
    assert_true(score == 6);
    what.operation = SDB_ZSET_INTERSECTION;
    assert_ok(sdb_zset_combine_count(f.session, &what, 0, &count));
    assert_int_equal(count, 1);
    what.operation = SDB_ZSET_DIFFERENCE;
    assert_ok(sdb_zset_combine_store(f.session, KEY(2), &what, &count));
    assert_int_equal(count, 1);
    assert_ok(sdb_zset_score(f.session, KEY(2), "b", 1, &score));
    assert_ok(sdb_set(f.session, KEY(1), "string", 6, NULL));
    assert_int_equal(sdb_zset_combine_count(f.session, &what, 0, &count), SDB_ETYPE);
}

/* What is left of what was stored is as it was. */
static void a_transaction_takes_everything_back(void **state)
{
    const struct sdb_slice key = slice("zero");
    const struct sdb_zset_range all = SDB_ZSET_BY_RANK(0, -1);

    (void)state;
    memset(models, 0, sizeof(models));
    for (unsigned i = 0; i < 300; i++) {
        const struct sdb_member one = member("m1", 1);
        char name[96];

        make_name(name, 600);
        assert_ok(sdb_zset_add(f.session, KEY(0), &(struct sdb_member){{name, strlen(name)}, i}, 1, 0, NULL, NULL));
        model_set(&models[0], name, i);
        assert_ok(sdb_begin(f.session, &key, 1));
        assert_ok(sdb_zset_add(f.session, KEY(0), &one, 1, 0, NULL, NULL));
        if (i % 3 == 0)
            assert_ok(sdb_zset_remove_range(f.session, KEY(0), &all, NULL));
        sdb_abort(f.session);
        check(0);
    }
}

#define LARGE 40000u
#define LARGE_FIRST 1000u /* ranks that go */
#define LARGE_GONE 37000u

static void large_name(unsigned i, char name[24])
{
    snprintf(name, 24, "member:%08u", i * 7919u % LARGE);
}

static void make_large(void)
{
    static struct sdb_member members[100];
    static char texts[100][24];

    for (unsigned i = 0; i < LARGE; i += 100) {
        for (unsigned k = 0; k < 100; k++) {
            large_name(i + k, texts[k]);
            members[k] = (struct sdb_member){{texts[k], strlen(texts[k])}, i + k};
        }
        assert_ok(sdb_zset_add(f.session, KEY(0), members, 100, 0, NULL, NULL));
    }
}

/* By scores, which are the ranks that members had before: those that went, and those that stayed. */
static void check_large(unsigned gone)
{
    const struct sdb_zset_range all = SDB_ZSET_BY_RANK(0, -1);
    uint64_t count;

    assert_ok(sdb_zset_count(f.session, KEY(0), &all, &count));
    assert_int_equal(count, LARGE - gone);
    for (unsigned i = 0; i < LARGE; i += 97) {
        const bool went = i >= LARGE_FIRST && i < LARGE_FIRST + gone;
        uint64_t rank;
        double score;
        char name[24];

        large_name(i, name);
        assert_int_equal(sdb_zset_score(f.session, KEY(0), name, strlen(name), &score), went ? SDB_ENOTFOUND : SDB_OK);
        if (went)
            continue;
        assert_ok(sdb_zset_rank(f.session, KEY(0), name, strlen(name), 0, &rank));
        assert_true(score == i && rank == (i < LARGE_FIRST ? i : i - gone));
    }
    (void)fixture_check(&f);
}

/* One record, which stands outside of its lane; both trees lose the same. Behind a kill, too, and not at all where it is taken back. */
static void most_of_a_large_one_goes_in_one_commit(void **state)
{
    const struct sdb_zset_range range = SDB_ZSET_BY_RANK(LARGE_FIRST, LARGE_FIRST + LARGE_GONE - 1);
    const struct sdb_slice key = slice("zero");
    uint64_t removed, commits;

    (void)state;
    make_large();
    assert_ok(sdb_begin(f.session, &key, 1));
    assert_ok(sdb_zset_remove_range(f.session, KEY(0), &range, &removed));
    assert_int_equal(removed, LARGE_GONE);
    sdb_abort(f.session);
    check_large(0);
    commits = fixture_stats(&f).commits;
    assert_ok(sdb_zset_remove_range(f.session, KEY(0), &range, &removed));
    assert_int_equal(removed, LARGE_GONE);
    assert_int_equal(fixture_stats(&f).commits, commits + 1);
    check_large(LARGE_GONE);
    fixture_crash(&f);
    check_large(LARGE_GONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(small_ones_do_what_an_array_does, set_up, tear_down),
        cmocka_unit_test_setup_teardown(trees_do_what_an_array_does, set_up, tear_down),
        cmocka_unit_test_setup_teardown(ranges_of_members_have_bounds, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_no_number_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(flags_that_rule_each_other_out_are_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(sums_are_weighted_and_infinities_cancel, set_up, tear_down),
        cmocka_unit_test_setup_teardown(sets_count_as_members_with_the_score_1, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_transaction_takes_everything_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(most_of_a_large_one_goes_in_one_commit, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
