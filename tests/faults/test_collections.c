/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_collections.c - DRAM runs out in the N-th allocation of work on large collections, once or from there on: N as in test_memory.c
 *
 * ctest-timeout: 600
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "fault_fixture.h"

#include "collection_fixture.h"

#define SIZE (48 * MIB)
#define ELEMENTS 240u

static struct collection_state states[COLLECTIONS];

/* The key and an empty tree; where that failed, a second time without faults. */
static void make_empty(struct run *run, unsigned i)
{
    const struct collection empty = {.key = collections[i].key, .type = collections[i].type};

    if (run_judge(run, FAULTY(collection_create(&run->f, &empty)), 0))
        return;
    assert_int_equal(sdb_exists(run->f.session, empty.key, strlen(empty.key)), SDB_ENOTFOUND);
    assert_ok(collection_create(&run->f, &empty));
}

static void change(struct run *run, unsigned i, unsigned element, bool insert)
{
    (void)run_judge(run, FAULTY(collection_change(&run->f, &collections[i], &states[i], element, insert)), 0);
}

static void ask(struct run *run, unsigned i)
{
    struct collection_answers answers = {0};

    assert_true(collection_ask(&run->f, &collections[i], &states[i], &answers));
    if (answers.errors || answers.missing || answers.wrong)
        fail_msg("%s: %u errors, %u missing, %u wrong", collections[i].key, answers.errors, answers.missing,
                 answers.wrong);
}

/* Elements come in a mixed order, every third goes, lists at their ends. What was refused is not there, or stays. */
static void fill(struct run *run, unsigned i)
{
    struct collection_state *s = &states[i];
    const bool list = collections[i].type == VALUE_LIST;

    memset(s, 0, sizeof(*s));
    make_empty(run, i);
    for (unsigned n = 0; n < ELEMENTS; n++)
        change(run, i, list ? s->count : n * 7 % ELEMENTS, true);
    ask(run, i);
    for (unsigned n = 0; n < ELEMENTS; n += 3)
        if (list ? s->count > 0 : s->there[n])
            change(run, i, list ? s->count - 1 : n, false);
    ask(run, i);
}

/* One key after the other goes, and what it had is reclaimed. */
static void drop_all(struct run *run)
{
    for (unsigned i = 0; i < COLLECTIONS; i++) {
        const char *key = collections[i].key;
        int done = 0;

        if (!run_judge(run, FAULTY(sdb_delete(run->f.session, key, strlen(key))), 0)) {
            ask(run, i);
            assert_ok(sdb_delete(run->f.session, key, strlen(key)));
        }
        for (unsigned steps = 0; !done && steps < 40; steps++)
            (void)run_judge(run, FAULTY(sdb_maintain(run->f.session, 50, &done)), 0);
    }
}

static void work_on_collections(struct run *run)
{
    for (unsigned i = 0; i < COLLECTIONS; i++)
        fill(run, i);
    drop_all(run);
}

static void collections_of_a_pool_just_opened(struct run *run)
{
    faults_disarm();
    for (unsigned i = 0; i < COLLECTIONS; i++)
        fill(run, i);
    run_reopen(run);
    run_arm(run, run->kinds, run->skip, run->fail);
    for (unsigned n = 1; n < 30; n++)
        for (unsigned i = 0; i < COLLECTIONS; i++) {
            struct collection_state *s = &states[i];
            const bool list = collections[i].type == VALUE_LIST;
            const unsigned element = list ? s->count - (n % 2 && s->count > 0) : n * 11 % COLLECTION_NUMBERS;

            change(run, i, element, !s->there[element]);
        }
    for (unsigned i = 0; i < COLLECTIONS; i++)
        ask(run, i);
    run_reopen(run);
    drop_all(run);
}

static void loop(void (*act)(struct run *run), uint64_t count)
{
    const bool every_n = getenv("SUPERDB_FAULTS_ALL") != NULL;
    uint64_t failed = 1, injected = 0, n = 0;

    for (; failed; n += n < 10 || every_n ? 1 : 6) {
        struct run run;

        run_begin(&run, SDB_ENOMEM, SIZE, 0, 4);
        run_arm(&run, FAULT_BIT(FAULT_MEMORY), n, count);
        act(&run);
        failed = faults->failed;
        injected += failed;
        faults_disarm();
        run_end(&run);
        assert_true(failed || run.refused == 0);
    }
    assert_true(injected > 0);
    print_message("N to %llu: %llu faults\n", (unsigned long long)n, (unsigned long long)injected);
}

static void work_survives_any_allocation_that_fails(void **state)
{
    (void)state;
    loop(work_on_collections, 1);
    loop(work_on_collections, UINT64_MAX);
}

static void a_pool_just_opened_survives_any_allocation_that_fails(void **state)
{
    (void)state;
    loop(collections_of_a_pool_just_opened, 1);
    loop(collections_of_a_pool_just_opened, UINT64_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(work_survives_any_allocation_that_fails, run_tear_down),
        cmocka_unit_test_teardown(a_pool_just_opened_survives_any_allocation_that_fails, run_tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
