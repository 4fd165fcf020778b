/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_bucket.c - the vector compares find what the plain one finds
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "bucket.h"
#include "cpu.h"
#include "word.h"

struct line {
    _Alignas(LINE_SIZE) uint64_t words[BUCKET_WORDS];
};

static uint64_t state_of_random = 0x9e3779b97f4a7c15ull;

static uint64_t next_random(void)
{
    state_of_random ^= state_of_random << 13;
    state_of_random ^= state_of_random >> 7;
    state_of_random ^= state_of_random << 17;
    return state_of_random;
}

/* What bucket.h promises, without a look at bucket.c. */
static unsigned expected(const struct line *line, uint16_t tag)
{
    unsigned mask = 0;

    for (unsigned i = 0; i < BUCKET_WORDS; i++)
        if ((uint16_t)(line->words[i] >> 40) == tag)
            mask |= 1u << i;
    return mask;
}

static void assert_agree(const struct line *line, uint16_t tag)
{
    unsigned mask = expected(line, tag);

    assert_int_equal(bucket_match_plain(line->words, tag), mask);
    assert_int_equal(bucket_match(line->words, tag), mask);
#if defined(__x86_64__)
    if (cpu_simd_choose(NULL) >= CPU_SIMD_AVX2)
        assert_int_equal(bucket_match_avx2(line->words, tag), mask);
    if (cpu_simd_choose(NULL) >= CPU_SIMD_AVX512)
        assert_int_equal(bucket_match_avx512(line->words, tag), mask);
#endif
}

static void all_variants_agree_on_random_lines(void **state)
{
    struct line line;

    (void)state;
    for (unsigned round = 0; round < 200000; round++) {
        for (unsigned i = 0; i < BUCKET_WORDS; i++)
            line.words[i] = next_random();
        assert_agree(&line, (uint16_t)next_random());
        assert_agree(&line, index_word_tag(line.words[round % BUCKET_WORDS]));
    }
}

/* A tag, and words whose tags differ from it in each single bit, in the neighbouring bytes, in nothing. */
static void a_tag_matches_itself_only(void **state)
{
    static const uint16_t tags[] = {0, 1, 0x00ff, 0xff00, 0x7fff, 0x8000, 0xffff, 0xa5a5};

    (void)state;
    for (size_t t = 0; t < sizeof(tags) / sizeof(tags[0]); t++)
        for (unsigned bit = 0; bit < 64; bit++) {
            struct line line;

            for (unsigned i = 0; i < BUCKET_WORDS; i++)
                line.words[i] = ((uint64_t)tags[t] << 40 | 0xff000000000000ffull) ^ (i % 2 ? 1ull << bit : 0);
            assert_int_equal(expected(&line, tags[t]), bit >= 40 && bit < 56 ? 0x55 : 0xff);
            assert_agree(&line, tags[t]);
        }
}

static void every_combination_of_matching_words_is_told(void **state)
{
    (void)state;
    for (unsigned mask = 0; mask < 256; mask++) {
        struct line line;

        for (unsigned i = 0; i < BUCKET_WORDS; i++)
            line.words[i] =
                index_word(mask >> i & 1 ? 0x1234 : (uint16_t)(0x1235 + i), next_random() & 0x1fffffffffe0ull);
        assert_int_equal(expected(&line, 0x1234), mask);
        assert_agree(&line, 0x1234);
    }
}

static void empty_words_match_tag_zero(void **state)
{
    struct line line = {{0}};

    (void)state;
    assert_int_equal(bucket_match_plain(line.words, 0), 0xff);
    assert_agree(&line, 0);
    assert_agree(&line, 1);
    memset(&line, 0xff, sizeof(line));
    assert_agree(&line, 0xffff);
    assert_agree(&line, 0);
}

static int set_up(void **state)
{
    (void)state;
    bucket_init();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_variants_agree_on_random_lines),
        cmocka_unit_test(a_tag_matches_itself_only),
        cmocka_unit_test(every_combination_of_matching_words_is_told),
        cmocka_unit_test(empty_words_match_tag_zero),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
