/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * floor.c - bare stores, flushes, fences and reads
 *
 * Each round touches other lines in another random order, prepared before the clock starts. The flush instruction is
 * chosen by CPU at run time: clwb, clflushopt or clflush.
 */
#include "floor.h"

#include "keyspace.h"
#include "timing.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define LINE 64u
#define STEPS 8192u /* operations in a round of a test */
#define HOT_SIZE (32u << 10)
#define HOT_STEPS (8 * STEPS)

static const char *const test_names[FLOOR_TESTS] = {
    [FLOOR_ONE_LINE] = "store_flush_fence",
    [FLOOR_8_LINES] = "flush_8_lines_a_fence",
    [FLOOR_16_LINES] = "flush_16_lines_a_fence",
    [FLOOR_64_LINES] = "flush_64_lines_a_fence",
    [FLOOR_STREAM] = "flush_streaming",
    [FLOOR_NO_FLUSH] = "store_fence",
    [FLOOR_READ_CHAIN] = "read_dependent",
    [FLOOR_READ_RANDOM] = "read_independent",
    [FLOOR_HOT_CHAIN] = "read_dependent_32_KiB",
    [FLOOR_HOT_GATHER] = "read_32_byte_entries_32_KiB",
};

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>

enum flush { FLUSH_CLWB, FLUSH_CLFLUSHOPT, FLUSH_CLFLUSH };

static enum flush detect_flush(void)
{
    unsigned int a;
    unsigned int b = 0;
    unsigned int c;
    unsigned int d;

    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d))
        return FLUSH_CLFLUSH;
    if (b & (1u << 24))
        return FLUSH_CLWB;
    return b & (1u << 23) ? FLUSH_CLFLUSHOPT : FLUSH_CLFLUSH;
}

const char *floor_flush_name(void)
{
    static const char *const names[] = {"clwb", "clflushopt", "clflush"};

    return names[detect_flush()];
}

/*
 * The loops that are timed, one for each instruction: stores a word to each line, flushes it, and fences after every
 * `batch` lines.
 */
#define DEFINE_FLUSH_LOOP(name, feature, flush_line)                                                                   \
    __attribute__((target(feature), noinline)) static void name(char *memory, const uint32_t *lines, uint32_t count,   \
                                                                uint32_t batch)                                        \
    {                                                                                                                  \
        for (uint32_t i = 0; i < count; i += batch) {                                                                  \
            for (uint32_t k = i; k < i + batch; k++) {                                                                 \
                char *line = memory + (size_t)lines[k] * LINE;                                                         \
                                                                                                                       \
                __atomic_store_n((uint64_t *)(void *)line, k, __ATOMIC_RELAXED);                                       \
                flush_line(line);                                                                                      \
            }                                                                                                          \
            _mm_sfence();                                                                                              \
        }                                                                                                              \
    }

DEFINE_FLUSH_LOOP(loop_clwb, "clwb", _mm_clwb)
DEFINE_FLUSH_LOOP(loop_clflushopt, "clflushopt", _mm_clflushopt)
DEFINE_FLUSH_LOOP(loop_clflush, "sse2", _mm_clflush)

static void flush_loop(char *memory, const uint32_t *lines, uint32_t count, uint32_t batch)
{
    static void (*const loops[])(char *, const uint32_t *, uint32_t, uint32_t) = {loop_clwb, loop_clflushopt,
                                                                                   loop_clflush};

    loops[detect_flush()](memory, lines, count, batch);
}

static void store_fence(void)
{
    _mm_sfence();
}
#elif defined(__aarch64__)
const char *floor_flush_name(void)
{
    return "dc cvac";
}

static void flush_loop(char *memory, const uint32_t *lines, uint32_t count, uint32_t batch)
{
    for (uint32_t i = 0; i < count; i += batch) {
        for (uint32_t k = i; k < i + batch; k++) {
            char *line = memory + (size_t)lines[k] * LINE;

            __atomic_store_n((uint64_t *)(void *)line, k, __ATOMIC_RELAXED);
            __asm__ volatile("dc cvac, %0" : : "r"(line) : "memory");
        }
        __asm__ volatile("dsb ishst" : : : "memory");
    }
}

static void store_fence(void)
{
    __asm__ volatile("dsb ishst" : : : "memory");
}
#else
#error "no flush instruction is known for this CPU"
#endif

int floor_open(struct floor *floor, const char *path, size_t size)
{
    int fd;
    void *memory;

    memset(floor, 0, sizeof *floor);
    snprintf(floor->path, sizeof floor->path, "%s", path);
    floor->size = size & ~((size_t)(2u << 20) - 1);
    fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || posix_fallocate(fd, 0, (off_t)floor->size)) {
        fprintf(stderr, "superdb-bench: %s: no room for a file of %zu bytes\n", path, floor->size);
        if (fd >= 0)
            close(fd);
        unlink(path);
        return -1;
    }
    memory = mmap(NULL, floor->size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (memory == MAP_FAILED) {
        fprintf(stderr, "superdb-bench: %s: cannot be mapped: %s\n", path, strerror(errno));
        unlink(path);
        return -1;
    }
    madvise(memory, floor->size, MADV_HUGEPAGE);
    floor->memory = memory;
    /* Every page is there before anything is timed. */
    memset(floor->memory, 0, floor->size);
    return 0;
}

/* Distinct lines: one out of each of `count` equal parts of the memory, in random order, or consecutive ones. */
static void pick_lines(const struct floor *floor, uint32_t *lines, uint32_t count, int consecutive)
{
    static uint64_t state = 1;
    uint64_t total = floor->size / LINE;
    uint64_t part = total / count;
    uint64_t start = random64(&state) % (total - count);

    for (uint32_t i = 0; i < count; i++)
        lines[i] = (uint32_t)(consecutive ? start + i : i * part + random64(&state) % part);
    for (uint32_t i = count - 1; i > 0 && !consecutive; i--) {
        uint32_t other = (uint32_t)(random64(&state) % (i + 1));
        uint32_t line = lines[i];

        lines[i] = lines[other];
        lines[other] = line;
    }
}

static double time_flushes(struct floor *floor, uint32_t *lines, uint32_t batch, int consecutive)
{
    uint64_t start;

    pick_lines(floor, lines, STEPS, consecutive);
    start = now_ns();
    flush_loop(floor->memory, lines, STEPS, batch);
    return (double)(now_ns() - start) / STEPS;
}

static double time_store_fence(struct floor *floor, uint32_t *lines)
{
    uint64_t start;

    pick_lines(floor, lines, STEPS, 0);
    start = now_ns();
    for (uint32_t i = 0; i < STEPS; i++) {
        __atomic_store_n((uint64_t *)(void *)(floor->memory + (size_t)lines[i] * LINE), i, __ATOMIC_RELAXED);
        store_fence();
    }
    return (double)(now_ns() - start) / STEPS;
}

/* Both reads: each line holds the number of the next one, and only the chain uses it. */
static double time_reads(struct floor *floor, uint32_t *lines, int dependent)
{
    volatile uint64_t sink;
    uint64_t sum = 0;
    uint64_t at;
    uint64_t start;

    pick_lines(floor, lines, STEPS, 0);
    for (uint32_t i = 0; i < STEPS; i++)
        *(uint64_t *)(void *)(floor->memory + (size_t)lines[i] * LINE) = lines[(i + 1) % STEPS];
    /* What was just written must not be found in the caches. */
    flush_loop(floor->memory + 8, lines, STEPS, 1);
    for (size_t i = 0; i < floor->size; i += LINE)
        sum += *(uint64_t *)(void *)(floor->memory + i);
    at = lines[0];
    start = now_ns();
    if (dependent) {
        for (uint32_t i = 0; i < STEPS; i++)
            at = *(volatile uint64_t *)(void *)(floor->memory + (size_t)at * LINE);
    } else {
        for (uint32_t i = 0; i < STEPS; i++)
            sum += *(uint64_t *)(void *)(floor->memory + (size_t)lines[i] * LINE);
    }
    start = now_ns() - start;
    sink = sum + at;
    (void)sink;
    return (double)start / STEPS;
}

static double time_hot_chain(struct floor *floor)
{
    volatile uint64_t *memory = (volatile uint64_t *)(void *)floor->memory;
    uint64_t at = 0;
    uint64_t start;

    for (uint32_t i = 0; i < HOT_SIZE / LINE; i++) /* a walk through all lines: the step and their number have no common divisor */
        memory[(size_t)i * LINE / 8] = (i + 197) % (HOT_SIZE / LINE) * LINE / 8;
    start = now_ns();
    for (uint32_t i = 0; i < HOT_STEPS; i++)
        at = memory[at];
    return (double)(now_ns() - start) / HOT_STEPS + (at > HOT_SIZE ? 1 : 0);
}

static double time_hot_gather(struct floor *floor, uint32_t *places)
{
    volatile uint64_t sink;
    uint64_t sums[4] = {0, 0, 0, 0};
    uint64_t state = 1;
    uint64_t start;

    for (uint32_t i = 0; i < STEPS; i++)
        places[i] = (uint32_t)(random64(&state) % (HOT_SIZE / 32) * 32);
    start = now_ns();
    for (uint32_t round = 0; round < HOT_STEPS / STEPS; round++)
        for (uint32_t i = 0; i < STEPS; i++) {
            const uint64_t *entry = (const uint64_t *)(const void *)(floor->memory + places[i]);

            for (unsigned k = 0; k < 4; k++)
                sums[k] += entry[k];
        }
    start = now_ns() - start;
    sink = sums[0] + sums[1] + sums[2] + sums[3];
    (void)sink;
    return (double)start / HOT_STEPS;
}

static void keep(struct floor *floor, enum floor_test test, double ns)
{
    if (floor->rounds[test] < FLOOR_ROUNDS)
        floor->samples[test][floor->rounds[test]++] = ns;
}

double floor_time(struct floor *floor, enum floor_test test)
{
    static const uint32_t batches[] = {[FLOOR_ONE_LINE] = 1, [FLOOR_8_LINES] = 8, [FLOOR_16_LINES] = 16, [FLOOR_64_LINES] = 64,
                                       [FLOOR_STREAM] = 64};
    static uint32_t lines[STEPS];

    switch (test) {
    case FLOOR_NO_FLUSH:
        return time_store_fence(floor, lines);
    case FLOOR_READ_CHAIN:
    case FLOOR_READ_RANDOM:
        return time_reads(floor, lines, test == FLOOR_READ_CHAIN);
    case FLOOR_HOT_CHAIN:
        return time_hot_chain(floor);
    case FLOOR_HOT_GATHER:
        return time_hot_gather(floor, lines);
    default:
        return time_flushes(floor, lines, batches[test], test == FLOOR_STREAM);
    }
}

void floor_measure(struct floor *floor)
{
    for (int repeat = 0; repeat < 3; repeat++)
        for (enum floor_test test = FLOOR_ONE_LINE; test <= FLOOR_NO_FLUSH; test++)
            keep(floor, test, floor_time(floor, test));
    keep(floor, FLOOR_READ_CHAIN, floor_time(floor, FLOOR_READ_CHAIN));
    keep(floor, FLOOR_READ_RANDOM, floor_time(floor, FLOOR_READ_RANDOM));
    keep(floor, FLOOR_HOT_CHAIN, floor_time(floor, FLOOR_HOT_CHAIN));
    keep(floor, FLOOR_HOT_GATHER, floor_time(floor, FLOOR_HOT_GATHER));
}

double floor_ns(struct floor *floor, enum floor_test test)
{
    return median(floor->samples[test], floor->rounds[test]);
}

void floor_describe(struct floor *floor, struct json *json)
{
    json_object(json, "floor_ns");
    json_text(json, "flush", floor_flush_name());
    json_integer(json, "bytes", floor->size);
    for (enum floor_test test = 0; test < FLOOR_TESTS; test++)
        json_number(json, test_names[test], floor_ns(floor, test));
    json_object_end(json);
}

void floor_close(struct floor *floor)
{
    if (floor->memory)
        munmap(floor->memory, floor->size);
    floor->memory = NULL;
    unlink(floor->path);
}
