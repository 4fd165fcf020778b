/* SPDX-License-Identifier: BSD-3-Clause */
/* bucket.h - compares the eight words of an index bucket with a tag at once; AVX-512, AVX2 and plain C, chosen at run time */
#ifndef SDB_PMEM_BUCKET_H
#define SDB_PMEM_BUCKET_H

#include <stdint.h>

#include "layout.h"

/* A bit for each word of the bucket (64 bytes, aligned) whose tag is `tag`; empty words have tag 0 and match it. */
typedef unsigned bucket_match_fn(const uint64_t *bucket, uint16_t tag);
extern bucket_match_fn *bucket_match;

/* The variants, for tests; one that the CPU cannot run must not be called. */
unsigned bucket_match_plain(const uint64_t *bucket, uint16_t tag);
#if defined(__x86_64__)
unsigned bucket_match_avx2(const uint64_t *bucket, uint16_t tag);
unsigned bucket_match_avx512(const uint64_t *bucket, uint16_t tag);
#endif

/* Chooses by cpu_simd(). Called at every open; idempotent. */
void bucket_init(void);

#endif
