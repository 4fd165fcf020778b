/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_random_elements.c - elements chosen at random: each is as likely as any other, in small collections and large ones, of every type that
 * chooses, alone, several different ones, several that may be the same, and taken out
 *
 * Draws are compared with the even distribution by chi square; a bound that even draws pass but for one run in 10^10.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine_case.h"

#define LARGE 600u /* elements: a tree; its leaves are not of one size */
#define SMALL 20u
#define DRAWS 200u /* of each element, on an average */

static unsigned drawn[LARGE];

static int note(void *context, const struct sdb_element *element)
{
    const char *name = element->name.data;
    unsigned number = 0;
    size_t at = 2;

    (void)context;
    assert_memory_equal(name, "m:", 2);
    for (; at < element->name.size && name[at] != ':'; at++)
        number = number * 10 + (unsigned)(name[at] - '0');
    assert_true(at < element->name.size && number < LARGE);
    drawn[number]++;
    return 0;
}

static void make(uint32_t type, unsigned count)
{
    char name[300];

    (void)sdb_delete(f.session, "k", 1);
    memset(name, 'x', sizeof(name));
    for (unsigned i = 0; i < count; i++) {
        const size_t head = (size_t)sprintf(name, "m:%u:", i);
        /* Some are long: leaves have few elements here and many there. */
        const struct sdb_element element = {.name = {name, head + (count == LARGE && i % 50 < 10 ? 180 : 2)},
                                            .value = {type == SDB_TYPE_HASH ? "v" : NULL, type == SDB_TYPE_HASH},
                                            .score = type == SDB_TYPE_ZSET ? i / 3 : 0};

        name[head] = name[head + 1] = 'x';
        assert_ok(sdb_collection_add(f.session, "k", 1, type, &element));
    }
    memset(drawn, 0, sizeof(drawn));
}

/* Mean count - 1, deviation sqrt(2 * (count - 1)); seven of them are far out. */
static void expect_even(unsigned count, const char *what)
{
    double total = 0, sum = 0, expected;
    unsigned spread = 1;

    for (unsigned i = 0; i < count; i++)
        total += drawn[i];
    expected = total / count;
    for (unsigned i = 0; i < count; i++)
        sum += (drawn[i] - expected) * (drawn[i] - expected) / expected;
    while (spread * spread < 2 * count)
        spread++;
    if (sum > count + 8.0 * spread)
        fail_msg("%s of %u: chi square %.1f", what, count, sum);
}

static void any_element_is_as_likely_as_any_other(void **state)
{
    static const uint32_t types[] = {SDB_TYPE_SET, SDB_TYPE_HASH, SDB_TYPE_ZSET};
    static const unsigned counts[] = {SMALL, LARGE};

    (void)state;
    for (unsigned t = 0; t < 3; t++)
        for (unsigned c = 0; c < 2; c++) {
            const unsigned count = counts[c];

            make(types[t], count);
            for (unsigned n = 0; n < count * DRAWS; n++)
                assert_ok(sdb_collection_random(f.session, "k", 1, types[t], 1, note, NULL));
            expect_even(count, "one");
            memset(drawn, 0, sizeof(drawn));
            assert_ok(sdb_collection_random(f.session, "k", 1, types[t], -(int64_t)(count * DRAWS), note, NULL));
            expect_even(count, "any");
            memset(drawn, 0, sizeof(drawn));
            for (unsigned n = 0; n < count * DRAWS / 5; n++)
                assert_ok(sdb_collection_random(f.session, "k", 1, types[t], 5, note, NULL));
            expect_even(count, "different ones");
        }
}

static void any_member_is_as_likely_to_be_popped(void **state)
{
    static const unsigned counts[] = {SMALL, LARGE}, together[] = {1, 4, 15};

    (void)state;
    for (unsigned c = 0; c < 2; c++)
        for (unsigned t = 0; t < 3; t++) {
            const unsigned count = counts[c];

            make(SDB_TYPE_SET, count);
            for (unsigned n = 0; n < count * DRAWS / together[t]; n++) {
                assert_ok(sdb_begin_all(f.session)); /* and put back */
                assert_ok(sdb_members_pop(f.session, "k", 1, together[t], note, NULL));
                sdb_abort(f.session);
            }
            expect_even(count, "popped");
        }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(any_element_is_as_likely_as_any_other),
        TEST(any_member_is_as_likely_to_be_popped),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
