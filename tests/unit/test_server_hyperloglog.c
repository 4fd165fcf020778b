/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_server_hyperloglog.c - the bytes of HyperLogLogs are Redis', sparse and dense ones say the same, and no damage reaches beyond its error
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "hyperloglog.h"

#define PAGE 4096u
#define SPARSE_MAX 3000

static uint64_t seed = 88172645463325252u;

static uint64_t next_random(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

static void registers_of(const struct hyperloglog *value, uint8_t registers[HYPERLOGLOG_REGISTERS])
{
    memset(registers, 0, HYPERLOGLOG_REGISTERS);
    assert_int_equal(hyperloglog_merge(registers, value->data, value->size), HYPERLOGLOG_SAME);
}

/* What redis-server 7.0 has after PFADD h a, and after PFADD h a b c d. */
static void values_are_those_of_redis(void **state)
{
    static const uint8_t one[] = "HYLL\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x80"
                                 "\x71\xa6\x84\x4e\x57";
    static const uint8_t four[] = "HYLL\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x80"
                                  "\x5c\x7b\x80\x44\x76\x80\x50\xb1\x84\x4b\xfb\x80\x42\x5a";
    struct hyperloglog value;

    (void)state;
    assert_int_equal(hyperloglog_create(&value, SPARSE_MAX), HYPERLOGLOG_SAME);
    assert_int_equal(hyperloglog_add(&value, "a", 1), HYPERLOGLOG_CHANGED);
    assert_int_equal(hyperloglog_add(&value, "a", 1), HYPERLOGLOG_SAME);
    assert_int_equal(value.size, sizeof(one) - 1);
    assert_memory_equal(value.data, one, value.size);
    for (const char *element = "bcd"; *element != '\0'; element++)
        assert_int_equal(hyperloglog_add(&value, element, 1), HYPERLOGLOG_CHANGED);
    assert_int_equal(value.size, sizeof(four) - 1);
    assert_memory_equal(value.data, four, value.size);
    hyperloglog_free(&value);
}

static void sparse_and_dense_values_have_the_same_registers(void **state)
{
    uint8_t a[HYPERLOGLOG_REGISTERS], b[HYPERLOGLOG_REGISTERS];
    struct hyperloglog sparse, dense;
    int became_dense = 0;

    (void)state;
    assert_int_equal(hyperloglog_create(&sparse, SPARSE_MAX), HYPERLOGLOG_SAME);
    assert_int_equal(hyperloglog_create(&dense, SPARSE_MAX), HYPERLOGLOG_SAME);
    assert_int_equal(hyperloglog_densify(&dense), HYPERLOGLOG_CHANGED);
    assert_int_equal(hyperloglog_densify(&dense), HYPERLOGLOG_SAME);
    for (unsigned i = 0; i < 20000; i++) {
        const unsigned index = i % 3 ? (unsigned)next_random() % 300 : (unsigned)next_random() % HYPERLOGLOG_REGISTERS;
        const unsigned number = 1 + (unsigned)next_random() % (i % 100 ? 3 : 32);
        assert_int_equal(hyperloglog_raise(&sparse, index, number), hyperloglog_raise(&dense, index, number));
        if (i % 10 == 0) {
            registers_of(&sparse, a);
            registers_of(&dense, b);
            assert_memory_equal(a, b, sizeof(a));
        }
        became_dense = hyperloglog_encoding(sparse.data) == HYPERLOGLOG_DENSE;
        assert_true(became_dense || sparse.size <= SPARSE_MAX);
    }
    assert_true(became_dense);
    hyperloglog_free(&sparse);
    hyperloglog_free(&dense);
}

static void a_number_that_no_run_holds_makes_it_dense(void **state)
{
    struct hyperloglog value;

    (void)state;
    assert_int_equal(hyperloglog_create(&value, SPARSE_MAX), HYPERLOGLOG_SAME);
    assert_int_equal(hyperloglog_raise(&value, 7, 32), HYPERLOGLOG_CHANGED);
    assert_int_equal(hyperloglog_encoding(value.data), HYPERLOGLOG_SPARSE);
    assert_int_equal(hyperloglog_raise(&value, 8, 33), HYPERLOGLOG_CHANGED);
    assert_int_equal(hyperloglog_encoding(value.data), HYPERLOGLOG_DENSE);
    assert_true(hyperloglog_is(value.data, value.size));
    hyperloglog_free(&value);
}

static void estimates_are_about_right(void **state)
{
    const double error = 1.04 / sqrt(HYPERLOGLOG_REGISTERS);
    struct hyperloglog value;
    uint64_t count;

    (void)state;
    assert_int_equal(hyperloglog_create(&value, SPARSE_MAX), HYPERLOGLOG_SAME);
    assert_int_equal(hyperloglog_count(value.data, value.size, &count), HYPERLOGLOG_SAME);
    assert_int_equal(count, 0);
    for (uint64_t i = 1, next = 1; i <= 1000000; i++) {
        assert_true(hyperloglog_add(&value, &i, sizeof(i)) >= 0);
        if (i < next)
            continue;
        next = next * 3 / 2 + 1;
        assert_int_equal(hyperloglog_count(value.data, value.size, &count), HYPERLOGLOG_SAME);
        assert_true(fabs((double)count - (double)i) <= ceil(4 * error * (double)i));
    }
    hyperloglog_free(&value);
}

static void an_estimate_is_kept_until_it_is_forgotten(void **state)
{
    struct hyperloglog value;
    uint64_t count = 1;

    (void)state;
    assert_int_equal(hyperloglog_create(&value, SPARSE_MAX), HYPERLOGLOG_SAME);
    assert_int_equal(hyperloglog_kept(value.data, &count), 1);
    assert_int_equal(count, 0);
    hyperloglog_keep(value.data + HYPERLOGLOG_KEPT_OFFSET, 0x123456789abcdefull);
    assert_int_equal(hyperloglog_kept(value.data, &count), 1);
    assert_int_equal(count, 0x123456789abcdefull);
    hyperloglog_forget(&value);
    assert_int_equal(hyperloglog_kept(value.data, &count), 0);
    hyperloglog_free(&value);
}

static void other_strings_are_none(void **state)
{
    uint8_t bytes[HYPERLOGLOG_DENSE_SIZE + 1] = "HYLL";

    (void)state;
    assert_true(hyperloglog_is(bytes, HYPERLOGLOG_DENSE_SIZE));
    assert_false(hyperloglog_is(bytes, HYPERLOGLOG_DENSE_SIZE - 1));
    assert_false(hyperloglog_is(bytes, HYPERLOGLOG_DENSE_SIZE + 1));
    bytes[4] = HYPERLOGLOG_SPARSE;
    assert_true(hyperloglog_is(bytes, HYPERLOGLOG_HEADER_SIZE));
    assert_false(hyperloglog_is(bytes, HYPERLOGLOG_HEADER_SIZE - 1));
    bytes[4] = 2;
    assert_false(hyperloglog_is(bytes, HYPERLOGLOG_DENSE_SIZE));
    bytes[4] = HYPERLOGLOG_SPARSE;
    bytes[0] = 'h';
    assert_false(hyperloglog_is(bytes, 100));
}

/* A copy of the bytes that ends where memory ends. */
static uint8_t *at_the_edge(uint8_t *pages, size_t pages_size, const uint8_t *data, size_t size)
{
    return memcpy(pages + pages_size - size, data, size);
}

/* Everything that is done with a value that may be damaged. */
static int use(const uint8_t *data, size_t size)
{
    uint8_t registers[HYPERLOGLOG_REGISTERS] = {0};
    struct hyperloglog copy;
    uint64_t count;
    int result;

    if (!hyperloglog_is(data, size))
        return 0;
    result = hyperloglog_count(data, size, &count);
    assert_int_equal(hyperloglog_merge(registers, data, size), result);
    for (unsigned index = 0; index < HYPERLOGLOG_REGISTERS; index += 1 + (unsigned)next_random() % 2000) {
        assert_int_equal(hyperloglog_copy(&copy, data, size, SPARSE_MAX), HYPERLOGLOG_SAME);
        (void)hyperloglog_raise(&copy, index, 1 + (unsigned)next_random() % 40);
        assert_true(hyperloglog_densify(&copy) == HYPERLOGLOG_CORRUPT || result == HYPERLOGLOG_SAME);
        hyperloglog_free(&copy);
    }
    return result == HYPERLOGLOG_SAME;
}

static void damaged_values_are_corrupt_and_nothing_else(void **state)
{
    const size_t pages_size = 4 * PAGE;
    uint8_t *pages = mmap(NULL, pages_size + PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    struct hyperloglog value;
    uint64_t sound = 0;

    (void)state;
    assert_true(pages != MAP_FAILED);
    assert_int_equal(mprotect(pages + pages_size, PAGE, PROT_NONE), 0);
    assert_int_equal(hyperloglog_create(&value, SPARSE_MAX), HYPERLOGLOG_SAME);
    for (unsigned i = 0; i < 300; i++)
        (void)hyperloglog_raise(&value, (unsigned)next_random() % HYPERLOGLOG_REGISTERS, 1 + (unsigned)next_random() % 8);
    for (size_t size = 0; size < value.size; size++)
        assert_false(use(at_the_edge(pages, pages_size, value.data, size), size));
    assert_true(use(at_the_edge(pages, pages_size, value.data, value.size), value.size));
    for (unsigned round = 0; round < 3000; round++) {
        const size_t at = next_random() % value.size;
        const uint8_t flip = (uint8_t)(1u << next_random() % 8);
        value.data[at] ^= flip;
        sound += (uint64_t)use(at_the_edge(pages, pages_size, value.data, value.size), value.size);
        value.data[at] ^= flip;
    }
    assert_in_range(sound, 1, 2500); /* of registers' numbers any is as good */
    hyperloglog_free(&value);
    assert_int_equal(munmap(pages, pages_size + PAGE), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_those_of_redis),
        cmocka_unit_test(sparse_and_dense_values_have_the_same_registers),
        cmocka_unit_test(a_number_that_no_run_holds_makes_it_dense),
        cmocka_unit_test(estimates_are_about_right),
        cmocka_unit_test(an_estimate_is_kept_until_it_is_forgotten),
        cmocka_unit_test(other_strings_are_none),
        cmocka_unit_test(damaged_values_are_corrupt_and_nothing_else),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
