/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_scrub.c - a scrub finds every damage that costs a key, those that a reader would take for a miss too, and nothing else, whatever
 * is written meanwhile
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

#include "damage_fixture.h"
#include "damage_types.h"
#include "index_internal.h"
#include "layout.h"

#define KEYS 400u

static void note_finding(void *context, const struct sdb_finding *finding)
{
    assert_true(strlen(finding->what) > 0);
    *(unsigned *)context += finding->key.data != NULL;
}

static struct sdb_scrub scrub_all(struct sdb_session *session, size_t effort, unsigned *named)
{
    struct sdb_scrub result = {0};
    uint64_t cursor = 0, steps = 0;

    *named = 0;
    do {
        assert_ok(sdb_scrub(session, &cursor, effort, note_finding, named, &result));
        assert_true(++steps < 10000000);
    } while (cursor);
    return result;
}

static void a_sound_pool_has_no_findings_and_every_key_is_looked_at(void **state)
{
    struct damage d;
    unsigned named;

    (void)state;
    damage_create(&d, 16 * MIB, 2, KEYS, 11, true);
    fixture_open(&d.f);
    for (size_t effort = 1; effort < 10000000; effort *= 1000) {
        struct sdb_scrub result = scrub_all(d.f.session, effort, &named);

        assert_int_equal(result.problems, 0);
        assert_int_equal(result.keys, KEYS + KEYS / 8); /* those of the emptied database included */
        assert_true(result.blobs > 0 && result.bytes > 0);
    }
    fixture_close(&d.f);
    damage_destroy(&d);
}

/* Bits and whole lines, in what is in use: where a key cannot be read any more, the scrub has said so. */
static void what_costs_a_key_is_found(void **state)
{
    static struct damage_types types;
    struct damage d;
    unsigned costs = 0, silent = 0;

    (void)state;
    damage_create(&d, 16 * MIB, 2, KEYS, 9, true);
    damage_types_create(&d, &types);
    d.f.random = 77;
    /* What readers take for a miss is rare, and where keys lie is another matter in each pool: it goes on until there was one. */
    for (unsigned i = 0; i < 300 || (silent == 0 && i < 9000); i++) {
        struct answers answers = {0};
        struct sdb_scrub result;
        unsigned named;
        uint64_t at;

        do
            at = fixture_random(&d.f, d.size / LINE_SIZE) * LINE_SIZE;
        while (at < 12288 || memcmp(d.image + at, (uint8_t[LINE_SIZE]){0}, LINE_SIZE) == 0);
        if (i % 3 == 0)
            memset(d.raw + at, 0, LINE_SIZE);
        else
            d.raw[at + fixture_random(&d.f, LINE_SIZE)] ^= (uint8_t)(1u << fixture_random(&d.f, 8));
        if (sdb_open(d.f.path, &d.f.options, &d.f.pool) == SDB_OK) {
            damage_ask(&d, d.f.pool, 0, &answers);
            damage_types_ask(&types, d.f.pool, &answers);
            assert_ok(sdb_session_open(d.f.pool, &d.f.session));
            result = scrub_all(d.f.session, 1000000, &named);
            if (answers.errors + answers.missing > 0 && result.problems == 0)
                fail_msg("offset %" PRIu64 ": %u errors, %u missing, and the scrub found nothing", at, answers.errors, answers.missing);
            costs += answers.errors + answers.missing > 0;
            silent += answers.missing > 0;
            sdb_session_close(d.f.session);
            assert_ok(sdb_close(d.f.pool));
        }
        damage_restore(&d);
    }
    printf("%u damages cost keys, %u of them without an error to the reader\n", costs, silent);
    assert_true(costs > 10 && silent > 0);
    damage_destroy(&d);
}

static void *write_on(void *context)
{
    const struct damage *d = context;
    struct sdb_session *session;
    static char value[2][9000];
    unsigned number = 1;

    assert_ok(sdb_session_open(d->f.pool, &session));
    for (unsigned i = 0; i < 30000; i++) {
        char key[32];
        int size = snprintf(key, sizeof(key), "writer:%u", (number = number * 1103515245u + 12345u) >> 8 & 1023);

        if (i % 3 == 0)
            (void)sdb_delete(session, key, (size_t)size);
        else
            assert_ok(sdb_set(session, key, (size_t)size, value[i & 1], i % 40 == 0 ? 9000 : i % 60, NULL));
    }
    sdb_session_close(session);
    return NULL;
}

static void writers_are_no_damage(void **state)
{
    struct damage d;
    pthread_t threads[2];
    unsigned named;

    (void)state;
    damage_create(&d, 32 * MIB, 2, KEYS, 9, true);
    fixture_open(&d.f);
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, write_on, &d), 0);
    for (int round = 0; round < 12; round++)
        assert_int_equal(scrub_all(d.f.session, 5000, &named).problems, 0);
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    fixture_close(&d.f);
    damage_destroy(&d);
}

static uint64_t problems_of_metadata(struct sdb_session *session)
{
    struct sdb_scrub result = {0};
    uint64_t cursor = 0;
    unsigned named = 0;

    assert_ok(sdb_scrub(session, &cursor, 1, note_finding, &named, &result));
    return result.problems;
}

/* Every byte of each copy, and of both at once: told of, and written anew as it was, which a kill afterwards shows. */
static void a_damaged_copy_of_the_superblock_is_told_of_and_written_anew(void **state)
{
    static const uint64_t offsets[] = {SB_COPY_OFFSET_A, SB_COPY_OFFSET_B};
    uint8_t before[8192];
    struct damage d;

    (void)state;
    damage_create(&d, 16 * MIB, 2, 40, 9, true);
    fixture_open(&d.f);
    memcpy(before, d.raw, sizeof(before));
    assert_int_equal(problems_of_metadata(d.f.session), 0);
    for (unsigned i = 0; i < 3 * sizeof(struct sdb_m_superblock); i++) {
        for (unsigned copy = 0; copy < 2; copy++)
            if ((1 + i % 3) >> copy & 1)
                d.raw[offsets[copy] + i / 3] ^= (uint8_t)(1u << i % 8);
        assert_int_equal(problems_of_metadata(d.f.session), i % 3 == 2 ? 2 : 1);
        assert_memory_equal(d.raw, before, sizeof(before));
    }
    fixture_close(&d.f);
    assert_int_equal(((struct sdb_m_superblock *)(void *)d.raw)->incompat, ((struct sdb_m_superblock *)(void *)before)->incompat);
    d.f.options.flags |= SDB_READONLY;
    fixture_open(&d.f);
    assert_int_equal(problems_of_metadata(d.f.session), 0);
    d.raw[SB_COPY_OFFSET_B + 200] ^= 1;
    assert_int_equal(problems_of_metadata(d.f.session), 1);
    assert_int_equal(problems_of_metadata(d.f.session), 1); /* told of, and left */
    fixture_close(&d.f);
    d.f.options.flags = 0;
    fixture_open(&d.f); /* which mends that one */
    d.raw[SB_COPY_OFFSET_A + 200] ^= 1;
    d.raw[SB_COPY_OFFSET_B + 200] ^= 1;
    assert_int_equal(problems_of_metadata(d.f.session), 2);
    fixture_crash(&d.f);
    assert_int_equal(problems_of_metadata(d.f.session), 0);
    (void)fixture_check(&d.f);
    fixture_close(&d.f);
    damage_destroy(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sound_pool_has_no_findings_and_every_key_is_looked_at),
        cmocka_unit_test(what_costs_a_key_is_found),
        cmocka_unit_test(a_damaged_copy_of_the_superblock_is_told_of_and_written_anew),
        cmocka_unit_test(writers_are_no_damage),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
