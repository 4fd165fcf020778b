/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_step.c - what a reader meets behind each instruction of a commit: an entry that is whole, or busy, and never a torn one
 *
 * The processor stops behind each instruction (the trap flag), and the handler reads. x86-64 only.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <signal.h>
#include <ucontext.h>

#include "engine_fixture.h"
#include "entry.h"

#if defined(__x86_64__)

#define TRAP_FLAG 0x100

static struct fixture f;
static uint64_t entry;
static volatile sig_atomic_t is_over;
static unsigned long steps, whole, busy, torn;
static unsigned states; /* different words that were seen whole, one behind the other */
static uint64_t last[4];

/* What entry_read looks at, once: between two instructions of the writer nothing moves. */
static void look(void)
{
    const uint64_t *at = (const uint64_t *)(const void *)(f.pool->file.base + entry);
    uint64_t words[4];

    for (unsigned i = 0; i < 4; i++)
        words[i] = __atomic_load_n(&at[i], __ATOMIC_RELAXED);
    steps++;
    if (words[0] & META_BUSY) {
        busy++;
    } else if (!entry_valid(words, entry)) {
        torn++;
    } else {
        whole++;
        if (words[0] != last[0] || words[1] != last[1] || words[2] != last[2] || words[3] != last[3])
            states++;
        for (unsigned i = 0; i < 4; i++)
            last[i] = words[i];
    }
}

static void step(int number, siginfo_t *info, void *context)
{
    ucontext_t *state = context;

    (void)number;
    (void)info;
    look();
    if (is_over)
        state->uc_mcontext.gregs[REG_EFL] &= ~TRAP_FLAG;
}

static void watch(void)
{
    struct sigaction action = {.sa_sigaction = step, .sa_flags = SA_SIGINFO};

    steps = whole = busy = torn = 0;
    states = 0;
    look();
    states = 0;
    is_over = 0;
    assert_int_equal(sigaction(SIGTRAP, &action, NULL), 0);
    /* Below the red zone, which belongs to the compiler. */
    __asm__ volatile("lea -128(%%rsp), %%rsp; pushfq; orq %0, (%%rsp); popfq; lea 128(%%rsp), %%rsp"
                     : : "i"(TRAP_FLAG) : "memory", "cc");
}

static void watch_no_more(void)
{
    is_over = 1; /* the handler sees it behind the next instruction */
}

static void find_entry(const char *key)
{
    struct operation operation;

    assert_ok(operation_begin(f.session, 0, key, strlen(key), &operation));
    assert_true(operation.exists);
    entry = operation.found.entry;
    assert_ok(operation_end(f.session, &operation.mark, SDB_OK));
}

static void set_watched(const char *value)
{
    int error;

    watch();
    error = sdb_set(f.session, "key", 3, value, strlen(value), NULL);
    watch_no_more();
    assert_int_equal(error, SDB_OK);
    assert_int_equal(torn, 0);
    assert_true(steps > 100 && whole > 0);
}

static void an_entry_is_whole_or_busy_behind_each_instruction_of_a_commit(void **state)
{
    /* One word that changes beside the first, two, none but the first; a blob. */
    static const char *const values[] = {"another", "more than one word", "1", "2", "a value that does not fit an entry", "1", "eight by"};

    (void)state;
    fixture_create(&f, 16 * MIB, 0, 1);
    assert_ok(fixture_set(&f, "key", "value"));
    assert_ok(fixture_set(&f, "other", "value"));
    find_entry("key");
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        set_watched(values[i]);
        assert_int_equal(states, 1); /* the old one, then the new one */
        assert_true(busy > 0);
        assert_true(fixture_has(&f, "key", values[i]));
    }
    fixture_destroy(&f);
}

static void two_entries_of_a_transaction_are_hidden_together(void **state)
{
    static const char *const keys[] = {"key", "other"};
    int error;

    (void)state;
    fixture_create(&f, 16 * MIB, 0, 1);
    assert_ok(fixture_set(&f, "key", "value"));
    assert_ok(fixture_set(&f, "other", "value"));
    for (unsigned i = 0; i < 2; i++) {
        find_entry(keys[i]);
        assert_ok(sdb_begin_all(f.session));
        assert_ok(fixture_set(&f, "key", i ? "a" : "b"));
        assert_ok(fixture_set(&f, "other", i ? "c" : "d"));
        watch();
        error = sdb_commit(f.session);
        watch_no_more();
        assert_int_equal(error, SDB_OK);
        assert_true(torn == 0 && busy > 0 && states == 1);
    }
    fixture_destroy(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_entry_is_whole_or_busy_behind_each_instruction_of_a_commit),
        cmocka_unit_test(two_entries_of_a_transaction_are_hidden_together),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

int main(void)
{
    return 0; /* the trap flag is x86's */
}

#endif
