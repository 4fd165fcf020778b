/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_word.c - no damage to a single byte of a checked word, an index word or an entry goes unnoticed
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "word.h"

static uint64_t state_of_random = 0x853c49e6748fea9bull;

static uint64_t next_random(void)
{
    state_of_random ^= state_of_random << 13;
    state_of_random ^= state_of_random >> 7;
    state_of_random ^= state_of_random << 17;
    return state_of_random;
}

/* Every other value of every byte of a checked word; the zero word alone is valid everywhere. */
static unsigned survivors(uint64_t word, uint64_t offset)
{
    unsigned count = 0;
    uint64_t value;

    for (unsigned byte = 0; byte < 8; byte++)
        for (uint64_t d = 1; d < 256; d++) {
            uint64_t damaged = word ^ d << (8 * byte);

            count += damaged != 0 && checked_value(damaged, offset, &value);
        }
    return count;
}

static void damage_to_any_kind_of_checked_word_is_told(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 3000; round++) {
        uint64_t r = next_random(), offset = (next_random() & ((1ull << 46) - 1)) & ~7ull;
        const uint64_t values[] = {
            extent_value((unsigned)r & 3, (unsigned)(r >> 2) & 1023, r >> 12 & 0xfffff),
            page_value((unsigned)r % 6, (unsigned)(r >> 8) % 32, (unsigned)(r >> 16) % 64),
            directory_value((unsigned)r % 33, (unsigned)(r >> 6) & 1, (r & ((1ull << 45) - 1)) & ~63ull),
            root_value((unsigned)r % 33, (r & ((1ull << 47) - 1)) & ~63ull),
            1ull << (r % 48), /* a bitmap with one block */
            r & CHECKED_VALUE_MASK,
            1 + r % 256, /* a database's number */
            CHECKED_VALUE_MASK,
        };

        for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
            uint64_t word = checked_word(values[i], offset), value = 0;

            assert_true(checked_value(word, offset, &value));
            assert_int_equal(value, values[i]);
            assert_int_equal(survivors(word, offset), 0);
        }
    }
}

/*
 * The check is the top 16 bits of a product. A byte that changes by d changes the product by d * 2^(8 * byte) * multiplier, so
 * that the top bits stay only if that difference is less than 2^48 away from 0. None is: for all words, not just for some.
 */
static void no_difference_of_one_byte_keeps_a_products_top_bits(void **state)
{
    static const uint64_t multipliers[] = {WORD_MULTIPLIER_0, WORD_MULTIPLIER_1, WORD_MULTIPLIER_2, WORD_MULTIPLIER_3};

    (void)state;
    for (size_t m = 0; m < 4; m++)
        for (unsigned byte = 0; byte < (m ? 8u : 6u); byte++)
            for (uint64_t d = 1; d < 256; d++) {
                uint64_t difference = (d << (8 * byte)) * multipliers[m];

                assert_true(difference >> 48 != 0 && difference >> 48 != 0xffff);
            }
}

static void a_checked_word_is_not_believed_in_another_place(void **state)
{
    uint64_t value;
    unsigned believed = 0;

    (void)state;
    for (uint64_t offset = 0; offset < 1 << 20; offset += 8) {
        uint64_t word = checked_word(next_random() & CHECKED_VALUE_MASK, offset);

        believed += word && (checked_value(word, offset + 8, &value) || checked_value(word, offset ^ 64, &value) ||
                             checked_value(word, offset + EXTENT_SIZE, &value));
    }
    assert_true(believed <= 24); /* of 131,072, three places each: 6 by chance */
}

static void zero_means_nothing_everywhere(void **state)
{
    uint64_t value = 7;

    (void)state;
    assert_int_equal(checked_word(0, 4096), 0);
    assert_true(checked_value(0, 4096, &value));
    assert_int_equal(value, 0);
    for (uint64_t check = 1; check < 65536; check++) /* "nothing" with check bits is damage */
        assert_false(checked_value(check << CHECKED_VALUE_BITS, 4096, &value));
}

static void encoded_fields_come_out_as_they_went_in(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 100000; i++) {
        uint64_t r = next_random();
        unsigned depth = (unsigned)r & 63, shard = (unsigned)(r >> 6) & 1023, page_class = (unsigned)(r >> 16) & 63;
        uint64_t segment = (r >> 8 & ((1ull << 40) - 1)) << 6, directory = (r >> 8 & ((1ull << 42) - 1)) << 6;
        uint64_t e = extent_value(depth & 3, shard, r >> 20 & 0xfffff),
                 p = page_value(depth & 7, page_class, shard & 127);

        assert_true(extent_value_state(e) == (depth & 3) && extent_value_shard(e) == shard);
        assert_true(extent_value_run(e) == (r >> 20 & 0xfffff) && e <= CHECKED_VALUE_MASK);
        assert_true(page_value_type(p) == (depth & 7) && page_value_class(p) == page_class && p <= CHECKED_VALUE_MASK);
        assert_int_equal(page_value_run(p), shard & 127);
        assert_int_equal(directory_value_segment(directory_value(depth, shard & 3, segment)), segment);
        assert_int_equal(directory_value_depth(directory_value(depth, shard & 3, segment)), depth);
        assert_int_equal(directory_value_code(directory_value(depth, shard & 3, segment)), shard & 3);
        assert_int_equal(root_value_directory(root_value(depth, directory)), directory);
        assert_int_equal(root_value_depth(root_value(depth, directory)), depth);
    }
}

static void damage_to_an_index_word_is_told(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 20000; round++) {
        uint64_t r = next_random(), entry = (r & ((1ull << 40) - 1)) << ENTRY_SHIFT;
        uint64_t word = index_word((uint16_t)(r >> 48), entry);

        assert_true(index_word_valid(word));
        assert_int_equal(index_word_entry(word), entry);
        assert_int_equal(index_word_tag(word), (uint16_t)(r >> 48));
        for (unsigned byte = 0; byte < 8; byte++)
            for (uint64_t d = 1; d < 256; d++)
                assert_true((word ^ d << (8 * byte)) == 0 || !index_word_valid(word ^ d << (8 * byte)));
    }
}

static void damage_to_an_entry_is_told(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 3000; round++) {
        uint64_t words[4], offset = (next_random() & ((1ull << 44) - 1)) & ~31ull;

        for (unsigned i = 0; i < 4; i++)
            words[i] = round % 3 == 0 && i ? 0 : next_random();
        words[0] &= ~META_BUSY;
        entry_seal(words, offset);
        assert_true(entry_valid(words, offset));
        for (unsigned byte = 0; byte < 32; byte++)
            for (uint64_t d = 1; d < 256; d++) {
                uint64_t damage = d << (8 * (byte % 8));

                words[byte / 8] ^= damage;
                /* The busy bit alone is not covered: a reader takes it for a writer at work, and never for the entry. */
                if (entry_valid(words, offset))
                    assert_true(byte == 2 && damage == META_BUSY);
                words[byte / 8] ^= damage;
            }
    }
}

static void an_entry_is_not_believed_in_another_place(void **state)
{
    unsigned believed = 0;

    (void)state;
    for (uint64_t offset = 0; offset < 4 << 20; offset += ENTRY_SIZE) {
        uint64_t words[4] = {next_random() & ~META_BUSY, next_random(), next_random(), next_random()};

        entry_seal(words, offset);
        believed += entry_valid(words, offset + ENTRY_SIZE) || entry_valid(words, offset ^ PAGE_SIZE_POOL);
    }
    assert_true(believed <= 20); /* of 131,072, two places each: 4 by chance */
}

static void an_entry_of_zeros_is_free_and_valid(void **state)
{
    uint64_t words[4] = {0};

    (void)state;
    assert_true(entry_valid(words, 1 << 21));
    assert_int_equal(meta_type(words[0]), 0);
    words[3] = 1;
    assert_false(entry_valid(words, 1 << 21));
}

static void blob_references_keep_offset_and_check(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 100000; i++) {
        uint64_t offset = (next_random() & ((1ull << 48) - 1)) & ~15ull;
        uint32_t checksum = (uint32_t)next_random();

        assert_int_equal(blob_reference_offset(blob_reference(offset, checksum)), offset);
        assert_int_equal(blob_reference_check(blob_reference(offset, checksum)), (uint16_t)checksum);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(damage_to_any_kind_of_checked_word_is_told),
        cmocka_unit_test(no_difference_of_one_byte_keeps_a_products_top_bits),
        cmocka_unit_test(a_checked_word_is_not_believed_in_another_place),
        cmocka_unit_test(zero_means_nothing_everywhere),
        cmocka_unit_test(encoded_fields_come_out_as_they_went_in),
        cmocka_unit_test(damage_to_an_index_word_is_told),
        cmocka_unit_test(damage_to_an_entry_is_told),
        cmocka_unit_test(an_entry_is_not_believed_in_another_place),
        cmocka_unit_test(an_entry_of_zeros_is_free_and_valid),
        cmocka_unit_test(blob_references_keep_offset_and_check),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
