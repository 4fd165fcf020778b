/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_flips.c - a single flipped bit, anywhere in a small pool: every key is right or an error, nothing is missing in silence
 *
 * By default a sample of a fixed seed. With a number as its argument it takes that seed; with "all" it flips every bit of every byte
 * in use, one after the other (scripts/flip-every-bit.sh).
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
#define KEYS 120u
#define SAMPLE 6000u
#define SAMPLE_WRITTEN 400u
#define ABSENT 12u
#define KEYS_WRITTEN_ALL 24u   /* of the pool whose every bit is flipped and written behind */
#define NEW_VALUES (64 * KEYS) /* a key's second value is the first one of the key with this much higher a number */

static bool all;
static uint64_t seed = 20260101;
static struct damage_types types;

/* A part of the file where bits are flipped. */
struct part {
    uint64_t from, to;
};

/* Where there is anything: lines that are not all zeros, and their neighbours on both sides. */
static size_t parts_in_use(const struct damage *d, struct part *parts, size_t max)
{
    size_t count = 0;

    for (uint64_t at = 0; at < d->size; at += LINE_SIZE) {
        uint64_t any = 0;

        for (unsigned i = 0; i < LINE_SIZE; i++)
            any |= d->image[at + i];
        if (!any)
            continue;
        uint64_t from = at >= LINE_SIZE ? at - LINE_SIZE : 0;
        if (count && parts[count - 1].to >= from) {
            parts[count - 1].to = at + 2 * LINE_SIZE;
            continue;
        }
        assert_true(count < max);
        parts[count++] = (struct part){from, at + 2 * LINE_SIZE};
    }
    return count;
}

struct tally {
    uint64_t flips, refused, with_errors, of_types, seen_by_check;
};

/* Flips one bit, opens the pool for reading, asks, and flips it back. */
static void flip_reading(struct damage *d, uint64_t bit, struct tally *tally)
{
    struct sdb_options options = d->f.options;
    struct answers answers = {0};
    struct sdb_pool *pool;
    char what[80];
    int error;

    options.flags = SDB_READONLY;
    d->raw[bit / 8] ^= (uint8_t)(1u << bit % 8);
    error = sdb_open(d->f.path, &options, &pool);
    tally->flips++;
    if (error == SDB_OK) {
        snprintf(what, sizeof(what), "byte %" PRIu64 ", bit %u", bit / 8, (unsigned)(bit % 8));
        damage_ask(d, pool, ABSENT, &answers);
        const unsigned of_keys = answers.errors;
        damage_types_ask(&types, pool, &answers);
        tally->of_types += answers.errors != of_keys;
        damage_not_silent(&answers, what);
        error = sdb_check(pool, NULL, NULL, NULL);
        assert_true(error == SDB_OK || error == SDB_ECORRUPT);
        if ((answers.errors || answers.scan_errors) && error != SDB_ECORRUPT)
            fail_msg("%s: errors for a reader, and none for the checker", what);
        tally->with_errors += answers.errors != 0;
        tally->seen_by_check += error == SDB_ECORRUPT;
        assert_ok(sdb_close(pool));
    } else {
        assert_int_equal(error, SDB_ECORRUPT);
        assert_true(strlen(sdb_last_error()) > 0);
        tally->refused++;
    }
    d->raw[bit / 8] ^= (uint8_t)(1u << bit % 8);
}

static void every_flip_of_a_closed_pool_is_harmless_or_an_error(void **state)
{
    static struct part parts[4096];
    struct damage d;
    struct tally tally = {0};
    uint64_t bits = 0;
    size_t count;

    (void)state;
    damage_create(&d, POOL_SIZE, 2, KEYS, 9, true);
    damage_types_create(&d, &types);
    count = parts_in_use(&d, parts, sizeof(parts) / sizeof(parts[0]));
    for (size_t i = 0; i < count; i++)
        bits += (parts[i].to - parts[i].from) * 8;
    d.f.random = seed | 1;
    for (uint64_t n = 0; n < (all ? bits : SAMPLE); n++) {
        uint64_t bit = all ? n : fixture_random(&d.f, bits);
        size_t i = 0;

        for (; bit >= (parts[i].to - parts[i].from) * 8; i++)
            bit -= (parts[i].to - parts[i].from) * 8;
        flip_reading(&d, parts[i].from * 8 + bit, &tally);
    }
    printf("seed %" PRIu64 ": %" PRIu64 " of %" PRIu64 " bits flipped: %" PRIu64 " pools refused, %" PRIu64
           " with keys that are errors, %" PRIu64 " with collections that are, %" PRIu64 " found by the check\n",
           seed, tally.flips, bits, tally.refused, tally.with_errors, tally.of_types, tally.seen_by_check);
    assert_true(tally.of_types > tally.flips / 100);
    assert_true(tally.with_errors > tally.flips / 100 && tally.seen_by_check > tally.with_errors);
    damage_destroy(&d);
}

/* A key has the value that was last written with success, or is an error; then it is written to. */
static void read_and_write(const struct damage *d, unsigned k, bool *written, uint64_t bit)
{
    static char value[DAMAGE_VALUE_MAX], read[DAMAGE_VALUE_MAX];
    char key[DAMAGE_KEY_MAX];
    size_t key_size = damage_key(k, key), read_size = 0;
    size_t size = damage_value(d, *written ? k + NEW_VALUES : k, value);
    int error;

    assert_ok(sdb_select(d->f.session, damage_database(k)));
    error = sdb_get(d->f.session, key, key_size, read, sizeof(read), &read_size);
    if (error == SDB_OK ? !(*written || k < d->keys) || read_size != size || memcmp(read, value, size) != 0
                        : error != SDB_ECORRUPT && (error != SDB_ENOTFOUND || *written || k < d->keys))
        fail_msg("byte %" PRIu64 ", bit %u: key %u: %s", bit / 8, (unsigned)(bit % 8), k, sdb_strerror(error));
    size = damage_value(d, k + NEW_VALUES, value);
    error = sdb_set(d->f.session, key, key_size, value, size, NULL);
    assert_true(error == SDB_OK || error == SDB_ECORRUPT);
    *written = *written || error == SDB_OK;
}

/* A collection is as it was made, or changed with success, or an error; then it is changed, once. */
static void read_and_change(const struct damage *d, unsigned i, bool *changed, bool change, uint64_t bit)
{
    const enum damage_types_answer answer = damage_types_look(&types, d->f.session, i);
    int error;

    if (answer != DAMAGE_TYPES_ERROR && answer != (*changed ? DAMAGE_TYPES_CHANGED : DAMAGE_TYPES_MADE))
        fail_msg("byte %" PRIu64 ", bit %u: collection %u: answer %d", bit / 8, (unsigned)(bit % 8), i, (int)answer);
    if (!change)
        return;
    error = damage_types_change(d->f.session, i);
    assert_true(error == SDB_OK || error == SDB_ECORRUPT);
    *changed = error == SDB_OK;
}

/* Opened for writing, every key written to, opened again: what was answered with success is what is read. */
static void flip_writing(struct damage *d, uint64_t bit, uint64_t *refused)
{
    bool written[2 * KEYS] = {false}, changed[DAMAGE_TYPES] = {false};

    d->raw[bit / 8] ^= (uint8_t)(1u << bit % 8);
    for (int round = 0; round < 2; round++) {
        int error = sdb_open(d->f.path, &d->f.options, &d->f.pool);

        if (error != SDB_OK) {
            assert_int_equal(error, SDB_ECORRUPT);
            ++*refused;
            return;
        }
        assert_ok(sdb_session_open(d->f.pool, &d->f.session));
        for (unsigned k = 0; k < 2 * d->keys; k++)
            read_and_write(d, k, &written[k], bit);
        for (unsigned i = 0; i < DAMAGE_TYPES; i++)
            read_and_change(d, i, &changed[i], round == 0, bit);
        sdb_session_close(d->f.session);
        assert_ok(sdb_close(d->f.pool));
    }
}

/* As damage_restore, but what was not in use is given back to the file system: zeros again, without a store to all of the pool. */
static void restore(const struct damage *d, const struct part *parts, size_t count)
{
    int fd = open(d->f.path, O_RDWR);

    assert_true(fd >= 0);
    assert_int_equal(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, (off_t)d->size), 0);
    close(fd);
    for (size_t i = 0; i < count; i++)
        memcpy(d->raw + parts[i].from, d->image + parts[i].from, parts[i].to - parts[i].from);
}

static void a_pool_with_a_flipped_bit_takes_writes_and_loses_none(void **state)
{
    static struct part parts[4096];
    struct damage d;
    uint64_t bits = 0, refused = 0, flips;
    size_t count;

    (void)state;
    damage_create(&d, POOL_SIZE, 2, all ? KEYS_WRITTEN_ALL : KEYS, 9, true);
    damage_types_create(&d, &types);
    count = parts_in_use(&d, parts, sizeof(parts) / sizeof(parts[0]));
    for (size_t i = 0; i < count; i++)
        bits += (parts[i].to - parts[i].from) * 8;
    d.f.random = seed | 1;
    flips = all ? bits : SAMPLE_WRITTEN;
    for (uint64_t n = 0; n < flips; n++) {
        uint64_t bit = all ? n : fixture_random(&d.f, bits);
        size_t i = 0;

        for (; bit >= (parts[i].to - parts[i].from) * 8; i++)
            bit -= (parts[i].to - parts[i].from) * 8;
        flip_writing(&d, bit + parts[i].from * 8, &refused);
        restore(&d, parts, count);
    }
    printf("%" PRIu64 " of %" PRIu64 " bits flipped and written behind, %" PRIu64 " pools refused\n", flips, bits,
           refused);
    assert_true(refused < flips / 4);
    assert_memory_equal(d.raw, d.image, d.size);
    damage_destroy(&d);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_flip_of_a_closed_pool_is_harmless_or_an_error),
        cmocka_unit_test(a_pool_with_a_flipped_bit_takes_writes_and_loses_none),
    };

    all = argc > 1 && strcmp(argv[1], "all") == 0;
    if (argc > 1 && !all)
        seed = strtoull(argv[1], NULL, 10);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
