/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_server_payload.c - what is written as a payload is read as the same elements; a payload that is cut or changed leads to an
 * error, or to other elements, and never outside of itself
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "crc64.h"
#include "payload.h"

#define PAGE 4096u
#define ELEMENTS 400

static uint64_t seed = 88172645463325252u;

static uint64_t next_random(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

/* Elements, one after the other: what was shown, or is to be written. */
struct shown {
    unsigned count;
    uint64_t sum; /* of all that was shown; of sets in any order */
    uint32_t type;
};

static int show(void *context, const struct sdb_element *element)
{
    struct shown *shown = context;
    uint64_t score, one;

    memcpy(&score, &element->score, sizeof(score));
    one = crc64(crc64(crc64(1, element->name.data, element->name.size), element->value.data, element->value.size), &score, sizeof(score));
    shown->sum = shown->type == SDB_TYPE_LIST ? shown->sum * 31 + one : shown->sum + one;
    shown->count++;
    return 0;
}

/* Texts of all sizes, and numbers of all. */
static size_t make_text(char *text, uint64_t number, int as_number)
{
    if (as_number || number % 3 == 0)
        return (size_t)sprintf(text, "%lld", (long long)(number * 0x9e3779b97f4a7c15ull) >> number * 7 % 64);
    memset(text, (int)('a' + number % 26), number % 200 == 7 ? 9000 : number % 90);
    return number % 200 == 7 ? 9000 : number % 90;
}

static void make(struct payload_writer *writer, struct shown *shown, uint32_t type, int small, unsigned count)
{
    static char name[24 + 9000], value[9000 + 24];

    *shown = (struct shown){.type = type};
    payload_begin(writer, type, small);
    for (unsigned i = 0; i < count; i++) {
        struct sdb_element element = {.name = {name, make_text(name, i, type == SDB_TYPE_SET && small)}, .value = {"", 0}};
        if (type == SDB_TYPE_HASH)
            element.value = (struct sdb_slice){value, make_text(value, i + 1, 0)};
        if (type == SDB_TYPE_ZSET)
            element.score = (double)i / 3 - 20;
        assert_int_equal(payload_add(writer, &element), 0);
        (void)show(shown, &element);
    }
    assert_int_equal(payload_end(writer), 1);
    assert_int_equal(payload_is_whole(writer->out.data, writer->out.size), 1);
    assert_int_equal(payload_type(writer->out.data, writer->out.size), type);
}

static const struct {
    uint32_t type;
    int small;
    unsigned count;
} cases[] = {
    {SDB_TYPE_STRING, 0, 1},  {SDB_TYPE_LIST, 0, 1},  {SDB_TYPE_LIST, 0, ELEMENTS}, {SDB_TYPE_SET, 1, 3},
    {SDB_TYPE_SET, 0, 40},    {SDB_TYPE_HASH, 1, 20}, {SDB_TYPE_HASH, 0, ELEMENTS}, {SDB_TYPE_ZSET, 1, 20},
    {SDB_TYPE_ZSET, 0, ELEMENTS},
};
#define CASES (sizeof(cases) / sizeof(cases[0]))

static void what_is_written_is_read_again(void **state)
{
    (void)state;
    for (size_t i = 0; i < CASES; i++) {
        struct payload_writer writer;
        struct shown written, read = {.type = cases[i].type};
        make(&writer, &written, cases[i].type, cases[i].small, cases[i].count);
        assert_int_equal(payload_read(writer.out.data, writer.out.size, show, &read), SDB_OK);
        assert_int_equal(read.count, cases[i].count);
        assert_true(read.sum == written.sum);
        payload_free(&writer);
    }
}

static void integers_and_sizes_are_written_as_redis_does(void **state)
{
    static const struct {
        const char *text;
        const char *bytes;
        size_t size;
    } strings[] = {
        {"", "\x00\x00\x0a\x00", 4},
        {"5", "\x00\xc0\x05\x0a\x00", 5},
        {"-128", "\x00\xc0\x80\x0a\x00", 5},
        {"128", "\x00\xc1\x80\x00\x0a\x00", 6},
        {"-32769", "\x00\xc2\xff\x7f\xff\xff\x0a\x00", 8},
        {"2147483648", "\x00\x0a"
                       "2147483648\x0a\x00",
         14},
        {"007", "\x00\x03"
                "007\x0a\x00",
         7},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(strings) / sizeof(strings[0]); i++) {
        const struct sdb_element element = {.name = {strings[i].text, strlen(strings[i].text)}};
        struct payload_writer writer;
        payload_begin(&writer, SDB_TYPE_STRING, 0);
        assert_int_equal(payload_add(&writer, &element), 0);
        assert_int_equal(payload_end(&writer), 1);
        assert_int_equal(writer.out.size, strings[i].size + 8);
        assert_memory_equal(writer.out.data, strings[i].bytes, strings[i].size);
        payload_free(&writer);
    }
}

static void one_that_is_too_large_to_be_packed_says_so(void **state)
{
    static char value[100000];
    struct payload_writer writer;
    struct sdb_element element = {.name = {"field", 5}, .value = {value, sizeof(value)}};
    int stopped = 0;

    (void)state;
    payload_begin(&writer, SDB_TYPE_HASH, 1);
    for (int i = 0; i < 20 && !stopped; i++)
        stopped = payload_add(&writer, &element);
    assert_true(stopped);
    assert_true(writer.is_too_large);
    assert_int_equal(payload_end(&writer), 0);
    payload_free(&writer);
}

static void one_changed_bit_is_seen_by_the_checksum(void **state)
{
    struct payload_writer writer;
    struct shown written;

    (void)state;
    make(&writer, &written, SDB_TYPE_HASH, 1, 10);
    for (size_t bit = 0; bit < writer.out.size * 8; bit++) {
        writer.out.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_equal(payload_is_whole(writer.out.data, writer.out.size), 0);
        writer.out.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    for (size_t size = 0; size < writer.out.size; size++)
        assert_int_equal(payload_is_whole(writer.out.data, size), 0);
    payload_free(&writer);
}

/* Reads bytes behind which there is no memory. */
static int read_at_the_edge(uint8_t *end, const uint8_t *data, size_t size)
{
    struct shown read = {.type = SDB_TYPE_LIST};

    return payload_read(memcpy(end - size, data, size), size, show, &read);
}

static void cut_and_changed_payloads_lead_nowhere(void **state)
{
    const size_t most = 128 * PAGE;
    uint8_t *memory = mmap(NULL, most + PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    unsigned refused = 0, taken = 0;

    (void)state;
    assert_true(memory != MAP_FAILED);
    assert_int_equal(mprotect(memory + most, PAGE, PROT_NONE), 0);
    for (size_t i = 0; i < CASES; i++) {
        struct payload_writer writer;
        struct shown written;
        make(&writer, &written, cases[i].type, cases[i].small, cases[i].count);
        const size_t size = writer.out.size - PAYLOAD_FOOTER_SIZE;
        assert_in_range(size, 1, most);
        for (size_t cut = 0; cut < size; cut += 1 + size / 300)
            assert_int_equal(read_at_the_edge(memory + most, writer.out.data, cut), SDB_EFORMAT);
        for (int round = 0; round < 1000; round++) {
            const size_t at = 1 + next_random() % (size - 1);
            const uint8_t flip = (uint8_t)(1u << next_random() % 8);
            int result;
            writer.out.data[at] ^= flip;
            result = read_at_the_edge(memory + most, writer.out.data, size);
            assert_true(result == SDB_OK || result == SDB_EFORMAT);
            result == SDB_OK ? taken++ : refused++;
            writer.out.data[at] ^= flip;
        }
        payload_free(&writer);
    }
    assert_true(taken > 100);
    assert_true(refused > 100);
    assert_int_equal(munmap(memory, most + PAGE), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read_again),
        cmocka_unit_test(integers_and_sizes_are_written_as_redis_does),
        cmocka_unit_test(one_that_is_too_large_to_be_packed_says_so),
        cmocka_unit_test(one_changed_bit_is_seen_by_the_checksum),
        cmocka_unit_test(cut_and_changed_payloads_lead_nowhere),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
