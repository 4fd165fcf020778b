/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * gather.c - small values by handle, one after the other; and which variant is used
 * Media:   read only
 * Holds:   what is taken read_handle would have taken, with the same outcome
 * Threads: the session's
 * Memory:  none
 */
#include "gather.h"

#include "cpu.h"
#include "entry.h"
#include "read.h"
#include "word.h"

gather_fn *gather = gather_plain;

static inline bool take(struct sdb_session *session, uint64_t handle, struct sdb_inline *value)
{
    uint64_t words[4];

    if (!gather_one(session, handle, words))
        return false;
    read_inline(words, value);
    if (value->result == SDB_ETOOBIG) {
        value->value.big.handle = handle;
        value->value.big.version = words[0];
    }
    return true;
}

size_t gather_plain(struct sdb_session *session, const uint64_t *handles, size_t count, struct sdb_inline *values)
{
    for (size_t i = 0; i < count && i < GATHER_AHEAD; i++)
        gather_prefetch(session->pool, handles[i]);
    for (size_t i = 0; i < count; i++) {
        if (i + GATHER_AHEAD < count)
            gather_prefetch(session->pool, handles[i + GATHER_AHEAD]);
        if (!take(session, handles[i], &values[i]))
            return i;
    }
    return count;
}

void gather_init(void)
{
    /* ThreadSanitizer would take vector loads that are validated afterwards for races. */
#if defined(__x86_64__) && !defined(__SANITIZE_THREAD__)
    if (cpu_simd() == CPU_SIMD_AVX512)
        gather = gather_avx512;
    else if (cpu_simd() == CPU_SIMD_AVX2)
        gather = gather_avx2;
    else
        gather = gather_plain;
#endif
}
