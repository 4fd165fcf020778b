/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_tree.c - trees of every kind against plain arrays: random operations of all sizes, taken back, committed, opened again
 *
 * The array has the elements in the tree's order; a hashed kind's is by hash. After each round everything is compared: from one end to the
 * other and back, every rank, every element by its probe; and the whole pool is checked.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine_fixture.h"
#include "entry.h"
#include "tree_internal.h"

#define ELEMENTS_MAX 6000u
#define BLOB_MAX 3000u

struct element {
    uint8_t *data;
    size_t size;
    struct tree_probe probe;
};

static struct fixture f;
static enum tree_kind kind;
static unsigned type;
static struct element model[ELEMENTS_MAX + 1], before[ELEMENTS_MAX + 1];
static size_t count, count_before;
static uint64_t number; /* of elements made: their names differ by it */
static struct tree tree;

/* ---- the tree behind a key ---- */

static uint64_t header_of(void)
{
    struct operation operation;
    uint64_t header;

    assert_ok(operation_begin(f.session, 0, "tree", 4, &operation));
    assert_true(operation.exists);
    assert_int_equal(meta_value_code(operation.found.words[0]), CODE_TREE);
    header = entry_tree(operation.found.words);
    return header;
}

static void end(void)
{
    struct tx_mark mark = {0};

    assert_ok(operation_end(f.session, &mark, SDB_OK));
}

static void open_tree(void)
{
    assert_ok(tree_open(&tree, &f.pool->heap, &f.session->tx, header_of()));
    assert_int_equal(tree.kind, kind);
}

static void make_tree(void)
{
    struct operation operation;
    struct entry_content content = {.type = type};

    assert_ok(operation_begin(f.session, 0, "tree", 4, &operation));
    assert_ok(tree_create(&f.pool->heap, &f.session->tx, operation.key.shard, kind, &content.tree));
    assert_ok(operation_put(f.session, &operation, &content));
    assert_ok(operation_end(f.session, &operation.mark, SDB_OK));
}

static void start(enum tree_kind which, unsigned of_type, uint64_t seed)
{
    fixture_create(&f, 64 * MIB, 0, 2);
    f.random = seed * 2654435761u + 1;
    kind = which;
    type = of_type;
    count = 0;
    number = 0;
    make_tree();
}

static void forget(void)
{
    while (count)
        free(model[--count].data);
}

/* ---- the model ---- */

static struct element make_element(size_t size)
{
    struct element e = {.data = malloc(size + 32), .size = size};
    const uint64_t n = number++, score = fixture_random(&f, 40);
    uint64_t word = n * 0x9e3779b97f4a7c15ull;
    size_t head = 0;

    assert_non_null(e.data);
    if (kind == TREE_HASH)
        head = tree_size_write(e.data, (uint32_t)(size < 8 ? 8 : size / 2 < 8 ? 8 : size / 2));
    if (kind == TREE_SCORES || kind == TREE_MEMBERS) {
        memcpy(e.data, &score, 8);
        head = 8;
        word = n; /* many share their first bytes */
    }
    if (kind == TREE_STREAM) {
        memcpy(e.data, &n, 8);
        memcpy(e.data + 8, &score, 8);
        head = 16;
    }
    if (e.size < head + 8)
        e.size = head + 8;
    for (size_t i = head; i < e.size; i++)
        e.data[i] = (uint8_t)(n + i);
    if (kind == TREE_SCORES && e.size >= head + 16) { /* a beginning that all have */
        memset(e.data + head, 'm', 8);
        memcpy(e.data + head + 8, &word, 8);
    } else {
        memcpy(e.data + head, &word, 8);
    }
    assert_true(tree_probe_element(&f.pool->file, kind, e.data, e.size, &e.probe));
    return e;
}

static size_t random_size(void)
{
    static const size_t sizes[] = {8, 20, 40, 100, TREE_INLINE_MAX, BLOB_MAX};

    return fixture_random(&f, sizes[fixture_random(&f, 20) ? fixture_random(&f, 4) : 4 + fixture_random(&f, 2)]) + 1;
}

/* Where the element belongs among those of the model. */
static size_t place_in_model(const struct element *e)
{
    size_t low = 0, high = count;

    if (kind == TREE_LIST)
        return fixture_random(&f, count + 1);
    while (low < high) {
        size_t middle = (low + high) / 2;

        if (tree_probe_compare(tree.shape, &model[middle].probe, &e->probe) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* ---- operations on both ---- */

static void insert_at(struct element e, size_t at)
{
    struct tree_place place;
    size_t cut = fixture_random(&f, e.size + 1);
    struct sdb_slice parts[2] = {{e.data, cut}, {e.data + cut, e.size - cut}};

    if (kind == TREE_LIST)
        assert_int_not_equal(tree_at(&tree, at, &place), TREE_DAMAGED);
    else
        assert_int_equal(tree_find(&tree, &e.probe, &place), TREE_MISSING);
    assert_ok(tree_insert(&tree, &place, parts, 2));
    memmove(model + at + 1, model + at, (count - at) * sizeof(*model));
    model[at] = e;
    count++;
}

static void insert_some(void)
{
    struct element e = make_element(random_size());

    insert_at(e, place_in_model(&e));
}

static void find_place(size_t at, struct tree_place *place)
{
    if (kind == TREE_LIST)
        assert_int_equal(tree_at(&tree, at, place), TREE_FOUND);
    else
        assert_int_equal(tree_find(&tree, &model[at].probe, place), TREE_FOUND);
}

static void remove_at(size_t at)
{
    struct tree_place place;

    find_place(at, &place);
    assert_ok(tree_remove(&tree, &place));
    free(model[at].data);
    memmove(model + at, model + at + 1, (--count - at) * sizeof(*model));
}

/* A whole leaf: its elements stand side by side in the model, too. */
static void remove_leaf_of(size_t at)
{
    struct tree_place place;
    uint64_t first;
    size_t gone;

    find_place(at, &place);
    gone = place.leaf.count;
    assert_ok(tree_rank(&tree, &place, &first));
    first -= place.index[0];
    assert_ok(tree_remove_leaf(&tree, &place));
    for (size_t i = 0; i < gone; i++)
        free(model[first + i].data);
    memmove(model + first, model + first + gone, (count - first - gone) * sizeof(*model));
    count -= gone;
}

/* Another content, with the same name. */
static void replace_at(size_t at)
{
    const size_t head = kind == TREE_HASH ? model[at].size / 2 + 5 : kind == TREE_STREAM ? 24 : model[at].size;
    struct element e = model[at];
    struct tree_place place;
    uint32_t field;
    size_t keep = kind == TREE_LIST ? 0 : kind == TREE_HASH ? tree_size_read(e.data, e.size, &field) + field : head;

    if (keep > e.size)
        keep = e.size;
    e.size = kind == TREE_HASH || kind == TREE_STREAM || kind == TREE_LIST ? keep + random_size() : keep;
    e.data = malloc(e.size);
    assert_non_null(e.data);
    memcpy(e.data, model[at].data, keep);
    memset(e.data + keep, (int)fixture_random(&f, 256), e.size - keep);
    assert_true(tree_probe_element(&f.pool->file, kind, e.data, e.size, &e.probe));
    find_place(at, &place);
    assert_ok(tree_replace(&tree, &place, &(struct sdb_slice){e.data, e.size}, 1));
    free(model[at].data);
    model[at] = e;
}

/* ---- comparing ---- */

static bool same(const struct tree_element *element, const struct element *e)
{
    return element->size == e->size && memcmp(element->data, e->data, e->size) == 0;
}

static void compare_ordered(void)
{
    struct tree_place place;
    struct tree_element element;

    for (size_t i = 0; i < count; i++) {
        uint64_t rank = UINT64_MAX;

        assert_int_equal(i ? tree_next(&tree, &place) : tree_at(&tree, 0, &place), TREE_FOUND);
        assert_ok(tree_read(&tree, &place, &element));
        assert_true(same(&element, &model[i]));
        assert_ok(tree_rank(&tree, &place, &rank));
        assert_int_equal(rank, i);
    }
    assert_int_equal(count ? tree_next(&tree, &place) : tree_at(&tree, 0, &place), TREE_MISSING);
    for (size_t i = count; i-- > 0;) {
        assert_int_equal(i + 1 < count ? tree_previous(&tree, &place) : tree_at(&tree, i, &place), TREE_FOUND);
        assert_ok(tree_read(&tree, &place, &element));
        assert_true(same(&element, &model[i]));
    }
}

/* The leaves of a hashed tree are in order of hashes, each element is there once. */
static void compare_hashed(void)
{
    const struct tree_probe start = {.name = ""};
    struct tree_place place;
    size_t seen = 0;

    for (enum tree_result r = tree_seek(&tree, &start, &place); r == TREE_FOUND; r = tree_next_leaf(&tree, &place)) {
        uint64_t least = UINT64_MAX, most = 0;

        for (place.index[0] = 0; place.index[0] < place.leaf.count; place.index[0]++) {
            struct tree_element element;
            struct tree_probe probe;

            assert_ok(tree_read(&tree, &place, &element));
            assert_true(tree_probe_element(&f.pool->file, kind, element.data, element.size, &probe));
            least = probe.key[0] < least ? probe.key[0] : least;
            most = probe.key[0] > most ? probe.key[0] : most;
        }
        seen += place.leaf.count;
        assert_true(seen <= count);
        assert_true(model[seen - place.leaf.count].probe.key[0] == least && model[seen - 1].probe.key[0] == most);
    }
    assert_int_equal(seen, count);
}

static void compare_found(void)
{
    struct tree_place place;
    struct tree_element element;

    for (size_t i = 0; i < count; i++) {
        find_place(i, &place);
        assert_ok(tree_read(&tree, &place, &element));
        assert_true(same(&element, &model[i]));
    }
    for (unsigned i = 0; i < 20 && kind != TREE_LIST; i++) {
        struct element e = make_element(random_size());
        enum tree_result result;
        size_t at = place_in_model(&e);

        assert_int_equal(tree_find(&tree, &e.probe, &place), TREE_MISSING);
        result = tree_seek(&tree, &e.probe, &place);
        if (tree.shape->ordered) {
            assert_int_equal(result, at < count ? TREE_FOUND : TREE_MISSING);
            if (result == TREE_FOUND) {
                assert_ok(tree_read(&tree, &place, &element));
                assert_true(same(&element, &model[at]));
            }
        }
        free(e.data);
    }
}

static void compare_all(void)
{
    open_tree();
    assert_int_equal(tree.count, count);
    if (tree.shape->ordered)
        compare_ordered();
    else
        compare_hashed();
    compare_found();
    end();
}

/* ---- rounds ---- */

static void one_operation(unsigned inserts)
{
    const uint64_t what = fixture_random(&f, 100);

    if (count < ELEMENTS_MAX && (what < inserts || count == 0))
        insert_some();
    else if (what < 92 && what % 8)
        remove_at(fixture_random(&f, count));
    else if (what < 92)
        remove_leaf_of(fixture_random(&f, count));
    else
        replace_at(fixture_random(&f, count));
}

/* A few operations in one commit, or taken back. */
static void one_commit(unsigned inserts)
{
    const unsigned n = 1 + (unsigned)fixture_random(&f, fixture_random(&f, 8) ? 3 : 40);
    const bool back = fixture_random(&f, 10) == 0;
    struct tx_mark mark;

    open_tree();
    mark = tx_savepoint(&f.session->tx);
    count_before = count;
    for (size_t i = 0; back && i < count; i++) {
        before[i] = model[i];
        before[i].data = malloc(model[i].size);
        assert_non_null(before[i].data);
        memcpy(before[i].data, model[i].data, model[i].size);
    }
    for (unsigned i = 0; i < n; i++)
        one_operation(inserts);
    if (!back) {
        end();
        return;
    }
    session_rollback(f.session, &mark);
    end();
    forget();
    memcpy(model, before, count_before * sizeof(*model));
    count = count_before;
    for (size_t i = 0; i < count; i++) /* names lie in the data */
        assert_true(tree_probe_element(&f.pool->file, kind, model[i].data, model[i].size, &model[i].probe));
}

static void run_model(void)
{
    /* It grows, goes up and down, shrinks to nothing, and grows again. */
    static const unsigned inserts[] = {85, 60, 45, 20, 10, 70, 85, 45};

    for (unsigned round = 0; round < sizeof(inserts) / sizeof(inserts[0]); round++) {
        for (unsigned i = 0; i < 260; i++)
            one_commit(inserts[round]);
        compare_all();
        if (round % 3 == 1)
            fixture_reopen(&f);
        else if (round % 3 == 2)
            fixture_crash(&f);
        (void)fixture_check(&f);
        compare_all();
    }
    while (count) {
        open_tree();
        for (unsigned i = 0; i < 50 && count; i++)
            remove_at(fixture_random(&f, 3) ? count - 1 : 0);
        end();
    }
    compare_all();
    forget();
    fixture_destroy(&f);
}

static void a_hash_is_what_the_model_is(void **state)
{
    (void)state;
    start(TREE_HASH, VALUE_HASH, 1);
    run_model();
}

static void a_set_is_what_the_model_is(void **state)
{
    (void)state;
    start(TREE_SET, VALUE_SET, 2);
    run_model();
}

static void a_list_is_what_the_model_is(void **state)
{
    (void)state;
    start(TREE_LIST, VALUE_LIST, 3);
    run_model();
}

static void scores_are_what_the_model_is(void **state)
{
    (void)state;
    start(TREE_SCORES, VALUE_ZSET, 4);
    run_model();
}

static void a_stream_is_what_the_model_is(void **state)
{
    (void)state;
    start(TREE_STREAM, VALUE_STREAM, 5);
    run_model();
}

/* ---- ends ---- */

static void a_list_grows_at_both_ends_in_full_leaves(void **state)
{
    uint64_t nodes;

    (void)state;
    start(TREE_LIST, VALUE_LIST, 6);
    for (unsigned i = 0; i < 4000; i++) {
        open_tree();
        insert_at(make_element(8), i % 2 ? count : 0);
        end();
    }
    compare_all();
    open_tree();
    nodes = tree.bytes / TREE_NODE_SIZE;
    /* Two words each; a leaf has room for 126 of them. */
    assert_true(tree.bytes % TREE_NODE_SIZE == 0 && nodes <= 4000 / 120 + 3);
    end();
    while (count > 1) {
        open_tree();
        remove_at(0);
        remove_at(count - 1 < count ? count - 1 : 0);
        end();
        if (count % 500 == 0)
            compare_all();
    }
    forget();
    fixture_destroy(&f);
}

/* Slots are free, and fewer words than the element needs, even where all the rest of the node is counted. */
static void a_leaf_with_free_slots_and_no_room_is_split(void **state)
{
    static const size_t sizes[] = {160, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 256};

    (void)state;
    start(TREE_LIST, VALUE_LIST, 10);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        open_tree();
        insert_at(make_element(sizes[i]), i / 2);
        end();
    }
    compare_all();
    assert_int_equal(tree.bytes, 3 * TREE_NODE_SIZE); /* two leaves below a node */
    forget();
    fixture_destroy(&f);
}

/* ---- dropping ---- */

static void reclaim_all(void)
{
    int done = 0;

    for (unsigned steps = 0; !done; steps++) {
        assert_true(steps < 10000);
        assert_ok(sdb_maintain(f.session, 50, &done));
        if (steps % 37 == 5)
            (void)fixture_check(&f);
        if (steps % 97 == 7)
            fixture_crash(&f);
    }
}

static void a_dropped_tree_is_reclaimed_step_by_step(void **state)
{
    struct sdb_check result;
    uint64_t used;

    (void)state;
    start(TREE_HASH, VALUE_HASH, 7);
    assert_ok(sdb_delete(f.session, "tree", 4));
    reclaim_all();
    used = fixture_stats(&f).blob_bytes;
    make_tree();
    for (unsigned i = 0; i < 1500; i++) {
        open_tree();
        insert_some();
        end();
    }
    assert_ok(fixture_set(&f, "other", "value"));
    /* A string in its place: the tree is gone in the same commit, and what it had waits. */
    assert_ok(fixture_set(&f, "tree", "a string"));
    assert_true(fixture_stats(&f).blob_bytes > used + 100000);
    (void)fixture_check(&f);
    fixture_reopen(&f);
    assert_true(fixture_has(&f, "tree", "a string"));
    reclaim_all();
    assert_int_equal(fixture_stats(&f).blob_bytes, used);
    assert_ok(sdb_check(f.pool, fixture_note_problem, NULL, &result));
    assert_int_equal(result.nodes, 0);
    forget();
    fixture_destroy(&f);
}

static void companions_go_together(void **state)
{
    uint64_t used, header;

    (void)state;
    start(TREE_SCORES, VALUE_ZSET, 8);
    used = fixture_stats(&f).blob_bytes;
    for (unsigned i = 0; i < 300; i++) {
        open_tree();
        insert_some();
        end();
    }
    open_tree();
    assert_ok(tree_create(&f.pool->heap, &f.session->tx, tree.shard, TREE_MEMBERS, &header));
    tree_set_companion(&tree, header);
    end();
    (void)fixture_check(&f);
    for (unsigned i = 0; i < 300; i++) {
        struct tree members;
        struct tree_place place;
        struct tree_probe probe;
        struct element e = model[i];

        open_tree();
        assert_ok(tree_companion(&tree, &header));
        assert_ok(tree_open(&members, &f.pool->heap, &f.session->tx, header));
        assert_true(tree_probe_element(&f.pool->file, TREE_MEMBERS, e.data, e.size, &probe));
        assert_int_equal(tree_find(&members, &probe, &place), TREE_MISSING);
        assert_ok(tree_insert(&members, &place, &(struct sdb_slice){e.data, e.size}, 1));
        end();
    }
    fixture_crash(&f);
    (void)fixture_check(&f);
    assert_ok(sdb_delete(f.session, "tree", 4));
    reclaim_all();
    assert_int_equal(fixture_stats(&f).blob_bytes, used - heap_block_size(sizeof(struct sdb_m_tree)));
    forget();
    fixture_destroy(&f);
}

/* ---- damage ---- */

/* Each bit of a tree's blocks, one at a time: what is read is what was there, or an error; and the check tells. */
static void every_flipped_bit_is_told(void **state)
{
    uint64_t flips = 0;

    (void)state;
    start(TREE_HASH, VALUE_HASH, 9);
    for (unsigned i = 0; i < 130; i++) {
        open_tree();
        insert_at(make_element(24), 0);
        end();
    }
    open_tree();
    end();
    const uint64_t header = tree.header;
    for (unsigned page = 0; page < 2; page++) {
        const uint64_t from = page ? tree.root : header, size = page ? TREE_NODE_SIZE : sizeof(struct sdb_m_tree);

        for (uint64_t bit = fixture_random(&f, 7); bit < size * 8; bit += 7) {
            uint8_t *byte = (uint8_t *)alias_of(f.pool->file.base + from + bit / 8);
            unsigned found = 0, errors = 0;

            *byte ^= (uint8_t)(1u << bit % 8);
            for (size_t i = 0; i < count; i++) {
                struct tree_place place;
                struct tree_element element;
                struct tree damaged;
                enum tree_result result;

                if (tree_open(&damaged, &f.pool->heap, &f.session->tx, header)) {
                    errors++;
                    continue;
                }
                result = tree_find(&damaged, &model[i].probe, &place);
                assert_int_not_equal(result, TREE_MISSING);
                if (result == TREE_FOUND && tree_read(&damaged, &place, &element) == SDB_OK) {
                    assert_true(same(&element, &model[i]));
                    found++;
                } else {
                    errors++;
                }
            }
            assert_int_equal(found + errors, count);
            *byte ^= (uint8_t)(1u << bit % 8);
            flips++;
        }
    }
    assert_true(flips > 2000);
    forget();
    fixture_destroy(&f);
}

/* Whether places before and behind it are found while a record in the middle of the root is damaged: nobody looks at it for them. */
static void ranks_are_counted_from_the_nearer_end(void **state)
{
    struct tree_place place;
    struct tree_node root;
    uint8_t *byte;

    (void)state;
    start(TREE_LIST, VALUE_LIST, 10);
    for (unsigned i = 0; i < 2000; i++) {
        open_tree();
        insert_at(make_element(8), count);
        end();
    }
    open_tree();
    end();
    assert_int_equal(tree.height, 1);
    assert_ok(tree_load(&tree, tree.root, 1, TREE_SCRATCH_INNER, &root));
    assert_true(root.count > 10);
    byte = (uint8_t *)alias_of(f.pool->file.base + tree.root + tree_record_word(tree.shape, root.count / 2) * WORD_SIZE);
    *byte ^= 1;
    assert_int_equal(tree_at(&tree, 0, &place), TREE_FOUND);
    assert_int_equal(tree_at(&tree, count / 4, &place), TREE_FOUND);
    assert_int_equal(tree_at(&tree, count / 2, &place), TREE_DAMAGED);
    assert_int_equal(tree_at(&tree, count - count / 4, &place), TREE_FOUND);
    assert_int_equal(tree_at(&tree, count - 1, &place), TREE_FOUND);
    assert_int_equal(tree_at(&tree, count, &place), TREE_MISSING);
    *byte ^= 1;
    forget();
    fixture_destroy(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_hash_is_what_the_model_is),
        cmocka_unit_test(a_set_is_what_the_model_is),
        cmocka_unit_test(a_list_is_what_the_model_is),
        cmocka_unit_test(scores_are_what_the_model_is),
        cmocka_unit_test(a_stream_is_what_the_model_is),
        cmocka_unit_test(a_list_grows_at_both_ends_in_full_leaves),
        cmocka_unit_test(a_leaf_with_free_slots_and_no_room_is_split),
        cmocka_unit_test(a_dropped_tree_is_reclaimed_step_by_step),
        cmocka_unit_test(companions_go_together),
        cmocka_unit_test(every_flipped_bit_is_told),
        cmocka_unit_test(ranks_are_counted_from_the_nearer_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
