/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * scan.c - walking over the entries in the order of their places
 * Media:   read only
 * Holds:   entries do not move, so that a cursor is a place, and a key that stays is met once in every round
 * Threads: the session's; takes no lock, except where a writer stays in the midst of an entry
 * Memory:  none
 */
#include "scan.h"

#include <inttypes.h>
#include <string.h>

#include "entry.h"
#include "error.h"
#include "heap_internal.h"
#include "random.h"
#include "read.h"
#include "word.h"

#define SKIPPED_PAGES_PER_EFFORT 64u

void scan_read(const struct sdb_session *session, uint64_t entry, uint64_t words[4], enum entry_read *result)
{
    if (session->tx.line_count && tx_find(&session->tx, entry / LINE_SIZE)) {
        memcpy(words, tx_line(&session->tx, entry) + entry / WORD_SIZE % 8, 4 * WORD_SIZE);
        *result = entry_valid(words, entry) ? ENTRY_OK : ENTRY_DAMAGED; /* a neighbour in the line, as it was found */
    } else {
        *result = entry_read(&session->pool->file, entry, words);
    }
    /* Codes that do not fit together would lead behind the words, however right the check bits are. */
    if (*result == ENTRY_OK && !entry_is_sane(words))
        *result = ENTRY_DAMAGED;
}

/* The value of a checked word, staged or in the pool. False: it is damaged, or zero because its page was lost. */
static bool read_word(const struct sdb_session *session, uint64_t offset, uint64_t *value)
{
    return checked_value(tx_load(&session->tx, offset), offset, value) &&
           (*value != 0 || !pool_file_is_lost(&session->pool->file, offset));
}

/* What the heap's words say of a page that is not known to have entries: how many pages to pass over, as far as they can be read. */
static int pass_over(const struct sdb_session *session, uint64_t page, unsigned *pages)
{
    const uint64_t map = session->pool->file.superblock.extent_map_offset + page / PAGES_PER_EXTENT * WORD_SIZE;
    const uint64_t word = heap_page_word_offset((uint32_t)page);
    const unsigned rest = PAGES_PER_EXTENT - (unsigned)(page % PAGES_PER_EXTENT);
    const uint64_t map_word = tx_load(&session->tx, map);
    uint64_t value;

    *pages = rest;
    if (!read_word(session, map, &value)) {
        error_set("%s: the extent map at offset %" PRIu64 " is damaged: keys there are not known",
                  session->pool->file.path, map);
        return SDB_ECORRUPT;
    }
    if (extent_value_state(value) != EXTENT_PAGES)
        return SDB_OK;
    *pages = 1;
    if (read_word(session, word, &value) && page_value_type(value) <= PAGE_HEADER)
        return SDB_OK;
    if (tx_load(&session->tx, map) != map_word) /* another's by now, and what stands there no page word */
        return SDB_OK;
    if (tx_load(&session->tx, word) == 0) /* lost, and the other page words with it */
        *pages = rest;
    error_set("%s: the page word at offset %" PRIu64 " is damaged: keys there are not known", session->pool->file.path,
              word);
    return SDB_ECORRUPT;
}

int scan_next_page(struct sdb_session *session, uint64_t *page, size_t *effort)
{
    struct heap *heap = &session->pool->heap;
    uint64_t at = session->pool->file.superblock.heap_offset >> PAGE_SHIFT_POOL;
    uint64_t end = (uint64_t)__atomic_load_n(&heap->extent_count, __ATOMIC_ACQUIRE) * PAGES_PER_EXTENT;
    unsigned skipped = 0;

    for (at = *page < at ? at : *page; at < end;) {
        unsigned pages;
        int error;

        if (heap_is_entry(heap, at << PAGE_SHIFT_POOL)) {
            *page = at;
            return SDB_OK;
        }
        error = pass_over(session, at, &pages);
        at += pages;
        if (error) {
            stat_add(&session->stats.checksum_errors, 1);
            *page = at < end ? at : 0;
            return error;
        }
        if (++skipped % SKIPPED_PAGES_PER_EFFORT == 0 && *effort > 1)
            --*effort;
    }
    *page = 0;
    return SDB_OK;
}

/* Whether the entry's key can be trusted: a damaged blob, or an entry that was freed before the pin was there? */
static bool key_is_whole(struct sdb_session *session, uint64_t entry, const uint64_t words[4], bool *gone)
{
    *gone = false;
    if (meta_key_code(words[0]) != CODE_BLOB || entry_blob_verify(&session->pool->file, words[1]))
        return true;
    *gone = !tx_find(&session->tx, entry / LINE_SIZE) && !entry_unchanged(&session->pool->file, entry, words);
    return false;
}

/* Reads an entry and verifies its key. Errors: SDB_ECORRUPT, SDB_ECONFLICT (in a transaction). */
static int scan_entry(struct sdb_session *session, uint64_t entry, uint64_t words[4], bool *gone)
{
    enum entry_read result;
    int error;

    *gone = false;
    scan_read(session, entry, words, &result);
    if (result != ENTRY_OK) { /* a writer is at it, or it is damaged */
        error = read_entry(session, entry, words);
        if (error)
            return error == SDB_ECONFLICT ? error : SDB_ECORRUPT;
    }
    if (meta_type(words[0]) == 0) /* a lost page is told of once */
        return entry % 4096 == 0 && pool_file_is_lost(&session->pool->file, entry) ? SDB_ECORRUPT : SDB_OK;
    if (entry_is_sane(words) && (key_is_whole(session, entry, words, gone) || *gone))
        return SDB_OK;
    stat_add(&session->stats.checksum_errors, 1);
    return SDB_ECORRUPT;
}

/* Shows one live entry to the visitor. Returns what the visitor said. */
static int visit_entry(struct sdb_session *session, uint64_t entry, const uint64_t words[4], sdb_scan_fn *visit,
                       void *context)
{
    struct sdb_scan_item item = {.type = (uint8_t)meta_type(words[0]), .handle = handle_of(entry, words[0])};
    unsigned code = meta_value_code(words[0]);
    uint8_t scratch[16];
    const uint8_t *key;

    item.expire_ms = entry_expiry(words);
    if (item.type == SDB_TYPE_STRING)
        item.encoding = code == CODE_BLOB ? SDB_ENCODING_BLOB : code == CODE_INTEGER ? SDB_ENCODING_INT : SDB_ENCODING_INLINE;
    if (!entry_key(&session->pool->file, words, scratch, &key, &item.key.size))
        return 0;
    item.key.data = key;
    return visit(context, &item);
}

int sdb_scan(struct sdb_session *session, uint64_t *cursor, size_t effort, sdb_scan_fn *visit, void *context)
{
    unsigned physical = session_physical(session, session->database);
    int64_t now = session_now(session);
    uint64_t entry = *cursor <= UINT64_MAX >> ENTRY_SHIFT ? *cursor << ENTRY_SHIFT : 0;
    int error = SDB_OK;
    bool stop = false;

    session_pin(session); /* keys in blobs are shown where they lie */
    while (!stop && effort > 0) {
        uint64_t page = entry >> PAGE_SHIFT_POOL, end;

        error = scan_next_page(session, &page, &effort);
        if (error || page == 0) {
            entry = page << PAGE_SHIFT_POOL;
            break;
        }
        if (entry < page << PAGE_SHIFT_POOL)
            entry = page << PAGE_SHIFT_POOL;
        end = (page + 1) << PAGE_SHIFT_POOL;
        for (; entry < end && effort > 0 && !stop; entry += ENTRY_SIZE, effort--) {
            uint64_t words[4];
            bool gone = false;
            int read = scan_entry(session, entry, words, &gone);

            if (read == SDB_ECONFLICT) { /* nothing was seen of it: the cursor stays */
                error = read;
                stop = true;
                break;
            }
            if (read) {
                error_set("%s: the entry at offset %" PRIu64 " is damaged", session->pool->file.path, entry);
                error = SDB_ECORRUPT;
                stop = true;
                continue;
            }
            if (meta_type(words[0]) && !gone && meta_database(words[0]) == physical && !entry_is_expired(words, now))
                stop = visit_entry(session, entry, words, visit, context) != 0;
        }
    }
    session_unpin(session);
    *cursor = entry >> ENTRY_SHIFT;
    return error;
}

struct picked {
    void *buffer;
    size_t buffer_size;
    size_t *key_size;
    bool found;
};

static int pick(void *context, const struct sdb_scan_item *item)
{
    struct picked *picked = context;

    if (picked->buffer_size && item->key.size)
        memcpy(picked->buffer, item->key.data,
               item->key.size < picked->buffer_size ? item->key.size : picked->buffer_size);
    *picked->key_size = item->key.size;
    picked->found = true;
    return 1;
}

/* A random one of a page's live keys of the database. */
static int pick_from_page(struct sdb_session *session, uint64_t page, struct picked *picked)
{
    uint64_t first = page << (PAGE_SHIFT_POOL - ENTRY_SHIFT), start = random_below(ENTRIES_PER_PAGE);
    int error = SDB_OK;

    for (unsigned i = 0; i < ENTRIES_PER_PAGE && !picked->found && !error; i++) {
        /* A stride that is odd visits every entry, and neighbours are as likely as strangers. */
        uint64_t cursor = first + (start + i * 389u) % ENTRIES_PER_PAGE;

        error = sdb_scan(session, &cursor, 1, pick, picked);
    }
    return error;
}

int sdb_random_key(struct sdb_session *session, void *buffer, size_t buffer_size, size_t *key_size)
{
    struct picked picked = {.buffer = buffer, .buffer_size = buffer_size, .key_size = key_size};
    uint64_t end = __atomic_load_n(&session->pool->file.size, __ATOMIC_ACQUIRE) >> PAGE_SHIFT_POOL, page;
    size_t effort = SIZE_MAX;
    int error = SDB_OK;

    /* Places at random first; where keys are few, a random page and those behind it. */
    for (int i = 0; i < 128 && !picked.found && !error; i++) {
        uint64_t cursor = random_below(end << (PAGE_SHIFT_POOL - ENTRY_SHIFT));

        if (heap_is_entry(&session->pool->heap, cursor << ENTRY_SHIFT))
            error = sdb_scan(session, &cursor, 1, pick, &picked);
    }
    page = random_below(end);
    for (int round = 0; round < 2 && !picked.found && !error; round++) {
        error = scan_next_page(session, &page, &effort);
        while (page && !picked.found && !error) {
            error = pick_from_page(session, page++, &picked);
            if (!picked.found && !error)
                error = scan_next_page(session, &page, &effort);
        }
    }
    if (error)
        return error;
    return picked.found ? SDB_OK : SDB_ENOTFOUND;
}
