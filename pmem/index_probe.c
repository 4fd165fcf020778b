/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * index_probe.c - the steps of finding many keys at once
 * Media:   read only
 * Holds:   what is found here index_find would find: every word is verified, and every offset bounded, before it is followed (index.h, 3)
 * Threads: any
 * Memory:  none
 */
#include "index_probe.h"

#include "bucket.h"
#include "index_internal.h"
#include "persist.h"
#include "race.h"
#include "word.h"

static inline const uint64_t *line_at(const struct heap *heap, uint64_t offset)
{
    return (const uint64_t *)(const void *)(heap->file->base + offset);
}

/* Directory: which buckets. */
static inline void place(struct heap *heap, struct index_probe *probe)
{
    struct index_place at;

    if (index_place(heap, NULL, probe->key.shard, probe->key.hash, &at) != INDEX_FOUND) {
        probe->state = INDEX_PROBE_ASIDE;
        return;
    }
    probe->buckets[0] = index_bucket_offset(at.segment, at.bucket[0]);
    probe->buckets[1] = index_bucket_offset(at.segment, at.bucket[1]);
    __builtin_prefetch(line_at(heap, probe->buckets[0]));
}

/* Bucket: which entry. False: none here. */
static inline bool match(struct heap *heap, struct index_probe *probe, uint64_t bucket)
{
    const uint64_t *line = line_at(heap, bucket);

    for (unsigned mask = bucket_match(line, index_tag(probe->key.hash)); mask; mask &= mask - 1) {
        uint64_t word = persist_load(&line[__builtin_ctz(mask)]), entry = index_word_entry(word);

        if (word == 0)
            continue;
        if (!index_word_valid(word) || !heap_is_entry(heap, entry)) {
            probe->state = INDEX_PROBE_ASIDE;
            return true;
        }
        probe->found.entry = entry;
        probe->state = INDEX_PROBE_ENTRY;
        __builtin_prefetch(line_at(heap, entry));
        return true;
    }
    return false;
}

/* Entry: is it the key's, as far as can be told without the key's blob? */
static inline void look(struct heap *heap, struct index_probe *probe)
{
    uint64_t *words = probe->found.words;

    if (entry_read(heap->file, probe->found.entry, words) != ENTRY_OK || meta_type(words[0]) == 0 || !entry_is_sane(words)) {
        probe->state = INDEX_PROBE_ASIDE;
        return;
    }
    if (meta_value_code(words[0]) == CODE_BLOB)
        __builtin_prefetch(line_at(heap, blob_reference_offset(words[entry_value_index(words[0])])));
    if (meta_key_code(words[0]) == CODE_BLOB)
        __builtin_prefetch(line_at(heap, blob_reference_offset(words[1])));
    else
        probe->state = index_compare(heap->file, words, &probe->key) == ENTRY_SAME ? INDEX_PROBE_FOUND : INDEX_PROBE_ASIDE;
}

/* Blob: is it the key? It may have been freed, and its memory reused, since the entry was read. */
static inline void compare_blob(struct heap *heap, struct index_probe *probe)
{
    const uint64_t *words = probe->found.words;

    probe->state = index_compare(heap->file, words, &probe->key) == ENTRY_SAME &&
                           entry_unchanged(heap->file, probe->found.entry, words)
                       ? INDEX_PROBE_FOUND
                       : INDEX_PROBE_ASIDE;
}

void index_find_many(struct heap *heap, struct index_probe *probes, size_t count)
{
    uint8_t second[INDEX_PROBES];
    unsigned seconds = 0;

    race_reads_begin();
    for (size_t i = 0; i < count; i++)
        if (probes[i].state == INDEX_PROBE_OPEN)
            place(heap, &probes[i]);
    for (size_t i = 0; i < count; i++) {
        if (probes[i].state != INDEX_PROBE_OPEN || match(heap, &probes[i], probes[i].buckets[0]))
            continue;
        __builtin_prefetch(line_at(heap, probes[i].buckets[1]));
        second[seconds++] = (uint8_t)i;
    }
    for (unsigned s = 0; s < seconds; s++)
        if (!match(heap, &probes[second[s]], probes[second[s]].buckets[1]))
            probes[second[s]].state = INDEX_PROBE_ASIDE;
    for (size_t i = 0; i < count; i++)
        if (probes[i].state == INDEX_PROBE_ENTRY)
            look(heap, &probes[i]);
    for (size_t i = 0; i < count; i++)
        if (probes[i].state == INDEX_PROBE_ENTRY)
            compare_blob(heap, &probes[i]);
    for (size_t i = 0; i < count; i++)
        probes[i].found.word = 0;
    race_reads_end();
}
