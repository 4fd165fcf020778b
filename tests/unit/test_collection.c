/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_collection.c - collections of every type against plain arrays: random changes over the limits of what is packed, taken back,
 * committed, renamed, copied, opened again; and what strings and collections say to each other
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "collection.h"
#include "engine_case.h"

#define ELEMENTS_MAX 900u

struct element {
    char name[700], value[700];
    size_t name_size, value_size;
    double score;
};

static struct element model[ELEMENTS_MAX + 1], before[ELEMENTS_MAX + 1];
static size_t count, count_before;
static unsigned type;
static char key_name[32];
static bool ints; /* names of sets are integers */

/* ---- elements ---- */

static void fill(char *to, size_t *size, size_t size_max)
{
    *size = fixture_random(&f, 40) ? fixture_random(&f, 30) : fixture_random(&f, size_max);
    for (size_t i = 0; i < *size; i++)
        to[i] = (char)fixture_random(&f, 256);
}

static struct element make_element(void)
{
    static struct element e;

    e.value_size = 0;
    if (type == SDB_TYPE_LIST)
        fill(e.name, &e.name_size, sizeof(e.name));
    else /* one of a few, so that it is there already now and then */
        e.name_size = (size_t)sprintf(e.name, ints ? "%d" : "name-%d", (int)fixture_random(&f, 1200) - 600);
    if (type != SDB_TYPE_LIST && !ints && fixture_random(&f, 300) == 0)
        e.name_size = (size_t)sprintf(e.name, "%0300d", (int)fixture_random(&f, 5));
    if (type == SDB_TYPE_HASH)
        fill(e.value, &e.value_size, sizeof(e.value));
    e.score = type == SDB_TYPE_ZSET ? (double)fixture_random(&f, 50) / 4 - 6 : 0;
    return e;
}

static struct collection_element as_element(const struct element *e)
{
    return (struct collection_element){.name = {e->name, e->name_size},
                                       .value = {e->value, e->value_size},
                                       .score = type == SDB_TYPE_ZSET ? collection_score_word(e->score) : 0};
}

static size_t find_name(const char *name, size_t size)
{
    size_t i = 0;

    while (i < count && (model[i].name_size != size || memcmp(model[i].name, name, size) != 0))
        i++;
    return i;
}

static int compare_names(const struct element *a, const struct element *b)
{
    const size_t least = a->name_size < b->name_size ? a->name_size : b->name_size;
    const int order = memcmp(a->name, b->name, least);

    return order ? order : (a->name_size > b->name_size) - (a->name_size < b->name_size);
}

/* Where it stands in the order of a sorted set. */
static size_t place_of(const struct element *e)
{
    size_t i = 0;

    while (i < count && (model[i].score < e->score || (model[i].score == e->score && compare_names(&model[i], e) < 0)))
        i++;
    return i;
}

static void model_insert(size_t at, const struct element *e)
{
    memmove(&model[at + 1], &model[at], (count - at) * sizeof(*model));
    model[at] = *e;
    count++;
}

static void model_remove(size_t at)
{
    memmove(&model[at], &model[at + 1], (count - at - 1) * sizeof(*model));
    count--;
}

/* ---- changes ---- */

static int put(struct collection *c)
{
    const struct element e = make_element();
    const struct collection_element element = as_element(&e);
    const size_t at = find_name(e.name, e.name_size);
    bool added = false;
    int error;

    if (count == ELEMENTS_MAX)
        return SDB_OK;
    if (type == SDB_TYPE_LIST) {
        const size_t rank = fixture_random(&f, 3) ? (fixture_random(&f, 2) ? count : 0) : fixture_random(&f, count + 1);

        model_insert(rank, &e);
        return collection_insert(c, rank, &element.name);
    }
    error = collection_put(c, &element, &added);
    assert_int_equal(added, at == count);
    if (at < count)
        model_remove(at);
    model_insert(type == SDB_TYPE_ZSET ? place_of(&e) : count, &e);
    return error;
}

static int take(struct collection *c)
{
    struct collection_place place;
    size_t at;
    int error;

    if (count == 0)
        return SDB_OK;
    at = fixture_random(&f, count);
    error = type == SDB_TYPE_LIST ? collection_at(c, at, &place) : collection_find(c, model[at].name, model[at].name_size, &place);
    model_remove(at);
    return error ? error : collection_take(c, &place);
}

static int put_another(struct collection *c)
{
    const struct element e = make_element();
    size_t at;

    if (count == 0 || type != SDB_TYPE_LIST)
        return put(c);
    at = fixture_random(&f, count);
    model[at] = e;
    return collection_set(c, at, &(struct sdb_slice){e.name, e.name_size});
}

struct batch {
    unsigned steps, growth;
    bool fails, clears;
};

static int change(struct collection *c, void *context)
{
    const struct batch *batch = context;
    int error = SDB_OK;

    assert_int_equal(c->count, count);
    if (batch->clears) {
        error = collection_clear(c);
        count = 0;
    }
    for (unsigned i = 0; i < batch->steps && !error; i++)
        error = fixture_random(&f, 10) < batch->growth ? (fixture_random(&f, 5) ? put(c) : put_another(c)) : take(c);
    return error ? error : batch->fails ? SDB_EINVAL : SDB_OK;
}

/* ---- comparing ---- */

struct walk {
    size_t seen;
    bool met[ELEMENTS_MAX];
    bool by_order;
};

static int meet(void *context, const struct sdb_element *element)
{
    struct walk *walk = context;
    const size_t at = walk->by_order ? walk->seen : find_name(element->name.data, element->name.size);

    assert_true(at < count && walk->seen < count);
    assert_false(walk->met[at]);
    assert_int_equal(element->name.size, model[at].name_size);
    assert_memory_equal(element->name.data, model[at].name, model[at].name_size);
    assert_int_equal(element->value.size, model[at].value_size);
    assert_memory_equal(element->value.data, model[at].value, model[at].value_size);
    assert_true(element->score == model[at].score);
    walk->met[at] = true;
    walk->seen++;
    return 0;
}

static int look_ranks(struct collection *c, void *context)
{
    struct collection_element element;
    struct collection_place place;
    size_t back = count;
    uint64_t rank;

    (void)context;
    for (size_t i = 0; i < count; i += 1 + fixture_random(&f, 7)) {
        assert_ok(collection_at(c, i, &place));
        assert_ok(collection_rank(c, &place, &rank));
        assert_int_equal(rank, i);
        if (type != SDB_TYPE_LIST) {
            assert_ok(collection_find(c, model[i].name, model[i].name_size, &place));
            assert_ok(collection_read(c, &place, &element));
            assert_memory_equal(element.name.data, model[i].name, model[i].name_size);
        }
        if (type == SDB_TYPE_ZSET) {
            assert_ok(collection_rank(c, &place, &rank));
            assert_int_equal(rank, i);
            assert_ok(collection_seek(c, collection_score_word(model[i].score), NULL, 0, &place));
            assert_ok(collection_rank(c, &place, &rank));
            assert_true(rank <= i && model[rank].score == model[i].score && (rank == 0 || model[rank - 1].score < model[i].score));
        }
    }
    assert_int_equal(collection_at(c, count, &place), SDB_ENOTFOUND);
    for (int error = collection_at(c, count - 1, &place); !error; error = collection_previous(c, &place))
        back--;
    assert_int_equal(back, 0);
    return SDB_OK;
}

static void compare(const char *key)
{
    struct walk walk = {.by_order = type == SDB_TYPE_LIST || type == SDB_TYPE_ZSET};
    struct sdb_stat stat;
    uint64_t n = 0, cursor = 0;

    if (count == 0) {
        assert_int_equal(sdb_collection_count(f.session, key, strlen(key), type, &n), SDB_ENOTFOUND);
        assert_int_equal(sdb_exists(f.session, key, strlen(key)), SDB_ENOTFOUND);
        return;
    }
    assert_ok(sdb_collection_count(f.session, key, strlen(key), type, &n));
    assert_int_equal(n, count);
    assert_ok(sdb_collection_each(f.session, key, strlen(key), type, meet, &walk));
    assert_int_equal(walk.seen, count);
    assert_ok(collection_look(f.session, key, strlen(key), type, look_ranks, NULL));
    assert_ok(sdb_stat(f.session, key, strlen(key), &stat));
    assert_int_equal(stat.type, type);
    assert_int_equal(stat.size, count);
    if (type == SDB_TYPE_LIST)
        return;
    walk = (struct walk){0};
    do {
        assert_ok(sdb_collection_scan(f.session, key, strlen(key), type, &cursor, 1 + fixture_random(&f, 20), meet, &walk));
    } while (cursor);
    assert_int_equal(walk.seen, count);
}

/* ---- rounds ---- */

static void round_of_changes(void)
{
    struct batch batch = {.steps = (unsigned)fixture_random(&f, 60), .growth = (unsigned)fixture_random(&f, 3) ? 7 : 2};

    batch.fails = fixture_random(&f, 8) == 0;
    batch.clears = fixture_random(&f, 20) == 0;
    memcpy(before, model, sizeof(model));
    count_before = count;
    if (fixture_random(&f, 4) == 0) { /* inside a transaction, which may be given up */
        const bool abort = fixture_random(&f, 2);

        assert_ok(sdb_begin(f.session, NULL, 0));
        for (int i = 0; i < 2; i++) {
            batch.fails = false;
            assert_ok(collection_change(f.session, key_name, strlen(key_name), type, change, &batch));
            compare(key_name);
        }
        if (!abort) {
            assert_ok(sdb_commit(f.session));
            return;
        }
        sdb_abort(f.session);
        batch.fails = true;
    } else {
        assert_int_equal(collection_change(f.session, key_name, strlen(key_name), type, change, &batch), batch.fails ? SDB_EINVAL : SDB_OK);
    }
    if (batch.fails) {
        memcpy(model, before, sizeof(model));
        count = count_before;
    }
}

static void rename_and_copy(void)
{
    char other[32];

    sprintf(other, "key-%d", (int)fixture_random(&f, 100000));
    if (count == 0 || strcmp(other, key_name) == 0)
        return;
    assert_ok(sdb_copy(f.session, key_name, strlen(key_name), 0, "copy", 4, 1));
    compare("copy");
    assert_ok(sdb_copy(f.session, key_name, strlen(key_name), 1, "copy", 4, 1));
    assert_ok(sdb_rename(f.session, key_name, strlen(key_name), other, strlen(other), 1));
    compare(other);
    assert_int_equal(sdb_exists(f.session, key_name, strlen(key_name)), SDB_ENOTFOUND);
    strcpy(key_name, other);
    assert_ok(sdb_expire(f.session, key_name, strlen(key_name), NOW + 1000));
}

static void run(unsigned of_type, bool of_ints, unsigned rounds)
{
    int done = 0;

    type = of_type;
    ints = of_ints;
    count = 0;
    strcpy(key_name, "key");
    for (unsigned i = 0; i < rounds; i++) {
        round_of_changes();
        compare(key_name);
        if (i % 16 == 5)
            rename_and_copy();
        if (i % 16 == 11) {
            if (i % 32 == 11)
                fixture_crash(&f);
            else
                fixture_reopen(&f);
            sdb_session_set_time(f.session, NOW);
            compare(key_name);
            (void)fixture_check(&f);
        }
    }
    assert_ok(sdb_flush_all(f.session));
    while (!done)
        assert_ok(sdb_maintain(f.session, 65536, &done));
    assert_int_equal(fixture_check(&f), 0);
}

static void hashes_are_what_was_done_to_them(void **state)
{
    (void)state;
    run(SDB_TYPE_HASH, false, 160);
}

static void lists_are_what_was_done_to_them(void **state)
{
    (void)state;
    run(SDB_TYPE_LIST, false, 160);
}

static void sets_are_what_was_done_to_them(void **state)
{
    (void)state;
    run(SDB_TYPE_SET, false, 120);
    run(SDB_TYPE_SET, true, 120);
}

static void sorted_sets_are_what_was_done_to_them(void **state)
{
    (void)state;
    run(SDB_TYPE_ZSET, false, 160);
}

/* ---- strings and collections ---- */

static int put_one(struct collection *c, void *context)
{
    (void)context;
    return collection_put(c, &(struct collection_element){.name = {"field", 5}, .value = {"value", 5}}, NULL);
}

static int put_many(struct collection *c, void *context)
{
    static const char large[65] = "more than hash-max-listpack-value"; /* so that a hash is a tree */
    char name[16];
    int error = SDB_OK;

    (void)context;
    for (int i = 0; i < 200 && !error; i++)
        error = collection_put(c, &(struct collection_element){.name = {name, (size_t)sprintf(name, "%d", i)}, .value = {large, sizeof(large)}}, NULL);
    return error;
}

/* What put_many puts into a hash is too much to be packed. */
static void limit_hashes(void)
{
    struct sdb_limits limits = SDB_LIMITS_INIT;

    limits.hash_max_listpack_entries = 128;
    sdb_set_limits(f.pool, &limits);
}

static void a_string_is_no_collection_and_a_collection_no_string(void **state)
{
    char buffer[SDB_FLOAT_TEXT_MAX];
    struct sdb_slice key = {"h", 1};
    struct sdb_inline value;
    struct sdb_view view;
    int64_t sum;
    size_t size;

    (void)state;
    limit_hashes();
    for (int large = 0; large < 2; large++) {
        uint64_t handle;

        assert_ok(collection_change(f.session, "h", 1, SDB_TYPE_HASH, large ? put_many : put_one, NULL));
        assert_ok(sdb_handle(f.session, "h", 1, &handle));
        assert_int_equal(sdb_view(f.session, "h", 1, &view), SDB_ETYPE);
        assert_int_equal(sdb_get(f.session, "h", 1, buffer, sizeof(buffer), &size), SDB_ETYPE);
        assert_int_equal(sdb_get_range(f.session, "h", 1, 0, buffer, sizeof(buffer), &size), SDB_ETYPE);
        assert_int_equal(sdb_view_by_handle(f.session, handle, &view), SDB_ETYPE);
        assert_int_equal(sdb_append(f.session, "h", 1, "x", 1, &size), SDB_ETYPE);
        assert_int_equal(sdb_append(f.session, "h", 1, "", 0, &size), SDB_ETYPE);
        assert_int_equal(sdb_set_range(f.session, "h", 1, 0, "x", 1, &size), SDB_ETYPE);
        assert_int_equal(sdb_add(f.session, "h", 1, 1, &sum), SDB_ETYPE);
        assert_int_equal(sdb_add_float(f.session, "h", 1, 1, buffer, &size), SDB_ETYPE);
        sdb_get_many(f.session, &key, 1, &value);
        assert_int_equal(value.result, SDB_ETOOBIG); /* look again */
        assert_int_equal(collection_change(f.session, "h", 1, SDB_TYPE_SET, put_one, NULL), SDB_ETYPE);
        assert_int_equal(collection_look(f.session, "h", 1, SDB_TYPE_LIST, look_ranks, NULL), SDB_ETYPE);
        assert_ok(sdb_set(f.session, "h", 1, "now a string", 12, NULL));
        assert_true(fixture_has(&f, "h", "now a string"));
        assert_int_equal(collection_change(f.session, "h", 1, SDB_TYPE_HASH, put_one, NULL), SDB_ETYPE);
        assert_int_equal(collection_look(f.session, "h", 1, SDB_TYPE_HASH, look_ranks, NULL), SDB_ETYPE);
        assert_ok(collection_store(f.session, "h", 1, SDB_TYPE_SET, put_one, NULL));
        assert_ok(sdb_delete(f.session, "h", 1));
    }
}

static void an_encoding_says_how_large_a_collection_has_been(void **state)
{
    struct sdb_stat stat;

    (void)state;
    limit_hashes();
    assert_ok(collection_change(f.session, "h", 1, SDB_TYPE_HASH, put_one, NULL));
    assert_ok(sdb_stat(f.session, "h", 1, &stat));
    assert_int_equal(stat.encoding, SDB_ENCODING_PACKED);
    assert_ok(collection_change(f.session, "h", 1, SDB_TYPE_HASH, put_many, NULL));
    assert_ok(sdb_stat(f.session, "h", 1, &stat));
    assert_int_equal(stat.encoding, SDB_ENCODING_LARGE);
    assert_ok(sdb_copy(f.session, "h", 1, 0, "copy", 4, 0));
    assert_ok(sdb_stat(f.session, "copy", 4, &stat));
    assert_int_equal(stat.encoding, SDB_ENCODING_LARGE);
    assert_ok(collection_change(f.session, "ints", 4, SDB_TYPE_SET, put_many, NULL));
    assert_ok(sdb_stat(f.session, "ints", 4, &stat));
    assert_int_equal(stat.encoding, SDB_ENCODING_INTS);
    assert_ok(collection_change(f.session, "ints", 4, SDB_TYPE_SET, put_one, NULL));
    assert_ok(sdb_stat(f.session, "ints", 4, &stat));
    assert_int_equal(stat.encoding, SDB_ENCODING_LARGE);
}

static void a_change_keeps_the_time_to_live_and_a_store_does_not(void **state)
{
    struct sdb_stat stat;

    (void)state;
    assert_ok(collection_change(f.session, "h", 1, SDB_TYPE_HASH, put_one, NULL));
    assert_ok(sdb_expire(f.session, "h", 1, NOW + 5));
    assert_ok(collection_change(f.session, "h", 1, SDB_TYPE_HASH, put_many, NULL));
    assert_ok(sdb_stat(f.session, "h", 1, &stat));
    assert_int_equal(stat.expire_ms, NOW + 5);
    assert_ok(collection_store(f.session, "h", 1, SDB_TYPE_HASH, put_many, NULL));
    assert_ok(sdb_stat(f.session, "h", 1, &stat));
    assert_int_equal(stat.expire_ms, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(hashes_are_what_was_done_to_them, set_up, tear_down),
        cmocka_unit_test_setup_teardown(lists_are_what_was_done_to_them, set_up, tear_down),
        cmocka_unit_test_setup_teardown(sets_are_what_was_done_to_them, set_up, tear_down),
        cmocka_unit_test_setup_teardown(sorted_sets_are_what_was_done_to_them, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_string_is_no_collection_and_a_collection_no_string, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_encoding_says_how_large_a_collection_has_been, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_change_keeps_the_time_to_live_and_a_store_does_not, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
