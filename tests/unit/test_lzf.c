/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_lzf.c - what was packed comes back, packing keeps to its room, and no packed bytes lead outside
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "lzf.h"

#define PAGE 4096u
#define SIZE_MAX_TESTED 40000u

static uint64_t seed = 88172645463325252u;

static uint64_t next_random(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

/* Repetitions near and far, among bytes that do not repeat. */
static void fill(uint8_t *data, size_t size)
{
    size_t at = 0;

    while (at < size) {
        size_t count = 1 + next_random() % 600, back = 1 + next_random() % 9000;
        const int copies = next_random() % 3 != 0 && back <= at;
        count = count < size - at ? count : size - at;
        for (size_t i = 0; i < count; i++, at++)
            data[at] = copies ? data[at - back] : (uint8_t)next_random();
    }
}

/* Memory behind which there is none. */
static uint8_t *edge(size_t size)
{
    const size_t pages = (size + PAGE - 1) / PAGE * PAGE;
    uint8_t *memory = mmap(NULL, pages + PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    assert_true(memory != MAP_FAILED);
    assert_int_equal(mprotect(memory + pages, PAGE, PROT_NONE), 0);
    return memory + pages; /* its end */
}

static void what_was_packed_comes_back(void **state)
{
    static uint8_t data[SIZE_MAX_TESTED], packed[SIZE_MAX_TESTED * 2];
    uint8_t *end = edge(SIZE_MAX_TESTED);

    (void)state;
    for (int round = 0; round < 300; round++) {
        const size_t size = round < 100 ? (size_t)round : 1 + next_random() % SIZE_MAX_TESTED;
        size_t packed_size;
        fill(data, size);
        packed_size = lzf_pack(data, size, packed, sizeof(packed));
        assert_true(packed_size > 0 || size == 0);
        assert_int_equal(lzf_unpack(packed, packed_size, end - size, size), 1);
        assert_memory_equal(end - size, data, size);
        assert_int_equal(lzf_unpack(packed, packed_size, end - size - 1, size + 1), 0);
        if (size > 0)
            assert_int_equal(lzf_unpack(packed, packed_size, end - size + 1, size - 1), 0);
    }
}

static void repetitions_take_a_hundredth(void **state)
{
    static uint8_t data[SIZE_MAX_TESTED], packed[SIZE_MAX_TESTED];

    (void)state;
    memset(data, 'a', sizeof(data));
    assert_in_range(lzf_pack(data, sizeof(data), packed, sizeof(packed)), 1, sizeof(data) / 80);
}

static void packing_keeps_to_its_room(void **state)
{
    uint8_t data[400], *end = edge(1000);

    (void)state;
    for (int round = 0; round < 200; round++) {
        size_t needed;
        fill(data, sizeof(data));
        needed = lzf_pack(data, sizeof(data), end - 1000, 1000);
        assert_in_range(needed, 1, 1000);
        for (size_t room = 0; room < needed; room++)
            assert_int_equal(lzf_pack(data, sizeof(data), end - room, room), 0);
        assert_int_equal(lzf_pack(data, sizeof(data), end - needed - 2, needed + 2), needed);
    }
}

static void damaged_bytes_lead_nowhere(void **state)
{
    static uint8_t data[2000], packed[4000];
    uint8_t *in = edge(sizeof(packed)), *out = edge(sizeof(data));
    unsigned refused = 0;

    (void)state;
    for (int round = 0; round < 3000; round++) {
        size_t size;
        fill(data, sizeof(data));
        size = lzf_pack(data, sizeof(data), packed, sizeof(packed));
        for (unsigned i = 0; i < 1 + next_random() % 4; i++)
            packed[next_random() % size] = (uint8_t)next_random();
        size -= next_random() % 2 ? next_random() % size : 0;
        memcpy(in - size, packed, size);
        refused += !lzf_unpack(in - size, size, out - sizeof(data), sizeof(data));
    }
    assert_in_range(refused, 1500, 2999);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_packed_comes_back),
        cmocka_unit_test(repetitions_take_a_hundredth),
        cmocka_unit_test(packing_keeps_to_its_room),
        cmocka_unit_test(damaged_bytes_lead_nowhere),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
