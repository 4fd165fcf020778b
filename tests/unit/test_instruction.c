/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_instruction.c - the instructions that flush and fence are executed, not only counted, and behind the stores that they are for
 *
 * The processor stops behind each instruction (the trap flag), and the handler looks at the next one's bytes. x86-64 only.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <ucontext.h>

#include "persist.h"

#if defined(__x86_64__)

#define TRAP_FLAG 0x100

static uint8_t area[130 * LINE_SIZE] __attribute__((aligned(LINE_SIZE)));
static volatile sig_atomic_t is_over;
static struct {
    unsigned clwb, clflushopt, clflush, sfence;
} executed;

/* What each line of the area held when it was flushed last. */
static uint8_t flushed[sizeof(area)];

/* The address of a memory operand. Intel SDM volume 2, 2.1.5: the number of a register has a fourth bit in REX. */
static uintptr_t operand(const uint8_t *modrm, unsigned rex, const greg_t *registers)
{
    static const int names[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                                  REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};
    const unsigned mod = *modrm >> 6, base_bit = (rex & 1) << 3, index_bit = (rex & 2) << 2;
    const uint8_t *at = modrm + 1;
    unsigned base = *modrm & 7;
    uintptr_t address = 0;
    int32_t far;

    if (base == 4) { /* an index, too */
        const unsigned index = (*at >> 3 & 7) | index_bit;

        if (index != 4)
            address = (uintptr_t)registers[names[index]] << (*at >> 6);
        base = *at++ & 7;
    }
    address += (uintptr_t)registers[names[base | base_bit]];
    if (mod == 1)
        address += (uintptr_t)(intptr_t)(int8_t)*at;
    memcpy(&far, at, sizeof(far));
    return mod == 2 ? address + (uintptr_t)(intptr_t)far : address;
}

static void note_line(uintptr_t address)
{
    const uintptr_t offset = (address & ~(uintptr_t)(LINE_SIZE - 1)) - (uintptr_t)area;

    if (offset < sizeof(area))
        memcpy(flushed + offset, area + offset, LINE_SIZE);
}

/* Intel SDM volume 2: group 15, 0F AE; /6 with 66 is clwb, /7 with 66 clflushopt, /7 clflush, F8 sfence. */
static void look(const uint8_t *code, const greg_t *registers)
{
    const int has_66 = *code == 0x66;
    unsigned rex = 0;

    code += has_66;
    if ((*code & 0xf0) == 0x40) /* REX: the address is in a register of the upper half */
        rex = *code++;
    if (code[0] != 0x0f || code[1] != 0xae)
        return;
    if (code[2] >> 6 != 3 && ((code[2] >> 3 & 7) == 7 || ((code[2] >> 3 & 7) == 6 && has_66)))
        note_line(operand(code + 2, rex, registers));
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
    look((const uint8_t *)(uintptr_t)state->uc_mcontext.gregs[REG_RIP], state->uc_mcontext.gregs);
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

static void stream(enum persist_flush flush, size_t size, bool zeros)
{
    static uint8_t from[sizeof(area)];
    const size_t end = 16 + size, tail = end / LINE_SIZE * LINE_SIZE;
    struct persist persist;
    struct persist_thread thread = {0};
    int error;

    memset(from, zeros ? 0 : 'x', sizeof(from));
    memset(area, 'y', sizeof(area));
    memset(flushed, 'z', sizeof(flushed));
    persist_init(&persist, flush, area, NULL);
    watch();
    if (zeros)
        persist_zero_nt(&persist, &thread, area + 16, size);
    else
        persist_copy_nt(&persist, &thread, area + 16, from, size);
    error = persist_fence(&persist, &thread);
    watch_no_more();
    assert_int_equal(error, 0);
    assert_memory_equal(area + 16, from, size);
    assert_memory_equal(flushed, area, LINE_SIZE);
    assert_memory_equal(flushed + tail, area + tail, end - tail);
}

/* Of what is streamed the whole lines go around the caches; the ends are stored and flushed. */
static void the_ends_of_what_is_streamed_are_flushed_behind_their_stores(void **state)
{
    static const enum persist_flush all[] = {PERSIST_CLWB, PERSIST_CLFLUSHOPT, PERSIST_CLFLUSH};
    const size_t sizes[] = {40, 8192 - 24, 8192 - LINE_SIZE + 8}; /* nothing is streamed; both ends; a short tail */

    (void)state;
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        for (size_t n = 0; n < sizeof(sizes) / sizeof(sizes[0]) && persist_flush_is_supported(all[i]); n++) {
            stream(all[i], sizes[n], false);
            stream(all[i], sizes[n], true);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(each_flush_and_fence_is_executed),
                                       cmocka_unit_test(the_ends_of_what_is_streamed_are_flushed_behind_their_stores)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

int main(void)
{
    return 0; /* the instructions of other processors are not decoded */
}

#endif
