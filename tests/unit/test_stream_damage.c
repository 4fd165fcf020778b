/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_stream_damage.c - damage to what a stream is made of, most of it to what it keeps next to its entries: an answer is right or an
 * error, changes are refused or done, other keys stay as they are, and a repair leaves the stream whole or tells that it is lost
 *
 * By default a sample of a fixed seed. Arguments: a seed, and how many damages of each kind.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine_fixture.h"

#include <sys/mman.h>

#include "entry.h"
#include "layout.h"
#include "tree.h"
#include "tree_verify.h"

#define NOW 1000000ll
#define PLACES_MAX 512u
#define ANSWER_MAX 32768u

static uint64_t seed = 20261123;
static unsigned times = 40; /* of each kind */

static struct fixture f;
static const char *const keys[] = {"damaged", "other"};
static const struct sdb_slice group = {"a group", 7}, absent = {"b group", 7};
static const struct sdb_slice consumers[] = {{"ada", 3}, {"grace", 5}, {"nobody", 6}};

/* ---- a pool ---- */

static struct place {
    uint64_t offset, size;
} places[PLACES_MAX];
static size_t place_count;
static uint8_t *raw, *image;
static uint64_t image_size;

static int see_nothing(void *context, const struct sdb_stream_entry *entry)
{
    (void)context;
    (void)entry;
    return 0;
}

/* Entries that left the middle, two groups, three consumers, some hundred things pending: the companion has two levels. */
static void make_stream(const char *key)
{
    const struct sdb_slice pair[] = {{"field", 5}, {"a value", 7}};
    const struct sdb_stream_start start = {.entries_read = 0};
    struct sdb_stream_addition what = {.form = SDB_STREAM_ID_GIVEN, .fields = pair, .count = 1};
    struct sdb_stream_reading reading = {.group = group, .count = 100, .now_ms = NOW};

    for (unsigned i = 1; i <= 260; i++) {
        what.id = (struct sdb_stream_id){1000 + i, i % 3};
        assert_ok(sdb_stream_add(f.session, key, strlen(key), &what, NULL));
    }
    assert_ok(sdb_stream_group_create(f.session, key, strlen(key), group.data, group.size, &start));
    assert_ok(sdb_stream_group_create(f.session, key, strlen(key), absent.data, absent.size, &start));
    for (unsigned i = 0; i < 2; i++) {
        reading.consumer = consumers[i];
        assert_ok(sdb_stream_read_group(f.session, key, strlen(key), &reading, NULL, see_nothing, NULL));
    }
    assert_ok(sdb_stream_consumer_create(f.session, key, strlen(key), &group, &consumers[2], NOW, NULL));
    assert_ok(sdb_stream_delete(f.session, key, strlen(key), &(struct sdb_stream_id){1100, 2}, 1, NULL));
}

static bool note_place(uint64_t offset, uint64_t size)
{
    assert_true(place_count < PLACES_MAX);
    places[place_count++] = (struct place){offset, size};
    return true;
}

static bool note_header(void *context, uint64_t from, uint64_t offset)
{
    (void)context;
    (void)from;
    return note_place(offset, sizeof(struct sdb_m_tree));
}

static bool note_node(void *context, uint64_t from, uint64_t offset)
{
    (void)context;
    (void)from;
    return note_place(offset, TREE_NODE_SIZE);
}

static bool note_blob(void *context, uint64_t from, uint64_t reference)
{
    (void)context;
    (void)from;
    (void)reference;
    return true;
}

static void no_problem(void *context, uint64_t offset, const char *what)
{
    (void)context;
    fail_msg("offset %llu: %s", (unsigned long long)offset, what);
}

/* Where the companion's header and nodes are, and the stream's header. */
static void note_places(const char *key)
{
    struct tree_walk walk = {.file = &f.pool->file, .header = note_header, .node = note_node, .blob = note_blob, .problem = no_problem};
    struct operation operation;
    struct tree tree;
    uint64_t companion;

    assert_ok(operation_begin(f.session, 0, key, strlen(key), &operation));
    assert_ok(tree_open(&tree, &f.pool->heap, &f.session->tx, entry_tree(operation.found.words)));
    assert_ok(tree_companion(&tree, &companion));
    assert_ok(operation_end(f.session, &operation.mark, SDB_OK));
    place_count = 0;
    assert_true(tree_verify(&walk, companion, companion, 0));
    assert_true(place_count > 4);
    (void)note_place(tree.header, sizeof(struct sdb_m_tree));
}

static void make_pool(void)
{
    int fd;

    fixture_create(&f, 16 * MIB, 0, 2);
    sdb_session_set_time(f.session, NOW);
    f.random = seed | 1;
    for (unsigned i = 0; i < 2; i++)
        make_stream(keys[i]);
    note_places(keys[0]);
    (void)fixture_check(&f);
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

static void remove_pool(void)
{
    munmap(raw, image_size);
    free(image);
    unlink(f.path);
}

/* ---- asking: what a question is answered, in words ---- */

struct answer {
    size_t size;
    char text[ANSWER_MAX];
};

static __attribute__((format(printf, 2, 3))) int say(struct answer *answer, const char *format, ...)
{
    va_list list;

    va_start(list, format);
    answer->size += (size_t)vsnprintf(answer->text + answer->size, ANSWER_MAX - answer->size, format, list);
    va_end(list);
    assert_true(answer->size < ANSWER_MAX);
    return 0;
}

#define ID(id) (unsigned long long)(id).ms, (unsigned long long)(id).sequence

static int say_entry(void *answer, const struct sdb_stream_entry *entry)
{
    return say(answer, "%llu-%llu %llu %.*s,", ID(entry->id), (unsigned long long)entry->count, (int)entry->packed.size,
               entry->packed.data ? (const char *)entry->packed.data : "");
}

static int say_group(void *answer, const struct sdb_stream_group *g)
{
    return say(answer, "%.*s %llu-%llu %lld %lld %llu %llu %llu-%llu %llu-%llu,", (int)g->name.size, (const char *)g->name.data, ID(g->last_id),
               (long long)g->entries_read, (long long)g->lag, (unsigned long long)g->consumers, (unsigned long long)g->pending,
               ID(g->first_pending), ID(g->last_pending));
}

static int say_consumer(void *answer, const struct sdb_stream_consumer *consumer)
{
    return say(answer, "%.*s %lld %llu,", (int)consumer->name.size, (const char *)consumer->name.data, (long long)consumer->seen_ms,
               (unsigned long long)consumer->pending);
}

static int say_pending(void *answer, const struct sdb_stream_pending *pending)
{
    return say(answer, "%llu-%llu %.*s %lld %llu,", ID(pending->id), (int)pending->consumer.size, (const char *)pending->consumer.data,
               (long long)pending->delivered_ms, (unsigned long long)pending->deliveries);
}

#define QUESTIONS 9u
static int ask(const char *key, unsigned question, struct answer *answer)
{
    const size_t size = strlen(key);
    struct sdb_stream_pending_range range = {.group = group, .last = SDB_STREAM_ID_MAX, .count = 1000, .now_ms = NOW};
    struct sdb_stream_range all = {SDB_STREAM_ID_MIN, SDB_STREAM_ID_MAX, 0, 1000};
    struct sdb_stream_group g;
    struct sdb_stream_info info;
    int error;

    answer->size = 0;
    answer->text[0] = '\0';
    switch (question) {
    case 0:
        error = sdb_stream_info(f.session, key, size, &info);
        if (!error)
            say(answer, "%llu %llu %llu-%llu %llu-%llu %llu-%llu %llu", (unsigned long long)info.length,
                (unsigned long long)info.entries_added, ID(info.last_id), ID(info.max_deleted_id), ID(info.first_id),
                (unsigned long long)info.groups);
        return error;
    case 1:
        return sdb_stream_groups(f.session, key, size, say_group, answer);
    case 2:
        return sdb_stream_consumers(f.session, key, size, &group, say_consumer, answer);
    case 3:
        return sdb_stream_pending(f.session, key, size, &range, say_pending, answer);
    case 4:
        range.consumer = consumers[1];
        return sdb_stream_pending(f.session, key, size, &range, say_pending, answer);
    case 5:
        range.first = (struct sdb_stream_id){1150, 0};
        range.count = 3;
        return sdb_stream_pending(f.session, key, size, &range, say_pending, answer);
    case 6:
        error = sdb_stream_group(f.session, key, size, group.data, group.size, &g);
        return error ? error : say_group(answer, &g);
    case 7:
        return sdb_stream_consumers(f.session, key, size, &absent, say_consumer, answer);
    default:
        return sdb_stream_range(f.session, key, size, &all, say_entry, answer);
    }
}

static struct answer right[QUESTIONS]; /* of either stream: they are alike */

static void learn(void)
{
    fixture_open(&f);
    for (unsigned i = 0; i < QUESTIONS; i++)
        assert_ok(ask(keys[0], i, &right[i]));
    fixture_close(&f);
}

/* How many questions the stream cannot answer; the others it answers rightly. */
static unsigned ask_all(const char *key, const char *what)
{
    static struct answer answer;
    unsigned errors = 0;

    for (unsigned i = 0; i < QUESTIONS; i++) {
        const int error = ask(key, i, &answer);

        if (error != SDB_OK && error != SDB_ECORRUPT)
            fail_msg("%s: %s, question %u: %s", what, key, i, sdb_strerror(error));
        if (!error && strcmp(answer.text, right[i].text) != 0)
            fail_msg("%s: %s, question %u: %.300s\ninstead of %.300s", what, key, i, answer.text, right[i].text);
        errors += error != SDB_OK;
    }
    return errors;
}

/* ---- changing ---- */

static unsigned change_all(const char *what)
{
    const char *key = keys[0];
    const size_t size = strlen(key);
    const struct sdb_slice pair[] = {{"field", 5}, {"value", 5}};
    const struct sdb_stream_id ids[] = {{1001, 1}, {1050, 0}, {1150, 1}}, gone = {1200, 0};
    const struct sdb_stream_addition what_is_added = {.form = SDB_STREAM_ID_AUTO, .fields = pair, .count = 1, .now_ms = NOW};
    const struct sdb_stream_reading reading = {.group = group, .consumer = consumers[2], .count = 5, .now_ms = NOW};
    const struct sdb_stream_claim claim = {.group = group, .consumer = consumers[2], .ids = ids, .count = 3, .now_ms = NOW};
    const struct sdb_stream_autoclaim autoclaim = {.group = group, .consumer = consumers[0], .count = 20, .now_ms = NOW};
    const struct sdb_stream_trim trim = {.by = SDB_STREAM_BY_LENGTH, .length = 200};
    const int errors[] = {
        sdb_stream_acknowledge(f.session, key, size, &group, ids, 2, NULL),
        sdb_stream_claim(f.session, key, size, &claim, NULL, see_nothing, NULL),
        sdb_stream_read_group(f.session, key, size, &reading, NULL, see_nothing, NULL),
        sdb_stream_add(f.session, key, size, &what_is_added, NULL),
        sdb_stream_delete(f.session, key, size, &gone, 1, NULL),
        sdb_stream_autoclaim(f.session, key, size, &autoclaim, NULL, see_nothing, see_nothing, NULL),
        sdb_stream_trim(f.session, key, size, &trim, NULL),
        sdb_stream_consumer_delete(f.session, key, size, &group, &consumers[1], NULL, NULL),
        sdb_stream_group_destroy(f.session, key, size, absent.data, absent.size),
        sdb_delete(f.session, key, size),
    };
    unsigned refused = 0;

    for (unsigned i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
        if (errors[i] != SDB_OK && errors[i] != SDB_ECORRUPT)
            fail_msg("%s: change %u: %s", what, i, sdb_strerror(errors[i]));
        refused += errors[i] != SDB_OK;
    }
    return refused;
}

/* ---- damage ---- */

static const struct place *random_place(void) { return &places[fixture_random(&f, place_count)]; }

static void flip_bit(void)
{
    const struct place *place = random_place();

    raw[place->offset + fixture_random(&f, place->size)] ^= (uint8_t)(1u << fixture_random(&f, 8));
}

static void garble_word(void)
{
    const struct place *place = random_place();
    const uint64_t word = fixture_random(&f, UINT64_MAX);

    memcpy(raw + place->offset + fixture_random(&f, place->size / 8) * 8, &word, sizeof(word));
}

static void zero_line(void)
{
    const struct place *place = random_place();

    memset(raw + place->offset + fixture_random(&f, place->size / 64) * 64, 0, 64);
}

static void garble_place(void)
{
    const struct place *place = random_place();

    for (uint64_t i = 0; i < place->size; i++)
        raw[place->offset + i] = (uint8_t)fixture_random(&f, 256);
}

/* Each of them whole, and where another one belongs. */
static void swap_places(void)
{
    const struct place *a = random_place(), *b;

    do
        b = random_place();
    while (b->size != a->size);
    memcpy(raw + a->offset, image + b->offset, a->size);
    memcpy(raw + b->offset, image + a->offset, a->size);
}

static const struct kind {
    const char *name;
    void (*make)(void);
} kinds[] = {
    {"flipped bits", flip_bit}, {"garbled words", garble_word}, {"zeroed lines", zero_line}, {"garbled blocks", garble_place},
    {"exchanged blocks", swap_places},
};
#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

static void put_back(void) { memcpy(raw, image, image_size); }

static void what_a_damaged_stream_answers_is_right_or_an_error(void **state)
{
    (void)state;
    make_pool();
    learn();
    for (size_t k = 0; k < KINDS; k++) {
        unsigned errors = 0, refused = 0;

        for (unsigned n = 0; n < times; n++) {
            char what[64];

            snprintf(what, sizeof(what), "%s, number %u", kinds[k].name, n);
            put_back();
            kinds[k].make();
            fixture_open(&f);
            sdb_session_set_time(f.session, NOW);
            errors += ask_all(keys[0], what) != 0;
            refused += change_all(what) != 0;
            assert_int_equal(ask_all(keys[1], what), 0);
            fixture_close(&f);
        }
        printf("%-16s %u of %u cost answers, %u changes\n", kinds[k].name, errors, times, refused);
        assert_true(errors > 0 && refused > 0);
    }
    remove_pool();
}

static void note_lost(void *context, const struct sdb_finding *finding)
{
    if (!finding->lost)
        return;
    assert_true(finding->key.data && finding->key.size == strlen(keys[0]) && memcmp(finding->key.data, keys[0], finding->key.size) == 0);
    *(bool *)context = true;
}

static void a_repair_leaves_a_stream_whole_or_tells_that_it_is_lost(void **state)
{
    (void)state;
    make_pool();
    learn();
    for (size_t k = 0; k < KINDS; k++) {
        unsigned lost_count = 0;

        for (unsigned n = 0; n < times; n++) {
            struct sdb_repair result;
            bool lost = false;
            char what[64];

            snprintf(what, sizeof(what), "%s, number %u, repaired", kinds[k].name, n);
            put_back();
            kinds[k].make();
            assert_ok(sdb_repair(f.path, 0, note_lost, &lost, &result));
            fixture_open(&f);
            assert_int_equal(fixture_check(&f), lost ? 1 : 2);
            assert_int_equal(ask_all(keys[1], what), 0);
            if (lost) {
                assert_int_equal(sdb_exists(f.session, keys[0], strlen(keys[0])), SDB_ENOTFOUND);
                make_stream(keys[0]);
            } else {
                assert_int_equal(ask_all(keys[0], what), 0);
            }
            (void)fixture_check(&f);
            lost_count += lost;
            fixture_close(&f);
        }
        printf("%-16s %u of %u lost\n", kinds[k].name, lost_count, times);
        assert_true(lost_count > 0);
    }
    remove_pool();
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_damaged_stream_answers_is_right_or_an_error),
        cmocka_unit_test(a_repair_leaves_a_stream_whole_or_tells_that_it_is_lost),
    };

    if (argc > 1)
        seed = strtoull(argv[1], NULL, 10);
    if (argc > 2)
        times = (unsigned)strtoul(argv[2], NULL, 10);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
