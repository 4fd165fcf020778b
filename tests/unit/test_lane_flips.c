/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_lane_flips.c - a single flipped bit in the records that recovery is about to apply, of a pool that was killed
 *
 * A newest record with a wrong checksum is one that a crash tore, as far as anybody can tell: its commit is as never
 * made. Nothing else may be lost by the flip, nothing wrong read, and nothing go wrong with what is written afterwards.
 *
 * By default a sample of a fixed seed. With a number as its argument it takes that seed; with "all" it flips every bit.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine_fixture.h"

#include "damage_fixture.h"
#include "damage_types.h"
#include "layout.h"

#define POOL_SIZE (16 * MIB)
#define KEYS 60u
#define WRITES 24u /* the newest commits: key k gets its second value, one after the other */
#define SAMPLE 60u
#define STEP                                                                                                           \
    (64 * KEYS) /* a key's n-th other value is the first one of the key with a number n times this much higher */
#define WRITTEN STEP
#define USED (2 * STEP)
#define FIRST (3 * STEP)
#define LAST (4 * STEP)

static bool all;
static uint64_t seed = 20260301;
static struct damage_types types;
static uint8_t *before; /* the lanes as they were in front of the last two commits: what differs is their records */

struct tally {
    uint64_t flips, refused, reverted, errors, unsound, spoilt;
};

/* Key k gets the first value of the key with that number. */
static int put(const struct damage *d, unsigned k, unsigned number)
{
    static char value[DAMAGE_VALUE_MAX];
    char key[DAMAGE_KEY_MAX];
    const size_t key_size = damage_key(k, key);

    assert_ok(sdb_select(d->f.session, damage_database(k)));
    return sdb_set(d->f.session, key, key_size, value, damage_value(d, number, value), NULL);
}

static void keep_lanes(const struct damage *d)
{
    const struct sdb_m_superblock *sb = &d->f.pool->file.superblock;

    before = malloc(sb->lanes * sb->lane_size);
    assert_non_null(before);
    memcpy(before, d->f.pool->file.base + sb->lanes_offset, sb->lanes * sb->lane_size);
}

/* As a kill leaves it, behind commits of one session: WRITES, then those of keys `first` and `last`; last from KEYS on: of a collection. */
static void create_killed(struct damage *d, unsigned first, unsigned last)
{
    char copy[96];

    damage_create(d, POOL_SIZE, 2, KEYS, 9, true);
    damage_types_create(d, &types);
    munmap(d->raw, d->size);
    free(d->image);
    assert_ok(sdb_open(d->f.path, &d->f.options, &d->f.pool));
    assert_ok(sdb_session_open(d->f.pool, &d->f.session));
    for (unsigned k = 0; k < WRITES; k++)
        assert_ok(put(d, k, k + WRITTEN));
    keep_lanes(d);
    assert_ok(put(d, first, first + FIRST));
    if (last < KEYS)
        assert_ok(put(d, last, last + LAST));
    else
        assert_ok(damage_types_change(d->f.session, last - KEYS));
    snprintf(copy, sizeof(copy), "%s.crash", d->f.path);
    fixture_snapshot(&d->f, copy);
    fixture_close(&d->f);
    assert_int_equal(rename(copy, d->f.path), 0);
    damage_take_image(d);
}

enum found { FOUND_OLD, FOUND_NEW, FOUND_ERROR, FOUND_WRONG };

/* Which of its values the key has: that of the key with number `old`, or of `new`. */
static enum found ask(const struct damage *d, unsigned k, unsigned old, unsigned new)
{
    static char value[DAMAGE_VALUE_MAX], read[DAMAGE_VALUE_MAX];
    char key[DAMAGE_KEY_MAX];
    size_t read_size = 0, size;
    int error;

    assert_ok(sdb_select(d->f.session, damage_database(k)));
    error = sdb_get(d->f.session, key, damage_key(k, key), read, sizeof(read), &read_size);
    if (error != SDB_OK)
        return error == SDB_ECORRUPT ? FOUND_ERROR : FOUND_WRONG;
    size = damage_value(d, new, value);
    if (read_size == size && memcmp(read, value, size) == 0)
        return FOUND_NEW;
    size = damage_value(d, old, value);
    return read_size == size && memcmp(read, value, size) == 0 ? FOUND_OLD : FOUND_WRONG;
}

/* Every key is written to, and read again. Returns how many are neither right nor errors. */
static unsigned use(const struct damage *d)
{
    bool written[KEYS];
    unsigned spoilt = 0;

    for (unsigned k = 0; k < KEYS; k++) {
        const int error = put(d, k, k + USED);

        assert_true(error == SDB_OK || error == SDB_ECORRUPT);
        written[k] = error == SDB_OK;
    }
    for (unsigned k = 0; k < KEYS; k++)
        spoilt += written[k] && ask(d, k, k, k + USED) != FOUND_NEW;
    return spoilt;
}

/* The newest commit may be gone; the one before it, and those of other keys, may not. */
static void ask_all(const struct damage *d, const char *what, unsigned first, unsigned last, struct tally *tally)
{
    for (unsigned k = 0; k < KEYS; k++) {
        const unsigned older = k < WRITES ? k + WRITTEN : k, old = k == first ? k + FIRST : older;
        const enum found found = k == last ? ask(d, k, old, k + LAST) : ask(d, k, older, old);

        tally->errors += found == FOUND_ERROR;
        tally->reverted += found == FOUND_OLD && k == last;
        if (found == FOUND_WRONG)
            fail_msg("%s: key %u: wrong, or missing", what, k);
        if (found == FOUND_OLD && k == first && k != last)
            fail_msg("%s: key %u: an older commit is lost", what, k);
    }
    for (unsigned i = 0; i < DAMAGE_TYPES; i++) {
        const enum damage_types_answer answer = damage_types_look(&types, d->f.session, i);
        const bool newest = last >= KEYS && i == last - KEYS;

        tally->errors += answer == DAMAGE_TYPES_ERROR;
        tally->reverted += newest && answer == DAMAGE_TYPES_MADE;
        if (answer == DAMAGE_TYPES_WRONG || answer == DAMAGE_TYPES_MISSING || (answer == DAMAGE_TYPES_CHANGED && !newest))
            fail_msg("%s: collection %u: answer %d", what, i, (int)answer);
    }
}

static void flip(struct damage *d, uint64_t bit, unsigned first, unsigned last, struct tally *tally)
{
    char what[80];
    int error;

    snprintf(what, sizeof(what), "byte %" PRIu64 ", bit %u", bit / 8, (unsigned)(bit % 8));
    d->raw[bit / 8] ^= (uint8_t)(1u << bit % 8);
    tally->flips++;
    error = sdb_open(d->f.path, &d->f.options, &d->f.pool);
    if (error != SDB_OK) {
        assert_int_equal(error, SDB_ECORRUPT);
        tally->refused++;
        damage_restore(d);
        return;
    }
    assert_ok(sdb_session_open(d->f.pool, &d->f.session));
    ask_all(d, what, first, last, tally);
    tally->unsound += sdb_check(d->f.pool, NULL, NULL, NULL) != SDB_OK;
    tally->spoilt += use(d) != 0;
    sdb_session_close(d->f.session);
    assert_ok(sdb_close(d->f.pool));
    damage_restore(d);
}

/* Returns how often the newest commit was lost. */
static uint64_t flip_records_of(unsigned first, unsigned last)
{
    const struct sdb_m_superblock *sb;
    struct damage d;
    struct tally tally = {0};
    uint64_t lines[4096], count = 0;

    create_killed(&d, first, last);
    sb = (const struct sdb_m_superblock *)(const void *)d.image;
    for (uint64_t at = 0; at < sb->lanes * sb->lane_size; at += LINE_SIZE)
        if (memcmp(d.image + sb->lanes_offset + at, before + at, LINE_SIZE) != 0 && count < 4096)
            lines[count++] = sb->lanes_offset + at;
    assert_true(count >= 2);
    d.f.random = seed | 1;
    for (uint64_t n = 0; n < (all ? count * LINE_SIZE * 8 : SAMPLE); n++) {
        const uint64_t bit = all ? n : fixture_random(&d.f, count * LINE_SIZE * 8);

        flip(&d, lines[bit / (LINE_SIZE * 8)] * 8 + bit % (LINE_SIZE * 8), first, last, &tally);
    }
    printf("keys %u and %u: %" PRIu64 " bits flipped: %" PRIu64 " pools refused, %" PRIu64
           " newest commits lost, %" PRIu64 " keys that are errors, %" PRIu64 " pools unsound, %" PRIu64
           " spoilt later\n",
           first, last, tally.flips, tally.refused, tally.reverted, tally.errors, tally.unsound, tally.spoilt);
    assert_int_equal(tally.spoilt, 0);
    free(before);
    damage_destroy(&d);
    return tally.reverted;
}

static void a_flipped_bit_in_a_live_record_costs_the_newest_commit_at_most(void **state)
{
    static const unsigned pairs[][2] = {{22, 23}, {7, 18}, {18, 7}, {7, 7}, {1, 1}, {8, 29}, {29, 7},
                                      {22, KEYS}, {7, KEYS + 1}, {7, KEYS + 5}, {18, KEYS + 6}, {7, KEYS + 7}, {7, KEYS + 9}};
    uint64_t reverted = 0;

    (void)state;
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
        reverted += flip_records_of(pairs[i][0], pairs[i][1]);
    assert_true(reverted > 0);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_flipped_bit_in_a_live_record_costs_the_newest_commit_at_most),
    };

    all = argc > 1 && strcmp(argv[1], "all") == 0;
    if (argc > 1 && !all)
        seed = strtoull(argv[1], NULL, 10);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
