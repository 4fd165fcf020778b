/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * entry.c - handle entries and blobs
 * Media:   struct sdb_m_blob, written once, before its entry refers to it
 * Commit:  a blob is a fresh range of the transaction that publishes the entry
 * Holds:   a reader that finds an entry's check bits right has words of one moment (lane.c: apply_entry; DURABILITY.md, E16)
 * Threads: see entry.h
 * Memory:  none
 */
#include "entry.h"

#include <string.h>

#include "crc32c.h"
#include "hash.h"
#include "persist.h"
#include "race.h"

#define READ_TRIES 1000
#define STREAM_SIZE_MIN 4096u

enum entry_read entry_read(const struct pool_file *file, uint64_t offset, uint64_t words[4])
{
    const uint64_t *entry = (const uint64_t *)(const void *)(file->base + offset);

    for (int i = 0; i < READ_TRIES; i++) {
        uint64_t again;

        words[0] = persist_load_acquire(&entry[0]); /* pairs with the release in apply_entry */
        words[1] = persist_load(&entry[1]);
        words[2] = persist_load(&entry[2]);
        words[3] = persist_load(&entry[3]);
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
        again = persist_load(&entry[0]);
        if (again != words[0] || words[0] & META_BUSY)
            continue;
        return entry_valid(words, offset) ? ENTRY_OK : ENTRY_DAMAGED;
    }
    return ENTRY_BUSY;
}

/* -- shapes: what the codes of key and value and the expiry flag, side by side in meta, say of an entry's words -- */

#define KEY_WORDS(k) ((k) == CODE_BLOB ? 1u : ((k) + 7u) / 8u)
#define VALUE_WORDS(v) ((v) >= CODE_TREE ? 1u : ((v) + 7u) / 8u)
#define IS_SANE(k, v, e)                                                                                               \
    (((k) <= INLINE_SIZE_MAX || (k) == CODE_BLOB) && ((v) <= INLINE_SIZE_MAX || (v) >= CODE_TREE) &&                \
     KEY_WORDS(k) + VALUE_WORDS(v) + (e) <= 3u)
#define SHAPE(k, v, e) (uint8_t)((IS_SANE(k, v, e) ? ENTRY_SHAPE_SANE : 0u) | (1u + KEY_WORDS(k) + (e)))
#define SHAPES_4(k, v, e) SHAPE((k), v, e), SHAPE((k) + 1u, v, e), SHAPE((k) + 2u, v, e), SHAPE((k) + 3u, v, e)
#define SHAPES_16(k, v, e) SHAPES_4((k), v, e), SHAPES_4((k) + 4u, v, e), SHAPES_4((k) + 8u, v, e), SHAPES_4((k) + 12u, v, e)
#define SHAPES_32(v, e) SHAPES_16(0u, v, e), SHAPES_16(16u, v, e)
#define SHAPES_128(v, e) SHAPES_32((v), e), SHAPES_32((v) + 1u, e), SHAPES_32((v) + 2u, e), SHAPES_32((v) + 3u, e)
#define SHAPES_512(v, e) SHAPES_128((v), e), SHAPES_128((v) + 4u, e), SHAPES_128((v) + 8u, e), SHAPES_128((v) + 12u, e)
#define SHAPES_1024(e) SHAPES_512(0u, e), SHAPES_512(16u, e)

const uint8_t entry_shapes[ENTRY_SHAPES] = {SHAPES_1024(0u), SHAPES_1024(1u)};

_Static_assert(META_VALUE_SHIFT == META_KEY_SHIFT + 5 && META_EXPIRES == 1ull << (META_KEY_SHIFT + 10), "side by side");

bool entry_blob(const struct pool_file *file, uint64_t reference, const uint8_t **data, uint32_t *size)
{
    uint64_t offset = blob_reference_offset(reference);
    uint64_t end = __atomic_load_n(&file->size, __ATOMIC_ACQUIRE);
    uint64_t header;

    if (offset < file->superblock.heap_offset || offset + sizeof(struct sdb_m_blob) > end)
        return false;
    header = persist_load((const uint64_t *)(const void *)(file->base + offset));
    *size = (uint32_t)header;
    *data = file->base + offset + sizeof(struct sdb_m_blob);
    return *size <= end - offset - sizeof(struct sdb_m_blob) &&
           (uint16_t)(header >> 32) == blob_reference_check(reference);
}

uint32_t entry_blob_checksum(uint64_t block_offset, const void *data, uint32_t size)
{
    uint64_t start[2] = {block_offset, size};

    return crc32c(crc32c(0, start, sizeof(start)), data, size);
}

bool entry_blob_verify(const struct pool_file *file, uint64_t reference)
{
    const uint8_t *data;
    uint32_t size;
    uint64_t offset = blob_reference_offset(reference);
    const struct sdb_m_blob *blob = (const struct sdb_m_blob *)(const void *)(file->base + offset);

    return entry_blob(file, reference, &data, &size) && entry_blob_checksum(offset, data, size) == blob->checksum;
}

bool entry_key(const struct pool_file *file, const uint64_t words[4], uint8_t scratch[16], const uint8_t **data,
               size_t *size)
{
    unsigned code = meta_key_code(words[0]);
    uint32_t blob_size;

    if (code == CODE_BLOB) {
        if (!entry_blob(file, words[1], data, &blob_size))
            return false;
        *size = blob_size;
        return true;
    }
    memcpy(scratch, &words[1], 16);
    *data = scratch;
    *size = code;
    return true;
}

/* For keys of 8 to 32 bytes, most that stand outside of their entries, by words that overlap: no call, no loop. */
static inline bool same_bytes(const uint8_t *a, const uint8_t *b, size_t size)
{
    uint64_t x[4], y[4];

    if (size < 8 || size > 32)
        return memcmp(a, b, size) == 0;
    memcpy(&x[0], a, 8);
    memcpy(&y[0], b, 8);
    memcpy(&x[1], a + size - 8, 8);
    memcpy(&y[1], b + size - 8, 8);
    if (size <= 16)
        return x[0] == y[0] && x[1] == y[1];
    memcpy(&x[2], a + 8, 8);
    memcpy(&y[2], b + 8, 8);
    memcpy(&x[3], a + size - 16, 8);
    memcpy(&y[3], b + size - 16, 8);
    return x[0] == y[0] && x[1] == y[1] && x[2] == y[2] && x[3] == y[3];
}

enum entry_compare entry_compare_key(const struct pool_file *file, const uint64_t words[4], unsigned database,
                                     const void *key, size_t size)
{
    unsigned code = meta_key_code(words[0]);
    const uint8_t *data;
    uint32_t blob_size;
    enum entry_compare result;

    if (meta_database(words[0]) != database)
        return ENTRY_DIFFERENT;
    if (code != CODE_BLOB)
        return size == code && memcmp(&words[1], key, size) == 0 ? ENTRY_SAME : ENTRY_DIFFERENT;
    if (size == 0)
        return ENTRY_DIFFERENT;
    race_reads_begin(); /* without a lock the blob may be gone, and its memory another's: the caller looks at the entry again */
    if (!entry_blob(file, words[1], &data, &blob_size))
        result = ENTRY_UNREADABLE;
    else if (blob_size == size && same_bytes(data, key, size))
        result = ENTRY_SAME;
    else /* Rare, because the tags agreed: is it another key, or this one, damaged? */
        result = entry_blob_verify(file, words[1]) ? ENTRY_DIFFERENT : ENTRY_UNREADABLE;
    race_reads_end();
    return result;
}

uint64_t entry_hash(const struct pool_file *file, unsigned database, const void *key, size_t size)
{
    return hash_short_key(file->superblock.hash_seed + database * 0x9e3779b97f4a7c15ull, key, size);
}

void entry_codes(const struct entry_content *content, unsigned *key_code, unsigned *value_code)
{
    unsigned room = content->expire_ms ? 2 : 3;
    size_t key_words = (content->key_size + 7) / 8;
    size_t value_words = content->value ? (content->value_size + 7) / 8 : 1;
    bool key_fits = content->key_size <= INLINE_SIZE_MAX;
    /* A packed collection never stands in place: readers of small values need not ask for the type. */
    bool value_fits = !content->value || (content->value_size <= INLINE_SIZE_MAX && content->type <= VALUE_STRING);
    unsigned inline_value = content->value ? (unsigned)content->value_size : content->tree ? CODE_TREE : CODE_INTEGER;

    if (key_fits && value_fits && key_words + value_words <= room) {
        *key_code = (unsigned)content->key_size;
        *value_code = inline_value;
    } else if (value_fits && 1 + value_words <= room) { /* the value is what changes: it goes in first */
        *key_code = CODE_BLOB;
        *value_code = inline_value;
    } else if (key_fits && key_words + 1 <= room) {
        *key_code = (unsigned)content->key_size;
        *value_code = CODE_BLOB;
    } else {
        *key_code = CODE_BLOB;
        *value_code = content->value ? CODE_BLOB : inline_value;
    }
}

/* Past the cache where that is cheaper; with msync the flushes must be the lane's, whose fence writes them. */
static bool streams(const struct heap *heap, size_t size)
{
    return size >= STREAM_SIZE_MIN && heap->file->persist.flush != PERSIST_MSYNC;
}

int entry_write_blob_parts(struct heap *heap, struct tx *tx, uint32_t shard, const struct sdb_slice *parts, unsigned count,
                           uint64_t *reference)
{
    uint8_t *base = heap->file->base;
    uint64_t offset, start[2];
    uint32_t checksum;
    size_t size = 0;
    int error;

    for (unsigned i = 0; i < count; i++)
        size += parts[i].size;
    error = heap_alloc(heap, tx, shard, size + sizeof(struct sdb_m_blob), &offset);
    if (error)
        return error;
    start[0] = offset;
    start[1] = size;
    checksum = crc32c(0, start, sizeof(start));
    for (unsigned i = 0; i < count; i++)
        checksum = crc32c(checksum, parts[i].data, parts[i].size);
    persist_store((uint64_t *)(void *)(base + offset), size | (uint64_t)checksum << 32);
    const bool stream = streams(heap, size);
    uint8_t *to = base + offset + sizeof(struct sdb_m_blob);
    for (unsigned i = 0; i < count; to += parts[i].size, i++) {
        if (!parts[i].size)
            continue;
        if (stream)
            persist_copy_nt(&heap->file->persist, &tx->thread, to, parts[i].data, parts[i].size);
        else
            persist_copy(to, parts[i].data, parts[i].size);
    }
    tx_add_range(tx, offset, size + sizeof(struct sdb_m_blob), false);
    if (stream && !tx->failed)
        tx->ranges.items[tx->ranges.count - 1].flushed = 1;
    *reference = blob_reference(offset, checksum);
    return tx->failed ? SDB_ENOMEM : SDB_OK;
}

int entry_write_blob(struct heap *heap, struct tx *tx, uint32_t shard, const void *data, size_t size, uint64_t *reference)
{
    const struct sdb_slice part = {data, size};

    return entry_write_blob_parts(heap, tx, shard, &part, 1, reference);
}

int entry_build(struct heap *heap, struct tx *tx, uint32_t shard, const struct entry_content *content, uint64_t old_meta,
                uint64_t words[4])
{
    unsigned key_code, value_code, next = 1;
    int error = SDB_OK;

    entry_codes(content, &key_code, &value_code);
    memset(words, 0, 4 * WORD_SIZE);
    words[0] = (uint64_t)content->type | (uint64_t)content->database << META_DATABASE_SHIFT |
               (uint64_t)key_code << META_KEY_SHIFT | (uint64_t)value_code << META_VALUE_SHIFT |
               (content->expire_ms ? META_EXPIRES : 0) |
               (old_meta & (0xffffull << META_GENERATION_SHIFT | 0xffull << META_VERSION_SHIFT));
    if (key_code == CODE_BLOB && content->key_reference)
        words[next] = content->key_reference;
    else if (key_code == CODE_BLOB)
        error = entry_write_blob(heap, tx, shard, content->key, content->key_size, &words[next]);
    else
        memcpy(&words[next], content->key, content->key_size);
    next += entry_key_words(words[0]);
    if (content->expire_ms)
        words[next++] = (uint64_t)content->expire_ms;
    if (error)
        return error;
    if (value_code == CODE_INTEGER)
        words[next] = (uint64_t)content->integer;
    else if (value_code == CODE_TREE)
        words[next] = content->tree;
    else if (value_code == CODE_BLOB && content->value_reference)
        words[next] = content->value_reference;
    else if (value_code == CODE_BLOB)
        error = entry_write_blob(heap, tx, shard, content->value, content->value_size, &words[next]);
    else
        memcpy(&words[next], content->value, content->value_size);
    return error;
}
