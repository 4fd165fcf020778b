/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_instruction.c - the instructions that flush and fence are executed, not only counted
 *
 * The processor stops behind each instruction (the trap flag), and the handler looks at the next one's bytes. x86-64 only.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <signal.h>
#include <string.h>
#include <ucontext.h>

#include "persist.h"

#if defined(__x86_64__)

#define TRAP_FLAG 0x100

static uint8_t area[4 * LINE_SIZE] __attribute__((aligned(LINE_SIZE)));
static volatile sig_atomic_t is_over;
static struct {
    unsigned clwb, clflushopt, clflush, sfence;
} executed;

/* Intel SDM volume 2: group 15, 0F AE; /6 with 66 is clwb, /7 with 66 clflushopt, /7 clflush, F8 sfence. */
static void look(const uint8_t *code)
{
    const int has_66 = *code == 0x66;

    code += has_66;
    if ((*code & 0xf0) == 0x40) /* REX: the address is in a register of the upper half */
        code++;
    if (code[0] != 0x0f || code[1] != 0xae)
        return;
    if (code[2] == 0xf8)
        executed.sfence++;
    else if (code[2] >> 6 != 3 && (code[2] >> 3 & 7) == 6 && has_66)
        executed.clwb++;
    else if (code[2] >> 6 != 3 && (code[2] >> 3 & 7) == 7)
        *(has_66 ? &executed.clflushopt : &executed.clflush) += 1;
}

static void step(int number, siginfo_t *info, void *context)
{
    ucontext_t *state = context;

    (void)number;
    (void)info;
    look((const uint8_t *)(uintptr_t)state->uc_mcontext.gregs[REG_RIP]);
    if (is_over)
        state->uc_mcontext.gregs[REG_EFL] &= ~TRAP_FLAG;
}

static void watch(void)
{
    struct sigaction action = {.sa_sigaction = step, .sa_flags = SA_SIGINFO};

    memset(&executed, 0, sizeof(executed));
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

static void flush_and_fence(enum persist_flush flush)
{
    struct persist persist;
    struct persist_thread thread = {0};
    int error;

    persist_init(&persist, flush, area, NULL);
    watch();
    persist_flush(&persist, &thread, area + 60, 8); /* two lines */
    error = persist_fence(&persist, &thread);
    watch_no_more();
    assert_int_equal(error, 0);
}

static void each_flush_and_fence_is_executed(void **state)
{
    static const enum persist_flush all[] = {PERSIST_CLWB, PERSIST_CLFLUSHOPT, PERSIST_CLFLUSH, PERSIST_NONE};
    (void)state;

    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        if (!persist_flush_is_supported(all[i]))
            continue;
        flush_and_fence(all[i]);
        assert_int_equal(executed.clwb, all[i] == PERSIST_CLWB ? 2 : 0);
        assert_int_equal(executed.clflushopt, all[i] == PERSIST_CLFLUSHOPT ? 2 : 0);
        assert_int_equal(executed.clflush, all[i] == PERSIST_CLFLUSH ? 2 : 0);
        assert_int_equal(executed.sfence, 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(each_flush_and_fence_is_executed)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

int main(void)
{
    return 0; /* the instructions of other processors are not decoded */
}

#endif
