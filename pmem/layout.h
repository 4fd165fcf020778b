/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * layout.h - every struct and every encoded word on the medium. docs/FORMAT.md describes the same bytes.
 *
 * Media: little-endian, fixed width, offsets from the start of the file instead of pointers. A word is 8 bytes, aligned, and
 * changes atomically (DURABILITY.md). Words that stand alone carry their own check bits, so that damage to one is told
 * without a checksum over its neighbours, which could not change in the same store.
 *
 * File:
 *     superblock A | superblock B | root | counters | shard headers | extent map | lanes | (2 MiB aligned) heap of extents
 *
 * An extent is 2 MiB and belongs to one shard: 64 pages of 32 KiB, of which page 0 is the extent's header (page words and
 * block bitmaps). A page holds handle entries, or blocks of one size class, or is part of a run of pages for one large
 * block. A block too large for an extent's pages takes whole extents without a header of their own.
 */
#ifndef SDB_PMEM_LAYOUT_H
#define SDB_PMEM_LAYOUT_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#define LINE_SIZE 64u
#define WORD_SIZE 8u

#define SB_MAGIC 0x0042445245505553ull /* "SUPERDB\0" */
#define SB_FORMAT_VERSION 1u
#define SB_COPY_OFFSET_A 0u
#define SB_COPY_OFFSET_B 4096u
#define SB_INCOMPAT_COLLECTIONS 4ull /* entries may have other types than strings. 1 was, with other words in their headers */
#define SB_INCOMPAT_STREAMS 2ull     /* and these may be streams, with trees of RECORDS */
#define SB_INCOMPAT_ROOT 8ull        /* the root's words and those of the lanes' headers are never zero */
#define SB_INCOMPAT_KNOWN (SB_INCOMPAT_COLLECTIONS | SB_INCOMPAT_STREAMS | SB_INCOMPAT_ROOT) /* feature bits that this version can read */
#define SB_RO_COMPAT_KNOWN 0ull /* feature bits that it can write */

#define EXTENT_SIZE (2u << 20)
#define EXTENT_SHIFT 21
#define PAGE_SIZE_POOL (32u << 10)
#define PAGE_SHIFT_POOL 15
#define PAGES_PER_EXTENT 64u
#define ENTRY_SIZE 32u
#define ENTRY_SHIFT 5
#define ENTRIES_PER_PAGE (PAGE_SIZE_POOL / ENTRY_SIZE)
#define BLOCK_SIZE_MIN 32u
#define TREE_NODE_SIZE 2048u
#define SHARDS_MAX 1024u
#define LANES_MAX 64u
#define POOL_SIZE_MIN (16ull << 20)
#define DATABASE_IDS 256u /* physical database numbers; the 16 logical ones are mapped onto them */
#define DATABASE_ID_SYSTEM 255u /* the system database's, for ever */

enum sb_state {
    SB_STATE_CLEAN = 1,
    SB_STATE_OPEN = 2,
    SB_STATE_REPAIR = 3,       /* a repair is under way, and nobody else opens the pool */
    SB_STATE_REPAIR_CLOSED = 4, /* the same, of a pool that was closed: no record counts, and the counts of the close do */
};

/* Two copies, 4096 bytes apart; the valid one with the higher sequence counts. Written alternately. */
struct sdb_m_superblock {
    uint64_t magic;              /* 000-007 */
    uint32_t format_version;     /* 008-011 */
    uint32_t state;              /* 012-015 enum sb_state */
    uint64_t compat;             /* 016-023 features that may be ignored */
    uint64_t incompat;           /* 024-031 features that must be known to read */
    uint64_t ro_compat;          /* 032-039 features that must be known to write */
    uint8_t uuid[16];            /* 040-055 */
    uint64_t created_ms;         /* 056-063 */
    uint64_t sequence;           /* 064-071 rises with every write of either copy */
    uint64_t incarnation;        /* 072-079 rises with every open for writing; seeds the checksum of redo records */
    uint64_t size;               /* 080-087 bytes of the file in use, a multiple of EXTENT_SIZE */
    uint64_t size_max;           /* 088-095 */
    uint32_t shards;             /* 096-099 a power of two */
    uint32_t lanes;              /* 100-103 */
    uint64_t lane_size;          /* 104-111 bytes, header line included */
    uint64_t root_offset;        /* 112-119 struct sdb_m_root */
    uint64_t counters_offset;    /* 120-127 struct sdb_m_counters */
    uint64_t shards_offset;      /* 128-135 struct sdb_m_shard[shards] */
    uint64_t extent_map_offset;  /* 136-143 one word for each extent up to size_max */
    uint64_t lanes_offset;       /* 144-151 */
    uint64_t heap_offset;        /* 152-159 first extent, a multiple of EXTENT_SIZE */
    uint64_t hash_seed;          /* 160-167 of key hashes */
    uint8_t reserved[336];       /* 168-503 zero */
    uint64_t checksum;           /* 504-511 XXH3-64 of bytes 0 to 503 */
};
static_assert(sizeof(struct sdb_m_superblock) == 512, "superblock");
static_assert(offsetof(struct sdb_m_superblock, sequence) == 64, "superblock");
static_assert(offsetof(struct sdb_m_superblock, shards) == 96, "superblock");
static_assert(offsetof(struct sdb_m_superblock, hash_seed) == 160, "superblock");
static_assert(offsetof(struct sdb_m_superblock, checksum) == 504, "superblock");

/*
 * Checked word: [value 48 | check 16]. Used wherever a word stands alone: root, shard headers, extent map, page words,
 * bitmaps, directories. The check covers the value and the word's own offset, so a word in the wrong place is told too.
 * The all-zero word is valid everywhere and means "nothing" (a pool is zero when it is made).
 */
#define CHECKED_VALUE_BITS 48
#define CHECKED_VALUE_MASK ((1ull << 48) - 1)

/* Root: what belongs to the whole pool. Words that are never zero, but in a pool that was not opened yet (SB_INCOMPAT_ROOT). */
struct sdb_m_root {
    uint64_t database[16];   /* 000-127 logical database -> physical number + 1; 0: equals its own index */
    uint64_t ids_dead[8];    /* 128-191 bitmap of physical numbers whose keys are being reclaimed, 32 bits in each word */
    uint64_t reserved[40];   /* 192-511 zero */
};
static_assert(sizeof(struct sdb_m_root) == 512, "root");

/* Key counts at the last clean close; counts only where incarnation equals the superblock's and its state is clean. */
struct sdb_m_counters {
    uint64_t incarnation;              /* 00-07 */
    uint64_t checksum;                 /* 08-15 XXH3-64 of everything behind it, seeded with the incarnation */
    uint64_t reserved[6];              /* 16-63 zero */
    uint64_t keys[DATABASE_IDS];       /* by physical number */
    uint64_t expiring[DATABASE_IDS];
};
static_assert(sizeof(struct sdb_m_counters) == 64 + 4096, "counters");

/* A shard: one cache line, so that two shards' headers never share one. */
struct sdb_m_shard {
    uint64_t directory; /* 00-07 checked word: [global depth 6 | block offset / 64 : 42]; 0: the shard is empty */
    uint64_t reclaim;   /* 08-15 checked word: the first tree that is to be reclaimed, offset / 64; 0: there is none */
    uint64_t reserved[6];
};
static_assert(sizeof(struct sdb_m_shard) == 64, "shard");

/* Extent map, one checked word an extent: [state 2 | shard 10 | run length in extents 20 | reserved 16]. */
enum extent_state {
    EXTENT_FREE = 0,
    EXTENT_PAGES = 1, /* header page and 63 pages */
    EXTENT_RUN = 2,   /* first of a run of whole extents that holds one block */
    EXTENT_TAIL = 3,  /* the others of that run */
};

/* Page word, a checked word in the extent's header: [type 3 | class 6 | run length in pages 7 | reserved 32]. */
enum page_type {
    PAGE_FREE = 0,
    PAGE_ENTRIES = 1,
    PAGE_BLOCKS = 2, /* blocks of one size class, with a bitmap */
    PAGE_RUN = 3,    /* first of a run of pages that holds one block */
    PAGE_TAIL = 4,
    PAGE_HEADER = 5, /* page 0 */
};

/* Block bitmaps: checked words of 48 bits; 22 of them cover the 1,024 blocks of the smallest class (24 words, 3 lines). */
#define BITMAP_BITS 48u
#define BITMAP_WORDS 24u

#define EXTENT_MAGIC 0x4e45545845424453ull /* "SDBEXTEN" */
struct sdb_m_extent {
    uint64_t magic;                                  /* checked by value */
    uint64_t shard;                                  /* checked word: shard + 1 */
    uint64_t reserved[6];                            /* to 63 */
    uint64_t pages[PAGES_PER_EXTENT];                /* 64-575 page words */
    uint64_t bitmaps[PAGES_PER_EXTENT][BITMAP_WORDS];/* 576-12863 */
};
static_assert(offsetof(struct sdb_m_extent, pages) == 64, "extent");
static_assert(offsetof(struct sdb_m_extent, bitmaps) == 576, "extent");
static_assert(sizeof(struct sdb_m_extent) <= PAGE_SIZE_POOL, "extent");

/*
 * Handle entry: meta and three words of payload, in this order: key (0 to 2 words inline, or 1 word: a blob reference),
 * expiry time (0 or 1 word), value (0 to 2 words inline, 1 word integer, or 1 word blob reference).
 *
 * meta: [check 16 | version 8 | generation 16 | busy 1 | expires 1 | value code 5 | key code 5 | database 8 | type 4],
 * type in the lowest bits. check covers meta's other bits (busy as 0), the payload and the entry's offset.
 * A free entry keeps its generation, raised, and has type 0; the all-zero entry is free with generation 0.
 * key code: 0 to 16 inline bytes, 31: blob. value code: 0 to 16 inline bytes, 29: the file offset of a tree's header, 30: integer,
 * 31: blob. A string has no tree, every other type has one.
 */
struct sdb_m_entry {
    uint64_t meta;       /* 00-07 */
    uint64_t payload[3]; /* 08-31 */
};
static_assert(sizeof(struct sdb_m_entry) == ENTRY_SIZE, "entry");

enum value_type {
    VALUE_STRING = 1,
    VALUE_LIST = 2,
    VALUE_SET = 3,
    VALUE_HASH = 4,
    VALUE_ZSET = 5,
    VALUE_STREAM = 6,
};

#define META_TYPE_SHIFT 0
#define META_DATABASE_SHIFT 4
#define META_KEY_SHIFT 12
#define META_VALUE_SHIFT 17
#define META_EXPIRES (1ull << 22)
#define META_BUSY (1ull << 23)
#define META_GENERATION_SHIFT 24
#define META_VERSION_SHIFT 40
#define META_CHECK_SHIFT 48
#define CODE_MASK 31u
#define CODE_TREE 29u /* CODE_BLOB but for bit 1, which readers of small values go by */
#define CODE_INTEGER 30u
#define CODE_BLOB 31u
#define INLINE_SIZE_MAX 16u

/* Blob reference, highest bits first: [low 16 bits of the blob's checksum | 0 in 4 | block offset / 16 in 44], so that it leads to
 * no other blob. */

/* A blob starts its block: header, then the bytes. The checksum covers the size, the block's offset and the bytes. */
struct sdb_m_blob {
    uint32_t size;     /* 00-03 of the data */
    uint32_t checksum; /* 04-07 CRC-32C */
};
static_assert(sizeof(struct sdb_m_blob) == 8, "blob");

/*
 * Index. A directory is a block of 2^depth checked words [local depth 6 | size code 2 | segment's block offset / 64 : 40].
 * A segment is an array of buckets of one cache line; a bucket is eight index words [check 8 | tag 16 | entry offset / 32 : 40],
 * 0: empty. check is the exclusive or of the other seven bytes and CHECK_SEED.
 * size code 0: SEGMENT_BUCKETS_SMALL buckets, 1: SEGMENT_BUCKETS_LARGE.
 */
#define BUCKET_WORDS 8u
#define SEGMENT_BUCKETS_SMALL 128u
#define SEGMENT_BUCKETS_LARGE 170u

/*
 * A collection that has outgrown its entry and a packed blob: a counted B+ tree (pmem/tree.h). Its header is a block of a line;
 * its nodes have a class of blocks of their own, so that what stands on a page says that it is nodes.
 *
 * All words of the header are checked words; a list of headers to be reclaimed begins in the shard's header.
 */
struct sdb_m_tree {
    uint64_t shape;     /* 00-07 [kind 4 | height 5]: levels of inner nodes */
    uint64_t root;      /* 08-15 node's offset / 64; 0: no elements */
    uint64_t count;     /* 16-23 elements */
    uint64_t version;   /* 24-31 changes so far */
    uint64_t bytes;     /* 32-39 in blocks of nodes and blobs */
    uint64_t next;      /* 40-47 the next tree to be reclaimed, offset / 64 */
    uint64_t companion; /* 48-55 another tree that lives and dies with this one, offset / 64 */
    uint64_t user;      /* 56-63 whatever the type wants to keep */
};
static_assert(sizeof(struct sdb_m_tree) == 64, "tree");

/*
 * Node. head is a checked word: [level 4 | count 10], in a leaf (level 0) further [capacity 10 | first 10 | floor 10].
 *
 * Leaf: `capacity` slots stand behind the header, a ring that begins at slot `first`; elements fill the node from its end down to word
 * `floor`. slot: [word of the element 10 | size in bytes 10 | it is a blob reference 1 | fingerprint 15 | check 28]; the check
 * covers the slot's other bits, the node's offset and the element's words. sum is that of all slots in use, modulo 2^64.
 *
 * Inner node: records of [key: 0 to 2 words | child | count: none or 1 word]; child: [node's offset / 64 : 40 | check 24], over
 * the keys, the offset and the record's place; count: a checked word. sum is 0. A child has the elements from its key on, up to the
 * next record's key; the first one's key counts for nothing but the check.
 */
#define TREE_NODE_WORDS (TREE_NODE_SIZE / WORD_SIZE)
#define TREE_NODE_HEADER 3u
struct sdb_m_node {
    uint64_t head;  /* 00-07 */
    uint64_t owner; /* 08-15 checked word: the tree's header's offset / 64 */
    uint64_t sum;   /* 16-23 */
    uint64_t body[TREE_NODE_WORDS - TREE_NODE_HEADER];
};
static_assert(sizeof(struct sdb_m_node) == TREE_NODE_SIZE, "node");

/*
 * Lane: one line of header, then records, each on a line boundary, in a ring. A record never wraps: where the rest of the ring is
 * too short, the next one starts at its beginning.
 */
struct sdb_m_lane {
    uint64_t retired;  /* 00-07 records with a sequence up to this one are never applied again */
    uint64_t reserved[7];
};
static_assert(sizeof(struct sdb_m_lane) == 64, "lane");

/*
 * Redo record: header, then items, each led by a word whose low 8 bits tell its kind:
 *   0 line:     [line number 48 | word mask 8 | kind 8], then one word for each bit of the mask, low bit first
 *   1 range:    [file offset 56 | kind 8], length in bytes: what was written directly, before the commit
 *   2 contents: [0 | kind 8], XXH3-64 over the contents of all ranges and the headers of all blobs so far, in order, each
 *               seeded with the one before, the first like the record
 *   3 body:     [file offset 56 | kind 8], size in words, XXH3-64: the items stand there, because they are too many for the ring
 *   4 blob:     as range; the blob there answers for its bytes with its own checksum
 */
enum record_kind { RECORD_LINE = 0, RECORD_RANGE = 1, RECORD_CONTENTS = 2, RECORD_BODY = 3, RECORD_BLOB = 4 };
struct sdb_m_record {
    uint64_t sequence_and_size; /* [sequence 48 | size in words without the header 16] */
    uint64_t checksum;          /* XXH3-64 of the items, seeded with the lane's seed ^ the word above */
};
static_assert(sizeof(struct sdb_m_record) == 16, "record");

#endif
