/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * scrub.c - sdb_scrub: looks at everything in the pool in the order of its place, beside readers and writers, a step at a time
 * Media:   read only, but for a damaged copy of the superblock, which is written anew (file.c)
 * Holds:   1. The look takes no lock. What seems wrong may be a writer's work: it is looked at again under the lock of its shard, and
 *             only what is wrong then is told.
 *          2. Every live entry is looked for through the index, as a reader would: a key that readers miss is found.
 * Threads: the session's
 * Memory:  none
 */
#include <inttypes.h>
#include <string.h>

#include "entry.h"
#include "error.h"
#include "heap_internal.h"
#include "index_internal.h"
#include "race.h"
#include "root.h"
#include "scan.h"
#include "session.h"
#include "tree_internal.h"

struct scrubbing {
    struct sdb_session *session;
    sdb_finding_fn *report;
    void *context;
    struct sdb_scrub *result;
};

static void tell(const struct scrubbing *scrub, uint64_t offset, const char *what, const struct index_key *key)
{
    struct sdb_finding finding = {.offset = offset, .what = what, .database = SDB_DATABASES};

    for (uint32_t i = 0; key != NULL && i < SDB_DATABASES; i++)
        if (session_physical(scrub->session, i) == key->database)
            finding.database = i;
    if (key != NULL)
        finding.key = (struct sdb_slice){key->data, key->size};
    scrub->result->problems++;
    stat_add(&scrub->session->stats.checksum_errors, 1);
    if (scrub->report != NULL)
        scrub->report(scrub->context, &finding);
}

static uint64_t load(const struct scrubbing *scrub, uint64_t offset)
{
    return persist_load_acquire((const uint64_t *)(const void *)(scrub->session->pool->file.base + offset));
}

static bool is_sound(const struct scrubbing *scrub, uint64_t offset)
{
    uint64_t value;

    scrub->result->bytes += WORD_SIZE;
    return checked_value(load(scrub, offset), offset, &value) &&
           (value != 0 || !pool_file_is_lost(&scrub->session->pool->file, offset));
}

/* ---- What the pool has once ---- */

/* A word of the root or of a lane's header. */
static bool is_sound_in_root(const struct scrubbing *scrub, uint64_t offset)
{
    uint64_t value;

    scrub->result->bytes += WORD_SIZE;
    return root_word_value(&scrub->session->pool->file, load(scrub, offset), offset, &value);
}

/*
 * What the superblock says is in DRAM while the pool is open: a copy that says something else is written anew. One behind the other, each
 * durable before the next, so that a copy which is whole stays so.
 */
static void scrub_superblock(const struct scrubbing *scrub)
{
    struct sdb_pool *pool = scrub->session->pool;
    int mended;

    for (int copy = 0; copy < 2; copy++) {
        lock_acquire(&pool->resize_lock);
        const int damaged = pool_file_look_at_copy(&pool->file, copy, pool_writable(pool) == SDB_OK, &mended);
        lock_release(&pool->resize_lock);
        scrub->result->bytes += sizeof(struct sdb_m_superblock);
        if (damaged)
            tell(scrub, pool_file_copy_offset(copy),
                 mended ? "superblock: a copy was damaged, and has been written anew" : "superblock: a copy is damaged", NULL);
    }
}

static void scrub_metadata(const struct scrubbing *scrub)
{
    const struct pool_file *file = &scrub->session->pool->file;

    scrub_superblock(scrub);
    for (unsigned i = 0; i < SDB_DATABASES + 8; i++)
        if (!is_sound_in_root(scrub, file->superblock.root_offset + i * WORD_SIZE))
            tell(scrub, file->superblock.root_offset + i * WORD_SIZE, "root: the check bits are wrong", NULL);
    for (uint32_t i = 0; i < file->superblock.shards; i++)
        if (!is_sound(scrub, index_shard_offset(file, i)))
            tell(scrub, index_shard_offset(file, i), "shard header: the check bits are wrong", NULL);
    for (uint32_t i = 0; i < file->superblock.lanes; i++)
        if (!is_sound_in_root(scrub, file->superblock.lanes_offset + i * file->superblock.lane_size))
            tell(scrub, file->superblock.lanes_offset + i * file->superblock.lane_size, "lane header: the check bits are wrong", NULL);
}

/* ---- Extents ---- */

/* The extent's word and header. False: it is not one of pages, or which are its pages cannot be told. */
static bool scrub_header(const struct scrubbing *scrub, uint32_t index)
{
    struct heap *heap = &scrub->session->pool->heap;
    const uint64_t map = heap_map_offset(heap, index), base = (uint64_t)index << EXTENT_SHIFT, before = load(scrub, map);
    uint64_t wrong = 0;

    if (!is_sound(scrub, map)) {
        tell(scrub, map, "extent map: the check bits are wrong", NULL);
        return false;
    }
    if (before == 0) {
        if (heap_extent_has_keys(&scrub->session->pool->file, index) && load(scrub, map) == 0)
            tell(scrub, map, "extent map: the extent is free, and there are keys in it", NULL);
        return false;
    }
    if (extent_value_state(before & CHECKED_VALUE_MASK) != EXTENT_PAGES)
        return false;
    if (load(scrub, base) != EXTENT_MAGIC)
        wrong = base;
    for (uint64_t at = base + offsetof(struct sdb_m_extent, pages); at < base + sizeof(struct sdb_m_extent) && wrong == 0;
         at += WORD_SIZE)
        if (!is_sound(scrub, at))
            wrong = at;
    /* An extent that was given back meanwhile may be anything by now. */
    if (wrong != 0 && load(scrub, map) == before)
        tell(scrub, wrong, "extent header: damaged", NULL);
    return load(scrub, map) == before;
}

/* ---- Entries ---- */

/* The shard's lock, for a second look. False: it cannot be had. */
static bool lock_owner(const struct scrubbing *scrub, uint64_t offset, uint32_t *shard)
{
    struct sdb_session *session = scrub->session;

    return heap_owner(&session->pool->heap, &session->tx, offset, shard) && session_lock(session, *shard) == SDB_OK;
}

/* Reads the key into `key`, verified. The session has a pin. */
static bool read_key(const struct scrubbing *scrub, const uint64_t words[4], uint8_t scratch[16], struct index_key *key)
{
    const struct pool_file *file = &scrub->session->pool->file;
    const uint8_t *data;
    size_t size;

    if (!entry_is_sane(words) || (meta_key_code(words[0]) == CODE_BLOB && !entry_blob_verify(file, words[1])) ||
        !entry_key(file, words, scratch, &data, &size))
        return false;
    index_key_init(key, file, meta_database(words[0]), data, size);
    scrub->result->bytes += meta_key_code(words[0]) == CODE_BLOB ? size : 0;
    return true;
}

/* The header that a node names. The collection may be on its way out: then only its words are good. */
static bool header_is_good(const struct scrubbing *scrub, uint64_t header)
{
    const struct sdb_session *session = scrub->session;
    uint32_t shard;
    uint64_t value;

    if (!tree_shard(&session->pool->heap, &session->tx, header, &shard))
        return false;
    for (uint64_t at = header; at < header + sizeof(struct sdb_m_tree); at += WORD_SIZE)
        if (!nonzero_word_value(load(scrub, at), at, &value))
            return false;
    return tree_shapes[load(scrub, header) & 15].valid;
}

/* What is wrong with an entry, NULL: nothing. locked: its shard is. The key is filled in as far as it can be told. */
static const char *look(const struct scrubbing *scrub, uint64_t entry, bool locked, uint8_t scratch[16], struct index_key *key)
{
    struct sdb_session *session = scrub->session;
    struct pool_file *file = &session->pool->file;
    struct index_found found;
    enum index_result result;
    uint64_t words[4];
    const uint8_t *data;
    uint32_t size;

    key->data = NULL;
    if (entry_read(file, entry, words) != ENTRY_OK)
        return "entry: the check bits are wrong";
    if (meta_type(words[0]) == 0)
        return entry % 4096 == 0 && pool_file_is_lost(file, entry) ? "entry: its page is lost" : NULL;
    if (!read_key(scrub, words, scratch, key)) {
        key->data = NULL;
        return "entry: its key is damaged";
    }
    result = locked ? index_find_staged(&session->pool->heap, &session->tx, key, &found)
                    : index_find(&session->pool->heap, key, &found);
    if (result != INDEX_FOUND || found.entry != entry)
        return "entry: its key does not lead to it";
    if (meta_value_code(words[0]) == CODE_TREE)
        return tree_header_sound(&session->pool->heap, &session->tx, entry_tree(words)) ? NULL : "collection: its header is damaged";
    if (meta_value_code(words[0]) != CODE_BLOB)
        return NULL;
    const uint64_t reference = words[entry_value_index(words[0])];
    if (!entry_blob(file, reference, &data, &size) || !entry_blob_verify(file, reference))
        return "value: the checksum is wrong";
    scrub->result->bytes += size;
    scrub->result->blobs++;
    return NULL;
}

static int scrub_entry(const struct scrubbing *scrub, uint64_t entry)
{
    struct sdb_session *session = scrub->session;
    struct index_key key = {0};
    uint8_t scratch[16];
    const char *wrong;
    uint32_t shard;

    scrub->result->entries++;
    scrub->result->bytes += ENTRY_SIZE;
    session_pin(session);
    race_reads_begin(); /* what it meets may be a writer's work */
    wrong = look(scrub, entry, false, scratch, &key);
    race_reads_end();
    if (wrong != NULL && lock_owner(scrub, entry, &shard)) {
        wrong = look(scrub, entry, true, scratch, &key);
        if (wrong != NULL)
            tell(scrub, entry, wrong, key.data != NULL ? &key : NULL);
    }
    scrub->result->keys += key.data != NULL;
    session_unpin(session);
    return session_commit(session); /* nothing is staged: the lock, if it was taken, is given back */
}

/* ---- Index segments ---- */

static bool word_is_good(const struct scrubbing *scrub, uint64_t at)
{
    const uint64_t word = load(scrub, at), entry = index_word_entry(word);
    uint64_t words[4];

    return word == 0 || (index_word_valid(word) && heap_is_entry(&scrub->session->pool->heap, entry) &&
                         entry_read(&scrub->session->pool->file, entry, words) == ENTRY_OK && meta_type(words[0]) != 0);
}

static bool is_allocated(const struct scrubbing *scrub, uint32_t page, unsigned block)
{
    return load(scrub, heap_bitmap_offset(page, block)) >> block % BITMAP_BITS & 1;
}

static int scrub_segment(const struct scrubbing *scrub, uint32_t page, unsigned block, uint64_t size)
{
    const uint64_t start = heap_page_start(page) + block * size;
    uint32_t shard;

    for (uint64_t at = start; at < start + size; at += WORD_SIZE) {
        if (word_is_good(scrub, at) || !lock_owner(scrub, at, &shard))
            continue;
        /* Damaged words only: one that leads to a damaged entry is told of with the entry. */
        if (is_allocated(scrub, page, block) && !index_word_valid(load(scrub, at)))
            tell(scrub, at, "index word: the check bits are wrong", NULL);
        else if (is_allocated(scrub, page, block) && !word_is_good(scrub, at))
            tell(scrub, at, "index word: leads to no live entry", NULL);
    }
    scrub->result->bytes += size;
    return session_commit(scrub->session);
}

/* ---- Nodes of collections ---- */

/* Whether an element of a leaf belongs behind the one before it, last, which it becomes. Kinds without an order say yes. */
static bool is_in_order(const struct pool_file *file, enum tree_kind kind, const struct tree_element *element, bool first, struct tree_probe *last)
{
    const struct tree_shape *shape = &tree_shapes[kind];
    struct tree_probe probe;

    if (!shape->ordered || !shape->keys)
        return true;
    if (!tree_probe_element(file, kind, element->data, element->size, &probe))
        return false;
    const bool sound = first || tree_probe_compare(shape, last, &probe) < 0;
    *last = probe;
    return sound;
}

/* What is wrong with a node; NULL: nothing. It says of itself whose it is. */
static const char *look_at_node(const struct scrubbing *scrub, uint64_t at)
{
    const struct pool_file *file = &scrub->session->pool->file;
    const uint64_t *words = (const uint64_t *)(const void *)(file->base + at);
    const struct tree_shape *shape;
    struct tree_probe last = {.name = NULL};
    struct tree_node node;
    uint64_t owner;

    if (!tree_node_verify(at, words, TREE_ANY, TREE_ANY, NULL, &node) || !checked_value(load(scrub, at + WORD_SIZE), at + WORD_SIZE, &owner))
        return "collection: a node is damaged";
    if (!header_is_good(scrub, owner << 6))
        return "collection: a node belongs to nothing";
    const enum tree_kind kind = (enum tree_kind)(load(scrub, owner << 6) & 15);
    shape = &tree_shapes[kind];
    if (node.level > 0 && node.count > tree_records_max(shape))
        return "collection: a node is damaged";
    for (unsigned i = 0; i < node.count; i++) {
        struct tree_element element;
        struct tree_child child;

        if (node.level > 0 ? !tree_child_read(shape, &node, i, &child) : !tree_element_read(file, &node, i, true, &element))
            return node.level > 0 ? "collection: a node's record is damaged" : "collection: an element is damaged";
        if (node.level == 0 && !is_in_order(file, kind, &element, i == 0, &last))
            return "collection: elements are not in order";
        scrub->result->bytes += node.level == 0 && element.blob ? element.size : 0;
        scrub->result->blobs += node.level == 0 && element.blob;
    }
    return NULL;
}

static int scrub_node(const struct scrubbing *scrub, uint32_t page, unsigned block)
{
    const uint64_t at = heap_page_start(page) + (uint64_t)block * TREE_NODE_SIZE;
    const char *wrong;
    uint32_t shard;

    session_pin(scrub->session);
    race_reads_begin(); /* what it meets may be a writer's work */
    wrong = look_at_node(scrub, at);
    race_reads_end();
    if (wrong != NULL && lock_owner(scrub, at, &shard)) {
        wrong = is_allocated(scrub, page, block) ? look_at_node(scrub, at) : NULL;
        if (wrong != NULL)
            tell(scrub, at, wrong, NULL);
    }
    scrub->result->bytes += TREE_NODE_SIZE;
    session_unpin(scrub->session);
    return session_commit(scrub->session);
}

/* ---- Walking ---- */

/* A page's words decide what it is. Returns an error of a commit. */
static int scrub_page(const struct scrubbing *scrub, uint32_t page, uint64_t *entry)
{
    const uint64_t value = load(scrub, heap_page_word_offset(page)) & CHECKED_VALUE_MASK, end = heap_page_start(page + 1);
    const unsigned size_class = page_value_class(value);
    const uint64_t limit = scrub->result->bytes + 4096; /* of a step within a page */
    int error = SDB_OK;

    if (heap_is_entry(&scrub->session->pool->heap, heap_page_start(page))) {
        for (; *entry < end && !error && scrub->result->bytes < limit; *entry += ENTRY_SIZE)
            error = scrub_entry(scrub, *entry);
        return error;
    }
    *entry = end;
    if (page_value_type(value) != PAGE_BLOCKS || size_class < HEAP_SIZE_CLASSES || size_class >= HEAP_CLASSES)
        return SDB_OK;
    for (unsigned block = 0; block < heap_class_blocks(size_class) && !error; block++)
        if (is_allocated(scrub, page, block))
            error = size_class == HEAP_CLASS_NODE ? scrub_node(scrub, page, block) : scrub_segment(scrub, page, block, heap_class_sizes[size_class]);
    return error;
}

int sdb_scrub(struct sdb_session *session, uint64_t *cursor, size_t effort, sdb_finding_fn *report, void *context,
              struct sdb_scrub *result)
{
    struct heap *heap = &session->pool->heap;
    const uint64_t first = session->pool->file.superblock.heap_offset;
    uint64_t at = *cursor <= UINT64_MAX >> ENTRY_SHIFT ? *cursor << ENTRY_SHIFT : 0;
    const struct scrubbing scrub = {session, report, context, result};
    const uint64_t before = result->bytes;
    int error = SDB_OK;

    if (session->transaction || session->group)
        return SDB_EINVAL;
    if (at < first) {
        scrub_metadata(&scrub);
        at = first;
    }
    while (!error && result->bytes - before < effort) {
        if (at >> EXTENT_SHIFT >= __atomic_load_n(&heap->extent_count, __ATOMIC_ACQUIRE)) {
            at = 0;
            break;
        }
        if (at % EXTENT_SIZE == 0) {
            at += scrub_header(&scrub, heap_extent_of(at)) ? PAGE_SIZE_POOL : EXTENT_SIZE;
            continue;
        }
        error = scrub_page(&scrub, heap_page_number(at), &at);
    }
    *cursor = at >> ENTRY_SHIFT;
    return error;
}
