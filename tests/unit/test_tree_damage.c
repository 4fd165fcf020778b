/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_tree_damage.c - damaged large collections: an element is right or an error, the check and a scrub tell, writes lose nothing, and
 * after a repair every collection is whole or was told to be lost
 *
 * By default a sample of a fixed seed. Arguments: a seed, and how many damages of each kind; or "all", which flips every bit.
 *
 * ctest-labels: threads
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine_fixture.h"

#include "collection_fixture.h"
#include "index_internal.h"
#include "layout.h"
#include "tree_verify.h"

#define POOL_SIZE (16 * MIB)
#define RANGES_MAX 4096u
#define GONE COLLECTIONS /* the owner of what a dropped collection has */

/* Under ThreadSanitizer what two threads do is looked at; of damages it sees a few. */
#ifdef __SANITIZE_THREAD__
#define SLOWER 10u
#else
#define SLOWER 1u
#endif

static bool all;
static uint64_t seed = 20260303;
static unsigned times; /* of each kind; 0: the usual number */

/* ---- a pool, and where its collections lie ---- */

struct range {
    uint64_t from, size;
    unsigned owner; /* number of the collection */
    bool node;
};

static struct fixture f;
static struct collection_state states[COLLECTIONS];
static struct range ranges[RANGES_MAX];
static size_t range_count;
static uint64_t range_bits;
static unsigned owner;

static void note_range(uint64_t from, uint64_t size, bool node)
{
    assert_true(range_count < RANGES_MAX);
    ranges[range_count++] = (struct range){from, size, owner, node};
    range_bits += size * 8;
}

static bool note_header(void *context, uint64_t from, uint64_t offset)
{
    (void)context;
    (void)from;
    note_range(offset, sizeof(struct sdb_m_tree), false);
    return true;
}

static bool note_node(void *context, uint64_t from, uint64_t offset)
{
    (void)context;
    (void)from;
    note_range(offset, TREE_NODE_SIZE, true);
    return true;
}

static bool note_blob(void *context, uint64_t from, uint64_t reference)
{
    const uint8_t *data;
    uint32_t size;

    (void)context;
    (void)from;
    assert_true(entry_blob(&f.pool->file, reference, &data, &size));
    note_range(blob_reference_offset(reference), sizeof(struct sdb_m_blob) + size, false);
    return true;
}

static void no_problem(void *context, uint64_t offset, const char *what)
{
    (void)context;
    fail_msg("offset %" PRIu64 ": %s", offset, what);
}

static uint64_t header_of(const struct collection *c)
{
    struct operation operation;
    uint64_t header;

    assert_ok(operation_begin(f.session, 0, c->key, strlen(c->key), &operation));
    assert_true(operation.exists);
    header = entry_tree(operation.found.words);
    assert_ok(operation_end(f.session, &operation.mark, SDB_OK));
    return header;
}

static void note_ranges_of(unsigned number, uint64_t header, bool dropped)
{
    struct tree_walk walk = {.file = &f.pool->file,
                             .header = note_header,
                             .node = note_node,
                             .blob = note_blob,
                             .problem = no_problem,
                             .dropped = dropped};

    owner = number;
    assert_true(tree_verify(&walk, header, header, 0));
}

/* Collections of all kinds, one that is dropped and waits to be reclaimed, and a few strings. */
static void make_pool(void)
{
    static const struct collection gone = {"gone", VALUE_ZSET, 90};
    static struct collection_state state;
    uint64_t header;

    fixture_create(&f, POOL_SIZE, 0, 2);
    f.random = seed | 1;
    range_count = 0;
    range_bits = 0;
    for (unsigned i = 0; i < COLLECTIONS; i++) {
        collection_make(&f, &collections[i], &states[i]);
        note_ranges_of(i, header_of(&collections[i]), false);
    }
    collection_make(&f, &gone, &state);
    header = header_of(&gone);
    assert_ok(sdb_delete(f.session, "gone", 4));
    note_ranges_of(GONE, header, true);
    assert_ok(fixture_set(&f, "string", "a value"));
    (void)fixture_check(&f);
}

static void ask_string(void)
{
    assert_true(fixture_has(&f, "string", "a value"));
}

static const struct range *range_of(uint64_t bit, uint64_t *offset)
{
    size_t i = 0;

    for (; bit >= ranges[i].size * 8; i++)
        bit -= ranges[i].size * 8;
    *offset = ranges[i].from * 8 + bit;
    return &ranges[i];
}

/* Nothing was wrong in silence. */
static void not_silent(const struct collection_answers *answers, const struct collection *c, const char *what)
{
    if (answers->missing || answers->wrong)
        fail_msg("%s: %s: %u elements silently missing, %u answers wrong", what, c->key, answers->missing,
                 answers->wrong);
}

/* ---- reading ---- */

static void count_finding(void *context, const struct sdb_finding *finding)
{
    assert_true(strlen(finding->what) > 0);
    ++*(unsigned *)context;
}

static struct sdb_scrub scrub_all(struct sdb_session *session)
{
    struct sdb_scrub result = {0};
    unsigned findings = 0;
    uint64_t cursor = 0, steps = 0;

    do {
        assert_ok(sdb_scrub(session, &cursor, 1000000, count_finding, &findings, &result));
        assert_true(++steps < 1000000);
    } while (cursor);
    assert_int_equal(findings, result.problems);
    return result;
}

struct tally {
    uint64_t flips, errors, checked, seen_by_check, seen_by_scrub;
};

/* With another word at a place. thorough: all collections are asked, the check and a scrub run. Whether the scrub has told. */
static bool read_damaged(uint64_t at, uint64_t word, const struct range *range, bool thorough, struct tally *tally)
{
    uint64_t *place = (uint64_t *)alias_of(f.pool->file.base + at);
    const uint64_t before_it = *place, told = tally->seen_by_scrub;
    struct collection_answers answers = {0};
    char what[100];

    snprintf(what, sizeof(what), "byte %" PRIu64 " of the %s at %" PRIu64 ", a word that is 0x%" PRIx64, at - range->from,
             range->node ? "node" : "block", range->from, word);
    *place = word;
    for (unsigned i = 0; i < COLLECTIONS; i++) {
        if (!thorough && i != range->owner)
            continue;
        const unsigned before = answers.errors;

        if (!collection_ask(&f, &collections[i], &states[i], &answers))
            fail_msg("%s: %s is missing", what, collections[i].key);
        not_silent(&answers, &collections[i], what);
        if (i != range->owner && answers.errors != before)
            fail_msg("%s of %s costs elements of %s", what, collections[range->owner].key, collections[i].key);
    }
    tally->flips++;
    tally->errors += answers.errors != 0;
    if (thorough) {
        const int error = sdb_check(f.pool, NULL, NULL, NULL);
        const struct sdb_scrub scrubbed = scrub_all(f.session);

        assert_true(error == SDB_OK || error == SDB_ECORRUPT);
        if (answers.errors && (error == SDB_OK || scrubbed.problems == 0))
            fail_msg("%s: errors for a reader, and none for the %s", what, error == SDB_OK ? "check" : "scrub");
        tally->checked++;
        tally->seen_by_check += error != SDB_OK;
        tally->seen_by_scrub += scrubbed.problems != 0;
    }
    *place = before_it;
    return tally->seen_by_scrub != told;
}

static uint64_t word_at(uint64_t at)
{
    return *(const uint64_t *)(const void *)(f.pool->file.base + at);
}

static void a_flipped_bit_in_a_collection_is_harmless_or_an_error(void **state)
{
    struct tally tally = {0};

    (void)state;
    make_pool();
    for (uint64_t n = 0; n < (all ? range_bits : times ? times : 300 / SLOWER); n++) {
        uint64_t bit;
        const struct range *range = range_of(all ? n : fixture_random(&f, range_bits), &bit);

        (void)read_damaged(bit / 64 * 8, word_at(bit / 64 * 8) ^ 1ull << bit % 64, range, !all || n % 97 == 0, &tally);
    }
    printf("%" PRIu64 " of %" PRIu64 " bits flipped: %" PRIu64 " cost elements; of %" PRIu64 " the check saw %" PRIu64
           ", a scrub %" PRIu64 "\n",
           tally.flips, range_bits, tally.errors, tally.checked, tally.seen_by_check, tally.seen_by_scrub);
    assert_true(tally.errors > tally.flips / 10 && tally.errors < tally.flips);
    ask_string();
    fixture_destroy(&f);
}

/* As where a line was never written, or the medium has lost it. */
static void a_word_that_is_zero_is_harmless_or_an_error(void **state)
{
    struct tally tally = {0};

    (void)state;
    make_pool();
    for (size_t i = 0; i < range_count; i++) {
        const struct range *range = &ranges[i];
        const bool header = range->size == sizeof(struct sdb_m_tree) && range->owner != GONE;

        for (uint64_t at = range->from; at < range->from + range->size; at += WORD_SIZE) {
            const bool first = at < range->from + TREE_NODE_HEADER * WORD_SIZE;

            if (word_at(at) == 0 || !(header || first || all || fixture_random(&f, 40 * SLOWER) == 0))
                continue;
            if (!read_damaged(at, 0, range, true, &tally) && header)
                fail_msg("word %" PRIu64 " of %s's header is zero, and a scrub does not tell", (at - range->from) / WORD_SIZE,
                         collections[range->owner].key);
        }
    }
    printf("%" PRIu64 " words zeroed: %" PRIu64 " cost elements; the check saw %" PRIu64 ", a scrub %" PRIu64 "\n", tally.flips,
           tally.errors, tally.seen_by_check, tally.seen_by_scrub);
    assert_true(tally.errors > tally.flips / 10);
    fixture_destroy(&f);
}

/* Changes the places of a leaf's i-th element and the one behind it, each of which is whole. */
static void exchange(const struct tree_node *leaf, unsigned i)
{
    uint64_t *words = (uint64_t *)alias_of(f.pool->file.base + leaf->offset);
    const unsigned a = tree_slot_place(leaf, i), b = tree_slot_place(leaf, i + 1);
    const uint64_t word = words[a];

    words[a] = words[b];
    words[b] = word;
}

/* Of a list nothing can tell: an element's place is all that it has. */
static void elements_in_each_other_s_place_are_found_where_there_is_an_order(void **state)
{
    unsigned found = 0, harmless = 0;

    (void)state;
    make_pool();
    for (size_t n = 0; n < range_count; n++) {
        const struct range *range = &ranges[n];
        const uint64_t *words = (const uint64_t *)(const void *)(f.pool->file.base + range->from);
        struct collection_answers answers = {0};
        struct tree_node leaf;
        uint64_t header;

        if (!range->node || range->owner == GONE || collections[range->owner].type == VALUE_LIST ||
            !tree_node_verify(range->from, words, TREE_ANY, 0, NULL, &leaf) || leaf.count < 2)
            continue;
        assert_true(checked_value(words[1], range->from + WORD_SIZE, &header));
        const struct tree_shape *shape = &tree_shapes[word_at(header << 6) & 15];
        const unsigned i = (unsigned)fixture_random(&f, leaf.count - 1);
        exchange(&leaf, i);
        const int error = sdb_check(f.pool, NULL, NULL, NULL);
        const struct sdb_scrub scrubbed = scrub_all(f.session);
        if (shape->ordered) {
            assert_int_equal(error, SDB_ECORRUPT);
            assert_true(scrubbed.problems != 0);
            found++;
        } else { /* they stand in any order */
            assert_true(collection_ask(&f, &collections[range->owner], &states[range->owner], &answers));
            assert_true(error == SDB_OK && scrubbed.problems == 0 && !answers.missing && !answers.wrong && !answers.errors);
            harmless++;
        }
        exchange(&leaf, i);
    }
    printf("%u found, %u harmless\n", found, harmless);
    assert_true(found > 10 && harmless > 10);
    fixture_destroy(&f);
}

/* ---- damage to the file ---- */

static uint8_t *raw, *image;
static uint64_t image_size;

static void make_closed_pool(void)
{
    int fd;

    make_pool();
    image_size = f.pool->file.size;
    fixture_close(&f);
    fd = open(f.path, O_RDWR);
    assert_true(fd >= 0);
    raw = mmap(NULL, image_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    assert_true(raw != MAP_FAILED);
    close(fd);
    image = malloc(image_size);
    assert_non_null(image);
    memcpy(image, raw, image_size);
}

static void remove_closed_pool(void)
{
    munmap(raw, image_size);
    free(image);
    unlink(f.path);
}

static uint64_t random_place(void)
{
    uint64_t bit;

    (void)range_of(fixture_random(&f, range_bits), &bit);
    return bit;
}

static void flip_bit(void)
{
    const uint64_t bit = random_place();

    raw[bit / 8] ^= (uint8_t)(1u << bit % 8);
}

static void garble_word(void)
{
    const uint64_t at = random_place() / 64 * 8, word = fixture_random(&f, UINT64_MAX);

    memcpy(raw + at, &word, sizeof(word));
}

static void zero_word(void)
{
    memset(raw + random_place() / 64 * 8, 0, WORD_SIZE);
}

static void zero_header_word(void)
{
    const struct range *range;
    uint64_t bit;

    do
        range = range_of(fixture_random(&f, range_bits), &bit);
    while (range->size != sizeof(struct sdb_m_tree));
    memset(raw + bit / 64 * 8, 0, WORD_SIZE);
}

static void garble_line(void)
{
    const uint64_t at = random_place() / 512 * 64;

    for (unsigned i = 0; i < 64; i++)
        raw[at + i] = (uint8_t)fixture_random(&f, 256);
}

static uint64_t random_node(void)
{
    const struct range *range;
    uint64_t bit;

    do
        range = range_of(fixture_random(&f, range_bits), &bit);
    while (!range->node);
    return range->from;
}

static void zero_node(void)
{
    memset(raw + random_node(), 0, TREE_NODE_SIZE);
}

/* Whole and in good order, and in the wrong place. */
static void swap_nodes(void)
{
    const uint64_t a = random_node(), b = random_node();

    memcpy(raw + a, image + b, TREE_NODE_SIZE);
    memcpy(raw + b, image + a, TREE_NODE_SIZE);
}

static void several(void)
{
    flip_bit();
    garble_line();
    zero_node();
    swap_nodes();
}

struct kind_of_damage {
    const char *name;
    void (*make)(void);
    unsigned usual;
};

static const struct kind_of_damage kinds[] = {
    {"flipped bits", flip_bit, 60},  {"garbled words", garble_word, 30}, {"garbled lines", garble_line, 30},
    {"zeroed words", zero_word, 30},     {"zeroed headers' words", zero_header_word, 30},
    {"zeroed nodes", zero_node, 20}, {"swapped nodes", swap_nodes, 30},  {"several at once", several, 20},
};

/* ---- writing ---- */

/* Elements come and go at random places. Returns how many changes were refused. */
static unsigned change_all(void)
{
    unsigned refused = 0;

    for (unsigned i = 0; i < COLLECTIONS; i++)
        for (unsigned n = 0; n < 24; n++) {
            struct collection_state *s = &states[i];
            const bool list = collections[i].type == VALUE_LIST;
            const unsigned number =
                list ? s->count - (n % 3 == 0 && s->count) : (unsigned)fixture_random(&f, COLLECTION_NUMBERS);
            const int error = collection_change(&f, &collections[i], s, number, !s->there[number]);

            if (error != SDB_OK && error != SDB_ECORRUPT)
                fail_msg("%s: element %u: %s", collections[i].key, number, sdb_strerror(error));
            refused += error != SDB_OK;
        }
    return refused;
}

static void ask_everything(const char *what)
{
    for (unsigned i = 0; i < COLLECTIONS; i++) {
        struct collection_answers answers = {0};

        assert_true(collection_ask(&f, &collections[i], &states[i], &answers));
        not_silent(&answers, &collections[i], what);
    }
    ask_string();
}

static void writes_to_damaged_collections_lose_and_spoil_nothing(void **state)
{
    static struct collection_state sound[COLLECTIONS];
    unsigned refused = 0, opened = 0;

    (void)state;
    make_closed_pool();
    memcpy(sound, states, sizeof(sound));
    for (size_t k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++)
        for (unsigned n = 0; n < (times ? times : kinds[k].usual / 2 / SLOWER); n++) {
            char what[64];

            snprintf(what, sizeof(what), "%s, number %u", kinds[k].name, n);
            kinds[k].make();
            for (int round = 0; round < 2; round++) {
                int done = 0;

                fixture_open(&f);
                opened++;
                refused += change_all();
                ask_everything(what);
                for (unsigned steps = 0; !done && steps < 100;
                     steps++) { /* what waits to be reclaimed is damaged, too */
                    const int error = sdb_maintain(f.session, 50, &done);

                    assert_true(error == SDB_OK || error == SDB_ECORRUPT);
                }
                refused += change_all();
                ask_everything(what);
                fixture_close(&f);
            }
            memcpy(raw, image, image_size);
            memcpy(states, sound, sizeof(sound));
        }
    printf("%u opens, %u changes refused\n", opened, refused);
    assert_true(refused > 0);
    remove_closed_pool();
}

/* ---- repairing ---- */

struct told {
    bool lost[COLLECTIONS];
    unsigned unnamed; /* keys that are lost, and not known by name */
};

static void note_finding(void *context, const struct sdb_finding *finding)
{
    struct told *told = context;

    assert_true(strlen(finding->what) > 0);
    if (!finding->lost)
        return;
    if (finding->key.data == NULL) {
        told->unnamed++;
        return;
    }
    for (unsigned i = 0; i < COLLECTIONS; i++)
        if (finding->key.size == strlen(collections[i].key) &&
            memcmp(finding->key.data, collections[i].key, finding->key.size) == 0) {
            told->lost[i] = true;
            return;
        }
    fail_msg("told to be lost: %.*s", (int)finding->key.size, (const char *)finding->key.data);
}

/* Whole, or told to be lost and gone. Then it can be made again. Returns how many are gone. */
static unsigned ask_repaired(const struct told *told, const char *what)
{
    unsigned lost = 0;

    for (unsigned i = 0; i < COLLECTIONS; i++) {
        struct collection_answers answers = {0};
        const bool there = collection_ask(&f, &collections[i], &states[i], &answers);

        not_silent(&answers, &collections[i], what);
        if (answers.errors || there == told->lost[i])
            fail_msg("%s: %s: %u errors, %s, and told to be %s", what, collections[i].key, answers.errors,
                     there ? "there" : "gone", told->lost[i] ? "lost" : "whole");
        lost += !there;
        if (!there)
            collection_make(&f, &collections[i], &states[i]);
    }
    ask_string();
    return lost;
}

static unsigned repair_and_ask(const char *what)
{
    struct told told = {0};
    struct sdb_repair result;
    unsigned lost;
    int error = sdb_repair(f.path, 0, note_finding, &told, &result), done = 0;

    if (error != SDB_OK)
        fail_msg("%s: repair: %s (%s), %" PRIu64 " problems left", what, sdb_strerror(error), sdb_last_error(),
                 result.problems_left);
    assert_int_equal(told.unnamed + result.keys_untraced, 0); /* no entry was damaged */
    fixture_open(&f);
    (void)fixture_check(&f);
    lost = ask_repaired(&told, what);
    (void)fixture_check(&f);
    for (unsigned steps = 0; !done; steps++) {
        assert_true(steps < 10000);
        assert_ok(sdb_maintain(f.session, 50, &done));
    }
    (void)fixture_check(&f);
    assert_int_equal(scrub_all(f.session).problems, 0);
    fixture_close(&f);
    return lost;
}

static void a_repair_keeps_whole_collections_and_tells_of_the_others(void **state)
{
    static struct collection_state sound[COLLECTIONS];

    (void)state;
    make_closed_pool();
    memcpy(sound, states, sizeof(sound));
    for (size_t k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++) {
        const unsigned n = times ? times : kinds[k].usual / SLOWER;
        unsigned lost = 0;

        for (unsigned i = 0; i < n; i++) {
            char what[64];

            snprintf(what, sizeof(what), "%s, number %u", kinds[k].name, i);
            kinds[k].make();
            lost += repair_and_ask(what);
            memcpy(raw, image, image_size);
            memcpy(states, sound, sizeof(sound));
        }
        printf("%-16s %6u damages, %6u collections lost\n", kinds[k].name, n, lost);
        assert_true(lost > 0);
    }
    remove_closed_pool();
}

/* ---- scrubbing beside writers ---- */

static void *change_on(void *context)
{
    struct fixture mine = f;
    const unsigned number = *(const unsigned *)context;

    assert_ok(sdb_session_open(mine.pool, &mine.session));
    mine.random += number * 2;
    for (unsigned n = 0; n < 4000; n++) { /* half of the collections are this thread's */
        const unsigned i = (unsigned)fixture_random(&mine, COLLECTIONS / 2) * 2 + number;
        struct collection_state *s = &states[i];
        const bool list = collections[i].type == VALUE_LIST;
        const unsigned at =
            list ? s->count - (n % 3 == 0 && s->count) : (unsigned)fixture_random(&mine, COLLECTION_NUMBERS);

        assert_ok(collection_change(&mine, &collections[i], s, at, !s->there[at]));
    }
    sdb_session_close(mine.session);
    return NULL;
}

static void writers_are_no_damage_to_a_scrub(void **state)
{
    static const unsigned numbers[2] = {0, 1};
    pthread_t threads[2];

    (void)state;
    make_pool();
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, change_on, (void *)(uintptr_t)&numbers[i]), 0);
    for (int round = 0; round < 20; round++)
        assert_int_equal(scrub_all(f.session).problems, 0);
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    ask_everything("behind the writers");
    fixture_destroy(&f);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_flipped_bit_in_a_collection_is_harmless_or_an_error),
        cmocka_unit_test(a_word_that_is_zero_is_harmless_or_an_error),
        cmocka_unit_test(elements_in_each_other_s_place_are_found_where_there_is_an_order),
        cmocka_unit_test(writes_to_damaged_collections_lose_and_spoil_nothing),
        cmocka_unit_test(a_repair_keeps_whole_collections_and_tells_of_the_others),
        cmocka_unit_test(writers_are_no_damage_to_a_scrub),
    };

    all = argc > 1 && strcmp(argv[1], "all") == 0;
    if (argc > 1 && !all)
        seed = strtoull(argv[1], NULL, 10);
    if (argc > 2)
        times = (unsigned)strtoul(argv[2], NULL, 10);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
