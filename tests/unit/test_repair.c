/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_repair.c - after any damage a repair leaves a sound pool, with every key that was not damaged, and has told of every other
 *
 * By default a few hundred damages of a fixed seed. Arguments: a seed, and how many damages of each kind.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/time.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "engine_fixture.h"

#include "damage_fixture.h"
#include "heap_internal.h"
#include "index.h"
#include "layout.h"

static uint64_t seed = 20260102;
static unsigned times = 0; /* of each kind; 0: the usual number */

/* ---- Repairing ---- */

struct told {
    struct damage *d;
    unsigned keys, unnamed, foreign;
    uint64_t ends; /* bytes that the file has left; 0: all */
    bool root; /* databases may have changed places */
    bool cut;  /* an earlier run may have come as far as the index, where the counts do not count any more */
};

static void note_finding(void *context, const struct sdb_finding *finding)
{
    struct told *told = context;
    struct damage *d = told->d;
    char text[DAMAGE_KEY_MAX + 1] = "", key[DAMAGE_KEY_MAX];
    const char *number;
    unsigned i;

    assert_true(strlen(finding->what) > 0);
    told->root |= strncmp(finding->what, "root: ", 6) == 0 && strstr(finding->what, "lost") != NULL;
    if (!finding->lost)
        return;
    if (finding->key.data == NULL) {
        told->unnamed++;
        return;
    }
    memcpy(text, finding->key.data, finding->key.size < DAMAGE_KEY_MAX ? finding->key.size : DAMAGE_KEY_MAX);
    number = strchr(text, ':');
    i = (unsigned)strtoul(number ? number + 1 : text, NULL, 10);
    if (i < d->keys && damage_key(i, key) == finding->key.size && memcmp(key, finding->key.data, finding->key.size) == 0 &&
        damage_database(i) == finding->database) {
        told->keys++;
        d->lost[i] = true;
    } else {
        told->foreign++; /* of a database that was emptied, for example */
    }
}

/*
 * Repairs, and asks: sound, every key right or told of, and writes are taken. before: told by runs that were cut short. Returns the keys
 * that are gone.
 */
static unsigned repair_and_ask(struct damage *d, const struct told *before, const char *what)
{
    struct told told = *before;
    struct sdb_repair result;
    struct answers answers = {0};
    const struct sdb_m_superblock *sb = (const struct sdb_m_superblock *)(const void *)d->image;
    const bool counted = sb->state == SB_STATE_CLEAN && (before->ends == 0 || before->ends >= sb->counters_offset + sizeof(struct sdb_m_counters)) &&
                         memcmp(d->raw + sb->counters_offset, d->image + sb->counters_offset, sizeof(struct sdb_m_counters)) == 0;
    unsigned lost, gone = 0;
    int error;

    error = sdb_repair(d->f.path, 0, note_finding, &told, &result);
    if (error != SDB_OK)
        fail_msg("%s: repair: %s (%s), %" PRIu64 " problems left", what, sdb_strerror(error), sdb_last_error(), result.problems_left);
    assert_ok(sdb_open(d->f.path, &d->f.options, &d->f.pool));
    (void)fixture_check(&d->f);
    damage_ask(d, d->f.pool, d->keys / 4, &answers);
    for (unsigned i = 0; i < d->keys; i++)
        gone += !d->shown[i];
    lost = told.keys + told.unnamed + told.foreign + (unsigned)result.keys_untraced;
    assert_true(before->cut || (result.problems != 0 && result.keys_uncounted != 0) == (result.problems != 0 && !counted));
    /* A key that is not there was told of: by name, or as one without. Only what the counts tell needs the counts. */
    if (answers.errors || answers.scan_errors || (!told.root && (answers.wrong || (counted && gone > lost))))
        fail_msg("%s: after the repair %u errors, %u wrong, %u gone, %u told of by name, %u without, %" PRIu64 " without a trace",
                 what, answers.errors, answers.wrong, gone, told.keys, told.unnamed, result.keys_untraced);
    assert_ok(sdb_session_open(d->f.pool, &d->f.session));
    for (unsigned i = 0; i < d->keys; i += 3)
        damage_set(d, d->f.session, i);
    sdb_session_close(d->f.session);
    (void)fixture_check(&d->f);
    assert_ok(sdb_close(d->f.pool));
    return gone;
}

/* ---- Kinds of damage ---- */

static uint64_t sound_word(const struct damage *d, uint64_t offset)
{
    uint64_t word;

    memcpy(&word, d->image + offset, sizeof(word));
    return word & CHECKED_VALUE_MASK;
}

/* Whether keys' bytes are all that stands there. */
static bool is_blob(const struct damage *d, uint64_t at)
{
    const struct sdb_m_superblock *sb = (const struct sdb_m_superblock *)(const void *)d->image;
    const uint32_t page = heap_page_number(at);
    const uint64_t map = sound_word(d, sb->extent_map_offset + (at >> EXTENT_SHIFT) * WORD_SIZE);
    uint64_t word;

    if (at < sb->heap_offset || page % PAGES_PER_EXTENT == 0)
        return false;
    if (extent_value_state(map) != EXTENT_PAGES)
        return true;
    word = sound_word(d, heap_page_word_offset(page));
    return page_value_type(word) != PAGE_ENTRIES && page_value_class(word) < HEAP_SIZE_CLASSES;
}

/* A line that is not all zeros: blobs are most of the pool, and a quarter of what is chosen. */
static uint64_t random_used_line(struct damage *d)
{
    const bool blob = fixture_random(&d->f, 4) == 0;
    uint64_t at;

    do
        at = fixture_random(&d->f, d->size / LINE_SIZE) * LINE_SIZE;
    while (at < 8192 || memcmp(d->image + at, (uint8_t[LINE_SIZE]){0}, LINE_SIZE) == 0 || is_blob(d, at) != blob);
    return at;
}

static void flip_bit(struct damage *d)
{
    d->raw[random_used_line(d) + fixture_random(&d->f, LINE_SIZE)] ^= (uint8_t)(1u << fixture_random(&d->f, 8));
}

static void garble(struct damage *d, uint64_t size)
{
    uint64_t at = random_used_line(d) / size * size;

    if (at < 8192) /* both copies of the superblock are another matter */
        at = 8192;
    for (uint64_t i = 0; i < size && at + i < d->size; i++)
        d->raw[at + i] = (uint8_t)fixture_random(&d->f, 256);
}

static void garble_bytes(struct damage *d) { garble(d, 8); }
static void garble_line(struct damage *d) { garble(d, LINE_SIZE); }
static void garble_page(struct damage *d) { garble(d, 4096); }

static void zero_range(struct damage *d)
{
    uint64_t at = random_used_line(d) & ~4095ull, size = 4096ull << fixture_random(&d->f, 4);

    memset(d->raw + at, 0, at + size <= d->size ? size : d->size - at);
}

static void swap_pages(struct damage *d)
{
    uint64_t a = random_used_line(d) & ~4095ull, b = random_used_line(d) & ~4095ull;

    memcpy(d->raw + a, d->image + b, 4096);
    memcpy(d->raw + b, d->image + a, 4096);
}

static void damage_at_several_places(struct damage *d)
{
    for (int i = 0; i < 8; i++)
        (i % 4 == 0 ? garble_page : i % 4 == 1 ? zero_range : i % 4 == 2 ? garble_line : swap_pages)(d);
}

static void repair_after(const char *name, void (*break_it)(struct damage *), struct damage *d, unsigned usual)
{
    unsigned lost = 0, n = times ? times : usual;

    for (unsigned i = 0; i < n; i++) {
        struct stat facts;
        char what[64];

        snprintf(what, sizeof(what), "%s, number %u", name, i);
        break_it(d);
        memset(d->lost, 0, d->keys * sizeof(bool));
        lost += repair_and_ask(d, &(struct told){.d = d}, what);
        damage_restore(d);
        assert_int_equal(stat(d->f.path, &facts), 0);
        assert_int_equal((uint64_t)facts.st_size, d->size);
    }
    printf("%-26s %6u damages, %7u keys lost of %u\n", name, n, lost, d->keys);
}

static void any_damage_can_be_repaired(void **state)
{
    struct damage d;

    (void)state;
    if (times)
        damage_create(&d, 64 * MIB, 4, 3000, 12, true);
    else
        damage_create(&d, 16 * MIB, 2, 600, 11, true);
    d.f.random = seed | 1;
    repair_after("flipped bits", flip_bit, &d, 60);
    repair_after("garbled words", garble_bytes, &d, 40);
    repair_after("garbled lines", garble_line, &d, 40);
    repair_after("garbled pages", garble_page, &d, 30);
    repair_after("zeroed ranges", zero_range, &d, 30);
    repair_after("swapped pages", swap_pages, &d, 30);
    repair_after("several places at once", damage_at_several_places, &d, 20);
    damage_destroy(&d);
}

#define LONGEST_REPAIR_US 700000u /* a timer's microseconds are fewer than a million */

static void break_a_few(struct damage *d)
{
    for (int i = 0; i < 6; i++)
        (i % 2 ? garble_line : flip_bit)(d);
}

/* In a process of its own, which a timer ends. What it tells is seen here: told and the lost keys are shared. */
static bool repair_until_killed(struct told *told, uint64_t microseconds)
{
    const struct itimerval timer = {.it_value = {.tv_usec = (suseconds_t)microseconds + 1}};
    pid_t child = fork();
    int status;

    assert_true(child >= 0);
    if (child == 0) {
        (void)signal(SIGALRM, SIG_DFL);
        (void)setitimer(ITIMER_REAL, &timer, NULL);
        _exit(sdb_repair(told->d->f.path, 0, note_finding, told, NULL) == SDB_OK ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) ? WTERMSIG(status) == SIGALRM : WEXITSTATUS(status) == 0);
    return WIFSIGNALED(status);
}

static void *shared(size_t size)
{
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    assert_true(memory != MAP_FAILED);
    return memory;
}

static void a_repair_that_is_killed_at_any_time_goes_on_and_loses_no_more(void **state)
{
    struct told *told = shared(sizeof(*told));
    struct damage d;
    bool *lost;
    unsigned killed = 0, refused = 0, gone = 0;
    uint64_t within = 5000; /* microseconds; becomes what a repair takes, however busy the machine is */

    (void)state;
    damage_create(&d, 16 * MIB, 2, 600, 11, true);
    d.f.random = seed | 1;
    lost = d.lost;
    d.lost = shared(d.keys * sizeof(bool));
    for (unsigned i = 0; i < (times ? times : 40); i++) {
        break_a_few(&d);
        memset(d.lost, 0, d.keys * sizeof(bool));
        *told = (struct told){.d = &d, .cut = true};
        for (int kills = 0; kills < 8; kills++) {
            int error;

            if (!repair_until_killed(told, fixture_random(&d.f, within))) {
                within -= within / 4;
                break;
            }
            killed++;
            within += within < LONGEST_REPAIR_US ? within / 4 : 0;
            error = sdb_open(d.f.path, &d.f.options, &d.f.pool);
            assert_true(error == SDB_OK || error == SDB_ECORRUPT); /* it had not begun, or is not done */
            if (error == SDB_OK)
                assert_ok(sdb_close(d.f.pool));
            else
                refused += strstr(sdb_last_error(), "repair") != NULL;
        }
        gone += repair_and_ask(&d, told, "a repair that was killed");
        damage_restore(&d);
    }
    printf("%u repairs killed, %u left a pool that only a repair opens, %u keys lost\n", killed, refused, gone);
    assert_true(killed > 0 && refused > 0);
    munmap(d.lost, d.keys * sizeof(bool));
    munmap(told, sizeof(*told));
    d.lost = lost;
    damage_destroy(&d);
}

static void a_dry_run_says_the_same_and_stores_nothing(void **state)
{
    struct damage d;

    (void)state;
    damage_create(&d, 16 * MIB, 2, 600, 11, true);
    d.f.random = seed | 1;
    for (int i = 0; i < 10; i++) {
        struct told dry = {.d = &d}, wet = {.d = &d};
        struct sdb_repair dry_result, wet_result;
        uint8_t *before = malloc(d.size);

        assert_non_null(before);
        break_a_few(&d);
        memcpy(before, d.raw, d.size);
        assert_ok(sdb_repair(d.f.path, SDB_REPAIR_DRY_RUN, note_finding, &dry, &dry_result));
        assert_memory_equal(before, d.raw, d.size);
        assert_ok(sdb_repair(d.f.path, 0, note_finding, &wet, &wet_result));
        assert_memory_equal(&dry_result, &wet_result, sizeof(dry_result));
        assert_true(dry.keys == wet.keys && dry.unnamed == wet.unnamed && dry.foreign == wet.foreign);
        assert_ok(sdb_repair(d.f.path, 0, note_finding, &wet, &wet_result));
        assert_true(wet_result.problems == 0 && wet_result.words_stored == 0);
        free(before);
        damage_restore(&d);
    }
    damage_destroy(&d);
}

static void a_pool_that_was_not_closed_is_recovered_and_repaired(void **state)
{
    struct damage d;

    (void)state;
    damage_create(&d, 16 * MIB, 2, 600, 11, false);
    d.f.random = seed | 1;
    for (int i = 0; i < 20; i++) {
        const struct sdb_m_superblock *sb = (const struct sdb_m_superblock *)(const void *)d.image;
        struct told told = {.d = &d};

        memset(d.lost, 0, d.keys * sizeof(bool));
        break_a_few(&d);
        /* A damaged record cannot be told from one that a crash tore: then its words are the ones before it. */
        memcpy(d.raw + sb->lanes_offset, d.image + sb->lanes_offset, sb->lanes * sb->lane_size);
        (void)repair_and_ask(&d, &told, "a pool that was not closed");
        damage_restore(&d);
    }
    damage_destroy(&d);
}

/* ---- Lanes ---- */

/* A file's bytes, for changing them. */
static uint8_t *map_file(const char *path, uint64_t *size)
{
    struct stat facts;
    const int fd = open(path, O_RDWR);
    uint8_t *raw;

    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &facts), 0);
    *size = (uint64_t)facts.st_size;
    raw = mmap(NULL, *size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    assert_true(raw != MAP_FAILED);
    close(fd);
    return raw;
}

static uint64_t *word_of(uint8_t *raw, uint64_t offset)
{
    return (uint64_t *)(void *)(raw + offset);
}

/* The record with this sequence in a lane's ring, or NULL. */
static uint64_t *record_of(uint8_t *raw, uint32_t lane, uint64_t sequence)
{
    const struct sdb_m_superblock *sb = (const struct sdb_m_superblock *)(const void *)raw;
    const uint64_t start = sb->lanes_offset + lane * sb->lane_size;

    for (uint64_t at = LINE_SIZE; at < sb->lane_size; at += LINE_SIZE)
        if (*word_of(raw, start + at) >> 16 == sequence)
            return word_of(raw, start + at);
    return NULL;
}

/* What a record stores is not there any more: only recovery puts it back. */
static unsigned undo_record(uint8_t *raw, const uint64_t *record)
{
    const uint64_t *item = record + 2, *end = item + (record[0] & 0xffff);
    unsigned words = 0;

    for (; item < end && (*item & 0xff) == RECORD_LINE; item += 1 + __builtin_popcount((unsigned)(*item >> 8 & 0xff)))
        for (unsigned mask = (unsigned)(*item >> 8 & 0xff); mask; mask &= mask - 1, words++)
            *word_of(raw, (*item >> 16) * LINE_SIZE + (uint64_t)__builtin_ctz(mask) * WORD_SIZE) ^= 0x5a5a;
    return words;
}

#define LARGE 2000u /* keys in a record that stands outside of its lane */

/* Keys of all shards but the first, in one transaction, and then one of them: two records of the session's lane. */
static void set_many(struct fixture *f)
{
    static char names[LARGE][24];
    static struct sdb_slice keys[LARGE];
    unsigned count = 0;

    for (unsigned i = 0; count < LARGE; i++) {
        struct index_key key;
        const int size = snprintf(names[count], sizeof(names[count]), "m%u", i);

        index_key_init(&key, &f->pool->file, 0, names[count], (size_t)size);
        if (key.shard != 0) {
            keys[count] = (struct sdb_slice){names[count], (size_t)size};
            count++;
        }
    }
    assert_ok(sdb_begin(f->session, keys, count));
    for (unsigned i = 0; i < count; i++)
        assert_ok(fixture_set(f, names[i], "many"));
    assert_ok(sdb_commit(f->session));
    assert_ok(fixture_set(f, names[0], "one"));
}

/* The name of a key of the first shard. */
static void name_in_first_shard(const struct fixture *f, char name[24])
{
    struct index_key key = {.shard = 1};

    for (unsigned i = 0; key.shard != 0; i++)
        index_key_init(&key, &f->pool->file, 0, name, (size_t)snprintf(name, 24, "other%u", i));
}

static void count_lanes(void *context, const struct sdb_finding *finding)
{
    *(unsigned *)context += strstr(finding->what, "a lane is damaged") != NULL;
}

static void a_lane_that_is_given_up_costs_no_other_lane_its_records(void **state)
{
    struct fixture f;
    struct sdb_session *other;
    struct sdb_repair result;
    char name[24], copy[96];
    uint64_t size, sequences[2];
    uint64_t *record;
    uint8_t *raw;
    unsigned told = 0;

    (void)state;
    fixture_create(&f, 16 * MIB, 0, 4);
    assert_ok(sdb_session_open(f.pool, &other));
    name_in_first_shard(&f, name);
    assert_ok(sdb_set(other, name, strlen(name), "once", 4, NULL));
    set_many(&f);
    assert_ok(sdb_set(other, name, strlen(name), "kept", 4, NULL));
    for (unsigned i = 0; i < 2; i++)
        sequences[i] = f.pool->lanes.lanes[i].sequence;
    assert_true(sequences[0] >= 2 && sequences[1] >= 2); /* in the order of the lanes: the one with the damage first */
    snprintf(copy, sizeof(copy), "%s.crash", f.path);
    fixture_snapshot(&f, copy);
    sdb_session_close(other);
    fixture_close(&f);
    assert_int_equal(rename(copy, f.path), 0);
    raw = map_file(f.path, &size);
    record = record_of(raw, 0, sequences[0] - 1);
    assert_true(record != NULL && (record[0] & 0xffff) == 3 && (record[2] & 0xff) == RECORD_BODY);
    *word_of(raw, record[2] >> 8) ^= 1;
    record = record_of(raw, 1, sequences[1]);
    assert_true(record != NULL && undo_record(raw, record) >= 1);
    munmap(raw, size);
    assert_ok(sdb_repair(f.path, 0, count_lanes, &told, &result));
    assert_int_equal(told, 1);
    fixture_open(&f);
    for (uint32_t i = 0; i < f.pool->lanes.count; i++)
        assert_int_equal(f.pool->lanes.lanes[i].retired, 0); /* the one that was given up counts from the beginning, too */
    assert_true(fixture_has(&f, name, "kept"));
    assert_int_equal(fixture_count(&f), LARGE + 1);
    fixture_destroy(&f);
}

/* ---- The end of the file ---- */

/* The file loses its end, at many places: what stood before it stays, and what is gone was told of. */
static void a_truncated_pool_keeps_what_is_left(void **state)
{
    struct damage d;

    (void)state;
    damage_create(&d, 16 * MIB, 2, 600, 11, true);
    d.f.random = seed | 1;
    for (unsigned i = 0; i < 24; i++) {
        uint64_t size = i < 9 ? 4096 + i * 137501 : fixture_random(&d.f, d.size - 10000) + 10000;
        struct told told = {.d = &d};
        struct sdb_pool *pool;

        memset(d.lost, 0, d.keys * sizeof(bool));
        assert_int_equal(truncate(d.f.path, (off_t)size), 0);
        assert_int_equal(sdb_open(d.f.path, &d.f.options, &pool), SDB_ECORRUPT);
        assert_non_null(strstr(sdb_last_error(), "truncated"));
        assert_ok(sdb_repair(d.f.path, SDB_REPAIR_DRY_RUN, note_finding, &told, NULL));
        told = (struct told){.d = &d, .ends = size};
        (void)repair_and_ask(&d, &told, "a truncated pool");
        assert_int_equal(truncate(d.f.path, (off_t)d.size), 0);
        damage_restore(&d);
    }
    damage_destroy(&d);
}

static void what_cannot_be_repaired_is_refused_and_left_alone(void **state)
{
    struct damage d;
    struct sdb_repair result;

    (void)state;
    damage_create(&d, 16 * MIB, 2, 60, 8, true);
    d.raw[200] ^= 1;
    d.raw[4096 + 200] ^= 1;
    assert_int_equal(sdb_repair(d.f.path, 0, NULL, NULL, &result), SDB_ECORRUPT);
    assert_true(d.raw[200] == (d.image[200] ^ 1));
    damage_restore(&d);
    assert_ok(sdb_open(d.f.path, &d.f.options, &d.f.pool));
    assert_int_equal(sdb_repair(d.f.path, 0, NULL, NULL, &result), SDB_ELOCKED);
    assert_int_equal(sdb_repair(d.f.path, 2, NULL, NULL, &result), SDB_EINVAL);
    assert_ok(sdb_close(d.f.pool));
    assert_int_equal(sdb_repair("/nowhere/pool.sdb", 0, NULL, NULL, &result), SDB_ENOENT);
    damage_destroy(&d);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_damage_can_be_repaired),
        cmocka_unit_test(a_repair_that_is_killed_at_any_time_goes_on_and_loses_no_more),
        cmocka_unit_test(a_dry_run_says_the_same_and_stores_nothing),
        cmocka_unit_test(a_pool_that_was_not_closed_is_recovered_and_repaired),
        cmocka_unit_test(a_lane_that_is_given_up_costs_no_other_lane_its_records),
        cmocka_unit_test(a_truncated_pool_keeps_what_is_left),
        cmocka_unit_test(what_cannot_be_repaired_is_refused_and_left_alone),
    };

    if (argc > 1)
        seed = strtoull(argv[1], NULL, 10);
    if (argc > 2)
        times = (unsigned)strtoul(argv[2], NULL, 10);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
