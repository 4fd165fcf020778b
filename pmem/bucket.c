/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bucket.c - the vector compares behind bucket.h
 * Threads: any. Each 8-byte lane of a vector load is read at once on the CPUs concerned; a match is verified by who asked, so that
 *          words that change meanwhile do no harm.
 */
#include "bucket.h"

#include "cpu.h"
#include "word.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

bucket_match_fn *bucket_match = bucket_match_plain;

unsigned bucket_match_plain(const uint64_t *bucket, uint16_t tag)
{
    unsigned mask = 0;

    for (unsigned i = 0; i < BUCKET_WORDS; i++)
        mask |= (unsigned)(index_word_tag(__atomic_load_n(&bucket[i], __ATOMIC_RELAXED)) == tag) << i;
    return mask;
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) unsigned bucket_match_avx2(const uint64_t *bucket, uint16_t tag)
{
    __m256i wanted = _mm256_set1_epi64x((long long)((uint64_t)tag << 40));
    __m256i field = _mm256_set1_epi64x((long long)INDEX_TAG_MASK);
    __m256i low = _mm256_load_si256((const __m256i *)(const void *)bucket);
    __m256i high = _mm256_load_si256((const __m256i *)(const void *)(bucket + 4));

    low = _mm256_cmpeq_epi64(_mm256_and_si256(low, field), wanted);
    high = _mm256_cmpeq_epi64(_mm256_and_si256(high, field), wanted);
    return (unsigned)_mm256_movemask_pd(_mm256_castsi256_pd(low)) |
           (unsigned)_mm256_movemask_pd(_mm256_castsi256_pd(high)) << 4;
}

__attribute__((target("avx512f"))) unsigned bucket_match_avx512(const uint64_t *bucket, uint16_t tag)
{
    __m512i words = _mm512_load_si512((const void *)bucket);
    __m512i differ = _mm512_xor_si512(words, _mm512_set1_epi64((long long)((uint64_t)tag << 40)));

    return _mm512_testn_epi64_mask(differ, _mm512_set1_epi64((long long)INDEX_TAG_MASK));
}
#endif

void bucket_init(void)
{
#if defined(__x86_64__) && !defined(__SANITIZE_THREAD__)
    if (cpu_simd() == CPU_SIMD_AVX512)
        bucket_match = bucket_match_avx512;
    else if (cpu_simd() == CPU_SIMD_AVX2)
        bucket_match = bucket_match_avx2;
    else
        bucket_match = bucket_match_plain;
#endif
}
