/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_alias.c - in the double-mapping build a store around the persist layer faults, whatever its kind
 *
 * Each store is made by a process of its own, which says where it faulted. In the other builds the same stores must
 * reach the pool: a store of this list that does nothing would prove nothing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#if defined(__x86_64__)
#include <emmintrin.h>
#endif

#include "engine_fixture.h"

#define TARGET_SIZE 4096u

struct block {
    uint64_t words[24];
};

static struct fixture f;
static uint8_t source[TARGET_SIZE];

static int set_up(void **state)
{
    (void)state;
    memset(source, 0x5a, sizeof(source));
    fixture_create(&f, 16 * MIB, 32 * MIB, 1);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    fixture_destroy(&f);
    return 0;
}

/* A page of the pool that nothing uses: its last one. */
static uint8_t *target(void)
{
    return f.pool->file.base + f.pool->file.size - TARGET_SIZE;
}

/* ---- the stores ---- */

__attribute__((noinline)) static void plain_store(uint8_t *to)
{
    *(volatile uint64_t *)(void *)to = 7;
}

static void byte_store(uint8_t *to)
{
    *(volatile uint8_t *)(to + 5) = 7;
}

__attribute__((noinline)) static void struct_copy(uint8_t *to)
{
    *(struct block *)(void *)to = *(const struct block *)(const void *)source;
    __asm__ volatile("" : : : "memory");
}

static void bit_field_store(uint8_t *to)
{
    struct {
        unsigned low : 3, high : 29;
    } volatile *fields = (void *)to;

    fields->high = 5;
}

static void small_memcpy(uint8_t *to)
{
    memcpy(to, source, 8);
    __asm__ volatile("" : : : "memory");
}

static void large_memcpy(uint8_t *to)
{
    volatile size_t size = TARGET_SIZE;

    memcpy(to, source, size);
}

static void large_memmove(uint8_t *to)
{
    volatile size_t size = TARGET_SIZE;

    memmove(to, source, size);
}

static void large_memset(uint8_t *to)
{
    volatile size_t size = TARGET_SIZE;

    memset(to, 0xff, size);
}

static void formatted_print(uint8_t *to)
{
    (void)snprintf((char *)to, 16, "%d", 12345);
}

static void atomic_store(uint8_t *to)
{
    __atomic_store_n((uint64_t *)(void *)to, 7, __ATOMIC_SEQ_CST);
}

static void atomic_release_store_of_a_half_word(uint8_t *to)
{
    __atomic_store_n((uint16_t *)(void *)to, 7, __ATOMIC_RELEASE);
}

static void atomic_exchange(uint8_t *to)
{
    (void)__atomic_exchange_n((uint64_t *)(void *)to, 7, __ATOMIC_ACQ_REL);
}

static void atomic_fetch_add(uint8_t *to)
{
    (void)__atomic_fetch_add((uint64_t *)(void *)to, 7, __ATOMIC_RELAXED);
}

static void atomic_fetch_or(uint8_t *to)
{
    (void)__atomic_fetch_or((uint64_t *)(void *)to, 7, __ATOMIC_RELAXED);
}

static void compare_and_exchange(uint8_t *to)
{
    uint64_t expected = 0;

    (void)__atomic_compare_exchange_n((uint64_t *)(void *)to, &expected, 7, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}

#if defined(__x86_64__)
/* Even one that changes nothing: the instruction asks for the line to be written in any case. */
static void compare_and_exchange_that_fails(uint8_t *to)
{
    uint64_t expected = 99;

    (void)__atomic_compare_exchange_n((uint64_t *)(void *)to, &expected, 7, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
    to = alias_of(to);
    *to = 1; /* not reached where it faults; elsewhere the parent looks for a change */
}

static void vector_store(uint8_t *to)
{
    _mm_store_si128((__m128i *)(void *)to, _mm_set1_epi8(7));
    __asm__ volatile("" : : : "memory");
}

static void unaligned_vector_store(uint8_t *to)
{
    _mm_storeu_si128((__m128i *)(void *)(to + 3), _mm_set1_epi8(7));
    __asm__ volatile("" : : : "memory");
}

static void non_temporal_vector_store(uint8_t *to)
{
    _mm_stream_si128((__m128i *)(void *)to, _mm_set1_epi8(7));
    _mm_sfence();
}

static void non_temporal_word_store(uint8_t *to)
{
    _mm_stream_si64((long long *)(void *)to, 7);
    _mm_sfence();
}

static void string_move(uint8_t *to)
{
    const uint8_t *from = source;
    size_t count = TARGET_SIZE;

    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(count) : : "memory");
}

static void string_store(uint8_t *to)
{
    size_t count = TARGET_SIZE / 8;

    __asm__ volatile("rep stosq" : "+D"(to), "+c"(count) : "a"(7ull) : "memory");
}

static void assembly_store(uint8_t *to)
{
    __asm__ volatile("movq $7, (%0)" : : "r"(to) : "memory");
}

static void locked_increment(uint8_t *to)
{
    __asm__ volatile("lock incq (%0)" : : "r"(to) : "memory");
}
#endif

struct store {
    const char *name;
    void (*make)(uint8_t *to);
};

#define STORE(function)                                                                                                \
    {                                                                                                                  \
#function, function                                                                                            \
    }
static const struct store stores[] = {
    STORE(plain_store),
    STORE(byte_store),
    STORE(struct_copy),
    STORE(bit_field_store),
    STORE(small_memcpy),
    STORE(large_memcpy),
    STORE(large_memmove),
    STORE(large_memset),
    STORE(formatted_print),
    STORE(atomic_store),
    STORE(atomic_release_store_of_a_half_word),
    STORE(atomic_exchange),
    STORE(atomic_fetch_add),
    STORE(atomic_fetch_or),
    STORE(compare_and_exchange),
#if defined(__x86_64__)
    STORE(compare_and_exchange_that_fails),
    STORE(vector_store),
    STORE(unaligned_vector_store),
    STORE(non_temporal_vector_store),
    STORE(non_temporal_word_store),
    STORE(string_move),
    STORE(string_store),
    STORE(assembly_store),
    STORE(locked_increment),
#endif
};
#define STORE_COUNT (sizeof(stores) / sizeof(stores[0]))

/* ---- the processes that make them ---- */

/* Makes one store in a child process, which takes no core and whose words come back. Returns its wait status. */
static int in_child(const struct store *store, char *words, size_t size)
{
    int ends[2], status = 0;
    ssize_t got;

    words[0] = '\0';
    assert_int_equal(pipe(ends), 0);
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        const struct rlimit no_core = {0, 0};

        (void)setrlimit(RLIMIT_CORE, &no_core);
        (void)dup2(ends[1], STDERR_FILENO);
        alias_report_faults(); /* cmocka has put a handler of its own in its place */
        store->make(target());
        _exit(0);
    }
    close(ends[1]);
    for (size_t at = 0; (got = read(ends[0], words + at, size - 1 - at)) > 0;) {
        at += (size_t)got;
        words[at] = '\0';
    }
    close(ends[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static void a_store_of_any_kind_to_the_view_ends_the_process(void **state)
{
    (void)state;
    for (size_t i = 0; i < STORE_COUNT; i++) {
        uint8_t before[TARGET_SIZE];
        char words[4096];

        memcpy(before, target(), TARGET_SIZE);
        int status = in_child(&stores[i], words, sizeof(words));
        if (ALIAS_BUILD) {
            if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGSEGV)
                fail_msg("%s went through: status 0x%x", stores[i].name, (unsigned)status);
            if (strstr(words, "around the persist layer") == NULL)
                fail_msg("%s: said %s", stores[i].name, words);
            assert_memory_equal(before, target(), TARGET_SIZE);
        } else {
            assert_int_equal(status, 0);
            if (memcmp(before, target(), TARGET_SIZE) == 0)
                fail_msg("%s stores nothing", stores[i].name);
            memset(target(), 0, TARGET_SIZE); /* as it was: the pool is checked at the end */
        }
    }
}

/* The words name the address, and the instruction within the program, as addr2line takes it. */
static void the_words_name_the_instruction(void **state)
{
    const struct store store = STORE(plain_store);
    unsigned long long address = 0, offset = 0;
    char words[4096], program[1024];
    uintptr_t start;
    Dl_info object;

    (void)state;
    if (!ALIAS_BUILD) {
        uint64_t word = 0;

        assert_ptr_equal(alias_of(&word), &word); /* nothing is reported, because nothing faults */
        assert_ptr_equal(alias_of(target()), target());
        return;
    }
    assert_true(WIFSIGNALED(in_child(&store, words, sizeof(words))));
    const char *at = strstr(words, ", at 0x");
    assert_non_null(at);
    assert_int_equal(sscanf(at, ", at %llx by %1023[^+]+%llx", &address, program, &offset), 3);
    assert_int_equal(address, (uintptr_t)target());
    assert_non_null(strstr(program, "test_alias"));
    assert_int_not_equal(dladdr((const void *)(uintptr_t)plain_store, &object), 0);
    start = (uintptr_t)object.dli_fbase;
    assert_true(start + offset >= (uintptr_t)plain_store && start + offset < (uintptr_t)plain_store + 128);
}

/* A system call that stores on a process's behalf is refused as well: it fails, without a signal. */
static void the_kernel_stores_nothing_to_the_view_either(void **state)
{
    int ends[2];

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    assert_int_equal(write(ends[0], "12345678", 8), 8);
    ssize_t got = read(ends[1], target(), 8);
    if (ALIAS_BUILD) {
        assert_int_equal(got, -1);
        assert_int_equal(errno, EFAULT);
    } else {
        assert_int_equal(got, 8);
        memset(target(), 0, 8);
    }
    /* What leaves the pool may: values are sent from where they lie. */
    assert_int_equal(write(ends[0], target(), 8), 8);
    close(ends[0]);
    close(ends[1]);
}

/* ---- what must go on ---- */

static void the_persist_layers_stores_arrive(void **state)
{
    const struct persist *persist = &f.pool->file.persist;
    struct persist_thread thread = {0};
    uint8_t *to = target();

    (void)state;
    persist_store((uint64_t *)(void *)to, 1);
    assert_int_equal(persist_load((const uint64_t *)(const void *)to), 1);
    persist_store_release((uint64_t *)(void *)to, 2);
    assert_int_equal(persist_load_acquire((const uint64_t *)(const void *)to), 2);
    persist_copy(to + 1, source, 100);
    assert_memory_equal(to + 1, source, 100);
    persist_zero(to, 101);
    assert_true(to[0] == 0 && to[100] == 0);
    persist_copy_nt(persist, &thread, to + 3, source, TARGET_SIZE - 5);
    assert_int_equal(persist_fence(persist, &thread), 0);
    assert_memory_equal(to + 3, source, TARGET_SIZE - 5);
    persist_zero_nt(persist, &thread, to + 1, TARGET_SIZE - 1);
    assert_int_equal(persist_fence(persist, &thread), 0);
    for (unsigned i = 0; i < TARGET_SIZE; i++)
        assert_int_equal(to[i], 0);
}

static void what_grows_is_mapped_twice_as_well(void **state)
{
    const uint64_t before = f.pool->file.size;
    struct persist_thread thread = {0};

    (void)state;
    assert_ok(sdb_resize(f.pool, 2 * before));
    uint64_t *word = (uint64_t *)(void *)(target() + 8);
    persist_store(word, 77);
    persist_flush(&f.pool->file.persist, &thread, word, 8);
    assert_int_equal(persist_load(word), 77);
    persist_store(word, 0);
    if (ALIAS_BUILD) {
        char words[4096];

        assert_true(WIFSIGNALED(in_child(&stores[0], words, sizeof(words))));
    }
}

static void a_page_that_was_lost_is_one_memory_in_both(void **state)
{
    (void)state;
    fixture_reopen(&f); /* the test's frame has put SIGBUS handlers of its own over the pool's */
    uint64_t *word = (uint64_t *)(void *)(target() + 16);

    assert_int_equal(truncate(f.path, (off_t)(f.pool->file.size - EXTENT_SIZE)), 0);
    persist_store(word, 5); /* the fault is the alias's where there is one */
    assert_int_equal(f.pool->file.sigbus.failed, 1);
    assert_int_equal(f.pool->file.sigbus.last_offset, (uint64_t)((uint8_t *)word - f.pool->file.base));
    assert_int_equal(persist_load(word), 5);
    persist_store(word, 6);
    assert_int_equal(persist_load(word), 6);
    assert_int_equal(f.pool->file.sigbus.media_errors, 1);
    if (ALIAS_BUILD) {
        char words[4096];

        assert_true(WIFSIGNALED(in_child(&stores[0], words, sizeof(words))));
    }
    sdb_session_close(f.session);
    (void)sdb_close(f.pool); /* whether it says so is no matter of the mapping */
    assert_int_equal(unlink(f.path), 0);
    fixture_create(&f, 16 * MIB, 32 * MIB, 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_store_of_any_kind_to_the_view_ends_the_process),
        TEST(the_words_name_the_instruction),
        TEST(the_kernel_stores_nothing_to_the_view_either),
        TEST(the_persist_layers_stores_arrive),
        TEST(what_grows_is_mapped_twice_as_well),
        TEST(a_page_that_was_lost_is_one_memory_in_both),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
