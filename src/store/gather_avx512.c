/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * gather_avx512.c - eight entries at a time, in the eight lanes of a register: each lane does what gather.c's take does
 *
 * Media:   read only
 * Holds:   1. Every entry is loaded three times: all eight, all eight again, and all eight again. What is taken is what the
 *             second load saw, where neither the first nor the third saw anything else: between a load of the meta word before and
 *             one behind, both the same, no writer was at the entry, in whatever order the words of one load were read. All eight
 *             so are of one moment. The CPU does the loads in the program's order; the compiler is told to.
 *          2. A group of which one handle needs more than this is left as a whole.
 * Threads: the session's
 * Memory:  none
 */
#include "gather.h"

#if defined(__x86_64__)
#include <immintrin.h>

#include "read.h"
#include "word.h"

#define EACH(DO) DO(0) DO(1) DO(2) DO(3) DO(4) DO(5) DO(6) DO(7)
#define LANES 8u
#define COMPILER_BARRIER() __asm__ volatile("" : : : "memory")
#define ALL(value) _mm512_set1_epi64((long long)(value))
#define TARGET __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl")))

/* a | (b ^ c), as the ternary logic instructions number it */
#define OR_XOR 0xf6

struct gathered {
    __m512i handle, offset, words[4];
    uint64_t meta; /* of lane 0 */
};

/* Whether all handles name places of entries, in the pool. */
TARGET static inline bool are_entries(const struct heap *heap, const uint64_t *handles, const struct gathered *l)
{
    uint64_t end = (uint64_t)heap->extent_max << EXTENT_SHIFT;
    unsigned others = 0;

    if (_mm512_cmpge_epu64_mask(l->offset, ALL(end)) != 0)
        return false;
#define LOOK(k)                                                                                                                 \
    others |= (unsigned)__atomic_load_n(&heap->page_types[handles[k] >> (16 + PAGE_SHIFT_POOL - ENTRY_SHIFT)],                 \
                                        __ATOMIC_ACQUIRE) ^ (PAGE_ENTRIES + 1);
    EACH(LOOK)
#undef LOOK
    return others == 0;
}

/* Loads the entries. False: a writer came between. */
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
    changed = _mm256_ternarylogic_epi64(changed, first##k, entry##k, OR_XOR);                                                   \
    changed = _mm256_ternarylogic_epi64(changed, entry##k, _mm256_load_si256(AT(k)), OR_XOR);
    EACH(COMPARE)
#undef AT
#undef FIRST
#undef SECOND
#undef COMPARE
    /* From an entry in each register to a word of each entry in each register. */
    const __m512i e04 = _mm512_inserti64x4(_mm512_castsi256_si512(entry0), entry4, 1);
    const __m512i e15 = _mm512_inserti64x4(_mm512_castsi256_si512(entry1), entry5, 1);
    const __m512i e26 = _mm512_inserti64x4(_mm512_castsi256_si512(entry2), entry6, 1);
    const __m512i e37 = _mm512_inserti64x4(_mm512_castsi256_si512(entry3), entry7, 1);
    const __m512i even0145 = _mm512_unpacklo_epi64(e04, e15), odd0145 = _mm512_unpackhi_epi64(e04, e15);
    const __m512i even2367 = _mm512_unpacklo_epi64(e26, e37), odd2367 = _mm512_unpackhi_epi64(e26, e37);
    const __m512i low = _mm512_setr_epi64(0, 1, 8, 9, 4, 5, 12, 13), high = _mm512_setr_epi64(2, 3, 10, 11, 6, 7, 14, 15);
    l->words[0] = _mm512_permutex2var_epi64(even0145, low, even2367);
    l->words[1] = _mm512_permutex2var_epi64(odd0145, low, odd2367);
    l->words[2] = _mm512_permutex2var_epi64(even0145, high, even2367);
    l->words[3] = _mm512_permutex2var_epi64(odd0145, high, odd2367);
    l->meta = (uint64_t)_mm_cvtsi128_si64(_mm256_castsi256_si128(entry0));
    return _mm256_testz_si256(changed, changed) != 0;
}

/* Whether all are live strings of one database with the handles' generations, and their check bits are right. */
TARGET static inline bool are_valid(const struct gathered *l)
{
    const uint64_t kind = 15ull << META_TYPE_SHIFT | 255ull << META_DATABASE_SHIFT | META_BUSY;
    const uint64_t wanted = SDB_TYPE_STRING | (l->meta & 255ull << META_DATABASE_SHIFT);
    const __m512i meta = l->words[0];
    const __m512i bare = _mm512_and_si512(meta, ALL(((1ull << META_CHECK_SHIFT) - 1) & ~META_BUSY));
    __m512i check = _mm512_mullo_epi64(bare, ALL(WORD_MULTIPLIER_0));

    check = _mm512_add_epi64(check, _mm512_mullo_epi64(l->words[1], ALL(WORD_MULTIPLIER_1)));
    check = _mm512_add_epi64(check, _mm512_mullo_epi64(l->words[2], ALL(WORD_MULTIPLIER_2)));
    check = _mm512_add_epi64(check, _mm512_mullo_epi64(l->words[3], ALL(WORD_MULTIPLIER_3)));
    check = _mm512_add_epi64(check, _mm512_mullo_epi64(l->offset, ALL(WORD_MULTIPLIER_4)));
    const __m512i generation = _mm512_xor_si512(_mm512_srli_epi64(meta, META_GENERATION_SHIFT), l->handle);
    return (_mm512_test_epi64_mask(_mm512_xor_si512(check, meta), ALL(~0ull << META_CHECK_SHIFT)) |
            _mm512_test_epi64_mask(generation, ALL(0xffff)) |
            _mm512_cmpneq_epi64_mask(_mm512_and_si512(meta, ALL(kind)), ALL(wanted))) == 0;
}

/* By an index of 0, 1, or more: the first, second or third word. */
TARGET static inline __m512i pick(__m512i index, __m512i first, __m512i second, __m512i third)
{
    const __m512i later = _mm512_mask_blend_epi64(_mm512_cmpeq_epi64_mask(index, ALL(1)), third, second);

    return _mm512_mask_blend_epi64(_mm512_testn_epi64_mask(index, index), later, first);
}

/* What read_inline makes of the entries: head (result, size, encoding) and two words of data. False: a key has expired, or damage. */
TARGET static inline bool values_of(struct sdb_session *session, const struct gathered *l, __m512i out[3])
{
    const __m512i meta = l->words[0], *words = l->words;
    const __m512i key = _mm512_and_si512(_mm512_srli_epi64(meta, META_KEY_SHIFT), ALL(CODE_MASK));
    const __m512i size = _mm512_and_si512(_mm512_srli_epi64(meta, META_VALUE_SHIFT), ALL(CODE_MASK));
    const __mmask8 key_blob = _mm512_cmpeq_epi64_mask(key, ALL(CODE_BLOB));
    const __mmask8 blob = _mm512_cmpeq_epi64_mask(_mm512_or_si512(size, ALL(2)), ALL(CODE_BLOB)); /* CODE_TREE, too */
    const __mmask8 integer = _mm512_cmpeq_epi64_mask(size, ALL(CODE_INTEGER));
    const __mmask8 expires = _mm512_test_epi64_mask(meta, ALL(META_EXPIRES));
    const __m512i one = ALL(1), seven = ALL(7);
    __m512i key_words = _mm512_mask_mov_epi64(_mm512_srli_epi64(_mm512_add_epi64(key, seven), 3), key_blob, one);
    __m512i value_words =
        _mm512_mask_mov_epi64(_mm512_srli_epi64(_mm512_add_epi64(size, seven), 3), (__mmask8)(blob | integer), one);
    const __m512i index = _mm512_mask_add_epi64(key_words, expires, key_words, one);
    __mmask8 insane = _mm512_cmpgt_epu64_mask(_mm512_add_epi64(index, value_words), ALL(3));

    insane |= _mm512_cmpgt_epu64_mask(key, ALL(INLINE_SIZE_MAX)) & (__mmask8)~key_blob;
    insane |= _mm512_cmpgt_epu64_mask(size, ALL(INLINE_SIZE_MAX)) & (__mmask8) ~(blob | integer);
    if (expires != 0) {
        const __m512i expiry = pick(key_words, words[1], words[2], words[3]);

        insane |= _mm512_mask_cmple_epi64_mask(expires, expiry, ALL(session_now(session)));
    }
    const __m512i head = _mm512_or_si512(_mm512_slli_epi64(size, 32), ALL((uint64_t)SDB_ENCODING_INLINE << 40));
    const __m512i first = pick(index, words[1], words[2], words[3]), second = pick(index, words[2], words[3], words[3]);
    out[0] = _mm512_mask_mov_epi64(head, integer, ALL((uint64_t)SDB_ENCODING_INT << 40 | (uint64_t)WORD_SIZE << 32));
    out[0] = _mm512_mask_mov_epi64(out[0], blob, ALL((uint64_t)SDB_ENCODING_BLOB << 40 | (uint32_t)SDB_ETOOBIG));
    out[1] = _mm512_mask_mov_epi64(_mm512_maskz_mov_epi64(_mm512_test_epi64_mask(size, size), first), blob, l->handle);
    out[2] = _mm512_maskz_mov_epi64(_mm512_cmpeq_epi64_mask(value_words, ALL(2)), second);
    out[2] = _mm512_mask_mov_epi64(out[2], blob, meta);
    return insane == 0;
}

/* Eight structs of three words each. */
TARGET static inline void store(struct sdb_inline *values, const __m512i out[3])
{
    const __m512i pairs0 = _mm512_setr_epi64(0, 8, 0, 1, 9, 0, 2, 10), third0 = _mm512_setr_epi64(0, 0, 0, 0, 0, 1, 0, 0);
    const __m512i pairs1 = _mm512_setr_epi64(0, 3, 11, 0, 4, 12, 0, 5), third1 = _mm512_setr_epi64(2, 0, 0, 3, 0, 0, 4, 0);
    const __m512i pairs2 = _mm512_setr_epi64(13, 0, 6, 14, 0, 7, 15, 0), third2 = _mm512_setr_epi64(0, 5, 0, 0, 6, 0, 0, 7);
    uint64_t *to = (uint64_t *)(void *)values;

    _mm512_storeu_si512(to, _mm512_mask_permutexvar_epi64(_mm512_permutex2var_epi64(out[0], pairs0, out[1]), 0x24, third0, out[2]));
    _mm512_storeu_si512(to + 8,
                        _mm512_mask_permutexvar_epi64(_mm512_permutex2var_epi64(out[0], pairs1, out[1]), 0x49, third1, out[2]));
    _mm512_storeu_si512(to + 16,
                        _mm512_mask_permutexvar_epi64(_mm512_permutex2var_epi64(out[0], pairs2, out[1]), 0x92, third2, out[2]));
}

TARGET static inline bool group(struct sdb_session *session, const uint64_t *handles, struct sdb_inline *values)
{
    const struct sdb_pool *pool = session->pool;
    struct gathered l;
    __m512i out[3];

    l.handle = _mm512_loadu_si512((const void *)handles);
    l.offset = _mm512_slli_epi64(_mm512_srli_epi64(l.handle, 16), ENTRY_SHIFT);
    if (!are_entries(&pool->heap, handles, &l) || !load(pool->file.base, handles, &l) || !are_valid(&l) ||
        __atomic_load_n(&pool->id_dead_round[meta_database(l.meta)], __ATOMIC_ACQUIRE) != 0 || !values_of(session, &l, out))
        return false;
    store(values, out);
    return true;
}

TARGET size_t gather_avx512(struct sdb_session *session, const uint64_t *handles, size_t count, struct sdb_inline *values)
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
