/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * entry.h - handle entries and blobs: reading them, and building new ones
 *
 * Media:   struct sdb_m_entry (read; written through tx_store_entry), struct sdb_m_blob (written as fresh ranges)
 * Threads: reading by anyone; building under the shard's lock
 */
#ifndef SDB_PMEM_ENTRY_H
#define SDB_PMEM_ENTRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "heap.h"
#include "persist.h"
#include "word.h"

enum entry_read {
    ENTRY_OK,
    ENTRY_BUSY,    /* a writer is at it: read again */
    ENTRY_DAMAGED, /* the check bits are wrong, and no writer is to blame */
};

/*
 * Copies an entry that a writer may be changing. ENTRY_OK: the words belong together. ENTRY_BUSY is returned after a bounded number
 * of tries; under the shard's lock no writer is there, and it means damage.
 */
enum entry_read entry_read(const struct pool_file *file, uint64_t offset, uint64_t words[4]);

/* Whether the entry still has the meta word that was read: what its words lead to was not freed meanwhile. */
static inline bool entry_unchanged(const struct pool_file *file, uint64_t offset, const uint64_t words[4])
{
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    return persist_load_acquire((const uint64_t *)(const void *)(file->base + offset)) == words[0];
}

/* Which payload word holds what. */
static inline unsigned entry_key_words(uint64_t meta)
{
    unsigned code = meta_key_code(meta);

    return code == CODE_BLOB ? 1 : (code + 7) / 8;
}
static inline unsigned entry_value_words(uint64_t meta)
{
    unsigned code = meta_value_code(meta);

    return code >= CODE_TREE ? 1 : (code + 7) / 8;
}
static inline unsigned entry_expiry_index(uint64_t meta) { return 1 + entry_key_words(meta); }
/* By the codes of key and value and the expiry flag: the index of the value's first word, and whether these make sense together. */
#define ENTRY_SHAPES 2048u
#define ENTRY_SHAPE_SANE 0x80u
extern const uint8_t entry_shapes[ENTRY_SHAPES];
static inline unsigned entry_shape(uint64_t meta) { return entry_shapes[meta >> META_KEY_SHIFT & (ENTRY_SHAPES - 1)]; }
static inline unsigned entry_value_index(uint64_t meta) { return entry_shape(meta) & ~ENTRY_SHAPE_SANE; }
static inline int64_t entry_expiry(const uint64_t words[4])
{
    return words[0] & META_EXPIRES ? (int64_t)words[entry_expiry_index(words[0])] : 0;
}

/* Whether type and value go together: a string has no tree; every other type stands in one, or packed in a blob. */
static inline bool entry_type_is_sane(uint64_t meta)
{
    const unsigned type = meta_type(meta), code = meta_value_code(meta);

    return type == VALUE_STRING ? code != CODE_TREE : type <= VALUE_STREAM && (code == CODE_TREE || code == CODE_BLOB);
}
/* Where the tree of an entry with CODE_TREE has its header. */
static inline uint64_t entry_tree(const uint64_t words[4]) { return words[entry_value_index(words[0])]; }

/* Whether the codes make sense together: everything fits in the three words. */
static inline bool entry_is_sane(const uint64_t words[4]) { return entry_shape(words[0]) & ENTRY_SHAPE_SANE; }

/*
 * A blob's data and size. False: the reference leads outside the pool's heap or to a header that does not belong to it. The bytes
 * are verified by entry_blob_verify only.
 */
bool entry_blob(const struct pool_file *file, uint64_t reference, const uint8_t **data, uint32_t *size);
bool entry_blob_verify(const struct pool_file *file, uint64_t reference);
uint32_t entry_blob_checksum(uint64_t block_offset, const void *data, uint32_t size);

enum entry_compare { ENTRY_DIFFERENT, ENTRY_SAME, ENTRY_UNREADABLE };

/* Whether a live entry's key is this one. UNREADABLE: its key's blob cannot be read (damaged, or freed meanwhile). */
enum entry_compare entry_compare_key(const struct pool_file *file, const uint64_t words[4], unsigned database,
                                     const void *key, size_t size);

/* The key's bytes; scratch of 16 bytes holds inline ones. False: the blob cannot be read. */
bool entry_key(const struct pool_file *file, const uint64_t words[4], uint8_t scratch[16], const uint8_t **data,
               size_t *size);

/* Hashes a key as the index wants it. */
uint64_t entry_hash(const struct pool_file *file, unsigned database, const void *key, size_t size);

/* What an entry is to hold. */
struct entry_content {
    const void *key;
    size_t key_size;
    const void *value; /* NULL: tree counts, or the integer */
    size_t value_size;
    uint64_t tree; /* offset of a collection's header; 0: none */
    int64_t integer;
    int64_t expire_ms; /* 0: never */
    unsigned database;
    unsigned type;
    /* Parts of the old entry that stay where they are; 0: to be written. */
    uint64_t key_reference;
    uint64_t value_reference;
};

/* Where key and value go for these sizes: CODE_BLOB or an inline size (CODE_INTEGER for integers). */
void entry_codes(const struct entry_content *content, unsigned *key_code, unsigned *value_code);

/*
 * Builds the words of an entry, except generation and version, which are taken from old_meta, and the check bits; writes blobs where
 * they are needed, as fresh ranges of the transaction. Errors: those of heap_alloc.
 */
int entry_build(struct heap *heap, struct tx *tx, uint32_t shard, const struct entry_content *content, uint64_t old_meta,
                uint64_t words[4]);

/* Writes a blob, or one of several parts that follow each other. Errors: those of heap_alloc. */
int entry_write_blob_parts(struct heap *heap, struct tx *tx, uint32_t shard, const struct sdb_slice *parts, unsigned count,
                           uint64_t *reference);
int entry_write_blob(struct heap *heap, struct tx *tx, uint32_t shard, const void *data, size_t size, uint64_t *reference);

#endif
