/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_session.c - sessions, groups, transactions: what is atomic, what is undone, what is refused
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <sched.h>

#include "engine_case.h"

static char big[100000];

static int fill_big(void **state)
{
    (void)state;
    memset(big, 'b', sizeof(big));
    return 0;
}

/* Two keys in different shards, the first in the lower one. Both shards have memory already, so that none needs the pool's lock. */
static void two_keys(char low[16], char high[16])
{
    struct index_key a, b;

    strcpy(low, "key:0");
    index_key_init(&a, &f.pool->file, 0, low, strlen(low));
    for (unsigned i = 1;; i++) {
        sprintf(high, "key:%u", i);
        index_key_init(&b, &f.pool->file, 0, high, strlen(high));
        if (b.shard != a.shard)
            break;
    }
    if (b.shard < a.shard) {
        char swap[16];

        strcpy(swap, low);
        strcpy(low, high);
        strcpy(high, swap);
    }
    assert_ok(fixture_set(&f, low, "0"));
    assert_ok(fixture_set(&f, high, "0"));
    assert_ok(sdb_delete(f.session, low, strlen(low)));
    assert_ok(sdb_delete(f.session, high, strlen(high)));
}

static void opening_refuses_nothing_to_open(void **state)
{
    struct sdb_session *session = NULL;

    (void)state;
    assert_int_equal(sdb_session_open(NULL, &session), SDB_EINVAL);
    assert_int_equal(sdb_session_open(f.pool, NULL), SDB_EINVAL);
    sdb_session_close(NULL);
}

static void a_pool_does_not_close_under_its_sessions(void **state)
{
    (void)state;
    assert_int_equal(sdb_close(f.pool), SDB_EBUSY);
    assert_ok(fixture_set(&f, "still", "there"));
    assert_true(fixture_has(&f, "still", "there"));
}

static void closing_commits_a_group_and_aborts_a_transaction(void **state)
{
    struct sdb_session *s;

    (void)state;
    assert_ok(sdb_session_open(f.pool, &s));
    assert_ok(sdb_group_begin(s));
    assert_ok(sdb_set(s, "group", 5, "1", 1, NULL));
    assert_ok(sdb_begin(s, NULL, 0));
    assert_ok(sdb_set(s, "transaction", 11, "1", 1, NULL));
    sdb_session_close(s);
    assert_true(fixture_has(&f, "group", "1"));
    assert_true(fixture_has(&f, "transaction", NULL));
    fixture_crash(&f);
    assert_true(fixture_has(&f, "group", "1"));
}

/* -- misuse -- */

static void what_is_not_open_does_not_end_and_groups_do_not_nest(void **state)
{
    (void)state;
    assert_int_equal(sdb_group_end(f.session), SDB_EINVAL);
    assert_int_equal(sdb_commit(f.session), SDB_EINVAL);
    sdb_abort(f.session);
    assert_ok(sdb_group_begin(f.session));
    assert_int_equal(sdb_group_begin(f.session), SDB_EINVAL);
    assert_ok(sdb_begin(f.session, NULL, 0));
    assert_int_equal(sdb_group_begin(f.session), SDB_EINVAL);
    assert_int_equal(sdb_group_end(f.session), SDB_EINVAL);
    assert_ok(sdb_commit(f.session));
    assert_int_equal(sdb_commit(f.session), SDB_EINVAL);
    assert_ok(sdb_group_end(f.session));
    assert_int_equal(sdb_group_end(f.session), SDB_EINVAL);
}

static void transactions_nest_to_a_stated_depth(void **state)
{
    (void)state;
    for (unsigned i = 0; i < SDB_TRANSACTION_DEPTH; i++)
        assert_ok(i % 2 ? sdb_begin_all(f.session) : sdb_begin(f.session, NULL, 0));
    assert_int_equal(sdb_begin(f.session, NULL, 0), SDB_EINVAL);
    assert_int_equal(sdb_begin_all(f.session), SDB_EINVAL);
    for (unsigned i = 0; i < SDB_TRANSACTION_DEPTH; i++)
        assert_ok(sdb_commit(f.session));
    assert_int_equal(sdb_commit(f.session), SDB_EINVAL);
}

/* -- transactions inside transactions -- */

static void an_inner_abort_takes_back_its_own_part_only(void **state)
{
    (void)state;
    assert_ok(sdb_begin(f.session, NULL, 0));
    assert_ok(fixture_set(&f, "outer", "1"));
    assert_ok(sdb_begin(f.session, NULL, 0));
    assert_ok(fixture_set(&f, "outer", "2"));
    assert_ok(fixture_set(&f, "inner", "1"));
    sdb_abort(f.session);
    assert_true(fixture_has(&f, "outer", "1"));
    assert_true(fixture_has(&f, "inner", NULL));
    assert_ok(sdb_begin(f.session, NULL, 0));
    assert_ok(fixture_set(&f, "kept", "1"));
    assert_ok(sdb_commit(f.session));
    assert_ok(sdb_commit(f.session));
    fixture_crash(&f);
    assert_true(fixture_has(&f, "outer", "1"));
    assert_true(fixture_has(&f, "inner", NULL));
    assert_true(fixture_has(&f, "kept", "1"));
    assert_int_equal(fixture_check(&f), 2);
}

static void an_inner_commit_is_nothing_before_the_outer_one(void **state)
{
    (void)state;
    assert_ok(sdb_begin(f.session, NULL, 0));
    assert_ok(sdb_begin(f.session, NULL, 0));
    assert_ok(fixture_set(&f, "inner", "1"));
    assert_ok(sdb_commit(f.session));
    assert_true(fixture_has(&f, "inner", "1"));
    sdb_abort(f.session);
    assert_true(fixture_has(&f, "inner", NULL));
    assert_ok(fixture_set(&f, "later", "1"));
    fixture_crash(&f);
    assert_true(fixture_has(&f, "inner", NULL));
    assert_int_equal(fixture_check(&f), 1);
}

/* -- groups -- */

static void a_group_takes_effect_for_its_session_at_once_and_is_durable_at_its_end(void **state)
{
    (void)state;
    assert_ok(sdb_group_begin(f.session));
    assert_ok(fixture_set(&f, "k", "1"));
    assert_ok(sdb_add(f.session, "k", 1, 1, NULL));
    assert_true(fixture_has(&f, "k", "2"));
    assert_int_equal(sdb_set(f.session, big, 70000, "x", 1, NULL), SDB_ETOOBIG); /* one call fails, the group goes on */
    assert_ok(sdb_delete(f.session, "k", 1));
    assert_ok(fixture_set(&f, "k", "3"));
    assert_ok(sdb_group_end(f.session));
    fixture_crash(&f);
    assert_true(fixture_has(&f, "k", "3"));
    assert_int_equal(fixture_check(&f), 1);
}

static void a_group_of_any_size_is_committed(void **state)
{
    char name[32];

    (void)state;
    assert_ok(sdb_group_begin(f.session));
    for (unsigned i = 0; i < 20000; i++)
        assert_ok(sdb_set(f.session, name, (size_t)sprintf(name, "key:%u", i), big, i % 100, NULL));
    for (unsigned i = 0; i < 20000; i += 2)
        assert_ok(sdb_delete(f.session, name, (size_t)sprintf(name, "key:%u", i)));
    assert_ok(sdb_group_end(f.session));
    fixture_crash(&f);
    assert_int_equal(fixture_check(&f), 10000);
}

static void a_group_that_runs_full_keeps_what_it_acknowledged(void **state)
{
    unsigned keys = 0;
    char name[32];
    int error;

    (void)state;
    assert_ok(sdb_group_begin(f.session));
    while ((error = sdb_set(f.session, name, (size_t)sprintf(name, "key:%u", keys), big, 5000, NULL)) == SDB_OK)
        keys++;
    assert_int_equal(error, SDB_ENOSPC);
    assert_ok(sdb_delete(f.session, "key:0", 5));
    assert_ok(sdb_group_end(f.session));
    fixture_crash(&f);
    assert_int_equal(fixture_check(&f), keys - 1);
}

/* -- transactions -- */

static void an_abort_restores_everything(void **state)
{
    struct sdb_stat before, after;
    char name[64];
    uint64_t count;

    (void)state;
    for (unsigned i = 0; i < 200; i++)
        assert_ok(sdb_set(f.session, name, (size_t)sprintf(name, "key:%u", i), big, i * 10, NULL));
    assert_ok(sdb_stat(f.session, "key:7", 5, &before));
    for (unsigned grouped = 0; grouped < 2; grouped++) {
        if (grouped)
            assert_ok(sdb_group_begin(f.session));
        assert_ok(sdb_begin(f.session, NULL, 0));
        for (unsigned i = 0; i < 2000; i++) { /* splits segments, too */
            assert_ok(sdb_set(f.session, name, (size_t)sprintf(name, "new:%u", i), big, i, NULL));
            assert_int_equal(sdb_delete(f.session, name, (size_t)sprintf(name, "key:%u", i)),
                             i < 200 ? SDB_OK : SDB_ENOTFOUND);
        }
        assert_ok(sdb_swap_databases(f.session, 0, 4));
        sdb_abort(f.session);
        if (grouped)
            assert_ok(sdb_group_end(f.session));
        assert_int_equal(fixture_count(&f), 200);
        assert_ok(sdb_stat(f.session, "key:7", 5, &after));
        assert_true(before.version == after.version && before.handle == after.handle && before.size == after.size);
        assert_int_equal(fixture_check(&f), 200);
    }
    assert_ok(sdb_count_expiring(f.session, &count));
    assert_int_equal(count, 0);
}

static void an_abort_costs_no_fence(void **state)
{
    uint64_t fences;

    (void)state;
    assert_ok(fixture_set(&f, "k", "1"));
    assert_ok(
        fixture_set(&f, "l", "1")); /* whose shard has a page of entries now: making one takes a fence of its own */
    fences = fixture_stats(&f).fences;
    assert_ok(sdb_begin(f.session, NULL, 0));
    assert_ok(fixture_set(&f, "k", "2"));
    assert_ok(sdb_set(f.session, "l", 1, big, 3000, NULL));
    sdb_abort(f.session);
    assert_int_equal(fixture_stats(&f).fences, fences);
}

static void a_transaction_sees_its_own_writes_and_others_do_not(void **state)
{
    struct sdb_session *other;

    (void)state;
    assert_ok(sdb_session_open(f.pool, &other));
    assert_ok(fixture_set(&f, "k", "old"));
    assert_ok(sdb_begin(f.session, NULL, 0));
    assert_ok(fixture_set(&f, "k", "new"));
    assert_ok(fixture_set(&f, "more", "1"));
    assert_true(fixture_has(&f, "k", "new"));
    assert_int_equal(sdb_exists(other, "more", 4), SDB_ENOTFOUND);
    assert_ok(sdb_commit(f.session));
    assert_ok(sdb_exists(other, "more", 4));
    sdb_session_close(other);
}

static void an_uncommitted_transaction_does_not_survive_a_crash(void **state)
{
    char copy[96];

    (void)state;
    assert_ok(fixture_set(&f, "k", "old"));
    assert_ok(sdb_begin(f.session, NULL, 0));
    for (unsigned i = 0; i < 1000; i++)
        assert_ok(sdb_set(f.session, big, i, big, i * 3, NULL));
    assert_ok(fixture_set(&f, "k", "new"));
    snprintf(copy, sizeof(copy), "%s.crash", f.path);
    fixture_snapshot(&f, copy);
    sdb_abort(f.session);
    fixture_close(&f);
    assert_int_equal(rename(copy, f.path), 0);
    fixture_open(&f);
    assert_int_equal(fixture_check(&f), 1);
    assert_true(fixture_has(&f, "k", "old"));
}

static void a_transaction_too_large_for_the_ring_is_atomic(void **state)
{
    char name[32];

    (void)state;
    for (unsigned round = 0; round < 3; round++) {
        assert_ok(sdb_begin_all(f.session));
        for (unsigned i = 0; i < 8000; i++)
            assert_ok(sdb_set(f.session, name, (size_t)sprintf(name, "key:%u", i), name, round * 7 + 1, NULL));
        assert_ok(sdb_commit(f.session));
        fixture_crash(&f);
        assert_int_equal(fixture_check(&f), 8000);
    }
}

static void a_transaction_that_finds_the_pool_full_can_be_aborted_or_committed(void **state)
{
    char name[32];
    int error = SDB_OK;

    (void)state;
    assert_ok(fixture_set(&f, "k", "1"));
    for (unsigned round = 0; round < 2; round++) {
        assert_ok(sdb_begin(f.session, NULL, 0));
        for (unsigned i = 0; !error; i++)
            error = sdb_set(f.session, name, (size_t)sprintf(name, "key:%u", i), big, sizeof(big), NULL);
        assert_int_equal(error, SDB_ENOSPC);
        assert_ok(fixture_set(&f, "k", "2"));
        if (round == 0)
            sdb_abort(f.session);
        else
            assert_ok(sdb_commit(f.session));
        error = SDB_OK;
        assert_true(fixture_has(&f, "k", round ? "2" : "1"));
        assert_int_equal(fixture_count(&f) > 1, round);
        (void)fixture_check(&f);
    }
}

/* -- conflicts -- */

static void a_shard_that_another_holds_is_a_conflict_if_waiting_were_not_safe(void **state)
{
    struct sdb_session *other;
    char low[16], high[16];

    (void)state;
    two_keys(low, high);
    assert_ok(sdb_session_open(f.pool, &other));
    assert_ok(sdb_begin(f.session, NULL, 0));
    assert_ok(fixture_set(&f, low, "1"));
    assert_ok(sdb_begin(other, NULL, 0));
    assert_ok(sdb_set(other, high, strlen(high), "1", 1, NULL));
    assert_int_equal(sdb_set(other, low, strlen(low), "2", 1, NULL),
                     SDB_ECONFLICT); /* by one thread: it must not wait */
    assert_int_equal(sdb_get(other, low, strlen(low), NULL, 0, NULL), SDB_ECONFLICT);
    sdb_abort(other);
    assert_ok(sdb_commit(f.session));
    assert_true(fixture_has(&f, low, "1") && fixture_has(&f, high, NULL));
    assert_true(fixture_stats(&f).conflicts >= 2);
    sdb_session_close(other);
}

struct waiter {
    struct sdb_session *session;
    char key[16];
    int error;
};

static void *wait_and_set(void *argument)
{
    struct waiter *w = argument;

    w->error = sdb_set(w->session, w->key, strlen(w->key), "waited", 6, NULL);
    return NULL;
}

static void a_write_outside_of_transactions_waits(void **state)
{
    struct waiter w = {0};
    pthread_t thread;
    char high[16];

    (void)state;
    two_keys(w.key, high);
    assert_ok(sdb_session_open(f.pool, &w.session));
    assert_ok(sdb_begin(f.session, NULL, 0));
    assert_ok(fixture_set(&f, w.key, "first"));
    assert_int_equal(pthread_create(&thread, NULL, wait_and_set, &w), 0);
    while (__atomic_load_n(&w.session->stats.conflicts, __ATOMIC_RELAXED) == 0) /* it has met the lock */
        sched_yield();
    assert_ok(sdb_commit(f.session));
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_ok(w.error);
    sdb_session_close(w.session);
    assert_true(fixture_has(&f, w.key, "waited"));
}

static void a_conflict_inside_a_group_keeps_the_groups_other_writes(void **state)
{
    struct sdb_session *other;
    char low[16], high[16];

    (void)state;
    two_keys(low, high);
    assert_ok(sdb_session_open(f.pool, &other));
    assert_ok(sdb_begin(f.session, NULL, 0));
    assert_ok(fixture_set(&f, low, "1"));
    assert_ok(sdb_group_begin(other));
    assert_ok(sdb_set(other, high, strlen(high), "group", 5, NULL));
    assert_ok(sdb_begin(other, NULL, 0));
    assert_int_equal(sdb_set(other, low, strlen(low), "2", 1, NULL), SDB_ECONFLICT);
    sdb_abort(other);
    assert_ok(sdb_group_end(other));
    sdb_abort(f.session);
    assert_true(fixture_has(&f, high, "group") && fixture_has(&f, low, NULL));
    sdb_session_close(other);
}

static void sessions_take_turns_over_all_lanes(void **state)
{
    struct sdb_session *sessions[12];
    char name[32];

    (void)state;
    for (unsigned i = 0; i < 12; i++)
        assert_ok(sdb_session_open(f.pool, &sessions[i]));
    for (unsigned i = 0; i < 3000; i++) {
        size_t size = (size_t)sprintf(name, "key:%u", i % 50);

        assert_ok(sdb_set(sessions[i * 7 % 12], name, size, big, i % 60, NULL));
        if (i % 500 == 499) {
            char copy[96];
            struct sdb_pool *pool;

            snprintf(copy, sizeof(copy), "%s.image", f.path);
            fixture_snapshot(&f, copy);
            assert_ok(sdb_open(copy, NULL, &pool));
            assert_ok(sdb_check(pool, fixture_note_problem, NULL, NULL));
            assert_ok(sdb_close(pool));
            assert_int_equal(unlink(copy), 0);
        }
    }
    for (unsigned i = 0; i < 12; i++)
        sdb_session_close(sessions[i]);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(opening_refuses_nothing_to_open),
        TEST(a_pool_does_not_close_under_its_sessions),
        TEST(closing_commits_a_group_and_aborts_a_transaction),
        TEST(what_is_not_open_does_not_end_and_groups_do_not_nest),
        TEST(transactions_nest_to_a_stated_depth),
        TEST(an_inner_abort_takes_back_its_own_part_only),
        TEST(an_inner_commit_is_nothing_before_the_outer_one),
        TEST(a_group_takes_effect_for_its_session_at_once_and_is_durable_at_its_end),
        TEST(a_group_of_any_size_is_committed),
        TEST(a_group_that_runs_full_keeps_what_it_acknowledged),
        TEST(an_abort_restores_everything),
        TEST(an_abort_costs_no_fence),
        TEST(a_transaction_sees_its_own_writes_and_others_do_not),
        TEST(an_uncommitted_transaction_does_not_survive_a_crash),
        TEST(a_transaction_too_large_for_the_ring_is_atomic),
        TEST(a_transaction_that_finds_the_pool_full_can_be_aborted_or_committed),
        TEST(a_shard_that_another_holds_is_a_conflict_if_waiting_were_not_safe),
        TEST(a_write_outside_of_transactions_waits),
        TEST(a_conflict_inside_a_group_keeps_the_groups_other_writes),
        TEST(sessions_take_turns_over_all_lanes),
    };
    return cmocka_run_group_tests(tests, fill_big, NULL);
}
