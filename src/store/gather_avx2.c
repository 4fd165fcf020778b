/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * gather_avx2.c - four entries at a time, as gather_avx512.c does eight
 *
 * Media:   read only
 * Holds:   as gather_avx512.c
 * Threads: the session's
 * Memory:  none
 */
#include "gather.h"

#if defined(__x86_64__)
#include <immintrin.h>

#include "read.h"
#include "word.h"

#define EACH(DO) DO(0) DO(1) DO(2) DO(3)
#define LANES 4u
#define COMPILER_BARRIER() __asm__ volatile("" : : : "memory")
#define ALL(value) _mm256_set1_epi64x((long long)(value))
#define TARGET __attribute__((target("avx2")))

struct gathered {
    __m256i handle, offset, words[4];
    uint64_t meta; /* of lane 0 */
};

/* Whether all handles name places of entries, in the pool. */
TARGET static inline bool are_entries(const struct heap *heap, const uint64_t *handles, const struct gathered *l)
{
    uint64_t end = (uint64_t)heap->extent_max << EXTENT_SHIFT;
    unsigned others = 0;

    /* Signed, but no offset has the highest bit. */
    if (_mm256_movemask_epi8(_mm256_cmpgt_epi64(l->offset, ALL(end - 1))) != 0)
        return false;
#define LOOK(k)                                                                                                                 \
    others |= (unsigned)__atomic_load_n(&heap->page_types[handles[k] >> (16 + PAGE_SHIFT_POOL - ENTRY_SHIFT)],                 \
                                        __ATOMIC_ACQUIRE) ^ (PAGE_ENTRIES + 1);
    EACH(LOOK)
#undef LOOK
    return others == 0;
}

/* Loads the entries, three times: gather_avx512.c, 1. False: a writer came between. */
TARGET static inline bool load(const uint8_t *base, const uint64_t *handles, struct gathered *l)
{
#define AT(k) ((const __m256i *)(const void *)(base + handle_entry(handles[k])))
#define FIRST(k) const __m256i first##k = _mm256_load_si256(AT(k));
    EACH(FIRST)
    COMPILER_BARRIER();
#define SECOND(k) const __m256i entry##k = _mm256_load_si256(AT(k));
    EACH(SECOND)
    COMPILER_BARRIER();
    __m256i changed = _mm256_setzero_si256();
#define COMPARE(k)                                                                                                              \
    changed = _mm256_or_si256(changed, _mm256_xor_si256(first##k, entry##k));                                                   \
    changed = _mm256_or_si256(changed, _mm256_xor_si256(entry##k, _mm256_load_si256(AT(k))));
    EACH(COMPARE)
#undef AT
#undef FIRST
#undef SECOND
#undef COMPARE
    const __m256i even01 = _mm256_unpacklo_epi64(entry0, entry1), odd01 = _mm256_unpackhi_epi64(entry0, entry1);
    const __m256i even23 = _mm256_unpacklo_epi64(entry2, entry3), odd23 = _mm256_unpackhi_epi64(entry2, entry3);
    l->words[0] = _mm256_permute2x128_si256(even01, even23, 0x20);
    l->words[1] = _mm256_permute2x128_si256(odd01, odd23, 0x20);
    l->words[2] = _mm256_permute2x128_si256(even01, even23, 0x31);
    l->words[3] = _mm256_permute2x128_si256(odd01, odd23, 0x31);
    l->meta = (uint64_t)_mm_cvtsi128_si64(_mm256_castsi256_si128(entry0));
    return _mm256_testz_si256(changed, changed) != 0;
}

/* A sum of products modulo 2^64: those of the low halves, and the cross products, whose sum is shifted at the end. */
struct products {
    __m256i low, cross;
};

TARGET static inline void add_product(struct products *sum, __m256i words, uint64_t multiplier)
{
    const __m256i swapped = ALL(multiplier >> 32 | multiplier << 32);

    sum->low = _mm256_add_epi64(sum->low, _mm256_mul_epu32(words, ALL(multiplier)));
    sum->cross = _mm256_add_epi32(sum->cross, _mm256_mullo_epi32(words, swapped));
}

TARGET static inline __m256i products_sum(const struct products *sum)
{
    const __m256i cross = _mm256_add_epi32(sum->cross, _mm256_srli_epi64(sum->cross, 32));

    return _mm256_add_epi64(sum->low, _mm256_slli_epi64(cross, 32));
}

/* Whether all are live strings of one database with the handles' generations, and their check bits are right. */
TARGET static inline bool are_valid(const struct gathered *l)
{
    const uint64_t kind = 15ull << META_TYPE_SHIFT | 255ull << META_DATABASE_SHIFT | META_BUSY;
    const uint64_t wanted = SDB_TYPE_STRING | (l->meta & 255ull << META_DATABASE_SHIFT);
    const __m256i meta = l->words[0];
    struct products check = {_mm256_setzero_si256(), _mm256_setzero_si256()};

    add_product(&check, _mm256_and_si256(meta, ALL(((1ull << META_CHECK_SHIFT) - 1) & ~META_BUSY)), WORD_MULTIPLIER_0);
    add_product(&check, l->words[1], WORD_MULTIPLIER_1);
    add_product(&check, l->words[2], WORD_MULTIPLIER_2);
    add_product(&check, l->words[3], WORD_MULTIPLIER_3);
    add_product(&check, l->offset, WORD_MULTIPLIER_4);
    const __m256i generation = _mm256_xor_si256(_mm256_srli_epi64(meta, META_GENERATION_SHIFT), l->handle);
    const __m256i check_differs = _mm256_and_si256(_mm256_xor_si256(products_sum(&check), meta), ALL(~0ull << META_CHECK_SHIFT));
    const __m256i kind_differs = _mm256_xor_si256(_mm256_and_si256(meta, ALL(kind)), ALL(wanted));
    const __m256i differs =
        _mm256_or_si256(_mm256_or_si256(check_differs, kind_differs), _mm256_and_si256(generation, ALL(0xffff)));
    return _mm256_testz_si256(differs, differs) != 0;
}

/* By an index of 0, 1, or more: the first, second or third word. */
TARGET static inline __m256i pick(__m256i index, __m256i first, __m256i second, __m256i third)
{
    const __m256i later = _mm256_blendv_epi8(third, second, _mm256_cmpeq_epi64(index, ALL(1)));

    return _mm256_blendv_epi8(later, first, _mm256_cmpeq_epi64(index, _mm256_setzero_si256()));
}

/* What read_inline makes of the entries: head (result, size, encoding) and two words of data. False: a key has expired, or damage. */
TARGET static inline bool values_of(struct sdb_session *session, const struct gathered *l, __m256i out[3])
{
    const __m256i meta = l->words[0], *words = l->words;
    const __m256i key = _mm256_and_si256(_mm256_srli_epi64(meta, META_KEY_SHIFT), ALL(CODE_MASK));
    const __m256i size = _mm256_and_si256(_mm256_srli_epi64(meta, META_VALUE_SHIFT), ALL(CODE_MASK));
    const __m256i key_blob = _mm256_cmpeq_epi64(key, ALL(CODE_BLOB));
    const __m256i blob = _mm256_cmpeq_epi64(_mm256_or_si256(size, ALL(2)), ALL(CODE_BLOB)); /* CODE_TREE, too */
    const __m256i integer = _mm256_cmpeq_epi64(size, ALL(CODE_INTEGER));
    const __m256i outside = _mm256_or_si256(blob, integer);
    const __m256i expires = _mm256_cmpeq_epi64(_mm256_and_si256(meta, ALL(META_EXPIRES)), ALL(META_EXPIRES));
    const __m256i one = ALL(1), seven = ALL(7);
    const __m256i key_words = _mm256_blendv_epi8(_mm256_srli_epi64(_mm256_add_epi64(key, seven), 3), one, key_blob);
    const __m256i value_words = _mm256_blendv_epi8(_mm256_srli_epi64(_mm256_add_epi64(size, seven), 3), one, outside);
    const __m256i index = _mm256_sub_epi64(key_words, expires);
    __m256i insane = _mm256_cmpgt_epi64(_mm256_add_epi64(index, value_words), ALL(3));

    insane = _mm256_or_si256(insane, _mm256_andnot_si256(key_blob, _mm256_cmpgt_epi64(key, ALL(INLINE_SIZE_MAX))));
    insane = _mm256_or_si256(insane, _mm256_andnot_si256(outside, _mm256_cmpgt_epi64(size, ALL(INLINE_SIZE_MAX))));
    if (_mm256_movemask_epi8(expires) != 0) {
        const __m256i live = _mm256_cmpgt_epi64(pick(key_words, words[1], words[2], words[3]), ALL(session_now(session)));

        insane = _mm256_or_si256(insane, _mm256_andnot_si256(live, expires));
    }
    const __m256i empty = _mm256_cmpeq_epi64(size, _mm256_setzero_si256()), two = _mm256_cmpeq_epi64(value_words, ALL(2));
    const __m256i head = _mm256_or_si256(_mm256_slli_epi64(size, 32), ALL((uint64_t)SDB_ENCODING_INLINE << 40));
    const __m256i first = pick(index, words[1], words[2], words[3]), second = pick(index, words[2], words[3], words[3]);
    out[0] = _mm256_blendv_epi8(head, ALL((uint64_t)SDB_ENCODING_INT << 40 | (uint64_t)WORD_SIZE << 32), integer);
    out[0] = _mm256_blendv_epi8(out[0], ALL((uint64_t)SDB_ENCODING_BLOB << 40 | (uint32_t)SDB_ETOOBIG), blob);
    out[1] = _mm256_blendv_epi8(_mm256_andnot_si256(empty, first), l->handle, blob);
    out[2] = _mm256_blendv_epi8(_mm256_and_si256(two, second), meta, blob);
    return _mm256_testz_si256(insane, insane) != 0;
}

/* Four structs of three words each. */
TARGET static inline void store(struct sdb_inline *values, const __m256i out[3])
{
    const __m256i even = _mm256_unpacklo_epi64(out[0], out[1]), odd = _mm256_unpackhi_epi64(out[0], out[1]);
    const __m128i third01 = _mm256_castsi256_si128(out[2]), third23 = _mm256_extracti128_si256(out[2], 1);
    char *to = (char *)(void *)values;

    _mm_storeu_si128((__m128i *)(void *)to, _mm256_castsi256_si128(even));
    _mm_storel_epi64((__m128i *)(void *)(to + 16), third01);
    _mm_storeu_si128((__m128i *)(void *)(to + 24), _mm256_castsi256_si128(odd));
    _mm_storel_epi64((__m128i *)(void *)(to + 40), _mm_unpackhi_epi64(third01, third01));
    _mm_storeu_si128((__m128i *)(void *)(to + 48), _mm256_extracti128_si256(even, 1));
    _mm_storel_epi64((__m128i *)(void *)(to + 64), third23);
    _mm_storeu_si128((__m128i *)(void *)(to + 72), _mm256_extracti128_si256(odd, 1));
    _mm_storel_epi64((__m128i *)(void *)(to + 88), _mm_unpackhi_epi64(third23, third23));
}

TARGET static inline bool group(struct sdb_session *session, const uint64_t *handles, struct sdb_inline *values)
{
    const struct sdb_pool *pool = session->pool;
    struct gathered l;
    __m256i out[3];

    l.handle = _mm256_loadu_si256((const __m256i *)(const void *)handles);
    l.offset = _mm256_slli_epi64(_mm256_srli_epi64(l.handle, 16), ENTRY_SHIFT);
    if (!are_entries(&pool->heap, handles, &l) || !load(pool->file.base, handles, &l) || !are_valid(&l) ||
        __atomic_load_n(&pool->id_dead_round[meta_database(l.meta)], __ATOMIC_ACQUIRE) != 0 || !values_of(session, &l, out))
        return false;
    store(values, out);
    return true;
}

TARGET size_t gather_avx2(struct sdb_session *session, const uint64_t *handles, size_t count, struct sdb_inline *values)
{
    const struct sdb_pool *pool = session->pool;
    size_t done = 0;

    for (size_t i = LANES; i < count && i < GATHER_AHEAD; i++)
        gather_prefetch(pool, handles[i]);
    for (; count - done >= LANES; done += LANES) {
        for (size_t i = done + GATHER_AHEAD; i < count && i < done + GATHER_AHEAD + LANES; i++)
            gather_prefetch(pool, handles[i]);
        if (!group(session, handles + done, values + done))
            return done;
    }
    return done + gather_plain(session, handles + done, count - done, values + done);
}
#endif
